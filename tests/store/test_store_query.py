"""What a query finds, in which order, and how words and windows are compared."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.store import (
    Order,
    Query,
    Record,
    Related,
    Store,
    View,
    fold,
    is_active_at,
    select,
)
from provisioning.store.query import has_ended_at

NOON = "2026-01-15T12:00:00Z"
BEFORE, AFTER = "2026-01-15T11:59:59Z", "2026-01-15T12:00:01Z"


def found(records: Sequence[Record], **query: Any) -> list[Any]:
    """The `n` of the records that a query selects from a plain list."""
    return [
        record["n"] for record in select(records, Query(**query), lambda r: fold(r["t"])).records
    ]


@pytest.fixture
def view(store: Store) -> Iterator[View]:
    with store.transaction() as transaction:
        transaction.put("teams", "red", {"name": "Rouge"})
        transaction.put("teams", "blue", {"name": "Bleu"})
        for key, name, team in (
            ("d", "Dóra", "red"),
            ("a", "Ann", "blue"),
            ("c", "Cid", "red"),
            ("b", "Bob", "red"),
        ):
            transaction.put("people", key, {"key": key, "name": name, "team": team})
    with store.read() as view:
        yield view


def keys(view: View, **query: Any) -> list[str]:
    return [record["key"] for record in view.query("people", Query(**query)).records]


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Jón ÞÓR", "jon þor"),
        ("JO\N{COMBINING ACUTE ACCENT}N", "jon"),
        ("Straße", "strasse"),
        ("\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}zmir", "izmir"),
        ("\N{LATIN SMALL LIGATURE FI}n", "fin"),
        ("\N{FULLWIDTH LATIN CAPITAL LETTER A}", "a"),
        ("ΣΊΣΥΦΟΣ", "σισυφοσ"),
        ("", ""),
    ],
)
def test_folding_drops_case_and_accents(text: str, folded: str) -> None:
    assert fold(text) == folded


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text(), st.text())
def test_folding_keeps_what_occurs_in_what(inside: str, around: str) -> None:
    assert fold(inside) in fold(around + "\n" + inside + "\n" + around)


@pytest.mark.parametrize(
    ("begin", "end", "active"),
    [
        (None, None, True),
        (BEFORE, None, True),
        (NOON, None, True),
        (AFTER, None, False),
        (None, BEFORE, False),
        (None, NOON, False),
        (None, AFTER, True),
        (NOON, NOON, False),
        (NOON, AFTER, True),
    ],
)
def test_a_window_holds_its_beginning_and_not_its_end(
    begin: str | None, end: str | None, active: bool
) -> None:
    assert is_active_at({"activeFrom": begin, "activeUntil": end}, NOON) is active


def test_a_record_without_a_window_is_active() -> None:
    assert is_active_at({}, NOON)


@pytest.mark.parametrize(
    ("active", "expected"), [(True, ["now"]), (False, ["later"]), (None, ["now", "later"])]
)
def test_activity_is_true_false_or_all(active: bool | None, expected: list[str]) -> None:
    records = [
        {"n": "now", "activeFrom": NOON, "activeUntil": None},
        {"n": "later", "activeFrom": AFTER, "activeUntil": None},
    ]
    assert found(records, active=active, at=NOON) == expected


def test_equality_and_any_of_must_all_hold() -> None:
    records = [{"n": n, "kind": n % 2, "size": n % 3} for n in range(6)]
    assert found(records, equal={"kind": 1}) == [1, 3, 5]
    assert found(records, equal={"kind": 1, "size": 0}) == [3]
    assert found(records, any_of={"size": [0, 2]}) == [0, 2, 3, 5]
    assert found(records, any_of={"size": [0, 2]}, equal={"kind": 0}) == [0, 2]
    assert found(records, any_of={"size": []}) == []
    assert found(records, equal={"missing": None}) == [0, 1, 2, 3, 4, 5]


def test_every_word_must_occur_in_any_order_and_spelling() -> None:
    records = [{"n": 1, "t": "Jón Smith\njon@x"}, {"n": 2, "t": "Jan Smith"}]
    assert found(records, words=("SMITH", "jón")) == [1]
    assert found(records, words=("smith",)) == [1, 2]
    assert found(records, words=("smith", "bob")) == []
    assert found(records, words=()) == [1, 2]


@pytest.mark.parametrize(
    ("descending", "expected"), [(False, [4, 5, 1, 3, 2, 6]), (True, [3, 1, 5, 4, 2, 6])]
)
def test_order_ignores_case_and_puts_nulls_last_both_ways(
    descending: bool, expected: list[int]
) -> None:
    records = [
        {"n": 1, "name": "emile"},
        {"n": 2, "name": None},
        {"n": 3, "name": "fay"},
        {"n": 4, "name": "Ann"},
        {"n": 5, "name": "EMILE"},
        {"n": 6},
    ]
    assert found(records, order=(Order("name", descending),)) == expected


def test_later_orders_decide_ties_of_earlier_ones() -> None:
    records = [{"n": n, "a": n % 2, "b": n} for n in range(5)]
    assert found(records, order=(Order("a"), Order("b", descending=True))) == [4, 2, 0, 3, 1]


@given(st.lists(st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers())))
def test_values_of_all_kinds_can_be_ordered(values: list[Any]) -> None:
    records = [{"n": n, "value": value} for n, value in enumerate(values)]
    for descending in (False, True):
        order = found(records, order=(Order("value", descending),))
        assert sorted(order) == list(range(len(values)))
        nulls = [values[n] is None for n in order]
        assert nulls == sorted(nulls)


@pytest.mark.parametrize(
    ("page", "size", "expected"),
    [
        (0, None, [0, 1, 2, 3, 4]),
        (0, 2, [0, 1]),
        (1, 2, [2, 3]),
        (2, 2, [4]),
        (3, 2, []),
        (0, 5, [0, 1, 2, 3, 4]),
        (1, 5, []),
        (10**30, 300, []),
    ],
)
def test_a_page_is_cut_after_all_else_and_the_total_is_of_all(
    page: int, size: int | None, expected: list[int]
) -> None:
    records = [{"n": n} for n in range(5)]
    result = select(records, Query(page=page, size=size), lambda _: "")
    assert [record["n"] for record in result.records] == expected
    assert result.total == 5


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, "dacb"),
        ({"by_key": True}, "abcd"),
        ({"within": ("team", "red")}, "dcb"),
        ({"within": ("team", "red"), "by_key": True}, "bcd"),
        ({"within": ("team", "green")}, ""),
        ({"keys": ["b", "a", "nobody", "b"]}, "ab"),
        ({"keys": {"b", "a", "d"}, "within": ("team", "red")}, "db"),
        ({"keys": ["d", "b"], "by_key": True}, "bd"),
        ({"keys": []}, ""),
        ({"order": (Order("team"),)}, "adcb"),
        ({"order": (Order("team"),), "by_key": True}, "abcd"),
        ({"order": (Order("team", True),), "by_key": True}, "bcda"),
        ({"by_key": True, "page": 1, "size": 3}, "d"),
        ({"page": 10**30, "size": 300}, ""),
        ({"equal": {"team": "red"}, "by_key": True, "size": 2}, "bc"),
    ],
)
def test_a_table_is_walked_by_creation_or_by_key_within_what_is_asked(
    view: View, query: dict[str, Any], expected: str
) -> None:
    assert keys(view, **query) == list(expected)


@pytest.mark.parametrize("query", [{"size": 1}, {"size": 1, "order": (Order("name"),)}])
def test_the_total_of_a_table_counts_all_pages(view: View, query: dict[str, Any]) -> None:
    assert view.query("people", Query(**query)).total == 4
    assert view.query("people", Query(within=("team", "red"), **query)).total == 3


@pytest.mark.parametrize(
    ("word", "expected"), [("dora", "d"), ("ROUGE", "dcb"), ("red", ""), ("", "dacb")]
)
def test_words_are_sought_in_own_text_and_in_that_of_references(
    view: View, word: str, expected: str
) -> None:
    assert keys(view, words=(word,)) == list(expected)


def test_a_search_follows_changes_of_the_record_and_of_what_it_refers_to(store: Store) -> None:
    for name, team in (("Ann", "Rouge"), ("Eve", "Rouge"), ("Eve", "Rosso")):
        with store.transaction() as transaction:
            transaction.put("teams", "red", {"name": team})
            transaction.put("people", "a", {"key": "a", "name": name, "team": "red"})
        with store.read() as view:
            assert keys(view, words=(name, team)) == ["a"]
    with store.read() as view:
        assert keys(view, words=("ann",)) == keys(view, words=("rouge",)) == []


def test_a_word_is_not_found_across_two_members(store: Store) -> None:
    with store.transaction() as transaction:
        transaction.put("teams", "red", {"name": "red"})
        transaction.put("people", "a", {"name": "Ann", "nickname": "Banana", "team": "red"})
    with store.read() as view:
        assert view.query("people", Query(words=("nnba",))).total == 0
        assert view.query("people", Query(words=("nn", "ba"))).total == 1


ENDS = (None, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z")


@pytest.mark.parametrize("at", ["2025-12-31T23:59:59Z", *ENDS[1:], "2026-01-03T00:00:01Z"])
def test_whatever_is_asked_of_windows_is_found_by_each_store(store: Store, at: str) -> None:
    """Also what is neither active nor ended, which is to come; empty windows have ended."""
    windows = [{"activeFrom": begin, "activeUntil": end} for begin in ENDS for end in ENDS]
    with store.transaction() as transaction:
        transaction.put("teams", "red", {"name": "red"})
        for number, window in enumerate(windows):
            key = f"p{number:02}"
            transaction.put("people", key, {"key": key, "team": "red", **window})
    with store.read() as view:
        for active, ended in itertools.product((None, True, False), repeat=2):
            wanted = [
                f"p{number:02}"
                for number, window in enumerate(windows)
                if active in (None, is_active_at(window, at))
                and ended in (None, has_ended_at(window, at))
            ]
            asked = {"within": ("team", "red"), "active": active, "ended": ended, "at": at}
            assert keys(view, **asked) == wanted, (active, ended)


@pytest.mark.parametrize("absent", [None, "w00", "w19", "z"])
def test_each_of_many_words_must_occur(store: Store, absent: str | None) -> None:
    """A database finds only some of them by an index: short ones, and those after the first few."""
    held = [f"w{number:02}" for number in range(20)] + ["a", "b"]
    with store.transaction() as transaction:
        transaction.put("teams", "red", {"name": "b"})
        name = " ".join(word for word in held if word not in (absent, "b"))
        transaction.put("people", "ann", {"name": name, "team": "red"})
    words = (*held, *([absent] if absent == "z" else []))
    with store.read() as view:
        assert view.query("people", Query(words=words)).total == (1 if absent is None else 0)


def test_what_holds_an_id_is_ordered_by_what_has_it_and_follows_its_changes(store: Store) -> None:
    with store.transaction() as transaction:
        for number, name in ((1, "Zebra"), (2, "ångström"), (3, "Mole")):
            transaction.put("teams", name, {"id": number, "name": name})
        # More than are looked at each time, so that the answer is kept.
        for number in range(150):
            guild = (None, 1, 2, 3)[number % 4]
            person = {"name": f"p{number:03}", "team": "Mole", "guild": guild}
            transaction.put("people", person["name"], person)

    def guilds(descending: bool = False) -> list[int | None]:
        with store.read() as view:
            order = (Order("guild", descending), Order("name"))
            found = view.query("people", Query(order=order)).records
        return list(dict.fromkeys(record["guild"] for record in found))

    assert (guilds(), guilds(True)) == ([2, 3, 1, None], [1, 3, 2, None])
    with store.transaction() as transaction:
        transaction.put("teams", "Mole", {"id": 3, "name": "Aardvark"})
    assert guilds() == [3, 2, 1, None]


UNDECLARED = {
    "a value": Query(equal={"nickname": "Ann"}),
    "values": Query(any_of={"nickname": ["Ann"]}),
    "a range": Query(between={"nickname": ("a", "b")}),
    "an order": Query(order=(Order("nickname"),)),
    "a group": Query(within=("nickname", "Ann")),
}


@pytest.mark.parametrize("query", UNDECLARED.values(), ids=UNDECLARED)
def test_a_question_for_what_is_not_declared_is_an_error_on_every_store(
    store: Store, query: Query
) -> None:
    refused = r"people doesn't declare .*nickname"
    with store.read() as view, pytest.raises(ValueError, match=refused):
        view.query("people", query)
    with (
        store.transaction() as transaction,
        pytest.raises(ValueError, match=refused),
    ):
        transaction.query("people", query)


@pytest.mark.parametrize(
    ("member", "condition"),
    [
        ("nickname", Query()),
        ("team", UNDECLARED["a value"]),
        ("team", Query(keys=["ann"])),
        ("team", Query(words=("ann",))),
        ("team", Query(order=(Order("name"),))),
        ("team", Query(size=1)),
    ],
)
def test_a_related_condition_that_no_store_can_answer_is_an_error_on_every_store(
    store: Store, member: str, condition: Query
) -> None:
    related = Query(related=(Related("people", member, condition),))
    with store.read() as view, pytest.raises(ValueError, match="people"):
        view.query("teams", related)


@pytest.mark.parametrize(
    "query",
    [
        Query(within=("team", "red")),
        Query(keys=["ann"]),
        Query(related=(Related("people", "team", Query()),)),
        Query(by_key=True),
    ],
)
def test_records_in_no_table_are_not_asked_for_what_only_a_table_has(query: Query) -> None:
    with pytest.raises(ValueError, match="in no table"):
        select([{"name": "Ann"}], query, lambda record: "")


def test_records_in_no_table_are_none_of_no_keys() -> None:
    page = select([{"name": "Ann"}], Query(keys=()), lambda record: "")
    assert (page.records, page.total) == ([], 0)
