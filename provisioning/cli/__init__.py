"""The command line: what an operator does beside the API, and a server for one's own machine.

    commands.py   `provisioning`: the group of all commands
    tenants.py    commands for tenants and API keys
    users.py      commands for accounts, over all tenants
    transfer.py   export and import: seeds, and users from CSV
    copying.py    `provisioning copy`, from one store to another
    data.py       check, backup and restore
    audit.py      the audit of all tenants
    reference.py  the tables of docs/reference.md
    serve.py      `provisioning serve`
    serving.py    the processes that `serve` runs
    opening.py    opens the server that a command works on, or that gunicorn runs
    files.py      files that are their owner's alone, and whole or not there
    group.py      what all commands have in common

Every command works as `provisioning COMMAND` and, except for `serve`, as `flask --app app COMMAND`.
"""

import os
import sys

from flask import Flask

from provisioning.cli import opening


def application() -> Flask:
    """The application for gunicorn and flask by the environment; exits with a message on errors."""
    if os.environ.get("FLASK_RUN_FROM_CLI") != "true":
        return opening.application()
    # Imported late: gunicorn needs no commands, and starts sooner without them.
    from provisioning.cli.commands import main  # noqa: PLC0415
    from provisioning.cli.serve import serve  # noqa: PLC0415

    # Our commands open a store themselves, if they need one.
    is_ours = not main.commands.keys().isdisjoint(sys.argv[1:])
    app = Flask("provisioning", static_folder=None) if is_ours else opening.application()
    for name, command in main.commands.items():
        if name != serve.name:
            app.cli.add_command(command)
    return app
