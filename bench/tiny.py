"""A whole server of Flask and TinyDB as a tutorial makes one: a list from a JSON file."""

import os

from flask import Flask
from tinydb import TinyDB

app = Flask(__name__, static_folder=None)
USERS = TinyDB(f"{os.environ['PROVISIONING_DATA']}.tiny").table("users")


@app.get("/health/live")
def list_users() -> list[dict[str, object]]:
    return [dict(user) for user in USERS.all()]
