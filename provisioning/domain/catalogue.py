"""The product's catalogue, shared by all tenants: services, dashboards, statements, types."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from provisioning.store import Record

INTERNAL = "INTERNAL"
MANDATORY = "MANDATORY"
SUBSCRIPTION_PLAN = "SUBSCRIPTION_PLAN"
ARCHIVED = "ARCHIVED"
ENTERPRISE = "enterprise"
"""The label of the plan that the statements API needs."""


@dataclass(frozen=True)
class Catalogue:
    """The catalogue's entries by label, in the order of its file."""

    services: Mapping[str, Record] = field(default_factory=dict)
    dashboards: Mapping[str, Record] = field(default_factory=dict)
    statements: Mapping[str, Record] = field(default_factory=dict)
    endpoint_types: Mapping[str, Record] = field(default_factory=dict)

    @property
    def offered_services(self) -> Collection[Record]:
        """The services that tenants may see: all but the INTERNAL ones."""
        return [entry for entry in self.services.values() if entry["type"] != INTERNAL]

    @property
    def mandatory_services(self) -> Collection[Record]:
        return [entry for entry in self.services.values() if entry["type"] == MANDATORY]

    @property
    def offered_endpoint_types(self) -> Collection[Record]:
        return [entry for entry in self.endpoint_types.values() if not entry["internal"]]
