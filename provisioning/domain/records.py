"""The records of one tenant, as one caller meets them at one instant: tenancy as a value."""

from collections.abc import Collection, Iterable
from typing import NamedTuple, cast

from provisioning.domain.activity import ActivityWindow, Instant
from provisioning.domain.callers import Caller
from provisioning.domain.catalogue import Catalogue
from provisioning.domain.errors import Conflict, Invalid, NotFound
from provisioning.domain.tables import TENANTS
from provisioning.store import Page, Query, Record, TooManyToSort, Transaction, View

TOO_MANY = (
    "These are too many records to sort them by it. Narrow them down first, by a filter or by q, "
    "or order them by id."
)


class Records(NamedTuple):
    """All that a request may read and change. `get` and `find` miss another tenant's records."""

    view: View
    caller: Caller
    now: Instant
    catalogue: Catalogue

    @property
    def label(self) -> str:
        return self.caller.tenant

    @property
    def tenant(self) -> Record:
        tenant = self.view.get(TENANTS, self.label)
        if tenant is None:
            raise not_found()
        return tenant

    @property
    def transaction(self) -> Transaction:
        """The view as a transaction, which it is only within `changing`."""
        return cast(Transaction, self.view)

    def get(self, table: str, key: str) -> Record | None:
        record = self.view.get(table, key)
        return record if record is not None and record["tenant"] == self.label else None

    def find(self, table: str, key: str) -> Record:
        record = self.get(table, key)
        if record is None:
            raise not_found()
        return record

    def all(self, table: str) -> Collection[Record]:
        return self.view.group(table, "tenant", self.label)

    def query(self, table: str, query: Query) -> Page:
        try:
            return self.view.query(table, query)
        except TooManyToSort:
            raise Invalid.member("order", TOO_MANY) from None

    def own_key(self, name: str) -> str:
        """The key of a record whose name is unique within the tenant."""
        return f"{self.label}/{name}"

    def put(self, table: str, key: str, record: Record) -> Record:
        self.transaction.put(table, key, record | {"tenant": self.label})
        return record

    def remove(self, table: str, key: str) -> None:
        self.transaction.remove(table, key)


def not_found() -> NotFound:
    """The 404 of every record: the same for a missing one and another tenant's (section 3)."""
    return NotFound("There is no such record, or it is not visible to this API key.")


def require_no_overlap(record: Record, others: Iterable[Record], what: str) -> None:
    """Conflict if the record's window overlaps that of another one; `what` begins the message."""
    window = ActivityWindow.of(record)
    for other in others:
        if other["id"] != record["id"] and window.overlaps(ActivityWindow.of(other)):
            begins, ends = other["activeFrom"], other["activeUntil"] or "without an end"
            raise Conflict(
                f"{what} in a window that overlaps ({begins} to {ends}). Change that one instead."
            )


def require_not_history(record: Record, now: Instant) -> None:
    if ActivityWindow.of(record).has_ended(now):
        raise Conflict("Its window has ended: it is history and stays as it is. Make a new one.")
