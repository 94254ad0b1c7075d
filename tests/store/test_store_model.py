"""Whatever is done to a store, in whatever order, it holds what a plain dictionary holds."""

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from provisioning.store import (
    DurableStorage,
    MemoryStorage,
    Query,
    Record,
    Store,
    StoreUnavailable,
    Transaction,
    View,
)
from provisioning.store.sql import SqlStore
from provisioning.store.sql.postgresql import PostgreSQL
from provisioning.store.sql.sqlite import SQLite
from tests.postgresql import new_schema, server_of_the_run

from .conftest import FORM

TEAMS = st.sampled_from(["red", "blue", "green"])
PEOPLE = st.sampled_from(["ann", "bob", "cid", "dora"])
EMAILS = st.sampled_from([None, "a@x", "b@x", "c@x"])
CHANGES = st.lists(
    st.tuples(st.just("person"), PEOPLE, TEAMS, EMAILS)
    | st.tuples(st.just("team"), TEAMS)
    | st.tuples(st.just("leave"), PEOPLE)
    | st.tuples(st.just("dissolve"), TEAMS)
    | st.tuples(st.just("number")),
    max_size=6,
)
Tables = dict[str, dict[str, Record]]


class Model:
    """The rules of the two tables, over dictionaries."""

    def __init__(self) -> None:
        self.tables: Tables = {"teams": {}, "people": {}}
        self.last = 0

    def copy(self) -> "Model":
        copy = Model()
        copy.tables = {name: dict(table) for name, table in self.tables.items()}
        copy.last = self.last
        return copy

    def apply(self, change: tuple[Any, ...]) -> int | None:
        """Make a change if it is allowed; gives the new id if it is about one."""
        teams, people = self.tables["teams"], self.tables["people"]
        match change:
            case ("person", name, team, email):
                others = [person["email"] for n, person in people.items() if n != name]
                if email is None or email not in others:
                    people[name] = {"name": name, "team": team, "email": email}
            case ("team", name):
                teams[name] = {"name": name}
            case ("leave", name):
                people.pop(name, None)
            case ("dissolve", name):
                teams.pop(name, None)
            case _:
                self.last += 1
                return self.last
        return None

    def is_whole(self) -> bool:
        return all(p["team"] in self.tables["teams"] for p in self.tables["people"].values())


def put(transaction: Transaction, change: tuple[Any, ...]) -> int | None:
    """The same change in a store, and the new id if it is about one."""
    match change:
        case ("person", name, team, email):
            with suppress(ValueError):
                record = {"name": name, "team": team, "email": email}
                transaction.put("people", name, record)
        case ("team", name):
            transaction.put("teams", name, {"name": name})
        case ("leave", name):
            with suppress(KeyError):
                transaction.remove("people", name)
        case ("dissolve", name):
            with suppress(KeyError):
                transaction.remove("teams", name)
        case _:
            return transaction.next_id("people")
    return None


class Machine(RuleBasedStateMachine):
    """Several stores over the same contents; `crash` leaves one in the middle of a change."""

    leaves_gaps = False
    """Whether an id may be left out where a transaction comes to nothing."""

    def begin(self) -> None:
        raise NotImplementedError

    def open(self) -> Store:
        raise NotImplementedError

    def leave_traces_of_a_crash(self) -> None:
        """What a process that was killed leaves behind."""

    @initialize()
    def start(self) -> None:
        self.begin()
        self.model = Model()
        self.stores = [self.open()]
        self.kept: list[tuple[View, Tables, int]] = []

    def apply(self, store: Store, changes: list[tuple[Any, ...]], *, give_up: bool = False) -> None:
        """Make changes to the store and to the model; both must come to the same."""
        model = self.model.copy()
        try:
            with store.transaction() as transaction:
                for change in changes:
                    number, expected = put(transaction, change), model.apply(change)
                    if self.leaves_gaps and number is not None and expected is not None:
                        assert number >= expected
                        model.last = number
                    else:
                        assert number == expected
                    same(transaction, model)
                if give_up:
                    raise LookupError
        except LookupError:
            assert give_up
        except ValueError:
            assert not model.is_whole()
        else:
            assert model.is_whole()
            self.model = model

    @rule(which=st.integers(0, 2), changes=CHANGES)
    def change(self, which: int, changes: list[tuple[Any, ...]]) -> None:
        self.apply(self.stores[which % len(self.stores)], changes)

    @rule(which=st.integers(0, 2), changes=CHANGES)
    def give_up(self, which: int, changes: list[tuple[Any, ...]]) -> None:
        self.apply(self.stores[which % len(self.stores)], changes, give_up=True)

    @precondition(lambda self: len(self.stores) < 3)
    @rule()
    def open_another(self) -> None:
        self.stores.append(self.open())

    @rule()
    def restart(self) -> None:
        self.stores = [self.open()]

    @rule(changes=CHANGES)
    def crash(self, changes: list[tuple[Any, ...]]) -> None:
        abandoned = self.stores[0].transaction()
        transaction = abandoned.__enter__()
        for change in changes:
            if change[0] == "team":
                transaction.put("teams", change[1], {"name": "lost"})
        self.leave_traces_of_a_crash()
        try:
            abandoned.__exit__(LookupError, LookupError(), None)
        except LookupError:
            self.stores = [self.open()]

    @rule(which=st.integers(0, 2))
    def keep_a_view(self, which: int) -> None:
        with self.stores[which % len(self.stores)].read() as view:
            self.kept.append((view.freeze(), self.model.copy().tables, self.model.last))

    @precondition(lambda self: self.kept)
    @rule(data=st.data())
    def go_back(self, data: st.DataObject) -> None:
        view, tables, last = data.draw(st.sampled_from(self.kept))
        with self.stores[0].transaction() as transaction:
            transaction.restore(view)
        self.model.tables = {name: dict(table) for name, table in tables.items()}
        self.model.last = last

    @invariant()
    def every_store_holds_what_the_model_holds(self) -> None:
        for store in self.stores:
            with store.read() as view:
                same(view, self.model)

    @invariant()
    def kept_views_never_change(self) -> None:
        for view, tables, _ in self.kept:
            assert view.tables() == tables


def same(view: View, model: Model) -> None:
    """The tables, in their order, and every index over them."""
    people = model.tables["people"]
    assert view.tables() == model.tables
    assert [list(table) for table in view.tables().values()] == [
        list(table) for table in model.tables.values()
    ]
    for email in ("a@x", "b@x", "c@x"):
        expected = [record for record in people.values() if record["email"] == email]
        found = view.find("people", "email", email)
        assert [found] == expected if found else not expected
    for team in ("red", "blue", "green"):
        expected = [record for record in people.values() if record["team"] == team]
        assert list(view.group("people", "team", team)) == expected
        assert view.weight_of(team) == sum(len(orjson.dumps(record)) for record in expected)
        page = view.query("people", Query(within=("team", team), by_key=True, size=2))
        assert page.total == len(expected)
        assert [r["name"] for r in page.records] == sorted(r["name"] for r in expected)[:2]


class MemoryMachine(Machine):
    def begin(self) -> None:
        self.storage = MemoryStorage()

    def open(self) -> Store:
        return Store(self.storage, FORM)


class FileMachine(Machine):
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "db.json"

    def open(self) -> Store:
        return Store(DurableStorage(self.path, patience=0.5), FORM)

    def leave_traces_of_a_crash(self) -> None:
        self.path.with_name("db.json.tmp").write_bytes(self.path.read_bytes()[:-20])

    @rule()
    def be_away_for_a_while(self) -> None:
        away = self.path.rename(self.path.with_name("away"))
        try:
            for store in self.stores:
                try:
                    with store.transaction():
                        raise AssertionError("a store without its file takes changes")
                except StoreUnavailable:
                    pass
            self.every_store_holds_what_the_model_holds()
        finally:
            away.rename(self.path)

    def teardown(self) -> None:
        self.folder.cleanup()


class SQLiteMachine(Machine):
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "p.db"

    def open(self) -> Store:
        return SqlStore(SQLite(self.path, FORM, patience=0.5))

    def teardown(self) -> None:
        self.folder.cleanup()


class PostgreSQLMachine(Machine):
    leaves_gaps = True

    def begin(self) -> None:
        self.url = new_schema(server_of_the_run())

    def open(self) -> Store:
        return SqlStore(PostgreSQL(self.url, FORM, patience=5))


MemoryMachine.TestCase.settings = settings(
    max_examples=30, stateful_step_count=20, deadline=None, derandomize=True
)
FileMachine.TestCase.settings = settings(
    max_examples=20, stateful_step_count=15, deadline=None, derandomize=True
)
SQLiteMachine.TestCase.settings = settings(
    max_examples=15, stateful_step_count=15, deadline=None, derandomize=True
)
PostgreSQLMachine.TestCase.settings = settings(
    max_examples=8, stateful_step_count=12, deadline=None, derandomize=True
)
TestMemory = MemoryMachine.TestCase
TestFile = FileMachine.TestCase
TestSQLite = pytest.mark.slow(SQLiteMachine.TestCase)
TestPostgreSQL = pytest.mark.slow(PostgreSQLMachine.TestCase)
