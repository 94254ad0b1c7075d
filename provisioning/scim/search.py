"""Searching users: what the store can answer it is asked, and the rest is judged user by user.

The store may find more users than a filter matches. Each of these is then looked at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from flask import Response

from provisioning.domain.names import username_key
from provisioning.domain.records import Records
from provisioning.domain.tables import USERS
from provisioning.scim import filters, identities, people
from provisioning.scim.filters import (
    EXACT,
    FOLDED,
    SWITCH,
    Comparison,
    Filter,
    Kinds,
    Several,
    folded,
)
from provisioning.scim.messages import MEMBERS, invalid_value, listed, location
from provisioning.scim.parameters import Search, search_request
from provisioning.store import Order, Query, Record, Related
from provisioning.store.query import sort_key
from provisioning.web.access import reading
from provisioning.web.answers import encode

USER_KINDS: Kinds = {
    "id": EXACT,
    "externalid": EXACT,
    "username": FOLDED,
    "displayname": FOLDED,
    "name.givenname": FOLDED,
    "name.familyname": FOLDED,
    "emails.value": FOLDED,
    "emails.type": FOLDED,
    "emails.primary": SWITCH,
    "active": SWITCH,
}
"""What users are filtered and sorted by."""
ORDERS = {MEMBERS[name].lower(): name for name in ("username", "email", "firstName", "lastName")}
ORDERS["id"] = "id"
"""Attribute -> stored member, for orders that the store has."""
SAME = {"emails.type": "work", "emails.primary": True}
"""Attribute -> its value, where that is the same of all users."""
IN_TEXT = frozenset(ORDERS) - {"id"} | {"displayname"}
"""Attributes whose values are in the text that the store searches for words."""
ALWAYS_THERE = frozenset({"id", "username", "email"})
"""Members that are never null. In a descending order by another member, users without it come first
(RFC 7644, 3.4.2.3), where the store has them last."""
OCCURS = frozenset({"eq", "co", "sw", "ew"})
"""Operators that are true only where the whole value occurs."""
MOST_WORDS = 20
"""How many words of a filter the store searches for; more would cost more than they save."""
FEW = 50
"""Of so many users the active ones and the external ids are looked up one by one."""

Found = Callable[[Records, Search, Filter | None, slice], tuple[list[Any], int]]
"""A function that returns the resources at some places of the list that is asked for, and the
length of the whole list."""


def search(given: Record, kinds: Kinds, found_on: Found, sortable: Kinds | None = None) -> Response:
    """The answer to a list or search; `given` are its parameters, `found_on` finds the resources.

    `kinds` and `sortable` are the attributes to filter and to sort by.
    """
    asked = search_request(given)
    allowed = kinds if sortable is None else sortable
    if asked.sort_by is not None and asked.sort_by not in allowed:
        raise invalid_value(f"sortBy: Must be one of {', '.join(sorted(allowed))}.")
    node = None if asked.filter is None else filters.parse(asked.filter, kinds)
    found, total = found_on(reading(), asked, node, asked.places)
    return listed(found, total, asked.places.start)


def users_asked(
    records: Records, asked: Search, node: Filter | None, places: slice
) -> tuple[list[Any], int]:
    """The users at these places of the list that is asked for, as resources, and its length."""
    accounts, total = _accounts(records, asked, node, places)
    records.view.expect(people.described_with(records, accounts))
    records.view.expect(people.managers_of(records, accounts))
    if asked.selection.is_all:
        base_url = encode(location())[1:-1]
        return [people.encoded(records, each, base_url) for each in accounts], total
    return [asked.selection.of(people.describe(records, each)) for each in accounts], total


@dataclass(frozen=True)
class Narrowed:
    """Conditions that all users meet whom a filter matches. Each condition that is set counts."""

    keys: frozenset[str] | None = None
    """Their keys are among these; None if any key will do."""
    related: tuple[Related, ...] = ()
    """As in Query."""
    words: tuple[str, ...] = ()
    """As in Query."""
    is_exact: bool = False
    """Whether the users that meet `related` are exactly those whom the filter matches."""


def _accounts(
    records: Records, asked: Search, node: Filter | None, places: slice
) -> tuple[list[Record], int]:
    narrowed = Narrowed(is_exact=True) if node is None else narrow(records, node)
    if narrowed.keys is not None:
        found = [records.view.get(USERS, user) for user in narrowed.keys]
        few = [each for each in found if each is not None and _is_visible(records, each)]
        return _judged(records, sorted(few, key=lambda each: int(each["id"])), asked, node, places)
    related = narrowed.related
    if identities.active_users(records) not in related:
        related = (identities.visible_users(records), *related)
    query = Query(related=related, words=narrowed.words)
    order = _store_order(asked)
    hidden = identities.coming_back(records)
    if narrowed.is_exact and order is not None and not hidden:
        return _page(records, query, order, places)
    every = records.query(USERS, query).records
    seen = [each for each in every if username_key(each["username"]) not in hidden]
    return _judged(records, seen, asked, node, places)


def _is_visible(records: Records, account: Record) -> bool:
    return identities.is_visible(records, username_key(account["username"]))


def narrow(records: Records, node: Filter) -> Narrowed:
    """The conditions of a filter that the store can look for."""
    if isinstance(node, Comparison):
        return _compared(records, node)
    if isinstance(node, Several):
        parts = [narrow(records, each) for each in node.parts]
        return _all(parts) if node.is_all else _any(parts)
    return Narrowed()


def _compared(records: Records, node: Comparison) -> Narrowed:
    name, value = node.name, node.value
    if name == "active" and isinstance(value, bool):
        is_active = value is (node.operator == "eq")
        return Narrowed(
            related=(identities.active_users(records, negated=not is_active),), is_exact=True
        )
    if not isinstance(value, str):
        return Narrowed()
    if node.operator == "eq" and name in NAMES:
        return Narrowed(
            frozenset(NAMES[name](records, folded(value) if node.kind == FOLDED else value))
        )
    # Only ASCII: folding other text may change it so that a part of it isn't found any more.
    if node.operator in OCCURS and name in IN_TEXT and value.isascii():
        return Narrowed(words=tuple(value.split()[:MOST_WORDS]))
    return Narrowed()


def _with_id(records: Records, value: str) -> set[str]:
    found = people.account_of(records, value)
    return {username_key(found["username"])} if found else set()


def _with_email(records: Records, value: str) -> set[str]:
    """The keys of users of all tenants with this address."""
    found = records.query(USERS, Query(within=("email", value))).records
    return {username_key(account["username"]) for account in found}


NAMES: dict[str, Callable[[Records, str], set[str]]] = {
    "username": lambda _, value: {value},
    "id": _with_id,
    "externalid": identities.users_called,
    "emails.value": _with_email,
}
"""Attribute -> function that finds the keys of users by its value, folded if it is FOLDED, with an
index."""


def _all(parts: list[Narrowed]) -> Narrowed:
    keys = [part.keys for part in parts if part.keys is not None]
    related: list[Related] = []
    for each in (each for part in parts for each in part.related):
        if each not in related:  # a query can't be hashed
            related.append(each)
    return Narrowed(
        frozenset.intersection(*keys) if keys else None,
        tuple(related),
        tuple(word for part in parts for word in part.words)[:MOST_WORDS],
        all(part.is_exact for part in parts),
    )


def _any(parts: list[Narrowed]) -> Narrowed:
    """The conditions of an `or`: the keys of all parts together, if each part names users."""
    keys = [part.keys for part in parts if part.keys is not None]
    return Narrowed(frozenset().union(*keys) if len(keys) == len(parts) else None)


def _store_order(asked: Search) -> tuple[Order, ...] | None:
    """The order that is asked for, as one of the store; None if the store doesn't have it."""
    if asked.sort_by is None:
        return ()
    member = ORDERS.get(asked.sort_by)
    if member is None or (asked.descends and member not in ALWAYS_THERE):
        return None
    return (Order(member, asked.descends),)


def _page(
    records: Records, query: Query, order: tuple[Order, ...], places: slice
) -> tuple[list[Record], int]:
    """The users at these places in the store's order, and the length of the list.

    The store has pages of equal size. Places that lie across two of these need both.
    """
    size = places.stop - places.start
    first, skipped = divmod(places.start, max(size, 1))
    found: list[Record] = []
    total = 0
    for page in (first, first + 1)[: 2 if skipped else 1]:
        asked = Query(
            related=query.related, words=query.words, order=order, page=page, size=max(size, 1)
        )
        cut = records.query(USERS, asked)
        found, total = found + cut.records, cut.total
    return found[skipped : skipped + size], total


def _column(
    records: Records, accounts: Sequence[Record], users: Sequence[str], name: str
) -> list[Any]:
    """The values of one attribute, of each of these users; None of one that only groups have."""
    some = users if len(users) <= FEW else None
    if name == "id":
        return [str(account["id"]) for account in accounts]
    if name in ORDERS:
        return [account[ORDERS[name]] or None for account in accounts]
    if name == "displayname":
        return [people.display_name(account) for account in accounts]
    if name == "active":
        active = identities.active_among(records, some)
        return [user in active for user in users]
    if name == "externalid":
        called = identities.called_among(records, some)
        return [called.get(user) for user in users]
    return [SAME.get(name)] * len(users)


def _judged(
    records: Records, accounts: list[Record], asked: Search, node: Filter | None, places: slice
) -> tuple[list[Record], int]:
    """The accounts that match the filter, sorted and cut to these places, and their number."""
    users = [username_key(account["username"]) for account in accounts]
    if node is not None:

        @cache
        def values_of(name: str) -> list[Any]:
            column = _column(records, accounts, users, name)
            is_folded = USER_KINDS.get(name) == FOLDED
            return [each and folded(each) for each in column] if is_folded else column

        is_true = filters.judge(
            node, lambda each: filters.compared(each, values_of(each.name).__getitem__)
        )
        found = [number for number in range(len(users)) if is_true(number)]
        accounts, users = [accounts[n] for n in found], [users[n] for n in found]
    if asked.sort_by is not None:
        values = _column(records, accounts, users, asked.sort_by)
        keys = [_sort_key(asked.sort_by, value) for value in values]
        ranked = sorted(range(len(keys)), key=keys.__getitem__, reverse=asked.descends)
        accounts = [accounts[number] for number in ranked]
    return accounts[places], len(accounts)


_key_of_text = sort_key(Order("text"))


def _sort_key(name: str, value: Any) -> Any:
    """What users are ordered by, as the store orders them; those without a value come last."""
    if name == "id":
        return int(value)
    if USER_KINDS.get(name) == FOLDED:
        return _key_of_text(value)
    return (value is None, "" if value is None else value)
