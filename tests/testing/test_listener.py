"""What a socket server owes to clients of any make, and to the test that stops it."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection

import pytest

from provisioning.testing import ProvisioningServer
from provisioning.testing.listener import Listener


@pytest.fixture
def server() -> Iterator[ProvisioningServer]:
    with ProvisioningServer() as server:
        yield server


@pytest.fixture
def connection(server: ProvisioningServer) -> Iterator[HTTPConnection]:
    connection = HTTPConnection(server.root_url.removeprefix("http://"), timeout=5)
    connection.connect()
    yield connection
    connection.close()


def asked(connection, server, method="GET", path="/whoami", body=None, chunked=False, **headers):
    headers["Authorization"] = f"Bearer {server.token}"
    if body is not None:
        headers["Content-Type"] = "application/json"
    path = f"/api/v1/provisioning{path}"
    connection.request(method, path, body, headers, encode_chunked=chunked)
    answer = connection.getresponse()
    answer.read()
    return answer


def test_many_requests_share_a_connection(server, connection):
    own = connection.sock
    assert [asked(connection, server).status for _ in range(3)] == [200, 200, 200]
    assert connection.sock is own


def test_a_client_may_ask_for_the_end_of_the_connection(server, connection):
    assert asked(connection, server, Connection="close").status == 200
    assert connection.sock is None


@pytest.mark.parametrize("pieces", [[b'{"name": "Renamed"}'], [b'{"name": ', b'"Rena', b'med"}']])
def test_a_chunked_body_arrives_whole(server, connection, pieces):
    chunked = {"Transfer-Encoding": "chunked"}
    assert asked(connection, server, "PUT", "/info", iter(pieces), True, **chunked).status == 200
    assert server.administrator.get("/info").json()["name"] == "Renamed"
    assert asked(connection, server).status == 200


@pytest.mark.parametrize("size", [0, 1, 65_536, 3_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_nobody_read_does_not_disturb_the_next_request(
    server, connection, size, chunked
):
    body = iter([b"x" * size] if size else []) if chunked else b"x" * size
    headers = {"Transfer-Encoding": "chunked"} if chunked else {}
    own = connection.sock
    assert asked(connection, server, "POST", "/nowhere", body, chunked, **headers).status == 404
    assert asked(connection, server).status == 200
    assert connection.sock is own


@pytest.mark.parametrize(("size", "status"), [(100, 422), (101, 413)])
@pytest.mark.parametrize("chunked", [False, True])
def test_the_limit_of_a_body_is_the_servers(size, status, chunked):
    with ProvisioningServer(max_body=100) as server:
        connection = HTTPConnection(server.root_url.removeprefix("http://"), timeout=5)
        body = b'{"x":"' + b"x" * (size - 8) + b'"}'
        headers = {"Transfer-Encoding": "chunked"} if chunked else {}
        body = iter([body]) if chunked else body
        answer = asked(connection, server, "PUT", "/info", body, chunked, **headers)
        connection.close()
    assert answer.status == status


def connected(server: ProvisioningServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(server.root_url.rpartition(":")[2])), 5)


def exchange(server: ProvisioningServer, *sent: bytes) -> bytes:
    """All that comes back for raw bytes, up to the end of the connection, however it ends."""
    received = bytearray()
    with connected(server) as raw, suppress(ConnectionError):
        for piece in sent:
            raw.sendall(piece)
        with suppress(OSError):  # the server may have ended the connection already
            raw.shutdown(socket.SHUT_WR)
        while piece := raw.recv(65_536):
            received += piece
    return bytes(received)


@pytest.mark.parametrize("length", [b"-1", b"x", b"1.0", "¹".encode()])
def test_a_length_that_is_none_is_400(server, length):
    asked = b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + length + b"\r\n\r\n"
    assert exchange(server, asked).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("rest", [b"zz\r\n", b"5\r\nab", b"-1\r\n"])
def test_a_broken_chunk_ends_its_connection_and_nothing_else(server, rest):
    head = b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    answers = exchange(server, head, rest, b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answers.count(b"HTTP/1.1 ") <= 1
    assert server.administrator.get("/whoami").status_code == 200


def test_a_client_that_waits_for_100_continue_gets_it(server):
    with connected(server) as raw:
        raw.sendall(
            b"PUT /api/v1/provisioning/info HTTP/1.1\r\nHost: localhost\r\n"
            b"Authorization: Bearer " + server.token.encode() + b"\r\nExpect: 100-continue\r\n"
            b"Content-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"
        )
        assert raw.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        raw.sendall(b"{}")
        assert raw.recv(65_536).startswith(b"HTTP/1.1 200 ")


def test_pipelined_requests_are_answered_in_order(server):
    ask = b"HEAD /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert exchange(server, ask * 3).count(b"HTTP/1.1 200 ") == 3


def test_an_answer_without_a_body_leaves_the_connection_usable(server, connection):
    server.add_user("bob@acme.test")
    assert asked(connection, server, "DELETE", "/users/bob@acme.test").status == 204
    tag = asked(connection, server, path="/info").headers["ETag"]
    assert asked(connection, server, path="/info", **{"If-None-Match": tag}).status == 304
    assert asked(connection, server, "HEAD", "/users").status == 200
    assert asked(connection, server).status == 200


def test_nothing_is_written_to_the_terminal(server, connection, capfd):
    asked(connection, server)
    exchange(server, b"nonsense\r\n\r\n")
    assert capfd.readouterr() == ("", "")


def test_stop_ends_open_connections_and_leaves_no_thread():
    before = threading.active_count()
    with ProvisioningServer() as server:
        connections = [
            HTTPConnection(server.root_url.removeprefix("http://"), timeout=5) for _ in range(5)
        ]
        for connection in connections:
            asked(connection, server)
        assert threading.active_count() == before + 6
    assert threading.active_count() == before
    for connection in connections:
        assert connection.sock.recv(1) == b""
        connection.close()


def test_stop_waits_for_no_timer():
    with ProvisioningServer() as server:
        connection = HTTPConnection(server.root_url.removeprefix("http://"), timeout=5)
        asked(connection, server)
        began = time.perf_counter()
    took = time.perf_counter() - began
    connection.close()
    assert took < 0.25


def test_a_stopped_server_refuses_connections():
    with ProvisioningServer() as server:
        port = int(server.root_url.rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 1)


def test_an_application_may_leave_the_length_to_the_server():
    closed = []

    class Pieces:
        def __iter__(self):
            yield from (b"one, ", b"two")

        def close(self):
            closed.append(True)

    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return Pieces()

    listener = Listener(application)
    connection = HTTPConnection(*listener.server_address, timeout=5)
    for _ in range(2):
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"one, two"
    connection.close()
    listener.close()
    assert closed == [True, True]


def test_it_waits_as_long_as_it_takes_whatever_the_default_of_sockets_is():
    """People set one against tests that hang; an idle server and an idle client are no such."""
    socket.setdefaulttimeout(0.05)
    try:
        with ProvisioningServer() as server:
            connection = HTTPConnection(server.root_url.removeprefix("http://"), timeout=5)
            assert asked(connection, server).status == 200
            own = connection.sock
            time.sleep(0.2)
            assert asked(connection, server).status == 200
            assert connection.sock is own
            connection.close()
            assert server.administrator.get("/whoami").status_code == 200
    finally:
        socket.setdefaulttimeout(None)


OUT_OF_FILES = r"""
import os, resource, socket, threading, time
from provisioning.testing import ProvisioningServer

with ProvisioningServer() as server:
    assert server.administrator.get("/whoami").status_code == 200
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    taken = []
    try:
        while True:
            taken.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        os.close(taken.pop())
    # The one that is left is the client's: the server has none for the connection.
    host, port = server.root_url.removeprefix("http://").split(":")
    waiting = socket.create_connection((host, int(port)), 5)
    time.sleep(0.3)
    for descriptor in taken:
        os.close(descriptor)
    waiting.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert waiting.recv(100).startswith(b"HTTP/1.1 200")
    waiting.close()
    assert server.administrator.get("/whoami").status_code == 200
assert threading.active_count() == 1
"""


@pytest.mark.slow
def test_it_takes_connections_again_after_it_had_no_descriptor_left():
    subprocess.run([sys.executable, "-W", "error", "-c", OUT_OF_FILES], check=True, timeout=60)
