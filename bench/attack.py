"""What slow and hostile clients cost an ordinary one: directly, and behind the shipped nginx.

python -m bench.attack [--attackers 50] [--only TEXT]     of each kind, 4 seconds each, on loopback

An ordinary client asks one thing after the other, each over a new connection, and gives up after
PATIENCE. Shown are its median and slowest answer, how many it got, and the CPU seconds of the
server.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import socket
import ssl
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table as Grid

from bench.load import message
from provisioning.domain.errors import Conflict
from provisioning.testing.provisioner import Provisioner
from provisioning.web.operation import BASE_PATH
from tests.deploy.proxy import in_front_of
from tests.edge.serving import GUNICORN, SERVE, prepared, served

ATTACKERS = 50
SECONDS = 4.0
PAUSE = 0.1
PATIENCE = 3.0
CHUNK = b"1\r\n \r\n"


@dataclass(frozen=True)
class Attack:
    name: str
    begin: bytes
    more: bytes
    """What is sent again after each pause; an attacker whose connection is closed comes back."""
    is_answered: bool = False
    """Whether the attacker reads each answer and then asks the same again, without a pause."""


def attacks(key: str, of_user: str = "") -> list[Attack]:
    password = json.dumps({"password": "another one"}).encode()
    own = f"{BASE_PATH}/users/bob@acme.test"
    colons = "@//" + ":" * 7_900
    put = (
        f"PUT {BASE_PATH}/info HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
        "Content-Type: application/json\r\n"
    ).encode()
    chunked = put + b"Transfer-Encoding: chunked\r\n\r\n"
    return [
        Attack("nobody", b"", b""),
        Attack("slow heads", b"GET / HTTP/1.1\r\nX: ", b"a"),
        Attack("slow bodies", put + b"Content-Length: 100000\r\n\r\n{", b" "),
        Attack("slow chunks", chunked + b"1\r\n{\r\n", CHUNK),
        Attack("many tiny chunks", chunked + CHUNK * 50_000, CHUNK * 5_000),
        Attack(
            "slow readers",
            message("GET", f"{BASE_PATH}/available-services?size=300", key) * 200,
            b"",
        ),
        Attack("who don't close", b"GET\r\n\r\n", b""),
        Attack(
            "colons, without a key",
            f"GET /{colons} HTTP/1.1\r\nHost: a\r\nReferer: {colons}\r\n"
            f"User-Agent: {colons}\r\n\r\n".encode(),
            b"",
            True,
        ),
        Attack("their own passwords", message("PUT", own, of_user, password), b"", True),
        Attack("changes", message("PUT", f"{BASE_PATH}/info", key, b'{"name": "A"}'), b"", True),
        Attack("ready, without a key", message("GET", "/health/ready"), b"", True),
        Attack(
            "large dashboards",
            message("GET", f"{BASE_PATH}/dashboards?size=300", of_user),
            b"",
            True,
        ),
    ]


@dataclass(frozen=True)
class Door:
    """Where a server is reached, and the processes that are it."""

    port: int
    processes: list[int]
    tls: ssl.SSLContext | None = None

    def connect(self) -> socket.socket:
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        return self.tls.wrap_socket(plain, server_hostname="localhost") if self.tls else plain

    def cpu_seconds(self) -> float:
        spent = 0
        for process in self.processes:
            words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            spent += int(words[11]) + int(words[12])
        return spent / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def attacked(door: Door, attack: Attack, attackers: int) -> Iterator[None]:
    if not attack.begin:
        yield
        return

    def press() -> None:
        connection: socket.socket | None = None
        while True:
            try:
                if connection is None:
                    connection = door.connect()
                    connection.settimeout(PAUSE)
                    connection.sendall(attack.begin)
                connection.sendall(attack.more)
            except TimeoutError:
                pass  # the server takes no more for now
            except OSError:
                if connection is not None:
                    connection.close()
                connection = None
            time.sleep(PAUSE)

    def ask() -> None:
        while True:
            with contextlib.suppress(OSError), contextlib.closing(door.connect()) as connection:
                connection.sendall(attack.begin.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
                while connection.recv(65_536):
                    pass

    def press_together() -> None:
        for _ in range(attackers):
            threading.Thread(target=ask if attack.is_answered else press).start()

    # A process of their own, so that the ordinary client doesn't wait for their Python.
    process = multiprocessing.get_context("fork").Process(target=press_together)
    process.start()
    try:
        time.sleep(1)
        yield
    finally:
        process.kill()
        process.join()


def ordinary(door: Door, key: str) -> str:
    request = message("GET", f"{BASE_PATH}/whoami", key)
    times, lost, end = [], 0, time.monotonic() + SECONDS
    while time.monotonic() < end:
        begin = time.monotonic()
        try:
            with contextlib.closing(door.connect()) as connection:
                connection.sendall(request)
                is_answered = connection.recv(65_536).startswith(b"HTTP/1.1 200")
        except OSError:
            is_answered = False
        if is_answered:
            times.append(time.monotonic() - begin)
        else:
            lost += 1
        time.sleep(0.02)
    shown = "-"
    if times:
        shown = f"{statistics.median(times) * 1e3:.0f}, {max(times) * 1e3:.0f} ms"
    return f"{shown}, {len(times)} of {len(times) + lost}"


def fill(provisioner: Provisioner) -> None:
    """As many large dashboards as a tenant may have."""
    with contextlib.suppress(Conflict):
        for number in range(60):
            provisioner.add_dashboard(f"d{number}", settings={"a": "x" * 65_000})


@contextlib.contextmanager
def gunicorn(folder: Path) -> Iterator[Door]:
    with served(folder / "db.json", command=GUNICORN) as server:
        yield Door(server.port, server.workers())


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[Door]:
    with served(folder / "db.json", command=SERVE) as server:
        yield Door(server.port, [server.process.pid])


@contextlib.contextmanager
def behind_nginx(folder: Path) -> Iterator[Door]:
    with gunicorn(folder) as door, in_front_of(door.port, folder / "nginx") as proxy:
        yield Door(proxy.port, door.processes, proxy.tls)


DOORS = {"gunicorn": gunicorn, "provisioning serve": serve, "gunicorn behind nginx": behind_nginx}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attackers", type=int, default=ATTACKERS)
    parser.add_argument("--only", default="", help="only attacks whose name has this text")
    asked = parser.parse_args()
    title = f"An ordinary client beside {asked.attackers} attackers: median, slowest, answers"
    grid = Grid("attackers", *DOORS, title=title)
    for kind in attacks(""):
        if asked.only not in kind.name:
            continue
        cells = []
        for opened in DOORS.values():
            # Each has a server of its own, which no earlier attack keeps busy.
            with tempfile.TemporaryDirectory() as folder:
                with prepared(Path(folder) / "db.json") as provisioner:
                    provisioner.add_tenant("acme")
                    key = provisioner.add_key()
                    of_user = provisioner.add_key(provisioner.add_user("bob@acme.test"))
                    if "dashboards" in kind.name:
                        fill(provisioner)
                named = {each.name: each for each in attacks(key, of_user)}
                attack = named[kind.name]
                with opened(Path(folder)) as door:
                    with attacked(door, attack, asked.attackers):
                        before = door.cpu_seconds()
                        shown = ordinary(door, key)
                        spent = door.cpu_seconds() - before
                    cells.append(f"{shown}\n{spent:.1f} s of CPU")
        grid.add_row(kind.name, *cells)
    Console(width=110).print(grid)


if __name__ == "__main__":
    main()
