"""Turns: the threads of one process take turns, and a thread may lend its turn to others."""

import threading
from typing import Any

from provisioning.store.errors import StoreBusy

BUSY = "The store is busy with other changes. Try again."


class Turns:
    """At most one thread has the turn; the others wait for it in a queue."""

    def __init__(self) -> None:
        lock = threading.Lock()
        self._free = threading.Condition(lock)
        self._quiet = threading.Condition(lock)
        self._holder: int | None = None
        self._waiting = 0
        self._lent: Any = None

    def take(self, patience: float | None) -> Any:
        """Wait for the turn, at most so many seconds, then raise StoreBusy; None: no end.

        Returns what `lend` was given if another thread lends the turn, else None.
        """
        with self._free:
            self._waiting += 1
            try:
                if not self._free.wait_for(lambda: self._holder is None, patience):
                    raise StoreBusy(BUSY)
                self._holder = threading.get_ident()
                return self._lent
            finally:
                self._waiting -= 1
                self._wake()

    def end(self) -> None:
        """End this thread's turn; if the lender has taken it back, do nothing."""
        with self._free:
            if self._holder == threading.get_ident():
                self._holder = None
                self._wake()

    def lend(self, lent: Any, patience: float) -> None:
        """Let the waiting threads have this thread's turn, until none waits; then take it back.

        After so many seconds, or if this is interrupted, the turn is taken from whoever has it.
        """
        with self._free:
            if not self._waiting:
                return
            self._holder, self._lent = None, lent
            try:
                self._wake()
                self._quiet.wait_for(lambda: self._holder is None and not self._waiting, patience)
            finally:
                self._holder, self._lent = threading.get_ident(), None

    def _wake(self) -> None:
        """If nobody has the turn, wake the next thread, or the lender if none waits."""
        if self._holder is None:
            (self._free if self._waiting else self._quiet).notify()
