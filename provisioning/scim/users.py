"""The routes of users, and the search for users by filter and order."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

from flask import Response, request
from scim2_models import Context, PatchOp, SearchRequest

from provisioning.domain.names import username_key
from provisioning.domain.records import Records
from provisioning.domain.tables import USERS
from provisioning.scim import filters, identities, people
from provisioning.scim.filters import USER_FILTERS, Narrowed
from provisioning.scim.messages import (
    answer,
    bare,
    body,
    of,
    patch_body,
    read,
    require_version,
    shown,
)
from provisioning.scim.models import POLICY, Email, GivenUser, Name, User
from provisioning.scim.people import Wanted
from provisioning.scim.routing import CHANGE, QUERY, RESOURCE, scim
from provisioning.store import Order, Query, Record, fold
from provisioning.store.query import sort_key
from provisioning.web.access import changing, reading
from provisioning.web.answers import nothing

READ_ONLY = frozenset({"id", "meta", "groups", "displayname"})
"""Attributes, in lower case, that are ignored in what is sent."""
ORDERS = {
    "id": "id",
    "username": "username",
    "emails": "email",
    "emails.value": "email",
    "name.givenname": "firstName",
    "name.familyname": "lastName",
}
"""Attribute in lower case -> stored member, for orders that the store has."""
ALWAYS_THERE = frozenset({"id", "username", "email"})
"""Members that are never null. In a descending order by another member, users without it come first
(RFC 7644, 3.4.2.3), where the store has them last."""


@scim.operation("GET", "/Users", name="list_scim_users", answer=RESOURCE, parameters=QUERY)
def list_users() -> Response:
    """List the users of the tenant."""
    return filters.search(User, request.args, shown_on, USER_FILTERS)


@scim.operation("POST", "/Users/.search", name="search_scim_users", answer=RESOURCE, status=200)
def search_users() -> Response:
    """List the users of the tenant, as a GET does, with the parameters in the body."""
    return filters.search(User, body(), shown_on, USER_FILTERS)


def shown_on(
    records: Records, asked: SearchRequest[Any], places: slice
) -> tuple[list[Record], int]:
    """The users at these places of the list that was asked for, as resources, and its length."""
    accounts, total = users_on(records, asked, places)
    return [shown(people.describe(records, each), User, asked) for each in accounts], total


def store_order(asked: SearchRequest[Any]) -> tuple[Order, ...] | None:
    """The order that is asked for, as one of the store; None if the store doesn't have it."""
    if asked.sort_by is None:
        return ()
    member = ORDERS.get(bare(asked.sort_by))
    descends = asked.sort_order == SearchRequest.SortOrder.descending
    if member is None or (descends and member not in ALWAYS_THERE):
        return None
    return (Order(member, descends),)


def users_on(
    records: Records, asked: SearchRequest[Any], places: slice
) -> tuple[list[Record], int]:
    """The users at these places of the list that was asked for, as accounts, and its length."""
    narrowed = Narrowed(is_exact=True)
    if asked.filter is not None:
        narrowed = filters.narrow(records, asked.filter.ast)
    if narrowed.is_few:
        return _judged(few(records, narrowed), asked, places, Facts(records))
    related = narrowed.related
    if identities.active_users(records) not in related:
        related = (identities.visible_users(records), *related)
    query = Query(related=related, words=narrowed.words)
    order = store_order(asked)
    hidden = identities.coming_back(records)
    if narrowed.is_exact and order is not None and not hidden:
        return _page(records, query, order, places)
    accounts = records.query(USERS, query).records
    seen = [each for each in accounts if username_key(each["username"]) not in hidden]
    return _judged(seen, asked, places, Facts(records, are_many=True))


def few(records: Records, narrowed: Narrowed) -> list[Record]:
    """The visible users whom a filter names by key or email, in the order of ids."""
    keys = narrowed.keys
    if keys is None:
        keys = frozenset(filters.with_email(records, narrowed.email))
    found = [
        account
        for user in keys
        if (account := records.view.get(USERS, user)) is not None
        and identities.is_visible(records, user)
    ]
    return sorted(found, key=lambda account: int(account["id"]))


def _page(
    records: Records, query: Query, order: tuple[Order, ...], places: slice
) -> tuple[list[Record], int]:
    """The users at these places in the store's order, and the length of the list.

    The store has pages of equal size. Places that lie across two of these need both.
    """
    size = places.stop - places.start
    first, skipped = divmod(places.start, max(size, 1))
    found: list[Record] = []
    total = 0
    for page in (first, first + 1)[: 2 if skipped else 1]:
        asked = Query(
            related=query.related, words=query.words, order=order, page=page, size=max(size, 1)
        )
        cut = records.query(USERS, asked)
        found, total = found + cut.records, cut.total
    return found[skipped : skipped + size], total


class Facts:
    """Facts about users that are not in their accounts, for filters and orders.

    For many users they are read all at once; user by user they would be too many queries.
    """

    def __init__(self, records: Records, are_many: bool = False) -> None:
        self._records, self._are_many = records, are_many

    @cached_property
    def _active(self) -> set[str]:
        return identities.all_active(self._records)

    @cached_property
    def _called(self) -> dict[str, str]:
        return identities.all_called(self._records)

    def is_active(self, user: str) -> bool:
        if self._are_many:
            return user in self._active
        return bool(identities.active_privileges_of(self._records, user))

    def external_id(self, user: str) -> str | None:
        if self._are_many:
            return self._called.get(user)
        return identities.external_id(self._records, identities.USERS_KNOWN, user)


def _judged(
    accounts: list[Record], asked: SearchRequest[Any], places: slice, facts: Facts
) -> tuple[list[Record], int]:
    """The accounts that match the filter, sorted and cut to these places, and their number."""
    member = ORDERS.get(bare(asked.sort_by or ""))
    descends = asked.sort_order == SearchRequest.SortOrder.descending
    if member is not None:
        accounts = sorted(accounts, key=sort_key(Order(member)), reverse=descends)
    elif asked.sort_by and bare(asked.sort_by) == "displayname":
        member = "displayName"
        accounts = sorted(
            accounts, key=lambda each: fold(people.display_name(each)), reverse=descends
        )
    with POLICY:
        resources = [(judge_by(account, facts), account) for account in accounts]
        if asked.filter is not None:
            resources = [each for each in resources if asked.filter.match(each[0])]
        by_id = {resource.id: account for resource, account in resources}
        ordered = [resource for resource, _ in resources]
        if member is None:
            ordered = asked.sort(ordered)
    return [by_id[resource.id] for resource in ordered[places]], len(ordered)


def judge_by(account: Record, facts: Facts) -> User:
    """A user with the attributes that filters and orders look at."""
    user = username_key(account["username"])
    return User.model_construct(
        id=str(account["id"]),
        external_id=facts.external_id(user),
        user_name=account["username"],
        name=Name.model_construct(
            given_name=account["firstName"] or None, family_name=account["lastName"] or None
        ),
        display_name=people.display_name(account),
        emails=[Email.model_construct(value=account["email"], type="work", primary=True)],
        active=facts.is_active(user),
    )


@scim.operation("POST", "/Users", name="create_scim_user", answer=RESOURCE, **CHANGE)
def create_user() -> Response:
    """Create an account, or let one that isn't visible yet join the tenant."""
    given = given_user(body(), Context.RESOURCE_CREATION_REQUEST)
    asked = people.wanted(given)
    username = given.user_name or ""
    records = reading()
    account = records.view.get(USERS, username_key(username))
    password_hash = people.hash_wanted(records, account, asked)
    with changing() as records:
        account = people.create(records, username, asked, password_hash)
        return answer(people.describe(records, account), User, 201)


def given_user(sent: Record, context: Context) -> GivenUser:
    counting = {name: each for name, each in sent.items() if name.lower() not in READ_ONLY}
    return read(GivenUser, counting, context)


@scim.operation("GET", "/Users/<user_id>", name="show_scim_user", answer=RESOURCE)
def show_user(user_id: str) -> Response:
    """Show a user."""
    records = reading()
    _, account = people.find(records, user_id)
    return answer(people.describe(records, account), User)


@scim.operation("PUT", "/Users/<user_id>", name="replace_scim_user", answer=RESOURCE, **CHANGE)
def replace_user(user_id: str) -> Response:
    """Replace what is known of a user; active, emails, manager and password may be left out."""
    given = given_user(body(), Context.RESOURCE_REPLACEMENT_REQUEST)
    asked = people.wanted(given)

    def wanted(account: Record, _: Record) -> Wanted:
        people.require_same_username(given, account)
        return asked

    return change(user_id, wanted)


@scim.operation(
    "PATCH", "/Users/<user_id>", name="patch_scim_user", answer=RESOURCE, status=200, **CHANGE
)
def patch_user(user_id: str) -> Response:
    """Change some of what is known of a user."""
    patch = read(of(PatchOp, GivenUser), patch_body(), Context.RESOURCE_PATCH_REQUEST)

    def wanted(account: Record, resource: Record) -> Wanted:
        with POLICY:
            given = GivenUser.model_validate(resource)
            patch.patch(given)
        people.require_same_username(given, account)
        return people.wanted(given, is_whole=True)

    return change(user_id, wanted)


def change(user_id: str, wanted: Callable[[Record, Record], Wanted]) -> Response:
    """Change a user to what `wanted` makes of account and resource; answers the new resource."""

    def allowed(records: Records) -> tuple[str, Record, Wanted]:
        user, account = people.find(records, user_id)
        resource = people.describe(records, account)
        require_version(resource)
        return user, account, wanted(account, resource)

    records = reading()
    _, account, asked = allowed(records)
    password_hash = people.hash_wanted(records, account, asked)
    with changing() as records:
        user, account, asked = allowed(records)
        account = people.change(records, user, account, asked, password_hash)
        return answer(people.describe(records, account), User)


@scim.operation("DELETE", "/Users/<user_id>", name="remove_scim_user", **CHANGE)
def remove_user(user_id: str) -> Response:
    """Revoke all that a user holds in the tenant, and hide them until they hold something again."""
    with changing() as records:
        user, account = people.find(records, user_id)
        require_version(people.describe(records, account))
        people.remove(records, user)
    return nothing()
