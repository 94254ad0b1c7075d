"""Export and import (section 9, "In and out").

A whole store, or one tenant of it, is written as a seed; a seed is put into a store in use.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import orjson

from provisioning import seed
from provisioning.domain import people
from provisioning.domain.activity import ActivityWindow, Instant
from provisioning.domain.errors import Conflict, NotFound
from provisioning.domain.names import username_key
from provisioning.domain.passwords import has_cheap_hash, lost_passwords
from provisioning.domain.records import Records
from provisioning.domain.services import subscribe_to_mandatory
from provisioning.domain.tables import API_KEYS, TENANTS, USERS
from provisioning.domain.tenants import as_administrator
from provisioning.seed import BadFile, Entry
from provisioning.store import Query, Record, Transaction, View
from provisioning.web.audit import by_command_line
from provisioning.web.collection import Collection
from provisioning.web.server import Server

Item = TypeVar("Item")

MERGE, REPLACE = "merge", "replace"
MODES = (MERGE, REPLACE)


@dataclass
class Outcome:
    """What an import has done or, as a dry run, would do."""

    created: dict[str, list[str]] = field(default_factory=dict)
    """The name of the seed's list -> the targets of its records, as in the audit; so below."""
    changed: dict[str, list[str]] = field(default_factory=dict)
    removed: dict[str, list[str]] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    """A sentence for each thing that was left as it is, with the reason."""
    by_username: bool = False
    """Whether records of people are listed by username, each name once, and not by their ids."""

    def note(self, server: Server, transaction: Transaction) -> None:
        """Add what a transaction has created, changed and removed."""
        for change in transaction.changes():
            collection = server.collections[change.table]
            if collection.seed is None:
                continue
            targets = self.changed if change.before and change.after else self.removed
            targets = self.created if change.before is None else targets
            record = change.after or change.before or {}
            name = collection.target_of(record)
            if self.by_username and "user" in record:
                name = str(people.username_of(transaction, record["user"]))
            targets.setdefault(collection.seed, []).append(name)
        if self.by_username:
            for lists in (self.created, self.changed, self.removed):
                lists |= {kind: list(dict.fromkeys(names)) for kind, names in lists.items()}

    @property
    def is_nothing(self) -> bool:
        return not (self.created or self.changed or self.removed)


class _DryRun(Exception):
    """Raised within a transaction to end it without keeping anything."""


@contextmanager
def trying(server: Server, outcome: Outcome, is_dry: bool) -> Iterator[Transaction]:
    """A transaction of the command line, noted in `outcome`; `is_dry` keeps nothing of it."""
    try:
        with by_command_line(server) as transaction:
            yield transaction
            outcome.note(server, transaction)
            if is_dry:
                raise _DryRun
    except _DryRun:
        pass


def export(server: Server, view: View, label: str | None = None) -> Record:
    """The whole store, or one tenant, in the form of a seed.

    An account whose home is another tenant stands in a tenant's export by its username alone.
    """
    collections = server.collections
    if label is None:
        return seed.export(collections, view)
    tenant = view.get(TENANTS, label)
    if tenant is None:
        raise NotFound(f"There is no tenant '{label}'.")
    lists: dict[str, list[Record]] = {name: [] for name in collections.seeded}
    named: dict[int, Record] = {}
    for collection in collections.owned:
        if collection.seed is None:
            continue
        for record in view.group(collection.table, "tenant", label):
            lists[collection.seed].append(seed.as_given(view, collection, record))
            for member in collection.usernames.values():
                account = people.account_of(view, record[member])
                if account is not None:
                    named[account["id"]] = account
    lists["tenants"] = [seed.as_given(view, collections[TENANTS], tenant)]
    at_home = view.query(USERS, Query(equal={"home": label})).records
    for account in at_home:
        named.pop(account["id"], None)
    lists["users"] = [
        *(seed.as_given(view, collections[USERS], account) for account in at_home),
        *({"username": account["username"]} for account in named.values()),
    ]
    return lists


def unwatched(entries: Sequence[Item]) -> Iterable[Item]:
    """The entries of an import, without showing progress: what `watched` is by default."""
    return entries


def load(
    server: Server,
    given: Any,
    mode: str = MERGE,
    is_dry: bool = False,
    watched: Callable[[Sequence[Entry]], Iterable[Entry]] = unwatched,
) -> Outcome:
    """Put a seed into a store that is in use, all of it or nothing; see `Import`.

    `given` is the parsed JSON; `watched` wraps the entries to show progress. BadFile lists every
    fault with its place.
    """
    outcome = Outcome()
    with server.store.read() as view:
        now = server.clock.now(view.time())
    guests = _guests(given)
    entries = seed.prepare_seed(server, given, now, guests)
    dropped = sum(map(has_cheap_hash, given.get("users") or ()))
    if dropped and not server.hashes_cheaply:
        outcome.told.append(lost_passwords(dropped))
    with trying(server, outcome, is_dry) as transaction:
        now = server.clock.now(transaction.time())
        Import(server, transaction, now, mode, outcome).run(entries, guests, watched)
    return outcome


def _guests(given: Any) -> dict[int, str]:
    """Index in `users` -> username, for the accounts of which the seed has only the username."""
    users = given.get("users") if isinstance(given, dict) else None
    return {
        index: item["username"]
        for index, item in enumerate(users if isinstance(users, list) else [])
        if isinstance(item, dict)
        and item.keys() == {"username"}
        and isinstance(item["username"], str)
    }


@dataclass
class Import:
    """Puts a seed into a store that is in use.

    Tenants that the file doesn't bring, and the accounts at home in them, stay as they are. A
    record whose id another record has gets a new one, and what refers to it follows.
    """

    server: Server
    transaction: Transaction
    now: Instant
    mode: str
    outcome: Outcome
    errors: list[str] = field(default_factory=list)
    account_ids: dict[int, int] = field(default_factory=dict)
    """The id of an account in the file -> its id in the store."""
    moved: dict[tuple[str, str], str] = field(default_factory=dict)
    """(Table, key) in the file -> the record's key in the store."""
    seen: set[tuple[str, str]] = field(default_factory=set)
    given: set[tuple[str, str]] = field(default_factory=set)
    """(Table, id as text) of records with an id in the file: a new id must be none of these."""
    brought: set[str] = field(default_factory=set)
    """The tenants that the file brings."""
    twins: dict[str, dict[bytes, str]] = field(default_factory=dict)
    """Table -> {content without id -> key} of records that brought tenants have."""

    def run(
        self,
        entries: list[Entry],
        guests: dict[int, str],
        watched: Callable[[Sequence[Entry]], Iterable[Entry]],
    ) -> None:
        self._require_sound(entries)
        listed = {str(e.record["label"]) for e in entries if e.collection.table == TENANTS}
        named = {str(e.record["tenant"]) for e in entries if e.collection.is_owned}
        self.brought = brought = listed if self.mode == REPLACE else listed | named
        self._require_brought(entries, named - brought)
        before = {
            label: people.administration(self._records(label))
            for label in brought
            if self.transaction.get(TENANTS, label) is not None
        }
        self._require_guests(guests)
        self.given = {(e.collection.table, str(e.record.get("id"))) for e in entries}
        put = [
            found for each in watched(entries) if (found := self._put(each, brought)) is not None
        ]
        if self.mode == REPLACE:
            kept = {(each.collection.table, each.collection.key(each.record)) for each in put}
            self._remove_others(brought, kept, set(map(username_key, guests.values())))
        self._check(put, before)
        if self.errors:
            raise BadFile(self.errors)
        for label in sorted(listed):
            subscribe_to_mandatory(self.transaction, self.server.catalogue, label, self.now)

    def _records(self, label: str) -> Records:
        return as_administrator(self.transaction, self.server.catalogue, label, self.now)

    def _require_sound(self, entries: list[Entry]) -> None:
        """BadFile for records with faults of their own; the other steps rely on sound records."""
        for entry in entries:
            collection, record = entry.collection, entry.record
            if collection.numbered is not None and record["id"] is None:
                record = record | {"id": seed.id_of(collection, 1)}
            self.errors += entry.faults(seed.key_of(collection, record), record)
        if self.errors:
            raise BadFile(self.errors)

    def _require_brought(self, entries: list[Entry], missing: set[str]) -> None:
        self.errors += [
            f"{each.place}.tenant: '{each.record['tenant']}' is not in the file's tenants."
            for each in entries
            if each.collection.is_owned and each.record["tenant"] in missing
        ]

    def _require_guests(self, guests: dict[int, str]) -> None:
        for index, username in guests.items():
            if self.transaction.get(USERS, username_key(username)) is None:
                self.errors.append(
                    f"users[{index}].username: there is no account '{username}'. One that is at "
                    "home in another tenant has to exist."
                )

    def _put(self, entry: Entry, brought: set[str]) -> Entry | None:
        """Put a record into the store, and return it as an entry with its final ids.

        None for an account at home elsewhere, which stays as it is, and for a faulty record.
        """
        entry = entry.with_ids(self.transaction)
        collection, record, table = entry.collection, entry.record, entry.collection.table
        for member in set(collection.identities) - set(collection.named):
            if record.get(member) in self.account_ids:
                record = record | {member: self.account_ids[record[member]]}
        for member, target in collection.references.items():
            if (target, record.get(member)) in self.moved:
                record = record | {member: self.moved[target, record[member]]}
        if table == USERS:
            account = self._account(entry, brought)
            if account is None:
                return None
            record = account
        elif collection.numbered is not None:
            record = self._with_own_id(replace(entry, record=record))
        key = seed.key_of(collection, record)
        self.moved[table, seed.key_of(collection, entry.record)] = key
        if (table, key) in self.seen:
            self.errors.append(f"{entry.place}: '{key}' stands in this seed twice.")
            return None
        self.seen.add((table, key))
        known = self.transaction.get(table, key)
        if known is not None and collection.is_owned and known["tenant"] != record["tenant"]:
            self.errors.append(f"{entry.place}: '{key}' is another tenant's.")
            return None
        if known == record:
            return replace(entry, record=record)
        try:
            self.transaction.put(table, key, record)
        except ValueError as error:
            self.errors.append(f"{entry.place}: {error}.")
            return None
        return replace(entry, record=record)

    def _account(self, entry: Entry, brought: set[str]) -> Record | None:
        """The account in the form to store; None if its home is elsewhere, or if it is faulty."""
        record = entry.record
        username = record["username"]
        known = self.transaction.get(USERS, seed.key_of(entry.collection, record))
        if known is not None and known["home"] not in brought:
            self.outcome.told.append(
                f"{entry.place}: the account '{username}' is at home in '{known['home']}', and "
                "keeps home, profile and password."
            )
            if record["id"] is not None:
                self.account_ids[record["id"]] = known["id"]
            return None
        # A merge may add people whose home is a tenant of the store; `_check` looks whether it is.
        if known is None and self.mode == REPLACE and record["home"] not in brought:
            self.errors.append(
                f"{entry.place}.home: '{record['home']}' is not among the tenants of the file."
            )
            return None
        if known is not None and record["passwordHash"] is None:
            record = record | {"passwordHash": known["passwordHash"]}
        own_id = record["id"] if known is None else known["id"]
        taken = own_id is None or (
            known is None and self.transaction.find(USERS, "id", own_id) is not None
        )
        if taken:
            own_id = self._new_id(entry.collection)
        if record["id"] is not None:
            self.account_ids[record["id"]] = own_id
        return record | {"id": own_id}

    def _with_own_id(self, entry: Entry) -> Record:
        """The record with the id that it has in the store already, or else with a free one."""
        collection, record, table = entry.collection, entry.record, entry.collection.table
        known = self._same(collection, record) or seed.given_anyway(
            self.server, self.transaction, entry, self.seen
        )
        if known is not None:
            return record | {"id": known["id"]}
        taken = record["id"] is None or (
            self.transaction.find(TENANTS, "id", record["id"]) is not None
            if table == TENANTS
            else self.transaction.get(table, str(record["id"])) is not None
        )
        return record | {"id": self._new_id(collection)} if taken else record

    def _new_id(self, collection: Collection) -> int | str:
        """An id that no record has, neither in the store nor in the file."""
        found = seed.new_id(self.transaction, collection)
        while (collection.table, str(found)) in self.given:
            found = seed.new_id(self.transaction, collection)
        return found

    def _same(self, collection: Collection, record: Record) -> Record | None:
        """The record in the store that this one of the file replaces, or None."""
        table, known = collection.table, None
        if table == TENANTS or record["id"] is not None:
            known = self.transaction.get(table, seed.key_of(collection, record))
        is_foreign = known is not None and known.get("tenant") != record.get("tenant")
        if table == API_KEYS and (known is None or is_foreign):
            known = self.transaction.find(table, "token", collection.unique["token"](record))
        elif collection.is_owned and (is_foreign or record["id"] is None):
            known = self._twin(collection, record)
        if known is None or not collection.is_owned or known["tenant"] == record["tenant"]:
            return known
        return None

    def _twin(self, collection: Collection, record: Record) -> Record | None:
        """The record that an earlier import made of this one, which has no id of its own."""
        table = collection.table
        if table not in self.twins:
            self.twins[table] = {
                _apart_from_id(each): collection.key(each)
                for label in self.brought
                for each in self.transaction.group(table, "tenant", label)
                if (table, str(each["id"])) not in self.given
            }
        key = self.twins[table].pop(_apart_from_id(record), None)
        return None if key is None else self.transaction.get(table, key)

    def _remove_others(
        self, brought: set[str], kept: set[tuple[str, str]], guests: set[str]
    ) -> None:
        """Remove the records of the brought tenants that the file lacks."""
        for label in brought:
            for collection in self.server.collections.owned:
                if collection.seed is None:
                    continue
                for record in list(self.transaction.group(collection.table, "tenant", label)):
                    key = collection.key(record)
                    if (collection.table, key) not in kept:
                        self.transaction.remove(collection.table, key)
        accounts = self.server.collections[USERS]
        for label in brought:
            for account in self.transaction.query(USERS, Query(equal={"home": label})).records:
                user = accounts.key(account)
                if (USERS, user) in kept or user in guests:
                    continue
                if self._is_named(user, account["id"]):
                    self.outcome.told.append(
                        f"The account '{account['username']}' is not in the file, and stays, "
                        "since another tenant names it."
                    )
                else:
                    self.transaction.remove(USERS, user)

    def _is_named(self, user: str, account_id: int) -> bool:
        return any(
            self.transaction.query(each.table, Query(equal={member: value}, size=1)).records
            for each in self.server.collections.owned
            for members, value in ((each.people, user), (each.named, account_id))
            for member in members
        )

    def _check(self, put: list[Entry], before: dict[str, list[ActivityWindow]]) -> None:
        for entry in put:
            self.errors += seed.dangling(self.transaction, entry)
        self.errors += seed.overfull_tenants(self.server, self.transaction, put)
        if self.errors:
            return
        for entry in put:
            rules = seed.broken_rules(
                self.server, self.transaction, entry.collection, entry.record, self.now
            )
            self.errors += entry.sentences(rules)
        for label, windows in before.items():
            try:
                people.require_administration(self._records(label), windows)
            except Conflict as error:
                self.errors.append(f"{label}: {error.detail}")


def _apart_from_id(record: Record) -> bytes:
    # A copy, since one of each record is kept: what orjson returns holds 4 KB, however short it is.
    return b"%s" % orjson.dumps(record | {"id": None}, option=orjson.OPT_SORT_KEYS)
