"""How names are compared and shown: usernames, domains, hosts, tokens."""

import hashlib
import unicodedata

import idna

LONGEST_USERNAME = 254
"""Characters of a username, as it is typed and as it is compared."""


def username_key(username: str) -> str:
    """The form in which usernames are compared, which is also a user's key (section 7).

    A text that is too long for a username stays as it is, and so is nobody's: to normalize a run
    of combining marks takes the square of its length.
    """
    if username.isascii():
        return username.lower()
    if len(username) > LONGEST_USERNAME:
        return username
    folded = unicodedata.normalize("NFKC", username).casefold()
    return unicodedata.normalize("NFKC", folded)


def printable(text: str) -> str:
    """Text of others as a terminal may show it: control and format characters are escaped."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode()
        for char in text
    )


def token_digest(token: str) -> str:
    """The hash by which API tokens are looked up, so that timing tells nothing about a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def ascii_domain(name: str) -> str:
    """A domain name as lower-case A-labels, without the final dot; ValueError for other text."""
    if len(name) > MAX_INPUT:
        raise ValueError("too long")
    name = unicodedata.normalize("NFC", name).lower().removesuffix(".")
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode().removesuffix(".")
        except (idna.IDNAError, UnicodeError) as error:
            raise ValueError(name) from error
    labels = name.split(".")
    if len(name) > MAX_DOMAIN or not all(is_host_label(label) for label in labels):
        raise ValueError(name)
    for label in labels:
        if label.startswith("xn--"):
            try:
                idna.ulabel(label)
            except (idna.IDNAError, UnicodeError) as error:
                raise ValueError(name) from error
    return name


MAX_DOMAIN = 253
MAX_INPUT = 1_000
"""Longer input is refused at once, as encoding it takes long. Longer than MAX_DOMAIN, since
encoding makes some names shorter."""
MAX_LABEL = 63


def is_host_label(label: str) -> bool:
    return (
        0 < len(label) <= MAX_LABEL
        and label.isascii()
        and label.replace("-", "").isalnum()
        and not label.startswith("-")
        and not label.endswith("-")
    )
