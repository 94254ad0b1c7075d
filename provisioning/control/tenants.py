"""One tenant among others: bringing it back, removing it, and writing a store down as a seed."""

from collections.abc import Collection
from typing import Any

from provisioning.domain import people
from provisioning.domain.errors import Conflict, NotFound
from provisioning.domain.tables import API_KEYS, ENDPOINTS, PRIVILEGES, TABLES, TENANTS, USERS
from provisioning.seed import SEED
from provisioning.store import Record, Transaction, View

OWNED = tuple(fact for fact in TABLES if "tenant" in fact.groups)
"""The tables whose records belong to a tenant."""
HOLDINGS = (API_KEYS, PRIVILEGES)
"""What makes an account somebody in a tenant."""


def export(view: View) -> Record:
    """Everything in the form of a seed, with ids, tokens and password hashes."""
    return {
        name: [_as_given(view, listed.names, record) for record in view.all(listed.table)]
        for name, listed in SEED.items()
    }


def counts(view: View) -> dict[str, int]:
    return {name: len(view.all(listed.table)) for name, listed in SEED.items()}


def _as_given(view: View, names: Any, record: Record) -> Record:
    given_of = {stored: given for given, stored in names.items()}
    shown = {given_of.get(name, name): value for name, value in record.items()}
    return shown | {name: people.username_of(view, shown[name]) for name in names}


def forget(transaction: Transaction, label: str) -> None:
    """Remove a tenant and all that is in it, the accounts at home there too.

    An account that holds a privilege or key of another tenant moves home to that one (the one of
    its oldest privilege). Where another tenant's record names an account that goes, it names
    nobody afterwards.
    """
    if transaction.get(TENANTS, label) is None:
        raise NotFound(f"There is no tenant '{label}'.")
    _remove_owned(transaction, label)
    _remove_accounts(transaction, label, staying=())
    for user, home in _homes(transaction).items():
        account = transaction.get(USERS, user)
        if account is not None and account["home"] == label:
            transaction.put(USERS, user, account | {"home": home})
    transaction.remove(TENANTS, label)


def bring_back(transaction: Transaction, beginning: View, label: str) -> None:
    """Put a tenant's records, and the accounts at home there, back to an earlier state.

    A tenant that there was not then is removed. Conflict if one of the records, or its name,
    is another tenant's by now.
    """
    tenant = beginning.get(TENANTS, label)
    if tenant is None:
        forget(transaction, label)
        return
    accounts = {
        user: account
        for user, account in beginning.tables()[USERS].items()
        if account["home"] == label
    }
    _remove_owned(transaction, label)
    _remove_accounts(transaction, label, staying=accounts)
    _put_back(transaction, TENANTS, label, tenant)
    for user, account in accounts.items():
        _put_back(transaction, USERS, user, account)
    for fact in OWNED:
        people_named = [name for name, table in fact.references.items() if table == USERS]
        for key, record in beginning.tables()[fact.name].items():
            if record["tenant"] == label:
                # An account of another tenant may be gone: what was its own is left out.
                lost = {name for name in people_named if _is_gone(transaction, record[name])}
                if "user" not in lost:
                    known = record | dict.fromkeys(lost)
                    _put_back(transaction, fact.name, key, known)


def _is_gone(transaction: Transaction, user: str | None) -> bool:
    return user is not None and transaction.get(USERS, user) is None


def _put_back(transaction: Transaction, table: str, key: str, record: Record) -> None:
    there = transaction.get(table, key)
    is_same = there is None or (
        there["id"] == record["id"]
        if table in (TENANTS, USERS)
        else there["tenant"] == record["tenant"]
    )
    try:
        if not is_same:
            raise ValueError(f"{table}: '{key}' is something else")
        transaction.put(table, key, record)
    except ValueError as error:
        raise Conflict(f"The tenant can't be brought back ({error} now). Reset all.") from error


def _remove_owned(transaction: Transaction, label: str) -> None:
    for fact in OWNED:
        for key, record in list(transaction.tables()[fact.name].items()):
            if record["tenant"] == label:
                transaction.remove(fact.name, key)


def _homes(transaction: Transaction) -> dict[str, str]:
    """Account -> the tenant of the first thing that it holds."""
    return {
        record["user"]: record["tenant"]
        for table in HOLDINGS
        for record in reversed(list(transaction.all(table)))
        if record["user"] is not None
    }


def _remove_accounts(transaction: Transaction, label: str, staying: Collection[str]) -> None:
    """Those at home in a tenant that hold nothing anywhere; others' records forget them."""
    holding = _homes(transaction)
    gone = {
        user: account["id"]
        for user, account in transaction.tables()[USERS].items()
        if account["home"] == label and user not in staying and user not in holding
    }
    for user in gone:
        transaction.remove(USERS, user)
    for fact in OWNED:
        named = [name for name, table in fact.references.items() if table == USERS]
        for key, record in list(transaction.tables()[fact.name].items()):
            lost = {name: None for name in named if record[name] in gone}
            if fact.name == ENDPOINTS and record["registeredByUserId"] in gone.values():
                lost["registeredByUserId"] = None
            if lost:
                transaction.put(fact.name, key, record | lost)
