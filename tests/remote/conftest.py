import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from provisioning import seed
from provisioning.cli.commands import main
from provisioning.testing import ProvisioningServer

Run = Callable[..., Result]
ALICE = "test-acme-alice-administrator-basic-key"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a command, with the key that is given as `key`."""

    def call(*words: object, key: str | None = None, other_key: str | None = None) -> Result:
        environment = {"PROVISIONING_REMOTE_KEY": key, "PROVISIONING_OTHER_KEY": other_key}
        return CliRunner().invoke(main, [str(word) for word in words], env=environment)

    return call


@pytest.fixture
def demo() -> Iterator[ProvisioningServer]:
    """A server with the demo data."""
    with ProvisioningServer(request_log=100_000) as server:
        server.load(demo_seed(), replace=True)
        yield server


def demo_seed() -> dict[str, list[dict[str, Any]]]:
    """The demo data, with keys that open other servers than a demo's."""
    return json.loads(json.dumps(seed.demo_seed()).replace('"demo-', '"test-'))


@pytest.fixture
def pulled(run: Run, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Pulls from a URL, and returns the content of the file."""

    def pull(url: str, key: str = ALICE, *options: str) -> dict[str, Any]:
        file = tmp_path / "pulled.json"
        done = run("pull", url, file, "--force", *options, key=key)
        assert done.exit_code == 0, done.output
        return json.loads(file.read_text())

    return pull
