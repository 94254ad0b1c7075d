"""The server that a command works on, and the one that gunicorn and flask run."""

import os
import sys
from typing import cast

import click
from flask import Flask, current_app, has_app_context

from provisioning.factory import create_app, open_server
from provisioning.seed import BadFile
from provisioning.settings import BadSetting, Settings
from provisioning.store import Store, StoreUnavailable
from provisioning.web.server import SERVER, Server

CANNOT_START = 4
"""gunicorn stops at this exit code of a worker; after others it would start it again and again."""


def current_server(must_exist: bool = False) -> Server:
    """The parts of the app that flask has loaded, or those opened for this command.

    A store that `must_exist` is not made where there is none.
    """
    if has_app_context() and SERVER in current_app.extensions:
        return cast(Server, current_app.extensions[SERVER])
    settings = Settings.from_env(os.environ)
    if must_exist and not settings.place.exists():
        raise click.ClickException(f"{settings.place}: there is no such file.")
    return open_or_explain(settings)


def open_or_explain(settings: Settings, store: Store | None = None) -> Server:
    """The parts of a server; an error of its store names the place."""
    try:
        return open_server(settings, store)
    except StoreUnavailable as error:
        raise click.ClickException(f"{settings.place}: {error}") from error


def application() -> Flask:
    """The server that the environment describes; what is wrong with it is said, and ends it."""
    try:
        settings = Settings.from_env(os.environ)
        settings.require_guarded_control()  # before there is a store
        return create_app(settings, open_or_explain(settings))
    except (BadSetting, BadFile, click.ClickException) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(CANNOT_START)
