"""Users: how they are shown, made, changed and removed."""

from datetime import timedelta

import pytest

from provisioning import seed
from provisioning.testing.sandbox import Sandbox
from tests.contract.asking import LATER, NOW
from tests.scim.asking import ENTERPRISE, USER, IdentityProvider, error, kind, privileges


def manager(user_id):
    return {ENTERPRISE: {"manager": {"value": user_id}}}


class TestAUserIsShown:
    def test_with_all_that_is_known(self, sandbox, provider):
        sandbox.add_user(
            "bob@acme.test",
            firstName="Bob",
            lastName="Baker",
            avatar="bob.png",
            timeZone="Atlantic/Reykjavik",
            reports_to="alice@acme.test",
        )

        user = provider.user(provider.id_of("bob@acme.test"))

        assert user == {
            "schemas": [USER, ENTERPRISE],
            "id": "2",
            "userName": "bob@acme.test",
            "name": {"givenName": "Bob", "familyName": "Baker"},
            "displayName": "Bob Baker",
            "emails": [{"value": "bob@acme.test", "type": "work", "primary": True}],
            "photos": [{"value": "bob.png", "type": "photo", "primary": True}],
            "timezone": "Atlantic/Reykjavik",
            "active": True,
            "groups": [{"value": "USER", "display": "USER"}],
            ENTERPRISE: {"manager": {"value": "1"}},
            "meta": {
                "resourceType": "User",
                "location": "http://localhost/scim/v2/Users/2",
                "version": user["meta"]["version"],
            },
        }

    def test_by_the_username_where_there_is_no_name(self, provider):
        assert provider.user("1")["displayName"] == "alice@acme.test"

    def test_without_a_password(self, provider):
        user = provider.create("bob@acme.test", password="secret secret")

        assert "password" not in user

    def test_without_time_zone_through_another_tenant(self, sandbox, provider):
        sandbox.add_user("grace@globex.test", tenant="globex", timeZone="Asia/Tokyo")
        sandbox.grant("grace@globex.test", "USER")

        user = provider.user(provider.id_of("grace@globex.test"))

        assert "timezone" not in user
        assert user["emails"][0]["value"] == "grace@globex.test"

    def test_with_the_roles_held_without_an_end_as_groups(self, sandbox, provider):
        sandbox.add_user("bob@acme.test", "MANAGEMENT")
        sandbox.grant("bob@acme.test", "USER", active_until=LATER)

        user = provider.user(provider.id_of("bob@acme.test"))

        assert user["groups"] == [{"value": "MANAGEMENT", "display": "MANAGEMENT"}]

    @pytest.mark.parametrize(
        ("window", "is_active"),
        [
            ({"active_from": LATER}, False),
            ({"active_until": LATER}, True),
            ({"active_from": "2020-01-01T00:00:00Z", "active_until": NOW}, False),
        ],
    )
    def test_active_while_a_privilege_is_active(self, sandbox, provider, window, is_active):
        sandbox.add_user("bob@acme.test", **window)

        assert provider.user(provider.id_of("bob@acme.test"))["active"] is is_active

    def test_not_at_all_without_a_privilege_in_the_tenant(self, sandbox, provider):
        sandbox.add_user("bob@acme.test", role=None)

        assert provider.found('userName eq "bob@acme.test"') == []
        assert kind(provider.get("/Users/2")) == (404, None)

    def test_with_the_attributes_that_are_asked_for(self, provider):
        user = provider.get("/Users/1", attributes="userName,emails.value").json

        assert user == {
            "schemas": [USER],
            "id": "1",
            "userName": "alice@acme.test",
            "emails": [{"value": "alice@acme.test"}],
        }

    def test_without_the_attributes_that_are_excluded(self, provider):
        user = provider.get("/Users/1", excludedAttributes="emails,GROUPS,id,meta").json

        assert user == {
            "schemas": [USER],
            "id": "1",
            "userName": "alice@acme.test",
            "displayName": "alice@acme.test",
            "active": True,
        }

    def test_attributes_and_excluded_ones_together_are_refused(self, provider):
        response = provider.get("/Users/1", attributes="emails", excludedAttributes="groups")

        assert kind(response) == (400, "invalidValue")


class TestAUserIsMade:
    def test_with_where_they_are_and_their_etag(self, provider):
        response = provider.post("/Users", {"schemas": [USER], "userName": "bob@acme.test"})

        assert response.status_code == 201
        assert response.headers["Location"] == response.json["meta"]["location"]
        assert response.headers["Location"].endswith("/scim/v2/Users/2")
        assert response.headers["ETag"] == response.json["meta"]["version"]

    def test_at_home_in_the_tenant_and_as_user_from_now(self, sandbox, provider):
        provider.create(
            "bob@acme.test",
            name={"givenName": "Bob", "familyName": "Baker"},
            emails=[{"value": "b@acme.test", "type": "work", "primary": True}],
            photos=[{"value": "bob.png"}],
            timezone="Atlantic/Reykjavik",
        )

        user = sandbox.administrator.get("/users/bob@acme.test").json
        assert user["home"] is True
        assert (user["firstName"], user["lastName"]) == ("Bob", "Baker")
        assert (user["email"], user["avatar"]) == ("b@acme.test", "bob.png")
        assert user["timeZone"] == "Atlantic/Reykjavik"
        (privilege,) = user["tenantUserPrivileges"]
        assert (privilege["role"], privilege["activeFrom"]) == ("USER", NOW)
        assert privilege["activeUntil"] is None

    def test_without_a_password_where_none_is_sent(self, sandbox, provider):
        provider.create("bob@acme.test")
        provider.create("eve@acme.test", password="secret secret")

        with sandbox.store.read() as view:
            assert view.get("users", "bob@acme.test")["passwordHash"] is None
            assert view.get("users", "eve@acme.test")["passwordHash"].startswith(
                ("scrypt:", "cheap$")
            )

    @pytest.mark.parametrize(
        ("emails", "kept"),
        [
            ([{"value": "a@x.test"}, {"value": "b@x.test", "primary": True}], "b@x.test"),
            (
                [{"value": "a@x.test", "type": "home"}, {"value": "b@x.test", "type": "Work"}],
                "b@x.test",
            ),
            ([{"value": "a@x.test"}, {"value": "b@x.test"}], "a@x.test"),
            ([{"type": "work"}], "bob@acme.test"),
            ([], "bob@acme.test"),
        ],
        ids=["the primary one", "that of work", "the first", "the username", "for want of any"],
    )
    def test_with_one_address(self, provider, emails, kept):
        user = provider.create("bob@acme.test", emails=emails)

        assert user["emails"] == [{"value": kept, "type": "work", "primary": True}]

    def test_only_with_an_address(self, provider):
        response = provider.post("/Users", {"userName": "bob"})

        assert kind(response) == (400, "invalidValue")
        assert provider.found('userName eq "bob"') == []

    def test_whatever_else_identity_providers_send(self, provider):
        user = provider.create(
            "bob@acme.test",
            id="99",
            displayName="The Boss",
            title="Boss",
            addresses=[{"type": "work", "country": "ISL"}],
            name={"givenName": "Bob", "formatted": "Bob!", "honorificPrefix": "Dr."},
            groups=[{"value": "ADMINISTRATOR"}],
            meta={"resourceType": 5},
            **{ENTERPRISE: {"department": "Sales"}, "urn:okta:custom": {"x": 1}},
        )

        assert user["id"] == "2"
        assert user["displayName"] == "Bob"
        assert user["groups"] == [{"value": "USER", "display": "USER"}]
        assert not {"title", "addresses", "urn:okta:custom", ENTERPRISE} & user.keys()

    def test_from_names_of_attributes_in_any_case(self, provider):
        response = provider.post("/Users", {"USERNAME": "bob@acme.test", "Active": "False"})

        assert response.status_code == 201
        assert response.json["active"] is False

    @pytest.mark.parametrize(
        ("attributes", "named"),
        [
            ({"userName": None}, "userName"),
            ({"userName": "   "}, "userName"),
            ({"userName": "a/b@acme.test"}, "userName"),
            ({"userName": 5}, "userName"),
            ({"emails": [{"value": "nothing"}]}, "emails.value"),
            ({"emails": "bob@acme.test"}, "emails"),
            ({"name": "Bob"}, "name"),
            ({"name": {"givenName": "B\u0001b"}}, "name.givenName"),
            ({"name": {"familyName": "x" * 251}}, "name.familyName"),
            ({"timezone": "Moon/Base"}, "timezone"),
            ({"active": "perhaps"}, "active"),
            ({"active": 1}, "active"),
            ({"password": "x" * 1025}, "password"),
            ({"externalId": "x" * 251}, "externalId"),
            (manager("99"), "manager"),
        ],
    )
    def test_only_with_values_that_the_api_takes(self, provider, attributes, named):
        response = provider.post("/Users", {"userName": "bob@acme.test", **attributes})

        status, scim_type, detail = error(response)
        assert (status, scim_type) == (400, "invalidValue")
        assert named in detail
        assert provider.get("/Users").json["totalResults"] == 1

    def test_once(self, provider):
        provider.create("bob@acme.test")

        assert kind(provider.post("/Users", {"userName": "BOB@acme.test"})) == (409, "uniqueness")

    def test_inactive_is_visible_and_has_a_privilege_that_has_ended(self, sandbox, provider):
        user = provider.create("bob@acme.test", active=False)

        assert user["active"] is False
        assert provider.user(user["id"])["active"] is False
        (privilege,) = privileges(sandbox, "bob@acme.test")
        assert (privilege["activeFrom"], privilege["activeUntil"]) == (NOW, NOW)

    def test_of_another_tenant_s_account_which_keeps_its_id_and_profile(self, sandbox, provider):
        sandbox.add_user("grace@globex.test", tenant="globex", firstName="Grace")

        user = provider.create(
            "GRACE@globex.test",
            externalId="g-1",
            name={"givenName": "Grave"},
            emails=[{"value": "other@acme.test"}],
            password="secret secret",
        )

        assert (user["id"], user["externalId"]) == ("2", "g-1")
        assert user["userName"] == "grace@globex.test"
        assert user["name"] == {"givenName": "Grace"}
        assert user["emails"][0]["value"] == "grace@globex.test"
        assert user["groups"] == [{"value": "USER", "display": "USER"}]
        with sandbox.store.read() as view:
            assert view.get("users", "grace@globex.test")["passwordHash"] is None


class TestAUserIsReplaced:
    def test_by_what_is_sent(self, provider):
        made = provider.create(
            "bob@acme.test", name={"givenName": "Bob", "familyName": "Baker"}, externalId="1"
        )

        response = provider.put(
            f"/Users/{made['id']}",
            {
                "schemas": [USER],
                "userName": "bob@acme.test",
                "name": {"givenName": "Robert"},
                "emails": [{"value": "r@acme.test"}],
            },
        )

        assert response.status_code == 200
        assert response.json["name"] == {"givenName": "Robert"}
        assert response.json["emails"][0]["value"] == "r@acme.test"
        assert "externalId" not in response.json
        assert provider.user(made["id"]) == response.json

    def test_by_itself_changes_nothing(self, sandbox, provider):
        sandbox.add_user("bob@acme.test", reports_to="alice@acme.test", timeZone="Asia/Tokyo")
        before = provider.user("2")
        changes = len(sandbox.administrator.get("/audit").json)

        after = provider.put("/Users/2", before).json

        assert after == before
        assert len(sandbox.administrator.get("/audit").json) == changes

    def test_but_keeps_active_emails_manager_and_password_that_are_not_sent(
        self, sandbox, provider
    ):
        made = provider.create(
            "bob@acme.test",
            emails=[{"value": "b@acme.test"}],
            password="secret secret",
            **manager("1"),
        )
        with sandbox.store.read() as view:
            before = view.get("users", "bob@acme.test")["passwordHash"]

        after = provider.put(f"/Users/{made['id']}", {"userName": "bob@acme.test"}).json

        assert after["active"] is True
        assert after["emails"][0]["value"] == "b@acme.test"
        assert after[ENTERPRISE] == {"manager": {"value": "1"}}
        with sandbox.store.read() as view:
            assert view.get("users", "bob@acme.test")["passwordHash"] == before

    def test_as_a_whole_or_not_at_all(self, sandbox, provider):
        made = provider.create("bob@acme.test")

        response = provider.put(
            f"/Users/{made['id']}",
            {"userName": "bob@acme.test", "name": {"givenName": "Bob"}, **manager("99")},
        )

        assert kind(response) == (400, "invalidValue")
        assert provider.user(made["id"]) == made

    def test_of_another_home_only_in_what_the_tenant_decides(self, sandbox, provider):
        sandbox.add_user("grace@globex.test", tenant="globex", firstName="Grace")
        sandbox.grant("grace@globex.test", "USER")

        after = provider.put(
            "/Users/2",
            {
                "userName": "grace@globex.test",
                "externalId": "g-1",
                "name": {"givenName": "Grave"},
                "emails": [{"value": "x@acme.test"}],
                "timezone": "Asia/Tokyo",
                "active": False,
            },
        ).json

        assert after["name"] == {"givenName": "Grace"}
        assert after["emails"][0]["value"] == "grace@globex.test"
        assert (after["externalId"], after["active"]) == ("g-1", False)


class TestAUserIsDeactivated:
    def test_and_holds_nothing_any_more_nor_will(self, sandbox, provider):
        sandbox.add_user("bob@acme.test", "MANAGEMENT")
        sandbox.grant("bob@acme.test", "USER", active_from=LATER)

        response = provider.patch("/Users/2", {"op": "replace", "path": "active", "value": False})

        assert response.json["active"] is False
        assert {each["activeUntil"] for each in privileges(sandbox, "bob@acme.test")} == {
            NOW,
            LATER,
        }
        assert provider.user("2")["active"] is False

    def test_but_never_the_last_administrator(self, provider):
        response = provider.patch("/Users/1", {"op": "replace", "path": "active", "value": False})

        assert error(response)[0] == 409
        assert "ADMINISTRATOR" in error(response)[2]
        assert provider.user("1")["active"] is True

    def test_and_activated_again_as_user(self, sandbox, provider):
        sandbox.add_user("bob@acme.test", "MANAGEMENT")
        provider.patch("/Users/2", {"op": "replace", "path": "active", "value": False})

        user = provider.patch("/Users/2", {"op": "replace", "path": "active", "value": True}).json

        assert user["active"] is True
        assert [each["value"] for each in user["groups"]] == ["USER"]

    def test_and_activated_until_a_user_privilege_that_is_to_come_begins(self, sandbox, provider):
        sandbox.add_user("bob@acme.test", active_from=LATER)

        provider.patch("/Users/2", {"op": "replace", "path": "active", "value": True})

        held = {(p["activeFrom"], p["activeUntil"]) for p in privileges(sandbox, "bob@acme.test")}
        assert held == {(NOW, LATER), (LATER, None)}

    def test_whoever_is_active_already_is_granted_nothing(self, sandbox, provider):
        sandbox.add_user("bob@acme.test", "TEAM_LEADER", active_until=LATER)

        provider.patch("/Users/2", {"op": "replace", "path": "active", "value": True})

        assert len(privileges(sandbox, "bob@acme.test")) == 1


class TestAUserIsRemoved:
    def test_and_neither_found_nor_shown(self, sandbox, provider):
        made = provider.create("bob@acme.test", externalId="b-1")

        response = provider.delete(f"/Users/{made['id']}")

        assert (response.status_code, response.data) == (204, b"")
        assert kind(provider.get(f"/Users/{made['id']}")) == (404, None)
        assert provider.get("/Users").json["totalResults"] == 1
        for filter_ in (
            'userName eq "bob@acme.test"',
            'externalId eq "b-1"',
            'emails eq "bob@acme.test"',
            f'id eq "{made["id"]}"',
            "active eq false",
            'userName co "bob"',
        ):
            assert provider.found(filter_) == []
        for method in ("PUT", "PATCH", "DELETE"):
            body = {"userName": "bob@acme.test", "Operations": [{"op": "remove", "path": "name"}]}
            response = provider.request(method, f"/Users/{made['id']}", body)
            assert kind(response) == (404, None)

    def test_from_the_tenant_but_not_from_its_history(self, sandbox, provider):
        made = provider.create("bob@acme.test")

        provider.delete(f"/Users/{made['id']}")

        assert sandbox.administrator.get("/users/bob@acme.test").status_code == 200
        assert [each["activeUntil"] for each in privileges(sandbox, "bob@acme.test")] == [NOW]

    def test_but_never_the_last_administrator(self, provider):
        assert kind(provider.delete("/Users/1")) == (409, None)
        assert provider.user("1")["active"] is True

    def test_until_they_hold_an_active_privilege_again(self, sandbox, provider):
        made = provider.create("bob@acme.test")
        provider.delete(f"/Users/{made['id']}")

        sandbox.clock.advance(timedelta(hours=1))
        sandbox.grant("bob@acme.test", "USER", active_from=LATER)
        assert kind(provider.get(f"/Users/{made['id']}")) == (404, None)
        assert provider.found('userName eq "bob@acme.test"') == []
        assert [user["id"] for user in provider.get("/Users").json["Resources"]] == ["1"]
        sandbox.clock.set(LATER)

        assert provider.user(made["id"])["active"] is True
        assert provider.found("active eq true")[1:] == ["bob@acme.test"]

    def test_and_stays_visible_when_that_privilege_has_ended(self, sandbox, provider):
        made = provider.create("bob@acme.test")
        provider.delete(f"/Users/{made['id']}")
        sandbox.grant("bob@acme.test", "USER")

        sandbox.administrator.delete("/users/bob@acme.test")

        assert provider.user(made["id"])["active"] is False
        assert provider.found("active eq false") == ["bob@acme.test"]

    def test_and_made_again_with_the_same_id(self, sandbox, provider):
        made = provider.create("bob@acme.test", name={"givenName": "Bob"}, externalId="b-1")
        provider.delete(f"/Users/{made['id']}")

        again = provider.create("Bob@acme.test", name={"familyName": "Baker"}, externalId="b-2")

        assert again["id"] == made["id"]
        assert (again["active"], again["externalId"]) == (True, "b-2")
        assert again["name"] == {"familyName": "Baker"}
        assert provider.user(made["id"]) == again

    def test_and_made_again_inactive(self, provider):
        made = provider.create("bob@acme.test")
        provider.delete(f"/Users/{made['id']}")

        provider.create("bob@acme.test", active=False)

        assert provider.user(made["id"])["active"] is False
        assert provider.found("active eq false") == ["bob@acme.test"]

    def test_of_another_home_who_stays_in_other_tenants(self, sandbox, provider):
        sandbox.add_user("grace@globex.test", tenant="globex")
        sandbox.grant("grace@globex.test", "USER")

        assert provider.delete("/Users/2").status_code == 204

        globex = sandbox.client(sandbox.add_key(None, tenant="globex"))
        user = globex.get("//scim/v2/Users/2").json
        assert user["active"] is True


class TestExternalIds:
    def test_are_each_tenant_s_own(self, sandbox, provider):
        sandbox.add_user("grace@globex.test", tenant="globex")
        sandbox.grant("grace@globex.test", "USER")
        globex = sandbox.client(sandbox.add_key(None, tenant="globex"))
        provider.patch("/Users/2", {"op": "add", "path": "externalId", "value": "here"})

        assert provider.user("2")["externalId"] == "here"
        assert "externalId" not in globex.get("//scim/v2/Users/2").json

    def test_are_told_by_their_exact_spelling(self, provider):
        provider.create("bob@acme.test", externalId="B-1")

        assert provider.found('externalId eq "B-1"') == ["bob@acme.test"]
        assert provider.found('externalId eq "b-1"') == []

    def test_are_in_the_audit_as_a_change_of_users(self, sandbox, provider):
        made = provider.create("bob@acme.test", externalId="b-1")
        provider.patch(f"/Users/{made['id']}", {"op": "remove", "path": "externalId"})

        told = [
            (each["action"], each["target"], each["user"], each["via"], each["changes"])
            for each in sandbox.administrator.get("/audit?resource=users").json
        ]
        about = ("change", "bob@acme.test", "bob@acme.test", "scim")
        assert told[:2] == [
            (*about, {"externalId": {"from": "b-1", "to": None}}),
            (*about, {"externalId": {"from": None, "to": "b-1"}}),
        ]

    def test_survive_export_and_import(self, sandbox, provider):
        provider.create("bob@acme.test", externalId="b-1")
        gone = provider.create("eve@acme.test")
        provider.delete(f"/Users/{gone['id']}")
        provider.patch("/Groups/USER", {"op": "add", "path": "externalId", "value": "g-1"})
        with sandbox.store.read() as view:
            exported = seed.export(sandbox.parts.collections, view)

        other = Sandbox(scim="on")
        entries = seed.prepare_seed(other.parts, exported, NOW)
        with other.store.transaction() as transaction:
            seed.load_seed(other.parts, transaction, entries, NOW)

        there = IdentityProvider(other.client(provider.client.token))
        assert there.found('externalId eq "b-1"') == ["bob@acme.test"]
        assert there.found('externalId eq "g-1"', "/Groups") == ["USER"]
        assert kind(there.get(f"/Users/{gone['id']}")) == (404, None)


class TestTheAudit:
    def test_tells_that_a_change_came_by_scim_and_from_which_key(self, sandbox, provider):
        provider.create("bob@acme.test", name={"givenName": "Bob"})

        told = sandbox.administrator.get("/audit?size=2").json

        assert [(each["resource"], each["action"]) for each in told] == [
            ("privileges", "create"),
            ("users", "create"),
        ]
        assert {(each["via"], each["by"]) for each in told} == {("scim", None)}
        assert {each["key"] for each in told} == {"key-2"}

    def test_tells_a_removal_as_a_revocation_and_nothing_of_the_hiding(self, sandbox, provider):
        made = provider.create("bob@acme.test")
        before = len(sandbox.administrator.get("/audit").json)

        provider.delete(f"/Users/{made['id']}")

        told = sandbox.administrator.get("/audit").json
        assert len(told) == before + 1
        assert (told[0]["resource"], told[0]["action"]) == ("privileges", "change")


class TestManagers:
    def test_are_whom_all_active_privileges_report_to(self, sandbox, provider):
        sandbox.add_user("bob@acme.test")
        sandbox.grant("bob@acme.test", "TEAM_LEADER")
        sandbox.grant("bob@acme.test", "MANAGEMENT", active_from=LATER)

        provider.patch(
            "/Users/2", {"op": "add", "path": f"{ENTERPRISE}:manager", "value": {"value": "1"}}
        )

        reports = {each["role"]: each["reportsTo"] for each in privileges(sandbox, "bob@acme.test")}
        assert reports == {
            "USER": "alice@acme.test",
            "TEAM_LEADER": "alice@acme.test",
            "MANAGEMENT": None,
        }

    @pytest.mark.parametrize(
        "operation",
        [
            {"op": "remove", "path": f"{ENTERPRISE}:manager"},
            {"op": "replace", "path": f"{ENTERPRISE}:manager", "value": {"value": ""}},
            {"op": "replace", "path": f"{ENTERPRISE}:manager", "value": ""},
            {"op": "remove", "path": f"{ENTERPRISE}:manager.value"},
        ],
    )
    def test_are_removed(self, sandbox, provider, operation):
        sandbox.add_user("bob@acme.test", reports_to="alice@acme.test")

        user = provider.patch("/Users/2", operation).json

        assert ENTERPRISE not in user
        assert privileges(sandbox, "bob@acme.test")[0]["reportsTo"] is None

    def test_are_removed_by_a_put_that_carries_none(self, sandbox, provider):
        sandbox.add_user("bob@acme.test", reports_to="alice@acme.test")

        provider.put("/Users/2", {"userName": "bob@acme.test", ENTERPRISE: {"manager": None}})

        assert privileges(sandbox, "bob@acme.test")[0]["reportsTo"] is None

    @pytest.mark.parametrize("user_id", ["99", "3", "alice@acme.test"])
    def test_are_visible_users(self, sandbox, provider, user_id):
        sandbox.add_user("bob@acme.test")
        sandbox.add_user("gone@acme.test", role=None)

        response = provider.patch(
            "/Users/2", {"op": "add", "path": f"{ENTERPRISE}:manager", "value": user_id}
        )

        assert kind(response) == (400, "invalidValue")

    @pytest.mark.parametrize("user_id", ["2", "3"])
    def test_never_close_a_circle(self, sandbox, provider, user_id):
        sandbox.add_user("bob@acme.test")
        sandbox.add_user("eve@acme.test", reports_to="bob@acme.test")

        response = provider.patch(
            "/Users/2", {"op": "add", "path": f"{ENTERPRISE}:manager", "value": user_id}
        )

        assert kind(response) == (409, None)

    def test_are_not_shown_once_they_are_hidden(self, sandbox, provider):
        sandbox.add_user("bob@acme.test")
        sandbox.add_user("eve@acme.test", reports_to="bob@acme.test")

        provider.delete("/Users/2")

        assert ENTERPRISE not in provider.user("3")


class TestWhoComesBack:
    """Who was removed and holds a new privilege is hidden until that begins, in counts as well."""

    @pytest.mark.parametrize(
        "seconds, total", [pytest.param(59, 2, id="before"), pytest.param(60, 3, id="as it begins")]
    )
    @pytest.mark.parametrize(
        "query", [{}, {"count": "1"}, {"startIndex": "2", "count": "1"}, {"filter": "userName pr"}]
    )
    def test_is_counted_from_then_on(self, sandbox, provider, query, seconds, total):
        sandbox.add_user("bob@acme.test")
        sandbox.add_user("eve@acme.test")
        provider.delete("/Users/2")
        begins = "2026-01-15T12:01:00Z"
        body = {"username": "bob@acme.test", "role": "USER", "activeFrom": begins}
        assert sandbox.administrator.post("/privileges", json=body).status_code == 201
        sandbox.clock.advance(timedelta(seconds=seconds))

        found = provider.get("/Users", **query).json

        first, size = int(query.get("startIndex", 1)), int(query.get("count", 100))
        ids = ["1", "3"] if total == 2 else ["1", "2", "3"]
        assert found["totalResults"] == total
        assert [each["id"] for each in found["Resources"]] == ids[first - 1 : first - 1 + size]
        assert provider.get("/Users/2").status_code == (404 if total == 2 else 200)


class TestETags:
    def test_change_with_the_user(self, provider):
        before = provider.get("/Users/1").headers["ETag"]

        after = provider.patch(
            "/Users/1", {"op": "add", "path": "name.givenName", "value": "Alice"}
        ).headers["ETag"]

        assert before != after
        assert provider.get("/Users/1").headers["ETag"] == after

    def test_make_304_of_what_is_known(self, provider):
        etag = provider.get("/Users/1").headers["ETag"]

        response = provider.request("GET", "/Users/1", headers={"If-None-Match": etag})

        assert (response.status_code, response.data) == (304, b"")

    @pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
    def test_guard_every_change(self, sandbox, provider, method):
        sandbox.add_user("bob@acme.test")
        body = {
            "userName": "bob@acme.test",
            "Operations": [{"op": "add", "path": "name.givenName", "value": "Bob"}],
        }
        etag = provider.get("/Users/2").headers["ETag"]

        stale = provider.request(method, "/Users/2", body, headers={"If-Match": '"stale"'})
        fresh = provider.request(method, "/Users/2", body, headers={"If-Match": etag})

        assert kind(stale) == (412, None)
        assert fresh.status_code in {200, 204}

    def test_are_the_same_by_every_name_of_the_server(self, provider):
        etags = {
            provider.request("GET", "/Users/1", headers={"Host": host}).headers["ETag"]
            for host in ("localhost", "127.0.0.1:8000", "acme.localhost")
        }

        assert len(etags) == 1


class TestAPatch:
    @pytest.mark.parametrize(
        ("operations", "scim_type"),
        [
            ([], "invalidValue"),
            ([{"op": "move", "path": "active"}], "invalidValue"),
            ([{"op": "remove"}], "noTarget"),
            ([{"op": "replace", "path": "active", "value": "maybe"}], "invalidValue"),
            ([{"op": "replace", "path": "na me", "value": "x"}], "invalidPath"),
            ([{"op": "remove", "path": "userName"}], "mutability"),
            ([{"op": "remove", "path": "active"}], "mutability"),
            ([{"op": "replace", "value": {"timezone": "Moon/Base"}}], "invalidValue"),
        ],
    )
    def test_that_is_wrong_changes_nothing(self, provider, operations, scim_type):
        first = {"op": "replace", "path": "name.givenName", "value": "Alice"}
        before = provider.user("1")

        response = provider.patch("/Users/1", *([first, *operations] if operations else []))

        assert kind(response) == (400, scim_type)
        assert provider.user("1") == before

    def test_of_what_is_not_announced_changes_nothing(self, provider):
        before = provider.user("1")

        response = provider.patch(
            "/Users/1",
            {"op": "add", "path": "title", "value": "Boss"},
            {"op": "add", "path": 'addresses[type eq "work"].country', "value": "ISL"},
            {"op": "add", "path": f"{ENTERPRISE}:department", "value": "Sales"},
            {"op": "replace", "path": "displayName", "value": "The Boss"},
            {"op": "replace", "value": {"name.formatted": "A", "nickName": "Al"}},
        )

        assert response.status_code == 200
        assert provider.user("1") == before

    def test_that_takes_the_address_leaves_the_username(self, provider):
        made = provider.create("bob@acme.test", emails=[{"value": "b@acme.test"}])

        user = provider.patch(f"/Users/{made['id']}", {"op": "remove", "path": "emails"}).json

        assert user["emails"][0]["value"] == "bob@acme.test"

    def test_that_takes_the_only_address_is_refused(self, provider):
        made = provider.create("bob", emails=[{"value": "b@acme.test"}])

        response = provider.patch(f"/Users/{made['id']}", {"op": "remove", "path": "emails"})

        assert kind(response) == (400, "invalidValue")

    def test_that_takes_an_address_from_another_home_changes_nothing(self, sandbox, provider):
        sandbox.add_user("grace", tenant="globex", email="grace@globex.test")
        sandbox.grant("grace", "USER")

        response = provider.patch("/Users/2", {"op": "remove", "path": "emails"})

        assert response.status_code == 200
        assert response.json["emails"][0]["value"] == "grace@globex.test"

    def test_sets_a_password(self, sandbox, provider):
        provider.patch("/Users/1", {"op": "replace", "path": "password", "value": "new password"})

        with sandbox.store.read() as view:
            assert view.get("users", "alice@acme.test")["passwordHash"].startswith(
                ("scrypt:", "cheap$")
            )

    def test_is_judged_by_its_end(self, sandbox, provider):
        provider.patch(
            "/Users/1",
            {"op": "replace", "path": "active", "value": False},
            {"op": "replace", "path": "active", "value": True},
        )

        assert [each["role"] for each in privileges(sandbox, "alice@acme.test")] == [
            "ADMINISTRATOR"
        ]
        assert provider.user("1")["active"] is True


def test_a_rule_of_the_domain_undoes_all_of_a_request(sandbox, provider):
    sandbox.add_user("bob@acme.test")
    before = provider.user("2")

    response = provider.patch(
        "/Users/2",
        {"op": "add", "path": "name.givenName", "value": "Bob"},
        {"op": "add", "path": "externalId", "value": "b-1"},
        {"op": "add", "path": f"{ENTERPRISE}:manager", "value": "2"},
    )

    assert kind(response) == (409, None)
    assert provider.user("2") == before


def test_a_list_shows_each_user_as_a_get_does_at_any_time_and_address(sandbox, provider):
    """What a list shows of somebody may be kept: not who is active now, nor the server's name."""
    sandbox.add_user("bob@acme.test", "MANAGEMENT", active_until="2026-01-15T13:00:00Z")
    sandbox.add_user("carl@acme.test", reports_to="bob@acme.test", firstName="Carl")
    sandbox.grant("carl@acme.test", "TEAM_LEADER", active_from="2026-01-15T12:30:00Z")
    provider.patch("/Users/2", {"op": "add", "path": "externalId", "value": "00u1"})
    seen = set()
    for host in ("localhost", "acme.localhost:8000"):
        for _ in range(3):
            headers = {"Host": host}
            listed = provider.request("GET", "/Users", headers=headers).json["Resources"]
            assert len(listed) == 3
            for each in listed:
                shown = provider.request("GET", f"/Users/{each['id']}", headers=headers)
                assert each == shown.json
                assert each["meta"]["location"].startswith(f"http://{host}/scim/v2/Users/")
            seen.add(str(listed))
            sandbox.clock.advance(45 * 60)
        sandbox.clock.advance(-3 * 45 * 60)
    assert len(seen) == 6
