"""What the control API does to the API itself: requests are written down, faults strike."""

import errno
import re
import socket
import time
from contextlib import suppress
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from flask import Flask, Response, request

from provisioning.control.app import make_control
from provisioning.control.parts import control_of
from provisioning.control.request_log import LARGEST_BODY, shown_body, shown_headers
from provisioning.control.routing import CONTROL_PATH
from provisioning.domain.errors import Unauthorized
from provisioning.domain.names import token_digest
from provisioning.domain.tables import API_KEYS
from provisioning.settings import Settings
from provisioning.store import Record
from provisioning.web.caller import token_in
from provisioning.web.context import SERVER, current, now, server, view
from provisioning.web.problems import problem
from provisioning.web.redaction import redacted_target
from provisioning.web.routing import BASE_PATH
from provisioning.web.targets import Environ, raw_path

EXCHANGE = "provisioning.exchange"
UNLOGGED = re.compile(r"/(docs|console|health|openapi\.json)(/.*)?")
VARIABLE = re.compile(r"<(?:[^<>]*:)?([^<>:]*)>")


class Exchange:
    """One request on its way: stands in for its body, and keeps what was read of it."""

    def __init__(self, stream: Any) -> None:
        self.began = time.perf_counter()
        self.size = 0
        self.content = bytearray()
        self.is_dropped = False
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._stream.read(size)
        self.size += len(data)
        self.content += data[: max(0, LARGEST_BODY - len(self.content))]
        return data


class Controlled:
    """Middleware: leads to the control API, and ends connections that a fault closes."""

    def __init__(self, routes: Flask, control: Flask) -> None:
        self._routes, self._application, self._control = routes, routes.wsgi_app, control

    def __call__(self, environ: Environ, start_response: Any) -> Any:
        if SERVER not in environ:
            environ[SERVER] = self._routes.extensions[SERVER]
        control_of(environ[SERVER])
        path = environ.get("PATH_INFO", "")
        if path == CONTROL_PATH or path.startswith(f"{CONTROL_PATH}/"):
            return self._control(environ, start_response)
        exchange = environ[EXCHANGE] = environ["wsgi.input"] = Exchange(environ["wsgi.input"])
        answer = self._application(environ, start_response)
        if exchange.is_dropped:
            _drop(environ)
        return answer


def _drop(environ: Environ) -> None:
    """End the connection before anything was sent: gunicorn and werkzeug both tell its socket,
    and take the error as that of a client that has gone."""
    connection = environ.get("gunicorn.socket") or environ.get("werkzeug.socket")
    if connection is not None:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionResetError(errno.ECONNRESET, "a fault has closed the connection")


def strike() -> Response | None:
    """After the checks of the gate: the answer of a fault that concerns the request, if any."""
    if current().operation is None:
        return None
    path, tenant = request.path, current().caller.tenant
    fault = control_of(server()).faults.strike(request.method, path, tenant)
    if fault is None:
        return None
    current().fault = fault.id
    fault.wait()
    status, is_closing = fault.terms["status"], fault.terms["close"]
    if status is None and not is_closing:
        return None
    # For the request log; and a client that is still sending may not hear an answer.
    request.stream.read(LARGEST_BODY)
    if is_closing:
        request.environ[EXCHANGE].is_dropped = True
        return Response(status=204)
    title = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Injected error"
    detail = f"This error is injected by fault {fault.id} of the control API."
    response = problem(status, title, detail, fault=fault.id)
    if fault.terms["retryAfter"] is not None:
        response.headers["Retry-After"] = str(fault.terms["retryAfter"])
    return response


def record(response: Response) -> Response:
    """Write the request and its answer down."""
    if UNLOGGED.fullmatch(request.path):
        return response
    exchange: Exchange = request.environ[EXCHANGE]
    rule, token = request.url_rule, _token()
    entry = {
        "at": now(),
        "duration": round((time.perf_counter() - exchange.began) * 1000, 3),
        "method": request.method,
        "path": unquote(redacted_target(raw_path(request.environ))).rstrip("/") or "/",
        "query": redacted_target(request.environ.get("QUERY_STRING", "")),
        "status": None if exchange.is_dropped else response.status_code,
        **_asker(token),
        "matched": rule and VARIABLE.sub(r"{\1}", rule.rule).removeprefix(BASE_PATH),
        "fault": current().fault,
        "requestId": current().id,
        "headers": shown_headers(dict(request.headers)),
        "requestBody": shown_body(bytes(exchange.content), exchange.size),
        "responseBody": None if exchange.is_dropped else _shown_answer(response),
    }
    control_of(server()).requests.add(entry, token)
    return response


def _token() -> str:
    """The API key of the request, if there is one."""
    try:
        return token_in(current())
    except Unauthorized:
        return ""


def _asker(token: str) -> Record:
    """Tenant, key and user of the request as far as they are known, for refused ones too."""
    caller = current().admitted
    is_open = server().settings.is_open
    key = None if is_open else view().find(API_KEYS, "token", token_digest(token))
    return {
        "tenant": caller.tenant if caller else key and key["tenant"],
        "key": key and key["id"],
        "user": caller.user if caller else key and key["user"],
    }


def _shown_answer(response: Response) -> Any:
    if request.method == "HEAD" or response.is_streamed or response.direct_passthrough:
        return None
    content = response.get_data()
    return shown_body(content, len(content))


def init_app(routes: Flask, settings: Settings) -> None:
    """Give routes a control API if the settings want one; after the gate, before Targets."""
    if settings.has_control:
        routes.before_request(strike)
        routes.after_request(record)
        routes.wsgi_app = Controlled(routes, make_control(settings))  # type: ignore[method-assign]
