"""The OpenAPI document, and the page that shows it and tries requests: Swagger UI.

`index.html` and `page/` are ours; Swagger UI comes out of its package. All addresses in the
page are relative, so that it works below any path prefix.
"""

from importlib.util import find_spec
from pathlib import Path

from flask import Flask, Response, request, send_from_directory

from provisioning.settings import Settings
from provisioning.web.answers import answer
from provisioning.web.routing import Resource
from provisioning.web.targets import raw_path

PATH = "/docs"
PAGE = Path(__file__).parent / "page"
TEMPLATE = Path(__file__).parent / "index.html"
SWAGGER_UI = ("swagger-ui-bundle.js", "swagger-ui.css")
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
"""Content types by suffix. They stand here because a machine's own table may have others."""
POLICY = "; ".join(
    (
        "default-src 'none'",
        "connect-src 'self'",
        "img-src 'self' data:",  # Swagger UI's stylesheet holds its icons
        "script-src 'self'",
        "style-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)


def init_app(app: Flask, resources: tuple[Resource, ...], settings: Settings) -> None:
    """Serve the OpenAPI document, and the page unless the settings switch it off."""

    @app.get("/openapi.json", endpoint="openapi")
    def show_document() -> Response:
        # Imported late: this takes longer to import than all else that a server starts with.
        from provisioning.web import openapi  # noqa: PLC0415

        return answer(openapi.at_this_server(openapi.describe_api(resources, settings)))

    if settings.docs == "off":
        return

    @app.get(PATH, endpoint="docs")
    def show_page() -> Response:
        page = TEMPLATE.read_text("utf-8")
        here, root = ("", "../") if raw_path(request.environ).endswith("/") else ("docs/", "")
        values = {"here": here, "root": root, "demo": settings.demo, "console": settings.console}
        for name, value in values.items():
            page = page.replace(f"{{{name}}}", value)
        return restricted(Response(page, mimetype="text/html"))

    @app.get(f"{PATH}/<path:name>", endpoint="docs_file")
    def show_file(name: str) -> Response:
        folder = swagger_ui() if name in SWAGGER_UI else PAGE
        return restricted(send_from_directory(folder, name, mimetype=TYPES.get(Path(name).suffix)))


def swagger_ui() -> Path:
    """The folder of Swagger UI's own files, found without importing its package."""
    spec = find_spec("flask_swagger_ui")
    assert spec is not None and spec.origin is not None  # noqa: S101 - requirements.txt has it
    return Path(spec.origin).parent / "dist"


def restricted(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    return response
