"""What six products say to a server, in the forms of their documents (or of their sources).

Okta: "SCIM 2.0 protocol reference" and "Build your SCIM API service", developer.okta.com.
Entra ID: "Develop and plan provisioning for a SCIM endpoint" and "Known issues and resolutions with
SCIM 2.0 protocol compliance", learn.microsoft.com.
JumpCloud: "Identity Management using a Custom SCIM Integration", jumpcloud.com.
OneLogin: "Implement RESTful SCIM APIs for your app", developers.onelogin.com.
authentik: "SCIM provider", docs.goauthentik.io, and its sources (providers/scim).
Keycloak: the sources of the plugin keycloak-scim, which federates users to SCIM servers.
"""

from dataclasses import dataclass, replace
from typing import Any

from werkzeug.test import TestResponse

from tests.scim.asking import ENTERPRISE, PATCH, USER, IdentityProvider

GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"


@dataclass(frozen=True)
class Person:
    """Somebody in the directory."""

    username: str
    given: str
    family: str
    number: str
    """Their id in the directory."""

    def named(self, **others: str) -> "Person":
        return replace(self, **others)


class Directory:
    """A product that provisions one tenant. A method is what somebody does there."""

    title = ""

    def __init__(self, provider: IdentityProvider) -> None:
        self.provider = provider
        self.ids: dict[str, str] = {}
        """Person's number -> id of the user."""

    def answer(self, response: TestResponse, *allowed: int) -> Any:
        assert response.status_code in (allowed or (200,)), response.text
        return response.json if response.data else None

    def tried(self) -> None:
        """The connection is tried."""
        found = self.lookup("nobody-7d1e@nowhere.test")
        assert found == []

    def lookup(self, username: str) -> list[Any]:
        query = {"filter": f'userName eq "{username}"'}
        return list(self.answer(self.provider.get("/Users", **query))["Resources"])

    def profile(self, person: Person) -> dict[str, Any]:
        """A person as a whole resource."""
        raise NotImplementedError

    def assigned(self, person: Person) -> None:
        """The application is assigned to a person: they are found and linked, or made."""
        found = self.lookup(person.username)
        if found:
            self.ids[person.number] = found[0]["id"]
            self.changed(person)
        else:
            made = self.answer(self.provider.post("/Users", self.profile(person)), 201)
            self.ids[person.number] = made["id"]

    def changed(self, person: Person) -> None:
        """A person has another name or username."""
        self.put(self.profile(person), person)

    def left(self, person: Person) -> None:
        """A person has left, or the application is no longer assigned."""
        self.put(self.profile(person) | {"active": False}, person)

    def back(self, person: Person) -> None:
        """A person who had left is there again."""
        self.put(self.profile(person) | {"active": True}, person)

    def joined(self, role: str, person: Person) -> None:
        """A person is a member of the group that is linked to a role."""
        member = [{"value": self.ids[person.number]}]
        self.patch(f"/Groups/{role}", {"op": "add", "path": "members", "value": member})

    def parted(self, role: str, person: Person) -> None:
        """A person is no member of that group any more."""
        path = f'members[value eq "{self.ids[person.number]}"]'
        self.patch(f"/Groups/{role}", {"op": "remove", "path": path})

    def put(self, resource: Any, person: Person) -> Any:
        return self.answer(self.provider.put(f"/Users/{self.ids[person.number]}", resource))

    def patch(self, path: str, *operations: Any) -> Any:
        body = {"schemas": [PATCH], "Operations": list(operations)}
        return self.answer(self.provider.request("PATCH", path, body), 200, 204)

    def patch_user(self, person: Person, *operations: Any) -> Any:
        return self.patch(f"/Users/{self.ids[person.number]}", *operations)


class Okta(Directory):
    """It asks with startIndex and count, changes users by PUT, and ends them by a PATCH."""

    title = "Okta"

    def lookup(self, username: str) -> list[Any]:
        query = {"filter": f'userName eq "{username}"', "startIndex": 1, "count": 100}
        return list(self.answer(self.provider.get("/Users", **query))["Resources"])

    def profile(self, person: Person) -> dict[str, Any]:
        return {
            "schemas": [USER],
            "userName": person.username,
            "name": {"givenName": person.given, "familyName": person.family},
            "emails": [{"primary": True, "value": person.username, "type": "work"}],
            "displayName": f"{person.given} {person.family}",
            "locale": "en-US",
            "externalId": person.number,
            "groups": [],
            "active": True,
        }

    def changed(self, person: Person) -> None:
        whole = self.provider.user(self.ids[person.number])
        self.put(whole | self.profile(person), person)

    def left(self, person: Person) -> None:
        self.patch_user(person, {"op": "replace", "value": {"active": False}})

    def back(self, person: Person) -> None:
        (found,) = self.lookup(person.username)
        self.put(found | self.profile(person), person)

    def joined(self, role: str, person: Person) -> None:
        linked = {"op": "replace", "value": {"id": role, "displayName": role}}
        member = [{"value": self.ids[person.number], "display": person.username}]
        self.patch(f"/Groups/{role}", linked)
        self.patch(f"/Groups/{role}", {"op": "add", "path": "members", "value": member})


class EntraID(Directory):
    """It patches: operations in any case, booleans as text, paths that select."""

    title = "Entra ID"

    def profile(self, person: Person) -> dict[str, Any]:
        return {
            "schemas": [USER, ENTERPRISE],
            "externalId": person.number,
            "userName": person.username,
            "active": True,
            "addresses": None,
            "displayName": f"{person.given} {person.family}",
            "emails": [{"type": "work", "value": person.username, "primary": True}],
            "meta": {"resourceType": "User"},
            "name": {
                "formatted": f"{person.given} {person.family}",
                "familyName": person.family,
                "givenName": person.given,
            },
            "roles": [],
            "title": None,
            ENTERPRISE: {"department": "bob", "manager": None},
        }

    def changed(self, person: Person) -> None:
        steps = {
            "userName": person.username,
            "externalId": person.number,
            "name.givenName": person.given,
            "name.familyName": person.family,
            "displayName": f"{person.given} {person.family}",
            'emails[type eq "work"].value': person.username,
            f"{ENTERPRISE}:department": "Sales",
        }
        operations = [{"op": "Replace", "path": p, "value": v} for p, v in steps.items()]
        self.patch_user(person, *operations)

    def left(self, person: Person) -> None:
        """As it ends whom it deletes: they get another name at the same time."""
        self.patch_user(
            person,
            {"op": "Replace", "path": "userName", "value": f"{'5b50642d' * 4}{person.username}"},
            {"op": "Replace", "path": "active", "value": "False"},
        )

    def back(self, person: Person) -> None:
        self.patch_user(
            person,
            {"op": "Add", "path": "userName", "value": person.username},
            {"op": "Add", "path": "active", "value": "True"},
        )

    def joined(self, role: str, person: Person) -> None:
        member = [{"$ref": None, "value": self.ids[person.number]}]
        self.patch(f"/Groups/{role}", {"op": "Add", "path": "members", "value": member})

    def parted(self, role: str, person: Person) -> None:
        member = [{"$ref": None, "value": self.ids[person.number]}]
        self.patch(f"/Groups/{role}", {"op": "Remove", "path": "members", "value": member})


class JumpCloud(Directory):
    """It patches one attribute at a time, and names members by their ids alone."""

    title = "JumpCloud"

    def profile(self, person: Person) -> dict[str, Any]:
        return {
            "schemas": [USER],
            "userName": person.username,
            "name": {"givenName": person.given, "familyName": person.family},
            "displayName": f"{person.given} {person.family}",
            "emails": [{"type": "work", "value": person.username, "primary": True}],
            "externalId": person.number,
            "active": True,
        }

    def changed(self, person: Person) -> None:
        steps = {
            "userName": person.username,
            "name.givenName": person.given,
            "name.familyName": person.family,
            "emails": [{"type": "work", "value": person.username, "primary": True}],
            "externalId": person.number,
        }
        operations = [{"op": "replace", "path": p, "value": v} for p, v in steps.items()]
        self.patch_user(person, *operations)

    def left(self, person: Person) -> None:
        self.patch_user(person, {"op": "replace", "path": "active", "value": False})

    def back(self, person: Person) -> None:
        self.patch_user(person, {"op": "replace", "path": "active", "value": True})

    def parted(self, role: str, person: Person) -> None:
        member = [{"value": self.ids[person.number]}]
        self.patch(f"/Groups/{role}", {"op": "remove", "path": "members", "value": member})


class OneLogin(Directory):
    """It fills in a template, whose values are texts, and puts it."""

    title = "OneLogin"

    def profile(self, person: Person) -> dict[str, Any]:
        return {
            "schemas": [USER],
            "id": None,
            "userName": person.username,
            "active": "true",
            "name": {
                "familyName": person.family,
                "givenName": person.given,
                "formatted": f"{person.given} {person.family}",
            },
            "emails": {"value": person.username, "type": "work", "primary": True},
            "externalId": person.number,
            "meta": {"resourceType": "User"},
            ENTERPRISE: {"department": "", "manager": {"managerId": "", "displayName": " "}},
        }

    def left(self, person: Person) -> None:
        self.put(self.profile(person) | {"active": "false"}, person)


class Authentik(Directory):
    """It makes whomever it has, and looks for them only where that is a conflict."""

    title = "authentik"

    def tried(self) -> None:
        config = self.answer(self.provider.get("/ServiceProviderConfig"))
        assert config["patch"]["supported"]
        assert config["filter"]["supported"]
        assert 1 <= config["bulk"]["maxOperations"] <= 1_000, "it cuts its PATCHes by that"

    def profile(self, person: Person) -> dict[str, Any]:
        return {
            "active": True,
            "emails": [{"primary": True, "type": "other", "value": person.username}],
            "externalId": person.number,
            "name": {
                "familyName": person.family,
                "formatted": f"{person.given} {person.family}",
                "givenName": person.given,
            },
            "displayName": f"{person.given} {person.family}",
            "photos": [],
            "userName": person.username,
        }

    def assigned(self, person: Person) -> None:
        made = self.provider.post("/Users", self.profile(person))
        if made.status_code == 409:
            (found,) = self.lookup(person.username)
            self.ids[person.number] = found["id"]
            self.changed(person)
        else:
            self.ids[person.number] = self.answer(made, 201)["id"]

    def changed(self, person: Person) -> None:
        self.put(self.profile(person) | {"id": self.ids[person.number]}, person)

    def joined(self, role: str, person: Person) -> None:
        """The group was found among those that the server lists, since it is named as the role."""
        listed = self.answer(self.provider.get("/Groups"))["Resources"]
        (group,) = [each for each in listed if each["displayName"] == role]
        whole = {"schemas": [GROUP], "externalId": "g-1", "displayName": role, "id": group["id"]}
        self.patch(f"/Groups/{group['id']}", {"op": "replace", "value": whole})
        super().joined(group["id"], person)

    def parted(self, role: str, person: Person) -> None:
        member = [{"value": self.ids[person.number]}]
        self.patch(f"/Groups/{role}", {"op": "remove", "path": "members", "value": member})


class Keycloak(Directory):
    """Its plugin puts whole users and whole groups."""

    title = "Keycloak"

    def profile(self, person: Person) -> dict[str, Any]:
        return {
            "schemas": [USER],
            "externalId": person.number,
            "userName": person.username,
            "displayName": f"{person.given} {person.family}",
            "name": {"givenName": person.given, "familyName": person.family},
            "emails": [{"value": person.username}],
            "active": True,
            "roles": [],
        }

    def changed(self, person: Person) -> None:
        self.put(self.profile(person) | {"id": self.ids[person.number]}, person)

    def joined(self, role: str, person: Person) -> None:
        self._put_group(role, {*self._members(role), self.ids[person.number]})

    def parted(self, role: str, person: Person) -> None:
        self._put_group(role, self._members(role) - {self.ids[person.number]})

    def _members(self, role: str) -> set[str]:
        group = self.answer(self.provider.get(f"/Groups/{role}"))
        return {each["value"] for each in group.get("members", [])}

    def _put_group(self, role: str, members: set[str]) -> None:
        entries = [{"value": m, "type": "User", "$ref": f"Users/{m}"} for m in sorted(members)]
        whole = {
            "schemas": [GROUP],
            "id": role,
            "externalId": "6f2b",
            "displayName": role,
            "members": entries,
        }
        self.answer(self.provider.put(f"/Groups/{role}", whole))


DIRECTORIES = (Okta, EntraID, JumpCloud, OneLogin, Authentik, Keycloak)
