"""What Okta and Entra ID say to a server, in the order and in the forms of their documentation.

Okta: "SCIM 2.0 protocol reference" and "Build your SCIM API service" on developer.okta.com.
Entra ID: "Tutorial: Develop and plan provisioning for a SCIM endpoint" and "Known issues and
resolutions with SCIM 2.0 protocol compliance" on learn.microsoft.com.
"""

from tests.scim.asking import ENTERPRISE, LIST, PATCH, SCIM, USER, kind, privileges

GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"


class TestOkta:
    """Okta asks with startIndex and count, and changes users by PUT and by PATCH without a path."""

    def profile(self, **others):
        return {
            "schemas": [USER],
            "userName": "test.user@okta.local",
            "name": {"givenName": "Test", "familyName": "User"},
            "emails": [{"primary": True, "value": "test.user@okta.local", "type": "work"}],
            "displayName": "Test User",
            "locale": "en-US",
            "externalId": "00ujl29u0le5T6Aj10h7",
            "groups": [],
            "password": "1mz050nq",
            "active": True,
            **others,
        }

    def patched(self, provider, path, **value):
        return provider.request(
            "PATCH",
            path,
            {"schemas": [PATCH], "Operations": [{"op": "replace", "value": value}]},
            headers={"Content-Type": f"{SCIM}; charset=utf-8"},
        )

    def test_imports_users_page_by_page(self, sandbox, provider):
        for _ in range(120):
            sandbox.add_user()

        pages = [provider.get("/Users", startIndex=first, count=100).json for first in (1, 101)]

        assert [page["totalResults"] for page in pages] == [121, 121]
        assert [page["itemsPerPage"] for page in pages] == [100, 21]
        ids = [each["id"] for page in pages for each in page["Resources"]]
        assert len(set(ids)) == 121

    def test_provisions_deprovisions_and_takes_a_user_back(self, sandbox, provider):
        asked = {"filter": 'userName eq "test.user@okta.local"', "startIndex": 1, "count": 100}
        assert provider.get("/Users", **asked).json == {
            "schemas": [LIST],
            "totalResults": 0,
            "startIndex": 1,
            "itemsPerPage": 0,
            "Resources": [],
        }

        made = provider.post("/Users", self.profile())
        assert made.status_code == 201
        path = f"/Users/{made.json['id']}"
        assert made.json["externalId"] == "00ujl29u0le5T6Aj10h7"
        assert made.json["active"] is True
        assert provider.get(path).json == made.json

        whole = made.json | {"name": {"givenName": "Another", "middleName": "Excited"}}
        replaced = provider.put(path, whole)
        assert replaced.status_code == 200
        assert replaced.json["name"] == {"givenName": "Another"}

        assert self.patched(provider, path, active=False).json["active"] is False
        assert [each["activeUntil"] is None for each in privileges(sandbox, whole["userName"])] == [
            False
        ]
        found = provider.get("/Users", **asked).json["Resources"]
        assert [(each["id"], each["active"]) for each in found] == [(made.json["id"], False)]

        # A user who is assigned again is found inactive: Okta links and activates them.
        provider.put(path, found[0] | {"active": True})
        assert provider.user(made.json["id"])["active"] is True
        assert provider.user(made.json["id"])["groups"][0]["value"] == "USER"

    def test_finds_a_user_who_is_there_and_links_them(self, sandbox, provider):
        sandbox.add_user("Test.User@okta.local", firstName="Test")

        assert kind(provider.post("/Users", self.profile())) == (409, "uniqueness")
        (there,) = provider.get("/Users", filter='userName eq "test.user@okta.local"').json[
            "Resources"
        ]
        linked = provider.put(f"/Users/{there['id']}", self.profile(id=there["id"]))

        assert linked.json["externalId"] == "00ujl29u0le5T6Aj10h7"
        assert linked.json["userName"] == "test.user@okta.local"

    def test_synchronises_a_password(self, sandbox, provider):
        made = provider.post("/Users", self.profile()).json
        with sandbox.store.read() as view:
            before = view.get("users", made["userName"])["passwordHash"]

        response = self.patched(provider, f"/Users/{made['id']}", password="7Uz0ot5e2K")

        assert "password" not in response.json
        with sandbox.store.read() as view:
            assert view.get("users", made["userName"])["passwordHash"] != before

    def test_pushes_a_group_that_it_links_to_a_role(self, sandbox, provider):
        users = [provider.create(f"user{number}@okta.local")["id"] for number in range(3)]

        groups = provider.get("/Groups", startIndex=1, count=100).json
        assert groups["totalResults"] == 5
        (group,) = provider.get("/Groups", filter='displayName eq "TEAM_LEADER"').json["Resources"]
        path = f"/Groups/{group['id']}"
        assert (
            self.patched(provider, path, id=group["id"], displayName="TEAM_LEADER").status_code
            == 204
        )

        first = [{"value": users[0], "display": "user0@okta.local"}]
        provider.patch(path, {"op": "add", "path": "members", "value": first})
        provider.patch(
            path,
            {"op": "remove", "path": f'members[value eq "{users[0]}"]'},
            {
                "op": "add",
                "path": "members",
                "value": [{"value": each, "display": "x"} for each in users[1:]],
            },
        )
        assert provider.members("TEAM_LEADER") == {"user1@okta.local", "user2@okta.local"}

        whole = {
            "schemas": [GROUP],
            "id": group["id"],
            "displayName": "TEAM_LEADER",
            "members": [{"value": users[2], "display": "user2@okta.local"}],
        }
        assert provider.put(path, whole).status_code == 200
        assert provider.members("TEAM_LEADER") == {"user2@okta.local"}

    def test_can_neither_push_a_group_of_its_own_nor_rename_or_delete_one(self, provider):
        new = {"schemas": [GROUP], "displayName": "Test SCIMv2", "members": []}

        assert kind(provider.post("/Groups", new)) == (403, None)
        renamed = self.patched(provider, "/Groups/USER", id="USER", displayName="Test SCIMv20")
        assert kind(renamed) == (400, "mutability")
        assert kind(provider.delete("/Groups/USER")) == (403, None)


class TestEntraID:
    """Entra ID patches, with operations in any case, booleans as strings and paths that select."""

    NAME = "Test_User_dfeef4c5@testuser.com"
    EXTERNAL = "22fbc523-6032-4c5f-939d-5d4850cf3e52"

    def profile(self, **others):
        return {
            "schemas": [USER, ENTERPRISE],
            "externalId": self.EXTERNAL,
            "userName": self.NAME,
            "active": True,
            "addresses": None,
            "displayName": "given family",
            "emails": [
                {"type": "work", "value": "Test_User_fd0ea19b@testuser.com", "primary": True}
            ],
            "meta": {"resourceType": "User"},
            "name": {
                "formatted": "given family",
                "familyName": "family",
                "givenName": "given",
            },
            "preferredLanguage": None,
            "roles": [],
            "title": None,
            ENTERPRISE: {"department": "bob", "manager": None},
            **others,
        }

    def test_tries_its_connection(self, provider):
        response = provider.get(
            "/Users", filter='userName eq "non-existent-dfeef4c5-5681-4387-b016-bdf221e82081"'
        )

        assert response.status_code == 200
        assert response.json["totalResults"] == 0

    def test_provisions_changes_disables_and_deletes_a_user(self, sandbox, provider):
        assert provider.found(f'externalId eq "{self.EXTERNAL}"') == []
        made = provider.post("/Users", self.profile())
        assert made.status_code == 201
        path = f"/Users/{made.json['id']}"
        assert provider.found(f'userName eq "{self.NAME}"') == [self.NAME]
        assert provider.found(f'externalId eq "{self.EXTERNAL}"') == [self.NAME]

        changed = provider.patch(
            path,
            {
                "op": "Replace",
                "path": 'emails[type eq "work"].value',
                "value": "updatedEmail@microsoft.com",
            },
            {"op": "Replace", "path": "name.familyName", "value": "updatedFamilyName"},
            {"op": "Replace", "path": "displayName", "value": "given updatedFamilyName"},
            {"op": "Add", "path": 'phoneNumbers[type eq "work"].value', "value": "555"},
            {"op": "Add", "path": f"{ENTERPRISE}:department", "value": "Sales"},
        )
        assert changed.status_code == 200
        assert changed.json["emails"][0]["value"] == "updatedEmail@microsoft.com"
        assert changed.json["displayName"] == "given updatedFamilyName"

        renamed = provider.patch(
            path, {"op": "Replace", "path": "userName", "value": "5b50642d@testuser.com"}
        )
        assert renamed.json["userName"] == "5b50642d@testuser.com"
        provider.patch(path, {"op": "Replace", "path": "userName", "value": self.NAME})

        disabled = provider.patch(path, {"op": "Replace", "path": "active", "value": "False"})
        assert disabled.json["active"] is False
        enabled = provider.patch(path, {"op": "Add", "path": "active", "value": "True"})
        assert enabled.json["active"] is True

        assert provider.delete(path).status_code == 204
        assert kind(provider.get(path)) == (404, None)
        assert provider.found(f'externalId eq "{self.EXTERNAL}"') == []

        again = provider.post("/Users", self.profile(externalId="another"))
        assert again.status_code == 201
        assert again.json["id"] == made.json["id"]
        assert provider.found('externalId eq "another"') == [self.NAME]

    def test_disables_without_a_path_too(self, provider):
        made = provider.post("/Users", self.profile()).json

        user = provider.patch(
            f"/Users/{made['id']}", {"op": "replace", "value": {"active": False}}
        ).json

        assert user["active"] is False

    def test_patches_many_attributes_at_once_by_their_paths(self, provider):
        made = provider.post("/Users", self.profile()).json

        user = provider.patch(
            f"/Users/{made['id']}",
            {
                "op": "replace",
                "value": {
                    "displayName": "Bjfe",
                    "name.givenName": "Kjetil",
                    "name.familyName": "Leif",
                    "name.formatted": "Sylvia",
                    f"{ENTERPRISE}:employeeNumber": "ZUTHKMSKMWIQ",
                    "active": True,
                },
            },
        ).json

        assert user["name"] == {"givenName": "Kjetil", "familyName": "Leif"}

    def test_adds_an_address_where_none_of_work_is_known_any_more(self, provider):
        made = provider.post("/Users", self.profile()).json
        path = f"/Users/{made['id']}"

        removed = provider.patch(path, {"op": "Remove", "path": 'emails[type eq "work"]'})
        assert removed.json["emails"][0]["value"] == self.NAME
        added = provider.patch(
            path, {"op": "Add", "path": 'emails[type eq "work"].value', "value": "new@testuser.com"}
        )

        assert added.json["emails"][0]["value"] == "new@testuser.com"

    def test_sets_a_manager_in_each_of_its_forms(self, sandbox, provider):
        made = provider.post("/Users", self.profile()).json
        sandbox.add_user("boss@acme.test")
        path = f"/Users/{made['id']}"
        boss = provider.id_of("boss@acme.test")

        for value in (
            boss,
            {"value": boss},
            [{"$ref": f"http://localhost/scim/v2/Users/{boss}", "value": boss}],
        ):
            user = provider.patch(
                path, {"op": "Add", "path": f"{ENTERPRISE}:manager", "value": value}
            ).json
            assert user[ENTERPRISE]["manager"]["value"] == boss
            provider.patch(path, {"op": "Remove", "path": f"{ENTERPRISE}:manager"})
            assert ENTERPRISE not in provider.user(made["id"])

    def test_provisions_the_members_of_a_role(self, provider):
        user = provider.post("/Users", self.profile()).json
        asked = {"excludedAttributes": "members", "filter": 'displayName eq "management"'}
        (group,) = provider.get("/Groups", **asked).json["Resources"]
        assert "members" not in group
        path = f"/Groups/{group['id']}"
        assert "members" not in provider.get(path, excludedAttributes="members").json
        member = [{"$ref": None, "value": user["id"]}]

        provider.patch(path, {"op": "Replace", "path": "externalId", "value": "60f1bb27"})
        added = provider.patch(path, {"op": "Add", "path": "members", "value": member})
        assert (added.status_code, added.data) == (204, b"")
        is_member = f'id eq "{group["id"]}" and members eq "{user["id"]}"'
        assert provider.found(is_member, "/Groups") == ["MANAGEMENT"]

        provider.patch(path, {"op": "Remove", "path": "members", "value": member})
        assert provider.found(is_member, "/Groups") == []
        assert provider.found('externalId eq "60f1bb27"', "/Groups") == ["MANAGEMENT"]

    def test_can_t_rename_a_group(self, provider):
        renamed = provider.patch(
            "/Groups/USER", {"op": "Replace", "path": "displayName", "value": "1879db59"}
        )

        assert kind(renamed) == (400, "mutability")
