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

Nothing of it runs unless the settings say so.
"""

from provisioning.control.hooks import init_app
from provisioning.control.parts import Control, control_of

__all__ = ["Control", "control_of", "init_app"]
