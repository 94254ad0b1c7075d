"""What goes wrong with a database is told as what it is, and the store works again afterwards."""

import multiprocessing
import os
import pwd
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext, suppress
from datetime import datetime
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from provisioning.store import Form, StoreBusy, StoreUnavailable, Table, Transaction, View
from provisioning.store.errors import Collision
from provisioning.store.opening import open_store, place_of
from provisioning.store.sql import SqlStore, sqlite
from provisioning.store.sql.postgresql import PostgreSQL
from provisioning.store.sql.sqlite import SQLite
from tests.disks import full
from tests.postgresql import UNPRIVILEGED, Cluster, running

pytestmark = pytest.mark.slow

TENANTS = Table("tenants")
NOTES = Table(
    "notes",
    unique={"title": lambda record: record.get("title")},
    groups={"tenant": lambda record: record["tenant"]},
    references={"tenant": "tenants"},
)
FORM = Form((TENANTS, NOTES))
Opener = Callable[..., SqlStore]


@pytest.fixture
def open_postgresql(schema_url: str) -> Iterator[Opener]:
    with ExitStack() as stack:

        def opener(patience: float = 5) -> SqlStore:
            store = SqlStore(PostgreSQL(schema_url, FORM, patience))
            stack.callback(store.close)
            return store

        yield opener


@pytest.fixture
def store(open_postgresql: Opener) -> SqlStore:
    store = open_postgresql()
    begin(store)
    return store


def begin(store: SqlStore) -> None:
    with store.transaction() as transaction:
        for tenant in ("acme", "globex"):
            transaction.put("tenants", tenant, {"label": tenant})


def note(
    transaction: Transaction, key: str, tenant: str = "acme", title: str | None = None
) -> None:
    transaction.put("notes", key, {"tenant": tenant, "title": title})


# Other changes that come between


def test_changes_of_one_tenant_wait_for_each_other_and_others_go_on(
    open_postgresql: Opener, store: SqlStore
) -> None:
    impatient = open_postgresql(patience=0.1)

    def change(tenant: str) -> None:
        with impatient.transaction(tenant) as transaction:
            note(transaction, f"of {tenant}", tenant)

    with store.transaction("acme") as transaction, ThreadPoolExecutor(1) as pool:
        note(transaction, "mine")
        pool.submit(change, "globex").result()
        with pytest.raises(StoreUnavailable, match="busy"):
            pool.submit(change, "acme").result()
    with store.read() as view:
        assert {key for key, _ in view.documents("notes")} == {"mine", "of globex"}


def test_a_change_of_all_waits_for_those_of_single_tenants(
    open_postgresql: Opener, store: SqlStore
) -> None:
    impatient = open_postgresql(patience=0.1)

    def change() -> None:
        with impatient.transaction():
            pass

    with (
        store.transaction("acme"),
        ThreadPoolExecutor(1) as pool,
        pytest.raises(StoreUnavailable, match="busy"),
    ):
        pool.submit(change).result()


# Changes of one record each, which share a tenant's turn


@pytest.fixture
def noted(store: SqlStore) -> SqlStore:
    with store.transaction() as transaction:
        for key in ("one", "other"):
            note(transaction, key)
    return store


def of_one(key: str) -> dict[str, tuple[str, str]]:
    return {"only": ("notes", key)}


@pytest.mark.parametrize("begins", ["one", "all of acme"])
@pytest.mark.parametrize("comes", ["one", "other", "all of acme", "all"])
def test_changes_of_single_records_run_beside_each_other_and_nothing_else(
    open_postgresql: Opener, noted: SqlStore, begins: str, comes: str
) -> None:
    impatient = open_postgresql(patience=0.1)

    def change() -> None:
        tenant = None if comes == "all" else "acme"
        facts = {} if comes.startswith("all") else of_one(comes)
        with impatient.transaction(tenant, **facts) as transaction:
            note(transaction, "other" if comes == "other" else "one", title="theirs")

    facts = of_one("one") if begins == "one" else {}
    with noted.transaction("acme", **facts) as transaction, ThreadPoolExecutor(1) as pool:
        note(transaction, "one", title="mine")
        if (begins, comes) == ("one", "other"):
            pool.submit(change).result()
        else:
            with pytest.raises(StoreUnavailable, match="busy"):
                pool.submit(change).result()
    with noted.read() as view:
        titles = {key: record["title"] for key, record in view.documents("notes")}
        assert titles["one"] == "mine"
        assert (titles["other"] == "theirs") == ((begins, comes) == ("one", "other"))


def test_who_waits_to_change_one_record_sees_what_became_of_it_and_of_what_was_asked_before(
    open_postgresql: Opener, noted: SqlStore, postgresql: Cluster, schema_url: str
) -> None:
    seen = {}

    def change(view: View) -> None:
        with open_postgresql().transaction("acme", ("notes", "one"), view) as transaction:
            seen["title"] = (transaction.get("notes", "one") or {})["title"]
            seen["label"] = (transaction.get("tenants", "acme") or {})["label"]
            seen["time"] = transaction.time()

    with noted.read() as view:
        assert (view.get("tenants", "acme") or {})["label"] == "acme"
    with ThreadPoolExecutor(1) as pool:
        with noted.transaction("acme") as transaction:
            waiting = pool.submit(change, view)
            wait_for(lambda: waiting_in(postgresql, schema_url) == 1)
            note(transaction, "one", title="changed meanwhile")
            transaction.put("tenants", "acme", {"label": "changed meanwhile"})
            transaction.count("notes")
            last = clock_of(transaction)
        waiting.result()
    assert seen["title"] == seen["label"] == "changed meanwhile"
    assert seen["time"] > last


def test_changes_of_single_records_do_not_keep_others_waiting_for_ever(
    open_postgresql: Opener, noted: SqlStore, postgresql: Cluster, schema_url: str
) -> None:
    done = []

    def change(name: str, **facts: tuple[str, str]) -> None:
        with open_postgresql().transaction("acme", **facts):
            done.append(name)

    with ThreadPoolExecutor(2) as pool:
        with noted.transaction("acme", **of_one("one")):
            first = pool.submit(change, "of the tenant")
            wait_for(lambda: waiting_in(postgresql, schema_url) == 1)
            second = pool.submit(change, "of the other record", **of_one("other"))
            wait_for(lambda: waiting_in(postgresql, schema_url) == 2)
            assert done == []
        first.result()
        second.result()
    assert done == ["of the tenant", "of the other record"]


def waiting_in(postgresql: Cluster, url: str) -> int:
    """How many connections of a store wait for a lock."""
    (row,) = postgresql.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "  # noqa: S608 - ours
        f"AND application_name = '{conninfo_to_dict(url)['application_name']}'"
    )
    return int(row[0])


def clock_of(transaction: Transaction) -> datetime:
    found: datetime = transaction._rows("SELECT clock_timestamp()", {})[0][0]  # type: ignore[attr-defined]
    return found


def test_a_unique_value_that_another_tenant_takes_meanwhile_is_a_collision_and_seen_the_next_time(
    store: SqlStore,
) -> None:
    def taken_by_globex() -> None:
        with store.transaction("globex") as other:
            note(other, "theirs", "globex", "the only one")

    with (
        ThreadPoolExecutor(1) as pool,
        pytest.raises(Collision) as raised,
        store.transaction("acme") as transaction,
    ):
        note(transaction, "mine", "acme", "the only one")
        pool.submit(taken_by_globex).result()
    assert raised.value.is_retryable
    with store.transaction("acme") as transaction, pytest.raises(ValueError, match="title"):
        note(transaction, "mine", "acme", "the only one")


def test_a_deadlock_is_a_collision_for_one_and_nothing_for_the_other(store: SqlStore) -> None:
    both = threading.Barrier(2)

    def change(tenant: str, titles: list[str]) -> str:
        try:
            with store.transaction(tenant) as transaction:
                for title in titles:
                    note(transaction, f"{tenant} {title}", tenant, title)
                    transaction.count("notes")
                    with suppress(threading.BrokenBarrierError):
                        both.wait(2)
        except Collision:
            return "collision"
        return "done"

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(change, "acme", ["a", "b"])
        other = pool.submit(change, "globex", ["b", "a"])
        assert sorted([one.result(), other.result()]) == ["collision", "done"]
    with store.read() as view:
        assert view.count("notes") == 2


def test_a_conflict_that_a_cluster_reports_is_a_collision(store: SqlStore) -> None:
    for state in ("40001", "40P01"):
        with pytest.raises(Collision), store.transaction("acme") as transaction:
            note(transaction, "mine")
            raise_in(transaction, state)
    with store.read() as view:
        assert view.count("notes") == 0


def raise_in(transaction: Transaction, state: str) -> None:
    """Let the database itself report an error."""
    statement = f"DO $$ BEGIN RAISE EXCEPTION 'made' USING ERRCODE = '{state}'; END $$"
    transaction._rows(statement, {})  # type: ignore[attr-defined]


# Connections


def test_whoever_finds_all_connections_taken_is_told_so_after_a_while(
    open_postgresql: Opener,
) -> None:
    store = open_postgresql(patience=0.2)
    begin(store)
    with ExitStack() as views:
        for _ in range(store._database.readers):
            views.enter_context(store.read()).count("notes")
        with pytest.raises(StoreUnavailable, match="busy"), store.read() as view:
            view.count("notes")
    with store.read() as view:
        assert view.count("notes") == 0


def test_a_connection_that_died_in_the_pool_is_replaced_unnoticed(
    store: SqlStore, postgresql: Cluster, schema_url: str
) -> None:
    with store.read() as view:
        view.count("notes")
    kill_connections(postgresql, schema_url)
    with store.read() as view:
        assert view.count("notes") == 0
    kill_connections(postgresql, schema_url)
    with store.transaction("acme") as transaction:
        note(transaction, "mine")
    with store.read() as view:
        assert view.count("notes") == 1


def test_a_connection_that_dies_during_a_change_undoes_it(
    store: SqlStore, postgresql: Cluster, schema_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        pytest.raises(StoreUnavailable, match="can't be reached"),
        store.transaction("acme") as transaction,
    ):
        note(transaction, "mine")
        transaction.count("notes")
        kill_connections(postgresql, schema_url)
        transaction.count("notes")
    with store.read() as view:
        assert view.count("notes") == 0
    # The driver has nothing to add to what is said.
    assert {record.name for record in caplog.records} == {"provisioning.store.sql.postgresql"}


def test_a_commit_that_meets_a_dead_connection_has_an_unknown_fate(
    store: SqlStore, postgresql: Cluster, schema_url: str
) -> None:
    end_at_commit(postgresql, schema_url)
    with (
        pytest.raises(StoreUnavailable, match="may or may not") as raised,
        store.transaction("acme") as transaction,
    ):
        note(transaction, "mine")
    assert raised.value.unknown_fate


def end_at_commit(postgresql: Cluster, url: str) -> None:
    """Let the database end a connection in the midst of the commit of a note."""
    schema = conninfo_to_dict(url)["application_name"]
    postgresql.execute(
        f"CREATE FUNCTION {schema}.die() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'"
    )
    postgresql.execute(
        f"CREATE CONSTRAINT TRIGGER die AFTER INSERT ON {schema}.notes "
        f"DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {schema}.die()"
    )


def test_a_password_that_is_changed_later_is_told_until_it_is_right_again(
    postgresql: Cluster,
) -> None:
    name = f"r{time.time_ns()}_{os.getpid()}"
    postgresql.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'first'")
    postgresql.execute(f"CREATE SCHEMA {name} AUTHORIZATION {name}")
    here = f"127.0.0.1:{postgresql.port}/postgres?application_name={name}"
    url = f"postgresql://{name}:first@{here}&options=-csearch_path%3D{name},public"
    store = SqlStore(PostgreSQL(url, FORM, 5))
    begin(store)
    for password, is_right in (("second", False), ("first", True)):
        postgresql.execute(f"ALTER ROLE {name} PASSWORD '{password}'")
        kill_connections(postgresql, url)
        if is_right:
            store.probe()
        else:
            with pytest.raises(StoreUnavailable, match="refuses the user") as raised:
                store.probe()
            assert "first" not in str(raised.value)
    with store.read() as view:
        assert view.count("tenants") == 2
    store.close()


def kill_connections(postgresql: Cluster, url: str) -> None:
    postgresql.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "  # noqa: S608 - a name of ours
        f"WHERE application_name = '{conninfo_to_dict(url)['application_name']}'"
    )


def test_a_forked_child_uses_connections_of_its_own(store: SqlStore) -> None:
    with store.read() as view:
        view.count("notes")

    def child() -> None:
        with store.transaction("acme") as transaction:
            note(transaction, "of the child")
        os._exit(0)

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(30)
    assert process.exitcode == 0
    with store.transaction("acme") as transaction:
        assert transaction.get("notes", "of the child") is not None
        note(transaction, "of the parent")


# Whether it is ready


def test_while_somebody_holds_a_table_the_probe_says_so_at_once(
    open_postgresql: Opener, postgresql: Cluster, schema_url: str
) -> None:
    store = open_postgresql(patience=60)
    schema = conninfo_to_dict(schema_url)["application_name"]
    with psycopg.connect(postgresql.url()) as holder:
        holder.execute(f"LOCK TABLE {schema}.notes IN SHARE MODE")
        with pytest.raises(StoreBusy):
            store.probe()
    store.probe()


# A database that takes no changes


def test_while_a_database_takes_no_changes_it_is_read_and_later_changed_again() -> None:
    with running(Cluster(public_folder())) as cluster:
        store = open_store(place_of(cluster.url()), FORM)
        begin(store)  # type: ignore[arg-type]
        cluster.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        cluster.execute("SELECT pg_reload_conf()")
        wait_for(lambda: cluster.execute("SHOW default_transaction_read_only") == [("on",)])
        with pytest.raises(StoreUnavailable, match="takes no changes"), store.transaction("acme"):
            pass
        with store.read() as view:
            assert view.count("tenants") == 2
        with psycopg.connect(cluster.url(), autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute("ALTER SYSTEM RESET ALL")
            connection.execute("SELECT pg_reload_conf()")
        wait_for(lambda: cluster.execute("SHOW default_transaction_read_only") == [("off",)])
        with store.transaction("acme") as transaction:
            note(transaction, "mine")
        store.close()


def test_a_commit_whose_wait_for_a_standby_somebody_cancels_has_an_unknown_fate() -> None:
    with running(Cluster(public_folder())) as cluster, ThreadPoolExecutor(1) as pool:
        store = open_store(place_of(cluster.url()), FORM)
        begin(store)  # type: ignore[arg-type]
        cluster.execute("ALTER SYSTEM SET synchronous_standby_names = 'gone'")
        cluster.execute("SELECT pg_reload_conf()")

        def change() -> None:
            with store.transaction("acme") as transaction:
                note(transaction, "mine")

        changing = pool.submit(change)
        waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        wait_for(lambda: bool(cluster.execute(waiting)))
        cluster.execute(f"SELECT pg_cancel_backend(pid) FROM ({waiting}) AS found")  # noqa: S608
        with pytest.raises(StoreUnavailable, match="may or may not") as raised:
            changing.result()
        assert raised.value.unknown_fate
        store.close()


def public_folder() -> Path:
    """A folder that the user who runs PostgreSQL gets to."""
    folder = Path(tempfile.mkdtemp(prefix="provisioning-cluster-"))
    folder.chmod(0o711)
    return folder / "cluster"


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# SQLite


@pytest.fixture
def file(tmp_path: Path) -> Iterator[SqlStore]:
    store = SqlStore(SQLite(tmp_path / "p.db", FORM, 0.2))
    begin(store)
    yield store
    store.close()


def test_on_a_full_disk_a_store_is_read_and_changed_again_once_there_is_room(
    small_disk: Path,
) -> None:
    store = SqlStore(SQLite(small_disk / "p.db", FORM, 0.2))
    begin(store)
    with store.transaction() as transaction:
        note(transaction, "before")
    with full(small_disk):
        for number in range(3):
            with (
                pytest.raises(StoreUnavailable, match="No space left") as raised,
                store.transaction() as transaction,
            ):
                note(transaction, "while it is full", title=f"{number}" * 1_000_000)
            assert not raised.value.unknown_fate
            with store.read() as view:
                assert [key for key, _ in view.documents("notes")] == ["before"]
    with store.transaction() as transaction:
        note(transaction, "after", title="x" * 100_000)
    store.close()
    again = SqlStore(SQLite(small_disk / "p.db", FORM, 0.2))
    with again.read() as view:
        assert [key for key, _ in view.documents("notes")] == ["before", "after"]
    again.close()


def test_a_store_is_not_ready_while_a_change_as_large_as_the_last_finds_no_room(
    small_disk: Path,
) -> None:
    store = SqlStore(SQLite(small_disk / "p.db", FORM, 0.2))
    begin(store)
    with store.transaction() as transaction:
        note(transaction, "large", title="x" * 100_000)
    store.probe()
    with full(small_disk, but=50_000):
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="No space left"):
                store.probe()
    store.probe()
    with full(small_disk, but=250_000):
        store.probe()
    store.close()
    assert not list(small_disk.glob("*.tmp"))


@pytest.mark.parametrize("holder", ["ours", "another program"])
def test_while_another_changes_a_file_its_probe_says_so_at_once(
    file: SqlStore, tmp_path: Path, holder: str
) -> None:
    patient = SqlStore(SQLite(tmp_path / "p.db", FORM, 60))
    with sqlite3.connect(tmp_path / "p.db", isolation_level=None) as connection:
        connection.execute("BEGIN IMMEDIATE" if holder == "another program" else "SELECT 1")
        with file.transaction() if holder == "ours" else nullcontext():
            for _ in range(3):
                with pytest.raises(StoreBusy):
                    patient.probe()
    connection.close()
    patient.probe()
    with patient.transaction() as transaction:
        note(transaction, "mine")
    patient.close()


def test_more_than_there_is_room_for_is_kept_out_and_leaves_the_store_whole(
    file: SqlStore,
) -> None:
    with file.transaction() as transaction:
        note(transaction, "before")
    with pytest.raises(StoreUnavailable, match="No space left"), file.transaction() as transaction:
        # SQLite itself says that there is no room for more pages than these.
        transaction._rows("PRAGMA max_page_count = 1", {})  # type: ignore[attr-defined]
        for number in range(200):
            note(transaction, f"{number}", title="x" * 100 + str(number))
    with file.read() as view:
        assert view.count("notes") == 1


def test_a_journal_that_has_grown_beside_a_long_read_is_cut_when_that_has_ended(
    file: SqlStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "LARGEST_JOURNAL", 100_000)
    file.close()
    journal = tmp_path / "p.db-wal"

    def change(*numbers: int) -> None:
        for number in numbers:
            with file.transaction() as transaction:
                note(transaction, "mine", title=f"{number}" * 1_000_000)

    with file.read() as view:
        view.count("notes")
        change(*range(6))
        assert journal.stat().st_size > 5_000_000
    change(*range(3))
    assert journal.stat().st_size < 3_000_000


def test_what_fails_before_the_commit_has_no_unknown_fate(file: SqlStore) -> None:
    with pytest.raises(StoreUnavailable) as raised, file.transaction() as transaction:
        note(transaction, "mine")
        # Whatever is asked from here on is interrupted.
        transaction._connection.driver.set_progress_handler(lambda: 1, 1)  # type: ignore[attr-defined]
    assert not raised.value.unknown_fate
    with file.read() as view:
        assert view.count("notes") == 0


def test_a_file_that_is_gone_takes_no_changes_and_is_told(file: SqlStore, tmp_path: Path) -> None:
    away = (tmp_path / "p.db").rename(tmp_path / "away")
    for use in (file.read, file.transaction):
        with pytest.raises(StoreUnavailable, match="is gone"), use() as view:
            view.count("notes")
    away.rename(tmp_path / "p.db")
    with file.read() as view:
        assert view.count("tenants") == 2


def test_a_file_that_was_put_in_place_of_an_open_one_is_not_mixed_with_it(
    file: SqlStore, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE planets (name TEXT)")
    connection.close()
    other.rename(tmp_path / "p.db")
    with pytest.raises(StoreUnavailable, match="was replaced"), file.read() as view:
        view.count("notes")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user, who may not write")
def test_a_file_that_may_only_be_read_is_read_and_takes_no_changes() -> None:
    folder = public_folder()
    folder.mkdir()
    store = SqlStore(SQLite(folder / "p.db", FORM, 1))
    begin(store)
    for path in (folder, *folder.iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o444)
    told = multiprocessing.get_context("fork").Queue()

    def other_user() -> None:
        os.setuid(pwd.getpwnam(UNPRIVILEGED).pw_uid)
        try:
            with store.transaction() as transaction:
                note(transaction, "mine")
        except StoreUnavailable as error:
            told.put(str(error))

    process = multiprocessing.get_context("fork").Process(target=other_user)
    process.start()
    assert "Permission denied" in told.get(timeout=30)
    process.join()
    store.close()
