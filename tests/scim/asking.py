"""Who asks in these tests, and the forms of SCIM."""

from typing import Any

from werkzeug.test import TestResponse

from provisioning.testing.sandbox import Client

SCIM = "application/scim+json"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"


class IdentityProvider:
    """A client of one tenant's /scim/v2."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def request(self, method: str, path: str, body: Any = None, **facts: Any) -> TestResponse:
        if body is not None:
            facts["headers"] = {"Content-Type": SCIM, **facts.get("headers", {})}
            facts["json"] = body
        return self.client.request(method, f"//scim/v2{path}", **facts)

    def get(self, path: str, **query: Any) -> TestResponse:
        return self.request("GET", path, query_string=query)

    def post(self, path: str, body: Any, **facts: Any) -> TestResponse:
        return self.request("POST", path, body, **facts)

    def put(self, path: str, body: Any, **facts: Any) -> TestResponse:
        return self.request("PUT", path, body, **facts)

    def patch(self, path: str, *operations: Any, **facts: Any) -> TestResponse:
        return self.request("PATCH", path, {"schemas": [PATCH], "Operations": operations}, **facts)

    def delete(self, path: str, **facts: Any) -> TestResponse:
        return self.request("DELETE", path, **facts)

    def create(self, username: str, **attributes: Any) -> Any:
        """A user, as they are answered."""
        response = self.post("/Users", {"schemas": [USER], "userName": username, **attributes})
        assert response.status_code == 201, response.data
        return response.json

    def user(self, user_id: str) -> Any:
        response = self.get(f"/Users/{user_id}")
        assert response.status_code == 200, response.data
        return response.json

    def found(self, filter_: str, path: str = "/Users") -> list[str]:
        """The names of those whom a filter finds."""
        response = self.get(path, filter=filter_)
        assert response.status_code == 200, response.data
        name = "userName" if path == "/Users" else "displayName"
        return [each[name] for each in response.json["Resources"]]

    def members(self, role: str) -> set[str]:
        """The usernames of a group's members."""
        group = self.get(f"/Groups/{role}").json
        return {each["display"] for each in group.get("members", [])}

    def id_of(self, username: str) -> str:
        (found,) = self.get("/Users", filter=f'userName eq "{username}"').json["Resources"]
        return str(found["id"])


def error(response: TestResponse) -> tuple[int, str | None, str]:
    """Status, scimType and detail of an error in SCIM's form."""
    assert response.mimetype == SCIM, response.data
    assert response.json["schemas"] == [ERROR]
    assert response.json["status"] == str(response.status_code)
    return response.status_code, response.json.get("scimType"), response.json["detail"]


def kind(response: TestResponse) -> tuple[int, str | None]:
    return error(response)[:2]


def privileges(sandbox: Any, username: str) -> list[Any]:
    """What a user holds and held, newest first, as the API shows it."""
    response = sandbox.administrator.get(f"/users/{username}")
    assert response.status_code == 200, response.data
    return list(response.json["tenantUserPrivileges"])
