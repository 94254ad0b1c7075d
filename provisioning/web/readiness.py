"""Whether a server's store can be read and written. It is tried once a second at most."""

import threading
import time

from provisioning.store import Store, StoreBusy, StoreUnavailable, deadline

REMEMBERED = 1.0
"""Seconds for which a result is kept, since each trial writes to the store."""
LONGEST_TRIAL = 4.0
"""Seconds after which a trial of a store that hangs is given up."""
LONGEST_LOCK = 5.0
"""Seconds for which somebody else may hold the lock, or a trial last, until the store counts as not
ready: a change waits for no longer either."""
PAUSE = 0.05
HELD = "The store has been busy with one change for too long."


class Readiness:
    """Remembers the result of a store's last trial. Threads may share it, and none waits for one.

    While somebody else holds the store's lock it is ready; a thread then looks when it is free.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._asked_at: float | None = None
        self._problem: str | None = None
        self._trying_since: float | None = None

    def problem(self, store: Store) -> str | None:
        """A sentence about what is wrong with the store, which names no record; None if ready."""
        if self._turn.acquire(blocking=False):
            is_over = True
            try:
                now = time.monotonic()
                if self._asked_at is None or now - self._asked_at >= REMEMBERED:
                    self._trying_since = now
                    is_over = self._tries(store)
            finally:
                if is_over:
                    self._turn.release()
                else:  # the thread has the turn from here on
                    threading.Thread(target=self._watch, args=(store,), daemon=True).start()
        since = self._trying_since
        is_held = since is not None and time.monotonic() - since >= LONGEST_LOCK
        return HELD if is_held else self._problem

    def _tries(self, store: Store) -> bool:
        """Try the store and keep the result; False if somebody else holds the lock."""
        problem = None
        try:
            with deadline.within(LONGEST_TRIAL):
                store.probe()
        except StoreBusy:
            self._problem = None
            return False
        except StoreUnavailable as error:
            problem = error.public
        self._problem, self._asked_at, self._trying_since = problem, time.monotonic(), None
        return True

    def _watch(self, store: Store) -> None:
        try:
            while not self._tries(store):
                time.sleep(PAUSE)
        finally:
            self._turn.release()
