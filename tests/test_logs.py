"""PROVISIONING_LOG=json: a line of JSON on stdout for each request and each other message."""

import json
import logging
import re
import subprocess
import sys
import time
from ipaddress import ip_network

import pytest

from provisioning.factory import create_app
from provisioning.store import StoreUnavailable
from provisioning.testing.client import Client
from provisioning.testing.sandbox import Sandbox
from tests.contract.asking import ask
from tests.contract.test_when_the_store_fails import FailingStore
from tests.edge.serving import GUNICORN, ROOT, prepared, served

BASE = "/api/v1/provisioning"
MEMBERS = [
    "time",
    "level",
    "requestId",
    "method",
    "route",
    "path",
    "status",
    "milliseconds",
    "tenant",
    "by",
    "key",
    "client",
]
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture
def own_logging():
    """What a test changes of this process' logging is put back."""
    root = logging.getLogger()
    handlers = list(root.handlers)
    yield
    root.handlers = handlers


@pytest.fixture
def sandbox(own_logging):
    return begun(Sandbox(log="json"))


def begun(sandbox):
    create_app(sandbox.parts.settings, sandbox.parts)
    return sandbox


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_request_is_one_line_that_says_who_asked_for_what(sandbox, capsys):
    sandbox.add_user("Bob@acme.test")
    key = sandbox.add_key("bob@acme.test")
    answer = sandbox.client(key).get(
        "/users/bob@acme.test?page=1",
        headers={"X-Request-ID": "trace-7"},
        environ_overrides={"REMOTE_ADDR": "127.0.0.9"},
    )
    assert answer.status_code == 200
    (line,) = lines(capsys)
    assert list(line) == MEMBERS
    assert MOMENT.fullmatch(line.pop("time"))
    assert 0 < line.pop("milliseconds") < 60_000
    assert line == {
        "level": "info",
        "requestId": "trace-7",
        "method": "GET",
        "route": f"{BASE}/users/{{username}}",
        "path": f"{BASE}/users/bob@acme.test",
        "status": 200,
        "tenant": "acme",
        "by": "Bob@acme.test",
        "key": "key-2",
        "client": "127.0.0.9",
    }


@pytest.mark.parametrize(
    ("verb", "path", "status"),
    [
        ("GET", "/users", 401),
        ("GET", "/nothing", 404),
        ("PATCH", "/users", 405),
        ("GET", "//health/live", 200),
        ("OPTIONS", "/users", 204),
    ],
)
def test_a_request_of_nobody_is_logged_as_that(sandbox, capsys, verb, path, status):
    ask(sandbox, verb, path)
    (line,) = lines(capsys)
    assert line["status"] == status
    assert (line["tenant"], line["by"], line["key"]) == (None, None, None)


def test_a_key_of_the_tenant_alone_is_no_persons(sandbox, capsys):
    sandbox.client(sandbox.add_key(None)).get("/info")
    (line,) = lines(capsys)
    assert (line["tenant"], line["by"]) == ("acme", None)
    assert line["key"] is not None


def test_a_change_is_logged_with_who_made_it(sandbox, capsys):
    sandbox.administrator.put("/info", json={"name": "Other"})
    _, line = lines(capsys)  # after that of the audit
    assert (line["method"], line["status"], line["by"]) == ("PUT", 200, "alice@acme.test")


def test_no_key_is_in_a_line_wherever_it_stood(sandbox, capsys):
    key = sandbox.add_key("alice@acme.test")
    for path in (f"/api-keys/{key}", f"/users/{key}/privilege", f"/{key}", f"/users?apikey={key}"):
        ask(sandbox, "GET", path, headers={"X-Request-ID": key, "User-Agent": key})
    found = lines(capsys)
    assert len(found) == 4
    assert key not in json.dumps(found)
    assert found[0]["path"] == f"{BASE}/api-keys/********"


def test_a_line_stays_one_line_whatever_was_asked_for(sandbox, capsys):
    ask(sandbox, "GET", "/users/a%0Ab%22%E2%80%A8")
    (line,) = lines(capsys)
    assert line["path"].startswith(f"{BASE}/users/a")


def test_whatever_else_is_logged_is_a_line_with_a_message(own_logging, capsys):
    store = FailingStore()
    sandbox = begun(Sandbox(store=store, log="json"))
    store.failure = StoreUnavailable("The disk is full.")
    sandbox.administrator.get("/info")
    *_, message, request = lines(capsys)
    assert list(message) == ["time", "level", "message"]
    assert (message["level"], message["message"]) == ("error", "store: The disk is full.")
    assert (request["level"], request["status"]) == ("error", 503)


def test_what_is_wrong_inside_is_one_line_with_its_traceback(own_logging, capsys):
    store = FailingStore()
    sandbox = begun(Sandbox(store=store, log="json"))
    store.failure = LookupError(f"apikey={sandbox.administrator.token}")
    assert sandbox.administrator.get("/info").status_code == 500
    *_, message, _ = lines(capsys)
    assert "Traceback" in message["message"] and "LookupError" in message["message"]
    assert sandbox.administrator.token not in message["message"]


def test_behind_a_proxy_that_is_believed_the_client_is_whom_it_tells(own_logging, capsys):
    sandbox = begun(Sandbox(log="json", proxies=(ip_network("127.0.0.1"),)))
    told = {"X-Forwarded-For": "198.51.100.1, 203.0.113.7"}
    sandbox.administrator.put("/info", json={"name": "Other"}, headers=told)
    sandbox.administrator.get("/audit")
    *_, line, _ = lines(capsys)
    assert line["client"] == "203.0.113.7"
    assert sandbox.administrator.get("/audit").json[0]["client"] == "203.0.113.7"


def test_lines_are_text_unless_told(own_logging, capsys):
    begun(Sandbox()).administrator.get("/info")
    assert capsys.readouterr().out == ""


def everything_is_json(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.slow
def test_the_access_log_names_the_client_that_a_proxy_tells(tmp_path):
    with served(tmp_path / "db.json", proxies="127.0.0.1/32") as server:
        server.client().get("/whoami", headers={"X-Forwarded-For": "203.0.113.7"})
        server.client().get("//health/live", headers={"X-Forwarded-For": "unknown"})
        time.sleep(0.2)
    assert re.search(r"^203\.0\.113\.7 - - .*/whoami", server.log, re.MULTILINE)
    assert re.search(r"^127\.0\.0\.1 - - .*/health/live", server.log, re.MULTILINE)


@pytest.mark.slow
def test_under_gunicorn_every_line_is_json(tmp_path):
    data = tmp_path / "db.json"
    with prepared(data) as provisioner:
        provisioner.add_tenant("acme")
        provisioner.add_user("alice@acme.test", "ADMINISTRATOR")
        key = provisioner.add_key("alice@acme.test")
    with served(data, command=GUNICORN, log="json") as server:
        assert server.client(key).get("/whoami").status_code == 200
        data.write_text("{")
        assert server.client(key).put("/info", json={}).status_code == 503
        time.sleep(0.2)
    found = everything_is_json(server.log)
    asked = [line for line in found if "route" in line]
    assert [line["route"] for line in asked if "health" not in line["route"]] == [
        f"{BASE}/whoami",
        f"{BASE}/info",
    ]
    said = [line["message"] for line in found if "message" in line]
    assert any("Listening at" in message for message in said)
    assert any(message.startswith("store: ") for message in said)
    assert len(asked) + len(said) == len(found)


@pytest.mark.slow
def test_under_serve_every_request_is_one_line_of_json(tmp_path):
    ready = tmp_path / "ready"
    command = [sys.executable, "-m", "provisioning", "serve", "--memory", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--ready-file", ready],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "PROVISIONING_LOG": "json"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        client = Client(facts["url"] + BASE, facts["apiToken"])
        assert client.get("/whoami").status_code == 200
        line = json.loads(process.stdout.readline())
        assert (line["route"], line["by"]) == (f"{BASE}/whoami", "admin@acme.test")
    finally:
        process.terminate()
        rest, errors = process.communicate(timeout=10)
    assert (rest, errors) == ("", "")
