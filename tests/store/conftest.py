"""Stores to test: two small tables, over either storage."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from provisioning.store import DurableStorage, MemoryStorage, Store, Table

TEAMS = Table("teams", text=("name",))
PEOPLE = Table(
    "people",
    unique={"email": lambda record: record.get("email")},
    groups={
        "team": lambda record: record["team"],
        "desk": lambda record: (record["team"], record["desk"]) if record.get("desk") else None,
    },
    text=("name", "nickname"),
    references={"team": "teams"},
    text_of=("team",),
)
TABLES = (TEAMS, PEOPLE)

Opener = Callable[..., Store]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "db.json"


@pytest.fixture(params=["memory", "file"])
def open_store(request: pytest.FixtureRequest, path: Path) -> Iterator[Opener]:
    """Opens stores that share their contents, as several processes or restarts would."""
    memory = MemoryStorage(patience=0.1)

    def opener(**options: object) -> Store:
        storage = memory if request.param == "memory" else DurableStorage(path, patience=0.1)
        return Store(storage, TABLES, **options)  # type: ignore[arg-type]

    yield opener


@pytest.fixture
def store(open_store: Opener) -> Store:
    return open_store()
