"""What all commands have in common: how they fail, and JSON for programs."""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

import click

from provisioning.domain.errors import DomainError, Invalid
from provisioning.domain.names import printable
from provisioning.domain.passwords import lost_passwords
from provisioning.seed import BadFile
from provisioning.settings import BadSetting, Settings
from provisioning.store import StoreUnavailable
from provisioning.web import audit_log
from provisioning.web.logs import JsonLines

Item = TypeVar("Item")


_URL_WITH_USER = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*:)/+(?!USER:PASSWORD@)\S*@\S*")


@contextmanager
def _without_passwords() -> Iterator[None]:
    """Leave URLs that may hold a password out of messages that repeat an argument."""
    try:
        yield
    except click.ClickException as error:
        # What click raises is kept, with its usage and context.
        error.message = _URL_WITH_USER.sub(r"\1//...", error.message)  # type: ignore[misc]
        raise


class Command(click.Command):
    """A command that reports our errors on stderr without a traceback, with exit code 1."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        with _without_passwords():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        with _without_passwords():
            return self._invoke(ctx)

    def _invoke(self, ctx: click.Context) -> Any:
        try:
            with self._telling():
                return super().invoke(ctx)
        except Invalid as error:
            lines = [f"{name}: {text}" for name, texts in error.errors.items() for text in texts]
            raise click.ClickException("\n".join(lines)) from error
        except StoreUnavailable as error:
            place = Settings.from_env(os.environ).place
            raise click.ClickException(f"{place}: {printable(str(error))}") from error
        except (DomainError, BadSetting, BadFile) as error:
            lines = str(error).split("\n")
            raise click.ClickException("\n".join(map(printable, lines))) from error

    def _telling(self) -> AbstractContextManager[None]:
        """Records of the audit go to stderr, unless that is a person's; `serve` logs by itself."""
        if self.name == "serve" or sys.stderr.isatty():
            return nullcontext()
        is_json = os.environ.get("PROVISIONING_LOG") == "json"
        return audit_log.on_stderr(JsonLines() if is_json else None)


class Commands(click.Group):
    command_class = Command
    group_class = type

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        with _without_passwords():
            return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        with _without_passwords():
            return super().resolve_command(ctx, args)


def counted(number: int, one: str) -> str:
    """A number with its noun, whose singular is `one`: 1 tenant, 2 tenants."""
    return f"{number} {one}{'' if number == 1 else 's'}"


def in_columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as a table for people."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def tell_lost_passwords(number: int) -> None:
    """Say on stderr how many accounts have lost a cheap hash of a password, if any have."""
    if number:
        click.echo(lost_passwords(number), err=True)


def progress(items: Sequence[Item], label: str) -> Iterator[Item]:
    """The items one by one, with a progress bar if stderr is a terminal."""
    if not sys.stderr.isatty():
        yield from items
        return
    with click.progressbar(items, label=label, file=sys.stderr) as bar:
        yield from bar


as_json = click.option("--json", "is_json", is_flag=True, help="Print JSON and nothing else.")
