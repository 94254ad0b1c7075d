"""Patterns of paths, for faults and for filters of the request log."""

import functools
import re

from provisioning.web.operation import BASE_PATH

ACROSS = "**"
"""Stands for any text."""
WITHIN = "*"
"""Stands for any text without a slash."""


def matches(pattern: str, path: str) -> bool:
    """Whether a decoded path matches a pattern.

    `*` stands for any text within a segment, `**` for any text. The pattern is one of whole paths,
    or of what comes after the base path. This takes as many steps as the path has characters,
    whatever the pattern.
    """
    compiled = _compiled(pattern)
    return compiled.is_met_by(path) or (
        path.startswith(BASE_PATH) and compiled.is_met_by(path.removeprefix(BASE_PATH))
    )


class Pattern:
    """A pattern as a row of parts: characters, `*` and `**`.

    The state of a match is a set of places in this row, as an integer: bit i means that part i may
    come next. So one step with a character moves on from all places at once.
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
            # A wild part may stand for no text. One step is enough: no two are neighbours.
            places |= (places & self._wild) << 1
            if not places:
                return False
        return bool(places & self._end)


def _parts(text: str) -> list[str]:
    return re.findall(r"\*+|.", text, re.DOTALL)


@functools.lru_cache
def _compiled(pattern: str) -> Pattern:
    return Pattern(pattern)
