"""Files of other schema versions: older ones are migrated once, newer ones refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from provisioning.store import (
    DurableStorage,
    MemoryStorage,
    Store,
    StoreDamaged,
    StoreUnavailable,
    Table,
)
from provisioning.store.storage import Tables


def with_kind(tables: Tables) -> Tables:
    """Version 1 to 2: every thing gets a kind."""
    things = tables["things"]
    return {**tables, "things": {key: {**thing, "kind": "new"} for key, thing in things.items()}}


def renamed(tables: Tables) -> Tables:
    """Version 2 to 3: things become items."""
    return {"items": tables["things"]}


THINGS, ITEMS = [Table("things")], [Table("items")]


@pytest.fixture
def old(path: Path) -> bytes:
    """A file of version 1 with one thing."""
    with Store(DurableStorage(path), THINGS).transaction() as transaction:
        transaction.put("things", "a", {"id": transaction.next_id("things")})
    return path.read_bytes()


def newest(path: Path) -> Store:
    return Store(DurableStorage(path), ITEMS, migrations=[with_kind, renamed])


def test_an_older_file_is_migrated_and_kept_as_it_was(path: Path, old: bytes) -> None:
    store = newest(path)
    with store.read() as view:
        assert view.tables() == {"items": {"a": {"id": 1, "kind": "new"}}}
    copy = path.with_name("db.json.v1")
    assert copy.read_bytes() == old
    assert copy.stat().st_mode & 0o777 == 0o600
    assert orjson.loads(path.read_bytes())["_meta"]["1"]["schema"] == 3


def test_a_migrated_store_stays_the_same_store(path: Path, old: bytes) -> None:
    newest(path)
    meta = [orjson.loads(data)["_meta"]["1"] for data in (old, path.read_bytes())]
    assert meta[0]["instance"] == meta[1]["instance"]


def test_a_file_of_the_version_between_runs_only_what_is_missing(path: Path, old: bytes) -> None:
    Store(DurableStorage(path), THINGS, migrations=[with_kind])
    before = path.read_bytes()
    with newest(path).read() as view:
        assert view.tables() == {"items": {"a": {"id": 1, "kind": "new"}}}
    assert path.with_name("db.json.v2").read_bytes() == before


def test_a_file_is_migrated_once(path: Path, old: bytes) -> None:
    newest(path)
    before = path.read_bytes()
    newest(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("begun", [True, False])
def test_of_two_that_open_at_once_the_second_finds_the_work_done(path: Path, begun: bool) -> None:
    if begun:
        Store(DurableStorage(path), THINGS)

    class Overtaken(DurableStorage):
        @contextmanager
        def lock(self) -> Iterator[None]:
            with newest(path).transaction() as transaction:
                transaction.put("items", "a", {})
            with super().lock():
                yield

    with Store(Overtaken(path), ITEMS, migrations=[with_kind, renamed]).read() as view:
        assert view.get("items", "a") == {}


def test_a_newer_file_is_refused_and_left_alone(path: Path, old: bytes) -> None:
    newest(path)
    before = path.read_bytes()
    with pytest.raises(StoreDamaged, match="version 3, this program reads 1"):
        Store(DurableStorage(path), THINGS)
    assert path.read_bytes() == before


def test_a_running_store_goes_on_reading_when_another_has_migrated_the_file(
    path: Path, old: bytes
) -> None:
    store = Store(DurableStorage(path), THINGS)
    newest(path)
    migrated = path.read_bytes()
    with store.read() as view:
        assert view.get("things", "a") == {"id": 1}
    with pytest.raises(StoreUnavailable), store.transaction():
        pass
    assert path.read_bytes() == migrated


def test_a_migration_that_fails_leaves_the_file_alone(path: Path, old: bytes) -> None:
    def failing(tables: Tables) -> Tables:
        return {"items": {"a": tables["things"]["missing"]}}

    with pytest.raises(KeyError):
        Store(DurableStorage(path), ITEMS, migrations=[failing])
    assert path.read_bytes() == old


def test_a_migration_whose_result_is_refused_by_the_check_leaves_the_file_alone(
    path: Path, old: bytes
) -> None:
    with pytest.raises(StoreDamaged, match="kind is old"):
        Store(
            DurableStorage(path),
            THINGS,
            check=lambda view, table, key: "its kind is old",
            migrations=[with_kind],
        )
    assert path.read_bytes() == old


def test_memory_is_migrated_too() -> None:
    storage = MemoryStorage()
    with Store(storage, THINGS).transaction() as transaction:
        transaction.put("things", "a", {})
    with Store(storage, ITEMS, migrations=[with_kind, renamed]).read() as view:
        assert view.get("items", "a") == {"kind": "new"}
    with pytest.raises(StoreDamaged):
        Store(storage, THINGS)
