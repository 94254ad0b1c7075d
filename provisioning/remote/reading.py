"""Everything of one tenant that a key may read, as its server tells it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import quote

from provisioning.domain import roles
from provisioning.factory import COLLECTIONS
from provisioning.remote.errors import CannotBeDone
from provisioning.remote.guest import (
    FORBIDDEN,
    NOT_THERE,
    OK,
    UNAUTHORIZED,
    Answer,
    Guest,
    together,
)
from provisioning.remote.walking import REFUSED, profile, text_of, user_of, walk
from provisioning.store import Record

OF_USERS = (
    *("email", "firstName", "lastName", "timeZone", "country", "zipCode", "avatar", "gender"),
    *("birthYear", "hint", "tenantUserPrivileges", "activeApiKeys"),
)
"""The members that every server's users have."""
LONG = 20
"""Digits of an id from which on it is no number any more."""


@dataclass
class Holding:
    """What a tenant has, in the form of the API. `told` says what could not be read."""

    tenant: Record
    caller: Record
    """The answer of /whoami, or {}."""
    users: dict[str, Record] = field(default_factory=dict)
    lists: dict[str, list[Record]] = field(default_factory=dict)
    """Name in a seed -> records of that kind. A key has its owner in `user`, which is null for a
    tenant-only one; of configurations there are the details of their statements."""
    told: list[str] = field(default_factory=list)


def ordinary() -> dict[str, str]:
    """Name in a seed -> path of the list, for kinds of a tenant's own records that name nobody.

    Nothing else has to be said of them than their declaration does, so a further one is pulled too.
    """
    return {
        str(each.seed): f"/{each.audit}"
        for each in COLLECTIONS.seeded.values()
        if each.is_owned and each.audit and each.numbered is None and not each.usernames
    }


@dataclass
class Offer:
    """What a server's catalogue has, as its lists tell."""

    services: list[Record]
    dashboards: list[Record]
    statements: list[Record]
    endpoint_types: list[Record]


def segment(value: object) -> str:
    return quote(str(value), safe="")


def tenant_of(guest: Guest, needs_label: bool = False) -> Record:
    """The tenant's own record; CannotBeDone where there is no server of this API for the key."""
    answers = []
    for path in ("/info", "/details"):
        answers.append(guest.get(path))
        found = record_of(answers[-1])
        if found is not None and (not needs_label or label_of(found)):
            return found
    if answers[0].status in (UNAUTHORIZED, FORBIDDEN):
        raise CannotBeDone(f"The key opens nothing: {answers[0].found}")
    raise CannotBeDone(
        f"There is no server of this API: {answers[0].found}. The URL is the address up to and "
        "with the base path, such as https://HOST/api/v1/provisioning."
    )


class Reader:
    """Reads a tenant with one guest; `read` and `offer` are what it is for.

    CannotBeDone where the server fails on the way; if `is_lenient`, that is told and left out, too.
    """

    def __init__(self, guest: Guest, is_lenient: bool = False) -> None:
        self.guest, self.is_lenient = guest, is_lenient
        self.told: list[str] = []
        self._lists: dict[str, list[Record] | None] = {}

    def read(self) -> Holding:
        tenant = tenant_of(self.guest, needs_label=True)
        holding = Holding(tenant, self.one("/whoami") or {})
        self._say_whose_view(holding.caller)
        self._read_people(holding)
        subscriptions = self.many("/services", active="all") or [
            each for each in tenant.get("tenantServices") or () if isinstance(each, dict)
        ]
        endpoints = self.optional("/endpoints")
        endpoints = self.many("/service-endpoints") if endpoints is None else endpoints
        holding.lists |= {
            "apiKeys": self._keys(holding),
            "subscriptions": in_order_of_creation(subscriptions),
            **{name: self.many(path) for name, path in ordinary().items()},
            "statementConfigs": self._configs(),
            "endpoints": in_order_of_creation(endpoints),
        }
        holding.told = list(dict.fromkeys(self.told))
        return holding

    def offer(self, holding: Holding) -> Offer:
        """The catalogue; services and types that are only in use are in it, too."""
        services = self.many("/available-services")
        types = self.optional("/endpoint-types") or []
        for entries, name, member in (
            (services, "subscriptions", "service"),
            (types, "endpoints", "endpointType"),
        ):
            known = set(map(label_of, entries))
            for used in (record.get(member) for record in holding.lists[name]):
                if isinstance(used, dict) and label_of(used) not in known:
                    known.add(label_of(used))
                    entries.append(used)
        dashboards, statements = (
            [each for each in self.many(f"/{name}") if label_of(each) not in own]
            for name in ("dashboards", "statements")
            for own in [set(map(label_of, holding.lists[name]))]
        )
        return Offer(services, dashboards, statements, types)

    def one(self, path: str) -> Record | None:
        """A JSON object, or None, told, where there is none."""
        answer = self.guest.get(path)
        found = record_of(answer)
        if found is None:
            self._miss(answer)
        return found

    def many(self, path: str, **query: Any) -> list[Record]:
        """All records of a list; a list that isn't there is told, and empty."""
        found = self.optional(path, **query)
        return [] if found is None else found

    def optional(self, path: str, **query: Any) -> list[Record] | None:
        if path not in self._lists:
            found = walk(self.guest, path, query)
            self.told += found.told
            if found.refused is not None:
                if found.refused.status == OK and not self.is_lenient:
                    raise CannotBeDone(f"{found.refused.found}. It is no list of JSON objects.")
                self._miss(found.refused)
            self._lists[path] = None if found.refused is not None else found.records
        known = self._lists[path]
        return None if known is None else [*known]

    def _miss(self, answer: Answer) -> None:
        self._require_no_failure(answer)
        path = answer.where.removeprefix(self.guest.url)
        self.told.append(f"{path}: not there, or not for this key, and left out ({answer.status}).")

    def _say_whose_view(self, caller: Record) -> None:
        role = text_of(caller.get("role"))
        if role is not None and role not in roles.OVERSEERS:
            self.told.append(
                f"The key acts as {role}, and sees no endpoints, no domain mappings, no keys of "
                "others, and only some of the users: the rest is left out."
            )
        elif role == roles.INTERNAL_AUDITING or caller.get("keyType") == roles.QUERY_ONLY:
            self.told.append("The key sees secrets masked. Here they are invented anyway.")

    def _read_people(self, holding: Holding) -> None:
        for user in self._whole_users(self.many("/users", active="all")):
            key = user_of(user.get("username"))
            if key is not None:
                holding.users[key] = user
        privileges = self.optional("/privileges")
        if privileges is None:
            privileges = [
                {**held, "user": user}
                for user in holding.users.values()
                for held in user.get("tenantUserPrivileges") or ()
                if isinstance(held, dict)
            ]
            self.told.append("Privileges are taken from the users' own records.")
        holding.lists["privileges"] = in_order_of_creation(privileges)
        # A server that doesn't know `active=all` lists those alone who are active.
        others = {user_of(owner(each)): owner(each) for each in privileges}
        missing = [name for key, name in others.items() if name and key not in holding.users]
        gone = 0
        for answer in self.ask_each("/users/{}", missing):
            found = record_of(answer) or {}
            key = user_of(found.get("username"))
            if key is None:
                gone += 1
            else:
                holding.users[key] = found
        if gone:
            self.told.append(
                f"/users/{{username}}: {gone} who hold privileges are gone meanwhile, or not for "
                "this key, and left out with what they hold."
            )

    def _whole_users(self, listed: list[Record]) -> list[Record]:
        """Users of a list, each asked for where the list is shorter of members than records are."""
        missing = {each for each in OF_USERS for user in listed if each not in user}
        named = [user for user in listed if user_of(user.get("username")) is not None]
        if not missing or not named:
            return listed
        first, *others = (user["username"] for user in named)
        answers = self.ask_each("/users/{}", [first])
        if not missing & (record_of(answers[0]) or {}).keys():
            return listed
        answers += self.ask_each("/users/{}", others)
        return [
            {**(record_of(answer) or {}), **user}
            for user, answer in zip(named, answers, strict=True)
        ]

    def ask_each(self, pattern: str, values: Iterable[object]) -> list[Answer]:
        """The answers for each value; CannotBeDone for errors of the server itself."""
        ask: Callable[[str], Answer] = self.guest.get
        paths = [pattern.format(segment(value)) for value in values]
        answers = together(ask, paths, is_paced=self.guest.pause > 0)
        for answer in answers:
            self._require_no_failure(answer)
        return answers

    def _require_no_failure(self, answer: Answer) -> None:
        if answer.status not in (OK, *REFUSED, *NOT_THERE) and not self.is_lenient:
            raise CannotBeDone(answer.found)

    def _keys(self, holding: Holding) -> list[Record]:
        """Tenant-only keys, and those of users as far as their owner can be told."""
        keys = [{**each, "user": None} for each in self.many("/api-keys")]
        listed = self.optional("/user-api-keys")
        owned = [each for each in listed or () if owner(each) is not None]
        if listed is None or len(owned) < len(listed):
            # By S and P a key doesn't say whose it is; its owner's own list and record do.
            owned = self._keys_of_each(holding)
            lost = len(listed or ()) - len(owned)
            if lost > 0:
                self.told.append(
                    f"/user-api-keys: {lost} keys whose owner can't be told are left out."
                )
        return in_order_of_creation(keys + owned)

    def _keys_of_each(self, holding: Holding) -> list[Record]:
        users = [*holding.users.values()]
        paths = [f"/users/{segment(user['username'])}/api-keys" for user in users]
        is_there = bool(paths) and walk(self.guest, paths[0]).refused is None
        if is_there:
            walks = together(partial(walk, self.guest), paths, is_paced=self.guest.pause > 0)
            found = [each.records for each in walks]
        else:
            self.told.append(
                "/users/{username}/api-keys: not there, or not for this key; of users' keys the "
                "active ones are known, from the users' records."
            )
            found = [
                [key for key in user.get("activeApiKeys") or () if isinstance(key, dict)]
                for user in users
            ]
        return [
            {**key, "user": {"username": user["username"]}}
            for user, keys in zip(users, found, strict=True)
            for key in keys
        ]

    def _configs(self) -> list[Record]:
        labels = [each["label"] for each in self.many("/statements") if label_of(each)]
        saved: list[Record] = []
        refused: list[Answer] = []
        for label, answer in zip(
            labels, self.ask_each("/statements/{}/details", labels), strict=True
        ):
            details = record_of(answer)
            if details is None:
                refused.append(answer)
            elif details.get("configChangedDate") is not None:
                saved.append({**details, "label": label})
        if refused:
            self.told.append(
                f"/statements/{{label}}/details: {len(refused)} not there, or not for this key "
                f"({refused[0].status}): configurations of those statements are left out."
            )
        return saved


def owner(record: Record) -> str | None:
    """The username of whose privilege or key this is, where the record tells it."""
    return text_of(profile(record).get("username")) or text_of(record.get("username"))


def label_of(record: Record) -> str | None:
    return text_of(record.get("label"))


def record_of(answer: Answer) -> Record | None:
    """The JSON object of an answer, or None."""
    body = answer.body if answer.status == OK else None
    return body if isinstance(body, dict) else None


def in_order_of_creation(records: list[Record]) -> list[Record]:
    """Records by the number in their ids, as far as they have one; else as they came."""

    def number(record: Record) -> int:
        digits = str(record.get("id")).rpartition("-")[2]
        return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < LONG else 0

    return sorted(records, key=number)
