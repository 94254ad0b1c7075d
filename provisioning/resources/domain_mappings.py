"""Domain mappings: the host names by which a tenant is reached."""

from flask import Response

from provisioning.domain.bounds import FULL
from provisioning.domain.errors import Conflict, Invalid
from provisioning.domain.names import ascii_domain
from provisioning.domain.records import Records, not_found
from provisioning.domain.tables import DOMAIN_MAPPINGS
from provisioning.store import Record
from provisioning.web.access import changing, reading
from provisioning.web.answers import answer, created, kept, nothing, require_match
from provisioning.web.collection import Collection
from provisioning.web.context import current, server
from provisioning.web.fields import DomainName, Text
from provisioning.web.hosts import reserved_domain, shared_host
from provisioning.web.operation import Variable
from provisioning.web.paging import list_query, listed
from provisioning.web.records import (
    WindowSchema,
    begun,
    changed,
    load_changes,
    load_new,
    require_same,
    show,
)
from provisioning.web.routing import Resource


class DomainMappingSchema(WindowSchema):
    """A domain, unique over all tenants until the mapping is deleted."""

    example = {"domain": "insight.acme.example", "theme": "dark"}

    domain = DomainName(required=True)
    icon = Text()
    theme = Text()


DOMAIN_MAPPING = DomainMappingSchema()

COLLECTION = Collection(
    DOMAIN_MAPPINGS,
    seed="domainMappings",
    audit="domain-mapping",
    schema=DOMAIN_MAPPING,
    is_bounded=True,
    key=lambda record: record["domain"],
    text=("domain",),
)

domain_mappings = Resource(
    "domain-mapping",
    __name__,
    "Host names that lead to the tenant.",
    variables={
        "/domain-mapping/<domain>": Variable(
            "domain", "A domain, in Unicode or as A-labels.", "insight.acme.example"
        )
    },
    collections=[COLLECTION],
)


def show_mapping(records: Records, mapping: Record) -> object:
    name = (DOMAIN_MAPPINGS, mapping["domain"])
    return kept(records.view, name, lambda: show(DOMAIN_MAPPING, mapping))


def find(records: Records, domain: str) -> Record:
    """A mapping by its domain, in Unicode or as A-labels; NotFound for callers who see none."""
    if not records.caller.is_overseer:
        raise not_found()
    return records.find(DOMAIN_MAPPINGS, key_of(domain))


def key_of(domain: str) -> str:
    try:
        return ascii_domain(domain)
    except ValueError:
        raise not_found() from None


@domain_mappings.operation("GET", "/domain-mapping", answer=DOMAIN_MAPPING, many=True)
def list_domain_mappings() -> Response:
    """List the tenant's domain mappings."""
    records = reading()
    facts = {"within": ("tenant", records.label)} if records.caller.is_overseer else {"keys": ()}
    query = list_query(DOMAIN_MAPPING, by_key=True, **facts)
    return listed(records.query(DOMAIN_MAPPINGS, query), query, show_mapping)


@domain_mappings.operation(
    "POST",
    "/domain-mapping",
    body=DOMAIN_MAPPING,
    answer=DOMAIN_MAPPING,
    conflict=f"The domain is mapped already, by this tenant or another. {FULL}",
)
def create_domain_mapping(body: Record) -> Response:
    """Map a domain to the tenant."""
    given = load_new(DOMAIN_MAPPING, body)
    with changing() as records:
        mapping = begun(given, records.now)
        domain = mapping["domain"]
        reason = reserved_domain(domain, server().settings, records.label) or shared_host(
            domain, current(), records
        )
        if reason is not None:
            raise Invalid.member("domain", reason)
        if records.view.get(DOMAIN_MAPPINGS, domain) is not None:
            raise Conflict("This domain is mapped already. A domain leads to one tenant only.")
        records.put(DOMAIN_MAPPINGS, domain, mapping)
        return created(show_mapping(records, mapping), "domain-mapping", domain)


@domain_mappings.operation("GET", "/domain-mapping/<domain>", answer=DOMAIN_MAPPING)
def show_domain_mapping(domain: str) -> Response:
    """Show a domain mapping."""
    records = reading()
    return answer(show_mapping(records, find(records, domain)))


@domain_mappings.operation(
    "PUT",
    "/domain-mapping/<domain>",
    body=DOMAIN_MAPPING,
    answer=DOMAIN_MAPPING,
    conflict=FULL,
)
def replace_domain_mapping(domain: str, body: Record) -> Response:
    """Change a domain mapping; the domain itself stays."""
    changes = load_changes(DOMAIN_MAPPING, body, lambda: find(reading(), domain))
    if "domain" in changes:
        require_same("domain", changes.pop("domain"), key_of(domain))
    with changing() as records:
        mapping = find(records, domain)
        require_match(show_mapping(records, mapping))
        mapping = records.put(DOMAIN_MAPPINGS, mapping["domain"], changed(mapping, changes))
        return answer(show_mapping(records, mapping))


@domain_mappings.operation("DELETE", "/domain-mapping/<domain>")
def remove_domain_mapping(domain: str) -> Response:
    """Remove a domain mapping, for good."""
    with changing() as records:
        mapping = find(records, domain)
        require_match(show_mapping(records, mapping))
        records.remove(DOMAIN_MAPPINGS, mapping["domain"])
    return nothing()
