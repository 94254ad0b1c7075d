"""Routes for monitoring: whether the process is up, whether it can serve, and its metrics."""

from flask import Blueprint, Flask, Response

from provisioning.domain.errors import Forbidden, Unauthorized
from provisioning.settings import Settings
from provisioning.store import StoreUnavailable
from provisioning.web import metrics
from provisioning.web.answers import plain
from provisioning.web.caller import sends_bearer
from provisioning.web.context import Request, current, server
from provisioning.web.hosts import is_local_client, names_this_machine

health = Blueprint("health", __name__, url_prefix="/health")


@health.get("/live")
def show_live() -> Response:
    """Say that the process answers, whatever the store does."""
    return plain({"status": "live"})


@health.get("/ready")
def show_ready() -> Response:
    """Say that the store can be read and written; 503 otherwise."""
    parts = server()
    problem = parts.readiness.problem(parts.store)
    if problem is not None:
        raise StoreUnavailable(problem)
    return plain({"status": "ready"})


def require_scraper(request: Request) -> None:
    """Refuse whoever doesn't send the metrics token or, if none is set, is no local client."""
    token = request.parts.settings.metrics_token
    if token is None:
        if not is_local_client(request) or not names_this_machine(request):
            raise Forbidden(
                "Metrics are for clients on the server's own machine and those in "
                "PROVISIONING_ALLOWED_CLIENTS, directly and with a Host of its own, such as "
                "localhost. PROVISIONING_METRICS_TOKEN opens them to others."
            )
        return
    if not sends_bearer(request, token):
        raise Unauthorized(
            "Metrics need PROVISIONING_METRICS_TOKEN as 'Authorization: Bearer TOKEN'."
        )


def init_app(app: Flask, settings: Settings) -> None:
    app.register_blueprint(health)
    if settings.metrics == "off":
        return

    @app.get(metrics.PATH)
    def show_metrics() -> Response:
        request = current()
        require_scraper(request)
        parts = request.parts
        content = b""
        if parts.metrics is not None:
            content = parts.metrics.text(parts.store, parts.collections, parts.readiness)
        content_type = "text/plain; version=0.0.4; charset=utf-8"
        headers = {"Cache-Control": "no-store"}
        return Response(content, content_type=content_type, headers=headers)
