"""Which test asked which route: a table of the contract's routes, made while the tests run.

pytest --routes-table        prints it; a route of the contract that no test asks is an error
"""

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from flask import request, request_started

from provisioning.web.operation import BASE_PATH

CONTRACT = Path(__file__).parent / "contract" / "routes.json"
TABLE = pytest.StashKey[dict[str, set[str]]]()
VARIABLE = re.compile(r"[<{][^>}]*[>}]")


def generic(verb: str, path: str) -> str:
    """A route whose variables have no names, since the contract's differ from the code's."""
    return f"{verb} {VARIABLE.sub('{}', path.removeprefix(BASE_PATH))}"


def contract_routes() -> dict[str, str]:
    """Every route of section 2 as written there, by its generic form."""
    listed = json.loads(CONTRACT.read_text())
    return {generic(row["verb"], row["path"]): f"{row['verb']} {row['path']}" for row in listed}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--routes-table", action="store_true", help="print which tests ask which route"
    )


def pytest_configure(config: pytest.Config) -> None:
    asked: dict[str, set[str]] = defaultdict(set)
    config.stash[TABLE] = asked

    def note(*_: object, **__: object) -> None:
        test = os.environ.get("PYTEST_CURRENT_TEST", "").partition("[")[0].partition(" (")[0]
        if request.url_rule is not None and test:
            asked[generic(request.method, request.url_rule.rule)].add(test)

    request_started.connect(note, weak=False)


def pytest_sessionfinish(session: pytest.Session) -> None:
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["routes"] = {route: sorted(t) for route, t in session.config.stash[TABLE].items()}
    elif session.config.getoption("--routes-table") and unasked(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker of pytest-xdist hands over what its tests asked."""
    for route, tests in getattr(node, "workeroutput", {}).get("routes", {}).items():
        node.config.stash[TABLE][route].update(tests)


def unasked(config: pytest.Config) -> list[str]:
    return [shown for route, shown in contract_routes().items() if route not in config.stash[TABLE]]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if not config.getoption("--routes-table"):
        return
    terminalreporter.section("routes of the contract, and the tests that ask them")
    for route, shown in contract_routes().items():
        tests = config.stash[TABLE].get(route, set())
        terminalreporter.line(f"{shown:52} {len(tests):4}  {telling(tests)}")
    for shown in unasked(config):
        terminalreporter.line(f"ERROR: no test asks {shown}")


def telling(tests: Iterable[str]) -> str:
    """One test's name: of the most special file, the shortest."""
    general = ("test_authorisation", "test_every_route", "test_openapi")
    ranked = sorted(tests, key=lambda test: (any(word in test for word in general), len(test)))
    return ranked[0] if ranked else "-"
