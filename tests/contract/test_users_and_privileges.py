"""What is special about users, the global search, privileges and reporting lines."""

import json

import pytest

from .asking import (
    EARLIER,
    LATER,
    LATEST,
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

BOB = "bob@acme.test"
NEW = {"username": "new@acme.test", "email": "new@acme.test", "password": "secret"}


def names(response):
    assert response.status_code == 200, response.data
    return [user["username"] for user in response.json]


def privileges_of(client, username):
    """All of a user's privileges in the client's tenant, oldest first."""
    everything = client.get("/privileges?size=300").json
    return [p for p in everything if p["user"]["username"] == username]


def privilege_of(client, username):
    (only,) = privileges_of(client, username)
    return only


# Users: the list


@pytest.fixture
def windows(sandbox):
    """One user with an active privilege, one with an ended, one with a coming, one with none."""
    sandbox.add_user("active@acme.test", role="USER", tenant="acme")
    sandbox.add_user(
        "ended@acme.test", role="USER", tenant="acme", active_from=EARLIER, active_until=NOW
    )
    sandbox.add_user("coming@acme.test", role="USER", tenant="acme", active_from=LATER)
    sandbox.add_user("never@acme.test", role=None, tenant="acme")
    sandbox.add_user("abroad@globex.test", role="USER", tenant="globex")


@pytest.mark.parametrize(
    "query, found",
    [
        ("", ["active@acme.test", "alice@acme.test"]),
        ("?active=true", ["active@acme.test", "alice@acme.test"]),
        ("?active=false", ["coming@acme.test", "ended@acme.test"]),
        (
            "?active=all",
            ["active@acme.test", "alice@acme.test", "coming@acme.test", "ended@acme.test"],
        ),
        (
            "?q=acme.test",
            ["active@acme.test", "alice@acme.test", "coming@acme.test", "ended@acme.test"],
        ),
        ("?q=acme.test&active=true", ["active@acme.test", "alice@acme.test"]),
        ("?q=acme.test&active=false", ["coming@acme.test", "ended@acme.test"]),
        ("?q=never", []),
        ("?q=abroad", []),
        ("?q=", ["active@acme.test", "alice@acme.test"]),
    ],
)
def test_the_list_shows_active_users_and_the_search_all_of_the_tenant(
    administrator, windows, query, found
):
    assert names(administrator.get(f"/users{query}")) == found


@pytest.mark.parametrize("path", ["/users", "/privileges", "/services"])
@pytest.mark.parametrize("value", ["yes", "TRUE", "1", "none"])
def test_active_takes_true_false_or_all(administrator, path, value):
    assert "active" in errors(administrator.get(f"{path}?active={value}"))


@pytest.mark.parametrize("path", ["/users", "/privileges", "/services"])
@pytest.mark.parametrize("value", ["true", "false", "all"])
def test_active_is_taken_on_the_lists_that_have_it(administrator, path, value):
    assert administrator.get(f"{path}?active={value}").status_code == 200


@pytest.mark.parametrize(
    "q", ["searchme", "SEARCHME", "mail-word", "jose", "JOSÉ", "muller", "jose müller mail"]
)
def test_q_seeks_username_email_first_and_last_name(sandbox, administrator, q):
    sandbox.add_user(
        "searchme@acme.test",
        role="USER",
        tenant="acme",
        email="mail-word@acme.test",
        firstName="José",
        lastName="Müller",
    )
    assert names(administrator.get(f"/users?q={segment(q)}")) == ["searchme@acme.test"]


@pytest.mark.parametrize("member", ["hint", "zipCode", "avatar", "timeZone", "country"])
def test_q_seeks_in_no_other_member_of_a_user(sandbox, administrator, member):
    value = {"timeZone": "Asia/Tokyo", "country": "ISL"}.get(member, "elsewhere")
    sandbox.add_user(BOB, role="USER", tenant="acme", **{member: value})
    assert names(administrator.get(f"/users?q={segment(value)}")) == []


def test_users_stand_in_the_order_of_their_names_ignoring_case(sandbox, administrator):
    for username in ("Zed@acme.test", "carl@acme.test", "Bert@acme.test"):
        sandbox.add_user(username, role="USER", tenant="acme")
    assert names(administrator.get("/users")) == [
        "alice@acme.test",
        "Bert@acme.test",
        "carl@acme.test",
        "Zed@acme.test",
    ]


# Users: creation


def test_a_new_user_has_the_role_user_from_now(administrator):
    created = administrator.post("/users", json=NEW).json
    (first,) = created["tenantUserPrivileges"]
    assert first.keys() == {"id", "role", "activeFrom", "activeUntil", "reportsTo"}
    assert (first["role"], first["activeFrom"], first["activeUntil"]) == ("USER", NOW, None)
    assert created["activeApiKeys"] == []


@pytest.mark.parametrize("absent", [None, []])
def test_null_and_an_empty_list_count_as_no_first_privilege(administrator, absent):
    created = administrator.post("/users", json={**NEW, "tenantUserPrivileges": absent})
    assert [entry["role"] for entry in created.json["tenantUserPrivileges"]] == ["USER"]


def test_the_one_entry_at_creation_is_the_first_privilege(sandbox, administrator):
    entry = {
        "role": "MANAGEMENT",
        "activeFrom": LATER,
        "activeUntil": LATEST,
        "reportsTo": "alice@acme.test",
    }
    created = administrator.post("/users", json={**NEW, "tenantUserPrivileges": [entry]}).json
    (first,) = created["tenantUserPrivileges"]
    assert first.items() >= entry.items()
    assert privilege_of(administrator, "new@acme.test")["id"] == first["id"]


@pytest.mark.parametrize(
    "entries",
    [
        [{}],
        [{"activeFrom": LATER}],
        [{"role": None}],
        [{"role": "KING"}],
        [{"role": "USER"}, {"role": "MANAGEMENT"}],
        [{"role": "USER", "colour": "red"}],
        [{"role": "USER", "activeFrom": LATER, "activeUntil": EARLIER}],
        [{"role": "USER", "reportsTo": "nobody@acme.test"}],
        [7],
        {"role": "USER"},
        "USER",
    ],
    ids=repr,
)
def test_a_bad_first_privilege_is_refused_and_makes_no_user(administrator, entries):
    refused = administrator.post("/users", json={**NEW, "tenantUserPrivileges": entries})
    assert "tenantUserPrivileges" in errors(refused)
    assert administrator.get("/users/new@acme.test").status_code == 404
    assert administrator.get("/as-users?q=new@acme").json == []


@pytest.mark.parametrize(
    "username",
    [
        "alice@acme.test",
        "ALICE@ACME.TEST",
        "\uff41lice@acme.test",
        "gina@globex.test",
        "STRASSE@globex.test",
        "ﬁona@globex.test",
        "never@globex.test",
    ],
)
def test_a_username_that_any_tenant_has_is_a_conflict_that_says_how_to_grant(
    sandbox, administrator, username
):
    for taken in ("gina@globex.test", "straße@globex.test", "fiona@globex.test"):
        sandbox.add_user(taken, role="USER", tenant="globex")
    sandbox.add_user("never@globex.test", role=None, tenant="globex")
    refused = administrator.post("/users", json={**NEW, "username": username})
    assert refused.status_code == 409
    assert "exists" in refused.json["detail"]
    assert "privilege" in refused.json["detail"]


@pytest.mark.parametrize("ours, theirs", [("e\u0301va@x.test", "\xe9va@x.test")])
def test_composed_and_decomposed_spellings_are_one_username(administrator, ours, theirs):
    assert administrator.post("/users", json={**NEW, "username": ours}).status_code == 201
    assert administrator.post("/users", json={**NEW, "username": theirs}).status_code == 409
    assert administrator.get(f"/users/{segment(theirs)}").json["username"] == ours


@pytest.mark.parametrize("other", ["eva@x.test", "evá@x.test"])
def test_accents_tell_usernames_apart(administrator, other):
    assert administrator.post("/users", json={**NEW, "username": "éva@x.test"}).status_code == 201
    assert administrator.post("/users", json={**NEW, "username": other}).status_code == 201


@pytest.mark.parametrize(
    "username",
    [
        "a/b",
        "/",
        "a\nb",
        "a\r\nb",
        "a\x7fb",
        "a\x85b",
        "a\u200bb",
        "a\u200db",
        "a\u202eb",
        "\ufeffab",
        "a\u00adb",
        " ab",
        "ab ",
        "\u00a0ab",
        "ab\u3000",
        ".",
        "..",
        "",
        "x" * 255,
    ],
    ids=ascii,
)
def test_a_username_that_a_path_could_not_carry_safely_is_refused(administrator, username):
    refused = administrator.post("/users", json={**NEW, "username": username})
    assert "username" in errors(refused)


@pytest.mark.parametrize(
    "username",
    [
        "plain",
        "two words",
        "a.b",
        "...",
        "\u0661\u0662",
        "\uff11\uff12",
        "7a",
        "1.5",
        "-1",
        "a+b@x.test",
        "100%25",
        "a%2Fb",
        "%",
        "a?b=c&d",
        "a#b",
        "a;b",
        "a:b@c",
        "a\\b",
        "'\"<>",
        "søren@x.test",
        "用户",
        "😀",
        "privilege",
        "x" * 254,
    ],
    ids=ascii,
)
def test_any_other_username_is_shown_as_typed_and_found_by_its_location(administrator, username):
    created = administrator.post("/users", json={**NEW, "username": username})
    assert created.status_code == 201
    found = administrator.get(location(created))
    assert (found.status_code, found.json["username"]) == (200, username)
    assert administrator.get(f"/users/{segment(username)}").json == found.json
    by_name = administrator.get(f"/privileges/{segment(username)}")
    assert by_name.json["user"]["username"] == username


def test_a_username_in_a_path_is_decoded_once_and_an_encoded_slash_matches_nothing(administrator):
    administrator.post("/users", json={**NEW, "username": "a%62"})
    assert administrator.get("/users/a%2562").status_code == 200
    assert administrator.get("/users/a%62").status_code == 404
    assert administrator.get("/users/a%2Fb").status_code == 404
    assert administrator.get("/users/alice@acme.test%2Fprivilege").status_code == 404


def test_several_users_may_share_an_email(administrator):
    for username in ("one@acme.test", "two@acme.test"):
        created = administrator.post(
            "/users", json={"username": username, "email": "shared@acme.test", "password": "x"}
        )
        assert created.status_code == 201


@pytest.mark.parametrize("email", ["a@b", "ünï@cödé.test", "x" * 252 + "@y", "a b@c.test"])
def test_an_email_has_one_at_with_something_on_both_sides(administrator, email):
    created = administrator.post("/users", json={**NEW, "email": email})
    assert (created.status_code, created.json["email"]) == (201, email)


@pytest.mark.parametrize("password", ["x", " ", "********", "\t", "x" * 1024, "pässwörd 😀"])
def test_a_password_is_taken_as_it_is_and_never_shown_nor_kept_in_the_clear(
    sandbox, administrator, password
):
    created = administrator.post("/users", json={**NEW, "password": password})
    assert created.status_code == 201
    assert not {"password", "passwordHash"} & created.json.keys()
    with sandbox.store.read() as view:
        record = next(
            user for user in view.tables()["users"].values() if user["username"] == "new@acme.test"
        )
    assert password not in record.values()
    assert "password" not in record


def test_a_changed_password_is_hashed_anew_and_not_shown(sandbox, administrator):
    administrator.post("/users", json=NEW)

    def kept():
        with sandbox.store.read() as view:
            return view.tables()["users"]["new@acme.test"]["passwordHash"]

    before = kept()
    changed = administrator.put("/users/new@acme.test", json={"password": "another"})
    assert changed.status_code == 200
    assert "password" not in changed.json
    assert kept() != before
    assert "another" not in kept()


def test_two_users_with_one_password_have_different_hashes(sandbox, administrator):
    for username in ("one", "two"):
        administrator.post("/users", json={**NEW, "username": username})
    with sandbox.store.read() as view:
        users = view.tables()["users"]
    assert users["one"]["passwordHash"] != users["two"]["passwordHash"]


# Users: what a record shows


def test_a_user_shows_the_privileges_of_the_active_tenant_only_newest_first(sandbox, administrator):
    sandbox.add_user(BOB, role=None, tenant="acme")
    first = sandbox.grant(BOB, "USER", tenant="acme", active_from=EARLIER, active_until=NOW)
    sandbox.grant(BOB, "MANAGEMENT", tenant="globex")
    second = sandbox.grant(BOB, "TEAM_LEADER", tenant="acme", active_from=LATER)
    third = sandbox.grant(BOB, "USER", tenant="acme")
    shown = administrator.get(f"/users/{BOB}").json["tenantUserPrivileges"]
    assert [entry["id"] for entry in shown] == [second, third, first]
    theirs = administrator_of(sandbox, "globex").get(f"/users/{BOB}").json
    assert [entry["role"] for entry in theirs["tenantUserPrivileges"]] == ["MANAGEMENT"]


def test_a_user_shows_the_keys_that_are_active_in_the_active_tenant(sandbox, administrator):
    sandbox.add_user(BOB, role="USER", tenant="acme")
    sandbox.grant(BOB, "USER", tenant="globex")
    token = sandbox.add_key(BOB, tenant="acme", type="QUERY_ONLY")
    sandbox.add_key(BOB, tenant="acme", type="BASIC", active_from=EARLIER, active_until=NOW)
    sandbox.add_key(BOB, tenant="acme", type="BASIC", active_from=LATER)
    sandbox.add_key(BOB, tenant="globex", type="BASIC")
    (shown,) = administrator.get(f"/users/{BOB}").json["activeApiKeys"]
    assert shown.keys() == {"id", "apiToken", "type", "activeFrom", "activeUntil"}
    assert (shown["apiToken"], shown["type"]) == (token, "QUERY_ONLY")


def test_the_keys_of_somebody_else_are_an_empty_list_for_who_may_not_see_them(sandbox):
    lea = caller(sandbox, "TEAM_LEADER", username="lea@acme.test")
    sandbox.add_user(BOB, role="USER", tenant="acme", reports_to="lea@acme.test")
    sandbox.add_key(BOB, tenant="acme", type="BASIC")
    assert lea.get(f"/users/{BOB}").json["activeApiKeys"] == []
    assert len(lea.get("/users/lea@acme.test").json["activeApiKeys"]) == 1


def test_a_user_has_exactly_the_members_of_the_contract(administrator):
    assert " ".join(sorted(administrator.get("/users/alice@acme.test").json)) == (
        "activeApiKeys avatar birthYear country email firstName gender hint home id lastName"
        " tenantUserPrivileges timeZone username zipCode"
    )


def test_answers_that_may_hold_a_key_are_not_stored(administrator):
    for path in ("/users", "/users/alice@acme.test"):
        assert administrator.get(path).headers["Cache-Control"] == "no-store"


# Users: revocation


def test_delete_revokes_all_privileges_in_the_active_tenant_and_nothing_else(
    sandbox, administrator
):
    sandbox.add_user(BOB, role=None, tenant="acme", firstName="Bob")
    sandbox.grant(BOB, "USER", tenant="acme", active_from=EARLIER)
    sandbox.grant(BOB, "MANAGEMENT", tenant="acme", active_from=LATER, active_until=LATEST)
    sandbox.grant(BOB, "USER", tenant="globex")
    before = administrator.get(f"/users/{BOB}").json
    assert administrator.delete(f"/users/{BOB}").status_code == 204
    after = administrator.get(f"/users/{BOB}").json
    windows = [(p["activeFrom"], p["activeUntil"]) for p in after["tenantUserPrivileges"]]
    assert windows == [(LATER, LATER), (EARLIER, NOW)]
    apart = {"tenantUserPrivileges": None, "activeApiKeys": None}
    assert after | apart == before | apart
    theirs = administrator_of(sandbox, "globex").get(f"/users/{BOB}").json
    assert [p["activeUntil"] for p in theirs["tenantUserPrivileges"]] == [None]


def test_a_user_whose_privileges_have_ended_is_still_there_but_not_active(sandbox, administrator):
    sandbox.add_user(BOB, role="USER", tenant="acme")
    administrator.delete(f"/users/{BOB}")
    assert administrator.get(f"/users/{BOB}").status_code == 200
    assert BOB not in names(administrator.get("/users"))
    assert BOB in names(administrator.get("/users?active=false"))


def test_an_account_without_a_privilege_in_the_tenant_is_404_at_home_too(sandbox, administrator):
    sandbox.add_user(BOB, role=None, tenant="acme")
    sandbox.grant(BOB, "USER", tenant="globex")
    assert administrator.get(f"/users/{BOB}").status_code == 404
    assert administrator.delete(f"/users/{BOB}").status_code == 404


def test_keys_outlive_a_revocation_and_work_again_with_a_later_privilege(sandbox, administrator):
    sandbox.add_user(BOB, role="USER", tenant="acme")
    bob = sandbox.client(sandbox.add_key(BOB, tenant="acme", type="BASIC"))
    assert bob.get("/whoami").status_code == 200
    administrator.delete(f"/users/{BOB}")
    assert bob.get("/whoami").status_code == 401
    sandbox.clock.set(SOON)
    administrator.post("/privileges", json={"username": BOB, "role": "MANAGEMENT"})
    assert bob.get("/whoami").json["role"] == "MANAGEMENT"


# Accounts are global


@pytest.mark.parametrize("change", [{}, {"hint": "x"}, {"password": "x"}, {"email": "x@y"}])
def test_a_profile_is_changed_only_through_the_home_tenant(sandbox, administrator, change):
    sandbox.add_user("gina@globex.test", role="USER", tenant="globex")
    sandbox.grant("gina@globex.test", "ADMINISTRATOR", tenant="acme")
    gina_here = sandbox.client(sandbox.add_key("gina@globex.test", tenant="acme", type="BASIC"))
    gina_home = sandbox.client(sandbox.add_key("gina@globex.test", tenant="globex", type="BASIC"))
    path = "/users/gina@globex.test"
    assert administrator.put(path, json=change).status_code == 403
    assert gina_here.put(path, json=change).status_code == 403
    assert gina_home.put(path, json=change).status_code == 200
    assert administrator_of(sandbox, "globex").put(path, json=change).status_code == 200


def test_a_home_never_moves(sandbox, administrator):
    sandbox.add_user("gina@globex.test", role=None, tenant="globex")
    granted = administrator.post(
        "/privileges", json={"username": "gina@globex.test", "role": "ADMINISTRATOR"}
    )
    assert granted.status_code == 201
    assert administrator.put("/users/gina@globex.test", json={}).status_code == 403


def test_the_home_administrator_changes_only_users_that_the_tenant_still_knows(
    sandbox, administrator
):
    sandbox.add_user(BOB, role=None, tenant="acme")
    assert administrator.put(f"/users/{BOB}", json={"hint": "x"}).status_code == 404


@pytest.mark.parametrize("role", ["USER", "TEAM_LEADER", "MANAGEMENT"])
def test_users_change_their_own_profile_but_not_their_role(sandbox, role):
    me = caller(sandbox, role, username=BOB)
    changed = me.put(
        f"/users/{BOB}", json={"hint": "x", "tenantUserPrivileges": [{"role": "ADMINISTRATOR"}]}
    )
    assert (changed.status_code, changed.json["hint"]) == (200, "x")
    assert me.get("/whoami").json["role"] == role


# The global search


@pytest.mark.parametrize("query", ["", "?q=", "?q=%20al%20", "?q=%20%20%20%20"])
def test_the_global_search_needs_a_q(administrator, query):
    assert "q" in errors(administrator.get(f"/as-users{query}"))


def test_the_global_search_finds_accounts_of_all_tenants_by_public_profile(sandbox, administrator):
    sandbox.add_user("finn@acme.test", role=None, tenant="acme", firstName="Finn", hint="secret")
    sandbox.add_user("finn@globex.test", role="USER", tenant="globex", avatar="finn.png")
    sandbox.add_user("other@globex.test", role="USER", tenant="globex", email="finn@mail.test")
    answer = administrator.get("/as-users?q=FIN")
    assert names(answer) == ["finn@acme.test", "finn@globex.test", "other@globex.test"]
    assert all(profile.keys() == PUBLIC_PROFILE for profile in answer.json)
    assert answer.headers["X-Total-Count"] == "3"


@pytest.mark.parametrize("role", ROLES)
def test_only_administrators_and_auditors_search_globally(sandbox, role):
    status = 200 if role in {"ADMINISTRATOR", "INTERNAL_AUDITING"} else 403
    assert caller(sandbox, role).get("/as-users?q=acme").status_code == status


def test_a_role_that_may_not_search_globally_is_told_so_before_its_q_is_looked_at(sandbox):
    assert caller(sandbox, "USER").get("/as-users").status_code == 403


@pytest.mark.parametrize("order", ["id", "birthYear", "hint", "country"])
def test_the_global_search_orders_by_nothing_but_the_public_profile(administrator, order):
    message = str(errors(administrator.get(f"/as-users?q=acme&order={order}"))["order"])
    assert all(member in message for member in PUBLIC_PROFILE)


@pytest.mark.parametrize(
    "q",
    ["abc", "a-b-c", "é.è.ê", "12%203", "ﬁn", "e\u0301tc", "木村", "이a", "ルx", "ｱ1", "กิน", "कि1"],
    ids=ascii,
)
def test_the_global_search_takes_three_letters_or_digits_or_two_with_a_dense_one(administrator, q):
    answer = administrator.get(f"/as-users?q={segment(q)}")
    assert (answer.status_code, answer.json) == (200, [])


@pytest.mark.parametrize(
    "q",
    [
        "ab",
        "a-b",
        "a b",
        "---",
        "...a1",
        "éè",
        "木",
        "이",
        "木 ",
        "木!",
        "\u0301\u0302\u0303",
        "a\u0305b",
    ],
    ids=ascii,
)
def test_the_global_search_refuses_fewer_letters_or_digits(administrator, q):
    assert list(errors(administrator.get(f"/as-users?q={segment(q)}"))) == ["q"]


def test_a_bad_order_and_a_short_q_of_the_global_search_are_told_at_once(administrator):
    assert errors(administrator.get("/as-users?q=ab&order=id")).keys() == {"order", "q"}


# Usernames of digits


def test_a_reference_of_digits_is_an_id_and_a_user_of_that_name_has_other_paths(
    sandbox, administrator
):
    taken = administrator.get("/privileges/alice@acme.test").json["id"]
    name = str(taken)
    sandbox.add_user(name, role="TEAM_LEADER")
    assert administrator.get(f"/privileges/{name}").json["user"]["username"] == "alice@acme.test"
    assert administrator.get(f"/users/{name}").json["username"] == name
    assert administrator.get(f"/users/{name}/privilege").json["role"] == "TEAM_LEADER"
    assert administrator.get(f"/privileges?user={name}").headers["X-Total-Count"] == "1"


@pytest.mark.parametrize("method", ["get", "put", "delete"])
def test_a_reference_of_digits_that_is_no_id_is_404_though_a_user_has_the_name(
    sandbox, administrator, method
):
    sandbox.add_user("777777")
    body = {"json": {}} if method == "put" else {}
    assert getattr(administrator, method)("/privileges/777777", **body).status_code == 404
    assert administrator.get("/users/777777/privilege").status_code == 200


@pytest.mark.parametrize("username", ["7", "0123456789", "9007199254740993", "9" * 254])
def test_a_username_of_digits_is_shown_as_typed_and_found_by_its_location(administrator, username):
    created = administrator.post("/users", json={**NEW, "username": username})
    assert (created.status_code, created.json["username"]) == (201, username)
    assert administrator.get(location(created)).json == created.json
    assert administrator.delete(location(created)).status_code == 204


def test_a_username_of_digits_counts_as_no_id(sandbox, administrator):
    first = administrator.post("/users", json={**NEW, "username": "4503599627370495"}).json["id"]
    assert administrator.post("/users", json=NEW).json["id"] == first + 1


# Privileges: grant


def test_a_privilege_has_exactly_the_members_of_the_contract(administrator):
    privilege = administrator.get("/privileges/alice@acme.test").json
    assert privilege.keys() == {"id", "role", "activeFrom", "activeUntil", "reportsTo", "user"}
    assert privilege["user"].keys() == PUBLIC_PROFILE
    assert type(privilege["id"]) is int


@pytest.mark.parametrize("path", ["/privileges", "/users/gina@globex.test/privilege"])
def test_a_grant_brings_any_account_into_the_tenant(sandbox, administrator, path):
    sandbox.add_user("gina@globex.test", role="USER", tenant="globex")
    body = {"role": "MANAGEMENT", "activeUntil": LATER, "reportsTo": "alice@acme.test"}
    if path == "/privileges":
        body["username"] = "GINA@globex.test"
    granted = administrator.post(path, json=body)
    assert granted.status_code == 201
    assert granted.json["user"]["username"] == "gina@globex.test"
    assert granted.json["activeFrom"] == NOW
    assert granted.json.items() >= {k: v for k, v in body.items() if k != "username"}.items()
    assert administrator.get(location(granted)).json == granted.json
    assert "gina@globex.test" in names(administrator.get("/users"))


def test_an_unknown_user_is_422_in_a_body_and_404_in_a_path(administrator):
    refused = administrator.post(
        "/privileges", json={"username": "nobody@acme.test", "role": "USER"}
    )
    assert list(errors(refused)) == ["username"]
    missing = administrator.post("/users/nobody@acme.test/privilege", json={"role": "USER"})
    assert missing.status_code == 404


def test_ids_grow_over_all_tenants(sandbox, administrator):
    globex = administrator_of(sandbox, "globex")
    ids = []
    for n, client in enumerate((administrator, globex, administrator, globex)):
        sandbox.add_user(f"person{n}@acme.test", role=None, tenant="acme")
        body = {"username": f"person{n}@acme.test", "role": "USER"}
        ids.append(client.post("/privileges", json=body).json["id"])
    assert ids == sorted(set(ids))


touching_or_overlapping = pytest.mark.parametrize(
    "start, end, overlaps",
    [
        ("2026-01-20T00:00:00Z", "2026-01-31T23:59:59Z", False),
        ("2026-01-20T00:00:00Z", "2026-02-01T00:00:00Z", False),
        ("2026-01-20T00:00:00Z", "2026-02-01T00:00:01Z", True),
        ("2026-01-20T00:00:00Z", None, True),
        ("2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z", True),
        ("2026-02-10T00:00:00Z", "2026-02-11T00:00:00Z", True),
        ("2026-02-28T23:59:59Z", None, True),
        ("2026-03-01T00:00:00Z", None, False),
        ("2026-03-01T00:00:01Z", "2026-04-01T00:00:00Z", False),
    ],
)


@touching_or_overlapping
def test_a_grant_may_touch_a_window_of_the_user_and_role_but_not_overlap(
    sandbox, administrator, start, end, overlaps
):
    sandbox.add_user(BOB, role=None, tenant="acme")
    sandbox.grant(BOB, "USER", tenant="acme", active_from=LATER, active_until=LATEST)
    body = {"username": BOB, "role": "USER", "activeFrom": start, "activeUntil": end}
    answer = administrator.post("/privileges", json=body)
    assert answer.status_code == (409 if overlaps else 201)


@touching_or_overlapping
def test_a_changed_window_may_touch_another_but_not_overlap(
    sandbox, administrator, start, end, overlaps
):
    sandbox.add_user(BOB, role=None, tenant="acme")
    sandbox.grant(BOB, "USER", tenant="acme", active_from=LATER, active_until=LATEST)
    far = sandbox.grant(BOB, "USER", tenant="acme", active_from="2040-01-01T00:00:00Z")
    window = {"activeFrom": start, "activeUntil": end}
    answer = administrator.put(f"/privileges/{far}", json=window)
    assert answer.status_code == (409 if overlaps else 200)


def test_another_role_or_another_tenant_may_overlap(sandbox, administrator):
    sandbox.add_user(BOB, role="USER", tenant="acme")
    sandbox.grant(BOB, "MANAGEMENT", tenant="globex")
    body = {"username": BOB, "role": "MANAGEMENT"}
    assert administrator.post("/privileges", json=body).status_code == 201
    assert administrator.post("/privileges", json=body).status_code == 409


def test_a_change_of_role_into_an_overlap_is_a_conflict(sandbox, administrator):
    sandbox.add_user(BOB, role="USER", tenant="acme")
    other = sandbox.grant(BOB, "MANAGEMENT", tenant="acme")
    assert administrator.put(f"/privileges/{other}", json={"role": "USER"}).status_code == 409


def test_an_empty_window_overlaps_nothing(sandbox, administrator):
    sandbox.add_user(BOB, role=None, tenant="acme")
    coming = sandbox.grant(BOB, "USER", tenant="acme", active_from=LATER)
    administrator.delete(f"/privileges/{coming}")
    assert (
        administrator.post("/privileges", json={"username": BOB, "role": "USER"}).status_code == 201
    )


# Privileges: by name


@pytest.mark.parametrize("path", ["/privileges/{}", "/users/{}/privilege"])
@pytest.mark.parametrize(
    "roles", [ROLES[n:] for n in range(len(ROLES))], ids=lambda roles: roles[-1] + str(len(roles))
)
def test_the_effective_privilege_is_the_active_one_with_the_most_reach(
    sandbox, administrator, path, roles
):
    sandbox.add_user(BOB, role=None, tenant="acme")
    for lesser in ROLES:
        if lesser not in roles[1:]:
            sandbox.grant(BOB, lesser, tenant="acme")
        else:
            sandbox.grant(BOB, lesser, tenant="acme", active_from=LATER)
    effective = administrator.get(path.format(BOB)).json
    assert effective["role"] == roles[0]
    me = sandbox.client(sandbox.add_key(BOB, tenant="acme", type="BASIC"))
    assert me.get("/whoami").json["role"] == roles[0]


@pytest.mark.parametrize("path", ["/privileges/{}", "/users/{}/privilege"])
def test_without_an_active_privilege_there_is_no_effective_one(sandbox, administrator, path):
    sandbox.add_user(BOB, role="USER", tenant="acme", active_from=LATER)
    assert administrator.get(path.format(BOB)).status_code == 404
    assert administrator.put(path.format(BOB), json={"role": "MANAGEMENT"}).status_code == 404


@pytest.mark.parametrize("path", ["/privileges/{}", "/users/{}/privilege"])
def test_a_change_by_name_changes_the_effective_privilege(sandbox, administrator, path):
    sandbox.add_user(BOB, role="USER", tenant="acme")
    effective = sandbox.grant(BOB, "MANAGEMENT", tenant="acme")
    changed = administrator.put(path.format(BOB), json={"activeUntil": LATER})
    assert (changed.status_code, changed.json["id"]) == (200, effective)
    assert changed.json["activeUntil"] == LATER
    assert {p["role"]: p["activeUntil"] for p in privileges_of(administrator, BOB)} == {
        "USER": None,
        "MANAGEMENT": LATER,
    }


@pytest.mark.parametrize("path", ["/privileges/{}", "/users/{}/privilege", "/users/{}"])
def test_a_delete_by_name_revokes_all_of_the_users_privileges(sandbox, administrator, path):
    sandbox.add_user(BOB, role="USER", tenant="acme")
    sandbox.grant(BOB, "MANAGEMENT", tenant="acme", active_from=LATER)
    assert administrator.delete(path.format(BOB)).status_code == 204
    ends = [p["activeUntil"] for p in privileges_of(administrator, BOB)]
    assert ends == [NOW, LATER]
    assert administrator.delete(path.format(BOB)).status_code == 204


@pytest.mark.parametrize(
    "path", ["/users/{}", "/users/{}/privilege", "/users/{}/api-keys", "/privileges/{}"]
)
def test_a_name_in_a_path_is_compared_as_usernames_are(sandbox, administrator, path):
    sandbox.add_user("straße@acme.test", role="USER", tenant="acme")
    for spelling in ("STRASSE@acme.test", "straße@ACME.TEST", "\uff33trasse@acme.test"):
        assert administrator.get(path.format(segment(spelling))).status_code == 200


@pytest.mark.parametrize(
    "identity",
    ["0", "-1", "999999999999999999999999", "1" * 5000, "1.0", "+1", "1e0", "%20", "\u0661"],
)
def test_an_id_that_names_no_privilege_is_404(administrator, identity):
    assert administrator.get(f"/privileges/{identity}").status_code == 404


# Privileges: the list


@pytest.mark.parametrize(
    "query, roles",
    [
        ("", ["USER", "TEAM_LEADER", "MANAGEMENT"]),
        ("active=all&", ["USER", "TEAM_LEADER", "MANAGEMENT"]),
        ("active=true&", ["TEAM_LEADER"]),
        ("active=false&", ["USER", "MANAGEMENT"]),
    ],
)
def test_privileges_are_listed_by_creation_past_and_future_too(
    sandbox, administrator, query, roles
):
    sandbox.add_user(BOB, role=None, tenant="acme")
    sandbox.grant(BOB, "USER", tenant="acme", active_from=EARLIER, active_until=NOW)
    sandbox.grant(BOB, "TEAM_LEADER", tenant="acme")
    sandbox.grant(BOB, "MANAGEMENT", tenant="acme", active_from=LATER)
    sandbox.grant(BOB, "USER", tenant="globex")
    found = administrator.get(f"/privileges?{query}q=bob").json
    assert [privilege["role"] for privilege in found] == roles


@pytest.mark.parametrize("q", ["management", "BOB management", "roberta", "mail-word"])
def test_q_seeks_privileges_by_role_and_user(sandbox, administrator, q):
    sandbox.add_user(
        BOB,
        role="MANAGEMENT",
        tenant="acme",
        email="mail-word@x.test",
        firstName="Roberta",
    )
    found = administrator.get(f"/privileges?q={segment(q)}").json
    assert [privilege["user"]["username"] for privilege in found] == [BOB]


# Privileges: change and history


def test_a_change_of_role_keeps_the_window(sandbox, administrator):
    sandbox.add_user(BOB, role=None, tenant="acme")
    one = sandbox.grant(BOB, "USER", tenant="acme", active_from=EARLIER, active_until=LATER)
    before = administrator.get(f"/privileges/{one}").json
    changed = administrator.put(f"/privileges/{one}", json={"role": "MANAGEMENT"})
    assert changed.json == before | {"role": "MANAGEMENT"}


@pytest.mark.parametrize(
    "change",
    [
        {"role": "MANAGEMENT"},
        {"activeUntil": None},
        {"activeUntil": LATER},
        {"activeFrom": "2026-01-02T00:00:00Z"},
        {"reportsTo": "alice@acme.test"},
    ],
)
def test_an_ended_privilege_is_history(sandbox, administrator, change):
    sandbox.add_user(BOB, role=None, tenant="acme")
    ended = sandbox.grant(BOB, "USER", tenant="acme", active_from=EARLIER, active_until=NOW)
    before = administrator.get(f"/privileges/{ended}")
    assert administrator.put(f"/privileges/{ended}", json=change).status_code == 409
    assert administrator.get(f"/privileges/{ended}").data == before.data
    same = administrator.put(f"/privileges/{ended}", json=before.json)
    assert (same.status_code, same.json) == (200, before.json)


@pytest.mark.parametrize(
    "now, status",
    [("2026-01-31T23:59:59Z", 200), ("2026-02-01T00:00:00Z", 409), ("2026-02-01T00:00:01Z", 409)],
)
def test_a_privilege_becomes_history_at_the_second_of_its_end(sandbox, administrator, now, status):
    sandbox.add_user(BOB, role=None, tenant="acme")
    one = sandbox.grant(BOB, "USER", tenant="acme", active_until=LATER)
    sandbox.clock.set(now)
    assert (
        administrator.put(f"/privileges/{one}", json={"role": "MANAGEMENT"}).status_code == status
    )


@pytest.mark.parametrize(
    "start, end, after",
    [
        (EARLIER, None, NOW),
        (EARLIER, LATER, NOW),
        (EARLIER, NOW, NOW),
        (EARLIER, "2026-01-10T00:00:00Z", "2026-01-10T00:00:00Z"),
        (LATER, None, LATER),
        (LATER, LATEST, LATER),
    ],
)
def test_revoking_closes_the_window_now_or_empties_it_and_only_once(
    sandbox, administrator, start, end, after
):
    sandbox.add_user(BOB, role=None, tenant="acme")
    one = sandbox.grant(BOB, "USER", tenant="acme", active_from=start, active_until=end)
    before = administrator.get(f"/privileges/{one}").json
    assert administrator.delete(f"/privileges/{one}").status_code == 204
    revoked = administrator.get(f"/privileges/{one}").json
    assert revoked == before | {"activeUntil": after}
    sandbox.clock.set("2026-06-01T00:00:00Z")
    assert administrator.delete(f"/privileges/{one}").status_code == 204
    assert administrator.get(f"/privileges/{one}").json == revoked


def test_an_empty_window_may_be_sent_back_unchanged(sandbox, administrator):
    sandbox.add_user(BOB, role=None, tenant="acme")
    one = sandbox.grant(BOB, "USER", tenant="acme", active_from=LATER)
    administrator.delete(f"/privileges/{one}")
    empty = administrator.get(f"/privileges/{one}").json
    assert empty["activeFrom"] == empty["activeUntil"] == LATER
    sent_back = administrator.put(f"/privileges/{one}", json=empty)
    assert (sent_back.status_code, sent_back.json) == (200, empty)


# Reporting lines


def test_reports_to_is_shown_as_the_persons_username_and_null_clears_it(sandbox, administrator):
    sandbox.add_user("Lea@acme.test", role="TEAM_LEADER", tenant="acme")
    sandbox.add_user(BOB, role="USER", tenant="acme")
    path = f"/privileges/{privilege_of(administrator, BOB)['id']}"
    changed = administrator.put(path, json={"reportsTo": "LEA@ACME.TEST"})
    assert changed.json["reportsTo"] == "Lea@acme.test"
    assert administrator.put(path, json={"reportsTo": None}).json["reportsTo"] is None


@pytest.mark.parametrize("who", ["nobody@acme.test", "abroad@globex.test", "never@acme.test"])
def test_reports_to_needs_a_privilege_in_the_same_tenant(sandbox, administrator, windows, who):
    sandbox.add_user(BOB, role="USER", tenant="acme")
    path = f"/privileges/{privilege_of(administrator, BOB)['id']}"
    assert list(errors(administrator.put(path, json={"reportsTo": who}))) == ["reportsTo"]


@pytest.mark.parametrize("who", ["active@acme.test", "ended@acme.test", "coming@acme.test"])
def test_reports_to_takes_anyone_with_any_privilege_record(sandbox, administrator, windows, who):
    sandbox.add_user(BOB, role="USER", tenant="acme")
    path = f"/privileges/{privilege_of(administrator, BOB)['id']}"
    assert administrator.put(path, json={"reportsTo": who}).status_code == 200


@pytest.mark.parametrize("spelling", [BOB, BOB.upper()])
def test_nobody_reports_to_themselves(sandbox, administrator, spelling):
    sandbox.add_user(BOB, role="USER", tenant="acme")
    body = {"role": "MANAGEMENT", "reportsTo": spelling}
    assert administrator.post("/privileges", json={"username": BOB, **body}).status_code == 409
    assert administrator.post(f"/users/{BOB}/privilege", json=body).status_code == 409
    path = f"/privileges/{privilege_of(administrator, BOB)['id']}"
    assert administrator.put(path, json={"reportsTo": spelling}).status_code == 409


def line(sandbox, *people, **last):
    """Each reports to the next one; the windows of the last link may be given."""
    for person in people:
        sandbox.add_user(person, role=None, tenant="acme")
    sandbox.grant(people[-1], "USER", tenant="acme")
    for n in range(len(people) - 1, 0, -1):
        window = last if n == len(people) - 1 else {}
        sandbox.grant(people[n - 1], "TEAM_LEADER", tenant="acme", reports_to=people[n], **window)


@pytest.mark.parametrize(
    "window, status",
    [
        ({}, 409),
        ({"active_from": LATER}, 409),
        ({"active_until": LATER}, 409),
        ({"active_from": EARLIER, "active_until": NOW}, 200),
    ],
    ids=["open", "coming", "ending", "ended"],
)
@pytest.mark.parametrize("length", [2, 3, 5])
def test_a_cycle_over_privileges_that_have_not_ended_is_a_conflict(
    sandbox, administrator, window, status, length
):
    people = [f"p{n}@acme.test" for n in range(length)]
    line(sandbox, *people, **window)
    last = privilege_of(administrator, people[-1])["id"]
    before = administrator.get(f"/privileges/{last}").data
    answer = administrator.put(f"/privileges/{last}", json={"reportsTo": people[0]})
    assert answer.status_code == status
    if status == 409:
        assert administrator.get(f"/privileges/{last}").data == before


def test_a_cycle_by_a_new_grant_is_a_conflict(sandbox, administrator):
    line(sandbox, "a@acme.test", "b@acme.test")
    body = {"username": "b@acme.test", "role": "MANAGEMENT", "reportsTo": "a@acme.test"}
    assert administrator.post("/privileges", json=body).status_code == 409
    del body["username"]
    assert administrator.post("/users/b@acme.test/privilege", json=body).status_code == 409


def test_a_privilege_that_has_ended_when_it_is_recorded_closes_no_cycle(sandbox, administrator):
    line(sandbox, "a@acme.test", "b@acme.test")
    past = {"activeFrom": EARLIER, "activeUntil": NOW, "reportsTo": "a@acme.test"}
    body = {"username": "b@acme.test", "role": "MANAGEMENT", **past}
    assert administrator.post("/privileges", json=body).status_code == 201


def test_two_lines_that_meet_are_no_cycle(sandbox, administrator):
    line(sandbox, "a@acme.test", "b@acme.test", "c@acme.test")
    body = {"username": "a@acme.test", "role": "USER", "reportsTo": "c@acme.test"}
    assert administrator.post("/privileges", json=body).status_code == 201


def test_lines_of_another_tenant_make_no_cycle(sandbox, administrator):
    line(sandbox, "a@acme.test", "b@acme.test")
    sandbox.grant("a@acme.test", "USER", tenant="globex")
    globex = administrator_of(sandbox, "globex")
    body = {"username": "b@acme.test", "role": "USER", "reportsTo": "a@acme.test"}
    assert globex.post("/privileges", json=body).status_code == 201


@pytest.mark.parametrize(
    "role, sees",
    [
        ("USER", {"me@acme.test"}),
        ("TEAM_LEADER", {"me@acme.test", "direct@acme.test"}),
        ("MANAGEMENT", {"me@acme.test", "direct@acme.test", "second@acme.test", "third@acme.test"}),
    ],
)
def test_lists_are_filtered_to_those_who_report_and_totals_count_after_it(sandbox, role, sees):
    me = caller(sandbox, role, username="me@acme.test")
    above = "me@acme.test"
    for name in ("direct@acme.test", "second@acme.test", "third@acme.test"):
        sandbox.add_user(name, role="USER", tenant="acme", reports_to=above)
        above = name
    sandbox.add_user("aside@acme.test", role="USER", tenant="acme")
    for path in ("/users", "/users?q=acme", "/users?active=all"):
        answer = me.get(path)
        assert set(names(answer)) == sees
        assert answer.headers["X-Total-Count"] == str(len(sees))
    answer = me.get("/privileges")
    assert {privilege["user"]["username"] for privilege in answer.json} == sees
    assert answer.headers["X-Total-Count"] == str(len(sees))


@pytest.mark.parametrize("role", ["INTERNAL_AUDITING", "ADMINISTRATOR"])
def test_auditors_and_administrators_see_everybody(sandbox, windows, role):
    me = caller(sandbox, role, username="me@acme.test")
    assert set(names(me.get("/users?active=all"))) == {
        "active@acme.test",
        "alice@acme.test",
        "coming@acme.test",
        "ended@acme.test",
        "me@acme.test",
    }


@pytest.mark.parametrize(
    "now, seen",
    [
        ("2026-01-31T23:59:59Z", False),
        ("2026-02-01T00:00:00Z", True),
        ("2026-02-28T23:59:59Z", True),
        ("2026-03-01T00:00:00Z", False),
    ],
)
@pytest.mark.parametrize("role", ["TEAM_LEADER", "MANAGEMENT"])
def test_a_reporting_line_counts_while_its_privilege_is_active(sandbox, now, seen, role):
    me = caller(sandbox, role, username="me@acme.test")
    sandbox.add_user(BOB, role="USER", tenant="acme")
    sandbox.grant(
        BOB,
        "MANAGEMENT",
        tenant="acme",
        active_from=LATER,
        active_until=LATEST,
        reports_to="me@acme.test",
    )
    sandbox.clock.set(now)
    assert (BOB in names(me.get("/users?active=all"))) is seen
    assert me.get(f"/users/{BOB}").status_code == (200 if seen else 404)


def test_a_broken_link_hides_those_below_it(sandbox):
    me = caller(sandbox, "MANAGEMENT", username="me@acme.test")
    sandbox.add_user(
        "middle@acme.test",
        role="USER",
        tenant="acme",
        active_until=LATER,
        reports_to="me@acme.test",
    )
    sandbox.add_user(BOB, role="USER", tenant="acme", reports_to="middle@acme.test")
    assert me.get(f"/users/{BOB}").status_code == 200
    sandbox.clock.set(LATER)
    assert me.get(f"/users/{BOB}").status_code == 404


def test_who_sees_a_user_sees_all_of_their_privileges_in_the_tenant(sandbox):
    me = caller(sandbox, "TEAM_LEADER", username="me@acme.test")
    sandbox.add_user(BOB, role="USER", tenant="acme", reports_to="me@acme.test")
    sandbox.grant(BOB, "MANAGEMENT", tenant="acme", active_from=LATER)
    assert len(privileges_of(me, BOB)) == 2
    assert len(me.get(f"/users/{BOB}").json["tenantUserPrivileges"]) == 2


def test_only_the_effective_privilege_says_what_one_sees(sandbox):
    me = caller(sandbox, "TEAM_LEADER", username="me@acme.test")
    sandbox.grant("me@acme.test", "MANAGEMENT", tenant="acme", active_until=LATER)
    sandbox.add_user("direct@acme.test", role="USER", tenant="acme", reports_to="me@acme.test")
    sandbox.add_user(BOB, role="USER", tenant="acme", reports_to="direct@acme.test")
    assert me.get(f"/users/{BOB}").status_code == 200
    sandbox.clock.set(LATER)
    assert me.get(f"/users/{BOB}").status_code == 404
    assert me.get("/users/direct@acme.test").status_code == 200


def test_order_and_q_tell_nothing_about_those_one_may_not_see(sandbox):
    me = caller(sandbox, "USER", username="me@acme.test")
    for query in ("q=alice", "order=-id&q=alice", "q=ADMINISTRATOR"):
        for path in ("/users", "/privileges"):
            answer = me.get(f"{path}?{query}")
            assert (answer.json, answer.headers["X-Total-Count"]) == ([], "0")


# The last administrator


ALICE = "alice@acme.test"


def endings(sandbox, administrator):
    """Every single change that ends or narrows alice's privilege."""
    identity = privilege_of(administrator, ALICE)["id"]
    by_id, by_name = f"/privileges/{identity}", f"/privileges/{ALICE}"
    own = f"/users/{ALICE}/privilege"
    changes = (
        {"role": "MANAGEMENT"},
        {"activeUntil": LATER},
        {"activeUntil": "9999-12-31T23:59:59Z"},
        {"activeFrom": LATER},
    )
    for path in (by_id, by_name, own):
        yield "delete", path, {}
        for change in changes:
            yield "put", path, {"json": change}
    yield "delete", f"/users/{ALICE}", {}


@pytest.mark.parametrize("nth", range(16))
def test_no_change_leaves_a_tenant_without_its_last_administrator(sandbox, administrator, nth):
    verb, path, request = list(endings(sandbox, administrator))[nth]
    before = administrator.get(f"/privileges/{ALICE}").data
    refused = getattr(administrator, verb)(path, **request)
    assert (refused.status_code, refused.mimetype) == (409, "application/problem+json")
    assert administrator.get(f"/privileges/{ALICE}").data == before


@pytest.mark.parametrize(
    ("standing_in", "gap"),
    [
        ([], f"from {NOW} on"),
        ([(LATER, None)], f"from {NOW} until {LATER}"),
        ([(EARLIER, LATER)], f"from {LATER} on"),
        ([(EARLIER, LATER), (LATEST, None)], f"from {LATER} until {LATEST}"),
        ([(EARLIER, SOON), (SOON, LATER), (LATEST, None)], f"from {LATER} until {LATEST}"),
        ([(LATER, LATEST)], f"from {NOW} until {LATER}"),
    ],
)
def test_the_conflict_says_when_the_tenant_would_have_no_administrator(
    sandbox, administrator, standing_in, gap
):
    for number, (begins, ends) in enumerate(standing_in):
        username = f"deputy{number}@acme.test"
        sandbox.add_user(
            username, role="ADMINISTRATOR", tenant="acme", active_from=begins, active_until=ends
        )
    detail = administrator.delete(f"/users/{ALICE}").json["detail"]
    assert f"without an ADMINISTRATOR {gap}. " in detail


@pytest.mark.parametrize("nth", range(16))
def test_with_a_second_open_ended_administrator_the_first_may_go(sandbox, administrator, nth):
    sandbox.add_user(BOB, role="ADMINISTRATOR", tenant="acme")
    verb, path, request = list(endings(sandbox, administrator))[nth]
    assert getattr(administrator, verb)(path, **request).status_code in {200, 204}


@pytest.mark.parametrize(
    "second",
    [
        {"active_until": "2999-01-01T00:00:00Z"},
        {"active_from": LATER},
        {"active_from": EARLIER, "active_until": NOW},
        {"tenant": "globex"},
        {"role": "INTERNAL_AUDITING"},
    ],
    ids=["ending", "coming", "ended", "elsewhere", "another role"],
)
def test_only_an_administrator_from_now_on_without_an_end_counts(sandbox, administrator, second):
    sandbox.add_user(BOB, **{"role": "ADMINISTRATOR", "tenant": "acme"} | second)
    assert administrator.delete(f"/users/{ALICE}").status_code == 409


@pytest.mark.parametrize(
    ("ends", "status"), [(SOON, 409), (LATER, 200), (LATEST, 200)], ids=["before", "at", "after"]
)
def test_a_handover_is_scheduled_when_the_successor_begins_no_later(
    sandbox, administrator, ends, status
):
    sandbox.add_user(BOB, role="ADMINISTRATOR", tenant="acme", active_from=LATER)
    identity = privilege_of(administrator, ALICE)["id"]
    answer = administrator.put(f"/privileges/{identity}", json={"activeUntil": ends})
    assert answer.status_code == status


def test_administrators_whose_windows_meet_stand_in_for_one(sandbox, administrator):
    sandbox.add_user(BOB, role="ADMINISTRATOR", tenant="acme", active_until=LATER)
    sandbox.add_user("cleo@acme.test", role="ADMINISTRATOR", tenant="acme", active_from=LATER)
    assert administrator.delete(f"/users/{ALICE}").status_code == 204


@pytest.mark.parametrize(
    "change", [{"role": "USER"}, {"activeUntil": LATEST}, {"activeFrom": LATEST}]
)
def test_the_coming_administrator_of_a_handover_stays(sandbox, administrator, change):
    sandbox.add_user(BOB, role="ADMINISTRATOR", tenant="acme", active_from=LATER)
    identity = privilege_of(administrator, ALICE)["id"]
    administrator.put(f"/privileges/{identity}", json={"activeUntil": LATER})
    bobs = administrator.get(f"/users/{BOB}").json["tenantUserPrivileges"][0]["id"]
    answer = administrator.put(f"/privileges/{bobs}", json=change)
    assert answer.status_code == 409


def test_an_administrator_whose_second_privilege_stays_open_may_lose_the_first(
    sandbox, administrator
):
    identity = privilege_of(administrator, ALICE)["id"]
    sandbox.grant(ALICE, "MANAGEMENT", tenant="acme")
    assert administrator.delete(f"/privileges/{identity}").status_code == 409


def test_an_administrator_with_an_end_is_the_last_one_until_then(sandbox):
    sandbox.add_user("gina@globex.test", role="ADMINISTRATOR", tenant="globex", active_until=LATER)
    globex = administrator_of(sandbox, "globex")
    assert globex.delete("/users/gina@globex.test").status_code == 409


def test_a_tenant_without_an_administrator_may_go_on_without(sandbox):
    sandbox.add_user("gina@globex.test", role="USER", tenant="globex")
    globex = administrator_of(sandbox, "globex")
    assert globex.delete("/users/gina@globex.test").status_code == 204


def test_changes_that_leave_the_last_administrator_in_place_are_allowed(sandbox, administrator):
    identity = privilege_of(administrator, ALICE)["id"]
    sandbox.add_user(BOB, role="USER", tenant="acme")
    for change in ({"activeFrom": EARLIER}, {"reportsTo": BOB}, {"activeUntil": None}):
        assert administrator.put(f"/privileges/{identity}", json=change).status_code == 200
    assert administrator.delete(f"/users/{BOB}").status_code == 204


def test_a_tenant_only_key_cannot_remove_the_last_administrator_either(sandbox, administrator):
    assert administrator_of(sandbox, "acme").delete(f"/users/{ALICE}").status_code == 409


def test_an_administrator_may_step_down_when_another_stays(sandbox, administrator):
    bob = caller(sandbox, "ADMINISTRATOR", username=BOB)
    assert bob.put(f"/users/{BOB}/privilege", json={"role": "USER"}).status_code == 200
    assert bob.get("/whoami").json["role"] == "USER"
    assert administrator.delete(f"/users/{ALICE}").status_code == 409


# whoami


def test_whoami_tells_who_asks_and_for_whom(sandbox):
    sandbox.add_user(BOB, role="MANAGEMENT", tenant="acme", firstName="Bob")
    token = sandbox.add_key(BOB, tenant="acme", type="QUERY_ONLY")
    me = sandbox.client(token).get("/whoami").json
    assert me.keys() == {"keyType", "user", "tenant", "role", "can"}
    assert (me["keyType"], me["role"]) == ("QUERY_ONLY", "MANAGEMENT")
    assert me["user"].keys() == PUBLIC_PROFILE
    assert (me["user"]["username"], me["user"]["firstName"]) == (BOB, "Bob")
    assert me["tenant"].keys() == {"label", "name"}
    assert me["tenant"]["label"] == "acme"
    assert token not in json.dumps(me)


def test_whoami_of_a_tenant_only_key_is_an_administrator_without_a_user(sandbox):
    me = administrator_of(sandbox, "globex").get("/whoami").json
    assert (me["user"], me["role"], me["tenant"]["label"]) == (None, "ADMINISTRATOR", "globex")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("key", ["BASIC", "QUERY_ONLY"])
def test_can_follows_the_key_and_the_role(sandbox, role, key):
    can = {"read"}
    if key == "BASIC":
        can |= {"write"} if role != "INTERNAL_AUDITING" else set()
        can |= {"makeKeys"} if role == "ADMINISTRATOR" else set()
    shown = caller(sandbox, role, key=key).get("/whoami").json["can"]
    assert (sorted(shown), len(shown)) == (sorted(can), len(can))


@pytest.mark.parametrize("key, can", [("BASIC", 3), ("QUERY_ONLY", 1)])
def test_can_of_a_tenant_only_key_is_an_administrators(sandbox, key, can):
    client = sandbox.client(sandbox.add_key(None, tenant="acme", type=key))
    assert len(client.get("/whoami").json["can"]) == can
