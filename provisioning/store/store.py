"""The store: one immutable view for readers, one transaction at a time for changes."""

import os
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

from provisioning.store.errors import StoreDamaged, StoreUnavailable
from provisioning.store.storage import DurableStorage, MemoryStorage, Signature, Tables
from provisioning.store.tables import Table
from provisioning.store.views import LARGEST_ID, Transaction, View, empty, load

Check = Callable[[View, str, str], str | None]
Migration = Callable[[Tables], Tables]
META = "_meta"
GONE = "The data file is gone. Put it back, or restart to begin an empty store."


@dataclass(frozen=True)
class State:
    """What is known of the data, published by one assignment."""

    view: View
    signature: Signature | None
    """Of the contents that were last looked at; of the view, unless there is a fault."""
    instance: str
    fault: StoreDamaged | None = None
    """Why the contents could not become the view."""


class Store:
    """The records of all tables, shared by threads, and by processes through the storage.

    Opening reads what is there, or begins an empty store where there is nothing. It raises
    StoreDamaged for anything that isn't a store of these tables and overwrites none of it.

    `check` is asked about each record that was read and not known before, and answers a sentence
    that names the member at fault, or None. `migrations` lead from each schema version to the next,
    the first one from version 1: pure functions from tables to tables.
    """

    audit_keep = 1_000
    """Records of the audit that are kept for each tenant, unless the settings tell."""

    def __init__(
        self,
        storage: DurableStorage | MemoryStorage,
        tables: Sequence[Table],
        check: Check | None = None,
        migrations: Sequence[Migration] = (),
    ) -> None:
        self._storage = storage
        self._names = {fact.name for fact in tables} | {META}
        self._check = check
        self._migrations = migrations
        self._schema = len(migrations) + 1
        self._catching_up = threading.Lock()
        self._thread = threading.local()
        self._state = State(empty(tables), None, "")
        self._begin()
        _STORES.add(self)

    @contextmanager
    def read(self) -> Iterator[View]:
        """The latest state, without a lock. While it can't be read, the last one that could."""
        try:
            state = self._catch_up()
        except StoreUnavailable:
            state = self._state
        yield state.view

    @contextmanager
    def transaction(self, tenant: str | None = None) -> Iterator[Transaction]:
        """The latest state, to be changed by one thread of one process at a time.

        `tenant` says whose records alone will be changed; stores that can then let the
        transactions of other tenants run beside this one. None: any record may be.

        All changes are durable when the block ends, or none are made if it raises. Raises
        StoreUnavailable, StoreDamaged while the data is broken, ValueError for a change that leaves
        a reference to nothing, and RuntimeError inside another transaction of this thread.
        """
        with self._alone():
            base = self._sound()
            transaction = Transaction(base.view)
            try:
                yield transaction
            finally:
                view = transaction.close()
            # After an unsettled change even a repetition of it must reach the disk.
            if transaction.changed or self._storage.unsettled:
                if not self._inside():
                    raise RuntimeError("a transaction can't be committed by a forked child")
                transaction.check_references()
                self._commit(view, base)

    def probe(self) -> None:
        """Prove that the store can be read and written; raises StoreUnavailable if not."""
        with self._alone():
            self._sound()
            self._storage.probe()

    def close(self) -> None:
        """Let go of the storage. Every commit is durable already; nothing waits to be written."""
        self._storage.close()

    def renew_locks(self) -> None:
        """In a forked child: forget threads that only the parent has."""
        self._catching_up = threading.Lock()
        self._thread = threading.local()
        self._state.view._answers.renew_lock()
        self._storage.renew_lock()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if self._inside():
            raise RuntimeError("a transaction inside a transaction")
        with self._storage.lock():
            self._thread.inside = True
            try:
                yield
            finally:
                self._thread.inside = False

    def _inside(self) -> bool:
        return getattr(self._thread, "inside", False)

    def _sound(self) -> State:
        """The latest state, fit to be changed."""
        state = self._catch_up()
        if state.fault is not None:
            raise state.fault.again()
        return state

    def _catch_up(self) -> State:
        """The state of the storage's contents, loaded if they are new."""
        state = self._state
        if self._signature() == state.signature:
            return state
        # One thread loads and the others wait for it, and a commit counts as loading: whoever
        # asks after a change was acknowledged sees that change.
        with self._catching_up:
            state, signature = self._state, self._signature()
            if signature != state.signature:
                try:
                    self._state = self._load(signature, self._storage.read())
                except StoreDamaged as fault:
                    self._state = State(state.view, signature, state.instance, fault.again())
            return self._state

    def _signature(self) -> Signature:
        signature = self._storage.signature()
        if signature is None:
            raise StoreUnavailable(GONE)
        return signature

    def _commit(self, view: View, base: State) -> None:
        with self._catching_up:
            meta = {"schema": self._schema, "instance": base.instance, "ids": view._ids}
            signature = self._storage.replace({META: {"1": meta}, **view.tables()}, base.signature)
            self._state = State(view, signature, base.instance)

    def _begin(self) -> None:
        """Open what is there: begin, migrate or just load it."""
        signature, tables = self._storage.signature(), self._storage.read()
        if self._is_outdated(tables):
            with self._storage.lock():
                # Another process may have been faster.
                signature, tables = self._storage.signature(), self._storage.read()
                if self._is_outdated(tables):
                    self._renew(signature, tables)
                    return
        self._state = self._load(signature, tables)

    def _is_outdated(self, tables: Tables | None) -> bool:
        return tables is None or _meta(tables)["schema"] < self._schema

    def _renew(self, signature: Signature | None, tables: Tables | None) -> None:
        """Write an empty store, or the migrated one, keeping a copy of what was."""
        meta: dict[str, Any] = {"instance": str(uuid.uuid4()), "ids": {}}
        if tables is not None:
            meta = _meta(tables)
            self._storage.keep_copy(f"v{meta['schema']}")
            tables = {name: table for name, table in tables.items() if name != META}
            for migration in self._migrations[meta["schema"] - 1 :]:
                tables = migration(tables)
        view = self._view(tables or {}, meta["ids"])
        self._commit(view, State(view, signature, meta["instance"]))

    def _load(self, signature: Signature | None, tables: Tables | None) -> State:
        if tables is None:
            raise StoreUnavailable(GONE)
        meta = _meta(tables)
        if meta["schema"] != self._schema:
            raise StoreDamaged(
                f"it has schema version {meta['schema']}, this program reads {self._schema}"
            )
        return State(self._view(tables, meta["ids"]), signature, meta["instance"])

    def _view(self, tables: Tables, ids: Mapping[str, int]) -> View:
        for name, records in tables.items():
            # An empty one is left by a part of the server that is no longer there.
            if name not in self._names and records:
                raise StoreDamaged("no such table is known", table=name)
        return load(tables, ids, self._state.view, self._check)


def _meta(tables: Tables) -> dict[str, Any]:
    """What a store says of itself; StoreDamaged where the tables aren't those of a store."""
    documents = tables.get(META, {})
    meta: dict[str, Any] = documents.get("1", {})
    if documents.keys() == {"1"} and meta.keys() == {"schema", "instance", "ids"}:
        numbers = isinstance(meta["ids"], dict) and [meta["schema"], *meta["ids"].values()]
        if numbers and all(type(n) is int and 0 <= n <= LARGEST_ID for n in numbers) and numbers[0]:
            return meta
    raise StoreDamaged("it doesn't say of which schema it is, as a store does", table=META)


_STORES: WeakSet[Store] = WeakSet()


def _renew_locks() -> None:
    for store in _STORES:
        store.renew_locks()


os.register_at_fork(after_in_child=_renew_locks)
