"""What readers see of the tables in a database, and what a change sees of them."""

import json
import secrets
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, cast

import orjson

from provisioning.store.errors import Collision, TooManyRecords, TooManyToSort
from provisioning.store.ids import count_on, next_after, require_readable_id
from provisioning.store.query import Led, Line, Lookup, Page, Query, Record
from provisioning.store.sql.columns import group_key, original, plain
from provisioning.store.sql.database import (
    Begun,
    Database,
    Parameters,
    Rows,
    Statement,
)
from provisioning.store.sql.layout import TENANT
from provisioning.store.sql.pool import Connection
from provisioning.store.sql.questions import (
    Asked,
    Found,
    Part,
    Questions,
    Search,
    asked,
)
from provisioning.store.sql.totals import Total, Totals, about
from provisioning.store.tables import Table, require_declared, weight
from provisioning.store.views import Change, RecordId, Transaction, View, empty, load

LARGEST_OFFSET = 2**62
ALL_TABLES = ""
BATCH = 1_000
"""Records that are read or written at once where all of a table are."""
REVISION_BITS = 62
MOST_REPEATED = 20
"""Of the values that a view has looked for in a column, so many does a transaction look for."""
GONE_MEANWHILE = "What the change names was changed meanwhile. Try again."
MOST_SORTED = 200_000
"""So many records are sorted for one answer; more only in an order that an index has."""
UNKNOWN = -1
"""A revision that no table has."""
MOST_FROZEN = 100_000
"""Records of which a copy may be kept in memory."""


class SqlView(View):
    """All tables at one moment: that of the first question. It can be asked until it is closed."""

    _keeps_answers = False

    def __init__(
        self, database: Database, questions: Questions, totals: Totals | None = None
    ) -> None:
        self._database = database
        self._questions = questions
        self._totals = totals
        self._layouts = database.layouts
        self._connection: Connection | None = None
        self._time: datetime | None = None
        self._is_open = True
        self._expected: dict[Part, dict[str, None]] = {}
        """What is looked for with the first of it that is asked for."""
        self._found: Found = defaultdict(dict)
        self._listed: dict[str, None] = {}
        """The keys of the last page."""

    # Questions

    def get(self, table: str, key: str) -> Record | None:
        """The record with this key."""
        return next(iter(self._having(table, "key", plain(key))), None)

    def find(self, table: str, index: str, value: Hashable) -> Record | None:
        """The record that has this value in a unique index."""
        if value is None:
            return None
        return next(iter(self._having(table, f"u_{index}", group_key(value))), None)

    def group(self, table: str, group: str, value: Hashable) -> Collection[Record]:
        """The records that have this value in a group, in table order."""
        column, key = f"g_{group}", group_key(value)
        is_known = key in self._found[table, column]
        if not is_known and isinstance(value, tuple) and value[-1] in self._listed:
            # Whoever asks for what one record of a page has will ask for the others', too.
            self.expect([Lookup(table, [(*value[:-1], each) for each in self._listed], group)])
        return self._having(table, column, key)

    def expect(self, lookups: Iterable[Lookup]) -> None:
        """As in View: all of it is looked for with the first of it that is asked for."""
        for lookup in lookups:
            part, values = self._part(lookup)
            self._expected.setdefault(part, {}).update(dict.fromkeys(values))

    @property
    def awaited(self) -> dict[Part, dict[str, None]]:
        """What a transaction after this view will be asked for: what this one was, and expects."""
        wanted: dict[Part, dict[str, None]] = defaultdict(dict)
        for each, known in self._found.items():
            wanted[Part(*each)] |= dict.fromkeys([*known][:MOST_REPEATED])
        for part, expected in self._expected.items():
            wanted[part] |= dict.fromkeys([*expected][:MOST_REPEATED])
        return wanted

    def _part(self, lookup: Lookup) -> tuple[Part, list[str]]:
        table, values, by = lookup
        kind = "u" if by in self._fact(table).unique else "g"
        column = "key" if by is None else f"{kind}_{by}"
        if not isinstance(values, Led):
            key_of: Callable[[Any], str] = plain if by is None else group_key
            return Part(table, column), [key_of(each) for each in values]
        start, begun = self._part(values.start)
        kind = "r" if by is None else "a" if kind == "u" else "g"
        return Part(table, column, (start.table, start.column, f"{kind}_{values.name}")), begun

    def _having(self, table: str, column: str, value: str) -> list[Record]:
        found = self._found[table, column]
        if value not in found:
            wanted: dict[Part, Collection[str]] = {Part(table, column): [value]}
            if value in self._expected.get(Part(table, column), ()):
                for part, values in self._expected.items():
                    known = self._found[part[:2]] if part.start is None else ()
                    wanted[part] = [each for each in values if each not in known]
                self._expected = {}
            search = Search(wanted)
            self.keep(search, self._rows(*self._questions.searching(search)))
        return found[value]

    def keep(self, search: Search, rows: Rows) -> None:
        """Note what the statement of a search has answered."""
        search.keep(rows, self._found)

    def reached(
        self,
        line: Line,
        tenant: str,
        start: str,
        at: str,
        upwards: bool,
        step: Callable[[str], Collection[str]],
    ) -> set[str]:
        """As in View, by one statement."""
        parameters = {"tenant": group_key(tenant), "start": plain(start), "at": at}
        rows = self._rows(self._questions.reached(line, upwards), parameters)
        return {original(key) for (key,) in rows}

    def all(self, table: str) -> Collection[Record]:
        """All records of a table, in table order (= creation)."""
        rows = self._rows(self._questions.page(table, (), (), False, False, True), {})
        return [orjson.loads(record) for _, record in rows]

    def query(self, table: str, query: Query) -> Page:
        """The records that the query asks for, and their number."""
        require_declared(self._fact, table, query)
        question = asked(self._layouts, table, query)
        self._require_sortable(table, query, question)
        order = tuple((each.member, each.descending) for each in query.order)
        parameters = self._database.parameters(question.values)
        total: int | None = None
        walk = True
        # Where words or keys narrow it, there is little to look at anyhow.
        is_wide = not query.words and query.keys is None
        named = is_wide and any(not each.negated for each in query.related)
        if named and self._database.plans_by_totals:
            _, total = self._with_total(table, question, walk=False)
            last = total if query.size is None else (query.page + 1) * query.size
            walk = self._database.prefers_walk(total, self._size(table), min(last, total))
        statement = self._questions.page(
            table, question.conditions, order, query.by_key, query.size is not None, walk
        )
        if query.size is None:
            records = self._paged(table, self._rows(statement, parameters))
            return Page(records, len(records))
        offset = query.page * query.size
        rows: Rows = []
        if offset < LARGEST_OFFSET and (total is None or offset < total):
            # One more than wanted tells whether there is anything left to count.
            page = (statement, {**parameters, "size": query.size + 1, "offset": offset})
            if total is None and self._knows_total(table, question):
                # A total that was wanted once will be wanted again.
                (rows,), total = self._with_total(table, question, not named, page)
            else:
                (rows,) = self._ask(page)
        records = self._paged(table, rows[: query.size])
        if len(rows) <= query.size and (rows or not offset):
            return Page(records, offset + len(records))
        if total is None:
            _, total = self._with_total(table, question, not named)
        return Page(records, total)

    def count(self, table: str) -> int:
        """How many records a table has."""
        return int(self._rows(self._questions.count(table, (), True), {})[0][0])

    def weight_of(self, owner: str) -> int:
        """The bytes of all records that `weighed` of their tables calls theirs."""
        rows = self._rows(self._questions.weights, {"tenant": group_key(owner)})
        return sum(int(weight) for (weight,) in rows)

    def time(self) -> datetime:
        """The moment by the clock that all servers of this store share."""
        if self._time is None:
            self.begun()
        return cast(datetime, self._time)

    # Everything

    def freeze(self) -> View:
        """All records as they are now, in memory: for snapshots."""
        if sum(map(self.count, self._layouts)) > MOST_FROZEN:
            raise TooManyRecords
        facts = [layout.fact for layout in self._layouts.values()]
        return load(self.tables(), self.ids(), empty(facts), check=None)

    def tables(self) -> dict[str, dict[str, Record]]:
        """Everything, by table and key."""
        return {name: dict(self.documents(name)) for name in self._layouts}

    def documents(self, table: str) -> Iterator[tuple[str, Record]]:
        """All records of a table with their keys, in table order, some at a time."""
        return self.walk(self._questions.documents(table))

    def walk(self, statement: str) -> Iterator[tuple[str, Record]]:
        """What such a statement answers, some at a time."""
        last = 0
        while rows := self._rows(statement, {"last": last, "size": BATCH}):
            for last, key, record in rows:  # noqa: B007 - where the next ones begin
                yield original(key), orjson.loads(record)

    def ids(self) -> dict[str, int]:
        """The last id that each table has given."""
        return self._database.ids(self.begun())

    # Inside

    def end(self) -> None:
        """End the view; it can't be asked any more."""
        self._is_open = False
        connection, self._connection = self._connection, None
        if connection is not None:
            self._database.end_reading(connection)

    def _paged(self, table: str, rows: Rows) -> list[Record]:
        """The records of a page, of which more may be asked soon."""
        records = [orjson.loads(record) for _, record in rows]
        fact = self._fact(table)
        self._listed = {original(key): None for key, _ in rows}
        self._expected = {}
        for members, by in ((fact.references, None), (fact.identified, "id")):
            for member, target in members.items():
                named = {record.get(member) for record in records} - {None}
                self.expect([Lookup(target, named, by)])
        return records

    def _rows(self, statement: str, parameters: Parameters) -> Rows:
        return self._ask((statement, parameters))[0]

    def _ask(self, *statements: Statement) -> list[Rows]:
        """What each of the statements answers, in one round trip."""
        if self._connection is None:
            if not self._is_open:
                raise RuntimeError("the view has ended")
            begun = self._database.begin_reading(*statements)
            self._connection, self._time = begun.connection, begun.time
            return begun.answers
        return self._database.ask(self._connection, statements)

    def begun(self) -> Connection:
        """The connection, which has begun to see its moment."""
        if self._connection is None:
            self._rows(self._questions.nothing, {})
        return cast(Connection, self._connection)

    def _fact(self, table: str) -> Table:
        return self._layouts[table].fact

    def _size(self, table: str) -> int:
        """About how many records a table has."""
        rows = self._rows(self._questions.last(table), {})
        return int(rows[0][0]) if rows else 0

    def _require_sortable(self, table: str, query: Query, question: Asked) -> None:
        """TooManyToSort for too many records in an order that no index has."""
        layout, key = self._layouts[table], (table, question.key)
        if not query.order or layout.is_indexed(query.order[0].member, query.within):
            return
        known = None if self._totals is None else self._totals.get(key)
        if known is not None and known.total <= MOST_SORTED // 2:
            return
        parameters = self._database.parameters(question.values)
        parameters["most"] = MOST_SORTED + 1
        ((count,),) = self._rows(self._questions.crowd(table, question.conditions), parameters)
        if count > MOST_SORTED:
            raise TooManyToSort
        if self._totals is not None and known is None:
            self._totals.put(key, about(count))

    def _knows_total(self, table: str, question: Asked) -> bool:
        known = None if self._totals is None else self._totals.get((table, question.key))
        return known is not None

    def _with_total(
        self, table: str, question: Asked, walk: bool, *others: Statement
    ) -> tuple[list[Rows], int]:
        """What other statements answer, and how many records are found: as many as are remembered,
        where the database says that nothing has changed since."""
        parameters = self._database.parameters(question.values)
        if self._totals is None or not question.tenants:
            statement = self._questions.count(table, question.conditions, walk)
            *answers, ((count,),) = self._ask(*others, (statement, parameters))
            if self._totals is not None:
                self._totals.put((table, question.key), about(int(count)))
            return answers, int(count)
        key, at = (table, question.key), question.at or ""
        known = self._totals.get(key)
        if known is not None and not known.holds_at(at):
            known = None
        names = tuple(name for name, _ in question.tenants)
        for place, (name, tenant) in enumerate(question.tenants):
            version = UNKNOWN if known is None else known.revisions[place]
            parameters |= {f"t{place}": tenant, f"n{place}": name, f"r{place}": str(version)}
        statement = self._questions.count_unless(table, question.conditions, walk, names)
        *answers, ((count, *states),) = self._ask(*others, (statement, parameters | {"at": at}))
        if known is not None and count is None:
            return answers, known.total
        revisions = tuple(int(revision) for revision in states[::3])
        boundaries = [each for place, each in enumerate(states) if place % 3 and each is not None]
        until = min(boundaries, default=None) if question.at is not None else None
        self._totals.put(key, Total(int(count), revisions, at, until))
        return answers, int(count)


class SqlTransaction(SqlView, Transaction):
    """A view that can be changed, and sees its changes.

    What it writes waits until a question needs it or it commits, and then takes one round trip.
    """

    def __init__(
        self,
        database: Database,
        questions: Questions,
        begun: Begun,
        only: RecordId | None = None,
        turns: frozenset[str] | None = None,
        ids_ahead: dict[str, int] | None = None,
    ) -> None:
        # No totals: what it counts is true for nobody else before it commits.
        SqlView.__init__(self, database, questions)
        self._connection, self._time = begun.connection, begun.time
        self._only, self._turns = only, turns
        self._open = True
        self.changed = False
        self._waiting: list[Statement] = []
        self._before: dict[RecordId, Record | None] = {}
        self._after: dict[RecordId, Record | None] = {}
        self._tenants: set[tuple[str, str]] = set()
        self._grown: Counter[tuple[str, str]] = Counter()
        """(Table, tenant) -> the bytes by which their weighed records have grown; under no table
        those of all tables."""
        self._ids_ahead = ids_ahead or {}
        """By table: an id that has been given to it in advance."""
        self._given: dict[str, int] = {}
        self._raised: dict[str, int] = {}
        self._numbers: set[tuple[str, Hashable]] = set()
        self._all_is_new = False

    def put(self, table: str, key: str, record: Record, is_new: bool = False) -> None:
        """Create or replace a record whole. The store keeps a copy.

        `is_new`: the caller knows that there is none, as its id has just been given. Raises
        TypeError for what isn't plain JSON, ValueError where a unique index has the value or the
        id is larger than LARGEST_ID.
        """
        encoded = orjson.dumps({table: {key: record}})
        kept: Record = orjson.loads(encoded)[table][key]
        if kept != record:
            raise TypeError(f"{table}: a record must be plain JSON")
        before = None if is_new else self.get(table, key)
        if before is not None and orjson.dumps({table: {key: before}}) == encoded:
            return
        require_readable_id(table, before, kept)
        self._require_only(table, key)
        self._change()
        layout = self._layouts[table]
        row = layout.row(key, kept)
        for name, function in layout.fact.unique.items():
            value = function(kept)
            is_same = before is not None and function(before) == value
            # What next_id has just given nobody else has.
            is_given = (table, value) in self._numbers
            if not is_same and not is_given and self.find(table, name, value) is not None:
                raise ValueError(f"{table}: another record has its {name}, maybe another tenant's")
        self._note(table, key, before, kept)
        changed: tuple[str, ...] | None = None
        if before is not None:
            # Columns that are written cost their indexes a page each, though they stay the same.
            old = layout.row(key, before)
            changed = tuple(name for name in layout.names if row[name] != old[name])
            row = {name: row[name] for name in ("key", *changed)}
        self._waiting.append((self._questions.put(table, changed), row))
        self._raise_id(table, key, before, kept)

    def remove(self, table: str, key: str) -> None:
        """Remove a record. Raises KeyError when there is none."""
        before = self.get(table, key)
        if before is None:
            raise KeyError(key)
        self._require_only(table, key)
        self._change()
        self._note(table, key, before, None)
        self._waiting.append((self._questions.remove(table), {"value": plain(key)}))

    def changes(self) -> list[Change]:
        """What has become of each record that was put or removed, in the order of first touch."""
        return [
            Change(table, key, before, self._after[table, key])
            for (table, key), before in self._before.items()
            if self._after[table, key] is not before
        ]

    def weight_of(self, owner: str) -> int:
        """The bytes of all records that are weighed as theirs, with those of this transaction."""
        return self.growth_of(owner) + (0 if self._all_is_new else super().weight_of(owner))

    def growth_of(self, owner: str) -> int:
        """By how much this transaction has changed `weight_of`; after `clear`, from nothing."""
        return self._grown[ALL_TABLES, group_key(owner)]

    def next_id(self, table: str) -> int:
        """An integer greater than every id that the table ever had. Where the transaction comes
        to nothing it may be left out."""
        self._change()
        number = self._ids_ahead.pop(table, None)
        if number is None:
            self._raise_ids()
            rows = self._database.rows(self._open_connection(), *self._database.counting(table))
            number = int(rows[0][0])
        next_after(number - 1)
        self._given[table] = number
        self._numbers.add((table, number))
        return number

    def restore(self, view: View) -> None:
        """Adopt an earlier state whole, the counting of ids too. The view must be a frozen one."""
        if not self._open:
            raise RuntimeError("the transaction has ended")
        tables, ids = view.tables(), dict(view._ids)
        self._change()
        self.clear()
        for table, records in tables.items():
            self.load(table, records.items())
        self.set_ids(ids)

    def set_ids(self, ids: Mapping[str, int]) -> None:
        """Count ids on from these."""
        self._change()
        self._ids_ahead.clear()
        self._database.set_ids(self._asked(), ids)
        self._given.clear()
        self._raised.clear()

    def ids(self) -> dict[str, int]:
        """The last id that each table has given."""
        self._raise_ids()
        return super().ids()

    def clear(self) -> None:
        """Remove every record."""
        self._change()
        self._waiting.clear()
        self._before.clear()
        self._after.clear()
        self._tenants.clear()
        self._grown.clear()
        self._found.clear()
        self._all_is_new = True
        statements: list[Statement] = [
            (self._questions.clear(table), {}) for table in self._layouts
        ]
        self._database.ask(self._asked(), statements)

    def load(self, table: str, documents: Iterable[tuple[str, Record]]) -> None:
        """Put many records that aren't there yet, in their order, without a look at the rules."""
        layout = self._layouts[table]
        self._change()
        rows = []
        for key, record in documents:
            row = layout.row(key, record)
            rows.append(row)
            if (tenant := row.get(f"g_{TENANT}")) is not None:
                self._tenants.add((table, tenant))
            self._weigh(table, None, record)
            if len(rows) == BATCH:
                self._database.insert(self._asked(), layout, rows)
                rows.clear()
        self._database.insert(self._asked(), layout, rows)
        self._found.clear()

    def tell(self, values: Mapping[str, Any]) -> None:
        """Let the store say this of itself."""
        self._change()
        statements = [
            (self._questions.tell, {"name": name, "value": json.dumps(value)})
            for name, value in values.items()
        ]
        self._database.ask(self._asked(), statements)

    def check_references(self) -> None:
        """Raise ValueError where a change leaves a reference to nothing, Collision where another
        one that runs beside it does."""
        named: dict[str, set[str]] = {}
        for (table, key), record in self._after.items():
            if record is not None:
                before = self._before[table, key] or {}
                for target, name in self._newly_named(table, before, record):
                    named.setdefault(target, set()).add(name)
        self._require_not_named()
        if self._turns is not None:
            for target, keys in named.items():
                self._hold(target, keys)

    def _newly_named(self, table: str, before: Record, record: Record) -> Iterator[tuple[str, str]]:
        """What a changed record refers to that another transaction could remove meanwhile, as
        (table, key). ValueError for a reference to nothing."""
        fact = self._fact(table)
        for member, target in {**fact.references, **fact.identified}.items():
            value, is_key = record.get(member), member in fact.references
            # Who removes what was named before looks for those who name it.
            if value in (None, before.get(member)):
                continue
            if is_key:
                named = self.get(target, value) if isinstance(value, str) else None
            else:
                named = self.find(target, "id", value) if type(value) is int else None
            if named is None:
                raise ValueError(f"{table}: {member} refers to nothing")
            # A tenant's own records, and the tenant, are safe while one has its turn.
            if is_key and member != TENANT and TENANT not in self._fact(target).groups:
                yield target, plain(str(value))

    def _require_not_named(self) -> None:
        """ValueError if a record refers to one that has been removed."""
        gone: dict[tuple[str, str], list[str]] = defaultdict(list)
        for (table, key), record in self._after.items():
            before = self._before[table, key]
            if record is not None or before is None:
                continue
            gone[table, "r"].append(plain(key))
            number = before.get("id") if "id" in self._fact(table).unique else None
            if number is not None and self.find(table, "id", number) is None:
                gone[table, "a"].append(group_key(number))
        for table, layout in self._layouts.items():
            for kind, members in (("r", layout.fact.references), ("a", layout.fact.identified)):
                for member, target in members.items():
                    keys = {"values": self._database.listed(tuple(gone.get((target, kind), ())))}
                    statement = self._questions.one_of(table, f"{kind}_{member}")
                    if (target, kind) in gone and self._rows(statement, keys):
                        raise ValueError(f"{table}: {member} refers to nothing")

    def _hold(self, table: str, keys: set[str]) -> None:
        """Keep others from removing these records before the commit; Collision if one did."""
        parameters = {"values": self._database.listed(tuple(sorted(keys)))}
        if len(self._rows(self._questions.hold(table), parameters)) < len(keys):
            raise Collision(GONE_MEANWHILE)

    def commit(self) -> None:
        """Make the changes durable."""
        self._raise_ids()
        self._open = False
        revised = [*self._waiting, *self.revisions()]
        if self._all_is_new:
            number = secrets.randbits(REVISION_BITS)
            revised.insert(len(self._waiting), (self._questions.revise_all, {"version": number}))
        self._is_open = False
        connection, self._connection = cast(Connection, self._connection), None
        self._database.commit(connection, revised)

    def give_up(self) -> None:
        """End the transaction without a trace."""
        self._open = self._is_open = False
        connection, self._connection = self._connection, None
        if connection is not None:
            self._database.give_up(connection)

    def revisions(self) -> list[Statement]:
        """What marks the tables of tenants as changed, and adds to the sums of bytes."""
        return [
            (
                self._questions.revise,
                {
                    "tenant": tenant,
                    "name": table,
                    "version": secrets.randbits(REVISION_BITS),
                    "growth": self._grown[table, tenant],
                },
            )
            for table, tenant in sorted(self._tenants | self._grown.keys())
            if table != ALL_TABLES
        ]

    def _weigh(self, table: str, before: Record | None, after: Record | None) -> None:
        weighed = self._fact(table).weighed
        if weighed is not None:
            for record, sign in ((before, -1), (after, 1)):
                if record is not None:
                    tenant, bytes_ = group_key(weighed(record)), sign * weight(record)
                    self._grown[table, tenant] += bytes_
                    self._grown[ALL_TABLES, tenant] += bytes_

    def _note(self, table: str, key: str, before: Record | None, after: Record | None) -> None:
        self._before.setdefault((table, key), before)
        self._after[table, key] = after
        fact = self._fact(table)
        for kind, functions in (("u", fact.unique), ("g", fact.groups)):
            for name, function in functions.items():
                known = self._found.get((table, f"{kind}_{name}"), {})
                for record in (before, after) if known else ():
                    if record is not None:
                        known.pop(group_key(function(record)), None)
        self._found[table, "key"][plain(key)] = [] if after is None else [after]
        self._weigh(table, before, after)
        tenant_of = None if fact.is_journal else fact.groups.get(TENANT)
        for record in (before, after) if tenant_of is not None else ():
            value = tenant_of(record) if record is not None and tenant_of is not None else None
            if value is not None:
                self._tenants.add((table, group_key(value)))

    def _raise_id(self, table: str, key: str, before: Record | None, record: Record) -> None:
        found: dict[str, int] = {}
        count_on(found, table, key, record)
        number = found.get(table, 0)
        if number > self._given.get(table, 0) and (
            before is None or before.get("id") != record.get("id")
        ):
            self._given[table] = number
            # Once for all of an import, as it takes a lock.
            self._raised[table] = number

    def _raise_ids(self) -> None:
        raised, self._raised = self._raised, {}
        for table, number in raised.items():
            self._database.raise_id(self._asked(), table, number)

    def _change(self) -> None:
        if not self._open:
            raise RuntimeError("the transaction has ended")
        self.changed = True

    def _asked(self) -> Connection:
        """The connection, on which all that was waiting has been written."""
        connection = self._open_connection()
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._database.ask(connection, waiting)
        return connection

    def _open_connection(self) -> Connection:
        if self._connection is None:
            raise RuntimeError("the transaction has ended")
        return self._connection

    def _ask(self, *statements: Statement) -> list[Rows]:
        waiting, self._waiting = self._waiting, []
        answers = self._database.ask(self._open_connection(), [*waiting, *statements])
        return answers[len(waiting) :]

    def begun(self) -> Connection:
        return self._asked()
