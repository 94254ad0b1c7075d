"""/docs shows the documents from this server alone."""

import re
from html.parser import HTMLParser

import pytest

PAGE = "//docs"


class References(HTMLParser):
    """What a page makes the browser fetch."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in {"src", "href"}]


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
    assert '"url": "/openapi.json"' in response.text


def test_the_page_is_the_same_whatever_host_asks(browser):
    asked = browser.get(PAGE, headers={"Host": "elsewhere.example"})
    assert asked.data == browser.get(PAGE).data


def test_all_that_the_page_refers_to_is_served_from_here(browser):
    references = References(browser.get(PAGE).text).found
    assert len(references) >= 5
    for reference in references:
        assert reference.startswith("/docs/")
        with browser.get(f"/{reference}") as response:
            assert response.status_code == 200
            assert response.data


def test_the_styles_refer_to_nothing_outside_themselves(browser):
    for name in ("swagger-ui.css", "index.css"):
        with browser.get(f"{PAGE}/{name}") as response:
            found = re.findall(r"""url\(["']?([a-z]+:)?""", response.text)
        assert set(found) <= {"data:"}


@pytest.mark.parametrize("path", [PAGE, f"{PAGE}/swagger-ui.css", f"{PAGE}/oauth2-redirect.html"])
def test_the_browser_may_fetch_from_this_server_only(browser, path):
    with browser.get(path) as response:
        directives = response.headers["Content-Security-Policy"].split("; ")
    policy = {name: sources.split() for name, _, sources in (d.partition(" ") for d in directives)}
    assert policy["default-src"] == ["'none'"]
    assert policy["connect-src"] == ["'self'"]
    sources = {source for listed in policy.values() for source in listed}
    digests = {source for source in sources if source.startswith("'sha256-")}
    assert sources - digests == {"'none'", "'self'", "'unsafe-inline'", "data:"}
    assert policy["script-src"] == ["'self'", *digests]
    assert len(digests) == (1 if path == PAGE else 0)


def test_nothing_asks_a_validator_elsewhere(browser):
    assert '"validatorUrl": null' in browser.get(PAGE).text


def test_a_key_stays_while_the_page_is_loaded_again(browser):
    assert '"persistAuthorization": true' in browser.get(PAGE).text


def test_an_answer_of_the_api_may_fetch_nothing_should_a_browser_show_it(administrator):
    policy = administrator.get("/whoami").headers["Content-Security-Policy"]
    assert policy == "default-src 'none'; frame-ancestors 'none'"


def test_what_the_page_does_not_have_is_a_problem_404(browser):
    response = browser.get(f"{PAGE}/nothing.js")
    assert response.status_code == 404
    assert response.content_type == "application/problem+json"
