"""The order in which a request is checked before its view runs (section 6), and what every
answer carries."""

import re
import uuid

from flask import Flask, Response, current_app, g, request
from flask.globals import request_ctx
from flask.typing import ResponseReturnValue

from provisioning.web.caller import remember
from provisioning.web.context import now, server, view
from provisioning.web.hosts import require_allowed_host, require_local_client
from provisioning.web.routing import operation_of

REQUEST_ID = "X-Request-ID"
WITHOUT_CONTENT = frozenset({204, 304})
USABLE_ID = re.compile(r"[\x21-\x7e]{1,128}")


def check() -> ResponseReturnValue | None:
    """Host, route, verb, key, tenant, key type, role; then the view reads body and record."""
    is_health_check = request.path.startswith("/health/")
    settings = server().settings
    if not is_health_check:
        if settings.is_local:
            require_local_client(request, settings)
        require_allowed_host(request, settings, view(), now())
    if request.routing_exception is not None:
        raise request.routing_exception
    if request.method == "OPTIONS":
        return options()
    operation = operation_of(current_app, request.endpoint)
    if operation is not None:
        remember(operation, view())
    return None


def options() -> Response:
    """204 with the verbs of this path."""
    adapter = request_ctx.url_adapter
    methods = sorted(adapter.allowed_methods()) if adapter is not None else []
    return Response(status=204, headers={"Allow": ", ".join(methods)})


def finish(response: Response) -> Response:
    """What every answer carries, errors included."""
    headers = response.headers
    if response.status_code in WITHOUT_CONTENT:
        headers.pop("Content-Type", None)
    headers[REQUEST_ID] = request_id()
    operation = operation_of(current_app, request.endpoint)
    secret = operation is not None and operation.answers_secrets
    headers.setdefault("Cache-Control", "no-store" if secret else "private, no-cache")
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "no-referrer")
    headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
    headers.setdefault("X-Frame-Options", "DENY")
    return response


def request_id() -> str:
    """The caller's X-Request-ID if it is usable, else a new one."""
    if "request_id" not in g:
        given = request.headers.get(REQUEST_ID, "")
        g.request_id = given if USABLE_ID.fullmatch(given) else uuid.uuid4().hex
    return str(g.request_id)


def init_app(app: Flask) -> None:
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.before_request(check)
    app.after_request(finish)
