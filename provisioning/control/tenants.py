"""One tenant among others: bringing it back, and removing it."""

from collections.abc import Collection

from provisioning.domain.errors import Conflict, NotFound
from provisioning.domain.tables import TENANTS, USERS
from provisioning.store import Record, Transaction, View
from provisioning.web.collection import Collections


def counts(collections: Collections, view: View) -> dict[str, int]:
    return {name: view.count(each.table) for name, each in collections.seeded.items()}


def forget(collections: Collections, transaction: Transaction, label: str) -> None:
    """Remove a tenant and all that is in it, the accounts at home there too.

    An account that holds a privilege or key of another tenant moves home to that one (the one of
    its oldest privilege). Where another tenant's record names an account that goes, it names
    nobody afterwards.
    """
    if transaction.get(TENANTS, label) is None:
        raise NotFound(f"There is no tenant '{label}'.")
    _remove_owned(collections, transaction, label)
    _remove_accounts(collections, transaction, label, staying=())
    for user, home in _homes(collections, transaction).items():
        account = transaction.get(USERS, user)
        if account is not None and account["home"] == label:
            transaction.put(USERS, user, account | {"home": home})
    transaction.remove(TENANTS, label)


def bring_back(
    collections: Collections, transaction: Transaction, beginning: View, label: str
) -> None:
    """Put a tenant's records, and the accounts at home there, back to an earlier state.

    A tenant that there was not then is removed. Conflict if one of the records, or its name,
    is another tenant's by now.
    """
    tenant = beginning.get(TENANTS, label)
    if tenant is None:
        forget(collections, transaction, label)
        return
    accounts = {
        user: account
        for user, account in beginning.tables()[USERS].items()
        if account["home"] == label
    }
    _remove_owned(collections, transaction, label)
    _remove_accounts(collections, transaction, label, staying=accounts)
    _put_back(transaction, TENANTS, label, tenant)
    for user, account in accounts.items():
        _put_back(transaction, USERS, user, account)
    for each in collections.owned:
        people_named = each.people.values()
        for key, record in beginning.tables()[each.table].items():
            if record["tenant"] == label:
                # An account of another tenant may be gone: what was its own is left out.
                lost = {name for name in people_named if _is_gone(transaction, record[name])}
                if "user" not in lost:
                    known = record | dict.fromkeys(lost)
                    _put_back(transaction, each.table, key, known)


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


def _remove_owned(collections: Collections, transaction: Transaction, label: str) -> None:
    for each in collections.owned:
        for record in transaction.group(each.table, "tenant", label):
            transaction.remove(each.table, each.key(record))


def _homes(collections: Collections, transaction: Transaction) -> dict[str, str]:
    """Account -> the tenant of the first thing that it holds."""
    return {
        record["user"]: record["tenant"]
        for each in reversed(collections.holdings)
        for record in reversed(list(transaction.all(each.table)))
        if record["user"] is not None
    }


def _remove_accounts(
    collections: Collections, transaction: Transaction, label: str, staying: Collection[str]
) -> None:
    """Those at home in a tenant that hold nothing anywhere; others' records forget them."""
    holding = _homes(collections, transaction)
    gone = {
        user: account["id"]
        for user, account in transaction.tables()[USERS].items()
        if account["home"] == label and user not in staying and user not in holding
    }
    for user in gone:
        transaction.remove(USERS, user)
    for each in collections.owned:
        for key, record in list(transaction.tables()[each.table].items()):
            lost = {name: None for name in each.people.values() if record[name] in gone}
            lost |= {name: None for name in each.account_ids if record[name] in gone.values()}
            if lost:
                transaction.put(each.table, key, record | lost)
