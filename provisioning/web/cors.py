"""Which pages of other origins may call the API from a browser (section 8)."""

import re

from flask import Flask
from flask_cors import CORS

from provisioning.settings import Settings

EXPOSED = ["X-Total-Count", "Link", "ETag", "Location", "X-Request-ID"]
LOCAL_ORIGIN = r"^https?://(localhost|127\.0\.0\.1)(:\d+)?$"
PREFLIGHT_SECONDS = 600


def init_app(app: Flask, settings: Settings) -> None:
    local = (LOCAL_ORIGIN,) if settings.is_demo else ()
    # Of an address such as http://[::1]:3000 Flask-CORS would think that it is a pattern.
    told = (f"^{re.escape(origin)}$" for origin in settings.cors_origins or ())
    origins = local if settings.cors_origins is None else tuple(told)
    if origins:
        CORS(
            app,
            origins=list(origins),
            expose_headers=EXPOSED,
            always_send=False,
            max_age=PREFLIGHT_SECONDS,
        )
