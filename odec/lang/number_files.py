"""Numbers that stand beside a model: the points of lookup tables, and defaults of parameters in a file."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from odec.arrays import Shape
from odec.csvtext import Rows, csv_rows, is_number
from odec.diagnostics import Span
from odec.errors import DataError
from odec.lang import syntax
from odec.lang.parts import Refused
from odec.lang.report import Report
from odec.lookups import Lookup
from odec.system import Param, System
from odec.tree import number

_OVER = "points go from left to right, each further right than the one before"


class NumberFiles:
    """The files that a model names, each read once; their names are relative to the model's folder."""

    def __init__(self, report: Report):
        self._report = report
        self._rows: dict[str, Rows] = {}
        self.digests: list[tuple[str, str]] = []

    def rows(self, file: syntax.Name, columns: int) -> list[tuple[int, list[str]]]:
        """The rows of a CSV of so many columns with their lines, but for a head line. Raises Refused."""
        if file.text not in self._rows:
            path = Path(self._report.source.name).parent / file.text
            try:
                raw = path.read_bytes()
                self._rows[file.text] = csv_rows(raw, file.text)
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                note = "its name is relative to the folder of the model"
                raise Refused("E407", f"cannot read '{file.text}': {reason}", file.span, "", note) from None
            except DataError as error:
                raise Refused("E407", str(error), file.span) from None
            self.digests.append((file.text, sha256(raw).hexdigest()))
        rows = self._rows[file.text]
        for line, cells in rows:
            if len(cells) != columns:
                cell = "1 cell" if len(cells) == 1 else f"{len(cells)} cells"
                message = f"{file.text}, line {line}: {cell}, where {columns} are needed"
                raise Refused("E407", message, file.span)
        return rows[1:] if rows and not is_number(rows[0][1][-1]) else rows

    def number(self, file: syntax.Name, line: int, cell: str) -> float:
        """A cell's finite number. Raises Refused."""
        if not is_number(cell) or not math.isfinite(float(cell)):
            raise Refused("E407", f"{file.text}, line {line}: {cell!r} is no finite number", file.span)
        return float(cell)

    def table(self, statement: syntax.Table, points: Sequence[tuple[float, float]]) -> Lookup:
        """The table of a statement whose own points are these. Raises Refused."""
        name, file = statement.name, statement.file
        places: list[str] = []
        if file is not None:
            rows = self.rows(file, 2)
            places = [f"{file.text}, line {line}: " for line, _ in rows]
            found = [tuple(self.number(file, line, cell) for cell in cells) for line, cells in rows]
            points = [(x, y) for x, y in found]
        spans = [file.span] * len(points) if file else [x.span for x, _ in statement.points]
        kind = statement.kind.text if statement.kind else "linear"
        return lookup_of(name.text, points, spans, places, name.span, kind, statement.extrapolate)

    def applied(self, draft: System, statements: Iterable[syntax.Statement]) -> System:
        """The model with the defaults that stand in a file, and with what is known of all its files."""
        told = [s for s in statements if isinstance(s, syntax.FittedValues)]
        for other in told[1:]:
            message, note = "values are taken from two files", "one file has all of them"
            self._report.add("E314", message, other.span, "", note)
        try:
            draft = self.with_values(draft, told[0]) if told else draft
        except Refused as wrong:
            self._report.add(wrong.code, wrong.message, wrong.span, wrong.label, *wrong.notes)
        return replace(draft, files=tuple(self.digests)) if self.digests else draft

    def with_values(self, draft: System, statement: syntax.FittedValues) -> System:
        """The model with the defaults of parameters that a file has, by the names of their numbers.

        Raises Refused.
        """
        file, found = statement.file, dict[str, float]()
        for line, (name, cell) in self.rows(file, 2):
            found[name.replace(" ", "")] = self.number(file, line, cell)
        params = tuple(_with_default(param, found, file) for param in draft.params)
        if found:
            name = next(iter(found))
            raise Refused("E407", f"{file.text}: the model has no parameter {name!r}", file.span)
        return replace(draft, params=params, values=file.span)


def lookup_of(
    name: str,
    points: Sequence[tuple[float, float]],
    spans: Sequence[Span | None],
    places: Sequence[str],
    whole: Span | None,
    kind: str,
    extrapolate: bool,
) -> Lookup:
    """A table of these points; spans, places: where each stands in the model, and in its file.

    Raises Refused for too few of them, what is no finite number, and xs that do not increase.
    """
    if len(points) < 2:
        told = f"{len(points)} point{'' if len(points) == 1 else 's'}"
        raise Refused("E407", f"the table '{name}' has {told}: it takes two or more", whole)
    at = [*places, *[""] * (len(points) - len(places))]
    for k, (x, y) in enumerate(points):
        if not (math.isfinite(x) and math.isfinite(y)):
            raise Refused("E407", f"{at[k]}a point of '{name}' is no finite number", spans[k])
        if k and x <= points[k - 1][0]:
            message = f"{at[k]}the points of '{name}' do not increase: {x:g} behind {points[k - 1][0]:g}"
            raise Refused("E407", message, spans[k], "", _OVER)
    xs, ys = zip(*points, strict=True)
    return Lookup(name, tuple(xs), tuple(ys), kind, extrapolate)


def _with_default(param: Param, found: dict[str, float], file: syntax.Name) -> Param:
    """The parameter with the numbers that there are for it, which are taken out of them. Raises Refused."""
    names = _names(param.name, param.shape)
    given = [name for name in names if name in found]
    if not given:
        return param
    if len(given) < len(names):
        missing = next(name for name in names if name not in found)
        raise Refused("E407", f"{file.text}: there is no value of {missing}", file.span)
    values = [found.pop(name) for name in names]
    if not param.shape:
        default = replace(number(values[0]), span=param.default.span)
        return replace(param, default=default, value=values[0])
    own: dict[str, Any] = {"value": values[0], "elements": tuple(values), "draw": ()}
    return replace(param, **own)


def _names(name: str, shape: Shape) -> list[str]:
    """The names of a parameter's numbers, row-major."""
    names = [""]
    for extent in shape:
        names = [f"{before}{',' if before else ''}{k}" for before in names for k in range(extent)]
    return [f"{name}[{place}]" for place in names] if shape else [name]
