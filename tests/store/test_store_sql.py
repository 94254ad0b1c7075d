"""What a database answers is what the store in memory answers, to every question."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioning.domain.tables import USERS
from provisioning.factory import COLLECTIONS
from provisioning.store import Form, MemoryStorage, Order, Query, Record, Related, Store, Table
from provisioning.store.sql import SqlStore
from provisioning.store.sql.columns import order_key, original, plain, value_key
from provisioning.store.sql.database import Connection, Rows, Statement
from provisioning.store.sql.postgresql import PostgreSQL
from provisioning.store.sql.sqlite import SQLite
from provisioning.testing.sandbox import Client, Sandbox

FORM = Form(
    (
        Table(
            "accounts",
            unique={"id": lambda record: record["id"]},
            text=("name", "city"),
            asked=("name", "level"),
            orders=("name", "level", "city"),
            nullable=("level", "city"),
        ),
        Table(
            "grants",
            groups={
                "tenant": lambda record: record["tenant"],
                "tenantAccount": lambda record: (record["tenant"], record["account"]),
            },
            text=("role",),
            references={"account": "accounts", "boss": "accounts"},
            text_of=("account",),
            asked=("role", "boss", "activeFrom"),
            orders=("role", "account", "activeFrom", "activeUntil"),
            nullable=("boss", "activeFrom", "activeUntil"),
        ),
    )
)
NAMES = [
    "ann",
    "Ann",
    "ANNA",
    "Ánna",
    "Ånna",
    "ánna",
    "Żak",
    "zak",
    "\2",
    "a\1",
    "bob",
    "ß",
    "ss",
    "a%b",
    "a_b",
    'a"b',
    "a\\b",
    "\0",
    "\1",
    "",
]
TEXTS = st.sampled_from(NAMES) | st.text(max_size=4)
VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
    | st.lists(st.integers(0, 3), max_size=2)
)
INSTANTS = [f"2026-01-0{day}T00:00:00Z" for day in range(1, 6)]
INSTANT = st.none() | st.sampled_from(INSTANTS)
ACCOUNT = st.fixed_dictionaries({"name": TEXTS, "city": TEXTS | st.none(), "level": VALUES})
GRANT = st.fixed_dictionaries(
    {
        "tenant": st.sampled_from(["acme", "globex"]),
        "role": st.sampled_from(["USER", "ADMINISTRATOR"]),
        "account": st.integers(0, 5),
        "boss": st.none() | st.integers(0, 5),
        "activeFrom": INSTANT,
        "activeUntil": INSTANT,
    }
)
ORDER = st.booleans()
PAGES = st.tuples(st.integers(0, 2), st.none() | st.integers(1, 4))
WINDOW = st.fixed_dictionaries(
    {},
    optional={"active": st.booleans(), "ended": st.booleans()},
)


def text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def orders(members: tuple[str, ...]) -> st.SearchStrategy[tuple[Order, ...]]:
    order = st.builds(Order, st.sampled_from(members), st.booleans())
    return st.lists(order, max_size=2).map(tuple)


@st.composite
def questions(draw: st.DrawFn) -> tuple[str, Query]:
    table = draw(st.sampled_from(["accounts", "grants"]))
    page, size = draw(PAGES)
    facts: dict[str, Any] = {
        "page": page,
        "size": size,
        "by_key": draw(st.booleans()),
        "at": draw(st.sampled_from(INSTANTS)),
        "words": tuple(draw(st.lists(TEXTS, max_size=2))),
    }
    if draw(st.booleans()):
        facts["keys"] = [str(number) for number in draw(st.lists(st.integers(0, 9)))]
    if table == "accounts":
        facts["order"] = draw(orders(("name", "level", "city")))
        if draw(st.booleans()):
            facts["equal"] = {"level": draw(VALUES)}
        if draw(st.booleans()):
            facts["any_of"] = {"name": draw(st.lists(TEXTS, max_size=3))}
        if draw(st.booleans()):
            facts["related"] = tuple(draw(st.lists(related(facts["at"]), min_size=1, max_size=2)))
    else:
        facts["order"] = draw(orders(("role", "account", "activeFrom", "activeUntil")))
        facts |= draw(grants(facts["at"]))
    return table, Query(**facts)


@st.composite
def grants(draw: st.DrawFn, at: str) -> dict[str, Any]:
    facts: dict[str, Any] = {"at": at, **draw(WINDOW)}
    tenant = draw(st.sampled_from(["acme", "globex", "initech"]))
    facts["within"] = draw(
        st.sampled_from([None, ("tenant", tenant), ("tenantAccount", (tenant, "1"))])
    )
    if draw(st.booleans()):
        facts["any_of"] = {"boss": draw(st.lists(st.none() | st.sampled_from("012"), max_size=2))}
    if draw(st.booleans()):
        facts["equal"] = {"role": draw(st.sampled_from(["USER", "user", None]))}
    if draw(st.booleans()):
        facts["between"] = {"activeFrom": (draw(INSTANT), draw(INSTANT))}
    return facts


@st.composite
def related(draw: st.DrawFn, at: str) -> Related:
    condition = Query(**draw(grants(draw(st.sampled_from([at, INSTANTS[2]])))))
    member = draw(st.sampled_from(["account", "boss"]))
    return Related("grants", member, condition, draw(st.booleans()))


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[SqlStore]:
    if request.param == "postgresql":
        url = request.getfixturevalue("schema_url")
        store = SqlStore(PostgreSQL(url, FORM, 5))
    else:
        store = SqlStore(SQLite(tmp_path / "p.db", FORM, 5))
    yield store
    store.close()


def fill(store: Store, accounts: list[Record], entries: list[Record]) -> None:
    with store.transaction() as transaction:
        for number, account in enumerate(accounts):
            transaction.put("accounts", str(number), {**account, "id": number})
        for number, entry in enumerate(entries):
            names = {
                name: str(entry[name]) for name in ("account", "boss") if entry[name] is not None
            }
            transaction.put("grants", f"g{9 - number}", {**entry, **names})


@pytest.mark.slow
def test_a_database_finds_what_memory_finds_in_the_same_order(database: SqlStore) -> None:
    @settings(
        max_examples=60,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(
        st.lists(ACCOUNT, min_size=6, max_size=9),
        st.lists(GRANT, max_size=9),
        st.lists(questions(), min_size=1, max_size=8),
    )
    def check(
        accounts: list[Record], entries: list[Record], asked: list[tuple[str, Query]]
    ) -> None:
        memory = Store(MemoryStorage(), FORM)
        with database.transaction() as transaction:
            transaction.clear()
        try:
            fill(memory, accounts, entries)
        except TypeError:  # a lone surrogate is no text
            return
        fill(database, accounts, entries)
        with memory.read() as expected, database.read() as found:
            for table, query in asked * 2:
                assert found.query(table, query) == expected.query(table, query), (table, query)

    check()


@given(st.lists(VALUES.filter(lambda value: value is not None), min_size=2))
def test_the_keys_of_orders_are_ordered_as_memory_orders_values(values: list[Any]) -> None:
    store = Store(MemoryStorage(), Form((Table("values", orders=("value",)),)))
    texts = [value for value in values if not isinstance(value, str) or text(value)]
    with store.transaction() as transaction:
        for number, value in enumerate(texts):
            transaction.put("values", str(number), {"number": number, "value": value})
    with store.read() as view:
        expected = view.query("values", Query(order=(Order("value"),))).records
    found = sorted(range(len(texts)), key=lambda number: order_key(texts[number]) or "")
    assert [record["number"] for record in expected] == found


@given(VALUES, VALUES)
def test_the_keys_of_values_are_equal_where_the_values_are(one: Any, other: Any) -> None:
    assert (value_key(one) == value_key(other)) == (one == other)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=6))
def test_no_text_is_changed_for_good(given_text: str) -> None:
    assert original(plain(given_text)) == given_text
    assert "\0" not in plain(given_text)


@given(st.text(max_size=4), st.text(max_size=4))
def test_the_texts_of_columns_are_ordered_as_texts_are(one: str, other: str) -> None:
    if text(one) and text(other):
        assert (plain(one) < plain(other)) == (one < other)


# What a request asks a database for


class Counting(PostgreSQL):
    """Notes how many statements each round trip carries, and "commit" for one that is an end."""

    def __init__(self, url: str, patience: float = 5) -> None:
        self.trips: list[int | str] = []
        super().__init__(url, COLLECTIONS.form, patience)

    def ask(self, connection: Connection, statements: Sequence[Statement]) -> list[Rows]:
        self.trips.append(len(statements))
        return super().ask(connection, statements)

    def end_reading(self, connection: Connection) -> None:
        self.trips.append("commit")
        super().end_reading(connection)

    def commit(self, connection: Connection, statements: Sequence[Statement] = ()) -> None:
        self.trips.append(f"{len(statements)} and commit")
        super().commit(connection, statements)


ADMISSION = 2
"""Key, tenant, the owner's privileges and the host's tenant in one statement; and the clock."""
TURN = 6
"""Queue, turn, the record's lock, an id for the audit, all that will be asked for, the clock."""


class Asking:
    """An administrator whose requests are counted by their round trips to PostgreSQL."""

    def __init__(self, url: str, patience: float = 5) -> None:
        self._database = Counting(url, patience)
        self.store = SqlStore(self._database)
        self.sandbox = Sandbox(store=self.store, scim="on")

    def trips(
        self, method: str, path: str, client: Client | None = None, **facts: Any
    ) -> list[int | str]:
        self._database.trips.clear()
        answer = (client or self.sandbox.administrator).request(method, path, **facts)
        assert answer.status_code < 300, answer.text
        return list(self._database.trips)


@pytest.fixture
def asking(schema_url: str) -> Iterator[Asking]:
    asking = Asking(schema_url)
    yield asking
    asking.store.close()


@pytest.mark.slow
def test_a_request_asks_in_so_many_round_trips_and_in_no_more(asking: Asking) -> None:
    boss = asking.sandbox.add_user("boss@acme.test")
    bob = asking.sandbox.add_user("bob@acme.test", reports_to=boss)
    held = asking.sandbox.administrator.get(f"/users/{bob}/privilege").json["id"]
    # The user, their privileges, their keys, to whom they report.
    assert asking.trips("GET", f"/users/{bob}") == [ADMISSION, 1, "commit"]
    assert asking.trips("GET", f"/privileges/{held}") == [ADMISSION, 1, "commit"]
    # What is written goes with the commit.
    changed = asking.trips("PUT", f"/users/{bob}", json={"hint": "other"})
    assert changed == [ADMISSION, "commit", TURN, "2 and commit"]


LISTS = {
    "/users": [ADMISSION, 2, 1, "commit"],
    "/users?q=acme": [ADMISSION, 2, 1, "commit"],
    "/privileges": [ADMISSION, 2, 1, "commit"],
    "/user-api-keys": [ADMISSION, 2, 1, "commit"],
    "/audit": [ADMISSION, 2, 1, "commit"],
    # Who comes back; then, after the users, their managers.
    "//scim/v2/Users": [ADMISSION, 1, 2, 1, 1, "commit"],
}


@pytest.mark.slow
def test_a_page_asks_in_as_many_round_trips_however_many_it_shows(asking: Asking) -> None:
    sandbox = asking.sandbox
    bosses = [sandbox.add_user(f"boss{number}@acme.test") for number in range(3)]
    for number in range(120):
        user = sandbox.add_user(f"u{number:03}@acme.test", reports_to=bosses[number % 3])
        sandbox.add_key(user)
        sandbox.administrator.put(f"/users/{user}", json={"hint": "other"})
    for path, trips in LISTS.items():
        for size in (20, 100):
            page = f"{path}{'&' if '?' in path else '?'}size={size}&count={size}"
            # The first one that is longer than its page counts, and those after it know that.
            asking.trips("GET", page)
            # The records with their number, and then what they name.
            assert asking.trips("GET", page) == trips, page


@pytest.mark.slow
def test_a_line_of_any_length_is_walked_in_one_statement(asking: Asking) -> None:
    sandbox = asking.sandbox
    boss = sandbox.add_user("boss@acme.test", "MANAGEMENT")
    manager = sandbox.client(sandbox.add_key(boss))
    last = boss

    def trips(path: str) -> list[int | str]:
        return asking.trips("GET", path, manager)

    asked = []
    for number in range(30):
        last = sandbox.add_user(f"u{number}@acme.test", reports_to=last)
        if number in (1, 29):
            asked.append((trips("/users?size=1"), trips(f"/users/{last}")))
    assert manager.get("/users?size=1").headers["X-Total-Count"] == "31"
    assert asked[0] == asked[1]


# Whose changes run beside each other

USER_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:User"
PATCH_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


def patch(name: str, value: object) -> Record:
    operation = {"op": "replace", "path": name, "value": value}
    return {"schemas": [PATCH_SCHEMA], "Operations": [operation]}


SCIM_USER = {"schemas": [USER_SCHEMA], "userName": "bob@acme.test", "active": True}


@pytest.mark.slow
@pytest.mark.parametrize(
    "method, path, body, status",
    [
        ("PUT", "/users/bob@acme.test", {"hint": "other"}, 200),
        ("PUT", "{scim}", {**SCIM_USER, "name": {"givenName": "Bob"}}, 200),
        ("PATCH", "{scim}", patch("name.givenName", "Bob"), 200),
        ("PATCH", "{scim}", patch("active", True), 200),
        ("PATCH", "{scim}", patch("active", False), 503),
        ("PATCH", "{scim}", patch("userName", "rob@acme.test"), 503),
        ("PATCH", "{scim}", patch("externalId", "7"), 503),
        ("PUT", "{scim}", {**SCIM_USER, "externalId": "7"}, 503),
        ("DELETE", "{scim}", None, 503),
    ],
)
def test_a_change_of_a_profile_alone_runs_beside_that_of_another(
    schema_url: str, method: str, path: str, body: Any, status: int
) -> None:
    asking = Asking(schema_url, patience=0.5)
    bob = asking.sandbox.add_user("bob@acme.test")
    number = asking.sandbox.administrator.get(f"/users/{bob}").json["id"]
    with (
        ThreadPoolExecutor() as threads,
        asking.store.transaction("acme", only=(USERS, "alice@acme.test")),
    ):
        path = path.format(scim=f"//scim/v2/Users/{number}")
        administrator = asking.sandbox.administrator
        answer = threads.submit(administrator.request, method, path, json=body).result()
    assert answer.status_code == status, answer.text
    asking.store.close()
