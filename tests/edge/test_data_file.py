"""What happens to the data file under a running server, and beside it, as its clients see it."""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from provisioning.testing.client import Answer, Client
from provisioning.web.readiness import REMEMBERED
from tests.disks import full

from .serving import PATIENCE, ROOT, prepared, served

JULY = "2027-07-01T00:00:00Z"


def provision(data: Path, users: int = 0) -> str:
    with prepared(data) as provisioner:
        provisioner.add_tenant("acme")
        provisioner.add_user("alice@acme.test", "ADMINISTRATOR")
        for number in range(users):
            provisioner.add_user(f"user{number}@acme.test", hint="x" * 250)
        return provisioner.add_key("alice@acme.test")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder" / "db.json"


def change(client: Client, theme: str) -> Answer:
    return client.put("/info", json={"theme": theme})


def theme(client: Client) -> str:
    return client.get("/info").json()["theme"]


def require_unavailable(answer: Answer) -> str:
    """The detail of a 503 as the contract has it."""
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == 503
    detail = answer.json()["detail"]
    assert isinstance(detail, str) and "/" not in detail, "no path of this machine"
    return detail


def require_reading(client: Client, expected: str) -> None:
    assert theme(client) == expected
    assert client.get("/users").status_code == 200
    assert client.get("//health/live").status_code == 200


# More than one process


@pytest.mark.slow
def test_what_one_server_has_written_the_other_shows_with_its_next_answer(data):
    token = provision(data)
    with served(data, "--workers", "2") as first, served(data, "--workers", "2") as second:
        one, other = first.client(token), second.client(token)
        for number in range(20):
            assert change(one, f"one {number}").status_code == 200
            assert theme(other) == f"one {number}"
            assert change(other, f"other {number}").status_code == 200
            assert theme(one) == f"other {number}"


def command(data: Path, *arguments: str) -> dict[str, str]:
    ended = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "app", *arguments, "--json"],
        cwd=ROOT,
        env={**os.environ, "PROVISIONING_DATA": str(data)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.mark.slow
def test_init_and_key_new_work_beside_a_running_server(data):
    token = provision(data)
    with served(data) as server:
        made = command(
            data, "init", "--tenant", "initech", "--name", "Initech", "--admin", "bill@b"
        )
        me = server.client(made["apiToken"]).get("/whoami").json()
        assert (me["tenant"]["label"], me["role"]) == ("initech", "ADMINISTRATOR")
        assert change(server.client(token), "between the two").status_code == 200
        made = command(data, "key", "new", "--tenant", "acme", "--user", "alice@acme.test")
        assert theme(server.client(made["apiToken"])) == "between the two"


# The disk


@pytest.mark.slow
def test_when_files_can_not_grow_reads_go_on_and_writes_come_back(data):
    token = provision(data, users=200)
    with served(data) as server:
        client = server.client(token)
        assert change(client, "before").status_code == 200
        (worker,) = server.workers()
        limits = resource.prlimit(worker, resource.RLIMIT_FSIZE)
        # The log, which the same process writes, stays below the limit.
        limit = data.stat().st_size - 1_000
        assert len(server.log) < limit / 2
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (limit, limits[1]))
        for _ in range(3):
            require_unavailable(change(client, "while it is full"))
            require_reading(client, "before")
        body = {"username": "bob@b", "email": "b@b", "password": "x"}
        require_unavailable(client.post("/users", json=body))
        resource.prlimit(worker, resource.RLIMIT_FSIZE, limits)
        assert client.get("/users/bob@b").status_code == 404
        assert change(client, "after").status_code == 200
        assert client.post("/users", json=body).status_code == 201
        require_reading(client, "after")


@pytest.mark.slow
def test_on_a_full_disk_reads_go_on_and_writes_come_back(small_disk, tmp_path):
    on_disk = small_disk / "db.json"
    token = provision(on_disk, users=100)
    # The log is elsewhere, on a disk that has room: the data file is reached by a link.
    (tmp_path / "db.json").symlink_to(on_disk)
    with served(tmp_path / "db.json") as server:
        client = server.client(token)
        assert change(client, "before").status_code == 200
        with full(small_disk):
            assert "No space left" in require_unavailable(change(client, "while it is full"))
            require_unavailable(client.get("//health/ready"))
            require_reading(client, "before")
            assert sorted(path.name for path in small_disk.iterdir()) == [
                "db.json",
                "db.json.lock",
                "filler",
            ]
        time.sleep(REMEMBERED)
        assert client.get("//health/ready").status_code == 200
        assert change(client, "after").status_code == 200
        require_reading(client, "after")


@pytest.mark.slow
@pytest.mark.parametrize("what", ["the folder", "the file"])
def test_when_the_data_is_gone_reads_go_on_and_writes_come_back(data, what):
    token = provision(data)
    vanishing = data.parent if what == "the folder" else data
    hidden = vanishing.with_name("hidden")
    with served(data) as server:
        client = server.client(token)
        assert change(client, "before").status_code == 200
        vanishing.rename(hidden)
        require_unavailable(change(client, "while it is gone"))
        require_unavailable(client.get("//health/ready"))
        require_reading(client, "before")
        assert not vanishing.exists(), "an empty store in place of a lost one"
        hidden.rename(vanishing)
        assert change(client, "after").status_code == 200
        time.sleep(REMEMBERED)
        assert client.get("//health/ready").status_code == 200


# Hand edits


@pytest.mark.slow
@pytest.mark.parametrize(
    "broken, place",
    [
        pytest.param(
            lambda text: text.replace('"theme": "before"', '"theme": before"'),
            ["line ", "column "],
            id="no JSON",
        ),
        pytest.param(lambda text: text[: len(text) // 2], ["line ", "column "], id="truncated"),
        pytest.param(lambda text: "", ["empty"], id="emptied"),
        pytest.param(lambda text: '{"some": "other file"}', [], id="foreign"),
        pytest.param(
            lambda text: text.replace('"ADMINISTRATOR"', '"EMPEROR"'),
            ["privileges", "1", "role"],
            id="a role that there isn't",
        ),
        pytest.param(
            lambda text: text.replace('"user": "alice@acme.test"', '"user": "nobody"', 1),
            ["privileges", "1", "user"],
            id="a reference to nobody",
        ),
    ],
)
def test_a_broken_hand_edit_stops_writes_only_and_is_left_alone(data, broken, place):
    token = provision(data)
    with served(data) as server:
        client = server.client(token)
        assert change(client, "before").status_code == 200
        sound = data.read_text()
        damaged = broken(sound)
        assert damaged != sound
        data.write_text(damaged)
        detail = require_unavailable(change(client, "meanwhile"))
        for part in place:
            assert part in detail, detail
        assert "damaged" in require_unavailable(client.get("//health/ready"))
        require_reading(client, "before")
        assert data.read_text() == damaged

        data.write_text(sound.replace('"theme": "before"', '"theme": "by hand"'))
        require_reading(client, "by hand")
        assert change(client, "after").status_code == 200
        time.sleep(REMEMBERED)
        assert client.get("//health/ready").status_code == 200


@pytest.mark.slow
def test_a_hand_edit_is_shown_by_the_next_answer_of_every_worker(data):
    token = provision(data)
    with served(data, "--workers", "2") as server:
        client = server.client(token)
        assert change(client, "0").status_code == 200
        for number in range(10):
            text = data.read_text()
            data.write_text(text.replace(f'"theme": "{number}"', f'"theme": "{number + 1}"'))
            for _ in range(4):
                assert theme(client) == str(number + 1)


@pytest.mark.slow
def test_a_server_does_not_start_over_a_broken_file_and_leaves_it_alone(data):
    provision(data)
    data.write_text(data.read_text()[:-30])
    damaged = data.read_bytes()
    ended = subprocess.run(
        [sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:0", "app:app"],
        cwd=ROOT,
        env={**os.environ, "PROVISIONING_DATA": str(data)},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert ended.returncode != 0
    assert "line " in ended.stderr
    assert data.read_bytes() == damaged
