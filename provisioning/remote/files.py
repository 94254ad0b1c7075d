"""Files that hold what a tenant has: their owner's alone, and whole or not there."""

import errno
import os
import tempfile
from pathlib import Path

from provisioning.remote.errors import CannotBeDone


def require_free(path: Path, is_forced: bool) -> None:
    """CannotBeDone if a file can't be written here, before anybody is asked for what goes in."""
    if path.is_dir() or (path.exists() and not path.is_file()):
        raise CannotBeDone(f"{path}: is no ordinary file. Name another.")
    if os.path.lexists(path) and not is_forced:
        raise CannotBeDone(f"{path}: exists. Name another file, or overwrite it with --force.")
    if not path.parent.is_dir():
        raise CannotBeDone(f"{path}: there is no folder {path.parent}.")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise CannotBeDone(f"{path}: you may not write into {path.parent}.")


def write(path: Path, content: bytes, is_forced: bool) -> None:
    """Write a file that only its owner can read, through to the disk: all of it or nothing."""
    beside = None
    try:
        descriptor, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        if is_forced or not _is_linked(beside, path):
            Path(beside).replace(path)
    except OSError as error:
        raise CannotBeDone(f"{path}: {error.strerror}.") from error
    finally:
        if beside is not None:
            Path(beside).unlink(missing_ok=True)


def _is_linked(beside: str, path: Path) -> bool:
    """Give a new file its name, if nothing has that; False where the file system knows no links."""
    try:
        os.link(beside, path)
    except OSError as error:
        if error.errno not in NO_LINKS or os.path.lexists(path):
            raise
        return False
    return True


NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
