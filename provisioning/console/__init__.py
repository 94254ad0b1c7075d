"""The console: a page for people, which uses the API as any other client does.

`page/` is served as it is, with no build step. All its addresses are relative, so that it works
below any path prefix; each module's first line says what it holds.
"""

from pathlib import Path

from flask import Flask, Response

from provisioning.settings import Settings
from provisioning.web.context import server
from provisioning.web.pages import Page

PATH = "/console"
FOLDER = Path(__file__).parent / "page"
DOCUMENT = FOLDER / "index.html"
PRELOADED = '<link rel="modulepreload" href="{{here}}{}">\n'
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)


def files() -> dict[str, Path]:
    found = (path for path in FOLDER.rglob("*") if path.is_file() and path != DOCUMENT)
    return {path.relative_to(FOLDER).as_posix(): path for path in found}


PAGE = Page(PATH, DOCUMENT, files, POLICY)


def init_app(app: Flask, settings: Settings) -> None:
    """Serve the console, unless the settings switch it off."""
    if settings.console == "on":
        app.add_url_rule(PATH, "console", show_page)
        app.add_url_rule(f"{PATH}/<version>/<path:name>", "console_file", PAGE.show_file)


def show_page() -> Response:
    """The page, with those settings filled in that it would otherwise have to find out.

    It names all modules, so that a browser asks for them at once, not for one after the other.
    """
    settings = server().settings
    modules = sorted(name for name in PAGE.files if name.endswith(".js"))
    return PAGE.show(
        modules="".join(PRELOADED.format(name) for name in modules),
        auth=settings.auth,
        control="on" if settings.has_control else "off",
        docs=settings.docs,
        most=str(settings.max_page_size),
    )
