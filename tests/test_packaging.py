"""What `pip install` makes of the checkout, for projects that use the server in their tests."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from provisioning import __version__
from provisioning.cli.commands import main

CHECKOUT = Path(__file__).parents[1]
LOOK = """
import provisioning, provisioning.seed as seed
print(provisioning.__file__)
print(seed.BUILT_IN)
print(*sorted(path.name for path in seed.BUILT_IN.iterdir() if path.suffix == ".json"))
"""


def pyproject() -> dict:
    return tomllib.loads((CHECKOUT / "pyproject.toml").read_text())


def test_pyproject_lists_every_package():
    folders = {
        ".".join(module.parent.relative_to(CHECKOUT).parts)
        for module in (CHECKOUT / "provisioning").rglob("*.py")
    }
    assert set(pyproject()["tool"]["setuptools"]["packages"]) == {*folders, "provisioning._data"}


@pytest.mark.parametrize(
    "name", ["requirements.txt", "requirements-extras.txt", "requirements-dev.txt"]
)
def test_every_requirement_is_pinned(name):
    lines = (CHECKOUT / name).read_text().splitlines()
    packages = [line for line in lines if line and not line.startswith(("#", "-r "))]
    assert [line for line in packages if line.count("==") != 1] == []


def ranges() -> dict[str, Requirement]:
    """Whatever the wheel requires, extras included, by the name of the package."""
    project = pyproject()["project"]
    extras = project.get("optional-dependencies", {}).values()
    told = map(Requirement, [*project["dependencies"], *(line for each in extras for line in each)])
    return {canonicalize_name(each.name): each for each in told}


def pins(*names: str) -> dict[str, str]:
    lines = [line for name in names for line in (CHECKOUT / name).read_text().splitlines()]
    found = (line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    return {
        canonicalize_name(name.partition("[")[0]): version.split()[0] for name, version in found
    }


def test_the_wheel_requires_ranges_that_begin_somewhere():
    """`==` would fail beside a project with pins of its own."""
    for requirement in ranges().values():
        operators = {each.operator for each in requirement.specifier}
        assert ">=" in operators and not operators & {"==", "==="}, requirement


def test_what_is_pinned_for_ci_is_what_the_wheel_requires():
    core = {
        canonicalize_name(Requirement(line).name) for line in pyproject()["project"]["dependencies"]
    }
    assert pins("requirements.txt").keys() == core
    everywhere = pins(*(path.name for path in CHECKOUT.glob("requirements*.txt")))
    for name, requirement in ranges().items():
        assert requirement.specifier.contains(everywhere[name]), requirement


@pytest.mark.slow
def test_an_installed_package_carries_all_modules_and_the_shipped_data_but_no_other(tmp_path):
    checkout, installed = tmp_path / "checkout", tmp_path / "installed"
    for folder in ("provisioning", "data"):
        shutil.copytree(
            CHECKOUT / folder,
            checkout / folder,
            ignore=shutil.ignore_patterns("__pycache__", "db*"),
        )
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / file, checkout)
    (checkout / "data/db.json").write_text("{}")

    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--no-index", "--target", installed, checkout], check=True)
    shutil.rmtree(checkout)

    # From where it is installed, not from the checkout that the tests run in.
    look = subprocess.run(
        [sys.executable, "-c", LOOK],
        cwd=tmp_path,
        env={"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )
    package, data, names = look.stdout.splitlines()
    assert Path(package) == installed / "provisioning/__init__.py"
    assert Path(data) == installed / "provisioning/_data"
    assert names == "catalogue.json demo.json"
    page = Path("provisioning/console/page")
    assert files(installed / page) == files(CHECKOUT / page)
    assert (installed / "provisioning/py.typed").exists()
    assert modules(installed) == modules(CHECKOUT)


def files(root: Path) -> set[Path]:
    return {path.relative_to(root) for path in root.rglob("*") if path.is_file()}


def modules(root: Path) -> set[Path]:
    return {module.relative_to(root) for module in (root / "provisioning").rglob("*.py")}


def test_the_version_is_one(sandbox):
    told = CliRunner().invoke(main, ["--version"]).stdout
    document = sandbox.client(None).get("//openapi.json").json
    assert __version__ in told
    assert document["info"]["version"] == __version__


def test_an_older_python_is_told_in_one_sentence_and_leaves_nothing(tmp_path):
    older = tmp_path / "python3.10"
    older.write_text("#!/bin/sh\nexit 1\n")
    older.chmod(0o755)
    for name in ("Makefile", "pyproject.toml", "requirements.txt"):
        shutil.copy(Path(__file__).parent.parent / name, tmp_path)
    done = subprocess.run(
        [shutil.which("make"), "run", f"PYTHON={older}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert done.stderr.startswith("Python 3.11 or later is needed, ")
    assert len(done.stderr.splitlines()) == 2  # and make's own line
    assert not (tmp_path / ".venv").exists()
