"""Schemas of records in the words of JSON Schema, for the OpenAPI document."""

from collections.abc import Callable
from typing import Any

from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import fields

from provisioning.web import fields as kinds
from provisioning.web.records import RecordSchema, has_default, shown_members

JsonSchema = dict[str, Any]

CONTROL = r"\u0000-\u001f\u007f-\u009f"
CHECKS: dict[Callable[[str], None], JsonSchema] = {
    kinds.check_username: {
        "pattern": rf"^(?![0-9]+$|\.{{1,2}}$)[^\s/{CONTROL}]([^/{CONTROL}]*[^\s/{CONTROL}])?$",
        "examples": ["bob@acme.test"],
    },
    kinds.check_email: {
        "pattern": r"^[^@]*[^@\s][^@]*@[^@]*[^@\s][^@]*$",
        "examples": ["bob@acme.test"],
    },
    kinds.check_time_zone: {
        "description": "An IANA time zone.",
        "examples": ["Atlantic/Reykjavik"],
    },
    kinds.check_country: {
        "pattern": "^[A-Z]{3}$",
        "description": "ISO 3166-1 alpha-3.",
        "examples": ["ISL"],
    },
    kinds.check_port: {
        "pattern": "^[0-9]{1,5}$",
        "description": "From 1 to 65535.",
        "examples": ["5671"],
    },
    kinds.check_url: {
        "pattern": kinds.URL,
        "description": "Without user information.",
        "examples": ["amqps://mq.acme.example:5671"],
    },
}
"""What the checks of members come to, as far as JSON Schema can say it."""

EXAMPLES = {
    "activeFrom": "2026-01-01T00:00:00Z",
    "activeUntil": "2036-01-01T00:00:00Z",
    "reportsTo": "alice@acme.test",
}
"""For members of several schemas; a schema's own example goes before."""

IGNORED = {"readOnly": True, "description": "The server's own: accepted and ignored."}
SECRET = "Shown as `********` to most callers; a `PUT` of that keeps the secret."  # noqa: S105


class RecordConverter(OpenAPIConverter):
    """Schemas as components: `User` as answers show it, `NewUser` and `UserChanges` as bodies.

    A field that refers to a record says in `accepts` what it takes on input; answers show
    the record. `at_creation` in a field's metadata: a list that is the server's own, of
    which a new record may bring so many entries.
    """

    def shown(self, schema: RecordSchema) -> JsonSchema:
        """A reference to what answers show."""
        reference: JsonSchema = self.resolve_nested_schema(schema)  # type: ignore[no-untyped-call]
        return reference

    def schema2jsonschema(self, schema: RecordSchema) -> JsonSchema:
        """What answers show: every member, always. apispec asks for nested schemas here, too."""
        members = {name: self._shown_member(schema, name) for name in shown_members(schema)}
        return _object(schema, members, required=list(members))

    def body(self, schema: RecordSchema, is_new: bool) -> JsonSchema:
        """A reference to what a POST (`is_new`) or a PUT takes."""
        bare = self.schema_name_resolver(schema)
        name = f"New{bare}" if is_new else f"{bare}Changes"
        if name not in self.spec.components.schemas:
            members = {name: self._taken_member(schema, name, is_new) for name in schema.fields}
            required = [name for name, field in schema.load_fields.items() if field.required]
            component = _object(schema, members, required if is_new else [])
            if members:
                component["additionalProperties"] = False
            self.spec.components.schema(name, component)
        return {"$ref": f"#/components/schemas/{name}"}

    def field2property(self, field: fields.Field[Any]) -> JsonSchema:
        facts: JsonSchema = super().field2property(field)
        if isinstance(field, kinds.Moment):
            facts["format"] = "date-time"
        if isinstance(field, (kinds.Moment, kinds.Choice)):
            facts.pop("maxLength", None)
        elif isinstance(field, kinds.DomainName):
            facts["format"] = "idn-hostname"
        elif isinstance(field, kinds.Slug):
            facts["pattern"] = f"^{kinds.SLUG}$"
        for check in (*field.validators, *getattr(field, "rules_of_today", ())):
            facts |= CHECKS.get(check, {})
        return facts

    def _shown_member(self, schema: RecordSchema, name: str) -> JsonSchema:
        facts = self._member(schema, name)
        facts.pop("default", None)
        if hasattr(schema.fields[name], "accepts"):
            described = "null when the catalogue has it no longer."
            return {"anyOf": [facts, {"type": "null"}], "description": described}
        return facts

    def _taken_member(self, schema: RecordSchema, name: str, is_new: bool) -> JsonSchema:
        field = schema.fields[name]
        if is_new and isinstance(field, fields.List) and "at_creation" in field.metadata:
            items = self.body(field.inner.schema, is_new)  # type: ignore[attr-defined] # is Nested
            most = field.metadata["at_creation"]
            return {"type": ["array", "null"], "items": items, "maxItems": most}
        if field.dump_only:
            return IGNORED
        if hasattr(field, "accepts"):
            return dict(field.accepts) | _examples(schema, name)
        facts = self._member(schema, name)
        if isinstance(field, kinds.Text) and field.required and "enum" not in facts:
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
        return facts | _examples(schema, name)


class Plugin(MarshmallowPlugin):
    Converter = RecordConverter
    converter: RecordConverter


def _examples(schema: RecordSchema, name: str) -> JsonSchema:
    known = {**EXAMPLES, **schema.example}
    return {"examples": [known[name]]} if name in known else {}


def _object(schema: RecordSchema, members: JsonSchema, required: list[str]) -> JsonSchema:
    facts = {"description": type(schema).__doc__, "properties": members, "required": required}
    return {"type": "object"} | {name: fact for name, fact in facts.items() if fact}
