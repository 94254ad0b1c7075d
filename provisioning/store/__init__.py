"""Tables of records, kept durably, changed by transactions, read through views.

    errors.py   the errors of a store
    deadline.py the end of every wait of a thread
    query.py    Query: a question to a table, as data
    ids.py      the numbers of ids
    tables.py   one table: its declaration, its records and the indexes over them
    answers.py  answers queries, and keeps the answers while they are true
    form.py     Form: the tables, their number, and the steps from older forms
    views.py    all tables: View, Transaction, and making a view of a file's content
    layout.py   the bytes of the JSON file
    turns.py    Turns: the threads of one process take turns
    storage.py  DurableStorage (one JSON file) and MemoryStorage, which keep the tables
    store.py    Store: opening, catching up with the file, transactions
    sql/        the same interface over SQLite and PostgreSQL
    opening.py  Place: where a store is, by a path or URL; opens the store there
    awaited.py  a store that can't be opened yet
    copying.py  copies a whole store to another place
    backups.py  backup and restore

The store knows no HTTP and no rule of provisioning. `Table` declares what it must know of records.
"""

from provisioning.store.errors import (
    Collision,
    OtherForm,
    StoreBusy,
    StoreDamaged,
    StoreUnavailable,
    TooManyRecords,
    TooManyToSort,
)
from provisioning.store.form import Conversion, Form, Past, Step
from provisioning.store.ids import LARGEST_BROUGHT, LARGEST_ID, number_of
from provisioning.store.query import (
    Led,
    Line,
    Lookup,
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
    "LARGEST_BROUGHT",
    "LARGEST_ID",
    "Change",
    "Collision",
    "Conversion",
    "Disk",
    "DurableStorage",
    "Form",
    "Led",
    "Line",
    "Lookup",
    "MemoryStorage",
    "Order",
    "OtherForm",
    "Page",
    "Past",
    "Query",
    "Record",
    "RecordId",
    "Related",
    "Step",
    "Store",
    "StoreBusy",
    "StoreDamaged",
    "StoreUnavailable",
    "Table",
    "TooManyRecords",
    "TooManyToSort",
    "Transaction",
    "View",
    "fold",
    "has_ended_at",
    "is_active_at",
    "number_of",
    "select",
]
