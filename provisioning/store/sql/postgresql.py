"""PostgreSQL, or a cluster that speaks its protocol: one database for servers of many machines.

The turn of a tenant's changes is the row of the tenant: who has it locked looks at what the
changes before it have left, since each statement sees what is committed by then.
"""

import logging
import time
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, cast

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import ARRAY, ColumnElement, FromClause, Index, Text, any_, bindparam
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.schema import CreateIndex

from provisioning.store.errors import Collision, StoreUnavailable
from provisioning.store.form import Form
from provisioning.store.sql.columns import plain
from provisioning.store.sql.database import (
    BUSY,
    NOTHING_CHANGED,
    Connection,
    Database,
    Fault,
    Parameters,
    Statement,
)
from provisioning.store.sql.layout import META, Layout

UNREACHABLE = "The database can't be reached. Try again."
NO_URL = (
    "It is no URL that PostgreSQL's clients read. In a user's name and a password @ : / ? # and % "
    "are written as %40 %3A %2F %3F %23 and %25."
)
SAMPLE = 500
"""How finely PostgreSQL looks at the values of a column; 100 unless told."""
REFUSED = "The database refuses the user, the password or the database's name."
COLLISION = "Another change came between, nothing was changed. Try again."
MISFIT = "The tables aren't as this version of the server has made them."
READ_ONLY = "The database takes no changes at the moment, nothing was changed. Try again."
OLDEST = 150000
OLDEST_NAME = "15"
DEFAULT_PORT = "5432"
Host = tuple[str, str]
"""Name and port."""
IDS = "__ids"
TENANTS = "tenants"
"""The table whose rows are the turns; without it there is one turn for all."""
LOCK = 0x70726F76
"""The advisory lock of whoever makes or changes tables."""
TURN = "hashtextextended(current_schema() || '/' || %(key)s, 0)"
"""The advisory lock at which the changes of a tenant queue up."""
LONGEST_IDLE = 60
"""Seconds; a transaction whose server says nothing for so long is ended, and its turn with it."""
LONGEST_SILENCE = 3.0
"""Seconds; a server that says nothing for so long is asked whether it still greets others."""
SHORTEST_TIMEOUT = "2"
"""Seconds; libpq knows no shorter one."""
CONNECTING = {
    "connect_timeout": "5",
    "tcp_user_timeout": "3000",
    "keepalives": "1",
    "keepalives_idle": "2",
    "keepalives_interval": "1",
    "keepalives_count": "2",
    "target_session_attrs": "primary",
    "application_name": "provisioning",
}
"""How libpq connects unless the URL says otherwise: a host that has vanished is noticed soon, and
of several hosts the one that takes changes is used."""

FAULTS: dict[str, Callable[[], Fault]] = {
    # Clusters send the first; the last is a unique value that another tenant has taken meanwhile.
    "40001": lambda: Fault(Collision(COLLISION)),
    "40P01": lambda: Fault(Collision(COLLISION)),
    "23505": lambda: Fault(Collision(COLLISION)),
    "42P01": lambda: Fault(StoreUnavailable(MISFIT), is_misfit=True),
    "42703": lambda: Fault(StoreUnavailable(MISFIT), is_misfit=True),
    # A statement that was prepared for other columns.
    "0A000": lambda: Fault(StoreUnavailable(MISFIT), is_misfit=True),
    "55P03": lambda: Fault(StoreUnavailable(BUSY)),
    # What this connection leads to is no longer the one that takes changes.
    "25006": lambda: Fault(StoreUnavailable(READ_ONLY), is_stale=True),
    "53100": lambda: Fault(StoreUnavailable(f"{NOTHING_CHANGED}: No space left on device.")),
    "08": lambda: Fault(StoreUnavailable(UNREACHABLE), is_lost=True),
    "57P": lambda: Fault(StoreUnavailable(UNREACHABLE), is_lost=True),
    "53": lambda: Fault(StoreUnavailable(UNREACHABLE), is_lost=True),
}
"""What the database's errors mean, by how their SQLSTATE begins; an error of its own each time."""

REFUSALS = (
    "authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "does not exist",
)

log = logging.getLogger(__name__)


class Watched(psycopg.Connection[Any]):
    """A connection that gives its server up when that hangs.

    The system of such a host still acknowledges what is sent, so that nothing else tells it from a
    server that is busy with a long statement.
    """

    hangs: Callable[[], bool] = staticmethod(lambda: False)

    def wait(self, gen: Generator[Any, Any, Any], *args: Any, **facts: Any) -> Any:
        return super().wait(self._watched(gen), *args, **facts)

    def _watched(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        try:
            wanted, heard = next(gen), time.monotonic()
            while True:
                ready = yield wanted
                now = time.monotonic()
                if ready:
                    heard = now
                elif now - heard > LONGEST_SILENCE:
                    if self.hangs():
                        self.close()
                        raise psycopg.OperationalError("the server hangs")
                    heard = time.monotonic()
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value


class PostgreSQL(Database):
    """A database that a URL names, as libpq reads it."""

    errors = psycopg.Error
    writers = 8
    clock = "SELECT clock_timestamp()"

    def __init__(self, url: str, form: Form, patience: float) -> None:
        try:
            self._connecting: dict[str, Any] = {**CONNECTING, **conninfo_to_dict(url)}
        except psycopg.Error:
            # What the driver says would repeat parts of a password.
            raise StoreUnavailable(NO_URL) from None
        self._last_host: Host | None = None
        self._hanging: Host | None = None
        super().__init__(form, PGDialect_psycopg(), patience)  # type: ignore[no-untyped-call]

    # Connections

    def open_reader(self) -> psycopg.Connection[Any]:
        connection = self._open()
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        return connection

    def open_writer(self) -> psycopg.Connection[Any]:
        connection = self._open()
        connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        connection.autocommit = True
        patience = round(self.patience * 1000)
        connection.execute(
            f"SET lock_timeout = {patience}; "
            f"SET idle_in_transaction_session_timeout = {LONGEST_IDLE * 1000}"
        )
        connection.autocommit = False
        return connection

    def _open(self) -> psycopg.Connection[Any]:
        connection = Watched.connect(**self._from_last_host())
        host = self._last_host = connection.info.host, str(connection.info.port)
        connection.hangs = lambda: self._hangs(host)
        if connection.info.server_version < OLDEST:
            connection.close()
            raise StoreUnavailable(f"PostgreSQL {OLDEST_NAME} or later is needed.")
        return connection

    def _hangs(self, host: Host) -> bool:
        """Whether the server of a host doesn't even greet a new client any more."""
        told = self._told_for([host]) | {"connect_timeout": SHORTEST_TIMEOUT}
        try:
            psycopg.connect(**told).close()
        except psycopg.errors.ConnectionTimeout:
            self._hanging = host
            return True
        except psycopg.Error:
            pass  # an answer, too
        return False

    def _from_last_host(self) -> dict[str, Any]:
        """How to connect: of several hosts first to the last that was the right one, since one that
        has vanished takes its time to be given up, and last to one that hangs."""
        told = self._connecting
        hosts, ports = (str(told.get(name, "")).split(",") for name in ("host", "port"))
        if len(hosts) == 1 or "hostaddr" in told:
            return told
        ports = [port or DEFAULT_PORT for port in ports]
        pairs = list(zip(hosts, ports * len(hosts) if len(ports) == 1 else ports, strict=False))
        pairs.sort(key=lambda pair: (pair == self._hanging, pair != self._last_host))
        return self._told_for(pairs)

    def _told_for(self, hosts: Sequence[Host]) -> dict[str, Any]:
        names, ports = (",".join(part) for part in zip(*hosts, strict=True))
        return {**self._connecting, "host": names, "port": ports}

    def fault(self, error: Exception) -> Fault:
        state = str(getattr(error, "sqlstate", None) or "")
        for begins, fault in FAULTS.items():
            if state.startswith(begins):
                return fault()
        if not state and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            log.warning("the database: %s", str(error).partition("\n")[0])
            # A refusal to connect has no other mark than its text.
            is_refused = any(text in str(error) for text in REFUSALS)
            return Fault(StoreUnavailable(REFUSED if is_refused else UNREACHABLE), is_lost=True)
        log.error("unexpected error of the database", exc_info=error)
        return Fault(StoreUnavailable(f"{NOTHING_CHANGED}: the database says {state}."))

    def insert(self, connection: Connection, layout: Layout, rows: Sequence[Parameters]) -> None:
        names = ", ".join(f'"{layout.table.c[name].name}"' for name in layout.names)
        statement = f'COPY "{layout.fact.name}" ({names}) FROM STDIN'
        with self.explained(connection), connection.cursor().copy(statement) as copy:
            for row in rows:
                copy.write_row([row[name] for name in layout.names])

    def together(self, connection: Connection) -> AbstractContextManager[Any]:
        driver: psycopg.Connection[Any] = cast(Any, connection.driver_connection)
        return driver.pipeline()

    # Turns

    def taking_turn(
        self, tenants: Collection[str] | None, is_shared: bool = False
    ) -> tuple[Statement, ...]:
        # Statements of their own: one that reads besides would read what was before it waited.
        if tenants is None or TENANTS not in self.layouts:
            table = TENANTS if TENANTS in self.layouts else META
            return ((f'LOCK TABLE "{table}" IN EXCLUSIVE MODE', {}),)
        lock, shared = ("SHARE", "_shared") if is_shared else ("UPDATE", "")
        # A queue: those that share a row would let nobody else in as long as they overlap.
        queue = f"SELECT pg_advisory_xact_lock{shared}({TURN})"
        row = f'SELECT number FROM "{TENANTS}" WHERE key = %(key)s FOR {lock}'
        # In order, so that two that need several never wait for each other.
        keys = [{"key": key} for key in sorted(map(plain, tenants))]
        return tuple((statement, key) for key in keys for statement in (queue, row))

    # Statements

    def one_of(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        return column == any_(bindparam(name, type_=ARRAY(Text)))

    def listed(self, values: tuple[str, ...]) -> list[str]:
        return list(values)

    def mentions(
        self, layout: Layout, table: FromClause, name: str, indexed: bool
    ) -> ColumnElement[bool]:
        return table.c.text.like(bindparam(name))

    def pattern(self, word: str) -> str:
        escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        return f"%{escaped}%"

    # Tables

    def taking_over(self) -> tuple[Statement, ...]:
        # However long the other needs.
        patience = "set_config('lock_timeout', '0', true)"
        lock = "pg_advisory_xact_lock(%(lock)s, hashtext(current_schema()))"
        return ((f"SELECT {patience}, {lock}", {"lock": LOCK}),)

    def tables(self, connection: Connection) -> set[str]:
        statement = (
            "SELECT c.relname FROM pg_class c WHERE c.relkind IN ('r', 'p') "
            "AND c.relnamespace = current_schema()::regnamespace"
        )
        return {str(name) for (name,) in self.rows(connection, statement, {})}

    def make(self, connection: Connection, layout: Layout) -> None:
        super().make(connection, layout)
        name = layout.fact.name
        statements = [f'CREATE SEQUENCE IF NOT EXISTS "{name}{IDS}"']
        # By the usual sample the planner misjudges where two tables in the order of these columns
        # begin to meet, and looks up what it could merge.
        for column in ("key", *(f"r_{member}" for member in layout.fact.references)):
            statements.append(
                f'ALTER TABLE "{name}" ALTER COLUMN "{column}" SET STATISTICS {SAMPLE}'
            )
        self.ask(connection, [(statement, {}) for statement in statements])

    def drop(self, connection: Connection, name: str) -> None:
        self.ask(connection, [(f'DROP TABLE IF EXISTS "{name}"', {})])

    def set_aside(self, connection: Connection, name: str, aside: str) -> None:
        found = (
            "SELECT i.relname, x.indisprimary FROM pg_index x "
            "JOIN pg_class i ON i.oid = x.indexrelid "
            f"""WHERE x.indrelid = '"{name}"'::regclass"""
        )
        owned = f"""SELECT pg_get_serial_sequence('"{name}"', 'number')::regclass"""
        statements = [f'ALTER TABLE "{name}" RENAME TO "{aside}"']
        for index, is_primary in self.rows(connection, found, {}):
            gone = f'ALTER INDEX "{index}" RENAME TO "{aside}__key"'
            statements.append(gone if is_primary else f'DROP INDEX "{index}"')
        for (sequence,) in self.rows(connection, owned, {}):
            statements.append(f'ALTER SEQUENCE {sequence} RENAME TO "{aside}__number"')
        self.ask(connection, [(statement, {}) for statement in statements])

    def index_texts(self, connection: Connection) -> None:
        """Let words be found by their trigrams, where that may be had; else texts are scanned."""
        known = self.rows(connection, "SELECT indexname FROM pg_indexes", {})
        texts = [layout for layout in self.layouts.values() if layout.has_text]
        indexes = [
            Index(
                f"{layout.fact.name}__text",
                layout.table.c.text,
                postgresql_using="gin",
                postgresql_ops={"text": "gin_trgm_ops"},
            )
            for layout in texts
        ]
        statements = ["CREATE EXTENSION IF NOT EXISTS pg_trgm"] if indexes else []
        statements += [
            str(CreateIndex(index).compile(dialect=self.dialect))
            for index in indexes
            if (index.name,) not in known
        ]
        driver: psycopg.Connection[Any] = cast(Any, connection.driver_connection)
        try:
            with driver.transaction():
                for statement in statements:
                    driver.execute(statement)
                blind = indexes and driver.execute("SELECT show_trgm('é') = '{}'").fetchone()
        except psycopg.Error as error:
            log.warning("pg_trgm can't be had: searches look through all texts (%s).", error)
            return
        if blind == (True,):
            log.warning(
                "The locale of this database knows no letters but a to z: searches for others are "
                "right, but slow. Make the database with LC_CTYPE 'C.UTF-8'."
            )

    # Ids: a row would make the tenants wait for each other, a sequence leaves gaps instead

    def next_id(self, connection: Connection, name: str) -> int:
        if name not in self.layouts:
            return super().next_id(connection, name)
        return int(self.rows(connection, f"SELECT nextval('\"{name}{IDS}\"')", {})[0][0])

    def raise_id(self, connection: Connection, name: str, number: int) -> None:
        if name not in self.layouts:
            super().raise_id(connection, name, number)
        elif self._id(connection, name) < number:
            # Nobody takes an id from here until the transaction ends.
            self.ask(connection, [(f'ALTER SEQUENCE "{name}{IDS}" CACHE 1', {})])
            if self._id(connection, name) < number:
                self._restart(connection, name, number)

    def ids(self, connection: Connection) -> dict[str, int]:
        found = {table: self._id(connection, table) for table in self.layouts}
        return super().ids(connection) | {table: last for table, last in found.items() if last}

    def set_ids(self, connection: Connection, ids: Mapping[str, int]) -> None:
        super().set_ids(
            connection, {name: n for name, n in ids.items() if name not in self.layouts}
        )
        for table in self.layouts:
            self._restart(connection, table, ids.get(table, 0))

    def _id(self, connection: Connection, table: str) -> int:
        last = "CASE WHEN is_called THEN last_value ELSE last_value - 1 END"
        statement = f'SELECT {last} FROM "{table}{IDS}"'
        return int(self.rows(connection, statement, {})[0][0])

    def _restart(self, connection: Connection, table: str, number: int) -> None:
        statement = f'ALTER SEQUENCE "{table}{IDS}" RESTART WITH {number + 1}'
        self.ask(connection, [(statement, {})])
