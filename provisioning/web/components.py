"""What all operations in the OpenAPI document share: keys, headers, errors, parameters."""

from dataclasses import dataclass
from typing import Any

from apispec import APISpec

from provisioning.settings import Settings
from provisioning.web.paging import DEFAULT_SIZE
from provisioning.web.problems import PROBLEM
from provisioning.web.routing import Parameter

Document = dict[str, Any]

TEXT, NUMBER = {"type": "string"}, {"type": "integer", "minimum": 0}
SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, as is best."},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "query": {"type": "apiKey", "in": "query", "name": "apikey"},
}
HEADERS: dict[str, tuple[str, Document]] = {
    "X-Request-ID": ("The request's own, if it is usable, else a new one.", TEXT),
    "ETag": ("The state that is answered, for `If-Match` and `If-None-Match`.", TEXT),
    "Location": ("Where the new record is: a relative reference.", TEXT),
    "X-Total-Count": ("How many records there are on all pages.", NUMBER),
    "Link": ("The pages `first`, `prev`, `next`, `last`: relative references (RFC 8288).", TEXT),
    "Retry-After": ("Seconds after which to try again.", NUMBER),
    "WWW-Authenticate": ("That a bearer key is wanted.", TEXT),
}


@dataclass(frozen=True)
class Error:
    """An error as the documents tell it; `name` is that of its component."""

    name: str
    meaning: str
    headers: tuple[str, ...] = ()
    schema: str = "Problem"

    def described(self) -> Document:
        content = {PROBLEM: {"schema": self.schema}}
        return response(self.meaning, *self.headers) | {"content": content}


ERRORS = {
    400: Error("BadRequest", "The request can't be read, or its host isn't served here."),
    401: Error(
        "Unauthorized",
        "The API key is missing, unknown, not yet active or expired.",
        headers=("WWW-Authenticate",),
    ),
    403: Error("Forbidden", "The key's type or role, its tenant or a plan doesn't allow this."),
    404: Error("NotFound", "There is no such record, or none that this key shows."),
    412: Error("PreconditionFailed", "The record has changed since the ETag in `If-Match`."),
    413: Error("TooLarge", "The body is larger than this server takes."),
    415: Error("UnsupportedMediaType", "The body isn't declared as `application/json`."),
    422: Error(
        "Invalid",
        "Members or parameters break a rule; `errors` says which.",
        schema="ValidationProblem",
    ),
    500: Error("InternalServerError", "The server failed; nothing was changed."),
    503: Error(
        "ServiceUnavailable",
        "The data can't be read or written now; nothing was changed.",
        headers=("Retry-After",),
    ),
}
ANY_ETAG = TEXT | {"examples": ["*"]}
PROBLEM_MEMBERS: Document = {
    "type": TEXT,
    "title": TEXT,
    "status": {"type": "integer"},
    "detail": TEXT | {"description": "What is wrong, and what to do about it."},
    "instance": TEXT | {"description": "The path that was asked for."},
}
MESSAGES = {"type": "array", "items": TEXT, "minItems": 1}
INVALID_MEMBERS = {"errors": {"type": "object", "additionalProperties": MESSAGES}}


def add_components(spec: APISpec, settings: Settings) -> None:
    components = spec.components
    components.schema("Problem", whole(PROBLEM_MEMBERS))
    components.schema("ValidationProblem", whole(PROBLEM_MEMBERS | INVALID_MEMBERS))
    for name, scheme in SECURITY.items():
        components.security_scheme(name, scheme)
    for name, (meaning, schema) in HEADERS.items():
        components.header(name, {"description": meaning, "required": True, "schema": schema})
    for error in ERRORS.values():
        components.response(error.name, error.described())
    highest = settings.max_page_size
    size = {"type": "integer", "minimum": 1, "maximum": highest}
    size["default"] = min(DEFAULT_SIZE, highest)
    for where, shared in (
        ("query", Parameter("page", "Which page, from 0.", NUMBER | {"default": 0})),
        ("query", Parameter("size", "Records on a page.", size)),
        (
            "header",
            Parameter("If-Match", "Only while the record has this ETag; `*`: any.", ANY_ETAG),
        ),
        ("header", Parameter("If-None-Match", "Only if the ETag is another.")),
    ):
        components.parameter(shared.name, where, parameter(where, shared))


def whole(members: Document) -> Document:
    """An object whose members are always there."""
    return {"type": "object", "properties": members, "required": list(members)}


def parameter(where: str, told: Parameter) -> Document:
    return {
        "name": told.name,
        "in": where,
        "description": told.meaning,
        "required": told.required or where == "path",
        "schema": told.schema,
    }


def response(meaning: str, *headers: str) -> Document:
    """A response without content; the names of headers become references to them."""
    return {"description": meaning, "headers": {name: name for name in ("X-Request-ID", *headers)}}
