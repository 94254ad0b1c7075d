"""The routes below /_control."""

import secrets
from datetime import UTC, datetime
from typing import Any

from flask import request
from marshmallow import fields

from provisioning.control import tenants
from provisioning.control.faults import FAULT
from provisioning.control.parts import Control, Snapshot, control_of
from provisioning.control.request_log import CRITERIA
from provisioning.control.routing import Routes, read
from provisioning.domain.activity import Clock, later, parse_duration
from provisioning.domain.errors import Invalid, NotFound
from provisioning.onboarding import begin_tenant
from provisioning.seed import BadFile, export
from provisioning.store import Record
from provisioning.web.context import server
from provisioning.web.fields import Flag, Moment, Slug, Text
from provisioning.web.records import RecordSchema, load_new
from provisioning.web.routing import BASE_PATH, Parameter

END_OF_TIME = "9000-01-01T00:00:00Z"
"""No clock is set later, so that it can run on, and windows can be reckoned from it."""
MODES = ("replace", "merge")


class ResetSchema(RecordSchema):
    """What is to begin anew: one tenant, or without one everything."""

    tenant = Text(32)


class CountsSchema(RecordSchema):
    """How many records there are of each kind."""

    counts = fields.Dict(keys=fields.String(), values=fields.Integer(), dump_only=True)


class SnapshotSchema(CountsSchema):
    """All records at one moment, under a name."""

    name = Slug(64)
    created = Moment(dump_only=True)


class TenantSchema(RecordSchema):
    """A tenant to try something in; what is left out is made up."""

    example = {"label": "initech"}

    label = Text(32)
    name = Text()
    admin = Text(254)


class AccessSchema(RecordSchema):
    """Where a new tenant is reached, and with which key."""

    tenant = Text(dump_only=True)
    username = Text(dump_only=True)
    apiToken = Text(dump_only=True)
    url = Text(dump_only=True)


class ClockSchema(RecordSchema):
    """The server's time; `offset` is its distance from the machine's, in seconds."""

    example = {"now": "2026-01-15T12:00:00Z", "frozen": True}

    now = Moment()
    frozen = Flag(allow_none=True)
    offset = fields.Integer(dump_only=True)


class AdvanceSchema(RecordSchema):
    """How far the clock goes, on or back."""

    example = {"by": "+P1DT2H"}

    by = Text(required=True)


SNAPSHOT = SnapshotSchema()
CLOCK = ClockSchema()

state = Routes("state", __name__, "All records, and all of a tenant's.")
clock = Routes("clock", __name__, "The time that every window and default follows.")
requests = Routes("requests", __name__, "The last requests and answers, without secrets.")
faults = Routes("faults", __name__, "Delays, errors and closed connections.")
ALL = (state, clock, requests, faults)


def control() -> Control:
    return control_of(server())


@state.serves("POST", "/reset", body=ResetSchema(), status=204)
def reset(body: Record) -> None:
    """Begin anew: records, clock, faults and request log; or the records of one tenant."""
    if body["tenant"] is None:
        control().reset()
    else:
        control().reset_tenant(body["tenant"])


MODE = Parameter(
    "mode",
    "`replace` (unless told) or `merge`; then the body is the seed itself.",
    {"type": "string", "enum": list(MODES)},
)


@state.serves("POST", "/seed", answer=CountsSchema(), parameters=[MODE])
def load_seed() -> Record:
    """Load a seed, all of it or nothing: `{"mode": "merge", "seed": {...}}`, or a bare one."""
    body = read()
    given: Record = (
        body if "seed" in body else {"seed": body, "mode": request.args.get("mode", MODES[0])}
    )
    mode, unknown = given.get("mode", MODES[0]), set(given) - {"seed", "mode"}
    if unknown:
        raise Invalid({name: ["Unknown field."] for name in sorted(unknown)})
    if mode not in MODES:
        raise Invalid.member("mode", f"Must be one of {', '.join(MODES)}.")
    try:
        control().load(given["seed"], mode == "replace")
    except BadFile as bad:
        errors: dict[str, list[str]] = {}
        for fault in bad.errors:
            place, found, message = fault.partition(": ")
            errors.setdefault(place if found else "seed", []).append(message or fault)
        raise Invalid(errors) from None
    with server().store.read() as view:
        return {"counts": tenants.counts(server().collections, view)}


@state.serves("GET", "/state")
def show_state() -> Record:
    """Show everything as a seed, which can be loaded again: tokens and secrets, too."""
    with server().store.read() as view:
        return export(server().collections, view)


def _shown(snapshot: Snapshot) -> Record:
    counts = tenants.counts(server().collections, snapshot.view)
    return {"name": snapshot.name, "created": snapshot.created, "counts": counts}


def _snapshot(name: str) -> Snapshot:
    snapshot = control().snapshots.get(name)
    if snapshot is None:
        raise NotFound(f"There is no snapshot '{name}'.")
    return snapshot


@state.serves("GET", "/snapshots", answer=SNAPSHOT, many=True)
def list_snapshots() -> list[Record]:
    """List the snapshots."""
    return [_shown(snapshot) for snapshot in list(control().snapshots.values())]


@state.serves("PUT", "/snapshots/<name>", answer=SNAPSHOT)
def save_snapshot(name: str) -> Record:
    """Save all records under a name; the clock, faults and requests are no part of it."""
    load_new(SNAPSHOT, {"name": name})
    return _shown(control().save(name))


@state.serves("POST", "/snapshots/<name>/load", status=204)
def load_snapshot(name: str) -> None:
    """Go back to the records of a snapshot."""
    control().restore(_snapshot(name))


@state.serves("DELETE", "/snapshots/<name>", status=204)
def remove_snapshot(name: str) -> None:
    """Forget a snapshot."""
    control().snapshots.pop(_snapshot(name).name, None)


@state.serves("POST", "/tenants", body=TenantSchema(), answer=AccessSchema(), status=201)
def create_tenant(body: Record) -> Record:
    """Make a tenant with an administrator and a key, to be thrown away later."""
    label = body["label"] or f"tenant-{secrets.token_hex(4)}"
    admin = body["admin"] or f"admin@{label}.test"
    email = admin if "@" in admin else f"admin@{label}.test"
    begun = begin_tenant(server(), label, body["name"] or label, admin, email)
    return begun | {"url": request.host_url.rstrip("/") + BASE_PATH}


@state.serves("DELETE", "/tenants/<label>", status=204)
def remove_tenant(label: str) -> None:
    """Remove a tenant and all that is in it."""
    with server().store.transaction() as transaction:
        tenants.forget(server().collections, transaction, label)


def _time(clock: Clock) -> Record:
    at = clock.now()
    offset = datetime.fromisoformat(at) - datetime.now(UTC)
    return {"now": at, "frozen": clock.is_frozen, "offset": round(offset.total_seconds())}


@clock.serves("GET", "/clock", answer=CLOCK)
def show_clock() -> Record:
    """Show the server's time."""
    return _time(server().clock)


@clock.serves("PUT", "/clock", body=CLOCK, answer=CLOCK)
def set_clock(body: Record) -> Record:
    """Set the time, freeze it, or let it run on; what is left out stays."""
    clock, at, is_frozen = server().clock, body["now"], body["frozen"]
    if at is not None and at >= END_OF_TIME:
        raise Invalid.member("now", f"Must be before {END_OF_TIME}.")
    if is_frozen:
        clock.freeze()
    if at is not None:
        clock.set(at)
    if is_frozen is False:
        clock.run()
    return _time(clock)


@clock.serves("POST", "/clock/advance", body=AdvanceSchema(), answer=CLOCK)
def advance_clock(body: Record) -> Record:
    """Move the time, frozen or running, on or back: `{"by": "+P1DT2H"}`."""
    clock = server().clock
    try:
        by = parse_duration(body["by"])
        if later(clock.now(), by) >= END_OF_TIME:
            raise ValueError(by)
        clock.advance(by)
    except ValueError:
        message = "Must be a duration such as +P1DT2H or -PT30M, within the years 1 to 8999."
        raise Invalid.member("by", message) from None
    return _time(clock)


@clock.serves("DELETE", "/clock", answer=CLOCK)
def reset_clock() -> Record:
    """Show the machine's time again."""
    server().clock.reset()
    return _time(server().clock)


WORDS = {"true": True, "false": False}
FILTERS = [
    Parameter("method", "A verb."),
    Parameter(
        "path", "A pattern: `*` within a segment, `**` across; below the base path or whole."
    ),
    Parameter("status", "A status, or a class such as `4xx`."),
    Parameter("tenant", "A tenant's label."),
    Parameter("key", "A key's id."),
    Parameter("user", "A username, as it is compared."),
    Parameter("matched", "`false`: those that no route matched.", {"enum": list(WORDS)}),
    Parameter("limit", "So many of the last.", {"type": "integer", "minimum": 1}),
    Parameter("body.MEMBER", "A value in the request's body: `body.role=ADMINISTRATOR`."),
]


def _criteria() -> Record:
    """The filters in the query, for RequestLog.find; Invalid for what is no filter."""
    given = request.args.to_dict()
    criteria: dict[str, Any] = {name: text for name, text in given.items() if name in CRITERIA}
    members = {name[5:]: text for name, text in given.items() if name.startswith("body.")}
    unknown = set(given) - (set(criteria) - {"body"}) - {f"body.{name}" for name in members}
    if unknown:
        allowed = ", ".join(parameter.name for parameter in FILTERS)
        raise Invalid({name: [f"No filter. There are {allowed}."] for name in sorted(unknown)})
    if members:
        criteria["body"] = members
    if "matched" in criteria:
        if criteria["matched"] not in WORDS:
            raise Invalid.member("matched", "Must be true or false.")
        criteria["matched"] = WORDS[criteria["matched"]]
    limit = criteria.get("limit", "1")
    if not (limit.isascii() and limit.isdigit() and len(limit) <= 9 and int(limit)):  # noqa: PLR2004
        raise Invalid.member("limit", "Must be a whole number from 1.")
    return criteria


@requests.serves("GET", "/requests", parameters=FILTERS)
def list_requests() -> list[Record]:
    """List the last requests and their answers that pass every filter, newest last."""
    return control().requests.find(**_criteria())


@requests.serves("GET", "/requests/count", parameters=FILTERS)
def count_requests() -> Record:
    """Count them: `{"count": 2}`."""
    return {"count": control().requests.count(**_criteria())}


@requests.serves("DELETE", "/requests", status=204)
def clear_requests() -> None:
    """Forget all requests."""
    control().requests.clear()


@faults.serves("GET", "/faults", answer=FAULT, many=True)
def list_faults() -> list[Record]:
    """List the faults, and how often each has struck."""
    return control().faults.all()


@faults.serves("POST", "/faults", body=FAULT, answer=FAULT, status=201)
def create_fault(body: Record) -> Record:
    """Add a fault. It strikes requests that have a route and an admitted caller."""
    return control().faults.add_terms(body)


@faults.serves("DELETE", "/faults", status=204)
def clear_faults() -> None:
    """Remove all faults."""
    control().faults.clear()


@faults.serves("GET", "/faults/<int:number>", answer=FAULT)
def show_fault(number: int) -> Record:
    """Show a fault, and how often it has struck."""
    fault = control().faults.find(number)
    if fault is None:
        raise NotFound(f"There is no fault {number}.")
    return fault


@faults.serves("DELETE", "/faults/<int:number>", status=204)
def remove_fault(number: int) -> None:
    """Remove a fault."""
    if not control().faults.remove(number):
        raise NotFound(f"There is no fault {number}.")
