"""Places of stores, by the path or URL that people write, and opening the store in a place."""

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from provisioning.store.form import Form
from provisioning.store.storage import LOCK_PATIENCE, DurableStorage
from provisioning.store.store import Store

EXTRA = "pip install 'provisioning-api[sql]', in a checkout pip install '.[sql]'"
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_ALMOST_URLS = ("postgresql:", "postgres:", "sqlite:")
_CODE = "%(?!00)[0-9A-Fa-f]{2}"
_HOST = rf"(?:(?:[\w.~-]|{_CODE})*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{{0,5}})?"
_VALUE = rf"(?:[^&?#@%\s]|{_CODE})*"
_POSTGRESQL = re.compile(
    rf"postgresql://(?:([^/?#\s]*)@)?({_HOST}(?:,{_HOST})*)"
    rf"(?:/((?:[^/?#@%\s]|{_CODE})*))?(\?(?:[\w.]+={_VALUE}(?:&|$))*)?"
)
"""User and password, hosts, database, options. What isn't exactly such a URL is not understood: a
part of a password with a slash in it would be shown as the database, say."""
NO_URL = (
    "is no URL such as postgresql://USER:PASSWORD@HOST/DATABASE; in a password "
    "@ : / ? # and % are written as %40 %3A %2F %3F %23 and %25"
)


@dataclass(frozen=True, repr=False)
class Place:
    """The place of a store: a JSON file, an SQLite file, or a PostgreSQL database.

    Its text names the file, or hosts and database, but never a user or a password.
    """

    kind: str
    """`file`, `sqlite` or `postgresql`."""
    path: Path
    """The file; without meaning for PostgreSQL."""
    url: str = ""
    """The URL of PostgreSQL, which may hold a password."""

    def __str__(self) -> str:
        if self.kind == "postgresql":
            match = _POSTGRESQL.fullmatch(self.url)
            _, hosts, database, _ = match.groups() if match else ("", "", "", "")
            return f"postgresql://{hosts}/{unquote(database or '')}"
        return f"sqlite:///{self.path}" if self.kind == "sqlite" else str(self.path)

    def __repr__(self) -> str:
        return f"Place({str(self)!r})"

    @property
    def is_file(self) -> bool:
        return self.kind != "postgresql"

    @property
    def of_demo(self) -> "Place":
        """The place beside this one for demo data, which must never mix with real data."""
        return Place(self.kind, self.path.with_suffix(f".demo{self.path.suffix}"), self.url)

    def exists(self) -> bool:
        """Whether the file exists; always true for PostgreSQL, which has to be opened to know."""
        return not self.is_file or self.path.exists()


def place_of(text: str) -> Place:
    """The place that a path or URL names; ValueError says what is wrong, without a password.

    Blanks around it don't count.
    """
    text = text.strip()
    scheme = _URL.match(text)
    if scheme is None:
        if not text or "://" in text:
            raise ValueError("must be a path, sqlite:///FILE or postgresql://HOST/DATABASE")
        if text.startswith(_ALMOST_URLS):
            raise ValueError(NO_URL)
        return Place("file", Path(text))
    if scheme[1] == "sqlite":
        file = text.removeprefix("sqlite://").removeprefix("/")
        if not text.startswith("sqlite:///") or not file or file.startswith((":", "?")):
            raise ValueError("names no file: write sqlite:///FILE, or sqlite:////FOLDER/FILE")
        _require("sqlalchemy")
        return Place("sqlite", Path(file))
    if scheme[1] == "postgresql":
        match = _POSTGRESQL.fullmatch(text)
        if match is None:
            raise ValueError(NO_URL)
        _require("sqlalchemy", "psycopg")
        # libpq would take what follows the first @ for the host, and name it.
        user = match[1] or ""
        return Place("postgresql", Path(), text.replace(user, user.replace("@", "%40"), 1))
    raise ValueError(
        f"'{scheme[1]}://' is no kind of store: there are a path (a JSON file), sqlite:///FILE and "
        "postgresql://HOST/DATABASE"
    )


def _require(*packages: str) -> None:
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(f"needs {' and '.join(missing)}, which an extra brings: {EXTRA}")


def open_store(place: Place, form: Form, patience: float = LOCK_PATIENCE, **purpose: bool) -> Store:
    """Open the store in a place, or begin one if there is none. Raises StoreUnavailable.

    `upgrades=False`: an older form is read without being changed. `begins=False`, `fills=True` are
    arguments for SqlStore.
    """
    if place.kind == "file":
        upgrades = purpose.get("upgrades", True)
        return Store(DurableStorage(place.path, patience=patience), form, upgrades)
    # Imported late: a server with a JSON file needs none of this.
    from provisioning.store.sql.store import SqlStore  # noqa: PLC0415

    if place.kind == "sqlite":
        from provisioning.store.sql.sqlite import SQLite  # noqa: PLC0415

        return SqlStore(SQLite(place.path, form, patience), **purpose)
    from provisioning.store.sql.postgresql import PostgreSQL  # noqa: PLC0415

    return SqlStore(PostgreSQL(place.url, form, patience), **purpose)
