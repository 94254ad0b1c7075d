"""`provisioning copy`, for moving to another kind of store, or to another machine."""

import os
import sys
from collections.abc import Callable

import click

from provisioning.cli.group import Command, counted, tell_lost_passwords
from provisioning.domain.passwords import Dropping
from provisioning.domain.tables import USERS
from provisioning.factory import COLLECTIONS
from provisioning.store import Record, StoreUnavailable, copying
from provisioning.store.opening import Place, place_of

IN_ENVIRONMENT = "env:"


@click.command(cls=Command)
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
def copy(source: str, target: str) -> None:
    """Carry a whole store FROM one place TO another, which must be empty.

    Both are what PROVISIONING_DATA may be, or env:NAME for what the variable NAME holds, so that
    no password stands in a list of processes. Stop the servers first to move: what is written
    meanwhile is not carried. A copy that was interrupted may be begun again.
    """
    places = _place(source, "FROM"), _place(target, "TO")
    dropping = Dropping()

    def carried(table: str, record: Record) -> Record:
        return dropping.without(record) if table == USERS else record

    try:
        total = copying.copy(*places, COLLECTIONS.form, _progress, carried)
    except StoreUnavailable as error:  # which names the one of the two that it is about
        raise click.ClickException(str(error)) from error
    tell_lost_passwords(dropping.number)
    click.echo(f"Copied {counted(total, 'record')} from {places[0]} to {places[1]}.")


def _place(text: str, name: str) -> Place:
    if text.startswith(IN_ENVIRONMENT):
        variable = text.removeprefix(IN_ENVIRONMENT)
        if not os.environ.get(variable):
            raise click.UsageError(f"{name}: the variable {variable} is not set.")
        text = os.environ[variable]
    try:
        return place_of(text)
    except ValueError as error:
        raise click.UsageError(f"{name}: {error}.") from error


def _progress(total: int) -> Callable[[int], object]:
    """A function that takes a number of further records done, and shows progress on terminals."""
    if not sys.stderr.isatty():
        return lambda done: None
    bar = click.progressbar(
        length=max(1, total), label="Copying", file=sys.stderr, update_min_steps=500
    )
    bar.render_progress()
    return bar.update
