"""The request edge at the level of bytes: framing, targets and heads that no client library sends.

Each case leaves the server able to answer the next request, and no traceback in its log: the
fixture `edge` looks at that.
"""

import json
import re
import time

import pytest

from .conftest import BASE, Edge
from .serving import prepared, served
from .wire import Reply, Wire, chunked, request

pytestmark = pytest.mark.slow

JSON = "Content-Type: application/json"
CHUNKED = "Transfer-Encoding: chunked"
LIMIT = 2**20


def exchange(edge: Edge, data: bytes, to: str = "GET", ends: bool = False) -> Reply:
    """The answer to bytes on a connection of their own; `ends`: the client then sends no more."""
    with Wire(edge.port) as wire:
        wire.send(data)
        if ends:
            wire.end()
        return wire.reply(to)


def change(edge: Edge, *headers: str, body: bytes, **facts) -> bytes:
    """A PUT of acme's main configuration."""
    return request("PUT", f"{BASE}/info", edge.key, JSON, *headers, body=body, **facts)


def get(edge: Edge, path: str = "/whoami", *headers: str, **facts) -> bytes:
    return request("GET", BASE + path, edge.key, *headers, **facts)


# Bodies: how long they are, and whether all of one came


def test_a_chunked_body_is_read_to_its_end(edge):
    sent = change(edge, CHUNKED, body=chunked(b'{"name": "Acme in chunks"}', size=3))
    reply = exchange(edge, sent)
    assert (reply.status, reply.json()["name"]) == (200, "Acme in chunks")


@pytest.mark.parametrize("size, status", [(LIMIT, 422), (LIMIT + 1, 413)], ids=["at", "above"])
@pytest.mark.parametrize("framing", ["chunked", "with its length"])
def test_the_limit_of_a_body_is_the_same_however_it_is_framed(edge, framing, size, status):
    body = b'{"name": "' + b"a" * (size - 12) + b'"}'
    assert len(body) == size
    if framing == "chunked":
        sent = change(edge, CHUNKED, body=chunked(body, 65_536))
    else:
        sent = change(edge, body=body)
    reply = exchange(edge, sent)
    assert reply.status == status
    assert reply.is_problem


def test_a_413_comes_as_soon_as_the_limit_is_announced(edge):
    sent = request("PUT", f"{BASE}/info", edge.key, JSON, f"Content-Length: {LIMIT + 1}")
    assert exchange(edge, sent).status == 413


def test_a_413_comes_as_soon_as_a_chunked_body_crosses_the_limit(edge):
    # gunicorn reads on to the next KiB before it hands over what it has.
    crossed = chunked(b" " * (LIMIT + 1_024), 65_536).removesuffix(b"0\r\n\r\n")
    assert exchange(edge, change(edge, CHUNKED, body=crossed)).status == 413


@pytest.mark.slow
@pytest.mark.parametrize("limit", [1_000, 3 * LIMIT], ids=["smaller", "larger"])
def test_the_limit_of_a_body_is_a_setting(tmp_path, limit):
    with prepared(tmp_path / "db.json") as provisioner:
        provisioner.add_tenant("acme")
        key = f"Authorization: Bearer {provisioner.add_key()}"
    with served(tmp_path / "db.json", max_body=str(limit)) as server:
        for size, status in ((limit, 200), (limit + 1, 413)):
            body = b'{"theme": "x"' + b" " * (size - 14) + b"}"
            with Wire(server.port) as wire:
                wire.send(request("PUT", f"{BASE}/info", key, JSON, body=body))
                assert wire.reply().status == status
        with Wire(server.port) as wire:
            announced = f"Content-Length: {limit + 1}"
            wire.send(request("PUT", f"{BASE}/info", key, JSON, announced))
            assert wire.reply().status == 413


def test_a_413_reaches_a_client_that_first_sends_everything(edge):
    assert exchange(edge, change(edge, CHUNKED, body=chunked(b" " * 4 * LIMIT))).status == 413


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'10\r\n{"name": "', id="within a chunk"),
        pytest.param(b"2\r\n{}\r\n", id="before the last chunk, though what came is JSON"),
        pytest.param(b"2\r\n{}\r\n0\r\n", id="within the last chunk"),
        pytest.param(b"2\r\n{}", id="before the end of a chunk"),
        pytest.param(b"", id="before the first chunk"),
    ],
)
def test_a_chunked_body_that_is_cut_short_is_400(edge, body):
    reply = exchange(edge, change(edge, CHUNKED, body=body), ends=True)
    assert reply.status == 400
    assert reply.is_problem


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"zz\r\n{}\r\n0\r\n\r\n", id="no number"),
        pytest.param(b"-2\r\n{}\r\n0\r\n\r\n", id="negative"),
        pytest.param(b"+2\r\n{}\r\n0\r\n\r\n", id="with a sign"),
        pytest.param(b"0x2\r\n{}\r\n0\r\n\r\n", id="with a prefix"),
        pytest.param(b"2 \r\n{}\r\n0\r\n\r\n", id="with a blank"),
        pytest.param(b"2\n{}\n0\n\n", id="without carriage returns"),
        pytest.param(b"2\r\n{}xx0\r\n\r\n", id="longer than it says"),
        pytest.param(b"2;\x01\r\n{}\r\n0\r\n\r\n", id="bad extension"),
        pytest.param(b"2\r\n{}\r\n0\r\nContent-Length: 2\r\n\r\n", id="length as a trailer"),
        pytest.param(b"2\r\n{}\r\n0\r\nno field\r\n\r\n", id="bad trailer"),
        pytest.param(b"2;" + b"a" * 2 * LIMIT, id="an extension without an end"),
        pytest.param(b"1" + b"0" * 2 * LIMIT, id="a number without an end"),
    ],
)
def test_a_broken_chunk_is_400_and_ends_the_connection(edge, body):
    with Wire(edge.port) as wire:
        wire.send(change(edge, CHUNKED, body=body) + get(edge))
        reply = wire.reply()
        assert (reply.status, reply.is_problem) == (400, True)
        assert wire.rest() == b""


def test_a_chunk_may_have_extensions_and_the_body_trailers(edge):
    body = b'9;a=b;c="d"\r\n{"theme":\r\n3\r\n"x"\r\n1\r\n}\r\n00\r\nX-Sum: 1\r\n\r\n'
    reply = exchange(edge, change(edge, CHUNKED, body=body))
    assert (reply.status, reply.json()["theme"]) == (200, "x")


@pytest.mark.parametrize("body", [b"{}", b'{"name": "A'], ids=["JSON all the same", "no JSON"])
def test_a_body_that_is_shorter_than_its_length_is_400(edge, body):
    sent = request("PUT", f"{BASE}/info", edge.key, JSON, "Content-Length: 100") + body
    reply = exchange(edge, sent, ends=True)
    assert (reply.status, reply.is_problem) == (400, True)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(["Content-Length: 2", CHUNKED], id="a length and chunks"),
        pytest.param([CHUNKED, "Content-Length: 2"], id="chunks and a length"),
        pytest.param(["Content-Length: 2", "Content-Length: 2"], id="a length twice"),
        pytest.param(["Content-Length: 2", "Content-Length: 60"], id="lengths that differ"),
        pytest.param(["Content-Length: 60", "Content-Length: 2"], id="the longer one first"),
        pytest.param(["Content-Length: 2, 2"], id="a list of lengths"),
        pytest.param(["Content-Length: -1"], id="negative"),
        pytest.param(["Content-Length: +2"], id="with a sign"),
        pytest.param(["Content-Length: 2.0"], id="with a fraction"),
        pytest.param(["Content-Length: 1_0"], id="with an underscore"),
        pytest.param(["Content-Length: 0x2"], id="hexadecimal"),
        pytest.param(["Content-Length: \xb2"], id="superscript two"),
        pytest.param(["Content-Length:"], id="empty"),
        pytest.param(["Content-Length: " + "9" * 5000], id="5,000 digits"),
        pytest.param(["Transfer-Encoding: gzip"], id="another coding"),
        pytest.param(["Transfer-Encoding: chunked, gzip"], id="chunks not last"),
        pytest.param(["Transfer-Encoding: chunked, chunked"], id="chunks in chunks"),
        pytest.param([CHUNKED, CHUNKED], id="chunks twice"),
        pytest.param(["Transfer-Encoding:\x0bchunked"], id="a control character before it"),
        pytest.param(["Transfer-Encoding : chunked"], id="a blank before the colon"),
        pytest.param(["X: y\r\n Transfer-Encoding: chunked"], id="a folded line"),
        pytest.param(["X: y\nTransfer-Encoding: chunked"], id="a bare line feed"),
    ],
)
def test_no_request_is_smuggled_behind_a_length_that_can_be_read_in_two_ways(edge, headers):
    behind = get(edge, "/info")
    with Wire(edge.port) as wire:
        wire.send(request("PUT", f"{BASE}/info", edge.key, JSON, *headers) + b"{}" + behind)
        reply = wire.reply()
        assert reply.status == 400
        assert reply.header("Connection") == "close"
        assert wire.rest() == b""


HIDDEN = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
LENGTH = f"Content-Length: {len(HIDDEN)}"
AS_A_CHUNK = b"%x\r\n%b\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN)
IN_FRONT = b"0\r\n\r\n" + HIDDEN


def in_digits(number: int, count: int) -> bytes:
    return b"%b\r\n%b\r\n0\r\n\r\n" % (b"%0*x" % (count, number), HIDDEN)


@pytest.mark.parametrize(
    "headers, body",
    [
        pytest.param([LENGTH, CHUNKED], IN_FRONT, id="a length and chunks"),
        pytest.param([CHUNKED, LENGTH], IN_FRONT, id="chunks and a length"),
        pytest.param(["Content-Length: 0", CHUNKED], AS_A_CHUNK, id="no length and chunks"),
        pytest.param(["Content-Length: 0", LENGTH], HIDDEN, id="two lengths, the first is 0"),
        pytest.param([LENGTH, "Content-Length: 0"], HIDDEN, id="two lengths, the last is 0"),
        pytest.param([f"Content-Length: 0, {len(HIDDEN)}"], HIDDEN, id="a list of lengths"),
        pytest.param([f"Content-Length: +{len(HIDDEN)}"], HIDDEN, id="a sign"),
        pytest.param([f"Content-Length: {len(HIDDEN):#x}"], HIDDEN, id="hexadecimal"),
        pytest.param([f"Content-Length : {len(HIDDEN)}"], HIDDEN, id="a blank before the colon"),
        pytest.param([f"Content-Length:\x0b{len(HIDDEN)}"], HIDDEN, id="a vertical tab"),
        pytest.param([f"Content_Length: {len(HIDDEN)}"], b"", id="an underscore"),
        pytest.param(["Transfer-Encoding: identity", CHUNKED], AS_A_CHUNK, id="identity, chunked"),
        pytest.param(["Transfer-Encoding: identity", LENGTH], HIDDEN, id="identity and a length"),
        pytest.param(["Transfer-Encoding: identity"], HIDDEN, id="identity alone"),
        pytest.param(["Transfer-Encoding: chunked, identity"], IN_FRONT, id="chunks not last"),
        pytest.param(["Transfer-Encoding: x, chunked", LENGTH], IN_FRONT, id="an unknown one"),
        pytest.param(["Transfer-Encoding: CHUNKED"], AS_A_CHUNK, id="in capitals"),
        pytest.param(["Transfer-Encoding:\tchunked\t"], AS_A_CHUNK, id="tabs"),
        pytest.param(["Transfer-Encoding: chunked\x0b", LENGTH], IN_FRONT, id="and a control"),
        pytest.param(["Transfer-Encoding\x00: chunked", LENGTH], IN_FRONT, id="NUL in the name"),
        pytest.param([LENGTH, "X: y\r\n Transfer-Encoding: chunked"], HIDDEN, id="a folded line"),
        pytest.param([f"X: y\r\n Content-Length: {len(HIDDEN)}"], HIDDEN, id="a folded length"),
        pytest.param(["Transfer-Encoding:\r\n chunked"], AS_A_CHUNK, id="a folded coding"),
        pytest.param([f"X: y\nContent-Length: {len(HIDDEN)}"], HIDDEN, id="a bare line feed"),
        pytest.param([f"X: y\rContent-Length: {len(HIDDEN)}"], HIDDEN, id="a bare return"),
        pytest.param([CHUNKED], in_digits(len(HIDDEN), 8), id="a chunk size of 8 digits"),
        pytest.param([CHUNKED], in_digits(len(HIDDEN), 9), id="of 9 digits"),
        pytest.param([CHUNKED], in_digits(2**32, 9), id="of 4 GiB"),
        pytest.param([CHUNKED], in_digits(2**64, 17), id="of 2^64"),
        pytest.param([CHUNKED], in_digits(2**64 + len(HIDDEN), 17), id="of 2^64 and the rest"),
        pytest.param([CHUNKED], in_digits(len(HIDDEN), 40), id="of 40 digits"),
        pytest.param([CHUNKED], AS_A_CHUNK.replace(b"\r\n", b"\n"), id="chunks without returns"),
        pytest.param([CHUNKED], b"0\n\n" + HIDDEN, id="an end without returns"),
        pytest.param([CHUNKED], b"0 \r\n\r\n" + HIDDEN, id="a blank after the size"),
        pytest.param([CHUNKED], b"0;\n\r\n\r\n" + HIDDEN, id="a line feed in an extension"),
    ],
)
def test_a_request_hidden_in_a_body_is_never_answered(edge, headers, body):
    """Whatever a request says of its length: there is one answer to it, or a refusal."""
    with Wire(edge.port) as wire:
        wire.send(request("PUT", f"{BASE}/info", edge.key, JSON, *headers) + body).end()
        answers = wire.rest()
    assert b'"live"' not in answers
    assert len(re.findall(rb"^HTTP/1\.1 (?!100)", answers, re.MULTILINE)) == 1


def test_an_unknown_transfer_coding_is_501_and_ends_the_connection(edge):
    with Wire(edge.port) as wire:
        wire.send(change(edge, "Transfer-Encoding: xchunked", body=b"{}") + get(edge))
        assert wire.reply().status == 501
        assert wire.rest() == b""


def test_chunks_are_no_part_of_http_1_0(edge):
    sent = change(edge, CHUNKED, body=chunked(b"{}"), version="HTTP/1.0")
    assert exchange(edge, sent).status == 400


@pytest.mark.parametrize("verb", ["GET", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("framing", ["chunked", "with its length"])
def test_a_body_that_nobody_asked_for_is_not_taken_for_the_next_request(edge, verb, framing):
    body = request("DELETE", f"{BASE}/users/alice@acme.test", edge.key)
    path = f"{BASE}/users/nobody@acme.test"
    with Wire(edge.port) as wire:
        if framing == "chunked":
            wire.send(request(verb, path, edge.key, CHUNKED, body=chunked(body)))
        else:
            wire.send(request(verb, path, edge.key, body=body))
        assert wire.reply().status == (204 if verb == "OPTIONS" else 404)
        assert wire.send(get(edge)).reply().json()["tenant"]["label"] == "acme"


def test_a_client_that_asks_first_is_told_to_send_the_body(edge):
    body = b'{"theme": "waited for"}'
    with Wire(edge.port) as wire:
        wire.send(change(edge, "Expect: 100-continue", body=body)[: -len(body)])
        assert wire.reply().status == 100
        reply = wire.send(body).reply()
        while reply.status == 100:
            reply = wire.reply()
        assert (reply.status, reply.json()["theme"]) == (200, "waited for")


def test_a_client_that_asks_for_something_else_first_is_refused(edge):
    assert exchange(edge, change(edge, "Expect: 200-ok", body=b"{}")).status == 417


# What a body says: strict JSON, before any member is looked at


@pytest.mark.parametrize(
    "body, status",
    [
        pytest.param(b'{"theme": ' + b"[" * 100_000, 400, id="100,000 brackets"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, 400, id="100,000 brackets, closed"),
        pytest.param(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 400, id="100,000 objects"),
        pytest.param(b'{"theme": NaN}', 400, id="NaN"),
        pytest.param(b'{"theme": -Infinity}', 400, id="Infinity"),
        pytest.param(b'{"theme": 1e999}', 400, id="1e999"),
        pytest.param(b'{"theme": "a", "theme": "b"}', 400, id="a member twice"),
        pytest.param(b'{"theme": "a", "th\\u0065me": "b"}', 400, id="a member twice, escaped"),
        pytest.param('{"theme": "x"}'.encode("utf-16"), 400, id="UTF-16"),
        pytest.param('{"theme": "x"}'.encode("utf-32-le"), 400, id="UTF-32"),
        pytest.param('{"theme": "x"}'.encode("utf-8-sig"), 400, id="a byte order mark"),
        pytest.param(b'{"theme": "\xff"}', 400, id="no UTF-8"),
        pytest.param(b'{"theme": "\xed\xa0\x80"}', 400, id="a surrogate in UTF-8"),
        pytest.param(b'{"theme": "\xc0\xaf"}', 400, id="an overlong slash"),
        pytest.param(b'{"theme": "\\ud800"}', 422, id="a lone surrogate"),
        pytest.param(b'{"theme": "\\u0000"}', 422, id="NUL"),
        pytest.param(b'{"theme": "\x00"}', 400, id="NUL, unescaped"),
        pytest.param(b'{"the\\u0000me": 1}', 422, id="NUL in a name"),
        pytest.param(b'{"\\udfff": 1}', 422, id="a lone surrogate in a name"),
        pytest.param(b'{"theme": 1' + b"0" * 5_000 + b"}", 422, id="an integer of 5,001 digits"),
        pytest.param(b'{"theme": -' + b"9" * 1_000_000 + b"}", 422, id="of 1,000,000 digits"),
        pytest.param(b'{"theme": 0.' + b"9" * 1_000_000 + b"}", 422, id="as many decimals"),
        pytest.param(b"{'theme': 1}", 400, id="apostrophes"),
        pytest.param(b"{theme: 1}", 400, id="no quotation marks"),
        pytest.param(b'{"theme": 1,}', 400, id="a comma too many"),
        pytest.param(b"{} {}", 400, id="two objects"),
        pytest.param(b"null", 400, id="null"),
        pytest.param(b" ", 400, id="a blank"),
    ],
)
def test_a_hostile_body_is_the_clients_error(edge, body, status):
    with Wire(edge.port) as wire:
        reply = wire.send(change(edge, body=body)).reply()
        assert (reply.status, reply.is_problem) == (status, True)
        assert wire.send(get(edge)).reply().status == 200


# The head: request line, header fields, hosts


@pytest.mark.parametrize(
    "sent, status",
    [
        pytest.param(b"GET /\r\n\r\n", 400, id="HTTP/0.9"),
        pytest.param(b"GET / HTTP/2.0\r\n\r\n", 400, id="HTTP/2.0"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, id="an HTTP/2 preface"),
        pytest.param(b"GET / HTTP/1.1x\r\n\r\n", 400, id="no version"),
        pytest.param(b"GET  / HTTP/1.1\r\n\r\n", 400, id="a blank too many"),
        pytest.param(b"GET /a b HTTP/1.1\r\n\r\n", 400, id="a blank in the target"),
        pytest.param(b"GET /\xe9 HTTP/1.1\r\n\r\n", 400, id="a target that is not ASCII"),
        pytest.param(b"GET /\x00 HTTP/1.1\r\n\r\n", 400, id="NUL in the target"),
        pytest.param(b"GET info HTTP/1.1\r\n\r\n", 400, id="no slash"),
        pytest.param(b"GET * HTTP/1.1\r\n\r\n", 400, id="an asterisk"),
        pytest.param(b"get / HTTP/1.1\r\n\r\n", 400, id="a verb in lower case"),
        pytest.param(b"G\x01T / HTTP/1.1\r\n\r\n", 400, id="a control character in the verb"),
        pytest.param(b"X" * 200 + b" / HTTP/1.1\r\n\r\n", 400, id="a long verb"),
        pytest.param(b"GET / HTTP/1.1\nHost: a\n\n\r\n\r\n", 400, id="bare line feeds"),
        pytest.param(b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400, id="a line without a colon"),
        pytest.param(b"GET / HTTP/1.1\r\n: x\r\n\r\n", 400, id="a field without a name"),
        pytest.param(b"GET / HTTP/1.1\r\nA\x00: x\r\n\r\n", 400, id="NUL in a name"),
        pytest.param(b"GET / HTTP/1.1\r\nA: \x00\r\n\r\n", 400, id="NUL in a value"),
        pytest.param(b"GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", 400, id="a bare carriage return"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n" * 9, 400, id="the beginning of TLS"),
        pytest.param(b"\r\n\r\n\r\n\r\n", 400, id="nothing but line ends"),
    ],
)
def test_what_is_no_request_gets_a_short_answer_and_a_closed_connection(edge, sent, status):
    with Wire(edge.port) as wire:
        reply = wire.send(sent).reply()
        assert reply.status == status
        assert len(reply.head + reply.body) < 1_000
        assert wire.rest() == b""


@pytest.mark.parametrize(
    "sent, status",
    [
        pytest.param(["X-Long: " + "a" * 8_180], 200, id="a field of 8,190 bytes"),
        pytest.param(["X-Long: " + "a" * 8_182], 431, id="a longer one"),
        pytest.param(["X: y"] * 62, 200, id="64 fields"),
        pytest.param(["X: y"] * 63, 431, id="65 fields"),
        pytest.param(["X-Long: " + "a" * 700_000], 431, id="more than all fields together"),
    ],
)
def test_a_head_is_limited(edge, sent, status):
    reply = exchange(edge, get(edge, "/whoami", *sent))
    assert reply.status == status
    assert len(reply.head + reply.body) < 1_000


@pytest.mark.parametrize("length, status", [(8_190, 422), (8_191, 414)])
def test_a_request_line_is_limited_to_8190_bytes(edge, length, status):
    line = f"GET {BASE}/users?q= HTTP/1.1"
    reply = exchange(edge, get(edge, "/users?q=" + "a" * (length - len(line))))
    assert reply.status == status
    assert len(reply.head + reply.body) < 1_000


def test_a_line_that_never_ends_is_refused_before_it_fills_the_memory(edge):
    with Wire(edge.port) as wire:
        try:
            for _ in range(64):
                wire.send(b"G" * 65_536)
        except OSError:  # closed by the server while more was sent
            return
        assert wire.reply().status in {400, 414}


@pytest.mark.parametrize(
    "host",
    [
        "a b",
        "acme.localhost/x",
        "a@acme.localhost",
        "acme.localhost@evil.test",
        "acme.localhost,globex.localhost",
        "acme.localhost:80:80",
        "acme.localhost:80a",
        "acme.localhost?",
        "acme.localhost#",
        "acme.localhost\\",
        "[::1",
        "[acme.localhost]",
        "acme.localhost:999999",
        "acm%65.localhost",
        "\xe4cme.localhost",
    ],
)
def test_a_host_that_is_none_is_400(edge, host):
    reply = exchange(edge, get(edge, host=host))
    assert (reply.status, reply.is_problem) == (400, True)


@pytest.mark.parametrize("host", ["acme.localhost", "ACME.localhost.:8000", "[::1]:80", "", ":80"])
def test_a_host_that_names_no_other_tenant_is_served(edge, host):
    assert exchange(edge, get(edge, host=host)).status == 200


def test_a_request_has_one_host(edge):
    assert exchange(edge, get(edge, "/whoami", "Host: localhost")).status == 400
    reply = exchange(edge, get(edge, host=None))
    assert (reply.status, reply.is_problem) == (400, True)


def test_http_1_0_needs_no_host_and_its_connection_ends(edge):
    with Wire(edge.port) as wire:
        reply = wire.send(get(edge, host=None, version="HTTP/1.0")).reply()
        assert reply.status == 200
        assert wire.rest() == b""


def test_a_header_with_underscores_is_not_taken_for_the_one_with_dashes(edge):
    sent = request("GET", f"{BASE}/whoami", f"X_API_KEY: {edge.acme}")
    assert exchange(edge, sent).status == 401


# Targets


@pytest.mark.parametrize(
    "target, host, status",
    [
        ("http://localhost{}/whoami", "globex.localhost", 200),
        ("http://globex.localhost{}/whoami", "acme.localhost", 403),
        ("http://globex.localhost:1{}/whoami", "acme.localhost", 403),
        ("HTTP://GLOBEX.localhost{}/whoami", "acme.localhost", 403),
        ("https://globex.localhost{}/whoami", "acme.localhost", 403),
        ("ftp://globex.localhost{}/whoami", "acme.localhost", 403),
        ("http://acme.localhost@globex.localhost{}/whoami", "acme.localhost", 403),
        ("http://acme.localhost:80@globex.localhost{}/whoami", "acme.localhost", 403),
        ("http://globex.localhost\\@acme.localhost{}/whoami", "acme.localhost", 200),
        ("http://a{}/whoami", "globex.localhost", 200),
        ("http://{}/whoami", "globex.localhost", 200),
        ("http://[::1{}/whoami", "acme.localhost", 400),
        ("http://globex.localhost/", "acme.localhost", 302),
        ("//globex.localhost{}/whoami", "acme.localhost", 404),
        ("{}/whoami", "globex.localhost", 403),
    ],
)
def test_a_target_in_absolute_form_names_the_host_not_the_host_header(edge, target, host, status):
    sent = request("GET", target.format(BASE), edge.key, host=host)
    assert exchange(edge, sent).status == status


NO_RECORD, NO_PATH = "no such record", "no such path"


@pytest.mark.parametrize(
    "path, why",
    [
        ("/users/a%2Fb", NO_RECORD),
        ("/users/alice%2F", NO_RECORD),
        ("/users/%2e", NO_RECORD),
        ("/users/%2e%2e", NO_RECORD),
        ("/users/..", NO_RECORD),
        ("/users/%2e%2e%2finfo", NO_RECORD),
        ("/users/..%2F..%2Fetc%2Fpasswd", NO_RECORD),
        ("/users/%00", NO_RECORD),
        ("/users/alice@acme.test%00", NO_RECORD),
        ("/users/%FF", NO_RECORD),
        ("/users/%C0%AE%C0%AE", NO_RECORD),
        ("/users/%ED%A0%80", NO_RECORD),
        ("/users/alice%2540acme.test", NO_RECORD),
        ("/users/a%252Fb", NO_RECORD),
        ("/users/%", NO_RECORD),
        ("/users/%zz", NO_RECORD),
        ("/users/a%0D%0AX-Evil:%20yes", NO_RECORD),
        ("/users/a\\b", NO_RECORD),
        ("/users/alice@acme.test;x=1", NO_RECORD),
        ("/users/+alice@acme.test", NO_RECORD),
        ("/privileges/-1", NO_RECORD),
        ("/privileges/1e0", NO_RECORD),
        ("/privileges/%D9%A1", NO_RECORD),
        ("/privileges/" + "9" * 5_000, NO_RECORD),
        ("/users/../info", NO_PATH),
        ("/./info", NO_PATH),
        ("/info/..", NO_PATH),
        ("/%2e%2e/info", NO_PATH),
        ("/users//alice@acme.test", NO_PATH),
        ("//users", NO_PATH),
        ("/users//", NO_PATH),
        ("/users%2Falice@acme.test", NO_PATH),
        ("%2Finfo", NO_PATH),
        ("/info%2F", NO_PATH),
        ("/info%00", NO_PATH),
        ("/info%20", NO_PATH),
        ("/info%0A", NO_PATH),
        ("/info;x=1", NO_PATH),
        ("/INFO", NO_PATH),
        ("/inf%C3%B6", NO_PATH),
    ],
)
def test_a_strange_path_is_a_plain_404(edge, path, why):
    reply = exchange(edge, get(edge, path))
    assert (reply.status, reply.is_problem) == (404, True)
    assert why in reply.json()["detail"]
    assert reply.json()["instance"] == BASE + path


@pytest.mark.parametrize(
    "path", ["/users/alice%40acme.test", "/users/%61lice@acme.test", "/users/ALICE@acme.test"]
)
def test_a_name_in_a_path_is_decoded_once(edge, path):
    reply = exchange(edge, get(edge, path))
    assert (reply.status, reply.json()["username"]) == (200, "alice@acme.test")


@pytest.mark.parametrize("path", ["/whoami/", "/users/alice@acme.test/", "/privileges/?size=1"])
def test_a_trailing_slash_is_answered_and_never_redirected(edge, path):
    assert exchange(edge, get(edge, path)).status == 200
    assert exchange(edge, get(edge, path.replace("/?", "?").removesuffix("/"))).status == 200


@pytest.mark.parametrize("target", ["//evil.test", "/%2Fevil.test", "/\\evil.test", "//evil.test/"])
def test_no_target_makes_a_redirect_to_another_site(edge, target):
    reply = exchange(edge, request("GET", target, edge.key))
    assert reply.status == 404
    assert reply.headers("Location") == []


@pytest.mark.parametrize("slashes", ["//", "///"])
@pytest.mark.parametrize("form", ["{path}", "http://localhost{path}"], ids=["path", "URL"])
@pytest.mark.parametrize(
    "path", [f"{BASE}/whoami", f"{BASE}/users/a%2Fb", "/health/live", "/openapi.json", "/docs"]
)
def test_a_path_behind_several_slashes_is_another_path(edge, path, form, slashes):
    target = slashes + path.removeprefix("/")
    reply = exchange(edge, request("GET", form.format(path=target), edge.key))
    assert (reply.status, reply.is_problem) == (404, True)
    assert NO_PATH in reply.json()["detail"]
    assert reply.json()["instance"] == target


# Answers that no header of a request can split


@pytest.mark.parametrize("given", ["a\rX-Evil: yes", "a\x0bb", "\x00"])
def test_control_characters_in_a_header_are_refused(edge, given):
    assert exchange(edge, get(edge, "/whoami", f"X-Request-ID: {given}")).status == 400


@pytest.mark.parametrize(
    "given", ["a b", "a%0d%0aX-Evil:yes", "\xe9", "a" * 129, "", "<script>", "a,b"]
)
def test_a_request_id_comes_back_as_it_is_or_not_at_all(edge, given):
    (returned,) = exchange(edge, get(edge, "/whoami", f"X-Request-ID: {given}")).headers(
        "X-Request-ID"
    )
    assert returned == given or re.fullmatch("[0-9a-f]{32}", returned)


@pytest.mark.parametrize(
    "target",
    [
        "/users?q=%0d%0aX-Evil:%20yes",
        "/users?%0d%0aX-Evil:%20yes=1",
        "/users?q=a>;%20rel=%22next%22,<//evil.test",
    ],
)
def test_a_query_can_not_break_out_of_the_link_header(edge, target):
    reply = exchange(edge, get(edge, target))
    assert reply.status == 200
    assert reply.headers("X-Evil") == []
    (link,) = reply.headers("Link")
    assert re.findall(r"<([^>]*)>; rel", link) == [
        reference for reference in re.findall("<([^>]*)>", link) if reference.startswith(BASE)
    ]
    assert link.count("; rel=") == 2


@pytest.mark.parametrize("username", ["a\r\nX-Evil: yes", "a\nb", "a\u2028b", "a\u202eb"])
def test_no_user_is_named_so_that_location_could_be_split(edge, username):
    body = {"username": username, "email": "a@b", "password": "x"}
    sent = request("POST", f"{BASE}/users", edge.key, JSON, body=json.dumps(body).encode())
    reply = exchange(edge, sent)
    assert reply.status in {201, 422}
    assert reply.headers("X-Evil") == []
    for place in reply.headers("Location"):
        assert place.isascii() and " " not in place


@pytest.mark.parametrize(
    "sent, status",
    [
        (["GET", f"{BASE}/whoami"], 200),
        (["HEAD", f"{BASE}/info"], 200),
        (["OPTIONS", f"{BASE}/info"], 204),
        (["GET", "/nothing"], 404),
        (["PATCH", f"{BASE}/info"], 405),
        (["PUT", f"{BASE}/info"], 400),
        (["GET", f"{BASE}/users?page=x"], 422),
        (["GET", "/health/ready"], 200),
        (["GET", "/docs"], 200),
        (["GET", "/"], 302),
    ],
)
def test_no_answer_lets_a_browser_guess_frame_keep_or_pass_on(edge, sent, status):
    reply = exchange(edge, request(*sent, edge.key), to=sent[0])
    assert reply.status == status
    assert reply.header("X-Content-Type-Options") == "nosniff"
    assert reply.header("X-Frame-Options") == "DENY"
    assert "frame-ancestors 'none'" in reply.header("Content-Security-Policy")
    assert reply.header("Referrer-Policy") == "no-referrer"
    assert reply.header("Cache-Control") in {"no-store", "private, no-cache"}


# Verbs and connections


def test_head_is_get_without_the_body(edge):
    with Wire(edge.port) as wire:
        got = wire.send(get(edge, "/info")).reply()
        head = wire.send(request("HEAD", f"{BASE}/info", edge.key)).reply("HEAD")
        assert (head.status, head.body) == (200, b"")
        for name in ("Content-Length", "Content-Type", "ETag", "Cache-Control"):
            assert head.header(name) == got.header(name)
        assert wire.send(get(edge)).reply().status == 200


@pytest.mark.parametrize("path", ["/info", "/users/nobody", "/users", "/statements/x/config"])
def test_options_needs_no_key_and_has_no_body(edge, path):
    with Wire(edge.port) as wire:
        reply = wire.send(request("OPTIONS", BASE + path)).reply()
        assert reply.status == 204
        assert reply.headers("Content-Type") == []
        assert reply.header("Allow")
        assert wire.send(get(edge)).reply().status == 200


@pytest.mark.parametrize("verb", ["PATCH", "TRACE", "PROPFIND", "FOO", "M-SEARCH"])
def test_an_unknown_verb_is_405_on_a_path_and_404_where_there_is_none(edge, verb):
    reply = exchange(edge, request(verb, f"{BASE}/info", edge.key))
    assert (reply.status, reply.is_problem) == (405, True)
    assert reply.header("Allow") == "GET, HEAD, OPTIONS, PUT"
    assert edge.acme.encode() not in reply.body
    assert exchange(edge, request(verb, f"{BASE}/nothing", edge.key)).status == 404


@pytest.mark.parametrize("verb, target", [("CONNECT", "localhost:80"), ("OPTIONS", "*")])
def test_the_forms_of_targets_for_proxies_lead_nowhere(edge, verb, target):
    assert exchange(edge, request(verb, target, edge.key)).status == 404


def test_pipelined_requests_are_answered_in_order(edge):
    paths = ["/whoami", "/nothing", "/info", "/users/nobody", "/whoami"] * 4
    with Wire(edge.port) as wire:
        wire.send(b"".join(get(edge, path) for path in paths))
        statuses = [wire.reply().status for _ in paths]
    assert statuses == [200, 404, 200, 404, 200] * 4


def test_pipelined_changes_and_reads_see_each_other(edge):
    with Wire(edge.port) as wire:
        for theme in ("one", "two"):
            body = json.dumps({"theme": theme}).encode()
            wire.send(change(edge, CHUNKED, body=chunked(body)) + get(edge, "/info"))
        assert [wire.reply().json()["theme"] for _ in range(4)] == ["one", "one", "two", "two"]


def test_a_request_may_come_byte_by_byte(edge):
    with Wire(edge.port) as wire:
        for byte in change(edge, CHUNKED, body=chunked(b'{"theme": "slowly"}', 7)):
            wire.send(bytes([byte]))
            time.sleep(0.0005)
        assert wire.reply().json()["theme"] == "slowly"


def test_a_client_that_sends_no_more_is_answered_all_the_same(edge):
    with Wire(edge.port) as wire:
        wire.send(get(edge) + get(edge, "/info")).end()
        assert [wire.reply().status, wire.reply().status] == [200, 200]
        assert wire.rest() == b""


def test_a_connection_ends_when_the_client_says_so(edge):
    with Wire(edge.port) as wire:
        wire.send(get(edge, "/whoami", "Connection: close") + get(edge))
        assert wire.reply().status == 200
        assert wire.rest() == b""


def test_a_connection_stays_open_between_requests(edge):
    with Wire(edge.port) as wire:
        for _ in range(3):
            assert wire.send(get(edge)).reply().status == 200
            time.sleep(0.1)


def test_a_client_that_goes_before_it_is_answered_harms_nobody(edge):
    for _ in range(20):
        with Wire(edge.port) as wire:
            wire.send(get(edge, "/users?size=300"))
    for _ in range(20):
        with Wire(edge.port) as wire:
            wire.send(get(edge)[:-10])
