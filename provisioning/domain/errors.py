"""The errors of requests, each with the status that the contract's section 6 gives it."""

from collections.abc import Mapping, Sequence
from itertools import islice

MOST_SHOWN = 50
"""How many members, and messages of each, an error shows. A body can have 100,000 wrong ones."""
LONGEST_NAME, LONGEST_MESSAGE = 100, 1_000
"""Characters after which names and messages are cut: they may repeat what the client sent."""


class DomainError(Exception):
    """A request that can't be granted. `detail` tells the caller what to do next."""

    status = 500
    title = "Internal server error"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class BadRequest(DomainError):
    status, title = 400, "Bad request"


class Unauthorized(DomainError):
    status, title = 401, "Unauthorized"


class Forbidden(DomainError):
    status, title = 403, "Forbidden"


class NotFound(DomainError):
    """For a record that doesn't exist and for one that the caller may not see alike."""

    status, title = 404, "Not found"


class Conflict(DomainError):
    status, title = 409, "Conflict"


class PreconditionFailed(DomainError):
    status, title = 412, "Precondition failed"


class TooLarge(DomainError):
    status, title = 413, "Content too large"


class UnsupportedMediaType(DomainError):
    status, title = 415, "Unsupported media type"


class Invalid(DomainError):
    """Members or parameters that break a rule: `errors` is {member: [messages]}."""

    status, title = 422, "Validation failed"

    def __init__(self, errors: Mapping[str, Sequence[str]]) -> None:
        shown = dict(islice(errors.items(), MOST_SHOWN))
        names = ", ".join(_cut(name, LONGEST_NAME) for name in shown)
        more = f" and {len(errors) - len(shown)} more" if len(errors) > len(shown) else ""
        super().__init__(f"Correct these and send the request again: {names}{more}.")
        self.errors = {
            _cut(name, LONGEST_NAME): [
                _cut(message, LONGEST_MESSAGE) for message in messages[:MOST_SHOWN]
            ]
            for name, messages in shown.items()
        }

    def __str__(self) -> str:
        return "; ".join(f"{name}: {' '.join(texts)}" for name, texts in self.errors.items())

    @classmethod
    def member(cls, name: str, *messages: str) -> "Invalid":
        return cls({name: list(messages)})


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}..."
