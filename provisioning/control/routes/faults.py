"""Routes that list, add and remove faults."""

from flask import Response

from provisioning.control.faults import FAULT, MOST_FAULTS
from provisioning.control.routes.serving import SEVERAL, control, control_resource, created
from provisioning.domain.errors import NotFound
from provisioning.store import Record
from provisioning.web.answers import nothing, plain
from provisioning.web.operation import Variable

faults = control_resource(
    "faults",
    __name__,
    "Delays, errors, and connections that end too early.",
    variables={
        "/faults/<int:number>": Variable("id", "The id of a fault.", 1, {"type": "integer"})
    },
)


@faults.operation("GET", "/faults", answer=FAULT, many=True)
def list_faults() -> Response:
    """List the faults, and how often each has struck."""
    return plain(control().faults.all())


@faults.operation(
    "POST",
    "/faults",
    body=FAULT,
    answer=FAULT,
    conflict=f"There are {MOST_FAULTS} faults already. Or: {SEVERAL}",
)
def create_fault(body: Record) -> Response:
    """Add a fault.

    It strikes requests that have a route and an admitted caller. Of several that fit the first
    strikes, and no other.
    """
    return created(control().faults.add_terms(body))


@faults.operation("DELETE", "/faults")
def clear_faults() -> Response:
    """Remove all faults, and let requests go on that a delay holds."""
    control().faults.clear()
    return nothing()


@faults.operation("GET", "/faults/<int:number>", answer=FAULT)
def get_fault(number: int) -> Response:
    """Show a fault, and how often it has struck."""
    fault = control().faults.find(number)
    if fault is None:
        raise NotFound(f"There is no fault {number}.")
    return plain(fault)


@faults.operation("DELETE", "/faults/<int:number>")
def delete_fault(number: int) -> Response:
    """Remove a fault."""
    if not control().faults.remove(number):
        raise NotFound(f"There is no fault {number}.")
    return nothing()
