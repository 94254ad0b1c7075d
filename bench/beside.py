"""Beside json-server 1 at 10,000 users: a list of 20, a search with few hits, a change of a user.

npm install --prefix FOLDER json-server@1.0.0-beta.15
PATH=FOLDER/node_modules/.bin:$PATH python -m bench.beside

The same client asks both, and a bare Flask route of the bytes of our answer, which shows what the
client and the HTTP server allow. Ours is gunicorn with two workers on the JSON file. Each of its
changes waits for the disk, together with those that a worker's other threads make meanwhile;
json-server writes without waiting, and several changes at once.
"""

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as Grid

from bench.load import gunicorn, message, once, running, side_by_side, throughput
from bench.server import fill
from bench.store import median, replaced
from provisioning.domain.tables import USERS
from provisioning.factory import COLLECTIONS
from provisioning.store import DurableStorage, Record, Store
from provisioning.web.routing import BASE_PATH

PEOPLE = 10_000
CONNECTIONS = 8
ROUNDS, SECONDS = 5, 2
MANY = 500
"""So many different requests, over and over: other words, other values."""
Requests = dict[str, list[bytes]]


def ours(key: str) -> Requests:
    users = f"{BASE_PATH}/users"
    hints = ({"hint": str(number)} for number in range(MANY))
    return {
        "list of 20": [message("GET", f"{users}?size=20", key)],
        "search": [message("GET", f"{users}?q=ann{1_000 + n}", key) for n in range(MANY)],
        "PUT": [_put(f"{users}/user00007@acme.test", hint, key) for hint in hints],
    }


def theirs(user: Record) -> Requests:
    """The same of json-server; its search looks at one member alone, which costs it least."""
    hints = (user | {"hint": str(number)} for number in range(MANY))
    return {
        "list of 20": [message("GET", "/users?_page=1&_per_page=20")],
        "search": [
            message("GET", f"/users?_page=1&firstName:contains=ann{1_000 + number}")
            for number in range(MANY)
        ],
        "PUT": [_put(f"/users/{user['id']}", hinted) for hinted in hints],
    }


def _put(path: str, body: Any, key: str = "") -> bytes:
    return message("PUT", path, key, json.dumps(body).encode())


@contextlib.contextmanager
def json_server(path: Path) -> Iterator[int | None]:
    """Its port; None where it isn't installed."""
    program = shutil.which("json-server")
    if program is None:
        yield None
        return
    with running([program, "--host", "127.0.0.1", "--port", "PORT", str(path)]) as (port, _, _):
        yield port


def main() -> None:
    grid = Grid("answers a second", "Provisioning API", "json-server 1", "bare Flask")
    with tempfile.TemporaryDirectory() as folder:
        data, other, content = (Path(folder) / name for name in ("db.json", "js.json", "content"))
        key = fill(data, PEOPLE)
        store = Store(DurableStorage(data), COLLECTIONS.form)
        with store.read() as view:
            users = [record | {"id": str(record["id"])} for record in view.all(USERS)]
        other.write_text(json.dumps({"users": users}, indent=2))
        asked, asked_there = ours(key), theirs(users[7])
        environment = {
            "PROVISIONING_DATA": str(data),
            "PROVISIONING_ALLOWED_HOSTS": "localhost",
            "WEB_CONCURRENCY": "2",
        }
        with gunicorn("app:app", **environment) as (port, _, _), json_server(other) as there:
            for work, requests in asked.items():
                content.write_bytes(once(port, requests[0])[1])
                bare_app = {"BENCH_CONTENT": str(content), "WEB_CONCURRENCY": "2"}
                with gunicorn("bench.bare:app", **bare_app) as (bare, _, _):
                    servers = [(port, requests), (bare, [message("GET", "/")])]
                    servers += [] if there is None else [(there, asked_there[work])]
                    rates = side_by_side(
                        ROUNDS,
                        *(
                            lambda at=at, sent=sent: throughput(at, sent, SECONDS, CONNECTIONS)
                            for at, sent in servers
                        ),
                    )
                we, they, *rest = (f"{rate:,.0f}" for rate in rates)
                grid.add_row(work, we, *(rest or ["not installed"]), they)
        bytes_of_all = data.read_bytes()
        alone = 1 / median(lambda: replaced(data, bytes_of_all), 50)
    client = "wrk" if shutil.which("wrk") else "Python"
    grid.title = f"{PEOPLE:,} users, {CONNECTIONS} connections, asked by {client}"
    grid.caption = f"write + fsync + rename + fsync of the folder, alone: {alone:,.0f}"
    Console(width=110).print(grid)


if __name__ == "__main__":
    main()
