"""The pages *Run it* and *Where the data is*: their blocks, one after the other, on a machine that
is a folder.

What belongs to the machine itself is replaced, so that the test needs neither root nor systemd:
users, the owner of a file, and systemctl, which here starts what the unit says.
"""

import re

import pytest

from provisioning.testing.client import Client
from tests import postgresql
from tests.edge.conftest import BASE
from tests.edge.serving import ROOT

from .conftest import Desk

pytestmark = pytest.mark.slow

RUN_IT = (ROOT / "docs" / "run-it.md").read_text()
STORES = (ROOT / "docs" / "stores.md").read_text()


def blocks(page: str) -> str:
    return "\n".join(re.findall(r"^```sh\n(.*?)^```$", page, re.DOTALL | re.MULTILINE))


def token_in(told: str) -> str:
    return re.search(r"^  (\S{22,})$", told, re.MULTILINE)[1]


def test_its_blocks_lead_from_an_empty_machine_to_a_new_version_and_back(machine, clone):
    desk = Desk(machine, clone)
    told = desk(blocks(RUN_IT))
    # What the first command made is still there after a restore, a new version and the old one.
    client = Client(f"http://127.0.0.1:{machine.port}{BASE}", token_in(told))
    headers = {"Host": "provisioning.example.com"}
    assert client.get("/whoami", headers=headers).json()["role"] == "ADMINISTRATOR"
    assert told.count(": sound, ") == 3
    assert len(list((machine.folder / "var/backups/provisioning").iterdir())) == 3
    # Each stop ended the server before the next start: first, restored, new and old again.
    log = machine.folder / "log"
    assert log.read_text().count("Shutting down: Master") == 2
    assert "in use" not in log.read_text()
    # One installation for each version, and every file in the folder that is for data.
    installations = [each for each in (machine.folder / "opt").iterdir() if not each.is_symlink()]
    assert len(installations) == 2
    assert not list(clone.rglob("db*.json"))
    # What is printed and what is shipped work together: the curl line, and Prometheus beside it.
    (line,) = re.findall(r"^  (curl .*)$", told, re.MULTILINE)
    assert '"ADMINISTRATOR"' in desk(line)
    desk("echo PROVISIONING_METRICS=on >>/etc/provisioning.env; systemctl restart provisioning")
    shown = desk("curl --silent --fail http://127.0.0.1:8000/metrics")
    assert "provisioning_store_up 1" in shown


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_data_moves_to_another_store_as_the_page_says(request, machine, clone, kind):
    desk = Desk(machine, clone)
    until_it_runs, _ = RUN_IT.split("## A proxy in front")
    told = desk(blocks(until_it_runs))
    moving = blocks(STORES)
    if kind == "postgresql":
        for name in ("psql", "pg_dump", "pg_restore"):
            (machine.folder / "bin" / name).symlink_to(postgresql.programs() / name)
        url = request.getfixturevalue("schema_url")
        moving = moving.replace("sqlite:////var/lib/provisioning/p.db", f"'{url}'")
    assert ": sound, 1 tenant, 1 user." in desk(moving)
    client = Client(f"http://127.0.0.1:{machine.port}{BASE}", token_in(told))
    assert client.get("/whoami").json()["role"] == "ADMINISTRATOR"
    assert desk("provisioning check").startswith(kind)
