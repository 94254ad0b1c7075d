"""A change is judged in its turn, by the clock as it is then, not when it was asked for."""

import json
from contextlib import contextmanager
from pathlib import Path

import pytest

from provisioning.domain.names import token_digest
from provisioning.factory import memory_store
from provisioning.store import StoreUnavailable
from provisioning.testing.sandbox import Sandbox

from .asking import location

BOB = "bob@acme.test"
TURN = "2026-01-15T12:00:14Z"
"""When the turn of a change comes that was asked for at NOW."""
OI = {"title": "Late", "status": "BETA", "listOrder": 1}
BODIES = {
    "PUT /info": {"name": "Other"},
    "POST /users": {"username": "eve", "email": "eve@x", "password": "secret"},
    "PUT /users/{username}": {"firstName": "Robert"},
    "POST /privileges": {"username": BOB, "role": "MANAGEMENT"},
    "PUT /privileges/{id}": {"role": "MANAGEMENT"},
    "POST /users/{username}/privilege": {"role": "MANAGEMENT"},
    "PUT /users/{username}/privilege": {"role": "MANAGEMENT"},
    "POST /domain-mapping": {"domain": "new.acme.example"},
    "PUT /domain-mapping/{domain}": {"theme": "dark"},
    "POST /services/{label}": {},
    "PUT /services/{label}": {"activeUntil": "2027-01-01T00:00:00Z"},
    "POST /tenant-dashboards": {**OI, "label": "new", "menuLabel": "Late", "type": "CUSTOM"},
    "PUT /tenant-dashboards/{label}": {"title": "Other"},
    "POST /tenant-statements": {**OI, "label": "new", "query": "x", "type": "CUSTOM"},
    "PUT /tenant-statements/{label}": {"title": "Other"},
    "PUT /statements/{label}/config": {"limit": 1},
    "POST /endpoints": {"url": "amqp://new.example", "endpointType": "MQ_INCOMING"},
    "PUT /endpoints/{id}": {"vhost": "other"},
    "POST /service-endpoints": {"url": "amqp://new.example", "endpointType": "MQ_INCOMING"},
    "PUT /service-endpoints/{id}": {"vhost": "other"},
    "POST /api-keys": {"type": "BASIC"},
    "PUT /api-keys/{key}": {"name": "other"},
    "POST /users/{username}/api-keys": {"type": "BASIC"},
    "PUT /users/{username}/api-keys/{key}": {"name": "other"},
}
CHANGES = [
    f"{route['verb']} {route['path']}"
    for route in json.loads(Path(__file__).with_name("routes.json").read_text())
    if route["verb"] != "GET"
]


class BusyStore:
    """A store in memory, where others come first: `meanwhile` runs before a change's turn."""

    def __init__(self):
        self._store = memory_store()
        self.meanwhile = lambda: None
        self.tenants = []

    def __getattr__(self, name):
        return getattr(self._store, name)

    @contextmanager
    def transaction(self, tenant=None, *facts):
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        self.tenants.append(tenant)
        with self._store.transaction(tenant, *facts) as transaction:
            yield transaction


@pytest.fixture
def sandbox():
    sandbox = Sandbox(store=BusyStore())
    administrator = sandbox.administrator
    sandbox.add_user(BOB)
    for path in ("/services/enterprise", "/services/standard"):
        assert administrator.post(path).status_code == 201
    for route in ("tenant-dashboards", "tenant-statements"):
        body = BODIES[f"POST /{route}"] | {"label": "late"}
        assert administrator.post(f"/{route}", json=body).status_code == 201
    assert administrator.post("/domain-mapping", json={"domain": "a.example"}).status_code == 201
    return sandbox


def path_of(sandbox, change):
    """The path of a change with a record that there is, or for a new one none yet."""
    verb, path = change.split()
    administrator = sandbox.administrator
    label = "late"
    if path.startswith("/services"):
        label = "standard"
        if verb == "POST":
            administrator.delete("/services/standard")
    values = {"username": BOB, "label": label, "domain": "a.example"}
    if "{id}" in path:
        kind = path.split("/")[1]
        values["id"] = (
            2
            if kind == "privileges"
            else location(
                administrator.post("/endpoints", json=BODIES["POST /endpoints"])
            ).rpartition("/")[2]
        )
    if "{key}" in path:
        made = administrator.post(
            path.removesuffix("/{key}").format(**values), json={"type": "BASIC"}
        )
        values["key"] = made.json["id"]
    return path.format(**values)


def ask(sandbox, change, client=None):
    verb, path = change.split()[0], path_of(sandbox, change)
    client = client or sandbox.administrator
    body = {"json": BODIES[change]} if change in BODIES else {}
    return lambda: client.request(verb, path, **body)


def contents(sandbox):
    with sandbox.store.read() as view:
        return json.dumps(view.tables())


@pytest.mark.parametrize("change", CHANGES)
def test_each_of_these_changes_is_made_for_who_may_still_make_it(sandbox, change):
    assert ask(sandbox, change)().status_code in {200, 201, 204}


@pytest.mark.parametrize("change", CHANGES)
def test_a_key_that_expires_while_its_change_waits_changes_nothing(sandbox, change):
    key = sandbox.add_key("alice@acme.test", active_until=TURN)
    asked = ask(sandbox, change, sandbox.client(key))
    before = contents(sandbox)
    sandbox.store.meanwhile = lambda: sandbox.clock.set(TURN)
    answer = asked()
    assert (answer.status_code, contents(sandbox)) == (401, before)
    assert "expired" in answer.json["detail"]


@pytest.mark.parametrize("change", CHANGES)
def test_who_is_revoked_while_their_change_waits_changes_nothing(sandbox, change):
    sandbox.add_user("carol@acme.test", "ADMINISTRATOR")
    asked = ask(sandbox, change, sandbox.client(sandbox.add_key("carol@acme.test")))
    before = []

    def meanwhile():
        assert sandbox.administrator.delete("/users/carol@acme.test").status_code == 204
        before.append(contents(sandbox))

    sandbox.store.meanwhile = meanwhile
    assert asked().status_code == 401
    assert contents(sandbox) == before[0]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_takes_its_turn_among_those_of_its_tenant(sandbox, change):
    asked = ask(sandbox, change)
    sandbox.store.tenants.clear()
    asked()
    assert sandbox.store.tenants == ["acme"]


def test_a_key_that_has_become_another_tenants_meanwhile_is_401(sandbox):
    token = sandbox.add_key(None)

    def meanwhile():
        with sandbox.store.transaction() as transaction:
            key = transaction.find("api_keys", "token", token_digest(token))
            transaction.put("api_keys", key["id"], key | {"tenant": "globex"})

    sandbox.store.meanwhile = meanwhile
    assert sandbox.client(token).put("/info", json={"name": "Other"}).status_code == 401


@pytest.mark.parametrize(
    "change",
    [
        "POST /users/{username}/privilege",
        "POST /privileges",
        "POST /services/{label}",
        "POST /endpoints",
        "POST /api-keys",
        "POST /users/{username}/api-keys",
        "POST /domain-mapping",
    ],
)
def test_a_window_begins_when_the_turn_of_its_change_has_come(sandbox, change):
    asked = ask(sandbox, change)
    sandbox.store.meanwhile = lambda: sandbox.clock.set(TURN)
    assert asked().json["activeFrom"] == TURN


def test_the_first_privilege_begins_when_the_turn_of_its_user_has_come(sandbox):
    asked = ask(sandbox, "POST /users")
    sandbox.store.meanwhile = lambda: sandbox.clock.set(TURN)
    assert asked().json["tenantUserPrivileges"][0]["activeFrom"] == TURN


def test_what_has_ended_meanwhile_is_history(sandbox):
    made = sandbox.grant(BOB, "MANAGEMENT", active_until=TURN)
    sandbox.store.meanwhile = lambda: sandbox.clock.set(TURN)
    answer = sandbox.administrator.put(f"/privileges/{made}", json={"role": "TEAM_LEADER"})
    assert answer.status_code == 409


def test_what_is_revoked_ends_when_its_turn_has_come(sandbox):
    sandbox.store.meanwhile = lambda: sandbox.clock.set(TURN)
    sandbox.administrator.delete("/privileges/2")
    assert sandbox.administrator.get("/privileges/2").json["activeUntil"] == TURN


def test_a_window_that_ends_before_the_turn_of_its_change_is_refused(sandbox):
    sandbox.store.meanwhile = lambda: sandbox.clock.set(TURN)
    body = {"role": "MANAGEMENT", "activeUntil": "2026-01-15T12:00:05Z"}
    answer = sandbox.administrator.post(f"/users/{BOB}/privilege", json=body)
    assert "activeUntil" in answer.json["errors"]


# Changes that meet others in the store


class Conflicted(StoreUnavailable):
    is_retryable = True


class ConflictingStore(BusyStore):
    """Commits only after so many conflicts with changes of other servers."""

    conflicts = 0

    @contextmanager
    def transaction(self, tenant=None, *facts):
        with super().transaction(tenant, *facts) as transaction:
            yield transaction
            if self.conflicts:
                self.conflicts -= 1
                self.meanwhile = self.after
                raise Conflicted("another change came between")

    def after(self):
        pass


@pytest.fixture
def conflicting():
    return Sandbox(store=ConflictingStore())


@pytest.mark.parametrize(("conflicts", "status"), [(1, 201), (2, 201), (3, 503)])
def test_a_change_that_meets_another_is_made_again_three_times_at_most(
    conflicting, conflicts, status
):
    conflicting.store.conflicts = conflicts
    answer = conflicting.administrator.post("/domain-mapping", json={"domain": "a.example"})
    assert answer.status_code == status
    assert conflicting.store.conflicts == 0
    listed = conflicting.administrator.get("/domain-mapping").json
    assert len(listed) == (status == 201)


def test_a_change_that_is_made_again_finds_what_came_between(conflicting):
    def after():
        globex = conflicting.client(conflicting.add_key(None, "globex"))
        assert globex.post("/domain-mapping", json={"domain": "a.example"}).status_code == 201

    conflicting.store.after = after
    conflicting.store.conflicts = 1
    answer = conflicting.administrator.post("/domain-mapping", json={"domain": "a.example"})
    assert answer.status_code == 409


def test_who_is_revoked_before_a_change_is_made_again_is_401(conflicting):
    conflicting.add_user("carol@acme.test", "ADMINISTRATOR")
    carol = conflicting.client(conflicting.add_key("carol@acme.test"))

    def after():
        assert conflicting.administrator.delete("/users/carol@acme.test").status_code == 204

    conflicting.store.after = after
    conflicting.store.conflicts = 1
    assert carol.post("/domain-mapping", json={"domain": "a.example"}).status_code == 401


class FlakyReads(BusyStore):
    """Reads fail a few times at once, as over a connection that has died."""

    failures = 0

    @contextmanager
    def read(self):
        if self.failures:
            self.failures -= 1
            raise Conflicted("the connection has died")
        with self._store.read() as view:
            yield view


@pytest.mark.parametrize(("failures", "status"), [(2, 200), (3, 503)])
def test_a_read_that_fails_is_made_again(failures, status):
    sandbox = Sandbox(store=FlakyReads())
    sandbox.store.failures = failures
    assert sandbox.administrator.get("/info").status_code == status


def test_a_view_is_let_go_before_a_change_and_after_every_answer():
    class Counting(BusyStore):
        open = 0

        @contextmanager
        def read(self):
            type(self).open += 1
            try:
                with self._store.read() as view:
                    yield view
            finally:
                type(self).open -= 1

        @contextmanager
        def transaction(self, tenant=None, *facts):
            assert self.open == 0
            with super().transaction(tenant, *facts) as transaction:
                yield transaction

    sandbox = Sandbox(store=Counting())
    for verb, path in (("GET", "/users"), ("GET", "/nothing"), ("PUT", "/info")):
        sandbox.administrator.request(verb, path, json={})
        assert Counting.open == 0
