"""What single sentences of the contract ask for, where two of them meet."""

import gzip

import pytest

from provisioning.domain.activity import later, parse_duration
from provisioning.testing.sandbox import Sandbox

LATER, SOONER = "2026-02-02T00:00:00Z", "2026-02-01T00:00:00Z"


def test_the_complete_tenant_can_be_sent_back(administrator):
    body = administrator.get("/details").json
    answer = administrator.put("/info", json=body)
    assert answer.status_code == 200
    assert answer.json == administrator.get("/info").json


IN_ORDER = ("Adams", "Angstrom", "Ångström", "Ångstrøm", "Ó Briain", "obrian", "Zac", "Żak", "zal")
"""Names as lists order them: folded first (ø is a letter of its own), equal ones as they are."""


def ordered(client, path):
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json


@pytest.mark.parametrize("order", ["lastName", "-lastName"])
def test_order_ignores_case_and_accents_first_and_looks_at_them_last(sandbox, administrator, order):
    for name in sorted(IN_ORDER, reverse=True):
        sandbox.add_user(lastName=name)
    found = [user["lastName"] for user in ordered(administrator, f"/users?order={order}")]
    expected = IN_ORDER[::-1] if order.startswith("-") else IN_ORDER
    assert found == [*expected, None]
    pages = [ordered(administrator, f"/users?order={order}&size=2&page={n}") for n in range(5)]
    assert [user["lastName"] for page in pages for user in page] == found


def test_equal_texts_are_told_apart_before_the_next_member_counts(sandbox, administrator):
    for first, last in (("a", "Zak"), ("b", "Zak"), ("c", "Żak")):
        sandbox.add_user(firstName=first, lastName=last)
    found = ordered(administrator, "/users?order=lastName,-firstName&q=zak")
    assert [user["firstName"] for user in found] == ["b", "a", "c"]
    found = ordered(administrator, "/users?order=-lastName,firstName&q=zak")
    assert [user["firstName"] for user in found] == ["c", "a", "b"]


@pytest.mark.parametrize("path", ["/users?size=300", "/as-users?q=acme", "/privileges?order=user"])
def test_people_are_listed_by_username_whose_accents_count_last(sandbox, administrator, path):
    for name in sorted(IN_ORDER, reverse=True):
        sandbox.add_user(f"{name}@acme.test")
    found = [each.get("user", each)["username"] for each in ordered(administrator, path)]
    first, *others = (f"{name}@acme.test" for name in IN_ORDER)
    assert found == [first, "alice@acme.test", *others]
    if "order" not in path:
        assert ordered(administrator, f"{path}&order=username") == ordered(administrator, path)


@pytest.mark.parametrize("sign", ["", "-"])
def test_titles_are_ordered_as_names_are(administrator, sign):
    for number, title in enumerate(sorted(IN_ORDER)):
        label = f"own-{number}"
        body = {"title": title, "menuLabel": "x", "label": label, "type": "CUSTOM", "listOrder": 1}
        answer = administrator.post("/tenant-dashboards", json=body | {"status": "BETA"})
        assert answer.status_code == 201
    found = ordered(administrator, f"/tenant-dashboards?order={sign}title")
    titles = [each["title"] for each in found]
    assert titles == [*(IN_ORDER[::-1] if sign else IN_ORDER)]


@pytest.mark.parametrize(("condition", "status"), [("*", 204), ('"stale"', 412)])
def test_a_condition_on_a_subscription_that_has_ended_is_looked_at(
    administrator, condition, status
):
    administrator.post("/services/standard")
    administrator.delete("/services/standard")
    answer = administrator.delete("/services/standard", headers={"If-Match": condition})
    assert answer.status_code == status


@pytest.mark.parametrize("path", ["/privileges/999", "/endpoints/999", "/api-keys/none"])
def test_a_window_that_is_none_is_found_before_the_record_is_sought(administrator, path):
    body = {"activeFrom": LATER, "activeUntil": SOONER}
    assert "activeUntil" in administrator.put(path, json=body).json["errors"]


@pytest.mark.parametrize("body", [{"reportsTo": "nobody"}, {"activeUntil": "2000-01-01T00:00:00Z"}])
def test_what_is_wrong_with_a_privilege_is_said_before_its_etag_is_compared(administrator, body):
    answer = administrator.put("/privileges/1", json=body, headers={"If-Match": '"stale"'})
    assert answer.status_code == 422


def test_an_unknown_supervisor_is_said_before_a_taken_username(administrator):
    body = {
        "username": "alice@acme.test",
        "email": "a@b",
        "password": "x",
        "tenantUserPrivileges": [{"role": "USER", "reportsTo": "nobody"}],
    }
    assert administrator.post("/users", json=body).status_code == 422


def test_a_user_and_its_first_privilege_are_checked_together(administrator):
    body = {"username": "bob", "email": "bad", "password": "x", "tenantUserPrivileges": [{}]}
    errors = administrator.post("/users", json=body).json["errors"]
    assert set(errors) == {"email", "tenantUserPrivileges"}


def test_an_endpoint_and_its_type_are_checked_together(administrator):
    body = {"url": "https://me@mq.acme.example", "endpointType": "NONE"}
    assert set(administrator.post("/endpoints", json=body).json["errors"]) == {
        "url",
        "endpointType",
    }


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("mq.acme.example:5671", 201),
        ("amqps://mq.acme.example/queue@here", 201),
        ("//me@mq.acme.example", 422),
        ("me:secret@mq.acme.example", 422),
    ],
)
def test_a_url_may_be_bare_but_holds_no_user_information(administrator, url, status):
    body = {"url": url, "endpointType": "MQ_INCOMING"}
    assert administrator.post("/endpoints", json=body).status_code == status


def test_a_configuration_that_is_sent_again_keeps_who_changed_it_and_when(sandbox, administrator):
    administrator.post("/services/enterprise")
    label = administrator.get("/statements").json[0]["label"]
    administrator.put(f"/statements/{label}/config", json={"limit": 1})
    before = administrator.get(f"/statements/{label}/details").json
    sandbox.clock.set(later(sandbox.clock.now(), parse_duration("PT1H")))
    administrator.put(f"/statements/{label}/config", json={"limit": 1})
    assert administrator.get(f"/statements/{label}/details").json == before
    administrator.put(f"/statements/{label}/config", json={"limit": True})
    after = administrator.get(f"/statements/{label}/details").json
    assert after["configChangedDate"] > before["configChangedDate"]


def test_an_origin_may_be_an_ipv6_address():
    origin = "http://[::1]:3000"
    sandbox = Sandbox(cors_origins=(origin,))
    answer = sandbox.administrator.get("/info", headers={"Origin": origin})
    assert answer.headers["Access-Control-Allow-Origin"] == origin


def test_the_same_key_in_two_headers_of_one_name_is_one_key(sandbox, administrator):
    headers = {"X-API-Key": f"{administrator.token}, {administrator.token}"}
    assert sandbox.client().get("/info", headers=headers).status_code == 200


def test_a_final_dot_of_any_script_is_dropped(administrator):
    answer = administrator.post("/domain-mapping", json={"domain": "例え。テスト。"})
    assert answer.json["domain"] == "xn--r8jz45g.xn--zckzah"


@pytest.mark.parametrize("changed", ['W/"{}"', '"{}-gzip"', '"{}-br"', '"stale", W/"{}"'])
@pytest.mark.parametrize("verb", ["PUT", "DELETE"])
def test_an_etag_that_a_proxy_has_changed_never_matches_and_the_412_says_so(
    administrator, verb, changed
):
    administrator.post("/domain-mapping", json={"domain": "a.example"})
    etag = administrator.get("/domain-mapping/a.example").headers["ETag"].strip('"')
    headers = {"If-Match": changed.format(etag)}
    answer = administrator.request(verb, "/domain-mapping/a.example", json={}, headers=headers)
    assert answer.status_code == 412
    assert "proxy" in answer.json["detail"]


@pytest.mark.parametrize("given", ['"stale"', '"stale-gzip"', '"a", "b"'])
def test_a_412_blames_no_proxy_for_a_record_that_has_changed(administrator, given):
    answer = administrator.put("/info", json={}, headers={"If-Match": given})
    assert answer.status_code == 412
    assert "proxy" not in answer.json["detail"]


def test_an_etag_that_stands_beside_weak_ones_matches(administrator):
    etag = administrator.get("/info").headers["ETag"]
    headers = {"If-Match": f'W/"other", {etag}'}
    assert administrator.put("/info", json={}, headers=headers).status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "br", "GZIP", "identity, gzip", "x-unknown"])
def test_a_body_with_a_content_encoding_is_415_which_names_it(administrator, encoding):
    answer = administrator.put("/info", json={}, headers={"Content-Encoding": encoding})
    assert answer.status_code == 415
    assert encoding in answer.json["detail"]


@pytest.mark.parametrize("encoding", ["identity", "Identity", ""])
def test_a_body_with_the_encoding_identity_is_read(administrator, encoding):
    answer = administrator.put("/info", json={}, headers={"Content-Encoding": encoding})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (gzip.compress(b"{}"), "gzip"),
        ("{}".encode("utf-16"), "UTF-8"),
    ],
    ids=["bom", "gzip", "utf-16"],
)
def test_a_body_that_is_not_plain_utf_8_is_told_in_plain_words(administrator, content, word):
    answer = administrator.put("/info", data=content, content_type="application/json")
    assert answer.status_code == 400
    assert word in answer.json["detail"]
    assert "codec" not in answer.json["detail"] and "utf-8-sig" not in answer.json["detail"]


@pytest.mark.parametrize("digits", [20, 41, 4_301, 100_000])
@pytest.mark.parametrize("sign", ["", "-"])
def test_an_integer_of_whatever_length_is_422(administrator, digits, sign):
    body = f'{{"birthYear": {sign}{"9" * digits}}}'
    answer = administrator.put("/users/alice@acme.test", data=body, content_type="application/json")
    assert answer.status_code == 422
    assert list(answer.json["errors"]) == ["birthYear"]


@pytest.mark.parametrize("path", ["/privileges/{}", "/endpoints/{}", "/audit/{}", "/users/{}"])
def test_a_number_of_whatever_length_in_a_path_is_404(administrator, path):
    assert administrator.get(path.format("9" * 5_000)).status_code == 404
