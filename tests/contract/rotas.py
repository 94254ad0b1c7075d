"""A further resource that differs: its records name a user and hold a list, so it writes routes."""

from flask import Response
from marshmallow import fields, validate

from provisioning.domain import people
from provisioning.domain.errors import Conflict, Invalid
from provisioning.domain.records import Records
from provisioning.store import Record
from provisioning.web.access import changing, reading
from provisioning.web.answers import answer, created, nothing, require_match
from provisioning.web.collection import AccountId, Collection
from provisioning.web.fields import Choice, Slug, Text
from provisioning.web.operation import Variable
from provisioning.web.paging import list_query, listed
from provisioning.web.records import RecordSchema, load_new, show
from provisioning.web.routing import Resource

DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY")


class RotaSchema(RecordSchema):
    """Who leads on which days. `lead` is a username, `days` has at most five."""

    example = {"label": "night", "lead": "alice@acme.test", "days": ["MONDAY", "FRIDAY"]}
    orders = ("label",)

    label = Slug(50)
    lead = Text(254, required=True)
    days = fields.List(
        Choice("Day", DAYS, allow_none=False), validate=validate.Length(max=5), load_default=list
    )


ROTA = RotaSchema()
COLLECTION = Collection(
    "rotas",
    seed="rotas",
    audit="rotas",
    schema=ROTA,
    # In the store `lead` is the account's id, which stays when the account is renamed.
    own={"lead": AccountId()},
    text=("label",),
)

rotas = Resource(
    "rotas",
    __name__,
    "Who leads on which days.",
    variables={"/rotas/<label>": Variable("label", "The label of a rota.", "night")},
    collections=[COLLECTION],
)


def show_rota(records: Records, rota: Record) -> Record:
    return show(ROTA, rota, lead=people.username_of(records.view, rota["lead"]))


@rotas.operation("GET", "/rotas", answer=ROTA, many=True)
def list_rotas() -> Response:
    """List the tenant's rotas."""
    records = reading()
    query = list_query(ROTA, "label", within=("tenant", records.label))
    return listed(records.query("rotas", query), query, show_rota)


@rotas.operation("POST", "/rotas", body=ROTA, answer=ROTA, conflict="The label is taken.")
def create_rota(body: Record) -> Response:
    """Add a rota."""
    given = load_new(ROTA, body)
    with changing() as records:
        key = records.own_key(given["label"])
        if records.get("rotas", key) is not None:
            raise Conflict("The tenant has one with this label. Change that one instead.")
        user, account = people.find_account(records, given["lead"])
        if not people.privileges_of(records, user):
            raise Invalid.member("lead", "Must be a user of this tenant.")
        rota = records.put("rotas", key, given | {"lead": account["id"]})
        return created(show_rota(records, rota), "rotas", given["label"])


@rotas.operation("GET", "/rotas/<label>", answer=ROTA)
def show_one_rota(label: str) -> Response:
    """Show a rota."""
    records = reading()
    return answer(show_rota(records, records.find("rotas", records.own_key(label))))


@rotas.operation("DELETE", "/rotas/<label>")
def remove_rota(label: str) -> Response:
    """Remove a rota, for good."""
    with changing() as records:
        key = records.own_key(label)
        require_match(show_rota(records, records.find("rotas", key)))
        records.remove("rotas", key)
    return nothing()
