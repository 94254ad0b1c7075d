"""The API against a model of roles and windows: who may come in, as what, and sees whom.

An administrator adds users, grants, changes, revokes and makes keys, in any order and at any time.
After each step every key is asked who it is and whom it sees, and a few lines of plain Python say
what section 3 of the contract lets them answer. Instants are seconds after the sandbox's start.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
)

from provisioning.domain.activity import later
from provisioning.testing.sandbox import NOW, Sandbox

ROLES = ("USER", "TEAM_LEADER", "MANAGEMENT", "INTERNAL_AUDITING", "ADMINISTRATOR")
OVERSEERS = ("INTERNAL_AUDITING", "ADMINISTRATOR")
ALICE = "alice@acme.test"
USERS = [ALICE, *(f"{name}@acme.test" for name in ("bob", "carol", "dave"))]

users = st.sampled_from(USERS)
roles = st.sampled_from(ROLES)
supervisors = st.none() | users
begins = st.none() | st.sampled_from([-100, -1, 0, 1, 50, 200])
"""Relative to now; None is absent."""
lengths = st.none() | st.sampled_from([0, 1, 49, 50, 51, 300])


@dataclass(frozen=True)
class Window:
    begin: int
    end: int | None

    def is_active(self, now: int) -> bool:
        return self.begin <= now and (self.end is None or now < self.end)

    def has_ended(self, now: int) -> bool:
        return self.is_empty or (self.end is not None and self.end <= now)

    @property
    def is_empty(self) -> bool:
        return self.end is not None and self.end <= self.begin

    def overlaps(self, other: "Window") -> bool:
        """Whether there is a second in both."""
        begin = max(self.begin, other.begin)
        return all(each.end is None or begin < each.end for each in (self, other))


@dataclass(frozen=True)
class Privilege:
    user: str
    role: str
    window: Window
    reports_to: str | None


@dataclass(frozen=True)
class Key:
    owner: str | None
    kind: str
    window: Window


class Api(RuleBasedStateMachine):
    privileges_made = Bundle("privileges_made")
    keys_made = Bundle("keys_made")

    def __init__(self) -> None:
        super().__init__()
        self.sandbox = Sandbox()
        self.now = 0
        self.privileges: dict[int, Privilege] = {}
        self.keys: dict[str, Key] = {}
        self.accounts = {ALICE}
        root = self.sandbox.add_key(None)
        self.keys[root] = Key(None, "BASIC", Window(0, None))
        self.root = self.sandbox.client(root)
        (made,) = self.root.get("/privileges").json
        self.privileges[made["id"]] = Privilege(ALICE, "ADMINISTRATOR", Window(0, None), None)

    # What the contract says

    def of(self, user: str) -> list[Privilege]:
        return [each for each in self.privileges.values() if each.user == user]

    def role(self, user: str) -> str | None:
        active = [each.role for each in self.of(user) if each.window.is_active(self.now)]
        return max(active, key=ROLES.index, default=None)

    def members(self) -> set[str]:
        return {each.user for each in self.privileges.values()}

    def sees(self, user: str, role: str) -> set[str]:
        if role in OVERSEERS:
            return self.members()
        seen = {user}
        while role in {"TEAM_LEADER", "MANAGEMENT"}:
            below = {
                each.user
                for each in self.privileges.values()
                if each.window.is_active(self.now) and each.reports_to in seen
            }
            if below <= seen or role == "TEAM_LEADER":
                return seen | below
            seen |= below
        return seen

    def administers(self, privilege: Privilege) -> bool:
        return (
            privilege.role == "ADMINISTRATOR"
            and privilege.window.end is None
            and privilege.window.is_active(self.now)
        )

    def would_be_orphaned(self, changes: dict[int, Privilege]) -> bool:
        after = (self.privileges | changes).values()
        return any(map(self.administers, self.privileges.values())) and not any(
            map(self.administers, after)
        )

    def closes_circle(self, privilege: Privilege) -> bool:
        above, waiting = set(), [privilege.reports_to]
        while waiting:
            supervisor = waiting.pop()
            if supervisor in above or supervisor is None:
                continue
            above.add(supervisor)
            waiting += [
                each.reports_to
                for each in self.of(supervisor)
                if not each.window.has_ended(self.now)
            ]
        return privilege.user in above

    def refusals(self, privilege: Privilege, number: int | None = None) -> set[int]:
        """With what statuses these terms may be refused; none: they are accepted."""
        found = set()
        window, before = privilege.window, self.privileges.get(number or 0)
        if window.is_empty and (before is None or window != before.window):
            found.add(422)
        if any(
            other.role == privilege.role and other.window.overlaps(window)
            for key, other in self.privileges.items()
            if other.user == privilege.user and key != number
        ):
            found.add(409)
        supervisor = privilege.reports_to
        if supervisor is not None and (before is None or supervisor != before.reports_to):
            if supervisor == privilege.user:
                found.add(409)
            elif supervisor not in self.members():
                found.add(422)
        if supervisor and not window.has_ended(self.now) and self.closes_circle(privilege):
            found.add(409)
        if number is not None and self.would_be_orphaned({number: privilege}):
            found.add(409)
        return found

    # What is done

    def window(self, begin: int | None, length: int | None) -> tuple[Window, dict[str, Any]]:
        """A window, and the members that ask for it."""
        start = self.now + (begin or 0)
        end = None if length is None else start + length
        sent = {} if begin is None else {"activeFrom": instant(start)}
        return Window(start, end), sent | ({} if end is None else {"activeUntil": instant(end)})

    def require(self, answer: Any, refusals: set[int], success: int) -> bool:
        """That it was done or refused as predicted; whether it was done."""
        note(f"{answer.request.method} {answer.request.path} -> {answer.status_code}")
        assert answer.status_code in (refusals or {success}), (answer.text, refusals)
        return answer.status_code == success

    @rule(target=privileges_made, user=users, role=roles, begin=begins, length=lengths)
    def add_user(self, user: str, role: str, begin: int | None, length: int | None):
        window, sent = self.window(begin, length)
        body = {"username": user, "email": user, "password": "x"}
        body["tenantUserPrivileges"] = [{"role": role, **sent}]
        answer = self.root.post("/users", json=body)
        privilege = Privilege(user, role, window, None)
        refusals = self.refusals(privilege) | ({409} if user in self.accounts else set())
        if not self.require(answer, refusals, 201):
            return multiple()
        self.accounts.add(user)
        (made,) = answer.json["tenantUserPrivileges"]
        self.privileges[made["id"]] = privilege
        return made["id"]

    @rule(
        target=privileges_made,
        user=users,
        role=roles,
        begin=begins,
        length=lengths,
        supervisor=supervisors,
    )
    def grant(
        self, user: str, role: str, begin: int | None, length: int | None, supervisor: str | None
    ):
        window, sent = self.window(begin, length)
        body = {"username": user, "role": role, "reportsTo": supervisor, **sent}
        answer = self.root.post("/privileges", json=body)
        privilege = Privilege(user, role, window, supervisor)
        refusals = self.refusals(privilege) if user in self.accounts else {422}
        if not self.require(answer, refusals, 201):
            return multiple()
        self.privileges[answer.json["id"]] = privilege
        return answer.json["id"]

    @rule(number=privileges_made, role=roles)
    def change_role(self, number: int, role: str) -> None:
        self.change(number, replace(self.privileges[number], role=role), {"role": role})

    @rule(number=privileges_made, begin=begins, length=lengths)
    def change_window(self, number: int, begin: int | None, length: int | None) -> None:
        window, sent = self.window(begin or 0, length)
        sent = {"activeUntil": None, "activeFrom": instant(window.begin), **sent}
        self.change(number, replace(self.privileges[number], window=window), sent)

    @rule(data=st.data(), supervisor=supervisors)
    def change_supervisor(self, data: st.DataObject, supervisor: str | None) -> None:
        going_on = [k for k, each in self.privileges.items() if not each.window.has_ended(self.now)]
        number = data.draw(st.sampled_from(going_on))
        after = replace(self.privileges[number], reports_to=supervisor)
        self.change(number, after, {"reportsTo": supervisor})

    def change(self, number: int, after: Privilege, sent: dict[str, Any]) -> None:
        before = self.privileges[number]
        answer = self.root.put(f"/privileges/{number}", json=sent)
        refusals = self.refusals(after, number)
        if before.window.has_ended(self.now):
            refusals |= {409}
        if after == before:
            refusals = set()
        if self.require(answer, refusals, 200):
            self.privileges[number] = after

    @rule(number=privileges_made)
    def revoke(self, number: int) -> None:
        self.close([number], self.root.delete(f"/privileges/{number}"))

    @rule(user=users)
    def revoke_all(self, user: str) -> None:
        numbers = [key for key, each in self.privileges.items() if each.user == user]
        answer = self.root.delete(f"/users/{user}")
        if not numbers:
            self.require(answer, {404}, 204)
        else:
            self.close(numbers, answer)

    def close(self, numbers: list[int], answer: Any) -> None:
        closed = {}
        for number in numbers:
            window = self.privileges[number].window
            end = max(self.now, window.begin)
            if window.end is not None:
                end = min(end, window.end)
            closed[number] = replace(self.privileges[number], window=Window(window.begin, end))
        if self.require(answer, {409} if self.would_be_orphaned(closed) else set(), 204):
            self.privileges |= closed

    @rule(
        target=keys_made,
        owner=st.none() | users,
        kind=st.sampled_from(["BASIC", "BASIC", "QUERY_ONLY", "INGESTION_ONLY"]),
        begin=begins,
        length=lengths,
    )
    def add_key(self, owner: str | None, kind: str, begin: int | None, length: int | None):
        window, sent = self.window(begin, length)
        path = "/api-keys" if owner is None else f"/users/{owner}/api-keys"
        answer = self.root.post(path, json={"type": kind, **sent})
        refusals = {422} if length is not None and length <= 0 else set()
        if owner is not None and owner not in self.members():
            refusals |= {404}
        if not self.require(answer, refusals, 201):
            return multiple()
        self.keys[answer.json["apiToken"]] = Key(owner, kind, window)
        return answer.json["apiToken"]

    @rule(token=consumes(keys_made))
    def remove_key(self, token: str) -> None:
        owner = self.keys.pop(token).owner
        path = "/api-keys" if owner is None else f"/users/{owner}/api-keys"
        self.require(self.root.delete(f"{path}/{token}"), set(), 204)
        assert self.sandbox.client(token).get("/whoami").status_code == 401

    @rule(seconds=st.sampled_from([1, 49, 50, 51, 100, 1_000]))
    def wait(self, seconds: int) -> None:
        self.now += seconds
        self.sandbox.clock.advance(timedelta(seconds=seconds))

    # What must be so at any time

    @invariant()
    def an_administrator_remains(self) -> None:
        assert any(map(self.administers, self.privileges.values()))

    @invariant()
    def every_key_is_who_the_model_says(self) -> None:
        for token, key in self.keys.items():
            answer = self.sandbox.client(token).get("/whoami")
            role = "ADMINISTRATOR" if key.owner is None else self.role(key.owner)
            reason = None
            if key.window.has_ended(self.now):
                reason = "expired"
            elif not key.window.is_active(self.now):
                reason = "not yet active"
            elif role is None:
                reason = "no active privilege"
            if reason is not None:
                assert answer.status_code == 401
                assert reason in answer.json["detail"]
            elif key.kind == "INGESTION_ONLY":
                assert answer.status_code == 403
            else:
                assert (answer.status_code, answer.json["role"]) == (200, role)

    @invariant()
    def every_key_sees_whom_the_model_says(self) -> None:
        for token, key in self.keys.items():
            role = "ADMINISTRATOR" if key.owner is None else self.role(key.owner)
            if not key.window.is_active(self.now) or key.kind == "INGESTION_ONLY" or role is None:
                continue
            client = self.sandbox.client(token)
            seen = self.members() if key.owner is None else self.sees(key.owner, role)
            listed = client.get("/users?active=all").json
            assert {each["username"] for each in listed} == seen
            privileges = client.get("/privileges?size=300").json
            assert {each["id"] for each in privileges} == {
                number for number, each in self.privileges.items() if each.user in seen
            }
            for user in USERS:
                found = client.get(f"/users/{user}").status_code
                assert found == (200 if user in seen else 404)

    @invariant()
    def the_active_users_are_the_models(self) -> None:
        active = {user for user in self.members() if self.role(user) is not None}
        for choice, expected in (("true", active), ("false", self.members() - active)):
            listed = self.root.get(f"/users?active={choice}").json
            assert {each["username"] for each in listed} == expected

    @precondition(lambda self: len(self.privileges) > 1)
    @invariant()
    def every_effective_privilege_is_the_models(self) -> None:
        for user in self.members():
            answer = self.root.get(f"/privileges/{user}")
            role = self.role(user)
            assert answer.status_code == (200 if role else 404)
            assert role is None or answer.json["role"] == role


def instant(seconds: int) -> str:
    return later(NOW, timedelta(seconds=seconds))


TestApi = pytest.mark.slow(Api.TestCase)
TestApi.settings = settings(
    max_examples=25,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
