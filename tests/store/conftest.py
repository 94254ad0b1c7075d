"""Stores to test: two small tables, over either storage."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from provisioning.store import DurableStorage, Form, MemoryStorage, Store, Table
from provisioning.store.sql import SqlStore
from provisioning.store.sql.postgresql import PostgreSQL
from provisioning.store.sql.sqlite import SQLite

from .failing_disk import FailingDisk

TEAMS = Table(
    "teams", unique={"id": lambda record: record.get("id")}, text=("name",), shown_by="name"
)
PEOPLE = Table(
    "people",
    unique={"email": lambda record: record.get("email")},
    groups={
        "team": lambda record: record["team"],
        "desk": lambda record: (record["team"], record["desk"]) if record.get("desk") else None,
    },
    text=("name", "nickname"),
    references={"team": "teams"},
    identified={"guild": "teams"},
    text_of=("team",),
    asked=("team", "guild"),
    orders=("name", "team", "guild"),
    weighed=lambda record: record["team"],
)
FORM = Form((TEAMS, PEOPLE))

Opener = Callable[..., Store]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "db.json"


@pytest.fixture
def disk() -> FailingDisk:
    return FailingDisk()


POSTGRESQL = pytest.param("postgresql", marks=pytest.mark.slow)


@pytest.fixture(params=["memory", "file", "sqlite", POSTGRESQL])
def open_store(request: pytest.FixtureRequest, path: Path) -> Iterator[Opener]:
    """Opens stores that share their contents, as several processes or restarts would."""
    memory = MemoryStorage(patience=0.1)
    url = request.getfixturevalue("schema_url") if request.param == "postgresql" else ""
    opened: list[Store] = []

    def opener(patience: float = 0.1, **options: object) -> Store:
        if request.param == "postgresql":
            store: Store = SqlStore(PostgreSQL(url, FORM, patience), **options)  # type: ignore[arg-type]
        elif request.param == "sqlite":
            store = SqlStore(SQLite(path, FORM, patience), **options)  # type: ignore[arg-type]
        else:
            storage = memory
            if request.param == "file":
                storage = DurableStorage(path, patience=patience)  # type: ignore[assignment]
            store = Store(storage, FORM, **options)  # type: ignore[arg-type]
        opened.append(store)
        return store

    yield opener
    for store in opened:
        if isinstance(store, SqlStore):
            store.close()


@pytest.fixture
def store(open_store: Opener) -> Store:
    return open_store()
