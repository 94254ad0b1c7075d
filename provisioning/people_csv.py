"""Import of one tenant's users from CSV, as HR systems write it (section 9, "In and out").

The file is judged as a whole: rules between records are checked once all rows are in.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from provisioning.domain import people, roles
from provisioning.domain.activity import ActivityWindow, Instant
from provisioning.domain.errors import Conflict, Invalid, NotFound
from provisioning.domain.names import username_key
from provisioning.domain.records import Records
from provisioning.domain.rules import UNKNOWN_SUPERVISOR, of_privilege
from provisioning.domain.tables import PRIVILEGES, TENANTS, USERS
from provisioning.domain.tenants import as_administrator, new_account
from provisioning.resources.privileges import PRIVILEGE_OF_USER
from provisioning.resources.users import USER, hashed
from provisioning.seed import BadFile
from provisioning.spreadsheet import Line, read_lines
from provisioning.store import Query, Record, Related
from provisioning.transfer import Outcome, trying, unwatched
from provisioning.web.body import check_values
from provisioning.web.records import RecordSchema, load_part
from provisioning.web.server import Server

TERMS = ("role", "activeFrom", "activeUntil", "reportsTo")
PROFILE = tuple(name for name in USER.load_fields if name != "username")
MEMBERS = {name.lower(): name for name in ("username", *PROFILE, *TERMS)}
_IGNORED_IN_NAMES = re.compile(r"[\s_-]")
LONGEST_SHOWN = 60


@dataclass(frozen=True)
class Row:
    """What the file says of one person, without empty cells; `terms` are those of one privilege."""

    line: int
    username: str
    profile: Record
    terms: Record
    password: str | None


@dataclass
class Faults:
    """Faults of a file by line, so that all faults of a row stand together."""

    found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, member: str, message: str) -> None:
        self.found.append((line, f"line {line}, {member}: {message}"))

    def add_line(self, line: int, message: str) -> None:
        self.found.append((line, f"line {line}: {message}"))

    def require_none(self) -> None:
        """BadFile if there are any."""
        if self.found:
            raise BadFile([text for _, text in sorted(self.found, key=lambda each: each[0])])


def read(content: bytes, encoding: str | None = None) -> tuple[list[Row], Faults]:
    """The rows of a file without what is faulty in them, and its faults.

    BadFile where rows can't be told apart, or the line of names has faults.
    """
    faults = Faults()
    rows: list[Row] = []
    lines = read_lines(content, encoding)
    names = next(lines, None)
    if names is None:
        raise BadFile(["line 1: the file is empty. Its first line names the members."])
    header = _header(names)
    known: dict[str, int] = {}
    for line in lines:
        row = _row(header, line, faults)
        if row is None:
            continue
        first = known.setdefault(username_key(row.username), row.line)
        if first == row.line:
            rows.append(row)
        else:
            faults.add(row.line, "username", f"'{row.username}' stands on line {first} already.")
    return rows, faults


def _header(names: Line) -> list[str | None]:
    """The member of each column, None for a column without a name; BadFile for faults."""
    faults = Faults()
    header: list[str | None] = []
    for cell in names.cells:
        name = MEMBERS.get(_IGNORED_IN_NAMES.sub("", cell).lower()) if cell else None
        if cell and name is None:
            shown = cell if len(cell) <= LONGEST_SHOWN else f"{cell[:LONGEST_SHOWN]}…"
            faults.add_line(
                names.number, f"'{shown}' is no member. There are {', '.join(MEMBERS.values())}."
            )
        header.append(name)
    for name in dict.fromkeys(filter(None, header)):
        if header.count(name) > 1:
            faults.add_line(names.number, f"'{name}' stands there more than once.")
    if "username" not in header:
        faults.add_line(names.number, "'username' is missing.")
    faults.require_none()
    while header[-1] is None:
        header.pop()
    return header


def _row(header: list[str | None], line: Line, faults: Faults) -> Row | None:
    """What is sound of a row; None if it can't be told who it is of."""
    number, cells = line
    if len(cells) < len(header):
        faults.add_line(number, f"has {len(cells)} cells, the line of names has {len(header)}.")
        return None
    given: Record = {}
    for column, cell in enumerate(cells):
        name = header[column] if column < len(header) else None
        if name is not None and cell:
            given[name] = cell
        elif cell:
            faults.add_line(number, f"column {column + 1} holds something and has no name.")
    given |= _numbers(given)
    if "username" not in given:
        faults.add(number, "username", "Must not be empty.")
        return None
    profile = _sound(USER, {n: v for n, v in given.items() if n not in TERMS}, number, faults)
    terms = _sound(
        PRIVILEGE_OF_USER, {n: v for n, v in given.items() if n in TERMS}, number, faults
    )
    if "username" not in profile:
        return None
    return Row(number, profile.pop("username"), profile, terms, profile.pop("password", None))


def _sound(schema: RecordSchema, given: Record, line: int, faults: Faults) -> Record:
    """The members that meet the schema; a fault for each of the others."""
    try:
        check_values(given)
        return load_part(schema, given)
    except Invalid as error:
        for name, texts in error.errors.items():
            for text in texts:
                faults.add(line, name, text)
        rest = {name: value for name, value in given.items() if name not in error.errors}
        return {} if rest == given else _sound(schema, rest, line, faults)


def _numbers(given: Record) -> Record:
    year = str(given.get("birthYear", ""))
    return {"birthYear": int(year)} if re.fullmatch("[0-9]{1,9}", year) else {}


def load(
    server: Server,
    label: str,
    rows: list[Row],
    faults: Faults,
    revoke_missing: bool = False,
    may_revoke_most: bool = False,
    is_dry: bool = False,
    watched: Callable[[Sequence[Row]], Iterable[Row]] = unwatched,
) -> Outcome:
    """Create and update the people of a tenant; BadFile lists every fault with its line.

    Rows and faults are those that `read` found. What has been done is listed by username.
    """
    outcome = Outcome(by_username=True)
    with server.store.read() as view:
        if view.get(TENANTS, label) is None:
            raise NotFound(f"There is no tenant '{label}'.")
        hashes = {
            row.line: hashed(server, row.password)
            for row in rows
            if row.password is not None
            and _needs_password(view.get(USERS, username_key(row.username)), label)
        }
    with trying(server, outcome, is_dry) as transaction:
        now = server.clock.now(transaction.time())
        records = as_administrator(transaction, server.catalogue, label, now)
        loading = _Loading(records, now, hashes, outcome, faults)
        holders = loading.holders() if revoke_missing else []
        loading.run(rows, watched)
        if not faults.found:
            loading.revoke_missing(rows, holders, may_revoke_most)
        loading.check()
    return outcome


def _needs_password(account: Record | None, label: str) -> bool:
    return account is None or (account["home"] == label and account["passwordHash"] is None)


@dataclass
class _Loading:
    records: Records
    now: Instant
    hashes: dict[int, str]
    outcome: Outcome
    faults: Faults
    touched: list[tuple[Row, Record]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.before = people.administration(self.records)

    def run(self, rows: list[Row], watched: Callable[[Sequence[Row]], Iterable[Row]]) -> None:
        for row in watched(rows):
            user = username_key(row.username)
            account = self.records.view.get(USERS, user)
            if account is None:
                self._create(row, user)
            elif account["home"] == self.records.label:
                self._update(row, user, account)
            elif row.profile or row.password is not None:
                self.outcome.told.append(
                    f"line {row.line}: the account '{account['username']}' is at home in "
                    f"'{account['home']}'; only its privilege is touched."
                )
        for row in rows:
            self._grant(row, username_key(row.username))

    def _create(self, row: Row, user: str) -> None:
        profile = dict.fromkeys(PROFILE) | {"username": row.username} | row.profile
        profile.pop("password", None)
        if profile["email"] is None:
            try:
                profile |= load_part(USER, {"email": row.username})
            except Invalid:
                self.faults.add(
                    row.line, "email", "Is needed, since the username is no email address."
                )
        account = new_account(self.records, profile, self.hashes.get(row.line))
        self.records.transaction.put(USERS, user, account)

    def _update(self, row: Row, user: str, account: Record) -> None:
        changed = account | row.profile
        if account["passwordHash"] is None and row.line in self.hashes:
            changed["passwordHash"] = self.hashes[row.line]
        if changed != account:
            self.records.transaction.put(USERS, user, changed)

    def _grant(self, row: Row, user: str) -> None:
        """Make one privilege as the row says; if it names a role, all other active ones end."""
        held = [
            each
            for each in people.privileges_of(self.records, user)
            if not self._is_over(each, row)
        ]
        role = row.terms.get("role")
        if role is None and held:
            same = max(held, key=self._rank)
        else:
            role = role or roles.USER
            same = max((each for each in held if each["role"] == role), key=self._rank, default={})
        terms: dict[str, Any] = dict(row.terms)
        if terms.get("reportsTo") is not None:
            supervisor = people.id_of(self.records.view, username_key(terms["reportsTo"]))
            if supervisor is None:
                self.faults.add(row.line, "reportsTo", UNKNOWN_SUPERVISOR)
            terms["reportsTo"] = supervisor
        if same:
            privilege = same | {n: v for n, v in terms.items() if n != "role"}
        else:
            if self.records.view.get(USERS, user) is None:
                return
            privilege = {
                "id": self.records.transaction.next_id(PRIVILEGES),
                "user": user,
                "role": role,
                "activeFrom": terms.get("activeFrom") or self.now,
                "activeUntil": terms.get("activeUntil"),
                "reportsTo": terms.get("reportsTo"),
            }
        window = ActivityWindow.of(privilege)
        if window.is_empty and (not same or window != ActivityWindow.of(same)):
            self.faults.add(row.line, "activeUntil", "Must be later than activeFrom.")
            return
        if privilege != same:
            self.records.put(PRIVILEGES, str(privilege["id"]), privilege)
        self.touched.append((row, privilege | {"tenant": self.records.label}))
        if row.terms.get("role") is not None:
            self._end_others(user, privilege)

    def _is_over(self, privilege: Record, row: Row) -> bool:
        """Whether a privilege has ended, unless its end is the very one that the row gives."""
        window = ActivityWindow.of(privilege)
        return window.has_ended(self.now) and (
            window.is_empty or row.terms.get("activeUntil") != window.ends
        )

    def _rank(self, privilege: Record) -> tuple[bool, int, str]:
        is_active = ActivityWindow.of(privilege).is_active(self.now)
        return is_active, roles.reach(privilege["role"]), privilege["activeFrom"]

    def _end_others(self, user: str, kept: Record) -> None:
        ends = max(self.now, kept["activeFrom"])
        for other in people.privileges_of(self.records, user):
            window = ActivityWindow.of(other)
            if other["id"] != kept["id"] and window.is_active(self.now):
                closed = other | window.revoked(ends).members
                if closed != other:
                    self.records.put(PRIVILEGES, str(other["id"]), closed)

    def holders(self) -> list[str]:
        """The keys of users with a privilege that has not ended."""
        lasting = Query(within=("tenant", self.records.label), ended=False, at=self.now)
        holding = Query(related=(Related(PRIVILEGES, "user", lasting),))
        return [
            username_key(account["username"])
            for account in self.records.query(USERS, holding).records
        ]

    def revoke_missing(self, rows: list[Row], holders: list[str], may_revoke_most: bool) -> None:
        """Revoke all privileges of holders whom the file lacks, but not the last administrator's.

        `holders` are those before the file was loaded. Conflict if more than half of them are
        revoked, unless `may_revoke_most`.
        """
        listed = {username_key(row.username) for row in rows}
        revoked = 0
        for user in holders:
            if user in listed:
                continue
            held = people.privileges_of(self.records, user)
            kept = self._kept_for_administration(held)
            people.close(self.records, [each for each in held if each["id"] not in kept])
            if kept:
                name = people.username_of(self.records.view, user)
                self.outcome.told.append(f"'{name}' is the last administrator, and stays.")
            else:
                revoked += 1
        if revoked * 2 > len(holders) and not may_revoke_most:
            raise Conflict(
                f"Of the tenant's users this would revoke {revoked} out of {len(holders)}, more "
                "than half. Say --yes if that is meant."
            )

    def _kept_for_administration(self, held: Any) -> set[int]:
        before = people.administration(self.records)
        administering = [each for each in held if each["role"] == roles.ADMINISTRATOR]
        if not administering:
            return set()
        closed = [
            each | ActivityWindow.of(each).revoked(self.now).members for each in administering
        ]
        for each in closed:
            self.records.put(PRIVILEGES, str(each["id"]), each)
        try:
            people.require_administration(self.records, before)
        except Conflict:
            for each in administering:
                self.records.put(PRIVILEGES, str(each["id"]), each)
            return {each["id"] for each in administering}
        return set()

    def check(self) -> None:
        """BadFile for the rules between records that are broken now that all rows are in."""
        for row, privilege in self.touched:
            for member, message in of_privilege(self.records.view, privilege, self.now):
                self.faults.add(row.line, member, message)
        self.faults.require_none()
        try:
            people.require_administration(self.records, self.before)
        except Conflict as error:
            raise BadFile([error.detail]) from error
