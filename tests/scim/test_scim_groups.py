"""Groups: the five roles, and who holds them now and without an end."""

import pytest

from provisioning.domain.roles import ROLES
from tests.contract.asking import LATER, NOW
from tests.scim.asking import error, kind, privileges

ENDED = {"active_from": "2020-01-01T00:00:00Z", "active_until": NOW}


@pytest.fixture
def people(sandbox):
    """Username -> id of bob, eve and joe, who are users."""
    names = ("bob", "eve", "joe")
    for name in names:
        sandbox.add_user(f"{name}@acme.test")
    return {name: str(number) for number, name in enumerate(names, 2)}


def add(*ids):
    return {"op": "add", "path": "members", "value": [{"value": each} for each in ids]}


class TestGroupsAreShown:
    def test_one_for_each_role(self, provider):
        listed = provider.get("/Groups").json

        assert listed["totalResults"] == 5
        assert tuple(each["id"] for each in listed["Resources"]) == ROLES
        assert tuple(each["displayName"] for each in listed["Resources"]) == ROLES

    @pytest.mark.parametrize(
        ("window", "is_member"),
        [
            ({}, True),
            ({"active_until": LATER}, False),
            ({"active_from": LATER}, False),
            (ENDED, False),
        ],
    )
    def test_with_those_who_hold_the_role_now_and_without_an_end(
        self, sandbox, provider, window, is_member
    ):
        sandbox.add_user("bob@acme.test", "MANAGEMENT", **window)

        assert provider.members("MANAGEMENT") == ({"bob@acme.test"} if is_member else set())

    def test_with_their_etag(self, provider):
        response = provider.get("/Groups/ADMINISTRATOR")

        assert response.headers["ETag"] == response.json["meta"]["version"]
        assert response.json["members"] == [{"value": "1", "display": "alice@acme.test"}]

    def test_without_members_where_these_are_excluded(self, provider):
        response = provider.get("/Groups/ADMINISTRATOR", excludedAttributes="members")

        assert "members" not in response.json
        assert response.json["displayName"] == "ADMINISTRATOR"

    def test_never_with_another_tenant_s_members(self, sandbox, provider):
        sandbox.add_user("grace@globex.test", "ADMINISTRATOR", tenant="globex")

        assert provider.members("ADMINISTRATOR") == {"alice@acme.test"}

    @pytest.mark.parametrize(
        ("filter_", "found"),
        [
            ('displayName eq "management"', ["MANAGEMENT"]),
            (
                'displayName co "A" and not (displayName sw "T")',
                ["MANAGEMENT", "INTERNAL_AUDITING", "ADMINISTRATOR"],
            ),
            ('id eq "USER"', ["USER"]),
            ('id eq "user"', []),
            ('externalId eq "x"', []),
            ('members eq "1"', ["ADMINISTRATOR"]),
            ('members.value eq "1"', ["ADMINISTRATOR"]),
            ('members[value eq "1"]', ["ADMINISTRATOR"]),
            ('id eq "USER" and members eq "1"', []),
            ('members eq "99"', []),
        ],
    )
    def test_as_a_filter_asks(self, provider, filter_, found):
        assert provider.found(filter_, "/Groups") == found

    @pytest.mark.parametrize(
        "filter_", ['members co "1"', "members pr", 'members.display eq "x"', "meta.location pr"]
    )
    def test_but_not_by_what_would_read_whole_groups(self, provider, filter_):
        assert kind(provider.get("/Groups", filter=filter_)) == (400, "invalidFilter")

    def test_in_the_order_that_is_asked_for(self, provider):
        listed = provider.get("/Groups", sortBy="displayName", sortOrder="descending", count=2)

        assert [each["id"] for each in listed.json["Resources"]] == ["USER", "TEAM_LEADER"]
        assert listed.json["totalResults"] == 5


class TestMembersAreAdded:
    def test_from_now(self, sandbox, provider, people):
        response = provider.patch("/Groups/TEAM_LEADER", add(people["bob"], people["eve"]))

        assert (response.status_code, response.data) == (204, b"")
        assert provider.members("TEAM_LEADER") == {"bob@acme.test", "eve@acme.test"}
        assert privileges(sandbox, "bob@acme.test")[0]["activeFrom"] == NOW

    def test_who_are_members_already_stay_as_they_are(self, sandbox, provider, people):
        provider.patch("/Groups/USER", add(people["bob"]))

        assert len(privileges(sandbox, "bob@acme.test")) == 1

    def test_who_hold_the_role_with_an_end_hold_it_without_one(self, sandbox, provider):
        sandbox.add_user("bob@acme.test", "MANAGEMENT", active_until=LATER)

        provider.patch("/Groups/MANAGEMENT", add("2"))

        (privilege,) = privileges(sandbox, "bob@acme.test")
        assert privilege["activeUntil"] is None

    def test_but_never_over_a_window_that_is_to_come(self, sandbox, provider, people):
        sandbox.grant("bob@acme.test", "MANAGEMENT", active_from=LATER)

        response = provider.patch("/Groups/MANAGEMENT", add(people["eve"], people["bob"]))

        assert kind(response) == (409, None)
        assert provider.members("MANAGEMENT") == set()

    @pytest.mark.parametrize("user_id", ["99", "bob@acme.test", "", "5"])
    def test_only_if_they_are_visible(self, sandbox, provider, people, user_id):
        sandbox.add_user("gone@acme.test", role=None)

        response = provider.patch("/Groups/MANAGEMENT", add(people["bob"], user_id))

        assert kind(response) == (400, "invalidValue")
        assert provider.members("MANAGEMENT") == set()

    def test_and_the_group_is_answered_if_attributes_are_asked_for(self, provider, people):
        response = provider.patch(
            "/Groups/MANAGEMENT", add(people["bob"]), query_string={"attributes": "members"}
        )

        assert response.status_code == 200
        assert [each["value"] for each in response.json["members"]] == [people["bob"]]


class TestMembersAreRemoved:
    @pytest.mark.parametrize(
        "operation",
        [
            {"op": "remove", "path": 'members[value eq "2"]'},
            {"op": "Remove", "path": "members", "value": [{"value": "2"}]},
            {"op": "remove", "path": "members", "value": {"value": "2"}},
            {"op": "remove", "path": 'members[value eq "2" or value eq "99999"]'},
        ],
    )
    def test_by_their_ids(self, sandbox, provider, people, operation):
        if "99999" in operation["path"]:
            operation["path"] = operation["path"].replace("99999", people["joe"])

        response = provider.patch("/Groups/USER", operation)

        assert response.status_code == 204
        assert "bob@acme.test" not in provider.members("USER")
        assert "eve@acme.test" in provider.members("USER")
        assert privileges(sandbox, "bob@acme.test")[0]["activeUntil"] == NOW

    def test_all_of_them(self, provider, people):
        provider.patch("/Groups/USER", {"op": "remove", "path": "members"})

        assert provider.members("USER") == set()

    def test_who_are_hidden_or_unknown_are_removed_already(self, provider, people):
        provider.delete(f"/Users/{people['bob']}")

        response = provider.patch(
            "/Groups/USER",
            {"op": "remove", "path": "members", "value": [{"value": "2"}, {"value": "99"}]},
        )

        assert response.status_code == 204

    def test_who_hold_the_role_with_an_end_are_none_and_keep_it(self, sandbox, provider):
        sandbox.add_user("bob@acme.test", "MANAGEMENT", active_until=LATER)

        provider.patch("/Groups/MANAGEMENT", {"op": "remove", "path": 'members[value eq "2"]'})

        assert privileges(sandbox, "bob@acme.test")[0]["activeUntil"] == LATER

    def test_but_never_the_last_administrator(self, provider, people):
        removal = {"op": "remove", "path": 'members[value eq "1"]'}

        assert kind(provider.patch("/Groups/ADMINISTRATOR", removal)) == (409, None)
        assert provider.members("ADMINISTRATOR") == {"alice@acme.test"}

    def test_and_others_added_are_judged_by_the_end(self, provider, people):
        response = provider.patch(
            "/Groups/ADMINISTRATOR",
            {"op": "remove", "path": 'members[value eq "1"]'},
            add(people["bob"]),
        )

        assert response.status_code == 204
        assert provider.members("ADMINISTRATOR") == {"bob@acme.test"}

    def test_and_added_again_have_never_been_away(self, sandbox, provider, people):
        provider.patch(
            "/Groups/USER", {"op": "remove", "path": 'members[value eq "2"]'}, add(people["bob"])
        )

        assert [each["activeUntil"] for each in privileges(sandbox, "bob@acme.test")] == [None]


class TestAGroupIsReplaced:
    def test_in_its_members(self, sandbox, provider, people):
        body = {"displayName": "USER", "members": [{"value": people["bob"], "display": "Bob"}]}

        response = provider.put("/Groups/USER", body)

        assert response.status_code == 200
        assert [each["value"] for each in response.json["members"]] == [people["bob"]]
        assert privileges(sandbox, "eve@acme.test")[0]["activeUntil"] == NOW

    def test_in_administrators_by_others(self, provider, people):
        body = {"displayName": "ADMINISTRATOR", "members": [{"value": people["bob"]}]}

        provider.put("/Groups/ADMINISTRATOR", body)

        assert provider.members("ADMINISTRATOR") == {"bob@acme.test"}

    def test_but_keeps_the_last_administrator(self, provider):
        body = {"displayName": "ADMINISTRATOR", "members": []}

        assert kind(provider.put("/Groups/ADMINISTRATOR", body)) == (409, None)

    def test_and_keeps_members_that_are_not_sent(self, provider, people):
        provider.put("/Groups/USER", {"displayName": "USER", "externalId": "g-1"})

        assert len(provider.members("USER")) == 3
        assert provider.get("/Groups/USER").json["externalId"] == "g-1"

    def test_but_not_in_its_name(self, provider):
        response = provider.put("/Groups/USER", {"displayName": "Everybody"})

        assert kind(response) == (400, "mutability")

    def test_by_a_patch_of_all_members(self, provider, people):
        provider.patch(
            "/Groups/USER",
            {"op": "replace", "path": "members", "value": [{"value": people["joe"]}]},
        )

        assert provider.members("USER") == {"joe@acme.test"}

    @pytest.mark.parametrize("method", ["PUT", "PATCH"])
    def test_only_while_its_etag_holds(self, provider, people, method):
        body = {"displayName": "USER", "Operations": [add(people["bob"])]}
        etag = provider.get("/Groups/USER").headers["ETag"]

        stale = provider.request(method, "/Groups/USER", body, headers={"If-Match": '"old"'})
        fresh = provider.request(method, "/Groups/USER", body, headers={"If-Match": etag})

        assert kind(stale) == (412, None)
        assert fresh.status_code in {200, 204}


class TestGroupsAreFixed:
    @pytest.mark.parametrize(("method", "path"), [("POST", "/Groups"), ("DELETE", "/Groups/USER")])
    def test_they_are_neither_made_nor_removed(self, provider, method, path):
        response = provider.request(method, path, {"displayName": "Friends"})

        status, scim_type, detail = error(response)
        assert (status, scim_type) == (403, None)
        assert "for each role" in detail

    @pytest.mark.parametrize(
        "operation",
        [
            {"op": "replace", "path": "displayName", "value": "Everybody"},
            {"op": "replace", "value": {"id": "USER", "displayName": "Everybody"}},
            {"op": "remove", "path": "displayName"},
        ],
    )
    def test_they_are_not_renamed(self, provider, operation):
        assert kind(provider.patch("/Groups/USER", operation)) == (400, "mutability")

    def test_to_be_named_as_they_are_is_no_change(self, provider):
        response = provider.patch(
            "/Groups/USER", {"op": "replace", "value": {"id": "USER", "displayName": "USER"}}
        )

        assert response.status_code == 204

    @pytest.mark.parametrize(
        ("operation", "scim_type"),
        [
            ({"op": "remove"}, "noTarget"),
            ({"op": "swap", "path": "members"}, "invalidValue"),
            ({"op": "add", "value": "1"}, "invalidValue"),
            ({"op": "add", "path": "members", "value": [{"display": "Bob"}]}, "invalidValue"),
            ({"op": "add", "path": "mem bers", "value": []}, "invalidPath"),
            ({"op": "add", "path": 'members[value eq "1"]', "value": {}}, "invalidPath"),
            ({"op": "remove", "path": 'members[display eq "x"]'}, "invalidFilter"),
            ({"op": "remove", "path": 'members[value co "1"]'}, "invalidFilter"),
            ("remove", "invalidValue"),
        ],
    )
    def test_a_bad_operation_is_refused(self, provider, operation, scim_type):
        assert kind(provider.patch("/Groups/USER", operation)) == (400, scim_type)

    @pytest.mark.parametrize(
        ("body", "scim_type"),
        [
            ({}, "invalidSyntax"),
            ({"Operations": "add"}, "invalidSyntax"),
            ({"Operations": []}, "invalidValue"),
            ({"Operations": [{"op": "remove", "path": "members"}] * 1_001}, "tooMany"),
            ({"Operations": [{"op": "remove", "path": "x" * 10_001}]}, "invalidPath"),
        ],
    )
    @pytest.mark.parametrize("path", ["/Groups/USER", "/Users/1"])
    def test_so_is_a_patch_with_no_operations_or_too_many(self, provider, path, body, scim_type):
        assert kind(provider.request("PATCH", path, body)) == (400, scim_type)

    def test_attributes_that_are_not_announced_are_ignored(self, provider):
        response = provider.patch(
            "/Groups/USER",
            {"op": "add", "path": "description", "value": "all"},
            {"op": "replace", "value": {"urn:x:Group:note": "y"}},
        )

        assert response.status_code == 204


def test_an_external_id_of_a_group_is_each_tenant_s_own_and_not_in_the_audit(sandbox, provider):
    globex = sandbox.client(sandbox.add_key(None, tenant="globex"))

    provider.patch("/Groups/USER", {"op": "add", "path": "externalId", "value": "g-1"})

    assert provider.get("/Groups/USER").json["externalId"] == "g-1"
    assert "externalId" not in globex.get("//scim/v2/Groups/USER").json
    assert sandbox.administrator.get("/audit").json == []
    provider.patch("/Groups/USER", {"op": "remove", "path": "externalId"})
    assert "externalId" not in provider.get("/Groups/USER").json
