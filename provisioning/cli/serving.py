"""The server of `provisioning serve`: the worker of deployments in this one process.

With gunicorn's arbiter the records in memory, the clock and the faults of the control API would be
in a child process, and that child would stay behind if the server was killed.
"""

import errno
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any
from wsgiref.types import WSGIApplication

from gunicorn.app.base import BaseApplication

from provisioning import gunicorn_conf
from provisioning.gunicorn_worker import Worker
from provisioning.web import audit_log

LOCALHOST = ("127.0.0.1", "::1")
NO_SUCH_ADDRESS = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}
BACKLOG = 1_024
THREADS = 256
"""How many requests may wait at once, mostly for delays of faults. A thread is made only when it is
needed."""
KEEPALIVE = 60
"""Seconds after which an idle connection is closed. Clients under test may pause for long."""
MOMENT = 0.1
ENDS = (signal.SIGINT, signal.SIGTERM)


def listen(host: str, port: int) -> list[socket.socket]:
    """Listening sockets: for `localhost` one of IPv4 and one of IPv6 with the same port.

    Port 0 is any free port. Raises OSError.
    """
    while True:
        with ExitStack() as opened:
            sockets: list[socket.socket] = []
            try:
                for address in LOCALHOST if host == "localhost" else (host,):
                    try:
                        taken = sockets[0].getsockname()[1] if sockets else port
                        sockets.append(opened.enter_context(_listening(address, taken)))
                    except OSError as error:
                        if not sockets or error.errno not in NO_SUCH_ADDRESS:
                            raise
            except OSError as error:
                if sockets and port == 0 and error.errno == errno.EADDRINUSE:
                    continue  # free on the first address alone
                raise
            opened.pop_all()
            return sockets


def _listening(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.create_server((address, port), family=family, backlog=BACKLOG)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def url_of(listener: socket.socket) -> str:
    """The URL by which a client on this machine reaches a listening socket."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - shown, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve_until_told(
    listeners: Sequence[socket.socket],
    application: WSGIApplication,
    is_logging: bool,
    ready: Callable[[], None],
) -> None:
    """Answer requests until SIGINT or SIGTERM comes, and end the process a moment later.

    `ready` is called as soon as connections are answered. With `is_logging` each request is a line
    on stderr; without it only errors of the server itself are.
    """
    ours = {number: signal.getsignal(number) for number in Worker.SIGNALS}

    def begin(worker: Any) -> None:
        for number, handler in ours.items():
            is_end = number in ENDS and handler is not signal.SIG_IGN
            signal.signal(number, _end if is_end else handler)
        gunicorn_conf.post_worker_init(worker)
        ready()

    runner = _Runner(application, {**_SETTINGS, "post_worker_init": begin, **_logging(is_logging)})
    log = runner.cfg.logger_class(runner.cfg)
    if is_logging and not gunicorn_conf.IS_JSON:
        audit_log.write()
    _Worker(1, os.getppid(), list(listeners), runner, 0, runner.cfg, log).init_process()


def _end(*_: Any) -> None:
    """End the process after MOMENT seconds, which cuts off requests that take longer."""
    time.sleep(MOMENT)
    os._exit(0)


class _Worker(Worker):
    def is_parent_alive(self) -> bool:
        """Always true: there is no arbiter, and the process that started this one may end."""
        return True


class _Runner(BaseApplication):
    """The object from which gunicorn's worker takes the WSGI application and the settings."""

    def __init__(self, application: WSGIApplication, settings: dict[str, Any]) -> None:
        self._application, self._settings = application, settings
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._settings.items():
            self.cfg.set(name, value)

    def load(self) -> WSGIApplication:
        return self._application


_SETTINGS = {
    "threads": THREADS,
    "keepalive": KEEPALIVE,
    "errorlog": None,
    "access_log_format": "%(m)s %({raw_uri}e)s %(s)s",
    **{
        name: getattr(gunicorn_conf, name)
        for name in (
            "limit_request_line",
            "limit_request_fields",
            "limit_request_field_size",
            "forwarded_allow_ips",
            "logger_class",
            "post_request",
        )
    },
}


def _logging(is_logging: bool) -> dict[str, Any]:
    is_logging = is_logging and not gunicorn_conf.IS_JSON  # as JSON the server logs requests itself
    to_stderr: dict[str, Any] = {"handlers": ["stderr"], "propagate": False}
    access, error = ("INFO", "WARNING") if is_logging else ("CRITICAL", "ERROR")
    if gunicorn_conf.IS_JSON:
        access = "CRITICAL"
    return {
        "logconfig_dict": {
            "root": {},
            "formatters": {"line": {"format": "%(asctime)s %(message)s", "datefmt": "%H:%M:%S"}},
            "handlers": {
                "stderr": {
                    "class": "logging.StreamHandler",
                    "formatter": "line",
                    "stream": "ext://sys.stderr",
                }
            },
            "loggers": {
                "gunicorn.access": {**to_stderr, "level": access},
                "gunicorn.error": {**to_stderr, "level": error},
            },
        }
    }
