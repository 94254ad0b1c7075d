"""Copying a whole store to another place, of the same kind or another."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from provisioning.store.documents import Documents
from provisioning.store.errors import StoreUnavailable
from provisioning.store.form import Form
from provisioning.store.layout import META
from provisioning.store.opening import Place, open_store
from provisioning.store.query import Record
from provisioning.store.storage import DurableStorage
from provisioning.store.store import COPYING, is_unfinished, require_form
from provisioning.store.views import View

NOT_EMPTY = "There are records in it already. Nothing was changed."
Contents = Iterable[tuple[str, Record]]
Progress = Callable[[int], object]


def copy(
    source: Place,
    target: Place,
    form: Form,
    begin: Callable[[int], Progress] = lambda total: lambda done: None,
    carried: Callable[[str, Record], Record] = lambda table, record: record,
) -> int:
    """Copy all records, counters and the instance to an empty place; returns how many records.

    The copy is of one moment, though others may write meanwhile. `begin` is called with the number
    of records, and returns a function that is called with 1 for each record that is done. `carried`
    makes of each record of a table the one that is copied. Raises StoreUnavailable; nothing was
    copied then.
    """
    if not source.exists():
        raise StoreUnavailable(f"{source}: there is no such file.")
    origin = _named(source, lambda: open_store(source, form, begins=False, upgrades=False))
    try:
        with origin.read() as view:
            total: int = sum(view.count(fact.name) for fact in form.tables)
            progress = begin(total)
            contents = (
                (fact.name, _documents(fact.name, view, carried, progress)) for fact in form.tables
            )
            _named(target, lambda: _fill(target, form, contents, view.ids(), origin.instance))
    finally:
        origin.close()
    return total


def _fill(
    target: Place,
    form: Form,
    contents: Iterator[tuple[str, Contents]],
    ids: Mapping[str, int],
    instance: str,
) -> None:
    if target.kind != "file":
        store: Any = open_store(target, form, fills=True)
        try:
            store.fill(contents, ids, instance)
        finally:
            store.close()
        return
    storage = DurableStorage(target.path)
    with storage.lock():
        signature, found = storage.signature(), storage.load()
        if found is not None and not is_unfinished(found.tables):
            require_form(found.tables, form)
            if any(records for name, records in found.tables.items() if name != META):
                raise StoreUnavailable(NOT_EMPTY)
        signature = storage.replace(COPYING, {}, signature)
        kept = {name: dict(documents) for name, documents in contents}
        meta = {"schema": form.number, "instance": instance, "ids": dict(ids)}
        facts = {fact.name: fact for fact in form.tables}
        storage.replace(meta, {}, signature, Documents.of(facts, kept, {}).layout)


def _documents(
    table: str, view: View, carried: Callable[[str, Record], Record], progress: Progress
) -> Contents:
    for key, record in view.documents(table):
        yield key, carried(table, record)
        progress(1)


def _named(place: Place, do: Callable[[], Any]) -> Any:
    """Call `do`, and name the place in an error that it raises."""
    try:
        return do()
    except StoreUnavailable as error:
        raise StoreUnavailable(f"{place}: {error}") from error
