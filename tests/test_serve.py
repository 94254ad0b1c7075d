"""`provisioning serve`: a server for one's own machine, and for test-suites of any language."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from provisioning.cli.serving import listen, url_of
from provisioning.testing.client import Client

SERVE = (sys.executable, "-m", "provisioning", "serve")
FOR_TESTS = ("--port", "0", "--memory", "--ready-file", "ready.json")
ALICE = "demo-acme-alice-administrator-basic-key"
PATIENCE = 20

pytestmark = pytest.mark.slow


class Process:
    """A server process in a folder of its own, and what it has written."""

    def __init__(self, folder, *options, **environment):
        self.folder = folder
        known = {name: text for name, text in os.environ.items() if "PROVISIONING_" not in name}
        self.process = subprocess.Popen(
            (*SERVE, *options),
            cwd=folder,
            env=known | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # Whoever is started in the background inherits that Ctrl-C is ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )

    def line(self):
        return self.process.stdout.readline()

    def greeting(self):
        lines = []
        while "Ctrl-C" not in (lines[-1] if lines else ""):
            lines.append(self.line())
            assert lines[-1], self.process.stderr.read()
        return "".join(lines)

    def end(self, number=signal.SIGTERM):
        """Exit code and what was written since, after a signal."""
        self.process.send_signal(number)
        return self.ended()

    def ended(self):
        written, errors = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, written, errors


@pytest.fixture
def serve(tmp_path):
    """Starts server processes, which end with the test."""
    started = []

    def start(*options, **environment):
        started.append(Process(tmp_path, *options, **environment))
        return started[-1]

    yield start
    for each in started:
        with each.process as process:
            process.terminate()


def client(ready):
    return Client(f"{ready['url']}/api/v1/provisioning", ready["apiToken"])


def test_the_ready_line_says_where_to_ask_and_with_which_key(serve, tmp_path):
    server = serve(*FOR_TESTS)
    line = server.line()
    ready = json.loads(line)
    assert list(ready) == ["url", "tenant", "username", "apiToken", "pid"]
    assert (ready["tenant"], ready["username"]) == ("acme", "admin@acme.test")
    assert ready["pid"] == server.process.pid
    caller = client(ready).get("/whoami").json()
    assert (caller["role"], caller["tenant"]["label"]) == ("ADMINISTRATOR", "acme")
    assert (tmp_path / "ready.json").read_text() == line
    assert stat.S_IMODE((tmp_path / "ready.json").stat().st_mode) == 0o600


def test_a_server_in_memory_leaves_no_file_and_writes_nothing_more(serve, tmp_path):
    server = serve(*FOR_TESTS)
    api = client(json.loads(server.line()))
    assert api.put("/info", json={"name": "Other"}).status_code == 200
    assert server.end() == (0, "", "")
    assert [path.name for path in tmp_path.iterdir()] == ["ready.json"]


@pytest.mark.parametrize(("control", "status"), [(None, 200), ("off", 404)])
def test_a_server_in_memory_has_the_control_api_unless_told(serve, control, status):
    environment = {} if control is None else {"PROVISIONING_CONTROL": control}
    ready = json.loads(serve(*FOR_TESTS, **environment).line())
    assert client(ready).get("//_control/clock").status_code == status


def test_a_server_in_memory_lets_its_administrator_in_when_the_clock_is_set_back(serve):
    ready = json.loads(serve(*FOR_TESTS).line())
    api = client(ready)
    assert api.put("//_control/clock", json={"now": "2001-01-01T00:00:00Z"}).status_code == 200
    assert api.get("/whoami").status_code == 200


def test_a_ready_file_of_an_earlier_server_is_gone_until_this_one_is_ready(serve, tmp_path):
    (tmp_path / "ready.json").write_text('{"url": "http://127.0.0.1:1"}')
    server = serve(*FOR_TESTS)
    line = server.line()
    assert (tmp_path / "ready.json").read_text() == line
    assert server.end()[0] == 0
    # One that can't start leaves none.
    failing = serve(*FOR_TESTS, PROVISIONING_AUTH="maybe")
    assert failing.ended()[0] == 1


def test_a_pipe_as_ready_file_is_written_to_and_stays_a_pipe(serve, tmp_path):
    pipe = tmp_path / "ready.json"
    os.mkfifo(pipe)
    server = serve(*FOR_TESTS)
    with pipe.open() as reader:
        line = reader.readline()
    assert server.line() == line
    assert pipe.is_fifo()


def test_a_link_as_ready_file_is_replaced_and_what_it_led_to_stays_as_it_was(serve, tmp_path):
    other = tmp_path / "other"
    other.write_text("mine")
    (tmp_path / "ready.json").symlink_to(other)
    line = serve(*FOR_TESTS).line()
    assert (tmp_path / "ready.json").read_text() == line
    assert not (tmp_path / "ready.json").is_symlink()
    assert other.read_text() == "mine"


def test_a_link_to_a_pipe_gets_no_key(serve, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "ready.json").symlink_to(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    code, written, errors = serve(*FOR_TESTS).ended()
    assert (code, written) == (1, "")
    assert errors.startswith("Error: --ready-file ready.json: ")
    assert os.read(reader, 1) == b""
    os.close(reader)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file another user's")
def test_a_pipe_of_another_user_gets_no_key(serve, tmp_path):
    os.mkfifo(tmp_path / "ready.json", 0o666)
    os.chown(tmp_path / "ready.json", 65_534, 65_534)
    reader = os.open(tmp_path / "ready.json", os.O_RDONLY | os.O_NONBLOCK)
    code, _, errors = serve(*FOR_TESTS).ended()
    assert (code, errors) == (1, "Error: --ready-file ready.json: The pipe is another user's.\n")
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_stdout_may_be_the_ready_file(serve):
    server = serve("--port", "0", "--memory", "--ready-file", "/dev/stdout")
    line = server.line()
    assert server.line() == line
    assert client(json.loads(line)).get("/whoami").status_code == 200


def test_a_ready_file_over_data_that_is_there_has_the_key_of_an_administrator(serve):
    options = ("--port", "0", "--data", "db.json", "--ready-file", "ready.json")
    first = serve(*options)
    made = json.loads(first.line())
    assert first.end()[0] == 0
    again = json.loads(serve(*options).line())
    assert again["apiToken"] == made["apiToken"]
    assert client(again).get("/whoami").status_code == 200


def test_a_ready_file_that_cannot_be_written_is_an_error(serve):
    server = serve("--port", "0", "--memory", "--ready-file", "no/such/folder")
    code, written, errors = server.ended()
    assert (code, written) == (1, "")
    assert errors == "Error: --ready-file no/such/folder: No such file or directory.\n"


def test_the_demo_greets_with_url_key_and_a_curl_line_that_works(serve):
    greeting = serve("--demo", "--port", "0").greeting()
    assert ALICE in greeting
    assert re.search(r"http://127\.0\.0\.1:\d+/docs$", greeting, re.MULTILINE)
    curl = re.search(r"curl .*", greeting)[0]
    printed = subprocess.run(["/bin/sh", "-c", f"{curl} -s"], capture_output=True, check=True)
    assert json.loads(printed.stdout)["user"]["username"] == "alice@acme.test"


def test_a_server_over_an_empty_file_says_how_to_make_the_first_key(serve, tmp_path):
    greeting = serve("--port", "0", "--data", "my data.json").greeting()
    command = re.search(r"PROVISIONING_DATA=.*", greeting)[0]
    command = command.replace(" provisioning ", f" {sys.executable} -m provisioning ")
    printed = subprocess.run(
        ["/bin/sh", "-c", f"{command} --json"], cwd=tmp_path, capture_output=True, check=True
    )
    ready = {"url": re.search(r"http://[^/]+", greeting)[0], **json.loads(printed.stdout)}
    assert client(ready).get("/whoami").status_code == 200


def test_without_authentication_the_greeting_asks_for_no_key(serve):
    greeting = serve("--memory", "--port", "0", PROVISIONING_AUTH="off").greeting()
    assert "none is needed" in greeting
    assert "Authorization" not in greeting


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_without_a_word(serve, number):
    server = serve("--demo", "--port", "0")
    server.greeting()
    assert server.end(number) == (0, "", "")


def test_the_log_shows_requests_without_their_keys(serve):
    server = serve("--demo", "--port", "0")
    url = re.search(r"http://[^/]+", server.greeting())[0]
    token = "demo-acme-tenant-only-system-basic-key"
    api = Client(f"{url}/api/v1/provisioning", ALICE)
    assert api.get(f"/api-keys/{token}?apikey={ALICE}").status_code == 200
    with socket.create_connection(url.removeprefix("http://").split(":"), PATIENCE) as raw:
        raw.sendall(f"GET /?apikey={ALICE} HTTP/9 \x1b[31m\r\n\r\n".encode())
        raw.recv(1)
    _, _, log = server.end()
    assert re.search(r"^\d\d:\d\d:\d\d GET /\S+/api-keys/\*{8}\?apikey=\*{8} 200$", log, re.M)
    assert ALICE not in log
    assert token not in log
    assert "\x1b" not in log


def test_a_log_in_json_has_each_request_once(serve):
    server = serve("--demo", "--port", "0", PROVISIONING_LOG="json")
    url = re.search(r"http://[^/]+", server.greeting())[0]
    Client(url).get("/health/live")
    _, written, errors = server.end()
    assert [json.loads(line)["path"] for line in written.splitlines()] == ["/health/live"]
    assert errors == ""


def test_a_port_that_is_taken_is_named(serve):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, errors = serve("--demo", "--port", str(port)).ended()
    assert code == 1
    assert errors.startswith(f"Error: Can't listen: port {port} is taken. Choose another: --port")


def test_a_host_that_is_not_of_this_machine_is_named(serve):
    code, _, errors = serve("--memory", "--host", "192.0.2.1").ended()
    assert code == 1
    assert "192.0.2.1" in errors


def test_memory_and_a_data_file_exclude_each_other(serve):
    code, _, errors = serve("--memory", "--data", "db.json").ended()
    assert code == 2
    assert "leave out --data" in errors


SEED = {
    "tenants": [{"label": "corp", "name": "Corp"}],
    "users": [{"username": "eve@corp.test", "email": "eve@corp.test", "home": "corp"}],
    "privileges": [{"tenant": "corp", "username": "eve@corp.test", "role": "ADMINISTRATOR"}],
    "apiKeys": [
        {"tenant": "corp", "username": "eve@corp.test", "type": "BASIC", "apiToken": "eves-key"}
    ],
}


@pytest.mark.parametrize(
    "options", [("--memory",), ("--data", "db.json"), ("--data", "sqlite:///p.db")]
)
def test_a_seed_is_what_it_begins_with(serve, tmp_path, options):
    file = tmp_path / "seed.json"
    file.write_text(json.dumps(SEED))
    ready = serve("--port", "0", *options, "--seed", str(file), "--ready-file", "ready.json")
    told = json.loads(ready.line())
    assert (told["tenant"], told["apiToken"]) == ("corp", "eves-key")
    tenants = Client(told["url"], "eves-key").get("/api/v1/provisioning/info").json()
    assert tenants["name"] == "Corp"


def test_a_store_that_is_not_empty_begins_with_no_seed(serve, tmp_path):
    file = tmp_path / "seed.json"
    file.write_text(json.dumps(SEED))
    begin = ("--port", "0", "--data", "db.json", "--seed", str(file), "--ready-file", "ready.json")
    first = serve(*begin)
    first.line()
    first.end()
    code, _, errors = serve(*begin).ended()
    assert code == 1
    assert "db.json is not empty" in errors
    assert "provisioning import" in errors


@pytest.mark.parametrize("content", [None, "{", '{"users": [{"username": 7}]}'])
def test_a_seed_that_cannot_be_used_is_an_error_and_leaves_no_data(serve, tmp_path, content):
    file = tmp_path / "seed.json"
    if content is not None:
        file.write_text(content)
    code, _, errors = serve("--port", "0", "--data", "db.json", "--seed", str(file)).ended()
    assert code == 1
    assert "seed.json" in errors or "users[0]" in errors


@contextmanager
def sockets(host):
    opened = listen(host, 0)
    try:
        yield opened
    finally:
        for each in opened:
            each.close()


def needs_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:"),
        ("localhost", "http://127.0.0.1:"),
        ("0.0.0.0", "http://127.0.0.1:"),  # noqa: S104 - every address, for a moment
    ],
)
def test_the_url_is_one_that_this_machine_reaches(host, url):
    with sockets(host) as (first, *_):
        assert url_of(first) == f"{url}{first.getsockname()[1]}"


def test_an_ipv6_address_stands_in_brackets():
    needs_ipv6()
    with sockets("::1") as (listener,):
        assert url_of(listener).startswith("http://[::1]:")


@pytest.mark.parametrize("options", [(), ("--host", "localhost")], ids=["unless told", "told"])
def test_localhost_is_both_of_its_addresses(serve, options):
    needs_ipv6()
    port = json.loads(serve(*FOR_TESTS, *options).line())["url"].rpartition(":")[2]
    for address in ("127.0.0.1", "[::1]"):
        answer = Client(f"http://{address}:{port}").get("/health/live")
        assert answer.status_code == 200


def test_localhost_needs_its_port_on_both_addresses(serve):
    needs_ipv6()
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as taken:
        port = taken.getsockname()[1]
        code, _, errors = serve("--demo", "--port", str(port)).ended()
    assert (code, f"port {port} is taken" in errors) == (1, True)


def is_over(pid):
    """Whether a process has ended; one that nobody has waited for counts."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
        return status.rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return False


def wait_for(holds):
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def parent(tmp_path, then):
    """A shell that starts a server and then does something; it is of a session of its own."""
    command = [*SERVE, *FOR_TESTS, "--exit-with-parent"]
    return subprocess.Popen(
        ["/bin/sh", "-c", f'"$@" >out 2>&1 & {then}', "sh", *command],
        cwd=tmp_path,
        start_new_session=True,
        stdin=subprocess.PIPE,
    )


def test_it_ends_with_its_parent_however_that_ended(tmp_path):
    ready = tmp_path / "ready.json"
    with parent(tmp_path, "read line") as shell:
        wait_for(ready.exists)
        pid = json.loads(ready.read_text())["pid"]
        assert not is_over(pid)
        shell.kill()
    wait_for(lambda: is_over(pid))


def test_it_ends_when_its_parent_had_ended_before_it_was_up(tmp_path):
    with parent(tmp_path, "echo $! >pid") as shell:
        shell.wait(PATIENCE)
    pid = int((tmp_path / "pid").read_text())
    wait_for(lambda: is_over(pid))
    assert "Error" not in (tmp_path / "out").read_text()
