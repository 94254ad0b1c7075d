import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from provisioning.store.opening import Place

from .serving import GUNICORN, SERVE, Server, prepared, served

BASE = "/api/v1/provisioning"


ROUNDS = 5
"""Also where the option is unknown, since pytest looked for options before it came here."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rounds", type=int, default=ROUNDS, help="How often races and crashes are repeated."
    )


def place_of_kind(kind: str, folder: Path, request: pytest.FixtureRequest) -> Place:
    """An empty place for a store. Of a database the path says where the server may log."""
    if kind == "postgresql":
        server = request.getfixturevalue("postgresql")
        name = f"e{time.time_ns()}_{os.getpid()}"
        server.execute(f"CREATE SCHEMA {name}")
        return Place(kind, folder / "db", server.url(options=f"-csearch_path={name},public"))
    return Place(kind, folder / ("p.db" if kind == "sqlite" else "db.json"))


@pytest.fixture(params=["file", "sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty place of each kind."""
    return place_of_kind(request.param, tmp_path, request)


@dataclass(frozen=True)
class Edge:
    """A running server with the tenants acme and globex, and keys of an administrator of each."""

    server: Server
    acme: str
    globex: str

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def key(self) -> str:
        """A header line that identifies the administrator of acme."""
        return f"Authorization: Bearer {self.acme}"


@contextmanager
def running_edge(folder: Path, command: tuple[str, ...]) -> Iterator[Edge]:
    tokens = {}
    with prepared(folder / "db.json") as provisioner:
        for tenant in ("acme", "globex"):
            provisioner.add_tenant(tenant)
            provisioner.add_user(f"alice@{tenant}.test", "ADMINISTRATOR", tenant)
            tokens[tenant] = provisioner.add_key(f"alice@{tenant}.test", tenant)
    with served(folder / "db.json", command=command) as server:
        yield Edge(server, **tokens)


@pytest.fixture(scope="session")
def gunicorn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """One server for all tests that leave no more behind than a changed tenant's name."""
    with running_edge(tmp_path_factory.mktemp("edge"), GUNICORN) as edge:
        yield edge


@pytest.fixture(scope="session")
def provisioning_serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """The same under `provisioning serve`."""
    with running_edge(tmp_path_factory.mktemp("serve"), SERVE) as edge:
        yield edge


@pytest.fixture(params=["gunicorn", "provisioning_serve"])
def edge(request: pytest.FixtureRequest) -> Iterator[Edge]:
    """Each kind of server; whatever a test has done to it, it answers the next request, and did
    not err."""
    running: Edge = request.getfixturevalue(request.param)
    before = len(running.server.log)
    yield running
    answer = running.server.client(running.acme).get("/whoami")
    assert (answer.status_code, answer.json()["tenant"]["label"]) == (200, "acme")
    assert "Traceback" not in running.server.log[before:]
