"""The application that serves the control API: who may use it, and its own OpenAPI document."""

from typing import Any

from flask import Flask, Response, request

from provisioning.control.routes import CONTROL_PATH, RESOURCES
from provisioning.domain.errors import Conflict, Forbidden, Unauthorized
from provisioning.settings import Settings
from provisioning.web import cors, problems
from provisioning.web.answers import plain
from provisioning.web.caller import sends_bearer
from provisioning.web.context import current, server
from provisioning.web.gate import Application, options
from provisioning.web.hosts import LOCAL_HOSTS, is_local_client, matches

DOCUMENT = f"{CONTROL_PATH}/openapi.json"
DESCRIPTION = f"""
State, time, requests and faults of a server that stands in for the real one. It is no part of the
API, needs no API key, and keeps what it keeps in the memory of one process.

It answers clients on the server's own machine, or whoever sends the token that the server was
started with, and no pages of other sites. Errors are `application/problem+json` (RFC 9457). This
document is at `{DOCUMENT}`.
"""
SCHEMES = {
    "controlToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "What `PROVISIONING_CONTROL_TOKEN` says, where the server has it.",
    }
}


def make_control(settings: Settings) -> Flask:
    """The control API, without a server: each request's environment holds the server."""
    app = Application("provisioning.control", static_folder=None)
    app.url_map.strict_slashes = False
    problems.init_app(app)
    app.register_error_handler(404, on_unknown_path)
    app.before_request(check)
    app.after_request(keep_out_of_caches)
    cors.init_app(app, settings)
    for resource in RESOURCES:
        app.register_blueprint(resource)
    app.add_url_rule(DOCUMENT, "document", lambda: plain(describe(settings)))
    return app


def check() -> Response | None:
    """Check, in this order: site, client and host, route, verb, token, number of processes."""
    settings = server().settings
    cors.require_same_site(current())
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
    """Without a token: Forbidden unless the client is local and the host is allowed."""
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


def require_token(token: str) -> None:
    if not sends_bearer(current(), token):
        raise Unauthorized(
            "The control API of this server needs PROVISIONING_CONTROL_TOKEN as "
            "'Authorization: Bearer TOKEN'."
        )


def on_unknown_path(_: Exception) -> Response:
    return problems.problem(404, "Not Found", f"There is no such path. {DOCUMENT} lists them all.")


def keep_out_of_caches(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response


def describe(settings: Settings) -> dict[str, Any]:
    """The OpenAPI document of the control API alone."""
    # Imported late: it takes long to import, and few servers are asked for this document.
    from provisioning.web import openapi  # noqa: PLC0415

    is_open = settings.control_token is None
    about = openapi.About("Provisioning control API", DESCRIPTION, SCHEMES, is_open)
    return openapi.at_this_server(openapi.build(RESOURCES, about, settings))
