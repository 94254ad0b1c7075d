"""Putting tenants, users, privileges and keys into a server's store, past HTTP."""

import functools
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from provisioning.domain import people, roles
from provisioning.domain.activity import Instant
from provisioning.domain.errors import Conflict
from provisioning.domain.names import username_key
from provisioning.domain.records import Records
from provisioning.domain.tables import USERS
from provisioning.domain.tenants import as_administrator, create_tenant, new_account
from provisioning.factory import make_routes
from provisioning.resources.api_keys import new_key
from provisioning.resources.users import USER, hashed
from provisioning.seed import load_catalogue
from provisioning.web.context import Server
from provisioning.web.records import load_part

routes = functools.cache(make_routes)
"""Routes cost 30 ms to make and know no store, so servers of the same settings share them."""
known_catalogue = functools.cache(load_catalogue)
"""The catalogue in a file, or without one the built-in one; read once."""


class Provisioner:
    """Adds what a test needs to the tenant that it doesn't name otherwise, `acme`.

    Instants are strings like `2026-01-15T12:00:00Z`. An `active_from` of None is the server's
    now, an `active_until` of None is open-ended. What the rules forbid raises the domain's error.
    """

    def __init__(self, parts: Server) -> None:
        self.parts = parts
        self.store, self.clock, self.catalogue = parts.store, parts.clock, parts.catalogue
        self._numbers = itertools.count(1)

    def add_tenant(self, label: str, name: str | None = None) -> str:
        """A new tenant's label. Nobody may act in it yet: add a user or a key."""
        with self.store.transaction() as transaction:
            name = name or label.title()
            create_tenant(transaction, self.catalogue, label, name, self.clock.now())
        return label

    def add_user(
        self,
        username: str | None = None,
        role: str | None = roles.USER,
        tenant: str = "acme",
        active_from: Instant | None = None,
        active_until: Instant | None = None,
        reports_to: str | None = None,
        **profile: Any,
    ) -> str:
        """The username of a new account at home in the tenant; `role=None`: without privilege.

        `profile` are the contract's members, such as `firstName`.
        """
        username = username or f"user{next(self._numbers)}@{tenant}.test"
        given = load_part(USER, {"username": username, "email": username, **profile})
        account = dict.fromkeys(USER.load_fields) | given
        password = account.pop("password")
        password_hash = hashed(password) if password is not None else None
        user = username_key(username)
        with self._changing(tenant) as records:
            if records.view.get(USERS, user) is not None:
                raise Conflict(f"There is an account '{username}' already: grant it a privilege.")
            records.transaction.put(USERS, user, new_account(records, account, password_hash))
        if role is not None:
            self.grant(username, role, tenant, active_from, active_until, reports_to)
        return username

    def grant(
        self,
        username: str,
        role: str,
        tenant: str = "acme",
        active_from: Instant | None = None,
        active_until: Instant | None = None,
        reports_to: str | None = None,
    ) -> int:
        """The id of a new privilege."""
        terms = {
            "role": role,
            "activeFrom": active_from or self.clock.now(),
            "activeUntil": active_until,
            "reportsTo": reports_to,
        }
        with self._changing(tenant) as records:
            return int(people.grant(records, username_key(username), terms)["id"])

    def add_key(
        self,
        username: str | None = None,
        tenant: str = "acme",
        type: str = roles.BASIC,
        active_from: Instant | None = None,
        active_until: Instant | None = None,
    ) -> str:
        """A new key's token; without a username the key is the tenant's alone."""
        terms = {
            "type": type,
            "name": None,
            "activeFrom": active_from or self.clock.now(),
            "activeUntil": active_until,
        }
        with self._changing(tenant) as records:
            user = username_key(username) if username is not None else None
            return str(new_key(records, user, terms)["apiToken"])

    @contextmanager
    def _changing(self, tenant: str) -> Iterator[Records]:
        with self.store.transaction() as transaction:
            yield as_administrator(transaction, self.catalogue, tenant, self.clock.now())
