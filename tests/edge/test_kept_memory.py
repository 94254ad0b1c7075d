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


def _memory():
    gc.collect()
    return tracemalloc.get_traced_memory()
