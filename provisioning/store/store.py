"""The store: it gives readers an immutable view, and runs one transaction at a time."""

import gc
import os
import threading
import uuid
from collections.abc import Collection, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import NamedTuple
from weakref import WeakSet

from provisioning.store.documents import Documents, documents_of
from provisioning.store.errors import (
    Collision,
    OtherForm,
    StoreDamaged,
    StoreUnavailable,
    UnknownFate,
)
from provisioning.store.form import Form, Upgrade
from provisioning.store.ids import LARGEST_ID
from provisioning.store.layout import META, Content, Difference, Meta, Tables
from provisioning.store.query import Record
from provisioning.store.storage import DurableStorage, MemoryStorage, Signature
from provisioning.store.views import (
    RecordId,
    Transaction,
    View,
    empty,
    follow,
    load,
    load_own,
)

KEYS_IN_FILES = 1
"""The last form in which keys were the document ids of a file."""
COPYING = {"copying": True}
"""The meta record of a file while a copy fills it."""
UNFINISHED_COPY = "A copy to here has not been finished. Begin it again: provisioning copy FROM TO"
GONE = "The data file is gone. Put it back, or restart to begin an empty store."
INTERRUPTED = "The change was interrupted, and may or may not have been kept."
LATE = "The change took too long while others waited for it, and was dropped. Try again."


class State(NamedTuple):
    """All that a store knows of its data. It changes by one assignment, so readers need no lock."""

    view: View
    signature: Signature | None
    """The signature of the content that was read last, of which the view is, unless `fault`."""
    instance: str
    documents: Documents | None = None
    """The documents of the view's records in the file; None if they aren't known."""
    fault: StoreDamaged | OtherForm | None = None
    """Why no view could be made of the content, so that the view is that of an earlier one."""


class Batch:
    """Changes of several threads, all of which the thread of the first one writes at once."""

    def __init__(self, first: State) -> None:
        self.states = [first]
        """The state after each change; each is made of the one before."""
        self.written: Future[int] = Future()
        """How many of the states are durable, or why none is."""
        self.process = os.getpid()

    def wait_for(self, number: int) -> None:
        """Wait until so many states are durable. Raises StoreUnavailable if they aren't kept."""
        error = self.written.exception()
        if isinstance(error, StoreUnavailable):
            raise error.again()
        if number > self.written.result():
            raise Collision(LATE)


class Store:
    """The records of all tables. Threads share it, and processes share its storage.

    Opening reads the storage, or begins an empty store if there is nothing in it. An older form is
    brought up to date, and a copy of it kept. A store that never `upgrades` leaves it as it is, and
    can only be read. Raises StoreDamaged for content that isn't a store of these tables, and
    OtherForm for that of a newer version; nothing is overwritten then.
    """

    audit_keep = 1_000
    """How many audit records are kept for each tenant, if the settings don't say."""
    is_in_memory = False
    """Whether the records end with the process."""
    older: int | None = None
    """The older form that the data has, and keeps, since it is only read."""

    def __init__(
        self, storage: DurableStorage | MemoryStorage, form: Form, upgrades: bool = True
    ) -> None:
        self._storage = storage
        self.is_in_memory = isinstance(storage, MemoryStorage)
        self._facts = {fact.name: fact for fact in form.tables}
        self._form = form
        self._upgrades = upgrades
        self._catching_up = threading.Lock()
        self._thread = threading.local()
        self._state = State(empty(form.tables), None, "")
        with _without_collector():
            self._begin()
        _STORES.add(self)

    @property
    def instance(self) -> str:
        """A text that no other store has, and that this one keeps for all its life."""
        return self._state.instance

    def read(self) -> AbstractContextManager[View]:
        """A view of the latest state, without a lock; if it can't be read, of the last one read.

        Raises OtherForm when another version has taken the store over.
        """
        try:
            state = self._catch_up()
        except StoreUnavailable:
            state = self._state
        if isinstance(state.fault, OtherForm):
            raise state.fault.again()
        return nullcontext(state.view)

    @contextmanager
    def transaction(
        self,
        tenant: str | None = None,
        only: RecordId | None = None,
        after: View | None = None,
        also: Collection[str] = (),
    ) -> Iterator[Transaction]:
        """The latest state, which one thread of one process at a time may change.

        `tenant`: only records of this tenant, and of those in `also`, will change, so that some
        stores let transactions of other tenants run at the same time. None: any record may change.
        `only`: only this record will change, apart from journals, and no rule depends on it and
        others, so that some stores let transactions of the tenant's other records run, too.
        `after`: a view that has ended, whose queries will be asked again.

        All changes are durable when the block ends, or none are made if it raises. Raises
        StoreUnavailable, StoreDamaged while the data is damaged, ValueError if a reference leads
        to nothing, and RuntimeError inside another transaction of this thread.
        """
        if self.older is not None:
            raise OtherForm(self.older, self._form.number)
        with self._alone() as batch:
            base = self._sound() if batch is None else batch.states[-1]
            transaction = Transaction(base.view, only)
            try:
                yield transaction
            finally:
                view = transaction._ended()
            # After an unsettled change even a repetition of it must reach the disk.
            if transaction.changed or self._storage.unsettled:
                if not self._inside():
                    raise RuntimeError("a transaction can't be committed by a forked child")
                transaction.check_references()
                documents = base.documents and base.documents.changed(base.view, view)
                state = base._replace(view=view, documents=documents)
                if batch is None:
                    self._write(state)
                else:
                    batch.states.append(state)

    def require_form(self) -> None:
        """Raise OtherForm if another version of the server has been found to have the store."""
        self.read()

    def probe(self) -> None:
        """Prove that the store can be read and written; raises StoreUnavailable if not.

        That writes to the disk. It raises StoreBusy at once if somebody else holds the lock.
        """
        if self._inside():
            raise RuntimeError("a probe inside a transaction")
        with self._storage.lock(waits=False):
            self._sound()
            self._storage.probe()

    def share(self, threads: int) -> None:
        """So many threads will use the store; one that may hang leaves one of them free."""

    def close(self) -> None:
        """Close the storage. This writes nothing, since every commit is durable already."""
        self._storage.close()

    def renew_locks(self) -> None:
        """In a forked child: forget threads that only the parent has."""
        self._catching_up = threading.Lock()
        self._thread = threading.local()
        self._storage.renew_lock()

    @contextmanager
    def _alone(self) -> Iterator[Batch | None]:
        """Run the block while no other thread or process changes anything.

        If another thread has begun a batch, the block gets that, and may add a state to it. The end
        waits until the batch is written. If the write fails, its error replaces any error of the
        block, which may be about a change that was never made.
        """
        if self._inside():
            raise RuntimeError("a transaction inside a transaction")
        batch: Batch | None = None
        number = 0
        try:
            with self._storage.lock() as batch:
                self._thread.inside = True
                try:
                    yield batch
                finally:
                    self._thread.inside = False
                    number = 0 if batch is None else len(batch.states)
        finally:
            # In a forked child nobody writes the batch.
            if batch is not None and batch.process == os.getpid():
                batch.wait_for(number)

    def _inside(self) -> bool:
        return getattr(self._thread, "inside", False)

    def _sound(self) -> State:
        """The latest state; StoreDamaged if it can't be read, as it must not be changed then."""
        state = self._catch_up()
        if state.fault is not None:
            raise state.fault.again()
        return state

    def _catch_up(self) -> State:
        """The state of the storage, which is loaded if its content is new."""
        state = self._state
        if self._signature() == state.signature:
            return state
        # One thread loads while the others wait. A commit takes this lock, too, so that every read
        # after a change was acknowledged sees the change.
        with self._catching_up:
            state, signature = self._state, self._signature()
            if signature != state.signature:
                try:
                    self._state = self._loaded(signature, state)
                except (StoreDamaged, OtherForm) as fault:
                    self._state = state._replace(signature=signature, fault=fault.again())
            return self._state

    def _signature(self) -> Signature:
        signature = self._storage.signature()
        if signature is None:
            raise StoreUnavailable(GONE)
        return signature

    def _write(self, state: State) -> None:
        """Write this state, together with the changes of the threads that wait for their turn.

        Those threads then wait for this one, so no thread can join a batch twice.
        """
        batch = Batch(state)
        try:
            self._storage.lend_lock(batch)
            number = len(batch.states)
            self._commit(batch.states[number - 1])
            batch.written.set_result(number)
        except BaseException as error:
            known = isinstance(error, StoreUnavailable)
            batch.written.set_exception(error if known else UnknownFate(INTERRUPTED))
            raise

    def _commit(self, state: State) -> None:
        """Durably replace the content that has this state's signature, and publish the state."""
        with self._catching_up:
            meta = {"schema": self._form.number, "instance": state.instance, "ids": state.view._ids}
            layout = None if state.documents is None else state.documents.layout
            signature = self._storage.replace(meta, state.view.tables(), state.signature, layout)
            self._state = state._replace(signature=signature)

    def _begin(self) -> None:
        """Load the storage's content; before that begin a store, or migrate it, if need be."""
        signature, content = self._storage.signature(), self._storage.load()
        if self._is_outdated(content) and (content is None or self._upgrades):
            # However long another process needs to bring it up to date.
            with self._storage.lock(is_patient=True):
                # Looked at again, as another process may have been faster.
                signature, content = self._storage.signature(), self._storage.load()
                if self._is_outdated(content):
                    self._renew(signature, content)
                    return
        self._state = self._read(signature, content)

    def _is_outdated(self, content: Content | None) -> bool:
        return content is None or meta_of(content.tables)["schema"] < self._form.number

    def _renew(self, signature: Signature | None, content: Content | None) -> None:
        """Write an empty store, or that of an older form, of which a copy is kept, in this form."""
        state = State(self._state.view, signature, str(uuid.uuid4()))
        if content is not None:
            state = self._led_over(signature, content)
            self._storage.keep_copy(f"v{meta_of(content.tables)['schema']}")
        if not self.is_in_memory:
            documents = Documents.of(self._facts, state.view.tables(), {})
            state = state._replace(documents=documents)
        self._commit(state)

    def _led_over(self, signature: Signature | None, content: Content) -> State:
        """The state of content of an older form in this one; nothing is written."""
        meta, tables = meta_of(content.tables), content.tables
        self._require_known(tables)
        if not self.is_in_memory and meta["schema"] > KEYS_IN_FILES:
            tables, _ = documents_of(self._facts, content)
        tables, ids = _upgraded(self._form, tables, meta)
        view = load(tables, ids, self._state.view, self._form.check)
        return State(view, signature, meta["instance"])

    def _loaded(self, signature: Signature, known: State) -> State:
        """The state of new content; if a store wrote it, only the records that differ are read."""
        if known.documents is not None and isinstance(self._storage, DurableStorage):
            content = self._storage.load_after(known.documents.layout)
            if not isinstance(content, Difference):
                return self._read(signature, content)
            meta = require_form({META: {"1": content.meta}}, self._form)
            documents, changes = known.documents.followed(content)
            with suppress(ValueError):
                view = follow(changes, meta["ids"], known.view)
                return State(view, signature, meta["instance"], documents)
        return self._read(signature, self._storage.load())

    def _read(self, signature: Signature | None, content: Content | None) -> State:
        if content is None:
            raise StoreUnavailable(GONE)
        if self._is_outdated(content) and not self._upgrades:
            self.older = meta_of(content.tables)["schema"]
            return self._led_over(signature, content)
        meta, known = require_form(content.tables, self._form), self._state.view
        self._require_known(content.tables)
        tables, documents = content.tables, None
        if not self.is_in_memory:
            tables, documents = documents_of(self._facts, content)
        try:
            if content.is_own:
                view = load_own(tables, meta["ids"], known)
            else:
                view = load(tables, meta["ids"], known, self._form.check)
        except StoreDamaged as damaged:
            raise documents.naming(damaged, tables) if documents else damaged from None
        return State(view, signature, meta["instance"], documents)

    def _require_known(self, tables: Tables) -> None:
        for name, records in tables.items():
            # An optional part of the server that was removed leaves an empty table behind.
            if name not in (META, *self._facts) and records:
                raise StoreDamaged("no such table is known", table=name)


def _upgraded(form: Form, tables: Tables, meta: Meta) -> tuple[Tables, dict[str, int]]:
    """Tables of an older form, by key, and their counters of ids, in the present form."""

    def get(table: str, key: str) -> Record | None:
        return tables.get(table, {}).get(key)

    upgrade = Upgrade(form, meta["schema"], get)
    later: Tables = {}
    for fact in form.tables:
        later[fact.name] = records = {}
        for key, record in upgrade.records(fact, tables.get(fact.name, {}).items()):
            if key in records:
                raise StoreDamaged("two records have this key", table=fact.name, record=key)
            records[key] = record
    return later, upgrade.counters(meta["ids"])


@contextmanager
def _without_collector() -> Iterator[None]:
    """Switch the garbage collector off while many objects are made that all stay.

    It would look through all of them again and again.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def is_unfinished(tables: Tables) -> bool:
    """Whether these tables are those of a copy that was not finished."""
    return bool(COPYING.items() <= tables.get(META, {}).get("1", {}).items())


def meta_of(tables: Tables) -> Meta:
    """The meta record of a store's tables; StoreDamaged if they aren't those of a store."""
    if is_unfinished(tables):
        raise StoreUnavailable(UNFINISHED_COPY)
    documents = tables.get(META, {})
    meta: Meta = documents.get("1", {})
    members = {"schema", "instance", "ids"}
    if documents.keys() == {"1"} and meta.keys() - {"digest"} == members:
        numbers = isinstance(meta["ids"], dict) and [meta["schema"], *meta["ids"].values()]
        # Earlier versions allowed one id more.
        largest = LARGEST_ID + 1
        if numbers and all(type(n) is int and 0 <= n <= largest for n in numbers) and numbers[0]:
            return meta
    raise StoreDamaged("it doesn't say of which schema it is, as a store does", table=META)


def require_form(tables: Tables, form: Form) -> Meta:
    """The meta record of these tables; OtherForm if they have another form than this one."""
    meta = meta_of(tables)
    if meta["schema"] != form.number:
        raise OtherForm(meta["schema"], form.number)
    return meta


_STORES: WeakSet[Store] = WeakSet()


def _renew_locks() -> None:
    for store in _STORES:
        store.renew_locks()


os.register_at_fork(after_in_child=_renew_locks)
