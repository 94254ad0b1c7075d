"""The audit: records of what a transaction has changed, which commit together with it (section 9).

Resources need no code for it: the transaction knows what it has put and removed, and each
`Collection` says by which names the API knows this.
"""

import hashlib
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import orjson

from provisioning.domain import people
from provisioning.domain.activity import Instant
from provisioning.domain.names import username_key
from provisioning.domain.records import Records
from provisioning.domain.roles import MASK
from provisioning.domain.tables import AUDIT, PRIVILEGES, USERS
from provisioning.store import Change, Lookup, Query, Record, Transaction, View
from provisioning.web import audit_log
from provisioning.web.collection import Collection
from provisioning.web.server import Server

LARGEST_VALUE = 1_000
"""The most bytes of a value as JSON. Of a larger value the audit keeps only size and digest."""
MOST_DROPPED = 200
"""The most old records that one transaction removes beyond as many as it adds."""
UNTOLD = frozenset({"number", "byUser", "byAccount", "aboutUser", "aboutAccount"})
"""Members of a stored record that the API doesn't show."""
COUNTED = 1_001
"""If fewer records than this are to be kept, each change counts them. For 100,000 one change in a
hundred does."""
API, SCIM, CLI = "api", "scim", "cli"
WAYS = (API, SCIM, CLI)
CREATE, CHANGE, REMOVE = "create", "change", "remove"
ACTIONS = (CREATE, CHANGE, REMOVE)


@dataclass(frozen=True)
class Author:
    """Who makes a change, and in which way: `via` is one of WAYS."""

    via: str
    tenant: str | None = None
    """The tenant through which the change is made. None on the command line: there the tenant
    follows from each record."""
    user: str | None = None
    key: str | None = None
    request_id: str | None = None
    client: str | None = None


def keep(server: Server, transaction: Transaction, author: Author, now: Instant) -> list[Record]:
    """Put an audit record for each record that the transaction has changed, and return them as
    lines of the log tell them: hand these to `audit_log.note` after the commit.

    The rename of an account is told in each tenant where the account holds a privilege; that
    records of the account name it otherwise then is no change of theirs.
    """
    limit = server.audit_keep
    if not limit and not audit_log.is_read():
        return []
    lines: list[Record] = []
    added: dict[str, list[int]] = defaultdict(list)
    changes = transaction.changes()
    accounts = _Accounts(transaction, changes)

    def tell(tenant: str, change: Change, changes: Record, author: Author) -> None:
        collection = server.collections[change.table]
        is_part = collection.audit == USERS and change.table != USERS
        number = transaction.next_id(AUDIT)
        about = accounts.about(change)
        username = None if about is None else str(about["username"])
        made_by = accounts.get(author.user)
        record = {
            "id": number,
            "tenant": tenant,
            "number": number,
            "at": now,
            "by": made_by and made_by["username"],
            "byUser": author.user,
            "byAccount": made_by and made_by["id"],
            "key": author.key,
            "via": author.via,
            "requestId": author.request_id,
            "action": CHANGE if is_part else _action(change),
            "resource": collection.audit,
            "target": username if is_part else _target(collection, change),
            "user": username,
            "aboutUser": None if username is None else username_key(username),
            "aboutAccount": about and about["id"],
            "client": author.client,
            "changes": changes,
        }
        lines.append(_line(record))
        if limit:
            transaction.put(AUDIT, key_of(tenant, number), record, is_new=True)
            added[tenant].append(number)

    renamed = _renamed(changes)
    author = replace(author, user=renamed.get(author.user, author.user))
    for change in _told(server, changes, renamed) if renamed else changes:
        collection = server.collections[change.table]
        if collection.audit is None:
            continue
        tenant = _tenant(collection, change, author)
        found = differences(accounts, collection, change)
        tell(tenant, change, found, author)
        if change.table == USERS and change.before and change.after and "username" in found:
            stranger = replace(author, user=None, key=None, client=None)
            for other in _tenants_of(transaction, change.key) - {tenant}:
                tell(other, change, {"username": found["username"]}, stranger)
    for tenant, numbers in added.items():
        if any(_is_counted(tenant, number, limit) for number in numbers):
            _drop(transaction, tenant, limit, len(numbers))
    return lines


def _line(record: Record) -> Record:
    """An audit record as the log tells it: of people only which members were changed, since a log
    keeps what `user erase` can't reach."""
    changes = record["changes"]
    shown = {name: value for name, value in record.items() if name not in UNTOLD}
    return shown | {"changes": sorted(changes) if record["resource"] == "users" else changes}


def _renamed(changes: list[Change]) -> dict[str | None, str]:
    """{old key: new key} of the accounts that have another key than before."""
    old = {each.before["id"]: each.key for each in changes if each.table == USERS and each.before}
    new = {each.after["id"]: each.key for each in changes if each.table == USERS and each.after}
    return {old[each]: new[each] for each in old.keys() & new.keys() if old[each] != new[each]}


def _told(
    server: Server, changes: list[Change], renamed: dict[str | None, str]
) -> Iterable[Change]:
    """The changes to tell, where removal and creation of a renamed account are one change."""
    told: dict[tuple[str, str], Change] = {}
    for change in changes:
        before, after = change.before, change.after
        key = renamed.get(change.key, change.key) if change.table == USERS else change.key
        if change.table != USERS and before is not None:
            collection = server.collections[change.table]
            names = {each: before[each] for each in collection.people}
            before = before | {each: renamed.get(user, user) for each, user in names.items()}
            key = collection.key(before)
        other = told.get((change.table, key), change)
        told[change.table, key] = Change(
            change.table, key, before or other.before, after or other.after
        )
    return (each for each in told.values() if each.before != each.after)


def _tenants_of(view: View, user: str) -> set[str]:
    """The tenants in which an account holds a privilege."""
    held = view.query(PRIVILEGES, Query(equal={"user": user})).records
    return {record["tenant"] for record in held}


def key_of(tenant: str, number: int) -> str:
    return f"{tenant}/{number}"


def _is_counted(tenant: str, number: int, limit: int) -> bool:
    """Whether to count the tenant's records when this one is added, since counting takes long.

    It is decided as if by chance, but always in the same way for the same number.
    """
    one_in = min(MOST_DROPPED // 2, 1 + limit // COUNTED)
    return zlib.crc32(key_of(tenant, number).encode()) % one_in == 0


def _drop(transaction: Transaction, tenant: str, limit: int, added: int) -> None:
    """Remove the oldest of a tenant's records, if there are more than `limit`.

    Mostly there are as many too many as the transaction has `added`, so these are asked for at
    once with the count.
    """
    oldest = Query(within=("tenant", tenant), size=added)
    page = transaction.query(AUDIT, oldest)
    surplus = page.total - limit
    if surplus > added:
        oldest = replace(oldest, size=min(surplus, MOST_DROPPED + added))
        page = transaction.query(AUDIT, oldest)
    for record in page.records[: max(surplus, 0)]:
        key = key_of(tenant, record["number"])
        # A change that runs beside this one may have removed it meanwhile.
        if transaction.get(AUDIT, key) is not None:
            transaction.remove(AUDIT, key)


def _action(change: Change) -> str:
    if change.before is None:
        return CREATE
    return CHANGE if change.after is not None else REMOVE


def _target(collection: Collection, change: Change) -> str:
    return collection.target_of(change.after or change.before or {})


def _tenant(collection: Collection, change: Change, author: Author) -> str:
    """The tenant in whose audit a change stands; for accounts the one through which it was made."""
    record = change.after or change.before or {}
    if collection.is_owned:
        return str(record["tenant"])
    if collection.table == USERS:
        return author.tenant or str(record["home"])
    return str(record["label"])


class _Accounts:
    """The accounts that changed records name, also those that the changes have removed."""

    def __init__(self, view: View, changes: list[Change]) -> None:
        self._view = view
        self._removed: dict[str | int, Record] = {}
        for change in changes:
            if change.table == USERS and change.before is not None:
                self._removed |= dict.fromkeys((change.key, change.before["id"]), change.before)

    def get(self, user: str | int | None) -> Record | None:
        """The account with this key or id."""
        if user is None:
            return None
        return people.account_of(self._view, user) or self._removed.get(user)

    def about(self, change: Change) -> Record | None:
        """The account that a record is or belongs to; None if there is none."""
        record = change.after or change.before or {}
        return record if change.table == USERS else self.get(record.get("user"))


def differences(accounts: _Accounts, collection: Collection, change: Change) -> Record:
    """The audit's `changes`: the members that differ, in the API's form, with masked secrets."""
    found = {}
    for name, stored in collection.audited.items():
        before, after = (
            None if record is None else record.get(stored)
            for record in (change.before, change.after)
        )
        if orjson.dumps(before) == orjson.dumps(after):  # to Python 1, 1.0 and true are the same
            continue
        found[name] = {
            side: _shown(accounts, collection, name, stored, value)
            for side, value in (("from", before), ("to", after))
        }
    return found


def _shown(accounts: _Accounts, collection: Collection, name: str, stored: str, value: Any) -> Any:
    if value is None:
        return None
    schema = collection.schema
    is_never_shown = name in schema.load_fields and name not in schema.dump_fields
    if is_never_shown or name in schema.secrets:
        return MASK
    if stored in collection.usernames.values():
        account = accounts.get(value)
        return None if account is None else account["username"]
    encoded = orjson.dumps(value)
    if len(encoded) > LARGEST_VALUE:
        return {"bytes": len(encoded), "sha256": hashlib.sha256(encoded).hexdigest()}
    return value


@contextmanager
def by_command_line(server: Server, erasing: int | None = None) -> Iterator[Transaction]:
    """A transaction of the command line, which is audited like those of requests.

    `erasing` is the id of an account whose values are then masked in the whole audit.
    """
    with server.store.transaction() as transaction:
        yield transaction
        lines = keep(server, transaction, Author(CLI), server.clock.now(transaction.time()))
        if erasing is not None:
            about = Query(equal={"aboutAccount": erasing})
            for record in transaction.query(AUDIT, about).records:
                transaction.put(AUDIT, key_of(record["tenant"], record["number"]), erased(record))
    audit_log.note(lines)


def shown_with(page: Iterable[Record]) -> Iterator[Lookup]:
    """What `shown_to` asks for of these audit records."""
    yield Lookup(USERS, {record["aboutAccount"] for record in page} - {None}, "id")


def shown_to(records: Records, record: Record) -> Record:
    """A record's `changes` as this tenant sees them: an account's private ones only at its home."""
    changes: Record = record["changes"]
    if record["resource"] == "users" and people.PRIVATE & changes.keys():
        account = people.account_of(records.view, record["aboutAccount"])
        if account is not None and account["home"] != records.label:
            return {name: each for name, each in changes.items() if name not in people.PRIVATE}
    return changes


def erased(record: Record) -> Record:
    """An audit record with every value masked: it still says which members were changed."""
    hidden = {
        name: {side: None if value is None else MASK for side, value in each.items()}
        for name, each in record["changes"].items()
    }
    return record | {"changes": hidden}
