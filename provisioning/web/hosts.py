"""Which hosts and clients are answered, and which tenant a host names (section 3)."""

import logging
import re
from collections.abc import Collection, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

from provisioning.domain.activity import ActivityWindow, Instant
from provisioning.domain.errors import BadRequest, Forbidden
from provisioning.domain.records import Records
from provisioning.domain.tables import DOMAIN_MAPPINGS, TENANTS
from provisioning.settings import Network, Settings, program
from provisioning.store import Lookup, View
from provisioning.web.context import Request
from provisioning.web.server import Server

Environ = dict[str, Any]

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
"""Headers, under their WSGI names, in which proxies and CDNs name the client (section 3)."""
FORWARDING_PREFIX = "HTTP_X_FORWARDED_"
PREFIX = "provisioning.prefix"
"""The key in a WSGI environment for the path prefix that a trusted proxy has taken off."""
SENT_PREFIX = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)+", re.ASCII)
HOST = re.compile(r"([a-z0-9._-]*|\[[0-9a-f:.]+\])(:[0-9]{0,5})?", re.ASCII | re.IGNORECASE)

log = logging.getLogger(__name__)


def mapped_tenant(view: View, host: str, now: Instant) -> str | None:
    mapping = view.get(DOMAIN_MAPPINGS, host)
    if mapping is None or not ActivityWindow.of(mapping).is_active(now):
        return None
    return str(mapping["tenant"])


def naming(host: str, base_domain: str) -> Iterator[Lookup]:
    """What `named_tenant` asks for."""
    yield Lookup(DOMAIN_MAPPINGS, [host])
    label, _, parent = host.partition(".")
    if parent == base_domain:
        yield Lookup(TENANTS, [label])


def named_tenant(view: View, host: str, now: Instant, base_domain: str) -> str | None:
    """The tenant that a host names, by an active mapping or as LABEL.BASE-DOMAIN, or None."""
    mapped = mapped_tenant(view, host, now)
    if mapped is not None:
        return mapped
    label, _, parent = host.partition(".")
    return label if parent == base_domain and view.get(TENANTS, label) is not None else None


def matches(host: str, allowed: tuple[str, ...]) -> bool:
    """Whether a host is an allowed name, or is one level below a name that begins with `*.`."""
    return host in allowed or f"*.{host.partition('.')[2]}" in allowed


def require_allowed_host(request: Request) -> None:
    """Refuse a host outside the allowlist, which prevents DNS rebinding.

    A host with an active domain mapping is always allowed. Raises Forbidden or BadRequest.
    """
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


def names_this_machine(request: Request) -> bool:
    """Whether the Host is one by which a browser can't be led here from another site's page."""
    return matches(request.host_name, request.parts.settings.allowed_hosts or LOCAL_HOSTS)


def require_host(request: Request) -> None:
    """BadRequest unless the Host header is a host with perhaps a port (RFC 9112, 3.2)."""
    given = request.environ.get("HTTP_HOST")
    if given is None and request.environ.get("SERVER_PROTOCOL") == "HTTP/1.0":
        return
    if given is None or not HOST.fullmatch(given.strip()):
        raise BadRequest("The Host header is missing, or it isn't a host and perhaps a port.")


HOW_TO_OPEN = (
    "To serve others, run it with PROVISIONING_AUTH=required and without PROVISIONING_DEMO, "
    f"and make a key: {Path(program()).name} init --tenant LABEL --name NAME --admin EMAIL."
)


def require_local_client(request: Request) -> None:
    """Forbidden for clients that are not local, for servers with demo keys or without keys."""
    if not is_local_client(request):
        raise Forbidden(
            f"Without real keys this server answers only clients on its own machine, directly. "
            f"{HOW_TO_OPEN} PROVISIONING_ALLOWED_CLIENTS names further networks."
        )


def is_local_client(request: Request) -> bool:
    """Whether the client is on this machine or in an allowed network, and used no proxy."""
    address = address_in(request.environ.get("REMOTE_ADDR", ""))
    if address is None or is_forwarded(request.environ):
        return False
    return address.is_loopback or is_in(address, request.parts.settings.allowed_clients)


def is_forwarded(environ: Environ) -> bool:
    """Whether the request says that it came through a proxy or a CDN."""
    return any(name in FORWARDING or name.startswith(FORWARDING_PREFIX) for name in environ)


def address_in(text: str) -> IPv4Address | IPv6Address | None:
    """The IP address in a text, or None. An IPv4 address that is mapped into IPv6 is IPv4."""
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def is_in(address: IPv4Address | IPv6Address, networks: Collection[Network]) -> bool:
    return any(address in network for network in networks)


def believe_proxy(environ: Environ, proxies: Collection[Network]) -> None:
    """Put client, scheme and path prefix into the environment as a trusted proxy names them.

    The client is the last address in X-Forwarded-For that is no proxy's. Those before it prove
    nothing, as the client itself may have sent them.
    """
    peer = address_in(environ.get("REMOTE_ADDR", ""))
    if PREFIX in environ or peer is None or not is_in(peer, proxies):
        return
    named = map(address_in, reversed(environ.get("HTTP_X_FORWARDED_FOR", "").split(",")))
    others = (address for address in named if address is not None and not is_in(address, proxies))
    environ["REMOTE_ADDR"] = str(next(others, peer))
    scheme = environ.get("HTTP_X_FORWARDED_PROTO", "").rpartition(",")[2].strip().lower()
    if scheme in {"http", "https"}:
        environ["wsgi.url_scheme"] = scheme
    prefix = environ.get("HTTP_X_FORWARDED_PREFIX", "")
    environ[PREFIX] = prefix if SENT_PREFIX.fullmatch(prefix) else ""
    environ["SCRIPT_NAME"] = environ[PREFIX] + environ.get("SCRIPT_NAME", "")


def reserved_domain(domain: str, settings: Settings, label: str) -> str | None:
    """The reason why the tenant `label` can't map a domain (section 3), or None if it can."""
    last = domain.rpartition(".")[2]
    if "." not in domain:
        return "Must have more than one label."
    if last.isdigit() or last.startswith("0x"):
        return "Must not be an IP address."
    if domain == settings.base_domain or matches(domain, settings.allowed_hosts):
        return "This is a host of the server itself."
    base, own = f".{settings.base_domain}", f"{label}.{settings.base_domain}"
    if domain.endswith(base) and domain != own and not domain.endswith(f".{own}"):
        return f"Of the names below {base[1:]}, only {own} and those below it can be mapped."
    return None


def shared_host(domain: str, request: Request, records: Records) -> str | None:
    """The reason why a request can't map the domain that it came to, or None.

    To map a host that names no tenant yet would lock all other tenants out of it.
    """
    base_domain = request.parts.settings.base_domain
    if domain != request.host_name:
        return None
    if named_tenant(records.view, domain, records.now, base_domain) == records.label:
        return None
    return "This is the host that your request came to, and others need it as well."


def warn_of_unnamed_hosts(server: Server) -> None:
    """Log a warning if a tenant could map a host by which other tenants reach the server."""
    settings = server.settings
    if settings.is_local or settings.allowed_hosts:
        return
    with server.store.read() as view:
        tenants = view.count(TENANTS)
    if tenants > 1:
        log.warning(
            "PROVISIONING_ALLOWED_HOSTS is not set. This server has %s tenants, and each could map "
            "a host name by which the others reach it: name the server's own hosts there.",
            tenants,
        )
