"""The factorisation of shift·I - h J and its solves as C: written out while small, loops when large."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from odec.backends.layout import INDENT
from odec.passes.lu import Factorization, Pivot, Row

_PAD = INDENT * 2


@dataclass(frozen=True)
class Table:
    """A constant array of integers; of rows where `width` is more than 1."""

    name: str
    width: int
    values: tuple[int, ...]

    @property
    def rows(self) -> tuple[tuple[int, ...], ...]:
        return tuple(self.values[k : k + self.width] for k in range(0, len(self.values), self.width))


@dataclass(frozen=True)
class Elimination:
    """What templates/native/lu.c.jinja needs: three bodies written out, or else the tables of its loops."""

    entries: int
    unrolled: bool
    factor: str
    solve: str
    solve_transposed: str
    tables: tuple[Table, ...]


def c_elimination(lu: Factorization) -> Elimination:
    """The factorisation as C."""
    if not lu.unrolled:
        return Elimination(len(lu.places), False, "", "", "", _tables(lu))
    return Elimination(
        len(lu.places),
        True,
        factor=_lines(_factor(lu)),
        solve=_lines(_solve(lu, (lu.lower, False), (lu.upper, True))),
        solve_transposed=_lines(_solve(lu, (lu.upper_transposed, True), (lu.lower_transposed, False))),
        tables=(),
    )


def _lines(statements: Iterable[str]) -> str:
    return "\n".join(_PAD + statement for statement in statements)


def _factor(lu: Factorization) -> Iterable[str]:
    names = [f"w{i + 1}_{j + 1}" for i, j in lu.places]
    for name, source, (i, j) in zip(names, lu.source, lu.places, strict=True):
        entry = "" if source is None else f"jac[{source}]_l"
        if i == j:
            yield f"real {name} = SHIFT{f' - h_l*{entry}' if entry else ''};"
        else:
            yield f"real {name} = {f'-h_l*{entry}' if entry else 'R(0.0)'};"
    for pivot in lu.pivots:
        yield from _eliminated(pivot, names)
    for place, name in enumerate(names):
        yield f"lu[{place}]_l = {name};"


def _eliminated(pivot: Pivot, names: Sequence[str]) -> Iterable[str]:
    scale = "SHIFT"
    for place in pivot.right:
        scale = f"larger({scale}, fabs({names[place]}))"
    diagonal = names[pivot.diagonal]
    yield f"{diagonal} = reciprocal({diagonal}, {scale});"
    for place in pivot.scale:
        yield f"{names[place]} *= {diagonal};"
    for target, left, right in pivot.update:
        yield f"{names[target]} -= {names[left]}*{names[right]};"


def _solve(lu: Factorization, *sweeps: tuple[tuple[Row, ...], bool]) -> Iterable[str]:
    """Both sweeps; `divided` ones multiply by the pivots' reciprocals."""
    for i in range(lu.size):
        yield f"real x{i + 1} = b[{i}]_l;"
    for rows, divided in sweeps:
        for row in rows:
            terms = "".join(f" - lu[{place}]_l*x{other + 1}" for place, other in row.terms)
            if divided:
                value = f"x{row.index + 1}{terms}"
                factor = f"({value})" if terms else value
                yield f"x{row.index + 1} = {factor}*lu[{row.diagonal}]_l;"
            elif terms:
                yield f"x{row.index + 1} = x{row.index + 1}{terms};"
    for i in range(lu.size):
        yield f"b[{i}]_l = x{i + 1};"


def _tables(lu: Factorization) -> tuple[Table, ...]:
    pivots = lu.pivots
    tables = [
        Table("LU_SOURCE", 1, tuple(-1 if source is None else source for source in lu.source)),
        Table("LU_DIAGONAL", 1, tuple(pivot.diagonal for pivot in pivots)),
        *_ranges("LU_RIGHT", 1, [pivot.right for pivot in pivots]),
        *_ranges("LU_SCALE", 1, [pivot.scale for pivot in pivots]),
        *_ranges("LU_UPDATE", 3, [_flat(pivot.update) for pivot in pivots]),
    ]
    for name, rows in (
        ("LOWER", lu.lower),
        ("UPPER", lu.upper),
        ("UPPER_T", lu.upper_transposed),
        ("LOWER_T", lu.lower_transposed),
    ):
        tables.append(Table(name, 2, tuple(_flat((row.index, row.diagonal) for row in rows))))
        tables += _ranges(f"{name}_TERM", 2, [_flat(row.terms) for row in rows])
    return tuple(tables)


def _flat(groups: Iterable[Sequence[int]]) -> tuple[int, ...]:
    return tuple(value for group in groups for value in group)


def _ranges(name: str, width: int, parts: Sequence[Sequence[int]]) -> tuple[Table, Table]:
    """Parts one after the other, and where each starts (and the last one ends)."""
    starts = accumulate((len(part) // width for part in parts), initial=0)
    return Table(f"{name}_START", 1, tuple(starts)), Table(name, width, _flat(parts))
