"""Filters as queries to the store.

A query may find more users than the filter matches. scim2-models then judges these one by one.
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
"""Attributes, in lower case, whose values are in the text that the store searches for words."""
USER_FILTERS = IN_TEXT | {"id", "externalid", "emails.type", "emails.primary", "active"}
GROUP_FILTERS = frozenset({"id", "externalid", "displayname", "members", "members.value"})
MOST_WORDS = 20
"""How many words of a filter the store searches for; more would cost more than they save."""
OCCURS = frozenset({CompareOperator.eq, CompareOperator.co, CompareOperator.sw, CompareOperator.ew})


@dataclass(frozen=True)
class Narrowed:
    """Conditions that all users meet whom a filter matches. Each condition that is set counts."""

    keys: frozenset[str] | None = None
    """Their keys are among these; None if any key will do."""
    email: str | None = None
    """Their email address in the form in which usernames are compared; None if any will do."""
    related: tuple[Related, ...] = ()
    """As in Query."""
    words: tuple[str, ...] = ()
    """As in Query."""
    is_exact: bool = False
    """Whether the users that meet `related` are exactly those whom the filter matches."""

    @property
    def is_few(self) -> bool:
        """Whether the filter names users by key or email, so that few can match."""
        return self.keys is not None or self.email is not None


def names_in(node: FilterNode, prefix: str = "") -> set[str]:
    """The attributes in a filter, in lower case and without their schema."""
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
"""A function that returns the resources at some places of the list that is asked for, and the
length of the whole list."""


def search(
    model: Any,
    given: Any,
    found_on: Found,
    filtered: frozenset[str],
    sortable: frozenset[str] | None = None,
) -> Response:
    """The answer to a list or search; `given` are its parameters, `found_on` finds the resources.

    `filtered` and `sortable` are the attributes to filter and to sort by.
    """
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
    """The conditions of a filter that the store can look for."""
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
    # Only ASCII: folding other text may change it so that a part of it isn't found any more.
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
"""Attribute -> function that finds users by its value, with an index."""


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
    """The conditions of an `or`: the keys of all parts together, if each part names users."""
    keys: set[str] = set()
    for part in parts:
        if not part.is_few:
            return Narrowed()
        keys.update(part.keys if part.keys is not None else with_email(records, part.email))
    return Narrowed(frozenset(keys))


def with_email(records: Records, email: str | None) -> set[str]:
    """The keys of users of all tenants with this address."""
    found = records.query(USERS, Query(within=("email", email))).records
    return {username_key(account["username"]) for account in found}
