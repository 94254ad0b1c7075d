"""Every setting, once: an environment variable, its default and what it means."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

from provisioning.domain.names import ascii_domain

PREFIX = "PROVISIONING_"
Network = IPv4Network | IPv6Network


class BadSetting(Exception):
    """A variable that can't be used; the message names it."""


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
    for item in _items(text):
        if not item.startswith(("http://", "https://")) or item.count("/") > 2:  # noqa: PLR2004 - scheme://host
            raise ValueError(f"'{item}' is no origin such as https://app.acme.example")
    return _items(text)


def _path(text: str) -> Path:
    if not text.strip():
        raise ValueError("must be a path")
    return Path(text)


def setting(default: Any, read: Callable[[str], Any], meaning: str) -> Any:
    return field(default=default, metadata={"read": read, "meaning": meaning})


@dataclass(frozen=True)
class Settings:
    """What a server is told. The variables are the fields' names after PROVISIONING_."""

    data: Path = setting(Path("data/db.json"), _path, "The JSON file that holds all data.")
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
    cors_origins: tuple[str, ...] | None = setting(
        None,
        _origins,
        "Origins, with commas, whose pages may call the API. Unset, demo mode allows any "
        "port of localhost and 127.0.0.1, and nothing else is allowed.",
    )
    max_body: int = setting(
        1_048_576, _whole(1, 2**30), "The largest body that is accepted, in bytes."
    )
    max_page_size: int = setting(
        300, _whole(1, 300), "The largest `size` of a page; the default size is never larger."
    )
    catalogue: Path | None = setting(
        None, _path, "A JSON file that replaces the built-in catalogue of services."
    )
    control: str = setting(
        "off",
        _switch("on", "off"),
        "`on`: serve the control API under /_control, which demo mode always does.",
    )
    control_token: str | None = setting(
        None,
        _text,
        "If set, the control API wants it as `Authorization: Bearer`, from any client.",
    )
    audit_keep: int | None = setting(
        None,
        _whole(0, 10_000_000),
        "How many records of the audit are kept for each tenant; `0` keeps none. Unset: 1000, on "
        "SQL stores 100000.",
    )
    request_log: int = setting(
        1_000, _whole(1, 100_000), "How many requests the control API remembers."
    )

    @cached_property
    def is_open(self) -> bool:
        """Requests need no API key."""
        return self.auth == "off"

    @cached_property
    def is_demo(self) -> bool:
        return self.demo == "on"

    @cached_property
    def is_local(self) -> bool:
        """Only clients of this machine and of the allowed networks are answered."""
        return self.is_open or self.is_demo

    @property
    def has_control(self) -> bool:
        return self.is_demo or self.control == "on"

    @property
    def store_path(self) -> Path:
        """Where the data is kept; demo data never mixes with real data."""
        return self.data.with_suffix(f".demo{self.data.suffix}") if self.is_demo else self.data

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> "Settings":
        """Settings from environment variables; BadSetting names each that can't be used."""
        known = {PREFIX + each.name.upper(): each for each in fields(cls)}
        faults = [
            f"{name}: there is no such setting. There are {', '.join(known)}."
            for name in environment
            if name.startswith(PREFIX) and name not in known
        ]
        values = {}
        for name, each in known.items():
            if name in environment:
                try:
                    values[each.name] = each.metadata["read"](environment[name])
                except ValueError as error:
                    faults.append(f"{name}: {error}.")
        if faults:
            raise BadSetting("\n".join(faults))
        return cls(**values)


def described() -> list[tuple[str, str, str]]:
    """Every setting as (variable, default, meaning)."""
    return [
        (PREFIX + each.name.upper(), _shown(each.default), each.metadata["meaning"])
        for each in fields(Settings)
    ]


def _shown(default: Any) -> str:
    return "" if default in (None, ()) else str(default)
