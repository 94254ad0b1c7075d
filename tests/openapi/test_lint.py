"""Linters find nothing in the documents, by the rules that they recommend."""

import json

import pytest

from provisioning.testing.sandbox import Sandbox
from tests.openapi.conftest import HERE

pytestmark = pytest.mark.slow

DOCUMENTS = {
    "api": ("//openapi.json", {}),
    "api-without-keys": ("//openapi.json", {"auth": "off"}),
    "api-and-all-beside-it": ("//openapi.json", {"scim": "on", "metrics": "on"}),
    "control": ("//_control/openapi.json", {"control": "on"}),
}


@pytest.fixture(params=DOCUMENTS)
def file(request, tmp_path):
    path, settings = DOCUMENTS[request.param]
    sandbox = Sandbox(**settings)
    # As a client asks that isn't on the same machine: to redocly localhost is a mistake.
    address = {} if settings else {"base_url": "https://provisioning.acme.test"}
    answer = sandbox.client().get(path, **address)
    assert answer.status_code == 200
    written = tmp_path / f"{request.param}.json"
    written.write_text(answer.text.replace("http://localhost", "https://provisioning.acme.test"))
    assert json.loads(written.read_text())["openapi"] == "3.1.0"
    return written


def test_spectral_finds_nothing(node_tool, file):
    ruleset = HERE / "spectral.yaml"
    said = node_tool("spectral", "lint", "--ruleset", ruleset, "--fail-severity=hint", file)
    assert "No results with a severity of 'hint' or higher found" in said


def test_redocly_finds_nothing(node_tool, file):
    said = node_tool("redocly", "lint", "--config", HERE / "redocly.yaml", "--format=json", file)
    found = json.loads(said[said.index("{") : said.rindex("}") + 1])
    assert found["problems"] == []
    assert found["totals"]["warnings"] == found["totals"]["errors"] == 0
