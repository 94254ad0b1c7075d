"""Keys: given, kept, refused, ended; and servers that need none."""

import pytest
from playwright.sync_api import expect

from provisioning.domain import roles

pytestmark = pytest.mark.slow

EVERYBODYS = ["Overview", "Users", "Privileges", "API keys", "Services", "Dashboards", "Statements"]
OVERSEERS = [
    *EVERYBODYS[:5],
    "Domain mappings",
    "Endpoints",
    *EVERYBODYS[5:],
    "Audit",
]


def links(page):
    return page.get_by_role("navigation").get_by_role("link").all_inner_texts()


def test_a_key_opens_the_console(sign_in):
    page = sign_in()
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    expect(page.get_by_role("link", name="alice@acme.test")).to_be_visible()


@pytest.mark.parametrize("role", roles.ROLES)
def test_the_pages_are_those_that_the_role_may_see(server, sign_in, role):
    server.add_user("bob@acme.test", role)
    page = sign_in(token=server.add_key("bob@acme.test"))
    expected = OVERSEERS if role in roles.OVERSEERS else EVERYBODYS
    assert links(page) == [*expected, "Emulator"]


def test_without_a_control_api_there_is_no_emulator(start, open_page):
    plain = start(control="off")
    page = open_page(f"{plain.root_url}/console")
    page.get_by_label("API key").fill(plain.token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("link", name="Overview")).to_be_visible()
    assert links(page) == OVERSEERS


def test_an_unknown_key_is_refused_in_the_servers_words_and_stays_in_the_field(open_page):
    page = open_page()
    page.get_by_label("API key").fill("never-heard-of-it")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text(
        "This API key is unknown. Check it for typing errors or ask for a new one."
    )
    expect(page.get_by_label("API key")).to_have_value("never-heard-of-it")


def test_what_is_typed_as_a_key_is_given_to_no_spell_checker(open_page):
    field = open_page().get_by_label("API key")
    expect(field).to_have_attribute("spellcheck", "false")


def test_no_key_at_all_is_refused_without_asking(open_page):
    page = open_page()
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("Enter an API key")


def test_what_can_be_no_key_is_not_sent(open_page, server):
    page = open_page()
    page.get_by_label("API key").fill("schl\u00fcssel")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("This is no API key")
    assert server.requests.count() == 0


def test_a_server_that_is_unwell_for_a_moment_does_not_cost_the_key(server, sign_in):
    page = sign_in("users")
    expect(page.get_by_role("status")).to_have_text("1 user")
    server.faults.add("/whoami", status=503, times=1)
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("injected")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("status")).to_have_text("1 user")


def test_the_key_stays_in_the_tab_and_nowhere_else(sign_in, server):
    page = sign_in("users")
    page.reload()
    expect(page.get_by_role("heading", name="Users")).to_be_visible()
    assert server.token not in page.url
    assert page.evaluate("JSON.stringify(localStorage) + document.cookie") == "{}"


def test_signing_out_forgets_the_key(sign_in):
    page = sign_in()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API key")).to_have_value("")
    page.reload()
    expect(page.get_by_label("API key")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0


def test_after_signing_in_one_is_where_the_address_leads(sign_in):
    page = sign_in("users?q=alice")
    expect(page.get_by_role("searchbox", name="Search")).to_have_value("alice")


def test_a_session_that_ends_says_why_and_goes_on_with_what_was_typed(server, sign_in):
    server.add_user("bob@acme.test", roles.ADMINISTRATOR)
    first, second = server.add_key("bob@acme.test"), server.add_key("bob@acme.test")
    page = sign_in("users", token=first)
    expect(page.get_by_role("status")).to_have_text("2 users")
    page.get_by_role("button", name="New user").click()
    page.get_by_label("Username").fill("carol@acme.test")
    page.get_by_label("Email").fill("carol@acme.test")
    page.get_by_label("Password", exact=True).fill("secret")
    keys = server.administrator.get("/users/bob@acme.test/api-keys").json()
    number = next(key["id"] for key in keys if key["apiToken"] == first)
    server.administrator.delete(f"/users/bob@acme.test/api-keys/{number}")

    page.get_by_role("button", name="Save").click()
    ended = page.get_by_role("dialog", name="Your session has ended")
    expect(ended).to_contain_text("This API key is unknown.")
    ended.get_by_label("API key").fill(second)
    ended.get_by_role("button", name="Sign in").click()
    expect(ended).to_be_hidden()
    expect(page.get_by_label("Username")).to_have_value("carol@acme.test")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="carol@acme.test")).to_be_visible()


def test_a_list_is_read_again_once_one_has_signed_in_again(server, sign_in, settle):
    server.add_user("bob@acme.test", roles.ADMINISTRATOR)
    first, second = server.add_key("bob@acme.test"), server.add_key("bob@acme.test")
    page = sign_in(token=first)
    # What the overview asks for would end the session before the list does.
    expect(page.get_by_text("Active users")).to_be_visible()
    settle(page)
    keys = server.administrator.get("/users/bob@acme.test/api-keys").json()
    number = next(key["id"] for key in keys if key["apiToken"] == first)
    server.administrator.delete(f"/users/bob@acme.test/api-keys/{number}")
    page.get_by_role("link", name="Users", exact=True).click()
    ended = page.get_by_role("dialog", name="Your session has ended")
    ended.get_by_label("API key").fill(second)
    ended.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("status")).to_have_text("2 users")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_with_authentication_off_no_key_is_asked_for(start, open_page):
    page = open_page(f"{start(auth='off', control='off').root_url}/console")
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    expect(page.get_by_text("No key is needed")).to_be_visible()
    expect(page.get_by_role("button", name="Sign out")).to_have_count(0)


def test_with_authentication_off_and_no_tenant_named_it_says_what_to_do(start, open_page):
    plain = start(auth="off", control="off")
    plain.add_tenant("globex")
    page = open_page(f"{plain.root_url}/console")
    expect(page.get_by_role("alert")).to_contain_text("set PROVISIONING_TENANT")
    expect(page.get_by_label("API key")).to_have_count(0)


@pytest.mark.parametrize("path", ["/console", "/console/"])
def test_it_works_below_a_path_prefix(server, below_a_prefix, open_page, path):
    page = open_page(f"{below_a_prefix}{path}#/users")
    page.get_by_label("API key").fill(server.token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("link", name="alice@acme.test").first).to_be_visible()
    page.get_by_role("link", name="Emulator").click()
    expect(page.get_by_role("heading", name="Clock")).to_be_visible()
