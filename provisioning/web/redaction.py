"""What a log may show of a request: no key, and nothing that looks like a secret."""

import functools
import re
from urllib.parse import unquote

MASK = "********"
LONGEST_NAME, MOST_NAMES = 100, 20
"""Characters before an equals sign, and equals signs of one parameter, that are looked at."""


def redacted_target(target: str) -> str:
    """A request's target, or any other text of a request, with a mask in place of each secret.

    Secret is the value of a parameter whose name says so, in any case and percent-encoding, also
    of a URL that is itself a value; what follows `api-keys/` in a path; the user information of a
    URL; and a word that looks like a generated key, wherever it stands. The rest of the text comes
    back as it was. Rather a harmless value too many is masked (`/api-keys/key-12`) than a secret
    shown.
    """
    # The patterns are slow; most targets hold nothing that any of them could find.
    is_encoded = "%" in target
    is_plain = not is_encoded and target.isascii()
    if "/" in target and not (is_plain and "api-keys" not in target.lower()):
        target = _SEGMENT.sub(rf"\g<1>{MASK}", target)
    if "//" in target and "@" in target:
        target = _USER.sub(rf"\g<1>{MASK}@", target)
    if (is_encoded or "=" in target) and _EQUALS.search(target):
        target = "&".join(map(_without_secret, target.split("&")))
    return target if len(target) < SHORTEST_KEY else _GENERATED.sub(MASK, target)


def redacted_text(text: str) -> str:
    """Any text, such as a message or a traceback, each of its words by itself."""
    return re.sub(r"\S+", lambda word: redacted_target(word[0]), text)


@functools.lru_cache(1_024)
def is_secret_name(name: str) -> bool:
    """Whether a parameter, member or header of this name holds a secret, however it is spelled."""
    letters = re.sub("[^a-z0-9]", "", unquote(unquote(name)).lower())
    return _SECRET_NAME.search(letters) is not None


def _without_secret(text: str) -> str:
    """Text without what follows the first secret name with an equals sign."""
    for number, equals in enumerate(_EQUALS.finditer(text)):
        if number == MOST_NAMES:
            return text[: equals.end()] + MASK
        before = text[max(0, equals.start() - LONGEST_NAME) : equals.start()]
        name = _NAME.search(unquote(unquote(before)))
        if name is not None and equals.end() < len(text) and is_secret_name(name[0]):
            return text[: equals.end()] + MASK
    return text


def _any_spelling(text: str) -> str:
    """A pattern for text in any case, each character as it is or percent-encoded, even twice."""
    return "".join(
        f"(?:{re.escape(char)}|%(?:25)*(?:{ord(char):02x}|{ord(char.upper()):02x}))"
        for char in text
    )


_SECRET_NAME = re.compile(
    "pass(w|phrase|code|$)|pwd|kennwort|secret|token|apikey|accesskey|privatekey|authorization"
    "|credential|cookie|bearer|jwt|sessionid|signature|^key$|^x?auth$"
)
_EQUALS = re.compile(_any_spelling("="), re.IGNORECASE)
_NAME = re.compile(r"[\w.~ \[\]-]+\Z")
_SEGMENT = re.compile(
    "({keys}{slash}+)[^?]+".format(keys=_any_spelling("api-keys"), slash=_any_spelling("/")),
    re.IGNORECASE,
)
_USER = re.compile(r"(//)[^/?#@\s]*:[^/?#@\s]*@")
_LETTER = "[A-Za-z0-9_-]"
SHORTEST_KEY = 22
_GENERATED = re.compile(
    rf"(?<!{_LETTER})(?={_LETTER}*[a-z])(?={_LETTER}*[A-Z])(?={_LETTER}*[0-9])"
    rf"{_LETTER}{{{SHORTEST_KEY},}}(?!{_LETTER})"
)
"""A word of 128 bits or more, in letters of both cases and digits."""
