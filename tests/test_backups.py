"""Backups of a file and of SQLite, and the way back, beside a running server."""

import json
import os
import sqlite3
import threading
from contextlib import closing

import pytest
from click.testing import CliRunner

from provisioning.cli.commands import main
from provisioning.factory import COLLECTIONS, create_app
from provisioning.settings import Settings
from provisioning.store.opening import Place, open_store
from provisioning.testing.sandbox import Client

pytestmark = pytest.mark.slow

BOB = {"username": "bob@acme.test", "email": "bob@acme.test", "password": "pw"}


class Desk:
    """The command line over a store of one kind, and a client of a server over the same."""

    def __init__(self, folder, kind):
        self.file = folder / ("db.json" if kind == "file" else "p.db")
        self.backup = folder / "backup"
        prefix = "" if kind == "file" else "sqlite:///"
        self.environment = {"PROVISIONING_DATA": f"{prefix}{self.file}"}
        words = ("init", "--tenant", "acme", "--name", "Acme", "--admin", "alice@acme.test")
        made = json.loads(self("--json", words=words))
        self.app = create_app(Settings.from_env(self.environment))
        self.alice = Client(self.app, made["apiToken"])

    def run(self, *words):
        return CliRunner().invoke(main, words, env=self.environment, catch_exceptions=False)

    def __call__(self, *more, words=()):
        result = self.run(*words, *more)
        assert result.exit_code == 0, result.output
        return result.stdout

    def kept(self):
        return [each for each in self.file.parent.iterdir() if ".before-" in each.name]


@pytest.fixture(params=["file", "sqlite"])
def desk(request, tmp_path):
    return Desk(tmp_path, request.param)


def test_a_restored_store_is_served_at_once_by_the_running_server(desk):
    desk("backup", str(desk.backup))
    assert desk.alice.post("/users", json=BOB).status_code == 201
    desk("restore", str(desk.backup))
    assert desk.alice.get("/users/bob@acme.test").status_code == 404
    assert desk.alice.get("/whoami").status_code == 200


def test_ids_are_not_given_again_after_a_restore(desk):
    desk("backup", str(desk.backup))
    first = desk.alice.post("/users", json=BOB).json["id"]
    desk("restore", str(desk.backup))
    assert desk.alice.post("/users", json=BOB).json["id"] > first


def test_no_more_of_the_audit_is_kept_after_a_restore_than_is_wanted(desk):
    app = create_app(Settings.from_env(desk.environment | {"PROVISIONING_AUDIT_KEEP": "2"}))
    alice = Client(app, desk.alice.token)

    def theme(name):
        assert alice.put("/info", json={"theme": name}).status_code == 200

    for name in ("a", "b"):
        theme(name)
    desk("backup", str(desk.backup))
    for name in ("c", "d", "e"):
        theme(name)
    desk("restore", str(desk.backup))
    for name in ("f", "g"):
        theme(name)
    kept = [each["changes"]["theme"]["to"] for each in alice.get("/audit").json]
    assert kept == ["g", "f"]


def test_what_was_before_a_restore_is_kept(desk):
    desk("backup", str(desk.backup))
    desk.alice.post("/users", json=BOB)
    desk("restore", str(desk.backup))
    (kept,) = desk.kept()
    assert kept.stat().st_mode & 0o777 == 0o600
    desk("restore", str(kept))
    assert desk.alice.get("/users/bob@acme.test").status_code == 200


def labels(place):
    """Those of the dashboards in a store that nobody serves."""
    store = open_store(place, COLLECTIONS.form)
    with closing(store), store.read() as view:
        return {record["label"] for record in view.all("dashboards")}


def test_what_was_told_to_be_changed_is_kept_or_comes_after_the_restore(desk):
    """The copy and the way back are one turn: nothing is told between them."""
    desk("backup", str(desk.backup))
    body = {"title": "T", "menuLabel": "T", "type": "CUSTOM", "status": "BETA", "listOrder": 1}
    told, is_over = set(), threading.Event()

    def change():
        while not is_over.is_set():
            label = f"d{len(told)}"
            answer = desk.alice.post("/tenant-dashboards", json={**body, "label": label})
            assert answer.status_code == 201
            told.add(label)

    place = Settings.from_env(desk.environment).place
    writer = threading.Thread(target=change)
    writer.start()
    try:
        for _ in range(5):
            desk("restore", str(desk.backup))
    finally:
        is_over.set()
        writer.join()
    found = labels(place)
    for each in desk.kept():
        if not each.name.endswith(("-wal", "-shm", ".lock")):
            found |= labels(Place(place.kind, each))
    assert told - found == set()


@pytest.mark.parametrize("content", [b"", b"{", b"SQLite format 3\0 and no more", b'{"a": {}}'])
def test_a_backup_that_is_none_changes_nothing(desk, content):
    desk.backup.write_bytes(content)
    result = desk.run("restore", str(desk.backup))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {desk.backup} is no sound backup: ")
    assert "Remove it" not in result.stderr
    assert desk.alice.get("/whoami").status_code == 200
    assert desk.kept() == []


def test_a_backup_is_its_owners_alone_and_overwrites_nothing(desk):
    desk("backup", str(desk.backup))
    assert desk.backup.stat().st_mode & 0o777 == 0o600
    assert desk.run("backup", str(desk.backup)).exit_code == 1


def test_a_damaged_file_is_restored_and_kept_as_it_was(tmp_path):
    desk = Desk(tmp_path, "file")
    desk("backup", str(desk.backup))
    desk.file.write_text("{ broken")
    desk("restore", str(desk.backup))
    assert desk.alice.get("/whoami").status_code == 200
    (kept,) = desk.kept()
    assert kept.read_text() == "{ broken"


def test_a_backup_of_sqlite_holds_what_is_only_in_the_log_yet(tmp_path):
    desk = Desk(tmp_path, "sqlite")
    desk.alice.post("/users", json=BOB)
    desk("backup", str(desk.backup))
    with sqlite3.connect(desk.backup) as copied:
        (count,) = copied.execute("SELECT count(*) FROM users").fetchone()
    copied.close()
    assert count == 2


@pytest.mark.parametrize(("command", "tool"), [("backup", "pg_dump"), ("restore", "pg_restore")])
def test_postgresql_has_tools_of_its_own(tmp_path, command, tool):
    environment = {"PROVISIONING_DATA": "postgresql://u:secret@127.0.0.1:1/d"}
    result = CliRunner().invoke(main, [command, str(tmp_path / "x")], env=os.environ | environment)
    assert result.exit_code == 1
    assert tool in result.stderr
    assert "secret" not in result.output
