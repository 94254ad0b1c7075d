"""The documents as a page that tries requests: Swagger UI, served from here alone."""

import hashlib
import re
from base64 import b64encode

from flask import Flask, Response
from flask_swagger_ui import get_swaggerui_blueprint  # type: ignore[import-untyped]

PATH = "/docs"
POLICY = "; ".join(
    (
        "default-src 'none'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "script-src 'self'{scripts}",
        "style-src 'self' 'unsafe-inline'",  # Swagger UI sets styles as it runs
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
CONFIG = {
    "app_name": "Provisioning API",
    "layout": "BaseLayout",
    "persistAuthorization": True,
    "displayRequestDuration": True,
    "docExpansion": "none",
    "defaultModelsExpandDepth": 0,
    # Either would name another server, or what the request's Host header says.
    "validatorUrl": None,
    "oauth2RedirectUrl": None,
}


def init_app(app: Flask) -> None:
    pages = get_swaggerui_blueprint(PATH, "/openapi.json", config=CONFIG, blueprint_name="docs")

    @pages.after_request  # type: ignore[untyped-decorator] # the package has no types
    def restrict(response: Response) -> Response:
        # The page's own few lines of script, and no others, may run beside the files.
        inline = [] if response.is_streamed else INLINE_SCRIPT.findall(response.get_data())
        digests = (b64encode(hashlib.sha256(script).digest()).decode() for script in inline)
        response.headers["Content-Security-Policy"] = POLICY.format(
            scripts="".join(f" 'sha256-{digest}'" for digest in digests)
        )
        return response

    app.register_blueprint(pages)
