"""The same store over SQL: SQLite on one machine, PostgreSQL and its clusters on many.

    columns.py     how values become columns, so that every database compares them as Python does
    layout.py      the tables that are made of the facts, and their indexes
    questions.py   a question as one statement, compiled once for each shape
    view.py        SqlView and SqlTransaction: what readers and changes see
    totals.py      how many records a question finds, remembered until something changes
    pool.py        connections: how many, and who waits how long for one
    database.py    what SQLite and PostgreSQL have in common: statements, turns, errors
    sqlite.py      SQLite
    session.py     sessions of PostgreSQL: opened, told what they need, given up
    rights.py      whether a PostgreSQL database of somebody else's can be worked in
    postgresql.py  PostgreSQL
    store.py       SqlStore: opening, migrations, transactions

Needs the extra `sql`. Nothing else of the server imports this package by itself.
"""

from provisioning.store.sql.store import SqlStore

__all__ = ["SqlStore"]
