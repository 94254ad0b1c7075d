"""One kind of record, declared once: how it is stored, and every name that it goes by.

A resource's file declares what it keeps. Tables and their indexes, the checks of what a person has
edited, seeds, exports and the audit are made from that by walking the declarations.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from marshmallow import ValidationError, fields

from provisioning.domain.tables import TENANTS, USERS
from provisioning.store import Record, Table, View
from provisioning.web.fields import RuleOfToday, Text, Whole
from provisioning.web.records import RecordSchema, flat, orderable

HIGHEST_ID = 2**53 - 1
"""What every JSON reader can hold, and the store can still count on from."""
ID = Whole(1, HIGHEST_ID, required=True)
NAME = Text(1_000, required=True)
"""A document id of another table; the store checks that it is there."""
REFERENCE = Text(1_000)

Value = Callable[[Record], Hashable | None]


def by_id(record: Record) -> str:
    return str(record["id"])


def by_label(record: Record) -> str:
    """The document id of what has a label of its own in each tenant."""
    return f"{record['tenant']}/{record['label']}"


def _tenant(record: Record) -> str:
    return str(record["tenant"])


def _tenant_and_user(record: Record) -> tuple[str, str | None]:
    return record["tenant"], record["user"]


@dataclass(frozen=True)
class Collection:
    """One kind of record. What isn't told is as for a tenant's own records with a label."""

    table: str
    """Its name in the store."""
    seed: str | None
    """Its list in seeds and exports; None keeps it out of them."""
    audit: str | None
    """What the audit calls it: the resource through which it changes; None keeps it out."""
    schema: RecordSchema
    """Its members on the wire; what clients may write is stored as it came, unless `apart`."""
    own: Mapping[str, fields.Field[Any]] = field(default_factory=dict)
    """What the server keeps beside that: stored member -> what it may hold."""
    apart: frozenset[str] = frozenset()
    """Members that clients write and that are not stored under that name."""
    key: Callable[[Record], str] = by_label
    """The document id of a stored record."""
    target: Callable[[Record], object] = lambda record: record["label"]
    """What names a record within its tenant, in the audit."""
    is_part: bool = False
    """Whether to the audit a record is a part of its `user`: whatever becomes of it is a change of
    the account, which is then the target."""
    also_audited: Mapping[str, str] = field(default_factory=dict)
    """Member in the audit -> stored member, beside what clients write under its own name."""
    secrets: frozenset[str] = frozenset()
    """Members of the audit that are masked in it."""
    is_owned: bool = True
    """Whether each record belongs to one tenant, and goes with it."""
    people: Mapping[str, str] = field(default_factory=dict)
    """Member in a seed that is a username -> stored member that holds the user's key."""
    account_ids: tuple[str, ...] = ()
    """Stored members that hold an account's integer id."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """What a seed may leave out, as far as that isn't null."""
    numbered: str | None = None
    """The form of an id that a seed doesn't give."""
    unique: Mapping[str, Value] = field(default_factory=dict)
    groups: Mapping[str, Value] = field(default_factory=dict)
    """Beside those that ownership makes: `tenant`, and `tenantUser` of what has a `user`."""
    text: tuple[str, ...] = ()
    text_of: tuple[str, ...] = ()
    references: Mapping[str, str] = field(default_factory=dict)
    """Beside those to people and to the tenant."""
    asked: tuple[str, ...] = ()
    orders: tuple[str, ...] = ()
    """Beside the members that its own lists order by."""

    @cached_property
    def members(self) -> Mapping[str, fields.Field[Any]]:
        """Every stored member, and what it may hold."""
        written = {n: f for n, f in self.schema.load_fields.items() if n not in self.apart}
        return written | ({"tenant": NAME} if self.is_owned else {}) | dict(self.own)

    @cached_property
    def audited(self) -> Mapping[str, str]:
        """Member in the audit -> stored member: what clients may write, and what is told."""
        written = (name for name in self.schema.load_fields if name not in self.apart)
        return {name: name for name in written} | dict(self.also_audited)

    @cached_property
    def facts(self) -> Table:
        """What the store has to know."""
        owned: dict[str, Value] = {"tenant": _tenant} if self.is_owned else {}
        if self.is_owned and "user" in self.members:
            owned["tenantUser"] = _tenant_and_user
        references = {"tenant": TENANTS} if self.is_owned else {}
        references |= dict.fromkeys(self.people.values(), USERS)
        referring = (*self.people.values(), *self.references)
        return Table(
            self.table,
            unique=self.unique,
            groups=owned | dict(self.groups),
            text=self.text,
            text_of=self.text_of,
            references=references | dict(self.references),
            asked=tuple(dict.fromkeys((*self.asked, *referring, *self.account_ids))),
            orders=(*dict.fromkeys((*orderable(self.schema), *self.orders)),),
        )

    def faults(self, key: str, record: Record, is_strict: bool = True) -> dict[str, list[str]]:
        """What is wrong with a stored record: {member: [messages]}.

        Unless it `is_strict`, rules that an earlier version did not have don't count.
        """
        found = {name: ["There is no such member."] for name in record if name not in self.members}
        for name, kind in self.members.items():
            if name not in record:
                found[name] = ["Is missing."]
                continue
            try:
                value = kind.deserialize(record[name])
            except RuleOfToday as error:
                if is_strict:
                    found[name] = list(flat(error.messages))
            except ValidationError as error:
                found[name] = list(flat(error.messages))
            else:
                if value != record[name]:
                    found[name] = [f"Must be written as {value!r}."]
        if not found and self.key(record) != key:
            found["_"] = [f"Its document id must be {self.key(record)!r}."]
        return found


class Collections(dict[str, Collection]):
    """All kinds of records by the name of their table, in the order in which seeds list them."""

    def __init__(self, collections: Sequence[Collection]) -> None:
        super().__init__((each.table, each) for each in collections)

    @property
    def tables(self) -> tuple[Table, ...]:
        return tuple(each.facts for each in self.values())

    @property
    def seeded(self) -> dict[str, Collection]:
        """Those that seeds and exports hold, by the name of their list."""
        return {each.seed: each for each in self.values() if each.seed is not None}

    @property
    def owned(self) -> tuple[Collection, ...]:
        """Those whose records belong to a tenant."""
        return tuple(each for each in self.values() if each.is_owned)

    @property
    def holdings(self) -> tuple[Collection, ...]:
        """Those whose records make an account somebody in a tenant."""
        return tuple(each for each in self.owned if "tenantUser" in each.facts.groups)

    def check(self, view: View, table: str, key: str) -> str | None:
        """The first fault of a record in the store as a sentence, for Store."""
        record = view.get(table, key)
        found = {} if record is None else self[table].faults(key, record, is_strict=False)
        for member, messages in found.items():
            return f"{member}: {messages[0]}"
        return None
