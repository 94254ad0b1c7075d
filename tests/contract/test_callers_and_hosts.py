"""Who asks and for which tenant: keys, where they stand, hosts, and authentication switched off."""

import re
from ipaddress import ip_network

import pytest

from provisioning.factory import create_app
from provisioning.testing.sandbox import Sandbox
from provisioning.web.hosts import believe_proxy

from .asking import (
    EARLIER,
    LATER,
    LATEST,
    NOW,
    administrator_of,
    ask,
    caller,
    errors,
    location,
    segment,
)

BOB = "bob@acme.test"
APP = "https://app.example.org"


def token_of(sandbox, tenant="acme", **key):
    return sandbox.add_key(None, tenant=tenant, type="BASIC", **key)


# 401


@pytest.fixture
def refusals(sandbox):
    """For each reason of a 401, the headers of a request that is refused for it."""
    sandbox.add_user(BOB, role="USER", tenant="acme", active_from=LATER)
    sandbox.add_tenant("closed")
    inactive = token_of(sandbox, tenant="closed")
    with sandbox.store.transaction() as transaction:
        tenant = transaction.get("tenants", "closed")
        transaction.put("tenants", "closed", {**tenant, "active": False})
    return {
        "missing": {},
        "unknown": {"X-API-Key": "no-such-key"},
        "not yet active": {"X-API-Key": token_of(sandbox, active_from=LATER)},
        "expired": {"X-API-Key": token_of(sandbox, active_from=EARLIER, active_until=NOW)},
        "no active privilege": {"X-API-Key": sandbox.add_key(BOB, tenant="acme", type="BASIC")},
        "tenant is not active": {"X-API-Key": inactive},
        "differ": {"X-API-Key": "a", "Authorization": "Bearer b"},
    }


def test_every_reason_for_a_401_is_told_apart(sandbox, refusals):
    details = {}
    for reason, headers in refusals.items():
        answer = ask(sandbox, "GET", "/whoami", headers=headers)
        assert answer.status_code == 401, reason
        assert answer.mimetype == "application/problem+json"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        details[reason] = re.sub(r"[0-9]", "", answer.json["detail"])
    assert len(set(details.values())) == len(details)
    for reason in ("unknown", "not yet active", "expired", "privilege"):
        assert [why for why, detail in details.items() if reason in detail] == [
            why for why in details if reason in why
        ]


def test_a_refusal_never_repeats_the_key(sandbox, refusals):
    for headers in refusals.values():
        detail = ask(sandbox, "GET", "/whoami", headers=headers).data.decode()
        for token in headers.values():
            secret = token.removeprefix("Bearer ")
            assert len(secret) == 1 or secret not in detail


def test_an_account_that_lost_its_privilege_is_401(sandbox):
    client = caller(sandbox, "USER", active_from=EARLIER, active_until=NOW)
    assert client.get("/whoami").status_code == 401


@pytest.mark.parametrize(
    "role, key, now, status",
    [
        ("USER", "BASIC", "2026-01-31T23:59:59Z", 401),
        ("USER", "BASIC", "2026-02-01T00:00:00Z", 200),
        ("USER", "BASIC", "2026-02-28T23:59:59Z", 200),
        ("USER", "BASIC", "2026-03-01T00:00:00Z", 401),
        ("ADMINISTRATOR", "QUERY_ONLY", "2026-01-31T23:59:59Z", 401),
        ("ADMINISTRATOR", "QUERY_ONLY", "2026-02-01T00:00:00Z", 200),
        ("ADMINISTRATOR", "INGESTION_ONLY", "2026-01-31T23:59:59Z", 401),
        ("ADMINISTRATOR", "INGESTION_ONLY", "2026-02-01T00:00:00Z", 403),
    ],
)
def test_a_key_works_while_its_owner_has_an_active_privilege(sandbox, role, key, now, status):
    client = caller(sandbox, role, key=key, active_from=LATER, active_until=LATEST)
    sandbox.clock.set(now)
    assert client.get("/whoami").status_code == status


# Where a key may stand


def sources(token):
    return {
        "query": ({}, f"?apikey={token}"),
        "bearer": ({"Authorization": f"Bearer {token}"}, ""),
        "bearer in small letters": ({"Authorization": f"bearer {token}"}, ""),
        "header": ({"X-API-Key": token}, ""),
    }


@pytest.mark.storeless
@pytest.mark.parametrize("source", sources(""))
def test_a_key_may_stand_in_the_query_or_in_either_header(sandbox, source):
    headers, query = sources(token_of(sandbox, tenant="globex"))[source]
    answer = ask(sandbox, "GET", f"/whoami{query}", headers=headers)
    assert answer.json["tenant"]["label"] == "globex"


@pytest.mark.parametrize("verb", ["POST", "PUT"])
def test_a_key_in_the_query_serves_changes_too(sandbox, verb):
    path = {"POST": "/api-keys", "PUT": "/info"}[verb]
    body = {"POST": {"type": "BASIC"}, "PUT": {}}[verb]
    answer = ask(sandbox, verb, f"{path}?apikey={token_of(sandbox)}", json=body)
    assert answer.status_code in {200, 201}


def test_one_key_in_several_places_is_one_key(sandbox):
    token = token_of(sandbox)
    headers = {"Authorization": f"Bearer {token}", "X-API-Key": token}
    assert ask(sandbox, "GET", f"/whoami?apikey={token}", headers=headers).status_code == 200
    assert ask(sandbox, "GET", f"/whoami?apikey={token}&apikey={token}").status_code == 200


@pytest.mark.storeless
@pytest.mark.parametrize(
    "query, headers",
    [
        ("?apikey={0}", {"X-API-Key": "{1}"}),
        ("?apikey={0}", {"Authorization": "Bearer {1}"}),
        ("", {"X-API-Key": "{0}", "Authorization": "Bearer {1}"}),
        ("?apikey={0}&apikey={1}", {}),
    ],
)
def test_several_keys_that_differ_are_refused_though_each_is_good(sandbox, query, headers):
    tokens = token_of(sandbox), token_of(sandbox)
    filled = {name: value.format(*tokens) for name, value in headers.items()}
    answer = ask(sandbox, "GET", "/whoami" + query.format(*tokens), headers=filled)
    assert answer.status_code == 401


@pytest.mark.storeless
@pytest.mark.parametrize("other", ["Basic YTpi", "Digest x", "Token {}", "{}"])
def test_an_authorization_of_another_scheme_is_ignored(sandbox, other):
    token = token_of(sandbox)
    headers = {"Authorization": other.format(token)}
    assert ask(sandbox, "GET", "/whoami", headers=headers).status_code == 401
    headers["X-API-Key"] = token
    assert ask(sandbox, "GET", "/whoami", headers=headers).status_code == 200


@pytest.mark.parametrize("spoilt", ["{0}x", "{0} ", "x{0}", "", "é", "{0},{0}", "%00"])
def test_a_key_that_is_not_exactly_the_token_is_401(sandbox, spoilt):
    key = segment(spoilt.format(token_of(sandbox)))
    assert ask(sandbox, "GET", f"/whoami?apikey={key}").status_code == 401


def test_tokens_are_compared_with_their_case(sandbox):
    token = token_of(sandbox)
    if token.swapcase() != token:
        answer = ask(sandbox, "GET", "/whoami", headers={"X-API-Key": token.swapcase()})
        assert answer.status_code == 401


def test_a_keys_tenant_is_the_active_tenant(sandbox):
    sandbox.add_user(BOB, role="USER", tenant="acme")
    sandbox.grant(BOB, "INTERNAL_AUDITING", tenant="globex")
    for tenant, role in (("acme", "USER"), ("globex", "INTERNAL_AUDITING")):
        me = sandbox.client(sandbox.add_key(BOB, tenant=tenant, type="BASIC")).get("/whoami").json
        assert (me["tenant"]["label"], me["role"]) == (tenant, role)


# Hosts


def status_at(sandbox, host, tenant="acme", **request):
    headers = {"X-API-Key": token_of(sandbox, tenant=tenant), "Host": host}
    return ask(sandbox, "GET", "/whoami", headers=headers, **request).status_code


@pytest.mark.parametrize(
    "host, status",
    [
        ("localhost", 200),
        ("localhost:8000", 200),
        ("127.0.0.1:8000", 200),
        ("[::1]:8000", 200),
        ("somewhere.example.org", 200),
        ("acme.localhost", 200),
        ("acme.localhost:8000", 200),
        ("nobody.localhost", 200),
        ("a.globex.localhost", 200),
        ("globex.example.org", 200),
        ("globexlocalhost", 200),
        ("globex.localhost", 403),
        ("globex.localhost:8000", 403),
        ("GLOBEX.LocalHost", 403),
        ("globex.localhost.", 403),
    ],
)
def test_a_direct_subdomain_of_the_base_domain_names_its_tenant(sandbox, host, status):
    assert status_at(sandbox, host) == status


@pytest.mark.parametrize(
    "host, status",
    [
        ("globex.api.example.org", 403),
        ("acme.api.example.org", 200),
        ("api.example.org", 200),
        ("globex.localhost", 200),
        ("a.globex.api.example.org", 200),
    ],
)
def test_the_base_domain_is_a_setting(host, status):
    sandbox = Sandbox(base_domain="api.example.org")
    assert status_at(sandbox, host) == status


@pytest.mark.parametrize(
    "now, status",
    [
        ("2026-01-31T23:59:59Z", 200),
        ("2026-02-01T00:00:00Z", 403),
        ("2026-02-28T23:59:59Z", 403),
        ("2026-03-01T00:00:00Z", 200),
    ],
)
def test_a_mapped_host_names_its_tenant_while_the_mapping_is_active(sandbox, now, status):
    body = {"domain": "people.example.org", "activeFrom": LATER, "activeUntil": LATEST}
    administrator_of(sandbox, "globex").post("/domain-mapping", json=body)
    sandbox.clock.set(now)
    assert status_at(sandbox, "people.example.org") == status
    assert status_at(sandbox, "PEOPLE.example.org.:8443") == status
    assert status_at(sandbox, "sub.people.example.org") == 200
    assert status_at(sandbox, "people.example.org", tenant="globex") == 200


def test_a_mapping_below_the_base_domain_names_its_tenant(sandbox):
    globex = administrator_of(sandbox, "globex")
    assert globex.post("/domain-mapping", json={"domain": "a.globex.localhost"}).status_code == 201
    assert status_at(sandbox, "a.globex.localhost") == 403
    assert status_at(sandbox, "a.globex.localhost", tenant="globex") == 200
    assert status_at(sandbox, "b.globex.localhost") == 200


def test_a_mapping_that_is_gone_names_nobody(sandbox):
    globex = administrator_of(sandbox, "globex")
    made = globex.post("/domain-mapping", json={"domain": "people.example.org"})
    assert status_at(sandbox, "people.example.org") == 403
    globex.delete(location(made))
    assert status_at(sandbox, "people.example.org") == 200


def test_the_host_of_another_tenant_is_refused_before_body_and_role(sandbox):
    headers = {"X-API-Key": token_of(sandbox), "Host": "globex.localhost"}
    assert ask(sandbox, "POST", "/users", headers=headers, data=b"{").status_code == 403
    headers = {"Host": "globex.localhost"}
    assert ask(sandbox, "GET", "/users", headers=headers).status_code == 401


def test_forwarded_hosts_are_not_believed(sandbox):
    headers = {"X-API-Key": token_of(sandbox), "X-Forwarded-Host": "globex.localhost"}
    assert ask(sandbox, "GET", "/whoami", headers=headers).status_code == 200


# The allowlist


ALLOWED = ("api.example.org", "*.wild.example.org", "localhost")


@pytest.mark.storeless
@pytest.mark.parametrize(
    "host, status",
    [
        ("api.example.org", 200),
        ("API.example.org:443", 200),
        ("a.wild.example.org", 200),
        ("localhost", 200),
        ("wild.example.org", 400),
        ("a.b.wild.example.org", 400),
        ("sub.api.example.org", 400),
        ("evil.example.org", 400),
        ("acme.localhost", 400),
        ("127.0.0.1", 400),
    ],
)
def test_a_host_outside_the_allowlist_is_400(host, status):
    assert status_at(Sandbox(allowed_hosts=ALLOWED), host) == status


def test_an_active_mapping_is_allowed_besides_the_list():
    sandbox = Sandbox(allowed_hosts=ALLOWED)
    acme = administrator_of(sandbox, "acme")
    body = {"domain": "people.example.net", "activeUntil": LATER}
    assert acme.post("/domain-mapping", json=body).status_code == 201
    assert status_at(sandbox, "people.example.net") == 200
    assert status_at(sandbox, "people.example.net", tenant="globex") == 403
    sandbox.clock.set(LATER)
    assert status_at(sandbox, "people.example.net") == 400


def test_the_host_is_looked_at_before_route_verb_and_key():
    sandbox = Sandbox(allowed_hosts=ALLOWED)
    headers = {"Host": "evil.example.org"}
    for verb, path in (("GET", "/nothing"), ("PATCH", "/users"), ("GET", "/users")):
        answer = ask(sandbox, verb, path, headers=headers)
        assert (answer.status_code, answer.mimetype) == (400, "application/problem+json")


@pytest.mark.parametrize(
    "domain, status",
    [
        ("api.example.org", 422),
        ("API.example.org.", 422),
        ("x.wild.example.org", 422),
        ("X.Wild.Example.org.", 422),
        ("wild.example.org", 201),
        ("y.x.wild.example.org", 201),
        ("other.example.org", 201),
    ],
)
def test_a_configured_host_and_what_a_wildcard_stands_for_cannot_be_mapped(domain, status):
    sandbox = Sandbox(allowed_hosts=ALLOWED)
    acme = administrator_of(sandbox, "acme")
    assert acme.post("/domain-mapping", json={"domain": domain}).status_code == status


# Domains that cannot be mapped


@pytest.mark.parametrize(
    "domain",
    [
        "localhost",
        "LOCALHOST.",
        "globex.localhost",
        "Globex.LocalHost.",
        "nobody.localhost",
        "a.globex.localhost",
        "a.b.localhost",
        "xacme.localhost",
        "a.xacme.localhost",
        "127.0.0.1",
        "127.0.0.1.",
        "8.8.8.8",
        "::1",
        "[::1]",
        "2001:db8::1",
        "intranet",
        "intranet.",
        "",
        ".",
        "a..example.org",
        ".example.org",
        "example.org..",
        "a b.example.org",
        "example.org:8000",
        "https://example.org",
        "example.org/path",
        "user@example.org",
        "*.example.org",
        "-a.example.org",
        "a-.example.org",
        "xn--.example.org",
        "x" * 64 + ".example.org",
        ".".join(["x" * 60] * 5),
        "\uff11\uff12\uff17.0.0.1",
    ],
    ids=ascii,
)
def test_a_domain_that_cannot_be_mapped_is_refused(administrator, domain):
    refused = administrator.post("/domain-mapping", json={"domain": domain})
    assert list(errors(refused)) == ["domain"]


@pytest.mark.parametrize(
    "domain",
    ["acme.localhost", "a.acme.localhost", "a.b.acme.localhost", "localhost.example.org", "a.io"],
)
def test_the_tenants_own_label_and_what_is_below_it_can_be_mapped(administrator, domain):
    created = administrator.post("/domain-mapping", json={"domain": domain})
    assert (created.status_code, created.json["domain"]) == (201, domain)


def map_at(sandbox, host, domain, tenant="acme"):
    headers = {"X-API-Key": token_of(sandbox, tenant=tenant), "Host": host}
    return ask(sandbox, "POST", "/domain-mapping", headers=headers, json={"domain": domain})


@pytest.mark.parametrize("host", ["api.example.org", "API.Example.org.:8443", "wiki.example.org"])
def test_the_host_that_a_request_came_to_cannot_be_mapped_by_it(sandbox, host):
    domain = host.partition(":")[0]
    assert "domain" in errors(map_at(sandbox, host, domain))
    assert status_at(sandbox, host, tenant="globex") == 200


def test_a_host_that_names_the_tenant_already_can_be_mapped_by_it(sandbox):
    made = map_at(sandbox, "acme.localhost", "acme.localhost")
    assert made.status_code == 201
    assert map_at(sandbox, "acme.localhost", "acme.localhost").status_code == 409


@pytest.mark.parametrize(
    ("facts", "tenants", "is_warned"),
    [
        ({}, 2, True),
        ({}, 1, False),
        ({"allowed_hosts": ("api.example.org",)}, 2, False),
        ({"auth": "off"}, 2, False),
    ],
)
def test_the_start_warns_where_a_tenant_could_map_the_servers_own_name(
    caplog, facts, tenants, is_warned
):
    sandbox = Sandbox(**facts)
    if tenants == 1:
        drop_tenant(sandbox, "globex")
    create_app(sandbox.parts.settings, sandbox.parts)
    assert ("PROVISIONING_ALLOWED_HOSTS" in caplog.text) is is_warned


@pytest.mark.parametrize("domain", ["api.example.org", "globex.api.example.org"])
def test_the_configured_base_domain_is_reserved(domain):
    acme = administrator_of(Sandbox(base_domain="api.example.org"), "acme")
    assert "domain" in errors(acme.post("/domain-mapping", json={"domain": domain}))
    for free in ("acme.api.example.org", "globex.localhost"):
        assert acme.post("/domain-mapping", json={"domain": free}).status_code == 201


@pytest.mark.parametrize(
    "given, shown",
    [
        ("Example.ORG", "example.org"),
        ("example.org.", "example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.Example.", "xn--bcher-kva.example"),
        ("bu\u0308cher.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("bücher。example", "xn--bcher-kva.example"),
    ],
)
def test_a_domain_is_shown_as_a_label_and_found_by_either_form(administrator, given, shown):
    created = administrator.post("/domain-mapping", json={"domain": given})
    assert (created.status_code, created.json["domain"]) == (201, shown)
    for spelling in (given, shown, shown.upper() + "."):
        found = administrator.get(f"/domain-mapping/{segment(spelling)}")
        assert found.json == created.json
        assert (
            administrator.put(
                f"/domain-mapping/{segment(spelling)}", json={"domain": given}
            ).status_code
            == 200
        )
        again = administrator.post("/domain-mapping", json={"domain": spelling})
        assert again.status_code == 409


def test_a_mapped_domain_resolves_by_its_a_label(sandbox, administrator):
    administrator.post("/domain-mapping", json={"domain": "bücher.example"})
    assert status_at(sandbox, "xn--bcher-kva.example", tenant="globex") == 403


@pytest.mark.parametrize("holder", ["acme", "globex"])
@pytest.mark.parametrize(
    "window", [{}, {"activeFrom": EARLIER, "activeUntil": "2026-01-02T00:00Z"}]
)
def test_a_domain_is_unique_over_all_tenants_until_it_is_deleted(
    sandbox, administrator, holder, window
):
    owner = administrator_of(sandbox, holder)
    made = owner.post("/domain-mapping", json={"domain": "people.example.org", **window})
    again = {"domain": "People.example.org"}
    assert administrator.post("/domain-mapping", json=again).status_code == 409
    assert owner.delete(location(made)).status_code == 204
    assert administrator.post("/domain-mapping", json=again).status_code == 201


def test_domain_mappings_have_exactly_the_members_of_the_contract(administrator):
    created = administrator.post("/domain-mapping", json={"domain": "example.org"}).json
    assert created == {
        "domain": "example.org",
        "icon": None,
        "theme": None,
        "activeFrom": NOW,
        "activeUntil": None,
    }


def test_domain_mappings_are_listed_by_domain(administrator):
    for domain in ("c.example.org", "a.example.org", "b.example.org"):
        administrator.post("/domain-mapping", json={"domain": domain})
    listed = [mapping["domain"] for mapping in administrator.get("/domain-mapping").json]
    assert listed == ["a.example.org", "b.example.org", "c.example.org"]


# Authentication off


def who_is_at(sandbox, host="localhost", headers=None, client="127.0.0.1"):
    return ask(
        sandbox,
        "GET",
        "/whoami",
        headers={"Host": host, **(headers or {})},
        environ_overrides={"REMOTE_ADDR": client},
    )


def drop_tenant(sandbox, label):
    """Take a tenant and all of its records out of the store."""
    with sandbox.store.transaction() as transaction:
        for table, records in sandbox_tables(transaction).items():
            for key, record in records.items():
                if label in (record.get("tenant"), record.get("home")) or (table, key) == (
                    "tenants",
                    label,
                ):
                    transaction.remove(table, key)


def sandbox_tables(view):
    return {table: dict(records) for table, records in view.tables().items()}


def test_with_authentication_off_a_request_without_a_key_is_an_administrators():
    me = who_is_at(Sandbox(auth="off"), "acme.localhost").json
    assert (me["keyType"], me["user"], me["role"]) == ("BASIC", None, "ADMINISTRATOR")
    assert sorted(me["can"]) == ["makeKeys", "read", "write"]
    assert me["tenant"]["label"] == "acme"


def test_with_authentication_off_keys_are_ignored():
    sandbox = Sandbox(auth="off")
    headers = {"X-API-Key": token_of(sandbox), "Authorization": "Bearer other"}
    me = who_is_at(sandbox, "globex.localhost", headers)
    assert (me.status_code, me.json["tenant"]["label"]) == (200, "globex")


def test_with_authentication_off_the_tenant_must_be_known_one_way_or_another():
    sandbox = Sandbox(auth="off")
    answer = who_is_at(sandbox)
    assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")
    assert "tenant" in answer.json["detail"].lower()
    drop_tenant(sandbox, "globex")
    assert who_is_at(sandbox).json["tenant"]["label"] == "acme"


@pytest.mark.parametrize("host, label", [("localhost", "globex"), ("acme.localhost", "acme")])
def test_with_authentication_off_the_hosts_tenant_comes_before_the_configured_one(host, label):
    sandbox = Sandbox(auth="off", tenant="globex")
    assert who_is_at(sandbox, host).json["tenant"]["label"] == label


def test_with_authentication_off_an_unknown_configured_tenant_is_404():
    assert who_is_at(Sandbox(auth="off", tenant="initech")).status_code == 404


@pytest.mark.storeless
@pytest.mark.parametrize(
    "host, status",
    [
        ("localhost", 200),
        ("localhost:8000", 200),
        ("127.0.0.1:8000", 200),
        ("[::1]:8000", 200),
        ("acme.localhost", 200),
        ("evil.example.org", 403),
        ("a.acme.localhost", 403),
        ("127.0.0.2", 403),
        ("localhost.evil.example.org", 403),
    ],
)
def test_with_authentication_off_only_local_hosts_are_answered(host, status):
    answer = who_is_at(Sandbox(auth="off", tenant="acme"), host)
    assert answer.status_code == status
    if status == 403:
        assert "key" in answer.json["detail"]


def test_with_authentication_off_the_allowed_hosts_are_a_setting():
    sandbox = Sandbox(auth="off", tenant="acme", allowed_hosts=("api.example.org",))
    assert who_is_at(sandbox, "api.example.org").status_code == 200
    assert who_is_at(sandbox, "evil.example.org").status_code == 403


@pytest.mark.storeless
@pytest.mark.parametrize(
    "address, status",
    [
        ("127.0.0.1", 200),
        ("127.8.8.8", 200),
        ("::1", 200),
        ("::ffff:127.0.0.1", 200),
        ("10.0.0.1", 403),
        ("192.168.1.1", 403),
        ("::ffff:10.0.0.1", 403),
        ("2001:db8::1", 403),
    ],
)
def test_with_authentication_off_only_loopback_clients_are_answered(address, status):
    sandbox = Sandbox(auth="off", tenant="acme")
    answer = who_is_at(sandbox, client=address)
    assert answer.status_code == status
    if status == 403:
        assert "key" in answer.json["detail"]


@pytest.mark.storeless
@pytest.mark.parametrize(
    "header",
    [
        "Forwarded",
        "Via",
        "X-Real-IP",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-X",
        "X-Original-Forwarded-For",
        "CF-Connecting-IP",
        "True-Client-IP",
        "X-Client-IP",
        "Client-IP",
        "X-Cluster-Client-IP",
        "X-Envoy-External-Address",
        "X-ProxyUser-Ip",
        "Fastly-Client-IP",
    ],
)
@pytest.mark.parametrize("facts", [{}, {"proxies": (ip_network("127.0.0.0/8"),)}])
def test_with_authentication_off_a_forwarded_request_is_refused(header, facts):
    sandbox = Sandbox(auth="off", tenant="acme", **facts)
    answer = who_is_at(sandbox, headers={header: "127.0.0.1"})
    assert answer.status_code == 403
    assert "key" in answer.json["detail"]


@pytest.mark.storeless
@pytest.mark.parametrize("address, status", [("10.1.2.3", 200), ("11.0.0.1", 403), ("::1", 200)])
def test_with_authentication_off_clients_may_be_allowed_besides_loopback(address, status):
    networks = (ip_network("10.0.0.0/8"),)
    sandbox = Sandbox(auth="off", tenant="acme", allowed_clients=networks)
    assert who_is_at(sandbox, client=address).status_code == status


@pytest.mark.storeless
@pytest.mark.parametrize(
    "request_, status",
    [
        ({}, 200),
        ({"host": "acme.localhost"}, 200),
        ({"client": "::1"}, 200),
        ({"client": "10.0.0.1"}, 403),
        ({"headers": {"X-Forwarded-For": "127.0.0.1"}}, 403),
        ({"headers": {"Forwarded": "for=127.0.0.1"}}, 403),
        ({"host": "evil.example.org"}, 403),
    ],
)
def test_demo_mode_answers_the_same_clients_and_still_asks_for_a_key(request_, status):
    sandbox = Sandbox(demo="on")
    headers = {"X-API-Key": token_of(sandbox), **request_.pop("headers", {})}
    assert who_is_at(sandbox, headers=headers, **request_).status_code == status
    del headers["X-API-Key"]
    without = who_is_at(sandbox, headers=headers, **request_).status_code
    assert without == (401 if status == 200 else status)


EVIL = "https://evil.example.org"


@pytest.mark.storeless
@pytest.mark.parametrize("mode", [{"auth": "off", "tenant": "acme"}, {"demo": "on"}])
@pytest.mark.parametrize(
    ("headers", "is_answered"),
    [
        ({}, True),
        ({"Origin": EVIL}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://localhost.evil.example.org"}, False),
        ({"Origin": "http://localhost:8000"}, True),
        ({"Origin": APP}, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Origin": APP, "Sec-Fetch-Site": "cross-site"}, True),
        ({"Origin": EVIL, "Sec-Fetch-Site": "same-origin"}, False),
    ],
)
@pytest.mark.parametrize("verb", ["GET", "POST", "PUT", "DELETE"])
def test_a_page_of_another_site_changes_nothing_where_no_real_key_is_needed(
    mode, headers, is_answered, verb
):
    sandbox = Sandbox(**mode, cors_origins=(APP,))
    path = {"GET": "/info", "PUT": "/info"}.get(verb, "/services/standard")
    if verb == "DELETE":
        sandbox.administrator.post(path, environ_overrides={"HTTP_HOST": "localhost"})
    sent = {"X-API-Key": token_of(sandbox), "Host": "localhost:8000", **headers}
    body = {"json": {}} if verb == "PUT" else {}
    answer = ask(sandbox, verb, path, headers=sent, **body)
    refused = answer.status_code == 403
    assert refused is (not is_answered and verb != "GET"), answer.data
    if refused:
        assert "PROVISIONING_CORS_ORIGINS" in answer.json["detail"]


def test_with_real_keys_the_key_alone_decides(sandbox):
    headers = {"X-API-Key": token_of(sandbox), "Origin": EVIL, "Sec-Fetch-Site": "cross-site"}
    assert ask(sandbox, "PUT", "/info", headers=headers, json={}).status_code == 200


# Behind a proxy

PROXIES = (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))


def through_a_proxy(headers, proxies=PROXIES, peer="10.0.0.1", path="/nothing"):
    sandbox = Sandbox(proxies=proxies)
    headers = {"X-API-Key": token_of(sandbox), **headers}
    return ask(sandbox, "GET", path, headers=headers, environ_overrides={"REMOTE_ADDR": peer})


def client_told(headers, proxies=PROXIES, peer="10.0.0.1"):
    """Whom the request log names as the client."""
    environ = {"REMOTE_ADDR": peer} | {
        f"HTTP_{name.upper().replace('-', '_')}": text for name, text in headers.items()
    }
    believe_proxy(environ, proxies)
    return environ["REMOTE_ADDR"]


@pytest.mark.storeless
@pytest.mark.parametrize(
    ("told", "client"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7, 10.9.9.9", "203.0.113.7"),
        ("198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("198.51.100.1,203.0.113.7,10.2.2.2,2001:db8::5", "203.0.113.7"),
        ("203.0.113.7, unknown", "203.0.113.7"),
        ("203.0.113.7, , 10.2.2.2", "203.0.113.7"),
        ("2001:db9::7", "2001:db9::7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("10.1.1.1, 10.2.2.2", "10.0.0.1"),
        ("nonsense", "10.0.0.1"),
        ("", "10.0.0.1"),
    ],
)
def test_the_client_is_the_last_address_that_is_no_proxys(told, client):
    assert client_told({"X-Forwarded-For": told}) == client


@pytest.mark.storeless
@pytest.mark.parametrize(
    ("proxies", "peer"), [((), "10.0.0.1"), (PROXIES, "11.0.0.1"), (PROXIES, "")]
)
def test_who_is_no_proxy_is_not_believed(proxies, peer):
    assert client_told({"X-Forwarded-For": "203.0.113.7"}, proxies, peer) == peer
    answer = through_a_proxy({"X-Forwarded-Prefix": "/base"}, proxies, peer)
    assert answer.json["instance"] == "/api/v1/provisioning/nothing"


@pytest.mark.storeless
@pytest.mark.parametrize(
    ("prefix", "taken"),
    [
        ("/base", "/base"),
        ("/a/b-c/~d_e.f", "/a/b-c/~d_e.f"),
        ("/...", "/..."),
        ("/.a", "/.a"),
        ("/", ""),
        ("base", ""),
        ("/base/", ""),
        ("//base", ""),
        ("//evil.example.org", ""),
        ("/a/../b", ""),
        ("/..", ""),
        ("/.", ""),
        ("/a/./b", ""),
        ("/a b", ""),
        ("/a%20b", ""),
        ("/a, /b", ""),
        ("/é", ""),
        ("https://evil.example.org/", ""),
    ],
)
def test_a_prefix_that_is_one_stands_before_every_path_that_is_told(prefix, taken):
    headers = {"X-Forwarded-Prefix": prefix}
    answer = through_a_proxy(headers)
    assert answer.json["instance"] == f"{taken}/api/v1/provisioning/nothing"
    listed = through_a_proxy(headers, path="/users")
    assert listed.headers["Link"].startswith(f"<{taken}/api/v1/provisioning/users?")
    assert through_a_proxy(headers, path="//").headers["Location"] == f"{taken}/docs"


@pytest.mark.storeless
@pytest.mark.parametrize(
    ("proto", "scheme"),
    [("https", "https"), ("HTTP", "http"), ("ftp", "http"), ("http, https", "https")],
)
def test_the_document_names_the_server_as_its_client_knows_it(proto, scheme):
    headers = {"Host": "api.example.org", "X-Forwarded-Proto": proto, "X-Forwarded-Prefix": "/base"}
    told = through_a_proxy(headers, path="//openapi.json").json["servers"]
    assert [each["url"] for each in told] == [f"{scheme}://api.example.org/base"]


def test_the_location_of_a_new_record_is_behind_the_prefix():
    sandbox = Sandbox(proxies=PROXIES)
    made = ask(
        sandbox,
        "POST",
        "/api-keys",
        headers={"X-API-Key": token_of(sandbox), "X-Forwarded-Prefix": "/base"},
        environ_overrides={"REMOTE_ADDR": "10.0.0.1"},
        json={"type": "BASIC"},
    )
    assert made.headers["Location"].startswith("/base/api/v1/provisioning/api-keys/")


def test_with_authentication_off_a_change_has_no_author():
    sandbox = Sandbox(auth="off", tenant="acme")
    body = {"url": "amqp://mq.example.org", "endpointType": "MQ_INCOMING"}
    local = {"REMOTE_ADDR": "127.0.0.1"}
    made = ask(sandbox, "POST", "/endpoints", json=body, environ_overrides=local)
    assert (made.status_code, made.json["registeredByUserId"]) == (201, None)


# The limits are settings


def test_a_configured_maximum_page_size_lowers_the_largest_and_the_usual_size():
    sandbox = Sandbox(max_page_size=2)
    acme = administrator_of(sandbox, "acme")
    administrator_of(sandbox, "acme")
    administrator_of(sandbox, "acme")
    assert len(acme.get("/api-keys").json) == 2
    assert acme.get("/api-keys?size=2").status_code == 200
    assert "size" in errors(acme.get("/api-keys?size=3"))


@pytest.mark.parametrize("extra, status", [(0, 422), (1, 413)])
def test_the_limit_of_a_body_is_a_setting(extra, status):
    acme = administrator_of(Sandbox(max_body=64), "acme")
    body = b'{"colour": "' + b"x" * (64 - 14 + extra) + b'"}'
    answer = acme.put("/info", data=body, content_type="application/json")
    assert answer.status_code == status


# Browsers


def test_a_listed_origin_may_read_the_answer_and_its_headers():
    sandbox = Sandbox(cors_origins=(APP,))
    headers = {"X-API-Key": token_of(sandbox), "Origin": APP}
    for path, status in (("/users", 200), ("/nothing", 404), ("/users/nobody", 404)):
        answer = ask(sandbox, "GET", path, headers=headers)
        assert answer.status_code == status
        assert answer.headers["Access-Control-Allow-Origin"] == APP
        exposed = {
            name.strip() for name in answer.headers["Access-Control-Expose-Headers"].split(",")
        }
        assert exposed == {
            "X-Total-Count",
            "Link",
            "ETag",
            "Location",
            "X-Request-ID",
            "Retry-After",
        }


def test_a_listed_origin_may_read_why_its_key_is_refused():
    answer = ask(Sandbox(cors_origins=(APP,)), "GET", "/users", headers={"Origin": APP})
    assert answer.status_code == 401
    assert answer.headers["Access-Control-Allow-Origin"] == APP


@pytest.mark.storeless
@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example.org",
        "http://app.example.org",
        f"{APP}.evil.org",
        f"{APP}:8443",
        "null",
    ],
)
def test_another_origin_gets_no_cors_headers(origin):
    sandbox = Sandbox(cors_origins=(APP,))
    headers = {"X-API-Key": token_of(sandbox), "Origin": origin}
    answer = ask(sandbox, "GET", "/users", headers=headers)
    assert answer.status_code == 200
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


@pytest.mark.storeless
@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("GET", "/users/alice@acme.test"),
        ("POST", "/users"),
        ("PUT", "/users/alice@acme.test"),
        ("DELETE", "/users/alice@acme.test"),
    ],
)
def test_a_preflight_needs_no_key(verb, path):
    asked = "authorization, content-type, if-match, x-api-key"
    headers = {
        "Origin": APP,
        "Access-Control-Request-Method": verb,
        "Access-Control-Request-Headers": asked,
    }
    answer = ask(Sandbox(cors_origins=(APP,)), "OPTIONS", path, headers=headers)
    assert answer.status_code in {200, 204}
    assert answer.headers["Access-Control-Allow-Origin"] == APP
    assert verb in answer.headers["Access-Control-Allow-Methods"]
    allowed = answer.headers["Access-Control-Allow-Headers"].lower()
    assert all(name in allowed for name in asked.split(", "))


@pytest.mark.storeless
@pytest.mark.parametrize(
    ("path", "verbs"),
    [
        ("/users", "GET, HEAD, OPTIONS, POST"),
        ("/users/alice@acme.test", "DELETE, GET, HEAD, OPTIONS, PUT"),
        ("/whoami", "GET, HEAD, OPTIONS"),
    ],
)
@pytest.mark.parametrize("asked", ["GET", "PATCH", "DELETE"])
def test_a_preflight_allows_the_verbs_that_the_path_has(path, verbs, asked):
    headers = {"Origin": APP, "Access-Control-Request-Method": asked}
    answer = ask(Sandbox(cors_origins=(APP,)), "OPTIONS", path, headers=headers)
    assert answer.headers["Access-Control-Allow-Methods"] == verbs


@pytest.mark.storeless
@pytest.mark.parametrize(
    "origin, listed",
    [
        ("http://localhost:5173", True),
        ("http://127.0.0.1:3000", True),
        ("http://localhost", True),
        ("http://localhost.evil.org:3000", False),
        ("http://evil.org", False),
    ],
)
def test_in_demo_mode_any_port_of_this_machine_is_a_listed_origin(origin, listed):
    answer = who_is_at(Sandbox(demo="on"), headers={"Origin": origin})
    assert (answer.headers.get("Access-Control-Allow-Origin") == origin) is listed


def test_answers_carry_a_request_id_that_a_caller_may_choose(sandbox):
    headers = {"X-API-Key": token_of(sandbox)}
    made = [ask(sandbox, "GET", "/whoami", headers=headers) for _ in range(2)]
    assert made[0].headers["X-Request-ID"] != made[1].headers["X-Request-ID"]
    chosen = ask(sandbox, "GET", "/nothing", headers={"X-Request-ID": "trace-7"})
    assert chosen.headers["X-Request-ID"] == "trace-7"
