"""The server behind the routes: settings, store, clock and whatever else the factory makes."""

from dataclasses import dataclass, field
from typing import Any

from provisioning.domain.activity import Clock
from provisioning.domain.catalogue import Catalogue
from provisioning.settings import Settings
from provisioning.store import Store
from provisioning.web.collection import Collections
from provisioning.web.metrics import Metrics
from provisioning.web.places import Places
from provisioning.web.readiness import Readiness

SERVER = "provisioning.server"
"""The key of the Server in an application's extensions and in a WSGI environment."""


@dataclass
class Server:
    """One server. Several servers may share one set of routes."""

    settings: Settings
    store: Store
    clock: Clock
    catalogue: Catalogue
    collections: Collections
    """All collections that the resources declare."""
    readiness: Readiness = field(default_factory=Readiness)
    places: Places = field(default_factory=Places)
    has_begun: bool = False
    """Whether a request has met a tenant in the store."""
    control: Any = None
    """What the control API keeps for this server; None until it is first needed."""
    metrics: Metrics | None = field(init=False)

    def __post_init__(self) -> None:
        self.metrics = Metrics() if self.settings.metrics == "on" else None

    @property
    def hashes_cheaply(self) -> bool:
        """Whether passwords are hashed cheaply, as no people's are kept; see domain/passwords."""
        return self.store.is_in_memory or self.settings.is_demo

    @property
    def audit_keep(self) -> int:
        """How many records of the audit are kept for each tenant."""
        setting = self.settings.audit_keep
        return self.store.audit_keep if setting is None else setting
