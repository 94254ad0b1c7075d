"""The records that SCIM adds to those of the API: external ids, and users whom it has removed.

Stores have these tables whether SCIM is served or not, so that a store opens with either setting.
"""

from collections.abc import Collection as Several
from collections.abc import Iterator

from provisioning.domain import people
from provisioning.domain.activity import ActivityWindow
from provisioning.domain.records import Records
from provisioning.domain.roles import ROLES
from provisioning.domain.tables import PRIVILEGES, USERS
from provisioning.store import Lookup, Query, Record, Related
from provisioning.web.collection import Collection, Key
from provisioning.web.fields import Right, Text
from provisioning.web.records import RecordSchema

USERS_KNOWN = "scim_users"
GROUPS_KNOWN = "scim_groups"
FORGOTTEN = "scim_forgotten"


class ExternalIdSchema(RecordSchema):
    """The id that an identity provider has for a record of the tenant."""

    externalId = Text(required=True)


class ForgottenSchema(RecordSchema):
    """A privilege that ended when SCIM removed its user."""


EXTERNAL_ID = ExternalIdSchema()
HOLDER = Key(USERS, required=True)

COLLECTIONS = (
    Collection(
        USERS_KNOWN,
        seed="scimUsers",
        audit="users",
        schema=EXTERNAL_ID,
        own={"user": HOLDER},
        key=lambda record: f"{record['tenant']}/{record['user']}",
        # No unique index: the identity provider has to keep them unique (RFC 7643, 3.1).
        groups={"externalId": lambda record: (record["tenant"], record["externalId"])},
    ),
    Collection(
        GROUPS_KNOWN,
        seed="scimGroups",
        audit=None,
        schema=EXTERNAL_ID,
        own={"role": Right("Role", ROLES, required=True)},
        key=lambda record: f"{record['tenant']}/{record['role']}",
    ),
    Collection(
        FORGOTTEN,
        seed="scimForgotten",
        audit=None,
        schema=ForgottenSchema(),
        own={"user": HOLDER, "privilege": Key(PRIVILEGES, required=True)},
        key=lambda record: str(record["privilege"]),
    ),
)


def external_id(records: Records, table: str, name: str) -> str | None:
    """The external id of a user or a group, or None; `name` is a user's key, or a role."""
    record = records.get(table, records.own_key(name))
    return None if record is None else record["externalId"]


def users_called(records: Records, external_id: str) -> set[str]:
    """The keys of the users with this external id."""
    found = records.view.group(USERS_KNOWN, "externalId", (records.label, external_id))
    return {record["user"] for record in found}


def call(records: Records, table: str, whom: Record, external_id: str | None) -> None:
    """Set the external id of `whom`, which is {"user": key} or {"role": role}; None removes it."""
    key = records.own_key(*whom.values())
    if external_id is not None:
        records.put(table, key, {**whom, "externalId": external_id})
    elif records.get(table, key) is not None:
        records.remove(table, key)


def forget(records: Records, user: str) -> None:
    """Hide a user whose privileges have all ended, until a new privilege begins."""
    forgotten = _forgotten(records, user)
    for privilege in people.privileges_of(records, user):
        key = str(privilege["id"])
        if key not in forgotten:
            records.put(FORGOTTEN, key, {"user": user, "privilege": key})


def is_visible(records: Records, user: str) -> bool:
    """Whether SCIM shows a user: a tenant user whom it has not removed, or who came back.

    A user comes back when a privilege begins that is newer than the removal.
    """
    records.view.expect(seen_with(records, [user]))
    privileges = people.privileges_of(records, user)
    forgotten = _forgotten(records, user)
    if not forgotten:
        return bool(privileges)
    return any(
        each["activeFrom"] <= records.now for each in privileges if str(each["id"]) not in forgotten
    )


def seen_with(records: Records, users: Several[str]) -> Iterator[Lookup]:
    """What `is_visible` asks for of these users."""
    held = [(records.label, user) for user in users]
    for table in (PRIVILEGES, FORGOTTEN):
        yield Lookup(table, held, "tenantUser")


def _forgotten(records: Records, user: str) -> set[str]:
    found = records.view.group(FORGOTTEN, "tenantUser", (records.label, user))
    return {record["privilege"] for record in found}


def visible_users(records: Records) -> Related:
    """A condition for the users whom `is_visible` shows, and for `coming_back`."""
    return Related(
        PRIVILEGES, "user", Query(within=("tenant", records.label), related=(_lasting(records),))
    )


def coming_back(records: Records) -> frozenset[str]:
    """The users whom SCIM has removed, and whose new privilege has yet to begin."""
    to_come = Query(
        within=("tenant", records.label),
        active=False,
        ended=False,
        at=records.now,
        related=(_lasting(records),),
    )
    users = {each["user"] for each in records.query(PRIVILEGES, to_come).records}
    return frozenset(user for user in users if not is_visible(records, user))


def _lasting(records: Records) -> Related:
    """A condition for the privileges that no removal has ended."""
    return Related(FORGOTTEN, "privilege", Query(within=("tenant", records.label)), negated=True)


def active_users(records: Records, negated: bool = False) -> Related:
    """A condition for the users who hold an active privilege, or for all others if `negated`."""
    held = Query(within=("tenant", records.label), active=True, at=records.now)
    return Related(PRIVILEGES, "user", held, negated)


def active_privileges_of(records: Records, user: str) -> list[Record]:
    return [
        each
        for each in people.privileges_of(records, user)
        if ActivityWindow.of(each).is_active(records.now)
    ]


def active_among(records: Records, users: Several[str] | None) -> set[str]:
    """The keys of those, out of these users or of all, who hold an active privilege."""
    if users is not None:
        return {user for user in users if active_privileges_of(records, user)}
    held = Query(within=("tenant", records.label), active=True, at=records.now)
    return {each["user"] for each in records.query(PRIVILEGES, held).records}


def called_among(records: Records, users: Several[str] | None) -> dict[str, str | None]:
    """User's key -> external id, of these users or of all who have one."""
    if users is not None:
        return {user: external_id(records, USERS_KNOWN, user) for user in users}
    return {each["user"]: each["externalId"] for each in records.all(USERS_KNOWN)}
