"""Connections are others', too: poolers between the server and PostgreSQL, and roles that may have
few."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from provisioning.store.opening import Place
from provisioning.testing.client import Client
from tests.pgbouncer import needs_pgbouncer, pooling
from tests.postgresql import Cluster, running

from .serving import Server, served
from .test_failover import ENDPOINT, folder, provision

pytestmark = pytest.mark.slow
__all__ = ["folder"]

CLIENTS = 16
LONGEST_ANSWER = 15


@pytest.fixture
def cluster(folder: Path) -> Iterator[Cluster]:
    with running(Cluster(folder / "one")) as cluster:
        yield cluster


def load(server: Server, token: str, seconds: float) -> tuple[Counter[int], float]:
    """How often each status was answered to many clients at once, and the longest wait."""
    end, answered, longest = time.monotonic() + seconds, Counter[int](), [0.0]

    def ask(number: int) -> None:
        client = server.client(token)
        for turn in itertools.count(number):
            began = time.monotonic()
            if began > end:
                return
            answered[one_of_five(client, turn)] += 1
            longest.append(time.monotonic() - began)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answered, max(longest)


def one_of_five(client: Client, turn: int) -> int:
    """The status of one of five requests: two change something."""
    if turn % 5 == 0:
        return client.post("/endpoints", json=ENDPOINT).status_code
    if turn % 5 == 1:
        return client.put("/users/alice@acme.test", json={"hint": f"{turn}"}).status_code
    return client.get("/users").status_code


@needs_pgbouncer
@pytest.mark.parametrize(("mode", "room"), [("session", 20), ("transaction", 20)])
def test_behind_pgbouncer_every_request_is_served(
    cluster: Cluster, folder: Path, tmp_path: Path, mode: str, room: int
) -> None:
    """With its default room, and two workers."""
    with pooling(cluster, folder / "pooler", mode, room) as url:
        place = Place("postgresql", tmp_path / "db", url)
        token = provision(place)
        with served(place, "--workers", "2") as server:
            answered, longest = load(server, token, 8)
            print(f"\n{mode}, {room}: {dict(answered)}, longest {longest:.2f} s")
            assert answered.keys() == {200, 201}, server.log
            assert longest < LONGEST_ANSWER
            assert server.client(token).get("//health/ready").status_code == 200


@needs_pgbouncer
@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_where_a_pooler_has_little_room_requests_are_served_or_told_so_in_time(
    cluster: Cluster, folder: Path, tmp_path: Path, mode: str
) -> None:
    with pooling(cluster, folder / "pooler", mode, 3) as url:
        place = Place("postgresql", tmp_path / "db", url)
        token = provision(place)
        with served(place, "--workers", "2") as server:
            answered, longest = load(server, token, 8)
            print(f"\n{mode}, 3: {dict(answered)}, longest {longest:.2f} s")
            assert answered.keys() <= {200, 201, 503}, server.log
            assert longest < LONGEST_ANSWER
            wait_for(lambda: server.client(token).get("/users").status_code == 200)


@needs_pgbouncer
def test_a_schema_that_the_url_names_is_used_behind_a_pooler_that_takes_no_options(
    cluster: Cluster, folder: Path, tmp_path: Path
) -> None:
    cluster.execute("CREATE SCHEMA theirs")
    with pooling(cluster, folder / "pooler", "transaction", 2) as url:
        options = quote("-c search_path=theirs,public")
        provision(Place("postgresql", tmp_path / "db", f"{url}?options={options}"))
    assert cluster.execute("SELECT count(*) FROM theirs.tenants") == [(1,)]


@pytest.fixture
def limited(cluster: Cluster) -> str:
    """The URL of a role that may have ten connections."""
    cluster.execute("CREATE ROLE few LOGIN PASSWORD 'few' CONNECTION LIMIT 10")
    cluster.execute("CREATE SCHEMA few AUTHORIZATION few")
    return f"postgresql://few:few@127.0.0.1:{cluster.port}/postgres?options=-csearch_path%3Dfew"


def test_a_role_with_few_connections_serves_reads_and_changes(
    cluster: Cluster, limited: str, tmp_path: Path
) -> None:
    place = Place("postgresql", tmp_path / "db", limited)
    token = provision(place)
    with served(place, "--workers", "2") as server:
        answered, longest = load(server, token, 5)
        assert answered.keys() == {200, 201}, server.log
        assert longest < LONGEST_ANSWER
        assert server.client(token).get("//health/ready").status_code == 200


def test_a_worker_that_finds_no_connection_left_waits_for_one(
    cluster: Cluster, limited: str, tmp_path: Path
) -> None:
    place = Place("postgresql", tmp_path / "db", limited)
    token = provision(place)
    with ExitStack() as others:
        for _ in range(9):
            others.enter_context(psycopg.connect(limited))
        with served(place, "--workers", "2") as server:

            def reads() -> bool:
                return server.client(token).get("/users").status_code == 200

            wait_for(lambda: reads() and "begins without it" in server.log, 60)
            assert server.process.poll() is None
            others.close()
            wait_for(lambda: all(reads() for _ in range(20)))


def test_connections_that_are_idle_are_given_back(
    cluster: Cluster, limited: str, tmp_path: Path
) -> None:
    place = Place("postgresql", tmp_path / "db", limited)
    token = provision(place)
    with served(place, "--workers", "2") as server:
        load(server, token, 3)
        count = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'few'"
        wait_for(lambda: cluster.execute(count)[0][0] <= 2)
        wait_for(lambda: cluster.execute(count) == [(0,)], 45)
        assert server.client(token).get("/users").status_code == 200


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)
