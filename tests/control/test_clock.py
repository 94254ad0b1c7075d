"""The time that every window and default follows."""

import time
from datetime import UTC, datetime

import pytest

BEGAN = "2026-01-15T12:00:00Z"


def test_the_clock_shows_now_whether_it_is_frozen_and_how_far_it_is_from_the_machine_s(control):
    shown = control("GET", "/clock")
    away = datetime.fromisoformat(BEGAN) - datetime.now(UTC)
    assert (shown["now"], shown["frozen"]) == (BEGAN, True)
    assert abs(shown["offset"] - away.total_seconds()) < 5


@pytest.mark.parametrize(
    "change, now, frozen",
    [
        ({}, BEGAN, True),
        ({"frozen": True}, BEGAN, True),
        ({"now": "2030-06-01T10:00:00+02:00"}, "2030-06-01T08:00:00Z", True),
        ({"now": "1999-12-31T23:59:59Z", "frozen": True}, "1999-12-31T23:59:59Z", True),
    ],
)
def test_the_clock_is_set_and_frozen(control, change, now, frozen):
    shown = control("PUT", "/clock", change)
    assert (shown["now"], shown["frozen"]) == (now, frozen)
    assert control("GET", "/clock")["now"] == now


def test_a_clock_that_runs_goes_on_from_where_it_was_set(control):
    shown = control("PUT", "/clock", {"now": "2030-06-01T08:00:00Z", "frozen": False})
    assert shown["frozen"] is False
    assert "2030-06-01T08:00:00Z" <= control("GET", "/clock")["now"] <= "2030-06-01T08:00:10Z"


@pytest.mark.slow
def test_the_distance_to_the_machine_s_time_is_the_same_whenever_one_asks(control):
    """Within a second as well: the instants that are shown are whole ones."""
    control("DELETE", "/clock")
    unmoved = {control("GET", "/clock")["offset"] for _ in range(60) if time.sleep(0.01) is None}
    control("POST", "/clock/advance", {"by": "PT1H"})
    moved = {control("GET", "/clock")["offset"] for _ in range(60) if time.sleep(0.01) is None}
    assert (unmoved, moved) == ({0}, {3600})


def test_freezing_a_clock_that_runs_stops_it(control):
    control("PUT", "/clock", {"frozen": False})
    stopped = control("PUT", "/clock", {"frozen": True})
    assert control("GET", "/clock")["now"] == stopped["now"]


@pytest.mark.parametrize(
    "by, now",
    [
        ("+P1DT2H", "2026-01-16T14:00:00Z"),
        ("PT1S", "2026-01-15T12:00:01Z"),
        ("-P30D", "2025-12-16T12:00:00Z"),
    ],
)
def test_the_clock_is_advanced_by_a_duration(control, by, now):
    assert control("POST", "/clock/advance", {"by": by})["now"] == now


@pytest.mark.parametrize("by", ["", "1d", "P", "PT", "-P999999D", "P1M", 60, None])
def test_what_is_no_duration_or_leads_out_of_time_is_422(control, by):
    refused = control.ask("POST", "/clock/advance", {"by": by})
    assert refused.status_code == 422
    assert list(refused.json["errors"]) == ["by"]
    assert control("GET", "/clock")["now"] == BEGAN


@pytest.mark.parametrize("by, status", [("+P364DT23H59M59S", 200), ("+P365D", 422)])
def test_the_clock_stops_where_windows_could_no_longer_be_reckoned(control, by, status):
    control("PUT", "/clock", {"now": "8999-01-01T00:00:00Z"})
    assert control.ask("POST", "/clock/advance", {"by": by}).status_code == status


@pytest.mark.parametrize(
    "member, value",
    [
        ("now", "2030-06-01T08:00:00"),
        ("now", "tomorrow"),
        ("now", "9000-01-01T00:00:00Z"),
        ("frozen", 1),
        ("offset_", 1),
    ],
)
def test_a_bad_member_of_the_clock_is_422_and_changes_nothing(control, member, value):
    refused = control.ask("PUT", "/clock", {member: value})
    assert refused.status_code == 422
    assert list(refused.json["errors"]) == [member]
    assert control("GET", "/clock")["now"] == BEGAN


def test_delete_leads_back_to_the_machine_s_time(control):
    shown = control("DELETE", "/clock")
    assert shown["frozen"] is False
    assert abs(shown["offset"]) <= 2


@pytest.mark.parametrize(
    "read", ["/users?active=all", "/users?active=true", "/privileges?active=true"]
)
def test_a_privilege_walks_through_scheduled_active_and_expired_as_the_clock_says(
    sandbox, control, read
):
    begins, ends = "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"
    sandbox.add_user("bob@acme.test", active_from=begins, active_until=ends)
    bob = sandbox.client(sandbox.add_key("bob@acme.test"))

    def is_shown():
        answer = sandbox.administrator.get(read)
        return "bob@acme.test" in answer.text

    always = "active=all" in read
    steps = [
        ("2026-01-31T23:59:59Z", False),
        (begins, True),
        ("2026-02-28T23:59:59Z", True),
        (ends, False),
    ]
    for instant, is_active in steps:
        control("PUT", "/clock", {"now": instant})
        assert is_shown() == (is_active or always), instant
        assert bob.get("/whoami").status_code == (200 if is_active else 401), instant


def test_a_default_follows_the_clock(sandbox, control):
    control("PUT", "/clock", {"now": "2031-05-05T05:05:05Z"})
    made = sandbox.administrator.post("/api-keys", json={"type": "BASIC"}).json
    assert (made["activeFrom"], made["createdDate"]) == ("2031-05-05T05:05:05Z",) * 2


def test_the_last_administrator_rule_follows_the_clock(sandbox, control):
    """An administrator who is still to come does not count as one; one whose time has come does."""
    sandbox.add_user("eve@acme.test", role="ADMINISTRATOR", active_from="2026-06-01T00:00:00Z")
    own = "/users/alice@acme.test/privilege"
    assert sandbox.administrator.delete(own).status_code == 409
    control("PUT", "/clock", {"now": "2026-06-01T00:00:00Z"})
    assert sandbox.administrator.delete(own).status_code == 204
