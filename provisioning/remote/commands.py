"""`provisioning pull` and `provisioning compare`: the words of the command line for them."""

import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from provisioning.cli import files
from provisioning.cli.group import Command, as_json, counted
from provisioning.remote import reports
from provisioning.remote.errors import CANNOT, CannotBeDone, plain
from provisioning.settings import KEYS_OF_COMMANDS

KEY, OTHER_KEY = KEYS_OF_COMMANDS
STDIN = "-"
LONGEST_KEY = 4_096

file_option = click.Path(path_type=Path)
key_file = click.option(
    "--key-file",
    metavar="FILE",
    help=f"The file with a key of the server at URL, - for stdin; else it is in {KEY}.",
)
real_people = click.option(
    "--real-people", is_flag=True, help="Show people as they are, instead of anew."
)
ca = click.option(
    "--ca",
    type=file_option,
    metavar="FILE",
    help="Certificates (PEM) of the authorities to trust, instead of the system's.",
)


class RemoteCommand(Command):
    """A command that ends with 2 whenever it can't be done, an interrupt included."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("\nInterrupted. Nothing is written.", err=True)
            sys.stdout.flush()
            # Requests that wait in threads are not waited for.
            os._exit(CANNOT)
        except click.ClickException as error:
            if error.exit_code == CANNOT:
                raise
            raise CannotBeDone(error.message) from error


def require_client() -> None:
    if find_spec("httpx2") is None:
        raise click.ClickException(
            "This command needs packages that are missing. They come with pip install '.[remote]'"
        )


def key_of(file: str | None, variable: str, option: str) -> str:
    """The API key in a file or in a variable; it is never shown."""
    if file == STDIN:
        text = sys.stdin.read(LONGEST_KEY)
    elif file is not None:
        try:
            with Path(file).open(encoding="utf-8") as opened:
                text = opened.read(LONGEST_KEY)
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "is no text"
            raise click.UsageError(f"{option} {file}: {reason}.") from error
    else:
        text = os.environ.get(variable, "")
        if not text.strip():
            raise click.UsageError(f"A key is needed: {option} FILE, or the variable {variable}.")
    key = text.strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        where = file if file is not None else variable
        raise click.UsageError(f"{option}: {where} holds no API key, which is one word.")
    return key


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """A function that shows what is going on: one line on a terminal, nothing in a pipe."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return

    def show(text: str) -> None:
        sys.stderr.write(f"\r\x1b[K{text} ")
        sys.stderr.flush()

    try:
        yield show
    finally:
        sys.stderr.write("\r\x1b[K")


@click.command(cls=RemoteCommand)
@click.argument("url")
@click.argument("file", type=file_option)
@key_file
@click.option(
    "--salt",
    help="With the same salt people become the same; a random one unless told.",
)
@real_people
@click.option(
    "--catalogue",
    type=file_option,
    metavar="FILE",
    help="Write the server's catalogue, too, for PROVISIONING_CATALOGUE.",
)
@click.option("--force", is_flag=True, help="Overwrite files.")
@click.option(
    "--pause",
    type=click.FloatRange(0, 60),
    default=0.0,
    metavar="SECONDS",
    help="Wait this long between two requests, and make one at a time.",
)
@ca
def pull(
    url: str,
    file: Path,
    key_file: str | None,
    salt: str | None,
    real_people: bool,
    catalogue: Path | None,
    force: bool,
    pause: float,
    ca: Path | None,
) -> None:
    """Write the tenant of a key on another server to FILE, as a seed with invented people.

    URL is the address of the API there. It is only read. What the key may not read, and what this
    version can't take, is told and left out. Passwords and secrets are never brought.
    """
    require_client()
    from provisioning.remote import guest, pulling  # noqa: PLC0415 - they need httpx2

    address = guest.base_url(url)
    if salt is not None and real_people:
        raise click.UsageError("--salt is for invented people: leave it or --real-people out.")
    if catalogue is not None and catalogue.absolute() == file.absolute():
        raise click.UsageError("--catalogue: name another file than FILE.")
    written = [each for each in (file, catalogue) if each is not None]
    for each in written:
        files.require_free(each, force)
    key = key_of(key_file, KEY, "--key-file")
    chosen = None if real_people else salt if salt is not None else secrets.token_urlsafe()
    with progress() as show, closing(guest.Guest.of(address, key, ca, pause, show)) as asked:
        pulled = pulling.pull(asked, chosen, catalogue is not None)
    if catalogue is not None and pulled.offered is not None:
        with files.explained(catalogue):
            files.write(catalogue, pulling.as_file(pulled.offered), force)
    try:
        with files.explained(file):
            files.write(file, pulling.as_file(pulled.made.lists), force)
    except BaseException:
        if catalogue is not None:
            catalogue.unlink(missing_ok=True)
        raise
    for sentence in pulled.told:
        click.echo(plain(sentence, 1_000), err=True)
    whose = "REAL PEOPLE" if real_people else "invented people"
    click.echo(
        f"Wrote {counted(pulled.made.count, 'record')} with {whose} to {file}, after "
        f"{counted(asked.asked, 'request')}.",
        err=True,
    )
    click.echo(
        "It holds invented keys, which open whatever server loads it; and settings, configurations "
        "and queries as they are there, which may hold secrets of their own. Look before you share "
        "it.",
        err=True,
    )


@click.command(cls=RemoteCommand)
@click.argument("url")
@click.argument("other", required=False)
@key_file
@click.option(
    "--other-key-file",
    metavar="FILE",
    help=f"The file with a key of the server at OTHER; else it is in {OTHER_KEY}.",
)
@click.option(
    "--most",
    type=click.IntRange(1, 1_000_000),
    default=100,
    show_default=True,
    help="Ask for so many records of a kind one by one.",
)
@as_json
@click.option(
    "--accept",
    type=file_option,
    metavar="FILE",
    help="Differences that are known, and don't count.",
)
@click.option(
    "--write-accept",
    type=file_option,
    metavar="FILE",
    help="Write the differences that there are to FILE, for --accept.",
)
@real_people
@ca
def compare(
    url: str,
    other: str | None,
    key_file: str | None,
    other_key_file: str | None,
    most: int,
    is_json: bool,
    accept: Path | None,
    write_accept: Path | None,
    real_people: bool,
    ca: Path | None,
) -> None:
    """Show where the servers at URL and OTHER differ; without OTHER, where URL and this version do.

    Both are asked the same and only read. Without OTHER what the key may read is loaded into a
    server in memory, which is asked as well. The exit code is 0 where there is no difference but
    accepted ones, 1 where there is one, and 2 where it can't be done.
    """
    require_client()
    from provisioning.remote import asking, comparing, guest  # noqa: PLC0415 - they need httpx2

    addresses = [guest.base_url(each) for each in (url, other) if each is not None]
    if other is None and (other_key_file is not None):
        raise click.UsageError("--other-key-file is for OTHER, which is missing.")
    if key_file == other_key_file == STDIN:
        raise click.UsageError("--other-key-file: stdin has one key only.")
    known = set() if accept is None else reports.accepted(accept)
    if write_accept is not None:
        files.require_free(write_accept, is_forced=True)
    keys = [key_of(key_file, KEY, "--key-file")]
    if other is not None:
        keys.append(key_of(other_key_file, OTHER_KEY, "--other-key-file"))
    with progress() as show, ExitStack() as opened:
        sides = [
            opened.enter_context(closing(asking.Side.of(address, key, ca, show=show)))
            for address, key in zip(addresses, keys, strict=True)
        ]
        found = comparing.compare(
            sides[0], sides[1] if other is not None else None, most, real_people
        )
    for sentence in found.told:
        click.echo(f"Not compared: {plain(sentence, 1_000)}", err=True)
    if write_accept is not None:
        with files.explained(write_accept):
            files.write(write_accept, reports.as_accepted(found.differences), is_forced=True)
    fresh = [each for each in found.differences if each.name not in known]
    click.echo(reports.as_json(fresh) if is_json else reports.as_table(fresh))
    gone = known - {each.name for each in found.differences}
    accepted = len(found.differences) - len(fresh)
    click.echo(
        f"{counted(len(fresh), 'difference')}, {accepted} accepted, after "
        f"{counted(sum(each.asked for each in sides), 'request')}.",
        err=True,
    )
    for route, member, kind in sorted(gone, key=str):
        click.echo(f"Accepted, and not there any more: {route} {member or '-'} {kind}", err=True)
    sys.exit(1 if fresh else 0)


COMMANDS = (pull, compare)
