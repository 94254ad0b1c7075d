"""Each record of the audit is also a line of the log, where no tenant can wash it out (section 9).

gunicorn's main process imports this module.
"""

import json
import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

AUDIT = logging.getLogger("audit")


class StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to sys.stderr, even if that has been replaced since the handler was made."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def write(formatter: logging.Formatter | None = None) -> None:
    """Write the records on stderr, as text unless another formatter is given."""
    handler = StderrHandler()
    handler.setFormatter(formatter)
    AUDIT.handlers, AUDIT.propagate = [handler], False
    AUDIT.setLevel(logging.INFO)


@contextmanager
def on_stderr(formatter: logging.Formatter | None) -> Iterator[None]:
    """The same within the block: for commands, whose stdout holds what was asked for."""
    handlers, propagates, level = AUDIT.handlers, AUDIT.propagate, AUDIT.level
    write(formatter)
    try:
        yield
    finally:
        AUDIT.handlers, AUDIT.propagate = handlers, propagates
        AUDIT.setLevel(level)


def is_read() -> bool:
    """Whether `note` writes anything."""
    return AUDIT.isEnabledFor(logging.INFO)


def note(told: Iterable[dict[str, Any]]) -> None:
    """Log records of the audit, once what they tell has been committed.

    As text each is one line, since JSON escapes line ends and all that is not ASCII.
    """
    for each in told:
        members = {"logger": AUDIT.name, **each}
        AUDIT.info("audit %s", json.dumps(each), extra={"members": members})
