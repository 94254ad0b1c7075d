"""What is kept in memory takes about as much of it as it is long."""

import gc
import tracemalloc

import pytest

from provisioning.testing.sandbox import Sandbox

USERS = 300


@pytest.mark.parametrize(
    ("path", "facts"),
    [
        ("/users?size=300", {}),
        ("/privileges?size=300", {}),
        ("//scim/v2/Users?count=300", {"scim": "on"}),
    ],
)
def test_a_list_keeps_no_more_than_twice_its_bytes(path, facts):
    sandbox = Sandbox(**facts)
    for _ in range(USERS):
        sandbox.add_user()
    client = sandbox.client(sandbox.add_key(None))
    client.get(path)  # what is made once for all requests
    sandbox.add_user()
    before, _ = _memory()
    tracemalloc.start()
    try:
        size = len(client.get(path).data)
        kept, _ = _memory()
    finally:
        tracemalloc.stop()
    assert size > 200 * USERS
    assert kept - before < 2 * size + 300 * USERS


@pytest.mark.parametrize("token", [None, "administrator"], ids=["nobody", "an administrator"])
def test_of_many_long_queries_less_is_kept_than_what_they_say(token):
    sandbox = Sandbox()
    client = sandbox.client(token and sandbox.administrator.token)
    many = "&".join(f"{number:x}" for number in range(1_500))  # 400 KB as a dictionary of lists
    client.get(f"/users?of=0&{many}")
    tracemalloc.start()
    try:
        before, _ = _memory()
        for number in range(1, 50):
            client.get(f"/users?of={token}{number}&{many}")
        after, _ = _memory()
    finally:
        tracemalloc.stop()
    # The client of this test keeps the URLs that it has read.
    assert after - before < 50 * 5 * len(many)


def _memory():
    gc.collect()
    return tracemalloc.get_traced_memory()
