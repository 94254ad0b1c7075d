"""The routes by which the server describes itself, the search over all, and refused routes."""

from typing import Any

from flask import Response, request
from scim2_models import Context, ResourceType, ServiceProviderConfig

from provisioning.domain.errors import Forbidden
from provisioning.domain.records import Records, not_found
from provisioning.scim import groups, search, users  # noqa: F401 - users has routes
from provisioning.scim.filters import Filter
from provisioning.scim.messages import (
    Refused,
    listed,
    location,
    members_of,
    plain,
)
from provisioning.scim.models import EnterpriseUser, Group, User
from provisioning.scim.parameters import LARGEST_PAGE, Search
from provisioning.scim.patch import MOST_OPERATIONS
from provisioning.scim.routing import RESOURCE, scim
from provisioning.store import Record

CONFIG = ServiceProviderConfig.model_validate(
    {
        "patch": {"supported": True},
        # authentik takes this for the most operations of a PATCH, for which SCIM has no word.
        "bulk": {"supported": False, "maxOperations": MOST_OPERATIONS, "maxPayloadSize": 0},
        "filter": {"supported": True, "maxResults": LARGEST_PAGE},
        "changePassword": {"supported": True},
        "sort": {"supported": True},
        "etag": {"supported": True},
        "authenticationSchemes": [
            {
                "type": "oauthbearertoken",
                "name": "API key",
                "description": "A BASIC API key: the tenant's own, or an administrator's.",
                "specUri": "https://www.rfc-editor.org/rfc/rfc6750",
                "primary": True,
            }
        ],
    }
)


def _shown(model: Any) -> Record:
    document: Record = model.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE)
    return document


SCHEMAS = {
    each["id"]: each for each in (_shown(m.to_schema()) for m in (User, Group, EnterpriseUser))
}
TYPES = {
    each["id"]: each for each in (_shown(ResourceType.from_resource(m)) for m in (User, Group))
}


def with_meta(document: Record, kind: str, *segments: str) -> Record:
    return document | {"meta": {"resourceType": kind, "location": location(*segments)}}


@scim.operation("GET", "/ServiceProviderConfig", answer=RESOURCE)
def show_scim_service_provider_config() -> Response:
    """Show what of SCIM is supported."""
    require_no_filter()
    return plain(with_meta(_shown(CONFIG), "ServiceProviderConfig", "ServiceProviderConfig"))


@scim.operation("GET", "/Schemas", answer=RESOURCE)
def list_scim_schemas() -> Response:
    """List the attributes of users and groups."""
    return _list(SCHEMAS, "Schema", "Schemas")


@scim.operation("GET", "/Schemas/<urn>", answer=RESOURCE)
def show_scim_schema(urn: str) -> Response:
    """Show the attributes that a URN stands for."""
    return _show(SCHEMAS, urn, "Schema", "Schemas")


@scim.operation("GET", "/ResourceTypes", answer=RESOURCE)
def list_scim_resource_types() -> Response:
    """List the kinds of resources."""
    return _list(TYPES, "ResourceType", "ResourceTypes")


@scim.operation("GET", "/ResourceTypes/<name>", answer=RESOURCE)
def show_scim_resource_type(name: str) -> Response:
    """Show a kind of resources."""
    return _show(TYPES, name, "ResourceType", "ResourceTypes")


def _list(documents: dict[str, Record], kind: str, path: str) -> Response:
    require_no_filter()
    shown = [with_meta(each, kind, path, name) for name, each in documents.items()]
    return listed(shown, len(shown), 0)


def _show(documents: dict[str, Record], name: str, kind: str, path: str) -> Response:
    require_no_filter()
    if name not in documents:
        raise not_found()
    return plain(with_meta(documents[name], kind, path, name))


def require_no_filter() -> None:
    """Forbidden for a filter on the routes by which the server describes itself (RFC 7644, 4)."""
    if "filter" in request.args:
        raise Forbidden("Nothing is filtered here. Leave out 'filter'.")


@scim.operation("POST", "/.search", answer=RESOURCE, status=200)
def search_scim_all(body: Record) -> Response:
    """List groups and users of the tenant together, groups first."""
    kinds = {**groups.GROUP_KINDS, **search.USER_KINDS}
    return search.search(members_of(body, "the body"), kinds, all_asked, search.USER_KINDS)


def all_asked(
    records: Records, asked: Search, node: Filter | None, places: slice
) -> tuple[list[Any], int]:
    """The groups and users at these places of the list that is asked for, and its length."""
    found, before = groups.groups_asked(records, asked, node, places)
    rest = slice(max(0, places.start - before), max(0, places.stop - before))
    people, total = search.users_asked(records, asked, node, rest)
    return found + people, before + total


NOT_DONE = {"answer": RESOURCE, "status": 501}


@scim.operation("GET", "/Me", name="show_scim_me", **NOT_DONE)
@scim.operation("POST", "/Me", name="create_scim_me", **NOT_DONE)
@scim.operation("PUT", "/Me", name="replace_scim_me", **NOT_DONE)
@scim.operation("PATCH", "/Me", name="patch_scim_me", **NOT_DONE)
@scim.operation("DELETE", "/Me", name="remove_scim_me", **NOT_DONE)
def me() -> Response:
    """Refuse: keys of identity providers belong to no user."""
    raise Refused(501, None, "There is no /Me here: use /Users with a filter.")


@scim.operation("POST", "/Bulk", **NOT_DONE)
def bulk_scim() -> Response:
    """Refuse: each change is a request of its own."""
    raise Refused(501, None, "There is no /Bulk here: send each operation as its own request.")
