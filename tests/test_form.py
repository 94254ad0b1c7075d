"""The number of the form is raised by a test, not by memory: what is stored is kept as digests."""

import hashlib
import json
from typing import Any

import pytest
from sqlalchemy import MetaData
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.schema import CreateTable

from provisioning.factory import COLLECTIONS
from provisioning.store import Form, Record
from provisioning.store.documents import Documents
from provisioning.store.sql.layout import layouts, own_tables
from tests.test_tinydb import INSERTED

FORM = 2
RELEASED = 1
"""The newest form that a release has written."""
DIGESTS = {
    "file": "84b4741958a78460",
    "sqlite": "3e8dc61196724776",
    "postgresql": "8ca373d0cd1f2077",
}
TEXTS = (
    "Straße ǅ İ ﬁ ﷺ Ǻ\u0591",
    "\0\x01 e\u0301 é 이 임 \U0001f468\u200d\U0001f469",
    "a" * 600,
    "",
)
"""What folds, orders and searches treat in a way of their own."""
NUMBERS = (0, -1, 2**31 - 1)


def records(form: Form) -> dict[str, dict[str, Record]]:
    """A few records of each table, by key: a plain one, and some with each of these texts."""
    found: dict[str, dict[str, Record]] = {}
    for fact in form.tables:
        collection = COLLECTIONS[fact.name]
        plain = dict.fromkeys(collection.members) | INSERTED[fact.name]
        table = found[fact.name] = {}
        for number in range(len(TEXTS) + 1):
            record = dict(plain)
            if number:
                free = (*fact.text, "icon", "hint", "lastName", "url")
                record |= {m: TEXTS[number - 1] for m in free if m in record}
                record |= {
                    m: f"{n}-{number}" for m, n in record.items() if m in ("label", "domain")
                }
                record |= {
                    m: NUMBERS[number % 3] for m in ("listOrder", "birthYear") if m in record
                }
                record |= {
                    m: f"20{number:02}-01-01T00:00:00Z" for m in ("activeUntil",) if m in record
                }
            if collection.numbered:
                identity = 10 * number + 3
                text = collection.numbered.format(identity)
                record["id"] = identity if collection.numbered == "{}" else text
            table[collection.key(record)] = record
    return found


def in_file(form: Form) -> Any:
    facts = {fact.name: fact for fact in form.tables}
    meta = {"schema": form.number, "instance": "-", "ids": {"users": 7}}
    return b"".join(Documents.of(facts, records(form), {}).layout.data(meta)).decode()


def in_database(form: Form, dialect: Any) -> Any:
    metadata = MetaData()
    tables = layouts(form, metadata, dialect)
    own = [CreateTable(each).compile(dialect=dialect) for each in own_tables(metadata, form.number)]
    rows = [
        tables[n].row(k, each) for n, table in records(form).items() for k, each in table.items()
    ]
    made = [statement for layout in tables.values() for statement in layout.statements()]
    return [[str(each) for each in own], made, rows]


KEPT = {
    "file": in_file,
    "sqlite": lambda form: in_database(form, SQLiteDialect_pysqlite(paramstyle="named")),
    "postgresql": lambda form: in_database(form, PGDialect_psycopg()),  # type: ignore[no-untyped-call]
}


def digest(form: Form, kind: str) -> str:
    return hashlib.sha256(json.dumps(KEPT[kind](form)).encode()).hexdigest()[:16]


@pytest.mark.parametrize("kind", KEPT)
def test_what_a_store_keeps_is_that_of_this_form(kind: str) -> None:
    form = COLLECTIONS.form
    found = digest(form, kind)
    how = (
        f"Form {FORM} is released: add a step to provisioning/domain/steps.py, which raises the "
        "number, and write the new number and digests here."
        if FORM == RELEASED
        else f"Form {FORM} is not released yet: see that the step to it in "
        "provisioning/domain/steps.py leads what releases have stored to what is stored now "
        "(tests/test_released_versions.py), and write the new digest here."
    )
    assert (form.number, found) == (FORM, DIGESTS[kind]), (
        f"What a store keeps has changed ({kind}). {how} {kind}: {found}"
    )


@pytest.mark.parametrize("kind", KEPT)
def test_another_fold_key_column_or_table_gives_another_digest(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = COLLECTIONS.form
    known = digest(form, kind)
    assert digest(form, kind) == known
    assert digest(form._replace(tables=form.tables[:-1]), kind) != known
    assert digest(form._replace(steps=(*form.steps, *form.steps)), kind) != known
    if kind != "file":
        monkeypatch.setattr("provisioning.store.sql.layout.fold", str.casefold)
        assert digest(form, kind) != known
        monkeypatch.undo()
        monkeypatch.setattr("provisioning.store.sql.layout.order_key", str)
        assert digest(form, kind) != known
