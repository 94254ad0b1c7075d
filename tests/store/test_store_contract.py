"""What every store does, whatever it keeps its tables in."""

import functools
import json
import math
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from provisioning.store import Query, Record, Store, StoreUnavailable, View

from .conftest import Opener


def fill(store: Store, *people: Record) -> None:
    """Two teams, and these people by name, in `red` unless told."""
    with store.transaction() as transaction:
        for team in ("red", "blue"):
            transaction.put("teams", team, {"name": team.title()})
        for person in people:
            transaction.put("people", person["name"], {"team": "red", **person})


def names(records: Iterable[Record]) -> list[str]:
    return [record["name"] for record in records]


def test_a_new_store_is_empty(store: Store) -> None:
    with store.read() as view:
        assert view.tables() == {"teams": {}, "people": {}}
        assert view.get("people", "ann") is None
        assert view.find("people", "email", "ann@x") is None
        assert list(view.group("people", "team", "red")) == []


def test_a_record_is_replaced_whole(store: Store) -> None:
    fill(store, {"name": "ann", "email": "ann@x"})
    with store.transaction() as transaction:
        transaction.put("people", "ann", {"name": "Ann", "team": "blue"})
    with store.read() as view:
        assert view.get("people", "ann") == {"name": "Ann", "team": "blue"}


def test_a_removed_record_is_gone_from_table_and_indexes(store: Store) -> None:
    fill(store, {"name": "ann", "email": "ann@x"})
    with store.transaction() as transaction:
        transaction.remove("people", "ann")
    with store.read() as view:
        assert view.get("people", "ann") is None
        assert view.find("people", "email", "ann@x") is None
        assert list(view.group("people", "team", "red")) == []


def test_removing_what_is_not_there_is_an_error(store: Store) -> None:
    with pytest.raises(KeyError), store.transaction() as transaction:
        transaction.remove("people", "nobody")


def test_a_unique_index_follows_changes(store: Store) -> None:
    fill(store, {"name": "ann", "email": "old@x"}, {"name": "bob"})
    with store.transaction() as transaction:
        transaction.put("people", "ann", {"name": "ann", "team": "red", "email": "new@x"})
        transaction.put("people", "bob", {"name": "bob", "team": "red", "email": "old@x"})
    with store.read() as view:
        assert names(filter(None, [view.find("people", "email", "new@x")])) == ["ann"]
        assert names(filter(None, [view.find("people", "email", "old@x")])) == ["bob"]


def test_a_second_record_with_a_unique_value_is_refused_and_nothing_of_it_stays(
    store: Store,
) -> None:
    fill(store, {"name": "ann", "email": "ann@x"})
    with store.transaction() as transaction:
        with pytest.raises(ValueError, match="email"):
            transaction.put("people", "bob", {"name": "bob", "team": "red", "email": "ann@x"})
        assert transaction.get("people", "bob") is None
        assert names(transaction.group("people", "team", "red")) == ["ann"]


def test_records_without_a_unique_value_do_not_collide(store: Store) -> None:
    fill(store, {"name": "ann", "email": None}, {"name": "bob"})
    with store.read() as view:
        assert view.find("people", "email", None) is None
        assert len(view.all("people")) == 2


def test_records_come_in_the_order_of_their_creation(store: Store, open_store: Opener) -> None:
    fill(store, {"name": "cid"}, {"name": "ann"}, {"name": "bob", "team": "blue"})
    with store.transaction() as transaction:
        transaction.put("people", "cid", {"name": "cid", "team": "red", "nickname": "C"})
    for each in (store, open_store()):
        with each.read() as view:
            assert names(view.all("people")) == ["cid", "ann", "bob"]
            assert names(view.group("people", "team", "red")) == ["cid", "ann"]


def test_a_record_that_changes_groups_takes_its_place_in_table_order(
    store: Store, open_store: Opener
) -> None:
    fill(store, {"name": "cid"}, {"name": "ann", "team": "blue"}, {"name": "bob"})
    with store.transaction() as transaction:
        transaction.put("people", "ann", {"name": "ann", "team": "red"})
    for each in (store, open_store()):
        with each.read() as view:
            assert names(view.group("people", "team", "red")) == ["cid", "ann", "bob"]
            assert list(view.group("people", "team", "blue")) == []


def test_a_group_can_be_left_and_entered_again_in_one_transaction(store: Store) -> None:
    fill(store, {"name": "ann", "desk": 1})
    with store.transaction() as transaction:
        transaction.put("people", "ann", {"name": "ann", "team": "red"})
        assert list(transaction.group("people", "desk", ("red", 1))) == []
        transaction.put("people", "ann", {"name": "ann", "team": "red", "desk": 1})
    with store.read() as view:
        assert names(view.group("people", "desk", ("red", 1))) == ["ann"]


def test_a_transaction_sees_its_changes_and_others_do_not_until_it_ends(store: Store) -> None:
    fill(store)
    with store.transaction() as transaction:
        transaction.put("people", "ann", {"name": "ann", "team": "red", "email": "ann@x"})
        assert transaction.find("people", "email", "ann@x") is not None
        assert transaction.query("people", Query(words=("ann",))).total == 1
        with store.read() as view:
            assert view.get("people", "ann") is None
    with store.read() as view:
        assert view.get("people", "ann") is not None


def test_an_exception_undoes_every_change(store: Store) -> None:
    fill(store, {"name": "ann"})
    with pytest.raises(LookupError), store.transaction() as transaction:
        transaction.put("teams", "green", {"name": "Green"})
        transaction.remove("people", "ann")
        transaction.next_id("people")
        raise LookupError
    with store.read() as view:
        assert view.get("teams", "green") is None
        assert names(view.group("people", "team", "red")) == ["ann"]
    with store.transaction() as transaction:
        assert transaction.next_id("people") >= 1


def test_records_can_be_changed_while_walking_through_them(store: Store) -> None:
    fill(store, {"name": "ann"}, {"name": "bob"}, {"name": "cid"})
    with store.transaction() as transaction:
        transaction.put("people", "dora", {"name": "dora", "team": "blue"})
        for record in transaction.group("people", "team", "red"):
            transaction.remove("people", record["name"])
        for record in transaction.all("people"):
            transaction.put("people", record["name"] + "2", {**record, "team": "red"})
    with store.read() as view:
        assert list(view.tables()["people"]) == ["dora", "dora2"]


def test_a_view_stays_as_it_was(store: Store) -> None:
    fill(store, {"name": "ann", "email": "ann@x"}, {"name": "bob"})
    with store.read() as view:
        # A view is of the moment of its first question.
        assert view.count("people") == 2
        with store.transaction() as transaction:
            transaction.remove("people", "ann")
            transaction.put("people", "cid", {"name": "cid", "team": "red"})
        assert names(view.all("people")) == ["ann", "bob"]
        assert names(view.group("people", "team", "red")) == ["ann", "bob"]
        assert view.find("people", "email", "ann@x") is not None


def test_two_changes_of_one_group_in_two_transactions_leave_older_views_alone(
    store: Store,
) -> None:
    fill(store, {"name": "ann"})
    with store.transaction() as transaction:
        transaction.put("people", "bob", {"name": "bob", "team": "red"})
    with store.read() as view, store.transaction() as transaction:
        transaction.put("people", "cid", {"name": "cid", "team": "red"})
        assert names(view.group("people", "team", "red")) == ["ann", "bob"]


def test_the_store_keeps_a_copy_of_what_is_put(store: Store) -> None:
    record: Record = {"name": "ann", "team": "red", "tags": ["a"]}
    fill(store)
    with store.transaction() as transaction:
        transaction.put("people", "ann", record)
        record["tags"].append("b")
    with store.read() as view:
        assert view.get("people", "ann") == {"name": "ann", "team": "red", "tags": ["a"]}


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        (1, 2),
        {1, 2},
        {1: 2},
        "\ud800",
        2**64,
        b"bytes",
        datetime(2026, 1, 15, tzinfo=UTC),
        pytest.param(functools.reduce(lambda inside, _: [inside], range(260), 0), id="deep"),
    ],
)
def test_a_value_that_json_would_not_give_back_is_refused(store: Store, value: Any) -> None:
    fill(store)
    with pytest.raises(TypeError), store.transaction() as transaction:
        transaction.put("teams", "green", {"value": value})
    with store.read() as view:
        assert view.get("teams", "green") is None


@pytest.mark.parametrize("value", [None, True, 0, -1, 2**64 - 1, 1.5, "\0 \U0001f600", [], {}])
def test_a_value_comes_back_as_it_was_put(store: Store, open_store: Opener, value: Any) -> None:
    with store.transaction() as transaction:
        transaction.put("teams", "green", {"value": value})
    with open_store().read() as view:
        record = view.get("teams", "green")
        assert record == {"value": value}
        assert type(record["value"]) is type(value)


def test_a_reference_to_nothing_is_refused(store: Store) -> None:
    fill(store)
    with pytest.raises(ValueError, match="people: team"), store.transaction() as transaction:
        transaction.put("people", "ann", {"name": "ann", "team": "green"})
    with store.read() as view:
        assert view.get("people", "ann") is None


def test_what_is_referred_to_can_not_be_removed_alone(store: Store) -> None:
    fill(store, {"name": "ann"})
    with pytest.raises(ValueError, match="people: team"), store.transaction() as transaction:
        transaction.remove("teams", "red")
    with store.transaction() as transaction:
        transaction.remove("teams", "red")
        transaction.remove("people", "ann")


@pytest.mark.parametrize("guild", [8, 0, "7", 7.0, True])
def test_an_id_that_no_record_has_is_refused(store: Store, guild: Any) -> None:
    with store.transaction() as transaction:
        transaction.put("teams", "red", {"id": 7, "name": "Red"})
    with (
        pytest.raises(ValueError, match="guild refers to nothing"),
        store.transaction() as transaction,
    ):
        transaction.put("people", "ann", {"name": "Ann", "team": "red", "guild": guild})


def test_a_record_that_is_named_by_its_id_can_have_another_key_and_not_be_removed(
    store: Store,
) -> None:
    with store.transaction() as transaction:
        transaction.put("teams", "red", {"id": 7, "name": "Red"})
        transaction.put("teams", "blue", {"id": 8, "name": "Blue"})
        transaction.put("people", "ann", {"name": "Ann", "team": "blue", "guild": 7})
    with store.transaction() as transaction:
        transaction.remove("teams", "red")
        transaction.put("teams", "crimson", {"id": 7, "name": "Crimson"})
    with store.read() as view:
        assert view.find("teams", "id", 7) == {"id": 7, "name": "Crimson"}
    with (
        pytest.raises(ValueError, match="guild refers to nothing"),
        store.transaction() as transaction,
    ):
        transaction.remove("teams", "crimson")


def test_references_are_looked_at_when_the_transaction_ends(store: Store) -> None:
    with store.transaction() as transaction:
        transaction.put("people", "ann", {"name": "ann", "team": "green"})
        transaction.put("teams", "green", {"name": "Green"})


def test_ids_grow_and_are_never_given_again(store: Store, open_store: Opener) -> None:
    fill(store)
    with store.transaction() as transaction:
        assert [transaction.next_id("people") for _ in range(2)] == [1, 2]
        transaction.put("people", "ann", {"id": 2, "name": "ann", "team": "red"})
    with store.transaction() as transaction:
        transaction.remove("people", "ann")
    with open_store().transaction() as transaction:
        assert transaction.next_id("people") == 3
        assert transaction.next_id("teams") == 1


@pytest.mark.parametrize(
    ("key", "record", "following"),
    [
        ("40", {}, 41),
        ("ann", {"id": 40}, 41),
        ("key-40", {"id": "key-40"}, 41),
        ("key-40", {}, 41),
        ("ann", {}, 1),
        ("ann", {"id": None}, 1),
        ("\N{ARABIC-INDIC DIGIT FOUR}", {}, 1),
        (str(2**53 + 1), {}, 1),
        ("1" * 5000, {}, 1),
    ],
)
def test_ids_stay_above_those_that_came_from_elsewhere(
    store: Store, key: str, record: Record, following: int
) -> None:
    with store.transaction() as transaction:
        transaction.put("teams", key, record)
        assert transaction.next_id("teams") == following


LARGEST, LARGEST_BROUGHT = 2**53 - 1, 2**52 - 1


@pytest.mark.parametrize(
    "identity",
    [LARGEST + 1, LARGEST + 2, 2**64 - 1, f"key-{LARGEST + 1}", "key-" + "9" * 5000],
)
def test_an_id_that_not_every_reader_can_hold_is_refused(store: Store, identity: Any) -> None:
    with store.transaction() as transaction:
        with pytest.raises(ValueError, match="id"):
            transaction.put("teams", "red", {"id": identity})
        assert transaction.get("teams", "red") is None


@pytest.mark.parametrize("identity", [LARGEST, f"key-{LARGEST}"])
def test_after_the_largest_id_there_is_none(
    store: Store, open_store: Opener, identity: Any
) -> None:
    with store.transaction() as transaction:
        transaction.put("teams", "red", {"id": identity})
        used_up = transaction.freeze()
        used_up._ids["teams"] = LARGEST
        transaction.restore(used_up)
    with pytest.raises(StoreUnavailable, match="No id is left"), store.transaction() as transaction:
        transaction.next_id("teams")
    with open_store().read() as view:
        assert view.get("teams", "red") == {"id": identity}


@pytest.mark.parametrize(
    ("own", "other", "largest", "expected"),
    [
        (5, 3, 4, 5),
        (3, 5, 4, 5),
        (LARGEST, 5, 4, 5),
        (5, LARGEST, 4, 5),
        (LARGEST, LARGEST, 4, 4),
        (LARGEST_BROUGHT, 5, 4, LARGEST_BROUGHT),
        (LARGEST_BROUGHT + 1, 5, 4, 5),
        # Somebody has brought the largest that may be brought, and creation has counted on.
        (LARGEST_BROUGHT + 7, 5, LARGEST_BROUGHT, LARGEST_BROUGHT + 7),
    ],
)
def test_counters_never_go_back_but_for_one_that_a_mistake_has_driven_up(
    store: Store, own: int, other: int, largest: int, expected: int
) -> None:
    with store.transaction() as transaction:
        transaction.put("teams", "red", {"id": largest})
        transaction.put("teams", "blue", {"id": LARGEST})
        backup = transaction.freeze()
        backup._ids["teams"] = own
        transaction.restore(backup.counting_from({"teams": other}))
        assert transaction.ids()["teams"] == expected
        assert transaction.next_id("teams") == expected + 1


@pytest.mark.parametrize("identity", [LARGEST_BROUGHT + 1, LARGEST, f"key-{LARGEST}"])
def test_an_id_above_what_may_be_brought_does_not_end_creation(
    store: Store, open_store: Opener, identity: Any
) -> None:
    with store.transaction() as transaction:
        transaction.put("teams", "blue", {"id": LARGEST_BROUGHT})
        transaction.put("teams", "red", {"id": identity})
    with open_store().transaction() as transaction:
        assert transaction.next_id("teams") == LARGEST_BROUGHT + 1


def test_an_earlier_state_can_be_restored_with_its_ids(store: Store, open_store: Opener) -> None:
    fill(store, {"name": "ann", "email": "ann@x"})
    with store.transaction() as transaction:
        transaction.next_id("people")
    with store.read() as view:
        earlier = view.freeze()
    with store.transaction() as transaction:
        transaction.next_id("people")
        transaction.remove("people", "ann")
        transaction.put("teams", "green", {"name": "Green"})
    with store.transaction() as transaction:
        transaction.put("teams", "white", {"name": "White"})
        transaction.put("people", "cid", {"name": "cid", "team": "white"})
        transaction.restore(earlier)
        transaction.put("people", "bob", {"name": "bob", "team": "red"})
    for each in (store, open_store()):
        with each.read() as view:
            assert list(view.tables()["teams"]) == ["red", "blue"]
            assert names(view.group("people", "team", "red")) == ["ann", "bob"]
            assert view.find("people", "email", "ann@x") is not None
    assert names(earlier.group("people", "team", "red")) == ["ann"]
    with store.transaction() as transaction:
        assert transaction.next_id("people") == 2


def test_what_was_frozen_within_a_transaction_has_nothing_of_what_it_does_later(
    store: Store,
) -> None:
    fill(store, {"name": "ann", "email": "ann@x"})
    with store.transaction() as transaction:
        transaction.put("people", "ann", {"name": "anna", "team": "red", "email": "anna@x"})
        frozen = transaction.freeze()
        transaction.put("people", "ann", {"name": "anne", "team": "blue", "email": "anne@x"})
        transaction.put("people", "bob", {"name": "bob", "team": "red"})
    assert list(frozen.tables()["people"]) == ["ann"]
    assert names(frozen.group("people", "team", "red")) == ["anna"]
    assert frozen.find("people", "email", "anne@x") is None
    with store.read() as view:
        assert names(view.group("people", "team", "blue")) == ["anne"]


@pytest.mark.parametrize("open_store", ["memory", "file"], indirect=True)
def test_nothing_is_written_where_nothing_changed(store: Store) -> None:
    fill(store, {"name": "ann"})
    before = store._storage.signature()
    with store.transaction() as transaction:
        transaction.put("people", "ann", {"team": "red", "name": "ann"})
        transaction.get("people", "ann")
    assert store._storage.signature() == before


def test_true_and_one_are_different_values(store: Store) -> None:
    with store.transaction() as transaction:
        transaction.put("teams", "red", {"open": True})
    with store.transaction() as transaction:
        transaction.put("teams", "red", {"open": 1})
    with store.read() as view:
        assert view.tables()["teams"]["red"]["open"] is not True


def test_transactions_do_not_nest(store: Store) -> None:
    with store.transaction():
        with pytest.raises(RuntimeError), store.transaction():
            pass
        with pytest.raises(RuntimeError):
            store.probe()
    store.probe()


def test_a_transaction_of_one_record_changes_no_other(store: Store) -> None:
    fill(store, {"name": "Ann"}, {"name": "Bob"})
    with store.read() as view:
        before = view.get("people", "Ann") or {}
    with store.transaction("red", ("people", "Ann"), view) as transaction:
        transaction.put("people", "Ann", {**before, "age": 7})
        for change in (
            lambda: transaction.put("people", "Bob", before),
            lambda: transaction.remove("people", "Bob"),
            lambda: transaction.put("teams", "green", {}),
        ):
            with pytest.raises(RuntimeError, match="one record"):
                change()
    with store.read() as view:
        assert [person.get("age") for person in view.all("people")] == [7, None]
        assert view.count("teams") == 2


def test_what_was_asked_before_a_transaction_is_asked_again_and_follows_its_changes(
    store: Store,
) -> None:
    fill(store, {"name": "Ann", "email": "a@b"})

    def answers(view: View) -> list[list[str]]:
        found = [view.get("people", "Ann"), view.get("people", "Bob")]
        found += [view.find("people", "email", "a@b")]
        found += view.group("people", "team", "red")
        return [sorted(str(value) for value in (each or {}).values()) for each in found]

    with store.read() as view:
        before = answers(view)
    with store.transaction() as transaction:
        transaction.put("teams", "red", {"name": "Crimson"})
    with store.transaction(None, None, view) as transaction:
        assert answers(transaction) == before
        assert transaction.get("teams", "red") == {"name": "Crimson"}
        transaction.put("people", "Bob", {"name": "Bob", "team": "red"})
        assert answers(transaction) == [
            ["Ann", "a@b", "red"],
            ["Bob", "red"],
            ["Ann", "a@b", "red"],
            ["Ann", "a@b", "red"],
            ["Bob", "red"],
        ]
        transaction.remove("people", "Ann")
        assert answers(transaction) == [[], ["Bob", "red"], [], ["Bob", "red"]]


def test_an_ended_transaction_refuses_changes(store: Store) -> None:
    with store.transaction() as transaction:
        transaction.put("teams", "red", {})
    for change in (
        lambda: transaction.put("teams", "blue", {}),
        lambda: transaction.remove("teams", "red"),
        lambda: transaction.next_id("teams"),
        lambda: transaction.restore(transaction),
    ):
        with pytest.raises(RuntimeError):
            change()
    with store.read() as view:
        assert view.tables()["teams"] == {"red": {}}


def test_stores_over_the_same_contents_see_each_other(store: Store, open_store: Opener) -> None:
    other = open_store()
    fill(store, {"name": "ann", "email": "ann@x"}, {"name": "bob"})
    with other.read() as view:
        assert view.find("people", "email", "ann@x") is not None
    with other.transaction() as transaction:
        transaction.put("people", "ann", {"name": "ann", "team": "blue"})
    with store.read() as view:
        assert view.find("people", "email", "ann@x") is None
        assert names(view.group("people", "team", "blue")) == ["ann"]


def test_a_store_that_catches_up_sees_the_order_of_the_other(
    store: Store, open_store: Opener
) -> None:
    fill(store, {"name": "ann"}, {"name": "bob"})
    other = open_store()
    with store.transaction() as transaction:
        transaction.remove("people", "ann")
        transaction.put("people", "ann", {"name": "ann", "team": "red"})
    with other.read() as view:
        assert names(view.all("people")) == ["bob", "ann"]


def test_a_store_that_is_opened_again_has_everything(open_store: Opener) -> None:
    fill(open_store(), {"name": "ann", "email": "ann@x"})
    with open_store().read() as view:
        assert view.find("people", "email", "ann@x") == {
            "name": "ann",
            "email": "ann@x",
            "team": "red",
        }


def test_waiting_for_a_transaction_has_an_end(store: Store) -> None:
    with store.transaction(), ThreadPoolExecutor(1) as pool:

        def change() -> None:
            with store.transaction():
                pass

        with pytest.raises(StoreUnavailable, match="busy"):
            pool.submit(change).result()


def test_reading_does_not_wait_for_a_transaction(store: Store) -> None:
    def read() -> Record | None:
        with store.read() as view:
            return view.get("teams", "red")

    with store.transaction() as transaction, ThreadPoolExecutor(1) as pool:
        transaction.put("teams", "red", {})
        assert pool.submit(read).result(timeout=5) is None


def test_threads_exclude_each_other(open_store: Opener) -> None:
    stores = [open_store(patience=30), open_store(patience=30)]
    start = threading.Barrier(4)

    def count(store: Store) -> None:
        start.wait()
        for _ in range(10):
            with store.transaction() as transaction:
                number = (transaction.get("teams", "red") or {"number": 0})["number"]
                transaction.put("teams", "red", {"number": number + 1})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, stores * 2))
    with stores[0].read() as view:
        assert view.get("teams", "red") == {"number": 40}


@pytest.mark.parametrize("open_store", ["memory", "file"], indirect=True)
def test_a_store_that_can_be_used_passes_its_probe_and_is_not_changed(store: Store) -> None:
    fill(store, {"name": "ann"})
    before = store._storage.signature()
    store.probe()
    assert store._storage.signature() == before


@pytest.mark.parametrize("open_store", ["file"], indirect=True)
def test_what_was_put_in_place_during_a_transaction_stays_and_the_transaction_is_dropped(
    store: Store, path: Path
) -> None:
    fill(store, {"name": "ann"})
    with pytest.raises(StoreUnavailable, match="Try again"), store.transaction() as transaction:
        transaction.put("people", "ann", {"name": "mine", "team": "red"})
        theirs = {"ann": {"name": "theirs", "team": "red"}}
        path.write_text(json.dumps({**json.loads(path.read_text()), "people": theirs}))
    with store.read() as view:
        assert names(view.all("people")) == ["theirs"]
    fill(store, {"name": "bob"})


@pytest.mark.parametrize("open_store", ["file"], indirect=True)
def test_tables_of_another_kind_are_refused(open_store: Opener, path: Path) -> None:
    store = open_store()
    fill(store)
    path.write_text(json.dumps({**json.loads(path.read_text()), "planets": {"mars": {}}}))
    with pytest.raises(StoreUnavailable, match="planets"):
        open_store()
