"""Whether a server's store can be read and written, looked at once a second at most."""

import threading
import time

from provisioning.store import Store, StoreUnavailable

REMEMBERED = 1.0
"""Seconds for which an answer holds: to prove that the store can be written costs a write."""


class Readiness:
    """What a store's last probe has shown. Threads may share it; one of them asks for all."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._asked_at: float | None = None
        self._problem: str | None = None

    def problem(self, store: Store) -> str | None:
        """What is wrong with the store, without naming any record; None if it is ready."""
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
