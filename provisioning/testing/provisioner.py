"""Putting tenants, users, privileges, keys and other records into a server's store without HTTP."""

import functools
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from flask import Flask

from provisioning.domain import people, roles
from provisioning.domain.activity import Instant, as_instant
from provisioning.domain.errors import Conflict, Invalid
from provisioning.domain.names import username_key
from provisioning.domain.records import Records
from provisioning.domain.tables import TENANTS, USERS
from provisioning.domain.tenants import as_administrator, create_tenant, new_account
from provisioning.factory import make_routes
from provisioning.onboarding import NEW_TENANT
from provisioning.resources.api_keys import API_KEY, new_key
from provisioning.resources.dashboards import DASHBOARD
from provisioning.resources.privileges import PRIVILEGE
from provisioning.resources.statements import STATEMENT
from provisioning.resources.users import USER, hashed
from provisioning.seed import BadFile, load_catalogue, load_seed, new_id, prepare_seed
from provisioning.settings import Settings
from provisioning.store import Record
from provisioning.web.fields import time_zones
from provisioning.web.records import begun, load_new, load_part, together
from provisioning.web.server import Server

_made = functools.cache(make_routes)
known_catalogue = functools.cache(load_catalogue)
"""The catalogue in a file, or the built-in one for None; each file is read once."""

Moment = Instant | datetime
"""An instant in a test: text such as `2026-01-15T12:00:00Z`, or a datetime with a time zone."""
ARGUMENTS = {
    "activeFrom": "active_from",
    "activeUntil": "active_until",
    "reportsTo": "reports_to",
    "endpointType": "endpoint_type",
}
"""Member of a record -> the name of the argument for it, if that is another one."""


@functools.cache
def routes(settings: Settings) -> Flask:
    """Routes for these settings, wherever the data is.

    Servers share them, as they hold no store and take 30 ms to make.
    """
    return _made(replace(settings, data=Path()))


def read_ahead() -> None:
    """Read all files that a server may need, since a test may replace the file system later."""
    known_catalogue(None)
    time_zones()


class Provisioner:
    """Adds records to a server for a test, by default to the tenant `acme`.

    Instants are strings such as `2026-01-15T12:00:00Z`, or datetimes with a time zone. An
    `active_from` of None is the server's now, an `active_until` of None is open-ended. Further
    arguments are members of the contract's records, such as `firstName`. Values that the API would
    refuse raise the domain's errors: Invalid names each argument that is wrong.
    """

    def __init__(self, parts: Server) -> None:
        self.parts = parts
        self.store, self.clock, self.catalogue = parts.store, parts.clock, parts.catalogue
        self._numbers = itertools.count(1)

    def add_tenant(self, label: str, name: str | None = None) -> str:
        """Add a tenant, and return its label. Nobody may act in it yet: add a user or a key."""
        tenant = load_new(NEW_TENANT, {"label": label, "name": name or str(label).title()})
        with self.store.transaction() as transaction:
            create_tenant(
                transaction, self.catalogue, tenant["label"], tenant["name"], self.clock.now()
            )
        return label

    def add_user(
        self,
        username: str | None = None,
        role: str | None = roles.USER,
        tenant: str = "acme",
        active_from: Moment | None = None,
        active_until: Moment | None = None,
        reports_to: str | None = None,
        **profile: Any,
    ) -> str:
        """Add an account with its home in the tenant, and return its username.

        With `role=None` it has no privilege. Its email is the username, if that is an address.
        """
        username = username or f"user{next(self._numbers)}@{tenant}.test"
        email = username if "@" in str(username) else f"{username}@{tenant}.test"
        with self._changing(tenant) as records:
            given, terms = together(
                lambda: load_part(USER, {"username": username, "email": email, **profile}),
                lambda: role and _terms(username, role, active_from, active_until, reports_to),
            )
            account = dict.fromkeys(USER.load_fields) | given
            password = account.pop("password")
            password_hash = hashed(self.parts, password) if password is not None else None
            user = username_key(username)
            if records.view.get(USERS, user) is not None:
                raise Conflict(f"There is an account '{username}' already: grant it a privilege.")
            records.transaction.put(USERS, user, new_account(records, account, password_hash))
            if role is not None:
                people.grant(records, user, begun(terms, records.now))
        return username

    def grant(
        self,
        username: str,
        role: str,
        tenant: str = "acme",
        active_from: Moment | None = None,
        active_until: Moment | None = None,
        reports_to: str | None = None,
    ) -> int:
        """Give an account a privilege, and return the privilege's id."""
        with self._changing(tenant) as records:
            terms = _terms(username, role, active_from, active_until, reports_to)
            user = _known_user(records, username)
            return int(people.grant(records, user, begun(terms, records.now))["id"])

    def add_key(
        self,
        username: str | None = None,
        tenant: str = "acme",
        type: str = roles.BASIC,
        active_from: Moment | None = None,
        active_until: Moment | None = None,
        name: str | None = None,
    ) -> str:
        """Add an API key, and return its token; without a username it is a tenant-only key."""
        with self._changing(tenant) as records:
            given = {"type": type, "name": name, **_window(active_from, active_until)}
            terms = begun(load_new(API_KEY, given), records.now)
            user = None if username is None else _known_user(records, username)
            return str(new_key(records, user, terms)["apiToken"])

    def add_subscription(
        self,
        service: str,
        tenant: str = "acme",
        active_from: Moment | None = None,
        active_until: Moment | None = None,
    ) -> int:
        """Add a subscription to a service of the catalogue, and return its id."""
        _require_one_of("service", service, self.catalogue.services)
        window = _window(active_from, active_until)
        return int(self._add("subscriptions", tenant, service=service, **window)["id"])

    def add_domain_mapping(
        self,
        domain: str,
        tenant: str = "acme",
        active_from: Moment | None = None,
        active_until: Moment | None = None,
        **members: Any,
    ) -> str:
        """Add a domain mapping, and return its domain as the API shows it."""
        members |= _window(active_from, active_until)
        return str(self._add("domainMappings", tenant, domain=domain, **members)["domain"])

    def add_endpoint(
        self,
        url: str,
        endpoint_type: str = "MQ_INCOMING",
        tenant: str = "acme",
        active_from: Moment | None = None,
        active_until: Moment | None = None,
        **members: Any,
    ) -> int:
        """Add a service endpoint, and return its id."""
        offered = [entry["label"] for entry in self.catalogue.offered_endpoint_types]
        _require_one_of("endpoint_type", endpoint_type, offered)
        members |= {"url": url, "endpointType": endpoint_type}
        members |= _window(active_from, active_until)
        return int(self._add("endpoints", tenant, **members)["id"])

    def add_dashboard(self, label: str, tenant: str = "acme", **members: Any) -> str:
        """Add a dashboard of the tenant's own, and return its label; absent members are made up."""
        if label in self.catalogue.dashboards:
            raise Conflict(f"The catalogue has a dashboard '{label}' already.")
        members = {**DASHBOARD.example, "label": label, **members}
        return str(self._add("dashboards", tenant, **members)["label"])

    def add_statement(self, label: str, tenant: str = "acme", **members: Any) -> str:
        """Add a statement of the tenant's own, and return its label; absent members are made up.

        The API shows statements to tenants with a subscription to `enterprise` only.
        """
        if label in self.catalogue.statements:
            raise Conflict(f"The catalogue has a statement '{label}' already.")
        members = {**STATEMENT.example, "label": label, **members}
        return str(self._add("statements", tenant, **members)["label"])

    def configure_statement(self, label: str, config: Record, tenant: str = "acme") -> None:
        """Give a statement its first configuration in the tenant."""
        self._add("statementConfigs", tenant, label=label, config=config)

    def _add(self, kind: str, tenant: str, **members: Any) -> Record:
        """Add a record as a seed would; `kind` is the name of its list in a seed."""
        collection = self.parts.collections.seeded[kind]
        with self._changing(tenant) as records, _seed_errors_as_invalid(kind):
            transaction, now = records.transaction, records.now
            given = {"tenant": tenant, **members}
            if collection.numbered is not None:
                given["id"] = new_id(transaction, collection)
            (entry,) = prepare_seed(self.parts, {kind: [given]}, now)
            key = collection.key(entry.record)
            if transaction.get(collection.table, key) is not None:
                raise Conflict(f"There is such a record already: '{key}' in {kind}.")
            load_seed(self.parts, transaction, [entry], now, is_replacing=False)
            return entry.record

    @contextmanager
    def _changing(self, tenant: str) -> Iterator[Records]:
        with _naming_arguments(), self.store.transaction() as transaction:
            if not isinstance(tenant, str) or transaction.get(TENANTS, tenant) is None:
                raise Invalid.member("tenant", f"There is no tenant {tenant!r}: add it first.")
            yield as_administrator(transaction, self.catalogue, tenant, self.clock.now())


def _terms(
    username: str,
    role: str,
    active_from: Moment | None,
    active_until: Moment | None,
    reports_to: str | None,
) -> Record:
    given = {"username": username, "role": role, "reportsTo": reports_to}
    window, read = together(
        lambda: _window(active_from, active_until), lambda: load_new(PRIVILEGE, given)
    )
    return read if not window else load_new(PRIVILEGE, given | window)


def _known_user(records: Records, username: str) -> str:
    user = username_key(username) if isinstance(username, str) else ""
    if records.view.get(USERS, user) is None:
        raise Invalid.member("username", f"There is no account {username!r}: add it first.")
    return user


def _window(active_from: Moment | None, active_until: Moment | None) -> Record:
    """The ends of a window as members of a body; one that is None is left out."""
    window, errors = {}, {}
    for name, moment in (("activeFrom", active_from), ("activeUntil", active_until)):
        try:
            window[name] = None if moment is None else as_instant(moment)
        except ValueError as error:
            errors[ARGUMENTS[name]] = [str(error)]
    if errors:
        raise Invalid(errors)
    return {name: instant for name, instant in window.items() if instant is not None}


def _require_one_of(argument: str, given: str, known: Any) -> None:
    if given not in list(known):
        raise Invalid.member(argument, f"Must be one of {', '.join(known)}.")


@contextmanager
def _naming_arguments() -> Iterator[None]:
    """Make an Invalid, raised in this block, name arguments of Python and not members of a body."""
    try:
        yield
    except Invalid as error:
        raise Invalid(
            {ARGUMENTS.get(name, name): texts for name, texts in error.errors.items()}
        ) from None


@contextmanager
def _seed_errors_as_invalid(kind: str) -> Iterator[None]:
    """Make a BadFile for a seed of one record an Invalid that names the record's members."""
    try:
        yield
    except BadFile as bad:
        errors: dict[str, list[str]] = {}
        for fault in bad.errors:
            place, _, message = fault.removeprefix(f"{kind}[0]").removeprefix(".").partition(": ")
            errors.setdefault(place or kind, []).append(message)
        raise Invalid(errors) from None


def plain(value: Any) -> Any:
    """A seed with instants in place of datetimes; ValueError for one without a time zone."""
    if isinstance(value, datetime):
        return as_instant(value)
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value
