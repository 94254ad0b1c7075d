"""Every setting, once: an environment variable, its default and what it means."""

import re
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from provisioning.domain.names import ascii_domain
from provisioning.store.opening import Place, place_of

PREFIX = "PROVISIONING_"
Network = IPv4Network | IPv6Network
SHORTEST_TOKEN = 16
DEFAULT_PORTS = {"http": 80, "https": 443}
OF_A_SERVICE = re.compile(
    r"([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|ENV_.*"
    r"|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?|PORT(?==(tcp|udp|sctp)://)|NAME(?==/))=.*"
    r"|NAME=.*",
    re.DOTALL,
)
"""`NAME=value` of variables that Kubernetes and Docker links set for a service called
"provisioning...". They are no settings of ours, so they are not refused as unknown ones. `..._PORT`
is theirs only if it holds a URL: people who mean a setting write a number there."""

KEYS_OF_COMMANDS = ("PROVISIONING_REMOTE_KEY", "PROVISIONING_OTHER_KEY")
"""Variables that `pull` and `compare` read, keys of other servers. To a server they say nothing."""


class BadSetting(Exception):
    """Settings that can't be used; the message names each variable."""


def _switch(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text

    return read


def _whole(lowest: int, highest: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and lowest <= int(text[:20]) <= highest):
            raise ValueError(f"must be a whole number from {lowest} to {highest}")
        return int(text)

    return read


def _text(text: str) -> str | None:
    return text.strip() or None


def _items(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ip_network(item) for item in _items(text))


def _host(name: str) -> str:
    """A plain name or address, or `*.` and a domain."""
    star, bare = ("*.", name[2:]) if name.startswith("*.") else ("", name)
    if bare.startswith("[") and bare.endswith("]") and not star:
        return bare.lower()
    try:
        return star + ascii_domain(bare)
    except ValueError:
        raise ValueError(f"'{name}' is no host name, nor '*.' and a domain") from None


def _domain(text: str) -> str:
    if text.startswith("*"):
        raise ValueError("must be a domain, without '*'")
    return _host(text)


def _hosts(text: str) -> tuple[str, ...]:
    return tuple(_host(item) for item in _items(text))


def _origins(text: str) -> tuple[str, ...]:
    """Origins, written as browsers send them; the text `none` means an empty list."""
    return () if text.strip() == "none" else tuple(map(_origin, _items(text)))


def _origin(text: str) -> str:
    try:
        parts = urlsplit(text)
        host, port = _origin_host(parts.hostname or ""), parts.port
    except ValueError:
        host, port = "", None
    scheme, _, rest = text.partition("://")
    # One of these characters means a path, a query, user information or a `*`: no bare origin.
    if not host or scheme.lower() not in DEFAULT_PORTS or re.search(r"[/?#@*\s\\]|:$", rest):
        raise ValueError(
            f"'{text}' is no origin such as https://app.acme.example: scheme, host and perhaps a "
            "port, as browsers send it"
        )
    is_default = port in (None, DEFAULT_PORTS[parts.scheme])
    return f"{parts.scheme}://{host}" + ("" if is_default else f":{port}")


def _origin_host(name: str) -> str:
    if ":" in name:
        return f"[{ip_address(name)}]"
    last = name.rpartition(".")[2]
    return str(ip_address(name)) if last.isdigit() else ascii_domain(name)


def _token(text: str) -> str:
    if len(text.strip()) < SHORTEST_TOKEN:
        raise ValueError(f"must have {SHORTEST_TOKEN} characters or more, so that none guesses it")
    return text.strip()


def _path(text: str) -> Path:
    if not text.strip():
        raise ValueError("must be a path")
    return Path(text)


def setting(default: Any, read: Callable[[str], Any], meaning: str) -> Any:
    return field(default=default, metadata={"read": read, "meaning": meaning})


def program() -> str:
    """What is typed before the name of a command of ours: a program that exists here."""
    beside = Path(sys.executable).with_name("provisioning")
    if beside.exists():
        return "provisioning" if shutil.which("provisioning") == str(beside) else str(beside)
    python = Path(sys.executable).name
    is_on_path = shutil.which(python) == sys.executable
    return f"{python if is_on_path else sys.executable} -m provisioning"


def how_to_begin(program: str) -> str:
    return (
        "There is no tenant yet. Whoever runs this server makes one, with its administrator and a "
        f"key: {program} init --tenant acme --name Acme --admin alice@acme.test"
    )


@dataclass(frozen=True)
class Settings:
    """A server's settings. Each field is set by a variable: PROVISIONING_ and the field's name."""

    data: Place | Path = setting(
        Place("file", Path("data/db.json")),
        place_of,
        "Where all data is: a JSON file as a path, `sqlite:///FILE`, or "
        "`postgresql://USER:PASSWORD@HOST/DATABASE`.",
    )
    auth: str = setting(
        "required",
        _switch("required", "off"),
        "`required`: every request needs an API key. `off`, for development only: none does.",
    )
    demo: str = setting(
        "off",
        _switch("on", "off"),
        "`on`: serve the demo data, kept in a file of its own beside the data file.",
    )
    tenant: str | None = setting(
        None, _text, "The active tenant of requests whose host names none, with auth off."
    )
    base_domain: str = setting(
        "localhost", _domain, "Its direct subdomains name tenants: `acme.localhost`."
    )
    allowed_hosts: tuple[str, ...] = setting(
        (),
        _hosts,
        "Names, or `*.` and a domain, with commas. If set, requests for other hosts, "
        "active domain mappings apart, are refused.",
    )
    allowed_clients: tuple[Network, ...] = setting(
        (),
        _networks,
        "Networks in CIDR form, with commas, that demo mode, auth off and the control API "
        "answer besides loopback.",
    )
    proxies: tuple[Network, ...] = setting(
        (),
        _networks,
        "Networks in CIDR form, with commas, of the proxies whose X-Forwarded-For, "
        "X-Forwarded-Proto and X-Forwarded-Prefix are believed.",
    )
    cors_origins: tuple[str, ...] | None = setting(
        None,
        _origins,
        "Origins, with commas, whose pages may call the API, or `none`. Unset, demo mode allows "
        "any port of localhost and 127.0.0.1, and nothing else is allowed.",
    )
    max_body: int = setting(
        1_048_576, _whole(1, 2**30), "The largest body that is accepted, in bytes."
    )
    max_page_size: int = setting(
        300, _whole(1, 300), "The largest `size` of a page; the default size is never larger."
    )
    tenant_bytes: int = setting(
        4 * 2**20,
        _whole(0, 2**40),
        "The most bytes, as JSON, that one tenant keeps in dashboards, statements, their "
        "configurations, endpoints and domain mappings. `0`: no bound.",
    )
    catalogue: Path | None = setting(
        None, _path, "A JSON file that replaces the built-in catalogue of services."
    )
    console: str = setting(
        "on", _switch("on", "off"), "`on`: serve the console, a page for people, under /console."
    )
    control: str = setting(
        "off",
        _switch("on", "off"),
        "`on`: serve the control API under /_control, which demo mode always does.",
    )
    control_token: str | None = setting(
        None,
        _token,
        "If set, the control API wants it as `Authorization: Bearer`, from any client. "
        "16 characters or more.",
    )
    scim: str = setting(
        "off",
        _switch("on", "off"),
        "`on`: identity providers provision tenants by SCIM 2.0 below /scim/v2; this needs the "
        "packages of the extra `scim`.",
    )
    audit_keep: int | None = setting(
        None,
        _whole(0, 10_000_000),
        "How many records of the audit are kept for each tenant; `0` keeps none. Unset: 1000, on "
        "SQL stores 100000. Where more than 1000 are kept, the oldest go some at a time.",
    )
    metrics: str = setting(
        "off",
        _switch("on", "off"),
        "`on`: serve metrics for Prometheus at /metrics, to clients of this machine and of "
        "PROVISIONING_ALLOWED_CLIENTS.",
    )
    metrics_token: str | None = setting(
        None,
        _token,
        "If set, /metrics wants it as `Authorization: Bearer`, from any client. "
        "16 characters or more.",
    )
    log: str = setting(
        "text",
        _switch("text", "json"),
        "`json`: one JSON object a line on stdout, for each request and whatever else is logged.",
    )
    docs: str = setting(
        "on", _switch("on", "off"), "`on`: serve the page under /docs that tries requests."
    )
    request_log: int = setting(
        1_000, _whole(1, 100_000), "How many requests the control API remembers."
    )

    @cached_property
    def is_open(self) -> bool:
        """Whether authentication is off, so that requests need no API key."""
        return self.auth == "off"

    @cached_property
    def is_demo(self) -> bool:
        return self.demo == "on"

    @cached_property
    def is_local(self) -> bool:
        """Whether only clients on this machine and in the allowed networks are answered."""
        return self.is_open or self.is_demo

    @property
    def has_scim(self) -> bool:
        return self.scim == "on"

    @property
    def has_control(self) -> bool:
        return self.is_demo or self.control == "on"

    def require_guarded_control(self) -> None:
        """BadSetting if anybody who reaches the server could rewrite real records."""
        if self.control == "on" and not self.is_local and self.control_token is None:
            raise BadSetting(
                f"{PREFIX}CONTROL: the control API hands out and replaces every record, so beside "
                f"real keys it needs {PREFIX}CONTROL_TOKEN, a secret of {SHORTEST_TOKEN} "
                "characters or more."
            )

    @property
    def place(self) -> Place:
        """Where the data is kept. Demo mode has a place of its own, apart from real data."""
        place = self.data if isinstance(self.data, Place) else Place("file", self.data)
        return place.of_demo if self.is_demo else place

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> "Settings":
        """Settings from environment variables; BadSetting names each variable that can't be used.

        An empty variable counts as unset.
        """
        known = {PREFIX + each.name.upper(): each for each in fields(cls)}
        faults = [
            f"{name}: there is no such setting. There are {', '.join(known)}."
            for name, text in environment.items()
            if name.startswith(PREFIX)
            and name not in (*known, *KEYS_OF_COMMANDS)
            and not OF_A_SERVICE.fullmatch(f"{name.removeprefix(PREFIX)}={text}")
        ]
        values = {}
        for name, each in known.items():
            if environment.get(name):
                try:
                    values[each.name] = each.metadata["read"](environment[name])
                except ValueError as error:
                    faults.append(f"{name}: {error}.")
        settings = cls(**values)
        is_database = isinstance(settings.data, Place) and not settings.data.is_file
        if settings.is_demo and is_database:
            faults.append(
                f"{PREFIX}DEMO: the demo data is kept in a file beside the data, which a database "
                f"has none of. Leave it off, or let {PREFIX}DATA name a file: a path or "
                "sqlite:///FILE."
            )
        if faults:
            raise BadSetting("\n".join(faults))
        return settings


def described() -> list[tuple[str, str, str]]:
    """Every setting as (variable, default, meaning)."""
    return [
        (PREFIX + each.name.upper(), _shown(each.default), each.metadata["meaning"])
        for each in fields(Settings)
    ]


def _shown(default: Any) -> str:
    return "" if default in (None, ()) else str(default)
