"""Requests and answers in SCIM's own forms: bodies, parameters, lists, ETags, errors."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Response, request

from provisioning.domain.errors import DomainError, Invalid
from provisioning.store import Record
from provisioning.web.answers import encode, etag_of, require_match
from provisioning.web.body import read_body
from provisioning.web.context import current, server

SCIM = "application/scim+json"
BASE_PATH = "/scim/v2"
BODY = "provisioning.scim.body"
BODIES = (SCIM, "application/json")
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
MESSAGES = "urn:ietf:params:scim:api:messages:2.0:"
CORE = (f"{USER.lower()}:", f"{GROUP.lower()}:")
EXTENSION = f"{ENTERPRISE.lower()}:"
LARGEST_PAGE, DEFAULT_PAGE = 300, 100
LAST_PLACE = 10**9
"""No list is longer; greater numbers count as this one, so that every store can count with them."""
MOST_NAMES = 100
"""The most names of attributes in `attributes` or `excludedAttributes`."""
LONGEST_SHOWN = 100
"""After so many characters text of the client is cut in an error."""
PARAMETERS = {
    name.lower(): name
    for name in (
        "attributes",
        "excludedAttributes",
        "filter",
        "sortBy",
        "sortOrder",
        "startIndex",
        "count",
    )
}
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


def body() -> Record:
    """The JSON object in the request's body, read once, since a view may run several times."""
    if BODY not in request.environ:
        request.environ[BODY] = read_body(request, server().settings.max_body, types=BODIES)
    sent: Record = request.environ[BODY]
    return sent


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


Tree = dict[str, Any]
"""Names of attributes in lower case -> True, or a Tree of what is chosen within them."""
ALWAYS = {"id": True, "schemas": True}
"""What is always shown (RFC 7643, 7)."""


@dataclass(frozen=True)
class Selection:
    """The attributes that an answer is to show."""

    shown: Tree
    """Empty for all of them, but for those in `hidden`."""
    hidden: Tree

    @property
    def has_members(self) -> bool:
        """Whether the members of groups are shown."""
        is_hidden = self.hidden.get("members") is True
        return not is_hidden and (not self.shown or "members" in self.shown)

    def of(self, resource: Record) -> Record:
        """What is shown of a resource."""
        chosen: Record = resource
        if self.shown:
            chosen = _only(resource, self.shown | ALWAYS)
        elif self.hidden:
            chosen = _without(resource, self.hidden)
        return chosen


def _only(value: Any, tree: Any) -> Any:
    """What of a value is in the tree, without what is empty then."""
    if isinstance(value, list):
        return [kept for each in value if (kept := _only(each, tree))]
    if tree is True or not isinstance(value, dict):
        return value
    inner = {n: _only(value[n], tree[n.lower()]) for n in value if n.lower() in tree}
    return {name: each for name, each in inner.items() if each not in ({}, [])}


def _without(value: Any, tree: Any) -> Any:
    """What of a value is not in the tree, without what is empty then."""
    if isinstance(value, list):
        return [kept for each in value if (kept := _without(each, tree))]
    if tree is None or not isinstance(value, dict):
        return value
    inner = {n: tree.get(n.lower()) for n in value if tree.get(n.lower()) is not True}
    kept = {name: _without(value[name], rest) for name, rest in inner.items()}
    return {name: each for name, each in kept.items() if each not in ({}, [])}


def selection(given: Mapping[str, Any]) -> Selection:
    """The attributes that parameters choose, by their names in lower case; Refused for bad ones."""
    shown = _tree(given.get("attributes"), "attributes")
    hidden = _tree(given.get("excludedattributes"), "excludedAttributes")
    if shown and hidden:
        raise invalid_value("attributes: Can't be given together with excludedAttributes.")
    return Selection(shown, {name: each for name, each in hidden.items() if name not in ALWAYS})


def _tree(names: Any, parameter: str) -> Tree:
    if isinstance(names, str):
        names = names.split(",", MOST_NAMES)
    names = [] if names is None else names
    if isinstance(names, list) and len(names) > MOST_NAMES:
        raise invalid_value(f"{parameter}: Must have at most {MOST_NAMES} names.")
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise invalid_value(f"{parameter}: Must be names of attributes.")
    tree: Tree = {}
    for name in filter(None, map(str.strip, names)):
        path = bare(name)
        extension = [EXTENSION[:-1]] if path.startswith(EXTENSION) else []
        _choose(tree, [*extension, *path.removeprefix(EXTENSION).split(".", 1)])
    return tree


def _choose(tree: Tree, path: list[str]) -> None:
    first, *others = path
    if not others:
        tree[first] = True
    elif tree.get(first) is not True:
        _choose(tree.setdefault(first, {}), others)


@dataclass(frozen=True)
class Search:
    """What a list or search asks for."""

    filter: str | None
    sort_by: str | None
    """The path of an attribute in lower case."""
    descends: bool
    places: slice
    """The places of the page in the whole list, at most LARGEST_PAGE of them."""
    selection: Selection


def parameters() -> Record:
    """The parameters in the request's query, by their names in lower case."""
    given: Record = {}
    for name, value in request.args.items(multi=True):
        if name.lower() in given:
            raise Refused(400, "invalidSyntax", f"{PARAMETERS[name.lower()]}: Is given twice.")
        if name.lower() in PARAMETERS:
            given[name.lower()] = value
    return given


def search_request(given: Record) -> Search:
    """A search, from the query of a GET or the body of a POST to .search; Refused if it is bad."""
    asked = text(given.get("filter"), "filter")
    order = (text(given.get("sortorder"), "sortOrder") or "ascending").lower()
    if order not in {"ascending", "descending"}:
        raise invalid_value("sortOrder: Must be ascending or descending.")
    begin = max(_whole(given.get("startindex"), "startIndex", 1), 1) - 1
    size = max(_whole(given.get("count"), "count", DEFAULT_PAGE), 0)
    sort_by = text(given.get("sortby"), "sortBy")
    return Search(
        "" if given.get("filter") == "" else asked,
        None if sort_by is None else ALIASES.get(bare(sort_by), bare(sort_by)),
        order == "descending",
        slice(begin, begin + min(size, LARGEST_PAGE)),
        selection(given),
    )


def _whole(value: Any, parameter: str, default: int) -> int:
    if value is None or value == "":
        return default
    if isinstance(value, int) and not isinstance(value, bool):
        return max(-1, min(value, LAST_PLACE))
    found = re.fullmatch(r"([+-]?)0*([0-9]*)", value) if isinstance(value, str) else None
    if found is None or not value[-1:].isdigit():
        raise invalid_value(f"{parameter}: Must be an integer.")
    sign, digits = found.groups()
    if sign == "-":
        return -1
    return min(int(digits or 0), LAST_PLACE) if len(digits) <= len(str(LAST_PLACE)) else LAST_PLACE


def location(*segments: object) -> str:
    return "/".join(
        [request.host_url.rstrip("/") + request.script_root + BASE_PATH, *map(str, segments)]
    )


def version_of(resource: Record) -> str:
    """The ETag of a resource. `meta` is no part of it, as the location in there varies by host."""
    return etag_of(encode(_bare(resource)))


def _bare(resource: Record) -> Record:
    return {name: value for name, value in resource.items() if name != "meta"}


def require_version(resource: Record) -> None:
    """PreconditionFailed if there is an If-Match without this ETag; call it in a transaction."""
    require_match(_bare(resource))


def answer(resource: Record, chosen: Selection, status: int = 200) -> Response:
    """The answer with one resource and its ETag, or 304 to a GET whose If-None-Match holds it."""
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
    return plain(chosen.of(resource), status, headers)


def plain(content: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(encode(content), status, headers, content_type=SCIM)


def listed(resources: Iterable[Record], total: int, first: int) -> Response:
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
