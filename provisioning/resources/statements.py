"""Statements: those of the catalogue, the tenant's own, and their configuration per tenant."""

from flask import Response
from marshmallow import ValidationError, fields

from provisioning.domain import people
from provisioning.domain.bounds import FULL
from provisioning.domain.errors import Invalid
from provisioning.domain.records import Records
from provisioning.domain.services import require_enterprise
from provisioning.resources.entries import Entries, serve_entries
from provisioning.resources.privileges import PublicProfileSchema
from provisioning.resources.services import ServiceSchema, show_service
from provisioning.store import Record
from provisioning.web.access import changing, reading
from provisioning.web.answers import answer, encode, require_match
from provisioning.web.collection import NAME, AccountId, Collection
from provisioning.web.fields import (
    HIGHEST_LIST_ORDER,
    STATUSES,
    Choice,
    JsonObject,
    LongText,
    Moment,
    Slug,
    Text,
    Whole,
    require_small,
)
from provisioning.web.operation import Variable
from provisioning.web.records import RecordSchema, show
from provisioning.web.routing import Resource


class StatementSchema(RecordSchema):
    """A statement; `service` is the label of its service, null for a tenant's own."""

    example = {
        "title": "Late deliveries",
        "label": "late-deliveries",
        "type": "CUSTOM",
        "status": "PRODUCTION",
        "query": "select depot, count(*) from deliveries where late group by depot",
        "config": {"threshold": 5},
    }

    title = Text(required=True)
    label = Slug(50)
    type = Choice("StatementType", ("OI", "CUSTOM"), required=True)
    status = Choice("Status", STATUSES, required=True)
    query = LongText(required=True)
    description = LongText()
    service = Text(dump_only=True)
    config = JsonObject(allow_none=True)
    listOrder = Whole(-HIGHEST_LIST_ORDER - 1, HIGHEST_LIST_ORDER)


class StatementDetailsSchema(StatementSchema):
    """A statement with its service, and its configuration in this tenant."""

    service = fields.Nested(ServiceSchema, dump_only=True, allow_none=True)  # type: ignore[assignment] # a record
    config = JsonObject(dump_only=True)
    configChangedBy = fields.Nested(PublicProfileSchema, dump_only=True, allow_none=True)
    configChangedDate = Moment(dump_only=True)


class ConfigSchema(RecordSchema):
    """A statement's configuration: any JSON object, replaced whole."""

    example = {"threshold": 5}


STATEMENT = StatementSchema()
STATEMENT_DETAILS = StatementDetailsSchema()
CONFIG = ConfigSchema()

COLLECTION = Collection(
    "statements",
    seed="statements",
    audit="tenant-statements",
    schema=STATEMENT,
    is_bounded=True,
    text=("title", "label", "description"),
)
CONFIGS = Collection(
    "statement_configs",
    seed="statementConfigs",
    audit="statements",
    schema=CONFIG,
    is_bounded=True,
    own={
        "label": NAME,
        "config": JsonObject(required=True),
        "changedBy": AccountId(),
        "changedDate": Moment(required=True),
    },
    also_audited={"config": "config"},
)

statements = Resource(
    "statements",
    __name__,
    "Statements of the catalogue and the tenant's own; they need the enterprise plan.",
    variables={
        "/statements/<label>": Variable("label", "The label of a statement.", "delayed-shipments"),
        "/tenant-statements/<label>": Variable(
            "label", "The label of a statement of the tenant's own.", "late-pallets"
        ),
    },
    licences=(require_enterprise,),
    collections=[COLLECTION, CONFIGS],
)
ENTRIES = Entries(
    "statement", COLLECTION, lambda catalogue: catalogue.statements, dependents=(CONFIGS,)
)
serve_entries(statements, ENTRIES)


def require_size(body: Record) -> None:
    try:
        require_small(body)
    except ValidationError as error:
        raise Invalid({"config": list(error.messages)}) from None


def config_of(records: Records, statement: Record) -> Record:
    """This tenant's configuration of a statement, else the statement's `config` (section 7)."""
    saved = records.get(CONFIGS.table, records.own_key(statement["label"]))
    config: Record = saved["config"] if saved is not None else statement["config"] or {}
    return config


@statements.operation("GET", "/statements/<label>/config", answer=CONFIG)
def show_statement_config(label: str) -> Response:
    """Show the tenant's configuration of a statement."""
    records = reading()
    return answer(config_of(records, ENTRIES.find(records, label)))


@statements.operation(
    "PUT", "/statements/<label>/config", body=CONFIG, answer=CONFIG, conflict=FULL
)
def replace_statement_config(label: str, body: Record) -> Response:
    """Replace the tenant's configuration of a statement by this JSON object."""
    records = reading()
    kept = records.get(CONFIGS.table, records.own_key(label))
    if kept is None or encode(kept["config"]) != encode(body):
        require_size(body)
    with changing() as records:
        config = config_of(records, ENTRIES.find(records, label))
        require_match(config)
        is_saved = records.get(CONFIGS.table, records.own_key(label)) is not None
        if is_saved and encode(config) == encode(body):
            return answer(config)
        saved = {
            "label": label,
            "config": body,
            "changedBy": people.id_of(records.view, records.caller.user),
            "changedDate": records.now,
        }
        records.put(CONFIGS.table, records.own_key(label), saved)
        return answer(body)


@statements.operation("GET", "/statements/<label>/details", answer=STATEMENT_DETAILS)
def show_statement_details(label: str) -> Response:
    """Show a statement with its service and its configuration."""
    records = reading()
    statement = ENTRIES.find(records, label)
    service = records.catalogue.services.get(statement.get("service") or "")
    saved = records.get(CONFIGS.table, records.own_key(label)) or {}
    return answer(
        show(
            STATEMENT_DETAILS,
            statement,
            service=service and show_service(records, service),
            config=config_of(records, statement),
            configChangedBy=people.public_profile(records.view, saved.get("changedBy")),
            configChangedDate=saved.get("changedDate"),
        )
    )
