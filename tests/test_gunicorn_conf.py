"""gunicorn.conf.py under a real gunicorn, with an application that only waits and answers."""

import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from types import SimpleNamespace

import pytest
from gunicorn.config import Config

from provisioning import gunicorn_conf

pytestmark = pytest.mark.slow

CONF = Path(__file__).parents[1] / "gunicorn.conf.py"
TOKEN = "tok-3nVqO0Zb_x9"
MADE = "67-AXjNKKOgM94jdQgHnU4mJxjkTv7tHn6SqoGMT2Co"
"""What looks like a key of ours."""
APP = """
import os, pathlib, time

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/scheme":
        answer = environ["wsgi.url_scheme"]
    elif path == "/slow":
        pathlib.Path("begun").touch()
        while not pathlib.Path("go").exists():
            time.sleep(0.01)
        answer = "answered"
    elif path == "/broken":
        raise ValueError("/users?" + environ["QUERY_STRING"])
    else:
        answer = f"worker {os.getpid()}"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(answer)))])
    return [answer.encode()]
"""


class Gunicorn:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self.listens = threading.Event()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        if not self.listens.wait(20):
            raise AssertionError(self.output())
        (listening,) = (line for line in self.lines if "Listening at" in line)
        self.address = re.search(r"http://([\d.]+):(\d+)", listening)
        self.port = int(self.address[2])
        self.get("/started")  # gunicorn loses a SIGTERM that comes while a worker starts

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.append(line)
            if "Listening at" in line:
                self.listens.set()
        self.listens.set()

    def output(self) -> str:
        """Everything that gunicorn wrote from its start to its end, which this brings about."""
        self.process.terminate()
        self.process.wait(20)
        self.reader.join()
        return "".join(self.lines)

    def exchange(self, raw: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(raw)
            with suppress(OSError):  # the server may have ended the connection already
                connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def get(self, path: str, **headers: str) -> str:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", path, headers={"Connection": "close", **headers})
        answer = connection.getresponse().read().decode()
        connection.close()
        return answer


@contextmanager
def gunicorn(
    folder: Path, *options: str, bind: bool = True, **environment: str
) -> Iterator[Gunicorn]:
    (folder / "tiny.py").write_text(APP)
    if bind:
        options = ("--bind", "127.0.0.1:0", *options)
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in {"PORT", "WEB_CONCURRENCY", "GUNICORN_CMD_ARGS", "FORWARDED_ALLOW_IPS"}
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "--config", str(CONF), *options, "tiny:app"],
        cwd=folder,
        env={**inherited, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    server = None
    try:
        server = Gunicorn(process)
        yield server
    finally:
        process.terminate()
        process.wait(30)
        if server:
            server.reader.join()
        process.stdout.close()


def wait_until(condition) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# What is sent, each with a token in it, and what the log must still say of it. Everything that a
# format of the access log can name is in the format here, and the error log tells its most.
REQUESTS = {
    "query": (
        f"GET /query?page=2&apikey={TOKEN} HTTP/1.1\r\n",
        "GET /query?page=2&apikey=******** HTTP/1.1",
    ),
    "encoded query": (f"GET /q2?%61pike%79={TOKEN} HTTP/1.1\r\n", "GET /q2?%61pike%79=****"),
    "path": (f"GET /p1/api-keys/{TOKEN} HTTP/1.1\r\n", "GET /p1/api-keys/********"),
    "encoded path": (f"GET /p2/api%2Dkeys/{TOKEN}%3Fa HTTP/1.1\r\n", "GET /p2/api%2Dkeys/****"),
    "path with a question mark in the key": (
        f"GET /p3/api-keys/a%3F{TOKEN} HTTP/1.1\r\n",
        "GET /p3/api-keys/********",
    ),
    "line break in the path": (f"GET /p4/api-keys/a%0A{TOKEN} HTTP/1.1\r\n", "GET /p4/api-keys/*"),
    "absolute target": (
        f"GET http://h/absolute?apikey={TOKEN} HTTP/1.1\r\n",
        "GET http://h/absolute?apikey=********",
    ),
    "bearer": (f"GET /bearer HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\n", "GET /bearer "),
    "basic": (
        # The token as the user name, which %(u)s would show: base64 of "tok-3nVqO0Zb_x9:".
        "GET /basic HTTP/1.1\r\nAuthorization: Basic dG9rLTNuVnFPMFpiX3g5Og==\r\n",
        "GET /basic ",
    ),
    "header": (f"GET /header HTTP/1.1\r\nX-API-Key: {TOKEN}\r\n", "GET /header "),
    "referer": (
        f"GET /referer HTTP/1.1\r\nReferer: http://h/docs?apikey={TOKEN}\r\n",
        "http://h/docs?apikey=********",
    ),
    "query under another name": (
        f"GET /q3?page=2&access_token={TOKEN} HTTP/1.1\r\n",
        "GET /q3?page=2&access_token=******** HTTP/1.1",
    ),
    "made key in a path": (f"GET /p5/{MADE}/a HTTP/1.1\r\n", "GET /p5/********/a HTTP/1.1"),
    "made key as user agent": (
        f"GET /agent HTTP/1.1\r\nUser-Agent: client/1.0 {MADE}\r\n",
        "client/1.0 ********",
    ),
    "made key as request id": (f"GET /id HTTP/1.1\r\nX-Request-ID: {MADE}\r\n", "GET /id "),
    "target with a blank": (
        f"GET /users?q=a b&apikey={TOKEN} HTTP/1.1\r\n",
        "Invalid request from ip=127.0.0.1: Invalid HTTP Version\n",
    ),
    "target that is not ASCII": (
        f"GET /users?q=\xe9&apikey={TOKEN} HTTP/1.1\r\n",
        "Invalid request from ip=127.0.0.1: Invalid HTTP request line\n",
    ),
    "header without a colon": (
        f"GET /colon HTTP/1.1\r\nX-API-Key {TOKEN}\r\n",
        "Invalid request from ip=127.0.0.1: Invalid HTTP Header\n",
    ),
    "request that ends early": (
        f"GET /early?apikey={TOKEN}",
        "Ignored premature client disconnection\n",
    ),
    "request that breaks the application": (
        f"GET /broken?apikey={TOKEN} HTTP/1.1\r\n",
        "Error handling request GET /broken?apikey=********\n",
    ),
    "traceback": (
        f"GET /broken?x=2&apikey={TOKEN} HTTP/1.1\r\n",
        "ValueError: /users?x=2&apikey=********\n",
    ),
}
EVERY_ATOM = " ".join(
    f"%({atom})s"
    for atom in (
        *"hlutrsmUqHbBfaTDMLp",
        *("{x-request-id}i", "{x-request-id}o", "{http_x_request_id}e"),
        *("{authorization}i", "{x-api-key}i", "{referer}i", "{content-length}o"),
        *("{raw_uri}e", "{path_info}e", "{query_string}e", "{gunicorn.socket}e"),
        *("{http_authorization}e", "{http_x_api_key}e", "{http_referer}e"),
    )
)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((), id="the usual format"),
        pytest.param(("--access-logformat", EVERY_ATOM), id="every atom"),
    ],
)
def log(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """All that gunicorn wrote about REQUESTS."""
    folder = tmp_path_factory.mktemp("log")
    with gunicorn(folder, "--log-level", "debug", *request.param) as server:
        for head, _ in REQUESTS.values():
            ended = "Host: h\r\nConnection: close\r\n\r\n" if head.endswith("\n") else ""
            server.exchange((head + ended).encode("latin-1"))
        return server.output()


@pytest.mark.parametrize("shown", [pytest.param(shown, id=k) for k, (_, shown) in REQUESTS.items()])
def test_a_request_with_a_key_is_logged(log, shown):
    assert shown in log


def test_no_key_is_logged_wherever_it_stands_in_the_request(log):
    kept = [line for line in log.splitlines() if re.search(f"{TOKEN}|{MADE}|dG9rLTNu", line)]
    assert kept == []


def test_an_access_log_line_stays_a_line(log):
    assert "a%0A" not in log
    assert not re.search(r"^\*", log, re.MULTILINE)


@pytest.mark.parametrize(
    "environ, headers, sent",
    [
        pytest.param({}, [], None, id="little"),
        pytest.param({"RAW_URI": "/users?q=a&apikey=k"}, [("X-Request-ID", "r-1")], 0, id="a key"),
        pytest.param(
            {"HTTP_USER_AGENT": 'a "b" %s', "HTTP_REFERER": "http://h/?token=k", "REMOTE_ADDR": ""},
            [("Content-Length", "2"), ("X-Request-ID", MADE)],
            2,
            id="quotation marks",
        ),
        pytest.param(
            {"HTTP_USER_AGENT": 'a\\" 200 5 "b', "RAW_URI": "/\x85\x9b[31m\u2028\\"},
            [],
            0,
            id="backslashes and what is no character for a line",
        ),
    ],
)
def test_the_usual_line_is_that_of_its_format(environ, headers, sent, monkeypatch):
    """It isn't made by the format, which takes twice as long."""
    for name in ("stdout", "stderr"):  # which the logger wraps
        monkeypatch.setattr(sys, name, getattr(sys, name))
    config = Config()
    config.set("access_log_format", gunicorn_conf.access_log_format)
    logger = gunicorn_conf.RedactingLogger(config)
    logger.now = lambda: "[25/Nov/2026:12:00:00 +0000]"
    usual = {"REQUEST_METHOD": "GET", "RAW_URI": "/", "SERVER_PROTOCOL": "HTTP/1.1"} | environ
    response = SimpleNamespace(status="200 OK", headers=headers, sent=sent)
    facts = (usual, timedelta(milliseconds=1234.5))
    atoms = logger.atoms_wrapper_class(logger.atoms(response, SimpleNamespace(headers=[]), *facts))
    assert logger._line(response, *facts) == gunicorn_conf.access_log_format % atoms


@pytest.mark.parametrize(
    "sent, shown",
    [
        ('a"b', r"a\"b"),
        ("a\\", r"a\\"),
        ('a\\"b', r"a\\\"b"),
        ("a\x85b", r"a\x85b"),
        ("a\x9b31m", r"a\x9b31m"),
        ("a\u2028b\u2029", r"a\u2028b\u2029"),
        ("a\x1b[31m\x7f\t", r"a\x1b[31m\x7f\t"),
        ("caf\xe9", "caf\xe9"),
    ],
)
def test_no_client_can_end_a_quotation_or_a_line_of_the_log(sent, shown):
    assert gunicorn_conf._shown(sent) == shown
    assert gunicorn_conf._RedactedAtoms({"a": sent})["a"] == shown


def test_a_message_of_several_lines_stays_one_and_no_client_adds_a_line():
    message = "Error handling request GET /\x85\u2028x\nTraceback"
    assert gunicorn_conf._redacted_words(message) == (
        r"Error handling request GET /\x85\u2028x" + "\nTraceback"
    )


def test_the_log_goes_to_stdout_with_the_time_a_request_took(tmp_path):
    with gunicorn(tmp_path) as server:
        server.get("/plain", **{"User-Agent": "tests"})
        assert re.search(r'"GET /plain HTTP/1.1" 200 \d+ "-" "tests" - \d+ms\n', server.output())


def test_sigterm_lets_the_requests_in_flight_end(tmp_path):
    answers: list[str] = []
    with gunicorn(tmp_path) as server:
        asking = threading.Thread(target=lambda: answers.append(server.get("/slow")))
        asking.start()
        wait_until((tmp_path / "begun").exists)
        server.process.terminate()
        wait_until(lambda: any("Handling signal: term" in line for line in server.lines))
        (tmp_path / "go").touch()
        asking.join()
        server.process.wait(20)
    assert answers == ["answered"]
    assert server.process.returncode == 0


def test_forwarding_headers_are_not_believed_from_this_machine_either(tmp_path):
    with gunicorn(tmp_path) as server:
        assert server.get("/scheme", **{"X-Forwarded-Proto": "https"}) == "http"


def test_forwarding_headers_are_believed_from_whom_the_environment_names(tmp_path):
    with gunicorn(tmp_path, FORWARDED_ALLOW_IPS="127.0.0.1") as server:
        assert server.get("/scheme", **{"X-Forwarded-Proto": "https"}) == "https"


def test_it_opens_a_port_that_the_environment_names_on_this_machine_alone(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with gunicorn(tmp_path, bind=False, PORT=str(port)) as server:
        assert server.address.groups() == ("127.0.0.1", str(port))


def test_options_in_the_environment_go_before_the_file(tmp_path):
    with gunicorn(tmp_path, bind=False, GUNICORN_CMD_ARGS="--bind 127.0.0.1:0") as server:
        assert server.port != 8000


def test_the_environment_sets_the_number_of_workers(tmp_path):
    workers: set[str] = set()
    with gunicorn(tmp_path, WEB_CONCURRENCY="2") as server:
        wait_until(lambda: workers.add(server.get("/")) or len(workers) == 2)


def test_it_makes_no_socket_in_the_home_of_the_user(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    with gunicorn(tmp_path, HOME=str(home), XDG_RUNTIME_DIR=str(home)) as server:
        assert list(home.iterdir()) == []
        assert "Control socket" not in server.output()


@pytest.mark.parametrize(
    ("size", "status"),
    [(8190, b"200"), (8191, b"414")],
    ids=["as long as gunicorn takes", "longer"],
)
def test_a_request_line_may_have_8190_bytes(tmp_path, size, status):
    line = b"GET /" + b"a" * (size - 14) + b" HTTP/1.1"
    with gunicorn(tmp_path) as server:
        answer = server.exchange(line + b"\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert answer.split(b" ")[1] == status
