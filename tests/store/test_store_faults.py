"""The disk fails: every call that matters, in every way that it does. Reads go on, nothing
acknowledged is lost, nothing is half-done, and when the cause is gone writing works again."""

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from provisioning.store import Disk, DurableStorage, Form, Store, StoreUnavailable, layout
from tests.disks import full

from .conftest import FORM
from .failing_disk import FailingDisk

CAUSES = [errno.EIO, errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT]


@pytest.fixture
def store(path: Path, disk: FailingDisk) -> Store:
    store = Store(DurableStorage(path, disk=disk, patience=0.2), FORM)
    put(store, 0)
    return store


def put(store: Store, number: int) -> None:
    with store.transaction() as transaction:
        transaction.put("teams", "red", {"number": number})
        transaction.put("people", "ann", {"number": number, "team": "red"})


def number(store: Store) -> int:
    """The last number that was put, which is the same in both tables."""
    with store.read() as view:
        numbers = {
            record["number"] for table in view.tables().values() for record in table.values()
        }
    assert len(numbers) == 1
    return int(numbers.pop())


def reopened(path: Path) -> int:
    return number(Store(DurableStorage(path), FORM))


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: errno.errorcode[cause])
@pytest.mark.parametrize("call", ["open", "write", "utime", "fsync", "close", "replace"])
def test_a_failure_before_the_file_is_in_place_leaves_the_old_state(
    store: Store, disk: FailingDisk, path: Path, call: str, cause: int
) -> None:
    disk.failing = {call: cause}
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="nothing was changed") as error:
            put(store, 1)
        assert os.strerror(cause) in str(error.value)
        assert not error.value.unknown_fate
        assert "secret" not in str(error.value)
        assert number(store) == reopened(path) == 0
        assert not path.with_name("db.json.tmp").exists()
    disk.failing = {}
    put(store, 2)
    assert number(store) == reopened(path) == 2


def test_a_file_of_more_parts_than_one_call_takes_is_written_whole(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "_LARGE", 1)
    people = {str(number): {"number": number, "team": None} for number in range(1_100)}
    store = Store(DurableStorage(path), FORM)
    with store.transaction() as transaction:
        for key, person in people.items():
            transaction.put("people", key, person)
    monkeypatch.undo()
    with Store(DurableStorage(path), FORM).read() as view:
        assert view.tables()["people"] == people


def test_a_failed_fsync_of_the_file_is_not_tried_again_on_the_same_file(
    store: Store, disk: FailingDisk
) -> None:
    disk.failing = {"fsync": errno.EIO}
    disk.calls.clear()
    with pytest.raises(StoreUnavailable):
        put(store, 1)
    assert disk.calls.count("fsync") == 1
    assert "replace" not in disk.calls


def test_a_failed_fsync_of_the_folder_leaves_it_open_which_state_stays(
    store: Store, disk: FailingDisk, path: Path
) -> None:
    disk.failing = {"fsync folder": errno.EIO}
    disk.calls.clear()
    with pytest.raises(StoreUnavailable, match="may or may not have been kept") as error:
        put(store, 1)
    assert error.value.unknown_fate
    assert disk.calls.count("fsync folder") == 1
    assert number(store) == reopened(path)
    disk.failing = {}
    put(store, 2)
    assert number(store) == reopened(path) == 2


def test_a_change_by_another_process_is_loaded_once_and_seen_by_all_who_ask(
    store: Store, disk: FailingDisk, path: Path
) -> None:
    put(Store(DurableStorage(path), FORM), 1)
    disk.calls.clear()
    together = threading.Barrier(4)

    def read(_: int) -> int:
        together.wait()
        return number(store)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(read, range(4))) == [1, 1, 1, 1]
    assert disk.calls.count("read") == 1


def test_no_reader_sees_a_change_before_it_is_durable(store: Store, disk: FailingDisk) -> None:
    seen: list[int] = []
    reader = threading.Thread(target=lambda: seen.append(number(store)))

    def sync_folder(descriptor: int) -> None:
        if descriptor in disk._folders:
            reader.start()
            reader.join(0.2)
            assert seen in ([], [0])

    disk.fsync = sync_folder  # type: ignore[method-assign]
    put(store, 1)
    reader.join()
    assert seen in ([0], [1])
    assert number(store) == 1


def test_the_time_of_the_file_grows_when_the_clock_is_set_back(store: Store, path: Path) -> None:
    future = time.time_ns() + 10**15
    os.utime(path, ns=(future, future))
    times = [path.stat().st_mtime_ns]
    for each in range(1, 4):
        put(store, each)
        times.append(path.stat().st_mtime_ns)
    assert times == sorted(set(times))


def test_repeating_a_change_whose_folder_was_not_synced_is_not_acknowledged_without_a_sync(
    store: Store, disk: FailingDisk
) -> None:
    disk.failing = {"fsync folder": errno.EIO}
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            put(store, 1)
    disk.failing = {}
    disk.calls.clear()
    put(store, 1)
    assert disk.calls.index("fsync") < disk.calls.index("replace")
    assert disk.calls.index("replace") < disk.calls.index("fsync folder")
    disk.calls.clear()
    put(store, 1)
    assert "fsync" not in disk.calls


def test_leftovers_that_can_not_be_removed_stop_writes_until_they_can(
    store: Store, disk: FailingDisk, path: Path
) -> None:
    path.with_name("db.json.tmp").write_text("left by a crash")
    disk.failing = {"unlink": errno.EACCES}
    with pytest.raises(StoreUnavailable):
        put(store, 1)
    assert number(store) == reopened(path) == 0
    disk.failing = {}
    put(store, 1)
    assert number(store) == reopened(path) == 1


@pytest.mark.parametrize("cause", [errno.EIO, errno.ENOENT, errno.EACCES])
@pytest.mark.parametrize("call", ["stat", "read"])
def test_reads_go_on_when_the_file_can_not_be_read(
    store: Store, disk: FailingDisk, path: Path, call: str, cause: int
) -> None:
    put(Store(DurableStorage(path), FORM), 1)
    disk.failing = {call: cause}
    assert number(store) == 0
    with pytest.raises(StoreUnavailable):
        put(store, 2)
    with pytest.raises(StoreUnavailable):
        store.probe()
    assert number(store) == 0
    disk.failing = {}
    assert number(store) == 1
    put(store, 2)
    assert number(store) == reopened(path) == 2


@pytest.mark.parametrize("call", ["stat", "read", "open", "write", "fsync", "replace"])
def test_a_store_that_can_not_be_begun_says_so_and_leaves_nothing_half_done(
    disk: FailingDisk, path: Path, call: str
) -> None:
    disk.failing = {call: errno.EROFS}
    with pytest.raises(StoreUnavailable):
        Store(DurableStorage(path, disk=disk), FORM)
    assert not path.exists()
    disk.failing = {}
    put(Store(DurableStorage(path, disk=disk), FORM), 1)
    assert reopened(path) == 1


def test_a_store_in_a_read_only_folder_can_be_opened_and_read(store: Store, path: Path) -> None:
    disk = FailingDisk()
    disk.failing = dict.fromkeys(["open", "replace", "unlink"], errno.EROFS)
    other = Store(DurableStorage(path, disk=disk), FORM)
    assert number(other) == 0
    with pytest.raises(StoreUnavailable, match="Read-only"):
        put(other, 1)
    assert number(other) == 0


@pytest.mark.parametrize("call", ["open", "reserve", "write", "utime", "fsync"])
def test_the_probe_notices_what_would_stop_a_write(
    store: Store, disk: FailingDisk, path: Path, call: str
) -> None:
    disk.failing = {call: errno.EROFS}
    with pytest.raises(StoreUnavailable):
        store.probe()
    disk.failing = {}
    store.probe()
    assert sorted(each.name for each in path.parent.iterdir()) == ["db.json", "db.json.lock"]


def test_a_file_that_is_gone_is_not_taken_for_an_empty_store(store: Store, path: Path) -> None:
    kept = path.rename(path.with_name("kept.json"))
    for _ in range(2):
        assert number(store) == 0
        with pytest.raises(StoreUnavailable, match="gone"):
            put(store, 1)
        with pytest.raises(StoreUnavailable, match="gone"):
            store.probe()
    assert not path.exists()
    kept.rename(path)
    put(store, 1)
    assert number(store) == reopened(path) == 1


def test_a_folder_that_is_gone_is_not_made_again_by_a_running_store(
    store: Store, path: Path
) -> None:
    away = path.parent.rename(path.parent.with_name("away"))
    assert number(store) == 0
    with pytest.raises(StoreUnavailable):
        put(store, 1)
    with pytest.raises(StoreUnavailable):
        store.probe()
    assert not path.parent.exists()
    away.rename(path.parent)
    put(store, 1)
    assert number(store) == reopened(path) == 1


def test_a_folder_that_is_gone_for_good_is_a_new_store_at_the_next_start(
    store: Store, path: Path
) -> None:
    shutil.rmtree(path.parent)
    fresh = Store(DurableStorage(path), FORM)
    put(fresh, 5)
    assert number(store) == 5


@pytest.mark.parametrize("parent", ["file", "nothing/file"])
def test_a_folder_that_can_not_be_made_is_reported(tmp_path: Path, parent: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "nothing").symlink_to(tmp_path / "file")
    with pytest.raises(StoreUnavailable, match="Not a directory"):
        Store(DurableStorage(tmp_path / parent / "db.json"), FORM)


def test_a_folder_in_place_of_the_file_is_reported(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(StoreUnavailable, match="read"):
        Store(DurableStorage(path), FORM)


LIMITED = """
import json, resource, sys
from provisioning.store import DurableStorage, Form, Store, StoreUnavailable, Table

store = Store(DurableStorage(sys.argv[1]), Form((Table("teams"),)))
says = []

def put(key, text):
    try:
        with store.transaction() as transaction:
            transaction.put("teams", key, {"text": text})
    except StoreUnavailable as error:
        says.append(str(error))

put("a", "x" * 100)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
put("b", "x" * 2000)
put("c", "x" * 100)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
put("d", "x" * 2000)
with store.read() as view:
    print(json.dumps({"errors": says, "kept": list(view.tables()["teams"])}))
"""


def test_a_file_size_limit_stops_only_what_does_not_fit(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=True
    )
    result = json.loads(done.stdout)
    assert len(result["errors"]) == 1
    assert os.strerror(errno.EFBIG) in result["errors"][0]
    assert result["kept"] == ["a", "c", "d"]
    with Store(DurableStorage(path), Form((FORM.tables[0],))).read() as view:
        assert list(view.tables()["teams"]) == ["a", "c", "d"]


@pytest.mark.parametrize("name", ["db.json", "d b\\\t.json"])
def test_a_file_that_is_mounted_by_itself_is_found_out_at_the_start_and_by_the_probe(
    tmp_path: Path, name: str
) -> None:
    class MountingDisk(Disk):
        mounted = ""

        def mounts(self) -> str:
            return f"36 35 98:0 /other/db.json {self.mounted} rw - ext4 /dev/vda rw\n"

    path, disk = tmp_path / name, MountingDisk()
    store = Store(DurableStorage(path, disk=disk), FORM)
    store.probe()
    disk.mounted = str(path).replace("\\", "\\134").replace(" ", "\\040").replace("\t", "\\011")
    with pytest.raises(StoreUnavailable, match="Mount its folder"):
        store.probe()
    with pytest.raises(StoreUnavailable, match="Mount its folder"):
        Store(DurableStorage(path, disk=disk), FORM)


def test_a_change_of_a_file_that_can_not_be_replaced_says_what_to_mount(
    store: Store, disk: FailingDisk
) -> None:
    disk.failing = {"replace": errno.EBUSY}
    with pytest.raises(StoreUnavailable, match="Mount its folder"):
        put(store, 1)
    assert number(store) == 0


def test_a_file_that_is_really_mounted_by_itself_is_found_out(tmp_path: Path) -> None:
    path = tmp_path / "db.json"
    store = Store(DurableStorage(path), FORM)
    mount = ["/bin/mount", "--bind", str(path), str(path)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a file needs root")
    try:
        with pytest.raises(StoreUnavailable, match="Mount its folder"):
            put(store, 1)
        with pytest.raises(StoreUnavailable, match="Mount its folder"):
            store.probe()
        with pytest.raises(StoreUnavailable, match="Mount its folder"):
            Store(DurableStorage(path), FORM)
    finally:
        subprocess.run(["/bin/umount", str(path)], check=True)
    put(store, 1)
    assert number(store) == reopened(path) == 1


def test_a_full_disk_stops_writes_until_there_is_room_again(small_disk: Path) -> None:
    path = small_disk / "db.json"
    store = Store(DurableStorage(path), FORM)
    put(store, 1)
    with full(small_disk):
        with pytest.raises(StoreUnavailable, match="No space left"):
            put(store, 2)
        with pytest.raises(StoreUnavailable, match="No space left"):
            store.probe()
        assert number(store) == reopened(path) == 1
    store.probe()
    put(store, 2)
    assert number(store) == reopened(path) == 2


def test_a_store_is_not_ready_while_its_file_could_not_be_written_once_more(
    small_disk: Path,
) -> None:
    store = Store(DurableStorage(small_disk / "db.json"), FORM)
    with store.transaction() as transaction:
        transaction.put("teams", "red", {"text": "x" * 100_000})
    with full(small_disk, but=50_000):
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="No space left"):
                store.probe()
    with full(small_disk, but=150_000):
        store.probe()
        put(store, 1)
