"""What was worked out from a view is kept with it, and with no other."""

import pytest

from provisioning.store import Query, Record, Related, Transaction, View
from provisioning.store.views import MOST_KEPT, MOST_PAGES
from tests.store.conftest import Opener


def name_of(view: View) -> Record:
    """A team as the view has it, by what may be kept with the view."""
    return view.kept("red", lambda: {"name": (view.get("teams", "t1") or {}).get("name")})


def put_team(transaction: Transaction, name: str) -> None:
    transaction.put("teams", "t1", {"name": name})


@pytest.fixture
def both(open_store: Opener) -> tuple:
    first = open_store()
    with first.transaction() as transaction:
        put_team(transaction, "Red")
    return first, open_store()


@pytest.mark.parametrize("changing", [0, 1], ids=["this process", "another one"])
def test_a_change_by_any_process_is_seen_by_the_next_view(both, changing):
    store = both[0]
    with store.read() as view:
        name_of(view)
    with both[changing].transaction() as transaction:
        put_team(transaction, "Blue")
    with store.read() as view:
        assert name_of(view) == {"name": "Blue"}


def test_a_transaction_sees_its_own_changes(both):
    store, _ = both
    with store.read() as view:
        name_of(view)
    with store.transaction() as transaction:
        before = name_of(transaction)
        put_team(transaction, "Blue")
        assert (before, name_of(transaction)) == ({"name": "Red"}, {"name": "Blue"})


def test_what_a_transaction_that_failed_has_worked_out_is_kept_nowhere(both):
    store, _ = both
    with pytest.raises(ZeroDivisionError), store.transaction() as transaction:
        put_team(transaction, "Blue")
        name_of(transaction)
        raise ZeroDivisionError
    with store.read() as view:
        assert name_of(view) == {"name": "Red"}


def test_a_restored_state_is_seen(both):
    store, _ = both
    with store.transaction() as transaction:
        before = transaction.freeze()
    with store.transaction() as transaction:
        put_team(transaction, "Blue")
    with store.read() as view:
        name_of(view)
    with store.transaction() as transaction:
        transaction.restore(before)
    with store.read() as view:
        assert name_of(view) == {"name": "Red"}


def test_a_view_keeps_so_many_things_and_answers_all(both):
    store, _ = both
    with store.read() as view:
        for number in range(MOST_KEPT + 1):
            assert view.kept(number, lambda number=number: [number]) == [number]
        assert view.kept(MOST_KEPT, lambda: ["again"]) == ["again"]


BEGINS, ENDS = "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"


@pytest.mark.parametrize("first", ["2026-01-15T00:00:00Z", BEGINS, ENDS])
@pytest.mark.parametrize(
    ("at", "is_found"),
    [
        ("2026-01-31T23:59:59Z", False),
        (BEGINS, True),
        ("2026-02-28T23:59:59Z", True),
        (ENDS, False),
    ],
)
@pytest.mark.parametrize("asks", ["a window", "who is named in a window"])
def test_a_page_is_kept_until_a_window_begins_or_ends(both, first, at, is_found, asks):
    store, _ = both
    ann = {"name": "Ann", "team": "t1", "activeFrom": BEGINS, "activeUntil": ENDS}
    with store.transaction() as transaction:
        transaction.put("people", "ann", ann)

    def found(view: View, instant: str) -> list[Record]:
        active = Query(active=True, at=instant)
        if asks == "a window":
            return view.query("people", active).records
        return view.query("teams", Query(related=(Related("people", "team", active),))).records

    with store.read() as view:
        found(view, first)
        assert bool(found(view, at)) is is_found


def test_a_view_keeps_so_many_pages_and_answers_all(both):
    store, _ = both
    with store.read() as view:
        for number in range(MOST_PAGES + 1):
            assert view.query("teams", Query(size=1, page=number)).total == 1
        assert len(view.query("teams", Query(size=1)).records) == 1
