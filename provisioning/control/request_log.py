"""The request log: the last requests and what was answered, bounded in every part."""

import json
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

import orjson

from provisioning.control.paths import matches
from provisioning.domain.errors import Invalid
from provisioning.store import Record
from provisioning.web.redaction import is_secret_name

LARGEST_BODY = 16_384
"""Bytes of a body that are kept; of a larger one only its size is."""
LONGEST_TARGET = 2_000
"""Characters of a path, and of a query, that are kept."""
LONGEST_HEADER, MOST_HEADERS = 1_000, 64
LONGEST_WORD = 128
"""Characters of a verb, and of the name of a header, that are kept."""
LARGEST_LOG = 2**26
"""Bytes of all entries together; the oldest are forgotten beyond that, however few they are."""
STATUS = re.compile(r"[1-5](\d\d|xx)", re.ASCII)

Test = Callable[[Record], bool]


class RequestLog:
    """The last requests of one server, oldest first. Threads may share it."""

    def __init__(self, size: int) -> None:
        # Encoded, they take a tenth of the memory, and nobody can change them.
        self._entries: deque[tuple[int, bytes]] = deque()
        self._size = size
        self._bytes = 0
        self._lock = threading.Lock()
        self.last_id = 0

    def add(self, entry: Record) -> None:
        """Keep an entry; it gets an `id`, which grows. Its secrets are to be masked already."""
        with self._lock:
            self.last_id += 1
            encoded = orjson.dumps({"id": self.last_id, **entry})
            self._entries.append((self.last_id, encoded))
            self._bytes += len(encoded)
            while len(self._entries) > self._size or self._bytes > LARGEST_LOG:
                self._bytes -= len(self._entries.popleft()[1])

    def find(self, **criteria: Any) -> list[Record]:
        """The entries that meet every criterion, newest last.

        `method`, `path` (a pattern), `status` (404 or "4xx"), `tenant`, `key` (its id), `user`,
        `matched` (bool), `since` (an entry's id: later ones; all, if it was never given), `limit`
        (that many of the last); `body` ({member: value} of the request, dotted members for nested
        ones), `header` and `query` ({name: value}). Invalid names any other.
        """
        limit, since = criteria.pop("limit", None), criteria.pop("since", None) or 0
        tests = [_test(name, wanted) for name, wanted in criteria.items() if wanted is not None]
        found = [entry for entry in self._after(since) if all(test(entry) for test in tests)]
        return found if limit is None else found[len(found) - min(int(limit), len(found)) :]

    def count(self, **criteria: Any) -> int:
        return len(self.find(**criteria))

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._bytes = 0

    def __iter__(self) -> Iterator[Record]:
        return self._after(0)

    def _after(self, since: int) -> Iterator[Record]:
        with self._lock:
            # Whoever follows the requests of a server that was restarted asks for a later id.
            since = 0 if since > self.last_id else since
            entries = [encoded for number, encoded in self._entries if number > since]
        return map(orjson.loads, entries)


OF_THE_WHOLE = ("method", "path", "status", "tenant", "key", "user", "matched", "since", "limit")
OF_A_PART = ("body", "header", "query")
"""Criteria that name a member, header or parameter, and its value."""


def _test(name: str, wanted: Any) -> Test:
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
        return lambda entry: all(value in given(entry, part) for part, value in wanted.items())
    if name in OF_THE_WHOLE:
        return lambda entry: bool(entry[name] == wanted)
    known = ", ".join((*OF_THE_WHOLE, *OF_A_PART))
    raise Invalid.member(name, f"There is no such criterion. There are {known}.")


def _has(body: Any, member: str, wanted: Any) -> bool:
    """Whether a body's member has a value, given as itself or as text."""
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
    """A text that is too long, without its end, which its length stands for."""
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text)} characters)"
