"""A resource is a blueprint whose operations say what the contract says of them."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

from flask import Blueprint, Flask, Response, request
from flask.typing import ResponseReturnValue

from provisioning.domain import roles
from provisioning.web.body import read_body
from provisioning.web.context import repeated, server
from provisioning.web.operation import BASE_PATH, Operation, Variable

View = Callable[..., Response]
GENERATED_WORDS = {"show": "get", "find": "get", "replace": "update", "remove": "delete"}
"""The verbs of this code, and those that people expect in a generated client."""


class Resource(Blueprint):
    """What the contract calls a resource: its routes, and what OpenAPI says of them.

    `variables` tells of a path's last variable, by the path up to it: `/users/<username>`
    does so for all paths that begin with it, those of other resources, too. `facts` are
    those of Operation that all operations here share.
    """

    def __init__(
        self,
        name: str,
        import_name: str,
        meaning: str,
        collections: Sequence[Any] = (),
        base_path: str = BASE_PATH,
        variables: Mapping[str, Variable] | None = None,
        **facts: Any,
    ) -> None:
        super().__init__(name, import_name, url_prefix=base_path)
        self.meaning = meaning
        self.collections = collections
        self.variables = variables or {}
        self.operations: list[Operation] = []
        self._facts = {"base_path": base_path, **facts}

    def operation(self, verb: str, *paths: str, **facts: Any) -> Callable[[View], View]:
        """Serve a verb on paths. A read is open to every role, a change to administrators.

        The view gets the variables of its path, and, if there is a `body` schema, the
        parsed JSON object as `body`. Its docstring's first line is the summary, and
        what follows the description. Its name becomes that of the operation, with the verbs that
        generated clients have.
        """
        facts = self._facts | facts
        if verb != "GET":
            facts.setdefault("allows", roles.ADMINISTRATORS)
        made = 201 if verb == "POST" else 200
        facts.setdefault("status", 204 if facts.get("answer") is None else made)

        def register(view: View) -> View:
            name = generated_name(facts.pop("name", view.__name__))
            summary, _, description = inspect.cleandoc(view.__doc__ or "").partition("\n")
            operation = Operation(
                verb, paths, name, summary, description.strip(), self.name, **facts
            )
            self.operations.append(operation)

            @wraps(view)
            def serve(**variables: Any) -> ResponseReturnValue:
                if operation.body is not None:
                    limit = max(server().settings.max_body, operation.largest_body)
                    variables["body"] = read_body(request, limit, operation.body_needed)
                return repeated(lambda: view(**variables))

            serve.operation = operation  # type: ignore[attr-defined]
            for path in paths:
                self.add_url_rule(path, operation.name, serve, methods=[verb])
            return view

        return register


def generated_name(name: str) -> str:
    """`show_one_user` as generated clients have it: `get_user`."""
    word, _, noun = name.partition("_")
    return "_".join(filter(None, (GENERATED_WORDS.get(word, word), noun.removeprefix("one_"))))


VARIABLE = re.compile(r"<(?:\w+:)?(\w+)>")


def variables_of(resources: Sequence[Resource]) -> dict[str, Variable]:
    """Every variable by the path up to it, base path and all."""
    return {
        f"{resource.url_prefix}{place}": variable
        for resource in resources
        for place, variable in resource.variables.items()
    }


def shown_path(rule: str, variables: Mapping[str, Variable]) -> str:
    """A route with its variables in braces, by the names that they have in documents."""

    def name(found: re.Match[str]) -> str:
        known = variables.get(rule[: found.end()])
        return known.name if known is not None else found[1]

    return VARIABLE.sub(lambda found: f"{{{name(found)}}}", rule)


def operation_of(app: Flask, endpoint: str | None) -> Operation | None:
    """The operation behind an endpoint; None for pages that are no part of the API."""
    return getattr(app.view_functions.get(endpoint or ""), "operation", None)
