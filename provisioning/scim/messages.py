"""Requests and answers in SCIM's own forms: bodies, parameters, lists, ETags, errors."""

import functools
from collections.abc import Iterable
from typing import Any, TypeVar

from flask import Response, g, request
from pydantic import ValidationError
from scim2_models import BaseModel as Model
from scim2_models import (
    Context,
    Error,
    ListResponse,
    PatchOp,
    Resource,
    ResponseParameters,
    SCIMException,
    SearchRequest,
)

from provisioning.domain.errors import DomainError, Invalid
from provisioning.scim.models import POLICY
from provisioning.store import Record
from provisioning.web.answers import encode, etag_of, require_match
from provisioning.web.body import read_body
from provisioning.web.context import current, server

SCIM = "application/scim+json"
BASE_PATH = "/scim/v2"
BODIES = (SCIM, "application/json")
LARGEST_PAGE, DEFAULT_PAGE = 300, 100
LONGEST_FILTER = 10_000
"""The most characters of a filter or a path, since parsing takes longer with each."""
TOO_LONG = f"Must have at most {LONGEST_FILTER:,} characters."
MOST_OPERATIONS = 1_000
"""The most operations of one PATCH, since nobody else can change the tenant meanwhile."""
PARAMETERS = (
    "attributes",
    "excludedAttributes",
    "filter",
    "sortBy",
    "sortOrder",
    "startIndex",
    "count",
)
SCIM_TYPES = {400: "invalidSyntax", 422: "invalidValue"}
"""Status of an error of the API -> scimType (RFC 7644, table 9)."""
MEMBERS = {
    "username": "userName",
    "email": "emails.value",
    "firstName": "name.givenName",
    "lastName": "name.familyName",
    "avatar": "photos.value",
    "timeZone": "timezone",
}
"""Member of the API's user -> attribute of SCIM's user."""

M = TypeVar("M", bound=Model)


class Refused(DomainError):
    """A request is refused with an error of SCIM; `kind` is its scimType, or None."""

    def __init__(self, status: int, kind: str | None, detail: str) -> None:
        super().__init__(detail)
        self.status, self.kind = status, kind


def invalid_value(detail: str) -> Refused:
    return Refused(400, "invalidValue", detail)


def immutable(detail: str) -> Refused:
    return Refused(400, "mutability", detail)


def body() -> Record:
    """The JSON object in the request's body, read once, since a view may run several times."""
    if "scim_body" not in g:
        g.scim_body = read_body(request, server().settings.max_body, types=BODIES)
    return dict(g.scim_body)


def patch_body() -> Record:
    """The body of a PATCH; Refused if it has no operations, or too many, or one too long."""
    sent = body()
    operations = next((value for name, value in sent.items() if name.lower() == "operations"), None)
    if not isinstance(operations, list):
        raise Refused(400, "invalidSyntax", "Operations: Must be a list of operations.")
    if len(operations) > MOST_OPERATIONS:
        raise invalid_value(
            f"Operations: Must be {MOST_OPERATIONS:,} at most; send several PATCHes."
        )
    for each in operations:
        if isinstance(each, dict) and len(str(each.get("path"))) > LONGEST_FILTER:
            raise Refused(400, "invalidPath", f"path: {TOO_LONG}")
    return {"schemas": [str(PatchOp.__schema__)], "Operations": operations}


@functools.cache
def of(message: Any, model: Any) -> Any:
    """The class `message[model]`, such as PatchOp[User]; cached, as pydantic makes it in 25 ms."""
    return message[model]


def read(model: type[M], given: Record, context: Context) -> M:
    """An object that was sent, as an instance of this model; unknown attributes are left out."""
    return model.model_validate(given, scim_ctx=context, scim_policy=POLICY)


def selection(model: type[Resource[Any]]) -> ResponseParameters[Any]:
    """The attributes that the request wants in its answer, or doesn't want."""
    given = {name: request.args[name] for name in PARAMETERS[:2] if name in request.args}
    chosen: ResponseParameters[Any] = read(of(ResponseParameters, model), given, Context.DEFAULT)
    return chosen


def search_request(model: Any, given: Record) -> SearchRequest[Any]:
    """A search, from the query of a GET or the body of a POST to .search; Refused if it is bad."""
    parameters = {name: given[name] for name in PARAMETERS if given.get(name) is not None}
    if len(str(parameters.get("filter", ""))) > LONGEST_FILTER:
        raise Refused(400, "invalidFilter", f"filter: {TOO_LONG}")
    asked: SearchRequest[Any] = read(of(SearchRequest, model), parameters, Context.SEARCH_REQUEST)
    return asked


def page_of(asked: SearchRequest[Any]) -> slice:
    """The places of the page in the whole list, at most LARGEST_PAGE of them."""
    begin = (asked.start_index or 1) - 1
    size = DEFAULT_PAGE if asked.count is None else min(asked.count, LARGEST_PAGE)
    return slice(begin, begin + size)


def location(*segments: object) -> str:
    return "/".join(
        [request.host_url.rstrip("/") + request.script_root + BASE_PATH, *map(str, segments)]
    )


def bare(path: object) -> str:
    """An attribute's path in lower case and without its schema."""
    return str(path).rpartition(":")[2].lower()


def version_of(resource: Record) -> str:
    """The ETag of a resource. `meta` is no part of it, as the location in there varies by host."""
    return etag_of(encode(_bare(resource)))


def _bare(resource: Record) -> Record:
    return {name: value for name, value in resource.items() if name != "meta"}


def require_version(resource: Record) -> None:
    """PreconditionFailed if there is an If-Match without this ETag; call it in a transaction."""
    require_match(_bare(resource))


def shown(
    resource: Record, model: type[Resource[Any]], chosen: ResponseParameters[Any] | None
) -> Record:
    """A resource with the chosen attributes; all of them, if none are chosen."""
    if chosen is None or not (chosen.attributes or chosen.excluded_attributes):
        return resource
    made = model.model_validate(resource, scim_policy=POLICY)
    return made.model_dump(
        scim_ctx=Context.RESOURCE_QUERY_RESPONSE, response_parameters=chosen, scim_policy=POLICY
    )


def answer(resource: Record, model: type[Resource[Any]], status: int = 200) -> Response:
    """The answer with one resource and its ETag, or 304 to a GET whose If-None-Match holds it."""
    chosen = selection(model)
    headers = {}
    if "version" in resource["meta"]:
        headers["ETag"] = resource["meta"]["version"]
        if (
            request.method in {"GET", "HEAD"}
            and "HTTP_IF_NONE_MATCH" in request.environ
            and request.if_none_match.contains_weak(headers["ETag"].strip('"'))
        ):
            return Response(status=304, headers=headers)
    if status == 201:  # noqa: PLR2004
        headers["Location"] = resource["meta"]["location"]
    return plain(shown(resource, model, chosen), status, headers)


def plain(content: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(encode(content), status, headers, content_type=SCIM)


def listed(resources: Iterable[Record], total: int, first: int) -> Response:
    """The answer with a page of a list; `first` is the place of its first resource, from 0."""
    found = list(resources)
    return plain(
        {
            "schemas": [str(ListResponse.__schema__)],
            "totalResults": total,
            "startIndex": first + 1,
            "itemsPerPage": len(found),
            "Resources": found,
        }
    )


def problem(status: int, kind: str | None, detail: str) -> Response:
    error = Error(status=status, scim_type=kind, detail=detail)
    response = plain(error.model_dump(), status)
    response.headers["Cache-Control"] = "no-store"
    if status == 401:  # noqa: PLR2004
        response.headers["WWW-Authenticate"] = 'Bearer realm="provisioning"'
    return response


def on_domain_error(error: DomainError) -> Response:
    detail = sentences(error.errors) if isinstance(error, Invalid) else error.detail
    kind = error.kind if isinstance(error, Refused) else SCIM_TYPES.get(error.status)
    return problem(400 if isinstance(error, Invalid) else error.status, kind, detail)


def sentences(errors: Any) -> str:
    return " ".join(
        f"{MEMBERS.get(name, name)}: {message}" for name in errors for message in errors[name]
    )


def on_scim_exception(error: SCIMException) -> Response:
    return problem(error.status, error.scim_type or None, error.detail)


def on_validation_error(error: ValidationError) -> Response:
    found = Error.from_validation_errors(error)
    detail = " ".join(f"{each.detail}." for each in found[:50])
    return problem(found[0].status or 400, found[0].scim_type, detail[:2_000])


def in_scim_form(response: Response) -> Response:
    """Give an error below /scim/v2 SCIM's form, if it has that of the API.

    These are errors that come before a route is found, or from the server itself.
    """
    if response.mimetype != "application/problem+json" or not is_below(current().path):
        return response
    error = response.get_json(force=True)
    made = problem(response.status_code, SCIM_TYPES.get(response.status_code), error["detail"])
    response.data, response.content_type = made.data, made.content_type
    return response


def is_below(path: str) -> bool:
    return path == BASE_PATH or path.startswith(f"{BASE_PATH}/")
