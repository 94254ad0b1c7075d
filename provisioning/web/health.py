"""For load balancers and supervisors: is the process up, and can it serve?"""

from flask import Blueprint, Flask, Response

from provisioning.store import StoreUnavailable
from provisioning.web.answers import plain
from provisioning.web.context import server

health = Blueprint("health", __name__, url_prefix="/health")


@health.get("/live")
def show_live() -> Response:
    """The process answers, whatever the store does."""
    return plain({"status": "live"})


@health.get("/ready")
def show_ready() -> Response:
    """The store can be read and written; 503 otherwise."""
    parts = server()
    problem = parts.readiness.problem(parts.store)
    if problem is not None:
        raise StoreUnavailable(problem)
    return plain({"status": "ready"})


def init_app(app: Flask) -> None:
    app.register_blueprint(health)
