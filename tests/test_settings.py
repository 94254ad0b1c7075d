"""Settings come from the environment, and one that can't be used stops the start."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from provisioning.factory import create_app, memory_store, open_server
from provisioning.settings import BadSetting, Settings, described
from provisioning.store.opening import Place

PROXIES = ("10.0.0.1/32", "fd00::/8")


def test_an_empty_environment_gives_the_defaults_that_are_described():
    settings = Settings.from_env({})
    assert settings == Settings()
    assert (settings.data, settings.auth, settings.demo) == (
        Place("file", Path("data/db.json")),
        "required",
        "off",
    )
    assert (
        "PROVISIONING_DATA",
        "data/db.json",
        "Where all data is: a JSON file as a path, `sqlite:///FILE`, or "
        "`postgresql://USER:PASSWORD@HOST/DATABASE`.",
    ) in described()


def test_variables_of_other_programs_are_ignored():
    assert Settings.from_env({"PATH": "/bin", "XPROVISIONING_DEMO": "on"}) == Settings()


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("DATA", "/srv/db.json", "data", Place("file", Path("/srv/db.json"))),
        ("AUTH", "off", "auth", "off"),
        ("DEMO", "on", "demo", "on"),
        ("TENANT", " acme ", "tenant", "acme"),
        ("TENANT", "", "tenant", None),
        ("BASE_DOMAIN", "Example.COM.", "base_domain", "example.com"),
        ("BASE_DOMAIN", "überblick.example", "base_domain", "xn--berblick-55a.example"),
        ("ALLOWED_HOSTS", "a.example, *.B.example", "allowed_hosts", ("a.example", "*.b.example")),
        ("ALLOWED_HOSTS", "[::1]", "allowed_hosts", ("[::1]",)),
        (
            "ALLOWED_CLIENTS",
            "10.0.0.0/8,::1/128",
            "allowed_clients",
            (ip_network("10.0.0.0/8"), ip_network("::1/128")),
        ),
        ("CORS_ORIGINS", "none", "cors_origins", ()),
        ("CORS_ORIGINS", "https://app.example", "cors_origins", ("https://app.example",)),
        ("CORS_ORIGINS", "https://App.Example:443", "cors_origins", ("https://app.example",)),
        ("CORS_ORIGINS", "http://a.example:80", "cors_origins", ("http://a.example",)),
        ("CORS_ORIGINS", "http://a.example:443", "cors_origins", ("http://a.example:443",)),
        ("CORS_ORIGINS", "http://localhost:3000", "cors_origins", ("http://localhost:3000",)),
        ("CORS_ORIGINS", "http://[::1]:3000", "cors_origins", ("http://[::1]:3000",)),
        ("CORS_ORIGINS", "http://127.0.0.1", "cors_origins", ("http://127.0.0.1",)),
        (
            "CORS_ORIGINS",
            "https://bücher.example, https://b.example",
            "cors_origins",
            ("https://xn--bcher-kva.example", "https://b.example"),
        ),
        ("PROXIES", "10.0.0.1/32, fd00::/8", "proxies", tuple(map(ip_network, PROXIES))),
        ("MAX_BODY", "1", "max_body", 1),
        ("MAX_BODY", "1073741824", "max_body", 2**30),
        ("MAX_PAGE_SIZE", "300", "max_page_size", 300),
        ("CATALOGUE", "mine.json", "catalogue", Path("mine.json")),
        ("CONTROL", "on", "control", "on"),
        ("CONTROL_TOKEN", "sixteen-letters-", "control_token", "sixteen-letters-"),
        ("REQUEST_LOG", "100000", "request_log", 100_000),
    ],
)
def test_a_variable_sets_its_field(variable, text, field, value):
    settings = Settings.from_env({f"PROVISIONING_{variable}": text})
    assert getattr(settings, field) == value


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("DATA", " "),
        ("AUTH", "Off"),
        ("DEMO", "true"),
        ("BASE_DOMAIN", "*"),
        ("BASE_DOMAIN", "*.acme.example"),
        ("BASE_DOMAIN", "under_score.example"),
        ("ALLOWED_HOSTS", "https://a.example"),
        ("ALLOWED_HOSTS", "a.*.example"),
        ("ALLOWED_CLIENTS", "10.0.0.1/8"),
        ("ALLOWED_CLIENTS", "localhost"),
        ("CORS_ORIGINS", "*"),
        ("CORS_ORIGINS", "https://app.example/"),
        ("CORS_ORIGINS", "http://localhost:*"),
        ("CORS_ORIGINS", "http://*.app.example"),
        ("CORS_ORIGINS", "https://app.example?a"),
        ("CORS_ORIGINS", "https://app.example#a"),
        ("CORS_ORIGINS", "https://me@app.example"),
        ("CORS_ORIGINS", "https://me:secret@app.example"),
        ("CORS_ORIGINS", "https://app.example:65536"),
        ("CORS_ORIGINS", "https://app.example:"),
        ("CORS_ORIGINS", "https://"),
        ("CORS_ORIGINS", "https:app.example"),
        ("CORS_ORIGINS", "https://a b.example"),
        ("CORS_ORIGINS", "https://app..example"),
        ("CORS_ORIGINS", "https://127.1"),
        ("CORS_ORIGINS", "http://[::1"),
        ("CORS_ORIGINS", "ftp://app.example"),
        ("CORS_ORIGINS", "app.example"),
        ("CORS_ORIGINS", "null"),
        ("CORS_ORIGINS", "none, https://app.example"),
        ("CONTROL_TOKEN", "fifteen-letters"),
        ("CONTROL_TOKEN", " fifteen-letters "),
        ("PROXIES", "10.0.0.1/8"),
        ("PROXIES", "proxy.example"),
        ("MAX_BODY", "0"),
        ("MAX_BODY", "1073741825"),
        ("MAX_BODY", "1e6"),
        ("MAX_BODY", "9" * 5_000),
        ("MAX_PAGE_SIZE", "0"),
        ("MAX_PAGE_SIZE", "301"),
        ("MAX_PAGE_SIZE", "²"),
        ("CONTROL", "yes"),
        ("REQUEST_LOG", "0"),
        ("REQUEST_LOG", "100001"),
        ("DEMOO", "on"),
        ("demo", "on"),
        ("", "on"),
    ],
)
def test_a_variable_that_is_unknown_or_cannot_be_used_is_named(variable, text):
    with pytest.raises(BadSetting, match=rf"^PROVISIONING_{variable}: "):
        Settings.from_env({f"PROVISIONING_{variable}": text})


@pytest.mark.parametrize("variable", [name for name, _, _ in described()])
def test_an_empty_variable_is_the_default(variable):
    assert Settings.from_env({variable: ""}) == Settings()


OF_KUBERNETES = {
    "{}_SERVICE_HOST": "10.0.0.1",
    "{}_SERVICE_PORT": "8000",
    "{}_SERVICE_PORT_HTTP_METRICS": "8000",
    "{}_PORT": "tcp://10.0.0.1:8000",
    "{}_PORT_8000_TCP": "tcp://10.0.0.1:8000",
    "{}_PORT_8000_TCP_PROTO": "tcp",
    "{}_PORT_8000_TCP_PORT": "8000",
    "{}_PORT_8000_TCP_ADDR": "10.0.0.1",
    "{}_PORT_53_UDP_ADDR": "10.0.0.1",
}
OF_DOCKER = {
    "{}_NAME": "/web/provisioning",
    "{}_PORT": "tcp://172.17.0.5:8000",
    "{}_PORT_8000_TCP_ADDR": "172.17.0.5",
    "{}_ENV_PATH": "/usr/bin",
    "{}_ENV_LINES": "one\ntwo",
}


@pytest.mark.parametrize("service", ["PROVISIONING", "PROVISIONING_API", "PROVISIONING_DATA"])
@pytest.mark.parametrize("variables", [OF_KUBERNETES, OF_DOCKER])
def test_what_others_put_beside_a_service_of_our_name_is_passed_over(service, variables):
    environment = {name.format(service): text for name, text in variables.items()}
    assert Settings.from_env(environment) == Settings()


@pytest.mark.parametrize(
    "variable",
    ["PORT=8000", "SERVICE=a", "API_PORT=8000", "PORT_8000=1", "TENANT_NAME=acme", "DATA_HOST=a"],
)
def test_what_nobody_puts_there_still_stops_the_start(variable):
    name, _, text = variable.partition("=")
    with pytest.raises(BadSetting, match=rf"^PROVISIONING_{name}: "):
        Settings.from_env({f"PROVISIONING_{name}": text})


SECRET = "a-token-of-many-letters"


@pytest.mark.parametrize(
    ("facts", "is_error"),
    [
        ({"control": "on"}, True),
        ({"control": "on", "control_token": SECRET}, False),
        ({"control": "on", "demo": "on"}, False),
        ({"control": "on", "auth": "off"}, False),
        ({"demo": "on"}, False),
        ({}, False),
    ],
)
def test_the_control_api_on_real_keys_needs_a_token(tmp_path, facts, is_error):
    settings = Settings(data=tmp_path / "db.json", **facts)
    if not is_error:
        create_app(settings)
        return
    with pytest.raises(BadSetting, match="PROVISIONING_CONTROL_TOKEN"):
        create_app(settings)


def test_the_control_api_on_a_store_in_memory_needs_no_token():
    settings = Settings(control="on")
    create_app(settings, open_server(settings, memory_store()))


def test_every_bad_variable_is_named_at_once():
    bad = {"PROVISIONING_AUTH": "no", "PROVISIONING_MAX_BODY": "many", "PROVISIONING_PORT": "80"}
    with pytest.raises(BadSetting) as caught:
        Settings.from_env(bad)
    named = {line.partition(":")[0] for line in str(caught.value).splitlines()}
    assert named == set(bad)


def test_an_unknown_variable_is_answered_with_those_that_there_are():
    with pytest.raises(BadSetting, match="PROVISIONING_DATA, PROVISIONING_AUTH, "):
        Settings.from_env({"PROVISIONING_DATABASE": "x"})


@pytest.mark.parametrize(
    ("demo", "data", "path"),
    [
        ("off", "data/db.json", "data/db.json"),
        ("on", "data/db.json", "data/db.demo.json"),
        ("on", "/srv/all", "/srv/all.demo"),
    ],
)
def test_demo_data_has_a_file_of_its_own(demo, data, path):
    settings = Settings.from_env({"PROVISIONING_DEMO": demo, "PROVISIONING_DATA": data})
    assert settings.place == Place("file", Path(path))


@pytest.mark.parametrize(
    ("facts", "is_local", "has_control"),
    [
        ({}, False, False),
        ({"auth": "off"}, True, False),
        ({"demo": "on"}, True, True),
        ({"control": "on"}, False, True),
    ],
)
def test_what_is_not_for_others_is_local_and_demo_mode_has_the_control_api(
    facts, is_local, has_control
):
    settings = Settings(**facts)
    assert (settings.is_local, settings.has_control) == (is_local, has_control)


def test_demo_data_has_no_place_in_a_database():
    with pytest.raises(BadSetting) as raised:
        Settings.from_env(
            {
                "PROVISIONING_DEMO": "on",
                "PROVISIONING_DATA": "postgresql://ann:s3cret@db.test/all",
            }
        )
    assert "PROVISIONING_DEMO" in str(raised.value)
    assert "PROVISIONING_DATA" in str(raised.value)
    assert "s3cret" not in str(raised.value)


def test_no_text_of_the_settings_holds_a_password():
    settings = Settings.from_env({"PROVISIONING_DATA": "postgresql://ann:s3cret@db.test/all"})
    assert "s3cret" not in f"{settings} {settings.data} {settings.place}"
