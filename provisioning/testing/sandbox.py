"""A whole server inside the process, without a socket: the quickest way to try a rule."""

import functools
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.types import WSGIApplication

from werkzeug.test import Client as WerkzeugClient
from werkzeug.test import TestResponse

from provisioning.domain import people, roles
from provisioning.domain.activity import Clock
from provisioning.domain.catalogue import Catalogue
from provisioning.domain.names import username_key
from provisioning.domain.records import Records
from provisioning.domain.tables import USERS
from provisioning.domain.tenants import as_administrator, create_tenant, new_account
from provisioning.factory import make_routes, memory_store, serve
from provisioning.resources.api_keys import new_key
from provisioning.resources.users import USER
from provisioning.seed import load_catalogue
from provisioning.settings import Settings
from provisioning.store import Store
from provisioning.web.context import Server
from provisioning.web.routing import BASE_PATH

routes = functools.cache(make_routes)
"""Routes cost 30 ms to make and know no store, so servers of the same settings share them."""
built_in_catalogue = functools.cache(load_catalogue)

NOW = "2026-01-15T12:00:00Z"


class Client:
    """Requests with one API key, to paths below the base path; `//path` is from the root."""

    def __init__(self, application: WSGIApplication, token: str | None) -> None:
        self._client = WerkzeugClient(application)
        self.token = token

    def request(self, method: str, path: str, **facts: Any) -> TestResponse:
        headers = dict(facts.pop("headers", None) or {})
        if self.token is not None:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        facts.setdefault("environ_base", {"REMOTE_ADDR": "127.0.0.1"})
        url = path[1:] if path.startswith("//") else f"{BASE_PATH}{path}"
        return self._client.open(url, method=method, headers=headers, **facts)

    def get(self, path: str, **facts: Any) -> TestResponse:
        return self.request("GET", path, **facts)

    def post(self, path: str, **facts: Any) -> TestResponse:
        return self.request("POST", path, **facts)

    def put(self, path: str, **facts: Any) -> TestResponse:
        return self.request("PUT", path, **facts)

    def delete(self, path: str, **facts: Any) -> TestResponse:
        return self.request("DELETE", path, **facts)

    def head(self, path: str, **facts: Any) -> TestResponse:
        return self.request("HEAD", path, **facts)

    def options(self, path: str, **facts: Any) -> TestResponse:
        return self.request("OPTIONS", path, **facts)


class Sandbox:
    """An in-memory store, a frozen clock, the tenants acme and globex, and who you add.

    `facts` are fields of Settings. `administrator` is a client of alice@acme.test.
    """

    def __init__(
        self,
        store: Store | None = None,
        clock: Clock | None = None,
        catalogue: Catalogue | None = None,
        **facts: Any,
    ) -> None:
        self.store = store or memory_store()
        self.clock = clock or Clock(frozen_at=NOW)
        self.catalogue = catalogue or built_in_catalogue()
        settings = Settings(**facts)
        server = Server(settings, self.store, self.clock, self.catalogue)
        self.app = serve(routes(settings), server)
        self._numbers = itertools.count(1)
        for label in ("acme", "globex"):
            self.add_tenant(label)
        self.add_user("alice@acme.test", roles.ADMINISTRATOR)
        self.administrator = self.client(self.add_key("alice@acme.test"))

    def client(self, token: str | None = None) -> Client:
        return Client(self.app, token)

    def add_tenant(self, label: str, name: str | None = None) -> str:
        with self.store.transaction() as transaction:
            name = name or label.title()
            create_tenant(transaction, self.catalogue, label, name, self.clock.now())
        return label

    def add_user(
        self,
        username: str | None = None,
        role: str | None = roles.USER,
        tenant: str = "acme",
        active_from: str | None = None,
        active_until: str | None = None,
        reports_to: str | None = None,
        **profile: Any,
    ) -> str:
        """A new account at home in the tenant; with `role=None` it holds no privilege."""
        username = username or f"user{next(self._numbers)}@{tenant}.test"
        given = {"username": username, "email": username, **profile}
        account = dict.fromkeys(USER.load_fields) | given
        del account["password"]
        with self._changing(tenant) as records:
            stored = new_account(records, account, None)
            records.transaction.put(USERS, username_key(username), stored)
        if role is not None:
            self.grant(username, role, tenant, active_from, active_until, reports_to)
        return username

    def grant(
        self,
        username: str,
        role: str,
        tenant: str = "acme",
        active_from: str | None = None,
        active_until: str | None = None,
        reports_to: str | None = None,
    ) -> int:
        """A privilege's id."""
        terms = {
            "role": role,
            "activeFrom": active_from or self.clock.now(),
            "activeUntil": active_until,
            "reportsTo": reports_to,
        }
        with self._changing(tenant) as records:
            return int(people.grant(records, username_key(username), terms)["id"])

    def add_key(
        self,
        username: str | None = None,
        tenant: str = "acme",
        type: str = roles.BASIC,  # noqa: A002 - the contract's word
        active_from: str | None = None,
        active_until: str | None = None,
    ) -> str:
        """A key's token; without a username the key is the tenant's alone."""
        terms = {
            "type": type,
            "name": None,
            "activeFrom": active_from or self.clock.now(),
            "activeUntil": active_until,
        }
        with self._changing(tenant) as records:
            user = username_key(username) if username is not None else None
            return str(new_key(records, user, terms)["apiToken"])

    @contextmanager
    def _changing(self, tenant: str) -> Iterator[Records]:
        with self.store.transaction() as transaction:
            yield as_administrator(transaction, self.catalogue, tenant, self.clock.now())
