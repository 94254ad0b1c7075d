"""Whole tasks of an administrator, from the overview on, by mouse and by keyboard alone.

`python -m tests.console.test_tasks` prints steps and seconds of each as a table.
"""

import sys
import time

import pytest
from playwright.sync_api import expect, sync_playwright

from provisioning.domain import roles

pytestmark = pytest.mark.slow

DAY = "2040-06-01"
BEGIN = "2040-05-31T22:00:00Z"
PEOPLE = ("bob", "carl", "dora")
KEYSTROKE, CLICK, THOUGHT = 0.2, 1.3, 1.35
"""Seconds that a practised person takes for a key, for pointing and clicking, and before a step."""


class Hand:
    """What a person does with a page, counted. One step is a decision, whatever keys it takes."""

    def __init__(self, page) -> None:
        self.page = page
        self.steps = self.keys = self.clicks = 0

    @property
    def seconds(self) -> float:
        return self.steps * THOUGHT + self.keys * KEYSTROKE + self.clicks * CLICK

    def named(self, role, name):
        dialog = self.page.get_by_role("dialog")
        within = dialog if dialog.count() else self.page
        return within.get_by_role(role, name=name, exact=True).first

    def labelled(self, label):
        return self.page.get_by_label(label, exact=True)

    def type(self, label, text) -> None:
        self.reach(self.labelled(label))
        self.keys += len(text)
        self.page.keyboard.type(text)


class Mouse(Hand):
    def reach(self, place) -> None:
        self.steps += 1
        self.clicks += 1
        place.click()

    def press(self, role, name) -> None:
        self.reach(self.named(role, name))

    check = press

    def day(self, label, day) -> None:
        self.steps += 1
        self.clicks += 6  # the calendar: open it, the year, and the month by its arrows
        self.labelled(label).fill(day)

    def choose(self, label, option) -> None:
        self.steps += 1
        self.clicks += 2
        self.labelled(label).select_option(option)


class Keyboard(Hand):
    def key(self, name) -> None:
        self.keys += 1
        self.page.keyboard.press(name)

    def reach(self, place) -> None:
        expect(place).to_be_visible()
        self.steps += 1
        for _ in range(90):
            if place.evaluate("each => each === document.activeElement"):
                return
            self.key("Tab")
        raise AssertionError(f"Tab never came to {place}")

    def press(self, role, name) -> None:
        self.reach(self.named(role, name))
        self.key("Enter")

    def check(self, role, name) -> None:
        self.reach(self.named(role, name))
        self.key("Space")

    def day(self, label, day) -> None:
        year, month, date = day.split("-")
        self.type(label, month + date + year)

    def choose(self, label, option) -> None:
        self.reach(self.labelled(label))
        self.keys += 3
        self.page.keyboard.type(option[:3])


def invite(hand, server) -> None:
    hand.press("link", "Users")
    hand.press("button", "New user")
    hand.type("Username", "eve@acme.test")
    hand.press("button", "Save")
    expect(hand.page.get_by_role("heading", name="eve@acme.test", level=1)).to_be_visible()
    hand.press("button", "New API key")
    hand.press("button", "Save")
    hand.press("button", "Copy")
    token = hand.page.locator(".token").inner_text()
    hand.press("button", "Done")
    assert server.client(token).get("/whoami").json()["user"]["username"] == "eve@acme.test"


def grant_later(hand, server) -> None:
    hand.press("link", "Users")
    hand.press("link", "bob@acme.test")
    hand.press("button", "New privilege")
    hand.choose("Role", "TEAM_LEADER")
    hand.type("Active from", DAY)
    hand.press("button", "Save")
    expect(hand.page.get_by_role("row", name="TEAM_LEADER")).to_contain_text("to come")


def hand_over(hand, server) -> None:
    hand.press("link", "alice@acme.test")
    hand.press("button", "Hand over")
    hand.type("Username", "bob@acme.test")
    hand.type("Active from", DAY)
    hand.press("button", "Hand over")
    expect(hand.page.get_by_text("Handed over.")).to_be_visible()
    (bob,) = server.administrator.get("/privileges?user=bob@acme.test&role=ADMINISTRATOR").json()
    assert bob["activeFrom"] == BEGIN


def who_administered(hand, server) -> None:
    hand.press("link", "Users")
    hand.day("As of", "2016-03-31")
    expect(hand.page.get_by_role("status")).to_contain_text("as of 31 Mar 2016")
    expect(hand.page.get_by_role("row", name="past@acme.test")).to_contain_text("ADMINISTRATOR")


def revoke_three(hand, server) -> None:
    hand.press("link", "Users")
    for name in PEOPLE:
        hand.check("checkbox", f"Choose {name}@acme.test")
    hand.press("button", "Revoke all privileges")
    hand.press("button", "Revoke all")
    expect(hand.page.get_by_text("3 users revoked.")).to_be_visible()
    assert [user["username"] for user in server.administrator.get("/users").json()] == [
        "alice@acme.test"
    ]


TASKS = [invite, grant_later, hand_over, who_administered, revoke_three]
MOST_STEPS = dict(zip(TASKS, (9, 6, 5, 2, 6), strict=True))


def prepare(server) -> None:
    for name in PEOPLE:
        server.add_user(f"{name}@acme.test")
    server.add_user(
        "past@acme.test",
        roles.ADMINISTRATOR,
        active_from="2016-01-01T00:00:00Z",
        active_until="2018-01-01T00:00:00Z",
    )


def do(task, hand, server) -> None:
    expect(hand.page.get_by_text("Active users")).to_be_visible()
    expect(hand.page.get_by_role("heading", name="Last changes")).to_be_visible()
    task(hand, server)


@pytest.mark.parametrize("way", [Mouse, Keyboard])
@pytest.mark.parametrize("task", TASKS)
def test_a_whole_task_takes_few_steps(server, sign_in, task, way):
    prepare(server)
    hand = way(sign_in())
    do(task, hand, server)
    assert hand.steps <= MOST_STEPS[task]


@pytest.mark.parametrize("task", TASKS)
def test_a_whole_task_is_done_on_a_phone(server, sign_in, task):
    prepare(server)
    do(task, Mouse(sign_in(viewport={"width": 390, "height": 844})), server)


def main() -> None:
    from provisioning.testing import ProvisioningServer  # noqa: PLC0415
    from tests.console.conftest import ZONE, launch  # noqa: PLC0415

    with sync_playwright() as playwright:
        browser = launch(playwright)
        print("| task | way | steps | keys | clicks | estimated s | measured s |")
        for task in TASKS:
            for way in (Mouse, Keyboard):
                with ProvisioningServer() as server:
                    prepare(server)
                    page = browser.new_page(locale="en-GB", timezone_id=ZONE)
                    page.goto(f"{server.root_url}/console")
                    page.get_by_label("API key").fill(server.token)
                    page.get_by_role("button", name="Sign in").click()
                    hand = way(page)
                    begun = time.perf_counter()
                    do(task, hand, server)
                    print(
                        f"| {task.__name__} | {way.__name__} | {hand.steps} | {hand.keys} | "
                        f"{hand.clicks} | {hand.seconds:.0f} | {time.perf_counter() - begun:.1f} |"
                    )
                    page.context.close()


if __name__ == "__main__":
    sys.exit(main())
