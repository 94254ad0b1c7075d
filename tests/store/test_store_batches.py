"""Threads that change the JSON file at the same time share one write of it, and its fate."""

import errno
import itertools
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from provisioning.store import DurableStorage, Store, StoreBusy, StoreUnavailable, Transaction
from provisioning.store.errors import Collision, UnknownFate
from provisioning.store.turns import Turns

from .conftest import FORM
from .failing_disk import FailingDisk

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
Block = Callable[[Transaction], object]
Outcome = BaseException | None
WRITING = ["open", "write", "utime", "fsync", "close", "replace"]


class Interruption(BaseException):
    """As of a thread that is ended in the midst of something."""


class Started:
    """Threads that change a store together: what they do all waits for one that has the turn."""

    def __init__(self, store: Store, *blocks: Block) -> None:
        """Run these blocks in this order, each in a thread and a transaction of its own."""
        self.outcomes: list[Outcome] = [None] * len(blocks)
        self._threads = [
            threading.Thread(target=self._run, args=(store, number, block))
            for number, block in enumerate(blocks)
        ]
        with store.transaction():
            for number, thread in enumerate(self._threads, start=1):
                thread.start()
                until(lambda number=number: waiting(store) == number)  # type: ignore[misc]

    def _run(self, store: Store, number: int, block: Block) -> None:
        try:
            with store.transaction() as transaction:
                block(transaction)
        except BaseException as error:
            self.outcomes[number] = error

    @property
    def running(self) -> int:
        return sum(thread.is_alive() for thread in self._threads)

    def join(self) -> list[Outcome]:
        """What each came to: its error, or None."""
        for thread in self._threads:
            thread.join(20)
        assert self.running == 0
        return self.outcomes


def waiting(store: Store) -> int:
    """How many threads wait for their turn."""
    count: int = store._storage._threads._waiting  # type: ignore[union-attr]
    return count


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.001)


def together(store: Store, *blocks: Block) -> list[Outcome]:
    return Started(store, *blocks).join()


def putting(key: str) -> Block:
    return lambda transaction: transaction.put("teams", key, {"name": key})


def refused(transaction: Transaction) -> None:
    transaction.put("teams", "refused", {})
    raise LookupError("refused")


def nothing(transaction: Transaction) -> None:
    """A block that only looks."""


def teams(store: Store) -> list[str]:
    with store.read() as view:
        return list(view.tables()["teams"])


def reopened(path: Path) -> Store:
    return Store(DurableStorage(path), FORM)


@pytest.fixture
def store(path: Path, disk: FailingDisk) -> Store:
    store = Store(DurableStorage(path, disk=disk, patience=10), FORM)
    with store.transaction() as transaction:
        transaction.put("teams", "old", {})
    disk.calls.clear()
    return store


def test_changes_that_wait_together_are_written_once_in_the_order_of_their_turns(
    store: Store, disk: FailingDisk, path: Path
) -> None:
    numbers: list[int] = []

    def put_next(transaction: Transaction) -> None:
        number = transaction.next_id("teams")
        transaction.put("teams", str(number), {"id": number})
        numbers.append(number)

    assert together(store, *[put_next] * 8) == [None] * 8
    assert numbers == list(range(1, 9))
    assert teams(store) == teams(reopened(path)) == ["old", *map(str, numbers)]
    assert (disk.calls.count("fsync"), disk.calls.count("replace")) == (1, 1)


def test_one_writer_alone_asks_the_disk_for_what_a_change_needs_and_nothing_else(
    store: Store, disk: FailingDisk
) -> None:
    threads = threading.active_count()
    with store.transaction() as transaction:
        transaction.put("teams", "new", {})
    assert [call for call, _ in itertools.groupby(disk.calls)] == [
        *("stat", "open", "write", "stat", "utime", "fsync", "stat", "close"),
        *("stat", "replace", "open", "fsync folder", "close"),
    ]
    assert threading.active_count() == threads


def test_nobody_goes_on_and_nobody_sees_a_change_before_all_of_them_are_durable(
    store: Store, disk: FailingDisk, path: Path
) -> None:
    reached, go_on = threading.Event(), threading.Event()
    sync = disk.fsync

    def wait_and_sync(descriptor: int) -> None:
        if descriptor not in disk._folders:
            reached.set()
            assert go_on.wait(20)
        sync(descriptor)

    disk.fsync = wait_and_sync  # type: ignore[method-assign]
    started = Started(store, putting("a"), nothing, putting("b"), refused, putting("c"))
    assert reached.wait(20)
    assert started.running == 5
    assert teams(store) == teams(reopened(path)) == ["old"]
    go_on.set()
    assert [type(outcome) for outcome in started.join()].count(LookupError) == 1
    assert teams(store) == ["old", "a", "b", "c"]


@pytest.mark.slow
def test_what_any_of_many_threads_is_told_is_in_the_file_at_that_moment(path: Path) -> None:
    store = reopened(path)
    lost: list[str] = []

    def change(name: str) -> None:
        for number in range(10):
            key = f"{name} {number}"
            with store.transaction() as transaction:
                transaction.put("teams", key, {})
            if key not in teams(reopened(path)):
                lost.append(key)

    threads = [threading.Thread(target=change, args=(name,)) for name in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lost == []
    assert len(teams(store)) == 80


@pytest.mark.parametrize("place", [0, 1, 3])
def test_a_block_that_raises_leaves_no_trace_and_the_others_are_kept(
    store: Store, path: Path, place: int
) -> None:
    blocks = [putting("a"), putting("b"), putting("c")]
    blocks.insert(place, refused)
    outcomes = together(store, *blocks)
    assert [type(each) for each in outcomes if each is not None] == [LookupError]
    assert isinstance(outcomes[place], LookupError)
    assert teams(store) == teams(reopened(path)) == ["old", "a", "b", "c"]


def test_a_reference_to_nothing_is_the_error_of_who_made_it_alone(store: Store) -> None:
    def dangle(transaction: Transaction) -> None:
        transaction.put("people", "ann", {"team": "none"})

    first, second, third = together(store, putting("a"), dangle, putting("b"))
    assert (first, third) == (None, None)
    assert isinstance(second, ValueError)
    assert teams(store) == ["old", "a", "b"]


def test_what_one_waiting_change_removes_another_does_not_find(store: Store) -> None:
    def remove(transaction: Transaction) -> None:
        transaction.remove("teams", "old")

    outcomes = together(store, remove, remove, remove)
    assert [type(each) for each in outcomes] == [type(None), KeyError, KeyError]


@pytest.mark.parametrize("call", WRITING)
def test_a_write_that_fails_is_the_error_of_all_who_share_it_and_nothing_is_kept(
    store: Store, disk: FailingDisk, path: Path, call: str
) -> None:
    blocks = putting("a"), refused, putting("b"), nothing, putting("c")
    disk.failing = {call: errno.ENOSPC}
    outcomes = together(store, *blocks)
    assert len({id(outcome) for outcome in outcomes}) == len(blocks)
    for outcome in outcomes:
        assert type(outcome) is StoreUnavailable
        assert "nothing was changed: No space left" in str(outcome)
    assert teams(store) == teams(reopened(path)) == ["old"]
    disk.failing = {}
    assert together(store, putting("d"), putting("e")) == [None, None]
    assert teams(store) == teams(reopened(path)) == ["old", "d", "e"]


def test_the_fate_of_a_shared_write_is_unknown_to_all_until_one_is_settled(
    store: Store, disk: FailingDisk, path: Path
) -> None:
    disk.failing = {"fsync folder": errno.EIO}
    outcomes = together(store, putting("a"), refused, putting("b"))
    assert [type(outcome) for outcome in outcomes] == [UnknownFate] * 3
    assert teams(store) == teams(reopened(path))
    disk.failing = {}
    disk.calls.clear()
    # The same again changes nothing, and yet has to reach the disk.
    assert together(store, putting("a"), putting("b")) == [None, None]
    assert disk.calls.count("fsync folder") == 1
    assert teams(store) == teams(reopened(path)) == ["old", "a", "b"]


def test_an_edit_by_hand_drops_all_that_would_be_written_over_it_and_they_may_try_again(
    store: Store, path: Path
) -> None:
    def edit(transaction: Transaction) -> None:
        transaction.put("teams", "c", {})
        path.write_bytes(path.read_bytes().replace(b'"old": {}', b'"edited": {}'))

    outcomes = together(store, putting("a"), refused, edit)
    assert [type(outcome) for outcome in outcomes] == [Collision] * 3
    assert teams(store) == teams(reopened(path)) == ["edited"]
    assert together(store, putting("a"), putting("b")) == [None, None]
    assert teams(store) == teams(reopened(path)) == ["edited", "a", "b"]


def test_a_probe_beside_changes_waits_for_none_of_them(store: Store) -> None:
    outcomes: list[Outcome] = []

    def probe() -> None:
        try:
            store.probe()
        except StoreUnavailable as error:
            outcomes.append(error)

    def put_while_another_probes(transaction: Transaction) -> None:
        transaction.put("teams", "new", {"at": time.time()})
        prober = threading.Thread(target=probe)
        prober.start()
        prober.join()

    together(store, put_while_another_probes)
    assert [type(each) for each in outcomes] == [StoreBusy]


def test_an_earlier_state_that_is_restored_beside_changes_is_what_the_later_ones_find(
    store: Store, path: Path
) -> None:
    with store.read() as view:
        earlier = view
    together(store, putting("later"))
    blocks = putting("a"), lambda transaction: transaction.restore(earlier), putting("b")
    assert together(store, *blocks) == [None] * 3
    assert teams(store) == teams(reopened(path)) == ["old", "b"]


@pytest.mark.parametrize("seed", range(12))
def test_the_file_has_the_records_and_order_of_the_store_after_changes_together(
    path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    store = Store(DurableStorage(path, patience=10), FORM)
    follower = reopened(path)

    def change(transaction: Transaction) -> None:
        for key in chance.choices("abcdef", k=chance.randint(1, 4)):
            with suppress(KeyError):
                transaction.remove("teams", key)
            if chance.random() < 0.7:
                transaction.put("teams", key, {"number": chance.random()})
        if chance.random() < 0.2:
            raise LookupError

    for _ in range(5):
        together(store, *[change] * chance.randint(1, 4))
        with store.read() as view, follower.read() as followed, reopened(path).read() as read:
            expected = list(view.documents("teams"))
            assert list(followed.documents("teams")) == expected
            assert list(read.documents("teams")) == expected


@pytest.mark.parametrize("ends", ["during the write", "after it"])
def test_a_block_that_takes_too_long_is_dropped_and_keeps_the_others_from_nothing(
    path: Path, ends: str
) -> None:
    disk = FailingDisk()
    store = Store(DurableStorage(path, disk=disk, patience=0.3), FORM)
    is_writing, has_ended = threading.Event(), threading.Event()
    sync = disk.fsync

    def let_end_and_sync(descriptor: int) -> None:
        is_writing.set()
        if ends == "during the write":
            assert has_ended.wait(20)
            # It has yet to hand in what it has done.
            time.sleep(0.05)
        sync(descriptor)

    def dawdle(transaction: Transaction) -> None:
        transaction.put("teams", "late", {})
        disk.fsync = let_end_and_sync  # type: ignore[method-assign]
        assert is_writing.wait(20)
        if ends == "after it":
            until(lambda: teams(store) == ["a", "b"])
        has_ended.set()

    first, second, late = together(store, putting("a"), putting("b"), dawdle)
    assert (first, second) == (None, None)
    assert isinstance(late, Collision)
    assert teams(store) == teams(reopened(path)) == ["a", "b"]
    assert together(store, putting("c"), putting("d")) == [None, None]
    assert teams(store) == teams(reopened(path)) == ["a", "b", "c", "d"]


def test_a_writer_that_is_ended_in_its_write_keeps_nobody_waiting(
    store: Store, disk: FailingDisk, path: Path
) -> None:
    sync = disk.fsync

    def end(descriptor: int) -> None:
        disk.fsync = sync  # type: ignore[method-assign]
        raise Interruption

    disk.fsync = end  # type: ignore[method-assign]
    first, *others = together(store, putting("a"), putting("b"), refused)
    assert isinstance(first, Interruption)
    assert [type(other) for other in others] == [UnknownFate] * 2
    assert together(store, putting("c"), putting("d")) == [None, None]
    assert teams(store) == teams(reopened(path)) == ["old", "c", "d"]


@pytest.fixture
def interrupt() -> Iterator[Callable[[], None]]:
    """Raises Interruption in the main thread."""

    def interrupted(*_: object) -> None:
        raise Interruption

    before = signal.signal(signal.SIGUSR1, interrupted)
    yield lambda: signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)


def test_a_writer_that_is_ended_while_others_go_first_keeps_nobody_waiting(
    store: Store, path: Path, interrupt: Callable[[], None]
) -> None:
    outcomes: list[Outcome] = []
    has_ended = threading.Event()

    def follow() -> None:
        try:
            with store.transaction() as transaction:
                transaction.put("teams", "b", {})
                interrupt()
                assert has_ended.wait(20)
        except StoreUnavailable as error:
            outcomes.append(error)

    follower = threading.Thread(target=follow)
    with pytest.raises(Interruption), store.transaction() as transaction:
        transaction.put("teams", "a", {})
        follower.start()
        until(lambda: waiting(store) == 1)
    has_ended.set()
    follower.join()
    assert [type(outcome) for outcome in outcomes] == [UnknownFate]
    assert together(store, putting("c"), putting("d")) == [None, None]
    assert teams(store) == teams(reopened(path)) == ["old", "c", "d"]


def test_who_gives_up_while_a_turn_is_lent_is_waited_for_no_longer() -> None:
    turns, told = Turns(), list[str]()
    turns.take(1)

    def hold() -> None:
        told.append(turns.take(20))
        with pytest.raises(StoreUnavailable, match="busy"):
            turns.take(0.1)
        turns.end()
        told.append("ended")

    holder = threading.Thread(target=hold)
    holder.start()
    until(lambda: turns._waiting == 1)
    turns.lend("lent", 20)
    assert told[0] == "lent"
    holder.join()
    assert told == ["lent", "ended"]
    turns.end()
    assert turns.take(0) is None


def test_who_ends_a_turn_that_was_taken_back_does_not_end_that_of_another() -> None:
    turns, is_taken_back = Turns(), threading.Event()
    turns.take(1)

    def hold() -> None:
        turns.take(20)
        assert is_taken_back.wait(20)
        turns.end()

    holder = threading.Thread(target=hold)
    holder.start()
    until(lambda: turns._waiting == 1)
    turns.lend("lent", 0.05)
    is_taken_back.set()
    holder.join()
    with pytest.raises(StoreUnavailable):
        turns.take(0.05)
    turns.end()
    turns.take(0)


def test_who_is_ended_when_their_turn_comes_leaves_it_to_the_next(
    interrupt: Callable[[], None],
) -> None:
    turns, has_turn, told = Turns(), threading.Event(), list[str]()

    def follow() -> None:
        turns.take(20)
        told.append("next")

    follower = threading.Thread(target=follow)

    def hold() -> None:
        turns.take(1)
        has_turn.set()
        until(lambda: turns._waiting == 1)
        follower.start()
        until(lambda: turns._waiting == 2)
        interrupt()
        turns.end()

    holder = threading.Thread(target=hold)
    holder.start()
    assert has_turn.wait(20)
    with pytest.raises(Interruption):
        turns.take(20)
    holder.join()
    follower.join(10)
    assert told == ["next"]


FORKING = """
import os, sys, threading, time
from provisioning.store import DurableStorage, Form, Store, Table

store = Store(DurableStorage(sys.argv[1]), Form((Table("numbers"),)))
parent = os.getpid()

def follow():
    try:
        with store.transaction() as transaction:
            changes = os.fork()
            if changes or sys.argv[2] == "changes":
                transaction.put("numbers", "second", {})
            if changes:
                os.waitpid(changes, 0)
        told = "goes on"
    except RuntimeError as error:
        told = str(error)
    if os.getpid() != parent:
        print(told, flush=True)
        os._exit(0)

follower = threading.Thread(target=follow)
with store.transaction() as transaction:
    transaction.put("numbers", "first", {})
    follower.start()
    while not store._storage._threads._waiting:
        time.sleep(0.001)
follower.join()
with Store(DurableStorage(sys.argv[1]), Form((Table("numbers"),))).read() as view:
    print(sorted(view.tables()["numbers"]))
"""


@pytest.mark.parametrize(
    ("work", "told"),
    [
        ("changes", "a transaction can't be committed by a forked child"),
        ("looks", "goes on"),
    ],
)
def test_a_child_that_is_forked_inside_a_shared_turn_neither_commits_nor_waits(
    path: Path, work: str, told: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKING, str(path), work],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert done.stdout.splitlines() == [told, "['first', 'second']"]
