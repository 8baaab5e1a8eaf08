"""Butcher tableaus as data, checked when they are made."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest
from typing import ClassVar

from odec.methods.interpolant import Interpolant, Recipe
from odec.methods.numbers import numbers
from odec.methods.support import Family


@dataclass(frozen=True)
class Tableau(Family):
    """An explicit Runge–Kutta method: k_i = f(t + c_i h, x + h Σ_j a_ij k_j), x_next = x + h Σ_i b_i k_i.

    a: rows of the strictly lower triangle, row i has i entries (row 0 is empty). error: the weights e of the
    estimate h Σ_i e_i k_i of the local error, where the method has one; one weight more than stages where it
    uses the slope at x_next too. error3: the weights of a second estimate of lower order, where the method
    has one; with the norms E and E3 of the two, the error is E²/√(E² + 0.01 E3²), and 0 where both are 0
    (Hairer, Nørsett & Wanner I, II.10, eq. 10.17). error_order: the lower order of
    the pair, order - 1 unless given; the estimate shrinks like h^(error_order + 1). dense: the states within
    a step, where the method has an interpolant of its own. Raises ValueError where the row sums are not c,
    the error weights do not sum to zero, the weights do not sum to one, or the conditions of order 2 and 3
    that the claimed order implies do not hold.
    Hairer, Nørsett & Wanner I, II.1, table 1.1.
    """

    family: ClassVar[str] = "explicit"

    name: str
    order: int
    a: tuple[tuple[Fraction, ...], ...]
    b: tuple[Fraction, ...]
    c: tuple[Fraction, ...]
    source: str
    tolerance: Fraction = Fraction(0)
    error: tuple[Fraction, ...] = ()
    error3: tuple[Fraction, ...] = ()
    error_order: int = 0
    stability: str = ""
    dense: Interpolant | None = None

    @property
    def stages(self) -> int:
        return len(self.b)

    @property
    def first_same_as_last(self) -> bool:
        """Whether the error estimate uses the slope at the step's end, which the next step starts with."""
        return len(self.error) > self.stages

    def __post_init__(self) -> None:
        if self.error and not self.error_order:
            object.__setattr__(self, "error_order", self.order - 1)
        for problem in self._problems():
            raise ValueError(f"tableau {self.name!r}: {problem}")

    def _problems(self) -> list[str]:
        stages = range(self.stages)
        if len(self.a) != self.stages or len(self.c) != self.stages:
            return [f"{self.stages} weights need as many rows in a and entries in c"]
        found = [f"row {i} of a must have {i} entries" for i in stages if len(self.a[i]) != i]
        if found:
            return found

        def off(value: Fraction, expected: Fraction) -> bool:
            return abs(value - expected) > self.tolerance

        found = [
            f"row {i} of a sums to {sum(self.a[i])}, not {self.c[i]}"
            for i in stages
            if off(sum(self.a[i], Fraction(0)), self.c[i])
        ]
        if off(sum(self.b, Fraction(0)), Fraction(1)):
            found.append(f"the weights sum to {sum(self.b)}, not 1")
        if self.error and off(sum(self.error, Fraction(0)), Fraction(0)):
            found.append(f"the error weights sum to {sum(self.error)}, not 0")
        if self.error3 and off(sum(self.error3, Fraction(0)), Fraction(0)):
            found.append(f"the weights of the second error sum to {sum(self.error3)}, not 0")
        if self.error3 and len(self.error3) != len(self.error):
            found.append("the two errors need as many weights")
        if self.error and len(self.error) not in (self.stages, self.stages + 1):
            found.append(f"{self.stages} stages need {self.stages} or {self.stages + 1} error weights")
        b, c = self.b, self.c
        if self.order >= 2 and off(sum((b[i] * c[i] for i in stages), Fraction(0)), Fraction(1, 2)):
            found.append("Σ b_i c_i is not 1/2")
        if self.order >= 3 and off(sum((b[i] * c[i] ** 2 for i in stages), Fraction(0)), Fraction(1, 3)):
            found.append("Σ b_i c_i² is not 1/3")
        chain = sum((b[i] * self.a[i][j] * c[j] for i in stages for j in range(i)), Fraction(0))
        if self.order >= 3 and off(chain, Fraction(1, 6)):
            found.append("Σ b_i a_ij c_j is not 1/6")
        if self.dense:
            found += self.dense.problems(self.a, self.b, self.c)
        return found


def tableau(
    name: str,
    order: int,
    rows: str,
    weights: str,
    source: str,
    *,
    nodes: str = "",
    embedded: str = "",
    error: str = "",
    second: str = "",
    error_order: int = 0,
    margin: int = 1,
    tolerance: str = "0",
    dense: Recipe | None = None,
) -> Tableau:
    """A tableau from text: rows of a separated by `;`, without the empty first row.

    Entries are fractions or decimals, read exactly. c is `nodes`, or else the row sums. The error weights are
    `error`, or else the weights less those of the embedded method; those of the second error the weights less
    those of the `second` embedded method. margin: what multiplies the first, where
    it is too small for the error of x_next.
    """
    a = ((), *(numbers(row) for row in rows.split(";") if row.strip()))
    c = numbers(nodes) if nodes else tuple(sum(row, Fraction(0)) for row in a)
    b, lower = numbers(weights), numbers(embedded)

    def less(embedded: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
        return tuple(x - y for x, y in zip_longest(b, embedded, fillvalue=Fraction(0))) if embedded else ()

    return Tableau(
        name,
        order,
        a,
        b,
        c,
        source,
        Fraction(tolerance),
        tuple(margin * weight for weight in numbers(error) or less(lower)),
        less(numbers(second)),
        error_order,
        dense=dense(b) if dense else None,
    )
