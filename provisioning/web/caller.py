"""Who asks: the key in a request, its caller, and what is refused before a view runs."""

from flask import g, request

from provisioning.domain import roles
from provisioning.domain.callers import Caller, identify
from provisioning.domain.errors import Forbidden, NotFound, Unauthorized
from provisioning.domain.records import Records
from provisioning.domain.tables import TENANTS
from provisioning.store import View
from provisioning.web.context import now, server
from provisioning.web.hosts import host_of, named_tenant
from provisioning.web.routing import Operation

DEMO_TOKEN = "demo-"  # noqa: S105 - the beginning of every token in the demo data
READS = frozenset({"GET", "HEAD"})


def admit(operation: Operation, view: View) -> Caller:
    """The caller, if this operation is open to them at all (section 6: key, tenant, role)."""
    caller = _without_key(view) if server().settings.is_open else _with_key(view)
    if caller.key_type == roles.INGESTION_ONLY:
        raise Forbidden("An INGESTION_ONLY key cannot use this API. Use a BASIC or QUERY_ONLY one.")
    if caller.key_type == roles.QUERY_ONLY and request.method not in READS:
        raise Forbidden("A QUERY_ONLY key only reads. Use a BASIC one to change something.")
    for licence in operation.licences:
        licence(Records(view, caller, now(), server().catalogue))
    if caller.role not in operation.allows:
        allowed = " or ".join(role for role in roles.ROLES if role in operation.allows)
        raise Forbidden(f"This needs the role {allowed}; yours is {caller.role}.")
    return caller


def token_in_request() -> str:
    """The one API key in the query or the headers; Unauthorized for none or several."""
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    # WSGI joins headers of one name by commas.
    headers = request.headers.get("X-API-Key", "").split(",")
    given = {*request.args.getlist("apikey"), *(header.strip() for header in headers)}
    if scheme.lower() == "bearer":
        given.add(credentials.strip())
    tokens = given - {""}
    if not tokens:
        raise Unauthorized(
            "An API key is missing. Send it as 'Authorization: Bearer KEY', "
            "as 'X-API-Key: KEY' or as ?apikey=KEY."
        )
    if len(tokens) > 1:
        raise Unauthorized("The request holds API keys that differ. Send one.")
    return tokens.pop()


def _with_key(view: View) -> Caller:
    settings = server().settings
    token = token_in_request()
    if token.startswith(DEMO_TOKEN) and not settings.is_demo:
        raise Unauthorized("This is a key of the demo data, and demo mode is off.")
    caller = identify(view, token, now())
    named = named_tenant(view, host_of(request), now(), settings.base_domain)
    if named not in (None, caller.tenant):
        raise Forbidden("This host belongs to another tenant than the API key.")
    return caller


def _without_key(view: View) -> Caller:
    settings = server().settings
    named = named_tenant(view, host_of(request), now(), settings.base_domain)
    label = named or settings.tenant
    if label is None:
        tenants = view.all(TENANTS)
        if len(tenants) != 1:
            raise NotFound(
                "Authentication is off and nothing names the tenant: use a host such as "
                f"LABEL.{settings.base_domain}, or set PROVISIONING_TENANT."
            )
        label = next(iter(tenants))["label"]
    if view.get(TENANTS, label) is None:
        raise NotFound(f"PROVISIONING_TENANT is '{label}', and there is no such tenant.")
    return Caller(label, roles.ADMINISTRATOR)


def remember(operation: Operation, view: View) -> None:
    """Admit the caller now, and keep the means to do so again inside a transaction."""
    g.admit = lambda again: admit(operation, again)
    g.caller = g.admit(view)
