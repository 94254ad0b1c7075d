"""The door for gunicorn (`gunicorn app:app`) and for flask (`flask --app app init`).

Run as a script it is `provisioning serve`, a server for one's own machine.
"""

if __name__ == "__main__":
    from provisioning.cli.serve import serve

    serve()
else:
    from provisioning.cli import application

    app = application()
