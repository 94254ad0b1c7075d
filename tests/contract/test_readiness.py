"""/health/ready tells whether the store can be read and written, and never waits for a lock."""

import threading
from contextlib import contextmanager

import pytest

from provisioning.factory import COLLECTIONS
from provisioning.store import DurableStorage, MemoryStorage, Store
from provisioning.testing.sandbox import Sandbox
from provisioning.web import readiness

READY = "//health/ready"


@pytest.fixture(params=["memory", "file"])
def sandbox(request, tmp_path):
    storage = MemoryStorage() if request.param == "memory" else DurableStorage(tmp_path / "db.json")
    return Sandbox(store=Store(storage, COLLECTIONS.form))


@contextmanager
def held(store):
    """Another thread holds the store's lock within the block."""
    begun, over = threading.Event(), threading.Event()

    def hold():
        with store.transaction():
            begun.set()
            over.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    begun.wait(20)
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_server_is_ready_while_somebody_changes_something(sandbox):
    with held(sandbox.store):
        assert sandbox.client().get(READY).status_code == 200
        assert sandbox.client().get(READY).status_code == 200


def test_it_is_not_ready_when_that_takes_too_long_and_again_when_it_is_over(sandbox, monkeypatch):
    monkeypatch.setattr(readiness, "LONGEST_LOCK", 0.01)
    with held(sandbox.store):
        sandbox.client().get(READY)
        while (answer := sandbox.client().get(READY)).status_code == 200:
            pass
        assert answer.status_code == 503
        assert answer.json["detail"] == readiness.HELD
    while sandbox.client().get(READY).status_code == 503:
        pass


def test_nobody_waits_for_a_trial_that_hangs(sandbox, monkeypatch):
    hangs, over = threading.Event(), threading.Event()

    def probe():
        hangs.set()
        over.wait(20)

    monkeypatch.setattr(sandbox.store, "probe", probe)
    first = threading.Thread(target=sandbox.client().get, args=(READY,))
    first.start()
    hangs.wait(20)
    try:
        assert sandbox.client().get(READY).status_code == 200
        monkeypatch.setattr(readiness, "LONGEST_LOCK", 0)
        assert sandbox.client().get(READY).status_code == 503
    finally:
        over.set()
        first.join()
