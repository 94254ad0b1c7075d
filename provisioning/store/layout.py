"""The bytes of the file: indented JSON, which people can read, compare and edit.

The bytes of a record are kept for as long as it stays the same, so that a change encodes only the
records that it changes. The file holds a digest of itself, which shows whether a store wrote it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson

from provisioning.store.errors import StoreDamaged

Tables = dict[str, dict[str, Any]]
Meta = dict[str, Any]
META = "_meta"
_INDENTED = orjson.OPT_INDENT_2
_BETWEEN = b",\n"
_END = b"\n    }"
_MODULUS = 2**64
BLOCK = 1_000
"""How many records a block has. To change one record means to copy the bytes of its block."""
_LARGE = 262_144
"""A block of so many bytes takes no further record."""


class TableLayout(NamedTuple):
    """The bytes of a table's records, in blocks of several records."""

    blocks: tuple[bytes, ...]
    where: dict[str, int]
    """Document id -> the number of its block."""
    total: int
    """The sum of its records' digests: after a change of one record no other's is needed."""

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> "TableLayout":
        keys = list(table)
        blocks: list[bytes] = []
        where: dict[str, int] = {}
        total = 0
        for begin in range(0, len(keys), BLOCK):
            together = {key: table[key] for key in keys[begin : begin + BLOCK]}
            where |= dict.fromkeys(together, len(blocks))
            blocks.append(_laid_out(together))
            total += sum(map(_digest, _pieces(blocks[-1])))
        return cls(tuple(blocks), where, total)

    def changed(self, pieces: Iterable[tuple[str, bytes]]) -> "TableLayout":
        """The layout after these changes, (document id, new bytes) in order.

        A new record comes last in the table; b"" removes a record.
        """
        blocks, where, total = list(self.blocks), self.where, self.total
        for key, piece in pieces:
            total += _digest(piece)
            if key in where:
                block = blocks[where[key]]
                begin, end = _place(block, key)
                total -= _digest(block[begin:end])
                parts = (block[: max(0, begin - 2)], piece, block[end + 2 :])
                blocks[where[key]] = _BETWEEN.join(filter(None, parts))
                if not piece:
                    where = {other: number for other, number in where.items() if other != key}
            elif piece:
                if not blocks or len(blocks[-1]) >= _LARGE:
                    blocks.append(b"")
                blocks[-1] = _BETWEEN.join(filter(None, (blocks[-1], piece)))
                where = where | {key: len(blocks) - 1}
        return TableLayout(tuple(blocks), where, total)


class Layout(NamedTuple):
    """The bytes of all records, by table."""

    tables: dict[str, TableLayout]

    @classmethod
    def of(cls, tables: Mapping[str, Mapping[str, Any]]) -> "Layout":
        """The layout of these tables, with every record encoded."""
        return cls({name: TableLayout.of(table) for name, table in tables.items()})

    def changed(self, name: str, changes: Iterable[tuple[str, Any]]) -> "Layout":
        """The layout after changes of a table, (document id, record) in order; None removes it."""
        pieces = ((n, b"" if each is None else _laid_out({n: each})) for n, each in changes)
        return Layout({**self.tables, name: self.tables[name].changed(pieces)})

    def data(self, meta: Meta) -> Iterator[bytes]:
        """The bytes of the whole file, in parts."""
        signed = TableLayout.of({"1": meta | {"digest": self.digest(meta)}})
        yield b"{"
        for name, table in {META: signed, **self.tables}.items():
            yield (b"" if name == META else b",") + b"\n  " + orjson.dumps(name) + b": {"
            gap = b"\n"
            for block in filter(None, table.blocks):
                yield gap
                yield block
                gap = _BETWEEN
            yield b"}" if gap == b"\n" else b"\n  }"
        yield b"\n}\n"

    def digest(self, meta: Meta) -> str:
        """The digest that the file holds of all the rest of itself."""
        rest = {name: value for name, value in meta.items() if name != "digest"}
        sums = {name: table.total % _MODULUS for name, table in self.tables.items()}
        return blake2b(orjson.dumps([rest, sums]), digest_size=16).hexdigest()


class Content(NamedTuple):
    """The content of a storage."""

    tables: Tables
    layout: Layout | None = None
    """The bytes of the records; None for a storage in memory, which has none."""
    is_own: bool = False
    """Whether a store wrote the file as it is, so that every record has been checked before."""


class Difference(NamedTuple):
    """The difference between a known file and a later one, both written by a store."""

    meta: Meta
    changes: dict[str, list[tuple[str, Any, Any]]]
    """Table -> (document id, record before, record after), to apply in this order; None where there
    is none."""
    layout: Layout


def encode(tables: Tables) -> bytes:
    """The bytes of a file with any tables, without a digest."""
    return orjson.dumps(tables, option=_INDENTED | orjson.OPT_APPEND_NEWLINE)


def decode(data: bytes) -> Content:
    """The content of a file; StoreDamaged if it can't be a store's, with line and column."""
    if not data:
        raise StoreDamaged(
            "the file is empty. Remove it to begin an empty store, or put a copy in its place"
        )
    try:
        tables = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise StoreDamaged(error.msg, line=error.lineno, column=error.colno) from None
    if not isinstance(tables, dict):
        raise StoreDamaged("it is not an object of tables")
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise StoreDamaged("it is not an object of records", table=name)
        for key, record in table.items():
            if not isinstance(record, dict):
                raise StoreDamaged("it is not an object of members", table=name, record=key)
    meta = tables.get(META, {}).get("1", {})
    try:
        layout = Layout.of({name: table for name, table in tables.items() if name != META})
        is_own = _is(data, layout.data(meta))
        # orjson silently keeps the last of two members with the same name, and would so drop what a
        # person has written. Python's parser, which reports them, takes ten times as long. So it
        # reads only files that aren't byte for byte what orjson writes, as it never writes two.
        if not is_own and encode(tables) != data:
            json.loads(data, object_pairs_hook=_without_duplicates)
    except (RecursionError, orjson.JSONEncodeError):
        raise StoreDamaged("it is nested too deeply") from None
    return Content(tables, layout, is_own)


def difference(known: Layout, data: bytes) -> Difference | None:
    """The difference between the known file and this one; None if no store wrote it as it is.

    Only the records that differ are parsed.
    """
    begin = b'{\n  "_meta": {\n'
    changes: dict[str, list[tuple[str, Any, Any]]] = {}
    tables = dict(known.tables)
    try:
        _, meta, piece = _record_at(data, len(begin))
        at = len(begin) + len(piece) + len("\n  }")
        for name, table in known.tables.items():
            at += len(b",\n  " + orjson.dumps(name) + b": {")
            found, at = _changed_records(table, data, at)
            if found:
                changes[name] = [(key, before, after) for key, before, after, _ in found]
                tables[name] = table.changed((key, piece) for key, _, _, piece in found)
    except ValueError:
        return None
    layout = Layout(tables)
    return Difference(meta, changes, layout) if _is(data, layout.data(meta)) else None


def _is(data: bytes, parts: Iterable[bytes]) -> bool:
    at = 0
    for part in parts:
        if not data.startswith(part, at):
            return False
        at += len(part)
    return at == len(data)


Found = tuple[str, Any, Any, bytes]
"""A document id, its record before and after, and its bytes; for a removed record None and b""."""


def _changed_records(known: TableLayout, data: bytes, at: int) -> tuple[list[Found], int]:
    """The changes of a table whose records begin at this place, and the place where it ends."""
    found: list[Found] = []
    gap = len("\n")
    for block in filter(None, known.blocks):
        if data.startswith(block, at + gap):
            at, gap = at + gap + len(block), len(_BETWEEN)
            continue
        for piece in _pieces(block):
            if data.startswith(piece, at + gap):
                at, gap = at + gap + len(piece), len(_BETWEEN)
                continue
            key, before = _parsed(piece)
            other = None if _ends(data, at) else _record_at(data, at + gap)
            if other is None or other[0] != key:
                # A record that has only moved is found again below.
                found.append((key, before, None, b""))
            else:
                found.append((key, before, *other[1:]))
                at, gap = at + gap + len(other[2]), len(_BETWEEN)
    while not _ends(data, at):
        key, record, piece = _record_at(data, at + gap)
        found.append((key, None, record, piece))
        at, gap = at + gap + len(piece), len(_BETWEEN)
    return found, at + (len("}") if data.startswith(b"}", at) else len("\n  }"))


def _ends(data: bytes, at: int) -> bool:
    return data.startswith((b"}", b"\n  }"), at)


def _record_at(data: bytes, at: int) -> tuple[str, Any, bytes]:
    """Document id, record and bytes of what begins at this place; ValueError if none does."""
    piece = data[at : data.index(_END, at) + len(_END)]
    return *_parsed(piece), piece


def _parsed(piece: bytes) -> tuple[str, Any]:
    ((key, record),) = orjson.loads(b"{" + piece + b"}").items()
    return key, record


def _pieces(block: bytes) -> list[bytes]:
    """The bytes of each record in a block. Only a record begins with four blanks and a quote."""
    first, *others = block.split(b',\n    "')
    return [first, *(b'    "' + other for other in others)]


def _place(block: bytes, key: str) -> tuple[int, int]:
    """The places where a record begins and ends in its block."""
    head = b"    " + orjson.dumps(key) + b": "
    begin = 0 if block.startswith(head) else block.index(b"\n" + head) + 1
    end = block.find(b',\n    "', begin)
    return begin, len(block) if end < 0 else end


def _laid_out(records: Mapping[str, Any]) -> bytes:
    """Records with their document ids as bytes, indented as in a table of the file."""
    wrapped = orjson.dumps({"": records}, option=_INDENTED)
    return wrapped[len('{\n  "": {\n') : -len("\n  }\n}")]


def _digest(piece: bytes) -> int:
    return int.from_bytes(blake2b(piece, digest_size=8).digest()) if piece else 0


def _without_duplicates(pairs: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise StoreDamaged(f"the name {twice!r} stands twice in one object")
