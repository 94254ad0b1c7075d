"""Schemas of records: reading a body against one, and showing a record by it.

A schema lists every member of a record once. `dump_only` members are the server's: accepted
and ignored on input. `load_only` members are never shown. Members in `secrets` are masked.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from marshmallow import RAISE, Schema, ValidationError, fields, missing

from provisioning.domain.activity import ActivityWindow, Instant
from provisioning.domain.errors import Invalid
from provisioning.domain.roles import MASK
from provisioning.store import Record
from provisioning.web.fields import Moment, RuleOfToday


class RecordSchema(Schema):
    """One kind of record (section 4). `example` serves the documents and the tests."""

    class Meta:
        unknown = RAISE

    secrets: ClassVar[frozenset[str]] = frozenset()
    example: ClassVar[Mapping[str, Any]] = {}
    orders: ClassVar[tuple[str, ...]] = ()
    """The members that a list may be ordered by, where it isn't all that are public."""


class WindowSchema(RecordSchema):
    """A record with an activity window; `activeFrom` defaults to now."""

    activeFrom = Moment(allow_none=False, told={"examples": ["2026-01-01T00:00:00Z"]})
    activeUntil = Moment(told={"examples": ["2036-01-01T00:00:00Z"]})


@functools.cache
def holds_secrets(schema: Schema) -> bool:
    """Whether an answer of this schema can hold a secret, in itself or in a nested record."""
    nested = [
        inner.schema
        for field in schema.fields.values()
        for inner in [field.inner if isinstance(field, fields.List) else field]
        if isinstance(inner, fields.Nested)
    ]
    return bool(getattr(schema, "secrets", ())) or any(map(holds_secrets, nested))


@functools.cache
def orderable(schema: RecordSchema) -> tuple[str, ...]:
    """The public fields that a list may be ordered by."""
    return schema.orders or tuple(
        name
        for name, field in schema.dump_fields.items()
        if name not in schema.secrets and not isinstance(field, (fields.List, fields.Dict))
    )


def show(schema: RecordSchema, record: Record, **computed: Any) -> Record:
    """A record as its schema lists it, every member present; `computed` members win."""
    known = record | computed
    return {name: known.get(name) for name in shown_members(schema)}


@functools.cache
def shown_members(schema: RecordSchema) -> tuple[str, ...]:
    """A record begins with what it is; the window, which schemas inherit, comes last."""
    own = [name for name in schema.dump_fields if name not in WindowSchema._declared_fields]
    return (*own, *(name for name in schema.dump_fields if name not in own))


def masked(schema: RecordSchema, shown: Record) -> Record:
    """The same with every secret that is set replaced by the mask."""
    hidden = {name: MASK for name in schema.secrets if shown[name] is not None}
    return shown | hidden


class Changes(dict[str, Any]):
    """The members that a PUT carries."""

    outdated: Mapping[str, list[str]] = {}
    """Those that break a rule which earlier versions did not have, and may only stay."""


def load_new(schema: RecordSchema, body: Record) -> Record:
    """A body for a new record, complete with defaults; Invalid names what is wrong.

    An `activeFrom` that isn't given is None, until the record is `begun`.
    """
    given = {
        name: value
        for name, value in _writable(schema, body).items()
        if value is not None or not has_default(schema, name)
    }
    missing_members = {
        name: None
        for name, field in schema.load_fields.items()
        if field.required and name not in given
    }
    values, errors, outdated = _read(schema, given)
    errors |= {name: ["Missing data for required field."] for name in missing_members}
    if errors or outdated:
        raise Invalid(errors | outdated)
    record = dict.fromkeys(schema.load_fields) | _defaults(schema) | values
    masks = [name for name in schema.secrets if record.get(name) == MASK]
    if masks:
        message = f"'{MASK}' stands for a secret that is not shown. Give the secret itself."
        raise Invalid({name: [message] for name in masks})
    if record.get("activeFrom") is not None:
        require_window(record)
    return record


def begun(record: Record, now: Instant) -> Record:
    """A new record whose window, if it has one, begins now unless told."""
    if "activeFrom" not in record or record["activeFrom"] is not None:
        return record
    record = record | {"activeFrom": now}
    require_window(record)
    return record


def load_part(schema: RecordSchema, body: Record) -> Record:
    """Some members for a new record, without defaults; Invalid names what is wrong."""
    values, errors, outdated = _read(schema, _writable(schema, body))
    if errors or outdated:
        raise Invalid(errors | outdated)
    return values


def load_changes(schema: RecordSchema, body: Record) -> Changes:
    """The members that a PUT carries; a secret that is sent back masked is left out."""
    values, errors, outdated = _read(schema, _writable(schema, body))
    if errors:
        raise Invalid(errors | outdated)
    changes = Changes(values)
    changes.outdated = outdated
    ends = changes.get("activeUntil")
    # An empty window may be one that was revoked, and is sent back; this one is none.
    if ends is not None and ends < changes.get("activeFrom", ends):
        require_window(changes)
    for name in schema.secrets & changes.keys():
        if changes[name] == MASK:
            del changes[name]
    return changes


def changed(record: Record, changes: Changes) -> Record:
    """The record with a PUT's members.

    Invalid for a window that is newly set and doesn't end after it begins, and for a member that
    takes a new value which breaks a rule of today.
    """
    broken = {n: texts for n, texts in changes.outdated.items() if changes[n] != record.get(n)}
    if broken:
        raise Invalid(broken)
    merged = record | changes
    if "activeFrom" in merged and ActivityWindow.of(merged) != ActivityWindow.of(record):
        require_window(merged)
    return merged


def together(*checks: Callable[[], Any]) -> list[Any]:
    """What each of them answers; Invalid with what all of them find wrong."""
    answers: list[Any] = []
    errors: dict[str, list[str]] = {}
    for check in checks:
        try:
            answers.append(check())
        except Invalid as error:
            errors |= error.errors
    if errors:
        raise Invalid(errors)
    return answers


@contextmanager
def errors_within(member: str) -> Iterator[None]:
    """What is wrong with a nested record is wrong with the member that holds it."""
    try:
        yield
    except Invalid as error:
        raise Invalid({member: list(flat(error.errors))}) from None


def require_same(member: str, given: object, key: object) -> None:
    """Invalid when a PUT names another natural key than its path."""
    if given != key:
        raise Invalid.member(member, "Cannot be changed; leave it out or send it as it is.")


def require_window(record: Record) -> None:
    if ActivityWindow.of(record).is_empty:
        raise Invalid.member("activeUntil", "Must be later than activeFrom, or null for no end.")


def has_default(schema: RecordSchema, name: str) -> bool:
    field = schema.load_fields.get(name)
    return field is not None and (name == "activeFrom" or field.load_default is not missing)


@functools.cache
def read_only(schema: RecordSchema) -> frozenset[str]:
    return frozenset(schema.dump_fields) - frozenset(schema.load_fields)


def _writable(schema: RecordSchema, body: Record) -> Record:
    return {name: value for name, value in body.items() if name not in read_only(schema)}


@functools.cache
def _defaults(schema: RecordSchema) -> Record:
    return {
        name: field.load_default
        for name, field in schema.load_fields.items()
        if field.load_default is not missing
    }


def _read(
    schema: RecordSchema, given: Record
) -> tuple[Record, dict[str, list[str]], dict[str, list[str]]]:
    """Values, what is wrong with others, and which values break a rule of today only."""
    values: Record = {}
    errors: dict[str, list[str]] = {}
    outdated: dict[str, list[str]] = {}
    for name, value in given.items():
        field = schema.load_fields.get(name)
        if field is None:
            errors[name] = ["Unknown field."]
            continue
        try:
            values[name] = field.deserialize(value)
        except RuleOfToday as error:
            values[name] = value
            outdated[name] = list(flat(error.messages))
        except ValidationError as error:
            errors[name] = list(flat(error.messages))
    return values, errors, outdated


def flat(messages: Any, place: str = "") -> Iterable[str]:
    """Nested messages as sentences that begin with their place."""
    if isinstance(messages, Mapping):
        for name, found in messages.items():
            yield from flat(found, f"{place}{name}: ")
    elif isinstance(messages, (list, tuple)):
        for found in messages:
            yield from flat(found, place)
    else:
        yield f"{place}{messages}"
