"""The page *Run it*: its blocks, one after the other, on a machine that is a folder.

What belongs to the machine itself is replaced, so that the test needs neither root nor systemd:
users, the owner of a file, and systemctl, which here starts what the unit says.
"""

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from provisioning.testing.client import Client
from tests.edge.conftest import BASE
from tests.edge.serving import ROOT

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "run-it.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
OF_THE_MACHINE = re.compile(r"(?<![\w.])/(opt|var|etc|usr/local)/")
SHIPPED = ("provisioning", "data", "deploy", "pyproject.toml", "README.md", "LICENSE")
REPLACED = {
    "useradd": "exit 0",
    "nginx": "exit 0",
    "runuser": 'shift 3; exec "$@"',
    "install": """
        for word; do
            shift
            case $word in -o|-g) skip=1;; *) [ "${skip-}" ] && skip= || set -- "$@" "$word";; esac
        done
        exec /usr/bin/install "$@"
    """,
    "systemctl": """
        stop() {
            [ -f $MACHINE/pid ] || return 0
            kill $(cat $MACHINE/pid)
            while kill -0 $(cat $MACHINE/pid) 2>/dev/null; do sleep 0.1; done
            rm $MACHINE/pid
        }
        start() {
            set -a; . $MACHINE/etc/provisioning.env; set +a
            command=$(sed -n 's/^ExecStart=//p' $MACHINE/etc/systemd/system/provisioning.service)
            cd $MACHINE/var/lib/provisioning
            eval "exec $command" >>$MACHINE/log 2>&1 &
            echo $! >$MACHINE/pid
            curl --silent --fail --retry 100 --retry-delay 1 --retry-all-errors \\
                http://127.0.0.1:$PORT/health/live >/dev/null
        }
        case "$*" in
            *nginx|daemon-reload) ;;
            "stop provisioning") stop;;
            "restart provisioning") stop; start;;
            "start provisioning"|"enable --now provisioning") start;;
            *) echo "systemctl $*?" >&2; exit 1;;
        esac
    """,
}


@dataclass(frozen=True)
class Machine:
    folder: Path
    port: int

    def path(self, text: str) -> str:
        """Text in which the machine's folders are those below this one."""
        here = OF_THE_MACHINE.sub(rf"{self.folder}/\1/", text)
        return here.replace("127.0.0.1:8000", f"127.0.0.1:{self.port}")


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        made = Machine(tmp_path / "machine", free.getsockname()[1])
    for name in ("opt", "var/lib", "var/backups", "etc/systemd/system", "etc/nginx/conf.d", "bin"):
        (made.folder / name).mkdir(parents=True)
    (made.folder / "usr/local/bin").mkdir(parents=True)
    for name, script in REPLACED.items():
        program = made.folder / "bin" / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    (made.folder / "bin" / "python3").symlink_to(sys.executable)
    yield made
    if (made.folder / "pid").exists():
        subprocess.run(["/bin/kill", (made.folder / "pid").read_text().strip()], check=False)


@pytest.fixture
def clone(machine: Machine, tmp_path: Path) -> Path:
    """What is shipped, its paths leading into the machine."""
    folder = tmp_path / "clone"
    folder.mkdir()
    for path in [*(ROOT / name for name in SHIPPED), *ROOT.glob("requirements*.txt")]:
        if path.is_dir():
            unwanted = shutil.ignore_patterns("__pycache__", "db*")
            shutil.copytree(path, folder / path.name, ignore=unwanted)
        else:
            shutil.copy(path, folder)
    for path in (folder / "deploy").iterdir():
        path.write_text(machine.path(path.read_text()))
    return folder


def test_its_blocks_lead_from_an_empty_machine_to_a_new_version_and_back(machine, clone):
    script = machine.path("\n".join(BLOCKS))
    path = f"{machine.folder}/bin:{machine.folder}/usr/local/bin:/usr/bin:/bin"
    done = subprocess.run(
        ["/bin/sh", "-eu", "-c", script],
        cwd=clone,
        env={"PATH": path, "MACHINE": str(machine.folder), "PORT": str(machine.port)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    log = machine.folder / "log"
    assert done.returncode == 0, (
        done.stdout + done.stderr + (log.read_text() if log.exists() else "")
    )
    # What the first command made is still there after a restore, a new version and the old one.
    token = re.search(r"^  (\S{22,})$", done.stdout, re.MULTILINE)[1]
    client = Client(f"http://127.0.0.1:{machine.port}{BASE}", token)
    headers = {"Host": "provisioning.example.com"}
    assert client.get("/whoami", headers=headers).json()["role"] == "ADMINISTRATOR"
    assert done.stdout.count(": sound, ") == 2
    assert len(list((machine.folder / "var/backups/provisioning").iterdir())) == 3
    # Each stop ended the server before the next start: first, restored, new and old again.
    assert log.read_text().count("Shutting down: Master") == 2
    assert "in use" not in log.read_text()
    # One installation for each version, and every file in the folder that is for data.
    installations = [each for each in (machine.folder / "opt").iterdir() if not each.is_symlink()]
    assert len(installations) == 2
    assert not list(clone.rglob("db*.json"))
