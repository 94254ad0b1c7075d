"""The documents as a page that tries requests: Swagger UI, served from here alone."""

from flask import Flask, Response
from flask_swagger_ui import get_swaggerui_blueprint  # type: ignore[import-untyped]

PATH = "/docs"
POLICY = "; ".join(
    (
        "default-src 'none'",
        "connect-src 'self'",
        "img-src 'self' data:",
        # The page's own few lines of script, and the styles that Swagger UI sets as it runs.
        "script-src 'self' 'unsafe-inline'",
        "style-src 'self' 'unsafe-inline'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
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
        response.headers["Content-Security-Policy"] = POLICY
        return response

    app.register_blueprint(pages)
