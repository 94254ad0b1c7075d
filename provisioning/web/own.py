"""The five routes of records that a tenant owns and that have a label."""

from collections.abc import Callable

from flask import Response

from provisioning.domain.bounds import FULL
from provisioning.domain.errors import Conflict
from provisioning.domain.records import Records
from provisioning.store import Record
from provisioning.web.access import changing, reading
from provisioning.web.answers import answer, created, nothing, require_match
from provisioning.web.collection import Collection
from provisioning.web.paging import list_query, listed
from provisioning.web.records import begun, changed, load_changes, load_new, require_same, show
from provisioning.web.routing import Resource


def allow(records: Records, label: str) -> None:
    """Allow every label: the default of `require_free`."""


def serve_own(
    resource: Resource,
    collection: Collection,
    noun: str,
    order: str = "label",
    require_free: Callable[[Records, str], None] = allow,
    dependents: tuple[Collection, ...] = (),
) -> None:
    """Serve a collection whose records have a label at /NOUNs; `order` is that of its list.

    `require_free` raises Conflict for a label that may not be taken. When a record is removed, the
    records of the `dependents` with the same label are removed, too.
    """
    schema, table, path = collection.schema, collection.table, f"/{noun}s"
    name = noun.replace("-", "_")

    def find(records: Records, label: str) -> Record:
        return records.find(table, records.own_key(label))

    def shown(_: Records, record: Record) -> Record:
        return show(schema, record)

    @resource.operation("GET", path, name=f"list_{name}s", answer=schema, many=True)
    def list_own() -> Response:
        """List the tenant's own."""
        records = reading()
        query = list_query(schema, order, within=("tenant", records.label))
        return listed(records.query(table, query), query, shown)

    @resource.operation(
        "POST",
        path,
        name=f"create_{name}",
        body=schema,
        answer=schema,
        conflict=f"The label is taken. {FULL}" if collection.is_bounded else "The label is taken.",
    )
    def create_own(body: Record) -> Response:
        """Add one of the tenant's own."""
        given = load_new(schema, body)
        label = given["label"]
        with changing() as records:
            record = begun(given, records.now)
            require_free(records, label)
            if records.get(table, records.own_key(label)) is not None:
                raise Conflict("The tenant has one with this label. Change that one instead.")
            records.put(table, records.own_key(label), record)
            return created(shown(records, record), f"{noun}s", label)

    @resource.operation("GET", f"{path}/<label>", name=f"show_{name}", answer=schema)
    def show_own(label: str) -> Response:
        """Show one of the tenant's own."""
        records = reading()
        return answer(shown(records, find(records, label)))

    @resource.operation(
        "PUT",
        f"{path}/<label>",
        name=f"replace_{name}",
        body=schema,
        answer=schema,
        conflict=FULL if collection.is_bounded else None,
    )
    def replace_own(label: str, body: Record) -> Response:
        """Change one of the tenant's own; its label stays."""
        changes = load_changes(schema, body, lambda: find(reading(), label))
        require_same("label", changes.get("label", label), label)
        with changing() as records:
            record = find(records, label)
            require_match(shown(records, record))
            record = records.put(table, records.own_key(label), changed(record, changes))
            return answer(shown(records, record))

    @resource.operation("DELETE", f"{path}/<label>", name=f"remove_{name}")
    def remove_own(label: str) -> Response:
        """Remove one of the tenant's own, for good."""
        with changing() as records:
            record = find(records, label)
            require_match(shown(records, record))
            for each in (collection, *dependents):
                if records.get(each.table, records.own_key(label)) is not None:
                    records.remove(each.table, records.own_key(label))
        return nothing()
