"""How many changes of profiles 1 and 8 writers of different users of one tenant make in a second.

python -m bench.writers [--commit MILLISECONDS] [--only TEXT]

Each change is durable and audited, as by PUT /users/{username}. On PostgreSQL it is measured at
each layer: psycopg with the fewest statements that such a change can do with, which is what the
database itself gives here; the store; the whole application without a socket; and gunicorn with
several workers. 8 writers are threads of so many processes. Over gunicorn on SQLite and the JSON
file, too. CPU tells what limits: milliseconds of a change, of all cores, by 8 writers, out of the
milliseconds that all cores have for one.

--commit: each commit takes so long besides, as with a standby on another machine: a standby that
acknowledges later is started, since a disk of a test machine may be quicker than any other.
--only: rows that contain this text.
"""

import argparse
import functools
import json
import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table as Grid

from bench.growth import fill, settle, username
from bench.load import Connection, gunicorn, message
from bench.server import add_users
from provisioning.domain.activity import Clock
from provisioning.domain.tables import USERS
from provisioning.factory import COLLECTIONS, serve
from provisioning.settings import Settings
from provisioning.store.opening import Place, open_store
from provisioning.testing.provisioner import known_catalogue, routes
from provisioning.testing.sandbox import Client, Sandbox
from provisioning.web.audit import API, Author, keep
from provisioning.web.operation import BASE_PATH
from provisioning.web.server import Server
from tests.postgresql import Cluster, running

USERS_IN = 10_000
WRITERS = 8
SECONDS = 4.0
WARMING = 20
PATIENCE = 60
OK = 200
TENANT = "acme"
CORES = os.cpu_count() or 1

Change = Callable[[], None]
"""Makes one change."""
Make = Callable[[int], Change]
"""The changes of the writer with this number, in the process that calls it."""


@dataclass(frozen=True)
class Measured:
    rate: float
    """Changes a second."""
    cpu: list[float]
    """Milliseconds of a change: of the writers' processes, then of each that was told."""


def cpu(process: int) -> float:
    """Seconds of a process and of all below it that are still there."""
    try:
        folder = Path(f"/proc/{process}")
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        children = (folder / f"task/{process}/children").read_text().split()
    except OSError:
        return 0.0
    ticks = int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK") + sum(cpu(int(child)) for child in children)


def measure(make: Make, processes: int, threads: int, beside: list[int]) -> Measured:
    """What so many writers do; `beside` are other processes whose CPU counts."""
    context = multiprocessing.get_context("fork")
    steps = context.Barrier(processes + 1)
    counts: Any = context.Queue()
    writers = [
        context.Process(target=_write, args=(make, number * threads, threads, steps, counts))
        for number in range(processes)
    ]
    for writer in writers:
        writer.start()
    known = [*(writer.pid or 0 for writer in writers), *beside]
    steps.wait(PATIENCE)
    before = [cpu(process) for process in known]
    done = sum(counts.get(timeout=PATIENCE) for _ in writers)
    spent = [cpu(process) - begun for process, begun in zip(known, before, strict=True)]
    steps.wait(PATIENCE)
    for writer in writers:
        writer.join()
    parts = [sum(spent[:processes]), *spent[processes:]]
    return Measured(done / SECONDS, [1e3 * part / done for part in parts])


def _write(make: Make, first: int, threads: int, steps: Any, counts: Any) -> None:
    changes = [make(first + number) for number in range(threads)]
    done = [0] * threads

    def run(number: int) -> None:
        ending = time.monotonic() + SECONDS
        while time.monotonic() < ending:
            changes[number]()
            done[number] += 1

    for change in changes:
        for _ in range(WARMING):
            change()
    steps.wait(PATIENCE)
    running_now = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for thread in running_now:
        thread.start()
    for thread in running_now:
        thread.join()
    counts.put(sum(done))
    steps.wait(PATIENCE)


def plain(url: str) -> Make:
    """One statement for the profile, one for the audit, and COMMIT, in one round trip."""

    def make(number: int) -> Change:
        connection = psycopg.connect(url)
        name = username(100 + number)
        row = connection.execute("SELECT * FROM audit ORDER BY number DESC LIMIT 1").fetchone()
        columns = connection.execute("SELECT * FROM audit LIMIT 0").description or []
        names = [column.name for column in columns][1:]
        pattern = dict(zip(names, (row or ())[1:], strict=True))
        listed = ", ".join(f'"{each}"' for each in names)
        values = ", ".join(f"%({each})s" for each in names)
        insert = f"INSERT INTO audit ({listed}) VALUES ({values})"  # noqa: S608 - its own names
        update = "UPDATE users SET record = regexp_replace(record, '\"hint\":[^,]*', %(hint)s)"
        connection.commit()

        def change() -> None:
            now = str(time.time_ns())
            new = {"key": f"{number}/{now}", "u_id": f"{number}{now}", "o_id": f"{number}{now}"}
            with connection.pipeline():
                hint = {"hint": f'"hint":"{now}"', "key": name}
                connection.execute(f"{update} WHERE key = %(key)s", hint)
                connection.execute(insert, pattern | new)
                connection.commit()

        return change

    return make


@functools.cache
def parts(place: Place) -> Server:
    """The parts of a server, of which a process has one."""
    store = open_store(place, COLLECTIONS.form)
    return Server(Settings(), store, Clock(), known_catalogue(), COLLECTIONS)


def of_the_store(place: Place) -> Make:
    def make(number: int) -> Change:
        server, name = parts(place), username(100 + number)
        author = Author(API, TENANT, "alice@acme.test")

        def change() -> None:
            with server.store.transaction(TENANT, (USERS, name)) as transaction:
                now = server.clock.now(transaction.time())
                user = transaction.get(USERS, name) or {}
                transaction.put(USERS, name, user | {"hint": str(time.time_ns())})
                keep(server, transaction, author, now)

        return change

    return make


def of_the_application(place: Place, key: str) -> Make:
    def make(number: int) -> Change:
        client = Client(serve(routes(Settings()), parts(place)), key)

        def change() -> None:
            body = {"hint": str(time.time_ns())}
            answer = client.put(f"/users/{username(100 + number)}", json=body)
            if answer.status_code != OK:
                raise RuntimeError(answer.text)

        return change

    return make


def over_http(port: int, key: str, names: list[str]) -> Make:
    def make(number: int) -> Change:
        path = f"{BASE_PATH}/users/{names[number]}"
        connection = Connection(port)

        def change() -> None:
            nonlocal connection
            body = json.dumps({"hint": str(time.time_ns())}).encode()
            request = message("PUT", path, key, body)
            try:
                status, answer = connection.ask(request)
            except (OSError, IndexError):
                # Closed for having been idle while others were warming up.
                connection = Connection(port)
                status, answer = connection.ask(request)
            if status != OK:
                raise RuntimeError(answer)

        return change

    return make


@contextmanager
def cluster_in(folder: Path, commit: float) -> Iterator[Cluster]:
    """A durable PostgreSQL, whose commits take so many milliseconds besides."""
    with ExitStack() as stack:
        cluster = stack.enter_context(running(Cluster(folder / "cluster", is_durable=True)))
        if commit:
            cluster.execute("ALTER SYSTEM SET synchronous_commit = remote_apply")
            standby = cluster.standby(folder / "standby")
            standby.settings["recovery_min_apply_delay"] = f"{commit}ms"
            standby.start()
            stack.callback(standby.stop)
            cluster.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            cluster.execute("SELECT pg_reload_conf()")
        yield cluster


def prepared(place: Place, users: int) -> tuple[str, list[str]]:
    """A key, and users to be changed, of a store that is filled with so many."""
    store = open_store(place, COLLECTIONS.form)
    sandbox = Sandbox(store=store, clock=Clock())
    if place.kind == "file":
        add_users(sandbox, users)
    else:
        fill(sandbox, users)
        settle(place)
    names = [user["username"] for user in sandbox.administrator.get("/users").json][1 : 1 + WRITERS]
    # One record of the audit, of which psycopg alone then writes the like.
    sandbox.administrator.put(f"/users/{names[0]}", json={"hint": "0"})
    store.close()
    return str(sandbox.administrator.token), names


def compare(grid: Grid, name: str, make: Make, spread: tuple[int, int], beside: list[int]) -> None:
    """A row: what one writer does, and 8 as threads of several processes."""
    one = measure(make, 1, 1, beside)
    eight = measure(make, *spread, beside)
    available = 1e3 * CORES / eight.rate
    shares = " + ".join(f"{part:.2f}" for part in eight.cpu)
    grid.add_row(
        name,
        f"{one.rate:.0f}",
        f"{eight.rate:.0f}",
        f"{eight.rate / one.rate:.2f}",
        f"{shares} of {available:.2f}",
    )


def on_postgresql(grid: Grid, commit: float, only: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)
        with cluster_in(folder, commit) as cluster:
            place = Place("postgresql", folder / "db", cluster.url())
            key, names = prepared(place, USERS_IN)
            database = [cluster.process.pid]
            rows: list[tuple[str, Make, tuple[int, int]]] = [
                ("psycopg alone, 4 processes", plain(cluster.url()), (4, 2)),
                ("the store, 1 process", of_the_store(place), (1, 8)),
                ("the store, 4 processes", of_the_store(place), (4, 2)),
                ("the application, 1 process", of_the_application(place, key), (1, 8)),
                ("the application, 4 processes", of_the_application(place, key), (4, 2)),
            ]
            for label, make, spread in rows:
                if only in label:
                    compare(grid, label, make, spread, database)
            for workers in (1, 2, 4):
                label = f"gunicorn, {workers} worker{'s' if workers > 1 else ''}"
                if only in label:
                    served(grid, label, place, key, names, workers, database)


def served(
    grid: Grid,
    label: str,
    place: Place,
    key: str,
    names: list[str],
    workers: int,
    database: list[int],
) -> None:
    data = place.url or str(place)
    with gunicorn("app:app", PROVISIONING_DATA=data, WEB_CONCURRENCY=str(workers)) as (
        port,
        one,
        _,
    ):
        parent = int(Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()[1])
        compare(grid, label, over_http(port, key, names), (1, 8), [parent, *database])


def on_files(grid: Grid, only: str) -> None:
    for kind, users in (("file", 100), ("sqlite", USERS_IN)):
        label = f"gunicorn on {kind}, {users:,} users"
        if only not in label:
            continue
        with tempfile.TemporaryDirectory() as name:
            place = Place(kind, Path(name) / ("p.db" if kind == "sqlite" else "db.json"))
            key, names = prepared(place, users)
            served(grid, label, place, key, names, 1, [])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--commit", type=float, default=0.0)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    grid = Grid("PUT /users/{username}", "1 writer", f"{WRITERS} writers", "ratio")
    grid.add_column("CPU ms: writers (+ server) (+ database)")
    on_postgresql(grid, arguments.commit, arguments.only)
    if not arguments.commit:
        on_files(grid, arguments.only)
    Console(width=110).print(grid)


if __name__ == "__main__":
    main()
