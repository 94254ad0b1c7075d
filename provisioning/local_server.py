"""The HTTP handler of servers that a test starts in its own process, on loopback.

Every other server runs under gunicorn, which copes with hostile requests; this one need not.
"""

from collections.abc import Callable
from typing import Any, BinaryIO, cast

from werkzeug.exceptions import ClientDisconnected
from werkzeug.serving import WSGIRequestHandler
from werkzeug.wsgi import LimitedStream

BACKLOG = 128
PIECE = 65_536
BODILESS = (204, 304)


class Handler(WSGIRequestHandler):
    """Answers the requests of one connection, one after the other, and logs nothing."""

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
        # Read the rest of the body, which would otherwise be taken for the next request.
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
        """Log nothing: the output belongs to the program that runs the server."""
