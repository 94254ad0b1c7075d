"""The door for gunicorn (`gunicorn app:app`) and for flask (`flask --app app init`).

Run as a script it is `provisioning serve`, a server for one's own machine.
"""

from provisioning.cli import application, serve

if __name__ == "__main__":
    serve()
else:
    app = application()
