"""The OpenAPI 3.1 document: what operations and schemas say, in the words of that format."""

import functools
import re
from collections.abc import Sequence

from apispec import APISpec
from flask import Flask, Response

from provisioning.domain import roles
from provisioning.settings import Settings
from provisioning.web.answers import JSON, answer
from provisioning.web.components import (
    ERRORS,
    SECURITY,
    TEXT,
    Document,
    Error,
    add_components,
    parameter,
    response,
    whole,
)
from provisioning.web.json_schema import Plugin, RecordConverter
from provisioning.web.paging import SEARCH
from provisioning.web.records import orderable
from provisioning.web.routing import BASE_PATH, Operation, Parameter, Resource

API_VERSION = "1"
"""The version in the base path: the API's, not this server's."""
DESCRIPTION = """
Who may do what in a tenant: users, privileges, services and API keys. The API key says which
tenant a request acts on. Every `GET` answers `HEAD`, every path `OPTIONS`; a trailing slash and
unknown query parameters do no harm. Errors are `application/problem+json` (RFC 9457).
"""
HEALTH = {"name": "health", "description": "For load balancers and supervisors; without a key."}
VARIABLE = re.compile("<(.*?)>")
VARIABLES = {
    "username": Parameter("username", "A username, in any case and Unicode form."),
    "reference": Parameter("id", "A privilege's id; or a username, for what they hold."),
    "label": Parameter("label", "A label."),
    "domain": Parameter("domain", "A domain, in Unicode or as A-labels."),
    "endpoint_id": Parameter("id", "A service endpoint's id."),
    "key": Parameter("key", "A key's `id`, or its `apiToken`."),
}
"""What a variable of a path is called here, and what it means."""
MEMBERS = {"key": "id"}
"""The member of a record that its path holds, where that has another name."""
EXAMPLES = {
    "users": "bob@acme.test",
    "privileges": "bob@acme.test",
    "domain-mapping": "insight.acme.example",
    "available-services": "enterprise",
    "services": "enterprise",
    "dashboards": "live-activity",
    "tenant-dashboards": "deliveries-by-depot",
    "statements": "delayed-shipments",
    "tenant-statements": "late-deliveries",
    "endpoints": "1",
    "service-endpoints": "1",
}
"""What may come after a segment of a path: of the catalogue, or once a body's example was sent."""


def build(resources: Sequence[Resource], settings: Settings) -> Document:
    """The document of these resources, for a server with these settings."""
    plugin = Plugin()
    spec = APISpec(
        "Provisioning API",
        API_VERSION,
        "3.1.0",
        plugins=[plugin],
        info={"description": DESCRIPTION.strip()},
        servers=[{"url": "/"}],
        security=[] if settings.is_open else [{name: []} for name in SECURITY],
        tags=[*({"name": each.name, "description": each.meaning} for each in resources), HEALTH],
    )
    add_components(spec, settings)
    operations = [each for resource in resources for each in resource.operations]
    for operation in operations:
        for path in operation.paths:
            shown = VARIABLE.sub(lambda found: f"{{{VARIABLES[found[1]].name}}}", path)
            described = _operation(plugin.converter, operation, path, settings)
            if operation.verb == "POST" and (links := _links(path, operations)):
                described["responses"]["201"]["links"] = links
            spec.path(BASE_PATH + shown, operations={operation.verb.lower(): described})
    _add_health(spec)
    return spec.to_dict()


def _operation(
    converter: RecordConverter, operation: Operation, path: str, settings: Settings
) -> Document:
    described: Document = {
        "operationId": _operation_id(operation, path),
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": _parameters(operation, path),
        "responses": _responses(converter, operation, path, settings),
    }
    if operation.allows != roles.ANY_ROLE:
        allowed = [role for role in roles.ROLES if role in operation.allows]
        described["description"] = f"Open to {', '.join(allowed)}."
    if operation.body is not None:
        body, is_new = operation.body, operation.verb == "POST"
        example = {
            name: value
            for name, value in body.example.items()
            if is_new or name not in body.fields or not body.fields[name].required
        }
        content = {JSON: {"schema": converter.body(body, is_new), "example": example}}
        described["requestBody"] = {"required": operation.body_needed, "content": content}
    return described


def _operation_id(operation: Operation, path: str) -> str:
    """The operation's name; that of an older path tells which one."""
    if path == operation.paths[0]:
        return operation.name
    return f"{operation.name}_at_{path.split('/')[1].replace('-', '_')}"


def _variables(path: str) -> list[Document]:
    described = []
    for segment, variable in re.findall(r"([^/]+)/<(.*?)>", path):
        example = {"example": EXAMPLES[segment]} if segment in EXAMPLES else {}
        described.append(parameter("path", VARIABLES[variable]) | example)
    return described


def _parameters(operation: Operation, path: str) -> list[Document | str]:
    described: list[Document | str] = [*_variables(path)]
    if operation.many and operation.answer is not None:
        allowed = [sign + member for member in orderable(operation.answer) for sign in ("", "-")]
        members = {"type": "array", "items": TEXT | {"enum": allowed}, "minItems": 1}
        order = Parameter("order", "Members to order by; `-` before one descends.", members)
        given = {each.name: each for each in (SEARCH, *operation.parameters)}
        described += ["page", "size", *(parameter("query", each) for each in given.values())]
        described.append(parameter("query", order) | {"style": "form", "explode": False})
    elif operation.verb != "POST":
        described.append("If-None-Match" if operation.verb == "GET" else "If-Match")
    return described


def _responses(
    converter: RecordConverter, operation: Operation, path: str, settings: Settings
) -> Document:
    responses: Document = {}
    answers, status = operation.answer, str(operation.status)
    if answers is None:
        responses[status] = response("Done.")
    elif operation.many:
        page = {"type": "array", "items": converter.shown(answers)}
        responses[status] = response("A page of them.", "X-Total-Count", "Link")
        responses[status]["content"] = {JSON: {"schema": page}}
    else:
        location = ["Location"] if operation.verb == "POST" else []
        responses[status] = response("The record as it is now.", "ETag", *location)
        responses[status]["content"] = {JSON: {"schema": converter.shown(answers)}}
        if operation.verb == "GET":
            responses["304"] = response("The record has that ETag still.", "ETag")
    if operation.conflict is not None:
        responses["409"] = Error("Conflict", operation.conflict).described()
    possible = {
        *(400, 403, 500, 503),
        # Without keys the host has to name the tenant.
        404 if settings.is_open else 401,
        *((404,) if VARIABLE.search(path) else ()),
        *((412,) if operation.verb in {"PUT", "DELETE"} else ()),
        *((422,) if operation.many else ()),
        *((413, 415, 422) if operation.body is not None else ()),
    }
    return responses | {str(status): ERRORS[status].name for status in sorted(possible)}


def _links(path: str, operations: Sequence[Operation]) -> Document:
    """Where one goes with a record that was made at a path: to its own path, one below."""
    one = re.compile(re.escape(path) + "/<([^/>]+)>")
    above = [VARIABLES[variable].name for variable in VARIABLE.findall(path)]
    given = {name: f"$request.path.{name}" for name in above}
    links: Document = {}
    for operation in operations:
        for match in filter(None, map(one.fullmatch, operation.paths)):
            name = VARIABLES[match[1]].name
            member = {name: f"$response.body#/{MEMBERS.get(name, name)}"}
            operation_id = _operation_id(operation, match[0])
            links[operation_id] = {"operationId": operation_id, "parameters": given | member}
    return links


def _add_health(spec: APISpec) -> None:
    for name, meaning, errors in (
        ("live", "Say whether the process answers.", (500,)),
        ("ready", "Say whether the store can be read and written.", (500, 503)),
    ):
        content = {JSON: {"schema": whole({"status": {"const": name}})}}
        operation = {
            "operationId": f"show_{name}",
            "summary": meaning,
            "tags": [HEALTH["name"]],
            "security": [],
            "responses": {
                "200": response("Yes.") | {"content": content},
                **{str(status): ERRORS[status].name for status in errors},
            },
        }
        spec.path(f"/health/{name}", operations={"get": operation})


def init_app(app: Flask, resources: Sequence[Resource], settings: Settings) -> None:
    """Serve the document, which is built when it is first asked for."""
    document = functools.cache(lambda: build(resources, settings))

    def show_document() -> Response:
        return answer(document())

    app.add_url_rule("/openapi.json", "openapi", show_document)
