"""Opening the server that a command works on, or that gunicorn and flask run."""

import logging
import os
import sys
from contextlib import suppress
from typing import cast

import click
from flask import Flask, current_app, has_app_context

from provisioning.factory import await_server, create_app, open_server
from provisioning.seed import BadFile
from provisioning.settings import BadSetting, Settings, how_to_begin, program
from provisioning.store import Store, StoreUnavailable
from provisioning.web.caller import has_begun
from provisioning.web.server import SERVER, Server

log = logging.getLogger(__name__)
CANNOT_START = 4
"""The exit code of a worker at which gunicorn stops. After others it starts the worker again."""

BEGUN = "SERVER_HAS_BEGUN"
"""The variable with the descriptor of a file that gunicorn's workers share: it is empty until one
of them has opened the store."""


def current_server(must_exist: bool = False, upgrades: bool = True) -> Server:
    """The server of the app that flask has loaded, else one that is opened for this command.

    `must_exist`: a missing store is an error; otherwise it is made. A command that only reads
    `upgrades` nothing, as a server of the older version may be running.
    """
    if has_app_context() and SERVER in current_app.extensions:
        return cast(Server, current_app.extensions[SERVER])
    settings = Settings.from_env(os.environ)
    if must_exist and not settings.place.exists():
        raise click.ClickException(f"{settings.place}: there is no such file.")
    return open_or_explain(settings, upgrades=upgrades)


def open_or_explain(
    settings: Settings, store: Store | None = None, upgrades: bool = True
) -> Server:
    """A server, opened; an error of its store becomes a message that names the place."""
    try:
        return open_server(settings, store, upgrades)
    except StoreUnavailable as error:
        raise click.ClickException(f"{settings.place}: {error}") from error


def application() -> Flask:
    """The server that the environment describes; says what is wrong and exits if it can't start.

    A worker that takes another's place while the store can't be used begins without it.
    """
    try:
        settings = Settings.from_env(os.environ)
        settings.require_guarded_control()  # before a store is made
        server = _server_of_a_worker(settings)
        app = create_app(settings, server)
        with suppress(StoreUnavailable), server.store.read() as view:
            if not has_begun(server, view):
                log.warning(how_to_begin(program()))
        return app
    except (BadSetting, BadFile, click.ClickException) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(CANNOT_START)


def _server_of_a_worker(settings: Settings) -> Server:
    shared = os.environ.get(BEGUN)
    if shared is None:
        return open_or_explain(settings)
    try:
        server = open_server(settings)
    except StoreUnavailable as error:
        message = f"{settings.place}: {error}"
        if os.fstat(int(shared)).st_size == 0:  # nobody has begun
            raise click.ClickException(message) from error
        click.echo(f"{message} The worker begins without it, and waits for it.", err=True)
        return await_server(settings, error)
    os.write(int(shared), b"x")
    return server
