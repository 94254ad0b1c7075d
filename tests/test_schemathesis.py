"""Made-up requests by the thousand: each answer is one that /openapi.json promises.

schemathesis.toml says which answers are right although the tool can't know it.
"""

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck

from provisioning.store import View
from provisioning.testing.sandbox import Sandbox
from provisioning.web.operation import BASE_PATH

pytestmark = pytest.mark.slow

SANDBOX = Sandbox()
BOUNDED = hypothesis.settings(
    max_examples=2,
    derandomize=True,
    deadline=None,
    database=None,
    # How fast requests are made up says nothing about the answers.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
SEQUENCES = hypothesis.settings(BOUNDED, max_examples=20, stateful_step_count=6)


def records() -> View:
    with SANDBOX.store.read() as view:
        return view


def create_examples() -> dict[str, View]:
    """Send the example of every POST, and tell the records as they were before each."""
    client, before = SANDBOX.administrator, {}
    for path, item in client.get("//openapi.json").json["paths"].items():
        if "post" in item:
            before[path] = records()
            content = item["post"]["requestBody"]["content"]["application/json"]
            concrete = path.replace("{username}", "bob@acme.test").replace("{label}", "enterprise")
            response = client.post(concrete.removeprefix(BASE_PATH), json=content["example"])
            assert response.status_code == 201, response.data
    return before


BEFORE = create_examples()
BEGINNING = records()
api = schemathesis.openapi.from_wsgi("/openapi.json", SANDBOX.app)


def begin_again(view: View = BEGINNING) -> None:
    """Whatever earlier requests did; the key that asks may be among what they removed."""
    with SANDBOX.store.transaction() as transaction:
        transaction.restore(view)


@api.auth()
class Key:
    """The administrator's, in every request but those that are to be refused."""

    def get(self, case, context):
        return f"Bearer {SANDBOX.administrator.token}"

    def set(self, case, data, context):
        case.headers["Authorization"] = data


@api.parametrize()
@BOUNDED
def test_each_answer_is_as_documented(case):
    creates = case.operation.method.upper() == "POST"
    begin_again(BEFORE[case.operation.path] if creates else BEGINNING)
    case.call_and_validate()


class Sequences(api.as_state_machine()):
    """Requests one after another, each with what an earlier answer told."""

    def setup(self):
        begin_again()


def test_each_answer_in_a_sequence_is_as_documented():
    Sequences.run(settings=SEQUENCES)
