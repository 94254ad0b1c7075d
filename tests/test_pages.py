"""The files of the pages for people: a browser keeps them under names that follow their content."""

import gzip
import re
from html.parser import HTMLParser

import pytest

from provisioning.web.pages import Page

PAGES = ["//console", "//docs"]
GZIP = {"Accept-Encoding": "br, gzip"}


@pytest.fixture
def browser(sandbox):
    """Requests without a key."""
    return sandbox.client()


@pytest.fixture(params=PAGES)
def page(request, browser):
    """A page as it is answered."""
    return browser.get(request.param)


class References(HTMLParser):
    """What a browser fetches for a page, before it runs anything of it."""

    def __init__(self, html):
        super().__init__()
        self.found = set()
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        if tag in {"link", "script"}:
            self.found |= {value for name, value in attrs if name in {"src", "href"}}


def files_of(page):
    return sorted(f"//{each}" for each in References(page.text).found)


def test_every_file_is_kept_for_good(browser, page):
    for file in files_of(page):
        assert browser.get(file).headers["Cache-Control"] == "max-age=31536000, immutable"


def test_the_page_itself_is_asked_for_again_and_is_304_while_nothing_has_changed(browser, page):
    assert page.headers["Cache-Control"] == "private, no-cache"
    again = browser.get(f"/{page.request.path}", headers={"If-None-Match": page.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "main.js").write_text("another()"),
        lambda folder: (folder / "main.js").rename(folder / "other.js"),
        lambda folder: (folder / "one.css").write_text(""),
    ],
    ids=["its content", "its name", "one more"],
)
def test_another_content_has_another_name(tmp_path, change):
    def page():
        return Page(
            "/page", tmp_path / "index.html", lambda: {p.name: p for p in tmp_path.iterdir()}, ""
        )

    (tmp_path / "main.js").write_text("main()")
    before = page().version
    assert page().version == before
    change(tmp_path)
    assert page().version != before


def test_a_page_of_another_version_gets_what_there_is_and_keeps_it_no_longer(browser, page):
    for file in files_of(page):
        other = browser.get(re.sub("[0-9a-f]{16}", "0" * 16, file))
        assert (other.status_code, other.headers["Cache-Control"]) == (200, "private, no-cache")


def test_every_file_comes_compressed_to_whoever_takes_that(browser, page):
    for file in files_of(page):
        plain, compressed = browser.get(file), browser.get(file, headers=GZIP)
        assert compressed.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(compressed.data) == plain.data
        assert compressed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
        assert compressed.headers["ETag"] != plain.headers["ETag"]


@pytest.mark.parametrize("header", [{}, {"Accept-Encoding": "br"}, {"Accept-Encoding": "gzip;q=0"}])
def test_nobody_else_gets_it_compressed(browser, page, header):
    for file in files_of(page):
        assert "Content-Encoding" not in browser.get(file, headers=header).headers


def test_a_first_visit_to_the_console_takes_30_requests_and_65_kb_at_most(browser):
    page = browser.get("//console")
    sizes = [len(browser.get(file, headers=GZIP).data) for file in files_of(page)]
    assert 1 + len(sizes) <= 30
    assert len(page.data) + sum(sizes) <= 65_000
