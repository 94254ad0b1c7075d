"""SqlStore: the store over a database, opened, migrated, read and changed."""

import json
import threading
import uuid
import weakref
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

from provisioning.store.errors import StoreDamaged, StoreUnavailable
from provisioning.store.query import Record
from provisioning.store.sql.columns import plain
from provisioning.store.sql.database import Connection, Database
from provisioning.store.sql.layout import COUNTERS, META, REVISIONS
from provisioning.store.sql.questions import Questions
from provisioning.store.sql.totals import Totals
from provisioning.store.sql.view import Lookup, SqlTransaction, SqlView
from provisioning.store.store import _STORES, UNFINISHED_COPY, Check, Migration, Store
from provisioning.store.views import RecordId, Transaction, View

NOT_EMPTY = "There are records in it already. Nothing was changed."
Documents = Iterable[tuple[str, Record]]


class SqlStore(Store):
    """The records of all tables, shared by threads, processes and machines through a database.

    Opening makes the tables where there are none, unless it isn't to begin one, and brings older
    ones up to date. It raises StoreDamaged for a database that holds anything else, and leaves
    that alone. Who `fills` it may open one that a copy has not finished.
    """

    audit_keep = 100_000

    def __init__(
        self,
        database: Database,
        check: Check | None = None,
        migrations: Sequence[Migration] = (),
        begins: bool = True,
        fills: bool = False,
    ) -> None:
        self._database = database
        self._check = check
        self._migrations = migrations
        self._schema = len(migrations) + 1
        self._questions = Questions(database.layouts, database)
        self._totals = Totals()
        self._thread = threading.local()
        self._forks = 0
        self._fills = fills
        self._instance = ""
        # Whoever forgets to close it leaves no connections behind.
        weakref.finalize(self, database.close)
        self._open(begins)
        _STORES.add(self)

    @property
    def instance(self) -> str:
        """What tells this store from every other one, for as long as there is it."""
        return self._instance

    @contextmanager
    def read(self) -> Iterator[View]:
        """The latest state, at one moment, within the block."""
        view = SqlView(self._database, self._questions, self._totals)
        try:
            yield view
        finally:
            view.end()

    @contextmanager
    def transaction(
        self,
        tenant: str | None = None,
        only: RecordId | None = None,
        after: View | None = None,
        also: Collection[str] = (),
    ) -> Iterator[Transaction]:
        """The latest state, to be changed by one at a time: for each tenant, or of all.

        As `Store.transaction`. Raises Collision where another change came between that the turn
        doesn't exclude: the same again, from its start, then sees that change.
        """
        forks = self._forks
        with self._alone():
            turns = None if tenant is None else frozenset({tenant, *also})
            transaction = self._begun(turns, only, after)
            try:
                yield transaction
                if transaction.changed:
                    if forks != self._forks:
                        raise RuntimeError("a transaction can't be committed by a forked child")
                    transaction.check_references()
                    transaction.commit()
            finally:
                if forks == self._forks:
                    transaction.give_up()

    def _begun(
        self, turns: frozenset[str] | None, only: RecordId | None, after: View | None
    ) -> SqlTransaction:
        """A transaction that has its turn, and knows already what `after` was asked before."""
        statements = [*self._database.taking_turn(turns, is_shared=only is not None)]
        lookups: dict[Lookup, None] = {}
        if only is not None:
            # A statement of its own: what is asked after it is as it is once the record is locked.
            table, key = only[0], plain(only[1])
            statements.append((self._questions.lock(table), {"value": key}))
            lookups[table, "key", key] = None
        if isinstance(after, SqlView):
            lookups |= after.looked_up
        if lookups:
            columns = tuple((table, column) for table, column, _ in lookups)
            values = {f"v{place}": value for place, (*_, value) in enumerate(lookups)}
            statements.append((self._questions.several(columns), values))
        begun = self._database.begin_writing(*statements)
        found: list[list[str]] = [[] for _ in lookups]
        for place, _, record in begun.answers[-1] if lookups else ():
            found[place].append(record)
        known = dict(zip(lookups, found, strict=True))
        return SqlTransaction(self._database, self._questions, begun, known, only, turns)

    def probe(self) -> None:
        with self._alone():
            begun = self._database.begin_writing(*self._database.probing())
            self._database.commit(begun.connection)

    def close(self) -> None:
        """Let go of the database. Every commit is durable already."""
        self._database.close()

    def renew_locks(self) -> None:
        """In a forked child: leave connections and threads to the parent, which has them."""
        self._forks += 1
        self._probing = threading.Lock()
        self._thread = threading.local()
        self._database.renew()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if self._inside():
            raise RuntimeError("a transaction inside a transaction")
        forks = self._forks
        with self._database.turn():
            self._thread.inside = True
            try:
                yield
            finally:
                if forks == self._forks:
                    self._thread.inside = False

    def fill(
        self, contents: Iterable[tuple[str, Documents]], ids: Mapping[str, int], instance: str
    ) -> None:
        """Make this empty store the one that has these records. Until it is done, nobody sees any
        of it or opens it anew. Raises StoreUnavailable where there are records already."""
        with self._taken_over() as view:
            is_begun = self._meta(view.begun()).get("copying")
            if not is_begun and any(view.count(table) for table in self._database.layouts):
                raise StoreUnavailable(NOT_EMPTY)
            view.tell({"copying": True})
        with self.transaction() as transaction:
            filled = cast(SqlTransaction, transaction)
            filled.clear()
            for table, documents in contents:
                filled.load(table, documents)
            filled.set_ids(ids)
            filled.tell({"instance": instance, "copying": False})
        self._instance = instance

    # Opening

    def _open(self, begins: bool) -> None:
        database = self._database
        # Look whether there is anything to do before a turn is waited for.
        connection = database.begin_reading((self._questions.nothing, {})).connection
        try:
            if self._is_ready(connection):
                return
            if not begins and not database.tables(connection):
                raise StoreUnavailable("There is no store.")
        finally:
            database.end_reading(connection)
        with self._taken_over() as transaction:
            if not self._is_ready(transaction.begun()):
                self._make(transaction)

    @contextmanager
    def _taken_over(self) -> Iterator[SqlTransaction]:
        """A transaction beside which nobody else makes, migrates or copies tables."""
        database = self._database
        with database.turn():
            begun = database.begin_writing(*database.taking_over())
            try:
                yield SqlTransaction(database, self._questions, begun)
                database.commit(begun.connection)
            finally:
                database.give_up(begun.connection)
            database.settle()

    def _is_ready(self, connection: Connection) -> bool:
        """Whether all tables are there as they should be; StoreDamaged for what isn't ours."""
        there = self._database.tables(connection)
        if not there:
            return False
        if META not in there:
            raise StoreDamaged("it holds tables of something else", table=min(there))
        meta = self._meta(connection)
        for name in sorted(there - {META, COUNTERS, REVISIONS, *self._database.layouts}):
            # An empty one is left by a part of the server that is no longer there.
            some = f'SELECT 1 FROM "{name}" LIMIT 1'
            if name not in meta["layouts"] or self._database.rows(connection, some, {}):
                raise StoreDamaged("no such table is known", table=name)
        if meta["schema"] > self._schema:
            raise StoreDamaged(
                f"it has schema version {meta['schema']}, this program reads {self._schema}"
            )
        if meta.get("copying") and not self._fills:
            raise StoreUnavailable(UNFINISHED_COPY)
        self._instance = meta["instance"]
        layouts = meta["layouts"].items()
        return bool(meta["schema"] == self._schema and self._digests().items() <= layouts)

    def _digests(self) -> dict[str, str]:
        return {name: layout.digest() for name, layout in self._database.layouts.items()}

    def _make(self, transaction: SqlTransaction) -> None:
        """Make the tables, or make them anew as they are declared now."""
        database, connection = self._database, transaction.begun()
        if not database.tables(connection):
            database.make_own(connection)
            self._instance = str(uuid.uuid4())
            transaction.tell({"schema": 0, "instance": self._instance, "layouts": {}})
        meta = self._meta(connection)
        migrations = self._migrations[max(0, meta["schema"] - 1) :] if meta["layouts"] else ()
        if migrations:
            self._migrate(transaction, migrations)
        else:
            for name, layout in database.layouts.items():
                if meta["layouts"].get(name) != layout.digest():
                    self._rebuild(transaction, name, name in meta["layouts"])
        database.index_texts(connection)
        transaction.tell({"schema": self._schema, "layouts": meta["layouts"] | self._digests()})

    def _migrate(self, transaction: SqlTransaction, migrations: Sequence[Migration]) -> None:
        """Lead all records through the steps from an older version to this one."""
        database, connection = self._database, transaction.begun()
        known = self._meta(connection)["layouts"]
        tables = {name: dict(transaction.documents(name)) for name in known}
        for migration in migrations:
            tables = migration(tables)
        for name in {*known, *database.layouts}:
            database.drop(connection, name)
        for name, layout in database.layouts.items():
            database.make(connection, layout)
            transaction.load(name, tables.get(name, {}).items())

    def _rebuild(self, transaction: SqlTransaction, name: str, exists: bool) -> None:
        """Make a table as it is declared now, with the records that it has."""
        database, connection = self._database, transaction.begun()
        if exists:
            statements = [
                f'CREATE TEMPORARY TABLE moving AS SELECT number, key, record FROM "{name}"',
                "CREATE INDEX moving_by_number ON moving (number)",
            ]
            database.ask(connection, [(statement, {}) for statement in statements])
            database.drop(connection, name)
        database.make(connection, database.layouts[name])
        if exists:
            transaction.load(name, transaction.moving())
            database.ask(connection, [("DROP TABLE moving", {})])

    def _meta(self, connection: Connection) -> dict[str, Any]:
        rows = self._database.rows(connection, f"SELECT name, value FROM {META}", {})
        try:
            meta = {name: json.loads(value) for name, value in rows}
            if not isinstance(meta["schema"], int) or not isinstance(meta["layouts"], dict):
                raise ValueError(meta)
        except (ValueError, KeyError):
            raise StoreDamaged(
                "it doesn't say of which schema it is, as a store does", table=META
            ) from None
        return meta
