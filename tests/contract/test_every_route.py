"""Every route: verbs, keys, bodies, and the order of checks."""

import json
from io import BytesIO
from typing import Any

import pytest

from .asking import (
    BASE,
    ROUTES,
    ask,
    errors,
    location,
)
from .shelf import (
    dashboard,
    every,
)

# Verbs


@every
def test_head_answers_what_get_answers_without_the_body(shelf):
    for path in (shelf.create(), shelf.list_path, shelf.missing()):
        got, head = shelf.client.get(path), shelf.client.head(path)
        assert (head.status_code, head.data) == (got.status_code, b"")
        for header in ("ETag", "X-Total-Count", "Link", "Content-Type", "Content-Length"):
            assert head.headers.get(header) == got.headers.get(header), header


@every
def test_a_trailing_slash_answers_as_the_path_without_it(shelf):
    created = shelf.client.post(shelf.post_path() + "/", json=shelf.body())
    path = location(created)
    assert not path.endswith("/")
    for each in (path, shelf.list_path):
        with_slash = shelf.client.get(each + "/")
        assert (with_slash.status_code, with_slash.data) == (200, shelf.client.get(each).data)
    assert shelf.client.put(path + "/", json={}).status_code == 200
    assert shelf.client.delete(path + "/").status_code == 204


# Every route


PATHS = sorted({route["path"] for route in ROUTES})
WITH_BODY = [(route["verb"], route["path"]) for route in ROUTES if route["verb"] in {"POST", "PUT"}]


def verbs_of(path):
    listed = {route["verb"] for route in ROUTES if route["path"] == path}
    return listed | {"OPTIONS"} | ({"HEAD"} if "GET" in listed else set())


def some(path):
    """A path with something in each of its places."""
    for place in ("{username}", "{id}", "{domain}", "{label}", "{key}"):
        path = path.replace(place, "some")
    return path


@pytest.mark.storeless
@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("path", PATHS)
def test_options_answers_204_with_allow_and_without_a_key(sandbox, path, slash):
    answer = ask(sandbox, "OPTIONS", some(path) + slash)
    assert (answer.status_code, answer.data) == (204, b"")
    assert set(answer.headers["Allow"].replace(" ", "").split(",")) == verbs_of(path)


@pytest.mark.storeless
@pytest.mark.parametrize("path", PATHS)
def test_a_wrong_verb_is_405_with_allow_before_a_key_is_asked_for(sandbox, path):
    for verb in {"GET", "POST", "PUT", "DELETE", "PATCH"} - verbs_of(path):
        answer = ask(sandbox, verb, some(path))
        assert (answer.status_code, answer.json["status"]) == (405, 405), verb
        assert answer.mimetype == "application/problem+json"
        assert set(answer.headers["Allow"].replace(" ", "").split(",")) == verbs_of(path)


@pytest.mark.storeless
@pytest.mark.parametrize("verb", ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize(
    "path", ["/nothing", "/users/a/b", "/users/a/privilege/b", "/statements/a/b", "", "/Users"]
)
def test_an_unknown_path_is_404_for_every_verb_and_without_a_key(sandbox, verb, path):
    answer = ask(sandbox, verb, path)
    assert answer.status_code == 404
    if verb != "HEAD":
        assert answer.mimetype == "application/problem+json"
        assert answer.json["status"] == 404


@pytest.mark.storeless
@pytest.mark.parametrize("verb, path", [(route["verb"], route["path"]) for route in ROUTES])
def test_every_route_asks_for_a_key(sandbox, verb, path):
    answer = ask(sandbox, verb, some(path))
    assert answer.status_code == 401
    assert answer.mimetype == "application/problem+json"
    assert answer.headers["WWW-Authenticate"]


MALFORMED = {
    "no JSON": b"{",
    "nothing": b"",
    "blank": b"  ",
    "trailing text": b"{} {}",
    "duplicate members": b'{"name": "a", "name": "b"}',
    "duplicate members inside": b'{"settings": {"a": 1, "a": 1}}',
    "duplicate members by escape": b'{"name": "a", "n\\u0061me": "b"}',
    "NaN": b'{"listOrder": NaN}',
    "Infinity": b'{"listOrder": Infinity}',
    "-Infinity": b'{"listOrder": -Infinity}',
    "an infinite number": b'{"listOrder": 1e999}',
    "a negative infinite number": b'{"settings": {"x": -1e999}}',
    "nesting of 65": b'{"settings":' * 65 + b"1" + b"}" * 65,
    "nesting of 65 lists": b'{"settings":' + b"[" * 64 + b"]" * 64 + b"}",
    "nesting of 100000": b'{"settings":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "open brackets": b"[" * 100_000,
    "not UTF-8": b'{"name": "\xff"}',
    "an overlong form": b'{"name": "\xc0\x80"}',
    "an encoded surrogate": b'{"name": "\xed\xa0\x80"}',
    "UTF-16": '{"name": "a"}'.encode("utf-16"),
    "UTF-16 without a mark": '{"name": "a"}'.encode("utf-16-le"),
    "UTF-32": '{"name": "a"}'.encode("utf-32"),
    "a control character in text": b'{"name": "a\x01b"}',
    "a list": b"[]",
    "text": b'"x"',
    "a number": b"1",
    "null": b"null",
    "true": b"true",
}


def send(client, verb, path, **request):
    return getattr(client, verb.lower())(some(path), **request)


@pytest.mark.storeless
@pytest.mark.parametrize(
    "body, verb, path",
    [
        pytest.param(body, verb, path, id=f"{name}-{verb}-{path}")
        for name, body in MALFORMED.items()
        for verb, path in WITH_BODY
        if (body, verb, path) != (b"", "POST", "/services/{label}")  # needs no body
    ],
)
def test_a_malformed_body_is_400_on_every_route_that_takes_one(enterprise, verb, path, body):
    answer = send(enterprise, verb, path, data=body, content_type="application/json")
    assert (answer.status_code, answer.mimetype) == (400, "application/problem+json")
    assert answer.json["detail"]


@pytest.mark.storeless
@pytest.mark.parametrize(
    "verb, path", [route for route in WITH_BODY if route != ("POST", "/services/{label}")]
)
def test_no_body_where_one_is_needed_is_400(enterprise, verb, path):
    assert send(enterprise, verb, path).status_code == 400


ODD_SEGMENTS = (
    "%00",
    "a%00b",
    "%FF",
    "%ED%A0%80",
    "%C3%28",
    ".",
    "..",
    "%2E%2E",
    "%2F",
    "a%2Fb",
    "a%0D%0Ab",
    "%E2%80%8B",
    "%EF%BC%91",
    "%F0%9F%98%80",
    "%25",
    ";",
    "xn--",
    "_meta",
    "x" * 3000,
    "1" * 5000,
)
ODD_BODIES = {
    "POST /users/{username}/privilege": {"role": "USER"},
    "POST /users/{username}/api-keys": {"type": "BASIC"},
}
WITH_NAME = [(route["verb"], route["path"]) for route in ROUTES if "{" in route["path"]]


@pytest.mark.parametrize("verb, path", WITH_NAME)
def test_a_name_that_no_record_can_have_is_404(enterprise, verb, path):
    body = ODD_BODIES.get(f"{verb} {path}", {})
    request = {"json": body} if verb in {"POST", "PUT"} else {}
    before, _, after = path.partition("{")
    for odd in ODD_SEGMENTS:
        rest = after.partition("}")[2].replace("{key}", odd)
        answer = enterprise.request(verb, before + odd + rest, **request)
        assert answer.status_code == 404, odd
        assert answer.mimetype == "application/problem+json"


@pytest.mark.storeless
@pytest.mark.parametrize("verb, path", WITH_BODY)
@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "application/problem+json",
        "multipart/form-data; boundary=x",
        "json",
    ],
)
def test_a_body_of_another_type_is_415_on_every_route(enterprise, verb, path, content_type):
    answer = send(enterprise, verb, path, data=b"{}", content_type=content_type)
    assert (answer.status_code, answer.mimetype) == (415, "application/problem+json")


@pytest.mark.storeless
@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON", "application/json; charset=utf-8"],
)
def test_the_media_type_may_have_parameters_and_any_case(administrator, content_type):
    answer = administrator.put("/info", data=b"{}", content_type=content_type)
    assert answer.status_code == 200


@pytest.mark.storeless
@pytest.mark.parametrize("depth, status", [(64, 201), (65, 400)])
def test_a_body_may_be_nested_64_deep(administrator, depth, status):
    inner: Any = {}
    for _ in range(depth - 2):
        inner = {"x": inner}
    answer = administrator.post("/tenant-dashboards", json={**dashboard(0, ""), "settings": inner})
    assert answer.status_code == status


MIB = 2**20


def body_of(size):
    start, end = b'{"colour": "', b'"}'
    return start + b"x" * (size - len(start) - len(end)) + end


@pytest.mark.storeless
@pytest.mark.parametrize("verb, path", WITH_BODY)
def test_a_body_over_the_limit_is_413_on_every_route(enterprise, verb, path):
    too_long = send(enterprise, verb, path, data=body_of(MIB + 1), content_type="application/json")
    assert (too_long.status_code, too_long.mimetype) == (413, "application/problem+json")


@pytest.mark.storeless
@pytest.mark.parametrize("size, status", [(MIB, 422), (MIB + 1, 413), (2 * MIB, 413)])
@pytest.mark.parametrize("chunked", [False, True])
def test_the_limit_of_a_body_is_one_mib_chunked_too(sandbox, size, status, chunked):
    token = sandbox.add_key(None, tenant="acme", type="BASIC")
    request: dict[str, Any] = {"data": body_of(size)}
    if chunked:
        request = {
            "input_stream": BytesIO(body_of(size)),
            "environ_overrides": {
                "CONTENT_LENGTH": "",
                "wsgi.input_terminated": True,
                "HTTP_TRANSFER_ENCODING": "chunked",
            },
        }
    answer = ask(
        sandbox,
        "POST",
        "/users",
        content_type="application/json",
        headers={"X-API-Key": token},
        **request,
    )
    assert answer.status_code == status


@pytest.mark.storeless
@pytest.mark.parametrize("digits", [30, 400, 5000])
def test_an_integer_that_no_member_can_hold_is_422_of_whatever_length(administrator, digits):
    body = b'{"birthYear": ' + b"9" * digits + b"}"
    answer = administrator.put("/users/alice@acme.test", data=body, content_type="application/json")
    assert "birthYear" in errors(answer)


@pytest.mark.parametrize(
    "number",
    ["0", "-1", "9007199254740993", "1.0", "1.5", "-0.0", "1e308", "5e-324", "true", "null"],
)
def test_numbers_inside_an_object_stay_what_they_are(administrator, number):
    body = dashboard(0, "") | {"settings": {"x": "NUMBER"}}
    made = administrator.post(
        "/tenant-dashboards",
        data=json.dumps(body).replace('"NUMBER"', number),
        content_type="application/json",
    )
    assert made.status_code == 201
    kept = administrator.get(location(made)).json["settings"]["x"]
    assert (kept, type(kept)) == (json.loads(number), type(json.loads(number)))


@pytest.mark.parametrize("number", ["1" + "0" * 19, "-1" + "0" * 30, "1" + "0" * 400])
def test_an_integer_inside_an_object_is_kept_exactly_or_refused(administrator, number):
    body = dashboard(0, "") | {"settings": {"x": ["NUMBER"]}}
    made = administrator.post(
        "/tenant-dashboards",
        data=json.dumps(body).replace('"NUMBER"', number),
        content_type="application/json",
    )
    if made.status_code == 422:
        assert "settings" in errors(made)
    else:
        assert administrator.get(location(made)).json["settings"]["x"] == [int(number)]


def test_a_problem_tells_type_title_status_detail_and_the_path_without_its_query(administrator):
    answer = administrator.get("/users/nobody?x=secret")
    problem = answer.json
    assert problem.keys() == {"type", "title", "status", "detail", "instance"}
    assert (answer.status_code, problem["status"]) == (404, 404)
    assert problem["instance"] == f"{BASE}/users/nobody"


def test_a_validation_problem_lists_messages_by_member(administrator):
    problem = administrator.put("/users/alice@acme.test", json={"gender": "X"})
    messages = errors(problem)["gender"]
    assert isinstance(messages, list)
    assert all(isinstance(message, str) for message in messages)


def test_answers_are_json(administrator):
    assert administrator.get("/users").mimetype == "application/json"
    assert administrator.get("/info").mimetype == "application/json"


# The order of checks


def test_route_and_verb_come_before_the_key_and_the_key_before_the_body(sandbox):
    assert ask(sandbox, "POST", "/nothing", data=b"{").status_code == 404
    assert ask(sandbox, "PATCH", "/users", data=b"{").status_code == 405
    assert ask(sandbox, "POST", "/users", data=b"{").status_code == 401


def test_what_a_role_can_never_do_comes_before_the_body(sandbox):
    sandbox.add_user("bob@acme.test", role="USER", tenant="acme")
    bob = sandbox.client(sandbox.add_key("bob@acme.test", tenant="acme", type="BASIC"))
    for path in ("/users", "/privileges", "/domain-mapping", "/tenant-dashboards", "/api-keys"):
        answer = bob.post(path, data=b"{", content_type="text/plain")
        assert answer.status_code == 403, path
    assert bob.put("/privileges/999999", data=b"{").status_code == 403


def test_the_body_comes_before_the_record_and_the_record_before_the_right(sandbox):
    sandbox.add_user("bob@acme.test", role="USER", tenant="acme")
    bob = sandbox.client(sandbox.add_key("bob@acme.test", tenant="acme", type="BASIC"))
    malformed = bob.put("/users/alice@acme.test", data=b"{", content_type="application/json")
    assert malformed.status_code == 400
    assert "gender" in errors(bob.put("/users/alice@acme.test", json={"gender": "X"}))
    assert bob.put("/users/alice@acme.test", json={"gender": "F"}).status_code == 404


def test_the_right_comes_before_if_match_and_if_match_before_conflicts(sandbox, administrator):
    sandbox.add_user("lea@acme.test", role="TEAM_LEADER", tenant="acme")
    sandbox.add_user("bob@acme.test", role="USER", tenant="acme", reports_to="lea@acme.test")
    lea = sandbox.client(sandbox.add_key("lea@acme.test", tenant="acme", type="BASIC"))
    stale = {"If-Match": '"stale"'}
    assert lea.put("/users/bob@acme.test", json={}, headers=stale).status_code == 403
    last = "/privileges/alice@acme.test"
    assert administrator.put(last, json={"role": "USER"}, headers=stale).status_code == 412
    assert administrator.put(last, json={"role": "USER"}).status_code == 409
