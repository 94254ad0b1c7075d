"""Nothing walks a tenant: a request reads as many records at 10,000 users as at 1,000."""

import functools
from collections import Counter

import pytest

from provisioning.store import View
from provisioning.testing.sandbox import NOW, Sandbox

from .asking import EARLIER, LATER

pytestmark = pytest.mark.slow

SIZES = (1_000, 10_000)
PEOPLE = {
    "USER": "una@acme.test",
    "TEAM_LEADER": "tim@acme.test",
    "MANAGEMENT": "mia@acme.test",
    "INTERNAL_AUDITING": "ida@acme.test",
    "ADMINISTRATOR": "alice@acme.test",
}
BOB = "bob@acme.test"
GETS = (
    "/info",
    "/details",
    "/whoami",
    "/users",
    "/users?active=false",
    "/users?active=all&order=lastName,-username&page=3",
    "/users?q=bob",
    f"/users?at={EARLIER}",
    f"/users/{BOB}",
    f"/users/{BOB}/privilege",
    f"/users/{BOB}/api-keys",
    "/as-users?q=bob@acme",
    "/privileges",
    "/privileges?active=true&order=user",
    f"/privileges?user={BOB}",
    "/privileges?reportsTo=tim@acme.test",
    f"/privileges/{BOB}",
    "/domain-mapping",
    "/services",
    "/dashboards",
    "/tenant-dashboards",
    "/endpoints",
    "/api-keys",
    "/user-api-keys",
    "/audit",
    f"/audit?by=alice@acme.test&user={BOB}",
    "/privileges?order=reportsTo,-user",
    "/services?order=registeredBy",
)
CHANGES = (
    ("PUT", "/info", {"theme": "dark"}),
    ("POST", "/users", {"username": "eve@x.test", "email": "eve@x.test", "password": "pw"}),
    ("PUT", f"/users/{BOB}", {"firstName": "Bob"}),
    ("POST", "/privileges", {"username": BOB, "role": "MANAGEMENT", "reportsTo": "tim@acme.test"}),
    ("PUT", f"/privileges/{BOB}", {"activeUntil": LATER}),
    ("POST", f"/users/{BOB}/api-keys", {"type": "BASIC"}),
    ("POST", "/domain-mapping", {"domain": "x.example.org"}),
    ("POST", "/endpoints", {"url": "amqp://x", "endpointType": "MQ_INCOMING"}),
    ("DELETE", f"/users/{BOB}/privilege", None),
    ("DELETE", "/users/alice@acme.test", None),
)


@functools.cache
def tenant_of(size):
    """acme with a cast that is the same at any size, and a crowd of so many."""
    sandbox = Sandbox()
    keys = {"ADMINISTRATOR": sandbox.administrator.token}
    for role, username in PEOPLE.items():
        if role != "ADMINISTRATOR":
            sandbox.add_user(username, role=role)
            keys[role] = sandbox.add_key(username)
    sandbox.add_user(BOB, reports_to="tim@acme.test")
    sandbox.grant("tim@acme.test", "USER", reports_to="mia@acme.test")
    with sandbox.store.transaction() as transaction:
        bob = transaction.get("users", BOB)
        for number in range(size):
            user = f"person{number:05}@acme.test"
            account = bob | {
                "id": transaction.next_id("users"),
                "username": user,
                "email": user,
                "lastName": f"Name {number % 50}",
            }
            transaction.put("users", user, account)
            for active in ((EARLIER, NOW), (NOW, None if number % 2 else NOW)):
                privilege = {
                    "id": transaction.next_id("privileges"),
                    "tenant": "acme",
                    "user": user,
                    "role": "USER",
                    "activeFrom": active[0],
                    "activeUntil": active[1],
                    "reportsTo": None,
                }
                transaction.put("privileges", str(privilege["id"]), privilege)
    return sandbox, {role: sandbox.client(token) for role, token in keys.items()}


@pytest.fixture
def reads(monkeypatch):
    """Counts the records that views hand out."""
    counted = Counter()

    def counting(name, count):
        plain = getattr(View, name)

        def asked(self, *words):
            found = plain(self, *words)
            counted["records"] += count(found)
            return found

        monkeypatch.setattr(View, name, asked)

    counting("get", lambda found: found is not None)
    counting("find", lambda found: found is not None)
    counting("group", len)
    counting("all", len)
    counting("query", lambda page: len(page.records))
    return counted


def counts(reads, size, role, verb, path, body=None):
    sandbox, clients = tenant_of(size)
    before = sandbox.store.read
    if verb == "GET":
        clients[role].get(path)  # what is worked out once is kept
    else:
        with before() as view:
            beginning = view.freeze()
    reads.clear()
    status = clients[role].request(verb, path, json=body).status_code
    read = reads["records"]
    if verb != "GET":
        with sandbox.store.transaction() as transaction:
            transaction.restore(beginning)
    return status, read


@pytest.mark.parametrize("path", GETS)
@pytest.mark.parametrize("role", PEOPLE)
def test_a_read_reads_as_many_records_in_a_large_tenant(reads, role, path):
    small, large = (counts(reads, size, role, "GET", path) for size in SIZES)
    assert small == large


@pytest.mark.parametrize(("verb", "path", "body"), CHANGES)
def test_a_change_reads_as_many_records_in_a_large_tenant(reads, verb, path, body):
    small, large = (counts(reads, size, "ADMINISTRATOR", verb, path, body) for size in SIZES)
    assert small == large
