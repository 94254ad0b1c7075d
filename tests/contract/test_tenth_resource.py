"""What a tenth resource has without another line: document, audit, export, import, check."""

import json
from pathlib import Path

import pytest

from provisioning import accounts, seed, transfer
from provisioning.control.tenants import forget

from . import maps
from .asking import administrator_of
from .tenth import COLLECTIONS_OF_TEN, SandboxOfTen

DEPOTS = {"title": "Depots", "label": "depots", "scale": 50_000, "legend": None}


@pytest.fixture
def sandbox():
    return SandboxOfTen()


@pytest.fixture
def drawn(sandbox):
    assert sandbox.administrator.post("/maps", json=DEPOTS).status_code == 201
    return sandbox


def test_it_is_one_short_file():
    assert len(Path(maps.__file__).read_text().splitlines()) <= 40


def test_the_document_tells_of_it(sandbox):
    document = sandbox.client(None).get("//openapi.json").json
    assert "/api/v1/provisioning/maps/{label}" in document["paths"]
    assert "Map" in document["components"]["schemas"]


def test_the_audit_tells_of_it(drawn):
    record = drawn.administrator.get("/audit?resource=maps").json[0]
    assert (record["action"], record["target"]) == ("create", "depots")
    assert record["changes"]["scale"] == {"from": None, "to": 50_000}


def test_it_goes_out_and_comes_in_again(drawn):
    with drawn.store.read() as view:
        given = json.loads(json.dumps(transfer.export(drawn.parts, view)))
    assert given["maps"] == [DEPOTS | {"tenant": "acme"}]
    other = SandboxOfTen()
    transfer.load(other.parts, given, transfer.REPLACE)
    assert administrator_of(other, "acme").get("/maps").json == [DEPOTS]


def test_an_import_removes_what_the_file_lacks(drawn):
    with drawn.store.read() as view:
        given = transfer.export(drawn.parts, view, "acme")
    outcome = transfer.load(drawn.parts, given | {"maps": []}, transfer.REPLACE)
    assert outcome.removed == {"maps": ["depots"]}


def test_a_fault_in_a_seed_has_its_place(sandbox):
    with pytest.raises(seed.BadFile) as bad:
        transfer.load(sandbox.parts, {"maps": [DEPOTS | {"tenant": "acme", "scale": 0}]})
    assert bad.value.errors[0].startswith("maps[0].scale: ")


def test_check_finds_what_is_wrong_in_it(drawn):
    with drawn.store.transaction() as transaction:
        transaction.put("maps", "acme/depots", DEPOTS | {"tenant": "acme", "legend": "\x01"})
    with drawn.store.read() as view:
        found = list(seed.findings(drawn.parts, view))
    told = "maps, record acme/depots, legend: Must not contain control characters."
    assert found == [(told, False)]


def test_a_tenant_that_goes_takes_it_along(drawn):
    with drawn.store.transaction() as transaction:
        forget(COLLECTIONS_OF_TEN, transaction, "acme")
        assert transaction.count("maps") == 0


def test_no_other_list_names_the_kinds_of_records():
    """A kind that one list has and another forgets loses data: only declarations name them all."""
    names = {each.table for each in COLLECTIONS_OF_TEN.values()} - {"maps", "audit"}
    package = Path(transfer.__file__).parent
    for path in package.rglob("*.py"):
        text = path.read_text()
        listed = [name for name in names if f'"{name}"' in text]
        assert len(listed) <= len(names) / 2, f"{path.name} lists {listed}"


NIGHT = {"label": "night", "lead": "bob@acme.test", "days": ["MONDAY", "FRIDAY"]}


@pytest.fixture
def led(sandbox):
    """A rota that bob leads: records of this kind name a user, and hold a list."""
    sandbox.add_user("bob@acme.test")
    answer = sandbox.administrator.post("/rotas", json=NIGHT)
    assert (answer.status_code, answer.json) == (201, NIGHT)
    return sandbox


@pytest.mark.parametrize(
    ("body", "member"),
    [
        (NIGHT | {"lead": "greta@globex.test"}, "lead"),
        (NIGHT | {"days": ["SUNDAY"]}, "days"),
        (NIGHT | {"days": ["MONDAY"] * 6}, "days"),
        (NIGHT | {"days": "MONDAY"}, "days"),
    ],
)
def test_a_user_and_a_list_are_looked_at_like_other_members(sandbox, body, member):
    sandbox.add_user("bob@acme.test")
    sandbox.add_user("greta@globex.test", tenant="globex")
    answer = sandbox.administrator.post("/rotas", json=body)
    assert (answer.status_code, list(answer.json["errors"])) == (422, [member])


def test_a_user_who_is_named_goes_out_as_a_username_and_comes_in_again(led):
    with led.store.read() as view:
        given = json.loads(json.dumps(transfer.export(led.parts, view)))
    assert given["rotas"] == [NIGHT | {"tenant": "acme"}]
    other = SandboxOfTen()
    transfer.load(other.parts, given, transfer.REPLACE)
    assert administrator_of(other, "acme").get("/rotas").json == [NIGHT]


def test_a_user_who_is_renamed_is_named_by_the_new_name(led):
    accounts.rename(led.parts, "bob@acme.test", "robert@acme.test")
    assert led.administrator.get("/rotas/night").json["lead"] == "robert@acme.test"


def test_an_erased_user_is_named_no_more(led):
    accounts.erase(led.parts, "bob@acme.test")
    assert led.administrator.get("/rotas/night").json["lead"] is None


def test_the_audit_tells_the_user_by_name(led):
    (record,) = led.administrator.get("/audit?resource=rotas").json
    assert record["changes"]["lead"] == {"from": None, "to": "bob@acme.test"}
    assert record["changes"]["days"] == {"from": None, "to": ["MONDAY", "FRIDAY"]}
