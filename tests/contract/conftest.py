"""Servers for the rules that all resources share."""

import pytest

from .asking import administrator_of, subscribe
from .shelf import Shelf
from .tenth import SandboxOfTen


@pytest.fixture
def sandbox(request, sandbox):
    """The tenth resource has a server of its own."""
    parameters = getattr(request.node, "callspec", None)
    resource = parameters.params.get("resource") if parameters is not None else None
    return SandboxOfTen() if getattr(resource, "name", None) == "maps" else sandbox


@pytest.fixture
def shelf(sandbox, resource):
    return Shelf(sandbox, resource)


@pytest.fixture
def enterprise(sandbox):
    """An administrator of a tenant that may use the statements too."""
    subscribe(sandbox, "enterprise")
    return administrator_of(sandbox, "acme")
