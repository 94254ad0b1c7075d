"""The models of users and groups. The docstrings here are the descriptions in /scim/v2/Schemas."""

from typing import Annotated, Any

from pydantic import Field
from scim2_models import (
    URN,
    CaseExact,
    ComplexAttribute,
    Extension,
    Mutability,
    Required,
    Resource,
    Returned,
    Uniqueness,
)


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
    primary: bool | None = None
    """Always true."""


class Photo(ComplexAttribute):
    """The account's one picture."""

    value: str | None = None
    """The avatar."""
    type: str | None = Field(None, examples=["photo"])
    """Always `photo`."""
    primary: bool | None = None
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

    manager: Manager | None = None
    """To whom the user reports."""


class User(Resource[EnterpriseUser]):
    """A user of the tenant."""

    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:User")

    user_name: Annotated[str | None, Required.true, Uniqueness.global_] = None
    """The username, by which an account is known in all tenants. Its home tenant may change it."""
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
    active: bool | None = None
    """Whether the user holds an active privilege in the tenant."""
    password: Annotated[str | None, Mutability.write_only, Returned.never, CaseExact.true] = None
    """Kept as a salted hash."""
    groups: Annotated[list[Membership] | None, Mutability.read_only] = None
    """The roles that the user holds without an end."""


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
