"""No client keeps the others waiting: whoever else asks is answered in the time of one request."""

from contextlib import ExitStack

import pytest

from .conftest import BASE, Edge
from .serving import prepared, served
from .wire import Wire, chunked, request

pytestmark = pytest.mark.slow

CLIENTS = 40
"""More than either server has threads to wait in, at 2 s each for a client that doesn't close."""
SOON = 5
"""Seconds in which a bystander is answered on a machine that is busy with other tests, too; one
that waits for CLIENTS is not."""
JSON = "Content-Type: application/json"
LIMIT = 2**20


def bystander(edge: Edge) -> int:
    """The status that another client gets."""
    with Wire(edge.port) as wire:
        wire.socket.settimeout(SOON)
        return wire.send(request("GET", f"{BASE}/whoami", edge.key)).reply().status


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"GET\r\n\r\n", id="after a 400 of gunicorn's"),
        pytest.param(
            request("GET", "/health/live", "Connection: close"), id="after their last answer"
        ),
    ],
)
def test_clients_that_do_not_close_hold_up_nobody(edge, sent):
    with ExitStack() as staying:
        for _ in range(CLIENTS):
            staying.enter_context(Wire(edge.port)).send(sent)
        assert bystander(edge) == 200


def test_clients_that_send_on_after_a_413_hold_up_nobody(edge):
    head = request("PUT", f"{BASE}/info", edge.key, JSON, f"Content-Length: {LIMIT + 1}")
    with ExitStack() as staying:
        for _ in range(CLIENTS):
            staying.enter_context(Wire(edge.port)).send(head + b" ")
        assert bystander(edge) == 200


def test_a_connection_is_closed_after_a_413(edge):
    too_long = chunked(b" " * 2 * LIMIT)
    sent = request("PUT", f"{BASE}/info", edge.key, JSON, "Transfer-Encoding: chunked")
    with Wire(edge.port) as wire:
        wire.send(sent + too_long + request("GET", f"{BASE}/whoami", edge.key))
        assert wire.reply().status == 413
        assert wire.rest() == b""


@pytest.mark.parametrize("threads", ["1", "8"])
@pytest.mark.parametrize("path", [f"{BASE}/whoami", "/health/ready", "/health/live"])
def test_changes_behind_a_slow_one_hold_up_nobody_who_reads(tmp_path, threads, path):
    """Another process holds the lock of the file meanwhile."""
    data = tmp_path / "db.json"
    with prepared(data) as provisioner:
        provisioner.add_tenant("acme")
        key = f"Authorization: Bearer {provisioner.add_key()}"
        change = request("PUT", f"{BASE}/info", key, JSON, body=b'{"name": "x"}')
        with (
            served(data, f"--threads={threads}") as server,
            ExitStack() as staying,
            provisioner.store.transaction(),
        ):
            for _ in range(CLIENTS):
                staying.enter_context(Wire(server.port)).send(change)
            with Wire(server.port) as other:
                other.socket.settimeout(SOON)
                assert other.send(request("GET", path, key)).reply().status == 200
