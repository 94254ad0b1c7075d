"""Marked secrets are planted everywhere, and everything that comes out is searched for them.

Every caller asks every GET route, for own, foreign and missing records, plainly and with queries
that try to search and order by secrets. A secret may be in an answer only as section 3 says, and
nothing of any is in a log.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from urllib.parse import quote, urlencode

import pytest

from provisioning.domain.roles import KEY_TYPES, ROLES
from provisioning.store import View
from provisioning.testing.sandbox import Sandbox

from .conftest import BASE
from .serving import Server, prepared, served

ROUTES = json.loads((Path(__file__).parents[1] / "contract" / "routes.json").read_text())
TENANTS = ("acme", "globex")
SECRET_MEMBERS = ("apiToken", "password", "passwordHash", "provPassword", "apiKey")
PART = 12
"""Characters of a secret to search for."""


@dataclass(frozen=True)
class Caller:
    tenant: str
    role: str
    key_type: str
    user: str | None
    token: str

    @property
    def is_administrator(self) -> bool:
        return self.role == "ADMINISTRATOR" and self.key_type == "BASIC"


@dataclass
class Secrets:
    """What is planted, each with whom it belongs to."""

    tokens: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    """Token -> tenant and owner, None for a tenant-only key."""
    of_endpoints: dict[str, str] = field(default_factory=dict)
    """Secret -> tenant."""
    never_shown: set[str] = field(default_factory=set)

    @property
    def all(self) -> list[str]:
        return [*self.tokens, *self.of_endpoints, *self.never_shown]

    def allowed(self, caller: Caller) -> set[str]:
        """What section 3 lets this caller see."""
        if caller.key_type != "BASIC":
            return set()
        allowed = {
            token
            for token, (tenant, owner) in self.tokens.items()
            if tenant == caller.tenant
            and (caller.is_administrator or (owner is not None and owner == caller.user))
        }
        if caller.is_administrator:
            allowed |= {
                secret for secret, tenant in self.of_endpoints.items() if tenant == caller.tenant
            }
        return allowed


@dataclass
class Planted:
    server: Server
    callers: list[Caller]
    secrets: Secrets
    paths: dict[str, list[str]]
    """Path template -> paths: of each tenant's record, and of one that there isn't."""


def plant(data: Path) -> tuple[list[Caller], Secrets]:
    """Per tenant a user of each role with a key of each type, who report to each other."""
    callers, secrets = [], Secrets()
    with prepared(data) as provisioner:
        for tenant in TENANTS:
            provisioner.add_tenant(tenant)
        for tenant in TENANTS:
            above = None
            for role in reversed(ROLES):
                password = f"secret-password-of-{role}-{tenant}"
                user = provisioner.add_user(
                    f"{role.lower()}@{tenant}.test",
                    role,
                    tenant,
                    reports_to=above,
                    password=password,
                )
                secrets.never_shown.add(password)
                above = user
                for kind in KEY_TYPES:
                    token = provisioner.add_key(user, tenant, kind)
                    callers.append(Caller(tenant, role, kind, user, token))
            for kind in KEY_TYPES:
                token = provisioner.add_key(None, tenant, kind)
                callers.append(Caller(tenant, "ADMINISTRATOR", kind, None, token))
        # Somebody who is in both tenants, with a key in each.
        provisioner.grant("user@acme.test", "MANAGEMENT", "globex")
        token = provisioner.add_key("user@acme.test", "globex")
        callers.append(Caller("globex", "MANAGEMENT", "BASIC", "user@acme.test", token))
        with provisioner.store.read() as view:
            secrets.never_shown |= hashes(view)
    for each in callers:
        secrets.tokens[each.token] = (each.tenant, each.user)
    return callers, secrets


def hashes(view: View) -> set[str]:
    """The stored hashes of passwords, and their salted parts."""
    found = {record["passwordHash"] for record in view.all("users")} - {None}
    return found | {text.rpartition("$")[2] for text in found}


def furnish(server: Server, callers: list[Caller], secrets: Secrets) -> dict[str, list[str]]:
    """Records of every kind in both tenants; the paths to them."""
    records: dict[str, list[str]] = {}
    for tenant in TENANTS:
        administrator = next(c for c in callers if c.tenant == tenant and c.is_administrator)
        client = server.client(administrator.token)

        def made(path: str, body: dict, client=client) -> dict:
            answer = client.post(path, json=body)
            assert answer.status_code == 201, answer.text
            return answer.json()

        endpoint = {"url": f"amqp://mq.{tenant}.test", "endpointType": "MQ_INCOMING"}
        for member in ("password", "provPassword", "apiKey"):
            endpoint[member] = f"secret-{member}-of-{tenant}"
            secrets.of_endpoints[endpoint[member]] = tenant
        named = {"title": "T", "label": f"own-{tenant}", "type": "CUSTOM", "status": "BETA"}
        made("/services/enterprise", {})
        paths = {
            "/endpoints/{id}": made("/endpoints", endpoint)["id"],
            "/domain-mapping/{domain}": made("/domain-mapping", {"domain": f"x.{tenant}.test"})[
                "domain"
            ],
            "/tenant-dashboards/{label}": made(
                "/tenant-dashboards", {**named, "menuLabel": "T", "listOrder": 1}
            )["label"],
            "/tenant-statements/{label}": made("/tenant-statements", {**named, "query": "q"})[
                "label"
            ],
            "/users/{username}": f"user@{tenant}.test",
        }
        users = client.get("/users?size=300").json()
        keys = client.get("/api-keys").json()
        of_user = client.get(f"/users/user@{tenant}.test/api-keys").json()
        privilege = client.get(f"/users/user@{tenant}.test/privilege").json()
        assert users and keys and of_user
        own = {
            **{template: [value] for template, value in paths.items()},
            "/privileges/{id}": [privilege["id"], f"user@{tenant}.test"],
            "/api-keys/{key}": [keys[0]["id"], keys[0]["apiToken"]],
            "/users/{username}/api-keys/{key}": [
                f"user@{tenant}.test/api-keys/{of_user[0][name]}" for name in ("id", "apiToken")
            ],
            "/services/{label}": ["enterprise"],
            "/available-services/{label}": ["enterprise"],
            "/dashboards/{label}": [f"own-{tenant}"],
            "/audit/{id}": [each["id"] for each in client.get("/audit?size=3").json()],
        }
        for template, values in own.items():
            records.setdefault(template, []).extend(map(str, values))
    return records


def filled(route: str, records: dict[str, list[str]]) -> list[str]:
    """The paths of a route, of both tenants' records and of one that is missing."""
    if "{" not in route:
        return [route]
    if route == "/users/{username}/api-keys/{key}":
        values = [*records[route], "nobody/api-keys/key-0"]
        return [f"/users/{value}" for value in values]
    family = route.replace("service-endpoints", "endpoints")
    template = "/users/{username}" if family.startswith("/users/{username}") else family
    if route.startswith("/statements/"):
        template = "/tenant-statements/{label}"
    before, _, after = route.partition(re.search(r"\{\w+\}", route)[0])
    return [f"{before}{quote(value)}{after}" for value in [*records[template], "0"]]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    data = tmp_path_factory.mktemp("secrets") / "db.json"
    callers, secrets = plant(data)
    with served(data, "--log-level", "debug") as server:
        paths = furnish(server, callers, secrets)
        yield Planted(server, callers, secrets, paths)


def queries(secrets: Secrets, caller: Caller) -> list[str]:
    """How a client might try to get at secrets with a list. Keys of other types read no further."""
    tried = ["", "?size=300&active=all", "?order=-username,nothing&page=x"]
    if caller.key_type != "BASIC":
        return tried
    tried += [f"?order={sign}{name}" for name in SECRET_MEMBERS for sign in ("", "-")]
    some = [secrets.all[at] for at in range(0, len(secrets.all), 5)]
    tried += [f"?active=all&{urlencode({'q': secret[:PART]})}" for secret in [*some, caller.token]]
    return tried


SENDING = [
    lambda token: ("", {"Authorization": f"Bearer {token}"}),
    lambda token: ("", {"X-API-Key": token}),
    lambda token: (f"apikey={quote(token)}", {}),
]


@pytest.mark.slow
def test_a_secret_is_answered_only_to_whom_section_3_shows_it_and_never_logged(planted):
    secrets = planted.secrets
    leaks, asked, shown = [], 0, 0
    connection = HTTPConnection("127.0.0.1", planted.server.port, timeout=30)
    gets = [route["path"] for route in ROUTES if route["verb"] == "GET"]
    for caller in planted.callers:
        allowed = secrets.allowed(caller)
        for route in [*gets, "//openapi.json", "//docs", "//health/ready", "//nothing"]:
            paths = [route[1:]] if route.startswith("//") else filled(route, planted.paths)
            for path in paths:
                whole = path if route.startswith("//") else BASE + path
                is_list = "{" not in route and not route.startswith("//")
                for query in queries(secrets, caller) if is_list else [""]:
                    parameter, headers = SENDING[asked % 3](caller.token)
                    target = whole + query
                    if parameter:
                        target += ("&" if "?" in target else "?") + parameter
                    connection.request("GET", target, headers=headers)
                    answer = connection.getresponse()
                    content = answer.read()
                    asked += 1
                    assert answer.status < 500
                    found = found_in(secrets, answer.getheaders(), content)
                    shown += len(found)
                    if found - allowed:
                        leaks.append((caller.role, caller.key_type, target, found - allowed))
                    if found:
                        assert answer.getheader("Cache-Control") == "no-store", target
                    total = answer.getheader("X-Total-Count")  # of lists alone
                    if total is not None and query.startswith("?order="):
                        leaks.append(("ordered by a secret", target))
                    if total not in {None, "0"} and query.startswith("?active=all&q="):
                        leaks.append(("found by a secret", target))
    connection.close()
    assert leaks == []
    assert shown > 100, "secrets are there to be found"
    print(f"\n{asked} answers searched for {len(secrets.all)} secrets; {shown} rightly shown")
    time.sleep(0.5)
    log = planted.server.log
    assert log.count("GET ") >= asked
    assert [secret for secret in secrets.all if secret in log] == []


def found_in(secrets: Secrets, headers: list[tuple[str, str]], content: bytes) -> set[str]:
    """The secrets in an answer; a problem's `instance` is the path that the caller has sent."""
    text = content.decode()
    if ("Content-Type", "application/problem+json") in headers:
        problem = json.loads(text)
        del problem["instance"]
        text = json.dumps(problem)
    text += str(headers)
    return {secret for secret in secrets.all if secret in text}


@pytest.mark.parametrize(
    "path, sent",
    [
        ("/users", {"username": "a@b", "email": "no email", "password": "{}"}),
        ("/users", {"username": "user@acme.test", "email": "a@b", "password": "{}"}),
        ("/users", {"username": "a@b", "email": "a@b", "password": "{}", "age": 1}),
        ("/users", {"username": "a@b", "email": "a@b", "password": ["{}"]}),
        ("/endpoints", {"url": "amqp://user:{}@host", "endpointType": "MQ_INCOMING"}),
        ("/endpoints", {"url": "amqp://a", "endpointType": "{}"}),
        ("/endpoints", {"url": "amqp://a", "endpointType": "MQ_INCOMING", "password": "{}\x00"}),
        ("/endpoints", {"url": "amqp://a", "endpointType": "MQ_INCOMING", "apiKey": "{}" * 99}),
        ("/endpoints", {"url": "amqp://a", "endpointType": "MQ_INCOMING", "provPort": "{}"}),
        ("/api-keys", {"type": "{}"}),
        ("/api-keys", {"type": "BASIC", "activeFrom": "{}"}),
        ("/privileges", {"username": "{}", "role": "USER"}),
        ("/privileges", {"username": "user@acme.test", "role": "{}"}),
    ],
)
@pytest.mark.slow
def test_no_error_repeats_a_value_that_was_sent_and_no_log_does(planted, path, sent):
    secret = "sent-by-mistake-4711"
    text = json.dumps(sent).replace("{}", secret)
    caller = next(each for each in planted.callers if each.is_administrator)
    client = planted.server.client(caller.token)
    headers = {"Content-Type": "application/json"}
    for body in (text, text[:-2], text.replace(":", "=")):
        answer = client.post(path, data=body.encode(), headers=headers)
        assert answer.status_code in {400, 409, 422}
        assert secret not in answer.text + str(answer.headers)
    assert secret not in planted.server.log


@pytest.mark.slow
def test_what_the_server_keeps_is_for_its_user_alone(planted):
    for path in planted.server.data.parent.iterdir():
        if path.name.startswith("db.json"):
            assert path.stat().st_mode & 0o077 == 0, path.name


# What is hidden takes the same work as what isn't there


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The look-ups in views, as they happen."""
    seen: list[str] = []

    def counted(look_up: Callable[..., object]) -> Callable[..., object]:
        def look_up_counted(view: View, table: str, *key: object) -> object:
            seen.append(f"{look_up.__name__} {table}")
            return look_up(view, table, *key)

        return look_up_counted

    for name in ("get", "find", "group"):
        monkeypatch.setattr(View, name, counted(getattr(View, name)))
    return seen


@pytest.mark.parametrize(
    "foreign, missing",
    [
        ("/privileges/{privilege}", "/privileges/999999"),
        ("/endpoints/{endpoint}", "/endpoints/999999"),
        ("/api-keys/{key}", "/api-keys/key-999999"),
        ("/domain-mapping/x.globex.test", "/domain-mapping/y.globex.test"),
        ("/tenant-dashboards/own", "/tenant-dashboards/nobodys"),
        ("/users/bob@globex.test", "/users/nobody@globex.test"),
        ("/users/bob@globex.test/privilege", "/users/nobody@globex.test/privilege"),
        ("/privileges/bob@globex.test", "/privileges/nobody@globex.test"),
    ],
)
def test_a_foreign_record_takes_about_the_look_ups_of_a_missing_one(
    sandbox, looked_up, foreign, missing
):
    globex = sandbox.client(sandbox.add_key(None, "globex"))
    sandbox.add_user("bob@globex.test", tenant="globex")
    made = {
        "privilege": globex.get("/privileges").json[0]["id"],
        "endpoint": globex.post(
            "/endpoints", json={"url": "amqp://a", "endpointType": "MQ_INCOMING"}
        ).json["id"],
        "key": globex.get("/api-keys").json[0]["id"],
    }
    globex.post("/domain-mapping", json={"domain": "x.globex.test"})
    body = {"title": "T", "menuLabel": "T", "label": "own", "type": "CUSTOM", "status": "BETA"}
    globex.post("/tenant-dashboards", json={**body, "listOrder": 1})
    foreign = foreign.format(**made)
    assert globex.get(foreign).status_code == 200

    def look_ups(path: str) -> list[str]:
        looked_up.clear()
        assert sandbox.administrator.get(path).status_code == 404
        return list(looked_up)

    times: dict[str, list[float]] = {foreign: [], missing: []}
    for _ in range(100):
        for path, taken in times.items():
            begin = time.perf_counter()
            sandbox.administrator.get(path)
            taken.append(time.perf_counter() - begin)
    ratio = median(times[foreign]) / median(times[missing])
    print(f"median time of foreign / missing: {ratio:.2f}")
    assert abs(len(look_ups(foreign)) - len(look_ups(missing))) <= 1


def test_keys_are_compared_by_their_digest():
    """So that the time of a refusal tells nothing of how much of a token was right."""
    sandbox = Sandbox()
    token = sandbox.administrator.token
    with sandbox.store.read() as view:
        assert view.find("api_keys", "token", token) is None
