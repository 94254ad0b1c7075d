"""What one request works with, in one object: parts, view, instant, host, client, caller."""

import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

import flask
from werkzeug.utils import cached_property

from provisioning.domain.activity import Clock, Instant
from provisioning.domain.callers import Caller
from provisioning.domain.catalogue import Catalogue
from provisioning.domain.errors import Unauthorized
from provisioning.domain.records import Records
from provisioning.settings import Settings
from provisioning.store import Store, StoreUnavailable, View
from provisioning.web import audit
from provisioning.web.audit import Author
from provisioning.web.caller import admit
from provisioning.web.collection import Collections
from provisioning.web.hosts import host_in
from provisioning.web.metrics import Metrics
from provisioning.web.readiness import Readiness

if TYPE_CHECKING:
    from provisioning.web.routing import Operation

USABLE_ID = re.compile(r"[\x21-\x7e]{1,128}")
SERVER = "provisioning.server"
ATTEMPTS = 3
"""How often a request is run at most whose change met another one in the store."""

Answer = TypeVar("Answer")


@dataclass
class Server:
    """The parts that the factory put together."""

    settings: Settings
    store: Store
    clock: Clock
    catalogue: Catalogue
    collections: Collections
    """Every kind of record that the resources declare."""
    is_in_memory: bool = False
    """Whether the records end with the process."""
    readiness: Readiness = field(default_factory=Readiness)
    control: Any = None
    """What the control API keeps of this server, once it is asked for."""
    metrics: Metrics | None = field(init=False)

    def __post_init__(self) -> None:
        self.metrics = Metrics() if self.settings.metrics == "on" else None

    @property
    def audit_keep(self) -> int:
        """How many records of the audit are kept for each tenant."""
        told = self.settings.audit_keep
        return self.store.audit_keep if told is None else told


class Request(flask.Request):
    """A request, and what it works with: each is asked for once, when it is first needed."""

    operation: "Operation | None" = None
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

    @property
    def caller(self) -> Caller:
        return self.admitted or self.admit()

    def admit(self) -> Caller:
        """Who asks; Unauthorized, Forbidden or NotFound for whom this route isn't open."""
        self.admitted = admit(self, self.view, self.now)
        return self.admitted

    @cached_property
    def host_name(self) -> str:
        return host_in(self.environ)

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


def reading() -> Records:
    """The caller's records, to look at until the request begins to change something."""
    request = current()
    return Records(request.view, request.caller, request.now, request.parts.catalogue)


@contextmanager
def changing() -> Iterator[Records]:
    """The caller's records in a transaction, which commits unless an error leaves the block.

    The caller is admitted anew inside the transaction, by the clock as it is there, and this is
    the instant of the change: what was allowed when the request came may be so no more. What
    `reading` gave before must not be used any further.
    """
    request = current()
    tenant = request.caller.tenant
    request.end_reading()
    parts = request.parts
    with parts.store.transaction(tenant) as transaction:
        now = parts.clock.now(transaction.time())
        caller = admit(request, transaction, now)
        if caller.tenant != tenant:
            raise Unauthorized("This API key has just become another tenant's. Ask again.")
        yield Records(transaction, caller, now, parts.catalogue)
        author = Author(request.via, tenant, caller.user, caller.key, request.id, request.client)
        audit.keep(parts, transaction, author, now)
        is_changed, began = transaction.changed, time.perf_counter()
    if parts.metrics is not None and is_changed:
        parts.metrics.note_commit(time.perf_counter() - began)


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
