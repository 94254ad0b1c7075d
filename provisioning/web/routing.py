"""A resource is a blueprint whose operations say what the contract says of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from flask import Blueprint, Flask, Response, request
from flask.typing import ResponseReturnValue

from provisioning.domain import roles
from provisioning.domain.records import Records
from provisioning.web.body import read_body
from provisioning.web.context import repeated, server
from provisioning.web.records import RecordSchema, holds_secrets

BASE_PATH = "/api/v1/provisioning"
View = Callable[..., Response]


@dataclass(frozen=True)
class Parameter:
    """A query parameter, for the documents."""

    name: str
    meaning: str
    schema: dict[str, Any] = field(default_factory=lambda: {"type": "string"})
    required: bool = False


ACTIVE = Parameter(
    "active",
    "`true`: those whose window is active now, `false`: the others, `all`: both.",
    {"type": "string", "enum": ["true", "false", "all"]},
)


@dataclass(frozen=True)
class Operation:
    """One verb on one or more paths, as section 2 lists it.

    `body` and `answer` are schemas of records (`answer=None`: 204, nothing); `many` makes the
    answer a list. `allows` are the roles that can ever do this; `licences` raise Forbidden
    for tenants that may not use it. `body_needed=False`: the body may be absent. `conflict`
    says when the answer is 409; without it that never happens.
    """

    verb: str
    paths: Sequence[str]
    name: str
    summary: str
    tag: str
    body: RecordSchema | None = None
    answer: RecordSchema | None = None
    many: bool = False
    allows: frozenset[str] = roles.ANY_ROLE
    licences: tuple[Callable[[Records], None], ...] = ()
    parameters: Sequence[Parameter] = ()
    body_needed: bool = True
    conflict: str | None = None

    @property
    def status(self) -> int:
        if self.verb == "POST":
            return 201
        return 200 if self.answer is not None else 204

    @property
    def answers_secrets(self) -> bool:
        return self.answer is not None and holds_secrets(self.answer)


class Resource(Blueprint):
    """What the contract calls a resource: its routes, and what OpenAPI says of them."""

    def __init__(
        self,
        name: str,
        import_name: str,
        meaning: str,
        licences: tuple[Callable[[Records], None], ...] = (),
        collections: Sequence[Any] = (),
    ) -> None:
        super().__init__(name, import_name, url_prefix=BASE_PATH)
        self.meaning = meaning
        self.licences = licences
        self.collections = collections
        self.operations: list[Operation] = []

    def operation(self, verb: str, *paths: str, **facts: Any) -> Callable[[View], View]:
        """Serve a verb on paths. A read is open to every role, a change to administrators.

        The view gets the variables of its path, and, if there is a `body` schema, the
        parsed JSON object as `body`. Its docstring's first line is the summary.
        """
        if verb != "GET":
            facts.setdefault("allows", roles.ADMINISTRATORS)

        def register(view: View) -> View:
            facts.setdefault("name", view.__name__)
            operation = Operation(
                verb,
                paths,
                summary=(view.__doc__ or "").strip().partition("\n")[0],
                tag=self.name,
                licences=self.licences,
                **facts,
            )
            self.operations.append(operation)

            @wraps(view)
            def serve(**variables: Any) -> ResponseReturnValue:
                if operation.body is not None:
                    limit = server().settings.max_body
                    variables["body"] = read_body(request, limit, operation.body_needed)
                return repeated(lambda: view(**variables))

            serve.operation = operation  # type: ignore[attr-defined]
            for path in paths:
                self.add_url_rule(path, operation.name, serve, methods=[verb])
            return view

        return register


def operation_of(app: Flask, endpoint: str | None) -> Operation | None:
    """The operation behind an endpoint; None for pages that are no part of the API."""
    return getattr(app.view_functions.get(endpoint or ""), "operation", None)
