"""The server at 100, 1,000 and 10,000 users, against what Flask and the disk cost anyway.

python -m bench.server
"""

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table as Grid

from bench.load import (
    ROOT,
    cpu_seconds,
    gunicorn,
    latency,
    message,
    once,
    resident_megabytes,
    side_by_side,
    throughput,
)
from provisioning.domain.tables import PRIVILEGES, USERS
from provisioning.factory import COLLECTIONS
from provisioning.store import DurableStorage, Store
from provisioning.testing.sandbox import Sandbox
from provisioning.web.operation import BASE_PATH

SIZES = (100, 1_000, 10_000)
ROUNDS = 7
CONNECTIONS = 4


def fill(path: Path, users: int) -> str:
    """A data file with so many users of one tenant; the key of its administrator."""
    sandbox = Sandbox(store=Store(DurableStorage(path), COLLECTIONS.form))
    add_users(sandbox, users)
    return str(sandbox.administrator.token)


def add_users(sandbox: Sandbox, users: int) -> None:
    """So many users of acme at once, past the API."""
    with sandbox.store.transaction() as transaction:
        pattern = transaction.get(USERS, "alice@acme.test") or {}
        privilege = next(iter(transaction.all(PRIVILEGES)))
        for number in range(users):
            name = f"user{number:05}@acme.test"
            names = {"username": name, "email": name, "firstName": f"Ann{number}"}
            identity = transaction.next_id(USERS)
            transaction.put(USERS, name, pattern | names | {"id": identity, "lastName": "Other"})
            identity = transaction.next_id(PRIVILEGES)
            granted = privilege | {"id": identity, "user": name, "role": "USER"}
            transaction.put(PRIVILEGES, str(identity), granted)


def write_and_sync(path: Path, content: bytes, times: int) -> float:
    """Median seconds of replacing a file of these bytes durably, without anything else."""
    measured = []
    for _ in range(times):
        start = time.perf_counter()
        with path.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        measured.append(time.perf_counter() - start)
    return sorted(measured)[times // 2]


def measure(users: int, grid: Grid) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "db.json"
        key = fill(data, users)
        one = message("GET", f"{BASE_PATH}/users/user00007@acme.test", key)
        many = message("GET", f"{BASE_PATH}/users?size=20", key)
        with gunicorn("app:app", PROVISIONING_DATA=str(data)) as (port, worker, seconds):
            memory = resident_megabytes(worker)
            cells = [f"{users:,}", f"{seconds:.2f} s", f"{memory:.0f} MB"]
            for request in (one, many):
                content = Path(folder) / "content.json"
                content.write_bytes(once(port, request)[1])
                with gunicorn("bench.bare:app", BENCH_CONTENT=str(content)) as (bare, plain, _):
                    cells.append(_against_bare((port, worker), request, (bare, plain)))
            cells.append(_against_disk(port, key, data))
    grid.add_row(*cells)


Address = tuple[int, int]
"""The port of a server, and the process id of its worker."""


def _against_bare(ours: Address, request: bytes, bare: Address) -> str:
    constant = message("GET", "/")
    asked = (ours, request), (bare, constant)
    wait, least = side_by_side(
        ROUNDS, *(partial(latency, port, each, 200) for (port, _), each in asked)
    )
    rate, cpu, most, cheapest = _medians(asked)
    return (
        f"{wait * 1e3:.2f} ms = {wait / least:.1f}x\n{rate:.0f}/s = {rate / most:.2f}x\n"
        f"CPU {cpu * 1e6:.0f} us: {cheapest / cpu:.2f} of it is Flask's"
    )


def _medians(asked: Sequence[tuple[Address, bytes]]) -> list[float]:
    """Answers a second and the worker's seconds of CPU for one, of each server."""
    taken = []
    for _ in range(ROUNDS):
        for (port, worker), request in asked:
            before = cpu_seconds(worker)
            rate = throughput(port, [request], 1, CONNECTIONS)
            taken.append((rate, (cpu_seconds(worker) - before) / rate))
    ours, bare = zip(*taken[::2], strict=True), zip(*taken[1::2], strict=True)
    return [median(column) for column in (*ours, *bare)]


def _against_disk(port: int, key: str, data: Path) -> str:
    beside = data.with_name("beside.json")
    content = data.read_bytes()
    numbers = iter(range(10**9))

    def put() -> float:
        body = b'{"hint": "%d"}' % next(numbers)
        path = f"{BASE_PATH}/users/user00007@acme.test"
        return latency(port, message("PUT", path, key, body), 1)

    ours, theirs = side_by_side(40, put, lambda: write_and_sync(beside, content, 1))
    return f"{ours * 1e3:.2f} ms = {ours / theirs:.1f}x\nof {len(content) / 1e6:.2f} MB"


def lines_of_code() -> Grid:
    grid = Grid("file", "lines", title="Lines of each file")
    for path in sorted((ROOT / "provisioning").rglob("*.py")):
        grid.add_row(str(path.relative_to(ROOT)), str(len(path.read_text().splitlines())))
    return grid


def main() -> None:
    console = Console(width=110)
    grid = Grid(
        "users", "start", "memory", title="gunicorn, one worker, eight threads", padding=(0, 1)
    )
    grid.add_column("GET one user\nagainst bare Flask")
    grid.add_column("GET 20 users\nagainst bare Flask")
    grid.add_column("PUT a user\nagainst write + fsync")
    for users in [int(argument) for argument in sys.argv[1:]] or SIZES:
        measure(users, grid)
    console.print(grid)
    console.print(lines_of_code())


if __name__ == "__main__":
    main()
