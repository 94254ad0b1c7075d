"""Groups: one for each role. Its members are those who hold the role now and without an end.

A change that names members doesn't read the whole group, which may be as large as the tenant.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from flask import Response, request
from scim2_models import Context, Path, SearchRequest
from scim2_models.path import (
    AttrPath,
    CompareOperator,
    Comparison,
    FilterNode,
    LogicalExpr,
    LogicalOperator,
    Not,
    Present,
    ValuePath,
)

from provisioning.domain import people as domain
from provisioning.domain import roles
from provisioning.domain.errors import Forbidden
from provisioning.domain.records import Records, not_found
from provisioning.domain.tables import PRIVILEGES, USERS
from provisioning.scim import filters, identities, people
from provisioning.scim.filters import GROUP_FILTERS
from provisioning.scim.messages import (
    Refused,
    answer,
    bare,
    body,
    immutable,
    invalid_value,
    location,
    patch_body,
    read,
    require_version,
    selection,
    shown,
    version_of,
)
from provisioning.scim.models import POLICY, Group, Member
from provisioning.scim.routing import CHANGE, QUERY, RESOURCE, scim
from provisioning.store import Query, Record
from provisioning.web.access import changing, reading
from provisioning.web.answers import nothing

FIXED = "There is a group for each role. Groups are neither made nor removed; change their members."
MEMBERS = frozenset({"members", "members.value"})
SORTABLE = GROUP_FILTERS - MEMBERS
OPERATIONS = frozenset({"add", "replace", "remove"})


def describe(records: Records, role: str, has_members: bool = True) -> Record:
    """A group as a resource; without its members it has no version either."""
    resource: Record = {
        "schemas": [str(Group.__schema__)],
        "id": role,
        "displayName": role,
    }
    external_id = identities.external_id(records, identities.GROUPS_KNOWN, role)
    if external_id is not None:
        resource["externalId"] = external_id
    meta = {"resourceType": "Group", "location": location("Groups", role)}
    if has_members:
        members = [member_of(records, each["user"]) for each in holdings(records, role)]
        if members:
            resource["members"] = members
        meta["version"] = f'"{version_of(resource)}"'
    return resource | {"meta": meta}


def holdings(records: Records, role: str) -> list[Record]:
    """The privileges of a group's members: active, of this role, and without an end."""
    within = ("openEnded", (records.label, role))
    return records.query(PRIVILEGES, Query(within=within, active=True, at=records.now)).records


def member_of(records: Records, user: str) -> Record:
    account = records.view.get(USERS, user) or {}
    return {"value": str(account["id"]), "display": account["username"]}


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


def wants_members(asked: Any) -> bool:
    """Whether the answer to a request is to hold members, by its (excluded) attributes."""
    included = {bare(path).partition(".")[0] for path in asked.attributes or ()}
    excluded = {bare(path) for path in asked.excluded_attributes or ()}
    return "members" not in excluded and (not included or "members" in included)


@scim.operation("GET", "/Groups", name="list_scim_groups", answer=RESOURCE, parameters=QUERY)
def list_groups() -> Response:
    """List the groups, one for each role."""
    return filters.search(Group, request.args, shown_on, GROUP_FILTERS, SORTABLE)


@scim.operation("POST", "/Groups/.search", name="search_scim_groups", answer=RESOURCE, status=200)
def search_groups() -> Response:
    """List the groups, as a GET does, with the parameters in the body."""
    return filters.search(Group, body(), shown_on, GROUP_FILTERS, SORTABLE)


def shown_on(
    records: Records, asked: SearchRequest[Any], places: slice
) -> tuple[list[Record], int]:
    """The groups at these places of the list that was asked for, and its length."""
    found, has_members = groups_asked(records, asked), wants_members(asked)
    on_page = [shown(describe(records, role, has_members), Group, asked) for role in found[places]]
    return on_page, len(found)


def groups_asked(records: Records, asked: SearchRequest[Any]) -> list[str]:
    """The roles whose groups match the filter, in the order that was asked for."""
    named: set[str] = set()
    if asked.filter is not None and filters.names_in(asked.filter.ast) & MEMBERS:
        named = set(values_of(asked.filter.ast))
    groups = [
        Group.model_construct(
            id=role,
            display_name=role,
            external_id=identities.external_id(records, identities.GROUPS_KNOWN, role),
            members=[
                Member.model_construct(value=user_id)
                for user_id in named
                if (found := people.account_of(records, user_id)) is not None
                and is_member(records, found[0], role)
            ],
        )
        for role in roles.ROLES
    ]
    with POLICY:
        if asked.filter is not None:
            groups = [group for group in groups if asked.filter.match(group)]
        return [str(group.id) for group in asked.sort(groups)]


def values_of(node: FilterNode, prefix: str = "") -> Iterator[str]:
    """The ids of members in a filter; Refused if it speaks of members in another way."""
    if isinstance(node, LogicalExpr):
        for term in node.terms:
            yield from values_of(term, prefix)
    elif isinstance(node, Not):
        yield from values_of(node.expr, prefix)
    elif isinstance(node, ValuePath):
        yield from values_of(node.val_filter, "members.")
    elif isinstance(node, Comparison | Present):
        name = prefix + filters.name_of(node.attr_path)
        if name in MEMBERS and isinstance(node, Comparison) and node.op == CompareOperator.eq:
            yield str(node.value)
        elif name.startswith("members"):
            raise Refused(400, "invalidFilter", 'Members are filtered by value eq "ID" only.')


@scim.operation("POST", "/Groups", name="create_scim_group", status=403)
def create_group() -> Response:
    """Refuse to make a group: there is one for each role."""
    raise Forbidden(FIXED)


@scim.operation("DELETE", "/Groups/<role>", name="remove_scim_group", status=403)
def remove_group(role: str) -> Response:
    """Refuse to remove a group: there is one for each role."""
    raise Forbidden(FIXED)


@scim.operation("GET", "/Groups/<role>", name="show_scim_group", answer=RESOURCE)
def show_group(role: str) -> Response:
    """Show a group."""
    role = find(role)
    return answer(describe(reading(), role, wants_members(selection(Group))), Group)


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


@scim.operation("PUT", "/Groups/<role>", name="replace_scim_group", answer=RESOURCE, **CHANGE)
def replace_group(role: str) -> Response:
    """Replace the members and the external id of a group; members may be left out."""
    given = read(Group, body(), Context.RESOURCE_REPLACEMENT_REQUEST)
    role = find(role)
    require_same_name(role, given.display_name)
    asked = Wanted(calls=True, external_id=people.checked_external_id(given.external_id))
    if given.members is not None:
        replace_members(asked, [each.value for each in given.members])
    with changing() as records:
        change(records, role, asked)
        return answer(describe(records, role, wants_members(selection(Group))), Group)


@scim.operation("PATCH", "/Groups/<role>", name="patch_scim_group", status=204, **CHANGE)
def patch_group(role: str) -> Response:
    """Change members or the external id of a group; answered with it if attributes are chosen."""
    operations = list(operations_in(patch_body()))
    role = find(role)
    asked = Wanted()
    for operation in operations:
        note(role, asked, operation)
    chosen = selection(Group)
    with changing() as records:
        change(records, role, asked)
        if not chosen.attributes:
            return nothing()
        return answer(describe(records, role, wants_members(chosen)), Group)


def require_same_name(role: str, name: object) -> None:
    if name is not None and name != role:
        raise immutable("displayName: A group is named for its role, and can't be renamed.")


def replace_members(asked: Wanted, members: list[str | None]) -> None:
    asked.is_all = True
    asked.members = {user_id: True for user_id in members if user_id is not None}


def operations_in(sent: Record) -> Iterator[Record]:
    """The operations of a PATCH, with names and `op` in lower case; Refused for an unknown `op`."""
    if not sent["Operations"]:
        raise invalid_value("Operations: Must have one at least.")
    for each in sent["Operations"]:
        members = {n.lower(): value for n, value in each.items()} if isinstance(each, dict) else {}
        operation = str(members.get("op")).lower()
        if operation not in OPERATIONS:
            raise invalid_value("op: Must be add, replace or remove.")
        yield members | {"op": operation}


def note(role: str, asked: Wanted, operation: Record) -> None:
    """Add one operation of a PATCH to the changes that are wanted; Refused for a bad one."""
    kind, path, value = operation["op"], operation.get("path"), operation.get("value")
    if path is None or path == "":
        if kind == "remove":
            raise Refused(400, "noTarget", "path: A remove needs one.")
        if not isinstance(value, dict):
            raise invalid_value("value: Must be an object, since there is no path.")
        for name, each in value.items():
            _note_attribute(role, asked, kind, name, each)
        return
    if not isinstance(path, str):
        raise Refused(400, "invalidPath", "path: Must be text.")
    node = Path[Group](path).ast
    if isinstance(node, ValuePath):
        if filters.name_of(node.attr_path) != "members" or kind != "remove" or node.sub_attr:
            raise Refused(400, "invalidPath", 'path: Only members[value eq "ID"] can be removed.')
        asked.members |= dict.fromkeys(_selected(node.val_filter), False)
    elif isinstance(node, AttrPath):
        _note_attribute(role, asked, kind, str(node), value)
    else:
        raise Refused(400, "invalidPath", f"path: '{path[:100]}' is no attribute of a group.")


def _note_attribute(role: str, asked: Wanted, kind: str, name: str, value: Any) -> None:
    attribute = bare(name)
    if attribute == "members":
        _note_members(asked, kind, value)
    elif attribute == "displayname":
        require_same_name(role, "" if kind == "remove" else value)
    elif attribute == "id" and value != role:
        raise immutable("id: Can't be changed.")
    elif attribute == "externalid":
        if not isinstance(value, str | None):
            raise invalid_value("externalId: Must be text.")
        asked.calls = True
        asked.external_id = None if kind == "remove" else people.checked_external_id(value)


def _note_members(asked: Wanted, kind: str, value: Any) -> None:
    if kind == "remove" and value is None:
        replace_members(asked, [])
        return
    ids = [_id_in(each) for each in (value if isinstance(value, list) else [value])]
    if kind == "replace":
        replace_members(asked, list(ids))
    else:
        asked.members |= dict.fromkeys(ids, kind == "add")


def _id_in(entry: Any) -> str:
    found = entry.get("value") if isinstance(entry, dict) else entry
    if not isinstance(found, str):
        raise invalid_value("members.value: Must be the id of a user, as text.")
    return found


def _selected(node: FilterNode) -> list[str]:
    """The ids in the brackets of a path such as `members[value eq "1"]`."""
    is_any = isinstance(node, LogicalExpr) and node.op == LogicalOperator.or_
    terms = node.terms if isinstance(node, LogicalExpr) and is_any else (node,)
    if not all(isinstance(term, Comparison) for term in terms):
        raise Refused(400, "invalidFilter", 'Members are filtered by value eq "ID" only.')
    return [value for term in terms for value in values_of(term, "members.")]


def change(records: Records, role: str, asked: Wanted) -> None:
    """Change a group. The last administrator is looked for once all changes are made."""
    if "If-Match" in request.headers:
        require_version(describe(records, role))
    if asked.calls:
        identities.call(records, identities.GROUPS_KNOWN, {"role": role}, asked.external_id)
    wanted = dict(users_named(records, asked))
    with domain.keeping_administration(records):
        if asked.is_all:
            others = [each for each in holdings(records, role) if not wanted.get(each["user"])]
            domain.close(records, others)
        for member, is_wanted in wanted.items():
            held = holding_of(records, member, role)
            if is_wanted:
                _hold(records, member, role, held)
            elif held is not None and held["activeUntil"] is None:
                domain.close(records, [held])


def users_named(records: Records, asked: Wanted) -> Iterator[tuple[str, bool]]:
    """(user's key, whether they are to be a member) for each user whom the request names.

    Invalid ids are refused for new members, and ignored for those to remove.
    """
    for user_id, is_wanted in asked.members.items():
        found = people.account_of(records, user_id)
        if found is not None:
            yield found[0], is_wanted
        elif is_wanted:
            raise invalid_value(f"members.value: '{user_id[:100]}' is not the id of a user here.")


def _hold(records: Records, member: str, role: str, held: Record | None) -> None:
    """Let a user hold a role from now on and without an end."""
    if held is None:
        terms = {"role": role, "activeFrom": records.now, "activeUntil": None, "reportsTo": None}
        domain.grant(records, member, terms)
    else:
        domain.change_privilege(records, held, {"activeUntil": None})
