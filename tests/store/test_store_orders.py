"""Lists of databases in an order cost what they show, or are refused in words."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioning.domain.tables import AUDIT, PRIVILEGES, USERS
from provisioning.factory import COLLECTIONS
from provisioning.store import Query, Related
from provisioning.store.sql import SqlStore
from provisioning.store.sql import view as view_module
from provisioning.store.sql.postgresql import PostgreSQL
from provisioning.store.sql.questions import Questions, asked
from provisioning.store.sql.sqlite import SQLite
from provisioning.testing.sandbox import Sandbox

from .conftest import POSTGRESQL

NOW = "2026-01-15T12:00:00Z"


@pytest.fixture(params=["sqlite", POSTGRESQL])
def sandbox(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sandbox]:
    if request.param == "postgresql":
        url = request.getfixturevalue("schema_url")
        store = SqlStore(PostgreSQL(url, COLLECTIONS.form, 5))
    else:
        store = SqlStore(SQLite(tmp_path / "p.db", COLLECTIONS.form, 5))
    yield Sandbox(store=store)
    store.close()


@pytest.mark.parametrize("order", ["role", "-activeFrom", "user", "reportsTo", "role,id"])
def test_what_no_index_orders_is_refused_of_too_many_in_words_that_help(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    monkeypatch.setattr(view_module, "MOST_SORTED", 4)
    client = sandbox.administrator
    for number in range(3):
        sandbox.add_user(f"u{number}@acme.test", "MANAGEMENT")
    path = f"/privileges?order={order}"
    # Four, with the first administrator's.
    assert client.get(path).status_code == 200
    sandbox.add_user("more@acme.test")
    refused = client.get(path)
    assert refused.status_code == 422
    assert "Narrow them down" in refused.json["errors"]["order"][0]
    assert [client.get(f"{path}&role={each}").status_code for each in ("USER", "MANAGEMENT")] == [
        200,
        200,
    ]
    assert client.get(f"{path}&q=more").status_code == 200
    for other in ("/privileges", "/privileges?order=-id", "/users?order=-lastName", "/audit"):
        assert client.get(f"{other}").status_code == 200


LISTS = [
    *(
        (USERS, member, descends)
        for member in ("id", "username", "lastName")
        for descends in (0, 1)
    ),
    *((table, "id", descends) for table in (PRIVILEGES, AUDIT) for descends in (0, 1)),
]


@pytest.mark.parametrize("table, member, descends", LISTS)
def test_sqlite_sorts_nothing_and_looks_up_no_holder_for_a_page_in_an_order(
    tmp_path: Path, table: str, member: str, descends: int
) -> None:
    database = SQLite(tmp_path / "p.db", COLLECTIONS.form, 5)
    SqlStore(database).close()
    tenant = ("tenant", "acme")
    held = Related(PRIVILEGES, "user", Query(within=tenant, active=True, at=NOW))
    of_users = {"by_key": True, "related": (held,)} if table == USERS else {"within": tenant}
    conditions = asked(database.layouts, table, Query(**of_users))
    shape = (table, conditions.conditions, ((member, bool(descends)),), table == USERS, True, True)
    statement = Questions(database.layouts, database).page(*shape)
    values = database.parameters(conditions.values) | {"size": 20, "offset": 0}
    with sqlite3.connect(tmp_path / "p.db") as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    assert not any("TEMP B-TREE" in step for step in plan), plan
    assert all("COVERING" in step for step in plan if PRIVILEGES in step and table == USERS), plan


def test_a_change_that_no_index_knows_writes_no_index_of_sqlite(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    store = SqlStore(SQLite(path, COLLECTIONS.form, 5))
    sandbox = Sandbox(store=store, audit_keep=0)
    user = sandbox.add_user("bob@acme.test")

    def pages(**changes: str) -> int:
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert sandbox.administrator.put(f"/users/{user}", json=changes).status_code == 200
        return (path.with_name("p.db-wal").stat().st_size - 32) // (4096 + 24)

    # The table's own page; and with a name those of two orders and of the texts, too.
    assert pages(hint="other") <= 3
    assert pages(firstName="Other") > 3
    store.close()
