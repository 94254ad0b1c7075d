"""Components that operations share in the OpenAPI documents: headers, errors, parameters."""

from dataclasses import dataclass
from typing import Any

from provisioning.settings import Settings
from provisioning.web.operation import TEXT, Form, Parameter
from provisioning.web.paging import DEFAULT_SIZE
from provisioning.web.problems import PROBLEM

Document = dict[str, Any]

NUMBER = {"type": "integer", "minimum": 0}
HEADERS: dict[str, tuple[str, Document]] = {
    "X-Request-ID": ("The request's own, if it is usable, else a new one.", TEXT),
    "ETag": ("The state that is answered, for `If-Match` and `If-None-Match`.", TEXT),
    "Location": ("Where the new record is, as a relative reference.", TEXT),
    "X-Total-Count": ("How many records there are on all pages.", NUMBER),
    "Link": (
        "The pages `first`, `prev`, `next` and `last` as relative references (RFC 8288). Left out "
        "where it would be longer than 2,000 bytes.",
        TEXT,
    ),
    "Retry-After": ("After how many seconds to try again.", NUMBER),
    "WWW-Authenticate": ("It says that a bearer key is wanted.", TEXT),
}
OPTIONAL_HEADERS = {"Link", "Retry-After"}


@dataclass(frozen=True)
class Error:
    """An error for the documents; `name` is that of its component."""

    name: str
    meaning: str
    headers: tuple[str, ...] = ()
    schema: str = "Problem"

    def described(self, form: Form | None = None) -> Document:
        media_type, schema = (
            (PROBLEM, self.schema) if form is None else (form.media_type, form.error)
        )
        content = {media_type: {"schema": schema}}
        return response(self.meaning, *self.headers) | {"content": content}


ERRORS = {
    400: Error("BadRequest", "The request can't be read, or its host isn't served here."),
    401: Error(
        "Unauthorized",
        "The key is missing or unknown, or isn't active at this time. `detail` says which.",
        headers=("WWW-Authenticate",),
    ),
    403: Error("Forbidden", "The caller may not do this. `detail` says what stands in the way."),
    404: Error("NotFound", "There is no such record, or none that the caller may see."),
    412: Error("PreconditionFailed", "The record has changed since the ETag in `If-Match`."),
    413: Error("TooLarge", "The body is larger than this server takes."),
    415: Error("UnsupportedMediaType", "The body isn't declared as plain `application/json`."),
    422: Error(
        "Invalid",
        "Members or parameters break a rule. `errors` says which, and how.",
        schema="ValidationProblem",
    ),
    500: Error("InternalServerError", "The server has failed, and nothing was changed."),
    503: Error(
        "ServiceUnavailable",
        "The data can't be read or written now. With `Retry-After` nothing was changed; without "
        "it, it isn't known whether a change was made: look before you repeat it.",
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


def whole(members: Document) -> Document:
    """The JSON Schema of an object in which all of these members are required."""
    return {"type": "object", "properties": members, "required": list(members)}


SCHEMAS = {
    "Problem": whole(PROBLEM_MEMBERS) | {"description": "An error (RFC 9457)."},
    "ValidationProblem": whole(PROBLEM_MEMBERS | INVALID_MEMBERS)
    | {"description": "An error that names the members or parameters that are wrong."},
}


def shared_parameters(settings: Settings) -> list[tuple[str, Parameter]]:
    """The parameters that many operations share, each as ("query" or "header", Parameter)."""
    highest = settings.max_page_size
    size = {"type": "integer", "minimum": 1, "maximum": highest}
    size["default"] = min(DEFAULT_SIZE, highest)
    return [
        ("query", Parameter("page", "Which page of the list, from 0.", NUMBER | {"default": 0})),
        ("query", Parameter("size", "How many records a page has.", size)),
        (
            "header",
            Parameter(
                "If-Match", "It is done only while the record has this ETag; `*`: any.", ANY_ETAG
            ),
        ),
        ("header", Parameter("If-None-Match", "The record is sent only if its ETag is another.")),
    ]


def parameter(where: str, declared: Parameter) -> Document:
    return {
        "name": declared.name,
        "in": where,
        "description": declared.meaning,
        "required": declared.required,
        "schema": declared.schema,
    }


def header(name: str) -> Document:
    meaning, schema = HEADERS[name]
    return {"description": meaning, "required": name not in OPTIONAL_HEADERS, "schema": schema}


def response(meaning: str, *headers: str) -> Document:
    """A response without content; `headers` are names of header components."""
    return {"description": meaning, "headers": {name: name for name in ("X-Request-ID", *headers)}}
