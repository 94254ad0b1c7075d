"""`provisioning serve`: a server for one's own machine, and for test-suites of any language."""

import errno
import json
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from provisioning import onboarding
from provisioning.cli.files import explained, write
from provisioning.cli.group import Command
from provisioning.cli.opening import open_or_explain
from provisioning.cli.serving import listen, serve_until_told, url_of
from provisioning.cli.tenants import curl_line
from provisioning.domain.tables import TENANTS
from provisioning.factory import create_app, memory_store
from provisioning.seed import load_seed, prepare_seed, read_json
from provisioning.settings import Settings, program
from provisioning.store import Record
from provisioning.web.operation import BASE_PATH
from provisioning.web.server import Server

LONG_AGO = "2000-01-01T00:00:00Z"
"""When the first privilege of a store in memory begins, so that tests may set the clock back."""
PARENT_POLL = 0.2
"""Seconds between two looks at whether the parent is still there."""


@click.command(cls=Command)
@click.option("--demo", is_flag=True, help="Serve the demo data, with its well-known keys.")
@click.option(
    "--host",
    default="localhost",
    show_default=True,
    help="The address to listen on; localhost is 127.0.0.1 and, where there is IPv6, ::1.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="The port to listen on; 0 is any free one.",
)
@click.option("--data", metavar="STORE", help="Where the data is, as in PROVISIONING_DATA.")
@click.option(
    "--memory",
    is_flag=True,
    help="Keep the data in memory only, and serve the control API: for tests.",
)
@click.option(
    "--ready-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Once it listens, write one line of JSON to this file and to stdout, and then nothing: "
    "url, tenant, username, apiToken and pid.",
)
@click.option(
    "--seed",
    "seed_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Begin with the records of a seed, in memory or in a store that is empty yet.",
)
@click.option("--exit-with-parent", is_flag=True, help="End when the parent process has ended.")
def serve(
    demo: bool,
    host: str,
    port: int,
    data: str | None,
    memory: bool,
    ready_file: Path | None,
    seed_file: Path | None,
    exit_with_parent: bool,
) -> None:
    """Run a server on this machine, for developing and testing clients.

    With --memory or --ready-file an empty store gets the tenant acme and its administrator
    admin@acme.test, unless --seed says otherwise. A real deployment runs gunicorn instead:
    gunicorn app:app
    """
    if memory and data is not None:
        raise click.UsageError("--memory keeps nothing: leave out --data.")
    given = _seed_in(seed_file, demo)
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: sys.exit(0))
    if exit_with_parent:
        threading.Thread(target=_end_with, args=[os.getppid()], daemon=True).start()
    if ready_file is not None and not _is_channel(ready_file):
        with explained(ready_file, "--ready-file "):
            ready_file.unlink(missing_ok=True)
    settings = Settings.from_env(_environment(demo, data, memory))
    if not memory:
        settings.require_guarded_control()  # before a store is made
    try:
        listeners = listen(host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            advice = f"port {port} is taken. Choose another: --port NUMBER (make run PORT=NUMBER)"
        else:
            advice = f"{host}, port {port}: {error.strerror}"
        raise click.ClickException(f"Can't listen: {advice}.") from error
    with ExitStack() as unless_served:
        for listener in listeners:
            unless_served.enter_context(listener)
        server = open_or_explain(settings, memory_store() if memory else None)
        if given is not None:
            _begin_with(server, given)
        elif memory or ready_file is not None:
            _begin_if_empty(server, memory)
        application = create_app(settings, server)
        unless_served.pop_all()
    url = url_of(listeners[0])
    key = _first_key(server)

    def ready() -> None:
        if ready_file is None:
            _greet(server, url, key, memory)
        else:
            _report_ready(ready_file, {"url": url, **key, "pid": os.getpid()})

    serve_until_told(listeners, application, ready_file is None, ready)


def _environment(demo: bool, data: str | None, memory: bool) -> Mapping[str, str]:
    """The environment, with the options of `serve` as variables."""
    environment = dict(os.environ)
    if demo:
        environment["PROVISIONING_DEMO"] = "on"
    if data is not None:
        environment["PROVISIONING_DATA"] = data
    if memory:
        environment.setdefault("PROVISIONING_CONTROL", "on")
    return environment


def _begin_if_empty(server: Server, is_memory: bool) -> None:
    with server.store.read() as view:
        if view.all(TENANTS):
            return
    if is_memory:
        server.clock.set(LONG_AGO)
    onboarding.begin_tenant(server, "acme", "Acme", "admin@acme.test")
    server.clock.reset()


def _seed_in(file: Path | None, is_demo: bool) -> Any:
    """The parsed JSON of the seed to begin with, or None."""
    if file is None:
        return None
    if is_demo:
        raise click.UsageError("--demo has data of its own: leave out --seed.")
    return read_json(file)


def _begin_with(server: Server, given: Any) -> None:
    """Load a seed's parsed JSON into an empty store; an error for one that holds a tenant."""
    entries = prepare_seed(server, given, server.clock.now())
    with server.store.transaction() as transaction:
        if transaction.all(TENANTS):
            raise click.ClickException(
                f"{server.settings.place} is not empty, and --seed is what a store begins with. "
                "Leave it out, or add the file's records: provisioning import FILE"
            )
        now = server.clock.now(transaction.time())
        load_seed(server, transaction, entries, now, is_replacing=False)


def _first_key(server: Server) -> Record:
    with server.store.read() as view:
        key = onboarding.administrators_key(view, server.clock.now())
    return {name: key and key[name] for name in ("tenant", "username", "apiToken")}


def _greet(server: Server, url: str, key: Record, is_memory: bool) -> None:
    settings = server.settings
    place = "memory" if is_memory else settings.place
    click.echo(f"The Provisioning API on {url}{BASE_PATH}")
    click.echo(f"  Try it out:  {url}/docs")
    if settings.console == "on":
        click.echo(f"  Console:     {url}/console")
    click.echo(f"  Data:        {place}{', demo data at first' if settings.is_demo else ''}")
    if settings.is_open:
        click.echo(f"  API key:     none is needed\n  First step:  {curl_line(url, None)}")
    elif key["apiToken"] is None:
        file = shlex.quote(str(settings.data))
        demo = " PROVISIONING_DEMO=on" if settings.is_demo else ""
        click.echo("  API key:     none of an administrator. In another terminal:")
        click.echo(
            f"               PROVISIONING_DATA={file}{demo} {program()} init "
            "--tenant acme --name Acme --admin alice@acme.test"
        )
    else:
        click.echo(f"  API key:     {key['apiToken']}")
        click.echo(f"               of {key['username'] or 'the tenant'}, {key['tenant']}")
        click.echo(f"  First step:  {curl_line(url, key['apiToken'])}")
    click.echo("  To end:      Ctrl-C")


def _report_ready(path: Path, facts: Record) -> None:
    """Write one line of JSON to the file and to stdout, for a program that waits for either."""
    line = json.dumps(facts) + "\n"
    with explained(path, "--ready-file "):
        if _is_channel(path):
            _send(path, line)
        else:
            write(path, line.encode(), is_forced=True)
    click.echo(line, nl=False)


def _is_channel(path: Path) -> bool:
    """Whether a path is no plain file but one of our own descriptors, a pipe or a device."""
    return _is_descriptor(path) or path.is_fifo() or path.is_char_device()


def _is_descriptor(path: Path) -> bool:
    return str(path.parent) in {"/dev", "/dev/fd", "/proc/self/fd"}


def _send(path: Path, line: str) -> None:
    """Write to a descriptor of ours, or to a pipe or device.

    The line holds a key, so it goes neither through a link nor to a pipe of another user.
    """
    is_ours = _is_descriptor(path)
    descriptor = os.open(path, os.O_WRONLY | (0 if is_ours else os.O_NOFOLLOW))
    with os.fdopen(descriptor, "w") as channel:
        if not is_ours and os.fstat(descriptor).st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, "The pipe is another user's")
        channel.write(line)


def _end_with(parent: int) -> None:
    """Wait until the parent process has ended; then end this one by SIGTERM."""
    if not _is_adopted(parent):
        while os.getppid() == parent:
            time.sleep(PARENT_POLL)
    os.kill(os.getpid(), signal.SIGTERM)


def _is_adopted(parent: int) -> bool:
    """Whether our real parent has ended, and `parent`, of another session, has adopted us."""
    session = os.getsid(0)
    try:
        return session not in (os.getpid(), os.getsid(parent))
    except OSError:
        return False
