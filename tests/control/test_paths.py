"""Patterns of paths: what they match, and that no pattern takes long."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.control.paths import matches

pytestmark = pytest.mark.storeless

WHOLE = "/api/v1/provisioning"


def expression(pattern):
    """What a pattern means, in the words of `re`, which may need ages for it."""
    wild = {"*": "[^/]*"}
    parts = re.split(r"(\*+)", pattern.rstrip("/") or "/")
    text = "".join(
        wild.get(part, ".*") if part.startswith("*") else re.escape(part) for part in parts
    )
    return re.compile(text, re.DOTALL)


@given(
    pattern=st.text("ab/*", max_size=10).map("/{}".format),
    path=st.text("ab/", max_size=10).map("/{}".format),
)
def test_a_pattern_means_what_its_stars_say(pattern, path):
    assert matches(pattern, path) is (expression(pattern).fullmatch(path) is not None)


@pytest.mark.parametrize(
    "pattern, path, is_met",
    [
        ("/users/*", "/users/bob", True),
        ("/users/*", "/users/", True),
        ("/users/*", "/users/bob/privilege", False),
        ("/users/**", "/users/bob/privilege", True),
        ("/users**", "/users", True),
        ("/**/api-keys", "/users/bob/api-keys", True),
        ("/users/", "/users", True),
        ("/", "/", True),
        ("/users/*", f"{WHOLE}/users/bob", True),
        (f"{WHOLE}/users/*", f"{WHOLE}/users/bob", True),
        ("/users/b.b", "/users/bob", False),
        ("/users/*\n", "/users/a\nb", False),
        ("/users/*", "/users/a\nb", True),
    ],
)
def test_a_path_is_matched_whole_or_below_the_base_path(pattern, path, is_met):
    assert matches(pattern, path) is is_met


@pytest.mark.parametrize(
    "pattern",
    ["/**a**a**a**b", "/" + "**a" * 300 + "b", "/" + "*a" * 400 + "b", "/**" + "a*" * 400 + "/b"],
)
def test_no_pattern_is_hostile(pattern):
    """Each of these kept a matcher that tries one way after the other busy for minutes."""
    assert not matches(pattern, "/" + "a" * 8_000)
