"""Whether a server's store can be read and written. It is tried once a second at most."""

import threading
import time

from provisioning.store import Store, StoreUnavailable

REMEMBERED = 1.0
"""Seconds for which a result is kept, since each trial writes to the store."""


class Readiness:
    """Remembers the result of a store's last probe. Threads may share it."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._asked_at: float | None = None
        self._problem: str | None = None

    def problem(self, store: Store) -> str | None:
        """A sentence about what is wrong with the store, which names no record; None if ready."""
        with self._turn:
            if self._asked_at is None or time.monotonic() - self._asked_at >= REMEMBERED:
                self._problem = self._probe(store)
                self._asked_at = time.monotonic()
            return self._problem

    @staticmethod
    def _probe(store: Store) -> str | None:
        try:
            store.probe()
        except StoreUnavailable as error:
            return error.public
        return None
