"""ProvisioningServer: what it begins with, what is added, and what a reset brings back."""

import importlib
import json
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
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


WRONG = [
    ("add_user", {"role": "KING"}, "role"),
    ("add_user", {"active_from": "yesterday"}, "active_from"),
    ("add_user", {"active_from": "2026-01-01T00:00:00"}, "active_from"),
    ("add_user", {"active_from": datetime(2026, 1, 1)}, "active_from"),
    ("add_user", {"active_until": datetime(2026, 1, 1)}, "active_until"),
    ("add_user", {"active_until": 5}, "active_until"),
    (
        "add_user",
        {"active_from": "2026-02-01T00:00:00Z", "active_until": "2026-01-01T00:00:00Z"},
        "active_until",
    ),
    ("add_user", {"reports_to": "nobody@acme.test"}, "reports_to"),
    ("add_user", {"tenant": "nowhere"}, "tenant"),
    ("add_user", {"username": 5}, "username"),
    ("add_user", {"username": "a/b"}, "username"),
    ("add_user", {"email": "none"}, "email"),
    ("add_user", {"first_name": "Bob"}, "first_name"),
    ("add_user", {"birthYear": "1980"}, "birthYear"),
    ("add_user", {"timeZone": "Mars"}, "timeZone"),
    ("grant", {"username": "nobody", "role": "USER"}, "username"),
    ("grant", {"username": "alice@acme.test", "role": "user"}, "role"),
    ("grant", {"username": "alice@acme.test", "role": "USER", "active_from": "x"}, "active_from"),
    ("add_key", {"type": "ADMIN"}, "type"),
    ("add_key", {"username": "nobody"}, "username"),
    ("add_key", {"name": "x" * 251}, "name"),
    ("add_key", {"active_until": "2026-01-01"}, "active_until"),
    ("add_key", {"tenant": 5}, "tenant"),
    ("add_tenant", {"label": "Not a Slug"}, "label"),
    ("add_tenant", {"label": "x", "name": " "}, "name"),
    ("add_subscription", {"service": "nothing"}, "service"),
    ("add_subscription", {"service": "enterprise", "active_from": "x"}, "active_from"),
    ("add_domain_mapping", {"domain": "no domain"}, "domain"),
    ("add_domain_mapping", {"domain": "localhost"}, "domain"),
    ("add_domain_mapping", {"domain": "x.acme.example", "colour": "red"}, "colour"),
    ("add_domain_mapping", {"domain": "x.acme.example", "tenant": "nowhere"}, "tenant"),
    ("add_endpoint", {"url": "https://user:secret@mq.example"}, "url"),
    ("add_endpoint", {"url": "amqp://mq.example", "endpoint_type": "MAIL"}, "endpoint_type"),
    ("add_endpoint", {"url": "amqp://mq.example", "provPort": "x"}, "provPort"),
    ("add_dashboard", {"label": "Not a Slug"}, "label"),
    ("add_dashboard", {"label": "mine", "type": "WALL"}, "type"),
    ("add_dashboard", {"label": "mine", "listOrder": "first"}, "listOrder"),
    ("add_statement", {"label": "mine", "query": ""}, "query"),
    ("configure_statement", {"label": "mine", "config": []}, "config"),
]


@pytest.mark.parametrize(("call", "arguments", "wrong"), WRONG)
def test_what_the_contract_forbids_is_an_error_that_names_the_argument(
    server, call, arguments, wrong
):
    before = Client(server.root_url).get("/_control/state").json()
    with pytest.raises(Invalid, match=f"^{wrong}: .+") as refused:
        getattr(server, call)(**arguments)
    assert list(refused.value.errors) == [wrong]
    assert Client(server.root_url).get("/_control/state").json() == before


def test_all_that_is_wrong_is_told_at_once(server):
    with pytest.raises(Invalid) as refused:
        server.add_user(
            "bob@acme.test", "KING", active_from="yesterday", active_until="today", birthYear="x"
        )
    assert set(refused.value.errors) == {"role", "active_from", "active_until", "birthYear"}
    for argument in refused.value.errors:
        assert f"{argument}: " in str(refused.value)


def test_a_datetime_without_a_time_zone_is_refused_with_a_way_out(server):
    with pytest.raises(Invalid, match=r"has none. Take datetime.now\(UTC\)"):
        server.add_user(active_from=datetime(2026, 1, 1))
    with pytest.raises(ValueError, match="Must have a time zone"):
        server.clock.set(datetime(2026, 1, 1))
    with pytest.raises(ValueError, match="'tomorrow' is neither"):
        server.clock.set("tomorrow")


@pytest.mark.parametrize(
    "moment",
    [
        "2031-05-05T05:05:05Z",
        "2031-05-05T07:05:05+02:00",
        datetime(2031, 5, 5, 5, 5, 5, tzinfo=UTC),
        datetime(2031, 5, 5, 7, 5, 5, 999_999, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_instants_are_strings_of_any_offset_or_datetimes(server, moment):
    server.clock.set(moment)
    assert "2031-05-05T05:05:05Z" <= server.clock.now() <= "2031-05-05T05:05:15Z"
    bob = server.add_user("bob@acme.test", active_from=moment)
    key = {"tenant": "acme", "username": bob, "type": "BASIC", "activeFrom": moment}
    server.load({"apiKeys": [{**key, "apiToken": "bobs-own-key"}]})
    window = server.client("bobs-own-key").get("/users/bob@acme.test").json()
    assert window["tenantUserPrivileges"][0]["activeFrom"] == "2031-05-05T05:05:05Z"
    assert window["activeApiKeys"][0]["activeFrom"] == "2031-05-05T05:05:05Z"


def test_a_seed_may_hold_datetimes_from_the_beginning():
    tenant = {"tenants": [{"label": "initech", "name": "Initech"}]}
    mapping = {"domain": "x.initech.example", "activeFrom": datetime(2020, 1, 1, tzinfo=UTC)}
    with ProvisioningServer(tenant | {"domainMappings": [{"tenant": "initech", **mapping}]}):
        pass


def test_a_user_whose_name_is_no_address_has_one_all_the_same(server):
    server.add_user("nina")
    assert server.administrator.get("/users/nina").json()["email"] == "nina@acme.test"


def test_a_user_of_a_wrong_role_is_not_half_made(server):
    with pytest.raises(Invalid):
        server.add_user("bob@acme.test", "KING")
    server.add_user("bob@acme.test")


class TestOtherRecords:
    def test_a_subscription_is_active_in_its_window(self, server):
        server.add_subscription("enterprise", active_until="2099-01-01T00:00:00Z")
        shown = server.administrator.get("/services/enterprise").json()
        assert shown["activeUntil"] == "2099-01-01T00:00:00Z"
        assert server.administrator.get("/statements").status_code == 200

    def test_a_second_one_that_overlaps_is_refused(self, server):
        server.add_subscription("enterprise")
        with pytest.raises(Invalid, match="overlaps"):
            server.add_subscription("enterprise")

    def test_a_domain_mapping_names_its_tenant(self, server):
        server.add_tenant("globex")
        domain = server.add_domain_mapping("Bücher.example", tenant="globex", theme="dark")
        assert domain == "xn--bcher-kva.example"
        asked = server.administrator.get("/info", headers={"Host": domain})
        assert asked.status_code == 403
        with pytest.raises(Conflict):
            server.add_domain_mapping("bücher.example")

    def test_an_endpoint_has_whatever_members_are_told(self, server):
        number = server.add_endpoint("amqps://mq.acme.example", password="secret", durable=True)
        shown = server.administrator.get(f"/endpoints/{number}").json()
        assert (shown["endpointType"]["label"], shown["active"]) == ("MQ_INCOMING", True)
        assert (shown["password"], shown["durable"]) == ("secret", True)
        assert server.add_endpoint("amqps://mq.acme.example") == number + 1

    def test_dashboards_and_statements_need_a_label_only(self, server):
        server.add_subscription("enterprise")
        server.add_dashboard("mine", title="My own", listOrder=-1)
        server.add_statement("late", query="select 1")
        server.configure_statement("late", {"threshold": 9})
        assert server.administrator.get("/dashboards").json()[0]["title"] == "My own"
        assert server.administrator.get("/statements/late").json()["query"] == "select 1"
        assert server.administrator.get("/statements/late/config").json() == {"threshold": 9}

    @pytest.mark.parametrize("add", ["add_dashboard", "add_statement"])
    def test_a_label_is_taken_once(self, server, add):
        getattr(server, add)("mine")
        with pytest.raises(Conflict):
            getattr(server, add)("mine")

    def test_a_label_of_the_catalogue_is_taken(self, server):
        with pytest.raises(Conflict):
            server.add_dashboard("live-activity")

    def test_reset_removes_them(self, server):
        server.add_endpoint("amqps://mq.acme.example")
        server.reset()
        assert server.administrator.get("/endpoints").json() == []


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


def test_what_the_clock_shows_goes_into_a_body_and_is_reckoned_with(server):
    server.clock.set("2026-02-28T23:00:00Z")
    server.clock.freeze()
    now = server.clock.now()
    body = {"role": "USER", "activeFrom": now + timedelta(hours=2), "activeUntil": None}
    server.add_user("bob@acme.test", role=None)
    answer = server.administrator.post("/users/bob@acme.test/privilege", json=body)
    assert answer.json()["activeFrom"] == "2026-03-01T01:00:00Z"
    assert now - timedelta(days=1) == "2026-02-27T23:00:00Z"
    assert server.clock.now() - now == timedelta()
    assert now + "!" == f"{now}!"


@pytest.mark.parametrize("by", [3600, 3600.0, timedelta(hours=1), "PT1H", "+PT60M"])
def test_the_clock_is_advanced_by_what_is_at_hand(server, by):
    server.clock.freeze()
    before = server.clock.now()
    server.clock.advance(by)
    assert server.clock.now() - before == timedelta(hours=1)


@pytest.mark.parametrize("by", ["1h", "3600", True, None, float("inf"), float("nan")])
def test_what_the_clock_can_not_be_advanced_by_is_an_error_that_says_what_it_can(server, by):
    with pytest.raises(ValueError, match="a number of seconds, or a duration such as P1DT2H"):
        server.clock.advance(by)


@pytest.mark.parametrize(
    "slip",
    [
        lambda server: server.faults.add("/info", stauts=503),
        lambda server: server.requests.find(stauts=503),
        lambda server: server.requests.count(stauts=503),
    ],
    ids=["faults.add", "requests.find", "requests.count"],
)
def test_a_slip_in_a_name_is_an_error_that_names_it(server, slip):
    with pytest.raises(Invalid, match="stauts"):
        slip(server)


def test_what_was_asked_comes_as_har(server):
    server.administrator.get("/whoami")
    (entry,) = server.requests.har(path="/whoami")["log"]["entries"]
    assert entry["request"]["url"] == f"{server.url}/whoami"


@pytest.mark.slow
def test_slips_are_found_by_mypy(tmp_path):
    file = tmp_path / "slips.py"
    file.write_text(
        "from datetime import timedelta\n"
        "from provisioning.testing import ProvisioningServer\n"
        "def test(provisioning: ProvisioningServer) -> None:\n"
        "    provisioning.clock.advance(3600)\n"
        "    later: str = provisioning.clock.now() + timedelta(days=1)\n"
        "    provisioning.faults.add('/info', stauts=503)\n"
        "    provisioning.requests.find(stauts=503)\n"
    )
    words = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), str(file)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    found = [line.split(":")[1] for line in done.stdout.splitlines() if "error:" in line]
    assert found == ["6", "7"]


@pytest.mark.slow
def test_a_server_for_any_language_is_one_command(tmp_path):
    words = [sys.executable, "-m", "provisioning.testing", "--exit-with-parent"]
    ready = tmp_path / "ready.json"
    with subprocess.Popen([*words, "--ready-file", str(ready)], stdout=subprocess.PIPE) as process:
        facts = json.loads(process.stdout.readline())
        client = Client(f"{facts['url']}/api/v1/provisioning", facts["apiToken"])
        assert client.get("/whoami").status_code == 200
        process.terminate()


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


def test_starting_and_stopping_are_needed_once_and_do_no_harm_twice():
    server = ProvisioningServer()
    server.stop()
    before = threading.active_count()
    assert server.start() is server
    url = server.url
    with server.start():
        assert server.url == url
        assert server.administrator.get("/whoami").status_code == 200
    server.stop()
    assert threading.active_count() == before


def test_a_server_is_down_and_up_again_at_the_same_address_with_what_it_held(server):
    bob = server.add_user("bob@acme.test")
    server.clock.set("2030-01-01T00:00:00Z")
    server.faults.add("/info", status=503)
    url, client = server.url, server.administrator
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        client.get("/users")
    server.start()
    assert server.url == url
    assert client.get(f"/users/{bob}").status_code == 200
    assert client.get("/info").status_code == 503
    assert server.clock.now() >= "2030"
    assert server.requests.count() == 2


def test_a_delay_does_not_hold_up_who_stops_the_server(server):
    server.faults.add("/users", delay=60_000)
    with ThreadPoolExecutor(1) as pool:
        delayed = pool.submit(server.administrator.get, "/users")
        while not server.faults.waiting:
            time.sleep(0.001)
        began = time.perf_counter()
        server.stop()
        delayed.exception()
    assert time.perf_counter() - began < 5


def test_host_and_port_are_arguments():
    with ProvisioningServer() as free:
        port = int(free.root_url.rpartition(":")[2])
        with pytest.raises(OSError, match=f"port {port} of 127.0.0.1 is taken"):
            ProvisioningServer(port=port).start()
    with ProvisioningServer(port=port, host="localhost") as server:
        assert server.url == f"http://127.0.0.1:{port}/api/v1/provisioning"
        assert server.administrator.get("/whoami").status_code == 200


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_a_host_may_be_of_ipv6():
    try:
        server = ProvisioningServer(host="::1").start()
    except OSError as error:
        pytest.skip(f"no IPv6 on loopback: {error}")
    with server:
        assert server.url.startswith("http://[::1]:")
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
