"""The application that serves the control API: who is answered, and its own document."""

import functools
import hmac
import re
from typing import Any

from apispec import APISpec
from flask import Flask, Response, request

from provisioning.control.api import ALL
from provisioning.control.routing import CONTROL_PATH, NO_CONTENT, Route
from provisioning.domain.errors import Conflict, Forbidden, Unauthorized
from provisioning.settings import Settings
from provisioning.web import cors, problems
from provisioning.web.answers import JSON, plain
from provisioning.web.context import current, server
from provisioning.web.gate import Application, options
from provisioning.web.hosts import LOCAL_HOSTS, is_local_client, matches
from provisioning.web.json_schema import Plugin, RecordConverter

DOCUMENT = f"{CONTROL_PATH}/openapi.json"


def make_control(settings: Settings) -> Flask:
    """The control API over no server yet: each request brings its own."""
    app = Application("provisioning.control", static_folder=None)
    app.url_map.strict_slashes = False
    problems.init_app(app)
    app.register_error_handler(404, on_unknown_path)
    app.before_request(check)
    cors.init_app(app, settings)
    for routes in ALL:
        app.register_blueprint(routes)
    app.add_url_rule(DOCUMENT, "document", lambda: plain(document()))
    return app


def check() -> Response | None:
    """Client and host, route, verb, token; and that there is only one process to control."""
    settings = server().settings
    if settings.control_token is None:
        require_near_client(settings)
    if request.routing_exception is not None:
        raise request.routing_exception
    if request.method == "OPTIONS":
        return options()
    if settings.control_token is not None:
        require_token(settings.control_token)
    if request.environ.get("wsgi.multiprocess"):
        raise Conflict(
            "Clock, faults, snapshots and request log are kept by each process, and this server "
            "has several. Run it with one worker: WEB_CONCURRENCY=1."
        )
    return None


def require_near_client(settings: Settings) -> None:
    """Without a token: the clients of demo mode, and no page of another site in their browser."""
    if not is_local_client(current()):
        raise Forbidden(
            "The control API answers clients on the server's own machine, directly, and those in "
            "PROVISIONING_ALLOWED_CLIENTS. PROVISIONING_CONTROL_TOKEN opens it to others."
        )
    allowed = settings.allowed_hosts or LOCAL_HOSTS
    if not matches(current().host_name, allowed):
        raise Forbidden(
            f"The control API answers only requests for {', '.join(allowed)}. "
            "PROVISIONING_ALLOWED_HOSTS names other hosts."
        )
    # A browser sends a POST without a body anywhere, and asks nobody first.
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        raise Forbidden("The control API answers no pages of other sites.")


def require_token(token: str) -> None:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    is_given = hmac.compare_digest(given.strip().encode(), token.encode())
    if scheme.lower() != "bearer" or not is_given:
        raise Unauthorized(
            "The control API of this server needs PROVISIONING_CONTROL_TOKEN as "
            "'Authorization: Bearer TOKEN'."
        )


def on_unknown_path(_: Exception) -> Response:
    return problems.problem(404, "Not Found", f"There is no such path. {DOCUMENT} lists them all.")


@functools.cache
def document() -> dict[str, Any]:
    """The control API as OpenAPI 3.1, apart from the document of the API itself."""
    plugin = Plugin()
    spec = APISpec(
        title="Provisioning control API",
        version="1",
        openapi_version="3.1.0",
        plugins=[plugin],
        info={"description": "State, time, requests and faults of a server for tests."},
        tags=[{"name": routes.name, "description": routes.meaning} for routes in ALL],
        security=[{}, {"controlToken": []}],
    )
    spec.components.security_scheme("controlToken", {"type": "http", "scheme": "bearer"})
    for routes in ALL:
        for route in routes.routes:
            path = re.sub(r"<(?:int:)?(\w+)>", r"{\1}", route.path)
            operation = _operation(plugin.converter, route) | {"tags": [routes.name]}
            spec.path(CONTROL_PATH + path, operations={route.verb.lower(): operation})
    return spec.to_dict()


def _operation(converter: RecordConverter, route: Route) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer" if kind else "string"},
        }
        for kind, name in re.findall(r"<(int:)?(\w+)>", route.path)
    ]
    parameters += [
        {"name": each.name, "in": "query", "description": each.meaning, "schema": each.schema}
        for each in route.parameters
    ]
    answer: dict[str, Any] = {"description": "Done."}
    if route.status != NO_CONTENT:
        schema = {} if route.answer is None else converter.shown(route.answer)
        schema = {"type": "array", "items": schema} if route.many else schema
        answer["content"] = {JSON: {"schema": schema}}
    problem = {"content": {problems.PROBLEM: {"schema": {"type": "object"}}}}
    operation = {
        "operationId": route.name,
        "summary": route.meaning,
        "parameters": parameters,
        "responses": {
            str(route.status): answer,
            "default": {"description": "What went wrong (RFC 9457)."} | problem,
        },
    }
    if route.body is not None:
        body = converter.body(route.body, is_new=route.verb == "POST")
        content = {JSON: {"schema": body, "example": dict(route.body.example)}}
        operation["requestBody"] = {"content": content}
    return operation
