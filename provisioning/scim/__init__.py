"""SCIM 2.0 (RFC 7643, 7644): identity providers such as Okta and Entra ID provision a tenant.

    identities.py  stores what the API's records lack: external ids, and whom SCIM has removed
    models.py      the attributes of users and groups, for what the server says of itself
    messages.py    bodies, lists, ETags and errors in SCIM's forms
    parameters.py  what a request wants to be shown, and in which order
    filters.py     the language of filters
    search.py      finds users: what the store can answer it is asked
    patch.py       what a body asks for, as steps
    people.py      shows a user as a resource, and changes one
    routing.py     the Resource of all routes, and who may use them
    users.py groups.py discovery.py  the routes

This is an optional part: to remove it, delete this folder and its name in factory.py. Nothing of
scim2-models is loaded unless the settings ask for SCIM.
"""

from collections.abc import Sequence
from importlib.util import find_spec

from provisioning.scim.identities import COLLECTIONS
from provisioning.settings import BadSetting, Settings
from provisioning.web.routing import Resource

collections = COLLECTIONS
"""Stores have these tables always, so that one written with SCIM opens without it."""


def resources(settings: Settings) -> Sequence[Resource]:
    """The resources to serve, if the settings ask for SCIM; BadSetting if packages are missing."""
    if not settings.has_scim:
        return ()
    if find_spec("scim2_models") is None:
        raise BadSetting(
            "PROVISIONING_SCIM: is on, and the packages that it needs are missing. They come with "
            "pip install '.[scim]'"
        )
    from provisioning.scim import discovery, routing  # noqa: PLC0415 - they need scim2-models

    return (routing.scim,) if discovery.SCHEMAS else ()
