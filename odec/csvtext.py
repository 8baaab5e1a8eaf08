"""Rows of cells from the bytes of a CSV, with errors that name the line."""

from __future__ import annotations

import csv
import io
import re

from odec.errors import DataError

Rows = list[tuple[int, list[str]]]

_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_DECIMAL_POINT = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")


def csv_rows(raw: bytes, name: str) -> Rows:
    """(line number, stripped cells) of each line that says something and does not start with `#`.

    Commas separate the cells. Where the first line has none but semicolons or tabs, those do, and a comma
    in a number is its decimal point. Raises DataError, naming file and line.
    """
    text = _decode(raw, name)
    rows = _split(text, ",", name)
    if rows and len(rows[0][1]) == 1:
        for separator in (";", "\t"):
            if separator in rows[0][1][0]:
                return _with_points(_split(text, separator, name), name)
    return rows


def is_decimal_comma(cell: str) -> bool:
    """Whether a cell is a number whose decimals stand behind a comma."""
    return _DECIMAL_COMMA.fullmatch(cell) is not None


def _decode(raw: bytes, name: str) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{name}: the file is UTF-16; save it as UTF-8 (in a spreadsheet: 'CSV UTF-8')")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DataError(f"{name}, line {line}: the file is not UTF-8; save it as UTF-8") from None
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
            if any(stripped) and not stripped[0].startswith("#"):
                rows.append((line, stripped))
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{name}, line {reader.line_num}: {error}") from None
    return rows


def _with_points(rows: Rows, name: str) -> Rows:
    """The rows with decimal points, where it is clear that the commas in numbers are such."""
    commas = [(line, cell) for line, cells in rows for cell in cells if is_decimal_comma(cell)]
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
    return [(k, [c.replace(",", ".") if is_decimal_comma(c) else c for c in cells]) for k, cells in rows]
