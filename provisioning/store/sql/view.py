"""What readers see of the tables in a database, and what a change sees of them."""

import json
import secrets
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, cast

import orjson

from provisioning.store.errors import Collision, TooManyRecords
from provisioning.store.ids import count_on, next_after, require_readable_id
from provisioning.store.query import Line, Page, Query, Record
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
from provisioning.store.sql.questions import Asked, Questions, asked
from provisioning.store.sql.totals import Total, Totals
from provisioning.store.tables import Table, require_declared, weight
from provisioning.store.views import Change, RecordId, Transaction, View, empty, load

LARGEST_OFFSET = 2**62
Lookup = tuple[str, str, str]
"""Table, column and the value that the records sought have in it."""
ALL_TABLES = ""
BATCH = 1_000
"""Records that are read or written at once where all of a table are."""
REVISION_BITS = 62
MOST_LOOKED_UP = 12
GONE_MEANWHILE = "What the change names was changed meanwhile. Try again."
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
        self.looked_up: dict[Lookup, None] = {}
        """What it was first asked for single values: admission, and what it led to."""
        self._known: dict[tuple[str, str], Record | None] = {}
        self._indexed: dict[tuple[str, str], dict[str, Record | None]] = {}
        self._groups: dict[tuple[str, str], dict[str, Collection[Record]]] = {}
        self._listed: dict[str, None] = {}
        """The keys of the last page."""
        self._named: dict[str, dict[str, None]] = {}
        """By table: the keys that its records refer to."""
        self._identified: dict[str, dict[str, None]] = {}
        """By table: the ids, as in the column of the index, that its records hold."""

    # Questions

    def get(self, table: str, key: str) -> Record | None:
        """The record with this key."""
        if (table, key) not in self._known:
            # Whoever asks for what one record of a page names will ask for the others, too.
            named = self._named.get(table, ())
            keys = [each for each in named if (table, each) not in self._known]
            if key not in keys:
                keys = [key]
            found = self._having(table, "key", [plain(each) for each in keys])
            for each in keys:
                records = found.get(plain(each))
                self._known[table, each] = records[0] if records else None
        return self._known[table, key]

    def find(self, table: str, index: str, value: Hashable) -> Record | None:
        """The record that has this value in a unique index."""
        if value is None:
            return None
        known = self._indexed.setdefault((table, index), {})
        key = group_key(value)
        if key not in known:
            # As in `get`: for all records that the page names by this index.
            named = self._identified.get(table, ()) if index == "id" else ()
            keys = [each for each in named if each not in known] if key in named else [key]
            found = self._having(table, f"u_{index}", keys)
            known.update((each, next(iter(found.get(each, ())), None)) for each in keys)
        return known[key]

    def group(self, table: str, group: str, value: Hashable) -> Collection[Record]:
        """The records that have this value in a group, in table order."""
        known = self._groups.setdefault((table, group), {})
        key = group_key(value)
        if key not in known:
            keys = [key]
            if isinstance(value, tuple) and value[-1] in self._listed:
                # Whoever asks for what one record of a page has will ask for the others', too.
                keys = [group_key((*value[:-1], each)) for each in self._listed]
            found = self._having(table, f"g_{group}", keys)
            known.update((each, found.get(each, [])) for each in keys)
        return known[key]

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

    def _having(self, table: str, column: str, values: list[str]) -> dict[str, list[Record]]:
        """The records that have one of these values in a column, by value, in table order."""
        if len(values) == 1:
            return {values[0]: [*map(orjson.loads, self._look_up(table, column, values[0]))]}
        statement = self._questions.each_of(table, column)
        parameters = {"values": self._database.listed(tuple(values))}
        found: dict[str, list[Record]] = {}
        for value, record in self._rows(statement, parameters):
            found.setdefault(value, []).append(orjson.loads(record))
        return found

    def _look_up(self, table: str, column: str, value: str) -> list[str]:
        """The records that have a value in a column, as they are stored."""
        if len(self.looked_up) < MOST_LOOKED_UP:
            self.looked_up[table, column, value] = None
        rows = self._rows(self._questions.find(table, column), {"value": value})
        return [record for (record,) in rows]

    def all(self, table: str) -> Collection[Record]:
        """All records of a table, in table order (= creation)."""
        rows = self._rows(self._questions.page(table, (), (), False, False, True), {})
        return [orjson.loads(record) for _, record in rows]

    def query(self, table: str, query: Query) -> Page:
        """The records that the query asks for, and their number."""
        require_declared(self._fact, table, query)
        question = asked(self._layouts, table, query)
        order = tuple((each.member, each.descending) for each in query.order)
        parameters = self._database.parameters(question.values)
        total: int | None = None
        walk = True
        # Where words or keys narrow it, there is little to look at anyhow.
        is_wide = not query.words and query.keys is None
        named = is_wide and any(not each.negated for each in query.related)
        if named and self._database.plans_by_totals:
            total = self._total(table, question, walk=False)
            last = total if query.size is None else (query.page + 1) * query.size
            walk = self._database.prefers_walk(total, self._size(table), min(last, total))
        is_sized = query.size is not None
        statement = self._questions.page(
            table, question.conditions, order, query.by_key, is_sized, walk
        )
        if query.size is None:
            records = self._paged(table, self._rows(statement, parameters))
            return Page(records, len(records))
        offset = query.page * query.size
        records = []
        if offset < LARGEST_OFFSET and (total is None or offset < total):
            # One more than wanted tells whether there is anything left to count.
            page = {"size": query.size + 1, "offset": offset}
            records = self._paged(table, self._rows(statement, {**parameters, **page}))
        if len(records) <= query.size and (records or not offset):
            return Page(records, offset + len(records))
        if total is None:
            total = self._total(table, question, walk=not named)
        return Page(records[: query.size], total)

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
        fact = self._layouts[table].fact
        self._listed = {original(key): None for key, _ in rows}
        self._named, self._identified = {}, {}
        for member, target in fact.identified.items():
            ids = (record.get(member) for record in records)
            known = {group_key(each): None for each in ids if each is not None}
            self._identified.setdefault(target, {}).update(known)
        for member, target in fact.references.items():
            names = (record.get(member) for record in records)
            keys = {name: None for name in names if isinstance(name, str)}
            self._named.setdefault(target, {}).update(keys)
        return records

    def _rows(self, statement: str, parameters: Parameters) -> Rows:
        if self._connection is None:
            if not self._is_open:
                raise RuntimeError("the view has ended")
            begun = self._database.begin_reading((statement, parameters))
            self._connection, self._time = begun.connection, begun.time
            return begun.answers[0]
        return self._database.rows(self._connection, statement, parameters)

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

    def _total(self, table: str, question: Asked, walk: bool) -> int:
        parameters = self._database.parameters(question.values)
        statement = self._questions.count(table, question.conditions, walk)
        if self._totals is None or not question.tenants:
            return int(self._rows(statement, parameters)[0][0])
        at = question.at or ""
        states = [
            self._rows(self._questions.tenant(name), {"tenant": tenant, "name": name, "at": at})[0]
            for name, tenant in question.tenants
        ]
        revisions = tuple(int(revision or 0) for revision, *_ in states)
        key = (table, question.key)
        known = self._totals.get(key)
        if known is not None and known.holds(revisions, at):
            return known.total
        total = int(self._rows(statement, parameters)[0][0])
        boundaries = [instant for _, *instants in states for instant in instants if instant]
        until = min(boundaries, default=None) if question.at is not None else None
        self._totals.put(key, Total(total, revisions, at, until))
        return total


class SqlTransaction(SqlView, Transaction):
    """A view that can be changed, and sees its changes.

    What it writes waits until a question needs it or it commits, and then takes one round trip.
    """

    def __init__(
        self,
        database: Database,
        questions: Questions,
        begun: Begun,
        ahead: Mapping[Lookup, list[str]] | None = None,
        only: RecordId | None = None,
        turns: frozenset[str] | None = None,
    ) -> None:
        # No totals: what it counts is true for nobody else before it commits.
        SqlView.__init__(self, database, questions)
        self._connection, self._time = begun.connection, begun.time
        self._ahead = dict(ahead or {})
        """What is known already of what will be asked."""
        self._only, self._turns = only, turns
        self._open = True
        self.changed = False
        self._waiting: list[Statement] = []
        self._found: dict[tuple[str, str], Record | None] = {}
        self._after: dict[tuple[str, str], Record | None] = {}
        self._tenants: set[tuple[str, str]] = set()
        self._grown: Counter[tuple[str, str]] = Counter()
        """(Table, tenant) -> the bytes by which their weighed records have grown; under no table
        those of all tables."""
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
            is_new = before is None or function(before) != value
            # What next_id has just given nobody else has.
            is_given = (table, value) in self._numbers
            if (
                is_new
                and not is_given
                and self._is_taken(table, f"u_{name}", row[f"u_{name}"], row["key"])
            ):
                raise ValueError(f"{table}: another record has its {name}, maybe another tenant's")
        self._note(table, key, before, kept)
        self._waiting.append((self._questions.put(table, is_new=before is None), row))
        self._raise_id(table, key, before, kept)

    def _is_taken(self, table: str, column: str, value: str | None, key: str) -> bool:
        if value is None:
            return False
        rows = self._rows(self._questions.holder(table, column), {"value": value})
        return bool(rows) and rows[0][0] != key

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
            for (table, key), before in self._found.items()
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
        self._raise_ids()
        number = self._database.next_id(self._open_connection(), table)
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
        self._found.clear()
        self._after.clear()
        self._tenants.clear()
        self._grown.clear()
        self._known.clear()
        self._indexed.clear()
        self._groups.clear()
        self._ahead.clear()
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
        self._known.clear()
        self._groups.clear()
        self._ahead.clear()

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
                before = self._found[table, key] or {}
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
        for member, target in fact.identified.items():
            value = record.get(member)
            if value in (None, before.get(member)):
                continue
            if type(value) is not int or self.find(target, "id", value) is None:
                raise ValueError(f"{table}: {member} refers to nothing")
        for member, target in fact.references.items():
            value = record.get(member)
            known = isinstance(value, str) and self.get(target, value) is not None
            if value is not None and not known:
                raise ValueError(f"{table}: {member} refers to nothing")
            # A tenant's own records, and the tenant, are safe while one has its turn.
            is_shared = member != TENANT and TENANT not in self._fact(target).groups
            if is_shared and value not in (None, before.get(member)):
                yield target, plain(value)

    def _require_not_named(self) -> None:
        """ValueError if a record refers to one that has been removed."""
        keys: dict[str, list[str]] = {}
        ids: dict[str, list[str]] = {}
        for (table, key), record in self._after.items():
            before = self._found[table, key]
            if record is not None or before is None:
                continue
            keys.setdefault(table, []).append(plain(key))
            number = before.get("id") if "id" in self._fact(table).unique else None
            if number is not None and self.find(table, "id", number) is None:
                ids.setdefault(table, []).append(group_key(number))
        for table, layout in self._layouts.items():
            for gone, members, question in (
                (keys, layout.fact.references, self._questions.referring),
                (ids, layout.fact.identified, self._questions.holding),
            ):
                for member, target in members.items():
                    values = {"value": self._database.listed(tuple(gone.get(target, ())))}
                    if target in gone and self._rows(question(table, member), values):
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
        self._found.setdefault((table, key), before)
        self._groups = {each: known for each, known in self._groups.items() if each[0] != table}
        self._indexed = {each: known for each, known in self._indexed.items() if each[0] != table}
        self._ahead = {each: rows for each, rows in self._ahead.items() if each[0] != table}
        self._after[table, key] = self._known[table, key] = after
        self._weigh(table, before, after)
        fact = self._fact(table)
        function = None if fact.is_journal else fact.groups.get(TENANT)
        for record in (before, after) if function is not None else ():
            value = function(record) if record is not None and function is not None else None
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

    def _look_up(self, table: str, column: str, value: str) -> list[str]:
        known = self._ahead.get((table, column, value))
        if known is not None:
            return known
        if column == "key":
            # No need to write what waits: these are other keys.
            statement = self._questions.find(table, column)
            rows = self._database.rows(self._open_connection(), statement, {"value": value})
            return [record for (record,) in rows]
        return super()._look_up(table, column, value)

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

    def _rows(self, statement: str, parameters: Parameters) -> Rows:
        return self._database.rows(self._asked(), statement, parameters)

    def begun(self) -> Connection:
        return self._asked()
