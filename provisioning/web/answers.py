"""Answers: JSON, ETags, Location, and the conditions that requests put on them (section 6)."""

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import orjson
from flask import Response

from provisioning.domain.errors import PreconditionFailed
from provisioning.web.context import current
from provisioning.web.routing import BASE_PATH

JSON = "application/json"


def encode(representation: object) -> bytes:
    return orjson.dumps(representation)


def etag_of(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def answer(representation: object, status: int = 200, **headers: str) -> Response:
    """One record with a strong ETag, or 304 to a GET whose If-None-Match holds it."""
    content = encode(representation)
    etag = etag_of(content)
    request = current()
    facts = {**headers, "ETag": f'"{etag}"'}
    if (
        "HTTP_IF_NONE_MATCH" in request.environ
        and request.method in {"GET", "HEAD"}
        and request.if_none_match.contains_weak(etag)
    ):
        return Response(status=304, headers=facts)
    return Response(content, status, facts, content_type=JSON)


def created(representation: object, *segments: object) -> Response:
    """201 with the new record and where it is, relative to this host."""
    path = "/".join(quote(str(segment), safe="") for segment in segments)
    root = current().script_root
    return answer(representation, 201, Location=f"{root}{BASE_PATH}/{path}")


def nothing() -> Response:
    return Response(status=204)


def plain(representation: object, headers: Mapping[str, Any] | None = None) -> Response:
    """JSON without an ETag: lists and the caller."""
    return Response(encode(representation), 200, headers, content_type=JSON)


def require_match(representation: object) -> None:
    """PreconditionFailed when If-Match names another state than this; call it in a transaction."""
    request = current()
    if "HTTP_IF_MATCH" not in request.environ:
        return
    if not request.if_match.contains(etag_of(encode(representation))):
        raise PreconditionFailed(
            "The record has changed since the ETag in If-Match. Get it again, then repeat."
        )
