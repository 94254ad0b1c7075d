"""Faults: delays, errors and closed connections, by route, verb and tenant."""

import threading
import time

import pytest

from provisioning.control.faults import MOST_FAULTS, Faults

pytestmark = pytest.mark.storeless

BASE = "/api/v1/provisioning"


def test_an_error_is_injected_and_says_so(sandbox, control):
    fault = control("POST", "/faults", {"path": "/info", "status": 503, "retryAfter": 7})
    answer = sandbox.administrator.get("/info")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "7"
    assert answer.content_type == "application/problem+json"
    assert "injected" in answer.json["detail"]
    assert answer.json["fault"] == fault["id"]


@pytest.mark.parametrize("status", [400, 429, 500, 503, 599])
def test_any_error_status_may_be_injected(sandbox, control, status):
    control("POST", "/faults", {"path": "/info", "status": status})
    assert sandbox.administrator.get("/info").status_code == status


@pytest.mark.parametrize(
    "fault, struck",
    [
        ({"path": "/users"}, ["GET /users", "POST /users"]),
        ({"path": f"{BASE}/users"}, ["GET /users", "POST /users"]),
        ({"path": "/users/"}, ["GET /users", "POST /users"]),
        ({"path": "/users/*"}, ["GET /users/alice@acme.test"]),
        ({"path": "/users/alice@acme.test"}, ["GET /users/alice@acme.test"]),
        ({"path": "/users/*/privilege"}, ["GET /users/alice@acme.test/privilege"]),
        ({"path": "/users**", "method": "POST"}, ["POST /users"]),
        ({"path": "/*", "method": "GET"}, ["GET /users", "GET /info"]),
        ({"path": "/users.*"}, []),
        ({"path": "/**", "tenant": "globex"}, []),
        ({"path": "/info", "tenant": "acme"}, ["GET /info"]),
    ],
)
def test_a_fault_strikes_the_verb_the_pattern_and_the_tenant_that_it_names(
    sandbox, control, fault, struck
):
    control("POST", "/faults", {"status": 500, **fault})
    requests = {
        "GET /users": None,
        "POST /users": {},
        "GET /users/alice@acme.test": None,
        "GET /users/alice@acme.test/privilege": None,
        "GET /info": None,
    }
    answers = {
        request: sandbox.administrator.request(*request.split(), json=body).status_code
        for request, body in requests.items()
    }
    assert [request for request, status in answers.items() if status == 500] == struck


@pytest.mark.parametrize(
    "fault, struck",
    [
        ({"query": {"page": 1}}, ["GET /users?page=1&size=5"]),
        ({"query": {"page": "1", "size": "5"}}, ["GET /users?page=1&size=5"]),
        ({"query": {"page": "2"}}, []),
        ({"header": {"user-agent": "mine/1"}}, ["GET /info"]),
        ({"body": {"role": "USER"}}, ["POST /privileges"]),
        ({"body": {"role": "USER", "username": "nobody"}}, []),
        (
            {"user": "Alice@acme.test"},
            ["GET /users?page=1&size=5", "GET /info", "POST /privileges"],
        ),
        ({"user": "bob@acme.test"}, ["GET /whoami"]),
    ],
)
def test_a_fault_strikes_by_query_header_body_and_user(sandbox, control, fault, struck):
    sandbox.add_user("bob@acme.test")
    bob = sandbox.client(sandbox.add_key("bob@acme.test"))
    control("POST", "/faults", {"path": "/**", "status": 500, **fault})
    grant = {"username": "bob@acme.test", "role": "USER", "activeFrom": "2099-01-01T00:00:00Z"}
    asked = [
        (sandbox.administrator, "GET /users?page=1&size=5", {}),
        (sandbox.administrator, "GET /info", {"headers": {"User-Agent": "mine/1"}}),
        (sandbox.administrator, "POST /privileges", {"json": grant}),
        (bob, "GET /whoami", {}),
    ]
    answers = {
        request: client.request(*request.split(), **facts).status_code
        for client, request, facts in asked
    }
    assert [request for request, status in answers.items() if status == 500] == struck


@pytest.mark.parametrize("length", [10, 16_384, 60_000])
def test_a_body_that_a_fault_has_looked_at_is_read_whole_all_the_same(sandbox, control, length):
    control("POST", "/faults", {"path": "/**", "status": 500, "body": {"label": "other"}})
    config = {"label": "mine", "text": "x" * length}
    sandbox.add_subscription("enterprise")
    sandbox.add_statement("mine")
    answer = sandbox.administrator.put("/statements/mine/config", json=config)
    assert (answer.status_code, answer.json) == (200, config)


def test_a_body_that_breaks_off_is_no_error_of_the_fault(sandbox, control):
    control("POST", "/faults", {"path": "/**", "status": 500, "body": {"name": "x"}})
    answer = sandbox.administrator.put("/info", data=b'{"na', content_type="application/json")
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "body, content_type, content",
    [
        ({"error": "kaput"}, "application/json", b'{"error":"kaput"}'),
        ([], "application/json", b"[]"),
        ("Bad Gateway\n", "text/plain; charset=utf-8", b"Bad Gateway\n"),
    ],
)
def test_a_fault_has_a_body_and_headers_of_its_own(sandbox, control, body, content_type, content):
    headers = {"X-Upstream": "proxy"}
    fault = {"path": "/info", "status": 502, "responseBody": body, "responseHeaders": headers}
    control("POST", "/faults", fault)
    answer = sandbox.administrator.get("/info")
    assert (answer.status_code, answer.data, answer.content_type) == (502, content, content_type)
    assert answer.headers["X-Upstream"] == "proxy"


def test_a_content_type_of_its_own_goes_before_the_one_that_is_made(sandbox, control):
    fault = {"path": "/info", "status": 200, "responseBody": "<html>", "responseHeaders": {}}
    fault["responseHeaders"]["Content-Type"] = "text/html"
    control("POST", "/faults", fault)
    answer = sandbox.administrator.get("/info")
    assert (answer.status_code, answer.content_type, answer.text) == (200, "text/html", "<html>")


@pytest.mark.parametrize(
    "faults, answers",
    [
        ([{"status": 503, "times": 2}], [503, 503, 200, 200]),
        ([{"status": 503, "after": 2, "times": 1}], [200, 200, 503, 200]),
        ([{"status": 503, "times": 1}, {"status": 429, "times": 2}], [503, 429, 429, 200]),
    ],
    ids=["fails twice, then works", "works twice, then fails once", "fails in two ways"],
)
def test_faults_make_a_scenario(sandbox, control, faults, answers):
    for fault in faults:
        control("POST", "/faults", {"path": "/info", **fault})
    assert [sandbox.administrator.get("/info").status_code for _ in answers] == answers


def test_what_has_no_route_or_no_admitted_caller_is_answered_as_ever(sandbox, control):
    control("POST", "/faults", {"path": "/**", "status": 500})
    assert sandbox.administrator.get("/nothing").status_code == 404
    assert sandbox.administrator.delete("/info").status_code == 405
    assert sandbox.client().get("/info").status_code == 401
    assert sandbox.client().get("//health/ready").status_code == 200
    assert sandbox.administrator.options("/info").status_code == 204
    assert control("GET", "/faults")[0]["struck"] == 0


def test_a_struck_change_is_not_made(sandbox, control):
    control("POST", "/faults", {"path": "/info", "status": 500, "method": "PUT"})
    sandbox.administrator.put("/info", json={"name": "Changed"})
    assert sandbox.administrator.get("/info").json["name"] == "Acme"


def test_a_fault_strikes_as_often_as_it_was_told_and_counts(sandbox, control):
    fault = control("POST", "/faults", {"path": "/info", "status": 503, "times": 2})
    answers = [sandbox.administrator.get("/info").status_code for _ in range(4)]
    assert answers == [503, 503, 200, 200]
    assert control("GET", f"/faults/{fault['id']}")["struck"] == 2


def test_threads_together_are_struck_no_more_often_than_told(sandbox, control):
    control("POST", "/faults", {"path": "/info", "status": 503, "times": 25})
    answers = []

    def ask():
        client = sandbox.client(sandbox.administrator.token)
        answers.extend(client.get("/info").status_code for _ in range(20))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (answers.count(503), answers.count(200)) == (25, 135)
    assert control("GET", "/requests/count?status=503")["count"] == 25


@pytest.mark.parametrize("probability, lowest, highest", [(0, 0, 0), (1, 300, 300), (0.5, 75, 225)])
def test_a_probability_is_a_share_of_the_requests(sandbox, control, probability, lowest, highest):
    control("POST", "/faults", {"path": "/info", "status": 503, "probability": probability})
    struck = sum(sandbox.administrator.get("/info").status_code == 503 for _ in range(300))
    assert lowest <= struck <= highest


def test_of_several_faults_the_first_that_concerns_a_request_strikes_alone(sandbox, control):
    control("POST", "/faults", {"path": "/info", "status": 500, "times": 1})
    control("POST", "/faults", {"path": "/**", "status": 503})
    assert [sandbox.administrator.get("/info").status_code for _ in range(2)] == [500, 503]
    assert [fault["struck"] for fault in control("GET", "/faults")] == [1, 1]


@pytest.mark.parametrize("delay, least", [(80, 0.08), ([40, 80], 0.04), (0, 0)])
def test_a_delay_holds_the_answer_up_and_changes_nothing_else(sandbox, control, delay, least):
    control("POST", "/faults", {"path": "/info", "delay": delay})
    began = time.perf_counter()
    answer = sandbox.administrator.get("/info")
    assert time.perf_counter() - began >= least
    assert answer.status_code == 200
    assert control("GET", "/requests")[0]["duration"] >= least * 1000


def test_a_delay_may_come_before_an_error(sandbox, control):
    control("POST", "/faults", {"path": "/info", "delay": 50, "status": 504})
    began = time.perf_counter()
    assert sandbox.administrator.get("/info").status_code == 504
    assert time.perf_counter() - began >= 0.05


def test_the_server_s_clock_does_not_lengthen_a_delay(sandbox, control):
    control("PUT", "/clock", {"now": "2040-01-01T00:00:00Z"})
    control("POST", "/faults", {"path": "/info", "delay": 1})
    assert sandbox.administrator.get("/info").status_code == 200


def test_a_closed_connection_gives_no_answer(sandbox, control):
    control("POST", "/faults", {"path": "/info", "close": True})
    with pytest.raises(ConnectionResetError):
        sandbox.administrator.get("/info")
    (entry,) = control("GET", "/requests")
    assert (entry["status"], entry["responseBody"], entry["fault"]) == (None, None, 1)


@pytest.mark.parametrize(
    "endings", [("close", "garbage"), ("close", "truncate"), ("garbage", "truncate")]
)
def test_a_connection_has_one_end(control, endings):
    refused = control.ask("POST", "/faults", {"path": "/info", **dict.fromkeys(endings, True)})
    assert refused.status_code == 422
    assert set(refused.json["errors"]) == set(endings)


def test_garbage_is_no_answer_and_a_truncated_one_is_logged_whole(sandbox, control):
    control("POST", "/faults", {"path": "/info", "garbage": True, "times": 1})
    control("POST", "/faults", {"path": "/info", "truncate": True, "times": 1})
    for _ in range(2):
        with pytest.raises(ConnectionResetError):
            sandbox.administrator.get("/info")
    garbage, truncated = control("GET", "/requests")
    assert (garbage["status"], garbage["responseBody"], garbage["fault"]) == (None, None, 1)
    assert (truncated["status"], truncated["fault"]) == (200, 2)
    assert truncated["responseBody"]["label"] == "acme"


@pytest.mark.parametrize(
    "ending, name", [("close", "Acme"), ("garbage", "Acme"), ("truncate", "Changed")]
)
def test_a_truncated_answer_is_one_to_a_change_that_was_made(sandbox, control, ending, name):
    control("POST", "/faults", {"path": "/info", ending: True, "times": 1})
    with pytest.raises(ConnectionResetError):
        sandbox.administrator.put("/info", json={"name": "Changed"})
    assert sandbox.administrator.get("/info").json["name"] == name


def test_there_are_only_so_many_faults(control):
    for _ in range(MOST_FAULTS):
        control("POST", "/faults", {"path": "/info", "delay": 0})
    assert control.ask("POST", "/faults", {"path": "/info", "delay": 0}).status_code == 409
    control("DELETE", f"/faults/{control('GET', '/faults')[0]['id']}")
    assert control.ask("POST", "/faults", {"path": "/info", "delay": 0}).status_code == 201


@pytest.mark.parametrize("threads, waiting", [(4, 3), (2, 1), (1, 1)])
def test_where_threads_are_numbered_one_is_left_for_others(threads, waiting):
    """Who has waited longest goes on, so that a delay blocks no thread that the next one needs."""
    faults = Faults()
    faults.add("/info", delay=60_000)
    fault, done = faults.strike({"path": "/info"}), []

    def wait(number):
        faults.wait(fault, threads)
        done.append(number)

    requests = [threading.Thread(target=wait, args=[number]) for number in range(6)]
    for number, request in enumerate(requests):
        request.start()
        while len(done) < number + 1 - waiting or faults.waiting < min(waiting, number + 1):
            time.sleep(0.001)
    assert done == list(range(6 - waiting))
    faults.clear()
    for request in requests:
        request.join(10)
    assert len(done) == 6


def test_the_request_log_tells_which_fault_struck_and_what_had_been_sent(sandbox, control):
    fault = control("POST", "/faults", {"path": "/info", "status": 503, "times": 1})
    body = {"name": "Renamed"}
    sandbox.administrator.put("/info", json=body)
    sandbox.administrator.put("/info", json=body)
    struck, passed = control("GET", "/requests")
    assert (struck["fault"], struck["status"], struck["requestBody"]) == (fault["id"], 503, body)
    assert (passed["fault"], passed["status"]) == (None, 200)


def test_faults_are_listed_and_removed_one_by_one_or_all(sandbox, control):
    first = control("POST", "/faults", {"path": "/info", "status": 500})
    second = control("POST", "/faults", {"path": "/users", "status": 500})
    assert control("GET", "/faults") == [first, second]
    control("DELETE", f"/faults/{first['id']}")
    assert control("GET", "/faults") == [second]
    assert sandbox.administrator.get("/info").status_code == 200
    control("DELETE", "/faults")
    assert control("GET", "/faults") == []
    assert sandbox.administrator.get("/users").status_code == 200


def test_ids_are_not_given_again(control):
    first = control("POST", "/faults", {"path": "/info", "status": 500})
    control("DELETE", "/faults")
    assert control("POST", "/faults", {"path": "/info", "status": 500})["id"] > first["id"]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_unknown_fault_is_404(control, method):
    assert control.ask(method, "/faults/99").status_code == 404


def test_what_is_not_told_has_its_default(control):
    made = control.ask("POST", "/faults", {"path": "/info", "delay": 5})
    assert made.status_code == 201
    assert made.json == {
        "id": 1,
        "method": None,
        "path": "/info",
        "tenant": None,
        "user": None,
        "query": None,
        "header": None,
        "body": None,
        "delay": 5,
        "status": None,
        "responseBody": None,
        "responseHeaders": None,
        "retryAfter": None,
        "close": False,
        "truncate": False,
        "garbage": False,
        "probability": 1,
        "after": 0,
        "times": None,
        "struck": 0,
    }


@pytest.mark.parametrize(
    "body, member",
    [
        ({"status": 500}, "path"),
        ({"path": "info", "status": 500}, "path"),
        ({"path": "/info"}, "status"),
        ({"path": "/info", "close": False}, "status"),
        ({"path": "/info", "status": 199}, "status"),
        ({"path": "/info", "status": 500, "query": "page"}, "query"),
        ({"path": "/info", "status": 500, "header": {"X-API-Key": "x"}}, "header.X-API-Key"),
        ({"path": "/info", "status": 500, "body": {"password": "x"}}, "body.password"),
        ({"path": "/info", "status": 500, "user": 7}, "user"),
        ({"path": "/info", "responseBody": {}, "delay": 1}, "responseBody"),
        ({"path": "/info", "responseHeaders": {}, "delay": 1}, "responseHeaders"),
        ({"path": "/info", "status": 204, "responseBody": {}}, "responseBody"),
        ({"path": "/info", "status": 500, "responseBody": "x" * 65_536}, "responseBody"),
        ({"path": "/info", "status": 500, "responseHeaders": {"A": 1}}, "responseHeaders"),
        (
            {"path": "/info", "status": 500, "responseHeaders": {"A": "1\r\nB: 2"}},
            "responseHeaders",
        ),
        ({"path": "/info", "status": 500, "responseHeaders": {"A B": "1"}}, "responseHeaders"),
        (
            {"path": "/info", "status": 500, "responseHeaders": {"Content-Length": "1"}},
            "responseHeaders",
        ),
        ({"path": "/info", "status": 500, "after": -1}, "after"),
        ({"path": "/info", "status": 600}, "status"),
        ({"path": "/info", "status": "500"}, "status"),
        ({"path": "/info", "status": 500, "method": "get"}, "method"),
        ({"path": "/info", "status": 500, "close": True}, "close"),
        ({"path": "/info", "status": 500, "garbage": True}, "garbage"),
        ({"path": "/info", "truncate": "half"}, "truncate"),
        ({"path": "/info", "garbage": False}, "status"),
        ({"path": "/info", "close": "yes"}, "close"),
        ({"path": "/info", "delay": 1, "retryAfter": 5}, "retryAfter"),
        ({"path": "/info", "status": 500, "retryAfter": -1}, "retryAfter"),
        ({"path": "/info", "delay": -1}, "delay"),
        ({"path": "/info", "delay": 60_001}, "delay"),
        ({"path": "/info", "delay": "1"}, "delay"),
        ({"path": "/info", "delay": True}, "delay"),
        ({"path": "/info", "delay": False}, "delay"),
        ({"path": "/info", "delay": [2, 1]}, "delay"),
        ({"path": "/info", "delay": [1]}, "delay"),
        ({"path": "/info", "delay": [1, 2, 3]}, "delay"),
        ({"path": "/info", "status": 500, "probability": 1.1}, "probability"),
        ({"path": "/info", "status": 500, "probability": -0.1}, "probability"),
        ({"path": "/info", "status": 500, "probability": True}, "probability"),
        ({"path": "/info", "status": 500, "probability": "1"}, "probability"),
        ({"path": "/info", "status": 500, "times": 0}, "times"),
        ({"path": "/info", "status": 500, "times": 1.0}, "times"),
        ({"path": "/info", "status": 500, "sometimes": 1}, "sometimes"),
    ],
)
def test_a_fault_that_makes_no_sense_is_422_and_names_the_member(control, body, member):
    refused = control.ask("POST", "/faults", body)
    assert refused.status_code == 422
    assert list(refused.json["errors"]) == [member]
    assert control("GET", "/faults") == []
