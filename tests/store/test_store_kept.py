"""What was worked out from a view is kept with it, and with no other."""

import pytest

from provisioning.store import Record, Transaction, View
from provisioning.store.views import MOST_KEPT
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
