"""Who asks in these tests, and how an answer is read."""

import json
import re
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit

BASE = "/api/v1/provisioning"
NOW = "2026-01-15T12:00:00Z"
SOON = "2026-01-15T13:00:00Z"
EARLIER = "2026-01-01T00:00:00Z"
LATER = "2026-02-01T00:00:00Z"
LATEST = "2026-03-01T00:00:00Z"
MASK = "********"

ROLES = ("USER", "TEAM_LEADER", "MANAGEMENT", "INTERNAL_AUDITING", "ADMINISTRATOR")
KEY_TYPES = ("BASIC", "QUERY_ONLY", "INGESTION_ONLY")
PUBLIC_PROFILE = {"username", "email", "firstName", "lastName", "avatar"}

ROUTES = json.loads(Path(__file__).with_name("routes.json").read_text())


def ask(sandbox, verb, path, **request):
    """A request as it comes: without a key, unless `headers` or the query carry one."""
    return sandbox.client(None).request(verb, path, **request)


def caller(sandbox, role, tenant="acme", key="BASIC", username=None, **privilege):
    """A client of a new user with this role, by a key of this type."""
    username = username or f"{role.lower()}@{tenant}.test"
    sandbox.add_user(username, role=role, tenant=tenant, **privilege)
    return sandbox.client(sandbox.add_key(username, tenant=tenant, type=key))


def administrator_of(sandbox, tenant):
    """A client with a tenant-only key, which counts as an ADMINISTRATOR."""
    return sandbox.client(sandbox.add_key(None, tenant=tenant, type="BASIC"))


def segment(text) -> str:
    """A name as one segment of a path."""
    return quote(str(text), safe="")


def location(response) -> str:
    """Where a 201 says that the new record is: a path below the base path."""
    assert response.status_code == 201, response.data
    reference = response.headers["Location"]
    assert not urlsplit(reference).scheme and not urlsplit(reference).netloc
    return below_base(response, reference)


def below_base(response, reference) -> str:
    """A relative reference of an answer, as a path that a client of the sandbox takes."""
    there = urlsplit(urljoin("http://localhost" + quote(response.request.path), reference))
    assert there.path.startswith(BASE), reference
    query = f"?{there.query}" if there.query else ""
    return there.path.removeprefix(BASE) + query


def links(response) -> dict[str, str]:
    """The references of a Link header by their relation, as they stand."""
    found = re.findall(r'<([^>]*)>\s*;\s*rel="?([a-z]+)"?', response.headers.get("Link", ""))
    return {relation: reference for reference, relation in found}


def errors(response) -> dict:
    """The members that a 422 names."""
    assert response.status_code == 422, (response.status_code, response.data)
    assert response.mimetype == "application/problem+json"
    return response.json["errors"]


def without_instance(response) -> bytes:
    """A problem's body but for its `instance`, everything else byte for byte."""
    instance = json.dumps(response.json["instance"], ensure_ascii=False).encode()
    assert instance in response.data
    return response.data.replace(instance, b"")


def subscribe(sandbox, *labels, tenant="acme"):
    """Subscribe a tenant to services."""
    for label in labels:
        assert administrator_of(sandbox, tenant).post(f"/services/{label}").status_code == 201


def offered(client, **members) -> list[str]:
    """Labels of the catalogue's services with these members, in order."""
    services = client.get("/available-services?size=300").json
    return [
        service["label"]
        for service in services
        if all(service[member] == value for member, value in members.items())
    ]


def optional_services(client) -> list[str]:
    """Labels of services that can be subscribed to and dropped at will, `enterprise` left out."""
    return [
        service["label"]
        for service in client.get("/available-services?size=300").json
        if service["type"] not in {"MANDATORY", "INTERNAL"}
        and service["status"] != "ARCHIVED"
        and service["label"] != "enterprise"
    ]
