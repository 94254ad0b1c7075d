"""Who may control a server, and what the control API is not part of."""

from ipaddress import ip_network

import pytest

from provisioning.testing.sandbox import Sandbox
from tests.control.conftest import Controls

pytestmark = pytest.mark.storeless

ELSEWHERE = {"REMOTE_ADDR": "203.0.113.9"}
TOKEN = "a-token-for-the-control"
VERBS = {"get", "post", "put", "delete"}


def controls(**settings):
    return Controls(Sandbox(**settings).client())


def test_without_the_setting_there_is_no_control_api():
    assert controls().ask("GET", "/clock").status_code == 404


def test_demo_mode_has_it_without_the_setting():
    assert controls(demo="on")("GET", "/clock")["frozen"] is True


def test_it_needs_no_api_key(control):
    assert control.ask("GET", "/clock").status_code == 200


@pytest.mark.parametrize(
    "settings", [{"control": "on"}, {"demo": "on"}, {"auth": "off", "control": "on"}]
)
def test_a_client_on_another_machine_is_refused(settings):
    refused = controls(**settings).ask("GET", "/state", environ_overrides=ELSEWHERE)
    assert refused.status_code == 403
    assert refused.content_type == "application/problem+json"


def test_a_server_with_real_keys_still_answers_other_machines_outside_of_its_control(sandbox):
    assert sandbox.administrator.get("/info", environ_overrides=ELSEWHERE).status_code == 200


@pytest.mark.parametrize("header", ["Forwarded", "Via", "X-Real-IP", "X-Forwarded-For"])
def test_a_forwarded_request_is_refused(control, header):
    assert control.ask("GET", "/clock", headers={header: "127.0.0.1"}).status_code == 403


@pytest.mark.parametrize(
    "host, status",
    [
        ("localhost", 200),
        ("acme.localhost:8000", 200),
        ("127.0.0.1", 200),
        ("[::1]:8000", 200),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
    ],
)
def test_only_local_hosts_are_answered_so_that_no_dns_name_can_be_rebound(control, host, status):
    assert control.ask("GET", "/state", headers={"Host": host}).status_code == status


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "settings",
    [
        {"control": "on"},
        {"control": "on", "control_token": TOKEN},
        {"demo": "on"},
        {"auth": "off", "control": "on"},
        {"control": "on", "cors_origins": ("https://app.acme.example",)},
    ],
    ids=str,
)
@pytest.mark.parametrize("method, path", [("GET", "/state"), ("POST", "/reset"), ("OPTIONS", "/")])
def test_no_page_of_another_site_is_answered_in_any_mode(settings, headers, method, path):
    headers = headers | {"Authorization": f"Bearer {TOKEN}"}
    refused = controls(**settings).ask(method, path, headers=headers)
    assert refused.status_code == 403
    assert "PROVISIONING_CORS_ORIGINS" in refused.json["detail"]


@pytest.mark.parametrize(
    "settings, headers",
    [
        ({"control": "on"}, {"Origin": "http://localhost"}),
        ({"control": "on"}, {"Sec-Fetch-Site": "same-origin"}),
        ({"control": "on"}, {"Sec-Fetch-Site": "none"}),
        ({"demo": "on"}, {"Origin": "http://localhost:3000", "Sec-Fetch-Site": "cross-site"}),
        ({"demo": "on"}, {"Origin": "http://127.0.0.1:3000"}),
        (
            {"control": "on", "cors_origins": ("https://app.acme.example",)},
            {"Origin": "https://app.acme.example", "Sec-Fetch-Site": "cross-site"},
        ),
    ],
    ids=str,
)
def test_its_own_pages_and_those_that_are_allowed_are_answered(settings, headers):
    assert controls(**settings).ask("GET", "/clock", headers=headers).status_code == 200


def test_a_client_in_an_allowed_network_is_answered():
    settings = {
        "control": "on",
        "allowed_clients": (ip_network("203.0.113.0/24"),),
    }
    assert controls(**settings).ask("GET", "/clock", environ_overrides=ELSEWHERE).status_code == 200


@pytest.mark.parametrize("settings", [{"control": "on"}, {"demo": "on"}])
@pytest.mark.parametrize("facts", [{}, {"environ_overrides": ELSEWHERE}])
@pytest.mark.parametrize(
    "authorization, status",
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),
        (f"Bearer {TOKEN}x", 401),
        (f"Bearer {TOKEN[:-1]}", 401),
        (f"Basic {TOKEN}", 401),
        ("Bearer k\xf6nig", 401),
        ("", 401),
    ],
)
def test_a_token_is_needed_by_every_client_and_enough_for_any(
    settings, facts, authorization, status
):
    control = controls(control_token=TOKEN, **settings)
    answer = control.ask("GET", "/clock", headers={"Authorization": authorization}, **facts)
    assert answer.status_code == status
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)


def test_several_processes_can_not_be_controlled_and_the_answer_says_what_to_do(control):
    refused = control.ask("GET", "/clock", environ_overrides={"wsgi.multiprocess": True})
    assert refused.status_code == 409
    assert "one worker" in refused.json["detail"]


@pytest.mark.parametrize("path", ["", "/nothing", "/clock/more", "/faults/x"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_an_unknown_path_is_404_for_every_verb(control, method, path):
    answer = control.ask(method, path)
    assert answer.status_code == 404
    assert answer.json["instance"] == f"/_control{path}"


def test_a_wrong_verb_is_405_and_names_those_that_are_possible(control):
    answer = control.ask("PATCH", "/clock")
    assert answer.status_code == 405
    assert {"GET", "PUT", "DELETE"} <= set(answer.headers["Allow"].split(", "))


def test_options_answers_the_verbs_without_a_token():
    answer = controls(control="on", control_token=TOKEN).ask("OPTIONS", "/clock")
    assert (answer.status_code, answer.data) == (204, b"")
    assert {"GET", "PUT", "DELETE"} <= set(answer.headers["Allow"].split(", "))


def test_a_trailing_slash_does_no_harm(control):
    assert control.ask("GET", "/clock/").status_code == 200


@pytest.mark.parametrize(
    "data, kind, status",
    [
        ("{", "application/json", 400),
        ("[]", "application/json", 400),
        ('{"by": "P1D", "by": "P2D"}', "application/json", 400),
        ('{"by": "P1D"}', "text/plain", 415),
        ('{"until": "P1D"}', "application/json", 422),
    ],
)
def test_bodies_are_read_as_strictly_as_those_of_the_api(control, data, kind, status):
    answer = control.ask("POST", "/clock/advance", data=data, content_type=kind)
    assert answer.status_code == status


def test_its_own_document_lists_every_route_and_the_api_s_lists_none(sandbox, control):
    document = control("GET", "/openapi.json")
    operations = {
        (verb, path) for path, item in document["paths"].items() for verb in VERBS & item.keys()
    }
    assert ("post", "/_control/reset") in operations
    assert ("delete", "/_control/faults/{id}") in operations
    for verb, path in operations:
        asked = path.removeprefix("/_control").replace("{", "").replace("}", "")
        allowed = control.ask("OPTIONS", asked.replace("/id", "/1")).headers["Allow"]
        assert verb.upper() in allowed
    assert "/_control" not in sandbox.client().get("//openapi.json").text


def test_servers_that_share_routes_share_no_state():
    one, other = Sandbox(control="on"), Sandbox(control="on")
    Controls(one.client())("POST", "/faults", {"path": "/info", "status": 503})
    Controls(one.client())("PUT", "/snapshots/mine")
    Controls(one.client())("PUT", "/clock", {"now": "2030-01-01T00:00:00Z"})
    assert one.administrator.get("/info").status_code == 503
    assert other.administrator.get("/users").status_code == 200
    control = Controls(other.client())
    assert control("GET", "/faults") == []
    assert control("GET", "/snapshots") == []
    assert control("GET", "/clock")["now"] == "2026-01-15T12:00:00Z"
    assert [entry["path"] for entry in control("GET", "/requests")] == [
        "/api/v1/provisioning/users"
    ]
