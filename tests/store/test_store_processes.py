"""Several processes and threads on one file: nothing acknowledged is lost, nothing half-done."""

import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import orjson
import pytest

from provisioning.store import DurableStorage, Store, StoreUnavailable

from . import counting

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def start(path: Path, name: str, threads: int, times: int) -> subprocess.Popen[str]:
    command = [sys.executable, counting.__file__, str(path), name, str(threads), str(times)]
    return subprocess.Popen(
        command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True
    )


def acknowledged(process: subprocess.Popen[str]) -> list[int]:
    """The numbers that a process has printed; a killed one may have cut the last one off."""
    output, _ = process.communicate(timeout=60)
    return [int(line) for line in output.splitlines(keepends=True) if line.endswith("\n")]


def check(path: Path, numbers: list[int]) -> int:
    """The number in the file, after making sure that it is whole and that none is missing."""
    with Store(DurableStorage(path), counting.FORM).read() as view:
        tables = view.tables()
    last = tables["numbers"].get("last", {"n": 0})["n"]
    for table in tables.values():
        assert {str(number) for number in range(1, last + 1)} <= table.keys()
        assert table.get("last", {"n": 0}) == {"n": last}
    assert len(set(numbers)) == len(numbers)
    assert max(numbers, default=0) <= last
    return int(last)


def test_processes_and_threads_take_turns(path: Path) -> None:
    processes = [start(path, name, 2, 15) for name in ("a", "b")]
    numbers = [number for process in processes for number in acknowledged(process)]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(numbers) == list(range(1, 61))
    assert check(path, numbers) == 60


def test_forked_children_take_turns_with_their_parent(path: Path) -> None:
    process = start(path, "fork", 2, 5)
    numbers = acknowledged(process)
    assert process.returncode == 0
    assert sorted(numbers) == list(range(1, 41))
    assert check(path, numbers) == 40


def test_processes_that_begin_at_once_begin_one_store(path: Path) -> None:
    processes = [start(path, str(number), 1, 1) for number in range(3)]
    numbers = [number for process in processes for number in acknowledged(process)]
    assert sorted(numbers) == [1, 2, 3]


@pytest.mark.parametrize("rounds", [2, pytest.param(25, marks=pytest.mark.slow)])
def test_killing_processes_loses_nothing_that_was_acknowledged(path: Path, rounds: int) -> None:
    chance = random.Random(rounds)
    numbers: list[int] = []
    for _ in range(rounds):
        processes = [start(path, name, 4, 10**6) for name in ("a", "b")]
        # Not before both are at work.
        for process in processes:
            assert process.stdout is not None
            numbers.append(int(process.stdout.readline()))
        time.sleep(chance.uniform(0, 0.2))
        for process in chance.sample(processes, 2):
            process.kill()
        numbers += [number for process in processes for number in acknowledged(process)]
        check(path, numbers)
    assert len(numbers) > 2 * rounds
    assert not {each.name for each in path.parent.iterdir()} - {
        "db.json",
        "db.json.lock",
        "db.json.tmp",
    }


def test_readers_never_see_half_of_a_change_and_never_an_older_state_again(path: Path) -> None:
    process = start(path, "a", 2, 20)
    store = Store(DurableStorage(path), counting.FORM)
    failures: list[str] = []
    done = threading.Event()

    def read() -> None:
        seen = 0
        while not done.is_set():
            with store.read() as view:
                number, copy = view.get("numbers", "last"), view.get("copies", "last")
            if number != copy or (number or {"n": 0})["n"] < seen:
                failures.append(f"{number} and {copy} after {seen}")
                return
            seen = (number or {"n": 0})["n"]

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        numbers = acknowledged(process)
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert failures == []
    assert check(path, numbers) == 40


def test_what_another_process_was_told_is_kept_can_be_read_at_once(path: Path) -> None:
    store = Store(DurableStorage(path), counting.FORM)
    process = start(path, "a", 1, 30)
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            with store.read() as view:
                assert view.get("copies", line.strip()) == {"by": "a"}
    assert process.returncode == 0


def test_a_transaction_waits_no_longer_than_it_should_for_another_process(path: Path) -> None:
    first = Store(DurableStorage(path), counting.FORM)
    second = Store(DurableStorage(path, patience=0.1), counting.FORM)
    answers: list[str] = []

    def change() -> None:
        began = time.monotonic()
        try:
            with second.transaction():
                pass
        except StoreUnavailable as error:
            answers.append(str(error))
        answers.append("late" if time.monotonic() - began > 2 else "in time")

    with first.transaction():
        other = threading.Thread(target=change)
        other.start()
        other.join()
    assert answers == ["The store is busy with other changes. Try again.", "in time"]
    change()
    assert answers[2:] == ["in time"]


def test_a_child_that_is_forked_inside_a_transaction_can_not_commit_it(path: Path) -> None:
    code = """
import os, sys
from provisioning.store import DurableStorage, Form, Store, Table

store = Store(DurableStorage(sys.argv[1]), Form((Table("numbers"),)))
parent = os.getpid()
try:
    with store.transaction() as transaction:
        transaction.put("numbers", "last", {})
        child = os.fork()
        if child:
            os.waitpid(child, 0)
except RuntimeError as error:
    assert os.getpid() != parent
    print(error, flush=True)
    os._exit(0)
assert os.getpid() == parent
with store.transaction() as transaction:
    print(sorted(transaction.tables()["numbers"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "a transaction can't be committed by a forked child",
        "['last']",
    ]
    assert orjson.loads(path.read_bytes())["numbers"] == {"last": {}}
