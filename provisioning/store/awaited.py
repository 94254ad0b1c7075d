"""AwaitedStore: a store that can't be opened yet, for a server that begins without it."""

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from provisioning.store.errors import OtherForm, StoreUnavailable
from provisioning.store.store import Store
from provisioning.store.views import RecordId, Transaction, View

PAUSE = 1.0
"""Seconds between two attempts to open the store."""


class AwaitedStore(Store):
    """A store that a thread of its own tries to open, again and again, until it can be.

    Before that every use raises the reason at once: `error` at first.
    """

    def __init__(self, open_store: Callable[[], Store], error: StoreUnavailable) -> None:
        self._open_store = open_store
        self._error = error
        self._store: Store | None = None
        self._threads: int | None = None
        self._ending = threading.Event()
        threading.Thread(target=self._await, daemon=True).start()

    def _await(self) -> None:
        while not self._ending.wait(PAUSE):
            try:
                store = self._open_store()
            except StoreUnavailable as error:
                self._error = error
                continue
            self._store = store
            if self._threads is not None:
                store.share(self._threads)
            return

    def _opened(self) -> Store:
        if self._store is None:
            raise self._error.again()
        return self._store

    @property
    def instance(self) -> str:
        return self._opened().instance

    @property
    def audit_keep(self) -> int:  # type: ignore[override]
        return self._opened().audit_keep

    @contextmanager
    def read(self) -> Iterator[View]:
        with self._opened().read() as view:
            yield view

    @contextmanager
    def transaction(
        self,
        tenant: str | None = None,
        only: RecordId | None = None,
        after: View | None = None,
        also: Collection[str] = (),
    ) -> Iterator[Transaction]:
        with self._opened().transaction(tenant, only, after, also) as transaction:
            yield transaction

    def require_form(self) -> None:
        if self._store is not None:
            self._store.require_form()
        elif isinstance(self._error, OtherForm):
            raise self._error.again()

    def probe(self) -> None:
        self._opened().probe()

    def share(self, threads: int) -> None:
        self._threads = threads
        if self._store is not None:
            self._store.share(threads)

    def renew_locks(self) -> None:
        """Nothing to do: a store that is opened here does it by itself."""

    def close(self) -> None:
        self._ending.set()
        if self._store is not None:
            self._store.close()
