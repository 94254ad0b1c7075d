"""`provisioning copy`, as an operator types it."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from provisioning.cli.commands import main
from provisioning.factory import create_app
from provisioning.settings import Settings
from provisioning.store.opening import place_of
from provisioning.testing.sandbox import Client


def run(*words: str, **environment: str) -> Result:
    return CliRunner(env=environment).invoke(main, words)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "db.json"


@pytest.fixture
def token(data: Path) -> str:
    words = ("init", "--tenant", "acme", "--name", "Acme", "--admin", "alice@acme.test", "--json")
    made = run(*words, PROVISIONING_DATA=str(data))
    assert made.exit_code == 0, made.output
    return str(json.loads(made.stdout)["apiToken"])


def test_no_client_notices_that_the_store_is_another_one(
    data: Path, token: str, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/p.db"
    before = Client(create_app(Settings(data=data)), token).get("/users/alice@acme.test")
    copied = run("copy", str(data), url)
    assert (copied.exit_code, copied.stderr) == (0, "")
    assert copied.stdout.endswith(f" records from {data} to {url}.\n")
    after = Client(create_app(Settings(data=place_of(url))), token).get("/users/alice@acme.test")
    assert (after.json, after.headers["ETag"]) == (before.json, before.headers["ETag"])


def test_a_place_may_stand_in_the_environment(data: Path, token: str, tmp_path: Path) -> None:
    copied = run("copy", "env:FROM_HERE", str(tmp_path / "new.json"), FROM_HERE=str(data))
    assert copied.exit_code == 0
    missing = run("copy", "env:NOWHERE", str(data))
    assert (missing.exit_code, "the variable NOWHERE is not set" in missing.stderr) == (2, True)


def test_a_place_with_records_is_an_error_that_names_it(data: Path, token: str) -> None:
    again = run("copy", str(data), str(data))
    assert again.exit_code == 1
    assert again.stderr == (
        f"Error: {data}: There are records in it already. Nothing was changed.\n"
    )


def test_what_is_no_place_is_a_wrong_call_that_repeats_no_password(data: Path) -> None:
    wrong = run("copy", "mysql://ann:s3cret@db.test/all", str(data))
    assert wrong.exit_code == 2
    assert "FROM: 'mysql://' is no kind of store" in wrong.stderr
    assert "s3cret" not in wrong.output


@pytest.mark.parametrize(
    "words",
    [
        ["copy", "a", "b"],
        ["check"],
        ["tenant", "list"],
        ["restore"],
        ["backup"],
        ["export"],
        ["import"],
        ["user"],
        ["serve", "--data=x"],
        [],
    ],
)
@pytest.mark.parametrize(
    "url", ["postgresql://ann:s3cret@db.test/all", "postgresql://ann:s3/cret@db.test/all"]
)
def test_no_message_of_the_command_line_repeats_a_url_with_a_password(words, url, data) -> None:
    result = run(*words, url, str(data))
    assert result.exit_code != 0
    assert "s3" not in result.output


@pytest.mark.slow
def test_progress_is_shown_on_a_terminal_alone(data: Path, token: str, tmp_path: Path) -> None:
    def copy(target: str, **streams: int) -> str:
        words = [sys.executable, "-m", "provisioning", "copy", str(data), str(tmp_path / target)]
        done = subprocess.run(words, capture_output=not streams, check=True, text=True, **streams)
        return done.stderr

    assert copy("one.json") == ""
    ours, theirs = pty.openpty()
    copy("two.json", stderr=theirs, stdout=subprocess.DEVNULL)
    os.close(theirs)
    assert b"Copying" in os.read(ours, 4096)
    os.close(ours)
