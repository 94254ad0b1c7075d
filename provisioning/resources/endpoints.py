"""Service endpoints, under both of their names, and the catalogue's endpoint types."""

from collections.abc import Container
from typing import Any, ClassVar

from flask import Response
from marshmallow import ValidationError, fields

from provisioning.domain.bounds import FULL
from provisioning.domain.catalogue import Catalogue
from provisioning.domain.errors import Invalid
from provisioning.domain.records import Records, not_found
from provisioning.domain.tables import USERS
from provisioning.store import Record, fold, select
from provisioning.web.access import changing, reading
from provisioning.web.answers import answer, created, nothing, require_match
from provisioning.web.collection import AccountId, Collection
from provisioning.web.context import server
from provisioning.web.fields import Flag, Moment, Password, Text, check_port, check_url
from provisioning.web.operation import Variable
from provisioning.web.paging import list_query, listed
from provisioning.web.records import (
    RecordSchema,
    WindowSchema,
    begun,
    changed,
    load_changes,
    load_new,
    masked,
    show,
    together,
)
from provisioning.web.routing import Resource


class EndpointTypeSchema(RecordSchema):
    """A kind of endpoint in the catalogue."""

    id = fields.Integer(required=True)
    name = Text(required=True)
    label = Text(50, required=True)
    internal = Flag(required=True)
    shortDescription = Text()


class EndpointTypeReference(fields.Nested):
    """An endpoint type, stored as its label. Input is a label, or an object with a `label` or,
    where that is absent or null, an `id`, in place of which `typed_by_label` puts the label."""

    accepts: ClassVar[dict[str, Any]] = {
        "oneOf": [
            {"type": "string"},
            {
                "type": "object",
                "properties": {
                    "label": {"type": ["string", "null"]},
                    "id": {"type": ["integer", "null"]},
                },
                "minProperties": 1,
            },
        ]
    }

    @staticmethod
    def labels(catalogue: Catalogue) -> Container[str]:
        return catalogue.endpoint_types

    def _deserialize(self, value: object, *_: object, **__: object) -> str:
        label = label_of(value)
        if not isinstance(label, str):
            raise ValidationError("Must be a label, or an object with a label or an id.")
        return label


def label_of(value: object) -> object:
    return value.get("label") if isinstance(value, dict) else value


class EndpointSchema(WindowSchema):
    """Where messages come in or go out; its secrets are shown to administrators only."""

    secrets = frozenset({"password", "provPassword", "apiKey"})
    example = {
        "url": "amqps://mq.acme.example:5671",
        "endpointType": "MQ_INCOMING",
        "durable": True,
    }

    id = fields.Integer(dump_only=True)
    url = Text(required=True, checks=[check_url])
    endpointType = EndpointTypeReference(EndpointTypeSchema, required=True)
    userName = Text()
    password = Password()
    provUserName = Text()
    provPassword = Password()
    provPort = Text(checks=[check_port])
    apiKey = Text()
    messageHandler = Text()
    exchange = Text()
    binding = Text()
    active = Flag(load_default=True)
    durable = Flag(load_default=False)
    vhost = Text()
    registeredByUserId = fields.Integer(dump_only=True, allow_none=True)
    registeredDate = Moment(dump_only=True, allow_none=False)


ENDPOINT = EndpointSchema()
ENDPOINT_TYPE = EndpointTypeSchema()

COLLECTION = Collection(
    "endpoints",
    seed="endpoints",
    audit="endpoints",
    schema=ENDPOINT,
    is_bounded=True,
    own={
        "registeredByUserId": AccountId(stays_id=True),
        "registeredDate": Moment(required=True),
    },
    numbered="{}",
)
ENDPOINTS = COLLECTION.table
ENDPOINT_ID = Variable("id", "The id of a service endpoint.", 1, {"type": "integer", "minimum": 1})

endpoints = Resource(
    "endpoints",
    __name__,
    "Service endpoints of the tenant, and their types.",
    collections=[COLLECTION],
    variables={
        "/endpoints/<endpoint_id>": ENDPOINT_ID,
        "/service-endpoints/<endpoint_id>": ENDPOINT_ID,
    },
)


def show_endpoint(records: Records, endpoint: Record) -> Record:
    shown = show(ENDPOINT, endpoint, endpointType=type_of(records.catalogue, endpoint))
    return shown if records.caller.sees_secrets else masked(ENDPOINT, shown)


def type_of(catalogue: Catalogue, endpoint: Record) -> Record:
    """The endpoint's type; of one that the catalogue has no more there is only the label."""
    label = endpoint["endpointType"]
    unknown = {"name": label, "label": label, "internal": False}
    return show(ENDPOINT_TYPE, catalogue.endpoint_types.get(label, unknown))


def typed_by_label(body: Record) -> Record:
    """The body with an endpoint type that it names by its id named by its label."""
    given = body.get("endpointType")
    if not isinstance(given, dict) or given.get("label") is not None:
        return body
    wanted = given.get("id")
    for entry in server().catalogue.endpoint_types.values():
        # `true` and `1.0` are no integers, though they are equal to one.
        if type(wanted) is int and entry["id"] == wanted:
            return body | {"endpointType": entry["label"]}
    return body


def require_known_type(body: Record, kept: Record | None = None) -> None:
    """Invalid for a type that the catalogue doesn't offer, unless the endpoint `kept` has it."""
    label = label_of(body.get("endpointType"))
    offered = [entry["label"] for entry in server().catalogue.offered_endpoint_types]
    is_kept = kept is not None and label == kept["endpointType"]
    if isinstance(label, str) and label not in offered and not is_kept:
        raise Invalid.member("endpointType", f"Must be out of {', '.join(sorted(offered))}.")


def visible_endpoints(records: Records) -> list[Record]:
    return list(records.all(ENDPOINTS)) if records.caller.is_overseer else []


def find(records: Records, endpoint_id: str) -> Record:
    if not records.caller.is_overseer:
        raise not_found()
    return records.find(ENDPOINTS, endpoint_id)


@endpoints.operation("GET", "/endpoint-types", answer=ENDPOINT_TYPE, many=True)
def list_endpoint_types() -> Response:
    """List the endpoint types of the catalogue."""
    query = list_query(ENDPOINT_TYPE, "label")
    types = reading().catalogue.offered_endpoint_types
    page = select(types, query, lambda entry: fold(f"{entry['name']}\n{entry['label']}"))
    return listed(page, query, lambda _, entry: show(ENDPOINT_TYPE, entry))


@endpoints.operation("GET", "/endpoints", "/service-endpoints", answer=ENDPOINT, many=True)
def list_endpoints() -> Response:
    """List the tenant's service endpoints."""
    records = reading()
    query = list_query(ENDPOINT)

    def text(endpoint: Record) -> str:
        endpoint_type = type_of(records.catalogue, endpoint)
        name = endpoint_type.get("name")
        return fold(f"{endpoint['url']}\n{endpoint['endpointType']}\n{name}")

    return listed(select(visible_endpoints(records), query, text), query, show_endpoint)


@endpoints.operation(
    "POST", "/endpoints", "/service-endpoints", body=ENDPOINT, answer=ENDPOINT, conflict=FULL
)
def create_endpoint(body: Record) -> Response:
    """Add a service endpoint."""
    body = typed_by_label(body)
    terms, _ = together(lambda: load_new(ENDPOINT, body), lambda: require_known_type(body))
    with changing() as records:
        terms = begun(terms, records.now)
        endpoint_id = records.transaction.next_id(ENDPOINTS)
        account = records.view.get(USERS, records.caller.user or "")
        registered = {
            "registeredByUserId": account and account["id"],
            "registeredDate": records.now,
        }
        endpoint = {"id": endpoint_id, **terms, **registered}
        records.put(ENDPOINTS, str(endpoint_id), endpoint)
        return created(show_endpoint(records, endpoint), "endpoints", endpoint_id)


@endpoints.operation(
    "GET", "/endpoints/<endpoint_id>", "/service-endpoints/<endpoint_id>", answer=ENDPOINT
)
def show_one_endpoint(endpoint_id: str) -> Response:
    """Show a service endpoint."""
    records = reading()
    return answer(show_endpoint(records, find(records, endpoint_id)))


@endpoints.operation(
    "PUT",
    "/endpoints/<endpoint_id>",
    "/service-endpoints/<endpoint_id>",
    body=ENDPOINT,
    answer=ENDPOINT,
    conflict=FULL,
)
def replace_endpoint(endpoint_id: str, body: Record) -> Response:
    """Change a service endpoint; a masked secret stays what it is."""
    body = typed_by_label(body)
    kept = reading().get(ENDPOINTS, endpoint_id)
    changes, _ = together(
        lambda: load_changes(ENDPOINT, body, lambda: kept or {}),
        lambda: require_known_type(body, kept),
    )
    with changing() as records:
        endpoint = find(records, endpoint_id)
        require_match(show_endpoint(records, endpoint))
        endpoint = records.put(ENDPOINTS, endpoint_id, changed(endpoint, changes))
        return answer(show_endpoint(records, endpoint))


@endpoints.operation("DELETE", "/endpoints/<endpoint_id>", "/service-endpoints/<endpoint_id>")
def remove_endpoint(endpoint_id: str) -> Response:
    """Remove a service endpoint, for good."""
    with changing() as records:
        endpoint = find(records, endpoint_id)
        require_match(show_endpoint(records, endpoint))
        records.remove(ENDPOINTS, endpoint_id)
    return nothing()
