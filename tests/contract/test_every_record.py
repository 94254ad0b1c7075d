"""Every record: created, read, changed and deleted alike, and nobody else's."""

import pytest

from .asking import (
    NOW,
    SOON,
    errors,
    location,
    segment,
    without_instance,
)
from .shelf import (
    Shelf,
    every,
    those,
    those_with,
    windowed,
)

# Create and read back


@every
def test_a_created_record_is_read_back_from_its_location(shelf):
    created = shelf.post()
    read = shelf.client.get(location(created))
    assert (read.status_code, read.json) == (200, created.json)


@every
def test_a_created_record_carries_the_etag_that_its_get_carries(shelf):
    created = shelf.post()
    read = shelf.client.get(location(created))
    assert created.headers["ETag"] == read.headers["ETag"]
    assert read.headers["ETag"].startswith('"')


@every
def test_a_created_record_stands_in_the_list_as_it_stands_alone(shelf):
    created = shelf.post().json
    assert created in shelf.list().json


@every
def test_every_member_is_present_as_null_when_unset(shelf):
    record = shelf.post().json
    resource = shelf.resource
    unset = dict.fromkeys((*resource.optional, *(["activeUntil"] if resource.window else [])))
    assert record.items() >= {**unset, **resource.defaults}.items()
    assert record.keys() >= {*resource.order, *resource.read_only}


@those_with(lambda r: [(m, v) for m in r.optional for v in r.optional[m]], "member, value")
def test_a_valid_value_is_kept_as_given(shelf, member, value):
    assert shelf.post(**{member: value}).json[member] == value


@those_with(lambda r: [(member,) for member in r.defaults], "member")
def test_null_counts_as_absent_at_creation_where_there_is_a_default(shelf, member):
    assert shelf.post(**{member: None}).json[member] == shelf.resource.defaults[member]


@windowed
def test_null_for_active_from_means_now_at_creation(shelf):
    assert shelf.post(activeFrom=None).json["activeFrom"] == NOW
    assert shelf.post(1).json["activeFrom"] == NOW


# Bodies


@pytest.mark.storeless
@those_with(lambda r: [(member,) for member in r.required], "member")
def test_a_missing_required_member_is_named(shelf, member):
    body = shelf.body()
    del body[member]
    assert member in errors(shelf.client.post(shelf.post_path(), json=body))


@pytest.mark.storeless
@those_with(lambda r: [(member,) for member in r.required], "member")
def test_null_for_a_required_member_is_refused_at_creation(shelf, member):
    body = shelf.body() | {member: None}
    assert member in errors(shelf.client.post(shelf.post_path(), json=body))


@pytest.mark.storeless
@those_with(lambda r: [(m, v) for m in r.wrong for v in r.wrong[m]], "member, value")
def test_a_wrong_value_is_refused_by_name_at_creation(shelf, member, value):
    body = shelf.body() | {member: value}
    before = shelf.list().data
    assert member in errors(shelf.client.post(shelf.post_path(), json=body))
    assert shelf.list().data == before


@pytest.mark.storeless
@those_with(
    lambda r: [
        (m, v) for m in r.wrong for v in r.wrong[m][:3] if (r.name, m) != ("privileges", "username")
    ],
    "member, value",
)
def test_a_wrong_value_is_refused_by_name_in_a_change(shelf, member, value):
    path = shelf.create()
    before = shelf.client.get(path).data
    assert member in errors(shelf.client.put(path, json={member: value}))
    assert shelf.client.get(path).data == before


@pytest.mark.storeless
@those_with(
    lambda r: [
        (member, value)
        for member in r.wrong
        for value in ([], [[]], {}, {"x": []}, [None])
        if not (isinstance(value, dict) and member in ("settings", "config"))
    ],
    "member, value",
)
def test_a_list_or_an_object_in_place_of_a_plain_value_is_refused(shelf, member, value):
    body = shelf.body() | {member: value}
    assert member in errors(shelf.client.post(shelf.post_path(), json=body))


@those_with(
    lambda r: [(m, r.wrong[m][-1]) for m in r.optional if "x" * 50 in str(r.wrong.get(m, ""))],
    "member, too_long",
)
@pytest.mark.parametrize("character", ["x", "\U0001f600", "\u00e9"], ids=ascii)
def test_text_may_be_as_long_as_its_limit(shelf, member, too_long, character):
    longest = character * (len(too_long) - 1)
    assert shelf.post(**{member: longest}).json[member] == longest
    refused = shelf.client.put(shelf.create(1), json={member: longest + character})
    assert member in errors(refused)


@pytest.mark.storeless
@every
def test_an_unknown_member_is_named(shelf):
    created = shelf.client.post(shelf.post_path(), json=shelf.body() | {"colour": "red"})
    assert list(errors(created)) == ["colour"]
    changed = shelf.client.put(shelf.create(), json={"colour": "red"})
    assert list(errors(changed)) == ["colour"]


@pytest.mark.storeless
@every
def test_all_mistakes_of_a_body_are_named_at_once(shelf):
    members = [*shelf.resource.wrong][:2]
    body = shelf.body() | {m: shelf.resource.wrong[m][0] for m in members} | {"colour": "red"}
    assert {*members, "colour"} <= set(errors(shelf.client.post(shelf.post_path(), json=body)))


@those_with(lambda r: [(member,) for member in r.read_only], "member")
@pytest.mark.parametrize("value", [None, 70007, "x", {"x": "y"}], ids=repr)
def test_a_read_only_member_is_accepted_and_ignored(shelf, member, value):
    created = shelf.post(**{member: value})
    path = location(created)
    assert created.json[member] != value or value is None
    changed = shelf.client.put(path, json={member: value})
    assert (changed.status_code, changed.json) == (200, created.json)


@pytest.mark.storeless
@those(lambda r: r.text)
@pytest.mark.parametrize(
    "escape", [r"\u0000", r"\ud800", r"\udc00x"], ids=["NUL", "high surrogate", "low surrogate"]
)
def test_text_with_nul_or_a_lone_surrogate_is_refused(shelf, escape):
    text = shelf.resource.text
    raw = f'"a{escape}b"'.join(('{"' + text + '": ', "}"))
    path = shelf.create()
    answer = shelf.client.put(path, data=raw, content_type="application/json")
    assert text in errors(answer)


@those(lambda r: r.text)
def test_text_of_all_other_characters_is_kept(shelf):
    path = shelf.create()
    text = "<b>&amp;\"'\\/ é e\u0301 \U0001f600 \u202e % + ;"
    answer = shelf.client.put(path, json={shelf.resource.text: text})
    assert answer.json[shelf.resource.text] == text
    assert shelf.client.get(path).json[shelf.resource.text] == text


LINES = {"hint", "description", "query", "legend"}
"""Members that may hold tabs and line ends (section 4)."""


@pytest.mark.storeless
@those(lambda r: r.text)
@pytest.mark.parametrize("control", ["\x01", "\t", "\n", "\r", "\x1b", "\x7f", "\x85", "\x9f"])
def test_text_with_a_control_character_is_refused(shelf, control):
    path = shelf.create()
    member = shelf.resource.text
    answer = shelf.client.put(path, json={member: f"a{control}b"})
    if member in LINES and control in "\t\n\r":
        assert answer.json[member] == f"a{control}b"
    else:
        assert member in errors(answer)


# Change


@every
def test_a_get_body_sent_back_changes_nothing(shelf):
    path = shelf.create()
    before = shelf.client.get(path)
    shelf.sandbox.clock.set(SOON)
    answer = shelf.client.put(path, json=before.json)
    assert (answer.status_code, answer.json) == (200, before.json)
    after = shelf.client.get(path)
    assert (after.data, after.headers["ETag"]) == (before.data, before.headers["ETag"])


@every
def test_an_empty_body_changes_nothing_not_even_the_etag(shelf):
    path = shelf.create()
    before = shelf.client.get(path)
    answer = shelf.client.put(path, json={})
    assert (answer.status_code, answer.data) == (200, before.data)
    assert answer.headers["ETag"] == before.headers["ETag"]


@those_with(lambda r: [(m, r.optional[m][0]) for m in r.optional], "member, value")
def test_a_change_touches_only_the_members_it_carries(shelf, member, value):
    path = shelf.create()
    before = shelf.client.get(path)
    answer = shelf.client.put(path, json={member: value})
    assert answer.json == before.json | {member: value}
    assert shelf.client.get(path).json == answer.json
    assert answer.headers["ETag"] != before.headers["ETag"]


@those_with(lambda r: [(m, r.optional[m][0]) for m in r.optional], "member, value")
def test_null_clears_a_member_that_may_be_empty(shelf, member, value):
    path = shelf.create(**{member: value})
    answer = shelf.client.put(path, json={member: None})
    assert (answer.status_code, answer.json[member]) == (200, None)
    assert shelf.client.get(path).json[member] is None


@pytest.mark.storeless
@those_with(
    lambda r: [
        (member,)
        for member in (*r.required, *r.defaults, *(["activeFrom"] if r.window else []))
        if (r.name, member) != ("privileges", "username")
    ],
    "member",
)
def test_null_is_refused_in_a_change_for_a_member_that_may_not_be_empty(shelf, member):
    path = shelf.create()
    assert member in errors(shelf.client.put(path, json={member: None}))


@those(lambda r: r.key in {"username", "domain", "label"} and r.name != "services")
def test_a_natural_key_cannot_be_changed(shelf):
    path = shelf.create(0)
    key = shelf.resource.key
    other = shelf.resource.body(1, "acme")[key]
    assert key in errors(shelf.client.put(path, json={key: other}))
    assert shelf.client.get(path).status_code == 200


@those(lambda r: r.other_spelling)
def test_a_natural_key_may_come_in_another_spelling_and_stays_as_shown(shelf):
    path = shelf.create()
    before = shelf.client.get(path)
    key = shelf.resource.key
    other = shelf.resource.other_spelling(before.json[key])
    answer = shelf.client.put(path, json={key: other})
    assert (answer.status_code, answer.data) == (200, before.data)


@those(lambda r: r.other_spelling)
def test_a_record_is_found_by_another_spelling_of_its_key(shelf):
    path = shelf.create()
    record = shelf.client.get(path).json
    other = shelf.resource.other_spelling(record[shelf.resource.key])
    found = shelf.client.get(f"{shelf.list_path}/{segment(other)}")
    assert (found.status_code, found.json) == (200, record)


@those(lambda r: r.key in {"username", "domain", "label"} and r.name != "services")
def test_a_second_record_of_the_same_key_is_a_conflict(shelf):
    shelf.create()
    before = shelf.list().data
    assert shelf.post().status_code == 409
    assert shelf.list().data == before


@those(lambda r: r.name in {"tenant-dashboards", "tenant-statements"})
def test_two_tenants_may_use_the_same_label(sandbox, resource):
    Shelf(sandbox, resource).create()
    Shelf(sandbox, resource, "globex").create()


@every
def test_put_creates_nothing(shelf):
    before = shelf.list().data
    assert shelf.client.put(shelf.missing(), json={}).status_code == 404
    assert shelf.list().data == before


# Delete


@every
def test_delete_answers_204_without_a_body_and_get_what_the_resource_keeps(shelf):
    path = shelf.create()
    shelf.sandbox.clock.set(SOON)
    gone = shelf.client.delete(path)
    assert (gone.status_code, gone.data) == (204, b"")
    assert shelf.client.get(path).status_code == shelf.resource.after_delete
    assert shelf.client.delete(path).status_code == shelf.resource.delete_again


@those(lambda r: r.key == "id" and r.after_delete == 404)
def test_an_id_is_never_used_again(shelf):
    seen = set()
    for _ in range(3):
        path = shelf.create()
        assert path not in seen
        seen.add(path)
        shelf.client.delete(path)
        assert shelf.client.get(path).status_code == 404


@every
def test_delete_of_a_record_that_never_existed_is_404(shelf):
    assert shelf.client.delete(shelf.missing()).status_code == 404


@those(lambda r: r.after_delete == 404)
def test_a_deleted_record_leaves_the_list(shelf):
    path = shelf.create()
    record = shelf.client.get(path).json
    shelf.sandbox.clock.set(SOON)
    shelf.client.delete(path)
    assert record not in shelf.list().json
    assert shelf.list().headers["X-Total-Count"] == str(len(shelf.list().json))


# Another tenant's records


def foreign_path(sandbox, resource, acme):
    """The path at which acme would find a record that globex has."""
    globex = Shelf(sandbox, resource, "globex")
    record = globex.post().json
    return acme.path(record)


@every
@pytest.mark.parametrize("verb", ["GET", "PUT", "DELETE"])
def test_a_foreign_record_is_404_byte_for_byte_as_one_that_never_existed(sandbox, resource, verb):
    acme = Shelf(sandbox, resource)
    foreign, missing = foreign_path(sandbox, resource, acme), acme.missing()
    assert foreign != missing
    body = {} if verb == "GET" else {"json": {}}
    known = acme.client.request(verb, foreign, **body)
    unknown = acme.client.request(verb, missing, **body)
    assert (known.status_code, unknown.status_code) == (404, 404)
    assert without_instance(known) == without_instance(unknown)
    assert set(known.headers.keys()) == set(unknown.headers.keys())


@every
def test_a_refused_request_leaves_the_foreign_record_alone(sandbox, resource):
    acme = Shelf(sandbox, resource)
    globex = Shelf(sandbox, resource, "globex")
    record = globex.post().json
    before = globex.client.get(globex.path(record)).data
    acme.client.put(acme.path(record), json={})
    acme.client.delete(acme.path(record))
    assert globex.client.get(globex.path(record)).data == before


@every
def test_a_list_never_shows_a_foreign_record(sandbox, resource):
    acme = Shelf(sandbox, resource)
    before = acme.list().data
    Shelf(sandbox, resource, "globex").create()
    assert acme.list().data == before
