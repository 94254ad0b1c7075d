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
"""Characters of a filter or a path; parsing takes time with each."""
TOO_LONG = f"Must have at most {LONGEST_FILTER:,} characters."
MOST_OPERATIONS = 1_000
"""Of one PATCH: they are made while nobody else can change the tenant."""
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
"""What errors of the API are in RFC 7644's table 9, by their status."""
MEMBERS = {
    "username": "userName",
    "email": "emails.value",
    "firstName": "name.givenName",
    "lastName": "name.familyName",
    "avatar": "photos.value",
    "timeZone": "timezone",
}
"""What members of the API's records are called here."""

M = TypeVar("M", bound=Model)


class Refused(DomainError):
    """A request that SCIM has an error of its own for: `kind` is its scimType."""

    def __init__(self, status: int, kind: str | None, detail: str) -> None:
        super().__init__(detail)
        self.status, self.kind = status, kind


def invalid_value(detail: str) -> Refused:
    return Refused(400, "invalidValue", detail)


def immutable(detail: str) -> Refused:
    return Refused(400, "mutability", detail)


def body() -> Record:
    """The JSON object in the request's body; it is read once, however often the view runs."""
    if "scim_body" not in g:
        g.scim_body = read_body(request, server().settings.max_body, types=BODIES)
    return dict(g.scim_body)


def patch_body() -> Record:
    """The body of a PATCH, not larger than can be worked off at once."""
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
    """A message about this model. Its class takes 25 ms to make, and pydantic forgets it."""
    return message[model]


def read(model: type[M], given: Record, context: Context) -> M:
    """What was sent, as this model; what isn't announced is left out."""
    return model.model_validate(given, scim_ctx=context, scim_policy=POLICY)


def selection(model: type[Resource[Any]]) -> ResponseParameters[Any]:
    """Which attributes an answer shall hold."""
    given = {name: request.args[name] for name in PARAMETERS[:2] if name in request.args}
    chosen: ResponseParameters[Any] = read(of(ResponseParameters, model), given, Context.DEFAULT)
    return chosen


def search_request(model: Any, given: Record) -> SearchRequest[Any]:
    """A search, from the query of a GET or the body of a POST to .search."""
    told = {name: given[name] for name in PARAMETERS if given.get(name) is not None}
    if len(str(told.get("filter", ""))) > LONGEST_FILTER:
        raise Refused(400, "invalidFilter", f"filter: {TOO_LONG}")
    asked: SearchRequest[Any] = read(of(SearchRequest, model), told, Context.SEARCH_REQUEST)
    return asked


def page_of(asked: SearchRequest[Any]) -> slice:
    """The places of the page in the whole list; `count` is lowered to what is served at most."""
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
    """The ETag of a resource; where it is asked for doesn't change it."""
    return etag_of(encode(_bare(resource)))


def _bare(resource: Record) -> Record:
    return {name: value for name, value in resource.items() if name != "meta"}


def require_version(resource: Record) -> None:
    """PreconditionFailed when If-Match names another state; call it in a transaction."""
    require_match(_bare(resource))


def shown(
    resource: Record, model: type[Resource[Any]], chosen: ResponseParameters[Any] | None
) -> Record:
    """A resource with the attributes that were asked for."""
    if chosen is None or not (chosen.attributes or chosen.excluded_attributes):
        return resource
    made = model.model_validate(resource, scim_policy=POLICY)
    return made.model_dump(
        scim_ctx=Context.RESOURCE_QUERY_RESPONSE, response_parameters=chosen, scim_policy=POLICY
    )


def answer(resource: Record, model: type[Resource[Any]], status: int = 200) -> Response:
    """One resource with its ETag; 304 for a GET whose If-None-Match holds that."""
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
    """A page of a list; `first` is its place in the list, from 0."""
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
    """What was answered below /scim/v2 in the API's form of errors, in SCIM's form.

    Errors that come before a route is found, or from the server itself, are among them.
    """
    if response.mimetype != "application/problem+json" or not is_below(current().path):
        return response
    told = response.get_json(force=True)
    made = problem(response.status_code, SCIM_TYPES.get(response.status_code), told["detail"])
    response.data, response.content_type = made.data, made.content_type
    return response


def is_below(path: str) -> bool:
    return path == BASE_PATH or path.startswith(f"{BASE_PATH}/")
