"""The page *Run it*: its blocks, one after the other, on a machine that is a folder.

What belongs to the machine itself is replaced, so that the test needs neither root nor systemd:
users, the owner of a file, and systemctl, which here starts what the unit says.
"""

import re
import subprocess

import pytest

from provisioning.testing.client import Client
from tests.edge.conftest import BASE
from tests.edge.serving import ROOT

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "run-it.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_its_blocks_lead_from_an_empty_machine_to_a_new_version_and_back(machine, clone):
    script = machine.path("\n".join(BLOCKS))
    done = subprocess.run(
        ["/bin/sh", "-eu", "-c", script],
        cwd=clone,
        env=machine.environment,
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
    assert done.stdout.count(": sound, ") == 3
    assert len(list((machine.folder / "var/backups/provisioning").iterdir())) == 3
    # Each stop ended the server before the next start: first, restored, new and old again.
    assert log.read_text().count("Shutting down: Master") == 2
    assert "in use" not in log.read_text()
    # One installation for each version, and every file in the folder that is for data.
    installations = [each for each in (machine.folder / "opt").iterdir() if not each.is_symlink()]
    assert len(installations) == 2
    assert not list(clone.rglob("db*.json"))
