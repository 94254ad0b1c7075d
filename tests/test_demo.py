"""The demo data: loaded once, into a file of its own, with keys that act as their names say."""

import pytest

from provisioning.domain.activity import Clock
from provisioning.domain.tables import TENANTS, USERS
from provisioning.factory import create_app, memory_store, open_server
from provisioning.onboarding import begin_tenant
from provisioning.seed import demo_seed
from provisioning.settings import Settings
from provisioning.testing.sandbox import NOW, Client

DEMO = demo_seed()
KEYS = {key["apiToken"]: key for key in DEMO["apiKeys"]}
ROLES = {
    "administrator": "ADMINISTRATOR",
    "management": "MANAGEMENT",
    "internal-auditing": "INTERNAL_AUDITING",
    "team-leader": "TEAM_LEADER",
    "plain-user": "USER",
    "tenant-only-system": "ADMINISTRATOR",
}
REFUSALS = {
    "no-active-privilege": (401, "no active privilege"),
    "expired": (401, "expired at"),
    "scheduled": (401, "not yet active"),
    "ingestion-only": (403, "INGESTION_ONLY"),
}


@pytest.fixture(scope="module")
def demo():
    """A server with the demo data, on a day in the middle of its windows."""
    settings = Settings(demo="on")
    server = open_server(settings, memory_store())
    server.clock = Clock(frozen_at=NOW)
    return create_app(settings, server)


@pytest.mark.parametrize("token", KEYS)
def test_each_demo_key_acts_as_its_name_says(demo, token):
    answer = Client(demo, token).get("/whoami")
    refusal = next((refused for part, refused in REFUSALS.items() if part in token), None)
    if refusal is not None:
        status, reason = refusal
        assert answer.status_code == status
        assert reason in answer.json["detail"]
        return
    role = next(role for part, role in ROLES.items() if part in token)
    caller = answer.json
    assert token.startswith(f"demo-{caller['tenant']['label']}-")
    assert caller["role"] == role
    assert caller["keyType"].lower().replace("_", "-") in token
    if caller["user"] is None:
        assert "-tenant-only-" in token
    else:
        assert f"-{caller['user']['username'].partition('@')[0]}-" in token


def test_the_demo_has_a_key_for_each_role_key_type_and_refusal():
    for part in (*ROLES, *REFUSALS, "query-only", "globex", "no-active-privilege"):
        assert any(part in token for token in KEYS), part


def test_every_demo_token_is_known_as_one():
    """The beginning by which a server without demo mode refuses them."""
    assert all(token.startswith("demo-") for token in KEYS)


def test_the_demo_has_somebody_with_privileges_in_both_tenants():
    tenants = {}
    for privilege in DEMO["privileges"]:
        tenants.setdefault(privilege["username"], set()).add(privilege["tenant"])
    assert {"acme", "globex"} in tenants.values()


def test_a_reporting_line_of_the_demo_is_three_levels_deep(demo):
    """maria sees uma through mateo and tove, and tove sees only those below her."""
    maria = Client(demo, "demo-acme-maria-management-basic-key")
    tove = Client(demo, "demo-acme-tove-team-leader-basic-key")
    assert maria.get("/users/uma@acme.test").status_code == 200
    assert tove.get("/users/uma@acme.test").status_code == 200
    assert tove.get("/users/mateo@acme.test").status_code == 404


def test_the_demo_has_more_users_than_a_page(demo):
    administrator = Client(demo, "demo-acme-alice-administrator-basic-key")
    answer = administrator.get("/users")
    assert len(answer.json) == 20
    assert int(answer.headers["X-Total-Count"]) > 20


@pytest.mark.parametrize("demo_mode", ["on", "off"])
def test_demo_tokens_are_refused_where_demo_mode_is_off(demo_mode):
    """Even where a store holds them."""
    store = memory_store()
    open_server(Settings(demo="on"), store)
    settings = Settings(demo=demo_mode)
    app = create_app(settings, open_server(settings, store))
    answer = Client(app, "demo-acme-alice-administrator-basic-key").get("/whoami")
    if demo_mode == "on":
        assert answer.status_code == 200
    else:
        assert answer.status_code == 401
        assert "demo mode is off" in answer.json["detail"]


def test_the_demo_data_is_loaded_into_its_own_file_and_real_data_stays_apart(tmp_path):
    data = tmp_path / "db.json"
    begin_tenant(open_server(Settings(data=data)), "initech", "Initech", "nina@initech.test")
    before = data.read_bytes()
    open_server(Settings(data=data, demo="on"))
    assert data.read_bytes() == before
    with open_server(Settings(data=data, demo="on")).store.read() as view:
        assert {tenant["label"] for tenant in view.all(TENANTS)} == {"acme", "globex"}


def test_what_was_changed_in_the_demo_is_still_there_after_a_restart(tmp_path):
    settings = Settings(data=tmp_path / "db.json", demo="on")
    alice = Client(create_app(settings), "demo-acme-alice-administrator-basic-key")
    assert alice.put("/info", json={"name": "Acme Forwarding"}).status_code == 200
    again = Client(create_app(settings), alice.token)
    assert again.get("/info").json["name"] == "Acme Forwarding"


def test_demo_data_does_not_load_into_a_store_that_holds_a_tenant():
    store = memory_store()
    begin_tenant(open_server(Settings(), store), "initech", "Initech", "nina@initech.test")
    server = open_server(Settings(demo="on"), store)
    with server.store.read() as view:
        assert [tenant["label"] for tenant in view.all(TENANTS)] == ["initech"]
        assert len(view.all(USERS)) == 1
