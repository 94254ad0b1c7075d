"""What a log may show of a request's target."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.web.redaction import redacted_target

TOKEN = "tok-3nVqO0Zb_x9"
GENERATED = "67-AXjNKKOgM94jdQgHnU4mJxjkTv7tHn6SqoGMT2Co"


def spelled(text: str) -> st.SearchStrategy[str]:
    """text in any case, any of its characters percent-encoded once or twice."""

    def character(char: str) -> st.SearchStrategy[str]:
        return st.sampled_from([char.lower(), char.upper()]).flatmap(
            lambda cased: st.sampled_from([cased, f"%{ord(cased):02x}", f"%25{ord(cased):02X}"])
        )

    return st.tuples(*map(character, text)).map("".join)


@given(name=spelled("apikey"), equals=spelled("="))
def test_a_key_in_the_query_is_masked_however_its_name_is_spelled(name, equals):
    assert (
        redacted_target(f"/users?page=2&{name}{equals}{TOKEN}&size=5")
        == f"/users?page=2&{name}{equals}********&size=5"
    )


@given(segment=spelled("api-keys"), slash=spelled("/"))
def test_a_key_in_the_path_is_masked_however_the_path_is_spelled(segment, slash):
    assert (
        redacted_target(f"/users/bob/{segment}{slash}{TOKEN}?page=2")
        == f"/users/bob/{segment}{slash}********?page=2"
    )


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        (f"/users?apikey={TOKEN}&apikey={TOKEN}2", "/users?apikey=********&apikey=********"),
        (f"/users?api_key={TOKEN}", "/users?api_key=********"),
        (f"/users?x-api-key={TOKEN}", "/users?x-api-key=********"),
        (f"/users?apiToken={TOKEN}", "/users?apiToken=********"),
        (f"/users?apikey=%74{TOKEN}%26", "/users?apikey=********"),
        (f"/users?apikey={TOKEN}#{TOKEN}", "/users?apikey=********"),
        (f"/api-keys/{TOKEN}", "/api-keys/********"),
        (f"/api-keys/{TOKEN}/", "/api-keys/********"),
        (f"/api-keys//{TOKEN}", "/api-keys//********"),
        (f"/api-keys/./{TOKEN}", "/api-keys/********"),
        (f"/user-api-keys/{TOKEN}", "/user-api-keys/********"),
        (f"/api-keys/{TOKEN}?apikey={TOKEN}", "/api-keys/********?apikey=********"),
        (f"http://acme.test/users?apikey={TOKEN}", "http://acme.test/users?apikey=********"),
        (f"/docs?next=%2Fusers%3Fapikey%3D{TOKEN}", "/docs?next=%2Fusers%3Fapikey%3D********"),
        (f"/users?token={TOKEN}", "/users?token=********"),
        (f"/users?access_token={TOKEN}&page=1", "/users?access_token=********&page=1"),
        (f"/users?a=b&accessToken={TOKEN}", "/users?a=b&accessToken=********"),
        (f"/users?key={TOKEN}", "/users?key=********"),
        (f"/users?KEY={TOKEN}", "/users?KEY=********"),
        (f"/users?a%5Btoken%5D={TOKEN}", "/users?a%5Btoken%5D=********"),
        (f"/users?new-password={TOKEN}", "/users?new-password=********"),
        (f"/users?pass_word={TOKEN}", "/users?pass_word=********"),
        (f"/users?passwort={TOKEN}", "/users?passwort=********"),
        (f"/users?client_secret={TOKEN}", "/users?client_secret=********"),
        (f"/users?X-Auth={TOKEN}", "/users?X-Auth=********"),
        (f"/page#access_token={TOKEN}", "/page#access_token=********"),
        (f"/a?next=%252Fb%253Ftoken%253D{TOKEN}", "/a?next=%252Fb%253Ftoken%253D********"),
        (f"https://me:{TOKEN}@acme.test/users", "https://********@acme.test/users"),
        (f"apikey={TOKEN}", "apikey=********"),
        (f"/users/{GENERATED}", "/users/********"),
        (f"/users/{GENERATED}/privilege?page=2", "/users/********/privilege?page=2"),
        (f"/users?q={GENERATED}", "/users?q=********"),
        (f"/%75sers/{GENERATED}", "/%75sers/********"),
        (f"curl/8.1 ({GENERATED})", "curl/8.1 (********)"),
        (GENERATED, "********"),
        (f"a.{GENERATED}.b", "a.********.b"),
        (f"//me:p@{TOKEN}@db.acme.test/x", "//********@db.acme.test/x"),
        (f"/a?{'b=c&' * 100}token={TOKEN}", f"/a?{'b=c&' * 100}********"),
        (f"/a?{'b=c&' * 99}token={TOKEN}", f"/a?{'b=c&' * 99}token=********"),
    ],
)
def test_a_key_is_masked_wherever_it_stands(target, shown):
    assert redacted_target(target) == shown


@pytest.mark.parametrize(
    "target",
    [
        "",
        "*",
        "/api/v1/provisioning/users?q=%C3%A9mile&page=0&size=20",
        "/api/v1/provisioning/api-keys",
        "/api/v1/provisioning/api-keys/?order=-name",
        "/api/v1/provisioning/users/bob%40acme.test/api-keys?page=1",
        "/users?apikey=",
        "/users?q=apikey",
        "/users?token=&key=",
        "/users?keyword=lamp&monkey=1&order=-key",
        "/users?author=alice&passenger=bob&sort_key=name",
        "/users/c5c79a8a4d1e4b9d9f1f3c2e5a6b7c8d",
        "/users/0b1cbf5e-5a0c-4b52-8d62-3f4f1d3a9e10",
        "/privileges/12345678901234567890123456789",
        "/tenant-dashboards/a-long-label-of-lower-case-letters-2024",
        "/users/first.middle.LastName1970@a-long-domain.example",
        "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        "a:b@c",
    ],
)
def test_a_target_without_a_key_is_shown_as_it_is(target):
    assert redacted_target(target) == target
