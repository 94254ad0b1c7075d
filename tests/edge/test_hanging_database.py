"""A database that hangs: every request is answered in time, and a thread is left for those who ask
whether the process lives."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from provisioning.cli.opening import CANNOT_START
from provisioning.factory import COLLECTIONS
from provisioning.store.form import Step
from provisioning.store.opening import Place, open_store
from tests.postgresql import Cluster, free_port, running

from .serving import GUNICORN, ROOT, Server, served
from .test_failover import ENDPOINT, folder, provision

pytestmark = pytest.mark.slow
__all__ = ["folder"]

LONGEST_ANSWER = 15
LIVES_WITHIN = 3
"""Seconds; one is promised, but the tests' machine does other things, too."""
REQUESTS = 16


@pytest.fixture
def cluster(folder: Path) -> Iterator[Cluster]:
    with running(Cluster(folder / "one", is_durable=True)) as cluster:
        yield cluster


@contextmanager
def asked_whether_it_lives(server: Server) -> Iterator[list[float]]:
    """How long each answer to /health/live took meanwhile."""
    ending, taken = threading.Event(), []

    def ask() -> None:
        client = server.client()
        while not ending.wait(0.1):
            began = time.monotonic()
            assert client.get("//health/live").status_code == 200
            taken.append(time.monotonic() - began)

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask)
        try:
            yield taken
        finally:
            ending.set()
        asking.result()


Answer = tuple[int, str | None, float]
"""Status, Retry-After, seconds."""


def all_at_once(server: Server, token: str, *ways: tuple[str, str]) -> list[Answer]:
    """What many clients are answered."""

    def ask(number: int) -> Answer:
        method, path = ways[number % len(ways)]
        began = time.monotonic()
        facts = {"json": ENDPOINT} if method == "POST" else {}
        answer = server.client(token).request(method, path, **facts)
        took = time.monotonic() - began
        return answer.status_code, answer.headers.get("Retry-After"), took

    with ThreadPoolExecutor(REQUESTS) as pool:
        return [*pool.map(ask, range(REQUESTS))]


def require_in_time(answers: list[Answer], lived: list[float]) -> None:
    longest = max(took for _, _, took in answers)
    print(f"\nlongest {longest:.1f} s of {len(answers)}, /health/live {max(lived):.2f} s")
    assert longest < LONGEST_ANSWER
    assert max(lived) < LIVES_WITHIN


def test_changes_whose_standby_is_away_are_answered_and_nobody_waits_for_them(
    cluster: Cluster, tmp_path: Path
) -> None:
    place = Place("postgresql", tmp_path / "db", cluster.url())
    token = provision(place)
    with served(place) as server:
        cluster.execute("ALTER SYSTEM SET synchronous_standby_names = 'gone'")
        cluster.execute("SELECT pg_reload_conf()")
        try:
            with asked_whether_it_lives(server) as lived:
                answers = all_at_once(server, token, ("POST", "/endpoints"), ("GET", "/users"))
                changed = [answer for answer in answers[::2] if answer[1] is None]
                assert {status for status, _, _ in answers[::2]} == {503}
                assert {status for status, _, _ in answers[1::2]} <= {200, 503}
                assert server.client(token).get("/users").status_code == 200
                assert server.client().get("//health/ready").status_code == 503
        finally:
            cluster.execute("ALTER SYSTEM RESET synchronous_standby_names")
            cluster.execute("SELECT pg_reload_conf()")
        require_in_time(answers, lived)
        # Nobody knew, and they are there: those that were told otherwise are not.
        assert changed
        found = server.client(token).get("/endpoints?size=300").json()
        assert len(found) == len(changed)
        assert server.client(token).post("/endpoints", json=ENDPOINT).status_code == 201


def test_a_table_that_somebody_holds_keeps_nobody_waiting_for_long(
    cluster: Cluster, tmp_path: Path
) -> None:
    place = Place("postgresql", tmp_path / "db", cluster.url())
    token = provision(place)
    with served(place) as server:
        with psycopg.connect(cluster.url()) as holder, asked_whether_it_lives(server) as lived:
            holder.execute("LOCK TABLE users")
            answers = all_at_once(server, token, ("GET", "/users"), ("POST", "/endpoints"))
            assert {answer[:2] for answer in answers} == {(503, "1")}
            holder.rollback()
        require_in_time(answers, lived)
        assert server.client(token).get("/users").status_code == 200


def test_a_database_that_stops_is_told_at_once_to_all_but_one_and_used_when_it_goes_on(
    cluster: Cluster, tmp_path: Path
) -> None:
    place = Place("postgresql", tmp_path / "db", cluster.url())
    token = provision(place)
    with served(place) as server:
        processes = stop(cluster)
        with asked_whether_it_lives(server) as lived:
            first = all_at_once(server, token, ("GET", "/users"), ("POST", "/endpoints"))
            later = all_at_once(server, token, ("GET", "/users"), ("POST", "/endpoints"))
            assert {answer[0] for answer in (*first, *later)} == {503}
        require_in_time(first + later, lived)
        assert sorted(took for _, _, took in later)[REQUESTS // 2] < LIVES_WITHIN
        for process in processes:
            os.kill(process, signal.SIGCONT)
        wait_for(lambda: server.client(token).get("/users").status_code == 200)


def stop(cluster: Cluster) -> list[int]:
    """Let a database hang; which processes can go on."""
    cluster.hang()
    children = Path(f"/proc/{cluster.process.pid}/task/{cluster.process.pid}/children")
    return [cluster.process.pid, *map(int, children.read_text().split())]


def test_while_the_database_is_away_a_worker_that_dies_is_replaced(
    cluster: Cluster, tmp_path: Path
) -> None:
    place = Place("postgresql", tmp_path / "db", cluster.url())
    token = provision(place)
    with served(place, "--workers", "2") as server:
        client = server.client(token)
        cluster.kill()
        for worker in server.workers():
            os.kill(worker, signal.SIGKILL)
        wait_for(lambda: "begins without it" in server.log)
        wait_for(lambda: lives(server))
        for path in ("/users", "//health/ready"):
            answer = client.get(path)
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert server.process.poll() is None
        cluster.start()
        # Of both workers.
        wait_for(lambda: all(client.get("/users").status_code == 200 for _ in range(20)))
        assert client.post("/endpoints", json=ENDPOINT).status_code == 201
        wait_for(lambda: client.get("//health/ready").status_code == 200)


def test_a_worker_of_an_older_version_that_dies_beside_a_newer_store_ends_no_server(
    tmp_path: Path,
) -> None:
    place = Place("file", tmp_path / "db.json")
    token = provision(place)
    with served(place.path) as server:
        form = COLLECTIONS.form
        open_store(place, form._replace(steps=(*form.steps, Step()))).close()
        os.kill(server.workers()[0], signal.SIGKILL)
        wait_for(lambda: "begins without it" in server.log)
        wait_for(lambda: lives(server))
        for path in ("/users", "//health/ready"):
            answer = server.client(token).get(path)
            assert (answer.status_code, "newer version" in answer.text) == (503, True)
        assert server.process.poll() is None


def lives(server: Server) -> bool:
    try:
        return server.client().get("//health/live").status_code == 200
    except OSError:
        return False


def test_the_first_start_of_all_without_a_database_is_an_error(tmp_path: Path) -> None:
    url = f"postgresql://ann:s3cret@127.0.0.1:{free_port()}/all"
    ended = subprocess.run(
        # Of several that fail at once gunicorn may raise where it reaps the second.
        [sys.executable, *GUNICORN, "--workers", "1"],
        cwd=ROOT,
        env=os.environ | {"PROVISIONING_DATA": url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == CANNOT_START
    assert "can't be reached" in ended.stderr
    assert "s3cret" not in ended.stderr and "Traceback" not in ended.stderr


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)
