"""The command line: what an operator does beside the API, and a server for one's own machine.

    tenants.py    commands for tenants and API keys
    users.py      commands for accounts, over all tenants
    transfer.py   export and import: seeds, and users from CSV
    copying.py    `provisioning copy`, from one store to another
    data.py       check, backup and restore
    reference.py  the tables of docs/reference.md
    serve.py      `provisioning serve`
    serving.py    the processes that `serve` runs
    opening.py    opens the server that a command works on, or that gunicorn runs
    group.py      what all commands have in common

Every command works as `provisioning COMMAND` and, except for `serve`, as `flask --app app COMMAND`.
"""

import os
import sys
import textwrap

import click
from flask import Flask

from provisioning import __version__
from provisioning.cli import copying, data, opening, reference, tenants, transfer, users
from provisioning.cli.group import Command, Commands
from provisioning.cli.opening import CANNOT_START
from provisioning.cli.serve import serve
from provisioning.settings import described

__all__ = ["CANNOT_START", "application", "main", "serve"]


def _settings_shown() -> str:
    """Every setting as text for a terminal. A \\b keeps click from joining the lines after it."""
    blocks = ["Settings are environment variables:"]
    for variable, default, meaning in described():
        wrapped = textwrap.fill(meaning.replace("`", ""), 76)
        shown = f"{variable}={default}" if default else f"{variable} (not set)"
        blocks.append(f"\b\n{shown}\n{textwrap.indent(wrapped, '    ')}")
    return "\n\n".join(blocks)


@click.group(cls=Commands, epilog=_settings_shown())
@click.version_option(__version__)
def main() -> None:
    """A server of the Provisioning API, and what its operator needs beside it."""


@click.command("settings", cls=Command)
def show_settings() -> None:
    """Show every setting with its default and its meaning."""
    click.echo(_settings_shown().replace("\b\n", ""))


for command in (
    tenants.init,
    tenants.key,
    tenants.tenant,
    users.user,
    data.check,
    data.backup,
    data.restore,
    copying.copy,
    transfer.export,
    transfer.import_data,
    show_settings,
    reference.reference,
    serve,
):
    main.add_command(command)


def _is_command() -> bool:
    """Whether flask runs one of our commands, which open a store themselves if they need one."""
    return os.environ.get("FLASK_RUN_FROM_CLI") == "true" and not main.commands.keys().isdisjoint(
        sys.argv[1:]
    )


def application() -> Flask:
    """The application for gunicorn and flask by the environment; exits with a message on errors."""
    app = Flask("provisioning", static_folder=None) if _is_command() else opening.application()
    for name, command in main.commands.items():
        if name != serve.name:
            app.cli.add_command(command)
    return app
