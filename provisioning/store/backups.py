"""Backup and restore of a store in a file, also while a server runs."""

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from provisioning.store.errors import OtherForm, StoreDamaged, StoreUnavailable
from provisioning.store.form import Form
from provisioning.store.opening import Place, open_store
from provisioning.store.storage import DurableStorage
from provisioning.store.views import Transaction, View


class BadBackup(Exception):
    """A backup that can't be restored; the text says why, and nothing was changed."""


SQLITE_HEADER = b"SQLite format 3\0"


def back_up(place: Place, target: Path) -> None:
    """Copy a JSON or SQLite file, as it is at one moment, to a new file for its owner alone.

    Raises OSError, also if the new file exists already; nothing is left behind then.
    """
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if place.kind == "file":
                file.write(place.path.read_bytes())
            else:
                _copy_sqlite(place.path, target)
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _copy_sqlite(source: Path, target: Path) -> None:
    import sqlite3  # noqa: PLC0415 - whoever keeps a JSON file needs none of this

    with (
        closing(sqlite3.connect(f"file:{quote(str(source))}?mode=ro", uri=True)) as from_,
        closing(sqlite3.connect(target)) as to,
    ):
        from_.backup(to)


def restore(
    backup: Path,
    place: Place,
    form: Form,
    fit: Callable[[Transaction], object] = lambda transaction: None,
) -> Path | None:
    """Put the records of a backup in place of those of a store.

    `fit` is called in the same transaction, once the records are in.
    Returns the path of a copy of the old store, or None if there was none. The backup is checked
    first, and may be of the other kind. Counters of ids never go back. Raises BadBackup, OSError,
    or StoreUnavailable for the store; nothing was changed then.
    """
    with tempfile.TemporaryDirectory(prefix="provisioning-") as folder:
        # A copy is opened, as opening may write beside a file, and the backup must stay as it is.
        copied = Path(folder) / "backup"
        shutil.copyfile(backup, copied)
        with copied.open("rb") as file:
            kind = "sqlite" if file.read(len(SQLITE_HEADER)) == SQLITE_HEADER else "file"
        try:
            store = open_store(Place(kind, copied), form)
            with closing(store), store.read() as view:
                frozen = view.freeze()
        except StoreDamaged as error:
            where = ", ".join(f"{name} {value}" for name, value in error.place.items())
            problem = error.problem if copied.stat().st_size else "it is empty"
            raise BadBackup(f"{where}: {problem}" if where else problem) from error
        except OtherForm as error:
            raise BadBackup(str(error)) from error
        except StoreUnavailable as error:
            problem = "SQLite can't read it" if kind == "sqlite" else str(error)
            raise BadBackup(problem) from error
    return _put(frozen, place, form, fit)


def _put(
    frozen: View, place: Place, form: Form, fit: Callable[[Transaction], object]
) -> Path | None:
    now = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    copy = place.path.with_name(f"{place.path.name}.before-{now}")
    kept = copy if place.path.exists() else None
    is_damaged = False
    try:
        store = open_store(place, form)
    except StoreDamaged:
        if place.kind != "file":
            raise
        is_damaged = True
        with DurableStorage(place.path).lock():
            back_up(place, copy)
            place.path.unlink()
        store = open_store(place, form)
    with closing(store):
        try:
            with store.transaction() as transaction:
                # In the turn of the change, so that whatever was told before is in the copy.
                if kept is not None and not is_damaged:
                    back_up(place, copy)
                transaction.restore(frozen.counting_from(transaction.ids()))
                fit(transaction)
        except StoreUnavailable as error:
            if not is_damaged and not error.unknown_fate:
                copy.unlink(missing_ok=True)
            raise
    return kept
