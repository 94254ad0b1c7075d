"""Making a tenant and its administrator, for the command line and the control API."""

from provisioning.domain import people, roles
from provisioning.domain.activity import Instant
from provisioning.domain.callers import Caller
from provisioning.domain.catalogue import Catalogue
from provisioning.domain.errors import Conflict
from provisioning.domain.names import username_key
from provisioning.domain.records import Records
from provisioning.domain.services import subscribe_to_mandatory
from provisioning.domain.tables import TENANTS, USERS
from provisioning.store import Record, Transaction, View


def create_tenant(
    transaction: Transaction, catalogue: Catalogue, label: str, name: str, now: Instant
) -> Records:
    """Make a tenant and its MANDATORY subscriptions; Conflict if the label is taken."""
    if transaction.get(TENANTS, label) is not None:
        raise Conflict(f"There is a tenant '{label}' already.")
    tenant = {
        "id": transaction.next_id(TENANTS),
        "name": name,
        "label": label,
        "active": True,
        "icon": None,
        "theme": None,
    }
    transaction.put(TENANTS, label, tenant)
    subscribe_to_mandatory(transaction, catalogue, label, now)
    return as_administrator(transaction, catalogue, label, now)


def as_administrator(view: View, catalogue: Catalogue, label: str, now: Instant) -> Records:
    """The records of a tenant for whoever runs the server, who needs no key and may do all."""
    return Records(view, Caller(label, roles.ADMINISTRATOR), now, catalogue)


def add_administrator(records: Records, account: Record) -> str:
    """Give an account the open-ended ADMINISTRATOR role; returns its key.

    `account` is a new account's profile; one that exists keeps its profile and its home.
    """
    user = username_key(account["username"])
    if records.view.get(USERS, user) is None:
        records.transaction.put(USERS, user, new_account(records, account, None))
    terms = {"role": roles.ADMINISTRATOR, "activeFrom": records.now, "activeUntil": None}
    people.grant(records, user, terms | {"reportsTo": None})
    return user


def new_account(records: Records, profile: Record, password_hash: str | None) -> Record:
    """The stored form of a new account, whose home is this tenant."""
    account_id = records.transaction.next_id(USERS)
    return {
        "id": account_id,
        **profile,
        "home": records.label,
        "passwordHash": password_hash,
    }
