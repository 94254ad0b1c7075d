"""Who asks: the API key in a request, its caller, and whether the operation is open to them."""

import hmac
from collections.abc import Callable
from pathlib import Path

from provisioning.domain import roles
from provisioning.domain.activity import Instant
from provisioning.domain.callers import Caller, identify
from provisioning.domain.errors import Forbidden, NotFound, Unauthorized
from provisioning.domain.records import Records
from provisioning.domain.tables import TENANTS
from provisioning.settings import how_to_begin, program
from provisioning.store import View
from provisioning.web.context import Request
from provisioning.web.hosts import named_tenant, naming
from provisioning.web.server import Server

DEMO_TOKEN = "demo-"  # noqa: S105 - the beginning of every token in the demo data
READS = frozenset({"GET", "HEAD"})


def caller_of(request: Request) -> Caller:
    """The request's caller, admitted once; raises what `admit` raises."""
    if request.admitted is None:
        request.admitted = admit(request, request.view, lambda: request.now)
    return request.admitted


def admit(request: Request, view: View, clock: Callable[[], Instant]) -> Caller:
    """The caller, checked in the order of section 6: key, tenant, key type, licence, role.

    Raises Unauthorized, Forbidden, or NotFound if authentication is off and no tenant is named.
    `clock` is called after the first query, since a database may tell its time along with that.
    """
    is_open = request.parts.settings.is_open
    caller = _without_key(request, view, clock) if is_open else _with_key(request, view, clock)
    if caller.key_type == roles.INGESTION_ONLY:
        raise Forbidden("An INGESTION_ONLY key cannot use this API. Use a BASIC or QUERY_ONLY one.")
    if caller.key_type == roles.QUERY_ONLY and request.method not in READS:
        raise Forbidden("A QUERY_ONLY key only reads. Use a BASIC one to change something.")
    operation = request.operation
    if operation is not None:
        for licence in operation.licences:
            licence(Records(view, caller, clock(), request.parts.catalogue))
        if caller.role not in operation.allows:
            allowed = " or ".join(role for role in roles.ROLES if role in operation.allows)
            raise Forbidden(f"This needs the role {allowed}; yours is {caller.role}.")
    return caller


def sends_bearer(request: Request, token: str) -> bool:
    """Whether `Authorization: Bearer` holds this token, which is a setting and no API key."""
    scheme, _, given = request.environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    is_given = hmac.compare_digest(given.strip().encode(), token.encode())
    return bool(scheme.lower() == "bearer" and is_given)


def token_in(request: Request) -> str:
    """The one API key in the query or the headers; Unauthorized for none or several."""
    environ = request.environ
    scheme, _, credentials = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    credentials = credentials.strip() if scheme.lower() == "bearer" else ""
    tokens: set[str] = {credentials}
    if "HTTP_X_API_KEY" in environ:
        # WSGI joins several headers of one name by commas.
        tokens.update(header.strip() for header in environ["HTTP_X_API_KEY"].split(","))
    if environ.get("QUERY_STRING"):
        tokens.update(request.args.getlist("apikey"))
    tokens.discard("")
    operation = request.operation
    if operation is not None and operation.form is not None and not credentials:
        raise Unauthorized("Send the API key as 'Authorization: Bearer KEY'.")
    if not tokens:
        raise Unauthorized(
            "An API key is missing. Send it as 'Authorization: Bearer KEY', "
            "as 'X-API-Key: KEY' or as ?apikey=KEY."
        )
    if len(tokens) > 1:
        raise Unauthorized("The request holds API keys that differ. Send one.")
    return tokens.pop()


def has_begun(parts: Server, view: View) -> bool:
    """Whether the store has had a tenant; once it has, this looks no more."""
    parts.has_begun = parts.has_begun or view.count(TENANTS) > 0
    return parts.has_begun


def _with_key(request: Request, view: View, clock: Callable[[], Instant]) -> Caller:
    settings = request.parts.settings
    try:
        token = token_in(request)
        if token.startswith(DEMO_TOKEN) and not settings.is_demo:
            raise Unauthorized("This is a key of the demo data, and demo mode is off.")
        view.expect(naming(request.host_name, settings.base_domain))
        caller = identify(view, token, clock)
    except Unauthorized as error:
        if not has_begun(request.parts, view):
            # Without the path, which is nothing for clients.
            raise Unauthorized(f"{error.detail} {how_to_begin(Path(program()).name)}") from error
        raise
    named = named_tenant(view, request.host_name, clock(), settings.base_domain)
    if named not in (None, caller.tenant):
        raise Forbidden("This host belongs to another tenant than the API key.")
    return caller


def _without_key(request: Request, view: View, clock: Callable[[], Instant]) -> Caller:
    settings = request.parts.settings
    label = named_tenant(view, request.host_name, clock(), settings.base_domain) or settings.tenant
    if not has_begun(request.parts, view):
        raise NotFound(how_to_begin(Path(program()).name))
    if label is None:
        if view.count(TENANTS) != 1:
            raise NotFound(
                "Authentication is off and nothing names the tenant: use a host such as "
                f"LABEL.{settings.base_domain}, or set PROVISIONING_TENANT."
            )
        label = next(iter(view.all(TENANTS)))["label"]
    if view.get(TENANTS, label) is None:
        raise NotFound(f"PROVISIONING_TENANT is '{label}', and there is no such tenant.")
    return Caller(label, roles.ADMINISTRATOR)
