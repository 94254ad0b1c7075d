"""The README tells the truth: its tour is run, and its tables are those of the program."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from provisioning.cli.commands import main
from provisioning.settings import KEYS_OF_COMMANDS, described

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SHOWN_NOW = "2026-01-15T12:00:00Z"
"""What the tour shows wherever the reader sees the time of their own request."""
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
MARK = "=== end of step"

Step = tuple[str, str]


def tour() -> list[Step]:
    """The commands of the README's console blocks, each with the answer shown below it."""
    steps: list[Step] = []
    for block in re.findall(r"^```console\n(.*?)^```", README, re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = part.splitlines()
            command = [lines.pop(0)]
            while lines and (lines[0].startswith("> ") or command[-1].endswith("\\")):
                command.append(lines.pop(0).removeprefix("> "))
            steps.append(("\n".join(command), "\n".join(lines)))
    return steps


@contextmanager
def demo_server(folder: Path) -> Iterator[str]:
    """The URL of a demo server on a free port, with its data in the folder."""
    ready = folder / "ready.json"
    command = [sys.executable, "-m", "provisioning", "serve", "--demo", "--port", "0"]
    command += ["--data", str(folder / "db.json"), "--ready-file", str(ready)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()


def run(steps: list[Step], url: str) -> list[str]:
    """What each command prints, all of them typed into one shell."""
    script = "".join(f"{command}\nprintf '\\n{MARK}\\n'\n" for command, _ in steps)
    done = subprocess.run(
        ["/bin/sh"],
        input=script.replace("http://127.0.0.1:8000", url),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    assert done.stderr == ""
    return [output.strip().replace("\r", "") for output in done.stdout.split(MARK)[:-1]]


def comparable(text: str, began: str, ended: str) -> Any:
    """JSON as what it means, other text as it is; instants of this run are the shown one."""
    text = INSTANT.sub(lambda at: SHOWN_NOW if began <= at[0] <= ended else at[0], text)
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def at(seconds: int) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.slow
def test_the_tour_of_the_readme_answers_as_it_shows(tmp_path: Path) -> None:
    steps, began = tour(), at(seconds=-5)
    with demo_server(tmp_path) as url:
        printed = run(steps, url)
    assert len(steps) > 15
    for (command, shown), output in zip(steps, printed, strict=True):
        expected = comparable(shown, began, at(seconds=5))
        assert comparable(output, began, at(seconds=5)) == expected, command


def test_the_reference_is_what_the_code_says() -> None:
    made = CliRunner().invoke(main, ["reference"]).stdout
    assert (ROOT / "docs" / "reference.md").read_text() == made, "run: make reference"


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 200


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_no_setting_that_there_is_not(page: Path) -> None:
    named = set(re.findall(r"PROVISIONING_[A-Z]+(?:_[A-Z]+)*", page.read_text()))
    assert named <= {*KEYS_OF_COMMANDS, *(variable for variable, _, _ in described())}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []
