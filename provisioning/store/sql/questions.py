"""A question as one statement.

A query is taken apart into what shapes the statement and the values that go into it. Statements
are made once for each shape, since making one costs more than most answers.
"""

import itertools
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Concatenate, NamedTuple, ParamSpec

import orjson
from sqlalchemy import (
    BigInteger,
    ClauseElement,
    ColumnElement,
    FromClause,
    and_,
    bindparam,
    case,
    cast,
    delete,
    exists,
    false,
    func,
    insert,
    literal_column,
    not_,
    or_,
    select,
    text,
    union_all,
    update,
)

from provisioning.store.query import Line, Query, Record, fold
from provisioning.store.sql.columns import TEXT, At, Word, group_key, plain, value_key
from provisioning.store.sql.database import Database, Statement
from provisioning.store.sql.layout import META, ONE, REVISIONS, TENANT, ZERO, Layout

Shape = tuple[Any, ...]
Condition = ColumnElement[bool]
SHORTEST_INDEXED = 3
"""Characters; shorter words have no trigram."""
MOST_INDEXED = 4
"""Words that are found by an index. The others are only sought in what these have found, as to
plan a word takes a database milliseconds."""
LARGEST_CACHE = 1_000
FIRST_TEXT: ColumnElement[str] = literal_column(f"'{TEXT}'")
AFTER_TEXTS: ColumnElement[str] = literal_column(f"'{chr(ord(TEXT) + 1)}'")


@dataclass(frozen=True)
class Asked:
    """A query's conditions: their shape, and the values in the order in which it names them."""

    conditions: Shape
    values: tuple[Any, ...]
    tenants: tuple[tuple[str, str], ...] | None
    """Table and tenant of all records that decide how many are found; None where others do, too."""
    at: str | None
    """The instant by which activity windows decide; None where none do."""

    @property
    def key(self) -> Shape:
        """What two questions have in common that differ in nothing but the instant."""
        values = tuple(At() if isinstance(value, At) else value for value in self.values)
        return self.conditions, values


class Part(NamedTuple):
    """A part of a search: the records of a table that have one of some values in a column."""

    table: str
    column: str
    start: tuple[str, str, str] | None = None
    """Table, column and another column: the records that have one of the values there hold what is
    sought in the other column."""


Found = dict[tuple[str, str], dict[str, list[Record]]]
"""(Table, column) -> value -> the records that have it, in table order."""


class Search:
    """Several look-ups as one statement."""

    def __init__(self, wanted: Mapping[Part, Collection[str]]) -> None:
        self._wanted = {part: values for part, values in wanted.items() if values}
        self.shape = tuple((*part, len(values) > 1) for part, values in self._wanted.items())

    @property
    def values(self) -> list[str | tuple[str, ...]]:
        return [next(iter(v)) if len(v) == 1 else tuple(v) for v in self._wanted.values()]

    def keep(self, rows: Iterable[tuple[Any, ...]], found: Found) -> None:
        """Note what the statement has answered, also where there was nothing."""
        for part, values in self._wanted.items():
            if part.start is None:
                found[part.table, part.column].update({value: [] for value in values})
        for place, value, record in rows:
            table, column, *_ = self.shape[place]
            found[table, column].setdefault(value, []).append(orjson.loads(record))


def asked(layouts: Mapping[str, Layout], table: str, query: Query) -> Asked:
    """Take the conditions of a query apart; order and page are no part of them."""
    values: list[Any] = []
    tenants: list[tuple[str, str] | None] = []
    conditions = tuple(_conditions(layouts, table, query, values, tenants, top=True))
    instants = {value for value in values if isinstance(value, At)}
    known = tuple(each for each in tenants if each is not None)
    is_bound = len(known) == len(tenants) and len(instants) <= 1
    return Asked(
        conditions, tuple(values), known if is_bound else None, min(instants, default=None)
    )


def _conditions(
    layouts: Mapping[str, Layout],
    table: str,
    query: Query,
    values: list[Any],
    tenants: list[tuple[str, str] | None],
    top: bool,
) -> Iterator[Shape]:
    fact = layouts[table].fact
    first = len(values)
    if query.within is not None:
        name, value = query.within
        yield "within", name
        values.append(group_key(value))
    if top and query.keys is not None:
        yield ("keys",)
        values.append(tuple(map(plain, query.keys)))
    one_of = {member: (value,) for member, value in query.equal.items()}
    for member, wanted in itertools.chain(one_of.items(), query.any_of.items()):
        if member in fact.references:
            yield "names", member, None in wanted
            values.append(tuple(plain(each) for each in wanted if isinstance(each, str)))
        else:
            yield "any_of", member
            values.append(tuple(map(value_key, wanted)))
    for member, ends in query.between.items():
        key = plain if member in fact.references else value_key
        yield "between", member, *(end is not None for end in ends)
        values.extend(key(end) for end in ends if end is not None)
    for condition in _asked_of_windows(query):
        yield condition
        values.append(At(query.at))
    words = [Word(word) for word in (plain(fold(word)) for word in query.words if top) if word]
    for place, word in enumerate(sorted(words, key=len, reverse=True)):
        yield "word", place < MOST_INDEXED and len(word) >= SHORTEST_INDEXED
        values.append(word)
    # A table without a condition of its own is only what the related records name.
    if len(values) > first or not (top and query.related):
        bound = query.within is not None and TENANT in fact.groups and not fact.is_journal
        open_to_others = query.words or query.keys is not None
        tenants.append((table, _tenant_of(query)) if bound and not open_to_others else None)
    for related in query.related:
        inner = tuple(
            _conditions(layouts, related.table, related.condition, values, tenants, top=False)
        )
        yield "related", related.table, related.member, related.negated, inner


def _tenant_of(query: Query) -> str:
    """Whose records a group holds: its value is the tenant, or begins with it."""
    value = query.within and query.within[1]
    return group_key(value[0] if isinstance(value, tuple) else value)


def _asked_of_windows(query: Query) -> Iterator[tuple[str, bool]]:
    if query.active is False and query.ended is False:
        yield "to come", True
        return
    for kind, wish in (("active", query.active), ("ended", query.ended)):
        if wish is not None:
            yield kind, wish


P = ParamSpec("P")


def kept(
    make: Callable[Concatenate["Questions", P], ClauseElement],
) -> Callable[Concatenate["Questions", P], str]:
    """Decorates a method that makes a statement, which is then made once for each shape."""

    def statement(self: "Questions", /, *shape: P.args, **facts: P.kwargs) -> str:
        key = (make.__name__, shape)
        text = self._made.get(key)
        if text is None:
            if len(self._made) >= LARGEST_CACHE:
                self._made.clear()
            text = self._made[key] = self._database.compiled(make(self, *shape, **facts))
        return text

    return statement


class Questions:
    """The statements for the questions to one database, made when they are first asked."""

    def __init__(self, layouts: Mapping[str, Layout], database: Database) -> None:
        self._layouts = layouts
        self._database = database
        self._made: dict[Hashable, str] = {}
        compiled, revisions = database.compiled, database.metadata.tables[REVISIONS]
        version = revisions.c.version.name
        self.nothing = compiled(select(ONE))
        self.revise_all = compiled(
            update(revisions).values(version=bindparam("version"), weight=ZERO)
        )
        self.tell = compiled(
            text(
                f"INSERT INTO {META} (name, value) VALUES (:name, :value) "
                "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
            )
        )
        self.revise = compiled(
            text(
                f"INSERT INTO {REVISIONS} (tenant, name, {version}, weight) "
                "VALUES (:tenant, :name, :version, :growth) "
                f"ON CONFLICT (tenant, name) DO UPDATE SET {version} = excluded.{version}, "
                f"weight = {REVISIONS}.weight + excluded.weight"
            )
        )
        self.weights = compiled(
            text(f"SELECT weight FROM {REVISIONS} WHERE tenant = :tenant AND weight <> 0")
        )

    def searching(self, search: Search) -> Statement:
        """The statement of several look-ups."""
        return self.find(search.shape), self._database.parameters(search.values)

    @kept
    def find(self, shape: Shape) -> ClauseElement:
        """What several look-ups find, each record after the place of its look-up and the value that
        it has there, in table order; the values sought are `v0`, `v1` ..."""
        found = []
        for place, (table, column, start, is_many) in enumerate(shape):
            columns = self._layouts[table].table.c
            sought = columns[column]
            name, begun = f"v{place}", sought
            if start is not None:
                at = self._layouts[start[0]].table.c
                begun = at[start[1]]
            condition = self._database.each_of(begun, name) if is_many else begun == bindparam(name)
            if start is not None:
                condition = sought.in_(select(at[start[2]]).where(condition))
            asked = select(
                literal_column(str(place)).label("place"),
                sought.label("value"),
                columns.number.label("number"),
                columns.document.label("record"),
            )
            found.append(asked.where(condition))
        every = union_all(*found).subquery().c
        statement = select(every.place, every.value, every.record)
        return statement.order_by(every.place, every.number)

    @kept
    def lock(self, table: str) -> ClauseElement:
        """Wait until nobody else changes the record with the key `value`."""
        columns = self._layouts[table].table.c
        return select(columns.number).where(columns.key == bindparam("value")).with_for_update()

    @kept
    def hold(self, table: str) -> ClauseElement:
        """The keys, out of the list `values`, of records that nobody removes from now on
        until the transaction ends."""
        columns = self._layouts[table].table.c
        statement = select(columns.key).where(self._database.one_of(columns.key, "values"))
        return statement.order_by(columns.key).with_for_update(read=True, key_share=True)

    @kept
    def one_of(self, table: str, column: str) -> ClauseElement:
        """A record that has one of the list `values` in a column."""
        columns = self._layouts[table].table.c
        named = self._database.one_of(columns[column], "values")
        return select(columns.number).where(named).limit(ONE).offset(ZERO)

    @kept
    def documents(self, table: str) -> ClauseElement:
        """So many as `size` of the records after the number `last`: number, key, record."""
        columns = self._layouts[table].table.c
        statement = select(columns.number, columns.key, columns.document)
        statement = statement.where(columns.number > bindparam("last")).order_by(columns.number)
        return statement.limit(bindparam("size")).offset(ZERO)

    @kept
    def last(self, table: str) -> ClauseElement:
        """The number of the last record."""
        number = self._layouts[table].table.c.number
        return select(number).order_by(number.desc()).limit(ONE).offset(ZERO)

    @kept
    def put(self, table: str, changed: tuple[str, ...] | None) -> ClauseElement:
        """Write a new row, or change these columns of the one with a `key`."""
        layout = self._layouts[table]
        values: dict[str, Any] = {name: bindparam(name) for name in changed or layout.names}
        if changed is None:
            return insert(layout.table).values(values).inline()
        where = layout.table.c.key == bindparam("key")
        return update(layout.table).where(where).values(values)

    @kept
    def remove(self, table: str) -> ClauseElement:
        """Remove the record with the key `value`."""
        columns = self._layouts[table].table.c
        return delete(self._layouts[table].table).where(columns.key == bindparam("value"))

    @kept
    def clear(self, table: str) -> ClauseElement:
        return delete(self._layouts[table].table)

    @kept
    def page(
        self, table: str, conditions: Shape, order: Shape, by_key: bool, sized: bool, walk: bool
    ) -> ClauseElement:
        """Keys and records of a page: the values are `v0`, `v1` ..., `size`, `offset`.

        `walk`: records are looked at in their order until the page is full, which is quick where
        most of the table belongs on it. Otherwise those that belong are found first, then sorted.
        """
        layout = self._layouts[table]
        columns = layout.table.c
        where = self._where(layout, conditions, walk)
        statement = select(columns.key, columns.document).where(*where)
        statement = statement.order_by(*self._ordering(layout, order, by_key))
        if sized:
            statement = statement.limit(bindparam("size")).offset(bindparam("offset"))
        return statement

    def _ordering(self, layout: Layout, order: Shape, by_key: bool) -> Iterator[ColumnElement[Any]]:
        for member, descends in order:
            for key in self._order(layout, member):
                ordered = key.desc() if descends else key
                yield ordered.nulls_last() if layout.may_be_null(member) else ordered
            if layout.tells_apart(member):
                return
        yield layout.table.c.key if by_key else layout.table.c.number

    def _order(self, layout: Layout, member: str) -> tuple[ColumnElement[Any], ...]:
        """What a member orders by, one after the other."""
        target = layout.fact.identified.get(member)
        if target is None:
            return layout.order(member)
        named = self._layouts[target]
        shown = select(named.table.c[f"o_{named.fact.shown_by}"])
        holding = named.table.c.u_id == layout.table.c[f"a_{member}"]
        return (shown.where(holding).scalar_subquery(),)

    @kept
    def count(self, table: str, conditions: Shape, walk: bool) -> ClauseElement:
        layout = self._layouts[table]
        where = self._where(layout, conditions, walk)
        return select(func.count()).select_from(layout.table).where(*where)

    @kept
    def crowd(self, table: str, conditions: Shape) -> ClauseElement:
        """How many records there are, or `most` if there are more."""
        layout = self._layouts[table]
        found = select(ONE).select_from(layout.table).where(*self._where(layout, conditions, True))
        some = found.limit(bindparam("most")).offset(ZERO).subquery()
        return select(func.count()).select_from(some)

    @kept
    def count_unless(
        self, table: str, conditions: Shape, walk: bool, tables: tuple[str, ...]
    ) -> ClauseElement:
        """How many records there are, null where the tables' records of the tenants `t0` ... have
        the revisions `r0` ... . Then of each its revision, and the next instants after `at` at
        which a window of theirs begins or ends."""
        layout = self._layouts[table]
        revisions = self._database.metadata.tables[REVISIONS].c
        states: list[ColumnElement[Any]] = []
        is_same: list[Condition] = []
        for place, name in enumerate(tables):
            tenant: Any = bindparam(f"t{place}")
            columns = self._layouts[name].table.c
            own = (revisions.tenant == tenant, revisions.name == bindparam(f"n{place}"))
            revision = func.coalesce(select(revisions.version).where(*own).scalar_subquery(), ZERO)
            is_same.append(revision == cast(bindparam(f"r{place}"), BigInteger))
            states.append(revision)
            for column in (columns.active_from, columns.active_until):
                later = (columns[f"g_{TENANT}"] == tenant, column > bindparam("at"))
                states.append(select(func.min(column)).where(*later).scalar_subquery())
        where = self._where(layout, conditions, walk)
        counted = select(func.count()).select_from(layout.table).where(*where).scalar_subquery()
        return select(case((not_(and_(*is_same)), counted)), *states)

    @kept
    def reached(self, line: Line, upwards: bool) -> ClauseElement:
        """The keys to which records of a `tenant` that are active `at` an instant lead from the key
        `start`, over any number of steps."""
        fact = self._layouts[line.table].fact
        records = self._layouts[line.table].table.alias()
        named = self._layouts[fact.references[line.below]].table
        next_one = named.alias()
        start = select(named.c.key, named.c.u_id).where(named.c.key == bindparam("start"))
        known = start.cte("known", recursive=True)
        below = (records.c[f"r_{line.below}"], "key")
        above = (records.c[f"a_{line.above}"], "u_id")
        (held, ours), (leading, theirs) = (below, above) if upwards else (above, below)
        steps = (
            select(next_one.c.key, next_one.c.u_id)
            .select_from(known)
            .join(records, held == known.c[ours])
            .join(next_one, next_one.c[theirs] == leading)
            .where(
                records.c[f"g_{TENANT}"] == bindparam("tenant"),
                _window("active", True, records.c, bindparam("at")),
            )
        )
        # What UNION has found once it doesn't go on from again, so that a circle ends.
        every = known.union(steps)
        return select(every.c.key).where(every.c.key != bindparam("start"))

    def _where(self, layout: Layout, conditions: Shape, walk: bool) -> Iterator[Condition]:
        names = (f"v{number}" for number in itertools.count())
        yield from self._all(layout, layout.table, conditions, names, walk)

    def _all(
        self,
        layout: Layout,
        table: FromClause,
        conditions: Shape,
        names: Iterator[str],
        walk: bool,
    ) -> Iterator[Condition]:
        columns = table.c
        for kind, *told in conditions:
            if kind == "within":
                yield columns[f"g_{told[0]}"] == bindparam(next(names))
            elif kind == "keys":
                yield self._database.one_of(columns.key, next(names))
            elif kind == "names":
                named = self._database.one_of(columns[f"r_{told[0]}"], next(names))
                yield or_(named, columns[f"r_{told[0]}"].is_(None)) if told[1] else named
            elif kind == "any_of":
                yield self._database.one_of(columns[f"a_{told[0]}"], next(names))
            elif kind == "between":
                yield _between(layout, columns, told, names)
            elif kind in ("active", "ended", "to come"):
                yield _window(kind, told[0], columns, bindparam(next(names)))
            elif kind == "word":
                yield self._mentions(layout, table, next(names), told[0])
            else:
                yield self._related(table, told, names, walk)

    def _related(
        self, table: FromClause, told: list[Any], names: Iterator[str], walk: bool
    ) -> Condition:
        name, member, negated, conditions = told
        layout = self._layouts[name]
        other = layout.table.alias()
        reference = other.c[f"r_{member}"]
        where = list(self._all(layout, other, conditions, names, walk))
        referring = select(ONE).where(reference == table.c.key, *where).exists()
        if negated:
            return not_(referring)
        if walk:
            return referring
        return table.c.key.in_(select(reference).where(*where))

    def _mentions(self, layout: Layout, table: FromClause, name: str, indexed: bool) -> Condition:
        """Whether a word stands in a record's own text, or in that of what it refers to."""
        database = self._database
        referred = [
            (member, self._layouts[layout.fact.references[member]])
            for member in layout.fact.text_of
        ]
        referred = [(member, other) for member, other in referred if other.has_text]
        own = database.mentions(layout, table, name, indexed) if layout.has_text else false()
        if not referred:
            return own
        if not indexed:
            return or_(
                own,
                *(
                    exists().where(
                        other.table.c.key == table.c[f"r_{member}"],
                        database.mentions(other, other.table, name, indexed),
                    )
                    for member, other in referred
                ),
            )
        # Each part can be answered from an index of its own.
        found = []
        if layout.has_text:
            alias = layout.table.alias()
            mentions = database.mentions(layout, alias, name, indexed)
            found.append(select(alias.c.number).where(mentions))
        for member, other in referred:
            alias = layout.table.alias()
            joined = alias.join(other.table, other.table.c.key == alias.c[f"r_{member}"])
            mentions = database.mentions(other, other.table, name, indexed)
            found.append(select(alias.c.number).select_from(joined).where(mentions))
        return table.c.number.in_(union_all(*found))


def _window(kind: str, wish: bool, columns: Any, at: Any) -> Condition:
    """What a window is at an instant, said so that the indexes of begins and ends can answer it."""
    begins, ends = columns.active_from, columns.active_until
    is_to_come = and_(begins.is_not(None), begins > at)
    if kind == "to come":
        return and_(is_to_come, or_(ends.is_(None), ends > begins))
    if kind == "active" and wish:
        return and_(or_(begins.is_(None), begins <= at), or_(ends.is_(None), ends > at))
    if kind == "active":
        return or_(is_to_come, and_(ends.is_not(None), ends <= at))
    is_empty = and_(begins.is_not(None), ends <= begins)
    has_ended = and_(ends.is_not(None), or_(ends <= at, is_empty))
    return has_ended if wish else not_(has_ended)


def _between(layout: Layout, columns: Any, told: list[Any], names: Iterator[str]) -> Condition:
    member, has_first, has_end = told
    if member in layout.fact.references:
        column = columns[f"r_{member}"]
        lowest, highest = column.is_not(None), column.is_not(None)
    else:
        column = columns[f"a_{member}"]
        lowest, highest = column >= FIRST_TEXT, column < AFTER_TEXTS
    return and_(
        column >= bindparam(next(names)) if has_first else lowest,
        column < bindparam(next(names)) if has_end else highest,
    )
