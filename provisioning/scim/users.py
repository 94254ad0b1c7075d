"""The routes of users."""

from collections.abc import Callable
from contextlib import suppress

from flask import Response

from provisioning.domain.names import username_key
from provisioning.domain.records import Records
from provisioning.domain.tables import USERS
from provisioning.resources.users import hashed
from provisioning.scim import people
from provisioning.scim.messages import members_of, require_version
from provisioning.scim.parameters import answer, parameters, selection
from provisioning.scim.patch import steps_in_patch
from provisioning.scim.people import Asked
from provisioning.scim.routing import CHANGE, QUERY, RESOURCE, scim
from provisioning.scim.search import USER_KINDS, search, users_asked
from provisioning.store import Collision, Record, RecordId
from provisioning.web.access import changing, place, reading
from provisioning.web.answers import nothing
from provisioning.web.context import server


@scim.operation("GET", "/Users", answer=RESOURCE, parameters=QUERY)
def list_scim_users() -> Response:
    """List the users of the tenant."""
    return search(parameters(), USER_KINDS, users_asked)


@scim.operation("POST", "/Users/.search", answer=RESOURCE, status=200)
def search_scim_users(body: Record) -> Response:
    """List the users of the tenant, as a GET does, with the parameters in the body."""
    return search(members_of(body, "the body"), USER_KINDS, users_asked)


@scim.operation("GET", "/Users/<user_id>", answer=RESOURCE)
def show_scim_user(user_id: str) -> Response:
    """Show a user."""
    chosen, records = selection(parameters()), reading()
    return answer(people.describe(records, people.find(records, user_id)), chosen)


@scim.operation("POST", "/Users", answer=RESOURCE, **CHANGE)
def create_scim_user(body: Record) -> Response:
    """Create an account, or let one that isn't visible yet join the tenant."""
    asked = people.asked_by_resource(body)
    account = people.find_account(reading(), asked["username"])

    def create(records: Records, password_hash: str | None) -> Record:
        return people.create(records, asked, password_hash)

    return done(create, asked, account, 201)


@scim.operation("PUT", "/Users/<user_id>", answer=RESOURCE, **CHANGE)
def replace_scim_user(user_id: str, body: Record) -> Response:
    """Replace what is known of a user; active, emails, manager and password may be left out."""
    asked = people.asked_by_resource(body)
    return change(user_id, lambda _: asked)


@scim.operation("PATCH", "/Users/<user_id>", answer=RESOURCE, status=200, **CHANGE)
def patch_scim_user(user_id: str, body: Record) -> Response:
    """Change some of what is known of a user."""
    steps = steps_in_patch(body)
    return change(user_id, lambda account: people.asked_by(steps, account))


def change(user_id: str, asked_of: Callable[[Record], Asked]) -> Response:
    """Change a user as is asked of their account; answers the new resource."""
    records = reading()
    before = people.find(records, user_id)
    asked = asked_of(before)
    is_alone = people.changes_profile_alone(records, before, asked)

    def change(records: Records, password_hash: str | None) -> Record:
        account = people.find(records, user_id)
        require_version(people.describe(records, account))
        # Paths may select by address or avatar. If somebody has just changed these, they do anew.
        is_same = all(account[name] == before[name] for name in ("email", "avatar"))
        wanted = asked if is_same else asked_of(account)
        is_named = account["username"] == before["username"]
        if is_alone and not (is_named and people.changes_profile_alone(records, account, wanted)):
            raise Collision(CHANGED_MEANWHILE)
        return people.change(records, account, wanted, password_hash)

    # As in a PUT of the API: no rule looks at another user's profile.
    only = (USERS, username_key(before["username"])) if is_alone else None
    return done(change, asked, before, only=only)


CHANGED_MEANWHILE = "The user was changed meanwhile, nothing was changed. Try again."


class Tried(Exception):
    """Ends a transaction that has been a trial."""


def done(
    change: Callable[[Records, str | None], Record],
    asked: Asked,
    account: Record | None,
    status: int = 200,
    only: RecordId | None = None,
) -> Response:
    """The answer with the user after a change, which is done in one transaction.

    A password is hashed before that, which is slow on purpose. So the change is first tried
    without it: no password is hashed for a request that is refused.
    """
    chosen, records = selection(parameters()), reading()
    also = people.turns_of(records, account, asked)
    password_hash = None
    if people.sets_password(records, account, asked):
        with suppress(Tried), changing(only=only, also=also) as records:
            change(records, None)
            raise Tried
        with place():
            password_hash = hashed(server(), asked["password"])
    with changing(only=only, also=also) as records:
        account = change(records, password_hash)
        return answer(people.describe(records, account), chosen, status)


@scim.operation("DELETE", "/Users/<user_id>", **CHANGE)
def remove_scim_user(user_id: str) -> Response:
    """Revoke all that a user holds in the tenant, and hide them until they hold something again."""
    with changing() as records:
        account = people.find(records, user_id)
        require_version(people.describe(records, account))
        people.remove(records, account)
    return nothing()
