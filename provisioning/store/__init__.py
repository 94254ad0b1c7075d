"""The file: tables of records, kept durably, changed by transactions, read through views.

    errors.py   what can go wrong
    query.py    a question as data
    tables.py   one table: its declaration, its records and the indexes over them
    answers.py  what answers questions, and keeps what it has worked out while that is true
    views.py    all tables: View, Transaction, and making a view of what was read
    storage.py  where tables are kept: DurableStorage (one file) and MemoryStorage
    store.py    Store: opening, catching up with the file, transactions

The store knows no HTTP and no rule of provisioning. What a record means is told to it by `Table`.
"""

from provisioning.store.errors import StoreDamaged, StoreUnavailable
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
from provisioning.store.views import Change, Transaction, View

__all__ = [
    "Change",
    "Disk",
    "DurableStorage",
    "MemoryStorage",
    "Order",
    "Page",
    "Query",
    "Record",
    "Related",
    "Store",
    "StoreDamaged",
    "StoreUnavailable",
    "Table",
    "Transaction",
    "View",
    "fold",
    "has_ended_at",
    "is_active_at",
    "select",
]
