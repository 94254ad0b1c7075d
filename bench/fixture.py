"""A test's server: start, fresh state and stop, beside others that tests start, taking turns.

A fresh state is what each documents for it: a call, or, for moto's server, a request.

python -m bench.fixture
"""

import logging
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

import requests
from moto.server import ThreadedMotoServer
from pytest_httpserver import HTTPServer
from rich.console import Console
from rich.table import Table as Grid

from provisioning.testing import ProvisioningServer

ROUNDS = 100
WARM_UP = 3
OURS = "provisioning"


@dataclass
class Subject:
    """How a kind of server begins, is used and forgets; all of them have `stop`."""

    begin: Callable[[], Any]
    use: Callable[[Any], None]
    forget: Callable[[Any], None]


def begin_ours() -> ProvisioningServer:
    return ProvisioningServer().start()


def use_ours(server: ProvisioningServer) -> None:
    server.add_user()
    assert server.administrator.get("/users").status_code == 200


def begin_httpserver() -> HTTPServer:
    server = HTTPServer(port=0)
    server.start()
    return server


def use_httpserver(server: HTTPServer) -> None:
    server.expect_request("/users").respond_with_json([])
    _get(server.host, server.port, "/users")


def begin_moto() -> ThreadedMotoServer:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    return server


def use_moto(server: ThreadedMotoServer) -> None:
    _get(*server.get_host_and_port(), "/moto-api/data.json")


def forget_moto(server: ThreadedMotoServer) -> None:
    host, port = server.get_host_and_port()
    requests.post(f"http://{host}:{port}/moto-api/reset", timeout=10)


def _get(host: str, port: int, path: str) -> None:
    connection = HTTPConnection(host, port, timeout=10)
    connection.request("GET", path)
    assert connection.getresponse().read()
    connection.close()


SUBJECTS = {
    OURS: Subject(begin_ours, use_ours, ProvisioningServer.reset),
    "pytest-httpserver": Subject(begin_httpserver, use_httpserver, HTTPServer.clear),
    "moto's ThreadedMotoServer": Subject(begin_moto, use_moto, forget_moto),
}


def measure(subject: Subject) -> list[float]:
    """Milliseconds of a start, a fresh state and a stop of a server that was used."""
    beginning = time.perf_counter()
    server = subject.begin()
    begun = time.perf_counter()
    subject.use(server)
    used = time.perf_counter()
    subject.forget(server)
    forgotten = time.perf_counter()
    subject.use(server)
    ending = time.perf_counter()
    server.stop()
    ended = time.perf_counter()
    return [1e3 * seconds for seconds in (begun - beginning, forgotten - used, ended - ending)]


def main(rounds: int = ROUNDS) -> None:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    measured: dict[str, list[list[float]]] = {name: [] for name in SUBJECTS}
    for _ in range(WARM_UP + rounds):
        for name, subject in SUBJECTS.items():
            measured[name].append(measure(subject))
    medians = {
        name: [statistics.median(column) for column in zip(*rows[WARM_UP:], strict=True)]
        for name, rows in measured.items()
    }
    grid = Grid("a test's server", title=f"Medians of {rounds} rounds; times what ours takes")
    for step in ("start", "fresh state", "stop"):
        grid.add_column(step, justify="right")
    for name, times in medians.items():
        ratios = [each / ours for each, ours in zip(times, medians[OURS], strict=True)]
        cells = [f"{each:.2f} ms = {ratio:.1f}x" for each, ratio in zip(times, ratios, strict=True)]
        grid.add_row(name, *cells)
    Console(width=110).print(grid)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
