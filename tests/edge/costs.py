"""Every place where a client's bytes come in, driven to its limit and past it with what is worst.

`python -m bench.cost` prints what they cost; `test_cost.py` fails on what grows faster than its
input. A place is a function from a text to a request, a file or a line of the log.
"""

import io
import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_network
from types import SimpleNamespace
from urllib.parse import unquote_to_bytes

from gunicorn.config import Config

from provisioning import gunicorn_conf, people_csv
from provisioning.factory import COLLECTIONS, RESOURCES
from provisioning.seed import BadFile, prepare_seed
from provisioning.testing.sandbox import NOW, Sandbox
from provisioning.web.operation import BASE_PATH, Operation

LONGEST_LINE = 8_190
"""The longest request line, and the longest header, that gunicorn takes."""
TEXTS = {
    "combining marks": ("a", "\u0300\u0316"),
    "colons": ("@//", ":"),
    "colons and at signs": ("//", ":@"),
    "brackets": ("[", "["),
    "digits": ("", "9"),
    "letters": ("", "a"),
    "letters of a key": ("", "aA1_"),
    "tags": ("", '"a",'),
    "tags without an end": ("", '"a,'),
    "weak tags": ("", "W/"),
    "quotation marks": ("", '"'),
    "backslashes": ("", "\\"),
    "blanks": ("a", " "),
    "words": ("", "a "),
    "equals signs": ("", "="),
    "parameters": ("", "%=&"),
    "names": ("", "a=&"),
    "many names of a parameter": ("", "aaaaaaaaaaaa/="),
    "percent signs": ("", "%"),
    "encoded percent signs": ("%", "25"),
    "slashes": ("/", "a/"),
    "paths of keys": ("", "api-keys/"),
    "commas": ("", ","),
    "members": ("", "username,"),
    "semicolons": ("a/b", ";a=b"),
    "parts of a parameter": ("a/b;a", "*0"),
    "dots": ("", "a."),
    "dashes": ("", "a-"),
    "stars": ("/", "**a"),
    "questions": ("a", "?"),
    "addresses": ("", "::1,"),
    "schemes": ("", "Bearer "),
    "umlauts": ("", "\xe4"),
    "ideographic dots": ("", "a\u3002"),
    "a sign that grows": ("", "\ufdfa"),
    "jamo": ("", "\u1100\u1161\u11a8"),
}
"""What is worst for something that looks at a text: a beginning, and what is repeated after it."""
OF_VALUES = (
    "combining marks",
    "colons and at signs",
    "digits",
    "letters",
    "blanks",
    "words",
    "dots",
    "dashes",
    "umlauts",
    "ideographic dots",
    "a sign that grows",
    "jamo",
)
"""Those that are worst for the members of records; all others are tried on one of them."""
VALUES: dict[str, Callable[[int], str]] = {
    "a number": lambda size: "9" * size,
    "a decimal": lambda size: "0." + "1" * size,
    "an exponent": lambda size: "1e" + "1" * size,
    "nested lists": lambda size: "[" * (size // 2) + "]" * (size // 2),
    "nested objects": lambda size: '{"a":' * (size // 6) + "0" + "}" * (size // 6),
    "a list of lists": lambda size: f"[{_joined('[]', size)}]",
    "a list of objects": lambda size: f"[{_joined('{}', size)}]",
    "a list of numbers": lambda size: f"[{_joined('1', size)}]",
    "many members": lambda size: f"{{{_members(size)}}}",
    "a repeated member": lambda size: "{" + _joined('"a":0', size) + "}",
    "escapes": lambda size: '"' + "\\u0300" * (size // 6) + '"',
    "surrogates": lambda size: '"' + "\\ud800" * (size // 6) + '"',
}
"""JSON that is worst for something that looks at a value."""
HEADERS = (
    "Accept",
    "Access-Control-Request-Headers",
    "Authorization",
    "Content-Encoding",
    "Content-Type",
    "Cookie",
    "Forwarded",
    "Host",
    "If-Match",
    "If-None-Match",
    "Origin",
    "Range",
    "Referer",
    "Sec-Fetch-Site",
    "User-Agent",
    "X-API-Key",
    "X-Forwarded-For",
    "X-Forwarded-Prefix",
    "X-Forwarded-Proto",
    "X-Other",
    "X-Request-ID",
)
PARAMETERS = ("page", "size", "q", "order", "active", "at", "apikey", "unknown")
"""Those of every list, which one piece of code reads: all are tried on one list."""
CSV_COLUMNS = ("username", "email", "password", "firstName", "birthYear", "role", "activeFrom")


def text_of(kind: str, size: int) -> str:
    begin, unit = TEXTS[kind]
    return begin + unit * (size // len(unit.encode()))


def _joined(part: str, size: int) -> str:
    return ",".join([part] * (size // (len(part) + 1)))


def _members(size: int) -> str:
    return ",".join(f'"m{number}":0' for number in range(size // 10))


@dataclass(frozen=True)
class Case:
    """One place and what is put into it: `run` with a number of bytes does it once."""

    place: str
    kind: str
    run: Callable[[int], object]
    limit: int
    """The most bytes that can come in there."""


class Costs:
    """A server with all its places: demo data, the control API on, an audit, a tenant's key."""

    def __init__(self) -> None:
        self._sandbox = Sandbox(
            control="on",
            cors_origins=("https://a.test",),
            proxies=(ip_network("127.0.0.0/8"),),
        )
        self._sandbox.add_user("bob@acme.test")
        self._token = self._sandbox.add_key("alice@acme.test")
        self._sandbox.administrator.post("/services/enterprise")
        self._log = gunicorn_conf.RedactingLogger(Config())

    def ask(
        self, verb: str, target: str, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> str:
        """Send a request as gunicorn would hand it on; the status."""
        raw = target.encode().decode("latin-1")
        path, _, query = raw.partition("?")
        environ = {
            "REQUEST_METHOD": verb,
            "RAW_URI": raw,
            "PATH_INFO": unquote_to_bytes(path.encode("latin-1")).decode("latin-1"),
            "QUERY_STRING": query,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": "application/json",
            "HTTP_HOST": "localhost",
            "HTTP_AUTHORIZATION": f"Bearer {self._token}",
            "wsgi.input": io.BytesIO(body),
            "wsgi.url_scheme": "http",
            "wsgi.errors": io.StringIO(),
        }
        for name, value in (headers or {}).items():
            key = name.upper().replace("-", "_")
            environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value.encode().decode(
                "latin-1"
            )
        began: list[str] = []
        answer = self._sandbox.app(environ, lambda status, *_: began.append(status))
        b"".join(answer)
        getattr(answer, "close", lambda: None)()
        return began[0]

    def plain(self) -> float:
        """The CPU seconds of a plain request."""
        return seconds(lambda: self.ask("GET", f"{BASE_PATH}/whoami"), 20)

    def cases(self) -> Iterator[Case]:
        yield from self._targets()
        yield from self._headers()
        yield from self._lines()
        yield from self._bodies()
        yield from self._files()

    def _texts(
        self,
        place: str,
        use: Callable[[str], object],
        limit: int = LONGEST_LINE,
        kinds: Iterable[str] = TEXTS,
    ) -> Iterator[Case]:
        for kind in kinds:

            def run(size: int, kind: str = kind) -> object:
                return use(text_of(kind, size))

            yield Case(place, kind, run, limit)

    def _targets(self) -> Iterator[Case]:
        room = LONGEST_LINE - 100
        paths = {"", "/", f"{BASE_PATH}/", "/_control/", "/scim/v2/"}
        lists: dict[str, set[str]] = {}
        for operation in operations():
            for path in operation.paths:
                before, variable, _ = f"{operation.base_path}{path}".partition("<")
                if variable:
                    paths.add(before)
                elif operation.verb == "GET":
                    lists[before] = {"q", *(each.name for each in operation.parameters)}
        lists[f"{BASE_PATH}/users"].update(PARAMETERS)
        for path in sorted(paths):
            yield from self._texts(
                f"GET {path}...", lambda text, path=path: self.ask("GET", path + text), room
            )
        for path, names in sorted(lists.items()):
            for name in sorted(names):

                def ask(text: str, path: str = path, name: str = name) -> object:
                    return self.ask("GET", f"{path}?{name}={text}")

                yield from self._texts(f"GET {path}?{name}=", ask, room)

    def _headers(self) -> Iterator[Case]:
        for name in HEADERS:
            for verb in ("GET", "PUT"):

                def ask(text: str, verb: str = verb, name: str = name) -> object:
                    return self.ask(verb, f"{BASE_PATH}/info", {name: text}, b"{}")

                yield from self._texts(f"{verb} with {name}", ask)
        for name in ("Accept-Encoding", "If-None-Match"):

            def ask_for_file(text: str, name: str = name) -> object:
                return self.ask("GET", "/console/any-version/main.js", {name: text})

            yield from self._texts(f"GET a page's file with {name}", ask_for_file)
        for kind in TEXTS:

            def ask_with_many(size: int, kind: str = kind) -> object:
                text = text_of(kind, size // 40)
                headers = {f"X-{number}": text for number in range(40)}
                return self.ask("GET", f"{BASE_PATH}/info", headers)

            yield Case("GET with 40 headers", kind, ask_with_many, 40 * LONGEST_LINE)
        yield Case("GET with X-API-Key", "keys that differ", self._many_keys, LONGEST_LINE)

    def _many_keys(self, size: int) -> str:
        keys = ",".join(f"key{number:06}" for number in range(size // 10))
        text = "a" * size
        return self.ask("GET", f"{BASE_PATH}/info", {"X-API-Key": keys, "X-Other": text})

    def _lines(self) -> Iterator[Case]:
        for name in ("REQUEST_METHOD", "RAW_URI", "HTTP_REFERER", "HTTP_USER_AGENT"):

            def write(text: str, name: str = name) -> object:
                environ = {
                    "REQUEST_METHOD": "GET",
                    "RAW_URI": "/",
                    "SERVER_PROTOCOL": "HTTP/1.1",
                    name: text.encode().decode("latin-1"),
                }
                answer = SimpleNamespace(headers=[], status="200 OK", sent=0)
                return self._log._line(answer, environ, timedelta())

            yield from self._texts(f"a line of the log with {name}", write)
        for begin in ("Invalid request from ip=", "Error handling request GET "):

            def tell(text: str, begin: str = begin) -> object:
                return gunicorn_conf._redacted_words(begin + text + begin * (len(text) // 30))

            yield from self._texts(f"a line of the log: {begin}", tell)

    def _bodies(self) -> Iterator[Case]:
        known: set[type] = set()
        for operation in operations():
            if operation.body is None or type(operation.body) in known:
                continue
            known.add(type(operation.body))
            path = f"{operation.base_path}{operation.paths[0]}"
            for name in operation.body.fields:
                yield from self._values(operation.verb, path, '{"%s":%s}', name)
        users = f"{BASE_PATH}/users"
        entry = '{"tenantUserPrivileges":[{"%s":%s}]}'
        for name in ("role", "activeFrom", "reportsTo"):
            yield from self._values("POST", users, entry, name)
        for path in ("/_control/faults", "/_control/clock", "/_control/seed"):
            for name in ("path", "now", "advance", "users"):
                verb = "PUT" if path.endswith("clock") else "POST"
                yield from self._values(verb, path, '{"%s":%s}', name)
        yield from self._values("PUT", f"{BASE_PATH}/info", '{"%s":%s}', "unknown", TEXTS)

    def _values(
        self, verb: str, path: str, form: str, name: str, kinds: Iterable[str] = OF_VALUES
    ) -> Iterator[Case]:
        place = f"{verb} {path} {name}"
        target = path.replace("<", "x").replace(">", "").replace("int:", "1")

        def ask(value: str) -> object:
            status = self.ask(verb, target, body=(form % (name, value)).encode())
            if path.startswith("/_control"):
                self.ask("DELETE", "/_control/faults")
            return status

        yield from self._texts(
            place, lambda text: ask(json.dumps(text, ensure_ascii=False)), 2**20 - 1_000, kinds
        )
        for kind, value in VALUES.items():

            def run(size: int, value: Callable[[int], str] = value) -> object:
                return ask(value(size))

            yield Case(place, kind, run, 2**20 - 1_000)

    def _files(self) -> Iterator[Case]:
        for column in CSV_COLUMNS:

            def read(text: str, column: str = column) -> None:
                cell = text.replace('"', '""')
                with suppress(BadFile):
                    people_csv.read(f'username,x{column}\nb,"{cell}"'.replace("x", "").encode())

            yield from self._texts(f"a cell of {column} in CSV", read, 2**20, OF_VALUES)
        for name, collection in COLLECTIONS.seeded.items():
            for member in collection.members:

                def load(text: str, name: str = name, member: str = member) -> None:
                    with suppress(BadFile):
                        prepare_seed(self._sandbox.parts, {name: [{member: text}]}, NOW)

                yield from self._texts(f"{name}.{member} in a seed", load, 2**20, OF_VALUES)


def operations() -> list[Operation]:
    return [each for resource in RESOURCES for each in resource.operations]


def seconds(run: Callable[[], object], times: int) -> float:
    """The least CPU seconds that it took."""
    least = float("inf")
    for _ in range(times):
        began = time.process_time()
        run()
        least = min(least, time.process_time() - began)
    return least


@dataclass(frozen=True)
class Cost:
    """What a case costs with `size` bytes, and how many times as much that is as with half."""

    case: Case
    size: int
    taken: float
    growth: float | None
    """None where too little is spent to tell."""

    @property
    def milliseconds_per_kb(self) -> float:
        return self.taken * 1e3 / (self.size / 1024)


NOTICEABLE = 2e-3
"""CPU seconds from which on growth can be told from noise."""
SUSPICIOUS = 2.7


def measured(case: Case, most: int) -> Cost:
    """The cost of a case with as many bytes as it takes, `most` at most.

    What seems to grow too fast is measured again, as the collector or another process may have
    come between.
    """
    size = min(case.limit, most)
    nothing = seconds(lambda: case.run(8), 1)
    taken = seconds(lambda: case.run(size), 1)
    growth = None
    for times in (1, 3, 5):
        taken = min(taken, seconds(lambda: case.run(size), times))
        if taken - nothing < NOTICEABLE:
            return Cost(case, size, taken, None)
        half = seconds(lambda: case.run(size // 2), times)
        growth = (taken - nothing) / max(half - nothing, 1e-9)
        if growth < SUSPICIOUS:
            break
        nothing = min(nothing, seconds(lambda: case.run(8), times))
    return Cost(case, size, taken, growth)
