"""Users: showing them as resources of SCIM, and changing them.

Every change is made by functions of the domain, and in the one transaction of its request.
"""

from dataclasses import dataclass
from typing import Any

from marshmallow import ValidationError

from provisioning.domain import people, roles
from provisioning.domain.activity import ActivityWindow
from provisioning.domain.callers import effective_privilege
from provisioning.domain.names import username_key
from provisioning.domain.records import Records, not_found
from provisioning.domain.tables import USERS
from provisioning.domain.tenants import new_account
from provisioning.resources.users import USER, hashed
from provisioning.scim import identities
from provisioning.scim.messages import (
    Refused,
    immutable,
    invalid_value,
    location,
    version_of,
)
from provisioning.scim.models import EnterpriseUser, GivenUser, User
from provisioning.store import Record
from provisioning.web.collection import HIGHEST_ID
from provisioning.web.context import server
from provisioning.web.fields import check_email
from provisioning.web.records import changed, load_changes, load_part

ENTERPRISE = str(EnterpriseUser.__schema__)


def describe(records: Records, account: Record) -> Record:
    """A user as a resource, with all attributes that this tenant may see."""
    user = username_key(account["username"])
    here = account | people.seen_here(records, account)
    active = identities.active_privileges_of(records, user)
    manager = shown_manager(records, active)
    name = {"givenName": here["firstName"], "familyName": here["lastName"]}
    held = {each["role"] for each in active if each["activeUntil"] is None}
    resource = {
        "schemas": [str(User.__schema__), *([ENTERPRISE] if manager else [])],
        "id": str(account["id"]),
        "externalId": identities.external_id(records, identities.USERS_KNOWN, user),
        "userName": account["username"],
        "name": {part: text for part, text in name.items() if text},
        "displayName": display_name(account),
        "emails": [{"value": account["email"], "type": "work", "primary": True}],
        "photos": [{"value": here["avatar"], "type": "photo", "primary": True}]
        if here["avatar"]
        else None,
        "timezone": here["timeZone"],
        "active": bool(active),
        "groups": [{"value": role, "display": role} for role in roles.ROLES if role in held],
        ENTERPRISE: {"manager": {"value": manager}} if manager else None,
    }
    resource = {member: value for member, value in resource.items() if value not in (None, {}, [])}
    meta = {
        "resourceType": "User",
        "location": location("Users", account["id"]),
        "version": f'"{version_of(resource)}"',
    }
    return resource | {"meta": meta}


def display_name(account: Record) -> str:
    names = (account["firstName"], account["lastName"])
    return " ".join(name.strip() for name in names if name and name.strip()) or account["username"]


def shown_manager(records: Records, active: list[Record]) -> str | None:
    """The id of the visible user to whom somebody with these active privileges reports, or None."""
    reporting = [each for each in active if each["reportsTo"]]
    privilege = effective_privilege(reporting, records.now)
    supervisor = None if privilege is None else privilege["reportsTo"]
    if supervisor is None or not identities.is_visible(records, supervisor):
        return None
    account = records.view.get(USERS, supervisor)
    return None if account is None else str(account["id"])


def find(records: Records, user_id: str) -> tuple[str, Record]:
    """The visible user with this id, as (key, account); NotFound if there is none."""
    found = account_of(records, user_id)
    if found is None:
        raise not_found()
    return found


def account_of(records: Records, user_id: str) -> tuple[str, Record] | None:
    """The visible user with this id, as (key, account), or None."""
    digits = user_id.isascii() and user_id.isdigit()
    # Only the usual spelling of a number is an id: 01 is none.
    number = int(user_id[:20]) if digits else 0
    if str(number) != user_id or number > HIGHEST_ID:
        return None
    account = records.view.find(USERS, "id", number)
    user = None if account is None else username_key(account["username"])
    if account is None or user is None or not identities.is_visible(records, user):
        return None
    return user, account


@dataclass(frozen=True)
class Wanted:
    """The user that a request asks for."""

    external_id: str | None
    """None removes the external id."""
    profile: Record
    """Members of the API's user, None to clear one. An `email` of None stands for the username."""
    password: str | None
    """None leaves the password as it is."""
    active: bool | None
    """None leaves the privileges as they are."""
    manager: str | None
    """The id of a user, or None for nobody."""
    has_manager: bool
    """Whether `manager` counts; False leaves the reporting line as it is."""


def wanted(given: GivenUser, is_whole: bool = False) -> Wanted:
    """The user that a resource asks for.

    `is_whole`: the resource holds all attributes, so that absent email and manager are removed; it
    is that of a PATCH, after its operations. For others absent ones stay as they are.
    """
    name = given.name
    extension: EnterpriseUser | None = given[EnterpriseUser]
    has_manager = is_whole or (extension is not None and "manager" in extension.model_fields_set)
    manager = extension.manager.value if extension is not None and extension.manager else None
    email = chosen(given.emails, "work")
    profile = {
        "firstName": (name.given_name if name else None) or None,
        "lastName": (name.family_name if name else None) or None,
        "avatar": chosen(given.photos, "photo"),
        "timeZone": given.timezone or None,
    }
    return Wanted(
        checked_external_id(given.external_id),
        profile | {"email": email} if email or is_whole else profile,
        given.password,
        given.active,
        manager or None,
        has_manager,
    )


def chosen(entries: Any, kind: str) -> str | None:
    """The value of the entry to keep: the primary one, else that of this type, else the first."""
    filled = [each for each in entries or [] if each.value]
    ranked = sorted(filled, key=lambda each: (not each.primary, (each.type or "").lower() != kind))
    return ranked[0].value if ranked else None


def checked_external_id(text: str | None) -> str | None:
    try:
        return identities.EXTERNAL_ID.fields["externalId"].deserialize(text) if text else None
    except ValidationError as error:
        raise invalid_value(f"externalId: {error.messages[0]}") from None


def require_same_username(given: GivenUser, account: Record) -> None:
    if username_key(given.user_name or "") != username_key(account["username"]):
        raise immutable(
            "userName: Can't be changed, since accounts are known by it in all tenants. Send it "
            "as it is, or leave it out."
        )


def address_of(username: str) -> str:
    """The username as an email address, if no other is given; Refused if it is none."""
    try:
        check_email(username)
    except ValidationError:
        raise invalid_value("emails: Give an address, since the userName is none.") from None
    return username


def hash_wanted(records: Records, account: Record | None, asked: Wanted) -> str | None:
    """The hash of a wanted password, or None if it doesn't count; slow: not in a transaction."""
    if asked.password is None or (account is not None and account["home"] != records.label):
        return None
    return hashed(server(), load_part(USER, {"password": asked.password})["password"])


def create(records: Records, username: str, asked: Wanted, password_hash: str | None) -> Record:
    """Make a visible user of a new or hidden account, which is returned; Refused if visible."""
    user = username_key(username)
    account = records.view.get(USERS, user)
    if account is not None and identities.is_visible(records, user):
        raise Refused(
            409,
            "uniqueness",
            "A user of this tenant has this userName already. Find them with the filter "
            f'userName eq "{username}", and change that one.',
        )
    if account is None:
        profile = {"username": username, **filled(asked.profile)}
        if "email" not in profile:
            profile["email"] = address_of(username)
        given = load_part(USER, profile)
        account = dict.fromkeys(name for name in USER.load_fields if name != "password") | given
        account = new_account(records, account, password_hash)
        records.transaction.put(USERS, user, account)
    else:
        account = change_profile(records, user, account, asked, password_hash)
    identities.call(records, identities.USERS_KNOWN, {"user": user}, asked.external_id)
    if asked.active is False:
        people.revoke(records, people.privileges_of(records, user))
        grant_user(records, user, records.now)
    else:
        grant_user(records, user, next_user_privilege(records, user))
    report(records, user, asked)
    return account


def filled(profile: Record) -> Record:
    return {name: value for name, value in profile.items() if value is not None}


def change(
    records: Records, user: str, account: Record, asked: Wanted, password_hash: str | None
) -> Record:
    """Change a visible user as the request asks, and return the account."""
    account = change_profile(records, user, account, asked, password_hash)
    identities.call(records, identities.USERS_KNOWN, {"user": user}, asked.external_id)
    is_active = bool(identities.active_privileges_of(records, user))
    if asked.active is False:
        people.revoke(records, people.privileges_of(records, user))
    elif asked.active and not is_active:
        grant_user(records, user, next_user_privilege(records, user))
    report(records, user, asked)
    return account


def change_profile(
    records: Records, user: str, account: Record, asked: Wanted, password_hash: str | None
) -> Record:
    """Change the profile, if the account's home is this tenant, and return the account."""
    if account["home"] != records.label:
        return account
    profile = asked.profile
    if profile.get("email", "") is None:
        profile = profile | {"email": address_of(account["username"])}
    differing = {n: value for n, value in profile.items() if value != account[n]}
    changes = load_changes(USER, differing)
    if password_hash is not None:
        changes["passwordHash"] = password_hash
    account = changed(account, changes)
    records.transaction.put(USERS, user, account)
    return account


def grant_user(records: Records, user: str, until: str | None) -> None:
    terms = {"role": roles.USER, "activeFrom": records.now, "activeUntil": until}
    people.grant(records, user, terms | {"reportsTo": None})


def next_user_privilege(records: Records, user: str) -> str | None:
    """When the user's next USER privilege begins, or None; a new one may last until then."""
    return min(
        (
            each["activeFrom"]
            for each in people.privileges_of(records, user)
            if each["role"] == roles.USER
            and each["activeFrom"] > records.now
            and not ActivityWindow.of(each).is_empty
        ),
        default=None,
    )


def report(records: Records, user: str, asked: Wanted) -> None:
    """Set `reportsTo` of all active privileges of a user to the wanted manager, if it counts."""
    active = identities.active_privileges_of(records, user)
    if not asked.has_manager or asked.manager == shown_manager(records, active):
        return
    username = None
    if asked.manager is not None:
        found = account_of(records, asked.manager)
        if found is None:
            raise invalid_value("manager.value: Must be the id of a user of this tenant.")
        username = found[1]["username"]
    for privilege in active:
        people.change_privilege(records, privilege, {"reportsTo": username})


def remove(records: Records, user: str) -> None:
    """Revoke all privileges of a user, and hide the user until a new one begins."""
    people.revoke(records, people.privileges_of(records, user))
    identities.forget(records, user)
