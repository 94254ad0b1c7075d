"""A browser that uses the console as a person would, and what must never happen on the way."""

import re
import shutil
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from provisioning.factory import serve
from provisioning.testing import ProvisioningServer
from provisioning.testing.listener import Listener
from provisioning.testing.provisioner import routes

CHROMIUM = shutil.which("chromium")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
ZONE = "Europe/Berlin"
REFUSED = re.compile(r"Failed to load resource: .* status of [45]\d\d")
"""What Chromium says of each answer that is an error, expected or not."""


def launch(playwright) -> Browser:
    return playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)


@pytest.fixture(scope="session")
def browser():
    if CHROMIUM is None:
        pytest.skip("there is no chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture
def start():
    """Starts servers with the tenant acme and alice, who administers it; pages end before them."""
    with ExitStack() as running:
        yield lambda **settings: running.enter_context(ProvisioningServer(**settings))


@pytest.fixture
def server(start):
    return start()


@pytest.fixture
def below_a_prefix(server):
    """The server as a proxy shows it that takes a path prefix away."""
    inner = serve(routes(server.parts.settings), server.parts)

    def proxy(environ, start_response):
        assert environ["PATH_INFO"].startswith("/some/where/"), environ["PATH_INFO"]
        below = environ["PATH_INFO"].removeprefix("/some/where")
        return inner({**environ, "PATH_INFO": below}, start_response)

    listener = Listener(proxy)
    host, port = listener.server_address
    yield f"http://{host}:{port}/some/where"
    listener.close()


class Watched:
    """Pages whose errors and requests are remembered."""

    def __init__(self, browser: Browser, **facts) -> None:
        facts = {"viewport": {"width": 1280, "height": 800}, **facts}
        self.context = browser.new_context(locale="en-GB", timezone_id=ZONE, **facts)
        self.context.set_default_timeout(10_000)
        self.faults: list[str] = []
        self.requests: list[str] = []

    def page(self) -> Page:
        page = self.context.new_page()
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.faults.append(f"{error}\n{error.stack}"))
        page.on("request", lambda request: self.requests.append(request.url))
        return page

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not REFUSED.match(message.text):
            self.faults.append(message.text)


@pytest.fixture
def open_page(browser, server, start):
    """Opens pages; afterwards nothing has failed in any, and nobody else was asked."""
    opened: list[Watched] = []

    def open_one(path: str = "/console", **facts) -> Page:
        watched = Watched(browser, **facts)
        opened.append(watched)
        page = watched.page()
        page.goto(path if "://" in path else server.root_url + path)
        return page

    yield open_one
    for watched in opened:
        watched.context.close()
        assert watched.faults == []
        assert {urlsplit(url).hostname for url in watched.requests} <= {"127.0.0.1", "localhost"}


@pytest.fixture
def sign_in(open_page, server):
    """Opens the console with a key, at a place after `#`."""

    def sign(place: str = "overview", token: str | None = None, **facts) -> Page:
        page = open_page(f"/console#/{place}", **facts)
        page.get_by_label("API key").fill(token or server.token)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("navigation")).to_be_visible()
        return page

    return sign
