"""Lists: searched, sorted, paged, narrowed, and each state at an address of its own."""

import csv
import re

import pytest
from playwright.sync_api import expect

from provisioning.domain import roles

pytestmark = pytest.mark.slow

LISTS = [
    ("Users", "New user"),
    ("Privileges", "New privilege"),
    ("API keys", "New API key"),
    ("Services", "New subscription"),
    ("Domain mappings", "New domain mapping"),
    ("Endpoints", "New endpoint"),
    ("Dashboards", "New dashboard"),
    ("Statements", "New statement"),
]


def first_cells(page):
    """What the names of the rows are, once the list has come to rest."""
    expect(page.locator("table[aria-busy=true]")).to_have_count(0)
    return page.locator("tbody tr td.name").all_inner_texts()


@pytest.fixture
def many(server):
    """Alice and 44 others, user01 to user44."""
    for number in range(1, 45):
        server.add_user(f"user{number:02}@acme.test", lastName=f"Name{number % 7}")
    return server


@pytest.mark.parametrize(("name", "make"), LISTS)
def test_every_list_can_be_searched_and_paged_and_says_how_many_there_are(
    server, sign_in, name, make
):
    server.administrator.post("/services/enterprise")
    page = sign_in()
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
    expect(page.get_by_role("searchbox", name="Search")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text(re.compile(r"^\d+ \w+"))
    expect(page.get_by_role("button", name="Previous page")).to_be_disabled()
    expect(page.get_by_role("button", name="Next page")).to_be_visible()
    expect(page.get_by_role("button", name=make)).to_be_visible()


def test_the_audit_is_a_list_too_and_nobody_makes_its_records(sign_in):
    page = sign_in()
    page.get_by_role("link", name="Audit").click()
    expect(page.get_by_role("searchbox", name="Search")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text(re.compile(r"^\d+ records?"))
    expect(page.get_by_role("button", name=re.compile("^New"))).to_have_count(0)


def test_a_search_narrows_the_list_as_one_types(many, sign_in):
    page = sign_in("users")
    page.get_by_role("searchbox", name="Search").press_sequentially("user1")
    expect(page.get_by_role("status")).to_have_text("10 users")
    assert page.url.endswith("#/users?q=user1")
    page.get_by_role("link", name="Privileges", exact=True).click()
    expect(page.get_by_role("searchbox", name="Search")).to_have_value("")
    page.go_back()
    expect(page.get_by_role("searchbox", name="Search")).to_have_value("user1")


def test_headings_sort_up_then_down_then_as_before(many, sign_in):
    page = sign_in("users")
    heading = page.get_by_role("columnheader", name="Username")
    expect(heading).to_have_attribute("aria-sort", "none")
    heading.get_by_role("button").click()
    expect(heading).to_have_attribute("aria-sort", "ascending")
    heading.get_by_role("button").click()
    expect(heading).to_have_attribute("aria-sort", "descending")
    expect(page.locator("td.name").first).to_have_text("user44@acme.test")
    assert first_cells(page)[:2] == ["user44@acme.test", "user43@acme.test"]
    heading.get_by_role("button").click()
    expect(page.locator("td.name").first).to_have_text("alice@acme.test")
    assert page.url.endswith("#/users")


def test_pages_lead_on_and_back_and_end_where_the_list_ends(many, sign_in):
    page = sign_in("users")
    onwards, back = (
        page.get_by_role("button", name=f"{each} page") for each in ("Next", "Previous")
    )
    status = page.get_by_role("status")
    expect(status).to_have_text("45 users, 1\u201320 shown")
    onwards.click()
    expect(status).to_have_text("45 users, 21\u201340 shown")
    onwards.click()
    expect(status).to_have_text("45 users, 41\u201345 shown")
    expect(onwards).to_be_disabled()
    back.click()
    expect(status).to_have_text("45 users, 21\u201340 shown")
    page.go_back()
    expect(status).to_have_text("45 users, 41\u201345 shown")


def test_first_and_last_page_are_one_step_away(many, sign_in):
    page = sign_in("users")
    page.get_by_role("button", name="Last page").click()
    expect(page.get_by_role("status")).to_have_text("45 users, 41\u201345 shown")
    expect(page.get_by_role("button", name="Last page")).to_be_disabled()
    page.get_by_role("button", name="First page").click()
    expect(page.get_by_role("status")).to_have_text("45 users, 1\u201320 shown")


def test_from_beyond_the_end_the_previous_page_is_the_last(many, sign_in):
    page = sign_in("users?page=99")
    expect(page.get_by_text("The list is shorter than that.")).to_be_visible()
    page.get_by_role("button", name="Previous page").click()
    expect(page.get_by_role("status")).to_have_text("45 users, 41\u201345 shown")


def test_without_its_only_record_the_last_page_gives_way_to_the_one_before(server, sign_in):
    for number in range(21):
        server.administrator.post("/domain-mapping", json={"domain": f"m{number:02}.acme.example"})
    page = sign_in("domain-mappings?page=1")
    page.get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_role("status")).to_have_text("20 domain mappings")
    expect(page.get_by_role("row", name="m19.acme.example")).to_be_visible()


def test_with_small_pages_every_row_is_reached_and_every_page_opens(start, open_page):
    small = start(max_page_size=10)
    for number in range(1, 13):
        small.add_user(f"user{number:02}@acme.test", reports_to="alice@acme.test")
    for _ in range(11):
        small.add_key("user01@acme.test")
    page = open_page(f"{small.root_url}/console#/users")
    page.get_by_label("API key").fill(small.token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("status")).to_have_text("13 users, 1\u201310 shown")
    page.get_by_role("button", name="Next page").click()
    expect(page.get_by_role("status")).to_have_text("13 users, 11\u201313 shown")
    page.goto(f"{small.root_url}/console#/users?size=100")
    expect(page.get_by_role("status")).to_have_text("13 users, 1\u201310 shown")
    page.get_by_role("link", name="user01@acme.test").click()
    expect(page.get_by_role("row", name="key-")).to_have_count(11)
    page.goto(f"{small.root_url}/console#/privileges?view=lines")
    expect(page.get_by_role("status")).to_contain_text("13 people in reporting lines")
    page.goto(f"{small.root_url}/console#/overview")
    expect(page.get_by_role("link", name="13", exact=True).first).to_be_visible()


def test_every_state_of_a_list_has_an_address(many, sign_in):
    page = sign_in("users?q=name3&order=-username&size=50")
    expect(page.get_by_role("searchbox", name="Search")).to_have_value("name3")
    expect(page.locator("td.name").first).to_have_text("user38@acme.test")
    expect(page.get_by_role("columnheader", name="Username")).to_have_attribute(
        "aria-sort", "descending"
    )


def test_an_empty_list_says_what_to_do(sign_in):
    page = sign_in("endpoints")
    expect(page.get_by_role("columnheader", name="URL")).to_be_visible()
    expect(page.get_by_text("No endpoints yet.")).to_be_visible()
    expect(page.get_by_text("Begin with the button “New endpoint”.")).to_be_visible()


def test_a_search_without_result_leads_back_to_the_whole_list(sign_in):
    page = sign_in("users?q=nobody-is-called-so")
    expect(page.get_by_text("Nothing matches.")).to_be_visible()
    page.get_by_role("link", name="Show the whole list").click()
    expect(page.get_by_role("status")).to_have_text("1 user")


def test_what_the_server_refuses_is_said_and_can_be_tried_again(server, sign_in, settle):
    page = sign_in()
    # The overview counts users, too: the fault is for the list.
    expect(page.get_by_text("Active users")).to_be_visible()
    settle(page)
    server.faults.add("/users", status=503, times=1)
    page.get_by_role("link", name="Users", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("injected by fault")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("status")).to_have_text("1 user")


def test_active_ones_the_others_and_all(server, sign_in):
    server.add_user(
        "past@acme.test", active_until="2020-01-01T00:00:00Z", active_from="2019-01-01T00:00:00Z"
    )
    page = sign_in("users")
    expect(page.get_by_role("status")).to_have_text("1 user")
    page.get_by_role("button", name="Not active").click()
    expect(page.get_by_role("link", name="past@acme.test")).to_be_visible()
    page.get_by_role("button", name="All", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("2 users")


@pytest.mark.parametrize("place", ["users", "privileges"])
def test_the_list_as_of_another_day(server, sign_in, place):
    server.add_user(
        "past@acme.test",
        roles.MANAGEMENT,
        active_from="2019-01-01T00:00:00Z",
        active_until="2020-01-01T00:00:00Z",
    )
    page = sign_in(f"{place}?active=true")
    expect(page.get_by_role("link", name="past@acme.test")).to_have_count(0)
    page.get_by_label("As of").fill("2019-03-31")
    page.get_by_label("As of").blur()
    expect(page.get_by_role("link", name="past@acme.test")).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text("as of 31 Mar 2019, 12:00")
    assert "at=2019-03-31T10%3A00%3A00Z" in page.url
    page.get_by_role("button", name="Now", exact=True).click()
    expect(page.get_by_role("link", name="past@acme.test")).to_have_count(0)
    expect(page.get_by_label("As of")).to_have_value("")


@pytest.fixture
def past(server):
    """Bob administered in 2016 and is a USER since 2019; carl comes in 2040."""
    server.add_user(
        "bob@acme.test",
        roles.ADMINISTRATOR,
        active_from="2016-01-01T00:00:00Z",
        active_until="2018-01-01T00:00:00Z",
    )
    server.grant("bob@acme.test", "USER", active_from="2019-01-01T00:00:00Z")
    server.add_user("carl@acme.test", active_from="2040-01-01T00:00:00Z")
    return server


@pytest.mark.parametrize("active", ["", "active=true&", "active=all&"])
def test_as_of_another_day_the_roles_are_those_of_that_day(past, sign_in, active):
    page = sign_in(f"users?{active}at=2016-03-31T10:00:00Z")
    bob = page.get_by_role("row", name="bob@acme.test")
    expect(bob).to_contain_text("ADMINISTRATOR")
    expect(bob).not_to_contain_text("USER")
    if active == "active=all&":
        expect(page.get_by_role("row", name="carl@acme.test")).to_contain_text("none")
        expect(page.get_by_role("status")).to_have_text("3 users, seen as of 31 Mar 2016, 12:00")


def test_as_of_another_day_the_states_are_those_of_that_day(past, sign_in):
    page = sign_in("privileges?at=2016-03-31T10:00:00Z")
    bobs = page.get_by_role("row", name="bob@acme.test")
    then = bobs.filter(has_text="ADMINISTRATOR")
    expect(then.locator(".state")).to_have_text("active")
    expect(bobs.filter(has_text="USER").locator(".state")).to_have_text("to come")
    # What can be done is that of now: that window has long ended.
    expect(then.get_by_role("button")).to_have_count(0)


def test_reporting_lines_as_of_another_day(past, sign_in):
    past.grant(
        "bob@acme.test",
        "TEAM_LEADER",
        active_from="2016-01-01T00:00:00Z",
        active_until="2017-01-01T00:00:00Z",
        reports_to="alice@acme.test",
    )
    page = sign_in("privileges?view=lines")
    expect(page.get_by_text("Nobody reports to anybody yet.")).to_be_visible()
    page.get_by_label("As of").fill("2016-03-31")
    page.get_by_label("As of").blur()
    expect(page.get_by_role("status")).to_contain_text("as of 31 Mar 2016")
    expect(page.locator(".tree")).to_contain_text("bob@acme.test")


def test_where_no_day_can_be_chosen_none_is_told(server, sign_in):
    page = sign_in("users?view=everyone&q=alice&at=2016-03-31T10:00:00Z")
    expect(page.get_by_role("status")).to_have_text("1 user")
    expect(page.get_by_label("As of")).to_have_count(0)


def test_a_moment_that_is_none_is_said(sign_in):
    page = sign_in("users?at=yesterday")
    expect(page.get_by_role("alert")).to_contain_text("When: ")


def test_instants_are_the_browsers_and_their_title_is_exact(server, sign_in):
    server.add_user("bob@acme.test", active_from="2019-07-01T10:00:00Z")
    page = sign_in("privileges")
    shown = page.get_by_text("1 Jul 2019, 12:00")
    expect(shown).to_have_attribute("title", "2019-07-01T10:00:00Z")
    expect(page.get_by_text("Times in Europe/Berlin")).to_be_visible()


def test_no_list_shows_a_token(server, sign_in):
    server.add_key()
    for place in ("api-keys", "api-keys?view=users", "users/alice%40acme.test"):
        page = sign_in(place)
        expect(page.get_by_text("BASIC").first).to_be_visible()
        tokens = [
            key["apiToken"]
            for path in ("/api-keys", "/user-api-keys")
            for key in server.administrator.get(path).json()
        ]
        assert len(tokens) >= 2
        assert not [token for token in tokens if token in page.content()]


def test_a_username_leads_to_the_users_page(server, sign_in):
    server.add_user("bob@acme.test", firstName="Bob")
    page = sign_in("privileges")
    page.get_by_role("link", name="bob@acme.test").click()
    expect(page.get_by_role("heading", name="Bob", level=1)).to_be_visible()
    assert page.url.endswith("#/users/bob%40acme.test")


def test_privileges_narrowed_to_a_role(server, sign_in):
    server.add_user("bob@acme.test", roles.MANAGEMENT)
    page = sign_in("privileges")
    expect(page.get_by_role("status")).to_have_text("2 privileges")
    page.get_by_label("Show", exact=True).select_option("MANAGEMENT")
    expect(page.get_by_role("status")).to_have_text("1 privilege")


def test_reporting_lines_are_drawn_as_a_tree(server, sign_in):
    server.add_user("boss@acme.test", roles.MANAGEMENT)
    server.add_user("lead@acme.test", roles.TEAM_LEADER, reports_to="boss@acme.test")
    server.add_user("bob@acme.test", reports_to="lead@acme.test")
    page = sign_in("privileges")
    page.get_by_role("button", name="Reporting lines").click()
    boss = page.locator(".tree > li", has_text="boss@acme.test").first
    lead = boss.locator("li", has_text="lead@acme.test").first
    expect(lead.get_by_role("link", name="bob@acme.test")).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text("3 people in reporting lines, 1 outside")


def test_everybody_of_all_tenants_is_found_by_three_characters_and_let_in(server, sign_in):
    server.add_tenant("globex")
    server.add_user("greta@globex.test", tenant="globex")
    page = sign_in("users")
    page.get_by_role("button", name="All tenants").click()
    expect(page.get_by_text("Type at least 3 characters")).to_be_visible()
    page.get_by_role("searchbox", name="Search").fill("greta")
    page.get_by_role("row", name="greta").get_by_role("button", name="New privilege").click()
    page.get_by_role("dialog").get_by_label("Role").select_option("MANAGEMENT")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    held = server.administrator.get("/privileges?user=greta@globex.test").json()
    assert [privilege["role"] for privilege in held] == ["MANAGEMENT"]


@pytest.mark.parametrize(
    ("url", "is_link"),
    [
        ("https://files.acme.example/x", True),
        ("HTTP://files.acme.example/x", True),
        ("javascript:alert(1)", False),
        ("amqps://mq.acme.example:5671", False),
        ("data:text/html,x", False),
    ],
)
def test_only_web_addresses_become_links(server, sign_in, url, is_link):
    answer = server.administrator.post(
        "/endpoints", json={"url": url, "endpointType": "MQ_INCOMING"}
    )
    if answer.status_code == 422:
        server.administrator.put("/users/alice@acme.test", json={"avatar": url})
        page = sign_in("users/alice%40acme.test")
    else:
        page = sign_in("endpoints")
        page.get_by_role("button", name=url).click()
    expect(page.get_by_text(url).first).to_be_visible()
    assert page.get_by_role("link", name=url).count() == is_link


def test_the_overview_counts_and_tells_what_ends_soon(server, sign_in):
    server.clock.set("2026-03-01T00:00:00Z")
    server.clock.freeze()
    server.add_user(
        "soon@acme.test", active_from="2020-01-01T00:00:00Z", active_until="2026-03-11T00:00:00Z"
    )
    server.add_user(
        "later@acme.test", active_from="2020-01-01T00:00:00Z", active_until="2026-05-01T00:00:00Z"
    )
    page = sign_in()
    expect(page.get_by_text("Active users")).to_be_visible()
    expect(page.get_by_role("link", name="3", exact=True).first).to_be_visible()
    ending = page.locator(".ending li")
    expect(ending).to_have_count(1)
    expect(ending).to_contain_text("in 10 days")
    expect(ending).to_contain_text("soon@acme.test")
    expect(page.get_by_role("link", name="Try the API")).to_have_attribute(
        "href", f"{server.root_url}/docs"
    )


def test_where_there_is_no_documentation_the_overview_leads_to_none(start, open_page):
    plain = start(auth="off", docs="off")
    page = open_page(f"{plain.root_url}/console")
    expect(page.get_by_text("Active users")).to_be_visible()
    expect(page.get_by_role("link", name="Try the API")).to_have_count(0)


def test_the_audit_opens_to_what_has_changed(server, sign_in):
    server.administrator.put("/info", json={"name": "Acme Limited"})
    page = sign_in("audit?resource=tenants&action=change")
    page.get_by_role("button", name="Details").click()
    changes = page.get_by_role("dialog")
    expect(changes).to_contain_text("Acme Limited")
    expect(changes.get_by_role("rowheader", name="Name")).to_be_visible()


def test_what_no_longer_narrows_the_list_stands_in_no_field(sign_in):
    page = sign_in("audit?by=nobody&from=2016-03-31T10:00:00Z&action=remove&q=x")
    expect(page.get_by_label("Changed by")).to_have_value("nobody")
    expect(page.get_by_label("From")).to_have_value("2016-03-31 12:00")
    page.get_by_role("link", name="Show the whole list").click()
    for label in ("Changed by", "From", "Action", "Search"):
        expect(page.get_by_label(label, exact=True)).to_have_value("")


def test_a_day_alone_narrows_the_audit(server, sign_in):
    server.administrator.put("/info", json={"theme": "dark"})
    page = sign_in("audit")
    expect(page.get_by_role("status")).to_have_text("1 record")
    page.get_by_label("Until").fill("2016-03-31")
    expect(page.get_by_text("Nothing matches.")).to_be_visible()
    assert "until=2016-03-31T22%3A00%3A00Z" in page.url
    page.get_by_label("Until").fill("")
    expect(page.get_by_role("status")).to_have_text("1 record")


def test_an_address_that_leads_nowhere_says_so_and_leads_on(server, sign_in):
    page = sign_in("nowhere")
    expect(page.get_by_text("There is no such page")).to_be_visible()
    page.get_by_role("link", name="Go to the overview").click()
    expect(page.get_by_text("Active users")).to_be_visible()


def test_a_slash_leads_to_the_search_but_is_typed_where_one_types(sign_in):
    page = sign_in("users")
    expect(page.get_by_role("status")).to_have_text("1 user")
    page.keyboard.press("/")
    search = page.get_by_role("searchbox", name="Search")
    expect(search).to_be_focused()
    expect(search).to_have_value("")
    page.keyboard.type("a/b")
    expect(search).to_have_value("a/b")


def test_a_page_that_loads_says_so(server, sign_in):
    page = sign_in()
    server.faults.add("/users", delay=1_500)
    page.get_by_role("link", name="Users", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("Loading")
    expect(page.get_by_role("columnheader", name="Username")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("1 user")
    server.faults.add("/users/*", delay=1_500)
    page.get_by_role("link", name="alice@acme.test").first.click()
    expect(page.locator("main").get_by_text("Loading")).to_be_visible()
    expect(page.get_by_role("heading", name="Profile")).to_be_visible()


def test_the_way_back_from_a_user_leads_to_the_list_as_it_was(many, sign_in):
    page = sign_in("users?q=user&page=1")
    page.get_by_role("link", name="user21@acme.test").click()
    page.get_by_role("link", name="All people").click()
    expect(page.get_by_role("status")).to_have_text("44 users, 21\u201340 shown")
    expect(page.get_by_role("searchbox", name="Search")).to_have_value("user")


def test_a_user_who_is_not_there_has_a_way_back(sign_in):
    page = sign_in("users/nobody%40acme.test")
    expect(page.get_by_role("alert")).to_contain_text("no such record")
    page.get_by_role("link", name="All people").click()
    expect(page.get_by_role("status")).to_have_text("1 user")


def downloaded(page):
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download CSV").click()
    text = waiting.value.path().read_text("utf-8")
    return waiting.value.suggested_filename, list(csv.DictReader(text.splitlines()))


def test_the_users_that_a_search_finds_are_saved_whole_with_their_one_role(many, sign_in):
    many.add_user("two@acme.test", roles.TEAM_LEADER, lastName="Name1")
    many.grant("two@acme.test", "USER")
    page = sign_in("users?active=true&q=name1&size=20")
    expect(page.get_by_role("status")).to_have_text("8 users")
    name, rows = downloaded(page)
    assert re.fullmatch(r"users-\d{4}-\d\d-\d\d\.csv", name)
    assert [row["username"] for row in rows] == [
        "two@acme.test",
        *[f"user{number:02}@acme.test" for number in range(1, 45, 7)],
    ]
    # An import ends all active roles but the one in the file.
    assert [row["role"] for row in rows] == ["", *["USER"] * 7]
    assert rows[1]["activeFrom"].endswith("Z")


def test_what_is_saved_is_as_of_the_day_that_is_shown(past, sign_in):
    page = sign_in("users?at=2016-03-31T10:00:00Z")
    expect(page.get_by_role("status")).to_contain_text("2 users")
    name, (_, bob) = downloaded(page)
    assert (name, bob["role"]) == ("users-2016-03-31.csv", "ADMINISTRATOR")


@pytest.mark.parametrize("begin", ["=", "+", "-", "@"])
def test_no_cell_begins_a_formula(server, sign_in, begin):
    server.add_user("bob@acme.test", firstName=f'{begin}1+"1",2', lastName="Fine=1")
    page = sign_in("users?q=bob")
    expect(page.get_by_role("status")).to_have_text("1 user")
    _, (bob,) = downloaded(page)
    assert (bob["firstName"], bob["lastName"]) == (f'\'{begin}1+"1",2', "Fine=1")


@pytest.mark.parametrize(
    ("place", "first", "cells"),
    [
        ("privileges?role=MANAGEMENT", "username", {"username": "bob@acme.test"}),
        ("audit?action=create", "at", {"action": "create", "user": "bob@acme.test", "via": "api"}),
    ],
)
def test_privileges_and_the_audit_are_saved_as_they_are_narrowed(
    server, sign_in, place, first, cells
):
    server.add_user("bob@acme.test")
    server.administrator.post(
        "/privileges", json={"username": "bob@acme.test", "role": "MANAGEMENT"}
    )
    page = sign_in(place)
    expect(page.get_by_role("status")).to_contain_text("1 ")
    _, (row,) = downloaded(page)
    assert next(iter(row)) == first
    assert row.items() >= cells.items()


def test_a_list_that_can_not_be_read_whole_is_not_saved(server, sign_in):
    page = sign_in("users")
    expect(page.get_by_role("status")).to_have_text("1 user")
    server.faults.add("/users", status=503, times=1)
    page.get_by_role("button", name="Download CSV").click()
    expect(page.get_by_role("alert")).to_contain_text("injected")
    assert downloaded(page)[1][0]["username"] == "alice@acme.test"


def choose(page, *names):
    for name in names:
        page.get_by_label(f"Choose {name}@acme.test").check()


def test_users_are_chosen_over_pages_and_revoked_together(many, sign_in):
    page = sign_in("users?q=user")
    choose(page, "user01", "user02")
    page.get_by_role("button", name="Next page").click()
    choose(page, "user21")
    expect(page.get_by_text("3 users chosen")).to_be_visible()
    page.get_by_role("button", name="Revoke all privileges").click()
    dialog = page.get_by_role("dialog", name="Revoke all privileges of 3 users?")
    for name in ("user01", "user02", "user21"):
        expect(dialog).to_contain_text(f"{name}@acme.test")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    dialog.get_by_role("button", name="Revoke all").click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_text("3 users chosen")).to_have_count(0)
    assert many.administrator.get("/users?size=1").headers["X-Total-Count"] == "42"


def test_who_could_not_be_revoked_is_named_and_stays_chosen(server, sign_in):
    for name in ("bob", "carl"):
        server.add_user(f"{name}@acme.test")
    page = sign_in("users")
    page.get_by_label("Choose all that are shown").check()
    expect(page.get_by_text("3 users chosen")).to_be_visible()
    server.faults.add("/users/carl@acme.test", method="DELETE", status=503, times=1)
    page.get_by_role("button", name="Revoke all privileges").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("your own rights")
    dialog.get_by_role("button", name="Revoke all").click()
    expect(dialog).to_contain_text("carl@acme.test: not revoked. This error is injected")
    expect(dialog).to_contain_text("alice@acme.test: not revoked. This would leave the tenant")
    expect(dialog).not_to_contain_text("bob@acme.test")
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("2 users chosen")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("2 users")
    assert page.get_by_label("Choose carl@acme.test").is_checked()


def test_progress_is_told_while_many_are_revoked(server, sign_in):
    for name in ("bob", "carl", "dora"):
        server.add_user(f"{name}@acme.test")
    page = sign_in("users")
    choose(page, "bob", "carl", "dora")
    server.faults.add("/users/carl@acme.test", method="DELETE", delay=1_000)
    page.get_by_role("button", name="Revoke all privileges").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke all").click()
    expect(page.get_by_role("dialog")).to_contain_text("1 of 3")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_who_may_not_revoke_has_nothing_to_choose(server, sign_in):
    page = sign_in("users", token=server.add_key("alice@acme.test", type=roles.QUERY_ONLY))
    expect(page.get_by_role("status")).to_have_text("1 user")
    expect(page.get_by_role("checkbox")).to_have_count(0)
