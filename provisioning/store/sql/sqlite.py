"""SQLite: one file, for the servers of one machine.

Its own waiting for the turn is unfair: under load one writer waits for thousands of others. So
writers queue up before it, as threads at a lock and as processes at a file that is locked.
"""

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Text,
    and_,
    bindparam,
    column,
    func,
    literal_column,
    select,
)
from sqlalchemy import table as table_called
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from provisioning.store.errors import StoreBusy, StoreUnavailable
from provisioning.store.form import Form
from provisioning.store.sql.database import (
    BUSY,
    NOTHING_CHANGED,
    Begun,
    Database,
    Fault,
    Statement,
)
from provisioning.store.sql.layout import ONE, Layout
from provisioning.store.sql.pool import Connection, Pool
from provisioning.store.storage import reserve

HEADER = b"SQLite format 3\0"
GONE = "The data file is gone. Put it back, or restart to begin an empty store."
REPLACED = "The data file was replaced while it was open. Restart the server to use the new one."
CACHE_KIB = 16_384
LARGEST_JOURNAL = 64 * 1024 * 1024
"""Bytes that are kept of a journal that has grown beside a long read, once that has ended."""
SEARCHES = "__text"
"""What the table that finds words of three characters and more is called after its table."""


class SQLite(Database):
    """A database in one file, which is made if need be, for its owner alone."""

    errors = sqlite3.Error
    writers = 1

    def __init__(self, path: Path, form: Form, patience: float) -> None:
        self.path = Path(os.path.realpath(path))
        self._queue = Queue(self.path.with_name(self.path.name + ".lock"))
        self._file: tuple[int, int] | None = None
        self._journal = self.path.with_name(self.path.name + "-wal")
        self._needed = 0
        """By how much the last change has made the journal grow, if any has."""
        super().__init__(form, SQLiteDialect_pysqlite(paramstyle="named"), patience)
        try:
            self._make_file()
        except OSError as error:
            raise _unusable(error) from error
        self._file = self._found()

    def _make_file(self) -> None:
        """The file and its folder, with rights for the owner alone, which its journal then has."""
        missing = [each for each in self.path.parents if not each.exists()]
        for folder in reversed(missing):
            with suppress(FileExistsError):
                folder.mkdir(0o700)
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except FileExistsError:
            with self.path.open("rb") as file:
                begins = file.read(len(HEADER))
            if begins not in (b"", HEADER):
                raise StoreUnavailable("The file is no SQLite database.") from None

    def _found(self) -> tuple[int, int]:
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            raise StoreUnavailable(GONE) from None
        except OSError as error:
            raise _unusable(error) from error
        return stat.st_dev, stat.st_ino

    # Connections

    def open_reader(self) -> sqlite3.Connection:
        connection = self._open()
        connection.execute("PRAGMA query_only = ON")
        return connection

    def open_writer(self) -> sqlite3.Connection:
        connection = self._open()
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {LARGEST_JOURNAL}")
        return connection

    def _open(self) -> sqlite3.Connection:
        # Transactions begin and end where this module says so. SQLite would make a missing file.
        connection = sqlite3.connect(
            f"{self.path.as_uri()}?mode=rw",
            uri=True,
            timeout=self.patience,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=1_000,
        )
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        connection.execute("PRAGMA temp_store = MEMORY")
        return connection

    def _begin(self, pool: Pool, statements: Sequence[Statement], reads: bool) -> Begun:
        if self._found() != self._file:
            raise StoreUnavailable(REPLACED)
        return super()._begin(pool, statements, reads)

    def beginning(self, connection: Connection, reads: bool) -> tuple[Statement, ...]:
        # A writer begins when it takes its turn.
        return (("BEGIN", {}),) if reads else ()

    def fault(self, error: Exception) -> Fault:
        if not isinstance(error, sqlite3.Error):
            raise error
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return Fault(StoreBusy(BUSY))
        if code == sqlite3.SQLITE_FULL:
            return Fault(StoreUnavailable(f"{NOTHING_CHANGED}: No space left on device."))
        if code == sqlite3.SQLITE_READONLY:
            return Fault(StoreUnavailable(f"{NOTHING_CHANGED}: the data file is read-only."))
        if code == sqlite3.SQLITE_ERROR:
            return Fault(
                StoreUnavailable(f"The data file can't be used ({error})."), is_misfit=True
            )
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return Fault(StoreUnavailable("The data file is damaged. Restore a backup."), True)
        return Fault(StoreUnavailable(f"The data file can't be used ({error})."), True)

    def renew(self) -> None:
        super().renew()
        self._queue.renew()

    # Turns

    @contextmanager
    def turn(self, patience: float | None = None) -> Iterator[None]:
        with self._queue.turn(self.patience if patience is None else patience):
            yield

    def taking_turn(
        self, tenants: Collection[str] | None, is_shared: bool = False
    ) -> tuple[Statement, ...]:
        # One that becomes a writer later fails at once where another was faster.
        return (("BEGIN IMMEDIATE", {}),)

    def probing(self) -> tuple[Statement, ...]:
        begin = self.taking_turn(None)
        patience = round(self.patience * 1000)
        return (("PRAGMA busy_timeout = 0", {}), *begin, (f"PRAGMA busy_timeout = {patience}", {}))

    def probe(self) -> None:
        needed = self._needed
        try:
            super().probe()
        except StoreBusy:
            self._writing.clear()  # it waits for nobody any more
            raise
        finally:
            self._needed = needed
        self._require_room(needed)

    def commit(self, connection: Connection, statements: Sequence[Statement] = ()) -> None:
        before = self._journal_size()
        super().commit(connection, statements)
        # What the journal has room for already needs none on the disk.
        self._needed = max(0, self._journal_size() - before) or self._needed

    def _journal_size(self) -> int:
        try:
            return self._journal.stat().st_size
        except FileNotFoundError:
            return 0

    def _require_room(self, size: int) -> None:
        """StoreUnavailable where so many more bytes don't fit on the disk."""
        if size == 0:
            return
        trial = self.path.with_name(self.path.name + ".tmp")
        try:
            descriptor = os.open(trial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
            try:
                reserve(descriptor, size)
            finally:
                os.close(descriptor)
                trial.unlink()
        except OSError as error:
            raise _unusable(error) from error

    # Statements

    def one_of(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        values = func.json_each(bindparam(name)).table_valued("value")
        return column.in_(select(values.c.value))

    def listed(self, values: tuple[str, ...]) -> str:
        return orjson.dumps(values).decode()

    def mentions(
        self, layout: Layout, records: FromClause, name: str, indexed: bool
    ) -> ColumnElement[bool]:
        found = func.instr(records.c.text, bindparam(name)) >= ONE
        if not indexed:
            return found
        # FTS5 folds once more, in a way of its own: what it finds is looked at.
        search = layout.fact.name + SEARCHES
        quote: ColumnElement[str] = literal_column("'\"'")
        quotes: ColumnElement[str] = literal_column("'\"\"'")
        quoted = func.replace(bindparam(name, type_=Text), quote, quotes)
        matches = column(search).match(quote.concat(quoted).concat(quote))
        rows: Select[Any] = select(column("rowid")).select_from(table_called(search)).where(matches)
        return and_(records.c.number.in_(rows), found)

    def pattern(self, word: str) -> str:
        return str(word)

    plans_by_totals = True

    def prefers_walk(self, total: int, everything: int, last: int) -> bool:
        # It keeps no statistics by itself, so they are reckoned with here: records looked at.
        return last * everything < total * total

    # Tables

    def taking_over(self) -> tuple[Statement, ...]:
        # What a statement that changes a whole table notes of it would else be kept in memory.
        return (("PRAGMA temp_store = FILE", {}), *self.taking_turn(None))

    def settle(self) -> None:
        # Readers then don't wait for writers. The file remembers it.
        connection = self.open_writer()
        connection.execute("PRAGMA journal_mode = WAL")
        connection.close()

    def tables(self, connection: Connection) -> set[str]:
        statement = "SELECT name FROM sqlite_master WHERE type = 'table'"
        names = {str(name) for (name,) in self.rows(connection, statement, {})}
        searches = tuple(f"{name}{SEARCHES}" for name in self.layouts)
        return {name for name in names if not name.startswith(("sqlite_", *searches))}

    def make(self, connection: Connection, layout: Layout) -> None:
        super().make(connection, layout)
        if layout.has_text:
            name, search = layout.fact.name, layout.fact.name + SEARCHES
            add = f"INSERT INTO {search}(rowid, text) VALUES (new.number, new.text);"
            drop = (
                f"INSERT INTO {search}({search}, rowid, text) "
                "VALUES ('delete', old.number, old.text);"
            )
            statements = [
                f"CREATE VIRTUAL TABLE {search} USING fts5("
                f"text, content={name}, content_rowid=number, columnsize=0, tokenize=trigram)",
                f"CREATE TRIGGER {search}_new AFTER INSERT ON {name} BEGIN {add} END",
                f"CREATE TRIGGER {search}_old AFTER DELETE ON {name} BEGIN {drop} END",
                f"CREATE TRIGGER {search}_both AFTER UPDATE OF text ON {name} "
                f"WHEN old.text IS NOT new.text BEGIN {drop} {add} END",
            ]
            self.ask(connection, [(statement, {}) for statement in statements])

    def drop(self, connection: Connection, name: str) -> None:
        for table in (name + SEARCHES, name):
            self.ask(connection, [(f"DROP TABLE IF EXISTS {table}", {})])

    def set_aside(self, connection: Connection, name: str, aside: str) -> None:
        found = "SELECT type, name FROM sqlite_master WHERE tbl_name = :name AND sql IS NOT NULL"
        self.ask(connection, [(f"DROP TABLE IF EXISTS {name}{SEARCHES}", {})])
        for kind, each in self.rows(connection, found, {"name": name}):
            if kind in ("index", "trigger"):
                self.ask(connection, [(f'DROP {kind} "{each}"', {})])
        self.ask(connection, [(f'ALTER TABLE "{name}" RENAME TO "{aside}"', {})])


def _unusable(error: OSError) -> StoreUnavailable:
    return StoreUnavailable(f"The data file can't be used: {error.strerror or 'unknown error'}.")


class Queue:
    """Whose turn it is to write, among the threads of this process and other processes.

    A process waits in the system's own queue for the file, which is served in order.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.renew()

    def renew(self) -> None:
        """In a forked child: forget threads that only the parent has."""
        self._threads = threading.Lock()

    @contextmanager
    def turn(self, patience: float) -> Iterator[None]:
        """Have the turn within; StoreBusy when it takes longer than so many seconds to come."""
        patience = min(patience, threading.TIMEOUT_MAX)
        deadline = time.monotonic() + patience
        threads = self._threads
        if not threads.acquire(timeout=patience):
            raise StoreBusy(BUSY)
        try:
            descriptor = self._locked(deadline)
            try:
                yield
            finally:
                # Closing is not enough: a child that was forked meanwhile has it open, too.
                fcntl.flock(descriptor, fcntl.LOCK_UN)
                os.close(descriptor)
        finally:
            threads.release()

    def _locked(self, deadline: float) -> int:
        try:
            descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise _unusable(error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < deadline:
                return _Waiting(descriptor).until(deadline)
            os.close(descriptor)
            raise StoreBusy(BUSY) from None
        return descriptor


class _Waiting(threading.Thread):
    """Waits for a locked file, which can't be given up; whoever asked can, after a while."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(daemon=True)
        self._descriptor = descriptor
        self._deciding = threading.Lock()
        self._is_locked = threading.Event()
        self._is_given_up = False

    def until(self, deadline: float) -> int:
        self.start()
        self._is_locked.wait(max(0.0, deadline - time.monotonic()))
        with self._deciding:
            if self._is_locked.is_set():
                return self._descriptor
            self._is_given_up = True
        raise StoreBusy(BUSY)

    def run(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        with self._deciding:
            if self._is_given_up:
                os.close(self._descriptor)
            else:
                self._is_locked.set()
