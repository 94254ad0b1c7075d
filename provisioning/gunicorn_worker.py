"""The worker of gunicorn that serves, in deployments and in `provisioning serve` alike.

It is gunicorn's gthread, but for how a connection ends. gthread waits up to 2 s for a client to
close, in the loop that serves all others; here a thread that answers nobody does. Every byte of
HTTP is left to gunicorn.

gunicorn's main process imports this module, and would keep the old version of what it imports
after a HUP; so that is nothing of ours.
"""

import selectors
import socket
import ssl
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from gunicorn.workers.gthread import PollableMethodQueue, ThreadWorker

PATIENCE = 2.0
"""Seconds for which a client may take to close its connection after the last answer. What it still
sends is read and dropped: if bytes were left unread, the client would lose the answer. So a client
that sends a body which is refused as too large, and reads only then, gets the answer, too."""
MOST_CLOSING = 1_000
"""The most connections that wait for their clients; if there are more, the oldest is closed."""
CHUNK = 65_536
WAITING = 56
"""Threads beside those of the setting, for requests that wait for a place to change something: so
others read meanwhile, also if the setting is 1. A thread is made only when it is needed."""


class Closing:
    """Connections that have had their last answer. One thread waits for all their clients."""

    def __init__(self) -> None:
        self._deadlines: dict[socket.socket, float] = {}
        """Each connection's, the first to end first."""
        self._is_finishing = False
        self._calls = PollableMethodQueue()
        self._calls.init()
        self._poller = selectors.DefaultSelector()
        self._poller.register(self._calls.fileno(), selectors.EVENT_READ, self._calls.run_callbacks)
        self._thread = threading.Thread(target=self._run, name="closing", daemon=True)
        self._thread.start()

    def take(self, connection: socket.socket) -> None:
        """Tell the client that no more comes, wait for it to close, and close the connection."""
        self._calls.defer(self._begin, connection)

    def finish(self) -> None:
        """Wait for the clients of all connections that were taken; this takes PATIENCE at most."""
        self._calls.defer(self._stop)
        self._thread.join(PATIENCE)

    def _run(self) -> None:
        while self._deadlines or not self._is_finishing:
            first = next(iter(self._deadlines.values()), None)
            left = None if first is None else max(0.0, first - time.monotonic())
            for key, _ in self._poller.select(left):
                key.data(key.fileobj)
            now = time.monotonic()
            for connection in [each for each, end in self._deadlines.items() if end <= now]:
                self._end(connection)

    def _stop(self) -> None:
        self._is_finishing = True

    def _begin(self, connection: socket.socket) -> None:
        try:
            connection.setblocking(False)
            connection.shutdown(socket.SHUT_WR)
            self._poller.register(connection, selectors.EVENT_READ, self._read)
        except (OSError, ValueError, KeyError):  # it is closed already
            connection.close()
            return
        self._deadlines[connection] = time.monotonic() + PATIENCE
        if len(self._deadlines) > MOST_CLOSING:
            self._end(next(iter(self._deadlines)))

    def _read(self, connection: socket.socket) -> None:
        if connection not in self._deadlines:
            return
        try:
            is_over = not connection.recv(CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except OSError:
            is_over = True
        if is_over:
            self._end(connection)

    def _end(self, connection: socket.socket) -> None:
        del self._deadlines[connection]
        with suppress(OSError, ValueError, KeyError):  # it is closed already
            self._poller.unregister(connection)
        connection.close()


class Worker(ThreadWorker):
    """gthread, which waits for no client to close, and has threads in which changes wait."""

    waiting = WAITING

    def get_thread_pool(self) -> ThreadPoolExecutor:
        # At least one thread more than there are places and requests that wait for one.
        return ThreadPoolExecutor(max_workers=max(2, self.cfg.threads) + self.waiting)

    def init_process(self) -> None:
        self.closing = Closing()
        super().init_process()

    def run(self) -> None:
        super().run()
        self.closing.finish()

    def handle_request(self, req: Any, conn: Any) -> bool:
        """Answer a request; whether the connection may be kept, which the hook `post_request` may
        forbid."""
        return super().handle_request(req, conn) and not req.should_close()

    def finish_request(self, conn: Any, fs: "Future[Any]") -> None:
        if fs.cancelled() or fs.exception() or fs.result() is not False:
            super().finish_request(conn, fs)
        else:
            self.nr_conns -= 1
            self.closing.take(conn.sock)
