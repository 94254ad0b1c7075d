"""The store alone at 100, 1,000 and 10,000 users: a change, opening, catching up, searches.

python -m bench.store
"""

import sys
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

from rich.console import Console
from rich.table import Table as Grid

from bench.load import side_by_side
from bench.server import SIZES, fill, write_and_sync
from provisioning.domain.tables import PRIVILEGES, USERS
from provisioning.factory import COLLECTIONS
from provisioning.store import DurableStorage, Order, Query, Store

NAME = "user00007@acme.test"
PAGE = Query(by_key=True, page=2, size=20)
WORDS = Query(words=("user", "ann7"), size=20)
BY_NAME = Query(order=(Order("lastName"),), by_key=True, size=20)
OF_TENANT = Query(within=("tenant", "acme"), active=True, at="2026-01-15T12:00:00Z", size=20)


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def median(work: Callable[[], object], times: int = 15) -> float:
    return sorted(timed(work) for _ in range(times))[times // 2]


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms"


def measure(users: int, grid: Grid) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "db.json"
        fill(path, users)
        store = Store(DurableStorage(path), COLLECTIONS.tables, COLLECTIONS.check)
        other = Store(DurableStorage(path), COLLECTIONS.tables, COLLECTIONS.check)
        numbers = count()

        def change() -> None:
            with store.transaction() as transaction:
                user = transaction.get(USERS, NAME) or {}
                transaction.put(USERS, NAME, user | {"hint": str(next(numbers))})

        def read() -> None:
            with other.read() as view:
                view.get(USERS, NAME)

        def catch_up() -> float:
            change()
            return timed(read)

        content = path.read_bytes()
        ours, disk = side_by_side(
            30, lambda: timed(change), lambda: write_and_sync(path.with_name("raw"), content, 1)
        )
        caught_up = sorted(catch_up() for _ in range(9))[4]
        reading = median(read, 200)
        opened = median(
            lambda: Store(DurableStorage(path), COLLECTIONS.tables, COLLECTIONS.check), 5
        )
        with store.read() as view:
            queries = [
                median(lambda q=query, t=table: view.query(t, q))  # type: ignore[misc]
                for table, query in (
                    (USERS, PAGE),
                    (USERS, WORDS),
                    (USERS, BY_NAME),
                    (PRIVILEGES, OF_TENANT),
                )
            ]
    grid.add_row(
        f"{users:,}\n{len(content) / 1e6:.2f} MB",
        f"{milliseconds(ours)}\n= {ours / disk:.1f}x",
        milliseconds(opened),
        milliseconds(caught_up),
        milliseconds(reading),
        *map(milliseconds, queries),
    )


def main() -> None:
    grid = Grid("users", title="The store in one process", padding=(0, 1))
    for column in (
        "a change\nagainst write + fsync",
        "open",
        "catch up",
        "read one",
        "page by key",
        "search",
        "by a member",
        "active ones",
    ):
        grid.add_column(column)
    for users in [int(argument) for argument in sys.argv[1:]] or SIZES:
        measure(users, grid)
    Console(width=140).print(grid)


if __name__ == "__main__":
    main()
