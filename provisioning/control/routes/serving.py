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
    """Routes below /_control, for whoever may control the server at all: there is no caller."""
    shared: dict[str, Any] = {
        "base_path": CONTROL_PATH,
        "allows": roles.ANY_ROLE,
        "plain": True,
        "conflict": SEVERAL,
    }
    return Resource(name, import_name, meaning, **shared | facts)


def control() -> Control:
    """What is kept of the server that is asked."""
    return control_of(server())


def created(representation: object) -> Response:
    response = plain(representation)
    response.status_code = 201
    return response
