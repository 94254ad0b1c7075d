"""Files of other forms: older ones are brought up to date once, newer ones refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from provisioning.store import (
    DurableStorage,
    Form,
    MemoryStorage,
    OtherForm,
    Past,
    Record,
    Step,
    Store,
    StoreDamaged,
    Table,
)

KINDS = Step({"things": lambda thing, _: thing | {"kind": "new"}})
SIZES = Step({"things": lambda thing, _: thing | {"size": len(thing)}})
FIRST = Form((Table("things"),))
SECOND = FIRST._replace(steps=(KINDS,))
NEWEST = FIRST._replace(steps=(KINDS, SIZES))
THING = {"id": 1, "kind": "new", "size": 2}


@pytest.fixture
def old(path: Path) -> bytes:
    """A file of form 1 with one thing."""
    with Store(DurableStorage(path), FIRST).transaction() as transaction:
        transaction.put("things", "a", {"id": transaction.next_id("things")})
    return path.read_bytes()


def newest(path: Path) -> Store:
    return Store(DurableStorage(path), NEWEST)


def test_an_older_file_is_upgraded_and_kept_as_it_was(path: Path, old: bytes) -> None:
    store = newest(path)
    with store.read() as view:
        assert view.tables() == {"things": {"a": THING}}
    copy = path.with_name("db.json.v1")
    assert copy.read_bytes() == old
    assert copy.stat().st_mode & 0o777 == 0o600
    assert orjson.loads(path.read_bytes())["_meta"]["1"]["schema"] == 3


def test_a_copy_of_an_older_file_takes_the_place_of_no_other(path: Path, old: bytes) -> None:
    first = path.with_name("db.json.v1")
    first.write_text("of last year")
    newest(path)
    assert first.read_text() == "of last year"
    assert path.with_name("db.json.v1-2").read_bytes() == old
    # Once more the same, after a backup was put back: one copy of it is enough.
    path.write_bytes(old)
    newest(path)
    assert not path.with_name("db.json.v1-3").exists()


def test_an_upgraded_store_stays_the_same_store(path: Path, old: bytes) -> None:
    newest(path)
    meta = [orjson.loads(data)["_meta"]["1"] for data in (old, path.read_bytes())]
    assert meta[0]["instance"] == meta[1]["instance"]


def test_a_file_of_the_form_between_takes_only_the_steps_that_are_missing(
    path: Path, old: bytes
) -> None:
    Store(DurableStorage(path), SECOND)
    before = path.read_bytes()
    with newest(path).read() as view:
        assert view.tables() == {"things": {"a": THING}}
    assert path.with_name("db.json.v2").read_bytes() == before


def test_a_file_is_upgraded_once(path: Path, old: bytes) -> None:
    newest(path)
    before = path.read_bytes()
    newest(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("begun", [True, False])
def test_of_two_that_open_at_once_the_second_finds_the_work_done(path: Path, begun: bool) -> None:
    if begun:
        Store(DurableStorage(path), FIRST)

    class Overtaken(DurableStorage):
        @contextmanager
        def lock(self, *, is_patient: bool = False) -> Iterator[None]:
            with newest(path).transaction() as transaction:
                transaction.put("things", "a", {})
            with super().lock(is_patient=is_patient):
                yield

    with Store(Overtaken(path), NEWEST).read() as view:
        assert view.get("things", "a") == {}


def test_a_newer_file_is_refused_and_left_alone(path: Path, old: bytes) -> None:
    newest(path)
    before = path.read_bytes()
    with pytest.raises(OtherForm, match="to form 3; this one reads form 1"):
        Store(DurableStorage(path), FIRST)
    assert path.read_bytes() == before


def test_a_file_of_an_older_form_that_is_put_under_a_running_store_is_left_for_its_start(
    path: Path, old: bytes
) -> None:
    store = newest(path)
    path.write_bytes(old)
    with pytest.raises(OtherForm, match="Restart"), store.read():
        pass
    with pytest.raises(OtherForm, match="Restart"), store.transaction():
        pass
    assert path.read_bytes() == old


def test_a_step_that_fails_leaves_the_file_alone(path: Path, old: bytes) -> None:
    def failing(thing: Record, _: Past) -> Record:
        return {"kind": thing["missing"]}

    with pytest.raises(KeyError):
        Store(DurableStorage(path), FIRST._replace(steps=(Step({"things": failing}),)))
    assert path.read_bytes() == old
    assert not path.with_name("db.json.v1").exists()


def test_a_step_whose_result_the_check_refuses_leaves_the_file_alone(
    path: Path, old: bytes
) -> None:
    with pytest.raises(StoreDamaged, match="kind is old"):
        Store(DurableStorage(path), SECOND._replace(check=lambda view, table, key: "kind is old"))
    assert path.read_bytes() == old


def test_memory_is_upgraded_too() -> None:
    storage = MemoryStorage()
    with Store(storage, FIRST).transaction() as transaction:
        transaction.put("things", "a", {"id": 1})
    with Store(storage, NEWEST).read() as view:
        assert view.get("things", "a") == THING
    with pytest.raises(OtherForm):
        Store(storage, FIRST)
