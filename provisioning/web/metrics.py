"""What Prometheus gathers at /metrics (section 9): counts of all workers, and a look at the store.

Several workers share a folder, which gunicorn's settings make before a worker begins: each writes
its counts into files of its own there, and who is asked adds all of them up, those of workers that
have ended, too.
"""

import os
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from flask import Flask, Response

from provisioning import __version__
from provisioning.domain.errors import Forbidden, Unauthorized
from provisioning.domain.tables import AUDIT
from provisioning.settings import Settings
from provisioning.store import StoreUnavailable
from provisioning.web.caller import sends_bearer
from provisioning.web.hosts import is_local_client

if TYPE_CHECKING:
    from provisioning.web.context import Request, Server

PATH = "/metrics"
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable by which prometheus-client learns that there are several processes."""
COUNTED = 60.0
"""Seconds for which the numbers of records are remembered."""

Family = tuple[str, str, list[str]]
"""Name (of counters without `_total`), meaning, labels."""
REQUESTS: Family = (
    "provisioning_http_requests",
    "Requests that were answered.",
    ["method", "route", "status"],
)
SECONDS: Family = (
    "provisioning_http_request_duration_seconds",
    "Seconds from a request's arrival until its answer was ready.",
    ["method", "route"],
)
COMMITS: Family = (
    "provisioning_store_commit_duration_seconds",
    "Seconds that it took to make a change durable.",
    [],
)
UNAUTHORIZED: Family = (
    "provisioning_unauthorized",
    "Requests that were answered with 401.",
    [],
)
UP: Family = ("provisioning_store_up", "1, or 0 while the store can't be read or written.", [])
RECORDS: Family = (
    "provisioning_records",
    "Records in the store, those that have ended, too.",
    ["table"],
)
BUILD: Family = ("provisioning_build_info", "Which version of the server answers.", ["version"])
COUNTERS, HISTOGRAMS, GAUGES = (REQUESTS, UNAUTHORIZED), (SECONDS, COMMITS), (UP, RECORDS, BUILD)


class Metrics:
    """The counts of one server, in this process and, where they share a folder, in the others."""

    def __init__(self) -> None:
        # Who wants no metrics needn't wait for it at every start.
        import prometheus_client as prometheus  # noqa: PLC0415

        self._prometheus = prometheus
        self._own = own = prometheus.CollectorRegistry()
        self._requests = prometheus.Counter(*REQUESTS, registry=own)
        self._seconds = prometheus.Histogram(*SECONDS, registry=own)
        self._commits = prometheus.Histogram(*COMMITS, registry=own)
        self._unauthorized = prometheus.Counter(*UNAUTHORIZED, registry=own)
        self._counting = threading.Lock()
        self._counted_at: float | None = None
        self._records: dict[str, int] = {}

    def note_request(self, method: str, route: str, status: str, seconds: float) -> None:
        self._requests.labels(method, route, status).inc()
        self._seconds.labels(method, route).observe(seconds)
        if status == "401":
            self._unauthorized.inc()

    def note_commit(self, seconds: float) -> None:
        self._commits.observe(seconds)

    def text(self, server: "Server") -> bytes:
        """Everything, as Prometheus reads it."""
        registry: Any = self._prometheus.CollectorRegistry()
        if os.environ.get(SHARED_FOLDER):
            from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415

            MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # registers itself
        else:
            registry.register(self._own)
        registry.register(_Seen(self, server))
        return self._prometheus.generate_latest(registry)

    def records(self, server: "Server") -> dict[str, int]:
        """How many records each table has, by its name in the audit; up to a minute old."""
        with self._counting:
            if self._counted_at is None or time.monotonic() - self._counted_at >= COUNTED:
                tables = {AUDIT: AUDIT}
                for each in server.collections.values():
                    if each.audit is not None:  # what is audited beside users is none of them
                        tables.setdefault(each.audit, each.table)
                with server.store.read() as view:
                    self._records = {name: view.count(table) for name, table in tables.items()}
                self._counted_at = time.monotonic()
            return self._records


class _Seen:
    """What is looked up when somebody asks for it."""

    def __init__(self, metrics: Metrics, server: "Server") -> None:
        self._metrics, self._server = metrics, server

    def collect(self) -> Iterator[Any]:
        from prometheus_client.metrics_core import GaugeMetricFamily  # noqa: PLC0415

        build = GaugeMetricFamily(*BUILD[:2], labels=BUILD[2])
        build.add_metric([__version__], 1)
        yield build
        problem = self._server.readiness.problem(self._server.store)
        yield GaugeMetricFamily(*UP[:2], value=0 if problem else 1)
        records = GaugeMetricFamily(*RECORDS[:2], labels=RECORDS[2])
        try:
            for table, number in self._metrics.records(self._server).items():
                records.add_metric([table], number)
        except StoreUnavailable:
            return
        yield records


def require_scraper(request: "Request") -> None:
    """Whoever sends the token, where there is one; else clients close by."""
    token = request.parts.settings.metrics_token
    if token is None:
        if not is_local_client(request):
            raise Forbidden(
                "Metrics are for clients on the server's own machine, directly, and those in "
                "PROVISIONING_ALLOWED_CLIENTS. PROVISIONING_METRICS_TOKEN opens them to others."
            )
        return
    if not sends_bearer(request, token):
        raise Unauthorized(
            "Metrics need PROVISIONING_METRICS_TOKEN as 'Authorization: Bearer TOKEN'."
        )


def init_app(app: Flask, settings: Settings) -> None:
    """Serve metrics if the settings want them."""
    if settings.metrics == "off":
        return

    @app.get(PATH)
    def show_metrics() -> Response:
        from provisioning.web.context import current  # noqa: PLC0415 - which makes Metrics

        request = current()
        require_scraper(request)
        metrics = request.parts.metrics
        content = b"" if metrics is None else metrics.text(request.parts)
        kind = "text/plain; version=0.0.4; charset=utf-8"
        return Response(content, content_type=kind, headers={"Cache-Control": "no-store"})
