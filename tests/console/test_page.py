"""What the server gives a browser that asks for the console."""

import hashlib
import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from provisioning.console import FOLDER as PAGE
from provisioning.console import files
from provisioning.testing.sandbox import Sandbox

MOST_BYTES = 159_999
"""Of everything that a browser may load, the library too."""
FILES = sorted(files())


@pytest.fixture
def anybody(sandbox):
    """Requests without a key."""
    return sandbox.client()


@pytest.fixture
def place(anybody):
    """Where the page's files are."""
    return "//" + re.search('src="(.*)main.js"', anybody.get("//console").text).group(1)


def test_the_page_may_run_its_own_files_and_talk_to_its_own_server_only(anybody):
    answer = anybody.get("//console")
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert answer.headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", FILES)
def test_its_files_are_served_under_the_same_policy(anybody, place, name):
    answer = anybody.get(place + name)
    assert answer.status_code == 200
    assert answer.data == (PAGE / name).read_bytes()
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; ")
    if name.endswith(".js"):
        assert answer.mimetype == "text/javascript"


@pytest.mark.parametrize(("path", "here"), [("//console", "console/"), ("//console/", "")])
def test_it_refers_to_its_files_relative_to_where_it_is(anybody, path, here):
    page = anybody.get(path).text
    assert re.search(f'src="{here}[0-9a-f]+/main.js"', page)
    assert re.search(f'href="{here}[0-9a-f]+/console.css"', page)


@pytest.mark.parametrize("path", ["//console", "//console/"])
def test_it_names_all_its_modules_so_that_they_come_at_once(anybody, path):
    named = re.findall(
        '<link rel="modulepreload" href=".*?[0-9a-f]{16}/(.*)">', anybody.get(path).text
    )
    assert named == [name for name in FILES if name.endswith(".js")]


@pytest.mark.slow
def test_a_second_visit_asks_for_the_page_alone(open_page, opened):
    page = open_page()
    expect(page.get_by_label("API key")).to_be_visible()
    (visited,) = opened
    names, asked = {}, []
    again = visited.page()
    session = visited.context.new_cdp_session(again)
    session.send("Network.enable")
    session.on(
        "Network.requestWillBeSent",
        lambda told: names.update({told["requestId"]: urlsplit(told["request"]["url"]).path}),
    )
    # Only what came over the line has this.
    session.on("Network.responseReceivedExtraInfo", lambda told: asked.append(told["requestId"]))
    again.goto(page.url)
    expect(again.get_by_label("API key")).to_be_visible()
    assert [names[each] for each in asked if names[each].startswith("/console")] == ["/console"]


def test_it_tells_how_much_the_server_shows_at_once():
    page = Sandbox(max_page_size=10).client().get("//console").text
    assert 'data-most="10"' in page


@pytest.mark.parametrize(
    "path",
    [
        "//console/x/nothing.js",
        "//console/x/../settings.py",
        "//console/x/index.html",
        "//console/main.js",
    ],
)
def test_what_it_does_not_have_is_a_problem_404(anybody, path):
    answer = anybody.get(path)
    assert answer.status_code == 404
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize("path", ["//console", "//console/", "//console/x/main.js"])
def test_switched_off_it_is_not_there(path):
    assert Sandbox(console="off").client().get(path).status_code == 404


def test_all_of_it_is_small():
    assert sum(path.stat().st_size for path in PAGE.rglob("*") if path.is_file()) <= MOST_BYTES


def test_the_library_is_the_one_that_its_checksums_name():
    lines = (PAGE.parent / "SHA256SUMS").read_text().splitlines()
    expected = {name: digest for digest, name in (line.split() for line in lines)}
    found = {
        path.relative_to(PAGE.parent).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in PAGE.glob("vendor/*.js")
    }
    assert found == expected
