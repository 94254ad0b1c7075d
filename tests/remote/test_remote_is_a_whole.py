"""Pull and compare can be left out: what that means for the rest."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path) -> Path:
    """The sources without the folder, and without its name in the commands."""
    package = tmp_path / "checkout" / "provisioning"
    shutil.copytree(
        CHECKOUT / "provisioning",
        package,
        ignore=lambda folder, names: {"__pycache__", "remote"} & set(names),
    )
    (package.parent / "data").symlink_to(CHECKOUT / "data")
    commands = package / "cli/commands.py"
    text = commands.read_text().replace(", remote\n", "\n").replace("    *remote.COMMANDS,\n", "")
    assert "remote" not in text
    commands.write_text(text)
    return package.parent


def call(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_without_its_folder_and_its_name_the_other_commands_work(checkout):
    told = call(checkout, "-m", "provisioning", "--help")
    assert told.returncode == 0, told.stderr
    assert "export" in told.stdout
    assert "pull" not in told.stdout
    words = ["init", "--tenant", "a", "--name", "A", "--admin", "a@a.test"]
    data = str(checkout / "db.json")
    made = call(checkout, "-m", "provisioning", *words, PROVISIONING_DATA=data)
    assert made.returncode == 0, made.stderr


LOOK = """
import sys
from provisioning.cli.commands import main
from provisioning.factory import create_app
print([name for name in sys.modules if name.startswith("httpx2")])
"""


@pytest.mark.slow
def test_other_commands_load_no_http_client():
    assert call(CHECKOUT, "-c", LOOK).stdout.strip() == "[]"


WITHOUT = """
import importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "httpx2" else find(name, *more)
from provisioning.cli.commands import main
main(["pull", "http://127.0.0.1:1", "f.json"])
"""


@pytest.mark.slow
def test_without_its_packages_the_command_says_which_one_brings_them(tmp_path):
    told = call(CHECKOUT, "-c", WITHOUT)
    assert told.returncode == 2
    assert "pip install '.[remote]'" in told.stderr
