"""The request log: the last requests and their answers. Each part of it has a limit."""

import json
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypedDict, Unpack
from urllib.parse import parse_qsl

import orjson

from provisioning.control.har import har
from provisioning.control.paths import matches
from provisioning.domain.errors import Invalid
from provisioning.store import Record
from provisioning.web.answers import encode_to_keep
from provisioning.web.redaction import is_secret_name

LARGEST_BODY = 16_384
"""The most bytes of a body that is kept; of a larger one only the size is kept."""
LONGEST_TARGET = 2_000
"""How many characters of a path, and of a query, are kept."""
LONGEST_HEADER, MOST_HEADERS = 1_000, 64
LONGEST_WORD = 128
"""How many characters of a verb, and of the name of a header, are kept."""
LARGEST_LOG = 2**26
"""The most bytes of all entries together. If there are more, the oldest entries are forgotten."""
CONSOLE = "console-"
"""What the ids of the console's own requests begin with. These are kept in a place of their own."""
MOST_OF_CONSOLE, LARGEST_OF_CONSOLE = 200, 2**23
STATUS = re.compile(r"[1-5](\d\d|xx)", re.ASCII)

Test = Callable[[Record], bool]


class Kept:
    """Entries, oldest first: at most `most` of them, of at most `largest` bytes together."""

    def __init__(self, most: int, largest: int) -> None:
        # Entries are kept encoded: so they take a tenth of the memory, and nobody can change them.
        self.entries: deque[tuple[int, bytes]] = deque()
        self._most, self._largest = most, largest
        self._bytes = 0

    def add(self, number: int, encoded: bytes) -> None:
        self.entries.append((number, encoded))
        self._bytes += len(encoded)
        while len(self.entries) > self._most or self._bytes > self._largest:
            self._bytes -= len(self.entries.popleft()[1])

    def clear(self) -> None:
        self.entries.clear()
        self._bytes = 0


class Criteria(TypedDict, total=False):
    """What entries of the log are found by; see `RequestLog.find`."""

    method: str | None
    path: str | None
    status: int | str | None
    tenant: str | None
    key: str | None
    user: str | None
    matched: bool | None
    console: bool | None
    since: int | None
    limit: int | None
    body: Mapping[str, Any] | None
    header: Mapping[str, str | int] | None
    query: Mapping[str, str | int] | None


class RequestLog:
    """The last requests of one server, oldest first. Threads may share this object."""

    def __init__(self, size: int) -> None:
        self._clients = Kept(size, LARGEST_LOG)
        self._console = Kept(min(size, MOST_OF_CONSOLE), LARGEST_OF_CONSOLE)
        self._lock = threading.Lock()
        self.last_id = 0

    def add(self, entry: Record) -> None:
        """Keep an entry under the next `id`. The caller must have masked its secrets."""
        with self._lock:
            self.last_id += 1
            is_consoles = entry.get("requestId", "").startswith(CONSOLE)
            kept = self._console if is_consoles else self._clients
            kept.add(self.last_id, encode_to_keep({"id": self.last_id, **entry}))

    def find(self, **criteria: Unpack[Criteria]) -> list[Record]:
        """The entries that meet every criterion, newest last; Invalid for an unknown criterion.

        The criteria are `method`, `path` (a pattern), `status` (404 or "4xx"), `tenant`, `key`
        (its id), `user`, `matched` (whether there is a route), `console` (whether the console
        asked), `since` (only entries after this id; all, if the id was never used), `limit` (only
        so many of the last that meet the others); `body` ({member: value} of the request's body,
        with dots for nested members), `header` and `query` ({name: value}).
        """
        limit, since = criteria.pop("limit", None), criteria.pop("since", None) or 0
        console = criteria.pop("console", None)
        tests = [criterion(name, wanted) for name, wanted in criteria.items() if wanted is not None]
        found = [
            entry for entry in self._after(since, console) if all(test(entry) for test in tests)
        ]
        return found if limit is None else found[len(found) - min(int(limit), len(found)) :]

    def count(self, **criteria: Unpack[Criteria]) -> int:
        return len(self.find(**criteria))

    def har(self, **criteria: Unpack[Criteria]) -> Record:
        """The entries that meet every criterion as a HAR 1.2 document, oldest first."""
        return har(self.find(**criteria))

    def clear(self) -> None:
        with self._lock:
            self._clients.clear()
            self._console.clear()

    def __iter__(self) -> Iterator[Record]:
        return self._after(0, None)

    def _after(self, since: int, console: bool | None) -> Iterator[Record]:
        asked = {
            True: [self._console],
            False: [self._clients],
            None: [self._clients, self._console],
        }
        with self._lock:
            # A client that follows a server across its restart may ask for an id still to come.
            since = 0 if since > self.last_id else since
            entries = [each for kept in asked[console] for each in kept.entries if each[0] > since]
        return (orjson.loads(encoded) for _, encoded in sorted(entries))


OF_A_PART = ("body", "header", "query")
"""Criteria that take names of members, headers or parameters, each with its value."""
OF_THE_WHOLE = tuple(name for name in Criteria.__annotations__ if name not in OF_A_PART)
"""Criteria that take one value."""


def criterion(name: str, wanted: Any) -> Test:
    """What tells whether an entry, or a request in its form, meets a criterion of `find`.

    Invalid for an unknown criterion, and for one that could meet nothing.
    """
    if name == "path":
        return lambda entry: matches(str(wanted), entry["path"])
    if name == "status":
        status = str(wanted).lower()
        if not STATUS.fullmatch(status):
            raise Invalid.member("status", "Must be a status such as 404, or a class such as 4xx.")
        return lambda entry: (
            re.fullmatch(status.replace("x", "."), str(entry["status"])) is not None
        )
    if name == "matched":
        return lambda entry: (entry["matched"] is not None) is wanted
    if name in OF_A_PART:
        for part in wanted:
            if is_secret_name(part.rpartition(".")[2]):
                raise Invalid.member(f"{name}.{part}", "Is a secret, and masked in the log.")
        if name == "body":
            return lambda entry: all(_has(entry["requestBody"], *each) for each in wanted.items())
        given = _header if name == "header" else _parameters
        texts = {
            part: value if isinstance(value, str) else json.dumps(value)
            for part, value in wanted.items()
        }
        return lambda entry: all(text in given(entry, part) for part, text in texts.items())
    if name in OF_THE_WHOLE:
        return lambda entry: bool(entry[name] == wanted)
    known = ", ".join((*OF_THE_WHOLE, *OF_A_PART))
    raise Invalid.member(name, f"There is no such criterion. There are {known}.")


def _has(body: Any, member: str, wanted: Any) -> bool:
    """Whether a member of a body has a value, which may be given as JSON text."""
    for name in member.split("."):
        if not isinstance(body, Mapping) or name not in body:
            return False
        body = body[name]
    return bool(body == wanted or wanted == json.dumps(body))


def _header(entry: Record, name: str) -> list[str]:
    return [text for sent, text in entry["headers"].items() if sent.lower() == name.lower()]


def _parameters(entry: Record, name: str) -> list[str]:
    given = parse_qsl(entry["query"], keep_blank_values=True)
    return [text for sent, text in given if sent == name]


def cut(text: str, longest: int) -> str:
    """A text of at most so many characters; a longer one is cut, and its length is added."""
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text)} characters)"
