"""What the request log masks: a secret by its name, by its form, or as a key that was sent."""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from provisioning.web.redaction import MASK, is_secret_name, redacted_target

SHORTEST_TOKEN = 8
"""Characters; what is shorter is no token, and stands in other words as well."""


class Masking:
    """Masks the tokens of one request wherever they stand, and what looks like a secret."""

    def __init__(self, tokens: Iterable[str]) -> None:
        spelled = {form for token in tokens for form in (token, quote(token, safe=""))}
        long = sorted((form for form in spelled if len(form) >= SHORTEST_TOKEN), key=len)
        self._sent = re.compile("|".join(map(re.escape, reversed(long)))) if long else None

    def text(self, text: str) -> str:
        if len(text) < SHORTEST_TOKEN:
            return text
        text = redacted_target(text)
        return text if self._sent is None else self._sent.sub(MASK, text)

    def json(self, value: Any) -> Any:
        """JSON, each member by its name, too."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            secret = _patched_secret(value)
            return {
                self.text(name): MASK
                if inner is not None and (is_secret_name(name) or name == secret)
                else self.json(inner)
                for name, inner in value.items()
            }
        if isinstance(value, list):
            return [self.json(inner) for inner in value]
        return value


def _patched_secret(value: dict[str, Any]) -> str | None:
    """The member that holds a secret in an operation of a SCIM PATCH, which names it by `path`."""
    names = {name.lower(): name for name in value}
    path = value.get(names.get("path", ""))
    return names.get("value") if isinstance(path, str) and is_secret_name(path) else None
