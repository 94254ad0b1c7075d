"""The request log: the last requests and what was answered, without any secret."""

import functools
import json
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from provisioning.control.paths import matches
from provisioning.domain.errors import Invalid
from provisioning.store import Record
from provisioning.web.redaction import MASK, redacted_target

LARGEST_BODY = 16_384
"""Bytes of a body that are kept; of a larger one only its size is."""
SECRET_MEMBERS = frozenset({"apitoken", "apikey", "password", "provpassword", "passwordhash"})
SHORTEST_TOKEN = 8
"""Characters; what is shorter is no token, and stands in other words as well."""
SECRET_HEADER = re.compile("authorization|api-?key|token|cookie|password|secret", re.IGNORECASE)
STATUS = re.compile(r"[1-5](\d\d|xx)", re.ASCII)

Test = Callable[[Record], bool]


class RequestLog:
    """The last requests of one server, oldest first. Threads may share it."""

    def __init__(self, size: int) -> None:
        # Encoded, they take a tenth of the memory, and nobody can change them.
        self._entries: deque[bytes] = deque(maxlen=size)
        self._lock = threading.Lock()
        self.last_id = 0

    def add(self, entry: Record, token: str = "") -> None:
        """Keep an entry; it gets an `id`, which grows. Its secrets are to be masked already,
        apart from the request's own `token`, wherever that may stand."""
        with self._lock:
            self.last_id += 1
            encoded = orjson.dumps({"id": self.last_id, **entry})
            if len(token) >= SHORTEST_TOKEN:
                encoded = encoded.replace(orjson.dumps(token)[1:-1], MASK.encode())
            self._entries.append(encoded)

    def find(self, **criteria: Any) -> list[Record]:
        """The entries that meet every criterion, newest last.

        `method`, `path` (a pattern), `status` (404 or "4xx"), `tenant`, `key` (its id), `user`,
        `matched` (bool), `body` ({member: value} of the request, dotted members for nested
        ones), `limit` (that many of the last). Invalid names any other.
        """
        limit = criteria.pop("limit", None)
        tests = [_test(name, wanted) for name, wanted in criteria.items() if wanted is not None]
        found = [entry for entry in self if all(test(entry) for test in tests)]
        return found if limit is None else found[len(found) - min(int(limit), len(found)) :]

    def count(self, **criteria: Any) -> int:
        return len(self.find(**criteria))

    def clear(self) -> None:
        self._entries.clear()

    def __iter__(self) -> Iterator[Record]:
        for entry in list(self._entries):
            yield orjson.loads(entry)


CRITERIA = ("method", "path", "status", "tenant", "key", "user", "matched", "body", "limit")


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
    if name == "body":
        return lambda entry: all(_has(entry["requestBody"], *each) for each in wanted.items())
    if name in CRITERIA:
        return lambda entry: bool(entry[name] == wanted)
    raise Invalid.member(name, f"There is no such criterion. There are {', '.join(CRITERIA)}.")


def _has(body: Any, member: str, wanted: Any) -> bool:
    """Whether a body's member has a value, given as itself or as text."""
    for name in member.split("."):
        if not isinstance(body, Mapping) or name not in body:
            return False
        body = body[name]
    return bool(body == wanted or wanted == json.dumps(body))


def shown_body(content: bytes, size: int) -> Any:
    """A body as the log keeps it: JSON with its secrets masked, or a remark."""
    if not size:
        return None
    if size > LARGEST_BODY:
        return f"({size} bytes, too many to be kept)"
    try:
        return orjson.Fragment(orjson.dumps(redacted(orjson.loads(content))))
    except (ValueError, TypeError, RecursionError):
        # It may be a secret as a whole.
        return f"({size} bytes that are no JSON)"


def redacted(value: Any) -> Any:
    """JSON without the values of secret members, and without keys in the paths that it holds."""
    if isinstance(value, str):
        return redacted_target(value)
    if isinstance(value, dict):
        return {
            name: MASK if inner is not None and _is_secret(name) else redacted(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [redacted(inner) for inner in value]
    return value


@functools.lru_cache(512)
def _is_secret(member: str) -> bool:
    return member.lower().replace("_", "").replace("-", "") in SECRET_MEMBERS


def shown_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Request headers without those that carry secrets, and without keys in the others."""
    return {
        name: redacted_target(text)
        for name, text in headers.items()
        if not SECRET_HEADER.search(name)
    }
