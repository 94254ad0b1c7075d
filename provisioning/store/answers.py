"""Answering queries to the tables in memory, and keeping the answers for as long as they are true.

A table's version changes with each change of its records. So an answer is true for every view with
the same versions of the tables that it came from, in the span of time in which no activity window
that matters begins or ends. After a few changes a kept answer is brought up to date, by looking
only at the records that have changed.
"""

import threading
from array import array
from bisect import bisect_right, insort_right
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import accumulate
from typing import Any, NamedTuple, TypeVar

from provisioning.store.query import (
    Order,
    Page,
    Query,
    Record,
    Related,
    about_members,
    about_windows,
    fold,
    sort_key,
)
from provisioning.store.tables import Contents

Tables = Mapping[str, Contents]
Changed = dict[str, dict[str, Record | None]]
"""Table -> {key: record before} of records that have changed; None for a new record."""
Single = str | int | float
SINGLE = (str, int, float)
FEW = 100
"""Up to so many values are looked up; more records than that are worth a look-up."""
MOST_ANSWERS = 300
MOST_WEIGHT = 1_000_000
"""The highest weight of all kept answers together; a key in an answer weighs 1."""
MOST_LATER = 200
"""How many changed texts are searched one by one; if there are more, all texts are joined anew."""


class Span(NamedTuple):
    """The half-open span of instants in which an answer stays the same."""

    begin: str = ""
    end: str | None = None

    def holds(self, at: str) -> bool:
        return self.begin <= at and (self.end is None or at < self.end)

    def within(self, other: "Span") -> "Span":
        ends = [span.end for span in (self, other) if span.end is not None]
        return Span(max(self.begin, other.begin), min(ends, default=None))


def span_around(at: str, records: Iterable[Record]) -> Span:
    """The longest span around `at` in which no window of these records begins or ends."""
    ends = ("activeFrom", "activeUntil")
    borders: set[str] = {record[end] for record in records for end in ends if record.get(end)}
    return Span(
        max((border for border in borders if border <= at), default=""),
        min((border for border in borders if border > at), default=None),
    )


class Answer(NamedTuple):
    """The keys that a query finds, on all pages and in its order."""

    versions: dict[str, int]
    """Table -> version, for each table that the answer came from."""
    span: Span
    keys: list[str]

    @property
    def weight(self) -> int:
        return len(self.keys)


class Named(NamedTuple):
    """The keys to which one member of the records that meet a condition refers."""

    versions: dict[str, int]
    span: Span
    by: dict[Single, tuple[str, ...]]
    """Key, or other text or number, in that member -> the keys of the records that
    have it there."""

    @property
    def weight(self) -> int:
        return 30 * len(self.by)


Kept = TypeVar("Kept", Answer, Named)


class Places(NamedTuple):
    """The places of a table's records in table order, for one version of the table."""

    version: int
    numbers: dict[str, int]
    """Key -> a number that grows along the table."""
    following: int
    """The number for the next new record."""

    @staticmethod
    def of(contents: Contents, known: "Places | None") -> "Places":
        changed = None if known is None else contents.changed_since(known.version)
        if known is None or changed is None:
            numbers = {key: number for number, key in enumerate(contents.records)}
            return Places(contents.version, numbers, len(numbers))
        new = [key for key, before in changed.items() if before is None]
        numbers = {key: known.following + number for number, key in enumerate(new)}
        numbers = known.numbers | numbers if new else known.numbers
        return Places(contents.version, numbers, known.following + len(new))


class Texts(NamedTuple):
    """The folded texts of a table's records, joined, so that one search looks through all."""

    table: str
    versions: dict[str, int]
    keys: list[str]
    joined: bytes
    begins: Sequence[int]
    """The place in `joined` where each text begins, and at last where another one would."""
    later: dict[str, bytes | None]
    """Key -> text, for texts that have changed since; None for a removed record."""

    @staticmethod
    def of(tables: Tables, table: str) -> "Texts":
        keys = list(tables[table].records)
        texts = [text_of(tables, table, key).encode(*_UTF8) for key in keys]
        begins = array("Q", accumulate((len(text) + 1 for text in texts), initial=0))
        versions = _versions(tables, _read_for_text(tables, table))
        return Texts(table, versions, keys, b"\0".join(texts), begins, {})

    def brought_up(self, tables: Tables) -> "Texts | None":
        """The texts after changes; None if so much has changed that all should be joined anew."""
        changed = _changed(self.versions, tables)
        if not changed:
            return None if changed is None else self
        contents = tables[self.table]
        keys = set(changed.get(self.table, ()))
        for member in contents.fact.text_of:
            if since := changed.get(contents.fact.references[member]):
                keys.update(k for k, r in contents.records.items() if r.get(member) in since)
        if len(self.later.keys() | keys) > MOST_LATER:
            return None
        later = {
            key: text_of(tables, self.table, key).encode(*_UTF8)
            if key in contents.records
            else None
            for key in keys
        }
        return self._replace(versions=_versions(tables, self.versions), later=self.later | later)

    def find(self, words: Iterable[str]) -> set[str]:
        """The keys of the records in whose text each of these folded words occurs."""
        first, *others = sorted((word.encode(*_UTF8) for word in words), key=len, reverse=True)
        found = set()
        at = self.joined.find(first)
        while at >= 0:
            number = bisect_right(self.begins, at) - 1
            begin, end = self.begins[number], self.begins[number + 1] - 1
            if at + len(first) > end:
                # This is no hit, as it lies across two records.
                at = self.joined.find(first, at + 1)
                continue
            if all(self.joined.find(word, begin, end) >= 0 for word in others):
                found.add(self.keys[number])
            at = self.joined.find(first, end)
        found.difference_update(self.later)
        for key, text in self.later.items():
            if text is not None and all(word in text for word in (first, *others)):
                found.add(key)
        return found


class Answers:
    """The kept answers of one store, which its threads share."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Answer | Named] = OrderedDict()
        self._weight = 0
        self._texts: dict[str, Texts] = {}
        self._places: dict[str, Places] = {}
        self.renew_lock()

    def renew_lock(self) -> None:
        """Make a new lock, for a forked child: a thread of the parent may have held the old one."""
        self._lock = threading.Lock()

    def page(self, tables: Tables, table: str, query: Query, *, keep: bool) -> Page:
        """The page that a query finds; `keep` the answer only if these tables never change."""
        keys = _Question(self, tables, table, query, keep=keep).answer()
        records = tables[table].records
        return Page([records[key] for key in keys[query.slice()]], len(keys))

    def get(self, name: Hashable, kind: type[Kept]) -> Kept | None:
        """The answer that was last kept under a name, whether it is still true or not, or None."""
        with self._lock:
            found = self._kept.get(name)
            if found is not None:
                self._kept.move_to_end(name)
        return found if isinstance(found, kind) else None

    def keep(self, name: Hashable, found: Answer | Named) -> None:
        """Keep an answer under a name. If there are too many, those not used lately are dropped."""
        with self._lock:
            old = self._kept.pop(name, None)
            self._kept[name] = found
            self._weight += found.weight - (old.weight if old else 0)
            while len(self._kept) > MOST_ANSWERS or (
                self._weight > MOST_WEIGHT and len(self._kept) > 1
            ):
                self._weight -= self._kept.popitem(last=False)[1].weight

    def places(self, tables: Tables, table: str, *, keep: bool) -> dict[str, int]:
        """Key -> a number that grows along the table, see Places."""
        known = self._places.get(table)
        if known is None or known.version != tables[table].version:
            known = Places.of(tables[table], known)
            if keep:
                self._places[table] = known
        return known.numbers

    def texts(self, tables: Tables, table: str, *, keep: bool) -> Texts:
        """The joined texts of a table, see Texts."""
        known = self._texts.get(table)
        texts = (known and known.brought_up(tables)) or Texts.of(tables, table)
        if keep:
            self._texts[table] = texts
        return texts


class _Question:
    """One query to one state of the tables, while it is answered."""

    def __init__(
        self, answers: Answers, tables: Tables, table: str, query: Query, *, keep: bool
    ) -> None:
        self._answers = answers
        self._tables = tables
        self._table = table
        self._query = query
        self._keep = keep
        self._records = tables[table].records
        self._source: Collection[str] = self._records.keys()
        """The keys of the whole table, or of the group `within`, in table order."""
        if query.within is not None:
            group, value = query.within
            self._source = tables[table].groups[group].get(value, ())
        self._words = tuple(filter(None, map(fold, query.words)))
        self._keys = None if query.keys is None else set(query.keys)
        instants = _instants(query)
        self._at = min(instants, default="")
        self._name = None
        """The name under which the answer is kept; None for a query that is not worth keeping."""
        if query.keys is None and len(instants) <= 1:
            with suppress(TypeError):
                self._name = _name(table, query)

    def answer(self) -> list[str]:
        """The keys that are found: as kept, or brought up to date, or worked out anew."""
        name = (self._name, self._query.order, self._query.by_key, self._words)
        known, changed = self._kept(name, Answer)
        if known is not None and not changed:
            return known.keys
        candidates = self._candidates()
        answer = self._brought_up(known, changed) if known is not None else None
        return self._keep_as(name, answer or self._worked_out(candidates)).keys

    def named(self, member: str) -> Named:
        """The keys to which a member of the found records refers, see Named."""
        looked_at = self._candidates()
        name = (self._name, member)
        by: dict[Single, tuple[str, ...]] = {}
        span = Span()
        known, changed = self._kept(name, Named)
        if known is not None and not changed:
            return known
        if known is not None and changed.keys() == {self._table} and not self._related:
            by, span, looked_at = known.by.copy(), known.span, changed[self._table]
            for key, before in changed[self._table].items():
                if (who := _named_in(before, member)) is not None:
                    by[who] = tuple(other for other in by.get(who, ()) if other != key)
                    if not by[who]:
                        del by[who]
        naming: dict[Single, list[str]] = {}
        for key in self._matching(looked_at):
            if (who := _named_in(self._records[key], member)) is not None:
                naming.setdefault(who, []).append(key)
        for who, keys in naming.items():
            by[who] = (*by.get(who, ()), *keys)
        span = span.within(self._span(looked_at))
        named = Named(self._versions(), span, by)
        return self._keep_as(name, named)

    @cached_property
    def _related(self) -> list[tuple[Named, bool]]:
        return [(self._named_by(each), each.negated) for each in self._query.related]

    def _named_by(self, related: Related) -> Named:
        question = _Question(
            self._answers, self._tables, related.table, related.condition, keep=self._keep
        )
        return question.named(related.member)

    def _candidates(self) -> Collection[str]:
        """The smallest collection at hand that has all keys that can be found."""
        sets: list[Collection[Any]] = [self._source]
        sets += [named.by for named, negated in self._related if not negated]
        if self._keys is not None:
            sets.append(self._keys)
        if len(self._source) > FEW:
            equal = {member: (value,) for member, value in self._query.equal.items()}
            for member, values in (*equal.items(), *self._query.any_of.items()):
                if len(values) <= FEW and all(isinstance(value, SINGLE) for value in values):
                    sets.append(self._holding(member, values))
        return min(sets, key=len)

    def _holding(self, member: str, values: Collection[Single]) -> Collection[str]:
        """The keys of the records that have one of these values in a member."""
        within = Query(within=self._query.within)
        every = _Question(self._answers, self._tables, self._table, within, keep=self._keep)
        by = every.named(member).by
        return {key for value in values for key in by.get(value, ())}

    def _in_table_order(self, keys: Collection[str]) -> list[str]:
        if len(keys) > len(self._source) // 8:
            return [key for key in self._source if key in keys]
        found = [key for key in keys if key in self._source]
        return sorted(found, key=self._places.__getitem__) if len(found) > 1 else found

    @cached_property
    def _places(self) -> dict[str, int]:
        return self._answers.places(self._tables, self._table, keep=self._keep)

    def _worked_out(self, candidates: Collection[str]) -> Answer:
        if self._words:
            texts = self._answers.texts(self._tables, self._table, keep=self._keep)
            candidates = texts.find(self._words)
        return Answer(self._versions(), self._span(candidates), self._found(candidates))

    def _found(self, candidates: Collection[str]) -> list[str]:
        """The candidates that meet every condition, in the query's order."""
        query = self._query
        if not query.by_key and candidates is not self._source:
            candidates = self._in_table_order(candidates)
        keys = self._matching(candidates)
        if query.by_key:
            keys.sort()
        # By the last order first, as sorting keeps the order of equal ones, also in reverse.
        for order in reversed(query.order):
            value = self._value_by(order)
            keys.sort(key=lambda key: value(self._records[key]), reverse=order.descending)
        return keys

    def _brought_up(self, known: Answer, changed: Changed) -> Answer | None:
        """A known answer after changes, brought up to date; None if it must be worked out anew."""
        nested = (r for related in self._query.related for r in related.condition.related)
        if self._words or any(_read(r.table, r.condition) & changed.keys() for r in nested):
            return None
        if _read_for_order(self._tables, self._table, self._query) & changed.keys():
            return None
        touched = self._touched(changed)
        wanted = set(self._matching(touched))
        there = {key for key in known.keys if key in touched}
        leaving = {k for k in there if k not in wanted or self._moves(k, touched[k])}
        coming = [k for k in touched if k in wanted and (k not in there or k in leaving)]
        keys = known.keys
        if leaving or coming:
            keys = [key for key in keys if key not in leaving]
        for key in coming:
            insort_right(keys, key, key=self._place)
        span = known.span.within(self._span(touched))
        return Answer(self._versions(), span, keys)

    def _touched(self, changed: Changed) -> dict[str, Record | None]:
        """{key: record before} of records that changed, or to which changed ones refer."""
        touched = dict(changed.get(self._table, {}))
        for related in self._query.related:
            records = self._tables[related.table].records
            for key, before in changed.get(related.table, {}).items():
                for record in (before, records.get(key)):
                    if isinstance(who := _named_in(record, related.member), str):
                        touched.setdefault(who, self._records.get(who))
        return touched

    def _moves(self, key: str, before: Record | None) -> bool:
        """Whether the record's change may have moved it in the order."""
        record = self._records[key]
        values = [self._value_by(order) for order in self._query.order]
        return before is None or any(value(before) != value(record) for value in values)

    def _value_by(self, order: Order) -> Callable[[Record], tuple[bool, int, Any]]:
        """A function from a record to its sort key, which may look at the record that it names."""
        target = self._tables[self._table].fact.identified.get(order.member)
        if target is None:
            return sort_key(order)
        named = self._tables[target]
        by = sort_key(order._replace(member=named.fact.shown_by))

        def value(record: Record) -> tuple[bool, int, Any]:
            key = named.unique["id"].get(record.get(order.member))
            return by({} if key is None else named.records[key])

        return value

    def _place(self, key: str) -> tuple[Any, ...]:
        """The values by which the whole order compares a record."""
        place: list[Any] = []
        for order in self._query.order:
            value = self._value_by(order)(self._records[key])
            place.append(_Descending(value) if order.descending else value)
        place.append(key if self._query.by_key else self._places[key])
        return tuple(place)

    def _matching(self, keys: Iterable[str]) -> list[str]:
        """The keys, out of these, whose records meet every condition."""
        records = self._records
        if keys is not self._source:
            keys = filter(self._source.__contains__, keys)
        if self._keys is not None:
            keys = filter(self._keys.__contains__, keys)
        for named, negated in self._related:
            if negated:
                keys = [key for key in keys if key not in named.by]
            else:
                keys = filter(named.by.__contains__, keys)
        for condition in (*about_members(self._query), *about_windows(self._query)):
            keys = [key for key in keys if condition(records[key])]
        return list(keys)

    def _span(self, looked_at: Iterable[str]) -> Span:
        span = Span()
        if self._query.active is not None or self._query.ended is not None:
            records = filter(None, map(self._records.get, looked_at))
            span = span_around(self._query.at, records)
        for named, _ in self._related:
            span = span.within(named.span)
        return span

    def _versions(self) -> dict[str, int]:
        names = _read(self._table, self._query)
        names |= _read_for_order(self._tables, self._table, self._query)
        if self._words:
            names |= _read_for_text(self._tables, self._table)
        return _versions(self._tables, names)

    def _kept(self, name: Hashable, kind: type[Kept]) -> tuple[Kept | None, Changed]:
        """The answer kept for this query and instant, and what has changed since; else None, {}."""
        if self._name is not None:
            known = self._answers.get(name, kind)
            if known is not None and known.span.holds(self._at):
                changed = _changed(known.versions, self._tables)
                if changed is not None:
                    return known, changed
        return None, {}

    def _keep_as(self, name: Hashable, found: Kept) -> Kept:
        if self._keep and self._name is not None:
            self._answers.keep(name, found)
        return found


class _Descending(NamedTuple):
    """A value that compares in reverse."""

    value: Any

    def __lt__(self, other: "_Descending") -> bool:  # type: ignore[override]
        return bool(other.value < self.value)


def _named_in(record: Record | None, member: str) -> Single | None:
    who = None if record is None else record.get(member)
    return who if isinstance(who, SINGLE) else None


_UTF8 = ("utf-8", "surrogatepass")


def text_of(tables: Tables, table: str, key: str) -> str:
    """The folded text of a record that a search looks through, with that of `text_of`."""
    contents = tables[table]
    record = contents.records[key]
    values = [record.get(member) for member in contents.fact.text]
    for member in contents.fact.text_of:
        other = tables[contents.fact.references[member]]
        referred = other.records.get(record.get(member, ""))
        if referred is not None:
            values += [referred.get(name) for name in other.fact.text]
    # Equal values, as username and email often are, stand in the text once.
    return fold("\n".join(dict.fromkeys(value for value in values if isinstance(value, str))))


def _read(table: str, query: Query) -> set[str]:
    """The tables that a query reads."""
    return {table}.union(*(_read(each.table, each.condition) for each in query.related))


def _read_for_text(tables: Tables, table: str) -> set[str]:
    fact = tables[table].fact
    return {table, *(fact.references[member] for member in fact.text_of)}


def _read_for_order(tables: Tables, table: str, query: Query) -> set[str]:
    """The tables whose records an order looks at beside those of the list."""
    identified = tables[table].fact.identified
    return {identified[each.member] for each in query.order if each.member in identified}


def _versions(tables: Tables, names: Iterable[str]) -> dict[str, int]:
    return {name: tables[name].version for name in names}


def _changed(versions: Mapping[str, int], tables: Tables) -> Changed | None:
    """The records that have changed since these versions; None if that isn't known any more."""
    changed: Changed = {}
    for name, version in versions.items():
        if tables[name].version != version:
            since = tables[name].changed_since(version)
            if since is None:
                return None
            changed[name] = since
    return changed


def _instants(query: Query) -> set[str]:
    """The instants at which a query looks at activity windows."""
    instants = set().union(*(_instants(each.condition) for each in query.related))
    return instants if query.active is None and query.ended is None else instants | {query.at}


def _name(table: str, query: Query) -> Hashable:
    """A name for a query that depends on all of it but instant, words, order and page.

    Raises TypeError if the query has a value that can't be hashed.
    """
    name = (
        table,
        query.within,
        frozenset(query.equal.items()),
        frozenset((member, frozenset(values)) for member, values in query.any_of.items()),
        frozenset(query.between.items()),
        query.active,
        query.ended,
        tuple((r.member, r.negated, _name(r.table, r.condition)) for r in query.related),
    )
    hash(name)
    return name
