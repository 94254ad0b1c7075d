"""A real nginx with the shipped files, changed only where they say CHANGE and in what it writes."""

import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse, HTTPSConnection
from pathlib import Path

import pytest

from tests.edge.serving import PATIENCE, ROOT
from tests.edge.wire import Wire

DEPLOY = ROOT / "deploy"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
OPENSSL = shutil.which("openssl")
needs_nginx = pytest.mark.skipif(
    not (NGINX and OPENSSL), reason="nginx or openssl is missing; .ci/run brings both"
)
# Around the shipped file, as a distribution's nginx.conf would be: with gzip, among others.
MAIN = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
worker_processes 1;
events {{ worker_connections 768; }}
http {{
    access_log {folder}/other.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    gzip on;
    gzip_types application/json application/problem+json;
    {rest}
}}
"""
# A site that is there already, for the file with the prefix.
SITE = """
server {{
    listen 443 ssl;
    ssl_certificate /etc/ssl/certs/provisioning.pem;
    ssl_certificate_key /etc/ssl/private/provisioning.key;
    location / {{ return 200 "the site"; }}
    {shipped}
}}
"""


@dataclass(frozen=True)
class Proxy:
    port: int
    folder: Path
    tls: ssl.SSLContext

    def wire(self) -> Wire:
        """A connection, its handshake done."""
        return Wire(self.port, self.tls)

    def ask(
        self, verb: str, target: str, body: bytes | None = None, **headers: str
    ) -> tuple[HTTPResponse, bytes]:
        """An answer and its body; underscores in names of headers are dashes."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = HTTPSConnection("localhost", self.port, timeout=PATIENCE, context=self.tls)
        connection.request(verb, target, body, sent)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer, content

    def access_log(self) -> str:
        return (self.folder / "access.log").read_text()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def _certificate(folder: Path) -> ssl.SSLContext:
    command = f"""
        req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2
        -subj /CN=localhost -addext subjectAltName=DNS:localhost,DNS:*.localhost
        -keyout {folder}/provisioning.key -out {folder}/provisioning.pem
    """
    subprocess.run([OPENSSL, *command.split()], check=True, capture_output=True)
    return ssl.create_default_context(cafile=folder / "provisioning.pem")


def _changed(text: str, changes: dict[str, str]) -> str:
    for shipped, here in changes.items():
        assert text.count(shipped) == 1, shipped
        text = text.replace(shipped, here)
    return text


@contextmanager
def in_front_of(port: int, folder: Path, below: str | None = None) -> Iterator[Proxy]:
    """nginx before a server on this port: deploy/nginx.conf, or nginx-prefix.conf for a path."""
    folder.mkdir()
    tls, here = _certificate(folder), _free_port()
    changes = {
        "listen 443 ssl;": f"listen 127.0.0.1:{here} ssl;",
        "/etc/ssl/certs/provisioning.pem": f"{folder}/provisioning.pem",
        "/etc/ssl/private/provisioning.key": f"{folder}/provisioning.key",
    }
    if below is None:
        rest = (DEPLOY / "nginx.conf").read_text()
        changes |= {
            "server 127.0.0.1:8000;": f"server 127.0.0.1:{port};",
            "listen [::]:443 ssl;": "",
            "provisioning.example.com *.provisioning.example.com": "localhost *.localhost",
            "/var/log/nginx/provisioning.log": f"{folder}/access.log",
            "/var/log/nginx/provisioning.error.log": f"{folder}/shipped-error.log",
        }
    else:
        shipped = (DEPLOY / "nginx-prefix.conf").read_text()
        rest = SITE.format(shipped=shipped.replace("/provisioning", below))
        changes["http://127.0.0.1:8000"] = f"http://127.0.0.1:{port}"
    main = MAIN.format(
        # Its worker has to get at the test's folder.
        user="user root;" if folder.owner() == "root" else "",
        folder=folder,
        rest=_changed(rest, changes),
    )
    (folder / "nginx.conf").write_text(main)
    with (folder / "output").open("w") as output:
        process = subprocess.Popen(
            [NGINX, "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log"],
            stdout=output,
            stderr=output,
        )
    try:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", here), 1).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < end, (
                    folder / "output"
                ).read_text() + (folder / "error.log").read_text()
                time.sleep(0.02)
        yield Proxy(here, folder, tls)
    finally:
        process.terminate()
        process.wait(PATIENCE)
