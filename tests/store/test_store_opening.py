"""Where a store is, as people write it, and what happens when it is opened."""

import gc
import logging
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from provisioning.store import (
    LARGEST_ID,
    DurableStorage,
    Form,
    OtherForm,
    Past,
    Record,
    Step,
    Store,
    StoreDamaged,
    StoreUnavailable,
    Table,
)
from provisioning.store.awaited import AwaitedStore
from provisioning.store.opening import Place, open_store, place_of
from provisioning.store.sql import SqlStore
from provisioning.store.sql.postgresql import PostgreSQL
from provisioning.store.tables import weight
from tests.postgresql import PASSWORD, Cluster, free_port

from .conftest import FORM, PEOPLE, POSTGRESQL, TEAMS


@pytest.fixture(params=["file", "sqlite", POSTGRESQL])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty place for a store."""
    if request.param == "file":
        return place_of(f"{tmp_path}/folder/db.json")
    if request.param == "sqlite":
        return place_of(f"sqlite:///{tmp_path}/folder/p.db")
    return place_of(request.getfixturevalue("schema_url"))


@pytest.mark.parametrize(
    ("text", "kind", "path"),
    [
        ("data/db.json", "file", "data/db.json"),
        ("/srv/db.json", "file", "/srv/db.json"),
        ("sqlite:///data/p.db", "sqlite", "data/p.db"),
        ("sqlite:////srv/p.db", "sqlite", "/srv/p.db"),
    ],
)
def test_a_file_is_a_path_or_a_url_with_three_slashes(text: str, kind: str, path: str) -> None:
    place = place_of(text)
    assert (place.kind, place.path, str(place)) == (kind, Path(path), text)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ann:s3cret@db.test/all", "postgresql://db.test/all"),
        ("postgresql://ann:s3cret@one:5432,two:5433/all", "postgresql://one:5432,two:5433/all"),
        ("postgresql://db.test/all?password=s3cret&user=ann", "postgresql://db.test/all"),
        ("postgresql:///all", "postgresql:///all"),
        ("postgresql://ann:s3@cret@db.test/all", "postgresql://db.test/all"),
        ("postgresql://[::1]:5432/all", "postgresql://[::1]:5432/all"),
        ("  postgresql://ann:s3cret@db.test/all\n", "postgresql://db.test/all"),
        ("postgresql://%2Frun%2Fpg/all?sslrootcert=/etc/ca.pem", "postgresql://%2Frun%2Fpg/all"),
    ],
)
def test_what_is_shown_of_a_database_is_hosts_and_name_alone(url: str, shown: str) -> None:
    place = place_of(url)
    assert str(place) == shown
    assert repr(place) == f"Place({shown!r})"
    assert f"{place}" == shown


def test_an_at_sign_in_a_password_is_one_for_the_driver_too() -> None:
    assert (
        place_of("postgresql://ann:p@ss@db.test/all").url == "postgresql://ann:p%40ss@db.test/all"
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "must be a path"),
        ("sqlite://", "names no file"),
        ("sqlite:///", "names no file"),
        ("sqlite://data/p.db", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("mysql://ann:s3cret@db.test/all", "'mysql://' is no kind of store"),
        ("postgres://ann:s3cret@db.test/all", "'postgres://' is no kind of store"),
        ("  mysql://ann:s3cret@db.test/all", "'mysql://' is no kind of store"),
        ("'postgresql://ann:s3cret@db.test/all'", "must be a path"),
        ("postgresql:/ann:s3cret@db.test/all", "is no URL"),
        ("postgresql:ann:s3cret@db.test", "is no URL"),
        ("postgresql://ann:s3cret/W@db.test/all", "is no URL"),
        ("postgresql://ann:1/s3cret@db.test/all", "is no URL"),
        ("postgresql://ann:1?s3cret@db.test/all", "is no URL"),
        ("postgresql://ann:1#s3cret@db.test/all", "is no URL"),
        ("postgresql://ann:s3cret w@db.test/all", "is no URL"),
        ("postgresql://ann:s3cret", "is no URL"),
        ("postgresql://db.test/all?s3cret", "is no URL"),
    ],
)
def test_anything_else_is_an_error_that_repeats_no_secret(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as raised:
        place_of(text)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("url", ["sqlite:///p.db", "postgresql://db.test/all"])
@pytest.mark.slow
def test_without_the_extra_the_start_says_what_to_install(url: str) -> None:
    program = (
        "import importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name in ('sqlalchemy', 'psycopg') "
        "else find(name, *rest)\n"
        "from provisioning.cli.commands import main; main(['tenant', 'list'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PROVISIONING_DATA": url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "PROVISIONING_DATA: needs sqlalchemy" in done.stderr
    assert "pip install '.[sql]'" in done.stderr


@pytest.mark.slow
def test_the_core_imports_no_database() -> None:
    program = (
        "import sys, provisioning.cli.commands\n"
        "print([name for name in sys.modules if name.startswith(('sqlalchemy', 'psycopg'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b"[]\n"


def test_an_sqlite_file_and_what_lies_beside_it_is_its_owners_alone(tmp_path: Path) -> None:
    store = open_store(place_of(f"sqlite:///{tmp_path}/new/p.db"), FORM)
    with store.transaction() as transaction:
        transaction.put("teams", "red", {})
        found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("new/*")}
    store.close()
    assert found == dict.fromkeys(["p.db", "p.db-shm", "p.db-wal", "p.db.lock"], 0o600)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "p.db"
    file.write_text('{"users": {}}')
    with pytest.raises(StoreUnavailable, match="no SQLite database"):
        open_store(place_of(f"sqlite:///{file}"), FORM)
    assert file.read_text() == '{"users": {}}'


def test_a_database_of_something_else_is_left_alone(tmp_path: Path, postgresql: Cluster) -> None:
    file = tmp_path / "p.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE planets (name TEXT)")
    connection.close()
    before = file.read_bytes()
    with pytest.raises(StoreUnavailable, match="table planets"):
        open_store(place_of(f"sqlite:///{file}"), FORM)
    assert file.read_bytes() == before

    postgresql.execute("CREATE SCHEMA space; CREATE TABLE space.planets (name TEXT)")
    with pytest.raises(StoreUnavailable, match="table planets"):
        open_store(place_of(postgresql.url(options="-csearch_path=space,public")), FORM)
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'space'"
    assert postgresql.execute(tables) == [(1,)]


@pytest.mark.slow
def test_stores_that_begin_at_once_begin_one_store(place: Place) -> None:
    with ThreadPoolExecutor(6) as pool:
        stores = list(pool.map(lambda _: open_store(place, FORM), range(6)))
    assert len({store.instance for store in stores}) == 1
    for number, store in enumerate(stores):
        with store.transaction() as transaction:
            transaction.put("teams", str(number), {})
    with stores[0].read() as view:
        assert view.count("teams") == 6
    for store in stores:
        store.close()


# Versions


def older(place: Place) -> None:
    store = open_store(place, FORM)
    with store.transaction() as transaction:
        for name in ("zoe", "ann"):
            transaction.put("teams", name, {"title": name})
    store.close()


RENAME = Step({"teams": lambda team, _: {"name": team["title"]}})
"""What was the title is the name."""
NEWER = FORM._replace(steps=(RENAME,))


def test_an_older_store_is_brought_up_to_date_once_in_its_order(place: Place) -> None:
    older(place)
    for _ in range(2):
        store = open_store(place, NEWER)
        with store.read() as view:
            assert list(view.documents("teams")) == [
                ("zoe", {"name": "zoe"}),
                ("ann", {"name": "ann"}),
            ]
        store.close()


@pytest.mark.slow
def test_servers_that_start_at_once_on_an_older_store_migrate_it_once(place: Place) -> None:
    older(place)
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(lambda _: open_store(place, NEWER), range(4)))
    with stores[3].read() as view:
        assert view.get("teams", "ann") == {"name": "ann"}
    for store in stores:
        store.close()


def test_a_step_that_fails_leaves_the_older_store_as_it_was(place: Place) -> None:
    older(place)

    def fail(team: Record, _: Past) -> Record:
        if team["title"] == "ann":
            raise ZeroDivisionError
        return team

    with pytest.raises(ZeroDivisionError):
        open_store(place, FORM._replace(steps=(Step({"teams": fail}),)))
    store = open_store(place, FORM)
    with store.read() as view:
        assert view.get("teams", "ann") == {"title": "ann"}
    store.close()


def test_a_newer_store_is_refused_by_its_version(place: Place) -> None:
    older(place)
    open_store(place, NEWER).close()
    with pytest.raises(StoreUnavailable, match="to form 2; this one reads form 1"):
        open_store(place, FORM)


def test_a_table_of_an_older_form_is_made_as_it_is_declared_now_with_its_records(
    place: Place,
) -> None:
    people = Table("people", references={"team": "teams"})
    store = open_store(place, Form((TEAMS, people)))
    with store.transaction() as transaction:
        transaction.put("teams", "red", {"name": "Rouge"})
        for name in ("zoe", "ann"):
            record = {"name": name, "team": "red", "email": f"{name}@x"}
            transaction.put("people", name, record)
        assert transaction.next_id("people") == 1
    store.close()
    store = open_store(place, Form((TEAMS, PEOPLE, Table("planets")), steps=(Step(),)))
    with store.transaction() as transaction:
        assert [each["name"] for each in transaction.group("people", "team", "red")] == [
            "zoe",
            "ann",
        ]
        found = transaction.find("people", "email", "ann@x")
        assert found is not None and found["name"] == "ann"
        assert transaction.next_id("people") == 2
        assert transaction.count("planets") == 0
        reds = transaction.group("people", "team", "red")
        assert transaction.weight_of("red") == sum(map(weight, reds))
    store.close()
    # A part of the server that is gone again has left its table, which is empty.
    open_store(place, FORM._replace(steps=(Step(),))).close()


def test_a_step_may_look_up_other_records_as_they_were_before_it(place: Place) -> None:
    older(place)
    store = open_store(place, FORM)
    with store.transaction() as transaction:
        transaction.put("people", "bob", {"name": "bob", "team": "ann"})
    store.close()

    def with_titles(team: Record, past: Past) -> Record:
        return team | {"of": sorted(past.get("people", "bob") or {})}

    def with_title(person: Record, past: Past) -> Record:
        team, none = past.get("teams", person["team"]), past.get("teams", "none")
        assert none is None
        return person | {"title": team and team["title"]}

    def with_name(person: Record, past: Past) -> Record:
        return person | {"named": past.get("teams", person["team"])}

    first = Step({"people": with_title, "teams": with_titles})
    steps = (first, RENAME, Step({"people": with_name}))
    store = open_store(place, FORM._replace(steps=steps))
    with store.read() as view:
        assert view.get("people", "bob") == {
            "name": "bob",
            "team": "ann",
            "title": "ann",
            "named": {"name": "ann"},
        }
    store.close()


def test_a_step_leaves_out_records_and_keys_are_made_anew(place: Place) -> None:
    older(place)
    teams = replace(TEAMS, key=lambda team: f"team {team['title']}")
    step = Step({"teams": lambda team, _: team if team["title"] == "zoe" else None})
    store = open_store(place, Form((teams, PEOPLE), steps=(step,)))
    with store.read() as view:
        assert list(view.documents("teams")) == [("team zoe", {"title": "zoe"})]
    store.close()


def test_a_counter_that_a_mistake_has_driven_to_its_end_counts_on_from_the_records(
    place: Place,
) -> None:
    store = open_store(place, FORM)
    with store.transaction() as transaction:
        for number in (7, LARGEST_ID):
            transaction.put("teams", str(number), {"id": number})
        used_up = transaction.freeze()
        used_up._ids["teams"] = LARGEST_ID
        transaction.restore(used_up)
    store.close()
    store = open_store(place, FORM._replace(steps=(Step(),)))
    with store.transaction() as transaction:
        assert transaction.next_id("teams") == 8
        assert transaction.get("teams", str(LARGEST_ID)) == {"id": LARGEST_ID}
    store.close()


def test_a_running_store_refuses_everything_once_a_newer_version_has_it(place: Place) -> None:
    older(place)
    store = open_store(place, FORM)
    with store.read() as view:
        assert view.count("teams") == 2
    open_store(place, NEWER).close()
    for attempt in (store.read, store.transaction):
        with pytest.raises(OtherForm, match="to form 2; this one reads form 1"), attempt() as view:
            view.get("teams", "ann")
    with pytest.raises(OtherForm):
        store.probe()
    store.close()


@pytest.mark.slow
def test_an_upgrade_that_readers_come_between_begins_again(schema_url: str) -> None:
    place = place_of(schema_url)
    older(place)
    with psycopg.connect(schema_url) as reader, ThreadPoolExecutor(1) as pool:
        # The database ends the other one of the two that wait for each other.
        reader.execute("SET deadlock_timeout = '60s'")
        reader.execute("SELECT count(*) FROM people")
        upgrade = pool.submit(open_store, place, NEWER)
        time.sleep(0.5)  # it has the other table now
        reader.execute("SELECT count(*) FROM teams")
        reader.rollback()
        store = upgrade.result()
    with store.read() as view:
        assert view.get("teams", "ann") == {"name": "ann"}
    store.close()


@pytest.mark.slow
def test_a_start_waits_for_the_upgrade_that_another_is_doing(place: Place) -> None:
    older(place)
    is_at_it, may_go_on = threading.Event(), threading.Event()

    def slowly(team: Record, _: Past) -> Record:
        is_at_it.set()
        assert may_go_on.wait(30)
        return team

    newer = FORM._replace(steps=(Step({"teams": slowly}),))
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(open_store, place, newer, patience=0.1)
        assert is_at_it.wait(30)
        second = pool.submit(open_store, place, newer, patience=0.1)
        time.sleep(1)  # ten times as long as it has patience for anything else
        assert not second.done()
        may_go_on.set()
        stores = [first.result(), second.result()]
    assert stores[0].instance == stores[1].instance
    for store in stores:
        store.close()


@pytest.mark.slow
def test_a_store_that_is_awaited_is_used_as_soon_as_it_can_be_opened(path: Path) -> None:
    is_there = threading.Event()

    def opened() -> Store:
        if not is_there.is_set():
            raise StoreUnavailable("It isn't there yet.")
        return Store(DurableStorage(path), FORM)

    store = AwaitedStore(opened, StoreUnavailable("It isn't there."))
    for use in ("read", "transaction"):
        with pytest.raises(StoreUnavailable, match="isn't there"), getattr(store, use)():
            pass
    store.require_form()
    is_there.set()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with suppress(StoreUnavailable):
            store.probe()
            break
    with store.transaction() as transaction:
        transaction.put("teams", "red", {"id": 1, "name": "Red"})
    with store.read() as view:
        assert view.count("teams") == 1
    store.close()


# What can't be reached


def test_a_database_that_can_not_be_reached_is_an_error_without_its_password() -> None:
    url = f"postgresql://ann:s3cret@127.0.0.1:{free_port()}/all"
    with pytest.raises(StoreUnavailable, match="can't be reached") as raised:
        open_store(place_of(url), FORM)
    assert "s3cret" not in str(raised.value)


@pytest.mark.slow
def test_of_several_hosts_the_one_that_answered_last_is_asked_first(postgresql: Cluster) -> None:
    here = f"127.0.0.1:{postgresql.port}"
    url = postgresql.url().replace(here, f"127.0.0.1:{free_port()},{here}")
    database = PostgreSQL(url, FORM, 5)
    database.open_reader().close()
    told = database._sessions._from_last_host()
    assert told["port"].split(",")[0] == str(postgresql.port)
    database.open_reader().close()


@pytest.mark.slow
def test_a_wrong_password_is_told_and_not_shown(
    postgresql: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = postgresql.url().replace("not%20to", "wr0ng")
    with pytest.raises(StoreUnavailable, match="refuses the user, the password") as raised:
        open_store(place_of(url), FORM)
    told = str(raised.value) + caplog.text
    assert "wr0ng" not in told and PASSWORD not in told


def test_a_url_that_libpq_does_not_read_is_told_without_repeating_it() -> None:
    with pytest.raises(StoreUnavailable, match="no URL that PostgreSQL's clients read") as raised:
        open_store(place_of("postgresql://ann:s3cret%zz@127.0.0.1/all"), FORM)
    assert "s3cret" not in str(raised.value)


def test_a_store_is_one_whatever_it_is_kept_in(place: Place) -> None:
    store = open_store(place, FORM)
    assert isinstance(store, Store)
    assert isinstance(store, SqlStore) == (place.kind != "file")
    store.close()


@pytest.mark.parametrize("content", [None, b"{"])
@pytest.mark.parametrize("is_enabled", [True, False])
def test_opening_leaves_the_garbage_collector_as_it_was(
    content: bytes | None, is_enabled: bool, tmp_path: Path
) -> None:
    path = tmp_path / "db.json"
    if content is not None:
        path.write_bytes(content)
    was_enabled = gc.isenabled()
    (gc.enable if is_enabled else gc.disable)()
    try:
        with suppress(StoreDamaged):
            open_store(place_of(str(path)), FORM)
        assert gc.isenabled() is is_enabled
    finally:
        (gc.enable if was_enabled else gc.disable)()
