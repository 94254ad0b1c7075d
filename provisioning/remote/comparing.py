"""Compares two servers, or one with a copy of it in memory."""

from collections.abc import Iterable
from dataclasses import dataclass
from wsgiref.types import StartResponse, WSGIEnvironment

import httpx2

from provisioning.domain import roles
from provisioning.domain.tables import TENANTS
from provisioning.factory import make_routes, serve
from provisioning.remote.alike import Findings, natural
from provisioning.remote.asking import Comparison, Side
from provisioning.remote.differences import Difference
from provisioning.remote.errors import CannotBeDone
from provisioning.remote.pulling import Pulled, pull
from provisioning.remote.reading import owner, tenant_of
from provisioning.remote.seeding import load, memory_server, profiles_of
from provisioning.remote.walking import text_of, user_of, walk
from provisioning.resources.api_keys import new_token
from provisioning.store import Record
from provisioning.web.audit import CLI, Author, keep
from provisioning.web.operation import BASE_PATH


@dataclass(frozen=True)
class Compared:
    """What a comparison has found; `told` says what was not compared, and why."""

    differences: list[Difference]
    told: list[str]


def compare(first: Side, second: Side | None, most: int, shows_people: bool) -> Compared:
    """The differences of two servers, or of one and a copy of it in memory."""
    findings = Findings(shows_people)
    if second is not None:
        for side in (first, second):
            tenant_of(side)
            findings.know(people_of(side))
        Comparison(first, second, findings, most).run()
        return Compared(findings.all(), [])
    pulled = pull(first, None, with_catalogue=True, is_lenient=True)
    token, added = key_in_copy(pulled, first.key)
    copy = copy_of(pulled, token, added)
    left_out = [*pulled.left_out, *added]
    findings.unnamed, findings.dropped = pulled.made.unnamed, pulled.made.dropped
    findings.know(profiles_of(pulled.holding))
    Comparison(first, copy, findings, most, frozenset(map(natural, left_out))).run()
    return Compared(findings.all(), pulled.told)


def people_of(side: Side) -> list[Record]:
    """Everybody whom a key sees, and who must not be shown; nobody where there is no such list."""
    try:
        return walk(side, "/users", {"active": "all"}).records
    except CannotBeDone:
        return []


def copy_of(pulled: Pulled, token: str, added: list[Record]) -> Side:
    """A server in memory that holds what was pulled, real people too."""
    server = memory_server(pulled.catalogue)
    lists = pulled.made.lists
    keys = [
        *lists.get("apiKeys", []),
        *({n: v for n, v in each.items() if n != "user"} for each in added),
    ]
    load(server, {**lists, "apiKeys": keys})
    tenant = lists["tenants"][0]
    # The audit begins empty: two changes, of which the second takes back the first.
    for theme in ("compared", tenant.get("theme")):
        with server.store.transaction() as transaction:
            stored = transaction.get(TENANTS, tenant["label"]) or {}
            transaction.put(TENANTS, tenant["label"], stored | {"theme": theme})
            # Not by_command_line, which would tell the log as well.
            keep(server, transaction, Author(CLI), server.clock.now(transaction.time()))
    application = serve(make_routes(server.settings), server)

    def asked(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        # WSGI wants the bytes of a path as Latin-1; the transport hands over its characters.
        environ["PATH_INFO"] = environ["PATH_INFO"].encode().decode("latin-1")
        return application(environ, start_response)

    transport = httpx2.WSGITransport(asked)
    return Side(f"http://127.0.0.1{BASE_PATH}", token, httpx2.Client(transport=transport))


def key_in_copy(pulled: Pulled, key: str) -> tuple[str, list[Record]]:
    """The token in the copy that stands for the key by which was pulled.

    Where the key itself is not shown, another one of its owner's does. Where there is none, the
    second part is a key to be added.
    """
    made, caller = pulled.made, pulled.holding.caller
    keys = list(zip(made.lists.get("apiKeys", []), made.origins.get("apiKeys", []), strict=True))
    for record, origin in keys:
        if origin.get("apiToken") == key:
            return str(record["apiToken"]), []
    username = text_of(owner(caller))
    if user_of(username) not in pulled.holding.users:
        username = None
    kind = text_of(caller.get("keyType")) or roles.BASIC
    for record, origin in keys:
        is_like = record.get("type") == kind and user_of(owner(origin)) == user_of(username)
        if is_like and record.get("activeUntil") is None:
            return str(record["apiToken"]), []
    added = {
        "tenant": pulled.holding.tenant["label"],
        "username": username,
        "type": kind,
        "apiToken": new_token(),
        "activeFrom": "2000-01-01T00:00:00Z",
        "createdDate": "2000-01-01T00:00:00Z",
        "user": {"username": username},
    }
    return str(added["apiToken"]), [added]
