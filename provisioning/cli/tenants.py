"""Commands for tenants and their API keys."""

import json
import os
from functools import partial

import click

from provisioning import accounts, onboarding
from provisioning.cli.group import Command, Commands, as_json, in_columns
from provisioning.cli.opening import current_server
from provisioning.domain import roles
from provisioning.domain.names import printable
from provisioning.domain.tables import TENANTS
from provisioning.store import Record
from provisioning.web.audit import by_command_line
from provisioning.web.operation import BASE_PATH


@click.command(cls=Command)
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
    server = current_server()
    begin = partial(by_command_line, server)
    made = onboarding.begin_tenant(server, tenant, name, admin, email, begin)
    _show_key(made, is_json, f"The tenant {made['tenant']} is ready for {made['username']}.")


@click.group(cls=Commands)
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
    server = current_server(must_exist=True)
    begin = partial(by_command_line, server)
    made = onboarding.make_key(server, tenant, user, kind, name, begin)
    _show_key(made, is_json, f"A new {kind} key of {made['username'] or made['tenant']}.")


@key.command("list")
@click.option("--tenant", metavar="LABEL", help="The keys of this tenant alone.")
@as_json
def list_keys(tenant: str | None, is_json: bool) -> None:
    """List API keys with ids, owners, types, names and windows, but never tokens."""
    with current_server(must_exist=True, upgrades=False).store.read() as view:
        keys = onboarding.list_keys(view, tenant)
    if is_json:
        click.echo(json.dumps(keys))
        return
    heads = ("TENANT", "ID", "OWNER", "TYPE", "NAME", "ACTIVE FROM", "ACTIVE UNTIL")
    rows = ([printable(str(value or "-")) for value in each.values()] for each in keys)
    click.echo(in_columns([heads, *rows]))


@key.command("revoke")
@click.argument("key_id", metavar="ID")
def revoke_key(key_id: str) -> None:
    """End an API key, by its id, from now on."""
    key = accounts.revoke_key(current_server(must_exist=True), key_id)
    click.echo(f"The key {key['id']} of the tenant {key['tenant']} ended at {key['activeUntil']}.")


@click.group(cls=Commands)
def tenant() -> None:
    """Tenants."""


@tenant.command("list")
@as_json
def list_tenants(is_json: bool) -> None:
    """List the tenants."""
    with current_server(must_exist=True, upgrades=False).store.read() as view:
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


@tenant.command("deactivate")
@click.argument("label")
def deactivate(label: str) -> None:
    """Refuse all keys of a tenant, until it is activated again. Its data stays."""
    accounts.set_active(current_server(must_exist=True), label, is_active=False)
    click.echo(f"The keys of the tenant {label} are refused from now on.")


@tenant.command("activate")
@click.argument("label")
def activate(label: str) -> None:
    """Let the keys of a tenant work again."""
    accounts.set_active(current_server(must_exist=True), label, is_active=True)
    click.echo(f"The keys of the tenant {label} work.")


def _show_key(made: Record, is_json: bool, heading: str) -> None:
    if is_json:
        click.echo(json.dumps(made))
        return
    url = f"http://127.0.0.1:{os.environ.get('PORT') or 8000}"
    click.echo(f"{heading} The API key, shown this once:\n\n  {made['apiToken']}\n")
    click.echo(f"To try it while the server runs:\n\n  {curl_line(url, made['apiToken'])}")


def curl_line(url: str, token: str | None) -> str:
    """A curl command that asks the server who the caller is."""
    header = "" if token is None else f'-H "Authorization: Bearer {token}" '
    return f"curl {header}{url}{BASE_PATH}/whoami"
