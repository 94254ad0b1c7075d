"""The Resource of all of SCIM's routes, and who may use them."""

from provisioning.domain import roles
from provisioning.domain.errors import DomainError, Forbidden
from provisioning.domain.records import Records
from provisioning.scim import messages
from provisioning.web import audit
from provisioning.web.context import current
from provisioning.web.fields import Choice
from provisioning.web.operation import Form, Parameter, Variable
from provisioning.web.routing import Resource


def require_provisioner(records: Records) -> None:
    """Forbidden unless the key is BASIC. Changes are audited as `scim`.

    The operation itself asks for a key that comes as bearer, and for the role ADMINISTRATOR.
    """
    current().via = audit.SCIM
    if records.caller.key_type != roles.BASIC:
        raise Forbidden("SCIM needs a BASIC key.")


RESOURCE = {"type": "object", "additionalProperties": True}
"""The JSON Schema of bodies and answers in the documents; /scim/v2/Schemas says more."""
CHANGE = {
    "conflict": "A rule between records is broken: uniqueness, a circle, the last administrator.",
    "errors": (412,),
}
QUERY = (
    Parameter("filter", "Which of them, in the words of RFC 7644, 3.4.2.2."),
    Parameter("sortBy", "The attribute to sort by."),
    Parameter(
        "sortOrder",
        "Its direction.",
        Choice("SortOrder", ("ascending", "descending"), allow_none=False),
    ),
    Parameter("startIndex", "The place of the first one, from 1.", {"type": "integer"}),
    Parameter("count", "How many at most.", {"type": "integer"}),
    Parameter("attributes", "The attributes to show, with commas."),
    Parameter("excludedAttributes", "The attributes not to show, with commas."),
)

scim = Resource(
    "scim",
    __name__,
    "SCIM 2.0 (RFC 7643, 7644), for identity providers; it describes itself at /scim/v2/Schemas.",
    base_path=messages.BASE_PATH,
    variables={
        "/Users/<user_id>": Variable("id", "A user's id.", "1"),
        "/Groups/<role>": Variable("id", "A group's id, which is a role.", "USER"),
        "/Schemas/<urn>": Variable(
            "id", "A schema's URN.", "urn:ietf:params:scim:schemas:core:2.0:User"
        ),
        "/ResourceTypes/<name>": Variable("id", "A resource type's id.", "User"),
    },
    allows=roles.ADMINISTRATORS,
    licences=(require_provisioner,),
    form=Form(
        messages.SCIM,
        body=RESOURCE,
        error={
            "type": "object",
            "description": "An error (RFC 7644, 3.12).",
            "properties": {
                "schemas": {"type": "array", "items": {"type": "string"}},
                "status": {"type": "string"},
                "scimType": {"type": "string"},
                "detail": {"type": "string"},
            },
            "required": ["schemas", "status", "detail"],
        },
    ),
)
scim.register_error_handler(DomainError, messages.on_domain_error)
scim.after_app_request(messages.in_scim_form)
