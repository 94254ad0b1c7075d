"""Pictures of every page of the console: python -m tests.console.screenshots [FOLDER]

They come from the demo data at a moment when something is about to end. With docs/img as the
folder only the README's are made.
"""

import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from provisioning.factory import memory_store, open_server, serve
from provisioning.settings import Settings
from provisioning.testing.client import Client
from provisioning.testing.listener import Listener
from provisioning.testing.provisioner import routes
from provisioning.web.operation import BASE_PATH
from tests.console.conftest import ZONE, launch

NOW = "2026-03-20T09:30:00Z"
ALICE = "demo-acme-alice-administrator-basic-key"
PLACES = {
    "overview": "overview",
    "users": "users",
    "users-as-of": "users?at=2016-03-31T10:00:00Z",
    "users-none": "users?q=nobody",
    "users-beyond": "users?page=99",
    "users-everyone": "users?view=everyone&q=gre",
    "user-unknown": "users/nobody%40acme.test",
    "user-alice": "users/alice%40acme.test",
    "user": "users/tomasz%40acme.test",
    "privileges": "privileges",
    "lines": "privileges?view=lines",
    "api-keys": "api-keys?view=users",
    "services": "services",
    "catalogue": "services?view=catalogue",
    "domain-mappings": "domain-mappings",
    "endpoints": "endpoints",
    "dashboards": "dashboards",
    "statements": "statements",
    "audit": "audit",
    "emulator": "emulator",
}
DIALOGS = {
    "new-user": ("users", "New user"),
    "new-privilege": ("users/tomasz%40acme.test", "New privilege"),
    "new-endpoint": ("endpoints", "New endpoint"),
    "revoke": ("users/tomasz%40acme.test", "Revoke"),
    "hand-over": ("users/alice%40acme.test", "Hand over"),
    "rotate": ("api-keys?view=users", "Rotate"),
    "details": ("audit", "Details"),
    "reset": ("emulator", "Reset"),
}
KEPT = {"user": 760, "users": 560, "emulator": 700}
"""The README's, with the height of the window."""
IMAGES = Path("docs/img")


def prepare(root: str) -> None:
    """What makes the pictures worth looking at: changes, ends that are near, a fault, requests."""
    alice = Client(root + BASE_PATH, ALICE)
    for username, until in (("uma@acme.test", "2026-03-27"), ("jose@acme.test", "2026-04-11")):
        alice.put(f"/users/{username}/privilege", json={"activeUntil": f"{until}T17:00:00Z"})
    alice.put("/services/audit-trail", json={"activeUntil": "2026-03-31T00:00:00Z"})
    alice.put("/users/tomasz@acme.test", json={"zipCode": "00-951"})
    alice.put("/info", json={"theme": "harbour-dark"})
    alice.post("/users/tomasz@acme.test/api-keys", json={"type": "QUERY_ONLY", "name": "Board"})
    alice.get("/users?q=angstrom")
    alice.get("/usres")
    alice.put("/users/uma@acme.test", json={"birthYear": "1993"})
    Client(f"{root}/_control").post(
        "/faults", json={"path": "/endpoints/*", "status": 503, "times": 3}
    )
    Client(f"{root}/_control").put("/snapshots/before-the-move")


def go(page: Page, root: str, place: str) -> None:
    page.goto(f"{root}/console#/{place}")
    page.wait_for_timeout(900)
    if place == "emulator":
        page.locator(".log summary").filter(has_text="PUT").first.click()
        page.wait_for_timeout(200)


def open_page(browser: Browser, root: str, width: int, height: int, scheme: str) -> Page:
    page = browser.new_page(
        locale="en-GB",
        timezone_id=ZONE,
        color_scheme=scheme,
        viewport={"width": width, "height": height},
    )
    page.goto(f"{root}/console")
    page.wait_for_timeout(500)
    return page


def sign_in(page: Page) -> None:
    page.get_by_label("API key").fill(ALICE)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_timeout(500)


def every_page(browser: Browser, root: str, folder: Path) -> None:
    for width in (1280, 390):
        for scheme in ("light", "dark"):
            page = open_page(browser, root, width, 800, scheme)
            page.screenshot(path=folder / f"sign-in-{width}-{scheme}.png", full_page=True)
            sign_in(page)
            for name, place in PLACES.items():
                go(page, root, place)
                page.screenshot(path=folder / f"{name}-{width}-{scheme}.png", full_page=True)
            for name, (place, button) in DIALOGS.items():
                go(page, root, place)
                page.get_by_role("button", name=button, exact=True).first.click()
                page.wait_for_timeout(300)
                page.screenshot(path=folder / f"{name}-{width}-{scheme}.png")
                page.reload()
            together(page, root, folder, f"{width}-{scheme}")
            page.context.close()


def together(page: Page, root: str, folder: Path, suffix: str) -> None:
    """Users chosen, asked about, and told who could not be revoked."""
    go(page, root, "users")
    page.get_by_label("Choose alice@acme.test").check()
    page.screenshot(path=folder / f"chosen-{suffix}.png")
    page.get_by_role("button", name="Revoke all privileges").click()
    page.screenshot(path=folder / f"together-{suffix}.png")
    page.get_by_role("dialog").get_by_role("button", name="Revoke all").click()
    page.wait_for_timeout(500)
    page.screenshot(path=folder / f"not-revoked-{suffix}.png")


def those_of_the_readme(browser: Browser, root: str) -> None:
    for name, height in KEPT.items():
        page = open_page(browser, root, 1120, height, "light")
        sign_in(page)
        go(page, root, PLACES[name])
        page.screenshot(path=IMAGES / f"console-{name}.png")
        page.context.close()


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(demo="on")
    parts = open_server(settings, memory_store())
    parts.clock.set(NOW)
    parts.clock.freeze()
    listener = Listener(serve(routes(settings), parts))
    root = "http://{}:{}".format(*listener.server_address)
    prepare(root)
    with sync_playwright() as playwright:
        browser = launch(playwright)
        if folder == IMAGES:
            those_of_the_readme(browser, root)
        else:
            every_page(browser, root, folder)
        browser.close()
    listener.close()
    print(f"{len(list(folder.glob('*.png')))} pictures in {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "screenshots"))
