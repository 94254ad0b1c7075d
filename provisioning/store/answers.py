"""Answering queries to the tables in memory, and keeping the answers for as long as they are true.

A table's version changes with each change of its records. So an answer is true for every view with
the same versions of the tables that it came from, in the span of time in which no activity window
that matters begins or ends. After a few changes a kept answer is brought up to date, by looking
only at the records that have changed, and at those that refer to them or to which they refer.
"""

from array import array
from bisect import bisect_right, insort_right
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from itertools import accumulate, chain, filterfalse
from typing import Any, NamedTuple

from provisioning.store.query import (
    Order,
    Page,
    Query,
    Record,
    about_members,
    about_windows,
    fold,
    sort_key,
)
from provisioning.store.tables import SINGLE, Contents

Tables = Mapping[str, Contents]
Changed = Mapping[str, Mapping[str, Record | None]]
"""Table -> {key: record before} of records that have changed; None for a new record."""
FEW = 100
"""So many records, found by an index or a search, are looked at without an answer being kept."""
SINGLY = 3
"""Up to so many keys are taken out of a list one by one, as that costs less than to go over it."""
MOST_WEIGHT = 1_000_000
"""The highest weight of all kept answers together. Each weighs 1,000, and 1 for each key."""
MOST_LATER = 200
"""How many changed texts are searched one by one; if there are more, all texts are joined anew."""
_UTF8 = ("utf-8", "surrogatepass")
_BETWEEN = b"\xff"
"""It occurs in no text, so that nothing is found across two of them."""
_NEVER = "\U0010ffff"
"""A text that comes after all instants."""


class Answer(NamedTuple):
    """The keys that a query finds, on all pages and in its order."""

    keys: list[str]
    versions: Mapping[str, int]
    """Table -> version, for each table that the answer came from."""
    begin: str
    """The instant from which on it is true."""
    end: str
    """The instant from which on it may be true no more."""


class Texts(NamedTuple):
    """The folded texts of a table's records, joined, so that one search looks through all."""

    versions: dict[str, int]
    keys: list[str]
    joined: bytes
    begins: Sequence[int]
    """The place in `joined` where each text begins, and at last where another one would."""
    later: dict[str, bytes]
    """Key -> text, for texts that have changed since; empty for a removed record."""

    @staticmethod
    def of(tables: Tables, table: str, known: "Texts | None") -> "Texts":
        """The texts of these tables. If few have changed since, those that are known are kept."""
        fact = tables[table].fact
        versions = _versions(tables, {table, *(fact.references[name] for name in fact.text_of)})
        changed = None if known is None else _changed(known.versions, tables)
        if known is not None and changed is not None:
            concerned = set(changed.get(table, ()))
            for member in fact.text_of:
                holding = tables[table].holding(member)
                others = changed.get(fact.references[member], ())
                concerned.update(chain.from_iterable(holding.get(key, ()) for key in others))
            later = known.later | {key: _text(tables, table, key) for key in concerned}
            if len(later) <= MOST_LATER:
                return known._replace(versions=versions, later=later)
        keys = list(tables[table].records)
        texts = [_text(tables, table, key) for key in keys]
        begins = array("Q", accumulate((len(text) + 1 for text in texts), initial=0))
        return Texts(versions, keys, _BETWEEN.join(texts), begins, {})

    def find(self, words: Iterable[bytes]) -> set[str]:
        """The keys of the records in whose text each of these folded words occurs."""
        first, *others = sorted(words, key=len, reverse=True)
        found = set()
        end = 0
        while (at := self.joined.find(first, end)) >= 0:
            number = bisect_right(self.begins, at) - 1
            begin, end = self.begins[number], self.begins[number + 1] - 1
            if all(self.joined.find(word, begin, end) >= 0 for word in others):
                found.add(self.keys[number])
        found.difference_update(self.later)
        for key, text in self.later.items():
            if all(word in text for word in (first, *others)):
                found.add(key)
        return found


class Answers:
    """The kept answers of one store, which its threads share."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, Answer] = {}
        self._texts: dict[str, Texts] = {}

    def page(self, tables: Tables, table: str, query: Query, *, keep: bool) -> Page:
        """The page that a query finds; `keep` the answer only if these tables never change."""
        question = _Question(tables, table, query)
        few = question.few()
        if few is not None:
            found = Answer(question.ordered(question.matching(few)), {}, "", "")
        else:
            found = self._answer(question, keep)
        keys = found.keys
        if few is None and query.keys is not None:
            among = frozenset(query.keys)
            keys = [key for key in keys if key in among]
        records = [question.records[key] for key in keys[query.slice()]]
        return Page(records, len(keys), found.begin, found.end)

    def _answer(self, question: "_Question", keep: bool) -> Answer:
        """The answer without the query's keys: as kept, or brought up to date, or worked out anew
        from that to the same query without words or order."""
        name = question.name()
        known = self._kept.get(name)
        if known is not None and not known.begin <= question.at < known.end:
            known = None
        changed = None if known is None else _changed(known.versions, question.tables)
        if known is not None and changed == {}:
            return known
        if question.words:
            whole = question.but(words=())
            texts = Texts.of(question.tables, question.table, self._texts.get(question.table))
            if keep:
                self._texts[question.table] = texts
            hits = texts.find(question.words)
            if len(hits) <= FEW:
                return Answer(whole.ordered(whole.matching(hits)), {}, "", "")
            found = self._answer(whole, keep)
            hit = [key for key in found.keys if key in hits]
            found = found._replace(keys=hit, versions={**found.versions, **texts.versions})
        elif known is not None and changed is not None:
            found = question.brought_up(known, changed)
        elif question.query.order or question.query.by_key:
            found = self._answer(question.but(order=(), by_key=False), keep)
            keys = question.ordered(found.keys)
            found = found._replace(keys=keys, versions=question.versions())
        else:
            found = question.answer()
        if keep and name is not None:
            self._keep(name, found)
        return found

    def _keep(self, name: Hashable, found: Answer) -> None:
        """Keep an answer under a name. If there are too many, the others are dropped."""
        if name not in self._kept:
            weight = sum(1_000 + len(answer.keys) for answer in tuple(self._kept.values()))
            if weight >= MOST_WEIGHT:
                self._kept.clear()
        self._kept[name] = found


class _Question:
    """One query to one state of the tables."""

    def __init__(self, tables: Tables, table: str, query: Query) -> None:
        self.tables = tables
        self.table = table
        self.query = query
        self.contents = tables[table]
        self.records = self.contents.records
        self.words = tuple(filter(None, (fold(word).encode(*_UTF8) for word in query.words)))
        self.source: Collection[str] = self.records
        """The keys of the whole table, or of the group `within`, in table order."""
        if query.within is not None:
            group, value = query.within
            self.source = self.contents.groups[group].get(value, ())
        self._instants = query.instants()
        self.at = min(self._instants, default="")

    def but(self, **changed: Any) -> "_Question":
        """The same question with another order, or without words."""
        return _Question(self.tables, self.table, replace(self.query, **changed))

    def name(self) -> Hashable:
        """A name that depends on all of the query but instant, keys and page; None if it can't have
        one."""
        name = self.table, replace(self.query, keys=None, page=0, size=None)
        return name if len(self._instants) <= 1 else None

    @cached_property
    def _related(self) -> list[tuple["_Question", str, bool]]:
        return [
            (_Question(self.tables, each.table, each.condition), each.member, each.negated)
            for each in self.query.related
        ]

    def few(self) -> Collection[str] | None:
        """Few keys that have all that can be found; None if no index says so."""
        if self.query.keys is not None and len(self.query.keys) <= FEW:
            return set(self.query.keys)
        equal = {member: (value,) for member, value in self.query.equal.items()}
        for member, values in (*equal.items(), *self.query.any_of.items()):
            if len(values) <= FEW and all(isinstance(value, SINGLE) for value in values):
                holding = self.contents.holding(member)
                found = [holding.get(value, ()) for value in values]
                if sum(map(len, found)) <= FEW:
                    return set(chain.from_iterable(found))
        return None

    def matching(self, keys: Iterable[str] | None = None) -> Collection[str]:
        """The keys, out of these or of all, of the records that meet every condition."""
        found = self.source
        if keys is not None:
            found = [key for key in keys if key in self.source]
        for other, member, negated in self._related:
            is_whole = found is self.records
            holding = {} if is_whole else other.contents.holding(member)
            naming = chain.from_iterable(holding.get(key, ()) for key in found)
            named = {
                other.records[key].get(member)
                for key in other.matching(None if is_whole else naming)
            }
            if is_whole and not negated:
                found = [key for key in named if key in self.records]
            else:
                found = [key for key in found if (key in named) is not negated]
        for condition in (*about_members(self.query), *about_windows(self.query)):
            found = [key for key in found if condition(self.records[key])]
        for word in self.words:
            found = [key for key in found if word in _text(self.tables, self.table, key)]
        return found

    def ordered(self, keys: Collection[str]) -> list[str]:
        """These keys in the query's order."""
        if self.query.by_key:
            found = sorted(keys)
        elif keys is self.source:
            found = list(keys)
        else:
            found = sorted(keys, key=self.contents.places.__getitem__)
        # By the last order first, as sorting keeps the order of equal ones, also in reverse.
        for order in reversed(self.query.order):
            found.sort(key=self._value_by(order), reverse=order.descending)
        return found

    def answer(self) -> Answer:
        """The answer, worked out anew."""
        span = _span_around(self.at, self._windows())
        return Answer(self.ordered(self.matching()), self.versions(), *span)

    def brought_up(self, known: Answer, changed: Changed) -> Answer:
        """A known answer after changes."""
        touched = self._touched(changed)
        keys = known.keys.copy()
        if len(touched) > SINGLY:
            keys = list(filterfalse(touched.__contains__, keys))
        else:
            for key in touched:
                with suppress(ValueError):
                    keys.remove(key)
        place = self._place()
        for key in self.matching(touched):
            insort_right(keys, key, key=place)
        later = [
            self.tables[name].records.get(key, {}) for name in changed for key in changed[name]
        ]
        begin, end = _span_around(self.at, later)
        return Answer(keys, self.versions(), max(begin, known.begin), min(end, known.end))

    def _touched(self, changed: Changed) -> set[str]:
        """The keys of records that changed, to which changed ones refer, or which show them."""
        touched = set(changed.get(self.table, ()))
        for other, member, _ in self._related:
            for record in _states(other.contents, changed, other._touched(changed)):
                if record.get(member) is not None:
                    touched.add(record[member])
        for member, target in self._shown_by().items():
            for record in _states(self.tables[target], changed, changed.get(target, ())):
                touched.update(self.contents.holding(member).get(record["id"], ()))
        return touched

    def _shown_by(self) -> dict[str, str]:
        """Member of the order -> the table by whose records it is placed."""
        identified = self.contents.fact.identified
        return {e.member: identified[e.member] for e in self.query.order if e.member in identified}

    def _value_by(self, order: Order) -> Callable[[str], tuple[bool, int, Any]]:
        """A function from a key to what an order compares, be it of a record that is named."""
        by, records, target = sort_key(order), self.records, self._shown_by().get(order.member)
        if target is None:
            return lambda key: by(records[key].get(order.member))
        named = self.tables[target]

        def value(key: str) -> tuple[bool, int, Any]:
            shown = named.unique["id"].get(records[key].get(order.member))
            return by(None if shown is None else named.records[shown].get(named.fact.shown_by))

        return value

    def _place(self) -> Callable[[str], tuple[Any, ...]]:
        """A function from a key to the values by which the whole order compares its record."""
        values = [(self._value_by(order), order.descending) for order in self.query.order]

        def place(key: str) -> tuple[Any, ...]:
            last = key if self.query.by_key else self.contents.places[key]
            return *(_Reversed(value(key)) if down else value(key) for value, down in values), last

        return place

    def _windows(self) -> Iterator[Record]:
        """The records whose activity windows matter."""
        if self.query.active is not None or self.query.ended is not None:
            yield from map(self.records.__getitem__, self.source)
        for other, _, _ in self._related:
            yield from other._windows()

    def _names(self) -> set[str]:
        """The tables from which the answer comes."""
        names = {self.table, *self._shown_by().values()}
        return names.union(*(other._names() for other, _, _ in self._related))

    def versions(self) -> dict[str, int]:
        return _versions(self.tables, self._names())


class _Reversed(NamedTuple):
    """A value that compares in reverse."""

    value: Any

    def __lt__(self, other: "_Reversed") -> bool:  # type: ignore[override]
        return bool(other.value < self.value)


def _span_around(at: str, records: Iterable[Record]) -> tuple[str, str]:
    """The longest span around `at` in which no window of these records begins or ends."""
    ends = ("activeFrom", "activeUntil")
    borders: set[str] = {record[end] for record in records for end in ends if record.get(end)}
    return (
        max((border for border in borders if border <= at), default=""),
        min((border for border in borders if border > at), default=_NEVER),
    )


def _states(contents: Contents, changed: Changed, keys: Iterable[str]) -> Iterator[Record]:
    """The records with these keys as they are, and as they were before they changed."""
    before, after = changed.get(contents.fact.name, {}), contents.records
    return filter(None, chain.from_iterable((before.get(key), after.get(key)) for key in keys))


def _text(tables: Tables, table: str, key: str) -> bytes:
    """The folded text of a record that a search looks through, with that of `text_of`."""
    contents = tables[table]
    record = contents.records.get(key, {})
    values = [record.get(member) for member in contents.fact.text]
    for member in contents.fact.text_of:
        other = tables[contents.fact.references[member]]
        referred = other.records.get(record.get(member, ""), {})
        values += [referred.get(name) for name in other.fact.text]
    # Equal values, as username and email often are, stand in the text once.
    texts = dict.fromkeys(value for value in values if isinstance(value, str))
    return fold("\n".join(texts)).encode(*_UTF8)


def _versions(tables: Tables, names: Iterable[str]) -> dict[str, int]:
    return {name: tables[name].version for name in names}


def _changed(versions: Mapping[str, int], tables: Tables) -> Changed | None:
    """The records that have changed since these versions; None if that isn't known any more."""
    changed = {}
    for name, version in versions.items():
        if tables[name].version != version:
            since = tables[name].changed_since(version)
            if since is None:
                return None
            changed[name] = since
    return changed
