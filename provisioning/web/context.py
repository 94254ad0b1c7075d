"""What one request works with: the server's parts, one instant, one view, one caller."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from flask import current_app, g, request

from provisioning.domain.activity import Clock, Instant
from provisioning.domain.callers import Caller
from provisioning.domain.catalogue import Catalogue
from provisioning.domain.records import Records
from provisioning.settings import Settings
from provisioning.store import Store, View
from provisioning.web.collection import Collections


@dataclass
class Server:
    """The parts that the factory put together."""

    settings: Settings
    store: Store
    clock: Clock
    catalogue: Catalogue
    collections: Collections
    """Every kind of record that the resources declare."""
    control: Any = None
    """What the control API keeps of this server, once it is asked for."""


SERVER = "provisioning.server"


def server() -> Server:
    """The parts behind this request; several servers may share one set of routes."""
    return cast(Server, request.environ.get(SERVER) or current_app.extensions[SERVER])


def now() -> Instant:
    """The request's instant: the clock is asked once."""
    if "now" not in g:
        g.now = server().clock.now()
    return cast(Instant, g.now)


def view() -> View:
    """The request's view of the store: one for the whole request."""
    if "view" not in g:
        with server().store.read() as current:
            g.view = current
    return cast(View, g.view)


def reading() -> Records:
    """The caller's records, to look at."""
    return Records(view(), caller(), now(), server().catalogue)


@contextmanager
def changing() -> Iterator[Records]:
    """The caller's records in a transaction, which commits unless an error leaves the block.

    The caller is identified and admitted anew inside the transaction: what was allowed
    when the request came may have been revoked since.
    """
    with server().store.transaction() as transaction:
        yield Records(transaction, g.admit(transaction), now(), server().catalogue)


def caller() -> Caller:
    return cast(Caller, g.caller)
