"""An HTTP server for one's own machine: one process, a thread per connection, any free port.

Real deployments run gunicorn. This one starts in a moment, and shares its memory with whoever
started it.
"""

import re
import socket
import sys
import time
from typing import Any
from wsgiref.types import WSGIApplication

from werkzeug.serving import BaseWSGIServer, make_server

from provisioning.testing.listener import BACKLOG, Handler
from provisioning.web.redaction import redacted_target


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
