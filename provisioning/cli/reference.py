"""`provisioning reference`: settings, commands, routes and metrics, made from the code."""

from collections.abc import Iterator, Sequence

import click

from provisioning.cli.group import Command
from provisioning.domain import roles
from provisioning.factory import RESOURCES, WHOLES
from provisioning.settings import Settings, described
from provisioning.web import metrics
from provisioning.web.routing import Resource, shown_path, variables_of

PLAIN_ROUTES = (
    ("GET", "/", "Leads to `/docs`."),
    ("GET", "/docs", "A page that shows the API and tries requests (`PROVISIONING_DOCS`)."),
    ("GET", "/console", "The page for people (`PROVISIONING_CONSOLE`)."),
    ("GET", "/openapi.json", "The API as an OpenAPI 3.1 document."),
    ("GET", "/health/live", "Whether the process answers."),
    ("GET", "/health/ready", "Whether the store can be read and written."),
    ("GET", "/metrics", "Metrics for Prometheus (`PROVISIONING_METRICS`)."),
)


@click.command("reference", cls=Command)
@click.pass_context
def reference(context: click.Context) -> None:
    """Print the tables of docs/reference.md: settings, commands, routes, metrics."""
    group = context.find_root().command
    assert isinstance(group, click.Group)  # noqa: S101 - for the type alone
    click.echo("\n".join(lines(group)))


def lines(group: click.Group) -> Iterator[str]:
    """The lines of docs/reference.md."""
    yield "# Reference"
    yield ""
    yield "Made from the code by `make reference`; a test compares it."
    yield ""
    yield "## Settings"
    yield ""
    yield "Environment variables. An empty value is the default; one that is unknown or can't be"
    yield "used stops the start with a message that names it."
    yield ""
    yield from _table(
        ("variable", "default", "meaning"),
        [
            (f"`{name}`", f"`{default}`" if default else "", meaning)
            for name, default, meaning in described()
        ],
    )
    yield ""
    yield "## Commands"
    yield ""
    yield "Each works as `provisioning COMMAND` and, `serve` apart, as `flask --app app COMMAND`."
    yield "Exit codes: 1 where it could not be done, 2 for a wrong call."
    yield ""
    yield from _table(("command", "what it does", "options"), _commands(group, "provisioning"))
    yield ""
    yield "## Routes of the API"
    yield ""
    yield "Every path answers `OPTIONS`, every `GET` answers `HEAD`."
    for title, resources in (("", RESOURCES), ("SCIM 2.0 (`PROVISIONING_SCIM=on`)", _optional())):
        if title and resources:
            yield ""
            yield f"### {title}"
        yield ""
        yield from _table(("verb", "path", "does", "roles"), _routes(resources))
    yield ""
    yield "## The control API"
    yield ""
    yield from _table(("verb", "path", "does"), [row[:3] for row in _routes(_control())])
    yield ""
    yield "## Beside the API"
    yield ""
    yield from _table(("verb", "path", "does"), PLAIN_ROUTES)
    yield ""
    yield "## Metrics"
    yield ""
    yield from _table(("metric", "kind", "labels", "meaning"), _metrics())


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        cells = (cell.replace("\n", " ").replace("|", "\\|") for cell in row)
        yield f"| {' | '.join(cells)} |".replace("|  |", "| |")


def _commands(group: click.Group, path: str) -> list[tuple[str, str, str]]:
    rows: list[tuple[str, str, str]] = []
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            rows += _commands(command, f"{path} {name}")
            continue
        words = [
            parameter.make_metavar(click.Context(command))
            for parameter in command.params
            if isinstance(parameter, click.Argument)
        ]
        options = [
            f"`{parameter.opts[0]}`{': ' + parameter.help if parameter.help else ''}"
            for parameter in command.params
            if isinstance(parameter, click.Option)
        ]
        summary = (command.help or "").partition("\n")[0]
        rows.append((f"`{' '.join((path, name, *words))}`", summary, " ".join(options)))
    return rows


def _optional() -> Sequence[Resource]:
    return tuple(each for whole in WHOLES for each in whole.resources(Settings(scim="on")))


def _control() -> Sequence[Resource]:
    from provisioning.control import routes  # noqa: PLC0415 - no other command loads it

    return routes.RESOURCES


def _routes(resources: Sequence[Resource]) -> list[tuple[str, str, str, str]]:
    variables = variables_of(resources)
    return [
        (
            operation.verb,
            f"`{shown_path(operation.base_path + path, variables)}`",
            operation.summary,
            "all"
            if operation.allows == roles.ANY_ROLE
            else ", ".join(role for role in roles.ROLES if role in operation.allows),
        )
        for resource in resources
        for operation in resource.operations
        for path in operation.paths
    ]


def _metrics() -> list[tuple[str, str, str, str]]:
    return [
        (f"`{name}{ending}`", kind, ", ".join(labels), meaning)
        for kind, ending, families in (
            ("counter", "_total", metrics.COUNTERS),
            ("histogram", "", metrics.HISTOGRAMS),
            ("gauge", "", metrics.GAUGES),
        )
        for name, meaning, labels in families
    ]
