"""Instants, activity windows, and the clock that they are compared with.

An instant is the canonical string `2014-09-09T13:49:29Z` (UTC, whole seconds) everywhere
inside the server, so that instants compare as strings.
"""

import re
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from provisioning.store import Record, is_active_at

Instant = str

RFC_3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d)(:\d\d)?(?:\.\d+)?([Zz]|[+-]\d\d:[0-5]\d)", re.ASCII
)
DURATION = re.compile(
    r"([+-]?)P(?:(\d{1,6})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,9})S)?)?", re.ASCII
)


def to_instant(moment: datetime) -> Instant:
    return moment.astimezone(UTC).isoformat()[:19] + "Z"


def parse_instant(text: str) -> Instant:
    """The canonical form of an RFC 3339 date-time with an offset; ValueError for other text."""
    match = RFC_3339.fullmatch(text)
    if match is None or (match[3] is None and "." in text):
        raise ValueError(text)
    date, minutes, seconds, offset = match.groups()
    if seconds == ":60":  # a leap second
        seconds = ":59"
    moment = datetime.fromisoformat(f"{date}T{minutes}{seconds or ':00'}{offset.upper()}")
    try:
        return to_instant(moment)
    except OverflowError as error:
        raise ValueError(text) from error


def as_instant(moment: str | datetime) -> Instant:
    """The canonical form of a datetime or a text; ValueError says what is wrong with it."""
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise ValueError(
                "Must have a time zone: this datetime has none. Take datetime.now(UTC), say."
            )
        moment = moment.isoformat()
    try:
        return parse_instant(moment)
    except (ValueError, TypeError):
        raise ValueError(
            f"Must be a datetime, or an RFC 3339 date-time with an offset such as "
            f"2014-09-09T13:49:29Z: {moment!r} is neither."
        ) from None


def parse_duration(text: str) -> timedelta:
    """`P1DT2H`, `+PT30S`, `-P30D` as a timedelta; ValueError for other text."""
    match = DURATION.fullmatch(text)
    if match is None or not any(match.groups()[1:]):
        raise ValueError(text)
    sign, *amounts = match.groups()
    days, hours, minutes, seconds = (int(amount or 0) for amount in amounts)
    length = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    return -length if sign == "-" else length


def as_duration(by: timedelta | float | str) -> timedelta:
    """A length of time from a timedelta, a number of seconds, or a text such as `P1DT2H`.

    ValueError says what is taken.
    """
    try:
        if isinstance(by, str):
            return parse_duration(by)
        if isinstance(by, (int, float)) and not isinstance(by, bool):
            return timedelta(seconds=by)
    except (ValueError, OverflowError):
        pass
    if isinstance(by, timedelta):
        return by
    raise ValueError(
        f"Must be a timedelta, a number of seconds, or a duration such as P1DT2H: {by!r} is none."
    )


def later(at: Instant, by: timedelta) -> Instant:
    """An instant moved by a length of time, back or forth; ValueError beyond years 1 to 9999."""
    try:
        return to_instant(datetime.fromisoformat(at) + by)
    except OverflowError as error:
        raise ValueError(str(by)) from error


class Clock:
    """The server's time: that of the machine, until it is frozen or set to another time."""

    def __init__(self, frozen_at: Instant | None = None) -> None:
        self._changing = threading.Lock()
        self._offset = timedelta()
        self._frozen = frozen_at

    @property
    def is_frozen(self) -> bool:
        return self._frozen is not None

    @property
    def offset(self) -> timedelta:
        """How far this clock is ahead of the machine's."""
        frozen = self._frozen
        if frozen is not None:
            return datetime.fromisoformat(frozen) - datetime.now(UTC)
        return self._offset

    def now(self, moment: datetime | None = None) -> Instant:
        """What the clock shows at a moment of the machine's time; by default at this moment."""
        frozen = self._frozen
        if frozen is not None:
            return frozen
        return to_instant((moment or datetime.now(UTC)) + self._offset)

    def freeze(self) -> None:
        with self._changing:
            self._frozen = self.now()

    def set(self, at: Instant | datetime) -> None:
        """Go to an instant; a frozen clock stays frozen there, a running one runs on."""
        at = as_instant(at)
        with self._changing:
            if self._frozen is not None:
                self._frozen = at
            else:
                self._offset = datetime.fromisoformat(at) - datetime.now(UTC)

    def advance(self, by: timedelta) -> None:
        with self._changing:
            if self._frozen is not None:
                self._frozen = later(self._frozen, by)
            else:
                later(self.now(), by)
                self._offset += by

    def run(self) -> None:
        """Run on from the time that the clock shows."""
        with self._changing:
            if self._frozen is not None:
                self._offset = datetime.fromisoformat(self._frozen) - datetime.now(UTC)
                self._frozen = None

    def reset(self) -> None:
        """Show the machine's time again."""
        with self._changing:
            self._offset, self._frozen = timedelta(), None


@dataclass(frozen=True)
class ActivityWindow:
    """It is active while `begins <= now < ends`; an `ends` of None is open-ended (section 1)."""

    begins: Instant
    ends: Instant | None

    @classmethod
    def of(cls, record: Record) -> "ActivityWindow":
        return cls(record["activeFrom"], record["activeUntil"])

    @property
    def members(self) -> dict[str, Any]:
        return {"activeFrom": self.begins, "activeUntil": self.ends}

    @property
    def is_empty(self) -> bool:
        return self.ends is not None and self.ends <= self.begins

    def is_active(self, now: Instant) -> bool:
        return is_active_at(self.members, now)

    def has_ended(self, now: Instant) -> bool:
        """Whether it is never active again; so is one that was revoked before it began."""
        return self.ends is not None and (self.ends <= now or self.is_empty)

    def overlaps(self, other: "ActivityWindow") -> bool:
        if self.is_empty or other.is_empty:
            return False
        return (other.ends is None or self.begins < other.ends) and (
            self.ends is None or other.begins < self.ends
        )

    def revoked(self, now: Instant) -> "ActivityWindow":
        """This window ending now, or as soon as it begins if that is later; never prolonged."""
        end = max(now, self.begins)
        return self if self.ends is not None and self.ends <= end else type(self)(self.begins, end)
