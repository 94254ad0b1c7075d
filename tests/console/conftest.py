"""A browser that uses the console as a person would, and what must never happen on the way."""

import re
import shutil
import time
from contextlib import ExitStack, closing
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from provisioning.factory import serve
from provisioning.testing import ProvisioningServer
from provisioning.testing.listener import Listener
from provisioning.testing.provisioner import routes

CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
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
PATIENCE = 30_000
"""Milliseconds after which what a busy machine hasn't done will never be done."""
QUIET = 0.3
"""Seconds without a request after which a page has asked for all that it asks for."""

expect.set_options(timeout=PATIENCE)


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
def running():
    """The servers of a test. Pages depend on it, so that they are closed before any of them."""
    with ExitStack() as running:
        yield running


@pytest.fixture
def start(running):
    """Starts servers with the tenant acme and alice, who administers it."""
    return lambda **settings: running.enter_context(ProvisioningServer(**settings))


@pytest.fixture
def server(start):
    return start()


@pytest.fixture
def below_a_prefix(server, running):
    """The server as a proxy shows it that takes a path prefix away."""
    inner = serve(routes(server.parts.settings), server.parts)

    def proxy(environ, start_response):
        assert environ["PATH_INFO"].startswith("/some/where/"), environ["PATH_INFO"]
        below = environ["PATH_INFO"].removeprefix("/some/where")
        return inner({**environ, "PATH_INFO": below}, start_response)

    host, port = running.enter_context(closing(Listener(proxy))).server_address
    return f"http://{host}:{port}/some/where"


class Watched:
    """Pages whose errors and requests are remembered."""

    def __init__(self, browser: Browser, **facts) -> None:
        facts = {"viewport": {"width": 1280, "height": 800}, **facts}
        self.context = browser.new_context(locale="en-GB", timezone_id=ZONE, **facts)
        self.context.set_default_timeout(PATIENCE)
        self.faults: list[str] = []
        self.requests: list[str] = []
        self._open: set[Request] = set()
        self._last = 0.0

    def page(self) -> Page:
        page = self.context.new_page()
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.faults.append(f"{error}\n{error.stack}"))
        page.on("request", self._begin)
        page.on("requestfinished", self._end)
        page.on("requestfailed", self._end)
        return page

    def _begin(self, request: Request) -> None:
        self.requests.append(request.url)
        self._open.add(request)

    def _end(self, request: Request) -> None:
        self._open.discard(request)
        self._last = time.monotonic()

    def is_quiet(self) -> bool:
        return not self._open and time.monotonic() - self._last > QUIET

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not REFUSED.match(message.text):
            self.faults.append(message.text)


@pytest.fixture
def opened(running):
    """The pages of a test. Afterwards nothing has failed in any, and nobody else was asked."""
    opened: list[Watched] = []
    yield opened
    for watched in opened:
        watched.context.close()
        assert watched.faults == []
        assert {urlsplit(url).hostname for url in watched.requests} <= {"127.0.0.1", "localhost"}


@pytest.fixture
def open_page(browser, server, opened):
    """Opens pages of the server, or of another whose URL is given."""

    def open_one(path: str = "/console", **facts) -> Page:
        watched = Watched(browser, **facts)
        opened.append(watched)
        page = watched.page()
        page.goto(path if "://" in path else server.root_url + path)
        return page

    return open_one


@pytest.fixture
def settle(opened):
    """Waits until a page has asked for all that it shows."""

    def wait(page: Page) -> None:
        (watched,) = (each for each in opened if each.context is page.context)
        deadline = time.monotonic() + PATIENCE / 1000
        while not watched.is_quiet():
            assert time.monotonic() < deadline
            page.wait_for_timeout(50)

    return wait


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
