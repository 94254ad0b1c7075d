"""How much one tenant may keep in dashboards, statements, configurations, endpoints, mappings."""

from provisioning.domain.errors import Conflict
from provisioning.store import Transaction

FULL = "The tenant would keep more than it may (PROVISIONING_TENANT_BYTES)."


def overfull(transaction: Transaction, tenant: str, most: int) -> str | None:
    """A sentence if this transaction has let a tenant's records grow above `most` bytes, which 0
    is no bound of; else None. What is above it may shrink and change, but not grow."""
    if not most or transaction.growth_of(tenant) <= 0:
        return None
    kept = transaction.weight_of(tenant)
    if kept <= most:
        return None
    return (
        "The tenant's dashboards, statements, their configurations, endpoints and domain mappings "
        f"would have {kept} bytes as JSON, of at most {most} (PROVISIONING_TENANT_BYTES). Remove "
        "or shorten some first."
    )


def require_room(transaction: Transaction, tenant: str, most: int) -> None:
    """Conflict if this transaction has let a tenant's records grow above `most` bytes."""
    fault = overfull(transaction, tenant, most)
    if fault is not None:
        raise Conflict(fault)
