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


AS_SYSTEMD = [
    ("plain", "plain"),
    ("postgresql://u:p@h/d?a=1&b=2", "postgresql://u:p@h/d?a=1&b=2"),
    ("  blanks around  ", "blanks around"),
    ("it's $HOME `id` $(id); id", "it's $HOME `id` $(id); id"),
    ("a # b ; c", "a # b ; c"),
    ("'$x \\ \"'", '$x \\ "'),
    ('"a \\"b\\" \\$c \\n" d', 'a "b" $c \\nd'),
    ('"two\nlines"', "two\nlines"),
    ("a\\\nb", "ab"),
    ("a\\ b\\  ", "a b "),
    ("'a'\"b\"c", "abc"),
    ("Å ﷺ", "Å ﷺ"),
    ("", None),
]
"""What stands behind NAME= in an environment file, and what systemd makes of it."""


@pytest.fixture
def command(tmp_path):
    """Run deploy/provisioning.sh over this environment file; its program shows its environment."""

    def run(content: str, **environment: str) -> subprocess.CompletedProcess[str]:
        file, program = tmp_path / "the.env", tmp_path / "program"
        file.write_text(content)
        program.write_text("#!/bin/sh\nexec env -0\n")
        program.chmod(0o755)
        script = (DEPLOY / "provisioning.sh").read_text()
        script = script.replace("/etc/provisioning.env", str(file))
        script = script.replace("runuser -u provisioning -- ", "")
        return subprocess.run(
            ["/bin/sh", "-c", script.replace(f"{INSTALLED}/provisioning", str(program))],
            env={"PATH": "/usr/bin:/bin", **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def seen(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    assert done.returncode == 0, done.stderr
    return dict(each.split("=", 1) for each in done.stdout.split("\0") if each)


def test_every_command_has_the_settings_that_the_unit_has(command):
    known = seen(command(ENV_FILE.read_text()))
    assert assignments().items() <= known.items()


@pytest.mark.parametrize(("text", "value"), AS_SYSTEMD)
def test_the_env_file_is_read_as_systemd_reads_it(command, text, value):
    content = f"# PROVISIONING_A=x\n;\nPROVISIONING_DATA=d\n \tPROVISIONING_A={text}\nno assignment"
    assert seen(command(content)).get("PROVISIONING_A") == (value or "")


def test_nothing_that_stands_in_the_env_file_is_run(command, tmp_path):
    words = [f"$(touch {tmp_path}/ran)", f"`touch {tmp_path}/ran`", f"x; touch {tmp_path}/ran"]
    lines = [f"A{n}={text}\nB{n}='{text}'\nC{n}=\"{text}\"\n" for n, text in enumerate(words)]
    lines += [
        f"$(touch {tmp_path}/ran)=x\n",
        f"touch {tmp_path}/ran\n",
        f"D='; touch {tmp_path}/ran",
    ]
    seen(command("PROVISIONING_DATA=d\n" + "".join(lines)))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", ["", "PROVISIONING_DATA=\n", "export PROVISIONING_DATA=x\n"])
def test_a_command_without_the_place_of_the_data_is_refused(command, content):
    done = command(content, PROVISIONING_DATA="elsewhere.json")
    assert (done.returncode, done.stdout) == (1, "")
    assert "PROVISIONING_DATA is not set in it" in done.stderr


def test_settings_of_the_shell_are_none_of_the_servers(command):
    known = seen(command("PROVISIONING_DATA=d\n", PROVISIONING_AUTH="off"))
    assert known["PROVISIONING_DATA"] == "d"
    assert "PROVISIONING_AUTH" not in known


@pytest.mark.slow
def test_the_command_of_the_unit_serves_what_the_env_file_says(tmp_path):
    program, *words = shlex.split(in_unit("ExecStart"))
    assert program == f"{INSTALLED}/gunicorn"
    settings = {
        name.removeprefix("PROVISIONING_").lower(): text for name, text in assignments().items()
    }
    del settings["data"]
    command = ("-m", "gunicorn", "--bind", "127.0.0.1:0", *words)
    with served(tmp_path / "db.json", command=command, metrics="on", **settings) as server:
        headers = {"Host": "provisioning.example.com"}
        assert server.client().get("/whoami", headers=headers).status_code == 401
        elsewhere = {"Host": "elsewhere.example"}
        assert server.client().get("/whoami", headers=elsewhere).status_code == 400
        assert server.client().get("//health/ready").status_code == 200
        # As the curl lines ask that commands print, and Prometheus on the same machine.
        assert server.client().get("/whoami").status_code == 401
        assert server.client().get("//metrics").status_code == 200
