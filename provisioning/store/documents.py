"""The documents of a JSON file: records under integer ids, as TinyDB keeps them.

In code a record goes by its key, a text that is made of it. In the file its document has the number
of the record's own id or, where there is none, a number that grows with creation.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from provisioning.store.errors import StoreDamaged
from provisioning.store.ids import LARGEST_ID, number_of
from provisioning.store.layout import Content, Difference, Layout, Tables
from provisioning.store.query import Record
from provisioning.store.tables import Contents, Table
from provisioning.store.views import View

Facts = Mapping[str, Table]
Change = tuple[str, Record | None]
"""A key, and the record after the change; None if it is removed."""
Numbers = Mapping[str, Mapping[str, str]]
"""Table -> key -> document id, of the records that have no number of their own."""


class Documents(NamedTuple):
    """All documents of a file: their bytes, and which of them each record is."""

    facts: Facts
    layout: Layout
    numbers: Numbers

    @classmethod
    def of(cls, facts: Facts, tables: Tables, known: Numbers) -> "Documents":
        """The documents of these tables by key. What was `known` keeps its document id."""
        numbers = {}
        for name, table in tables.items():
            staying = {key: n for key, n in known.get(name, {}).items() if key in table}
            numbers[name] = _numbered(facts[name], table, staying)
        documents = {
            name: {_id(facts[name], key, each, numbers[name]): each for key, each in table.items()}
            for name, table in tables.items()
        }
        return cls(facts, Layout.of(documents), numbers)

    def changed(self, before: View, after: View) -> "Documents":
        """The documents after a change."""
        found = self
        for name, now in after._contents.items():
            if now.version != before._contents[name].version:
                found = found._after(before._contents[name], now)
        return found

    def _after(self, then: Contents, now: Contents) -> "Documents":
        """The documents after changes of one table."""
        fact, changed = now.fact, now.changed_since(then.version)
        table, known = self.layout.tables.get(fact.name), self.numbers.get(fact.name, {})
        if changed is None or table is None:
            return self._anew(now)
        there = sorted(changed.keys() & now.records.keys(), key=now.places.__getitem__)
        new = {key: now.records[key] for key in there}
        old = {k: _id(fact, k, each, known) for k, each in changed.items() if each is not None}
        if not {_own(fact, record) for record in new.values()}.isdisjoint(known.values()):
            # A document has to make room.
            return self._anew(now)
        staying = {key: n for key, n in known.items() if key in new or key not in old}
        numbers = _numbered(fact, new, staying, table.where)
        ids = {key: _id(fact, key, record, numbers) for key, record in new.items()}
        # First what goes or moves, as a record that is renamed keeps its document id.
        place = {key: now.places.get(key) for key in old}
        gone = [n for k, n in old.items() if ids.get(k) != n or place[k] != then.places[k]]
        pieces = [*((n, None) for n in gone), *((ids[k], each) for k, each in new.items())]
        layout = self.layout.changed(fact.name, pieces)
        return self._replace(layout=layout, numbers={**self.numbers, fact.name: numbers})

    def _anew(self, now: Contents) -> "Documents":
        """The documents, with those of one table made anew."""
        made = Documents.of(self.facts, {now.fact.name: now.records}, self.numbers)
        layout = Layout(self.layout.tables | made.layout.tables)
        return self._replace(layout=layout, numbers={**self.numbers, **made.numbers})

    def followed(self, difference: Difference) -> tuple["Documents", dict[str, list[Change]]]:
        """The documents after a change by another process, and what it has put and removed."""
        numbers = {name: dict(table) for name, table in self.numbers.items()}
        changes: dict[str, list[Change]] = {}
        for name, changed in difference.changes.items():
            fact, known = self.facts[name], numbers.setdefault(name, {})
            found = changes[name] = []
            put: list[tuple[str, str, Record]] = []
            for number, before, after in changed:
                old = None if before is None else _key(fact, number, before)
                new = None if after is None else _key(fact, number, after)
                if old is not None and old != new:
                    found.append((old, None))
                    known.pop(old, None)
                if new is not None:
                    put.append((new, number, after))
            # At last, as another document may have had the key before.
            for key, number, record in put:
                found.append((key, record))
                if fact.key is not None and _own(fact, record) is None:
                    known[key] = number
        return Documents(self.facts, difference.layout, numbers), changes

    def naming(self, damaged: StoreDamaged, tables: Tables) -> StoreDamaged:
        """The same damage, with the document of the record in its place."""
        name, key = str(damaged.place.get("table")), str(damaged.place.get("record"))
        record, fact = tables.get(name, {}).get(key), self.facts.get(name)
        if record is None or fact is None or fact.key is None:
            return damaged
        number = _id(fact, key, record, self.numbers[name])
        return StoreDamaged(damaged.problem, **damaged.place, document=number)


def documents_of(facts: Facts, content: Content) -> tuple[Tables, Documents]:
    """The tables by key of a file's content, and its documents.

    What a person has written is completed, and StoreDamaged says what no record can be made of.
    """
    tables: Tables = {}
    numbers: dict[str, dict[str, str]] = {}
    for name, documents in content.tables.items():
        fact = facts.get(name)
        if fact is None:
            continue
        table: dict[str, Record] = {}
        tables[name] = table
        numbers[name] = {}
        for number, document in documents.items():
            record = document if content.is_own else _completed(fact, number, document)
            key = _key(fact, number, record)
            if key in table:
                other = _id(fact, key, table[key], numbers[name])
                raise _damaged(fact, number, f"it is the same record as document {other}")
            table[key] = record
            if fact.key is not None and _own(fact, record) is None:
                numbers[name][key] = number
    if content.is_own and content.layout is not None:
        return tables, Documents(facts, content.layout, numbers)
    return tables, Documents.of(facts, tables, numbers)


def _completed(fact: Table, number: str, document: Record) -> Record:
    """A record of a document that a person may have written."""
    if fact.key is None:
        return document
    if not (number.isascii() and number.isdigit() and str(int(number[:20])) == number != "0"):
        raise _damaged(fact, number, "a document id is an integer, 1 or more")
    if int(number) > LARGEST_ID:
        raise _damaged(fact, number, f"a document id is at most {LARGEST_ID}")
    record = document
    if fact.numbered is not None and "id" not in document:
        record = {"id": _identity(fact, int(number)), **document}
    if absent := [member for member in fact.nullable if member not in record]:
        record = {**record, **dict.fromkeys(absent)}
    if (own := _own(fact, record)) not in (None, number):
        raise _damaged(
            fact, number, f"its id is {record['id']!r}, so its document id must be {own}"
        )
    return record


def _key(fact: Table, number: str, record: Record) -> str:
    if fact.key is None:
        return number
    try:
        return fact.key(record)
    except KeyError as missing:
        raise _damaged(fact, number, f"{missing.args[0]}: Is missing.") from None
    except (TypeError, ValueError, AttributeError):
        raise _damaged(fact, number, "what makes its key is of a wrong type") from None


def _id(fact: Table, key: str, record: Record, numbers: Mapping[str, str]) -> str:
    """The document id of a record."""
    return key if fact.key is None else _own(fact, record) or numbers[key]


def _own(fact: Table, record: Record) -> str | None:
    """The number of a record's own id as a document id."""
    identity = record.get("id")
    if fact.numbered is None or isinstance(identity, bool) or not isinstance(identity, int | str):
        return None
    number = number_of(identity)
    is_it = 0 < number <= LARGEST_ID and _identity(fact, number) == identity
    return str(number) if is_it else None


def _identity(fact: Table, number: int) -> int | str:
    return number if fact.numbered == "{}" else str(fact.numbered).format(number)


def _numbered(
    fact: Table,
    records: Mapping[str, Record],
    known: Mapping[str, str],
    taken: Iterable[str] = (),
) -> dict[str, str]:
    """`known` with the numbers of these records that have none of their own."""
    own = {key: number for key, each in records.items() if (number := _own(fact, each))}
    used = set(own.values())
    numbers = {key: number for key, number in known.items() if number not in used}
    new = [key for key in records if key not in own and key not in numbers]
    if fact.key is not None and new:
        last = max(map(int, (*taken, *used, *numbers.values())), default=0)
        numbers |= {key: str(last + place) for place, key in enumerate(new, 1)}
    return numbers


def _damaged(fact: Table, number: str, problem: str) -> StoreDamaged:
    return StoreDamaged(problem, table=fact.name, document=number)
