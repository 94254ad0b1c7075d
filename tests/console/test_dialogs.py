"""Dialogs that make, change and remove records."""

import re

import pytest
from playwright.sync_api import expect

from provisioning.domain import roles

pytestmark = pytest.mark.slow


def save(page):
    page.get_by_role("dialog").get_by_role("button", name="Save").click()


def saved(page):
    save(page)
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_new_user(server, sign_in):
    page = sign_in("users")
    page.get_by_role("button", name="New user").click()
    for label, text in {
        "Username": "bob@acme.test",
        "Email": "bob@acme.test",
        "First name": "Bob",
        "Last name": "Baker",
        "Password": "correct horse",
        "Active until": "2040-06-01T12:30",
        "Reports to": "alice@acme.test",
    }.items():
        page.get_by_label(label, exact=True).fill(text)
    page.get_by_label("Role").select_option("TEAM_LEADER")
    saved(page)
    expect(page.get_by_role("heading", name="Bob Baker")).to_be_visible()
    user = server.administrator.get("/users/bob@acme.test").json()
    (privilege,) = user["tenantUserPrivileges"]
    assert privilege["role"] == "TEAM_LEADER"
    assert privilege["activeUntil"] == "2040-06-01T10:30:00Z"
    assert privilege["reportsTo"] == "alice@acme.test"


def test_errors_stand_beside_their_fields_and_nothing_typed_is_lost(sign_in):
    page = sign_in("users")
    page.get_by_role("button", name="New user").click()
    page.get_by_label("Username").fill("bob@acme.test")
    page.get_by_label("Email").fill("no address")
    page.get_by_label("Active until").fill("1999-01-01T00:00")
    page.get_by_text("More").click()
    page.get_by_label("Birth year").fill("soon")
    save(page)
    for label, message in {
        "Email": "Must be an email address: something@somewhere.",
        "Birth year": "Not a valid integer.",
    }.items():
        field = page.get_by_label(label, exact=True)
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_have_accessible_description(re.compile(re.escape(message)))
    expect(page.get_by_label("Username")).to_have_value("bob@acme.test")
    expect(page.get_by_label("Birth year")).to_have_value("soon")
    expect(page.get_by_label("Email")).to_be_focused()


def test_an_error_in_the_first_privilege_stands_at_its_field(sign_in):
    page = sign_in("users")
    page.get_by_role("button", name="New user").click()
    page.get_by_label("Username").fill("bob@acme.test")
    page.get_by_label("Email").fill("bob@acme.test")
    page.get_by_label("Password", exact=True).fill("x")
    page.get_by_label("Active from").fill("2030-01-01T00:00")
    page.get_by_label("Active until").fill("2029-01-01T00:00")
    save(page)
    expect(page.get_by_label("Active until")).to_have_accessible_description(
        re.compile("Must be later than “Active from”, or empty for no end")
    )


def test_a_user_needs_no_password_and_the_email_is_proposed(server, sign_in):
    page = sign_in("users")
    page.get_by_role("button", name="New user").click()
    page.get_by_label("Username").press_sequentially("bob@acme.test")
    expect(page.get_by_label("Email")).to_have_value("bob@acme.test")
    saved(page)
    expect(page.get_by_text("Created bob@acme.test.")).to_be_visible()
    (sent,) = server.requests.find(method="POST", path="/users")
    assert sent["requestBody"]["password"] == "********"
    assert server.administrator.get("/users/bob@acme.test").json()["email"] == "bob@acme.test"


def test_an_email_that_one_has_typed_is_kept_when_the_username_changes(sign_in):
    page = sign_in("users")
    page.get_by_role("button", name="New user").click()
    page.get_by_label("Username").fill("bob@acme.test")
    page.get_by_label("Email").fill("robert@acme.test")
    page.get_by_label("Username").fill("gate-7")
    expect(page.get_by_label("Email")).to_have_value("robert@acme.test")


def test_errors_are_in_words_for_people(sign_in):
    page = sign_in("dashboards")
    page.get_by_role("button", name="New dashboard").click()
    save(page)
    for label in ("Title", "Menu label", "Label"):
        expect(page.get_by_label(label, exact=True)).to_have_accessible_description(
            re.compile("Fill this in")
        )
    expect(page.get_by_text("Missing data")).to_have_count(0)


def test_an_instant_in_an_error_is_that_of_the_browsers_zone(server, sign_in):
    server.add_user("bob@acme.test", active_from="2019-07-01T10:00:00Z")
    page = sign_in("users/bob%40acme.test")
    page.get_by_role("button", name="New privilege").click()
    page.get_by_label("Role").select_option("USER")
    save(page)
    expect(page.get_by_role("alert")).to_contain_text("1 Jul 2019, 12:00")


@pytest.mark.parametrize(
    ("label", "typed", "sent"),
    [
        ("Active from", "2040-06-01", "2040-05-31T22:00:00Z"),
        ("Active until", "2040-06-01", "2040-06-01T22:00:00Z"),
        ("Active until", "2040-06-01 12:30", "2040-06-01T10:30:00Z"),
        ("Active until", "2040-06-01T12:30:15Z", "2040-06-01T12:30:15Z"),
        ("Active until", " 2040-12-31 ", "2040-12-31T23:00:00Z"),
    ],
)
def test_a_day_is_its_beginning_or_as_an_end_its_end(server, sign_in, label, typed, sent):
    page = sign_in("domain-mappings")
    page.get_by_role("button", name="New domain mapping").click()
    page.get_by_label("Domain").fill("insight.acme.example")
    page.get_by_label(label).fill(typed)
    saved(page)
    (mapping,) = server.administrator.get("/domain-mapping").json()
    assert mapping["activeFrom" if label == "Active from" else "activeUntil"] == sent


@pytest.mark.parametrize("typed", ["2040-02-30", "1 June", "2040-06-01 25:00", "06/01/2040"])
def test_what_is_no_day_is_refused_with_an_example(sign_in, typed):
    page = sign_in("domain-mappings")
    page.get_by_role("button", name="New domain mapping").click()
    page.get_by_label("Active until").fill(typed)
    save(page)
    expect(page.get_by_label("Active until")).to_have_accessible_description(
        re.compile("2026-12-31 18:00")
    )


def test_a_day_is_taken_from_the_calendar_and_keeps_the_time(sign_in):
    page = sign_in("domain-mappings")
    page.get_by_role("button", name="New domain mapping").click()
    page.get_by_label("Calendar").last.fill("2040-06-01")
    expect(page.get_by_label("Active until")).to_have_value("2040-06-01")
    page.get_by_label("Active until").fill("2040-06-01 12:30")
    page.get_by_label("Calendar").last.fill("2041-07-02")
    expect(page.get_by_label("Active until")).to_have_value("2041-07-02 12:30")


def test_half_a_date_is_said_and_not_taken_for_none(server, sign_in):
    page = sign_in("users/alice%40acme.test")
    page.get_by_role("button", name="New privilege").click()
    page.get_by_label("Role").select_option("USER")
    page.get_by_label("Active until").press_sequentially("01")
    save(page)
    expect(page.get_by_label("Active until")).to_have_accessible_description(
        re.compile("Is not complete")
    )
    assert len(server.administrator.get("/privileges").json()) == 1


def test_a_user_who_exists_is_offered_a_privilege_instead(server, sign_in):
    server.add_tenant("globex")
    server.add_user("greta@globex.test", tenant="globex")
    page = sign_in("users")
    page.get_by_role("button", name="New user").click()
    page.get_by_label("Username").fill("greta@globex.test")
    page.get_by_label("Email").fill("greta@globex.test")
    page.get_by_label("Password", exact=True).fill("x")
    save(page)
    expect(page.get_by_role("alert")).to_contain_text("exists already")
    page.get_by_role("button", name="New privilege of greta@globex.test").click()
    page.get_by_label("Role").select_option("USER")
    saved(page)
    assert server.administrator.get("/users/greta@globex.test").status_code == 200


def test_a_server_that_does_not_answer_loses_nothing(server, sign_in):
    page = sign_in("domain-mappings")
    page.get_by_role("button", name="New domain mapping").click()
    page.get_by_label("Domain").fill("insight.acme.example")
    server.faults.add("/domain-mapping", method="POST", status=503, times=1)
    save(page)
    expect(page.get_by_role("alert")).to_contain_text("injected")
    expect(page.get_by_label("Domain")).to_have_value("insight.acme.example")
    saved(page)
    expect(page.get_by_role("button", name="insight.acme.example")).to_be_visible()


def edit_bob(server, sign_in):
    server.add_user("bob@acme.test", firstName="Bob", lastName="Baker")
    page = sign_in("users/bob%40acme.test")
    page.get_by_role("button", name="Change profile").click()
    expect(page.get_by_label("First name")).to_have_value("Bob")
    return page


def test_a_change_sends_only_what_was_changed(server, sign_in):
    page = edit_bob(server, sign_in)
    page.get_by_label("First name").fill("Robert")
    saved(page)
    expect(page.get_by_role("heading", name="Robert Baker")).to_be_visible()
    (sent,) = server.requests.find(method="PUT")
    assert sent["requestBody"] == {"firstName": "Robert"}
    assert "If-Match" in sent["headers"]


def test_who_was_faster_is_not_overwritten_and_what_differs_is_shown(server, sign_in):
    page = edit_bob(server, sign_in)
    page.get_by_label("First name").fill("Robert")
    server.administrator.put(
        "/users/bob@acme.test", json={"firstName": "Bobby", "lastName": "Butcher"}
    )
    save(page)
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Somebody was faster")
    expect(dialog).not_to_contain_text("If-Match")
    row = dialog.get_by_role("row", name="First name")
    assert row.get_by_role("cell").all_inner_texts() == ["Bobby", "Bob", "Robert"]
    expect(page.get_by_label("First name")).to_have_value("Robert")
    assert server.administrator.get("/users/bob@acme.test").json()["firstName"] == "Bobby"

    page.get_by_role("button", name="Load the newer record").click()
    expect(page.get_by_label("First name")).to_have_value("Bobby")
    expect(page.get_by_label("Last name")).to_have_value("Butcher")


def test_what_was_typed_can_be_kept_on_top_of_the_newer_record(server, sign_in):
    page = edit_bob(server, sign_in)
    page.get_by_label("First name").fill("Robert")
    server.administrator.put("/users/bob@acme.test", json={"lastName": "Butcher"})
    save(page)
    page.get_by_role("button", name="Load it and keep what I typed").click()
    saved(page)
    user = server.administrator.get("/users/bob@acme.test").json()
    assert (user["firstName"], user["lastName"]) == ("Robert", "Butcher")


def test_escape_does_not_drop_what_was_typed_at_once(server, sign_in):
    page = edit_bob(server, sign_in)
    page.get_by_label("First name").fill("Robert")
    page.keyboard.press("Escape")
    expect(page.get_by_text("Nothing is saved yet.")).to_be_visible()
    expect(page.get_by_label("First name")).to_have_value("Robert")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Change profile")).to_be_focused()


def test_a_profile_is_not_changed_here_when_its_home_is_elsewhere(server, sign_in):
    server.add_tenant("globex")
    server.add_user("greta@globex.test", tenant="globex")
    server.grant("greta@globex.test", "USER")
    page = sign_in("users/greta%40globex.test")
    expect(page.get_by_text("at home in another tenant")).to_be_visible()
    expect(page.get_by_role("button", name="Change profile")).to_have_count(0)


def test_a_privilege_is_granted_changed_and_revoked_on_the_users_page(server, sign_in):
    server.add_user("bob@acme.test")
    page = sign_in("users/bob%40acme.test")
    page.get_by_role("button", name="New privilege").click()
    page.get_by_label("Role").select_option("MANAGEMENT")
    saved(page)
    row = page.get_by_role("row", name="MANAGEMENT")
    row.get_by_role("button", name="Change").click()
    page.get_by_label("Active until").fill("2040-01-01T00:00")
    saved(page)
    expect(row).to_contain_text("1 Jan 2040, 00:00")

    # Revoked in the second in which it began, it would never have been active.
    page.wait_for_timeout(1_100)
    row.get_by_role("button", name="Revoke").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("bob@acme.test loses the role MANAGEMENT now")
    dialog.get_by_role("button", name="Cancel").click()
    row.get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(row).to_contain_text("ended")
    expect(row.get_by_role("button")).to_have_count(0)


@pytest.fixture
def bobs_privilege(server, sign_in):
    """The page of bob, his one privilege, and how another administrator changes it."""
    server.add_user("bob@acme.test")
    page = sign_in("users/bob%40acme.test")
    row = page.get_by_role("row", name="USER")
    expect(row).to_contain_text("no end")
    (held,) = server.administrator.get("/privileges?user=bob@acme.test").json()
    change = {"activeUntil": "2040-01-01T00:00:00Z"}
    path = f"/privileges/{held['id']}"
    return page, row, path, lambda: server.administrator.put(path, json=change)


def test_before_something_is_removed_one_is_told_what_of_it_has_changed(bobs_privilege):
    page, row, _, change = bobs_privilege
    change()
    row.get_by_role("button", name="Revoke").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Somebody was faster")
    expect(dialog.locator(".members")).to_have_text("Active until1 Jan 2040, 01:00")


def test_what_changes_while_one_is_asked_is_not_removed(server, bobs_privilege):
    page, row, path, change = bobs_privilege
    row.get_by_role("button", name="Revoke").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("loses the role USER now")
    change()
    dialog.get_by_role("button", name="Revoke").click()
    expect(dialog).to_contain_text("Somebody was faster")
    assert server.administrator.get(path).json()["activeUntil"] == "2040-01-01T00:00:00Z"
    dialog.get_by_role("button", name="Revoke").click()
    expect(dialog).to_have_count(0)
    assert server.administrator.get(path).json()["activeUntil"] < "2040"


def test_what_is_gone_already_is_said(server, sign_in):
    server.administrator.post("/domain-mapping", json={"domain": "insight.acme.example"})
    page = sign_in("domain-mappings")
    expect(page.get_by_role("status")).to_have_text("1 domain mapping")
    server.administrator.delete("/domain-mapping/insight.acme.example")
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("no such record")


def test_privileges_over_time_are_drawn_and_each_bar_says_its_window(server, sign_in):
    server.add_user(
        "bob@acme.test", active_from="2020-01-01T00:00:00Z", active_until="2021-01-01T00:00:00Z"
    )
    server.grant("bob@acme.test", "MANAGEMENT", active_from="2022-01-01T00:00:00Z")
    page = sign_in("users/bob%40acme.test")
    past = page.get_by_role(
        "img", name="USER from 1 Jan 2020, 01:00 until 1 Jan 2021, 01:00, ended"
    )
    expect(past).to_be_visible()
    past.focus()
    expect(page.locator("figcaption")).to_contain_text("USER from 1 Jan 2020")
    current = page.get_by_role("img", name="MANAGEMENT from 1 Jan 2022, 01:00 without end, active")
    current.hover()
    expect(page.locator("figcaption")).to_contain_text("MANAGEMENT from 1 Jan 2022")
    assert past.bounding_box()["x"] < current.bounding_box()["x"]


def test_after_all_is_revoked_the_focus_stays_where_it_was_worked(server, sign_in):
    server.add_user("bob@acme.test")
    page = sign_in("users/bob%40acme.test")
    page.get_by_role("button", name="Revoke all").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke all").click()
    expect(page.get_by_role("button", name="Revoke all")).to_have_count(0)
    expect(page.get_by_role("button", name="Change profile")).to_be_focused()


def test_after_a_row_is_removed_the_focus_is_in_the_next(server, sign_in):
    for number in range(3):
        server.administrator.post("/domain-mapping", json={"domain": f"m{number}.acme.example"})
    page = sign_in("domain-mappings")
    page.get_by_role("row", name="m1.").get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_role("row", name="m1.")).to_have_count(0)
    expect(page.get_by_role("button", name="m2.acme.example")).to_be_focused()


def test_where_a_page_button_ends_the_focus_stays_among_them(server, sign_in):
    for number in range(21):
        server.administrator.post("/domain-mapping", json={"domain": f"m{number:02}.acme.example"})
    page = sign_in("domain-mappings")
    page.get_by_role("button", name="Next page").press("Enter")
    expect(page.get_by_role("status")).to_have_text("21 domain mappings, 21\u201321 shown")
    expect(page.get_by_role("button", name="Previous page")).to_be_focused()


def test_the_users_history_is_that_of_the_last_change(server, sign_in):
    page = sign_in("users/alice%40acme.test")
    expect(page.get_by_text("Nothing is recorded here.")).to_be_visible()
    page.get_by_role("button", name="Change profile").click()
    page.get_by_label("First name").fill("Alicia")
    saved(page)
    expect(page.get_by_role("row", name="change users")).to_be_visible()


def test_revoking_ones_own_rights_warns(server, sign_in):
    server.add_user("bob@acme.test", roles.ADMINISTRATOR)
    page = sign_in("users/bob%40acme.test", token=server.add_key("bob@acme.test"))
    page.get_by_role("button", name="Revoke all").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("These are your own rights")
    dialog.get_by_role("button", name="Revoke all").click()
    expect(page.get_by_role("dialog", name="Your session has ended")).to_contain_text(
        "no active privilege"
    )


def test_the_last_administrator_stays_and_it_is_said_when_nobody_would_be_one(server, sign_in):
    server.add_user("bob@acme.test", roles.ADMINISTRATOR, active_until="2040-06-01T10:00:00Z")
    page = sign_in("users/alice%40acme.test")
    page.get_by_role("button", name="Revoke all").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke all").click()
    alert = page.get_by_role("dialog").get_by_role("alert")
    expect(alert).to_contain_text("without an ADMINISTRATOR from 1 Jun 2040, 12:00 on")
    expect(alert).to_contain_text("Hand over")


def hand_over(page, to, begin=""):
    page.get_by_role("button", name="Hand over").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Username").fill(to)
    dialog.get_by_label("Active from").fill(begin)
    dialog.get_by_role("button", name="Hand over").click()
    return dialog


def windows(server, username):
    held = server.administrator.get(f"/privileges?user={username}&role=ADMINISTRATOR").json()
    return [(each["activeFrom"], each["activeUntil"]) for each in held]


def test_administration_is_handed_over_on_a_day_in_one_go(server, sign_in):
    server.add_user("bob@acme.test")
    page = sign_in("users/alice%40acme.test")
    dialog = hand_over(page, "bob@acme.test", "2040-06-01")
    expect(dialog).to_have_count(0)
    expect(page.get_by_text("Handed over.")).to_be_visible()
    assert windows(server, "bob@acme.test") == [("2040-05-31T22:00:00Z", None)]
    assert windows(server, "alice@acme.test")[0][1] == "2040-05-31T22:00:00Z"
    # The successor's window comes first.
    sent = [each["method"] for each in server.requests.find(console=True, path="/privileges**")]
    assert sent[sent.index("POST") :][:2] == ["POST", "PUT"]


def test_what_is_handed_over_now_is_the_others_at_once(server, sign_in):
    server.add_user("bob@acme.test")
    server.add_user("carl@acme.test", roles.ADMINISTRATOR)
    page = sign_in("users/carl%40acme.test")
    expect(hand_over(page, "bob@acme.test")).to_have_count(0)
    ((_, ended),) = windows(server, "carl@acme.test")
    ((begun, until),) = windows(server, "bob@acme.test")
    assert (until, begun <= ended) == (None, True)


def test_of_a_window_with_an_end_the_rest_is_handed_over(server, sign_in):
    server.add_user("bob@acme.test")
    server.add_user("carl@acme.test", roles.ADMINISTRATOR, active_until="2041-01-01T00:00:00Z")
    page = sign_in("users/carl%40acme.test")
    expect(hand_over(page, "bob@acme.test", "2040-06-01")).to_have_count(0)
    assert windows(server, "bob@acme.test") == [("2040-05-31T22:00:00Z", "2041-01-01T00:00:00Z")]


def test_to_who_administers_already_nothing_is_granted_twice(server, sign_in):
    server.add_user("bob@acme.test", roles.ADMINISTRATOR)
    before = windows(server, "bob@acme.test")
    page = sign_in("users/alice%40acme.test")
    expect(hand_over(page, "bob@acme.test", "2040-06-01")).to_have_count(0)
    assert windows(server, "bob@acme.test") == before
    assert windows(server, "alice@acme.test")[0][1] == "2040-05-31T22:00:00Z"


@pytest.mark.parametrize(("begin", "verb"), [("", "DELETE"), ("2040-06-01", "PUT")])
def test_a_hand_over_whose_second_half_fails_is_undone(server, sign_in, begin, verb):
    server.add_user("bob@acme.test")
    server.add_user("carl@acme.test", roles.ADMINISTRATOR)
    before = windows(server, "carl@acme.test")
    page = sign_in("users/carl%40acme.test")
    page.get_by_role("button", name="Hand over").wait_for()
    server.faults.add("/privileges/*", method=verb, status=503, times=1)
    dialog = hand_over(page, "bob@acme.test", begin)
    expect(dialog.get_by_role("alert")).to_contain_text("Nothing is handed over.")
    assert windows(server, "carl@acme.test") == before
    ((begun, until),) = windows(server, "bob@acme.test")
    assert until <= max(begun, server.clock.now())
    dialog.get_by_role("button", name="Hand over").click()
    expect(dialog).to_have_count(0)
    assert windows(server, "carl@acme.test") != before


def test_who_hands_over_the_own_rights_now_is_told_and_has_them_no_longer(server, sign_in):
    server.add_user("bob@acme.test")
    page = sign_in("users/alice%40acme.test")
    page.get_by_role("button", name="Hand over").click()
    expect(page.get_by_role("dialog")).to_contain_text("These are your own rights")
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    hand_over(page, "bob@acme.test")
    expect(page.get_by_role("dialog", name="Your session has ended")).to_be_visible()
    assert server.client(server.add_key("bob@acme.test")).get("/users").status_code == 200


def test_to_nobody_known_nothing_is_handed_over(sign_in):
    page = sign_in("users/alice%40acme.test")
    dialog = hand_over(page, "nobody@acme.test")
    expect(dialog.get_by_label("Username")).to_have_accessible_description(
        re.compile("There is no such user")
    )


def test_a_plain_user_changes_their_own_profile_and_nothing_else(server, sign_in):
    server.add_user("bob@acme.test", firstName="Bob")
    page = sign_in("users/bob%40acme.test", token=server.add_key("bob@acme.test"))
    expect(page.get_by_role("button", name="New privilege")).to_have_count(0)
    page.get_by_role("button", name="Change profile").click()
    page.get_by_label("First name").fill("Robert")
    saved(page)
    expect(page.get_by_role("heading", name="Robert")).to_be_visible()


def test_a_key_that_only_reads_is_offered_no_change(server, sign_in):
    page = sign_in("users", token=server.add_key("alice@acme.test", type=roles.QUERY_ONLY))
    expect(page.get_by_role("status")).to_have_text("1 user")
    expect(page.get_by_role("button", name=re.compile("^New"))).to_have_count(0)


def test_a_new_key_is_shown_once_and_can_be_copied(server, sign_in):
    page = sign_in("users/alice%40acme.test")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="New API key").click()
    page.get_by_label("Name", exact=True).fill("Nightly import")
    page.get_by_label("Type").select_option("QUERY_ONLY")
    save(page)
    shown = page.get_by_role("dialog", name="The new key")
    token = shown.locator("code").inner_text()
    shown.get_by_role("button", name="Copy").click()
    expect(shown).to_contain_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == token
    assert server.client(token).get("/whoami").json()["keyType"] == "QUERY_ONLY"
    shown.get_by_role("button", name="Done").click()
    expect(page.get_by_role("row", name="Nightly import")).to_be_visible()
    assert token not in page.content()


def test_a_key_of_the_tenant_needs_no_username(server, sign_in):
    page = sign_in("api-keys?view=users")
    page.get_by_role("button", name="New API key").click()
    page.get_by_label("Name", exact=True).fill("Scanner")
    save(page)
    page.get_by_role("button", name="Done").click()
    expect(page.get_by_role("row", name="Scanner")).to_be_visible()
    (key,) = server.administrator.get("/api-keys").json()
    assert (key["name"], key["type"], key["user"]) == ("Scanner", "BASIC", None)


def test_a_key_for_nobody_known_says_so_at_the_username(sign_in):
    page = sign_in("api-keys")
    page.get_by_role("button", name="New API key").click()
    page.get_by_label("Username").fill("nobody@acme.test")
    save(page)
    expect(page.get_by_label("Username")).to_have_accessible_description(
        re.compile("There is no such record")
    )


def test_the_own_key_is_rotated_and_the_session_goes_on_with_the_new_one(server, sign_in):
    page = sign_in("users/alice%40acme.test")
    page.get_by_role("row", name="yours now").get_by_role("button", name="Rotate").click()
    page.get_by_label("The old key ends").select_option(label="at once: it is removed")
    page.get_by_role("dialog").get_by_role("button", name="Rotate").click()
    shown = page.get_by_role("dialog", name="The new key")
    expect(shown).to_contain_text("this tab goes on with the new one")
    token = shown.locator("code").inner_text()
    shown.get_by_role("button", name="Done").click()
    expect(page.get_by_role("row", name="yours now")).to_have_count(1)
    assert server.administrator.get("/whoami").status_code == 401
    assert len(server.client(token).get("/user-api-keys").json()) == 1


def test_a_rotated_key_works_for_as_long_as_was_chosen(server, sign_in):
    server.add_user("bob@acme.test")
    old = server.add_key("bob@acme.test")
    page = sign_in("users/bob%40acme.test")
    page.get_by_role("button", name="Rotate").click()
    page.get_by_label("The old key ends").select_option(label="in 1 hour")
    page.get_by_role("dialog").get_by_role("button", name="Rotate").click()
    page.get_by_role("button", name="Done").click()
    expect(page.get_by_role("row", name="key-")).to_have_count(4)
    (sent,) = server.requests.find(method="PUT")
    assert "If-Match" in sent["headers"]
    assert server.client(old).get("/whoami").status_code == 200
    server.clock.set("2100-01-01T00:00:00Z")
    assert server.client(old).get("/whoami").status_code == 401


def test_removing_the_own_key_warns_and_ends_the_session(server, sign_in):
    page = sign_in("users/alice%40acme.test")
    page.get_by_role("row", name="yours now").get_by_role("button", name="Remove").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("You are signed in with this key")
    dialog.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("dialog", name="Your session has ended")).to_be_visible()


PLAIN = {
    "domain-mappings": ("domain mapping", {"Domain": "insight.acme.example"}, "Theme"),
    "endpoints": (
        "endpoint",
        {"URL": "amqps://mq.acme.example", "Endpoint type": "MQ_INCOMING"},
        "Vhost",
    ),
    "dashboards": (
        "dashboard",
        {"Title": "Deliveries", "Menu label": "Deliveries", "Label": "deliveries"},
        "Title",
    ),
    "statements": (
        "statement",
        {"Title": "Late", "Label": "late", "Query": "count late", "List order": "5"},
        "Title",
    ),
}


@pytest.mark.parametrize("place", PLAIN)
def test_a_plain_record_is_made_shown_changed_and_removed(server, sign_in, place):
    one, texts, changed = PLAIN[place]
    server.administrator.post("/services/enterprise")
    name = next(iter(texts.values()))
    page = sign_in(place)
    page.get_by_role("button", name=f"New {one}").click()
    for label, text in texts.items():
        page.get_by_label(label, exact=True).fill(text)
    saved(page)

    row = page.get_by_role("row").filter(has_text=name)
    row.get_by_role("button", name=name, exact=place != "endpoints").first.click()
    page.get_by_role("button", name="Close").click()
    row.get_by_role("button", name="Change").click()
    page.get_by_label(changed, exact=True).fill("Something else")
    saved(page)

    row = page.get_by_role("row").filter(has=page.get_by_role("button", name="Remove"))
    row.get_by_role("button", name="Remove").click()
    dialog = page.get_by_role("dialog", name=re.compile(f"^Remove {one} "))
    dialog.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Remove")).to_have_count(0)


def test_a_masked_secret_of_an_endpoint_is_not_shown_in_its_details(server, sign_in):
    body = {"url": "amqps://mq.acme.example", "endpointType": "MQ_INCOMING", "password": "s3cret"}
    server.administrator.post("/endpoints", json=body)
    page = sign_in("endpoints")
    page.get_by_role("button", name="amqps://mq.acme.example").click()
    expect(page.get_by_role("dialog")).to_contain_text("set, not shown here")
    assert "s3cret" not in page.content()


def test_a_service_is_subscribed_changed_and_unsubscribed(server, sign_in):
    page = sign_in("services?view=catalogue")
    page.get_by_role("row", name="enterprise").get_by_role("button", name="Subscribe").click()
    saved(page)
    page.get_by_role("button", name="Subscribed", exact=True).click()
    row = page.get_by_role("row").filter(has=page.get_by_role("button", name="Unsubscribe"))
    row.get_by_role("button", name="Change").click()
    page.get_by_label("Active until").fill("2040-01-01T00:00")
    saved(page)
    expect(row).to_contain_text("1 Jan 2040")
    row.get_by_role("button", name="Unsubscribe").click()
    page.get_by_role("dialog").get_by_role("button", name="Unsubscribe").click()
    expect(row).to_have_count(0)
    assert server.administrator.get("/statements").status_code == 403


@pytest.mark.parametrize("button", ["Change", "Unsubscribe"])
def test_a_subscription_to_come_is_not_taken_for_the_active_one(server, sign_in, button):
    client = server.administrator
    client.post("/services/enterprise", json={"activeUntil": "2040-01-01T00:00:00Z"})
    client.post("/services/enterprise", json={"activeFrom": "2041-06-01T12:00:00Z"})
    before = client.get("/services?active=all").json()
    page = sign_in("services?active=all")
    row = page.get_by_role("row").filter(has_text="to come")
    row.get_by_role("button", name=button).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("alert")).to_contain_text("only the active one can be changed")
    expect(dialog.get_by_role("alert")).to_contain_text("1 Jun 2041")
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_have_count(0)
    assert client.get("/services?active=all").json() == before


def test_the_next_subscription_to_come_is_called_off(server, sign_in):
    server.administrator.post("/services/enterprise", json={"activeFrom": "2041-06-01T12:00:00Z"})
    page = sign_in("services?active=false")
    page.get_by_role("button", name="Unsubscribe").click()
    expect(page.get_by_role("dialog")).to_contain_text("The subscription from 1 Jun 2041")
    page.get_by_role("dialog").get_by_role("button", name="Unsubscribe").click()
    expect(page.get_by_role("row").filter(has_text="revoked before it began")).to_be_visible()
    (ended,) = server.administrator.get("/services?active=false").json()
    assert ended["activeUntil"] == ended["activeFrom"]


def test_a_subscription_by_its_label(server, sign_in):
    page = sign_in("services")
    page.get_by_role("button", name="New subscription").click()
    page.get_by_label("Service").fill("enterprise")
    saved(page)
    labels = [each["service"]["label"] for each in server.administrator.get("/services").json()]
    assert "enterprise" in labels


def test_a_statement_is_configured_as_json(server, sign_in):
    server.administrator.post("/services/enterprise")
    label = server.administrator.get("/statements").json()[0]["label"]
    page = sign_in(f"statements?q={label}")
    page.get_by_role("button", name="Configure").first.click()
    page.get_by_label("Configuration").fill("{nonsense")
    save(page)
    expect(page.get_by_label("Configuration")).to_have_accessible_description(
        re.compile("Must be JSON")
    )
    page.get_by_label("Configuration").fill('{"threshold": 5}')
    saved(page)
    assert server.administrator.get(f"/statements/{label}/config").json() == {"threshold": 5}


def test_the_tenant_is_renamed(server, sign_in):
    page = sign_in()
    page.get_by_role("button", name="Edit tenant").click()
    page.get_by_label("Name", exact=True).fill("Acme Limited")
    saved(page)
    expect(page.locator(".facts strong", has_text="Acme Limited")).to_be_visible()
    expect(page.locator(".tenant")).to_have_text("Acme Limited")
