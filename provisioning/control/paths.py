"""Patterns of paths, as faults and the request log take them."""

import functools
import re

from provisioning.web.routing import BASE_PATH


def matches(pattern: str, path: str) -> bool:
    """Whether a path, decoded, is one of those: `*` stands within a segment, `**` across them.

    The pattern is a whole path, or what comes after the base path.
    """
    expression = _expression(pattern)
    below = path.removeprefix(BASE_PATH)
    return any(expression.fullmatch(each) is not None for each in (path, below))


@functools.lru_cache
def _expression(pattern: str) -> re.Pattern[str]:
    wild = {"*": "[^/]*", "**": ".*"}
    parts = re.split(r"(\*\*|\*)", pattern.rstrip("/") or "/")
    return re.compile("".join(wild.get(part) or re.escape(part) for part in parts), re.DOTALL)
