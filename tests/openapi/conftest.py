"""Tools that read OpenAPI documents, and a server that they read them from.

`make openapi-tools` brings those that run on node; without them their tests are skipped.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provisioning.testing.server import ProvisioningServer

HERE = Path(__file__).parent
TOOLS = HERE / "node_modules"
OLDEST_NODE = (20, 19)

Run = Callable[..., str]


def run(*command: object, **facts: Any) -> str:
    """What a command that succeeds says; its whole output is in the error of one that fails."""
    done = subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **facts,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def reason_without_node() -> str | None:
    if shutil.which("node") is None:
        return "node is missing"
    version = run("node", "--version").strip().removeprefix("v").split(".")
    if tuple(map(int, version[:2])) < OLDEST_NODE:
        return f"node {'.'.join(version)} is too old: {OLDEST_NODE} is needed"
    if not (TOOLS / ".package-lock.json").exists():
        return "the tools are missing: `make openapi-tools` brings them"
    return None


@pytest.fixture(scope="session")
def node_tool() -> Run:
    """Run one of the tools in package.json, by its name."""
    reason = reason_without_node()
    if reason is not None:
        pytest.skip(reason)
    environment = {**os.environ, "NO_COLOR": "1", "REDOCLY_TELEMETRY": "off"}

    def run_tool(name: str, *arguments: object, **facts: Any) -> str:
        return run(TOOLS / ".bin" / name, *arguments, env=environment, **facts)

    return run_tool


@pytest.fixture
def server():
    with ProvisioningServer() as started:
        yield started


@pytest.fixture
def document(server, tmp_path) -> Path:
    """The document of the running server, as a file."""
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(server.client().get("//openapi.json").json()))
    return file
