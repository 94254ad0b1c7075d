"""Commands for people's accounts, which all tenants share."""

import click

from provisioning import accounts
from provisioning.cli.group import Commands
from provisioning.cli.opening import current_server

confirmed = click.option("--yes", is_flag=True, help="Don't ask.")


@click.group(cls=Commands)
def user() -> None:
    """People's accounts, over all tenants."""


@user.command("move")
@click.argument("username")
@click.option("--to", "tenant", required=True, metavar="LABEL", help="The new home's label.")
@confirmed
def move(username: str, tenant: str, yes: bool) -> None:
    """Make a tenant the home of an account, through which alone its profile changes.

    The user needs a privilege record in that tenant.
    """
    _confirm(yes, f"Move the home of {username} to {tenant}?")
    account = accounts.move(current_server(must_exist=True), username, tenant)
    click.echo(f"{account['username']} is at home in {account['home']}.")


@user.command("rename")
@click.argument("old")
@click.argument("new")
@confirmed
def rename(old: str, new: str, yes: bool) -> None:
    """Give an account another username, wherever it is named."""
    _confirm(yes, f"Rename {old} to {new}, in all tenants?")
    account = accounts.rename(current_server(must_exist=True), old, new)
    click.echo(f"{old} is called {account['username']}.")


@user.command("erase")
@click.argument("username")
@confirmed
def erase(username: str, yes: bool) -> None:
    """Remove an account with its privileges and keys, in all tenants, for good."""
    _confirm(yes, f"Erase {username} with all privileges and keys, in all tenants, for good?")
    account = accounts.erase(current_server(must_exist=True), username)
    click.echo(f"{account['username']} is erased.")


def _confirm(yes: bool, question: str) -> None:
    if not yes:
        click.confirm(question, abort=True)
