"""What the routes of the control API share."""

from typing import Any

from flask import Response

from provisioning.control.parts import Control, control_of
from provisioning.domain import roles
from provisioning.web.answers import plain
from provisioning.web.context import server
from provisioning.web.routing import Resource

CONTROL_PATH = "/_control"
SEVERAL = "The server has several processes, each with a clock, faults and a log of its own."


def control_resource(name: str, import_name: str, meaning: str, **facts: Any) -> Resource:
    """A resource below /_control. It knows no callers: who may control the server may do all."""
    shared = {"base_path": CONTROL_PATH, "allows": roles.ANY_ROLE, "conflict": SEVERAL}
    return Resource(name, import_name, meaning, **shared | facts)


def control() -> Control:
    """The Control of the server that this request came to."""
    return control_of(server())


def created(representation: object) -> Response:
    response = plain(representation)
    response.status_code = 201
    return response
