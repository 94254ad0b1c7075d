"""PostgreSQL, or a cluster that speaks its protocol: one database for servers of many machines.

The turn of a tenant's changes is the row of the tenant: who has it locked looks at what the
changes before it have left, since each statement sees what is committed by then.
"""

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from sqlalchemy import ARRAY, ColumnElement, FromClause, Text, any_, bindparam, cast, func, select
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from provisioning.store.errors import Collision, StoreBusy, StoreUnavailable
from provisioning.store.form import Form
from provisioning.store.sql.columns import plain
from provisioning.store.sql.database import (
    BUSY,
    NOTHING_CHANGED,
    Database,
    Fault,
    Parameters,
    Rows,
    Statement,
)
from provisioning.store.sql.layout import META, Layout
from provisioning.store.sql.pool import Connection, NoRoom, Pool
from provisioning.store.sql.rights import require_fit
from provisioning.store.sql.session import FULL, UNREACHABLE, Session, Sessions, refusal

SAMPLE = 500
"""How finely PostgreSQL looks at the values of a column; 100 unless told."""
COLLISION = "Another change came between, nothing was changed. Try again."
MISFIT = "The tables aren't as this version of the server has made them."
READ_ONLY = "The database takes no changes at the moment, nothing was changed. Try again."
TOO_LATE = "The database took too long, and was told to stop; nothing was changed. Try again."
BAD_OPTION = "The database refuses a setting in the URL's options or PGOPTIONS: the log names it."
DENIED = (
    "The database refuses the server a right that it needs, nothing was changed. The server's log "
    "names it; GRANT it to the user."
)
IDS = "__ids"
TENANTS = "tenants"
"""The table whose rows are the turns; without it there is one turn for all."""
LOCK = 0x70726F76
"""The advisory lock of whoever makes or changes tables."""
TURN = "hashtextextended(current_schema() || '/' || %(key)s, 0)"
"""The advisory lock at which the changes of a tenant queue up."""
FAULTS: dict[str, Callable[[], Fault]] = {
    # Clusters send the first; the last is a unique value that another tenant has taken meanwhile.
    "40001": lambda: Fault(Collision(COLLISION)),
    "40P01": lambda: Fault(Collision(COLLISION)),
    "23505": lambda: Fault(Collision(COLLISION)),
    "42P01": lambda: Fault(StoreUnavailable(MISFIT), is_misfit=True),
    "42703": lambda: Fault(StoreUnavailable(MISFIT), is_misfit=True),
    # A statement that was prepared for other columns.
    "0A000": lambda: Fault(StoreUnavailable(MISFIT), is_misfit=True),
    "55P03": lambda: Fault(StoreBusy(BUSY)),
    "57014": lambda: Fault(StoreUnavailable(TOO_LATE)),
    "42501": lambda: Fault(StoreUnavailable(DENIED)),
    # Only when a session is opened.
    "42704": lambda: Fault(StoreUnavailable(BAD_OPTION)),
    "22023": lambda: Fault(StoreUnavailable(BAD_OPTION)),
    "55P02": lambda: Fault(StoreUnavailable(BAD_OPTION)),
    # A pooler has given the statement to another session than that which it was prepared in.
    "26000": lambda: Fault(Collision(COLLISION), is_stale=True),
    "42P05": lambda: Fault(Collision(COLLISION), is_stale=True),
    # What this connection leads to is no longer the one that takes changes.
    "25006": lambda: Fault(StoreUnavailable(READ_ONLY), is_stale=True),
    "53100": lambda: Fault(StoreUnavailable(f"{NOTHING_CHANGED}: No space left on device.")),
    "53300": lambda: Fault(NoRoom(FULL), is_lost=True),
    "08": lambda: Fault(StoreUnavailable(UNREACHABLE), is_lost=True),
    "25P03": lambda: Fault(StoreUnavailable(UNREACHABLE), is_lost=True),
    "25P04": lambda: Fault(StoreUnavailable(UNREACHABLE), is_lost=True),
    "57P": lambda: Fault(StoreUnavailable(UNREACHABLE), is_lost=True),
    "53": lambda: Fault(StoreUnavailable(UNREACHABLE), is_lost=True),
}
"""What the database's errors mean, by how their SQLSTATE begins; an error of its own each time."""
FOREIGN_STATEMENT = ("26000", "42P05")
SILENCE = 10.0
"""Seconds for which the same words of a database are not logged again."""
EXTENSION = """
DO $$ BEGIN
    IF to_regnamespace('public') IS NULL
    THEN CREATE EXTENSION IF NOT EXISTS pg_trgm;
    ELSE CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public;
    END IF;
END $$
"""
"""A database has it once, for all its schemas: best in one that nobody drops."""
EXTENDED = (
    "SELECT quote_ident(n.nspname) FROM pg_extension e "
    "JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_trgm'"
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

log = logging.getLogger(__name__)


class PostgreSQL(Database):
    """A database that a URL names, as libpq reads it."""

    errors = psycopg.Error
    readers = writers = 8
    """They share their connections, of which a request needs one at a time."""
    patiently = (("SELECT set_config('lock_timeout', '0', true)", {}),)
    # As a number, which no setting has a say in.
    clock = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"

    def __init__(self, url: str, form: Form, patience: float) -> None:
        self._sessions = Sessions(url, patience)
        self._told = ("", 0.0)
        super().__init__(form, PGDialect_psycopg(), patience)  # type: ignore[no-untyped-call]

    # Connections

    def open_reader(self) -> Session:
        return self._sessions.open()

    open_writer = open_reader

    def _pools(self) -> tuple[Pool, Pool]:
        pool = Pool(
            lambda: self.opened(reads=True),
            self.readers,
            self.patience,
            is_remote=True,
            is_old=lambda session: session.is_old,
        )
        return pool, pool

    def share(self, threads: int) -> None:
        self._reading.size = max(1, min(self.readers, threads - 1))

    def beginning(self, connection: Connection, reads: bool) -> tuple[Statement, ...]:
        session: Session = connection.driver
        session.is_unsure = False
        levels = psycopg.IsolationLevel
        level = levels.REPEATABLE_READ if reads else levels.READ_COMMITTED
        if session.isolation_level != level:
            # A default that lets nothing be changed stays.
            session.isolation_level, session.read_only = level, reads or None
        return (self._sessions.setting(session, is_local=True),) if session.is_pooled else ()

    def time_of(self, answer: Rows) -> datetime:
        return EPOCH + timedelta(microseconds=answer[0][0])

    def is_unsure(self, connection: Connection) -> bool:
        return bool(connection.driver.is_unsure)

    def fault(self, error: Exception) -> Fault:
        state = str(getattr(error, "sqlstate", None) or "")
        words = str(error).partition("\n")[0]
        if state in FOREIGN_STATEMENT:
            self._sessions.is_pooled = True
        for begins, fault in FAULTS.items():
            if state.startswith(begins):
                if not isinstance(fault().error, Collision):
                    self._log(words)
                return fault()
        if not state and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            self._log(words)
            return Fault(refusal(error), is_lost=True)
        log.error("unexpected error %s of the database: %s", state, words)
        return Fault(StoreUnavailable(f"The database says {state}, nothing was changed."))

    def _log(self, words: str) -> None:
        """Log the database's words, but not the same ones over and over while it is away."""
        now = time.monotonic()
        if self._told[0] != words or now - self._told[1] > SILENCE:
            self._told = words, now
            log.warning("the database: %s", words)

    def insert(self, connection: Connection, layout: Layout, rows: Sequence[Parameters]) -> None:
        names = ", ".join(f'"{layout.table.c[name].name}"' for name in layout.names)
        statement = f'COPY "{layout.fact.name}" ({names}) FROM STDIN'
        with self.explained(connection), connection.driver.cursor().copy(statement) as copy:
            for row in rows:
                copy.write_row([row[name] for name in layout.names])

    def together(self, connection: Connection) -> AbstractContextManager[Any]:
        driver: Session = connection.driver
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

    def probing(self) -> tuple[Statement, ...]:
        names = ", ".join(f'"{name}"' for name in self.layouts)
        return ((f"LOCK TABLE {names} IN ROW EXCLUSIVE MODE NOWAIT", {}),)

    # Statements

    def one_of(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        return column == any_(cast(bindparam(name), ARRAY(Text)))

    def each_of(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        # What the planner can't look into it doesn't plan anew for each list.
        values = select(func.unnest(cast(bindparam(name), ARRAY(Text)))).scalar_subquery()
        return column == any_(func.array(values, type_=ARRAY(Text)))

    def listed(self, values: tuple[str, ...]) -> str:
        escaped = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
        return "{" + ",".join(f'"{each}"' for each in escaped) + "}"

    def mentions(
        self, layout: Layout, table: FromClause, name: str, indexed: bool
    ) -> ColumnElement[bool]:
        return table.c.text.like(bindparam(name))

    def pattern(self, word: str) -> str:
        escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        return f"%{escaped}%"

    # Tables

    def taking_over(self) -> tuple[Statement, ...]:
        lock = "SELECT pg_advisory_xact_lock(%(lock)s, hashtext(current_schema()))"
        return (*self.patiently, (lock, {"lock": LOCK}))

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

    def require_fit(self, connection: Connection) -> None:
        require_fit(self, connection, [f"{name}{IDS}" for name in self.layouts])

    def drop(self, connection: Connection, name: str) -> None:
        # Another schema of the search path may have one of this name, too.
        ((schema,),) = self.rows(connection, "SELECT quote_ident(current_schema())", {})
        self.ask(connection, [(f'DROP TABLE IF EXISTS {schema}."{name}"', {})])

    def grants(self, connection: Connection) -> list[Statement]:
        found = (
            "SELECT c.relname, c.relkind = 'S', a.privilege_type, "
            "coalesce(quote_ident(r.rolname), 'PUBLIC') "
            "FROM pg_class c CROSS JOIN aclexplode(c.relacl) a "
            "LEFT JOIN pg_roles r ON r.oid = a.grantee "
            "WHERE c.relnamespace = current_schema()::regnamespace "
            "AND c.relkind IN ('r', 'p', 'S') AND a.grantee <> c.relowner"
        )
        own = {*self.layouts, *(each.name for each in self.own)}
        own |= {f"{name}_number_seq" for name in self.layouts}
        return [
            (f'GRANT {right} ON {"SEQUENCE " if is_sequence else ""}"{name}" TO {role}', {})
            for name, is_sequence, right, role in self.rows(connection, found, {})
            if name in own
        ]

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
        known = self.rows(
            connection, "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()", {}
        )
        wanted = {
            f"{layout.fact.name}__text": layout.fact.name
            for layout in self.layouts.values()
            if layout.has_text
        }
        missing = {name: table for name, table in wanted.items() if (name,) not in known}
        driver: Session = connection.driver
        try:
            with driver.transaction():
                driver.execute(EXTENSION)
                ((schema,),) = driver.execute(EXTENDED).fetchall()
                for name, table in missing.items():
                    driver.execute(
                        f'CREATE INDEX "{name}" ON "{table}" USING gin (text {schema}.gin_trgm_ops)'
                    )
                blind = driver.execute(f"SELECT {schema}.show_trgm('é') = '{{}}'").fetchone()
        except psycopg.Error as error:
            words = str(error).partition("\n")[0]
            log.warning("pg_trgm can't be had: searches look through all texts (%s).", words)
            return
        if blind == (True,):
            log.warning(
                "The locale of this database knows no letters but a to z: searches for others are "
                "right, but slow. Make the database with LC_CTYPE 'C.UTF-8'."
            )

    # Ids: a row would make the tenants wait for each other, a sequence leaves gaps instead

    def counting(self, name: str) -> Statement:
        if name not in self.layouts:
            return super().counting(name)
        return f"SELECT nextval('\"{name}{IDS}\"')", {}

    def raise_id(self, connection: Connection, name: str, number: int) -> None:
        if name not in self.layouts:
            super().raise_id(connection, name, number)
        else:
            self._raise(connection, name, number)

    def ids(self, connection: Connection) -> dict[str, int]:
        found = {table: self._id(connection, table) for table in self.layouts}
        return super().ids(connection) | {table: last for table, last in found.items() if last}

    def set_ids(self, connection: Connection, ids: Mapping[str, int]) -> None:
        super().set_ids(
            connection, {name: n for name, n in ids.items() if name not in self.layouts}
        )
        for table in self.layouts:
            number = ids.get(table, 0)
            if self._id(connection, table) < number:
                self._raise(connection, table, number)
            elif self._id(connection, table) > number:
                # Only their owner may count again from where a sequence has been.
                statement = f'ALTER SEQUENCE "{table}{IDS}" RESTART WITH {number + 1}'
                self.ask(connection, [(statement, {})])

    def _id(self, connection: Connection, table: str) -> int:
        last = "CASE WHEN is_called THEN last_value ELSE last_value - 1 END"
        statement = f'SELECT {last} FROM "{table}{IDS}"'
        return int(self.rows(connection, statement, {})[0][0])

    def _raise(self, connection: Connection, table: str, number: int) -> None:
        """Give nothing up to this number any more, which stays so whatever becomes of the rest."""
        sequence = f"{table}{IDS}"
        alone = "SELECT pg_advisory_xact_lock(%(lock)s, hashtext(current_schema() || %(name)s))"
        higher = (
            f'SELECT setval(\'"{sequence}"\', %(number)s) FROM "{sequence}" '
            "WHERE CASE WHEN is_called THEN last_value ELSE last_value - 1 END < %(number)s"
        )
        self.ask(connection, [(alone, {"lock": LOCK, "name": table}), (higher, {"number": number})])
