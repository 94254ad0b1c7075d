"""A tenant is pulled from a server of this version: what comes, what changes, what never comes."""

import json
import re
from typing import Any

import pytest

from provisioning import transfer
from provisioning.domain.names import username_key
from provisioning.remote import reading
from provisioning.remote.names import script_of
from provisioning.testing import ProvisioningServer
from provisioning.testing.sandbox import Sandbox
from tests.contract.tenth import COLLECTIONS_OF_TEN
from tests.remote.conftest import ALICE, demo_seed

AUDITOR = "test-acme-ines-internal-auditing-basic-key"
TEAM_LEADER = "test-acme-tove-team-leader-basic-key"
OF_PEOPLE = ("username", "email", "firstName", "lastName", "avatar", "zipCode", "hint")
STAYING = ("timeZone", "country", "gender")


def acmes(name: str) -> list[dict[str, Any]]:
    return [each for each in demo_seed()[name] if each["tenant"] == "acme"]


def acmes_people() -> dict[str, dict[str, Any]]:
    names = {username_key(each["username"]) for each in acmes("privileges")}
    users = {username_key(each["username"]): each for each in demo_seed()["users"]}
    return {name: users[name] for name in names}


def spoken(value: Any) -> list[str]:
    """Every text in a JSON value, names of members too."""
    if isinstance(value, dict):
        return [text for pair in value.items() for each in pair for text in spoken(each)]
    if isinstance(value, list):
        return [text for each in value for text in spoken(each)]
    return [value] if isinstance(value, str) else []


def test_a_pulled_file_loads_in_a_fixture_over_what_is_there(demo, pulled):
    given = pulled(demo.url)
    with ProvisioningServer(given) as server:
        key = next(
            each["apiToken"]
            for each in given["apiKeys"]
            if each["username"] is None and each["type"] == "BASIC" and not each["activeUntil"]
        )
        listed = server.client(key).get("/users", query={"active": "all", "size": 300}).json()
    assert len(listed) == len(acmes_people()) + 1  # and the fixture's own


def test_a_pulled_file_is_imported_and_a_second_import_changes_nothing(demo, pulled):
    given, sandbox = pulled(demo.url), Sandbox()
    transfer.load(sandbox.parts, given)
    assert transfer.load(sandbox.parts, given).is_nothing


def test_nobody_can_be_recognised_in_the_file(demo, pulled):
    given = pulled(demo.url)
    everything = "\n".join(spoken(given)).casefold()
    for person in acmes_people().values():
        assert person["username"].casefold() not in everything
        assert person["email"].casefold() not in everything
    for member in OF_PEOPLE:
        real = {person[member] for person in acmes_people().values()} - {None}
        invented = {user.get(member) for user in given["users"]}
        assert not real & invented, member
    owned = " ".join(each["name"] or "" for each in given["apiKeys"] if each["username"])
    words = set(re.findall(r"\w+", owned.casefold()))
    for person in acmes_people().values():
        assert (person["firstName"] or "-").casefold() not in words
        assert (person["lastName"] or "-").casefold() not in words


def test_everybody_has_an_address_that_leads_nowhere_and_a_name_of_the_same_script(demo, pulled):
    given = pulled(demo.url)
    assert {user["email"].endswith(".test") for user in given["users"]} == {True}
    assert len({user["username"] for user in given["users"]}) == len(given["users"])
    real = sorted(script_of(each["firstName"] or "") for each in acmes_people().values())
    assert sorted(script_of(each.get("firstName", "")) for each in given["users"]) == real


def test_what_tells_nobody_stays(demo, pulled):
    given = pulled(demo.url)
    for member in STAYING:
        real = sorted(
            str(each[member]) for each in acmes_people().values() if each["home"] == "acme"
        )
        kept = sorted(str(e.get(member)) for e in given["users"] if e["home"] == "acme")
        assert kept == real
    for name, members in {
        "privileges": ("role", "activeFrom", "activeUntil"),
        "apiKeys": ("type", "activeFrom", "activeUntil", "createdDate"),
        "domainMappings": ("domain", "activeFrom", "activeUntil", "icon", "theme"),
        "subscriptions": ("service", "activeFrom", "activeUntil", "registeredDate"),
        "dashboards": ("label", "title", "settings", "listOrder", "path"),
        "statements": ("label", "title", "query", "config"),
        "statementConfigs": ("label", "changedDate"),
        "endpoints": ("url", "endpointType", "userName", "active", "durable", "registeredDate"),
    }.items():
        for member in members:
            real = sorted(str(each.get(member)) for each in acmes(name))
            assert sorted(str(each.get(member)) for each in given[name]) == real, (name, member)


def test_reporting_lines_lead_to_the_same_people(demo, pulled):
    def lines(privileges: list[dict[str, Any]]) -> list[int]:
        held: dict[str, int] = {}
        for each in privileges:
            held[each["reportsTo"] or ""] = held.get(each["reportsTo"] or "", 0) + 1
        return sorted(held.values())

    assert lines(pulled(demo.url)["privileges"]) == lines(acmes("privileges"))


def test_real_people_come_where_they_are_asked_for(demo, pulled):
    given = pulled(demo.url, ALICE, "--real-people")
    shown = {username_key(each["username"]): each for each in given["users"]}
    assert shown.keys() == acmes_people().keys()
    at_home = [each for each in acmes_people().values() if each["home"] == "acme"]
    for person in at_home:
        there = shown[username_key(person["username"])]
        assert {m: there.get(m) for m in OF_PEOPLE} == {m: person[m] for m in OF_PEOPLE}


def test_the_same_salt_makes_the_same_people(demo, pulled):
    first = pulled(demo.url, ALICE, "--salt", "pepper")["users"]
    assert pulled(demo.url, ALICE, "--salt", "pepper")["users"] == first
    others = {each["username"] for each in pulled(demo.url, ALICE, "--salt", "sugar")["users"]}
    assert not others & {each["username"] for each in first}


def test_secrets_are_never_brought(demo, pulled):
    given = pulled(demo.url, ALICE, "--real-people")
    text = json.dumps(given)
    for key in demo_seed()["apiKeys"]:
        assert key["apiToken"] not in text
    secrets = [
        each[member]
        for each in demo_seed()["endpoints"]
        for member in ("password", "provPassword", "apiKey")
        if each[member]
    ]
    assert secrets
    assert [each for each in secrets if each in text] == []
    assert "password" not in given["users"][0].keys() | {"passwordHash"} & given["users"][0].keys()
    with_password = [each for each in acmes("endpoints") if each["password"]]
    assert len([each for each in given["endpoints"] if each.get("password")]) == len(with_password)


def test_guests_have_a_home_that_is_inactive(demo, pulled):
    given = pulled(demo.url)
    home = next(each["label"] for each in given["tenants"] if each["label"] != "acme")
    guests = [each for each in acmes_people().values() if each["home"] != "acme"]
    assert [each["active"] for each in given["tenants"] if each["label"] == home] == [False]
    assert len([each for each in given["users"] if each["home"] == home]) == len(guests) > 0


def test_what_a_key_may_not_see_is_told_and_left_out(demo, run, tmp_path):
    done = run("pull", demo.url, tmp_path / "f.json", key=TEAM_LEADER)
    given = json.loads((tmp_path / "f.json").read_text())
    assert done.exit_code == 0
    assert "The key acts as TEAM_LEADER" in done.output
    assert "reportsTo: names somebody whom the key may not see: left out" in done.output
    assert given.keys() & {"endpoints", "domainMappings"} == set()
    assert 0 < len(given["users"]) < len(acmes_people())


def test_what_an_auditor_sees_masked_is_invented_all_the_same(demo, pulled):
    given = pulled(demo.url, AUDITOR)
    assert "*" not in "".join(each["apiToken"] for each in given["apiKeys"])
    assert "*" not in "".join(str(each.get("password")) for each in given["endpoints"])


def test_texts_that_name_a_person_are_changed_and_told(demo, run, tmp_path):
    admin = demo.client(ALICE)
    board = {
        "title": "Late pallets",
        "menuLabel": "Late",
        "label": "late",
        "type": "CUSTOM",
        "status": "PRODUCTION",
        "listOrder": 1,
        "description": "Ask Viktor Ångström, or write to VIKTOR@acme.test.",
        "settings": {"mail": {"alice@acme.test": "mailto:alice%40acme.test?x=1"}, "of": "Viktor"},
    }
    assert admin.post("/tenant-dashboards", json=board).status_code == 201
    done = run("pull", demo.url, tmp_path / "f.json", key=ALICE)
    given = json.loads((tmp_path / "f.json").read_text())
    assert "dashboards: texts that named a person were changed (1)" in done.output
    made = next(each for each in given["dashboards"] if each["label"] == "late")
    assert made["title"] == "Late pallets"
    assert made["description"].startswith("Ask ")
    assert not re.search("viktor|ångström", made["description"], re.IGNORECASE)
    assert made["settings"]["of"] == "Viktor"  # no text of anybody's: only addresses change
    assert "alice" not in json.dumps(made["settings"])
    assert next(iter(made["settings"]["mail"].values())).endswith("%40people.test?x=1")


def test_nothing_is_asked_for_but_to_read(demo, pulled):
    pulled(demo.url)
    assert {each["method"] for each in demo.requests} == {"GET"}
    assert {each["status"] for each in demo.requests} == {200}


def test_an_installed_catalogue_takes_what_the_server_offers(tmp_path, run, monkeypatch):
    own = {
        "services": [
            {"name": "Plan", "label": "plan", "type": "SUBSCRIPTION_PLAN", "status": "PRODUCTION"}
        ],
        "dashboards": [],
        "statements": [],
        "endpointTypes": [{"id": 7, "name": "Pigeon", "label": "PIGEON", "internal": False}],
    }
    path, file, brought = tmp_path / "own.json", tmp_path / "f.json", tmp_path / "brought.json"
    path.write_text(json.dumps(own))
    with ProvisioningServer(catalogue=path) as server:
        server.add_subscription("plan")
        server.add_endpoint("https://pigeon.example", "PIGEON")
        told = run("pull", server.url, file, key=server.token).output
        poor = json.loads(file.read_text())
        again = run("pull", server.url, file, "--force", "--catalogue", brought, key=server.token)
    assert "no catalogue here has the service plan: left out (1)" in told
    assert "no catalogue here has the type PIGEON: left out (1)" in told
    assert poor.keys() & {"subscriptions", "endpoints"} == set()
    assert again.exit_code == 0, again.output
    assert [each["label"] for each in json.loads(brought.read_text())["services"]] == ["plan"]
    given = json.loads(file.read_text())
    with ProvisioningServer(given, catalogue=brought) as copy:
        token = next(each["apiToken"] for each in given["apiKeys"])
        listed = copy.client(token).get("/endpoints").json()
    assert [each["endpointType"]["label"] for each in listed] == ["PIGEON"]


def test_what_breaks_a_rule_of_this_version_is_told_and_left_out(demo, run, tmp_path):
    with demo.store.transaction() as transaction:
        privilege = dict(transaction.get("privileges", "2"))
        privilege |= {"activeFrom": "2020-01-01T00:00:00Z", "activeUntil": "2019-01-01T00:00:00Z"}
        transaction.put("privileges", "2", privilege)
    done = run("pull", demo.url, tmp_path / "f.json", key=ALICE)
    assert done.exit_code == 0, done.output
    given = json.loads((tmp_path / "f.json").read_text())
    with ProvisioningServer(given):
        pass


@pytest.mark.parametrize("name", ["privileges", "apiKeys", "endpoints", "subscriptions"])
def test_ids_that_nothing_needs_are_left_out(demo, pulled, name):
    assert [each for each in pulled(demo.url)[name] if "id" in each] == []


def test_a_further_kind_of_record_is_pulled_by_its_declaration_alone(monkeypatch):
    monkeypatch.setattr(reading, "COLLECTIONS", COLLECTIONS_OF_TEN)
    assert reading.ordinary()["maps"] == "/maps"
