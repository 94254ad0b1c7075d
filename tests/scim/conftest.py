import pytest

from provisioning.testing.sandbox import Sandbox
from tests.scim.asking import IdentityProvider


@pytest.fixture
def sandbox() -> Sandbox:
    """A server in memory that serves SCIM, whose clock stands at 2026-01-15T12:00:00Z."""
    return Sandbox(scim="on")


@pytest.fixture
def provider(sandbox: Sandbox) -> IdentityProvider:
    """What provisions acme, with a key that is the tenant's alone."""
    return IdentityProvider(sandbox.client(sandbox.add_key(None)))
