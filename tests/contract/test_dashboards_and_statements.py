"""What is special about dashboards and statements: what the catalogue lends and a tenant owns."""

import pytest

from .asking import (
    LATER,
    NOW,
    PUBLIC_PROFILE,
    ROUTES,
    SOON,
    administrator_of,
    caller,
    location,
    subscribe,
)
from .test_catalogue_and_services import CATALOGUE, INTERNAL, MANDATORY, hold_internal_service

OFFERED = {
    kind: [entry for entry in CATALOGUE[kind] if entry["service"] not in INTERNAL]
    for kind in ("dashboards", "statements")
}
HIDDEN = {
    kind: [entry["label"] for entry in CATALOGUE[kind] if entry["service"] in INTERNAL]
    for kind in ("dashboards", "statements")
}
BOTH = pytest.mark.parametrize("kind", ["dashboards", "statements"])


def body(kind, label="own", **members):
    common = {"title": "Own", "label": label, "type": "CUSTOM", "status": "BETA"}
    if kind == "dashboards":
        return {**common, "menuLabel": "Own", "listOrder": 5, **members}
    return {**common, "query": "SELECT 1", **members}


def labels(response):
    assert response.status_code == 200, response.data
    return [record["label"] for record in response.json]


def menu(records):
    """Labels in menu order, those without a place last."""

    def place(record):
        position = record.get("listOrder")
        return position is None, position or 0, record["label"]

    return [record["label"] for record in sorted(records, key=place)]


@pytest.fixture
def acme(sandbox):
    """An administrator of acme, which has the enterprise plan."""
    subscribe(sandbox, "enterprise")
    return sandbox.administrator


@pytest.fixture
def globex(sandbox):
    subscribe(sandbox, "enterprise", tenant="globex")
    return administrator_of(sandbox, "globex")


# Three lists


@BOTH
def test_the_whole_list_is_custom_ones_and_the_catalogue_subscribed_or_not(acme, kind):
    acme.post(f"/tenant-{kind}", json=body(kind, "own", listOrder=35))
    shown = acme.get(f"/{kind}?size=300")
    assert labels(shown) == menu([*OFFERED[kind], body(kind, "own", listOrder=35)])
    assert [record for record in shown.json if record["label"] != "own"] == sorted(
        OFFERED[kind], key=lambda entry: menu(OFFERED[kind]).index(entry["label"])
    )


@BOTH
def test_the_service_list_is_custom_ones_and_those_of_active_subscriptions(sandbox, acme, kind):
    acme.post(f"/tenant-{kind}", json=body(kind))

    def of(*services):
        entries = [entry for entry in CATALOGUE[kind] if entry["service"] in services]
        return menu([*entries, body(kind)])

    held = [*MANDATORY, "enterprise"]
    assert labels(acme.get(f"/service-{kind}?size=300")) == of(*held)
    geo = next(e["service"] for e in OFFERED[kind] if e["service"] not in held)
    acme.post(f"/services/{geo}", json={"activeFrom": SOON, "activeUntil": LATER})
    assert labels(acme.get(f"/service-{kind}?size=300")) == of(*held)
    sandbox.clock.set(SOON)
    assert labels(acme.get(f"/service-{kind}?size=300")) == of(*held, geo)
    sandbox.clock.set(LATER)
    assert labels(acme.get(f"/service-{kind}?size=300")) == of(*held)


@BOTH
def test_the_tenants_list_is_its_custom_ones_alone(acme, globex, kind):
    acme.post(f"/tenant-{kind}", json=body(kind, "ours"))
    globex.post(f"/tenant-{kind}", json=body(kind, "theirs"))
    assert labels(acme.get(f"/tenant-{kind}")) == ["ours"]
    for path in (f"/{kind}?size=300", f"/service-{kind}?size=300"):
        assert "ours" in labels(acme.get(path))
        assert "theirs" not in labels(acme.get(path))


@BOTH
def test_a_single_one_is_found_whether_custom_or_of_the_catalogue(acme, kind):
    acme.post(f"/tenant-{kind}", json=body(kind))
    for record in acme.get(f"/{kind}?size=300").json:
        answer = acme.get(f"/{kind}/{record['label']}")
        assert (answer.status_code, answer.json) == (200, record)
        etag = answer.headers["ETag"]
        again = acme.get(f"/{kind}/{record['label']}", headers={"If-None-Match": etag})
        assert again.status_code == 304
    assert acme.get(f"/{kind}/no-such-label").status_code == 404


@BOTH
@pytest.mark.parametrize("verb", ["get", "put", "delete"])
def test_a_catalogue_entry_is_no_custom_one(acme, kind, verb):
    request = {"json": {}} if verb == "put" else {}
    path = f"/tenant-{kind}/{OFFERED[kind][0]['label']}"
    assert getattr(acme, verb)(path, **request).status_code == 404


@BOTH
def test_a_custom_one_has_no_service_and_a_catalogue_one_its_services_label(acme, kind):
    made = acme.post(f"/tenant-{kind}", json=body(kind, service="core")).json
    assert made["service"] is None
    services = {record["label"]: record["service"] for record in acme.get(f"/{kind}?size=300").json}
    for entry in OFFERED[kind]:
        assert services[entry["label"]] == entry["service"]


@BOTH
def test_those_of_internal_services_show_only_while_a_subscription_is_active(sandbox, acme, kind):
    hidden = HIDDEN[kind]
    assert hidden
    for label in hidden:
        assert acme.get(f"/{kind}/{label}").status_code == 404
    assert not set(hidden) & set(labels(acme.get(f"/{kind}?size=300")))
    hold_internal_service(sandbox)
    for label in hidden:
        assert acme.get(f"/{kind}/{label}").status_code == 200
    for path in (f"/{kind}?size=300", f"/service-{kind}?size=300"):
        assert set(hidden) <= set(labels(acme.get(path)))


@BOTH
def test_a_custom_label_that_the_catalogue_has_is_a_conflict(acme, kind):
    for entry in OFFERED[kind]:
        made = acme.post(f"/tenant-{kind}", json=body(kind, entry["label"]))
        assert made.status_code == 409


@BOTH
def test_a_dashboard_and_a_statement_may_share_a_label(acme, kind):
    other = "statements" if kind == "dashboards" else "dashboards"
    label = OFFERED[other][0]["label"]
    assert acme.post(f"/tenant-{kind}", json=body(kind, label)).status_code == 201


@BOTH
def test_menu_order_is_list_order_then_label(acme, kind):
    for label, place in (("c", 1), ("b", 2), ("a", 2), ("d", -1)):
        acme.post(f"/tenant-{kind}", json=body(kind, label, listOrder=place))
    assert labels(acme.get(f"/tenant-{kind}")) == ["d", "c", "a", "b"]
    assert labels(acme.get(f"/tenant-{kind}?order=-listOrder")) == ["a", "b", "c", "d"]


def test_a_statement_without_a_place_stands_last(acme):
    for label, place in (("a", None), ("b", 9)):
        acme.post("/tenant-statements", json=body("statements", label, listOrder=place))
    assert labels(acme.get("/tenant-statements")) == ["b", "a"]


@BOTH
def test_records_have_exactly_the_members_of_the_contract(acme, kind):
    members = {
        "dashboards": "biLine description icon label listOrder menuLabel path preview service"
        " settings status subtitle template title type",
        "statements": "config description label listOrder query service status title type",
    }[kind]
    acme.post(f"/tenant-{kind}", json=body(kind))
    for record in acme.get(f"/{kind}?size=300").json:
        assert " ".join(sorted(record)) == members


@pytest.mark.parametrize(
    "kind, member, value",
    [
        *(
            ("dashboards", "type", each)
            for each in (
                "REAL_TIME",
                "OI_OVERVIEW",
                "ENTITY_OVERVIEW",
                "SYSTEM",
                "SETTINGS",
                "CUSTOM",
            )
        ),
        *(("dashboards", "status", each) for each in ("ALPHA", "BETA", "PRODUCTION", "ARCHIVED")),
        *(("statements", "type", each) for each in ("OI", "CUSTOM")),
        *(("statements", "status", each) for each in ("ALPHA", "BETA", "PRODUCTION", "ARCHIVED")),
        *(("dashboards", "listOrder", each) for each in (0, -(2**31), 2**31 - 1)),
        ("dashboards", "label", "a-1_b-c"),
        ("dashboards", "label", "0"),
        ("dashboards", "label", "x" * 50),
        ("dashboards", "title", "x" * 250),
        ("dashboards", "menuLabel", "x" * 50),
        ("dashboards", "biLine", "x" * 50),
        ("dashboards", "description", "x" * 10_000),
        ("statements", "query", "x" * 10_000),
    ],
)
def test_every_stated_value_is_taken(acme, kind, member, value):
    made = acme.post(f"/tenant-{kind}", json=body(kind, **{member: value}))
    assert (made.status_code, made.json[member]) == (201, value)


@pytest.mark.parametrize("kind, member", [("dashboards", "settings"), ("statements", "config")])
def test_an_object_is_replaced_whole(acme, kind, member):
    made = acme.post(f"/tenant-{kind}", json=body(kind, **{member: {"a": {"b": 1}, "c": 2}}))
    changed = acme.put(location(made), json={member: {"a": {"d": 3}}})
    assert changed.json[member] == {"a": {"d": 3}}


# The enterprise rule


STATEMENT_ROUTES = [
    (route["verb"], route["path"]) for route in ROUTES if "statements" in route["path"]
]


@pytest.mark.parametrize("verb, path", STATEMENT_ROUTES)
def test_every_statements_route_needs_the_enterprise_plan(sandbox, administrator, verb, path):
    path = path.replace("{label}", "no-such-statement")
    for client in (administrator, caller(sandbox, "USER")):
        answer = client.request(verb, path, data=b"{", content_type="text/plain")
        assert (answer.status_code, answer.mimetype) == (403, "application/problem+json")
        assert "enterprise" in answer.json["detail"]


@pytest.mark.parametrize("path", ["/statements", "/tenant-statements", "/service-statements"])
def test_the_plan_counts_while_its_subscription_is_active(sandbox, administrator, path):
    window = {"activeFrom": SOON, "activeUntil": LATER}
    assert administrator.post("/services/enterprise", json=window).status_code == 201
    for now, status in (
        (NOW, 403),
        ("2026-01-15T12:59:59Z", 403),
        (SOON, 200),
        ("2026-01-31T23:59:59Z", 200),
        (LATER, 403),
    ):
        sandbox.clock.set(now)
        assert administrator.get(path).status_code == status


def test_the_plan_of_another_tenant_does_not_count(sandbox, acme):
    assert administrator_of(sandbox, "globex").get("/statements").status_code == 403


def test_custom_statements_outlive_the_plan(sandbox, acme):
    acme.post("/tenant-statements", json=body("statements"))
    acme.delete("/services/enterprise")
    assert acme.get("/tenant-statements").status_code == 403
    sandbox.clock.set(SOON)
    subscribe(sandbox, "enterprise")
    assert labels(acme.get("/tenant-statements")) == ["own"]


def test_dashboards_need_no_plan(administrator):
    for path in ("/dashboards", "/service-dashboards", "/tenant-dashboards"):
        assert administrator.get(path).status_code == 200


# Configurations


CONFIGURED = next(entry for entry in OFFERED["statements"] if entry["config"])
PLAIN = next(entry for entry in OFFERED["statements"] if not entry["config"])


@pytest.mark.parametrize("entry, config", [(CONFIGURED, CONFIGURED["config"]), (PLAIN, {})])
def test_a_configuration_begins_as_the_statements_own(acme, entry, config):
    path = f"/statements/{entry['label']}"
    assert acme.get(f"{path}/config").json == config
    details = acme.get(f"{path}/details").json
    assert (details["config"], details["configChangedBy"], details["configChangedDate"]) == (
        config,
        None,
        None,
    )


@pytest.mark.parametrize("config", [{"limit": 5}, {}, {"a": {"b": [1, None, "x", 1.5, True]}}])
@pytest.mark.parametrize("label", [CONFIGURED["label"], "own"])
def test_a_configuration_is_replaced_whole(sandbox, acme, label, config):
    acme.post("/tenant-statements", json=body("statements", config={"old": 1}))
    path = f"/statements/{label}/config"
    sandbox.clock.set(SOON)
    changed = acme.put(path, json=config)
    assert (changed.status_code, changed.json) == (200, config)
    assert acme.get(path).json == config
    details = acme.get(f"/statements/{label}/details").json
    assert details["config"] == config
    assert details["configChangedBy"].keys() == PUBLIC_PROFILE
    assert details["configChangedBy"]["username"] == "alice@acme.test"
    assert details["configChangedDate"] == SOON


def test_a_configuration_is_the_tenants_own(acme, globex):
    path = f"/statements/{CONFIGURED['label']}/config"
    acme.put(path, json={"ours": 1})
    assert globex.get(path).json == CONFIGURED["config"]
    assert acme.get(path).json == {"ours": 1}


def test_a_configuration_changed_with_a_tenant_only_key_has_no_author(sandbox, acme):
    path = f"/statements/{CONFIGURED['label']}"
    administrator_of(sandbox, "acme").put(f"{path}/config", json={"a": 1})
    details = acme.get(f"{path}/details").json
    assert (details["configChangedBy"], details["configChangedDate"]) == (None, NOW)


def test_a_configuration_of_an_unknown_statement_is_404(acme):
    for verb, request in (("get", {}), ("put", {"json": {}})):
        answer = getattr(acme, verb)("/statements/no-such-label/config", **request)
        assert answer.status_code == 404
    assert acme.get("/statements/no-such-label/details").status_code == 404


@pytest.mark.parametrize("label", HIDDEN["statements"])
@pytest.mark.parametrize("part", ["config", "details"])
def test_a_hidden_statement_has_no_configuration(acme, label, part):
    assert acme.get(f"/statements/{label}/{part}").status_code == 404


def test_a_configuration_may_have_any_members_but_no_nul(acme):
    path = f"/statements/{CONFIGURED['label']}/config"
    strange = {"service": 1, "id": None, "config": {}, "": "", "é": "x" * 300}
    assert acme.put(path, json=strange).json == strange
    for raw in (r'{"a": "\u0000"}', r'{"\u0000": 1}', r'{"a": ["\ud800"]}', r'{"\udfff": 1}'):
        refused = acme.put(path, data=raw, content_type="application/json")
        assert refused.status_code == 422
    assert acme.get(path).json == strange


def test_if_match_guards_a_configuration(acme):
    path = f"/statements/{CONFIGURED['label']}/config"
    first = acme.get(path).headers["ETag"]
    assert acme.get(path, headers={"If-None-Match": first}).status_code == 304
    changed = acme.put(path, json={"a": 1}, headers={"If-Match": first})
    assert (changed.status_code, changed.headers["ETag"]) == (200, acme.get(path).headers["ETag"])
    assert acme.put(path, json={"a": 2}, headers={"If-Match": first}).status_code == 412
    assert acme.get(path).json == {"a": 1}


def test_details_of_a_catalogue_statement_name_its_service_in_full(acme):
    label = CONFIGURED["label"]
    details = acme.get(f"/statements/{label}/details").json
    service = acme.get(f"/available-services/{CONFIGURED['service']}").json
    assert details["service"] == service
    assert details.keys() == {
        *acme.get(f"/statements/{label}").json,
        "configChangedBy",
        "configChangedDate",
    }


def test_details_of_a_custom_statement_have_no_service(acme):
    acme.post("/tenant-statements", json=body("statements"))
    assert acme.get("/statements/own/details").json["service"] is None


def test_a_statement_made_anew_begins_with_its_own_configuration(acme):
    path = location(acme.post("/tenant-statements", json=body("statements", config={"a": 1})))
    acme.put("/statements/own/config", json={"b": 2})
    acme.delete(path)
    acme.post("/tenant-statements", json=body("statements", config={"c": 3}))
    assert acme.get("/statements/own/config").json == {"c": 3}


def test_the_author_of_a_configuration_stays_named_after_leaving(sandbox, acme):
    bob = caller(sandbox, "ADMINISTRATOR", username="bob@acme.test")
    path = f"/statements/{CONFIGURED['label']}"
    bob.put(f"{path}/config", json={"a": 1})
    acme.delete("/users/bob@acme.test")
    assert acme.get(f"{path}/details").json["configChangedBy"]["username"] == "bob@acme.test"


@BOTH
def test_everybody_sees_them(sandbox, acme, kind):
    acme.post(f"/tenant-{kind}", json=body(kind))
    for role in ("USER", "TEAM_LEADER", "MANAGEMENT", "INTERNAL_AUDITING"):
        client = caller(sandbox, role)
        for path in (f"/{kind}?size=300", f"/service-{kind}?size=300", f"/tenant-{kind}"):
            assert client.get(path).data == acme.get(path).data


# A catalogue that changes


@BOTH
def test_the_tenants_own_wins_over_a_later_catalogue_entry_of_its_label(sandbox, acme, kind):
    label = OFFERED[kind][0]["label"]
    with sandbox.store.transaction() as transaction:
        record = {**OFFERED[kind][0], "title": "Ours", "tenant": "acme"}
        del record["service"]
        transaction.put(kind, f"acme/{label}", record)
    assert acme.get(f"/{kind}/{label}").json["title"] == "Ours"
    for path in (f"/{kind}?size=300", f"/service-{kind}?size=300"):
        shown = acme.get(path)
        assert labels(shown).count(label) == 1
        assert shown.json[labels(shown).index(label)]["title"] == "Ours"
        assert shown.headers["X-Total-Count"] == str(len(shown.json))
