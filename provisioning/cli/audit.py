"""The command that lists the audit, over all tenants."""

import json

import click

from provisioning.cli.group import Command, as_json
from provisioning.cli.opening import current_server
from provisioning.domain.activity import parse_instant
from provisioning.domain.errors import NotFound
from provisioning.domain.names import printable
from provisioning.domain.tables import AUDIT, TENANTS
from provisioning.domain.tenants import as_administrator
from provisioning.resources.audit import show_record
from provisioning.store import Query, Record


def _instant(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    try:
        return None if text is None else parse_instant(text)
    except ValueError as error:
        example = "2014-09-09T13:49:29Z"
        raise click.BadParameter(f"'{text}' is no instant such as {example}.") from error


@click.command(cls=Command)
@click.option("--tenant", metavar="LABEL", help="The changes in this tenant alone.")
@click.option("--since", metavar="INSTANT", callback=_instant, help="From this instant on.")
@as_json
def audit(tenant: str | None, since: str | None, is_json: bool) -> None:
    """List what was changed by whom, tenant by tenant, oldest first.

    Only as many records of a tenant are there as PROVISIONING_AUDIT_KEEP says.
    """
    server = current_server(must_exist=True, upgrades=False)
    found = []
    with server.store.read() as view:
        labels = sorted(str(each["label"]) for each in view.all(TENANTS))
        if tenant is not None and tenant not in labels:
            raise NotFound(f"There is no tenant '{tenant}'.")
        now = server.clock.now(view.time())
        between = {} if since is None else {"at": (since, None)}
        for label in labels if tenant is None else [tenant]:
            records = as_administrator(view, server.catalogue, label, now)
            page = records.query(AUDIT, Query(within=("tenant", label), between=between))
            found += [{"tenant": label, **show_record(records, each)} for each in page.records]
    if is_json:
        click.echo(json.dumps(found))
        return
    for each in found:
        click.echo(_sentence(each))


def _sentence(record: Record) -> str:
    by = record["by"] or record["key"] or record["via"]
    return printable(
        f"{record['at']}  {record['tenant']}  {by}: {record['action']} of {record['resource']} "
        f"{record['target']}" + (f" ({record['user']})" if record["user"] else "")
    )
