"""Asks two servers about every route of the API, and notes where their answers differ.

A difference is told once: what follows from it (a total of a list that lacks records, a page that
a server counts otherwise) is not asked, or not told.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from provisioning.remote.alike import (
    HEADER,
    NO_ROUTE,
    ORDER,
    STATUS,
    VALUE,
    Findings,
    is_near_now,
    match,
    natural,
)
from provisioning.remote.errors import CannotBeDone, plain
from provisioning.remote.guest import OK, UNAUTHORIZED, Answer, Guest, together
from provisioning.remote.reading import owner
from provisioning.remote.routes import IDS, Route, get_routes, value_of
from provisioning.remote.walking import identity, text_of, total_of, walk
from provisioning.store import Record

BY_THEMSELVES = ("/audit", "/as-users")
"""Lists of which the members are compared, and not which records they hold."""
LONG_AGO = "2016-01-01T00:00:00Z"
NEVER = "provisioning-compare-knows-none"
MISSING = {"username": f"{NEVER}@nowhere.test", "id": "4503599627370000", "domain": f"{NEVER}.test"}
"""Values of records that no server has, by member."""
BAD = 400
LINK = re.compile(r"<[^>]*?[?&]page=(\d+)[^>]*>\s*;\s*rel=\"?(\w+)")
WORD = re.compile(r"\w{3,}")
SHORTEST_FOR_PAGES = 3
"""Records from which on a page of one tells how pages are counted."""
WORDS_OF_ERRORS = ("title", "detail", "instance", "type")

NO_RECORD = "no such record"
NAMING = ("reportsTo", "registeredBy")

Pair = tuple[Record, Record]
Answers = tuple[Answer, Answer]
Paths = tuple[str, str]
Query = Mapping[str, Any]


class Side(Guest):
    """A server that is compared. A 401 is an answer like others, as long as its key opens it."""

    def get(self, path: str, **query: Any) -> Answer:
        answer = self.ask("GET", path, query=query)
        if answer.status == UNAUTHORIZED and path != "/info":
            super().get("/info")  # which says so if the key has ended
        return answer


@dataclass
class Listed:
    """A list as both sides have it; `pairs` are places of the same record on each."""

    first: list[Record]
    second: list[Record]
    pairs: list[tuple[int, int]]
    is_partial: bool
    """Whether one side lacks records, so that what hangs on them is not told once more."""

    @property
    def records(self) -> list[Pair]:
        return [(self.first[one], self.second[other]) for one, other in self.pairs]


@dataclass
class Comparison:
    """Asks both sides the same. Records whose natural keys are in `ignored` have no counterpart."""

    first: Side
    second: Side
    findings: Findings
    most: int
    ignored: frozenset[Any] = frozenset()
    pairs: dict[str, list[Pair]] = field(default_factory=dict)
    """Path of a list -> its records on both sides, each with its counterpart."""

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.first, self.second

    def run(self) -> None:
        for route in get_routes():
            if not route.members:
                if route.is_list:
                    self._compare_list(route, (route.path, route.path))
                else:
                    self._compare_records(route, [(route.path, route.path)], None)
            elif route.is_list:
                self._compare_lists_below(route)
            else:
                self._compare_below(route)
        self._compare_missing(NO_ROUTE, f"/{NEVER}")

    # Single answers

    def _both(self, paths: Paths, query: Query) -> Answers:
        return self.first.get(paths[0], **query), self.second.get(paths[1], **query)

    def _ask(self, verb: str, paths: Paths, **facts: Any) -> Answers:
        return self.first.ask(verb, paths[0], **facts), self.second.ask(verb, paths[1], **facts)

    def _is_same_status(self, route: str, member: str | None, answers: Answers) -> bool:
        """Whether both answers have one status, else it is told; `member` is what was asked for."""
        if member is not None:
            self.findings.asked[member].add(route)
        one, other = (each.status for each in answers)
        if one != other:
            self.findings.add(route, member, STATUS, (str(one), str(other)))
        return one == other

    def _compare_missing(self, route: str, path: str) -> None:
        """What is answered for something that neither side has."""
        self._are_alike(route, NO_RECORD, self._both((path, path), {}))

    def _are_alike(self, route: str, member: str | None, answers: Answers) -> bool:
        """Whether status and form of two answers are the same; what is not is told."""
        if not self._is_same_status(route, member, answers):
            return False
        one, other = answers
        self.findings.asked["Content-Type"].add(route)
        if one.media_type != other.media_type:
            kinds = (plain(each.media_type) or "none" for each in answers)
            self.findings.add(route, "Content-Type", HEADER, kinds)
            return False
        if one.status >= BAD:
            self._compare_errors(route, answers)
        return True

    def _compare_errors(self, route: str, answers: Answers) -> None:
        bodies = [each.body for each in answers]
        for each in bodies:
            if isinstance(each, dict):
                # Each version has words of its own for what is wrong.
                each |= {name: "" for name in WORDS_OF_ERRORS if isinstance(each.get(name), str)}
                if isinstance(each.get("errors"), dict):
                    each["errors"] = dict.fromkeys(each["errors"])
        self.findings.compare(route, bodies[0], bodies[1])

    def _compare_headers(self, route: str, answers: Answers, names: Iterable[str]) -> None:
        for name in names:
            self.findings.asked[name].add(route)
            values = [header(each, name) for each in answers]
            if values[0] != values[1]:
                self.findings.add(route, name, HEADER, values)

    def _compare_other_verbs(
        self, route: str, paths: Paths, answers: Answers, query: Query | None = None
    ) -> None:
        """HEAD tells what GET told, OPTIONS what there is, and without a key there is neither."""
        heads = self._ask("HEAD", paths, query=query)
        if self._is_same_status(route, "HEAD", heads) and answers[0].status == OK:
            told = headers_of_lists(answers[0], answers[1])
            lost = [
                {name for name in told if header(get, name) != header(head, name)}
                for get, head in zip(answers, heads, strict=True)
            ]
            if lost[0] != lost[1]:
                shown = (f"without {', '.join(sorted(each)) or 'nothing'}" for each in lost)
                self.findings.add(route, "HEAD", HEADER, shown)
        options = self._ask("OPTIONS", paths, with_key=False)
        if self._is_same_status(route, "OPTIONS", options):
            self._compare_headers(route, options, ["Allow"])
        without = self._ask("GET", paths, with_key=False)
        if self._are_alike(route, "Authorization", without):
            self._compare_headers(route, without, ["WWW-Authenticate"])

    # Records

    def _compare_records(self, route: Route, paths: Sequence[Paths], missing: str | None) -> None:
        """Compare records one by one, and with one that both have whatever else a route does."""
        is_paced = self.first.pause > 0
        answered = zip(
            together(self.first.get, [each for each, _ in paths], is_paced),
            together(self.second.get, [each for _, each in paths], is_paced),
            strict=True,
        )
        shared: tuple[Paths, Answers] | None = None
        is_offered = not paths
        for asked, answers in zip(paths, answered, strict=True):
            if not self._are_alike(route.path, None, answers):
                continue
            is_offered = True
            if answers[0].status == OK:
                shared = shared or (asked, answers)
                self._compare_bodies(route.path, answers)
        if shared is not None:
            self._compare_headers(route.path, shared[1], headers_of(route))
            self._compare_tags(route.path, *shared)
            self._compare_other_verbs(route.path, *shared)
        if is_offered and missing is not None:
            self._compare_missing(route.path, missing)

    def _compare_bodies(self, route: str, answers: Answers) -> None:
        one, other = (each.body for each in answers)
        if route.startswith("/audit/") and isinstance(one, dict) and isinstance(other, dict):
            one, other = members_of([one], [other])
        self.findings.compare(route, one, other)

    def _compare_tags(self, route: str, paths: Paths, answers: Answers) -> None:
        tags = [each.headers.get("etag") for each in answers]
        if None in tags:
            return
        again = [
            side.ask("GET", path, headers={"If-None-Match": str(tag)})
            for side, path, tag in zip(self.sides, paths, tags, strict=True)
        ]
        self._is_same_status(route, "If-None-Match", (again[0], again[1]))

    def _compare_below(self, route: Route) -> None:
        paths = [
            (route.at(*one), route.at(*other)) for one, other in self._values(route, self.most)
        ]
        missing = None
        if len(route.members) == 1:
            missing = route.at(MISSING.get(route.members[0], NEVER))
        elif paths:
            missing = f"{paths[0][0].rpartition('/')[0]}/{NEVER}"
        self._compare_records(route, paths, missing)

    def _values(self, route: Route, most: int) -> Iterator[tuple[list[Any], list[Any]]]:
        """What stands for each record that both sides have in a route's path, on either side."""
        seen = 0
        for pair in self.pairs.get(route.above, []):
            found: list[list[Any]] = [
                [value_of(each, name) for name in route.members] for each in pair
            ]
            for place, member in enumerate(route.members):
                for one, other in ((0, 1), (1, 0)):
                    if found[one][place] is None and member not in IDS:
                        found[one][place] = found[other][place]
            if None not in (*found[0], *found[1]) and seen < most:
                seen += 1
                yield found[0], found[1]
        if route.path == "/privileges/{id}":
            holders = {
                owner(one): owner(other)
                for one, other in self.pairs.get("/privileges", [])
                if one.get("activeUntil") is None and other.get("activeUntil") is None
            }
            for holder, same in list(holders.items())[:most]:
                if holder is not None and same is not None:
                    yield [holder], [same]

    # Lists

    def _compare_lists_below(self, route: Route) -> None:
        """Lists of which each user has one: the longest in every respect, the rest as they are."""
        users = self.pairs.get("/users", [])
        owned = [str(owner(one)).casefold() for one, _ in self.pairs.get("/user-api-keys", [])]
        users = sorted(users, key=lambda each: -owned.count(str(owner(each[0])).casefold()))
        self.pairs.setdefault(route.path, [])
        for number, pair in enumerate(users[: self.most]):
            names = [value_of(each, "username") for each in pair]
            one, other = names[0] or names[1], names[1] or names[0]
            if one is None or other is None:
                continue
            before = len(self.pairs[route.path])
            self._compare_list(route, (route.at(one), route.at(other)), is_whole=number == 0)
            for keys in self.pairs[route.path][before:]:
                for key, username in zip(keys, (one, other), strict=True):
                    key.setdefault("username", username)
        self._compare_missing(route.path, route.at(MISSING["username"]))

    def _compare_list(self, route: Route, paths: Paths, is_whole: bool = True) -> None:
        query = self._needed(route)
        answers = self._both(paths, query)
        if not self._are_alike(route.path, None, answers):
            return
        if answers[0].status != OK:
            if is_whole:
                self._compare_other_verbs(route.path, paths, answers, query)
            return
        bodies = [each.body for each in answers]
        if not all(isinstance(each, list) for each in bodies):
            self.findings.compare(route.path, *bodies)
            return
        if route.path in BY_THEMSELVES:
            self._compare_members(route.path, answers)
        else:
            listed = self._walk(route.path, paths, {})
            if listed is None:
                return
            pairs = listed.records
            if route.takes("active"):
                whole = self._walk(route.path, paths, {"active": "all"}, listed)
                pairs = pairs if whole is None else whole.records
            self.pairs.setdefault(route.path, []).extend(pairs)
            if is_whole:
                if not listed.is_partial:
                    self._compare_totals(route.path, answers, listed)
                self._compare_parameters(route, paths, listed)
        if is_whole:
            self._compare_headers(route.path, answers, headers_of(route))
            self._compare_bad_values(route, paths, query)
            self._compare_other_verbs(route.path, paths, answers, query)

    def _needed(self, route: Route) -> dict[str, str]:
        """The parameters without which a list is refused."""
        if not any(each.required for each in route.operation.parameters):
            return {}
        users = self.pairs.get("/users", [])
        found = [word for each, _ in users for word in WORD.findall(str(owner(each)))]
        return {"q": found[0] if found else "aaa"}

    def _compare_members(self, route: str, answers: Answers) -> None:
        """Compare which members records have and of which types, where the records differ."""
        bodies = [each.body for each in answers]
        if all(bodies):
            self.findings.compare(route, *members_of(bodies[0], bodies[1]))
        if route == "/audit" and all(bodies):
            self.pairs[route] = [(bodies[0][0], bodies[1][0])]

    def _walk(
        self, route: str, paths: Paths, query: Query, narrower: Listed | None = None
    ) -> Listed | None:
        """The whole list of each side; what differs in it is told, once for `narrower` too.

        None, told, where a side can't be read to its end.
        """
        ends = [end_of(side, path, query) for side, path in zip(self.sides, paths, strict=True)]
        if any(isinstance(each, str) for each in ends):
            shown = (each if isinstance(each, str) else "read to its end" for each in ends)
            self.findings.add(route, "page", VALUE, shown)
            return None
        first, second = (each for each in ends if not isinstance(each, str))
        pairs, *lonely = match(first, second)
        lonely = [self._missed(side) for side in lonely]
        is_partial = any(lonely) or (narrower is not None and narrower.is_partial)
        if narrower is None:
            self.findings.tell_lonely(route, None, *lonely)
            self.findings.tell_order(route, None, pairs)
        elif any(lonely) and not narrower.is_partial:
            self.findings.add(route, "active", VALUE, (f"{len(each)} alone" for each in lonely))
        known = {natural(each) for each in narrower.first} if narrower is not None else set()
        for one, other in pairs:
            if natural(first[one]) not in known:
                self.findings.compare(route, first[one], second[other], is_partial=is_partial)
        return Listed(first, second, pairs, is_partial)

    def _missed(self, lonely: Iterable[Record]) -> list[Record]:
        """Those of the records of one side alone that the other should have."""
        return [e for e in lonely if natural(e) not in self.ignored and not is_near_now(e)]

    def _compare_totals(self, route: str, answers: Answers, listed: Listed) -> None:
        """A total must be the number of records, and links must lead as far, on either side."""
        totals = [total_of(each) for each in answers]
        lengths = len(listed.first), len(listed.second)
        if None not in totals:
            beyond = [
                int(total or 0) - length for total, length in zip(totals, lengths, strict=True)
            ]
            if beyond[0] != beyond[1]:
                shown = (f"{total} of {n}" for total, n in zip(totals, lengths, strict=True))
                self.findings.add(route, "X-Total-Count", VALUE, shown)
        links = [sorted(LINK.findall(each.headers.get("link", ""))) for each in answers]
        if lengths[0] == lengths[1] and all(links) and links[0] != links[1]:
            shown = (" ".join(f"{name}={page}" for page, name in each) for each in links)
            self.findings.add(route, "Link", VALUE, shown)

    # Parameters of lists

    def _compare_parameters(self, route: Route, paths: Paths, listed: Listed) -> None:
        has_pages = min(len(listed.first), len(listed.second)) >= SHORTEST_FOR_PAGES
        two, second = {"size": 2}, {"size": 1, "page": 1}
        if has_pages and self._is_same_slice(route.path, "size", paths, two, listed, (0, 2)):
            self._is_same_slice(route.path, "page", paths, second, listed, (1, 2))
        self._compare_search(route.path, paths, listed)
        if not self.findings.has(route.path, None):
            self._compare_orders(route, paths, listed)
        if listed.is_partial:
            return
        for name, value in self._filters(route, listed):
            self._is_same_choice(route.path, name, paths, {name: value}, listed)

    def _filters(self, route: Route, listed: Listed) -> Iterator[tuple[str, str]]:
        """The filters that a list takes, each with a value."""
        supervisors = [
            text_of(one.get("reportsTo")) for one, other in listed.records if other.get("reportsTo")
        ]
        values: dict[str, list[str | None]] = {
            "active": ["false"],
            "at": [LONG_AGO],
            "role": ["ADMINISTRATOR"],
            "user": [owner(one) for one, _ in listed.records[:1]],
            "reportsTo": supervisors,
        }
        for name, known in values.items():
            if route.takes(name):
                yield from [(name, value) for value in known if value is not None][:1]

    def _pages(
        self, route: str, name: str, paths: Paths, query: Query
    ) -> list[list[Record]] | None:
        """The records of both answers; None, told, where one is refused or is no list."""
        answers = self._both(paths, query)
        if not self._is_same_status(route, name, answers) or answers[0].status != OK:
            return None
        bodies = [each.body for each in answers]
        if not all(isinstance(each, list) for each in bodies):
            return None
        return [[each for each in body if isinstance(each, dict)] for body in bodies]

    def _is_same_slice(
        self,
        route: str,
        name: str,
        paths: Paths,
        query: Query,
        listed: Listed,
        part: tuple[int, int],
    ) -> bool:
        """Whether both sides show, or both don't, the part of their list that was asked for."""
        pages = self._pages(route, name, paths, query)
        if pages is None:
            return not self.findings.has(route, name)
        # Where the order differs, a part is as good as its length.
        of = (lambda _: None) if self.findings.has(route, None) else identity
        kept = [
            list(map(of, page)) == list(map(of, whole[slice(*part)]))
            for page, whole in zip(pages, (listed.first, listed.second), strict=True)
        ]
        if kept[0] != kept[1]:
            shown = ("as documented" if each else "otherwise" for each in kept)
            self.findings.add(route, name, VALUE, shown)
        return kept[0] == kept[1]

    def _compare_search(self, route: str, paths: Paths, listed: Listed) -> None:
        found = [word for one, _ in listed.records[:1] for word in searched_for(one)]
        for word in [*found[:1], NEVER]:
            if not self._is_same_choice(route, "q", paths, {"q": word}, listed):
                return

    def _is_same_choice(
        self, route: str, name: str, paths: Paths, query: Query, listed: Listed
    ) -> bool:
        """Whether a filter leaves the same ones of those records that both sides have."""
        largest = {"size": max(1, min(len(listed.first), len(listed.second), 300))}
        pages = self._pages(route, name, paths, {**query, **largest})
        if pages is None:
            return not self.findings.has(route, name)
        _, *lonely = match(*pages)
        common = {natural(one) for one, _ in listed.records}
        common |= {natural(other) for _, other in listed.records}
        missed = [each for side in lonely for each in self._missed(side)]
        is_same = not any(natural(each) in common or name in ("active", "at") for each in missed)
        if not is_same:
            shown = (f"{len(page)} found" for page in pages)
            self.findings.add(route, name, VALUE, shown)
        return is_same

    def _compare_orders(self, route: Route, paths: Paths, listed: Listed) -> None:
        if len(listed.pairs) < SHORTEST_FOR_PAGES:
            return
        size = min(300, max(len(listed.first), len(listed.second)))
        for member in route.orders:
            if member in NAMING and self.findings.unnamed:
                continue  # the copy can't name everybody, so it has another order
            query = {"order": f"-{member}", "size": size}
            pages = self._pages(route.path, "order", paths, query)
            if pages is None:
                return
            pairs, *_ = match(*pages)
            places = [other for _, other in sorted(pairs)]
            if places != sorted(places) and not is_made_by_server(member):
                self.findings.add(route.path, "order", ORDER, (f"-{member}", f"another -{member}"))
                return

    def _compare_bad_values(self, route: Route, paths: Paths, query: Query) -> None:
        bad = [("page", "-1"), ("page", "x"), ("size", "0"), ("size", "100000")]
        bad += [("order", NEVER)] if route.orders else []
        bad += [(n, NEVER) for n in ("active", "at", "role") if route.takes(n)]
        for name, value in bad:
            if not self.findings.has(route.path, name):
                self._are_alike(route.path, name, self._both(paths, {**query, name: value}))


def end_of(side: Side, path: str, query: Query) -> list[Record] | str:
    """All records of a list, or why it can't be read to its end."""
    try:
        return walk(side, path, query).records
    except CannotBeDone as error:
        return error.message.removeprefix(side.url)


def is_made_by_server(member: str) -> bool:
    return member in ("id", "registeredByUserId")


def searched_for(record: Record) -> Iterator[str]:
    """Words that a search must find a record by."""
    texts = [owner(record), *(text_of(record.get(name)) for name in ("label", "domain", "url"))]
    texts.append(text_of(value_of(record, "label")))
    for text in filter(None, texts):
        yield from WORD.findall(text)[:1]


def members_of(first: Iterable[Record], second: Iterable[Record]) -> Pair:
    """One record for each side, with every member of its records: what they are, not their values.

    What is null on one side throughout is so on both, since it says nothing of the other's values.
    """
    found: tuple[Record, Record] = {}, {}
    for records, members in zip((first, second), found, strict=True):
        for record in records:
            for name, value in record.items():
                is_plain = value is not None and not isinstance(value, (dict, list))
                if is_plain or name not in members:
                    members[name] = type(value)() if is_plain else None
    names = [(name, name) for name in found[0].keys() & found[1].keys()]
    alone = [sorted(one.keys() - other.keys()) for one, other in (found, found[::-1])]
    if [len(each) for each in alone] == [1, 1]:
        names.append((alone[0][0], alone[1][0]))  # it may have another name there
    for one, other in names:
        if None in (found[0][one], found[1][other]):
            found[0][one] = found[1][other] = None
    return found


def headers_of(route: Route) -> list[str]:
    """The headers that the contract promises for a route's answers."""
    names = ["X-Total-Count", "Link"] if route.is_list else ["ETag"]
    return names + (["Cache-Control"] if route.operation.answers_secrets else [])


def headers_of_lists(*answers: Answer) -> list[str]:
    names = ("X-Total-Count", "Link", "ETag", "Content-Type")
    return [name for name in names if any(name.lower() in each.headers for each in answers)]


def header(answer: Answer, name: str) -> str:
    """What a header says, apart from what differs between any two answers."""
    value = answer.headers.get(name)
    if value is None:
        return "absent"
    if name == "Allow":
        return ", ".join(sorted(each.strip() for each in value.split(",")))
    if name == "Cache-Control":
        return "no-store" if "no-store" in value else plain(value)
    if name == "ETag":
        return "weak" if value.startswith("W/") else "strong"
    if name == "Content-Type":
        return answer.media_type
    return "present"
