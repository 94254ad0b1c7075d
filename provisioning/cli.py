"""The command line: what an operator does beside the API, and a server for one's own machine.

Every command works as `provisioning COMMAND` and, `serve` apart, as `flask --app app COMMAND`.
"""

import errno
import json
import os
import shlex
import signal
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import click
from flask import Flask, current_app, has_app_context

from provisioning import onboarding
from provisioning.domain import roles
from provisioning.domain.errors import DomainError, Invalid
from provisioning.domain.tables import TENANTS, USERS
from provisioning.factory import create_app, memory_store, open_server
from provisioning.local_server import listen, local_server, url_of
from provisioning.seed import BadFile
from provisioning.settings import BadSetting, Settings, described
from provisioning.store import Record, Store, StoreUnavailable
from provisioning.web.context import SERVER, Server
from provisioning.web.routing import BASE_PATH

CANNOT_START = 4
"""gunicorn stops at this exit code of a worker; after others it would start it again and again."""
LONG_AGO = "2000-01-01T00:00:00Z"
"""Since when a store in memory has its administrator, so that tests may set the clock back."""
PARENT_POLL = 0.2
"""Seconds between two looks at whether the parent is still there."""


class Command(click.Command):
    """Says what went wrong on stderr, without a traceback, and ends with exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Invalid as error:
            lines = [f"{name}: {text}" for name, texts in error.errors.items() for text in texts]
            raise click.ClickException("\n".join(lines)) from error
        except (DomainError, BadSetting, BadFile, StoreUnavailable) as error:
            raise click.ClickException(str(error)) from error


class Commands(click.Group):
    command_class = Command
    group_class = type


def _settings_shown() -> str:
    """Every setting for a terminal; the \\b keeps click from flowing the lines together."""
    blocks = ["Settings are environment variables:"]
    for variable, default, meaning in described():
        wrapped = textwrap.fill(meaning.replace("`", ""), 76)
        shown = f"{variable}={default}" if default else f"{variable} (not set)"
        blocks.append(f"\b\n{shown}\n{textwrap.indent(wrapped, '    ')}")
    return "\n\n".join(blocks)


@click.group(cls=Commands, epilog=_settings_shown())
@click.version_option(package_name="provisioning-api")
def main() -> None:
    """A server of the Provisioning API, and what its operator needs beside it."""


as_json = click.option("--json", "is_json", is_flag=True, help="Print JSON and nothing else.")


@main.command()
@click.option("--tenant", required=True, metavar="LABEL", help="The new tenant's label.")
@click.option("--name", required=True, help="The new tenant's name.")
@click.option("--admin", required=True, metavar="USERNAME", help="Who will administer it.")
@click.option("--email", help="Of a new account; the username itself unless told.")
@as_json
def init(tenant: str, name: str, admin: str, email: str | None, is_json: bool) -> None:
    """Make a tenant with its first administrator and their API key.

    An account that exists already becomes the administrator and keeps its profile. Works while
    the server runs. The key is shown this once.
    """
    made = onboarding.begin_tenant(_server(), tenant, name, admin, email)
    _show_key(made, is_json, f"The tenant {made['tenant']} is ready for {made['username']}.")


@main.group()
def key() -> None:
    """API keys."""


@key.command("new")
@click.option("--tenant", required=True, metavar="LABEL", help="The tenant that it is for.")
@click.option("--user", metavar="USERNAME", help="Its owner; without one it is the tenant's own.")
@click.option(
    "--type", "kind", type=click.Choice(roles.KEY_TYPES), default=roles.BASIC, show_default=True
)
@click.option("--name", help="What it is for.")
@as_json
def new_key(tenant: str, user: str | None, kind: str, name: str | None, is_json: bool) -> None:
    """Make an API key, for instance in place of a lost one."""
    made = onboarding.make_key(_server(), tenant, user, kind, name)
    _show_key(made, is_json, f"A new {kind} key of {made['username'] or made['tenant']}.")


@main.group()
def tenant() -> None:
    """Tenants."""


@tenant.command("list")
@as_json
def list_tenants(is_json: bool) -> None:
    """List the tenants."""
    with _server().store.read() as view:
        tenants = [
            {name: record[name] for name in ("label", "name", "active")}
            for record in sorted(view.all(TENANTS), key=lambda record: str(record["label"]))
        ]
    if is_json:
        click.echo(json.dumps(tenants))
        return
    for record in tenants:
        inactive = "" if record["active"] else "  (inactive)"
        click.echo(f"{record['label']:<32}  {record['name']}{inactive}")


@main.command()
def check() -> None:
    """Read the whole data file and say whether it is sound, or what is wrong with it."""
    server = _server(must_exist=True)
    server.store.probe()
    with server.store.read() as view:
        counts = f"{len(view.all(TENANTS))} tenants, {len(view.all(USERS))} users"
    click.echo(f"{server.settings.store_path}: sound, {counts}.")


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
def backup(file: Path) -> None:
    """Copy the data, checked, to a new FILE that only its owner can read.

    Works while the server runs. To restore, stop the server and put FILE in the data file's place.
    """
    path = _server(must_exist=True).settings.store_path
    _write_new(file, path.read_bytes())
    click.echo(f"{path} is copied to {file}.")


@main.command("settings")
def show_settings() -> None:
    """Show every setting with its default and its meaning."""
    click.echo(_settings_shown().replace("\b\n", ""))


@main.command()
@click.option("--demo", is_flag=True, help="Serve the demo data, with its well-known keys.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="The port to listen on; 0 is any free one.",
)
@click.option(
    "--data", type=click.Path(path_type=Path), metavar="FILE", help="The JSON file of the data."
)
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
@click.option("--exit-with-parent", is_flag=True, help="End when the parent process has ended.")
def serve(
    demo: bool,
    host: str,
    port: int,
    data: Path | None,
    memory: bool,
    ready_file: Path | None,
    exit_with_parent: bool,
) -> None:
    """Run a server on this machine, for developing and testing clients.

    With --memory or --ready-file an empty store gets the tenant acme and its administrator
    admin@acme.test. A real deployment runs gunicorn instead: gunicorn app:app
    """
    if memory and data is not None:
        raise click.UsageError("--memory keeps no data file: leave out --data.")
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: sys.exit(0))
    if exit_with_parent:
        threading.Thread(target=_end_with, args=[os.getppid()], daemon=True).start()
    if ready_file is not None and _is_plain(ready_file):
        ready_file.unlink(missing_ok=True)
    settings = Settings.from_env(_environment(demo, data, memory))
    try:
        listener = listen(host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            advice = f"port {port} is taken. Choose another: --port NUMBER (make run PORT=NUMBER)"
        else:
            advice = f"{host}, port {port}: {error.strerror}"
        raise click.ClickException(f"Can't listen: {advice}.") from error
    with listener:
        server = _open(settings, memory_store() if memory else None)
        if memory or ready_file is not None:
            _begin_if_empty(server, memory)
        application = create_app(settings, server)
        url = url_of(listener)
        running = local_server(listener, application, is_logging=ready_file is None)
    found = _first_key(server)
    if ready_file is None:
        _greet(server, url, found, memory)
    else:
        _report_ready(ready_file, {"url": url, **found, "pid": os.getpid()})
    running.serve_forever()


def application() -> Flask:
    """What gunicorn and flask run: the server that the environment describes, or a clear end."""
    try:
        settings = Settings.from_env(os.environ)
        app = create_app(settings, _open(settings))
    except (BadSetting, BadFile, click.ClickException) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(CANNOT_START)
    for name, command in main.commands.items():
        if name != serve.name:
            app.cli.add_command(command)
    return app


def _server(must_exist: bool = False) -> Server:
    """The parts of the app that flask has loaded, or those opened for this command."""
    if has_app_context():
        return cast(Server, current_app.extensions[SERVER])
    settings = Settings.from_env(os.environ)
    if must_exist and not settings.store_path.exists():
        raise click.ClickException(f"{settings.store_path}: there is no such file.")
    return _open(settings)


def _open(settings: Settings, store: Store | None = None) -> Server:
    try:
        return open_server(settings, store)
    except StoreUnavailable as error:
        raise click.ClickException(f"{settings.store_path}: {error}") from error


def _environment(demo: bool, data: Path | None, memory: bool) -> Mapping[str, str]:
    """The environment with what the options of `serve` say."""
    environment = dict(os.environ)
    if demo:
        environment["PROVISIONING_DEMO"] = "on"
    if data is not None:
        environment["PROVISIONING_DATA"] = str(data)
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


def _first_key(server: Server) -> Record:
    with server.store.read() as view:
        found = onboarding.administrators_key(view, server.clock.now())
    return found or {"tenant": None, "username": None, "apiToken": None}


def _greet(server: Server, url: str, found: Record, is_memory: bool) -> None:
    settings = server.settings
    place = "memory" if is_memory else settings.store_path
    click.echo(f"The Provisioning API on {url}{BASE_PATH}")
    click.echo(f"  Try it out:  {url}/docs")
    click.echo(f"  Data:        {place}{', demo data at first' if settings.is_demo else ''}")
    if settings.is_open:
        click.echo(f"  API key:     none is needed\n  First step:  {_curl(url, None)}")
    elif found["apiToken"] is None:
        file = shlex.quote(str(settings.data))
        demo = " PROVISIONING_DEMO=on" if settings.is_demo else ""
        click.echo("  API key:     none of an administrator. In another terminal:")
        click.echo(
            f"               PROVISIONING_DATA={file}{demo} provisioning init "
            "--tenant acme --name Acme --admin alice@acme.test"
        )
    else:
        click.echo(f"  API key:     {found['apiToken']}")
        click.echo(f"               of {found['username'] or 'the tenant'}, {found['tenant']}")
        click.echo(f"  First step:  {_curl(url, found['apiToken'])}")
    click.echo("  To end:      Ctrl-C")


def _show_key(made: Record, is_json: bool, heading: str) -> None:
    if is_json:
        click.echo(json.dumps(made))
        return
    url = f"http://127.0.0.1:{os.environ.get('PORT') or 8000}"
    click.echo(f"{heading} The API key, shown this once:\n\n  {made['apiToken']}\n")
    click.echo(f"To try it while the server runs:\n\n  {_curl(url, made['apiToken'])}")


def _curl(url: str, token: str | None) -> str:
    header = "" if token is None else f'-H "Authorization: Bearer {token}" '
    return f"curl {header}{url}{BASE_PATH}/whoami"


def _report_ready(path: Path, found: Record) -> None:
    """One line of JSON, for a program that waits for the file to appear or reads stdout."""
    line = json.dumps(found) + "\n"
    try:
        if _is_plain(path):
            with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as new:
                new.write(line)
            Path(new.name).replace(path)
        else:
            path.write_text(line)
    except OSError as error:
        raise click.ClickException(f"--ready-file {path}: {error.strerror}.") from error
    click.echo(line, nl=False)


def _is_plain(path: Path) -> bool:
    """Whether a path may be replaced: no pipe or device such as /dev/stdout."""
    return not path.is_symlink() and (path.is_file() or not path.exists())


def _write_new(path: Path, content: bytes) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}.") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise click.ClickException(f"{path}: {error.strerror}.") from error


def _end_with(parent: int) -> None:
    """End this process, in an orderly way, once its parent has ended."""
    if not _is_adopted(parent):
        while os.getppid() == parent:
            time.sleep(PARENT_POLL)
    os.kill(os.getpid(), signal.SIGTERM)


def _is_adopted(parent: int) -> bool:
    """Whether the real parent ended before anyone looked: who adopts is of another session."""
    session = os.getsid(0)
    try:
        return session not in (os.getpid(), os.getsid(parent))
    except OSError:
        return False
