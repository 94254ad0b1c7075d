"""Request targets as a log may show them: without the API keys that they carry."""

import re

MASK = "********"


def redacted_target(target: str) -> str:
    """The target of a request (path and query, or a whole URL) with a mask in place of each key.

    A key is the value of `apikey` (`api_key`, `api-key` and `apiToken`, which people try, too) and
    whatever follows `api-keys/` in a path, in any case and percent-encoding, also of a URL that is
    itself a value. The rest of the target comes back as it was. Rather a harmless value too many
    is masked (`/api-keys/key-12`) than a key shown.
    """
    if "%" not in target and "api" not in target.lower():
        return target  # most of what a line of the access log consists of
    return _PARAMETER.sub(rf"\g<1>{MASK}", _SEGMENT.sub(rf"\g<1>{MASK}", target))


def _any_spelling(text: str) -> str:
    """A pattern for text in any case, each character as it is or percent-encoded, even twice."""
    return "".join(
        f"(?:{re.escape(char)}|%(?:25)*(?:{ord(char):02x}|{ord(char.upper()):02x}))"
        for char in text
    )


_PARAMETER = re.compile(
    "({api}(?:{dash}|{underscore})?(?:{key}|{token}){equals})[^&]+".format(
        api=_any_spelling("api"),
        dash=_any_spelling("-"),
        underscore=_any_spelling("_"),
        key=_any_spelling("key"),
        token=_any_spelling("token"),
        equals=_any_spelling("="),
    ),
    re.IGNORECASE,
)
_SEGMENT = re.compile(
    "({keys}{slash}+)[^?]+".format(keys=_any_spelling("api-keys"), slash=_any_spelling("/")),
    re.IGNORECASE,
)
