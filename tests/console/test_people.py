"""For everybody: assistive technology, keyboards, narrow screens, darkness, and hostile names."""

from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from provisioning.domain import roles

pytestmark = pytest.mark.slow

SERIOUS = {"serious", "critical"}
PLACES = [
    "overview",
    "users",
    "users/bob%40acme.test",
    "users/nobody%40acme.test",
    "users?at=2016-03-31T10:00:00Z",
    "users?q=nobody-is-called-so",
    "users?page=99",
    "users?view=everyone",
    "privileges",
    "privileges?view=lines",
    "api-keys",
    "api-keys?view=users",
    "services",
    "services?view=catalogue",
    "domain-mappings",
    "endpoints",
    "dashboards",
    "statements",
    "audit",
    "nowhere",
    "emulator",
]
DIALOGS = {
    "users": "New user",
    "privileges": "New privilege",
    "api-keys": "New API key",
    "services": "New subscription",
    "endpoints": "New endpoint",
    "users/bob%40acme.test": "Revoke all",
    "users/alice%40acme.test": "Hand over",
    "privileges?role=USER": "Change",
    "api-keys?view=users": "Rotate",
    "domain-mappings": "New domain mapping",
    "statements": "New statement",
    "overview": "Edit tenant",
    "dashboards?view=own": "Remove",
    "audit": "Details",
}
SCHEMES = ["light", "dark"]
BEYOND_ITS_PAGE = """
(right = (each) => each.getBoundingClientRect().right) &&
[...document.querySelectorAll("main table, main section")]
    .filter((each) => right(each) > right(each.parentElement) + 1)
    .map((each) => each.outerHTML.slice(0, 100))
"""
HOSTILE = "<img src=x onerror=window.struck=1>"


@pytest.fixture
def filled(server):
    """A record of each kind."""
    administrator = server.administrator
    administrator.post("/services/enterprise")
    server.add_user("bob@acme.test", roles.TEAM_LEADER, reports_to="alice@acme.test")
    server.grant(
        "bob@acme.test",
        "USER",
        active_from="2015-01-01T00:00:00Z",
        active_until="2018-01-01T00:00:00Z",
    )
    long = server.add_user("francoise.lefevre@acme.test", roles.INTERNAL_AUDITING)
    server.grant(long, roles.USER, active_until="2099-09-10T10:00:00Z", reports_to="bob@acme.test")
    key = {
        "type": "INGESTION_ONLY",
        "name": "Move to the new data centre",
        "activeFrom": "2015-09-10T00:00:00Z",
        "activeUntil": "2099-09-10T00:00:00Z",
    }
    administrator.post(f"/users/{long}/api-keys", json=key)
    server.add_key("bob@acme.test", active_until="2099-01-01T00:00:00Z")
    administrator.post("/domain-mapping", json={"domain": "insight.acme.example"})
    administrator.post(
        "/endpoints", json={"url": "https://mq.acme.example", "endpointType": "MQ_INCOMING"}
    )
    administrator.post(
        "/tenant-dashboards",
        json={
            "title": "Deliveries",
            "menuLabel": "Deliveries",
            "label": "deliveries",
            "type": "CUSTOM",
            "status": "PRODUCTION",
            "listOrder": 1,
        },
    )
    server.faults.add("/never", status=503)
    return server


@pytest.fixture
def settled(settle):
    """Waits until what a page has asked for is there."""

    def wait(page):
        expect(page.locator("main h1").first).to_be_visible()
        settle(page)
        expect(page.locator("[aria-busy=true]")).to_have_count(0)

    return wait


def serious_findings(page):
    found = Axe().run(page).response["violations"]
    return [
        (each["id"], node["html"][:200])
        for each in found
        if each["impact"] in SERIOUS
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_nothing_serious_on_any_page(filled, sign_in, settled, scheme):
    page = sign_in(color_scheme=scheme)
    for place in PLACES:
        page.goto(f"{filled.root_url}/console#/{place}")
        settled(page)
        assert serious_findings(page) == [], place


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_nothing_serious_in_any_dialog(filled, sign_in, settled, scheme):
    page = sign_in(color_scheme=scheme)
    for place, button in DIALOGS.items():
        page.goto(f"{filled.root_url}/console#/{place}")
        settled(page)
        page.get_by_role("button", name=button, exact=True).first.click()
        expect(page.get_by_role("dialog")).to_be_visible()
        if button.startswith("New"):
            page.get_by_role("button", name="Save").click()
            settled(page)
        assert serious_findings(page) == [], place
        page.reload()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_serious_while_users_are_revoked_together(
    filled, sign_in, settled, scheme, width
):
    page = sign_in("users", color_scheme=scheme, viewport={"width": width, "height": 800})
    settled(page)
    page.get_by_label("Choose all that are shown").check() if width > 400 else page.get_by_label(
        "Choose alice@acme.test"
    ).check()
    assert serious_findings(page) == []
    page.get_by_role("button", name="Revoke all privileges").click()
    assert serious_findings(page) == []
    page.get_by_role("dialog").get_by_role("button", name="Revoke all").click()
    expect(page.get_by_role("dialog")).to_contain_text("not revoked")
    assert serious_findings(page) == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_the_system_prefers_is_turned_and_stays_so_for_the_browser(sign_in, settled, scheme):
    other = {"light": "dark", "dark": "light"}[scheme]
    colours = {"light": "rgb(244, 246, 249)", "dark": "rgb(18, 22, 28)"}
    page = sign_in(color_scheme=scheme)
    body = page.locator("body")
    expect(body).to_have_css("background-color", colours[scheme])
    page.get_by_role("button", name=f"{other.capitalize()} colours").click()
    expect(body).to_have_css("background-color", colours[other])
    settled(page)
    assert serious_findings(page) == []
    page.reload()
    expect(body).to_have_css("background-color", colours[other])
    page.get_by_role("button", name=f"{scheme.capitalize()} colours").click()
    expect(body).to_have_css("background-color", colours[scheme])
    assert page.evaluate("localStorage.length") == 0


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_nothing_serious_where_one_signs_in(open_page, scheme):
    page = open_page(color_scheme=scheme)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert serious_findings(page) == []


@pytest.mark.parametrize("width", [360, 800, 1280])
def test_no_page_is_wider_than_the_window(filled, sign_in, settled, width):
    page = sign_in(viewport={"width": width, "height": 740})
    for place in PLACES:
        page.goto(f"{filled.root_url}/console#/{place}")
        settled(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, place
        assert page.evaluate(BEYOND_ITS_PAGE) == [], place


def test_on_a_narrow_screen_a_user_is_made_all_the_same(server, sign_in):
    page = sign_in("users", viewport={"width": 360, "height": 640})
    page.get_by_role("button", name="New user").click()
    page.get_by_label("Username").fill("bob@acme.test")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="bob@acme.test", level=1)).to_be_visible()


def press(page, name, way="Tab"):
    """Go to the control of that name by Tab, or back by Shift+Tab, and press Enter."""
    expect(page.get_by_text(name, exact=True).first).to_be_visible()
    for _ in range(60):
        page.keyboard.press(way)
        if page.evaluate("document.activeElement.innerText") == name:
            return page.keyboard.press("Enter")
    raise AssertionError(f"{way} never came to {name}")


def test_the_keyboard_alone_is_enough(server, open_page):
    page = open_page()
    expect(page.get_by_label("API key")).to_be_focused()
    page.keyboard.type(server.token)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    press(page, "Users")
    expect(page.get_by_role("heading", name="Users", level=1)).to_be_visible()
    press(page, "New user")
    expect(page.get_by_label("Username")).to_be_focused()
    page.keyboard.type("bob@acme.test")
    page.keyboard.press("Tab")
    page.keyboard.type("bob@acme.test")
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.type("secret")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="bob@acme.test", level=1)).to_be_visible()
    assert server.administrator.get("/users/bob@acme.test").status_code == 200

    press(page, "New privilege")
    expect(page.get_by_label("Role")).to_be_focused()
    page.keyboard.type("MAN")
    press(page, "Save")
    row = page.get_by_role("row", name="MANAGEMENT")
    expect(page.get_by_role("button", name="New privilege")).to_be_focused()
    expect(row.get_by_role("button", name="Revoke")).to_be_visible()
    press(page, "Revoke")
    expect(page.get_by_role("dialog").get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(row.get_by_role("button", name="Revoke")).to_have_count(0)

    press(page, "New API key")
    expect(page.get_by_label("Type")).to_be_focused()
    press(page, "Save")
    expect(page.get_by_role("dialog", name="The new key")).to_be_visible()
    press(page, "Done")
    expect(page.get_by_role("button", name="New API key")).to_be_focused()
    assert len(server.administrator.get("/users/bob@acme.test/api-keys").json()) == 1
    press(page, "Sign out", "Shift+Tab")
    expect(page.get_by_label("API key")).to_be_focused()


def test_the_skip_link_leads_past_the_navigation(sign_in):
    page = sign_in("users")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the page")
    skip.focus()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="New user")).to_be_focused()


def test_the_focus_comes_back_to_what_opened_a_dialog(sign_in):
    page = sign_in("users")
    page.get_by_role("button", name="New user").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="New user")).to_be_focused()


@pytest.fixture
def hostile(server):
    """A tenant in which every text that may be one is a script's attempt."""
    administrator = server.administrator
    administrator.put("/info", json={"name": HOSTILE, "theme": HOSTILE, "icon": HOSTILE})
    administrator.post("/services/enterprise")
    profile = dict.fromkeys(("firstName", "lastName", "zipCode", "avatar", "hint"), HOSTILE)
    name = f"{HOSTILE}@acme.test"
    server.add_user(name, roles.ADMINISTRATOR, reports_to="alice@acme.test", **profile)
    administrator.post("/api-keys", json={"type": "BASIC", "name": HOSTILE})
    server.client(server.add_key(name)).put("/info", json={"theme": "javascript:alert(1)"})
    administrator.post(
        "/domain-mapping",
        json={"domain": "insight.acme.example", "icon": HOSTILE, "theme": HOSTILE},
    )
    administrator.post(
        "/endpoints",
        json={
            "url": "javascript:window.struck=1",
            "endpointType": "MQ_INCOMING",
            "vhost": HOSTILE,
            "exchange": HOSTILE,
        },
    )
    texts = {"title": HOSTILE, "status": "PRODUCTION", "type": "CUSTOM", "description": HOSTILE}
    administrator.post(
        "/tenant-dashboards",
        json={
            **texts,
            "label": "own",
            "menuLabel": HOSTILE,
            "listOrder": -5,
            "settings": {HOSTILE: HOSTILE},
        },
    )
    administrator.post(
        "/tenant-statements", json={**texts, "label": "own", "query": HOSTILE, "listOrder": -5}
    )
    administrator.get(f"/users?q={HOSTILE}", headers={"X-Hostile": HOSTILE})
    return name


def test_markup_in_names_is_text_everywhere(server, hostile, sign_in, settled):
    page = sign_in()
    person = f"users/{quote(hostile, safe='')}"
    shown = 0
    for place in [*PLACES, person, "api-keys", f"users?q={HOSTILE}"]:
        page.goto(f"{server.root_url}/console#/{place}")
        settled(page)
        shown += page.locator("main").inner_text().count("onerror")
        assert page.locator("main img").count() == 0
        assert page.locator('a[href^="javascript" i]').count() == 0
    assert shown >= 15
    page.goto(f"{server.root_url}/console#/emulator")
    page.locator(".log summary").first.click()
    for place, name in (("dashboards?view=own", HOSTILE), ("endpoints", "javascript:window")):
        page.goto(f"{server.root_url}/console#/{place}")
        page.get_by_role("button", name=name).first.click()
        expect(page.get_by_role("dialog")).to_be_visible()
        page.get_by_role("button", name="Close").click()
    page.goto(f"{server.root_url}/console#/{person}")
    page.get_by_role("button", name="Revoke all").click()
    expect(page.get_by_role("dialog")).to_contain_text(HOSTILE)
    assert page.evaluate("window.struck") is None
