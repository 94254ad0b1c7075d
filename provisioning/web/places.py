"""Places: how many requests change the store or hash a password at a time (section 6, Cost).

Each such request holds a thread while it waits for its turn or for the disk. Without a bound they
would hold all threads, and nobody could read.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from provisioning.store import StoreUnavailable

PATIENCE = 0.5
"""Seconds for which a request waits for a place."""
TAKEN = "The server is busy with other changes. Try again."


class _Waiting(threading.Event):
    """A request that waits for a place. The event: it has got one, or its wait is over."""

    has_place = False


class Places:
    """At most three quarters of `threads` have a place at a time, and at least one has.

    So many others as `waiting` says wait for one, in a row for each tenant; the rows take turns.
    The fixture, whose threads have no limit, has the default.
    """

    def __init__(self, threads: int = 16, waiting: int = 1_000) -> None:
        self._lock = threading.Lock()
        self._rows: dict[str | None, deque[_Waiting]] = {}
        """The row of each tenant that has one, the tenant whose turn is next first."""
        self.resize(threads, waiting)
        self._taken = 0

    def resize(self, threads: int, waiting: int) -> None:
        """Say how many threads the server has. Call it before the first request."""
        self._number, self._room = max(1, threads * 3 // 4), waiting

    @contextmanager
    def of(self, tenant: str | None) -> Iterator[None]:
        """Have a place within the block; StoreUnavailable if none comes free soon."""
        self._take(tenant)
        try:
            yield
        finally:
            self._give_back()

    def _take(self, tenant: str | None) -> None:
        with self._lock:
            if self._taken < self._number:
                self._taken += 1
                return
            waiting = _Waiting()
            row = self._rows.setdefault(tenant, deque())
            row.append(waiting)
            if sum(map(len, self._rows.values())) > self._room:
                # Whoever came last in the longest row goes, be it this one.
                longest = max(self._rows, key=lambda each: (len(self._rows[each]), each == tenant))
                self._leave(longest, self._rows[longest][-1])
        waiting.wait(PATIENCE)
        with self._lock:
            if waiting.has_place:
                return
            self._leave(tenant, waiting)
        raise StoreUnavailable(TAKEN)

    def _leave(self, tenant: str | None, waiting: _Waiting) -> None:
        row = self._rows.get(tenant, deque())
        if waiting in row:
            row.remove(waiting)
            waiting.set()
        if not row:
            self._rows.pop(tenant, None)

    def _give_back(self) -> None:
        """Hand the place to the next tenant's first request; that tenant is then the last."""
        with self._lock:
            if not self._rows:
                self._taken -= 1
                return
            tenant = next(iter(self._rows))
            row = self._rows.pop(tenant)
            first = row.popleft()
            if row:
                self._rows[tenant] = row
            first.has_place = True
            first.set()
