"""The numbers of ids. They grow, and stay so small that every reader of JSON keeps them exact."""

from collections.abc import Mapping

from provisioning.store.errors import StoreUnavailable
from provisioning.store.query import Record

LARGEST_ID = 2**53 - 1
"""The largest integer that every reader of JSON keeps exact."""
LARGEST_BROUGHT = 2**52 - 1
"""The largest id that seeds, imports and edits may bring. Creation counts on above it."""

ROOM = 2**40
"""More ids than ever will be made."""


def number_of(identity: object) -> int:
    """The number in an id such as 12 or key-12; 0 if there is none."""
    text = str(identity).rpartition("-")[2]
    # Cut, since thousands of digits would take long to convert.
    return int(text[:20]) if text.isascii() and text.isdigit() else 0


def require_readable_id(table: str, before: Record | None, record: Record) -> None:
    """Raise ValueError if a record gets a new id that is too large."""
    identity = record.get("id")
    is_new = before is None or before.get("id") != identity
    if is_new and number_of(identity) > LARGEST_ID:
        raise ValueError(f"{table}: the number of an id must be at most {LARGEST_ID}")


def next_after(last: int) -> int:
    """The number after the last one; StoreUnavailable if that would be too large."""
    if last >= LARGEST_ID:
        raise StoreUnavailable(
            "No id is left, since a record has the largest one. Give that record a smaller id."
        )
    return last + 1


def count_on(ids: dict[str, int], table: str, key: str, record: Record) -> None:
    """Raise the last number of a table, if need be, to the one in a record's id.

    A record without a member `id` counts by its key. A number above LARGEST_BROUGHT doesn't count:
    either `next_id` has given it, or it is a mistake that must not end creation.
    """
    number = number_of(record.get("id", key))
    if ids.get(table, 0) < number <= LARGEST_BROUGHT:
        ids[table] = number


def mended(ids: Mapping[str, int]) -> dict[str, int]:
    """Counters without those that a mistake has driven above LARGEST_BROUGHT."""
    return {name: number for name, number in ids.items() if number <= LARGEST_BROUGHT}


def counted_on(last: int, largest: int) -> int:
    """The counter of a table to go on with.

    `last` is what it was, `largest` the largest id up to LARGEST_BROUGHT that a record has. A
    counter above that, where a brought id must have driven it, goes back to `largest`, unless it
    would meet the ids above before long.
    """
    is_mistake = last > LARGEST_BROUGHT and largest < LARGEST_BROUGHT - ROOM
    return largest if is_mistake else max(last, largest)
