"""Which pages of other origins may call the API from a browser (sections 3 and 8)."""

import re
from typing import TYPE_CHECKING

from flask import Flask, Response

from provisioning.domain.errors import Forbidden
from provisioning.settings import Settings

if TYPE_CHECKING:
    from provisioning.web.context import Request

EXPOSED = ["X-Total-Count", "Link", "ETag", "Location", "X-Request-ID", "Retry-After"]
LOCAL_ORIGIN = r"^https?://(localhost|127\.0\.0\.1)(:\d+)?$"
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
ALLOWED_METHODS = "Access-Control-Allow-Methods"
PREFLIGHT_SECONDS = 600
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def listed_origins(settings: Settings) -> list[str]:
    """A regular expression for each origin whose pages may call the API."""
    if settings.cors_origins is None:
        return [LOCAL_ORIGIN] if settings.is_demo else []
    # Escaped, since Flask-CORS would take an address such as http://[::1]:3000 for a pattern.
    return [f"^{re.escape(origin)}$" for origin in settings.cors_origins]


def require_same_site(request: "Request") -> None:
    """Forbidden for a request from a page of another site, unless its origin is allowed.

    Browsers send many requests without a preflight; only Origin and Sec-Fetch-Site then tell
    which site the page belongs to.
    """
    environ, settings = request.environ, request.parts.settings
    origin = environ.get("HTTP_ORIGIN")
    is_cross = environ.get("HTTP_SEC_FETCH_SITE") == "cross-site"
    if origin is not None:
        if any(re.match(pattern, origin, re.IGNORECASE) for pattern in listed_origins(settings)):
            return
        is_own = origin.lower().partition("://")[2] == environ.get("HTTP_HOST", "").strip().lower()
        is_cross = is_cross or not is_own
    if is_cross:
        raise Forbidden(
            "This server does nothing for pages of other sites. PROVISIONING_CORS_ORIGINS names "
            "those for which it shall."
        )


def init_app(app: Flask, settings: Settings) -> None:
    origins = listed_origins(settings)
    if not origins:
        return
    from flask_cors import CORS  # noqa: PLC0415 - most servers don't need it, and start faster

    # Flask calls these functions in reverse order, so this one sees the headers of Flask-CORS.
    @app.after_request
    def allow_what_there_is(response: Response) -> Response:
        if response.headers.pop(ALLOWED_METHODS, None) and "Allow" in response.headers:
            response.headers[ALLOWED_METHODS] = response.headers["Allow"]
        return response

    CORS(
        app,
        origins=origins,
        methods=METHODS,
        expose_headers=EXPOSED,
        always_send=False,
        max_age=PREFLIGHT_SECONDS,
    )
