"""A small client of the Provisioning API: what an onboarding job needs of it."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urljoin
from urllib.request import Request, urlopen

UNAVAILABLE = 503


class ProvisioningClient:
    """Acts in the tenant that the key belongs to. `url` ends with /api/v1/provisioning."""

    def __init__(self, url: str, token: str, attempts: int = 3) -> None:
        self._url = url
        self._token = token
        self._attempts = attempts

    def invite(self, username: str, role: str = "USER", until: str | None = None) -> None:
        """Let someone in who has an account already, in whatever tenant."""
        terms = {"username": username, "role": role, "activeUntil": until}
        self._send("POST", f"{self._url}/privileges", terms)

    def let_go(self, username: str) -> None:
        """End all of someone's privileges in the tenant."""
        self._send("DELETE", f"{self._url}/users/{quote(username)}")

    def active_usernames(self) -> Iterator[str]:
        """Everybody who may act in the tenant now, page by page."""
        url: str | None = f"{self._url}/users?size=100"
        while url is not None:
            users, link = self._send("GET", url)
            yield from (user["username"] for user in users)
            following = re.search(r'<([^>]*)>; rel="next"', link)
            url = urljoin(url, following[1]) if following else None

    def _send(self, verb: str, url: str, body: Any = None, attempt: int = 1) -> tuple[Any, str]:
        """The answer's JSON and its Link header. A server that is unavailable is asked again."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        try:
            with urlopen(Request(url, data, headers, method=verb), timeout=10) as answer:
                return json.loads(answer.read() or "null"), answer.headers["Link"] or ""
        except HTTPError as error:
            with error:
                if error.code != UNAVAILABLE or attempt == self._attempts:
                    raise
                time.sleep(float(error.headers["Retry-After"] or 1))
        return self._send(verb, url, body, attempt + 1)
