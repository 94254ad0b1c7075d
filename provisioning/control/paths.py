"""Patterns of paths, as faults and the request log take them."""

import functools
import re

from provisioning.web.operation import BASE_PATH

ACROSS = "**"
"""Stands for any text."""
WITHIN = "*"
"""Stands for any text without a slash."""


def matches(pattern: str, path: str) -> bool:
    """Whether a path, decoded, is one of those: `*` stands within a segment, `**` across them.

    The pattern is a whole path, or what comes after the base path. It takes as many steps as the
    path has characters, whatever the pattern.
    """
    compiled = _compiled(pattern)
    return compiled.is_met_by(path) or (
        path.startswith(BASE_PATH) and compiled.is_met_by(path.removeprefix(BASE_PATH))
    )


class Pattern:
    """A pattern as a row of parts: characters, `*` and `**`.

    Bit i of an integer stands for the place before part i, so that one step with a character
    moves from all the places at once that a path can have come to.
    """

    def __init__(self, text: str) -> None:
        text = text.rstrip("/") or "/"
        parts = [ACROSS if part.startswith(ACROSS) else part for part in _parts(text)]
        self._beginning = re.split(r"\*", text, maxsplit=1)[0]
        self._end = 1 << len(parts)
        self._characters: dict[str, int] = {}
        self._across = self._within = 0
        for place, part in enumerate(parts):
            bit = 1 << place
            if part == ACROSS:
                self._across |= bit
            elif part == WITHIN:
                self._within |= bit
            else:
                self._characters[part] = self._characters.get(part, 0) | bit
        self._wild = self._across | self._within

    def is_met_by(self, path: str) -> bool:
        if not path.startswith(self._beginning):
            return False
        places = 1 | (self._wild & 1) << 1
        for char in path:
            moved = (places & self._characters.get(char, 0)) << 1
            places &= self._across if char == "/" else self._wild
            places |= moved
            # A wild part may stand for nothing. No two of them are neighbours.
            places |= (places & self._wild) << 1
            if not places:
                return False
        return bool(places & self._end)


def _parts(text: str) -> list[str]:
    return re.findall(r"\*+|.", text, re.DOTALL)


@functools.lru_cache
def _compiled(pattern: str) -> Pattern:
    return Pattern(pattern)
