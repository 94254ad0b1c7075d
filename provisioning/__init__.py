"""The Provisioning API server.

    factory.py    puts everything together: create_app(settings)
    resources/    what we serve, one file per resource: its schema and its routes
    web/          HTTP for all resources: admission, bodies, paging, ETags, problems, OpenAPI
    domain/       what provisioning means: windows, roles, tenants, rules between records
    store/        where records are kept (memory, JSON file, SQL): views, transactions, durability
    settings.py   every setting
    seed.py       demo data, seeds and the catalogue
    transfer.py   export and import of seeds; people_csv.py imports users from CSV, which
                  spreadsheet.py reads
    accounts.py   moves, renames and erases accounts for whoever runs the server
    control/      the control API: state, time, requests and faults of a mock
    testing/      a server in a thread, the pytest plugin
    cli/          the command line, `provisioning serve` included
    onboarding.py     makes tenants and their first keys, for cli/ and control/
    gunicorn_conf.py  how gunicorn runs the server
    output.py         a stdout and stderr that never make a request wait
    local_server.py   the HTTP server of testing/

Imports go one way: factory, then resources, web, domain, store.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from provisioning.factory import create_app
    from provisioning.settings import Settings

__all__ = ["Settings", "__version__", "create_app"]

__version__ = "0.2.0"
"""The version of this server. The version of the API is the one in the base path."""


def __getattr__(name: str) -> Any:
    # pytest imports our plugin in every run: that must not import the whole server.
    if name == "create_app":
        from provisioning.factory import create_app  # noqa: PLC0415

        return create_app
    if name == "Settings":
        from provisioning.settings import Settings  # noqa: PLC0415

        return Settings
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
