"""Which hosts and clients are answered, and which tenant a host names (section 3)."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Any

from provisioning.domain.activity import ActivityWindow, Instant
from provisioning.domain.errors import BadRequest, Forbidden
from provisioning.domain.tables import DOMAIN_MAPPINGS, TENANTS
from provisioning.settings import Settings
from provisioning.store import View

if TYPE_CHECKING:
    from provisioning.web.context import Request

LOCAL_HOSTS = ("localhost", "*.localhost", "127.0.0.1", "[::1]")
FORWARDING = frozenset(
    f"HTTP_{name.upper().replace('-', '_')}"
    for name in (
        "Forwarded",
        "Via",
        "X-Real-IP",
        "X-Original-Forwarded-For",
        "CF-Connecting-IP",
        "True-Client-IP",
        "X-Client-IP",
        "Client-IP",
        "X-Cluster-Client-IP",
        "X-Envoy-External-Address",
        "X-ProxyUser-Ip",
        "Fastly-Client-IP",
    )
)
"""As WSGI names the headers by which proxies and CDNs say for whom they ask."""
FORWARDING_PREFIX = "HTTP_X_FORWARDED_"
HOST = re.compile(r"([a-z0-9._-]*|\[[0-9a-f:.]+\])(:[0-9]{0,5})?", re.ASCII | re.IGNORECASE)


def host_in(environ: dict[str, Any]) -> str:
    """The name in the Host header: lower case, without port and final dot."""
    host = str(environ.get("HTTP_HOST", "")).strip().lower()
    name = host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
    return name.removesuffix(".")


def mapped_tenant(view: View, host: str, now: Instant) -> str | None:
    mapping = view.get(DOMAIN_MAPPINGS, host)
    if mapping is None or not ActivityWindow.of(mapping).is_active(now):
        return None
    return str(mapping["tenant"])


def named_tenant(view: View, host: str, now: Instant, base_domain: str) -> str | None:
    """The tenant that a host names: by an active mapping, or as `label.base-domain`."""
    mapped = mapped_tenant(view, host, now)
    if mapped is not None:
        return mapped
    label, _, parent = host.partition(".")
    return label if parent == base_domain and view.get(TENANTS, label) is not None else None


def matches(host: str, allowed: tuple[str, ...]) -> bool:
    """A configured name, or one level below a `*.` one."""
    return host in allowed or f"*.{host.partition('.')[2]}" in allowed


def require_allowed_host(request: "Request") -> None:
    """Guard against DNS rebinding; an active domain mapping is always allowed."""
    require_host(request)
    settings, host = request.parts.settings, request.host_name
    allowed = settings.allowed_hosts or (LOCAL_HOSTS if settings.is_local else ())
    if not allowed or matches(host, allowed):
        return
    if mapped_tenant(request.view, host, request.now) is not None:
        return
    if settings.is_local:
        raise Forbidden(
            f"This server answers only requests for {', '.join(allowed)}. "
            f"{HOW_TO_OPEN} PROVISIONING_ALLOWED_HOSTS names further hosts."
        )
    raise BadRequest("This host is not served here. Check the URL, or PROVISIONING_ALLOWED_HOSTS.")


def require_host(request: "Request") -> None:
    """A host decides on the tenant, so it is one or the request is none (RFC 9112, 3.2)."""
    given = request.environ.get("HTTP_HOST")
    if given is None and request.environ.get("SERVER_PROTOCOL") == "HTTP/1.0":
        return
    if given is None or not HOST.fullmatch(given.strip()):
        raise BadRequest("The Host header is missing, or it isn't a host and perhaps a port.")


HOW_TO_OPEN = (
    "To serve others, run it with PROVISIONING_AUTH=required and without PROVISIONING_DEMO, "
    "and make a key: flask --app app init --tenant LABEL --name NAME --admin EMAIL."
)


def require_local_client(request: "Request") -> None:
    """Without authentication, or with demo keys, only clients close by are answered."""
    if not is_local_client(request):
        raise Forbidden(
            f"Without real keys this server answers only clients on its own machine, directly. "
            f"{HOW_TO_OPEN} PROVISIONING_ALLOWED_CLIENTS names further networks."
        )


def is_forwarded(environ: dict[str, Any]) -> bool:
    """Whether the request says that it came through a proxy or a CDN."""
    return any(name in FORWARDING or name.startswith(FORWARDING_PREFIX) for name in environ)


def is_local_client(request: "Request") -> bool:
    allowed = request.parts.settings.allowed_clients
    try:
        address: IPv4Address | IPv6Address = ip_address(request.remote_addr or "")
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return not is_forwarded(request.environ) and (
        address.is_loopback or any(address in network for network in allowed)
    )


def reserved_domain(domain: str, settings: Settings, label: str) -> str | None:
    """Why a tenant can't map a domain, or None."""
    last = domain.rpartition(".")[2]
    if "." not in domain:
        return "Must have more than one label."
    if last.isdigit() or last.startswith("0x"):
        return "Must not be an IP address."
    if domain == settings.base_domain or domain in settings.allowed_hosts:
        return "This is a host of the server itself."
    below, _, parent = domain.partition(".")
    if parent == settings.base_domain and below != label:
        return f"Of the names directly below {parent}, only {label}.{parent} can be mapped."
    return None
