"""The page *Develop a client* says what is true: its lines run, its keys exist."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from provisioning.factory import load_demo, memory_store
from provisioning.testing.listener import Listener
from provisioning.testing.sandbox import Sandbox

PAGE = (Path(__file__).parents[2] / "docs" / "develop-a-client.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
KEYS = re.findall(r"^\| `(demo-[a-z0-9-]+)` \|.*\|(.*)\|$", PAGE, re.MULTILINE)
FAIL_LOUDLY = 'curl() { command curl --silent --show-error --fail-with-body "$@" || exit; echo; }\n'


@pytest.fixture
def demo():
    """A server with the demo data."""
    sandbox = Sandbox(demo="on")
    sandbox.parts.store = memory_store()
    sandbox.clock.reset()
    load_demo(sandbox.parts)
    return sandbox


@pytest.mark.slow
def test_all_lines_of_the_page_run_one_after_the_other(demo, tmp_path):
    listener = Listener(demo.app)
    address = "{}:{}".format(*listener.server_address)
    script = FAIL_LOUDLY + "".join(BLOCKS).replace("127.0.0.1:8000", address)
    ran = subprocess.run(
        [shutil.which("bash") or "bash", "-eu", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    listener.close()
    assert ran.returncode == 0, ran.stderr + ran.stdout[-2000:]
    assert len(BLOCKS) >= 8
    # The fault of the page, too, was there and is gone.
    assert demo.client().get("//_control/faults").json == []


@pytest.mark.parametrize("key, meaning", KEYS)
def test_each_key_of_the_table_does_what_the_table_says(demo, key, meaning):
    status = int(found[1]) if (found := re.search(r"\b(401)\b", meaning)) else 200
    if "nothing: 403" in meaning:
        status = 403
    assert demo.client(key).get("/whoami").status_code == status


def test_the_table_has_keys_of_every_role():
    assert len(KEYS) == 12
