"""Commands for export and import: seeds, and users from CSV."""

import json
import sys
from functools import partial
from pathlib import Path

import click
import orjson

from provisioning import people_csv, transfer
from provisioning.cli import files
from provisioning.cli.group import Command, as_json, counted, progress, tell_lost_passwords
from provisioning.cli.opening import current_server
from provisioning.domain.names import printable
from provisioning.domain.passwords import Dropping
from provisioning.seed import BadFile, parse_json
from provisioning.transfer import Outcome

STDIO = "-"
SEED, CSV = "seed", "csv"


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--tenant", metavar="LABEL", help="This tenant alone, instead of the whole store.")
@click.option("--force", is_flag=True, help="Overwrite FILE.")
def export(file: Path, tenant: str | None, force: bool) -> None:
    """Write the data as a seed to FILE, or with - to stdout: tokens, secrets and hashes too.

    The audit is no part of it.
    """
    if str(file) != STDIO:
        files.require_free(file, force)
    server = current_server(must_exist=True, upgrades=False)
    with server.store.read() as view:
        seed = transfer.export(server, view, tenant)
    dropping = Dropping()
    seed["users"] = [dropping.without(account) for account in seed["users"]]
    tell_lost_passwords(dropping.number)
    content = orjson.dumps(seed, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    if str(file) == STDIO:
        sys.stdout.buffer.write(content)
        return
    with files.explained(file):
        files.write(file, content, force)
    count = sum(map(len, seed.values()))
    message = f"Wrote {counted(count, 'record')} to {file}. It holds secrets: keep it to yourself."
    click.echo(message, err=True)


def _known_encoding(_: click.Context, __: click.Parameter, name: str | None) -> str | None:
    try:
        b"a".decode(name or "utf-8")
    except UnicodeDecodeError:
        return name
    except (LookupError, UnicodeError) as error:
        raise click.BadParameter(f"'{name}' is no encoding. Try cp1252 or utf-16.") from error
    return name


@click.command("import", cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "kind",
    type=click.Choice([SEED, CSV]),
    help="What FILE is: a name in .csv means csv, any other a seed.",
)
@click.option(
    "--mode",
    type=click.Choice(transfer.MODES),
    default=transfer.MERGE,
    show_default=True,
    help="`replace` removes, in the tenants that the file brings, what it lacks.",
)
@click.option("--tenant", metavar="LABEL", help="Whose people are in a CSV file.")
@click.option(
    "--encoding",
    metavar="NAME",
    callback=_known_encoding,
    help="Of a CSV file that isn't UTF-8, such as cp1252.",
)
@click.option("--revoke-missing", is_flag=True, help="Revoke whoever a CSV file lacks.")
@click.option("--yes", is_flag=True, help="Revoke even more than half of the tenant.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@as_json
def import_data(
    file: Path,
    kind: str | None,
    mode: str,
    tenant: str | None,
    encoding: str | None,
    revoke_missing: bool,
    yes: bool,
    dry_run: bool,
    is_json: bool,
) -> None:
    """Load a seed, or people from CSV, from FILE or with - from stdin: all of it or nothing.

    Works while the server runs. Each fault is named with its place.
    """
    kind = kind or (CSV if file.suffix.lower() == ".csv" else SEED)
    if kind == CSV:
        if tenant is None:
            raise click.UsageError("A CSV file needs --tenant LABEL.")
        if mode != transfer.MERGE:
            raise click.UsageError("--mode is for seeds; a CSV file has --revoke-missing.")
        rows, faults = people_csv.read(_content(file), encoding)
        outcome = people_csv.load(
            current_server(),
            tenant,
            rows,
            faults,
            revoke_missing,
            yes,
            dry_run,
            partial(progress, label="People"),
        )
    else:
        if tenant is not None or revoke_missing or encoding is not None:
            raise click.UsageError("--tenant, --revoke-missing and --encoding are for CSV files.")
        given = parse_json(_content(file), file.name)
        outcome = transfer.load(
            current_server(), given, mode, dry_run, partial(progress, label="Records")
        )
    _show(outcome, dry_run, is_json)


def _content(file: Path) -> bytes:
    if str(file) == STDIO:
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise BadFile([f"{file}: {error.strerror}."]) from error


def _show(outcome: Outcome, is_dry: bool, is_json: bool) -> None:
    done = {
        "created": outcome.created,
        "changed": outcome.changed,
        "removed": outcome.removed,
    }
    if is_json:
        click.echo(json.dumps({**done, "told": outcome.told}))
        return
    for sentence in outcome.told:
        click.echo(printable(sentence), err=True)
    for what, lists in done.items():
        for name, records in lists.items():
            shown = ", ".join(records[:MOST_NAMED])
            more = f" and {len(records) - MOST_NAMED} more" if len(records) > MOST_NAMED else ""
            would = f"would be {what}" if is_dry else what
            click.echo(f"{name}: {len(records)} {would} ({printable(shown)}{more})")
    if outcome.is_nothing:
        click.echo("Nothing would change." if is_dry else "Nothing has changed.")


MOST_NAMED = 20
