"""What a request may hold and cost: limits, what is read, what is done under the lock."""

import unicodedata
from collections import Counter
from functools import partial

import pytest

from provisioning import accounts
from provisioning.scim import groups, users
from provisioning.store import Transaction
from provisioning.testing.sandbox import Sandbox
from tests.scim.asking import ENTERPRISE, IdentityProvider, error, kind
from tests.scim.test_scim_filters import reads_of

MARKS = "e" + "\u0301\u0323" * 20_000


class TestLimits:
    @pytest.mark.parametrize("length, status", [(4_096, 200), (4_097, 400)])
    @pytest.mark.parametrize("path", ["/Users", "/Groups"])
    def test_of_a_filter_s_length(self, provider, path, length, status):
        filter_ = 'displayName eq "'.ljust(length - 1, "x") + '"'

        by_post = provider.post(f"{path}/.search", {"filter": filter_})

        assert provider.get(path, filter=filter_).status_code == by_post.status_code == status
        if status == 400:
            assert kind(by_post) == (400, "invalidFilter")

    @pytest.mark.parametrize("number, status", [(50, 200), (51, 400)])
    @pytest.mark.parametrize("joint", [" or ", " and "])
    def test_of_comparisons(self, provider, joint, number, status):
        response = provider.get("/Users", filter=joint.join(["id pr"] * number))

        assert response.status_code == status
        if status == 400:
            assert kind(response) == (400, "invalidFilter")

    @pytest.mark.parametrize("number, status", [(100, 200), (101, 400)])
    @pytest.mark.parametrize("parameter", ["attributes", "excludedAttributes"])
    def test_of_names_of_attributes(self, provider, parameter, number, status):
        names = ["emails.value"] * number

        responses = [
            provider.get("/Users", **{parameter: ",".join(names)}),
            provider.get("/Users/1", **{parameter: ",".join(names)}),
            provider.get("/Groups/USER", **{parameter: ",".join(names)}),
            provider.post("/.search", {parameter: names}),
        ]

        assert {response.status_code for response in responses} == {status}
        if status == 400:
            assert {kind(response) for response in responses} == {(400, "invalidValue")}

    @pytest.mark.parametrize("number, status", [(1_000, 200), (1_001, 400)])
    def test_of_operations(self, provider, number, status):
        operation = {"op": "replace", "path": "name.givenName", "value": "Alice"}

        response = provider.patch("/Users/1", *[operation] * number)

        assert response.status_code == status
        if status == 400:
            assert kind(response) == (400, "tooMany")
            assert "name" not in provider.user("1")

    @pytest.mark.parametrize("number, status", [(20, 201), (21, 400)])
    @pytest.mark.parametrize("attribute", ["emails", "photos"])
    def test_of_values(self, provider, attribute, number, status):
        user = {"userName": "bob@acme.test", attribute: [{"value": "b@acme.test"}] * number}

        response = provider.post("/Users", user)

        assert response.status_code == status
        if status == 400:
            assert kind(response) == (400, "invalidValue")
            operation = {"op": "add", "path": attribute, "value": user[attribute]}
            assert kind(provider.patch("/Users/1", operation)) == (400, "invalidValue")

    @pytest.mark.parametrize("length, scim_type", [(4_096, None), (4_097, "invalidPath")])
    def test_of_a_path(self, provider, length, scim_type):
        operation = {"op": "replace", "path": "x" * length, "value": "x"}

        response = provider.patch("/Users/1", operation)

        assert (response.status_code == 200) is (scim_type is None)
        assert response.json.get("scimType") == scim_type

    @pytest.mark.parametrize("parameter", ["startIndex", "count"])
    @pytest.mark.parametrize(
        "number", ["1" + "0" * 18, str(2**63), str(2**64), "9" * 4_000, "-" + "9" * 4_300, "007"]
    )
    @pytest.mark.parametrize("path", ["/Users", "/Groups"])
    def test_there_are_none_of_integers(self, provider, path, parameter, number):
        response = provider.get(path, **{parameter: number})

        assert response.status_code == 200
        assert response.json["totalResults"] == (1 if path == "/Users" else 5)

    @pytest.mark.parametrize(
        "number", [2**63 - 1, -(2**63), 2**64, True, 1.5, "x", [1], "1.0", "", None]
    )
    def test_in_a_body_integers_are_read_or_refused(self, provider, number):
        response = provider.post("/Users/.search", {"startIndex": number})

        assert response.status_code in {200, 400}
        if response.status_code == 400:
            assert error(response)[1] == "invalidValue"


@pytest.mark.storeless
class TestTextOfManyMarks:
    """Normalizing takes the square of a run of combining marks, so nothing long is normalized."""

    @pytest.mark.parametrize(
        ("method", "path", "facts"),
        [
            ("POST", "/Users", {"body": {"userName": MARKS + "@acme.test"}}),
            ("PUT", "/Users/1", {"body": {"userName": MARKS}}),
            ("PATCH", "/Users/1", {"op": "replace", "path": "userName", "value": MARKS}),
            ("PATCH", "/Users/1", {"op": "remove", "path": "emails", "value": {"value": MARKS}}),
            (
                "PATCH",
                "/Users/1",
                {"op": "replace", "value": {"emails.value": MARKS, "emails[value pr]": {}}},
            ),
            ("PATCH", "/Users/1", {"op": "add", "path": "photos", "value": {"type": MARKS}}),
            ("GET", "/Users", {"query_string": {"filter": f'userName eq "{MARKS[:4_000]}"'}}),
            ("GET", "/Users", {"query_string": {"filter": f'emails co "{MARKS[:4_000]}"'}}),
            ("GET", "/Groups", {"query_string": {"filter": f'displayName gt "{MARKS[:4_000]}"'}}),
            ("PUT", "/Groups/USER", {"body": {"displayName": MARKS}}),
        ],
    )
    def test_is_normalized_in_no_longer_pieces_than_a_thousand(
        self, provider, monkeypatch, method, path, facts
    ):
        lengths = Counter()
        monkeypatch.setattr("unicodedata.normalize", counting(lengths))
        if "op" in facts:
            facts = {"body": {"Operations": [facts]}}

        assert provider.request(method, path, **facts).status_code in {200, 400}

        assert max(lengths, default=0) <= 1_000


def counting(lengths):
    normalize = unicodedata.normalize

    def count(form, text):
        lengths[len(text)] += 1
        return normalize(form, text)

    return count


@pytest.mark.storeless
class TestWhatTheStoreCanTAnswer:
    @pytest.mark.parametrize(
        "query",
        [
            {"filter": 'not (userName eq "nobody")'},
            {"filter": "displayName pr and active eq true"},
            {"filter": 'userName ne "x" or externalId eq "X-7" or active eq false'},
            {"sortBy": "displayName"},
            {"sortBy": "externalId", "sortOrder": "descending", "filter": 'displayName co "é"'},
        ],
    )
    def test_looks_at_each_user_once(self, monkeypatch, query):
        small, large = (
            reads_of(monkeypatch, size, lambda provider: provider.get("/Users", count=1, **query))
            for size in (100, 300)
        )

        assert large["users"] - small["users"] == 200
        assert large["privileges"] - small["privileges"] in {0, 200}
        assert large.total() - small.total() <= 400


@pytest.mark.storeless
class TestUnderTheLock:
    """What is done there doesn't grow with the body."""

    def reads(self, monkeypatch, ask):
        """How many questions a transaction is asked in a request."""
        asked = Counter()
        for name in ("get", "find", "group", "query", "put", "remove"):
            original = getattr(Transaction, name)

            def count(view, *facts, _name=name, _original=original, **others):
                asked[_name] += 1
                return _original(view, *facts, **others)

            monkeypatch.setattr(Transaction, name, count)
        assert ask().status_code in {200, 204}
        monkeypatch.undo()
        assert asked
        return asked

    @pytest.mark.parametrize(
        "operation",
        [
            {"op": "replace", "path": "name.givenName", "value": "Alice"},
            {"op": "replace", "path": 'emails[type eq "work"].value', "value": "a@x.test"},
            {"op": "replace", "path": "emails[value pr].value", "value": "a@x.test"},
            {"op": "add", "value": {"externalId": "a-1", f"{ENTERPRISE}:manager": None}},
        ],
    )
    def test_a_thousand_operations_are_as_one(self, provider, monkeypatch, operation):
        def ask(number):
            return self.reads(
                monkeypatch, lambda: provider.patch("/Users/1", *[operation] * number)
            )

        ask(1)
        assert ask(1_000) == ask(1)

    def test_a_member_who_is_named_a_thousand_times_is_one(self, sandbox, provider, monkeypatch):
        sandbox.add_user("bob@acme.test")
        sandbox.add_user("eve@acme.test")

        def ask(number, user):
            add = {"op": "add", "path": "members", "value": [{"value": user}] * number}
            return self.reads(
                monkeypatch, lambda: provider.patch("/Groups/MANAGEMENT", *[add] * number)
            )

        assert ask(1, "2") == ask(200, "3")

    @pytest.mark.parametrize("method", ["PUT", "PATCH"])
    def test_of_a_whole_group_only_those_who_join_and_leave_are_looked_at(
        self, monkeypatch, method
    ):
        asked = []
        for size in (20, 200):
            sandbox = Sandbox(scim="on")
            provider = IdentityProvider(sandbox.client(sandbox.add_key(None)))
            for _ in range(size):
                sandbox.add_user()
            members = [{"value": str(number)} for number in range(3, size + 2)] + [{"value": "1"}]
            body = {"members": members}
            if method == "PATCH":
                body = {"Operations": [{"op": "replace", "value": body}]}
            put = partial(provider.request, method, "/Groups/USER", body)
            asked.append(self.reads(monkeypatch, put))
            assert len(provider.members("USER")) == size

        assert asked[0] == asked[1]

    def test_a_member_who_is_removed_meanwhile_is_told(self, sandbox, provider, monkeypatch):
        sandbox.add_user("bob@acme.test")
        changing = groups.changing
        others = iter(["/Users/2"])

        def after_another(**facts):
            for path in others:
                provider.delete(path)
            return changing(**facts)

        monkeypatch.setattr("provisioning.scim.groups.changing", after_another)

        add = {"op": "add", "path": "members", "value": [{"value": "2"}]}
        assert kind(provider.patch("/Groups/MANAGEMENT", add)) == (400, "invalidValue")
        assert provider.members("MANAGEMENT") == set()


class TestAPasswordIsHashed:
    @pytest.fixture
    def hashes(self, monkeypatch):
        made = []
        monkeypatch.setattr(
            "provisioning.scim.users.hashed", lambda _, password: made.append(password) or "hash"
        )
        return made

    def test_once_for_a_request_that_is_granted(self, provider, hashes):
        provider.create("bob@acme.test", password="secret secret")

        assert hashes == ["secret secret"]

    @pytest.mark.parametrize(
        ("method", "path", "body", "status"),
        [
            ("POST", "/Users", {"userName": "alice@acme.test"}, 409),
            ("POST", "/Users", {"userName": "new"}, 400),
            ("POST", "/Users", {"userName": "new@acme.test", ENTERPRISE: {"manager": "99"}}, 400),
            ("POST", "/Users", {"userName": "new@acme.test", "timezone": "Moon/Base"}, 400),
            ("PUT", "/Users/1", {"userName": "alice@acme.test", "active": False}, 409),
            ("PUT", "/Users/1", {"userName": "alice@acme.test", ENTERPRISE: {"manager": "1"}}, 409),
            (
                "PUT",
                "/Users/1",
                {"userName": "alice@acme.test", "name": {"givenName": "\u0001"}},
                400,
            ),
            ("PUT", "/Users/99", {"userName": "alice@acme.test"}, 404),
            ("PATCH", "/Users/1", {"active": False}, 409),
        ],
    )
    def test_for_none_that_is_refused(self, sandbox, provider, hashes, method, path, body, status):
        body = body | {"password": "secret secret"}
        if method == "PATCH":
            body = {"Operations": [{"op": "replace", "value": body}]}
        before = sandbox.administrator.get("/audit").headers["X-Total-Count"]

        response = provider.request(method, path, body)

        assert response.status_code == status
        assert hashes == []
        assert sandbox.administrator.get("/audit").headers["X-Total-Count"] == before

    def test_for_no_account_of_another_home(self, sandbox, provider, hashes):
        sandbox.add_user("grace@globex.test", tenant="globex")

        provider.create("grace@globex.test", password="secret secret")

        assert hashes == []

    def test_and_stored_with_what_came_with_it(self, sandbox, provider, hashes):
        made = provider.create("bob@acme.test", password="secret secret", externalId="b-1")

        assert made["externalId"] == "b-1"
        with sandbox.store.read() as view:
            assert view.get("users", "bob@acme.test")["passwordHash"] == "hash"
            assert view.count("users") == 2


def test_two_changes_at_once_are_each_judged_by_what_is_there(sandbox, provider, monkeypatch):
    """A path that selects by an address selects by the one that is there when it is its turn."""
    sandbox.add_user("bob@acme.test")
    changing = users.changing
    others = iter([{"op": "replace", "path": "emails.value", "value": "other@x.test"}])

    def after_another(**facts):
        for operation in others:
            provider.patch("/Users/2", operation)
        return changing(**facts)

    monkeypatch.setattr("provisioning.scim.users.changing", after_another)
    operation = {
        "op": "replace",
        "path": 'emails[value eq "bob@acme.test"].value',
        "value": "n@x.test",
    }

    assert kind(provider.patch("/Users/2", operation)) == (400, "noTarget")
    assert provider.user("2")["emails"][0]["value"] == "other@x.test"


def test_a_password_is_not_lost_when_the_account_comes_home_meanwhile(
    sandbox, provider, monkeypatch
):
    globex = IdentityProvider(sandbox.client(sandbox.add_key(None, tenant="globex")))
    made = globex.create("grace@globex.test", password="secret secret")
    sandbox.grant("grace@globex.test", "USER")
    changing = users.changing

    def after_a_move(**facts):
        accounts.move(sandbox.parts, "grace@globex.test", "acme")
        return changing(**facts)

    monkeypatch.setattr("provisioning.scim.users.changing", after_a_move)

    operation = {"op": "replace", "path": "password", "value": "another secret"}
    assert provider.patch(f"/Users/{made['id']}", operation).status_code == 200

    with sandbox.store.read() as view:
        assert view.get("users", "grace@globex.test")["passwordHash"] is not None
