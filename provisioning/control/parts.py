"""What the control API keeps for one server: its first state, snapshots, requests and faults."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import orjson

from provisioning import seed
from provisioning.control import tenants
from provisioning.control.faults import Faults
from provisioning.control.request_log import RequestLog
from provisioning.domain.activity import Instant
from provisioning.domain.errors import Conflict
from provisioning.store import (
    MemoryStorage,
    Record,
    Store,
    StoreUnavailable,
    TooManyRecords,
    Transaction,
    View,
)
from provisioning.web.server import Server

MOST_SNAPSHOTS = 50
LARGEST_SNAPSHOTS = 2**28
"""The most bytes of all snapshots together, as JSON."""


@dataclass(frozen=True)
class Snapshot:
    """All records at one moment, under a name."""

    name: str
    created: Instant
    view: View
    size: int
    """The bytes of its records as JSON. In memory it may take less, as equal records are shared."""


class Control:
    """What the control API keeps for one server. Threads may share this object."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.requests = RequestLog(server.settings.request_log)
        self.faults = Faults()
        self.snapshots: dict[str, Snapshot] = {}
        self._keeping = threading.Lock()
        self._began, self._was_frozen = server.clock.now(), server.clock.is_frozen
        self._beginning: View | None = None
        self._is_too_large = False

    def begin(self) -> None:
        """Keep the records as they are now for `reset`, unless that is done; call it per request.

        In demo mode `beginning` makes them when they are needed. If the store can't be read,
        nothing can change either, so that a later call is early enough.
        """
        is_kept = self._beginning is not None or self._is_too_large
        if not is_kept and not self.server.settings.is_demo:
            with self._keeping, suppress(StoreUnavailable), self.server.store.read() as view:
                self._begin_with(self._beginning or copied(view))

    def _begin_with(self, beginning: View | None) -> None:
        self._beginning, self._is_too_large = beginning, beginning is None

    @property
    def beginning(self) -> View:
        """The records to which `reset` goes back.

        These are the last seed that was loaded in place of all records, else in demo mode the demo
        data, else what was there when the server began to answer.
        """
        if self._beginning is None:
            if self._is_too_large:
                raise Conflict(
                    "There were too many records at the beginning to keep them for a reset. "
                    "Load a smaller seed with mode=replace: a reset then leads back to that."
                )
            if not self.server.settings.is_demo:
                raise StoreUnavailable(
                    "The data can't be read yet, so there is nothing to go back to."
                )
            store = Store(MemoryStorage(), self.server.collections.form)
            entries = seed.prepare_seed(self.server, seed.demo_seed(), self._began)
            with store.transaction() as transaction:
                seed.load_seed(self.server, transaction, entries, self._began)
            with store.read() as view:
                self._beginning = view.freeze()
        return self._beginning

    @contextmanager
    def changing(self) -> Iterator[Transaction]:
        """A transaction in a place of the control API's own; see `Server.places`."""
        with self.server.places.of(None), self.server.store.transaction() as transaction:
            yield transaction

    def reset(self) -> None:
        """Put records, clock, faults and request log back as they began; snapshots stay."""
        beginning = self.beginning
        with self.changing() as transaction:
            transaction.restore(beginning)
        clock = self.server.clock
        clock.reset()
        if self._was_frozen:
            clock.freeze()
            clock.set(self._began)
        self.faults.clear()
        self.requests.clear()

    def reset_tenant(self, label: str) -> None:
        """Put one tenant's records back as they began; see `tenants.bring_back`."""
        beginning = self.beginning
        with self.changing() as transaction:
            tenants.bring_back(self.server.collections, transaction, beginning, label)

    def load(self, given: Record, replace: bool) -> None:
        """Load a seed over all records, or in place of them; after BadFile nothing has changed."""
        now = self.server.clock.now()
        with self.server.places.of(None):
            entries = seed.prepare_seed(self.server, given, now)
        with self.changing() as transaction:
            seed.load_seed(self.server, transaction, entries, now, replace)
            loaded = copied(transaction) if replace else None
        if replace:
            self._begin_with(loaded)

    def save(self, name: str) -> Snapshot:
        """Keep all records under a name, in place of an earlier snapshot of that name.

        Conflict if there would be too many snapshots, or too large ones.
        """
        with self.server.store.read() as view:
            kept = copied(view)
        if kept is None:
            raise Conflict("There are too many records to keep them in memory.")
        tables = self.server.collections
        size = sum(len(orjson.dumps(list(kept.all(table)))) for table in tables)
        snapshot = Snapshot(name, self.server.clock.now(), kept, size)
        with self._keeping:
            others = [each for each in self.snapshots.values() if each.name != name]
            if len(others) >= MOST_SNAPSHOTS:
                raise Conflict(f"There are {MOST_SNAPSHOTS} snapshots already. Remove some first.")
            if size + sum(each.size for each in others) > LARGEST_SNAPSHOTS:
                raise Conflict(
                    f"All snapshots together would have more than {LARGEST_SNAPSHOTS} bytes. "
                    "Remove some first."
                )
            self.snapshots[name] = snapshot
        return snapshot

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot's records; clock, faults and request log stay as they are."""
        with self.changing() as transaction:
            transaction.restore(snapshot.view)


def copied(view: View) -> View | None:
    """A copy of all records in memory; None if the store has too many for that."""
    try:
        return view.freeze()
    except TooManyRecords:
        return None


def control_of(server: Server) -> Control:
    """The Control of a server, which is made when it is first asked for."""
    if server.control is None:
        with _BEGINNING:
            if server.control is None:
                server.control = Control(server)
    control: Control = server.control
    control.begin()
    return control


_BEGINNING = threading.Lock()
