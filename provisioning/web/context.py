"""The request object, which holds all that its view works with: server, view, instant, caller."""

import functools
import random
import re
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, suppress
from typing import Any, TypeVar, cast

import flask
from werkzeug.datastructures import MultiDict
from werkzeug.utils import cached_property

from provisioning.domain.activity import Instant
from provisioning.domain.callers import Caller
from provisioning.store import StoreUnavailable, View
from provisioning.web import audit
from provisioning.web.operation import Operation
from provisioning.web.server import SERVER, Server

USABLE_ID = re.compile(r"[\x21-\x7e]{1,128}")
ATTEMPTS = 3
"""How often a request is run at most, if its change collides with another one in the store."""

KNOWN = 256
"""Of so many queries and paths it is known what they say. Clients send the same few again."""
LONGEST_KNOWN = 256
"""The longest one of which it is known: what a long one says may take a hundred times its length
of memory, and anybody can send it."""

Answer = TypeVar("Answer")
Arguments = MultiDict[str, str]


class Request(flask.Request):
    """A request and what its view works with. Each part is found when it is first needed, once."""

    operation: Operation | None = None
    """The operation of the API that is asked for; None for other pages."""
    admitted: Caller | None = None
    """The caller once they are admitted; None before that, and for one who was refused."""
    via: str = audit.API
    """The member `via` of audit records of this request."""
    fault: int | None = None
    """The id of the control API's fault that this request ran into."""

    def __init__(self, environ: dict[str, Any], *args: Any, **facts: Any) -> None:
        super().__init__(environ, *args, **facts)
        self.parts: Server = environ[SERVER]
        self._reading: AbstractContextManager[View] | None = None
        self._view: View | None = None
        self._now: Instant | None = None

    @property
    def view(self) -> View:
        """One view of the store for the whole request, until it begins to change something."""
        return self._view or self.begin_reading()

    def begin_reading(self) -> View:
        """Open the view; OtherForm if another version has taken over the store."""
        reading = self.parts.store.read()
        self._view = reading.__enter__()
        self._reading = reading
        return self._view

    @property
    def now(self) -> Instant:
        """The instant of the request: what the clock showed when it was first asked."""
        if self._now is None:
            self._now = self.parts.clock.now(self.view.time())
        return self._now

    @cached_property
    def host_name(self) -> str:
        """The name in the Host header, in lower case, without port and final dot."""
        host = str(self.environ.get("HTTP_HOST", "")).strip().lower()
        name = host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
        return name.removesuffix(".")

    @property
    def client(self) -> str:
        """The client's address; behind a trusted proxy, the address that the proxy names."""
        return str(self.environ.get("REMOTE_ADDR", ""))

    @cached_property
    def args(self) -> Arguments:
        return parsed(self.query_string)

    def parse(self) -> Arguments:
        """The parameters in the query, as werkzeug reads them."""
        return super().args

    @cached_property
    def id(self) -> str:
        """The client's X-Request-ID if it is usable, else a new one."""
        given = str(self.environ.get("HTTP_X_REQUEST_ID", ""))
        return given if USABLE_ID.fullmatch(given) else f"{random.getrandbits(128):032x}"

    def end_reading(self) -> None:
        """Close the view. Records that came from it must not be used any more."""
        reading, self._reading, self._view = self._reading, None, None
        if reading is not None:
            with suppress(StoreUnavailable):  # all that was needed has been read
                reading.__exit__(None, None, None)

    def begin_again(self) -> None:
        """Forget view, instant and caller, so that the request can be run once more."""
        self.end_reading()
        self._now = self.admitted = None

    def close(self) -> None:
        self.end_reading()
        super().close()


def known_if_short(work_out: Callable[..., Answer]) -> Callable[..., Answer]:
    """Decorates a function of a query or a path, and of other values, from which all follows that
    it returns: for short ones this is kept, so nobody may change it."""
    known = functools.lru_cache(KNOWN)(work_out)

    @functools.wraps(work_out)
    def found(text: str | bytes, *others: Hashable) -> Answer:
        return (known if len(text) <= LONGEST_KNOWN else work_out)(text, *others)

    return found


@known_if_short
def parsed(_: bytes) -> Arguments:
    """The parameters in the query of this request, which consists of these bytes."""
    return current().parse()


def current() -> Request:
    """The request that this thread answers."""
    return cast(Request, flask.request._get_current_object())  # type: ignore[attr-defined]


def server() -> Server:
    """The server that this request came to; several servers may share one set of routes."""
    return current().parts


def now() -> Instant:
    return current().now


def view() -> View:
    return current().view


def repeated(run: Callable[[], Answer]) -> Answer:
    """Call `run`, and once more on a new view if the store says that this helps; its result."""
    for _ in range(ATTEMPTS - 1):
        try:
            return run()
        except StoreUnavailable as error:
            if not error.is_retryable:
                raise
            current().begin_again()
    return run()
