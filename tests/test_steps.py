"""The steps from the form of an earlier version: a store of that version is opened by this one."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from provisioning import accounts
from provisioning.domain.activity import Clock
from provisioning.factory import COLLECTIONS, serve
from provisioning.settings import Settings
from provisioning.store import Form, opening
from provisioning.store.opening import Place
from provisioning.testing.provisioner import known_catalogue, routes
from provisioning.testing.sandbox import Client
from provisioning.web.server import Server
from tests.postgresql import new_schema

FORM_1 = Form(
    tuple(
        replace(
            fact,
            references=fact.references | fact.identified,
            identified={},
            asked=tuple(name for name in fact.asked if not name.endswith("Account")),
        )
        for fact in COLLECTIONS.form.tables
    )
)
"""The tables as they were when all records named accounts by their keys."""
AT, LATE = "2026-01-01T00:00:00Z", "2030-01-01T00:00:00Z"
BOB, ALICE, GONE = "bob@acme.test", "alice@acme.test", "gone@acme.test"


def account(number, username):
    names = ("firstName", "lastName", "timeZone", "country", "zipCode", "avatar", "gender")
    profile = dict.fromkeys((*names, "birthYear", "hint"))
    return {
        "id": number,
        "username": username.title(),
        "email": username,
        **profile,
        "home": "acme",
        "passwordHash": None,
    }


def privilege(number, user, role, supervisor):
    return {
        "id": number,
        "tenant": "acme",
        "user": user,
        "role": role,
        "activeFrom": AT,
        "activeUntil": None,
        "reportsTo": supervisor,
    }


def audited(number, made_by, about):
    return {
        "id": number,
        "tenant": "acme",
        "number": number,
        "at": AT,
        "by": made_by and made_by.title(),
        "byUser": made_by,
        "key": None,
        "via": "api",
        "requestId": f"request-{number}",
        "action": "change",
        "resource": "users",
        "target": about.title(),
        "user": about.title(),
        "aboutUser": about,
        "client": None,
        "changes": {"zipCode": {"from": None, "to": "101"}},
    }


RECORDS = {
    "tenants": [
        {"id": 1, "name": "Acme", "label": "acme", "active": True, "icon": None, "theme": None}
    ],
    "users": [account(7, BOB), account(3, ALICE)],
    "privileges": [
        privilege(1, ALICE, "ADMINISTRATOR", None),
        privilege(2, BOB, "USER", ALICE),
    ],
    "subscriptions": [
        {
            "id": 1,
            "tenant": "acme",
            "service": "enterprise",
            "activeFrom": AT,
            "activeUntil": None,
            "registeredBy": BOB,
            "registeredDate": AT,
        }
    ],
    "statement_configs": [
        {
            "tenant": "acme",
            "label": "delayed-shipments",
            "config": {"days": 3},
            "changedBy": ALICE,
            "changedDate": AT,
        }
    ],
    "api_keys": [
        {
            "id": "key-1",
            "tenant": "acme",
            "user": ALICE,
            "apiToken": "t" * 43,
            "type": "BASIC",
            "name": None,
            "activeFrom": AT,
            "activeUntil": None,
            "createdDate": AT,
        }
    ],
    "audit": [audited(1, BOB, ALICE), audited(2, None, BOB), audited(3, ALICE, GONE)],
}


@pytest.fixture(params=["file", "sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def place(request, tmp_path: Path) -> Place:
    if request.param == "postgresql":
        return Place("postgresql", Path(), new_schema(request.getfixturevalue("postgresql")))
    return Place(request.param, tmp_path / "db")


def of_0_2_0():
    """The tables of a JSON file, whose document ids were the keys."""
    meta = {"schema": 1, "instance": "9e6f7a0c-0d4f-4a58-9a3e-1c8a36b5a001", "ids": {"users": 7}}
    tables = {
        table: {COLLECTIONS[table].key(record): record for record in records}
        for table, records in RECORDS.items()
    }
    return {"_meta": {"1": meta}, **tables}


@pytest.fixture
def server(place) -> Server:
    """A server over a store that has just been brought up to date."""
    if place.kind == "file":
        place.path.write_text(json.dumps(of_0_2_0()))
    else:
        store = opening.open_store(place, FORM_1)
        with store.transaction() as transaction:
            for table, records in RECORDS.items():
                for record in records:
                    transaction.put(table, COLLECTIONS[table].key(record), record)
        store.close()
    store = opening.open_store(place, COLLECTIONS.form)
    return Server(Settings(), store, Clock(frozen_at=AT), known_catalogue(), COLLECTIONS)


@pytest.fixture
def alice(server) -> Client:
    """An administrator's client."""
    return Client(serve(routes(server.settings), server), "t" * 43)


def test_an_older_store_names_accounts_by_key_and_is_led_to_one_that_names_them_by_id(server):
    with server.store.read() as view:
        assert view.get("privileges", "2")["reportsTo"] == 3
        assert view.get("privileges", "1")["reportsTo"] is None
        assert view.get("subscriptions", "1")["registeredBy"] == 7
        assert view.get("statement_configs", "acme/delayed-shipments")["changedBy"] == 3
        audit = [(each["byAccount"], each["aboutAccount"]) for each in view.all("audit")]
    assert audit == [(7, 3), (None, 7), (3, None)]


def test_what_older_records_name_is_shown_as_it_was(alice):
    assert alice.get("/privileges/2").json["reportsTo"] == "Alice@Acme.Test"
    assert alice.get("/services/enterprise").json["registeredBy"]["username"] == "Bob@Acme.Test"
    shown = alice.get("/statements/delayed-shipments/details").json
    assert shown["configChangedBy"]["username"] == "Alice@Acme.Test"
    told = [(each["by"], each["user"]) for each in alice.get("/audit").json]
    assert told == [
        ("Alice@Acme.Test", "Gone@Acme.Test"),
        (None, "Bob@Acme.Test"),
        ("Bob@Acme.Test", "Alice@Acme.Test"),
    ]


def test_older_records_of_the_audit_are_found_by_the_name_of_today_and_those_of_the_erased_too(
    server, alice
):
    accounts.rename(server, BOB, "robert@acme.test")
    assert [each["id"] for each in alice.get("/audit?by=robert@acme.test").json] == [1]
    assert [each["id"] for each in alice.get(f"/audit?user={GONE}").json] == [3]
