"""What only a real connection shows, under each of the servers that run this application."""

import http.client
import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from provisioning.testing.server import ProvisioningServer
from tests.edge.serving import SERVE, served

pytestmark = pytest.mark.slow

BASE = "/api/v1/provisioning"
TOKEN = "a-token-for-the-control"
CONTROLLED = {"control": "on", "control_token": TOKEN}


@contextmanager
def under_gunicorn(tmp_path):
    with served(tmp_path / "db.json", demo="on") as server:
        yield server.port
        assert "Traceback" not in server.log


@contextmanager
def under_serve(tmp_path):
    with served(tmp_path / "db.json", command=SERVE, **CONTROLLED) as server:
        yield server.port
        assert "Traceback" not in server.log


@contextmanager
def in_a_test(_):
    with ProvisioningServer() as server:
        yield int(re.search(r":(\d+)$", server.root_url)[1])


SERVERS = [pytest.param(under_gunicorn, marks=pytest.mark.slow), under_serve, in_a_test]


def ask(connection, method, path, body=None, token=None):
    headers = {"Content-Type": "application/json"} if body is not None else {}
    token = TOKEN if path.startswith("/_control/") else token
    if token:
        headers["Authorization"] = f"Bearer {token}"
    connection.request(method, path, json.dumps(body) if body is not None else None, headers)
    answer = connection.getresponse()
    content = answer.read()
    return answer.status, json.loads(content) if content else None


@pytest.mark.parametrize("server", SERVERS)
def test_a_fault_closes_the_connection_and_the_next_request_is_answered(server, tmp_path):
    with server(tmp_path) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        _, made = ask(connection, "POST", "/_control/tenants", {"label": "initech"})
        token, path = made["apiToken"], f"{BASE}/info"
        fault = {"path": "/info", "close": True, "times": 2}
        assert ask(connection, "POST", "/_control/faults", fault)[0] == 201
        # Over a connection that is in use already, and over a new one; with a body and without.
        for method, body in (("GET", None), ("PUT", {"name": "Changed"})):
            with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
                ask(connection, method, path, body, token)
            connection.close()
        assert ask(connection, "GET", path, None, token)[1]["name"] == "initech"
        _, log = ask(connection, "GET", "/_control/requests?path=/info")
        assert [(entry["status"], entry["fault"]) for entry in log] == [
            (None, 1),
            (None, 1),
            (200, None),
        ]
        connection.close()


@pytest.mark.parametrize("server", SERVERS)
def test_a_fault_truncates_an_answer_and_the_next_one_is_whole(server, tmp_path):
    with server(tmp_path) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        _, made = ask(connection, "POST", "/_control/tenants", {"label": "initech"})
        fault = {"path": "/info", "truncate": True, "times": 2}
        assert ask(connection, "POST", "/_control/faults", fault)[0] == 201
        for _ in range(2):
            connection.request("GET", f"{BASE}/info", headers={"X-API-Key": made["apiToken"]})
            answer = connection.getresponse()
            assert answer.status == 200
            assert answer.headers["Content-Type"] == "application/json"
            assert answer.headers["X-Request-ID"]
            with pytest.raises(http.client.IncompleteRead) as cut:
                answer.read()
            promised = int(answer.headers["Content-Length"])
            assert (len(cut.value.partial), cut.value.expected) == (
                promised // 2,
                promised - promised // 2,
            )
            connection.close()
        assert ask(connection, "GET", f"{BASE}/info", None, made["apiToken"])[0] == 200
        connection.close()


@pytest.mark.parametrize("server", SERVERS)
def test_a_fault_sends_garbage_and_the_next_answer_is_one(server, tmp_path):
    with server(tmp_path) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        _, made = ask(connection, "POST", "/_control/tenants", {"label": "initech"})
        fault = {"path": "/info", "garbage": True, "times": 1}
        assert ask(connection, "POST", "/_control/faults", fault)[0] == 201
        with pytest.raises(http.client.BadStatusLine):
            ask(connection, "GET", f"{BASE}/info", None, made["apiToken"])
        connection.close()
        assert ask(connection, "GET", f"{BASE}/info", None, made["apiToken"])[0] == 200
        connection.close()


@pytest.mark.parametrize("server", SERVERS)
def test_delays_leave_the_control_api_an_open_ear(server, tmp_path):
    """Twice as many as gunicorn has threads."""
    with server(tmp_path) as port, ThreadPoolExecutor(16) as pool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        _, made = ask(connection, "POST", "/_control/tenants")
        ask(connection, "POST", "/_control/faults", {"path": "/info", "delay": 60_000})

        def delayed(_):
            own = http.client.HTTPConnection("127.0.0.1", port, timeout=50)
            status, _ = ask(own, "GET", f"{BASE}/info", None, made["apiToken"])
            own.close()
            return status

        delays = pool.map(delayed, range(16))
        deadline = time.monotonic() + 10
        while ask(connection, "GET", "/_control/faults")[1][0]["struck"] < 16:
            assert time.monotonic() < deadline
        assert ask(connection, "DELETE", "/_control/faults")[0] == 204
        assert list(delays) == [200] * 16
        connection.close()


@pytest.mark.parametrize("server", SERVERS)
def test_a_delay_holds_up_one_client_and_not_the_others_and_ends_with_the_faults(server, tmp_path):
    with server(tmp_path) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        slow = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        _, made = ask(connection, "POST", "/_control/tenants")
        token, answers = made["apiToken"], []
        ask(connection, "POST", "/_control/faults", {"path": "/info", "delay": 20_000, "times": 1})
        thread = threading.Thread(
            target=lambda: answers.append(ask(slow, "GET", f"{BASE}/info", None, token)[0])
        )
        thread.start()
        deadline = time.monotonic() + 10
        while not ask(connection, "GET", "/_control/faults")[1][0]["struck"]:
            assert time.monotonic() < deadline
        assert ask(connection, "GET", f"{BASE}/users", None, token)[0] == 200
        assert answers == []
        ask(connection, "DELETE", "/_control/faults")
        thread.join(10)
        assert answers == [200]
        slow.close()
        connection.close()


@pytest.mark.slow
def test_several_workers_are_told_to_be_one(tmp_path):
    with served(tmp_path / "db.json", "--workers", "2", demo="on") as server:
        answer = server.client(TOKEN).get("//_control/clock")
        assert answer.status_code == 409
        assert "one worker" in answer.json()["detail"]
        assert server.client().get("/info").status_code == 401
