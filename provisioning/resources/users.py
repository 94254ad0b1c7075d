"""Users: people's accounts as a tenant sees them, and the search over all accounts."""

import re
import threading
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import replace

from flask import Response
from marshmallow import fields, validate
from orjson import Fragment
from werkzeug.security import generate_password_hash

from provisioning.domain import people, roles
from provisioning.domain.errors import Conflict, Forbidden, Invalid
from provisioning.domain.names import username_key
from provisioning.domain.passwords import CHEAP, cheap_hash, cheapness
from provisioning.domain.records import Records
from provisioning.domain.tables import API_KEYS, PRIVILEGES, TENANTS, USERS
from provisioning.domain.tenants import new_account
from provisioning.resources.api_keys import keys_of
from provisioning.resources.privileges import (
    LAST_ADMINISTRATOR,
    SUPERVISOR,
    PublicProfileSchema,
    revoke_all,
)
from provisioning.store import Lookup, Order, Query, Record, Related, fold, is_active_at
from provisioning.web.access import changing, place, reading
from provisioning.web.answers import answer, created, fragment, require_match
from provisioning.web.collection import REFERENCE, Collection, Key
from provisioning.web.context import current, server
from provisioning.web.fields import (
    Choice,
    Email,
    Flag,
    Lines,
    Right,
    Text,
    TimeZone,
    Username,
    Whole,
    check_country,
)
from provisioning.web.operation import ACTIVE, Variable
from provisioning.web.paging import (
    AT,
    LONGEST_SEARCH,
    SEARCH,
    active_asked,
    at_asked,
    list_query,
    listed,
    searched,
)
from provisioning.web.records import (
    RecordSchema,
    WindowSchema,
    begun,
    changed,
    errors_within,
    load_changes,
    load_new,
    masked,
    require_same,
    show,
    together,
)
from provisioning.web.routing import Resource
from provisioning.web.server import Server

BY_USERNAME = (Order("username"),)
SHORTEST_SEARCH, SHORTEST_DENSE_SEARCH = 3, 2
"""Letters and digits that a search over all tenants needs; two, where one of them is Han, kana or
Hangul, of which a name has few."""
DENSE = re.compile(
    "[\u1100-\u11ff\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U0001b000-\U0001b16f"
    "\U00020000-\U0003ffff]"
)
LONG_ENOUGH = {
    "type": "string",
    "maxLength": LONGEST_SEARCH,
    "minLength": SHORTEST_DENSE_SEARCH,
    "pattern": r"\S[\s\S]*\S",
}
LONGEST_PASSWORD = 1_024
LAST_YEAR = 9_999


class PrivilegeTermsSchema(WindowSchema):
    """A privilege, as the record of its user holds it."""

    id = fields.Integer(dump_only=True)
    role = Right("Role", roles.ROLES, required=True)
    reportsTo = Text(254, documented=SUPERVISOR)


class KeySummarySchema(WindowSchema):
    """An API key, as the record of its owner holds it."""

    secrets = frozenset({"apiToken"})

    id = Text(dump_only=True, allow_none=False)
    apiToken = Text(dump_only=True, allow_none=False)
    type = Right("KeyType", roles.KEY_TYPES, dump_only=True, allow_none=False)


class UserSchema(RecordSchema):
    """An AS user's account, with what it holds in the active tenant."""

    # A list in the order of a private member would tell what isn't shown.
    orders = ("id", "username", "email", "firstName", "lastName")

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
    email = Email(required=True)
    password = fields.String(
        required=True, load_only=True, validate=validate.Length(1, LONGEST_PASSWORD)
    )
    firstName = Text()
    lastName = Text()
    timeZone = TimeZone()
    country = Text(checks=[check_country])
    zipCode = Text()
    avatar = Text()
    gender = Choice("Gender", ("M", "F", "U"))
    birthYear = Whole(1, LAST_YEAR)
    hint = Lines()
    tenantUserPrivileges = fields.List(
        fields.Nested(PrivilegeTermsSchema), dump_only=True, metadata={"at_creation": 1}
    )
    activeApiKeys = fields.List(fields.Nested(KeySummarySchema), dump_only=True)
    home = Flag(dump_only=True)


USER = UserSchema()
PUBLIC_PROFILE = PublicProfileSchema()
TERMS = PrivilegeTermsSchema()
KEY_SUMMARY = KeySummarySchema()

COLLECTION = Collection(
    USERS,
    seed="users",
    audit="users",
    schema=USER,
    own={"home": Key(TENANTS, required=True), "passwordHash": REFERENCE},
    key=lambda record: username_key(record["username"]),
    target="username",
    also_audited={"password": "passwordHash"},
    is_owned=False,
    orders=("avatar",),  # of /as-users
    numbered="{}",
    unique={"id": lambda record: record["id"]},
    groups={"email": lambda record: username_key(str(record["email"])), CHEAP: cheapness},
    text=("username", "email", "firstName", "lastName"),
)
HASHING = threading.BoundedSemaphore(2)
"""How many passwords are hashed at once. Hashing is slow on purpose, and must not take up every
processor."""

users = Resource(
    "users",
    __name__,
    "People's accounts, and what they hold in the tenant.",
    collections=[COLLECTION],
    variables={
        "/users/<username>": Variable(
            "username", "A username, in any case and Unicode form.", "alice@acme.test"
        )
    },
)


def show_user(records: Records, account: Record) -> object:
    shown = records.view.kept(
        (USERS, records.label, account["id"]), lambda: _without_keys(records, account)
    )
    if isinstance(shown, Fragment):
        return shown
    active_keys = [
        _key_summary(records, key)
        for key in keys_of(records, username_key(account["username"]))
        if is_active_at(key, records.now)
    ]
    return shown | {"activeApiKeys": active_keys}


def _without_keys(records: Records, account: Record) -> Record | Fragment:
    """The user without keys, which is the same for every caller; as bytes if there are none."""
    user = username_key(account["username"])
    newest_first = sorted(
        people.privileges_of(records, user),
        key=lambda record: (record["activeFrom"], record["id"]),
        reverse=True,
    )
    shown = show(
        USER,
        account,
        tenantUserPrivileges=[
            show(TERMS, record, reportsTo=people.username_of(records.view, record["reportsTo"]))
            for record in newest_first
        ],
        activeApiKeys=[],
        **people.seen_here(records, account),
    )
    has_keys = records.view.group(API_KEYS, "tenantUser", (records.label, user))
    return shown if has_keys else fragment(shown)


def _key_summary(records: Records, key: Record) -> Record:
    shown = show(KEY_SUMMARY, key)
    return shown if records.caller.may_see_token_of(key["user"]) else masked(KEY_SUMMARY, shown)


def shown_with(records: Records, usernames: Iterable[str]) -> Iterator[Lookup]:
    """What showing these users asks for."""
    users = [username_key(username) for username in usernames]
    yield from people.held_by(records, users)
    owners = [(records.label, user) for user in users if records.caller.may_see_keys_of(user)]
    yield Lookup(API_KEYS, owners, "tenantUser")


def show_profile(_: Records, account: Record) -> Record:
    return show(PUBLIC_PROFILE, account)


def first_privilege(body: Record) -> Record:
    """The terms of a new user's privilege: those in the body, else USER from now (section 7)."""
    entries = body.get("tenantUserPrivileges")
    entries = [] if entries is None else entries
    if not isinstance(entries, list) or len(entries) > 1:
        raise Invalid.member("tenantUserPrivileges", "Must be a list of one entry at most.")
    if not entries:
        return load_new(TERMS, {"role": roles.USER})
    if not isinstance(entries[0], dict):
        raise Invalid.member("tenantUserPrivileges", "Must hold an object with a role.")
    with errors_within("tenantUserPrivileges"):
        return load_new(TERMS, entries[0])


def hashed(server: Server, password: str) -> str:
    """A salted hash of a password. A real server's is slow on purpose: call it outside of a
    transaction."""
    if server.hashes_cheaply:
        return cheap_hash(password)
    with HASHING:
        return generate_password_hash(password)


@users.operation("GET", "/users", answer=USER, many=True, parameters=[ACTIVE, AT])
def list_users() -> Response:
    """List the active users of the tenant; with `q`, search all its users."""
    records = reading()
    has_search = bool(searched(current().args).strip())
    active, at, query = together(
        lambda: active_asked(None if has_search else True),
        lambda: at_asked(records.now),
        lambda: list_query(USER, by_key=True),
    )
    query = replace(
        query,
        order=query.order or BY_USERNAME,
        related=_holders(records.label, active, at),
        keys=people.visible_users(records) if query.keys is None else query.keys,
    )
    page = records.query(USERS, query)
    records.view.expect(shown_with(records, (each["username"] for each in page.records)))
    return listed(page, query, show_user)


def _holders(label: str, active: bool | None, at: str) -> tuple[Related, ...]:
    """The condition for a tenant's users in a Query.

    `active` True: they hold a privilege that is active at this instant; False: they hold only
    others; None: they hold any.
    """
    tenant = ("tenant", label)
    if active:
        return (Related(PRIVILEGES, "user", Query(within=tenant, active=True, at=at)),)
    if active is None:
        return (Related(PRIVILEGES, "user", Query(within=tenant)),)
    # Whoever holds nothing active holds something else, of which there may be little.
    other, now = (Query(within=tenant, active=each, at=at) for each in (False, True))
    return Related(PRIVILEGES, "user", other), Related(PRIVILEGES, "user", now, negated=True)


@users.operation(
    "POST",
    "/users",
    body=USER,
    answer=USER,
    conflict="The account exists. Grant it a privilege in this tenant: POST /privileges.",
)
def create_user(body: Record) -> Response:
    """Create an AS user and its first privilege in the tenant."""
    account, given_terms = together(lambda: load_new(USER, body), lambda: first_privilege(body))
    user = username_key(account["username"])
    password = account.pop("password")

    def allowed(records: Records) -> Record:
        with errors_within("tenantUserPrivileges"):
            terms = begun(given_terms, records.now)
            people.require_known_supervisor(records, user, terms["reportsTo"])
        if records.view.get(USERS, user) is not None:
            raise Conflict(
                "An account with this username exists already. Grant it a privilege in this "
                "tenant instead: POST /privileges with the username and a role."
            )
        return terms

    allowed(reading())
    with place():
        password_hash = hashed(server(), password)
    with changing() as records:
        terms = allowed(records)
        account = new_account(records, account, password_hash)
        records.transaction.put(USERS, user, account)
        people.grant(records, user, terms)
        return created(show_user(records, account), "users", account["username"])


@users.operation("GET", "/users/<username>", answer=USER)
def show_one_user(username: str) -> Response:
    """Show a tenant user."""
    records = reading()
    records.view.expect(shown_with(records, [username]))
    _, account = people.find_user(records, username)
    return answer(show_user(records, account))


@users.operation("PUT", "/users/<username>", body=USER, answer=USER, allows=roles.PROFILE_OWNERS)
def replace_user(username: str, body: Record) -> Response:
    """Change the profile, through the account's home tenant, by its owner or an administrator."""
    changes = load_changes(USER, body, lambda: people.find_user(reading(), username)[1])
    require_same(
        "username", username_key(changes.pop("username", username)), username_key(username)
    )
    password = changes.pop("password", None)

    def allowed(records: Records) -> tuple[str, Record]:
        user, account = people.find_user(records, username)
        if user != records.caller.user and records.caller.role != roles.ADMINISTRATOR:
            raise Forbidden("You may change your own profile only.")
        if account["home"] != records.label:
            raise Forbidden("The account's home is another tenant: its profile is changed there.")
        require_match(show_user(records, account))
        return user, changed(account, changes)

    if password is not None:
        allowed(reading())
        with place():
            changes["passwordHash"] = hashed(server(), password)
    records = reading()
    records.view.expect(shown_with(records, [username]))
    # No rule looks at another user's profile.
    with changing(only=(USERS, username_key(username))) as records:
        user, account = allowed(records)
        records.transaction.put(USERS, user, account)
        return answer(show_user(records, account))


@users.operation("DELETE", "/users/<username>", conflict=LAST_ADMINISTRATOR)
def revoke_user(username: str) -> Response:
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
    """Search the accounts of all tenants by at least three letters or digits.

    Two will do where one of them is Han, kana or Hangul.
    """
    query, _ = together(
        lambda: list_query(PUBLIC_PROFILE, by_key=True),
        lambda: _require_long_enough(searched(current().args)),
    )
    query = replace(query, order=query.order or BY_USERNAME)
    return listed(reading().query(USERS, query), query, show_profile)


def _require_long_enough(search: str) -> None:
    letters = [char for char in fold(search[:LONGEST_SEARCH]) if is_letter(char)]
    is_dense = any(map(DENSE.match, letters))
    if len(letters) < (SHORTEST_DENSE_SEARCH if is_dense else SHORTEST_SEARCH):
        raise Invalid.member(
            "q",
            f"Must have at least {SHORTEST_SEARCH} letters or digits, or {SHORTEST_DENSE_SEARCH} "
            "where one of them is Han, kana or Hangul.",
        )


def is_letter(char: str) -> bool:
    """Whether a folded character is a letter or a digit; vowel signs are letters (section 7)."""
    return unicodedata.category(char)[0] in "LMN" and not MARKS_OF_NO_SCRIPT.match(char)


MARKS_OF_NO_SCRIPT = re.compile(
    "[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f\U000e0100-\U000e01ef]"
)
