"""`PROVISIONING_LOG=json`: one line of JSON on stdout for each request and each other message.

gunicorn's main process imports this module. Our other modules are imported within the functions,
so that workers get their new versions after a HUP.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

from provisioning.web.audit_log import AUDIT

if TYPE_CHECKING:
    from provisioning.web.context import Request

REQUESTS = logging.getLogger("provisioning.requests")
FIRST_FAULT = 500


class JsonLines(logging.Formatter):
    """Formats a log record as JSON: time, level and message, or the members of a request."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).replace(tzinfo=None)
        entry = {
            "time": moment.isoformat(timespec="milliseconds") + "Z",
            "level": record.levelname.lower(),
        }
        members = getattr(record, "members", None)
        if members is not None:
            return json.dumps(entry | members)
        message = _redacted(record.getMessage())
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            message += "\n" + _redacted(record.exc_text)
        return json.dumps(entry | {"message": message})


class JsonHandler(logging.StreamHandler[TextIO]):
    """Writes to sys.stdout, even if that has been replaced since the handler was made."""

    def __init__(self) -> None:
        super().__init__(sys.stdout)
        self.setFormatter(JsonLines())

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stdout
        super().emit(record)


def write_json(*loggers: logging.Logger) -> None:
    """Make these loggers write JSON lines only; without arguments, the root logger writes them."""
    for logger in loggers:
        logger.handlers = [JsonHandler()]
    root = logging.getLogger()
    if not loggers and not any(isinstance(each, JsonHandler) for each in root.handlers):
        root.addHandler(JsonHandler())
        REQUESTS.setLevel(logging.INFO)
        AUDIT.setLevel(logging.INFO)


def note_request(request: "Request", method: str, route: str, status: int, seconds: float) -> None:
    """Log an answered request."""
    REQUESTS.log(
        logging.ERROR if status >= FIRST_FAULT else logging.INFO,
        "%s %s %s",
        method,
        route,
        status,
        extra={"members": _entry(request, method, route, status, seconds)},
    )


def _entry(
    request: "Request", method: str, route: str, status: int, seconds: float
) -> dict[str, Any]:
    from provisioning.web.redaction import redacted_target  # noqa: PLC0415
    from provisioning.web.targets import raw_path  # noqa: PLC0415

    caller = request.admitted
    return {
        "requestId": redacted_target(request.id),
        "method": method,
        "route": route,
        "path": redacted_target(raw_path(request.environ)),
        "status": status,
        "milliseconds": round(seconds * 1_000, 3),
        "tenant": caller.tenant if caller else None,
        "by": _username(request),
        "key": caller.key if caller else None,
        "client": request.client,
    }


def _username(request: "Request") -> str | None:
    from provisioning.domain.people import username_of  # noqa: PLC0415
    from provisioning.store import StoreUnavailable  # noqa: PLC0415

    caller = request.admitted
    if caller is None or caller.user is None:
        return None
    try:
        return username_of(request.view, caller.user)
    except StoreUnavailable:
        return None


def _redacted(text: str) -> str:
    from provisioning.web.redaction import redacted_text  # noqa: PLC0415

    return redacted_text(text)
