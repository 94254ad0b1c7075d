"""The client against a server of each test's own. Install that from its clone, then run pytest."""

from urllib.error import HTTPError

import pytest
from provisioning_client import ProvisioningClient


@pytest.fixture
def client(provisioning):
    return ProvisioningClient(provisioning.url, provisioning.token)


def test_someone_of_another_tenant_is_invited(client, provisioning):
    provisioning.add_tenant("globex")
    bob = provisioning.add_user("bob@globex.test", tenant="globex")
    client.invite(bob, role="TEAM_LEADER")
    assert bob in client.active_usernames()
    assert provisioning.requests.count(method="POST", path="/privileges", body={"username": bob})


def test_an_invitation_ends_by_itself(client, provisioning):
    bob = provisioning.add_user("bob@acme.test", role=None)
    provisioning.clock.set("2026-01-15T12:00:00Z")
    client.invite(bob, until="2026-02-01T00:00:00Z")
    assert bob in client.active_usernames()
    provisioning.clock.set("2026-02-01T00:00:00Z")
    assert bob not in client.active_usernames()


def test_someone_is_let_go(client, provisioning):
    bob = provisioning.add_user("bob@acme.test")
    client.let_go(bob)
    assert bob not in client.active_usernames()


def test_all_pages_are_read(client, provisioning):
    for _ in range(150):
        provisioning.add_user()
    assert len(list(client.active_usernames())) == 151
    assert provisioning.requests.count(path="/users") == 2


def test_an_unavailable_server_is_asked_again(client, provisioning):
    provisioning.faults.add("/users/*", method="DELETE", status=503, retryAfter=0, times=2)
    client.let_go(provisioning.add_user("bob@acme.test"))
    statuses = [entry["status"] for entry in provisioning.requests.find(method="DELETE")]
    assert statuses == [503, 503, 204]


def test_a_server_that_stays_unavailable_is_an_error(client, provisioning):
    provisioning.faults.add("/users", status=503, retryAfter=0)
    with pytest.raises(HTTPError, match="503"):
        list(client.active_usernames())
