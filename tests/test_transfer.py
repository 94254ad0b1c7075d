"""In and out: exports that load again, imports that touch what they bring, people from CSV."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from provisioning.cli.commands import main
from provisioning.factory import open_server, serve
from provisioning.settings import Settings
from provisioning.testing.provisioner import routes
from provisioning.testing.sandbox import Client
from tests.disks import full

pytestmark = pytest.mark.slow

ALICE, BOB = "alice@acme.test", "bob@acme.test"
BEGIN = ("init", "--tenant", "acme", "--name", "Acme", "--admin", ALICE, "--json")
GLOBEX = ("init", "--tenant", "globex", "--name", "Globex", "--admin", "gina@globex.test", "--json")


class Desk:
    """The command line over a store with acme and globex, and their administrators' clients."""

    def __init__(self, folder, name="db.json"):
        self.folder = folder
        self.environment = {"PROVISIONING_DATA": str(folder / name)}
        self.data = folder / name

    def run(self, *words, given=None):
        return CliRunner().invoke(
            main, words, env=self.environment, input=given, catch_exceptions=False
        )

    def __call__(self, *words, given=None):
        result = self.run(*words, given=given)
        assert result.exit_code == 0, result.output
        return result

    def client(self, token):
        settings = Settings(data=self.data)
        return Client(serve(routes(settings), open_server(settings)), token)

    def begin(self):
        self.acme = self.client(json.loads(self(*BEGIN).stdout)["apiToken"])
        self.globex = self.client(json.loads(self(*GLOBEX).stdout)["apiToken"])
        return self

    def export(self, *words):
        return json.loads(self("export", "-", *words).stdout)

    def load(self, seed, *words):
        return json.loads(self("import", "-", "--json", *words, given=json.dumps(seed)).stdout)

    def csv(self, text, *words, tenant="acme"):
        content = text if isinstance(text, bytes) else text.encode()
        words = ("import", "-", "--format", "csv", "--tenant", tenant, "--json", *words)
        return json.loads(self(*words, given=content).stdout)

    def csv_faults(self, text, *words):
        content = text if isinstance(text, bytes) else text.encode()
        result = self.run(
            "import", "-", "--format", "csv", "--tenant", "acme", *words, given=content
        )
        assert result.exit_code == 1, result.output
        return result.stderr


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path).begin()


def hire(client, username, **members):
    body = {"username": username, "email": username, "password": "pw", **members}
    answer = client.post("/users", json=body)
    assert answer.status_code == 201, answer.text


def test_an_export_loads_into_an_empty_store_and_comes_out_the_same(desk, tmp_path):
    hire(desk.acme, BOB, zipCode="101")
    other = Desk(tmp_path, "other.json")
    other.load(desk.export())
    assert other.export() == desk.export()


def test_an_import_of_what_is_there_changes_nothing(desk):
    hire(desk.acme, BOB)
    done = desk.load(desk.export())
    assert done == {"created": {}, "changed": {}, "removed": {}, "told": []}


def test_an_exported_file_is_its_owners_alone_and_not_overwritten(desk, tmp_path):
    file = tmp_path / "out.json"
    desk("export", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    assert desk.run("export", str(file)).exit_code == 1
    desk("export", str(file), "--force")


def test_an_export_that_does_not_fit_on_the_disk_leaves_the_file_that_is_there(desk, small_disk):
    file = small_disk / "out.json"
    desk("export", str(file))
    before = file.read_bytes()
    with full(small_disk):
        result = desk.run("export", str(file), "--force")
        assert (result.exit_code, "No space left" in result.stderr) == (1, True)
        assert file.read_bytes() == before
        assert [each.name for each in small_disk.iterdir() if each.name != "filler"] == [file.name]


def test_a_tenants_export_holds_nothing_of_others_and_guests_by_name_alone(desk):
    hire(desk.acme, BOB)
    desk.acme.post("/privileges", json={"username": "gina@globex.test", "role": "USER"})
    seed = desk.export("--tenant", "acme")
    assert [tenant["label"] for tenant in seed["tenants"]] == ["acme"]
    assert {"username": "gina@globex.test"} in seed["users"]
    assert {each["tenant"] for each in seed["privileges"]} == {"acme"}


def test_a_guest_has_to_exist(desk, tmp_path):
    desk.acme.post("/privileges", json={"username": "gina@globex.test", "role": "USER"})
    other = Desk(tmp_path, "other.json")
    result = other.run("import", "-", given=json.dumps(desk.export("--tenant", "acme")))
    assert result.exit_code == 1
    assert ".username: there is no account 'gina@globex.test'" in result.stderr


def test_a_dry_run_tells_and_changes_nothing(desk):
    before = desk.data.read_bytes()
    seed = {"tenants": [{"label": "initech", "name": "Initech"}]}
    assert desk.load(seed, "--dry-run")["created"]["tenants"] == ["initech"]
    assert desk.data.read_bytes() == before


def test_replacing_removes_what_the_file_lacks_in_its_tenants_alone(desk):
    hire(desk.acme, BOB)
    hire(desk.globex, "hank@globex.test")
    seed = desk.export("--tenant", "acme")
    seed["users"] = [each for each in seed["users"] if each["username"] != BOB]
    seed["privileges"] = [each for each in seed["privileges"] if each["username"] != BOB]
    assert desk.load(seed, "--mode", "replace")["removed"]["users"] == [BOB]
    assert desk.acme.get(f"/users/{BOB}").status_code == 404
    assert desk.globex.get("/users/hank@globex.test").status_code == 200


def test_an_account_at_home_elsewhere_keeps_its_profile_and_is_told(desk):
    seed = desk.export()
    guest = next(each for each in seed["users"] if each["home"] == "globex")
    brought = {
        "tenants": [each for each in seed["tenants"] if each["label"] == "acme"],
        "users": [guest | {"firstName": "Changed", "home": "acme"}],
    }
    done = desk.load(brought)
    assert "keeps home, profile and password" in done["told"][0]
    assert desk.globex.get("/users/gina@globex.test").json["firstName"] is None


def test_a_merge_adds_an_account_to_a_tenant_that_it_does_not_bring(desk):
    account = {"username": BOB, "email": BOB, "home": "acme"}
    assert desk.load({"users": [account]})["created"] == {"users": [BOB]}


@pytest.mark.parametrize(("home", "mode"), [("initech", "merge"), ("acme", "replace")])
def test_an_account_has_no_home_that_is_not_there_or_not_replaced(desk, home, mode):
    account = {"username": BOB, "email": BOB, "home": home}
    result = desk.run("import", "-", "--mode", mode, given=json.dumps({"users": [account]}))
    assert (result.exit_code, "users[0].home: " in result.stderr) == (1, True)


def test_a_record_whose_id_another_tenants_has_gets_a_new_one(desk):
    taken = desk.export("--tenant", "globex")["privileges"][0]["id"]
    seed = {
        "users": [{"username": BOB, "email": BOB, "home": "acme"}],
        "privileges": [{"id": taken, "tenant": "acme", "username": BOB, "role": "USER"}],
    }
    desk.load(seed)
    assert desk.acme.get(f"/users/{BOB}/privilege").json["id"] != taken
    assert desk.globex.get(f"/privileges/{taken}").json["role"] == "ADMINISTRATOR"


@pytest.fixture
def elsewhere(tmp_path, desk):
    """Another store, whose ids are globex's as far as they are acme's here."""
    hire(desk.acme, BOB)
    endpoint = {"url": "amqp://x.example", "endpointType": "MQ_INCOMING"}
    assert desk.acme.post("/endpoints", json=endpoint).status_code == 201
    other = Desk(tmp_path, "other.json")
    other.globex = other.client(json.loads(other(*GLOBEX).stdout)["apiToken"])
    hire(other.globex, "hank@globex.test")
    assert other.globex.post("/endpoints", json=endpoint).status_code == 201
    return other


@pytest.mark.parametrize("mode", ["merge", "replace"])
def test_a_new_id_is_none_that_stands_further_on_in_the_file(desk, elsewhere, mode):
    seed = desk.export("--tenant", "acme")
    done = elsewhere.load(seed, "--mode", mode)
    assert done["created"]["users"] == [ALICE, BOB]
    assert len(set(done["created"]["privileges"])) == len(seed["privileges"]) == 2
    assert elsewhere("check")


@pytest.mark.parametrize("mode", ["merge", "replace"])
def test_an_import_knows_again_what_it_has_given_other_ids(desk, elsewhere, mode):
    seed = desk.export("--tenant", "acme")
    elsewhere.load(seed)
    again = elsewhere.load(seed, "--mode", mode)
    assert [again[what] for what in ("created", "changed", "removed")] == [{}, {}, {}]


def test_a_key_is_known_by_its_token_whatever_its_id(desk, elsewhere):
    seed = desk.export("--tenant", "acme")
    elsewhere.load(seed)
    seed["apiKeys"][0] |= {"id": "key-77", "name": "Renamed"}
    done = elsewhere.load(seed)
    assert (done["created"], list(done["changed"])) == ({}, ["apiKeys"])


def test_a_guest_is_known_in_any_spelling(desk):
    hire(desk.acme, BOB)
    seed = desk.export("--tenant", "acme")
    seed["users"] = [each for each in seed["users"] if each["username"] != BOB]
    seed["users"].append({"username": BOB.upper()})
    assert desk.load(seed, "--mode", "replace")["removed"] == {}


def test_what_refers_to_an_id_that_is_given_anew_follows(desk):
    taken = desk.export("--tenant", "globex")["users"][0]["id"]
    endpoint = {"tenant": "acme", "url": "amqp://x", "endpointType": "MQ_INCOMING"}
    seed = {
        "users": [{"id": taken, "username": BOB, "email": BOB, "home": "acme"}],
        "privileges": [{"tenant": "acme", "username": BOB, "role": "USER"}],
        "endpoints": [endpoint | {"registeredByUserId": taken}],
    }
    desk.load(seed)
    made = desk.acme.get(f"/users/{BOB}").json["id"]
    assert made != taken
    assert desk.acme.get("/endpoints").json[0]["registeredByUserId"] == made


@pytest.mark.parametrize("what", ["token", "domain"])
def test_a_token_or_domain_of_another_tenant_is_a_fault(desk, what):
    desk.globex.post("/domain-mapping", json={"domain": "x.example.org"})
    seed = {
        "token": {"apiKeys": [{"tenant": "acme", "type": "BASIC", "apiToken": desk.globex.token}]},
        "domain": {"domainMappings": [{"tenant": "acme", "domain": "x.example.org"}]},
    }[what]
    result = desk.run("import", "-", given=json.dumps(seed))
    assert result.exit_code == 1
    assert "another tenant" in result.stderr


def test_an_id_that_is_too_large_is_said_to_be_that(desk):
    key = {"tenant": "acme", "type": "BASIC", "id": f"key-{2**52}"}
    result = desk.run("import", "-", given=json.dumps({"apiKeys": [key]}))
    assert result.exit_code == 1
    assert result.stderr.rstrip().endswith(f"Its number must be at most {2**52 - 1}.")


def test_an_import_that_takes_the_last_administrator_is_a_fault(desk):
    seed = desk.export("--tenant", "acme")
    seed["privileges"] = []
    result = desk.run("import", "-", "--mode", "replace", given=json.dumps(seed))
    assert (result.exit_code, "without an ADMINISTRATOR" in result.stderr) == (1, True)
    assert desk.acme.get("/whoami").status_code == 200


@pytest.mark.parametrize(
    "words",
    [
        ("import",),
        ("import", "-", "--mode", "swap"),
        ("import", "-", "--tenant", "acme"),
        ("import", "-", "--format", "csv"),
        ("export",),
    ],
)
def test_a_wrong_call_ends_with_2(desk, words):
    assert desk.run(*words, given="{}").exit_code == 2


@pytest.mark.parametrize(
    ("text", "place"),
    [("{", "line 1"), ('{"people": []}', "people: "), ('{"users": [{"email": 7}]}', "users[0]")],
)
def test_a_fault_of_a_seed_has_its_place(desk, text, place):
    result = desk.run("import", "-", given=text)
    assert (result.exit_code, place in result.stderr) == (1, True)


@pytest.mark.parametrize(
    "member",
    [
        '"title": "\\ud800"',
        '"title": "a\\u0000b"',
        '"listOrder": 10000000000000000000000000',
        '"settings": {"a": NaN}',
        '"settings": {"a": 1e999}',
        '"settings": {"a": 10000000000000000000000000}',
        '"settings": {"\\ud800": 1}',
        f'"settings": {{"a": {"[" * 100}{"]" * 100}}}',
        '"label": ["x"]',
        '"tenant": {"label": "acme"}',
        '"\\ud800": 1',
    ],
)
def test_what_no_member_can_hold_is_a_fault_with_its_place(desk, member):
    result = desk.run("import", "-", given=f'{{"dashboards": [{{{member}}}]}}')
    assert (result.exit_code, "dashboards[0]" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    "text", ['{"\\ud800": []}', f'{{"users": [{{"birthYear": {"9" * 5_000}}}]}}']
)
def test_what_no_file_can_hold_is_a_fault(desk, text):
    assert desk.run("import", "-", given=text).exit_code == 1


@pytest.mark.parametrize("member", ["id", "home", "username", "passwordHash"])
def test_a_list_where_an_account_has_text_is_a_fault_with_its_place(desk, member):
    account = {"username": BOB, "email": BOB, "home": "acme", member: [1]}
    result = desk.run("import", "-", given=json.dumps({"users": [account]}))
    assert (result.exit_code, f"users[0].{member}: " in result.stderr) == (1, True)


def test_a_configuration_as_deep_as_the_api_takes_it_comes_back(desk):
    assert desk.acme.post("/services/enterprise").status_code == 201
    config = json.loads('{"a":' * 63 + "1" + "}" * 63)
    path = "/statements/delayed-shipments/config"
    assert desk.acme.put(path, json=config).status_code == 200
    assert desk.load(desk.export())["changed"] == {}


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_only_an_ordinary_file_is_overwritten_by_an_export(desk, tmp_path, make):
    place = tmp_path / "place"
    make(place)
    result = desk.run("export", str(place), "--force")
    assert (result.exit_code, f"{place}: is no ordinary file" in result.stderr) == (1, True)
    assert place.exists()


def test_what_a_file_has_in_place_of_others_is_removed_and_created_in_the_audit(desk):
    mapping = {"domain": "old.example.org"}
    assert desk.acme.post("/domain-mapping", json=mapping).status_code == 201
    seed = desk.export("--tenant", "acme")
    (old,) = seed["domainMappings"]
    seed["domainMappings"] = [old | {"domain": f"{name}.example.org"} for name in ("one", "two")]
    desk.load(seed, "--mode", "replace")
    told = [(each["action"], each["target"]) for each in desk.acme.get("/audit?size=3").json]
    assert told == [
        ("remove", "old.example.org"),
        ("create", "two.example.org"),
        ("create", "one.example.org"),
    ]


def test_an_import_is_in_the_audit_as_the_command_lines(desk):
    desk.csv(f"username\n{BOB}\n")
    record = desk.acme.get("/audit").json[0]
    assert (record["via"], record["by"]) == ("cli", None)


NAMES = "username;email;firstName;lastName;country;birthYear;role;reportsTo\n"


@pytest.mark.parametrize(
    "text",
    [
        f"username,firstName,lastName\n{BOB},Jörg,Ångström\n",
        f"\ufeffusername;firstName;lastName\r\n{BOB};Jörg;Ångström\r\n",
        f'username,firstName,lastName\n"{BOB}","Jörg","Ångström"\n\n',
    ],
    ids=["commas", "BOM, semicolons and CRLF", "quotes and an empty line"],
)
def test_csv_as_hr_systems_write_it(desk, text):
    desk.csv(text)
    shown = desk.acme.get(f"/users/{BOB}").json
    assert (shown["firstName"], shown["lastName"], shown["email"]) == ("Jörg", "Ångström", BOB)
    assert [each["role"] for each in shown["tenantUserPrivileges"]] == ["USER"]


JOERG = "Jörg"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (f"sep=;\r\nusername;firstName\r\n{BOB};{JOERG}\r\n", ()),
        (f'"SEP=,"\nusername,firstName\n{BOB},{JOERG}\n', ()),
        (f"sep=\t\nusername\tfirstName\n{BOB}\t{JOERG}\n", ()),
        (f"\n \n;\nusername;firstName\n;\n{BOB};{JOERG}\n\n", ()),
        (f"username\tfirstName\n{BOB}\t{JOERG}\n", ()),
        (f"username,,firstName,,\n{BOB},,{JOERG},\n{ALICE},,Alice,,,,\n", ()),
        (f"USERNAME,First Name\n{BOB},{JOERG}\n", ()),
        (f"user_name, first-name \n {BOB}\t,\u00a0{JOERG} \n", ()),
        (f'"username" , "firstName"\n"{BOB}" , " {JOERG} "\n', ()),
        (f"username,firstName\r{BOB},{JOERG}\r", ()),
        (f"username,firstName\n{BOB},{JOERG}".encode("utf-16"), ()),
        (b"\xfe\xff" + f"username,firstName\n{BOB},{JOERG}\n".encode("utf-16-be"), ()),
        (f"username,firstName\n{BOB},{JOERG}\n".encode("cp1252"), ("--encoding", "cp1252")),
        (f"username,firstName\n{BOB},{JOERG}\n".encode("utf-16-le"), ("--encoding", "utf-16-le")),
        (
            b"\xef\xbb\xbf" + f"username,firstName\n{BOB},{JOERG}\n".encode(),
            ("--encoding", "cp1252"),
        ),
    ],
    ids=[
        "the separator named",
        "the separator named in quotes",
        "a tab named",
        "blank lines",
        "tabs",
        "columns without a name",
        "names in other words",
        "blanks around cells",
        "blanks around quotes",
        "line ends of old Macs",
        "UTF-16",
        "UTF-16, big end first",
        "an encoding that is told",
        "an encoding without its mark",
        "a mark that says another encoding than is told",
    ],
)
def test_csv_is_taken_as_spreadsheets_write_it(desk, content, words):
    desk.csv(content, *words)
    assert desk.acme.get(f"/users/{BOB}").json["firstName"] == JOERG


def five_hundred(delimiter, quote, *, first=(), ending="\r\n"):
    """An export of 500 people as an HR system writes it, with columns that nobody named."""
    rows = [("User Name", "E-Mail", "First_Name", "last name", "Zip Code", "Reports To", "")]
    for number in range(500):
        boss = "" if number == 0 else f"p{(number - 1) // 8}@acme.test"
        name = f"p{number}@acme.test"
        rows.append((name, name, f"Zoë {number}", "O'Neil; Müller, Søn", f"0{number}", boss, ""))
    lines = [delimiter.join(f"{quote}{cell}{quote}" for cell in row) for row in rows]
    return ending.join([*first, *lines, ""])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (five_hundred(";", '"', first=("sep=;",)).encode("cp1252"), ("--encoding", "cp1252")),
        (five_hundred(",", '"').encode("utf-8-sig"), ()),
        (five_hundred("\t", "", ending="\n").encode("utf-16"), ()),
    ],
    ids=["a Western spreadsheet's", "a web service's", "a spreadsheet's Unicode text"],
)
def test_an_export_of_500_people_is_taken_and_the_second_time_changes_nothing(desk, content, words):
    done = desk.csv(content, *words)
    assert [len(names) for names in done["created"].values()] == [500, 500]
    assert desk.acme.get("/users/p499@acme.test").json["zipCode"] == "0499"
    assert desk.csv(content, *words) == {"created": {}, "changed": {}, "removed": {}, "told": []}


@pytest.mark.parametrize("begin", "=+-@")
def test_a_quote_that_keeps_a_spreadsheet_from_reckoning_is_taken_off(desk, begin):
    desk.csv(f"username,firstName,lastName\n{BOB},'{begin}1,'s Gravesande\n")
    shown = desk.acme.get(f"/users/{BOB}").json
    assert (shown["firstName"], shown["lastName"]) == (f"{begin}1", "'s Gravesande")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"PK\x03\x04....xl/workbook.xml", "an Excel workbook (.xlsx)"),
        (b"PK\x03\x04mimetypeapplication/vnd.oasis.opendocument.spreadsheet", "an OpenDocument"),
        (b"PK\x03\x04people.csv", "a zip archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", "an Excel workbook of the older form"),
        (b"%PDF-1.7", "a PDF document"),
        ("username\n".encode("utf-32"), "UTF-32"),
        ("username\n".encode("utf-16-le"), "--encoding utf-16-le"),
        ("username\n".encode("utf-16-be"), "--encoding utf-16-be"),
        ("username\nJörg\n".encode("cp1252"), "line 2: isn't UTF-8"),
        ("username\nJörg\n".encode("cp1252"), "--encoding cp1252"),
        ("us".encode("utf-16"), "line 1: 'us' is no member"),
        (b"\xff\xfeu\0s\0e", "line 1: isn't UTF-16"),
        ("sep=|\nusername|hint\n", "a comma, a semicolon or a tab"),
        (f'username,hint\n{BOB},"open\n', 'line 2: a quote (") is opened that nothing closes'),
        (f"username,,hint\n{BOB},x,y\n", "line 2: column 2 holds something and has no name"),
        (f"username\n{BOB},x\n", "line 2: column 2 holds something and has no name"),
    ],
)
def test_what_is_no_such_csv_is_told_as_what_it_is(desk, content, what):
    assert what in desk.csv_faults(content)


@pytest.mark.parametrize(
    ("word", "message"), [("klingon", "is no encoding"), ("hex", "is no encoding")]
)
def test_an_encoding_that_there_is_not_is_a_wrong_call(desk, word, message):
    words = ("import", "-", "--format", "csv", "--tenant", "acme", "--encoding", word)
    result = desk.run(*words, given=b"username\n")
    assert (result.exit_code, message in result.stderr) == (2, True)


def test_what_is_shown_of_a_file_has_no_control_characters(desk):
    shown = desk.csv_faults("\x1b[31mred\u202e,username\n")
    assert "\\x1b[31mred\\u202e" in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_all_faults_of_a_row_are_told_at_once_and_in_the_order_of_lines(desk):
    text = (
        "username,email,firstName,role,activeFrom,activeUntil,reportsTo\n"
        f"nobody,,{'x' * 251},KING,soon,,nowhere\n"
        "a@x.test,no,,,2030-01-01T00:00:00Z,2029-01-01T00:00:00Z,\n"
    )
    faults = desk.csv_faults(text).removeprefix("Error: ").splitlines()
    places = [fault.split(":")[0] for fault in faults]
    assert places == [
        "line 2, firstName",
        "line 2, role",
        "line 2, activeFrom",
        "line 2, email",
        "line 2, reportsTo",
        "line 3, email",
        "line 3, activeUntil",
    ]


def test_what_is_done_is_listed_by_username(desk):
    hire(desk.acme, BOB)
    hire(desk.acme, "eve@x.test")
    text = f"username,role\n{ALICE},\n{BOB},TEAM_LEADER\n"
    done = desk.csv(text, "--revoke-missing", "--dry-run")
    assert done["created"] == {"privileges": [BOB]}
    assert done["changed"] == {"privileges": [BOB, "eve@x.test"]}


def test_a_cell_may_hold_delimiters_quotes_and_line_ends(desk):
    desk.csv(f'username,lastName,hint\n{BOB},"O""Neil, Jr","two\nlines"\n')
    shown = desk.acme.get(f"/users/{BOB}").json
    assert (shown["lastName"], shown["hint"]) == ('O"Neil, Jr', "two\nlines")


def test_running_it_twice_changes_nothing_the_second_time(desk):
    text = NAMES + f"{BOB};;Bob;;ISL;1990;MANAGEMENT;{ALICE}\neve@x.test;;;;;;;{BOB}\n"
    assert desk.csv(text)["created"]["users"] == [BOB, "eve@x.test"]
    done = desk.csv(text)
    assert (done["created"], done["changed"], done["removed"]) == ({}, {}, {})


def test_an_empty_cell_leaves_a_member_as_it_is(desk):
    hire(desk.acme, BOB, firstName="Bob", zipCode="101")
    desk.csv(f"username,firstName,zipCode\n{BOB},,202\n")
    shown = desk.acme.get(f"/users/{BOB}").json
    assert (shown["firstName"], shown["zipCode"]) == ("Bob", "202")


def test_all_active_roles_but_the_one_in_the_file_end(desk):
    hire(desk.acme, BOB)
    desk.acme.post("/privileges", json={"username": BOB, "role": "TEAM_LEADER"})
    held = desk.acme.get(f"/users/{BOB}").json["tenantUserPrivileges"]
    kept = next(each["id"] for each in held if each["role"] == "TEAM_LEADER")
    desk.csv(f"username,role\n{BOB},TEAM_LEADER\n")
    after = desk.acme.get(f"/users/{BOB}").json["tenantUserPrivileges"]
    assert [each["id"] for each in after if each["activeUntil"] is None] == [kept]


def test_a_manager_may_stand_below_his_report(desk):
    desk.csv(NAMES + f"{BOB};;;;;;USER;max@x.test\nmax@x.test;;;;;;MANAGEMENT;\n")
    assert desk.acme.get(f"/users/{BOB}/privilege").json["reportsTo"] == "max@x.test"


def test_administration_may_be_handed_over(desk):
    desk.csv(f"username,role\n{ALICE},USER\n{BOB},ADMINISTRATOR\n")
    assert desk.acme.get("/whoami").json["role"] == "USER"


def test_the_last_administrator_is_not_lost_by_csv(desk):
    assert "without an ADMINISTRATOR" in desk.csv_faults(f"username,role\n{ALICE},USER\n")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "line 1"),
        ("name\nx\n", "line 1: 'name' is no member"),
        ("username,email,email\nx,y,z\n", "line 1: 'email' stands there more than once"),
        ("email\nx@y.test\n", "line 1: 'username' is missing"),
        ("E-Mail,email,username\nx,y,z\n", "line 1: 'email' stands there more than once"),
        ("username,email\na@x.test,nowhere\n", "line 2, email"),
        ("username,role\na@x.test,KING\n", "line 2, role"),
        ("username,birthYear\na@x.test,soon\n", "line 2, birthYear"),
        ('username,hint\na@x.test,"1\n2"\nb@x.test\n', "line 4: has 1 cells"),
        ("username\na@x.test\nA@X.test\n", "line 3, username"),
        ("username,reportsTo\na@x.test,nobody\n", "line 2, reportsTo"),
        ("username,reportsTo\na@x.test,b@x.test\nb@x.test,a@x.test\n", "line 2, reportsTo"),
        ("username\nnobody\n", "line 2, email"),
        (b"username\n\xff\n", "line 2: isn't UTF-8"),
        ("username,activeUntil\na@x.test,2020-01-01T00:00:00Z\n", "line 2, activeUntil"),
    ],
)
def test_a_fault_of_csv_has_its_line_and_nothing_is_taken(desk, text, place):
    before = desk.data.read_bytes()
    assert place in desk.csv_faults(text)
    assert desk.data.read_bytes() == before


def test_of_an_account_at_home_elsewhere_only_the_privilege_is_touched(desk):
    done = desk.csv("username,firstName,role\ngina@globex.test,Other,USER\n")
    assert "at home in 'globex'" in done["told"][0]
    assert desk.globex.get("/users/gina@globex.test").json["firstName"] is None
    assert desk.acme.get("/users/gina@globex.test/privilege").json["role"] == "USER"


def stored_hash(desk, username):
    users = desk.export()["users"]
    return next(each["passwordHash"] for each in users if each["username"] == username)


def test_a_password_is_set_only_where_there_is_none(desk):
    desk.csv(f"username\n{BOB}\n")
    assert stored_hash(desk, BOB) is None
    desk.csv(f"username,password\n{BOB},first\n")
    first = stored_hash(desk, BOB)
    assert first is not None
    desk.csv(f"username,password\n{BOB},second\n")
    assert stored_hash(desk, BOB) == first


def test_whoever_the_file_lacks_is_revoked_when_asked(desk):
    hire(desk.acme, BOB)
    hire(desk.acme, "eve@x.test")
    done = desk.csv(f"username\n{ALICE}\n{BOB}\n", "--revoke-missing")
    assert list(done["changed"]) == ["privileges"]
    assert [each["username"] for each in desk.acme.get("/users").json] == [ALICE, BOB]


def test_the_last_administrator_is_named_and_stays(desk):
    hire(desk.acme, BOB)
    done = desk.csv(f"username\n{BOB}\n", "--revoke-missing", "--yes")
    assert done["told"] == [f"'{ALICE}' is the last administrator, and stays."]
    assert desk.acme.get("/whoami").json["role"] == "ADMINISTRATOR"


def test_more_than_half_of_the_tenant_is_revoked_only_with_yes(desk):
    for name in ("b@x.test", "c@x.test", "d@x.test"):
        hire(desk.acme, name)
    text = f"username\n{ALICE}\n"
    assert "more than half" in desk.csv_faults(text, "--revoke-missing")
    desk.csv(text, "--revoke-missing", "--yes")
    assert len(desk.acme.get("/users").json) == 1


def test_whom_a_file_adds_makes_no_half_of_the_tenant(desk):
    hire(desk.acme, BOB)
    hire(desk.acme, "eve@x.test")
    others = "".join(f"other{number}@x.test\n" for number in range(9))
    assert "2 out of 3" in desk.csv_faults(f"username\n{others}", "--revoke-missing")
    assert len(desk.acme.get("/users").json) == 3


def test_the_last_administrator_who_stays_is_not_counted_as_revoked(desk):
    hire(desk.acme, BOB)
    hire(desk.acme, "eve@x.test")
    desk.csv(f"username\n{BOB}\n", "--revoke-missing")
    assert [each["username"] for each in desk.acme.get("/users").json] == [ALICE, BOB]


@pytest.mark.slow
def test_progress_is_shown_on_a_terminal_and_nothing_of_it_in_a_pipe(desk, tmp_path):
    file = tmp_path / "people.csv"
    file.write_text("username\n" + "".join(f"p{n}@x.test\n" for n in range(50)))
    words = [sys.executable, "-m", "provisioning", "import", str(file), "--tenant", "acme"]
    environment = os.environ | desk.environment
    piped = subprocess.run(words, env=environment, capture_output=True, check=True)
    assert all(line.startswith(b"audit {") for line in piped.stderr.splitlines())
    ours, theirs = pty.openpty()
    subprocess.run(words, env=environment, stdout=subprocess.DEVNULL, stderr=theirs, check=True)
    os.close(theirs)
    shown = os.read(ours, 100_000)
    os.close(ours)
    assert b"100%" in shown
