"""Lists (section 5): they read page, size, q and order, and answer a bare array with X-Total-Count
and Link."""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from flask import Response
from orjson import Fragment

from provisioning.domain.activity import Instant, parse_instant
from provisioning.domain.errors import Invalid
from provisioning.domain.names import username_key
from provisioning.domain.records import Records
from provisioning.store import Order, Page, Query, Record, fold
from provisioning.web.access import reading
from provisioning.web.answers import plain
from provisioning.web.context import Arguments, current, known_if_short
from provisioning.web.operation import Parameter
from provisioning.web.records import RecordSchema, orderable

DEFAULT_SIZE = 20
LONGEST_SEARCH = 1_000
"""The most characters of `q`: a longer search takes long, as each word is sought everywhere."""
MOST_WORDS = 50
"""The most words of `q`: a database plans each of them anew."""
SEARCH = Parameter(
    "q",
    f"Words that must all occur, ignoring case and accents; {MOST_WORDS} at most.",
    {"type": "string", "maxLength": LONGEST_SEARCH},
)
AT = Parameter(
    "at",
    "The instant at which `active` is judged, instead of now.",
    {"type": "string", "format": "date-time"},
)
LONGEST_LINKS = 2_000
"""The most bytes of `Link`: proxies refuse answers with long headers, and so do clients."""
HIGHEST_PAGE = 10**18
"""Higher numbers of pages count as this one, which is empty as well, so that numbers stay small."""

Errors = dict[str, list[str]]


def list_query(
    schema: RecordSchema,
    default: str | None = None,
    **facts: Any,
) -> Query:
    """A Query with the request's page, size, words and order; `facts` are its other members.

    `default` are members to order by, with commas, if the request names none or for records that
    are equal in its order; None is the order of creation. Invalid for bad parameters.
    """
    request = current()
    highest = request.parts.settings.max_page_size
    return Query(**{**_asked(request.query_string, schema, default, highest), **facts})


@known_if_short
def _asked(_: bytes, schema: RecordSchema, default: str | None, highest: int) -> Mapping[str, Any]:
    """Members of the Query that this request asks. It follows from the bytes of its query."""
    errors: Errors = {}
    arguments = current().args
    page = _number(arguments, "page", 0, HIGHEST_PAGE, 0, errors)
    size = _number(arguments, "size", 1, highest, min(DEFAULT_SIZE, highest), errors)
    order = _order(arguments, orderable(schema), errors)
    if default is not None:
        order = (*order, *map(_ordered, default.split(",")))
    text = searched(arguments)
    words: tuple[str, ...] = ()
    if len(text) > LONGEST_SEARCH:
        errors["q"] = [f"Must have at most {LONGEST_SEARCH} characters."]
    else:
        words = tuple(dict.fromkeys(fold(text).split()))
    if len(words) > MOST_WORDS:
        errors["q"] = [f"Must have at most {MOST_WORDS} different words."]
    if errors:
        raise Invalid(errors)
    asked = {"words": words, "order": order, "page": page, "size": size}
    # A text of accents alone folds to no words, and finds nothing.
    return asked | {"keys": ()} if text.strip() and not words else asked


def searched(arguments: Arguments) -> str:
    """The text of `q`; several `q` are joined by blanks."""
    return " ".join(arguments.getlist("q"))


def active_asked(default: bool | None) -> bool | None:
    """The request's `active`: True, False, or None for all. Invalid for other values."""
    values = current().args.getlist("active")
    if not values:
        return default
    choices = {"true": True, "false": False, "all": None}
    if len(values) > 1 or values[0] not in choices:
        raise Invalid.member("active", "Must be true, false or all, once.")
    return choices[values[0]]


def at_asked(now: Instant) -> Instant:
    """The request's `at`, the instant at which `active` is judged, else now. Invalid if bad."""
    text = asked_once("at")
    if text is None:
        return now
    try:
        return parse_instant(text)
    except ValueError:
        raise Invalid.member(
            "at", "Must be an RFC 3339 date-time with an offset, such as 2014-09-09T13:49:29Z."
        ) from None


def asked_once(name: str) -> str | None:
    """The value of a query parameter, or None if it is absent; Invalid if it comes twice."""
    values = current().args.getlist(name)
    if len(values) > 1:
        raise Invalid.member(name, "Must be given once.")
    return values[0] if values else None


def user_asked(name: str) -> str | None:
    """The key of the username in a query parameter, or None if it is absent."""
    text = asked_once(name)
    return None if text is None else username_key(text)


def listed(page: Page, query: Query, show: Callable[[Records, Record], object]) -> Response:
    """The answer of a list: the page's records, each as `show` makes it, and the links.

    What `show` makes as bytes is the same for every caller, and is kept with the page.
    """
    records = reading()
    name = (show, records.label)
    known = page.shown.get(name, [None] * len(page.records))
    shown = [each or show(records, page.records[place]) for place, each in enumerate(known)]
    if name not in page.shown:
        page.shown[name] = [each if isinstance(each, Fragment) else None for each in shown]
    request = current()
    path = request.script_root + request.path
    links = _links(request.query_string, path, query.page, query.size, page.total)
    told = {"Link": links} if len(links) <= LONGEST_LINKS else {}
    return plain(shown, {"X-Total-Count": str(page.total), **told})


def _number(
    arguments: Arguments, name: str, lowest: int, highest: int, default: int, errors: Errors
) -> int:
    values = arguments.getlist(name)
    if not values:
        return default
    if len(values) == 1 and re.fullmatch(r"[0-9]+", values[0]):
        # Python converts thousands of digits slowly, and refuses more than 4,300.
        digits = values[0].lstrip("0") or "0"
        number = int(digits) if len(digits) <= len(str(HIGHEST_PAGE)) else HIGHEST_PAGE
        if name == "page":
            return min(number, HIGHEST_PAGE)
        if lowest <= number <= highest:
            return number
    upper = "" if highest == HIGHEST_PAGE else f" to {highest}"
    errors[name] = [f"Must be one whole number from {lowest}{upper}."]
    return default


def _order(arguments: Arguments, allowed: Collection[str], errors: Errors) -> tuple[Order, ...]:
    wanted: dict[str, Order] = {}
    for values in arguments.getlist("order"):
        for value in values.split(","):
            member = value.removeprefix("-")
            if member not in allowed:
                errors["order"] = [f"Must be out of {', '.join(allowed)}, '-' before it descends."]
                return ()
            wanted.setdefault(member, _ordered(value))
    return tuple(wanted.values())


def _ordered(value: str) -> Order:
    return Order(value.removeprefix("-"), value.startswith("-"))


@known_if_short
def _links(_: bytes, path: str, page: int, size: int | None, total: int) -> str:
    """The links of this request's list. They follow from the bytes of its query, and from these."""
    last = max(0, -(-total // (size or 1)) - 1)
    pages = {"first": 0, "last": last}
    if page > 0:
        pages["prev"] = min(page - 1, last)
    if page < last:
        pages["next"] = page + 1
    kept = [
        (name, value)
        for name, value in current().args.items(multi=True)
        if name not in {"apikey", "page"}
    ]
    target = f"{quote(path)}?"
    if kept:
        target += f"{urlencode(kept)}&"
    return ", ".join(
        f'<{target}page={number}>; rel="{relation}"' for relation, number in pages.items()
    )
