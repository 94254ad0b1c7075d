"""CSV as spreadsheets and HR systems write it: from bytes to cells with their lines (section 9)."""

import csv
import io
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from collections.abc import Iterator
from typing import NamedTuple

from provisioning.seed import BadFile

LARGEST_CELL = 2**20
DELIMITERS = ",;\t"
_MARKS = {BOM_UTF8: "utf-8-sig", BOM_UTF16_LE: "utf-16", BOM_UTF16_BE: "utf-16"}
_EXPORT = "Export it as CSV in UTF-8"
_NO_CSV = {
    b"PK\x03\x04": "a zip archive",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an Excel workbook of the older form (.xls)",
    b"%PDF": "a PDF document",
    b"\x1f\x8b": "compressed (gzip)",
    BOM_UTF32_LE: "UTF-32",
    BOM_UTF32_BE: "UTF-32",
}
_IN_ARCHIVES = {
    b"xl/": "an Excel workbook (.xlsx)",
    b"opendocument.spreadsheet": "an OpenDocument workbook (.ods)",
}
_SEPARATOR = re.compile('"?sep=(.)"?', re.IGNORECASE)
_FORMULA = re.compile("'(?=[=+@-])")
_END_OF_FILE = "\0end of file"


class Line(NamedTuple):
    """The cells of one row, without blanks around them, and the number of its first line."""

    number: int
    cells: list[str]


def read_lines(content: bytes, encoding: str | None = None) -> Iterator[Line]:
    """The rows of a CSV file that hold anything, the line of names first.

    `encoding` is that of a file without a mark, UTF-8 unless told. BadFile for what can't be read.
    """
    text = _decoded(content, encoding)
    delimiter, separator_line = _delimiter(text)
    csv.field_size_limit(LARGEST_CELL)
    # What spreadsheets take is taken: blanks around quotes, and a quote within a cell. Of a quote
    # that is never closed the reader says nothing; but then the line after the last is in a cell.
    given = (*io.StringIO(text, newline=""), "\n", _END_OF_FILE)
    reader = csv.reader(given, delimiter=delimiter, skipinitialspace=True)
    begins = 1
    try:
        for row in reader:
            number, begins = begins, reader.line_num + 1
            if row and row[-1].endswith(_END_OF_FILE) and row != [_END_OF_FILE]:
                raise BadFile([f'line {number}: a quote (") is opened that nothing closes.'])
            cells = [_FORMULA.sub("", cell.strip(), count=1) for cell in row]
            if number != separator_line and any(cells) and row != [_END_OF_FILE]:
                yield Line(number, cells)
    except csv.Error as error:
        raise BadFile([f"line {begins}: can't be read as CSV ({error})."]) from error


def _decoded(content: bytes, encoding: str | None) -> str:
    what = next((what for begin, what in _NO_CSV.items() if content.startswith(begin)), None)
    if what is not None:
        inner = (name for mark, name in _IN_ARCHIVES.items() if mark in content)
        raise BadFile([f"The file is {next(inner, what)}, no CSV. {_EXPORT}."])
    marked = next((name for mark, name in _MARKS.items() if content.startswith(mark)), None)
    encoding = marked or encoding or "utf-8"
    if encoding == "utf-8" and b"\0" in content[:2]:
        order = "be" if content.startswith(b"\0") else "le"
        raise BadFile([f"The file is UTF-16 without its mark: say --encoding utf-16-{order}."])
    try:
        return content.decode(encoding).removeprefix("\ufeff")
    except UnicodeError as error:
        before = content[: getattr(error, "start", 0)].decode(encoding, "ignore")
        advice = (
            f"{_EXPORT}, or name its encoding: --encoding cp1252 is that of Western Windows."
            if encoding == "utf-8"
            else "Name the encoding that it has."
        )
        line = before.count("\n") + 1
        raise BadFile(
            [f"line {line}: isn't {encoding.upper().removesuffix('-SIG')}. {advice}"]
        ) from error


def _delimiter(text: str) -> tuple[str, int | None]:
    """The delimiter, and the number of the line `sep=` that names it, if there is one."""
    lines = ((n, line.strip("\r\n")) for n, line in enumerate(io.StringIO(text, newline=""), 1))
    number, first = next(((n, line) for n, line in lines if line.strip()), (1, ""))
    named = _SEPARATOR.fullmatch(first.strip(" "))
    if named is None:
        unquoted = re.sub('"[^"]*"', "", first)
        return max(DELIMITERS, key=unquoted.count), None
    if named[1] not in DELIMITERS:
        raise BadFile([f"line {number}: cells are divided by a comma, a semicolon or a tab."])
    return named[1], number
