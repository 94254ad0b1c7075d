"""Filters as questions to the store: what of a filter narrows the users that are looked at.

Whatever a question leaves open is judged by scim2-models, user by user, over those it has found.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from flask import Response
from scim2_models import SearchRequest
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

from provisioning.domain.names import username_key
from provisioning.domain.records import Records
from provisioning.domain.tables import USERS
from provisioning.scim import identities, people
from provisioning.scim.messages import (
    Refused,
    bare,
    invalid_value,
    listed,
    page_of,
    search_request,
)
from provisioning.store import Query, Record, Related
from provisioning.web.access import reading

IN_TEXT = frozenset(
    {"username", "displayname", "emails", "emails.value", "name.givenname", "name.familyname"}
)
"""Attributes in lower case whose values words are sought in."""
USER_FILTERS = IN_TEXT | {"id", "externalid", "emails.type", "emails.primary", "active"}
GROUP_FILTERS = frozenset({"id", "externalid", "displayname", "members", "members.value"})
MOST_WORDS = 20
"""So many words of a filter narrow what is looked at: more take a database more than they save."""
OCCURS = frozenset({CompareOperator.eq, CompareOperator.co, CompareOperator.sw, CompareOperator.ew})


@dataclass(frozen=True)
class Narrowed:
    """Where the users that a filter matches are found. Everything that is told must hold."""

    keys: frozenset[str] | None = None
    """Among these; None is everywhere."""
    email: str | None = None
    """Among those with this address."""
    related: tuple[Related, ...] = ()
    words: tuple[str, ...] = ()
    is_exact: bool = False
    """Whether `related` is all that the filter asks for."""

    @property
    def is_few(self) -> bool:
        """Whether it names users, so that the tenant needn't be asked who is in it."""
        return self.keys is not None or self.email is not None


def names_in(node: FilterNode, prefix: str = "") -> set[str]:
    """The attributes that a filter speaks of, in lower case and without their schema."""
    if isinstance(node, Not):
        return names_in(node.expr, prefix)
    if isinstance(node, LogicalExpr):
        return {name for term in node.terms for name in names_in(term, prefix)}
    if isinstance(node, ValuePath):
        inner = name_of(node.attr_path)
        return {inner} | names_in(node.val_filter, f"{inner}.")
    if isinstance(node, Comparison | Present):
        return {prefix + name_of(node.attr_path)}
    raise TypeError(node)


def name_of(path: AttrPath) -> str:
    return f"{path.attr}.{path.sub_attr}".lower() if path.sub_attr else path.attr.lower()


Found = Callable[[Records, SearchRequest[Any], slice], tuple[list[Record], int]]
"""Finds the resources at some places of the list that is asked for, and how long it is."""


def search(
    model: Any,
    given: Any,
    found_on: Found,
    filtered: frozenset[str],
    sortable: frozenset[str] | None = None,
) -> Response:
    """The page of a list that a GET or a POST to .search asks for."""
    asked = search_request(model, given)
    allowed = filtered if sortable is None else sortable
    if asked.sort_by is not None and bare(asked.sort_by) not in allowed:
        raise invalid_value(f"sortBy: Must be one of {', '.join(sorted(allowed))}.")
    others = set() if asked.filter is None else names_in(asked.filter.ast) - filtered
    if others:
        raise Refused(
            400,
            "invalidFilter",
            f"Nothing is filtered by {', '.join(sorted(others))}. "
            f"There are {', '.join(sorted(filtered))}.",
        )
    records, places = reading(), page_of(asked)
    shown, total = found_on(records, asked, places)
    return listed(shown, total, places.start)


def narrow(records: Records, node: FilterNode, prefix: str = "") -> Narrowed:
    """What the store can be asked for a filter."""
    if isinstance(node, Comparison):
        return _compared(records, node, prefix + name_of(node.attr_path))
    if isinstance(node, ValuePath):
        inner = narrow(records, node.val_filter, f"{name_of(node.attr_path)}.")
        return replace(inner, is_exact=False)
    if isinstance(node, LogicalExpr):
        parts = [narrow(records, term, prefix) for term in node.terms]
        return _all(parts) if node.op == LogicalOperator.and_ else _any(records, parts)
    return Narrowed()


def _compared(records: Records, node: Comparison, name: str) -> Narrowed:
    value, is_equal = node.value, node.op == CompareOperator.eq
    if isinstance(value, bool) and name == "active" and (is_equal or node.op == CompareOperator.ne):
        active = identities.active_users(records, negated=value is not is_equal)
        return Narrowed(related=(active,), is_exact=True)
    if isinstance(value, str) and is_equal and name in NAMES:
        return NAMES[name](records, value)
    # Of other text it isn't certain that what occurs in it occurs in its folded form, too.
    if isinstance(value, str) and node.op in OCCURS and name in IN_TEXT and value.isascii():
        return Narrowed(words=tuple(value.split()[:MOST_WORDS]))
    return Narrowed()


def _with_username(_: Records, value: str) -> Narrowed:
    return Narrowed(frozenset({username_key(value)}))


def _with_id(records: Records, value: str) -> Narrowed:
    found = people.account_of(records, value)
    return Narrowed(frozenset({found[0]} if found else ()))


def _with_external_id(records: Records, value: str) -> Narrowed:
    return Narrowed(frozenset(identities.users_called(records, value)))


def _with_email(_: Records, value: str) -> Narrowed:
    return Narrowed(email=username_key(value))


NAMES = {
    "username": _with_username,
    "id": _with_id,
    "externalid": _with_external_id,
    "emails": _with_email,
    "emails.value": _with_email,
}
"""What names users by a value that an index has."""


def _all(parts: list[Narrowed]) -> Narrowed:
    keys = [part.keys for part in parts if part.keys is not None]
    emails = [part.email for part in parts if part.email is not None]
    related: list[Related] = []
    for each in (each for part in parts for each in part.related):
        if each not in related:
            related.append(each)
    return Narrowed(
        frozenset.intersection(*keys) if keys else None,
        emails[0] if emails and not keys else None,
        tuple(related),
        tuple(word for part in parts for word in part.words)[:MOST_WORDS],
        all(part.is_exact for part in parts),
    )


def _any(records: Records, parts: list[Narrowed]) -> Narrowed:
    """One of several: only what names users can be put together."""
    keys: set[str] = set()
    for part in parts:
        if not part.is_few:
            return Narrowed()
        keys.update(part.keys if part.keys is not None else with_email(records, part.email))
    return Narrowed(frozenset(keys))


def with_email(records: Records, email: str | None) -> set[str]:
    """The users of all tenants with this address."""
    found = records.query(USERS, Query(within=("email", email))).records
    return {username_key(account["username"]) for account in found}
