"""ProvisioningServer: what it begins with, what is added, and what a reset brings back."""

import importlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.client import RemoteDisconnected

import pytest

from provisioning.domain.errors import Conflict, Invalid
from provisioning.seed import BadFile
from provisioning.testing import ProvisioningServer
from provisioning.testing.client import Client


@pytest.fixture
def server():
    with ProvisioningServer() as server:
        yield server


def names(client, path="/users"):
    return [user["username"] for user in client.get(path).json()]


def test_the_url_is_that_of_the_api(server):
    assert server.url == f"{server.root_url}/api/v1/provisioning"


def test_it_begins_with_an_administrator_of_acme(server):
    me = server.administrator.get("/whoami").json()
    assert (me["tenant"]["label"], me["role"]) == (server.tenant, "ADMINISTRATOR")
    assert names(server.administrator) == ["alice@acme.test"]


def test_its_token_is_the_administrators(server):
    assert server.client(server.token).get("/whoami").json()["user"]["username"] == (
        "alice@acme.test"
    )


def test_a_client_without_a_key_is_refused(server):
    assert server.client().get("/whoami").status_code == 401


def test_settings_are_arguments():
    with ProvisioningServer(max_page_size=1) as server:
        assert server.administrator.get("/users?size=2").status_code == 422


def test_a_catalogue_is_a_setting_like_others(tmp_path):
    catalogue = tmp_path / "catalogue.json"
    catalogue.write_text('{"services": []}')
    with ProvisioningServer(catalogue=catalogue) as server:
        assert server.administrator.get("/available-services").json() == []


def test_servers_share_nothing():
    with ProvisioningServer() as one, ProvisioningServer() as other:
        one.add_user("bob@acme.test")
        one.clock.set("2030-01-01T00:00:00Z")
        assert names(other.administrator) == ["alice@acme.test"]
        assert other.clock.now() < "2030"
        assert other.client(one.token).get("/whoami").status_code == 401


def test_threads_have_servers_of_their_own():
    def sees_its_own(number):
        with ProvisioningServer() as server:
            server.add_user(f"user-{number}@acme.test")
            return names(server.administrator)

    before = threading.active_count()
    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(sees_its_own, range(40)))
    assert seen == [["alice@acme.test", f"user-{number}@acme.test"] for number in range(40)]
    assert threading.active_count() == before


def test_threads_may_share_a_server(server):
    def adds(number):
        body = {"username": f"user-{number:02}@acme.test", "role": "USER"}
        server.add_user(body["username"], role=None)
        return server.administrator.post("/privileges", json=body).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(adds, range(40))) == {201}
    assert server.administrator.get("/users").headers["X-Total-Count"] == "41"


def test_a_user_is_added_with_profile_role_and_window(server):
    server.add_user("lea@acme.test", "TEAM_LEADER")
    username = server.add_user(
        "bob@acme.test",
        "MANAGEMENT",
        active_from="2020-01-01T00:00:00Z",
        active_until="2099-01-01T00:00:00Z",
        reports_to="lea@acme.test",
        firstName="Bob",
    )
    bob = server.administrator.get(f"/users/{username}").json()
    assert bob["firstName"] == "Bob"
    assert [entry | {"id": 0} for entry in bob["tenantUserPrivileges"]] == [
        {
            "id": 0,
            "role": "MANAGEMENT",
            "activeFrom": "2020-01-01T00:00:00Z",
            "activeUntil": "2099-01-01T00:00:00Z",
            "reportsTo": "lea@acme.test",
        }
    ]


def test_users_without_a_name_are_numbered(server):
    assert [server.add_user(), server.add_user()] == ["user1@acme.test", "user2@acme.test"]


def test_a_user_that_exists_is_not_added_again(server):
    server.add_user("bob@acme.test", firstName="Bob")
    with pytest.raises(Conflict):
        server.add_user("BOB@acme.test")
    assert server.administrator.get("/users/bob@acme.test").json()["firstName"] == "Bob"


@pytest.mark.parametrize("profile", [{"first_name": "Bob"}, {"birthYear": "1980"}])
def test_a_profile_that_the_contract_forbids_is_refused(server, profile):
    with pytest.raises(Invalid):
        server.add_user("bob@acme.test", **profile)
    assert names(server.administrator) == ["alice@acme.test"]


def test_a_user_joins_another_tenant_by_a_grant(server):
    server.add_tenant("globex")
    bob = server.add_user("bob@acme.test")
    privilege = server.grant(bob, "ADMINISTRATOR", tenant="globex")
    globex = server.client(server.add_key(bob, tenant="globex"))
    assert globex.get("/whoami").json()["tenant"]["label"] == "globex"
    assert globex.get(f"/privileges/{privilege}").json()["role"] == "ADMINISTRATOR"


def test_a_key_may_have_a_type_and_a_window(server):
    token = server.add_key(type="QUERY_ONLY", active_until="2099-01-01T00:00:00Z")
    client = server.client(token)
    assert client.get("/whoami").json()["keyType"] == "QUERY_ONLY"
    assert client.post("/users", json={}).status_code == 403
    server.clock.set("2099-01-01T00:00:00Z")
    assert client.get("/whoami").status_code == 401


def test_the_clock_runs_until_it_is_frozen(server):
    server.clock.freeze()
    server.clock.set("2026-01-15T12:00:00Z")
    server.clock.advance(timedelta(hours=1))
    bob = server.add_user(role=None)
    granted = server.administrator.post("/privileges", json={"username": bob, "role": "USER"})
    assert granted.json()["activeFrom"] == "2026-01-15T13:00:00Z"


@pytest.mark.parametrize(
    "instant", ["2000-01-01T00:00:00Z", "2026-01-15T12:00:00Z", "2100-01-01T00:00:00Z"]
)
def test_the_administrator_is_one_wherever_the_clock_goes(server, instant):
    server.clock.set(instant)
    assert names(server.administrator) == ["alice@acme.test"]


def test_a_privilege_is_scheduled_then_active_then_expired(server):
    server.clock.set("2026-01-15T12:00:00Z")
    server.clock.freeze()
    bob = server.add_user(
        "bob@acme.test",
        active_from="2026-02-01T00:00:00Z",
        active_until="2026-03-01T00:00:00Z",
    )
    client = server.client(server.add_key(bob))
    seen = []
    for instant in (
        "2026-01-31T23:59:59Z",
        "2026-02-01T00:00:00Z",
        "2026-02-28T23:59:59Z",
        "2026-03-01T00:00:00Z",
    ):
        server.clock.set(instant)
        seen.append((client.get("/whoami").status_code, bob in names(server.administrator)))
    assert seen == [(401, False), (200, True), (200, True), (401, False)]


SEED = {
    "tenants": [{"label": "initech", "name": "Initech"}],
    "users": [{"id": 700, "username": "nina@initech.test", "email": "n@x.test", "home": "initech"}],
    "privileges": [{"tenant": "initech", "username": "nina@initech.test", "role": "USER"}],
    "apiKeys": [
        {
            "tenant": "initech",
            "username": "nina@initech.test",
            "type": "BASIC",
            "apiToken": "a-token-that-the-test-knows",
        }
    ],
}


def test_a_seed_comes_on_top_of_what_there_is(server):
    server.load(SEED)
    nina = server.client("a-token-that-the-test-knows")
    assert nina.get("/users/nina@initech.test").json()["id"] == 700
    assert server.administrator.get("/whoami").status_code == 200


def test_a_seed_may_replace_what_there_is(server):
    server.load(SEED, replace=True)
    assert server.administrator.get("/whoami").status_code == 401
    assert server.client("a-token-that-the-test-knows").get("/whoami").status_code == 200


def test_a_bad_seed_changes_nothing_and_names_the_place(server):
    bad = SEED | {"privileges": [*SEED["privileges"], {"tenant": "initech", "role": "KING"}]}
    with pytest.raises(BadFile, match=r"privileges\[1\]\.role"):
        server.load(bad)
    assert server.client("a-token-that-the-test-knows").get("/whoami").status_code == 401


def test_reset_brings_back_records_ids_and_names(server):
    def adds():
        bob = server.add_user()
        privilege = server.grant(bob, "MANAGEMENT")
        return bob, privilege, server.administrator.get(f"/users/{bob}").json()["id"]

    first = adds()
    server.administrator.put("/info", json={"name": "Renamed"})
    server.reset()
    assert names(server.administrator) == ["alice@acme.test"]
    assert server.administrator.get("/info").json()["name"] == "Acme"
    assert adds() == first


def test_reset_brings_back_the_machines_time(server):
    server.clock.set("2030-01-01T00:00:00Z")
    server.clock.freeze()
    server.reset()
    assert not server.clock.is_frozen
    assert server.clock.now() < "2030"


def test_reset_brings_back_the_seed_that_it_began_with():
    with ProvisioningServer(SEED) as server:
        nina = server.client("a-token-that-the-test-knows")
        server.administrator.put("/info", json={"name": "Renamed"})
        server.reset()
        assert nina.get("/whoami").status_code == 200
        assert server.administrator.get("/info").json()["name"] == "Acme"


@pytest.mark.parametrize("name", ["María Ångström", "ex?ample#1", "100 %"])
def test_the_client_takes_any_text_in_a_query(server, name):
    server.add_user("bob@acme.test", firstName=name)
    found = server.administrator.get("/users", query={"q": name}).json()
    assert [user["firstName"] for user in found] == [name]


@pytest.mark.parametrize("verb", ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_the_client_has_every_verb(server, verb):
    assert getattr(server.administrator, verb.lower())("/whoami").status_code in (200, 204, 405)
    assert [entry["method"] for entry in server.requests] == [verb]


def test_the_client_shows_an_answer_as_text_bytes_and_json(server):
    answer = server.administrator.get("/info")
    assert answer.content == answer.text.encode()
    assert answer.json()["label"] == "acme"


def test_the_client_reaches_paths_outside_the_api(server):
    assert server.client().get("//health/live").status_code == 200


def test_the_client_sends_given_bytes_as_they_are(server):
    answer = server.administrator.put(
        "/info", data=b'{"name": 1', headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


def test_the_client_refuses_what_it_does_not_know(server):
    with pytest.raises(TypeError, match="jsn"):
        server.administrator.put("/info", jsn={})


@pytest.mark.parametrize("end", ["stop", "reset"])
def test_a_delayed_request_delays_nobody_else(end):
    """Its client has often gone away already: that is what the test was about."""
    with ProvisioningServer() as server, ThreadPoolExecutor(1) as pool:
        server.faults.add("/users", delay=60_000)
        delayed = pool.submit(server.administrator.get, "/users")
        while not server.faults.all()[0]["struck"]:
            time.sleep(0.001)
        began = time.perf_counter()
        getattr(server, end)()
        delayed.exception()  # comes or not: either way it has ended
        assert time.perf_counter() - began < 5


def test_a_connection_is_closed_by_a_fault(server):
    server.faults.add("/users", close=True, times=1)
    with pytest.raises(RemoteDisconnected):
        server.administrator.get("/users")
    assert server.administrator.get("/users").status_code == 200
    assert [entry["status"] for entry in server.requests.find(path="/users")] == [None, 200]


def test_requests_are_found_by_what_they_were(server):
    bob = server.add_user(role=None)
    server.administrator.post("/privileges", json={"username": bob, "role": "USER"})
    server.administrator.get("/nowhere")
    found = server.requests.find(method="POST", path="/privileges", body={"username": bob})
    assert [entry["status"] for entry in found] == [201]
    assert server.requests.count(matched=False) == 1
    server.requests.clear()
    assert server.requests.count() == 0


def test_the_control_api_is_there_for_other_languages(server):
    root = Client(server.root_url)
    assert root.get("/_control/requests/count").json() == {"count": 0}
    root.put("/_control/clock", json={"now": "2030-01-01T00:00:00Z", "frozen": True})
    assert server.clock.now() == "2030-01-01T00:00:00Z"
    root.post("/_control/reset")
    assert server.clock.now() < "2030"


def test_a_server_may_be_stopped_twice_and_started_again():
    server = ProvisioningServer()
    server.start()
    server.stop()
    server.stop()
    with server:
        assert server.administrator.get("/whoami").status_code == 200


def test_a_long_report_shows_the_last_requests(server):
    for number in range(60):
        server.administrator.get(f"/users?page={number}")
    lines = server.report().splitlines()
    assert lines[0] == "(10 earlier ones)"
    assert len(lines) == 51
    assert "page=59" in lines[-1]


@pytest.mark.parametrize("package", ["provisioning", "provisioning.testing"])
def test_a_package_has_what_it_names_and_nothing_else(package):
    module = importlib.import_module(package)
    assert all(hasattr(module, name) for name in module.__all__)
    assert not hasattr(module, "anything_else")
