"""Filters, order and pages: what is found, and how much of the tenant is read for it."""

import json
from collections import Counter

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scim2_models import ScimFilter, ScimPolicy

from provisioning.domain.names import username_key
from provisioning.factory import COLLECTIONS
from provisioning.scim.models import User
from provisioning.store import View, fold
from provisioning.store.sql import SqlStore
from provisioning.store.sql.sqlite import SQLite
from provisioning.testing.sandbox import Sandbox
from tests.contract.asking import LATER
from tests.scim.asking import ENTERPRISE, IdentityProvider, kind

POLICY = ScimPolicy(
    comparison_key=lambda binding, text: text if binding.case_exact else username_key(text)
)
"""How scim2-models, which is asked for its opinion of filters, compares text."""
PEOPLE = [
    {"username": "bob@acme.test", "firstName": "Bob", "lastName": "Baker"},
    {"username": "Bobby", "email": "bobby@acme.test", "firstName": "Bobby"},
    {"username": "zoe@acme.test", "email": "SHARED@acme.test", "lastName": "Émile"},
    {"username": "ann@acme.test", "email": "shared@acme.test", "firstName": "ann"},
    {"username": "ﬀ@acme.test", "firstName": "Kelvin \u212a", "lastName": "Straße"},
    {
        "username": "out@acme.test",
        "active_until": "2026-01-01T00:00:00Z",
        "active_from": "2025-01-01T00:00:00Z",
    },
    {"username": "later@acme.test", "active_from": LATER},
]


@pytest.fixture(scope="module")
def town() -> IdentityProvider:
    """A tenant with people of many kinds, one of whom SCIM has removed."""
    sandbox = Sandbox(scim="on")
    provider = IdentityProvider(sandbox.client(sandbox.add_key(None)))
    for person in PEOPLE:
        sandbox.add_user(**{"email": person["username"], **person})
    for number, name in enumerate(("bob@acme.test", "zoe@acme.test", "out@acme.test")):
        path = f"/Users/{provider.id_of(name)}"
        provider.patch(path, {"op": "add", "path": "externalId", "value": f"X-{number}"})
    gone = provider.create("gone@acme.test", externalId="X-9", name={"givenName": "Bob"})
    provider.delete(f"/Users/{gone['id']}")
    sandbox.add_user("other@globex.test", tenant="globex", firstName="Bob")
    return provider


@pytest.fixture(scope="module")
def everybody(town) -> list[User]:
    with POLICY:
        return [User.model_validate(each) for each in town.get("/Users").json["Resources"]]


@pytest.mark.parametrize(
    ("filter_", "found"),
    [
        ('userName eq "BOB@ACME.TEST"', {"bob@acme.test"}),
        ('userName eq "ff@acme.test"', {"ﬀ@acme.test"}),
        ('userName eq "gone@acme.test"', set()),
        ('userName eq "other@globex.test"', set()),
        ('externalId eq "X-1"', {"zoe@acme.test"}),
        ('externalId eq "X-9"', set()),
        ('id eq "1"', {"alice@acme.test"}),
        ('id eq "0"', set()),
        ('emails eq "shared@acme.test"', {"zoe@acme.test", "ann@acme.test"}),
        ('emails.value eq "Shared@acme.test"', {"zoe@acme.test", "ann@acme.test"}),
        ('emails[type eq "work" and value eq "bobby@acme.test"]', {"Bobby"}),
        ('emails[type eq "home" and value eq "bobby@acme.test"]', set()),
        ('emails[type eq "work"].value eq "bobby@acme.test"', {"Bobby"}),
        ('emails.value eq "shared@acme.test" and name.givenName eq "Ann"', {"ann@acme.test"}),
        ("active eq false", {"out@acme.test", "later@acme.test"}),
        ("active ne true", {"out@acme.test", "later@acme.test"}),
        ('active eq true and userName sw "bob"', {"bob@acme.test", "Bobby"}),
        ('active eq false and userName eq "bob@acme.test"', set()),
        ('name.givenName sw "bob"', {"bob@acme.test", "Bobby"}),
        ('name.givenName eq "kelvin k"', {"ﬀ@acme.test"}),
        ('name.familyName co "strasse"', {"ﬀ@acme.test"}),
        ('name.familyName eq "Émile"', {"zoe@acme.test"}),
        ('name.familyName eq "Emile"', set()),
        ('displayName eq "bob baker"', {"bob@acme.test"}),
        ('displayName ew "b baker"', {"bob@acme.test"}),
        ('userName eq "bobby" or externalId eq "X-1"', {"Bobby", "zoe@acme.test"}),
        ("externalId pr and not (active eq false)", {"bob@acme.test", "zoe@acme.test"}),
        ('userName gt "z"', {"zoe@acme.test"}),
        ('userName lt "alice@acme.tesu" and userName ge "a"', {"alice@acme.test"}),
        (
            'urn:ietf:params:scim:schemas:core:2.0:User:userName eq "bobby"',
            {"Bobby"},
        ),
        ('USERNAME EQ "bobby"', {"Bobby"}),
    ],
)
def test_a_filter_finds(town, filter_, found):
    assert set(town.found(filter_)) == found


@pytest.mark.parametrize(
    "filter_",
    [
        "",
        "userName",
        "userName eq",
        'userName is "x"',
        '(userName eq "x"',
        'title eq "x"',
        'password eq "x"',
        "password pr",
        'timezone eq "Asia/Tokyo"',
        'groups.value eq "USER"',
        f'{ENTERPRISE}:manager.value eq "1"',
        'meta.lastModified gt "2020-01-01T00:00:00Z"',
        'active gt "x"',
    ],
)
def test_a_filter_that_can_t_be_judged_is_refused(town, filter_):
    assert kind(town.get("/Users", filter=filter_)) == (400, "invalidFilter")


TEXTS = [
    "bob",
    "BOB@acme.test",
    "bobby",
    "@",
    "Baker",
    "x-1",
    "X-1",
    "shared@acme.test",
    "k",
    "ß",
    "e",
    "1",
]
ATTRIBUTES = [
    "userName",
    "externalId",
    "id",
    "displayName",
    "name.givenName",
    "name.familyName",
    "emails",
    "emails.value",
]
OPERATORS = ["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"]
comparisons = st.one_of(
    st.builds(
        "{} {} {}".format,
        st.sampled_from(ATTRIBUTES),
        st.sampled_from(OPERATORS),
        st.sampled_from(TEXTS).map(lambda text: json.dumps(text, ensure_ascii=False)),
    ),
    st.builds(
        "active {} {}".format, st.sampled_from(["eq", "ne"]), st.sampled_from(["true", "false"])
    ),
    st.sampled_from([*ATTRIBUTES, "active"]).map("{} pr".format),
    st.sampled_from(TEXTS).map('emails[type eq "work" and value co "{}"]'.format),
)
filters = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        inner.map("not ({})".format),
    ),
    max_leaves=4,
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(filter_=filters)
@example('(userName eq "bobby" or active eq false)')
@example('(emails eq "shared@acme.test" and userName eq "BOB@acme.test")')
def test_a_filter_finds_what_it_is_true_of_however_it_is_asked_of_the_store(
    town, everybody, filter_
):
    with POLICY:
        judged = ScimFilter[User](filter_)
        expected = [each.id for each in everybody if judged.match(each)]

    listed = town.get("/Users", filter=filter_).json

    assert [each["id"] for each in listed["Resources"]] == expected
    assert listed["totalResults"] == len(expected)


class TestOrder:
    def names(self, town, **asked):
        return [each["userName"] for each in town.get("/Users", **asked).json["Resources"]]

    def test_is_that_of_creation_unless_told(self, town):
        assert self.names(town) == ["alice@acme.test", *(each["username"] for each in PEOPLE)]

    @pytest.mark.parametrize(
        "attribute",
        [
            "id",
            "userName",
            "externalId",
            "displayName",
            "name.givenName",
            "name.familyName",
            "emails",
            "emails.value",
            "active",
        ],
    )
    @pytest.mark.parametrize("descends", [False, True])
    def test_is_by_an_attribute_those_without_it_last(self, town, attribute, descends):
        order = "descending" if descends else "ascending"
        listed = town.get("/Users", sortBy=attribute, sortOrder=order).json["Resources"]

        values = [value_of(each, attribute) for each in listed]
        known = [value for value in values if value is not None]
        assert len(listed) == len(PEOPLE) + 1
        assert known == sorted(known, reverse=descends)
        assert None not in (
            values[len(values) - len(known) :] if descends else values[: len(known)]
        )

    @pytest.mark.parametrize("attribute", ["title", "password", "name", "groups", "meta.location"])
    def test_by_anything_else_is_refused(self, town, attribute):
        assert error_status(town.get("/Users", sortBy=attribute)) == 400

    def test_in_an_unknown_direction_is_refused(self, town):
        assert kind(town.get("/Users", sortBy="id", sortOrder="up")) == (400, "invalidValue")


def error_status(response):
    return kind(response)[0]


def value_of(user, attribute):
    value = user
    for part in attribute.split("."):
        value = value.get(part) if isinstance(value, dict) else value
    if isinstance(value, list):
        value = value[0]["value"]
    if attribute == "id":
        return int(value)
    return fold(value) if isinstance(value, str) and attribute != "externalId" else value


class TestPages:
    @pytest.mark.parametrize("filter_", [None, "userName pr", 'not (userName eq "nobody")'])
    @pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9])
    def test_lead_through_the_whole_list(self, town, filter_, size):
        asked = {} if filter_ is None else {"filter": filter_}
        whole = [each["id"] for each in town.get("/Users", **asked).json["Resources"]]

        for first in range(1, len(whole) + 2):
            page = town.get("/Users", startIndex=first, count=size, **asked).json
            assert [each["id"] for each in page["Resources"]] == whole[first - 1 : first - 1 + size]
            assert page["startIndex"] == first
            assert page["itemsPerPage"] == len(page["Resources"])
            assert page["totalResults"] == len(whole)

    @pytest.mark.parametrize(
        ("asked", "first", "size"),
        [
            ({"startIndex": 0}, 1, 8),
            ({"startIndex": -5}, 1, 8),
            ({"startIndex": 100}, 100, 0),
            ({"count": 0}, 1, 0),
            ({"count": -1}, 1, 0),
            ({"count": 1000}, 1, 8),
        ],
    )
    def test_at_their_bounds(self, town, asked, first, size):
        page = town.get("/Users", **asked).json

        assert (page["startIndex"], page["itemsPerPage"]) == (first, size)
        assert page["totalResults"] == 8

    @pytest.mark.parametrize("asked", [{"count": "many"}, {"startIndex": "x"}])
    def test_that_are_no_numbers_are_refused(self, town, asked):
        assert kind(town.get("/Users", **asked)) == (400, "invalidValue")

    def test_hold_at_most_300(self, sandbox, provider):
        for _ in range(301):
            sandbox.add_user()

        page = provider.get("/Users", count=1000).json

        assert (page["itemsPerPage"], page["totalResults"]) == (300, 302)


class TestSearches:
    def test_are_gets_with_a_body(self, town):
        asked = {"filter": 'userName sw "bob"', "sortBy": "userName", "sortOrder": "descending"}

        by_post = town.post("/Users/.search", {**asked, "attributes": ["userName"], "count": 1})

        by_get = town.get("/Users", **asked, attributes="userName", count=1)
        assert by_post.status_code == 200
        assert by_post.json == by_get.json

    def test_over_everything_list_groups_and_users(self, town):
        listed = town.post("/.search", {"count": 7, "attributes": ["id"]}).json

        assert listed["totalResults"] == 5 + 8
        assert [each["id"] for each in listed["Resources"]][4:] == ["ADMINISTRATOR", "1", "2"]

    @pytest.mark.parametrize(
        ("filter_", "found"),
        [
            ('displayName eq "user" or userName eq "bobby"', ["USER", "3"]),
            ('members eq "1"', ["ADMINISTRATOR"]),
            ('id eq "1"', ["1"]),
        ],
    )
    def test_over_everything_are_filtered(self, town, filter_, found):
        listed = town.post("/.search", {"filter": filter_}).json

        assert [each["id"] for each in listed["Resources"]] == found

    def test_of_groups(self, town):
        listed = town.post("/Groups/.search", {"filter": 'id eq "USER"'}).json

        assert [each["id"] for each in listed["Resources"]] == ["USER"]


POINT_QUESTIONS = [
    'userName eq "user7@acme.test"',
    'externalId eq "X-7"',
    'id eq "9"',
    'emails.value eq "user7@acme.test"',
    'emails[type eq "work" and value eq "user7@acme.test"]',
    'userName eq "user7@acme.test" and active eq true',
    'userName eq "user7@acme.test" or emails eq "user8@acme.test"',
]


class Reads(Counter):
    """How many records are handed out by views, by the name of their table."""

    def __init__(self, monkeypatch):
        super().__init__()
        for name in ("get", "find", "group", "all"):
            monkeypatch.setattr(View, name, self._counting(getattr(View, name)))
        monkeypatch.setattr(View, "query", self._counting(View.query, lambda page: page.records))

    def _counting(self, function, records_of=None):
        def count(view, table, *rest):
            answer = function(view, table, *rest)
            found = answer if records_of is None else records_of(answer)
            self[table] += 1 if found is None or isinstance(found, dict) else 1 + len(found)
            return answer

        return count


def reads_of(monkeypatch, size, ask):
    """What a request reads in a tenant of this many users."""
    sandbox = Sandbox(scim="on")
    provider = IdentityProvider(sandbox.client(sandbox.add_key(None)))
    for _ in range(size):
        sandbox.add_user()
    provider.patch("/Users/8", {"op": "add", "path": "externalId", "value": "X-7"})
    with monkeypatch.context() as patched:
        reads = Reads(patched)
        response = ask(provider)
    assert response.status_code < 300, response.data
    return reads


@pytest.mark.storeless
@pytest.mark.parametrize(
    "ask",
    [
        *(
            pytest.param(lambda provider, f=each: provider.get("/Users", filter=f), id=each)
            for each in POINT_QUESTIONS
        ),
        pytest.param(lambda provider: provider.get("/Users/9"), id="show"),
        pytest.param(
            lambda provider: provider.post("/Users", {"userName": "new@acme.test"}), id="create"
        ),
        pytest.param(
            lambda provider: provider.patch(
                "/Users/9", {"op": "replace", "path": "active", "value": "False"}
            ),
            id="deactivate",
        ),
        pytest.param(lambda provider: provider.delete("/Users/9"), id="remove"),
        pytest.param(
            lambda provider: provider.patch(
                "/Groups/USER",
                {"op": "remove", "path": 'members[value eq "9"]'},
                {"op": "add", "path": "members", "value": [{"value": "8"}]},
            ),
            id="members",
        ),
        pytest.param(
            lambda provider: provider.get("/Groups", excludedAttributes="members"), id="groups"
        ),
        pytest.param(
            lambda provider: provider.get(
                "/Groups", filter='id eq "USER" and members eq "9"', excludedAttributes="members"
            ),
            id="membership",
        ),
    ],
)
def test_nothing_that_an_identity_provider_asks_of_one_user_grows_with_the_tenant(monkeypatch, ask):
    assert reads_of(monkeypatch, 20, ask) == reads_of(monkeypatch, 200, ask)


@pytest.mark.parametrize(
    "filter_",
    [
        'userName co "{}"'.format(" ".join(f"{number:04}" for number in range(800))),
        " and ".join(f'userName co "{number:04}"' for number in range(50)),
        " and ".join(["active eq true", "active eq false"] * 25),
    ],
    ids=["words", "conditions", "windows"],
)
def test_a_filter_of_the_longest_kind_finds_nobody_in_a_database(tmp_path, filter_):
    store = SqlStore(SQLite(tmp_path / "p.db", COLLECTIONS.form, patience=5))
    sandbox = Sandbox(store, scim="on")
    provider = IdentityProvider(sandbox.client(sandbox.add_key(None)))
    answer = provider.post("/Users/.search", {"filter": filter_})
    assert (answer.status_code, answer.json["totalResults"]) == (200, 0)
    store.close()
