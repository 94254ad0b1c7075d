"""Pulling from servers that are older, poorer, odd or hostile: what is told, what is not done."""

import itertools
import json
import os
import shutil
import signal
import ssl
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from provisioning.remote import guest
from provisioning.settings import Settings
from provisioning.testing import ProvisioningServer
from tests.remote.servers import BASE, PoorServer, application, listening

TENANT = {"label": "odd", "name": "Odd"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "odd.json"


def odd(path: str, query: dict, environ: dict):
    """A server with a tenant and nothing else."""
    return (200, {}, TENANT) if path == "/info" else (404, {}, {"detail": "There is none."})


@pytest.mark.parametrize("size", [None, 7], ids=["size", "size is ignored"])
@pytest.mark.parametrize("first", [0, 1], ids=["pages from 0", "pages from 1"])
def test_a_server_of_s_and_p_alone_is_pulled_whole(run, file, size, first):
    poor = PoorServer(size, first)
    with listening(poor) as url:
        done = run("pull", url, file, "--real-people", key=poor.key)
    assert done.exit_code == 0, done.output
    given = json.loads(file.read_text())
    assert {each["username"] for each in given["users"]} == poor.people.keys()
    assert len(given["privileges"]) == len(poor.privileges)
    assert len(given["apiKeys"]) == 4
    assert {each["username"] for each in given["apiKeys"]} == poor.keys.keys()
    assert given["endpoints"][0]["password"] != "hunter2"
    for told in (
        "/whoami: not there",
        "users.shoeSize: this version knows no such member: left out (43)",
        "no catalogue here has the service teleport: left out (1)",
    ):
        assert told in done.output
    with ProvisioningServer(given) as server:
        assert server.client(given["apiKeys"][0]["apiToken"]).get("/info").status_code == 200


def test_a_key_whose_owner_cannot_be_told_is_left_out(run, file):
    poor = PoorServer()

    def without_keys_of_users(path, query, environ):
        hidden = path.startswith("/users/") and path.endswith("/api-keys")
        return (404, {}, {}) if hidden else poor.answer(path, query, environ)

    with listening(application(without_keys_of_users)) as url:
        done = run("pull", url, file, key=poor.key)
    assert "1 keys whose owner can't be told are left out" in done.output
    given = json.loads(file.read_text())
    assert sorted(each["type"] for each in given["apiKeys"]) == ["BASIC", "BASIC", "QUERY_ONLY"]


def test_a_page_that_is_empty_before_the_end_is_not_the_end(run, file):
    poor = PoorServer()

    def answer(path, query, environ):
        if path != "/users":
            return poor.answer(path, query, environ)
        users = [poor.user(name) for name in poor.people]
        page = int(query.get("page", 0))
        shown = [] if page == 1 else users[(page - (page > 1)) * 20 :][:20]
        return 200, {"X-Total-Count": str(len(users))}, shown

    with listening(application(answer)) as url:
        done = run("pull", url, file, "--real-people", key=poor.key)
    assert done.exit_code == 0, done.output
    assert len(json.loads(file.read_text())["users"]) == len(poor.people)


def test_a_total_that_is_not_reached_is_told(run, file):
    poor = PoorServer()

    def answer(path, query, environ):
        status, headers, body = poor.answer(path, query, environ)
        return status, ({"X-Total-Count": "50"} if path == "/users" else headers), body

    with listening(application(answer)) as url:
        done = run("pull", url, file, key=poor.key)
    assert done.exit_code == 0
    assert "/users: the server tells of 50 records, and 42 were found" in done.output


@pytest.mark.parametrize("member", ["registeredByUserId", "endpointType", "label", "durable"])
@pytest.mark.parametrize("value", [{"id": [7]}, [7], 7.5, True, "7"], ids=str)
def test_members_of_whatever_type_are_taken_or_told(run, file, member, value):
    poor = PoorServer()
    odd = {"endpointType": {"label": value}} if member == "label" else {member: value}

    def answer(path, query, environ):
        status, headers, body = poor.answer(path, query, environ)
        is_list = path == "/endpoints"
        return status, headers, [{**each, **odd} for each in body] if is_list else body

    catalogue = file.with_name("catalogue.json")
    with listening(application(answer)) as url:
        done = run("pull", url, file, "--catalogue", catalogue, key=poor.key)
    assert done.exit_code == 0, done.output
    with ProvisioningServer(json.loads(file.read_text()), catalogue=catalogue):
        pass


def test_a_user_who_is_gone_meanwhile_is_told(run, file):
    poor = PoorServer()

    def answer(path, query, environ):
        gone = path == f"/users/{poor.revoked}"
        return (404, {}, {}) if gone else poor.answer(path, query, environ)

    with listening(application(answer)) as url:
        done = run("pull", url, file, key=poor.key)
    assert done.exit_code == 0
    assert "1 who hold privileges are gone meanwhile" in done.output
    assert "privileges: their user is not known: left out (1)" in done.output


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("/info", (404, {"Content-Type": "text/html"}, b"<title>Moved &amp; gone</title>"), "404"),
        ("/info", (200, {"Content-Type": "text/html"}, b"<title>Log in</title>"), "(Log in)"),
        ("/info", (200, {}, []), "no server of this API"),
        ("/info", (200, {}, {"hello": 1}), "no server of this API"),
        ("/info", (403, {}, {"detail": "Ingestion only."}), "opens nothing"),
        ("/info", (401, {}, {"detail": "It has expired."}), "It has expired."),
        ("/users", (401, {}, {"detail": "It has expired."}), "It has expired."),
        ("/users", (500, {}, {"detail": "Ouch."}), "500: Ouch."),
        ("/users/gone@corp.example", (500, {}, {"detail": "Ouch."}), "/users/*** answered 500"),
        ("/users", (200, {}, {"items": []}), "no list"),
        ("/users", (200, {}, b"<html>"), "no list"),
        ("/users", (503, {"Retry-After": "86400"}, b""), "86400 seconds"),
    ],
)
def test_what_is_no_server_of_this_api_or_fails_is_said_and_nothing_is_written(
    run, file, path, body, told
):
    privilege = {"role": "USER", "user": {"username": "gone@corp.example"}}

    def answer(asked, query, environ):
        if asked == "/privileges":
            return 200, {}, [privilege]
        return body if asked == path else odd(asked, query, environ)

    with listening(application(answer)) as url:
        done = run("pull", url, file, key="k")
    assert done.exit_code == 2
    assert told in done.output
    assert "gone@" not in done.output
    assert [*file.parent.iterdir()] == []


def test_a_list_that_never_ends_is_given_up(run, file, monkeypatch):
    monkeypatch.setattr("provisioning.remote.walking.MOST_PAGES", 20)

    def answer(path, query, environ):
        page = int(query.get("page", 0))
        if path == "/users":
            return (
                200,
                {},
                [{"username": f"u{page}-{n}", "email": f"u{n}@x.test"} for n in range(9)],
            )
        return odd(path, query, environ)

    with listening(application(answer)) as url:
        done = run("pull", url, file, key="k")
    assert done.exit_code == 2
    assert "/users: the list hasn't ended after 20 pages" in done.output
    assert not file.exists()


@pytest.mark.parametrize("total", ["999999999999", "page"])
def test_a_total_that_is_never_reached_is_no_reason_to_go_on_for_ever(
    run, file, monkeypatch, total
):
    monkeypatch.setattr("provisioning.remote.walking.MOST_PAGES", 8)

    def answer(path, query, environ):
        page = int(query.get("page", 0))
        if path == "/domain-mapping":
            told = str(9 * page + 10) if total == "page" else total
            records = [{"domain": f"a{page}-{n}.example"} for n in range(9)]
            return 200, {"X-Total-Count": told}, records
        return odd(path, query, environ)

    with listening(application(answer)) as url:
        done = run("pull", url, file, key="k")
    assert done.exit_code == 2
    assert "/domain-mapping: the list hasn't ended after" in done.output


def test_a_list_that_is_the_same_on_every_page_is_taken_once(run, file):
    def answer(path, query, environ):
        if path == "/domain-mapping":
            window = {"activeFrom": "2020-01-01T00:00:00Z", "activeUntil": None}
            return 200, {}, [{"domain": f"a{n}.example", **window} for n in range(30)]
        return odd(path, query, environ)

    with listening(application(answer)) as url:
        done = run("pull", url, file, key="k")
    assert done.exit_code == 0, done.output
    assert len(json.loads(file.read_text())["domainMappings"]) == 30


@pytest.mark.slow
@pytest.mark.parametrize("is_announced", [True, False])
def test_an_answer_that_is_too_large_is_an_error(run, file, monkeypatch, is_announced):
    monkeypatch.setattr(guest, "LARGEST_ANSWER", 1024 * 1024)
    sent = 0

    class Endless(BaseHTTPRequestHandler):
        def do_GET(self):
            nonlocal sent
            self.send_response(200)
            if is_announced:
                self.send_header("Content-Length", str(10**9))
            self.end_headers()
            try:
                while sent < 10**9:
                    sent += self.wfile.write(b"[" * 65_536)
            except OSError:
                pass

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = run("pull", f"http://127.0.0.1:{server.server_port}", file, key="k")
        server.shutdown()
    assert done.exit_code == 2
    assert "is larger than 1 MB" in done.output
    assert sent < 10**8
    assert not file.exists()


@pytest.mark.slow
def test_the_server_s_wish_to_wait_is_granted(run, file):
    asked: list[float] = []

    def answer(path, query, environ):
        if path == "/users":
            asked.append(time.monotonic())
            if len(asked) < 3:
                return (429, 503)[len(asked) - 1], {"Retry-After": "1"}, b""
        return odd(path, query, environ)

    with listening(application(answer)) as url:
        done = run("pull", url, file, key="k")
    assert done.exit_code == 0, done.output
    assert asked[1] - asked[0] >= 0.9
    assert asked[2] - asked[1] >= 0.9


@pytest.mark.slow
def test_a_pause_is_kept_between_any_two_requests(run, file):
    asked: list[float] = []

    def answer(path, query, environ):
        asked.append(time.monotonic())
        return odd(path, query, environ)

    with listening(application(answer)) as url:
        run("pull", url, file, "--pause", "0.05", key="k")
    gaps = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert len(gaps) > 10
    assert sum(gaps) / len(gaps) >= 0.045


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_key_goes_to_no_other_host(run, file, status):
    seen = []

    def thief(path, query, environ):
        seen.append(environ.get("HTTP_AUTHORIZATION"))
        return odd(path, query, environ)

    with listening(application(thief)) as elsewhere:

        def answer(path, query, environ):
            return status, {"Location": f"{elsewhere}{BASE}{path}"}, b""

        with listening(application(answer)) as url:
            done = run("pull", url, file, key="k")
    assert done.exit_code == 2
    assert elsewhere in done.output
    assert seen == []


@pytest.mark.parametrize("location", ["https://127.0.0.1:1/", "//evil.example/x", "http://[", ""])
def test_a_redirect_to_another_scheme_or_to_nowhere_is_not_followed(run, file, location):
    def answer(path, query, environ):
        return 302, {"Location": location}, b""

    with listening(application(answer)) as url:
        done = run("pull", url, file, key="k")
    assert done.exit_code == 2
    assert not file.exists()


def test_a_redirect_within_the_host_is_followed(run, file):
    def answer(path, query, environ):
        if not path.endswith("/"):
            return 308, {"Location": f"{BASE}{path}/"}, b""
        return odd(path.rstrip("/"), query, environ)

    with listening(application(answer)) as url:
        done = run("pull", url, file, key="k")
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://provisioning.example", "this machine"),
        ("http://10.0.0.1/api/v1/provisioning", "this machine"),
        ("http://127.0.0.1.evil.example", "this machine"),
        ("ftp://127.0.0.1", "https://"),
        ("provisioning.example", "https://"),
        ("https://", "https://"),
        ("https://user:secret@provisioning.example", "no user and no password"),
        ("https://provisioning.example?apikey=secret", "neither ? nor #"),
        ("https://provisioning.example:port", "no address"),
        ("https://[::1", "no address"),
    ],
)
def test_a_url_that_is_not_to_be_asked_is_a_wrong_call(run, file, url, told):
    done = run("pull", url, file, key="k")
    assert done.exit_code == 2
    assert told in done.output
    assert "secret" not in done.output


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("https://host.example", "https://host.example/api/v1/provisioning"),
        ("https://host.example/", "https://host.example/api/v1/provisioning"),
        ("https://host.example/api/v1/provisioning/", "https://host.example/api/v1/provisioning"),
        ("https://host.example/tools", "https://host.example/tools/api/v1/provisioning"),
        ("http://localhost:1", "http://localhost:1/api/v1/provisioning"),
        ("http://[::1]:1", "http://[::1]:1/api/v1/provisioning"),
        ("http://127.9.9.9", "http://127.9.9.9/api/v1/provisioning"),
    ],
)
def test_the_base_path_is_added_where_it_is_missing(given, base):
    assert guest.base_url(given) == base


@pytest.mark.parametrize("text", ["", "  \n", "two words", "schlüssel", "a\nb"])
def test_what_is_no_key_is_a_wrong_call(run, file, tmp_path, text):
    key = tmp_path / "key"
    key.write_text(text)
    done = run("pull", "http://127.0.0.1:1", file, "--key-file", key)
    assert done.exit_code == 2
    assert "holds no API key" in done.output


def test_without_a_key_the_call_says_where_one_goes(run, file):
    done = run("pull", "http://127.0.0.1:1", file)
    assert done.exit_code == 2
    assert "--key-file" in done.output
    assert "PROVISIONING_REMOTE_KEY" in done.output


def test_a_key_is_read_from_a_file_and_goes_into_a_header_alone(run, file, tmp_path):
    seen = []

    def answer(path, query, environ):
        seen.append((environ["HTTP_AUTHORIZATION"], environ["QUERY_STRING"]))
        return odd(path, query, environ)

    key = tmp_path / "key"
    key.write_text("the-key\n")
    with listening(application(answer)) as url:
        done = run("pull", url, file, "--key-file", key, key="another")
    assert done.exit_code == 0
    assert {given for given, _ in seen} == {"Bearer the-key"}
    assert not any("the-key" in query for _, query in seen)
    assert "the-key" not in done.output + file.read_text()


def test_a_server_that_is_not_there_is_said(run, file):
    done = run("pull", "http://127.0.0.1:1", file, key="k")
    assert done.exit_code == 2
    assert "http://127.0.0.1:1/api/v1/provisioning/info: can't be reached" in done.output


def test_a_file_that_exists_is_left_alone_and_nobody_is_asked(run, file):
    file.write_text("mine")
    done = run("pull", "http://127.0.0.1:1", file, key="k")
    assert done.exit_code == 2
    assert "--force" in done.output
    assert file.read_text() == "mine"


def test_force_overwrites_and_a_failure_leaves_what_was(run, file):
    file.write_text("mine")
    assert run("pull", "http://127.0.0.1:1", file, "--force", key="k").exit_code == 2
    assert file.read_text() == "mine"
    with listening(application(odd)) as url:
        assert run("pull", url, file, "--force", key="k").exit_code == 0
    assert json.loads(file.read_text())["tenants"][0]["label"] == "odd"


def test_the_file_is_its_owner_s_alone(run, file):
    file.write_text("mine")
    file.chmod(0o644)
    with listening(application(odd)) as url:
        run("pull", url, file, "--force", key="k")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["", "missing/odd.json", "/dev/null"])
def test_a_place_that_cannot_be_written_is_said_before_anybody_is_asked(run, tmp_path, name):
    done = run("pull", "http://127.0.0.1:1", tmp_path / name, "--force", key="k")
    assert done.exit_code == 2
    assert "can't be reached" not in done.output
    assert Path("/dev/null").is_char_device()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    """A file with a key and a certificate for 127.0.0.1 that nobody has signed."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl makes the certificate")
    file = tmp_path_factory.mktemp("tls") / "own.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run(
        [openssl, *made, "-keyout", file, "-out", f"{file}.crt"], check=True, capture_output=True
    )
    file.write_text(file.read_text() + Path(f"{file}.crt").read_text())
    return file


@pytest.fixture
def tls(certificate: Path) -> Iterator[str]:
    class Odd(BaseHTTPRequestHandler):
        def do_GET(self):
            path = self.path.partition("?")[0].removeprefix(BASE)
            status, _, body = odd(path, {}, {})
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_):
            """Clients that don't trust it hang up."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with Server(("127.0.0.1", 0), Odd) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.slow
def test_a_certificate_that_nobody_trusts_ends_it_unless_its_authority_is_named(
    run, file, tls, certificate
):
    refused = run("pull", tls, file, key="k")
    assert refused.exit_code == 2
    assert "certificate is not trusted" in refused.output
    assert "--ca" in refused.output
    assert run("pull", tls, file, "--ca", f"{certificate}.crt", key="k").exit_code == 0


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_authorities_that_cannot_be_read_are_said(run, file, tmp_path, content):
    authorities = tmp_path / "ca.pem"
    if content is not None:
        authorities.write_text(content)
    done = run("pull", "https://127.0.0.1:1", file, "--ca", authorities, key="k")
    assert done.exit_code == 2
    assert "ca.pem" in done.output


@pytest.mark.slow
def test_an_interrupt_ends_it_at_once_and_leaves_no_file(tmp_path, file):
    waiting = threading.Event()

    def answer(path, query, environ):
        if path == "/users":
            waiting.set()
            return 503, {"Retry-After": "500"}, b""
        return odd(path, query, environ)

    with listening(application(answer)) as url:
        command = [sys.executable, "-m", "provisioning", "pull", url, str(file)]
        environment = {**os.environ, "PROVISIONING_REMOTE_KEY": "k"}
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
            assert waiting.wait(30)
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=10)
    assert process.returncode == 2
    assert b"Nothing is written" in told
    assert [*tmp_path.iterdir()] == []


def test_control_characters_of_a_server_reach_no_terminal(run, file):
    def answer(path, query, environ):
        return 404, {"Content-Type": "text/\x1b[31mhtml"}, {"detail": "\x1b]0;owned\x07 gone"}

    with listening(application(answer)) as url:
        done = run("pull", url, file, key="k")
    assert done.exit_code == 2
    assert "\x1b" not in done.output
    assert "\x07" not in done.output


def test_the_key_in_the_environment_stops_no_other_command():
    environment = {"PROVISIONING_REMOTE_KEY": "k", "PROVISIONING_OTHER_KEY": "k"}
    assert Settings.from_env(environment) == Settings()
