"""An HTTP server for one's own machine: one process, a thread per connection, any free port.

Real deployments run gunicorn. This one starts in a moment, and shares its memory with whoever
started it.
"""

import re
import socket
import sys
import time
from collections.abc import Callable
from typing import Any, BinaryIO, cast
from wsgiref.types import WSGIApplication

from werkzeug.exceptions import ClientDisconnected
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wsgi import LimitedStream

from provisioning.web.redaction import redacted_target

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
        """Drop it: whoever runs the server has its own output."""


class SilentHandler(Handler):
    """Serves without a word: nobody may be reading what the process writes."""

    timeout = 60
    """Seconds that an idle or stuck client may keep its thread."""


class LoggingHandler(SilentHandler):
    """Writes a line per request to stderr, API keys redacted."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        request = self.requestline.rpartition(" HTTP/")[0] or self.requestline
        self.log("info", "%s %s", request, str(int(code)) if isinstance(code, int) else code)

    def log(self, *words: Any) -> None:
        _, message, *values = words
        text = (message % tuple(values)).translate(self._control_char_table)
        line = re.sub(r"\S+", lambda word: redacted_target(word[0]), text)
        sys.stderr.write(f"{time.strftime('%H:%M:%S')} {line}\n")


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 is any free one. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def url_of(listener: socket.socket) -> str:
    """Where a client on this machine reaches a listening socket."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - shown, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def local_server(
    listener: socket.socket, application: WSGIApplication, is_logging: bool = False
) -> BaseWSGIServer:
    """A server over a copy of a listening socket: close yours, then call `serve_forever()`."""
    host, port = listener.getsockname()[:2]
    return make_server(
        host,
        port,
        application,
        threaded=True,
        request_handler=LoggingHandler if is_logging else SilentHandler,
        fd=listener.fileno(),
    )
