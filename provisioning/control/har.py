"""The request log as HAR 1.2, which browsers, proxies and other tools read."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, quote

import orjson

from provisioning import __version__
from provisioning.store import Record

UNKNOWN = -1
"""What HAR has for a size that is not known."""


def har(entries: Iterable[Record]) -> Record:
    """Entries of the request log as a HAR document, masked as they are there.

    Headers of answers are not in the log, and an answer that a fault kept back has the status 0.
    """
    return {
        "log": {
            "version": "1.2",
            "creator": {"name": "provisioning", "version": __version__},
            "entries": [_entry(each) for each in entries],
        }
    }


def _entry(entry: Record) -> Record:
    headers = entry["headers"]
    host = next((text for name, text in headers.items() if name.lower() == "host"), "localhost")
    query = f"?{entry['query']}" if entry["query"] else ""
    sent, answered = _content(entry["requestBody"]), _content(entry["responseBody"])
    return {
        "startedDateTime": entry["at"],
        "time": entry["duration"],
        "request": {
            "method": entry["method"],
            "url": f"http://{host}{quote(entry['path'], safe='/@:+,;=~')}{query}",
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": _pairs(headers.items()),
            "queryString": _pairs(parse_qsl(entry["query"], keep_blank_values=True)),
            **({"postData": {"mimeType": sent["mimeType"], "text": sent["text"]}} if sent else {}),
            "headersSize": UNKNOWN,
            "bodySize": sent.get("size", 0),
        },
        "response": {
            "status": entry["status"] or 0,
            "statusText": _phrase(entry["status"]),
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": [],
            "content": answered or {"size": 0, "mimeType": "x-unknown"},
            "redirectURL": "",
            "headersSize": UNKNOWN,
            "bodySize": UNKNOWN,
        },
        "cache": {},
        "timings": {"send": 0, "wait": entry["duration"], "receive": 0},
        "_id": entry["id"],
        "_requestId": entry["requestId"],
        "_fault": entry["fault"],
    }


def _pairs(items: Iterable[tuple[str, str]]) -> list[Record]:
    return [{"name": name, "value": text} for name, text in items]


def _content(body: Any) -> Record:
    if body is None:
        return {}
    content = orjson.dumps(body)
    return {"size": len(content), "mimeType": "application/json", "text": content.decode()}


def _phrase(status: int | None) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
