"""The order in which a request is checked before its view runs (section 6), and what every
answer carries."""

import functools
import time
from collections.abc import Iterable, Mapping
from typing import Any

from flask import Flask, Response
from flask.globals import request_ctx
from flask.sessions import NullSession, SessionInterface
from flask.typing import ResponseReturnValue
from werkzeug.routing import MapAdapter

from provisioning.web import logs, metrics
from provisioning.web.caller import caller_of
from provisioning.web.context import Request, current, repeated
from provisioning.web.cors import SAFE, require_same_site
from provisioning.web.hosts import believe_proxy, require_allowed_host, require_local_client
from provisioning.web.operation import Variable
from provisioning.web.routing import operation_of, shown_path
from provisioning.web.server import SERVER, Server

REQUEST_ID = "X-Request-ID"
WITHOUT_CONTENT = frozenset({"204", "304"})
CARRIED = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("X-Frame-Options", "DENY"),
)
"""What every answer carries that doesn't say otherwise."""

Environ = dict[str, Any]
Headers = list[tuple[str, str]]


class NoSessions(SessionInterface):
    """Nobody is remembered from one request to the next."""

    nobody = NullSession()

    def open_session(self, app: Flask, request: Any) -> NullSession:
        return self.nobody


class Application(Flask):
    """Flask, whose requests are our own and whose answers, errors too, carry what each must."""

    request_class = Request
    session_interface = NoSessions()
    variables: Mapping[str, Variable] = {}
    """What documents call the variables of paths, by the path up to each."""

    def ensure_sync(self, func: Any) -> Any:
        """No view of ours is a coroutine; to look whether it is one takes its time."""
        return func

    def request_context(self, environ: Environ) -> Any:
        parts: Server | None = environ.setdefault(SERVER, self.extensions.get(SERVER))
        if parts is not None and parts.settings.proxies:
            believe_proxy(environ, parts.settings.proxies)
        return super().request_context(environ)

    def create_url_adapter(self, request: Any) -> MapAdapter | None:
        """Flask's own looks at host and query, which decide on no route here."""
        if request is None:
            return None
        environ = request.environ
        return MapAdapter(
            self.url_map,
            "localhost",
            environ.get("SCRIPT_NAME", ""),
            "",
            environ["wsgi.url_scheme"],
            environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace"),
            environ["REQUEST_METHOD"],
        )

    def wsgi_app(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        began = time.perf_counter()

        def start(status: str, headers: Headers, *exc_info: Any) -> Any:
            request = current()
            headers = finished(request, status, headers)
            self.note(request, status[:3], time.perf_counter() - began)
            return start_response(status, headers, *exc_info)

        return super().wsgi_app(environ, start)

    def note(self, request: Request, status: str, seconds: float) -> None:
        """Count and log an answered request, where the settings want it."""
        parts = request.parts
        if parts.metrics is None and parts.settings.log == "text":
            return
        method = request.method if request.method in self.verbs else "other"
        rule = request.url_rule
        route = "unmatched" if rule is None else shown_path(rule.rule, self.variables)
        if parts.metrics is not None:
            parts.metrics.note_request(method, route, status, seconds)
        if parts.settings.log == "json":
            logs.note_request(request, method, route, int(status), seconds)

    @functools.cached_property
    def verbs(self) -> frozenset[str]:
        """Those that some route has."""
        routes = self.url_map.iter_rules()
        return frozenset({"OPTIONS"}.union(*(rule.methods or () for rule in routes)))


def check() -> ResponseReturnValue | None:
    """Host, route, verb, key, tenant, key type, role; then the view reads body and record."""
    request = current()
    request.operation = operation_of(request_ctx.app, request.endpoint)
    return repeated(lambda: _check(request))


def _check(request: Request) -> Response | None:
    settings = request.parts.settings
    is_scrape = request.path == metrics.PATH and settings.metrics_token is not None
    if not is_scrape and not request.path.startswith("/health/"):
        is_local = settings.is_local
        if is_local:
            require_local_client(request)
        require_allowed_host(request)
        if is_local and request.method not in SAFE:
            require_same_site(request)
    if request.routing_exception is not None:
        raise request.routing_exception
    if request.method == "OPTIONS":
        return options()
    if request.operation is not None:
        caller_of(request)
    return None


def options() -> Response:
    """204 with the verbs of this path."""
    adapter = request_ctx.url_adapter
    methods = sorted(adapter.allowed_methods()) if adapter is not None else []
    return Response(status=204, headers={"Allow": ", ".join(methods)})


def finished(request: Request, status: str, headers: Headers) -> Headers:
    """An answer's headers with those that every answer carries."""
    secret = request.operation is not None and request.operation.answers_secrets
    headers += added(tuple(name for name, _ in headers), secret)
    headers.append((REQUEST_ID, request.id))
    if status[:3] in WITHOUT_CONTENT:
        return [each for each in headers if each[0] != "Content-Type"]
    return headers


@functools.lru_cache(256)
def added(names: tuple[str, ...], secret: bool) -> Headers:
    """What every answer carries, but for what one with headers of these names says itself."""
    lower = {name.lower() for name in names}
    caching = ("Cache-Control", "no-store" if secret else "private, no-cache")
    return [each for each in (caching, *CARRIED) if each[0].lower() not in lower]


def init_app(app: Flask) -> None:
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.before_request(check)
