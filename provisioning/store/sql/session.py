"""Sessions of PostgreSQL: how they are opened, what they are told, and when they are given up.

What the server needs of a session it sets itself, whatever a role, a database, a URL or libpq's
variables say. Behind a pooler, which may give each transaction another session, it does so in each
transaction, asks for nothing when it connects, and prepares no statements.
"""

import logging
import os
import re
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from provisioning.store import deadline
from provisioning.store.errors import StoreUnavailable
from provisioning.store.sql.pool import NoRoom

UNREACHABLE = "The database can't be reached. Try again."
REFUSED = "The database refuses the user, the password or the database's name."
REFUSES = "The database refuses connections at the moment; the server's log has its words."
FULL = (
    "The database has no connection left for this server: others have all that its "
    "max_connections, the role's CONNECTION LIMIT or the pooler allow. Try again."
)
NO_URL = (
    "It is no URL that PostgreSQL's clients read. In a user's name and a password @ : / ? # and % "
    "are written as %40 %3A %2F %3F %23 and %25."
)
OLDEST = 150000
OLDEST_NAME = "15"
DEFAULT_PORT = "5432"
Host = tuple[str, str]
"""Name and port."""
LONGEST_IDLE = 60
"""Seconds; a transaction whose server says nothing for so long is ended, and its turn with it."""
LONGEST_SILENCE = 3.0
"""Seconds; a server that says nothing for so long is asked whether it still greets others."""
AT_WORK = 1.0
"""Seconds; past the deadline one that says nothing for so long is given up."""
CANCELLING = 2.0
"""Seconds in which a server that was told to cancel has to say that it did."""
BEGINNING = 5.0
"""Seconds in which a new connection has to be served: a pooler lets it wait for a free one."""
POOLED = 3.0
"""Seconds after which a connection to a pooler is opened anew, at the end of its queue."""
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

STRICTER = "remote_apply"
"""A kind of commit that keeps what `on` keeps, and more."""
SET = (
    "SELECT set_config(name, CASE WHEN name <> 'synchronous_commit' THEN value "
    f"WHEN current_setting(name) = '{STRICTER}' THEN '{STRICTER}' ELSE value END, %(local)s) "
    "FROM unnest(%(names)s::text[], %(values)s::text[]) AS told(name, value)"
)
"""What sets settings, for the transaction or for the session."""
UNSURE = "01000"
"""The warning of a commit that didn't reach the standby: 'canceling wait for replication'."""
_WORD = re.compile(r"(?:\\.|[^\s\\])+")
_OPTION = re.compile(r"(?:-c|--)?([A-Za-z_][\w.-]*)=(.*)", re.DOTALL)
_ANSWER = re.compile(r"failed: \S+:  ")
"""How libpq shows what a server has answered, in whatever language that is."""
_FULL = ("too many connections", "too many clients", "remaining connection slots", "no more conn")
_REFUSED = (
    "authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "does not exist",
    "no such user",
    "no such database",
)

log = logging.getLogger(__name__)
# It tells of a connection that was lost within a pipeline, as we do.
logging.getLogger("psycopg").setLevel(logging.ERROR)


class Session(psycopg.Connection[Any]):
    """A connection that gives its server up when that hangs, or when nobody waits any longer.

    The system of a host that hangs still acknowledges what is sent, so that nothing else tells it
    from a server that is busy with a long statement.
    """

    hangs: Callable[[], bool] = staticmethod(lambda: False)
    is_pooled = False
    """Whether a pooler stands before the database."""
    is_unsure = False
    """Whether a commit was cancelled, so that nobody knows what is kept of it."""

    opened_at = 0.0

    @property
    def is_old(self) -> bool:
        """Whether it has had a place in a pooler for so long that others may wait for one."""
        return self.is_pooled and time.monotonic() - self.opened_at > POOLED

    def wait(self, gen: Generator[Any, Any, Any], *args: Any, **facts: Any) -> Any:
        return super().wait(self._watched(gen), *args, **facts)

    def _watched(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        end = time.monotonic() + deadline.left()
        is_cancelled = False
        try:
            wanted, heard = next(gen), time.monotonic()
            while True:
                ready = yield wanted
                now = time.monotonic()
                if ready:
                    heard = now
                elif is_cancelled and now - heard > AT_WORK:
                    self._give_up("the server doesn't end what it was told to cancel")
                elif now > end and now - heard > AT_WORK and not is_cancelled:
                    # A commit that waits for a standby is ended by nothing else.
                    is_cancelled = self.is_unsure = True
                    with suppress(psycopg.Error):
                        self.cancel_safe(timeout=CANCELLING)
                    heard = time.monotonic()
                elif now - heard > LONGEST_SILENCE:
                    if self.hangs():
                        self._give_up("the server hangs")
                    heard = time.monotonic()
                wanted = gen.send(ready)
        except StopIteration as end_of_it:
            return end_of_it.value

    def _give_up(self, why: str) -> None:
        self.close()
        raise psycopg.OperationalError(why)

    def note(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        """Take a notice of the server's."""
        self.is_unsure = self.is_unsure or diagnostic.sqlstate == UNSURE


class Sessions:
    """Opens sessions of the database that a URL names, as libpq reads it."""

    def __init__(self, url: str, patience: float) -> None:
        told = read_url(url)
        options = told.pop("options", None) or os.environ.get("PGOPTIONS", "")
        theirs, rest = _settings_in(str(options))
        self._connecting = {**CONNECTING, **told, "client_encoding": "UTF8"}
        if options:
            # What can be set later isn't asked for at first, which poolers refuse.
            self._connecting["options"] = rest
        self._theirs = theirs
        durable = theirs.get("synchronous_commit")
        self._ours = {
            "client_encoding": "UTF8",
            "synchronous_commit": STRICTER if durable == STRICTER else "on",
            "lock_timeout": str(round(patience * 1000)),
            "statement_timeout": "0",
            "idle_session_timeout": "0",
            "idle_in_transaction_session_timeout": str(LONGEST_IDLE * 1000),
        }
        self._last_host: Host | None = None
        self._hanging: Host | None = None
        self.is_pooled = False
        """Whether a pooler has been met."""

    def open(self) -> Session:
        """A new session. Raises what psycopg raises, or StoreUnavailable."""
        session = Session.connect(**self._from_last_host())
        try:
            host = self._last_host = session.info.host, str(session.info.port)
            session.opened_at = time.monotonic()
            session.hangs = lambda: self._hangs(host)
            session.add_notice_handler(session.note)
            if session.info.server_version < OLDEST:
                raise StoreUnavailable(f"PostgreSQL {OLDEST_NAME} or later is needed.")
            session.autocommit = True
            with deadline.within(BEGINNING):
                # A pooler gives its clients numbers of its own.
                (process,) = self._asked(session, "SELECT pg_backend_pid()", {})
                session.is_pooled = self.is_pooled = (
                    self.is_pooled or process != session.info.backend_pid
                )
                if session.is_pooled:
                    session.prepare_threshold = None
                else:
                    self._asked(session, *self.setting(session, is_local=False))
            session.autocommit = False
        except BaseException:
            session.close()
            raise
        return session

    @staticmethod
    def _asked(session: Session, statement: str, parameters: Mapping[str, Any]) -> tuple[Any, ...]:
        try:
            row: tuple[Any, ...] | None = session.execute(statement, parameters).fetchone()
        except psycopg.errors.QueryCanceled:
            raise NoRoom(FULL) from None
        except psycopg.OperationalError:
            if session.is_unsure:  # it was given up at the deadline
                raise NoRoom(FULL) from None
            raise
        return row or ()

    def setting(self, session: Session, is_local: bool) -> tuple[str, dict[str, Any]]:
        """The statement that tells a session, or a transaction, what the server needs."""
        told = self._theirs | self._ours
        if session.info.server_version >= 170000:  # noqa: PLR2004 - there is none before 17
            told["transaction_timeout"] = "0"
        return SET, {"names": [*told], "values": [*told.values()], "local": is_local}

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


def read_url(url: str) -> dict[str, Any]:
    """What a URL says, as libpq reads it. Raises StoreUnavailable, which repeats nothing of it."""
    query = url.partition("?")[2].partition("#")[0]
    names = {part.partition("=")[0] for part in query.split("&") if part}
    known = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}
    unknown = sorted(name for name in names - known - {"ssl"} if name.isidentifier())
    try:
        return conninfo_to_dict(url)
    except psycopg.Error:
        # What the driver says would repeat parts of a password.
        if unknown:
            raise StoreUnavailable(
                f"The URL has options that PostgreSQL's clients don't know: {', '.join(unknown)}."
            ) from None
        raise StoreUnavailable(NO_URL) from None


def _settings_in(options: str) -> tuple[dict[str, str], str]:
    """The settings in the options of a server's command line, and what is left of these."""
    settings: dict[str, str] = {}
    words = _WORD.findall(options)
    rest = []
    while words:
        word = words.pop(0)
        if word == "-c" and words:
            word += words.pop(0)
        match = _OPTION.fullmatch(re.sub(r"\\(.)", r"\1", word)) if word.startswith("-") else None
        if match is None:
            rest.append(word)
        else:
            settings[match[1].replace("-", "_").lower()] = match[2]
    return settings, " ".join(rest)


def refusal(error: Exception) -> StoreUnavailable:
    """Why there is no connection. Before there is one, nothing but words tells."""
    text = str(error)
    if any(words in text for words in _FULL):
        return NoRoom(FULL)
    if any(words in text for words in _REFUSED):
        return StoreUnavailable(REFUSED)
    return StoreUnavailable(REFUSES if _ANSWER.search(text) else UNREACHABLE)
