"""HTTP byte by byte: what a client library would refuse to send, or repair on the way."""

import json
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

PATIENCE = 20
"""Seconds; whoever waits longer for an answer waits for nothing."""
WITHOUT_BODY = {204, 304}


@dataclass(frozen=True)
class Reply:
    """One answer, as it came."""

    status: int
    head: bytes
    body: bytes

    def header(self, name: str) -> str | None:
        """The one value of a header; None where there is none."""
        found = self.headers(name)
        assert len(found) <= 1, (name, found)
        return found[0] if found else None

    def headers(self, name: str) -> list[str]:
        pairs = [line.partition(":") for line in self.head.decode("latin-1").split("\r\n")[1:]]
        return [value.strip() for given, _, value in pairs if given.lower() == name.lower()]

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def is_problem(self) -> bool:
        """Whether it is an error as the contract describes it, and says so truly."""
        return (
            self.header("Content-Type") == "application/problem+json"
            and self.json()["status"] == self.status
        )


class Wire:
    """A connection to a server. Sends bytes as they are and reads one answer at a time."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self._rest = b""

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> "Wire":
        self.socket.sendall(data)
        return self

    def end(self) -> "Wire":
        """Say that nothing more will be sent; answers can still be read."""
        with suppress(OSError):  # the server may have ended the connection already
            self.socket.shutdown(socket.SHUT_WR)
        return self

    def reply(self, to: str = "GET") -> Reply:
        """The next answer, to a request with this verb."""
        while b"\r\n\r\n" not in self._rest:
            self._more()
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        reply = Reply(int(head.split(b" ", 2)[1]), head, b"")
        if reply.status < 200 or reply.status in WITHOUT_BODY or to == "HEAD":
            return reply
        length = int(reply.header("Content-Length") or 0)
        while len(self._rest) < length:
            self._more()
        body, self._rest = self._rest[:length], self._rest[length:]
        return Reply(reply.status, head, body)

    def rest(self) -> bytes:
        """All that comes until the server closes the connection."""
        try:
            while data := self.socket.recv(65_536):
                self._rest += data
        except ConnectionResetError:
            pass
        rest, self._rest = self._rest, b""
        return rest

    def _more(self) -> None:
        data = self.socket.recv(65_536)
        if not data:
            raise EOFError(f"the server closed the connection after {self._rest!r}")
        self._rest += data


def chunked(body: bytes, size: int = 4096) -> bytes:
    """A body in chunks of this size, with the last one."""
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])


def request(
    verb: str,
    target: str,
    *headers: str,
    body: bytes | None = None,
    host: str | None = "localhost",
    version: str = "HTTP/1.1",
) -> bytes:
    """A request; a body has its Content-Length unless a header names a Transfer-Encoding."""
    lines = [f"{verb} {target} {version}"]
    lines += [f"Host: {host}"] if host is not None else []
    lines += headers
    if body is not None and not any("transfer-encoding" in each.lower() for each in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")
