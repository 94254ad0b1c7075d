"""What dashboards and statements have in common: catalogue entries and a tenant's own.

Of both there are three lists and one set of routes for the tenant's own; `serve_entries`
gives them to a resource.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask import Response

from provisioning.domain.catalogue import Catalogue
from provisioning.domain.errors import Conflict
from provisioning.domain.records import Records, not_found
from provisioning.domain.services import entries_on_show
from provisioning.resources.services import catalogue_text
from provisioning.store import Record, select
from provisioning.web.answers import answer, created, nothing, require_match
from provisioning.web.context import changing, now, reading
from provisioning.web.paging import list_query, listed
from provisioning.web.records import (
    RecordSchema,
    load_changes,
    load_new,
    require_same,
    show,
)
from provisioning.web.routing import Resource

MENU_ORDER = "listOrder,label"


@dataclass(frozen=True)
class Kind:
    """Dashboards or statements."""

    noun: str
    table: str
    schema: RecordSchema
    entries: Callable[[Catalogue], Mapping[str, Record]]
    dependents: tuple[str, ...] = ()
    """Tables whose record of the same key goes when the tenant's own goes."""

    def on_show(self, records: Records, subscribed: bool) -> list[Record]:
        entries = self.entries(records.catalogue).values()
        return entries_on_show(records, records.all(self.table), entries, subscribed)

    def find(self, records: Records, label: str) -> Record:
        """One that the tenant sees, its own or of the catalogue."""
        for entry in self.on_show(records, subscribed=False):
            if entry["label"] == label:
                return entry
        raise not_found()

    def find_own(self, records: Records, label: str) -> Record:
        return records.find(self.table, records.own_key(label))

    def show(self, _: Records, entry: Record) -> Record:
        return show(self.schema, entry)


def serve_entries(resource: Resource, kind: Kind) -> None:
    """The eight routes of section 2 that dashboards and statements share."""
    noun, schema = kind.noun, kind.schema
    own = f"/tenant-{noun}s"

    def list_entries(entries: list[Record]) -> Response:
        query = list_query(schema, MENU_ORDER)
        return listed(select(entries, query, catalogue_text), query, kind.show)

    @resource.operation("GET", f"/{noun}s", name=f"list_{noun}s", answer=schema, many=True)
    def list_all() -> Response:
        """List the tenant's own and the whole catalogue, subscribed or not."""
        return list_entries(kind.on_show(reading(), subscribed=False))

    @resource.operation(
        "GET", f"/service-{noun}s", name=f"list_service_{noun}s", answer=schema, many=True
    )
    def list_subscribed() -> Response:
        """List the tenant's own and those of services with an active subscription."""
        return list_entries(kind.on_show(reading(), subscribed=True))

    @resource.operation("GET", f"/{noun}s/<label>", name=f"show_{noun}", answer=schema)
    def show_any(label: str) -> Response:
        """Show one, the tenant's own or of the catalogue."""
        records = reading()
        return answer(kind.show(records, kind.find(records, label)))

    @resource.operation("GET", own, name=f"list_tenant_{noun}s", answer=schema, many=True)
    def list_own() -> Response:
        """List the tenant's own."""
        return list_entries(list(reading().all(kind.table)))

    @resource.operation(
        "POST",
        own,
        name=f"create_tenant_{noun}",
        body=schema,
        answer=schema,
        conflict=f"The tenant or the catalogue has a {noun} with this label.",
    )
    def create_own(body: Record) -> Response:
        """Add one of the tenant's own."""
        entry = load_new(schema, body, now())
        label = entry["label"]
        with changing() as records:
            if label in kind.entries(records.catalogue):
                raise Conflict(f"The catalogue has a {noun} with this label. Choose another label.")
            if records.get(kind.table, records.own_key(label)) is not None:
                raise Conflict(f"The tenant has a {noun} with this label. Change that one instead.")
            records.put(kind.table, records.own_key(label), entry)
            return created(kind.show(records, entry), f"tenant-{noun}s", label)

    @resource.operation("GET", f"{own}/<label>", name=f"show_tenant_{noun}", answer=schema)
    def show_own(label: str) -> Response:
        """Show one of the tenant's own."""
        records = reading()
        return answer(kind.show(records, kind.find_own(records, label)))

    @resource.operation(
        "PUT", f"{own}/<label>", name=f"replace_tenant_{noun}", body=schema, answer=schema
    )
    def replace_own(label: str, body: Record) -> Response:
        """Change one of the tenant's own; its label stays."""
        changes = load_changes(schema, body)
        require_same("label", changes.get("label", label), label)
        with changing() as records:
            entry = kind.find_own(records, label)
            require_match(kind.show(records, entry))
            entry = records.put(kind.table, records.own_key(label), entry | changes)
            return answer(kind.show(records, entry))

    @resource.operation("DELETE", f"{own}/<label>", name=f"remove_tenant_{noun}")
    def remove_own(label: str) -> Response:
        """Remove one of the tenant's own, for good."""
        with changing() as records:
            entry = kind.find_own(records, label)
            require_match(kind.show(records, entry))
            for table in (kind.table, *kind.dependents):
                if records.get(table, records.own_key(label)) is not None:
                    records.remove(table, records.own_key(label))
        return nothing()
