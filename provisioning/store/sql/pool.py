"""A pool of connections to one database: how many there are, and who waits how long for one.

Each is opened by a thread of its own, so that a request that waits for a host that hangs can give
up. While no connection can be opened, one such thread looks whether that has changed, and whoever
else needs one is told at once.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from provisioning.store import deadline
from provisioning.store.errors import StoreBusy, StoreUnavailable

BUSY = "The store is busy with other requests. Try again."
STALLED = 0.8
"""Seconds; when no connection has changed hands for so long, requests no longer wait for one."""
SHORTEST = 1.0
"""Seconds for which even a request waits that has worked for so long that its time is over."""
SPARE = 1.0
"""Seconds for which more than one idle connection is kept: others may need their places."""
LONGEST_IDLE = 30.0
"""Seconds for which the last idle connection is kept."""
AGAIN = 0.2
"""Seconds after which a database that had no connection left is asked once more."""


class NoRoom(StoreUnavailable):
    """The database has no connection left, as others have them all."""


@dataclass(eq=False)
class Connection:
    """A connection of the driver's while one thread has it."""

    driver: Any
    pool: "Pool"
    generation: int
    writes: bool
    is_valid: bool = True
    """Whether anybody may still use it."""
    is_taken: bool = True


@dataclass(eq=False)
class _Idle:
    driver: Any
    since: float


@dataclass(eq=False)
class _Attempt:
    """A thread's attempt to open a connection."""

    is_over: bool = False
    error: Exception | None = None


class Pool:
    """At most `size` connections, which `open_one` opens; it raises StoreUnavailable.

    Whoever finds all of them taken waits for `patience` seconds at most. `is_remote`: the database
    may hang, and others want its connections, too, so that idle ones are given back. What
    `is_old` is closed after its use.
    """

    def __init__(
        self,
        open_one: Callable[[], Any],
        size: int,
        patience: float,
        is_remote: bool = False,
        is_old: Callable[[Any], bool] = lambda driver: False,
    ) -> None:
        self.size = size
        self._open_one = open_one
        self._patience = patience
        self._is_remote = is_remote
        self._is_old = is_old
        lock = threading.RLock()
        self._lock = lock
        self._changed = threading.Condition(lock)
        self._closing = threading.Condition(lock)
        self._is_closing = False
        self._idle: list[_Idle] = []
        self._taken = self._writing = self._opening = self._generation = 0
        self._moved = 0.0
        """When a connection was last taken or given back."""
        self._problem: Exception | None = None
        """Why the last connection couldn't be opened."""

    def take(self, writes: bool = False) -> Connection:
        """A connection, which nobody else has until it is given back. Raises StoreUnavailable.

        Whoever `writes` may have to wait for another who does; so one is left to those who read.
        """
        began = time.monotonic()
        end = began + max(deadline.left(), SHORTEST)
        mine: _Attempt | None = None
        with self._lock:
            while not self._idle or not self._may(writes):
                if mine is not None and mine.is_over:
                    self._require_room(mine.error, min(end, began + self._patience))
                    mine = None
                if mine is None and self._problem is not None and self._opening:
                    raise again(self._problem)
                has_place = self._taken + self._opening < self.size and self._may(writes)
                if mine is None and has_place and not self._idle:
                    mine = self._attempt()
                # Whoever opens one waits for that, the others for what is given back.
                until = end if mine is not None else self._patient_until(began, end)
                seconds = until - time.monotonic()
                if seconds <= 0:
                    raise StoreBusy(BUSY) if mine is None else again(self._problem)
                self._changed.wait(None if math.isinf(seconds) else seconds)
            # The last one back is the first one out: it knows statements and pages already.
            driver = self._idle.pop().driver
            self._taken += 1
            self._writing += writes
            self._moved = time.monotonic()
            return Connection(driver, self, self._generation, writes)

    def _may(self, writes: bool) -> bool:
        return not writes or self._writing < max(1, self.size - 1)

    def _patient_until(self, began: float, end: float) -> float:
        if math.isinf(end) or not self._is_remote:
            return began + self._patience
        return min(end, began + self._patience, max(self._moved, began - STALLED) + STALLED)

    def _require_room(self, error: Exception | None, until: float) -> None:
        """Raise the error of an attempt, unless another one may soon find what it lacked."""
        if error is None:
            return  # somebody else was faster to take the connection
        if not isinstance(error, NoRoom) or time.monotonic() > until:
            raise again(error)
        self._changed.wait(AGAIN)

    def _attempt(self) -> _Attempt:
        attempt = _Attempt()
        self._opening += 1
        threading.Thread(target=self._open, args=(attempt,), daemon=True).start()
        return attempt

    def _open(self, attempt: _Attempt) -> None:
        driver = None
        generation = self._generation
        try:
            driver = self._open_one()
        except Exception as error:
            attempt.error = error
        finally:
            with self._lock:
                self._opening -= 1
                attempt.is_over = True
                self._problem = None if isinstance(attempt.error, NoRoom) else attempt.error
                if driver is not None:
                    self._keep(driver, generation == self._generation)
                self._changed.notify_all()

    def give_back(self, connection: Connection) -> None:
        """End the use of a connection. One that isn't valid any more is closed."""
        with self._lock:
            if connection.is_taken:
                connection.is_taken = False
                self._taken -= 1
                self._writing -= connection.writes
                is_current = connection.generation == self._generation
                is_fit = connection.is_valid and not self._is_old(connection.driver)
                self._keep(connection.driver, is_fit and is_current)
                self._changed.notify_all()

    def _keep(self, driver: Any, is_usable: bool) -> None:
        self._moved = time.monotonic()
        if not is_usable:
            driver.close()
            return
        self._idle.append(_Idle(driver, self._moved))
        if self._is_remote and not self._is_closing:
            self._is_closing = True
            threading.Thread(target=self._close_idle, daemon=True).start()

    def _close_idle(self) -> None:
        with self._lock:
            while self._idle:
                kept = LONGEST_IDLE if len(self._idle) == 1 else SPARE
                seconds = self._idle[0].since + kept - time.monotonic()
                if seconds > 0:
                    self._closing.wait(min(seconds, SPARE))
                else:
                    self._idle.pop(0).driver.close()
            self._is_closing = False

    def clear(self) -> None:
        """Close all connections: those that are taken when they are given back."""
        with self._lock:
            self._generation += 1
            while self._idle:
                self._idle.pop().driver.close()
            self._closing.notify()


def again(error: Exception | None) -> Exception:
    if error is None:
        return StoreUnavailable("The database doesn't answer. Try again.")
    return error.again() if isinstance(error, StoreUnavailable) else error
