"""The command `provisioning`: all commands in one group."""

import textwrap

import click

from provisioning import __version__, remote
from provisioning.cli import audit, copying, data, reference, tenants, transfer, users
from provisioning.cli.group import Command, Commands
from provisioning.cli.serve import serve
from provisioning.settings import described


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
    audit.audit,
    copying.copy,
    transfer.export,
    transfer.import_data,
    show_settings,
    reference.reference,
    *remote.COMMANDS,
    serve,
):
    main.add_command(command)
