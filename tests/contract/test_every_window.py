"""Every activity window: one rule for whatever has one."""

import pytest

from .asking import (
    EARLIER,
    LATER,
    LATEST,
    NOW,
    administrator_of,
    errors,
)
from .shelf import (
    those,
    windowed,
)

# Windows


@windowed
@pytest.mark.parametrize(
    "given, kept",
    [
        ("2026-02-01T00:00:00Z", "2026-02-01T00:00:00Z"),
        ("2026-02-01T02:00:00+02:00", "2026-02-01T00:00:00Z"),
        ("2026-01-31T18:30:00-05:30", "2026-02-01T00:00:00Z"),
        ("2026-02-01T00:00:00.999999Z", "2026-02-01T00:00:00Z"),
        ("2026-02-01T00:00:00.1234567891+00:00", "2026-02-01T00:00:00Z"),
        ("2026-02-01T00:00Z", "2026-02-01T00:00:00Z"),
        ("2026-02-01T02:00+02:00", "2026-02-01T00:00:00Z"),
        ("2026-02-01t00:00:00z", "2026-02-01T00:00:00Z"),
        ("2028-02-29T00:00:00Z", "2028-02-29T00:00:00Z"),
    ],
)
def test_instants_are_kept_in_utc_to_the_second(shelf, given, kept):
    created = shelf.post(activeFrom=given, activeUntil="2030-01-01T00:00:00Z").json
    assert created["activeFrom"] == kept
    assert shelf.post(1, activeFrom=EARLIER, activeUntil=given).json["activeUntil"] == kept


@windowed
@pytest.mark.parametrize(
    "until, status",
    [
        ("2026-01-31T23:59:59Z", 422),
        ("2026-02-01T00:00:00Z", 422),
        ("2026-02-01T00:00:00.9Z", 422),
        ("2026-02-01T00:00:01Z", 201),
    ],
)
def test_a_new_window_must_end_later_than_it_begins(shelf, until, status):
    answer = shelf.post(activeFrom=LATER, activeUntil=until)
    assert answer.status_code == status
    if status == 422:
        assert list(errors(answer)) == ["activeUntil"]


@windowed
@pytest.mark.parametrize("change", [{"activeUntil": EARLIER}, {"activeUntil": NOW}])
def test_a_change_must_leave_a_window_that_ends_later_than_it_begins(shelf, change):
    path = shelf.create()
    assert list(errors(shelf.client.put(path, json=change))) == ["activeUntil"]


@windowed
def test_a_beginning_moved_behind_the_end_is_refused_on_the_end(shelf):
    path = shelf.create(activeUntil=LATER)
    for start in (LATER, LATEST):
        assert list(errors(shelf.client.put(path, json={"activeFrom": start}))) == ["activeUntil"]


@windowed
def test_the_same_instants_in_another_zone_change_nothing(shelf):
    path = shelf.create(activeUntil=LATER)
    before = shelf.client.get(path)
    same = {
        "activeFrom": "2026-01-15T14:00:00.5+02:00",
        "activeUntil": "2026-01-31T18:00-06:00",
    }
    answer = shelf.client.put(path, json=same)
    assert (answer.status_code, answer.data) == (200, before.data)
    assert answer.headers["ETag"] == before.headers["ETag"]


@windowed
def test_a_window_is_changed_at_either_end_and_opened_again(shelf):
    path = shelf.create(activeUntil=LATER)
    for change in ({"activeFrom": EARLIER}, {"activeUntil": LATEST}, {"activeUntil": None}):
        answer = shelf.client.put(path, json=change)
        assert (answer.status_code, answer.json | change) == (200, answer.json)


def privilege_counts(shelf, created):
    return created["id"] in shelf.named(shelf.list("active=true&size=300"))


def subscription_counts(shelf, created):
    return created in shelf.list("active=true&size=300").json


def mapping_names_its_tenant(shelf, created):
    stranger = administrator_of(shelf.sandbox, "globex")
    return stranger.get("/whoami", headers={"Host": created["domain"]}).status_code == 403


def key_lets_in(shelf, created):
    return shelf.sandbox.client(created["apiToken"]).get("/whoami").status_code == 200


IN_FORCE = {
    "privileges": privilege_counts,
    "domain mappings": mapping_names_its_tenant,
    "services": subscription_counts,
    "api-keys": key_lets_in,
    "user api-keys": key_lets_in,
}


@those(lambda r: r.name in IN_FORCE)
@pytest.mark.parametrize(
    "now, counts",
    [
        ("2026-01-31T23:59:59Z", False),
        ("2026-02-01T00:00:00Z", True),
        ("2026-02-01T00:00:01Z", True),
        ("2026-02-28T23:59:59Z", True),
        ("2026-03-01T00:00:00Z", False),
        ("2026-03-01T00:00:01Z", False),
    ],
)
def test_a_window_holds_from_its_first_second_to_before_its_end(shelf, now, counts):
    created = shelf.post(activeFrom=LATER, activeUntil=LATEST).json
    shelf.sandbox.clock.set(now)
    assert IN_FORCE[shelf.resource.name](shelf, created) is counts


@those(lambda r: r.name in IN_FORCE)
@pytest.mark.parametrize("now", ["2026-02-01T00:00:00Z", "2126-02-01T00:00:00Z"])
def test_a_window_without_an_end_stays_open(shelf, now):
    created = shelf.post(activeFrom=LATER, activeUntil=None).json
    shelf.sandbox.clock.set(now)
    assert IN_FORCE[shelf.resource.name](shelf, created)
