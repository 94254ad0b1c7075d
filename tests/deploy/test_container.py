"""deploy/Containerfile and compose.yaml, as far as a machine without containers can use them."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import yaml

from provisioning.gunicorn_conf import graceful_timeout
from provisioning.settings import Settings
from tests.edge.serving import ROOT, served

from .conftest import PIP
from .proxy import DEPLOY

COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
API = COMPOSE["services"]["api"]
INIT = shlex.split("init --tenant acme --name Acme --admin alice@acme.test --json")
SECRET = re.compile(r"password|token|secret", re.IGNORECASE)


def instructions() -> list[tuple[str, str]]:
    lines = (DEPLOY / "Containerfile").read_text().splitlines()
    return [
        tuple(line.split(" ", 1))  # type: ignore[misc]
        for line in lines
        if line and not line.startswith("#")
    ]


def told(name: str) -> list[str]:
    return [words for instruction, words in instructions() if instruction == name]


def stage(number: int) -> list[tuple[str, str]]:
    begins = [at for at, (name, _) in enumerate(instructions()) if name == "FROM"] + [None]
    return instructions()[begins[number] : begins[number + 1]]


def test_the_image_runs_as_a_user_that_is_not_root_and_stops_as_gunicorn_does():
    (user,) = told("USER")
    assert user.isdigit() and user != "0"
    assert told("STOPSIGNAL") == ["SIGTERM"]
    assert int(API["stop_grace_period"].removesuffix("s")) > graceful_timeout


@pytest.mark.slow
def test_what_the_image_is_built_of_serves_and_is_healthy(tmp_path):
    source, installed = tmp_path / "src", tmp_path / "opt"
    source.mkdir()
    # The build: its steps, one after the other, in a folder that holds nothing else.
    for name, words in stage(0):
        if name == "COPY":
            *patterns, target = words.split()
            place = source / target
            for found in (path for pattern in patterns for path in sorted(ROOT.glob(pattern))):
                if found.is_dir():
                    shutil.copytree(found, place, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    place.mkdir(exist_ok=True)
                    shutil.copy(found, place)
        elif name == "RUN":
            here = words.replace("/opt/provisioning", str(installed))
            here = re.sub(r"^python\b", shlex.quote(sys.executable), here)
            run = ["/bin/sh", "-ec", here]
            environment = os.environ | PIP
            subprocess.run(run, cwd=source, env=environment, check=True, capture_output=True)
    shutil.rmtree(source)
    # What the image starts, and how it is asked whether it is well.
    program, *options = json.loads(told("CMD")[0])
    options[options.index("--bind") + 1] = "127.0.0.1:0"
    python = str(installed / "bin" / "python")
    command = ("-m", program, *options)
    (check,) = told("HEALTHCHECK")
    asks = json.loads(check.partition(" CMD ")[2])
    (tmp_path / "data").mkdir()
    data = tmp_path / "data" / "db.json"
    with served(data, command=command, python=python, cwd=data.parent) as server:
        asks = [python, *asks[1:-1], asks[-1].replace(":8000/", f":{server.port}/")]
        assert subprocess.run(asks, check=False, cwd=data.parent).returncode == 0
        initialised = subprocess.run(
            [installed / "bin" / "provisioning", *INIT],
            env={"PROVISIONING_DATA": str(data)},
            cwd=data.parent,
            check=True,
            capture_output=True,
        )
        token = json.loads(initialised.stdout)["apiToken"]
        assert server.client(token).get("/whoami").status_code == 200
        server.process.terminate()
        assert server.process.wait(graceful_timeout) == 0
    asks[-1] = asks[-1].replace(f":{server.port}/", ":9/")
    assert subprocess.run(asks, check=False, capture_output=True).returncode != 0


def test_the_compose_file_names_settings_that_there_are_and_holds_no_secret():
    environment = {
        name: re.sub(r"\$\{\w+:-(.*)\}", r"\1", str(text))
        for name, text in API["environment"].items()
        if name.startswith("PROVISIONING_")
    }
    assert environment.pop("PROVISIONING_DATA").startswith("postgresql://provisioning@database/")
    Settings.from_env(environment)
    for service in COMPOSE["services"].values():
        for name, text in service["environment"].items():
            assert not SECRET.search(name) or str(text).startswith("${")


def test_the_compose_file_builds_the_containerfile_and_opens_the_server_to_this_machine_alone():
    build = API["build"]
    assert (DEPLOY / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]) == DEPLOY / "Containerfile"
    assert API["ports"] == ["127.0.0.1:8000:8000"]
