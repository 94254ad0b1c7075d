"""What can't be done, and what others have written, for a terminal."""

import click

CANNOT = 2
"""The exit code where it can't be done; compare has 1 for differences."""
SHOWN = 200
"""The most characters of a foreign text in a message."""


class CannotBeDone(click.ClickException):
    """What was asked for can't be done; the exit code says so to programs."""

    exit_code = CANNOT


def plain(text: str, most: int = SHOWN) -> str:
    """A foreign text for a terminal: on one line, without control characters, and not long."""
    text = " ".join(text.split())
    text = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
    return text if len(text) <= most else f"{text[:most]}..."
