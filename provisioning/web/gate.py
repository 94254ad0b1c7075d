"""The application: what is checked, in which order, before a view runs (section 6), and the headers
that every answer carries."""

import functools
import time
from collections.abc import Iterable, Mapping
from typing import Any

from flask import Flask, Response
from flask.globals import request_ctx
from flask.sessions import NullSession, SessionInterface
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.routing import Map, MapAdapter, Rule

from provisioning.store import deadline
from provisioning.web import logs, metrics
from provisioning.web.caller import caller_of
from provisioning.web.context import Request, current, known_if_short, repeated
from provisioning.web.cors import SAFE, require_same_site
from provisioning.web.hosts import believe_proxy, require_allowed_host, require_local_client
from provisioning.web.operation import Variable
from provisioning.web.routing import operation_of, shown_path
from provisioning.web.server import SERVER, Server

REQUEST_ID = "X-Request-ID"
LONGEST_WAIT = 10.0
"""Seconds; then a request no longer waits for a store that hangs. To end what hangs takes up to
four more, so that there is an answer within 15."""
WITHOUT_CONTENT = frozenset({"204", "304"})
COMMON_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("X-Frame-Options", "DENY"),
)
"""Headers that every answer carries, unless its view sets the same header."""

Environ = dict[str, Any]
Headers = list[tuple[str, str]]


class NoSessions(SessionInterface):
    """Flask's sessions, switched off: the server has no cookies."""

    nobody = NullSession()

    def open_session(self, app: Flask, request: Any) -> NullSession:
        return self.nobody


class Adapter(MapAdapter):
    """Werkzeug's, which knows the rules of paths that were asked for lately."""

    def match(self, *args: Any, **facts: Any) -> Any:
        if args or facts != AS_FLASK_ASKS:
            return super().match(*args, **facts)
        rule, values = matched(self.path_info, self.map, self.default_method)
        return rule, dict(values)


AS_FLASK_ASKS = {"return_rule": True}


@known_if_short
def matched(path: str, routes: Map, method: str) -> tuple[Rule, Mapping[str, Any]]:
    adapter = MapAdapter(routes, "localhost", "", "", "http", path, method)
    return adapter.match(return_rule=True)


class Application(Flask):
    """Flask with our own Request, and with the common headers on every answer, errors included."""

    request_class = Request
    session_interface = NoSessions()
    variables: Mapping[str, Variable] = {}
    """The variables of paths, each by its path up to it, as `variables_of` makes them."""

    def ensure_sync(self, func: Any) -> Any:
        """Save time: Flask would look whether a view is a coroutine, which none of ours is."""
        return func

    def request_context(self, environ: Environ) -> Any:
        parts: Server | None = environ.setdefault(SERVER, self.extensions.get(SERVER))
        if parts is not None and parts.settings.proxies:
            believe_proxy(environ, parts.settings.proxies)
        return super().request_context(environ)

    def create_url_adapter(self, request: Any) -> MapAdapter | None:
        """Save time: Flask's own looks at host and query, which decide on no route here."""
        if request is None:
            return None
        environ = request.environ
        return Adapter(
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

        with deadline.within(LONGEST_WAIT):
            return super().wsgi_app(environ, start)

    def note(self, request: Request, status: str, seconds: float) -> None:
        """Count and log an answered request, if the settings ask for metrics or JSON logs."""
        parts = request.parts
        if parts.metrics is None and parts.settings.log == "text":
            return
        method = request.method if request.method in self.verbs else "other"
        rule, adapter = request.url_rule, request_ctx.url_adapter
        if adapter is not None and isinstance(request.routing_exception, MethodNotAllowed):
            rule, _ = adapter.match(method="OPTIONS", return_rule=True)  # which every path has
        route = "unmatched" if rule is None else shown_path(rule.rule, self.variables)
        if parts.metrics is not None:
            parts.metrics.note_request(method, route, status, seconds)
        if parts.settings.log == "json":
            logs.note_request(request, method, route, int(status), seconds)

    @functools.cached_property
    def verbs(self) -> frozenset[str]:
        """The verbs that at least one route serves, and OPTIONS."""
        routes = self.url_map.iter_rules()
        return frozenset({"OPTIONS"}.union(*(rule.methods or () for rule in routes)))


def check() -> ResponseReturnValue | None:
    """Check host, route, verb, key, tenant, key type and role, in this order, before the view."""
    request = current()
    request.operation = operation_of(request_ctx.app, request.endpoint)
    return repeated(lambda: _check(request))


def _check(request: Request) -> Response | None:
    settings = request.parts.settings
    if request.operation is not None:
        request.begin_reading()
    elif request.path != "/health/live":
        request.parts.store.require_form()
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
    """204, with the verbs of the request's path in Allow."""
    adapter = request_ctx.url_adapter
    methods = sorted(adapter.allowed_methods()) if adapter is not None else []
    return Response(status=204, headers={"Allow": ", ".join(methods)})


def finished(request: Request, status: str, headers: Headers) -> Headers:
    """An answer's headers, completed by the common ones and the request's id."""
    secret = request.operation is not None and request.operation.answers_secrets
    headers += added(tuple(name for name, _ in headers), secret)
    headers.append((REQUEST_ID, request.id))
    if status[:3] in WITHOUT_CONTENT:
        return [each for each in headers if each[0] != "Content-Type"]
    return headers


@functools.lru_cache(256)
def added(names: tuple[str, ...], secret: bool) -> Headers:
    """The common headers that are not among these names; a `secret` answer must not be stored."""
    lower = {name.lower() for name in names}
    caching = ("Cache-Control", "no-store" if secret else "private, no-cache")
    return [each for each in (caching, *COMMON_HEADERS) if each[0].lower() not in lower]


def init_app(app: Flask) -> None:
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.before_request(check)
