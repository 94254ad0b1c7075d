"""Records and the documents that they are in a file: every process agrees which one is which."""

from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from provisioning.store import DurableStorage, Form, Record, Store, Table, tables

PEOPLE = Table(
    "people",
    key=lambda record: record["name"].casefold(),
    numbered="{}",
    nullable=("boss",),
    unique={"id": lambda record: record["id"]},
)
LABELS = Table("labels", key=lambda record: f"{record['team']}/{record['label']}")
KEYS = Table("keys", key=lambda record: record["id"], numbered="key-{}")
FORM = Form((PEOPLE, LABELS, KEYS))


def own(table: str, record: Record) -> str | None:
    """The document id that a record must have, if its own id is a number."""
    identity = str(record.get("id"))
    number = identity.removeprefix("key-")
    fits = number.isdigit() and str(int(number)) == number and not number.startswith("0")
    if table == "labels" or not fits or (table == "keys") != identity.startswith("key-"):
        return None
    return number


def documents(path: Path) -> dict[str, dict[str, Record]]:
    tables = orjson.loads(path.read_bytes())
    del tables["_meta"]
    return tables


def new_record(chance: Random, table: str, number: int) -> Record:
    if table == "people":
        return {"id": number, "name": f"N{chance.randint(1, 30)}", "boss": None}
    if table == "labels":
        return {"team": chance.choice("ab"), "label": f"l-{chance.randint(1, 9)}", "n": number}
    identity = chance.choice((f"key-{chance.randint(1, 40)}", f"robot-{chance.randint(1, 9)}"))
    return {"id": identity, "n": number}


def change(chance: Random, store: Store) -> None:
    """Some records are put, changed, renamed and removed in one transaction."""
    with store.transaction() as transaction:
        for _ in range(chance.randint(1, 4)):
            fact = chance.choice(FORM.tables)
            known = dict(transaction.documents(fact.name))
            if known and chance.random() < 0.6:
                key, record = chance.choice(list(known.items()))
                doing = chance.choice(("change", "remove", "rename"))
                if doing == "change":
                    transaction.put(fact.name, key, record | {"x": chance.random()})
                elif doing == "remove":
                    transaction.remove(fact.name, key)
                else:
                    renamed = record | new_record(chance, fact.name, 0) | {"id": record.get("id")}
                    if fact is LABELS:
                        del renamed["id"]
                    if fact.key(renamed) not in known:
                        transaction.remove(fact.name, key)
                        transaction.put(fact.name, fact.key(renamed), renamed)
            else:
                number = transaction.next_id(fact.name)
                record = new_record(chance, fact.name, number)
                if fact.key(record) not in known:
                    transaction.put(fact.name, fact.key(record), record)


@pytest.mark.slow
@pytest.mark.parametrize("remembered", [1, tables.REMEMBERED])
@pytest.mark.parametrize("seed", range(8))
def test_all_processes_agree_on_records_and_documents(
    path: Path, seed: int, remembered: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "REMEMBERED", remembered)
    chance = Random(seed)
    stores = [Store(DurableStorage(path), FORM) for _ in range(2)]
    before: dict[str, dict[str, Record]] = {"people": {}, "labels": {}, "keys": {}}
    for _ in range(40):
        change(chance, chance.choice(stores))
        views: list[Any] = []
        for store in (*stores, Store(DurableStorage(path), FORM)):
            with store.read() as view:
                views.append({name: list(view.documents(name)) for name in before})
        assert views[0] == views[1] == views[2]
        now = documents(path)
        for fact in FORM.tables:
            found = {fact.key(each): number for number, each in now[fact.name].items()}
            assert [(fact.key(each), each) for each in now[fact.name].values()] == views[0][
                fact.name
            ]
            assert len(found) == len(now[fact.name])
            for number, record in now[fact.name].items():
                assert number.isdigit() and int(number) > 0
                assert own(fact.name, record) in (None, number)
            taken = {own(fact.name, each) for each in now[fact.name].values()}
            for number, record in before[fact.name].items():
                # What is still there is under its id, unless a record with that number has come.
                key = fact.key(record)
                if key in found and found[key] != number:
                    assert own(fact.name, record) is None and number in taken
        before = now


def test_what_is_edited_by_hand_is_written_whole_by_the_next_change(path: Path) -> None:
    store = Store(DurableStorage(path), FORM)
    path.write_text(
        path.read_text().replace(
            '"people": {}', '"people": {"7": {"name": "Ann"}, "3": {"name": "B"}}'
        )
    )
    with store.transaction() as transaction:
        assert transaction.get("people", "ann") == {"id": 7, "name": "Ann", "boss": None}
        assert transaction.next_id("people") == 8
    assert list(documents(path)["people"].items()) == [
        ("7", {"id": 7, "name": "Ann", "boss": None}),
        ("3", {"id": 3, "name": "B", "boss": None}),
    ]


def test_a_document_id_that_was_given_up_is_given_to_one_record_only(path: Path) -> None:
    first = Store(DurableStorage(path), FORM)
    labels = [{"team": "a", "label": name} for name in ("one", "two", "three")]
    with first.transaction() as transaction:
        transaction.put("labels", "a/one", labels[0])
        begun = transaction.freeze()
        transaction.put("labels", "a/two", labels[1])
    with first.transaction() as transaction:
        transaction.restore(begun)
    with Store(DurableStorage(path), FORM).transaction() as transaction:
        transaction.put("labels", "a/three", labels[2])
    with first.transaction() as transaction:
        transaction.put("labels", "a/two", labels[1])
    assert list(documents(path)["labels"].values()) == [labels[0], labels[2], labels[1]]


def test_records_that_exchange_their_keys_are_seen_by_another_process(path: Path) -> None:
    first = Store(DurableStorage(path), FORM)
    ann, bob = ({"id": n, "name": name, "boss": None} for n, name in ((1, "Ann"), (2, "Bob")))
    with first.transaction() as transaction:
        transaction.put("people", "ann", ann)
        transaction.put("people", "bob", bob)
    other = Store(DurableStorage(path), FORM)
    with first.transaction() as transaction:
        for key in ("ann", "bob"):
            transaction.remove("people", key)
        transaction.put("people", "bob", ann | {"name": "Bob"})
        transaction.put("people", "ann", bob | {"name": "Ann"})
    with first.read() as view, other.read() as seen:
        assert list(seen.documents("people")) == list(view.documents("people"))
        assert seen.find("people", "id", 1) == ann | {"name": "Bob"}
