"""Servers for test-suites.

server.py         ProvisioningServer, a server on a socket; listener.py is the socket
pytest_plugin.py  the fixtures `provisioning` and `provisioning_server`
client.py         a small HTTP client
sandbox.py        Sandbox, a server without a socket, for this project's own tests
provisioner.py    adds tenants, users, privileges and keys to either server
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from provisioning.testing.server import ProvisioningServer

__all__ = ["ProvisioningServer"]


def __getattr__(name: str) -> Any:
    # pytest imports the plugin beside it in every run, also where nobody asks for a server.
    if name == "ProvisioningServer":
        from provisioning.testing.server import ProvisioningServer  # noqa: PLC0415

        return ProvisioningServer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
