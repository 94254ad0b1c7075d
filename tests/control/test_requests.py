"""The request log: what was asked and answered, without any secret."""

import json
from io import BytesIO

import pytest

from provisioning.control.request_log import LARGEST_LOG, RequestLog
from provisioning.factory import COLLECTIONS
from provisioning.store import MemoryStorage, Store, StoreUnavailable
from provisioning.testing.sandbox import Sandbox
from tests.control.conftest import Controls

pytestmark = pytest.mark.storeless

BASE = "/api/v1/provisioning"


def ask_all(sandbox):
    """Requests of several kinds, oldest first; answers the client that sent them."""
    client = sandbox.administrator
    bob = {"username": "bob@acme.test", "email": "bob@acme.test", "password": "x"}
    client.post("/users", json={**bob, "firstName": "Bob"})
    client.put("/users/bob@acme.test/privilege", json={"role": "MANAGEMENT"})
    client.post("/users/bob%40acme.test/api-keys", json={"type": "QUERY_ONLY"})
    client.get("/privileges?size=1")
    client.get("/nothing")
    client.delete("/info")
    sandbox.client().get("/info")
    sandbox.client("unknown-token").get("/info")
    sandbox.client(sandbox.add_key(tenant="globex")).get("/whoami")
    return client


@pytest.fixture
def asked(sandbox):
    return ask_all(sandbox)


@pytest.fixture(scope="module")
def log():
    """The control API of a server that was asked all that, for tests that only look."""
    sandbox = Sandbox(control="on")
    ask_all(sandbox)
    return Controls(sandbox.client())


def logged(control, query=""):
    return [
        (entry["method"], entry["path"].removeprefix(BASE), entry["status"])
        for entry in control("GET", f"/requests{query}")
    ]


def test_the_requests_are_listed_with_their_answers_newest_last(asked, control):
    assert logged(control) == [
        ("POST", "/users", 201),
        ("PUT", "/users/bob@acme.test/privilege", 200),
        ("POST", "/users/bob@acme.test/api-keys", 201),
        ("GET", "/privileges", 200),
        ("GET", "/nothing", 404),
        ("DELETE", "/info", 405),
        ("GET", "/info", 401),
        ("GET", "/info", 401),
        ("GET", "/whoami", 200),
    ]


def test_an_entry_tells_who_asked_when_and_what_was_answered(sandbox, control):
    answer = sandbox.administrator.put(
        "/info?dry=yes", json={"theme": "dark"}, headers={"X-Request-ID": "r-1", "User-Agent": "me"}
    )
    (entry,) = control("GET", "/requests")
    assert entry.pop("duration") > 0
    assert entry.pop("headers").items() >= {"User-Agent": "me", "X-Request-Id": "r-1"}.items()
    assert entry == {
        "id": 1,
        "at": "2026-01-15T12:00:00Z",
        "client": "127.0.0.1",
        "method": "PUT",
        "path": f"{BASE}/info",
        "query": "dry=yes",
        "status": 200,
        "tenant": "acme",
        "key": "key-1",
        "user": "alice@acme.test",
        "matched": "/info",
        "fault": None,
        "requestId": "r-1",
        "requestBody": {"theme": "dark"},
        "responseBody": answer.json,
    }


def test_a_refused_request_tells_whose_key_it_was(sandbox, control):
    token = sandbox.add_key(active_until="2026-01-15T11:00:00Z", active_from="2026-01-01T00:00:00Z")
    sandbox.client(token).get("/info")
    (entry,) = control("GET", "/requests")
    assert (entry["status"], entry["tenant"], entry["key"]) == (401, "acme", "key-2")


def test_the_instant_is_the_server_clock_s(sandbox, control):
    control("PUT", "/clock", {"now": "2040-01-01T00:00:00Z"})
    sandbox.administrator.get("/info")
    assert control("GET", "/requests")[0]["at"] == "2040-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "query, found",
    [
        ("?method=POST", [0, 2]),
        ("?path=/users", [0]),
        ("?path=/users/", [0]),
        ("?path=/users/*", []),
        ("?path=/users/*/privilege", [1]),
        ("?path=/users/**", [1, 2]),
        ("?path=/users**", [0, 1, 2]),
        (f"?path={BASE}/users/*/api-keys", [2]),
        ("?path=/**", list(range(9))),
        ("?path=/user.", []),
        ("?status=404", [4]),
        ("?status=4xx", [4, 5, 6, 7]),
        ("?status=4XX", [4, 5, 6, 7]),
        ("?status=5xx", []),
        ("?tenant=globex", [8]),
        ("?tenant=acme", [0, 1, 2, 3, 4, 5]),
        ("?key=key-1", [0, 1, 2, 3, 4, 5]),
        ("?user=alice@acme.test&method=PUT", [1]),
        ("?matched=false", [4, 5]),
        ("?matched=true&status=4xx", [6, 7]),
        ("?body.role=MANAGEMENT", [1]),
        ("?body.role=USER", []),
        ("?body.firstName=Bob&body.email=bob@acme.test", [0]),
        ("?body.firstName=Bob&body.email=eve@acme.test", []),
        ("?limit=2", [7, 8]),
        ("?limit=100", list(range(9))),
        ("?status=4xx&limit=1", [7]),
        ("?since=7", [7, 8]),
        ("?since=0&limit=1", [8]),
        ("?since=9", []),
        ("?since=10", list(range(9))),
        ("?query.size=1", [3]),
        ("?query.size=2", []),
        ("?query.Size=1", []),
        ("?header.content-type=application/json", [0, 1, 2]),
        ("?header.Content-Type=application/json&method=PUT", [1]),
        ("?header.X-None=1", []),
    ],
)
def test_filters_narrow_the_list_and_the_count(log, query, found):
    everything = log("GET", "/requests")
    assert log("GET", f"/requests{query}") == [everything[index] for index in found]
    assert log("GET", f"/requests/count{query}") == {"count": len(found)}


def test_nested_members_and_those_that_are_no_text_are_found(sandbox, control):
    body = {"title": "x", "settings": {"columns": 3, "dense": True}}
    sandbox.administrator.post("/tenant-dashboards", json=body)
    for query in ("settings.columns=3", "settings.dense=true", "title=x"):
        assert control("GET", f"/requests/count?body.{query}")["count"] == 1
    for query in ("settings.columns=4", "settings.dense=1", "settings.columns.x=3", "columns=3"):
        assert control("GET", f"/requests/count?body.{query}")["count"] == 0


@pytest.mark.parametrize(
    "query, name",
    [
        ("?verb=GET", "verb"),
        ("?statuss=404", "statuss"),
        ("?status=40", "status"),
        ("?status=xx4", "status"),
        ("?matched=no", "matched"),
        ("?console=no", "console"),
        ("?limit=0", "limit"),
        ("?limit=-1", "limit"),
        ("?limit=x", "limit"),
        ("?body=x", "body"),
        ("?since=-1", "since"),
        ("?since=x", "since"),
        ("?header.=x", "header."),
        ("?header=x", "header"),
        ("?headers.Accept=x", "headers.Accept"),
        ("?header.Authorization=x", "header.Authorization"),
        ("?query.apikey=x", "query.apikey"),
        ("?body.user.password=x", "body.user.password"),
    ],
)
def test_a_filter_that_means_nothing_is_422_and_not_ignored(control, query, name):
    """Else a test with a typing error would pass."""
    refused = control.ask("GET", f"/requests/count{query}")
    assert refused.status_code == 422
    assert list(refused.json["errors"]) == [name]


def test_requests_come_as_har_for_other_tools(sandbox, control):
    sandbox.administrator.post("/users?x=1", json={"username": "b b@x.test", "password": "secret"})
    (entry,) = control("GET", "/requests/har?method=POST")["log"]["entries"]
    request, response = entry["request"], entry["response"]
    assert request["url"] == f"http://localhost{BASE}/users?x=1"
    assert request["queryString"] == [{"name": "x", "value": "1"}]
    assert json.loads(request["postData"]["text"])["username"] == "b b@x.test"
    assert "secret" not in json.dumps(entry)
    assert (response["status"], response["statusText"]) == (422, "Unprocessable Entity")
    assert json.loads(response["content"]["text"])["status"] == 422


def test_har_of_a_connection_that_a_fault_closed_has_status_0(sandbox, control):
    control("POST", "/faults", {"path": "/info", "close": True})
    with pytest.raises(ConnectionResetError):
        sandbox.administrator.get("/info")
    (entry,) = control("GET", "/requests/har")["log"]["entries"]
    assert (entry["response"]["status"], entry["_fault"]) == (0, 1)


def test_clearing_forgets_them_all_and_ids_go_on(asked, control):
    control("DELETE", "/requests")
    assert control("GET", "/requests") == []
    asked.get("/info")
    assert [entry["id"] for entry in control("GET", "/requests")] == [10]


def test_only_the_last_ones_are_kept():
    sandbox = Sandbox(control="on", request_log=3)
    for number in range(5):
        sandbox.administrator.get(f"/users/nobody{number}")
    paths = [path for _, path, _ in logged(Controls(sandbox.client()))]
    assert paths == ["/users/nobody2", "/users/nobody3", "/users/nobody4"]


@pytest.mark.parametrize(
    "path",
    [
        "//_control/clock",
        "//docs",
        "//docs/",
        "//openapi.json",
        "//health/live",
        "//_control/x",
        "//console",
        "//metrics",
    ],
)
def test_what_is_no_part_of_the_api_is_not_logged(sandbox, control, path):
    sandbox.administrator.get(path)
    assert control("GET", "/requests") == []


@pytest.mark.parametrize("path", ["//", "//api/v2/provisioning/info", "//healthy", "//openapi.jso"])
def test_a_client_that_takes_a_wrong_path_is_found(sandbox, control, path):
    sandbox.administrator.get(path)
    assert len(control("GET", "/requests")) == 1


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
def test_an_answer_without_a_body_is_logged_without_one(sandbox, control, method):
    answer = sandbox.administrator.request(method, "/info")
    (entry,) = control("GET", "/requests")
    assert (entry["status"], entry["responseBody"]) == (answer.status_code, None)
    assert answer.data == b""


@pytest.mark.parametrize(
    "data, shown",
    [
        (b"", None),
        (b"{broken", "(7 bytes that are no JSON)"),
        (b'{"firstName": "\xff"}', "(18 bytes that are no JSON)"),
        (b"[" * 3_000 + b"]" * 3_000, "(6000 bytes that are no JSON)"),
        (b'{"a":' * 400 + b"1" + b"}" * 400, "(2401 bytes that are no JSON)"),
        (b'{"hint": "%s"}' % (b"x" * 20_000), "(20012 bytes, too many to be kept)"),
    ],
)
def test_a_body_that_is_no_json_or_too_long_is_not_kept(sandbox, control, data, shown):
    sandbox.administrator.put("/users/alice@acme.test", data=data, content_type="application/json")
    (entry,) = control("GET", "/requests")
    assert entry["requestBody"] == shown


def test_a_body_that_the_server_refused_to_read_is_not_logged(sandbox, control):
    sandbox.client().post("/users", json={"username": "bob@acme.test"})
    assert control("GET", "/requests")[0]["requestBody"] is None


def test_a_chunked_body_is_logged_as_the_server_read_it(sandbox, control):
    sandbox.administrator.put(
        "/info",
        input_stream=BytesIO(b'{"theme": "dark"}'),
        content_type="application/json",
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    (entry,) = control("GET", "/requests")
    assert (entry["status"], entry["requestBody"]) == (200, {"theme": "dark"})


class TestSecrets:
    """Planted wherever a client may send one, and sought in the whole log."""

    SECRET = "hunter2-is-no-good-password"

    def log(self, control):
        return control.ask("GET", "/requests").text

    @pytest.mark.parametrize("member", ["password", "provPassword", "apiKey"])
    @pytest.mark.parametrize("path", ["/endpoints", "/users", "/nowhere/at/all"])
    def test_members_that_hold_secrets_are_masked_in_bodies(self, sandbox, control, member, path):
        sandbox.administrator.post(
            path, json={member: self.SECRET, "list": [{member: self.SECRET}]}
        )
        assert self.SECRET not in self.log(control)

    @pytest.mark.parametrize(
        "member",
        [
            *("apiToken", "ApiToken", "api_token", "API-KEY", "Password"),
            *("newPassword", "pass_word", "passwort", "passwd", "passphrase", "pwd"),
            *("client_secret", "accessToken", "credentials"),
        ],
    )
    def test_a_misspelled_secret_is_one_too(self, sandbox, control, member):
        sandbox.administrator.post("/api-keys", json={"type": "BASIC", member: self.SECRET})
        assert self.SECRET not in self.log(control)
        assert control("GET", "/requests")[0]["requestBody"][member] == "********"

    def test_a_secret_that_is_sent_twice_is_masked_twice(self, sandbox, control):
        data = json.dumps({"password": self.SECRET})[:-1] + f', "password": "{self.SECRET}2"}}'
        sandbox.administrator.post("/users", data=data, content_type="application/json")
        assert self.SECRET not in self.log(control)

    def test_secrets_in_answers_are_masked(self, sandbox, control):
        made = sandbox.administrator.post("/api-keys", json={"type": "BASIC"}).json
        sandbox.administrator.post(
            "/endpoints",
            json={"url": "amqp://x.example", "endpointType": "MQ_INCOMING", "apiKey": self.SECRET},
        )
        for path in ("/api-keys", "/endpoints", "/details", "/users/alice@acme.test"):
            assert sandbox.administrator.get(path).status_code == 200
        assert made["apiToken"] not in self.log(control)
        assert self.SECRET not in self.log(control)
        assert sandbox.administrator.token not in self.log(control)

    @pytest.mark.parametrize(
        "headers",
        [
            {"Authorization": "Bearer {}"},
            {"authorization": "Basic {}"},
            {"X-API-Key": "{}"},
            {"Api-Key": "{}"},
            {"Cookie": "session={}"},
            {"Proxy-Authorization": "{}"},
            {"X-Auth-Token": "{}"},
            {"Referer": "http://localhost/x?apikey={}"},
            {"X-Secret-Thing": "{}"},
            {"X-Auth": "{}"},
        ],
    )
    def test_headers_with_secrets_are_left_out(self, sandbox, control, headers):
        sent = {name: text.format(self.SECRET) for name, text in headers.items()}
        sandbox.client().get("/info", headers=sent)
        assert self.SECRET not in self.log(control)

    @pytest.mark.parametrize(
        "path",
        [
            "/info?apikey={}",
            "/info?%61pikey={}",
            "/info?x=1&api_key={}&y=2",
            "/info?token={}",
            "/info?access_token={}",
            "/info?key={}",
            "/info?new%50assword={}",
            "/info?a=1&a=2&client_secret={}",
            "/api-keys/{}",
            "/users/alice@acme.test/api-keys/{}",
            "/api%2Dkeys/{}",
            "/api-keys/{}/",
        ],
    )
    def test_paths_and_queries_are_masked(self, sandbox, control, path):
        sandbox.administrator.get(path.format(self.SECRET))
        assert self.SECRET not in self.log(control)
        assert len(control("GET", "/requests")) == 1

    def test_the_key_of_the_request_is_masked_wherever_it_stands(self, sandbox, control):
        token = sandbox.administrator.token
        sandbox.administrator.put(
            f"/users/{token}?note={token}", json={"hint": token}, headers={"X-Note": token}
        )
        sandbox.administrator.put("/users/alice@acme.test", json={"hint": f"({token})"})
        assert token not in self.log(control)

    def test_the_stored_hash_of_a_password_is_not_shown(self, sandbox, control):
        sandbox.administrator.put("/users/alice@acme.test", json={"password": self.SECRET})
        (user,) = control("GET", "/state")["users"]
        assert user["passwordHash"] not in self.log(control)

    @pytest.mark.parametrize("place", ["path", "query", "header", "request id", "body"])
    @pytest.mark.parametrize("sent", ["with another", "with none"])
    def test_a_key_of_the_store_is_masked_whatever_the_request_itself_has(
        self, sandbox, control, place, sent
    ):
        """Two that differ, or none that is known, and the key once more somewhere else."""
        key = sandbox.administrator.token
        client = sandbox.client("another-key-that-is-none" if sent == "with another" else None)
        headers = {"X-API-Key": key} if sent == "with another" or place == "body" else {}
        path, body = "/info", None
        if place == "path":
            path = f"/users/{key}"
        elif place == "query":
            path = f"/info?note={key}"
        elif place == "header":
            headers["User-Agent"] = f"program ({key})"
        elif place == "request id":
            headers["X-Request-ID"] = key
        else:
            body = {"hint": key}
        client.put(path, json=body, headers=headers)
        assert key not in self.log(control)

    @pytest.mark.parametrize("token", ["ninas-own-key", "a.key~with_more", "12345678"])
    def test_a_key_that_somebody_chose_is_masked_as_well(self, sandbox, control, token):
        key = {"tenant": "acme", "username": None, "type": "BASIC", "apiToken": token}
        control("POST", "/seed", {"mode": "merge", "seed": {"apiKeys": [key]}})
        sandbox.client().get(f"/users?q={token}", headers={"User-Agent": token})
        assert token not in self.log(control)

    @pytest.mark.parametrize("number", [20, 21])
    def test_of_a_request_with_very_many_keys_no_text_is_shown_at_all(
        self, sandbox, control, number
    ):
        """To seek them all in each text would take the square of the request's length."""
        keys = [f"chosen~key~{each:03}" for each in range(number)]
        headers = {"X-API-Key": ",".join(keys), "X-Note": f"a note {keys[-1]}"}
        sandbox.client().get("/users", headers=headers)
        assert "chosen" not in self.log(control)
        shown = control("GET", "/requests")[0]["headers"]["X-Note"]
        assert shown == ("a note ********" if number == 20 else "********")

    def test_what_looks_like_a_key_is_masked_wherever_it_stands(self, sandbox, control):
        token = "Zk3vQ9xT1pLw8RnB5mYs7A"
        sandbox.administrator.put(f"/users/{token}?x={token}", json={"hint": f"see {token}!"})
        assert token not in self.log(control)
        assert control("GET", "/requests")[0]["requestBody"] == {"hint": "see ********!"}

    def test_ids_and_ordinary_words_are_no_keys(self, sandbox, control):
        harmless = {
            "X-Request-ID": "123e4567-e89b-12d3-a456-426614174000",
            "User-Agent": "python-requests/2.34.2",
            "If-None-Match": '"5d41402abc4b2a76b9719d911017c592"',
        }
        sandbox.administrator.get("/info?order=lastName,-username", headers=harmless)
        (entry,) = control("GET", "/requests")
        assert entry["headers"]["User-Agent"] == harmless["User-Agent"]
        assert entry["headers"]["If-None-Match"] == harmless["If-None-Match"]
        assert entry["requestId"] == harmless["X-Request-ID"]
        assert entry["query"] == "order=lastName,-username"

    @pytest.mark.parametrize(
        "token", ["requestBody", "responseBody", "duration", "20260115", "status"]
    )
    def test_a_token_that_is_a_word_of_the_log_does_it_no_harm(self, sandbox, control, token):
        sandbox.client(token).get("/info")
        (entry,) = control("GET", "/requests")
        assert (entry["path"], entry["status"], entry["requestBody"]) == (f"{BASE}/info", 401, None)


class TestBounds:
    """What one request, and all together, can make the log keep."""

    def test_every_part_of_an_entry_is_cut(self, sandbox, control):
        long = "x" * 30_000
        sandbox.administrator.request(
            "X" * 5_000,
            f"/users/{long}?q={long}",
            headers={f"X-{number}-{long[:500]}": long[:2_000] for number in range(200)},
            data=long,
        )
        (entry,) = control("GET", "/requests")
        assert len(json.dumps(entry)) < 100_000
        assert entry["query"].endswith("... (30002 characters)")
        assert len(entry["headers"]) <= 64

    def test_the_oldest_are_forgotten_when_all_together_are_too_large(self):
        log = RequestLog(100_000)
        for _ in range(LARGEST_LOG // 1_000_000 + 5):
            log.add({"path": "x" * 1_000_000})
        assert log.count() == LARGEST_LOG // 1_000_040
        assert log.last_id == LARGEST_LOG // 1_000_000 + 5

    def test_what_the_console_asks_takes_nobodys_place_and_no_share_of_a_limit(self):
        sandbox = Sandbox(control="on", request_log=3)
        control, client = Controls(sandbox.client()), sandbox.administrator
        for page in range(3):
            client.get(f"/users?page={page}")
        for number in range(5):
            client.get("/info", headers={"X-Request-ID": f"console-{number}"})
        asked = [entry["query"] for entry in control("GET", "/requests?console=false&limit=2")]
        assert asked == ["page=1", "page=2"]
        own = [entry["requestId"] for entry in control("GET", "/requests?console=true")]
        assert own == ["console-2", "console-3", "console-4"]
        assert logged(control) == [("GET", "/users", 200)] * 3 + [("GET", "/info", 200)] * 3

    def test_a_log_forgets_the_oldest_above_its_size(self):
        sandbox = Sandbox(control="on", request_log=3)
        for page in range(5):
            sandbox.administrator.get(f"/users?page={page}")
        queries = [entry["query"] for entry in Controls(sandbox.client())("GET", "/requests")]
        assert queries == ["page=2", "page=3", "page=4"]


def test_a_request_is_logged_and_answered_while_the_store_can_not_be_read():
    class Gone(Store):
        is_gone = False

        def read(self):
            if self.is_gone:
                raise StoreUnavailable("The database can't be reached.")
            return super().read()

    store = Gone(MemoryStorage(), COLLECTIONS.form)
    sandbox = Sandbox(store, control="on")
    store.is_gone = True
    assert sandbox.administrator.get("/info").status_code == 503
    (entry,) = Controls(sandbox.client())("GET", "/requests")
    assert (entry["status"], entry["at"], entry["key"]) == (503, "2026-01-15T12:00:00Z", None)
