"""Differences for people, for programs, and in files of those that are known."""

import json
from collections.abc import Sequence
from pathlib import Path

from provisioning.remote.differences import Difference, Name
from provisioning.remote.errors import CannotBeDone, plain

HEADS = ("route", "member", "kind", "count", "example: URL / OTHER")
LONGEST_CELL = 100


def as_table(differences: Sequence[Difference]) -> str:
    """One line for each difference, those of one route together."""
    if not differences:
        return "No difference."
    rows = [HEADS] + [
        tuple(
            plain(str(cell), LONGEST_CELL)
            for cell in (each.route, each.member or "-", each.kind, each.count, each.example)
        )
        for each in differences
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def as_json(differences: Sequence[Difference]) -> str:
    return json.dumps(
        [
            {
                "route": each.route,
                "member": each.member,
                "kind": each.kind,
                "count": each.count,
                "example": each.example,
            }
            for each in differences
        ]
    )


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
