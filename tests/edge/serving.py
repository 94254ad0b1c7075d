"""Real servers, each in a process group of its own, over a store of its own."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from provisioning import Settings
from provisioning.factory import open_server
from provisioning.store.opening import Place
from provisioning.testing.client import Answer, Client
from provisioning.testing.provisioner import Provisioner
from provisioning.web.operation import BASE_PATH

ROOT = Path(__file__).parents[2]
PATIENCE = 30
"""Seconds after which a server that hasn't begun, or an answer that hasn't come, never will."""
GUNICORN = ("-m", "gunicorn", "--bind", "127.0.0.1:0", "app:app")
SERVE = ("-m", "provisioning", "serve", "--port", "0")
NOT_INHERITED = {"PORT", "WEB_CONCURRENCY", "GUNICORN_CMD_ARGS", "FORWARDED_ALLOW_IPS"}


class Server:
    """A server over a store, which a path names or a place. `log` is all that it has written."""

    def __init__(
        self,
        data: Path | Place,
        *options: str,
        command: tuple[str, ...] = GUNICORN,
        python: str = sys.executable,
        cwd: Path = ROOT,
        **settings: str,
    ) -> None:
        self.data = data
        self._data = (isinstance(data, Place) and data.url) or str(data)
        self._cwd = cwd
        self._command = (python, *command, *options)
        self._settings = {f"PROVISIONING_{name.upper()}": text for name, text in settings.items()}
        path = data if isinstance(data, Path) else data.path
        self._log = path.with_suffix(".log")
        self._log.touch()
        self.start()

    def start(self) -> None:
        begins = len(self.log)
        environment = {
            name: text
            for name, text in os.environ.items()
            if name not in NOT_INHERITED and not name.startswith("PROVISIONING_")
        }
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                cwd=self._cwd,
                env={**environment, "PROVISIONING_DATA": self._data, **self._settings},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + PATIENCE
        while not (found := re.search(r"http://127\.0\.0\.1:(\d+)", self.log[begins:])):
            assert self.process.poll() is None and time.monotonic() < deadline, self.log
            time.sleep(0.01)
        self.port = int(found[1])
        self.url = f"http://127.0.0.1:{self.port}"
        assert self.client().get("//health/live").status_code == 200

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def client(self, token: str | None = None) -> Client:
        return Client(self.url + BASE_PATH, token)

    def workers(self) -> list[int]:
        """The processes that answer: the children of the one that was started."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(child) for child in children.read_text().split()]

    def kill(self) -> None:
        """End every process of it at once, as a power cut would, and leave it no last word."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill()


@contextmanager
def served(
    data: Path | Place,
    *options: str,
    command: tuple[str, ...] = GUNICORN,
    python: str = sys.executable,
    cwd: Path = ROOT,
    **settings: str,
) -> Iterator[Server]:
    """A server whose settings are fields of Settings, and the command's further options."""
    server = Server(data, *options, command=command, python=python, cwd=cwd, **settings)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def prepared(data: Path | Place) -> Iterator[Provisioner]:
    """The store of a server that isn't running, or of one that is, to put something into it."""
    parts = open_server(Settings(data=data))
    yield Provisioner(parts)
    parts.store.close()


def patiently(ask: Callable[[], Answer]) -> Answer:
    """The answer, asked for again while the server says that it is busy: nothing was done then."""
    while (answer := ask()).status_code == 503 and "Retry-After" in answer.headers:
        time.sleep(0.05)
    return answer
