"""The form of stored data: its tables, its number, and the steps that lead older forms to it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import NamedTuple

from provisioning.store.ids import count_on, counted_on
from provisioning.store.query import Record
from provisioning.store.tables import Table
from provisioning.store.views import View

Check = Callable[[View, str, str], str | None]
"""A function from (view, table, key) to a sentence that names the faulty member, or None."""
Get = Callable[[str, str], Record | None]
"""A function from (table, key) to the record."""
REMEMBERED = 10_000


class Past:
    """The records as they were before a step."""

    def __init__(self, get: Get) -> None:
        self.get: Get = lru_cache(REMEMBERED)(get)
        """The record with this table and key; None if there is none."""


Conversion = Callable[[Record, Past], Record | None]


@dataclass(frozen=True)
class Step:
    """A step from one form to the next. It gets one record at a time, so that a million fit."""

    records: Mapping[str, Conversion] = field(default_factory=dict)
    """Table -> function from an old record to a new one, which must not change the old one; None
    leaves it out. Records of other tables stay as they are. Every key is made anew."""
    counters: Callable[[Mapping[str, int]], Mapping[str, int]] = dict
    """A function from the counters of ids before the step to those after it."""

    def convert(self, table: str, record: Record, past: Past) -> Record | None:
        """The record after this step."""
        conversion = self.records.get(table)
        return record if conversion is None else conversion(record, past)


class Form(NamedTuple):
    """All that a store has to know of its data."""

    tables: tuple[Table, ...]
    check: Check | None = None
    """It is called with each record that a person may have edited."""
    steps: tuple[Step, ...] = ()
    """The first leads from form 1 to form 2."""

    @property
    def number(self) -> int:
        """The number that a store carries. A step for every change of the form raises it."""
        return len(self.steps) + 1


class Upgrade:
    """The way from an older form to the present one."""

    def __init__(self, form: Form, number: int, get: Get) -> None:
        self._steps: list[tuple[Step, Past]] = []
        self._brought: dict[str, int] = {}
        past = Past(get)
        for step in form.steps[number - 1 :]:
            self._steps.append((step, past))
            past = Past(partial(_looked_up, step, past))

    def records(
        self, fact: Table, old: Iterable[tuple[str, Record]]
    ) -> Iterator[tuple[str, Record]]:
        """The records of a table in the present form, with their keys, from those of the older."""
        for old_key, old_record in old:
            record: Record | None = old_record
            for step, past in self._steps:
                if record is not None:
                    record = step.convert(fact.name, record, past)
            if record is not None:
                key = old_key if fact.key is None else fact.key(record)
                count_on(self._brought, fact.name, key, record)
                yield key, record

    def counters(self, old: Mapping[str, int]) -> dict[str, int]:
        """The counters of ids in the present form, once all records have been led over."""
        counters = old
        for step, _ in self._steps:
            counters = step.counters(counters)
        found = {name: counted_on(counters.get(name, 0), n) for name, n in self._brought.items()}
        return {**counters, **found}


def _looked_up(step: Step, past: Past, table: str, key: str) -> Record | None:
    record = past.get(table, key)
    return None if record is None else step.convert(table, record, past)
