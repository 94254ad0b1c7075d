"""Hostile queries and bodies are refused or answered, and what they are told is short.

What they cost beside plain ones, `python -m bench.cost` prints.
"""

import tracemalloc
from collections.abc import Callable
from urllib.parse import quote

import pytest

from provisioning.domain.names import ascii_domain
from provisioning.store import Query, fold, select
from provisioning.testing.sandbox import Client, Sandbox

LIMIT = 2**20
LONGEST_ANSWER = 200_000
"""Bytes that an error may have, whatever was sent."""


@pytest.fixture
def crowd(sandbox: Sandbox) -> Client:
    """An administrator of a tenant with 300 users."""
    for number in range(300):
        sandbox.add_user(f"user{number}@acme.test", firstName="x" * 250, lastName="y" * 250)
    return sandbox.administrator


# Queries


def words(number: int) -> str:
    return "".join(f"w{each}+" for each in range(number))


QUERIES = [
    pytest.param("q=" + "a" * 1_000, 200, id="a word of 1,000 characters"),
    pytest.param("q=" + "a" * 1_001, 422, id="of 1,001"),
    pytest.param("q=" + "a" * 100_000, 422, id="of 100,000"),
    pytest.param("q=" + "a+" * 10_000, 422, id="10,000 words"),
    pytest.param("q=" + words(50), 200, id="50 words"),
    pytest.param("q=" + words(50) + words(50), 200, id="50 words twice"),
    pytest.param("q=" + words(51), 422, id="51 words"),
    pytest.param("q=a&" * 10_000, 422, id="10,000 times a word"),
    pytest.param("q=" + quote("\ufdfa") * 10_000, 422, id="10,000 that fold to 18 each"),
    pytest.param("order=" + "username," * 9_999 + "email", 200, id="10,000 order fields"),
    pytest.param("order=email&" * 10_000, 200, id="10,000 orders"),
    pytest.param("order=" + "nothing," * 10_000, 422, id="10,000 unknown ones"),
    pytest.param("order=" + "a" * 100_000, 422, id="a long unknown one"),
    pytest.param("page=" + "9" * 100_000, 200, id="a page of 100,000 digits"),
    pytest.param("size=" + "9" * 100_000, 422, id="a size of as many"),
    pytest.param("size=" + "0" * 100_000 + "1", 200, id="with leading zeros"),
    pytest.param("page=1&" * 10_000, 422, id="10,000 pages"),
    pytest.param("active=true&" * 10_000, 422, id="active 10,000 times"),
    pytest.param("x=1&" * 10_000, 200, id="10,000 unknown parameters"),
    pytest.param("&" * 100_000, 200, id="100,000 separators"),
    pytest.param("%" * 100_000, 200, id="100,000 percent signs"),
    pytest.param("=" * 100_000, 200, id="100,000 equals signs"),
]


@pytest.mark.parametrize("query, status", QUERIES)
def test_a_hostile_query_is_answered_or_refused_in_few_words(crowd, query, status):
    answer = crowd.get(f"/users?{query}")
    assert answer.status_code == status
    if status == 422:
        assert len(answer.data) < LONGEST_ANSWER


def test_the_words_of_a_search_are_sought_once_each(sandbox):
    """500 times the same word is one word; `q` has at most 1,000 characters."""
    sought: list[str] = []

    class Text(str):
        def __contains__(self, word: str) -> bool:  # type: ignore[override]
            sought.append(word)
            return super().__contains__(word)

    words = tuple(dict.fromkeys(fold("a " * 500).split()))
    select([{"name": "a"}], Query(words=words), lambda _: Text("a"))
    assert sought == ["a"]


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"If-None-Match": '"a",' * 20_000}, id="20,000 ETags"),
        pytest.param({"If-None-Match": '"' * 80_000}, id="80,000 quotation marks"),
        pytest.param({"If-None-Match": "W/" * 40_000}, id="40,000 weak ones"),
        pytest.param({"Authorization": "Bearer " + "a" * 80_000}, id="a long key"),
        pytest.param({"Authorization": "Bearer" + " " * 80_000}, id="a key of blanks"),
        pytest.param({"X-Request-ID": "a" * 80_000}, id="a long id"),
        pytest.param({"Host": "a." * 40_000}, id="a long host"),
        pytest.param({"Host": "[" + ":" * 80_000}, id="a long address"),
        pytest.param({"Origin": "http://localhost:" + "1" * 80_000}, id="a long origin"),
        pytest.param({"Accept": "a/b;q=" * 10_000}, id="a long list of types"),
        pytest.param({"Cookie": "a=b;" * 20_000}, id="20,000 cookies"),
        pytest.param({"Content-Type": "application/json;" * 5_000}, id="5,000 parameters"),
        pytest.param({"Range": "bytes=" + "0-1," * 20_000}, id="20,000 ranges"),
    ],
)
def test_a_hostile_header_does_no_harm(crowd, headers):
    answer = crowd.get("/whoami", headers=headers)
    assert answer.status_code in {200, 400, 401}
    assert len(answer.data) < LONGEST_ANSWER
    assert len(str(answer.headers)) < 2_000


# Bodies of 1 MiB


def filled(piece: Callable[[int], str], begin: str, end: str) -> bytes:
    """As many pieces as fit into the largest body, with commas."""
    size = LIMIT - len(begin) - len(end)
    pieces, number = [], 0
    while size > 0:
        pieces.append(piece(number))
        size -= len(pieces[-1].encode()) + 1
        number += 1
    return (begin + ",".join(pieces[:-1]) + end).encode()


MANY: dict[str, Callable[[], bytes]] = {
    "unknown members": lambda: filled(lambda n: f'"m{n}":0', "{", "}"),
    "members with NUL": lambda: filled(lambda n: f'"m{n}":"\\u0000"', "{", "}"),
    "members with surrogates": lambda: filled(lambda n: f'"\\ud800{n}":0', "{", "}"),
    "members with huge integers": lambda: filled(lambda n: f'"m{n}":{"9" * 30}', "{", "}"),
    "unknown members of a privilege": lambda: filled(
        lambda n: f'"m{n}":0',
        '{"username":"a@b","email":"a@b","password":"x","tenantUserPrivileges":[{"role":"USER",',
        "}]}",
    ),
    "privileges": lambda: filled(
        lambda n: '{"role":"X"}',
        '{"username":"a@b","email":"a@b","password":"x","tenantUserPrivileges":[',
        "]}",
    ),
    "numbers in a member": lambda: filled(str, '{"settings":[', "]}"),
    "empty lists in a member": lambda: filled(lambda n: "[]", '{"theme":[', "]}"),
    "one name": lambda: b'{"' + b"n" * (LIMIT - 7) + b'":0}',
    "one text": lambda: b'{"username":"' + b"n" * (LIMIT - 15) + b'"}',
    "one text of escapes": lambda: b'{"username":"' + b"\\u0041" * (LIMIT // 6 - 5) + b'"}',
    "one text of a sign that grows": lambda: '{{"username":"{}"}}'.format(
        "\ufdfa" * 349_000
    ).encode(),
    "one number": lambda: b'{"theme":' + b"9" * (LIMIT - 10) + b"}",
    "one decimal": lambda: b'{"theme":0.' + b"1" * (LIMIT - 12) + b"}",
    "one exponent": lambda: b'{"theme":1e' + b"1" * (LIMIT - 12) + b"}",
    "blanks": lambda: b"{" + b" " * (LIMIT - 2) + b"}",
    "blanks in a date": lambda: b'{"activeFrom":"' + b" " * (LIMIT - 17) + b'"}',
    "digits in a date": lambda: (
        b'{"activeFrom":"2026-01-01T00:00:00.' + b"1" * (LIMIT - 40) + b'Z"}'
    ),
    "labels of a domain": lambda: b'{"domain":"' + b"a." * (LIMIT // 2 - 10) + b'"}',
    "a domain to be encoded": lambda: '{{"domain":"{}"}}'.format("\xe4" * 500_000).encode(),
    "dots that aren't": lambda: '{{"domain":"{}"}}'.format("\u3002" * 349_000).encode(),
    "dashes of a slug": lambda: b'{"label":"' + b"a-" * (LIMIT // 2 - 10) + b'!"}',
    "an email of at signs": lambda: b'{"email":"' + b"@" * (LIMIT - 20) + b'"}',
    "a URL of brackets": lambda: b'{"url":"http://' + b"[" * (LIMIT - 30) + b'"}',
    "a URL of at signs": lambda: b'{"url":"http://' + b"@" * (LIMIT - 30) + b'"}',
    "combining marks": lambda: '{{"username":"a{}"}}'.format("\u0300\u0316" * 250_000).encode(),
}
OF_OTHERS = {
    "domain": "/domain-mapping",
    "date": "/privileges",
    "slug": "/tenant-dashboards",
    "URL": "/endpoints",
    "dots": "/domain-mapping",
    "numbers": "/tenant-dashboards",
}


def path_of(kind: str) -> str:
    """Of records that have such a member."""
    return next((path for word, path in OF_OTHERS.items() if word in kind), "/users")


@pytest.mark.slow
@pytest.mark.parametrize("kind, path", [(kind, path_of(kind)) for kind in MANY])
def test_a_body_of_1_mib_is_refused_with_a_short_answer(sandbox, kind, path):
    body = MANY[kind]()
    assert len(body) <= LIMIT
    headers = {"Content-Type": "application/json"}
    answer = sandbox.administrator.post(path, data=body, headers=headers)
    assert answer.status_code in {400, 422}
    assert answer.mimetype == "application/problem+json"
    assert len(answer.data) < LONGEST_ANSWER


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["unknown members", "members with NUL", "one name", "one number"])
def test_a_body_of_1_mib_takes_a_limited_multiple_of_its_size_in_memory(sandbox, kind):
    client, body = sandbox.administrator, MANY[kind]()
    headers = {"Content-Type": "application/json"}
    client.post("/users", data=b"{}", headers=headers)
    tracemalloc.start()
    client.post("/users", data=body, headers=headers)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"{kind}: {peak / LIMIT:.0f} MiB at most")
    assert peak < 150 * LIMIT


def test_what_is_wrong_with_many_members_is_said_of_some(sandbox):
    body = {f"m{number}": 0 for number in range(1_000)}
    answer = sandbox.administrator.put("/info", json=body)
    assert answer.status_code == 422
    assert len(answer.json["errors"]) == 50
    assert answer.json["errors"].keys() <= body.keys()
    assert answer.json["detail"].endswith(" and 950 more.")


@pytest.mark.parametrize("count", [49, 50, 51])
def test_up_to_50_members_are_all_named(sandbox, count):
    body = {f"m{number}": 0 for number in range(count)}
    answer = sandbox.administrator.put("/info", json=body)
    assert len(answer.json["errors"]) == min(count, 50)
    assert ("more" in answer.json["detail"]) == (count > 50)


def test_a_long_name_is_cut_where_an_error_repeats_it(sandbox):
    answer = sandbox.administrator.put("/info", json={"n" * 100: 0, "m" * 101: 0})
    assert set(answer.json["errors"]) == {"n" * 100, "m" * 100 + "..."}


@pytest.mark.parametrize("depth, status", [(63, 201), (64, 400)])
def test_json_in_a_record_may_be_nested_to_64_levels(sandbox, depth, status):
    settings: object = {}
    for _ in range(depth - 1):
        settings = {"a": settings}
    body = {
        "title": "T",
        "menuLabel": "T",
        "label": "t",
        "type": "CUSTOM",
        "status": "BETA",
        "listOrder": 1,
        "settings": settings,
    }
    assert sandbox.administrator.post("/tenant-dashboards", json=body).status_code == status


def test_a_name_that_is_far_too_long_for_a_domain_is_not_even_encoded():
    """Encoding takes time that grows with the square of the length."""
    with pytest.raises(ValueError, match="too long"):
        ascii_domain("\xe4" * 1_001)


@pytest.mark.parametrize("path", ["/users", "/domain-mapping"])
def test_text_over_its_limit_is_refused_for_that_alone(sandbox, path):
    """What else is wrong with it is not looked for, since that may take time."""
    member = {"/users": "username", "/domain-mapping": "domain"}[path]
    answer = sandbox.administrator.post(path, json={member: "\x01/" * 200})
    assert len(answer.json["errors"][member]) == 1
    assert "length" in answer.json["errors"][member][0]
