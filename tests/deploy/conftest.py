"""A machine that is a folder, for what is typed as root on a real one."""

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.edge.serving import ROOT

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
            unit=$MACHINE/etc/systemd/system/provisioning.service
            cd $MACHINE/var/lib/provisioning
            PROVISIONING_PROGRAM=/bin/sh $MACHINE/usr/local/bin/provisioning -c 'eval "exec $0"' \\
                "$(sed -n 's/^ExecStart=//p' $unit)" >>$MACHINE/log 2>&1 &
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


PIP = {"PIP_COMPILE": "0"}
"""Not all that is installed is run, so that it is compiled when it is."""


@dataclass(frozen=True)
class Machine:
    folder: Path
    port: int

    @property
    def environment(self) -> dict[str, str]:
        """What a shell on it has in its environment."""
        path = f"{self.folder}/bin:{self.folder}/usr/local/bin:/usr/bin:/bin"
        return {"PATH": path, "MACHINE": str(self.folder), "PORT": str(self.port), **PIP}

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


class Desk:
    """What is typed as root on the machine, in the clone."""

    def __init__(self, machine: Machine, clone: Path) -> None:
        self.machine, self.clone = machine, clone

    def run(self, script: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", "-eu", "-c", self.machine.path(script)],
            cwd=self.clone,
            env=self.machine.environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    def __call__(self, script: str) -> str:
        done = self.run(script)
        log = self.machine.folder / "log"
        shown = log.read_text()[-4_000:] if log.exists() else ""
        assert done.returncode == 0, done.stdout + done.stderr + shown
        return done.stdout


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
