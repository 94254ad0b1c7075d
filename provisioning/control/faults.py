"""Faults: which requests go wrong, in which way, how likely and how often."""

import itertools
import random
import re
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypedDict, Unpack

import orjson
from marshmallow import ValidationError, fields

from provisioning.control.request_log import Test, criterion
from provisioning.domain.errors import Conflict, Invalid
from provisioning.domain.names import username_key
from provisioning.store import Record
from provisioning.web.fields import LARGEST_OBJECT, Choice, Flag, JsonObject, Text, Whole
from provisioning.web.records import RecordSchema, load_new, show

VERBS = ("GET", "HEAD", "POST", "PUT", "DELETE")
LONGEST_DELAY = 60_000
DAY = 86_400
MOST_FAULTS = 100
CRITERIA = ("method", "path", "tenant", "user", "query", "header", "body")
"""The members of a fault that say which requests it strikes; as in the log's `find`."""
HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
FRAMING = {"connection", "content-length", "transfer-encoding"}
WITHOUT_BODY = (204, 304)
ENDINGS = ("close", "truncate", "garbage")
"""The ways in which a fault can end a connection before a whole answer was sent."""


class Delay(fields.Raw):
    """A delay in milliseconds, or a range of delays as `[lowest, highest]`."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        ends = value if isinstance(value, list) else [value, value]
        if len(ends) != 2 or not all(_is_number(end, LONGEST_DELAY) for end in ends):  # noqa: PLR2004
            raise ValidationError(f"Must be 0 to {LONGEST_DELAY} ms, or [lowest, highest] of them.")
        if ends[0] > ends[1]:
            raise ValidationError("Must begin with the lowest.")
        return value


class Probability(fields.Float):
    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        if not _is_number(value, 1):
            raise ValidationError("Must be a number from 0 to 1.")
        return value


def _is_number(value: object, highest: float) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and 0 <= value <= highest  # type: ignore[operator]


class AnyJson(fields.Raw):
    """Any JSON value, of at most LARGEST_OBJECT bytes."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        if len(orjson.dumps(value)) > LARGEST_OBJECT:
            raise ValidationError(f"Must have at most {LARGEST_OBJECT} bytes as compact JSON.")
        return value


class Headers(JsonObject):
    """Headers of an answer: an object of texts."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        for name, text in super()._deserialize(value, *args, **kwargs).items():
            if not HEADER.fullmatch(name) or name.lower() in FRAMING:
                raise ValidationError(f"{name[:128]!r} is no header that an answer may be given.")
            if not isinstance(text, str) or not (text.isascii() and text.isprintable()):
                raise ValidationError(f"{name}: Must be printable ASCII text.")
        return value


class FaultSchema(RecordSchema):
    """Which requests a fault strikes, and what becomes of them.

    In `path`, `*` stands for any text within a segment, and `**` for any text. `query` and `header`
    are objects of a parameter's or header's name and its value, `body` of a member of the request's
    body and its value, with dots into nested objects; a body of more than 16 KB has none. `delay`
    is in ms, fixed or a range. An answer with a `status` may have a `responseBody` of its own, JSON
    or, where it is a text, that text, and `responseHeaders`. `close` ends the connection without an
    answer, `garbage` after bytes that are no HTTP, and `truncate` after half of the answer's body.
    The fault lets `after` requests pass first, and after `times` it strikes no more; `struck`
    counts.
    """

    example = {"path": "/users/*", "method": "PUT", "status": 503, "retryAfter": 2, "times": 1}

    id = fields.Integer(dump_only=True)
    method = Choice("Verb", VERBS)
    path = Text(1_000, required=True)
    tenant = Text(32)
    user = Text(254)
    query = JsonObject(allow_none=True)
    header = JsonObject(allow_none=True)
    body = JsonObject(allow_none=True)
    delay = Delay(allow_none=True)
    status = Whole(200, 599)
    responseBody = AnyJson(allow_none=True)
    responseHeaders = Headers(allow_none=True)
    retryAfter = Whole(0, DAY)
    close = Flag(load_default=False)
    truncate = Flag(load_default=False)
    garbage = Flag(load_default=False)
    probability = Probability(load_default=1)
    after = Whole(0, 10**9, load_default=0, allow_none=False)
    times = Whole(1, 10**9)
    struck = fields.Integer(dump_only=True)


FAULT = FaultSchema()


class Terms(TypedDict, total=False):
    """The members of FaultSchema that may be given beside the path."""

    method: str | None
    tenant: str | None
    user: str | None
    query: Mapping[str, str | int] | None
    header: Mapping[str, str | int] | None
    body: Mapping[str, Any] | None
    delay: float | Sequence[float] | None
    status: int | None
    responseBody: Any
    responseHeaders: Mapping[str, str] | None
    retryAfter: int | None
    close: bool
    truncate: bool
    garbage: bool
    probability: float
    after: int
    times: int | None


@dataclass
class Fault:
    """One fault, with `terms` as FaultSchema has them. Only `Faults` changes the counters."""

    id: int
    terms: Record
    tests: list[Test]
    met: int = 0
    """How many requests it concerned, those that it let pass among them."""
    struck: int = 0

    @property
    def shown(self) -> Record:
        return show(FAULT, self.terms, id=self.id, struck=self.struck)

    def concerns(self, asked: Record) -> bool:
        """Whether it is about this request, which has the form of an entry of the request log."""
        is_over = self.terms["times"] is not None and self.struck >= self.terms["times"]
        return not is_over and all(test(asked) for test in self.tests)

    @property
    def ending(self) -> str | None:
        """How the fault ends the connection, one of ENDINGS, or None."""
        return next((name for name in ENDINGS if self.terms[name]), None)

    def seconds(self) -> float:
        """For how many seconds it delays a request; at random, if `delay` is a range."""
        delay = self.terms["delay"]
        low, high = delay if isinstance(delay, list) else (delay or 0, delay or 0)
        return _CHANCE.uniform(low, high) / 1000


class Faults:
    """The faults of one server, in the order of their addition. Threads may share this object."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._faults: dict[int, Fault] = {}
        self._waiting: deque[threading.Event] = deque()
        self.is_delaying = True
        """Whether delays take effect. A server that stops sets this to False."""

    def add(self, path: str, **terms: Unpack[Terms]) -> Record:
        """Add a fault; `terms` are members of FaultSchema. See `add_terms`."""
        return self.add_terms({"path": path, **terms})

    def add_terms(self, body: Mapping[str, Any]) -> Record:
        """Add a fault, and return it as the API shows it.

        Invalid names wrong members; Conflict if there are MOST_FAULTS already.
        """
        terms = load_new(FAULT, dict(body))
        _check(terms)
        tests = _tests(terms)
        with self._lock:
            if len(self._faults) >= MOST_FAULTS:
                raise Conflict(f"There are {MOST_FAULTS} faults already. Remove some first.")
            fault = Fault(next(self._ids), terms, tests)
            self._faults[fault.id] = fault
        return fault.shown

    def all(self) -> list[Record]:
        with self._lock:
            return [fault.shown for fault in self._faults.values()]

    def find(self, fault_id: int) -> Record | None:
        fault = self._faults.get(fault_id)
        return None if fault is None else fault.shown

    def remove(self, fault_id: int) -> bool:
        """Remove a fault; False if there is none with this id."""
        with self._lock:
            return self._faults.pop(fault_id, None) is not None

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()
        self.release()

    def release(self) -> None:
        """Let all requests go on that are waiting for a delay."""
        with self._lock:
            for turn in self._waiting:
                turn.set()

    @property
    def look_into_bodies(self) -> bool:
        """Whether some fault is about the bodies of requests, so that `strike` has to know them."""
        return any(fault.terms["body"] for fault in self._faults.values())

    def strike(self, asked: Record) -> Fault | None:
        """The first fault that strikes this request, by terms and chance; its `struck` grows.

        `asked` has the members of an entry of the request log that are in CRITERIA or that these
        look at: method, path, tenant, user, query, headers, requestBody.
        """
        with self._lock:
            for fault in self._faults.values():
                likely = fault.terms["probability"]
                if not fault.concerns(asked):
                    continue
                fault.met += 1
                if fault.met > fault.terms["after"] and _CHANCE.random() < likely:
                    fault.struck += 1
                    return fault
        return None

    def __bool__(self) -> bool:
        return bool(self._faults)

    @property
    def waiting(self) -> int:
        """How many requests are waiting for a delay now."""
        return len(self._waiting)

    def wait(self, fault: Fault, threads: int | None = None) -> None:
        """Delay a request as the fault says; `clear` ends all delays, so that resets are quick.

        `threads` is how many threads the server has. Delays take at most all but one of them, so
        that the control API can be reached: if need be, the longest delay so far ends early.
        """
        turn = threading.Event()
        with self._lock:
            if fault.id not in self._faults or not self.is_delaying:
                return
            if threads is not None and len(self._waiting) >= max(1, threads - 1):
                self._waiting.popleft().set()
            self._waiting.append(turn)
        turn.wait(fault.seconds())
        with self._lock, suppress(ValueError):
            self._waiting.remove(turn)


def _tests(terms: Record) -> list[Test]:
    """What a request has to meet; Invalid for a term that could meet nothing."""
    wanted = {name: terms[name] for name in CRITERIA if terms[name] is not None}
    if "user" in wanted:
        wanted["user"] = username_key(wanted["user"])
    return [criterion(name, value) for name, value in wanted.items()]


_CHANCE = random.SystemRandom()


def _check(terms: Record) -> None:
    errors: dict[str, list[str]] = {}
    if not terms["path"].startswith("/"):
        errors["path"] = ["Must begin with a slash."]
    endings = [name for name in ENDINGS if terms[name]]
    if terms["delay"] is None and terms["status"] is None and not endings:
        errors["status"] = [f"Give at least one of delay, status, {', '.join(ENDINGS)}."]
    for name in endings:
        if len(endings) > 1:
            errors[name] = [f"Only one of {', '.join(ENDINGS)} can be."]
        elif name != "truncate" and terms["status"] is not None:
            errors[name] = ["There is no answer then that has a status: give one of the two."]
    for name in ("retryAfter", "responseBody", "responseHeaders"):
        if terms[name] is not None and terms["status"] is None:
            errors[name] = ["Needs a status."]
    if terms["responseBody"] is not None and terms["status"] in WITHOUT_BODY:
        errors["responseBody"] = [f"An answer with the status {terms['status']} has no body."]
    if errors:
        raise Invalid(errors)
