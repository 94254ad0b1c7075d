"""A server with a tenth resource, over which the shared rules run, and one that differs."""

import functools

from provisioning.factory import COLLECTIONS, RESOURCES, make_routes, serve
from provisioning.settings import Settings
from provisioning.store import MemoryStorage, Store
from provisioning.testing.sandbox import Sandbox
from provisioning.web.collection import Collections

from .maps import maps
from .rotas import rotas

TEN = (*RESOURCES, maps, rotas)
COLLECTIONS_OF_TEN = Collections([*COLLECTIONS.values(), *maps.collections, *rotas.collections])


@functools.cache
def routes_of_ten():
    return make_routes(Settings(), TEN)


class SandboxOfTen(Sandbox):
    """A sandbox whose factory lists these resources, too."""

    def __init__(self):
        super().__init__(store=Store(MemoryStorage(), COLLECTIONS_OF_TEN.form))
        self.parts.collections = COLLECTIONS_OF_TEN
        self.app = serve(routes_of_ten(), self.parts)
        self.administrator = self.client(self.administrator.token)
