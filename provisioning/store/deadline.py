"""The end that every wait of a thread for a store has, whatever hangs."""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_thread = threading.local()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Whatever this thread waits for in the block is given up after so many seconds.

    An earlier end stays. Work that goes on is not cut off, only a wait for something that hangs.
    """
    before = _end()
    _thread.end = min(before, time.monotonic() + seconds)
    try:
        yield
    finally:
        _thread.end = before


def left() -> float:
    """The seconds that this thread may still wait; endless outside `within`, below 0 after it."""
    return _end() - time.monotonic()


def _end() -> float:
    return getattr(_thread, "end", math.inf)
