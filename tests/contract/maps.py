"""A tenth resource of the ordinary kind: this file, and its name in the factory's list."""

from provisioning.web.collection import Collection
from provisioning.web.fields import LongText, Slug, Text, Whole
from provisioning.web.operation import Variable
from provisioning.web.own import serve_own
from provisioning.web.records import RecordSchema
from provisioning.web.routing import Resource


class MapSchema(RecordSchema):
    """A map that a tenant has drawn."""

    example = {"title": "Depots", "label": "depots", "scale": 50_000}

    title = Text(required=True)
    label = Slug(50)
    scale = Whole(1, 1_000_000)
    legend = LongText()


COLLECTION = Collection(
    "maps", seed="maps", audit="maps", schema=MapSchema(), text=("title", "label")
)

maps = Resource(
    "maps",
    __name__,
    "Maps that the tenant has drawn.",
    variables={"/maps/<label>": Variable("label", "The label of a map.", "depots")},
    collections=[COLLECTION],
)
serve_own(maps, COLLECTION, "map")
