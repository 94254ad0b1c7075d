"""A WSGI application on a socket, started and stopped within a test.

The servers of the standard library and of Werkzeug take half a second to notice that they are
to stop, leave threads behind that serve open connections, and Werkzeug's ends each connection
after one answer. This one stops at once with all its threads, and keeps connections.
"""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO, cast
from wsgiref.types import WSGIApplication

from werkzeug.exceptions import ClientDisconnected
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler
from werkzeug.wsgi import LimitedStream

HOST = "127.0.0.1"
BACKLOG = 128
PIECE = 65_536
BODILESS = (204, 304)


class Handler(WSGIRequestHandler):
    """The requests of one connection, one after the other; says nothing on stderr."""

    protocol_version = "HTTP/1.1"
    server_version = "provisioning"
    sys_version = ""
    disable_nagle_algorithm = True

    def run_wsgi(self) -> None:
        environ = self.make_environ()
        if "wsgi.input_terminated" not in environ:
            length = environ.get("CONTENT_LENGTH", "0")
            if not (length.isascii() and length.isdigit()):
                self.send_error(400)
                return
            environ["wsgi.input"] = LimitedStream(cast(BinaryIO, self.rfile), int(length))
            environ["wsgi.input_terminated"] = True
        stream = environ["wsgi.input"]
        content = self.server.app(environ, self._start)
        try:
            body = b"".join(content)
        finally:
            cast(Callable[[], None], getattr(content, "close", lambda: None))()
        if not self._has_length and self._code not in BODILESS:
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close" if self.close_connection else "keep-alive")
        self.end_headers()
        self.wfile.write(body)
        # What the application left unread would be taken for the next request.
        try:
            while stream.read(PIECE):
                pass
        except (OSError, ClientDisconnected):
            self.close_connection = True

    def _start(self, status: str, headers: list[tuple[str, str]], *ignored: Any) -> Any:
        code, _, reason = status.partition(" ")
        self._code = int(code)
        self._has_length = any(name.lower() == "content-length" for name, _ in headers)
        self.send_response(self._code, reason)
        for name, value in headers:
            self.send_header(name, value)

    def log(self, *_: Any) -> None:
        """Drop it: a test's output is the test's."""


class Listener:
    """Listens on a free port of the loopback interface from construction until `close`."""

    # What Werkzeug's handler asks of its server
    multithread = True
    multiprocess = False
    ssl_context = None

    def __init__(self, application: WSGIApplication) -> None:
        self.app = application
        self._socket = socket.create_server((HOST, 0), backlog=BACKLOG)
        self.server_address: tuple[str, int] = self._socket.getsockname()
        self._closing = False
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._thread = threading.Thread(target=self._accept, name="provisioning", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening, cut open connections off and wait for their threads to end."""
        if self._closing:
            return
        self._closing = True
        # What wakes accept() up: the first on Linux, the second on macOS.
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
                raise
            if self._closing:
                connection.close()
                return
            thread = threading.Thread(
                target=self._serve,
                args=(connection, address),
                name="provisioning connection",
                daemon=True,
            )
            self._connections[connection] = thread
            thread.start()

    def _serve(self, connection: socket.socket, address: tuple[str, int]) -> None:
        try:
            with connection:
                Handler(connection, address, cast(BaseWSGIServer, self))
        finally:
            del self._connections[connection]
