"""Users and privileges within one tenant: who is seen, who reports to whom, who administers."""

from collections.abc import Collection

from provisioning.domain import roles
from provisioning.domain.activity import ActivityWindow
from provisioning.domain.callers import effective_privilege
from provisioning.domain.errors import Conflict, Invalid
from provisioning.domain.names import username_key
from provisioning.domain.records import (
    Records,
    not_found,
    require_no_overlap,
    require_not_history,
)
from provisioning.domain.tables import PRIVILEGES, USERS
from provisioning.store import Record, View

PUBLIC_PROFILE = ("username", "email", "firstName", "lastName", "avatar")


def public_profile(view: View, user: str | None) -> Record | None:
    """What anyone who sees a record may know of the account in it."""
    account = view.get(USERS, user) if user is not None else None
    return None if account is None else {name: account.get(name) for name in PUBLIC_PROFILE}


def username_of(view: View, user: str | None) -> str | None:
    """A username as its owner typed it."""
    profile = public_profile(view, user)
    return None if profile is None else profile["username"]


def privileges_of(records: Records, user: str) -> Collection[Record]:
    return records.view.group(PRIVILEGES, "tenantUser", (records.label, user))


def effective_privilege_of(records: Records, user: str) -> Record:
    privilege = effective_privilege(privileges_of(records, user), records.now)
    if privilege is None:
        raise not_found()
    return privilege


def visible_users(records: Records) -> frozenset[str] | None:
    """The users whom the caller's role shows (section 3); None is all of them."""
    caller = records.caller
    if caller.is_overseer or caller.user is None:
        return None
    if caller.role == roles.USER:
        return frozenset({caller.user})
    reports: dict[str, set[str]] = {}
    for privilege in records.all(PRIVILEGES):
        if privilege["reportsTo"] and ActivityWindow.of(privilege).is_active(records.now):
            reports.setdefault(privilege["reportsTo"], set()).add(privilege["user"])
    seen = {caller.user} | reports.get(caller.user, set())
    if caller.role == roles.MANAGEMENT:
        waiting = list(seen)
        while waiting:
            below = reports.get(waiting.pop(), set()) - seen
            seen |= below
            waiting.extend(below)
    return frozenset(seen)


def is_visible(records: Records, user: str) -> bool:
    visible = visible_users(records)
    return visible is None or user in visible


def find_user(records: Records, username: str) -> tuple[str, Record]:
    """A visible tenant user as (key, account), by a username in any spelling."""
    user = username_key(username)
    account = records.view.get(USERS, user)
    if account is None or not privileges_of(records, user) or not is_visible(records, user):
        raise not_found()
    return user, account


def find_account(records: Records, username: str) -> tuple[str, Record]:
    """Any AS user of any tenant, for callers who may search them all."""
    user = username_key(username)
    account = records.view.get(USERS, user)
    if account is None:
        raise not_found()
    return user, account


def grant(records: Records, user: str, terms: Record) -> Record:
    """A new privilege for an account: role, activeFrom, activeUntil, reportsTo (a username)."""
    privilege_id = records.transaction.next_id(PRIVILEGES)
    privilege = {
        "id": privilege_id,
        "tenant": records.label,
        "user": user,
        "role": terms["role"],
        "activeFrom": terms["activeFrom"],
        "activeUntil": terms["activeUntil"],
        "reportsTo": _supervisor(records, user, terms["reportsTo"]),
    }
    _check_rules(records, privilege)
    return records.put(PRIVILEGES, str(privilege_id), privilege)


def change_privilege(records: Records, privilege: Record, changes: Record) -> Record:
    """The privilege with other terms; an ended one, or a broken rule, is a conflict."""
    if "reportsTo" in changes:
        supervisor = _supervisor(records, privilege["user"], changes["reportsTo"])
        changes = changes | {"reportsTo": supervisor}
    changed = privilege | changes
    if changed == privilege:
        return privilege
    require_not_history(privilege, records.now)
    _check_rules(records, changed)
    return _replace(records, privilege, changed)


def revoke(records: Records, privileges: Collection[Record]) -> None:
    """Close the windows of privileges that have not ended."""
    for privilege in list(privileges):
        closed = privilege | ActivityWindow.of(privilege).revoked(records.now).members
        if closed != privilege:
            _replace(records, privilege, closed)


def _replace(records: Records, old: Record, new: Record) -> Record:
    records.put(PRIVILEGES, str(new["id"]), new)
    if _administers(records, old) and not any(
        _administers(records, privilege) for privilege in records.all(PRIVILEGES)
    ):
        raise Conflict(
            "This would leave the tenant without an active, open-ended ADMINISTRATOR. "
            "Grant that role to someone else first."
        )
    return new


def _administers(records: Records, privilege: Record) -> bool:
    return (
        privilege["role"] == roles.ADMINISTRATOR
        and privilege["activeUntil"] is None
        and ActivityWindow.of(privilege).is_active(records.now)
    )


def require_known_supervisor(records: Records, user: str, username: str | None) -> None:
    """Invalid for a reportsTo without a privilege here; that it is oneself is found later."""
    if username is None or username_key(username) == user:
        return
    if not privileges_of(records, username_key(username)):
        raise Invalid.member("reportsTo", "Must be a username with a privilege in this tenant.")


def _supervisor(records: Records, user: str, username: str | None) -> str | None:
    require_known_supervisor(records, user, username)
    if username is None:
        return None
    supervisor = username_key(username)
    if supervisor == user:
        raise Conflict("Nobody reports to themselves. Name somebody else in reportsTo.")
    return supervisor


def _check_rules(records: Records, privilege: Record) -> None:
    same_role = [
        other
        for other in privileges_of(records, privilege["user"])
        if other["role"] == privilege["role"]
    ]
    require_no_overlap(privilege, same_role, "This user holds that role already")
    if privilege["reportsTo"] and not ActivityWindow.of(privilege).has_ended(records.now):
        _check_reporting_line(records, privilege)


def _check_reporting_line(records: Records, privilege: Record) -> None:
    above: set[str] = set()
    waiting = [privilege["reportsTo"]]
    while waiting:
        supervisor = waiting.pop()
        if supervisor == privilege["user"]:
            raise Conflict(
                "reportsTo would close a circle: that user reports, through others, to this one."
            )
        if supervisor in above:
            continue
        above.add(supervisor)
        waiting.extend(
            other["reportsTo"]
            for other in privileges_of(records, supervisor)
            if other["reportsTo"] and not ActivityWindow.of(other).has_ended(records.now)
        )
