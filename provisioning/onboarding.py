"""Making a tenant with its first administrator and key; from then on the API does the rest."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from provisioning.domain import people, roles
from provisioning.domain.activity import Instant
from provisioning.domain.callers import identify
from provisioning.domain.errors import Invalid, NotFound, Unauthorized
from provisioning.domain.names import username_key
from provisioning.domain.records import Records
from provisioning.domain.tables import API_KEYS, TENANTS, USERS
from provisioning.domain.tenants import add_administrator, as_administrator, create_tenant
from provisioning.resources.api_keys import API_KEY, new_key
from provisioning.resources.users import USER
from provisioning.store import Record, Transaction, View
from provisioning.web.body import check_values
from provisioning.web.fields import Slug, Text
from provisioning.web.records import RecordSchema, begun, load_new, load_part
from provisioning.web.server import Server

Begin = Callable[[], AbstractContextManager[Transaction]]


class NewTenantSchema(RecordSchema):
    """The members that a new tenant needs."""

    label = Slug(32)
    name = Text(required=True)


NEW_TENANT = NewTenantSchema()


def begin_tenant(
    server: Server,
    label: str,
    name: str,
    username: str,
    email: str | None = None,
    begin: Begin | None = None,
) -> Record:
    """Make a tenant, its administrator and their BASIC key, in one transaction.

    An account that exists becomes the administrator and keeps its profile and its home; a new
    one needs an `email` unless its username is one. Returns {tenant, username, id, apiToken}.
    `begin` starts the transaction; without it the store does. Raises Conflict for a tenant that
    exists, Invalid for values that the API would refuse as well.
    """
    check_values({"label": label, "name": name, "username": username, "email": email})
    tenant = load_new(NEW_TENANT, {"label": label, "name": name})
    profile = load_part(USER, {"username": username})
    with (begin or server.store.transaction)() as transaction:
        now = server.clock.now(transaction.time())
        records = create_tenant(transaction, server.catalogue, tenant["label"], tenant["name"], now)
        if transaction.get(USERS, username_key(username)) is None:
            profile |= load_part(USER, {"email": _email(username, email)})
        account = {name: None for name in USER.load_fields if name != "password"} | profile
        user = add_administrator(records, account)
        return _with_new_key(records, user, roles.BASIC, None)


def _email(username: str, email: str | None) -> str:
    if email is None and "@" not in username:
        raise Invalid.member("email", "Is needed, since the username is no email address.")
    return username if email is None else email


def make_key(
    server: Server,
    label: str,
    username: str | None,
    kind: str,
    name: str | None = None,
    begin: Begin | None = None,
) -> Record:
    """Make a key for a tenant user, or a tenant-only one: {tenant, username, id, apiToken}.

    `username` is None for a tenant-only key, and `kind` is the key type. Raises NotFound for an
    unknown tenant, or a user who never had a privilege in it.
    """
    check_values({"name": name, "username": username})
    with (begin or server.store.transaction)() as transaction:
        if transaction.get(TENANTS, label) is None:
            raise NotFound(f"There is no tenant '{label}'.")
        now = server.clock.now(transaction.time())
        records = as_administrator(transaction, server.catalogue, label, now)
        user = None if username is None else username_key(username)
        if user is not None and not people.privileges_of(records, user):
            raise NotFound(f"'{username}' has no privilege in the tenant '{label}'.")
        return _with_new_key(records, user, kind, name)


def list_keys(view: View, label: str | None = None) -> list[Record]:
    """The keys of all tenants or of one, without tokens, by tenant and creation.

    Each is {tenant, id, username, type, name, activeFrom, activeUntil}. NotFound for an unknown
    tenant.
    """
    if label is not None and view.get(TENANTS, label) is None:
        raise NotFound(f"There is no tenant '{label}'.")
    keys = view.all(API_KEYS) if label is None else view.group(API_KEYS, "tenant", label)
    return [
        {
            "tenant": key["tenant"],
            "id": key["id"],
            "username": people.username_of(view, key["user"]),
            **{name: key[name] for name in ("type", "name", "activeFrom", "activeUntil")},
        }
        for key in sorted(keys, key=lambda key: str(key["tenant"]))
    ]


def administrators_key(view: View, now: Instant) -> Record | None:
    """The oldest key with every right in its tenant, as {tenant, username, id, apiToken}, or None.

    A key of an administrator is preferred to a tenant-only key, whose username is null.
    """
    found = None
    for key in view.all(API_KEYS):
        try:
            caller = identify(view, key["apiToken"], lambda: now)
        except Unauthorized:
            continue
        if caller.sees_secrets and (found is None or (found["user"] is None and caller.user)):
            found = key
    return None if found is None else _shown(view, found)


def _with_new_key(records: Records, user: str | None, kind: str, name: str | None) -> Record:
    terms = begun(load_new(API_KEY, {"type": kind, "name": name}), records.now)
    return _shown(records.view, new_key(records, user, terms) | {"tenant": records.label})


def _shown(view: View, key: Record) -> Record:
    return {
        "tenant": key["tenant"],
        "username": people.username_of(view, key["user"]),
        "id": key["id"],
        "apiToken": key["apiToken"],
    }
