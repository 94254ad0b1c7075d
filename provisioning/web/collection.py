"""Collections: each declares one kind of record, how it is stored and what each place calls it.

A resource's file declares its collections. Tables, indexes, the checks of edited files, seeds,
exports and the audit are all made from these declarations.
"""

from collections.abc import Callable, Container, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from marshmallow import ValidationError, fields

from provisioning.domain.catalogue import Catalogue
from provisioning.domain.steps import STEPS
from provisioning.domain.tables import TENANTS, USERS
from provisioning.store import LARGEST_BROUGHT, LARGEST_ID, Form, Record, Table, View, number_of
from provisioning.web.fields import Moment, RuleOfToday, Text, Whole
from provisioning.web.records import RecordSchema, flat, orderable

HIGHEST_ID = LARGEST_ID
ID = Whole(1, HIGHEST_ID, required=True)
NAME = Text(1_000, required=True)
"""A key of another table, or null; the store checks that the record exists."""
REFERENCE = Text(1_000)
ACCOUNT = Whole(1, HIGHEST_ID)
"""The id of an account, or null."""

TOO_LARGE = f"Its number must be at most {LARGEST_BROUGHT}."
Value = Callable[[Record], Hashable | None]


def by_id(record: Record) -> str:
    return str(record["id"])


def by_label(record: Record) -> str:
    """The key of a record whose label is unique within its tenant."""
    return f"{record['tenant']}/{record['label']}"


def _tenant(record: Record) -> str:
    return str(record["tenant"])


def _tenant_and_user(record: Record) -> tuple[str, str | None]:
    return record["tenant"], record["user"]


@dataclass(frozen=True)
class Collection:
    """One kind of record. The defaults suit a tenant's own records that have a label.

    `unique`, `groups`, `text`, `text_of`, `references`, `asked` and `orders` are those of Table.
    """

    table: str
    """The name of its table in the store."""
    seed: str | None
    """The name of its list in seeds and exports; None keeps its records out of them."""
    audit: str | None
    """Its `resource` in the audit; None keeps its records out of the audit."""
    schema: RecordSchema
    """Its members in the API. Those that clients may write are stored under the same names."""
    own: Mapping[str, fields.Field[Any]] = field(default_factory=dict)
    """Further stored members, which the server sets: name -> field that checks it."""
    apart: frozenset[str] = frozenset()
    """Members that clients may write, but that are not stored under the same name."""
    key: Callable[[Record], str] = by_label
    """A function from a stored record to its key."""
    target: Callable[[Record], object] = lambda record: record["label"]
    """A function from a stored record to its `target` in the audit."""
    is_part: bool = False
    """Whether the audit shows a record as a part of the account in its member `user`: its creation
    and removal, too, are then changes of that account."""
    also_audited: Mapping[str, str] = field(default_factory=dict)
    """Member in the audit -> stored member, in addition to the members that clients may write."""
    secrets: frozenset[str] = frozenset()
    """Members whose values the audit masks."""
    is_owned: bool = True
    """Whether each record belongs to one tenant, whose label is its member `tenant`."""
    people: Mapping[str, str] = field(default_factory=dict)
    """Member of a seed that holds a username -> stored member that holds the user's key, which
    names the account that holds the record."""
    named: Mapping[str, str] = field(default_factory=dict)
    """Member of a seed that holds a username -> stored member that holds the account's id, which
    stays when the account is renamed."""
    account_ids: tuple[str, ...] = ()
    """Stored members that hold an account's id, in seeds too; the account may be gone."""
    shown_by: str = ""
    """That of Table."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Values of members that a seed leaves out; without one here, it is null."""
    numbered: str | None = None
    """The format of the id of a record to which a seed gives none, such as `key-{}`."""
    unique: Mapping[str, Value] = field(default_factory=dict)
    groups: Mapping[str, Value] = field(default_factory=dict)
    """In addition to `tenant` of owned records, and `tenantUser` of those that have a `user`."""
    text: tuple[str, ...] = ()
    text_of: tuple[str, ...] = ()
    references: Mapping[str, str] = field(default_factory=dict)
    """In addition to the references to people and to the tenant."""
    asked: tuple[str, ...] = ()
    orders: tuple[str, ...] = ()
    """In addition to the members by which its own lists can be ordered."""
    of_catalogue: Mapping[str, Callable[[Catalogue], Container[str]]] = field(default_factory=dict)
    """Stored member -> the labels out of which seeds and imports take it, in the catalogue."""
    is_bounded: bool = False
    """Whether its records count towards the bytes that one tenant may keep."""
    is_journal: bool = False
    """Whether its records only describe changes of others, as those of the audit do."""

    @cached_property
    def members(self) -> Mapping[str, fields.Field[Any]]:
        """Every stored member -> the field that checks it."""
        written = {n: f for n, f in self.schema.load_fields.items() if n not in self.apart}
        return written | ({"tenant": NAME} if self.is_owned else {}) | dict(self.own)

    @cached_property
    def audited(self) -> Mapping[str, str]:
        """Member in the audit -> stored member, for all members that the audit shows."""
        written = (name for name in self.schema.load_fields if name not in self.apart)
        return {name: name for name in written} | dict(self.also_audited)

    @cached_property
    def usernames(self) -> Mapping[str, str]:
        """Member of a seed that holds a username -> the stored member for it."""
        return {**self.people, **self.named}

    @cached_property
    def identities(self) -> tuple[str, ...]:
        """Every stored member that holds an account's id."""
        return (*self.named.values(), *self.account_ids)

    @cached_property
    def facts(self) -> Table:
        """The declaration of its table for the store."""
        owned: dict[str, Value] = {"tenant": _tenant} if self.is_owned else {}
        if self.is_owned and "user" in self.members:
            owned["tenantUser"] = _tenant_and_user
        references = {"tenant": TENANTS} if self.is_owned else {}
        references |= dict.fromkeys(self.people.values(), USERS)
        referring = (*self.people.values(), *self.references)
        return Table(
            self.table,
            key=self.key,
            numbered=self.numbered,
            nullable=tuple(name for name, each in self.members.items() if each.allow_none),
            unique=self.unique,
            groups=owned | dict(self.groups),
            text=self.text,
            text_of=self.text_of,
            references=references | dict(self.references),
            identified=dict.fromkeys(self.named.values(), USERS),
            shown_by=self.shown_by,
            asked=tuple(dict.fromkeys((*self.asked, *referring, *self.identities))),
            orders=(*dict.fromkeys((*orderable(self.schema), *self.orders)),),
            weighed=_tenant if self.is_bounded else None,
            is_journal=self.is_journal,
        )

    def faults(self, key: str, record: Record, is_strict: bool = True) -> dict[str, list[str]]:
        """What is wrong with a stored record, as {member: [messages]}; `_` is the record itself.

        Unless `is_strict`, only damage counts (section 5): the rules of today don't.
        """
        found: dict[str, list[str]] = {}
        for name, checker in self.members.items():
            if name not in record:
                found[name] = ["Is missing."]
                continue
            try:
                value = checker.deserialize(record[name])
            except RuleOfToday as error:
                if is_strict:
                    found[name] = list(flat(error.messages))
            except ValidationError as error:
                found[name] = list(flat(error.messages))
            else:
                if value != record[name] and (is_strict or isinstance(checker, Moment)):
                    found[name] = [f"Must be written as {value!r}."]
        if not found and self.key(record) != key:
            found["_"] = [f"Its key must be {self.key(record)!r}."]
        if is_strict:
            unknown = [name for name in record if name not in self.members]
            found |= {name: ["There is no such member."] for name in unknown}
        return found


class Collections(dict[str, Collection]):
    """All collections by the names of their tables, in the order of the lists of a seed."""

    def __init__(self, collections: Sequence[Collection]) -> None:
        super().__init__((each.table, each) for each in collections)

    @property
    def form(self) -> Form:
        """What a store has to know of these collections."""
        return Form(tuple(each.facts for each in self.values()), self.check, STEPS)

    @property
    def seeded(self) -> dict[str, Collection]:
        """The collections that seeds and exports hold, by the names of their lists."""
        return {each.seed: each for each in self.values() if each.seed is not None}

    @property
    def owned(self) -> tuple[Collection, ...]:
        """The collections whose records belong to a tenant."""
        return tuple(each for each in self.values() if each.is_owned)

    @property
    def holdings(self) -> tuple[Collection, ...]:
        """The collections whose records a user holds in a tenant, such as privileges and keys."""
        return tuple(each for each in self.owned if "tenantUser" in each.facts.groups)

    def check(self, view: View, table: str, key: str) -> str | None:
        """The first fault of a record in the store as a sentence, or None; Store calls this."""
        record = view.get(table, key)
        found = {} if record is None else self[table].faults(key, record, is_strict=False)
        for member, messages in found.items():
            return f"{member}: {messages[0]}"
        number = number_of(record.get("id")) if record is not None else 0
        # What is above has been given by the server, which counts on above it, or is a mistake.
        if number > LARGEST_BROUGHT and number > view.ids().get(table, 0):
            return f"id: {TOO_LARGE}"
        return None
