"""AwaitedStore: a store that can't be opened yet, for a server that begins without it."""

import threading
from collections.abc import Callable
from typing import Any

from provisioning.store.errors import OtherForm, StoreUnavailable
from provisioning.store.store import Store

PAUSE = 1.0
"""Seconds between two attempts to open the store."""


class AwaitedStore:
    """What a Store is, once a thread that tries to open it, again and again, has opened it.

    Before that every use raises the reason at once: `error` at first.
    """

    is_in_memory = False
    older = None

    def __init__(self, open_store: Callable[[], Store], error: StoreUnavailable) -> None:
        self._open_store = open_store
        self._error = error
        self._store: Store | None = None
        self._threads: int | None = None
        self._ending = threading.Event()
        threading.Thread(target=self._await, daemon=True).start()

    def _await(self) -> None:
        while self._store is None and not self._ending.wait(PAUSE):
            try:
                store = self._open_store()
            except StoreUnavailable as error:
                self._error = error
            else:
                self._store = store
                if self._threads is not None:
                    store.share(self._threads)

    def __getattr__(self, name: str) -> Any:
        if self._store is None:
            raise self._error.again()
        return getattr(self._store, name)

    def require_form(self) -> None:
        if self._store is not None:
            self._store.require_form()
        elif isinstance(self._error, OtherForm):
            raise self._error.again()

    def share(self, threads: int) -> None:
        self._threads = threads
        if self._store is not None:
            self._store.share(threads)

    def close(self) -> None:
        self._ending.set()
        if self._store is not None:
            self._store.close()
