"""What the contract says of one route, as data: it is served, checked and documented by this."""

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
JsonSchema = dict[str, Any]
TEXT: JsonSchema = {"type": "string"}


@dataclass(frozen=True)
class Parameter:
    """A query parameter, for the documents. What it takes may depend on all collections."""

    name: str
    meaning: str
    schema: JsonSchema | Choice | Callable[[Sequence[Collection]], Choice] = field(
        default_factory=lambda: TEXT
    )
    required: bool = False


@dataclass(frozen=True)
class Variable:
    """A variable of a path, for the documents. Its example is in the demo data.

    `member` is the member of a record that the path holds, if it isn't `name`.
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
    """How bodies, answers and errors are written where another standard says so: a media type,
    and for each a JSON Schema. A view reads such a body itself."""

    media_type: str
    body: JsonSchema
    error: JsonSchema


@dataclass(frozen=True)
class Operation:
    """One verb on one or more paths, as section 2 lists it.

    `body` and `answer` are schemas of records; an `answer` may also be any JSON Schema, and
    without one there is none. `many` makes the answer a list. `allows` are the roles that can
    ever do this; `licences` raise Forbidden for tenants that may not use it.
    `body_needed=False`: the body may be absent; `largest_body` in bytes holds where the
    server's limit is lower. `conflict` says when the answer is 409; without it that never
    happens; `errors` are the statuses that don't follow from all this. What is `plain` knows
    no caller, no pages and no ETags. `form` is None for JSON and problem+json. What is always
    refused, by its `status`, is no part of the documents.
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
    plain: bool = False
    allows: frozenset[str] = roles.ANY_ROLE
    licences: tuple[Callable[[Records], None], ...] = ()
    parameters: Sequence[Parameter] = ()
    body_needed: bool = True
    largest_body: int = 0
    conflict: str | None = None
    errors: Sequence[int] = ()
    form: Form | None = None

    @cached_property
    def answers_secrets(self) -> bool:
        return isinstance(self.answer, RecordSchema) and holds_secrets(self.answer)
