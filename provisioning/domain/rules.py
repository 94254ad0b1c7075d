"""The rules between stored records, for seeds and hand edits, which don't come through the API.

Each rule yields a (member, sentence) pair for every fault. In the API, people.py and services.py
keep the same rules.
"""

from collections.abc import Callable, Collection, Iterable, Iterator

from provisioning.domain.activity import ActivityWindow, Instant
from provisioning.domain.names import username_key
from provisioning.domain.tables import PRIVILEGES, SUBSCRIPTIONS, USERS
from provisioning.store import Record, View

Fault = tuple[str, str]
UNKNOWN_SUPERVISOR = "Must be a username with a privilege in this tenant."


def _overlaps(record: Record, others: Iterable[Record], what: str) -> Iterator[Fault]:
    window = ActivityWindow.of(record)
    for other in others:
        if other["id"] != record["id"] and window.overlaps(ActivityWindow.of(other)):
            yield "activeFrom", f"{what} {other['id']} has a window that overlaps."
            return


def of_privilege(view: View, privilege: Record, now: Instant) -> Iterator[Fault]:
    """Overlapping windows of one role, supervisors without a privilege, circles."""
    tenant, user = privilege["tenant"], privilege["user"]
    held = view.group(PRIVILEGES, "tenantUser", (tenant, user))
    same_role = [other for other in held if other["role"] == privilege["role"]]
    yield from _overlaps(privilege, same_role, "Another privilege of that role:")
    if privilege["reportsTo"] is None:
        return
    account = view.get(USERS, user)
    own_id: int | None = None if account is None else account["id"]
    supervisor = view.find(USERS, "id", privilege["reportsTo"])
    if privilege["reportsTo"] == own_id:
        yield "reportsTo", "Nobody reports to themselves."
    elif supervisor is None or not _held_by(view, tenant, supervisor):
        yield "reportsTo", UNKNOWN_SUPERVISOR
    elif not ActivityWindow.of(privilege).has_ended(now) and own_id in above(view, privilege, now):
        yield "reportsTo", "Closes a circle of those who report to each other."


def _held_by(view: View, tenant: str, account: Record) -> Collection[Record]:
    """The privileges of an account in a tenant."""
    return view.group(PRIVILEGES, "tenantUser", (tenant, username_key(account["username"])))


def above(view: View, privilege: Record, now: Instant) -> frozenset[int]:
    """The ids of all accounts to whom a privilege's user reports through it, at any distance.

    Only privileges that have not ended count. The user is among them if the reporting lines close
    a circle.
    """
    found: set[int] = set()
    waiting = [privilege["reportsTo"]]
    while waiting:
        supervisor = waiting.pop()
        if supervisor in found:
            continue
        found.add(supervisor)
        account = view.find(USERS, "id", supervisor)
        waiting.extend(
            other["reportsTo"]
            for other in (_held_by(view, privilege["tenant"], account) if account else ())
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
