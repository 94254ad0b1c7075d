"""What SQLite and PostgreSQL have in common: connections, statements, and errors.

A connection that reads sees one moment, a connection that writes waits for its turn. Each is
ended by COMMIT or ROLLBACK before it goes back to its pool.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ClauseElement,
    ColumnElement,
    Dialect,
    FromClause,
    MetaData,
    bindparam,
    insert,
    text,
)
from sqlalchemy.schema import CreateTable

from provisioning.store.errors import OtherForm, StoreUnavailable, UnknownFate
from provisioning.store.form import Form
from provisioning.store.sql.columns import Word
from provisioning.store.sql.layout import COUNTERS, META, REVISIONS, Layout, layouts, own_tables
from provisioning.store.sql.pool import Connection, Pool

BUSY = "The store is busy with other changes. Try again."
FATE_UNKNOWN = "The change may or may not have been kept: look before you repeat it."
NOTHING_CHANGED = "The change could not be saved, nothing was changed"

Parameters = Mapping[str, Any]
Statement = tuple[str, Parameters]
Rows = list[tuple[Any, ...]]

FORM = f"SELECT value FROM {META} WHERE name = 'schema'"
COUNT = (
    f"INSERT INTO {COUNTERS} (name, last) VALUES (:name, 1) "
    f"ON CONFLICT (name) DO UPDATE SET last = {COUNTERS}.last + 1 RETURNING last"
)
COUNT_FROM = (
    f"INSERT INTO {COUNTERS} (name, last) VALUES (:name, :number) ON CONFLICT (name) "
    f"DO UPDATE SET last = excluded.last WHERE {COUNTERS}.last < excluded.last"
)
_ABANDONED: list[Pool] = []
"""Pools of a parent process: what a child closes would be closed for the parent, too."""


@dataclass(frozen=True)
class Fault:
    """What an error of a driver means."""

    error: StoreUnavailable
    is_lost: bool = False
    """The connection is of no use any more, nor are those that are as old. If a COMMIT has met
    it, nobody knows whether that was done."""
    is_stale: bool = False
    """The connections work, but lead to where no changes can be made any more."""
    is_misfit: bool = False
    """The tables aren't as the statement takes them to be."""


@dataclass(frozen=True)
class Begun:
    """A transaction that has begun."""

    connection: Connection
    time: datetime
    """The moment, by the clock that all servers share."""
    answers: list[Rows]
    """What each of its first statements has answered."""


class Database(ABC):
    """One database, as the store needs it."""

    errors: type[Exception]
    """What the driver raises."""
    readers: int = 8
    """Connections that read at the same time; more readers wait."""
    writers: int
    clock: str | None = None
    """What asks for the time that all servers share; None where they are on one machine."""
    patiently: tuple[Statement, ...] = ()
    """What lets a transaction wait for tables that an upgrade makes, however long that needs."""
    is_open = False
    """Whether the tables were those of this form."""
    other_form: OtherForm | None = None
    """What was found when the tables were no longer those of this form."""

    def __init__(self, form: Form, dialect: Dialect, patience: float) -> None:
        self.form = form
        self.dialect = dialect
        self.metadata = MetaData()
        self.layouts: dict[str, Layout] = layouts(form, self.metadata, dialect)
        self.own = own_tables(self.metadata, form.number)
        self.patience = patience
        version = self.metadata.tables[REVISIONS].c.version.name
        self._probe = self.compiled(
            text(
                f"INSERT INTO {REVISIONS} (tenant, name, {version}) VALUES ('', '', 0) "
                f"ON CONFLICT (tenant, name) DO UPDATE SET {version} = excluded.{version}"
            )
        )
        self._count = self.compiled(text(COUNT))
        self._count_from = self.compiled(text(COUNT_FROM))
        self._reading, self._writing = self._pools()

    # Connections

    @abstractmethod
    def open_reader(self) -> Any:
        """A new connection whose transactions see one moment."""

    @abstractmethod
    def open_writer(self) -> Any:
        """A new connection that changes something."""

    def begin_reading(self, *statements: Statement) -> Begun:
        """Begin to see one moment: that of the first statement."""
        return self._begin(self._reading, statements, reads=True)

    def begin_writing(self, *statements: Statement) -> Begun:
        """Begin to change something, once the first statements have waited for their turn."""
        return self._begin(self._writing, statements, reads=False)

    def _begin(self, pool: Pool, statements: Sequence[Statement], reads: bool) -> Begun:
        # Asked last: the time is that after the waiting.
        clock: list[Statement] = [] if self.clock is None else [(self.clock, {})]
        # What lay in the pool may be long dead: then all of it is, and a new one is tried once.
        for is_last in (False, True):
            connection = pool.take(writes=not reads)
            try:
                first = self.beginning(connection, reads)
                answers = self.ask(connection, [*first, *statements, *clock])[len(first) :]
            except StoreUnavailable:
                is_alive = connection.is_valid
                self.give_up(connection)
                if is_alive or is_last:
                    raise
            else:
                time = self.time_of(answers.pop()) if clock else datetime.now(UTC)
                return Begun(connection, time, answers)
        raise AssertionError

    @abstractmethod
    def beginning(self, connection: Connection, reads: bool) -> tuple[Statement, ...]:
        """What has to be asked first in a transaction."""

    def time_of(self, answer: Rows) -> datetime:
        """What `clock` has answered."""
        raise NotImplementedError

    def opened(self, reads: bool) -> Any:
        """A new connection; StoreUnavailable if none can be had."""
        try:
            return self.open_reader() if reads else self.open_writer()
        except self.errors as error:
            raise self.fault(error).error from error

    def end_reading(self, connection: Connection) -> None:
        """Give a connection back that has only read. By COMMIT, after which the connection still
        knows its statements; an error is none any more, since the answers are there."""
        self._give_back(connection, "commit")

    def give_up(self, connection: Connection) -> None:
        """Give a connection back and undo what it has changed; one that went back stays there."""
        self._give_back(connection, "rollback")

    def _give_back(self, connection: Connection, end: str) -> None:
        try:
            if connection.is_valid and connection.is_taken:
                getattr(connection.driver, end)()
        except self.errors:
            connection.is_valid = False
        finally:
            connection.pool.give_back(connection)

    def commit(self, connection: Connection, statements: Sequence[Statement] = ()) -> None:
        """Run the last statements of a transaction and commit it; then give the connection back."""
        is_sent = is_unsure = False
        try:
            with self.together(connection):
                self._execute(connection, statements)
                is_sent = True
                connection.driver.commit()
        except self.errors as error:
            fault = self._noted(connection, error)
            is_unsure = is_sent and fault.is_lost
            if not is_unsure:
                raise fault.error from error
        else:
            is_unsure = self.is_unsure(connection)
        finally:
            self.give_up(connection)
        if is_unsure:
            raise UnknownFate(FATE_UNKNOWN)

    def is_unsure(self, _connection: Connection) -> bool:
        """Whether a commit that was no error may be lost all the same."""
        return False

    def ask(self, connection: Connection, statements: Sequence[Statement]) -> list[Rows]:
        """What each of the statements answers, in one round trip where that can be."""
        is_one = len(statements) == 1
        with self.explained(connection):
            with nullcontext() if is_one else self.together(connection):
                cursors = self._execute(connection, statements)
            return [each.fetchall() if each.description else [] for each in cursors]

    def rows(self, connection: Connection, statement: str, parameters: Parameters) -> Rows:
        """What a statement answers."""
        return self.ask(connection, [(statement, parameters)])[0]

    def _execute(self, connection: Connection, statements: Sequence[Statement]) -> list[Any]:
        cursors = []
        for statement, parameters in statements:
            cursors.append(connection.driver.cursor())
            cursors[-1].execute(statement, parameters)
        return cursors

    def insert(self, connection: Connection, layout: Layout, rows: Sequence[Parameters]) -> None:
        """Write many rows of records that aren't there yet."""
        values: dict[str, Any] = {name: bindparam(name) for name in layout.names}
        statement = self.compiled(insert(layout.table).values(values).inline())
        with self.explained(connection):
            connection.driver.cursor().executemany(statement, rows)

    def together(self, _connection: Connection) -> AbstractContextManager[Any]:
        """Statements within need not wait for each other's answers."""
        return nullcontext()

    @contextmanager
    def explained(self, connection: Connection) -> Iterator[None]:
        """Turn the driver's errors into those of the store, which can be shown."""
        try:
            yield
        except self.errors as error:
            raise self._noted(connection, error).error from error

    @abstractmethod
    def fault(self, error: Exception) -> Fault:
        """What an error of the driver means."""

    def _noted(self, connection: Connection, error: Exception) -> Fault:
        """What an error means; the connections that it makes useless are dropped."""
        fault = self.fault(error)
        if fault.is_lost or fault.is_stale:
            connection.is_valid = False
            # What waits in the pools is no better.
            self.close()
        if fault.is_misfit and self.is_open:
            found = self._form_now(connection)
            if found != self.form.number:
                self.other_form = OtherForm(found, self.form.number)
                return Fault(self.other_form.again())
        return fault

    def require_form(self) -> None:
        """Raise OtherForm if a newer version has been found to have the tables, and still has."""
        if self.other_form is not None:
            begun = self.begin_reading((FORM, {}))
            self.end_reading(begun.connection)
            found = int(begun.answers[0][0][0])
            if found != self.form.number:
                raise OtherForm(found, self.form.number)
            self.other_form = None

    def _form_now(self, connection: Connection) -> int:
        connection.driver.rollback()
        statements = [*self.beginning(connection, reads=True), (FORM, {})]
        answer = self._execute(connection, statements)[-1].fetchone()
        connection.driver.rollback()
        return int(answer[0])

    def renew(self) -> None:
        """In a forked child: leave the parent's connections alone."""
        _ABANDONED.extend((self._reading, self._writing))
        self._reading, self._writing = self._pools()

    def close(self) -> None:
        """Close all connections; those that are in use when they are given back."""
        self._reading.clear()
        self._writing.clear()

    def _pools(self) -> tuple[Pool, Pool]:
        """Where readers and writers get their connections."""
        return (
            Pool(lambda: self.opened(reads=True), self.readers, self.patience),
            Pool(lambda: self.opened(reads=False), self.writers, self.patience),
        )

    def share(self, threads: int) -> None:  # noqa: B027 - a file never hangs
        """So many threads will use the database: where it may hang, one of them has to be free."""

    # Turns

    def turn(self, _patience: float | None = None) -> AbstractContextManager[None]:
        """Wait for the turn of this process, where the database itself has none: for so many
        seconds, else as long as usual. Raises StoreBusy."""
        return nullcontext()

    @abstractmethod
    def taking_turn(
        self, tenants: Collection[str] | None, is_shared: bool = False
    ) -> tuple[Statement, ...]:
        """What waits for the turns of these tenants' changes, or of all. Those that share them run
        beside each other."""

    @abstractmethod
    def probing(self) -> tuple[Statement, ...]:
        """What raises StoreBusy at once where somebody else has locked what a change needs."""

    def probe(self) -> None:
        """Change something that doesn't count. Raises StoreUnavailable if that can't be done."""
        self.commit(self.begin_writing(*self.probing(), (self._probe, {})).connection)

    # Statements

    def compiled(self, statement: ClauseElement) -> str:
        """A statement as text, whose parameters all have names that we gave."""
        compiled = statement.compile(dialect=self.dialect)
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        if constants:
            raise ValueError(f"constants must be literal: {constants}")
        return str(compiled)

    def parameters(self, values: Sequence[Any]) -> dict[str, Any]:
        """The values of a question, by the names that its statement has for them."""
        return {f"v{number}": self._parameter(value) for number, value in enumerate(values)}

    def _parameter(self, value: Any) -> Any:
        if isinstance(value, tuple):
            return self.listed(value)
        return self.pattern(value) if isinstance(value, Word) else str(value)

    @abstractmethod
    def one_of(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        """Whether a column has one of the values of a list, which is one parameter."""

    def each_of(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        """As `one_of`, where the same plan is good for all lists."""
        return self.one_of(column, name)

    @abstractmethod
    def listed(self, values: tuple[str, ...]) -> Any:
        """A list as the value of one parameter."""

    @abstractmethod
    def mentions(
        self, layout: Layout, table: FromClause, name: str, indexed: bool
    ) -> ColumnElement[bool]:
        """Whether a word stands in the text of a record."""

    @abstractmethod
    def pattern(self, word: str) -> str:
        """A word as the value of the parameter of `mentions`."""

    def index_texts(self, connection: Connection) -> None:  # noqa: B027 - SQLite makes it at once
        """Let words be found quickly, where that depends on more than the tables."""

    plans_by_totals = False
    """Whether it has to be told how to find a page of records that others refer to."""

    def prefers_walk(self, _total: int, _everything: int, _last: int) -> bool:
        """Whether to look at records in their order, until the last on the page has been found:
        `total` out of `everything` belong to the list."""
        return True

    # Tables

    @abstractmethod
    def taking_over(self) -> tuple[Statement, ...]:
        """What lets nobody else begin or migrate the tables until the transaction ends."""

    def require_fit(self, connection: Connection) -> None:  # noqa: B027 - a file is ours
        """Raise StoreUnavailable where the tables can't be made or used, which says why."""

    def settle(self) -> None:  # noqa: B027 - PostgreSQL has nothing to do
        """Called once the tables are there."""

    @abstractmethod
    def tables(self, connection: Connection) -> set[str]:
        """The names of the tables that there are."""

    def make_own(self, connection: Connection, but: str = "") -> None:
        """Make what the store keeps beside the records, but for one table."""
        wanted = (each for each in self.own if each.name != but)
        statements = [str(CreateTable(each).compile(dialect=self.dialect)) for each in wanted]
        self.ask(connection, [(statement, {}) for statement in statements])

    def make(self, connection: Connection, layout: Layout) -> None:
        """Make a table of records with all that belongs to it."""
        self.ask(connection, [(statement, {}) for statement in layout.statements()])

    @abstractmethod
    def drop(self, connection: Connection, table: str) -> None:
        """Remove a table of records with all that belongs to it, but not the last id."""

    def grants(self, _connection: Connection) -> list[Statement]:
        """What gives others the rights again that they have on the tables now."""
        return []

    @abstractmethod
    def set_aside(self, connection: Connection, name: str, aside: str) -> None:
        """Give a table of records another name, and take from it what a new one will be called."""

    # Counters: of ids, by table, and whatever else is counted

    def counting(self, name: str) -> Statement:
        """What answers an integer that is greater than every one before."""
        return self._count, {"name": name}

    def raise_id(self, connection: Connection, name: str, number: int) -> None:
        """Give nothing from now on that isn't greater than this number."""
        self.ask(connection, [(self._count_from, {"name": name, "number": number})])

    def ids(self, connection: Connection) -> dict[str, int]:
        """The last number of each counter that has given one."""
        return dict(self.rows(connection, f"SELECT name, last FROM {COUNTERS}", {}))

    def set_ids(self, connection: Connection, ids: Mapping[str, int]) -> None:
        """Count on from these numbers, be they lower; from 0 what is missing."""
        self.ask(connection, [(f"DELETE FROM {COUNTERS}", {})])
        for name, number in ids.items():
            self.raise_id(connection, name, number)
