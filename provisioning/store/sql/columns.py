"""How the values of records become columns.

Everything is text that a database compares byte by byte, so that equality and order are those of
Python on every store. Text as such stays readable; a mark before it keeps kinds apart.
"""

import hashlib
import json
import re
from collections.abc import Hashable
from decimal import Decimal
from typing import Any

from provisioning.store.query import fold

TEXT = '"'
"""What the key of a text begins with, and no other key does."""
LONGEST_INDEXED = 500
"""Characters; PostgreSQL indexes no text over 2,704 bytes."""
_encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode
_UNSTORABLE = re.compile("[\x00\x01\ud800-\udfff]")
MARK = "\x01"
"""Between a folded text and the text itself: whatever goes on comes after what ends."""
_LOWEST = re.compile("[\x00\x01\x02]")
_HIGHEST_EXPONENT = 50_000
_NINES = str.maketrans("0123456789", "9876543210")


class At(str):
    """A value that activity windows are compared with."""

    __slots__ = ()


class Word(str):
    """A value that is sought in texts, folded."""

    __slots__ = ()


def plain(text: str) -> str:
    """Text as PostgreSQL can hold it, which is without NUL; equality and order stay as they are.

    A lone surrogate becomes what no stored text is, since no record can hold one.
    """
    return _UNSTORABLE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\x01{chr(code + 1)}" if code < 2 else f"\x01\x03{code:x}"  # noqa: PLR2004


def original(text: str) -> str:
    """The text that `plain` was given."""
    return text.replace("\x01\x01", "\0").replace("\x01\x02", "\x01") if "\x01" in text else text


def value_key(value: Any) -> str:
    """Values are equal where their keys are; keys of texts are in the order of the texts."""
    if isinstance(value, str):
        return _cut(plain(TEXT + value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bool):
        return str(int(value))
    return _cut(plain(_encode(value)))


def group_key(value: Hashable) -> str:
    """The value of a group or of a unique index."""
    return value_key(value)


def order_key(value: Any) -> str | None:
    """What the order of store/query.py is, as text: numbers, then folded texts with what was folded
    behind, then the rest; None for null."""
    if value is None:
        return None
    if isinstance(value, str):
        return f"1{_above_mark(fold(value))}{MARK}{_above_mark(value)}"
    if isinstance(value, int | float):
        return f"0{_number_key(value)}"
    return f"2{json.dumps(value, sort_keys=True)}"


def _above_mark(text: str) -> str:
    """Text of characters that all come after MARK; order stays as it is."""
    return _LOWEST.sub(lambda match: f"\x02{chr(ord(match[0]) + 2)}", text)


def _number_key(value: float) -> str:
    """Text that is ordered as the numbers are."""
    number = Decimal(value)
    if not number:
        return "1"
    digits = "".join(map(str, number.as_tuple().digits)).rstrip("0")
    key = f"{number.adjusted() + _HIGHEST_EXPONENT:05d}{digits}"
    return f"2{key}" if number > 0 else f"0{key.translate(_NINES)}~"


def _cut(key: str) -> str:
    """Short enough for an index: of what is long, the beginning and a digest of all."""
    if len(key) <= LONGEST_INDEXED:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f"{key[: LONGEST_INDEXED - len(digest)]}{digest}"
