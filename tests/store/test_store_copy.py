"""A store that is copied is the same store, whatever it is kept in."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioning.store import Record, Store, StoreUnavailable
from provisioning.store.copying import copy
from provisioning.store.opening import Place, open_store, place_of
from provisioning.store.tables import weight

from .conftest import FORM, POSTGRESQL

KINDS = ("file", "sqlite", POSTGRESQL)
SLOW_COPY = """
import sys, time
from provisioning.store.copying import copy
from provisioning.store.opening import place_of
from tests.store.conftest import FORM

def slowly(total):
    def done(number):
        print(number, flush=True)
        time.sleep(0.01)
    return done

copy(place_of(sys.argv[1]), place_of(sys.argv[2]), FORM, slowly)
"""
Places = Callable[[str], Place]


@pytest.fixture
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Places:
    """Where nothing is yet, of a kind."""
    numbers = itertools.count(1)

    def place(kind: str) -> Place:
        if kind == "postgresql":
            server = request.getfixturevalue("postgresql")
            name = f"c{time.time_ns()}_{os.getpid()}"
            server.execute(f"CREATE SCHEMA {name}")
            return place_of(server.url(options=f"-csearch_path={name},public"))
        prefix = "sqlite:///" if kind == "sqlite" else ""
        return place_of(f"{prefix}{tmp_path}/{next(numbers)}.db")

    return place


def fill(store: Store, people: int = 3) -> None:
    with store.transaction() as transaction:
        for team in ("red", "blue"):
            transaction.put("teams", team, {"name": f"Équipe {team}\0"})
        for number in reversed(range(people)):
            name = f"person-{number}"
            record: Record = {"id": number, "name": name, "team": "red", "email": f"{name}@x"}
            transaction.put("people", name, {**record, "size": 1e22, "big": 2**60, "deep": [{}]})
        transaction.next_id("people")
        transaction.next_id("audit/red")


def contents(place: Place) -> tuple[object, ...]:
    store = open_store(place, FORM, begins=False)
    with store.read() as view:
        tables = {fact.name: list(view.documents(fact.name)) for fact in FORM.tables}
        found = (store.instance, tables, view.ids(), view.weight_of("red"))
    store.close()
    return found


@pytest.mark.parametrize("source", KINDS)
@pytest.mark.parametrize("target", KINDS)
def test_a_copy_has_the_same_records_in_the_same_order_counters_and_instance(
    places: Places, source: str, target: str
) -> None:
    origin, copied = places(source), places(target)
    store = open_store(origin, FORM)
    fill(store)
    store.close()
    assert copy(origin, copied, FORM) == 5
    assert contents(copied) == contents(origin)
    with open_store(copied, FORM).read() as view:
        assert view.weight_of("red") == sum(map(weight, view.all("people"))) > 0
    with open_store(copied, FORM).transaction() as transaction:
        assert transaction.next_id("people") == 4
        assert transaction.next_id("audit/red") == 2
        assert transaction.find("people", "email", "person-1@x") is not None


@pytest.mark.parametrize("target", KINDS)
def test_a_place_with_records_is_not_touched(places: Places, target: str) -> None:
    origin, other = places("file"), places(target)
    for place in (origin, other):
        store = open_store(place, FORM)
        fill(store)
        store.close()
    before = contents(other)
    with pytest.raises(StoreUnavailable, match="records in it already"):
        copy(origin, other, FORM)
    assert contents(other) == before


@pytest.mark.parametrize("target", KINDS)
def test_a_place_that_a_server_was_started_on_may_be_filled(places: Places, target: str) -> None:
    origin, copied = places("sqlite"), places(target)
    store = open_store(origin, FORM)
    fill(store)
    store.close()
    open_store(copied, FORM).close()
    copy(origin, copied, FORM)
    assert contents(copied) == contents(origin)


@pytest.mark.parametrize("kind", KINDS)
def test_a_place_without_a_store_is_not_begun_by_being_copied(places: Places, kind: str) -> None:
    origin = places(kind)
    with pytest.raises(StoreUnavailable, match=r"There is no store|no such file"):
        copy(origin, places("file"), FORM)
    assert not origin.is_file or not origin.path.exists()


@pytest.mark.slow
@pytest.mark.parametrize("target", KINDS)
def test_a_copy_that_was_killed_leaves_what_no_server_opens_and_a_new_copy_takes(
    places: Places, target: str, tmp_path: Path
) -> None:
    origin, copied = places("file"), places(target)
    fill(open_store(origin, FORM), people=3_000)
    words = [str(place.url or place) for place in (origin, copied)]
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_COPY, *words],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    for _ in range(50):
        assert process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with pytest.raises(StoreUnavailable, match="has not been finished"):
        open_store(copied, FORM)
    copy(origin, copied, FORM)
    assert contents(copied) == contents(origin)


def test_a_copy_is_of_one_moment(places: Places) -> None:
    origin, copied = places("sqlite"), places("sqlite")
    store = open_store(origin, FORM)
    fill(store)

    def change(_: int) -> None:
        with store.transaction() as transaction:
            transaction.put("teams", "green", {"name": "too late"})

    copy(origin, copied, FORM, lambda _: change)
    found = open_store(copied, FORM)
    with found.read() as view:
        assert view.get("teams", "green") is None
        assert view.count("people") == 3
