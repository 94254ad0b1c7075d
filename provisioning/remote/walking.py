"""Reads lists page by page, whatever their server makes of `page`, `size` and totals."""

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from provisioning.domain.names import username_key
from provisioning.remote.errors import CannotBeDone
from provisioning.remote.guest import OK, Answer, Guest, shown_url
from provisioning.store import Record

LARGEST_PAGES: tuple[int | None, ...] = (300, 100, 20, None)
"""The sizes to ask for: the highest that this API has, and what a server may have bounded it to."""
MOST_PAGES = 1_000
"""Pages after which a list that doesn't say how long it is counts as endless."""
NEXT = re.compile(r'rel="?next\b', re.IGNORECASE)
REFUSED = (400, 422)
BEYOND = (*REFUSED, 404)
"""What servers answer for a page after the last one, instead of an empty list."""
LONGEST_TOTAL = 16


@dataclass
class Walk:
    """What a walk along a list has found. `refused` is the first answer, where it is no list."""

    path: str
    records: list[Record] = field(default_factory=list)
    refused: Answer | None = None
    told: list[str] = field(default_factory=list)
    """A sentence for each thing that was odd about it."""


def profile(record: Record) -> Record:
    """The public profile of the user whom a record is about, or {} where it has none."""
    user = record.get("user")
    return user if isinstance(user, dict) else {}


def text_of(value: object) -> str | None:
    return value if isinstance(value, str) else None


def user_of(value: object) -> str | None:
    """A username in the form in which usernames are compared; None for what is none."""
    return username_key(value) if isinstance(value, str) and value else None


def whole(record: Record) -> Hashable:
    return orjson.dumps(record, option=orjson.OPT_SORT_KEYS)


def identity(record: Record) -> Hashable:
    """What tells a record from the others of its list; the whole of it where nothing does."""
    for member in ("id", "username", "domain", "label"):
        value = record.get(member)
        if isinstance(value, (str, int)):
            return member, user_of(value) if member == "username" else value
    return whole(record)


def walk(guest: Guest, path: str, query: Mapping[str, Any] | None = None) -> Walk:
    """All records of a list; CannotBeDone if it doesn't end or is no list.

    A server may count its pages from 1, ignore `page`, `size` or both, tell no total or a wrong
    one, and show empty pages on the way. So a walk goes on until it has what the total tells, or
    the links end, or two pages in a row bring nothing new.
    """
    found, asked = Walk(path), dict(query or {})
    answer, size = _first_page(guest, path, asked)
    if answer.status != OK or not isinstance(answer.body, list):
        found.refused = answer
        return found
    seen: set[Hashable] = set()
    totals = {total_of(answer)}
    page = barren = longest = most_pages = 0
    while True:
        records = records_of(answer, found)
        longest = max(longest, len(records))
        barren += 1
        for record in records:
            key = identity(record)
            if key not in seen:
                seen.add(key)
                found.records.append(record)
                barren = 0
        total = total_of(answer)
        totals.add(total)
        most_pages = most_pages or pages_allowed(total, longest)
        page += 1
        is_short = total is not None and len(found.records) < total
        if not is_short and (total is not None or barren > 1 or is_end(answer)):
            break
        if is_short and barren > 1 and page * (size or longest or 1) >= (total or 0):
            break
        if page >= most_pages:
            raise CannotBeDone(
                f"{shown_url(answer.where)}: the list hasn't ended after {page} pages."
            )
        answer = guest.get(path, **asked, **_sized(size), page=page)
        if answer.status in BEYOND:
            break
        if answer.status != OK:
            raise CannotBeDone(f"{answer.found}, on page {page} of the list.")
    told = sorted(each for each in totals if each is not None)
    if told and told != [len(found.records)]:
        counted = " and ".join(map(str, told))
        found.told.append(
            f"{path}: the server tells of {counted} records, and {len(found.records)} were found. "
            "The list has changed meanwhile, or it is counted wrongly."
        )
    return found


def pages_allowed(total: int | None, size: int) -> int:
    """The pages after which a list counts as endless, whatever total it tells."""
    return min(max(MOST_PAGES, 2 * (total or 0) // (size or 1)), 5 * MOST_PAGES)


def _sized(size: int | None) -> dict[str, int]:
    return {} if size is None else {"size": size}


def _first_page(guest: Guest, path: str, asked: Mapping[str, Any]) -> tuple[Answer, int | None]:
    """The first page in the largest size that the server takes, and that size."""
    size: int | None = None
    for size in LARGEST_PAGES:
        answer = guest.get(path, **asked, **_sized(size))
        if answer.status not in REFUSED:
            break
    return answer, size


def records_of(answer: Answer, walk: Walk) -> list[Record]:
    """The records of one page; what is no record is told."""
    page = answer.body
    if not isinstance(page, list):
        raise CannotBeDone(f"{answer.found}. It is no list of JSON objects.")
    records = [each for each in page if isinstance(each, dict)]
    if len(records) < len(page):
        walk.told.append(f"{walk.path}: {len(page) - len(records)} entries are no objects.")
    return records


def total_of(answer: Answer) -> int | None:
    """How many records the list has, where its server tells it."""
    told = answer.headers.get("x-total-count", "").strip()
    return int(told) if told.isascii() and told.isdigit() and len(told) < LONGEST_TOTAL else None


def is_end(answer: Answer) -> bool:
    """Whether a page's links say that there is no next one."""
    link = answer.headers.get("link")
    return link is not None and not NEXT.search(link)
