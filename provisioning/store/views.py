"""All tables at one moment: View for readers, Transaction for changes."""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import orjson

from provisioning.store.answers import Answers
from provisioning.store.errors import StoreDamaged
from provisioning.store.ids import (
    LARGEST_BROUGHT,
    count_on,
    counted_on,
    mended,
    next_after,
    require_readable_id,
)
from provisioning.store.query import Line, Lookup, Page, Query, Record
from provisioning.store.tables import Contents, Table, require_declared

MOST_KEPT = 20_000
"""How many results of `View.kept` one view keeps."""
MOST_PAGES = 100
"""How many pages of queries one view keeps."""

Kept = TypeVar("Kept")
RecordId = tuple[str, str]
"""(Table, key) of one record."""
Before = dict[str, dict[str, Record | None]]
"""Table -> {key: record before} of records that were put or removed; None for a new record."""


class View:
    """The state of all tables at one moment. It never changes; don't change its records either."""

    _keeps_answers = True

    def __init__(
        self,
        contents: dict[str, Contents],
        ids: dict[str, int],
        answers: Answers,
    ) -> None:
        self._contents = contents
        self._ids = ids
        self._answers = answers
        self._kept: dict[Hashable, Any] = {}
        self._pages: dict[tuple[str, Query], Page] = {}

    def get(self, table: str, key: str) -> Record | None:
        """The record with this key."""
        return self._contents[table].records.get(key)

    def find(self, table: str, index: str, value: Hashable) -> Record | None:
        """The record that has this value in a unique index."""
        contents = self._contents[table]
        key = contents.unique[index].get(value)
        return None if key is None else contents.records[key]

    def group(self, table: str, group: str, value: Hashable) -> Collection[Record]:
        """The records that have this value in a group, in table order."""
        contents = self._contents[table]
        return [contents.records[key] for key in contents.groups[group].get(value, ())]

    def expect(self, lookups: Iterable[Lookup]) -> None:
        """Say what will soon be asked for, so that a database can look for all of it at once.

        Nothing follows from it where it isn't asked for, and none of it has to be there.
        """

    def reached(
        self,
        line: Line,
        tenant: str,
        start: str,
        at: str,
        upwards: bool,
        step: Callable[[str], Collection[str]],
    ) -> set[str]:
        """The keys to which active records of a tenant lead from one key, over any number of steps.

        `step` answers the same for one step. A store that can answer for all of them at once
        doesn't ask it.
        """
        found: set[str] = set()
        waiting = [start]
        while waiting:
            new = set(step(waiting.pop())) - found
            found |= new
            waiting.extend(new)
        return found

    def all(self, table: str) -> Collection[Record]:
        """All records of a table, in table order (= creation)."""
        return self._contents[table].records.values()

    def query(self, table: str, query: Query) -> Page:
        """The page of records that a query asks for, and how many there are on all pages.

        ValueError if the table doesn't declare that it can be asked for that.
        """
        name, instants = (table, query), query.instants()
        page = self._pages.get(name)
        if page is None or not page.begin <= min(instants, default="") < page.end:
            require_declared(self._fact, table, query)
            page = self._answers.page(self._contents, table, query, keep=self._keeps_answers)
            if self._keeps_answers and len(instants) <= 1:
                if len(self._pages) >= MOST_PAGES:
                    self._pages.clear()
                self._pages[name] = page
        return page

    def kept(self, name: Hashable, work_out: Callable[[], Kept]) -> Kept:
        """The result of `work_out`, which is called once and kept for as long as the view exists.

        The result must follow from this view alone, must not be None, and nobody may change it.
        `name` is unique to it. A transaction, and a view of a database, call `work_out` each time.
        """
        if not self._keeps_answers:
            return work_out()
        found: Kept | None = self._kept.get(name)
        if found is None:
            found = work_out()
            if len(self._kept) < MOST_KEPT:
                self._kept[name] = found
        return found

    def _fact(self, table: str) -> Table:
        return self._contents[table].fact

    def count(self, table: str) -> int:
        """How many records a table has."""
        return len(self._contents[table].records)

    def weight_of(self, owner: str) -> int:
        """The bytes, as compact JSON, of all records that `weighed` of their tables calls theirs.

        The number is kept with the records, so that asking for it costs the same however many
        there are.
        """
        return sum(contents.weights.get(owner, 0) for contents in self._contents.values())

    def time(self) -> datetime:
        """The time now, by the clock that all servers of this store share."""
        return datetime.now(UTC)

    def freeze(self) -> "View":
        """A view in memory of all records as they are now; TooManyRecords if they are too many."""
        return self

    def tables(self) -> dict[str, dict[str, Record]]:
        """{table: {key: record}} of all records."""
        return {name: contents.records for name, contents in self._contents.items()}

    def documents(self, table: str) -> Iterator[tuple[str, Record]]:
        """All records of a table with their keys, in table order."""
        yield from self._contents[table].records.items()

    def ids(self) -> dict[str, int]:
        """Table or other counter -> the last number that it has given."""
        return dict(self._ids)

    def counting_from(self, ids: Mapping[str, int]) -> "View":
        """A view of the same records whose ids of tables count on from these at least.

        Counters within a tenant, as the audit has, stay as they are. One that a mistake has driven
        above what may be brought is mended, in this view as in `ids`.
        """
        counters = dict(self._ids)
        for name in (self._ids.keys() | ids.keys()) & self._contents.keys():
            own, other = self._ids.get(name, 0), ids.get(name, 0)
            if max(own, other) > LARGEST_BROUGHT:
                brought: dict[str, int] = {}
                for key, record in self._contents[name].records.items():
                    count_on(brought, name, key, record)
                own, other = (counted_on(each, brought.get(name, 0)) for each in (own, other))
            counters[name] = max(own, other)
        return View(self._contents, counters, self._answers)


@dataclass(frozen=True)
class Change:
    """One record before and after a transaction; None if there was, or is, no record."""

    table: str
    key: str
    before: Record | None
    after: Record | None


class Transaction(View):
    """A view that can be changed and sees its own changes. Others see them after the commit."""

    _keeps_answers = False
    _turns: frozenset[str] | None = None
    """The tenants whose turns it has; None if it has those of all."""

    def __init__(self, base: View, only: RecordId | None = None) -> None:
        super().__init__(dict(base._contents), dict(base._ids), base._answers)
        self._base = base
        self._only = only
        self._open = True
        self._before: dict[RecordId, Record | None] = {}
        """The records that were put or removed, as they were, in the order of first touch."""
        self._own: set[str] = set()
        """The tables that have been copied for changes."""
        self.changed = False
        """Whether there is anything to commit."""

    def has_turn_of(self, tenant: str) -> bool:
        """Whether no other transaction changes this tenant's records at the same time."""
        return self._turns is None or tenant in self._turns

    def put(self, table: str, key: str, record: Record, is_new: bool = False) -> None:
        """Create a record, or replace it as a whole. The store keeps a copy.

        `is_new`: the record can't exist yet, as `next_id` has just given its id. Raises TypeError
        for values that aren't plain JSON, and ValueError if a unique index has its value already,
        or if its id is larger than LARGEST_ID.
        """
        encoded = orjson.dumps({table: {key: record}})
        kept: Record = orjson.loads(encoded)[table][key]
        if kept != record:
            raise TypeError(f"{table}: a record must be plain JSON")
        before = self.get(table, key)
        require_readable_id(table, before, kept)
        if before is None or orjson.dumps({table: {key: before}}) != encoded:
            self._writable(table, key).put(key, kept)
            count_on(self._ids, table, key, kept)

    def remove(self, table: str, key: str) -> None:
        """Remove a record; KeyError if there is none."""
        if self.get(table, key) is None:
            raise KeyError(key)
        self._writable(table, key).remove(key)

    def changes(self) -> list[Change]:
        """The changes of all records that were put or removed, in the order of first touch."""
        touched = self._before.items()
        found = [Change(*place, before, self.get(*place)) for place, before in touched]
        return [change for change in found if change.after is not change.before]

    def all(self, table: str) -> Collection[Record]:
        """All records of a table as they are now; later changes don't disturb a loop over them."""
        return tuple(super().all(table))

    def growth_of(self, owner: str) -> int:
        """By how much this transaction has changed `weight_of`."""
        return self.weight_of(owner) - self._base.weight_of(owner)

    def next_id(self, table: str) -> int:
        """An integer greater than every id that the table ever had, kept with the data."""
        self._change()
        self._ids[table] = next_after(self._ids.get(table, 0))
        return self._ids[table]

    def freeze(self) -> View:
        """A view in memory of all records as they are now, without changes that follow."""
        # What changes from now on is copied again.
        self._own.clear()
        return View(dict(self._contents), dict(self._ids), self._answers)

    def restore(self, view: View) -> None:
        """Go back to an earlier state: of all records, and of the counters of ids."""
        self._change()
        self._contents = dict(view._contents)
        self._ids = dict(view._ids)
        self._own.clear()
        self._before.clear()

    def check_references(self) -> None:
        """ValueError if a change leaves a reference to nothing, which no load would accept."""
        before: Before = {}
        for (table, key), record in self._before.items():
            before.setdefault(table, {})[key] = record
        for table, _, member in dangling(self._contents, before):
            raise ValueError(f"{table}: {member} refers to nothing")

    def _ended(self) -> View:
        """End the transaction, and return a view of its state."""
        self._open = False
        return View(self._contents, self._ids, self._answers)

    def _require_only(self, table: str, key: str) -> None:
        """RuntimeError for another record than `only`, whose changes run beside others."""
        if self._only not in (None, (table, key)) and not self._fact(table).is_journal:
            raise RuntimeError(f"{table}: this transaction changes one record only")

    def _writable(self, table: str, key: str) -> Contents:
        """The contents of a table for a change of this record; the first change copies them."""
        self._require_only(table, key)
        self._change()
        if table not in self._own:
            self._own.add(table)
            self._contents[table] = self._contents[table].copy()
        self._before.setdefault((table, key), self.get(table, key))
        return self._contents[table]

    def _change(self) -> None:
        if not self._open:
            raise RuntimeError("the transaction has ended")
        self.changed = True


def empty(facts: Iterable[Table]) -> View:
    """The view of an empty store."""
    contents = {fact.name: Contents(fact) for fact in facts}
    return View(contents, {}, Answers())


def load(
    tables: Mapping[str, dict[str, Record]],
    ids: Mapping[str, int],
    known: View,
    check: Callable[[View, str, str], str | None] | None,
) -> View:
    """The view of tables that somebody may have edited. It takes over from the known view what is
    the same.

    `check` is called for every record that the known view lacks. Raises StoreDamaged.
    """
    before: Before = {}
    taken: dict[str, dict[str, Record]] = {}
    for table, old in known.tables().items():
        records = tables.get(table, {})
        taken[table] = {key: _known(old.get(key), record) for key, record in records.items()}
        changed = [k for k in {**old, **records} if taken[table].get(k) is not old.get(k)]
        before[table] = {key: old.get(key) for key in changed}
    # A copy of a moment ago sets no counter back: what it counts has been given since.
    given = mended(known._ids)
    counted = {name: max(ids.get(name, 0), given.get(name, 0)) for name in {**ids, **given}}
    view = load_own(taken, counted, known)
    for table, key, member in dangling(view._contents, before):
        raise StoreDamaged("it refers to nothing", table=table, record=key, member=member)
    for table, keys in before.items():
        for key in sorted(keys & taken[table].keys()):
            if check is not None and (problem := check(view, table, key)) is not None:
                raise StoreDamaged(problem, table=table, record=key)
    for table, keys in before.items():
        for key in keys:
            count_on(view._ids, table, key, taken[table].get(key, {}))
    return view


def _known(known: Record | None, record: Record) -> Record:
    """The known record if that is the same, also in its bytes: True == 1 == 1.0."""
    is_same = known == record and orjson.dumps(known) == orjson.dumps(record)
    return known if known is not None and is_same else record


def load_own(tables: Mapping[str, dict[str, Record]], ids: Mapping[str, int], known: View) -> View:
    """The view of tables that a store wrote as they are, so that no record has to be checked."""
    contents = {
        table: Contents(before.fact).load(tables.get(table, {}))
        for table, before in known._contents.items()
    }
    return View(contents, dict(ids), known._answers)


def follow(
    changes: Mapping[str, Iterable[tuple[str, Record | None]]], ids: Mapping[str, int], known: View
) -> View:
    """The known view after changes that another process has committed.

    Raises ValueError if records have exchanged a unique value.
    """
    contents = dict(known._contents)
    for table, changed in changes.items():
        contents[table] = contents[table].copy()
        for key, record in changed:
            if record is None:
                contents[table].remove(key)
            else:
                contents[table].put(key, record)
    return View(contents, dict(ids), known._answers)


def dangling(contents: Mapping[str, Contents], before: Before) -> Iterator[tuple[str, str, str]]:
    """(Table, key, member) of each reference to nothing that a change has made.

    `before` has the records that were put or removed, as they were.
    """
    for table, changed in before.items():
        there = contents[table]
        for key in changed:
            for member in _leading_nowhere(contents, there.fact, there.records.get(key, {})):
                yield table, key, member
        lost = {key: record for key, record in changed.items() if key not in there.records}
        ids = {record.get("id") for record in lost.values() if record is not None}
        values = {str: lost.keys(), int: ids.difference(there.unique.get("id", ()))}
        for other in contents.values() if lost else ():
            for member, target, kind in _references(other.fact):
                for value in values[kind] if target == table else ():
                    for key in other.holding(member).get(value, ()):
                        yield other.fact.name, key, member


def _references(fact: Table) -> list[tuple[str, str, type]]:
    """(Member, table, type) of each reference: a text is the key of a record, an integer its id."""
    by_id = [(member, table, int) for member, table in fact.identified.items()]
    return [*((member, table, str) for member, table in fact.references.items()), *by_id]


def _leading_nowhere(
    contents: Mapping[str, Contents], fact: Table, record: Record
) -> Iterator[str]:
    """The members of a record that refer to nothing."""
    for member, target, kind in _references(fact):
        there = contents[target].records if kind is str else contents[target].unique["id"]
        value = record.get(member)
        if value is not None and not (type(value) is kind and value in there):
            yield member
