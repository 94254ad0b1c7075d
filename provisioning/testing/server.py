"""A server of a test's own: on a real socket, in memory, with a clock of its own."""

import itertools
from types import TracebackType
from typing import Any, Self

from provisioning import seed as seeds
from provisioning.domain import roles
from provisioning.domain.activity import Clock
from provisioning.factory import memory_store, serve
from provisioning.settings import Settings
from provisioning.testing.client import Client
from provisioning.testing.listener import Listener
from provisioning.testing.provisioner import Provisioner, built_in_catalogue, routes
from provisioning.web.context import Server
from provisioning.web.routing import BASE_PATH


class ProvisioningServer(Provisioner):
    """A server that answers at `url` from `start` until `stop`, or inside a `with` block.

    It begins with the tenant `acme`, the administrator alice@acme.test and a key of hers, then
    what is in `seed`, a JSON-like object in the form of a seed. `settings` are fields of Settings.
    Its clock runs with the machine's until a test sets or freezes it.
    """

    tenant = "acme"
    url: str
    """What a client is configured with; `root_url` is the same without the base path."""

    def __init__(self, seed: Any = None, **settings: Any) -> None:
        chosen = Settings(**{"control": "on", **settings})
        super().__init__(Server(chosen, memory_store(), Clock(), built_in_catalogue()))
        self.add_tenant(self.tenant)
        self.add_user("alice@acme.test", roles.ADMINISTRATOR)
        self.token = self.add_key("alice@acme.test")
        if seed is not None:
            self.load(seed)
        with self.store.read() as view:
            self._beginning = view

    def start(self) -> Self:
        """Listen on a free port; requests are accepted when this returns."""
        self._listener = Listener(serve(routes(self.parts.settings), self.parts))
        host, port = self._listener.server_address
        self.root_url = f"http://{host}:{port}"
        self.url = self.root_url + BASE_PATH
        self.administrator = self.client(self.token)
        return self

    def stop(self) -> None:
        """Close the socket and every connection; no thread is left when this returns."""
        self._listener.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def client(self, token: str | None = None) -> Client:
        """An HTTP client with another key, or with none."""
        return Client(self.url, token)

    def load(self, seed: Any, replace: bool = False) -> None:
        """Put a seed over what is there, or in place of it (the key `token` is then gone, too).

        All of it or, with a BadFile that names each fault and its place, nothing.
        """
        now = self.clock.now()
        entries = seeds.prepare_seed(seed, now)
        with self.store.transaction() as transaction:
            seeds.load_seed(transaction, entries, self.catalogue, now, replace)

    def reset(self) -> None:
        """Back to how the server began: its records, ids and keys, and the machine's time."""
        with self.store.transaction() as transaction:
            transaction.restore(self._beginning)
        self.clock.reset()
        self._numbers = itertools.count(1)
