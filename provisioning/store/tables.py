"""One table: its declaration, its records, and the indexes over them."""

from bisect import insort
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import orjson

from provisioning.store.errors import StoreDamaged
from provisioning.store.query import Query, Record

Key = Callable[[Record], Hashable | None]
Keys = dict[str, None]
"""Keys, in table order."""
SINGLE = (str, int, float)
"""The types of the values by which records can be looked up."""
REMEMBERED = 200
"""How many of its last changes a table remembers: by these its bytes, and kept answers, are brought
up to date."""
_VERSIONS = count(1)


@dataclass(frozen=True)
class Table:
    """The declaration of one table: what a store has to know of its records."""

    name: str
    key: Callable[[Record], str] | None = None
    """A function from a record to its key. None: a record doesn't hold its key, which is therefore
    its document id in a file."""
    numbered: str | None = None
    """The format of its member `id`: `{}` for an integer, `key-{}` for such texts; None: no id."""
    nullable: tuple[str, ...] = ()
    """The members that may be null; a person may leave them out of a document."""
    unique: Mapping[str, Key] = field(default_factory=dict)
    """Unique index, beside the key -> function from a record to its value there; None keeps
    a record out of the index."""
    groups: Mapping[str, Key] = field(default_factory=dict)
    """Group -> function from a record to its value there, by which records can be asked for; None
    keeps a record out of the group. Where there is a group `tenant`, the values of the others are
    the tenant, too, or tuples that begin with it."""
    text: tuple[str, ...] = ()
    """The members in which a search looks for words."""
    references: Mapping[str, str] = field(default_factory=dict)
    """Member -> the table of which it holds a key, or null."""
    identified: Mapping[str, str] = field(default_factory=dict)
    """Member -> the table of which it holds the `id` of a record, or null. That table has a unique
    index `id`."""
    shown_by: str = ""
    """The member by which an order places records that hold the `id` of one of these."""
    text_of: tuple[str, ...] = ()
    """Members of `references`: a search looks through the text of that other record, too."""
    asked: tuple[str, ...] = ()
    """The members that `equal`, `any_of` and `between` of a query can have."""
    orders: tuple[str, ...] = ()
    """The members that an order can have. A reference is ordered by the key in it, an
    `identified` member by what the record is shown by that has this id."""
    weighed: Key | None = None
    """A function from a record to whose it is, by which the bytes of records are summed; None
    where nobody asks for the sum."""
    is_journal: bool = False
    """Whether its records only describe changes, as the audit does. Changes that run at the same
    time may all add some, and their number is counted each time."""


def require_declared(fact: Callable[[str], Table], table: str, query: Query) -> None:
    """ValueError if a query asks a table for what it doesn't declare, on every store alike.

    `fact` is a function from the name of a table to its declaration.
    """
    declared = fact(table)
    members = {*query.equal, *query.any_of, *query.between}
    unknown = members.difference(declared.asked)
    unknown |= {each.member for each in query.order}.difference(declared.orders)
    if query.within is not None and query.within[0] not in declared.groups:
        unknown.add(query.within[0])
    if unknown:
        raise ValueError(
            f"{table} doesn't declare that it is asked for {', '.join(sorted(unknown))}"
        )
    for related in query.related:
        condition = related.condition
        if related.member not in fact(related.table).references:
            raise ValueError(f"{related.table}: {related.member} refers to no table")
        if condition.keys is not None or condition.words or condition.order or condition.size:
            raise ValueError(f"{related.table}: a condition has no keys, words, order and page")
        require_declared(fact, related.table, condition)


def weight(record: Record | None) -> int:
    """The bytes of a record as compact JSON."""
    return 0 if record is None else len(orjson.dumps(record))


class Contents:
    """One table's records by key, and the indexes over them."""

    def __init__(self, fact: Table) -> None:
        self.fact = fact
        self.records: dict[str, Record] = {}
        self.unique: dict[str, dict[Hashable, str]] = {name: {} for name in fact.unique}
        self.groups: dict[Hashable, dict[Hashable, Keys]] = {name: {} for name in fact.groups}
        """Group, or (member,) once that was asked for -> value -> keys."""
        self.places: dict[str, int] = {}
        """Key -> a number that grows along the table."""
        self.weights: dict[Hashable, int] = {}
        """Whose records -> their bytes, as `weighed` of the declaration says."""
        self.version = next(_VERSIONS)
        """A new number after each change, so that the same version means the same records."""
        self._last: deque[tuple[int, str, Record | None]] = deque(maxlen=REMEMBERED)
        self._has_own_places = False
        self._own: set[tuple[int, Hashable]] = set()
        """The indexes and groups that were copied: the id of a dictionary, the name in it."""

    def copy(self) -> "Contents":
        """A copy for changes. It shares each index and group until its first change of that."""
        copy = Contents(self.fact)
        copy.records = dict(self.records)
        copy.unique = dict(self.unique)
        copy.groups = dict(self.groups)
        copy.places = self.places
        copy.weights = dict(self.weights)
        copy.version = self.version
        copy._last = self._last.copy()
        return copy

    def changed_since(self, version: int) -> dict[str, Record | None] | None:
        """{key: record at that time} of records that have changed since a version; None is a new
        one. The whole result is None if too much has changed."""
        changed: dict[str, Record | None] = {}
        known = version == self.version
        for before, key, record in self._last:
            known = known or before == version
            if known:
                changed.setdefault(key, record)
        return changed if known else None

    def holding(self, member: str) -> dict[Hashable, Keys]:
        """Value of a member -> the keys of the records that have it, in table order."""
        if (member,) not in self.groups:
            value_of = self._grouping((member,))
            found: dict[Hashable, Keys] = {}
            for key, record in self.records.items():
                if (value := value_of(record)) is not None:
                    found.setdefault(value, {})[key] = None
            self.groups[member,] = found
        return self.groups[member,]

    def _grouping(self, group: Hashable) -> Key:
        """The function by which a group, or a member that was asked for, has its values."""
        if isinstance(group, tuple):
            return lambda record: (
                value if isinstance(value := record.get(group[0]), SINGLE) else None
            )
        return self.fact.groups[str(group)]

    def load(self, records: dict[str, Record]) -> "Contents":
        """Fill empty contents; StoreDamaged if a record can't be indexed or isn't unique."""
        self.records = records
        self.places = {key: number for number, key in enumerate(records)}
        name = key = ""
        try:
            for name, function in self.fact.unique.items():
                index = self.unique[name]
                for key, record in records.items():
                    value = function(record)
                    if value is not None and index.setdefault(value, key) != key:
                        raise self._damaged(f"its {name} is that of {index[value]!r}, too", key)
            for name, function in self.fact.groups.items():
                groups = self.groups[name]
                for key, record in records.items():
                    if (value := function(record)) is not None:
                        groups.setdefault(value, {})[key] = None
            if self.fact.weighed is not None:
                name = "sum of bytes"
                for key, record in records.items():  # noqa: B007 - the error names the key
                    self._weigh(None, record)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self._damaged(f"what makes its {name} is missing or wrong", key) from None
        return self

    def put(self, key: str, record: Record) -> None:
        """Create or replace a record; ValueError if a unique index has its value already."""
        for name, function in self.fact.unique.items():
            if self.unique[name].get(function(record), key) != key:
                raise ValueError(
                    f"{self.fact.name}: another record has its {name}, maybe another tenant's"
                )
        if key not in self.records:
            self._own_places()[key] = next(reversed(self.places.values()), -1) + 1
        self._index(key, record)
        self._note(key)
        self.records[key] = record

    def remove(self, key: str) -> None:
        """Remove an existing record."""
        self._index(key, None)
        self._note(key)
        del self.records[key], self._own_places()[key]

    def _note(self, key: str) -> None:
        """Remember the record, which is about to change, and take a new version."""
        self._last.append((self.version, key, self.records.get(key)))
        self.version = next(_VERSIONS)

    def _index(self, key: str, after: Record | None) -> None:
        """Update indexes and groups for a record that is about to change; None removes it."""
        before = self.records.get(key)
        self._weigh(before, after)
        for name, old, new in _moves(self.fact.unique.items(), before, after):
            index = self._own_part(self.unique, name)
            if old is not None:
                del index[old]
            if new is not None:
                index[new] = key
        grouping = ((group, self._grouping(group)) for group in self.groups)
        for group, old, new in _moves(grouping, before, after):
            groups = self._own_part(self.groups, group)
            if old is not None:
                del self._own_part(groups, old)[key]
                if not groups[old]:
                    del groups[old]
            if new is not None and before is None:
                self._own_part(groups, new)[key] = None
            elif new is not None:
                # An old record has its place between others, as in the table.
                members = list(groups.get(new, ()))
                insort(members, key, key=self.places.__getitem__)
                groups[new] = dict.fromkeys(members)

    def _weigh(self, before: Record | None, after: Record | None) -> None:
        if self.fact.weighed is not None:
            for record, sign in ((before, -1), (after, 1)):
                if record is not None:
                    owner = self.fact.weighed(record)
                    self.weights[owner] = self.weights.get(owner, 0) + sign * weight(record)

    def _own_places(self) -> dict[str, int]:
        """The places, copied unless they have been."""
        if not self._has_own_places:
            self.places, self._has_own_places = dict(self.places), True
        return self.places

    def _own_part(self, whole: dict[Any, dict[Any, Any]], name: Hashable) -> dict[Any, Any]:
        """An index or a group, copied unless it has been, so that others don't see it change."""
        if name not in whole or (id(whole), name) not in self._own:
            self._own.add((id(whole), name))
            whole[name] = dict(whole.get(name, {}))
        return whole[name]

    def _damaged(self, problem: str, key: str) -> StoreDamaged:
        return StoreDamaged(problem, table=self.fact.name, record=key)


def _moves(
    functions: Iterable[tuple[Any, Key]], before: Record | None, after: Record | None
) -> Iterator[tuple[Any, Any, Any]]:
    """(Name, value before, value after) of each index or group in which a record has moved."""
    for name, function in functions:
        old, new = (None if record is None else function(record) for record in (before, after))
        if old != new:
            yield name, old, new
