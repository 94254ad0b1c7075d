"""Whole dialogues with six products: each does in its own way what directories do with people."""

import pytest

from tests.scim.asking import ENTERPRISE, PATCH, SCIM, IdentityProvider, kind, privileges
from tests.scim.directories import DIRECTORIES, GROUP, Directory, EntraID, Keycloak, Okta, Person

BEA = Person("bea@acme.test", "Bea", "Baker", "00ujl29u0le5T6Aj10h7")
MARRIED = BEA.named(username="bea.olsen@acme.test", family="Olsen")


@pytest.fixture(params=DIRECTORIES, ids=lambda product: product.title)
def directory(request, provider) -> Directory:
    """A product that provisions acme."""
    return request.param(provider)


@pytest.fixture
def globex(sandbox) -> IdentityProvider:
    return IdentityProvider(sandbox.client(sandbox.add_key(None, tenant="globex")))


def test_the_connection_is_tried(directory):
    directory.tried()


def test_a_person_is_made(sandbox, provider, directory):
    directory.assigned(BEA)

    user = provider.user(directory.ids[BEA.number])
    assert (user["userName"], user["externalId"], user["active"]) == (
        BEA.username,
        BEA.number,
        True,
    )
    assert user["name"] == {"givenName": "Bea", "familyName": "Baker"}
    assert user["emails"][0]["value"] == BEA.username
    assert [each["role"] for each in privileges(sandbox, BEA.username)] == ["USER"]


def test_a_person_who_is_there_already_is_linked(sandbox, provider, directory):
    sandbox.add_user("Bea@acme.test", "MANAGEMENT", firstName="Beatrix")

    directory.assigned(BEA)

    user = provider.user(directory.ids[BEA.number])
    assert (user["id"], user["externalId"]) == ("2", BEA.number)
    assert user["name"]["givenName"] == "Bea"
    assert [each["role"] for each in privileges(sandbox, BEA.username)] == ["MANAGEMENT"]


def test_a_person_who_marries_has_another_name_and_is_the_same(sandbox, provider, directory):
    directory.assigned(BEA)
    own = sandbox.client(sandbox.add_key(BEA.username))

    directory.changed(MARRIED)

    user = provider.user(directory.ids[BEA.number])
    assert (user["userName"], user["name"]["familyName"]) == (MARRIED.username, "Olsen")
    assert user["externalId"] == BEA.number
    assert own.get("/whoami").json["user"]["username"] == MARRIED.username
    assert len(privileges(sandbox, MARRIED.username)) == 1


def test_a_change_of_the_name_alone_changes_the_name_alone(sandbox, provider, directory):
    directory.assigned(BEA)
    before = provider.user(directory.ids[BEA.number])

    directory.changed(BEA.named(given="Beatrix"))

    after = provider.user(directory.ids[BEA.number])
    differing = {name for name in after if after[name] != before.get(name)}
    assert differing == {"name", "displayName", "meta"}


@pytest.mark.parametrize("person", [BEA, MARRIED], ids=["as made", "renamed"])
def test_a_person_who_leaves_holds_nothing_and_comes_back_as_they_were(
    sandbox, provider, directory, person
):
    directory.assigned(BEA)
    if person is not BEA:
        directory.changed(person)
    directory.joined("TEAM_LEADER", person)

    directory.left(person)

    user = provider.user(directory.ids[BEA.number])
    assert (user["active"], user.get("groups", [])) == (False, [])
    assert all(each["activeUntil"] for each in privileges(sandbox, user["userName"]))

    directory.back(person)

    user = provider.user(directory.ids[BEA.number])
    assert (user["userName"], user["active"]) == (person.username, True)
    assert user["groups"] == [{"value": "USER", "display": "USER"}]


def test_a_person_who_is_deleted_and_made_again_has_the_same_id(provider, directory):
    directory.assigned(BEA)
    user_id = directory.ids[BEA.number]

    assert provider.delete(f"/Users/{user_id}").status_code == 204
    assert kind(provider.get(f"/Users/{user_id}")) == (404, None)
    directory.assigned(BEA.named(number="another"))

    assert directory.ids["another"] == user_id
    assert provider.user(user_id)["externalId"] == "another"


def test_a_role_is_a_group_that_people_join_and_leave(sandbox, provider, directory):
    cid = Person("cid@acme.test", "Cid", "Cole", "2")
    for person in (BEA, cid):
        directory.assigned(person)
        directory.joined("TEAM_LEADER", person)
    assert provider.members("TEAM_LEADER") == {BEA.username, cid.username}

    directory.parted("TEAM_LEADER", BEA)

    assert provider.members("TEAM_LEADER") == {cid.username}
    assert provider.members("USER") == {BEA.username, cid.username}


def test_a_guest_is_let_in_and_ended_and_never_changed(sandbox, provider, globex, directory):
    sandbox.add_user(BEA.username, tenant="globex", firstName="Beatrix", lastName="Orr")
    before = globex.user("2")

    directory.assigned(BEA)
    directory.changed(MARRIED)
    directory.joined("MANAGEMENT", BEA)

    user = provider.user("2")
    assert (directory.ids[BEA.number], user["userName"]) == ("2", BEA.username)
    assert user["name"] == {"givenName": "Beatrix", "familyName": "Orr"}
    assert user["externalId"] == BEA.number
    assert provider.members("MANAGEMENT") == {BEA.username}

    directory.left(MARRIED)

    assert provider.user("2")["active"] is False
    assert globex.user("2") == before


def test_two_tenants_are_provisioned_at_once_and_only_the_home_renames(
    sandbox, provider, globex, directory
):
    other = type(directory)(globex)
    directory.assigned(BEA)
    other.assigned(BEA.named(number="g-1"))

    directory.changed(MARRIED)
    other.changed(BEA.named(number="g-1"))

    for tenant, number in ((provider, BEA.number), (globex, "g-1")):
        user = tenant.user(directory.ids[BEA.number])
        assert (user["userName"], user["externalId"]) == (MARRIED.username, number)

    other.left(BEA.named(number="g-1"))

    assert globex.user(other.ids["g-1"])["active"] is False
    assert provider.user(directory.ids[BEA.number])["active"] is True
    directory.left(MARRIED)
    assert provider.user(directory.ids[BEA.number])["active"] is False


class TestOkta:
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

    def test_synchronises_a_password(self, sandbox, provider):
        okta = Okta(provider)
        okta.assigned(BEA)
        with sandbox.store.read() as view:
            before = view.get("users", BEA.username)["passwordHash"]

        response = self.patched(provider, "/Users/2", password="7Uz0ot5e2K")

        assert "password" not in response.json
        with sandbox.store.read() as view:
            assert view.get("users", BEA.username)["passwordHash"] != before

    def test_pushes_a_whole_group_and_an_empty_one(self, provider):
        okta = Okta(provider)
        okta.assigned(BEA)
        whole = {"schemas": [GROUP], "id": "TEAM_LEADER", "displayName": "TEAM_LEADER"}
        member = {"value": okta.ids[BEA.number], "display": BEA.username}

        assert provider.put("/Groups/TEAM_LEADER", whole | {"members": [member]}).status_code == 200
        assert provider.members("TEAM_LEADER") == {BEA.username}
        okta.patch("/Groups/TEAM_LEADER", {"op": "replace", "path": "members", "value": []})
        assert provider.members("TEAM_LEADER") == set()

    def test_can_neither_push_a_group_of_its_own_nor_rename_or_delete_one(self, provider):
        new = {"schemas": [GROUP], "displayName": "Test SCIMv2", "members": []}

        assert kind(provider.post("/Groups", new)) == (403, None)
        renamed = self.patched(provider, "/Groups/USER", id="USER", displayName="Test SCIMv20")
        assert kind(renamed) == (400, "mutability")
        assert kind(provider.delete("/Groups/USER")) == (403, None)


class TestEntraID:
    @pytest.fixture
    def path(self, provider):
        entra = EntraID(provider)
        entra.assigned(BEA)
        return f"/Users/{entra.ids[BEA.number]}"

    def test_finds_users_by_their_external_ids(self, provider, path):
        assert provider.found(f'externalId eq "{BEA.number}"') == [BEA.username]
        assert provider.found('externalId eq ""') == []

    def test_disables_without_a_path_too(self, provider, path):
        user = provider.patch(path, {"op": "replace", "value": {"active": False}}).json

        assert user["active"] is False

    def test_patches_many_attributes_at_once_by_their_paths(self, provider, path):
        user = provider.patch(
            path,
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

    def test_adds_an_address_where_none_of_work_is_known_any_more(self, provider, path):
        removed = provider.patch(path, {"op": "Remove", "path": 'emails[type eq "work"]'})
        assert removed.json["emails"][0]["value"] == BEA.username
        added = provider.patch(
            path, {"op": "Add", "path": 'emails[type eq "work"].value', "value": "new@testuser.com"}
        )

        assert added.json["emails"][0]["value"] == "new@testuser.com"

    def test_sets_a_manager_in_each_of_its_forms(self, sandbox, provider, path):
        sandbox.add_user("boss@acme.test")
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
            removed = provider.patch(path, {"op": "Remove", "path": f"{ENTERPRISE}:manager"}).json
            assert ENTERPRISE not in removed

    def test_asks_whether_somebody_is_in_a_group_without_its_members(self, provider, path):
        entra = EntraID(provider)
        asked = {"excludedAttributes": "members", "filter": 'displayName eq "management"'}
        (group,) = provider.get("/Groups", **asked).json["Resources"]
        assert "members" not in group
        group_path = f"/Groups/{group['id']}"
        assert "members" not in provider.get(group_path, excludedAttributes="members").json

        entra.patch(group_path, {"op": "Replace", "path": "externalId", "value": "60f1bb27"})
        is_member = f'id eq "{group["id"]}" and members eq "2"'
        assert provider.found(is_member, "/Groups") == []
        entra.ids[BEA.number] = "2"
        entra.joined(group["id"], BEA)
        assert provider.found(is_member, "/Groups") == ["MANAGEMENT"]
        assert provider.found('externalId eq "60f1bb27"', "/Groups") == ["MANAGEMENT"]

    def test_removes_a_member_as_the_rfc_has_it_with_its_flag(self, provider, path):
        removed = {"op": "Remove", "path": 'members[value eq "2"]'}

        assert provider.patch("/Groups/USER", removed).status_code == 204
        assert provider.members("USER") == set()

    def test_can_t_rename_a_group(self, provider):
        renamed = provider.patch(
            "/Groups/USER", {"op": "Replace", "path": "displayName", "value": "1879db59"}
        )

        assert kind(renamed) == (400, "mutability")


class TestAuthentik:
    def test_fills_a_large_group_in_pieces_as_long_as_the_server_says(self, sandbox, provider):
        longest = provider.get("/ServiceProviderConfig").json["bulk"]["maxOperations"]
        for _ in range(3):
            sandbox.add_user()
        ids = ["2", "3", "4"] * longest

        one = [{"op": "add", "path": "members", "value": [{"value": each}]} for each in ids]

        assert provider.patch("/Groups/MANAGEMENT", *one[:longest]).status_code == 204
        assert kind(provider.patch("/Groups/MANAGEMENT", *one)) == (400, "tooMany")
        assert len(provider.members("MANAGEMENT")) == 3


class TestKeycloak:
    @pytest.mark.parametrize("switch, is_active", [("true", True), ("false", False)])
    def test_patches_users_if_it_is_told_to(self, provider, switch, is_active):
        keycloak = Keycloak(provider)
        keycloak.assigned(BEA)

        user = keycloak.patch_user(
            BEA,
            {"op": "replace", "path": "active", "value": switch},
            {"op": "replace", "path": "userName", "value": MARRIED.username},
            {"op": "replace", "path": "displayName", "value": "Bea Olsen"},
        )

        assert (user["userName"], user["active"]) == (MARRIED.username, is_active)
