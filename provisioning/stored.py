"""What stored records must look like, checked when a person has edited the file by hand.

The wire's schemas rule here too; added is only what the server keeps beside them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import ValidationError, fields

from provisioning.domain import tables
from provisioning.domain.names import username_key
from provisioning.resources.api_keys import API_KEY
from provisioning.resources.dashboards import DASHBOARD
from provisioning.resources.domain_mappings import DOMAIN_MAPPING
from provisioning.resources.endpoints import ENDPOINT
from provisioning.resources.privileges import PRIVILEGE
from provisioning.resources.services import SUBSCRIPTION
from provisioning.resources.statements import STATEMENT
from provisioning.resources.tenant import TENANT
from provisioning.resources.users import USER
from provisioning.store import Record, View
from provisioning.web.fields import Flag, JsonObject, Moment, Slug, Text, Whole
from provisioning.web.records import RecordSchema, flat

HIGHEST_ID = 2**53
ID = Whole(1, HIGHEST_ID, required=True)
NAME = Text(1_000, required=True)
"""A document id of another table; the store checks that it is there."""
REFERENCE = Text(1_000)
MOMENT = Moment(required=True)
FREE_OBJECT = JsonObject(required=True)


@dataclass(frozen=True)
class Stored:
    """One table: the members of its records, their kinds, and how the document id is made."""

    members: Mapping[str, fields.Field[Any]]
    key: Callable[[Record], str]


def stored(
    schema: RecordSchema, key: Callable[[Record], str], drop: tuple[str, ...] = (), **own: Any
) -> Stored:
    """What a schema lets in, less what isn't kept as it came, and the server's own members."""
    writable = {name: field for name, field in schema.load_fields.items() if name not in drop}
    return Stored(writable | own, key)


def _by_id(record: Record) -> str:
    return str(record["id"])


def _by_label(record: Record) -> str:
    return f"{record['tenant']}/{record['label']}"


STORED = {
    tables.TENANTS: stored(
        TENANT, lambda record: record["label"], id=ID, label=Slug(32), active=Flag(required=True)
    ),
    tables.USERS: stored(
        USER,
        lambda record: username_key(record["username"]),
        drop=("password",),
        id=ID,
        home=NAME,
        passwordHash=REFERENCE,
    ),
    tables.PRIVILEGES: stored(
        PRIVILEGE,
        _by_id,
        drop=("username",),
        id=ID,
        tenant=NAME,
        user=NAME,
        reportsTo=REFERENCE,
    ),
    tables.DOMAIN_MAPPINGS: stored(DOMAIN_MAPPING, lambda record: record["domain"], tenant=NAME),
    tables.SUBSCRIPTIONS: stored(
        SUBSCRIPTION,
        _by_id,
        id=ID,
        tenant=NAME,
        service=NAME,
        registeredBy=REFERENCE,
        registeredDate=MOMENT,
    ),
    tables.DASHBOARDS: stored(DASHBOARD, _by_label, tenant=NAME),
    tables.STATEMENTS: stored(STATEMENT, _by_label, tenant=NAME),
    tables.STATEMENT_CONFIGS: Stored(
        {
            "tenant": NAME,
            "label": NAME,
            "config": FREE_OBJECT,
            "changedBy": REFERENCE,
            "changedDate": MOMENT,
        },
        _by_label,
    ),
    tables.ENDPOINTS: stored(
        ENDPOINT,
        _by_id,
        id=ID,
        tenant=NAME,
        registeredByUserId=Whole(1, HIGHEST_ID),
        registeredDate=MOMENT,
    ),
    tables.API_KEYS: stored(
        API_KEY,
        lambda record: record["id"],
        id=NAME,
        tenant=NAME,
        user=REFERENCE,
        apiToken=NAME,
        createdDate=MOMENT,
    ),
}


def faults(table: str, key: str, record: Record) -> dict[str, list[str]]:
    """What is wrong with a stored record: {member: [messages]}."""
    members = STORED[table].members
    found = {name: ["There is no such member."] for name in record if name not in members}
    for name, field in members.items():
        if name not in record:
            found[name] = ["Is missing."]
            continue
        try:
            value = field.deserialize(record[name])
        except ValidationError as error:
            found[name] = list(flat(error.messages))
        else:
            if value != record[name]:
                found[name] = [f"Must be written as {value!r}."]
    if not found and STORED[table].key(record) != key:
        found["_"] = [f"Its document id must be {STORED[table].key(record)!r}."]
    return found


def check(view: View, table: str, key: str) -> str | None:
    """The first fault of a record in the store as a sentence, for Store."""
    record = view.get(table, key)
    found = {} if record is None else faults(table, key, record)
    for member, messages in found.items():
        return f"{member}: {messages[0]}"
    return None
