"""Routes that list, count and forget the requests in the log."""

from flask import Response, request
from marshmallow import fields

from provisioning.control.request_log import OF_A_PART, OF_THE_WHOLE
from provisioning.control.routes.serving import control, control_resource
from provisioning.domain.errors import Invalid
from provisioning.store import Record
from provisioning.web.answers import nothing, plain
from provisioning.web.fields import Choice, Moment, Text
from provisioning.web.operation import TEXT, Parameter
from provisioning.web.records import RecordSchema

WORDS = {"true": True, "false": False}
LONGEST_NUMBER = 9
LOWEST = {"limit": 1, "since": 0}
NUMBER = {"type": "integer", "minimum": 0}
FILTERS = [
    Parameter("method", "The verb.", TEXT | {"examples": ["PUT"]}),
    Parameter(
        "path",
        "A pattern of paths, whole or below the base path. `*` stands for any text within a "
        "segment, and `**` for any text.",
        TEXT | {"examples": ["/users/*"]},
    ),
    Parameter("status", "A status, or a class of them.", TEXT | {"examples": ["404", "4xx"]}),
    Parameter("tenant", "The label of the tenant that the request acted on."),
    Parameter("key", "The id of the API key that came with the request."),
    Parameter("user", "The username of the key's owner, in lower case."),
    Parameter(
        "matched",
        "`false` finds the requests for which there is no route.",
        Choice("Truth", tuple(WORDS), allow_none=False),
    ),
    Parameter(
        "console",
        "`false` leaves out what the console has asked for. Of that, the last 200 are kept beside "
        "the others, whose place it never takes.",
        Choice("Truth", tuple(WORDS), allow_none=False),
    ),
    Parameter(
        "since",
        "The id of a request: only later ones are found. Ask with the last id that you have seen "
        "to follow the requests as they come. One that was never given finds all.",
        NUMBER,
    ),
    Parameter(
        "limit",
        "So many of the last that pass the other filters are found.",
        NUMBER | {"minimum": 1},
    ),
    Parameter(
        "body.MEMBER",
        "The value of a member of the request's body, as `body.role=ADMINISTRATOR`. Dots lead into "
        "nested objects.",
    ),
    Parameter(
        "header.NAME", "The value of a header of the request, as `header.User-Agent=curl/8.1`."
    ),
    Parameter("query.NAME", "The value of a parameter in the request's query: `query.page=2`."),
]


class EntrySchema(RecordSchema):
    """One request and its answer. Secrets are masked, and what is too long is cut.

    `status` and `responseBody` are null where a fault left the request without an answer, `matched`
    is the route that served it, `fault` the id of the one that struck. `duration` is in ms. A body
    is JSON, or a remark in brackets where it was none, or too long.
    """

    example = {
        "id": 41,
        "at": "2026-01-15T12:00:00Z",
        "client": "127.0.0.1",
        "duration": 1.207,
        "method": "PUT",
        "path": "/api/v1/provisioning/info",
        "query": "",
        "status": 200,
        "tenant": "acme",
        "key": "key-1",
        "user": "alice@acme.test",
        "matched": "/info",
        "fault": None,
        "requestId": "c1d8e0d1f8b44ae0",
        "headers": {"User-Agent": "curl/8.1", "Content-Type": "application/json"},
        "requestBody": {"theme": "dark"},
        "responseBody": {"label": "acme", "theme": "dark"},
    }

    id = fields.Integer(dump_only=True)
    at = Moment(dump_only=True, allow_none=False)
    client = Text(allow_none=False, dump_only=True)
    duration = fields.Float(dump_only=True)
    method = Text(allow_none=False, dump_only=True)
    path = Text(2_100, allow_none=False, dump_only=True)
    query = Text(2_100, allow_none=False, dump_only=True)
    status = fields.Integer(dump_only=True, allow_none=True)
    tenant = Text(dump_only=True)
    key = Text(dump_only=True)
    user = Text(254, dump_only=True)
    matched = Text(dump_only=True)
    fault = fields.Integer(dump_only=True, allow_none=True)
    requestId = Text(allow_none=False, dump_only=True)
    headers = fields.Dict(keys=fields.String(), values=fields.String(), dump_only=True)
    requestBody = fields.Raw(dump_only=True)
    responseBody = fields.Raw(dump_only=True)


class CountSchema(RecordSchema):
    """How many requests there are."""

    example = {"count": 2}

    count = fields.Integer(dump_only=True)


class HarSchema(RecordSchema):
    """A document of the HTTP Archive format, version 1.2; its `log` has `entries`."""

    example = {"log": {"version": "1.2", "creator": {"name": "provisioning"}, "entries": []}}

    log = fields.Dict(dump_only=True)


HAR = HarSchema()
ENTRY = EntrySchema()
COUNT = CountSchema()

requests = control_resource(
    "requests", __name__, "The last requests and their answers, without secrets."
)


def _criteria() -> Record:
    """The filters in the query, as criteria of RequestLog.find; Invalid for unknown filters."""
    given = request.args.to_dict()
    criteria: Record = {}
    for name, text in given.items():
        part, dot, inner = name.partition(".")
        if name in OF_THE_WHOLE:
            criteria[name] = text
        elif dot and inner and part in OF_A_PART:
            criteria.setdefault(part, {})[inner] = text
        else:
            allowed = ", ".join(parameter.name for parameter in FILTERS)
            raise Invalid.member(name, f"This is no filter. There are {allowed}.")
    for name in criteria.keys() & {"matched", "console"}:
        if criteria[name] not in WORDS:
            raise Invalid.member(name, "Must be true or false.")
        criteria[name] = WORDS[criteria[name]]
    for name in criteria.keys() & LOWEST.keys():
        criteria[name] = _whole(name, criteria[name])
    return criteria


def _whole(name: str, text: str) -> int:
    is_number = text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER
    if not is_number or int(text) < LOWEST[name]:
        raise Invalid.member(name, f"Must be a whole number from {LOWEST[name]}.")
    return int(text)


@requests.operation("GET", "/requests", answer=ENTRY, many=True, parameters=FILTERS)
def list_requests() -> Response:
    """List the last requests that pass every filter, newest last.

    The control API's own requests are not among them, nor are those for documents and health.
    """
    return plain(control().requests.find(**_criteria()))


@requests.operation("GET", "/requests/count", answer=COUNT, parameters=FILTERS)
def count_requests() -> Response:
    """Count the requests that pass every filter."""
    return plain({"count": control().requests.count(**_criteria())})


@requests.operation("GET", "/requests/har", answer=HAR, parameters=FILTERS)
def export_requests() -> Response:
    """Show the requests that pass every filter as a HAR 1.2 document, for other tools."""
    return plain(control().requests.har(**_criteria()))


@requests.operation("DELETE", "/requests")
def clear_requests() -> Response:
    """Forget all requests. Their ids are not given again."""
    control().requests.clear()
    return nothing()
