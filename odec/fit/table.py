"""Columns of numbers from a CSV file, a dict of arrays or a DataFrame, with errors that name the place."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from odec.arguments import NO_NUMBERS
from odec.csvtext import csv_rows, fault_of, is_number
from odec.errors import DataError

BLANKS = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", ".", "-"})


@dataclass(frozen=True)
class Table:
    """Named columns of equal length; NaN where a cell is blank.

    columns: (R,) float64 by name, in source order. lines: the line of each row in the file, or None for
    arrays, whose rows are counted from 0. digest: SHA-256 of the file, or of the arrays' names and values.
    """

    name: str
    columns: dict[str, np.ndarray]
    lines: tuple[int, ...] | None
    digest: str

    @property
    def rows(self) -> int:
        return len(next(iter(self.columns.values())))

    def place(self, row: int) -> str:
        """Where a row stands, for messages: `data.csv, line 7`."""
        return f"{self.name}, row {row}" if self.lines is None else f"{self.name}, line {self.lines[row]}"


Look = Callable[[Table], object]
"""What looks at a table without rows, before its cells are read: it may refuse its headers."""


def read_table(data: Any, look: Look | None = None) -> Table:
    """The table behind a CSV path, an open text file, a mapping of names to arrays, or a DataFrame.

    look: called with the headers alone, before any cell is read. Raises DataError for anything
    that is not a table of numbers, OSError for a file that cannot be read.
    """
    if isinstance(data, Table):
        return data
    if isinstance(data, str | Path):
        return parse_csv(Path(data).read_bytes(), str(data), look)
    if isinstance(data, Mapping):
        return _from_arrays(data, "data", look)
    if hasattr(data, "columns") and hasattr(data, "index"):
        return _from_frame(data, look)
    if hasattr(data, "read"):
        content = data.read()
        raw = content.encode() if isinstance(content, str) else bytes(content)
        return parse_csv(raw, str(getattr(data, "name", "data")), look)
    raise DataError(
        f"data must be a CSV path, a dict of arrays or a pandas DataFrame, not {type(data).__name__}"
    )


def parse_csv(raw: bytes, name: str, look: Look | None = None) -> Table:
    """The table in a CSV file's bytes: a header line, then numbers; blank cells are not measured.

    Raises DataError with file, line and column.
    """
    rows = csv_rows(raw, name)
    if not rows:
        raise DataError(f"{name}: the file is empty; it needs a header line and at least one row")
    (head_line, header), body = rows[0], rows[1:]
    while body and len(header) > 1 and not header[-1] and all(_no_cell(c, len(header) - 1) for _, c in body):
        header = header[:-1]
    _check_header(header, head_line, name, wider=bool(body) and len(body[0][1]) > 1)
    _look_at(header, name, look)
    if not body:
        raise DataError(f"{name}: there is a header and no row of numbers below it")
    if len(body[0][1]) == len(header) and all(cell and not _is_number(cell) for cell in body[0][1]):
        told = "units stand in the header, like x (mg), and a remark starts with '#'"
        raise DataError(f"{name}, line {body[0][0]}: there is no number in it; {told}")
    values = np.full((len(body), len(header)), np.nan)
    for row, (line, cells) in enumerate(body):
        while len(cells) > len(header) and not cells[-1]:
            cells = cells[:-1]
        if len(cells) != len(header):
            many = "decimals take a point, or semicolons between the columns"
            few = "a cell that was not measured stays empty"
            raise DataError(
                f"{name}, line {line}: {_count(len(cells), 'cell')}, but the header has {len(header)}"
                f" ({many if len(cells) > len(header) else few})"
            )
        for column, cell in enumerate(cells):
            values[row, column] = _number(cell, f"{name}, line {line}, column {header[column]!r}")
    columns = {title: values[:, k].copy() for k, title in enumerate(header)}
    return Table(name, columns, tuple(line for line, _ in body), sha256(raw).hexdigest())


def _look_at(header: Iterable[str], name: str, look: Look | None) -> None:
    if look is not None:
        look(Table(name, {title: np.empty(0) for title in header}, None, ""))


def _check_header(header: list[str], line: int, name: str, *, wider: bool) -> None:
    """wider: whether the line below has several cells. Raises DataError."""
    place = f"{name}, line {line}"
    if sum(map(bool, header)) == 1 and wider:
        raise DataError(
            f"{place}: the first line must name the columns, like: t,x; a title or remark starts with '#'"
        )
    if len(header) == 1 and (len(header[0].split()) > 1 or "|" in header[0]):
        raise DataError(
            f"{place}: {header[0]!r} is one column; put commas, semicolons or tabs between columns"
        )
    if all(_is_number(cell) for cell in header):
        raise DataError(f"{place}: the first line must name the columns, like: t,x")
    for k, title in enumerate(header):
        if not title:
            index = " (an index, as pandas writes it? to_csv(index=False) leaves it out)" if not k else ""
            raise DataError(f"{place}: column {k + 1} has no name{index}")
        if title in header[:k]:
            raise DataError(
                f"{place}: two columns are named {title!r} (repeated measurements are further rows)"
            )


def _number(cell: str, place: str) -> float:
    if cell.casefold() in BLANKS:
        return math.nan
    shown = cell if len(cell) <= 40 else cell[:40] + "…"
    try:
        value = float(cell.replace("_", "x").replace("−", "-"))
    except ValueError:
        told = f"{shown!r} is not a number{fault_of(cell)}"
        raise DataError(f"{place}: {told}; leave the cell empty where nothing was measured") from None
    if math.isinf(value):
        raise DataError(f"{place}: {shown!r} is not a finite number")
    return value


def _is_number(cell: str) -> bool:
    return is_number(cell) and cell.casefold() not in BLANKS


def _no_cell(cells: list[str], column: int) -> bool:
    return len(cells) <= column or not cells[column]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _from_frame(frame: Any, look: Look | None) -> Table:
    names = [str(name) for name in frame.columns]
    for k, name in enumerate(names):
        if name in names[:k]:
            raise DataError(f"data: two columns are named {name!r} (repeated measurements are further rows)")
    arrays = {name: frame.iloc[:, k].to_numpy() for k, name in enumerate(names)}
    index = frame.index
    if index.name is not None and str(index.name) not in arrays:
        arrays = {str(index.name): index.to_numpy(), **arrays}
    return _from_arrays(arrays, "data", look)


def _from_arrays(arrays: Mapping[Any, Any], name: str, look: Look | None) -> Table:
    if not arrays:
        raise DataError(f"{name}: there are no columns")
    _look_at(map(str, arrays), name, look)
    columns = {
        str(title): _column(values, f"{name}, column {str(title)!r}") for title, values in arrays.items()
    }
    lengths = {title: len(column) for title, column in columns.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{title}: {length}" for title, length in lengths.items())
        raise DataError(
            f"{name}: the columns have different lengths ({told}); NaN marks what was not measured"
        )
    if not next(iter(lengths.values())):
        raise DataError(f"{name}: the columns are empty")
    digest = sha256()
    for title, column in columns.items():
        digest.update(title.encode() + b"\0" + np.ascontiguousarray(column, dtype="<f8").tobytes())
    return Table(name, columns, None, digest.hexdigest())


def _column(values: Any, place: str) -> np.ndarray:
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    array = np.asarray(values, dtype=object if isinstance(values, Sequence) else None)
    if array.ndim != 1:
        raise DataError(
            f"{place}: one number per row is needed, not shape {array.shape} (replicates are rows)"
        )
    if array.dtype.kind not in "fiub":
        array = np.array([_entry(value, f"{place}, row {row}") for row, value in enumerate(array)])
    column = np.array(array, dtype=np.float64)
    for row in np.flatnonzero(np.isinf(column))[:1]:
        raise DataError(f"{place}, row {row}: {column[row]} is not a finite number")
    return column


def _entry(value: Any, place: str) -> float:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return math.nan
    if isinstance(value, str):
        return _number(value.strip(), place)
    try:
        return float(value)
    except (TypeError, ValueError):
        dated = isinstance(value, np.datetime64 | np.timedelta64 | date | timedelta)
        hint = f": {NO_NUMBERS}" if dated else ""
        raise DataError(f"{place}: {value!r} is not a number{hint}") from None
