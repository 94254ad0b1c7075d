"""The power is cut: at every moment, what may then be on the disk is the old or the new state.

Killing a process does not show a missing fsync, since the operating system keeps what was written.
So here every call that changes the disk is recorded, and for every moment each content is built
that the rules of file systems allow: data that was not synced may be missing, cut off or zeros;
an entry of a folder that was not synced may be there or not, each on its own.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count, product
from pathlib import Path
from typing import Any

from provisioning.store import Disk, DurableStorage, Form, Store, StoreUnavailable, Table, form

Step = tuple[Any, ...]
FORM = Form((Table("numbers"), Table("copies")))


class RecordingDisk(Disk):
    """Does everything, and notes what matters to a disk whose power is cut."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._files = count()
        self._open: dict[int, Path | int] = {}
        self._names: dict[Path, int] = {}

    def open(self, path: Path, flags: int) -> int:
        descriptor = super().open(path, flags)
        self._open[descriptor] = path
        if flags & os.O_CREAT:
            self._open[descriptor] = self._names[path] = next(self._files)
            self.steps.append(("enter", path, self._names[path]))
        return descriptor

    def write(self, descriptor: int, parts: Sequence[memoryview]) -> int:
        data = memoryview(b"".join(parts))
        written = super().write(descriptor, [data[: len(data) // 2 + 1]])
        self.steps.append(("write", self._open[descriptor], bytes(data[:written])))
        return written

    def fsync(self, descriptor: int) -> None:
        super().fsync(descriptor)
        place = self._open[descriptor]
        self.steps.append(("sync folder" if isinstance(place, Path) else "sync", place))

    def replace(self, source: Path, target: Path) -> None:
        super().replace(source, target)
        self._names[target] = self._names.pop(source)
        self.steps.append(("rename", source, target, self._names[target]))

    def unlink(self, path: Path) -> None:
        super().unlink(path)
        self.steps.append(("remove", path))

    def mkdir(self, path: Path) -> None:
        super().mkdir(path)
        self.steps.append(("make", path))


class NoFileSync(RecordingDisk):
    def fsync(self, descriptor: int) -> None:
        if isinstance(self._open[descriptor], Path):
            super().fsync(descriptor)


class NoFolderSync(RecordingDisk):
    def fsync(self, descriptor: int) -> None:
        if not isinstance(self._open[descriptor], Path):
            super().fsync(descriptor)


class RenameFirst(RecordingDisk):
    """Syncs a file only after it has been renamed."""

    def fsync(self, descriptor: int) -> None:
        if isinstance(self._open[descriptor], Path):
            super().fsync(descriptor)

    def replace(self, source: Path, target: Path) -> None:
        super().replace(source, target)
        self.steps.append(("sync", self._names[target]))


Content = dict[Path, bytes | None]
"""What is on the disk: files with their bytes, and folders."""


def after_a_power_cut(steps: Iterable[Step]) -> Iterator[Content]:
    """Every content that the disk may have when the power is cut after these steps."""
    data: dict[int, bytes] = {}
    synced: dict[int, bytes | None] = {}
    entries: dict[Path, int | None] = {}
    waiting: list[Step] = []
    for step in steps:
        match step:
            case ("write", file, more):
                data[file] = data.get(file, b"") + more
            case ("sync", file):
                synced[file] = data[file]
            case ("sync folder", folder):
                for entry in waiting:
                    if entry[1].parent == folder:
                        _enter(entries, entry)
                waiting = [entry for entry in waiting if entry[1].parent != folder]
            case ("acknowledged", *_):
                pass
            case _:
                waiting.append(step)
    for chosen in product((False, True), repeat=len(waiting)):
        names = dict(entries)
        for entry, kept in zip(waiting, chosen, strict=True):
            if kept:
                _enter(names, entry)
        names = {
            path: file
            for path, file in names.items()
            if all(folder in names for folder in path.parents if folder in _made(steps))
        }
        files = [file for file in names.values() if file is not None]
        for contents in product(*(_contents(data.get(f, b""), synced.get(f)) for f in files)):
            by_file = dict(zip(files, contents, strict=True))
            yield {path: None if f is None else by_file[f] for path, f in names.items()}


def _made(steps: Iterable[Step]) -> set[Path]:
    return {step[1] for step in steps if step[0] == "make"}


def _enter(entries: dict[Path, int | None], step: Step) -> None:
    match step:
        case ("make", path):
            entries[path] = None
        case ("enter", path, file):
            entries[path] = file
        case ("remove", path):
            entries.pop(path, None)
        case ("rename", source, target, file):
            entries.pop(source, None)
            entries[target] = file


def _contents(data: bytes, synced: bytes | None) -> set[bytes]:
    """What may be read from a file that was synced with this content, or never."""
    if data == synced:
        return {data}
    half = len(data) // 2
    zeros = b"\0" * (len(data) - half)
    return {synced or b"", data[:half], data[:half] + zeros, b"\0" * half + data[half:], data}


def run(disk: RecordingDisk, folder: Path, changes: int) -> None:
    """Count to a number, noting which one was acknowledged."""
    store = Store(DurableStorage(folder / "made" / "data" / "db.json", disk=disk), FORM)
    for number in range(1, changes + 1):
        with store.transaction() as transaction:
            for table in ("numbers", "copies"):
                transaction.put(table, "n", {"n": number, "filler": "x" * number})
        disk.steps.append(("acknowledged", number))


def violations(
    steps: list[Step], root: Path, open_store: Callable[[Path], Store], since: int = 0
) -> list[str]:
    """What is wrong with the states that power cuts during these steps may leave."""
    wrong = []
    target = root.with_name("states")
    target.mkdir()
    seen: set[tuple[int, frozenset[tuple[Path, bytes | None]]]] = set()
    for moment in range(since, len(steps) + 1):
        acknowledged = max((s[1] for s in steps[:moment] if s[0] == "acknowledged"), default=0)
        for content in after_a_power_cut(steps[:moment]):
            state = acknowledged, frozenset(content.items())
            if state in seen:
                continue
            seen.add(state)
            folder = target / str(len(seen))
            folder.mkdir()
            for path in sorted(content):
                place = folder / path.relative_to(root)
                data = content[path]
                place.mkdir() if data is None else place.write_bytes(data)
            try:
                with open_store(folder).read() as view:
                    found = view.get("numbers", "n"), view.get("copies", "n")
            except StoreUnavailable as error:
                wrong.append(f"after {moment}: {error}")
                continue
            number = found[0]["n"] if found[0] else 0
            if found[0] != found[1]:
                wrong.append(f"after {moment}: half of a change")
            elif number not in (acknowledged, acknowledged + 1):
                wrong.append(f"after {moment}: {number} is there, acknowledged {acknowledged}")
    return wrong


def reopen(folder: Path) -> Store:
    return Store(DurableStorage(folder / "made" / "data" / "db.json"), FORM)


def violations_with(disk: RecordingDisk, tmp_path: Path, changes: int = 2) -> list[str]:
    root = tmp_path / "disk"
    root.mkdir()
    run(disk, root, changes)
    return violations(disk.steps, root, reopen)


def test_after_any_power_cut_there_is_the_old_or_the_new_state(tmp_path: Path) -> None:
    disk = RecordingDisk()
    assert violations_with(disk, tmp_path, changes=4) == []
    assert {"enter", "write", "sync", "rename", "sync folder", "make"} <= {
        step[0] for step in disk.steps
    }


def test_the_model_shows_that_the_fsync_of_the_file_is_needed(tmp_path: Path) -> None:
    found = violations_with(NoFileSync(), tmp_path)
    assert any("damaged" in each for each in found)


def test_the_model_shows_that_the_fsync_of_the_folder_is_needed(tmp_path: Path) -> None:
    found = violations_with(NoFolderSync(), tmp_path)
    assert any("1 is there, acknowledged 2" in each for each in found)
    assert any("0 is there, acknowledged 1" in each for each in found)


def test_the_model_shows_that_the_fsync_must_come_before_the_rename(tmp_path: Path) -> None:
    found = violations_with(RenameFirst(), tmp_path)
    assert any("damaged" in each for each in found)


def test_after_a_power_cut_during_a_migration_there_is_the_old_or_the_new_state(
    tmp_path: Path,
) -> None:
    newer = FORM._replace(steps=(form.Step(),))

    def migrated(folder: Path) -> Store:
        path = folder / "made" / "data" / "db.json"
        return Store(DurableStorage(path), newer)

    root, disk = tmp_path / "disk", RecordingDisk()
    root.mkdir()
    run(disk, root, changes=1)
    before = len(disk.steps)
    path = root / "made" / "data" / "db.json"
    old = path.read_bytes()
    Store(DurableStorage(path, disk=disk), newer)
    new = path.read_bytes()
    assert b'"schema": 2' in new
    assert violations(disk.steps, root, migrated, since=before) == []
    for moment in range(before, len(disk.steps) + 1):
        for content in after_a_power_cut(disk.steps[:moment]):
            if content[path] == new:
                assert content[path.with_name("db.json.v1")] == old
