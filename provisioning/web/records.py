"""Schemas of records: bodies are read by them, and records are shown by them.

A schema lists every member of a record once. `dump_only` members are read-only: they are accepted
and ignored on input. `load_only` members are never shown. Members in `secrets` are masked.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from marshmallow import RAISE, Schema, ValidationError, fields, missing

from provisioning.domain.activity import ActivityWindow, Instant
from provisioning.domain.errors import DomainError, Invalid
from provisioning.domain.roles import MASK
from provisioning.store import Record
from provisioning.web.fields import Moment, RuleOfToday


class RecordSchema(Schema):
    """One kind of record (section 4). `example` serves the documents and the tests."""

    class Meta:
        unknown = RAISE

    secrets: ClassVar[frozenset[str]] = frozenset()
    example: ClassVar[Mapping[str, Any]] = {}
    ignored: ClassVar[frozenset[str]] = frozenset()
    """Names that are no members, but accepted and ignored on input as those of read-only ones."""
    orders: ClassVar[tuple[str, ...]] = ()
    """The members that a list may be ordered by; empty means all public ones, see `orderable`."""


class WindowSchema(RecordSchema):
    """A record with an activity window; `activeFrom` defaults to now."""

    activeFrom = Moment(allow_none=False, documented={"examples": ["2026-01-01T00:00:00Z"]})
    activeUntil = Moment(documented={"examples": ["2036-01-01T00:00:00Z"]})


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
    """A record with every member of its schema; `computed` members replace stored ones."""
    known = record | computed
    return {name: known.get(name) for name in shown_members(schema)}


@functools.cache
def shown_members(schema: RecordSchema) -> tuple[str, ...]:
    """The members that answers show, in their order: the window, which is inherited, comes last."""
    own = [name for name in schema.dump_fields if name not in WindowSchema._declared_fields]
    return (*own, *(name for name in schema.dump_fields if name not in own))


def masked(schema: RecordSchema, shown: Record) -> Record:
    """A shown record with a mask in place of every secret that is set."""
    hidden = {name: MASK for name in schema.secrets if shown[name] is not None}
    return shown | hidden


EMPTY_WINDOW = "Must be later than activeFrom, or null for no end."


class Changes(dict[str, Any]):
    """The members that a PUT carries, with their values."""

    outdated: Mapping[str, list[str]] = {}
    """Member -> messages, for values that break a rule of today. They are allowed only if the
    record has them already."""


def load_new(schema: RecordSchema, body: Record) -> Record:
    """A new record from a body, completed by defaults; Invalid names the members that are wrong.

    An `activeFrom` that the body lacks is None; `begun` sets it.
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
    record = dict.fromkeys(schema.load_fields) | defaults(schema.load_fields) | values
    masks = [name for name in schema.secrets if record.get(name) == MASK]
    if masks:
        message = f"'{MASK}' stands for a secret that is not shown. Give the secret itself."
        raise Invalid({name: [message] for name in masks})
    if record.get("activeFrom") is not None:
        require_window(record)
    return record


def begun(record: Record, now: Instant) -> Record:
    """A new record whose `activeFrom`, if it is None, is set to now; Invalid for a bad window."""
    if "activeFrom" not in record or record["activeFrom"] is not None:
        return record
    record = record | {"activeFrom": now}
    require_window(record)
    return record


def load_part(schema: RecordSchema, body: Record) -> Record:
    """The members of a body, without defaults and none required; Invalid names wrong ones."""
    values, errors, outdated = _read(schema, _writable(schema, body))
    if errors or outdated:
        raise Invalid(errors | outdated)
    return values


def load_changes(
    schema: RecordSchema, body: Record, stored: Callable[[], Record] = dict
) -> Changes:
    """The members of a PUT's body without masked secrets; Invalid names wrong members.

    `stored` finds the record that is to be changed. It is called if a value breaks a rule of today,
    which the record may have from earlier times. If it raises an error, the rule comes before that.
    """
    values, errors, outdated = _read(schema, _writable(schema, body))
    changes = Changes(values)
    ends = changes.get("activeUntil")
    # An end at the beginning may be a revoked window that is sent back.
    if ends is not None and ends < changes.get("activeFrom", ends):
        outdated["activeUntil"] = [EMPTY_WINDOW]
    if outdated:
        try:
            record = stored()
        except DomainError:
            record = {}
        errors |= _broken(record, values, outdated)
    if errors:
        raise Invalid(errors)
    changes.outdated = outdated
    for name in schema.secrets & changes.keys():
        if changes[name] == MASK:
            del changes[name]
    return changes


def changed(record: Record, changes: Changes) -> Record:
    """The record with the members of a PUT.

    Invalid for a new window that doesn't end after it begins, and for a new value that breaks a
    rule of today.
    """
    broken = _broken(record, changes, changes.outdated)
    if broken:
        raise Invalid(broken)
    merged = record | changes
    if "activeFrom" in merged and ActivityWindow.of(merged) != ActivityWindow.of(record):
        require_window(merged)
    return merged


def _broken(
    record: Record, values: Record, outdated: Mapping[str, list[str]]
) -> dict[str, list[str]]:
    """Those of `outdated` whose values the record doesn't have already."""
    return {n: texts for n, texts in outdated.items() if values.get(n) != record.get(n)}


def together(*checks: Callable[[], Any]) -> list[Any]:
    """Call all of these, and return their results; Invalid with the errors of all of them."""
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
    """Report errors of a nested record, raised in this block, as errors of one member."""
    try:
        yield
    except Invalid as error:
        raise Invalid({member: list(flat(error.errors))}) from None


def require_same(member: str, given: object, key: object) -> None:
    """Invalid if the key in the body of a PUT differs from the one in its path."""
    if given != key:
        raise Invalid.member(member, "Cannot be changed; leave it out or send it as it is.")


def require_window(record: Record) -> None:
    if ActivityWindow.of(record).is_empty:
        raise Invalid.member("activeUntil", EMPTY_WINDOW)


def has_default(schema: RecordSchema, name: str) -> bool:
    field = schema.load_fields.get(name)
    return field is not None and (name == "activeFrom" or field.load_default is not missing)


@functools.cache
def read_only(schema: RecordSchema) -> frozenset[str]:
    return schema.ignored | frozenset(schema.dump_fields) - frozenset(schema.load_fields)


def _writable(schema: RecordSchema, body: Record) -> Record:
    return {name: value for name, value in body.items() if name not in read_only(schema)}


def defaults(members: Mapping[str, fields.Field[Any]]) -> Record:
    """The members that have a default other than null, with it."""
    found = {name: field.load_default for name, field in members.items()}
    return {
        name: value() if callable(value) else value
        for name, value in found.items()
        if value is not missing
    }


def _read(
    schema: RecordSchema, given: Record
) -> tuple[Record, dict[str, list[str]], dict[str, list[str]]]:
    """(values, errors, outdated): outdated values break only rules of today; see Changes."""
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
    """Nested messages of marshmallow as flat sentences, each with its place before it."""
    if isinstance(messages, Mapping):
        for name, found in messages.items():
            yield from flat(found, f"{place}{name}: ")
    elif isinstance(messages, (list, tuple)):
        for found in messages:
            yield from flat(found, place)
    else:
        yield f"{place}{messages}"
