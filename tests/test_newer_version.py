"""A newer version takes the store over while this one runs, which then writes no more into it."""

from pathlib import Path

import pytest

from provisioning.factory import COLLECTIONS, open_store
from provisioning.settings import Settings
from provisioning.store import Step, opening
from provisioning.store.opening import Place, place_of
from provisioning.testing.sandbox import Sandbox
from tests.postgresql import new_schema

NEWER = COLLECTIONS.form._replace(steps=(*COLLECTIONS.form.steps, Step()))
PATHS = [
    ("GET", "/users"),
    ("GET", "/users?q=alice"),
    ("PUT", "/users/alice@acme.test"),
    ("POST", "/privileges"),
    ("DELETE", "/api-keys/key-1"),
    ("OPTIONS", "/users"),
    ("GET", "/no-such-path"),
    ("PATCH", "/users"),
    ("GET", "//openapi.json"),
    ("GET", "//docs"),
    ("GET", "//console"),
    ("GET", "//health/ready"),
]


@pytest.fixture(
    params=["file", "sqlite", pytest.param("postgresql", marks=pytest.mark.slow)],
)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "postgresql":
        return place_of(new_schema(request.getfixturevalue("postgresql")))
    return place_of(
        str(tmp_path / "db.json") if request.param == "file" else f"sqlite:///{tmp_path}/p.db"
    )


def test_every_request_is_503_with_both_numbers_but_the_one_for_life(place: Place) -> None:
    sandbox = Sandbox(store=open_store(Settings(data=place)))
    newer = opening.open_store(place, NEWER)
    with newer.read() as view:
        before = {name: list(view.documents(name)) for name in COLLECTIONS}
    for verb, path in PATHS:
        body = {"json": {"firstName": "lost"}} if verb in ("PUT", "POST") else {}
        answer = sandbox.administrator.request(verb, path, **body)
        assert answer.status_code == 503, (verb, path)
        assert "form 3" in answer.json["detail"], (verb, path)
        assert "form 2" in answer.json["detail"]
    assert sandbox.client().get("/users").status_code == 503  # also without a key
    assert sandbox.client().get("//health/live").status_code == 200
    with newer.read() as view:
        assert {name: list(view.documents(name)) for name in COLLECTIONS} == before
    newer.close()


def test_it_serves_again_once_the_backup_of_the_upgrade_is_put_back(tmp_path: Path) -> None:
    data = tmp_path / "db.json"
    sandbox = Sandbox(store=open_store(Settings(data=data)))
    opening.open_store(Place("file", data), NEWER)
    assert sandbox.administrator.get("/users").status_code == 503
    data.with_name("db.json.v2").rename(data)
    assert sandbox.administrator.get("/users").status_code == 200
