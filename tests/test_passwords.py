"""Passwords: hashed slowly where people's are kept, and cheaply, marked as such, for tests."""

import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from werkzeug.security import check_password_hash

from provisioning.cli.commands import main
from provisioning.factory import create_app, memory_store, open_server
from provisioning.settings import Settings
from provisioning.store.opening import place_of
from provisioning.testing import ProvisioningServer
from provisioning.testing.sandbox import Client, Sandbox

ADMINISTRATOR = "demo-acme-alice-administrator-basic-key"
TWINS = ("bob@acme.test", "eve@acme.test")
NOBODYS = "cheap$salt$hash"
SEED = {
    "tenants": [{"label": "initech", "name": "Initech"}],
    "users": [
        {
            "username": "bill@initech.test",
            "email": "bill@initech.test",
            "home": "initech",
            "passwordHash": NOBODYS,
        }
    ],
}


def hire(client, username):
    body = {"username": username, "email": "b@acme.test", "password": "same"}
    assert client.post("/users", json=body).status_code == 201


def hash_of(store, username):
    with store.read() as view:
        return view.get("users", username)["passwordHash"]


def is_hash_of(kept, password):
    _, salt, digest = kept.split("$")
    return hashlib.sha256((salt + password).encode()).hexdigest() == digest


@pytest.fixture(params=["db.json", "sqlite:///p.db"])
def data(request, tmp_path, monkeypatch):
    """PROVISIONING_DATA of a real store, in the working directory."""
    monkeypatch.chdir(tmp_path)
    return request.param


@pytest.fixture
def demo(data):
    """PROVISIONING_DATA that names a demo's data, with an account whose password is `same`."""
    settings = Settings(data=place_of(data), demo="on")
    hire(Client(create_app(settings), ADMINISTRATOR), TWINS[0])
    return str(settings.place)


def run(*words, data, demo="off", given=None):
    environment = {"PROVISIONING_DATA": data, "PROVISIONING_DEMO": demo}
    done = CliRunner().invoke(main, words, env=environment, input=given, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


def opened(data):
    return open_server(Settings(data=place_of(data))).store


def test_a_server_in_memory_keeps_a_cheap_hash_that_is_marked_and_salted():
    sandbox = Sandbox(memory_store())
    for username in TWINS:
        hire(sandbox.administrator, username)
    bobs, eves = (hash_of(sandbox.store, username) for username in TWINS)
    assert bobs.startswith("cheap$") and is_hash_of(bobs, "same")
    assert bobs != eves


def test_a_changed_password_is_hashed_cheaply_there_too():
    sandbox = Sandbox(memory_store())
    sandbox.administrator.put("/users/alice@acme.test", json={"password": "new"})
    assert is_hash_of(hash_of(sandbox.store, "alice@acme.test"), "new")


def test_a_seed_and_the_fixture_hash_cheaply_in_memory():
    seed = SEED | {"users": [SEED["users"][0] | {"passwordHash": None, "password": "typed"}]}
    with ProvisioningServer(seed=seed) as server:
        server.add_user("bob@acme.test", password="said")
        assert is_hash_of(hash_of(server.store, "bill@initech.test"), "typed")
        assert is_hash_of(hash_of(server.store, "bob@acme.test"), "said")


def test_the_state_of_a_server_in_memory_loads_again_with_its_cheap_hashes():
    with ProvisioningServer(seed=SEED) as server:
        control = server.client()
        state = control.get("//_control/state").json()
        assert control.post("//_control/seed", json=state).status_code == 200
        assert hash_of(server.store, "bill@initech.test") == NOBODYS


@pytest.mark.slow
def test_a_real_store_keeps_a_slow_hash(data):
    made = run("init", "--tenant=acme", "--name=Acme", "--admin=a@acme.test", "--json", data=data)
    token = json.loads(made.stdout)["apiToken"]
    hire(Client(create_app(Settings(data=place_of(data))), token), TWINS[0])
    kept = hash_of(opened(data), TWINS[0])
    assert kept.startswith("scrypt:") and check_password_hash(kept, "same")


def test_demo_mode_hashes_cheaply(data, demo):
    store = open_server(Settings(data=place_of(data), demo="on")).store
    assert is_hash_of(hash_of(store, TWINS[0]), "same")


def test_a_demos_data_loses_its_cheap_hashes_when_a_real_server_opens_it(demo, caplog):
    assert hash_of(opened(demo), TWINS[0]) is None
    assert "no password any more" in caplog.text
    caplog.clear()
    opened(demo)
    assert caplog.text == ""


def test_an_export_drops_cheap_hashes_and_says_so(data, demo):
    done = run("export", "-", data=data, demo="on")
    accounts = {each["username"]: each for each in json.loads(done.stdout)["users"]}
    assert accounts[TWINS[0]]["passwordHash"] is None
    assert "no password any more" in done.stderr
    assert "cheap$" not in done.stdout


def test_a_copy_drops_cheap_hashes_and_says_so(demo):
    done = run("copy", demo, "other.json", data=demo)
    assert "no password any more" in done.stderr
    assert hash_of(opened("other.json"), TWINS[0]) is None
    assert "cheap$" not in Path("other.json").read_text()


def test_an_import_drops_cheap_hashes_and_says_so(data):
    done = run("import", "-", data=data, given=json.dumps(SEED))
    assert "1 account has no password any more" in done.stderr
    assert hash_of(opened(data), "bill@initech.test") is None


def test_a_restore_drops_cheap_hashes_and_says_so(data, demo):
    run("backup", "backup", data=data, demo="on")
    done = run("restore", "backup", data="real.json")
    assert "no password any more" in done.stderr
    assert "cheap$" not in Path("real.json").read_text()


def test_a_demos_own_restore_keeps_its_cheap_hashes(data, demo):
    run("backup", "backup", data=data, demo="on")
    assert run("restore", "backup", data=data, demo="on").stderr == ""
    store = open_server(Settings(data=place_of(data), demo="on")).store
    assert is_hash_of(hash_of(store, TWINS[0]), "same")


def test_a_seed_for_the_control_api_of_a_real_store_loses_its_cheap_hashes(data):
    settings = Settings(data=place_of(data), control="on", control_token="x" * 16)
    server = open_server(settings)
    control = Client(create_app(settings, server), "x" * 16)
    assert control.post("//_control/seed", json=SEED).status_code == 200
    assert hash_of(server.store, "bill@initech.test") is None
