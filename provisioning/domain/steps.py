"""The steps from each form of the stored data to the next. The number of a form is in `Form`.

A step is history: it uses nothing that a later form may change, such as declarations of records.
Everything that changes between two releases goes into one step.
"""

from collections.abc import Mapping

from provisioning.domain.tables import AUDIT
from provisioning.store import Past, Record, Step


def _with_id_as_number(record: Record, _: Past) -> Record:
    """0.2.0 counted the records of the audit within each tenant."""
    return record | {"number": record["id"]}


def _without_counters_of_tenants(counters: Mapping[str, int]) -> Mapping[str, int]:
    return {name: last for name, last in counters.items() if not name.startswith(f"{AUDIT}/")}


STEPS = (
    # From 0.1.0, 0.2.0 and what came after it, which all have form 1, to form 2.
    Step(records={AUDIT: _with_id_as_number}, counters=_without_counters_of_tenants),
)
