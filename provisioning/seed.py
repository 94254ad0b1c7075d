"""Seeds and the catalogue: JSON files that people write. Nothing is loaded from a faulty one.

A seed is an object of lists, one for each kind of record (tenants, users, privileges ...). Records
are written as in the contract's section 4, and name their `tenant`. Absent members take their
defaults; ids and tokens may be given. An instant is an RFC 3339 date-time, or is relative to the
time of loading: `now`, `+P30D`, `-P1DT2H`.
"""

import json
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from provisioning.domain import people
from provisioning.domain.activity import (
    ActivityWindow,
    Instant,
    later,
    parse_duration,
    parse_instant,
)
from provisioning.domain.bounds import overfull
from provisioning.domain.catalogue import Catalogue
from provisioning.domain.errors import BadRequest, Invalid
from provisioning.domain.names import LONGEST_USERNAME, ascii_domain, printable, username_key
from provisioning.domain.passwords import has_cheap_hash
from provisioning.domain.rules import RULES
from provisioning.domain.services import subscribe_to_mandatory
from provisioning.domain.tables import API_KEYS, DOMAIN_MAPPINGS, SUBSCRIPTIONS, TENANTS, USERS
from provisioning.resources.api_keys import new_token
from provisioning.resources.dashboards import DASHBOARD
from provisioning.resources.endpoints import ENDPOINT_TYPE
from provisioning.resources.services import SERVICE
from provisioning.resources.statements import STATEMENT
from provisioning.resources.users import hashed
from provisioning.store import LARGEST_BROUGHT, Record, Transaction, View, number_of
from provisioning.web.body import MAX_NESTING, check_values
from provisioning.web.collection import TOO_LARGE, Collection, Collections
from provisioning.web.fields import Moment
from provisioning.web.hosts import reserved_domain
from provisioning.web.records import RecordSchema, defaults
from provisioning.web.server import Server

Check = Callable[[Record], list[str] | tuple[()]]
INSTALLED = Path(__file__).parent / "_data"
BUILT_IN = INSTALLED if INSTALLED.is_dir() else Path(__file__).parent.parent / "data"
"""The folder with demo.json and catalogue.json, in an installed package or in a checkout."""


class BadFile(Exception):
    """A seed or catalogue that can't be used; `errors` are sentences that name the place."""

    def __init__(self, errors: list[str]) -> None:
        self.errors = [printable(error) for error in errors]
        super().__init__("\n".join(self.errors))


NO_INSTANT = "must be an RFC 3339 date-time with an offset, 'now' or like '+P30D'."


@dataclass(frozen=True)
class Entry:
    """A record on its way from a seed into the store; `place` names it in messages."""

    place: str
    collection: Collection
    record: Record
    names: Mapping[str, str] = field(default_factory=dict)
    """Stored member that is to hold an account's id -> the key of that account."""

    def with_ids(self, view: View) -> "Entry":
        """The entry whose record names accounts by their ids; `names` keeps the unknown ones."""
        ids = {member: people.id_of(view, user) for member, user in self.names.items()}
        unknown = {member: self.names[member] for member in ids if ids[member] is None}
        return replace(self, record=self.record | ids, names=unknown)

    def place_of(self, member: str) -> str:
        """The place in the seed of a stored member, for messages: `users[3].email`."""
        seed_names = {stored: name for name, stored in self.collection.usernames.items()}
        return f"{self.place}.{seed_names.get(member, member)}"

    def sentences(self, faults: Iterable[tuple[str, str]]) -> list[str]:
        """(Stored member, message) pairs as sentences that begin with their place in the seed."""
        return [f"{self.place_of(member)}: {message}" for member, message in faults]

    def faults(self, key: str, record: Record) -> list[str]:
        """Faults of the record in the form to store, without a look at other records."""
        found = self.collection.faults(key, record)
        if number_of(record.get("id")) > LARGEST_BROUGHT:
            found["id"] = [TOO_LARGE]
        return self.sentences((member, each) for member in found for each in found[member])


def read_json(path: Any) -> Any:
    """The content of a JSON file; BadFile, with line and column, if it is no JSON."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadFile([f"{path.name}: can't be read ({type(error).__name__})."]) from error
    return parse_json(content, path.name)


def parse_json(content: bytes, name: str) -> Any:
    """JSON as Python values; BadFile, with name, line and column, if it is no JSON."""
    try:
        return json.loads(content.decode())
    except UnicodeDecodeError as error:
        raise BadFile([f"{name}: can't be read ({type(error).__name__})."]) from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise BadFile([f"{name}: {error.msg} at {place}."]) from error
    except RecursionError as error:
        raise BadFile([f"{name}: is nested too deeply."]) from error
    except ValueError as error:  # Python refuses numbers of thousands of digits
        raise BadFile([f"{name}: holds a number that is too long."]) from error


def demo_seed() -> Any:
    return read_json(BUILT_IN / "demo.json")


def load_seed(
    server: Server,
    transaction: Transaction,
    entries: list[Entry],
    now: Instant,
    is_replacing: bool = True,
) -> None:
    """Put a prepared seed into the store; `is_replacing` first removes all that is there.

    BadFile lists everything that is wrong. The caller must then abandon the transaction.
    """
    if is_replacing:
        for table, records in transaction.tables().items():
            for key in list(records):
                transaction.remove(table, key)
    errors: list[str] = []
    put: list[Entry] = []
    seen: set[tuple[str, str]] = set()
    for given in entries:
        entry = given.with_ids(transaction)
        collection = entry.collection
        record, table = entry.record, collection.table
        if collection.numbered and record["id"] is None:
            known = transaction.get(table, key_of(collection, record))
            known = known or given_anyway(server, transaction, entry, seen)
            record = record | {"id": known["id"] if known else new_id(transaction, collection)}
        key = key_of(collection, record)
        faults = entry.faults(key, record)
        if not faults and (table, key) in seen:
            faults = [f"{entry.place}: '{key}' stands in this seed twice."]
        if faults:
            errors += faults
            continue
        seen.add((table, key))
        try:
            transaction.put(table, key, record)
        except ValueError as error:
            errors.append(f"{entry.place}: {error}")
        put.append(replace(entry, record=record))
    errors += [fault for entry in put for fault in dangling(transaction, entry)]
    errors += overfull_tenants(server, transaction, entries)
    if not errors:
        for entry in put:
            rules = broken_rules(server, transaction, entry.collection, entry.record, now)
            errors += entry.sentences(rules)
    if errors:
        raise BadFile(errors)
    for tenant in transaction.all(TENANTS):
        subscribe_to_mandatory(transaction, server.catalogue, tenant["label"], now)


def prepare_seed(
    server: Server, seed: Any, now: Instant, guests: Container[int] = ()
) -> list[Entry]:
    """A seed's records in stored form, in each list those with ids first.

    `guests` are indexes in `users` that are passed over. BadFile lists every fault. This hashes
    passwords as the server does, so it is slow on a real one: call it outside of a transaction.
    Cheap hashes in the seed, which a real server doesn't keep, are left out there.
    """
    if not isinstance(seed, dict):
        raise BadFile(["A seed is a JSON object of lists of records."])
    lists = server.collections.seeded
    errors = [f"{_printable(name)}: there is no such list." for name in seed if name not in lists]
    entries: list[Entry] = []
    for name, collection in lists.items():
        given = [] if seed.get(name) is None else seed[name]
        if not isinstance(given, list):
            errors.append(f"{name}: must be a list.")
            continue
        prepared: list[Entry] = []
        for index, item in enumerate(given):
            place = f"{name}[{index}]"
            if collection.table == USERS and index in guests:
                continue
            if not isinstance(item, dict):
                errors.append(f"{place}: must be an object.")
                continue
            unfit = list(_unfit(item, place))
            if unfit:
                errors += unfit
                continue
            record, names, faulty = _stored_form(server, collection, item, now)
            errors += [f"{place}.{fault}" for fault in faulty]
            prepared.append(Entry(place, collection, record, names))
        entries += sorted(prepared, key=lambda entry: entry.record.get("id", 0) is None)
    if errors:
        raise BadFile(errors)
    return entries


def _unfit(item: Record, place: str) -> Iterator[str]:
    """Faults of a record that no store can hold, whichever kind of record it is."""
    try:
        # A configuration is a whole body in the API, and stands one level deeper in a seed.
        check_values(item, MAX_NESTING + 1)
    except Invalid as error:
        yield from (f"{place}.{n}: {text}" for n, texts in error.errors.items() for text in texts)
    except BadRequest:
        yield f"{place}: is nested too deeply."


def _printable(name: str) -> str:
    return name.encode("utf-8", "replace").decode()


def _stored_form(
    server: Server, collection: Collection, item: Record, now: Instant
) -> tuple[Record, dict[str, str], list[str]]:
    """The record as it is stored, the keys of accounts that it is to name by id, and faults."""
    members = collection.members
    ignored = collection.schema.ignored
    given = {collection.usernames.get(n, n): value for n, value in item.items() if n not in ignored}
    moments = {name: each for name, each in members.items() if isinstance(each, Moment)}
    since = {name: now for name, each in moments.items() if not each.allow_none}
    record = {**dict.fromkeys(members), **defaults(members), **since}
    password = given.pop("password", None) if collection.table == USERS else None
    record |= given
    faulty: list[str] = []
    keys = _keys(collection, record, faulty)
    record |= dict.fromkeys(collection.usernames.values())
    record |= {stored: keys.pop(stored, None) for stored in collection.people}
    for name in moments:
        if isinstance(record[name], str):
            try:
                record[name] = instant_since(record[name], now)
            except ValueError:
                faulty.append(f"{name}: {NO_INSTANT}")
    if isinstance(record.get("domain"), str):
        try:
            record["domain"] = ascii_domain(record["domain"])
        except ValueError:
            faulty.append("domain: must be a domain name.")
    if password is not None:
        if isinstance(password, str) and password:
            record["passwordHash"] = hashed(server, password)
        else:
            faulty.append("password: must be text.")
    if collection.table == USERS and not server.hashes_cheaply and has_cheap_hash(record):
        record["passwordHash"] = None
    if collection.table == API_KEYS and record["apiToken"] is None:
        record["apiToken"] = new_token()
    return record, keys, faulty


def _keys(collection: Collection, record: Record, faulty: list[str]) -> dict[str, str]:
    """The keys of the accounts that a record has usernames of, by stored member."""
    keys: dict[str, str] = {}
    for name, stored in collection.usernames.items():
        username = record[stored]
        if isinstance(username, str) and len(username) <= LONGEST_USERNAME:
            keys[stored] = username_key(username)
        elif username is not None:
            faulty.append(f"{name}: must be a username.")
    return keys


def instant_since(text: str, now: Instant) -> Instant:
    """An RFC 3339 date-time, or `now`, or a signed duration from now; else ValueError."""
    if text == "now":
        return now
    if text.startswith(("+", "-")):
        return later(now, parse_duration(text))
    return parse_instant(text)


def export(collections: Collections, view: View) -> Record:
    """The whole store in the form of a seed, with ids, tokens and password hashes."""
    return {
        name: [as_given(view, each, record) for record in view.all(each.table)]
        for name, each in collections.seeded.items()
    }


def as_given(view: View, collection: Collection, record: Record) -> Record:
    """A stored record as a seed has it: usernames in place of accounts' keys and ids."""
    seed_names = {stored: name for name, stored in collection.usernames.items()}
    shown = {seed_names.get(name, name): value for name, value in record.items()}
    return shown | {name: people.username_of(view, shown[name]) for name in collection.usernames}


def key_of(collection: Collection, record: Record) -> str:
    try:
        return str(collection.key(record))
    except (KeyError, TypeError, AttributeError):
        return ""


def new_id(transaction: Transaction, collection: Collection) -> int | str:
    """The next id of a collection that numbers its records, such as 12 or `key-12`."""
    return id_of(collection, transaction.next_id(collection.table))


def id_of(collection: Collection, number: int) -> int | str:
    """The id that a collection makes of a number, such as 12 or `key-12`."""
    identity = str(collection.numbered).format(number)
    return int(identity) if identity.isdigit() else identity


def given_anyway(
    server: Server, view: View, entry: Entry, seen: Container[tuple[str, str]]
) -> Record | None:
    """The subscription that every tenant has, whose place one of a seed without an id takes.

    It is to a MANDATORY service, and none of `seen`, which are records of the seed by table and
    key. So the seed of a tenant can be loaded over a new tenant of the same label.
    """
    record, table = entry.record, entry.collection.table
    is_mandatory = any(
        each["label"] == record.get("service") for each in server.catalogue.mandatory_services
    )
    if table != SUBSCRIPTIONS or not is_mandatory or entry.faults("1", record | {"id": 1}):
        return None
    window = ActivityWindow.of(record)
    for other in view.group(table, "service", (record["tenant"], record["service"])):
        is_free = (table, str(other["id"])) not in seen
        if is_free and window.overlaps(ActivityWindow.of(other)):
            return other
    return None


def overfull_tenants(
    server: Server, transaction: Transaction, entries: Iterable[Entry]
) -> list[str]:
    """A sentence for each tenant that keeps more than it may, by what these entries add."""
    places: dict[str, str] = {}
    for entry in entries:
        if entry.collection.table == TENANTS:
            places[str(entry.record["label"])] = entry.place
        elif entry.collection.is_bounded:
            tenant = str(entry.record["tenant"])
            places.setdefault(tenant, f"{entry.place}.tenant")
    most = server.settings.tenant_bytes
    found = ((place, overfull(transaction, label, most)) for label, place in places.items())
    return [f"{place}: {fault}" for place, fault in found if fault is not None]


def dangling(transaction: Transaction, entry: Entry) -> list[str]:
    record = entry.record
    missing = {
        member: (record[member], target)
        for member, target in entry.collection.facts.references.items()
        if record.get(member) is not None and transaction.get(target, record[member]) is None
    }
    missing |= {member: (user, USERS) for member, user in entry.names.items()}
    return entry.sentences(
        (member, f"'{key}' is not in {target}.") for member, (key, target) in missing.items()
    )


def broken_rules(
    server: Server, view: View, collection: Collection, record: Record, now: Instant
) -> list[tuple[str, str]]:
    """The rules of today that a stored record breaks beside those of its members, as (stored
    member, sentence)."""
    rule = RULES.get(collection.table)
    found = [] if rule is None else list(rule(view, record, now))
    begins, ends = record.get("activeFrom"), record.get("activeUntil")
    if begins is not None and ends is not None and ends < begins:
        found.append(("activeUntil", "Must not be earlier than activeFrom."))
    for member, checker in collection.members.items():
        if hasattr(checker, "labels") and record[member] not in checker.labels(server.catalogue):
            found.append((member, f"The catalogue has no '{record[member]}'."))
    if collection.table == DOMAIN_MAPPINGS:
        reason = reserved_domain(record["domain"], server.settings, record["tenant"])
        found += [("domain", reason)] if reason is not None else []
    return found


class Finding(NamedTuple):
    """A fault of a stored record, by the rules of this version."""

    sentence: str
    """It begins with the place."""
    is_damage: bool
    """Whether no record can hold this; else it breaks a rule of today, and is served."""


def findings(server: Server, view: View) -> Iterator[Finding]:
    """Each fault of the records of a store."""
    now = server.clock.now(view.time())
    for collection in server.collections.values():
        for record in view.all(collection.table):
            key = collection.key(record)
            faults = list(collection.faults(key, record).items())
            damaged = collection.faults(key, record, is_strict=False) if faults else {}
            rules = broken_rules(server, view, collection, record, now)
            found = faults + [(member, [message]) for member, message in rules]
            for member, messages in found:
                sentence = f"{collection.table}, record {key}, {member}: {messages[0]}"
                yield Finding(sentence, member in damaged)


def load_catalogue(path: Path | None = None) -> Catalogue:
    """The catalogue in a file, or the built-in one; BadFile names each bad entry."""
    return catalogue_of(read_json(path or BUILT_IN / "catalogue.json"))


def catalogue_of(content: Any) -> Catalogue:
    """The catalogue that a file's parsed JSON describes; BadFile names each bad entry."""
    lists = ("services", "dashboards", "statements", "endpointTypes")
    if not isinstance(content, dict) or not all(
        isinstance(content.get(name, []), list) for name in lists
    ):
        raise BadFile([f"A catalogue is a JSON object of the lists {', '.join(lists)}."])
    errors = [f"{name}: there is no such list." for name in content if name not in lists]

    def entries(name: str, schema: RecordSchema, check: Check = lambda entry: ()) -> Any:
        read: dict[str, Record] = {}
        for index, item in enumerate(content.get(name, [])):
            place = f"{name}[{index}]"
            if not isinstance(item, dict):
                errors.append(f"{place}: must be an object.")
                continue
            found = schema.validate({key: value for key, value in item.items() if key != "service"})
            errors.extend(f"{place}.{member}: {found[member]}" for member in found)
            errors.extend(f"{place}.{fault}" for fault in check(item))
            label = str(item.get("label"))
            if label in read:
                errors.append(f"{place}.label: '{label}' stands there twice.")
            read[label] = dict.fromkeys(schema.fields) | item
        return read

    def has_service(entry: Record) -> list[str]:
        known = [label for label in services if label == entry.get("service")]
        return [] if known else ["service: must be the label of a service in this file."]

    ids: list[object] = []

    def has_own_id(entry: Record) -> list[str]:
        is_taken = entry.get("id") in ids
        ids.append(entry.get("id"))
        return [f"id: {entry['id']} stands there twice."] if is_taken else []

    services = entries("services", SERVICE)
    catalogue = Catalogue(
        services=services,
        dashboards=entries("dashboards", DASHBOARD, has_service),
        statements=entries("statements", STATEMENT, has_service),
        endpoint_types=entries("endpointTypes", ENDPOINT_TYPE, has_own_id),
    )
    if errors:
        raise BadFile(errors)
    return catalogue
