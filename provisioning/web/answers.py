"""Answers: JSON, ETags, Location, and the conditions If-Match and If-None-Match (section 6)."""

import hashlib
import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import orjson
from flask import Response
from werkzeug.datastructures import Headers

from provisioning.domain.errors import PreconditionFailed
from provisioning.store import View
from provisioning.web.context import current
from provisioning.web.operation import BASE_PATH

JSON = "application/json"
MARKED = re.compile("[0-9a-f]{32}-(gzip|br|deflate|zstd)")
"""An ETag of ours with the suffix that Apache adds when it compresses the answer."""


class JsonAnswer(Response):
    """A JSON answer, which has all its headers from the beginning."""

    def __init__(self, content: bytes, status: int, headers: Mapping[str, str]) -> None:
        every = Headers()
        # All at once, as one after the other takes longer.
        every[:] = [("Content-Type", JSON), ("Content-Length", str(len(content))), *headers.items()]
        super().__init__([content], status, every)

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        """Save time: werkzeug would look for a Location to complete and for absent content."""
        if self.status_code != HTTPStatus.OK or environ["REQUEST_METHOD"] == "HEAD":
            return super().__call__(environ, start_response)
        start_response(self.status, self.headers.to_wsgi_list())
        return self.iter_encoded()


def encode(representation: object) -> bytes:
    return orjson.dumps(representation)


def encode_to_keep(representation: object) -> bytes:
    """As `encode`, for what is kept: bytes of orjson's own hold 4 KB, however short they are."""
    return b"%s" % encode(representation)


def kept(view: View, name: Hashable, show: Callable[[], object]) -> orjson.Fragment:
    """The JSON of what `show` returns, as bytes that are kept with the view; see `View.kept`.

    It must be the same for every caller of a tenant: a list keeps it, too.
    """
    return view.kept(name, lambda: fragment(show()))


def fragment(representation: object) -> orjson.Fragment:
    """Its JSON as bytes, which can be kept, and encoded again as a part of something else."""
    return orjson.Fragment(encode_to_keep(representation))


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
    return JsonAnswer(content, status, facts)


def created(representation: object, *segments: object) -> Response:
    """201 with the new record; `segments` are its path below the base path, for Location."""
    path = "/".join(quote(str(segment), safe="") for segment in segments)
    root = current().script_root
    return answer(representation, 201, Location=f"{root}{BASE_PATH}/{path}")


def nothing() -> Response:
    return Response(status=204)


def plain(representation: object, headers: Mapping[str, Any] | None = None) -> Response:
    """200 with JSON and without an ETag, for lists and for what is no record."""
    return JsonAnswer(encode(representation), 200, headers or {})


def require_match(representation: object) -> None:
    """PreconditionFailed if If-Match lacks this one's ETag; call it in the change's transaction."""
    request = current()
    if "HTTP_IF_MATCH" not in request.environ:
        return
    etag, given = etag_of(encode(representation)), request.if_match
    if given.contains(etag):
        return
    weak = given.as_set(include_weak=True) - given.as_set()
    if weak or any(MARKED.fullmatch(tag) for tag in given.as_set()):
        raise PreconditionFailed(
            "The ETag in If-Match is not as this server sent it: a proxy has weakened it (W/) or "
            "marked it (-gzip), as it does when it compresses an answer, and such a one never "
            "matches. Get the record with 'Accept-Encoding: identity', or let the proxy leave "
            "this API's answers as they are."
        )
    raise PreconditionFailed(
        "The record has changed since the ETag in If-Match. Get it again, then repeat."
    )
