"""The audit: each change leaves a record for each stored record, and a refusal leaves none."""

from dataclasses import replace

import pytest

from provisioning.testing.sandbox import Sandbox
from provisioning.web import audit as keeping

from .asking import EARLIER, LATER, MASK, NOW, SOON, administrator_of, caller, errors, subscribe

BOB = "Bob@acme.test"
ALICE = "alice@acme.test"
BOARD = {
    "title": "Board",
    "menuLabel": "Menu",
    "label": "board",
    "type": "CUSTOM",
    "status": "PRODUCTION",
    "listOrder": 1,
}
STATEMENT = {
    "title": "Late",
    "label": "late",
    "type": "CUSTOM",
    "status": "PRODUCTION",
    "query": "select 1",
}
ENDPOINT = {"url": "amqp://mq.test", "endpointType": "MQ_INCOMING", "password": "hush"}
DOMAIN = {"domain": "insight.acme.example"}


@pytest.fixture
def sandbox():
    made = Sandbox()
    subscribe(made, "enterprise")
    made.add_user(BOB)
    return made


def audit(client, query=""):
    return client.get(f"/audit?size=300{query}").json


def since(client, before):
    """The records that were added, oldest first, without what the store made up."""
    known = {record["id"] for record in before}
    added = [record for record in reversed(audit(client)) if record["id"] not in known]
    return [
        (record["action"], record["resource"], record["target"], record["user"], record["changes"])
        for record in added
    ]


def both(before, after):
    return {"from": before, "to": after}


CREATED_BOARD = {name: both(None, value) for name, value in BOARD.items()}
CREATED_STATEMENT = {name: both(None, value) for name, value in STATEMENT.items()}
CHANGES = {
    "info": (
        ("PUT", "/info", {"theme": "dark"}),
        [("change", "tenants", "acme", None, {"theme": both(None, "dark")})],
    ),
    "a new user": (
        ("POST", "/users", {"username": "Eve", "email": "e@x.test", "password": "pw"}),
        [
            (
                "create",
                "users",
                "Eve",
                "Eve",
                {
                    "username": both(None, "Eve"),
                    "email": both(None, "e@x.test"),
                    "password": both(None, MASK),
                },
            ),
            (
                "create",
                "privileges",
                "4",
                "Eve",
                {
                    "role": both(None, "USER"),
                    "activeFrom": both(None, NOW),
                    "user": both(None, "Eve"),
                },
            ),
        ],
    ),
    "a profile": (
        ("PUT", f"/users/{BOB}", {"firstName": "Bob", "password": "other"}),
        [
            (
                "change",
                "users",
                BOB,
                BOB,
                {"firstName": both(None, "Bob"), "password": both(None, MASK)},
            )
        ],
    ),
    "a revocation": (
        ("DELETE", f"/users/{BOB}", None),
        [("change", "privileges", "3", BOB, {"activeUntil": both(None, NOW)})],
    ),
    "a supervisor": (
        ("PUT", "/privileges/2", {"reportsTo": "ALICE@acme.test"}),
        [("change", "privileges", "3", BOB, {"reportsTo": both(None, ALICE)})],
    ),
    "a domain": (
        ("POST", "/domain-mapping", DOMAIN),
        [
            (
                "create",
                "domain-mapping",
                "insight.acme.example",
                None,
                {"domain": both(None, "insight.acme.example"), "activeFrom": both(None, NOW)},
            )
        ],
    ),
    "a dashboard": (
        ("POST", "/tenant-dashboards", BOARD),
        [("create", "tenant-dashboards", "board", None, CREATED_BOARD)],
    ),
    "a statement": (
        ("POST", "/tenant-statements", STATEMENT),
        [("create", "tenant-statements", "late", None, CREATED_STATEMENT)],
    ),
    "a configuration": (
        ("PUT", "/statements/delayed-shipments/config", {"days": 3}),
        [
            (
                "create",
                "statements",
                "delayed-shipments",
                None,
                {"config": both(None, {"days": 3})},
            )
        ],
    ),
    "an endpoint": (
        ("POST", "/endpoints", ENDPOINT),
        [
            (
                "create",
                "endpoints",
                "1",
                None,
                {
                    "url": both(None, "amqp://mq.test"),
                    "endpointType": both(None, "MQ_INCOMING"),
                    "password": both(None, MASK),
                    "active": both(None, True),
                    "durable": both(None, False),
                    "activeFrom": both(None, NOW),
                },
            )
        ],
    ),
    "a key": (
        ("POST", f"/users/{BOB}/api-keys", {"type": "BASIC", "activeUntil": LATER}),
        [
            (
                "create",
                "api-keys",
                "key-4",
                BOB,
                {
                    "type": both(None, "BASIC"),
                    "apiToken": both(None, MASK),
                    "user": both(None, BOB),
                    "activeFrom": both(None, NOW),
                    "activeUntil": both(None, LATER),
                },
            )
        ],
    ),
    "an unsubscription": (
        ("DELETE", "/services/enterprise", None),
        [("change", "services", "enterprise", None, {"activeUntil": both(None, NOW)})],
    ),
}


@pytest.mark.parametrize(("asked", "records"), CHANGES.values(), ids=CHANGES)
def test_a_change_leaves_a_record_for_each_stored_record(sandbox, asked, records):
    alice = sandbox.administrator
    before = audit(alice)
    verb, path, body = asked
    answer = alice.request(verb, path, json=body)
    assert answer.status_code in {200, 201, 204}, answer.text
    found = since(alice, before)
    assert [each[:2] for each in found] == [each[:2] for each in records]
    for got, wanted in zip(found, records, strict=True):
        assert (got[3], got[4]) == (wanted[3], wanted[4])
        assert wanted[2].isdigit() or got[2] == wanted[2] or wanted[2].startswith("key-")


def test_a_record_says_who_and_how(sandbox):
    alice = sandbox.administrator
    alice.put("/info", json={"theme": "dark"}, headers={"X-Request-ID": "req-7"})
    record = audit(alice)[0]
    assert (record["at"], record["by"], record["via"]) == (NOW, ALICE, "api")
    assert (record["requestId"], record["client"]) == ("req-7", "127.0.0.1")
    assert record["key"] == alice.get("/users/alice@acme.test").json["activeApiKeys"][0]["id"]


def test_a_tenant_only_key_is_nobody(sandbox):
    tenant_only = administrator_of(sandbox, "acme")
    tenant_only.put("/info", json={"theme": "dark"})
    record = audit(tenant_only)[0]
    assert record["by"] is None
    assert record["key"] is not None


REFUSED = {
    "invalid": ("POST", "/users", {"username": "eve"}),
    "taken": ("POST", "/users", {"username": BOB, "email": "b@x.test", "password": "pw"}),
    "the last administrator": ("DELETE", f"/users/{ALICE}", None),
    "unknown": ("DELETE", "/users/nobody", None),
    "no difference": ("PUT", "/info", {}),
    "revoked again": ("DELETE", "/services/enterprise", None),
}


@pytest.mark.parametrize("asked", REFUSED.values(), ids=REFUSED)
def test_what_changes_nothing_leaves_no_record(sandbox, asked):
    alice = sandbox.administrator
    if asked[1] == "/services/enterprise":
        alice.delete("/services/enterprise")
    before = audit(alice)
    alice.request(asked[0], asked[1], json=asked[2])
    assert audit(alice) == before


@pytest.mark.parametrize("role", ["USER", "TEAM_LEADER", "MANAGEMENT"])
@pytest.mark.parametrize("path", ["/audit", "/audit/1"])
def test_other_roles_are_refused(sandbox, role, path):
    assert caller(sandbox, role).get(path).status_code == 403


def test_an_auditor_reads_it(sandbox):
    sandbox.administrator.put("/info", json={"theme": "dark"})
    auditor = caller(sandbox, "INTERNAL_AUDITING")
    record = audit(auditor)[0]
    assert auditor.get(f"/audit/{record['id']}").json == record


def test_another_tenants_record_is_a_missing_one(sandbox):
    sandbox.administrator.put("/info", json={"theme": "dark"})
    record = audit(sandbox.administrator)[0]
    globex = administrator_of(sandbox, "globex")
    assert globex.get(f"/audit/{record['id']}").status_code == 404
    assert audit(globex) == []


@pytest.fixture
def history(sandbox):
    """Three changes, an hour and more apart: alice names bob, bob himself, a tenant-only key."""
    alice = sandbox.administrator
    alice.put(f"/users/{BOB}", json={"firstName": "B"}, headers={"X-Request-ID": "one"})
    sandbox.clock.set(SOON)
    bob = sandbox.client(sandbox.add_key(BOB))
    bob.put(f"/users/{BOB}", json={"firstName": "Bobby"}, headers={"X-Request-ID": "two"})
    sandbox.clock.set(LATER)
    administrator_of(sandbox, "acme").put("/info", json={"theme": "x"})
    return alice


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("&by=ALICE@acme.test", 1),
        ("&by=bob@acme.test", 1),
        ("&by=nobody", 0),
        ("&user=bob@ACME.test", 2),
        ("&resource=tenants", 1),
        ("&action=change&resource=users", 2),
        ("&requestId=two", 1),
        ("&via=cli", 0),
        ("&target=acme", 1),
        (f"&resource=users&from={NOW}", 2),
        (f"&resource=users&from={SOON}", 1),
        (f"&resource=users&until={SOON}", 1),
        (f"&resource=users&from={EARLIER}&until={NOW}", 0),
        ("&q=bob&action=change", 2),
    ],
)
def test_filters_narrow_it(history, query, count):
    assert len(audit(history, query)) == count


@pytest.mark.parametrize(
    "query", ["resource=kings", "action=undo", "via=fax", "from=yesterday", "until=", "from="]
)
def test_a_filter_that_names_nothing_possible_is_refused(sandbox, query):
    assert query.partition("=")[0] in errors(sandbox.administrator.get(f"/audit?{query}"))


def test_the_newest_stands_first(history):
    ids = [record["id"] for record in audit(history)]
    assert ids == sorted(ids, reverse=True)


@pytest.mark.parametrize("keep", [0, 1, 3])
def test_so_many_are_kept_as_the_setting_says(keep):
    alice = Sandbox(audit_keep=keep).administrator
    for number in range(5):
        alice.put("/info", json={"theme": f"theme {number}"})
    shown = [record["changes"]["theme"]["to"] for record in audit(alice)]
    assert shown == [f"theme {number}" for number in (4, 3, 2, 1, 0)[:keep]]


def test_a_large_value_is_told_by_its_size_and_digest(sandbox):
    alice = sandbox.administrator
    alice.post("/tenant-dashboards", json=BOARD | {"description": "x" * 2_000})
    told = audit(alice)[0]["changes"]["description"]["to"]
    assert told["bytes"] == 2_002
    assert len(told["sha256"]) == 64


def test_it_is_ordered_by_every_public_field_but_what_has_no_order(sandbox):
    admin = administrator_of(sandbox, "acme")
    assert admin.put("/info", json={"theme": "dark"}).status_code == 200
    record, *_ = known = audit(admin)
    for name in record.keys() - {"changes"}:
        ordered = audit(admin, f"&order=-{name}")
        assert sorted(ordered, key=lambda each: -each["id"]) == known, name
    assert "client" in errors(admin.get("/audit?order=changes"))["order"][0]


def test_a_number_that_becomes_another_kind_of_number_is_a_change(sandbox):
    admin = administrator_of(sandbox, "acme")
    for value in (b"1", b"1.0"):
        body = b'{"a": ' + value + b"}"
        path = "/statements/delayed-shipments/config"
        answer = admin.put(path, data=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 200
    assert b'"config":{"from":{"a":1},"to":{"a":1.0}}' in admin.get("/audit?size=1").data


def test_of_many_that_are_no_longer_kept_none_stays(sandbox):
    admin = administrator_of(sandbox, "acme")
    for number in range(250):
        assert admin.put("/info", json={"theme": str(number)}).status_code == 200
    parts = sandbox.parts
    parts.settings = replace(parts.settings, audit_keep=3)
    for number in range(4):
        assert admin.put("/info", json={"theme": f"new {number}"}).status_code == 200
    assert [each["changes"]["theme"]["to"] for each in audit(admin)] == ["new 3", "new 2", "new 1"]


def test_of_many_the_oldest_are_dropped_now_and_then(monkeypatch):
    """Where many are kept they aren't counted at each change, but seldom many too many stay."""
    monkeypatch.setattr(keeping, "COUNTED", 2)
    alice = Sandbox(audit_keep=20).administrator
    for number in range(150):
        alice.put("/info", json={"theme": f"theme {number}"})
    shown = [each["changes"]["theme"]["to"] for each in alice.get("/audit?size=300").json]
    assert shown == [f"theme {number}" for number in range(149, 149 - len(shown), -1)]
    assert 20 <= len(shown) < 149


def test_what_is_no_longer_kept_goes_a_part_with_each_change(monkeypatch):
    sandbox = Sandbox(audit_keep=20)
    alice = sandbox.administrator
    for number in range(20):
        alice.put("/info", json={"theme": f"theme {number}"})
    monkeypatch.setattr(keeping, "MOST_DROPPED", 5)
    monkeypatch.setattr(type(sandbox.parts), "audit_keep", 2)
    lengths = []
    for number in range(5):
        alice.put("/info", json={"theme": f"new {number}"})
        lengths.append(len(alice.get("/audit").json))
    assert lengths == [15, 10, 5, 2, 2]
