"""What is special about endpoints, endpoint types and API keys, and what stays secret."""

import json
import re

import pytest

from .asking import (
    EARLIER,
    LATER,
    LATEST,
    MASK,
    NOW,
    PUBLIC_PROFILE,
    ROLES,
    SOON,
    administrator_of,
    caller,
    errors,
    location,
    segment,
)
from .test_catalogue_and_services import CATALOGUE

BOB = "bob@acme.test"
PATHS = pytest.mark.parametrize("path", ["/endpoints", "/service-endpoints"])
TYPES = CATALOGUE["endpointTypes"]
INTERNAL_TYPES = [each["label"] for each in TYPES if each["internal"]]
INCOMING = next(each for each in TYPES if each["label"] == "MQ_INCOMING")
SECRETS = {"password": "open sesame", "provPassword": "pass two", "apiKey": "third key"}
ENDPOINT = {"url": "amqps://mq.example.org/in", "endpointType": "MQ_INCOMING"}


# Endpoint types


@pytest.mark.parametrize("role", ROLES)
def test_endpoint_types_are_shown_to_every_role_but_internal_ones_to_nobody(sandbox, role):
    shown = caller(sandbox, role).get("/endpoint-types?size=300").json
    offers = [each for each in TYPES if not each["internal"]]
    assert shown == sorted(offers, key=lambda each: each["label"])
    assert all(
        each.keys() == {"id", "name", "label", "internal", "shortDescription"} for each in shown
    )


@pytest.mark.parametrize(
    "given",
    [
        "MQ_INCOMING",
        {"label": "MQ_INCOMING"},
        INCOMING,
        {"label": "MQ_INCOMING", "id": "x", "name": 7, "colour": "red", "internal": True},
        {"label": "MQ_INCOMING", "id": TYPES[0]["id"]},
        {"id": INCOMING["id"]},
        {"id": INCOMING["id"], "label": None, "name": "other"},
    ],
    ids=str,
)
@PATHS
def test_an_endpoint_type_is_a_label_or_an_object_with_a_label_or_else_an_id(
    administrator, path, given
):
    made = administrator.post(path, json={**ENDPOINT, "endpointType": given})
    assert (made.status_code, made.json["endpointType"]) == (201, INCOMING)
    changed = administrator.put(location(made), json={"endpointType": given})
    assert changed.json == made.json


@pytest.mark.parametrize(
    "given",
    [
        *INTERNAL_TYPES,
        *({"label": label} for label in INTERNAL_TYPES),
        "mq_incoming",
        "MQ_NOWHERE",
        {"name": "Incoming MQ"},
        *({"id": each["id"]} for each in TYPES if each["internal"]),
        {"label": "MQ_NOWHERE", "id": INCOMING["id"]},
        {"label": None},
        {"id": None},
        {"id": 999_999},
        {"id": str(INCOMING["id"])},
        {"id": float(INCOMING["id"])},
        {"id": True},
        {"id": []},
        {"label": 7},
        [],
        ["MQ_INCOMING"],
    ],
    ids=str,
)
def test_an_internal_or_unknown_endpoint_type_is_refused(administrator, given):
    refused = administrator.post("/endpoints", json={**ENDPOINT, "endpointType": given})
    assert list(errors(refused)) == ["endpointType"]


# Endpoints


def test_both_names_are_the_same_resource(administrator):
    made = administrator.post("/endpoints", json=ENDPOINT).json
    older = f"/service-endpoints/{made['id']}"
    assert administrator.get("/service-endpoints").json == [made]
    assert administrator.get(older).json == made
    assert administrator.put(older, json={"vhost": "v"}).json["vhost"] == "v"
    assert administrator.get(f"/endpoints/{made['id']}").json["vhost"] == "v"
    assert administrator.delete(older).status_code == 204
    assert administrator.get(f"/endpoints/{made['id']}").status_code == 404


def test_an_endpoint_has_exactly_the_members_of_the_contract(administrator):
    made = administrator.post("/endpoints", json=ENDPOINT).json
    assert " ".join(sorted(made)) == (
        "active activeFrom activeUntil apiKey binding durable endpointType exchange id"
        " messageHandler password provPassword provPort provUserName registeredByUserId"
        " registeredDate url userName vhost"
    )
    assert type(made["id"]) is int
    assert (made["active"], made["durable"]) == (True, False)
    assert (made["activeFrom"], made["activeUntil"], made["registeredDate"]) == (NOW, None, NOW)


def test_who_registered_an_endpoint_is_their_id_and_stays(sandbox, administrator):
    bob = caller(sandbox, "ADMINISTRATOR", username=BOB)
    made = bob.post("/endpoints", json=ENDPOINT)
    assert made.json["registeredByUserId"] == bob.get(f"/users/{BOB}").json["id"]
    sandbox.clock.set(SOON)
    changed = administrator.put(location(made), json={"vhost": "v"}).json
    assert changed["registeredByUserId"] == made.json["registeredByUserId"]
    assert changed["registeredDate"] == NOW


def test_an_endpoint_registered_with_a_tenant_only_key_names_nobody(sandbox):
    made = administrator_of(sandbox, "acme").post("/endpoints", json=ENDPOINT)
    assert made.json["registeredByUserId"] is None


@pytest.mark.parametrize(
    "url",
    [
        "amqps://guest:guest@mq.example.org/in",
        "amqps://guest@mq.example.org",
        "https://:pw@mq.example.org",
        "HTTPS://a%40b:c@mq.example.org",
        "https://user:p@ss@mq.example.org/x",
    ],
)
def test_a_url_with_user_information_is_refused(administrator, url):
    assert list(errors(administrator.post("/endpoints", json={**ENDPOINT, "url": url}))) == ["url"]
    path = location(administrator.post("/endpoints", json=ENDPOINT))
    assert list(errors(administrator.put(path, json={"url": url}))) == ["url"]


@pytest.mark.parametrize(
    "url",
    [
        "amqps://mq.example.org:5671/in",
        "https://example.org/callback?mail=a@b.test",
        "https://example.org/a@b",
        "tcp://[::1]:61616",
    ],
)
def test_a_url_without_user_information_is_taken(administrator, url):
    made = administrator.post("/endpoints", json={**ENDPOINT, "url": url})
    assert (made.status_code, made.json["url"]) == (201, url)


@pytest.mark.parametrize("port", ["1", "80", "5671", "65535"])
def test_a_port_is_a_string_of_digits(administrator, port):
    assert administrator.post("/endpoints", json={**ENDPOINT, "provPort": port}).status_code == 201


@pytest.mark.parametrize("active", [True, False])
def test_active_is_a_setting_beside_the_window(sandbox, administrator, active):
    made = administrator.post(
        "/endpoints", json={**ENDPOINT, "active": active, "activeUntil": LATER}
    )
    assert made.json["active"] is active
    sandbox.clock.set(LATEST)
    assert administrator.get(location(made)).json["active"] is active
    assert len(administrator.get("/endpoints").json) == 1


def test_endpoints_are_listed_by_creation(administrator):
    for host in ("c", "a", "b"):
        administrator.post("/endpoints", json={**ENDPOINT, "url": f"amqp://{host}.example.org"})
    listed = [endpoint["url"] for endpoint in administrator.get("/endpoints").json]
    assert listed == [f"amqp://{host}.example.org" for host in ("c", "a", "b")]


@pytest.mark.parametrize("q", ["incoming", "MQ_INC", "mq.EXAMPLE"])
def test_q_seeks_endpoints_by_url_and_type(administrator, q):
    made = administrator.post("/endpoints", json=ENDPOINT).json
    other = {"url": "https://elsewhere.test", "endpointType": "HTTP_CALLBACK"}
    administrator.post("/endpoints", json=other)
    assert administrator.get(f"/endpoints?q={segment(q)}").json == [made]


# Secrets of endpoints


@PATHS
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("key", ["BASIC", "QUERY_ONLY"])
def test_endpoint_secrets_are_shown_to_an_administrator_with_a_basic_key_alone(
    sandbox, administrator, path, role, key
):
    made = administrator.post(path, json={**ENDPOINT, **SECRETS, "userName": "shown"})
    assert made.json.items() >= SECRETS.items()
    client = caller(sandbox, role, key=key)
    answers = [client.get(path), client.get(location(made)), client.get("/details")]
    if role in {"ADMINISTRATOR", "INTERNAL_AUDITING"}:
        full = (role, key) == ("ADMINISTRATOR", "BASIC")
        expected = SECRETS if full else dict.fromkeys(SECRETS, MASK)
        shown = [*answers[0].json, answers[1].json, *answers[2].json["tenantEndpoints"]]
        assert len(shown) == 3
        for endpoint in shown:
            assert endpoint.items() >= {**expected, "userName": "shown"}.items()
    else:
        assert answers[0].json == []
    if (role, key) != ("ADMINISTRATOR", "BASIC"):
        for answer in answers:
            assert not any(secret.encode() in answer.data for secret in SECRETS.values())


@pytest.mark.parametrize("key", ["BASIC", "QUERY_ONLY"])
def test_endpoint_secrets_by_a_tenant_only_key(sandbox, administrator, key):
    path = location(administrator.post("/endpoints", json={**ENDPOINT, **SECRETS}))
    client = sandbox.client(sandbox.add_key(None, tenant="acme", type=key))
    expected = SECRETS if key == "BASIC" else dict.fromkeys(SECRETS, MASK)
    assert client.get(path).json.items() >= expected.items()


@pytest.mark.parametrize("role", ["ADMINISTRATOR", "INTERNAL_AUDITING"])
@pytest.mark.parametrize("key", ["BASIC", "QUERY_ONLY"])
def test_an_unset_secret_is_null_for_all(sandbox, administrator, role, key):
    path = location(administrator.post("/endpoints", json=ENDPOINT))
    assert caller(sandbox, role, key=key).get(path).json.items() >= dict.fromkeys(SECRETS).items()


@pytest.mark.parametrize("secret", SECRETS)
def test_a_mask_sent_back_keeps_the_secret(administrator, secret):
    path = location(administrator.post("/endpoints", json={**ENDPOINT, **SECRETS}))
    before = administrator.get(path)
    kept = administrator.put(path, json={secret: MASK})
    assert (kept.status_code, kept.json) == (200, before.json)
    assert administrator.get(path).data == before.data
    assert administrator.put(path, json={secret: "new"}).json[secret] == "new"
    assert administrator.put(path, json={secret: None}).json[secret] is None
    assert administrator.put(path, json={secret: MASK}).json[secret] is None


def test_a_masked_record_can_be_sent_back_whole(sandbox, administrator):
    path = location(administrator.post("/endpoints", json={**ENDPOINT, **SECRETS}))
    masked = caller(sandbox, "INTERNAL_AUDITING").get(path).json
    before = administrator.get(path)
    assert administrator.put(path, json=masked).json == before.json
    assert administrator.get(path).json == before.json


@pytest.mark.parametrize("secret", SECRETS)
def test_a_mask_at_creation_is_refused(administrator, secret):
    refused = administrator.post("/endpoints", json={**ENDPOINT, secret: MASK})
    assert list(errors(refused)) == [secret]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("role", ["ADMINISTRATOR", "INTERNAL_AUDITING"])
def test_secrets_are_never_searched_nor_ordered_by(sandbox, administrator, secret, role):
    administrator.post("/endpoints", json={**ENDPOINT, **SECRETS})
    client = caller(sandbox, role)
    answer = client.get(f"/endpoints?q={segment(SECRETS[secret])}")
    assert (answer.json, answer.headers["X-Total-Count"]) == ([], "0")
    refused = errors(client.get(f"/endpoints?order={secret}"))
    assert secret not in json.dumps(refused).replace(f"'{secret}'", "").split()


@PATHS
def test_answers_with_endpoint_secrets_are_not_stored(administrator, path):
    made = administrator.post(path, json={**ENDPOINT, **SECRETS})
    one = location(made)
    answers = (made, administrator.get(path), administrator.get(one))
    for answer in (*answers, administrator.put(one, json={}), administrator.get("/details")):
        assert answer.headers["Cache-Control"] == "no-store"


def test_an_error_never_repeats_a_secret(administrator):
    body = {**ENDPOINT, **SECRETS, "url": "https://u:open sesame@x", "apiToken": "third key"}
    refused = administrator.post("/endpoints", json=body)
    errors(refused)
    assert b"sesame" not in refused.data
    assert b"third key" not in refused.data


# Keys


KEY_PATHS = pytest.mark.parametrize("path", ["/api-keys", f"/users/{BOB}/api-keys"])


@pytest.fixture
def bob(sandbox):
    """A user of acme with no key yet."""
    return sandbox.add_user(BOB, role="USER", tenant="acme")


@KEY_PATHS
def test_a_key_has_exactly_the_members_of_the_contract(administrator, bob, path):
    made = administrator.post(path, json={"type": "BASIC"}).json
    assert " ".join(sorted(made)) == (
        "activeFrom activeUntil apiToken createdDate id name type user"
    )
    assert (made["activeFrom"], made["activeUntil"], made["createdDate"]) == (NOW, None, NOW)
    if path == "/api-keys":
        assert made["user"] is None
    else:
        assert made["user"].keys() == PUBLIC_PROFILE
        assert made["user"]["username"] == BOB


@pytest.mark.parametrize("path", ["/api-keys", "/users/bob@acme.test/api-keys"])
@pytest.mark.parametrize("value", ["2001-01-01T00:00:00Z", None, 7])
def test_the_pages_name_of_a_keys_creation_is_accepted_and_ignored(
    sandbox, administrator, path, value
):
    sandbox.add_user(BOB)
    made = administrator.post(path, json={"type": "BASIC", "dateCreated": value})
    assert (made.status_code, made.json["createdDate"]) == (201, NOW)
    assert "dateCreated" not in made.json
    changed = administrator.put(location(made), json={"name": "new", "dateCreated": value})
    assert changed.json == made.json | {"name": "new"}


@KEY_PATHS
def test_a_token_is_long_url_safe_and_its_id_tells_nothing_of_it(administrator, bob, path):
    made = [administrator.post(path, json={"type": "BASIC"}) for _ in range(20)]
    tokens = {answer.json["apiToken"] for answer in made}
    assert len(tokens) == len(made)
    for answer in made:
        token, identity = answer.json["apiToken"], answer.json["id"]
        assert re.fullmatch(r"[A-Za-z0-9._~-]{22,}", token)
        assert isinstance(identity, str)
        assert identity not in token
        assert token not in answer.headers["Location"]


@KEY_PATHS
@pytest.mark.parametrize("kind", ["BASIC", "QUERY_ONLY", "INGESTION_ONLY"])
def test_a_new_key_works_at_once_as_its_type_allows(sandbox, administrator, bob, path, kind):
    token = administrator.post(path, json={"type": kind, "name": "n"}).json["apiToken"]
    answer = sandbox.client(token).get("/whoami")
    if kind == "INGESTION_ONLY":
        assert answer.status_code == 403
    else:
        assert answer.json["keyType"] == kind
        assert answer.json["role"] == ("ADMINISTRATOR" if path == "/api-keys" else "USER")


@KEY_PATHS
def test_a_key_is_found_by_its_id_and_by_its_token(administrator, bob, path):
    made = administrator.post(path, json={"type": "BASIC"}).json
    for key in (made["id"], made["apiToken"]):
        assert administrator.get(f"{path}/{key}").json == made
    renamed = administrator.put(f"{path}/{made['apiToken']}", json={"name": "new"})
    assert renamed.json == made | {"name": "new"}
    assert administrator.delete(f"{path}/{made['apiToken']}").status_code == 204
    assert administrator.get(f"{path}/{made['id']}").status_code == 404


@KEY_PATHS
def test_a_deleted_key_stops_working_at_once(sandbox, administrator, bob, path):
    made = administrator.post(path, json={"type": "BASIC"})
    client = sandbox.client(made.json["apiToken"])
    assert client.get("/whoami").status_code == 200
    administrator.delete(location(made))
    assert client.get("/whoami").status_code == 401


@KEY_PATHS
def test_a_changed_key_acts_as_changed_at_once(sandbox, administrator, bob, path):
    made = administrator.post(path, json={"type": "BASIC"})
    client = sandbox.client(made.json["apiToken"])
    administrator.put(location(made), json={"type": "QUERY_ONLY"})
    assert client.get("/whoami").json["keyType"] == "QUERY_ONLY"
    administrator.put(
        location(made), json={"activeFrom": EARLIER, "activeUntil": "2026-01-02T00:00Z"}
    )
    assert client.get("/whoami").status_code == 401
    administrator.put(location(made), json={"activeUntil": None})
    assert client.get("/whoami").status_code == 200


@KEY_PATHS
@pytest.mark.parametrize("token", ["chosen-by-me", None, 7, MASK])
def test_a_token_cannot_be_chosen_nor_changed(administrator, bob, path, token):
    made = administrator.post(path, json={"type": "BASIC", "apiToken": None})
    changed = administrator.put(location(made), json={"apiToken": token})
    assert (changed.status_code, changed.json) == (200, made.json)


@KEY_PATHS
def test_a_chosen_token_at_creation_is_ignored(administrator, bob, path):
    made = administrator.post(path, json={"type": "BASIC", "apiToken": "chosen-by-me"})
    assert made.status_code == 201
    assert made.json["apiToken"] != "chosen-by-me"


def test_each_key_stands_under_one_path_only(sandbox, administrator, bob):
    sandbox.add_user("carl@acme.test", role="USER", tenant="acme")
    tenants = administrator.post("/api-keys", json={"type": "BASIC"}).json
    bobs = administrator.post(f"/users/{BOB}/api-keys", json={"type": "BASIC"}).json
    for name in ("id", "apiToken"):
        assert administrator.get(f"/users/{BOB}/api-keys/{tenants[name]}").status_code == 404
        assert administrator.get(f"/api-keys/{bobs[name]}").status_code == 404
        assert administrator.get(f"/users/carl@acme.test/api-keys/{bobs[name]}").status_code == 404
        assert administrator.delete(f"/api-keys/{bobs[name]}").status_code == 404
    assert administrator.get("/api-keys").json == [tenants]
    assert administrator.get(f"/users/{BOB}/api-keys").json == [bobs]
    assert bobs in administrator.get("/user-api-keys").json
    assert tenants not in administrator.get("/user-api-keys").json


@pytest.mark.parametrize("key", ["key-999999", MASK, "key-", "KEY-1", "no-such-token"])
def test_a_key_that_is_not_there_is_404(administrator, bob, key):
    for path in ("/api-keys", f"/users/{BOB}/api-keys"):
        assert administrator.get(f"{path}/{segment(key)}").status_code == 404


def test_a_token_of_another_tenant_finds_nothing(sandbox, administrator):
    token = sandbox.add_key(None, tenant="globex", type="BASIC")
    assert administrator.get(f"/api-keys/{token}").status_code == 404
    sandbox.add_user("gina@globex.test", role="USER", tenant="globex")
    sandbox.grant("gina@globex.test", "USER", tenant="acme")
    theirs = sandbox.add_key("gina@globex.test", tenant="globex", type="BASIC")
    assert administrator.get(f"/users/gina@globex.test/api-keys/{theirs}").status_code == 404
    assert administrator.get("/users/gina@globex.test/api-keys").json == []


def test_a_key_is_made_for_a_user_whose_privileges_have_ended(sandbox, administrator):
    sandbox.add_user(BOB, role="USER", tenant="acme", active_from=EARLIER, active_until=NOW)
    made = administrator.post(f"/users/{BOB}/api-keys", json={"type": "BASIC"})
    assert made.status_code == 201
    assert sandbox.client(made.json["apiToken"]).get("/whoami").status_code == 401


def test_keys_are_listed_by_creation(administrator, bob):
    made = [
        administrator.post("/api-keys", json={"type": "BASIC", "name": name}).json["id"]
        for name in "cab" * 4
    ]
    assert [key["id"] for key in administrator.get("/api-keys").json] == made


@pytest.mark.parametrize("q", ["robot", "roberta", "BOB@acme"])
def test_q_seeks_keys_by_name_and_user(sandbox, administrator, q):
    sandbox.add_user(BOB, role="USER", tenant="acme", firstName="Roberta")
    made = administrator.post(f"/users/{BOB}/api-keys", json={"type": "BASIC", "name": "Robot"})
    assert administrator.get(f"/user-api-keys?q={q}").json == [made.json]


# Who sees a token


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("key", ["BASIC", "QUERY_ONLY"])
def test_a_token_is_shown_to_its_owner_and_to_administrators_with_a_basic_key(
    sandbox, bob, role, key
):
    me = caller(sandbox, role, key=key, username="me@acme.test")
    mine = me.token
    bobs = sandbox.add_key(BOB, tenant="acme", type="BASIC")
    tenants = sandbox.add_key(None, tenant="acme", type="BASIC")
    sees_all = role in {"ADMINISTRATOR", "INTERNAL_AUDITING"}
    full = (role, key) == ("ADMINISTRATOR", "BASIC")

    (own,) = me.get("/users/me@acme.test/api-keys").json
    assert own["apiToken"] == (mine if key == "BASIC" else MASK)
    (own,) = me.get("/users/me@acme.test").json["activeApiKeys"]
    assert own["apiToken"] == (mine if key == "BASIC" else MASK)
    shown = {k["user"]["username"]: k["apiToken"] for k in me.get("/user-api-keys").json}
    assert shown["me@acme.test"] == (mine if key == "BASIC" else MASK)
    if sees_all:
        assert shown[BOB] == (bobs if full else MASK)
        (theirs,) = me.get(f"/users/{BOB}").json["activeApiKeys"]
        assert theirs["apiToken"] == (bobs if full else MASK)
        (tenant_only,) = me.get("/api-keys").json
        assert tenant_only["apiToken"] == (tenants if full else MASK)
        assert me.get(f"/api-keys/{tenant_only['id']}").json == tenant_only
    else:
        assert set(shown) == {"me@acme.test"}
        assert me.get("/api-keys").json == []


@pytest.mark.parametrize("role", ["TEAM_LEADER", "MANAGEMENT"])
def test_the_keys_of_a_report_are_an_empty_list(sandbox, role):
    me = caller(sandbox, role, username="me@acme.test")
    sandbox.add_user(BOB, role="USER", tenant="acme", reports_to="me@acme.test")
    token = sandbox.add_key(BOB, tenant="acme", type="BASIC")
    answer = me.get(f"/users/{BOB}/api-keys")
    assert (answer.json, answer.headers["X-Total-Count"]) == ([], "0")
    assert me.get(f"/users/{BOB}/api-keys/{token}").status_code == 404


@pytest.mark.parametrize("role", ROLES)
def test_anyone_may_delete_their_own_key_with_a_basic_key(sandbox, role):
    me = caller(sandbox, role, username="me@acme.test")
    other = sandbox.add_key("me@acme.test", tenant="acme", type="QUERY_ONLY")
    assert sandbox.client(other).delete(f"/users/me@acme.test/api-keys/{other}").status_code == 403
    assert me.delete(f"/users/me@acme.test/api-keys/{other}").status_code == 204
    assert me.delete(f"/users/me@acme.test/api-keys/{me.token}").status_code == 204
    assert me.get("/whoami").status_code == 401


@pytest.mark.parametrize("role", [role for role in ROLES if role != "ADMINISTRATOR"])
def test_only_administrators_make_and_change_keys_their_own_too(sandbox, role):
    me = caller(sandbox, role, username="me@acme.test")
    path = "/users/me@acme.test/api-keys"
    assert me.post(path, json={"type": "BASIC"}).status_code == 403
    assert me.put(f"{path}/{me.token}", json={"name": "x"}).status_code == 403
    assert me.post("/api-keys", json={"type": "BASIC"}).status_code == 403


@pytest.mark.parametrize("role", ["ADMINISTRATOR", "USER"])
def test_tokens_are_never_searched_nor_ordered_by(sandbox, administrator, bob, role):
    token = sandbox.add_key(BOB, tenant="acme", type="BASIC")
    tenants = sandbox.add_key(None, tenant="acme", type="BASIC")
    client = sandbox.client(token) if role == "USER" else administrator
    for path in ("/user-api-keys", f"/users/{BOB}/api-keys", "/api-keys", "/users"):
        for piece in (token, token[:8], tenants):
            answer = client.get(f"{path}?q={piece}")
            assert (answer.json, answer.headers["X-Total-Count"]) == ([], "0")
        assert client.get(f"{path}?order=apiToken").status_code == 422


@KEY_PATHS
def test_answers_with_tokens_are_not_stored(administrator, bob, path):
    made = administrator.post(path, json={"type": "BASIC"})
    one = location(made)
    changed = administrator.put(one, json={"name": "x"})
    for answer in (made, administrator.get(path), administrator.get(one), changed):
        assert answer.headers["Cache-Control"] == "no-store"
    assert administrator.get("/user-api-keys").headers["Cache-Control"] == "no-store"


def test_the_etag_of_a_key_is_of_what_this_caller_would_receive(sandbox, administrator, bob):
    token = sandbox.add_key(BOB, tenant="acme", type="BASIC")
    path = f"/users/{BOB}/api-keys/{token}"
    masked = caller(sandbox, "INTERNAL_AUDITING").get(path)
    assert masked.json["apiToken"] == MASK
    assert masked.headers["ETag"] != administrator.get(path).headers["ETag"]


def test_a_problem_names_the_path_without_its_query_and_so_no_key(sandbox):
    token = sandbox.add_key(None, tenant="acme", type="BASIC")
    answer = sandbox.client(None).get(f"/users/nobody?apikey={token}")
    assert answer.status_code == 404
    assert token.encode() not in answer.data


def test_what_a_key_in_a_path_reveals_is_not_repeated_by_a_problem(sandbox, administrator):
    token = sandbox.add_key(None, tenant="acme", type="BASIC")
    made = administrator.put(f"/api-keys/{token}", json={"type": "KING"})
    assert token not in json.dumps(errors(made))
    assert token not in made.json["detail"]
