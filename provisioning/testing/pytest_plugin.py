"""The fixtures `provisioning` and `provisioning_server`; a failed test reports their requests.

Every pytest run imports this module, if this project is installed in its environment. So it imports
nothing of the server until a test uses one.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from provisioning.testing.server import ProvisioningServer

RUNNING: pytest.StashKey[dict[str, ProvisioningServer]] = pytest.StashKey()
"""In the stash of a node: {name of a fixture: server} of the servers that run for this node."""
SEEN: pytest.StashKey[int] = pytest.StashKey()
"""In the stash of a test: the id of the last request to the session's server before the test."""
TITLE = "requests to {}"


@pytest.fixture(scope="session")
def provisioning_seed() -> Any:
    """The seed of the servers of all tests. Override this fixture with one of your own."""
    return None


@pytest.fixture
def provisioning(
    request: pytest.FixtureRequest, provisioning_seed: Any
) -> Iterator[ProvisioningServer]:
    """A Provisioning API server of the test's own, on a free port, in memory."""
    yield from _serve(request, provisioning_seed)


@pytest.fixture(scope="session")
def provisioning_server(
    request: pytest.FixtureRequest, provisioning_seed: Any
) -> Iterator[ProvisioningServer]:
    """One Provisioning API server for the session (of each xdist worker); has `reset()`."""
    yield from _serve(request, provisioning_seed)


def _serve(request: pytest.FixtureRequest, seed: Any) -> Iterator[ProvisioningServer]:
    from provisioning.testing.server import ProvisioningServer  # noqa: PLC0415

    running = request.node.stash.setdefault(RUNNING, {})
    with ProvisioningServer(seed) as server:
        running[str(request.fixturename)] = server
        yield server
    del running[str(request.fixturename)]


FIXTURES = frozenset({"provisioning", "provisioning_server"})


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if not FIXTURES.isdisjoint(getattr(item, "fixturenames", ())):
        # Imported now, since another fixture may replace the file system by one without our files.
        import provisioning.testing.server  # noqa: F401, PLC0415
    for server in item.session.stash.get(RUNNING, {}).values():
        item.stash[SEEN] = server.requests.last_id


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        seen = item.stash.get(SEEN, 0)
        for name, server in item.session.stash.get(RUNNING, {}).items():
            if lines := server.report(since=seen):
                report.sections.append((TITLE.format(name), lines))
        for name, server in item.stash.get(RUNNING, {}).items():
            if lines := server.report():
                report.sections.append((TITLE.format(name), lines))
    return report
