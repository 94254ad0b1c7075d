"""stdout and stderr that nobody reads any more: log lines are lost, answers are not."""

import fcntl
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from provisioning.testing.client import Client

from .conftest import BASE
from .serving import NOT_INHERITED, PATIENCE, ROOT, prepared

pytestmark = pytest.mark.slow

REQUESTS = 120
"""Their lines are more than a pipe of one page takes, and they are more than there are threads."""
PAGE = 4_096
COMMANDS = {
    "serve": ["-m", "provisioning", "serve", "--port", "{port}"],
    "gunicorn": ["-m", "gunicorn", "--bind", "127.0.0.1:{port}", "app:app"],
}


def read_by_nobody(opened: ExitStack) -> int:
    reader, writer = os.pipe()
    os.close(reader)
    opened.callback(os.close, writer)
    return writer


def never_read(opened: ExitStack) -> int:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PAGE)
    opened.callback(os.close, reader)
    opened.callback(os.close, writer)
    return writer


def on_a_full_disk(opened: ExitStack) -> int:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    opened.callback(os.close, descriptor)
    return descriptor


def on_a_closed_terminal(opened: ExitStack) -> int:
    terminal, descriptor = os.openpty()
    os.close(terminal)
    opened.callback(os.close, descriptor)
    return descriptor


@contextmanager
def writing_to(output: int, command: list[str], data: Path) -> Iterator[str]:
    """The URL of a server that writes there from its start, and which ends when it is told to."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    inherited = {
        name: text
        for name, text in os.environ.items()
        if name not in NOT_INHERITED and not name.startswith("PROVISIONING_")
    }
    process = subprocess.Popen(
        [sys.executable, *(word.format(port=port) for word in command)],
        cwd=ROOT,
        env={**inherited, "PROVISIONING_DATA": str(data)},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )
    try:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < end
                time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
        process.terminate()
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    "output",
    [read_by_nobody, never_read, on_a_full_disk, on_a_closed_terminal],
    ids=lambda each: each.__name__,
)
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_every_change_is_answered(
    tmp_path: Path, command: list[str], output: Callable[[ExitStack], int]
) -> None:
    if output is on_a_full_disk and not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    with prepared(tmp_path / "db.json") as provisioner:
        provisioner.add_tenant("acme")
        token = provisioner.add_key()
    with (
        ExitStack() as opened,
        writing_to(output(opened), command, tmp_path / "db.json") as url,
    ):
        client = Client(url + BASE, token)
        for number in range(REQUESTS):
            answer = client.put("/info", json={"theme": f"number {number}"})
            assert (answer.status_code, answer.json()["theme"]) == (200, f"number {number}")
