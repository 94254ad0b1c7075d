"""Every error, also those of Flask, becomes problem+json (RFC 9457, section 6)."""

import logging
import traceback
from typing import Any

import orjson
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from provisioning.domain.errors import DomainError, Invalid
from provisioning.store import StoreUnavailable
from provisioning.web.context import current
from provisioning.web.hosts import PREFIX
from provisioning.web.redaction import redacted_text
from provisioning.web.targets import raw_path

PROBLEM = "application/problem+json"
RETRY_AFTER = 1
"""The seconds in Retry-After."""

log = logging.getLogger(__name__)


def problem(status: int, title: str, detail: str, **members: Any) -> Response:
    content = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": request.environ.get(PREFIX, "") + raw_path(request.environ),
        **members,
    }
    response = Response(orjson.dumps(content), status, content_type=PROBLEM)
    response.headers["Cache-Control"] = "no-store"
    return response


def on_domain_error(error: DomainError) -> Response:
    members = {"errors": error.errors} if isinstance(error, Invalid) else {}
    response = problem(error.status, error.title, error.detail, **members)
    if error.status == 401:  # noqa: PLR2004
        response.headers["WWW-Authenticate"] = 'Bearer realm="provisioning"'
    return response


def on_http_error(error: HTTPException) -> Response:
    status = error.code or 500
    details = {
        404: "There is no such path. /openapi.json lists them all.",
        405: f"{request.method} is not possible here; the Allow header lists what is.",
    }
    response = problem(status, error.name, details.get(status, error.description or error.name))
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
    return response


def on_store_unavailable(error: StoreUnavailable) -> Response:
    log.error("store: %s", error)
    caller = current().admitted
    # The full message may name records of other tenants, where the file is damaged.
    is_told = caller is not None and caller.is_overseer
    response = problem(503, "Service unavailable", str(error) if is_told else error.public)
    if not error.unknown_fate:
        response.headers["Retry-After"] = str(RETRY_AFTER)
    return response


def on_any_error(error: Exception) -> Response:
    log.error("unexpected: %s", redacted_text("".join(traceback.format_exception(error))))
    detail = "Something went wrong inside the server; its log says what. Nothing was changed."
    return problem(500, "Internal server error", detail)


def init_app(app: Flask) -> None:
    app.register_error_handler(DomainError, on_domain_error)
    app.register_error_handler(StoreUnavailable, on_store_unavailable)
    app.register_error_handler(HTTPException, on_http_error)
    app.register_error_handler(Exception, on_any_error)
