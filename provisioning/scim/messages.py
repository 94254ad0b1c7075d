"""Requests and answers in SCIM's own forms: bodies, names, ETags, lists, errors."""

from collections.abc import Iterable
from typing import Any

from flask import Response

from provisioning.domain.errors import DomainError, Invalid
from provisioning.store import Record
from provisioning.web.answers import encode, etag_of, require_match
from provisioning.web.context import current

SCIM = "application/scim+json"
BASE_PATH = "/scim/v2"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
MESSAGES = "urn:ietf:params:scim:api:messages:2.0:"
CORE = (f"{USER.lower()}:", f"{GROUP.lower()}:")
EXTENSION = f"{ENTERPRISE.lower()}:"
LONGEST_SHOWN = 100
"""After so many characters text of the client is cut in an error."""
ALIASES = {"emails": "emails.value", "members": "members.value"}
"""Complex attribute -> what of it is compared and sorted by."""
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


class Refused(DomainError):
    """A request is refused with an error of SCIM; `kind` is its scimType, or None."""

    def __init__(self, status: int, kind: str | None, detail: str) -> None:
        super().__init__(detail)
        self.status, self.kind = status, kind


def invalid_value(detail: str) -> Refused:
    return Refused(400, "invalidValue", detail)


def immutable(detail: str) -> Refused:
    return Refused(400, "mutability", detail)


def line(sent: str) -> str:
    """What a client has sent, for errors: on one line, and cut where it is long."""
    shown = "".join(char if char.isprintable() else "?" for char in sent[:LONGEST_SHOWN])
    return f"{shown}..." if len(sent) > LONGEST_SHOWN else shown


def quoted(sent: str) -> str:
    return f"'{line(sent)}'"


def members_of(given: Any, what: str) -> Record:
    """The members of an object by their names in lower case; Refused if one is given twice."""
    if not isinstance(given, dict):
        raise invalid_value(f"{what}: Must be an object.")
    members = {name.lower(): value for name, value in given.items()}
    if len(members) != len(given):
        seen: set[str] = set()
        twice = next(n for n in given if n.lower() in seen or seen.add(n.lower()))  # type: ignore[func-returns-value]
        raise Refused(400, "invalidSyntax", f"{quoted(twice)} is given twice, in {what}.")
    return members


def text(value: Any, what: str) -> str | None:
    """Text that was sent, or None if it is null or empty; Refused if it is anything else."""
    if value is None or isinstance(value, str):
        return value or None
    raise invalid_value(f"{what}: Must be text.")


def bare(name: str) -> str:
    """The path of an attribute in lower case, without the URN of the core schema."""
    lower = name.lower()
    for urn in CORE:
        if lower.startswith(urn):
            return lower.removeprefix(urn)
    return lower


def location(*segments: object) -> str:
    """The address of a resource, by the name by which the client has reached the server."""
    asked = current()
    return "/".join([f"{asked.root_url.rstrip('/')}{BASE_PATH}", *map(str, segments)])


def version_of(resource: Record) -> str:
    """The ETag of a resource. `meta` is no part of it, as the location in there varies by host."""
    return etag_of(encode(_bare(resource)))


def _bare(resource: Record) -> Record:
    return {name: value for name, value in resource.items() if name != "meta"}


def require_version(resource: Record) -> None:
    """PreconditionFailed if there is an If-Match without this ETag; call it in a transaction."""
    require_match(_bare(resource))


def plain(content: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(encode(content), status, headers, content_type=SCIM)


def listed(resources: Iterable[object], total: int, first: int) -> Response:
    """The answer with a page of a list; `first` is the place of its first resource, from 0."""
    found = list(resources)
    return plain(
        {
            "schemas": [f"{MESSAGES}ListResponse"],
            "totalResults": total,
            "startIndex": first + 1,
            "itemsPerPage": len(found),
            "Resources": found,
        }
    )


def problem(status: int, kind: str | None, detail: str) -> Response:
    content: Record = {"schemas": [f"{MESSAGES}Error"], "status": str(status)}
    content |= {"scimType": kind} if kind else {}
    response = plain(content | {"detail": " ".join(detail.split())}, status)
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


def in_scim_form(response: Response) -> Response:
    """Give an error below /scim/v2 SCIM's form, if it has that of the API.

    These are errors that come before a route is found, or from the server itself.
    """
    path = current().path
    if response.mimetype != "application/problem+json" or not is_below(path):
        return response
    detail = response.get_json(force=True)["detail"]
    if response.status_code == 404 and "//" in path:  # noqa: PLR2004
        detail = "The path has two slashes in a row. Give the base URL without one at its end."
    made = problem(response.status_code, SCIM_TYPES.get(response.status_code), detail)
    response.data, response.content_type = made.data, made.content_type
    return response


def is_below(path: str) -> bool:
    return path == BASE_PATH or path.startswith(f"{BASE_PATH}/")
