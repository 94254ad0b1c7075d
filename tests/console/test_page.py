"""What the server gives a browser that asks for the console."""

import hashlib
from pathlib import Path

import pytest

import provisioning.console
from provisioning.testing.sandbox import Sandbox

PAGE = Path(provisioning.console.__file__).parent / "page"
MOST_BYTES = 159_999
"""Of everything that a browser may load, the library too."""
FILES = sorted(path.relative_to(PAGE).as_posix() for path in PAGE.rglob("*") if path.is_file())


@pytest.fixture
def browser(sandbox):
    """Requests without a key."""
    return sandbox.client()


def test_the_page_may_run_its_own_files_and_talk_to_its_own_server_only(browser):
    answer = browser.get("//console")
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert answer.headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", FILES)
def test_its_files_are_served_under_the_same_policy(browser, name):
    with browser.get(f"//console/{name}") as answer:
        assert answer.status_code == 200
        assert answer.data == (PAGE / name).read_bytes()
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; ")
        if name.endswith(".js"):
            assert answer.mimetype == "text/javascript"


@pytest.mark.parametrize(("path", "here"), [("//console", "console/"), ("//console/", "")])
def test_it_refers_to_its_files_relative_to_where_it_is(browser, path, here):
    page = browser.get(path).text
    assert f'src="{here}main.js"' in page
    assert f'href="{here}console.css"' in page


@pytest.mark.parametrize(("path", "here"), [("//console", "console/"), ("//console/", "")])
def test_it_names_all_its_modules_so_that_they_come_at_once(browser, path, here):
    page = browser.get(path).text
    for name in FILES:
        preloads = page.count(f'<link rel="modulepreload" href="{here}{name}">')
        assert preloads == name.endswith(".js"), name


def test_it_tells_how_much_the_server_shows_at_once():
    page = Sandbox(max_page_size=10).client().get("//console").text
    assert 'data-most="10"' in page


@pytest.mark.parametrize("path", ["//console/nothing.js", "//console/../settings.py"])
def test_what_it_does_not_have_is_a_problem_404(browser, path):
    answer = browser.get(path)
    assert answer.status_code == 404
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize("path", ["//console", "//console/", "//console/main.js"])
def test_switched_off_it_is_not_there(path):
    assert Sandbox(console="off").client().get(path).status_code == 404


def test_all_of_it_is_small():
    assert sum((PAGE / name).stat().st_size for name in FILES) <= MOST_BYTES


def test_the_library_is_the_one_that_its_checksums_name():
    lines = (PAGE.parent / "SHA256SUMS").read_text().splitlines()
    expected = {name: digest for digest, name in (line.split() for line in lines)}
    found = {
        path.relative_to(PAGE.parent).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in PAGE.glob("vendor/*.js")
    }
    assert found == expected
