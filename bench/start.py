"""How long a server of a small store takes to its first answer: `gunicorn app:app`, `serve`.

python -m bench.start

Beside them stand gunicorn with a server of Flask and TinyDB, and a program that only imports Flask,
marshmallow and gunicorn, and answers once. All find byte code, as what is installed does. Seconds
of the CPU tell more on a machine that does something else meanwhile.
"""

import os
import resource
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table as Grid

from bench.load import running

ROUNDS = 15
IMPORTS = """
import socket, sys
import flask, marshmallow
import gunicorn.app.base, gunicorn.workers.gthread
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listener:
    connection, _ = listener.accept()
    connection.recv(1_000)
    connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")
    connection.close()
"""


def started(command: Sequence[str], **environment: str) -> tuple[float, float]:
    """Seconds until the first answer, and of the CPU until the end."""
    before = _cpu()
    with running(command, **environment) as (_, _, seconds):
        pass
    return seconds, _cpu() - before


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as folder:
        found = {
            "PYTHONPYCACHEPREFIX": str(Path(folder) / "byte code"),
            "PROVISIONING_DATA": str(Path(folder) / "db.json"),
        }
        gunicorn = [sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:PORT"]
        commands = {
            "gunicorn, Flask and TinyDB": [*gunicorn, "bench.tiny:app"],
            "gunicorn app:app": [*gunicorn, "app:app"],
            "the imports alone": [sys.executable, "-c", IMPORTS, "PORT"],
            "provisioning serve": [sys.executable, "-m", "provisioning", "serve", "--port", "PORT"],
        }
        # With that there is byte code, and a store with a tenant.
        started(
            [*commands["provisioning serve"], "--ready-file", str(Path(folder) / "ready")], **found
        )
        taken = [[started(each, **found) for each in commands.values()] for _ in range(ROUNDS)]
    grid = Grid("to the first answer", "wall", "CPU", title=f"Medians of {ROUNDS} starts")
    for name, column in zip(commands, zip(*taken, strict=True), strict=True):
        row = [median(seconds) for seconds in zip(*column, strict=True)]
        grid.add_row(name, *(f"{seconds * 1e3:.0f} ms" for seconds in row))
    Console(width=80).print(grid)


if __name__ == "__main__":
    main()
