"""Metrics for Prometheus: who may gather them, what they count, and that labels stay few."""

import json
import os
import re
import signal
import time
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from provisioning.store import StoreUnavailable
from provisioning.testing.sandbox import Sandbox
from provisioning.web import metrics
from tests.contract.asking import ask
from tests.contract.test_when_the_store_fails import FailingStore
from tests.edge.serving import prepared, served

ROOT = Path(__file__).parents[1]
BASE = "/api/v1/provisioning"
TOKEN = "a-token-of-many-letters"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def samples(text):
    """Every sample of an exposition by its name and labels."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def gathered(sandbox, **request):
    answer = ask(sandbox, "GET", "//metrics", **request)
    assert answer.status_code == 200, answer.data
    assert answer.mimetype == "text/plain"
    return samples(answer.text)


def requests_counted(found):
    return {
        tuple(value for _, value in labels): number
        for (name, *labels), number in found.items()
        if name == "provisioning_http_requests_total"
    }


@pytest.fixture
def sandbox():
    return Sandbox(metrics="on")


def test_there_are_no_metrics_unless_they_are_wanted():
    assert ask(Sandbox(), "GET", "//metrics").status_code == 404


@pytest.mark.parametrize(
    ("facts", "client", "headers", "status"),
    [
        ({}, "127.0.0.1", {}, 200),
        ({}, "::1", {}, 200),
        ({}, "10.0.0.1", {}, 403),
        ({}, "127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 403),
        ({}, "127.0.0.1", {"Via": "1.1 proxy"}, 403),
        ({"allowed_clients": (ip_network("10.0.0.0/8"),)}, "10.0.0.1", {}, 200),
        ({}, "127.0.0.1", {"Host": "127.0.0.1:9090"}, 200),
        ({}, "127.0.0.1", {"Host": "rebound.example"}, 403),
        ({}, "127.0.0.1", {"Host": "localhost.rebound.example"}, 403),
        ({"allowed_hosts": ("api.example.org",)}, "127.0.0.1", {"Host": "api.example.org"}, 200),
        ({"metrics_token": TOKEN}, "127.0.0.1", {}, 401),
        ({"metrics_token": TOKEN}, "127.0.0.1", {"Authorization": "Bearer wrong"}, 401),
        ({"metrics_token": TOKEN}, "127.0.0.1", {"Authorization": f"Basic {TOKEN}"}, 401),
        ({"metrics_token": TOKEN}, "127.0.0.1", {"X-API-Key": TOKEN}, 401),
        ({"metrics_token": TOKEN}, "127.0.0.1", BEARER, 200),
        ({"metrics_token": TOKEN}, "10.0.0.1", BEARER, 200),
        ({"metrics_token": TOKEN}, "10.0.0.1", {**BEARER, "X-Forwarded-For": "1.2.3.4"}, 200),
        ({"metrics_token": TOKEN, "demo": "on"}, "10.0.0.1", BEARER, 200),
        ({"metrics_token": TOKEN, "demo": "on"}, "10.0.0.1", {}, 401),
        (
            {"metrics_token": TOKEN, "allowed_hosts": ("api.example.org",)},
            "10.0.0.1",
            {**BEARER, "Host": "10.0.0.9:8000"},
            200,
        ),
    ],
)
def test_metrics_are_for_clients_close_by_or_for_who_has_the_token(facts, client, headers, status):
    sandbox = Sandbox(metrics="on", **facts)
    environ = {"REMOTE_ADDR": client}
    answer = ask(sandbox, "GET", "//metrics", headers=headers, environ_overrides=environ)
    assert answer.status_code == status


def test_a_key_of_the_api_opens_no_metrics():
    sandbox = Sandbox(metrics="on", metrics_token=TOKEN)
    assert sandbox.administrator.get("//metrics").status_code == 401


def test_requests_are_counted_by_verb_pattern_and_status(sandbox):
    bob = sandbox.add_user("bob@acme.test")
    sandbox.administrator.get(f"/users/{bob}")
    sandbox.administrator.get("/users/nobody")
    sandbox.administrator.get("/users/nobody@else.where")
    sandbox.administrator.get("/privileges/1")
    sandbox.administrator.head(f"/users/{bob}/")
    sandbox.administrator.options(f"/users/{bob}")
    ask(sandbox, "GET", "/users")
    assert requests_counted(gathered(sandbox)) == {
        ("GET", f"{BASE}/users/{{username}}", "200"): 1,
        ("GET", f"{BASE}/users/{{username}}", "404"): 2,
        ("GET", f"{BASE}/privileges/{{id}}", "200"): 1,
        ("HEAD", f"{BASE}/users/{{username}}", "200"): 1,
        ("OPTIONS", f"{BASE}/users/{{username}}", "204"): 1,
        ("GET", f"{BASE}/users", "401"): 1,
    }


@pytest.mark.parametrize("verb", ["PATCH", "POST", "VERB"])
def test_a_wrong_verb_is_counted_at_its_path(sandbox, verb):
    assert ask(sandbox, verb, "/users/alice@acme.test").status_code == 405
    ((_, route, status),) = requests_counted(gathered(sandbox))
    assert (route, status) == (f"{BASE}/users/{{username}}", "405")


@pytest.mark.parametrize("verb", ["GET", "OPTIONS", "PATCH"])
def test_where_there_is_no_path_there_is_no_route(sandbox, verb):
    assert ask(sandbox, verb, "/nothing").status_code == 404
    ((_, route, status),) = requests_counted(gathered(sandbox))
    assert (route, status) == ("unmatched", "404")


def test_every_route_goes_by_the_name_that_the_document_has_for_it(sandbox):
    documented = set(ask(sandbox, "GET", "//openapi.json").json["paths"])
    for path in documented:
        ask(sandbox, "GET", "/" + re.sub("{.*?}", "x", path))
    counted = {route for _, route, _ in requests_counted(gathered(sandbox))}
    posts_only = counted - {"unmatched", "/openapi.json"} - documented
    assert posts_only == set()
    assert len(counted & documented) > 30


def test_names_and_keys_are_in_no_label_and_labels_stay_few(sandbox):
    key = sandbox.add_key("alice@acme.test")
    before = len(gathered(sandbox))
    for number in range(50):
        for path in (f"/users/{key}{number}", f"/api-keys/{key}{number}", f"/{key}{number}"):
            for verb in ("GET", f"VERB{number}", key.upper()):
                ask(sandbox, verb, f"{path}?apikey={key}", headers={"X-Request-ID": key})
    found = gathered(sandbox)
    assert key not in str(found) and key.upper() not in str(found)
    assert len(found) - before < 150
    assert {method for method, _, _ in requests_counted(found)} == {"GET", "other"}


def test_time_is_counted_beside_requests(sandbox):
    for _ in range(3):
        sandbox.administrator.get("/whoami")
    found = gathered(sandbox)
    labels = (("method", "GET"), ("route", f"{BASE}/whoami"))
    assert found[("provisioning_http_request_duration_seconds_count", *labels)] == 3
    assert found[("provisioning_http_request_duration_seconds_sum", *labels)] > 0


def test_only_what_changes_something_is_a_commit(sandbox):
    sandbox.administrator.get("/info")
    sandbox.administrator.put("/info", json={})
    sandbox.administrator.put("/info", json={"name": "Other"})
    sandbox.administrator.put("/info", json={"name": 7})
    assert gathered(sandbox)[("provisioning_store_commit_duration_seconds_count",)] == 1


def test_refused_keys_are_counted(sandbox):
    for headers in ({}, {"X-API-Key": "unknown"}, {"X-API-Key": "a, b"}):
        ask(sandbox, "GET", "/info", headers=headers)
    assert gathered(sandbox)[("provisioning_unauthorized_total",)] == 3


def test_records_are_counted_by_the_names_of_the_audit(sandbox):
    sandbox.add_user("bob@acme.test", active_until="2026-01-15T12:00:01Z")
    sandbox.administrator.post("/domain-mapping", json={"domain": "a.example"})
    found = gathered(sandbox)
    counted = {
        dict(labels)["table"]: number
        for (name, *labels), number in found.items()
        if name == "provisioning_records"
    }
    assert set(counted) == {
        "tenants",
        "users",
        "privileges",
        "domain-mapping",
        "services",
        "tenant-dashboards",
        "tenant-statements",
        "statements",
        "endpoints",
        "api-keys",
        "audit",
    }
    assert (counted["tenants"], counted["users"], counted["privileges"]) == (2, 2, 2)
    assert (counted["domain-mapping"], counted["audit"], counted["endpoints"]) == (1, 1, 0)


def test_records_are_counted_once_a_minute_at_most(sandbox, monkeypatch):
    users = ("provisioning_records", ("table", "users"))
    assert gathered(sandbox)[users] == 1
    sandbox.add_user("bob@acme.test")
    assert gathered(sandbox)[users] == 1
    monkeypatch.setattr(metrics, "COUNTED", 0)
    assert gathered(sandbox)[users] == 2


def test_a_store_that_is_down_is_seen_and_does_not_keep_metrics_down():
    store = FailingStore()
    sandbox = Sandbox(store=store, metrics="on")
    store.failure = StoreUnavailable("The database can't be reached.")
    sandbox.administrator.get("/users")
    found = gathered(sandbox)
    assert found[("provisioning_store_up",)] == 0
    assert ("provisioning_records", ("table", "users")) not in found
    assert found[("provisioning_http_requests_total", *labels("GET", "/users", "503"))] == 1


def labels(method, path, status):
    return ("method", method), ("route", BASE + path), ("status", status)


def test_metrics_tell_the_version_and_that_the_store_is_up(sandbox):
    found = gathered(sandbox)
    assert found[("provisioning_store_up",)] == 1
    (build,) = [name for name in found if name[0] == "provisioning_build_info"]
    assert re.match(r"\d+\.\d+", dict(build[1:])["version"])


def test_grafana_shows_metrics_that_are_served(sandbox):
    sandbox.administrator.put("/info", json={"name": "Other"})
    ask(sandbox, "GET", "/info")
    served_names = {name for name, *_ in gathered(sandbox)}
    dashboard = json.loads((ROOT / "deploy" / "grafana.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    named = {name for expr in asked for name in re.findall(r"provisioning_\w+", expr)}
    assert asked and named <= served_names
    families = {re.sub("_(total|bucket|sum|count|created)$", "", name) for name in served_names}
    shown = {re.sub("_(total|bucket|sum|count)$", "", name) for name in named}
    assert {name for name in families if name.startswith("provisioning_")} <= shown


@pytest.mark.slow
def test_several_workers_are_counted_as_one_also_after_one_has_died(tmp_path):
    data = tmp_path / "db.json"
    with prepared(data) as provisioner:
        provisioner.add_tenant("acme")
        provisioner.add_user("alice@acme.test", "ADMINISTRATOR")
        key = provisioner.add_key("alice@acme.test")
    with served(data, "--workers", "2", metrics="on") as server:
        client = server.client(key)

        def counted():
            found = samples(client.get("//metrics").text)
            return found[("provisioning_http_requests_total", *labels("GET", "/whoami", "200"))]

        for _ in range(40):
            assert client.get("/whoami").status_code == 200
        assert {counted() for _ in range(10)} == {40}
        first, _ = server.workers()
        os.kill(first, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while first in server.workers() or len(server.workers()) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert counted() == 40
        for _ in range(10):
            assert client.get("/whoami").status_code == 200
        assert {counted() for _ in range(10)} == {50}
        folder = shared_folder(server.workers()[0])
        assert folder.exists()
    assert not folder.exists()


def waited_for(is_so):
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_files_of_workers_that_have_ended_are_joined_and_nothing_is_lost(tmp_path):
    data = tmp_path / "db.json"
    with prepared(data) as provisioner:
        provisioner.add_tenant("acme")
        key = provisioner.add_key()
    with served(data, "--workers", "2", metrics="on") as server:
        client = server.client(key)
        for _ in range(10):
            client.get("/whoami")
        folder = shared_folder(server.workers()[0])
        for _ in range(4):
            before = set(server.workers())
            server.process.send_signal(signal.SIGHUP)
            waited_for(lambda old=before: len(now := set(server.workers())) == 2 and not now & old)
        found = samples(client.get("//metrics").text)
        assert found["provisioning_http_requests_total", *labels("GET", "/whoami", "200")] == 10
        name = "provisioning_http_request_duration_seconds_count"
        assert found[name, *labels("GET", "/whoami", "200")[:2]] == 10
        assert len(list(folder.glob("*.db"))) <= 2 * 2 + 2  # of each worker, and of those before


@pytest.mark.slow
@pytest.mark.parametrize("killed", ["the main process", "all processes"])
def test_no_folder_of_counts_stays_for_ever(tmp_path, monkeypatch, killed):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    data = tmp_path / "db.json"
    with served(data, metrics="on") as server:
        folder = shared_folder(server.workers()[0])
        if killed == "all processes":
            server.kill()
            assert folder.exists()
            with served(data, metrics="on"):
                assert not folder.exists()
                assert len(list(tmp_path.glob("provisioning-metrics-*"))) == 1
        else:
            server.process.kill()
            waited_for(lambda: not folder.exists())


def shared_folder(process):
    """The folder of the files into which a worker counts."""
    opened = []
    for each in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            opened.append(each.readlink())
    return next(file.parent for file in opened if file.name.startswith("counter_"))
