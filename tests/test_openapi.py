"""/openapi.json is valid, complete, and true: what it promises is what the server does."""

import functools
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import jsonschema
import pytest
from openapi_spec_validator import validate
from werkzeug.datastructures import ImmutableMultiDict

from provisioning.factory import create_app, memory_store, open_server, open_store
from provisioning.settings import Settings
from provisioning.testing.sandbox import Client, Sandbox
from provisioning.web import openapi
from provisioning.web.context import Request
from provisioning.web.fields import Choice, Slug, Whole
from provisioning.web.operation import BASE_PATH, Variable
from provisioning.web.records import RecordSchema
from provisioning.web.routing import Resource
from tests.routes import contract_routes, generic

BOB = "bob@acme.test"
ALICE = "/users/alice@acme.test"
ENTERPRISE = "/services/enterprise"


@functools.cache
def document() -> Any:
    return Sandbox().client().get("//openapi.json").json


def operations() -> dict[str, Any]:
    """Every operation as the contract writes it, `GET /users/{username}`, below the base path."""
    return {
        f"{verb.upper()} {path.removeprefix(BASE_PATH)}": operation
        for path, item in document()["paths"].items()
        for verb, operation in item.items()
    }


OPERATIONS = operations()
CREATIONS = [name for name in OPERATIONS if "links" in OPERATIONS[name]["responses"].get("201", {})]
BODIES = [name for name in OPERATIONS if "requestBody" in OPERATIONS[name]]


def example_of(operation: Any) -> Any:
    return operation["requestBody"]["content"]["application/json"]["example"]


def resolved(part: Any) -> Any:
    while "$ref" in part:
        part = functools.reduce(lambda at, name: at[name], part["$ref"][2:].split("/"), document())
    return part


def check_answer(operation: Any, response: Any) -> None:
    """The answer is one that the document promises: status, headers, type and content."""
    promised = resolved(operation["responses"][str(response.status_code)])
    for name, header in promised["headers"].items():
        value = response.headers[name]
        typed = int(value) if resolved(header)["schema"]["type"] == "integer" else value
        jsonschema.validate(typed, resolved(header)["schema"])
    content = promised.get("content", {})
    if not content:
        assert response.data == b""
        return
    [(media_type, described)] = content.items()
    assert response.content_type == media_type
    schema = described["schema"] | {"components": document()["components"]}
    jsonschema.validate(response.json, schema, cls=jsonschema.Draft202012Validator)


@pytest.fixture
def prepared(sandbox):
    """Bob has an account but in no tenant a privilege; the tenant has the enterprise plan."""
    sandbox.add_user(BOB, role=None)
    assert sandbox.administrator.post(ENTERPRISE).status_code == 201
    return sandbox


@pytest.mark.slow
def test_the_document_is_valid_openapi_3_1():
    assert document()["openapi"] == "3.1.0"
    validate(document())


def test_it_has_every_route_of_the_contract_and_no_other_below_the_base_path():
    listed = {generic(*name.split(" ", 1)) for name in OPERATIONS if " /health/" not in name}
    assert listed == set(contract_routes())


def test_it_has_the_health_checks_which_need_no_key():
    for name in ("GET /health/live", "GET /health/ready"):
        assert OPERATIONS[name]["security"] == []


def test_every_operation_has_an_id_of_its_own_a_summary_and_a_described_tag():
    ids = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(ids)) == len(ids)
    described = {tag["name"] for tag in document()["tags"] if tag["description"]}
    for operation in OPERATIONS.values():
        assert operation["summary"].endswith(".")
        assert set(operation["tags"]) <= described


def test_a_route_with_an_older_name_is_listed_under_both():
    assert OPERATIONS["GET /endpoints"]["operationId"] == "list_endpoints"
    assert (
        OPERATIONS["GET /service-endpoints"]["operationId"] == "list_endpoints_at_service_endpoints"
    )


def test_every_parameter_says_what_it_means():
    for operation in OPERATIONS.values():
        for parameter in map(resolved, operation.get("parameters", [])):
            assert parameter["description"].endswith(".")


def test_generators_of_clients_are_told_of_no_way_that_puts_a_key_into_an_address():
    [(name, scheme)] = document()["components"]["securitySchemes"].items()
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert document()["security"] == [{name: []}]
    for operation in OPERATIONS.values():
        names = {each["name"] for each in map(resolved, operation.get("parameters", []))}
        assert "apikey" not in names


def test_people_are_told_of_the_other_two_places_for_a_key():
    text = document()["info"]["description"]
    assert all(place in text for place in ("Authorization: Bearer", "X-API-Key", "`apikey`"))


def test_with_authentication_off_no_key_is_asked_for():
    open_document = Sandbox(auth="off").client().get("//openapi.json").json
    assert open_document["security"] == []
    answers = open_document["paths"][f"{BASE_PATH}/whoami"]["get"]["responses"]
    assert "401" not in answers
    assert "404" in answers


def test_the_page_size_is_the_one_that_the_server_is_set_to():
    limited = Sandbox(max_page_size=15).client().get("//openapi.json").json
    assert limited["components"]["parameters"]["size"]["schema"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 15,
        "default": 15,
    }


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in OPERATIONS
        if "X-Total-Count"
        in resolved(OPERATIONS[name]["responses"].get("200", {})).get("headers", {})
    ],
)
def test_a_list_takes_every_order_that_its_document_names(prepared, name):
    parameters = {each["name"]: each for each in map(resolved, OPERATIONS[name]["parameters"])}
    allowed = resolved(parameters["order"]["schema"]["items"])["enum"]
    path = name.removeprefix("GET ").replace("{username}", "alice@acme.test")
    response = prepared.administrator.get(f"{path}?q=alice&order={','.join(allowed)}")
    assert response.status_code == 200
    check_answer(OPERATIONS[name], response)
    refused = prepared.administrator.get(f"{path}?q=alice&order=apiToken")
    assert refused.status_code == 422
    check_answer(OPERATIONS[name], refused)


@pytest.mark.parametrize("name", CREATIONS)
def test_an_example_creates_a_record_and_its_links_lead_to_it(prepared, name):
    if name == "POST /users":
        prepared = Sandbox()
    client, operation = prepared.administrator, OPERATIONS[name]
    path = name.removeprefix("POST ").replace("{username}", "alice@acme.test")
    made = client.post(path, json=example_of(operation))
    assert made.status_code == 201
    check_answer(operation, made)
    check_answer(operation, client.post(path, json=example_of(operation)))

    links = {
        each["operationId"]: each["parameters"]
        for each in operation["responses"]["201"]["links"].values()
    }
    linked = {
        each: OPERATIONS[each] for each in OPERATIONS if OPERATIONS[each]["operationId"] in links
    }
    assert {each.split()[0] for each in linked} == {"GET", "PUT", "DELETE"}
    for each, statuses in (("GET", 200), ("PUT", 200), ("DELETE", 204)):
        [(target, described)] = [pair for pair in linked.items() if pair[0].startswith(each)]
        [value] = [
            made.json[expression.removeprefix("$response.body#/")]
            for expression in links[described["operationId"]].values()
            if expression.startswith("$response")
        ]
        below = target.split(" ", 1)[1].rpartition("/")[0].replace("{username}", "alice@acme.test")
        body = {"json": example_of(described)} if each == "PUT" else {}
        response = client.request(each, f"{below}/{value}", **body)
        assert response.status_code == statuses, response.data
        check_answer(described, response)


ELSEWHERE = {
    "PUT /info": "/info",
    "POST /users/{username}/privilege": f"/users/{BOB}/privilege",
    "PUT /users/{username}/privilege": f"{ALICE}/privilege",
    "POST /services/{label}": "/services/mobile-insights",
    "PUT /services/{label}": ENTERPRISE,
    "PUT /statements/{label}/config": "/statements/delayed-shipments/config",
}
"""Where the operations with a body are tried that no link leads to."""


@pytest.mark.parametrize("name", ELSEWHERE)
def test_an_example_is_accepted_where_no_link_leads(prepared, name):
    verb, _, _ = name.partition(" ")
    response = prepared.administrator.request(
        verb, ELSEWHERE[name], json=example_of(OPERATIONS[name])
    )
    assert response.status_code in {200, 201}, response.data
    check_answer(OPERATIONS[name], response)


def test_every_example_is_tried_by_these_tests():
    linked = {
        link["operationId"]
        for name in CREATIONS
        for link in OPERATIONS[name]["responses"]["201"]["links"].values()
    }
    reached = {name for name in BODIES if OPERATIONS[name]["operationId"] in linked}
    assert set(BODIES) == reached | set(CREATIONS) | set(ELSEWHERE)
    assert all(example_of(OPERATIONS[name]) for name in BODIES)


@pytest.mark.parametrize("name", BODIES)
def test_an_example_fits_its_own_schema(name):
    content = OPERATIONS[name]["requestBody"]["content"]["application/json"]
    schema = content["schema"] | {"components": document()["components"]}
    jsonschema.validate(content["example"], schema, cls=jsonschema.Draft202012Validator)


PUT_ALICE = ("PUT", ALICE, "PUT /users/{username}")
NEW_USER = ("POST", "/users", "POST /users")


@pytest.mark.parametrize(
    ("status", "request_line", "facts"),
    [
        (400, PUT_ALICE, {"data": "{", "content_type": "application/json"}),
        (401, PUT_ALICE, {"json": {}, "headers": {"Authorization": "Bearer unknown"}}),
        (404, ("PUT", "/users/nobody", PUT_ALICE[2]), {"json": {}}),
        (409, NEW_USER, {"json": {"username": BOB, "email": BOB, "password": "x"}}),
        (412, PUT_ALICE, {"json": {}, "headers": {"If-Match": '"old"'}}),
        (413, PUT_ALICE, {"data": b" " * 1_048_577, "content_type": "application/json"}),
        (415, PUT_ALICE, {"data": "{}", "content_type": "text/plain"}),
        (422, PUT_ALICE, {"json": {"birthYear": 0}}),
    ],
)
def test_an_error_looks_as_documented(prepared, status, request_line, facts):
    verb, path, name = request_line
    response = prepared.administrator.request(verb, path, **facts)
    assert response.status_code == response.json["status"] == status
    check_answer(OPERATIONS[name], response)


@pytest.mark.parametrize(
    ("verb", "path", "name", "changes"),
    [
        ("DELETE", ALICE, "/users/{username}", None),
        ("DELETE", f"{ALICE}/privilege", "/users/{username}/privilege", None),
        ("PUT", f"{ALICE}/privilege", "/users/{username}/privilege", {"role": "USER"}),
        ("DELETE", "/privileges/1", "/privileges/{id}", None),
        ("PUT", "/privileges/1", "/privileges/{id}", {"role": "USER"}),
        ("POST", "/services/core", "/services/{label}", {}),
        ("PUT", "/services/core", "/services/{label}", {"activeUntil": "2036-01-01T00:00:00Z"}),
        ("DELETE", "/services/core", "/services/{label}", None),
    ],
)
def test_a_conflict_is_documented_where_a_rule_between_records_is_broken(
    administrator, verb, path, name, changes
):
    body = {} if changes is None else {"json": changes}
    response = administrator.request(verb, path, **body)
    assert response.status_code == 409
    check_answer(OPERATIONS[f"{verb} {name}"], response)


def test_a_403_looks_as_documented(sandbox):
    reader = sandbox.client(sandbox.add_key("alice@acme.test", type="QUERY_ONLY"))
    response = reader.put(ALICE, json={})
    assert response.status_code == 403
    check_answer(OPERATIONS[PUT_ALICE[2]], response)


def test_a_503_looks_as_documented(tmp_path):
    data = tmp_path / "db.json"
    sandbox = Sandbox(store=open_store(Settings(data=data)))
    data.write_text("{")
    response = sandbox.administrator.put(ALICE, json={"hint": "new"})
    assert response.status_code == 503
    check_answer(OPERATIONS[PUT_ALICE[2]], response)


def test_a_304_looks_as_documented(administrator):
    etag = administrator.get(ALICE).headers["ETag"]
    response = administrator.get(ALICE, headers={"If-None-Match": etag})
    assert response.status_code == 304
    check_answer(OPERATIONS["GET /users/{username}"], response)


def test_an_answer_has_every_member_that_the_document_lists_and_no_other(administrator):
    schema = document()["components"]["schemas"]["User"]
    assert set(administrator.get(ALICE).json) == set(schema["properties"])
    assert schema["required"] == list(schema["properties"])


def validator_of(name: str) -> Any:
    schema = {"$ref": f"#/components/schemas/{name}", "components": document()["components"]}
    return jsonschema.Draft202012Validator(schema)


def schemas_of(name: str) -> tuple[Any, Any, Any]:
    schemas = document()["components"]["schemas"]
    return schemas[name], schemas[f"New{name}"], schemas[f"{name}Changes"]


def test_a_password_is_no_part_of_an_answer():
    shown, new, changes = schemas_of("User")
    assert "password" not in shown["properties"]
    assert new["properties"]["password"]["format"] == "password"
    assert changes["properties"]["password"]["format"] == "password"


def test_creation_needs_members_that_a_change_does_not():
    _, new, changes = schemas_of("User")
    assert new["required"] == ["username", "email", "password"]
    assert "required" not in changes


def test_members_of_the_servers_own_are_not_offered_for_a_body():
    shown, new, changes = schemas_of("User")
    assert set(shown["properties"]) - set(new["properties"]) == {
        "id",
        "activeApiKeys",
        "home",
    }
    assert "tenantUserPrivileges" not in changes["properties"]
    # Generators would make a second set of classes of these.
    assert not re.search("readOnly|writeOnly|patternProperties", json.dumps(document()))


def test_a_record_as_it_was_answered_fits_the_body_of_a_change(administrator):
    shown = administrator.get(ALICE).json
    validator = validator_of("UserChanges")
    assert validator.is_valid(shown)
    assert not validator.is_valid(shown | {"unknown": 1})


@pytest.mark.parametrize("member", ["id", "tenantUserPrivileges", "activeApiKeys"])
def test_a_change_may_carry_what_is_the_servers_own_and_it_is_ignored(administrator, member):
    sent = {member: ["anything"]}
    assert validator_of("UserChanges").is_valid(sent)
    before = administrator.get(ALICE).json
    assert administrator.put(ALICE, json=sent).json == before


def test_a_configuration_may_hold_anything():
    for name in ("Config", "ConfigChanges"):
        assert validator_of(name).is_valid({"anything": [1]})
        assert document()["components"]["schemas"][name]["additionalProperties"] is True


def test_null_stands_for_a_default_at_creation_only():
    _, new, changes = schemas_of("Endpoint")
    for member, kind in (("activeFrom", "string"), ("durable", "boolean")):
        assert new["properties"][member]["type"] == [kind, "null"]
        assert changes["properties"][member]["type"] == kind
    assert new["properties"]["active"]["default"] is True
    assert "default" not in changes["properties"]["active"]


def test_an_endpoint_type_is_a_label_or_an_object_going_in_and_an_object_coming_out():
    shown, new, _ = schemas_of("Endpoint")
    kinds = [each["type"] for each in new["properties"]["endpointType"]["oneOf"]]
    assert kinds == ["string", "object"]
    reference, null = shown["properties"]["endpointType"]["anyOf"]
    assert reference["$ref"].endswith("/EndpointType")
    assert null == {"type": "null"}


@pytest.mark.parametrize(
    ("schema", "member", "facts"),
    [
        ("NewDashboard", "label", {"pattern": "^[a-z0-9]+([-_][a-z0-9]+)*$", "maxLength": 50}),
        ("NewDashboard", "listOrder", {"minimum": -(2**31), "maximum": 2**31 - 1}),
        ("NewUser", "birthYear", {"minimum": 1, "maximum": 9999}),
        ("User", "id", {"type": "integer"}),
        ("ApiKey", "activeUntil", {"type": ["string", "null"], "format": "date-time"}),
        ("NewStatement", "query", {"maxLength": 10_000}),
        ("NewStatement", "config", {"type": ["object", "null"]}),
    ],
)
def test_a_member_is_described_by_its_kind(schema, member, facts):
    described = document()["components"]["schemas"][schema]["properties"][member]
    assert described.items() >= facts.items()


def test_no_pattern_speaks_a_dialect_of_one_language():
    text = json.dumps(document())
    assert not re.search(r'"pattern": "[^"]*\\\\[AZzG]', text)


def test_the_document_needs_no_key_and_has_an_etag(sandbox):
    first = sandbox.client().get("//openapi.json")
    assert first.status_code == 200
    assert first.content_type == "application/json"
    assert first.headers["X-Request-ID"]
    again = sandbox.client().get("//openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    ("schema", "member", "value", "fits"),
    [
        ("NewUser", "username", "Zoë O'Neil@acme.test", True),
        ("NewUser", "username", "2bob", True),
        ("NewUser", "username", "...", True),
        ("NewUser", "username", "12345", True),
        ("NewUser", "username", "..", False),
        ("NewUser", "username", "a/b", False),
        ("NewUser", "username", " bob", False),
        ("NewUser", "username", "bob\x7f", False),
        ("NewUser", "email", "@acme.test", False),
        ("NewUser", "email", "a@b", True),
        ("NewUser", "email", "a@b@c", False),
        ("NewEndpoint", "url", "amqps://mq.acme.example:5671/path?at=@", True),
        ("NewEndpoint", "url", "amqps://me@mq.acme.example", False),
        ("NewEndpoint", "url", "mq.acme.example:5671", True),
        ("NewEndpoint", "url", "http://mq acme.example", False),
        ("NewStatement", "title", " ", False),
        ("NewStatement", "title", " x ", True),
    ],
)
def test_a_pattern_takes_what_the_server_takes(prepared, schema, member, value, fits):
    described = document()["components"]["schemas"][schema]["properties"][member]
    assert jsonschema.Draft202012Validator(described).is_valid(value) == fits
    name = {"NewUser": "/users", "NewEndpoint": "/endpoints", "NewStatement": "/tenant-statements"}
    body = example_of(OPERATIONS[f"POST {name[schema]}"]) | {"username": "new@acme.test"}
    if schema != "NewUser":
        del body["username"]
    response = prepared.administrator.post(name[schema], json=body | {member: value})
    assert (response.status_code == 201) == fits, response.data


def enumerations(part: Any, place: str = "") -> Iterator[str]:
    """Where a schema lists its values."""
    if isinstance(part, dict):
        if isinstance(part.get("enum"), list):
            yield place
        for name, inner in part.items():
            yield from enumerations(inner, f"{place}/{name}")
    elif isinstance(part, list):
        for inner in part:
            yield from enumerations(inner, place)


def test_each_set_of_words_is_one_component():
    schemas = document()["components"]["schemas"]
    listed = {name: tuple(each["enum"]) for name, each in schemas.items() if "enum" in each}
    assert {"Role", "KeyType", "Status", "Gender", "Activity"} <= set(listed)
    assert len(set(listed.values())) == len(listed)
    places = {place.removeprefix("/") for place in enumerations(schemas)}
    assert {place for place in places if not place.endswith("/propertyNames")} == set(listed)


def test_a_parameter_refers_to_its_words_too():
    parameters = {
        each["name"]: each for each in map(resolved, OPERATIONS["GET /users"]["parameters"])
    }
    assert parameters["active"]["schema"] == {"$ref": "#/components/schemas/Activity"}


def test_the_audits_filter_takes_the_names_that_the_document_lists(administrator):
    parameters = map(resolved, OPERATIONS["GET /audit"]["parameters"])
    [described] = [each for each in parameters if each["name"] == "resource"]
    names = resolved(described["schema"])["enum"]
    assert {"users", "privileges", "api-keys"} <= set(names)
    refused = administrator.get("/audit?resource=nothing").json["errors"]["resource"]
    assert refused == [f"Must be one of {', '.join(names)}."]


def test_a_word_that_may_be_absent_is_the_component_or_null():
    for schema in schemas_of("User"):
        reference, null = schema["properties"]["gender"]["anyOf"]
        assert reference == {"$ref": "#/components/schemas/Gender"}
        assert null == {"type": "null"}


def test_two_sets_of_words_do_not_share_a_name():
    class First(RecordSchema):
        mood = Choice("Mood", ("GOOD", "BAD"))
        again = Choice("Mood", ("GOOD", "BAD"))

    class Second(First):
        again = Choice("Mood", ("GOOD", "WORSE"))

    assert toy_document(First())["components"]["schemas"]["Mood"]["enum"] == ["GOOD", "BAD"]
    with pytest.raises(ValueError, match="Mood"):
        toy_document(Second())


WORDS = {
    "GET": {"list", "get"},
    "POST": {"create"},
    "PUT": {"update"},
    "DELETE": {"delete", "revoke", "end"},
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_called_as_people_expect_in_a_client(name):
    word, _, noun = OPERATIONS[name]["operationId"].partition("_")
    assert word in WORDS[name.split()[0]]
    assert noun and not noun.startswith("one_")


def test_what_leaves_a_record_as_history_is_not_called_to_delete():
    named = {
        name: OPERATIONS[name]["operationId"]
        for name in OPERATIONS
        if name.startswith("DELETE ") and not OPERATIONS[name]["operationId"].startswith("delete_")
    }
    assert named == {
        "DELETE /users/{username}": "revoke_user",
        "DELETE /privileges/{id}": "revoke_privilege",
        "DELETE /users/{username}/privilege": "revoke_privileges_of_user",
        "DELETE /services/{label}": "end_subscription",
    }


def test_the_operations_on_users_have_these_names():
    ids = {
        OPERATIONS[name]["operationId"]
        for name in OPERATIONS
        if OPERATIONS[name]["tags"] == ["users"]
    }
    assert ids >= {"list_users", "get_user", "create_user", "update_user", "revoke_user"}


def test_an_older_path_is_deprecated_and_no_other():
    deprecated = {name.split()[1] for name in OPERATIONS if OPERATIONS[name].get("deprecated")}
    assert deprecated == {"/service-endpoints", "/service-endpoints/{id}"}


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_people_read_are_sentences(name):
    operation = OPERATIONS[name]
    texts = [operation["description"], operation["summary"]]
    texts += [resolved(each)["description"] for each in operation["responses"].values()]
    for text in texts:
        assert re.fullmatch(r"[A-Z`].{8,}\.", text, re.DOTALL), text


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_variable_of_a_path_has_an_example_that_fits(name):
    described = map(resolved, OPERATIONS[name].get("parameters", []))
    variables = {each["name"]: each for each in described if each["in"] == "path"}
    assert set(re.findall(r"{(.*?)}", name)) == set(variables)
    for each in variables.values():
        jsonschema.validate(each["example"], each["schema"])


def test_every_get_finds_the_examples_of_its_path_in_the_demo_data():
    settings = Settings(demo="on")
    server = open_server(settings, memory_store())
    client = Client(create_app(settings, server), "demo-acme-alice-administrator-basic-key")
    for name, operation in OPERATIONS.items():
        verb, path = name.split()
        # The demo has no history yet.
        if verb == "GET" and "{" in path and not path.startswith("/audit"):
            for each in map(resolved, operation["parameters"]):
                path = path.replace(f"{{{each['name']}}}", str(each.get("example")))
            assert (path, client.get(path).status_code) == (path, 200)


def test_what_identity_providers_ask_for_is_described_in_its_own_form():
    described = Sandbox(scim="on").client().get("//openapi.json").json
    validate(described)
    create = described["paths"]["/scim/v2/Users"]["post"]
    assert set(create["requestBody"]["content"]) == {"application/scim+json"}
    for status in ("201", "400", "409"):
        answer = create["responses"][status]
        while "$ref" in answer:
            answer = described["components"]["responses"][answer["$ref"].rpartition("/")[2]]
        assert set(answer["content"]) == {"application/scim+json"}
    names = {each.get("name") for each in described["paths"]["/scim/v2/Users"]["get"]["parameters"]}
    assert {"filter", "startIndex", "count"} <= names


def test_what_is_always_refused_is_not_offered():
    described = Sandbox(scim="on").client().get("//openapi.json").json
    assert not {"/scim/v2/Me", "/scim/v2/Bulk"} & set(described["paths"])
    assert set(described["paths"]["/scim/v2/Groups"]) == {"get"}


@pytest.mark.parametrize(
    ("settings", "refusal"), [({}, "403"), ({"metrics_token": "0123456789abcdef"}, "401")]
)
def test_metrics_are_described_where_they_are_served(settings, refusal):
    described = Sandbox(metrics="on", auth="off", **settings).client().get("//openapi.json").json
    validate(described)
    metrics = described["paths"]["/metrics"]["get"]
    assert set(metrics["responses"]) == {"200", "400", refusal, "500"}
    assert "/metrics" not in document()["paths"]


def test_the_document_names_the_address_by_which_it_was_asked_for(sandbox):
    facts = {"base_url": "https://api.acme.test:8443/tenants", "headers": {}}
    [server] = sandbox.client().get("//openapi.json", **facts).json["servers"]
    assert server["url"] == "https://api.acme.test:8443/tenants"
    [server] = sandbox.client().get("//openapi.json").json["servers"]
    assert server["url"] == "http://localhost"


class ToySchema(RecordSchema):
    """A thing to play with."""

    example = {"label": "ball", "id": 1}

    id = Whole(1, 9, dump_only=True)
    label = Slug(50)
    weight = Whole(1, 9)


TOY_VARIABLES = {"/toys/<label>": Variable("label", "The label of a toy.", "ball")}


def toy_document(schema: RecordSchema, variables: Any = TOY_VARIABLES, **facts: Any) -> Any:
    """The document of a resource that the web folder has never heard of."""
    toys = Resource("toys", __name__, "Things to play with.", variables=variables, **facts)

    @toys.operation("GET", "/toys", answer=schema, many=True)
    def list_toys() -> None:
        """List the toys."""

    @toys.operation("POST", "/toys", body=schema, answer=schema, errors=[404])
    def create_toy(body: Any) -> None:
        """Make a toy."""

    @toys.operation("GET", "/toys/<label>", answer=schema)
    def show_one_toy(label: str) -> None:
        """Show a toy."""

    @toys.operation(
        "PUT", "/toys/<label>", body=schema, answer={"type": "object"}, body_needed=False
    )
    def replace_toy(label: str, body: Any) -> None:
        """Change a toy."""

    @toys.operation("POST", "/toys/<label>/lose", status=204)
    def lose_toy(label: str) -> None:
        """Lose a toy."""

    about = openapi.About(
        "Toys", "All about toys.", {"token": {"type": "http", "scheme": "bearer"}}, is_open=True
    )
    return openapi.build([toys], about, Settings())


def test_a_tenth_resource_is_described_without_an_edit():
    described = toy_document(ToySchema())
    validate(described)
    item = described["paths"][f"{BASE_PATH}/toys/{{label}}"]
    assert item["get"]["operationId"] == "get_toy"
    assert item["get"]["parameters"][0]["example"] == "ball"
    links = described["paths"][f"{BASE_PATH}/toys"]["post"]["responses"]["201"]["links"]
    assert set(links) == {"get_toy", "update_toy"}
    body = described["paths"][f"{BASE_PATH}/toys"]["post"]["requestBody"]
    assert body["content"]["application/json"]["example"] == {"label": "ball"}


def test_a_variable_that_nobody_has_declared_is_an_error_that_names_it():
    with pytest.raises(LookupError, match="/toys/<label>"):
        toy_document(ToySchema(), variables={})


def test_an_api_of_its_own_has_its_own_base_path_and_neither_callers_nor_pages_nor_etags():
    described = toy_document(ToySchema(), base_path="/_play")
    validate(described)
    assert described["security"] == [{}, {"token": []}]
    assert {path.split("/")[1] for path in described["paths"]} == {"_play"}
    everything = json.dumps(described)
    for word in ("ETag", "If-Match", "X-Total-Count", '"page"', "ADMINISTRATOR", '"412"'):
        assert word not in everything
    change = described["paths"]["/_play/toys/{label}"]["put"]
    assert not change["requestBody"]["required"]
    assert change["responses"]["200"]["content"]["application/json"]["schema"] == {"type": "object"}
    assert "404" in described["paths"]["/_play/toys"]["post"]["responses"]
    lose = described["paths"]["/_play/toys/{label}/lose"]["post"]
    assert lose["operationId"] == "lose_toy"
    assert "content" not in lose["responses"]["204"]


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name.startswith("GET /")])
def test_a_query_parameter_is_listed_if_and_only_if_the_server_reads_it(
    prepared, monkeypatch, name
):
    read = set()

    class Noting(ImmutableMultiDict):
        def getlist(self, key, *args):
            read.add(key)
            return super().getlist(key, *args)

        def get(self, key, *args, **facts):
            read.add(key)
            return super().get(key, *args, **facts)

    parameters = list(map(resolved, OPERATIONS[name].get("parameters", [])))
    path = name.removeprefix("GET ")
    for each in parameters:
        path = path.replace(f"{{{each['name']}}}", str(each.get("example")))
    if name.startswith("GET /health/"):
        path = f"/{path}"
    monkeypatch.setattr(Request, "parameter_storage_class", Noting)
    # What a query asks that was asked before isn't read again.
    query = f"q=alice&asked_by={quote(name)}"
    assert prepared.administrator.get(f"{path}?{query}").status_code in {200, 404}
    listed = {each["name"] for each in parameters if each["in"] == "query"}
    assert read - {"apikey"} == listed
