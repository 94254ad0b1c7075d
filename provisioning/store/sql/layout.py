"""The tables that are made of the facts: the record as JSON, and beside it what is asked for.

number                     counts creations; table order
key                        the record's key
document_NUMBER            the record as JSON text: exact, and readable by whoever looks
active_from, active_until  the activity window
u_NAME, g_NAME             the values of unique indexes and groups
r_MEMBER                   the key that a reference holds
a_MEMBER                   the value of a member that may be asked for
o_MEMBER                   the key by which a member is ordered
text                       what words are sought in, folded

NUMBER is that of the form. Every question to the records, and every change of them, names a column
with it, so that the database itself refuses those of a server that knows another form.
"""

from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ColumnElement,
    Dialect,
    Index,
    Integer,
    MetaData,
    Text,
    func,
    literal_column,
)
from sqlalchemy import Table as SqlTable
from sqlalchemy.schema import CreateIndex, CreateTable, ExecutableDDLElement

from provisioning.store.form import Form
from provisioning.store.query import Record, fold
from provisioning.store.sql.columns import (
    LONGEST_INDEXED,
    group_key,
    order_key,
    plain,
    value_key,
)
from provisioning.store.tables import Table

META = "_meta"
COUNTERS = "_counters"
REVISIONS = "_revisions"
TENANT = "tenant"
"""The group whose values say to which tenant the records of a table belong."""
BYTEWISE = Text().with_variant(Text(collation="C"), "postgresql")
ONE: ColumnElement[int] = literal_column("1")
ZERO: ColumnElement[int] = literal_column("0")
NUMBER = BigInteger().with_variant(Integer, "sqlite")


class Layout:
    """One table of records in the database."""

    def __init__(self, fact: Table, form: int, metadata: MetaData, dialect: Dialect) -> None:
        self.fact = fact
        self._dialect = dialect
        self.asked = tuple(member for member in fact.asked if member not in fact.references)
        ordered = (*fact.orders, fact.shown_by) if fact.shown_by else fact.orders
        self.ordered = tuple(dict.fromkeys(each for each in ordered if each not in fact.identified))
        self.has_text = bool(fact.text)
        names = [f"u_{name}" for name in fact.unique]
        names += [f"g_{name}" for name in fact.groups]
        names += [f"r_{member}" for member in fact.references]
        names += ["active_from", "active_until"]
        names += [f"o_{member}" for member in self.ordered]
        required = [f"a_{member}" for member in self.asked]
        required += ["text"] if self.has_text else []
        self.table = SqlTable(
            fact.name,
            metadata,
            Column("number", NUMBER, primary_key=True, autoincrement=True),
            Column("key", BYTEWISE, nullable=False),
            Column(f"document_{form}", Text, key="document", nullable=False),
            *(Column(name, BYTEWISE) for name in names),
            *(Column(name, BYTEWISE, nullable=False) for name in required),
            sqlite_autoincrement=True,
        )
        self.names = ("key", "document", *names, *required)
        self.indexes = self._indexes()

    def _indexes(self) -> list[Index]:
        name, column, fact = self.fact.name, self.table.c, self.fact
        indexes = [Index(f"{name}__key", column.key, unique=True)]
        indexes += [
            Index(f"{name}__{each}", column[f"u_{each}"], unique=True) for each in fact.unique
        ]
        indexes += [
            Index(f"{name}__g_{each}", column[f"g_{each}"], column.number) for each in fact.groups
        ]
        # Lists are read within a tenant, or of the whole table where it knows none.
        within = [column[f"g_{each}"] for each in fact.groups if each == TENANT]
        # Whether somebody holds an active record in a tenant is answered by the index alone.
        held = [*within, column.active_from, column.active_until] if within else []
        indexes += [
            Index(f"{name}__r_{member}", column[f"r_{member}"], *held)
            for member in fact.references
            if member not in fact.groups
        ]
        indexes += [
            Index(f"{name}__a_{member}", *within, column[f"a_{member}"], column.number)
            for member in self.asked
        ]
        for each in ("active_from", "active_until"):
            exists = column[each].is_not(None)
            indexes.append(
                Index(
                    f"{name}__{each}",
                    *within,
                    column[each],
                    sqlite_where=exists,
                    postgresql_where=exists,
                )
            )
        # A tenant's are sorted when asked for, but for the ids: by these grows what never ends.
        for member in self.ordered if not within else set(self.ordered) & {"id"}:
            key = self.order(member)[0]
            if self._dialect.name == "postgresql":
                indexes.append(Index(f"{name}__o_{member}", *within, key))
                if self.may_be_null(member):
                    # Nulls come last both ways, as it can't read one index.
                    descending = key.desc().nulls_last()
                    indexes.append(Index(f"{name}__d_{member}", *within, descending))
            elif self.tells_apart(member):
                indexes.append(Index(f"{name}__o_{member}", *within, key))
            else:
                # It can't read equal ones forwards while it reads the others backwards.
                indexes.append(Index(f"{name}__o_{member}", *within, key, column.key))
                indexes.append(Index(f"{name}__d_{member}", *within, key.desc(), column.key))
        return indexes

    def order(self, member: str) -> tuple[Any, ...]:
        """What an order by a member compares, one after the other; the first is indexed."""
        key = self.table.c[f"o_{member}"]
        if self._dialect.name != "postgresql":
            return (key,)
        return func.substr(key, ONE, literal_column(str(LONGEST_INDEXED))), key

    def is_indexed(self, member: str, within: tuple[str, Any] | None) -> bool:
        """Whether an index has the order by a member, of the whole table or within a tenant."""
        if TENANT in self.fact.groups:
            return member == "id" and within is not None and within[0] == TENANT
        return member in self.ordered

    def may_be_null(self, member: str) -> bool:
        """Whether there may be records that an order by a member has last both ways."""
        return member in self.fact.nullable or member in self.fact.identified

    def tells_apart(self, member: str) -> bool:
        """Whether no two records are equal in an order by a member."""
        return member == "id" and self.fact.numbered is not None

    def row(self, key: str, record: Record) -> dict[str, Any]:
        """All columns but the number. Raises what the facts' functions raise."""
        fact = self.fact
        row: dict[str, Any] = {"key": plain(key), "document": orjson.dumps(record).decode()}
        for kind, functions in (("u", fact.unique), ("g", fact.groups)):
            for name, function in functions.items():
                value = function(record)
                row[f"{kind}_{name}"] = None if value is None else group_key(value)
        for member in fact.references:
            value = record.get(member)
            row[f"r_{member}"] = plain(value) if isinstance(value, str) else None
        row["active_from"] = _instant(record.get("activeFrom"))
        row["active_until"] = _instant(record.get("activeUntil"))
        for member in self.asked:
            row[f"a_{member}"] = value_key(record.get(member))
        for member in self.ordered:
            row[f"o_{member}"] = order_key(record.get(member))
        if self.has_text:
            values = (record.get(member) for member in fact.text)
            text = "\n".join(fold(value) for value in values if isinstance(value, str))
            row["text"] = plain(text)
        return row

    def statements(self) -> list[str]:
        """What makes the table and its indexes."""
        elements: list[ExecutableDDLElement] = [
            CreateTable(self.table),
            *map(CreateIndex, self.indexes),
        ]
        return [str(each.compile(dialect=self._dialect)) for each in elements]


def _instant(value: Any) -> str | None:
    return plain(value) if isinstance(value, str) else None


def layouts(form: Form, metadata: MetaData, dialect: Dialect) -> dict[str, Layout]:
    """The tables of records by name."""
    return {fact.name: Layout(fact, form.number, metadata, dialect) for fact in form.tables}


def own_tables(metadata: MetaData, form: int) -> list[SqlTable]:
    """What the store keeps beside the records: what it says of itself, and revisions.

    The check refuses what a server of 0.2.0 that is still running would write into _meta.
    """
    return [
        SqlTable(
            META,
            metadata,
            Column("name", BYTEWISE, primary_key=True),
            Column("value", Text),
            CheckConstraint("name NOT IN ('probe', 'copying')"),
        ),
        SqlTable(
            COUNTERS,
            metadata,
            Column("name", BYTEWISE, primary_key=True),
            Column("last", BigInteger, nullable=False),
        ),
        SqlTable(
            REVISIONS,
            metadata,
            Column("tenant", BYTEWISE, primary_key=True),
            Column("name", BYTEWISE, primary_key=True),
            Column(f"version_{form}", BigInteger, key="version", nullable=False),
            Column("weight", BigInteger, nullable=False, server_default="0"),
        ),
    ]
