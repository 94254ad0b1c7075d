"""An identity provider pushes 1,000 users, then five groups of 200, to tenants of several sizes.

python -m bench.scim
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table as Grid

from bench.server import add_users
from provisioning.domain.roles import ROLES
from provisioning.factory import COLLECTIONS
from provisioning.store import DurableStorage, MemoryStorage, Store
from provisioning.testing.sandbox import Client, Sandbox

SIZES = (100, 1_000, 10_000)
USERS, MEMBERS = 1_000, 200


def timed(ask: Callable[[], object]) -> float:
    start = time.perf_counter()
    ask()
    return time.perf_counter() - start


def push(client: Client, number: int) -> str:
    """What an identity provider asks for each user: is there one, and if not, make one."""
    username = f"pushed{number:05}@idp.test"
    found = client.get("//scim/v2/Users", query_string={"filter": f'userName eq "{username}"'})
    assert found.json["totalResults"] == 0
    made = client.post(
        "//scim/v2/Users",
        json={
            "userName": username,
            "externalId": f"00u{number}",
            "name": {"givenName": "Pushed", "familyName": str(number)},
            "emails": [{"value": username, "type": "work", "primary": True}],
            "active": True,
        },
    )
    assert made.status_code == 201, made.text
    return str(made.json["id"])


def add_members(client: Client, role: str, ids: list[str]) -> None:
    members = [{"value": each} for each in ids]
    body = {"Operations": [{"op": "add", "path": "members", "value": members}]}
    made = client.request("PATCH", f"//scim/v2/Groups/{role}", json=body)
    assert made.status_code == 204, made.text


def measure(size: int, is_durable: bool, grid: Grid) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "db.json"
        storage = DurableStorage(path) if is_durable else MemoryStorage()
        store = Store(storage, COLLECTIONS.form)
        sandbox = Sandbox(store=store, scim="on")
        add_users(sandbox, size)
        client = sandbox.client(sandbox.add_key(None))
        ids: list[str] = []
        seconds = [timed(lambda n=number: ids.append(push(client, n))) for number in range(USERS)]
        groups = [
            timed(lambda r=role, n=n: add_members(client, r, ids[n * MEMBERS : (n + 1) * MEMBERS]))
            for n, role in enumerate(ROLES)
        ]
    grid.add_row(
        "file" if is_durable else "memory",
        f"{size:,}",
        f"{sum(seconds):.1f} s",
        f"{median(seconds[:100]) * 1e3:.1f} ms",
        f"{median(seconds[-100:]) * 1e3:.1f} ms",
        f"{sum(groups):.2f} s",
    )


def main() -> None:
    grid = Grid(
        "store",
        "users before",
        f"{USERS:,} pushed",
        "each of the first 100",
        "each of the last 100",
        f"{len(ROLES)} groups of {MEMBERS}",
        title="SCIM: a lookup by userName and a POST for each user, then a PATCH for each group",
    )
    for is_durable in (False, True):
        for size in SIZES:
            measure(size, is_durable, grid)
    Console(width=110).print(grid)


if __name__ == "__main__":
    main()
