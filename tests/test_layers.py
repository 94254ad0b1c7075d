"""The house stands as CONTRIBUTING draws it."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "provisioning"
LAYERS = ("store", "domain", "web", "resources", "factory")
"""From the ground up; a layer imports from those before it. What is not listed stands on top."""
BESIDE = {"settings": "domain", "seed": "resources"}
"""Single modules, and the highest layer that they may import from."""
ALLOWED_IN_WEB = {"settings", "__version__"}
KEPT_OUT = {
    "store": {"flask", "marshmallow", "werkzeug"},
    "domain": {"flask", "marshmallow", "werkzeug"},
}

MODULES = sorted(
    path for layer in LAYERS for path in [*PACKAGE.glob(f"{layer}/*.py"), PACKAGE / f"{layer}.py"]
)


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)


def layer_of(path: Path) -> str:
    place = path.relative_to(PACKAGE).parts[0]
    return place.removesuffix(".py")


@pytest.mark.parametrize("path", [each for each in MODULES if each.exists()], ids=str)
def test_imports_go_one_way(path):
    """factory -> resources -> web -> domain -> store."""
    layer = layer_of(path)
    lower = set(LAYERS[: LAYERS.index(layer) + 1])
    lower |= {name for name, highest in BESIDE.items() if highest in lower and layer != "domain"}
    if layer == "web":
        lower |= ALLOWED_IN_WEB
    for name in imports(path):
        package, _, rest = name.partition(".")
        if package == "provisioning" and layer != "factory":
            assert rest.partition(".")[0] in lower, f"{path.name} imports {name}"


@pytest.mark.parametrize("path", [each for each in MODULES if each.exists()], ids=str)
def test_the_store_and_the_domain_know_no_http(path):
    kept_out = KEPT_OUT.get(layer_of(path), set())
    assert not kept_out & {name.partition(".")[0] for name in imports(path)}


def test_no_modules_import_each_other_in_a_circle():
    """Neither at once, nor later within a function, nor for types alone.

    The package itself is left out: it only hands on what its modules have.
    """
    modules = {module_of(path): path for path in PACKAGE.rglob("*.py")}
    del modules["provisioning"]
    graph = {}
    for importing, path in modules.items():
        named = (name if name in modules else name.rpartition(".")[0] for name in imports(path))
        graph[importing] = {name for name in named if name in modules}
    TopologicalSorter(graph).prepare()


def module_of(path: Path) -> str:
    name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    return name.removesuffix(".__init__")
