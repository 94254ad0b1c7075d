"""The request target as it was sent, which tells more than the decoded path of WSGI."""

import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote, unquote_to_bytes, urlsplit

Environ = dict[str, Any]
Application = Callable[[Environ, Any], Iterable[bytes]]

ENCODED_SLASH = re.compile("%2f", re.IGNORECASE)
NO_NAME = "\0"
"""A character that no name contains: a path with it leads to a route, but to no record."""


def raw_target(environ: Environ) -> str:
    return str(environ.get("RAW_URI") or environ.get("REQUEST_URI") or "")


def raw_path(environ: Environ) -> str:
    """The path as it was sent, without its query."""
    target = raw_target(environ)
    if not target.startswith("/"):
        target = urlsplit(target).path
    path = target.partition("?")[0].partition("#")[0]
    sent = path or quote(environ.get("PATH_INFO", "/").encode("latin-1", "replace"))
    return sent.encode("latin-1", "replace").decode("utf-8", "replace")


class Targets:
    """Middleware for request targets.

    It drops one trailing slash, keeps an encoded slash as a part of a name, and takes the host
    from a target in absolute form (RFC 9112, 3.2.2). A path that begins with two slashes leads
    nowhere: werkzeug would drop them, after a proxy has applied its rules for paths.
    """

    def __init__(self, application: Application) -> None:
        self.application = application

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        target = raw_target(environ)
        if not target.startswith("/") and "://" in target:
            environ["HTTP_HOST"] = urlsplit(target).netloc.rpartition("@")[2]
        path = environ.get("PATH_INFO", "")
        if len(path) > 1 and path.endswith("/") and not path.endswith("//"):
            environ["PATH_INFO"] = path = path[:-1]
        if "%" in target and ENCODED_SLASH.search(raw_path(environ)):
            environ["PATH_INFO"] = path = self._with_opaque_slashes(raw_path(environ))
        elif not path.isascii() and not _is_utf8(path):
            environ["PATH_INFO"] = path = path + NO_NAME
        if path.startswith("//"):
            environ["PATH_INFO"] = f"/{NO_NAME}{path}"
        return self.application(environ, start_response)

    @staticmethod
    def _with_opaque_slashes(raw: str) -> str:
        if raw.endswith("/"):
            raw = raw[:-1]
        opaque = ENCODED_SLASH.sub("%00", raw)
        return unquote_to_bytes(opaque).decode("latin-1")


def _is_utf8(path: str) -> bool:
    try:
        path.encode("latin-1").decode()
    except UnicodeError:
        return False
    return True
