"""The OpenAPI document, and the page that shows it and tries requests: Swagger UI.

`index.html` and `page/` are ours; Swagger UI comes out of its package. All addresses in the
page are relative, so that it works below any path prefix.
"""

from importlib.util import find_spec
from pathlib import Path

from flask import Flask, Response

from provisioning.settings import Settings
from provisioning.web.answers import answer
from provisioning.web.pages import Page
from provisioning.web.routing import Resource

PATH = "/docs"
FOLDER = Path(__file__).parent / "page"
DOCUMENT = Path(__file__).parent / "index.html"
SWAGGER_UI = ("swagger-ui-bundle.js", "swagger-ui.css")
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


def files() -> dict[str, Path]:
    """Our own, and those of Swagger UI, which are found without importing its package."""
    spec = find_spec("flask_swagger_ui")
    assert spec is not None and spec.origin is not None  # noqa: S101 - requirements.txt has it
    theirs = Path(spec.origin).parent / "dist"
    return {path.name: path for path in (*FOLDER.iterdir(), *(theirs / n for n in SWAGGER_UI))}


PAGE = Page(PATH, DOCUMENT, files, POLICY)


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
        return PAGE.show(demo=settings.demo, console=settings.console)

    app.add_url_rule(f"{PATH}/<version>/<path:name>", "docs_file", PAGE.show_file)
