"""Before there is a tenant, a server says so and how to make one, by commands that exist."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from provisioning.cli import application
from provisioning.cli.commands import main
from provisioning.factory import create_app
from provisioning.settings import Settings, program
from provisioning.testing.sandbox import Client

ROOT = Path(__file__).parent.parent
COMMAND = re.compile(r"\S+( -m provisioning)? init --tenant acme --name Acme --admin \S+")


@pytest.fixture
def environment(tmp_path, monkeypatch):
    monkeypatch.setenv("PROVISIONING_DATA", str(tmp_path / "db.json"))
    return os.environ


def begin(environment):
    words = ["init", "--tenant", "acme", "--name", "Acme", "--admin", "alice@acme.test"]
    assert CliRunner().invoke(main, words, env=dict(environment)).exit_code == 0


def test_the_application_says_in_one_line_how_to_begin_until_there_is_a_tenant(environment, caplog):
    application()
    (record,) = caplog.records
    assert "There is no tenant yet" in record.message and "\n" not in record.message
    assert COMMAND.search(record.message)
    begin(environment)
    caplog.clear()
    application()
    assert caplog.records == []


@pytest.mark.parametrize("token", [None, "unknown", "demo-acme-alice-administrator-basic-key"])
def test_a_401_says_how_to_begin_until_there_is_a_tenant(environment, token):
    client = Client(create_app(Settings.from_env(environment)), token)
    refused = client.get("/info")
    assert refused.status_code == 401
    assert COMMAND.search(refused.json["detail"])
    assert str(ROOT) not in refused.text and sys.prefix not in refused.text
    begin(environment)
    refused = client.get("/info")
    assert (refused.status_code, "no tenant yet" in refused.text) == (401, False)


def test_without_authentication_a_404_says_how_to_begin(environment):
    client = Client(
        create_app(Settings(data=Path(environment["PROVISIONING_DATA"]), auth="off")), None
    )
    refused = client.get("/info")
    assert refused.status_code == 404
    assert COMMAND.search(refused.json["detail"])


@pytest.mark.slow
def test_the_command_is_one_that_runs_here():
    words = [*shlex.split(program()), "--version"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, check=True)
    assert b"version" in done.stdout


@pytest.mark.slow
def test_app_py_without_the_package_installed_names_a_command_that_exists(tmp_path):
    """As after `pip install -r requirements.txt` in a clone: no script `provisioning` is there."""
    python = tmp_path / "bin" / "python3"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    environment = {
        "PROVISIONING_DATA": str(tmp_path / "db.json"),
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYTHONUNBUFFERED": "1",
    }
    arguments = [python, "app.py", "--port", "0"]
    with subprocess.Popen(arguments, cwd=ROOT, env=environment, stdout=-1, text=True) as served:
        command = next(line for line in served.stdout if " init " in line)
        served.terminate()
    assert f"{python} -m provisioning init" in command
    assert shutil.which("provisioning", path=environment["PATH"]) is None
    ran = subprocess.run(
        ["/bin/sh", "-c", command], cwd=ROOT, env=environment, capture_output=True, check=True
    )
    assert b"acme" in ran.stdout
