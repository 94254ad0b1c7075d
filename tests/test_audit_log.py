"""Each record of the audit is also a line of the log, where no tenant can wash it out."""

import json
import logging

import pytest
from click.testing import CliRunner

from provisioning.cli.commands import main
from provisioning.factory import create_app
from provisioning.store import StoreUnavailable
from provisioning.testing.sandbox import Sandbox
from provisioning.web.audit_log import AUDIT
from tests.edge.serving import prepared, served

BOB = {"username": "bob@acme.test", "email": "bob@acme.test", "password": "very-secret"}
INIT = ("init", "--tenant", "acme", "--name", "Acme", "--admin", "alice@acme.test")


@pytest.fixture
def own_logging():
    """What a test changes of this process' logging is put back."""
    root = logging.getLogger()
    before = list(root.handlers), list(AUDIT.handlers), AUDIT.propagate, AUDIT.level
    yield
    root.handlers, AUDIT.handlers, AUDIT.propagate = before[:3]
    AUDIT.setLevel(before[3])


@pytest.fixture(params=[None, 0], ids=["kept", "not kept"])
def sandbox(request, own_logging):
    made = Sandbox(log="json", audit_keep=request.param)
    create_app(made.parts.settings, made.parts)
    return made


def told(capsys):
    """The audit's lines of the JSON log."""
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    return [line for line in lines if line.get("logger") == "audit"]


def test_a_record_is_a_line_with_its_members_and_its_tenant(sandbox, capsys):
    sandbox.administrator.put("/info", json={"name": "Other"}, headers={"X-Request-ID": "trace-7"})
    (line,) = told(capsys)
    assert {name: line[name] for name in ("level", "tenant", "requestId", "by", "changes")} == {
        "level": "info",
        "tenant": "acme",
        "requestId": "trace-7",
        "by": "alice@acme.test",
        "changes": {"name": {"from": "Acme", "to": "Other"}},
    }
    if sandbox.parts.settings.audit_keep is None:
        (record,) = sandbox.administrator.get("/audit").json
        apart = {"time", "level", "logger", "tenant"}
        assert {name: value for name, value in line.items() if name not in apart} == record


def test_of_a_profile_only_the_names_of_the_members_are_told(sandbox, capsys):
    sandbox.administrator.post("/users", json=BOB)
    user, privilege = told(capsys)
    assert user["changes"] == ["email", "password", "username"]
    assert privilege["changes"]["role"] == {"from": None, "to": "USER"}
    assert "very-secret" not in str((user, privilege))


def test_a_change_that_is_refused_or_not_kept_is_no_line(sandbox, capsys, monkeypatch):
    sandbox.administrator.put("/info", json={"name": 1})
    sandbox.administrator.delete("/users/alice@acme.test")

    def fails(*_):
        raise StoreUnavailable("The disk is full.")

    monkeypatch.setattr(sandbox.store, "_write", fails)
    assert sandbox.administrator.put("/info", json={"name": "Other"}).status_code == 503
    assert told(capsys) == []


def test_a_tenant_that_drops_its_records_leaves_the_log_as_it_is(own_logging, capsys):
    sandbox = Sandbox(log="json", audit_keep=2)
    create_app(sandbox.parts.settings, sandbox.parts)
    for number in range(5):
        sandbox.administrator.put("/info", json={"name": str(number)})
    assert len(sandbox.administrator.get("/audit").json) == 2
    assert [line["changes"]["name"]["to"] for line in told(capsys)] == list("01234")


def test_a_line_of_text_is_one_line(sandbox, caplog):
    with caplog.at_level(logging.INFO, "audit"):
        sandbox.administrator.post("/services/enterprise")
        sandbox.administrator.put("/statements/none/config", json={"note": "a\nb\u2028c\x85d"})
        dashboard = {"title": "T\u2028x", "menuLabel": "T", "label": "t", "type": "CUSTOM"}
        dashboard |= {"status": "BETA", "listOrder": 1, "description": "a\nb\u2028c"}
        sandbox.administrator.post("/tenant-dashboards", json=dashboard)
    messages = [record.getMessage() for record in caplog.records if record.name == "audit"]
    assert [len(message.splitlines()) for message in messages] == [1, 1]


@pytest.mark.parametrize("log", ["text", "json"])
def test_commands_write_theirs_to_stderr(tmp_path, log):
    environment = {"PROVISIONING_DATA": str(tmp_path / "db.json"), "PROVISIONING_LOG": log}
    result = CliRunner().invoke(main, [*INIT, "--json"], env=environment)
    assert json.loads(result.stdout)["tenant"] == "acme"
    lines = [line.removeprefix("audit ") for line in result.stderr.splitlines()]
    assert {json.loads(line)["via"] for line in lines} == {"cli"}
    assert {json.loads(line)["tenant"] for line in lines} == {"acme"}


@pytest.mark.slow
def test_a_server_that_logs_text_writes_a_line_of_text(tmp_path):
    with prepared(tmp_path / "db.json") as provisioner:
        provisioner.add_tenant("acme")
        key = provisioner.add_key()
    with served(tmp_path / "db.json") as server:
        assert server.client(key).put("/info", json={"name": "Other"}).status_code == 200
    (line,) = [each for each in server.log.splitlines() if each.startswith("audit ")]
    assert json.loads(line.removeprefix("audit "))["changes"] == {
        "name": {"from": "Acme", "to": "Other"}
    }
