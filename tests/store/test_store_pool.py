"""The pool of connections, over drivers that are only opened and closed."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from provisioning.store import StoreUnavailable, deadline
from provisioning.store.sql import pool as module
from provisioning.store.sql.pool import NoRoom, Pool


class Driver:
    """A connection as drivers have them."""

    is_closed = False

    def close(self) -> None:
        self.is_closed = True


class Opening:
    """Opens drivers, unless it is told what to do first."""

    def __init__(self) -> None:
        self.opened: list[Driver] = []
        self.tried = 0
        self.first: Callable[[], None] = lambda: None

    def __call__(self) -> Driver:
        self.tried += 1
        self.first()
        self.opened.append(Driver())
        return self.opened[-1]


@pytest.fixture
def opening() -> Opening:
    return Opening()


@pytest.fixture
def pool(opening: Opening) -> Pool:
    return Pool(opening, 3, 5.0, is_remote=True)


def test_the_last_connection_back_is_the_first_one_out(pool: Pool) -> None:
    first, other = pool.take(), pool.take()
    pool.give_back(first)
    pool.give_back(other)
    assert pool.take().driver is other.driver


def test_a_connection_that_is_given_back_twice_stays_with_whoever_has_it_next(pool: Pool) -> None:
    first = pool.take()
    pool.give_back(first)
    again = pool.take()
    pool.give_back(first)
    assert again.is_taken
    assert pool.take().driver is not again.driver


def test_what_is_of_no_use_any_more_is_closed_and_replaced(pool: Pool, opening: Opening) -> None:
    broken, in_use = pool.take(), pool.take()
    broken.is_valid = False
    pool.give_back(broken)
    pool.clear()
    assert opening.opened[0].is_closed and not opening.opened[1].is_closed
    pool.give_back(in_use)
    assert opening.opened[1].is_closed
    assert not pool.take().driver.is_closed


def test_whoever_finds_all_taken_gets_what_is_given_back(pool: Pool) -> None:
    taken = [pool.take() for _ in range(3)]
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(pool.take)
        pool.give_back(taken[0])
        assert waiting.result().driver is taken[0].driver


def test_one_connection_is_left_to_those_who_read(pool: Pool) -> None:
    writing = [pool.take(writes=True) for _ in range(2)]
    with ThreadPoolExecutor(1) as threads:
        third = threads.submit(pool.take, writes=True)
        for _ in range(3):
            pool.give_back(pool.take())
        assert not third.done()
        pool.give_back(writing[0])
        assert third.result().writes


def test_where_there_is_one_connection_whoever_writes_has_it(opening: Opening) -> None:
    pool = Pool(opening, 1, 5.0, is_remote=True)
    for _ in range(2):
        pool.give_back(pool.take(writes=True))
    assert len(opening.opened) == 1


def test_requests_wait_no_longer_once_nothing_has_moved_for_a_while(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STALLED", 0.1)
    for _ in range(3):
        pool.take()
    time.sleep(0.2)
    with deadline.within(60), pytest.raises(StoreUnavailable, match="busy"):
        pool.take()  # at once: the pool's patience would be 5 s, the request's a minute


def test_while_none_can_be_opened_one_looks_and_the_others_are_told_at_once(
    pool: Pool, opening: Opening
) -> None:
    def away() -> None:
        raise StoreUnavailable("away")

    opening.first = away
    with pytest.raises(StoreUnavailable, match="away"):
        pool.take()
    looking = threading.Event()
    opening.first = lambda: looking.wait(30) and None
    with ThreadPoolExecutor(1) as threads:
        looker = threads.submit(pool.take)
        while opening.tried < 2:
            time.sleep(0.01)
        for _ in range(5):
            with pytest.raises(StoreUnavailable, match="away"):
                pool.take()
        looking.set()
        assert not looker.result().driver.is_closed
    assert opening.tried == 2


def test_who_waits_for_a_host_that_hangs_gives_up_and_what_comes_of_it_is_used_later(
    pool: Pool, opening: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SHORTEST", 0.1)
    going_on = threading.Event()
    opening.first = lambda: going_on.wait(30) and None
    with deadline.within(0.1), pytest.raises(StoreUnavailable, match="doesn't answer"):
        pool.take()
    going_on.set()
    assert not pool.take().driver.is_closed


def test_a_request_whose_time_is_over_may_still_open_a_connection(pool: Pool) -> None:
    with deadline.within(0):
        assert not pool.take().driver.is_closed


def test_a_database_without_a_connection_left_is_asked_again_until_it_has_one(
    pool: Pool, opening: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AGAIN", 0.01)

    def full() -> None:
        if opening.tried < 4:
            raise NoRoom("full")

    opening.first = full
    assert not pool.take().driver.is_closed
    assert opening.tried == 4


def test_what_is_given_back_meanwhile_is_taken_where_there_is_no_connection_left(
    pool: Pool, opening: Opening
) -> None:
    mine = pool.take()

    def full() -> None:
        raise NoRoom("full")

    opening.first = full
    with ThreadPoolExecutor(1) as threads:
        other = threads.submit(pool.take)
        while opening.tried < 2:
            time.sleep(0.01)
        pool.give_back(mine)
        assert other.result().driver is mine.driver


def test_without_a_connection_left_for_long_that_is_told(opening: Opening) -> None:
    def full() -> None:
        raise NoRoom("full")

    opening.first = full
    with pytest.raises(NoRoom, match="full"):
        Pool(opening, 3, 0.1, is_remote=True).take()


@pytest.mark.slow
def test_idle_connections_are_closed_all_but_one_soon_and_the_last_later(
    pool: Pool, opening: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SPARE", 0.05)
    monkeypatch.setattr(module, "LONGEST_IDLE", 0.5)
    for connection in [pool.take() for _ in range(3)]:
        pool.give_back(connection)
    wait_for(lambda: sum(driver.is_closed for driver in opening.opened) == 2)
    wait_for(lambda: all(driver.is_closed for driver in opening.opened))
    assert not pool.take().driver.is_closed


def test_an_error_that_is_no_trouble_of_a_store_reaches_who_waits(
    pool: Pool, opening: Opening
) -> None:
    def broken() -> None:
        raise ZeroDivisionError

    opening.first = broken
    with pytest.raises(ZeroDivisionError):
        pool.take()


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
