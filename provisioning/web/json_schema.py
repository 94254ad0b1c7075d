"""Schemas of records as JSON Schema, for the OpenAPI document."""

import inspect
import re
from collections.abc import Sequence
from typing import Any

from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import fields

from provisioning.web import fields as kinds
from provisioning.web.operation import JsonSchema
from provisioning.web.records import RecordSchema, has_default, orderable, read_only, shown_members

NULL: JsonSchema = {"type": "null"}
SECRET = "It is shown as `********` to most callers; a `PUT` of that keeps the secret."  # noqa: S105


class RecordConverter(OpenAPIConverter):
    """Makes components of schemas: `User` for answers, `NewUser` and `UserChanges` for bodies.

    A field with `accepts`, which is a JSON Schema, takes that on input, and answers show a record.
    A list with `at_creation` in its metadata is read-only, but a new record may bring so many
    entries of it.
    """

    def shown(self, schema: RecordSchema) -> JsonSchema:
        """A reference to the component of a schema as answers show it."""
        reference: JsonSchema = self.resolve_nested_schema(schema)  # type: ignore[no-untyped-call]
        return reference

    def schema2jsonschema(self, schema: RecordSchema) -> JsonSchema:
        """A schema as answers show it, with every member. apispec calls this for nested ones."""
        members = {name: self._shown_member(schema, name) for name in shown_members(schema)}
        return _object(schema, members, required=list(members))

    def body(self, schema: RecordSchema, is_new: bool) -> JsonSchema:
        """A reference to the component of the body of a POST (`is_new`) or a PUT.

        Read-only members are no properties, so that generated clients don't offer them; but their
        names are allowed, so that an answer can be sent back.
        """
        bare = self.schema_name_resolver(schema)
        name = f"New{bare}" if is_new else f"{bare}Changes"
        if name not in self.spec.components.schemas:
            ignored = _ignored(schema, is_new)
            members = {
                name: self._taken_member(schema, name, is_new)
                for name in schema.fields
                if name not in ignored
            }
            required = [name for name, field in schema.load_fields.items() if field.required]
            component = _object(schema, members, required if is_new else [])
            if members:
                component["propertyNames"] = {"enum": [*members, *ignored]}
            self.spec.components.schema(name, component)
        return {"$ref": f"#/components/schemas/{name}"}

    def example(self, schema: RecordSchema, is_new: bool) -> JsonSchema:
        """The schema's example as a body; that of a PUT leaves required members out."""
        left_out = _ignored(schema, is_new)
        if not is_new:
            left_out += [name for name, field in schema.load_fields.items() if field.required]
        return {name: value for name, value in schema.example.items() if name not in left_out}

    def field2property(self, field: fields.Field[Any]) -> JsonSchema:
        if isinstance(field, kinds.Choice):
            return self._choice(field)
        facts: JsonSchema = super().field2property(field)
        facts.pop("readOnly", None)
        if facts.pop("writeOnly", False):
            facts["format"] = "password"
        if isinstance(field, kinds.Moment):
            facts["format"] = "date-time"
            facts.pop("maxLength", None)
        elif isinstance(field, kinds.DomainName):
            facts["format"] = "idn-hostname"
        elif isinstance(field, kinds.Slug):
            facts["pattern"] = f"^{kinds.SLUG}$"
        for check in field.validators:
            facts |= kinds.SCHEMA_FACTS.get(check, {})
        return facts

    def _choice(self, field: kinds.Choice) -> JsonSchema:
        reference = self.words(field.kind, field.choices)
        return {"anyOf": [reference, NULL]} if field.allow_none else reference

    def order(self, schema: RecordSchema) -> JsonSchema:
        """A reference to the component of the values of `order`: members, with `-` or without."""
        names: dict[str, str] = {}
        for member in orderable(schema):
            bare = re.sub("(?=[A-Z])", "_", member).upper()
            names |= {member: bare, f"-{member}": f"{bare}_DESCENDING"}
        # Without these names generators call "-lastName" something like VALUE_9.
        facts = {"x-enum-varnames": list(names.values())}
        return self.words(f"{self.schema_name_resolver(schema)}Order", list(names), **facts)

    def words(self, name: str, words: Sequence[str], **facts: Any) -> JsonSchema:
        """A reference to the component of these words, which is made once for all places."""
        component: JsonSchema = {"type": "string", "enum": list(words), **facts}
        if name not in self.spec.components.schemas:
            self.spec.components.schema(name, component)
        elif self.spec.components.schemas[name] != component:
            raise ValueError(f"Two kinds of Choice are called {name}.")
        return {"$ref": f"#/components/schemas/{name}"}

    def _shown_member(self, schema: RecordSchema, name: str) -> JsonSchema:
        facts = self._member(schema, name)
        facts.pop("default", None)
        if hasattr(schema.fields[name], "accepts"):
            described = "It is null when the catalogue has it no longer."
            return {"anyOf": [facts, NULL], "description": described}
        return facts

    def _taken_member(self, schema: RecordSchema, name: str, is_new: bool) -> JsonSchema:
        field = schema.fields[name]
        if isinstance(field, fields.List) and _starts(schema, name):
            items = self.body(field.inner.schema, is_new)  # type: ignore[attr-defined] # is Nested
            most = field.metadata["at_creation"]
            return {"type": ["array", "null"], "items": items, "maxItems": most}
        if hasattr(field, "accepts"):
            return dict(field.accepts) | _example(schema, name)
        facts = self._member(schema, name)
        if isinstance(field, kinds.Text) and field.required and "type" in facts:
            facts = {"pattern": r"^(?!\s*$)"} | facts
        if not is_new:
            facts.pop("default", None)
        elif has_default(schema, name) and not field.allow_none:
            facts["type"] = [facts["type"], "null"]
        return facts

    def _member(self, schema: RecordSchema, name: str) -> JsonSchema:
        facts = self.field2property(schema.fields[name])
        if name in schema.secrets:
            facts["description"] = SECRET
        # No example beside a reference: many generators overlook or refuse it there.
        return facts if "$ref" in facts else facts | _example(schema, name)


class Plugin(MarshmallowPlugin):
    Converter = RecordConverter
    converter: RecordConverter


def _starts(schema: RecordSchema, name: str) -> bool:
    """Whether this read-only list takes its first entries when a record is created."""
    return name in schema.fields and "at_creation" in schema.fields[name].metadata


def _ignored(schema: RecordSchema, is_new: bool) -> list[str]:
    """The members that a body may carry, but that are ignored."""
    return sorted(name for name in read_only(schema) if not (is_new and _starts(schema, name)))


def _example(schema: RecordSchema, name: str) -> JsonSchema:
    return {"examples": [schema.example[name]]} if name in schema.example else {}


def _object(schema: RecordSchema, members: JsonSchema, required: list[str]) -> JsonSchema:
    facts = {
        "description": inspect.getdoc(schema),
        "properties": members,
        "required": required,
        # Stated, since generators take an object without properties for one that is always empty.
        "additionalProperties": not members,
    }
    return {"type": "object"} | {name: fact for name, fact in facts.items() if fact}
