"""What requests cost with 10,000 and with 1,000,000 users in one tenant, on SQLite and PostgreSQL.

python -m bench.growth [--users 10000,1000000] [--stores sqlite,postgresql]

Records are loaded past the API, as `provisioning copy` does; requests go through the whole
application, without a socket. Both sizes are open at once, and asked in turn. Loading a million
takes some minutes.
"""

import argparse
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

import psycopg
from rich.console import Console
from rich.table import Table as Grid

from provisioning.domain.activity import Clock
from provisioning.domain.tables import PRIVILEGES, USERS
from provisioning.factory import COLLECTIONS
from provisioning.store.opening import Place, open_store
from provisioning.store.sql.view import SqlTransaction
from provisioning.testing.sandbox import Sandbox
from tests.postgresql import Cluster, running

USERS_IN = (10_000, 1_000_000)
STORES = ("sqlite", "postgresql")
ROUNDS = 30
FIRST_ERROR = 300
HITS = 20


def username(number: int) -> str:
    return f"user{number:07}@acme.test"


def fill(sandbox: Sandbox, users: int) -> None:
    """So many users of acme at once, a few with a name that no other has."""
    store = sandbox.store
    with store.transaction() as transaction:
        pattern = transaction.get(USERS, "alice@acme.test") or {}
        privilege = next(iter(transaction.all(PRIVILEGES)))
        first = {table: transaction.next_id(table) for table in (USERS, PRIVILEGES)}

        def accounts() -> Iterator[tuple[str, dict[str, Any]]]:
            for number in range(users):
                name = username(number)
                rare = (
                    "Zephyrine"
                    if number % (users // HITS) == 0
                    else f"Lastname{number * 7919 % users}"
                )
                names = {"username": name, "email": name, "firstName": f"Ann{number % 1000}"}
                yield name, pattern | names | {"id": first[USERS] + number, "lastName": rare}

        def privileges() -> Iterator[tuple[str, dict[str, Any]]]:
            for number in range(users):
                identity = first[PRIVILEGES] + number
                given = {"id": identity, "user": username(number), "role": "USER"}
                yield str(identity), privilege | given

        loading = cast(SqlTransaction, transaction)
        loading.load(USERS, accounts())
        loading.load(PRIVILEGES, privileges())
        loading.set_ids(loading.ids() | {table: number + users for table, number in first.items()})


def asked(sandbox: Sandbox, users: int) -> dict[str, Callable[[int], Any]]:
    """Each request by its name, as a function of the round."""
    client = sandbox.administrator
    middle = username(users // 2)

    def post_user(number: int) -> Any:
        name = f"new{time.time_ns()}@acme.test"
        return client.post("/users", json={"username": name, "email": name, "password": "x"})

    def grant(number: int) -> Any:
        body = {"username": username(number), "role": "MANAGEMENT"}
        return client.post("/privileges", json=body)

    return {
        "GET /users/{username}": lambda number: client.get(f"/users/{middle}"),
        "PUT /users/{username}": lambda number: client.put(
            f"/users/{middle}", json={"hint": str(time.time_ns())}
        ),
        "POST /users (with its hash)": post_user,
        "POST /privileges": grant,
        "first page": lambda number: client.get("/users"),
        "page 100": lambda number: client.get("/users?page=100"),
        "q, few hits": lambda number: client.get("/users?q=zephyrine"),
        "order=lastName": lambda number: client.get("/users?order=lastName"),
        "order=-lastName": lambda number: client.get("/users?order=-lastName"),
        "order=-lastName, all": lambda number: client.get("/users?order=-lastName&active=all"),
        "page 100 of order=-lastName": lambda number: client.get("/users?order=-lastName&page=100"),
        "not active": lambda number: client.get("/users?active=false"),
        "privileges, order=-id": lambda number: client.get("/privileges?order=-id"),
        "privileges, page 100 of it": lambda number: client.get("/privileges?order=-id&page=100"),
    }


def seconds(ask: Callable[[int], Any], number: int) -> float:
    begins = time.perf_counter()
    answer = ask(number)
    taken = time.perf_counter() - begins
    if answer.status_code >= FIRST_ERROR:
        raise RuntimeError(answer.text)
    return taken


@contextmanager
def place(kind: str, folder: Path) -> Iterator[Place]:
    if kind != "postgresql":
        yield Place(kind, folder / ("p.db" if kind == "sqlite" else "db.json"))
        return
    with running(Cluster(folder / "cluster", is_durable=True)) as cluster:
        yield Place("postgresql", folder / "db", cluster.url())


@contextmanager
def loaded(kind: str, users: int) -> Iterator[tuple[float, dict[str, Callable[[int], Any]]]]:
    """Seconds of loading so many users, and each request to them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)
        with place(kind, folder) as where:
            store = open_store(where, COLLECTIONS.form)
            sandbox = Sandbox(store=store, clock=Clock())
            begins = time.perf_counter()
            fill(sandbox, users)
            settle(where)
            yield time.perf_counter() - begins, asked(sandbox, users)
            store.close()


def settle(where: Place) -> None:
    """What a database does by itself in the minutes after so much was written."""
    if where.kind == "sqlite":
        connection = sqlite3.connect(where.path)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
    else:
        with psycopg.connect(where.url, autocommit=True) as server:
            server.execute("VACUUM ANALYZE")


def growth(kind: str, sizes: list[int], console: Console) -> None:
    """One store's table: the sizes take turns, so that a machine's drift meets all of them."""
    with ExitStack() as stack:
        found = [stack.enter_context(loaded(kind, users)) for users in sizes]
        grid = Grid("request", *(f"{users:,} users" for users in sizes), "ratio", title=kind)
        for name in found[0][1]:
            # The first time counts what is then remembered.
            rounds = [
                [seconds(requests[name], number) for _, requests in found]
                for number in range(ROUNDS + 1)
            ]
            times = [statistics.median(column) for column in zip(*rounds[1:], strict=True)]
            cells = [f"{taken * 1e3:.2f} ms" for taken in times]
            grid.add_row(name, *cells, f"{times[-1] / times[0]:.2f}")
        grid.add_row("loading", *(f"{taken:.1f} s" for taken, _ in found), "")
        console.print(grid)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--users", default=",".join(map(str, USERS_IN)))
    parser.add_argument("--stores", default=",".join(STORES))
    arguments = parser.parse_args()
    sizes = [int(number) for number in arguments.users.split(",")]
    console = Console(width=100)
    for kind in arguments.stores.split(","):
        growth(kind, sizes, console)


if __name__ == "__main__":
    main()
