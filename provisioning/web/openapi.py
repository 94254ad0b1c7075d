"""The OpenAPI 3.1 documents, made from operations and schemas."""

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from apispec import APISpec
from flask import request

from provisioning import __version__
from provisioning.domain import roles
from provisioning.settings import Settings
from provisioning.web.answers import JSON
from provisioning.web.components import (
    ERRORS,
    HEADERS,
    SCHEMAS,
    Document,
    Error,
    header,
    parameter,
    response,
    shared_parameters,
    whole,
)
from provisioning.web.fields import Choice
from provisioning.web.json_schema import Plugin
from provisioning.web.operation import REFUSED, TEXT, Form, Operation, Parameter, Variable
from provisioning.web.paging import SEARCH
from provisioning.web.routing import VARIABLE, Resource, shown_path, variables_of

DESCRIPTION = """
Who may do what in a tenant: users, privileges, services and API keys.

An API key tells who asks, and which tenant a request acts on. Send it as
`Authorization: Bearer KEY`. The header `X-API-Key` and the query parameter `apikey` are
understood, too; but addresses are kept in logs and histories, and keys don't belong there.

Every `GET` answers `HEAD`, and every path `OPTIONS`. A trailing slash and unknown query
parameters do no harm. A `PUT` changes the members that it carries. A record can be sent back as
it was answered: members of the server's own are ignored, and unknown ones are an error. Errors
are `application/problem+json` (RFC 9457).
"""
HEALTH = {"name": "health", "description": "For load balancers, supervisors and Prometheus."}
DONE = "It is done."


@dataclass(frozen=True)
class About:
    """An API as a whole. `schemes` are its security schemes by name; with `is_open` requests are
    answered without them, too."""

    title: str
    description: str
    schemes: dict[str, Document]
    is_open: bool = False


def build(resources: Sequence[Resource], about: About, settings: Settings) -> Document:
    """The OpenAPI document of these resources, for a server with these settings."""
    return _Builder(resources, about, settings).build()


class _Builder:
    """Makes one document."""

    def __init__(self, resources: Sequence[Resource], about: About, settings: Settings) -> None:
        self.resources, self.about = resources, about
        self.operations = [each for resource in resources for each in resource.operations]
        self.variables = variables_of(resources)
        plugin = Plugin()
        needed: list[Document] = [{name: []} for name in about.schemes]
        self.spec = APISpec(
            about.title,
            __version__,
            "3.1.0",
            plugins=[plugin],
            info={
                "description": about.description.strip(),
                "contact": {"name": "The people who run this server"},
                "license": {"name": "MIT License", "identifier": "MIT"},
            },
            servers=[{"url": "/"}],
            security=[*([{}] if about.is_open and needed else []), *needed],
            tags=[{"name": each.name, "description": each.meaning} for each in resources],
        )
        self.converter = plugin.converter
        components = self.spec.components
        for name, schema in SCHEMAS.items():
            components.schema(name, schema, lazy=True)
        for name, scheme in about.schemes.items():
            components.security_scheme(name, dict(scheme))
        for name in HEADERS:
            components.header(name, header(name), lazy=True)
        for where, shared in shared_parameters(settings):
            components.parameter(shared.name, where, parameter(where, shared), lazy=True)

    def build(self) -> Document:
        for operation in self.operations:
            for path in operation.paths if operation.status < REFUSED else ():
                whole_path = operation.base_path + path
                described = {operation.verb.lower(): self.operation(operation, path)}
                self.spec.path(self.shown_path(whole_path), operations=described)
        document: Document = self.spec.to_dict()
        return document

    def add_check(self, path: str, summary: str, content: Document, *errors: int) -> None:
        """Add a GET at the root that needs no API key; `errors` are its further statuses."""
        responses: Document = {
            "200": response("This is how it is.") | {"content": content},
            # The HTTP server itself answers unreadable HTTP, without our headers and problem+json.
            "400": {"description": "The request is no HTTP that can be read."},
            **{str(each): self.error(ERRORS[each]) for each in errors},
        }
        operation = {
            "operationId": f"get_{path.rpartition('/')[2]}",
            "summary": summary,
            "description": f"{summary} It needs no API key.",
            "tags": [HEALTH["name"]],
            "security": [],
            "responses": responses,
        }
        self.spec.path(path, operations={"get": operation})

    def operation(self, operation: Operation, path: str) -> Document:
        described: Document = {
            "operationId": operation_id(operation, path),
            "summary": operation.summary.replace("`", ""),
            "description": meaning_of(operation),
            "tags": [operation.tag],
            "parameters": self.parameters(operation, path),
            "responses": self.responses(operation, path),
        }
        if path != operation.paths[0]:
            described["deprecated"] = True
        if operation.body is not None:
            body, is_new = operation.body, operation.verb == "POST"
            schema = self.converter.body(body, is_new)
            example = self.converter.example(body, is_new)
            content = {JSON: {"schema": schema, "example": example}}
            described["requestBody"] = {"required": operation.body_needed, "content": content}
        elif operation.form is not None and operation.takes_body:
            content = {operation.form.media_type: {"schema": operation.form.body}}
            described["requestBody"] = {"required": True, "content": content}
        return described

    def parameters(self, operation: Operation, path: str) -> list[Document | str]:
        described: list[Document | str] = [
            {
                "name": variable.name,
                "in": "path",
                "description": variable.meaning,
                "required": True,
                "schema": variable.schema,
                "example": variable.example,
            }
            for variable in self.variables_of(operation.base_path + path)
        ]
        given = {each.name: each for each in operation.parameters}
        listed = operation.answer
        if operation.many and not operation.plain and listed is not None:
            described += ["page", "size"]
            given = {SEARCH.name: SEARCH} | given
        described += [self.query(each) for each in given.values()]
        if operation.many and not operation.plain and not isinstance(listed, (dict, type(None))):
            members = {"type": "array", "items": self.converter.order(listed), "minItems": 1}
            order = Parameter("order", "The members to order by; `-` before one descends.", members)
            described.append(self.query(order) | {"style": "form", "explode": False})
        elif not operation.plain and operation.verb != "POST":
            described.append("If-None-Match" if operation.verb == "GET" else "If-Match")
        return described

    def query(self, declared: Parameter) -> Document:
        described = parameter("query", declared)
        collections = [each for resource in self.resources for each in resource.collections]
        schema = declared.schema(collections) if callable(declared.schema) else declared.schema
        if isinstance(schema, Choice):
            described["schema"] = self.converter.field2property(schema)
        return described

    def responses(self, operation: Operation, path: str) -> Document:
        responses: Document = {str(operation.status): self.answer(operation)}
        if operation.verb == "GET" and not operation.many and not operation.plain:
            responses["304"] = response("The record has that ETag still.", "ETag")
        if operation.verb == "POST" and (links := self.links(operation, path)):
            responses[str(operation.status)]["links"] = links
        possible = {
            *(400, 403, 500, 503),
            *operation.errors,
            # Without keys the host must name the tenant, or the answer is 404.
            401 if self.about.schemes else 404,
            *((404,) if VARIABLE.search(path) else ()),
            *((412,) if operation.verb in {"PUT", "DELETE"} and not operation.plain else ()),
            *((422,) if operation.many or operation.parameters else ()),
            *((413, 415, 422) if operation.body is not None else ()),
        }
        if operation.form is not None:
            possible -= {422}
            possible |= {413, 415} if operation.takes_body else set()
        if operation.conflict is not None:
            responses["409"] = Error("Conflict", operation.conflict).described(operation.form)
        own = operation.tag if operation.form is not None else ""
        errors = {
            str(each): self.error(ERRORS[each], own, operation.form) for each in sorted(possible)
        }
        return responses | errors

    def answer(self, operation: Operation) -> Document:
        answered = operation.answer
        if answered is None:
            return response(DONE)
        schema = answered if isinstance(answered, dict) else self.converter.shown(answered)
        headers: list[str] = []
        meaning = "It is done, and this is the outcome."
        if operation.many:
            schema = {"type": "array", "items": schema}
            meaning = "These are all of them."
        if not operation.plain:
            meaning = "This is the record as it is now."
            headers = ["ETag"]
            if operation.many:
                meaning = "This is one page of the list."
                headers = ["X-Total-Count", "Link"]
            elif operation.verb == "POST":
                headers.append("Location")
        media_type = JSON if operation.form is None else operation.form.media_type
        return response(meaning, *headers) | {"content": {media_type: {"schema": schema}}}

    def error(self, error: Error, prefix: str = "", form: Form | None = None) -> str:
        """The name of an error's component, which is made when it is first needed."""
        name = f"{prefix.title()}{error.name}"
        if name not in self.spec.components.responses:
            self.spec.components.response(name, error.described(form))
        return name

    def links(self, made: Operation, path: str) -> Document:
        """Links from the answer of a POST at a path to the operations on the new record's path."""
        one = re.compile(re.escape(path) + "/<[^/>]+>")
        above = [each.name for each in self.variables_of(made.base_path + path)]
        given = {name: f"$request.path.{name}" for name in above}
        links: Document = {}
        for operation in self.operations:
            for place in filter(one.fullmatch, operation.paths):
                variable = self.variables_of(operation.base_path + place)[-1]
                member = {variable.name: f"$response.body#/{variable.member or variable.name}"}
                name = operation_id(operation, place)
                links[name] = {"operationId": name, "parameters": given | member}
        return links

    def variables_of(self, path: str) -> list[Variable]:
        return [self.variable(path[: found.end()]) for found in VARIABLE.finditer(path)]

    def variable(self, place: str) -> Variable:
        if place not in self.variables:
            raise LookupError(f"No Resource tells in its `variables` what {place} ends with.")
        return self.variables[place]

    def shown_path(self, path: str) -> str:
        """The path with its variables in braces; LookupError if no Resource describes one."""
        self.variables_of(path)
        return shown_path(path, self.variables)


def operation_id(operation: Operation, path: str) -> str:
    """The operation's name; at an older path, which is not the first, the path is part of it."""
    if path == operation.paths[0]:
        return operation.name
    return f"{operation.name}_at_{path.split('/')[1].replace('-', '_')}"


def meaning_of(operation: Operation) -> str:
    """The description of an operation: what it does, and to which roles it is open."""
    if operation.plain:
        return f"{operation.summary}\n\n{operation.description}".strip()
    if operation.allows != roles.ANY_ROLE:
        allowed = [role for role in roles.ROLES if role in operation.allows]
        return f"{operation.summary} It is open to {' and '.join(allowed)}."
    if operation.verb == "GET":
        return f"{operation.summary} It is open to every role, and shows what the caller may see."
    return f"{operation.summary} It is open to every role."


@functools.cache
def describe_api(resources: tuple[Resource, ...], settings: Settings) -> Document:
    """The document of the API itself, with health and metrics. It is cached: don't change it."""
    bearer = {"type": "http", "scheme": "bearer", "description": "An API key."}
    about = About("Provisioning API", DESCRIPTION, {} if settings.is_open else {"bearer": bearer})
    builder = _Builder(resources, about, settings)
    for name, summary, errors in (
        ("live", "Say whether the process answers.", (500,)),
        ("ready", "Say whether the store can be read and written.", (500, 503)),
    ):
        content = {JSON: {"schema": whole({"status": {"const": name}})}}
        builder.add_check(f"/health/{name}", summary, content, *errors)
    if settings.metrics == "on":
        content = {"text/plain": {"schema": TEXT}}
        refusal = 403 if settings.metrics_token is None else 401
        builder.add_check("/metrics", "Tell Prometheus what it gathers.", content, refusal, 500)
    document = builder.build()
    document["tags"].append(HEALTH)
    return document


def at_this_server(document: Document) -> Document:
    """The document with the address by which it was asked for.

    So a Postman collection, say, that is made of the document finds the server.
    """
    url = f"{request.scheme}://{request.host}{request.script_root}"
    described = "This server, under the name by which it was asked."
    return document | {"servers": [{"url": url, "description": described}]}
