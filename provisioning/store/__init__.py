"""Tables of records, kept durably, changed by transactions, read through views.

    errors.py   what can go wrong
    query.py    a question as data
    ids.py      the numbers of ids
    tables.py   one table: its declaration, its records and the indexes over them
    answers.py  what answers questions, and keeps what it has worked out while that is true
    views.py    all tables: View, Transaction, and making a view of what was read
    layout.py   how tables stand in the file, byte for byte
    storage.py  where tables are kept: DurableStorage (one file) and MemoryStorage
    store.py    Store: opening, catching up with the file, transactions
    sql/        the same interface over SQLite and PostgreSQL
    opening.py  the store that a setting names
    copying.py  carrying a whole store to another place

The store knows no HTTP and no rule of provisioning. What a record means is told to it by `Table`.
"""

from provisioning.store.errors import StoreDamaged, StoreUnavailable, TooManyRecords
from provisioning.store.ids import LARGEST_ID, number_of
from provisioning.store.query import (
    Order,
    Page,
    Query,
    Record,
    Related,
    fold,
    has_ended_at,
    is_active_at,
    select,
)
from provisioning.store.storage import Disk, DurableStorage, MemoryStorage
from provisioning.store.store import Store
from provisioning.store.tables import Table
from provisioning.store.views import Change, RecordId, Transaction, View

__all__ = [
    "LARGEST_ID",
    "Change",
    "Disk",
    "DurableStorage",
    "MemoryStorage",
    "Order",
    "Page",
    "Query",
    "Record",
    "RecordId",
    "Related",
    "Store",
    "StoreDamaged",
    "StoreUnavailable",
    "Table",
    "TooManyRecords",
    "Transaction",
    "View",
    "fold",
    "has_ended_at",
    "is_active_at",
    "number_of",
    "select",
]
