"""The Provisioning API server.

    factory.py    puts everything together: create_app(settings)
    resources/    what we serve, one file per resource: its schema and its routes
    web/          HTTP, once: admission, bodies, paging, ETags, problems, OpenAPI
    domain/       what provisioning means: windows, roles, tenants, rules between records
    store/        the file: views, transactions, durability
    settings.py   every setting
    seed.py       demo data, seeds and the catalogue; transfer.py and people_csv.py: in and out
    accounts.py   accounts moved, renamed and erased, by whoever runs the server
    control/      the control API: state, time, requests and faults of a mock
    testing/      a server in a thread, the pytest plugin
    cli/          the command line, `provisioning serve` with it; onboarding.py makes first
                  tenants and keys
    gunicorn_conf.py  how gunicorn runs it; output.py: lines of a log may be lost, answers not
    local_server.py   HTTP for the servers of testing/

Imports go one way: factory, then resources, web, domain, store.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from provisioning.factory import create_app
    from provisioning.settings import Settings

__all__ = ["Settings", "__version__", "create_app"]

__version__ = "0.2.0"
"""Of this server; what the base path tells is the version of the API."""


def __getattr__(name: str) -> Any:
    # pytest imports our plugin in every run: that must not import the whole server.
    if name == "create_app":
        from provisioning.factory import create_app  # noqa: PLC0415

        return create_app
    if name == "Settings":
        from provisioning.settings import Settings  # noqa: PLC0415

        return Settings
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
