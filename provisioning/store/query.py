"""Queries: questions to a table as data, and the conditions and orders in them."""

import json
import re
import unicodedata
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

Record = dict[str, Any]
Condition = Callable[[Record], bool]


class Order(NamedTuple):
    """An order by one member. Texts are compared by `fold`, equal ones as they are; nulls come last
    in both directions."""

    member: str
    descending: bool = False


@dataclass(slots=True)
class Query:
    """The records to list: those that meet every condition which is set.

    Two that differ in `at` alone are equal: they ask the same at two instants. Don't change one:
    what it finds is kept under it.
    """

    within: tuple[str, Hashable] | None = None
    """(Group of the table, value): only records of this group are looked at."""
    keys: Collection[str] | None = None
    """The key is one of these; unknown ones are ignored."""
    equal: Mapping[str, Any] = field(default_factory=dict)
    """Member -> its value. The table must list the member in `asked`; so below."""
    any_of: Mapping[str, Collection[Any]] = field(default_factory=dict)
    """Member -> values of which it has one."""
    between: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)
    """Member -> (first text, end) of a half-open range that holds its value; None is open."""
    active: bool | None = None
    """True: the activity window is open at the instant `at`; False: it is not."""
    ended: bool | None = None
    """True: the activity window is never open at `at` or later; False: it may be."""
    at: str = field(default="", compare=False)
    related: tuple["Related", ...] = ()
    """Semi-joins: records of another table refer to the record, or don't."""
    words: tuple[str, ...] = ()
    """Each of these occurs in the record's text, compared by `fold`."""
    order: tuple[Order, ...] = ()
    """Equal records stay in table order (= creation); with `by_key` in that of keys."""
    by_key: bool = False
    page: int = 0
    """Counted from 0."""
    size: int | None = None
    """None: everything on one page."""

    def __hash__(self) -> int:
        # Of values there may be thousands, or such as can't be hashed.
        equal = [(member, repr(value)) for member, value in self.equal.items()]
        any_of = [(member, len(values)) for member, values in self.any_of.items()]
        asked = (*equal, *any_of, *self.between.items(), self.active, self.ended, *self.related)
        return hash((self.within, asked, self.words, self.order, self.page, self.size))

    def instants(self) -> set[str]:
        """The instants at which this looks at activity windows."""
        instants = set().union(*(each.condition.instants() for each in self.related))
        return instants if self.active is None and self.ended is None else instants | {self.at}

    def slice(self) -> slice:
        """The places of this page in the whole list."""
        if self.size is None:
            return slice(None)
        return slice(self.page * self.size, (self.page + 1) * self.size)


@dataclass(slots=True, unsafe_hash=True)
class Related:
    """A condition: the record's key stands in `member` of a record of another table.

    That other record meets `condition`, which has no keys, words, order and page.
    `negated`: there is no such record.
    """

    table: str
    member: str
    condition: Query
    negated: bool = False


class Lookup(NamedTuple):
    """Records that `get`, `find` or `group` of a view may be asked for: those of a table that have
    one of these values in `by`, a unique index or a group; None is the key."""

    table: str
    values: "Collection[Hashable] | Led"
    by: str | None = None


class Led(NamedTuple):
    """In place of values: what leads on from the records of another lookup. Their member of this
    name holds the key or the id that is sought, or their group of the same name the value."""

    start: Lookup
    name: str


class Line(NamedTuple):
    """How records of a table lead from one record of another to the next, as reporting lines do."""

    table: str
    below: str
    """Member that holds the key of the one below."""
    above: str
    """Member that holds the id of the one above; the table must list it in `asked`."""


@dataclass(slots=True)
class Page:
    """The records of one page, and how many there are on all pages."""

    records: list[Record]
    total: int
    begin: str = field(default="", compare=False)
    """The instant from which on the same view answers so."""
    end: str = field(default="", compare=False)
    """The instant from which on it may answer so no more."""
    shown: dict[Hashable, list[Any]] = field(default_factory=dict, compare=False)
    """What has been made of its records, and stays the same as long as the page is the answer."""


def fold(text: str) -> str:
    """The form in which words are compared: without case, and without accents (section 7)."""
    if text.isascii():
        return text.lower()
    # Character by character, since normalizing takes time with the square of marks in a row.
    separated = "".join(_separated(each) for each in text)
    folded = ACCENTS.sub("", separated).casefold()
    return JAMO.sub(lambda run: unicodedata.normalize("NFC", run[0]), folded)


def _separated(char: str) -> str:
    # The parts of a Hangul syllable are letters, so it stays whole.
    return char if "\uac00" <= char <= "\ud7a3" else unicodedata.normalize("NFKD", char)


ACCENTS = re.compile(
    "[\u0300-\u0304\u0306-\u030c\u030f\u0311\u0313\u0314\u031b\u0323-\u0328\u032d\u032e\u0330\u0331"
    "\u0342\u0345\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0670\u093c\u09bc\u0a3c"
    "\u0b3c\u3099\u309a\U000110ba]+"
)
"""The marks that NFKD separates from some precomposed letter, vowel signs apart; Hebrew points
and Arabic vowel marks."""
JAMO = re.compile("[\u1100-\u11ff]+")


def is_active_at(record: Record, at: str) -> bool:
    """Whether activeFrom <= at < activeUntil, where null is open-ended.

    Instants are strings of one form (UTC, to the second, `Z`), so that they compare as strings.
    """
    begin, end = record.get("activeFrom"), record.get("activeUntil")
    return (begin is None or begin <= at) and (end is None or at < end)


def has_ended_at(record: Record, at: str) -> bool:
    """Whether the window is never open at `at` or later; an empty window has ended."""
    begin, end = record.get("activeFrom"), record.get("activeUntil")
    return end is not None and (end <= at or (begin is not None and end <= begin))


def select(
    records: Iterable[Record],
    query: Query,
    text: Callable[[Record], str],
    shown: Mapping[str, Callable[[Record], Any]] = MappingProxyType({}),
) -> Page:
    """Filter, sort and cut records that are in no table, such as those of the catalogue.

    Equal records stay in the order in which they come. `text` is a function from a record to its
    folded text, `shown` has functions from a record to what an order by a member compares, where
    that isn't its value. Records without a table have no keys, groups and references:
    ValueError for a query that asks for these, apart from `keys=()`, which finds nothing.
    """
    if query.within is not None or query.keys or query.related or query.by_key:
        raise ValueError("these records are in no table: no within, keys, related and by_key")
    if query.keys is not None:
        return Page([], 0)
    conditions = [*about_members(query), *about_windows(query)]
    conditions += [_mentions(fold(word), text) for word in query.words]
    for condition in conditions:
        records = filter(condition, records)
    found = list(records)
    # By the last order first, as sorting keeps the order of equal ones, also in reverse.
    for order in reversed(query.order):
        value, key = shown.get(order.member) or reader(order.member), sort_key(order)
        found.sort(key=lambda record: key(value(record)), reverse=order.descending)
    return Page(found[query.slice()], len(found))


def reader(member: str) -> Callable[[Record], Any]:
    """A function from a record to its value of a member."""
    return lambda record: record.get(member)


def about_members(query: Query) -> list[Condition]:
    """The conditions of a query on single members: `equal`, `any_of` and `between`."""
    conditions = [_has_one_of(member, (value,)) for member, value in query.equal.items()]
    conditions += [_has_one_of(member, values) for member, values in query.any_of.items()]
    return conditions + [_is_between(member, *ends) for member, ends in query.between.items()]


def about_windows(query: Query) -> list[Condition]:
    """The conditions of a query on the activity window: `active` and `ended`."""
    conditions: list[Condition] = []
    if query.active is not None:
        conditions.append(lambda record: is_active_at(record, query.at) is query.active)
    if query.ended is not None:
        conditions.append(lambda record: has_ended_at(record, query.at) is query.ended)
    return conditions


def sort_key(order: Order) -> Callable[[Any], tuple[bool, int, Any]]:
    """A function from a value to its sort key; sort in reverse if the order descends."""

    def key(value: Any) -> tuple[bool, int, Any]:
        if value is None:
            return (not order.descending, 0, 0)
        # Python can't compare values of different kinds, so each kind has a number.
        if isinstance(value, str):
            return (order.descending, 1, (fold(value), value))
        if isinstance(value, int | float):
            return (order.descending, 0, value)
        return (order.descending, 2, json.dumps(value, sort_keys=True))

    return key


def _has_one_of(member: str, values: Collection[Any]) -> Condition:
    return lambda record: record.get(member) in values


def _is_between(member: str, first: str | None, end: str | None) -> Condition:
    def holds(record: Record) -> bool:
        value = record.get(member)
        return (
            value is not None and (first is None or first <= value) and (end is None or value < end)
        )

    return holds


def _mentions(word: str, text: Callable[[Record], str]) -> Condition:
    return lambda record: word in text(record)
