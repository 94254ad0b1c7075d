"""Where a store is: a path or a URL, as people write it, and the store that is there."""

import importlib.util
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from provisioning.store.storage import LOCK_PATIENCE, DurableStorage
from provisioning.store.store import Check, Migration, Store
from provisioning.store.tables import Table

EXTRA = "pip install 'provisioning-api[sql]', in a checkout pip install '.[sql]'"
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_POSTGRESQL = re.compile(
    r"postgresql://(?:[^/?#]*@)?([^@/?#]*)(?:/([^?#]*))?(?:[?#].*)?", re.DOTALL
)


@dataclass(frozen=True, repr=False)
class Place:
    """Where a store is: in a JSON file, in an SQLite file, or in a PostgreSQL database.

    As text it names the file, or hosts and database, and never a user or a password.
    """

    kind: str
    """`file`, `sqlite` or `postgresql`."""
    path: Path
    """The file; of PostgreSQL meaningless."""
    url: str = ""
    """The URL of PostgreSQL, with all that is secret in it."""

    def __str__(self) -> str:
        if self.kind == "postgresql":
            match = _POSTGRESQL.fullmatch(self.url)
            hosts, database = match.groups() if match else ("", "")
            return f"postgresql://{hosts}/{unquote(database or '')}"
        return f"sqlite:///{self.path}" if self.kind == "sqlite" else str(self.path)

    def __repr__(self) -> str:
        return f"Place({str(self)!r})"

    @property
    def is_file(self) -> bool:
        return self.kind != "postgresql"

    @property
    def of_demo(self) -> "Place":
        """Where the demo data of this place is kept, so that it never mixes with real data."""
        return Place(self.kind, self.path.with_suffix(f".demo{self.path.suffix}"), self.url)

    def exists(self) -> bool:
        """Whether there may be a store; a database tells when it is opened."""
        return not self.is_file or self.path.exists()


def place_of(text: str) -> Place:
    """The place that a path or a URL names; ValueError says what is wrong, without repeating it."""
    scheme = _URL.match(text)
    if scheme is None:
        if not text.strip():
            raise ValueError("must be a path, sqlite:///FILE or postgresql://HOST/DATABASE")
        return Place("file", Path(text))
    if scheme[1] == "sqlite":
        file = text.removeprefix("sqlite://").removeprefix("/")
        if not text.startswith("sqlite:///") or not file or file.startswith((":", "?")):
            raise ValueError("names no file: write sqlite:///FILE, or sqlite:////FOLDER/FILE")
        _require("sqlalchemy")
        return Place("sqlite", Path(file))
    if scheme[1] == "postgresql":
        if _POSTGRESQL.fullmatch(text) is None:
            raise ValueError(
                "is no URL such as postgresql://USER:PASSWORD@HOST/DATABASE; in a password "
                "@ : / ? # and % are written as %40 %3A %2F %3F %23 and %25"
            )
        _require("sqlalchemy", "psycopg")
        return Place("postgresql", Path(), text)
    raise ValueError(
        f"'{scheme[1]}://' is no kind of store: there are a path (a JSON file), sqlite:///FILE and "
        "postgresql://HOST/DATABASE"
    )


def _require(*packages: str) -> None:
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(f"needs {' and '.join(missing)}, which an extra brings: {EXTRA}")


def open_store(
    place: Place,
    tables: Sequence[Table],
    check: Check | None = None,
    migrations: Sequence[Migration] = (),
    patience: float = LOCK_PATIENCE,
    **purpose: bool,
) -> Store:
    """The store in a place, begun where there is none. Raises StoreUnavailable.

    `purpose` are facts for an SqlStore: `begins=False`, `fills=True`.
    """
    if place.kind == "file":
        return Store(DurableStorage(place.path, patience=patience), tables, check, migrations)
    # Whoever keeps a JSON file needs none of this.
    from provisioning.store.sql.store import SqlStore  # noqa: PLC0415

    if place.kind == "sqlite":
        from provisioning.store.sql.sqlite import SQLite  # noqa: PLC0415

        return SqlStore(SQLite(place.path, tables, patience), check, migrations, **purpose)
    from provisioning.store.sql.postgresql import PostgreSQL  # noqa: PLC0415

    return SqlStore(PostgreSQL(place.url, tables, patience), check, migrations, **purpose)
