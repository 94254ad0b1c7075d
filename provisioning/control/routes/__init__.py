"""The resources of the control API."""

from provisioning.control.routes.clock import clock
from provisioning.control.routes.faults import faults
from provisioning.control.routes.requests import requests
from provisioning.control.routes.serving import CONTROL_PATH
from provisioning.control.routes.state import state

RESOURCES = (state, clock, requests, faults)

__all__ = ["CONTROL_PATH", "RESOURCES"]
