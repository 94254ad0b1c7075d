"""The rename of an account: by whoever runs the server, and within a request."""

import threading
from collections import Counter

import pytest

from provisioning import accounts
from provisioning.domain.errors import Conflict, Invalid
from provisioning.store import Collision
from provisioning.web.audit import API, Author, keep

ALICE, BOB, ROBERT = "alice@acme.test", "bob@acme.test", "Robert@acme.test"
AUDITED = {
    "tenant": "acme",
    "at": "2026-01-01T00:00:00Z",
    "by": BOB,
    "byUser": BOB,
    "byAccount": 2,
    "key": None,
    "via": "api",
    "requestId": None,
    "action": "change",
    "resource": "users",
    "target": BOB,
    "user": BOB,
    "aboutUser": BOB,
    "aboutAccount": 2,
    "client": None,
    "changes": {},
}


@pytest.fixture
def bob(sandbox):
    """A user of acme, at home there, who also holds something in globex."""
    sandbox.add_user(BOB, reports_to="alice@acme.test")
    sandbox.add_tenant("initech")
    sandbox.add_user("gina@globex.test", "ADMINISTRATOR", tenant="globex")
    sandbox.add_user("ivan@initech.test", "ADMINISTRATOR", tenant="initech")
    sandbox.grant(BOB, "USER", tenant="globex", reports_to="gina@globex.test")
    return sandbox


def tenants_holding(sandbox, user=BOB):
    with sandbox.store.read() as view:
        return accounts.tenants_holding(view, sandbox.parts.collections, user)


def rename(sandbox, turns, username=ROBERT, user=BOB, author="alice@acme.test"):
    """Rename as a request does: the first of `turns` is its own tenant."""
    first, *others = turns
    with sandbox.store.transaction(first, also=others) as transaction:
        account = accounts.rename_within(transaction, sandbox.parts.collections, user, username)
        made_by = Author(API, first, author, "key-1", "request-1", "192.0.2.7")
        keep(sandbox.parts, transaction, made_by, sandbox.clock.now())
    return account


def audit_of(sandbox, tenant, query=""):
    return sandbox.client(sandbox.add_key(None, tenant)).get(f"/audit?size=300{query}").json


def test_a_rename_needs_the_turns_of_the_tenants_where_the_account_holds_something(bob):
    assert tenants_holding(bob) == {"acme", "globex"}


def test_a_request_renames_an_account_with_all_that_it_holds_in_any_tenant(bob):
    token = bob.add_key(BOB, "globex")
    before = bob.administrator.get(f"/users/{BOB}").json
    assert rename(bob, ["acme", "globex"])["username"] == ROBERT
    after = bob.administrator.get("/users/robert@acme.test").json
    assert after == before | {"username": ROBERT}
    assert bob.client(token).get("/whoami").json["user"]["username"] == ROBERT
    assert bob.administrator.get(f"/users/{BOB}").status_code == 404


def test_another_spelling_of_a_username_changes_nothing_else(bob):
    before = bob.administrator.get(f"/users/{BOB}").json
    rename(bob, ["acme", "globex"], "BOB@acme.test")
    after = bob.administrator.get(f"/users/{BOB}").json
    assert after == before | {"username": "BOB@acme.test"}


def test_a_username_that_is_taken_by_any_tenant_s_account_is_a_conflict(bob):
    with pytest.raises(Conflict, match="already"):
        rename(bob, ["acme", "globex"], "IVAN@initech.test")
    assert bob.administrator.get(f"/users/{BOB}").status_code == 200


def test_a_username_that_breaks_a_rule_is_invalid(bob):
    with pytest.raises(Invalid, match="slash"):
        rename(bob, ["acme", "globex"], "a/b")


def test_an_account_that_has_got_something_elsewhere_meanwhile_is_renamed_at_the_next_try(bob):
    turns = tenants_holding(bob)
    bob.grant(BOB, "USER", tenant="initech")
    try:
        rename(bob, sorted(turns))
    except Collision:  # where tenants take turns of their own
        rename(bob, sorted(tenants_holding(bob)))
    assert bob.administrator.get("/users/robert@acme.test").status_code == 200


def told(records):
    return [
        (r["by"], r["key"], r["client"], r["action"], r["target"], r["user"], r["changes"])
        for r in records
    ]


RENAMED = {"username": {"from": BOB, "to": ROBERT}}


def test_a_rename_is_told_once_in_each_tenant_and_only_its_own_learns_by_whom(bob):
    before = {tenant: len(audit_of(bob, tenant)) for tenant in ("acme", "globex", "initech")}
    bob.add_key(BOB, "globex")
    rename(bob, ["acme", "globex"])
    added = {
        tenant: told(audit_of(bob, tenant)[: -known or None]) for tenant, known in before.items()
    }
    what = ("change", ROBERT, ROBERT, RENAMED)
    assert added == {
        "acme": [("alice@acme.test", "key-1", "192.0.2.7", *what)],
        "globex": [(None, None, None, *what)],
        "initech": [],
    }


def test_what_else_of_the_profile_changes_with_the_name_only_its_own_tenant_learns(bob):
    with bob.store.transaction() as transaction:
        collections = bob.parts.collections
        account = accounts.rename_within(transaction, collections, BOB, ROBERT)
        transaction.put("users", ROBERT.lower(), account | {"firstName": "Robert"})
        keep(bob.parts, transaction, Author(API, "acme"), bob.clock.now())
    names = {tenant: set(audit_of(bob, tenant)[0]["changes"]) for tenant in ("acme", "globex")}
    assert names == {"acme": {"username", "firstName"}, "globex": {"username"}}


def test_who_renames_themselves_has_made_the_change(bob):
    rename(bob, ["acme", "globex"], author=BOB)
    assert audit_of(bob, "acme")[0]["by"] == ROBERT


def test_the_command_line_tells_a_rename_in_each_tenant_too(bob):
    accounts.rename(bob.parts, BOB, ROBERT)
    for tenant in ("acme", "globex"):
        record = audit_of(bob, tenant)[0]
        assert (record["via"], record["by"], record["changes"]) == ("cli", None, RENAMED)


def found(sandbox, query):
    """The actions and requests of what the audit of acme finds, oldest first."""
    return [
        (each["action"], each["by"], each["user"]) for each in audit_of(sandbox, "acme", query)
    ][::-1]


@pytest.fixture
def robert(bob):
    """Bob, who has had his name changed by himself, and then his profile."""
    client = bob.client(bob.add_key(BOB))
    client.put(f"/users/{BOB}", json={"firstName": "Bob"})
    rename(bob, ["acme", "globex"], author=BOB)
    client.put("/users/robert@acme.test", json={"firstName": "Robert"})
    return bob


@pytest.mark.parametrize("member", ["by", "user"])
def test_the_audit_finds_by_the_name_of_today_what_was_under_earlier_ones(robert, member):
    assert found(robert, f"&{member}=ROBERT@acme.test") == [
        ("change", BOB, BOB),
        ("change", ROBERT, ROBERT),
        ("change", ROBERT, ROBERT),
    ]


@pytest.mark.parametrize("member", ["by", "user"])
def test_the_audit_finds_by_a_name_that_nobody_has_what_was_shown_under_it(robert, member):
    assert found(robert, f"&{member}=BOB@acme.test") == [("change", BOB, BOB)]


def test_a_name_that_somebody_else_has_now_stands_for_them_in_the_audit(robert):
    robert.administrator.post("/users", json={"username": BOB, "email": BOB, "password": "pw"})
    assert found(robert, f"&user={BOB}") == [("create", ALICE, BOB)] * 2


def test_a_name_that_another_tenant_s_user_has_now_stands_for_whoever_had_it_here(robert):
    robert.add_user(BOB, tenant="initech")
    assert found(robert, f"&user={BOB}") == [("change", BOB, BOB)]


def test_a_supervisor_who_is_renamed_is_shown_and_found_by_the_new_name(bob):
    bob.add_user("carl@acme.test", reports_to=BOB)
    rename(bob, ["acme", "globex"])
    shown = bob.administrator.get("/privileges?reportsTo=robert@acme.test").json
    assert [(each["user"]["username"], each["reportsTo"]) for each in shown] == [
        ("carl@acme.test", ROBERT)
    ]
    assert bob.administrator.get(f"/privileges?reportsTo={BOB}").json == []


def test_who_has_registered_and_configured_is_shown_and_ordered_by_the_new_name(bob):
    bob.grant(BOB, "ADMINISTRATOR")
    client = bob.client(bob.add_key(BOB))
    client.post("/services/enterprise")
    bob.administrator.post("/services/geo-tracking")
    client.put("/statements/delayed-shipments/config", json={"days": 3})
    rename(bob, ["acme", "globex"], "aaron@acme.test")
    shown = client.get("/services?order=-registeredBy").json
    assert [each["registeredBy"] and each["registeredBy"]["username"] for each in shown][:2] == [
        ALICE,
        "aaron@acme.test",
    ]
    details = client.get("/statements/delayed-shipments/details").json
    assert details["configChangedBy"]["username"] == "aaron@acme.test"


@pytest.mark.parametrize("records", [0, 500])
def test_a_rename_changes_as_many_records_however_many_name_the_account(bob, records):
    with bob.store.transaction() as transaction:
        for _ in range(records):
            number = transaction.next_id("audit")
            record = AUDITED | {"id": number, "number": number}
            transaction.put("audit", f"acme/{number}", record)
    with bob.store.transaction() as transaction:
        accounts.rename_within(transaction, bob.parts.collections, BOB, ROBERT)
        tables = Counter(change.table for change in transaction.changes())
    assert tables == {"users": 2, "privileges": 2}


@pytest.mark.slow
def test_grants_at_the_same_time_never_name_an_account_by_the_name_that_it_had(bob):
    """A tenant that knows nothing of a rename grants a role while it happens."""
    initech = bob.client(bob.add_key(None, "initech"))
    names, rounds = [BOB, ROBERT.lower()], 30
    statuses = Counter()
    barrier = threading.Barrier(2, timeout=10)

    def grant():
        for number in range(rounds):
            barrier.wait()
            body = {
                "username": names[number % 2],
                "role": "USER",
                "activeFrom": f"{2030 + number}-01-01T00:00:00Z",
                "activeUntil": f"{2030 + number}-02-01T00:00:00Z",
            }
            statuses[initech.post("/privileges", json=body).status_code] += 1

    thread = threading.Thread(target=grant)
    thread.start()
    for number in range(rounds):
        old, new = names[number % 2], names[(number + 1) % 2]
        barrier.wait()
        for _ in range(20):
            try:
                rename(bob, sorted(tenants_holding(bob, old) | {"acme"}), new, old)
                break
            except Collision:
                continue
    thread.join()

    assert set(statuses) <= {201, 422}
    granted = initech.get("/privileges?size=300").json
    assert {each["user"]["username"].lower() for each in granted} == {
        "ivan@initech.test",
        *([names[rounds % 2]] if statuses[201] else []),
    }
