"""Does anything grow? A mixed load for minutes on the JSON file, SQLite and PostgreSQL.

python -m bench.soak [--minutes MINUTES] [--only TEXT]

8 clients of 2 workers read, search and change a tenant of 1,000 users: half of the requests are
reads, the others changes of profiles, keys and endpoints that are made and removed again, and new
privileges, so that the number of records stays about the same, but for the audit, which keeps its
bound. Shown at the begin (after a tenth of the time) and at the end: memory and open files of the
workers, connections to the database, bytes of the store, and how long a read and a change take
(median, 99 of 100).
"""

import argparse
import itertools
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table as Grid

from bench.load import Connection, message, resident_megabytes, running
from bench.server import add_users
from provisioning.factory import COLLECTIONS
from provisioning.store.opening import open_store, place_of
from provisioning.testing.sandbox import Sandbox
from provisioning.web.operation import BASE_PATH
from tests import postgresql

MINUTES = 10.0
USERS = 1_000
CLIENTS = 8
WORKERS = "2"
KEPT = "2000"
"""Audit records: a bound that is reached soon."""
EDGE = 0.1
"""Which part of the time the begin and the end are."""
ERROR = 400


@dataclass
class Store:
    """Where the records are, and how large that is."""

    url: str
    files: tuple[Path, ...] = ()
    cluster: postgresql.Cluster | None = None

    def megabytes(self) -> float:
        if self.cluster is not None:
            ((size,),) = self.cluster.execute("SELECT pg_database_size('postgres')")
            return int(size) / 1e6
        return sum(file.stat().st_size for file in self.files if file.exists()) / 1e6

    def connections(self) -> int:
        if self.cluster is None:
            return 0
        count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'provisioning'"
        return int(self.cluster.execute(count)[0][0])


@contextmanager
def stores(folder: Path, kind: str) -> Iterator[Store]:
    path = folder / "p.db"
    if kind == "file":
        yield Store(str(path), (path,))
    elif kind == "SQLite":
        yield Store(f"sqlite:///{path}", (path, path.with_name("p.db-wal")))
    else:
        folder.chmod(0o711)
        with postgresql.running(postgresql.Cluster(folder / "c", is_durable=True)) as cluster:
            cluster.execute("CREATE EXTENSION pg_trgm")
            yield Store(cluster.url(), cluster=cluster)


@dataclass
class Load:
    """What the clients have met."""

    port: int
    token: str
    ends: float
    taken: list[tuple[float, str, float]] = field(default_factory=list)
    """When, what, and seconds."""
    refused: list[int] = field(default_factory=list)

    def run(self, number: int) -> None:
        connection = Connection(self.port)
        for turn in itertools.count(number):
            if time.monotonic() > self.ends:
                break
            self.one(connection, turn)
        connection.close()

    def one(self, connection: Connection, turn: int) -> None:
        user = f"/users/user{turn * 7919 % USERS:05}@acme.test"
        step = turn % 10
        if step < 2:
            self.ask(connection, "GET", user)
        elif step < 4:
            self.ask(connection, "GET", f"/users?page={turn % 40}")
        elif step == 4:
            self.ask(connection, "GET", f"/users?q=Ann{turn % 1000}")
        elif step < 8:
            self.ask(connection, "PUT", user, {"hint": f"{turn}"})
        else:
            path, body = (
                ("/endpoints", {"url": "amqp://mq.test", "endpointType": "MQ_INCOMING"})
                if step == 8
                else ("/api-keys", {"type": "BASIC"})
            )
            made = self.ask(connection, "POST", path, body)
            identity = made.get("id") or made.get("apiToken")
            if identity is not None:
                self.ask(connection, "DELETE", f"{path}/{identity}")

    def ask(self, connection: Connection, method: str, path: str, body: object = None) -> dict:
        sent = b"" if body is None else json.dumps(body).encode()
        began = time.monotonic()
        status, content = connection.ask(message(method, BASE_PATH + path, self.token, sent))
        kind = "read" if method == "GET" else "change"
        self.taken.append((began, kind, time.monotonic() - began))
        if status >= ERROR:
            self.refused.append(status)
            return {}
        return json.loads(content) if content and method == "POST" else {}

    def shown(self, kind: str, begins: float, ends: float) -> str:
        taken = [each[2] for each in self.taken if each[1] == kind and begins <= each[0] < ends]
        if len(taken) < 2:
            return "-"
        longest = statistics.quantiles(taken, n=100)[-1]
        return f"{statistics.median(taken) * 1e3:.0f}, {longest * 1e3:.0f}"


def measured(kind: str, seconds: float) -> list[tuple[str, ...]]:
    """A row for the begin and one for the end."""
    with tempfile.TemporaryDirectory() as name, stores(Path(name), kind) as store:
        sandbox = Sandbox(store=open_store(place_of(store.url), COLLECTIONS.form))
        add_users(sandbox, USERS)
        token = str(sandbox.administrator.token)
        sandbox.store.close()
        command = [
            sys.executable, "-m", "gunicorn", "app:app", "--bind", "127.0.0.1:PORT",
            "--access-logfile", "/dev/null", "--log-level", "error", "--workers", WORKERS,
        ]  # fmt: skip
        settings = {"PROVISIONING_DATA": store.url, "PROVISIONING_AUDIT_KEEP": KEPT}
        settings["PROVISIONING_ALLOWED_HOSTS"] = "localhost"
        with running(command, **settings) as (port, process, _):
            begins = time.monotonic()
            load = Load(port, token, begins + seconds)
            threads = [threading.Thread(target=load.run, args=(n,)) for n in range(CLIENTS)]
            for thread in threads:
                thread.start()
            time.sleep(seconds * EDGE)
            early = state(store, process)
            time.sleep(seconds * (1 - EDGE) * 0.99)
            late = state(store, process)
            for thread in threads:
                thread.join()
        edge = seconds * EDGE
        edges = (begins, begins + edge), (begins + seconds - edge, begins + seconds)
        count = f"{len(load.taken)}, {len(load.refused)} refused"
        return [
            (kind, when, count, *found, *(load.shown(what, *span) for what in ("read", "change")))
            for when, found, span in zip(("begin", "end"), (early, late), edges, strict=True)
        ]


def state(store: Store, process: int) -> tuple[str, ...]:
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    memory = sum(resident_megabytes(int(child)) for child in children)
    files = sum(len([*Path(f"/proc/{child}/fd").iterdir()]) for child in children)
    return f"{memory:.0f}", str(files), str(store.connections()), f"{store.megabytes():.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--only", default="")
    told = parser.parse_args()
    grid = Grid(title=f"{told.minutes:g} minutes of mixed load, {CLIENTS} clients, 2 workers")
    for column in (
        "store", "when", "requests", "MB of memory", "open files", "connections", "MB of store",
        "read ms (median, 99 %)", "change ms (median, 99 %)",
    ):  # fmt: skip
        grid.add_column(column)
    for kind in ("file", "SQLite", "PostgreSQL"):
        if told.only in kind:
            for row in measured(kind, told.minutes * 60):
                grid.add_row(*row)
    Console(width=160).print(grid)


if __name__ == "__main__":
    main()
