"""Clients that take their time, or never end: they hold no thread, so that others are answered.

The server has 8 threads; each test opens more connections than that. WITHIN are the seconds
that a bystander waits at most: far above what a request takes, far below any timeout of the server.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from .conftest import BASE, Edge
from .wire import Wire, request

MANY = 20
WITHIN = 3
JSON = "Content-Type: application/json"


def bystander(edge: Edge) -> None:
    """Somebody else's request, on a connection of its own."""
    begin = time.monotonic()
    with Wire(edge.port) as wire:
        assert wire.send(request("GET", f"{BASE}/whoami", edge.key)).reply().status == 200
    assert time.monotonic() - begin < WITHIN


@contextmanager
def connections(edge: Edge, sent: bytes) -> Iterator[list[Wire]]:
    wires = [Wire(edge.port).send(sent) for _ in range(MANY)]
    try:
        yield wires
    finally:
        for wire in wires:
            wire.socket.close()


def put(edge: Edge, *headers: str) -> bytes:
    return request("PUT", f"{BASE}/info", edge.key, JSON, *headers)


def dribbled(edge: Edge, kind: str) -> tuple[bytes, bytes]:
    """How a request begins, and what goes on coming of it."""
    return {
        "nothing": (b"", b""),
        "half a line": (b"GET / HT", b""),
        "a head": (b"GET / HTTP/1.1\r\nX: ", b"a"),
        "a body": (put(edge, "Content-Length: 1000") + b'{"name": "', b"a"),
        "chunks": (put(edge, "Transfer-Encoding: chunked") + b"1\r\n{\r\n", b"1\r\n \r\n"),
        "a chunk": (put(edge, "Transfer-Encoding: chunked") + b"fff\r\n{", b" "),
        "trailers": (put(edge, "Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\n", b"X: y\r\n"),
        "a body that was asked for": (
            put(edge, "Content-Length: 1000", "Expect: 100-continue"),
            b" ",
        ),
        "a body that is too large": (put(edge, "Content-Length: 10000000"), b" "),
        "a body that nobody reads": (
            request("GET", f"{BASE}/whoami", edge.key, "Content-Length: 1000"),
            b" ",
        ),
        "what follows the last answer": (b"GET\r\n\r\n", b"a"),
    }[kind]


KINDS = [
    "nothing",
    "half a line",
    "a head",
    "a body",
    "chunks",
    "a chunk",
    "trailers",
    "a body that was asked for",
    "a body that is too large",
    "a body that nobody reads",
    "what follows the last answer",
]


@pytest.mark.parametrize("kind", KINDS)
def test_others_are_answered_while_many_clients_dribble(edge, kind):
    begin, more = dribbled(edge, kind)
    with connections(edge, begin) as wires:
        for _ in range(3):
            bystander(edge)
            for wire in wires:
                with suppress(OSError):  # refused, and closed, by now
                    wire.send(more)


def test_others_are_answered_while_many_clients_keep_their_connections(edge):
    with connections(edge, request("GET", f"{BASE}/whoami", edge.key)):
        bystander(edge)


@pytest.mark.parametrize(
    "sent",
    [b"GET\r\n\r\n", b"GET /health/live HTTP/1.1\r\nConnection: close\r\n\r\n"],
    ids=["after an error", "after their last answer"],
)
def test_others_are_answered_while_many_clients_do_not_close(edge, sent):
    with connections(edge, sent):
        time.sleep(0.1)
        bystander(edge)


def test_others_are_answered_while_many_clients_do_not_read_their_answers(edge):
    answers = request("GET", f"{BASE}/available-services?size=300", edge.key) * 1_000
    with connections(edge, answers):
        time.sleep(1)
        bystander(edge)


def test_others_can_write_while_many_clients_dribble_bodies(edge):
    begin, _ = dribbled(edge, "a body")
    with connections(edge, begin), Wire(edge.port) as wire:
        body = b'{"theme": "written"}'
        wire.send(request("PUT", f"{BASE}/info", edge.key, JSON, body=body))
        assert wire.reply().json()["theme"] == "written"


@pytest.mark.slow
@pytest.mark.parametrize(
    "sent, more, at_most",
    [
        pytest.param(b"", b"", 8, id="silent: the idle timeout"),
        pytest.param(b"GET / HTTP/1.1\r\nX: ", b"", 8, id="stalled: the idle timeout"),
        pytest.param(b"GET / HTTP/1.1\r\nX: ", b"a", 25, id="dribbling: the time of a request"),
        pytest.param(b"GET\r\n\r\n", b"a", 8, id="refused: the time to close"),
    ],
)
def test_a_client_does_not_hold_its_connection_for_long(edge, sent, more, at_most):
    begin = time.monotonic()
    with Wire(edge.port) as wire:
        wire.send(sent)
        wire.socket.settimeout(0.5)
        while time.monotonic() - begin < at_most + 5:
            try:
                wire.send(more)
                if not wire.socket.recv(65_536):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
    assert time.monotonic() - begin < at_most


@pytest.mark.slow
def test_900_slow_connections_leave_the_server_serving(edge):
    wires: list[Wire] = []
    try:
        for _ in range(900):
            wires.append(Wire(edge.port).send(b"GET / HTTP/1.1\r\nX: "))
        bystander(edge)
    finally:
        for wire in wires:
            wire.socket.close()


def test_answers_are_whole_for_a_client_that_reads_slowly(edge):
    with Wire(edge.port) as wire:
        wire.socket.settimeout(30)
        wire.send(request("GET", f"{BASE}/available-services?size=300", edge.key))
        time.sleep(0.3)
        reply = wire.reply()
    assert len(reply.body) == int(reply.header("Content-Length"))
    assert reply.json()
