"""Servers for tests of what asks other servers: a poor one, and whatever a function answers."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs

from provisioning.testing.listener import Listener

BASE = "/api/v1/provisioning"
Answered = tuple[int, dict[str, str], Any]
"""Status, headers, and the body: bytes, or what becomes JSON."""
Answerer = Callable[[str, dict[str, str], dict[str, Any]], Answered]
"""A function of the path below the base path, the query, and the WSGI environment."""


def application(answer: Answerer) -> Any:
    def serve(environ, start_response):
        path = environ["PATH_INFO"].encode("latin-1").decode()
        query = {name: texts[-1] for name, texts in parse_qs(environ["QUERY_STRING"]).items()}
        status, headers, body = answer(path.removeprefix(BASE), query, environ)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **headers}
        start_response(f"{status} So", list(sent.items()))
        return [content] if environ["REQUEST_METHOD"] != "HEAD" else []

    return serve


@contextmanager
def listening(wsgi: Any) -> Iterator[str]:
    """The URL, without a path, of a WSGI application on a socket."""
    listener = Listener(wsgi, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listener.server_address[1]}"
    finally:
        listener.close()


class PoorServer:
    """A server with the routes of S and P alone, made of the contract's words.

    It tells no totals and no links, and knows neither `order` nor `active`, no X member, and some
    members of its own. `asked` are the paths that were asked for, with their queries.
    """

    key = "a-key-of-the-poor-server"

    def __init__(self, size: int | None = None, first_page: int = 0) -> None:
        self.size, self.first_page = size, first_page
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.people = {
            f"{first}.{last}@corp.example".lower(): {
                "username": f"{first}.{last}@corp.example".lower(),
                "email": f"{first}.{last}@corp.example".lower(),
                "firstName": first,
                "lastName": last,
                "timeZone": "Europe/Oslo",
                "country": "NOR",
                "zipCode": f"{1000 + number}",
                "avatar": None,
                "gender": "U",
                "birthYear": 1960 + number,
                "hint": f"The {last} house",
                "shoeSize": 44,
            }
            for number, (first, last) in enumerate(
                [("Ragnhild", "Tveitane"), ("Sigbjørn", "Aarseth"), ("Åshild", "Kvinge")]
                + [(f"Person{n}x", f"Family{n}y") for n in range(40)]
            )
        }
        ragnhild, sigbjorn, ashild = list(self.people)[:3]
        self.revoked = ashild
        self.privileges = [
            {
                "role": "ADMINISTRATOR" if name == ragnhild else "USER",
                "activeFrom": "2015-01-01T00:00:00Z",
                "activeUntil": "2016-01-01T00:00:00Z" if name == ashild else None,
                "user": {m: p[m] for m in ("username", "email", "firstName", "lastName", "avatar")},
            }
            for name, p in self.people.items()
        ]
        self.keys = {
            None: [self._key("tenant-token", "BASIC")],
            ragnhild: [self._key(self.key, "BASIC"), self._key("ragnhilds-other", "QUERY_ONLY")],
            sigbjorn: [self._key("sigbjorns", "INGESTION_ONLY", "2015-06-01T00:00:00Z")],
        }

    def _key(self, token: str, kind: str, until: str | None = None) -> dict[str, Any]:
        window = {"activeFrom": "2015-01-01T00:00:00Z", "activeUntil": until}
        return {"apiToken": token, "type": kind, "dateCreated": window["activeFrom"], **window}

    def __call__(self, environ, start_response):
        return application(self.answer)(environ, start_response)

    def answer(self, path: str, query: dict[str, str], environ: dict[str, Any]) -> Answered:
        self.asked.append((path, query))
        assert environ["REQUEST_METHOD"] in {"GET", "HEAD", "OPTIONS"}
        if environ.get("HTTP_AUTHORIZATION") != f"Bearer {self.key}":
            return 401, {}, {"detail": "No."}
        found = self.record(path)
        if found is None:
            return 404, {"Content-Type": "text/html"}, b"<html><title>Not found</title>"
        return 200, {}, self.page(found, query) if isinstance(found, list) else found

    def page(self, records: list[Any], query: dict[str, str]) -> list[Any]:
        size = self.size or min(int(query.get("size", 20)), 300)
        number = max(0, int(query.get("page", self.first_page)) - self.first_page)
        return records[number * size : (number + 1) * size]

    def user(self, name: str) -> dict[str, Any]:
        held = [each for each in self.privileges if each["user"]["username"] == name]
        active = [key for key in self.keys.get(name, []) if key["activeUntil"] is None]
        terms = [{m: v for m, v in each.items() if m != "user"} for each in held]
        return {**self.people[name], "tenantUserPrivileges": terms, "activeApiKeys": active}

    def record(self, path: str) -> Any:
        service = {
            "name": "Enterprise Plan",
            "label": "enterprise",
            "type": "SUBSCRIPTION_PLAN",
            "status": "PRODUCTION",
        }
        window = {"activeFrom": "2015-01-01T00:00:00Z", "activeUntil": None}
        subscription = {
            "service": service,
            "registeredBy": self.privileges[0]["user"],
            "registeredDate": "2015-01-01T00:00:00Z",
            **window,
        }
        elsewhere = {**subscription, "service": {**service, "label": "teleport"}}
        tenant = {"name": "Corp", "label": "corp", "icon": None, "theme": None}
        kind = {"name": "Incoming MQ", "label": "MQ_INCOMING"}
        endpoint = {
            "url": "amqp://mq.example",
            "endpointType": kind,
            "password": "hunter2",
            **window,
        }
        if found := re.fullmatch(r"/users/([^/]+)(/api-keys)?", path):
            if found[1] not in self.people:
                return None
            return self.keys.get(found[1], []) if found[2] else self.user(found[1])
        if path == "/users":
            return [self.user(name) for name in self.people if name != self.revoked]
        if path == "/user-api-keys":
            return [key for name, keys in self.keys.items() if name for key in keys]
        return {
            "/info": {**tenant, "tenantServices": [subscription, elsewhere]},
            "/privileges": self.privileges,
            "/api-keys": self.keys[None],
            "/services": [subscription, elsewhere],
            "/available-services": [service, elsewhere["service"]],
            "/domain-mapping": [{"domain": "insight.corp.example", **window}],
            "/dashboards": [],
            "/tenant-dashboards": [],
            "/statements": [],
            "/tenant-statements": [],
            "/endpoints": [endpoint],
        }.get(path)
