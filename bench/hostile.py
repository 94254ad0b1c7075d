"""How long hostile queries, bodies and patterns take, beside what is plain of the same size.

python -m bench.hostile
"""

import functools
import json
from collections.abc import Callable

from bench.load import median_seconds
from provisioning.control.paths import matches
from provisioning.testing.sandbox import Sandbox
from tests.edge.test_bounds import MANY, QUERIES, path_of

USERS = 300


def main() -> None:
    sandbox = Sandbox()
    for number in range(USERS):
        sandbox.add_user(f"user{number}@acme.test", firstName="x" * 250, lastName="y" * 250)
    client = sandbox.administrator

    def get(query: str) -> Callable[[], object]:
        return lambda: client.get(f"/users?{query}")

    plain = median_seconds(get("size=20"), 5)
    print(f"a plain list: {plain * 1e3:.1f} ms")
    for each in QUERIES:
        taken = median_seconds(get(str(each.values[0])), 3)
        print(f"  {taken / plain:6.1f} times for {each.id}")
    harmless = median_seconds(lambda: json.loads(MANY["unknown members"]), 3)
    print(f"parsing 1 MiB of harmless JSON: {harmless * 1e3:.0f} ms")
    for kind, body in MANY.items():
        taken = median_seconds(post(client, path_of(kind), body), 1)
        print(f"  {taken / harmless:6.1f} times for {kind}")
    path = "/" + "a" * 8_000
    literal = median_seconds(lambda: matches(path, path), 5)
    print(f"a path of 8,000 letters and itself as a pattern: {literal * 1e3:.1f} ms")
    for pattern in ("/**a**a**a**b", "/" + "**a" * 300 + "b", "/" + "*a" * 400 + "b"):
        taken = median_seconds(functools.partial(matches, pattern, path), 5)
        print(f"  {taken / literal:6.1f} times for {pattern[:20]}")


def post(client: object, path: str, body: bytes) -> Callable[[], object]:
    headers = {"Content-Type": "application/json"}
    return lambda: client.post(path, data=body, headers=headers)  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
