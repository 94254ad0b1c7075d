"""API keys: a tenant's own, and those of its users."""

import secrets
from collections.abc import Callable
from typing import Any

from flask import Response
from marshmallow import fields

from provisioning.domain import people, roles
from provisioning.domain.errors import Forbidden
from provisioning.domain.names import token_digest
from provisioning.domain.records import Records, not_found
from provisioning.domain.tables import API_KEYS, USERS
from provisioning.resources.privileges import PublicProfileSchema
from provisioning.store import Record
from provisioning.web.access import changing, reading
from provisioning.web.answers import answer, created, nothing, require_match
from provisioning.web.caller import DEMO_TOKEN
from provisioning.web.collection import NAME, Collection, Key
from provisioning.web.fields import Moment, Right, Text
from provisioning.web.operation import Variable
from provisioning.web.paging import list_query, listed
from provisioning.web.records import (
    WindowSchema,
    begun,
    changed,
    load_changes,
    load_new,
    masked,
    show,
)
from provisioning.web.routing import Resource

TOKEN_BYTES = 32


class ApiKeySchema(WindowSchema):
    """An API key. Its `apiToken` is shown in full to administrators and to its owner only."""

    secrets = frozenset({"apiToken"})
    ignored = frozenset({"dateCreated"})  # what the page's table calls createdDate
    example = {"type": "BASIC", "name": "Nightly import"}

    id = Text(dump_only=True, allow_none=False)
    apiToken = Text(dump_only=True, allow_none=False)
    type = Right("KeyType", roles.KEY_TYPES, required=True)
    name = Text()
    createdDate = Moment(dump_only=True, allow_none=False)
    user = fields.Nested(PublicProfileSchema, dump_only=True, allow_none=True)


API_KEY = ApiKeySchema()

COLLECTION = Collection(
    API_KEYS,
    seed="apiKeys",
    audit="api-keys",
    schema=API_KEY,
    own={"user": Key(USERS), "apiToken": NAME, "createdDate": Moment(required=True)},
    also_audited={"apiToken": "apiToken", "user": "user"},
    numbered="key-{}",
    unique={"token": lambda record: token_digest(record["apiToken"])},
    groups={
        "ofUsers": lambda record: record["tenant"] if record["user"] is not None else None,
    },
    text=("name", "user"),
)

KEY_MEANING = "The `id` of a key. Its `apiToken` will do, but is a secret."

api_keys = Resource(
    "api-keys",
    __name__,
    "Keys of the tenant and of its users.",
    variables={
        "/api-keys/<key>": Variable("key", KEY_MEANING, "key-3", member="id"),
        "/users/<username>/api-keys/<key>": Variable("key", KEY_MEANING, "key-1", member="id"),
    },
    collections=[COLLECTION],
)


def show_key(records: Records, key: Record) -> Record:
    shown = show(API_KEY, key, user=people.public_profile(records.view, key["user"]))
    return shown if records.caller.may_see_token_of(key["user"]) else masked(API_KEY, shown)


def keys_of(records: Records, user: str | None) -> list[Record]:
    """The keys of a user, or the tenant-only ones for None; none if the caller may not see them."""
    if not records.caller.may_see_keys_of(user):
        return []
    return list(records.view.group(API_KEYS, "tenantUser", (records.label, user)))


def find_key(records: Records, reference: str, user: str | None) -> Record:
    """A key of this user (None: tenant-only) by its id or its token; NotFound if not visible."""
    key = records.view.find(API_KEYS, "token", token_digest(reference))
    key = records.find(API_KEYS, key["id"] if key is not None else reference)
    if key["user"] != user or not records.caller.may_see_keys_of(user):
        raise not_found()
    return key


def new_token() -> str:
    """A new random token that doesn't begin like the demo tokens."""
    while (token := secrets.token_urlsafe(TOKEN_BYTES)).startswith(DEMO_TOKEN):
        pass
    return token


def new_key(records: Records, user: str | None, terms: Record) -> Record:
    """Make a key of a user, or a tenant-only one for None. `terms`: its type, name and window."""
    key_id = f"key-{records.transaction.next_id(API_KEYS)}"
    key = {
        "id": key_id,
        "tenant": records.label,
        "user": user,
        "apiToken": new_token(),
        "type": terms["type"],
        "name": terms["name"],
        "activeFrom": terms["activeFrom"],
        "activeUntil": terms["activeUntil"],
        "createdDate": records.now,
    }
    return records.put(API_KEYS, key_id, key)


Owner = Callable[[Records], str | None]


def nobody(_: Records) -> None:
    """The owner of a tenant-only key, which is None."""


def owner_named(username: str) -> Owner:
    return lambda records: people.find_user(records, username)[0]


def create(owner: Owner, body: Record, *path: str) -> Response:
    terms = load_new(API_KEY, body)
    with changing() as records:
        terms = begun(terms, records.now)
        key = new_key(records, owner(records), terms)
        return created(show_key(records, key), *path, key["id"])


def replace(owner: Owner, reference: str, body: Record) -> Response:
    changes = load_changes(API_KEY, body, lambda: find_key(reading(), reference, owner(reading())))
    with changing() as records:
        key = find_key(records, reference, owner(records))
        require_match(show_key(records, key))
        key = records.put(API_KEYS, key["id"], changed(key, changes))
        return answer(show_key(records, key))


def remove(owner: Owner, reference: str) -> Response:
    """Remove a key: an administrator removes any key of the tenant, others only their own."""
    with changing() as records:
        key = find_key(records, reference, owner(records))
        if not records.caller.may_see_token_of(key["user"]):
            raise Forbidden("Only an ADMINISTRATOR removes other people's keys.")
        require_match(show_key(records, key))
        records.remove(API_KEYS, key["id"])
    return nothing()


def list_of(records: Records, **facts: Any) -> Response:
    query = list_query(API_KEY, **facts)
    return listed(records.query(API_KEYS, query), query, show_key)


def list_owned_by(records: Records, user: str | None) -> Response:
    """The list of one owner's keys, which is empty if the caller may not see them."""
    if not records.caller.may_see_keys_of(user):
        return list_of(records, keys=())
    return list_of(records, within=("tenantUser", (records.label, user)))


@api_keys.operation("GET", "/api-keys", answer=API_KEY, many=True)
def list_api_keys() -> Response:
    """List the tenant-only keys."""
    return list_owned_by(reading(), None)


@api_keys.operation("POST", "/api-keys", body=API_KEY, answer=API_KEY)
def create_api_key(body: Record) -> Response:
    """Create a tenant-only key."""
    return create(nobody, body, "api-keys")


@api_keys.operation("GET", "/api-keys/<key>", answer=API_KEY)
def show_api_key(key: str) -> Response:
    """Show a tenant-only key, by its id or its token."""
    records = reading()
    return answer(show_key(records, find_key(records, key, None)))


@api_keys.operation("PUT", "/api-keys/<key>", body=API_KEY, answer=API_KEY)
def replace_api_key(key: str, body: Record) -> Response:
    """Change a tenant-only key."""
    return replace(nobody, key, body)


@api_keys.operation("DELETE", "/api-keys/<key>")
def remove_api_key(key: str) -> Response:
    """Remove a tenant-only key, for good."""
    return remove(nobody, key)


@api_keys.operation("GET", "/user-api-keys", answer=API_KEY, many=True)
def list_keys_of_users() -> Response:
    """List the keys assigned to users, as far as the caller sees them."""
    records = reading()
    if records.caller.is_overseer:
        return list_of(records, within=("ofUsers", records.label))
    return list_owned_by(records, records.caller.user)


@api_keys.operation("GET", "/users/<username>/api-keys", answer=API_KEY, many=True)
def list_keys_of_user(username: str) -> Response:
    """List one user's keys."""
    records = reading()
    return list_owned_by(records, owner_named(username)(records))


@api_keys.operation("POST", "/users/<username>/api-keys", body=API_KEY, answer=API_KEY)
def create_key_of_user(username: str, body: Record) -> Response:
    """Create a key for a user."""
    return create(owner_named(username), body, "users", username, "api-keys")


@api_keys.operation("GET", "/users/<username>/api-keys/<key>", answer=API_KEY)
def show_key_of_user(username: str, key: str) -> Response:
    """Show one of a user's keys, by its id or its token."""
    records = reading()
    return answer(show_key(records, find_key(records, key, owner_named(username)(records))))


@api_keys.operation("PUT", "/users/<username>/api-keys/<key>", body=API_KEY, answer=API_KEY)
def replace_key_of_user(username: str, key: str, body: Record) -> Response:
    """Change one of a user's keys."""
    return replace(owner_named(username), key, body)


@api_keys.operation("DELETE", "/users/<username>/api-keys/<key>", allows=roles.ANY_ROLE)
def remove_key_of_user(username: str, key: str) -> Response:
    """Remove one of a user's keys, for good; everybody may remove their own."""
    return remove(owner_named(username), key)
