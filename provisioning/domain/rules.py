"""The rules between stored records, for seeds and hand edits, which don't come through the API.

Each rule yields a (member, sentence) pair for every fault. In the API, people.py and services.py
keep the same rules.
"""

from collections.abc import Callable, Iterable, Iterator

from provisioning.domain.activity import ActivityWindow, Instant
from provisioning.domain.tables import PRIVILEGES, SUBSCRIPTIONS
from provisioning.store import Record, View

Fault = tuple[str, str]


def _overlaps(record: Record, others: Iterable[Record], what: str) -> Iterator[Fault]:
    window = ActivityWindow.of(record)
    for other in others:
        if other["id"] != record["id"] and window.overlaps(ActivityWindow.of(other)):
            yield "activeFrom", f"{what} {other['id']} has a window that overlaps."
            return


def of_privilege(view: View, privilege: Record, now: Instant) -> Iterator[Fault]:
    """Overlapping windows of one role, supervisors without a privilege, circles."""
    tenant, user, supervisor = privilege["tenant"], privilege["user"], privilege["reportsTo"]
    own = view.group(PRIVILEGES, "tenantUser", (tenant, user))
    same_role = [other for other in own if other["role"] == privilege["role"]]
    yield from _overlaps(privilege, same_role, "Another privilege of that role:")
    if supervisor is None:
        return
    if supervisor == user:
        yield "reportsTo", "Nobody reports to themselves."
    elif not view.group(PRIVILEGES, "tenantUser", (tenant, supervisor)):
        yield "reportsTo", "Must be a username with a privilege in this tenant."
    elif not ActivityWindow.of(privilege).has_ended(now) and user in above(view, privilege, now):
        yield "reportsTo", "Closes a circle of those who report to each other."


def above(view: View, privilege: Record, now: Instant) -> frozenset[str]:
    """The keys of all users to whom a privilege's user reports through it, at any distance.

    Only privileges that have not ended count. The user is among them if the reporting lines close
    a circle.
    """
    found: set[str] = set()
    waiting = [privilege["reportsTo"]]
    while waiting:
        supervisor = waiting.pop()
        if supervisor in found:
            continue
        found.add(supervisor)
        waiting.extend(
            other["reportsTo"]
            for other in view.group(PRIVILEGES, "tenantUser", (privilege["tenant"], supervisor))
            if other["reportsTo"] and not ActivityWindow.of(other).has_ended(now)
        )
    return frozenset(found)


def of_subscription(view: View, subscription: Record, now: Instant) -> Iterator[Fault]:
    """Overlapping windows of one service."""
    same = (subscription["tenant"], subscription["service"])
    others = view.group(SUBSCRIPTIONS, "service", same)
    yield from _overlaps(subscription, others, "Another subscription to that service:")


RULES: dict[str, Callable[[View, Record, Instant], Iterable[Fault]]] = {
    PRIVILEGES: of_privilege,
    SUBSCRIPTIONS: of_subscription,
}
