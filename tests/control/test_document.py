"""/_control/openapi.json is valid, complete, and true: its own examples do what it promises."""

import functools
import re
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import validate

from provisioning.control.routes import RESOURCES
from provisioning.testing.sandbox import Sandbox
from tests.control.conftest import Controls

pytestmark = pytest.mark.storeless


@functools.cache
def document() -> Any:
    return Controls(Sandbox(control="on").client())("GET", "/openapi.json")


def operations() -> dict[str, Any]:
    return {
        f"{verb.upper()} {path.removeprefix('/_control')}": operation
        for path, item in document()["paths"].items()
        for verb, operation in item.items()
    }


OPERATIONS = operations()


def resolved(part: Any) -> Any:
    while "$ref" in part:
        part = functools.reduce(lambda at, name: at[name], part["$ref"][2:].split("/"), document())
    return part


def asked(control, name: str) -> Any:
    """An operation asked for with the examples of its path and body."""
    verb, path = name.split(" ")
    operation = OPERATIONS[name]
    for variable in operation["parameters"]:
        if variable["in"] == "path":
            path = path.replace(f"{{{variable['name']}}}", str(variable["example"]))
    body = operation.get("requestBody")
    return control.ask(verb, path, body and body["content"]["application/json"]["example"])


@pytest.fixture
def furnished(sandbox, control):
    """A server that has whatever the examples of paths name."""
    control("PUT", "/snapshots/before")
    control("POST", "/tenants", {"label": "umbrella"})
    control("POST", "/faults", {"path": "/info", "status": 503, "times": 1})
    sandbox.administrator.get("/info")
    sandbox.administrator.put("/info", json={"theme": "dark"})
    return control


def test_it_is_valid_with_a_token_and_without():
    validate(document())
    token = "a-token-for-the-control"
    control = Controls(Sandbox(control="on", control_token=token).client(token))
    with_token = control("GET", "/openapi.json")
    validate(with_token)
    assert with_token["security"] == [{"controlToken": []}]
    assert {} in document()["security"]


def test_it_lists_every_route():
    routes = {
        f"{each.verb} {re.sub('<.*?>', '{}', path)}"
        for resource in RESOURCES
        for each in resource.operations
        for path in each.paths
    }
    assert {re.sub("{.*?}", "{}", name) for name in OPERATIONS} == routes


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_told_in_whole_sentences(name):
    operation = OPERATIONS[name]
    texts = [operation["summary"], operation["description"]]
    texts += [each["description"] for each in map(resolved, operation["parameters"])]
    texts += [resolved(answer)["description"] for answer in operation["responses"].values()]
    for text in texts:
        assert re.match(r"`?[A-Za-z]", text) and text.rstrip("`)").endswith("."), text


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "POST /tenants"])
def test_the_examples_are_answered_as_promised(furnished, name):
    answer = asked(furnished, name)
    assert answer.status_code < 300, answer.text
    promised = resolved(OPERATIONS[name]["responses"][str(answer.status_code)])
    content = promised.get("content")
    if content is None:
        assert answer.data == b""
    else:
        schema = {
            **content["application/json"]["schema"],
            "components": document()["components"],
        }
        jsonschema.validate(answer.json, schema)


def test_a_new_tenant_is_as_promised(control):
    answer = asked(control, "POST /tenants")
    assert answer.status_code == 201
    schema = {"$ref": "#/components/schemas/Access", "components": document()["components"]}
    jsonschema.validate(answer.json, schema)


@pytest.mark.parametrize(
    "name, body, status",
    [
        ("POST /seed", None, 400),
        ("GET /snapshots/{name}/load", None, 405),
        ("POST /snapshots/{name}/load", None, 404),
        ("POST /clock/advance", {"by": "soon"}, 422),
        ("PUT /snapshots/{name}", None, 422),
    ],
)
def test_errors_are_among_those_that_it_lists(control, name, body, status):
    verb, path = name.split(" ")
    answer = control.ask(verb, path.replace("{name}", "No Slug"), body)
    assert answer.status_code == status
    if name in OPERATIONS:
        assert str(status) in OPERATIONS[name]["responses"]
