"""The command line: first tenants and keys, a look at the data, and how a start fails."""

import errno
import json
import os
import re
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from provisioning.cli import application
from provisioning.cli.commands import main
from provisioning.cli.opening import CANNOT_START
from provisioning.domain.activity import to_instant
from provisioning.factory import create_app, open_server, serve
from provisioning.settings import Settings, described
from provisioning.store import View
from provisioning.testing.provisioner import routes
from provisioning.testing.sandbox import Client

ROOT = Path(__file__).parent.parent
INIT = ("init", "--tenant", "acme", "--name", "Acme", "--admin", "alice@acme.test")


def beside_audit(stderr):
    """What a command has written on stderr beside the audit's lines."""
    lines = stderr.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("audit {"))


class Desk:
    """The command line over a data file of a test's own, and a server over the same file."""

    def __init__(self, folder):
        self.data = folder / "data" / "db.json"
        self.environment = {"PROVISIONING_DATA": str(self.data)}

    def run(self, *words):
        """A command's result, whatever it is: exit_code, stdout, stderr."""
        return CliRunner().invoke(main, words, env=self.environment, catch_exceptions=False)

    def __call__(self, *words):
        """What a command that succeeds prints; JSON where it was asked for."""
        result = self.run(*words)
        assert (result.exit_code, beside_audit(result.stderr)) == (0, "")
        return json.loads(result.stdout) if "--json" in words else result.stdout

    def client(self, token):
        settings = Settings(data=self.data)
        return Client(serve(routes(settings), open_server(settings)), token)


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def test_init_makes_a_tenant_whose_administrator_has_a_key_that_works(desk):
    made = desk(*INIT, "--json")
    caller = desk.client(made["apiToken"]).get("/whoami").json
    assert caller["tenant"] == {"label": "acme", "name": "Acme"}
    assert (caller["role"], caller["keyType"]) == ("ADMINISTRATOR", "BASIC")
    assert caller["user"]["username"] == caller["user"]["email"] == "alice@acme.test"


@pytest.fixture
def database_ahead(monkeypatch):
    """Stores whose clock, which all their servers share, is a day ahead of this machine's."""
    ahead = datetime.now(UTC) + timedelta(days=1)
    monkeypatch.setattr(View, "time", lambda self: ahead)
    return to_instant(ahead)


def test_what_commands_begin_begins_by_the_clock_of_the_store(desk, database_ahead):
    desk(*INIT)
    desk("key", "new", "--tenant", "acme", "--user", "alice@acme.test")
    seed = {"privileges": [{"tenant": "acme", "username": "alice@acme.test", "role": "USER"}]}
    file = desk.data.with_name("seed.json")
    file.write_text(json.dumps(seed))
    desk("import", str(file))
    made = json.loads(desk("export", "-"))
    begun = [each["activeFrom"] for each in (*made["privileges"], *made["apiKeys"])]
    assert begun == [database_ahead] * 4


def test_init_answers_one_json_object_and_nothing_else(desk):
    result = desk.run(*INIT, "--json")
    made = json.loads(result.stdout)
    assert list(made) == ["tenant", "username", "id", "apiToken"]
    assert (made["tenant"], made["username"]) == ("acme", "alice@acme.test")
    assert beside_audit(result.stderr) == ""


def test_init_shows_people_the_key_and_a_curl_line_with_it(desk):
    printed = desk(*INIT)
    token = re.search(r"^  ([\w-]{43})$", printed, re.MULTILINE)[1]
    assert f'curl -H "Authorization: Bearer {token}" http://127.0.0.1:8000/api/v1/' in printed
    assert desk.client(token).get("/whoami").status_code == 200


def test_the_administrator_of_init_is_the_last_one_and_stays(desk):
    made = desk(*INIT, "--json")
    answer = desk.client(made["apiToken"]).delete("/users/alice@acme.test")
    assert answer.status_code == 409


def test_a_tenant_of_init_has_the_mandatory_services(desk):
    made = desk(*INIT, "--json")
    services = desk.client(made["apiToken"]).get("/services").json
    assert {entry["service"]["type"] for entry in services} == {"MANDATORY"}


def test_init_for_a_tenant_that_exists_is_an_error_and_changes_nothing(desk):
    desk(*INIT)
    before = desk.data.read_bytes()
    result = desk.run("init", "--tenant", "acme", "--name", "Other", "--admin", "eve@acme.test")
    assert result.exit_code == 1
    assert (result.stdout, result.stderr) == ("", "Error: There is a tenant 'acme' already.\n")
    assert desk.data.read_bytes() == before


def test_init_again_adds_another_tenant_and_leaves_the_first(desk):
    first = desk(*INIT, "--json")
    second = desk("init", "--tenant", "globex", "--name", "G", "--admin", "g@globex.test", "--json")
    for made in (first, second):
        caller = desk.client(made["apiToken"]).get("/whoami").json
        assert caller["tenant"]["label"] == made["tenant"]


def test_an_account_that_exists_becomes_administrator_and_keeps_profile_and_home(desk):
    alice = desk.client(desk(*INIT, "--json")["apiToken"])
    alice.put("/users/alice@acme.test", json={"firstName": "Alice", "email": "a@mail.test"})
    command = ("init", "--tenant", "globex", "--name", "Globex", "--json")
    made = desk(*command, "--admin", "ALICE@acme.test", "--email", "other@mail.test")
    assert made["username"] == "alice@acme.test"
    there = desk.client(made["apiToken"])
    user = there.get("/users/alice@acme.test").json
    assert (user["firstName"], user["email"]) == ("Alice", "a@mail.test")
    # Only through its home may an account be changed.
    assert there.put("/users/alice@acme.test", json={"hint": "x"}).status_code == 403
    assert alice.put("/users/alice@acme.test", json={"hint": "x"}).status_code == 200


def test_an_administrator_without_an_email_in_the_username_needs_one(desk):
    command = ("init", "--tenant", "acme", "--name", "Acme", "--admin", "root")
    refused = desk.run(*command)
    assert refused.exit_code == 1
    assert refused.stderr.startswith("Error: email: Is needed")
    made = desk(*command, "--email", "root@acme.test", "--json")
    user = desk.client(made["apiToken"]).get("/users/root").json
    assert (user["username"], user["email"]) == ("root", "root@acme.test")
    # An account that exists has one.
    desk("init", "--tenant", "globex", "--name", "Globex", "--admin", "root")


@pytest.mark.parametrize(
    ("changes", "member"),
    [
        ({"--tenant": "Acme"}, "label"),
        ({"--tenant": "a" * 33}, "label"),
        ({"--tenant": "../acme"}, "label"),
        ({"--tenant": ""}, "label"),
        ({"--name": " "}, "name"),
        ({"--name": "a" * 251}, "name"),
        ({"--name": "a\udcff"}, "name"),
        ({"--admin": "a/b@acme.test"}, "username"),
        ({"--admin": ".."}, "username"),
        ({"--admin": "a" * 255}, "username"),
        ({"--admin": "@"}, "email"),
        ({"--admin": "a@b@c"}, "email"),
        ({"--email": "nowhere"}, "email"),
        ({"--email": ""}, "email"),
    ],
)
def test_init_refuses_what_the_api_refuses_names_it_and_makes_nothing(desk, changes, member):
    given = {"--tenant": "acme", "--name": "Acme", "--admin": "alice@acme.test"} | changes
    result = desk.run("init", *(word for pair in given.items() for word in pair))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {member}: ")
    assert desk("tenant", "list", "--json") == []


@pytest.mark.parametrize("missing", ["--tenant", "--name", "--admin"])
def test_init_without_an_option_that_it_needs_names_it(desk, missing):
    at = INIT.index(missing)
    result = desk.run(*INIT[:at], *INIT[at + 2 :])
    assert result.exit_code == 2
    assert missing in result.stderr


def test_a_running_server_knows_what_the_command_line_made(desk):
    server = create_app(Settings(data=desk.data))
    made = desk(*INIT, "--json")
    assert Client(server, made["apiToken"]).get("/whoami").status_code == 200
    lost = desk("key", "new", "--tenant", "acme", "--user", "alice@acme.test", "--json")
    assert Client(server, lost["apiToken"]).get("/whoami").status_code == 200


@pytest.mark.parametrize("kind", ["BASIC", "QUERY_ONLY", "INGESTION_ONLY"])
def test_key_new_makes_a_further_key_of_any_type(desk, kind):
    first = desk(*INIT, "--json")
    command = ("key", "new", "--tenant", "acme", "--user", "Alice@acme.test")
    made = desk(*command, "--type", kind, "--name", "Laptop", "--json")
    assert made["username"] == "alice@acme.test"
    keys = desk.client(first["apiToken"]).get("/users/alice@acme.test/api-keys").json
    assert [(key["type"], key["name"]) for key in keys] == [("BASIC", None), (kind, "Laptop")]
    assert keys[1]["apiToken"] == made["apiToken"]


def test_keys_are_listed_without_tokens_and_the_id_of_a_new_one_is_told(desk):
    first = desk(*INIT, "--json")
    made = desk("key", "new", "--tenant", "acme", "--name", "Nightly", "--json")
    desk("init", "--tenant", "globex", "--name", "Globex", "--admin", "gina@globex.test")
    listed = desk("key", "list", "--tenant", "acme", "--json")
    assert [(each["id"], each["username"], each["type"], each["name"]) for each in listed] == [
        (first["id"], "alice@acme.test", "BASIC", None),
        (made["id"], None, "BASIC", "Nightly"),
    ]
    assert all(each["activeFrom"] and each["activeUntil"] is None for each in listed)
    assert len(desk("key", "list", "--json")) == 3
    shown = desk.run("key", "list").stdout
    assert "Nightly" in shown
    assert made["apiToken"] not in shown + json.dumps(listed)


def test_a_script_makes_a_new_key_and_revokes_the_old_one(desk):
    old = desk(*INIT, "--json")
    new = desk("key", "new", "--tenant", "acme", "--user", "alice@acme.test", "--json")
    desk.run("key", "revoke", old["id"])
    assert desk.client(new["apiToken"]).get("/whoami").status_code == 200
    assert desk.client(old["apiToken"]).get("/whoami").status_code == 401


def test_the_keys_of_no_tenant_are_an_error_that_names_it(desk):
    desk(*INIT)
    result = desk.run("key", "list", "--tenant", "nope")
    assert (result.exit_code, result.stderr) == (1, "Error: There is no tenant 'nope'.\n")


def test_the_audit_of_all_tenants_is_listed_since_an_instant(desk):
    desk(*INIT)
    desk("init", "--tenant", "globex", "--name", "Globex", "--admin", "gina@globex.test")
    listed = desk("audit", "--json")
    assert [each["tenant"] for each in listed] == sorted(each["tenant"] for each in listed)
    assert {each["tenant"] for each in listed} == {"acme", "globex"}
    assert {each["tenant"] for each in desk("audit", "--tenant", "acme", "--json")} == {"acme"}
    assert len(desk("audit", "--since", listed[0]["at"], "--json")) == len(listed)
    assert desk("audit", "--since", "2099-01-01T00:00:00Z", "--json") == []
    assert " acme  cli: create of users alice@acme.test" in desk.run("audit").stdout


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--since", "yesterday"), 2, "'yesterday' is no instant"),
        (("--tenant", "nope"), 1, "There is no tenant 'nope'."),
    ],
)
def test_an_audit_of_nothing_is_an_error_that_says_why(desk, words, code, message):
    desk(*INIT)
    result = desk.run("audit", *words)
    assert (result.exit_code, message in result.stderr) == (code, True)


def test_key_new_without_a_user_makes_a_key_of_the_tenant_alone(desk):
    desk(*INIT)
    made = desk("key", "new", "--tenant", "acme", "--json")
    assert made["username"] is None
    caller = desk.client(made["apiToken"]).get("/whoami").json
    assert (caller["user"], caller["role"]) == (None, "ADMINISTRATOR")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--tenant", "nope"), "Error: There is no tenant 'nope'.\n"),
        (
            ("--tenant", "acme", "--user", "nobody"),
            "Error: 'nobody' has no privilege in the tenant 'acme'.\n",
        ),
        (
            ("--tenant", "acme", "--user", "gina@globex.test"),
            "Error: 'gina@globex.test' has no privilege in the tenant 'acme'.\n",
        ),
        (("--tenant", "acme", "--name", "a" * 251), "Error: name: Longer than"),
    ],
)
def test_key_new_says_why_it_makes_none(desk, words, message):
    desk(*INIT)
    desk("init", "--tenant", "globex", "--name", "Globex", "--admin", "gina@globex.test")
    before = desk.data.read_bytes()
    result = desk.run("key", "new", *words)
    assert result.exit_code == 1
    assert result.stderr.startswith(message)
    assert desk.data.read_bytes() == before


def test_tenant_list_is_in_order_of_labels(desk):
    for label in ("globex", "acme"):
        desk("init", "--tenant", label, "--name", label.title(), "--admin", "a@b.test")
    assert desk("tenant", "list", "--json") == [
        {"label": "acme", "name": "Acme", "active": True},
        {"label": "globex", "name": "Globex", "active": True},
    ]
    assert [line.split() for line in desk("tenant", "list").splitlines()] == [
        ["acme", "Acme"],
        ["globex", "Globex"],
    ]


def test_tenant_list_marks_an_inactive_tenant(desk):
    desk(*INIT)
    content = desk.data.read_text()
    desk.data.write_text(content.replace('"active": true', '"active": false'))
    assert desk("tenant", "list").split() == ["acme", "Acme", "(inactive)"]


def test_check_says_that_a_file_is_sound_and_what_it_holds(desk):
    desk(*INIT)
    assert desk("check") == f"{desk.data}: sound, 1 tenant, 1 user.\n"
    desk("init", "--tenant", "globex", "--name", "Globex", "--admin", "greta@globex.test")
    assert desk("check") == f"{desk.data}: sound, 2 tenants, 2 users.\n"


@pytest.mark.parametrize(
    ("find", "put", "place"),
    [
        ('"name": "Acme"', '"name": 7', "table tenants, record acme"),
        ('"tenants": {', '"tenants": {,', "(line "),
        ('"schema": 2', '"schema": 3', "to form 3; this one reads form 2"),
    ],
)
def test_check_names_the_place_of_a_fault(desk, find, put, place):
    desk(*INIT)
    content = desk.data.read_text()
    assert find in content
    desk.data.write_text(content.replace(find, put))
    result = desk.run("check")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {desk.data}: ")
    assert place in result.stderr


@pytest.mark.parametrize("words", [("check",), ("backup", "copy.json")])
def test_looking_at_a_file_that_is_not_there_does_not_make_it(desk, words):
    result = desk.run(*words)
    assert result.exit_code == 1
    assert result.stderr == f"Error: {desk.data}: there is no such file.\n"
    assert not desk.data.exists()


def test_a_backup_opens_as_a_store_of_the_same_data_that_is_its_owners_alone(desk, tmp_path):
    token = desk(*INIT, "--json")["apiToken"]
    copy = tmp_path / "copy.json"
    desk("backup", str(copy))
    assert copy.read_bytes() == desk.data.read_bytes()
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert Client(create_app(Settings(data=copy)), token).get("/whoami").status_code == 200


@pytest.mark.parametrize(
    ("place", "reason"), [("copy.json", "File exists"), ("no/copy.json", "No such file")]
)
def test_a_backup_overwrites_nothing_and_says_what_is_wrong(desk, tmp_path, place, reason):
    desk(*INIT)
    (tmp_path / "copy.json").write_text("mine")
    result = desk.run("backup", str(tmp_path / place))
    assert result.exit_code == 1
    assert f"{place}: {reason}" in result.stderr
    assert (tmp_path / "copy.json").read_text() == "mine"


def test_a_backup_that_does_not_reach_the_disk_leaves_no_half_a_file(desk, tmp_path, monkeypatch):
    desk(*INIT)

    def fail(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", fail)
    result = desk.run("backup", str(tmp_path / "copy.json"))
    assert result.exit_code == 1
    assert "No space left on device" in result.stderr
    assert not (tmp_path / "copy.json").exists()


@pytest.mark.parametrize("words", [("--help",), ("settings",)])
def test_help_shows_every_setting_with_its_default_and_meaning(desk, words):
    shown = " ".join(desk(*words).split())
    for variable, default, meaning in described():
        value = f"{variable}={default}" if default else f"{variable} (not set)"
        assert f"{value} {meaning.replace('`', '')}" in shown


@pytest.mark.parametrize(
    ("variable", "text", "names"),
    [
        ("PROVISIONING_DEMOO", "on", "PROVISIONING_DEMOO"),
        ("PROVISIONING_AUTH", "maybe", "PROVISIONING_AUTH"),
        ("PROVISIONING_CATALOGUE", "missing.json", "missing.json"),
        ("PROVISIONING_CATALOGUE", "catalogue.json", "services[0]"),
        ("PROVISIONING_DATA", "damaged.json", "damaged.json"),
    ],
)
class TestABadStart:
    """What can't be used is named, without a traceback, and nothing is made of it."""

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path, monkeypatch, variable, text):
        (tmp_path / "damaged.json").write_text("{")
        (tmp_path / "catalogue.json").write_text('{"services": [{"label": "UPPER"}]}')
        monkeypatch.setenv("PROVISIONING_DATA", "db.json")
        monkeypatch.setenv(variable, text)
        monkeypatch.chdir(tmp_path)
        yield
        assert not (tmp_path / "db.json").exists()
        assert (tmp_path / "damaged.json").read_text() == "{"

    def test_ends_gunicorn_and_flask_with_a_message(self, names, capsys):
        with pytest.raises(SystemExit) as end:
            application()
        assert end.value.code == CANNOT_START
        message = capsys.readouterr().err
        assert message.startswith("Error: ")
        assert names in message

    @pytest.mark.parametrize("words", [INIT, ("serve", "--port", "0")])
    def test_ends_a_command_with_a_message(self, names, words):
        result = CliRunner().invoke(main, words, catch_exceptions=False)
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: ")
        assert names in result.stderr


class TestAnOpenControlApiOnRealKeys:
    @pytest.fixture(autouse=True)
    def environment(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PROVISIONING_DATA", str(tmp_path / "db.json"))
        monkeypatch.setenv("PROVISIONING_CONTROL", "on")

    def test_does_not_begin_under_gunicorn_and_makes_no_store(self, tmp_path, capsys):
        with pytest.raises(SystemExit) as end:
            application()
        assert end.value.code == CANNOT_START
        assert "PROVISIONING_CONTROL_TOKEN" in capsys.readouterr().err
        assert list(tmp_path.iterdir()) == []

    def test_is_not_served_and_makes_no_store(self, tmp_path):
        result = CliRunner().invoke(main, ("serve", "--port", "0"), catch_exceptions=False)
        assert result.exit_code == 1
        assert "PROVISIONING_CONTROL_TOKEN" in result.stderr
        assert list(tmp_path.iterdir()) == []

    def test_does_not_keep_other_commands_from_their_work(self):
        assert CliRunner().invoke(main, INIT, catch_exceptions=False).exit_code == 0


def run(*command, **environment):
    """A finished process that was started in the project's folder."""
    known = {name: text for name, text in os.environ.items() if "PROVISIONING_" not in name}
    return subprocess.run(
        command,
        cwd=ROOT,
        env=known | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.slow
def test_flask_and_the_script_run_the_same_commands_over_the_same_data(tmp_path):
    environment = {"PROVISIONING_DATA": str(tmp_path / "db.json")}
    flask = (sys.executable, "-m", "flask", "--app", "app")
    made = json.loads(run(*flask, *INIT, "--json", **environment).stdout)
    assert list(made) == ["tenant", "username", "id", "apiToken"]
    assert run(*flask, *INIT, **environment).returncode == 1
    listed = run(sys.executable, "-m", "provisioning", "tenant", "list", "--json", **environment)
    assert [tenant["label"] for tenant in json.loads(listed.stdout)] == ["acme"]
    helped = run(*flask, "--help", **environment).stdout
    assert {"init", "key", "tenant", "check", "backup", "settings"} <= set(helped.split())


@pytest.mark.slow
def test_gunicorn_ends_at_once_when_a_setting_cannot_be_used(tmp_path):
    ended = run(
        *(sys.executable, "-m", "gunicorn", "app:app", "--bind", "127.0.0.1:0"),
        PROVISIONING_DATA=str(tmp_path / "db.json"),
        PROVISIONING_MAX_BODY="lots",
    )
    assert ended.returncode == CANNOT_START
    assert ended.stderr.count("Error: PROVISIONING_MAX_BODY: must be a whole number") == 1
    assert "Traceback" not in ended.stderr


BOB = "bob@acme.test"


@pytest.fixture
def staffed(desk):
    """acme with alice and bob, who reports to alice, and globex, where alice administers too."""
    desk.alice = desk.client(desk(*INIT, "--json")["apiToken"])
    globex = desk(
        "init", "--tenant", "globex", "--name", "G", "--admin", "alice@acme.test", "--json"
    )
    desk.globex = desk.client(globex["apiToken"])
    profile = {"username": BOB, "email": BOB, "password": "pw", "zipCode": "101"}
    terms = [{"role": "USER", "reportsTo": "alice@acme.test"}]
    assert (
        desk.alice.post("/users", json=profile | {"tenantUserPrivileges": terms}).status_code == 201
    )
    return desk


def test_a_moved_account_is_changed_through_its_new_home_alone(staffed):
    staffed.globex.post("/privileges", json={"username": BOB, "role": "USER"})
    staffed("user", "move", BOB, "--to", "globex", "--yes")
    assert staffed.globex.put(f"/users/{BOB}", json={"zipCode": "9"}).status_code == 200
    assert staffed.alice.put(f"/users/{BOB}", json={}).status_code == 403
    assert staffed.alice.get(f"/users/{BOB}").json["zipCode"] is None


def test_an_account_moves_only_to_where_it_holds_something(staffed):
    result = staffed.run("user", "move", BOB, "--to", "globex", "--yes")
    assert result.exit_code == 1
    assert "has no privilege record in 'globex'" in result.stderr


def test_a_renamed_account_keeps_all_that_it_has(staffed):
    key = staffed.alice.post(f"/users/{BOB}/api-keys", json={"type": "BASIC"}).json
    before = staffed.alice.get(f"/users/{BOB}").json
    staffed("user", "rename", BOB, "Robert@acme.test", "--yes")
    after = staffed.alice.get("/users/robert@acme.test").json
    assert after == before | {"username": "Robert@acme.test"}
    assert (
        staffed.client(key["apiToken"]).get("/whoami").json["user"]["username"]
        == "Robert@acme.test"
    )
    assert staffed.alice.get(f"/users/{BOB}").status_code == 404


def test_a_supervisor_who_is_renamed_stays_the_supervisor(staffed):
    staffed("user", "rename", "alice@acme.test", "alicia@acme.test", "--yes")
    shown = staffed.alice.get(f"/users/{BOB}/privilege").json
    assert shown["reportsTo"] == "alicia@acme.test"


@pytest.mark.parametrize(("name", "says"), [("alice@acme.test", "already"), ("a/b", "slash")])
def test_a_name_that_is_taken_or_none_is_refused(staffed, name, says):
    result = staffed.run("user", "rename", BOB, name, "--yes")
    assert (result.exit_code, says in result.stderr) == (1, True)
    assert staffed.alice.get(f"/users/{BOB}").status_code == 200


def test_an_erased_account_is_gone_and_nobody_names_it(staffed):
    staffed.alice.post(
        "/users", json={"username": "e@x.test", "email": "e@x.test", "password": "p"}
    )
    staffed.alice.put("/users/e@x.test/privilege", json={"reportsTo": BOB})
    staffed("user", "erase", BOB, "--yes")
    assert staffed.alice.get(f"/users/{BOB}").status_code == 404
    assert staffed.alice.get("/users/e@x.test/privilege").json["reportsTo"] is None
    assert staffed("check").endswith("2 users.\n")


def test_the_audit_of_an_erased_person_holds_no_values(staffed):
    staffed("user", "erase", BOB, "--yes")
    told = staffed.alice.get(f"/audit?user={BOB}&resource=users").json
    assert [record["action"] for record in told] == ["remove", "create"]
    values = [each[side] for record in told for each in record["changes"].values() for side in each]
    assert set(values) == {None, "********"}


def test_the_last_administrator_is_not_erased(staffed):
    result = staffed.run("user", "erase", "alice@acme.test", "--yes")
    assert result.exit_code == 1
    assert "without an ADMINISTRATOR" in result.stderr
    assert staffed.alice.get("/whoami").status_code == 200


def test_what_is_done_to_an_account_is_asked_first(staffed):
    result = staffed.run("user", "erase", BOB)
    assert result.exit_code == 1
    assert staffed.alice.get(f"/users/{BOB}").status_code == 200


def test_a_tenant_is_deactivated_and_activated_again(staffed):
    staffed("tenant", "deactivate", "acme")
    assert staffed.alice.get("/whoami").status_code == 401
    staffed("tenant", "activate", "acme")
    assert staffed.alice.get("/whoami").status_code == 200


def test_a_revoked_key_works_no_more(staffed):
    key = staffed.alice.post(f"/users/{BOB}/api-keys", json={"type": "BASIC"}).json
    staffed("key", "revoke", key["id"])
    assert "expired" in staffed.client(key["apiToken"]).get("/whoami").json["detail"]


def test_the_command_line_is_in_the_audit_as_such(staffed):
    staffed("tenant", "deactivate", "globex")
    staffed("tenant", "activate", "globex")
    record = staffed.globex.get("/audit").json[0]
    assert (record["via"], record["by"], record["client"], record["requestId"]) == (
        "cli",
        None,
        None,
        None,
    )
    assert record["changes"] == {"active": {"from": False, "to": True}}


def test_check_names_what_an_earlier_version_took_and_the_server_serves(staffed):
    text = staffed.data.read_text().replace('"zipCode": "101"', '"zipCode": "1\\u000101"')
    staffed.data.write_text(text)
    result = staffed.run("check")
    assert result.exit_code == 0
    assert "users, record bob@acme.test, zipCode: Must not contain control" in result.stdout
    assert staffed.alice.get(f"/users/{BOB}").json["zipCode"] == "1\x0101"


def test_what_an_earlier_version_took_may_be_sent_back_and_not_set_anew(staffed):
    text = staffed.data.read_text().replace('"zipCode": "101"', '"zipCode": "1\\u000101"')
    staffed.data.write_text(text)
    shown = staffed.alice.get(f"/users/{BOB}").json
    assert staffed.alice.put(f"/users/{BOB}", json=shown).status_code == 200
    answer = staffed.alice.put(f"/users/{BOB}", json={"zipCode": "2\x01"})
    assert "zipCode" in answer.json["errors"]


@pytest.mark.slow
@pytest.mark.parametrize("command", [["check"], ["tenant", "list"], ["key", "revoke", "key-1"]])
def test_no_command_but_init_makes_a_store_by_flask_either(tmp_path, command):
    environment = os.environ | {"PROVISIONING_DATA": str(tmp_path / "db.json")}
    words = [sys.executable, "-m", "flask", "--app", "app", *command]
    done = subprocess.run(
        words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, (tmp_path / "db.json").exists()) == (1, False)


@pytest.mark.slow
def test_a_server_under_gunicorn_loads_nothing_that_its_settings_do_not_ask_for(tmp_path):
    """It starts sooner by that: no commands, no metrics, no CORS, no OpenAPI document."""
    look = (
        "import sys, provisioning.cli; provisioning.cli.application()\n"
        "kept_out = {'provisioning.cli.commands', 'provisioning.transfer', 'apispec', 'flask_cors',"
        " 'provisioning.control.app', 'prometheus_client', 'sqlalchemy', 'scim2_models'}\n"
        "print(kept_out & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", look],
        env={"PROVISIONING_DATA": str(tmp_path / "db.json")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "set()\n"
