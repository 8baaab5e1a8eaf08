"""Rows of cells from the bytes of a CSV, with errors that name the line."""

from __future__ import annotations

import csv
import io
import re

from odec.errors import DataError

Rows = list[tuple[int, list[str]]]

SAVE = "save it as UTF-8 (in a spreadsheet: 'CSV UTF-8')"

_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_DECIMAL_POINT = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
_SEPARATOR = re.compile(r'"?sep=(.)"?\r?\n?', re.IGNORECASE)
"""The line before the header in which a spreadsheet says what stands between cells."""

_IN_A_SPREADSHEET = re.compile(r"#(?:N/A|NAME\?|[A-Z]+(?:/0)?!)", re.IGNORECASE)
"""What a spreadsheet writes where a formula has no value; another `#` starts a remark."""

_NO_TEXTS = {
    b"PK\x03\x04": "a spreadsheet or another archive",
    b"\xd0\xcf\x11\xe0": "a spreadsheet",
    b"\x1f\x8b": "compressed by gzip",
    b"PAR1": "a Parquet file",
}
_FAULTS = (
    (
        re.compile(r"[+-]?[1-9]\d{0,2}(?:[,.'’\s]\d{3})+(?:[.,]\d+)?"),
        "write thousands without a mark between them",
    ),
    (_DECIMAL_COMMA, "decimals take a point, not a comma"),
    (re.compile(r"\d{4}-\d\d?-\d\d?.*|\d\d?[./]\d\d?[./]\d{2,4}.*"), "a date; give the time since the start"),
    (re.compile(r"\d+:\d\d.*"), "hours and minutes; give the time in one unit"),
    (re.compile(r"[<>≤≥]\s*[\d.,]+"), "a limit and no value"),
    (_IN_A_SPREADSHEET, "an error in the spreadsheet"),
    (re.compile(r".*\n.*", re.DOTALL), "over more than one line: is its quote closed?"),
    (re.compile(r"[+-]?[\d.]+[dD][+-]?\d+"), "write the exponent with an e"),
    (re.compile(r"[+-]?[\d.]+(?:[eE][+-]?\d+)?\s*[^\d\s.,]+"), "units stand in the header: x (mg)"),
)
"""What a cell may be that is no number, and what is said of it."""


def csv_rows(raw: bytes, name: str) -> Rows:
    """(line number, stripped cells) of each line that says something and does not start with `#`.

    Commas separate the cells. Where the first line has none but semicolons or tabs, those do, and a comma
    in a number is its decimal point; `sep=;` in the first line is read too. Raises DataError, naming file
    and line.
    """
    text = _decode(raw, name)
    said = _SEPARATOR.match(text)
    if said is not None:
        rows = _split("\n" + text[said.end() :], said[1], name)
        return rows if said[1] == "," else _with_points(rows, name)
    rows = _split(text, ",", name)
    if rows and len(rows[0][1]) == 1:
        for separator in (";", "\t"):
            if separator in rows[0][1][0]:
                return _with_points(_split(text, separator, name), name)
    return rows


def is_number(cell: str) -> bool:
    """Whether a cell is a number, NaN among them."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def fault_of(cell: str) -> str:
    """What a cell that is no number may be, in brackets; "" where it is nothing known."""
    return next((f" ({told})" for pattern, told in _FAULTS if pattern.fullmatch(cell)), "")


def _is_decimal_comma(cell: str) -> bool:
    """Whether a cell is a number whose decimals stand behind a comma."""
    return _DECIMAL_COMMA.fullmatch(cell) is not None


def _decode(raw: bytes, name: str) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{name}: the file is UTF-16; {SAVE}")
    for start, what in _NO_TEXTS.items():
        if raw.startswith(start):
            raise DataError(f"{name}: the file is {what} and no text; save it as CSV")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DataError(f"{name}, line {line}: the file is not UTF-8; {SAVE}") from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise DataError(f"{name}, line {line}: a NUL byte; this is not a CSV file")
    return text


def _split(text: str, separator: str, name: str) -> Rows:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    rows = []
    line = 1
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped) and (
                not stripped[0].startswith("#") or _IN_A_SPREADSHEET.fullmatch(stripped[0])
            ):
                rows.append((line, stripped))
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{name}, line {reader.line_num}: {error}") from None
    return rows


def _with_points(rows: Rows, name: str) -> Rows:
    """The rows with decimal points, where it is clear that the commas in numbers are such."""
    commas = [(line, cell) for line, cells in rows for cell in cells if _is_decimal_comma(cell)]
    if not commas:
        return rows
    line, comma = commas[0]
    for other, cells in rows:
        for cell in filter(_DECIMAL_POINT.fullmatch, cells):
            raise DataError(
                f"{name}, line {other}: {cell!r} has a decimal point, but {comma!r} in line {line} a comma;"
                " write all numbers with points"
            )
    if all(_THOUSANDS.fullmatch(cell) for _, cell in commas):
        raise DataError(
            f"{name}, line {line}: {comma!r} may be {comma.replace(',', '.')} or {comma.replace(',', '')};"
            " write numbers with a decimal point, and thousands without a comma"
        )
    return [(k, [c.replace(",", ".") if _is_decimal_comma(c) else c for c in cells]) for k, cells in rows]
