"""Commands for the data as a whole: check, backup, restore."""

import os
from pathlib import Path

import click

from provisioning import seed
from provisioning.cli.files import explained
from provisioning.cli.group import Command, counted, tell_lost_passwords
from provisioning.cli.opening import current_server
from provisioning.domain.names import printable
from provisioning.domain.passwords import forget_cheap_hashes
from provisioning.domain.tables import TENANTS, USERS
from provisioning.factory import COLLECTIONS
from provisioning.settings import Settings
from provisioning.store import Transaction, backups
from provisioning.store.opening import Place


@click.command(cls=Command)
def check() -> None:
    """Read all data and say whether it is sound, or name what is wrong with it.

    What an earlier version took, or a hand edit left, and today's rules refuse, is served all the
    same, but named. The exit code is 1 for damage only.
    """
    server = current_server(must_exist=True, upgrades=False)
    if server.store.older is None:
        server.store.probe()
    with server.store.read() as view:
        counts = f"{counted(view.count(TENANTS), 'tenant')}, {counted(view.count(USERS), 'user')}"
        found = list(seed.findings(server, view))
    for finding in found:
        click.echo(printable(finding.sentence))
    place = server.settings.place
    if damage := [each for each in found if each.is_damage]:
        raise click.ClickException(
            f"{place}: damaged in {counted(len(damage), 'place')}, {counts}."
        )
    told = f"served, against the rules of today in {counted(len(found), 'place')}"
    click.echo(f"{place}: {told if found else 'sound'}, {counts}.")


NOT_OURS = (
    "{place}: PostgreSQL's own tools do this: pg_dump --format=custom --file=FILE DATABASE, and "
    "pg_restore --clean --dbname=DATABASE FILE."
)


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
def backup(file: Path) -> None:
    """Copy the data, checked, to a new FILE that only its owner can read.

    Works while the server runs, for a JSON file and for SQLite.
    """
    place = _own_place()
    current_server(must_exist=True, upgrades=False)
    with explained(file):
        backups.back_up(place, file)
    click.echo(f"{place} is copied to {file}.")


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
def restore(file: Path) -> None:
    """Put the records of a backup FILE in place of all that is there.

    FILE is checked first, and what was is kept beside the data. Works while the server runs.
    """
    place, dropped = _own_place(), [0]

    def fit(transaction: Transaction) -> None:
        if not Settings.from_env(os.environ).is_demo:
            dropped.append(forget_cheap_hashes(transaction))

    with explained(file):
        try:
            kept = backups.restore(file, place, COLLECTIONS.form, fit)
        except backups.BadBackup as error:
            message = f"{file} is no sound backup: {error}. {place} is as it was."
            raise click.ClickException(printable(message)) from error
    tell_lost_passwords(sum(dropped))
    remark = "" if kept is None else f" What was is in {kept}."
    click.echo(f"{place} holds the records of {file}.{remark}")


def _own_place() -> Place:
    """The place of the data, if it is a file; an error that names pg_dump for a PostgreSQL."""
    place = Settings.from_env(os.environ).place
    if not place.is_file:
        raise click.ClickException(NOT_OURS.format(place=place))
    return place
