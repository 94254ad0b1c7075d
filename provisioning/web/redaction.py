"""Masking of API keys and other secrets in text that goes to a log."""

import functools
import re
from urllib.parse import unquote

from provisioning.domain.names import printable

MASK = "********"
LONGEST_NAME, MOST_NAMES, MOST_PARAMETERS = 100, 20, 100
"""How many characters before an equals sign, how many equals signs of one parameter, and how many
parameters are looked at, so that hostile input costs little time. What comes after is masked."""


def redacted_target(target: str) -> str:
    """A request's target, or another word of a request, with a mask in place of each secret.

    These are masked: the value of a parameter with a secret's name, in any case and percent-
    encoding, also in a URL that is itself a value; what follows `api-keys/` in a path; the user
    information of a URL; and any word that looks like a generated key. In doubt a harmless value,
    such as that of `/api-keys/key-12`, is masked, too. The rest of the text stays as it is.
    """
    # Each takes time in proportion to the text, as no two neighbours in it can share characters.
    # They are slow even so, and most targets hold nothing that any of them could find.
    is_encoded = "%" in target
    is_plain = not is_encoded and target.isascii()
    if "/" in target and not (is_plain and "api-keys" not in target.lower()):
        target = _SEGMENT.sub(rf"\g<1>{MASK}", target)
    if "//" in target and "@" in target:
        target = _USER.sub(rf"\g<1>{MASK}@", target)
    if (is_encoded or "=" in target) and _EQUALS.search(target):
        parameters = target.split("&", MOST_PARAMETERS)
        shown = [_without_secret(each) for each in parameters[:MOST_PARAMETERS]]
        target = "&".join(shown + [MASK] * (len(parameters) - len(shown)))
    return target if len(target) < SHORTEST_KEY else _GENERATED.sub(MASK, target)


def redacted_text(text: str) -> str:
    """A text of several lines, such as a message or a traceback, with secrets masked.

    What isn't printable is escaped, as a client could make it look like a line of ours.
    """
    lines = re.sub(r"\S+", lambda word: redacted_target(word[0]), text).split("\n")
    return "\n".join(map(printable, lines))


def quoted(text: str) -> str:
    """A word as a part of a line of the log, with secrets masked: it may stand in quotation marks,
    and a backslash before one of its own, or before another backslash, can't be a client's."""
    text = redacted_target(text).replace("\\", "\\\\").replace('"', '\\"')
    return text if text.isprintable() else printable(text)


def is_secret_name(name: str) -> bool:
    """Whether a parameter, member or header of this name holds a secret, however it is spelled."""
    return _is_secret(_decoded(name))


@functools.lru_cache(1_024)
def _is_secret(name: str) -> bool:
    letters = re.sub("[^a-z0-9]", "", name.lower())
    return _SECRET_NAME.search(letters) is not None


def _decoded(text: str) -> str:
    return unquote(unquote(text)) if _ENCODED.search(text) else text


def _without_secret(text: str) -> str:
    """A parameter, masked from the value of the first secret name on."""
    for number, equals in enumerate(_EQUALS.finditer(text)):
        if number == MOST_NAMES:
            return text[: equals.end()] + MASK
        before = text[max(0, equals.start() - LONGEST_NAME) : equals.start()]
        name = _NO_NAME.split(_decoded(before))[-1]
        if equals.end() < len(text) and _is_secret(name):
            return text[: equals.end()] + MASK
    return text


def _any_spelling(text: str) -> str:
    """A pattern for lower-case text in any case, with any characters percent-encoded."""
    return "".join(
        f"(?:{re.escape(char)}|%(?:25)*(?:{ord(char):02x}|{ord(char.upper()):02x}))"
        for char in text
    )


_SECRET_NAME = re.compile(
    "pass(w|phrase|code|$)|pwd|kennwort|secret|token|apikey|accesskey|privatekey|authorization"
    "|credential|cookie|bearer|jwt|sessionid|signature|^key$|^x?auth$"
)
_EQUALS = re.compile(_any_spelling("="), re.IGNORECASE)
_ENCODED = re.compile("%[0-9a-fA-F]{2}")
_NO_NAME = re.compile(r"[^\w.~ \[\]-]")
_SEGMENT = re.compile(
    "({keys}{slash}+)[^?]+".format(keys=_any_spelling("api-keys"), slash=_any_spelling("/")),
    re.IGNORECASE,
)
_USER = re.compile(r"(//)[^/?#\s:]*:[^/?#\s]*@")
_LETTER = "[A-Za-z0-9_-]"
SHORTEST_KEY = 22
_GENERATED = re.compile(
    rf"(?<!{_LETTER})(?={_LETTER}*[a-z])(?={_LETTER}*[A-Z])(?={_LETTER}*[0-9])"
    rf"{_LETTER}{{{SHORTEST_KEY},}}(?!{_LETTER})"
)
"""What looks like a generated key: a word of 128 bits or more, in both cases and with digits."""
