"""The metrics for Prometheus at /metrics (section 9): counts of all workers, and store gauges.

Several workers share a folder, which gunicorn_conf.py makes before a worker begins. Each worker
writes its counts into files of its own there. The worker that is asked adds all of them up, also
those of workers that have ended, whose files are joined into one.
"""

import fcntl
import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from provisioning import __version__
from provisioning.domain.tables import AUDIT
from provisioning.store import Store, StoreUnavailable
from provisioning.web.collection import Collections
from provisioning.web.readiness import Readiness

PATH = "/metrics"
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable by which prometheus-client learns that there are several processes."""
COUNTED = 60.0
"""Seconds for which the numbers of records are remembered after they were counted."""

Family = tuple[str, str, list[str]]
"""A metric's name (that of a counter without `_total`), its meaning, and its labels."""
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
    """The metrics of one server: of this process, and of others that share a folder with it."""

    def __init__(self) -> None:
        # Imported late, so that a server without metrics starts faster.
        import prometheus_client as prometheus  # noqa: PLC0415

        self._prometheus = prometheus
        self._own = own = prometheus.CollectorRegistry()
        with _alone():  # nobody must read a file that is only half made
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

    def text(self, store: Store, collections: Collections, readiness: Readiness) -> bytes:
        """All metrics in Prometheus' text form."""
        registry: Any = self._prometheus.CollectorRegistry()
        if os.environ.get(SHARED_FOLDER):
            from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415

            MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # registers itself
        else:
            registry.register(self._own)
        registry.register(_StoreGauges(self, store, collections, readiness))
        with _alone():
            return self._prometheus.generate_latest(registry)

    def records(self, store: Store, collections: Collections) -> dict[str, int]:
        """{name of the audit's resource: number of records}, up to COUNTED seconds old."""
        # Nobody waits for another who counts, since the store may hang.
        if self._counting.acquire(blocking=False):
            try:
                if self._counted_at is None or time.monotonic() - self._counted_at >= COUNTED:
                    self._records = self._count(store, collections)
                    self._counted_at = time.monotonic()
            finally:
                self._counting.release()
        return self._records

    @staticmethod
    def _count(store: Store, collections: Collections) -> dict[str, int]:
        tables = {AUDIT: AUDIT}
        for each in collections.values():
            if each.audit is not None:  # of tables that share a name the first counts
                tables.setdefault(each.audit, each.table)
        with store.read() as view:
            return {name: view.count(table) for name, table in tables.items()}


@contextmanager
def _alone() -> Iterator[None]:
    """Within the block no other process reads, makes or joins files of counts; the files of
    processes that have ended are joined before it."""
    shared = os.environ.get(SHARED_FOLDER)
    if not shared:
        yield
        return
    folder = Path(shared)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        _join_ended(folder)
        yield


def _join_ended(folder: Path) -> None:
    from prometheus_client.mmap_dict import MmapedDict  # noqa: PLC0415

    ended: dict[str, list[Path]] = defaultdict(list)
    for file in folder.glob("*_*.db"):
        kind, _, process = file.stem.partition("_")
        if process.isdigit() and not _lives(int(process)):
            ended[kind].append(file)
    for kind, files in ended.items():
        joined, new = folder / f"{kind}_ended.db", folder / f"{kind}_ended.new"
        new.unlink(missing_ok=True)
        sums: dict[str, float] = defaultdict(float)
        for file in (joined, *files):
            if file.exists():
                for key, value, *_ in MmapedDict.read_all_values_from_file(str(file)):  # type: ignore[no-untyped-call]
                    sums[key] += value
        counts: Any = MmapedDict(str(new))  # type: ignore[no-untyped-call]
        for key, value in sums.items():
            counts.write_value(key, value, 0.0)
        counts.close()
        new.replace(joined)
        for file in files:
            file.unlink()


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


class _StoreGauges:
    """A collector of prometheus-client for the values that are looked up when Prometheus asks."""

    def __init__(
        self, metrics: Metrics, store: Store, collections: Collections, readiness: Readiness
    ) -> None:
        self._metrics, self._readiness = metrics, readiness
        self._store, self._collections = store, collections

    def collect(self) -> Iterator[Any]:
        from prometheus_client.metrics_core import GaugeMetricFamily  # noqa: PLC0415

        build = GaugeMetricFamily(*BUILD[:2], labels=BUILD[2])
        build.add_metric([__version__], 1)
        yield build
        problem = self._readiness.problem(self._store)
        yield GaugeMetricFamily(*UP[:2], value=0 if problem else 1)
        records = GaugeMetricFamily(*RECORDS[:2], labels=RECORDS[2])
        try:
            for table, number in self._metrics.records(self._store, self._collections).items():
                records.add_metric([table], number)
        except StoreUnavailable:
            return
        yield records
