"""Masking for the request log: secrets by their names and forms, and the keys that were sent."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from provisioning.web.redaction import MASK, is_secret_name, redacted_target

SHORTEST_TOKEN = 8
"""The fewest characters of a token. Shorter text is left alone, as it occurs in other words."""
MOST_TOKENS = 20
"""The most tokens that are sought. Of a request with more of them no text is shown at all."""


class Masking:
    """Masks the tokens of one request wherever they stand, and all that looks like a secret."""

    def __init__(self, tokens: Iterable[str]) -> None:
        long = {token for token in tokens if len(token) >= SHORTEST_TOKEN}
        spelled = {form for token in long for form in (token, quote(token, safe=""))}
        self._sent = sorted(spelled, key=len, reverse=True)
        self._shows_text = len(long) <= MOST_TOKENS

    def text(self, text: str) -> str:
        if len(text) < SHORTEST_TOKEN:
            return text
        if not self._shows_text:
            return MASK
        text = redacted_target(text)
        for form in self._sent:
            text = text.replace(form, MASK)
        return text

    def json(self, value: Any) -> Any:
        """A JSON value with masked secrets. Members with the name of a secret are masked, too."""
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
    """The member `value` of an operation of a SCIM PATCH, if its `path` names a secret."""
    names = {name.lower(): name for name in value}
    path = value.get(names.get("path", ""))
    return names.get("value") if isinstance(path, str) and is_secret_name(path) else None
