"""deploy/nginx.conf in a real nginx: what it lets through, what it keeps out, and who waits."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import pytest

from tests.edge.conftest import BASE
from tests.edge.serving import GUNICORN, Server, prepared, served
from tests.edge.wire import Wire, request

from .proxy import Proxy, in_front_of, needs_nginx

pytestmark = [pytest.mark.slow, needs_nginx]

ALICE = "demo-acme-alice-administrator-basic-key"
JSON = "Content-Type: application/json"
WITHIN = 3
"""Seconds that a bystander waits at most: far above what a request takes, far below any timeout."""
MANY = 100
"""Slow clients at once; the server has 8 threads."""
SHOWS_FORWARDING = (
    "--access-logformat",
    "FOR %({x-forwarded-for}i)s PROTO %({x-forwarded-proto}i)s PREFIX %({x-forwarded-prefix}i)s "
    "REAL %({x-real-ip}i)s FORWARDED %({forwarded}i)s HOST %({host}i)s",
)


@dataclass(frozen=True)
class Deployment:
    server: Server
    proxy: Proxy
    token: str

    @property
    def key(self) -> str:
        return f"Authorization: Bearer {self.token}"


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("deployment")
    with prepared(folder / "db.json") as provisioner:
        provisioner.add_tenant("acme")
        provisioner.add_user("alice@acme.test", "ADMINISTRATOR")
        token = provisioner.add_key("alice@acme.test")
    with (
        served(folder / "db.json", *SHOWS_FORWARDING) as server,
        in_front_of(server.port, folder / "nginx") as proxy,
    ):
        yield Deployment(server, proxy, token)


@pytest.fixture
def proxy(deployment: Deployment) -> Proxy:
    return deployment.proxy


# What gets through


def test_the_api_answers_whoever_has_a_key(deployment):
    answer, content = deployment.proxy.ask(
        "GET", f"{BASE}/whoami", Authorization=f"Bearer {deployment.token}"
    )
    assert (answer.status, json.loads(content)["tenant"]["label"]) == (200, "acme")
    assert deployment.proxy.ask("GET", f"{BASE}/whoami")[0].status == 401


def test_the_host_still_names_the_tenant(deployment):
    answer, _ = deployment.proxy.ask(
        "GET", f"{BASE}/whoami", Host="acme.localhost", X_API_Key=deployment.token
    )
    assert answer.status == 200
    assert "HOST acme.localhost" in deployment.server.log


def test_the_server_hears_who_asked_and_not_what_they_claim(deployment):
    claims = {"X_Forwarded_For": "9.9.9.9", "X_Forwarded_Proto": "gopher", "X_Real_IP": "9.9.9.9"}
    claims |= {"X_Forwarded_Prefix": "/evil", "Forwarded": "for=9.9.9.9", "Via": "1.1 evil"}
    deployment.proxy.ask("GET", "/health/live", **claims)
    line = deployment.server.log.splitlines()[-1]
    assert line.startswith("FOR 127.0.0.1 PROTO https PREFIX - REAL - FORWARDED - ")


def test_paths_reach_the_server_as_they_were_sent(proxy):
    for path in ("/users/a%2Fb", "/users//x", "/users/%2e%2e/info"):
        _, content = proxy.ask("GET", BASE + path, Host="localhost")
        assert json.loads(content)["instance"] == BASE + path


def test_an_etag_stays_strong_for_a_client_that_takes_gzip(deployment):
    key = {"Authorization": f"Bearer {deployment.token}", "Content_Type": "application/json"}
    got, _ = deployment.proxy.ask("GET", f"{BASE}/info", Accept_Encoding="gzip", **key)
    tag = got.headers["ETag"]
    assert not tag.startswith("W/")
    put, _ = deployment.proxy.ask("PUT", f"{BASE}/info", b'{"theme": "x"}', If_Match=tag, **key)
    assert put.status == 200


def test_a_body_over_the_limit_of_the_api_is_refused_by_the_api(deployment):
    key = {"Authorization": f"Bearer {deployment.token}", "Content_Type": "application/json"}
    answer, content = deployment.proxy.ask("PUT", f"{BASE}/info", b" " * (2**20 + 1), **key)
    assert (answer.status, json.loads(content)["instance"]) == (413, f"{BASE}/info")


# What doesn't


@pytest.mark.parametrize(
    "path",
    [
        "/_control",
        "/_control/state",
        "/_control/tenants/acme",
        "//_control/state",
        "/%5Fcontrol/state",
        "/%5f%63ontrol/state",
        "/docs/../_control/state",
        "/docs/%2e%2e/_control/state",
        "/./_control/state",
        "/_control;x/state",
        "/metrics",
        "/metrics/",
        "/%6Detrics",
    ],
)
def test_control_api_and_metrics_are_kept_out(proxy, path):
    answer, content = proxy.ask("GET", path, Host="localhost")
    assert (answer.status, answer.headers["Content-Type"]) == (404, "application/problem+json")
    assert json.loads(content)["detail"] == "There is no such path here."


@pytest.mark.parametrize(
    "settings", [{"demo": "on"}, {"auth": "off"}], ids=["demo mode", "without authentication"]
)
@pytest.mark.parametrize("host", ["localhost", "acme.localhost", "127.0.0.1"])
def test_what_is_for_this_machine_alone_answers_nobody_behind_a_proxy(tmp_path, settings, host):
    with (
        served(tmp_path / "db.json", command=GUNICORN, **settings) as server,
        in_front_of(server.port, tmp_path / "nginx") as proxy,
    ):
        direct = server.client(ALICE).get("/info").status_code
        assert direct == (200 if "demo" in settings else 404)
        answer, _ = proxy.ask("GET", f"{BASE}/info", Host=host, Authorization=f"Bearer {ALICE}")
        assert answer.status == 403


def test_a_body_over_the_limit_of_the_proxy_is_a_problem_like_others(proxy):
    answer, content = proxy.ask("PUT", f"{BASE}/info", b" " * (2**21 + 1))
    assert (answer.status, json.loads(content)["status"]) == (413, 413)
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_server_that_is_down_is_a_problem_like_others(tmp_path):
    with in_front_of(9, tmp_path / "nginx") as proxy:
        answer, content = proxy.ask("GET", f"{BASE}/whoami")
    assert (answer.status, json.loads(content)["status"]) == (502, 502)
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_no_key_is_in_a_log_of_the_proxy(deployment):
    token = deployment.token
    deployment.proxy.ask("GET", f"{BASE}/api-keys/{token}?apikey={token}&token={token}")
    deployment.proxy.ask("GET", f"{BASE}/api%2Dkeys/{token}", Referer=token, User_Agent=token)
    deployment.proxy.ask("GET", f"{BASE}/whoami", Authorization=f"Bearer {token}")
    log = deployment.proxy.access_log()
    assert f'"GET {BASE}/api-keys/********" 404' in log
    written = "".join(path.read_text() for path in deployment.proxy.folder.glob("*.log"))
    assert token not in written


# Who waits for slow clients: nobody


def bystander(deployment: Deployment) -> None:
    begin = time.monotonic()
    answer, _ = deployment.proxy.ask(
        "GET", f"{BASE}/whoami", Authorization=f"Bearer {deployment.token}"
    )
    assert answer.status == 200
    assert time.monotonic() - begin < WITHIN


def change(deployment: Deployment, *headers: str) -> bytes:
    return request("PUT", f"{BASE}/info", deployment.key, JSON, *headers)


SLOW = {
    "nothing": lambda _: (b"", b""),
    "half a line": lambda _: (b"GET / HT", b""),
    "a head": lambda _: (b"GET / HTTP/1.1\r\nX: ", b"a"),
    "a body": lambda each: (change(each, "Content-Length: 1000") + b'{"name": "', b"a"),
    "chunks of one byte": lambda each: (
        change(each, "Transfer-Encoding: chunked") + b"1\r\n{\r\n",
        b"1\r\n \r\n",
    ),
    "a chunk": lambda each: (change(each, "Transfer-Encoding: chunked") + b"fff\r\n{", b" "),
    "a body that nobody reads": lambda each: (
        request("GET", f"{BASE}/whoami", each.key, "Content-Length: 1000"),
        b" ",
    ),
    "after an error": lambda _: (b"GET\r\n\r\n", b"a"),
    "after the last answer": lambda each: (
        request("GET", f"{BASE}/whoami", each.key, "Connection: close"),
        b"",
    ),
    "a connection that stays open": lambda each: (
        request("GET", f"{BASE}/whoami", each.key),
        b"",
    ),
    "answers that it doesn't read": lambda each: (
        request("GET", f"{BASE}/available-services?size=300", each.key) * 300,
        b"",
    ),
}


@pytest.mark.parametrize("kind", SLOW)
def test_others_are_answered_while_many_clients_take_their_time(deployment, kind):
    begin, more = SLOW[kind](deployment)
    with ExitStack() as opened:
        wires: list[Wire] = []
        for _ in range(MANY):
            wires.append(opened.enter_context(deployment.proxy.wire()).send(begin))
        for _ in range(3):
            bystander(deployment)
            for wire in wires:
                with suppress(OSError):  # refused, and closed, by now
                    wire.send(more)


def test_an_answer_is_whole_for_a_client_that_reads_slowly(deployment):
    with deployment.proxy.wire() as wire:
        wire.send(request("GET", f"{BASE}/available-services?size=300", deployment.key))
        time.sleep(0.3)
        reply = wire.reply()
    assert len(reply.body) == int(reply.header("Content-Length"))
    assert reply.json()


CYRILLIC = "%D1%8F" * 570
"""A search of 570 letters, of which `Link` would hold four times 3,420 bytes."""
LONG_NAME = "\U0001d4b3" * 250
"""A username of which Location holds 3,000 bytes."""


def test_a_long_search_is_answered(deployment, proxy):
    key = {"Authorization": f"Bearer {deployment.token}"}
    answer, _ = proxy.ask("GET", f"{BASE}/users?size=1&q={CYRILLIC}", **key)
    assert (answer.status, answer.headers["X-Total-Count"]) == (200, "0")


def test_an_answer_with_a_long_head_passes(deployment, proxy):
    key = {"Authorization": f"Bearer {deployment.token}", "Content_Type": "application/json"}
    body = json.dumps({"username": LONG_NAME, "email": "a@b", "password": "p"}).encode()
    answer, content = proxy.ask("POST", f"{BASE}/users", body, **key)
    assert (answer.status, len(answer.headers["Location"]) > 3_000) == (201, True), content


# Below a path of another site


@pytest.fixture(scope="module")
def below(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("below")
    with prepared(folder / "db.json") as provisioner:
        provisioner.add_tenant("acme")
        token = provisioner.add_key()
    with (
        served(folder / "db.json", *SHOWS_FORWARDING, proxies="127.0.0.1/32") as server,
        in_front_of(server.port, folder / "nginx", "/tools/api") as proxy,
    ):
        yield Deployment(server, proxy, token)


def ask_below(below: Deployment, verb: str, path: str, body: bytes | None = None):
    key = {"Authorization": f"Bearer {below.token}", "Content_Type": "application/json"}
    return below.proxy.ask(verb, path, body, **key)


def test_below_a_prefix_the_api_answers_and_the_site_stays_as_it_is(below):
    assert ask_below(below, "GET", f"/tools/api{BASE}/whoami")[0].status == 200
    assert ask_below(below, "GET", f"{BASE}/whoami")[1] == b"the site"
    assert ask_below(below, "GET", "/tools/apix")[1] == b"the site"


def test_references_lead_below_the_prefix(below):
    listed, _ = ask_below(below, "GET", f"/tools/api{BASE}/available-services?size=1")
    assert listed.headers["Link"].startswith(f"</tools/api{BASE}/available-services?")
    body = b'{"domain": "www.acme.test"}'
    made, _ = ask_below(below, "POST", f"/tools/api{BASE}/domain-mapping", body)
    assert made.headers["Location"] == f"/tools/api{BASE}/domain-mapping/www.acme.test"
    assert ask_below(below, "GET", made.headers["Location"])[0].status == 200
    redirected, _ = ask_below(below, "GET", "/tools/api/")
    assert redirected.headers["Location"] == "/tools/api/docs"


def test_below_a_prefix_a_long_search_is_answered(below):
    path = f"/tools/api{BASE}/users?size=1&q={CYRILLIC}"
    assert ask_below(below, "GET", path)[0].status == 200


@pytest.mark.parametrize("name", ["a%2Fb", "a%252Fb", "%C3%A9", "a+b", "a;b"])
def test_below_a_prefix_a_path_reaches_the_server_as_it_was_sent(below, name):
    _, content = ask_below(below, "GET", f"/tools/api{BASE}/users/{name}")
    assert json.loads(content)["instance"] == f"/tools/api{BASE}/users/{name}"


@pytest.mark.parametrize(
    "path",
    [
        "/_control",
        "/_control/state",
        "//_control/state",
        "/%5fcontrol/state",
        "/x/../_control",
        "/metrics",
        "/metrics/",
    ],
)
def test_below_a_prefix_control_api_and_metrics_are_kept_out_too(below, path):
    assert b"nginx" in ask_below(below, "GET", f"/tools/api{path}")[1]
