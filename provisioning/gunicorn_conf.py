"""How gunicorn runs the server in deployments. The gunicorn.conf.py of a clone imports this.

    gunicorn --config python:provisioning.gunicorn_conf 'provisioning.cli:application()'

Options on the command line and in GUNICORN_CMD_ARGS override what stands here. WEB_CONCURRENCY
sets the number of workers: one by default, and more are safe. gunicorn itself has no defence
against slow clients, so clients on other machines should reach it through a proxy that buffers
requests and answers, as deploy/nginx.conf does.
"""

import fcntl
import functools
import gc
import os
import re
import shutil
import tempfile
from contextlib import suppress
from http import HTTPStatus
from logging import Formatter, LogRecord
from pathlib import Path
from typing import Any

from gunicorn.glogging import Logger, SafeAtoms

from provisioning.output import lose_rather_than_wait
from provisioning.web import audit_log
from provisioning.web.logs import write_json

# Only this machine can reach the server unless `--bind 0.0.0.0:8000` says otherwise: gunicorn's
# own default would open every interface as soon as the environment holds a PORT.
bind = f"127.0.0.1:{os.environ.get('PORT') or 8000}"

# Threads of one process share the records in memory, and read while one of them waits for the disk.
worker_class = "provisioning.gunicorn_worker.Worker"
threads = 8

# Requests in flight when SIGTERM comes have so many seconds to end: less than the 30 s after which
# process managers commonly kill, more than the 5 s that a write waits for the file's lock at most.
graceful_timeout = 20
# An idle connection waits in the poller and takes no thread, so that clients may reuse theirs.
keepalive = 5

# The longest line that gunicorn can take, so that the API itself refuses a search that is too long,
# with problem+json, where gunicorn would send HTML.
limit_request_line = 8190
# Browsers, tracing and a few proxies together send far fewer headers than this.
limit_request_fields = 64
# The same as a line, since a browser may send a URL of that length back as a Referer.
limit_request_field_size = 8190

# gunicorn believes no X-Forwarded-* header. Its default would believe those from this machine.
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS", "")

# gunicorn's control socket would be a file in the user's home that all their gunicorns share.
control_socket_disable = True

# gunicorn writes a line for each request, unless the server itself writes one as JSON.
IS_JSON = os.environ.get("PROVISIONING_LOG") == "json"
accesslog = None if IS_JSON else "-"
access_log_format = (
    '%(h)s - - %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %({x-request-id}o)s %(M)sms'
)

_SECRET_ATOM = re.compile(r"authorization|api[-_]?key|token|cookie|password")
# These messages of gunicorn repeat the input that it could not read, API keys included.
_REPEATS_INPUT = re.compile(
    r"(Invalid request from ip=\S* [^:]*|Ignored premature client disconnection)[:.].*", re.DOTALL
)


@functools.cache
def _redaction() -> Any:
    # Imported late, so that only workers import it: on a HUP, which is to take up new code, the
    # arbiter would keep the old version.
    from provisioning.web import redaction  # noqa: PLC0415

    return redaction


def _shown(text: str) -> str:
    return str(_redaction().quoted(text))


class _RedactedAtoms(SafeAtoms):
    """The values that a format of the access log may name. Each is redacted when it is read."""

    def __init__(self, atoms: dict[str, Any]) -> None:
        # gunicorn's own would put a backslash before quotation marks, and none before a backslash.
        dict.__init__(self, atoms)

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        if not isinstance(value, str):
            return value if value is None or isinstance(value, int) else "-"
        if _SECRET_ATOM.search(name.lower()) and value != "-":
            return "********"
        if name == "r":  # method, target, protocol
            return " ".join(map(_shown, value.split(" ")))
        return _shown(value)


class RedactingLogger(Logger):
    """gunicorn's logger, which masks the API keys that requests carry in target and headers.

    A line that can't be written is lost; no answer and no signal waits for it.
    """

    atoms_wrapper_class = _RedactedAtoms

    def setup(self, cfg: Any) -> None:
        lose_rather_than_wait()  # in the arbiter, and so in its workers
        super().setup(cfg)
        if IS_JSON:
            write_json()
            write_json(self.error_log)

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: Any) -> None:
        """Write the line of a request.

        gunicorn makes it of a value for each header and variable that a format could name. That
        takes twice as long, so it is left to formats of somebody else's.
        """
        if self.cfg.access_log_format != access_log_format:
            super().access(resp, req, environ, request_time)
        elif self.access_log_enabled:
            self.access_log.info(self._line(resp, environ, request_time))

    def _line(self, resp: Any, environ: dict[str, Any], request_time: Any) -> str:
        first = (environ["REQUEST_METHOD"], environ["RAW_URI"], environ["SERVER_PROTOCOL"])
        request = " ".join(map(_shown, first))
        referer = _shown(environ.get("HTTP_REFERER", "-"))
        agent = _shown(environ.get("HTTP_USER_AGENT", "-"))
        request_id = next((value for name, value in resp.headers if name == "X-Request-ID"), "-")
        status = str(resp.status).partition(" ")[0]
        sent = "-" if getattr(resp, "sent", None) is None else resp.sent
        milliseconds = request_time.seconds * 1000 + request_time.microseconds // 1000
        return (
            f'{environ.get("REMOTE_ADDR", "-")} - - {self.now()} "{request}" {status} {sent} '
            f'"{referer}" "{agent}" {_shown(request_id)} {milliseconds}ms'
        )

    def atoms(self, resp: Any, req: Any, environ: dict[str, Any], request_time: Any) -> Any:
        atoms = super().atoms(resp, req, environ, request_time)
        # The path as it was sent. If decoded, it could hold line breaks, or a ? inside a key.
        path = environ["RAW_URI"].partition("?")[0]
        atoms |= {"U": path, "{path_info}e": path}
        # The username of a Basic authorization may be an API key.
        atoms["u"] = "-"
        return atoms


def _redact_record(record: LogRecord) -> bool:
    message = record.getMessage()
    repeated = _REPEATS_INPUT.match(message)
    message = message if repeated is None else repeated[1]
    record.msg, record.args = _redacted_words(message), ()
    if record.exc_info:
        record.exc_text = _redacted_words(Formatter().formatException(record.exc_info))
    return True


def _redacted_words(text: str) -> str:
    return str(_redaction().redacted_text(text))


logger_class = RedactingLogger


def on_starting(_: Any) -> None:
    """Make what workers share: a file that says whether one of them has opened the store, and a
    folder for their counts, if metrics are wanted."""
    _begun.append(tempfile.TemporaryFile())  # noqa: SIM115 - for all its life
    os.environ[BEGUN] = str(_begun[-1].fileno())
    if os.environ.get("PROVISIONING_METRICS") == "on":
        os.environ[SHARED_FOLDER] = str(_folder_for_counts())


def _folder_for_counts() -> Path:
    """A new folder, locked until this process and its workers have ended. Folders of earlier
    ones, which were killed before they could remove them, are removed."""
    made = Path(tempfile.mkdtemp(prefix="provisioning-new-"))
    _lock(made)  # before it has a name that others look for
    for left in made.parent.glob("provisioning-metrics-*"):
        with suppress(OSError):
            os.close(_lock(left))
            shutil.rmtree(left, ignore_errors=True)
    folder = made.rename(made.with_name(made.name.replace("-new-", "-metrics-")))
    _folders.append(folder)
    return folder


def _lock(folder: Path) -> int:
    """A descriptor that locks a folder while this process, or a worker that it forks, has it open.

    OSError if the folder is locked.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _remove_counts() -> None:
    for folder in _folders:
        shutil.rmtree(folder, ignore_errors=True)


def on_exit(_: Any) -> None:
    _remove_counts()


def worker_exit(_: Any, worker: Any) -> None:
    if os.getppid() != worker.ppid:  # the main process was killed, and removes nothing
        _remove_counts()


SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that tells prometheus-client, at its import, that several processes count."""
_folders: list[Path] = []
BEGUN = "SERVER_HAS_BEGUN"
"""The variable that tells a worker whether its store was there when the first ones began."""
_begun: list[Any] = []


def post_fork(server: Any, worker: Any) -> None:
    """Write each record of the audit as a line of text, too; as JSON it is one already."""
    if not IS_JSON:
        audit_log.write()


def post_request(worker: Any, req: Any, environ: dict[str, Any], resp: Any) -> None:
    """End a connection whose body was refused: the worker reads on for a while, but no request."""
    # The status is missing if a fault of the control API has ended the connection.
    if getattr(resp, "status_code", None) == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        req.force_close()


def post_worker_init(worker: Any) -> None:
    # Not earlier: until here a worker that starts could miss a SIGTERM, and this imports a lot.
    worker.log.error_log.addFilter(_redact_record)
    # Modules and records stay in memory: the collector needn't look through them again and again.
    gc.freeze()
    # The control API must know how many threads there are: its delays leave at least one free. So
    # must the places of requests that change something.
    with suppress(AttributeError, KeyError):  # gunicorn runs another application than ours
        extensions, threads = worker.wsgi.extensions, worker.cfg.threads
        extensions["provisioning.threads"] = threads
        server = extensions["provisioning.server"]
        server.places.resize(threads, getattr(worker, "waiting", 1))
        # A database that hangs must leave one to those who ask whether the process lives.
        server.store.share(threads)
