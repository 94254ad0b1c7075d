"""Routes of the control API: how they are served, and what its document says of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

from flask import Blueprint, Response, request

from provisioning.web.answers import plain
from provisioning.web.body import read_body
from provisioning.web.context import server
from provisioning.web.records import RecordSchema, load_new
from provisioning.web.routing import Parameter

CONTROL_PATH = "/_control"
NO_CONTENT = 204
LARGEST_BODY = 2**26
"""Bytes that a seed may have, whatever the API itself accepts."""


@dataclass(frozen=True)
class Route:
    """One verb on one path. `answer=None` is any JSON; a status of 204 has none."""

    verb: str
    path: str
    name: str
    meaning: str
    status: int = 200
    body: RecordSchema | None = None
    answer: RecordSchema | None = None
    many: bool = False
    parameters: Sequence[Parameter] = ()


class Routes(Blueprint):
    """One part of the control API."""

    def __init__(self, name: str, import_name: str, meaning: str) -> None:
        super().__init__(name, import_name, url_prefix=CONTROL_PATH)
        self.meaning = meaning
        self.routes: list[Route] = []

    def serves(self, verb: str, path: str, **facts: Any) -> Callable[..., Any]:
        """Serve a view, which returns JSON-like data or, for a 204, None.

        With a `body` schema it gets the body read by it as `body`; an absent one is empty.
        """

        def register(view: Callable[..., Any]) -> Callable[..., Any]:
            route = Route(verb, path, view.__name__, view.__doc__ or "", **facts)
            self.routes.append(route)

            @wraps(view)
            def serve(**variables: Any) -> Response:
                if route.body is not None:
                    variables["body"] = load_new(route.body, read())
                content = view(**variables)
                response = Response() if content is None else plain(content)
                response.status_code = route.status
                response.headers["Cache-Control"] = "no-store"
                return response

            self.add_url_rule(path, route.name, serve, methods=[verb])
            return view

        return register


def read() -> dict[str, Any]:
    """The JSON object in the body, an absent one as an empty one."""
    limit = max(LARGEST_BODY, server().settings.max_body)
    return read_body(request, limit, is_needed=False)
