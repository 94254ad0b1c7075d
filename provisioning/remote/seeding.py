"""A seed, and a catalogue, of what was read of another server: both of them load."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from marshmallow import fields

from provisioning import seed
from provisioning.domain.activity import Clock
from provisioning.domain.catalogue import Catalogue
from provisioning.domain.tables import TENANTS, USERS
from provisioning.factory import COLLECTIONS, memory_store
from provisioning.remote.errors import CannotBeDone
from provisioning.remote.people import RealPeople
from provisioning.remote.reading import Holding, Offer, in_order_of_creation, label_of, owner
from provisioning.remote.walking import text_of, user_of
from provisioning.resources.api_keys import new_token
from provisioning.resources.dashboards import DASHBOARD
from provisioning.resources.endpoints import ENDPOINT_TYPE
from provisioning.resources.services import SERVICE
from provisioning.resources.statements import CONFIGS, STATEMENT, STATEMENT_DETAILS
from provisioning.resources.tenant import COMPLETE_TENANT
from provisioning.resources.users import USER
from provisioning.settings import Settings
from provisioning.store import Record
from provisioning.web.collection import Collection
from provisioning.web.records import RecordSchema
from provisioning.web.server import Server

NUMBER = re.compile(r"-?[0-9]{1,16}")
FLAGS = {"true": True, "false": False, "1": True, "0": False}
PROSE = frozenset({"name", "title", "menuLabel", "subtitle", "biLine", "description"})
"""Members of keys, dashboards and statements that people write for people, so may name them."""
KEPT = frozenset({"label", "domain", "type", "status", "endpointType", "role", "service"})
"""Members that are no text of anybody's."""
WINDOW = ("activeFrom", "activeUntil")
NOUNS = {"endpointType": "type"}
"""Stored member -> what messages call it, if not by its name."""
OTHER_NAMES = {
    "createdDate": ("createdDate", "dateCreated"),
    "changedBy": ("configChangedBy",),
    "changedDate": ("configChangedDate",),
}
"""Stored member -> what the API calls it, or another version does, if not by that name alone."""
OTHER_SHAPES: dict[str, RecordSchema] = {
    TENANTS: COMPLETE_TENANT,
    "statementConfigs": STATEMENT_DETAILS,
}
"""Name of a list of a seed -> the record of the API from which it was read, if not its own."""
PLACE = re.compile(r"(\w+)\[(\d+)\](?:\.(\w+)[^:]*)?: (.*)", re.DOTALL)
"""Where a fault of a seed is: list, index, member, and what is wrong."""
VALUES = re.compile(r"'[^']*'")
MOST_ROUNDS = 50
LOWEST_ID, IDS = 2**29, 2**29
"""Where the ids begin of accounts that something names by id: far from those of other records."""


Lists = dict[str, list[Record]]
"""Name of a list in a seed, or in a catalogue -> its records."""


class LeftOut(Exception):
    """A record can't be in the seed; the reason is told."""


@dataclass
class Made:
    """A seed, and for each of its records the one that was read."""

    lists: Lists = field(default_factory=dict)
    origins: Lists = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    left_out: list[Record] = field(default_factory=list)
    """The records that were read and are not in the seed."""
    unnamed: set[str] = field(default_factory=set)
    """Users whom a record named, and who are not in the seed."""
    dropped: set[str] = field(default_factory=set)
    """Members that this version has refused in some record."""

    def add(self, name: str, record: Record, origin: Record) -> None:
        self.lists.setdefault(name, []).append(record)
        self.origins.setdefault(name, []).append(origin)

    def remove(self, name: str, index: int) -> None:
        del self.lists[name][index]
        self.left_out.append(self.origins[name].pop(index))

    @property
    def count(self) -> int:
        return sum(map(len, self.lists.values()))

    def settle(self, counts: Counter[str], faults_of: Callable[[Lists], list[str]]) -> None:
        """Leave out what the rules of this version refuse, and what hangs on it, until there are no
        faults any more. What is left out is counted."""
        for _ in range(MOST_ROUNDS):
            faults = faults_of(self.lists)
            if not faults:
                return
            doomed: set[tuple[str, int]] = set()
            for fault in faults:
                found = PLACE.fullmatch(fault)
                if found is None:
                    raise CannotBeDone(f"What was read can't be loaded: {fault}")
                name, index, member = found[1], int(found[2]), found[3] or ""
                record = self.lists[name][index]
                if member in record and is_dispensable(name, member):
                    del record[member]
                    self.dropped.add(member)
                elif name == TENANTS:
                    raise CannotBeDone(f"What was read can't be loaded: {fault}")
                elif (name, index) in doomed:
                    continue
                else:
                    doomed.add((name, index))
                what = f"{name}.{member}" if member else name
                why = VALUES.sub("it", found[4].rstrip("."))
                counts[f"{what}: refused by this version ({why}): left out"] += 1
            for name, index in sorted(doomed, reverse=True):
                self.remove(name, index)
        raise CannotBeDone(f"What was read can't be loaded: {faults[0]}")


class Seeder:
    """Makes the seed of a holding; `people` are those of whom it tells."""

    def __init__(self, holding: Holding, people: RealPeople, catalogue: Catalogue) -> None:
        self.holding, self.people, self.catalogue = holding, people, catalogue
        self.label = str(holding.tenant["label"])
        self.made = Made()
        self.counts: Counter[str] = Counter()
        endpoints = holding.lists["endpoints"]
        self.registrars = {str(each.get("registeredByUserId")) for each in endpoints}
        """The ids there of those who have made an endpoint, as text."""
        self.ids: dict[str, int] = {}
        """These ids -> those in the seed."""

    def make(self) -> Made:
        self._add_tenant()
        self._add_users()
        for name, origins in self.holding.lists.items():
            for each in origins:
                self._add(name, each)
        self.made.settle(self.counts, lambda lists: loading_faults(lists, self.catalogue))
        self._tell_unknown_members()
        told = [f"{what} ({count})." for what, count in self.counts.items() if count]
        self.made.told = [*self.holding.told, *told, *self.made.told]
        return self.made

    def _add_tenant(self) -> None:
        tenant = self.holding.tenant
        record = {"label": self.label, "active": True}
        for member in ("name", "icon", "theme"):
            record[member] = self.people.told(tenant.get(member))
        self.made.add(TENANTS, record, tenant)
        if any(user.get("home") is False for user in self.holding.users.values()):
            guests = f"{self.label[:25].rstrip('-_')}-guests"
            self.guests = guests if guests != self.label else "home-of-guests"
            home = {"label": self.guests, "name": "Home of guests", "active": False}
            self.made.add(TENANTS, home, {})

    def _add_users(self) -> None:
        users = in_order_of_creation([*self.holding.users.values()])
        for user in users:
            known = {n: v for n, v in fitted(USER, user).items() if n != "password"}
            shown = self.people.account(known)
            shown["email"] = self._email(shown)
            if user.get("id") is not None and str(user["id"]) in self.registrars:
                digest = hashlib.sha256(f"{self.label}\0{shown['username']}".encode()).digest()
                shown["id"] = LOWEST_ID + int.from_bytes(digest[:8]) % IDS
                self.ids[str(user["id"])] = shown["id"]
            shown["home"] = self.guests if user.get("home") is False else self.label
            self.made.add(USERS, without_nulls(shown), user)

    def _email(self, user: Record) -> object:
        """The address; a server that tells none is one on which the username may be it."""
        if user.get("email") is not None:
            return user["email"]
        username = str(user["username"])
        return username if "@" in username else f"{username}@people.test"

    def _person(self, username: str | None, name: str, member: str) -> str | None:
        """The username of somebody who is in the seed, else None, which is told."""
        if username is None:
            return None
        if user_of(username) in self.holding.users:
            return self.people.username(username)
        self.counts[f"{name}.{member}: names somebody whom the key may not see: left out"] += 1
        self.made.unnamed.add(str(user_of(username)))
        return None

    def _add(self, name: str, origin: Record) -> None:
        """Add a record of any further kind, as its declaration has it."""
        collection, record = COLLECTIONS.seeded[name], {"tenant": self.label}
        names = {stored: member for member, stored in collection.usernames.items()}
        try:
            if collection is CONFIGS:
                self._require_statement(origin["label"])
            for stored, checker in collection.members.items():
                if stored in ("id", "tenant"):
                    continue
                value = self._value(collection, stored, origin)
                if value is not None or checker.allow_none or stored in WINDOW:
                    record[names.get(stored, stored)] = value
        except LeftOut as why:
            self.counts[f"{name}: {why}: left out"] += 1
            self.made.left_out.append(origin)
        else:
            self.made.add(name, record, origin)

    def _require_statement(self, label: str) -> None:
        own = map(label_of, self.holding.lists["statements"])
        if label not in own and label not in self.catalogue.statements:
            raise LeftOut(f"no catalogue here has the statement {label}")

    def _value(self, collection: Collection, stored: str, origin: Record) -> Any:
        """What a seed has in a stored member; LeftOut if there can be no such record."""
        name, checker = str(collection.seed), collection.members[stored]
        value = told_as(origin, stored)
        if stored in collection.people:
            return self._holder(origin, is_needed=not checker.allow_none)
        if stored in collection.named:
            return self._person(username_in(value), name, stored)
        if stored in collection.identities:
            return self._registrar(value, name, stored)
        if stored in collection.schema.secrets:
            return None if value is None and checker.allow_none else new_token()
        return self._content(name, stored, fit(checker, value), checker, origin)

    def _content(
        self, name: str, stored: str, value: Any, checker: fields.Field[Any], origin: Record
    ) -> Any:
        if hasattr(checker, "labels"):
            value = value.get("label") if isinstance(value, dict) else value
            if not isinstance(value, str) or value not in checker.labels(self.catalogue):
                shown = value if isinstance(value, str) else "without a label"
                what = NOUNS.get(stored, stored)
                raise LeftOut(f"no catalogue here has the {what} {shown}")
        if stored in KEPT or stored in WINDOW:
            return value
        if stored not in PROSE or not isinstance(value, str):
            return self.people.told(value)
        told = self.people.prose(value, user_of(owner(origin)))
        self.counts[f"{name}: texts that named a person were changed"] += told != value
        return told

    def _holder(self, origin: Record, is_needed: bool) -> str | None:
        """The username of whose record it is; None for one of the tenant's own."""
        holder = owner(origin)
        if holder is None and not is_needed:
            return None
        if holder is None or user_of(holder) not in self.holding.users:
            raise LeftOut("their user is not known")
        return self.people.username(holder)

    def _registrar(self, user_id: object, name: str, member: str) -> object:
        if user_id is None or str(user_id) in self.ids:
            return self.ids.get(str(user_id))
        return self._person("", name, member)

    def _tell_unknown_members(self) -> None:
        for name, origins in self.made.origins.items():
            schema = COLLECTIONS.seeded[name].schema
            shown = OTHER_SHAPES.get(name, schema)
            known = {*shown.fields, *OTHER_NAMES["createdDate"]}
            unknown = Counter(member for each in origins for member in each.keys() - known)
            for member, count in sorted(unknown.items()):
                told = f"{name}.{member}: this version knows no such member"
                self.made.told.append(f"{told}: left out ({count}).")


def without_nulls(record: Record) -> Record:
    return {name: value for name, value in record.items() if value is not None}


def fitted(schema: RecordSchema, record: Record) -> Record:
    """The members that a client may write, with numbers and booleans that were told as texts, or
    texts that were told as numbers, as this version has them."""
    return {name: fit(each, record.get(name)) for name, each in schema.load_fields.items()}


def fit(member: fields.Field[Any], value: Any) -> Any:
    if isinstance(member, fields.Integer) and isinstance(value, str) and NUMBER.fullmatch(value):
        return int(value)
    if isinstance(member, fields.Boolean) and str(value).lower() in FLAGS:
        return FLAGS[str(value).lower()]
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if isinstance(member, fields.String) and is_number:
        return str(value)
    return value


def is_dispensable(name: str, member: str) -> bool:
    """Whether a record of a seed's list can do without a member, and means nothing else then."""
    collection = COLLECTIONS.seeded.get(name)
    stored = member if collection is None else collection.usernames.get(member, member)
    checker = None if collection is None else collection.members.get(stored)
    if collection is None or checker is None:
        return False
    is_holder = stored in collection.people  # a key without its user would be the tenant's own
    return bool(checker.allow_none) and member not in WINDOW and not is_holder


def loading_faults(lists: Record, catalogue: Catalogue) -> list[str]:
    """What is wrong with a seed, by loading it into a server that is thrown away."""
    server = memory_server(catalogue)
    try:
        load(server, lists)
    except seed.BadFile as error:
        return error.errors
    return []


def memory_server(catalogue: Catalogue) -> Server:
    return Server(Settings(), memory_store(), Clock(), catalogue, COLLECTIONS)


def load(server: Server, lists: Record) -> None:
    now = server.clock.now()
    entries = seed.prepare_seed(server, lists, now)
    with server.store.transaction() as transaction:
        seed.load_seed(server, transaction, entries, now)


def catalogue_of(offer: Offer, people: RealPeople) -> Made:
    """The lists of a catalogue file that holds what another server offers."""
    counts: Counter[str] = Counter()
    lists = {
        "services": entries_of(offer.services, SERVICE, people),
        "dashboards": entries_of(offer.dashboards, DASHBOARD, people),
        "statements": entries_of(offer.statements, STATEMENT, people),
        "endpointTypes": entries_of(numbered(offer.endpoint_types), ENDPOINT_TYPE, people),
    }
    made = Made(lists, origins={name: [*entries] for name, entries in lists.items()})
    made.settle(counts, catalogue_faults)
    made.told = [f"catalogue, {what} ({count})." for what, count in counts.items()]
    return made


def catalogue_faults(lists: Lists) -> list[str]:
    try:
        seed.catalogue_of(lists)
    except seed.BadFile as error:
        return error.errors
    return []


def entries_of(records: Iterable[Record], schema: RecordSchema, people: RealPeople) -> list[Record]:
    """Entries of a catalogue. Labels stay as they are, since others name them."""

    def told(member: str, value: Any) -> Any:
        if member in KEPT:
            return value
        is_prose = member in PROSE and isinstance(value, str)
        return people.prose(value) if is_prose else people.told(value)

    return [
        {
            member: told(member, fit(schema.fields[member], value))
            for member, value in record.items()
            if member in schema.fields
        }
        for record in records
    ]


def numbered(types: Iterable[Record]) -> Iterator[Record]:
    """Endpoint types with the members that a server of S and P doesn't tell."""
    for number, each in enumerate(types, 1):
        yield {"id": number, "internal": False} | each


def told_as(origin: Record, stored: str) -> Any:
    """What a record of the API says of a stored member."""
    found = (origin.get(name) for name in OTHER_NAMES.get(stored, (stored,)))
    return next((value for value in found if value is not None), None)


def username_in(value: object) -> str | None:
    """The username that names somebody, alone or in a profile."""
    return text_of(value.get("username") if isinstance(value, dict) else value)


def profiles_of(holding: Holding) -> list[Record]:
    """Every record that tells of a person, whether or not the person is in the tenant."""
    found = [*holding.users.values()]
    for name, origins in holding.lists.items():
        for stored in COLLECTIONS.seeded[name].usernames.values():
            named = [told_as(each, stored) for each in origins]
            found += [each if isinstance(each, dict) else {"username": each} for each in named]
    return found
