"""A database that somebody else has made: what can't work is refused at start, in words that say
what to do, and what the server needs of a session it has, whatever others have set."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from provisioning.store import StoreUnavailable
from provisioning.store.opening import open_store, place_of
from provisioning.store.sql import SqlStore
from provisioning.store.sql.session import refusal
from tests.postgresql import Cluster, new_schema, running

from .conftest import FORM
from .test_store_faults_sql import public_folder

pytestmark = pytest.mark.slow


def opened(url: str) -> SqlStore:
    store = open_store(place_of(url), FORM)
    assert isinstance(store, SqlStore)
    return store


def unusual(store: SqlStore) -> None:
    """Put letters of everywhere in and get them out again."""
    name = "Ærøskøbing, 東京, नमस्ते, 😀"
    with store.transaction() as transaction:
        transaction.put("teams", "red", {"id": 1, "name": name})
    with store.read() as view:
        assert (view.get("teams", "red") or {})["name"] == name
        assert view.time() is not None
    store.probe()


@pytest.fixture
def name() -> str:
    return f"o{time.time_ns()}_{os.getpid()}"


# Encodings


@pytest.fixture
def database(postgresql: Cluster, name: str) -> Iterator[Callable[[str], str]]:
    """Makes a database of an encoding."""

    def made(encoding: str) -> str:
        postgresql.execute(
            f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' LOCALE_PROVIDER 'libc' "
            "TEMPLATE template0"
        )
        return postgresql.url(name)

    yield made
    postgresql.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.mark.parametrize("encoding", ["LATIN1", "EUC_JP", "SQL_ASCII"])
def test_a_database_of_another_encoding_is_refused_with_what_to_do(
    database: Callable[[str], str], encoding: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(StoreUnavailable, match=f"encoding is {encoding}.*UTF8.*CREATE DATABASE"):
        open_store(place_of(database(encoding)), FORM)
    assert "Traceback" not in caplog.text


def test_a_database_whose_locale_is_c_has_all_letters(database: Callable[[str], str]) -> None:
    with closing(opened(database("UTF8"))) as store:
        unusual(store)


# What others have set

SETTINGS = {
    "client_encoding": "LATIN1",
    "datestyle": "German, DMY",
    "timezone": "Pacific/Apia",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "statement_timeout": "300",
    "lock_timeout": "300",
    "idle_session_timeout": "300",
    "idle_in_transaction_session_timeout": "300",
    "transaction_timeout": "300",
    "synchronous_commit": "off",
    "standard_conforming_strings": "off",
    "bytea_output": "escape",
    "intervalstyle": "sql_standard",
}

OURS = {
    "client_encoding": "UTF8",
    "synchronous_commit": "on",
    "statement_timeout": "0",
    "lock_timeout": "5s",
    "idle_session_timeout": "0",
    "transaction_timeout": "0",
    "transaction_isolation": "read committed",
}


def test_settings_of_the_role_do_not_matter(postgresql: Cluster, name: str) -> None:
    postgresql.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'x'")
    postgresql.execute(f"CREATE SCHEMA {name} AUTHORIZATION {name}")
    for setting, value in SETTINGS.items():
        listed = value if setting == "datestyle" else f"'{value}'"
        postgresql.execute(f"ALTER ROLE {name} SET {setting} = {listed}")
    url = f"postgresql://{name}:x@127.0.0.1:{postgresql.port}/postgres"
    with closing(opened(url)) as store:
        unusual(store)
        require_ours(store)


def test_settings_in_the_url_do_not_matter(postgresql: Cluster) -> None:
    options = " ".join(
        f"-c {setting}={value.replace(' ', chr(92) + ' ')}" for setting, value in SETTINGS.items()
    )
    told = conninfo_to_dict(new_schema(postgresql))
    path = told["options"]
    schema = told["application_name"]
    url = postgresql.url(options=f"{path} {options}", client_encoding="LATIN1")
    with closing(opened(url)) as store:
        unusual(store)
        require_ours(store)
    assert postgresql.execute(f"TABLE {schema}.teams") != []


def test_variables_of_libpq_do_not_matter(schema_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    monkeypatch.setenv("PGDATESTYLE", "German")
    monkeypatch.setenv("PGTZ", "Pacific/Apia")
    with closing(opened(schema_url)) as store:
        unusual(store)
        require_ours(store)


def test_options_in_a_variable_name_the_schema_and_do_not_matter_otherwise(
    postgresql: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = conninfo_to_dict(new_schema(postgresql))["application_name"]
    monkeypatch.setenv(
        "PGOPTIONS", f"--search-path={schema} -cstatement_timeout=1 -c synchronous_commit=off"
    )
    with closing(opened(postgresql.url())) as store:
        unusual(store)
        require_ours(store)
    monkeypatch.delenv("PGOPTIONS")  # which the tests' own questions would follow, too
    assert postgresql.execute(f"TABLE {schema}.teams") != []


def require_ours(store: SqlStore) -> None:
    """What counts is as the server wants it."""
    with store.transaction() as transaction:
        asked = {
            name: transaction._rows(f"SELECT current_setting('{name}')", {})[0][0]  # type: ignore[attr-defined]
            for name in OURS
        }
    assert asked == OURS


def test_a_commit_that_waits_for_more_than_we_need_goes_on_waiting_for_it(
    postgresql: Cluster, schema_url: str
) -> None:
    options = conninfo_to_dict(schema_url)["options"]
    url = postgresql.url(options=f"{options} -c synchronous_commit=remote_apply")
    with closing(opened(url)) as store, store.transaction() as transaction:
        shown = transaction._rows("SHOW synchronous_commit", {})  # type: ignore[attr-defined]
        assert shown == [("remote_apply",)]


# Rights and names


@pytest.fixture
def role(postgresql: Cluster, name: str) -> str:
    """The URL of a user without any rights; their name is that of the schema in the path."""
    postgresql.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'x'")
    return (
        f"postgresql://{name}:x@127.0.0.1:{postgresql.port}/postgres"
        f"?options=-csearch_path%3D{name}_s,public"
    )


@pytest.mark.parametrize("is_there", [False, True])
def test_a_schema_that_is_not_there_or_not_theirs_is_refused(
    postgresql: Cluster, role: str, name: str, is_there: bool
) -> None:
    """And the next one of the path isn't taken in its place."""
    if is_there:
        postgresql.execute(f"CREATE SCHEMA {name}_s")
    with pytest.raises(StoreUnavailable, match=f"schema {name}_s .*isn't there.*GRANT USAGE"):
        open_store(place_of(role), FORM)


def test_a_user_who_may_make_no_tables_is_told_what_to_grant(
    postgresql: Cluster, role: str, name: str
) -> None:
    postgresql.execute(f"CREATE SCHEMA {name}_s")
    postgresql.execute(f"GRANT USAGE ON SCHEMA {name}_s TO {name}")
    with pytest.raises(StoreUnavailable, match=f"GRANT CREATE ON SCHEMA {name}_s TO {name}"):
        open_store(place_of(role), FORM)
    postgresql.execute(f"GRANT CREATE ON SCHEMA {name}_s TO {name}")
    with closing(opened(role)) as store:
        unusual(store)


@pytest.mark.parametrize("lacking", ["SELECT", "INSERT", "UPDATE", "DELETE", "sequences"])
def test_a_user_who_may_not_use_the_tables_that_are_there_is_told_what_to_grant(
    postgresql: Cluster, role: str, name: str, lacking: str
) -> None:
    postgresql.execute(f"CREATE SCHEMA {name}_s")
    opened(postgresql.url(options=f"-csearch_path={name}_s,public")).close()
    postgresql.execute(f"GRANT USAGE ON SCHEMA {name}_s TO {name}")
    tables, sequences = (f"ALL {kind} IN SCHEMA {name}_s" for kind in ("TABLES", "SEQUENCES"))
    postgresql.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO {name}")
    if lacking != "sequences":
        postgresql.execute(f"GRANT SELECT, USAGE, UPDATE ON {sequences} TO {name}")
        postgresql.execute(f"REVOKE {lacking} ON {name}_s.people FROM {name}")
    with pytest.raises(StoreUnavailable, match=r"lacks rights on .*GRANT") as raised:
        open_store(place_of(role), FORM)
    assert ("people__ids" if lacking == "sequences" else "people:") in str(raised.value)


def test_a_user_with_rights_on_the_tables_of_another_needs_no_more(
    postgresql: Cluster, role: str, name: str
) -> None:
    postgresql.execute(f"CREATE SCHEMA {name}_s")
    opened(postgresql.url(options=f"-csearch_path={name}_s,public")).close()
    postgresql.execute(f"GRANT USAGE ON SCHEMA {name}_s TO {name}")
    tables, sequences = (f"ALL {kind} IN SCHEMA {name}_s" for kind in ("TABLES", "SEQUENCES"))
    postgresql.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO {name}")
    postgresql.execute(f"GRANT SELECT, USAGE, UPDATE ON {sequences} TO {name}")
    with closing(opened(role)) as store:
        unusual(store)
        with store.transaction() as transaction:
            # An id of its own, from which ids are counted on.
            transaction.put("teams", "late", {"id": 70, "name": "Late"})
        with store.transaction() as transaction:
            assert transaction.next_id("teams") == 71
            assert transaction.next_id("people") == 1


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        ("VIEW {0}.people AS SELECT 1 AS one", "view named people"),
        ("MATERIALIZED VIEW {0}.people AS SELECT 1 AS one", "materialized view named people"),
        ("SEQUENCE {0}.people", "sequence named people"),
        ("TYPE {0}.people AS (one integer)", "type named people"),
        ("DOMAIN {0}.people AS integer", "type named people"),
        ("VIEW {0}._meta AS SELECT 1 AS one", "view named _meta"),
        ("VIEW {0}.people__ids AS SELECT 1 AS one", "view named people__ids"),
        ("VIEW {0}.people__key AS SELECT 1 AS one", "view named people__key"),
    ],
)
def test_something_of_others_under_a_name_of_ours_is_told_and_left_alone(
    postgresql: Cluster, schema_url: str, made: str, kind: str
) -> None:
    schema = conninfo_to_dict(schema_url)["application_name"]
    postgresql.execute(f"CREATE {made.format(schema)}")
    with pytest.raises(StoreUnavailable, match=f"{kind}, which isn't this server's"):
        open_store(place_of(schema_url), FORM)
    assert (schema,) not in postgresql.execute("SELECT schemaname FROM pg_tables")


def test_rights_that_are_taken_away_later_are_told_without_a_traceback(
    postgresql: Cluster, role: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    postgresql.execute(f"CREATE SCHEMA {name}_s AUTHORIZATION {name}")
    with closing(opened(role)) as store:
        postgresql.execute(f"ALTER TABLE {name}_s.teams OWNER TO postgres")
        postgresql.execute(f"REVOKE ALL ON {name}_s.teams FROM {name}")
        with pytest.raises(StoreUnavailable, match="refuses the server a right"), store.read() as v:
            v.count("teams")
    assert "teams" in caplog.text and not any(record.exc_info for record in caplog.records)


# Two stores in one database


def test_two_stores_in_two_schemas_have_an_index_of_words_each() -> None:
    with running(Cluster(public_folder())) as cluster:
        for schema in ("first", "second"):
            cluster.execute(f"CREATE SCHEMA {schema}")
            # Without `public`, where the extension is.
            opened(cluster.url(options=f"-csearch_path={schema}")).close()
        indexes = "SELECT schemaname FROM pg_indexes WHERE indexname = 'people__text' ORDER BY 1"
        assert cluster.execute(indexes) == [("first",), ("second",)]
        cluster.execute("DROP SCHEMA first CASCADE")
        assert cluster.execute(indexes) == [("second",)]
        with closing(opened(cluster.url(options="-csearch_path=second"))) as store:
            unusual(store)


def test_a_store_is_begun_beside_one_that_stands_in_a_schema_further_on_in_the_path(
    postgresql: Cluster,
) -> None:
    one, other = (conninfo_to_dict(new_schema(postgresql))["application_name"] for _ in range(2))
    with (
        closing(opened(postgresql.url(options=f"-csearch_path={one}"))) as first,
        closing(opened(postgresql.url(options=f"-csearch_path={other},{one}"))) as second,
    ):
        unusual(first)
        assert first.instance != second.instance
        with second.read() as view:
            assert view.count("teams") == 0


# URLs


def test_an_option_that_there_is_not_is_called_by_its_name(
    caplog: pytest.LogCaptureFixture,
) -> None:
    url = "postgresql://ann:s3cret@127.0.0.1/all?foo=bar&connect_timeout=2"
    with pytest.raises(StoreUnavailable, match=r"options that .* don't know: foo") as raised:
        open_store(place_of(url), FORM)
    assert "s3cret" not in str(raised.value) + caplog.text


@pytest.mark.parametrize("option", ["nonsense=1", "work_mem=nonsense", "max_connections=7"])
def test_a_setting_that_the_database_refuses_is_told_as_one(
    postgresql: Cluster, option: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(StoreUnavailable, match="refuses a setting in the URL's options"):
        open_store(place_of(postgresql.url(options=f"-c {option}")), FORM)
    assert option.partition("=")[0] in caplog.text
    assert not any(record.exc_info for record in caplog.records)


def test_a_refusal_in_another_language_is_told_as_one() -> None:
    said = (
        'connection failed: connection to server at "127.0.0.1", port 5432 failed: FATAL:  '
        "Passwort-Authentifizierung für Benutzer »ann« fehlgeschlagen"
    )
    assert "refuses connections" in str(refusal(psycopg.OperationalError(said)))
    nobody = 'connection to server at "127.0.0.1", port 5432 failed: Connection refused\n\tIs the'
    assert "can't be reached" in str(refusal(psycopg.OperationalError(nobody)))
