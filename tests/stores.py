"""`pytest --store=sqlite`: the API's tests over another store than the one in memory.

Every Sandbox that is not given a store gets one of that kind. Databases are used again by the next
test, emptied, since making one takes longer than most tests.
"""

import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from provisioning.factory import COLLECTIONS, memory_store
from provisioning.store import DurableStorage, Store
from provisioning.store.sql import SqlStore
from provisioning.store.sql.postgresql import PostgreSQL
from provisioning.store.sql.sqlite import SQLite
from provisioning.testing import sandbox

PATIENCE = 5.0
IN_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
"""A file system that no test waits for: what is durable is shown by others, on a disk."""
_KEPT: list[Store] = []
KINDS = ("memory", "file", "sqlite", "postgresql")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--store", choices=KINDS, default="memory", help="What the API's tests keep records in."
    )


class Stores:
    """Empty stores of one kind, and those that the current test has taken."""

    def __init__(self, make: Callable[[], Store]) -> None:
        self._make = make
        self._free: list[Store] = []
        self._taken: list[Store] = []

    def take(self) -> Store:
        store = self._free.pop() if self._free else self._make()
        self._taken.append(store)
        return store

    def give_back(self) -> None:
        for store in self._taken:
            if isinstance(store, SqlStore) and store not in _KEPT:
                empty(store)
                self._free.append(store)
        self._taken.clear()

    def close(self) -> None:
        for store in self._free:
            store.close()


def keep(store: Store) -> None:
    """Leave a store to the tests that come, which know what is in it."""
    _KEPT.append(store)


def empty(store: SqlStore) -> None:
    with store.transaction() as transaction:
        transaction.clear()
        transaction.set_ids({})


@pytest.fixture(scope="session")
def stores(request: pytest.FixtureRequest) -> Iterator[Stores]:
    kind = request.config.getoption("store")
    numbers = itertools.count(1)
    with tempfile.TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.exists() else None) as folder:

        def make() -> Store:
            number = next(numbers)
            if kind == "postgresql":
                server = request.getfixturevalue("postgresql")
                name = f"w{os.getpid()}_{number}"
                server.execute(f"CREATE SCHEMA {name}")
                url = server.url(options=f"-csearch_path={name},public")
                return SqlStore(PostgreSQL(url, COLLECTIONS.form, PATIENCE))
            path = Path(folder) / f"{number}.db"
            if kind == "sqlite":
                return SqlStore(SQLite(path, COLLECTIONS.form, PATIENCE))
            return Store(DurableStorage(path), COLLECTIONS.form)

        made = Stores(memory_store if kind == "memory" else make)
        yield made
        made.close()


@pytest.fixture(autouse=True)
def _store_of_sandboxes(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sandbox, "memory_store", stores.take)
    yield
    stores.give_back()
