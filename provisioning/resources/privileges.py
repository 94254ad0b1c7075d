"""Privileges: who holds which role in the tenant, over which window."""

from collections.abc import Callable

from flask import Response
from marshmallow import fields

from provisioning.domain import people, roles
from provisioning.domain.callers import effective_privilege
from provisioning.domain.errors import Invalid
from provisioning.domain.names import username_key
from provisioning.domain.records import Records, not_found
from provisioning.domain.tables import PRIVILEGES, USERS
from provisioning.store import Led, Lookup, Record
from provisioning.web.access import changing, reading
from provisioning.web.answers import answer, created, kept, nothing, require_match
from provisioning.web.collection import AccountId, Collection, Key
from provisioning.web.fields import Right, Text, Username
from provisioning.web.operation import ACTIVE, Parameter, Variable
from provisioning.web.paging import (
    AT,
    active_asked,
    asked_once,
    at_asked,
    list_query,
    listed,
    user_asked,
)
from provisioning.web.records import (
    RecordSchema,
    WindowSchema,
    begun,
    changed,
    load_changes,
    load_new,
    show,
    together,
)
from provisioning.web.routing import Resource


class PublicProfileSchema(RecordSchema):
    """What every caller may know of an account that appears in a record."""

    username = Username(dump_only=True, allow_none=False)
    email = Text(dump_only=True, allow_none=False)
    firstName = Text(dump_only=True)
    lastName = Text(dump_only=True)
    avatar = Text(dump_only=True)


SUPERVISOR = {
    "description": "The username of somebody with a privilege in the same tenant.",
    "examples": ["alice@acme.test"],
}


class PrivilegeSchema(WindowSchema):
    """A role that a user holds in the tenant over a window. `username` says to whom it is
    granted; in a change it must be the holder's."""

    example = {
        "username": "bob@acme.test",
        "role": "TEAM_LEADER",
        "activeFrom": "2026-01-01T00:00:00Z",
    }

    id = fields.Integer(dump_only=True)
    username = Username(required=True, load_only=True)
    role = Right("Role", roles.ROLES, required=True)
    reportsTo = Text(254, documented=SUPERVISOR)
    user = fields.Nested(PublicProfileSchema, dump_only=True)


class PrivilegeOfUserSchema(PrivilegeSchema):
    """A privilege of the user whom the path names; `username` may be left out."""

    example = {"role": "MANAGEMENT", "activeFrom": "2026-01-01T00:00:00Z"}

    username = Username(load_only=True, allow_none=False)


PRIVILEGE = PrivilegeSchema()
PRIVILEGE_OF_USER = PrivilegeOfUserSchema()
COLLECTION = Collection(
    PRIVILEGES,
    seed="privileges",
    audit="privileges",
    schema=PRIVILEGE,
    own={"user": Key(USERS, required=True), "reportsTo": AccountId()},
    also_audited={"user": "user"},
    numbered="{}",
    groups={
        "reportsTo": lambda record: (
            (record["tenant"], record["reportsTo"]) if record["reportsTo"] is not None else None
        ),
        "openEnded": lambda record: (
            (record["tenant"], record["role"]) if record["activeUntil"] is None else None
        ),
        "administrators": lambda record: (
            record["tenant"] if record["role"] == roles.ADMINISTRATOR else None
        ),
    },
    text=("role", "user"),
    asked=("role",),
)
LAST_ADMINISTRATOR = "It would leave the tenant without an ADMINISTRATOR at some time."
GRANTED = "The user holds that role over an overlapping window, or would report to themselves."
CHANGED = f"The privilege has ended. {GRANTED} {LAST_ADMINISTRATOR}"

privileges = Resource(
    "privileges",
    __name__,
    "Roles of users in the tenant, over windows.",
    variables={
        "/privileges/<reference>": Variable(
            "id",
            "A privilege's id; or a username, which stands for what they hold.",
            "alice@acme.test",
        )
    },
    collections=[COLLECTION],
)


def show_privilege(records: Records, privilege: Record) -> object:
    def shown() -> Record:
        return show(
            PRIVILEGE,
            privilege,
            reportsTo=people.username_of(records.view, privilege["reportsTo"]),
            user=people.public_profile(records.view, privilege["user"]),
        )

    return kept(records.view, (PRIVILEGES, privilege["id"]), shown)


def find_effective(records: Records, username: str) -> Record:
    user, _ = people.find_user(records, username)
    return people.effective_privilege_of(records, user)


def find(records: Records, reference: str) -> Record:
    """A privilege that the caller may see: by its id, or by a username the effective one."""
    if not is_id(reference):
        return find_effective(records, reference)
    asked = Lookup(PRIVILEGES, [reference])
    named = (Lookup(USERS, Led(asked, "user")), Lookup(USERS, Led(asked, "reportsTo"), "id"))
    records.view.expect((asked, *named))
    privilege = records.find(PRIVILEGES, reference)
    if not people.is_visible(records, privilege["user"]):
        raise not_found()
    return privilege


def is_id(reference: str) -> bool:
    return reference.isascii() and reference.isdigit()


def new_terms(body: Record, username: str) -> Record:
    """The terms of a new privilege; Invalid if the body names another user than the path."""
    terms = load_new(PRIVILEGE_OF_USER, body)
    require_same_user(terms, username)
    return terms


def require_same_user(terms: Record, username: str) -> None:
    given = terms.pop("username", None)
    if given is not None and username_key(given) != username_key(username):
        raise Invalid.member("username", "Must be the user whose privilege this is.")


def change(find: Callable[[Records, str], Record], reference: str, body: Record) -> Response:
    terms = load_changes(PRIVILEGE, body, lambda: find(reading(), reference))
    username = terms.pop("username", None)
    with changing() as records:
        privilege = find(records, reference)
        if username is not None and username_key(username) != privilege["user"]:
            raise Invalid.member("username", "Must be the user whose privilege this is.")
        people.require_known_supervisor(records, privilege["user"], terms.get("reportsTo"))
        changed(privilege, terms)
        require_match(show_privilege(records, privilege))
        privilege = people.change_privilege(records, privilege, terms)
        return answer(show_privilege(records, privilege))


def grant(records: Records, user: str, terms: Record) -> Response:
    privilege = people.grant(records, user, begun(terms, records.now))
    return created(show_privilege(records, privilege), "privileges", privilege["id"])


def revoke_all(username: str, matched: Callable[[Records, Record], object]) -> Response:
    """Revoke all privileges of a user; `matched` makes the representation for If-Match."""
    with changing() as records:
        user, account = people.find_user(records, username)
        require_match(matched(records, account))
        people.revoke(records, people.privileges_of(records, user))
    return nothing()


def effective(records: Records, account: Record) -> object:
    owned = people.privileges_of(records, username_key(account["username"]))
    privilege = effective_privilege(owned, records.now)
    return None if privilege is None else show_privilege(records, privilege)


ROLE = Parameter("role", "Those of this role.", Right("Role", roles.ROLES, allow_none=False))
OWNER = Parameter("user", "Those of this username, compared as usernames are.")
REPORTS_TO = Parameter("reportsTo", "Those that report to this username.")


@privileges.operation(
    "GET",
    "/privileges",
    answer=PRIVILEGE,
    many=True,
    parameters=[ACTIVE, AT, OWNER, REPORTS_TO, ROLE],
)
def list_privileges() -> Response:
    """List the privileges of the tenant."""
    records = reading()
    visible = people.visible_users(records)
    active, at, equal = together(
        lambda: active_asked(None),
        lambda: at_asked(records.now),
        lambda: equal_asked(records),
    )
    query = list_query(
        PRIVILEGE,
        within=("tenant", records.label),
        active=active,
        at=at,
        equal=equal,
        any_of={} if visible is None else {"user": visible},
    )
    return listed(records.query(PRIVILEGES, query), query, show_privilege)


def equal_asked(records: Records) -> Record:
    """The exact filters in the query, as {stored member: value}."""
    equal: Record = {}
    user, supervisor = user_asked("user"), user_asked("reportsTo")
    if user is not None:
        equal["user"] = user
    if supervisor is not None:
        equal["reportsTo"] = people.id_of(records.view, supervisor) or NOBODY
    role = asked_once("role")
    if role is None:
        return equal
    if role not in roles.ROLES:
        raise Invalid.member("role", f"Must be one of {', '.join(roles.ROLES)}.")
    return equal | {"role": role}


NOBODY = 0
"""An id that no account has."""


@privileges.operation("POST", "/privileges", body=PRIVILEGE, answer=PRIVILEGE, conflict=GRANTED)
def create_privilege(body: Record) -> Response:
    """Grant a role to any AS user, which is how they join the tenant."""
    terms = load_new(PRIVILEGE, body)
    user = username_key(terms.pop("username"))
    with changing() as records:
        if records.view.get(USERS, user) is None:
            raise Invalid.member("username", "There is no such user. Create one: POST /users.")
        return grant(records, user, terms)


@privileges.operation("GET", "/privileges/<reference>", answer=PRIVILEGE)
def show_one_privilege(reference: str) -> Response:
    """Show a privilege, by its id, or a user's effective one, by their username."""
    records = reading()
    return answer(show_privilege(records, find(records, reference)))


@privileges.operation(
    "PUT", "/privileges/<reference>", body=PRIVILEGE, answer=PRIVILEGE, conflict=CHANGED
)
def replace_privilege(reference: str, body: Record) -> Response:
    """Change the role, the window or the reporting line."""
    return change(find, reference, body)


@privileges.operation("DELETE", "/privileges/<reference>", conflict=LAST_ADMINISTRATOR)
def revoke_privilege(reference: str) -> Response:
    """Revoke a privilege, by its id, or all of a user's, by their username."""
    if not is_id(reference):
        return revoke_all(reference, effective)
    with changing() as records:
        privilege = find(records, reference)
        require_match(show_privilege(records, privilege))
        people.revoke(records, [privilege])
    return nothing()


@privileges.operation("GET", "/users/<username>/privilege", answer=PRIVILEGE)
def show_privilege_of_user(username: str) -> Response:
    """Show the user's effective privilege."""
    records = reading()
    return answer(show_privilege(records, find_effective(records, username)))


@privileges.operation(
    "POST",
    "/users/<username>/privilege",
    body=PRIVILEGE_OF_USER,
    answer=PRIVILEGE,
    conflict=GRANTED,
)
def create_privilege_of_user(username: str, body: Record) -> Response:
    """Grant a role to this AS user."""
    terms = new_terms(body, username)
    with changing() as records:
        user, _ = people.find_account(records, username)
        return grant(records, user, terms)


@privileges.operation(
    "PUT", "/users/<username>/privilege", body=PRIVILEGE, answer=PRIVILEGE, conflict=CHANGED
)
def replace_privilege_of_user(username: str, body: Record) -> Response:
    """Change the user's effective privilege."""
    return change(find_effective, username, body)


@privileges.operation("DELETE", "/users/<username>/privilege", conflict=LAST_ADMINISTRATOR)
def revoke_privileges_of_user(username: str) -> Response:
    """Revoke all of the user's privileges in the tenant."""
    return revoke_all(username, effective)
