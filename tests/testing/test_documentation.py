"""The page *Test with it* says what is so: every block of Python in it runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from provisioning.testing import ProvisioningServer

pytestmark = pytest.mark.slow

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "test-with-it.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
SUITES = [block for block in BLOCKS if "def test_" in block]
SCRIPTS = [block for block in BLOCKS if "def test_" not in block]
FILE_NAME = re.compile(r"^# (\w+\.py)\n", re.MULTILINE)
ROWS = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
MEMBERS = [name for row in ROWS for name in re.findall(r"`(\w+)", row)]


@pytest.mark.parametrize("block", SUITES, ids=range(len(SUITES)))
def test_a_block_with_a_test_passes(block, pytester):
    pytester.makeini("""
        [pytest]
        filterwarnings =
            error
            ignore:Module already imported:pytest.PytestAssertRewriteWarning
    """)
    pytester.syspathinsert(ROOT / "examples" / "python")
    named = block if FILE_NAME.match(block) else f"# test_block.py\n{block}"
    _, *parts = FILE_NAME.split(named)
    for name, content in zip(parts[::2], parts[1::2], strict=True):
        (pytester.path / name).write_text(content)
    pytester.runpytest().assert_outcomes(passed=1)


@pytest.mark.parametrize("block", SCRIPTS, ids=range(len(SCRIPTS)))
def test_a_block_without_a_test_runs(block):
    subprocess.run([sys.executable, "-W", "error", "-c", block], check=True, timeout=60)


@pytest.mark.parametrize("member", MEMBERS)
def test_the_table_names_members_that_a_server_has(member):
    with ProvisioningServer() as server:
        assert hasattr(server, member)
