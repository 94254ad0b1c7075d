"""Requests at the same moment: exactly one wins. One server's two workers of four threads share a
file; a database is shared by two servers, which know nothing of each other.
`pytest tests/edge --rounds 40` runs each race 40 times."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial

import pytest

from provisioning.store.opening import Place
from provisioning.testing.client import Answer, Client

from .conftest import ROUNDS, place_of_kind
from .serving import Server, patiently, prepared, served

CLIENTS = 8
JULY, AUGUST = "2027-07-01T00:00:00Z", "2027-08-01T00:00:00Z"


@dataclass(frozen=True)
class Track:
    """Where the races take place: a store, and the servers that share it."""

    place: Place
    servers: list[Server]
    token: str
    """A key of the tenant acme."""

    @property
    def clients(self) -> list[Client]:
        """Clients that reach all servers and workers."""
        return [self.client_at(number, self.token) for number in range(CLIENTS)]

    @property
    def client(self) -> Client:
        return self.client_at(0, self.token)

    def client_at(self, number: int, token: str) -> Client:
        return self.servers[number % len(self.servers)].client(token)


def provision(data: Place) -> str:
    with prepared(data) as provisioner:
        provisioner.add_tenant("acme")
        provisioner.add_user("alice@acme.test", "ADMINISTRATOR")
        return provisioner.add_key(None)


@contextmanager
def racing(place: Place, **settings: str) -> Iterator[list[Server]]:
    """The servers of a store: two where it is a database for several machines."""
    with ExitStack() as servers:
        several = 2 if place.kind == "postgresql" else 1
        yield [
            servers.enter_context(
                served(
                    replace(place, path=place.path.with_name(f"{number}{place.path.name}"))
                    if several > 1
                    else place,
                    *("--workers", "2", "--threads", "4"),
                    **settings,
                )
            )
            for number in range(several)
        ]


@pytest.fixture(scope="module", params=["file", "sqlite", "postgresql"])
def track(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Track]:
    place = place_of_kind(request.param, tmp_path_factory.mktemp("races"), request)
    token = provision(place)
    with racing(place) as servers:
        yield Track(place, servers, token)


@pytest.fixture
def rounds(pytestconfig: pytest.Config) -> range:
    return range(pytestconfig.getoption("rounds", ROUNDS))


def race(*runs: Callable[[], Answer]) -> list[Answer]:
    """What each got, all of them started at once."""
    barrier = threading.Barrier(len(runs))
    answers: list[Answer] = []

    def run(ask: Callable[[], Answer]) -> None:
        barrier.wait()
        answers.append(patiently(ask))

    threads = [threading.Thread(target=run, args=(each,)) for each in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def statuses(answers: list[Answer]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


def add_user(client: Client, username: str, role: str = "USER") -> None:
    body = {
        "username": username,
        "email": username,
        "password": "x",
        "tenantUserPrivileges": [{"role": role}],
    }
    assert client.post("/users", json=body).status_code == 201


@pytest.mark.slow
def test_of_many_who_create_one_username_one_succeeds(track, rounds):
    spellings = [
        "race{}@acme.test",
        "RACE{}@acme.test",
        "Race{}@ACME.test",
        "\uff52ace{}@acme.test",
    ]
    for number in rounds:
        bodies = [
            {"username": spelling.format(number), "email": "a@b", "password": "x"}
            for spelling in spellings * 2
        ]
        asked = [
            partial(client.post, "/users", json=body)
            for client, body in zip(track.clients, bodies, strict=True)
        ]
        assert statuses(race(*asked)) == {201: 1, 409: CLIENTS - 1}
        assert len(track.client.get(f"/users?q=race{number}@").json()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("label", ["domain-mapping", "endpoints", "tenant-dashboards"])
def test_of_many_who_create_one_natural_key_one_succeeds_and_ids_are_used_once(
    track, rounds, label
):
    for number in rounds:
        body = {
            "domain-mapping": {"domain": f"r{number}.example.org"},
            "endpoints": {"url": "amqp://a", "endpointType": "MQ_INCOMING"},
            "tenant-dashboards": {
                "title": "R",
                "menuLabel": "R",
                "label": f"r{number}",
                "type": "CUSTOM",
                "status": "BETA",
                "listOrder": 1,
            },
        }[label]
        answers = race(*(partial(client.post, f"/{label}", json=body) for client in track.clients))
        if label == "endpoints":
            assert statuses(answers) == {201: CLIENTS}
            assert len({answer.json()["id"] for answer in answers}) == CLIENTS
        else:
            assert statuses(answers) == {201: 1, 409: CLIENTS - 1}


@pytest.mark.slow
def test_of_grants_whose_windows_overlap_one_succeeds(track, rounds):
    for number in rounds:
        username = f"granted{number}@acme.test"
        add_user(track.client, username)
        body = {
            "username": username,
            "role": "MANAGEMENT",
            "activeFrom": JULY,
            "activeUntil": AUGUST,
        }
        answers = race(
            *(partial(client.post, "/privileges", json=body) for client in track.clients)
        )
        assert statuses(answers) == {201: 1, 409: CLIENTS - 1}


@pytest.mark.slow
def test_of_subscriptions_at_once_one_succeeds(track, rounds):
    for _ in rounds:
        answers = race(*(partial(client.post, "/services/enterprise") for client in track.clients))
        assert statuses(answers) == {201: 1, 409: CLIENTS - 1}
        assert track.client.delete("/services/enterprise").status_code == 204


@pytest.mark.slow
def test_of_changes_to_one_state_one_succeeds_and_none_is_overwritten_unseen(track, rounds):
    for number in rounds:
        etag = track.client.get("/info").headers["ETag"]
        themes = [f"theme {number} {client}" for client in range(CLIENTS)]
        answers = race(
            *(
                partial(
                    track.client.put, "/info", json={"theme": theme}, headers={"If-Match": etag}
                )
                for theme in themes
            )
        )
        assert statuses(answers) == {200: 1, 412: CLIENTS - 1}
        (winner,) = (answer for answer in answers if answer.status_code == 200)
        assert track.client.get("/info").json()["theme"] == winner.json()["theme"]


@pytest.mark.slow
def test_who_counts_with_if_match_loses_no_step(track):
    """Eight clients add one each until they succeed: the sum is eight."""
    username = "counter@acme.test"
    add_user(track.client, username)
    track.client.put(f"/users/{username}", json={"birthYear": 1000})

    def count() -> Answer:
        while True:
            seen = track.client.get(f"/users/{username}")
            body = {"birthYear": seen.json()["birthYear"] + 1}
            headers = {"If-Match": seen.headers["ETag"]}
            answer = track.client.put(f"/users/{username}", json=body, headers=headers)
            if answer.status_code != 412:
                return answer

    assert statuses(race(*[count] * CLIENTS)) == {200: CLIENTS}
    assert track.client.get(f"/users/{username}").json()["birthYear"] == 1000 + CLIENTS


@pytest.mark.slow
@pytest.mark.parametrize("way", ["PUT", "SCIM"])
def test_no_change_of_a_profile_has_its_turn_after_the_revocation_of_who_makes_it(
    place, rounds, way
):
    """Changes of different users run beside each other, and a revocation beside none of them."""
    with prepared(place) as provisioner:
        tenant = provisioner.add_tenant("acme")
        alice = provisioner.add_user("alice@acme.test", "ADMINISTRATOR", tenant)
        key = provisioner.add_key(alice, tenant)
        users = [provisioner.add_user(f"{number}@acme.test", "USER") for number in range(CLIENTS)]
        leaving = [provisioner.add_user(f"c{n}@acme.test", "ADMINISTRATOR") for n in rounds]
        keys = [provisioner.add_key(carol, tenant) for carol in leaving]
    with racing(place, scim="on") as servers:
        administrator = servers[0].client(key)
        ids = [administrator.get(f"/users/{user}").json()["id"] for user in users]
        paths = [f"//scim/v2/Users/{each}" for each in ids] if way == "SCIM" else users
        for carol, her_key in zip(leaving, keys, strict=True):
            clients = [servers[n % len(servers)].client(her_key) for n in range(CLIENTS)]
            changes = map(partial, [change_until_refused] * CLIENTS, clients, paths)
            answers = race(*changes, partial(revoke_soon, administrator, carol))
            assert statuses(answers) == {401: CLIENTS, 204: 1}
            last, before, *_ = administrator.get("/audit").json()
            assert (last["by"], last["resource"], last["user"]) == (alice, "privileges", carol)
            assert (before["by"], before["resource"]) == (carol, "users")


def change_until_refused(client: Client, user: str) -> Answer:
    number = 0
    while (answer := change_profile(client, user, str(number))).status_code == 200:
        number += 1
    return answer


def change_profile(client: Client, user: str, value: str) -> Answer:
    """Through SCIM, if the user is a path there."""
    if not user.startswith("//"):
        return client.put(f"/users/{user}", json={"hint": value})
    operation = {"op": "replace", "path": "name.givenName", "value": value}
    schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"]
    return client.request("PATCH", user, json={"schemas": schemas, "Operations": [operation]})


def revoke_soon(client: Client, user: str) -> Answer:
    time.sleep(0.3)
    return client.delete(f"/users/{user}")


@pytest.mark.slow
def test_changes_of_different_profiles_that_drop_the_same_audit_records_are_all_made(place):
    """Each drops the oldest, and another one beside it may have dropped them first."""
    with prepared(place) as provisioner:
        provisioner.add_tenant("acme")
        users = [provisioner.add_user(f"{number}@acme.test", "USER") for number in range(CLIENTS)]
        key = provisioner.add_key(None)
    with racing(place, audit_keep="3") as servers:
        clients = [servers[number % len(servers)].client(key) for number in range(CLIENTS)]
        changes = [partial(change_often, *each) for each in zip(clients, users, strict=True)]
        assert statuses(race(*changes)) == {200: CLIENTS}
        clients[0].put("/info", json={"theme": "last"})
        assert len(clients[0].get("/audit").json()) == 3


def change_often(client: Client, user: str) -> Answer:
    """The last answer of thirty, or the first that is no 200."""
    for number in range(30):
        answer = client.put(f"/users/{user}", json={"hint": str(number)})
        if answer.status_code != 200:
            break
    return answer


# The last administrators


@pytest.mark.slow
@pytest.mark.parametrize("way", ["revoke", "demote", "delete the user"])
def test_of_the_last_two_administrators_who_remove_each_other_one_remains(track, way, rounds):
    couples = []
    with prepared(track.place) as provisioner:
        for number in rounds:
            tenant = provisioner.add_tenant(f"two-{way.replace(' ', '-')}-{number}")
            couple = []
            for name in ("alice", "bob"):
                user = provisioner.add_user(f"{name}@{tenant}.test", None, tenant)
                privilege = provisioner.grant(user, "ADMINISTRATOR", tenant)
                couple.append((user, privilege, provisioner.add_key(user, tenant)))
            couples.append(couple)
    for (alice, her_privilege, her_key), (bob, his_privilege, his_key) in couples:
        answers = race(
            partial(remove, track.client_at(0, her_key), way, bob, his_privilege),
            partial(remove, track.client_at(1, his_key), way, alice, her_privilege),
        )
        codes = sorted(answer.status_code for answer in answers)
        # Who came second is no administrator any more: without a role, or with a lower one.
        assert codes[0] in {200, 204}
        assert codes[1] in {401, 403}
        left = [
            key for key in (her_key, his_key) if role_of(track.client_at(0, key)) == "ADMINISTRATOR"
        ]
        assert len(left) == 1


@pytest.mark.slow
@pytest.mark.parametrize("way", ["revoke", "demote", "end", "delete the user"])
def test_of_all_administrators_who_step_down_at_once_one_can_not(track, way, rounds):
    with prepared(track.place) as provisioner:
        tenants = []
        for number in rounds:
            tenant = provisioner.add_tenant(f"all-{way.replace(' ', '-')}-{number}")
            users = [provisioner.add_user(f"{n}@{tenant}.test", None, tenant) for n in range(4)]
            grants = [provisioner.grant(user, "ADMINISTRATOR", tenant) for user in users]
            key = provisioner.add_key(None, tenant)
            tenants.append((key, list(zip(users, grants, strict=True))))
    for key, administrators in tenants:
        answers = race(
            *(
                partial(remove, track.client_at(number, key), way, user, grant)
                for number, (user, grant) in enumerate(administrators)
            )
        )
        done = 200 if way in {"demote", "end"} else 204
        assert statuses(answers) == {done: len(administrators) - 1, 409: 1}
        active = track.client_at(0, key).get("/privileges?active=true").json()
        assert [(each["role"], each["activeUntil"]) for each in active].count(
            ("ADMINISTRATOR", None)
        ) == 1


def role_of(client: Client) -> str | None:
    answer = client.get("/whoami")
    return answer.json()["role"] if answer.status_code == 200 else None


def remove(client: Client, way: str, user: str, privilege: int) -> Answer:
    """One administrator takes the role from another."""
    if way == "revoke":
        return client.delete(f"/privileges/{privilege}")
    if way == "demote":
        return client.put(f"/privileges/{privilege}", json={"role": "USER"})
    if way == "end":
        return client.put(f"/privileges/{privilege}", json={"activeUntil": "2999-01-01T00:00:00Z"})
    return client.delete(f"/users/{user}")
