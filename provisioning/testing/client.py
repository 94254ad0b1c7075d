"""A small HTTP client, with which a test can look at what the program under test has done."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPConnection
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode, urlsplit

PATIENCE = 30.0
"""Seconds after which a request fails."""
AS_IT_IS = "%/:?#[]@!$&'()*+,;=~"

A = TypeVar("A")


class Verbs(Generic[A]):
    """One method for each verb; they call `request`, which a subclass has."""

    def request(self, method: str, path: str, **facts: Any) -> A:
        raise NotImplementedError

    def get(self, path: str, **facts: Any) -> A:
        return self.request("GET", path, **facts)

    def post(self, path: str, **facts: Any) -> A:
        return self.request("POST", path, **facts)

    def put(self, path: str, **facts: Any) -> A:
        return self.request("PUT", path, **facts)

    def delete(self, path: str, **facts: Any) -> A:
        return self.request("DELETE", path, **facts)

    def head(self, path: str, **facts: Any) -> A:
        return self.request("HEAD", path, **facts)

    def options(self, path: str, **facts: Any) -> A:
        return self.request("OPTIONS", path, **facts)


@dataclass(frozen=True)
class Answer:
    """The answer of a server. `headers` ignore case: `answer.headers["x-total-count"]`."""

    status_code: int
    headers: Message
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()

    def json(self) -> Any:
        return json.loads(self.content)


class Client(Verbs[Answer]):
    """Sends requests with one API key. Paths are below a URL; `//path` is from the root.

    Each request has a connection of its own, so threads may share a client.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url
        self.token = token

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
        **body: Any,
    ) -> Answer:
        """Send a request: `query` and `json` are encoded, `data` is sent as it is.

        Returns answers of any status. Raises OSError or HTTPException if there is no answer.
        """
        sent = dict(headers or {})
        if self.token is not None:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        if "json" in body:
            data = json.dumps(body.pop("json")).encode()
            sent.setdefault("Content-Type", "application/json")
        if body:
            raise TypeError(f"a request has no {', '.join(body)}")
        base = urlsplit(self.url)
        target = path[1:] if path.startswith("//") else base.path + path
        if query:
            target += f"?{urlencode(query)}"
        connection = HTTPConnection(base.netloc, timeout=PATIENCE)
        try:
            connection.request(method, quote(target, safe=AS_IT_IS), data, sent)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()
