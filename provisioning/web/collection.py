"""Collections: each declares one kind of record, how it is stored and what each place calls it.

A resource's file declares its collections. Tables, indexes, the checks of edited files, seeds,
exports and the audit are all made from these declarations.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from marshmallow import ValidationError, fields

from provisioning.domain.steps import STEPS
from provisioning.domain.tables import TENANTS, USERS
from provisioning.store import LARGEST_BROUGHT, LARGEST_ID, Form, Record, Table, View, number_of
from provisioning.web.fields import Moment, RuleOfToday, Text, Whole
from provisioning.web.records import RecordSchema, flat, orderable

HIGHEST_ID = LARGEST_ID
ID = Whole(1, HIGHEST_ID, required=True)
NAME = Text(1_000, required=True)
REFERENCE = Text(1_000)
"""Text that a record names something by, or null."""
TOO_LARGE = f"Its number must be at most {LARGEST_BROUGHT}."
Value = Callable[[Record], Hashable | None]


class Key(Text):
    """The key of a record of another table, or null; the store checks that the record exists.

    An account's key is a username in seeds, where a member `user` is called `username`.
    """

    def __init__(self, table: str, **facts: Any) -> None:
        super().__init__(1_000, **facts)
        self.table = table


class AccountId(Whole):
    """The id of an account, or null. In seeds it is a username, unless it `stays_id`: then the
    account may be gone."""

    def __init__(self, stays_id: bool = False) -> None:
        super().__init__(1, HIGHEST_ID, metadata={"stays_id": stays_id})


def by_id_or_label(record: Record) -> str:
    """The key of a record that has an id, or else a label that is unique within its tenant."""
    return str(record["id"]) if "id" in record else f"{record['tenant']}/{record['label']}"


def _tenant(record: Record) -> str:
    return str(record["tenant"])


def _tenant_and_user(record: Record) -> tuple[str, str | None]:
    return record["tenant"], record["user"]


@dataclass(frozen=True)
class Collection:
    """One kind of record. The defaults suit a tenant's own records that have a label.

    `unique`, `groups`, `text`, `asked` and `orders` are those of Table.
    """

    table: str
    """The name of its table in the store."""
    seed: str | None
    """The name of its list in seeds and exports; None keeps its records out of them."""
    audit: str | None
    """Its `resource` in the audit; None keeps its records out of the audit. Records under the name
    of users are parts of the account in their member `user`."""
    schema: RecordSchema
    """Its members in the API. Those that clients may write are stored under the same names, but for
    those that are never shown."""
    own: Mapping[str, fields.Field[Any]] = field(default_factory=dict)
    """Further stored members, which the server sets: name -> field that checks it. A field that has
    `labels` takes its values out of those of a catalogue, in seeds and imports."""
    key: Callable[[Record], str] = by_id_or_label
    """A function from a stored record to its key."""
    target: str = ""
    """The member that names a record in the audit, and by which an order places those that hold its
    id; without one, it is the key."""
    also_audited: Mapping[str, str] = field(default_factory=dict)
    """Member in the audit -> stored member, in addition to the members that clients may write."""
    numbered: str | None = None
    """The format of its records' `id`, `{}` or such as `key-{}`; None if they have none."""
    is_owned: bool = True
    """Whether each record belongs to one tenant, whose label is its member `tenant`."""
    is_bounded: bool = False
    """Whether its records count towards the bytes that one tenant may keep."""
    unique: Mapping[str, Value] = field(default_factory=dict)
    groups: Mapping[str, Value] = field(default_factory=dict)
    """In addition to `tenant` of owned records, and `tenantUser` of those that have a `user`."""
    text: tuple[str, ...] = ()
    """Of a member that holds a key, that other record's text."""
    asked: tuple[str, ...] = ()
    """In addition to the members that hold keys and accounts' ids."""
    orders: tuple[str, ...] = ()
    """In addition to the members by which its own lists can be ordered."""

    @cached_property
    def _written(self) -> Mapping[str, fields.Field[Any]]:
        """The stored members that clients may write."""
        shown = self.schema.dump_fields
        return {name: each for name, each in self.schema.load_fields.items() if name in shown}

    @cached_property
    def members(self) -> Mapping[str, fields.Field[Any]]:
        """Every stored member -> the field that checks it."""
        members = dict(self._written)
        if self.is_owned:
            members["tenant"] = NAME
        if self.numbered is not None:
            members["id"] = ID if self.numbered == "{}" else NAME
        return members | dict(self.own)

    @cached_property
    def audited(self) -> Mapping[str, str]:
        """Member in the audit -> stored member, for all members that the audit shows."""
        return {name: name for name in self._written} | dict(self.also_audited)

    @cached_property
    def references(self) -> Mapping[str, str]:
        """Stored member -> the table of which it holds a key, apart from the tenant's."""
        return {name: each.table for name, each in self.own.items() if isinstance(each, Key)}

    @cached_property
    def people(self) -> tuple[str, ...]:
        """The stored members that hold an account's key."""
        return tuple(name for name, table in self.references.items() if table == USERS)

    @cached_property
    def identities(self) -> tuple[str, ...]:
        """The stored members that hold an account's id."""
        return tuple(name for name, each in self.own.items() if isinstance(each, AccountId))

    @cached_property
    def named(self) -> tuple[str, ...]:
        """Those of `identities` that hold a username in seeds."""
        return tuple(n for n in self.identities if not self.own[n].metadata.get("stays_id"))

    @cached_property
    def usernames(self) -> Mapping[str, str]:
        """Member of a seed that holds a username -> the stored member for it."""
        members = (*self.people, *self.named)
        return {"username" if member == "user" else member: member for member in members}

    def target_of(self, record: Record) -> str:
        """What the audit calls a record."""
        if self.target:
            return str(record[self.target])
        return self.key(record).removeprefix(f"{record.get('tenant')}/")

    @cached_property
    def facts(self) -> Table:
        """The declaration of its table for the store."""
        owned: dict[str, Value] = {"tenant": _tenant} if self.is_owned else {}
        if self.is_owned and "user" in self.members:
            owned["tenantUser"] = _tenant_and_user
        references = {"tenant": TENANTS} if self.is_owned else {}
        return Table(
            self.table,
            key=self.key,
            numbered=self.numbered,
            nullable=tuple(name for name, each in self.members.items() if each.allow_none),
            unique=self.unique,
            groups=owned | dict(self.groups),
            text=tuple(name for name in self.text if name not in self.references),
            text_of=tuple(name for name in self.text if name in self.references),
            references={**references, **self.references},
            identified=dict.fromkeys(self.named, USERS),
            shown_by=self.target,
            asked=tuple(dict.fromkeys((*self.asked, *self.references, *self.identities))),
            orders=tuple(dict.fromkeys((*orderable(self.schema), *self.orders))),
            weighed=_tenant if self.is_bounded else None,
            # What stands neither in seeds nor in the audit only tells of others.
            is_journal=self.seed is None and self.audit is None,
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
