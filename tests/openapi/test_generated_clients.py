"""Clients that generators make of the document compile, and list, create and change users."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.openapi.conftest import HERE, TOOLS, run

pytestmark = pytest.mark.slow

LISTED = [["alice@acme.test", None, "ADMINISTRATOR"], ["bob@acme.test", "Bob", "TEAM_LEADER"]]
COMPILER = {
    "strict": True,
    "module": "nodenext",
    "target": "es2022",
    "lib": ["es2023", "dom", "dom.iterable"],
    "types": ["node"],
    "outDir": "compiled",
}


def check(server, said: str) -> None:
    """The client has listed what it has made and changed, and no request had the key in it."""
    assert json.loads(said.splitlines()[-1]) == LISTED
    entries = server.requests.find(path="/users**")
    assert {entry["method"] for entry in entries} == {"GET", "POST", "PUT"}
    assert not any("apikey" in entry["query"] for entry in entries)


@pytest.fixture
def project(tmp_path) -> Path:
    """A folder for a program in TypeScript."""
    (tmp_path / "node_modules").symlink_to(TOOLS)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    settings = {"compilerOptions": COMPILER, "include": ["*.ts", "generated"]}
    (tmp_path / "tsconfig.json").write_text(json.dumps(settings))
    return tmp_path


def compiled(tool, project: Path, source: str) -> Path:
    """A script beside what was generated, as JavaScript."""
    shutil.copy(HERE / "clients" / source, project)
    tool("tsc", "--project", project)
    return (project / "compiled" / source).with_suffix(".js")


def test_openapi_python_client(server, document, tmp_path):
    # It formats what it writes by ruff, which it looks for on the path.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    package = tmp_path / "generated"
    said = run(
        *(sys.executable, "-m", "openapi_python_client", "generate", "--meta=none"),
        *("--fail-on-warning", "--path", document, "--output-path", package),
        env={**os.environ, "PATH": path},
    )
    assert "Warning" not in said
    script = shutil.copy(HERE / "clients" / "python_client.py", tmp_path)
    checked = ("--strict", "--follow-imports=silent", "--config-file=", script)
    run(sys.executable, "-m", "mypy", *checked, cwd=tmp_path)
    check(server, run(sys.executable, "-W", "error", script, server.root_url, server.token))


def test_openapi_typescript(node_tool, server, document, project):
    node_tool("openapi-typescript", document, "--output", project / "generated.ts")
    script = compiled(node_tool, project, "openapi_fetch.ts")
    check(server, run("node", script, server.root_url, server.token))


def test_hey_api(node_tool, server, document, project):
    told = HERE / "clients" / "openapi-ts.config.mjs"
    node_tool("openapi-ts", "--file", told, "--input", document, "--no-log-file", cwd=project)
    script = compiled(node_tool, project, "hey_api.ts")
    check(server, run("node", script, server.token))
