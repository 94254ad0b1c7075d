"""What a directory has sent is read as it is meant or refused, in our words and on one line."""

import re

import pytest

from tests.scim.asking import ENTERPRISE, USER, error, kind

pytestmark = pytest.mark.storeless
NAMED = {"op": "replace", "path": "name.givenName", "value": "Alice"}


@pytest.fixture
def bob(sandbox, provider):
    """The path of a user at home in acme."""
    sandbox.add_user("bob@acme.test", firstName="Bob", lastName="Baker")
    sandbox.add_user("eve@acme.test")
    return "/Users/2"


class TestANameWithoutAPathIsReadAsOneWithIt:
    @pytest.mark.parametrize("kind", ["add", "replace"])
    @pytest.mark.parametrize(
        ("value", "attribute", "becomes"),
        [
            ({'emails[type eq "work"].value': "n@x.test"}, "emails", "n@x.test"),
            ({"emails.value": "n@x.test"}, "emails", "n@x.test"),
            (
                {f"{USER}:name.givenName": "Rob"},
                "name",
                {"givenName": "Rob", "familyName": "Baker"},
            ),
            ({"NAME.GIVENNAME": "Rob"}, "name", {"givenName": "Rob", "familyName": "Baker"}),
            ({"name": {"givenName": "Rob"}}, "name", {"givenName": "Rob", "familyName": "Baker"}),
            ({USER: {"timezone": "Asia/Tokyo"}}, "timezone", "Asia/Tokyo"),
            ({f"{ENTERPRISE}:manager": "3"}, ENTERPRISE, {"manager": {"value": "3"}}),
            ({f"{ENTERPRISE}:manager.value": "3"}, ENTERPRISE, {"manager": {"value": "3"}}),
            ({ENTERPRISE: {"manager": {"value": "3"}}}, ENTERPRISE, {"manager": {"value": "3"}}),
            ({'photos[type eq "photo"].value': "b.png"}, "photos", "b.png"),
            ({"ACTIVE": "fAlSe"}, "active", False),
        ],
    )
    def test_of_a_user(self, provider, bob, kind, value, attribute, becomes):
        user = provider.patch(bob, {"op": kind, "value": value}).json

        found = user[attribute]
        assert (found[0]["value"] if isinstance(found, list) else found) == becomes

    @pytest.mark.parametrize(
        "name", ["members", "MEMBERS", "urn:ietf:params:scim:schemas:core:2.0:Group:members"]
    )
    def test_of_a_group(self, provider, bob, name):
        provider.patch("/Groups/MANAGEMENT", {"op": "add", "value": {name: [{"value": "2"}]}})

        assert provider.members("MANAGEMENT") == {"bob@acme.test"}

    def test_but_not_one_of_a_schema_that_is_not_announced(self, provider, bob):
        operation = {"op": "replace", "value": {"urn:x:2.0:User:active": False, "urn:x": {}}}

        assert provider.patch(bob, operation).json["active"] is True
        named = {"op": "replace", "path": "urn:x:2.0:User:active", "value": False}
        assert provider.patch(bob, named).json["active"] is True


class TestOneThatIsGivenTwiceIsRefused:
    @pytest.mark.parametrize(
        "body",
        [
            {"userName": "new@acme.test", "username": "other@acme.test"},
            {"userName": "new@acme.test", "title": "a", "Title": "b"},
            {"userName": "new@acme.test", "name": {"givenName": "A", "givenname": "B"}},
            {"userName": "new@acme.test", "emails": [{"value": "a@x.test", "Value": "b@x.test"}]},
            {"userName": "new@acme.test", ENTERPRISE: {}, ENTERPRISE.upper(): {}},
            {"userName": "new@acme.test", ENTERPRISE: {"manager": "1", "Manager": "2"}},
            {"userName": "new@acme.test", ENTERPRISE: {"manager": {"value": "1", "VALUE": "2"}}},
            {"userName": "new@acme.test", USER: {"userName": "other@acme.test"}},
        ],
    )
    def test_in_a_resource(self, provider, bob, body):
        for response in (provider.post("/Users", body), provider.put(bob, body)):
            assert kind(response) == (400, "invalidSyntax")
        assert provider.get("/Users").json["totalResults"] == 3

    @pytest.mark.parametrize(
        "body",
        [
            {"Operations": [NAMED], "operations": [NAMED]},
            {"Operations": [{**NAMED, "OP": "remove"}]},
            {"Operations": [{**NAMED, "Value": "x"}]},
            {"Operations": [{"op": "add", "value": {"active": True, "Active": False}}]},
            {
                "Operations": [
                    {"op": "add", "value": {"name": {"givenName": "A"}, "name.givenname": "B"}}
                ]
            },
            {"Operations": [{"op": "add", "value": {f"{USER}:active": True, "active": False}}]},
        ],
    )
    def test_in_a_patch(self, provider, bob, body):
        before = provider.user("2")

        assert kind(provider.request("PATCH", bob, body)) == (400, "invalidSyntax")
        assert provider.user("2") == before

    @pytest.mark.parametrize(
        "body", [{"members": [], "Members": []}, {"members": [{"value": "2", "VALUE": "3"}]}]
    )
    def test_in_a_group(self, provider, bob, body):
        assert kind(provider.put("/Groups/USER", body)) == (400, "invalidSyntax")
        operation = {"op": "add", "value": body}
        assert kind(provider.patch("/Groups/USER", operation)) == (400, "invalidSyntax")
        assert len(provider.members("USER")) == 2

    @pytest.mark.parametrize("name", ["filter", "count", "attributes"])
    def test_in_a_query_and_a_search(self, provider, name):
        twice = provider.request("GET", f"/Users?{name}=1&{name}=2")
        searched = provider.post("/Users/.search", {name: "1", name.upper(): "2"})

        assert kind(twice) == kind(searched) == (400, "invalidSyntax")

    def test_but_what_is_no_parameter_of_ours_is_ignored(self, provider):
        assert provider.request("GET", "/Users?x=1&x=2&X=3").status_code == 200


class TestTheNameOfARole:
    @pytest.mark.parametrize("name", ["team_leader", "Team_Leader", "TEAM_LEADER"])
    def test_is_the_same_in_any_case(self, provider, name):
        group = {"displayName": name, "externalId": "g"}
        operation = {"op": "replace", "path": "displayName", "value": name}

        assert provider.put("/Groups/TEAM_LEADER", group).json["displayName"] == "TEAM_LEADER"
        assert provider.patch("/Groups/TEAM_LEADER", operation).status_code == 204
        assert provider.found(f'displayName eq "{name}"', "/Groups") == ["TEAM_LEADER"]


class TestAnEmptyTextIsAbsent:
    @pytest.mark.parametrize("empty", ["", None])
    @pytest.mark.parametrize(
        "attribute", ["password", "externalId", "timezone", "emails", "photos", "active", "name"]
    )
    def test_when_somebody_is_made(self, provider, attribute, empty):
        user = provider.create("bob@acme.test", **{attribute: empty})

        assert attribute not in user or attribute in {"emails", "active"}
        assert user["active"] is True

    def test_and_a_password_of_it_leaves_the_one_that_there_is(self, sandbox, provider):
        provider.create("bob@acme.test", password="secret secret")
        kept = password_hash(sandbox)

        provider.put("/Users/2", {"userName": "bob@acme.test", "password": ""})
        provider.patch("/Users/2", {"op": "replace", "path": "password", "value": ""})

        assert password_hash(sandbox) == kept is not None

    def test_but_a_password_can_be_removed(self, sandbox, provider):
        provider.create("bob@acme.test", password="secret secret")

        provider.patch("/Users/2", {"op": "remove", "path": "password"})

        assert password_hash(sandbox) is None

    @pytest.mark.parametrize(
        "operation",
        [
            {"op": "replace", "path": "name.givenName", "value": ""},
            {"op": "replace", "path": "name", "value": {"givenName": None}},
            {"op": "remove", "path": "name.givenName"},
        ],
    )
    def test_and_clears_what_is_replaced_by_it(self, provider, bob, operation):
        assert provider.patch(bob, operation).json["name"] == {"familyName": "Baker"}

    @pytest.mark.parametrize(
        "path", ["name.givenName", "emails", "active", f"{ENTERPRISE}:manager"]
    )
    def test_and_adds_nothing(self, provider, bob, path):
        before = provider.user("2")

        assert provider.patch(bob, {"op": "add", "path": path, "value": ""}).json == before


def password_hash(sandbox):
    with sandbox.store.read() as view:
        return view.get("users", "bob@acme.test")["passwordHash"]


class TestOfSeveralAddresses:
    """One is kept: an account has one."""

    @pytest.mark.parametrize(
        ("op", "path", "value", "kept"),
        [
            ("add", "emails", [{"value": "n@x.test"}], "n@x.test"),
            ("add", "emails", {"value": "n@x.test", "primary": "True", "type": "home"}, "n@x.test"),
            ("replace", "emails", [{"value": "n@x.test", "type": "home"}], "n@x.test"),
            ("replace", "emails[primary eq true].value", "n@x.test", "n@x.test"),
            ("add", 'emails[type eq "WORK"].value', "n@x.test", "n@x.test"),
            ("replace", 'emails[value eq "BOB@acme.test"].value', "n@x.test", "n@x.test"),
            ("replace", 'emails[not (type eq "home")]', {"value": "n@x.test"}, "n@x.test"),
            ("replace", 'emails[type eq "work"].type', "Work", "bob@acme.test"),
            ("replace", "emails.primary", "True", "bob@acme.test"),
            ("replace", "emails.display", "x", "bob@acme.test"),
            ("remove", 'emails[value eq "other@x.test"]', None, "bob@acme.test"),
            ("remove", 'emails[type eq "home"].value', None, "bob@acme.test"),
            ("remove", "emails", [{"value": "other@x.test"}], "bob@acme.test"),
        ],
    )
    def test_it_is(self, provider, bob, op, path, value, kept):
        user = provider.patch(bob, {"op": op, "path": path, "value": value}).json

        assert user["emails"] == [{"value": kept, "type": "work", "primary": True}]

    @pytest.mark.parametrize(
        ("op", "path", "value", "scim_type"),
        [
            ("add", "emails", [{"value": "n@x.test", "type": "home"}], "invalidValue"),
            ("add", 'emails[type eq "home"].value', "n@x.test", "noTarget"),
            ("replace", 'emails[type eq "home"].value', "n@x.test", "noTarget"),
            ("replace", 'emails[value eq "other@x.test"]', {"value": "n@x.test"}, "noTarget"),
            ("replace", 'emails[type eq "work"].type', "home", "mutability"),
            ("replace", "emails.primary", False, "mutability"),
            ("remove", 'emails[type eq "work"].type', None, "mutability"),
        ],
    )
    def test_a_second_one_is_told(self, provider, bob, op, path, value, scim_type):
        before = provider.user("2")

        response = provider.patch(bob, NAMED, {"op": op, "path": path, "value": value})

        assert kind(response) == (400, scim_type)
        assert "One is kept" in error(response)[2]
        assert provider.user("2") == before

    def test_it_is_the_last_one_that_is_said(self, provider, bob):
        user = provider.patch(
            bob,
            {"op": "replace", "path": "emails.value", "value": "a@x.test"},
            {"op": "replace", "path": 'emails[value eq "a@x.test"].value', "value": "b@x.test"},
        ).json

        assert user["emails"][0]["value"] == "b@x.test"


class TestReadOnlyOnesAndTheirPathsAreIgnored:
    @pytest.mark.parametrize("op", ["add", "replace", "remove"])
    @pytest.mark.parametrize(
        "path",
        [
            "id", "meta", "meta.location", "groups", 'groups[value eq "USER"]', "groups.value",
            "displayName", "schemas", "title", 'addresses[type eq "work"].country',
            f"{ENTERPRISE}:department", f"{ENTERPRISE}:manager.displayName", "name.formatted",
        ],
    )  # fmt: skip
    def test_of_users(self, provider, bob, op, path):
        before = provider.user("2")

        response = provider.patch(bob, {"op": op, "path": path, "value": "x"})

        assert (response.status_code, response.json) == (200, before)

    @pytest.mark.parametrize(
        "path",
        ["id", "meta", "schemas", "note", "members.display", 'members[value eq "2"].$ref'],
    )
    def test_of_groups(self, provider, bob, path):
        response = provider.patch("/Groups/USER", {"op": "replace", "path": path, "value": "x"})

        assert response.status_code == 204
        assert len(provider.members("USER")) == 2


class TestMembersThatAreNotNamed:
    @pytest.mark.parametrize("op", ["add", "replace", "remove"])
    @pytest.mark.parametrize("value", [None, "", [None], [""], [{}], [{"value": None}], 2])
    def test_are_400_and_nobody_leaves_the_group(self, provider, bob, op, value):
        response = provider.patch("/Groups/USER", {"op": op, "path": "members", "value": value})

        assert kind(response) == (400, "invalidValue")
        assert len(provider.members("USER")) == 2

    def test_are_400_without_a_path_too(self, provider, bob):
        response = provider.patch("/Groups/USER", {"op": "replace", "value": {"members": None}})

        assert kind(response) == (400, "invalidValue")
        assert len(provider.members("USER")) == 2

    def test_are_none_to_remove_in_an_empty_list(self, provider, bob):
        operation = {"op": "remove", "path": "members", "value": []}

        assert provider.patch("/Groups/USER", operation).status_code == 204
        assert len(provider.members("USER")) == 2

    @pytest.mark.parametrize("op", ["add", "replace"])
    def test_are_no_path_of_their_own(self, provider, bob, op):
        operation = {"op": op, "path": "members.value", "value": "2"}

        assert kind(provider.patch("/Groups/USER", operation)) == (400, "invalidPath")


ODD_VALUES = [None, "", "x", 5, 1.5, True, [], {}, [5], [{}], [{"value": 5}], {"value": []}, "\n"]
ODD_PATHS = [
    "userName", "name", "name.givenName", "emails", "emails.value", "emails.type", "photos",
    "timezone", "active", "password", "externalId", f"{ENTERPRISE}:manager", ENTERPRISE, USER,
    'emails[type eq "work"]', 'emails[type eq "work"].value', 'emails[type eq "home"].primary',
    "emails[", "emails[]",
    'emails[type', 'emails[type eq "x]', "emails]", "emails[type eq 5].value",
    "a b", ".", "..", "name.", ".name", "na\nme", "[", "x[y]", "members", "displayName",
    'members[value eq "2"]', 'members[value co "2"]', "members[not (value pr)]",
    'members[value eq "2" and value eq "3"]', "emails[type pr].value.x", "active.value", "\u2028",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("op", ["add", "replace", "remove", "move", None])
@pytest.mark.parametrize("path", ODD_PATHS)
def test_every_odd_patch_is_told_in_one_line_of_our_own(provider, bob, op, path):
    for where in (bob, "/Groups/MANAGEMENT"):
        for value in ODD_VALUES:
            response = provider.patch(where, {"op": op, "path": path, "value": value})
            assert response.status_code in {200, 204, 400, 409}, (path, value)
            if response.status_code >= 400:
                _, _, detail = error(response)
                assert_own_words(detail, value)


def assert_own_words(detail: str, value: object = None) -> None:
    assert detail.endswith("."), detail
    assert len(detail.splitlines()) == 1
    foreign = (
        r"pydantic|https?:|Error\b|Exception|\bclass\b|[Ii]nput should|object at|\bUser\[|str\b"
    )
    assert not re.search(foreign, detail), (detail, value)


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("name.givenName", 5, "name.givenName"),
        ("NAME.FamilyName", {}, "NAME.FamilyName"),
        ('emails[type eq "work"].value', 5, 'emails[type eq "work"].value'),
        ("emails", "n@x.test", "emails"),
        ("emails", [{"value": "n@x.test", "primary": "perhaps"}], "emails.primary"),
        ("active", "perhaps", "active"),
        (f"{ENTERPRISE}:manager", [1, 2], f"{ENTERPRISE}:manager"),
        ("timezone", "Moon/Base", "timezone"),
        ('emails[type eq "wo', "x", 'emails[type eq "wo'),
        ("emails[type eq].value", "x", "emails[type eq].value"),
        ('emails[title eq "x"]', "x", 'emails[title eq "x"]'),
        ("na\nme", "x", "na?me"),
        ("x" * 5_000, "x", "x" * 100),
    ],
)
def test_an_error_names_the_path(provider, bob, path, value, named):
    response = provider.patch(bob, {"op": "replace", "path": path, "value": value})

    status, _, detail = error(response)
    assert status == 400
    assert named in detail
    assert_own_words(detail)


@pytest.mark.parametrize(
    "filter_",
    [
        '"', "(", ")", "()", "[", "userName[", "not", "not userName pr", "userName pr pr",
        "userName pr and", "and userName pr", 'userName eq "\\x"', 'userName eq "\\ud800"',
        'userName eq "\\u0000"', "userName eq 'bob'", "userName eq bob", "userName eq 5",
        "userName eq " + "9" * 3_000, "userName eq 1e999", "userName gt true", "active co true",
        'active eq "perhaps"', "active gt true", "userName co null", 'emails[emails[type eq "x"]]',
        'emails[type eq "work"].title eq "x"', 'emails[type eq "work"] value eq "x"',
        "emails[type pr", "userName\u0000 pr", 'x" or userName pr', "userName pr)",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/Users", "/Groups"])
def test_every_odd_filter_is_told_in_one_line_of_our_own(provider, path, filter_):
    status, scim_type, detail = error(provider.get(path, filter=filter_))

    assert (status, scim_type) == (400, "invalidFilter")
    assert_own_words(detail, filter_)


@pytest.mark.parametrize(
    ("filter_", "count"),
    [
        ("externalId eq null", 3),
        ("externalId ne null", 0),
        ('externalId eq ""', 0),
        ('active eq "True"', 3),
        ("not (not (userName pr))", 3),
        ('userName pr and (userName sw "b" or userName sw "e") and not (userName co "bob")', 1),
        ('userName sw "a" or userName sw "b" and userName sw "e"', 1),
        ('emails[type eq "work" and primary eq true].value ew "acme.test"', 3),
        ("(" * 2_000 + "userName pr" + ")" * 2_000, 3),
        ("not (" * 600 + "userName pr" + ")" * 600, 3),
        (" or ".join(["userName pr"] * 50), 3),
        ('displayName gt "' + "z" * 4_000 + '"', 0),
        ('displayName ne "' + "z" * 4_000 + '"', 3),
        ('displayName sw "' + "a" * 4_000 + '"', 0),
    ],
)
def test_a_filter_of_a_rare_kind_is_judged_all_the_same(provider, bob, filter_, count):
    assert len(provider.found(filter_)) == count
