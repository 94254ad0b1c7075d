"""People anew: each person of a tenant as somebody who doesn't exist, the same in every place.

What a person becomes follows from a salt and from what they are, not from whom they stand beside.
So two pulls with one salt agree.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from provisioning.domain.names import username_key
from provisioning.remote.names import (
    FAMILY,
    GIVEN,
    HINTS,
    ascii_name,
    has_blanks,
    name,
    script_of,
)
from provisioning.remote.walking import text_of, user_of
from provisioning.store import Record

MOST_TRIES = 1_000
SHORTEST_NAME = 2
"""Names of one character are not looked for in texts: they are in too many words."""
SHORTEST_PART = 3
"""Real names from this length on are not even a part of invented ones."""
FIRST_YEAR, YEARS = 1930, 75
NAMED = (("firstName", GIVEN), ("lastName", FAMILY))
WORDS = re.compile(r"\w+")


def folded(text: str) -> str:
    """Text as usernames are compared, but character by character, so that places stay."""
    return "".join(each if len(key := username_key(each)) != 1 else key for each in text)


@dataclass
class Finder:
    """Finds texts in other texts, the longest first, ignoring case."""

    root: dict[str, Any] = field(default_factory=dict)

    def add(self, wanted: str, replacement: str) -> None:
        """Names without `@` are found only where they stand apart as words."""
        at = self.root
        for char in folded(wanted):
            at = at.setdefault(char, {})
        at.setdefault("", (replacement, "@" not in wanted and "%40" not in wanted))

    def replaced(self, text: str) -> str:
        """The text with all that is found replaced; the same object if nothing is."""
        if not self.root:
            return text
        places, pieces, done, at = folded(text), [], 0, 0
        while at < len(places):
            found = self._longest(places, at) if places[at] in self.root else None
            if found is None:
                at += 1
                continue
            end, replacement = found
            pieces += [text[done:at], replacement]
            done = at = end
        return "".join([*pieces, text[done:]]) if pieces else text

    def _longest(self, text: str, begin: int) -> tuple[int, str] | None:
        node: Any = self.root
        found = None
        for end in range(begin, len(text)):
            node = node.get(text[end])
            if node is None:
                break
            if "" in node:
                replacement, is_word = node[""]
                if not is_word or stands_apart(text, begin, end + 1):
                    found = end + 1, replacement
        return found


def stands_apart(text: str, begin: int, end: int) -> bool:
    """Whether a part of a text is a word or several, and not within a longer one."""

    def joins(inner: str, outer: str) -> bool:
        return inner.isalnum() and outer.isalnum() and has_blanks(inner) and has_blanks(outer)

    return not joins(text[begin], text[begin - 1 : begin]) and not joins(
        text[end - 1], text[end : end + 1]
    )


class RealPeople:
    """Everybody as they are, for those who have said so."""

    def username(self, username: str) -> str:
        return username

    def account(self, user: Record) -> Record:
        return user

    def told(self, value: Any) -> Any:
        return value

    def prose(self, text: str, owner: str | None = None) -> str:
        return text


class InventedPeople(RealPeople):
    """Everybody anew. `profiles` are all records, with at least a username, of all people.

    `account` makes a user's members, `told` replaces usernames and addresses in any JSON, and
    `prose` names as well.
    """

    def __init__(self, salt: str, profiles: Iterable[Record]) -> None:
        self.salt = salt.encode()
        people: dict[str, Record] = {}
        for each in profiles:
            key = user_of(each.get("username"))
            if key is not None:
                # What is known of one person from several places counts together.
                known = people.setdefault(key, {})
                known |= {n: value for n, value in each.items() if known.get(n) is None}
        self.people = people
        emails = {e for p in people.values() if (e := user_of(p.get("email"))) is not None}
        self.taken = set(people) | emails
        self.real_names = {word for p in people.values() for word in _names(p)}
        self.real_values = {
            str(p[member])
            for p in people.values()
            for member in ("zipCode", "hint", "avatar")
            if p.get(member) is not None
        }
        self.usernames: dict[str, str] = {}
        self.emails: dict[str, str] = {}
        for key in sorted(people):
            is_address = "@" in str(people[key]["username"])
            self.usernames[key] = self._free_address("username", key, is_address)
        for key in sorted(emails):
            own = self.usernames.get(key, "")
            self.emails[key] = own if "@" in own else self._free_address("email", key, True)
        self.finder, self.in_prose = Finder(), Finder()
        self._prepare()

    def _number(self, *of: str) -> int:
        digest = hmac.new(self.salt, "\0".join(of).encode("utf-8", "surrogatepass"), hashlib.sha256)
        return int.from_bytes(digest.digest())

    def _free_address(self, kind: str, key: str, is_address: bool) -> str:
        person = self.people.get(key, {})
        names = [
            made.lower()
            for member, side in NAMED
            if person.get(member) and (made := self._named(key, person, member, side)).isascii()
        ]
        for tried in range(MOST_TRIES):
            number, tail = divmod(self._number(kind, key, str(tried)), 10_000)
            words = names or [ascii_name(number), ascii_name(number >> 64)]
            made = f"{'.'.join(words)}{tail:04}" + ("@people.test" if is_address else "")
            if made not in self.taken and not self._is_like(made):
                break
        self.taken.add(made)
        return made

    def _is_like(self, made: str) -> bool:
        """Whether an invented text holds the name of anybody real."""
        for word in WORDS.findall(made.casefold()):
            shortest = SHORTEST_PART if has_blanks(word[0]) else SHORTEST_NAME
            if word in self.real_names or any(
                word[begin:end] in self.real_names
                for begin in range(len(word))
                for end in range(begin + shortest, len(word) + 1)
            ):
                return True
        return False

    def _named(self, key: str, person: Record, member: str, kind: int) -> str:
        script = script_of(f"{person.get(member)} {person.get('lastName')}")
        for tried in range(MOST_TRIES):
            made = name(script, kind, self._number(member, key, str(tried)))
            if not self._is_like(made):
                break
        return made

    def _prepare(self) -> None:
        for key in sorted(self.people):
            person = self.people[key]
            spelled = str(person["username"])
            self._find(spelled, self.usernames[key])
            email = text_of(person.get("email"))
            if email:
                self._find(email, self.emails[username_key(email)])
        for key in sorted(self.people):
            for word, replacement in self._names_of(key):
                self.in_prose.add(word, replacement)

    def _find(self, real: str, invented: str) -> None:
        for finder in (self.finder, self.in_prose):
            finder.add(real, invented)
            encoded = quote(real, safe="")
            if encoded != real:
                finder.add(encoded, quote(invented, safe=""))

    def _names_of(self, key: str) -> Iterator[tuple[str, str]]:
        """Words of a person's names, each with what it becomes."""
        person, invented = self.people[key], self.account(self.people[key])
        for member, _ in NAMED:
            text = text_of(person.get(member))
            if not text:
                continue
            for word in {text, *WORDS.findall(text)}:
                if len(word) >= SHORTEST_NAME:
                    yield word, str(invented[member])

    def username(self, username: str) -> str:
        key = username_key(username)
        if key not in self.usernames:
            self.usernames[key] = self._free_address("username", key, "@" in username)
        return self.usernames[key]

    def account(self, user: Record) -> Record:
        """A user's record with every member of theirs invented that tells who they are."""
        key = username_key(str(user["username"]))
        invented = dict(user) | {"username": self.username(str(user["username"]))}
        if user.get("email") is not None:
            invented["email"] = self.emails.get(user_of(user["email"]) or "", invented["username"])
        for member, kind in NAMED:
            if user.get(member) is not None:
                invented[member] = self._named(key, user, member, kind)
        if user.get("avatar") is not None:
            number = self._number("avatar", key) % 10**12
            invented["avatar"] = f"https://people.test/avatars/{number}.png"
        if user.get("hint") is not None:
            invented["hint"] = self._hint(key)
        if user.get("zipCode") is not None:
            invented["zipCode"] = self._zip_code(key, str(user["zipCode"]))
        if user.get("birthYear") is not None:
            years = self._number("birthYear", key) % YEARS
            year = FIRST_YEAR + years
            is_own = year == user["birthYear"]
            invented["birthYear"] = FIRST_YEAR + (years + 1) % YEARS if is_own else year
        return invented

    def _hint(self, key: str) -> str:
        made = HINTS[self._number("hint", key) % len(HINTS)]
        return made if made not in self.real_values else f"{made}, {ascii_name(len(made))}"

    def _zip_code(self, key: str, real: str) -> str:
        """Digits for digits and letters for letters, and nobody's real one."""
        made = real
        for tried in range(MOST_TRIES):
            number, made = self._number("zipCode", key, str(tried)), ""
            for char in real[:20]:
                number, digit = divmod(number, 10 * 26)
                letter = chr(ord("a") + digit % 26)
                if char.isdigit():
                    made += str(digit % 10)
                elif char.isalpha():
                    made += letter.upper() if char.isupper() else letter
                else:
                    made += char
            if made not in self.real_values:
                return made
        return f"{made}-{self._number('zipCode', key) % 10_000:04}"

    def told(self, value: Any) -> Any:
        """Any JSON with people's usernames and addresses replaced, in names of members too."""
        if isinstance(value, str):
            return self.finder.replaced(value)
        if isinstance(value, list):
            return [self.told(each) for each in value]
        if isinstance(value, dict):
            return {self.told(name): self.told(each) for name, each in value.items()}
        return value

    def prose(self, text: str, owner: str | None = None) -> str:
        """A text for people with people's names replaced as well, those of its owner first."""
        if owner is not None and owner in self.people:
            own = Finder()
            for word, replacement in self._names_of(owner):
                own.add(word, replacement)
            text = own.replaced(text)
        return self.in_prose.replaced(text)


def _names(person: Record) -> Iterator[str]:
    for member, _ in NAMED:
        text = text_of(person.get(member)) or ""
        yield from WORDS.findall(text.casefold())
