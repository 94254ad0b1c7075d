"""Operations: what the contract says of one route, as data, for serving, checks and documents."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from provisioning.domain import roles
from provisioning.domain.records import Records
from provisioning.web.collection import Collection
from provisioning.web.fields import Choice
from provisioning.web.records import RecordSchema, holds_secrets

BASE_PATH = "/api/v1/provisioning"
WITH_BODY = ("POST", "PUT", "PATCH")
REFUSED = 400
"""The lowest status of an operation that always fails."""
JsonSchema = dict[str, Any]
TEXT: JsonSchema = {"type": "string"}


@dataclass(frozen=True)
class Parameter:
    """A query parameter, for the documents. Its schema may be a function of all collections."""

    name: str
    meaning: str
    schema: JsonSchema | Choice | Callable[[Sequence[Collection]], Choice] = field(
        default_factory=lambda: TEXT
    )
    required: bool = False


@dataclass(frozen=True)
class Variable:
    """A variable of a path, for the documents. Its example is a value from the demo data.

    `member` is the member of the record that has this value; None if it is the one called `name`.
    """

    name: str
    meaning: str
    example: str | int
    schema: JsonSchema = field(default_factory=lambda: TEXT)
    member: str | None = None


ACTIVE = Parameter(
    "active",
    "`true`: those whose window is active now, `false`: the others, `all`: both.",
    Choice("Activity", ("true", "false", "all"), allow_none=False),
)


@dataclass(frozen=True)
class Form:
    """The form of bodies, answers and errors in a standard other than ours, such as SCIM.

    `body` and `error` are JSON Schemas. The key must come as `Authorization: Bearer`.
    """

    media_type: str
    body: JsonSchema
    error: JsonSchema


@dataclass(frozen=True)
class Operation:
    """One verb on one or more paths, as section 2 lists it.

    `body` and `answer` are schemas of records; `answer` may also be a JSON Schema, and None means
    that answers have no content. `many`: the answer is a list of them. `allows` are the roles to
    which it is open; `licences` raise Forbidden for tenants to which it isn't.
    `body_needed=False`: the body may be absent. `largest_body`: so many bytes are taken even if
    the server's limit is lower. `conflict` is a sentence that says when the answer is 409; None if
    it never is. `errors` are statuses that don't follow from the rest. `form` is None for JSON and
    problem+json. An operation whose `status` is that of an error always fails, and is left out of
    the documents.
    """

    verb: str
    paths: Sequence[str]
    name: str
    summary: str
    description: str
    tag: str
    status: int
    base_path: str = BASE_PATH
    body: RecordSchema | None = None
    answer: RecordSchema | JsonSchema | None = None
    many: bool = False
    allows: frozenset[str] = roles.ANY_ROLE
    licences: tuple[Callable[[Records], None], ...] = ()
    parameters: Sequence[Parameter] = ()
    body_needed: bool = True
    largest_body: int = 0
    conflict: str | None = None
    errors: Sequence[int] = ()
    form: Form | None = None

    @property
    def takes_body(self) -> bool:
        """Whether its view gets the JSON object in the request's body."""
        is_of_form = self.form is not None and self.verb in WITH_BODY and self.status < REFUSED
        return self.body is not None or is_of_form

    @property
    def plain(self) -> bool:
        """Whether it is none of the API itself, so that there are no pages and no ETags of ours."""
        return self.base_path != BASE_PATH

    @cached_property
    def answers_secrets(self) -> bool:
        return isinstance(self.answer, RecordSchema) and holds_secrets(self.answer)
