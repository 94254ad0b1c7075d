"""How `gunicorn app:app` runs; gunicorn finds this file by itself in the folder it starts in.

Options on the command line and in GUNICORN_CMD_ARGS go before what stands here. WEB_CONCURRENCY
sets the number of workers: one unless told, and more are safe.
"""

import errno
import os
import re
import select
import socket
import struct
import time
from logging import Formatter, LogRecord
from typing import Any

from gunicorn.glogging import Logger, SafeAtoms
from gunicorn.http.unreader import SocketUnreader
from gunicorn.util import close
from gunicorn.workers import gthread

# Reachable from this machine alone, until someone decides otherwise (`--bind 0.0.0.0:8000`):
# gunicorn itself would open every interface as soon as the environment holds a PORT.
bind = f"127.0.0.1:{os.environ.get('PORT') or 8000}"

# One process holds the records once, and its threads wait together for the disk: a commit may
# answer all writers that wait for it.
threads = 8

# Requests in flight when SIGTERM comes have this long to end. Below the 30 s after which process
# managers commonly kill, above the 5 s that a write waits at most for the lock of the file.
graceful_timeout = 20
# An idle connection waits in the poller and takes no thread, so that clients may reuse theirs.
keepalive = 5

# The longest line that gunicorn can take: a too long search is answered by the API, as
# problem+json, and not by gunicorn, as HTML.
limit_request_line = 8190
# What browsers, tracing and a few proxies add is far below; what is above is no client of ours.
limit_request_fields = 64
# A URL of that length may come back as a Referer.
limit_request_field_size = 8190

# Nobody's X-Forwarded-* is believed, not even from this machine, where the default would.
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS", "")

# The socket would lie in the user's home, shared by every gunicorn of that user.
control_socket_disable = True

accesslog = "-"
access_log_format = (
    '%(h)s - - %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %({x-request-id}o)s %(M)sms'
)

_SECRET_ATOM = re.compile(r"authorization|api[-_]?key|token|cookie|password")
# gunicorn says what is wrong with a request and then repeats what it could not read, keys and all.
_REPEATS_INPUT = re.compile(
    r"(Invalid request from ip=\S* [^:]*|Ignored premature client disconnection)[:.].*", re.DOTALL
)


def _redacted(text: str) -> str:
    # Imported in the workers alone: what the arbiter imports would survive a HUP, which is how
    # gunicorn takes up new code.
    from provisioning.web.redaction import redacted_target  # noqa: PLC0415

    return redacted_target(text)


class _RedactedAtoms(SafeAtoms):
    """What a format of the access log may name; redacted as it is read, since few are."""

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        if not isinstance(value, str):
            return value if value is None or isinstance(value, int) else "-"
        if _SECRET_ATOM.search(name.lower()) and value != "-":
            return "********"
        if name == "r":  # method, target, protocol
            return " ".join(map(_redacted, value.split(" ")))
        return _redacted(value)


class RedactingLogger(Logger):
    """gunicorn's logger, without the API keys that requests carry in target and headers."""

    atoms_wrapper_class = _RedactedAtoms

    def atoms(self, resp: Any, req: Any, environ: dict[str, Any], request_time: Any) -> Any:
        atoms = super().atoms(resp, req, environ, request_time)
        # The path as it was sent: decoded it could hold line breaks, or a ? inside a key.
        path = environ["RAW_URI"].partition("?")[0]
        atoms |= {"U": path, "{path_info}e": path}
        # The name of a Basic authorization: where a key stands when it is sent like a password.
        atoms["u"] = "-"
        return atoms


def _redact_record(record: LogRecord) -> bool:
    message = _REPEATS_INPUT.sub(r"\1", record.getMessage())
    record.msg, record.args = _redacted_words(message), ()
    if record.exc_info:
        record.exc_text = _redacted_words(Formatter().formatException(record.exc_info))
    return True


def _redacted_words(text: str) -> str:
    return re.sub(r"\S+", lambda word: _redacted(word[0]), text)


logger_class = RedactingLogger

# Seconds for a request to arrive whole: one of 1 MiB does so at half a megabit a second.
ARRIVAL = 20
# Seconds for a client to take more of an answer that doesn't fit into the system's buffers.
SENDING = 5
# Seconds for a client to close after its last answer, while it reads; then we do.
CLOSING = 2
# Bytes: the largest body, as the settings have it, and a head of the largest size.
_told = os.environ.get("PROVISIONING_MAX_BODY", "")
LARGEST_BODY = int(_told) if _told.isdecimal() else 2**20
LARGEST_REQUEST = LARGEST_BODY + limit_request_fields * limit_request_field_size
MORE_DATA = 65_536

# What says how long a body is, or that the client waits before it sends one.
_FRAMING = re.compile(
    rb"\r\n(?:content-length[ \t]*:[ \t]*0*([0-9]{1,10})[ \t]*(?=\r\n)"
    rb"|(transfer-encoding)[ \t]*:|(expect)[ \t]*:)",
    re.IGNORECASE,
)
_CHUNK_SIZE = re.compile(rb"([0-9a-f]{1,8})[^\r\n]*\r\n", re.IGNORECASE)


class _Reader(SocketUnreader):
    """What a thread has to read itself comes before the deadline, or not at all."""

    deadline = 0.0

    def chunk(self, size_hint: int | None = None) -> bytes:
        left = max(self.deadline - time.monotonic(), 0.001)
        self.sock.settimeout(min(left, self.sock.gettimeout() or left))
        return super().chunk(size_hint)


class Connection(gthread.TConn):
    """A connection whose requests are collected, and which is closed, without waiting for it."""

    def __init__(self, *facts: Any) -> None:
        super().__init__(*facts)
        self.is_ending = False
        self._forget()

    def _forget(self) -> None:
        self.deadline: float | None = None
        self._chunk = 0  # where the next chunk begins
        self._is_told_to_go_on = False

    def init(self) -> None:
        if self.initialized:
            return
        super().init()
        sending = struct.pack("ll", SENDING, 0)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, sending)
        self.parser.unreader = _Reader(self.sock)

    def receive(self) -> bool:
        """Take what was sent so far; whether it can be answered."""
        reader = self.parser.unreader
        if self.deadline is None:
            self.deadline = reader.deadline = time.monotonic() + ARRIVAL
        reader.buf.seek(0, os.SEEK_END)
        while reader.buf.tell() <= LARGEST_REQUEST:
            try:
                data = self.sock.recv(MORE_DATA, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return self._is_whole(reader.buf.getvalue())
            if not data:
                return True
            reader.buf.write(data)
        return True

    def _is_whole(self, data: bytes) -> bool:
        """Whether a request is there to its end, or so much of it that it will be refused."""
        head = data.find(b"\r\n\r\n")
        if head < 0:
            return False
        length, is_chunked, is_expecting = 0, False, False
        for digits, chunked, expect in _FRAMING.findall(data, 0, head + 2):
            if (digits or chunked) and (length or is_chunked):
                return True  # two lengths
            length = int(digits or length)
            is_chunked = is_chunked or bool(chunked)
            is_expecting = is_expecting or bool(expect)
        arrived = len(data) - head - 4
        if max(length, arrived) > LARGEST_BODY:
            return True
        if self._chunks_end(data, head + 4) if is_chunked else arrived >= length:
            return True
        if is_expecting and not self._is_told_to_go_on:
            self._is_told_to_go_on = True
            self.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n", socket.MSG_DONTWAIT)
        return False

    def _chunks_end(self, data: bytes, begin: int) -> bool:
        """Whether the last chunk is there, or one that is none."""
        at = max(self._chunk, begin)
        while found := _CHUNK_SIZE.match(data, at):
            size = int(found[1], 16)
            if size == 0:
                return data.find(b"\r\n\r\n", found.end() - 2) >= 0
            at = self._chunk = found.end() + size + 2
        return b"\n" in data[at:]

    def answered(self) -> None:
        """The next request may begin, and may take its time."""
        self._forget()

    def end(self) -> bool:
        """Say that no more answers come, and drop what is still sent; whether to wait for more."""
        try:
            if not self.is_ending:
                self.is_ending = True
                self.deadline = time.monotonic() + CLOSING
                self.sock.shutdown(socket.SHUT_WR)
            # Closing before the client has read could lose it the answer (RFC 9112, 9.6).
            return bool(self.sock.recv(MORE_DATA, socket.MSG_DONTWAIT))
        except BlockingIOError:
            return True

    @property
    def takes_answers(self) -> bool:
        """Not, when it goes on asking while the answers that it has not read fill the buffers."""
        room = select.poll()
        room.register(self.sock, select.POLLOUT)
        return bool(room.poll(0))

    @property
    def is_late(self) -> bool:
        return self.deadline is not None and time.monotonic() > self.deadline

    def close(self, graceful: bool = False) -> None:
        close(self.sock)


class PatientWorker(gthread.ThreadWorker):
    """gthread, but no thread waits for a client: not for its request, nor until it closes.

    gthread itself reads requests in its threads, so that as many slow clients as there are threads
    stop it, and its main loop waits up to 2 s for every client that doesn't close. Here both are
    left to the poller, in the way in which gthread waits for connections that are idle.
    """

    def accept(self, listener: Any) -> None:
        if self.cfg.is_ssl:  # can't be looked at without waiting
            super().accept(listener)
            return
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno not in {errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED}:
                raise
            return
        self.nr_conns += 1
        self.enqueue_req(Connection(self.cfg, client, address, listener.getsockname()))

    def handle(self, conn: Any) -> Any:
        if not isinstance(conn, Connection):
            return super().handle(conn)
        try:
            if not conn.is_ending:
                conn.init()
                if not conn.receive():
                    return False if conn.is_late else gthread._DEFER
                if not conn.takes_answers:
                    return False
                if super().handle(conn):
                    conn.answered()
                    return True
            return gthread._DEFER if conn.end() and not conn.is_late else False
        except OSError:  # the client has gone
            return False

    def _keepalive_after(self, conn: Any, keepalive: bool) -> bool:
        # What is left of a body that nobody wanted is dropped if it is there, not waited for.
        if isinstance(conn, Connection):
            conn.parser.unreader.deadline = time.monotonic()
        return bool(super()._keepalive_after(conn, keepalive))


worker_class = PatientWorker


def post_worker_init(worker: Any) -> None:
    # Not before: until now a worker that starts could miss a SIGTERM, and importing takes a while.
    worker.log.error_log.addFilter(_redact_record)
