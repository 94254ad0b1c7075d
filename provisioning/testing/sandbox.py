"""A whole server within the test's process and without a socket: the quickest way to try a rule."""

from typing import Any
from wsgiref.types import WSGIApplication

from werkzeug.test import Client as WerkzeugClient
from werkzeug.test import TestResponse

from provisioning.domain import roles
from provisioning.domain.catalogue import Catalogue
from provisioning.factory import COLLECTIONS, memory_store, serve
from provisioning.settings import Settings
from provisioning.store import Store
from provisioning.testing.client import Verbs
from provisioning.testing.clock import Clock
from provisioning.testing.provisioner import Provisioner, known_catalogue, routes
from provisioning.web.operation import BASE_PATH
from provisioning.web.server import Server

NOW = "2026-01-15T12:00:00Z"


class Client(Verbs[TestResponse]):
    """Sends requests with one API key. Paths are below the base path; `//path` is from the root."""

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


class Sandbox(Provisioner):
    """A server with a store in memory, a frozen clock, and the tenants acme and globex.

    `facts` are fields of Settings. `administrator` is a client with a key of alice@acme.test, who
    administers acme.
    """

    def __init__(
        self,
        store: Store | None = None,
        clock: Clock | None = None,
        catalogue: Catalogue | None = None,
        **facts: Any,
    ) -> None:
        settings = Settings(**facts)
        super().__init__(
            Server(
                settings,
                store or memory_store(),
                clock or Clock(frozen_at=NOW),
                catalogue or known_catalogue(),
                COLLECTIONS,
            )
        )
        self.app = serve(routes(settings), self.parts)
        for label in ("acme", "globex"):
            self.add_tenant(label)
        self.add_user("alice@acme.test", roles.ADMINISTRATOR)
        self.administrator = self.client(self.add_key("alice@acme.test"))

    def client(self, token: str | None = None) -> Client:
        return Client(self.app, token)
