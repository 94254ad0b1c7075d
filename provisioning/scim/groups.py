"""Groups: one for each role. Its members are those who hold the role now and without an end.

A change that names members doesn't read the whole group, which may be as large as the tenant.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, partial

from flask import Response, request

from provisioning.domain import people as domain
from provisioning.domain import roles
from provisioning.domain.errors import Forbidden
from provisioning.domain.names import username_key
from provisioning.domain.records import Records, not_found
from provisioning.domain.tables import PRIVILEGES, USERS
from provisioning.scim import filters, identities, people
from provisioning.scim.filters import (
    EXACT,
    FOLDED,
    MEMBER,
    Comparison,
    Filter,
    Judge,
    Kinds,
    Several,
)
from provisioning.scim.messages import (
    GROUP,
    Refused,
    immutable,
    invalid_value,
    location,
    members_of,
    quoted,
    require_version,
    version_of,
)
from provisioning.scim.parameters import Search, answer, parameters, selection
from provisioning.scim.patch import REMOVE, REPLACE, Step, steps_in_patch, steps_in_resource
from provisioning.scim.routing import CHANGE, QUERY, RESOURCE, scim
from provisioning.scim.search import search
from provisioning.store import Collision, Query, Record, Related
from provisioning.web.access import changing, reading
from provisioning.web.answers import nothing
from provisioning.web.context import current

FIXED = "There is a group for each role. Groups are neither made nor removed; change their members."
SORTABLE: Kinds = {"id": EXACT, "externalid": EXACT, "displayname": FOLDED}
GROUP_KINDS: Kinds = {**SORTABLE, "members.value": MEMBER}
"""What groups are sorted and filtered by."""


def describe(records: Records, role: str, has_members: bool = True) -> Record:
    """A group as a resource; without its members it has no version either."""
    resource: Record = {
        "schemas": [GROUP],
        "id": role,
        "displayName": role,
    }
    external_id = identities.external_id(records, identities.GROUPS_KNOWN, role)
    if external_id is not None:
        resource["externalId"] = external_id
    meta = {"resourceType": "Group", "location": location("Groups", role)}
    if has_members:
        held = Related(PRIVILEGES, "user", _held(records, role))
        accounts = records.query(USERS, Query(related=(held,))).records
        members = [{"value": str(each["id"]), "display": each["username"]} for each in accounts]
        if members:
            resource["members"] = members
        meta["version"] = f'"{version_of(resource)}"'
    return resource | {"meta": meta}


def _held(records: Records, role: str) -> Query:
    """The privileges of a group's members: active, of this role, and without an end."""
    return Query(within=("openEnded", (records.label, role)), active=True, at=records.now)


def holding_of(records: Records, user: str, role: str) -> Record | None:
    """The active privilege of this role that a user holds, with an end or without."""
    active = identities.active_privileges_of(records, user)
    return next((each for each in active if each["role"] == role), None)


def is_member(records: Records, user: str, role: str) -> bool:
    held = holding_of(records, user, role)
    return held is not None and held["activeUntil"] is None


def find(role: str) -> str:
    if role not in roles.ROLES:
        raise not_found()
    return role


@scim.operation("GET", "/Groups", answer=RESOURCE, parameters=QUERY)
def list_scim_groups() -> Response:
    """List the groups, one for each role."""
    return search(parameters(), GROUP_KINDS, groups_asked, SORTABLE)


@scim.operation("POST", "/Groups/.search", answer=RESOURCE, status=200)
def search_scim_groups(body: Record) -> Response:
    """List the groups, as a GET does, with the parameters in the body."""
    return search(members_of(body, "the body"), GROUP_KINDS, groups_asked, SORTABLE)


def groups_asked(
    records: Records, asked: Search, node: Filter | None, places: slice
) -> tuple[list[Record], int]:
    """The groups at these places of the list that is asked for, and its length."""
    held_by = cache(partial(roles_held, records))

    def judge_of(compared: Comparison) -> Judge:
        if compared.kind == MEMBER:  # only those members are read whom a filter names
            return lambda role: role in held_by(compared.value)
        return filters.compared(compared, lambda role: _compared_value(records, role, compared))

    is_true = None if node is None else filters.judge(node, judge_of)
    found = [role for role in roles.ROLES if is_true is None or is_true(role)]
    if asked.sort_by is not None:
        found.sort(
            key=lambda role: _value(records, role, asked.sort_by) or "", reverse=asked.descends
        )
    has_members = asked.selection.has_members
    on_page = [describe(records, role, has_members) for role in found[places]]
    return [asked.selection.of(each) for each in on_page], len(found)


def roles_held(records: Records, user_id: str) -> set[str]:
    """The groups that somebody is a member of; none for an unknown id."""
    account = people.account_of(records, user_id)
    user = "" if account is None else username_key(account["username"])
    active = identities.active_privileges_of(records, user) if user else []
    return {each["role"] for each in active if each["activeUntil"] is None}


def _compared_value(records: Records, role: str, node: Comparison) -> str | None:
    value = _value(records, role, node.name)
    return filters.folded(value) if value and node.kind == FOLDED else value


def _value(records: Records, role: str, name: str | None) -> str | None:
    if name in {"id", "displayname"}:
        return role
    if name == "externalid":
        return identities.external_id(records, identities.GROUPS_KNOWN, role)
    return None


@scim.operation("POST", "/Groups", status=403)
def create_scim_group() -> Response:
    """Refuse to make a group: there is one for each role."""
    raise Forbidden(FIXED)


@scim.operation("DELETE", "/Groups/<role>", status=403)
def remove_scim_group(role: str) -> Response:
    """Refuse to remove a group: there is one for each role."""
    raise Forbidden(FIXED)


@scim.operation("GET", "/Groups/<role>", answer=RESOURCE)
def show_scim_group(role: str) -> Response:
    """Show a group."""
    role, chosen = find(role), selection(parameters())
    return answer(describe(reading(), role, chosen.has_members), chosen)


@dataclass
class Wanted:
    """The changes of a group that a request asks for. All else stays as it is."""

    members: dict[str, bool] = field(default_factory=dict)
    """Id of a user -> whether they are to be a member."""
    is_all: bool = False
    """Whether these are all members, so that others are removed."""
    calls: bool = False
    """Whether the external id is to be changed to `external_id`."""
    external_id: str | None = None


@scim.operation("PUT", "/Groups/<role>", answer=RESOURCE, **CHANGE)
def replace_scim_group(role: str, body: Record) -> Response:
    """Replace the members and the external id of a group; members may be left out."""
    steps = [step for step in steps_in_resource(body) if not step.is_empty]
    role, chosen = find(role), selection(parameters())
    asked = wanted_by(role, steps)
    asked.calls = True
    records = change(role, asked)
    return answer(describe(records, role, chosen.has_members), chosen)


@scim.operation("PATCH", "/Groups/<role>", status=204, **CHANGE)
def patch_scim_group(role: str, body: Record) -> Response:
    """Change members or the external id of a group; answered with it if attributes are chosen."""
    steps = steps_in_patch(body)
    role, chosen = find(role), selection(parameters())
    asked = wanted_by(role, steps)
    records = change(role, asked)
    if not chosen.shown:
        return nothing()
    return answer(describe(records, role, chosen.has_members), chosen)


def wanted_by(role: str, steps: list[Step]) -> Wanted:
    """The changes of a group that these steps ask for together; Refused for bad ones."""
    asked = Wanted()
    for step in steps:
        if step.path == "displayname":
            name = step.text() if step.kind == REMOVE else step.text() or role
            if name is None or name.lower() != role.lower():
                raise immutable(f"{step.named}: A group is named for its role: it stays {role}.")
        elif step.path == "externalid":
            sent = step.text()
            asked.calls = True
            asked.external_id = sent and people.checked_external_id(sent)
        elif step.path == "members":
            _note_members(asked, step)
    return asked


def _note_members(asked: Wanted, step: Step) -> None:
    if step.part not in {"", "value"}:
        return  # What else is said of a member is made of the account.
    if step.part or (step.condition is not None and step.kind != REMOVE):
        raise Refused(
            400,
            "invalidPath",
            f"{step.named}: Members are added and replaced as a whole (path members), and removed "
            'by members[value eq "ID"].',
        )
    if step.condition is not None:
        asked.members |= dict.fromkeys(_selected(step.condition), False)
    elif step.kind == REMOVE and not step.has_value:
        asked.is_all, asked.members = True, {}
    else:
        ids = [_id_in(each, step) for each in _listed(step)]
        if step.kind == REPLACE:
            asked.is_all, asked.members = True, {}
        asked.members |= dict.fromkeys(ids, step.kind != REMOVE)


def _listed(step: Step) -> list[object]:
    return step.value if isinstance(step.value, list) else [step.value]


def _id_in(entry: object, step: Step) -> str:
    found = members_of(entry, step.named).get("value") if isinstance(entry, dict) else entry
    if not isinstance(found, str) or not found:
        raise invalid_value(f"{step.named}.value: Must be the id of a user, as text.")
    return found


def _selected(node: Filter) -> Iterator[str]:
    """The ids in the brackets of a path such as `members[value eq "1" or value eq "2"]`."""
    if isinstance(node, Comparison):
        yield node.value
    elif isinstance(node, Several):  # by `or`, as only that is read
        for each in node.parts:
            yield from _selected(each)


def change(role: str, asked: Wanted) -> Records:
    """Change a group, and return the records as they are after that.

    Who has to join and who to leave is found before the transaction, and shown after it, as both
    may be the whole tenant. The last administrator is looked for once all changes are made.
    """
    effect = effect_of(reading(), role, asked)
    with changing() as records:
        if "If-Match" in request.headers:
            require_version(describe(records, role))
        if asked.calls:
            identities.call(records, identities.GROUPS_KNOWN, {"role": role}, asked.external_id)
        with domain.keeping_administration(records):
            for user, is_wanted in effect.items():
                _set(records, user, role, is_wanted)
    return records._replace(view=current().view)


def effect_of(records: Records, role: str, asked: Wanted) -> dict[str, bool]:
    """Keys of users -> whether they are to be members, for those who are not what they are to be.

    Invalid ids are refused for new members, and ignored for those to remove.
    """
    wanted = dict(users_named(records, asked))
    if asked.is_all:
        members = {each["user"] for each in records.query(PRIVILEGES, _held(records, role)).records}
        wanted = dict.fromkeys(members, False) | wanted
    else:
        members = {user for user in wanted if is_member(records, user, role)}
    return {user: is_wanted for user, is_wanted in wanted.items() if is_wanted != (user in members)}


def users_named(records: Records, asked: Wanted) -> Iterator[tuple[str, bool]]:
    """(user's key, whether they are to be a member) for each user whom the request names."""
    for user_id, is_wanted in asked.members.items():
        account = people.account_of(records, user_id)
        if account is not None:
            yield username_key(account["username"]), is_wanted
        elif is_wanted:
            raise invalid_value(f"members.value: {quoted(user_id)} is not the id of a user here.")


def _set(records: Records, user: str, role: str, is_wanted: bool) -> None:
    """Let a user hold a role from now on and without an end, or no more."""
    held = holding_of(records, user, role)
    if not is_wanted:
        domain.close(records, [held] if held is not None and held["activeUntil"] is None else [])
    elif not identities.is_visible(records, user):
        raise Collision("A new member has just been removed or renamed. Send the request again.")
    elif held is not None:
        domain.change_privilege(records, held, {"activeUntil": None})
    else:
        terms = {"role": role, "activeFrom": records.now, "activeUntil": None, "reportsTo": None}
        domain.grant(records, user, terms)
