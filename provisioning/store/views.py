"""All tables at one moment: View for readers, Transaction for changes."""

from collections.abc import Callable, Collection, Container, Hashable, Iterable, Iterator, Mapping
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
from provisioning.store.layout import Touched
from provisioning.store.query import Line, Lookup, Page, Query, Record
from provisioning.store.tables import Contents, Table, require_declared

MOST_KEPT = 20_000
"""How many results of `View.kept` one view keeps."""
MOST_PAGES = 100
"""How many pages of queries one view keeps."""

Kept = TypeVar("Kept")
RecordId = tuple[str, str]
"""(Table, key) of one record."""


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
        self._restored = False
        """Whether `restore` was called, so that any record may have changed."""
        self._moved: set[str] = set()
        """The tables in which a removed record was put again, so that it has another place."""

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
        if before is None and (table, key) in self._before:
            self._moved.add(table)
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
        found = []
        for (table, key), before in self._before.items():
            after = self.get(table, key)
            if after is not before:
                found.append(Change(table, key, before, after))
        return found

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
        self._restored = True

    def touched(self) -> dict[str, list[str]]:
        """Table -> keys of records that were put or removed, in order of first touch."""
        touched: dict[str, list[str]] = {}
        for table, key in self._before:
            touched.setdefault(table, []).append(key)
        return touched

    def to_lay_out(self) -> Touched | None:
        """The records whose bytes have to be made anew; None if all of them have to be."""
        if self._restored:
            return None
        return {
            name: None if name in self._moved else keys for name, keys in self.touched().items()
        }

    def check_references(self) -> None:
        """ValueError if a change leaves a reference to nothing, which no load would accept."""
        touched = self.touched()
        for table, keys in touched.items():
            for _, member in _leading_nowhere(self._contents, table, keys):
                raise ValueError(f"{table}: {member} refers to nothing")
        for table, keys in touched.items():
            self._require_unnamed(table, keys)

    def _require_unnamed(self, table: str, keys: Iterable[str]) -> None:
        """ValueError if a record refers to one of these that has been removed."""
        there = self._contents[table]
        lost = {key: self._before[table, key] for key in keys if key not in there.records}
        if not lost:
            return
        ids = there.unique.get("id", {})
        before = (record.get("id") for record in lost.values() if record is not None)
        lost_ids = {number for number in before if number is not None and number not in ids}
        for name, each in self._contents.items():
            naming: dict[str, Collection[Any]] = {
                m: lost.keys() for m, target in each.fact.references.items() if target == table
            }
            naming |= {m: lost_ids for m, target in each.fact.identified.items() if target == table}
            for member, values in naming.items():
                if values and self._is_held(name, member, values):
                    raise ValueError(f"{name}: {member} refers to nothing")

    def _is_held(self, table: str, member: str, values: Collection[Any]) -> bool:
        """Whether a record of the table has one of these values in a member."""
        if member in self._fact(table).asked:
            held = Query(any_of={member: frozenset(values)}, size=1)
            return self.query(table, held).total > 0
        records = self._contents[table].records.values()
        return any(record.get(member) in values for record in records)

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
    """The view of tables that were read. It takes over from the known view what is the same.

    `check` is called for every record that the known view lacks. Raises StoreDamaged.
    """
    contents = dict(known._contents)
    touched: dict[str, set[str]] = {}
    for table, before in known._contents.items():
        records = tables.get(table, {})
        encoded = orjson.dumps(records)
        if encoded == orjson.dumps(before.records):
            continue
        same = {k: r if (old := before.records.get(k)) != r else old for k, r in records.items()}
        # The bytes are compared, too, since True == 1 == 1.0.
        contents[table] = Contents(before.fact).load(
            same if orjson.dumps(same) == encoded else records
        )
        touched[table] = {
            key
            for key in {**before.records, **records}
            if contents[table].records.get(key) is not before.records.get(key)
        }
    for table, key, member in dangling(contents, touched):
        raise StoreDamaged("it refers to nothing", table=table, record=key, member=member)
    # A copy of a moment ago sets no counter back: what it counts has been given since.
    given = mended(known._ids)
    counted = {name: max(ids.get(name, 0), given.get(name, 0)) for name in {**ids, **given}}
    view = View(contents, counted, known._answers)
    for table, keys in touched.items():
        for key in sorted(keys & contents[table].records.keys()):
            if check is not None and (problem := check(view, table, key)) is not None:
                raise StoreDamaged(problem, table=table, record=key)
    for table, each in contents.items():
        for key in touched.get(table, ()):
            count_on(view._ids, table, key, each.records.get(key, {}))
    return view


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


def dangling(
    contents: Mapping[str, Contents], touched: Mapping[str, Collection[str]]
) -> Iterator[tuple[str, str, str]]:
    """(Table, key, member) of each reference to nothing that a change has made.

    `touched` is {table: keys} of records that were put or removed.
    """
    lost = {
        table
        for table, keys in touched.items()
        if any(key not in contents[table].records for key in keys)
    }
    for table, each in contents.items():
        targets = {*each.fact.references.values(), *each.fact.identified.values()}
        keys = touched.get(table, ()) if lost.isdisjoint(targets) else each.records
        for key, member in _leading_nowhere(contents, table, keys):
            yield table, key, member


def _leading_nowhere(
    contents: Mapping[str, Contents], table: str, keys: Iterable[str]
) -> Iterator[tuple[str, str]]:
    """(Document id, member) of each reference to nothing in these records of a table."""
    each = contents[table]
    known: dict[str, tuple[type, Container[Any]]] = {
        member: (str, contents[target].records) for member, target in each.fact.references.items()
    }
    known |= {
        member: (int, contents[target].unique["id"])
        for member, target in each.fact.identified.items()
    }
    for key in keys:
        record = each.records.get(key, {})
        for member, (kind, there) in known.items():
            value = record.get(member)
            if value is not None and not (type(value) is kind and value in there):
                yield key, member
