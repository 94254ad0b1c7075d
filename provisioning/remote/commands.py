"""`provisioning pull` and `provisioning compare`: the words of the command line for them."""

import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from provisioning.cli.group import Command, counted
from provisioning.domain.errors import DomainError
from provisioning.remote.errors import CANNOT, CannotBeDone, plain
from provisioning.seed import BadFile
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
    from provisioning.remote import files, guest, pulling  # noqa: PLC0415 - they need httpx2

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
    with progress() as show:
        asked = guest.Guest.of(address, key, ca, pause, show)
        try:
            pulled = pulling.pull(asked, chosen, catalogue is not None)
        except (DomainError, BadFile) as error:
            raise click.ClickException(f"What was read can't be loaded: {error}") from error
        finally:
            asked.close()
    if catalogue is not None and pulled.offered is not None:
        files.write(catalogue, pulling.as_file(pulled.offered), force)
    try:
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


COMMANDS = (pull,)
