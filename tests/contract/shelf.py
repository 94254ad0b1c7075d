"""The resources, as the tests of the rules that all of them share know them.

A resource is described by facts about its record; `Shelf` is one resource of one tenant in a fresh
sandbox, used by an administrator.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from .asking import (
    administrator_of,
    location,
    optional_services,
    segment,
    subscribe,
)

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
        "username": (7, "", " bob", "bob ", "a/b", ".", "..", "a\tb", "x" * 255),
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
        "endpointType": (7, "", "CARRIER_PIGEON", {}, {"label": "CARRIER_PIGEON"}, {"id": 0}),
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
