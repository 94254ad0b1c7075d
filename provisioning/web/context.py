"""What one request works with, in one object: parts, view, instant, host, client, caller."""

import random
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any, TypeVar, cast

import flask
from werkzeug.utils import cached_property

from provisioning.domain.activity import Instant
from provisioning.domain.callers import Caller
from provisioning.store import StoreUnavailable, View
from provisioning.web import audit
from provisioning.web.operation import Operation
from provisioning.web.server import SERVER, Server

USABLE_ID = re.compile(r"[\x21-\x7e]{1,128}")
ATTEMPTS = 3
"""How often a request is run at most whose change met another one in the store."""

Answer = TypeVar("Answer")


class Request(flask.Request):
    """A request, and what it works with: each is asked for once, when it is first needed."""

    operation: Operation | None = None
    """What the contract says of this route; None for pages that are no part of the API."""
    admitted: Caller | None = None
    """The caller, once known: None while nobody has asked for it, and for who was refused."""
    via: str = audit.API
    """What the audit says of how a change came."""
    fault: int | None = None
    """The id of the control API's fault that has struck."""

    def __init__(self, environ: dict[str, Any], *args: Any, **facts: Any) -> None:
        super().__init__(environ, *args, **facts)
        self.parts: Server = environ[SERVER]
        self._reading: AbstractContextManager[View] | None = None
        self._view: View | None = None
        self._now: Instant | None = None

    @property
    def view(self) -> View:
        """One view of the store for the whole request, until it begins to change something."""
        if self._view is None:
            reading = self.parts.store.read()
            self._view = reading.__enter__()
            self._reading = reading
        return self._view

    @property
    def now(self) -> Instant:
        """The request's instant: the clock is asked once."""
        if self._now is None:
            self._now = self.parts.clock.now(self.view.time())
        return self._now

    @cached_property
    def host_name(self) -> str:
        """The name in the Host header: lower case, without port and final dot."""
        host = str(self.environ.get("HTTP_HOST", "")).strip().lower()
        name = host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
        return name.removesuffix(".")

    @property
    def client(self) -> str:
        """The client's address; behind a proxy that is believed, the one that it tells."""
        return str(self.environ.get("REMOTE_ADDR", ""))

    @cached_property
    def id(self) -> str:
        """The client's X-Request-ID if it is usable, else a new one."""
        given = str(self.environ.get("HTTP_X_REQUEST_ID", ""))
        return given if USABLE_ID.fullmatch(given) else f"{random.getrandbits(128):032x}"

    def end_reading(self) -> None:
        """Let go of the view; what was read through it is read no further."""
        reading, self._reading, self._view = self._reading, None, None
        if reading is not None:
            with suppress(StoreUnavailable):  # what was asked for has been read
                reading.__exit__(None, None, None)

    def begin_again(self) -> None:
        """Forget what was read: view, instant and caller."""
        self.end_reading()
        self._now = self.admitted = None

    def close(self) -> None:
        self.end_reading()
        super().close()


def current() -> Request:
    """The request that this thread answers."""
    return cast(Request, flask.request._get_current_object())  # type: ignore[attr-defined]


def server() -> Server:
    """The parts behind this request; several servers may share one set of routes."""
    return current().parts


def now() -> Instant:
    return current().now


def view() -> View:
    return current().view


def repeated(run: Callable[[], Answer]) -> Answer:
    """What `run` answers. It is run again, on a new view, where the store says that this helps:
    another change, by another server perhaps, came between."""
    for _ in range(ATTEMPTS - 1):
        try:
            return run()
        except StoreUnavailable as error:
            if not error.is_retryable:
                raise
            current().begin_again()
    return run()
