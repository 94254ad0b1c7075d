"""The JSON file under TinyDB's own classes, as its documentation uses them."""

import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import tinydb
from tinydb import TinyDB, where
from tinydb.middlewares import CachingMiddleware
from tinydb.operations import delete
from tinydb.table import Document

import provisioning.store
from provisioning.accounts import rename
from provisioning.factory import COLLECTIONS, open_server
from provisioning.settings import Settings
from provisioning.store import DurableStorage, Store, StoreDamaged, StoreUnavailable
from provisioning.web.server import Server

FROM = "2026-01-01T00:00:00Z"
TENANT = {"tenant": "acme"}
OWN = {"tenant": "acme", "activeFrom": FROM}
INSERTED: dict[str, dict[str, Any]] = {
    "tenants": {"name": "Umbrella", "label": "umbrella", "active": True},
    "users": {"username": "Zenobia@acme.test", "email": "zenobia@acme.test", "home": "acme"},
    "privileges": {"user": "uma@acme.test", "role": "TEAM_LEADER", **OWN},
    "domain_mappings": {"domain": "zoe.acme.example", **OWN},
    "subscriptions": {"service": "map", "registeredDate": FROM, **OWN},
    "dashboards": {
        **{"title": "Mine", "menuLabel": "Mine", "label": "mine", "type": "CUSTOM"},
        **{"status": "BETA", "listOrder": 1, **TENANT},
    },
    "statements": {
        **{"title": "Mine", "label": "mine", "type": "CUSTOM", "status": "BETA"},
        **{"query": "all", **TENANT},
    },
    "statement_configs": {"label": "mine", "config": {"a": 1}, "changedDate": FROM, **TENANT},
    "endpoints": {
        **{"url": "amqps://mq.test", "endpointType": "MQ_INCOMING", "registeredDate": FROM},
        **{"active": True, "durable": False, **OWN},
    },
    "api_keys": {"type": "BASIC", "apiToken": "t" * 30, "createdDate": FROM, **OWN},
    "audit": {
        **{"at": FROM, "via": "api", "action": "change", "resource": "users", "target": "x"},
        **{"changes": {}, "number": 2, **TENANT},
    },
    "scim_users": {"user": "uma@acme.test", "externalId": "u-1", **TENANT},
    "scim_groups": {"role": "USER", "externalId": "g-1", **TENANT},
    "scim_forgotten": {"user": "uma@acme.test", "privilege": "1", **TENANT},
}
"""One record of each table, without its id and without what may be null."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the demo data."""
    server = open_server(Settings(data=tmp_path_factory.mktemp("demo") / "db.json", demo="on"))
    return server.settings.place.path


@pytest.fixture
def server(demo: Path, tmp_path: Path) -> Server:
    """A server whose file has the demo data."""
    shutil.copy(demo, tmp_path)
    return open_server(Settings(data=tmp_path / "db.json", demo="on"))


@pytest.fixture
def path(server: Server) -> Path:
    return server.settings.place.path


def records(server: Server, table: str) -> dict[str, Any]:
    with server.store.transaction() as transaction:
        return dict(transaction.documents(table))


def last(path: Path, table: str) -> int:
    with TinyDB(path) as database:
        return max((each.doc_id for each in database.table(table)), default=0)


def test_it_reads_and_searches(path: Path) -> None:
    with TinyDB(path) as database:
        users = database.table("users")
        uma = users.get(where("username") == "uma@acme.test")
        assert uma.doc_id == uma["id"]
        assert users.get(doc_id=7)["id"] == 7
        assert users.search(where("username") == "uma@acme.test") == [uma]
        assert users.count(where("home") == "acme") > 10
        assert database.table("api_keys").get(doc_id=7)["id"] == "key-7"
        assert database.table("tenants").get(where("label") == "acme")["name"] == "Acme Logistics"
        assert {"users", "dashboards", "audit"} < database.tables()


@pytest.mark.parametrize("table", COLLECTIONS)
def test_in_each_table_it_inserts_updates_and_removes(
    server: Server, path: Path, table: str
) -> None:
    inserted, collection = INSERTED[table], COLLECTIONS[table]
    before = records(server, table)
    expected_id = last(path, table) + 1
    with TinyDB(path) as database:
        number = database.table(table).insert(inserted)
    assert number == expected_id
    known = dict.fromkeys(collection.facts.nullable) | inserted
    if collection.numbered:
        known["id"] = number if collection.numbered == "{}" else f"key-{number}"
    key = collection.key(known)
    assert records(server, table) == {**before, key: known}

    member, value = {"audit": ("target", "y")}.get(table, ("tenant", "globex"))
    if table in ("tenants", "users"):
        member, value = ("name", "New") if table == "tenants" else ("firstName", "Zoë")
    with TinyDB(path) as database:
        changed = database.table(table).update({member: value}, doc_ids=[number])
    assert changed == [number]
    later = known | {member: value}
    assert records(server, table) == {**before, collection.key(later): later}

    with TinyDB(path) as database:
        database.table(table).remove(doc_ids=[number])
    assert records(server, table) == before


def test_every_document_id_of_its_own_record_is_the_records_id(server: Server, path: Path) -> None:
    with TinyDB(path) as database:
        for name, collection in COLLECTIONS.items():
            for document in database.table(name):
                if collection.numbered:
                    assert document["id"] in (document.doc_id, f"key-{document.doc_id}")


def test_what_it_writes_the_server_writes_whole(server: Server, path: Path) -> None:
    with TinyDB(path) as database:
        number = database.table("users").insert(INSERTED["users"])
    with server.store.transaction() as transaction:
        transaction.next_id("users")
    with TinyDB(path) as database:
        zoe = database.table("users").get(doc_id=number)
    assert (zoe["id"], zoe["lastName"]) == (number, None)


def test_documents_keep_their_ids_through_changes_renames_and_restarts(
    server: Server, path: Path
) -> None:
    def ids() -> dict[str, list[int]]:
        with TinyDB(path) as database:
            return {name: [each.doc_id for each in database.table(name)] for name in COLLECTIONS}

    before = ids()
    rename(server, "uma@acme.test", "aaa@acme.test")
    with server.store.transaction() as transaction:
        for name in ("dashboards", "statements"):
            for key, record in list(transaction.documents(name))[::2]:
                transaction.put(name, key, record | {"description": "new"})
    server = open_server(server.settings)
    with server.store.transaction() as transaction:
        transaction.next_id("users")
    after = ids()
    assert {n: sorted(i) for n, i in after.items() if n != "audit"} == {
        n: sorted(i) for n, i in before.items() if n != "audit"
    }
    with TinyDB(path) as database:
        users = database.table("users")
        uma = users.get(where("username") == "aaa@acme.test")
        assert uma is not None and uma.doc_id == uma["id"]


def test_the_document_id_of_a_removed_last_one_comes_again_the_records_never(
    server: Server, path: Path
) -> None:
    def added(table: str) -> int:
        """The document id of a record that the server makes."""
        collection = COLLECTIONS[table]
        with server.store.transaction() as transaction:
            record = dict.fromkeys(collection.facts.nullable) | INSERTED[table]
            if collection.numbered:
                record["id"] = transaction.next_id(table)
            transaction.put(table, collection.key(record), record)
        return last(path, table)

    for table, comes_again in (("users", False), ("dashboards", True)):
        number = added(table)
        with TinyDB(path) as database:
            database.table(table).remove(doc_ids=[number])
        assert (added(table) == number) is comes_again


def test_an_id_that_is_no_number_has_a_document_id_that_makes_room(
    server: Server, path: Path
) -> None:
    nothing = dict.fromkeys(COLLECTIONS["api_keys"].facts.nullable)
    number = last(path, "api_keys") + 1

    def put(identity: str) -> None:
        with server.store.transaction() as transaction:
            token = identity * 9
            key = nothing | INSERTED["api_keys"] | {"id": identity, "apiToken": token}
            transaction.put("api_keys", identity, key)

    def documents() -> dict[str, int]:
        with TinyDB(path) as database:
            return {each["id"]: each.doc_id for each in database.table("api_keys")}

    for identity in ("robot-7", "key-07"):
        put(identity)
    assert (documents()["robot-7"], documents()["key-07"]) == (number, number + 1)
    put(f"key-{number}")
    known = documents()
    assert known[f"key-{number}"] == number
    assert sorted(known.values()) == sorted({*known.values()})
    assert known["key-07"] == number + 1
    assert records(open_server(server.settings), "api_keys").keys() == known.keys()


@pytest.mark.parametrize(
    ("table", "document", "problem"),
    [
        ("users", {"id": 7, **INSERTED["users"]}, "its id is 7, so its document id must be 7"),
        ("users", {"email": "z@acme.test", "home": "acme"}, "username: Is missing"),
        ("users", {**INSERTED["users"], "username": 7}, "wrong type"),
        ("users", {**INSERTED["users"], "username": "UMA@acme.test"}, "same record as document"),
        ("users", {**INSERTED["users"], "home": "none"}, "refers to nothing"),
        ("api_keys", {**INSERTED["api_keys"], "id": "key-7"}, "its document id must be 7"),
        ("tenants", {"name": "Acme", "label": "acme", "active": True}, "same record as document 1"),
    ],
)
def test_a_faulty_document_is_named_and_left_alone(
    server: Server, path: Path, table: str, document: dict[str, Any], problem: str
) -> None:
    with TinyDB(path) as database:
        number = database.table(table).insert(document)
    content = path.read_bytes()
    with pytest.raises(StoreDamaged, match="(?i)" + problem) as told, server.store.transaction():
        pass
    assert f"table {table}" in str(told.value)
    assert f"document {number}" in str(told.value)
    with pytest.raises(StoreDamaged, match="(?i)" + problem):
        open_server(server.settings)
    assert path.read_bytes() == content


@pytest.mark.parametrize("number", ["uma@acme.test", "07", "0", "-1", "1.5", str(2**53)])
def test_a_document_id_that_tinydb_does_not_give_is_named(
    server: Server, path: Path, number: str
) -> None:
    text = path.read_text()
    path.write_text(text.replace('"users": {\n    "1": {', f'"users": {{\n    "{number}": {{'))
    with (
        pytest.raises(StoreDamaged, match=f"table users, document {number}.*a document id is"),
        server.store.transaction(),
    ):
        pass


def test_an_empty_default_table_is_no_fault_and_a_filled_one_is_named(
    server: Server, path: Path
) -> None:
    with TinyDB(path) as database:
        number = database.insert({"a": 1})
        database.remove(doc_ids=[number])
        assert "_default" not in database.tables() or len(database) == 0
    assert records(server, "tenants")
    with TinyDB(path) as database:
        database.insert({"a": 1})
    with pytest.raises(StoreDamaged, match="table _default"), server.store.transaction():
        pass


def test_what_its_documentation_shows_works(server: Server, path: Path) -> None:
    """Upsert, operations, documents with an id of their own, several at once, truncating."""
    with TinyDB(path) as database:
        users, user = database.table("users"), tinydb.Query()
        users.upsert({"lastName": "Ziegler"}, user.username == "uma@acme.test")
        users.upsert(Document({"firstName": "Umä"}, doc_id=users.get(user.id == 3).doc_id))
        users.update(delete("avatar"), user.username == "uma@acme.test")
        users.update_multiple([({"hint": "x"}, user.id == 1), ({"hint": "y"}, user.id == 2)])
        numbers = users.insert_multiple(
            {**INSERTED["users"], "username": f"{name}@acme.test"} for name in ("a", "b")
        )
        database.table("domain_mappings").truncate()
    found = {each["id"]: each for each in records(server, "users").values()}
    assert [found[number]["username"] for number in numbers] == ["a@acme.test", "b@acme.test"]
    assert (found[1]["hint"], found[2]["hint"], found[3]["firstName"]) == ("x", "y", "Umä")
    with TinyDB(path) as database:
        uma = database.table("users").get(where("username") == "uma@acme.test")
    assert found[uma["id"]]["lastName"] == "Ziegler"
    assert found[uma["id"]]["avatar"] is None
    assert records(server, "domain_mappings") == {}


# Beside a running server


def beside(path: Path, **options: Any) -> TinyDB:
    return TinyDB(path, storage=provisioning.store.DurableStorage, **options)


def make(server: Server, username: str) -> None:
    """Let the server make an account."""
    with server.store.transaction() as transaction:
        nothing = dict.fromkeys(COLLECTIONS["users"].facts.nullable)
        number = transaction.next_id("users")
        record = nothing | INSERTED["users"] | {"id": number, "username": username}
        transaction.put("users", username, record)


def test_beside_a_server_it_reads_what_is_there_now_and_writes_durably(
    server: Server, path: Path
) -> None:
    with beside(path) as database:
        users = database.table("users")
        make(server, "ann@acme.test")
        ann = users.get(where("username") == "ann@acme.test")
        users.update({"firstName": "Ann"}, doc_ids=[ann.doc_id])
        with server.store.read() as view:
            assert view.get("users", "ann@acme.test")["firstName"] == "Ann"
        make(server, "bob@acme.test")
        assert users.count(where("username") == "bob@acme.test") == 1
        users.remove(where("username") == "bob@acme.test")
        number = users.insert({**INSERTED["users"], "username": "cid@acme.test"})
    with server.store.read() as view:
        assert view.get("users", "bob@acme.test") is None
        assert view.get("users", "cid@acme.test")["id"] == number
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_write_is_refused_where_the_server_has_changed_anything_since_the_read(
    server: Server, path: Path
) -> None:
    def slowly(document: dict[str, Any]) -> None:
        make(server, "ann@acme.test")
        # What is read meanwhile doesn't make the first read a later one.
        assert database.table("users").count(where("username") == "ann@acme.test") == 1
        document["firstName"] = "lost"

    with beside(path) as database:
        with pytest.raises(StoreUnavailable, match="changed since it was read"):
            database.table("users").update(slowly, doc_ids=[1])
        with server.store.read() as view:
            assert view.get("users", "ann@acme.test") is not None
            assert "lost" not in [each["firstName"] for each in view.all("users")]
        database.table("users").update({"firstName": "kept"}, doc_ids=[1])
    with server.store.read() as view:
        assert "kept" in [each["firstName"] for each in view.all("users")]


def test_no_other_record_is_put_under_an_id_that_the_server_has_given_meanwhile(
    server: Server, path: Path
) -> None:
    def new(*names: str) -> list[dict[str, Any]]:
        return [{**INSERTED["users"], "username": f"{name}@acme.test"} for name in names]

    with beside(path) as database:
        users = database.table("users")
        users.insert_multiple(new("a", "b"))  # TinyDB has reckoned with the next id now
        make(server, "ann@acme.test")
        with pytest.raises(StoreUnavailable, match="users: another record has the document id"):
            users.insert_multiple(new("c", "d"))
        make(server, "bob@acme.test")
        make(server, "cat@acme.test")
        with pytest.raises(ValueError, match="already exists"):
            users.insert(new("e")[0])
    with beside(path) as database:
        database.table("users").insert_multiple(new("c", "d"))
    with server.store.read() as view:
        for name in ("a", "b", "c", "d", "ann", "bob", "cat"):
            assert view.get("users", f"{name}@acme.test") is not None


def test_tables_are_not_dropped_all_at_once(server: Server, path: Path) -> None:
    content = path.read_bytes()
    with beside(path) as database:
        with pytest.raises(StoreUnavailable, match="truncate"):
            database.drop_tables()
        with pytest.raises(StoreUnavailable, match="truncate"):
            database.storage.write({"users": {}})
        assert path.read_bytes() == content
        database.drop_table("statement_configs")
    assert records(server, "statement_configs") == {}


def test_it_takes_the_arguments_of_tinydbs_own_storage(server: Server, path: Path) -> None:
    arguments: dict[str, Any] = {"create_dirs": True, "encoding": "utf-8", "access_mode": "r+"}
    with beside(path, **arguments, indent=4, sort_keys=True, default=str) as database:
        hint = date(2026, 1, 1)
        database.table("users").update({"hint": hint}, doc_ids=[1])
    hints = {each["id"]: each["hint"] for each in records(server, "users").values()}
    assert hints[1] == "2026-01-01"
    content = path.read_bytes()
    with beside(path, access_mode="r") as database:
        assert len(database.table("users")) > 10
        with pytest.raises(OSError, match="access mode"):
            database.table("users").update({"hint": "y"}, doc_ids=[1])
    with beside(path) as database, pytest.raises(TypeError):
        database.table("users").update({"hint": hint}, doc_ids=[1])
    assert path.read_bytes() == content


def test_a_new_file_is_one_of_tinydbs_alone(tmp_path: Path) -> None:
    path = tmp_path / "new/own.json"
    with beside(path) as database:
        assert database.insert({"a": 1}) == 1
        assert database.insert({"a": 2}) == 2
    with TinyDB(path) as database:
        assert [each["a"] for each in database] == [1, 2]
    with pytest.raises(StoreDamaged, match="doesn't say of which schema"):
        Store(DurableStorage(path), COLLECTIONS.form)


def test_its_caching_goes_on_until_somebody_else_has_written(server: Server, path: Path) -> None:
    cached = CachingMiddleware(provisioning.store.DurableStorage)
    with TinyDB(path, storage=cached) as database:
        for value in ("x", "y"):
            database.table("users").update({"hint": value}, doc_ids=[1])
            cached.flush()
        make(server, "ann@acme.test")
        database.table("users").update({"hint": "z"}, doc_ids=[1])
        with pytest.raises(StoreUnavailable):
            cached.flush()
        cached._cache_modified_count = 0
    hints = {each["id"]: each["hint"] for each in records(server, "users").values()}
    assert hints[1] == "y"


@pytest.mark.slow
def test_programs_and_a_server_that_write_at_once_lose_nothing(server: Server, path: Path) -> None:
    def add(program: int) -> int:
        done = 0
        for number in range(10):
            with suppress(StoreUnavailable), beside(path) as database:
                name = f"p{program}-{number}@acme.test"
                database.table("users").insert({**INSERTED["users"], "username": name})
                done += 1
        return done

    before = len(records(server, "users"))
    with ThreadPoolExecutor(3) as pool:
        programs = [pool.submit(add, program) for program in range(2)]
        made = [pool.submit(make, server, f"s{number}@acme.test") for number in range(20)]
        kept = [each.exception() for each in made].count(None)
        assert len(records(server, "users")) <= before + 40
        kept += sum(each.result() for each in programs)
    assert len(records(server, "users")) == before + kept
    assert kept > 20


@pytest.mark.parametrize("page", ["README.md", "docs/run-it.md"])
def test_the_example_of_the_page_does_what_it_says(
    page: str, server: Server, path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """With the demo's uma in place of alice, whom `init` has made."""
    text = (Path(__file__).parent.parent / page).read_text()
    (example,) = re.findall(r"^```python\n(from tinydb .*?)^```", text, re.MULTILINE | re.DOTALL)
    (path.parent / "data").mkdir()
    path.rename(path.parent / "data/db.json")
    monkeypatch.chdir(path.parent)
    exec(example.replace("alice@acme.test", "uma@acme.test"), {})  # noqa: S102
    path.parent.joinpath("data/db.json").rename(path)
    uma = records(server, "users")["uma@acme.test"]
    if page == "README.md":
        assert repr(uma["id"]) in capsys.readouterr().out
    else:
        assert uma["hint"] == "on leave"


def test_a_plain_one_held_open_beside_a_server_writes_a_file_that_is_no_longer_there(
    server: Server, path: Path
) -> None:
    with TinyDB(path) as database:
        make(server, "ann@acme.test")
        database.table("users").update({"hint": "lost"}, doc_ids=[1])
    hints = {each["id"]: each["hint"] for each in records(server, "users").values()}
    assert hints[1] != "lost"
    assert records(server, "users").keys() >= {"ann@acme.test"}
