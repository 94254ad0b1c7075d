"""Resetting and removing one tenant, and the list of the keys that work now."""

from collections.abc import Collection
from contextlib import suppress

from provisioning.domain import people
from provisioning.domain.activity import Instant
from provisioning.domain.callers import identify
from provisioning.domain.errors import Conflict, NotFound, Unauthorized
from provisioning.domain.tables import API_KEYS, TENANTS, USERS
from provisioning.store import Record, Transaction, View
from provisioning.web.collection import Collections

MOST_KEYS = 300


def counts(collections: Collections, view: View) -> dict[str, int]:
    return {name: view.count(each.table) for name, each in collections.seeded.items()}


def usable_keys(view: View, now: Instant) -> list[Record]:
    """The oldest keys that work now, up to MOST_KEYS, with `username` (or None) and `role`."""
    found: list[Record] = []
    for key in view.all(API_KEYS):
        with suppress(Unauthorized):
            role = identify(view, key["apiToken"], lambda: now).role
            found.append(key | {"role": role, "username": people.username_of(view, key["user"])})
        if len(found) == MOST_KEYS:
            break
    return found


def forget(collections: Collections, transaction: Transaction, label: str) -> None:
    """Remove a tenant and all its records, and the accounts at home there; NotFound without one.

    An account that holds a privilege or key in another tenant stays, and gets that tenant as its
    home (the tenant of its oldest privilege). Where another tenant's record names an account that
    is removed, it holds null afterwards.
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
    """Put a tenant's records, and the accounts at home there, back to those of an earlier view.

    A tenant that did not exist then is removed. Conflict if another tenant has one of the records
    by now, or a record of the same name.
    """
    tenant = beginning.get(TENANTS, label)
    if tenant is None:
        forget(collections, transaction, label)
        return
    key_of_account = collections[USERS].key
    accounts = {
        key_of_account(account): account
        for account in beginning.all(USERS)
        if account["home"] == label
    }
    _remove_owned(collections, transaction, label)
    _remove_accounts(collections, transaction, label, staying=accounts)
    _put_back(transaction, TENANTS, label, tenant)
    for user, account in accounts.items():
        _put_back(transaction, USERS, user, account)
    for each in collections.owned:
        naming = each.usernames.values()
        for record in beginning.group(each.table, "tenant", label):
            # An account of another tenant may be gone, and what it held is then left out.
            lost = {name for name in naming if _is_gone(transaction, record[name])}
            if "user" not in lost:
                known = record | dict.fromkeys(lost)
                _put_back(transaction, each.table, each.key(record), known)


def _is_gone(transaction: Transaction, user: str | int | None) -> bool:
    return user is not None and people.account_of(transaction, user) is None


def _put_back(transaction: Transaction, table: str, key: str, record: Record) -> None:
    current = transaction.get(table, key)
    is_same = current is None or (
        current["id"] == record["id"]
        if table in (TENANTS, USERS)
        else current["tenant"] == record["tenant"]
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
    """User's key -> label of a tenant, for users who hold something: that of the first thing."""
    return {
        record["user"]: record["tenant"]
        for each in reversed(collections.holdings)
        for record in reversed(list(transaction.all(each.table)))
        if record["user"] is not None
    }


def _remove_accounts(
    collections: Collections, transaction: Transaction, label: str, staying: Collection[str]
) -> None:
    """Remove the accounts at home in a tenant that hold nothing in any, and are not `staying`.

    Records that name them hold null afterwards.
    """
    holding = _homes(collections, transaction)
    key_of_account = collections[USERS].key
    gone = {
        key_of_account(account): account["id"]
        for account in transaction.all(USERS)
        if account["home"] == label
        and key_of_account(account) not in staying
        and key_of_account(account) not in holding
    }
    for user in gone:
        transaction.remove(USERS, user)
    for each in collections.owned:
        for record in transaction.all(each.table):
            lost = {name: None for name in each.people if record[name] in gone}
            lost |= {name: None for name in each.identities if record[name] in gone.values()}
            if lost:
                transaction.put(each.table, each.key(record), record | lost)
