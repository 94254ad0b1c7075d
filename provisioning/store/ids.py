"""The numbers of ids: they grow, and stay within what every reader of JSON can hold."""

from provisioning.store.errors import StoreUnavailable
from provisioning.store.query import Record

LARGEST_ID = 2**53 - 1
"""The largest integer that every reader of JSON tells from its neighbours."""


def number_of(identity: object) -> int:
    """The number in an id such as 12 or key-12; 0 where there is none."""
    text = str(identity).rpartition("-")[2]
    # Digits that are far too many would take long to convert.
    return int(text[:20]) if text.isascii() and text.isdigit() else 0


def require_readable_id(table: str, before: Record | None, record: Record) -> None:
    """Raise ValueError for a new id that is too large; a record may keep the one that it has."""
    identity = record.get("id")
    is_new = before is None or before.get("id") != identity
    if is_new and number_of(identity) > LARGEST_ID:
        raise ValueError(f"{table}: the number of an id must be at most {LARGEST_ID}")


def next_after(last: int) -> int:
    """The next number; StoreUnavailable where there is none."""
    if last >= LARGEST_ID:
        raise StoreUnavailable(
            "No id is left, since a record has the largest one. Give that record a smaller id."
        )
    return last + 1


def count_on(ids: dict[str, int], table: str, key: str, record: Record) -> None:
    """Keep the last number of a table at or above the one in a record's id, or document id."""
    number = number_of(record.get("id", key))
    if ids.get(table, 0) < number <= LARGEST_ID:
        ids[table] = number
