"""People edit the file: what they write is seen at once, and never lost when it is wrong."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import tinydb
import tinydb.table
from tinydb.storages import JSONStorage

from provisioning.store import (
    Disk,
    DurableStorage,
    Store,
    StoreDamaged,
    StoreUnavailable,
    View,
)

from .conftest import FORM


@pytest.fixture
def store(path: Path) -> Store:
    store = Store(DurableStorage(path, patience=0.5), FORM)
    with store.transaction() as transaction:
        transaction.put("teams", "red", {"name": "Red"})
        for name in ("ann", "bob"):
            record = {"name": name, "team": "red", "email": f"{name}@x", "old": True}
            transaction.put("people", name, record)
    return store


def edit(path: Path, old: str, new: str) -> str:
    """Replace the first occurrence in place, as an editor does; returns the new text."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path.read_text()


def ann(store: Store) -> Any:
    with store.read() as view:
        return view.get("people", "ann")


def change(store: Store) -> None:
    with store.transaction() as transaction:
        transaction.put("teams", "blue", {"name": "Blue"})


def test_the_file_is_an_ordinary_tinydb_file_that_people_can_read(store: Store, path: Path) -> None:
    class ByName(tinydb.table.Table):
        document_id_class = str

    class Database(tinydb.TinyDB):
        table_class = ByName

    with Database(path, storage=JSONStorage, access_mode="r") as database:
        assert database.tables() == {"_meta", "teams", "people"}
        people = database.table("people")
        assert people.get(doc_id="ann")["email"] == "ann@x"
        assert [each.doc_id for each in people] == ["ann", "bob"]
        assert database.table("_meta").get(doc_id="1").keys() == {
            "schema",
            "instance",
            "ids",
            "digest",
        }
    assert '\n  "people": {\n    "ann": {\n      "name": "ann",\n' in path.read_text()


def test_a_tinydb_over_the_storage_reads_and_writes_the_same_tables(
    store: Store, path: Path
) -> None:
    class ByName(tinydb.table.Table):
        document_id_class = str

    class Database(tinydb.TinyDB):
        table_class = ByName

    with Database(storage=DurableStorage, path=path) as database:
        database.table("people").upsert(tinydb.table.Document({"name": "Ann"}, doc_id="ann"))
    assert ann(store)["name"] == "Ann"
    assert ann(store)["email"] == "ann@x"


@pytest.mark.parametrize("spread", [True, False])
def test_an_edit_is_seen_by_the_next_read(store: Store, path: Path, spread: bool) -> None:
    edit(path, '"name": "ann"', '"name":    "Ann"' if spread else '"name": "Ann"')
    assert ann(store)["name"] == "Ann"
    with store.read() as view:
        assert view.find("people", "email", "ann@x") == ann(store)


def test_a_change_after_an_edit_keeps_the_edit(store: Store, path: Path) -> None:
    edit(path, '"name": "ann"', '"name": "Ann"')
    change(store)
    assert '"name": "Ann"' in path.read_text()


def test_an_edit_that_keeps_length_and_inode_is_seen(store: Store, path: Path) -> None:
    before = path.stat()
    edit(path, '"ann@x"', '"ANN@x"')
    assert (path.stat().st_ino, path.stat().st_size) == (before.st_ino, before.st_size)
    assert ann(store)["email"] == "ANN@x"


def test_true_changed_to_one_is_seen(store: Store, path: Path) -> None:
    edit(path, '"old": true', '"old": 1')
    assert ann(store)["old"] is not True


def test_ids_stay_above_those_that_an_edit_brings(store: Store, path: Path) -> None:
    edit(path, '"name": "ann"', '"id": 70, "name": "ann"')
    with store.transaction() as transaction:
        assert transaction.next_id("people") == 71


@pytest.mark.parametrize("identity", [2**53, 2**53 + 1, 2**64 - 1])
def test_an_id_that_an_edit_brings_beyond_the_largest_is_never_counted_on(
    store: Store, path: Path, identity: int
) -> None:
    edit(path, '"name": "ann"', f'"id": {identity}, "name": "ann"')
    with store.transaction() as transaction:
        assert transaction.next_id("people") == 1
    assert ann(Store(DurableStorage(path), FORM))["id"] == identity


def test_a_record_that_has_an_id_beyond_the_largest_can_be_changed(
    store: Store, path: Path
) -> None:
    edit(path, '"name": "ann"', f'"id": {2**53}, "name": "ann"')
    with store.transaction() as transaction:
        transaction.put("people", "ann", {**ann(store), "name": "Ann"})
    assert ann(Store(DurableStorage(path), FORM))["name"] == "Ann"


@pytest.mark.parametrize("last", [2**53 - 1, 2**53])
def test_no_id_is_given_that_would_not_be_read_again(store: Store, path: Path, last: int) -> None:
    edit(path, '"ids": {}', f'"ids": {{"people": {last}}}')
    with pytest.raises(StoreUnavailable, match="No id is left"), store.transaction() as transaction:
        transaction.next_id("people")
    change(store)
    assert ann(Store(DurableStorage(path), FORM)) is not None


def test_ids_that_an_edit_sets_back_stay_above_those_in_use(store: Store, path: Path) -> None:
    with store.transaction() as transaction:
        for _ in range(9):
            number = transaction.next_id("people")
        transaction.put("people", "cid", {"id": number, "name": "cid", "team": "red"})
    edit(path, '"people": 9', '"people": 2')
    with store.transaction() as transaction:
        assert transaction.next_id("people") == 10


def test_an_edit_of_a_copy_of_a_moment_ago_gives_no_id_a_second_time(
    store: Store, path: Path
) -> None:
    copy = path.read_text()
    with store.transaction() as transaction:
        assert transaction.next_id("people") == 1
        transaction.put("people", "cid", {"id": 1, "name": "cid", "team": "red"})
    path.write_text(copy.replace('"name": "ann"', '"name": "Ann"'))
    assert ann(store)["name"] == "Ann"
    with store.transaction() as transaction:
        assert transaction.get("people", "cid") is None
        assert transaction.next_id("people") == 2


def test_a_counter_that_an_edit_has_used_up_is_mended_by_another_edit(
    store: Store, path: Path
) -> None:
    edit(path, '"ids": {}', f'"ids": {{"people": {2**53}}}')
    assert ann(store) is not None
    edit(path, str(2**53), "7")
    with store.transaction() as transaction:
        assert transaction.next_id("people") == 8


@pytest.mark.parametrize(
    ("old", "new", "place", "problem"),
    [
        ('"name": "ann",', '"name": "ann"', {"line": 18, "column": 7}, ""),
        ('"old": true', '"old": True', {"line": 20, "column": 14}, ""),
        ('"old": true', '"old": NaN', {"line": 20, "column": 14}, ""),
        ('"name": "ann"', '"name": "ann", "name": "bob"', {}, "'name' stands twice"),
        ('"bob": {', '"ann": {', {}, "'ann' stands twice"),
        ('"team": "red"', '"team": "green"', {"table": "people", "member": "team"}, "refers"),
        ('"team": "red"', '"team": ["red"]', {"table": "people", "record": "ann"}, "team"),
        ('"team": "red"', '"town": "red"', {"table": "people", "record": "ann"}, "team"),
        (
            '"red": {',
            '"green": {',
            {"table": "people", "record": "ann", "member": "team"},
            "refers",
        ),
        ('"ann@x"', '"bob@x"', {"table": "people", "record": "bob"}, "email is that of 'ann'"),
        ('"people"', '"planets"', {"table": "planets"}, "no such table"),
        ('"_meta"', '"meta"', {"table": "_meta"}, "of which schema"),
        ('"schema": 1', '"schema": 0', {"table": "_meta"}, "of which schema"),
        ('"schema": 1', '"schema": true', {"table": "_meta"}, "of which schema"),
        ('"schema": 1', '"schema": 1.0', {"table": "_meta"}, "of which schema"),
        ('"schema": 1', '"schema": 1, "more": 1', {"table": "_meta"}, "of which schema"),
        ('"ids": {', '"ids": {"people": -1', {"table": "_meta"}, "of which schema"),
        (
            '"ids": {',
            '"ids": {"people": 18446744073709551615',
            {"table": "_meta"},
            "of which schema",
        ),
        ('"ids": {', '"ids": [{', {"line": 7, "column": 15}, ""),
        ('"red": {', '"red": 1, "old": {', {"table": "teams", "record": "red"}, "object"),
        ('"teams": {', '"teams": [], "_": {', {"table": "teams"}, "object"),
        ('"old": true', f'"old": {"[" * 300}{"]" * 300}', {}, "deep"),
    ],
)
def test_a_broken_edit_stops_writes_and_says_where_reads_go_on_and_mending_it_is_enough(
    store: Store, path: Path, old: str, new: str, place: dict[str, Any], problem: str
) -> None:
    good, before = path.read_text(), ann(store)
    broken = edit(path, old, new)
    for _ in range(2):
        assert ann(store) == before
        with pytest.raises(StoreDamaged) as error:
            change(store)
        assert problem in error.value.problem
        assert error.value.place.items() >= place.items()
        assert all(f"{name} {value}" in str(error.value) for name, value in place.items())
    with pytest.raises(StoreDamaged):
        store.probe()
    with pytest.raises(StoreDamaged):
        Store(DurableStorage(path), FORM)
    assert path.read_text() == broken
    path.write_text(good)
    change(store)
    assert ann(store) == before


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 500,
        b"[]",
        b"null",
        b'"people"',
        b"{}",
        b'{"_default": {"1": {"name": "ann"}}}',
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\0}\0",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a": "\xff"}',
    ],
)
def test_a_foreign_file_is_refused_and_left_alone(store: Store, path: Path, content: bytes) -> None:
    before = ann(store)
    path.write_bytes(content)
    with pytest.raises(StoreDamaged):
        Store(DurableStorage(path), FORM)
    with pytest.raises(StoreDamaged):
        change(store)
    assert ann(store) == before
    assert path.read_bytes() == content


def test_what_is_told_to_everybody_names_no_record(store: Store, path: Path) -> None:
    edit(path, '"ann@x"', '"bob@x"')
    with pytest.raises(StoreDamaged, match=r"'ann'.*") as error:
        change(store)
    assert not {"ann", "bob", "people"} & set(error.value.public.replace("'", " ").split())
    assert "provisioning check" in error.value.public


def test_an_empty_file_is_refused_with_the_advice_to_remove_it(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    with pytest.raises(StoreDamaged, match="Remove it to begin an empty store"):
        Store(DurableStorage(path), FORM)


def test_a_truncated_file_is_refused_at_every_offset(store: Store, path: Path) -> None:
    content = path.read_bytes()
    # Without its last line break the file is still whole.
    for length in range(len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(StoreDamaged):
            Store(DurableStorage(path), FORM)
        assert path.read_bytes() == content[:length]
    path.write_bytes(content[:-1])
    assert ann(Store(DurableStorage(path), FORM)) is not None


def test_what_the_check_says_of_an_edited_record_stops_writes(store: Store, path: Path) -> None:
    def check(view: View, table: str, key: str) -> str | None:
        return "its old must be a boolean" if view.get(table, key).get("old") == "no" else None

    store = Store(DurableStorage(path), FORM._replace(check=check))
    good = path.read_text()
    edit(path, '"old": true', '"old": "no"')
    assert ann(store)["old"] is True
    with pytest.raises(StoreDamaged, match=r"table people, record ann\): its old must be"):
        change(store)
    path.write_text(good)
    change(store)


def checking(path: Path) -> tuple[Store, list[str]]:
    """A store, and the document ids of the records that it has checked."""
    checked: list[str] = []

    def check(_view: View, _table: str, key: str) -> None:
        checked.append(key)

    return Store(DurableStorage(path), FORM._replace(check=check)), checked


def test_what_a_store_wrote_is_not_checked_again(store: Store, path: Path) -> None:
    other, checked = checking(path)
    assert ann(other) is not None
    change(store)
    with other.read() as view:
        assert view.get("teams", "blue") is not None
    assert checked == []


def test_an_edited_file_is_checked_whole_by_who_opens_it(store: Store, path: Path) -> None:
    edit(path, '"old": true', '"old": false')
    assert sorted(checking(path)[1]) == ["ann", "bob", "red"]


def test_an_edited_record_is_checked_once_by_who_knows_the_others(store: Store, path: Path) -> None:
    other, checked = checking(path)
    edit(path, '"old": true', '"old": false')
    assert ann(other)["old"] is False
    assert ann(other)["old"] is False
    assert checked == ["ann"]


def test_a_file_from_before_there_were_digests_is_checked_and_gets_one(
    store: Store, path: Path
) -> None:
    tables = orjson.loads(path.read_bytes())
    del tables["_meta"]["1"]["digest"]
    path.write_bytes(orjson.dumps(tables, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    older, checked = checking(path)
    assert sorted(checked) == ["ann", "bob", "red"]
    change(older)
    assert checking(path)[1] == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"old": true', '"old": false'),
        ('"old": true', '"old": true '),
        ('"people": {', '"people":  {'),
        ('    "bob"', '  "bob"'),
        ('"ids": {}', '"ids": {"people": 1}'),
        ('"instance": "', '"instance": "0'),
        ('"digest": "', '"digest": "0'),
    ],
)
def test_a_digest_fits_only_what_it_was_made_of(
    store: Store, path: Path, old: str, new: str
) -> None:
    edit(path, old, new)
    assert sorted(checking(path)[1]) == ["ann", "bob", "red"]


class EditingDisk(Disk):
    """Lets a person edit the file at the moment before a call."""

    def __init__(self) -> None:
        self.before: dict[str, Callable[[], object]] = {}

    def fsync(self, descriptor: int) -> None:
        self.before.pop("fsync", lambda: None)()
        super().fsync(descriptor)

    def read(self, path: Path) -> bytes:
        content = super().read(path)
        self.before.pop("end of read", lambda: None)()
        return content


def test_an_edit_during_a_commit_stays_and_the_commit_is_dropped(store: Store, path: Path) -> None:
    disk = EditingDisk()
    store = Store(DurableStorage(path, disk=disk), FORM)
    disk.before["fsync"] = lambda: edit(path, '"name": "ann"', '"name": "Ann"')
    with pytest.raises(StoreUnavailable, match="edited during this change"):
        change(store)
    assert ann(store)["name"] == "Ann"
    with store.read() as view:
        assert view.get("teams", "blue") is None
    change(store)
    assert ann(store)["name"] == "Ann"
    assert sorted(each.name for each in path.parent.iterdir()) == ["db.json", "db.json.lock"]


def test_an_edit_that_another_thread_has_seen_during_a_transaction_stays(
    store: Store, path: Path
) -> None:
    with pytest.raises(StoreUnavailable), store.transaction() as transaction:
        transaction.put("teams", "blue", {"name": "Blue"})
        edit(path, '"name": "ann"', '"name": "Ann"')
        reader = threading.Thread(target=ann, args=[store])
        reader.start()
        reader.join()
    assert ann(store)["name"] == "Ann"
    with store.read() as view:
        assert view.get("teams", "blue") is None


def test_an_edit_while_the_file_is_being_read_is_seen_by_the_next_read(
    store: Store, path: Path
) -> None:
    disk = EditingDisk()
    other = Store(DurableStorage(path, disk=disk), FORM)
    disk.before["end of read"] = lambda: edit(path, '"name": "Ann"', '"name": "Eve"')
    edit(path, '"name": "ann"', '"name": "Ann"')
    assert ann(other)["name"] == "Ann"
    assert ann(other)["name"] == "Eve"


def test_a_copy_put_back_in_place_of_the_file_is_seen(store: Store, path: Path) -> None:
    kept = path.with_name("kept.json")
    kept.write_bytes(path.read_bytes())
    change(store)
    kept.replace(path)
    with store.read() as view:
        assert view.get("teams", "blue") is None


def test_the_file_behind_a_symbolic_link_is_replaced_and_not_the_link(
    store: Store, path: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(path)
    change(Store(DurableStorage(link), FORM))
    assert link.is_symlink()
    with store.read() as view:
        assert view.get("teams", "blue") is not None


def test_a_link_that_is_turned_to_another_file_is_followed(
    store: Store, path: Path, tmp_path: Path
) -> None:
    other = tmp_path / "elsewhere" / "db.json"
    other.parent.mkdir()
    other.write_bytes(path.read_bytes())
    link, turned = tmp_path / "link.json", tmp_path / "turned.json"
    link.symlink_to(path)
    early = Store(DurableStorage(link), FORM)
    turned.symlink_to(other)
    turned.replace(link)
    late = Store(DurableStorage(link), FORM)
    for number, (one, another) in enumerate([(early, late), (late, early)]):
        with one.transaction() as transaction:
            transaction.put("teams", str(number), {})
        with another.read() as view:
            assert view.get("teams", str(number)) == {}
    with Store(DurableStorage(other), FORM).read() as view:
        assert view.tables()["teams"].keys() == {"red", "0", "1"}
    with store.read() as view:
        assert view.tables()["teams"].keys() == {"red"}


def test_a_link_that_is_turned_during_a_change_drops_the_change(
    store: Store, path: Path, tmp_path: Path
) -> None:
    other, link = path.with_name("other.json"), tmp_path / "link.json"
    other.write_bytes(path.read_bytes())
    link.symlink_to(path)
    linked = Store(DurableStorage(link), FORM)
    with pytest.raises(StoreUnavailable), linked.transaction() as transaction:
        transaction.put("teams", "blue", {})
        link.unlink()
        link.symlink_to(other)
    for each in (store, linked):
        with each.read() as view:
            assert view.get("teams", "blue") is None


def test_a_link_that_is_turned_while_a_change_waits_is_followed_by_the_change(
    store: Store, path: Path, tmp_path: Path
) -> None:
    other, link = path.with_name("other.json"), tmp_path / "link.json"
    other.write_bytes(path.read_bytes())
    link.symlink_to(path)
    linked = Store(DurableStorage(link), FORM)
    with store.transaction():
        waiting = threading.Thread(target=change, args=[linked])
        waiting.start()
        turned = tmp_path / "turned.json"
        turned.symlink_to(other)
        turned.replace(link)
    waiting.join()
    assert "Blue" in other.read_text()
    assert "Blue" not in path.read_text()


def test_every_file_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        path = tmp_path / "new" / "folder" / "db.json"
        change(Store(DurableStorage(path), FORM))
    finally:
        os.umask(mask)
    assert {each.name: oct(each.stat().st_mode & 0o777) for each in path.parent.iterdir()} == {
        "db.json": "0o600",
        "db.json.lock": "0o600",
    }
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.parent.parent.stat().st_mode & 0o777 == 0o700


def test_what_a_crash_left_beside_the_file_is_in_nobodys_way(store: Store, path: Path) -> None:
    leftover = path.with_name("db.json.tmp")
    leftover.write_bytes(b"half of some")
    leftover.chmod(0o644)
    change(store)
    assert not leftover.exists()
    assert path.stat().st_mode & 0o777 == 0o600
    assert orjson.loads(path.read_bytes())["teams"].keys() == {"red", "blue"}
