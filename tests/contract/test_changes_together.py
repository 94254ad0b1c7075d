"""Changes whose turns come one after the other, and that one write of the file keeps: each is
judged by those before it, and what comes of the write is what all of them are told."""

import errno
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from provisioning.factory import COLLECTIONS
from provisioning.store import Disk, DurableStorage, Store
from provisioning.testing.sandbox import Sandbox

pytestmark = pytest.mark.slow

CLIENTS = 8


class CountingDisk(Disk):
    """Counts how often a file is put in place, or says that there is no room for one."""

    is_full = False
    written = 0

    def fsync(self, descriptor: int) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().fsync(descriptor)

    def replace(self, source: Path, target: Path) -> None:
        self.written += 1
        super().replace(source, target)


@pytest.fixture
def disk():
    return CountingDisk()


@pytest.fixture
def sandbox(tmp_path, disk):
    storage = DurableStorage(tmp_path / "db.json", disk=disk, patience=20)
    return Sandbox(store=Store(storage, COLLECTIONS.form))


@pytest.fixture
def together(sandbox, disk):
    """Sends requests whose changes all wait for a turn, in this order: what each got, and how many
    writes there were."""

    def send(*requests):
        answers = [None] * len(requests)

        def ask(number, client, verb, path, facts):
            answers[number] = client.request(verb, path, **facts)

        threads = [
            threading.Thread(target=ask, args=(number, *request))
            for number, request in enumerate(requests)
        ]
        written = disk.written
        with sandbox.store.transaction():
            for number, thread in enumerate(threads, start=1):
                thread.start()
                end = time.monotonic() + 20
                while sandbox.store._storage._threads._waiting < number:
                    assert time.monotonic() < end
                    time.sleep(0.001)
        for thread in threads:
            thread.join()
        return answers, disk.written - written

    return send


def statuses(answers):
    return Counter(answer.status_code for answer in answers)


def test_of_many_who_create_one_username_one_succeeds(sandbox, together):
    requests = [
        (
            sandbox.administrator,
            "POST",
            "/users",
            {"json": {"username": name, "email": "a@b", "password": "x"}},
        )
        for name in ("race@acme.test", "RACE@acme.test") * (CLIENTS // 2)
    ]
    answers, writes = together(*requests)
    assert statuses(answers) == {201: 1, 409: CLIENTS - 1}
    assert writes == 1
    assert len(sandbox.administrator.get("/users?q=race").json) == 1


def test_new_records_have_ids_of_their_own_and_are_audited_one_by_one(sandbox, together):
    body = {"url": "amqp://a", "endpointType": "MQ_INCOMING"}
    answers, writes = together(
        *[(sandbox.administrator, "POST", "/endpoints", {"json": body})] * CLIENTS
    )
    assert statuses(answers) == {201: CLIENTS}
    assert writes == 1
    assert len({answer.json["id"] for answer in answers}) == CLIENTS
    audited = sandbox.administrator.get("/audit?resource=endpoints").json
    assert len(audited) == len({each["id"] for each in audited}) == CLIENTS


def test_who_counts_with_if_match_loses_no_step(sandbox, together):
    etag = sandbox.administrator.get("/info").headers["ETag"]
    answers, _ = together(
        *(
            (
                sandbox.administrator,
                "PUT",
                "/info",
                {"json": {"theme": f"theme {number}"}, "headers": {"If-Match": etag}},
            )
            for number in range(CLIENTS)
        )
    )
    assert statuses(answers) == {200: 1, 412: CLIENTS - 1}
    (winner,) = (answer for answer in answers if answer.status_code == 200)
    assert sandbox.administrator.get("/info").json["theme"] == winner.json["theme"]


@pytest.fixture
def administrators(sandbox):
    """Clients of all administrators of the tenant, with their privileges' ids."""
    found = [(sandbox.administrator, "alice@acme.test")]
    for number in range(CLIENTS - 1):
        username = sandbox.add_user(f"admin{number}@acme.test", "ADMINISTRATOR")
        found.append((sandbox.client(sandbox.add_key(username)), username))
    return found


def left(sandbox):
    """How many administrators the tenant has."""
    key = sandbox.client(sandbox.add_key(None))
    active = key.get("/privileges?active=true").json
    return sum(each["role"] == "ADMINISTRATOR" for each in active)


def test_of_all_administrators_who_step_down_at_once_one_can_not(sandbox, together, administrators):
    answers, writes = together(
        *((client, "DELETE", f"/users/{username}", {}) for client, username in administrators)
    )
    assert statuses(answers) == {204: CLIENTS - 1, 409: 1}
    assert writes == 1
    assert left(sandbox) == 1


def test_who_was_removed_by_a_change_before_theirs_can_remove_nobody(
    sandbox, together, administrators
):
    others = [username for _, username in administrators[1:]] + ["alice@acme.test"]
    answers, _ = together(
        *(
            (client, "DELETE", f"/users/{other}", {})
            for (client, _), other in zip(administrators, others, strict=True)
        )
    )
    # Each removes the next one, who then comes too late to do the same.
    assert statuses(answers) == {204: CLIENTS // 2, 401: CLIENTS // 2}
    assert left(sandbox) == CLIENTS // 2


def test_when_the_write_fails_all_are_told_so_and_who_was_refused_may_try_again(
    sandbox, together, disk, administrators
):
    disk.is_full = True
    answers, writes = together(
        *((client, "DELETE", f"/users/{username}", {}) for client, username in administrators)
    )
    assert (statuses(answers), writes) == ({503: CLIENTS}, 0)
    for answer in answers:
        assert "No space left" in answer.json["detail"]
        assert int(answer.headers["Retry-After"]) >= 1
    disk.is_full = False
    assert left(sandbox) == CLIENTS
