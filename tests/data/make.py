"""Makes a small store, and what a server answers of it, with the version that runs this.

    python make.py DATA ANSWERS.json

DATA is what PROVISIONING_DATA may be. Run it with the Python of a released version, so that later
versions can be tried on what that version has left. It uses nothing but routes and commands that
every version has, or leaves out what a version lacks.
"""

import json
import os
import sys
from pathlib import Path

from click.testing import CliRunner

DATA, ANSWERS = sys.argv[1:]
os.environ["PROVISIONING_DATA"] = DATA

from provisioning import create_app  # noqa: E402
from provisioning.cli import main  # noqa: E402
from provisioning.settings import Settings  # noqa: E402

if hasattr(Settings, "scim"):
    os.environ["PROVISIONING_SCIM"] = "on"

LONG_AGO, AGO, LATER = (f"{year}-01-01T00:00:00Z" for year in (2001, 2020, 2090))


def command(*words):
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    return done.output


def begin(tenant, admin):
    told = json.loads(
        command("init", "--tenant", tenant, "--name", tenant.title(), "--admin", admin, "--json")
    )
    return next(text for text in told.values() if isinstance(text, str) and len(text) > 20)


KEYS = {"acme": begin("acme", "uma@acme.test"), "globex": begin("globex", "Zoë@globex.test")}
BASE = "/api/v1/provisioning"
client = create_app(Settings.from_env(os.environ)).test_client()


def ask(tenant, verb, path, body=None):
    headers = {"Authorization": f"Bearer {KEYS[tenant]}"}
    path = path if path.startswith("/scim") else BASE + path
    return client.open(path, method=verb, json=body, headers=headers)


def do(tenant, verb, path, body=None):
    answer = ask(tenant, verb, path, body)
    assert answer.status_code < 300, (verb, path, answer.status_code, answer.text)
    return answer.get_json(silent=True)


for name, members in {
    "Ångström@acme.test": {"firstName": "Ånders", "lastName": "Ångström", "birthYear": 1814},
    "Straße@acme.test": {"firstName": "ﬁnn", "lastName": "\u0130pek", "hint": "a\nb"},
    "żak@acme.test": {"lastName": "Żak", "password": "not kept in the clear"},
    "ann@acme.test": {"firstName": "Ann", "lastName": "Zed", "country": "ISL", "gender": "F"},
    "bob@acme.test": {"firstName": "Bob", "lastName": None, "zipCode": "0042"},
    "이@acme.test": {"firstName": "이", "lastName": "a" * 250},
}.items():
    do(
        "acme",
        "POST",
        "/users",
        {"username": name, "email": "team@acme.test", "password": "x", **members},
    )
for name, role, begins, ends, manager in (
    ("ann@acme.test", "MANAGEMENT", AGO, None, "uma@acme.test"),
    ("bob@acme.test", "TEAM_LEADER", LONG_AGO, AGO, "ann@acme.test"),
    ("bob@acme.test", "TEAM_LEADER", LATER, None, "ANN@acme.test"),
    ("żak@acme.test", "INTERNAL_AUDITING", AGO, LATER, None),
):
    terms = {"username": name, "role": role, "activeFrom": begins, "activeUntil": ends}
    do("acme", "POST", "/privileges", {**terms, "reportsTo": manager})
do("acme", "PUT", "/users/ann@acme.test", {"firstName": "Anna", "birthYear": 1980})
do("acme", "PUT", "/info", {"name": "Acme & Söhne", "theme": "dark"})
# A guest: at home at globex, a user of acme.
do(
    "acme",
    "POST",
    "/privileges",
    {"username": "zoë@globex.test", "role": "USER", "activeFrom": AGO},
)
do("globex", "POST", "/domain-mapping", {"domain": "bücher.globex.example", "activeFrom": AGO})
do(
    "acme",
    "POST",
    "/domain-mapping",
    {"domain": "old.acme.example", "activeFrom": LONG_AGO, "activeUntil": AGO},
)
services = [each["label"] for each in do("acme", "GET", "/available-services?size=300")]
for label in ("enterprise", *(each for each in services if each != "enterprise")):
    ask("acme", "POST", "/services", {"service": label, "activeFrom": AGO})
    ask("acme", "POST", f"/services/{label}", {"activeFrom": AGO})
    if label != "enterprise":
        break
board = {"title": "Wärme", "menuLabel": "W", "type": "CUSTOM", "status": "BETA", "listOrder": 2}
for label in ("warm", "cold-2"):
    do(
        "acme",
        "POST",
        "/tenant-dashboards",
        {**board, "label": label, "settings": {"a": [1, 2.5, None]}},
    )
ask(
    "acme",
    "POST",
    "/tenant-statements",
    {
        "title": "Late",
        "label": "late",
        "type": "CUSTOM",
        "status": "BETA",
        "query": "x > 1e22",
        "config": {"n": 1e22},
    },
)
ask("acme", "PUT", "/statements/late/config", {"n": 2})
for number in (1, 2):
    do(
        "acme",
        "POST",
        "/endpoints",
        {
            "url": f"amqps://mq{number}.test/",
            "endpointType": {"label": "MQ_INCOMING"},
            "password": "hidden",
        },
    )
do("acme", "DELETE", "/endpoints/1")
for kind, owner in (
    ("BASIC", "ann@acme.test"),
    ("QUERY_ONLY", "ann@acme.test"),
    ("INGESTION_ONLY", None),
):
    path = f"/users/{owner}/api-keys" if owner else "/api-keys"
    do("acme", "POST", path, {"type": kind, "name": f"of {owner}", "activeFrom": AGO})
do("acme", "DELETE", "/users/%EC%9D%B4@acme.test")
if ask("acme", "GET", "/audit").status_code == 200:
    for name, external in (("żak@acme.test", "ext-1"), ("Straße@acme.test", "ext-2")):
        found = do("acme", "GET", f'/scim/v2/Users?filter=userName eq "{name}"')["Resources"][0]
        do(
            "acme",
            "PATCH",
            f"/scim/v2/Users/{found['id']}",
            {
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                "Operations": [{"op": "replace", "path": "externalId", "value": external}],
            },
        )
    do("acme", "DELETE", f"/scim/v2/Users/{found['id']}")
    command("user", "rename", "bob@acme.test", "Rob@acme.test", "--yes")
    do("globex", "PUT", "/users/Zo%C3%AB@globex.test", {"firstName": "Zoë", "hint": "secret"})

LISTS = (
    *(
        "/info",
        "/details",
        "/users?active=all",
        "/privileges?active=all",
        "/as-users?q=acme",
        "/domain-mapping",
    ),
    *(
        "/available-services",
        "/services?active=all",
        "/dashboards",
        "/tenant-dashboards",
        "/statements",
    ),
    *(
        "/tenant-statements",
        "/endpoints",
        "/api-keys",
        "/audit",
        "/users?order=-lastName&active=all",
    ),
    *("/users?q=zak&active=all", "/privileges?q=ann&active=all", "/users/ann@acme.test/api-keys"),
)
SINGLE = {
    "/users?active=all": ("/users/{username}", "/users/{username}/privilege"),
    "/privileges?active=all": ("/privileges/{id}",),
    "/endpoints": ("/endpoints/{id}",),
    "/tenant-dashboards": ("/tenant-dashboards/{label}",),
    "/tenant-statements": ("/statements/{label}/config",),
    "/api-keys": ("/api-keys/{id}",),
}
answers = []
for tenant in KEYS:
    for path in LISTS:
        sized = f"{path}{'&' if '?' in path else '?'}size=300"
        answer = ask(tenant, "GET", sized)
        answers.append([tenant, sized, answer.status_code, answer.get_json()])
        listed = answer.get_json() if answer.status_code == 200 else []
        for pattern in SINGLE.get(path, ()):
            for record in listed:
                one = pattern.format_map(record)
                answer = ask(tenant, "GET", one)
                answers.append([tenant, one, answer.status_code, answer.get_json()])
lines = [KEYS, *answers]
Path(ANSWERS).write_text("".join(f"{json.dumps(each, ensure_ascii=False)}\n" for each in lines))
