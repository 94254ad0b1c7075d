"""Serving a WSGI application on a socket, started and stopped within a test.

The servers of the standard library and of Werkzeug take half a second to stop, and leave threads
of open connections behind; Werkzeug's also ends each connection after one answer. This one stops
at once with all its threads, and keeps connections open.
"""

import errno
import socket
import threading
import time
from contextlib import suppress
from typing import cast
from wsgiref.types import WSGIApplication

from werkzeug.serving import BaseWSGIServer

from provisioning.local_server import BACKLOG, Handler

PAUSE = 0.05
"""Seconds until the next try, if a connection can't be taken for lack of descriptors or threads."""


class Listener:
    """Listens on a port from construction until `close`; port 0 is any free port.

    Raises OSError if it can't listen. It ignores `socket.setdefaulttimeout`.
    """

    # Attributes that Werkzeug's handler needs of its server.
    multithread = True
    multiprocess = False
    ssl_context = None

    def __init__(
        self, application: WSGIApplication, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.app = application
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family, backlog=BACKLOG)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                advice = f"port {port} of {host} is taken. Choose another, or 0 for any free one"
                raise OSError(error.errno, advice) from error
            raise
        self._socket.settimeout(None)
        self.server_address: tuple[str, int] = self._socket.getsockname()[:2]
        self._closing = False
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._thread = threading.Thread(target=self._accept, name="provisioning", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening, cut open connections off and wait for their threads to end."""
        if self._closing:
            return
        self._closing = True
        # These wake accept() up: the first on Linux, the second on macOS.
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            socket.create_connection(self.server_address, 1).close()
        self._thread.join()
        self._socket.close()
        connections = list(self._connections.items())
        for connection, _ in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for _, thread in connections:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, address = self._socket.accept()
            except ConnectionError:  # gone before its turn came
                continue
            except OSError:
                if self._closing:
                    return
                # No descriptor is free. The connection waits until one is.
                time.sleep(PAUSE)
                continue
            if self._closing:
                connection.close()
                return
            connection.settimeout(None)
            thread = threading.Thread(
                target=self._serve,
                args=(connection, address),
                name="provisioning connection",
                daemon=True,
            )
            self._connections[connection] = thread
            try:
                thread.start()
            except RuntimeError:  # no further thread can be had
                del self._connections[connection]
                connection.close()
                time.sleep(PAUSE)

    def _serve(self, connection: socket.socket, address: tuple[str, int]) -> None:
        try:
            with connection:
                Handler(connection, address, cast(BaseWSGIServer, self))
        finally:
            del self._connections[connection]
