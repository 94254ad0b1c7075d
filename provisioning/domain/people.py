"""Users and privileges within one tenant: who is seen, who reports to whom, who administers."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from itertools import chain

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
from provisioning.domain.rules import UNKNOWN_SUPERVISOR, above
from provisioning.domain.tables import PRIVILEGES, USERS
from provisioning.store import Led, Line, Lookup, Query, Record, View

REPORTING = Line(PRIVILEGES, below="user", above="reportsTo")
PUBLIC_PROFILE = ("username", "email", "firstName", "lastName", "avatar")


def account_of(view: View, user: str | int | None) -> Record | None:
    """The account with this key, if it is a text, or with this id; None if there is none.

    What an account holds has its key, in the member `user`. All else names it by its id, which
    stays when it is renamed.
    """
    if user is None:
        return None
    return view.get(USERS, user) if isinstance(user, str) else view.find(USERS, "id", user)


def public_profile(view: View, user: str | int | None) -> Record | None:
    """The public profile (section 4) of the account with this key or id; None without one."""
    account = account_of(view, user)
    return None if account is None else {name: account.get(name) for name in PUBLIC_PROFILE}


def username_of(view: View, user: str | int | None) -> str | None:
    """The username of the account with this key or id, in the spelling that its owner typed."""
    account = account_of(view, user)
    return None if account is None else account["username"]


def id_of(view: View, user: str | None) -> int | None:
    """The id of the account with this key; None if there is none."""
    account = account_of(view, user)
    return None if account is None else account["id"]


def key_of(view: View, account_id: int | None) -> str | None:
    """The key of the account with this id; None if there is none."""
    account = account_of(view, account_id)
    return None if account is None else username_key(account["username"])


def privileges_of(records: Records, user: str | None) -> Collection[Record]:
    return records.view.group(PRIVILEGES, "tenantUser", (records.label, user))


def effective_privilege_of(records: Records, user: str) -> Record:
    privilege = effective_privilege(privileges_of(records, user), records.now)
    if privilege is None:
        raise not_found()
    return privilege


def visible_users(records: Records) -> frozenset[str] | None:
    """The keys of the users whom the caller may see (section 3); None means all users."""
    caller = records.caller
    if caller.is_overseer or caller.user is None:
        return None
    if caller.role == roles.USER:
        return frozenset({caller.user})
    if caller.role == roles.MANAGEMENT:
        below = _reached(records, caller.user, upwards=False, step=_reports_to)
    else:
        below = _reports_to(records, caller.user)
    return frozenset({caller.user, *below})


def is_visible(records: Records, user: str) -> bool:
    """Whether the caller may see a user (section 3): it walks up the user's reporting lines."""
    caller = records.caller
    if caller.is_overseer or caller.user is None or user == caller.user:
        return True
    if caller.role == roles.USER:
        return False
    if caller.role == roles.MANAGEMENT:
        return caller.user in _reached(records, user, upwards=True, step=_supervisors)
    return caller.user in _supervisors(records, user)


def _reached(
    records: Records, user: str, upwards: bool, step: Callable[[Records, str], set[str]]
) -> set[str]:
    """The keys of users along active reporting lines, over any number of levels."""
    view, label, now = records.view, records.label, records.now
    return view.reached(REPORTING, label, user, now, upwards, lambda each: step(records, each))


def _reports_to(records: Records, supervisor: str) -> set[str]:
    """The keys of users with an active privilege whose `reportsTo` is this supervisor."""
    line = (records.label, id_of(records.view, supervisor))
    named = Query(within=("reportsTo", line), active=True, at=records.now)
    return {privilege["user"] for privilege in records.query(PRIVILEGES, named).records}


def _supervisors(records: Records, user: str) -> set[str]:
    """The keys of the users whom the user's active privileges have in `reportsTo`."""
    ids = {
        privilege["reportsTo"]
        for privilege in privileges_of(records, user)
        if privilege["reportsTo"] and ActivityWindow.of(privilege).is_active(records.now)
    }
    keys = (key_of(records.view, each) for each in ids)
    return {key for key in keys if key is not None}


def held_by(records: Records, users: Collection[str]) -> Iterator[Lookup]:
    """What asks for the privileges of users, and for those to whom they report."""
    held = Lookup(PRIVILEGES, [(records.label, user) for user in users], "tenantUser")
    yield from (held, Lookup(USERS, Led(held, "reportsTo"), "id"))


def find_user(records: Records, username: str) -> tuple[str, Record]:
    """The visible tenant user with a username in any spelling, as (key, account), else NotFound."""
    user = username_key(username)
    records.view.expect(chain([Lookup(USERS, [user])], held_by(records, [user])))
    account = records.view.get(USERS, user)
    if account is None or not privileges_of(records, user) or not is_visible(records, user):
        raise not_found()
    return user, account


def find_account(records: Records, username: str) -> tuple[str, Record]:
    """Any AS user of any tenant, as (key, account); only for callers who may search them all."""
    user = username_key(username)
    account = records.view.get(USERS, user)
    if account is None:
        raise not_found()
    return user, account


PRIVATE = frozenset({"timeZone", "country", "zipCode", "gender", "birthYear", "hint"})
"""The members of an account that are shown through its home tenant alone (section 3)."""
AT_HOME: Record = {"home": True}
ABROAD: Record = dict.fromkeys(PRIVATE) | {"home": False}


def seen_here(records: Records, account: Record) -> Record:
    """Members that this tenant sees of an account in place of the stored ones.

    `home` says whether the account's home is here. If not, the private members are null.
    """
    return AT_HOME if account["home"] == records.label else ABROAD


def grant(records: Records, user: str, terms: Record) -> Record:
    """Give an account a privilege, and return it.

    `terms` are role, activeFrom, activeUntil and reportsTo (a username). Raises Invalid or Conflict
    for broken rules.
    """
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
    records.transaction.put(PRIVILEGES, str(privilege_id), privilege, is_new=True)
    return privilege


def change_privilege(records: Records, privilege: Record, changes: Record) -> Record:
    """Change a privilege's terms, and return it; Conflict if it has ended or breaks a rule."""
    if "reportsTo" in changes:
        supervisor = _supervisor(records, privilege["user"], changes["reportsTo"])
        changes = changes | {"reportsTo": supervisor}
    changed = privilege | changes
    if changed == privilege:
        return privilege
    require_not_history(privilege, records.now)
    _check_rules(records, changed)
    with keeping_administration(records):
        return records.put(PRIVILEGES, str(changed["id"]), changed)


def revoke(records: Records, privileges: Collection[Record]) -> None:
    """Close the windows of privileges that have not ended."""
    with keeping_administration(records):
        close(records, privileges)


def close(records: Records, privileges: Collection[Record]) -> None:
    """As `revoke`, but the caller must check later that an administrator is left."""
    for privilege in list(privileges):
        closed = privilege | ActivityWindow.of(privilege).revoked(records.now).members
        if closed != privilege:
            records.put(PRIVILEGES, str(privilege["id"]), closed)


@contextmanager
def keeping_administration(records: Records) -> Iterator[None]:
    """Conflict if the changes in this block leave a moment without its last ADMINISTRATOR."""
    before = administration(records)
    yield
    require_administration(records, before)


def administration(records: Records) -> list[ActivityWindow]:
    """When the tenant has an ADMINISTRATOR from now on: windows in order that do not touch."""
    asked = Query(within=("administrators", records.label), ended=False, at=records.now)
    windows = [ActivityWindow.of(each) for each in records.query(PRIVILEGES, asked).records]
    covered: list[ActivityWindow] = []
    for window in sorted(windows, key=lambda window: window.begins):
        last = covered[-1] if covered else None
        if last is None or (last.ends is not None and last.ends < window.begins):
            covered.append(window)
        elif last.ends is not None and (window.ends is None or last.ends < window.ends):
            covered[-1] = ActivityWindow(last.begins, window.ends)
    return covered


def require_administration(records: Records, before: list[ActivityWindow]) -> None:
    """Conflict if a moment from now on had an ADMINISTRATOR and has none any more (section 3).

    `before` is what `administration` returned before the change. The error says when the first such
    gap would be.
    """
    after = administration(records)
    for window in before:
        begins, ends = max(window.begins, records.now), window.ends
        for other in after:
            if other.begins <= begins:
                if other.ends is None:
                    break
                begins = max(begins, other.ends)
            elif ends is None or other.begins < ends:
                ends = other.begins
        else:
            if ends is None or begins < ends:
                when = f"from {begins} on" if ends is None else f"from {begins} until {ends}"
                raise Conflict(
                    f"This would leave the tenant without an ADMINISTRATOR {when}. Grant that role "
                    "to someone else for that time first."
                )


def require_known_supervisor(records: Records, user: str, username: str | None) -> None:
    """Invalid if `username` has no privilege in this tenant.

    One's own username passes here: it is a conflict, which `grant` and `change_privilege` find.
    """
    if username is None or username_key(username) == user:
        return
    if not privileges_of(records, username_key(username)):
        raise Invalid.member("reportsTo", UNKNOWN_SUPERVISOR)


def _supervisor(records: Records, user: str, username: str | None) -> int | None:
    """The id of the account to which a user is to report."""
    require_known_supervisor(records, user, username)
    if username is None:
        return None
    supervisor = username_key(username)
    if supervisor == user:
        raise Conflict("Nobody reports to themselves. Name somebody else in reportsTo.")
    return id_of(records.view, supervisor)


def _check_rules(records: Records, privilege: Record) -> None:
    same_role = [
        other
        for other in privileges_of(records, privilege["user"])
        if other["role"] == privilege["role"]
    ]
    require_no_overlap(privilege, same_role, "This user holds that role already")
    has_ended = ActivityWindow.of(privilege).has_ended(records.now)
    reports = privilege["reportsTo"] is not None and not has_ended
    own = id_of(records.view, privilege["user"])
    if reports and own in above(records.view, privilege, records.now):
        raise Conflict(
            "reportsTo would close a circle: that user reports, through others, to this one."
        )
