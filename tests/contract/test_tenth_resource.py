"""What a tenth resource has without another line: document, audit, export, import, check."""

import json
from pathlib import Path

import pytest

from provisioning import seed, transfer
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
    assert found == ["maps, record acme/depots, legend: Must not contain control characters."]


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
