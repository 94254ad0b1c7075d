"""One table: what is declared about it, its records, and the indexes over them."""

from collections import deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from itertools import count

from provisioning.store.errors import StoreDamaged
from provisioning.store.query import Record

Key = Callable[[Record], Hashable | None]
REMEMBERED = 100
"""How many of its last changes a table remembers."""
_VERSIONS = count(1)


@dataclass(frozen=True)
class Table:
    """The facts about one table."""

    name: str
    unique: Mapping[str, Key] = field(default_factory=dict)
    """Further unique indexes: name -> the value of a record; None keeps a record out of it."""
    groups: Mapping[str, Key] = field(default_factory=dict)
    """Name -> the value of a record; the records of one value can be walked on their own."""
    text: tuple[str, ...] = ()
    """The members that words are sought in."""
    references: Mapping[str, str] = field(default_factory=dict)
    """Member -> the table whose document id it holds (or null)."""
    text_of: tuple[str, ...] = ()
    """The references whose records' text counts as this record's, too."""
    asked: tuple[str, ...] = ()
    """The members that `equal`, `any_of` and `between` of a query may name."""
    orders: tuple[str, ...] = ()
    """The members that an order may name; a reference orders by the document id that it holds."""


class Contents:
    """One table's records by document id, and the indexes over them."""

    def __init__(self, fact: Table) -> None:
        self.fact = fact
        self.records: dict[str, Record] = {}
        self.unique: dict[str, dict[Hashable, str]] = {name: {} for name in fact.unique}
        self.groups: dict[str, dict[Hashable, dict[str, Record]]] = {n: {} for n in fact.groups}
        self.version = next(_VERSIONS)
        """A number that no other records have: what was worked out from these is true for it."""
        self._last: deque[tuple[int, str, Record | None]] = deque(maxlen=REMEMBERED)
        self._own_groups: set[tuple[str, Hashable]] = set()

    def copy(self) -> "Contents":
        """A copy that may be changed; single groups are copied when they are first changed."""
        copy = Contents(self.fact)
        copy.records = dict(self.records)
        copy.unique = {name: dict(index) for name, index in self.unique.items()}
        copy.groups = {name: dict(groups) for name, groups in self.groups.items()}
        copy.version = self.version
        copy._last = self._last.copy()
        return copy

    def changed_since(self, version: int) -> dict[str, Record | None] | None:
        """The records that have changed since an earlier version, as they were then.

        New ones are None, and come in the order in which they stand at the end of the table. The
        answer is None where too much has happened, or a record has got another place.
        """
        changed: dict[str, Record | None] = {}
        known = version == self.version
        for before, key, record in self._last:
            known = known or before == version
            if known:
                if record is None and key in changed:
                    return None
                changed.setdefault(key, record)
        return changed if known else None

    def load(self, records: dict[str, Record]) -> "Contents":
        """Fill empty contents; StoreDamaged where a record can't be indexed or isn't unique."""
        self.records = records
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
                    value = function(record)
                    if value is not None:
                        groups.setdefault(value, {})[key] = record
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self._damaged(f"what makes its {name} is missing or wrong", key) from None
        return self

    def put(self, key: str, record: Record) -> None:
        """Create or replace; ValueError, and no change, where a unique index has the value."""
        unique = {name: function(record) for name, function in self.fact.unique.items()}
        groups = {name: function(record) for name, function in self.fact.groups.items()}
        for name, value in unique.items():
            if self.unique[name].get(value, key) != key:
                raise ValueError(f"{self.fact.name}: {name} is not unique")
        old = key in self.records
        if old:
            self._unindex(key, groups)
        self._note(key)
        self.records[key] = record
        for name, value in unique.items():
            if value is not None:
                self.unique[name][value] = key
        for name, value in groups.items():
            if value is not None:
                members = self._own_group(name, value)
                if old and key not in members:
                    # It belongs between others, where the table has it.
                    inside = {*members, key}
                    members = {k: r for k, r in self.records.items() if k in inside}
                    self.groups[name][value] = members
                members[key] = record

    def remove(self, key: str) -> None:
        """Remove a record that is there."""
        self._unindex(key, {})
        self._note(key)
        del self.records[key]

    def _note(self, key: str) -> None:
        """Remember that this record is about to change."""
        self._last.append((self.version, key, self.records.get(key)))
        self.version = next(_VERSIONS)

    def _unindex(self, key: str, staying: Mapping[str, Hashable]) -> None:
        """Take a record out of its indexes, but not out of the groups that it stays in."""
        record = self.records[key]
        for name, function in self.fact.unique.items():
            self.unique[name].pop(function(record), None)
        for name, function in self.fact.groups.items():
            value = function(record)
            if value is not None and value != staying.get(name):
                del self._own_group(name, value)[key]

    def _own_group(self, name: str, value: Hashable) -> dict[str, Record]:
        groups = self.groups[name]
        if (name, value) not in self._own_groups:
            self._own_groups.add((name, value))
            groups[value] = dict(groups.get(value, {}))
        return groups[value]

    def _damaged(self, problem: str, key: str) -> StoreDamaged:
        return StoreDamaged(problem, table=self.fact.name, record=key)
