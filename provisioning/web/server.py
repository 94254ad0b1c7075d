"""The parts behind the routes, as the factory puts them together."""

from dataclasses import dataclass, field
from typing import Any

from provisioning.domain.activity import Clock
from provisioning.domain.catalogue import Catalogue
from provisioning.settings import Settings
from provisioning.store import Store
from provisioning.web.collection import Collections
from provisioning.web.metrics import Metrics
from provisioning.web.readiness import Readiness

SERVER = "provisioning.server"
"""Where an application and a request's environment hold it."""


@dataclass
class Server:
    """One server: several may share one set of routes."""

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
