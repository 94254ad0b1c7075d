"""The clock of a test: one can reckon with what it shows, and move it in the ways at hand."""

from datetime import datetime, timedelta
from typing import overload

from provisioning.domain import activity
from provisioning.domain.activity import as_duration, as_instant, later


class Instant(str):
    """An instant as text, which goes into a body as it is; a timedelta may be added or taken off.

    The difference of two instants is a timedelta.
    """

    __slots__ = ()

    @overload  # type: ignore[override]
    def __add__(self, by: timedelta) -> "Instant": ...

    @overload
    def __add__(self, by: str) -> str: ...

    def __add__(self, by: timedelta | str) -> str:
        return Instant(later(self, by)) if isinstance(by, timedelta) else super().__add__(by)

    @overload
    def __sub__(self, other: timedelta) -> "Instant": ...

    @overload
    def __sub__(self, other: str) -> timedelta: ...

    def __sub__(self, other: timedelta | str) -> "Instant | timedelta":
        if isinstance(other, timedelta):
            return self + -other
        return datetime.fromisoformat(self) - datetime.fromisoformat(as_instant(other))


class Clock(activity.Clock):
    """The server's time, for a test: see `now` and `advance`."""

    def now(self, moment: datetime | None = None) -> Instant:
        """What the clock shows, as text with which one can reckon."""
        return Instant(super().now(moment))

    def advance(self, by: timedelta | float | str) -> None:
        """Go on, or back: by a timedelta, a number of seconds, or a duration such as `P1DT2H`.

        ValueError says what else was given, or that the year would be none.
        """
        super().advance(as_duration(by))
