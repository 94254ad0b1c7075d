"""Services: the catalogue that all tenants share, and the tenant's subscriptions to it."""

from collections.abc import Container

from flask import Response
from marshmallow import fields

from provisioning.domain import people
from provisioning.domain.activity import ActivityWindow
from provisioning.domain.catalogue import INTERNAL, Catalogue
from provisioning.domain.records import Records, not_found
from provisioning.domain.services import (
    active_subscriptions,
    change_subscription,
    current_subscription,
    latest_subscription,
    subscribe,
    unsubscribe,
)
from provisioning.domain.tables import SUBSCRIPTIONS
from provisioning.resources.privileges import PublicProfileSchema
from provisioning.store import Record, fold, select
from provisioning.web.access import changing, reading
from provisioning.web.answers import answer, created, nothing, require_match
from provisioning.web.collection import AccountId, Collection
from provisioning.web.fields import STATUSES, Choice, LongText, Moment, Slug, Text
from provisioning.web.operation import ACTIVE, Variable
from provisioning.web.paging import AT, active_asked, at_asked, list_query, listed
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

SERVICE_TYPES = (
    INTERNAL,
    "MANDATORY",
    "SUBSCRIPTION_PLAN",
    "OPTIONAL",
    "PREMIUM",
    "EXCLUSIVE",
    "CUSTOM",
)


class ServiceSchema(RecordSchema):
    """A service of the catalogue."""

    name = Text(required=True)
    label = Slug(32)
    type = Choice("ServiceType", SERVICE_TYPES, required=True)
    status = Choice("Status", STATUSES, required=True)
    icon = Text(50)
    preview = Text()
    shortDescription = Text()
    description = LongText()


class ServiceLabel(Text):
    """The label of a service of the catalogue."""

    @staticmethod
    def labels(catalogue: Catalogue) -> Container[str]:
        return catalogue.services


class SubscriptionSchema(WindowSchema):
    """A tenant's use of a service over a window."""

    example = {"activeFrom": "2026-01-01T00:00:00Z", "activeUntil": None}

    service = fields.Nested(ServiceSchema, dump_only=True, allow_none=True)
    registeredBy = fields.Nested(PublicProfileSchema, dump_only=True, allow_none=True)
    registeredDate = Moment(dump_only=True, allow_none=False)


SERVICE = ServiceSchema()
SUBSCRIPTION = SubscriptionSchema()
KEPT = "A MANDATORY service stays subscribed without an end."

COLLECTION = Collection(
    SUBSCRIPTIONS,
    seed="subscriptions",
    audit="services",
    schema=SUBSCRIPTION,
    own={
        "service": ServiceLabel(1_000, required=True),
        "registeredBy": AccountId(),
        "registeredDate": Moment(required=True),
    },
    target="service",
    numbered="{}",
    groups={"service": lambda record: (record["tenant"], record["service"])},
)
LABEL = Variable("label", "The label of a service.", "enterprise")

services = Resource(
    "services",
    __name__,
    "The catalogue of services, and subscriptions to them.",
    collections=[COLLECTION],
    variables={"/available-services/<label>": LABEL, "/services/<label>": LABEL},
)


def show_service(_: Records, service: Record) -> Record:
    return show(SERVICE, service)


def show_subscription(records: Records, subscription: Record) -> Record:
    service = records.catalogue.services.get(subscription["service"])
    return show(
        SUBSCRIPTION,
        subscription,
        service=None if service is None else show(SERVICE, service),
        registeredBy=people.public_profile(records.view, subscription["registeredBy"]),
    )


def show_active_subscriptions(records: Records) -> list[Record]:
    """The active subscriptions, as /info and /details show them."""
    return [show_subscription(records, entry) for entry in active_subscriptions(records)]


def offered(catalogue: Catalogue, label: str) -> Record:
    service = catalogue.services.get(label)
    if service is None or service["type"] == INTERNAL:
        raise not_found()
    return service


def catalogue_text(entry: Record) -> str:
    """The folded text of an entry of the catalogue, in which a search looks for its words."""
    members = ("name", "label", "title", "description")
    return fold("\n".join(str(entry.get(member) or "") for member in members))


@services.operation("GET", "/available-services", answer=SERVICE, many=True)
def list_available_services() -> Response:
    """List the services that can be subscribed."""
    query = list_query(SERVICE, "label")
    entries = reading().catalogue.offered_services
    return listed(select(entries, query, catalogue_text), query, show_service)


@services.operation("GET", "/available-services/<label>", answer=SERVICE)
def show_available_service(label: str) -> Response:
    """Show a service of the catalogue."""
    records = reading()
    return answer(show_service(records, offered(records.catalogue, label)))


@services.operation("GET", "/services", answer=SUBSCRIPTION, many=True, parameters=[ACTIVE, AT])
def list_subscriptions() -> Response:
    """List the tenant's subscriptions, by default the active ones."""
    records = reading()
    active, at = together(lambda: active_asked(True), lambda: at_asked(records.now))
    query = list_query(SUBSCRIPTION, "service", active=active, at=at)

    def text(entry: Record) -> str:
        return catalogue_text(records.catalogue.services.get(entry["service"], {}))

    def registrant(entry: Record) -> str | None:
        return people.username_of(records.view, entry["registeredBy"])

    entries = records.all(SUBSCRIPTIONS)
    page = select(entries, query, text, {"registeredBy": registrant})
    return listed(page, query, show_subscription)


@services.operation(
    "POST",
    "/services/<label>",
    body=SUBSCRIPTION,
    answer=SUBSCRIPTION,
    body_needed=False,
    conflict=f"It is subscribed over an overlapping window, or archived. {KEPT}",
)
def create_subscription(label: str, body: Record) -> Response:
    """Subscribe to a service."""
    terms = load_new(SUBSCRIPTION, body)
    with changing() as records:
        terms = begun(terms, records.now)
        service = offered(records.catalogue, label)
        subscription = subscribe(records, service, ActivityWindow.of(terms))
        return created(show_subscription(records, subscription), "services", label)


@services.operation("GET", "/services/<label>", answer=SUBSCRIPTION)
def show_one_subscription(label: str) -> Response:
    """Show the active subscription to a service, else the next to come."""
    records = reading()
    return answer(show_subscription(records, current_subscription(records, label)))


@services.operation(
    "PUT",
    "/services/<label>",
    body=SUBSCRIPTION,
    answer=SUBSCRIPTION,
    conflict=f"It is subscribed over an overlapping window. {KEPT}",
)
def replace_subscription(label: str, body: Record) -> Response:
    """Change the window of the subscription that GET shows."""
    changes = load_changes(SUBSCRIPTION, body, lambda: current_subscription(reading(), label))
    with changing() as records:
        subscription = current_subscription(records, label)
        require_match(show_subscription(records, subscription))
        window = ActivityWindow.of(changed(subscription, changes))
        subscription = change_subscription(records, subscription, window)
        return answer(show_subscription(records, subscription))


@services.operation("DELETE", "/services/<label>", conflict=KEPT)
def end_subscription(label: str) -> Response:
    """Unsubscribe: the window of the subscription that GET shows is closed."""
    with changing() as records:
        subscription = latest_subscription(records, label)
        require_match(show_subscription(records, subscription))
        unsubscribe(records, subscription)
    return nothing()
