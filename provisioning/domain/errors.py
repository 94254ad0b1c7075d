"""What can go wrong, each with the status that the contract's section 6 gives it."""

from collections.abc import Mapping, Sequence


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
    """A record that doesn't exist, or that the caller may not see: the two are the same."""

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
        super().__init__(f"Correct these and send the request again: {', '.join(errors)}.")
        self.errors = errors

    @classmethod
    def member(cls, name: str, *messages: str) -> "Invalid":
        return cls({name: list(messages)})
