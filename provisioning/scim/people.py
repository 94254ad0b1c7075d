"""Users: showing them as resources of SCIM, what a request asks of one, and doing that.

What is asked for is worked out before a transaction. It is done by functions of the domain, and in
the one transaction of its request.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import orjson
from marshmallow import ValidationError
from orjson import Fragment

from provisioning.accounts import rename_within, tenants_holding
from provisioning.domain import people, roles
from provisioning.domain.activity import ActivityWindow
from provisioning.domain.callers import effective_privilege
from provisioning.domain.names import username_key
from provisioning.domain.records import Records, not_found
from provisioning.domain.tables import USERS
from provisioning.domain.tenants import new_account
from provisioning.resources.users import USER
from provisioning.scim import filters, identities
from provisioning.scim.filters import folded
from provisioning.scim.messages import (
    ENTERPRISE,
    EXTENSION,
    MEMBERS,
    SCIM,
    Refused,
    immutable,
    invalid_value,
    location,
    members_of,
    quoted,
    text,
    version_of,
)
from provisioning.scim.messages import USER as USER_SCHEMA
from provisioning.scim.patch import ADD, MOST_VALUES, REMOVE, REPLACE, Step, steps_in_resource
from provisioning.store import Lookup, Record
from provisioning.web.answers import encode_to_keep
from provisioning.web.collection import HIGHEST_ID
from provisioning.web.context import server
from provisioning.web.fields import check_email
from provisioning.web.records import changed, load_changes, load_part


def describe(records: Records, account: Record) -> Record:
    """A user as a resource, with all attributes that this tenant may see."""
    resource: Record = orjson.loads(_kept(records, account))
    resource["meta"]["location"] = location("Users", account["id"])
    return resource


def encoded(records: Records, account: Record, base_url: bytes) -> Fragment:
    """What `describe` returns, as JSON, for lists. `base_url` is the location of all, as JSON."""
    kept = _kept(records, account)
    return Fragment(b'%s,"location":"%s/Users/%d"}}' % (kept[:-2], base_url, account["id"]))


def _kept(records: Records, account: Record) -> bytes:
    """A user as JSON without location, kept with the view for who is active and reports to whom
    now; `meta` comes last."""
    active = identities.active_privileges_of(records, username_key(account["username"]))
    manager = shown_manager(records, active)

    def work_out() -> bytes:
        resource = _attributes(records, account, active, manager)
        meta = {"resourceType": "User", "version": f'"{version_of(resource)}"'}
        return encode_to_keep(resource | {"meta": meta})

    held = (each["id"] for each in active)
    return records.view.kept((SCIM, records.label, account["id"], manager, *held), work_out)


def _attributes(
    records: Records, account: Record, active: list[Record], manager: str | None
) -> Record:
    user = username_key(account["username"])
    here = account | people.seen_here(records, account)
    name = {"givenName": here["firstName"], "familyName": here["lastName"]}
    held = {each["role"] for each in active if each["activeUntil"] is None}
    resource = {
        "schemas": [USER_SCHEMA, *([ENTERPRISE] if manager else [])],
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
    return {member: value for member, value in resource.items() if value not in (None, {}, [])}


def described_with(records: Records, accounts: Iterable[Record]) -> Iterator[Lookup]:
    """What `describe` asks for of these accounts, apart from their managers."""
    users = [username_key(account["username"]) for account in accounts]
    yield from people.held_by(records, users)
    yield Lookup(identities.USERS_KNOWN, [records.own_key(user) for user in users])


def managers_of(records: Records, accounts: Iterable[Record]) -> Iterator[Lookup]:
    """What is asked for of those to whom these accounts report."""
    reported = {
        privilege["reportsTo"]
        for account in accounts
        for privilege in people.privileges_of(records, username_key(account["username"]))
    }
    managers = (people.key_of(records.view, each) for each in reported)
    yield from identities.seen_with(records, [user for user in managers if user is not None])


def display_name(account: Record) -> str:
    names = (account["firstName"], account["lastName"])
    return " ".join(name.strip() for name in names if name and name.strip()) or account["username"]


def shown_manager(records: Records, active: list[Record]) -> str | None:
    """The id of the visible user to whom somebody with these active privileges reports, or None."""
    reporting = [each for each in active if each["reportsTo"]]
    privilege = effective_privilege(reporting, records.now)
    supervisor = None if privilege is None else privilege["reportsTo"]
    user = people.key_of(records.view, supervisor)
    return str(supervisor) if user is not None and identities.is_visible(records, user) else None


def find(records: Records, user_id: str) -> Record:
    """The account of the visible user with this id; NotFound if there is none."""
    account = account_of(records, user_id)
    if account is None:
        raise not_found()
    return account


def account_of(records: Records, user_id: str) -> Record | None:
    """The account of the visible user with this id, or None."""
    digits = user_id.isascii() and user_id.isdigit()
    # Only the usual spelling of a number is an id: 01 is none.
    number = int(user_id[:20]) if digits else 0
    if str(number) != user_id or number > HIGHEST_ID:
        return None
    account = records.view.find(USERS, "id", number)
    if account is None:
        return None
    records.view.expect(described_with(records, [account]))
    if not identities.is_visible(records, username_key(account["username"])):
        return None
    return account


Asked = dict[str, Any]
"""What a request asks for of a user: members of the API's user, `password`, `externalId`, `active`
and `manager` (the id of a user). None clears one, and an `email` of None stands for the username.
What is absent stays as it is."""
TEXTS = {MEMBERS[name].lower(): name for name in ("username", "firstName", "lastName", "timeZone")}
TEXTS["externalid"] = "externalId"
"""Attribute in lower case -> what it is called in Asked."""
KEPT = {"emails": ("email", "work"), "photos": ("avatar", "photo")}
"""Attribute with entries -> (what the one that is kept is called in Asked, its type)."""
PROFILE = tuple(name for name in MEMBERS if name != "username")
CLEARED = ("externalId", *(name for name in PROFILE if name != "email"))
"""What a whole resource clears if it lacks it."""


def asked_by_resource(resource: Record) -> Asked:
    """What a whole resource asks for; Refused for values that can't be taken."""
    asked = asked_by(steps_in_resource(resource), None)
    if not asked.get("username"):
        raise invalid_value("userName: Is required.")
    if asked.get("email") is None:
        asked.pop("email", None)
    return dict.fromkeys(CLEARED) | asked


def asked_by(steps: list[Step], account: Record | None) -> Asked:
    """What these steps ask for together; entries that they select are those of the account."""
    asked: Asked = {}
    for step in steps:
        if step.path in TEXTS and not (step.kind == ADD and step.is_empty):
            asked[TEXTS[step.path]] = step.text()
        elif step.path in KEPT:
            _keep_one(step, asked, account)
        elif step.path == "password" and (step.kind == REMOVE or not step.is_empty):
            asked["password"] = step.text()
        elif step.path == "active" and step.kind == REMOVE:
            raise immutable(f"{step.named}: Everybody is active or not: set it to true or false.")
        elif step.path == "active" and not step.is_empty:
            asked["active"] = boolean(step.value, step.named)
        elif step.path in {f"{EXTENSION}manager", f"{EXTENSION}manager.value"}:
            _note_manager(step, asked)
    if asked.get("externalId"):
        asked["externalId"] = checked_external_id(asked["externalId"])
    if asked.get("password"):
        load_part(USER, {"password": asked["password"]})
    return asked


def boolean(value: Any, named: str) -> bool | None:
    """A boolean as identity providers send it: Entra ID sends text. None if it is absent."""
    if isinstance(value, str):
        value = {"true": True, "false": False, "": None}.get(value.lower(), value)
    if value is not None and not isinstance(value, bool):
        raise invalid_value(f"{named}: Must be true or false.")
    return value


def _keep_one(step: Step, asked: Asked, account: Record | None) -> None:
    """Note the one entry of an attribute that is kept of several; Refused for a second one."""
    member, kind = KEPT[step.path]
    kept = asked.get(member, account and account[member])
    only_one = f"{step.named}: One is kept, which is primary and of type '{kind}'."
    if step.part in {"type", "primary"} and not _says(step, kind):
        raise immutable(only_one)
    if step.part not in {"", "value"}:
        return
    if step.condition is not None:
        entry = {"value": kept and folded(kept), "type": kind, "primary": True}
        named = {f"{step.path}.{part}": value for part, value in entry.items()}
        is_meant = filters.judge(
            step.condition, lambda node: filters.compared(node, lambda each: each[node.name])
        )
        if not is_meant(named):
            if step.kind == REMOVE or step.is_empty:
                return
            raise Refused(400, "noTarget", f"{only_one} This path selects another.")
    if step.part == "value":
        if step.kind != ADD or not step.is_empty:
            asked[member] = step.text()
        return
    entries = entries_in(step)
    best = min(entries, key=lambda each: (not each["primary"], each["type"] != kind), default=None)
    if step.kind == REMOVE:
        values = {folded(each["value"]) for each in entries}
        if not step.has_value or step.condition or (kept and folded(kept) in values):
            asked[member] = None
    elif best is None and step.kind == REPLACE:
        asked[member] = None
    elif best is not None:
        is_second = not best["primary"] and best["type"] not in {None, kind}
        if step.kind == ADD and kept and is_second:
            raise invalid_value(only_one)
        asked[member] = best["value"]


def _says(step: Step, kind: str) -> bool:
    """Whether a step says of an entry's type, or that it is primary, what is true anyway."""
    if step.kind == REMOVE:
        return False
    if step.part == "type":
        return (text(step.value, step.named) or kind).lower() == kind
    return boolean(step.value, step.named) is not False


def entries_in(step: Step) -> list[Record]:
    """The entries in a step's value that have a value, with type (in lower case) and primary."""
    given = step.value if isinstance(step.value, list) else [step.value]
    if step.is_empty:
        given = []
    if len(given) > MOST_VALUES:
        raise invalid_value(f"{step.named}: Must have at most {MOST_VALUES} values.")
    entries = []
    for each in given:
        sent = members_of(each, step.named)
        value = text(sent.get("value"), f"{step.named}.value")
        is_primary = boolean(sent.get("primary"), f"{step.named}.primary")
        of_type = (text(sent.get("type"), f"{step.named}.type") or "").lower() or None
        if value is not None:
            entries.append({"value": value, "type": of_type, "primary": is_primary})
    return entries


def _note_manager(step: Step, asked: Asked) -> None:
    """Note a manager, who comes as an object, from Entra ID also as an id, or a list with one."""
    value = None if step.kind == REMOVE else step.value
    if isinstance(value, list) and len(value) <= 1:
        value = value[0] if value else None
    if isinstance(value, dict):
        sent = members_of(value, step.named)
        if "value" not in sent:
            return
        value = sent["value"]
    value = text(value, step.named)
    if value is not None or step.kind != ADD:
        asked["manager"] = value


def checked_external_id(sent: str) -> str:
    try:
        return str(identities.EXTERNAL_ID.fields["externalId"].deserialize(sent))
    except ValidationError as error:
        raise invalid_value(f"externalId: {error.messages[0]}") from None


def address_of(username: str) -> str:
    """The username as an email address, if no other is given; Refused if it is none."""
    try:
        check_email(username)
    except ValidationError:
        raise invalid_value("emails: Give an address, since the userName is none.") from None
    return username


def sets_password(records: Records, account: Record | None, asked: Asked) -> bool:
    """Whether a password must be hashed: that of another tenant's account isn't set here."""
    is_home = account is None or account["home"] == records.label
    return bool(asked.get("password")) and is_home


def find_account(records: Records, username: str) -> Record | None:
    """The account with this username, of whatever tenant, visible or not."""
    return records.view.get(USERS, folded(username))


def create(records: Records, asked: Asked, password_hash: str | None) -> Record:
    """Make a visible user of a new or hidden account, which is returned; Refused if visible."""
    username = asked["username"]
    account = find_account(records, username)
    if account is None:
        load_part(USER, {"username": username})
        named = ("username", *PROFILE)
        given = {name: asked[name] for name in named if asked.get(name) is not None}
        if "email" not in given:
            given["email"] = address_of(username)
        profile = dict.fromkeys(name for name in USER.load_fields if name != "password")
        account = new_account(records, profile | load_part(USER, given), password_hash)
        user = username_key(account["username"])
        records.transaction.put(USERS, user, account)
    elif identities.is_visible(records, username_key(username)):
        raise Refused(
            409,
            "uniqueness",
            "A user of this tenant has this userName already. Find them with the filter "
            f"userName eq {quoted(username)}, and change that one.",
        )
    else:
        user, account = change_profile(records, account, asked, password_hash)
    identities.call(records, identities.USERS_KNOWN, {"user": user}, asked["externalId"])
    if asked.get("active") is False:
        people.revoke(records, people.privileges_of(records, user))
        grant_user(records, user, records.now)
    else:
        grant_user(records, user, next_user_privilege(records, user))
    report(records, user, asked)
    return account


def change(records: Records, account: Record, asked: Asked, password_hash: str | None) -> Record:
    """Change a visible user as the request asks, and return the account."""
    user, account = change_profile(records, account, asked, password_hash)
    if "externalId" in asked:
        identities.call(records, identities.USERS_KNOWN, {"user": user}, asked["externalId"])
    is_active = bool(identities.active_privileges_of(records, user))
    if asked.get("active") is False:
        people.revoke(records, people.privileges_of(records, user))
    elif asked.get("active") and not is_active:
        grant_user(records, user, next_user_privilege(records, user))
    report(records, user, asked)
    return account


def change_profile(
    records: Records, account: Record, asked: Asked, password_hash: str | None
) -> tuple[str, Record]:
    """Change what the account's home decides, if that is this tenant; returns (key, account)."""
    user = username_key(account["username"])
    if account["home"] != records.label:
        return user, account
    username = asked.get("username", account["username"])
    if username is None:
        raise immutable("userName: Can't be removed.")
    profile = {name: asked[name] for name in PROFILE if name in asked}
    if profile.get("email", "") is None:
        profile["email"] = address_of(username)
    differing = {n: value for n, value in profile.items() if value != account[n]}
    changes = load_changes(USER, differing)
    if password_hash is not None or asked.get("password", "") is None:
        changes["passwordHash"] = password_hash
    account = changed(account, changes)
    records.transaction.put(USERS, user, account)
    if username == account["username"]:
        return user, account
    if renames(records, account, asked) and find_account(records, username) is not None:
        raise Refused(409, "uniqueness", f"userName: {quoted(username)} is another account's.")
    account = rename_within(records.transaction, server().collections, user, username)
    return username_key(account["username"]), account


def changes_profile_alone(records: Records, account: Record, asked: Asked) -> bool:
    """Whether all else that the request asks for is so already."""
    user = username_key(account["username"])
    active = identities.active_privileges_of(records, user)
    known = {
        "username": account["username"],
        "externalId": identities.external_id(records, identities.USERS_KNOWN, user),
        "active": bool(active) or None,  # to be inactive ends what is to come, too
        "manager": shown_manager(records, active),
    }
    return all(asked[name] == value for name, value in known.items() if name in asked)


def renames(records: Records, account: Record | None, asked: Asked) -> bool:
    """Whether the account gets a username that is another one, and not only in its spelling."""
    if account is None or account["home"] != records.label or not asked.get("username"):
        return False
    return folded(asked["username"]) != username_key(account["username"])


def turns_of(records: Records, account: Record | None, asked: Asked) -> frozenset[str]:
    """The tenants whose records change with the user, since they name the account."""
    if account is None or not renames(records, account, asked):
        return frozenset()
    user = username_key(account["username"])
    return tenants_holding(records.view, server().collections, user)


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


def report(records: Records, user: str, asked: Asked) -> None:
    """Set `reportsTo` of all active privileges of a user to the wanted manager, if one is named."""
    active = identities.active_privileges_of(records, user)
    if "manager" not in asked or asked["manager"] == shown_manager(records, active):
        return
    username = None
    if asked["manager"] is not None:
        found = account_of(records, asked["manager"])
        if found is None:
            raise invalid_value("manager.value: Must be the id of a user of this tenant.")
        username = found["username"]
    for privilege in active:
        people.change_privilege(records, privilege, {"reportsTo": username})


def remove(records: Records, account: Record) -> None:
    """Revoke all privileges of a user, and hide the user until a new one begins."""
    user = username_key(account["username"])
    people.revoke(records, people.privileges_of(records, user))
    identities.forget(records, user)
