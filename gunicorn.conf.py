"""How `gunicorn app:app` runs; gunicorn finds this file by itself in the folder it starts in."""

from provisioning.gunicorn_conf import *  # noqa: F403 - settings are gunicorn's names
