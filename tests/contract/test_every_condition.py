"""Every single record: ETags, and requests on condition."""

import pytest

from .asking import (
    LATER,
    optional_services,
)
from .shelf import (
    every,
    those,
)

# Conditional requests


@every
@pytest.mark.parametrize("form", ["{}", "*", '"other", {}', "W/{}"])
def test_if_none_match_answers_304_without_a_body(shelf, form):
    path = shelf.create()
    etag = shelf.client.get(path).headers["ETag"]
    answer = shelf.client.get(path, headers={"If-None-Match": form.format(etag)})
    assert (answer.status_code, answer.data) == (304, b"")
    assert answer.headers["ETag"] == etag


@every
def test_another_etag_in_if_none_match_answers_200(shelf):
    path = shelf.create()
    answer = shelf.client.get(path, headers={"If-None-Match": '"other"'})
    assert answer.status_code == 200


@every
@pytest.mark.parametrize("verb", ["PUT", "DELETE"])
@pytest.mark.parametrize("form", ['"other"', "W/{}", '"a", "b"'])
def test_a_stale_if_match_is_412_and_changes_nothing(shelf, verb, form):
    path = shelf.create()
    before = shelf.client.get(path)
    stale = form.format(before.headers["ETag"])
    request = {"json": {}} if verb == "PUT" else {}
    answer = shelf.client.request(verb, path, headers={"If-Match": stale}, **request)
    assert answer.status_code == 412
    assert shelf.client.get(path).data == before.data


@every
@pytest.mark.parametrize("verb, status", [("PUT", 200), ("DELETE", 204)])
@pytest.mark.parametrize("form", ["{}", "*", '"other", {}'])
def test_a_current_if_match_lets_the_change_through(shelf, verb, status, form):
    path = shelf.create()
    etag = shelf.client.get(path).headers["ETag"]
    request = {"json": {}} if verb == "PUT" else {}
    answer = shelf.client.request(verb, path, headers={"If-Match": form.format(etag)}, **request)
    assert answer.status_code == status


@pytest.mark.parametrize(
    "path",
    [
        "/users/alice@acme.test/privilege",
        "/privileges/alice@acme.test",
        "/available-services/core",
        "/services/core",
        "/dashboards/live-activity",
        "/statements/delayed-shipments",
        "/statements/delayed-shipments/details",
        "/statements/delayed-shipments/config",
        "/info",
        "/details",
    ],
)
def test_every_single_record_has_a_strong_etag(enterprise, path):
    etag = enterprise.get(path).headers["ETag"]
    assert etag.startswith('"')
    assert enterprise.get(path, headers={"If-None-Match": etag}).status_code == 304
    assert enterprise.head(path, headers={"If-None-Match": etag}).status_code == 304


@pytest.mark.parametrize(
    "path", ["/users/bob@acme.test/privilege", "/privileges/bob@acme.test", "/users/bob@acme.test"]
)
@pytest.mark.parametrize("verb", ["PUT", "DELETE"])
def test_if_match_guards_what_is_addressed_by_a_users_name(sandbox, administrator, path, verb):
    sandbox.add_user("bob@acme.test", role="USER", tenant="acme")
    request = {"json": {}} if verb == "PUT" else {}
    stale = administrator.request(verb, path, headers={"If-Match": '"stale"'}, **request)
    assert stale.status_code == 412
    current = {"If-Match": administrator.get(path).headers["ETag"]}
    assert administrator.request(verb, path, headers=current, **request).status_code in {200, 204}


@those(lambda r: r.optional)
def test_the_etag_of_a_change_is_the_next_gets_and_the_old_one_is_stale(shelf):
    path = shelf.create()
    old = shelf.client.get(path).headers["ETag"]
    member, values = next(iter(shelf.resource.optional.items()))
    new = shelf.client.put(path, json={member: values[0]}).headers["ETag"]
    assert shelf.client.get(path).headers["ETag"] == new != old
    stale = shelf.client.put(path, json={member: values[1]}, headers={"If-Match": old})
    assert stale.status_code == 412


def test_an_etag_follows_what_the_answer_shows_of_other_records(sandbox, administrator):
    sandbox.add_user("bob@acme.test", role="USER", tenant="acme")
    bob = sandbox.client(sandbox.add_key("bob@acme.test", tenant="acme", type="BASIC"))
    label = optional_services(administrator)[0]
    administrator.post(f"/services/{label}")
    paths = {
        "/privileges/bob@acme.test": "/users/bob@acme.test",
        f"/users/bob@acme.test/api-keys/{bob.token}": "/users/bob@acme.test",
        f"/services/{label}": "/users/alice@acme.test",
    }
    for path, user in paths.items():
        old = administrator.get(path).headers["ETag"]
        administrator.put(user, json={"firstName": f"New {path[:5]}"})
        assert administrator.get(path).headers["ETag"] != old
        stale = administrator.put(path, json={}, headers={"If-Match": old})
        assert stale.status_code == 412


def test_an_etag_follows_the_clock_where_the_answer_does(sandbox, administrator):
    sandbox.add_user("bob@acme.test", role="USER", tenant="acme")
    sandbox.add_key("bob@acme.test", tenant="acme", type="BASIC", active_until=LATER)
    label = optional_services(administrator)[0]
    administrator.post(f"/services/{label}", json={"activeUntil": LATER})
    for path in ("/users/bob@acme.test", "/info"):
        sandbox.clock.set("2026-01-31T23:59:59Z")
        old = administrator.get(path)
        sandbox.clock.set(LATER)
        new = administrator.get(path, headers={"If-None-Match": old.headers["ETag"]})
        assert new.status_code == 200
        assert new.json != old.json


def test_q_and_order_follow_a_changed_profile(sandbox, administrator):
    sandbox.add_user("bob@acme.test", role="USER", tenant="acme", firstName="Before")
    sandbox.add_key("bob@acme.test", tenant="acme", type="BASIC")
    lists = ("/users", "/privileges", "/user-api-keys", "/users/bob@acme.test/api-keys")
    for path in lists:
        assert len(administrator.get(f"{path}?q=before").json) == 1, path
    administrator.put("/users/bob@acme.test", json={"firstName": "After"})
    for path in lists:
        assert len(administrator.get(f"{path}?q=after").json) == 1, path
        assert administrator.get(f"{path}?q=before").json == [], path
    assert len(administrator.get("/as-users?q=after").json) == 1
    assert administrator.get("/as-users?q=before").json == []


@every
def test_if_match_on_a_record_that_never_existed_is_404(shelf):
    headers = {"If-Match": '"x"'}
    assert shelf.client.put(shelf.missing(), json={}, headers=headers).status_code == 404
