"""A disk of which single calls fail."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from provisioning.store import Disk


class FailingDisk(Disk):
    """Fails the calls that it is told to; the folder's fsync is a call of its own."""

    def __init__(self) -> None:
        self.failing: dict[str, int] = {}
        self.calls: list[str] = []
        self._folders: set[int] = set()

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if name in self.failing:
            raise OSError(self.failing[name], os.strerror(self.failing[name]), "/secret/path")

    def open(self, path: Path, flags: int) -> int:
        self._call("open")
        descriptor = super().open(path, flags)
        if flags & os.O_DIRECTORY:
            self._folders.add(descriptor)
        return descriptor

    def write(self, descriptor: int, parts: Sequence[memoryview]) -> int:
        data = memoryview(b"".join(parts))
        # Half of it is written before the disk fails, or by a call that does not fail.
        written = super().write(descriptor, [data[: len(data) // 2 + 1]])
        self._call("write")
        return written

    def reserve(self, descriptor: int, size: int) -> None:
        self._call("reserve")
        super().reserve(descriptor, size)

    def fsync(self, descriptor: int) -> None:
        self._call("fsync folder" if descriptor in self._folders else "fsync")
        super().fsync(descriptor)

    def utime(self, descriptor: int, nanoseconds: int) -> None:
        self._call("utime")
        super().utime(descriptor, nanoseconds)

    def stat(self, place: Path | int) -> os.stat_result:
        self._call("stat")
        return super().stat(place)

    def close(self, descriptor: int) -> None:
        self._folders.discard(descriptor)
        super().close(descriptor)
        self._call("close")

    def read(self, path: Path) -> bytes:
        self._call("read")
        time.sleep(0.01)
        return super().read(path)

    def replace(self, source: Path, target: Path) -> None:
        self._call("replace")
        super().replace(source, target)

    def unlink(self, path: Path) -> None:
        self._call("unlink")
        super().unlink(path)
