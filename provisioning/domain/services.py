"""Subscriptions: a tenant's use of the catalogue's services over windows."""

from collections.abc import Iterable

from provisioning.domain import people
from provisioning.domain.activity import ActivityWindow, Instant
from provisioning.domain.catalogue import (
    ARCHIVED,
    ENTERPRISE,
    INTERNAL,
    MANDATORY,
    SUBSCRIPTION_PLAN,
    Catalogue,
)
from provisioning.domain.errors import Conflict, Forbidden
from provisioning.domain.records import (
    Records,
    not_found,
    require_no_overlap,
    require_not_history,
)
from provisioning.domain.tables import SUBSCRIPTIONS
from provisioning.store import Order, Query, Record, Transaction


def subscriptions_of(records: Records, service: str) -> list[Record]:
    return list(records.view.group(SUBSCRIPTIONS, "service", (records.label, service)))


def current_subscription(records: Records, service: str) -> Record:
    """The active subscription to a service, else the next to come (section 2), else NotFound."""
    subscription = latest_subscription(records, service)
    if ActivityWindow.of(subscription).has_ended(records.now):
        raise not_found()
    return subscription


def latest_subscription(records: Records, service: str) -> Record:
    """The active subscription, else the next to come, else the last that ended, else NotFound."""
    entries = subscriptions_of(records, service)
    if not entries:
        raise not_found()
    to_come = [entry for entry in entries if not ActivityWindow.of(entry).has_ended(records.now)]
    if not to_come:
        return max(entries, key=lambda entry: str(entry["activeFrom"]))
    return min(to_come, key=lambda entry: str(entry["activeFrom"]))


def active_services(records: Records) -> frozenset[str]:
    """The labels of the services with an active subscription."""
    return frozenset(entry["service"] for entry in active_subscriptions(records))


def active_subscriptions(records: Records) -> list[Record]:
    """The tenant's active subscriptions, in the order of their services' labels."""
    active = Query(
        within=("tenant", records.label),
        active=True,
        at=records.now,
        order=(Order("service"),),
    )
    return records.query(SUBSCRIPTIONS, active).records


def subscribe(records: Records, service: Record, window: ActivityWindow) -> Record:
    entry_id = records.transaction.next_id(SUBSCRIPTIONS)
    by = people.id_of(records.view, records.caller.user)
    entry = new_subscription(entry_id, service, window, by, records.now)
    if service["status"] == ARCHIVED:
        raise Conflict("This service is archived and can't be newly subscribed.")
    others = subscriptions_of(records, service["label"])
    require_no_overlap(entry, others, "There is a subscription to this service already")
    if window.ends is not None:
        require_optional(records, entry)
    return records.put(SUBSCRIPTIONS, str(entry_id), entry)


def change_subscription(records: Records, entry: Record, window: ActivityWindow) -> Record:
    old = ActivityWindow.of(entry)
    if window == old:
        return entry
    require_not_history(entry, records.now)
    if window.ends is not None or window.begins > old.begins:
        require_optional(records, entry)
    changed = entry | window.members
    others = subscriptions_of(records, entry["service"])
    require_no_overlap(changed, others, "There is a subscription to this service already")
    return records.put(SUBSCRIPTIONS, str(entry["id"]), changed)


def unsubscribe(records: Records, entry: Record) -> None:
    """Close the window of a subscription; one that has ended stays as it is."""
    closed = entry | ActivityWindow.of(entry).revoked(records.now).members
    if closed == entry:
        return
    require_optional(records, entry)
    records.put(SUBSCRIPTIONS, str(entry["id"]), closed)


def require_optional(records: Records, entry: Record) -> None:
    """Conflict if the subscription is to a MANDATORY service, which every tenant keeps."""
    service = records.catalogue.services.get(entry["service"])
    if service is not None and service["type"] == MANDATORY:
        raise Conflict(
            "Every tenant has this service: its subscription can't be removed, "
            "given an end or made to begin later."
        )


def new_subscription(
    entry_id: int, service: Record, window: ActivityWindow, by: int | None, now: Instant
) -> Record:
    return {
        "id": entry_id,
        "service": service["label"],
        **window.members,
        "registeredBy": by,
        "registeredDate": now,
    }


def subscribe_to_mandatory(
    transaction: Transaction, catalogue: Catalogue, tenant: str, now: Instant
) -> None:
    """Subscribe a tenant to every MANDATORY service that it has never subscribed to."""
    entries = transaction.group(SUBSCRIPTIONS, "tenant", tenant)
    known = {entry["service"] for entry in entries}
    for service in catalogue.mandatory_services:
        if service["label"] not in known:
            entry_id = transaction.next_id(SUBSCRIPTIONS)
            window = ActivityWindow(now, None)
            entry = new_subscription(entry_id, service, window, None, now)
            transaction.put(SUBSCRIPTIONS, str(entry_id), entry | {"tenant": tenant})


def require_enterprise(records: Records) -> None:
    """Forbidden unless the tenant has the Enterprise plan, which statements need (section 4)."""
    plan = records.catalogue.services.get(ENTERPRISE)
    is_plan = plan is not None and plan["type"] == SUBSCRIPTION_PLAN
    entries = subscriptions_of(records, ENTERPRISE)
    if not is_plan or not any(ActivityWindow.of(each).is_active(records.now) for each in entries):
        raise Forbidden(
            "Statements need an active subscription to the SUBSCRIPTION_PLAN service "
            f"'{ENTERPRISE}'. An administrator can subscribe: POST /services/{ENTERPRISE}."
        )


def entries_on_show(
    records: Records, custom: Iterable[Record], entries: Iterable[Record], subscribed: bool
) -> list[Record]:
    """Custom entries and those of the catalogue; a custom one hides the catalogue's of its label.

    `subscribed` leaves out the catalogue's entries whose service has no active subscription;
    entries of INTERNAL services always need one (section 7).
    """
    active = active_services(records)
    services = records.catalogue.services
    own = list(custom)
    labels = {entry["label"] for entry in own}
    return own + [
        entry
        for entry in entries
        if entry["label"] not in labels
        and (
            entry["service"] in active
            or not (subscribed or services[entry["service"]]["type"] == INTERNAL)
        )
    ]
