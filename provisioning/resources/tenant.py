"""The tenant itself: /info, /details and, for the caller, /whoami."""

from flask import Response
from marshmallow import fields

from provisioning.domain import people, roles
from provisioning.domain.records import Records
from provisioning.domain.tables import DOMAIN_MAPPINGS, TENANTS
from provisioning.resources.domain_mappings import DomainMappingSchema, show_mapping
from provisioning.resources.endpoints import (
    EndpointSchema,
    show_endpoint,
    visible_endpoints,
)
from provisioning.resources.privileges import PublicProfileSchema
from provisioning.resources.services import SubscriptionSchema, show_active_subscriptions
from provisioning.store import Record
from provisioning.web.access import changing, reading
from provisioning.web.answers import answer, require_match
from provisioning.web.collection import Collection
from provisioning.web.fields import Choice, Flag, Slug, Text
from provisioning.web.records import RecordSchema, changed, load_changes, show
from provisioning.web.routing import Resource

CAPABILITIES = ("read", "write", "makeKeys")


class TenantSchema(RecordSchema):
    """An organisation's main configuration and its active services."""

    example = {"name": "Acme Logistics", "theme": "dark"}

    id = fields.Integer(dump_only=True)
    name = Text(required=True)
    label = Text(32, dump_only=True, allow_none=False)
    active = Flag(dump_only=True)
    icon = Text()
    theme = Text()
    tenantServices = fields.List(fields.Nested(SubscriptionSchema), dump_only=True)


class CompleteTenantSchema(TenantSchema):
    """A tenant with its endpoints and domain mappings, as far as the caller sees them."""

    tenantEndpoints = fields.List(fields.Nested(EndpointSchema), dump_only=True)
    tenantDomainMappings = fields.List(fields.Nested(DomainMappingSchema), dump_only=True)


class TenantNameSchema(RecordSchema):
    """What the active tenant is called."""

    label = Text(32, dump_only=True, allow_none=False)
    name = Text(dump_only=True, allow_none=False)


class CallerSchema(RecordSchema):
    """Who asks: the key's type, its owner or null, and what they may do here."""

    keyType = Choice("KeyType", roles.KEY_TYPES, dump_only=True, allow_none=False)
    user = fields.Nested(PublicProfileSchema, dump_only=True, allow_none=True)
    tenant = fields.Nested(TenantNameSchema, dump_only=True)
    role = Choice("Role", roles.ROLES, dump_only=True, allow_none=False)
    can = fields.List(Choice("Capability", CAPABILITIES, allow_none=False), dump_only=True)


TENANT = TenantSchema()
COMPLETE_TENANT = CompleteTenantSchema()
CALLER = CallerSchema()

COLLECTION = Collection(
    TENANTS,
    seed="tenants",
    audit="tenants",
    schema=TENANT,
    own={"label": Slug(32), "active": Flag(load_default=True)},
    key=lambda record: record["label"],
    also_audited={"active": "active"},
    is_owned=False,
    numbered="{}",
    unique={"id": lambda record: record["id"]},
)

tenant = Resource("tenant", __name__, "The active tenant and the caller.", collections=[COLLECTION])


def show_tenant(records: Records) -> Record:
    return show(TENANT, records.tenant, tenantServices=show_active_subscriptions(records))


@tenant.operation("GET", "/info", answer=TENANT)
def show_info() -> Response:
    """Show the tenant's main configuration and its services."""
    return answer(show_tenant(reading()))


@tenant.operation("PUT", "/info", body=COMPLETE_TENANT, answer=TENANT)
def replace_info(body: Record) -> Response:
    """Change the tenant's name, icon or theme."""
    changes = load_changes(COMPLETE_TENANT, body, lambda: reading().tenant)
    with changing() as records:
        require_match(show_tenant(records))
        records.transaction.put(TENANTS, records.label, changed(records.tenant, changes))
        return answer(show_tenant(records))


@tenant.operation("GET", "/details", answer=COMPLETE_TENANT)
def show_details() -> Response:
    """Show the complete tenant: services, endpoints and domain mappings."""
    records = reading()
    mappings = records.all(DOMAIN_MAPPINGS) if records.caller.is_overseer else ()
    return answer(
        show(
            COMPLETE_TENANT,
            records.tenant,
            tenantServices=show_active_subscriptions(records),
            tenantEndpoints=[
                show_endpoint(records, endpoint) for endpoint in visible_endpoints(records)
            ],
            tenantDomainMappings=[
                show_mapping(records, mapping)
                for mapping in sorted(mappings, key=lambda mapping: str(mapping["domain"]))
            ],
        )
    )


@tenant.operation("GET", "/whoami", answer=CALLER)
def show_caller() -> Response:
    """Show who the API key makes you, and what it lets you do."""
    records = reading()
    caller = records.caller
    return answer(
        {
            "keyType": caller.key_type,
            "user": people.public_profile(records.view, caller.user),
            "tenant": {"label": records.label, "name": records.tenant["name"]},
            "role": caller.role,
            "can": caller.capabilities,
        }
    )
