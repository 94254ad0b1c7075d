"""The store alone at 100, 1,000 and 10,000 users: a change, changes by several threads, opening,
catching up, questions.

python -m bench.store
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

from rich.console import Console
from rich.table import Table as Grid

from bench.load import ROOT, resident_megabytes, side_by_side
from bench.server import SIZES, fill
from provisioning.domain.tables import PRIVILEGES, USERS
from provisioning.factory import COLLECTIONS
from provisioning.store import DurableStorage, Order, Query, Related, Store

THREADS = 8
NAME = "user00007@acme.test"
NOW = "2026-06-15T12:00:00Z"
OF_TENANT = Query(within=("tenant", "acme"), active=True, at=NOW)
ACTIVE = Query(related=(Related(PRIVILEGES, "user", OF_TENANT),), by_key=True, size=20, page=2)
QUESTIONS = {
    "page": (USERS, ACTIVE),
    "order": (USERS, replace(ACTIVE, order=(Order("lastName"), Order("username", True)))),
    "privileges": (PRIVILEGES, replace(OF_TENANT, size=20)),
}
HOLDER = """
import sys
from bench.store import *
store = open_store(Path(sys.argv[1]))
print("open", flush=True)
for line in sys.stdin:
    with store.transaction() as transaction:
        transaction.put(USERS, NAME, transaction.get(USERS, NAME) | {"hint": line})
    with store.read() as view:
        for table, query in QUESTIONS.values():
            view.query(table, query)
            view.query(table, replace(query, words=("ann7",), page=0))
    print("done", flush=True)
"""


def open_store(path: Path) -> Store:
    return Store(DurableStorage(path), COLLECTIONS.form)


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def median(work: Callable[[], object], times: int = 15) -> float:
    return sorted(timed(work) for _ in range(times))[times // 2]


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms"


def replaced(path: Path, content: bytes) -> None:
    """The four calls that make a change durable, and nothing else."""
    new = path.with_name("raw.tmp")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(descriptor, content)
    os.fsync(descriptor)
    os.close(descriptor)
    new.replace(path.with_name("raw"))
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(folder)
    os.close(folder)


def megabytes(path: Path) -> tuple[float, float]:
    """What a process takes for the store: when it is open, and after changes and questions."""
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        opened = resident_megabytes(process.pid)
        for number in range(20):
            process.stdin.write(f"{number}\n")
            process.stdout.readline()
        used = resident_megabytes(process.pid)
        process.stdin.close()
    return opened, used


def changed_by(store: Store, threads: int, seconds: float) -> tuple[float, float]:
    """Changes a second, each by a thread that waits until it is kept; how long the slowest took."""
    took: list[float] = []
    end = time.perf_counter() + seconds

    def change(name: str) -> None:
        with store.transaction() as transaction:
            user = transaction.get(USERS, name) or {}
            transaction.put(USERS, name, user | {"hint": str(len(took))})

    def work(number: int) -> None:
        while time.perf_counter() < end:
            took.append(timed(lambda: change(f"user{number:05}@acme.test")))

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return len(took) / seconds, max(took)


def changed_together(store: Store, path: Path) -> Iterator[str]:
    """Against the disk: its own rate is taken before and after."""
    content = path.read_bytes()
    for threads in (1, THREADS):
        disk = [median(lambda: replaced(path, content))]
        rate, slowest = changed_by(store, threads, 3)
        disk.append(median(lambda: replaced(path, content)))
        rate_of_disk = 2 / sum(disk)
        yield (
            f"{rate:,.0f} = {rate / rate_of_disk:.1f}x {rate_of_disk:,.0f}, "
            f"slowest {milliseconds(slowest)}"
        )


def measure(users: int, changes: Grid, together: Grid, questions: Grid) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "db.json"
        fill(path, users)
        store = open_store(path)
        other = open_store(path)
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
            30, lambda: timed(change), lambda: timed(lambda: replaced(path, content))
        )
        caught_up = sorted(catch_up() for _ in range(9))[4]
        opened = median(lambda: open_store(path), 5)
        path.write_bytes(path.read_bytes().replace(b'"hint"', b'"hint" ', 1))
        edited = median(lambda: open_store(path), 3)
        changes.add_row(
            f"{users:,}",
            f"{len(content) / 1e6:.2f} MB",
            f"{milliseconds(ours)} = {ours / disk:.2f}x",
            milliseconds(caught_up),
            milliseconds(opened),
            milliseconds(edited),
            "{:.0f}, {:.0f} MB".format(*megabytes(path)),
        )
        together.add_row(f"{users:,}", *changed_together(store, path))
        questions.add_row(f"{users:,}", *asked(store, change, numbers))


def asked(store: Store, change: Callable[[], None], numbers: "count[int]") -> list[str]:
    """For each question: the first time, again, and after a change; with a rare word."""
    cells = []
    for table, query in QUESTIONS.values():

        def ask(table: str = table, query: Query = query) -> None:
            with store.read() as view:
                view.query(table, query)

        def ask_after_change(ask: Callable[[], None] = ask) -> float:
            change()
            return timed(ask)

        def search(table: str = table, query: Query = query) -> None:
            with store.read() as view:
                view.query(table, replace(query, words=(f"ann{next(numbers)}",), page=0))

        first, again = timed(ask), median(ask, 200)
        after = sorted(ask_after_change() for _ in range(9))[4]
        search()
        times = first, again, after, median(search, 50)
        cells.append(" / ".join(f"{seconds * 1e3:.2f}" for seconds in times))
    return cells


def main() -> None:
    changes = Grid(
        "users", "file", title="The JSON file, against write + fsync + rename + fsync of the folder"
    )
    for column in ("a change", "catch up", "open", "open edited", "memory, used"):
        changes.add_column(column)
    together = Grid(
        *("users", "1 thread", f"{THREADS} threads"),
        title="Changes a second, against the rate of the disk alone",
    )
    questions = Grid("users", title="Milliseconds: first / again / after a change / new rare word")
    for name in QUESTIONS:
        questions.add_column(name)
    for users in [int(argument) for argument in sys.argv[1:]] or SIZES:
        measure(users, changes, together, questions)
    console = Console(width=140)
    console.print(changes)
    console.print(together)
    console.print(questions)


if __name__ == "__main__":
    main()
