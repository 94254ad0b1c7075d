import gc
import os

import pytest
from hypothesis import settings

from provisioning.testing.sandbox import Client, Sandbox

pytest_plugins = ["tests.disks", "tests.routes", "tests.postgresql", "tests.stores"]


# How long an example takes depends on what else the machine does.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture
def sandbox() -> Sandbox:
    """A whole server in memory whose clock stands at 2026-01-15T12:00:00Z."""
    return Sandbox()


@pytest.fixture
def administrator(sandbox: Sandbox) -> Client:
    """Requests of alice@acme.test, ADMINISTRATOR of acme."""
    return sandbox.administrator


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Slow tests wait for processes more than they compute: two at once for each core."""
    return 2 * (os.cpu_count() or 1) if config.option.markexpr == "slow" else None


def pytest_collection_finish() -> None:
    """Let the garbage collector look no more at what is there already: thousands of tests."""
    gc.freeze()


def pytest_report_teststatus(
    report: pytest.TestReport, config: pytest.Config
) -> tuple[str, str, str] | None:
    """With -q nothing is shown of a test that passes."""
    is_quiet = config.get_verbosity() < 0
    return ("passed", "", "") if is_quiet and report.passed and report.when == "call" else None
