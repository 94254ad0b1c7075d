"""Two directories at once: whatever they send in whatever order, nothing is half-done."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.scim.asking import IdentityProvider

PEOPLE = 6
THREADS, REQUESTS = 6, 25


@pytest.mark.slow
def test_people_who_are_renamed_moved_and_ended_by_two_directories_stay_one_each(sandbox, provider):
    globex_key = sandbox.add_key(None, tenant="globex")
    globex = IdentityProvider(sandbox.client(globex_key))
    names = [f"person{number}@acme.test" for number in range(PEOPLE + 3)]
    ids = [provider.create(name, externalId=name)["id"] for name in names[:PEOPLE]]
    for name in names[:PEOPLE]:
        globex.create(name, externalId=f"g-{name}")

    def provision(seed: int) -> list[int]:
        chance = random.Random(seed)
        here = IdentityProvider(sandbox.client(provider.client.token))
        there = IdentityProvider(sandbox.client(globex_key))
        return [
            chance.choice(
                (
                    lambda path, name: here.patch(
                        path, {"op": "replace", "path": "userName", "value": name}
                    ),
                    lambda path, name: here.put(path, {"userName": name, "password": "secret"}),
                    lambda path, name: there.patch(
                        path, {"op": "replace", "value": {"userName": name, "active": "False"}}
                    ),
                    lambda path, name: there.patch(
                        path, {"op": "replace", "value": {"active": True}}
                    ),
                    lambda path, name: here.put(
                        "/Groups/MANAGEMENT", {"members": [{"value": path.rpartition("/")[2]}]}
                    ),
                    lambda path, name: here.patch(
                        "/Groups/MANAGEMENT",
                        {"op": "add", "path": "members", "value": path.rpartition("/")[2]},
                    ),
                )
            )(f"/Users/{chance.choice(ids)}", chance.choice(names)).status_code
            for _ in range(REQUESTS)
        ]

    with ThreadPoolExecutor(THREADS) as threads:
        statuses = {each for found in threads.map(provision, range(THREADS)) for each in found}

    assert statuses <= {200, 204, 409}
    users = [provider.user(user_id) for user_id in ids]
    assert len({user["userName"] for user in users}) == PEOPLE
    for user in users:
        guest = globex.user(user["id"])
        assert guest["userName"] == user["userName"]
        assert guest["externalId"] == f"g-{names[ids.index(user['id'])]}"
        assert user["active"]
    group = provider.get("/Groups/MANAGEMENT").json
    assert {each["value"] for each in group["members"]} <= set(ids)
