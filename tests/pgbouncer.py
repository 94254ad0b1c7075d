"""PgBouncer itself, which Debian has, before a cluster of the tests."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.postgresql import PASSWORD, PATIENCE, Cluster, as_user, free_port, give_away

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
needs_pgbouncer = pytest.mark.skipif(PROGRAM is None, reason="PgBouncer isn't installed")


@contextlib.contextmanager
def pooling(cluster: Cluster, folder: Path, mode: str, room: int, **settings: str) -> Iterator[str]:
    """The URL of a pooler before a cluster, which has so many connections to it."""
    assert PROGRAM is not None
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    users = folder / "users"
    users.write_text(f'"postgres" "{PASSWORD}"\n')
    told = {
        "listen_addr": "127.0.0.1",
        "listen_port": str(port),
        "unix_socket_dir": "",
        "auth_type": "scram-sha-256",
        "auth_file": str(users),
        "pool_mode": mode,
        "default_pool_size": str(room),
        "logfile": str(folder / "log"),
        **settings,
    }
    lines = [f"{name} = {value}" for name, value in told.items()]
    file = folder / "pgbouncer.ini"
    databases = f"* = host=127.0.0.1 port={cluster.port}"
    file.write_text("\n".join(["[databases]", databases, "[pgbouncer]", *lines, ""]))
    for path in (folder, users, file):
        give_away(path)
    process = subprocess.Popen(
        [PROGRAM, "-q", file], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **as_user()
    )
    url = cluster.url().replace(f":{cluster.port}/", f":{port}/")
    try:
        deadline = time.monotonic() + PATIENCE
        while not answers(url):
            log = (folder / "log").read_text() if (folder / "log").exists() else ""
            assert process.poll() is None and time.monotonic() < deadline, log
            time.sleep(0.05)
        yield url
    finally:
        process.kill()
        process.wait(PATIENCE)


def answers(url: str) -> bool:
    with contextlib.suppress(psycopg.OperationalError):
        psycopg.connect(url, connect_timeout=5).close()
        return True
    return False
