"""Who asks: from an API key to a caller with a tenant, a role and a reach (section 3)."""

from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from provisioning.domain import roles
from provisioning.domain.activity import ActivityWindow, Instant
from provisioning.domain.errors import Unauthorized
from provisioning.domain.names import token_digest
from provisioning.domain.tables import API_KEYS, PRIVILEGES, TENANTS
from provisioning.store import Led, Lookup, Record, View, is_active_at


class Caller(NamedTuple):
    """The authenticated requester. `user` is the key of a user, None for a tenant-only key."""

    tenant: str
    role: str
    key_type: str = roles.BASIC
    user: str | None = None
    key: str | None = None
    """The id of the API key; None where authentication is off."""

    @property
    def is_overseer(self) -> bool:
        """Whether the caller sees everything in the tenant, apart from secrets."""
        return self.role in roles.OVERSEERS

    @property
    def sees_secrets(self) -> bool:
        return self.role == roles.ADMINISTRATOR and self.key_type == roles.BASIC

    @property
    def capabilities(self) -> list[str]:
        """The words in the member `can` of /whoami."""
        basic = self.key_type == roles.BASIC
        allowed = {
            "read": basic or self.key_type == roles.QUERY_ONLY,
            "write": basic and self.role != roles.INTERNAL_AUDITING,
            "makeKeys": self.sees_secrets,
        }
        return [name for name, is_allowed in allowed.items() if is_allowed]

    def may_see_keys_of(self, user: str | None) -> bool:
        return self.is_overseer or (user is not None and user == self.user)

    def may_see_token_of(self, user: str | None) -> bool:
        owns = user is not None and user == self.user
        return self.sees_secrets or (owns and self.key_type == roles.BASIC)


def effective_privilege(privileges: Collection[Record], now: Instant) -> Record | None:
    """The one that is active and has the most reach, or None (section 3)."""
    active = [record for record in privileges if is_active_at(record, now)]
    return max(active, key=lambda record: roles.reach(record["role"]), default=None)


def _identifying(digest: str) -> Iterator[Lookup]:
    """What `identify` asks for."""
    key = Lookup(API_KEYS, [digest], "token")
    yield from (key, Lookup(TENANTS, Led(key, "tenant")))
    yield Lookup(PRIVILEGES, Led(key, "tenantUser"), "tenantUser")


def identify(view: View, token: str, clock: Callable[[], Instant]) -> Caller:
    """The caller with this API token; Unauthorized says why it is refused."""
    digest = token_digest(token)
    view.expect(_identifying(digest))
    key = view.find(API_KEYS, "token", digest)
    if key is None:
        raise Unauthorized(
            "This API key is unknown. Check it for typing errors or ask for a new one."
        )
    tenant = view.get(TENANTS, key["tenant"])
    if tenant is None or not tenant["active"]:
        raise Unauthorized("The tenant of this API key is inactive.")
    now = clock()
    if not is_active_at(key, now):
        begins, ends = key["activeFrom"], key["activeUntil"]
        if ActivityWindow(begins, ends).has_ended(now):
            raise Unauthorized(f"This API key expired at {ends}. Ask for a new one.")
        raise Unauthorized(f"This API key is not yet active: it will be from {begins}.")
    if key["user"] is None:
        return Caller(key["tenant"], roles.ADMINISTRATOR, key["type"], key=key["id"])
    owned = view.group(PRIVILEGES, "tenantUser", (key["tenant"], key["user"]))
    privilege = effective_privilege(owned, now)
    if privilege is None:
        raise Unauthorized(
            "The owner of this API key has no active privilege in its tenant. "
            "An administrator there can grant one."
        )
    return Caller(key["tenant"], privilege["role"], key["type"], key["user"], key["id"])
