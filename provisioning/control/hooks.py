"""The hooks of the control API in the API itself: they log requests, and let faults strike."""

import errno
import io
import re
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from http import HTTPStatus
from typing import IO, Any, NoReturn, cast
from urllib.parse import unquote, unquote_plus

import orjson
from flask import Flask, Response, current_app, request

from provisioning.control.app import make_control
from provisioning.control.faults import Fault
from provisioning.control.masking import Masking
from provisioning.control.parts import control_of
from provisioning.control.request_log import (
    LARGEST_BODY,
    LONGEST_HEADER,
    LONGEST_TARGET,
    LONGEST_WORD,
    MOST_HEADERS,
    cut,
)
from provisioning.control.routes.serving import CONTROL_PATH
from provisioning.domain.activity import Instant
from provisioning.domain.names import token_digest
from provisioning.domain.tables import API_KEYS
from provisioning.settings import Settings
from provisioning.store import Record, StoreUnavailable
from provisioning.web.caller import caller_of
from provisioning.web.context import current, now, server, view
from provisioning.web.operation import BASE_PATH
from provisioning.web.problems import problem
from provisioning.web.redaction import is_secret_name, redacted_target
from provisioning.web.server import SERVER
from provisioning.web.targets import Environ, raw_path

EXCHANGE = "provisioning.exchange"
THREADS = "provisioning.threads"
"""The key in an application's extensions for the number of the server's threads, if limited."""
UNLOGGED = re.compile(r"/(console|docs|favicon\.ico|health|metrics|openapi\.json)(/.*)?")
VARIABLE = re.compile(r"<(?:[^<>]*:)?([^<>:]*)>")
TOKEN = re.compile(r"[\w.~-]{8,200}")
MOST_TOKENS = 100
GARBAGE = b"\x15\x03\x00\x02 this is no HTTP, since a fault has struck\r\n\r\n"


class Exchange:
    """One request while it is answered. It replaces `wsgi.input`, and keeps what is read of it."""

    def __init__(self, stream: Any) -> None:
        self.began = time.perf_counter()
        self.size = 0
        self.content = bytearray()
        self.ending: str | None = None
        """How a fault ends the connection, one of ENDINGS; None if none does."""
        self._stream = stream

    @property
    def is_unanswered(self) -> bool:
        return self.ending in ("close", "garbage")

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._stream.read(size)
        self.size += len(data)
        self.content += data[: max(0, LARGEST_BODY - len(self.content))]
        return data


class Controlled:
    """Middleware that leads to the control API, and ends connections as faults say."""

    def __init__(self, routes: Flask, control: Flask) -> None:
        self._routes, self._application, self._control = routes, routes.wsgi_app, control

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        if SERVER not in environ:
            environ[SERVER] = self._routes.extensions[SERVER]
        control_of(environ[SERVER])
        path = environ.get("PATH_INFO", "")
        if path == CONTROL_PATH or path.startswith(f"{CONTROL_PATH}/"):
            return self._control(environ, start_response)
        exchange = environ[EXCHANGE] = environ["wsgi.input"] = Exchange(environ["wsgi.input"])
        begun: list[Any] = []

        def begin(*arguments: Any) -> Any:
            begun[:] = arguments

        answer = self._application(environ, begin)
        if exchange.ending is None:
            start_response(*begun)
            return answer
        status, headers, *_ = begun
        half = _half(status, headers, b"".join(answer))
        getattr(answer, "close", lambda: None)()
        return _end(environ, {"close": b"", "garbage": GARBAGE, "truncate": half}[exchange.ending])


def _half(status: str, headers: list[tuple[str, str]], body: bytes) -> bytes:
    """An answer as bytes of HTTP/1.1, with the length of the whole body but half of the body."""
    if not any(name.lower() == "content-length" for name, _ in headers):
        headers = [*headers, ("Content-Length", str(len(body)))]
    head = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode("latin-1") + body[: len(body) // 2]


def _end(environ: Environ, sent: bytes) -> NoReturn:
    """Send these bytes and end the connection.

    gunicorn and werkzeug both put its socket into the environment, and treat this error as that of
    a client that has gone.
    """
    connection = environ.get("gunicorn.socket") or environ.get("werkzeug.socket")
    if connection is not None:
        with suppress(OSError):
            connection.sendall(sent)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionResetError(errno.ECONNRESET, "a fault has ended the connection")


def strike() -> Response | None:
    """Let a fault strike the request, after the checks of the gate; the answer that it gives."""
    asked = current()
    if asked.operation is None:
        return None
    faults = control_of(asked.parts).faults
    fault = faults.strike(_asked(faults.look_into_bodies)) if faults else None
    if fault is None:
        return None
    asked.fault = fault.id
    asked.end_reading()
    faults.wait(fault, current_app.extensions.get(THREADS))
    exchange: Exchange = request.environ[EXCHANGE]
    exchange.ending = fault.ending
    status = fault.terms["status"]
    if status is None and not exchange.is_unanswered:
        return None
    # Read the body, for the request log and since a client that still sends may miss the answer.
    request.stream.read(LARGEST_BODY)
    if status is None:
        return Response(status=204)
    return _injected(fault, status)


def _asked(look_into_body: bool) -> Record:
    """The request as faults look at it: in the form of the request log, and without a mask."""
    caller = caller_of(current())
    return {
        "method": request.method,
        "path": request.path,
        "tenant": caller.tenant,
        "user": caller.user,
        "query": request.environ.get("QUERY_STRING", ""),
        "headers": dict(request.headers),
        "requestBody": _foreseen_body() if look_into_body else None,
    }


def _foreseen_body() -> Any:
    """The JSON in the request's body, which can be read once more after that; else None."""
    rest = request.stream
    try:
        content = rest.read(LARGEST_BODY + 1)
    except Exception:
        return None  # the client has broken off, as whoever reads the body will find out
    request.stream = cast(IO[bytes], _Foreseen(content, rest))
    try:
        return orjson.loads(content)
    except ValueError:
        return None


class _Foreseen:
    """A stream whose beginning has been read already."""

    def __init__(self, beginning: bytes, rest: Any) -> None:
        self._beginning, self._rest = io.BytesIO(beginning), rest

    def read(self, size: int = -1) -> bytes:
        content = self._beginning.read(size)
        return content + self._rest.read(size) if size < 0 or not content else content


def _injected(fault: Fault, status: int) -> Response:
    body, headers = fault.terms["responseBody"], fault.terms["responseHeaders"]
    if isinstance(body, str):
        response = Response(body, status, mimetype="text/plain")
    elif body is not None:
        response = Response(orjson.dumps(body), status, mimetype="application/json")
    elif status < HTTPStatus.BAD_REQUEST:
        response = Response(status=status)
    else:
        title = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Injected error"
        detail = f"This error is injected by fault {fault.id} of the control API."
        response = problem(status, title, detail, fault=fault.id)
    if fault.terms["retryAfter"] is not None:
        response.headers["Retry-After"] = str(fault.terms["retryAfter"])
    for name, text in (headers or {}).items():
        response.headers[name] = text
    return response


def record(response: Response) -> Response:
    """Add the request and its answer to the request log."""
    if UNLOGGED.fullmatch(request.path):
        return response
    exchange: Exchange = request.environ[EXCHANGE]
    rule, sent = request.url_rule, _sent_tokens()
    keys = _known_keys(sent)
    masking = Masking([*sent, *keys])
    # Mask before decoding: a decoded key could hold a character that seems to end it.
    path = unquote(redacted_target(raw_path(request.environ))).rstrip("/") or "/"
    entry = {
        "at": _instant(),
        "client": current().client,
        "duration": round((time.perf_counter() - exchange.began) * 1000, 3),
        "method": cut(masking.text(request.method), LONGEST_WORD),
        "path": cut(masking.text(path), LONGEST_TARGET),
        "query": cut(masking.text(request.environ.get("QUERY_STRING", "")), LONGEST_TARGET),
        "status": None if exchange.is_unanswered else response.status_code,
        **_asker([key for token, key in keys.items() if token in sent]),
        "matched": rule and VARIABLE.sub(r"{\1}", rule.rule).removeprefix(BASE_PATH),
        "fault": current().fault,
        "requestId": masking.text(current().id),
        "headers": _shown_headers(masking),
        "requestBody": _shown_body(bytes(exchange.content), exchange.size, masking),
        "responseBody": None if exchange.is_unanswered else _shown_answer(response, masking),
    }
    control_of(server()).requests.add(entry)
    return response


def _instant() -> Instant:
    try:
        return now()
    except StoreUnavailable:
        return server().clock.now()


def _sent_tokens() -> set[str]:
    """All that the request sends in places for secrets, whether it is valid or not."""
    credentials = request.headers.get("Authorization", "").partition(" ")[2]
    tokens = {credentials, *request.headers.get("X-API-Key", "").split(",")}
    tokens.update(text for name, text in request.args.items(multi=True) if is_secret_name(name))
    return {token.strip() for token in tokens}


def _known_keys(sent: set[str]) -> dict[str, Record]:
    """{token: API key} of the store's keys whose token stands anywhere in target or headers."""
    head = (*sent, raw_path(request.environ), request.environ.get("QUERY_STRING", ""))
    texts = (unquote_plus(text) for text in (*head, *request.headers.values()))
    words = {word: None for text in texts for word in TOKEN.findall(text)}
    try:
        found = {
            word: view().find(API_KEYS, "token", token_digest(word))
            for word in list(words)[:MOST_TOKENS]
        }
    except StoreUnavailable:
        return {}
    return {word: key for word, key in found.items() if key is not None}


def _asker(keys: list[Record]) -> Record:
    """Tenant, key and user of the request, as far as they are known; also if it was refused."""
    caller = current().admitted
    key = keys[0] if len(keys) == 1 and not server().settings.is_open else None
    return {
        "tenant": caller.tenant if caller else key and key["tenant"],
        "key": key and key["id"],
        "user": caller.user if caller else key and key["user"],
    }


def _shown_headers(masking: Masking) -> dict[str, str]:
    """The request's headers, without those that carry secrets, and with keys masked in others."""
    return {
        cut(masking.text(name), LONGEST_WORD): cut(masking.text(text), LONGEST_HEADER)
        for name, text in list(request.headers.items())[:MOST_HEADERS]
        if not is_secret_name(name)
    }


def _shown_body(content: bytes, size: int, masking: Masking) -> Any:
    """A body as the log keeps it: JSON with masked secrets, a remark instead, or None if empty."""
    if not size:
        return None
    if size > LARGEST_BODY:
        return f"({size} bytes, too many to be kept)"
    try:
        return orjson.Fragment(orjson.dumps(masking.json(orjson.loads(content))))
    except (ValueError, TypeError, RecursionError):
        # Only its size is kept, since it may be a secret as a whole.
        return f"({size} bytes that are no JSON)"


def _shown_answer(response: Response, masking: Masking) -> Any:
    if request.method == "HEAD" or response.is_streamed or response.direct_passthrough:
        return None
    content = response.get_data()
    return _shown_body(content, len(content), masking)


def init_app(routes: Flask, settings: Settings) -> None:
    routes.before_request(strike)
    routes.after_request(record)
    routes.wsgi_app = Controlled(routes, make_control(settings))  # type: ignore[method-assign]
