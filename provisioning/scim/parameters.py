"""The parameters of requests: what is shown, what is searched for, in which order."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Response, request

from provisioning.scim.messages import (
    ALIASES,
    EXTENSION,
    Refused,
    bare,
    invalid_value,
    plain,
    text,
)
from provisioning.store import Record

LARGEST_PAGE, DEFAULT_PAGE = 300, 100
LAST_PLACE = 10**9
"""No list is longer; greater numbers count as this one, so that every store can count with them."""
MOST_NAMES = 100
"""The most names of attributes in `attributes` or `excludedAttributes`."""
NAMES = "attributes excludedAttributes filter sortBy sortOrder startIndex count"
PARAMETERS = {name.lower(): name for name in NAMES.split()}

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
    def is_all(self) -> bool:
        return not self.shown and not self.hidden

    @property
    def has_members(self) -> bool:
        """Whether the members of groups are shown."""
        is_hidden = self.hidden.get("members") is True
        return not is_hidden and (not self.shown or "members" in self.shown)

    def of(self, resource: Record) -> Record:
        """What is shown of a resource."""
        if self.is_all:
            return resource
        tree = self.shown | ALWAYS if self.shown else self.hidden
        shown: Record = _cut(resource, tree, bool(self.shown))
        return shown


def _cut(value: Any, tree: Any, is_shown: bool) -> Any:
    """What of a value is in the tree, or, unless `is_shown`, isn't; without what is empty then."""
    if isinstance(value, list):
        return [kept for each in value if (kept := _cut(each, tree, is_shown))]
    if not isinstance(tree, dict) or not isinstance(value, dict):
        return value
    inner = {name: tree.get(name.lower()) for name in value}
    left_out = None if is_shown else True
    kept = {n: _cut(value[n], of, is_shown) for n, of in inner.items() if of is not left_out}
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
    if not isinstance(value, str) or not re.fullmatch(r"[+-]?[0-9]+", value):
        raise invalid_value(f"{parameter}: Must be an integer.")
    if value[0] == "-":
        return -1
    digits = value.lstrip("+0")[: len(str(LAST_PLACE))]
    return min(int(digits or 0), LAST_PLACE)


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
