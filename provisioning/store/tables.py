"""Tables with their indexes, as readers see them (View) and as a change sees them (Transaction)."""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

import orjson

from provisioning.store.errors import StoreDamaged
from provisioning.store.query import Page, Query, Record, fold, select

Key = Callable[[Record], Hashable | None]
LARGEST_ID = 2**53  # what every JSON reader can hold


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
    """Member -> the table whose document id it holds (or null). Words are sought there, too."""


@dataclass(slots=True)
class Contents:
    """One table's records by document id, and the indexes over them."""

    records: dict[str, Record]
    unique: dict[str, dict[Hashable, str]]
    groups: dict[str, dict[Hashable, dict[str, Record]]]

    @classmethod
    def of(cls, fact: Table, records: dict[str, Record]) -> "Contents":
        """Index records; StoreDamaged where one lacks what an index needs, or isn't unique."""
        contents = cls(records, {n: {} for n in fact.unique}, {n: {} for n in fact.groups})
        for key, record in records.items():
            for name, function in fact.unique.items():
                value = _value(fact, key, name, function, record)
                if value is not None and contents.unique[name].setdefault(value, key) != key:
                    raise StoreDamaged(f"its {name} is not unique", table=fact.name, record=key)
            for name, function in fact.groups.items():
                value = _value(fact, key, name, function, record)
                if value is not None:
                    contents.groups[name].setdefault(value, {})[key] = record
        return contents

    def copy(self) -> "Contents":
        """A copy whose dictionaries may be changed, but for those of single groups."""
        return Contents(
            dict(self.records),
            {name: dict(index) for name, index in self.unique.items()},
            {name: dict(groups) for name, groups in self.groups.items()},
        )


class View:
    """The state of all tables at one moment. It never changes, nor must what it hands out."""

    def __init__(
        self,
        facts: Mapping[str, Table],
        contents: dict[str, Contents],
        ids: dict[str, int],
        texts: dict[int, tuple[Record, str]],
    ) -> None:
        self._facts = facts
        self._contents = contents
        self._ids = ids
        self._texts = texts

    def get(self, table: str, key: str) -> Record | None:
        """The record with this document id."""
        return self._contents[table].records.get(key)

    def find(self, table: str, index: str, value: Hashable) -> Record | None:
        """The record that has this value in a unique index."""
        contents = self._contents[table]
        key = contents.unique[index].get(value)
        return None if key is None else contents.records[key]

    def group(self, table: str, group: str, value: Hashable) -> Collection[Record]:
        """The records that have this value in a group, in table order."""
        return self._contents[table].groups[group].get(value, {}).values()

    def all(self, table: str) -> Collection[Record]:
        """All records of a table, in table order (= creation)."""
        return self._contents[table].records.values()

    def query(self, table: str, query: Query) -> Page:
        """The records that the query asks for, and their number."""
        contents = self._contents[table]
        records = contents.records
        if query.within is not None:
            name, value = query.within
            records = contents.groups[name].get(value, {})
        keys: Collection[str] = records
        if query.keys is not None:
            wanted = set(query.keys)
            keys = [key for key in records if key in wanted]
        if query.by_key:
            keys = sorted(keys)
        if query.order or query.equal or query.any_of or query.words or query.active is not None:
            if len(self._texts) > 2 * sum(len(each.records) for each in self._contents.values()):
                self._texts.clear()
            return select((records[key] for key in keys), query, self._text_of(table))
        place = query.slice()
        return Page([records[key] for key in islice(keys, place.start, place.stop)], len(keys))

    def tables(self) -> dict[str, dict[str, Record]]:
        """Everything, by table and document id."""
        return {name: contents.records for name, contents in self._contents.items()}

    def _text_of(self, table: str) -> Callable[[Record], str]:
        """Gives the folded text of a record of this table, that of its references included."""
        own = self._facts[table].text
        references = [
            (member, self._contents[target].records, self._facts[target].text)
            for member, target in self._facts[table].references.items()
            if self._facts[target].text
        ]

        def text(record: Record) -> str:
            found = self._folded(record, own)
            for member, records, members in references:
                referred = records.get(record.get(member, ""))
                if referred is not None:
                    found += "\n" + self._folded(referred, members)
            return found

        return text

    def _folded(self, record: Record, members: tuple[str, ...]) -> str:
        # Kept by identity beside the views, since most records outlive many of them. Holding the
        # record keeps its id from being used again.
        known = self._texts.get(id(record))
        if known is None:
            values = (record.get(member) for member in members)
            text = "\n".join(fold(value) for value in values if isinstance(value, str))
            known = self._texts[id(record)] = (record, text)
        return known[1]


class Transaction(View):
    """A view that can be changed, and sees its changes. Nothing of it is kept until it commits."""

    def __init__(self, base: View) -> None:
        super().__init__(base._facts, dict(base._contents), dict(base._ids), base._texts)
        self._open = True
        self._touched: dict[str, set[str]] = {}
        self._own_groups: set[tuple[str, str, Hashable]] = set()
        self.changed = False
        """Whether there is anything to commit."""

    def put(self, table: str, key: str, record: Record) -> None:
        """Create or replace a record whole. The store keeps a copy.

        Raises TypeError for what isn't plain JSON, ValueError where a unique index has the value.
        """
        fact = self._facts[table]
        encoded = orjson.dumps({table: {key: record}})
        kept: Record = orjson.loads(encoded)[table][key]
        if kept != record:
            raise TypeError(f"{table}: a record must be plain JSON")
        before = self._contents[table].records.get(key)
        if before is not None and orjson.dumps({table: {key: before}}) == encoded:
            return
        unique = {name: function(kept) for name, function in fact.unique.items()}
        groups = {name: function(kept) for name, function in fact.groups.items()}
        for name, value in unique.items():
            if value is not None and self._contents[table].unique[name].get(value, key) != key:
                raise ValueError(f"{table}: {name} is not unique")
        contents = self._writable(table, key)
        self._unindex(contents, fact, key, before, groups)
        contents.records[key] = kept
        for name, value in unique.items():
            if value is not None:
                contents.unique[name][value] = key
        for name, value in groups.items():
            if value is not None:
                self._join_group(contents, fact, name, value, key, moved=before is not None)
        _count(self._ids, table, key, kept)

    def remove(self, table: str, key: str) -> None:
        """Remove a record. Raises KeyError when there is none."""
        before = self._contents[table].records[key]
        contents = self._writable(table, key)
        self._unindex(contents, self._facts[table], key, before, {})
        del contents.records[key]

    def next_id(self, table: str) -> int:
        """An integer greater than every id that the table ever had, kept with the data."""
        self._check_open()
        self._ids[table] = self._ids.get(table, 0) + 1
        self.changed = True
        return self._ids[table]

    def restore(self, view: View) -> None:
        """Adopt an earlier state whole, the counting of ids too."""
        self._check_open()
        self._contents = dict(view._contents)
        self._ids = dict(view._ids)
        self._touched.clear()
        self._own_groups.clear()
        self.changed = True

    def close(self) -> View:
        """End the changes, and give what they came to."""
        self._open = False
        return View(self._facts, self._contents, self._ids, self._texts)

    def check_references(self) -> None:
        """Raise ValueError where a change leaves a reference to nothing."""
        # What a load would refuse must never be written.
        for table, fact in self._facts.items():
            keys: Iterable[str] = self._touched.get(table, ())
            if any(self._removed_from(target) for target in fact.references.values()):
                keys = self._contents[table].records
            for key, member in dangling(self._facts[table], self._contents, keys):
                raise ValueError(f"{table}: {member} of {key} refers to nothing")

    def _removed_from(self, table: str) -> bool:
        records = self._contents[table].records
        return any(key not in records for key in self._touched.get(table, ()))

    def _check_open(self) -> None:
        if not self._open:
            raise RuntimeError("the transaction has ended")

    def _writable(self, table: str, key: str) -> Contents:
        """The contents of a table, copied when it is first changed."""
        self._check_open()
        if table not in self._touched:
            self._contents[table] = self._contents[table].copy()
        self._touched.setdefault(table, set()).add(key)
        self.changed = True
        return self._contents[table]

    def _unindex(
        self,
        contents: Contents,
        fact: Table,
        key: str,
        before: Record | None,
        groups: Mapping[str, Hashable | None],
    ) -> None:
        """Take a record out of the indexes, but not out of groups that it stays in."""
        if before is None:
            return
        for name, function in fact.unique.items():
            if (value := function(before)) is not None:
                del contents.unique[name][value]
        for name, function in fact.groups.items():
            if (value := function(before)) is not None and value != groups.get(name):
                members = self._own_group(contents, fact, name, value)
                del members[key]
                if not members:
                    del contents.groups[name][value]
                    self._own_groups.discard((fact.name, name, value))

    def _join_group(
        self, contents: Contents, fact: Table, name: str, value: Hashable, key: str, *, moved: bool
    ) -> None:
        members = self._own_group(contents, fact, name, value)
        if moved and key not in members:
            # An old record in a new group belongs between others, as the table has it.
            members = contents.groups[name][value] = {
                each: record
                for each, record in contents.records.items()
                if each in members or each == key
            }
        members[key] = contents.records[key]

    def _own_group(
        self, contents: Contents, fact: Table, name: str, value: Hashable
    ) -> dict[str, Record]:
        """The records of one group, copied when they are first changed."""
        if (fact.name, name, value) not in self._own_groups:
            self._own_groups.add((fact.name, name, value))
            contents.groups[name][value] = dict(contents.groups[name].get(value, {}))
        return contents.groups[name][value]


def load(
    facts: Mapping[str, Table],
    tables: Mapping[str, dict[str, Record]],
    ids: Mapping[str, int],
    known: View,
    check: Callable[[View, str, str], str | None] | None,
) -> View:
    """The view of tables that were read, made of as much of the known one as is still true.

    Every record that isn't known goes through `check`. Raises StoreDamaged.
    """
    contents: dict[str, Contents] = {}
    fresh: dict[str, list[str]] = {}
    for table, fact in facts.items():
        records, before = tables.get(table, {}), known._contents[table]
        # Bytes and not values, since True == 1 and order counts.
        if orjson.dumps(records) == orjson.dumps(before.records):
            contents[table] = before
            continue
        merged = {key: _same(before.records.get(key), record) for key, record in records.items()}
        contents[table] = Contents.of(fact, merged)
        fresh[table] = [
            key for key, record in merged.items() if record is not before.records.get(key)
        ]
    for table, fact in facts.items():
        if table in fresh or not fresh.keys().isdisjoint(fact.references.values()):
            for key, member in dangling(fact, contents, contents[table].records):
                raise StoreDamaged("refers to nothing", table=table, record=key, member=member)
    view = View(facts, contents, dict(ids), known._texts)
    for table, keys in fresh.items():
        for key in keys:
            _count(view._ids, table, key, contents[table].records[key])
            if check is not None and (problem := check(view, table, key)) is not None:
                raise StoreDamaged(problem, table=table, record=key)
    return view


def empty(facts: Mapping[str, Table]) -> View:
    """The view of a store in which there is nothing yet."""
    return View(facts, {name: Contents.of(fact, {}) for name, fact in facts.items()}, {}, {})


def dangling(
    fact: Table, contents: Mapping[str, Contents], keys: Iterable[str]
) -> Iterator[tuple[str, str]]:
    """Document id and member of each reference to nothing, among the records that exist."""
    records = contents[fact.name].records
    for member, target in fact.references.items():
        targets = contents[target].records
        for key in keys:
            if (record := records.get(key)) is not None:
                value = record.get(member)
                if value is not None and not (isinstance(value, str) and value in targets):
                    yield key, member


def _same(known: Record | None, record: Record) -> Record:
    if known is not None and orjson.dumps(known) == orjson.dumps(record):
        return known
    return record


def _count(ids: dict[str, int], table: str, key: str, record: Record) -> None:
    """Keep the last id of a table at or above the number in a record's id, such as key-12."""
    text = str(record.get("id", key)).rpartition("-")[2]
    if text.isascii() and text.isdigit() and ids.get(table, 0) < int(text[:20]) <= LARGEST_ID:
        ids[table] = int(text)


def _value(fact: Table, key: str, name: str, function: Key, record: Record) -> Hashable | None:
    try:
        value = function(record)
        hash(value)
    except (KeyError, TypeError, ValueError, AttributeError):
        # Only what a person wrote can be like this; see the domain's rules for what is missing.
        problem = f"it can't be indexed by its {name}"
        raise StoreDamaged(problem, table=fact.name, record=key) from None
    return value
