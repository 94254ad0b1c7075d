"""Asks a server of this API over HTTP as a careful guest.

A guest only reads, follows nobody to another host, waits where it is told to, and takes no answer
that is larger or slower than any list has to be. It needs httpx2, of the extra `remote`.
"""

import re
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import click
import httpx2
import orjson

from provisioning import __version__
from provisioning.remote.errors import CannotBeDone, plain
from provisioning.web.operation import BASE_PATH

A = TypeVar("A")
B = TypeVar("B")

LARGEST_ANSWER = 64 * 1024 * 1024
PATIENCE = 30.0
"""Seconds without a byte after which a server counts as gone."""
LONGEST_ANSWER = 300.0
"""Seconds after which an answer that still drips is given up."""
LONGEST_WAIT = 600.0
"""The most seconds that one `Retry-After` may ask for."""
MOST_WAITS = 20
MOST_ATTEMPTS = 3
"""How often a request is sent over connections that break."""
MOST_REDIRECTS = 5
AT_A_TIME = 4
REDIRECTS = (301, 302, 303, 307, 308)
OK, UNAUTHORIZED, FORBIDDEN, TOO_MANY, UNAVAILABLE = 200, 401, 403, 429, 503
NOT_THERE = (403, 404, 405, 410, 501)
"""Statuses of what a server doesn't offer, or not to this key."""


@dataclass(frozen=True)
class Answer:
    """An answer of any status. `where` is the address that was asked, without its query."""

    where: str
    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def body(self) -> Any:
        """The body as JSON; None if it is none."""
        try:
            return orjson.loads(self.content)
        except ValueError:
            return None

    @property
    def found(self) -> str:
        """What was found there, in words."""
        shown = f"{shown_url(self.where)} answered {self.status}"
        body = self.body
        if body is None:
            text = self.content[:10_000].decode("utf-8", "replace")
            title = re.search(r"<title[^>]*>([^<]*)", text, re.IGNORECASE)
            kind = plain(self.media_type) or "no media type"
            told = f" ({plain(title[1])})" if title else ""
            return f"{shown}, {kind}{told}"
        detail = body.get("detail") if isinstance(body, dict) else None
        return f"{shown}: {plain(detail)}" if isinstance(detail, str) else shown


NAMES_IN_PATHS = re.compile(r"(?<=/users/)[^/?]+|(?<=/privileges/)[^/?]+|(?<=/api-keys/)[^/?]+")


def shown_url(url: str) -> str:
    """An address without the names of people in it, for messages."""
    return NAMES_IN_PATHS.sub("***", url)


def base_url(given: str) -> str:
    """The address up to and with the base path; UsageError for one that is not to be asked."""
    try:
        parts = urlsplit(given.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise click.UsageError("URL: this is no address of a server.") from None
    if parts.username is not None or parts.password is not None:
        raise click.UsageError("URL: must hold no user and no password; a key has --key-file.")
    if parts.query or parts.fragment:
        raise click.UsageError("URL: must have neither ? nor #; a key has --key-file.")
    if parts.scheme not in {"http", "https"} or not host:
        raise click.UsageError("URL: must begin with https://, or on this machine with http://.")
    if parts.scheme == "http" and not is_loopback(host):
        raise click.UsageError(
            "URL: http: is for this machine alone, since the key could be read on the way. "
            "Use https:."
        )
    path = parts.path.rstrip("/")
    path = path if path.endswith(BASE_PATH) else path + BASE_PATH
    return f"{parts.scheme}://{parts.netloc}{path}"


def is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def trusted(ca: Path | None) -> ssl.SSLContext:
    """What certificates are checked against: the system's authorities, or those of a file."""
    if ca is None:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cafile=str(ca))
    except ssl.SSLError as error:
        raise CannotBeDone(f"{ca}: holds no certificates in PEM form.") from error
    except OSError as error:
        raise CannotBeDone(f"{ca}: {error.strerror}.") from error


@dataclass
class Guest:
    """One server, asked with one key. Threads may share it.

    `url` is the one of `base_url`. `show` is told what is going on, for people. `asked` counts the
    requests that were sent.
    """

    url: str
    key: str
    client: httpx2.Client
    pause: float = 0.0
    show: Callable[[str], None] = lambda _: None
    asked: int = 0
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _next: float = 0.0

    @classmethod
    def of(
        cls,
        url: str,
        key: str,
        ca: Path | None = None,
        pause: float = 0.0,
        show: Callable[[str], None] = lambda _: None,
    ) -> Self:
        # A proxy of the environment is for other machines, not for this one.
        is_local = is_loopback(urlsplit(url).hostname or "")
        client = httpx2.Client(
            verify=trusted(ca),
            trust_env=not is_local,
            follow_redirects=False,
            timeout=PATIENCE,
            limits=httpx2.Limits(max_connections=AT_A_TIME),
            headers={
                "User-Agent": f"provisioning/{__version__}",
                "Accept": "application/json, application/problem+json",
                "Accept-Encoding": "identity",
            },
        )
        return cls(url, key, client, pause, show)

    def close(self) -> None:
        self.client.close()

    def get(self, path: str, **query: Any) -> Answer:
        """The answer to GET of a path below the base path; of any status but 401."""
        answer = self.ask("GET", path, query=query)
        if answer.status == UNAUTHORIZED:
            raise CannotBeDone(f"The key opens nothing, or has ended: {answer.found}")
        return answer

    def ask(
        self,
        verb: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        with_key: bool = True,
    ) -> Answer:
        """The answer to a request, of any status, after the waiting that the server asks for.

        CannotBeDone if there is none, or if its server leads elsewhere or tells too much.
        """
        sent = dict(headers or {})
        if with_key:
            sent["Authorization"] = f"Bearer {self.key}"
        url = self.url + path
        for _ in range(MOST_WAITS):
            answer = self._follow(verb, url, query, sent)
            seconds = wanted_wait(answer)
            if seconds is None:
                return answer
            if seconds > LONGEST_WAIT:
                raise CannotBeDone(
                    f"{answer.found}; it asks to wait {seconds:.0f} seconds. Try again later."
                )
            self.show(f"waiting {seconds:.0f} s, as the server asks")
            time.sleep(seconds)
        raise CannotBeDone(f"{answer.found}, also after {MOST_WAITS} times of waiting.")

    def _follow(
        self, verb: str, url: str, query: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> Answer:
        answer = self._send(verb, url, query, headers)
        for _ in range(MOST_REDIRECTS):
            target = answer.headers.get("location")
            if answer.status not in REDIRECTS or target is None:
                return answer
            try:
                there = httpx2.URL(answer.where).join(target)
            except (httpx2.InvalidURL, ValueError):
                raise CannotBeDone(f"{answer.found}: it leads to no address.") from None
            if origin(there) != origin(httpx2.URL(url)):
                named = f"{there.scheme}://{there.netloc.decode('ascii', 'replace')}"
                raise CannotBeDone(
                    f"{answer.found}: it leads to {plain(named)}, and a key goes to no other host. "
                    "If that is the right one, ask it by its own URL."
                )
            answer = self._send(verb, str(there), None, headers)
        raise CannotBeDone(f"{answer.found}: it leads on and on.")

    def _send(
        self, verb: str, url: str, query: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> Answer:
        for attempt in range(1, MOST_ATTEMPTS + 1):
            self._wait_for_turn()
            try:
                return self._receive(verb, url, query, headers)
            except httpx2.InvalidURL:
                raise CannotBeDone(f"{shown_url(url)}: this is no address of a server.") from None
            except httpx2.HTTPError as error:
                is_final = attempt == MOST_ATTEMPTS or isinstance(
                    error, (httpx2.TimeoutException, httpx2.UnsupportedProtocol)
                )
                if is_final or is_distrust(error):
                    raise CannotBeDone(f"{shown_url(url)}: {why(error)}") from error
        raise AssertionError("unreachable")

    def _wait_for_turn(self) -> None:
        with self._turn:
            self.asked += 1
            self.show(f"{self.asked} requests")
            wait, now = self._next - time.monotonic(), time.monotonic()
            self._next = max(now, self._next) + self.pause
        if wait > 0:
            time.sleep(wait)

    def _receive(
        self, verb: str, url: str, query: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> Answer:
        deadline = time.monotonic() + LONGEST_ANSWER
        given = {name: str(value) for name, value in (query or {}).items()}
        with self.client.stream(verb, url, params=given or None, headers=dict(headers)) as answer:
            where = str(answer.request.url.copy_with(query=None))
            content = bytearray()
            announced = answer.headers.get("content-length", "")
            is_large = verb != "HEAD" and announced.isdigit() and int(announced) > LARGEST_ANSWER
            for piece in () if is_large else answer.iter_bytes():
                content += piece
                is_large = len(content) > LARGEST_ANSWER
                if is_large:
                    break
                if time.monotonic() > deadline:
                    raise CannotBeDone(
                        f"{shown_url(where)}: the answer hasn't ended after "
                        f"{LONGEST_ANSWER:.0f} seconds."
                    )
            if is_large:
                megabytes = LARGEST_ANSWER // 1024 // 1024
                raise CannotBeDone(f"{shown_url(where)}: the answer is larger than {megabytes} MB.")
            return Answer(where, answer.status_code, answer.headers, bytes(content))


def origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    ports = {"http": 80, "https": 443}
    return url.scheme, url.host.lower(), url.port or ports.get(url.scheme)


def wanted_wait(answer: Answer) -> float | None:
    """The seconds that an answer asks to wait before the request is sent again; None: not to."""
    given = answer.headers.get("retry-after", "").strip()
    if answer.status == TOO_MANY:
        given = given or "1"
    elif answer.status != UNAVAILABLE or not given:
        return None
    if given.isascii() and given.isdigit():
        return float(given[:9])
    try:
        until = parsedate_to_datetime(given)
        since = parsedate_to_datetime(answer.headers["date"])
    except (ValueError, KeyError, TypeError):
        return 1.0
    try:
        return max(0.0, (until - since).total_seconds())
    except TypeError:  # one of them is without a zone
        return 1.0


def causes(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def is_distrust(error: BaseException) -> bool:
    return any(isinstance(each, ssl.SSLError) for each in causes(error))


def why(error: Exception) -> str:
    """The reason why there is no answer, as a sentence that says what to do."""
    for each in causes(error):
        if isinstance(each, ssl.SSLCertVerificationError):
            return (
                f"its certificate is not trusted ({plain(each.verify_message)}). If it is signed "
                "by your own authority, name that one's certificate: --ca FILE."
            )
        if isinstance(each, ssl.SSLError):
            return "there is no TLS there that can be used. Check scheme and port."
    if isinstance(error, httpx2.TimeoutException):
        return f"no answer within {PATIENCE:.0f} seconds."
    if isinstance(error, httpx2.ConnectError):
        return f"can't be reached ({plain(str(error))})."
    return f"the connection broke ({plain(str(error)) or type(error).__name__})."


def together(work: Callable[[A], B], over: Iterable[A], is_paced: bool = False) -> list[B]:
    """The results of requests that are made a few at a time, or, if they are paced, one by one."""
    waiting = list(over)
    if is_paced or len(waiting) < AT_A_TIME:
        return [work(each) for each in waiting]
    pool = ThreadPoolExecutor(AT_A_TIME)
    try:
        return [each.result() for each in [pool.submit(work, each) for each in waiting]]
    finally:
        # Whoever interrupts waits for nobody.
        pool.shutdown(wait=False, cancel_futures=True)
