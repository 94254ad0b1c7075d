"""Who is answered, in which form, and what the server says of itself."""

import subprocess
import sys

import pytest

from provisioning.testing.sandbox import Sandbox
from tests.scim.asking import ERROR, LIST, SCIM, USER, IdentityProvider, error, kind

pytestmark = pytest.mark.storeless

DISCOVERY = ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas"]


def test_without_the_setting_there_is_no_scim():
    response = Sandbox().administrator.get("//scim/v2/Users")

    assert response.status_code == 404
    assert response.mimetype == "application/problem+json"


def test_an_administrator_s_basic_key_is_enough(sandbox):
    assert IdentityProvider(sandbox.administrator).get("/Users").status_code == 200


@pytest.mark.parametrize("path", [*DISCOVERY, "/Users", "/Groups", "/Me"])
def test_without_a_key_it_is_401_and_says_that_a_bearer_key_is_wanted(sandbox, path):
    response = IdentityProvider(sandbox.client()).get(path)

    assert kind(response) == (401, None)
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("key_type", ["QUERY_ONLY", "INGESTION_ONLY"])
def test_a_key_of_another_type_is_403_for_reading_too(sandbox, key_type):
    client = sandbox.client(sandbox.add_key("alice@acme.test", type=key_type))

    assert kind(IdentityProvider(client).get("/Users")) == (403, None)


@pytest.mark.parametrize("role", ["USER", "TEAM_LEADER", "MANAGEMENT", "INTERNAL_AUDITING"])
def test_a_key_of_another_role_is_403(sandbox, role):
    client = sandbox.client(sandbox.add_key(sandbox.add_user(role=role)))

    assert kind(IdentityProvider(client).get("/Users")) == (403, None)


def test_a_key_that_is_no_bearer_is_401(sandbox):
    response = sandbox.client().get("//scim/v2/Users", headers={"X-API-Key": sandbox.add_key(None)})

    assert error(response) == (401, None, "Send the API key as 'Authorization: Bearer KEY'.")


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer ", "bearer  ", "Basic x", "X"])
@pytest.mark.parametrize("is_elsewhere", [False, True])
@pytest.mark.parametrize("path", ["/Users", "/Schemas", "/Me"])
def test_a_401_names_the_one_way_for_a_key_and_no_other_opens(sandbox, header, is_elsewhere, path):
    key = sandbox.add_key(None)
    headers = {"Authorization": header} if header is not None else {}
    query = {"apikey": key} if is_elsewhere else {}

    response = sandbox.client().get(f"//scim/v2{path}", headers=headers, query_string=query)

    assert error(response) == (401, None, "Send the API key as 'Authorization: Bearer KEY'.")


@pytest.mark.parametrize(
    "path", ["/scim/v2//Users", "/scim/v2//Users/1", "/scim/v2//", "/scim/v2/Groups//USER"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
def test_a_path_with_two_slashes_is_404_that_says_so(provider, method, path):
    response = provider.client.request(method, f"/{path}")

    status, scim_type, detail = error(response)
    assert (status, scim_type) == (404, None)
    assert "two slashes" in detail


def test_a_404_without_them_does_not_speak_of_slashes(provider):
    assert "slash" not in error(provider.get("/Nothing"))[2]


def test_a_key_shows_its_own_tenant_alone(sandbox, provider):
    sandbox.add_user("grace@globex.test", tenant="globex")

    assert provider.found('userName eq "grace@globex.test"') == []
    assert provider.get("/Users").json["totalResults"] == 1


def test_with_authentication_off_the_host_names_the_tenant():
    sandbox = Sandbox(scim="on", auth="off")

    response = sandbox.client().get("//scim/v2/Users", headers={"Host": "acme.localhost"})

    assert response.json["totalResults"] == 1


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/Nothing", 404),
        ("GET", "/Users/0", 404),
        ("GET", "/Users/01", 404),
        ("GET", "/Users/99999999999999999999999999", 404),
        ("GET", "/Users/alice@acme.test", 404),
        ("GET", "/Groups/NOBODY", 404),
        ("GET", "/Schemas/urn:nothing", 404),
        ("GET", "/ResourceTypes/Nothing", 404),
        ("PUT", "/Users", 405),
        ("POST", "/Schemas", 405),
        ("GET", "/Me", 501),
        ("PATCH", "/Me", 501),
        ("POST", "/Bulk", 501),
    ],
)
def test_every_error_has_scim_s_form(provider, method, path, status):
    assert kind(provider.request(method, path)) == (status, None)


def test_a_405_lists_what_is_allowed(provider):
    assert "GET" in provider.request("DELETE", "/Schemas").headers["Allow"]


@pytest.mark.parametrize(
    ("content", "kind_of_content", "status", "scim_type"),
    [
        (b"{", SCIM, 400, "invalidSyntax"),
        (b"[]", SCIM, 400, "invalidSyntax"),
        (b"", SCIM, 400, "invalidSyntax"),
        (b'{"userName": "a", "userName": "b"}', SCIM, 400, "invalidSyntax"),
        (b"{}", "text/plain", 415, None),
        (b'{"userName": "\\u0000"}', SCIM, 400, "invalidValue"),
        (b'{"x": "' + b"x" * 2**20 + b'"}', SCIM, 413, None),
    ],
)
def test_a_bad_body_is_told_in_scim_s_form(provider, content, kind_of_content, status, scim_type):
    response = provider.client.post(
        "//scim/v2/Users", data=content, headers={"Content-Type": kind_of_content}
    )

    assert kind(response) == (status, scim_type)


def test_plain_json_is_taken_too(provider):
    response = provider.client.post("//scim/v2/Users", json={"userName": "bob@acme.test"})

    assert response.status_code == 201
    assert response.mimetype == SCIM


def test_an_error_on_any_other_path_keeps_the_api_s_form(sandbox):
    response = sandbox.administrator.get("//scim/v20")

    assert response.mimetype == "application/problem+json"


@pytest.mark.parametrize("path", DISCOVERY)
def test_what_the_server_says_of_itself_can_t_be_filtered(provider, path):
    assert kind(provider.get(path, filter='id eq "User"')) == (403, None)


def test_the_configuration_tells_the_truth(provider):
    config = provider.get("/ServiceProviderConfig").json

    supported = {name: config[name]["supported"] for name in config if "supported" in config[name]}
    assert supported == {
        "patch": True,
        "bulk": False,
        "filter": True,
        "changePassword": True,
        "sort": True,
        "etag": True,
    }
    assert config["filter"]["maxResults"] == 300
    assert [each["type"] for each in config["authenticationSchemes"]] == ["oauthbearertoken"]


def test_resource_types_are_users_with_the_enterprise_extension_and_groups(provider):
    listed = provider.get("/ResourceTypes").json

    assert listed["schemas"] == [LIST]
    assert {each["id"]: each["endpoint"] for each in listed["Resources"]} == {
        "User": "/Users",
        "Group": "/Groups",
    }
    assert provider.get("/ResourceTypes/User").json == listed["Resources"][0]


def test_schemas_list_what_is_served_and_nothing_else(provider):
    schemas = {each["name"]: each for each in provider.get("/Schemas").json["Resources"]}

    names = {
        name: {each["name"] for each in schema["attributes"]} for name, schema in schemas.items()
    }
    assert names == {
        "User": {
            "userName",
            "name",
            "displayName",
            "emails",
            "photos",
            "timezone",
            "active",
            "password",
            "groups",
        },
        "Group": {"displayName", "members"},
        "EnterpriseUser": {"manager"},
    }
    mutability = {each["name"]: each["mutability"] for each in schemas["User"]["attributes"]}
    assert mutability["userName"] == "readWrite"
    assert mutability["displayName"] == mutability["groups"] == "readOnly"
    assert mutability["password"] == "writeOnly"
    assert provider.get(f"/Schemas/{USER}").json == schemas["User"]


def test_the_openapi_document_lists_the_routes_where_scim_is_served(sandbox):
    paths = sandbox.administrator.get("//openapi.json").json["paths"]

    assert {"/scim/v2/Users/{id}", "/scim/v2/Groups/{id}", "/scim/v2/Schemas"} <= paths.keys()
    assert not any(
        "scim" in path for path in Sandbox().client().get("//openapi.json").json["paths"]
    )


WITHOUT_SCIM2_MODELS = """
import sys
sys.modules["scim2_models"] = None
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name == "scim2_models" else find(name)
from provisioning.cli import application
application()
"""


@pytest.mark.slow
def test_a_missing_extra_ends_the_start_with_the_command_that_brings_it(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_SCIM2_MODELS],
        env={"PROVISIONING_SCIM": "on", "PROVISIONING_DATA": str(tmp_path / "db.json")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode != 0
    assert "pip install '.[scim]'" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_nothing_of_scim_is_loaded_unless_it_is_asked_for():
    look = (
        "import sys, provisioning.factory as factory; from provisioning.settings import Settings; "
        "factory.make_routes(Settings()); print('scim2_models' in sys.modules)"
    )

    told = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)

    assert told.stdout.strip() == "False"


def test_scim_is_no_word_for_errors_of_an_unknown_host():
    sandbox = Sandbox(scim="on", allowed_hosts=("api.example",))

    response = sandbox.client().get("//scim/v2/Users", headers={"Host": "other.example"})

    assert response.status_code == 400
    assert response.json["schemas"] == [ERROR]


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "password", "value": "correct horse"},
        {"op": "Replace", "PATH": f"{USER}:passWord", "Value": "correct horse"},
        {"op": "replace", "value": {"password": "correct horse"}},
        {"op": "replace", "value": {"PassWord": "correct horse"}},
        {"op": "replace", "value": {USER: {"password": "correct horse"}}},
        {"op": "add", "value": {f"{USER}:password": "correct horse"}},
        {"op": "replace", "path": USER.upper(), "value": {"PASSWORD": "correct horse"}},
    ],
)
def test_a_password_is_in_no_log_of_the_emulator(operation):
    sandbox = Sandbox(scim="on", control="on")
    provider = IdentityProvider(sandbox.client(sandbox.add_key(None)))

    assert provider.patch("/Users/1", operation).status_code == 200

    assert "correct horse" not in sandbox.client().get("//_control/requests").text
