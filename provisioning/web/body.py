"""Reading a JSON body as strictly as section 6 asks, before any schema sees it."""

import json
import math
from codecs import BOM_UTF8
from collections.abc import Collection
from typing import Any

from flask import Request

from provisioning.domain.errors import BadRequest, Invalid, TooLarge, UnsupportedMediaType
from provisioning.store import Record

MAX_NESTING = 64
LONGEST_NUMBER = 40
"""The most digits of an integer that are converted, which is slow: no member holds more than 19."""
BEYOND_ANY_MEMBER = 10**LONGEST_NUMBER
LOWEST_INTEGER, HIGHEST_INTEGER = -(2**63), 2**63 - 1
LONGEST_ENCODING = 100
CHUNK = 65_536
GZIP = b"\x1f\x8b"


def read_body(
    request: Request,
    limit: int,
    is_needed: bool = True,
    types: Collection[str] = ("application/json",),
) -> Record:
    """The JSON object in the body, of `limit` bytes at most, chunked or not.

    Unless it `is_needed`, the body may be absent, and the answer is then {}. Raises BadRequest,
    TooLarge, UnsupportedMediaType or Invalid.
    """
    if request.content_length is not None and request.content_length > limit:
        raise too_large(limit)
    content = read_limited(request, limit)
    if not content and not is_needed:
        return {}
    if not content:
        raise no_body()
    encoding = request.headers.get("Content-Encoding", "identity").strip()
    if encoding.lower() not in {"identity", ""}:
        raise UnsupportedMediaType(
            f"The body has the Content-Encoding '{encoding[:LONGEST_ENCODING]}'. Send it as it is, "
            "without one."
        )
    if request.mimetype not in types:
        raise UnsupportedMediaType(
            "Send the body as JSON, with the header Content-Type: application/json."
        )
    body = parse_object(content)
    check_values(body)
    return body


def no_body() -> BadRequest:
    return BadRequest("A JSON object is needed in the body.")


def read_limited(request: Request, limit: int) -> bytes:
    received = bytearray()
    while chunk := _read(request, min(CHUNK, limit + 1 - len(received))):
        received += chunk
        if len(received) > limit:
            raise too_large(limit)
    # The beginning of a body that was cut short may be valid JSON, so the length is compared.
    if len(received) < (request.content_length or 0):
        raise _cut_short()
    return bytes(received)


def _read(request: Request, size: int) -> bytes:
    try:
        return request.stream.read(size)
    except Exception as error:
        # HTTP servers raise different errors for a client that breaks off or sends broken chunks.
        raise _cut_short() from error


def _cut_short() -> BadRequest:
    return BadRequest("The body ended early, or its chunks are broken. Send all of it again.")


def too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than {limit} bytes, the limit of this server.")


def parse_object(content: bytes) -> Record:
    if not content.strip():
        raise no_body()
    if content.startswith(BOM_UTF8):
        raise BadRequest(
            "The body begins with a byte order mark (BOM), which JSON has not. Send it without."
        )
    if content.startswith(GZIP):
        raise BadRequest("The body is compressed (gzip). Send it as it is.")
    try:
        parsed = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_float,
            parse_int=_integer,
        )
    except UnicodeDecodeError as error:
        raise BadRequest("The body must be UTF-8.") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise BadRequest(f"The body is no JSON: {error.msg} at {place}.") from error
    except RecursionError as error:
        raise _too_deep() from error
    if not isinstance(parsed, dict):
        raise BadRequest("The body must be a JSON object.")
    return parsed


def check_values(body: Record, deepest: int = MAX_NESTING) -> None:
    """Invalid for text and numbers that no member can hold; BadRequest for nesting too deep."""
    errors: dict[str, list[str]] = {}
    for member, value in body.items():
        faults = set(_text_faults(member))
        waiting: list[tuple[int, Any]] = [(1, value)]
        while waiting:
            depth, item = waiting.pop()
            if isinstance(item, str):
                faults.update(_text_faults(item))
            elif isinstance(item, (dict, list)):
                if depth >= deepest:
                    raise _too_deep()
                inner = [*item.keys(), *item.values()] if isinstance(item, dict) else item
                waiting.extend((depth + 1, part) for part in inner)
            elif isinstance(item, int) and not LOWEST_INTEGER <= item <= HIGHEST_INTEGER:
                faults.add("Holds an integer that is out of range.")
            elif isinstance(item, float) and not math.isfinite(item):
                faults.add("Holds a number that JSON has none for.")
        if faults:
            errors[member.encode("utf-8", "replace").decode()] = sorted(faults)
    if errors:
        raise Invalid(errors)


def _text_faults(text: str) -> list[str]:
    faults = []
    if "\0" in text:
        faults.append("Must not contain the NUL character.")
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        faults.append("Must not contain lone surrogates.")
    return faults


def _too_deep() -> BadRequest:
    return BadRequest(f"The body is nested more than {MAX_NESTING} levels deep.")


def _object(pairs: list[tuple[str, Any]]) -> Record:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        shown = twice.encode("utf-8", "replace").decode()[:100]
        raise BadRequest(f"The body holds the member '{shown}' more than once in one object.")
    return members


def _constant(name: str) -> Any:
    raise BadRequest(f"The body holds {name}, which is no JSON number.")


def _float(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise BadRequest("The body holds a number that is too large.")
    return number


def _integer(digits: str) -> int:
    return int(digits) if len(digits) <= LONGEST_NUMBER else BEYOND_ANY_MEMBER
