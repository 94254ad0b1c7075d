"""The control API: state, time, requests and faults of a server that stands in for the real one.

    routes/         its resources, below /_control
    app.py          the application that serves them: access, and its OpenAPI document
    hooks.py        hooks in the API itself: they log requests, and let faults strike
    parts.py        Control: what the control API keeps for one server
    tenants.py      resets and removes one tenant; lists the keys that work
    request_log.py  the last requests and their answers, without secrets
    faults.py       which requests go wrong, how, and how often
    masking.py      finds and masks secrets in requests
    paths.py        patterns of paths

Nothing of it is loaded unless the settings say so.
"""

from flask import Flask

from provisioning.settings import Settings


def init_app(routes: Flask, settings: Settings) -> None:
    """Add the control API to the routes, if the settings ask for it.

    Call it after the gate, whose checks come before a fault, and before Targets wraps all.
    """
    if settings.has_control:
        # Imported late: most servers have no control API, and start faster without the import.
        from provisioning.control import hooks  # noqa: PLC0415

        hooks.init_app(routes, settings)
