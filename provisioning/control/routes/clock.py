"""Routes that show and change the server's time."""

from flask import Response
from marshmallow import fields

from provisioning.control.routes.serving import control_resource
from provisioning.domain.activity import later, parse_duration
from provisioning.domain.errors import Invalid
from provisioning.store import Record
from provisioning.web.answers import plain
from provisioning.web.context import server
from provisioning.web.fields import Flag, Moment, Text
from provisioning.web.records import RecordSchema, load_new

END_OF_TIME = "9000-01-01T00:00:00Z"
"""The clock can't be set to this instant or later, so that years after it can be reckoned with."""
NO_DURATION = "Must be a duration such as +P1DT2H or -PT30M, within the years 1 to 8999."


class ClockSchema(RecordSchema):
    """The server's time; `offset` is its distance from the machine's, in seconds."""

    example = {"now": "2026-01-15T12:00:00Z", "frozen": True, "offset": -27_043_200}

    now = Moment()
    frozen = Flag(allow_none=True)
    offset = fields.Integer(dump_only=True)


class AdvanceSchema(RecordSchema):
    """How far the clock goes, on or back."""

    example = {"by": "+P1DT2H"}

    by = Text(required=True, error_messages={"invalid": NO_DURATION})


CLOCK = ClockSchema()
ADVANCE = AdvanceSchema()

clock = control_resource(
    "clock", __name__, "The time that every window and default follows.", answer=CLOCK, status=200
)


def _time() -> Response:
    clock = server().clock
    seconds = round(clock.offset.total_seconds())
    return plain({"now": clock.now(), "frozen": clock.is_frozen, "offset": seconds})


@clock.operation("GET", "/clock")
def get_clock() -> Response:
    """Show the server's time."""
    return _time()


@clock.operation("PUT", "/clock", body=CLOCK, body_needed=False)
def set_clock(body: Record) -> Response:
    """Set the time, freeze it, or let it run on; what is left out stays."""
    change = load_new(CLOCK, body)
    clock, at, is_frozen = server().clock, change["now"], change["frozen"]
    if at is not None and at >= END_OF_TIME:
        raise Invalid.member("now", f"Must be before {END_OF_TIME}.")
    if is_frozen:
        clock.freeze()
    if at is not None:
        clock.set(at)
    if is_frozen is False:
        clock.run()
    return _time()


@clock.operation("POST", "/clock/advance", body=ADVANCE)
def advance_clock(body: Record) -> Response:
    """Move the time on, or back, whether it is frozen or runs.

    A duration is of days, hours, minutes and seconds, as in ISO 8601: `+P1DT2H`, `-PT30M`.
    """
    clock = server().clock
    try:
        by = parse_duration(load_new(ADVANCE, body)["by"])
        if later(clock.now(), by) >= END_OF_TIME:
            raise ValueError(by)
        clock.advance(by)
    except ValueError:
        raise Invalid.member("by", NO_DURATION) from None
    return _time()


@clock.operation("DELETE", "/clock")
def reset_clock() -> Response:
    """Show the machine's time again."""
    server().clock.reset()
    return _time()
