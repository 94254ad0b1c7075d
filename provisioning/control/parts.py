"""What the control API keeps of one server."""

import threading
from dataclasses import dataclass

from provisioning import seed
from provisioning.control import tenants
from provisioning.control.faults import Faults
from provisioning.control.request_log import RequestLog
from provisioning.domain.activity import Instant
from provisioning.store import MemoryStorage, Record, Store, Transaction, View
from provisioning.web.context import Server


@dataclass(frozen=True)
class Snapshot:
    """All records at one moment, under a name. A view never changes, so it costs nothing."""

    name: str
    created: Instant
    view: View


class Control:
    """A server's beginning, snapshots, requests and faults. Threads may share it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.requests = RequestLog(server.settings.request_log)
        self.faults = Faults()
        self.snapshots: dict[str, Snapshot] = {}
        self._began, self._was_frozen = server.clock.now(), server.clock.is_frozen
        self._beginning: View | None = None
        if not server.settings.is_demo:
            with server.store.read() as view:
                self._beginning = view

    @property
    def beginning(self) -> View:
        """What `reset` leads back to: what was there when the server began to answer, in demo
        mode the demo data, or the seed that was loaded last in place of all."""
        if self._beginning is None:
            store = Store(MemoryStorage(), self.server.collections.tables)
            entries = seed.prepare_seed(self.server.collections, seed.demo_seed(), self._began)
            with store.transaction() as transaction:
                seed.load_seed(self.server, transaction, entries, self._began)
            with store.read() as view:
                self._beginning = view
        return self._beginning

    def reset(self) -> None:
        """Records, clock, faults and request log as they began; snapshots stay."""
        beginning = self.beginning
        with self.server.store.transaction() as transaction:
            transaction.restore(beginning)
        clock = self.server.clock
        clock.reset()
        if self._was_frozen:
            clock.freeze()
            clock.set(self._began)
        self.faults.clear()
        self.requests.clear()

    def reset_tenant(self, label: str) -> None:
        """One tenant's records as they began; see `tenants.bring_back`."""
        beginning = self.beginning
        with self.server.store.transaction() as transaction:
            tenants.bring_back(self.server.collections, transaction, beginning, label)

    def load(self, given: Record, replace: bool) -> None:
        """Put a seed in place of all that is there, or over it. BadFile: nothing has changed."""
        now = self.server.clock.now()
        entries = seed.prepare_seed(self.server.collections, given, now)
        with self.server.store.transaction() as transaction:
            seed.load_seed(self.server, transaction, entries, now, replace)
            loaded = Transaction(transaction).close()
        if replace:
            self._beginning = loaded

    def save(self, name: str) -> Snapshot:
        """Keep all records under a name, in place of what that named before."""
        with self.server.store.read() as view:
            self.snapshots[name] = Snapshot(name, self.server.clock.now(), view)
        return self.snapshots[name]

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot's records; clock, faults and request log stay as they are."""
        with self.server.store.transaction() as transaction:
            transaction.restore(snapshot.view)


def control_of(server: Server) -> Control:
    """The control over a server, which begins when it is first asked for."""
    if server.control is None:
        with _BEGINNING:
            if server.control is None:
                server.control = Control(server)
    control: Control = server.control
    return control


_BEGINNING = threading.Lock()
