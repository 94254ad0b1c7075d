"""What is stored against a rule of today is served, and changed by the rule alone (section 5)."""

import json
import unicodedata

import pytest
from click.testing import CliRunner

from provisioning.cli.commands import main
from provisioning.factory import open_server, serve
from provisioning.settings import Settings
from provisioning.testing.provisioner import routes
from provisioning.testing.sandbox import Client
from tests.contract.asking import errors, segment

BOB = "bob@acme.test"
EARLY = "2026-01-01T00:00:00Z"
BAD_TEXT = "x" * 300
STORED = {
    "profile text": ("users", BOB, "zipCode", BAD_TEXT),
    "control characters": ("users", BOB, "firstName", "a\x07b"),
    "no address": ("users", BOB, "email", "nowhere"),
    "time zone": ("users", BOB, "timeZone", "Mars/Olympus"),
    "country": ("users", BOB, "country", "XYZ"),
    "gender": ("users", BOB, "gender", "X"),
    "year": ("users", BOB, "birthYear", 0),
    "a blank name": ("tenants", "acme", "name", "  "),
    "a long theme": ("tenants", "acme", "theme", BAD_TEXT),
    "a window": ("privileges", "2", "activeUntil", EARLY),
    "dashboard type": ("dashboards", "acme/board", "type", "PIE"),
    "list order": ("dashboards", "acme/board", "listOrder", 2**40),
    "title": ("dashboards", "acme/board", "title", BAD_TEXT),
    "settings": ("dashboards", "acme/board", "settings", {"a": "x" * 70_000}),
    "query": ("statements", "acme/late", "query", "x" * 10_001),
    "endpoint type": ("endpoints", "1", "endpointType", "NO_CATALOGUE_HAS_IT"),
    "url": ("endpoints", "1", "url", "amqp://user:word@mq.test"),
    "port": ("endpoints", "1", "provPort", "99999999"),
    "icon of a mapping": ("domain_mappings", "x.example.org", "icon", BAD_TEXT),
    "key name": ("api_keys", "key-2", "name", BAD_TEXT),
    "a window of a key": ("api_keys", "key-2", "activeUntil", EARLY),
}
PATHS = {
    "users": f"/users/{BOB}",
    "tenants": "/info",
    "privileges": "/privileges/2",
    "dashboards": "/tenant-dashboards/board",
    "statements": "/tenant-statements/late",
    "endpoints": "/endpoints/1",
    "domain_mappings": "/domain-mapping/x.example.org",
    "api_keys": f"/users/{BOB}/api-keys/key-2",
}
OTHER = {
    "users": {"hint": "new"},
    "tenants": {"icon": "new"},
    "dashboards": {"subtitle": "new"},
    "statements": {"description": "new"},
    "endpoints": {"vhost": "new"},
    "domain_mappings": {"theme": "new"},
    "api_keys": {"type": "QUERY_ONLY"},
}
MISSING = {
    "users": "/users/nobody",
    "dashboards": "/tenant-dashboards/none",
    "statements": "/tenant-statements/none",
    "endpoints": "/endpoints/99",
    "domain_mappings": "/domain-mapping/none.example.org",
}
"""Paths of records that don't exist."""


@pytest.fixture
def full(sandbox):
    """acme with a record of each kind."""
    sandbox.add_user(BOB)
    sandbox.add_key(BOB)
    post = sandbox.administrator.post
    made = [
        post("/services/enterprise"),
        post("/tenant-dashboards", json=BOARD),
        post("/tenant-statements", json=STATEMENT),
        post("/endpoints", json={"url": "amqp://mq.test", "endpointType": "MQ_INCOMING"}),
        post("/domain-mapping", json={"domain": "x.example.org"}),
    ]
    assert {each.status_code for each in made} == {201}
    return sandbox


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


def store(sandbox, table, key, member, value):
    with sandbox.store.transaction() as transaction:
        record = transaction.get(table, key)
        transaction.put(table, key, record | {member: value})


def of(*, windows=True, always=True):
    """The cases, as parameters of a test."""
    return [
        pytest.param(*case, id=name)
        for name, case in STORED.items()
        if (windows or case[2] != "activeUntil") and (always or case[0] in MISSING)
    ]


MEMBERS = ("table", "key", "member", "value")


@pytest.mark.parametrize(MEMBERS, of())
def test_what_is_stored_against_a_rule_is_shown_and_can_be_sent_back(
    full, table, key, member, value
):
    store(full, table, key, member, value)
    shown = full.administrator.get(PATHS[table])
    assert shown.status_code == 200
    told = shown.json[member]
    assert (told["label"] if member == "endpointType" else told) == value
    back = full.administrator.put(PATHS[table], json=shown.json)
    assert (back.status_code, back.json) == (200, shown.json)


@pytest.mark.parametrize(MEMBERS, of(windows=False))
def test_a_change_of_another_member_goes_through(full, table, key, member, value):
    change = {name: text for name, text in OTHER[table].items() if name != member}
    store(full, table, key, member, value)
    changed = full.administrator.put(PATHS[table], json=change)
    assert (changed.status_code, change.items() <= changed.json.items()) == (200, True)


@pytest.mark.parametrize(MEMBERS, of(windows=False))
def test_a_change_of_that_member_must_meet_the_rule(full, table, key, member, value):
    store(full, table, key, member, value)
    refused = full.administrator.put(PATHS[table], json={member: worsened(value)})
    assert (refused.status_code, member in errors(refused)) == (422, True)


def worsened(value):
    """Another value that breaks the same rule."""
    if isinstance(value, str):
        return value + value[-1]
    return {"a": "y" * 70_000} if isinstance(value, dict) else value - 1


@pytest.mark.parametrize(MEMBERS, of(windows=False, always=False))
def test_a_value_against_a_rule_is_told_before_that_there_is_no_such_record(
    full, table, key, member, value
):
    refused = full.administrator.put(MISSING[table], json={member: value})
    assert (refused.status_code, member in errors(refused)) == (422, True)


def test_a_configuration_that_is_too_large_can_be_sent_back_and_not_made_anew(full):
    path = "/statements/late/config"
    assert full.administrator.put(path, json={"a": 1}).status_code == 200
    large = {"a": "x" * 70_000}
    store(full, "statement_configs", "acme/late", "config", large)
    assert full.administrator.put(path, json=large).status_code == 200
    refused = full.administrator.put(path, json={"a": "y" * 70_000})
    assert (refused.status_code, "config" in errors(refused)) == (422, True)


def test_a_window_of_a_subscription_that_ends_before_it_begins_is_shown_as_history(full):
    store(full, "subscriptions", "3", "activeUntil", EARLY)
    shown = full.administrator.get("/services?active=false").json
    assert [(each["service"]["label"], each["activeUntil"]) for each in shown] == [
        ("enterprise", EARLY)
    ]


# A file that a person has edited


class Desk:
    def __init__(self, folder):
        self.data = folder / "db.json"
        self.environment = {"PROVISIONING_DATA": str(self.data)}
        made = self.run("init", "--tenant", "acme", "--name", "Acme", "--admin", BOB, "--json")
        self.token = json.loads(made.stdout)["apiToken"]
        client = self.client()
        client.post("/tenant-dashboards", json=BOARD)

    def run(self, *words):
        return CliRunner().invoke(main, words, env=self.environment, catch_exceptions=False)

    def client(self):
        settings = Settings(data=self.data)
        return Client(serve(routes(settings), open_server(settings)), self.token)

    def edit(self, table, change):
        """Change the first record of a table as an editor does."""
        tables = json.loads(self.data.read_text())
        change(next(iter(tables[table].values())))
        self.data.write_text(json.dumps(tables, indent=2))


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


SERVED = {
    "text that is too long": ("users", lambda r: r.update(zipCode=BAD_TEXT), "zipCode"),
    "a choice": ("users", lambda r: r.update(gender="X"), "gender"),
    "an address": ("users", lambda r: r.update(email="nowhere"), "email"),
    "a number": ("dashboards", lambda r: r.update(listOrder=2**40), "listOrder"),
    "a label": ("dashboards", lambda r: r.update(status="GONE"), "status"),
    "a member that is none": ("users", lambda r: r.update(shoeSize=43), "shoeSize"),
    "a window": ("subscriptions", lambda r: r.update(activeUntil="2000-01-01T00:00:00Z"), None),
    "a service": ("subscriptions", lambda r: r.update(service="gone"), None),
}
DAMAGE = {
    "a wrong type": ("users", lambda r: r.update(zipCode=7)),
    "no object": ("dashboards", lambda r: r.update(settings=[1])),
    "null": ("users", lambda r: r.update(email=None)),
    "nothing": ("users", lambda r: r.pop("email")),
    "a tenant that isn't there": ("privileges", lambda r: r.update(tenant="nope")),
    "a user who isn't there": ("privileges", lambda r: r.update(user="nobody")),
    "a supervisor who isn't there": ("privileges", lambda r: r.update(reportsTo=99)),
    "a supervisor by name": ("privileges", lambda r: r.update(reportsTo=BOB)),
    "an id": ("users", lambda r: r.update(id=2**52)),
    "a role": ("privileges", lambda r: r.update(role="KING")),
    "a key type": ("api_keys", lambda r: r.update(type="SKELETON")),
    "an instant that is none": ("privileges", lambda r: r.update(activeUntil="tomorrow")),
    "an instant of another form": (
        "privileges",
        lambda r: r.update(activeUntil="2030-01-01T00:00:00+02:00"),
    ),
}


@pytest.mark.parametrize("edit", SERVED.values(), ids=SERVED)
def test_an_edit_against_a_rule_is_served_and_named_by_check(desk, edit):
    table, change, member = edit
    desk.edit(table, change)
    checked = desk.run("check")
    if member is not None:
        assert (checked.exit_code, f"{member}: " in checked.stdout) == (0, True)
        assert "against the rules of today in 1 place" in checked.stdout
    assert checked.exit_code == 0
    client = desk.client()
    paths = ("/users", f"/users/{BOB}", "/tenant-dashboards", "/services?active=all", "/details")
    assert {client.get(path).status_code for path in paths} == {200}
    assert client.put("/info", json={"theme": "dark"}).status_code == 200


@pytest.mark.parametrize("edit", DAMAGE.values(), ids=DAMAGE)
def test_an_edit_that_no_record_can_hold_is_damage(desk, edit):
    table, change = edit
    before = desk.client()
    assert before.get("/users").status_code == 200
    desk.edit(table, change)
    checked = desk.run("check")
    assert (checked.exit_code, f"table {table}" in checked.stderr) == (1, True)
    assert before.put("/info", json={"theme": "dark"}).status_code == 503


def test_a_record_that_the_server_gave_an_id_above_what_may_be_brought_is_sound(desk):
    tables = json.loads(desk.data.read_text())
    tables["_meta"]["1"]["ids"]["dashboards"] = 2**52 + 5
    [board] = tables["users"].values()
    tables["_meta"]["1"]["ids"]["users"] = 2**52 + 5
    tables["users"] = {str(2**52 + 5): board | {"id": 2**52 + 5}}
    desk.data.write_text(json.dumps(tables))
    assert desk.run("check").exit_code == 0


# Usernames

FIT = ["\u00e9" * 254, "\ufdfa" * 14, "123", "\u01c5@x", "a b"]
UNFIT = {
    "empty": "",
    "a blank": " ",
    "an ideographic blank": "\u3000",
    "a braille blank": "\u2800",
    "a filler": "\u3164",
    "an outer blank": "a ",
    "a slash": "a/b",
    "a slash as compared": "a\u2100b",
    "a dot": ".",
    "two dots": "\u2025",
    "control": "a\x07",
    "format": "a\u200bb",
    "default-ignorable": "a\u034fb",
    "a variation selector": "a\ufe0f",
    "a line separator": "a\u2028b",
    "a noncharacter": "a\ufdd0",
    "the last noncharacter": "a\U0010ffff",
    "a letter too long": "a" * 255,
    "letters that unfold": "\ufdfa" * 15,
}


@pytest.mark.parametrize("username", FIT)
def test_a_username_that_meets_the_rules_is_found_again(sandbox, username):
    body = {"username": username, "email": "a@x.test", "password": "pw"}
    assert sandbox.administrator.post("/users", json=body).status_code == 201
    found = sandbox.administrator.get(f"/users/{segment(username)}")
    assert found.json["username"] == username


@pytest.mark.parametrize("username", UNFIT.values(), ids=UNFIT)
def test_a_username_that_breaks_a_rule_is_refused(sandbox, username):
    body = {"username": username, "email": "a@x.test", "password": "pw"}
    refused = sandbox.administrator.post("/users", json=body)
    assert (refused.status_code, "username" in errors(refused)) == (422, True)


def test_an_account_whose_name_is_too_long_as_compared_is_served_and_can_be_renamed(desk):
    name = "\ufdfa" * 254
    tables = json.loads(desk.data.read_text())
    key = unicodedata.normalize("NFKC", name)
    text = json.dumps(tables).replace(json.dumps(BOB), json.dumps("@@"))
    tables = json.loads(text)
    for kind, table in tables.items():
        names = {} if kind == "audit" else {"user": key, "username": name}
        for record in table.values():
            for member, value in record.items():
                if value == "@@":
                    record[member] = names.get(member, BOB)
    desk.data.write_text(json.dumps(tables))
    assert desk.run("check").exit_code == 0
    client = desk.client()
    assert client.get("/whoami").json["user"]["username"] == name
    desk.run("user", "rename", name, BOB, "--yes")
    assert client.get("/whoami").json["user"]["username"] == BOB
    assert "sound" in desk.run("check").stdout
