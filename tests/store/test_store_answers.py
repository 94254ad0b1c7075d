"""What is kept to answer questions is never noticed: every answer is that of a plain walk."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioning.store import (
    Form,
    MemoryStorage,
    Order,
    Query,
    Record,
    Related,
    Store,
    Table,
    Transaction,
    View,
    answers,
    fold,
    tables,
)

USERS = Table("users", text=("name", "mail"), asked=("name", "size"), orders=("name", "size"))
GRANTS = Table(
    "grants",
    groups={
        "tenant": lambda record: record["tenant"],
        "open": lambda record: None if record["activeUntil"] else record["tenant"],
    },
    text=("role",),
    references={"user": "users", "boss": "users"},
    text_of=("user",),
    asked=("role", "user", "boss", "activeFrom"),
    orders=("role", "user"),
)
INSTANTS = [f"2026-01-{day:02}T00:00:00Z" for day in range(1, 10)]
NAMES = [None, "ann", "Ann", "BOB", "Zoë", "z"]
KEYS = list("abcdefg")
ROLES = ["ADMIN", "USER"]
TENANTS = ["red", "red", "blue"]
WORDS = ["n", "ann", "zoe", "us", "b", "n\0a", ""]


class Chance(Random):
    """Draws what happens: tables, changes and questions."""

    def one_in(self, times: int) -> bool:
        return self.randrange(times) == 0

    def maybe(self, values: Sequence[Any]) -> Any:
        return None if self.one_in(3) else self.choice(values)

    def user(self) -> Record:
        size = self.maybe(range(3))
        return {"name": self.choice(NAMES), "mail": self.choice(NAMES), "size": size}

    def grant(self) -> Record:
        return {
            "tenant": self.choice(TENANTS),
            "role": self.choice(ROLES),
            "user": self.choice(KEYS),
            "boss": self.maybe(KEYS),
            "activeFrom": self.maybe(INSTANTS),
            "activeUntil": self.maybe(INSTANTS),
        }

    def changes(self) -> list[tuple[str, str, Record | None]]:
        """A record is put, removed, or removed and put again, which gives it another place."""
        if self.one_in(3):
            table, key, record = "users", self.choice(KEYS), self.user()
        else:
            table, key, record = "grants", str(self.randrange(12)), self.grant()
        changes = [(table, key, None), (table, key, record)]
        return changes if self.one_in(4) else changes[:1] if self.one_in(5) else changes[1:]

    def order(self, *members: str) -> tuple[Order, ...]:
        chosen = self.sample(members, self.randrange(len(members) + 1))
        return tuple(Order(member, self.one_in(2)) for member in chosen)

    def page(self) -> dict[str, Any]:
        some = {"page": self.randrange(2), "size": self.randint(1, 4)}
        return {
            "words": tuple(self.sample(WORDS, self.randint(0, 2))) if self.one_in(2) else (),
            "by_key": self.one_in(2),
            **(some if self.one_in(2) else {}),
        }

    def about_grants(self) -> dict[str, Any]:
        ends = (self.maybe(INSTANTS[:4]), self.maybe(INSTANTS[4:]))
        return {
            "within": self.maybe([("tenant", "red"), ("tenant", "blue"), ("open", "red")]),
            "equal": {"role": self.choice(ROLES)} if self.one_in(4) else {},
            "any_of": {"boss": self.choices([None, *KEYS], k=4)} if self.one_in(4) else {},
            "between": {"activeFrom": ends} if self.one_in(4) else {},
            "active": self.choice([None, None, True, False]),
            "ended": self.choice([None, None, True, False]),
        }

    def related(self) -> Related:
        member = self.choice(["user", "boss"])
        return Related("grants", member, Query(**self.about_grants()), self.one_in(2))

    def question(self) -> tuple[str, Query]:
        if self.one_in(2):
            order = self.order("role", "user")
            return "grants", Query(**self.page(), **self.about_grants(), order=order)
        return "users", Query(
            **self.page(),
            keys=self.sample(KEYS, 4) if self.one_in(8) else None,
            equal={"name": self.choice(NAMES)} if self.one_in(6) else {},
            related=tuple(self.related() for _ in range(self.randint(0, 2))),
            order=self.order("name", "size"),
        )


Tables = Mapping[str, Mapping[str, Record]]


def walk(tables: Tables, table: str, query: Query) -> tuple[list[Record], int]:
    """The page that a query asks for, found by looking at every record."""
    found = [key for key in tables[table] if is_wanted(tables, table, query, key)]
    if query.by_key:
        found.sort()
    for order in reversed(query.order):
        values = {key: tables[table][key][order.member] for key in found}
        nulls = [key for key in found if values[key] is None]
        rest = [key for key in found if values[key] is not None]
        rest.sort(
            key=lambda key: (fold(str(values[key])), str(values[key])),
            reverse=order.descending,
        )
        found = rest + nulls
    begin = query.page * (query.size or 0)
    page = found[begin:] if query.size is None else found[begin : begin + query.size]
    return [tables[table][key] for key in page], len(found)


def is_wanted(tables: Tables, table: str, query: Query, key: str) -> bool:
    record = tables[table][key]
    begin, end = record.get("activeFrom") or "", record.get("activeUntil") or "~"
    text = " ".join(
        str(value)
        for each in (record, tables["users"].get(record.get("user"), {}))
        for value in (each.get("name"), each.get("mail"), each.get("role"))
        if value
    )
    wanted = [
        query.within is None
        or (record["tenant"] == query.within[1] and (query.within[0] == "tenant" or end == "~")),
        query.keys is None or key in query.keys,
        all(record[member] == value for member, value in query.equal.items()),
        all(record[member] in values for member, values in query.any_of.items()),
        all(
            record[member] and (first or "") <= record[member] < (last or "~")
            for member, (first, last) in query.between.items()
        ),
        query.active is None or (begin <= query.at < end) is query.active,
        query.ended is None or (end <= max(query.at, begin)) is query.ended,
        all(word in fold(text) for word in query.words),
    ]
    return all(wanted) and all(
        related.negated
        is not any(
            other[related.member] == key
            and is_wanted(tables, related.table, related.condition, other_key)
            for other_key, other in tables[related.table].items()
        )
        for related in query.related
    )


def change(
    transaction: Transaction, changes: Iterable[tuple[str, str, Record | None]], ask: Any
) -> None:
    """Make changes that leave no reference to nothing, and ask after each."""
    for table, key, record in changes:
        if record is None:
            with suppress(KeyError):
                transaction.remove(table, key)
        else:
            transaction.put(table, key, record)
        ask(transaction)
    users = transaction.tables()["users"].keys()
    for key, grant in list(transaction.tables()["grants"].items()):
        if not {grant["user"], grant["boss"]} - {None} <= users:
            transaction.remove("grants", key)


@pytest.fixture(params=["much is remembered", "little is remembered"])
def effort(request: pytest.FixtureRequest) -> Iterator[None]:
    """How often kept answers begin anew."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "little is remembered":
            patch.setattr(tables, "REMEMBERED", 3)
            patch.setattr(answers, "MOST_LATER", 2)
            patch.setattr(answers, "SINGLY", 1)
            patch.setattr(answers, "MOST_WEIGHT", 3_000)
        yield


def at(query: Query, instant: str) -> Query:
    """The same query, asked at an instant."""
    related = tuple(replace(each, condition=at(each.condition, instant)) for each in query.related)
    return replace(query, at=instant, related=related)


@pytest.mark.usefixtures("effort")
@pytest.mark.parametrize("rounds", [10, pytest.param(300, marks=pytest.mark.slow)])
def test_every_answer_is_that_of_a_plain_walk_whatever_happens_in_between(rounds: int) -> None:
    @settings(max_examples=rounds, deadline=None, derandomize=True)
    @given(st.integers(0, 2**32))
    def run(seed: int) -> None:
        chance = Chance(seed)
        store = Store(MemoryStorage(), Form((USERS, GRANTS)))
        asked = [chance.question() for _ in range(3)]
        kept: list[View] = []
        now = chance.choice(INSTANTS)

        def ask(view: View) -> None:
            # The same questions again and again: what is kept has to be right each time.
            for table, query in asked[-3:]:
                page = view.query(table, at(query, now))
                assert (page.records, page.total) == walk(view.tables(), table, at(query, now))

        with store.transaction() as transaction:
            change(transaction, [("users", key, chance.user()) for key in KEYS], ask)
            change(transaction, [("grants", str(n), chance.grant()) for n in range(9)], ask)
        for _ in range(25):
            if chance.one_in(3):
                now = chance.choice(INSTANTS)
            elif chance.one_in(6):
                asked.append(chance.question())
            else:
                with store.transaction() as transaction:
                    for _ in range(chance.randint(1, 3)):
                        asking = ask if chance.one_in(2) else lambda _: None
                        change(transaction, chance.changes(), asking)
            with store.read() as view:
                ask(view)
            kept.append(view)
        for view in chance.sample(kept, 5):
            ask(view)

    run()


def test_threads_are_each_answered_from_their_own_view() -> None:
    store = many(300)
    done = threading.Event()
    wrong: list[tuple[int, int]] = []

    def ask() -> None:
        while not done.is_set():
            with store.read() as view:
                total = view.query("users", replace(ASKED[0][1], words=("ann",))).total
                total += view.query(*ASKED[0]).total
                if total != 2 * view.count("users"):
                    wrong.append((total, view.count("users")))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(100):
        with store.transaction() as transaction:
            key = f"new{number}"
            transaction.put("users", key, {"name": "ann", "mail": None, "size": 1})
            grant = transaction.get("grants", "00003") or {}
            transaction.put("grants", key, grant | {"user": key})
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []


class Counting(dict[str, Record]):
    """A table's records, and how often one of them was looked at."""

    reads = 0

    def __getitem__(self, key: str) -> Record:
        self.reads += 1
        return super().__getitem__(key)

    def get(self, key: str, *default: Any) -> Any:
        self.reads += 1
        return super().get(key, *default)


def reads(store: Store, table: str, query: Query) -> int:
    """How many records a question looks at."""
    with store.read() as view:
        tables = [view._contents[name] for name in ("users", "grants")]
        plain = [contents.records for contents in tables]
        for contents in tables:
            contents.records = Counting(contents.records)
        try:
            view.query(table, query)
            return sum(contents.records.reads for contents in tables)  # type: ignore[attr-defined]
        finally:
            for contents, records in zip(tables, plain, strict=True):
                contents.records = records


def many(users: int) -> Store:
    store = Store(MemoryStorage(), Form((USERS, GRANTS)))
    with store.transaction() as transaction:
        for number in range(users):
            key = f"{number:05}"
            transaction.put("users", key, {"name": f"ann {key}", "mail": None, "size": 1})
            grant = {"tenant": "red", "role": "USER", "user": key, "boss": None}
            transaction.put("grants", key, grant | {"activeFrom": None, "activeUntil": None})
    return store


ACTIVE = (Related("grants", "user", Query(within=("tenant", "red"), active=True)),)
ASKED = [
    ("users", Query(related=ACTIVE, by_key=True, page=1, size=20)),
    ("users", Query(related=ACTIVE, order=(Order("name", True),), by_key=True, size=20)),
    ("users", Query(related=ACTIVE, words=("00007",), by_key=True, size=20)),
    ("grants", Query(within=("tenant", "red"), active=True, size=20)),
    ("grants", Query(within=("tenant", "red"), words=("00007",), size=20)),
    ("grants", Query(within=("tenant", "red"), equal={"user": "00007"}, active=True, size=20)),
]


@pytest.mark.parametrize(("table", "query"), ASKED)
def test_what_was_asked_before_reads_no_more_than_its_page(table: str, query: Query) -> None:
    store = many(300)
    reads(store, table, query)
    assert reads(store, table, query) <= 20


@pytest.mark.parametrize(
    "query",
    [
        {"equal": {"boss": "00007"}},
        {"any_of": {"user": ("00007", "00008"), "role": ("USER",)}},
        {"words": ("00007",)},
    ],
)
def test_what_was_asked_of_one_is_asked_of_another_without_a_walk(query: dict[str, Any]) -> None:
    store = many(3_000)
    within = {"within": ("tenant", "red"), "active": True}
    for other in ({"equal": {"boss": "x"}}, {"any_of": {"user": "x", "role": "x"}}):
        reads(store, "grants", Query(**within, **other))
    reads(store, "grants", Query(**within, words=("00003",)))
    assert reads(store, "grants", Query(**within, **query)) <= 20


@pytest.mark.parametrize(("table", "query"), ASKED)
def test_after_a_change_a_question_reads_as_much_of_few_records_as_of_many(
    table: str, query: Query
) -> None:
    counted = []
    for users in (300, 3_000):
        store = many(users)
        reads(store, table, query)
        with store.transaction() as transaction:
            user = {"name": "new", "mail": None, "size": 1}
            transaction.put("users", "00003", user)
            transaction.put("users", "new", user)
            grant = transaction.get("grants", "00005") or {}
            transaction.put("grants", "new", grant | {"user": "new"})
            transaction.put("grants", "00005", grant | {"activeUntil": "2000-01-01T00:00:00Z"})
        counted.append(reads(store, table, query))
    # Finding a place in an order takes a few steps more among more.
    assert counted[1] <= counted[0] + 20 < 100


def test_what_is_kept_does_not_grow_with_questions_and_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answers, "MOST_WEIGHT", 10_000)
    store = many(300)
    for number in range(2 * answers.MOST_LATER):
        with store.transaction() as transaction:
            transaction.put("users", f"{number % 300:05}", {"name": f"x{number}", "size": 1})
        with store.read() as view:
            view.query("users", Query(words=("x",), between={"name": (f"{number}", None)}))
    kept = view._answers
    assert 1 < len(kept._kept) <= 10
    assert len(kept._texts["users"].later) <= answers.MOST_LATER


def test_a_value_that_no_record_has_any_more_is_kept_nowhere() -> None:
    store = many(3)
    reads(store, "grants", Query(equal={"role": "USER"}))
    for role in ("ONE", "TWO", "THREE"):
        with store.transaction() as transaction:
            for key in ("00000", "00001", "00002"):
                grant = transaction.get("grants", key) or {}
                transaction.put("grants", key, grant | {"role": role, "tenant": role})
    with store.read() as view:
        assert view.query("grants", Query(equal={"role": "THREE"})).total == 3
        for group in view._contents["grants"].groups.values():
            assert group.keys() <= {"THREE"}
