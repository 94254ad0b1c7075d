"""The control API: state, time, requests and faults of a server that stands in for the real one.

    routes/         its resources, below /_control
    app.py          the application that serves them: who is answered, and its OpenAPI document
    hooks.py        what it does to the API itself: writes requests down, strikes with faults
    parts.py        Control: what is kept of one server
    tenants.py      bringing one tenant back, removing one, writing a store down as a seed
    request_log.py  the last requests and their answers, without secrets
    faults.py       what shall go wrong, how often
    masking.py      what of a request is a secret, and not kept
    paths.py        patterns of paths

Nothing of it is loaded unless the settings say so.
"""

from flask import Flask

from provisioning.settings import Settings


def init_app(routes: Flask, settings: Settings) -> None:
    """Give routes a control API if the settings want one; after the gate, before Targets."""
    if settings.has_control:
        # Most servers have none, and start sooner without it.
        from provisioning.control import hooks  # noqa: PLC0415

        hooks.init_app(routes, settings)
