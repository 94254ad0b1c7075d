"""Routes for all records, or a tenant's: reset, seeds, snapshots, new tenants, and keys."""

import secrets
from itertools import islice

from flask import Response, request
from marshmallow import fields

from provisioning.control import tenants
from provisioning.control.parts import Snapshot
from provisioning.control.routes.serving import SEVERAL, control, control_resource, created
from provisioning.domain import roles
from provisioning.domain.errors import Invalid, NotFound
from provisioning.domain.tables import TENANTS
from provisioning.onboarding import begin_tenant
from provisioning.seed import BadFile, export
from provisioning.store import Record
from provisioning.web.answers import nothing, plain
from provisioning.web.context import now, server, view
from provisioning.web.fields import Choice, Moment, Slug, Text
from provisioning.web.operation import BASE_PATH, Parameter, Variable
from provisioning.web.records import RecordSchema, load_new, show

LARGEST_SEED = 2**26
"""The most bytes of a seed, which may be more than the API's limit of a body."""
MODES = ("replace", "merge")
MOST_TENANTS = 300
COUNTS = {"tenants": 2, "users": 50, "privileges": 59}


class ResetSchema(RecordSchema):
    """The tenant whose records are reset; without one everything is reset."""

    example = {"tenant": "acme"}

    tenant = Text(32)


class StateSchema(RecordSchema):
    """All records, as one list for each kind. It is a seed, which can be loaded again."""


class SeedSchema(RecordSchema):
    """A seed: an object of lists of records, and what becomes of the records that are there."""

    example = {
        "mode": "merge",
        "seed": {"tenants": [{"label": "initech", "name": "Initech"}]},
    }

    mode = Choice("Mode", MODES)
    seed = fields.Dict()


class CountsSchema(RecordSchema):
    """How many records there are of each kind."""

    example = {"counts": COUNTS}

    counts = fields.Dict(keys=fields.String(), values=fields.Integer(), dump_only=True)


class SnapshotSchema(CountsSchema):
    """All records at one moment, under a name."""

    example = {
        "name": "before",
        "created": "2026-01-15T12:00:00Z",
        "bytes": 48_213,
        "counts": COUNTS,
    }

    name = Slug(64)
    created = Moment(dump_only=True, allow_none=False)
    bytes = fields.Integer(dump_only=True)


class TenantSchema(RecordSchema):
    """A tenant to try something in; what is left out is made up."""

    example = {"label": "umbrella", "name": "Umbrella", "admin": "eve@umbrella.test"}

    label = Text(32)
    name = Text()
    admin = Text(254)


class LabelSchema(RecordSchema):
    """A tenant that there is."""

    example = {"label": "acme", "name": "Acme Logistics"}

    label = Text(32, dump_only=True, allow_none=False)
    name = Text(dump_only=True, allow_none=False)


class AccessSchema(RecordSchema):
    """Where a new tenant is reached, and with which key."""

    example = {
        "tenant": "umbrella",
        "username": "eve@umbrella.test",
        "id": "key-7",
        "apiToken": "K9sV2bLr0ZqT5nXw7yUe3aHd8mPc6fJg",
        "url": "http://127.0.0.1:8000/api/v1/provisioning",
    }

    tenant = Text(dump_only=True)
    username = Text(dump_only=True)
    id = Text(dump_only=True)
    apiToken = Text(dump_only=True)
    url = Text(dump_only=True)


class KeySchema(RecordSchema):
    """An API key that works now, with its owner, null for a tenant-only key, and their role."""

    example = {
        "tenant": "acme",
        "username": "alice@acme.test",
        "role": roles.ADMINISTRATOR,
        "type": roles.BASIC,
        "name": None,
        "apiToken": "demo-acme-alice-administrator-basic-key",
        "activeUntil": None,
    }

    tenant = Text(dump_only=True)
    username = Text(dump_only=True, allow_none=True)
    role = Choice("Role", roles.ROLES, dump_only=True, allow_none=False)
    type = Choice("KeyType", roles.KEY_TYPES, dump_only=True, allow_none=False)
    name = Text(dump_only=True)
    apiToken = Text(dump_only=True)
    activeUntil = Moment(dump_only=True)


RESET = ResetSchema()
STATE = StateSchema()
SEED_BODY = SeedSchema()
LOADED = CountsSchema()
SNAPSHOT = SnapshotSchema()
NEW_TENANT = TenantSchema()
LABEL = LabelSchema()
ACCESS = AccessSchema()
KEY = KeySchema()

state = control_resource(
    "state",
    __name__,
    "All records, and all of a tenant's.",
    variables={
        "/snapshots/<name>": Variable("name", "The name of a snapshot, a slug.", "before"),
        "/tenants/<label>": Variable("label", "The label of a tenant.", "umbrella"),
    },
)


@state.operation(
    "POST",
    "/reset",
    body=RESET,
    body_needed=False,
    conflict=f"Another tenant has by now what was this one's. Or: {SEVERAL}",
    errors=[404],
)
def reset(body: Record) -> Response:
    """Begin anew: records, clock, faults and request log, or the records of one tenant.

    Snapshots stay. Without a body everything begins anew: in demo mode with the demo data, after a
    seed was loaded in place of all with that seed, otherwise with what the server found when it
    began to answer. A tenant that was not there then is removed.
    """
    label = load_new(RESET, body)["tenant"]
    if label is None:
        control().reset()
    else:
        control().reset_tenant(label)
    return nothing()


MODE = Parameter(
    "mode",
    "`replace` (unless told) puts the seed in place of all records, `merge` over them. Only for a "
    "body that is the seed itself.",
    Choice("Mode", MODES, allow_none=False),
)


@state.operation(
    "POST",
    "/seed",
    body=SEED_BODY,
    answer=LOADED,
    status=200,
    largest_body=LARGEST_SEED,
    parameters=[MODE],
)
def load_seed(body: Record) -> Response:
    """Load a seed, all of it or nothing.

    The body is `{"mode": "merge", "seed": {...}}`, or the seed itself. Where it can't be loaded,
    `errors` names each place in it, such as `users[3].email`.
    """
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
    with server().store.read() as loaded:
        return plain({"counts": tenants.counts(server().collections, loaded)})


@state.operation("GET", "/state", answer=STATE)
def get_state() -> Response:
    """Show all records as a seed, which can be loaded again: tokens and secrets, too."""
    return plain(export(server().collections, view()))


def _shown(snapshot: Snapshot) -> Record:
    counts = tenants.counts(server().collections, snapshot.view)
    return {
        "name": snapshot.name,
        "created": snapshot.created,
        "bytes": snapshot.size,
        "counts": counts,
    }


def _snapshot(name: str) -> Snapshot:
    snapshot = control().snapshots.get(name)
    if snapshot is None:
        raise NotFound(f"There is no snapshot '{name}'.")
    return snapshot


@state.operation("GET", "/snapshots", answer=SNAPSHOT, many=True)
def list_snapshots() -> Response:
    """List the snapshots, the oldest first."""
    return plain([_shown(snapshot) for snapshot in list(control().snapshots.values())])


@state.operation(
    "PUT",
    "/snapshots/<name>",
    answer=SNAPSHOT,
    errors=[422],
    conflict=f"There would be too many snapshots, or too large ones. Or: {SEVERAL}",
)
def save_snapshot(name: str) -> Response:
    """Save all records under a name, in place of what that named before.

    The clock, faults and requests are no part of it. Snapshots are kept until the server ends: at
    most 50, which together have at most 256 MiB as JSON (409).
    """
    load_new(SNAPSHOT, {"name": name})
    return plain(_shown(control().save(name)))


@state.operation("POST", "/snapshots/<name>/load")
def load_snapshot(name: str) -> Response:
    """Go back to the records of a snapshot."""
    control().restore(_snapshot(name))
    return nothing()


@state.operation("DELETE", "/snapshots/<name>")
def delete_snapshot(name: str) -> Response:
    """Forget a snapshot."""
    control().snapshots.pop(_snapshot(name).name, None)
    return nothing()


@state.operation("GET", "/tenants", answer=LABEL, many=True)
def list_tenants() -> Response:
    """List the tenants, the oldest first, and at most 300 of them."""
    return plain([show(LABEL, each) for each in islice(view().all(TENANTS), MOST_TENANTS)])


@state.operation(
    "POST",
    "/tenants",
    body=NEW_TENANT,
    body_needed=False,
    answer=ACCESS,
    conflict=f"There is a tenant with this label. Or: {SEVERAL}",
)
def create_tenant(body: Record) -> Response:
    """Make a tenant with an administrator and a key, to be thrown away later.

    What the body leaves out is made up. An account that exists becomes the administrator.
    """
    wanted = load_new(NEW_TENANT, body)
    label = wanted["label"] or f"tenant-{secrets.token_hex(4)}"
    admin = wanted["admin"] or f"admin@{label}.test"
    email = admin if "@" in admin else f"admin@{label}.test"
    with server().places.of(None):
        begun = begin_tenant(server(), label, wanted["name"] or label, admin, email)
    host = request.host_url.rstrip("/")
    return created(begun | {"url": f"{host}{request.script_root}{BASE_PATH}"})


@state.operation("DELETE", "/tenants/<label>")
def delete_tenant(label: str) -> Response:
    """Remove a tenant and all that is in it.

    An account at home there that holds something in another tenant moves home to that one; the
    others are removed.
    """
    with control().changing() as transaction:
        tenants.forget(server().collections, transaction, label)
    return nothing()


@state.operation("GET", "/keys", answer=KEY, many=True)
def list_keys() -> Response:
    """List the keys that the API would take now, with who acts with each and as what.

    The oldest come first, and at most 300 of them.
    """
    return plain([show(KEY, key) for key in tenants.usable_keys(view(), now())])
