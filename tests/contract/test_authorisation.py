"""Who may do what: one table, written by hand from section 3 of the contract.

A row is a verb, a path, whose record is meant, and the status for a BASIC key of each role:
U(SER), T(EAM_LEADER), M(ANAGEMENT), A = INTERNAL_AUDITING, D = ADMINISTRATOR. The other key types
follow by rule: QUERY_ONLY may only read, INGESTION_ONLY may nothing; a tenant-only BASIC key
counts as ADMINISTRATOR.

Whose record:

- `tenant`: the tenant's own, or none in particular (lists)
- `foreign`: a record of another tenant that the caller's has no such record of
- `missing`: a record that nobody has
- `self`: the caller, a member of their home tenant, or their privilege or key
- `report`: somebody who reports to the caller, directly
- `below`: somebody who reports to the caller's report
- `other`: somebody of the tenant who doesn't report to the caller
- `guest`: as `report`, but their home is another tenant
- `stranger`: an account without a privilege in the tenant

`-name` behind them: the privilege is addressed by its user's name instead of its id.
"""

from functools import cache

import pytest

from provisioning.testing.sandbox import Sandbox
from tests import stores

from .asking import (
    KEY_TYPES,
    ROLES,
    ROUTES,
    ask,
    optional_services,
    segment,
    subscribe,
    without_instance,
)

TABLE = """
# verb   path                              whose          U    T    M    A    D

GET      /info                             tenant         200  200  200  200  200
PUT      /info                             tenant         403  403  403  403  200
GET      /details                          tenant         200  200  200  200  200
GET      /whoami                           tenant         200  200  200  200  200

# People
GET      /users                            tenant         200  200  200  200  200
POST     /users                            tenant         403  403  403  403  201
GET      /users/{username}                 self           200  200  200  200  200
GET      /users/{username}                 report         404  200  200  200  200
GET      /users/{username}                 below          404  404  200  200  200
GET      /users/{username}                 other          404  404  404  200  200
GET      /users/{username}                 guest          404  200  200  200  200
GET      /users/{username}                 stranger       404  404  404  404  404
GET      /users/{username}                 missing        404  404  404  404  404
PUT      /users/{username}                 self           200  200  200  403  200
PUT      /users/{username}                 report         404  403  403  403  200
PUT      /users/{username}                 below          404  404  403  403  200
PUT      /users/{username}                 other          404  404  404  403  200
PUT      /users/{username}                 guest          404  403  403  403  403
PUT      /users/{username}                 stranger       404  404  404  403  404
PUT      /users/{username}                 missing        404  404  404  403  404
DELETE   /users/{username}                 self           403  403  403  403  204
DELETE   /users/{username}                 report         403  403  403  403  204
DELETE   /users/{username}                 below          403  403  403  403  204
DELETE   /users/{username}                 other          403  403  403  403  204
DELETE   /users/{username}                 guest          403  403  403  403  204
DELETE   /users/{username}                 stranger       403  403  403  403  404
DELETE   /users/{username}                 missing        403  403  403  403  404
GET      /as-users                         tenant         403  403  403  200  200

# Privileges
GET      /privileges                       tenant         200  200  200  200  200
POST     /privileges                       tenant         403  403  403  403  201
GET      /privileges/{id}                  self           200  200  200  200  200
GET      /privileges/{id}                  report         404  200  200  200  200
GET      /privileges/{id}                  below          404  404  200  200  200
GET      /privileges/{id}                  other          404  404  404  200  200
GET      /privileges/{id}                  guest          404  200  200  200  200
GET      /privileges/{id}                  foreign        404  404  404  404  404
GET      /privileges/{id}                  missing        404  404  404  404  404
GET      /privileges/{id}                  self-name      200  200  200  200  200
GET      /privileges/{id}                  report-name    404  200  200  200  200
GET      /privileges/{id}                  below-name     404  404  200  200  200
GET      /privileges/{id}                  other-name     404  404  404  200  200
GET      /privileges/{id}                  stranger-name  404  404  404  404  404
GET      /privileges/{id}                  missing-name   404  404  404  404  404
PUT      /privileges/{id}                  self           403  403  403  403  200
PUT      /privileges/{id}                  report         403  403  403  403  200
PUT      /privileges/{id}                  other          403  403  403  403  200
PUT      /privileges/{id}                  guest          403  403  403  403  200
PUT      /privileges/{id}                  foreign        403  403  403  403  404
PUT      /privileges/{id}                  missing        403  403  403  403  404
PUT      /privileges/{id}                  other-name     403  403  403  403  200
PUT      /privileges/{id}                  stranger-name  403  403  403  403  404
DELETE   /privileges/{id}                  self           403  403  403  403  204
DELETE   /privileges/{id}                  report         403  403  403  403  204
DELETE   /privileges/{id}                  other          403  403  403  403  204
DELETE   /privileges/{id}                  guest          403  403  403  403  204
DELETE   /privileges/{id}                  foreign        403  403  403  403  404
DELETE   /privileges/{id}                  missing        403  403  403  403  404
DELETE   /privileges/{id}                  other-name     403  403  403  403  204
DELETE   /privileges/{id}                  stranger-name  403  403  403  403  404
GET      /users/{username}/privilege       self           200  200  200  200  200
GET      /users/{username}/privilege       report         404  200  200  200  200
GET      /users/{username}/privilege       below          404  404  200  200  200
GET      /users/{username}/privilege       other          404  404  404  200  200
GET      /users/{username}/privilege       stranger       404  404  404  404  404
GET      /users/{username}/privilege       missing        404  404  404  404  404
POST     /users/{username}/privilege       self           403  403  403  403  201
POST     /users/{username}/privilege       report         403  403  403  403  201
POST     /users/{username}/privilege       other          403  403  403  403  201
POST     /users/{username}/privilege       guest          403  403  403  403  201
POST     /users/{username}/privilege       stranger       403  403  403  403  201
POST     /users/{username}/privilege       missing        403  403  403  403  404
PUT      /users/{username}/privilege       self           403  403  403  403  200
PUT      /users/{username}/privilege       report         403  403  403  403  200
PUT      /users/{username}/privilege       other          403  403  403  403  200
PUT      /users/{username}/privilege       guest          403  403  403  403  200
PUT      /users/{username}/privilege       stranger       403  403  403  403  404
PUT      /users/{username}/privilege       missing        403  403  403  403  404
DELETE   /users/{username}/privilege       self           403  403  403  403  204
DELETE   /users/{username}/privilege       report         403  403  403  403  204
DELETE   /users/{username}/privilege       other          403  403  403  403  204
DELETE   /users/{username}/privilege       guest          403  403  403  403  204
DELETE   /users/{username}/privilege       stranger       403  403  403  403  404
DELETE   /users/{username}/privilege       missing        403  403  403  403  404

# Domain mappings
GET      /domain-mapping                   tenant         200  200  200  200  200
POST     /domain-mapping                   tenant         403  403  403  403  201
GET      /domain-mapping/{domain}          tenant         404  404  404  200  200
GET      /domain-mapping/{domain}          foreign        404  404  404  404  404
GET      /domain-mapping/{domain}          missing        404  404  404  404  404
PUT      /domain-mapping/{domain}          tenant         403  403  403  403  200
PUT      /domain-mapping/{domain}          foreign        403  403  403  403  404
PUT      /domain-mapping/{domain}          missing        403  403  403  403  404
DELETE   /domain-mapping/{domain}          tenant         403  403  403  403  204
DELETE   /domain-mapping/{domain}          foreign        403  403  403  403  404
DELETE   /domain-mapping/{domain}          missing        403  403  403  403  404

# Services
GET      /available-services               tenant         200  200  200  200  200
GET      /available-services/{label}       tenant         200  200  200  200  200
GET      /available-services/{label}       missing        404  404  404  404  404
GET      /services                         tenant         200  200  200  200  200
GET      /services/{label}                 tenant         200  200  200  200  200
GET      /services/{label}                 foreign        404  404  404  404  404
GET      /services/{label}                 missing        404  404  404  404  404
POST     /services/{label}                 foreign        403  403  403  403  201
POST     /services/{label}                 missing        403  403  403  403  404
PUT      /services/{label}                 tenant         403  403  403  403  200
PUT      /services/{label}                 foreign        403  403  403  403  404
PUT      /services/{label}                 missing        403  403  403  403  404
DELETE   /services/{label}                 tenant         403  403  403  403  204
DELETE   /services/{label}                 foreign        403  403  403  403  404
DELETE   /services/{label}                 missing        403  403  403  403  404

# Dashboards
GET      /dashboards                       tenant         200  200  200  200  200
GET      /dashboards/{label}               tenant         200  200  200  200  200
GET      /dashboards/{label}               foreign        404  404  404  404  404
GET      /dashboards/{label}               missing        404  404  404  404  404
GET      /service-dashboards               tenant         200  200  200  200  200
GET      /tenant-dashboards                tenant         200  200  200  200  200
POST     /tenant-dashboards                tenant         403  403  403  403  201
GET      /tenant-dashboards/{label}        tenant         200  200  200  200  200
GET      /tenant-dashboards/{label}        foreign        404  404  404  404  404
GET      /tenant-dashboards/{label}        missing        404  404  404  404  404
PUT      /tenant-dashboards/{label}        tenant         403  403  403  403  200
PUT      /tenant-dashboards/{label}        foreign        403  403  403  403  404
PUT      /tenant-dashboards/{label}        missing        403  403  403  403  404
DELETE   /tenant-dashboards/{label}        tenant         403  403  403  403  204
DELETE   /tenant-dashboards/{label}        foreign        403  403  403  403  404
DELETE   /tenant-dashboards/{label}        missing        403  403  403  403  404

# Statements, with the enterprise plan
GET      /statements                       tenant         200  200  200  200  200
GET      /service-statements               tenant         200  200  200  200  200
GET      /statements/{label}               tenant         200  200  200  200  200
GET      /statements/{label}               foreign        404  404  404  404  404
GET      /statements/{label}               missing        404  404  404  404  404
GET      /tenant-statements                tenant         200  200  200  200  200
POST     /tenant-statements                tenant         403  403  403  403  201
GET      /tenant-statements/{label}        tenant         200  200  200  200  200
GET      /tenant-statements/{label}        foreign        404  404  404  404  404
GET      /tenant-statements/{label}        missing        404  404  404  404  404
PUT      /tenant-statements/{label}        tenant         403  403  403  403  200
PUT      /tenant-statements/{label}        foreign        403  403  403  403  404
PUT      /tenant-statements/{label}        missing        403  403  403  403  404
DELETE   /tenant-statements/{label}        tenant         403  403  403  403  204
DELETE   /tenant-statements/{label}        foreign        403  403  403  403  404
DELETE   /tenant-statements/{label}        missing        403  403  403  403  404
GET      /statements/{label}/config        tenant         200  200  200  200  200
GET      /statements/{label}/config        foreign        404  404  404  404  404
GET      /statements/{label}/config        missing        404  404  404  404  404
PUT      /statements/{label}/config        tenant         403  403  403  403  200
PUT      /statements/{label}/config        foreign        403  403  403  403  404
PUT      /statements/{label}/config        missing        403  403  403  403  404
GET      /statements/{label}/details       tenant         200  200  200  200  200
GET      /statements/{label}/details       foreign        404  404  404  404  404
GET      /statements/{label}/details       missing        404  404  404  404  404

# Endpoints, under both names
GET      /endpoint-types                   tenant         200  200  200  200  200
GET      /endpoints                        tenant         200  200  200  200  200
POST     /endpoints                        tenant         403  403  403  403  201
GET      /endpoints/{id}                   tenant         404  404  404  200  200
GET      /endpoints/{id}                   foreign        404  404  404  404  404
GET      /endpoints/{id}                   missing        404  404  404  404  404
PUT      /endpoints/{id}                   tenant         403  403  403  403  200
PUT      /endpoints/{id}                   foreign        403  403  403  403  404
PUT      /endpoints/{id}                   missing        403  403  403  403  404
DELETE   /endpoints/{id}                   tenant         403  403  403  403  204
DELETE   /endpoints/{id}                   foreign        403  403  403  403  404
DELETE   /endpoints/{id}                   missing        403  403  403  403  404
GET      /service-endpoints                tenant         200  200  200  200  200
POST     /service-endpoints                tenant         403  403  403  403  201
GET      /service-endpoints/{id}           tenant         404  404  404  200  200
GET      /service-endpoints/{id}           foreign        404  404  404  404  404
GET      /service-endpoints/{id}           missing        404  404  404  404  404
PUT      /service-endpoints/{id}           tenant         403  403  403  403  200
PUT      /service-endpoints/{id}           foreign        403  403  403  403  404
PUT      /service-endpoints/{id}           missing        403  403  403  403  404
DELETE   /service-endpoints/{id}           tenant         403  403  403  403  204
DELETE   /service-endpoints/{id}           foreign        403  403  403  403  404
DELETE   /service-endpoints/{id}           missing        403  403  403  403  404

# Keys
GET      /api-keys                         tenant         200  200  200  200  200
POST     /api-keys                         tenant         403  403  403  403  201
GET      /api-keys/{key}                   tenant         404  404  404  200  200
GET      /api-keys/{key}                   self           404  404  404  404  404
GET      /api-keys/{key}                   foreign        404  404  404  404  404
GET      /api-keys/{key}                   missing        404  404  404  404  404
PUT      /api-keys/{key}                   tenant         403  403  403  403  200
PUT      /api-keys/{key}                   self           403  403  403  403  404
PUT      /api-keys/{key}                   foreign        403  403  403  403  404
PUT      /api-keys/{key}                   missing        403  403  403  403  404
DELETE   /api-keys/{key}                   tenant         403  403  403  403  204
DELETE   /api-keys/{key}                   self           403  403  403  403  404
DELETE   /api-keys/{key}                   foreign        403  403  403  403  404
DELETE   /api-keys/{key}                   missing        403  403  403  403  404
GET      /user-api-keys                    tenant         200  200  200  200  200
GET      /users/{username}/api-keys        self           200  200  200  200  200
GET      /users/{username}/api-keys        report         404  200  200  200  200
GET      /users/{username}/api-keys        below          404  404  200  200  200
GET      /users/{username}/api-keys        other          404  404  404  200  200
GET      /users/{username}/api-keys        guest          404  200  200  200  200
GET      /users/{username}/api-keys        stranger       404  404  404  404  404
GET      /users/{username}/api-keys        missing        404  404  404  404  404
POST     /users/{username}/api-keys        self           403  403  403  403  201
POST     /users/{username}/api-keys        report         403  403  403  403  201
POST     /users/{username}/api-keys        other          403  403  403  403  201
POST     /users/{username}/api-keys        guest          403  403  403  403  201
POST     /users/{username}/api-keys        stranger       403  403  403  403  404
POST     /users/{username}/api-keys        missing        403  403  403  403  404
GET      /users/{username}/api-keys/{key}  self           200  200  200  200  200
GET      /users/{username}/api-keys/{key}  report         404  404  404  200  200
GET      /users/{username}/api-keys/{key}  below          404  404  404  200  200
GET      /users/{username}/api-keys/{key}  other          404  404  404  200  200
GET      /users/{username}/api-keys/{key}  guest          404  404  404  200  200
GET      /users/{username}/api-keys/{key}  stranger       404  404  404  404  404
GET      /users/{username}/api-keys/{key}  missing        404  404  404  404  404
PUT      /users/{username}/api-keys/{key}  self           403  403  403  403  200
PUT      /users/{username}/api-keys/{key}  report         403  403  403  403  200
PUT      /users/{username}/api-keys/{key}  other          403  403  403  403  200
PUT      /users/{username}/api-keys/{key}  guest          403  403  403  403  200
PUT      /users/{username}/api-keys/{key}  stranger       403  403  403  403  404
PUT      /users/{username}/api-keys/{key}  missing        403  403  403  403  404
DELETE   /users/{username}/api-keys/{key}  self           204  204  204  204  204
DELETE   /users/{username}/api-keys/{key}  report         404  404  404  403  204
DELETE   /users/{username}/api-keys/{key}  below          404  404  404  403  204
DELETE   /users/{username}/api-keys/{key}  other          404  404  404  403  204
DELETE   /users/{username}/api-keys/{key}  guest          404  404  404  403  204
DELETE   /users/{username}/api-keys/{key}  stranger       404  404  404  404  404
DELETE   /users/{username}/api-keys/{key}  missing        404  404  404  404  404

# The audit
GET      /audit                            tenant         403  403  403  200  200
GET      /audit/{id}                       tenant         403  403  403  200  200
GET      /audit/{id}                       foreign        403  403  403  404  404
GET      /audit/{id}                       missing        403  403  403  404  404
"""


def rows():
    for line in TABLE.splitlines():
        if line and not line.startswith("#"):
            verb, path, whose, *statuses = line.split()
            yield verb, path, whose, dict(zip(ROLES, map(int, statuses), strict=True))


ROWS = list(rows())

# A valid body for each route that takes one; a change says the least that is a change.
BODIES = {
    "PUT /info": {"theme": "dark"},
    "POST /users": {"username": "new@acme.test", "email": "new@acme.test", "password": "a"},
    "PUT /users/{username}": {"hint": "new"},
    "POST /privileges": {"username": "stranger@globex.test", "role": "USER"},
    "PUT /privileges/{id}": {"activeUntil": "2030-01-01T00:00:00Z"},
    "POST /users/{username}/privilege": {
        "role": "MANAGEMENT",
        "activeFrom": "2031-01-01T00:00:00Z",
    },
    "PUT /users/{username}/privilege": {"activeUntil": "2030-01-01T00:00:00Z"},
    "POST /domain-mapping": {"domain": "new.example.org"},
    "PUT /domain-mapping/{domain}": {"theme": "dark"},
    "POST /services/{label}": {},
    "PUT /services/{label}": {"activeUntil": "2030-01-01T00:00:00Z"},
    "POST /tenant-dashboards": {
        "title": "New",
        "menuLabel": "New",
        "label": "new",
        "type": "CUSTOM",
        "status": "ALPHA",
        "listOrder": 1,
    },
    "PUT /tenant-dashboards/{label}": {"title": "New"},
    "POST /tenant-statements": {
        "title": "New",
        "label": "new",
        "type": "CUSTOM",
        "status": "ALPHA",
        "query": "SELECT 1",
    },
    "PUT /tenant-statements/{label}": {"title": "New"},
    "PUT /statements/{label}/config": {"a": 1},
    "POST /endpoints": {"url": "amqp://mq.example.org", "endpointType": "MQ_INCOMING"},
    "PUT /endpoints/{id}": {"vhost": "new"},
    "POST /service-endpoints": {"url": "amqp://mq.example.org", "endpointType": "MQ_INCOMING"},
    "PUT /service-endpoints/{id}": {"vhost": "new"},
    "POST /api-keys": {"type": "BASIC"},
    "PUT /api-keys/{key}": {"name": "new"},
    "POST /users/{username}/api-keys": {"type": "BASIC"},
    "PUT /users/{username}/api-keys/{key}": {"name": "new"},
}


class Scene:
    """Two tenants with a record of every kind, and a caller in the first one."""

    def __init__(self, sandbox, role, key_type):
        self.sandbox = sandbox
        admin = sandbox.administrator
        globex = sandbox.client(sandbox.add_key(None, tenant="globex", type="BASIC"))
        # Somebody else keeps the tenant administered, so that everybody here may be revoked.
        self.people = {"self": "caller@acme.test", "stranger": "stranger@globex.test"}
        self.privileges = {"missing": 999999}
        self.keys = {"missing": "key-999999"}
        self.add_person("self", "caller@acme.test", role=role)
        self.add_person("report", "report@acme.test", reports_to="caller@acme.test")
        self.add_person("below", "below@acme.test", reports_to="report@acme.test")
        self.add_person("other", "other@acme.test")
        sandbox.add_user("guest@globex.test", role=None, tenant="globex")
        self.privileges["guest"] = sandbox.grant(
            "guest@globex.test", "USER", tenant="acme", reports_to="caller@acme.test"
        )
        self.people["guest"] = "guest@globex.test"
        self.keys["guest"] = sandbox.add_key("guest@globex.test", tenant="acme", type="BASIC")
        sandbox.add_user("stranger@globex.test", role=None, tenant="globex")
        self.privileges["foreign"] = sandbox.grant("stranger@globex.test", "USER", tenant="globex")
        self.keys["stranger"] = sandbox.add_key(
            "stranger@globex.test", tenant="globex", type="BASIC"
        )
        self.people["missing"] = "nobody@acme.test"
        token = sandbox.add_key("caller@acme.test", tenant="acme", type=key_type)
        self.client = sandbox.client(token)

        ours, theirs = optional_services(admin)[:2]
        subscribe(sandbox, ours, "enterprise")
        subscribe(sandbox, theirs, "enterprise", tenant="globex")
        dashboard = BODIES["POST /tenant-dashboards"]
        statement = BODIES["POST /tenant-statements"]
        self.tenants = {"tenant": {}, "foreign": {}, "missing": {}}
        for whose, client, service in (("tenant", admin, ours), ("foreign", globex, theirs)):
            domain, label = f"{whose}.example.org", f"{whose}-one"
            made = {
                "/domain-mapping": {"domain": domain},
                "/tenant-dashboards": {**dashboard, "label": label},
                "/tenant-statements": {**statement, "label": label},
                "/endpoints": BODIES["POST /endpoints"],
                "/api-keys": {"type": "BASIC"},
            }
            answers = {path: client.post(path, json=body) for path, body in made.items()}
            assert {answer.status_code for answer in answers.values()} == {201}
            self.tenants[whose] = {
                "domain": domain,
                "label": label,
                "service": service,
                "endpoint": answers["/endpoints"].json["id"],
                "key": answers["/api-keys"].json["id"],
                "audit": client.get("/audit").json[0]["id"],
            }
        self.tenants["missing"] = {
            "domain": "missing.example.org",
            "label": "missing-one",
            "service": "missing-one",
            "endpoint": 999999,
            "key": "key-999999",
            "audit": 999999,
        }

    def add_person(self, whose, username, role="USER", reports_to=None):
        self.sandbox.add_user(username, role=None, tenant="acme")
        self.people[whose] = username
        self.privileges[whose] = self.sandbox.grant(
            username, role, tenant="acme", reports_to=reports_to
        )
        self.keys[whose] = self.sandbox.add_key(username, tenant="acme", type="BASIC")

    def path(self, template, whose):
        """The path of such a record."""
        whose, by_name, _ = whose.partition("-name")
        records = self.tenants.get(whose, self.tenants["tenant"])
        label = records["label"]
        if template.startswith(("/services", "/available-services")):
            label = records["service"]
        key = self.keys.get(whose) if whose in self.keys else None
        if template.startswith("/api-keys"):
            key = self.keys["self"] if whose == "self" else records["key"]
        identity = self.privileges.get(whose)
        if by_name:
            identity = self.people[whose]
        elif template.startswith(("/endpoints", "/service-endpoints")):
            identity = records["endpoint"]
        elif template.startswith("/audit"):
            identity = records["audit"]
        places = {
            "username": self.people.get(whose),
            "id": identity,
            "domain": records["domain"],
            "label": label,
            "key": key,
        }
        filled = template
        for place, value in places.items():
            if "{" + place + "}" in filled:
                assert value is not None, (template, whose, place)
                filled = filled.replace("{" + place + "}", segment(value))
        return filled + ("?q=acme" if template == "/as-users" else "")

    def ask(self, verb, template, whose, client=None):
        body = BODIES.get(f"{verb} {template}")
        request = {} if body is None else {"json": body}
        ask_it = getattr(client or self.client, verb.lower())
        return ask_it(self.path(template, whose), **request)


def expected(verb, status, key_type):
    """What a key of this type gets where a BASIC one gets this."""
    if key_type == "INGESTION_ONLY" or (key_type == "QUERY_ONLY" and verb != "GET"):
        return 403
    return status


@cache
def standing_scene(role, key_type):
    """A scene for requests that change nothing."""
    scene = Scene(Sandbox(), role, key_type)
    stores.keep(scene.sandbox.store)
    return scene


def scene_for(verb, status, role, key_type):
    changes = verb != "GET" and status in (200, 201, 204)
    return Scene(Sandbox(), role, key_type) if changes else standing_scene(role, key_type)


over_all_rows = pytest.mark.parametrize(
    "verb, path, whose, statuses", [pytest.param(*row, id="-".join(row[:3])) for row in ROWS]
)


@pytest.mark.parametrize(
    "key_type",
    ["BASIC", *(pytest.param(each, marks=pytest.mark.storeless) for each in KEY_TYPES[1:])],
)
@over_all_rows
def test_a_request_is_answered_as_the_table_says(verb, path, whose, statuses, key_type):
    wanted = {role: expected(verb, statuses[role], key_type) for role in ROLES}
    got = {}
    for role, status in wanted.items():
        scene = scene_for(verb, status, role, key_type)
        got[role] = scene.ask(verb, path, whose).status_code
    assert got == wanted


@pytest.mark.storeless
@over_all_rows
def test_a_tenant_only_basic_key_counts_as_an_administrators(verb, path, whose, statuses):
    scene = scene_for(verb, statuses["ADMINISTRATOR"], "ADMINISTRATOR", "BASIC")
    tenant_only = scene.sandbox.client(scene.sandbox.add_key(None, tenant="acme", type="BASIC"))
    answer = scene.ask(verb, path, whose, client=tenant_only)
    assert answer.status_code == statuses["ADMINISTRATOR"]


def refused_alike():
    """Rows of one route that must not tell a record that is hidden from one that never was."""
    hidden = {"other", "stranger", "foreign", "missing"}
    routes = {}
    for verb, path, whose, statuses in ROWS:
        who, _, by_name = whose.partition("-")
        if who in hidden:
            routes.setdefault((verb, path, by_name), []).append((whose, statuses))
    for route, cases in routes.items():
        if len(cases) > 1:
            yield pytest.param(*route[:2], cases, id="-".join(route))


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("verb, path, cases", list(refused_alike()))
def test_what_is_hidden_is_refused_byte_for_byte_as_what_never_was(verb, path, cases, role):
    scene = standing_scene(role, "BASIC")
    bodies = {}
    for whose, statuses in cases:
        status = statuses[role]
        if status == 404 or (status == 403 and role != "INTERNAL_AUDITING"):
            answer = scene.ask(verb, path, whose)
            assert answer.status_code == status
            bodies[without_instance(answer)] = whose
    assert len(bodies) <= 1, bodies


@pytest.mark.parametrize("role", ROLES)
def test_head_is_answered_as_get_on_every_route(role):
    scene = standing_scene(role, "BASIC")
    for verb, path, whose, statuses in ROWS:
        if verb == "GET":
            answer = scene.ask("HEAD", path, whose)
            assert (answer.status_code, answer.data) == (statuses[role], b""), (path, whose)


@pytest.mark.parametrize("key_type", ["QUERY_ONLY", "INGESTION_ONLY"])
def test_head_is_a_read_for_every_kind_of_key(sandbox, key_type):
    client = sandbox.client(sandbox.add_key(None, tenant="acme", type=key_type))
    for path in ("/info", "/users", "/endpoints"):
        assert client.head(path).status_code == (200 if key_type == "QUERY_ONLY" else 403)


@pytest.mark.storeless
@pytest.mark.parametrize("verb, path", [(r["verb"], r["path"]) for r in ROUTES])
def test_a_route_refuses_another_tenants_host(verb, path):
    scene = standing_scene("ADMINISTRATOR", "BASIC")
    whose = next(row[2] for row in ROWS if row[:2] == (verb, path))
    token = scene.sandbox.add_key("caller@acme.test", tenant="acme", type="BASIC")
    headers = {"X-API-Key": token, "Host": "globex.localhost"}
    body = BODIES.get(f"{verb} {path}")
    request = {} if body is None else {"json": body}
    answer = ask(scene.sandbox, verb, scene.path(path, whose), headers=headers, **request)
    assert answer.status_code == 403


def test_the_table_has_every_route_of_the_contract_and_no_other():
    assert {row[:2] for row in ROWS} == {(route["verb"], route["path"]) for route in ROUTES}


def test_every_route_that_names_a_record_is_asked_for_one_that_is_not_the_tenants():
    named = {row[:2] for row in ROWS if "{" in row[1]}
    without = named - {
        row[:2] for row in ROWS if row[2].partition("-")[0] in ("foreign", "stranger")
    }
    assert without == {("GET", "/available-services/{label}")}


def test_no_row_stands_twice():
    assert len({row[:3] for row in ROWS}) == len(ROWS)
