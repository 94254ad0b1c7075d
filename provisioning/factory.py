"""The composition root: the only module that knows all the others."""

import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import cast
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask, redirect, request
from werkzeug.wrappers import Response

from provisioning import console, control, scim, seed
from provisioning.domain.activity import Clock
from provisioning.domain.passwords import (
    forget_cheap_hashes,
    has_cheap_hashes,
    lost_passwords,
)
from provisioning.domain.tables import TENANTS
from provisioning.resources.api_keys import api_keys
from provisioning.resources.audit import audit
from provisioning.resources.dashboards import dashboards
from provisioning.resources.domain_mappings import domain_mappings
from provisioning.resources.endpoints import endpoints
from provisioning.resources.privileges import privileges
from provisioning.resources.services import services
from provisioning.resources.statements import statements
from provisioning.resources.tenant import tenant
from provisioning.resources.users import users
from provisioning.settings import Settings
from provisioning.store import MemoryStorage, Store, StoreUnavailable, opening
from provisioning.store.awaited import AwaitedStore
from provisioning.web import cors, docs, gate, health, hosts, logs, problems
from provisioning.web.collection import Collections
from provisioning.web.gate import Application
from provisioning.web.routing import Resource, variables_of
from provisioning.web.server import SERVER, Server
from provisioning.web.targets import Targets

RESOURCES = (
    tenant,
    users,
    privileges,
    domain_mappings,
    services,
    dashboards,
    statements,
    endpoints,
    api_keys,
    audit,
)
log = logging.getLogger(__name__)
WHOLES = (scim,)
"""The optional parts. To remove one, delete its folder and its name here."""
COLLECTIONS = Collections([each for part in (*RESOURCES, *WHOLES) for each in part.collections])


def create_app(settings: Settings, server: Server | None = None) -> Flask:
    """The server as a WSGI application, over `server`, or over the store that the settings name.

    Raises StoreUnavailable if that store can't be used, BadFile for a bad catalogue, BadSetting
    for a control API that anybody could use or if a package that a setting needs isn't installed.
    """
    if settings.log == "json":
        logs.write_json()
    app = make_routes(settings)
    server = server or open_server(settings)
    if not server.store.is_in_memory:
        settings.require_guarded_control()
    with suppress(StoreUnavailable):  # one that is awaited
        hosts.warn_of_unnamed_hosts(server)
    app.extensions[SERVER] = server
    return app


def open_server(settings: Settings, store: Store | None = None, upgrades: bool = True) -> Server:
    """The server behind the routes: store, clock, catalogue. Demo data goes into an empty store.

    `store`, if given, is a store in memory and takes the place of the one in the settings. Unless
    it `upgrades`, that is only read if an older version has left it.
    """
    catalogue = seed.load_catalogue(settings.catalogue)
    store = store or open_store(settings, upgrades)
    server = Server(settings, store, Clock(), catalogue, COLLECTIONS)
    if store.older is None:
        require_no_cheap_hashes(server)
        if settings.is_demo:
            load_demo(server)
    return server


def await_server(settings: Settings, error: StoreUnavailable) -> Server:
    """The server of `open_server` while its store can't be opened; it is as soon as it can be."""
    catalogue = seed.load_catalogue(settings.catalogue)
    store = cast("Store", AwaitedStore(lambda: open_server(settings).store, error))
    return Server(settings, store, Clock(), catalogue, COLLECTIONS)


def require_no_cheap_hashes(server: Server) -> None:
    """Drop the cheap hashes of a store that was a demo's before."""
    if server.hashes_cheaply:
        return
    with server.store.read() as view:
        if not has_cheap_hashes(view):
            return
    with server.store.transaction() as transaction:
        dropped = forget_cheap_hashes(transaction)
    if dropped:
        log.warning(lost_passwords(dropped))


def make_routes(settings: Settings, of: Sequence[Resource] = RESOURCES) -> Flask:
    """Every route, without a store. `serve` adds one; several servers may share the routes."""
    app = Application("provisioning", static_folder=None)
    resources = (*of, *(each for whole in WHOLES for each in whole.resources(settings)))
    app.variables = variables_of(resources)
    problems.init_app(app)
    gate.init_app(app)
    cors.init_app(app, settings)
    health.init_app(app, settings)
    for resource in resources:
        app.register_blueprint(resource)
    docs.init_app(app, resources, settings)
    if settings.docs == "on":
        app.add_url_rule("/", "root", lead_to_docs)
    console.init_app(app, settings)
    control.init_app(app, settings)
    app.wsgi_app = Targets(app.wsgi_app)  # type: ignore[method-assign]
    return app


def serve(routes: Flask, server: Server) -> WSGIApplication:
    """A WSGI application of one server. Servers may share routes, which take 30 ms to make."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ[SERVER] = server
        return routes(environ, start_response)

    return application


def open_store(settings: Settings, upgrades: bool = True) -> Store:
    return opening.open_store(settings.place, COLLECTIONS.form, upgrades=upgrades)


def memory_store() -> Store:
    """A store that ends with its process, for tests and mocks."""
    return Store(MemoryStorage(), COLLECTIONS.form)


def load_demo(server: Server) -> None:
    """Load the demo data, unless the store has a tenant already."""
    now = server.clock.now()
    with server.store.read() as view:
        if view.all(TENANTS):
            return
    entries = seed.prepare_seed(server, seed.demo_seed(), now)
    with server.store.transaction() as transaction:
        if not transaction.all(TENANTS):
            seed.load_seed(server, transaction, entries, now)


def lead_to_docs() -> Response:
    return redirect(f"{request.script_root}/docs")
