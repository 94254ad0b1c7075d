"""Files that hold what is nobody else's: readable for their owner alone, and whole or not there."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


@contextmanager
def explained(file: Path, option: str = "") -> Iterator[None]:
    """Let the command end with what is wrong with a file, which an `option` may have named."""
    try:
        yield
    except OSError as error:
        named = f"{option}{error.filename or file}"
        raise click.ClickException(f"{named}: {error.strerror}.") from error


def require_free(path: Path, is_forced: bool) -> None:
    """An error if a file can't be written here, before anybody is asked for what goes in."""
    if path.is_dir() or (path.exists() and not path.is_file()):
        raise click.ClickException(f"{path}: is no ordinary file. Name another.")
    if os.path.lexists(path) and not is_forced:
        raise click.ClickException(f"{path}: exists. Name another file, or overwrite it: --force.")
    if not path.parent.is_dir():
        raise click.ClickException(f"{path}: there is no folder {path.parent}.")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise click.ClickException(f"{path}: you may not write into {path.parent}.")


def write(path: Path, content: bytes, is_forced: bool) -> None:
    """Write a file through to the disk; OSError, which names `path`, if that can't be done.

    If `is_forced`, it takes the place of what is there; of a link, not of what that leads to.
    """
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
        raise OSError(error.errno, error.strerror, str(path)) from error
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
