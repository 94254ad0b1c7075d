"""How tables stand in the file: indented JSON, which people can read, compare and edit.

The bytes of a record are kept as long as the record stays the same, so that a change lays out only
what it changes. The file holds a digest of the rest of it: where that fits, a store wrote it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from provisioning.store.errors import StoreDamaged

Tables = dict[str, dict[str, Any]]
Meta = dict[str, Any]
META = "_meta"
_INDENTED = orjson.OPT_INDENT_2
_END = b"\n    }"
_MODULUS = 2**64
_PART = 256
"""Records that are written together."""


@dataclass(frozen=True)
class Layout:
    """The bytes of every record, by table and document id."""

    records: dict[str, dict[str, bytes]]
    sums: dict[str, int]
    """By table: the sum of its records' digests, which a change of one record changes quickly."""

    @classmethod
    def of(cls, tables: Mapping[str, Mapping[str, Any]]) -> "Layout":
        """All records, laid out."""
        records = {
            name: {key: _laid_out(key, record) for key, record in table.items()}
            for name, table in tables.items()
        }
        sums = {name: sum(map(_digest, table.values())) for name, table in records.items()}
        return cls(records, sums)

    def changed(
        self, tables: Mapping[str, Mapping[str, Any]], touched: Mapping[str, Iterable[str]]
    ) -> "Layout":
        """Of later tables, in which only these records were put or removed."""
        records, sums = dict(self.records), dict(self.sums)
        for name, keys in touched.items():
            table = tables[name]
            found = [
                (key, table[key], _laid_out(key, table[key])) if key in table else (key, None, b"")
                for key in keys
            ]
            records[name], sums[name] = _with(records.get(name, {}), sums.get(name, 0), found)
            if list(records[name]) != list(table):
                records[name] = {key: records[name][key] for key in table}
        return Layout(records, sums)

    def data(self, meta: Meta) -> Iterator[bytes]:
        """The whole file, in parts."""
        pieces: list[bytes] = []
        signed = {"1": _laid_out("1", meta | {"digest": self.digest(meta)})}
        for name, table in {META: signed, **self.records}.items():
            first = len(pieces)
            pieces += list(table.values()) or [b""]
            opened, closed = (b"{\n", b"\n  }") if table else (b"{", b"}")
            pieces[first] = b"  " + orjson.dumps(name) + b": " + opened + pieces[first]
            pieces[-1] += closed
        pieces[0] = b"{\n" + pieces[0]
        pieces[-1] += b"\n}\n"
        # Parts that fit into the processor's cache are joined and written faster than a whole one.
        for begin in range(0, len(pieces), _PART):
            part = b",\n".join(pieces[begin : begin + _PART])
            yield part if begin + _PART >= len(pieces) else part + b",\n"

    def digest(self, meta: Meta) -> str:
        """What the file says of the rest of itself."""
        rest = {name: value for name, value in meta.items() if name != "digest"}
        sums = {name: value % _MODULUS for name, value in self.sums.items()}
        return blake2b(orjson.dumps([rest, sums]), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Content:
    """What was read."""

    tables: Tables
    layout: Layout | None = None
    """None where it is laid out in another way than a store does."""
    is_own: bool = False
    """Whether a store wrote it as it is: every record of it has been checked before."""


@dataclass(frozen=True)
class Difference:
    """How a file that a store wrote differs from the known one."""

    meta: Meta
    changes: dict[str, list[tuple[str, Any]]]
    """By table: document ids with their records, None for a removed one, to be done in order."""
    layout: Layout


def encode(tables: Tables) -> bytes:
    """The bytes of a file of any tables."""
    return orjson.dumps(tables, option=_INDENTED | orjson.OPT_APPEND_NEWLINE)


def decode(data: bytes) -> Content:
    """What is in a file. Raises StoreDamaged, with line and column where it isn't JSON."""
    if not data:
        raise StoreDamaged(
            "the file is empty. Remove it to begin an empty store, or put a copy in its place"
        )
    try:
        tables = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise StoreDamaged(error.msg, line=error.lineno, column=error.colno) from None
    # orjson lets the last of two equal members win, which would silently drop what a person has
    # written. The parser that sees them takes ten times as long, so it only reads files that aren't
    # byte for byte what a store writes: those can't hold any.
    try:
        is_laid_out = encode(tables) == data
        if not is_laid_out:
            json.loads(data, object_pairs_hook=_without_duplicates)
    except (RecursionError, orjson.JSONEncodeError):
        raise StoreDamaged("it is nested too deeply") from None
    if not isinstance(tables, dict):
        raise StoreDamaged("it is not an object of tables")
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise StoreDamaged("it is not an object of records", table=name)
        for key, record in table.items():
            if not isinstance(record, dict):
                raise StoreDamaged("it is not an object of members", table=name, record=key)
    if not is_laid_out:
        return Content(tables)
    meta = tables.get(META, {}).get("1", {})
    layout = Layout.of({name: table for name, table in tables.items() if name != META})
    return Content(tables, layout, is_own=meta.get("digest") == layout.digest(meta))


def difference(known: Layout, data: bytes) -> Difference | None:
    """How a file differs from the known one; None unless it is just as a store wrote it.

    Only the records that differ are read.
    """
    begin = b'{\n  "_meta": {\n'
    changes: dict[str, list[tuple[str, Any]]] = {}
    records, sums = dict(known.records), dict(known.sums)
    try:
        _, meta, piece = _record_at(data, len(begin))
        at = len(begin) + len(piece) + len("\n  }")
        for name in known.records:
            at += len(b",\n  " + orjson.dumps(name) + b": {")
            found, at = _changed_records(records[name], data, at)
            if found:
                changes[name] = [(key, record) for key, record, _ in found]
                records[name], sums[name] = _with(records[name], sums[name], found)
    except ValueError:
        return None
    layout = Layout(records, sums)
    if meta.get("digest") != layout.digest(meta):
        return None
    # This shows that nothing else stands between the records.
    at = 0
    for part in layout.data(meta):
        if not data.startswith(part, at):
            return None
        at += len(part)
    if at != len(data):
        return None
    return Difference(meta, changes, layout)


Found = tuple[str, Any, bytes]
"""A document id, its record and its bytes; None and no bytes where it has been removed."""


def _changed_records(known: Mapping[str, bytes], data: bytes, at: int) -> tuple[list[Found], int]:
    """How a table that begins behind its brace differs from the known one, and where it ends."""
    found: list[Found] = []
    gap = len("\n")
    for key, piece in known.items():
        if data.startswith(piece, at + gap):
            at, gap = at + gap + len(piece), len(",\n")
            continue
        other = None if _ends(data, at) else _record_at(data, at + gap)
        if other is None or other[0] != key:
            # Where it only has another place, it is met again below.
            found.append((key, None, b""))
        else:
            found.append(other)
            at, gap = at + gap + len(other[2]), len(",\n")
    while not _ends(data, at):
        found.append(_record_at(data, at + gap))
        at, gap = at + gap + len(found[-1][2]), len(",\n")
    return found, at + (len("}") if data.startswith(b"}", at) else len("\n  }"))


def _ends(data: bytes, at: int) -> bool:
    return data.startswith((b"}", b"\n  }"), at)


def _record_at(data: bytes, at: int) -> Found:
    """The record that begins here. Raises ValueError for anything else."""
    piece = data[at : data.index(_END, at) + len(_END)]
    ((key, record),) = orjson.loads(b"{" + piece + b"}").items()
    return key, record, piece


def _with(
    known: Mapping[str, bytes], total: int, found: Iterable[Found]
) -> tuple[dict[str, bytes], int]:
    """A table's bytes after changes, and the sum of their digests."""
    records = dict(known)
    for key, _, piece in found:
        total += _digest(piece) - _digest(records.get(key, b""))
        if piece:
            records[key] = piece
        else:
            records.pop(key, None)
    return records, total


def _laid_out(key: str, record: Any) -> bytes:
    """A record with its document id, indented as it stands in a table of the file."""
    wrapped = orjson.dumps({"": {key: record}}, option=_INDENTED)
    return wrapped[len('{\n  "": {\n') : -len("\n  }\n}")]


def _digest(piece: bytes) -> int:
    return int.from_bytes(blake2b(piece, digest_size=8).digest()) if piece else 0


def _without_duplicates(pairs: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise StoreDamaged(f"the name {twice!r} stands twice in one object")
