"""A small load tool for loopback: requests made once, sent again and again, answers counted."""

import contextlib
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from pathlib import Path

ROOT = Path(__file__).parent.parent
START_SECONDS = 60


class Connection:
    """One kept-alive connection, which asks and reads whole answers."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = self._socket.makefile("rb")

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """The status and the body of an answer."""
        self._socket.sendall(request)
        status = int(self._reader.readline().split()[1])
        length = 0
        while (line := self._reader.readline()) not in {b"\r\n", b""}:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return status, self._reader.read(length)

    def close(self) -> None:
        self._reader.close()
        self._socket.close()


def once(port: int, request: bytes) -> tuple[int, bytes]:
    connection = Connection(port)
    try:
        return connection.ask(request)
    finally:
        connection.close()


def message(method: str, path: str, key: str = "", body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    if key:
        lines.append(f"Authorization: Bearer {key}")
    if body:
        lines.append("Content-Type: application/json")
    return "\r\n".join([*lines, "", ""]).encode() + body


def latency(port: int, request: bytes, times: int) -> float:
    """Median seconds of one request after the other."""
    connection = Connection(port)
    measured = []
    for _ in range(times):
        start = time.perf_counter()
        status, body = connection.ask(request)
        measured.append(time.perf_counter() - start)
        if status >= 400:
            raise RuntimeError(f"{status}: {body[:300]!r}")
    connection.close()
    return statistics.median(measured)


def median_seconds(run: Callable[[], object], times: int) -> float:
    """How long a call takes."""
    measured = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        measured.append(time.perf_counter() - start)
    return statistics.median(measured)


def throughput(port: int, requests: Sequence[bytes], seconds: int, connections: int) -> float:
    """Answers a second over several connections, to these requests over and over.

    wrk asks where it is installed: it leaves more of the machine to the server than Python does.
    """
    if wrk := shutil.which("wrk"):
        return _throughput_by(wrk, port, requests, seconds, connections)
    counts = [0] * connections
    end = time.perf_counter() + seconds

    def ask(number: int) -> None:
        connection = Connection(port)
        for request in cycle(requests):
            if time.perf_counter() > end:
                break
            connection.ask(request)
            counts[number] += 1
        connection.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds


def _throughput_by(
    wrk: str, port: int, requests: Sequence[bytes], seconds: int, connections: int
) -> float:
    shown = ("".join(f"\\{byte:03}" for byte in request) for request in requests)
    script = f"""
        local requests, last = {{{", ".join(f'"{each}"' for each in shown)}}}, 0
        function request() last = last % #requests + 1 return requests[last] end
    """
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        options = ["-t1", f"-c{connections}", f"-d{seconds}s", "-s", file.name]
        told = subprocess.run(
            [wrk, *options, f"http://127.0.0.1:{port}"],
            capture_output=True,
            check=True,
            text=True,
        ).stdout
    if "Non-2xx" in told or "Socket errors" in told:
        raise RuntimeError(told)
    return float(told.split("Requests/sec:")[1].split()[0])


def side_by_side(rounds: int, *measures: Callable[[], float]) -> list[float]:
    """Medians of measures that took turns, so that a machine's drift meets all of them."""
    taken = [[measure() for measure in measures] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*taken, strict=True)]


@contextlib.contextmanager
def gunicorn(application: str, **environment: str) -> Iterator[tuple[int, int, float]]:
    """A server as it is deployed: its port, its worker's process id, seconds until it answered."""
    options = ["--bind", "127.0.0.1:PORT", "--access-logfile", "/dev/null"]
    options += ["--log-level", "warning"]
    command = [sys.executable, "-m", "gunicorn", application, *options]
    with running(command, **environment) as (port, process, seconds):
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        yield port, int(children[0]), seconds


@contextlib.contextmanager
def running(command: Sequence[str], **environment: str) -> Iterator[tuple[int, int, float]]:
    """A server on a free PORT: the port, its process id, seconds until it answered."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    start = time.perf_counter()
    with tempfile.TemporaryFile() as told:  # not the terminal: each change is a line there
        process = subprocess.Popen(
            [part.replace("PORT", str(port)) for part in command],
            cwd=ROOT,
            env=os.environ | environment,
            stdout=subprocess.DEVNULL,
            stderr=told,
        )
        try:
            seconds = _answered(port, start)
            if seconds is None:
                told.seek(0)
                raise RuntimeError(f"the server did not start: {told.read().decode()}")
            yield port, process.pid, seconds
        finally:
            process.terminate()
            process.wait()


def _answered(port: int, start: float) -> float | None:
    while time.perf_counter() - start < START_SECONDS:
        with contextlib.suppress(OSError, IndexError):
            once(port, message("GET", "/health/live"))
            return time.perf_counter() - start
        time.sleep(0.002)
    return None


def cpu_seconds(process: int) -> float:
    """The time that all threads of a process have spent on processors."""
    told = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, told[11:13])) / os.sysconf("SC_CLK_TCK")


def resident_megabytes(process: int) -> float:
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0
