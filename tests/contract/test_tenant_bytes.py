"""What one tenant keeps is bounded by PROVISIONING_TENANT_BYTES (section 6, Cost)."""

from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest

from provisioning.testing.sandbox import Sandbox

from .asking import errors

DASHBOARD = {"title": "T", "menuLabel": "M", "label": "own", "type": "CUSTOM", "listOrder": 1}
DASHBOARD |= {"status": "BETA"}
STATEMENT = {"title": "T", "label": "own", "type": "CUSTOM", "status": "BETA", "query": "select"}
CREATIONS = {
    "/tenant-dashboards": DASHBOARD,
    "/tenant-statements": STATEMENT,
    "/endpoints": {"url": "amqps://mq.acme.example:5671", "endpointType": "MQ_INCOMING"},
    "/domain-mapping": {"domain": "insight.acme.example"},
}
TOKEN = "the-token-of-the-control-api"
CONFIG = "/statements/own/config"


def with_bound(most, **more):
    sandbox = Sandbox(tenant_bytes=most, **more)
    sandbox.administrator.post("/services/enterprise")
    return sandbox


def kept(sandbox, tenant="acme"):
    with sandbox.store.read() as view:
        return view.weight_of(tenant)


def walked(sandbox, tenant="acme"):
    """The same number, found by looking at every record."""
    collections = [each for each in sandbox.parts.collections.values() if each.is_bounded]
    with sandbox.store.read() as view:
        return sum(
            len(orjson.dumps(record))
            for each in collections
            for record in view.group(each.table, "tenant", tenant)
        )


def weight_of(path):
    """What a record of this path weighs."""
    sandbox = with_bound(0)
    assert sandbox.administrator.post(path, json=CREATIONS[path]).status_code == 201
    return kept(sandbox)


@pytest.mark.parametrize("path", CREATIONS)
@pytest.mark.parametrize(("room", "status"), [(0, 201), (-1, 409)])
def test_a_record_must_fit_to_the_byte(path, room, status):
    most = weight_of(path) + room
    sandbox = with_bound(most)
    answer = sandbox.administrator.post(path, json=CREATIONS[path])
    assert answer.status_code == status, answer.text
    if status == 409:
        assert "PROVISIONING_TENANT_BYTES" in answer.json["detail"]
        assert str(most) in answer.json["detail"]
        assert sandbox.administrator.get(path).json == []


def test_a_configuration_counts(sandbox):
    sandbox = with_bound(2_000)
    client = sandbox.administrator
    assert client.post("/tenant-statements", json=STATEMENT).status_code == 201
    assert client.put(CONFIG, json={"much": "x" * 2_000}).status_code == 409
    assert client.get(CONFIG).json == {}
    assert client.put(CONFIG, json={"little": "x" * 1_000}).status_code == 200
    assert client.put(CONFIG, json={"little": "x" * 1_900}).status_code == 409
    assert client.put(CONFIG, json={}).status_code == 200


def test_all_kinds_count_together():
    bound = sum(map(weight_of, CREATIONS)) - 1
    client = with_bound(bound).administrator
    statuses = [client.post(path, json=body).status_code for path, body in CREATIONS.items()]
    assert statuses == [201, 201, 201, 409]
    assert client.delete("/tenant-dashboards/own").status_code == 204
    assert client.post("/domain-mapping", json=CREATIONS["/domain-mapping"]).status_code == 201


@pytest.fixture
def overfull():
    """A tenant that keeps more than is allowed by now."""
    before, sandbox = with_bound(0), with_bound(500)
    body = DASHBOARD | {"description": "x" * 1_000, "subtitle": "abc"}
    before.administrator.post("/tenant-dashboards", json=body)
    with before.store.read() as view, sandbox.store.transaction() as transaction:
        transaction.put("dashboards", "acme/own", view.get("dashboards", "acme/own"))
    return sandbox


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"description": "x" * 999}, 200),
        ({"description": "y" * 1_000}, 200),
        ({"description": "x" * 1_001}, 409),
        ({"description": "x" * 900, "subtitle": "y" * 103}, 200),
        ({"description": "x" * 900, "subtitle": "y" * 104}, 409),
        ({}, 200),
    ],
    ids=["less", "as much", "more", "moved", "moved and more", "nothing"],
)
def test_what_is_above_the_bound_may_shrink_but_not_grow(overfull, changes, status):
    answer = overfull.administrator.put("/tenant-dashboards/own", json=changes)
    assert answer.status_code == status, answer.text


def test_above_the_bound_everything_else_goes_on(overfull):
    client = overfull.administrator
    body = {"username": "b@acme.test", "email": "b@acme.test", "password": "x"}
    assert client.post("/users", json=body).status_code == 201
    assert client.post("/api-keys", json={"type": "BASIC"}).status_code == 201
    assert client.post("/endpoints", json=CREATIONS["/endpoints"]).status_code == 409
    assert client.delete("/tenant-dashboards/own").status_code == 204
    assert kept(overfull) == 0


def test_other_tenants_have_a_bound_of_their_own():
    sandbox = with_bound(weight_of("/domain-mapping") + 10)
    sandbox.add_user("gina@globex.test", "ADMINISTRATOR", tenant="globex")
    gina = sandbox.client(sandbox.add_key("gina@globex.test", tenant="globex"))
    assert sandbox.administrator.post("/domain-mapping", json={"domain": "a.x"}).status_code == 201
    assert gina.post("/domain-mapping", json={"domain": "b.x"}).status_code == 201
    assert kept(sandbox) and kept(sandbox, "globex")


def test_an_old_condition_and_a_taken_label_are_told_before_a_bound(overfull):
    client = overfull.administrator
    longer = {"description": "x" * 2_000}
    stale = client.put("/tenant-dashboards/own", json=longer, headers={"If-Match": '"old"'})
    assert stale.status_code == 412
    assert "label" in client.post("/tenant-dashboards", json=DASHBOARD).json["detail"]


SEED = {
    "tenants": [{"label": "initech", "name": "Initech"}],
    "dashboards": [DASHBOARD | {"tenant": "initech", "description": "x" * 5_000}],
}


@pytest.mark.parametrize("mode", ["merge", "replace"])
def test_in_a_seed_it_is_a_fault_with_its_place(mode):
    sandbox = with_bound(5_000, control="on", control_token=TOKEN)
    body = {"mode": mode, "seed": SEED}
    faults = errors(sandbox.client(TOKEN).post("//_control/seed", json=body))
    assert faults.keys() == {"tenants[0]"}
    assert "PROVISIONING_TENANT_BYTES" in faults["tenants[0]"][0]
    assert sandbox.administrator.get("/whoami").status_code == 200


def test_a_seed_that_brings_no_tenant_names_the_first_record_of_one():
    sandbox = with_bound(5_000, control="on", control_token=TOKEN)
    seed = {"dashboards": [SEED["dashboards"][0] | {"tenant": "acme"}]}
    faults = errors(sandbox.client(TOKEN).post("//_control/seed?mode=merge", json=seed))
    assert faults.keys() == {"dashboards[0].tenant"}


def test_the_kept_number_is_right_after_reset_seeds_and_snapshots():
    sandbox = with_bound(0, control="on", control_token=TOKEN)
    control = sandbox.client(TOKEN)
    client = sandbox.administrator
    assert control.put("//_control/snapshots/begin").status_code == 200
    for path, body in CREATIONS.items():
        client.post(path, json=body)
    client.put(CONFIG, json={"a": "é" * 100})
    client.put("/tenant-dashboards/own", json={"settings": {"x": 1e22}})
    full = kept(sandbox)
    assert full == walked(sandbox) > 1_000
    assert control.put("//_control/snapshots/full").status_code == 200
    for step in ("reset", "snapshots/full/load", "snapshots/begin/load"):
        assert control.post(f"//_control/{step}").status_code == 204
        assert kept(sandbox) == walked(sandbox) == (full if "full" in step else 0), step
    assert control.post("//_control/seed?mode=merge", json=SEED).status_code == 200
    assert kept(sandbox, "initech") == walked(sandbox, "initech") > 5_000
    assert control.delete("//_control/tenants/initech").status_code == 204
    assert kept(sandbox, "initech") == 0


@pytest.mark.slow
def test_creations_that_race_never_pass_the_bound():
    most = 6_000
    sandbox = with_bound(most)

    def create(number):
        body = DASHBOARD | {"label": f"own-{number}", "description": "x" * 500}
        return sandbox.client(sandbox.administrator.token).post("/tenant-dashboards", json=body)

    with ThreadPoolExecutor(8) as pool:
        statuses = [answer.status_code for answer in pool.map(create, range(24))]
    assert set(statuses) == {201, 409}
    assert kept(sandbox) == walked(sandbox) <= most


def test_the_document_says_where_a_change_may_be_too_much(administrator):
    paths = administrator.get("//openapi.json").json["paths"]
    told = {
        f"{verb.upper()} {path.partition('/provisioning')[2]}"
        for path, item in paths.items()
        for verb, operation in item.items()
        if "PROVISIONING_TENANT_BYTES" in str(operation["responses"].get("409"))
    }
    ones = [f"{path}/{{label}}" for path in ("/tenant-dashboards", "/tenant-statements")]
    ones += ["/endpoints/{id}", "/domain-mapping/{domain}", "/statements/{label}/config"]
    expected = {f"POST {path}" for path in CREATIONS} | {f"PUT {path}" for path in ones}
    assert expected <= told
    assert told - expected <= {"POST /service-endpoints", "PUT /service-endpoints/{id}"}
