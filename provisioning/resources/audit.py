"""The audit: who changed what in the tenant, for administrators and auditors (section 9)."""

from collections.abc import Sequence
from dataclasses import replace

from flask import Response
from marshmallow import fields

from provisioning.domain import people, roles
from provisioning.domain.activity import parse_instant
from provisioning.domain.errors import Invalid
from provisioning.domain.records import Records, not_found
from provisioning.domain.tables import AUDIT
from provisioning.store import Record
from provisioning.web.access import reading
from provisioning.web.answers import answer, kept
from provisioning.web.audit import ACTIONS, WAYS, key_of, shown_to, shown_with
from provisioning.web.collection import HIGHEST_ID, NAME, REFERENCE, Collection
from provisioning.web.context import server
from provisioning.web.fields import Choice, Moment, Text, Whole
from provisioning.web.operation import Parameter, Variable
from provisioning.web.paging import asked_once, list_query, listed, user_asked
from provisioning.web.records import RecordSchema, show, together
from provisioning.web.routing import Resource

HIGHEST_NUMBER = 2**53 - 1


class AuditRecordSchema(RecordSchema):
    """One stored record that a request, or the command line, has created, changed or removed."""

    id = fields.Integer(dump_only=True)
    at = Moment(dump_only=True, allow_none=False)
    by = Text(dump_only=True)
    key = Text(dump_only=True)
    via = Choice("Via", WAYS, dump_only=True, allow_none=False)
    requestId = Text(dump_only=True)
    action = Choice("Action", ACTIONS, dump_only=True, allow_none=False)
    resource = Text(dump_only=True, allow_none=False)
    target = Text(dump_only=True, allow_none=False)
    user = Text(dump_only=True)
    client = Text(dump_only=True)
    changes = fields.Dict(dump_only=True)


PAST_ACCOUNT = Whole(1, HIGHEST_ID)
"""The id of an account that may be gone, or null."""

AUDIT_RECORD = AuditRecordSchema()
COLLECTION = Collection(
    AUDIT,
    seed=None,
    audit=None,
    schema=AUDIT_RECORD,
    own={
        "number": Whole(1, HIGHEST_NUMBER, required=True),
        "at": Moment(required=True),
        "by": REFERENCE,
        "byUser": REFERENCE,
        "byAccount": PAST_ACCOUNT,
        "key": REFERENCE,
        "via": NAME,
        "requestId": REFERENCE,
        "action": NAME,
        "resource": NAME,
        "target": NAME,
        "user": REFERENCE,
        "aboutUser": REFERENCE,
        "aboutAccount": PAST_ACCOUNT,
        "client": REFERENCE,
        "changes": fields.Dict(required=True),
    },
    key=lambda record: key_of(record["tenant"], record["number"]),
    numbered="{}",
    unique={"id": lambda record: record["id"]},
    text=("by", "user", "target", "resource", "action"),
    asked=(
        "byUser",
        "byAccount",
        "aboutUser",
        "aboutAccount",
        "at",
        "key",
        "via",
        "requestId",
        "action",
        "resource",
        "target",
    ),
)

audit = Resource(
    "audit",
    __name__,
    "Who changed what, and when.",
    collections=[COLLECTION],
    variables={
        "/audit/<audit_id>": Variable(
            "id", "The id of an audit record.", 1, {"type": "integer", "minimum": 1}
        )
    },
)


def show_record(records: Records, record: Record) -> Record:
    return show(AUDIT_RECORD, record, changes=shown_to(records, record))


def show_kept(records: Records, record: Record) -> object:
    return kept(records.view, (AUDIT, record["id"]), lambda: show_record(records, record))


def of_users(records: Records, name: str, side: str) -> Record:
    """A filter by a username in the query; `side` is `by` or `about`.

    A username stands for the user of the tenant who has it now, whatever their name was then. One
    that no user of the tenant has stands for whoever had it then.
    """
    user = user_asked(name)
    if user is None:
        return {}
    if not people.privileges_of(records, user):
        return {f"{side}User": user}
    return {f"{side}Account": people.id_of(records.view, user)}


def exact(name: str) -> Record:
    text = asked_once(name)
    return {} if text is None else {name: text}


def one_of(name: str, allowed: tuple[str, ...]) -> Record:
    found = exact(name)
    if found and found[name] not in allowed:
        raise Invalid.member(name, f"Must be one of {', '.join(allowed)}.")
    return found


def instant(name: str) -> str | None:
    text = asked_once(name)
    try:
        return None if text is None else parse_instant(text)
    except ValueError:
        raise Invalid.member(
            name, "Must be an RFC 3339 date-time with an offset, such as 2014-09-09T13:49:29Z."
        ) from None


def resource_names() -> tuple[str, ...]:
    names = (each.audit for each in server().collections.values())
    return tuple(dict.fromkeys(name for name in names if name is not None))


def audited(collections: Sequence[Collection]) -> Choice:
    """The names that `resource` can have, for the documents."""
    names = [each.audit for each in collections if each.audit]
    return Choice("AuditedResource", list(dict.fromkeys(names)), allow_none=False)


COMPARED = "compared as usernames are; of an account that has it now, under earlier names too"
FILTERS = (
    Parameter("by", f"Those that this username made, {COMPARED}."),
    Parameter("user", f"Those about this username, {COMPARED}."),
    Parameter("resource", "Those of this kind of record.", audited),
    Parameter("target", "Those of the record with this username, id, label or domain."),
    Parameter("action", "Those that did this.", Choice("Action", ACTIONS, allow_none=False)),
    Parameter("key", "Those made with the key of this id."),
    Parameter("via", "Those that came this way.", Choice("Via", WAYS, allow_none=False)),
    Parameter("requestId", "Those of this request."),
    Parameter("from", "From this instant on.", {"type": "string", "format": "date-time"}),
    Parameter("until", "Before this instant.", {"type": "string", "format": "date-time"}),
)


@audit.operation(
    "GET",
    "/audit",
    name="list_audit_records",
    answer=AUDIT_RECORD,
    many=True,
    allows=roles.OVERSEERS,
    parameters=FILTERS,
)
def list_audit() -> Response:
    """List what was changed in the tenant, newest first."""
    records = reading()
    *equal, begins, ends, query = together(
        lambda: of_users(records, "by", "by"),
        lambda: of_users(records, "user", "about"),
        lambda: one_of("resource", resource_names()),
        lambda: exact("target"),
        lambda: one_of("action", ACTIONS),
        lambda: exact("key"),
        lambda: one_of("via", WAYS),
        lambda: exact("requestId"),
        lambda: instant("from"),
        lambda: instant("until"),
        lambda: list_query(AUDIT_RECORD, "-id", within=("tenant", records.label)),
    )
    filters = {name: value for each in equal for name, value in each.items()}
    between = {} if begins is None and ends is None else {"at": (begins, ends)}
    query = replace(query, equal=filters, between=between)
    page = records.query(AUDIT, query)
    records.view.expect(shown_with(page.records))
    return listed(page, query, show_kept)


@audit.operation(
    "GET",
    "/audit/<audit_id>",
    name="show_audit_record",
    answer=AUDIT_RECORD,
    allows=roles.OVERSEERS,
)
def show_one(audit_id: str) -> Response:
    """Show one change."""
    records = reading()
    digits = audit_id.isascii() and audit_id.isdigit() and len(audit_id) <= len(str(HIGHEST_NUMBER))
    record = records.view.find(AUDIT, "id", int(audit_id)) if digits else None
    if record is None or record["tenant"] != records.label or str(record["id"]) != audit_id:
        raise not_found()
    return answer(show_record(records, record))
