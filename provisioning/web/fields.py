"""The kinds of members that records have, each as strict as the contract (sections 4 and 7).

Stored values are wire values, so these fields check and normalise input and are never used
to write output.
"""

import functools
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

import orjson
from marshmallow import ValidationError, fields, validate

from provisioning.domain.activity import parse_instant
from provisioning.domain.names import LONGEST_USERNAME, ascii_domain, username_key
from provisioning.web.countries import COUNTRIES

SLUG = r"[a-z0-9]+([-_][a-z0-9]+)*"
URL = (
    r"^(([A-Za-z][A-Za-z0-9+.-]*:)?//[^\s\\/?#@]*([/?#][^\s\\]*)?"
    r"|[^\s\\/?#@]*(/(?!/)[^\s\\]*|[?#][^\s\\]*)?)$"
)
"""A URL with an authority or without. An `@` may stand only in path, query or fragment."""
CONTROL = r"\u0000-\u001f\u007f-\u009f"
STATUSES = ("ALPHA", "BETA", "PRODUCTION", "ARCHIVED")
LONGEST_TEXT = 10_000
HIGHEST_LIST_ORDER = 2**31 - 1
HIGHEST_PORT = 65_535
LARGEST_OBJECT = 65_536
"""The most bytes of a JSON object, in compact form and UTF-8."""


class RuleOfToday(ValidationError):
    """A rule that new values must keep. What is stored against it is served all the same.

    Every other ValidationError is about a value that no record can hold: one of a wrong type, null
    where there must be something, an instant that is none, a role or key type that doesn't exist.
    """


Check = Callable[[str], None]
SCHEMA_FACTS: dict[Check, dict[str, Any]] = {}
"""Check -> keywords of JSON Schema that say in the documents what it allows."""


def documented(**facts: Any) -> Callable[[Check], Check]:
    """Decorate a check with keywords of JSON Schema for the members that it checks."""

    def register(check: Check) -> Check:
        SCHEMA_FACTS[check] = facts
        return check

    return register


class Text(fields.String):
    """Text of at most `limit` characters, none of them a control character.

    Required text must not be blank. `checks` raise RuleOfToday; `documented` are keywords of JSON
    Schema for the documents.
    """

    controls = re.compile(r"[\x00-\x1f\x7f-\x9f]")
    """The characters that the text must not contain."""

    def __init__(self, limit: int = 250, **facts: Any) -> None:
        facts["validate"] = facts.pop("checks", [])
        facts["metadata"] = {"maxLength": limit, **facts.pop("documented", {})}
        facts.setdefault("allow_none", not facts.get("required"))
        super().__init__(**facts)
        self.limit = limit

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        # Length comes first, so that no other check has to be quick with a megabyte.
        if len(value) > self.limit:
            raise RuleOfToday(f"Longer than maximum length {self.limit}.")
        if self.required and not value.strip():
            raise RuleOfToday("Must not be blank.")
        if self.controls.search(value):
            raise RuleOfToday("Must not contain control characters.")
        return value

    def _validate(self, value: Any) -> None:
        with rules_of_today():
            super()._validate(value)


@contextmanager
def rules_of_today() -> Iterator[None]:
    """Say of all that this block finds wrong that it breaks a rule of today."""
    try:
        yield
    except ValidationError as error:
        raise RuleOfToday(error.messages) from None


class Lines(Text):
    """Text that may hold tabs and line ends."""

    controls = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


class LongText(Lines):
    """Text of descriptions and queries, of at most LONGEST_TEXT characters."""

    def __init__(self, **facts: Any) -> None:
        super().__init__(LONGEST_TEXT, **facts)


class Password(Text):
    """Text in which every character is allowed, control characters too."""

    controls = re.compile(r"(?!)")


class Slug(Text):
    def __init__(self, limit: int, **facts: Any) -> None:
        slug = validate.Regexp(
            rf"\A{SLUG}\Z", error="Must be lower-case letters and digits, joined by - or _."
        )
        super().__init__(limit, required=True, checks=[slug], **facts)


class Choice(Text):
    """One of a few words; `kind` is the name of their component in the documents."""

    def __init__(self, kind: str, choices: Sequence[str], **facts: Any) -> None:
        super().__init__(checks=[validate.OneOf(choices)], **facts)
        self.kind, self.choices = kind, choices


class Right(Choice):
    """A choice that decides what somebody may do: no record can hold any other word."""

    def _validate(self, value: Any) -> None:
        fields.Field._validate(self, value)


class Whole(fields.Integer):
    """An integer of JSON; `"7"`, `7.0` and `true` are refused."""

    def __init__(self, lowest: int, highest: int, **facts: Any) -> None:
        facts.setdefault("allow_none", not facts.get("required"))
        super().__init__(validate=validate.Range(lowest, highest), **facts)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.make_error("invalid")
        return value

    def _validate(self, value: Any) -> None:
        with rules_of_today():
            super()._validate(value)


class Flag(fields.Boolean):
    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(value, bool):
            raise self.make_error("invalid")
        return value


class JsonObject(fields.Dict):
    """A JSON object of any content, of at most LARGEST_OBJECT bytes."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(value, Mapping):
            raise self.make_error("invalid")
        require_small(value)
        return value


def require_small(value: Mapping[str, Any]) -> None:
    """RuleOfToday for a JSON object of more than LARGEST_OBJECT bytes."""
    if len(orjson.dumps(value)) > LARGEST_OBJECT:
        raise RuleOfToday(f"Must have at most {LARGEST_OBJECT} bytes as compact JSON.")


class Moment(Text):
    """An RFC 3339 date-time with an offset, stored as an instant in canonical form."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        try:
            return parse_instant(super()._deserialize(value, *args, **kwargs))
        except (ValueError, RuleOfToday) as error:
            raise ValidationError(
                "Must be an RFC 3339 date-time with an offset, such as 2014-09-09T13:49:29Z."
            ) from error


class DomainName(Text):
    """A fully qualified domain name, stored as lower-case A-labels without the final dot."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, *args, **kwargs)
        try:
            return ascii_domain(text)
        except ValueError as error:
            raise RuleOfToday("Must be a domain name, such as insight.acme.example.") from error


@documented(
    pattern=rf"^(?!\.{{1,2}}$)[^\s/{CONTROL}]([^/{CONTROL}]*[^\s/{CONTROL}])?$",
    examples=["bob@acme.test"],
)
def check_username(username: str) -> None:
    key = username_key(username)
    if len(key) > LONGEST_USERNAME:
        raise RuleOfToday(f"Longer than {LONGEST_USERNAME} characters as usernames are compared.")
    if any(category_is_hidden(char) for char in username + key):
        raise RuleOfToday("Must not contain control or format characters.")
    if "/" in username + key:
        raise RuleOfToday("Must not contain a slash.")
    if username != username.strip() or key != key.strip():
        raise RuleOfToday("Must not begin or end with a blank.")
    if key in {"", ".", ".."}:
        raise RuleOfToday("Must not be empty, '.' or '..'.")


def category_is_hidden(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Cf", "Cs"}


INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\ufdd0-\ufdef"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    + "".join(
        f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000)
    )
    + "]"
)
"""Characters that nobody sees: default-ignorable ones, line separators, noncharacters."""
BLANKS = re.compile("[\\s\u2800]")


def check_visible(username: str) -> None:
    spellings = (username, username_key(username))
    if any(map(INVISIBLE.search, spellings)):
        raise RuleOfToday("Must not contain characters that nobody sees.")
    if any(BLANKS.match(each) or BLANKS.match(each[-1:]) for each in spellings):
        raise RuleOfToday("Must not begin or end with a blank.")


class Username(Text):
    def __init__(self, **facts: Any) -> None:
        super().__init__(LONGEST_USERNAME, checks=[check_username, check_visible], **facts)


def check_one_line(email: str) -> None:
    if "\u2028" in email or "\u2029" in email:
        raise RuleOfToday("Must not contain line or paragraph separators.")


class Email(Text):
    def __init__(self, **facts: Any) -> None:
        super().__init__(254, checks=[check_email, check_one_line], **facts)


@documented(pattern=r"^[^@]*[^@\s][^@]*@[^@]*[^@\s][^@]*$", examples=["bob@acme.test"])
def check_email(email: str) -> None:
    before, _, after = email.partition("@")
    if not before.strip() or not after.strip() or "@" in after:
        raise RuleOfToday("Must be an email address: something@somewhere.")


@documented(description="The name of an IANA time zone.", examples=["Atlantic/Reykjavik"])
def check_time_zone(name: str) -> None:
    if name not in time_zones():
        raise RuleOfToday("Must be an IANA time zone, such as Atlantic/Reykjavik.")


class TimeZone(Text):
    """An IANA time zone of the pinned `tzdata` package, whatever the machine has."""

    def __init__(self, **facts: Any) -> None:
        super().__init__(checks=[check_time_zone], **facts)


@documented(pattern="^[A-Z]{3}$", description="An ISO 3166-1 alpha-3 code.", examples=["ISL"])
def check_country(code: str) -> None:
    if code not in COUNTRIES:
        raise RuleOfToday("Must be an ISO 3166-1 alpha-3 code, such as ISL.")


@documented(pattern="^[0-9]{1,5}$", description="A port from 1 to 65535.", examples=["5671"])
def check_port(port: str) -> None:
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= HIGHEST_PORT:
        raise RuleOfToday(f"Must be a string of digits from 1 to {HIGHEST_PORT}.")


@documented(
    pattern=URL,
    description="A URL without user information.",
    examples=["amqps://mq.acme.example:5671"],
)
def check_url(url: str) -> None:
    if re.search(r"[\s\\]", url):
        raise RuleOfToday("Must be a URL, such as amqps://mq.acme.example:5671.")
    if not re.search(URL, url):
        raise RuleOfToday("Must not hold user information: give userName and password instead.")


@functools.cache
def time_zones() -> frozenset[str]:
    names = files("tzdata").joinpath("zones").read_text(encoding="utf-8")
    return frozenset(names.split())
