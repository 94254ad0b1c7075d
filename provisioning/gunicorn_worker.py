"""gunicorn's threaded worker, made safe against slow clients; gunicorn.conf.py names it.

Behind a proxy that collects requests it changes nothing. It leans on the inside of the gunicorn
that requirements.txt pins, and tests/edge/test_slow_clients.py holds it to that.
"""

import errno
import os
import re
import select
import socket
import struct
import time
from typing import Any

from gunicorn.http.unreader import SocketUnreader
from gunicorn.util import close
from gunicorn.workers import gthread

LARGEST_HEAD = 64 * 8190
"""Bytes: as many header fields, each as long, as gunicorn.conf.py lets in."""
# Seconds for a request to arrive whole: one of 1 MiB does so at half a megabit a second.
ARRIVAL = 20
# Seconds for a client to take more of an answer that doesn't fit into the system's buffers.
SENDING = 5
# Seconds for a client to close after its last answer, while it reads; then we do.
CLOSING = 2
# Bytes: the largest body, as the settings have it, and a head of the largest size.
_told = os.environ.get("PROVISIONING_MAX_BODY", "")
LARGEST_BODY = int(_told) if _told.isdecimal() else 2**20
LARGEST_REQUEST = LARGEST_BODY + LARGEST_HEAD
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
