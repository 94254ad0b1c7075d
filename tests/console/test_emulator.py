"""The emulator page: clock, faults, snapshots, reset, people, and requests as they come."""

import re
import shlex
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from provisioning.domain.activity import later

pytestmark = pytest.mark.slow


@pytest.fixture
def emulator(sign_in):
    page = sign_in()
    page.get_by_role("link", name="Emulator").click()
    expect(page.get_by_role("heading", name="Clock")).to_be_visible()
    return page


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def test_the_clock_is_frozen_set_advanced_and_run(server, emulator):
    press(emulator, "Freeze")
    expect(emulator.get_by_text("frozen", exact=True)).to_be_visible()
    assert server.clock.is_frozen
    emulator.get_by_label("To", exact=True).fill("2030-05-01T12:00")
    press(emulator, "Set")
    expect(emulator.locator(".clock")).to_have_text("1 May 2030, 12:00:00")
    assert server.clock.now() == "2030-05-01T10:00:00Z"
    press(emulator, "+30 days")
    expect(emulator.locator(".clock")).to_have_text("31 May 2030, 12:00:00")
    emulator.get_by_label("By", exact=True).fill("P1DT2H")
    press(emulator, "Advance")
    expect(emulator.locator(".clock")).to_have_text("1 Jun 2030, 14:00:00")
    press(emulator, "Run")
    expect(emulator.get_by_text("running", exact=True)).to_be_visible()
    assert not server.clock.is_frozen
    press(emulator, "Back to the machine's time")
    expect(emulator.get_by_role("button", name="Back to the machine's time")).to_have_count(0)


def test_the_time_to_set_follows_the_clock_until_one_types(server, emulator):
    press(emulator, "Freeze")
    emulator.get_by_label("To", exact=True).fill("2030-05-01")
    press(emulator, "Set")
    expect(emulator.locator(".clock")).to_have_text("1 May 2030, 00:00:00")
    press(emulator, "+30 days")
    expect(emulator.get_by_label("To", exact=True)).to_have_value("2030-05-31 00:00")


def test_no_time_at_all_to_set_is_said(emulator):
    emulator.get_by_label("To", exact=True).fill("")
    press(emulator, "Set")
    expect(emulator.get_by_role("alert")).to_contain_text("Write a day as 2026-12-31")


def test_a_jump_that_can_not_be_made_says_why(emulator):
    emulator.get_by_label("By", exact=True).fill("tomorrow")
    press(emulator, "Advance")
    expect(emulator.get_by_role("alert")).to_contain_text("Must be a duration such as")


def test_a_jump_beyond_ones_key_says_so_and_the_clock_can_be_set_back(server, sign_in):
    server.add_user("bob@acme.test", "ADMINISTRATOR")
    until = later(server.clock.now(), timedelta(days=400))
    page = sign_in(token=server.add_key("bob@acme.test", active_until=until))
    page.get_by_role("link", name="Emulator").click()
    press(page, "+365 days")
    press(page, "+365 days")
    ended = page.get_by_role("dialog", name="Your session has ended")
    expect(ended).to_contain_text("expired")
    page.keyboard.press("Escape")
    expect(page.get_by_text("Your session has ended: ")).to_be_visible()
    press(page, "Back to the machine's time")
    expect(page.get_by_text("Your session has ended: ")).to_have_count(0)
    page.get_by_role("link", name="Users", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("2 users")


def test_a_fault_is_added_strikes_and_is_removed(server, emulator):
    emulator.get_by_label("Path").fill("/info")
    emulator.get_by_label("Status").fill("503")
    press(emulator, "Add fault")
    expect(emulator.locator(".rows li")).to_contain_text("any verb /info")
    assert server.administrator.get("/info").status_code == 503
    expect(emulator.locator(".rows li")).to_contain_text("struck 1 time")
    emulator.locator(".rows li").get_by_role("button", name="Remove").click()
    expect(emulator.locator(".rows li")).to_have_count(0)
    assert server.administrator.get("/info").status_code == 200


def test_what_is_wrong_with_a_fault_stands_at_its_field(emulator):
    emulator.get_by_label("Path").fill("info")
    emulator.get_by_label("Status").fill("99")
    press(emulator, "Add fault")
    expect(emulator.get_by_label("Status")).to_have_accessible_description(re.compile("599"))
    expect(emulator.get_by_label("Path")).to_have_value("info")


def test_a_snapshot_is_saved_and_loaded(server, emulator):
    emulator.get_by_label("Name").fill("before")
    press(emulator, "Save")
    expect(emulator.get_by_text("before", exact=True)).to_be_visible()
    server.add_user("bob@acme.test")
    press(emulator, "Load")
    expect(emulator.get_by_text("The records are those of before.")).to_be_visible()
    assert server.administrator.get("/users/bob@acme.test").status_code == 404
    press(emulator, "Forget")
    expect(emulator.get_by_text("before", exact=True)).to_have_count(0)


def test_a_name_that_no_snapshot_can_have_is_refused_in_the_servers_words(emulator):
    emulator.get_by_label("Name").fill("Before Lunch")
    press(emulator, "Save")
    expect(emulator.get_by_role("alert")).to_contain_text("lower-case letters and digits")


def test_reset_asks_first_and_begins_anew(server, emulator):
    server.add_user("bob@acme.test")
    press(emulator, "Reset")
    dialog = emulator.get_by_role("dialog", name="Reset everything?")
    dialog.get_by_role("button", name="Cancel").click()
    assert server.administrator.get("/users/bob@acme.test").status_code == 200
    press(emulator, "Reset")
    dialog.get_by_role("button", name="Reset").click()
    expect(dialog).to_be_hidden()
    assert server.administrator.get("/users/bob@acme.test").status_code == 404


def test_one_tenant_alone_can_be_reset(server, emulator):
    server.add_user("bob@acme.test")
    server.add_tenant("globex")
    press(emulator, "Reset")
    expect(emulator.locator("#tenants option")).to_have_count(2)
    emulator.get_by_label("Only the tenant").fill("acme")
    dialog = emulator.get_by_role("dialog", name="Reset the tenant acme?")
    dialog.get_by_role("button", name="Reset").click()
    expect(dialog).to_be_hidden()
    assert server.administrator.get("/users/bob@acme.test").status_code == 404


def test_requests_appear_as_they_come_and_open_to_headers_and_bodies(server, emulator):
    expect(emulator.get_by_text("Nothing has been asked.")).to_be_visible()
    server.administrator.put("/info", json={"theme": "dark"}, headers={"X-Client": "mine"})
    entry = emulator.locator(".log li")
    expect(entry).to_have_count(1)
    expect(emulator.get_by_role("status")).to_have_text("1 request")
    entry.locator("summary").click()
    expect(entry).to_contain_text("X-Client: mine")
    expect(entry).to_contain_text('"theme": "dark"')
    expect(entry).to_contain_text('"label": "acme"')
    server.administrator.get("/nothing")
    expect(emulator.locator(".log li")).to_have_count(2)
    expect(emulator.locator(".log li").first).to_contain_text("no route")
    expect(entry.last).to_contain_text("X-Client: mine")


def test_the_consoles_own_requests_neither_show_nor_take_the_place_of_others(start, open_page):
    small = start(request_log=15)
    for number in range(13):
        small.administrator.get(f"/users?page={number}")
    page = open_page(f"{small.root_url}/console")
    page.get_by_label("API key").fill(small.token)
    page.get_by_role("button", name="Sign in").click()
    for name in ("Users", "Privileges", "API keys", "Services", "Emulator"):
        page.get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("status")).to_have_text("13 requests")
    expect(page.locator(".log li").last).to_contain_text("/users?page=0")
    assert small.requests.count(console=True) > 2


@pytest.mark.parametrize(
    ("label", "value"), [("Verb", "PUT"), ("Asked for", "/info"), ("Answer", "4xx")]
)
def test_requests_are_filtered(server, emulator, label, value):
    server.administrator.get("/users")
    server.administrator.put("/info", json={"label": 7, "name": None})
    expect(emulator.locator(".log li")).to_have_count(2)
    field = emulator.get_by_label(label, exact=True)
    if label == "Verb":
        field.select_option(value)
    else:
        field.fill(value)
        field.blur()
    expect(emulator.locator(".log li")).to_have_count(1)
    expect(emulator.locator(".log li")).to_contain_text("PUT")


def test_where_no_request_passes_the_filters_it_is_not_said_that_none_came(server, emulator):
    server.administrator.get("/users")
    expect(emulator.locator(".log li")).to_have_count(1)
    emulator.get_by_label("Verb", exact=True).select_option("DELETE")
    expect(emulator.get_by_text("Nothing matches.")).to_be_visible()
    expect(emulator.get_by_text("Nothing has been asked.")).to_have_count(0)


def test_requests_that_no_route_matched(server, emulator):
    server.administrator.get("/users")
    server.administrator.get("/usres")
    expect(emulator.locator(".log li")).to_have_count(2)
    emulator.get_by_label("What no route matched").check()
    expect(emulator.locator(".log li")).to_have_count(1)
    expect(emulator.locator(".log li")).to_contain_text("/usres")


def test_a_request_is_copied_as_curl(server, emulator):
    emulator.context.grant_permissions(["clipboard-read", "clipboard-write"])
    server.administrator.put("/info?x=1&y=[1-9]{a,b}", json={"name": "It's Acme"})
    emulator.locator(".log summary").click()
    press(emulator, "Copy as curl")
    expect(emulator.get_by_text("Copied.")).to_be_visible()
    words = shlex.split(emulator.evaluate("navigator.clipboard.readText()"))
    # In square and curly brackets curl would see several addresses.
    url = f"{server.url}/info?x=1&y=%5B1-9%5D%7Ba,b%7D"
    assert words[:4] == ["curl", "-X", "PUT", url]
    assert "Authorization: Bearer $API_KEY" in words
    assert words[words.index("--data") + 1] == '{"name":"It\'s Acme"}'
    assert server.token not in " ".join(words)


def test_a_verb_that_a_shell_would_run_is_quoted(server, emulator):
    emulator.context.grant_permissions(["clipboard-read", "clipboard-write"])
    verb = "$HOME'|`LS`"
    server.administrator.request(verb, "/info")
    emulator.locator(".log summary").click()
    press(emulator, "Copy as curl")
    expect(emulator.get_by_text("Copied.")).to_be_visible()
    words = shlex.split(emulator.evaluate("navigator.clipboard.readText()"))
    assert words[1:3] == ["-X", verb]


def test_a_request_is_the_beginning_of_a_fault(server, emulator):
    server.administrator.put("/info", json={"theme": "dark"})
    emulator.locator(".log summary").click()
    press(emulator, "Make a fault of this")
    expect(emulator.get_by_label("Path")).to_have_value("/info")
    expect(emulator.get_by_label("Method")).to_have_value("PUT")
    expect(emulator.get_by_label("Status")).to_be_focused()


def test_requests_are_forgotten_and_paused(server, emulator):
    server.administrator.get("/users")
    expect(emulator.locator(".log li")).to_have_count(1)
    press(emulator, "Forget all")
    expect(emulator.get_by_text("Nothing has been asked.")).to_be_visible()
    assert server.requests.count(path="/users") == 0
    press(emulator, "Pause")
    server.administrator.get("/users")
    emulator.wait_for_timeout(1500)
    expect(emulator.get_by_role("status")).to_have_text("0 requests, paused")
    press(emulator, "Pause")
    expect(emulator.locator(".log li")).to_have_count(1)


def test_the_emulator_needs_no_key(server, open_page):
    page = open_page()
    page.get_by_role("link", name="Emulator").click()
    expect(page.get_by_role("heading", name="Clock")).to_be_visible()
    server.administrator.get("/info")
    expect(page.locator(".log li")).to_have_count(1)
    page.get_by_role("link", name="Use a key").click()
    expect(page.get_by_label("API key")).to_be_visible()


def test_a_control_api_with_a_token_is_asked_with_it(start, open_page):
    guarded = start(control_token="control-token-of-a-test")
    page = open_page(f"{guarded.root_url}/console#/emulator")
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("alert")).to_contain_text("PROVISIONING_CONTROL_TOKEN")
    page.get_by_label("Token").fill("control-token-of-a-test")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", name="Clock")).to_be_visible()


def test_the_demos_people_are_listed_and_one_click_makes_one_of_them(start, open_page):
    demo = start(demo="on")
    for username, role in (("ines@acme.test", "INTERNAL_AUDITING"), ("uma@acme.test", "USER")):
        demo.add_user(username, role)
        demo.add_key(username)
    page = open_page(f"{demo.root_url}/console")
    page.get_by_role("listitem").filter(has_text="ines@acme.test").get_by_role("button").click()
    expect(page.locator(".me")).to_contain_text("ines@acme.test")
    expect(page.locator(".me")).to_contain_text("INTERNAL_AUDITING")
    page.get_by_role("link", name="Emulator").click()
    page.get_by_text("uma@acme.test", exact=True).click()
    expect(page.locator(".me")).to_contain_text("USER")
    expect(page.get_by_role("listitem").filter(has_text="uma@acme.test")).to_contain_text("you")
