"""The server is killed while it writes: what was acknowledged is there, nothing is half-done.

gunicorn runs with 2 workers of 4 threads. Writers create users with their first privilege, grant,
revoke, make keys and endpoints, and write down each user and revocation before they send it, and
all changes when they are acknowledged. At a random moment every process gets SIGKILL.
`pytest tests/edge --rounds 40` repeats that 40 times, all on one file.
"""

import itertools
import os
import random
import signal
import threading
import time
from collections import Counter
from functools import partial
from http.client import HTTPException
from urllib.parse import unquote

import pytest

from provisioning.domain.activity import parse_instant
from provisioning.factory import open_store
from provisioning.settings import Settings
from provisioning.store.opening import Place
from provisioning.testing.client import Answer, Client
from provisioning.web.operation import BASE_PATH

from .conftest import ROUNDS
from .serving import Server, patiently, prepared

WRITERS = 6
LONGEST = 2.0
"""Seconds from a round's first acknowledged change to the kill, at most."""


class Ledger:
    """What was asked of the server, and what it acknowledged, of all rounds."""

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self.asked: set[str] = set()
        self.acknowledged: dict[str, dict] = {}
        """The last acknowledged state by the path of its record, for records that have one."""
        self.revoked: set[str] = set()
        self.count: Counter[str] = Counter()
        self.unexpected: list[str] = []

    def ask(self, name: str) -> None:
        with self._changing:
            self.asked.add(name)

    def note(self, kind: str, path: str, state: dict) -> None:
        with self._changing:
            self.count[kind] += 1
            self.acknowledged[path] = state

    def note_revoked(self, username: str) -> None:
        with self._changing:
            self.count["revoked"] += 1
            self.revoked.add(username)

    def note_unexpected(self, answer: Answer) -> None:
        with self._changing:
            self.unexpected.append(f"{answer.status_code} {answer.text}")


def below(answer: Answer) -> str:
    return unquote(answer.headers["Location"]).removeprefix(BASE_PATH)


def write(client: Client, ledger: Ledger, names: "itertools.count[int]") -> None:
    """Change after change, until the server is gone."""
    choose = random.Random(next(names))
    while True:
        username = f"user{next(names)}@acme.test"
        ledger.ask(username)
        role = choose.choice(["USER", "TEAM_LEADER", "MANAGEMENT"])
        body = {
            "username": username,
            "email": username,
            "password": "x",
            "tenantUserPrivileges": [{"role": role}],
        }
        steps = [
            ("user", "/users", body),
            ("privilege", "/privileges", {"username": username, "role": "INTERNAL_AUDITING"}),
            ("key", f"/users/{username}/api-keys", {"type": "BASIC", "name": username}),
            ("endpoint", "/endpoints", {"url": f"amqp://{username[:-10]}", **ENDPOINT}),
        ]
        # Most of the time of a new user goes into the hash of the password: more of the others.
        steps += steps[2:] * 4
        try:
            for kind, path, sent in steps:
                answer = patiently(partial(client.post, path, json=sent))
                if answer.status_code != 201:
                    ledger.note_unexpected(answer)
                    return
                ledger.note(kind, below(answer), answer.json())
            if choose.random() < 0.3:
                ledger.ask(f"revoke {username}")
                if client.delete(f"/users/{username}").status_code == 204:
                    ledger.note_revoked(username)
        except (OSError, HTTPException):
            return


ENDPOINT = {"endpointType": "MQ_INCOMING"}


def everything(client: Client, path: str) -> list[dict]:
    """All records of a list."""
    found: list[dict] = []
    for page in itertools.count():
        answer = client.get(f"{path}{'&' if '?' in path else '?'}size=300&page={page}")
        assert answer.status_code == 200
        found += answer.json()
        if len(found) >= int(answer.headers["X-Total-Count"]) or not answer.json():
            assert len(found) == int(answer.headers["X-Total-Count"])
            return found
    return found


def verify(client: Client, ledger: Ledger) -> None:
    """The state after a restart, against what was asked and acknowledged."""
    users = everything(client, "/users?active=all")
    privileges = everything(client, "/privileges")
    names = [user["username"] for user in users]
    assert len(names) == len(set(names))
    assert set(names) <= ledger.asked | {"alice@acme.test"}

    shown = {f"/users/{name}": user for name, user in zip(names, users, strict=True)}
    shown |= {f"/privileges/{each['id']}": each for each in privileges}
    shown |= {
        f"/users/{each['user']['username']}/api-keys/{each['id']}": each
        for each in everything(client, "/user-api-keys")
    }
    shown |= {f"/endpoints/{each['id']}": each for each in everything(client, "/endpoints")}
    lost = [path for path in ledger.acknowledged if path not in shown]
    assert lost == []

    for path, state in ledger.acknowledged.items():
        changeable = {"tenantUserPrivileges", "activeApiKeys", "activeUntil"}
        for member in state.keys() - changeable:
            assert shown[path][member] == state[member], (path, member)

    still_active = {
        each["user"]["username"]
        for each in privileges
        if each["activeUntil"] is None and each["user"]["username"] in ledger.revoked
    }
    assert still_active == set()
    half_revoked = [
        user["username"]
        for user in users
        if len({each["activeUntil"] is None for each in user["tenantUserPrivileges"]}) > 1
    ]
    assert half_revoked == []
    assert all(f"revoke {name}" in ledger.asked for name in ended(users))


def ended(users: list[dict]) -> list[str]:
    return [
        user["username"]
        for user in users
        if all(each["activeUntil"] is not None for each in user["tenantUserPrivileges"])
    ]


def check_records(place: Place) -> None:
    """Beside the API: the store is whole, ids are used once, references lead somewhere."""
    store = open_store(Settings(data=place))
    with store.read() as view:
        tables = view.tables()
    store.close()
    for table in ("users", "privileges", "endpoints"):
        ids = [record["id"] for record in tables[table].values()]
        assert len(ids) == len(set(ids)), table
    for privilege in tables["privileges"].values():
        assert privilege["user"] in tables["users"]
        parse_instant(privilege["activeFrom"])
    # Lists show no user without a privilege, so this half of a change can only be seen here.
    assert tables["users"].keys() == {each["user"] for each in tables["privileges"].values()}
    for key in tables["api_keys"].values():
        assert key["user"] in tables["users"]


@pytest.mark.slow
def test_killed_at_any_moment_it_has_lost_nothing_that_it_acknowledged(place, pytestconfig):
    rounds = pytestconfig.getoption("rounds", ROUNDS)
    with prepared(place) as provisioner:
        provisioner.add_tenant("acme")
        provisioner.add_user("alice@acme.test", "ADMINISTRATOR")
        token = provisioner.add_key("alice@acme.test")
    ledger, names = Ledger(), itertools.count(1)
    moments = random.Random(rounds)
    server = Server(place, "--workers", "2", "--threads", "4")
    try:
        for _ in range(rounds):
            writers = [
                threading.Thread(target=write, args=(server.client(token), ledger, names))
                for _ in range(WRITERS)
            ]
            before = ledger.count.total()
            for writer in writers:
                writer.start()
            while ledger.count.total() == before and any(each.is_alive() for each in writers):
                time.sleep(0.001)
            time.sleep(moments.uniform(0, LONGEST))
            server.kill()
            for writer in writers:
                writer.join()
            assert ledger.unexpected == []
            server.start()
            verify(server.client(token), ledger)
            check_records(place)
    finally:
        server.stop()
    print(f"\n{rounds} kills, acknowledged: {dict(ledger.count)}, all there")
    assert ledger.count["user"] >= rounds


@pytest.mark.slow
def test_a_worker_that_is_killed_is_replaced_and_the_others_go_on(tmp_path):
    data = tmp_path / "db.json"
    with prepared(data) as provisioner:
        provisioner.add_tenant("acme")
        provisioner.add_user("alice@acme.test", "ADMINISTRATOR")
        token = provisioner.add_key("alice@acme.test")
    server = Server(data, "--workers", "2", "--threads", "4")
    try:
        client = server.client(token)
        acknowledged = []
        for number in range(60):
            if number % 15 == 5:
                kill_one(server)
            body = {"type": "BASIC", "name": f"key {number}"}
            try:
                answer = client.post("/api-keys", json=body)
            except (OSError, HTTPException):
                continue
            assert answer.status_code == 201
            acknowledged.append(answer.json()["id"])
        shown = {key["id"] for key in everything(client, "/api-keys")}
        assert set(acknowledged) <= shown
        assert len(acknowledged) >= 50
    finally:
        server.stop()


def kill_one(server: Server) -> None:
    os.kill(random.choice(server.workers()), signal.SIGKILL)
