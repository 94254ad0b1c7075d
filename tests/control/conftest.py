import pytest

from provisioning.testing.sandbox import Client, Sandbox


class Controls:
    """Requests to the control API; answers the JSON of those that succeed."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def ask(self, method, path, body=None, **facts):
        if body is not None:
            facts["json"] = body
        return self._client.request(method, f"//_control{path}", **facts)

    def __call__(self, method, path, body=None, **facts):
        answer = self.ask(method, path, body, **facts)
        assert answer.status_code < 300, answer.text
        return answer.json if answer.data else None


@pytest.fixture
def sandbox() -> Sandbox:
    """A server with a control API, whose clock stands at 2026-01-15T12:00:00Z."""
    return Sandbox(control="on")


@pytest.fixture
def control(sandbox: Sandbox) -> Controls:
    """The control API, asked without any key."""
    return Controls(sandbox.client())
