"""What the pages say of pull and compare is so."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from provisioning.cli.commands import main
from provisioning.remote.reports import HEADS
from provisioning.testing.client import Client
from tests.remote.conftest import ALICE

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("develop-a-client.md", "test-with-it.md", "run-it.md")
CALLS = [
    call
    for page in PAGES
    for call in re.findall(
        r"^(?:\$ )?provisioning ((?:pull|compare) (?:.*\\\n)*.*)$",
        (DOCS / page).read_text(),
        re.MULTILINE,
    )
]


@pytest.mark.parametrize("call", CALLS)
def test_each_call_has_options_that_there_are(call):
    name, *words = shlex.split(call.replace("\\\n", ""))
    main.commands[name].make_context(name, words)


def test_the_table_that_is_shown_has_the_heads_of_a_real_one():
    shown = (DOCS / "test-with-it.md").read_text()
    assert re.search(r"^" + r"\s{2,}".join(map(re.escape, HEADS)) + "$", shown, re.MULTILINE)


@pytest.mark.slow
def test_two_commands_bring_a_copy_to_a_laptop(demo, tmp_path):
    page = (DOCS / "develop-a-client.md").read_text()
    pull, serve = re.search(
        r"```\n(provisioning pull .*)\n(provisioning serve .*)\n", page
    ).groups()
    (tmp_path / "staging.key").write_text(ALICE)
    here = {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": str(DOCS.parent)}}
    run = [sys.executable, "-m"]

    words = shlex.split(pull.replace("https://staging.example.com", demo.url))
    done = subprocess.run([*run, *words], check=True, capture_output=True, text=True, **here)
    assert "Wrote" in done.stderr

    words = [*shlex.split(serve), "--port", "0", "--ready-file", "/dev/stdout"]
    with subprocess.Popen([*run, *words], stdout=subprocess.PIPE, text=True, **here) as process:
        told = json.loads(process.stdout.readline())
        caller = Client(told["url"], told["apiToken"]).get("/api/v1/provisioning/whoami").json()
        process.terminate()
    assert caller["role"] == "ADMINISTRATOR"
    assert caller["tenant"]["label"] == "acme"
