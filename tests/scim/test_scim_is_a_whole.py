"""SCIM can be switched off, and left out: what that means for the rest and for stored data."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from provisioning import accounts, transfer
from provisioning.control.tenants import forget
from provisioning.factory import open_store
from provisioning.settings import Settings
from provisioning.testing.sandbox import Sandbox
from tests.scim.asking import IdentityProvider

CHECKOUT = Path(__file__).parents[2]
ASK = """
import sys
from provisioning.factory import create_app
from provisioning.settings import Settings
from pathlib import Path
app = create_app(Settings(data=Path(sys.argv[1])))
client = app.test_client()
headers = {"Authorization": f"Bearer {sys.argv[2]}"}
print([each["username"] for each in client.get("/api/v1/provisioning/users", headers=headers).json])
print(client.get("/scim/v2/Users", headers=headers).status_code)
"""


def sandbox_over(path: Path, **settings: str) -> Sandbox:
    return Sandbox(store=open_store(Settings(data=path)), **settings)


def test_a_file_that_was_written_with_scim_opens_without(tmp_path):
    path = tmp_path / "db.json"
    sandbox = sandbox_over(path, scim="on")
    provider = IdentityProvider(sandbox.client(sandbox.add_key(None)))
    made = provider.create("bob@acme.test", externalId="b-1")
    provider.delete(f"/Users/{made['id']}")

    with open_store(Settings(data=path)).read() as view:
        assert view.count("scim_users") == 1
        assert view.count("scim_forgotten") == 1


@pytest.fixture
def checkout(tmp_path) -> Path:
    """The sources without the folder, and without its name in the factory."""
    package = tmp_path / "checkout" / "provisioning"
    shutil.copytree(
        CHECKOUT / "provisioning",
        package,
        ignore=lambda folder, names: {"__pycache__", "scim"} & set(names),
    )
    (package.parent / "data").symlink_to(CHECKOUT / "data")
    factory = package / "factory.py"
    text = re.sub(r"\bscim, ?|, scim\b", "", factory.read_text())
    assert "scim" not in text
    factory.write_text(text)
    return package.parent


def ask_without(checkout: Path, path: Path, token: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", ASK, str(path), token],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_without_its_folder_and_its_name_everything_else_works(checkout, tmp_path):
    path = tmp_path / "db.json"
    token = sandbox_over(path).administrator.token

    told = ask_without(checkout, path, token)

    assert told.stdout.splitlines() == ["['alice@acme.test']", "404"], told.stderr


@pytest.mark.slow
def test_without_its_folder_what_scim_kept_is_not_thrown_away(checkout, tmp_path):
    path = tmp_path / "db.json"
    sandbox = sandbox_over(path, scim="on")
    provider = IdentityProvider(sandbox.client(sandbox.add_key(None)))
    provider.create("bob@acme.test", externalId="b-1")
    before = path.read_bytes()

    told = ask_without(checkout, path, sandbox.administrator.token)

    assert told.returncode != 0
    assert "scim_users" in told.stderr
    assert path.read_bytes() == before


def test_a_merge_that_gives_privileges_new_ids_keeps_hidden_whoever_was(sandbox, provider):
    made = provider.create("bob@acme.test", externalId="b-1")
    provider.delete(f"/Users/{made['id']}")
    with sandbox.store.read() as view:
        exported = transfer.export(sandbox.parts, view, "acme")
    other = Sandbox(scim="on")
    other.add_user("grace@globex.test", tenant="globex")
    with other.store.transaction() as transaction:
        forget(other.parts.collections, transaction, "acme")

    outcome = transfer.load(other.parts, exported)

    assert outcome.created["scimForgotten"] == ["3"]
    there = IdentityProvider(other.client(provider.client.token))
    assert {each["userName"] for each in there.get("/Users").json["Resources"]} == {
        "alice@acme.test"
    }
    assert there.create("bob@acme.test")["active"] is True


def test_an_erased_account_leaves_nothing_behind(sandbox, provider):
    made = provider.create("bob@acme.test", externalId="b-1")
    provider.delete(f"/Users/{made['id']}")

    accounts.erase(sandbox.parts, "bob@acme.test")

    with sandbox.store.read() as view:
        assert view.count("scim_users") == view.count("scim_forgotten") == 0


def test_a_renamed_account_keeps_its_external_id(sandbox, provider):
    made = provider.create("bob@acme.test", externalId="b-1")

    accounts.rename(sandbox.parts, "bob@acme.test", "robert@acme.test")

    assert provider.user(made["id"])["userName"] == "robert@acme.test"
    assert provider.found('externalId eq "b-1"') == ["robert@acme.test"]


def test_an_account_with_external_ids_in_two_tenants_is_renamed_in_both(sandbox, provider):
    there = IdentityProvider(sandbox.client(sandbox.add_key(None, "globex")))
    provider.create("bob@acme.test", externalId="a-1")
    there.create("bob@acme.test", externalId="g-1")

    accounts.rename(sandbox.parts, "bob@acme.test", "robert@acme.test")

    assert provider.found('externalId eq "a-1"') == ["robert@acme.test"]
    assert there.found('externalId eq "g-1"') == ["robert@acme.test"]
    told = there.client.get("/audit?resource=users").json[0]
    renamed = {"username": {"from": "bob@acme.test", "to": "robert@acme.test"}}
    assert (told["action"], told["changes"]) == ("change", renamed)


@pytest.mark.parametrize("told", [{}, {"tenant": "acme"}], ids=["all", "one tenant"])
def test_the_emulator_s_reset_takes_it_back_with_everything_else(told):
    sandbox = Sandbox(scim="on", control="on")
    provider = IdentityProvider(sandbox.client(sandbox.add_key(None)))
    sandbox.add_user("eve@acme.test")
    known = {"tenant": "acme", "user": "eve@acme.test", "externalId": "e-1"}
    with sandbox.store.transaction() as transaction:
        transaction.put("scim_users", "acme/eve@acme.test", known)
    provider.create("bob@acme.test", externalId="b-1")
    provider.delete("/Users/2")
    assert provider.found("externalId pr") == ["bob@acme.test"]

    response = sandbox.client().post("//_control/reset", json=told)

    assert response.status_code < 300, response.data
    assert provider.found("externalId pr") == ["eve@acme.test"]
