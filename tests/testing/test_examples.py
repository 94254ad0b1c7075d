"""The examples run, each as its reader would run it, and show what they say."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:schemathesis"]

pytestmark = pytest.mark.slow


def run(folder: str, *command: str) -> str:
    """What an example prints; all of it is shown where it fails. A missing program is an error."""
    environment = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("PROVISIONING_", "PYTEST_"))
    }
    programs = Path(sys.executable).parent
    done = subprocess.run(
        command,
        cwd=EXAMPLES / folder,
        env=environment | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0
    return done.stdout


def test_the_python_example_passes():
    tests = (EXAMPLES / "python" / "test_provisioning_client.py").read_text().count("def test_")
    assert f"{tests} passed" in run("python", *PYTEST)


def test_the_javascript_example_passes():
    tests = re.findall(
        r"^test\(", (EXAMPLES / "javascript/provisioning.test.mjs").read_text(), re.M
    )
    output = run("javascript", "node", "--test")
    assert re.search(rf"^. pass {len(tests)}$", output, re.MULTILINE)
    assert re.search(r"^. fail 0$", output, re.MULTILINE)


def test_the_shell_example_makes_a_user_and_is_left_as_it_was():
    output = run("shell", "sh", "smoke.sh")
    assert '"role":"ADMINISTRATOR"' in output
    assert '"username":"bob@acme.test"' in output
    assert output.rstrip().endswith("GET /users/bob@acme.test: 404")
