"""What of two answers differs, told as a person would: by route, member and kind."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from marshmallow import Schema, fields

from provisioning.domain.activity import parse_instant
from provisioning.remote.differences import Difference, Name
from provisioning.remote.errors import plain
from provisioning.remote.people import Finder
from provisioning.remote.reading import owner
from provisioning.remote.routes import get_routes
from provisioning.remote.walking import text_of, user_of
from provisioning.store import Record
from provisioning.web.records import RecordSchema

STATUS, MISSING, UNKNOWN, TYPE, VALUE, ORDER, HEADER, RECORDS = (
    "status",
    "missing",
    "unknown",
    "type",
    "value",
    "order",
    "header",
    "records",
)
"""The kinds of differences. A member is missing on one side if this version knows it, else it is
unknown; `records` are those of a list that only one side has."""

MADE_BY_SERVER = frozenset({"id", "registeredByUserId", "apiToken", "key", "requestId"})
"""Members whose values differ between any two servers; ids and tokens."""
SECRETS = frozenset({"apiToken", "password", "provPassword", "apiKey"})
FREE = frozenset({"settings", "config"})
"""Members that hold any JSON, whose own members no version knows."""
OF_NOBODY = frozenset(
    {"role", "type", "keyType", "can", "home", "activeFrom", "activeUntil", "timeZone", "country"}
)
"""Members of records of people whose values don't tell who it is."""
PERSONAL = ("username", "email", "firstName", "lastName", "avatar", "zipCode", "hint", "birthYear")
MASK = "***"
LONGEST_EXAMPLE = 60
NEAR = timedelta(minutes=5)
"""Instants so near to now may differ, since no two clocks and no two requests are at one."""
MOST_LOOKED_AT = 50
NO_ROUTE = "/{unknown}"
"""What stands for a path that no version has."""
OF_OFFERS = (STATUS, HEADER, VALUE, ORDER)
"""The kinds in which shows that one side offers something (a verb, a parameter, a header)."""
LIKE = 0.5
"""The part of their members in which two records must agree to be the same one, changed; where
both sides have as many left, any will do."""


OF_ERRORS = frozenset({"type", "title", "status", "detail", "instance", "errors"})


def members_of(schema: Schema) -> frozenset[str]:
    """Every name of a member that a schema's records have, and the records in them."""
    found = set(schema.fields)
    for each in schema.fields.values():
        inner = each.inner if isinstance(each, fields.List) else each
        if isinstance(inner, fields.Nested):
            found |= members_of(inner.schema)
    return frozenset(found)


def known_members() -> dict[str, frozenset[str]]:
    """Route -> every name of a member that its answers have in this version."""
    return {
        route.path: members_of(route.operation.answer) | OF_ERRORS
        for route in get_routes()
        if isinstance(route.operation.answer, RecordSchema)
    }


@dataclass
class Findings:
    """Gathers differences. `people` finds everybody who must not be shown in an example."""

    shows_people: bool = False
    people: Finder = field(default_factory=Finder)
    unnamed: set[str] = field(default_factory=set)
    """Users whom a loaded copy can't name, since the key may not see them."""
    dropped: set[str] = field(default_factory=set)
    """Members that a loaded copy lacks somewhere, since this version refuses their values."""
    asked: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """What a server may offer as a whole (a header, a verb, a parameter) -> routes asked for it."""
    known: dict[str, frozenset[str]] = field(default_factory=known_members)
    _counts: dict[Name, int] = field(default_factory=dict)
    _examples: dict[Name, tuple[str, ...]] = field(default_factory=dict)

    def know(self, people: Iterable[Record]) -> None:
        """Note people, so that none of them is shown in an example."""
        for person in people:
            for member in ("username", "email", "firstName", "lastName"):
                text = text_of(person.get(member))
                if text is not None and len(text) > 1:
                    self.people.add(text, MASK)

    def add(
        self, route: str, member: str | None, kind: str, sides: Iterable[str], count: int = 1
    ) -> None:
        """Add a difference that was met `count` times; `sides` are what either side shows."""
        name = route, member, kind
        self._counts[name] = self._counts.get(name, 0) + count
        self._examples.setdefault(name, tuple(sides))

    def has(self, route: str, member: str | None) -> bool:
        return any(name[:2] == (route, member) for name in self._counts)

    def all(self) -> list[Difference]:
        """All differences; what one side offers on no route at all is one of them."""
        counts, examples = dict(self._counts), dict(self._examples)
        for member, routes in self.asked.items():
            found = [name for name in counts if name[1] == member and name[2] in OF_OFFERS]
            if len(routes) > 1 and {name[0] for name in found} >= routes - {NO_ROUTE}:
                kinds = [name[2] for name in found]
                whole = "*", member, max(kinds, key=kinds.count)
                examples[whole] = next(examples[n] for n in found if n[2] == whole[2])
                counts[whole] = sum(counts.pop(name) for name in found)
        return [
            Difference(*name, count, " / ".join(examples[name]))
            for name, count in sorted(counts.items(), key=lambda each: str(each[0]))
        ]

    def shown(self, route: str, member: str, value: Any) -> str:
        """A value as an example, without anything that tells who somebody is."""
        if value is None or isinstance(value, bool):
            return orjson.dumps(value).decode()
        text = plain(orjson.dumps(value).decode(), LONGEST_EXAMPLE)
        if self.shows_people:
            return text
        last = member.rpartition(".")[2]
        is_of_people = route.startswith(("/users", "/as-users", "/audit")) or any(
            each in member.split(".") for each in ("user", "registeredBy", "configChangedBy")
        )
        if last in PERSONAL or last == "reportsTo" or (is_of_people and last not in OF_NOBODY):
            return MASK
        whole = value if isinstance(value, str) else orjson.dumps(value).decode()
        is_of_somebody = "@" in whole or self.people.replaced(whole) != whole
        return MASK if is_of_somebody else text

    def compare(
        self, route: str, first: Any, second: Any, member: str = "", is_partial: bool = False
    ) -> None:
        """Add what differs between two JSON values. `is_partial`: lists within may be shorter."""
        last = member.rpartition(".")[2]
        if is_same(first, second):
            return
        if self._is_left_out(last, first, second) or are_near(first, second):
            return
        kinds = type_of(first), type_of(second)
        if kinds[0] != kinds[1] and None not in (first, second):
            self.add(route, member or None, TYPE, map(named, kinds))
        elif last in MADE_BY_SERVER or last in SECRETS:
            is_unset = None in (first, second) and last not in MADE_BY_SERVER
            if is_unset:
                self.add(route, member, VALUE, map(named, kinds))
        elif isinstance(first, dict) and isinstance(second, dict):
            self._compare_objects(route, first, second, member, is_partial)
        elif are_records(first) and are_records(second):
            self._compare_lists(route, first, second, member, is_partial)
        else:
            shown = (self.shown(route, member, each) for each in (first, second))
            self.add(route, member or None, VALUE, shown)

    def _is_left_out(self, last: str, first: Any, second: Any) -> bool:
        """Whether the second side is a copy that could not take what the first has."""
        if second is not None:
            return False
        named_user = first.get("username") if isinstance(first, dict) else first
        return last in self.dropped or user_of(named_user) in self.unnamed

    def _compare_objects(
        self, route: str, first: Record, second: Record, member: str, is_partial: bool
    ) -> None:
        known = self.known.get(route, OF_ERRORS)
        only_first = [name for name in first if name not in second]
        only_second = [name for name in second if name not in first]
        for one in list(only_first):
            for other in only_second:
                if is_renamed(first, one, second, other, len(only_first) == len(only_second) == 1):
                    name = one if one in known else other
                    self.add(route, within(member, name), MISSING, (one, other))
                    only_first.remove(one)
                    only_second.remove(other)
                    break
        is_free = any(each in FREE for each in member.split("."))
        for names, values, sides in (
            (only_first, first, ("{}", "absent")),
            (only_second, second, ("absent", "{}")),
        ):
            for name in names:
                if name in self.dropped and values is first:
                    continue
                kind = MISSING if is_free or name in known else UNKNOWN
                example = named(type_of(values[name]))
                self.add(
                    route, within(member, name), kind, (each.format(example) for each in sides)
                )
        for name in first:
            if name in second:
                self.compare(route, first[name], second[name], within(member, name), is_partial)

    def _compare_lists(
        self, route: str, first: list[Record], second: list[Record], member: str, is_partial: bool
    ) -> None:
        pairs, only_first, only_second = match(first, second)
        if not is_partial:
            self.tell_lonely(route, member or None, only_first, only_second)
        self.tell_order(route, member or None, pairs)
        for one, other in pairs:
            self.compare(route, first[one], second[other], member, is_partial)

    def tell_lonely(
        self, route: str, member: str | None, first: Sequence[Record], second: Sequence[Record]
    ) -> None:
        """Add records that only one side has, but for those that begin or end about now."""
        counts = [len([each for each in side if not is_near_now(each)]) for side in (first, second)]
        if any(counts):
            shown = (f"{count} alone" if count else "none alone" for count in counts)
            self.add(route, member, RECORDS, shown, sum(counts))

    def tell_order(self, route: str, member: str | None, pairs: Sequence[tuple[int, int]]) -> None:
        places = [other for _, other in sorted(pairs)]
        moved = [
            place for place, (a, b) in enumerate(zip(places, sorted(places), strict=True)) if a != b
        ]
        if moved:
            self.add(
                route,
                member,
                ORDER,
                (f"one order from place {moved[0] + 1} on", "another"),
                len(moved),
            )


def within(member: str, name: str) -> str:
    return f"{member}.{name}" if member else name


def is_same(first: Any, second: Any) -> bool:
    """Whether two JSON values are the same; to Python 1, 1.0 and true are."""
    one, other = (orjson.dumps(each, option=orjson.OPT_SORT_KEYS) for each in (first, second))
    return first is second or one == other


TYPES = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "text",
    list: "list",
    dict: "object",
}


def type_of(value: Any) -> str:
    return TYPES[type(value)]


def named(kind: str) -> str:
    return kind if kind == "null" else f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def is_renamed(first: Record, one: str, second: Record, other: str, is_only: bool) -> bool:
    """Whether a member that one side lacks is there under another name."""
    values = first[one], second[other]
    return values[0] == values[1] and (is_only or values[0] not in (None, [], "", False))


def are_records(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def instant(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(parse_instant(value)) if isinstance(value, str) else None
    except ValueError:
        return None


def is_near(moment: datetime | None) -> bool:
    return moment is not None and abs(moment - datetime.now(UTC)) < NEAR


def are_near(first: Any, second: Any) -> bool:
    return is_near(instant(first)) and is_near(instant(second))


def is_near_now(record: Record) -> bool:
    """Whether the record, or one in it, begins, ends or was made about now."""
    return any(
        is_near(instant(value))
        or (isinstance(value, dict) and is_near_now(value))
        or (are_records(value) and any(map(is_near_now, value)))
        for value in record.values()
    )


def stem(record: Record) -> tuple[str | None, ...]:
    """What a record is about, as far as it says so."""

    def label(value: Any) -> str | None:
        return text_of(value.get("label")) if isinstance(value, dict) else text_of(value)

    return (
        user_of(owner(record)),
        *(text_of(record.get(member)) for member in ("label", "domain", "url", "name")),
        label(record.get("service")),
        label(record.get("endpointType")),
    )


def natural(record: Record) -> Hashable:
    """What tells a record from others on any server: none of what servers make themselves."""
    created = record.get("createdDate", record.get("dateCreated"))
    members = (record.get("role"), record.get("type"), record.get("activeFrom"), created)
    return stem(record), *map(text_of, members)


Match = tuple[list[tuple[int, int]], list[Record], list[Record]]


def match(first: Sequence[Record], second: Sequence[Record]) -> Match:
    """Which record of one side is which of the other, by their places; and those left over.

    What they say of themselves decides; of those that are left, what they are about; and of those
    that are left then, whether most of their members agree. So a record with another name, window
    or role is a changed record, not two.
    """
    pairs: list[tuple[int, int]] = []
    left, waiting = list(range(len(first))), list(range(len(second)))
    for key in (natural, stem):
        places: defaultdict[Hashable, list[int]] = defaultdict(list)
        for place in reversed(waiting):
            if any(stem(second[place])):
                places[key(second[place])].append(place)
        found = [(p, places[k].pop()) for p in left if places.get(k := key(first[p]))]
        pairs += found
        left = sorted(set(left) - {one for one, _ in found})
        waiting = sorted(set(waiting) - {other for _, other in found})
    only_first = []
    enough = 0.0 if len(left) == len(waiting) else LIKE
    for place in left:
        nearest = waiting[:MOST_LOOKED_AT]
        best = max(nearest, key=lambda other: likeness(first[place], second[other]), default=None)
        if best is None or likeness(first[place], second[best]) <= enough:
            only_first.append(first[place])
        else:
            pairs.append((place, best))
            waiting.remove(best)
    return pairs, only_first, [second[place] for place in waiting]


def likeness(first: Record, second: Record) -> float:
    """The part of their members in which two records agree, of those that say something."""
    bare = [without_ids(each) for each in (first, second)]
    names = {name for each in bare for name, value in each.items() if value not in (None, [], "")}
    same = [name for name in names if bare[0].get(name) == bare[1].get(name)]
    return len(same) / len(names) if names else 1.0


def without_ids(value: Any) -> Any:
    """JSON without the members that each server makes itself."""
    if isinstance(value, dict):
        return {n: without_ids(each) for n, each in value.items() if n not in MADE_BY_SERVER}
    return [without_ids(each) for each in value] if isinstance(value, list) else value
