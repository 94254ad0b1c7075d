"""The language of filters (RFC 7644, 3.4.2.2): read in one pass, and judged by values.

Everything has one value of each attribute. That is enough here: an account has one address, and
what is asked of the members of a group is asked of one member at a time.
"""

import json
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from provisioning.domain.names import username_key
from provisioning.scim.messages import ALIASES, Refused, bare, quoted

LONGEST_FILTER = 4_096
MOST_COMPARISONS = 50
LONGEST_VALUE = 1_000
"""No attribute has a longer value."""

FOLDED, EXACT, SWITCH, MEMBER = "folded", "exact", "switch", "member"
"""Kinds of attributes: text that is compared as usernames are, exact text, booleans, and ids of
members, for which alone others could be read than those that are named."""
Kinds = Mapping[str, str]
"""Attribute in lower case -> its kind."""
Judge = Callable[[Any], bool]


@dataclass(frozen=True)
class Comparison:
    """One comparison; `value` is None for `pr` and for null."""

    name: str
    kind: str
    operator: str
    value: Any = None


@dataclass(frozen=True)
class Not:
    part: "Filter"


@dataclass(frozen=True)
class Several:
    """All of the parts are true, or, unless `is_all`, one of them at least."""

    parts: tuple["Filter", ...]
    is_all: bool


Filter = Comparison | Not | Several

TESTS: dict[str, Callable[[Any, Any], Any]] = {
    "co": operator.contains,
    "sw": str.startswith,
    "ew": str.endswith,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
"""Operators that compare texts of which neither is absent."""
NAMED = "filter: "
"""How errors begin, which name the parameter."""
ONE_MEMBER = 'Members are filtered by value eq "ID" only.'
WORD = re.compile(r'\s*+(?:([()\[\]])|("(?:[^"\\]|\\.)*+")|([^\s()\[\]"]++))', re.DOTALL)


def folded(text: str) -> str:
    """Text as FOLDED attributes are compared; where it is longer than any of them, its beginning
    and what none of them has, since folding takes the square of the length of some texts."""
    return username_key(text[:LONGEST_VALUE]) + ("\uffff" if len(text) > LONGEST_VALUE else "")


def invalid_filter(detail: str) -> Refused:
    return Refused(400, "invalidFilter", f"{NAMED}{detail}")


@dataclass
class _Level:
    """What has been read of a filter within one pair of brackets."""

    closing: str = ""
    prefix: str = ""
    """The attribute before square brackets, and a dot."""
    is_negated: bool = False
    terms: list[list[Filter]] = field(default_factory=lambda: [[]])
    """Joined by `and` within, by `or` without."""

    def node(self) -> Filter:
        node = _joined([_joined(each, is_all=True) for each in self.terms], is_all=False)
        if not self.is_negated:
            return node
        return node.part if isinstance(node, Not) else Not(node)


def _joined(parts: list[Filter], *, is_all: bool) -> Filter:
    return parts[0] if len(parts) == 1 else Several(tuple(parts), is_all)


def parse(text: str, kinds: Kinds, prefix: str = "") -> Filter:
    """A filter; Refused if it is none, too long, or speaks of an attribute that has no kind.

    `prefix` stands before every name in it.
    """
    if len(text) > LONGEST_FILTER:
        raise invalid_filter(f"Must have at most {LONGEST_FILTER:,} characters.")
    return _Reader(text, kinds, prefix).read()


class _Reader:
    """Reads a filter once, word by word, without calling itself for what is in brackets."""

    def __init__(self, text: str, kinds: Kinds, prefix: str) -> None:
        self._words = _words_of(text)
        self._kinds = kinds
        self._levels = [_Level(prefix=prefix)]
        self._comparisons = 0
        self._chosen = ""
        """The prefix in the square brackets that have just ended."""

    def read(self) -> Filter:
        wants_term = True
        for word in self._words:
            wants_term = self._begin_term(word) if wants_term else self._go_on(word)
        if wants_term or len(self._levels) > 1:
            raise invalid_filter("It ends too early: a comparison or a bracket is missing.")
        return self._levels[0].node()

    def _begin_term(self, word: str) -> bool:
        """Whether a term must follow."""
        level = self._levels[-1]
        if word == "(":
            self._levels.append(_Level(")", level.prefix))
            return True
        if word.lower() == "not":
            self._require_no_members(level)
            if next(self._words, "") != "(":
                raise invalid_filter("'not' must be followed by brackets: not (...).")
            self._levels.append(_Level(")", level.prefix, is_negated=True))
            return True
        following = next(self._words, "")
        if following != "[":
            level.terms[-1].append(self._compare(level.prefix + bare(word), following))
            return False
        if level.prefix:
            raise invalid_filter("Square brackets can't stand in one another.")
        self._levels.append(_Level("]", f"{bare(word)}."))
        return True

    def _go_on(self, word: str) -> bool:
        """Whether a term must follow."""
        level, chosen = self._levels[-1], self._chosen
        self._chosen = ""
        if word == level.closing:
            self._chosen = level.prefix if word == "]" else ""
            node = self._levels.pop().node()
            self._levels[-1].terms[-1].append(node)
            return False
        if chosen and word.startswith("."):  # as in emails[type eq "work"].value eq "x"
            compared = self._compare(chosen + word[1:].lower(), next(self._words, ""))
            level.terms[-1].append(Several((level.terms[-1].pop(), compared), is_all=True))
            return False
        if word.lower() == "or":
            level.terms.append([])
        elif word.lower() == "and":
            self._require_no_members(level)
        else:
            raise invalid_filter(f"{quoted(word)} is where 'and', 'or' or the end should be.")
        return True

    def _require_no_members(self, level: _Level) -> None:
        if level.prefix == "members.":
            raise invalid_filter(ONE_MEMBER)

    def _compare(self, name: str, operator: str) -> Comparison:
        self._comparisons += 1
        if self._comparisons > MOST_COMPARISONS:
            raise invalid_filter(f"Must have at most {MOST_COMPARISONS} comparisons.")
        return _comparison(name, operator, self._words, self._kinds)


def _words_of(text: str) -> Iterator[str]:
    """The brackets, texts and words of a filter."""
    place, end = 0, len(text.rstrip())
    while place < end:
        found = WORD.match(text, place)
        if found is None:
            raise invalid_filter(f"It can't be read from {quoted(text[place:].strip())} on.")
        place = found.end()
        yield found[found.lastindex or 0]


def _comparison(name: str, word: str, words: Iterator[str], kinds: Kinds) -> Comparison:
    name, compared = ALIASES.get(name, name), word.lower()
    kind = kinds.get(name)
    if kind is None:
        there = ", ".join(sorted(kinds))
        raise invalid_filter(f"Nothing is filtered by {quoted(name)}. There are {there}.")
    if compared not in {"eq", "ne", "pr", *TESTS}:
        raise invalid_filter(f"{name}: {quoted(word)} is no operator. There are eq, ne, co, sw ...")
    if compared == "pr" and kind != MEMBER:
        return Comparison(name, kind, compared)
    value = _value(next(words, "")) if compared != "pr" else None
    if kind == MEMBER and (compared != "eq" or not isinstance(value, str)):
        raise invalid_filter(ONE_MEMBER)
    if kind == SWITCH and isinstance(value, str):
        value = {"true": True, "false": False}.get(value.lower(), value)
    is_fit = value is None or isinstance(value, bool if kind == SWITCH else str)
    if is_fit and (compared in {"eq", "ne"} or isinstance(value, str)):
        return Comparison(name, kind, compared, value)
    wanted = "true or false, by eq or ne" if kind == SWITCH else "text"
    raise invalid_filter(f"{name}: Must be compared with {wanted}.")


def _value(word: str) -> str | bool | float | None:
    """What a name is compared with; all numbers are 0.0, since nothing is compared with one."""
    words = {"true": True, "false": False, "null": None}
    if word.lower() in words:
        return words[word.lower()]
    if word.startswith('"'):
        try:
            text = str(json.loads(word, strict=False))
            text.encode()
        except ValueError:
            raise invalid_filter(f"{quoted(word)} is no text as JSON has it.") from None
        if "\0" in text:
            raise invalid_filter(f"{quoted(word)} must not contain the NUL character.")
        return text
    if not word or not (word[0].isdigit() or word[0] == "-"):
        raise invalid_filter(f"{quoted(word)} must be text in quotes, true or false.")
    return 0.0


def judge(node: Filter, judge_of: Callable[[Comparison], Judge]) -> Judge:
    """A function that says whether a filter is true of something, by that of each comparison."""
    if isinstance(node, Comparison):
        return judge_of(node)
    if isinstance(node, Not):
        inner = judge(node.part, judge_of)
        return lambda each: not inner(each)
    parts, is_all = [judge(each, judge_of) for each in node.parts], node.is_all

    def is_true(each: Any) -> bool:
        for part in parts:
            if part(each) is not is_all:
                return not is_all
        return is_all

    return is_true


def compared(node: Comparison, value_of: Callable[[Any], Any]) -> Judge:
    """A function that says whether a comparison is true of something, whose value of this attribute
    `value_of` returns: None if it has none, folded if it is FOLDED. `node`'s is folded here, once.
    """
    wanted = node.value
    if node.kind == FOLDED and wanted is not None:
        wanted = folded(wanted)
    if node.operator == "pr":
        return lambda each: value_of(each) is not None
    if node.operator in {"eq", "ne"}:
        is_equal = node.operator == "eq"
        return lambda each: (value_of(each) == wanted) is is_equal
    test = TESTS[node.operator]
    return lambda each: (value := value_of(each)) is not None and bool(test(value, wanted))
