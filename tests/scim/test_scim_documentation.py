"""What the page for identity providers' administrators says to type."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from provisioning.factory import load_demo, memory_store, open_server, serve
from provisioning.settings import Settings
from provisioning.testing.listener import Listener
from provisioning.testing.provisioner import routes

PAGE = Path(__file__).parents[2] / "docs/provision-from.md"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_page_s_dialogue_with_the_demo_data():
    block = re.findall(r"```sh\n(SCIM=.*?)```", PAGE.read_text(), re.DOTALL)[0]
    settings = Settings(scim="on", demo="on")
    server = open_server(settings, memory_store())
    load_demo(server)
    listener = Listener(serve(routes(settings), server))
    host, port = listener.server_address
    try:
        said = subprocess.run(
            ["/bin/sh", "-c", block.replace("127.0.0.1:8000", f"{host}:{port}")],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    finally:
        listener.close()

    made, disabled, shown, gone = (json.loads(line) for line in said.splitlines() if line)
    assert made["displayName"] == "New Colleague"
    assert disabled["active"] is False
    assert shown == disabled
    assert gone["status"] == "404"
