"""Commands about the data as a whole."""

import os
from pathlib import Path

import click

from provisioning import seed
from provisioning.cli.group import Command
from provisioning.cli.opening import current_server
from provisioning.domain.tables import TENANTS, USERS


@click.command(cls=Command)
def check() -> None:
    """Read all data and say whether it is sound, or name what is wrong with it.

    What an earlier version took, or a hand edit left, and today's rules refuse, is served all the
    same, but named; then the exit code is 1.
    """
    server = current_server(must_exist=True)
    server.store.probe()
    with server.store.read() as view:
        counts = f"{view.count(TENANTS)} tenants, {view.count(USERS)} users"
        found = list(seed.findings(server, view))
    for finding in found:
        click.echo(finding)
    if found:
        raise click.ClickException(f"{server.settings.place}: {len(found)} findings, {counts}.")
    click.echo(f"{server.settings.place}: sound, {counts}.")


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
def backup(file: Path) -> None:
    """Copy the data, checked, to a new FILE that only its owner can read.

    Works while the server runs. To restore, stop the server and put FILE in the data file's place.
    """
    place = current_server(must_exist=True).settings.place
    if place.kind != "file":
        raise click.ClickException(f"{place}: only a JSON file can be copied so.")
    path = place.path
    write_new(file, path.read_bytes())
    click.echo(f"{path} is copied to {file}.")


def write_new(path: Path, content: bytes) -> None:
    """Write a file that is not there yet, for its owner alone, through to the disk."""
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
