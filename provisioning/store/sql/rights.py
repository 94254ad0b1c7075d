"""Whether a server can work in a PostgreSQL database that somebody else has made: its encoding, its
schema, the user's rights, and whether our names are free there. What is wrong is told with what
mends it."""

from collections.abc import Collection
from typing import Any

from provisioning.store.errors import StoreUnavailable
from provisioning.store.sql.database import Database
from provisioning.store.sql.pool import Connection

ENCODING = "UTF8"
PLACE = (
    "SELECT current_user, current_setting('server_encoding'), current_schema(), "
    "current_setting('search_path'), "
    "(SELECT to_regnamespace(quote_ident(current_user)) IS NOT NULL), "
    "has_schema_privilege(current_schema(), 'CREATE')"
)
OURS = (
    "SELECT c.relname, c.relkind::text, CASE "
    "WHEN c.relkind IN ('r', 'p') THEN has_table_privilege(c.oid, 'SELECT') "
    "AND has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE') "
    "AND has_table_privilege(c.oid, 'DELETE') "
    "WHEN c.relkind = 'S' THEN has_sequence_privilege(c.oid, 'SELECT') "
    "AND has_sequence_privilege(c.oid, 'USAGE') AND has_sequence_privilege(c.oid, 'UPDATE') "
    "ELSE true END "
    "FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace "
    "AND (c.relname = ANY(%(names)s) OR c.oid IN (SELECT d.objid FROM pg_depend d "
    "JOIN pg_class t ON t.oid = d.refobjid WHERE d.deptype = 'a' AND d.classid = d.refclassid "
    "AND t.relnamespace = c.relnamespace AND t.relname = ANY(%(tables)s) AND c.relkind = 'S')) "
    "UNION ALL SELECT t.typname, 'T', true FROM pg_type t "
    "WHERE t.typnamespace = current_schema()::regnamespace AND t.typrelid = 0 "
    "AND t.typname = ANY(%(tables)s)"
)
"""Relations and types that have our names, and whether the user may use them."""
KINDS = {
    "v": "view",
    "m": "materialized view",
    "f": "foreign table",
    "i": "index",
    "I": "index",
    "S": "sequence",
    "c": "type",
    "T": "type",
}
TABLES = ("r", "p")


def require_fit(database: Database, connection: Connection, sequences: Collection[str]) -> None:
    """StoreUnavailable with what is wrong, if anything is."""
    ((user, encoding, schema, path, has_own, may_create),) = database.rows(connection, PLACE, {})
    if encoding != ENCODING:
        raise StoreUnavailable(
            f"The database's encoding is {encoding}, and has to be {ENCODING}. Make another one: "
            f"CREATE DATABASE name ENCODING '{ENCODING}' TEMPLATE template0."
        )
    wanted = _first_of(path, user if has_own else None)
    if schema is None or wanted not in (None, schema):
        raise StoreUnavailable(
            f"The schema {wanted or path} of the search path isn't there, or the user {user} may "
            f"not use it. CREATE SCHEMA {wanted or 'name'}, or GRANT USAGE ON SCHEMA "
            f"{wanted or 'name'} TO {user}, or name another one in the URL: "
            "?options=-csearch_path%3Dname"
        )
    tables = [*database.layouts, *(table.name for table in database.own)]
    indexes = [str(each.name) for layout in database.layouts.values() for each in layout.indexes]
    names = {"names": [*tables, *sequences, *indexes], "tables": tables}
    found: dict[str, tuple[str, bool | None]] = {}
    for name, kind, may_use in database.rows(connection, OURS, names):
        found[name] = (kind, may_use)
    _require_rights(found, schema, user)
    if all(found.get(name, ("", False))[0] in TABLES for name in tables):
        return
    for name, (kind, _) in found.items():
        is_ours = kind in TABLES or (kind == "S" and name not in tables)
        is_of_ours = kind in ("i", "I") and any(
            name.startswith(f"{table}__") for table in tables if table in found
        )
        if not (is_ours or is_of_ours):
            raise StoreUnavailable(
                f"In the schema {schema} there is a {KINDS.get(kind, 'relation')} named {name}, "
                "which isn't this server's, and takes the name of one of its own. Rename it, or "
                "name another schema in the URL: ?options=-csearch_path%3Dname"
            )
    if not may_create:
        raise StoreUnavailable(
            f"The user {user} may make no tables in the schema {schema}: "
            f"GRANT CREATE ON SCHEMA {schema} TO {user}."
        )


def _first_of(path: str, own: str | None) -> str | None:
    """The schema that a search path wants to be used; None where it names none."""
    names = [name.strip().strip('"') for name in path.split(",")]
    named = [own if name == "$user" else name for name in names]
    return next((name for name in named if name), None)


def _require_rights(found: dict[str, tuple[str, bool | None]], schema: str, user: Any) -> None:
    # None is one that another server's upgrade has just dropped.
    denied = sorted(name for name, (_, may_use) in found.items() if may_use is False)
    if denied:
        raise StoreUnavailable(
            f"The user {user} lacks rights on {', '.join(denied)}: GRANT SELECT, INSERT, UPDATE, "
            f"DELETE ON ALL TABLES IN SCHEMA {schema} TO {user}; GRANT SELECT, USAGE, UPDATE ON "
            f"ALL SEQUENCES IN SCHEMA {schema} TO {user}."
        )
