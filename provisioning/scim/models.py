"""The models of users and groups. The docstrings here are the descriptions in /scim/v2/Schemas."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from scim2_models import (
    URN,
    CaseExact,
    ComplexAttribute,
    Extension,
    Mutability,
    Required,
    Resource,
    Returned,
    ScimPolicy,
    Uniqueness,
)

from provisioning.domain.names import username_key


def _boolean(value: Any) -> Any:
    """A boolean as identity providers send it: Entra ID sends text. () for all other values."""
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower(), ())
    return value if value is None or isinstance(value, bool) else ()


def _manager(value: Any) -> Any:
    """A manager as an object; Entra ID also sends an id, or a list with one."""
    if isinstance(value, list) and len(value) <= 1:
        value = value[0] if value else None
    return {"value": value} if isinstance(value, str) else value


Switch = Annotated[bool | None, BeforeValidator(_boolean)]


class Name(ComplexAttribute):
    """The parts of a person's name."""

    given_name: str | None = None
    """The first name."""
    family_name: str | None = None
    """The last name."""


class Email(ComplexAttribute):
    """The account's one address."""

    value: str | None = None
    """The address."""
    type: str | None = Field(None, examples=["work"])
    """Always `work`."""
    primary: Switch = None
    """Always true."""


class Photo(ComplexAttribute):
    """The account's one picture."""

    value: str | None = None
    """The avatar."""
    type: str | None = Field(None, examples=["photo"])
    """Always `photo`."""
    primary: Switch = None
    """Always true."""


class Membership(ComplexAttribute):
    """A group that the user is in."""

    value: Annotated[str | None, Mutability.read_only, CaseExact.true] = None
    """The group's id, which is a role."""
    display: Annotated[str | None, Mutability.read_only] = None
    """The group's name, which is that role, too."""


class Manager(ComplexAttribute):
    """To whom the user reports."""

    value: Annotated[str | None, CaseExact.true] = None
    """The id of a user."""


class EnterpriseUser(Extension):
    """What an enterprise knows of a user."""

    __schema__ = URN("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User")

    manager: Annotated[Manager | None, BeforeValidator(_manager)] = None
    """To whom the user reports."""


class User(Resource[EnterpriseUser]):
    """A user of the tenant."""

    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:User")

    user_name: Annotated[str | None, Required.true, Uniqueness.global_, Mutability.immutable] = None
    """The username, by which an account is known in all tenants. It never changes."""
    name: Name | None = None
    """The parts of the name."""
    display_name: Annotated[str | None, Mutability.read_only] = None
    """First and last name, or else the username."""
    emails: list[Email] | None = None
    """The address; one is kept."""
    photos: list[Photo] | None = None
    """The avatar; one is kept."""
    timezone: str | None = None
    """The name of an IANA time zone, shown through the account's home tenant alone."""
    active: Switch = None
    """Whether the user holds an active privilege in the tenant."""
    password: Annotated[str | None, Mutability.write_only, Returned.never, CaseExact.true] = None
    """Kept as a salted hash."""
    groups: Annotated[list[Membership] | None, Mutability.read_only] = None
    """The roles that the user holds without an end."""


class GivenUser(User):
    """A user as identity providers send one; the immutable attributes are read to compare them."""

    user_name: Annotated[str | None, Required.true] = None
    display_name: str | None = None


class Member(ComplexAttribute):
    """A user who holds the role."""

    value: Annotated[str | None, Mutability.immutable, CaseExact.true] = None
    """The user's id."""
    display: Annotated[str | None, Mutability.read_only] = None
    """The username."""


class Group(Resource[Any]):
    """A role, and who holds it now and without an end."""

    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:Group")

    display_name: Annotated[str | None, Required.true, Mutability.immutable, Uniqueness.server] = (
        None
    )
    """The role."""
    members: list[Member] | None = None
    """Who holds it."""


def _comparable(binding: Any, value: str) -> str:
    return value if binding.case_exact else username_key(value)


POLICY = ScimPolicy(
    unknown=ScimPolicy.Unknown.ignore,
    remove_value_as_filter=ScimPolicy.RemoveValue.apply,
    unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
    comparison_key=_comparable,
)
"""How scim2-models treats what identity providers send: it ignores unknown attributes, makes the
entry of a path that isn't there, and compares text as usernames are compared."""
