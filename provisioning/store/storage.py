"""Storages, which keep the tables: in one file that survives crashes, or in memory.

Both have a lock, a signature that changes whenever the content does, and a `replace` that replaces
nothing but the content that the caller knows. The file is an ordinary TinyDB file, and its storage
one of TinyDB's.
"""

import codecs
import errno
import json
import os
import threading
import time
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import tinydb.storages
from filelock import FileLock, Timeout

from provisioning.store.errors import Collision, StoreBusy, StoreUnavailable, UnknownFate
from provisioning.store.layout import (
    META,
    Content,
    Difference,
    Layout,
    Meta,
    Tables,
    decode,
    difference,
    encode,
)
from provisioning.store.turns import BUSY, Turns

Signature = Hashable

LOCK_PATIENCE = 5.0
"""Seconds for which a transaction waits for the lock."""
_POLL = 0.005
_MOST_PARTS = 1_024
"""The most parts that Linux and macOS write in one call."""
REREAD = "The file has changed since it was read. Nothing was written: repeat the change."
NOT_READ = (
    "Nothing was written: these tables don't come from the file. To remove all records of a table, "
    "truncate it."
)
_PROBE = b" " * 4096
_MOUNTED = "The data file is mounted by itself, so that it can't be replaced. Mount its folder."


def reserve(descriptor: int, size: int) -> None:
    """Take so many bytes of the disk for a file, without writing them; OSError where there are
    less. macOS can't tell."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)


class Disk:
    """The system calls on which durability depends. Tests replace this object to make them fail."""

    def open(self, path: Path, flags: int) -> int:
        return os.open(path, flags, 0o600)

    def write(self, descriptor: int, parts: Sequence[memoryview]) -> int:
        return os.writev(descriptor, parts)

    def reserve(self, descriptor: int, size: int) -> None:
        reserve(descriptor, size)

    def fsync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def utime(self, descriptor: int, nanoseconds: int) -> None:
        os.utime(descriptor, ns=(nanoseconds, nanoseconds))

    def stat(self, place: Path | int) -> os.stat_result:
        return os.fstat(place) if isinstance(place, int) else place.stat()

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def read(self, path: Path) -> bytes:
        return path.read_bytes()

    def replace(self, source: Path, target: Path) -> None:
        source.replace(target)

    def unlink(self, path: Path) -> None:
        path.unlink()

    def mkdir(self, path: Path) -> None:
        path.mkdir(0o700)

    def mounts(self) -> str:
        """Linux's list of what is mounted where; empty on other systems."""
        try:
            return Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""


class TablesRead(dict[str, dict[str, Any]]):
    """Tables that TinyDB has read. It changes them, and hands this very object to `write`."""

    def __init__(self, tables: Tables, signature: Signature | None) -> None:
        super().__init__(tables)
        self.note(signature)

    def note(self, signature: Signature | None) -> None:
        """These tables are now the content that has this signature."""
        self.signature = signature
        self._documents = {name: dict(table) for name, table in self.items()}

    def require_own_places(self) -> None:
        """Collision if another document has been put in the place of one that was read.

        TinyDB changes a document within the object that was read, but replaces it if a table has
        reckoned with a free id that has been taken since.
        """
        for name, known in self._documents.items():
            for number, document in self.get(name, {}).items():
                before = known.get(number, document)
                if before is not document and before != document:
                    raise Collision(
                        f"{name}: another record has the document id {number} meanwhile. Nothing "
                        "was written. Open the TinyDB anew, and repeat the change."
                    )


class DurableStorage(tinydb.storages.Storage):
    """One JSON file that is always replaced whole, safe between threads, processes and forks.

    One Store of a process uses it, and whoever opens the file with TinyDB beside a running server:
    `TinyDB(path, storage=DurableStorage)`. It takes the arguments of TinyDB's JSONStorage; those
    for `json.dumps` say how to write values that JSON doesn't know, but the file keeps its form.

    Beside it there are only a lock file, which is never deleted, and during a change a temporary
    file. All of them, and the folder if it has to be made, belong to their owner alone.
    """

    def __init__(
        self,
        path: str | Path,
        create_dirs: bool = True,
        encoding: str | None = None,
        access_mode: str = "r+",
        *,
        disk: Disk | None = None,
        patience: float = LOCK_PATIENCE,
        **dumping: Any,
    ) -> None:
        if encoding is not None and codecs.lookup(encoding).name not in ("utf-8", "ascii"):
            raise ValueError("the file is UTF-8, whatever `encoding` says: leave it out")
        self._may_write = not {"+", "w", "a"}.isdisjoint(access_mode)
        self._dumping = dumping
        self._given = Path(path).absolute()
        self._path = Path()
        self._disk = disk or Disk()
        self._patience = patience
        self._resolve()
        self.renew_lock()
        self.unsettled = False
        """Whether the file shows a change that a power cut may still undo."""
        with _explained("The folder of the data file can't be made"):
            self._make_folder(self._folder)
        self._require_replaceable()

    def load(self) -> Content | None:
        """The content of the file; None if there is no file. Raises StoreDamaged."""
        data = self._data()
        return None if data is None else decode(data)

    def load_after(self, known: Layout) -> Content | Difference | None:
        """The content of the file or, if a store wrote it, its difference from the known one."""
        data = self._data()
        return None if data is None else difference(known, data) or decode(data)

    def _data(self) -> bytes | None:
        with _explained("The data file can't be read"):
            try:
                return self._disk.read(self._given)
            except FileNotFoundError:
                return None

    def read(self) -> Tables | None:
        """The tables of the file; TinyDB itself calls this."""
        # Before the content: if that is replaced in between, a write is refused.
        signature, data = self.signature(), self._data()
        return TablesRead(decode(data).tables, signature) if data else None

    def write(self, data: Tables) -> None:
        """Replace the file by tables that `read` has returned; TinyDB itself calls this.

        Raises Collision if the file has changed since, if a record would be put in the place of
        another, and for tables that come from no read, as those of `drop_tables()`.
        """
        if not self._may_write:
            raise OSError("The file can't be written: the access mode is for reading.")
        encoded = encode(orjson.loads(json.dumps(data, **self._dumping)))
        read = data if isinstance(data, TablesRead) else None
        with self.lock():
            signature = self.signature()
            if read is not None:
                read.require_own_places()
            if signature != (read and read.signature) and self._data():
                raise Collision(NOT_READ if read is None else REREAD)
            signature = self._replace([encoded], signature)
            if read is not None:
                read.note(signature)

    def signature(self) -> Signature | None:
        """A value that differs for each state of the file; None if there is no file."""
        with _explained("The data file can't be read"):
            try:
                return _signature(self._disk.stat(self._given))
            except FileNotFoundError:
                return None

    def replace(
        self, meta: Meta, tables: Tables, expected: Signature | None, layout: Layout | None = None
    ) -> Signature:
        """Durably put these tables by document id, or their bytes, in place of those with the
        expected signature."""
        return self._replace((layout or Layout.of(tables)).data(meta), expected)

    def _replace(self, data: Iterable[bytes], expected: Signature | None) -> Signature:
        with _explained("The change could not be saved, nothing was changed"):
            try:
                signature = self._write_new(data)
                # Other servers respect the lock, but an editor doesn't.
                if self.signature() != expected:
                    raise Collision(
                        "The data file was edited during this change, which was dropped. Try again."
                    )
                self.unsettled = True
                self._disk.replace(self._new, self._path)
            except BaseException:
                with suppress(OSError):
                    self._disk.unlink(self._new)
                raise
        with _explained("The change may or may not have been kept", UnknownFate):
            self._sync_folder(self._folder)
        self.unsettled = False
        return signature

    @contextmanager
    def lock(self, *, is_patient: bool = False, waits: bool = True) -> Iterator[Any]:
        """Exclude every other thread and process; StoreBusy when it takes too long.

        The block gets what `lend_lock` was given if another thread lends the lock, else None.
        `is_patient`: wait for as long as it takes. `waits=False`: don't wait.
        """
        patience = None if is_patient else self._patience if waits else 0.0
        deadline = None if patience is None else time.monotonic() + patience
        lent = self._threads.take(patience)
        try:
            if lent is not None and not waits:
                raise StoreBusy(BUSY)  # until it is written
            if lent is not None:
                yield lent
                return
            with _explained("The store can't be locked"):
                processes = self._lock_file(deadline)
            try:
                yield None
            finally:
                processes.release()
        finally:
            self._threads.end()

    def lend_lock(self, lent: Any) -> None:
        """Let the threads that wait for the lock have it, one by one, and then take it back.

        Only a holder of the lock may call this. Each of those threads gets `lent`. One that keeps
        the lock for too long loses it, and must not change the file any more.
        """
        self._threads.lend(lent, self._patience)

    def _lock_file(self, deadline: float | None) -> FileLock:
        """Lock the file to which the path leads, even if a link changes while we wait."""
        while True:
            self._resolve()
            # Raises an error for a missing folder: FileLock would make it, and hide the loss.
            self._disk.stat(self._folder)
            processes = self._processes
            try:
                left = -1 if deadline is None else max(0.0, deadline - time.monotonic())
                processes.acquire(timeout=left)
            except Timeout:
                raise StoreBusy(BUSY) from None
            if not self._resolve():
                return processes
            processes.release()

    def _resolve(self) -> bool:
        """Follow links in the path to the file; returns whether they lead elsewhere than before."""
        path = Path(os.path.realpath(self._given))
        if path == self._path:
            return False
        self._path, self._folder = path, path.parent
        self._new = path.with_name(path.name + ".tmp")
        self._renew_process_lock()
        return True

    def renew_lock(self) -> None:
        """In a forked child: forget what threads of the parent hold."""
        self._threads = Turns()
        self._renew_process_lock()

    def _renew_process_lock(self) -> None:
        self._processes = FileLock(
            self._path.with_name(self._path.name + ".lock"),
            mode=0o600,
            thread_local=False,
            poll_interval=_POLL,
            preserve_lock_file=True,
        )

    def probe(self) -> None:
        """Write a file and remove it, with room for one as large as that which is there.

        For a holder of the lock; raises StoreUnavailable.
        """
        self._require_replaceable()
        with _explained("The store can't be written"):
            try:
                self._write_new([_PROBE], self._disk.stat(self._path).st_size)
            finally:
                with suppress(OSError):
                    self._disk.unlink(self._new)

    def _require_replaceable(self) -> None:
        """StoreUnavailable for a file that is mounted by itself, which can't be replaced."""
        escaped = str(self._path)
        for character in "\\ \t\n":
            escaped = escaped.replace(character, f"\\{ord(character):03o}")
        if any(line.split(" ")[4:5] == [escaped] for line in self._disk.mounts().split("\n")):
            raise StoreUnavailable(_MOUNTED)

    def keep_copy(self, label: str) -> None:
        """Copy the file to one beside it, whose name ends with the label, over nothing."""
        names = (f"{self._path.name}.{label}{'' if n == 1 else f'-{n}'}" for n in count(1))
        copies = map(self._path.with_name, names)
        with _explained("The data file can't be copied"):
            data = self._disk.read(self._path)
            copy = next(each for each in copies if not each.exists() or each.read_bytes() == data)
            if not copy.exists():
                self._write_new([data])
                self._disk.replace(self._new, copy)
                self._sync_folder(self._folder)

    def _write_new(self, data: Iterable[bytes], size: int = 0) -> Signature:
        """Write these parts to the temporary file and to the disk; returns its signature.

        `size`: for how many bytes there has to be room at least.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        try:
            descriptor = self._disk.open(self._new, flags)
        except FileExistsError:  # left by a crash
            self._disk.unlink(self._new)
            descriptor = self._disk.open(self._new, flags)
        try:
            if size:
                self._disk.reserve(descriptor, size)
            parts = [memoryview(part) for part in data]
            while parts:
                written = self._disk.write(descriptor, parts[:_MOST_PARTS])
                while parts and written >= len(parts[0]):
                    written -= len(parts.pop(0))
                if written:
                    parts[0] = parts[0][written:]
            try:
                old = self._disk.stat(self._path).st_mtime_ns
            except FileNotFoundError:
                old = 0
            # Inodes are reused and clocks are set back, so only a time that always grows makes two
            # signatures differ. By a millisecond, as some file systems don't keep nanoseconds.
            self._disk.utime(descriptor, max(time.time_ns(), old + 1_000_000))
            self._disk.fsync(descriptor)
            return _signature(self._disk.stat(descriptor))
        finally:
            self._disk.close(descriptor)

    def _sync_folder(self, folder: Path) -> None:
        descriptor = self._disk.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._disk.fsync(descriptor)
        finally:
            self._disk.close(descriptor)

    def _make_folder(self, folder: Path) -> None:
        try:
            self._disk.stat(folder)
        except FileNotFoundError:
            self._make_folder(folder.parent)
            with suppress(FileExistsError):
                self._disk.mkdir(folder)
            self._sync_folder(folder.parent)


class MemoryStorage:
    """A storage in memory, for tests and experiments. Several stores may share one."""

    def __init__(self, *, patience: float = LOCK_PATIENCE) -> None:
        self.memory: Tables | None = None
        self._version = 0
        self._patience = patience
        self._threads = threading.Lock()
        self.unsettled = False

    def signature(self) -> Signature | None:
        """A value that differs for each state; None before anything is written."""
        return self._version or None

    def load(self) -> Content | None:
        """The content; None before anything is written."""
        return None if self.memory is None else Content(self.memory)

    def replace(
        self, meta: Meta, tables: Tables, expected: Signature | None, layout: Layout | None = None
    ) -> Signature:
        """Put these tables, here by key, in place of those with the expected signature."""
        return self._replace({META: {"1": meta}, **tables}, expected)

    def _replace(self, tables: Tables, expected: Signature | None) -> Signature:
        if self.signature() != expected:
            raise Collision("The data was changed during this change. Try again.")
        self.memory = tables
        self._version += 1
        return self._version

    @contextmanager
    def lock(self, *, is_patient: bool = False, waits: bool = True) -> Iterator[None]:
        """Exclude all other threads; StoreBusy if this takes too long."""
        if not self._threads.acquire(timeout=-1 if is_patient else self._patience if waits else 0):
            raise StoreBusy(BUSY)
        try:
            yield
        finally:
            self._threads.release()

    def lend_lock(self, lent: Any) -> None:
        """Do nothing: a write to memory takes no time that others could share."""

    def renew_lock(self) -> None:
        """Make a new lock, for a forked child: a thread of the parent may have held the old one."""
        self._threads = threading.Lock()

    def close(self) -> None:
        """Nothing to do: other stores may share it."""

    def probe(self) -> None:
        """Nothing to do: memory can always be written."""

    def keep_copy(self, label: str) -> None:
        """Nothing to do: a copy would end with the process."""


def _signature(stat: os.stat_result) -> Signature:
    return (stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_size)


@contextmanager
def _explained(what: str, kind: type[StoreUnavailable] = StoreUnavailable) -> Iterator[None]:
    """Turn an error of the operating system, raised in this block, into one that can be shown."""
    try:
        yield
    except OSError as error:
        text = f"{what}: {error.strerror or 'unknown error'}."
        raise kind(_MOUNTED if error.errno == errno.EBUSY else text) from error
