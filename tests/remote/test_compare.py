"""Two servers are compared: silent where nothing differs, one line where something does."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from provisioning.factory import serve
from provisioning.testing import ProvisioningServer
from provisioning.testing.provisioner import routes
from tests.remote.conftest import ALICE
from tests.remote.servers import BASE, PoorServer, application, listening

pytestmark = pytest.mark.slow


AUDITOR = "test-acme-ines-internal-auditing-basic-key"
MANAGER = "test-acme-maria-management-basic-key"
TEAM_LEADER = "test-acme-tove-team-leader-basic-key"
QUERY_ONLY = "test-acme-alice-administrator-query-only-key"
TENANT_ONLY = "test-acme-tenant-only-system-basic-key"
GRACE = "test-globex-grace-administrator-basic-key"

Answered = tuple[str, list[tuple[str, str]], Any]
"""Status, headers, body: JSON or bytes."""
Change = Callable[["Asked"], None]


class Asked:
    """A request to a wrapped server, and its answer, which a change may alter."""

    def __init__(self, environ: dict[str, Any], ask: Callable[[dict[str, Any]], Answered]) -> None:
        self.environ, self.ask = environ, ask
        self.verb = environ["REQUEST_METHOD"]
        self.path = environ["PATH_INFO"].removeprefix(BASE)
        self.query = environ["QUERY_STRING"]
        self.has_key = "HTTP_AUTHORIZATION" in environ
        self.status, self.headers, self.body = ask(environ)

    @property
    def is_ok(self) -> bool:
        return self.status.startswith("200") and self.verb == "GET"

    def again(self, **changed: Any) -> None:
        self.status, self.headers, self.body = self.ask({**self.environ, **changed})

    def lose(self, name: str) -> None:
        self.headers = [each for each in self.headers if each[0].lower() != name.lower()]


@contextmanager
def wrapped(server: ProvisioningServer, change: Change) -> Iterator[str]:
    """The URL of a server that answers as another does, but for one change."""
    application = serve(routes(server.parts.settings), server.parts)

    def ask(environ: dict[str, Any]) -> Answered:
        told: list[Any] = []
        content = b"".join(application(environ, lambda *facts: told.extend(facts[:2])))
        kind = dict(told[1]).get("Content-Type", "")
        return (
            told[0],
            list(told[1]),
            json.loads(content) if "json" in kind and content else content,
        )

    def answer(environ, start_response):
        asked = Asked(environ, ask)
        change(asked)
        asked.lose("Content-Length")
        start_response(asked.status, asked.headers)
        is_bytes = isinstance(asked.body, bytes)
        content = asked.body if is_bytes else json.dumps(asked.body).encode()
        return [b"" if asked.verb == "HEAD" else content]

    with listening(answer) as url:
        yield url


Told = list[tuple[str, str | None, str]]


@pytest.fixture
def told(run) -> Callable[..., Told]:
    """Compares, and returns route, member and kind of each difference."""

    def compare(*urls: str, key: str = ALICE, most: int = 5) -> Told:
        done = run("compare", *urls, "--json", "--most", most, key=key, other_key=key)
        found = json.loads(done.stdout)
        assert done.exit_code == (1 if found else 0), done.output
        assert all(each["count"] > 0 for each in found)
        return [(each["route"], each["member"], each["kind"]) for each in found]

    return compare


def every(asked: Asked, path: str, edit: Callable[[dict[str, Any]], Any]) -> None:
    """Edit each record of a list's answers, or the record of a path."""
    if asked.path == path and asked.is_ok:
        for record in asked.body if isinstance(asked.body, list) else [asked.body]:
            edit(record)


def rename(record: dict[str, Any], old: str, new: str) -> None:
    record[new] = record.pop(old)


def html(asked: Asked) -> None:
    asked.lose("Content-Type")
    asked.headers.append(("Content-Type", "text/html"))
    asked.body = b"<html><title>Not found</title></html>"


def another_page(asked: Asked) -> None:
    if asked.path == "/users" and "page=" in asked.query:
        before, _, number = asked.query.rpartition("page=")
        asked.again(QUERY_STRING=f"{before}page={max(0, int(number) - 1)}")


def only(path: str, edit: Callable[[Asked], None]) -> Change:
    def change(asked: Asked) -> None:
        if asked.path == path:
            edit(asked)

    return change


def without(parameter: str) -> Callable[[Asked], None]:
    def change(asked: Asked) -> None:
        kept = [each for each in asked.query.split("&") if not each.startswith(f"{parameter}=")]
        if asked.has_key and "&".join(kept) != asked.query:
            asked.again(QUERY_STRING="&".join(kept))

    return change


def found(asked: Asked) -> None:
    is_user = asked.path.startswith("/users/") and asked.path.count("/") == 2
    if is_user and asked.status.startswith("404") and asked.has_key:
        asked.status, asked.body = "200 OK", {}


def found_everywhere(asked: Asked) -> None:
    if asked.status.startswith("404") and asked.verb == "GET" and asked.has_key:
        asked.status, asked.body = "200 OK", {}


def html_for_errors(asked: Asked) -> None:
    if asked.path.startswith("/users/nobody") or asked.path.endswith("knows-none@nowhere.test"):
        html(asked)


def a_mapping_less(asked: Asked) -> None:
    if asked.is_ok and isinstance(asked.body, list):
        asked.body = [each for each in asked.body if each["domain"] != "insight.acme.example"]


def wrong_total(asked: Asked) -> None:
    total = dict(asked.headers).get("X-Total-Count")
    if total is not None:
        asked.lose("X-Total-Count")
        asked.headers.append(("X-Total-Count", str(int(total) + 1)))


def status(code: str) -> Callable[[Asked], None]:
    def change(asked: Asked) -> None:
        asked.status = code

    return change


def open_to_all(asked: Asked) -> None:
    if not asked.has_key and asked.verb == "GET":
        asked.again(HTTP_AUTHORIZATION=f"Bearer {ALICE}")


def backwards(asked: Asked) -> None:
    if asked.is_ok and "order=" not in asked.query and "page" not in asked.query:
        asked.body.reverse()


def no_head(asked: Asked) -> None:
    if asked.verb == "HEAD":
        asked.status = "405 No"


CHANGES: dict[str, tuple[Change, tuple[str, str | None, str]]] = {
    "a member is missing in a list": (
        lambda a: every(a, "/users", lambda r: r.pop("zipCode")),
        ("/users", "zipCode", "missing"),
    ),
    "a member is missing where it is null": (
        lambda a: every(a, "/users", lambda r: r["avatar"] is None and r.pop("avatar")),
        ("/users", "avatar", "missing"),
    ),
    "a member is missing in a record": (
        lambda a: every(a, "/users/alice@acme.test", lambda r: r.pop("gender")),
        ("/users/{username}", "gender", "missing"),
    ),
    "a member is renamed": (
        lambda a: every(a, "/users", lambda r: rename(r, "firstName", "first_name")),
        ("/users", "firstName", "missing"),
    ),
    "the member that names a record is renamed": (
        lambda a: every(a, "/users", lambda r: rename(r, "username", "userName")),
        ("/users", "username", "missing"),
    ),
    "a nested member is missing": (
        lambda a: every(a, "/privileges", lambda r: r["user"].pop("lastName")),
        ("/privileges", "user.lastName", "missing"),
    ),
    "a member that is unknown": (
        lambda a: every(a, "/api-keys", lambda r: r.update(lastUsed="2020-01-01T00:00:00Z")),
        ("/api-keys", "lastUsed", "unknown"),
    ),
    "null for absent": (
        lambda a: every(a, "/info", lambda r: r.update(motto=None)),
        ("/info", "motto", "unknown"),
    ),
    "a number as text": (
        lambda a: every(a, "/dashboards", lambda r: r.update(listOrder=str(r["listOrder"]))),
        ("/dashboards", "listOrder", "type"),
    ),
    "an id as text": (
        lambda a: every(a, "/privileges", lambda r: r.update(id=str(r["id"]))),
        ("/privileges", "id", "type"),
    ),
    "a boolean as number": (
        lambda a: every(a, "/endpoints", lambda r: r.update(active=int(r["active"]))),
        ("/endpoints", "active", "type"),
    ),
    "a value": (
        lambda a: every(a, "/info", lambda r: r.update(theme="other")),
        ("/info", "theme", "value"),
    ),
    "another role": (
        lambda a: every(
            a, "/privileges", lambda r: r["role"] == "MANAGEMENT" and r.update(role="USER")
        ),
        ("/privileges", "role", "value"),
    ),
    "instants in another form": (
        lambda a: every(
            a, "/domain-mapping", lambda r: r.update(activeFrom=r["activeFrom"][:-1] + "+00:00")
        ),
        ("/domain-mapping", "activeFrom", "value"),
    ),
    "another order": (only("/domain-mapping", backwards), ("/domain-mapping", None, "order")),
    "order is ignored": (only("/users", without("order")), ("/users", "order", "order")),
    "pages from 1": (another_page, ("/users", "page", "value")),
    "size is ignored": (only("/users", without("size")), ("/users", "size", "value")),
    "q is ignored": (only("/users", without("q")), ("/users", "q", "value")),
    "active is ignored": (only("/users", without("active")), ("/users", "active", "value")),
    "200 for 404": (found, ("/users/{username}", "no such record", "status")),
    "200 for every 404": (found_everywhere, ("*", "no such record", "status")),
    "a total is lost": (
        only("/users", lambda a: a.lose("X-Total-Count")),
        ("/users", "X-Total-Count", "header"),
    ),
    "a total is wrong": (only("/users", wrong_total), ("/users", "X-Total-Count", "value")),
    "links are lost": (
        only("/privileges", lambda a: a.lose("Link")),
        ("/privileges", "Link", "header"),
    ),
    "totals are lost everywhere": (
        lambda a: a.lose("X-Total-Count"),
        ("*", "X-Total-Count", "header"),
    ),
    "a tag is lost": (only("/info", lambda a: a.lose("ETag")), ("/info", "ETag", "header")),
    "secrets may be cached": (
        only("/endpoints", lambda a: a.lose("Cache-Control")),
        ("/endpoints", "Cache-Control", "header"),
    ),
    "Allow is lost": (
        only("/services", lambda a: a.lose("Allow")),
        ("/services", "Allow", "header"),
    ),
    "WWW-Authenticate is lost": (
        lambda a: a.lose("WWW-Authenticate"),
        ("*", "WWW-Authenticate", "header"),
    ),
    "another role's view": (
        only("/users", lambda a: a.has_key and a.again(HTTP_AUTHORIZATION=f"Bearer {TEAM_LEADER}")),
        ("/users", None, "records"),
    ),
    "a record less": (
        only("/domain-mapping", a_mapping_less),
        ("/domain-mapping", None, "records"),
    ),
    "HTML for an error": (html_for_errors, ("/users/{username}", "Content-Type", "header")),
    "HTML for a record": (only("/info", html), ("/info", "Content-Type", "header")),
    "a route that isn't there": (
        only("/endpoint-types", status("404 No")),
        ("/endpoint-types", None, "status"),
    ),
    "a route that fails": (
        only("/whoami", status("500 Ouch")),
        ("/whoami", None, "status"),
    ),
    "no key is needed": (
        only("/endpoint-types", open_to_all),
        ("/endpoint-types", "Authorization", "status"),
    ),
    "HEAD isn't offered": (no_head, ("*", "HEAD", "status")),
    "HEAD isn't offered on a route": (only("/services", no_head), ("/services", "HEAD", "status")),
}


def test_a_server_does_not_differ_from_itself(demo, told):
    assert told(demo.url, demo.url) == []


@pytest.mark.parametrize(
    "key", [ALICE, QUERY_ONLY, AUDITOR, MANAGER, TEAM_LEADER, TENANT_ONLY, GRACE]
)
def test_a_server_does_not_differ_from_what_was_pulled_from_it(demo, told, key):
    assert told(demo.url, key=key, most=100) == []


def together(names: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """Changes that one comparison shows, since each takes two seconds: each of another route."""
    left = list(names)
    while left:
        group: dict[str, str] = {}
        for name in left:
            route = CHANGES[name][1][0]
            if not group or "*" not in {route, *group}:
                group.setdefault(route, name)
        yield tuple(group.values())
        left = [name for name in left if name not in group.values()]


def changes_of(names: Iterable[str]) -> tuple[Change, Told]:
    """All these changes at once, and the lines that tell them."""

    def change(asked: Asked) -> None:
        for name in names:
            CHANGES[name][0](asked)

    return change, [CHANGES[name][1] for name in names]


@pytest.mark.parametrize("names", [*together(CHANGES)], ids=", ".join)
def test_one_change_is_one_line(demo, told, names):
    change, expected = changes_of(names)
    with wrapped(demo, change) as url:
        assert sorted(told(demo.url, url), key=repr) == sorted(expected, key=repr)


BESIDE_A_COPY = (
    "a member is missing in a list",
    "a member is renamed",
    "the member that names a record is renamed",
    "null for absent",
    "a number as text",
    "another order",
    "pages from 1",
    "size is ignored",
    "200 for 404",
    "a total is lost",
    "another role's view",
    "HTML for an error",
    "a route that fails",
)
"""Changes by which a server does not differ from itself: a copy of it has all but the change."""


@pytest.mark.parametrize("names", [*together(BESIDE_A_COPY)], ids=", ".join)
def test_one_change_is_one_line_beside_a_copy_as_well(demo, told, names):
    change, expected = changes_of(names)
    with wrapped(demo, change) as url:
        assert sorted(told(url), key=repr) == sorted(expected, key=repr)


def test_known_differences_are_accepted_and_what_is_new_is_told(demo, run, tmp_path):
    file = tmp_path / "known.json"
    change, _ = CHANGES["a value"]
    with wrapped(demo, change) as url:
        asked = ["compare", demo.url, url, "--most", "1"]
        keys = {"key": ALICE, "other_key": ALICE}
        first = run(*asked, "--write-accept", file, **keys)
        again = run(*asked, "--accept", file, **keys)
    assert first.exit_code == 1
    assert json.loads(file.read_text()) == [{"route": "/info", "member": "theme", "kind": "value"}]
    assert again.exit_code == 0, again.output
    assert "1 accepted" in again.output
    gone = run("compare", demo.url, demo.url, "--most", "1", "--accept", file, **keys)
    assert gone.exit_code == 0
    assert "not there any more: /info theme value" in gone.output


def test_an_example_shows_nobody_unless_people_are_asked_for(demo, run):
    def change(asked: Asked) -> None:
        every(asked, "/users", lambda r: r.update(lastName="Secretly"))
        every(asked, "/info", lambda r: r.update(name="Of alice@acme.test", theme="dark"))

    keys = {"key": ALICE, "other_key": ALICE}
    with wrapped(demo, change) as url:
        masked = run("compare", demo.url, url, "--most", "1", **keys).output
        shown = run("compare", demo.url, url, "--most", "1", "--real-people", **keys).output
    for text in ("Secretly", "alice"):
        assert text not in masked
        assert text in shown
    assert '"dark"' in masked


@pytest.mark.parametrize("size", [None, 7], ids=["size", "size is ignored"])
def test_a_poor_server_is_compared_and_what_it_lacks_is_one_line(told, size):
    poor = PoorServer(size)
    with listening(poor) as url:
        found = told(url, key=poor.key, most=2)
    assert ("/whoami", None, "status") in found
    assert ("/audit", None, "status") in found
    assert ("*", "X-Total-Count", "header") in found
    assert ("/users", "shoeSize", "unknown") in found
    assert ("/users", "home", "missing") in found
    assert len(found) == len(set(found))
    lonely = [each for each in found if each[2] == "records"]
    assert lonely == []


def test_what_stands_in_an_audit_is_no_difference_and_its_members_are(demo, told):
    demo.client(ALICE).put("/users/alice@acme.test", json={"hint": None})

    def change(asked: Asked) -> None:
        every(asked, "/audit", lambda r: rename(r, "requestId", "request"))

    with wrapped(demo, change) as url:
        assert told(url, most=1) == [("/audit", "requestId", "missing")]


def test_nothing_is_asked_for_but_to_read_and_to_look(demo, told):
    told(demo.url, demo.url, most=1)
    assert {each["method"] for each in demo.requests} <= {"GET", "HEAD", "OPTIONS"}


@pytest.mark.parametrize("content", [None, "{}x", '{"route": 1}', "[1]", '[{"route": "/users"}]'])
def test_a_file_that_accepts_nothing_is_said_before_anybody_is_asked(run, tmp_path, content):
    file = tmp_path / "known.json"
    if content is not None:
        file.write_text(content)
    done = run("compare", "http://127.0.0.1:1", "--accept", file, key="k")
    assert done.exit_code == 2
    assert "known.json" in done.output


def test_a_server_that_is_none_is_said(demo, run):
    with listening(application(lambda *_: (404, {}, {"detail": "There is none."}))) as url:
        for urls in ([url], [url, demo.url], [demo.url, url]):
            done = run("compare", *urls, key=ALICE, other_key=ALICE)
            assert done.exit_code == 2, done.output
            assert "There is no server of this API" in done.output


def test_a_key_that_opens_nothing_is_no_difference(demo, run):
    done = run("compare", demo.url, demo.url, key=ALICE, other_key="another")
    assert done.exit_code == 2
    assert "The key opens nothing" in done.output


def test_both_keys_are_needed_for_two_servers(demo, run):
    done = run("compare", demo.url, demo.url, key=ALICE)
    assert done.exit_code == 2
    assert "PROVISIONING_OTHER_KEY" in done.output


def test_every_route_of_the_api_is_asked(demo, told):
    demo.client(ALICE).put("/info", json={"theme": "dark"})
    told(demo.url, demo.url, most=3)
    document = demo.client(None).get("//openapi.json").json()
    documented = {path for path, verbs in document["paths"].items() if "get" in verbs}

    def plain(path: str) -> str:
        return re.sub(r"{\w+}", "{}", path.removeprefix(BASE))

    asked = {plain(each["matched"]) for each in demo.requests if each["status"] == 200}
    assert {plain(path) for path in documented if path.startswith(BASE)} <= asked
