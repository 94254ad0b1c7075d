"""Where the time of one request goes, inside this process, against a bare Flask route that
answers the same bytes.

python -m bench.profile
"""

import io
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import wraps
from pkgutil import resolve_name
from statistics import median
from typing import Any
from unittest.mock import patch

from flask import Flask, Response
from rich.console import Console
from rich.table import Table as Grid

from bench.load import side_by_side
from provisioning.testing.sandbox import Sandbox
from provisioning.web.operation import BASE_PATH

USERS = 100
ROUNDS, TIMES = 60, 40
PARTS = {
    "request and adapter": ("flask.app.Flask.request_context",),
    "routing": ("flask.ctx.RequestContext.match_request",),
    "admission": ("provisioning.web.gate.Application.preprocess_request",),
    "look-up": (
        "provisioning.domain.people.find_user",
        "provisioning.domain.people.visible_users",
        "provisioning.domain.records.Records.query",
    ),
    "showing": ("provisioning.resources.users.show_user",),
    "JSON and ETag": (
        "provisioning.web.answers.encode",
        "provisioning.web.answers.etag_of",
    ),
    "headers": ("provisioning.web.gate.finished", "werkzeug.wrappers.Response.__init__"),
    "sending": ("werkzeug.wrappers.Response.__call__",),
    "ending": ("flask.ctx.RequestContext.pop",),
}
"""Functions whose time, without that of other parts within them, is that of a part."""

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


def environ(path: str, query: str = "", token: str = "") -> dict[str, Any]:
    """A request as gunicorn hands it over."""
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "RAW_URI": f"{path}?{query}" if query else path,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost:8000",
        "HTTP_AUTHORIZATION": f"Bearer {token}",
        "HTTP_ACCEPT": "*/*",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_LENGTH": "0",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multiprocess": False,
    }


def ask(application: Application, asked: dict[str, Any]) -> bytes:
    answer = application(dict(asked), lambda *_: None)
    return b"".join(answer)


def seconds(application: Application, asked: dict[str, Any]) -> float:
    start = time.perf_counter()
    for _ in range(TIMES):
        ask(application, asked)
    return (time.perf_counter() - start) / TIMES


class Stopwatch:
    """Adds up the time within functions; what a function within another takes is its own."""

    def __init__(self) -> None:
        self.spent = dict.fromkeys(PARTS, 0.0)
        self._open: list[float] = []

    def around(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def timed(*args: Any, **named: Any) -> Any:
            self._open.append(0.0)
            start = time.perf_counter()
            try:
                return function(*args, **named)
            finally:
                taken = time.perf_counter() - start
                self.spent[part] += taken - self._open.pop()
                if self._open:
                    self._open[-1] += taken

        return timed


def shares(application: Application, asked: dict[str, Any]) -> dict[str, float]:
    """Seconds of each part in one request, which looking makes a little slower."""
    watch = Stopwatch()
    with ExitStack() as patches:
        for part, names in PARTS.items():
            for name in names:
                timed = watch.around(part, resolve_name(name))
                patches.enter_context(patch(name, timed))
        whole = seconds(application, asked)
    spent = {part: taken / TIMES for part, taken in watch.spent.items()}
    return spent | {"everything else": whole - sum(spent.values())}


def measure(console: Console, title: str, application: Application, asked: dict[str, Any]) -> None:
    content = ask(application, asked)
    bare = Flask("bare", static_folder=None)
    bare.add_url_rule("/", "show", lambda: Response(content, mimetype="application/json"))
    plain = environ("/")
    ours, theirs = side_by_side(
        ROUNDS, lambda: seconds(application, asked), lambda: seconds(bare, plain)
    )
    grid = Grid(title=f"{title}, {len(content):,} bytes: {ours / theirs:.2f} x bare Flask")
    grid.add_column("part")
    grid.add_column("microseconds", justify="right")
    grid.add_column("of bare Flask's whole", justify="right")
    rounds = [shares(application, asked) for _ in range(ROUNDS)]
    for part in rounds[0]:
        taken = median(each[part] for each in rounds)
        grid.add_row(part, f"{taken * 1e6:.1f}", f"{taken / theirs:.2f}")
    grid.add_section()
    grid.add_row("whole, not looked at", f"{ours * 1e6:.1f}", f"{ours / theirs:.2f}")
    grid.add_row("bare Flask", f"{theirs * 1e6:.1f}", "1.00")
    console.print(grid)


def main() -> None:
    sandbox = Sandbox()
    for number in range(USERS):
        sandbox.add_user(f"user{number:05}@acme.test", firstName=f"Ann{number}")
    console = Console(width=100)
    token = sandbox.administrator.token or ""
    one = environ(f"{BASE_PATH}/users/user00007@acme.test", token=token)
    many = environ(f"{BASE_PATH}/users", "size=20", token)
    measure(console, "GET one user", sandbox.app, one)
    measure(console, "GET 20 users", sandbox.app, many)


if __name__ == "__main__":
    main()
