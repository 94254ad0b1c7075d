"""PostgreSQL is killed while the server writes: nothing that was acknowledged is lost, and service
comes back by itself, from the same database or from the standby that takes its place."""

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from urllib.parse import quote

import pytest

from provisioning.store.opening import Place
from provisioning.testing.client import Client
from tests.postgresql import PASSWORD, Cluster, running

from .serving import prepared, served

WRITERS = 8
ENDPOINT = {"url": "amqp://mq.test", "endpointType": "MQ_INCOMING"}
LONGEST_OUTAGE = 10
"""Seconds from the promotion of a standby to the first acknowledged change."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that the user who runs PostgreSQL gets to."""
    made = Path(tempfile.mkdtemp(prefix="provisioning-failover-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


class Writers:
    """Threads that create endpoints until they are told to stop, and note what is acknowledged."""

    def __init__(self, new_client: Callable[[], Client]) -> None:
        self._new_client = new_client
        self._ending = threading.Event()
        self.acknowledged: list[tuple[float, int]] = []
        self.refused: set[int] = set()
        self._threads = [threading.Thread(target=self._write) for _ in range(WRITERS)]

    def _write(self) -> None:
        client = self._new_client()
        while not self._ending.is_set():
            try:
                answer = client.post("/endpoints", json=ENDPOINT)
            except (OSError, HTTPException):
                continue
            if answer.status_code == 201:
                self.acknowledged.append((time.monotonic(), answer.json()["id"]))
            else:
                self.refused.add(answer.status_code)
                time.sleep(0.05)

    def wait_for(self, number: int) -> None:
        """Until so many more have been acknowledged."""
        begins, deadline = len(self.acknowledged), time.monotonic() + 60
        while len(self.acknowledged) < begins + number:
            assert time.monotonic() < deadline, self.refused
            time.sleep(0.01)


@contextmanager
def writing(new_client: Callable[[], Client]) -> Iterator[Writers]:
    writers = Writers(new_client)
    for thread in writers._threads:
        thread.start()
    try:
        yield writers
    finally:
        writers._ending.set()
        for thread in writers._threads:
            thread.join()


def provision(place: Place) -> str:
    with prepared(place) as provisioner:
        provisioner.add_tenant("acme")
        provisioner.add_user("alice@acme.test", "ADMINISTRATOR")
        return provisioner.add_key("alice@acme.test")


def lost(client: Client, writers: Writers) -> set[int]:
    """What was acknowledged and isn't there."""
    shown: set[int] = set()
    page = 0
    while found := client.get(f"/endpoints?size=300&page={page}").json():
        shown |= {endpoint["id"] for endpoint in found}
        page += 1
    return {number for _, number in writers.acknowledged} - shown


@pytest.mark.slow
def test_a_database_that_is_killed_and_started_again_has_all_that_was_acknowledged(
    folder: Path, tmp_path: Path
) -> None:
    with running(Cluster(folder / "one", is_durable=True)) as cluster:
        place = Place("postgresql", tmp_path / "db", cluster.url())
        token = provision(place)
        with served(place, "--workers", "2", "--threads", "4") as server:
            client = server.client(token)
            with writing(lambda: server.client(token)) as writers:
                writers.wait_for(50)
                cluster.kill()
                assert client.get("//health/live").status_code == 200
                for path in ("//health/ready", "/whoami"):
                    answer = client.get(path)
                    assert answer.status_code == 503
                    assert answer.headers["Retry-After"]
                    assert "127.0.0.1" not in answer.text and PASSWORD not in answer.text
                cluster.start()
                writers.wait_for(50)
            assert writers.refused <= {503}
            # The other of the two workers may not have looked yet.
            deadline = time.monotonic() + 10
            while client.get("//health/ready").status_code != 200:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            assert lost(client, writers) == set()
        assert quote(PASSWORD, safe="") not in server.log and PASSWORD not in server.log


@pytest.mark.slow
@pytest.mark.parametrize("way", ["killed", "stopped"])
def test_a_standby_that_is_promoted_takes_over_without_a_restart_and_has_lost_nothing(
    folder: Path, tmp_path: Path, way: str
) -> None:
    """A primary that is stopped hangs: the system goes on acknowledging what is sent to it."""
    with running(Cluster(folder / "one", is_durable=True)) as primary:
        standby = primary.standby(folder / "two")
        standby.start()
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.execute("SELECT pg_reload_conf()")
        try:
            hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
            url = primary.url().replace(f"127.0.0.1:{primary.port}", hosts)
            place = Place("postgresql", tmp_path / "db", url)
            token = provision(place)
            with served(place, "--workers", "2", "--threads", "4") as server:
                with writing(lambda: server.client(token)) as writers:
                    writers.wait_for(50)
                    if way == "killed":
                        primary.kill()
                    else:
                        primary.hang()
                    time.sleep(1)
                    standby.promote()
                    promoted = time.monotonic()
                    writers.wait_for(50)
                outage = min(at for at, _ in writers.acknowledged if at > promoted) - promoted
                missing = lost(server.client(token), writers)
            print(
                f"\n{way}: {len(writers.acknowledged)} acknowledged, {len(missing)} lost, "
                f"{outage:.2f} s"
            )
            assert missing == set()
            assert outage < LONGEST_OUTAGE
        finally:
            standby.stop()
