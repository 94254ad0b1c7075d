"""Dashboards: those of the catalogue, and the tenant's own."""

from provisioning.resources.entries import Entries, serve_entries
from provisioning.web.collection import Collection
from provisioning.web.fields import (
    HIGHEST_LIST_ORDER,
    STATUSES,
    Choice,
    JsonObject,
    LongText,
    Slug,
    Text,
    Whole,
)
from provisioning.web.operation import Variable
from provisioning.web.records import RecordSchema
from provisioning.web.routing import Resource

DASHBOARD_TYPES = (
    "REAL_TIME",
    "OI_OVERVIEW",
    "ENTITY_OVERVIEW",
    "SYSTEM",
    "SETTINGS",
    "CUSTOM",
)


class DashboardSchema(RecordSchema):
    """A dashboard; `service` is the label of its service, null for a tenant's own."""

    example = {
        "title": "Deliveries by depot",
        "menuLabel": "Deliveries",
        "label": "deliveries-by-depot",
        "type": "CUSTOM",
        "status": "PRODUCTION",
        "listOrder": 100,
        "settings": {"refreshSeconds": 30},
    }

    title = Text(required=True)
    menuLabel = Text(50, required=True)
    label = Slug(50)
    type = Choice("DashboardType", DASHBOARD_TYPES, required=True)
    status = Choice("Status", STATUSES, required=True)
    listOrder = Whole(-HIGHEST_LIST_ORDER - 1, HIGHEST_LIST_ORDER, required=True)
    subtitle = Text()
    biLine = Text(50)
    preview = Text()
    path = Text()
    icon = Text(50)
    template = Text()
    description = LongText()
    settings = JsonObject(allow_none=True)
    service = Text(dump_only=True)


DASHBOARD = DashboardSchema()

COLLECTION = Collection(
    "dashboards",
    seed="dashboards",
    audit="tenant-dashboards",
    schema=DASHBOARD,
    is_bounded=True,
    text=("title", "label", "description"),
)

dashboards = Resource(
    "dashboards",
    __name__,
    "Dashboards of the catalogue and the tenant's own.",
    variables={
        "/dashboards/<label>": Variable("label", "The label of a dashboard.", "live-activity"),
        "/tenant-dashboards/<label>": Variable(
            "label", "The label of a dashboard of the tenant's own.", "warehouse-heatmap"
        ),
    },
    collections=[COLLECTION],
)
serve_entries(dashboards, Entries("dashboard", COLLECTION, lambda catalogue: catalogue.dashboards))
