"""The routes of dashboards and statements, which come from the catalogue or are a tenant's own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask import Response

from provisioning.domain.catalogue import Catalogue
from provisioning.domain.errors import Conflict
from provisioning.domain.records import Records, not_found
from provisioning.domain.services import entries_on_show
from provisioning.resources.services import catalogue_text
from provisioning.store import Record, select
from provisioning.web.access import reading
from provisioning.web.answers import answer
from provisioning.web.collection import Collection
from provisioning.web.own import serve_own
from provisioning.web.paging import list_query, listed
from provisioning.web.records import show
from provisioning.web.routing import Resource

MENU_ORDER = "listOrder,label"


@dataclass(frozen=True)
class Entries:
    """Dashboards or statements: where a tenant's own are stored, and where the catalogue's are."""

    noun: str
    own: Collection
    of_catalogue: Callable[[Catalogue], Mapping[str, Record]]
    dependents: tuple[Collection, ...] = ()
    """Collections whose record with the same label is removed with the tenant's own entry."""

    def on_show(self, records: Records, subscribed: bool) -> list[Record]:
        entries = self.of_catalogue(records.catalogue).values()
        return entries_on_show(records, records.all(self.own.table), entries, subscribed)

    def find(self, records: Records, label: str) -> Record:
        """The entry with this label that the tenant sees, its own or the catalogue's."""
        own = records.get(self.own.table, records.own_key(label))
        entry = self.of_catalogue(records.catalogue).get(label)
        for found in entries_on_show(
            records, [own] if own else [], [entry] if entry else [], subscribed=False
        ):
            return found
        raise not_found()

    def show(self, _: Records, entry: Record) -> Record:
        return show(self.own.schema, entry)

    def require_free(self, records: Records, label: str) -> None:
        if label in self.of_catalogue(records.catalogue):
            raise Conflict("The catalogue has one with this label. Choose another label.")


def serve_entries(resource: Resource, entries: Entries) -> None:
    """Serve the eight routes of section 2 that dashboards and statements share."""
    noun, schema = entries.noun, entries.own.schema

    def list_entries(subscribed: bool) -> Response:
        query = list_query(schema, MENU_ORDER)
        found = entries.on_show(reading(), subscribed)
        return listed(select(found, query, catalogue_text), query, entries.show)

    @resource.operation("GET", f"/{noun}s", name=f"list_{noun}s", answer=schema, many=True)
    def list_all() -> Response:
        """List the tenant's own and the whole catalogue, subscribed or not."""
        return list_entries(subscribed=False)

    @resource.operation(
        "GET", f"/service-{noun}s", name=f"list_service_{noun}s", answer=schema, many=True
    )
    def list_subscribed() -> Response:
        """List the tenant's own and those of services with an active subscription."""
        return list_entries(subscribed=True)

    @resource.operation("GET", f"/{noun}s/<label>", name=f"show_{noun}", answer=schema)
    def show_any(label: str) -> Response:
        """Show one, the tenant's own or of the catalogue."""
        records = reading()
        return answer(entries.show(records, entries.find(records, label)))

    serve_own(
        resource,
        entries.own,
        f"tenant-{noun}",
        order=MENU_ORDER,
        require_free=entries.require_free,
        dependents=entries.dependents,
    )
