"""What any Flask server costs: one route that returns a constant JSON, and no more."""

import os
from pathlib import Path

from flask import Flask, Response

CONTENT = Path(os.environ["BENCH_CONTENT"]).read_bytes()

app = Flask(__name__, static_folder=None)


@app.get("/")
def show_constant() -> Response:
    return Response(CONTENT, mimetype="application/json")
