"""The factorisation of W = S - h J and its solves as C: written out while small, loops when large.

S is shift·I; or A⁻¹ ⊗ I for the stages of a method that solves them together, J then being block-diagonal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from odec.backends.layout import INDENT
from odec.passes.lu import Factorization, Pivot, Row, Term

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
    """What templates/native/lu.c.jinja needs: three bodies written out, or else the tables of its loops.

    name: the prefix of its functions; shift: the diagonal of S; size: the number of rows as C; checked: if
    a pivot that is lost in rounding ends the step, as where no iteration mends what rounding takes.
    """

    name: str
    shift: str
    size: str
    stages: int
    entries: int
    unrolled: bool
    checked: bool
    factor: str
    solve: str
    solve_transposed: str
    tables: tuple[Table, ...]

    @property
    def prefix(self) -> str:
        return self.name.upper()


def c_elimination(lu: Factorization, stages: int = 1, name: str = "lu", checked: bool = False) -> Elimination:
    """The factorisation as C. stages: how many are solved together; name: the prefix of what is declared."""
    shift = "SHIFT" if name == "lu" else f"{name.upper()}_SHIFT"
    size = "N_STATES" if stages == 1 else "N_COUPLED"
    head = (name, shift, size, stages, len(lu.places), lu.unrolled, checked)
    if not lu.unrolled:
        return Elimination(*head, "", "", "", _tables(lu, stages, name.upper(), checked))
    return Elimination(
        *head,
        factor=_lines(_factor(lu, stages, shift, checked)),
        solve=_lines(_solve(lu, (lu.lower, False), (lu.upper, True))),
        solve_transposed=_lines(_solve(lu, (lu.upper_transposed, True), (lu.lower_transposed, False))),
        tables=(),
    )


def staged_pattern(size: int, pattern: Sequence[Term], stages: int) -> list[Term]:
    """The nonzeros of A⁻¹ ⊗ I - h J: each stage's J in turn, then what is off the diagonal of A⁻¹ ⊗ I."""
    own = [(i * size + row, i * size + column) for i in range(stages) for row, column in pattern]
    between = [(i, j) for i in range(stages) for j in range(stages) if i != j]
    return own + [(i * size + v, j * size + v) for i, j in between for v in range(size)]


def _lines(statements: Iterable[str]) -> str:
    return "\n".join(_PAD + statement for statement in statements)


def _factor(lu: Factorization, stages: int, alone: str, checked: bool) -> Iterable[str]:
    names = [f"w{i + 1}_{j + 1}" for i, j in lu.places]
    for name, source, (i, j) in zip(names, _jacobian(lu, stages), lu.places, strict=True):
        entry, shift = "" if source is None else f"jac[{source}]_l", _shift(lu, stages, i, j, alone)
        if shift:
            yield f"real {name} = {shift}{f' - h_l*{entry}' if entry else ''};"
        else:
            yield f"real {name} = {f'-h_l*{entry}' if entry else 'R(0.0)'};"
    for pivot in lu.pivots:
        yield from _eliminated(pivot, names, alone if checked else "")
    for place, name in enumerate(names):
        yield f"lu[{place}]_l = {name};"


def _jacobian(lu: Factorization, stages: int) -> list[int | None]:
    """Which nonzero of J lands at each place; None for those of A⁻¹ ⊗ I, which come last in the pattern."""
    between = (stages - 1) * lu.size
    last = max((source for source in lu.source if source is not None), default=-1)
    return [None if source is None or source > last - between else source for source in lu.source]


def _shift(lu: Factorization, stages: int, i: int, j: int, alone: str) -> str:
    """What S has at row i and column j, as C; empty for zero."""
    size = lu.size // stages
    if i % size != j % size:
        return ""
    return f"RK_INVERSE[{i // size}][{j // size}]" if stages > 1 else alone


def _eliminated(pivot: Pivot, names: Sequence[str], shift: str) -> Iterable[str]:
    """One pivot's elimination; shift: of the diagonal, where pivots are checked."""
    diagonal = names[pivot.diagonal]
    taken = "".join(f" + fabs({names[left]}*{names[above]})" for left, above in pivot.taken)
    yield f"{diagonal} = " + (f"reciprocal({diagonal}, {shift}{taken});" if shift else f"R(1.0)/{diagonal};")
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


def _tables(lu: Factorization, stages: int, prefix: str, checked: bool) -> tuple[Table, ...]:
    pivots, size = lu.pivots, lu.size // stages
    at = {place: k for k, place in enumerate(lu.places)}
    shifted = [
        (i * size + v, j * size + v) for i in range(stages) for j in range(stages) for v in range(size)
    ]
    tables = [
        Table(f"{prefix}_SOURCE", 1, tuple(-1 if s is None else s for s in _jacobian(lu, stages))),
        Table(f"{prefix}_DIAGONAL", 1, tuple(pivot.diagonal for pivot in pivots)),
        *([Table(f"{prefix}_SHIFTED", 1, tuple(at[place] for place in shifted))] if stages > 1 else []),
        *(_ranges(f"{prefix}_TAKEN", 2, [_flat(pivot.taken) for pivot in pivots]) if checked else ()),
        *_ranges(f"{prefix}_SCALE", 1, [pivot.scale for pivot in pivots]),
        *_ranges(f"{prefix}_UPDATE", 3, [_flat(pivot.update) for pivot in pivots]),
    ]
    for name, rows in (
        (f"{prefix}_LOWER", lu.lower),
        (f"{prefix}_UPPER", lu.upper),
        (f"{prefix}_UPPER_T", lu.upper_transposed),
        (f"{prefix}_LOWER_T", lu.lower_transposed),
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
