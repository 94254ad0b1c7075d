"""Reset, seeds, snapshots and tenants to throw away."""

import pytest

from provisioning.control import parts
from provisioning.control.parts import MOST_SNAPSHOTS
from provisioning.domain.roles import ROLES
from provisioning.factory import COLLECTIONS, load_demo, memory_store
from provisioning.store.opening import Place, open_store
from provisioning.testing.sandbox import Sandbox
from tests.control.conftest import Controls

SEED = {
    "tenants": [{"label": "initech", "name": "Initech"}],
    "users": [
        {"username": "Bill@initech.test", "email": "bill@initech.test", "home": "initech"},
        {
            "username": "peter@initech.test",
            "email": "peter@initech.test",
            "home": "initech",
            "passwordHash": "scrypt:32768:8:1$salt$hash",
        },
    ],
    "privileges": [
        {"id": 70, "tenant": "initech", "username": "bill@initech.test", "role": "ADMINISTRATOR"},
        {
            "id": 71,
            "tenant": "initech",
            "username": "peter@initech.test",
            "role": "USER",
            "activeFrom": "-P1D",
            "activeUntil": "+P30D",
            "reportsTo": "BILL@initech.test",
        },
    ],
    "apiKeys": [
        {
            "id": "key-9",
            "tenant": "initech",
            "username": "bill@initech.test",
            "apiToken": "bills-own-token",
            "type": "BASIC",
        }
    ],
}


def usernames(control):
    return {user["username"] for user in control("GET", "/state")["users"]}


def in_any_order(state):
    return {name: sorted(map(str, rows)) for name, rows in state.items()}


def rows(control, name, tenant):
    return [row for row in control("GET", "/state")[name] if row["tenant"] == tenant]


class TestReset:
    def test_records_are_what_they_were_when_the_server_began_to_answer(self, sandbox, control):
        began = control("GET", "/state")
        sandbox.add_user("bob@acme.test")
        sandbox.administrator.put("/info", json={"name": "Changed"})
        control("POST", "/reset")
        assert control("GET", "/state") == began

    def test_clock_faults_and_requests_begin_anew_too(self, sandbox, control):
        control("PUT", "/clock", {"now": "2040-01-01T00:00:00Z", "frozen": False})
        control("POST", "/faults", {"path": "/**", "status": 500})
        sandbox.administrator.get("/info")
        control("POST", "/reset", {})
        assert control("GET", "/clock")["now"] == "2026-01-15T12:00:00Z"
        assert control("GET", "/clock")["frozen"] is True
        assert control("GET", "/faults") == []
        assert control("GET", "/requests") == []

    def test_snapshots_stay(self, control):
        control("PUT", "/snapshots/kept")
        control("POST", "/reset")
        assert [snapshot["name"] for snapshot in control("GET", "/snapshots")] == ["kept"]

    def test_ids_are_given_again_so_that_each_run_sees_the_same(self, sandbox, control):
        control("GET", "/clock")
        first = sandbox.administrator.post("/api-keys", json={"type": "BASIC"}).json["id"]
        control("POST", "/reset")
        again = sandbox.administrator.post("/api-keys", json={"type": "BASIC"}).json["id"]
        assert first == again

    def test_it_leads_to_the_seed_that_was_loaded_last_in_place_of_all(self, sandbox, control):
        control("POST", "/seed", {"mode": "replace", "seed": SEED})
        loaded = control("GET", "/state")
        sandbox.add_tenant("later")
        control("POST", "/reset")
        assert control("GET", "/state") == loaded

    def test_a_merged_seed_is_no_beginning(self, control):
        began = control("GET", "/state")
        control("POST", "/seed", {"mode": "merge", "seed": SEED})
        control("POST", "/reset")
        assert control("GET", "/state") == began

    def test_demo_mode_leads_to_the_demo_data_whatever_the_file_held(self):
        demo = Sandbox(demo="on")
        control = Controls(demo.client())
        control("POST", "/reset")
        was_reset = control("GET", "/state")
        demo.parts.store = memory_store()
        load_demo(demo.parts)
        assert control("GET", "/state") == was_reset
        assert len(was_reset["privileges"]) > 20


class TestResetOfOneTenant:
    def test_its_records_keys_and_accounts_are_what_they_were(self, sandbox, control):
        began = control("GET", "/state")
        sandbox.add_user("bob@acme.test", role="MANAGEMENT")
        sandbox.add_key("bob@acme.test")
        sandbox.administrator.put("/info", json={"name": "Changed"})
        sandbox.administrator.put("/users/alice@acme.test", json={"firstName": "Alicia"})
        sandbox.administrator.post("/domain-mapping", json={"domain": "insight.acme.example"})
        control("POST", "/reset", {"tenant": "acme"})
        assert in_any_order(control("GET", "/state")) == in_any_order(began)

    def test_other_tenants_clock_faults_and_requests_are_untouched(self, sandbox, control):
        control("GET", "/state")
        sandbox.add_user("grace@globex.test", tenant="globex")
        control("PUT", "/clock", {"now": "2040-01-01T00:00:00Z"})
        control("POST", "/faults", {"path": "/info", "status": 500})
        sandbox.administrator.get("/info")
        before = rows(control, "privileges", "globex")
        control("POST", "/reset", {"tenant": "acme"})
        assert rows(control, "privileges", "globex") == before != []
        assert "grace@globex.test" in usernames(control)
        assert control("GET", "/clock")["now"] == "2040-01-01T00:00:00Z"
        assert len(control("GET", "/faults")) == len(control("GET", "/requests")) == 1

    def test_an_account_that_holds_something_elsewhere_stays(self, sandbox, control):
        control("GET", "/state")
        sandbox.add_user("bob@acme.test")
        sandbox.grant("bob@acme.test", "USER", tenant="globex")
        control("POST", "/reset", {"tenant": "acme"})
        assert "bob@acme.test" in usernames(control)
        assert rows(control, "privileges", "globex")[0]["username"] == "bob@acme.test"
        assert [row["username"] for row in rows(control, "privileges", "acme")] == [
            "alice@acme.test"
        ]

    def test_a_tenant_that_was_not_there_at_the_beginning_is_removed(self, sandbox, control):
        began = control("GET", "/state")
        sandbox.add_tenant("later")
        control("POST", "/reset", {"tenant": "later"})
        assert control("GET", "/state") == began

    def test_one_that_is_and_was_unknown_is_404(self, control):
        assert control.ask("POST", "/reset", {"tenant": "nowhere"}).status_code == 404

    def test_a_removed_tenant_comes_back_with_accounts_that_had_moved_away(self, sandbox, control):
        sandbox.grant("alice@acme.test", "USER", tenant="globex")
        began = control("GET", "/state")
        control("DELETE", "/tenants/acme")
        control("POST", "/reset", {"tenant": "acme"})
        assert in_any_order(control("GET", "/state")) == in_any_order(began)
        assert sandbox.administrator.get("/info").status_code == 200

    def test_what_belonged_to_an_account_that_is_gone_is_left_out(self, sandbox, control):
        """Above all its key, which without an owner would be the tenant's own."""
        sandbox.add_user("grace@globex.test", tenant="globex")
        sandbox.grant("grace@globex.test", "ADMINISTRATOR", tenant="acme")
        sandbox.add_user("bob@acme.test", reports_to="grace@globex.test")
        token = sandbox.add_key("grace@globex.test", tenant="acme")
        control("GET", "/state")
        control("DELETE", "/tenants/acme")
        control("DELETE", "/tenants/globex")
        control("POST", "/reset", {"tenant": "acme"})
        assert "grace@globex.test" not in usernames(control)
        assert token not in control.ask("GET", "/state").text
        bobs = [row for row in rows(control, "privileges", "acme") if "bob" in row["username"]]
        assert bobs[0]["reportsTo"] is None

    def test_what_another_tenant_has_taken_by_now_is_a_conflict_and_nothing_changes(
        self, sandbox, control
    ):
        sandbox.administrator.post("/domain-mapping", json={"domain": "insight.acme.example"})
        control("POST", "/seed", control("GET", "/state"))
        sandbox.administrator.delete("/domain-mapping/insight.acme.example")
        globex = sandbox.client(sandbox.add_key(tenant="globex"))
        taken = globex.post("/domain-mapping", json={"domain": "insight.acme.example"})
        assert taken.status_code == 201
        before = control("GET", "/state")
        refused = control.ask("POST", "/reset", {"tenant": "acme"})
        assert refused.status_code == 409
        assert "insight.acme.example" in refused.json["detail"]
        assert control("GET", "/state") == before


class TestSeeds:
    def test_replace_leaves_nothing_of_what_was_there(self, control):
        answer = control("POST", "/seed", {"mode": "replace", "seed": SEED})
        assert answer["counts"]["tenants"] == 1
        assert usernames(control) == {"Bill@initech.test", "peter@initech.test"}

    def test_merge_keeps_what_was_there(self, sandbox, control):
        control("POST", "/seed", {"mode": "merge", "seed": SEED})
        assert usernames(control) >= {"alice@acme.test", "peter@initech.test"}
        assert sandbox.administrator.get("/info").status_code == 200

    def test_a_merged_tenant_or_user_without_an_id_keeps_its_own(self, control):
        before = {row["username"]: row["id"] for row in control("GET", "/state")["users"]}
        user = {"username": "ALICE@acme.test", "email": "a@acme.test", "home": "acme"}
        control("POST", "/seed", {"mode": "merge", "seed": {"users": [user]}})
        after = {row["username"]: row["id"] for row in control("GET", "/state")["users"]}
        assert after["ALICE@acme.test"] == before["alice@acme.test"]

    @pytest.mark.parametrize("query, tenants", [("", 1), ("?mode=replace", 1), ("?mode=merge", 3)])
    def test_a_bare_seed_takes_its_mode_from_the_query(self, control, query, tenants):
        assert control("POST", f"/seed{query}", SEED)["counts"]["tenants"] == tenants

    def test_tokens_and_ids_are_those_of_the_seed(self, sandbox, control):
        control("POST", "/seed", SEED)
        bill = sandbox.client("bills-own-token")
        assert bill.get("/whoami").json["role"] == "ADMINISTRATOR"
        assert bill.get("/privileges/71").json["reportsTo"] == "Bill@initech.test"

    def test_instants_may_be_relative_to_loading(self, sandbox, control):
        control("POST", "/seed", SEED)
        window = sandbox.client("bills-own-token").get("/privileges/71").json
        assert (window["activeFrom"], window["activeUntil"]) == (
            "2026-01-14T12:00:00Z",
            "2026-02-14T12:00:00Z",
        )

    def test_what_is_exported_can_be_loaded_again(self, sandbox, control):
        control("POST", "/seed", {"mode": "merge", "seed": SEED})
        sandbox.administrator.post("/services/enterprise", json={})
        sandbox.administrator.post(
            "/endpoints",
            json={"url": "amqps://mq.acme.example", "endpointType": "MQ_INCOMING", "password": "x"},
        )
        exported = control("GET", "/state")
        assert len(exported["endpoints"]) == 1
        control("POST", "/seed", exported)
        assert control("GET", "/state") == exported

    def test_every_error_is_told_with_its_place_and_nothing_is_loaded(self, control):
        before = control("GET", "/state")
        refused = control.ask(
            "POST",
            "/seed",
            {
                "tenants": [{"label": "new", "name": "New"}, {"label": "Bad Label", "name": "x"}],
                "users": [{"username": "a@new.test", "email": "none", "home": "new"}],
                "privileges": [{"tenant": "new", "username": "nobody", "role": "USER"}],
                "apiKeys": [
                    {"tenant": "new", "username": None, "type": "BASIC", "apiToken": "same-token"},
                    {"tenant": "new", "username": None, "type": "BASIC", "apiToken": "same-token"},
                ],
                "domainMappings": [
                    {"tenant": "new", "domain": "insight.new.example", "activeFrom": "soon"}
                ],
            },
        )
        assert refused.status_code == 422
        assert set(refused.json["errors"]) == {"domainMappings[0].activeFrom"}
        assert control("GET", "/state") == before

    def test_members_and_references_are_told_together(self, control):
        before = control("GET", "/state")
        refused = control.ask(
            "POST",
            "/seed?mode=merge",
            {
                "tenants": [{"label": "Bad Label", "name": "x"}],
                "users": [{"username": "a@acme.test", "email": "none", "home": "acme"}],
                "privileges": [{"tenant": "acme", "username": "nobody", "role": "USER"}],
                "apiKeys": [
                    {"tenant": "acme", "username": None, "type": "BASIC", "apiToken": "same-token"},
                    {"tenant": "acme", "username": None, "type": "BASIC", "apiToken": "same-token"},
                ],
            },
        )
        assert set(refused.json["errors"]) == {
            "tenants[0].label",
            "users[0].email",
            "privileges[0].username",
            "apiKeys[1]",
        }
        assert control("GET", "/state") == before

    @pytest.mark.parametrize(
        "body, place",
        [
            ({"seed": {}, "mode": "add"}, "mode"),
            ({"seed": {}, "mode": None}, "mode"),
            ({"seed": {}, "what": 1}, "what"),
            ({"seed": []}, "seed"),
            ({"seed": None}, "seed"),
            ({"planets": []}, "planets"),
            ({"users": {}}, "users"),
            ({"users": [1]}, "users[0]"),
            ({"tenants": [{"label": ["x"], "name": "x"}]}, "tenants[0].label"),
            ({"tenants": [{"label": {}, "name": "x"}]}, "tenants[0].label"),
        ],
    )
    def test_what_is_no_seed_is_422(self, control, body, place):
        refused = control.ask("POST", "/seed", body)
        assert refused.status_code == 422
        assert place in refused.json["errors"]

    def test_a_seed_may_be_larger_than_the_bodies_of_the_api(self):
        sandbox = Sandbox(control="on", max_body=100)
        control = Controls(sandbox.client())
        assert control("POST", "/seed", SEED)["counts"]["users"] == 2

    @pytest.mark.parametrize("path", ["/seed", "/seed?mode=replace", "/seed?mode=merge"])
    def test_without_a_body_nothing_is_loaded_and_nothing_lost(self, control, path):
        """A page of another site can have a browser send such a request."""
        before = control("GET", "/state")
        assert control.ask("POST", path).status_code == 400
        assert control("GET", "/state") == before


class TestKeys:
    def test_each_key_that_opens_something_is_listed_with_who_acts_with_it(self, sandbox, control):
        sandbox.add_user("bob@acme.test", "TEAM_LEADER")
        bobs = sandbox.add_key("bob@acme.test", type="QUERY_ONLY")
        globex = sandbox.add_key(tenant="globex")
        shown = [
            (key["tenant"], key["username"], key["role"], key["type"], key["apiToken"])
            for key in control("GET", "/keys")
        ]
        alices = sandbox.administrator.token
        assert shown == [
            ("acme", "alice@acme.test", "ADMINISTRATOR", "BASIC", alices),
            ("acme", "bob@acme.test", "TEAM_LEADER", "QUERY_ONLY", bobs),
            ("globex", None, "ADMINISTRATOR", "BASIC", globex),
        ]

    def test_those_that_open_nothing_now_are_not(self, sandbox, control):
        sandbox.add_user("bob@acme.test", role=None)
        sandbox.add_key("bob@acme.test")
        sandbox.add_key(active_from="2026-02-01T00:00:00Z")
        sandbox.add_key(active_from="2025-02-01T00:00:00Z", active_until="2026-01-01T00:00:00Z")
        assert len(control("GET", "/keys")) == 1
        control("PUT", "/clock", {"now": "2026-02-01T00:00:00Z"})
        assert len(control("GET", "/keys")) == 2

    def test_the_demo_has_one_for_every_role(self):
        demo = Sandbox(demo="on")
        Controls(demo.client())("POST", "/reset")
        keys = Controls(demo.client())("GET", "/keys")
        assert {key["role"] for key in keys} == set(ROLES)
        for key in keys:
            status = demo.client(key["apiToken"]).get("/whoami").status_code
            assert status == (403 if key["type"] == "INGESTION_ONLY" else 200)


class TestSnapshots:
    def test_a_snapshot_brings_the_records_back_as_often_as_it_is_loaded(self, sandbox, control):
        control("PUT", "/snapshots/before")
        saved = control("GET", "/state")
        for name in ("bob@acme.test", "carol@acme.test"):
            sandbox.add_user(name)
            control("POST", "/snapshots/before/load")
            assert control("GET", "/state") == saved

    def test_clock_and_faults_are_no_part_of_it(self, control):
        control("PUT", "/snapshots/before")
        control("PUT", "/clock", {"now": "2040-01-01T00:00:00Z"})
        control("POST", "/faults", {"path": "/info", "status": 500})
        control("POST", "/snapshots/before/load")
        assert control("GET", "/clock")["now"] == "2040-01-01T00:00:00Z"
        assert len(control("GET", "/faults")) == 1

    def test_saving_under_a_name_again_replaces_it(self, sandbox, control):
        control("PUT", "/snapshots/one")
        sandbox.add_tenant("later")
        saved = control("PUT", "/snapshots/one")
        assert saved["counts"]["tenants"] == 3
        assert [each["counts"]["tenants"] for each in control("GET", "/snapshots")] == [3]

    def test_the_list_tells_names_times_and_counts(self, control):
        control("PUT", "/snapshots/one")
        control("PUT", "/clock", {"now": "2040-01-01T00:00:00Z"})
        control("PUT", "/snapshots/two")
        listed = control("GET", "/snapshots")
        assert [(each["name"], each["created"]) for each in listed] == [
            ("one", "2026-01-15T12:00:00Z"),
            ("two", "2040-01-01T00:00:00Z"),
        ]
        assert listed[0]["counts"]["users"] == 1

    def test_there_are_only_so_many_and_one_may_be_saved_again(self, control):
        for number in range(MOST_SNAPSHOTS):
            control("PUT", f"/snapshots/s-{number}")
        refused = control.ask("PUT", "/snapshots/one-more")
        assert refused.status_code == 409
        assert "Remove some" in refused.json["detail"]
        assert control.ask("PUT", "/snapshots/s-0").status_code == 200
        control("DELETE", "/snapshots/s-1")
        assert control.ask("PUT", "/snapshots/one-more").status_code == 200

    def test_all_together_are_only_so_large(self, sandbox, control, monkeypatch):
        size = control("PUT", "/snapshots/one")["bytes"]
        monkeypatch.setattr(parts, "LARGEST_SNAPSHOTS", 2 * size)
        assert control("PUT", "/snapshots/two")["bytes"] == size
        assert control.ask("PUT", "/snapshots/three").status_code == 409
        sandbox.add_tenant("more")
        assert control.ask("PUT", "/snapshots/two").status_code == 409
        assert [each["bytes"] for each in control("GET", "/snapshots")] == [size, size]

    def test_a_deleted_one_is_gone(self, control):
        control("PUT", "/snapshots/one")
        control("DELETE", "/snapshots/one")
        assert control("GET", "/snapshots") == []
        assert control.ask("DELETE", "/snapshots/one").status_code == 404
        assert control.ask("POST", "/snapshots/one/load").status_code == 404

    @pytest.mark.parametrize("name", ["A", "a b", "a" * 65, "..."])
    def test_a_name_is_a_slug(self, control, name):
        assert control.ask("PUT", f"/snapshots/{name}").status_code == 422


class TestTenantsToThrowAway:
    def test_one_call_makes_a_tenant_with_a_key_that_works(self, sandbox, control):
        made = control.ask("POST", "/tenants")
        assert made.status_code == 201
        who = sandbox.client(made.json["apiToken"]).get("/whoami").json
        assert who["tenant"]["label"] == made.json["tenant"]
        assert who["user"]["username"] == made.json["username"]
        assert who["role"] == "ADMINISTRATOR"
        assert made.json["url"] == "http://localhost/api/v1/provisioning"

    def test_those_that_there_are_are_listed_the_oldest_first(self, control):
        control("POST", "/tenants", {"label": "umbrella", "name": "Umbrella"})
        listed = control("GET", "/tenants")
        assert [each["label"] for each in listed][-1] == "umbrella"
        assert listed[-1] == {"label": "umbrella", "name": "Umbrella"}
        assert "acme" in [each["label"] for each in listed]

    def test_each_has_a_label_of_its_own(self, control):
        labels = {control("POST", "/tenants")["tenant"] for _ in range(20)}
        assert len(labels) == 20

    def test_label_name_and_administrator_are_as_asked(self, sandbox, control):
        asked = {"label": "initech", "name": "Initech Inc", "admin": "Bill@initech.test"}
        made = control("POST", "/tenants", asked)
        assert (made["tenant"], made["username"]) == ("initech", "Bill@initech.test")
        assert sandbox.client(made["apiToken"]).get("/info").json["name"] == "Initech Inc"

    def test_an_account_that_exists_becomes_the_administrator(self, sandbox, control):
        made = control("POST", "/tenants", {"admin": "alice@acme.test"})
        assert made["username"] == "alice@acme.test"
        assert sandbox.client(made["apiToken"]).get("/whoami").json["role"] == "ADMINISTRATOR"

    @pytest.mark.parametrize(
        "body, status",
        [
            ({"label": "acme"}, 409),
            ({"label": "Not A Slug"}, 422),
            ({"admin": "a/b"}, 422),
            ({"plan": "enterprise"}, 422),
        ],
    )
    def test_what_can_not_be_made_changes_nothing(self, control, body, status):
        before = control("GET", "/state")
        assert control.ask("POST", "/tenants", body).status_code == status
        assert control("GET", "/state") == before

    def test_removal_takes_everything_in_it_with_it(self, sandbox, control):
        before = control("GET", "/state")
        made = control("POST", "/tenants", {"label": "initech"})
        own = sandbox.client(made["apiToken"])
        for path, body in {
            "/users": {"username": "b@initech.test", "email": "b@initech.test", "password": "x"},
            "/domain-mapping": {"domain": "insight.initech.example"},
            "/endpoints": {"url": "amqp://mq.example", "endpointType": "MQ_INCOMING"},
        }.items():
            assert own.post(path, json=body).status_code == 201
        control("DELETE", "/tenants/initech")
        assert control("GET", "/state") == before
        assert own.get("/whoami").status_code == 401

    def test_an_account_that_holds_something_elsewhere_moves_home_there(self, sandbox, control):
        made = control("POST", "/tenants", {"label": "initech"})
        sandbox.grant(made["username"], "USER", tenant="globex")
        control("DELETE", "/tenants/initech")
        homes = {user["username"]: user["home"] for user in control("GET", "/state")["users"]}
        assert homes[made["username"]] == "globex"

    def test_records_of_others_no_longer_name_an_account_that_went(self, control):
        made = control("POST", "/tenants", {"label": "initech"})
        ids = {user["username"]: user["id"] for user in control("GET", "/state")["users"]}
        state = control("GET", "/state")
        state["subscriptions"][0]["registeredBy"] = made["username"]
        state["endpoints"] = [
            {
                "tenant": "acme",
                "url": "amqp://mq.example",
                "endpointType": "MQ_INCOMING",
                "registeredByUserId": ids[made["username"]],
            }
        ]
        state["statementConfigs"] = [
            {"tenant": "acme", "label": "any", "config": {}, "changedBy": made["username"]}
        ]
        control("POST", "/seed", state)
        control("DELETE", "/tenants/initech")
        left = control("GET", "/state")
        assert left["subscriptions"][0]["registeredBy"] is None
        assert left["endpoints"][0]["registeredByUserId"] is None
        assert left["statementConfigs"][0]["changedBy"] is None

    def test_an_unknown_one_is_404(self, control):
        assert control.ask("DELETE", "/tenants/nowhere").status_code == 404


class TestLargeDatabases:
    """What is in memory costs nothing to keep; of a database a copy is made."""

    @pytest.fixture
    def stored(self, tmp_path, monkeypatch):
        monkeypatch.setattr("provisioning.store.sql.view.MOST_FROZEN", 3)
        place = Place("sqlite", tmp_path / "p.db")
        store = open_store(place, COLLECTIONS.form)
        yield Sandbox(store=store, control="on")
        store.close()

    def test_no_copy_is_kept_and_who_asks_for_it_is_told(self, stored):
        control = Controls(stored.client())
        assert stored.administrator.get("/users").status_code == 200
        for verb, path in (("POST", "/reset"), ("PUT", "/snapshots/one")):
            refused = control.ask(verb, path)
            assert refused.status_code == 409
            assert "too many records" in refused.json["detail"]
        assert stored.administrator.get("/users").status_code == 200

    def test_a_seed_is_laid_over_what_is_there_all_the_same(self, stored):
        control = Controls(stored.client())
        control("POST", "/seed", {"mode": "merge", "seed": SEED})
        assert "bill@initech.test" in {name.lower() for name in usernames(control)}
