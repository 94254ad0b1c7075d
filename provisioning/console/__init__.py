"""The console: a page for people, which uses the API as any other client does.

`page/` is served as it is, with no build step. All its addresses are relative, so that it works
below any path prefix; each module's first line says what it holds.
"""

from pathlib import Path

from flask import Flask, Response, request, send_from_directory

from provisioning.settings import Settings
from provisioning.web.context import server
from provisioning.web.targets import raw_path

PATH = "/console"
PAGE = Path(__file__).parent / "page"
MODULES = sorted(path.relative_to(PAGE).as_posix() for path in PAGE.rglob("*.js"))
"""The page names them all, so that a browser asks for them at once, not for one after the other."""
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
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
"""Content types by suffix. They stand here because a machine's own table may have others."""


def init_app(app: Flask, settings: Settings) -> None:
    """Serve the console, unless the settings switch it off."""
    if settings.console == "on":
        app.add_url_rule(PATH, "console", show_page)
        app.add_url_rule(f"{PATH}/<path:name>", "console_file", show_file)


def show_page() -> Response:
    """The page, with those settings filled in that it would otherwise have to find out."""
    settings = server().settings
    values = {
        "{modules}": "".join(PRELOADED.format(name) for name in MODULES),
        "{here}": "" if raw_path(request.environ).endswith("/") else "console/",
        "{auth}": settings.auth,
        "{control}": "on" if settings.has_control else "off",
        "{docs}": settings.docs,
        "{most}": str(settings.max_page_size),
    }
    page = (PAGE / "index.html").read_text("utf-8")
    for name, value in values.items():
        page = page.replace(name, value)
    return _restricted(Response(page, mimetype="text/html"))


def show_file(name: str) -> Response:
    """A script, style sheet or picture of the page."""
    content_type = TYPES.get(Path(name).suffix)
    return _restricted(send_from_directory(PAGE, name, mimetype=content_type))


def _restricted(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    return response
