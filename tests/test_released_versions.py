"""Stores of released versions, see tests/data/README.md, brought up to date by this one."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner
from werkzeug.test import Client

from provisioning.cli.commands import main
from provisioning.factory import COLLECTIONS, open_server, serve
from provisioning.settings import Settings
from provisioning.store import OtherForm, backups
from provisioning.store.copying import copy
from provisioning.store.opening import Place, open_store, place_of
from provisioning.testing.provisioner import routes
from tests.postgresql import Cluster, new_schema

BASE = "/api/v1/provisioning"
DATA = Path(__file__).parent / "data"
FILES = {"file": "db.json", "sqlite": "p.db", "postgresql": "postgresql.sql"}


class Released(NamedTuple):
    """A store as a version has left it, in a place of the test's own."""

    version: str
    place: Place
    content: bytes


def unpacked(version: str, name: str) -> bytes:
    return gzip.decompress((DATA / version / f"{name}.gz").read_bytes())


def place_for(kind: str, folder: Path, postgresql: Cluster) -> Place:
    if kind == "postgresql":
        return place_of(new_schema(postgresql))
    return place_of(f"{folder}/db.json" if kind == "file" else f"sqlite:///{folder}/p.db")


@pytest.fixture(
    params=[
        ("0.1.0", "file"),
        ("0.2.0", "file"),
        ("0.2.0", "sqlite"),
        pytest.param(("0.2.0", "postgresql"), marks=pytest.mark.slow),
        ("0.2.0-later", "file"),
    ],
    ids=" ".join,
)
def released(request: pytest.FixtureRequest, tmp_path: Path) -> Released:
    version, kind = request.param
    postgresql = request.getfixturevalue("postgresql") if kind == "postgresql" else None
    place = place_for(kind, tmp_path, postgresql)
    content = unpacked(version, FILES[kind])
    if kind == "postgresql":
        schema = place.url.rpartition("=")[2]
        postgresql.execute(content.decode().replace("SCHEMA.", f"{schema}."))
    else:
        place.path.write_bytes(content)
    return Released(version, place, content)


def answers_of(place: Place, version: str) -> Iterator[tuple[str, Any, Any]]:
    """What the version answered, and what this one answers: (question, then, now)."""
    keys, *lines = map(json.loads, unpacked(version, "answers").splitlines())
    settings = Settings(data=place)
    client = Client(serve(routes(settings), open_server(settings)))
    for tenant, path, status, body in lines:
        answer = client.get(BASE + path, headers={"Authorization": f"Bearer {keys[tenant]}"})
        yield f"{tenant} {path}", (status, body), (answer.status_code, answer.get_json())


def as_answered(version: str, question: str, answer: tuple[int, Any]) -> Any:
    """An answer without what later versions answer otherwise on purpose."""
    status, body = answer
    if "/users" in question or "/as-users" in question:
        records = body if isinstance(body, list) else [body]
        if version == "0.1.0":
            # It knew no home, and showed a guest's whole profile; privileges had another order.
            records = [{k: v for k, v in each.items() if k != "home"} for each in records]
            for each in records:
                if "tenantUserPrivileges" in each:
                    each["tenantUserPrivileges"].sort(key=lambda privilege: privilege["id"])
        # Lists are in the order of folded text now.
        body = sorted(records, key=repr)
    return status, body


def check_answers(place: Place, version: str) -> None:
    asked = 0
    for question, then, now in answers_of(place, version):
        if version == "0.1.0" and "/audit" in question:
            assert now == (200, [])
            continue
        asked += 1
        before, after = (as_answered(version, question, each) for each in (then, now))
        assert after == before, question
    assert asked > 70


def check_is_as_it_was(released: Released) -> None:
    if released.place.kind == "file":
        assert released.place.path.read_bytes() == released.content
        assert not released.place.path.with_name("db.json.v1").exists()
    # It still says that it has form 1, and still has the tables of it.
    assert open_store(released.place, COLLECTIONS.form, upgrades=False).older == 1


def test_it_answers_everything_as_that_version_did(released: Released) -> None:
    check_answers(released.place, released.version)


@pytest.mark.parametrize(
    "kind", ["file", "sqlite", pytest.param("postgresql", marks=pytest.mark.slow)]
)
def test_a_copy_of_it_in_any_kind_of_store_answers_so_too(
    request: pytest.FixtureRequest, released: Released, kind: str, tmp_path: Path
) -> None:
    postgresql = request.getfixturevalue("postgresql") if kind == "postgresql" else None
    (tmp_path / "copy").mkdir()
    target = place_for(kind, tmp_path / "copy", postgresql)
    copy(released.place, target, COLLECTIONS.form)
    check_answers(target, released.version)
    check_is_as_it_was(released)


@pytest.mark.parametrize("command", ["check", "tenant list", "key list", "export -", "backup"])
def test_a_command_that_only_reads_leaves_it_to_the_server_of_that_version(
    released: Released, command: str, tmp_path: Path
) -> None:
    data = released.place.url or str(released.place)
    words = command.split()
    if command == "backup":
        if released.place.kind == "postgresql":
            pytest.skip("PostgreSQL has backups of its own")
        words.append(str(tmp_path / "backup"))
    done = CliRunner().invoke(main, words, env={"PROVISIONING_DATA": data})
    assert done.exit_code == 0, done.output
    check_is_as_it_was(released)
    if command == "backup" and released.place.kind == "file":
        assert (tmp_path / "backup").read_bytes() == released.content


def test_what_is_only_read_can_not_be_changed(released: Released) -> None:
    store = open_store(released.place, COLLECTIONS.form, upgrades=False)
    with store.read() as view:
        assert view.get("users", "ann@acme.test") is not None
    with pytest.raises(OtherForm, match="It has form 1"), store.transaction():
        pass
    store.close()
    check_is_as_it_was(released)


def test_a_backup_that_it_made_is_restored(released: Released, tmp_path: Path) -> None:
    if released.place.kind == "postgresql":
        pytest.skip("PostgreSQL has backups of its own")
    backup = tmp_path / "backup"
    released.place.path.rename(backup)
    backups.restore(backup, released.place, COLLECTIONS.form)
    assert backup.read_bytes() == released.content
    check_answers(released.place, released.version)


def test_the_file_of_then_is_kept_and_an_upgrade_is_done_once(released: Released) -> None:
    open_store(released.place, COLLECTIONS.form).close()
    if released.place.kind == "file":
        kept = released.place.path.with_name("db.json.v1")
        assert kept.read_bytes() == released.content
        upgraded = released.place.path.read_bytes()
        open_store(released.place, COLLECTIONS.form).close()
        assert released.place.path.read_bytes() == upgraded
    older = COLLECTIONS.form._replace(steps=())
    with pytest.raises(OtherForm, match="to form 2; this one reads form 1"):
        open_store(released.place, older)


@pytest.mark.slow
def test_who_may_read_and_write_its_tables_may_do_so_afterwards(
    postgresql: Cluster, tmp_path: Path
) -> None:
    place = place_for("postgresql", tmp_path, postgresql)
    schema = place.url.rpartition("=")[2]
    content = unpacked("0.2.0", "postgresql.sql").decode().replace("SCHEMA.", f"{schema}.")
    postgresql.execute(content)
    role = f'"of {schema}"'
    postgresql.execute(
        f"CREATE ROLE {role}; GRANT USAGE ON SCHEMA {schema} TO {role}; "
        f"GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA {schema} TO {role}; "
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}"
    )
    open_store(place, COLLECTIONS.form).close()
    name = role.strip('"')
    tables = f"SELECT relname FROM pg_class WHERE relnamespace = '{schema}'::regnamespace"  # noqa: S608
    for lacking in (
        f"CASE relkind WHEN 'r' THEN NOT has_table_privilege('{name}', oid, 'SELECT') END",
        f"CASE relkind WHEN 'r' THEN NOT has_table_privilege('{name}', oid, 'UPDATE') END",
        f"CASE relkind WHEN 'S' THEN NOT has_sequence_privilege('{name}', oid, 'USAGE') END",
    ):
        assert postgresql.execute(f"{tables} AND {lacking}") == []


def test_new_ids_follow_those_of_then(released: Released) -> None:
    store = open_store(released.place, COLLECTIONS.form)
    with store.transaction() as transaction:
        for name, collection in COLLECTIONS.items():
            if collection.numbered:
                used = [str(each["id"]) for each in transaction.all(name)]
                new = transaction.next_id(name)
                assert collection.numbered.format(new) not in used
        assert not [name for name in transaction.ids() if "/" in name]
    store.close()
