"""A server that belongs to a test: on a real socket, in memory, with its own clock."""

import itertools
import json
from types import TracebackType
from typing import Any, Self

from provisioning.control.parts import control_of
from provisioning.domain import roles
from provisioning.factory import COLLECTIONS, memory_store, serve
from provisioning.seed import load_seed, prepare_seed
from provisioning.settings import Settings
from provisioning.testing.client import Client
from provisioning.testing.clock import Clock
from provisioning.testing.listener import Listener
from provisioning.testing.provisioner import Provisioner, known_catalogue, plain, read_ahead, routes
from provisioning.web.operation import BASE_PATH
from provisioning.web.server import Server

LONG_AGO = "2000-01-01T00:00:00Z"
"""When the administrator's privilege begins, so that a test may set the clock back."""
LONGEST_REPORT = 50
LONGEST_BODY = 300
FAILED = 400


read_ahead()


class ProvisioningServer(Provisioner):
    """A server that answers at `url` from `start` until `stop`, or inside a `with` block.

    It begins with the tenant `acme`, the administrator alice@acme.test and a key of hers; `seed`,
    an object of lists of records, is loaded over these. `settings` are fields of Settings.
    `clock` runs with the machine's time until a test sets or freezes it; `requests` is the log
    of requests, `faults` are the injected faults. Threads may share it.

    It listens on `port` of the address `host`; 0 is any free port. If it is stopped and started
    again, it has the same port and `url`, and all its records.
    """

    tenant = "acme"
    url: str
    """The URL for the configuration of a client, which ends with /api/v1/provisioning."""
    root_url: str
    """The URL without a path."""
    token: str
    """The token of the administrator's API key."""
    administrator: Client
    """An HTTP client with that API key."""
    clock: Clock

    def __init__(
        self, seed: Any = None, *, host: str = "127.0.0.1", port: int = 0, **settings: Any
    ) -> None:
        chosen = Settings(**{"control": "on", **settings})
        clock = Clock()
        clock.set(LONG_AGO)
        super().__init__(
            Server(chosen, memory_store(), clock, known_catalogue(chosen.catalogue), COLLECTIONS)
        )
        self.add_tenant(self.tenant)
        self.add_user("alice@acme.test", roles.ADMINISTRATOR)
        self.token = self.add_key("alice@acme.test")
        clock.reset()
        self._listener: Listener | None = None
        self._host, self._port = host, port
        if seed is not None:
            entries = prepare_seed(self.parts, plain(seed), clock.now())
            with self.store.transaction() as transaction:
                load_seed(self.parts, transaction, entries, clock.now(), is_replacing=False)
        self._control = control_of(self.parts)
        self.requests, self.faults = self._control.requests, self._control.faults

    def start(self) -> Self:
        """Listen, unless the server runs already; clients may connect once this returns.

        OSError if the port is taken.
        """
        if self._listener is None:
            application = serve(routes(self.parts.settings), self.parts)
            self._listener = Listener(application, self._host, self._port)
            host, self._port = self._listener.server_address
            shown = f"[{host}]" if ":" in host else host
            self.root_url = f"http://{shown}:{self._port}"
            self.url = self.root_url + BASE_PATH
            self.administrator = self.client(self.token)
        return self

    def stop(self) -> None:
        """Close the socket and every connection, if the server runs; this ends all its threads."""
        listener, self._listener = self._listener, None
        if listener is not None:
            self.faults.is_delaying = False
            self.faults.release()
            listener.close()
            self.faults.is_delaying = True

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
        """Load a seed over all records or, with `replace`, in place of them.

        A replacement removes the tenant `acme` and its key, too, and `reset` then goes back to the
        seed. BadFile names each fault and its place; nothing has changed then.
        """
        self._control.load(plain(seed), replace)

    def reset(self) -> None:
        """Put the server back as it began: records, ids, keys, clock; no faults, no requests."""
        self._control.reset()
        self._numbers = itertools.count(1)

    def report(self, since: int = 0) -> str:
        """The last requests after the one with this id as text for people, without secrets."""
        entries = [entry for entry in self.requests if entry["id"] > since]
        lines = [line for entry in entries[-LONGEST_REPORT:] for line in _shown(entry)]
        if len(entries) > LONGEST_REPORT:
            lines.insert(0, f"({len(entries) - LONGEST_REPORT} earlier ones)")
        return "\n".join(lines)


def _shown(entry: Any) -> list[str]:
    target = f"{entry['path']}?{entry['query']}" if entry["query"] else entry["path"]
    status = entry["status"]
    fault = f"  by fault {entry['fault']}" if entry["fault"] else ""
    lines = [
        f"{entry['method']} {target}  {status or 'closed'}{fault}  {entry['user'] or ''}".rstrip()
    ]
    bodies = {">": entry["requestBody"], "<": entry["responseBody"]}
    for mark, body in bodies.items():
        if body is not None and (mark == ">" or status >= FAILED):
            text = json.dumps(body, ensure_ascii=False)
            lines.append(f"  {mark} {text[:LONGEST_BODY]}{'...' * (len(text) > LONGEST_BODY)}")
    return lines
