"""/docs in a browser: who asks, what is tried, what is found, in light and dark."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow

SHOW_USER = "#operations-users-get_user"


@pytest.fixture
def open_docs(open_page):
    """Opens the page and waits for what it shows."""

    def open_one(path="/docs", **facts):
        page = open_page(path, **facts)
        page.wait_for_selector(".opblock-tag")
        return page

    return open_one


def groups(page):
    """The names of the groups that are open."""
    opened = page.locator(".opblock-tag-section.is-open .opblock-tag")
    return [each.get_attribute("data-tag") for each in opened.all()]


def try_it(page):
    """Show alice by the example in the page; what was answered."""
    if not page.locator(f"{SHOW_USER} .opblock-body").is_visible():
        page.locator(f"{SHOW_USER} .opblock-summary-control").click()
    page.get_by_role("button", name="Try it out").click()
    with page.expect_response(re.compile("/users/")) as answered:
        page.get_by_role("button", name="Execute").click()
    return answered.value


def authorize(page, token):
    page.get_by_role("button", name="Authorize").click()
    dialog = page.locator(".dialog-ux")
    dialog.get_by_role("textbox").fill(token)
    dialog.get_by_role("button", name="Apply credentials").click()
    dialog.get_by_role("button", name="Close").click()


@pytest.fixture
def demo(start):
    server = start(demo="on")
    server.add_user("uma@acme.test", role="USER")
    server.add_key("uma@acme.test")
    return server


def test_one_group_is_open(open_docs):
    assert groups(open_docs()) == ["users"]


def test_an_address_of_an_operation_opens_that_one(open_docs):
    page = open_docs("/docs#/services/get_subscription")
    expect(page.locator("#operations-services-get_subscription .opblock-body")).to_be_visible()
    assert groups(page) == ["services"]


def test_a_filter_finds_operations_by_words(open_docs):
    page = open_docs()
    page.get_by_label("Filter").fill("delete privileg")
    expect(page.get_by_role("status")).to_have_text("3 operations")
    assert groups(page) == ["users", "privileges"]
    expect(page.locator(".opblock")).to_have_count(3)
    page.get_by_label("Filter").fill("")
    expect(page.locator(".opblock-tag").first).to_have_attribute("data-tag", "tenant")
    assert groups(page) == ["users"]


def test_in_demo_mode_a_request_is_alices_at_once(open_docs, demo):
    page = open_docs(f"{demo.root_url}/docs")
    expect(page.get_by_label("Ask as").locator("option:checked")).to_have_text(
        "alice@acme.test: ADMINISTRATOR of acme"
    )
    answer = try_it(page)
    assert answer.status == 200
    assert "demo" not in answer.url and "key" not in answer.url
    assert demo.requests.find(path="/users/**")[-1]["user"] == "alice@acme.test"


def test_in_demo_mode_another_key_is_chosen_by_its_owner_and_kept(open_docs, demo):
    page = open_docs(f"{demo.root_url}/docs")
    page.get_by_label("Ask as").select_option("uma@acme.test: USER of acme")
    page.reload()
    expect(page.get_by_label("Ask as").locator("option:checked")).to_have_text(
        "uma@acme.test: USER of acme"
    )
    assert try_it(page).status == 404
    assert demo.requests.find(path="/users/**")[-1]["user"] == "uma@acme.test"


def test_with_real_keys_none_is_offered_and_none_is_kept(open_docs, server):
    page = open_docs()
    expect(page.get_by_label("Ask as")).to_be_hidden()
    authorize(page, server.token)
    assert try_it(page).status == 200
    assert server.token not in page.evaluate("JSON.stringify([localStorage, sessionStorage])")
    # The address leads back to the operation.
    page.reload()
    page.wait_for_selector(f"{SHOW_USER} .opblock-body")
    assert try_it(page).status == 401


def test_below_a_path_prefix_requests_go_there(open_docs, server, below_a_prefix):
    page = open_docs(f"{below_a_prefix}/docs")
    authorize(page, server.token)
    answer = try_it(page)
    assert answer.status == 200
    assert answer.url.startswith(f"{below_a_prefix}/api/v1/provisioning/users/")
    page.get_by_role("link", name="Console").click()
    expect(page).to_have_url(re.compile(f"^{below_a_prefix}/console"))


@pytest.mark.parametrize(("scheme", "colour"), [("light", "244, 246, 249"), ("dark", "18, 22, 28")])
def test_the_page_is_as_light_or_dark_as_the_reader_likes(open_docs, scheme, colour):
    page = open_docs(color_scheme=scheme)
    for part in ("body", ".swagger-ui"):
        expect(page.locator(part)).to_have_css("background-color", f"rgb({colour})")


def test_nothing_is_wider_than_a_small_screen(open_docs):
    page = open_docs(viewport={"width": 360, "height": 700})
    assert try_it(page).status == 401
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_toolbar_is_one_line_on_a_usual_screen(open_docs, demo):
    demo.add_user("someone.with.a.long.name@logistics.acme.test", role="INTERNAL_AUDITING")
    demo.add_key("someone.with.a.long.name@logistics.acme.test")
    page = open_docs(f"{demo.root_url}/docs")
    page.get_by_label("Filter").fill("delete privileg")
    expect(page.get_by_role("status")).to_have_text("3 operations")
    assert page.locator("#tools").bounding_box()["height"] < 60
