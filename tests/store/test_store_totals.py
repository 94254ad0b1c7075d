"""A total that was counted is remembered for as long as it is true, and not a moment longer."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provisioning.store import Form, Query, Record, Related, Table
from provisioning.store.sql import SqlStore
from provisioning.store.sql.database import Database
from provisioning.store.sql.postgresql import PostgreSQL
from provisioning.store.sql.sqlite import SQLite

from .conftest import POSTGRESQL

FORM = Form(
    (
        Table("users", text=("name",)),
        Table(
            "grants",
            groups={
                "tenant": lambda record: record["tenant"],
                "role": lambda record: (record["tenant"], record.get("role")),
            },
            references={"user": "users"},
        ),
    )
)
NOON, LATER, EVENING = (f"2026-01-15T{hour}:00:00Z" for hour in (12, 13, 18))


@pytest.fixture(params=["sqlite", POSTGRESQL])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlStore]:
    if request.param == "postgresql":
        database: Database = PostgreSQL(request.getfixturevalue("schema_url"), FORM, 5)
    else:
        database = SQLite(tmp_path / "p.db", FORM, 5)
    store = SqlStore(database)
    for number in range(6):
        grant(store, number, "acme" if number < 4 else "globex")
    yield store
    store.close()


def grant(store: SqlStore, number: int, tenant: str = "acme", **window: Any) -> None:
    record: Record = {"tenant": tenant, "user": f"user{number}", **window}
    with store.transaction(tenant) as transaction:
        transaction.put("users", f"user{number}", {"name": f"User {number}"})
        transaction.put("grants", str(number), record)


def total(store: SqlStore, at: str = NOON, tenant: str = "acme", **facts: Any) -> int:
    held = Query(within=("tenant", tenant), active=True, at=at)
    query = Query(related=(Related("grants", "user", held),), by_key=True, size=1, **facts)
    with store.read() as view:
        return view.query("users", query).total


@pytest.fixture
def counted(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that have counted since."""
    found: list[str] = []
    ask = Database.ask

    def noting(self: Database, connection: Any, statements: Any) -> Any:
        answers = ask(self, connection, statements)
        for (statement, _), rows in zip(statements, answers, strict=True):
            # Null where the database has seen that it need not be counted.
            if "count(" in statement and rows[0][0] is not None:
                found.append(statement)
        return answers

    monkeypatch.setattr(Database, "ask", noting)
    return found


def test_a_total_is_counted_once(store: SqlStore, counted: list[str]) -> None:
    assert [total(store), total(store), total(store, LATER)] == [4, 4, 4]
    assert len(counted) == 1


def test_it_is_counted_anew_when_the_tenant_changes_and_not_when_another_does(
    store: SqlStore, counted: list[str]
) -> None:
    assert total(store) == 4
    grant(store, 9, "globex")
    assert total(store) == 4
    assert len(counted) == 1
    grant(store, 8)
    assert total(store) == 5
    with store.transaction("acme") as transaction:
        transaction.remove("grants", "8")
    assert total(store) == 4
    assert len(counted) == 3


def test_a_group_within_a_tenant_is_counted_anew_when_the_tenant_changes(
    store: SqlStore, counted: list[str]
) -> None:
    def total_of_role() -> int:
        with store.read() as view:
            return view.query("grants", Query(within=("role", ("acme", None)), size=1)).total

    assert [total_of_role(), total_of_role()] == [4, 4]
    grant(store, 9, "globex")
    assert total_of_role() == 4
    assert len(counted) == 1
    grant(store, 8)
    assert total_of_role() == 5


def test_it_is_counted_anew_when_a_window_has_begun_or_ended(store: SqlStore) -> None:
    grant(store, 7, activeFrom=LATER, activeUntil=EVENING)
    assert [total(store, at) for at in (NOON, LATER, EVENING)] == [4, 5, 4]
    assert [total(store, at) for at in (EVENING, LATER, NOON)] == [4, 5, 4]


def test_a_change_sees_its_own_and_nobody_else_does_before_it_commits(store: SqlStore) -> None:
    assert total(store) == 4
    query = Query(within=("tenant", "acme"), size=1)
    with store.transaction("acme") as transaction:
        transaction.put("users", "new", {"name": "New"})
        transaction.put("grants", "new", {"tenant": "acme", "user": "new"})
        assert transaction.query("grants", query).total == 5
    assert total(store) == 5
    with pytest.raises(LookupError), store.transaction("acme") as transaction:
        transaction.remove("grants", "new")
        assert transaction.query("grants", query).total == 4
        raise LookupError
    assert total(store) == 5


def test_what_was_restored_is_not_taken_for_what_was_before(store: SqlStore) -> None:
    with store.read() as view:
        before = view.freeze()
    grant(store, 8)
    assert total(store) == 5
    with store.transaction() as transaction:
        transaction.restore(before)
    assert total(store) == 4


def test_totals_of_searches_are_counted_each_time_since_profiles_change_elsewhere(
    store: SqlStore, counted: list[str]
) -> None:
    assert total(store, words=("user",)) == 4
    with store.transaction("globex") as transaction:
        transaction.put("users", "user0", {"name": "renamed"})
    assert total(store, words=("user",)) == 3
