"""Pages for people, and the files that they load: each is asked for once, and compressed.

Files are addressed below a digest of all of them, so that a browser keeps them for good, and a
page of a new version loads its own. They are read at the first request and stay in memory.
"""

import gzip
import hashlib
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

from flask import Response, abort, request

from provisioning.web.targets import raw_path

TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
"""Content types by suffix. They stand here because a machine's own table may have others."""
FOR_GOOD = "max-age=31536000, immutable"


class Page:
    """A page at a path: its document, in which `{name}` is filled in, and its files by name."""

    def __init__(
        self, path: str, document: Path, files: Callable[[], Mapping[str, Path]], policy: str
    ) -> None:
        self._path = path
        self._document = document
        self._paths = files
        self._policy = policy

    @cached_property
    def files(self) -> dict[str, tuple[bytes, bytes]]:
        """The content of each file, as it is and compressed."""
        contents = {name: path.read_bytes() for name, path in self._paths().items()}
        return {name: (each, gzip.compress(each, mtime=0)) for name, each in contents.items()}

    @cached_property
    def version(self) -> str:
        """The digest of all files, a part of their addresses."""
        digest = hashlib.blake2b(digest_size=8)
        for name, (content, _) in sorted(self.files.items()):
            digest.update(f"{name} {len(content)} ".encode() + content)
        return digest.hexdigest()

    def show(self, **values: str) -> Response:
        """The document. `{here}` is where its files are, `{root}` where the server is."""
        has_slash = raw_path(request.environ).endswith("/")
        here = self.version if has_slash else f"{self._path[1:]}/{self.version}"
        values = {**values, "here": f"{here}/", "root": "../" if has_slash else ""}
        text = self._document.read_text("utf-8")
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", value)
        response = self._answer(text.encode(), "text/html")
        response.add_etag()
        response.make_conditional(request)
        return response

    def show_file(self, version: str, name: str) -> Response:
        """One file. A page of another version gets what there is, and doesn't keep it."""
        if name not in self.files:
            abort(404)
        plain, compressed = self.files[name]
        takes_gzip = request.accept_encodings["gzip"] > 0
        content = compressed if takes_gzip else plain
        response = self._answer(content, TYPES[Path(name).suffix])
        if version == self.version:
            response.headers["Cache-Control"] = FOR_GOOD
        response.vary.add("Accept-Encoding")
        response.set_etag(f"{self.version}-gzip" if takes_gzip else self.version)
        if takes_gzip:
            response.content_encoding = "gzip"
        response.make_conditional(request)
        return response

    def _answer(self, content: bytes, mimetype: str) -> Response:
        response = Response(content, mimetype=mimetype)
        response.headers["Content-Security-Policy"] = self._policy
        return response
