"""The GET routes of the API as whoever asks sees them, from the declarations that serve them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from provisioning.factory import RESOURCES
from provisioning.remote.reading import owner, segment
from provisioning.store import Record
from provisioning.web.operation import BASE_PATH, Operation
from provisioning.web.records import RecordSchema, orderable
from provisioning.web.routing import Resource, shown_path, variables_of

IN_RULE = re.compile(r"<\w+>")
VARIABLE = re.compile(r"\{\w+\}")
IDS = frozenset({"id", "key"})
"""Members whose values each server makes itself."""


@dataclass(frozen=True)
class Route:
    """A GET route: `/users/{username}`. `members` of listed records are its variables' values."""

    path: str
    operation: Operation
    members: tuple[str, ...]

    @property
    def is_list(self) -> bool:
        return self.operation.many

    @property
    def above(self) -> str:
        """The path of the list whose records the last variable names."""
        return self.path[: self.path.rindex("/{")]

    @property
    def orders(self) -> tuple[str, ...]:
        answer = self.operation.answer
        return orderable(answer) if isinstance(answer, RecordSchema) else ()

    def takes(self, parameter: str) -> bool:
        return any(each.name == parameter for each in self.operation.parameters)

    def at(self, *values: object) -> str:
        filled = iter(values)
        return VARIABLE.sub(lambda _: segment(next(filled)), self.path)


def get_routes(resources: Sequence[Resource] = RESOURCES) -> list[Route]:
    """Every GET route, lists first, and those with fewer variables first."""
    variables, found = variables_of(resources), []
    for resource in resources:
        for operation in resource.operations:
            for rule in operation.paths if operation.verb == "GET" else ():
                whole = operation.base_path + rule
                known = [variables[whole[: each.end()]] for each in IN_RULE.finditer(whole)]
                members = tuple(each.member or each.name for each in known)
                path = shown_path(whole, variables).removeprefix(BASE_PATH)
                found.append(Route(path, operation, members))
    return sorted(found, key=lambda each: (len(each.members), not each.is_list))


def value_of(record: Record, member: str) -> str | int | None:
    """What stands for a record in a path: a member, or that of the record which it is about."""
    value = record.get(member)
    if member == "label" and value is None and isinstance(record.get("service"), dict):
        value = record["service"].get("label")
    if member == "username":
        return owner(record)
    is_usable = isinstance(value, (str, int)) and not isinstance(value, bool) and value != ""
    return value if is_usable else None
