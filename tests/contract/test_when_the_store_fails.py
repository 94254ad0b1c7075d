"""What is answered while the store can't be read or written: 503, health, and who is told what."""

import threading
import time

import pytest

from provisioning.factory import memory_store, open_store
from provisioning.settings import Settings
from provisioning.store import StoreUnavailable
from provisioning.testing.sandbox import Sandbox
from provisioning.web import readiness

from .asking import ask, caller


class FailingStore:
    """A store in memory that fails on demand: `failure` is raised by whatever asks it."""

    def __init__(self):
        self._store = memory_store()
        self.failure = None
        self.probes = 0

    def __getattr__(self, name):
        if self.failure is not None:
            raise self.failure
        return getattr(self._store, name)

    def require_form(self):
        pass

    def probe(self):
        self.probes += 1
        if self.failure is not None:
            raise self.failure


class Lost(StoreUnavailable):
    unknown_fate = True


@pytest.fixture
def store():
    return FailingStore()


@pytest.fixture
def sandbox(store):
    return Sandbox(store=store)


@pytest.fixture
def damaged(tmp_path):
    """A server whose data somebody has broken by hand, in the record of a user."""
    data = tmp_path / "db.json"
    sandbox = Sandbox(store=open_store(Settings(data=data)))
    sandbox.add_user("bob@acme.test")
    sandbox.clients = {role: caller(sandbox, role) for role in ("USER", "ADMINISTRATOR")}
    data.write_text(data.read_text().replace('"email":"bob@acme.test"', '"email":7'))
    if '"email":7' not in data.read_text():
        data.write_text(data.read_text().replace('"email": "bob@acme.test"', '"email": 7'))
    return sandbox


def test_ready_says_that_the_data_is_damaged_and_names_no_record(damaged):
    answer = ask(damaged, "GET", "//health/ready")
    assert answer.status_code == 503
    assert "damaged" in answer.json["detail"]
    assert "bob" not in answer.text


@pytest.mark.parametrize(("role", "is_told"), [("USER", False), ("ADMINISTRATOR", True)])
def test_who_oversees_nothing_is_told_no_record_that_is_damaged(damaged, role, is_told):
    client = damaged.clients[role]
    answer = client.put(f"/users/{role.lower()}@acme.test", json={"hint": "new"})
    assert answer.status_code == 503
    assert ("bob" in answer.json["detail"]) is is_told
    assert "damaged" in answer.json["detail"]


def test_the_log_names_the_record_that_is_damaged(damaged, caplog):
    damaged.clients["USER"].put("/users/user@acme.test", json={"hint": "new"})
    assert "bob@acme.test" in caplog.text


def test_the_log_of_what_is_wrong_inside_holds_no_key(store, sandbox, caplog):
    store.failure = LookupError(f"?token={sandbox.administrator.token}")
    assert sandbox.administrator.get("/info").status_code == 500
    assert "LookupError" in caplog.text
    assert sandbox.administrator.token not in caplog.text


def test_ready_asks_the_store_once_a_second_at_most(store, sandbox):
    for _ in range(20):
        assert ask(sandbox, "GET", "//health/ready").status_code == 200
    assert store.probes == 1


def test_ready_asks_the_store_again_after_that(store, sandbox, monkeypatch):
    monkeypatch.setattr(readiness, "REMEMBERED", 0.05)
    assert ask(sandbox, "GET", "//health/ready").status_code == 200
    store.failure = StoreUnavailable("The disk is full.")
    time.sleep(0.06)
    assert ask(sandbox, "GET", "//health/ready").status_code == 503
    store.failure = None
    time.sleep(0.06)
    assert ask(sandbox, "GET", "//health/ready").status_code == 200


def test_many_who_ask_at_once_whether_it_is_ready_cost_one_look(store, sandbox):
    probe = store.probe
    store.probe = lambda: (time.sleep(0.05), probe())
    answers = []
    threads = [
        threading.Thread(
            target=lambda: answers.append(ask(sandbox, "GET", "//health/ready").status_code)
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (answers, store.probes) == ([200] * 8, 1)


def test_live_does_not_care_for_the_store(store, sandbox):
    store.failure = StoreUnavailable("The disk is full.")
    answer = ask(sandbox, "GET", "//health/live")
    assert (answer.status_code, answer.json) == (200, {"status": "live"})


@pytest.mark.parametrize(("verb", "path"), [("GET", "/users"), ("PUT", "/info")])
def test_a_store_that_cannot_be_asked_is_503_with_retry_after(store, sandbox, verb, path):
    store.failure = StoreUnavailable("The database can't be reached.")
    answer = sandbox.administrator.request(verb, path, json={})
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.json["detail"] == "The database can't be reached."


def test_a_change_whose_fate_is_unknown_is_not_to_be_repeated_blindly(store, sandbox):
    store.failure = Lost("The change may have been made: look before you repeat it.")
    answer = sandbox.administrator.put("/info", json={"name": "Other"})
    assert answer.status_code == 503
    assert "Retry-After" not in answer.headers
