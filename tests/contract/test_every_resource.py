"""The rules that all resources share: one test per rule, over all resources.

A resource is described by facts about its record; `Shelf` is one resource of one tenant in a fresh
sandbox, used by an administrator.
"""

import json
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any

import pytest

from provisioning.testing.sandbox import Sandbox

from .asking import (
    BASE,
    EARLIER,
    LATER,
    LATEST,
    NOW,
    ROUTES,
    SOON,
    administrator_of,
    ask,
    below_base,
    errors,
    links,
    location,
    offered,
    optional_services,
    segment,
    subscribe,
    without_instance,
)
from .tenth import SandboxOfTen

TEXT = ("beta", "Alpha", None, "Gamma")
NO_TEXT: tuple[Any, ...] = (7, True, ["x"], {}, "x" * 251)
NO_REQUIRED_TEXT: tuple[Any, ...] = (*NO_TEXT, "", "   ")
NO_SLUG: tuple[Any, ...] = (
    7,
    "",
    "a\n",
    "a-_b",
    "Upper",
    "a b",
    "a--b",
    "-a",
    "a-",
    "a/b",
    "ä",
    "x" * 51,
)
NO_INTEGER: tuple[Any, ...] = ("7", 7.0, 7.5, True, [7])
NO_BOOLEAN: tuple[Any, ...] = (0, 1, "true", "yes", [])
NO_OBJECT: tuple[Any, ...] = (7, "x", [], True)
NO_INSTANT: tuple[Any, ...] = (
    7,
    True,
    "",
    "soon",
    "2026-02-01",
    "2026-02-30T00:00:00Z",
    "2026-02-01T25:00:00Z",
    "2026-02-01T00:00:00",
    "2026-02-01T00:00",
    "2026-02-01T24:00:00Z",
    "2026-02-01T00:00:00+0200",
    "2026-02-01T00:00:00+02",
    "2026-02-01T00:00:00+24:00",
    "2026-02-01T00:00:00+02:60",
    "2026-02-01T00:00:00,5Z",
    "2026-02-01T00:00:00Z\n",
    " 2026-02-01T00:00:00Z",
    "20260201T000000Z",
    "\uff12026-02-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
)
WINDOW_ERRORS: Mapping[str, tuple[Any, ...]] = {
    "activeFrom": NO_INSTANT,
    "activeUntil": NO_INSTANT,
}


@dataclass(frozen=True)
class Resource:
    """The facts that the shared tests need about one resource."""

    name: str
    list_path: str  # with {tenant}
    key: str  # the member that names a record in a path
    body: Callable[[int, str], dict[str, Any]]  # the n-th valid body of a tenant
    required: tuple[str, ...] = ()
    wrong: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)  # refused values
    optional: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)  # nullable: valid values
    defaults: Mapping[str, Any] = field(default_factory=dict)  # not nullable, but may be absent
    read_only: tuple[str, ...] = ()
    order_by: str = ""  # the public members, with blanks
    secrets: tuple[str, ...] = ()
    search: tuple[Mapping[str, Any], str] | None = None  # a record's members, words that find it
    other_spelling: Callable[[str], str] | None = None  # of a natural key
    text: str | None = None  # an optional text member
    window: bool = False
    after_delete: int = 404  # what GET answers then
    delete_again: int = 404
    people: bool = False  # body() names users that have to exist first
    make: Callable[[Any, str, dict[str, Any]], Any] | None = None  # a cheaper way than POST
    prepare: Callable[[Any, str], None] = lambda sandbox, tenant: None

    @property
    def order(self) -> list[str]:
        return self.order_by.split()


def user(n, tenant):
    username = f"person{n}@{tenant}.test"
    return {"username": username, "email": username, "password": "correct horse"}


def privilege(n, tenant):
    return {"username": f"person{n}@{tenant}.test", "role": "USER"}


def domain(n, tenant):
    return {"domain": f"d{n}.{tenant}.example.org"}


def dashboard(n, tenant):
    return {
        "title": f"Board {n}",
        "menuLabel": f"Menu {n}",
        "label": f"board-{n}",
        "type": "CUSTOM",
        "status": "PRODUCTION",
        "listOrder": n,
    }


def statement(n, tenant):
    return {
        "title": f"Statement {n}",
        "label": f"statement-{n}",
        "type": "CUSTOM",
        "status": "BETA",
        "query": "SELECT 1",
    }


def endpoint(n, tenant):
    return {"url": f"amqps://mq{n}.{tenant}.example.org/in", "endpointType": "MQ_INCOMING"}


def add_user(sandbox, tenant, body):
    """A user as POST makes one, without the time that hashing a password takes."""
    profile = {member: value for member, value in body.items() if member != "password"}
    sandbox.add_user(role="USER", tenant=tenant, **profile)


USERS = Resource(
    name="users",
    list_path="/users",
    key="username",
    body=user,
    required=("username", "email", "password"),
    wrong={
        "username": (7, "", " bob", "bob ", "a/b", ".", "..", "123", "a\tb", "x" * 255),
        "email": (7, "", "nobody", "@x.test", "x@", "a@b@c.test", "x" * 250 + "@y.zz"),
        "password": (7, "", "x" * 1025),
        "firstName": NO_TEXT,
        "lastName": NO_TEXT,
        "timeZone": (7, "Mars/Olympus", "../etc/passwd"),
        "country": (7, "IS", "isl", "ZZZ"),
        "zipCode": NO_TEXT,
        "avatar": NO_TEXT,
        "gender": (7, "X", "m", ""),
        "birthYear": (*NO_INTEGER, 0, -1, 10000, 10**30),
        "hint": NO_TEXT,
    },
    optional={
        "firstName": TEXT,
        "lastName": TEXT,
        "timeZone": ("Europe/Oslo", "Asia/Tokyo", None, "America/Lima"),
        "country": ("NOR", "ISL", None, "ZWE"),
        "zipCode": ("0150", "101", None, "09"),
        "avatar": TEXT,
        "gender": ("M", "F", None, "U"),
        "birthYear": (1999, 1, None, 9999),
        "hint": TEXT,
    },
    read_only=("id", "activeApiKeys"),
    order_by=("id username email firstName lastName"),
    secrets=("password", "passwordHash"),
    search=({"firstName": "Zoë", "lastName": "Ångström"}, "ANGSTROM zoe"),
    other_spelling=str.upper,
    text="firstName",
    after_delete=200,
    delete_again=204,
    make=add_user,
)
PRIVILEGES = Resource(
    name="privileges",
    list_path="/privileges",
    key="id",
    body=privilege,
    required=("username", "role"),
    wrong={
        "username": (7, "", "nobody@acme.test"),
        "role": (7, "", "KING", "user"),
        "reportsTo": (7, "", "nobody@acme.test"),
        **WINDOW_ERRORS,
    },
    read_only=("id", "user"),
    order_by="id role activeFrom activeUntil reportsTo user",
    search=({}, "PERSÓN0"),
    window=True,
    after_delete=200,
    delete_again=204,
    people=True,
)
DOMAIN_MAPPINGS = Resource(
    name="domain mappings",
    list_path="/domain-mapping",
    key="domain",
    body=domain,
    required=("domain",),
    wrong={
        "domain": (7, "", "one-label", "127.0.0.1", "a b.example.org", "a..example.org"),
        "icon": NO_TEXT,
        "theme": NO_TEXT,
        **WINDOW_ERRORS,
    },
    optional={"icon": TEXT, "theme": TEXT},
    order_by="domain icon theme activeFrom activeUntil",
    search=({"domain": "findable.example.org"}, "FINDABLE"),
    other_spelling=lambda name: name.upper() + ".",
    text="theme",
    window=True,
)
SERVICES = Resource(
    name="services",
    list_path="/services",
    key="label",
    body=lambda n, tenant: {},
    wrong=WINDOW_ERRORS,
    read_only=("service", "registeredBy", "registeredDate"),
    order_by="service registeredBy activeFrom activeUntil registeredDate",
    window=True,
    delete_again=204,
)
DASHBOARDS = Resource(
    name="tenant-dashboards",
    list_path="/tenant-dashboards",
    key="label",
    body=dashboard,
    required=("title", "menuLabel", "label", "type", "status", "listOrder"),
    wrong={
        "title": NO_REQUIRED_TEXT,
        "menuLabel": (7, "", " ", "x" * 51),
        "label": NO_SLUG,
        "type": (7, "OI", "custom"),
        "status": (7, "GAMMA", "beta"),
        "listOrder": (*NO_INTEGER, 2**31, -(2**31) - 1, 10**400),
        "subtitle": NO_TEXT,
        "biLine": (7, "x" * 51),
        "preview": NO_TEXT,
        "path": NO_TEXT,
        "icon": (7, "x" * 51),
        "template": NO_TEXT,
        "description": (7, "x" * 10_001),
        "settings": NO_OBJECT,
    },
    optional={
        "subtitle": TEXT,
        "biLine": TEXT,
        "preview": TEXT,
        "path": TEXT,
        "icon": TEXT,
        "template": TEXT,
        "description": TEXT,
        "settings": ({"a": {"b": [1, None]}}, {}, None, {"c": 1.5}),
    },
    read_only=("service",),
    order_by=(
        "title menuLabel label type status listOrder subtitle biLine preview path icon template"
        " description service"
    ),
    search=({"title": "Überblick Café"}, "cafe uberblick"),
    other_spelling=None,
    text="subtitle",
)
STATEMENTS = Resource(
    name="tenant-statements",
    list_path="/tenant-statements",
    key="label",
    body=statement,
    required=("title", "label", "type", "status", "query"),
    wrong={
        "title": NO_REQUIRED_TEXT,
        "label": NO_SLUG,
        "type": (7, "REAL_TIME", "oi"),
        "status": (7, "GAMMA", "beta"),
        "query": (7, "", "  ", "x" * 10_001),
        "description": (7, "x" * 10_001),
        "config": NO_OBJECT,
        "listOrder": (*NO_INTEGER, 2**31, -(2**31) - 1),
    },
    optional={
        "description": TEXT,
        "config": ({"a": {"b": [1, None]}}, {}, None, {"c": 1.5}),
        "listOrder": (3, -7, None, 2**31 - 1),
    },
    read_only=("service",),
    order_by="title label type status query description service listOrder",
    search=({"title": "Überblick Café"}, "cafe uberblick"),
    text="description",
    prepare=lambda sandbox, tenant: subscribe(sandbox, "enterprise", tenant=tenant),
)
ENDPOINTS = Resource(
    name="endpoints",
    list_path="/endpoints",
    key="id",
    body=endpoint,
    required=("url", "endpointType"),
    wrong={
        "url": (7, "", " ", "amqps://guest:guest@mq.example.org", "amqps://guest@mq.example.org"),
        "endpointType": (7, "", "CARRIER_PIGEON", {}, {"label": "CARRIER_PIGEON"}, {"id": 1}),
        "userName": NO_TEXT,
        "password": NO_TEXT,
        "provUserName": NO_TEXT,
        "provPassword": NO_TEXT,
        "provPort": (5671, "", "0", "65536", "-1", "+1", "1.0", "x", "\uff11"),
        "apiKey": NO_TEXT,
        "messageHandler": NO_TEXT,
        "exchange": NO_TEXT,
        "binding": NO_TEXT,
        "active": NO_BOOLEAN,
        "durable": NO_BOOLEAN,
        "vhost": NO_TEXT,
        **WINDOW_ERRORS,
    },
    optional={
        "userName": TEXT,
        "password": TEXT,
        "provUserName": TEXT,
        "provPassword": TEXT,
        "provPort": ("1", "65535", None, "5671"),
        "apiKey": TEXT,
        "messageHandler": TEXT,
        "exchange": TEXT,
        "binding": TEXT,
        "vhost": TEXT,
    },
    defaults={"active": True, "durable": False},
    read_only=("id", "registeredByUserId", "registeredDate"),
    order_by=(
        "id url endpointType userName provUserName provPort messageHandler exchange binding active"
        " durable vhost activeFrom activeUntil registeredByUserId registeredDate"
    ),
    secrets=("password", "provPassword", "apiKey"),
    search=({"url": "amqps://findable.example.org"}, "FINDABLE mq_incoming"),
    text="vhost",
    window=True,
)
API_KEYS = Resource(
    name="api-keys",
    list_path="/api-keys",
    key="id",
    body=lambda n, tenant: {"type": "BASIC"},
    required=("type",),
    wrong={"type": (7, "", "ADVANCED", "basic"), "name": NO_TEXT, **WINDOW_ERRORS},
    optional={"name": TEXT},
    read_only=("id", "createdDate", "user"),
    order_by="id type name activeFrom activeUntil createdDate user",
    secrets=("apiToken",),
    search=({"name": "Clé d'été"}, "ETE cle"),
    text="name",
    window=True,
)
RESOURCES = (
    USERS,
    PRIVILEGES,
    DOMAIN_MAPPINGS,
    SERVICES,
    DASHBOARDS,
    STATEMENTS,
    ENDPOINTS,
    replace(ENDPOINTS, name="service-endpoints", list_path="/service-endpoints"),
    API_KEYS,
    replace(
        API_KEYS,
        name="user api-keys",
        list_path="/users/owner@{tenant}.test/api-keys",
        prepare=lambda sandbox, tenant: sandbox.add_user(
            f"owner@{tenant}.test", role="USER", tenant=tenant
        ),
    ),
)

RESOURCES += (
    Resource(
        name="maps",
        list_path="/maps",
        key="label",
        body=lambda n, tenant: {"title": f"Map {n}", "label": f"map-{n}"},
        required=("title", "label"),
        wrong={
            "title": NO_REQUIRED_TEXT,
            "label": NO_SLUG,
            "scale": (*NO_INTEGER, 0, 1_000_001),
            "legend": (7, "x" * 10_001),
        },
        optional={"scale": (2, 1, None, 1_000_000), "legend": TEXT},
        order_by="title label scale legend",
        search=({"title": "Überblick Café"}, "cafe uberblick"),
        text="legend",
    ),
)
"""The tenth resource, of tests/contract/maps.py."""


class Shelf:
    """One resource of one tenant, with an administrator of it."""

    def __init__(self, sandbox, resource, tenant="acme", client=None):
        self.sandbox, self.resource, self.tenant = sandbox, resource, tenant
        resource.prepare(sandbox, tenant)
        self.client = client or administrator_of(sandbox, tenant)
        self.list_path = resource.list_path.format(tenant=tenant)
        self.known: set[str] = set()

    def body(self, n=0, **changes):
        body = {**self.resource.body(n, self.tenant), **changes}
        if self.resource.people and body["username"] not in self.known:
            self.known.add(body["username"])
            self.sandbox.add_user(body["username"], role=None, tenant=self.tenant)
        return body

    def post_path(self, n=0):
        if self.resource.name == "services":
            return f"/services/{optional_services(self.client)[n]}"
        return self.list_path

    def post(self, n=0, **changes):
        return self.client.post(self.post_path(n), json=self.body(n, **changes))

    def path(self, record):
        if self.resource.name == "services":
            return f"{self.list_path}/{record['service']['label']}"
        return f"{self.list_path}/{segment(record[self.resource.key])}"

    def create(self, n=0, **changes):
        """The path of a new record, which must have been made."""
        if self.resource.make:
            body = self.body(n, **changes)
            self.resource.make(self.sandbox, self.tenant, body)
            return self.path(body)
        return location(self.post(n, **changes))

    def list(self, query="size=300"):
        return self.client.get(f"{self.list_path}?{query}")

    def named(self, response):
        """The keys of a list's records in its order."""
        if self.resource.name == "services":
            return [record["service"]["label"] for record in response.json]
        return [record[self.resource.key] for record in response.json]

    def missing(self):
        """The path of a record that never existed."""
        if self.resource.name == "services":
            return f"/services/{optional_services(self.client)[-1]}"
        return f"{self.list_path}/{999999 if self.resource.key == 'id' else 'never-existed'}"


def those(condition: Callable[[Resource], Any]):
    """Parametrize over the resources of which this holds."""
    chosen = [resource for resource in RESOURCES if condition(resource)]
    return pytest.mark.parametrize("resource", chosen, ids=lambda resource: resource.name)


def those_with(values: Callable[[Resource], list[tuple[Any, ...]]], names: str):
    """Parametrize over resources and some values of each."""
    rows = [
        pytest.param(resource, *row, id="-".join((resource.name, *(repr(v)[:24] for v in row))))
        for resource in RESOURCES
        for row in values(resource)
    ]
    return pytest.mark.parametrize(f"resource, {names}", rows)


every = those(lambda resource: True)
windowed = those(lambda resource: resource.window)


@pytest.fixture
def sandbox(request):
    """The tenth resource has a server of its own."""
    resource = request.node.callspec.params.get("resource")
    return SandboxOfTen() if resource is not None and resource.name == "maps" else Sandbox()


@pytest.fixture
def shelf(sandbox, resource):
    return Shelf(sandbox, resource)


# Create and read back


@every
def test_a_created_record_is_read_back_from_its_location(shelf):
    created = shelf.post()
    read = shelf.client.get(location(created))
    assert (read.status_code, read.json) == (200, created.json)


@every
def test_a_created_record_carries_the_etag_that_its_get_carries(shelf):
    created = shelf.post()
    read = shelf.client.get(location(created))
    assert created.headers["ETag"] == read.headers["ETag"]
    assert read.headers["ETag"].startswith('"')


@every
def test_a_created_record_stands_in_the_list_as_it_stands_alone(shelf):
    created = shelf.post().json
    assert created in shelf.list().json


@every
def test_every_member_is_present_as_null_when_unset(shelf):
    record = shelf.post().json
    resource = shelf.resource
    unset = dict.fromkeys((*resource.optional, *(["activeUntil"] if resource.window else [])))
    assert record.items() >= {**unset, **resource.defaults}.items()
    assert record.keys() >= {*resource.order, *resource.read_only}


@those_with(lambda r: [(m, v) for m in r.optional for v in r.optional[m]], "member, value")
def test_a_valid_value_is_kept_as_given(shelf, member, value):
    assert shelf.post(**{member: value}).json[member] == value


@those_with(lambda r: [(member,) for member in r.defaults], "member")
def test_null_counts_as_absent_at_creation_where_there_is_a_default(shelf, member):
    assert shelf.post(**{member: None}).json[member] == shelf.resource.defaults[member]


@windowed
def test_null_for_active_from_means_now_at_creation(shelf):
    assert shelf.post(activeFrom=None).json["activeFrom"] == NOW
    assert shelf.post(1).json["activeFrom"] == NOW


# Bodies


@those_with(lambda r: [(member,) for member in r.required], "member")
def test_a_missing_required_member_is_named(shelf, member):
    body = shelf.body()
    del body[member]
    assert member in errors(shelf.client.post(shelf.post_path(), json=body))


@those_with(lambda r: [(member,) for member in r.required], "member")
def test_null_for_a_required_member_is_refused_at_creation(shelf, member):
    body = shelf.body() | {member: None}
    assert member in errors(shelf.client.post(shelf.post_path(), json=body))


@those_with(lambda r: [(m, v) for m in r.wrong for v in r.wrong[m]], "member, value")
def test_a_wrong_value_is_refused_by_name_at_creation(shelf, member, value):
    body = shelf.body() | {member: value}
    before = shelf.list().data
    assert member in errors(shelf.client.post(shelf.post_path(), json=body))
    assert shelf.list().data == before


@those_with(
    lambda r: [
        (m, v) for m in r.wrong for v in r.wrong[m][:3] if (r.name, m) != ("privileges", "username")
    ],
    "member, value",
)
def test_a_wrong_value_is_refused_by_name_in_a_change(shelf, member, value):
    path = shelf.create()
    before = shelf.client.get(path).data
    assert member in errors(shelf.client.put(path, json={member: value}))
    assert shelf.client.get(path).data == before


@those_with(
    lambda r: [
        (member, value)
        for member in r.wrong
        for value in ([], [[]], {}, {"x": []}, [None])
        if not (isinstance(value, dict) and member in ("settings", "config"))
    ],
    "member, value",
)
def test_a_list_or_an_object_in_place_of_a_plain_value_is_refused(shelf, member, value):
    body = shelf.body() | {member: value}
    assert member in errors(shelf.client.post(shelf.post_path(), json=body))


@those_with(
    lambda r: [(m, r.wrong[m][-1]) for m in r.optional if "x" * 50 in str(r.wrong.get(m, ""))],
    "member, too_long",
)
@pytest.mark.parametrize("character", ["x", "\U0001f600", "\u00e9"], ids=ascii)
def test_text_may_be_as_long_as_its_limit(shelf, member, too_long, character):
    longest = character * (len(too_long) - 1)
    assert shelf.post(**{member: longest}).json[member] == longest
    refused = shelf.client.put(shelf.create(1), json={member: longest + character})
    assert member in errors(refused)


@every
def test_an_unknown_member_is_named(shelf):
    created = shelf.client.post(shelf.post_path(), json=shelf.body() | {"colour": "red"})
    assert list(errors(created)) == ["colour"]
    changed = shelf.client.put(shelf.create(), json={"colour": "red"})
    assert list(errors(changed)) == ["colour"]


@every
def test_all_mistakes_of_a_body_are_named_at_once(shelf):
    members = [*shelf.resource.wrong][:2]
    body = shelf.body() | {m: shelf.resource.wrong[m][0] for m in members} | {"colour": "red"}
    assert {*members, "colour"} <= set(errors(shelf.client.post(shelf.post_path(), json=body)))


@those_with(lambda r: [(member,) for member in r.read_only], "member")
@pytest.mark.parametrize("value", [None, 70007, "x", {"x": "y"}], ids=repr)
def test_a_read_only_member_is_accepted_and_ignored(shelf, member, value):
    created = shelf.post(**{member: value})
    path = location(created)
    assert created.json[member] != value or value is None
    changed = shelf.client.put(path, json={member: value})
    assert (changed.status_code, changed.json) == (200, created.json)


@those(lambda r: r.text)
@pytest.mark.parametrize(
    "escape", [r"\u0000", r"\ud800", r"\udc00x"], ids=["NUL", "high surrogate", "low surrogate"]
)
def test_text_with_nul_or_a_lone_surrogate_is_refused(shelf, escape):
    text = shelf.resource.text
    raw = f'"a{escape}b"'.join(('{"' + text + '": ', "}"))
    path = shelf.create()
    answer = shelf.client.put(path, data=raw, content_type="application/json")
    assert text in errors(answer)


@those(lambda r: r.text)
def test_text_of_all_other_characters_is_kept(shelf):
    path = shelf.create()
    text = "<b>&amp;\"'\\/ é e\u0301 \U0001f600 \u202e % + ;"
    answer = shelf.client.put(path, json={shelf.resource.text: text})
    assert answer.json[shelf.resource.text] == text
    assert shelf.client.get(path).json[shelf.resource.text] == text


LINES = {"hint", "description", "query", "legend"}
"""Members that may hold tabs and line ends (section 4)."""


@those(lambda r: r.text)
@pytest.mark.parametrize("control", ["\x01", "\t", "\n", "\r", "\x1b", "\x7f", "\x85", "\x9f"])
def test_text_with_a_control_character_is_refused(shelf, control):
    path = shelf.create()
    member = shelf.resource.text
    answer = shelf.client.put(path, json={member: f"a{control}b"})
    if member in LINES and control in "\t\n\r":
        assert answer.json[member] == f"a{control}b"
    else:
        assert member in errors(answer)


# Change


@every
def test_a_get_body_sent_back_changes_nothing(shelf):
    path = shelf.create()
    before = shelf.client.get(path)
    shelf.sandbox.clock.set(SOON)
    answer = shelf.client.put(path, json=before.json)
    assert (answer.status_code, answer.json) == (200, before.json)
    after = shelf.client.get(path)
    assert (after.data, after.headers["ETag"]) == (before.data, before.headers["ETag"])


@every
def test_an_empty_body_changes_nothing_not_even_the_etag(shelf):
    path = shelf.create()
    before = shelf.client.get(path)
    answer = shelf.client.put(path, json={})
    assert (answer.status_code, answer.data) == (200, before.data)
    assert answer.headers["ETag"] == before.headers["ETag"]


@those_with(lambda r: [(m, r.optional[m][0]) for m in r.optional], "member, value")
def test_a_change_touches_only_the_members_it_carries(shelf, member, value):
    path = shelf.create()
    before = shelf.client.get(path)
    answer = shelf.client.put(path, json={member: value})
    assert answer.json == before.json | {member: value}
    assert shelf.client.get(path).json == answer.json
    assert answer.headers["ETag"] != before.headers["ETag"]


@those_with(lambda r: [(m, r.optional[m][0]) for m in r.optional], "member, value")
def test_null_clears_a_member_that_may_be_empty(shelf, member, value):
    path = shelf.create(**{member: value})
    answer = shelf.client.put(path, json={member: None})
    assert (answer.status_code, answer.json[member]) == (200, None)
    assert shelf.client.get(path).json[member] is None


@those_with(
    lambda r: [
        (member,)
        for member in (*r.required, *r.defaults, *(["activeFrom"] if r.window else []))
        if (r.name, member) != ("privileges", "username")
    ],
    "member",
)
def test_null_is_refused_in_a_change_for_a_member_that_may_not_be_empty(shelf, member):
    path = shelf.create()
    assert member in errors(shelf.client.put(path, json={member: None}))


@those(lambda r: r.key in {"username", "domain", "label"} and r.name != "services")
def test_a_natural_key_cannot_be_changed(shelf):
    path = shelf.create(0)
    key = shelf.resource.key
    other = shelf.resource.body(1, "acme")[key]
    assert key in errors(shelf.client.put(path, json={key: other}))
    assert shelf.client.get(path).status_code == 200


@those(lambda r: r.other_spelling)
def test_a_natural_key_may_come_in_another_spelling_and_stays_as_shown(shelf):
    path = shelf.create()
    before = shelf.client.get(path)
    key = shelf.resource.key
    other = shelf.resource.other_spelling(before.json[key])
    answer = shelf.client.put(path, json={key: other})
    assert (answer.status_code, answer.data) == (200, before.data)


@those(lambda r: r.other_spelling)
def test_a_record_is_found_by_another_spelling_of_its_key(shelf):
    path = shelf.create()
    record = shelf.client.get(path).json
    other = shelf.resource.other_spelling(record[shelf.resource.key])
    found = shelf.client.get(f"{shelf.list_path}/{segment(other)}")
    assert (found.status_code, found.json) == (200, record)


@those(lambda r: r.key in {"username", "domain", "label"} and r.name != "services")
def test_a_second_record_of_the_same_key_is_a_conflict(shelf):
    shelf.create()
    before = shelf.list().data
    assert shelf.post().status_code == 409
    assert shelf.list().data == before


@those(lambda r: r.name in {"tenant-dashboards", "tenant-statements"})
def test_two_tenants_may_use_the_same_label(sandbox, resource):
    Shelf(sandbox, resource).create()
    Shelf(sandbox, resource, "globex").create()


@every
def test_put_creates_nothing(shelf):
    before = shelf.list().data
    assert shelf.client.put(shelf.missing(), json={}).status_code == 404
    assert shelf.list().data == before


# Delete


@every
def test_delete_answers_204_without_a_body_and_get_what_the_resource_keeps(shelf):
    path = shelf.create()
    shelf.sandbox.clock.set(SOON)
    gone = shelf.client.delete(path)
    assert (gone.status_code, gone.data) == (204, b"")
    assert shelf.client.get(path).status_code == shelf.resource.after_delete
    assert shelf.client.delete(path).status_code == shelf.resource.delete_again


@those(lambda r: r.key == "id" and r.after_delete == 404)
def test_an_id_is_never_used_again(shelf):
    seen = set()
    for _ in range(3):
        path = shelf.create()
        assert path not in seen
        seen.add(path)
        shelf.client.delete(path)
        assert shelf.client.get(path).status_code == 404


@every
def test_delete_of_a_record_that_never_existed_is_404(shelf):
    assert shelf.client.delete(shelf.missing()).status_code == 404


@those(lambda r: r.after_delete == 404)
def test_a_deleted_record_leaves_the_list(shelf):
    path = shelf.create()
    record = shelf.client.get(path).json
    shelf.sandbox.clock.set(SOON)
    shelf.client.delete(path)
    assert record not in shelf.list().json
    assert shelf.list().headers["X-Total-Count"] == str(len(shelf.list().json))


# Another tenant's records


def foreign_path(sandbox, resource, acme):
    """The path at which acme would find a record that globex has."""
    globex = Shelf(sandbox, resource, "globex")
    record = globex.post().json
    return acme.path(record)


@every
@pytest.mark.parametrize("verb", ["GET", "PUT", "DELETE"])
def test_a_foreign_record_is_404_byte_for_byte_as_one_that_never_existed(sandbox, resource, verb):
    acme = Shelf(sandbox, resource)
    foreign, missing = foreign_path(sandbox, resource, acme), acme.missing()
    assert foreign != missing
    body = {} if verb == "GET" else {"json": {}}
    known = ask_as(acme, verb, foreign, **body)
    unknown = ask_as(acme, verb, missing, **body)
    assert (known.status_code, unknown.status_code) == (404, 404)
    assert without_instance(known) == without_instance(unknown)
    assert set(known.headers.keys()) == set(unknown.headers.keys())


def ask_as(shelf, verb, path, **request):
    return getattr(shelf.client, verb.lower())(path, **request)


@every
def test_a_refused_request_leaves_the_foreign_record_alone(sandbox, resource):
    acme = Shelf(sandbox, resource)
    globex = Shelf(sandbox, resource, "globex")
    record = globex.post().json
    before = globex.client.get(globex.path(record)).data
    acme.client.put(acme.path(record), json={})
    acme.client.delete(acme.path(record))
    assert globex.client.get(globex.path(record)).data == before


@every
def test_a_list_never_shows_a_foreign_record(sandbox, resource):
    acme = Shelf(sandbox, resource)
    before = acme.list().data
    Shelf(sandbox, resource, "globex").create()
    assert acme.list().data == before


# Lists: pages


@pytest.fixture
def full(shelf):
    """A shelf with five records more than it had."""
    for n in range(5):
        shelf.create(n)
    return shelf


@every
def test_pages_cut_the_list_without_gap_or_overlap(full):
    everything = full.list()
    total = len(everything.json)
    assert everything.headers["X-Total-Count"] == str(total)
    pages = [full.list(f"size=2&page={page}") for page in range((total + 1) // 2)]
    assert [record for page in pages for record in page.json] == everything.json
    assert {page.headers["X-Total-Count"] for page in pages} == {str(total)}


@every
def test_links_lead_through_the_pages_and_keep_the_other_parameters(full):
    first = full.list("order=activeFrom&size=2" if full.resource.window else "size=2&x=%C3%A9%26")
    total = int(first.headers["X-Total-Count"])
    assert set(links(first)) == {"first", "next", "last"}
    walked, page = [*first.json], first
    while "next" in links(page):
        before, page = page, full.client.get(below_base(page, links(page)["next"]))
        assert full.client.get(below_base(page, links(page)["prev"])).json == before.json
        walked += page.json
    assert len(walked) == total
    assert set(links(page)) == {"first", "prev", "last"}
    assert full.client.get(below_base(page, links(page)["last"])).json == page.json
    assert full.client.get(below_base(page, links(page)["first"])).json == first.json
    kept = "order=activeFrom" if full.resource.window else "x=%C3%A9%26"
    for reference in (*links(first).values(), *links(page).values()):
        assert "//" not in reference.partition("?")[0]
        assert kept in reference


@every
def test_links_leave_the_api_key_out(shelf):
    token = shelf.sandbox.add_key(None, tenant="acme", type="BASIC")
    answer = ask(shelf.sandbox, "GET", f"{shelf.list_path}?apikey={token}&size=1")
    assert answer.status_code == 200
    assert {"first", "last"} <= set(links(answer))
    assert token not in str(answer.headers)
    assert "apikey" not in answer.headers["Link"]


@every
def test_a_list_of_one_page_has_first_and_last_only(shelf):
    assert set(links(shelf.list())) == {"first", "last"}


@every
def test_a_page_beyond_the_end_is_empty(shelf):
    total = shelf.list().headers["X-Total-Count"]
    answer = shelf.list("page=1000&size=1")
    assert (answer.status_code, answer.json) == (200, [])
    assert answer.headers["X-Total-Count"] == total
    assert {"first", "last"} <= set(links(answer))
    assert "next" not in links(answer)


@every
@pytest.mark.parametrize("page", ["-1", "x", "1.5", "", "%201", "1_0", "%EF%BC%91", "0&page=1"])
def test_a_bad_page_is_refused_by_name(shelf, page):
    assert "page" in errors(shelf.list(f"page={page}"))


@every
@pytest.mark.parametrize("size", ["0", "301", "-1", "x", "2.0", "", "1_0", "5&size=5"])
def test_a_bad_size_is_refused_by_name(shelf, size):
    assert "size" in errors(shelf.list(f"size={size}"))


@every
@pytest.mark.parametrize("size", ["1", "300"])
def test_the_smallest_and_the_largest_size_are_taken(shelf, size):
    assert shelf.list(f"size={size}").status_code == 200


@every
def test_a_list_is_a_bare_array_and_unknown_parameters_are_ignored(shelf):
    shelf.create()
    answer = shelf.list("colour=red&size=300")
    assert answer.json == shelf.list().json
    assert isinstance(answer.json, list)


def test_a_page_holds_20_records_unless_told(sandbox):
    shelf = Shelf(sandbox, API_KEYS)
    for n in range(22):
        shelf.create(n)
    assert len(shelf.list("").json) == 20


# Lists: order


def folded(value):
    """What a listed value is ordered by."""
    if isinstance(value, dict):
        value = value["username"] if "username" in value else value["label"]
    if isinstance(value, str):
        value = unicodedata.normalize("NFKD", value).casefold()
    return value


def filled(shelf, count=4):
    """Records whose optional members differ, some unset."""
    for n in range(count):
        members = {m: values[n % len(values)] for m, values in shelf.resource.optional.items()}
        if shelf.resource.window:
            members["activeUntil"] = (LATER, None, LATEST, LATER)[n % 4]
        shelf.create(n, **members)


@every
def test_order_sorts_by_each_public_member_with_nulls_last_both_ways(shelf):
    filled(shelf)
    for member in shelf.resource.order:
        for sign in ("", "-"):
            answer = shelf.list(f"order={sign}{member}&size=300")
            assert answer.status_code == 200, (sign + member, answer.data)
            values = [record[member] for record in answer.json]
            present = [folded(value) for value in values if value is not None]
            assert values[len(present) :] == [None] * (len(values) - len(present)), sign + member
            assert present == sorted(present, reverse=bool(sign)), sign + member


@every
def test_pages_of_an_ordered_list_never_overlap(shelf):
    filled(shelf)
    for member in shelf.resource.order:
        whole = shelf.named(shelf.list(f"order=-{member}&size=300"))
        pages = [shelf.list(f"order=-{member}&size=1&page={n}") for n in range(len(whole))]
        assert [key for page in pages for key in shelf.named(page)] == whole, member


@every
def test_several_order_members_apply_one_after_the_other(shelf):
    filled(shelf)
    first, second = shelf.resource.order[-1], shelf.resource.order[0]
    answer = shelf.list(f"order={first},-{second}&size=300")
    groups: dict[Any, list[Any]] = {}
    for record in answer.json:
        groups.setdefault(folded(record[first]), []).append(folded(record[second]))
    assert all(group == sorted(group, reverse=True) for group in groups.values())


@every
@pytest.mark.parametrize("order", ["colour", "-colour", "id,colour", "password,id", "__class__"])
def test_order_by_an_unknown_member_is_refused_and_names_the_allowed_ones(shelf, order):
    message = str(errors(shelf.list(f"order={order}"))["order"])
    assert [member for member in shelf.resource.order if member not in message] == []


@those_with(lambda r: [(member,) for member in r.secrets], "secret")
def test_order_by_a_secret_is_refused_and_not_offered(shelf, secret):
    message = str(errors(shelf.list(f"order=-{secret}"))["order"])
    offers = message.replace(f"-{secret}", "").replace(f"'{secret}'", "")
    assert secret not in [word.strip(" ,.'\"`[]") for word in offers.split()]


# Lists: search


@those(lambda r: r.search)
def test_q_finds_every_word_ignoring_case_and_accents(shelf):
    members, words = shelf.resource.search
    record = shelf.client.get(shelf.create(**members)).json
    shelf.create(1)
    assert shelf.client.get(f"{shelf.list_path}?q={segment(words)}").json == [record]


@those(lambda r: r.search)
def test_q_finds_nothing_when_one_word_is_missing(shelf):
    members, words = shelf.resource.search
    shelf.create(**members)
    answer = shelf.list(f"q={segment(words)}%20zebra")
    assert (answer.json, answer.headers["X-Total-Count"]) == ([], "0")


@every
@pytest.mark.parametrize("q", ["", "%20", "%20%09"])
def test_an_empty_q_is_none(shelf, q):
    shelf.create()
    assert shelf.list(f"q={q}&size=300").json == shelf.list().json


@every
@pytest.mark.parametrize("q", ["%00", "x%00", "%FF", "x" * 5000, "%25", "[a-z]*", ".*", "a%22b"])
def test_a_strange_q_finds_nothing_and_breaks_nothing(shelf, q):
    answer = shelf.list(f"q={q}")
    assert answer.status_code in {200, 400, 414, 422}
    if answer.status_code == 200:
        assert answer.json == []


@pytest.mark.parametrize(
    "resource, member",
    [
        pytest.param(resource, member, id=f"{resource.name}-{member}")
        for resource, members in (
            (DOMAIN_MAPPINGS, "icon theme"),
            (DASHBOARDS, "menuLabel subtitle biLine preview path icon template"),
            (STATEMENTS, "query"),
            (ENDPOINTS, "userName provUserName messageHandler exchange binding vhost"),
        )
        for member in members.split()
    ],
)
def test_q_seeks_in_no_other_member(shelf, member):
    shelf.create(**{member: "elsewhere"})
    assert shelf.list("q=elsewhere").json == []


@pytest.mark.parametrize("query", ["q=alice", "q=alice%40acme.test"])
def test_q_seeks_a_privilege_by_its_user_not_by_whom_they_report_to(sandbox, administrator, query):
    reports = {"role": "USER", "tenant": "acme", "reports_to": "alice@acme.test"}
    sandbox.add_user("bob@acme.test", **reports)
    found = administrator.get(f"/privileges?{query}").json
    assert [privilege["user"]["username"] for privilege in found] == ["alice@acme.test"]


def test_q_seeks_a_subscription_by_its_service_not_by_who_registered_it(administrator):
    administrator.post(f"/services/{optional_services(administrator)[0]}")
    assert administrator.get("/services?q=alice").json == []


def test_q_finds_subscriptions_by_their_service(sandbox, administrator):
    label, other = optional_services(administrator)[:2]
    for each in (label, other):
        administrator.post(f"/services/{each}")
    found = administrator.get(f"/services?q={label.upper()}").json
    assert [subscription["service"]["label"] for subscription in found] == [label]


# Conditional requests


@every
@pytest.mark.parametrize("form", ["{}", "*", '"other", {}', "W/{}"])
def test_if_none_match_answers_304_without_a_body(shelf, form):
    path = shelf.create()
    etag = shelf.client.get(path).headers["ETag"]
    answer = shelf.client.get(path, headers={"If-None-Match": form.format(etag)})
    assert (answer.status_code, answer.data) == (304, b"")
    assert answer.headers["ETag"] == etag


@every
def test_another_etag_in_if_none_match_answers_200(shelf):
    path = shelf.create()
    answer = shelf.client.get(path, headers={"If-None-Match": '"other"'})
    assert answer.status_code == 200


@every
@pytest.mark.parametrize("verb", ["PUT", "DELETE"])
@pytest.mark.parametrize("form", ['"other"', "W/{}", '"a", "b"'])
def test_a_stale_if_match_is_412_and_changes_nothing(shelf, verb, form):
    path = shelf.create()
    before = shelf.client.get(path)
    stale = form.format(before.headers["ETag"])
    request = {"json": {}} if verb == "PUT" else {}
    answer = ask_as(shelf, verb, path, headers={"If-Match": stale}, **request)
    assert answer.status_code == 412
    assert shelf.client.get(path).data == before.data


@every
@pytest.mark.parametrize("verb, status", [("PUT", 200), ("DELETE", 204)])
@pytest.mark.parametrize("form", ["{}", "*", '"other", {}'])
def test_a_current_if_match_lets_the_change_through(shelf, verb, status, form):
    path = shelf.create()
    etag = shelf.client.get(path).headers["ETag"]
    request = {"json": {}} if verb == "PUT" else {}
    answer = ask_as(shelf, verb, path, headers={"If-Match": form.format(etag)}, **request)
    assert answer.status_code == status


@pytest.mark.parametrize(
    "path",
    [
        "/users/alice@acme.test/privilege",
        "/privileges/alice@acme.test",
        "/available-services/core",
        "/services/core",
        "/dashboards/live-activity",
        "/statements/delayed-shipments",
        "/statements/delayed-shipments/details",
        "/statements/delayed-shipments/config",
        "/info",
        "/details",
    ],
)
def test_every_single_record_has_a_strong_etag(enterprise, path):
    etag = enterprise.get(path).headers["ETag"]
    assert etag.startswith('"')
    assert enterprise.get(path, headers={"If-None-Match": etag}).status_code == 304
    assert enterprise.head(path, headers={"If-None-Match": etag}).status_code == 304


@pytest.mark.parametrize(
    "path", ["/users/bob@acme.test/privilege", "/privileges/bob@acme.test", "/users/bob@acme.test"]
)
@pytest.mark.parametrize("verb", ["PUT", "DELETE"])
def test_if_match_guards_what_is_addressed_by_a_users_name(sandbox, administrator, path, verb):
    sandbox.add_user("bob@acme.test", role="USER", tenant="acme")
    request = {"json": {}} if verb == "PUT" else {}
    stale = administrator.request(verb, path, headers={"If-Match": '"stale"'}, **request)
    assert stale.status_code == 412
    current = {"If-Match": administrator.get(path).headers["ETag"]}
    assert administrator.request(verb, path, headers=current, **request).status_code in {200, 204}


@those(lambda r: r.optional)
def test_the_etag_of_a_change_is_the_next_gets_and_the_old_one_is_stale(shelf):
    path = shelf.create()
    old = shelf.client.get(path).headers["ETag"]
    member, values = next(iter(shelf.resource.optional.items()))
    new = shelf.client.put(path, json={member: values[0]}).headers["ETag"]
    assert shelf.client.get(path).headers["ETag"] == new != old
    stale = shelf.client.put(path, json={member: values[1]}, headers={"If-Match": old})
    assert stale.status_code == 412


def test_an_etag_follows_what_the_answer_shows_of_other_records(sandbox, administrator):
    sandbox.add_user("bob@acme.test", role="USER", tenant="acme")
    bob = sandbox.client(sandbox.add_key("bob@acme.test", tenant="acme", type="BASIC"))
    label = optional_services(administrator)[0]
    administrator.post(f"/services/{label}")
    paths = {
        "/privileges/bob@acme.test": "/users/bob@acme.test",
        f"/users/bob@acme.test/api-keys/{bob.token}": "/users/bob@acme.test",
        f"/services/{label}": "/users/alice@acme.test",
    }
    for path, user in paths.items():
        old = administrator.get(path).headers["ETag"]
        administrator.put(user, json={"firstName": f"New {path[:5]}"})
        assert administrator.get(path).headers["ETag"] != old
        stale = administrator.put(path, json={}, headers={"If-Match": old})
        assert stale.status_code == 412


def test_an_etag_follows_the_clock_where_the_answer_does(sandbox, administrator):
    sandbox.add_user("bob@acme.test", role="USER", tenant="acme")
    sandbox.add_key("bob@acme.test", tenant="acme", type="BASIC", active_until=LATER)
    label = optional_services(administrator)[0]
    administrator.post(f"/services/{label}", json={"activeUntil": LATER})
    for path in ("/users/bob@acme.test", "/info"):
        sandbox.clock.set("2026-01-31T23:59:59Z")
        old = administrator.get(path)
        sandbox.clock.set(LATER)
        new = administrator.get(path, headers={"If-None-Match": old.headers["ETag"]})
        assert new.status_code == 200
        assert new.json != old.json


def test_q_and_order_follow_a_changed_profile(sandbox, administrator):
    sandbox.add_user("bob@acme.test", role="USER", tenant="acme", firstName="Before")
    sandbox.add_key("bob@acme.test", tenant="acme", type="BASIC")
    lists = ("/users", "/privileges", "/user-api-keys", "/users/bob@acme.test/api-keys")
    for path in lists:
        assert len(administrator.get(f"{path}?q=before").json) == 1, path
    administrator.put("/users/bob@acme.test", json={"firstName": "After"})
    for path in lists:
        assert len(administrator.get(f"{path}?q=after").json) == 1, path
        assert administrator.get(f"{path}?q=before").json == [], path
    assert len(administrator.get("/as-users?q=after").json) == 1
    assert administrator.get("/as-users?q=before").json == []


@every
def test_if_match_on_a_record_that_never_existed_is_404(shelf):
    headers = {"If-Match": '"x"'}
    assert shelf.client.put(shelf.missing(), json={}, headers=headers).status_code == 404


# Verbs


@every
def test_head_answers_what_get_answers_without_the_body(shelf):
    for path in (shelf.create(), shelf.list_path, shelf.missing()):
        got, head = shelf.client.get(path), shelf.client.head(path)
        assert (head.status_code, head.data) == (got.status_code, b"")
        for header in ("ETag", "X-Total-Count", "Link", "Content-Type", "Content-Length"):
            assert head.headers.get(header) == got.headers.get(header), header


@every
def test_a_trailing_slash_answers_as_the_path_without_it(shelf):
    created = shelf.client.post(shelf.post_path() + "/", json=shelf.body())
    path = location(created)
    assert not path.endswith("/")
    for each in (path, shelf.list_path):
        with_slash = shelf.client.get(each + "/")
        assert (with_slash.status_code, with_slash.data) == (200, shelf.client.get(each).data)
    assert shelf.client.put(path + "/", json={}).status_code == 200
    assert shelf.client.delete(path + "/").status_code == 204


# Windows


@windowed
@pytest.mark.parametrize(
    "given, kept",
    [
        ("2026-02-01T00:00:00Z", "2026-02-01T00:00:00Z"),
        ("2026-02-01T02:00:00+02:00", "2026-02-01T00:00:00Z"),
        ("2026-01-31T18:30:00-05:30", "2026-02-01T00:00:00Z"),
        ("2026-02-01T00:00:00.999999Z", "2026-02-01T00:00:00Z"),
        ("2026-02-01T00:00:00.1234567891+00:00", "2026-02-01T00:00:00Z"),
        ("2026-02-01T00:00Z", "2026-02-01T00:00:00Z"),
        ("2026-02-01T02:00+02:00", "2026-02-01T00:00:00Z"),
        ("2026-02-01t00:00:00z", "2026-02-01T00:00:00Z"),
        ("2028-02-29T00:00:00Z", "2028-02-29T00:00:00Z"),
    ],
)
def test_instants_are_kept_in_utc_to_the_second(shelf, given, kept):
    created = shelf.post(activeFrom=given, activeUntil="2030-01-01T00:00:00Z").json
    assert created["activeFrom"] == kept
    assert shelf.post(1, activeFrom=EARLIER, activeUntil=given).json["activeUntil"] == kept


@windowed
@pytest.mark.parametrize(
    "until, status",
    [
        ("2026-01-31T23:59:59Z", 422),
        ("2026-02-01T00:00:00Z", 422),
        ("2026-02-01T00:00:00.9Z", 422),
        ("2026-02-01T00:00:01Z", 201),
    ],
)
def test_a_new_window_must_end_later_than_it_begins(shelf, until, status):
    answer = shelf.post(activeFrom=LATER, activeUntil=until)
    assert answer.status_code == status
    if status == 422:
        assert list(errors(answer)) == ["activeUntil"]


@windowed
@pytest.mark.parametrize("change", [{"activeUntil": EARLIER}, {"activeUntil": NOW}])
def test_a_change_must_leave_a_window_that_ends_later_than_it_begins(shelf, change):
    path = shelf.create()
    assert list(errors(shelf.client.put(path, json=change))) == ["activeUntil"]


@windowed
def test_a_beginning_moved_behind_the_end_is_refused_on_the_end(shelf):
    path = shelf.create(activeUntil=LATER)
    for start in (LATER, LATEST):
        assert list(errors(shelf.client.put(path, json={"activeFrom": start}))) == ["activeUntil"]


@windowed
def test_the_same_instants_in_another_zone_change_nothing(shelf):
    path = shelf.create(activeUntil=LATER)
    before = shelf.client.get(path)
    same = {
        "activeFrom": "2026-01-15T14:00:00.5+02:00",
        "activeUntil": "2026-01-31T18:00-06:00",
    }
    answer = shelf.client.put(path, json=same)
    assert (answer.status_code, answer.data) == (200, before.data)
    assert answer.headers["ETag"] == before.headers["ETag"]


@windowed
def test_a_window_is_changed_at_either_end_and_opened_again(shelf):
    path = shelf.create(activeUntil=LATER)
    for change in ({"activeFrom": EARLIER}, {"activeUntil": LATEST}, {"activeUntil": None}):
        answer = shelf.client.put(path, json=change)
        assert (answer.status_code, answer.json | change) == (200, answer.json)


def privilege_counts(shelf, created):
    return created["id"] in shelf.named(shelf.list("active=true&size=300"))


def subscription_counts(shelf, created):
    return created in shelf.list("active=true&size=300").json


def mapping_names_its_tenant(shelf, created):
    stranger = administrator_of(shelf.sandbox, "globex")
    return stranger.get("/whoami", headers={"Host": created["domain"]}).status_code == 403


def key_lets_in(shelf, created):
    return shelf.sandbox.client(created["apiToken"]).get("/whoami").status_code == 200


IN_FORCE = {
    "privileges": privilege_counts,
    "domain mappings": mapping_names_its_tenant,
    "services": subscription_counts,
    "api-keys": key_lets_in,
    "user api-keys": key_lets_in,
}


@those(lambda r: r.name in IN_FORCE)
@pytest.mark.parametrize(
    "now, counts",
    [
        ("2026-01-31T23:59:59Z", False),
        ("2026-02-01T00:00:00Z", True),
        ("2026-02-01T00:00:01Z", True),
        ("2026-02-28T23:59:59Z", True),
        ("2026-03-01T00:00:00Z", False),
        ("2026-03-01T00:00:01Z", False),
    ],
)
def test_a_window_holds_from_its_first_second_to_before_its_end(shelf, now, counts):
    created = shelf.post(activeFrom=LATER, activeUntil=LATEST).json
    shelf.sandbox.clock.set(now)
    assert IN_FORCE[shelf.resource.name](shelf, created) is counts


@those(lambda r: r.name in IN_FORCE)
@pytest.mark.parametrize("now", ["2026-02-01T00:00:00Z", "2126-02-01T00:00:00Z"])
def test_a_window_without_an_end_stays_open(shelf, now):
    created = shelf.post(activeFrom=LATER, activeUntil=None).json
    shelf.sandbox.clock.set(now)
    assert IN_FORCE[shelf.resource.name](shelf, created)


# Every route


PATHS = sorted({route["path"] for route in ROUTES})
WITH_BODY = [(route["verb"], route["path"]) for route in ROUTES if route["verb"] in {"POST", "PUT"}]


def verbs_of(path):
    listed = {route["verb"] for route in ROUTES if route["path"] == path}
    return listed | {"OPTIONS"} | ({"HEAD"} if "GET" in listed else set())


def some(path):
    """A path with something in each of its places."""
    for place in ("{username}", "{id}", "{domain}", "{label}", "{key}"):
        path = path.replace(place, "some")
    return path


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("path", PATHS)
def test_options_answers_204_with_allow_and_without_a_key(sandbox, path, slash):
    answer = ask(sandbox, "OPTIONS", some(path) + slash)
    assert (answer.status_code, answer.data) == (204, b"")
    assert set(answer.headers["Allow"].replace(" ", "").split(",")) == verbs_of(path)


@pytest.mark.parametrize("path", PATHS)
def test_a_wrong_verb_is_405_with_allow_before_a_key_is_asked_for(sandbox, path):
    for verb in {"GET", "POST", "PUT", "DELETE", "PATCH"} - verbs_of(path):
        answer = ask(sandbox, verb, some(path))
        assert (answer.status_code, answer.json["status"]) == (405, 405), verb
        assert answer.mimetype == "application/problem+json"
        assert set(answer.headers["Allow"].replace(" ", "").split(",")) == verbs_of(path)


@pytest.mark.parametrize("verb", ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize(
    "path", ["/nothing", "/users/a/b", "/users/a/privilege/b", "/statements/a/b", "", "/Users"]
)
def test_an_unknown_path_is_404_for_every_verb_and_without_a_key(sandbox, verb, path):
    answer = ask(sandbox, verb, path)
    assert answer.status_code == 404
    if verb != "HEAD":
        assert answer.mimetype == "application/problem+json"
        assert answer.json["status"] == 404


@pytest.mark.parametrize("verb, path", [(route["verb"], route["path"]) for route in ROUTES])
def test_every_route_asks_for_a_key(sandbox, verb, path):
    answer = ask(sandbox, verb, some(path))
    assert answer.status_code == 401
    assert answer.mimetype == "application/problem+json"
    assert answer.headers["WWW-Authenticate"]


MALFORMED = {
    "no JSON": b"{",
    "nothing": b"",
    "blank": b"  ",
    "trailing text": b"{} {}",
    "duplicate members": b'{"name": "a", "name": "b"}',
    "duplicate members inside": b'{"settings": {"a": 1, "a": 1}}',
    "duplicate members by escape": b'{"name": "a", "n\\u0061me": "b"}',
    "NaN": b'{"listOrder": NaN}',
    "Infinity": b'{"listOrder": Infinity}',
    "-Infinity": b'{"listOrder": -Infinity}',
    "an infinite number": b'{"listOrder": 1e999}',
    "a negative infinite number": b'{"settings": {"x": -1e999}}',
    "nesting of 65": b'{"settings":' * 65 + b"1" + b"}" * 65,
    "nesting of 65 lists": b'{"settings":' + b"[" * 64 + b"]" * 64 + b"}",
    "nesting of 100000": b'{"settings":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "open brackets": b"[" * 100_000,
    "not UTF-8": b'{"name": "\xff"}',
    "an overlong form": b'{"name": "\xc0\x80"}',
    "an encoded surrogate": b'{"name": "\xed\xa0\x80"}',
    "UTF-16": '{"name": "a"}'.encode("utf-16"),
    "UTF-16 without a mark": '{"name": "a"}'.encode("utf-16-le"),
    "UTF-32": '{"name": "a"}'.encode("utf-32"),
    "a control character in text": b'{"name": "a\x01b"}',
    "a list": b"[]",
    "text": b'"x"',
    "a number": b"1",
    "null": b"null",
    "true": b"true",
}


@pytest.fixture
def enterprise(sandbox):
    """An administrator of a tenant that may use the statements too."""
    subscribe(sandbox, "enterprise")
    return administrator_of(sandbox, "acme")


def send(client, verb, path, **request):
    return getattr(client, verb.lower())(some(path), **request)


@pytest.mark.parametrize(
    "body, verb, path",
    [
        pytest.param(body, verb, path, id=f"{name}-{verb}-{path}")
        for name, body in MALFORMED.items()
        for verb, path in WITH_BODY
        if (body, verb, path) != (b"", "POST", "/services/{label}")  # needs no body
    ],
)
def test_a_malformed_body_is_400_on_every_route_that_takes_one(enterprise, verb, path, body):
    answer = send(enterprise, verb, path, data=body, content_type="application/json")
    assert (answer.status_code, answer.mimetype) == (400, "application/problem+json")
    assert answer.json["detail"]


@pytest.mark.parametrize(
    "verb, path", [route for route in WITH_BODY if route != ("POST", "/services/{label}")]
)
def test_no_body_where_one_is_needed_is_400(enterprise, verb, path):
    assert send(enterprise, verb, path).status_code == 400


ODD_SEGMENTS = (
    "%00",
    "a%00b",
    "%FF",
    "%ED%A0%80",
    "%C3%28",
    ".",
    "..",
    "%2E%2E",
    "%2F",
    "a%2Fb",
    "a%0D%0Ab",
    "%E2%80%8B",
    "%EF%BC%91",
    "%F0%9F%98%80",
    "%25",
    ";",
    "xn--",
    "_meta",
    "x" * 3000,
    "1" * 5000,
)
ODD_BODIES = {
    "POST /users/{username}/privilege": {"role": "USER"},
    "POST /users/{username}/api-keys": {"type": "BASIC"},
}
WITH_NAME = [(route["verb"], route["path"]) for route in ROUTES if "{" in route["path"]]


@pytest.mark.parametrize("verb, path", WITH_NAME)
def test_a_name_that_no_record_can_have_is_404(enterprise, verb, path):
    body = ODD_BODIES.get(f"{verb} {path}", {})
    request = {"json": body} if verb in {"POST", "PUT"} else {}
    before, _, after = path.partition("{")
    for odd in ODD_SEGMENTS:
        rest = after.partition("}")[2].replace("{key}", odd)
        answer = enterprise.request(verb, before + odd + rest, **request)
        assert answer.status_code == 404, odd
        assert answer.mimetype == "application/problem+json"


@pytest.mark.parametrize("verb, path", WITH_BODY)
@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "application/problem+json",
        "multipart/form-data; boundary=x",
        "json",
    ],
)
def test_a_body_of_another_type_is_415_on_every_route(enterprise, verb, path, content_type):
    answer = send(enterprise, verb, path, data=b"{}", content_type=content_type)
    assert (answer.status_code, answer.mimetype) == (415, "application/problem+json")


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON", "application/json; charset=utf-8"],
)
def test_the_media_type_may_have_parameters_and_any_case(administrator, content_type):
    answer = administrator.put("/info", data=b"{}", content_type=content_type)
    assert answer.status_code == 200


@pytest.mark.parametrize("depth, status", [(64, 201), (65, 400)])
def test_a_body_may_be_nested_64_deep(administrator, depth, status):
    inner: Any = {}
    for _ in range(depth - 2):
        inner = {"x": inner}
    answer = administrator.post("/tenant-dashboards", json={**dashboard(0, ""), "settings": inner})
    assert answer.status_code == status


MIB = 2**20


def body_of(size):
    start, end = b'{"colour": "', b'"}'
    return start + b"x" * (size - len(start) - len(end)) + end


@pytest.mark.parametrize("verb, path", WITH_BODY)
def test_a_body_over_the_limit_is_413_on_every_route(enterprise, verb, path):
    too_long = send(enterprise, verb, path, data=body_of(MIB + 1), content_type="application/json")
    assert (too_long.status_code, too_long.mimetype) == (413, "application/problem+json")


@pytest.mark.parametrize("size, status", [(MIB, 422), (MIB + 1, 413), (2 * MIB, 413)])
@pytest.mark.parametrize("chunked", [False, True])
def test_the_limit_of_a_body_is_one_mib_chunked_too(sandbox, size, status, chunked):
    token = sandbox.add_key(None, tenant="acme", type="BASIC")
    request: dict[str, Any] = {"data": body_of(size)}
    if chunked:
        request = {
            "input_stream": BytesIO(body_of(size)),
            "environ_overrides": {
                "CONTENT_LENGTH": "",
                "wsgi.input_terminated": True,
                "HTTP_TRANSFER_ENCODING": "chunked",
            },
        }
    answer = ask(
        sandbox,
        "POST",
        "/users",
        content_type="application/json",
        headers={"X-API-Key": token},
        **request,
    )
    assert answer.status_code == status


@pytest.mark.parametrize("digits", [30, 400, 5000])
def test_an_integer_that_no_member_can_hold_is_422_of_whatever_length(administrator, digits):
    body = b'{"birthYear": ' + b"9" * digits + b"}"
    answer = administrator.put("/users/alice@acme.test", data=body, content_type="application/json")
    assert "birthYear" in errors(answer)


@pytest.mark.parametrize(
    "number",
    ["0", "-1", "9007199254740993", "1.0", "1.5", "-0.0", "1e308", "5e-324", "true", "null"],
)
def test_numbers_inside_an_object_stay_what_they_are(administrator, number):
    body = dashboard(0, "") | {"settings": {"x": "NUMBER"}}
    made = administrator.post(
        "/tenant-dashboards",
        data=json.dumps(body).replace('"NUMBER"', number),
        content_type="application/json",
    )
    assert made.status_code == 201
    kept = administrator.get(location(made)).json["settings"]["x"]
    assert (kept, type(kept)) == (json.loads(number), type(json.loads(number)))


@pytest.mark.parametrize("number", ["1" + "0" * 19, "-1" + "0" * 30, "1" + "0" * 400])
def test_an_integer_inside_an_object_is_kept_exactly_or_refused(administrator, number):
    body = dashboard(0, "") | {"settings": {"x": ["NUMBER"]}}
    made = administrator.post(
        "/tenant-dashboards",
        data=json.dumps(body).replace('"NUMBER"', number),
        content_type="application/json",
    )
    if made.status_code == 422:
        assert "settings" in errors(made)
    else:
        assert administrator.get(location(made)).json["settings"]["x"] == [int(number)]


def test_a_problem_tells_type_title_status_detail_and_the_path_without_its_query(administrator):
    answer = administrator.get("/users/nobody?x=secret")
    problem = answer.json
    assert problem.keys() == {"type", "title", "status", "detail", "instance"}
    assert (answer.status_code, problem["status"]) == (404, 404)
    assert problem["instance"] == f"{BASE}/users/nobody"


def test_a_validation_problem_lists_messages_by_member(administrator):
    problem = administrator.put("/users/alice@acme.test", json={"gender": "X"})
    messages = errors(problem)["gender"]
    assert isinstance(messages, list)
    assert all(isinstance(message, str) for message in messages)


def test_answers_are_json(administrator):
    assert administrator.get("/users").mimetype == "application/json"
    assert administrator.get("/info").mimetype == "application/json"


# The order of checks


def test_route_and_verb_come_before_the_key_and_the_key_before_the_body(sandbox):
    assert ask(sandbox, "POST", "/nothing", data=b"{").status_code == 404
    assert ask(sandbox, "PATCH", "/users", data=b"{").status_code == 405
    assert ask(sandbox, "POST", "/users", data=b"{").status_code == 401


def test_what_a_role_can_never_do_comes_before_the_body(sandbox):
    sandbox.add_user("bob@acme.test", role="USER", tenant="acme")
    bob = sandbox.client(sandbox.add_key("bob@acme.test", tenant="acme", type="BASIC"))
    for path in ("/users", "/privileges", "/domain-mapping", "/tenant-dashboards", "/api-keys"):
        answer = bob.post(path, data=b"{", content_type="text/plain")
        assert answer.status_code == 403, path
    assert bob.put("/privileges/999999", data=b"{").status_code == 403


def test_the_body_comes_before_the_record_and_the_record_before_the_right(sandbox):
    sandbox.add_user("bob@acme.test", role="USER", tenant="acme")
    bob = sandbox.client(sandbox.add_key("bob@acme.test", tenant="acme", type="BASIC"))
    malformed = bob.put("/users/alice@acme.test", data=b"{", content_type="application/json")
    assert malformed.status_code == 400
    assert "gender" in errors(bob.put("/users/alice@acme.test", json={"gender": "X"}))
    assert bob.put("/users/alice@acme.test", json={"gender": "F"}).status_code == 404


def test_the_right_comes_before_if_match_and_if_match_before_conflicts(sandbox, administrator):
    sandbox.add_user("lea@acme.test", role="TEAM_LEADER", tenant="acme")
    sandbox.add_user("bob@acme.test", role="USER", tenant="acme", reports_to="lea@acme.test")
    lea = sandbox.client(sandbox.add_key("lea@acme.test", tenant="acme", type="BASIC"))
    stale = {"If-Match": '"stale"'}
    assert lea.put("/users/bob@acme.test", json={}, headers=stale).status_code == 403
    last = "/privileges/alice@acme.test"
    assert administrator.put(last, json={"role": "USER"}, headers=stale).status_code == 412
    assert administrator.put(last, json={"role": "USER"}).status_code == 409


# The catalogue's lists share the rules of lists


@pytest.mark.parametrize(
    "path, order",
    [
        ("/available-services", "name label type status icon preview shortDescription description"),
        ("/endpoint-types", "id name label internal shortDescription"),
        ("/dashboards", "title menuLabel label type status listOrder subtitle service"),
        ("/service-dashboards", "title menuLabel label type status listOrder subtitle service"),
        ("/statements", "title label type status query description service listOrder"),
        ("/service-statements", "title label type status query description service listOrder"),
        ("/user-api-keys", "id type name activeFrom activeUntil createdDate user"),
        ("/as-users", "username email firstName lastName avatar"),
    ],
)
def test_lists_of_the_catalogue_and_of_people_page_and_order_too(enterprise, sandbox, path, order):
    for n in range(4):
        sandbox.add_user(f"person{n}@acme.test", role="USER", tenant="acme")
        sandbox.add_key(f"person{n}@acme.test", tenant="acme", type="BASIC")
    also = "&q=acme.test" if path == "/as-users" else ""
    everything = enterprise.get(f"{path}?size=300{also}")
    total = len(everything.json)
    assert everything.headers["X-Total-Count"] == str(total)
    page = enterprise.get(f"{path}?size=2&page=1{also}")
    assert page.json == everything.json[2:4]
    assert {"first", "prev", "last"} <= set(links(page))
    assert enterprise.get(f"{path}?page=999{also}").json == []
    assert "size" in errors(enterprise.get(f"{path}?size=301{also}"))
    assert "page" in errors(enterprise.get(f"{path}?page=-1{also}"))
    message = str(errors(enterprise.get(f"{path}?order=colour{also}"))["order"])
    for member in order.split():
        assert member in message
        for sign in ("", "-"):
            ordered = enterprise.get(f"{path}?size=300&order={sign}{member}{also}").json
            present = [folded(r[member]) for r in ordered if r[member] is not None]
            assert present == sorted(present, reverse=bool(sign)), sign + member
            assert len(ordered) == total


@pytest.mark.parametrize(
    "path, members",
    [
        ("/available-services", ("name", "label", "description")),
        ("/dashboards", ("title", "label", "description")),
        ("/statements", ("title", "label", "description")),
    ],
)
def test_q_searches_the_catalogue(enterprise, path, members):
    for record in enterprise.get(f"{path}?size=300").json:
        for member in members:
            words = (record[member] or record["label"]).swapcase()
            found = enterprise.get(f"{path}?size=300&q={segment(words)}").json
            assert record in found, (member, words)
    assert enterprise.get(f"{path}?q=zebra-crossing").json == []


def test_the_offered_services_of_the_catalogue_are_enough_for_these_tests(administrator):
    assert len(optional_services(administrator)) >= 6
    assert offered(administrator, type="MANDATORY")
    assert offered(administrator, status="ARCHIVED")
    assert "enterprise" in offered(administrator, type="SUBSCRIPTION_PLAN")
