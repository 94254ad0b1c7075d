"""Who changes something, or hashes a password, takes a place; who reads never waits for one."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from provisioning.store import StoreUnavailable
from provisioning.testing.sandbox import Sandbox
from provisioning.web import places
from provisioning.web.places import Places

PLACES = 12
"""Of a server that nobody has told how many threads it has: three quarters of 16."""
BODY = {"username": "eve@acme.test", "email": "eve@acme.test", "password": "secret"}


@pytest.fixture
def impatient(monkeypatch):
    """Nobody waits long, so that a test needn't."""
    monkeypatch.setattr(places, "PATIENCE", 0.01)


@pytest.fixture
def full(sandbox, impatient):
    """A server of which every place is taken."""
    with ExitStack() as taken:
        for _ in range(PLACES):
            taken.enter_context(sandbox.parts.places.of("acme"))
        yield sandbox


@pytest.mark.parametrize(
    "verb, path, body",
    [
        ("PUT", "/info", {"name": "Other"}),
        ("PUT", "/users/alice@acme.test", {"password": "secret"}),
        ("POST", "/users", BODY),
        ("DELETE", "/users/alice@acme.test", None),
    ],
)
def test_a_change_without_a_place_is_told_to_come_back(full, verb, path, body):
    answer = full.administrator.request(verb, path, json=body)
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers
    assert answer.json["detail"] == places.TAKEN


def test_reading_needs_no_place(full):
    assert full.administrator.get("/users").status_code == 200


def test_a_change_that_is_refused_for_itself_needs_no_place(full):
    assert full.administrator.put("/info", json={"name": 1}).status_code == 422


@pytest.mark.parametrize(
    "verb, path, body",
    [
        ("POST", "/reset", None),
        ("POST", "/seed", {"mode": "merge", "seed": {}}),
        ("POST", "/tenants", {"label": "new"}),
        ("DELETE", "/tenants/globex", None),
    ],
)
def test_the_control_api_takes_places_too(impatient, verb, path, body):
    sandbox = Sandbox(control="on")
    with ExitStack() as taken:
        for _ in range(PLACES):
            taken.enter_context(sandbox.parts.places.of("acme"))
        answer = sandbox.client().request(verb, f"//_control{path}", json=body)
        assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    answer = sandbox.client().request(verb, f"//_control{path}", json=body)
    assert answer.status_code < 300


def test_a_place_is_free_again_after_a_change_whatever_came_of_it(sandbox, impatient):
    for number in range(2 * PLACES):
        sandbox.administrator.put("/info", json={"name": str(number)})
        sandbox.administrator.post("/privileges", json={"username": "none", "role": "USER"})
        sandbox.administrator.post("/users", json=BODY)
    assert sandbox.administrator.put("/info", json={"name": "Last"}).status_code == 200


def test_changes_behind_a_slow_one_wait_it_out_as_far_as_they_have_places(sandbox):
    def change(number):
        return sandbox.administrator.put("/info", json={"name": str(number)}).status_code

    with ThreadPoolExecutor(PLACES + 3) as pool, sandbox.store.transaction():
        sent = [pool.submit(change, number) for number in range(PLACES + 3)]
        while sum(each.done() for each in sent) < 3:
            assert sandbox.administrator.get("/info").status_code == 200
    assert sorted(each.result() for each in sent) == [200] * PLACES + [503] * 3


@pytest.mark.parametrize("threads, number", [(1, 1), (2, 1), (3, 2), (4, 3), (8, 6), (256, 192)])
def test_three_quarters_of_the_threads_are_places_and_at_least_one(impatient, threads, number):
    shared = Places(threads)
    with ExitStack() as taken:
        for _ in range(number):
            taken.enter_context(shared.of("acme"))
        with pytest.raises(StoreUnavailable), shared.of("acme"):
            pass


class Waiters:
    """Requests that wait for the only place of a server, each in a thread."""

    def __init__(self, waiting=8):
        self.places = Places(threads=1, waiting=waiting)
        self.served, self.refused = [], []
        self._threads = []

    def come(self, *names):
        """One after the other, each of the tenant that its first letter names."""
        for name in names:
            begun = len(self.refused) + sum(map(len, self.places._rows.values()))
            thread = threading.Thread(target=self._wait, args=(name,))
            thread.start()
            self._threads.append(thread)
            while len(self.refused) + sum(map(len, self.places._rows.values())) == begun:
                pass

    def _wait(self, name):
        try:
            with self.places.of(name[0]):
                self.served.append(name)
        except StoreUnavailable:
            self.refused.append(name)

    def end(self):
        for each in self._threads:
            each.join()


@pytest.fixture
def patient(monkeypatch):
    monkeypatch.setattr(places, "PATIENCE", 20)


def test_places_go_round_among_the_tenants_that_wait(patient):
    waiters = Waiters()
    with waiters.places.of("a"):
        waiters.come("a1", "a2", "a3", "b1", "c1", "b2")
    waiters.end()
    assert waiters.served == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_a_tenant_that_fills_the_room_makes_way_for_another_one(patient):
    waiters = Waiters(waiting=3)
    with waiters.places.of("a"):
        waiters.come("a1", "a2", "a3", "b1", "a4", "b2")
    waiters.end()
    assert waiters.served == ["a1", "b1", "a2"]
    assert waiters.refused == ["a3", "a4", "b2"]
