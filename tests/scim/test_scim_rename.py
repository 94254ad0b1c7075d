"""Another userName renames the account where it is at home; elsewhere it is ignored."""

import pytest

from tests.contract.asking import LATER
from tests.scim.asking import ENTERPRISE, IdentityProvider, error, kind, privileges

GONE = "3f2504e04f8911d39a0c0305e82c3301bob@acme.test"
"""What Entra ID makes of the name of a user whom it deletes."""
LEAVES = (
    {"op": "Replace", "path": "userName", "value": GONE},
    {"op": "Replace", "path": "active", "value": "False"},
)


@pytest.fixture
def bob(sandbox):
    """The path of a user at home in acme, who has a key and holds something in globex, too."""
    sandbox.add_user("bob@acme.test", "MANAGEMENT", firstName="Bob")
    sandbox.grant("bob@acme.test", "USER", tenant="globex")
    return "/Users/2"


@pytest.fixture
def guest(sandbox):
    """The path of a user at home in globex."""
    sandbox.add_user("grace@globex.test", tenant="globex")
    sandbox.grant("grace@globex.test", "USER")
    return "/Users/2"


@pytest.fixture
def globex(sandbox):
    return IdentityProvider(sandbox.client(sandbox.add_key(None, tenant="globex")))


@pytest.mark.parametrize("method", ["PUT", "PATCH", "PATCH without a path"])
def test_a_user_is_renamed(sandbox, provider, bob, method):
    made = {"userName": "robert@acme.test", "externalId": "b-1"}
    if method == "PUT":
        user = provider.put(bob, made).json
    elif method == "PATCH":
        step = {"op": "Replace", "path": "userName", "value": made["userName"]}
        user = provider.patch(bob, step).json
    else:
        user = provider.patch(bob, {"op": "replace", "value": made}).json

    assert (user["id"], user["userName"]) == ("2", "robert@acme.test")
    assert user["emails"][0]["value"] == "bob@acme.test"
    assert provider.user("2") == user
    assert provider.found('userName eq "robert@acme.test"') == ["robert@acme.test"]
    assert provider.found('userName eq "bob@acme.test"') == []
    assert [each["role"] for each in privileges(sandbox, "robert@acme.test")] == ["MANAGEMENT"]


def test_what_names_them_goes_with_them(sandbox, provider, globex, bob):
    own = sandbox.client(sandbox.add_key("bob@acme.test"))
    sandbox.add_user("eve@acme.test", reports_to="bob@acme.test")
    provider.patch(bob, {"op": "add", "path": "externalId", "value": "b-1"})
    globex.patch(bob, {"op": "add", "path": "externalId", "value": "g-1"})

    provider.patch(bob, {"op": "replace", "path": "userName", "value": "robert@acme.test"})

    assert own.get("/whoami").json["user"]["username"] == "robert@acme.test"
    assert privileges(sandbox, "eve@acme.test")[0]["reportsTo"] == "robert@acme.test"
    assert provider.user("3")[ENTERPRISE]["manager"]["value"] == "2"
    assert provider.found('externalId eq "b-1"') == ["robert@acme.test"]
    assert globex.found('externalId eq "g-1"') == ["robert@acme.test"]
    assert provider.members("MANAGEMENT") == {"robert@acme.test"}


def test_the_audit_of_each_tenant_tells_it(sandbox, provider, globex, bob):
    provider.patch(bob, {"op": "replace", "path": "userName", "value": "robert@acme.test"})

    for tenant in (provider, globex):
        (told,) = tenant.client.get("/audit?resource=users&action=change").json
        change = {"from": "bob@acme.test", "to": "robert@acme.test"}
        assert told["changes"] == {"username": change}
        assert (told["target"], told["user"]) == ("robert@acme.test", "robert@acme.test")
        assert (told["via"], told["by"]) == ("scim", None)


def test_whoever_is_renamed_and_ended_at_once_is_ended(sandbox, provider, globex, bob):
    user = provider.patch(bob, *LEAVES).json

    assert (user["userName"], user["active"]) == (GONE, False)
    assert all(each["activeUntil"] for each in privileges(sandbox, GONE))
    assert globex.user("2")["active"] is True


def test_through_another_tenant_they_are_ended_and_not_renamed(sandbox, provider, globex, guest):
    user = provider.patch(guest, *LEAVES).json

    assert (user["userName"], user["active"]) == ("grace@globex.test", False)
    assert (globex.user("2")["userName"], globex.user("2")["active"]) == ("grace@globex.test", True)


@pytest.mark.parametrize("name", ["alice@acme.test", "a/b", "x" * 300, "", None])
@pytest.mark.parametrize("op", ["add", "replace", "remove"])
def test_through_another_tenant_a_name_is_ignored_whatever_it_is(provider, guest, op, name):
    response = provider.patch(guest, {"op": op, "path": "userName", "value": name})

    assert (response.status_code, response.json["userName"]) == (200, "grace@globex.test")
    whole = provider.put(guest, {"userName": name or "x", "active": False})
    assert whole.json["active"] is False


@pytest.mark.parametrize("taken", ["alice@acme.test", "ALICE@acme.test", "ivan@globex.test"])
def test_a_name_that_is_taken_is_409_and_nothing_is_done(sandbox, provider, bob, taken):
    sandbox.add_user("ivan@globex.test", tenant="globex")
    before = provider.user("2")

    for response in (
        provider.patch(bob, {"op": "replace", "path": "userName", "value": taken}, LEAVES[1]),
        provider.put(bob, {"userName": taken, "active": False, "password": "secret secret"}),
    ):
        assert kind(response) == (409, "uniqueness")
    assert provider.user("2") == before


@pytest.mark.parametrize("name", ["a/b@acme.test", "x" * 255, "..", "a\u200bb", "  ", 5])
def test_a_name_that_no_account_can_have_is_400(provider, bob, name):
    before = provider.user("2")

    response = provider.patch(bob, {"op": "replace", "path": "userName", "value": name}, LEAVES[1])

    status, scim_type, detail = error(response)
    assert (status, scim_type) == (400, "invalidValue")
    assert detail.startswith("userName: ")
    assert provider.user("2") == before


@pytest.mark.parametrize("operation", [{"op": "remove"}, {"op": "replace", "value": ""}])
def test_a_name_is_never_taken_away(provider, bob, operation):
    response = provider.patch(bob, {**operation, "path": "userName"})

    assert kind(response) == (400, "mutability")


@pytest.mark.parametrize("name", ["BOB@acme.test", "bob@acme.test", "\uff42ob@acme.test"])
def test_an_equal_name_changes_its_spelling_alone(sandbox, provider, bob, name):
    own = sandbox.client(sandbox.add_key("bob@acme.test"))

    user = provider.put(bob, {"userName": name, "name": {"givenName": "Bob"}}).json

    assert (user["userName"], user["emails"][0]["value"]) == (name, "bob@acme.test")
    assert own.get("/whoami").json["user"]["username"] == name
    told = sandbox.administrator.get("/audit?resource=users&action=change").json
    assert len(told) == (name != "bob@acme.test")


def test_an_address_that_is_removed_with_it_is_the_new_name(provider, bob):
    user = provider.patch(
        bob,
        {"op": "remove", "path": "emails"},
        {"op": "replace", "path": "userName", "value": "robert@acme.test"},
    ).json

    assert user["emails"][0]["value"] == "robert@acme.test"


def test_an_administrator_may_rename_themself_with_a_key_of_their_own(sandbox):
    own = IdentityProvider(sandbox.administrator)

    user = own.patch("/Users/1", {"op": "replace", "path": "userName", "value": "a@acme.test"}).json

    assert user["userName"] == "a@acme.test"
    told = own.client.get("/audit?resource=users&action=change").json[0]
    assert (told["by"], told["target"]) == ("a@acme.test", "a@acme.test")


def test_whoever_is_hidden_comes_back_by_the_name_they_had(sandbox, provider, bob):
    provider.patch(bob, {"op": "replace", "path": "userName", "value": "robert@acme.test"})
    provider.delete(bob)
    assert kind(provider.get(bob)) == (404, None)

    again = provider.create("Robert@acme.test")

    assert (again["id"], again["userName"]) == ("2", "Robert@acme.test")
    assert provider.create("bob@acme.test")["id"] == "3"


def test_a_window_that_is_to_come_stays_theirs(sandbox, provider, bob):
    sandbox.grant("bob@acme.test", "TEAM_LEADER", active_from=LATER)

    provider.patch(bob, {"op": "replace", "path": "userName", "value": "robert@acme.test"})

    held = {each["role"]: each["activeFrom"] for each in privileges(sandbox, "robert@acme.test")}
    assert held["TEAM_LEADER"] == LATER


def test_with_a_password_it_is_renamed_once(sandbox, provider, bob):
    whole = {"userName": "robert@acme.test", "password": "secret secret"}

    assert provider.put(bob, whole).json["userName"] == "robert@acme.test"

    with sandbox.store.read() as view:
        assert view.get("users", "robert@acme.test")["passwordHash"]
    told = sandbox.administrator.get("/audit?resource=users&action=change").json
    assert len(told) == 1
