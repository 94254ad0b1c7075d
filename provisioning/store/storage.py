"""Where the tables are kept: in one file that survives crashes, or in memory.

Both are TinyDB storages with a lock, a signature that changes whenever the content does, and a
`replace` that only replaces what the caller has seen. The file stays an ordinary TinyDB file.
"""

import errno
import os
import threading
import time
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import tinydb.storages
from filelock import FileLock, Timeout

from provisioning.store.errors import Collision, StoreUnavailable, UnknownFate
from provisioning.store.layout import (
    META,
    Content,
    Difference,
    Layout,
    Meta,
    Tables,
    Touched,
    decode,
    difference,
    encode,
)

Signature = Hashable

LOCK_PATIENCE = 5.0
"""Seconds that a transaction waits for its turn."""
_POLL = 0.005
_MOST_PARTS = 1_024
"""So many parts Linux and macOS write with one call."""
_PROBE = b" " * 4096
_BUSY = "The store is busy with other changes. Try again."
_MOUNTED = "The data file is mounted by itself, so that it can't be replaced. Mount its folder."


class Disk:
    """The calls to the operating system on which durability depends, in one replaceable place."""

    def open(self, path: Path, flags: int) -> int:
        return os.open(path, flags, 0o600)

    def write(self, descriptor: int, parts: Sequence[memoryview]) -> int:
        return os.writev(descriptor, parts)

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
        """What is mounted where, as Linux lists it; nothing on other systems."""
        try:
            return Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""


class DurableStorage(tinydb.storages.Storage):
    """One JSON file that is always replaced whole, safe between threads, processes and forks.

    Beside it there are only a lock file, which is never deleted, and during a change a temporary
    file. All of them, and the folder if it has to be made, belong to their owner alone.
    """

    def __init__(
        self, path: str | Path, *, disk: Disk | None = None, patience: float = LOCK_PATIENCE
    ) -> None:
        self._given = Path(path).absolute()
        self._path = Path()
        self._disk = disk or Disk()
        self._patience = patience
        self._resolve()
        self.renew_lock()
        self.unsettled = False
        """Whether a change may be seen in the file and yet be lost by a power cut."""
        with _explained("The folder of the data file can't be made"):
            self._make_folder(self._folder)
        self._require_replaceable()

    def load(self) -> Content | None:
        """What is in the file; None where there is none. Raises StoreDamaged."""
        data = self._data()
        return None if data is None else decode(data)

    def load_after(self, known: Layout) -> Content | Difference | None:
        """What is in the file, if possible as it differs from what is known of it."""
        data = self._data()
        return None if data is None else difference(known, data) or decode(data)

    def _data(self) -> bytes | None:
        with _explained("The data file can't be read"):
            try:
                return self._disk.read(self._given)
            except FileNotFoundError:
                return None

    def read(self) -> Tables | None:
        """The tables of the file: what TinyDB itself calls."""
        content = self.load()
        return None if content is None else content.tables

    def write(self, data: Tables) -> None:
        """Replace the file whatever is in it: what TinyDB itself calls."""
        self._replace([encode(data)], self.signature())

    def signature(self) -> Signature | None:
        """What tells this state of the file from every other; None where there is no file."""
        with _explained("The data file can't be read"):
            try:
                return _signature(self._disk.stat(self._given))
            except FileNotFoundError:
                return None

    def replace(
        self,
        meta: Meta,
        tables: Tables,
        expected: Signature | None,
        known: Layout | None = None,
        touched: Touched | None = None,
    ) -> tuple[Signature, Layout]:
        """Durably put these tables in place of those with the expected signature.

        `known` is the layout of those, and `touched` says which records may have changed since.
        """
        if known is None or touched is None:
            layout = Layout.of(tables)
        else:
            layout = known.changed(tables, touched)
        return self._replace(layout.data(meta), expected), layout

    def _replace(self, data: Iterable[bytes], expected: Signature | None) -> Signature:
        with _explained("The change could not be saved, nothing was changed"):
            try:
                signature = self._write_new(data)
                # Other servers wait for the lock; an editor doesn't.
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
    def lock(self) -> Iterator[None]:
        """Exclude every other thread and process; StoreUnavailable when it takes too long."""
        deadline = time.monotonic() + self._patience
        threads = self._threads
        if not threads.acquire(timeout=self._patience):
            raise StoreUnavailable(_BUSY)
        try:
            with _explained("The store can't be locked"):
                processes = self._lock_file(deadline)
            try:
                yield
            finally:
                processes.release()
        finally:
            threads.release()

    def _lock_file(self, deadline: float) -> FileLock:
        """Lock the file that the path leads to, even if a link is swapped during the waiting."""
        while True:
            self._resolve()
            # FileLock would make a missing folder, and so hide that the data is gone.
            self._disk.stat(self._folder)
            processes = self._processes
            try:
                processes.acquire(timeout=max(0.0, deadline - time.monotonic()))
            except Timeout:
                raise StoreUnavailable(_BUSY) from None
            if not self._resolve():
                return processes
            processes.release()

    def _resolve(self) -> bool:
        """Look where the path leads to; whether that is another place than before."""
        path = Path(os.path.realpath(self._given))
        if path == self._path:
            return False
        self._path, self._folder = path, path.parent
        self._new = path.with_name(path.name + ".tmp")
        self._renew_process_lock()
        return True

    def renew_lock(self) -> None:
        """In a forked child: forget what threads of the parent hold."""
        self._threads = threading.Lock()
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
        """Write a file and remove it. For a holder of the lock; raises StoreUnavailable."""
        self._require_replaceable()
        with _explained("The store can't be written"):
            try:
                self._write_new([_PROBE])
            finally:
                with suppress(OSError):
                    self._disk.unlink(self._new)

    def _require_replaceable(self) -> None:
        """Find out about a file that is mounted by itself, as into a container."""
        escaped = str(self._path)
        for character in "\\ \t\n":
            escaped = escaped.replace(character, f"\\{ord(character):03o}")
        if any(line.split(" ")[4:5] == [escaped] for line in self._disk.mounts().split("\n")):
            raise StoreUnavailable(_MOUNTED)

    def keep_copy(self, label: str) -> None:
        """Keep the file as it is under a name of its own, beside it."""
        with _explained("The data file can't be copied"):
            self._write_new([self._disk.read(self._path)])
            self._disk.replace(self._new, self._path.with_name(f"{self._path.name}.{label}"))
            self._sync_folder(self._folder)

    def _write_new(self, data: Iterable[bytes]) -> Signature:
        """Write the temporary file, of these parts, through to the disk."""
        with suppress(FileNotFoundError):
            self._disk.unlink(self._new)
        descriptor = self._disk.open(self._new, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
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
            # Inodes are used again and clocks are set back, so only a time that always grows tells
            # two states apart. A millisecond: some file systems keep less than nanoseconds.
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


class MemoryStorage(tinydb.storages.MemoryStorage):
    """The same in memory, for tests and experiments; several stores may share one."""

    memory: Tables | None

    def __init__(self, *, patience: float = LOCK_PATIENCE) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._version = 0
        self._patience = patience
        self._threads = threading.Lock()
        self.unsettled = False

    def write(self, data: Tables) -> None:
        """Replace the tables whatever they are: what TinyDB itself calls."""
        self._replace(data, self.signature())

    def signature(self) -> Signature | None:
        """What tells this state from every other; None before the first."""
        return self._version or None

    def load(self) -> Content | None:
        """What is in memory; None before the first."""
        return None if self.memory is None else Content(self.memory)

    def load_after(self, known: Layout) -> Content | None:
        """The same: nothing has to be read from memory."""
        return self.load()

    def replace(
        self,
        meta: Meta,
        tables: Tables,
        expected: Signature | None,
        known: Layout | None = None,
        touched: Touched | None = None,
    ) -> tuple[Signature, None]:
        """Put these tables in place of those with the expected signature."""
        return self._replace({META: {"1": meta}, **tables}, expected), None

    def _replace(self, tables: Tables, expected: Signature | None) -> Signature:
        if self.signature() != expected:
            raise Collision("The data was changed during this change. Try again.")
        self.memory = tables
        self._version += 1
        return self._version

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Exclude every other thread; StoreUnavailable when it takes too long."""
        if not self._threads.acquire(timeout=self._patience):
            raise StoreUnavailable(_BUSY)
        try:
            yield
        finally:
            self._threads.release()

    def renew_lock(self) -> None:
        """In a forked child: forget threads that only the parent has."""
        self._threads = threading.Lock()

    def probe(self) -> None:
        """Memory can always be written."""

    def keep_copy(self, label: str) -> None:
        """Memory keeps no copies: nothing of it outlives the process."""


def _signature(stat: os.stat_result) -> Signature:
    return (stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_size)


@contextmanager
def _explained(what: str, kind: type[StoreUnavailable] = StoreUnavailable) -> Iterator[None]:
    """Turn an error of the operating system into one that can be shown."""
    try:
        yield
    except OSError as error:
        text = f"{what}: {error.strerror or 'unknown error'}."
        raise kind(_MOUNTED if error.errno == errno.EBUSY else text) from error
