"""What is special about the tenant, the catalogue of services and subscriptions."""

import json
from pathlib import Path

import pytest

from .asking import (
    EARLIER,
    LATER,
    LATEST,
    NOW,
    PUBLIC_PROFILE,
    SOON,
    administrator_of,
    caller,
    errors,
    location,
    offered,
    optional_services,
)

CATALOGUE = json.loads(
    (Path(__file__).parents[2] / "data" / "catalogue.json").read_text(encoding="utf-8")
)
MANDATORY = [s["label"] for s in CATALOGUE["services"] if s["type"] == "MANDATORY"]
INTERNAL = [s["label"] for s in CATALOGUE["services"] if s["type"] == "INTERNAL"]
ARCHIVED = [s["label"] for s in CATALOGUE["services"] if s["status"] == "ARCHIVED"]


def labels(response):
    assert response.status_code == 200, response.data
    return [subscription["service"]["label"] for subscription in response.json]


@pytest.fixture
def label(administrator):
    """A service that acme may subscribe to."""
    return optional_services(administrator)[0]


# The catalogue


def test_the_catalogue_lists_every_service_but_the_internal_ones_by_label(administrator):
    shown = administrator.get("/available-services?size=300").json
    offers = [s for s in CATALOGUE["services"] if s["label"] not in INTERNAL]
    assert shown == sorted(offers, key=lambda service: service["label"])
    assert set(ARCHIVED) <= {service["label"] for service in shown}


def test_a_service_has_exactly_the_members_of_the_contract(administrator):
    for service in administrator.get("/available-services?size=300").json:
        assert " ".join(sorted(service)) == (
            "description icon label name preview shortDescription status type"
        )
        assert administrator.get(f"/available-services/{service['label']}").json == service


@pytest.mark.parametrize("internal", INTERNAL)
def test_an_internal_service_is_404_as_one_that_does_not_exist(administrator, internal):
    for verb, path in (("get", "/available-services/{}"), ("post", "/services/{}")):
        hidden = getattr(administrator, verb)(path.format(internal))
        missing = getattr(administrator, verb)(path.format("no-such-service"))
        assert hidden.status_code == missing.status_code == 404
        assert hidden.json["detail"] == missing.json["detail"]


@pytest.mark.parametrize("archived", ARCHIVED)
def test_an_archived_service_is_shown_but_cannot_be_newly_subscribed(administrator, archived):
    assert administrator.get(f"/available-services/{archived}").status_code == 200
    assert administrator.post(f"/services/{archived}").status_code == 409


def test_the_catalogue_is_the_same_for_every_tenant(sandbox, administrator):
    theirs = administrator_of(sandbox, "globex").get("/available-services?size=300")
    assert theirs.data == administrator.get("/available-services?size=300").data


# Mandatory services


def test_a_new_tenant_is_subscribed_to_each_mandatory_service(sandbox, administrator):
    sandbox.add_tenant("initech")
    for client in (administrator, administrator_of(sandbox, "initech")):
        answer = client.get("/services")
        assert labels(answer) == sorted(MANDATORY)
        for subscription in answer.json:
            assert subscription["registeredBy"] is None
            assert subscription["activeUntil"] is None


@pytest.mark.parametrize("mandatory", MANDATORY)
def test_a_mandatory_subscription_cannot_be_removed_ended_or_put_off(administrator, mandatory):
    path = f"/services/{mandatory}"
    before = administrator.get(path)
    assert administrator.delete(path).status_code == 409
    assert administrator.put(path, json={"activeUntil": LATER}).status_code == 409
    assert administrator.put(path, json={"activeFrom": SOON}).status_code == 409
    assert administrator.put(path, json={"activeFrom": LATER}).status_code == 409
    assert administrator.get(path).data == before.data
    assert administrator.put(path, json=before.json).data == before.data
    assert administrator.post(path).status_code == 409
    assert administrator.put(path, json={"activeFrom": EARLIER}).json["activeFrom"] == EARLIER


# Subscribing


def test_a_subscription_has_exactly_the_members_of_the_contract(sandbox, label):
    bob = caller(sandbox, "ADMINISTRATOR", username="bob@acme.test")
    made = bob.post(f"/services/{label}").json
    assert " ".join(sorted(made)) == "activeFrom activeUntil registeredBy registeredDate service"
    assert made["service"] == bob.get(f"/available-services/{label}").json
    assert made["registeredBy"].keys() == PUBLIC_PROFILE
    assert made["registeredBy"]["username"] == "bob@acme.test"
    assert (made["activeFrom"], made["activeUntil"], made["registeredDate"]) == (NOW, None, NOW)


@pytest.mark.parametrize(
    "request_",
    [{}, {"json": {}}, {"json": {"activeFrom": None, "activeUntil": None}}],
    ids=["no body", "empty", "nulls"],
)
def test_the_body_of_a_subscription_may_be_absent(administrator, label, request_):
    made = administrator.post(f"/services/{label}", **request_)
    assert (made.status_code, made.json["activeFrom"]) == (201, NOW)
    assert location(made) == f"/services/{label}"


def test_registered_by_is_null_for_a_tenant_only_key(sandbox, label):
    assert administrator_of(sandbox, "acme").post(f"/services/{label}").json["registeredBy"] is None


def test_registered_date_is_when_it_was_asked_for_not_when_it_begins(administrator, label):
    made = administrator.post(f"/services/{label}", json={"activeFrom": LATER}).json
    assert (made["registeredDate"], made["activeFrom"]) == (NOW, LATER)


def test_who_registered_stays_when_another_changes(sandbox, administrator, label):
    administrator.post(f"/services/{label}")
    bob = caller(sandbox, "ADMINISTRATOR", username="bob@acme.test")
    sandbox.clock.set(SOON)
    changed = bob.put(f"/services/{label}", json={"activeUntil": LATER}).json
    assert changed["registeredBy"]["username"] == "alice@acme.test"
    assert changed["registeredDate"] == NOW


def test_an_unknown_service_cannot_be_subscribed(administrator):
    assert administrator.post("/services/no-such-service").status_code == 404
    assert administrator.post("/services/no-such-service", json={}).status_code == 404


@pytest.mark.parametrize(
    "start, end, status",
    [
        ("2026-01-20T00:00:00Z", "2026-02-01T00:00:00Z", 201),
        ("2026-01-20T00:00:00Z", "2026-02-01T00:00:01Z", 409),
        (NOW, None, 409),
        ("2026-02-10T00:00:00Z", "2026-02-11T00:00:00Z", 409),
        ("2026-02-28T23:59:59Z", None, 409),
        ("2026-03-01T00:00:00Z", None, 201),
    ],
)
def test_subscriptions_of_one_service_may_touch_but_not_overlap(
    administrator, label, start, end, status
):
    first = {"activeFrom": LATER, "activeUntil": LATEST}
    assert administrator.post(f"/services/{label}", json=first).status_code == 201
    second = {"activeFrom": start, "activeUntil": end}
    assert administrator.post(f"/services/{label}", json=second).status_code == status


def test_a_change_into_an_overlap_is_a_conflict(administrator, label):
    path = f"/services/{label}"
    administrator.post(path, json={"activeUntil": LATER})
    administrator.post(path, json={"activeFrom": LATEST})
    assert administrator.put(path, json={"activeUntil": LATEST}).status_code == 200
    beyond = {"activeUntil": "2026-03-01T00:00:01Z"}
    assert administrator.put(path, json=beyond).status_code == 409
    assert administrator.put(path, json={"activeUntil": None}).status_code == 409


# The one that a label means


def test_a_label_means_the_active_subscription_else_the_next_to_come(sandbox, administrator, label):
    path = f"/services/{label}"
    windows = (
        ("2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z"),
        ("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"),
        (NOW, "2026-02-01T00:00:00Z"),
    )
    for start, end in windows:
        body = {"activeFrom": start, "activeUntil": end}
        assert administrator.post(path, json=body).status_code == 201
    for now, start in (
        ("2026-01-31T23:59:59Z", NOW),
        ("2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"),
        ("2026-03-31T23:59:59Z", "2026-03-01T00:00:00Z"),
        ("2026-04-01T00:00:00Z", "2026-05-01T00:00:00Z"),
    ):
        sandbox.clock.set(now)
        assert administrator.get(path).json["activeFrom"] == start
        assert administrator.put(path, json={}).json["activeFrom"] == start
    sandbox.clock.set("2026-06-01T00:00:00Z")
    assert administrator.get(path).status_code == 404
    assert administrator.put(path, json={}).status_code == 404
    assert administrator.delete(path).status_code == 204


def test_a_delete_closes_the_one_that_get_shows(sandbox, administrator, label):
    path = f"/services/{label}"
    administrator.post(path, json={"activeUntil": LATER})
    administrator.post(path, json={"activeFrom": LATER})
    assert administrator.delete(path).status_code == 204
    assert administrator.get(path).json["activeFrom"] == LATER
    assert administrator.delete(path).status_code == 204
    assert administrator.get(path).status_code == 404
    history = administrator.get("/services?active=false").json
    windows = sorted((s["activeFrom"], s["activeUntil"]) for s in history)
    assert windows == [(NOW, NOW), (LATER, LATER)]


def test_delete_of_an_ended_subscription_changes_nothing(sandbox, administrator, label):
    administrator.post(f"/services/{label}", json={"activeUntil": LATER})
    sandbox.clock.set(LATEST)
    before = administrator.get("/services?active=all").data
    assert administrator.delete(f"/services/{label}").status_code == 204
    assert administrator.get("/services?active=all").data == before


def test_delete_of_a_service_never_subscribed_is_404(administrator, label):
    assert administrator.delete(f"/services/{label}").status_code == 404
    assert administrator.delete("/services/no-such-service").status_code == 404


def test_subscribing_again_makes_a_new_one_and_keeps_the_history(sandbox, administrator, label):
    path = f"/services/{label}"
    administrator.post(path, json={"activeFrom": EARLIER})
    administrator.delete(path)
    sandbox.clock.set(SOON)
    again = administrator.post(path)
    assert (again.status_code, again.json["registeredDate"]) == (201, SOON)
    ours = [
        s for s in administrator.get("/services?active=all").json if s["service"]["label"] == label
    ]
    assert sorted((s["activeFrom"], s["activeUntil"]) for s in ours) == [
        (EARLIER, NOW),
        (SOON, None),
    ]


@pytest.mark.parametrize(
    "query, states",
    [
        ("", {"active"}),
        ("?active=true", {"active"}),
        ("?active=false", {"ended", "coming"}),
        ("?active=all", {"active", "ended", "coming"}),
    ],
)
def test_the_list_shows_active_subscriptions_unless_told(administrator, query, states):
    active, ended, coming = optional_services(administrator)[:3]
    administrator.post(f"/services/{active}")
    administrator.post(f"/services/{ended}", json={"activeFrom": EARLIER, "activeUntil": NOW})
    administrator.post(f"/services/{coming}", json={"activeFrom": LATER})
    expected = {"active": active, "ended": ended, "coming": coming}
    shown = set(labels(administrator.get(f"/services{query}"))) - set(MANDATORY)
    assert shown == {expected[state] for state in states}


def test_subscriptions_are_listed_by_label(administrator):
    for label in reversed(optional_services(administrator)[:3]):
        administrator.post(f"/services/{label}")
    listed = labels(administrator.get("/services"))
    assert listed == sorted(listed)
    assert len(listed) == 3 + len(MANDATORY)


@pytest.mark.parametrize("member", ["label", "name", "description"])
def test_q_seeks_subscriptions_by_their_service(administrator, label, member):
    made = administrator.post(f"/services/{label}").json
    words = made["service"][member].upper()
    answer = administrator.get("/services", query_string={"q": words})
    assert label in labels(answer)


def test_a_subscription_to_an_internal_service_from_seed_data_is_listed(sandbox, administrator):
    hold_internal_service(sandbox)
    assert INTERNAL[0] in labels(administrator.get("/services"))


def hold_internal_service(sandbox):
    """A subscription as only seed data makes it."""
    with sandbox.store.transaction() as transaction:
        number = transaction.next_id("subscriptions")
        record = {
            "id": number,
            "tenant": "acme",
            "service": INTERNAL[0],
            "registeredBy": None,
            "registeredDate": EARLIER,
            "activeFrom": EARLIER,
            "activeUntil": None,
        }
        transaction.put("subscriptions", str(number), record)


# The tenant


def test_info_is_the_tenant_and_its_active_services(administrator, label):
    administrator.post(f"/services/{label}")
    administrator.post(
        f"/services/{optional_services(administrator)[1]}", json={"activeFrom": LATER}
    )
    info = administrator.get("/info").json
    assert " ".join(sorted(info)) == "active icon id label name tenantServices theme"
    assert (info["label"], info["active"]) == ("acme", True)
    assert type(info["id"]) is int
    assert info["tenantServices"] == administrator.get("/services").json


def test_details_is_the_complete_tenant_and_never_its_privileges(administrator):
    administrator.post("/domain-mapping", json={"domain": "b.example.org", "activeFrom": LATER})
    administrator.post("/domain-mapping", json={"domain": "a.example.org"})
    for url in ("amqp://b.example.org", "amqp://a.example.org"):
        body = {"url": url, "endpointType": "MQ_INCOMING", "active": False, "activeFrom": LATER}
        administrator.post("/endpoints", json=body)
    details = administrator.get("/details").json
    assert details.keys() == {
        *administrator.get("/info").json,
        "tenantEndpoints",
        "tenantDomainMappings",
    }
    assert details["tenantEndpoints"] == administrator.get("/endpoints").json
    assert details["tenantDomainMappings"] == administrator.get("/domain-mapping").json
    assert details["tenantServices"] == administrator.get("/services").json
    assert len(details["tenantEndpoints"]) == len(details["tenantDomainMappings"]) == 2
    assert "rivilege" not in json.dumps(details)


def test_details_hold_more_than_a_page(administrator):
    for n in range(25):
        administrator.post("/domain-mapping", json={"domain": f"d{n}.example.org"})
    assert len(administrator.get("/details").json["tenantDomainMappings"]) == 25


@pytest.mark.parametrize("role", ["USER", "TEAM_LEADER", "MANAGEMENT"])
def test_details_are_filtered_to_what_the_caller_may_see(sandbox, administrator, role):
    administrator.post("/domain-mapping", json={"domain": "a.example.org"})
    body = {"url": "amqp://a.example.org", "endpointType": "MQ_INCOMING"}
    administrator.post("/endpoints", json=body)
    details = caller(sandbox, role).get("/details").json
    assert (details["tenantEndpoints"], details["tenantDomainMappings"]) == ([], [])
    assert details["tenantServices"] == administrator.get("/services").json


def test_details_carry_secrets_only_for_those_who_may_see_them(sandbox, administrator):
    body = {"url": "amqp://a.test", "endpointType": "MQ_INCOMING", "password": "open sesame"}
    administrator.post("/endpoints", json=body)
    answer = administrator.get("/details")
    assert answer.json["tenantEndpoints"][0]["password"] == "open sesame"
    assert answer.headers["Cache-Control"] == "no-store"
    auditor = caller(sandbox, "INTERNAL_AUDITING").get("/details")
    assert b"open sesame" not in auditor.data


def test_info_changes_name_icon_and_theme_alone(administrator):
    before = administrator.get("/info").json
    change = {"name": "Acme Ltd", "icon": "a.png", "theme": "dark"}
    ignored = {"id": 99, "label": "other", "active": False, "tenantServices": []}
    assert administrator.put("/info", json=change | ignored).json == before | change
    assert administrator.get("/info").json == before | change
    assert administrator.get("/whoami").json["tenant"] == {"label": "acme", "name": "Acme Ltd"}


@pytest.mark.parametrize(
    "body, member",
    [
        ({"name": None}, "name"),
        ({"name": ""}, "name"),
        ({"name": " "}, "name"),
        ({"name": 7}, "name"),
        ({"name": "x" * 251}, "name"),
        ({"icon": 7}, "icon"),
        ({"theme": "x" * 251}, "theme"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_bad_change_of_info_is_refused_by_name(administrator, body, member):
    assert list(errors(administrator.put("/info", json=body))) == [member]


def test_icon_and_theme_of_a_tenant_may_be_cleared(administrator):
    administrator.put("/info", json={"icon": "a.png", "theme": "dark"})
    cleared = administrator.put("/info", json={"icon": None, "theme": None})
    assert (cleared.json["icon"], cleared.json["theme"]) == (None, None)


def test_the_details_can_be_sent_back_to_info(administrator):
    before = administrator.get("/info")
    answer = administrator.put("/info", json=administrator.get("/details").json)
    assert answer.status_code == 422 or answer.data == before.data
    assert administrator.put("/info", json=before.json).data == before.data


@pytest.mark.parametrize("path", ["/info", "/details"])
def test_info_and_details_have_etags_of_what_this_caller_receives(sandbox, administrator, path):
    etag = administrator.get(path).headers["ETag"]
    assert administrator.get(path, headers={"If-None-Match": etag}).status_code == 304
    body = {"url": "amqp://a.test", "endpointType": "MQ_INCOMING", "password": "open sesame"}
    administrator.post("/endpoints", json=body)
    administrator.put("/info", json={"theme": "dark"})
    assert administrator.get(path, headers={"If-None-Match": etag}).status_code == 200
    if path == "/details":
        auditor = caller(sandbox, "INTERNAL_AUDITING")
        assert auditor.get(path).headers["ETag"] != administrator.get(path).headers["ETag"]


def test_if_match_guards_info(administrator):
    old = administrator.get("/info").headers["ETag"]
    assert (
        administrator.put("/info", json={"theme": "a"}, headers={"If-Match": old}).status_code
        == 200
    )
    assert (
        administrator.put("/info", json={"theme": "b"}, headers={"If-Match": old}).status_code
        == 412
    )
    assert administrator.get("/info").json["theme"] == "a"


def test_the_enterprise_plan_is_offered(administrator):
    assert "enterprise" in offered(administrator, type="SUBSCRIPTION_PLAN", status="PRODUCTION")
