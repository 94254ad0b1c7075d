"""Users: people's accounts as a tenant sees them, and the search over all of them."""

from dataclasses import replace

from flask import Response, request
from marshmallow import fields, validate
from werkzeug.security import generate_password_hash

from provisioning.domain import people, roles
from provisioning.domain.activity import ActivityWindow
from provisioning.domain.errors import Conflict, Forbidden, Invalid
from provisioning.domain.names import username_key
from provisioning.domain.records import Records
from provisioning.domain.tables import PRIVILEGES, USERS
from provisioning.domain.tenants import new_account
from provisioning.resources.api_keys import keys_of
from provisioning.resources.privileges import (
    LAST_ADMINISTRATOR,
    SUPERVISOR,
    PublicProfileSchema,
    revoke_all,
)
from provisioning.store import Record, is_active_at
from provisioning.web.answers import answer, created, require_match
from provisioning.web.context import changing, now, reading
from provisioning.web.fields import (
    Choice,
    Text,
    Username,
    Whole,
    check_country,
    check_email,
    check_time_zone,
)
from provisioning.web.paging import LONGEST_SEARCH, SEARCH, active_asked, list_query, listed
from provisioning.web.records import (
    RecordSchema,
    WindowSchema,
    errors_within,
    load_changes,
    load_new,
    masked,
    require_same,
    show,
    together,
)
from provisioning.web.routing import ACTIVE, Resource, Variable

SHORTEST_SEARCH = 3
LONG_ENOUGH = {
    "type": "string",
    "maxLength": LONGEST_SEARCH,
    "minLength": SHORTEST_SEARCH,
    "pattern": r"\S[\s\S]+\S",
}
LONGEST_PASSWORD = 1_024
LAST_YEAR = 9_999


class PrivilegeTermsSchema(WindowSchema):
    """A privilege within a user, where the user goes without saying."""

    id = fields.Integer(dump_only=True)
    role = Choice("Role", roles.ROLES, required=True)
    reportsTo = Text(254, told=SUPERVISOR)


class KeySummarySchema(WindowSchema):
    """A key within its owner."""

    secrets = frozenset({"apiToken"})

    id = Text(dump_only=True, allow_none=False)
    apiToken = Text(dump_only=True, allow_none=False)
    type = Choice("KeyType", roles.KEY_TYPES, dump_only=True, allow_none=False)


class UserSchema(RecordSchema):
    """An AS user's account, with what it holds in the active tenant."""

    example = {
        "username": "bob@acme.test",
        "email": "bob@acme.test",
        "password": "correct horse battery staple",
        "firstName": "Bob",
        "lastName": "Baker",
        "timeZone": "Atlantic/Reykjavik",
        "country": "ISL",
    }

    id = fields.Integer(dump_only=True)
    username = Username(required=True)
    email = Text(254, required=True, checks=[check_email])
    password = fields.String(
        required=True, load_only=True, validate=validate.Length(1, LONGEST_PASSWORD)
    )
    firstName = Text()
    lastName = Text()
    timeZone = Text(checks=[check_time_zone])
    country = Text(checks=[check_country])
    zipCode = Text()
    avatar = Text()
    gender = Choice("Gender", ("M", "F", "U"))
    birthYear = Whole(1, LAST_YEAR)
    hint = Text()
    tenantUserPrivileges = fields.List(
        fields.Nested(PrivilegeTermsSchema), dump_only=True, metadata={"at_creation": 1}
    )
    activeApiKeys = fields.List(fields.Nested(KeySummarySchema), dump_only=True)


USER = UserSchema()
PUBLIC_PROFILE = PublicProfileSchema()
TERMS = PrivilegeTermsSchema()
KEY_SUMMARY = KeySummarySchema()

users = Resource(
    "users",
    __name__,
    "People's accounts, and what they hold in the tenant.",
    variables={
        "/users/<username>": Variable(
            "username", "A username, in any case and Unicode form.", "alice@acme.test"
        )
    },
)


def show_user(records: Records, account: Record) -> Record:
    user = username_key(account["username"])
    newest_first = sorted(
        people.privileges_of(records, user), key=lambda record: -int(record["id"])
    )
    return show(
        USER,
        account,
        tenantUserPrivileges=[
            show(TERMS, record, reportsTo=people.username_of(records.view, record["reportsTo"]))
            for record in newest_first
        ],
        activeApiKeys=[
            _key_summary(records, key)
            for key in keys_of(records, user)
            if ActivityWindow.of(key).is_active(records.now)
        ],
    )


def _key_summary(records: Records, key: Record) -> Record:
    shown = show(KEY_SUMMARY, key)
    return shown if records.caller.may_see_token_of(key["user"]) else masked(KEY_SUMMARY, shown)


def show_profile(_: Records, account: Record) -> Record:
    return show(PUBLIC_PROFILE, account)


def first_privilege(body: Record) -> Record:
    """The one entry of `tenantUserPrivileges`, or USER from now (section 7)."""
    entries = body.get("tenantUserPrivileges")
    entries = [] if entries is None else entries
    if not isinstance(entries, list) or len(entries) > 1:
        raise Invalid.member("tenantUserPrivileges", "Must be a list of one entry at most.")
    if not entries:
        return load_new(TERMS, {"role": roles.USER}, now())
    if not isinstance(entries[0], dict):
        raise Invalid.member("tenantUserPrivileges", "Must hold an object with a role.")
    with errors_within("tenantUserPrivileges"):
        return load_new(TERMS, entries[0], now())


def hashed(password: str) -> str:
    """A salted hash; slow on purpose, so it is made before a transaction begins."""
    return generate_password_hash(password)


@users.operation("GET", "/users", answer=USER, many=True, parameters=[ACTIVE])
def list_users() -> Response:
    """List the active users of the tenant; with `q`, search all its users."""
    records = reading()
    query = list_query(USER, by_key=True)
    active = active_asked(None if query.words else True)
    visible = people.visible_users(records)
    privileges = records.all(PRIVILEGES)
    current = {entry["user"] for entry in privileges if is_active_at(entry, records.now)}
    known = current if active else {entry["user"] for entry in privileges}
    wanted = known - current if active is False else known
    query = replace(query, keys=wanted if visible is None else wanted & visible)
    return listed(records.query(USERS, query), query, show_user)


@users.operation(
    "POST",
    "/users",
    body=USER,
    answer=USER,
    conflict="The account exists. Grant it a privilege in this tenant: POST /privileges.",
)
def create_user(body: Record) -> Response:
    """Create an AS user and its first privilege in the tenant."""
    account, terms = together(lambda: load_new(USER, body, now()), lambda: first_privilege(body))
    user = username_key(account["username"])
    password_hash = hashed(account.pop("password"))
    with changing() as records:
        with errors_within("tenantUserPrivileges"):
            people.require_known_supervisor(records, user, terms["reportsTo"])
        if records.view.get(USERS, user) is not None:
            raise Conflict(
                "An account with this username exists already. Grant it a privilege in this "
                "tenant instead: POST /privileges with the username and a role."
            )
        account = new_account(records, account, password_hash)
        records.transaction.put(USERS, user, account)
        people.grant(records, user, terms)
        return created(show_user(records, account), "users", account["username"])


@users.operation("GET", "/users/<username>", answer=USER)
def show_one_user(username: str) -> Response:
    """Show a tenant user."""
    records = reading()
    _, account = people.find_user(records, username)
    return answer(show_user(records, account))


@users.operation("PUT", "/users/<username>", body=USER, answer=USER, allows=roles.PROFILE_OWNERS)
def replace_user(username: str, body: Record) -> Response:
    """Change the profile, through the account's home tenant, by its owner or an administrator."""
    changes = load_changes(USER, body)
    require_same(
        "username", username_key(changes.pop("username", username)), username_key(username)
    )
    if "password" in changes:
        changes["passwordHash"] = hashed(changes.pop("password"))
    with changing() as records:
        user, account = people.find_user(records, username)
        if user != records.caller.user and records.caller.role != roles.ADMINISTRATOR:
            raise Forbidden("You may change your own profile only.")
        if account["home"] != records.label:
            raise Forbidden("The account's home is another tenant: its profile is changed there.")
        require_match(show_user(records, account))
        account = account | changes
        records.transaction.put(USERS, user, account)
        return answer(show_user(records, account))


@users.operation("DELETE", "/users/<username>", conflict=LAST_ADMINISTRATOR)
def remove_user(username: str) -> Response:
    """Revoke all of the user's privileges in the tenant; the account stays."""
    return revoke_all(username, show_user)


@users.operation(
    "GET",
    "/as-users",
    answer=PUBLIC_PROFILE,
    many=True,
    allows=roles.OVERSEERS,
    parameters=[replace(SEARCH, schema=LONG_ENOUGH, required=True)],
)
def list_as_users() -> Response:
    """Search the accounts of all tenants by at least three characters."""
    query = list_query(PUBLIC_PROFILE, by_key=True)
    if len(" ".join(request.args.getlist("q")).strip()) < SHORTEST_SEARCH:
        raise Invalid.member("q", f"Must have at least {SHORTEST_SEARCH} characters.")
    return listed(reading().query(USERS, query), query, show_profile)
