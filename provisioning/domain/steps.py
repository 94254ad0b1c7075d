"""The steps from each form of the stored data to the next. The number of a form is in `Form`.

A step is history: it uses nothing that a later form may change, such as declarations of records.
Everything that changes between two releases goes into one step.
"""

from collections.abc import Mapping

from provisioning.domain.tables import AUDIT, PRIVILEGES, SUBSCRIPTIONS, USERS
from provisioning.store import Conversion, Past, Record, Step


def _with_id(member: str) -> Conversion:
    """In form 1 all records named accounts by their keys. Now this member holds an account's id."""

    def convert(record: Record, past: Past) -> Record:
        return record | {member: _id_of(record[member], past)}

    return convert


def _audit_record(record: Record, past: Past) -> Record:
    """0.2.0 counted the records of the audit within each tenant, and knew keys of accounts only."""
    return record | {
        "number": record["id"],
        "byAccount": _id_of(record["byUser"], past),
        "aboutAccount": _id_of(record["aboutUser"], past),
    }


def _id_of(user: str | None, past: Past) -> int | None:
    """The id of the account with this key. It may be gone, as far as the audit is concerned."""
    account = None if user is None else past.get(USERS, user)
    return None if account is None else account["id"]


def _without_counters_of_tenants(counters: Mapping[str, int]) -> Mapping[str, int]:
    return {name: last for name, last in counters.items() if not name.startswith(f"{AUDIT}/")}


STEPS = (
    # From 0.1.0, 0.2.0 and what came after it, which all have form 1, to form 2.
    Step(
        records={
            PRIVILEGES: _with_id("reportsTo"),
            SUBSCRIPTIONS: _with_id("registeredBy"),
            "statement_configs": _with_id("changedBy"),
            AUDIT: _audit_record,
        },
        counters=_without_counters_of_tenants,
    ),
)
