"""What a body asks for, as steps: each sets one attribute, adds to it, or removes it.

A whole resource is read like a `replace` without `path`, so that both name attributes alike.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from provisioning.scim import filters
from provisioning.scim.filters import FOLDED, MEMBER, SWITCH, Filter
from provisioning.scim.messages import (
    EXTENSION,
    GROUP,
    USER,
    Refused,
    bare,
    invalid_value,
    line,
    members_of,
    quoted,
    text,
)
from provisioning.store import Record

MOST_OPERATIONS = 1_000
MOST_VALUES = 20
"""The most values of an attribute, members of groups apart."""
ADD, REPLACE, REMOVE = "add", "replace", "remove"
CONTAINERS = {
    "name": ("name.givenname", "name.familyname"),
    EXTENSION[:-1]: (f"{EXTENSION}manager",),
    USER.lower(): (),
    GROUP.lower(): (),
}
"""Path of an object -> the attributes in it. It stands for these, and for nothing of its own."""
ENTRY = {"value": FOLDED, "type": FOLDED, "primary": SWITCH}
ENTRIES = {
    **{name: {f"{name}.{part}": ENTRY[part] for part in ENTRY} for name in ("emails", "photos")},
    "members": {"members.value": MEMBER},
}
"""Attribute that holds entries -> what of these a path may ask for in square brackets."""
CONTAINED = tuple(path for path in CONTAINERS if path.startswith("urn:"))
HEADS = frozenset(
    {"username", "externalid", "name", "displayname", "emails", "photos", "timezone", "active"}
    | {"password", "members"}
)
HEAD = re.compile(r"[^.\[]*")
"""What comes first in a path."""
NAME = r"[\w$-]+"
"""A part of an attribute's path, or of a URN, which has digits with dots, too."""


@dataclass(frozen=True)
class Step:
    """One attribute, and what is to become of it."""

    kind: str
    path: str
    """In lower case, without the URN of the core schema; for one within an entry, that of the
    attribute that holds the entry."""
    named: str
    """The path as the client wrote it, for errors."""
    value: Any
    has_value: bool = True
    condition: Filter | None = None
    """Which entries of `path` are meant: those in whose values it is true."""
    part: str = ""
    """The member of the entries that is meant, in lower case; empty for the entries as a whole."""

    @property
    def is_empty(self) -> bool:
        """Whether the value is absent: null and an empty text are."""
        return self.value is None or self.value == ""

    def text(self) -> str | None:
        """The text that the attribute is to have, or None."""
        return None if self.kind == REMOVE else text(self.value, self.named)


def steps_in_resource(resource: Record) -> list[Step]:
    """The attributes of a whole resource."""
    return list(_once(Step(REPLACE, "", "", resource)))


def steps_in_patch(body: Record) -> list[Step]:
    """The attributes in the operations of a PATCH, in order; Refused for bad ones."""
    operations = members_of(body, "the body").get("operations")
    if not isinstance(operations, list):
        raise Refused(400, "invalidSyntax", "Operations: Must be a list of operations.")
    if len(operations) > MOST_OPERATIONS:
        limit = f"Operations: Must be {MOST_OPERATIONS:,} at most; send several PATCHes."
        raise Refused(400, "tooMany", limit)
    if not operations:
        raise invalid_value("Operations: Must have one at least.")
    return [step for each in operations for step in _once(_operation(each))]


def _operation(given: Any) -> Step:
    sent = members_of(given, "Operations")
    kind = sent.get("op")
    if not isinstance(kind, str) or kind.lower() not in {ADD, REPLACE, REMOVE}:
        raise invalid_value("op: Must be add, replace or remove.")
    kind, path = kind.lower(), sent.get("path") or ""
    if not isinstance(path, str):
        raise Refused(400, "invalidPath", "path: Must be text.")
    if kind != REMOVE and "value" not in sent:
        raise invalid_value(f"{line(path) or 'value'}: Must have a value to {kind}.")
    if not path and kind == REMOVE:
        raise Refused(400, "noTarget", "path: A remove needs one.")
    step = _step(kind, path, sent.get("value"), "value" in sent)
    if step is None or len(path) > filters.LONGEST_FILTER:
        wanted = "Must be the path of an attribute, such as name.givenName."
        raise Refused(400, "invalidPath", f"path: {quoted(path)} is none. {wanted}")
    return step


def _step(kind: str, path: str, value: Any, has_value: bool = True) -> Step | None:
    """A step for a path such as `name.givenName` or `emails[type eq "work"].value`, if it is one.

    The empty path stands for the resource as a whole.
    """
    name, bracket, rest = path.partition("[")
    inner, closing, part = rest.rpartition("]")
    if bool(bracket) != bool(closing) or (part and not re.fullmatch(rf"\.{NAME}", part)):
        return None
    if path and not re.fullmatch(rf"{NAME}([.:]{NAME})*", name):
        return None
    target, condition = bare(name), None
    if bracket and target in ENTRIES:
        try:
            condition = filters.parse(inner, ENTRIES[target], f"{target}.")
        except Refused as error:
            told = error.detail.removeprefix(filters.NAMED)
            raise Refused(error.status, error.kind, f"{line(path)}: {told}") from None
    elif "." in target and target.partition(".")[0] in ENTRIES:
        target, _, part = target.partition(".")
    return Step(
        kind, target, line(path), value, has_value, condition, part.lower().removeprefix(".")
    )


def _once(step: Step) -> Iterator[Step]:
    """The attributes that a step is about, each of them once."""
    seen: set[object] = set()
    for each in _leaves(step):
        place = (each.path, each.part, each.condition)
        if place in seen:
            raise Refused(400, "invalidSyntax", f"{quoted(each.named)} is given twice.")
        seen.add(place)
        yield each


def _is_known(name: str) -> bool:
    """Whether a name begins as that of an attribute which is read."""
    lower = bare(name)
    return lower.startswith(CONTAINED) or HEAD.match(lower)[0] in HEADS  # type: ignore[index]


def _leaves(step: Step) -> Iterator[Step]:
    within = CONTAINERS.get(step.path)
    if step.path and within is None:
        yield step
    elif within and (step.kind == REMOVE or step.is_empty):
        for path in within:
            yield Step(step.kind, path, step.named, None)
    elif isinstance(step.value, dict):
        separator = ":" if step.path.startswith("urn:") else "."
        prefix = f"{step.named}{separator}" if step.path else ""
        members_of(step.value, step.named or "the body")
        for name, value in step.value.items():
            inner = _step(step.kind, prefix + name, value) if _is_known(prefix + name) else None
            if inner is not None:
                yield from _leaves(inner)
    else:
        raise invalid_value(f"{step.named or 'value'}: Must be an object.")
