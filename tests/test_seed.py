"""Seeds and catalogues: what people write is checked whole, and each fault has its place."""

import json

import pytest

from provisioning.domain import tables
from provisioning.domain.activity import Clock
from provisioning.factory import COLLECTIONS, memory_store
from provisioning.seed import (
    BadFile,
    demo_seed,
    instant_since,
    load_catalogue,
    load_seed,
    prepare_seed,
)
from provisioning.settings import Settings
from provisioning.testing.sandbox import NOW, Client, Sandbox
from provisioning.web.server import Server

CATALOGUE = load_catalogue()
TENANT = {"label": "initech", "name": "Initech"}
NINA = {"username": "Nina@initech.test", "email": "nina@initech.test", "home": "initech"}
NINAS = {"tenant": "initech", "username": "nina@INITECH.test"}
PRIVILEGE = {**NINAS, "role": "ADMINISTRATOR"}
KEY = {**NINAS, "type": "BASIC", "apiToken": "ninas-own-key"}


def load(store, seed, now=NOW, replace=True):
    server = Server(Settings(), store, Clock(), CATALOGUE, COLLECTIONS)
    entries = prepare_seed(server, seed, now)
    with store.transaction() as transaction:
        load_seed(server, transaction, entries, now, replace)


def records(store, table):
    with store.read() as view:
        return list(view.all(table))


@pytest.fixture
def store():
    return memory_store()


def seed(**lists):
    """A seed with a tenant, a user, a privilege and a key, and what a test adds or replaces."""
    given = {"tenants": [TENANT], "users": [NINA], "privileges": [PRIVILEGE], "apiKeys": [KEY]}
    return given | lists


def test_a_loaded_seed_is_served_and_its_keys_work(sandbox):
    load(sandbox.store, seed())
    caller = sandbox.client("ninas-own-key").get("/whoami").json
    assert caller["tenant"] == {"label": "initech", "name": "Initech"}
    assert (caller["role"], caller["user"]["username"]) == ("ADMINISTRATOR", "Nina@initech.test")


def test_absent_lists_and_members_have_their_defaults(store):
    load(store, {"tenants": [TENANT], "users": None})
    assert records(store, tables.TENANTS) == [
        {
            "id": 1,
            "label": "initech",
            "name": "Initech",
            "active": True,
            "icon": None,
            "theme": None,
        }
    ]


def test_every_tenant_of_a_seed_gets_the_mandatory_services(store):
    load(store, seed())
    services = {entry["service"] for entry in records(store, tables.SUBSCRIPTIONS)}
    assert services == {s["label"] for s in CATALOGUE.services.values() if s["type"] == "MANDATORY"}


def test_what_begins_without_saying_when_begins_at_loading(store):
    load(store, seed())
    (privilege,) = records(store, tables.PRIVILEGES)
    (key,) = records(store, tables.API_KEYS)
    assert (privilege["activeFrom"], privilege["activeUntil"]) == (NOW, None)
    assert key["createdDate"] == NOW


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("now", "2026-01-15T12:00:00Z"),
        ("+P30D", "2026-02-14T12:00:00Z"),
        ("-P1DT2H", "2026-01-14T10:00:00Z"),
        ("+PT1S", "2026-01-15T12:00:01Z"),
        ("2020-02-29T01:00:00+02:00", "2020-02-28T23:00:00Z"),
    ],
)
def test_instants_of_a_seed_may_be_relative_to_loading(store, text, instant):
    privilege = PRIVILEGE | {"activeFrom": text}
    load(store, seed(privileges=[privilege]))
    assert records(store, tables.PRIVILEGES)[0]["activeFrom"] == instant


@pytest.mark.parametrize(
    "text",
    ["", "P1D", "+", "+P", "+1D", "-P1Y", "NOW", "2026-01-15", "+P999999D999", "+P99999999D"],
)
def test_other_instants_are_refused(text):
    with pytest.raises(ValueError):
        instant_since(text, NOW)


def test_ids_are_those_that_are_given_and_the_others_go_on_behind_them(store):
    users = [NINA, NINA | {"username": "omar", "id": 7}, NINA | {"username": "pia"}]
    keys = [KEY, KEY | {"id": "key-9", "apiToken": "second"}]
    load(store, seed(users=users, apiKeys=keys))
    ids = {user["username"]: user["id"] for user in records(store, tables.USERS)}
    assert ids["omar"] == 7
    assert len(set(ids.values())) == 3
    assert "key-9" in {key["id"] for key in records(store, tables.API_KEYS)}
    assert len({key["id"] for key in records(store, tables.API_KEYS)}) == 2


def test_ids_that_a_seed_gave_are_not_given_again(sandbox):
    load(sandbox.store, seed(users=[NINA | {"id": 1}]))
    nina = sandbox.client("ninas-own-key")
    body = {"username": "omar", "email": "omar@initech.test", "password": "a long password"}
    assert nina.post("/users", json=body).json["id"] != 1


def test_a_key_without_a_token_gets_one(store):
    load(store, seed(apiKeys=[KEY | {"apiToken": None}, {**NINAS, "type": "BASIC"}]))
    tokens = {key["apiToken"] for key in records(store, tables.API_KEYS)}
    assert len(tokens) == 2
    assert all(len(token) > 40 for token in tokens)


def test_a_key_without_a_username_is_the_tenants_alone(sandbox):
    load(sandbox.store, seed(apiKeys=[KEY | {"username": None}]))
    assert sandbox.client("ninas-own-key").get("/whoami").json["user"] is None


def test_a_password_is_kept_as_a_salted_hash_and_a_hash_as_it_is(store):
    users = [NINA | {"password": "open sesame"}, NINA | {"username": "o", "passwordHash": "x$y$z"}]
    load(store, seed(users=users))
    nina, omar = records(store, tables.USERS)
    assert "password" not in nina
    assert nina["passwordHash"].startswith("cheap$")
    assert omar["passwordHash"] == "x$y$z"


def test_replacing_leaves_nothing_of_what_was_there(sandbox):
    load(sandbox.store, seed())
    assert [tenant["label"] for tenant in records(sandbox.store, tables.TENANTS)] == ["initech"]
    assert sandbox.administrator.get("/whoami").status_code == 401


def test_merging_keeps_what_was_there(sandbox):
    load(sandbox.store, seed(), replace=False)
    assert sandbox.administrator.get("/whoami").status_code == 200
    assert sandbox.client("ninas-own-key").get("/whoami").status_code == 200


def test_merging_over_a_record_replaces_it_and_keeps_its_id(sandbox):
    before = sandbox.administrator.get("/info").json
    load(sandbox.store, {"tenants": [{"label": "acme", "name": "Other"}]}, replace=False)
    after = sandbox.administrator.get("/info").json
    assert (after["id"], after["name"]) == (before["id"], "Other")


BAD_SEEDS = {
    "no object": ([], "A seed is a JSON object"),
    "unknown list": ({"people": []}, "people: there is no such list."),
    "no list": ({"users": {}}, "users: must be a list."),
    "no record": (seed(users=["nina"]), "users[0]: must be an object."),
    "unknown member": (seed(users=[NINA | {"shoeSize": 44}]), "users[0].shoeSize: "),
    "missing member": (seed(tenants=[TENANT, {"label": "b"}]), "tenants[1].name: "),
    "bad label": (seed(tenants=[TENANT | {"label": "No Slug"}]), "tenants[0].label: "),
    "bad email": (seed(users=[NINA | {"email": "nowhere"}]), "users[0].email: "),
    "bad password": (seed(users=[NINA | {"password": 7}]), "users[0].password: "),
    "bad role": (seed(privileges=[PRIVILEGE | {"role": "KING"}]), "privileges[0].role: "),
    "bad instant": (
        seed(privileges=[PRIVILEGE, PRIVILEGE | {"activeUntil": "tomorrow"}]),
        "privileges[1].activeUntil: ",
    ),
    "bad id": (seed(users=[NINA | {"id": "one"}]), "users[0].id: "),
    "an id above the bound": (seed(users=[NINA | {"id": 2**52}]), "users[0].id: "),
    "a key's id above the bound": (
        seed(apiKeys=[KEY | {"id": f"key-{2**52}"}]),
        "apiKeys[0].id: Its number must be at most",
    ),
    "a number as a username": (seed(apiKeys=[KEY | {"username": 7}]), "apiKeys[0].username: "),
    "a username that is too long": (
        seed(privileges=[PRIVILEGE | {"reportsTo": "\u0323" * 10_000}]),
        "privileges[0].reportsTo: must be a username.",
    ),
    "bad domain": (
        seed(domainMappings=[{"tenant": "initech", "domain": "a b"}]),
        "domainMappings[0].domain: ",
    ),
    "unknown tenant": (
        seed(privileges=[PRIVILEGE | {"tenant": "nope"}]),
        "privileges[0].tenant: 'nope' is not in tenants.",
    ),
    "unknown user": (seed(apiKeys=[KEY | {"username": "nobody"}]), "apiKeys[0].username: 'nobody'"),
    "no user": (seed(privileges=[{"tenant": "initech", "role": "USER"}]), "privileges[0].username"),
    "unknown superior": (
        seed(privileges=[PRIVILEGE | {"reportsTo": "nobody"}]),
        "privileges[0].reportsTo: 'nobody'",
    ),
    "the same token twice": (seed(apiKeys=[KEY, KEY]), "apiKeys[1]: "),
    "the same id twice": (
        seed(privileges=[PRIVILEGE | {"id": 3}, PRIVILEGE | {"id": 3, "role": "USER"}]),
        "privileges[1]: ",
    ),
    "the same user twice": (
        seed(users=[NINA, NINA | {"username": "NINA@initech.test"}]),
        "users[1]: ",
    ),
    "the same tenant twice": (seed(tenants=[TENANT, TENANT]), "tenants[1]: "),
}


@pytest.mark.parametrize("replace", [True, False])
@pytest.mark.parametrize(("bad", "message"), BAD_SEEDS.values(), ids=BAD_SEEDS)
def test_a_bad_seed_changes_nothing_and_the_fault_has_its_place(sandbox, bad, message, replace):
    with sandbox.store.read() as view:
        before = view.tables()
    with pytest.raises(BadFile) as caught:
        load(sandbox.store, bad, replace=replace)
    assert any(error.startswith(message) for error in caught.value.errors), caught.value.errors
    with sandbox.store.read() as view:
        assert view.tables() == before


def test_creation_counts_on_above_the_largest_ids_that_a_seed_may_bring(sandbox):
    largest = 2**52 - 1
    privilege = PRIVILEGE | {"id": largest}
    load(sandbox.store, seed(users=[NINA | {"id": largest}], privileges=[privilege]))
    sandbox.add_tenant("umbrella")
    sandbox.add_user("eve@umbrella.test", tenant="umbrella")
    ids = [sandbox.grant("eve@umbrella.test", "MANAGEMENT", tenant="umbrella") for _ in "a"]
    with sandbox.store.read() as view:
        assert view.get("users", "eve@umbrella.test")["id"] == largest + 1
    assert ids == [largest + 2]


def test_every_fault_of_a_seed_is_told_at_once(store):
    users = [NINA | {"email": "x"}, NINA | {"username": "a/b", "birthYear": 0}]
    with pytest.raises(BadFile) as caught:
        load(store, seed(users=users))
    told = "\n".join(caught.value.errors)
    for place in ("users[0].email", "users[1].username", "users[1].birthYear"):
        assert place in told


def test_the_demo_data_is_a_sound_seed(store):
    load(store, demo_seed())
    given = demo_seed()
    assert len(records(store, tables.USERS)) == len(given["users"])
    assert len(records(store, tables.PRIVILEGES)) == len(given["privileges"])


SUBSCRIPTION = {"tenant": "initech", "service": "standard"}
ENDPOINT = {"tenant": "initech", "url": "amqps://mq.test", "endpointType": "MQ_INCOMING"}
MAPPING = {"tenant": "initech", "domain": "insight.initech.example"}
WINDOWS = {
    "privileges": PRIVILEGE,
    "apiKeys": KEY,
    "subscriptions": SUBSCRIPTION,
    "endpoints": ENDPOINT,
    "domainMappings": MAPPING,
}


@pytest.mark.parametrize("kind", WINDOWS)
@pytest.mark.parametrize(("ends", "is_fault"), [("-PT1S", True), ("now", False), ("+PT1S", False)])
def test_a_window_of_a_seed_must_not_end_before_it_begins(store, kind, ends, is_fault):
    """It may be empty, as that of a privilege which was revoked before it began."""
    given = seed(**{kind: [WINDOWS[kind] | {"activeUntil": ends}]})
    if not is_fault:
        load(store, given)
        return
    with pytest.raises(BadFile) as caught:
        load(store, given)
    assert caught.value.errors == [f"{kind}[0].activeUntil: Must not be earlier than activeFrom."]
    assert records(store, tables.TENANTS) == []


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"subscriptions": [SUBSCRIPTION | {"service": "none"}]}, "subscriptions[0].service"),
        ({"endpoints": [ENDPOINT | {"endpointType": "NO"}]}, "endpoints[0].endpointType"),
    ],
)
def test_what_no_catalogue_has_is_a_fault_of_a_seed(store, given, place):
    with pytest.raises(BadFile) as caught:
        load(store, seed(**given))
    (fault,) = caught.value.errors
    assert fault.startswith(f"{place}: The catalogue has no '")


def test_a_seed_may_subscribe_to_an_internal_service_of_the_catalogue(store):
    label = next(k for k, each in CATALOGUE.services.items() if each["type"] == "INTERNAL")
    load(store, seed(subscriptions=[SUBSCRIPTION | {"service": label}]))
    assert label in {each["service"] for each in records(store, tables.SUBSCRIPTIONS)}


SERVICE = {
    "name": "Core",
    "label": "core",
    "type": "MANDATORY",
    "status": "PRODUCTION",
}
TYPE = {"id": 7, "name": "X", "label": "X", "internal": False}
DASHBOARD = {
    "title": "Start",
    "menuLabel": "Start",
    "label": "start",
    "type": "SYSTEM",
    "status": "PRODUCTION",
    "listOrder": 1,
    "service": "core",
}


def catalogue_file(folder, content):
    path = folder / "catalogue.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_catalogue_of_ones_own_takes_the_place_of_the_built_in_one(tmp_path):
    path = catalogue_file(tmp_path, {"services": [SERVICE], "dashboards": [DASHBOARD]})
    catalogue = load_catalogue(path)
    assert list(catalogue.services) == ["core"]
    assert catalogue.dashboards["start"]["service"] == "core"
    assert (catalogue.statements, catalogue.endpoint_types) == ({}, {})
    client: Client = Sandbox(catalogue=catalogue).administrator
    assert [service["label"] for service in client.get("/available-services").json] == ["core"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "catalogue.json: Expecting value at line 1, column 1."),
        ('{"services": [}', "catalogue.json: Expecting value at line 1, column 15."),
        ([], "A catalogue is a JSON object of the lists services, "),
        ({"services": {}}, "A catalogue is a JSON object of the lists services, "),
        ({"service": []}, "service: there is no such list."),
        ({"services": [7]}, "services[0]: must be an object."),
        ({"services": [SERVICE | {"type": "FREE"}]}, "services[0].type: "),
        ({"services": [SERVICE | {"price": 1}]}, "services[0].price: "),
        ({"services": [SERVICE, SERVICE]}, "services[1].label: 'core' stands there twice."),
        ({"dashboards": [DASHBOARD]}, "dashboards[0].service: must be the label of a service"),
        (
            {"services": [SERVICE], "dashboards": [DASHBOARD | {"service": ["core"]}]},
            "dashboards[0].service: ",
        ),
        ({"endpointTypes": [{"label": "X"}]}, "endpointTypes[0]."),
        ({"endpointTypes": [TYPE, TYPE | {"label": "Y"}]}, "endpointTypes[1].id: 7 stands there"),
        ("[" * 100_000, "catalogue.json: is nested too deeply."),
    ],
    ids=range(14),
)
def test_a_bad_catalogue_is_refused_with_the_place_of_the_fault(tmp_path, content, message):
    with pytest.raises(BadFile) as caught:
        load_catalogue(catalogue_file(tmp_path, content))
    assert caught.value.errors[0].startswith(message)


def test_a_catalogue_that_is_not_utf_8_is_refused(tmp_path):
    path = tmp_path / "catalogue.json"
    path.write_bytes(b'{"services": "\xff"}')
    with pytest.raises(BadFile, match=r"catalogue\.json: can't be read"):
        load_catalogue(path)
