"""The Provisioning API server.

    factory.py    puts everything together: create_app(settings)
    resources/    what we serve, one file per resource: its schema and its routes
    web/          HTTP, once: admission, bodies, paging, ETags, problems, OpenAPI
    domain/       what provisioning means: windows, roles, tenants, rules between records
    store/        the file: views, transactions, durability
    settings.py   every setting
    seed.py       demo data, seeds and the catalogue; stored.py checks what people edit
    control/      the control API: state, time, requests and faults of a mock
    testing/      a server in a thread, the pytest plugin
    cli.py        the command line

Imports go one way: factory, then resources, web, domain, store.
"""

from provisioning.factory import create_app
from provisioning.settings import Settings

__all__ = ["Settings", "create_app"]
