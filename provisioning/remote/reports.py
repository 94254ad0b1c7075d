"""Differences for people, for programs, and in files of those that are known."""

import json
from collections.abc import Sequence
from dataclasses import asdict, astuple
from pathlib import Path

from provisioning.cli.group import in_columns
from provisioning.remote.differences import Difference, Name
from provisioning.remote.errors import CannotBeDone, plain

HEADS = ("route", "member", "kind", "count", "example: URL / OTHER")
LONGEST_CELL = 100


def as_table(differences: Sequence[Difference]) -> str:
    """One line for each difference, those of one route together."""
    if not differences:
        return "No difference."
    rows = (
        [plain(str("-" if cell is None else cell), LONGEST_CELL) for cell in astuple(each)]
        for each in differences
    )
    return in_columns([HEADS, *rows])


def as_json(differences: Sequence[Difference]) -> str:
    return json.dumps([asdict(each) for each in differences])


def as_accepted(differences: Sequence[Difference]) -> bytes:
    """The content of a file of known differences: one a line, without anybody's values."""
    lines = (
        json.dumps(dict(zip(("route", "member", "kind"), each.name, strict=True)))
        for each in differences
    )
    return ("[\n" + ",\n".join(f"  {line}" for line in lines) + "\n]\n").encode()


def accepted(file: Path) -> set[Name]:
    """The differences that a file names; CannotBeDone for a file that is none."""
    try:
        content = json.loads(file.read_bytes())
        return {(each["route"], each["member"], each["kind"]) for each in content}
    except OSError as error:
        raise CannotBeDone(f"{file}: {error.strerror}.") from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise CannotBeDone(
            f"{file}: must be a list of objects with route, member and kind, as --write-accept "
            "writes it."
        ) from error
