"""How many records a question finds, remembered until something may have changed it.

Counting is the one thing that takes as long as there are records. A count stays true as long as
the tenant's records in the tables that decide it are the same, which their revision tells, and
none of their activity windows has begun or ended since.
"""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

REMEMBERED = 10_000


@dataclass(frozen=True)
class Total:
    """A count, of which state it is, and from when until when it is true."""

    total: int
    revisions: tuple[int, ...]
    since: str
    until: str | None

    def holds_at(self, at: str) -> bool:
        """Whether it is true at an instant, while the revisions are the same."""
        return self.since <= at and (self.until is None or at < self.until)


def about(total: int) -> Total:
    """A count that may be true no more: it is only known that it was wanted, and its size."""
    return Total(total, (), "", "")


class Totals:
    """The last counts, by question. Threads may share it."""

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._known: OrderedDict[Hashable, Total] = OrderedDict()

    def get(self, question: Hashable) -> Total | None:
        with self._changing:
            if question in self._known:
                self._known.move_to_end(question)
            return self._known.get(question)

    def put(self, question: Hashable, total: Total) -> None:
        with self._changing:
            self._known[question] = total
            self._known.move_to_end(question)
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
