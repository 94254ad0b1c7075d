"""/docs shows the documents from this server alone."""

import re
from html.parser import HTMLParser
from urllib.parse import urljoin

import pytest

from provisioning.testing.sandbox import Sandbox
from provisioning.web.docs import FOLDER

PAGE = "//docs"
FILES = f"{PAGE}/any-version"


class References(HTMLParser):
    """What a page makes the browser fetch."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inline: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in {"src", "href"}]
        self.inline += [name for name, _ in attrs if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in dict(attrs)):
            self.inline.append(tag)


@pytest.fixture
def browser(sandbox):
    """Requests without a key."""
    return sandbox.client()


def test_the_root_leads_to_the_page(browser):
    response = browser.get("//")
    assert response.status_code == 302
    assert response.headers["Location"] == "/docs"


@pytest.mark.parametrize("path", [PAGE, f"{PAGE}/"])
def test_the_page_is_there_with_and_without_a_slash(browser, path):
    response = browser.get(path)
    assert response.status_code == 200
    assert response.mimetype == "text/html"


def test_the_page_is_the_same_whatever_host_asks(browser):
    asked = browser.get(PAGE, headers={"Host": "elsewhere.example"})
    assert asked.data == browser.get(PAGE).data


@pytest.mark.parametrize("path", [PAGE, f"{PAGE}/"])
@pytest.mark.parametrize("prefix", ["", "/some/where"])
def test_all_that_the_page_refers_to_is_served_from_beside_it(browser, path, prefix):
    references = References(browser.get(path).text).found
    assert len(references) == 7
    for reference in references:
        there = urljoin(f"http://localhost{prefix}{path[1:]}", reference)
        assert there.startswith(f"http://localhost{prefix}/")
        with browser.get(f"/{there.removeprefix(f'http://localhost{prefix}')}") as response:
            assert response.status_code == 200
            assert response.data


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("docs.js", "text/javascript"),
        ("swagger-ui-bundle.js", "text/javascript"),
        ("docs.css", "text/css"),
        ("swagger-ui.css", "text/css"),
        ("icon.svg", "image/svg+xml"),
    ],
)
def test_a_file_says_what_it_is(browser, name, kind):
    with browser.get(f"{FILES}/{name}") as response:
        assert response.status_code == 200
        assert response.mimetype == kind


@pytest.mark.parametrize("name", ["docs.css", "swagger-ui.css"])
def test_the_styles_refer_to_nothing_on_another_host(browser, name):
    with browser.get(f"{FILES}/{name}") as response:
        found = re.findall(r"""url\(["']?([^"')]*)""", response.text)
    assert [each for each in found if not each.startswith("data:")] in ([], ["swagger-ui.css"])


def test_the_script_refers_to_nothing_by_a_path_from_the_root():
    text = (FOLDER / "docs.js").read_text()
    assert not re.search(r"""["'`](/[a-z_]|https?:)""", text)


@pytest.mark.parametrize("path", [PAGE, f"{FILES}/swagger-ui.css"])
def test_the_browser_may_fetch_from_this_server_only_and_run_nothing_inline(browser, path):
    with browser.get(path) as response:
        directives = response.headers["Content-Security-Policy"].split("; ")
    policy = {name: sources for name, _, sources in (d.partition(" ") for d in directives)}
    assert policy == {
        "default-src": "'none'",
        "connect-src": "'self'",
        "img-src": "'self' data:",
        "script-src": "'self'",
        "style-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }


def test_the_page_has_neither_scripts_nor_styles_in_itself(browser):
    assert References(browser.get(PAGE).text).inline == []


@pytest.mark.parametrize("demo", ["on", "off"])
def test_the_page_knows_whether_keys_are_the_demos(demo):
    page = Sandbox(demo=demo).client().get(PAGE).text
    assert f'data-demo="{demo}"' in page
    assert "{" not in page


@pytest.mark.parametrize("path", ["//", PAGE, f"{PAGE}/", f"{FILES}/docs.js"])
def test_the_page_can_be_switched_off(path):
    response = Sandbox(docs="off").client().get(path)
    assert response.status_code == 404
    assert response.content_type == "application/problem+json"


def test_the_document_stays_when_the_page_is_off():
    assert Sandbox(docs="off").client().get("//openapi.json").status_code == 200


def test_an_answer_of_the_api_may_fetch_nothing_should_a_browser_show_it(administrator):
    policy = administrator.get("/whoami").headers["Content-Security-Policy"]
    assert policy == "default-src 'none'; frame-ancestors 'none'"


@pytest.mark.parametrize(
    "name",
    [
        "nothing.js",
        "index.html",
        "index.html/../__init__.py",
        "../__init__.py",
        "oauth2-redirect.html",
    ],
)
def test_what_the_page_does_not_have_is_a_problem_404(browser, name):
    response = browser.get(f"{FILES}/{name}")
    assert response.status_code == 404
    assert response.content_type == "application/problem+json"
