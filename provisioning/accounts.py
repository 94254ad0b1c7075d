"""What concerns an account in every tenant: to move its home, to rename it, to erase it.

An account is global. Whoever runs the server does all of this; a directory renames, too.
"""

from collections.abc import Iterator

from provisioning.domain import people
from provisioning.domain.activity import ActivityWindow, Instant
from provisioning.domain.errors import Conflict, NotFound
from provisioning.domain.names import username_key
from provisioning.domain.records import Records
from provisioning.domain.tables import API_KEYS, PRIVILEGES, TENANTS, USERS
from provisioning.domain.tenants import as_administrator
from provisioning.resources.users import USER
from provisioning.store import Collision, Query, Record, Transaction, View
from provisioning.web.audit import by_command_line
from provisioning.web.collection import Collection, Collections
from provisioning.web.records import load_part
from provisioning.web.server import Server

CHANGED_MEANWHILE = "The account was changed meanwhile. Try again."


def find_account(view: View, username: str) -> tuple[str, Record]:
    """The account with this username, as (its key, its record); NotFound if there is none."""
    user = username_key(username)
    account = view.get(USERS, user)
    if account is None:
        raise NotFound(f"There is no account '{username}'.")
    return user, account


def move(server: Server, username: str, tenant: str) -> Record:
    """Make a tenant the home of an account, and return the account as it is then.

    NotFound for an unknown account or tenant; Conflict if the user has no privilege record there.
    """
    with by_command_line(server) as transaction:
        user, account = find_account(transaction, username)
        if transaction.get(TENANTS, tenant) is None:
            raise NotFound(f"There is no tenant '{tenant}'.")
        if not transaction.group(PRIVILEGES, "tenantUser", (tenant, user)):
            raise Conflict(
                f"'{account['username']}' has no privilege record in '{tenant}'. Grant one first."
            )
        account = account | {"home": tenant}
        transaction.put(USERS, user, account)
        return account


def rename(server: Server, old: str, new: str) -> Record:
    """Give an account another username, and return the account as it is then.

    NotFound for an unknown account, Invalid for a bad username, Conflict for one that is taken.
    """
    with by_command_line(server) as transaction:
        user, _ = find_account(transaction, old)
        return rename_within(transaction, server.collections, user, new)


def rename_within(
    transaction: Transaction, collections: Collections, user: str, username: str
) -> Record:
    """Rename the account with the key `user` within a transaction; returns it as it is then.

    The transaction needs the turns of `tenants_holding`. Invalid for a bad username, Conflict for
    one that is taken, Collision if the account has just got something in another tenant.
    """
    username = load_part(USER, {"username": username})["username"]
    renamed = username_key(username)
    account = transaction.get(USERS, user)
    if account is None:
        raise Collision(CHANGED_MEANWHILE)
    account = account | {"username": username}
    if renamed == user:
        transaction.put(USERS, user, account)
        return account
    if transaction.get(USERS, renamed) is not None:
        raise Conflict(f"There is an account '{username}' already.")
    # First the account: nobody else can name it by its old key from then on.
    transaction.remove(USERS, user)
    transaction.put(USERS, renamed, account)
    for collection, record in list(_naming(collections, transaction, user)):
        if not transaction.has_turn_of(record["tenant"]):
            raise Collision(CHANGED_MEANWHILE)
        members = {n: renamed for n in collection.people if record[n] == user}
        _rewrite(transaction, collection, record, record | members)
    return account


def tenants_holding(view: View, collections: Collections, user: str) -> frozenset[str]:
    """The tenants whose records name the account with this key, in whose turns it is renamed."""
    return frozenset(record["tenant"] for _, record in _naming(collections, view, user))


def erase(server: Server, username: str) -> Record:
    """Remove an account and its privileges and keys in every tenant; returns the old account.

    Conflict if a tenant would lose its last administrator. Where other records named the account,
    they hold null afterwards. The audit still says that something was changed, but not what.
    """
    with server.store.read() as view:
        _, account = find_account(view, username)
    with by_command_line(server, erasing=account["id"]) as transaction:
        user, account = find_account(transaction, username)
        now = server.clock.now(transaction.time())
        naming = list(_naming(server.collections, transaction, user))
        tenants = sorted({record["tenant"] for each, record in naming if _owns(each, record, user)})
        tenant_records = [_records(server, transaction, tenant, now) for tenant in tenants]
        before = [people.administration(records) for records in tenant_records]
        for collection, record in naming:
            if _owns(collection, record, user):
                transaction.remove(collection.table, collection.key(record))
            else:
                members = {n: None for n in collection.people if record[n] == user}
                _rewrite(transaction, collection, record, record | members)
        for collection in server.collections.owned:
            for member in collection.identities:
                same_id = Query(equal={member: account["id"]})
                for record in transaction.query(collection.table, same_id).records:
                    _rewrite(transaction, collection, record, record | {member: None})
        transaction.remove(USERS, user)
        for records, windows in zip(tenant_records, before, strict=True):
            people.require_administration(records, windows)
        return account


def _records(server: Server, transaction: Transaction, tenant: str, now: Instant) -> Records:
    return as_administrator(transaction, server.catalogue, tenant, now)


def _owns(collection: Collection, record: Record, user: str) -> bool:
    """Whether a record belongs to the user, so that erasing the account removes it."""
    return "tenantUser" in collection.facts.groups and bool(record["user"] == user)


def _naming(collections: Collections, view: View, user: str) -> Iterator[tuple[Collection, Record]]:
    """Every record in which some member holds the user's key; each record comes once."""
    for collection in collections.values():
        seen: set[str] = set()
        for member in collection.people:
            for record in view.query(collection.table, Query(equal={member: user})).records:
                key = collection.key(record)
                if key not in seen:
                    seen.add(key)
                    yield collection, record


def _rewrite(transaction: Transaction, collection: Collection, old: Record, new: Record) -> None:
    """Replace a record by one that may have another key."""
    if collection.key(old) != collection.key(new):
        transaction.remove(collection.table, collection.key(old))
    transaction.put(collection.table, collection.key(new), new)


def revoke_key(server: Server, key_id: str) -> Record:
    """End an API key now, unless it has ended, and return it. NotFound for an unknown id."""
    with by_command_line(server) as transaction:
        key = transaction.get(API_KEYS, key_id)
        if key is None:
            raise NotFound(f"There is no API key '{key_id}'.")
        now = server.clock.now(transaction.time())
        key = key | ActivityWindow.of(key).revoked(now).members
        transaction.put(API_KEYS, key_id, key)
        return key


def set_active(server: Server, label: str, is_active: bool) -> Record:
    """Activate a tenant, or refuse all its keys from now on; returns it. NotFound without one."""
    with by_command_line(server) as transaction:
        tenant = transaction.get(TENANTS, label)
        if tenant is None:
            raise NotFound(f"There is no tenant '{label}'.")
        tenant = tenant | {"active": is_active}
        transaction.put(TENANTS, label, tenant)
        return tenant
