"""How the threads of one process take turns."""

import threading
from typing import Any

from provisioning.store.errors import StoreUnavailable

BUSY = "The store is busy with other changes. Try again."


class Turns:
    """One thread has the turn. It may let those who wait for theirs go first, and then go on."""

    def __init__(self) -> None:
        lock = threading.Lock()
        self._free = threading.Condition(lock)
        self._quiet = threading.Condition(lock)
        self._holder: int | None = None
        self._waiting = 0
        self._lent: Any = None

    def take(self, patience: float) -> Any:
        """Wait for the turn; StoreUnavailable after so many seconds.

        If another thread lends it, the answer is what it lends it with, else None.
        """
        with self._free:
            self._waiting += 1
            try:
                if not self._free.wait_for(lambda: self._holder is None, patience):
                    raise StoreUnavailable(BUSY)
                self._holder = threading.get_ident()
                return self._lent
            finally:
                self._waiting -= 1
                self._wake()

    def end(self) -> None:
        """End this thread's turn, unless it has been taken back."""
        with self._free:
            if self._holder == threading.get_ident():
                self._holder = None
                self._wake()

    def lend(self, lent: Any, patience: float) -> None:
        """Let others have the turn, and this with it, until nobody waits for it.

        After so many seconds, or when this is interrupted, it is taken back from whoever has it.
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
        """Tell who may go on, if anybody may."""
        if self._holder is None:
            (self._free if self._waiting else self._quiet).notify()
