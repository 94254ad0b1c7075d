"""SqlStore: the store over a database, opened, migrated, read and changed."""

import json
import math
import threading
import uuid
import weakref
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import orjson
from sqlalchemy import text

from provisioning.store.errors import Collision, OtherForm, StoreDamaged, StoreUnavailable
from provisioning.store.form import Upgrade
from provisioning.store.query import Record
from provisioning.store.sql.columns import plain
from provisioning.store.sql.database import Database, Statement
from provisioning.store.sql.layout import COUNTERS, META, REVISIONS
from provisioning.store.sql.pool import Connection
from provisioning.store.sql.questions import Part, Questions, Search
from provisioning.store.sql.totals import Totals
from provisioning.store.sql.view import SqlTransaction, SqlView
from provisioning.store.store import _STORES, UNFINISHED_COPY, Store
from provisioning.store.views import RecordId, Transaction, View

ATTEMPTS = 5
"""How often tables are made, or brought up to date, where others come between."""
FILLING = "filling"
"""What a store says of itself while a copy fills it; in form 1 it was `copying`."""
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
        begins: bool = True,
        fills: bool = False,
        upgrades: bool = True,
    ) -> None:
        self._database = database
        self._form = database.form
        self._questions = Questions(database.layouts, database)
        self._totals = Totals()
        self._journals = [fact.name for fact in database.form.tables if fact.is_journal]
        self._thread = threading.local()
        self._forks = 0
        self._fills = fills
        self._upgrades = upgrades
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
        """The latest state, at one moment, within the block.

        OtherForm when another version has taken the store over.
        """
        self.require_form()
        if self.older is not None:
            with self._taken_over(is_kept=False) as transaction:
                self._make(transaction)
                yield transaction
            return
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
        if self.older is not None:
            raise OtherForm(self.older, self._form.number)
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
        wanted = after.awaited if isinstance(after, SqlView) else {}
        if only is not None:
            # A statement of its own: what is asked after it is as it is once the record is locked.
            table, key = only[0], plain(only[1])
            statements.append((self._questions.lock(table), {"value": key}))
            wanted.setdefault(Part(table, "key"), {})[key] = None
        # A change of a tenant is told by a journal, whose record needs an id.
        journals = [] if turns is None else self._journals
        first = len(statements)
        statements += map(self._database.counting, journals)
        search = Search(wanted)
        if search.shape:
            statements.append(self._questions.searching(search))
        begun = self._database.begin_writing(*statements)
        answers = zip(journals, begun.answers[first:], strict=False)
        ahead = {name: int(rows[0][0]) for name, rows in answers}
        transaction = SqlTransaction(self._database, self._questions, begun, only, turns, ahead)
        if search.shape:
            transaction.keep(search, begun.answers[-1])
        return transaction

    def require_form(self) -> None:
        self._database.require_form()

    def probe(self) -> None:
        with self._alone(patience=0):
            self._database.probe()

    def share(self, threads: int) -> None:
        self._database.share(threads)

    def close(self) -> None:
        """Let go of the database. Every commit is durable already."""
        self._database.close()

    def renew_locks(self) -> None:
        """In a forked child: leave connections and threads to the parent, which has them."""
        self._forks += 1
        self._thread = threading.local()
        self._database.renew()

    @contextmanager
    def _alone(self, patience: float | None = None) -> Iterator[None]:
        if self._inside():
            raise RuntimeError("a transaction inside a transaction")
        forks = self._forks
        with self._database.turn(patience):
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
            is_begun = _is_filling(self._meta(view.begun()))
            if not is_begun and any(view.count(table) for table in self._database.layouts):
                raise StoreUnavailable(NOT_EMPTY)
            view.tell({FILLING: True})
        with self.transaction() as transaction:
            filled = cast(SqlTransaction, transaction)
            filled.clear()
            for table, documents in contents:
                filled.load(table, documents)
            filled.set_ids(ids)
            filled.tell({"instance": instance, FILLING: False})
        self._instance = instance

    # Opening

    def _open(self, begins: bool) -> None:
        database = self._database
        # Look whether there is anything to do before a turn is waited for.
        nothing: Statement = (self._questions.nothing, {})
        connection = database.begin_reading(*database.patiently, nothing).connection
        try:
            database.require_fit(connection)
            is_ready = self._is_ready(connection)
            if not is_ready and not begins and not database.tables(connection):
                raise StoreUnavailable("There is no store.")
        except StoreDamaged:
            # Looked at again in its turn: an upgrade may be changing the tables at the moment.
            is_ready = False
        finally:
            database.end_reading(connection)
        if self.older is not None:
            return
        for attempt in () if is_ready else range(ATTEMPTS):
            try:
                with self._taken_over() as transaction:
                    if not self._is_ready(transaction.begun()):
                        self._make(transaction)
                break
            except Collision:
                # Somebody who reads had one table, and waited for another one that this had.
                if attempt == ATTEMPTS - 1:
                    raise
        database.is_open = True

    @contextmanager
    def _taken_over(self, is_kept: bool = True) -> Iterator[SqlTransaction]:
        """A transaction beside which nobody else makes, upgrades or copies tables. It waits for
        that however long it takes, and comes to nothing unless `is_kept`."""
        database = self._database
        with database.turn(math.inf):
            begun = database.begin_writing(*database.taking_over())
            try:
                yield SqlTransaction(database, self._questions, begun)
                if is_kept:
                    database.commit(begun.connection)
            finally:
                database.give_up(begun.connection)
            database.settle()

    def _is_ready(self, connection: Connection) -> bool:
        """Whether all tables are there in this form; StoreDamaged for what isn't ours."""
        there = self._database.tables(connection)
        if not there:
            return False
        if META not in there:
            raise StoreDamaged("it holds tables of something else", table=min(there))
        meta, own = self._meta(connection), self._form.number
        if meta["schema"] > own:
            raise OtherForm(meta["schema"], own)
        if 0 < meta["schema"] < own and not self._upgrades:
            self.older = meta["schema"]
        for name in sorted(there - {META, COUNTERS, REVISIONS, *self._database.layouts}):
            # An empty one is left by a part of the server that is no longer there.
            some = f'SELECT 1 FROM "{name}" LIMIT 1'
            if name not in meta["layouts"] or self._database.rows(connection, some, {}):
                raise StoreDamaged("no such table is known", table=name)
        if _is_filling(meta) and not self._fills:
            raise StoreUnavailable(UNFINISHED_COPY)
        self._instance = meta["instance"]
        is_own: bool = meta["schema"] == own
        return is_own and self._database.layouts.keys() <= meta["layouts"].keys()

    def _make(self, transaction: SqlTransaction) -> None:
        """Make the tables that are missing, or bring all of an older form up to date."""
        database, connection = self._database, transaction.begun()
        meta: dict[str, Any] = {"schema": 0, "layouts": {}}
        if database.tables(connection):
            meta = self._meta(connection)
        else:
            database.make_own(connection)
            self._instance = str(uuid.uuid4())
        if 0 < meta["schema"] < self._form.number:
            self._upgrade(transaction, meta)
            meta["layouts"] = {}
        else:
            for name, layout in database.layouts.items():
                if name not in meta["layouts"]:
                    database.make(connection, layout)
        database.index_texts(connection)
        known = meta["layouts"] | dict.fromkeys(database.layouts, self._form.number)
        transaction.tell(
            {"schema": self._form.number, "instance": self._instance, "layouts": known}
        )

    def _upgrade(self, transaction: SqlTransaction, meta: Mapping[str, Any]) -> None:
        """Lead all records, one after another, to tables in this form."""
        database, connection = self._database, transaction.begun()
        old = Aside(database, transaction, meta)
        grants = database.grants(connection)
        # The turns first: whoever has one has done then, and nobody else gets one.
        for name in meta["layouts"]:
            old.take(name, is_wanted=name in database.layouts)
        for own in database.own:
            if own.name != COUNTERS:
                database.ask(connection, [(f'DROP TABLE "{own.name}"', {})])
        database.make_own(connection, but=COUNTERS)
        if _is_filling(meta):
            transaction.tell({FILLING: True})
        for layout in database.layouts.values():
            database.make(connection, layout)
        for grant in grants:
            database.ask(connection, [grant])
        upgrade = Upgrade(self._form, meta["schema"], old.get)
        for name in meta["layouts"].keys() & database.layouts.keys():
            fact = database.layouts[name].fact
            transaction.load(name, upgrade.records(fact, old.documents(name)))
        database.ask(connection, transaction.revisions())
        old.drop()
        database.set_ids(connection, upgrade.counters(database.ids(connection)))

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


def _is_filling(meta: Mapping[str, Any]) -> bool:
    return bool(meta.get(FILLING) or meta.get("copying"))


class Aside:
    """The tables of an older form, under other names while their records are led over."""

    def __init__(
        self, database: Database, transaction: SqlTransaction, meta: Mapping[str, Any]
    ) -> None:
        self._database = database
        self._transaction = transaction
        # Up to 0.2.0 a store kept digests of its layouts, and records in a column of that name.
        is_first = any(isinstance(each, str) for each in meta["layouts"].values())
        self._record = "record" if is_first else f"document_{meta['schema']}"
        self._names: dict[str, str] = {}
        self._indexed: set[str] = set()

    def take(self, name: str, is_wanted: bool) -> None:
        """Set a table aside; one that no part of the server wants any more is empty, and goes."""
        connection = self._transaction.begun()
        if not is_wanted:
            self._database.drop(connection, name)
            return
        self._names[name] = f"{name}__old"
        self._database.set_aside(connection, name, self._names[name])

    def documents(self, name: str) -> Iterator[tuple[str, Record]]:
        """All records of a table with their old keys, in table order."""
        statement = (
            f'SELECT number, key, {self._record} FROM "{self._names[name]}" '
            "WHERE number > :last ORDER BY number LIMIT :size"
        )
        return self._transaction.walk(self._database.compiled(text(statement)))

    def get(self, table: str, key: str) -> Record | None:
        """One record by its old key."""
        aside = self._names.get(table)
        if aside is None:
            return None
        if aside not in self._indexed:
            self._indexed.add(aside)
            index = f'CREATE INDEX "{aside}__by_key" ON "{aside}" (key)'
            self._database.ask(self._transaction.begun(), [(index, {})])
        statement = text(f'SELECT {self._record} FROM "{aside}" WHERE key = :key')
        rows = self._database.rows(
            self._transaction.begun(), self._database.compiled(statement), {"key": plain(key)}
        )
        return orjson.loads(rows[0][0]) if rows else None

    def drop(self) -> None:
        for aside in self._names.values():
            self._database.drop(self._transaction.begun(), aside)
