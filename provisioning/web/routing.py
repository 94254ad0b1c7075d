"""Resources: blueprints of Flask whose routes are declared as operations."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

from flask import Blueprint, Flask, Response, request
from flask.typing import ResponseReturnValue

from provisioning.domain import roles
from provisioning.web.answers import JSON
from provisioning.web.body import read_body
from provisioning.web.context import repeated, server
from provisioning.web.operation import BASE_PATH, Operation, Variable

View = Callable[..., Response]
GENERATED_WORDS = {"show": "get", "find": "get", "replace": "update", "remove": "delete"}
"""Verb in the names of views -> verb in the names of operations, which generated clients use."""


class Resource(Blueprint):
    """The routes of one resource of the contract, and their documentation.

    `variables` describes variables of paths, each by the path that ends with it: what is said of
    `/users/<username>` holds for all paths that begin so, also in other resources. `facts` are
    members of Operation that all operations of the resource share.
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
        """Decorate a view that serves a verb on paths; `facts` are members of Operation.

        Unless `allows` is given, a read is open to every role, a change to administrators. The
        view gets the variables of its path and, if the operation `takes_body`, the parsed JSON
        object as `body`. The first line of its docstring is the operation's summary, the rest its
        description. `generated_name` makes the operation's name of the view's.
        """
        facts = self._facts | facts
        if verb != "GET":
            facts.setdefault("allows", roles.ADMINISTRATORS)
        success = 201 if verb == "POST" else 200
        facts.setdefault("status", 204 if facts.get("answer") is None else success)

        def register(view: View) -> View:
            name = generated_name(facts.pop("name", view.__name__))
            summary, _, description = inspect.cleandoc(view.__doc__ or "").partition("\n")
            operation = Operation(
                verb, paths, name, summary, description.strip(), self.name, **facts
            )
            self.operations.append(operation)

            @wraps(view)
            def serve(**variables: Any) -> ResponseReturnValue:
                if operation.takes_body:
                    limit = max(server().settings.max_body, operation.largest_body)
                    types = [JSON] if operation.form is None else [JSON, operation.form.media_type]
                    variables["body"] = read_body(request, limit, operation.body_needed, types)
                return repeated(lambda: view(**variables))

            serve.operation = operation  # type: ignore[attr-defined]
            for path in paths:
                self.add_url_rule(path, operation.name, serve, methods=[verb])
            return view

        return register


def generated_name(name: str) -> str:
    """The name of an operation, for generated clients: `get_user` for `show_one_user`."""
    word, _, noun = name.partition("_")
    return "_".join(filter(None, (GENERATED_WORDS.get(word, word), noun.removeprefix("one_"))))


VARIABLE = re.compile(r"<(?:\w+:)?(\w+)>")


def variables_of(resources: Sequence[Resource]) -> dict[str, Variable]:
    """Every variable of the resources, by the path that ends with it, base path included."""
    return {
        f"{resource.url_prefix}{place}": variable
        for resource in resources
        for place, variable in resource.variables.items()
    }


def shown_path(rule: str, variables: Mapping[str, Variable]) -> str:
    """A route's path as OpenAPI writes it: `/users/{username}`."""

    def name(found: re.Match[str]) -> str:
        known = variables.get(rule[: found.end()])
        return known.name if known is not None else found[1]

    return VARIABLE.sub(lambda found: f"{{{name(found)}}}", rule)


def operation_of(app: Flask, endpoint: str | None) -> Operation | None:
    """The operation behind an endpoint; None for pages that are no part of the API."""
    return getattr(app.view_functions.get(endpoint or ""), "operation", None)
