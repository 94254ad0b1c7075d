"""deploy/upgrade.sh: from the last release to this version and back, on each store, under load."""

import itertools
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from http.client import HTTPException
from pathlib import Path

import filelock
import pytest

from provisioning.testing.client import Client
from tests import postgresql
from tests.edge.conftest import BASE
from tests.edge.serving import ROOT

from .conftest import PIP, Desk, Machine

pytestmark = pytest.mark.slow

RELEASED = "18dadb04beac76e5d159106d205a8430bc39dda1"
"""The commit of 0.2.0."""


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """An installation of 0.2.0, with all extras that it has. All workers of a run share it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "released"
    with filelock.FileLock(f"{folder}.lock"):
        if not (folder / "installed").exists():
            install_released(folder)
    return folder / "installed"


def install_released(folder: Path) -> None:
    git = shutil.which("git")
    folder.mkdir(exist_ok=True)
    archive = folder / "source.tar"
    made = git and subprocess.run(
        [git, "archive", "--output", archive, RELEASED], cwd=ROOT, capture_output=True, check=False
    )
    if not made or made.returncode != 0:
        pytest.skip("The history of this clone doesn't hold 0.2.0.")
    (folder / "source").mkdir()
    shutil.unpack_archive(archive, folder / "source")
    run = ["-m", "venv", folder / "installed"], ["-m", "pip", "install", "--quiet"]
    subprocess.run([sys.executable, *run[0]], check=True)
    words = [*run[1], "--disable-pip-version-check", "-r", "requirements.txt", ".[sql,scim]"]
    python = folder / "installed/bin/python"
    subprocess.run([python, *words], cwd=folder / "source", env=os.environ | PIP, check=True)


@pytest.fixture(params=["file", "sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, machine: Machine) -> str:
    """What PROVISIONING_DATA is on the machine."""
    if request.param == "postgresql":
        for name in ("psql", "pg_dump", "pg_restore"):
            (machine.folder / "bin" / name).symlink_to(postgresql.programs() / name)
        return str(request.getfixturevalue("schema_url"))
    prefix = "" if request.param == "file" else "sqlite:///"
    return f"{prefix}{machine.folder}/var/lib/provisioning/the.db"


@pytest.fixture
def desk(machine: Machine, clone: Path, released: Path, place: str) -> Desk:
    """0.2.0 runs, with a tenant."""
    desk = Desk(machine, clone)
    (machine.folder / "opt/provisioning-released").symlink_to(released)
    (machine.folder / "opt/provisioning").symlink_to(machine.folder / "opt/provisioning-released")
    desk("install -d /var/lib/provisioning /var/backups/provisioning")
    desk("install -m 0755 deploy/provisioning.sh /usr/local/bin/provisioning")
    desk("install -m 0644 deploy/provisioning.service /etc/systemd/system/provisioning.service")
    (machine.folder / "etc/provisioning.env").write_text(f"PROVISIONING_DATA={place}\n")
    return desk


class Load:
    """A client that adds domains, one after the other, and keeps those that were acknowledged."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.acknowledged: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        for number in itertools.count():
            if self._stop.is_set():
                return
            domain = f"d{number}.example.org"
            try:
                made = self.client.post("/domain-mapping", json={"domain": domain}).status_code
            except (OSError, HTTPException):
                made = 0
            if made == 201:
                self.acknowledged.append(domain)
            time.sleep(0.05)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def domains(client: Client) -> set[str]:
    found: set[str] = set()
    for page in itertools.count():
        shown = client.get("/domain-mapping", query={"size": 300, "page": page}).json()
        if not shown:
            return found
        found |= {each["domain"] for each in shown}


def test_an_upgrade_loses_nothing_and_the_way_back_names_what_it_loses(desk):
    desk("systemctl start provisioning")
    told = desk("provisioning init --tenant acme --name Acme --admin alice@acme.test")
    token = re.search(r"^  (\S{22,})$", told, re.MULTILINE)[1]
    client = Client(f"http://127.0.0.1:{desk.machine.port}{BASE}", token)
    with Load(client) as load:
        while len(load.acknowledged) < 20:
            time.sleep(0.05)
        assert "The new version answers. It was away for " in desk("deploy/upgrade.sh")
        before, deadline = len(load.acknowledged), time.monotonic() + 30
        while len(load.acknowledged) < before + 5 and time.monotonic() < deadline:
            time.sleep(0.05)
    assert domains(client) == set(load.acknowledged)
    assert "sound" in desk("provisioning check")
    late = load.acknowledged[-1]
    (backup,) = (desk.machine.folder / "var/backups/provisioning").glob("*/backup")
    assert backup.stat().st_mode & 0o077 == 0

    refused = desk.run("deploy/upgrade.sh --back", given="n\n")
    assert (refused.returncode, "Nothing was changed." in refused.stderr) == (1, True)
    assert f"create of domain-mapping {late}" in refused.stdout
    assert domains(client) == set(load.acknowledged)

    desk("deploy/upgrade.sh --back --yes")
    left = domains(client)
    assert late not in left
    assert left == set(load.acknowledged[: len(left)])
    assert len(left) >= 20
    assert "0.2.0" in desk("provisioning --version")
    assert "sound" in desk("provisioning check")
    assert "no upgrade" in desk.run("deploy/upgrade.sh --back --yes").stderr


@pytest.mark.parametrize("place", ["file"], indirect=True)
def test_an_upgrade_whose_settings_do_not_fit_leaves_the_old_version_running(desk):
    desk("systemctl start provisioning")
    with (desk.machine.folder / "etc/provisioning.env").open("a") as settings:
        settings.write("PROVISIONING_MAX_BODY=lots\n")
    done = desk.run("deploy/upgrade.sh")
    assert (done.returncode, "Nothing was changed." in done.stderr) == (1, True)
    root = Client(f"http://127.0.0.1:{desk.machine.port}")
    assert root.get("/health/ready").status_code == 200
