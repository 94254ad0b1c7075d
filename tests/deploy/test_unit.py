"""deploy/provisioning.service and provisioning.env: sound, closed in, and they start the server."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from provisioning.gunicorn_conf import graceful_timeout
from provisioning.settings import Settings
from tests.edge.serving import served

from .proxy import DEPLOY

UNIT = (DEPLOY / "provisioning.service").read_text()
ENV_FILE = DEPLOY / "provisioning.env"
INSTALLED = "/opt/provisioning/bin"
ANALYZE = shutil.which("systemd-analyze")
HIGHEST_EXPOSURE = 3.0
needs_systemd = pytest.mark.skipif(
    ANALYZE is None, reason="systemd-analyze is missing; .ci/run brings it"
)


def in_unit(name: str) -> str:
    (value,) = re.findall(rf"^{name}=(.*)$", UNIT, re.MULTILINE)
    return value


def assignments() -> dict[str, str]:
    """What systemd reads in the env file."""
    lines = [line for line in ENV_FILE.read_text().splitlines() if line and line[0] != "#"]
    return dict(line.split("=", 1) for line in lines)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, its program where the tests have one."""
    here = tmp_path / "provisioning.service"
    here.write_text(UNIT.replace(INSTALLED, str(Path(sys.executable).parent)))
    return here


@needs_systemd
def test_systemd_finds_nothing_wrong_with_the_unit(unit):
    verified = subprocess.run(
        [ANALYZE, "verify", unit], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


@needs_systemd
def test_the_unit_is_exposed_little(unit):
    shown = subprocess.run(
        [ANALYZE, "security", "--offline=true", "--no-pager", unit],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    level = re.search(r"Overall exposure level .*: ([\d.]+)", shown)
    assert float(level[1]) < HIGHEST_EXPOSURE, shown


def test_requests_in_flight_may_end_before_systemd_kills():
    assert int(in_unit("TimeoutStopSec")) > graceful_timeout


def test_settings_of_the_env_file_are_taken():
    settings = Settings.from_env(assignments())
    assert settings.place.path == Path("/var/lib/provisioning/db.json")
    assert settings.proxies


def test_a_shell_reads_the_env_file_as_systemd_does():
    printed = subprocess.run(
        ["/bin/sh", "-c", f"set -a; . {shlex.quote(str(ENV_FILE))}; exec env"],
        env={},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert (
        assignments().items() <= dict(line.split("=", 1) for line in printed.splitlines()).items()
    )


@pytest.mark.slow
def test_the_command_of_the_unit_serves_what_the_env_file_says(tmp_path):
    program, *words = shlex.split(in_unit("ExecStart"))
    assert program == f"{INSTALLED}/gunicorn"
    settings = {
        name.removeprefix("PROVISIONING_").lower(): text for name, text in assignments().items()
    }
    del settings["data"]
    command = ("-m", "gunicorn", "--bind", "127.0.0.1:0", *words)
    with served(tmp_path / "db.json", command=command, **settings) as server:
        headers = {"Host": "provisioning.example.com"}
        assert server.client().get("/whoami", headers=headers).status_code == 401
        elsewhere = {"Host": "elsewhere.example"}
        assert server.client().get("/whoami", headers=elsewhere).status_code == 400
        assert server.client().get("//health/ready").status_code == 200
