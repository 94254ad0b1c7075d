"""The bytes of the file: made of the records' own, and read again only where they differ."""

from collections.abc import Iterator
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioning.store import layout
from provisioning.store.layout import META, Content, Layout, decode, difference, encode

Tables = dict[str, dict[str, Any]]
NAMES = ["teams", "people", 'a"b']
KEYS = ["a", "b", "c", "d", "e", '"', "\n    }", "é", ""]
VALUES = [None, True, 0, -1.5, 2**64 - 1, "", "é", '"', "\n    }", '    "a": {', "}", [], {}, [{}]]
META_DATA = {"schema": 1, "instance": "x", "ids": {"teams": 4}}
SEEDS = st.integers(0, 2**32)
many = settings(max_examples=200, deadline=None)


def record(chance: Random) -> Any:
    members = chance.sample(KEYS, chance.randint(1, 3))
    return {name: chance.choice([*VALUES, {"a": VALUES}, [VALUES]]) for name in members}


def tables(chance: Random) -> Tables:
    return {
        name: {key: record(chance) for key in chance.sample(KEYS, chance.randint(0, 6))}
        for name in NAMES
    }


def later(chance: Random, before: Tables) -> Tables:
    """The same after some changes: or quite other ones."""
    if chance.randrange(5) == 0:
        return tables(chance)
    after = {name: dict(table) for name, table in before.items()}
    for _ in range(chance.randint(0, 4)):
        table, key = after[chance.choice(NAMES)], chance.choice(KEYS)
        if chance.randrange(3) == 0:
            table.pop(key, None)
        if chance.randrange(3):
            table[key] = record(chance)
    return after


@pytest.fixture(params=[(2, 50), (1_000, 65_536)], ids=["many blocks", "one block"])
def blocks(request: pytest.FixtureRequest) -> Iterator[None]:
    """How many records, or bytes, are laid out together."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "BLOCK", request.param[0])
        patch.setattr(layout, "_LARGE", request.param[1])
        yield


def same(one: Layout, other: Layout) -> bool:
    """Whether both are layouts of the same tables, whatever their blocks are."""
    data = [b"".join(each.data(META_DATA)) for each in (one, other)]
    order = [{n: list(t.where) for n, t in each.tables.items()} for each in (one, other)]
    return data[0] == data[1] and order[0] == order[1]


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, Any]]:
    """What leads from one table to the other: a record with another place is removed before."""
    kept = [key for key in before if key in after]
    is_moved = list(after)[: len(kept)] != kept
    gone = [key for key in before if is_moved or key not in after]
    touched = [key for key in after if is_moved or before.get(key) != after[key]]
    return [*((key, None) for key in gone), *((key, after[key]) for key in touched)]


def written(contents: Tables, meta: dict[str, Any] = META_DATA) -> bytes:
    return b"".join(Layout.of(contents).data(meta))


@pytest.mark.usefixtures("blocks")
@many
@given(SEEDS)
def test_a_file_is_laid_out_as_any_indented_json(seed: int) -> None:
    contents = tables(Random(seed))
    contents["people"]["nothing"] = {}
    data = written(contents)
    assert data == encode(orjson.loads(data))
    meta = orjson.loads(data).pop(META)["1"]
    assert meta.pop("digest")
    assert meta == META_DATA
    content = decode(data)
    assert isinstance(content, Content)
    assert content.is_own
    assert content.layout == Layout.of(contents)


@pytest.mark.usefixtures("blocks")
@many
@given(SEEDS)
def test_a_layout_after_changes_is_that_of_the_tables_as_they_are_then(seed: int) -> None:
    chance = Random(seed)
    before = tables(chance)
    after = later(chance, before)
    after["people"]["nothing"] = {}
    changed = Layout.of(before)
    for name in NAMES:
        changed = changed.changed(name, changes(before[name], after[name]))
    assert same(changed, Layout.of(after))


@pytest.mark.usefixtures("blocks")
@many
@given(SEEDS)
def test_the_difference_leads_from_the_known_tables_to_those_of_the_file(seed: int) -> None:
    chance = Random(seed)
    before = tables(chance)
    after = later(chance, before)
    meta = META_DATA | {"ids": {"teams": 5}}
    found = difference(Layout.of(before), written(after, meta))
    assert found is not None
    assert same(found.layout, Layout.of(after))
    assert found.meta.items() >= meta.items()
    for name, changed_records in found.changes.items():
        for key, known, changed in changed_records:
            assert before[name].get(key) == known
            if changed is None:
                del before[name][key]
            else:
                before[name][key] = changed
    assert encode(before) == encode(after)


def test_the_difference_names_only_what_differs() -> None:
    before = {"people": {str(number): {"n": number} for number in range(9)}}
    after = {"people": before["people"] | {"4": {"n": "four"}, "9": {"n": 9}}}
    del after["people"]["6"]
    found = difference(Layout.of(before), written(after))
    assert found is not None
    assert found.changes == {
        "people": [
            ("4", {"n": 4}, {"n": "four"}),
            ("6", {"n": 6}, None),
            ("9", None, {"n": 9}),
        ]
    }


@pytest.mark.usefixtures("blocks")
@many
@given(SEEDS, st.binary(max_size=2))
def test_there_is_no_difference_to_a_file_that_was_edited_by_one_stroke(
    seed: int, stroke: bytes
) -> None:
    chance = Random(seed)
    before = tables(chance)
    data = written(later(chance, before))
    place = chance.randrange(len(data))
    edited = data[:place] + stroke + data[place + 1 :]
    if edited != data:
        assert difference(Layout.of(before), edited) is None


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"\xff", b'{\n  "_meta": {\n', b'{\n  "_meta": {\n    "1": 1\n    }']
)
def test_there_is_no_difference_to_what_is_no_file_of_a_store(data: bytes) -> None:
    assert difference(Layout.of({"teams": {}}), data) is None


@pytest.mark.parametrize("records", [999, 1_000, 1_001, 2_001])
def test_a_file_of_several_blocks_is_laid_out_as_one(records: int) -> None:
    contents = {"people": {str(number): {"n": number} for number in range(records)}}
    data = written(contents)
    assert data == encode(orjson.loads(data))
    found = difference(Layout.of({"people": {}}), data)
    assert found is not None
    assert same(found.layout, Layout.of(contents))
    assert difference(found.layout, data + b" ") is None
