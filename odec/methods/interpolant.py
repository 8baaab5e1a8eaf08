"""The states within a step, as polynomials of the place in it: dense output."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from odec.methods.conditions import Checks
from odec.methods.numbers import ONE, ZERO, Matrix, Row, dot, numbers

Polynomial = Row
"""The coefficients of 1, θ, θ², …"""

RISING: Polynomial = (ZERO, ONE)
"""θ."""
FALLING: Polynomial = (ONE, -ONE)
"""1 - θ."""


@dataclass(frozen=True)
class Interpolant:
    """The states within a step: x(t + θ h) = x + h Σ_i b_i(θ) k_i with b_i(θ) = Σ_j weights[i][j] θ^(j+1).

    order: the local error at a fixed θ is O(h^(order + 1)). weights: a row for each slope k_i, all of one
    length: those of the method's stages, then, where there are as many rows, the slope at the step's end
    f(t + h, x_next), then those of further stages k_i = f(t + c_i h, x + h Σ_j a_ij k_j); row i of a has an
    entry for every slope before it. For a Rosenbrock method, x(t + θ h) = x + Σ_i b_i(θ) u_i, with a row for
    each u_i. tolerance: what rounded weights may be off. excess: how many times the step's own estimate the
    error within it may be, as measured (benchmarks/results/dense.md): with outputs within steps it is that
    many times the estimate that is held to the tolerance. Hairer, Nørsett & Wanner I, II.6.
    """

    order: int
    weights: Matrix
    a: Matrix = ()
    c: Row = ()
    source: str = ""
    tolerance: Fraction = ZERO
    excess: int = 1

    @property
    def degree(self) -> int:
        """The degree of the polynomials b_i."""
        return len(self.weights[0])

    def at(self, theta: Fraction) -> Row:
        """The weights b_i(θ)."""
        powers = tuple(theta ** (j + 1) for j in range(self.degree))
        return tuple(dot(entries, powers) for entries in self.weights)

    def problems(self, a: Sequence[Row], b: Row, c: Row) -> list[str]:
        """What is wrong with it for the stages a, b, c of an explicit method."""
        nodes = (*c, ONE, *self.c)
        if len(self.a) != len(self.c):
            return ["the interpolant's further stages need as many rows in a and entries in c"]
        if len(self.weights) not in ({len(nodes)} if self.a else {len(b), len(nodes)}):
            return [f"the interpolant needs weights for {len(nodes)} slopes"]
        if len({len(entries) for entries in self.weights}) != 1:
            return ["the interpolant's weights need one degree"]
        if any(len(row) != len(b) + 1 + i for i, row in enumerate(self.a)):
            return ["a row of the interpolant's further stages needs an entry for every slope before it"]
        checks = Checks(self.tolerance)
        checks.sums(self.a, self.c, "the interpolant's a")
        self.check_weights(checks, b)
        self.check_moments(checks, nodes[: len(self.weights)])
        return checks.problems

    def check_weights(self, checks: Checks, b: Row) -> None:
        """At θ = 1 the weights are those of the step."""
        last = (*b, *[ZERO] * (len(self.weights) - len(b)))
        for i, (value, expected) in enumerate(zip(self.at(ONE), last, strict=True)):
            checks.equal(value, expected, f"the interpolant's weight {i} at 1 is {float(value)!r}, not")

    def check_moments(self, checks: Checks, nodes: Row) -> None:
        """Σ b_i(θ) = θ and, for order 2 and more, Σ b_i(θ) c_i = θ²/2."""
        columns = tuple(zip(*self.weights, strict=True))
        for j, column in enumerate(columns):
            checks.equal(sum(column, ZERO), ONE if j == 0 else ZERO, "the interpolant's Σ b_i(θ) is not θ")
            if self.order >= 2:
                half = Fraction(1, 2) if j == 1 else ZERO
                checks.equal(dot(column, nodes), half, "the interpolant's Σ b_i(θ) c_i is not θ²/2")


Recipe = Callable[[Row], Interpolant]
"""What makes an interpolant from the weights of a step."""


def polynomials(terms: Iterable[tuple[Polynomial, Row]]) -> Matrix:
    """The weights Σ p(θ) r, for polynomials p that vanish at 0 and rows r with an entry for each slope."""
    found = [(p, (*row,)) for p, row in terms]
    degree, slopes = max(len(p) for p, _ in found) - 1, max(len(row) for _, row in found)
    rows = [[ZERO] * degree for _ in range(slopes)]
    for p, row in found:
        for i, value in enumerate(row):
            for j, coefficient in enumerate(p[1:]):
                rows[i][j] += value * coefficient
    return tuple(map(tuple, rows))


def times(*factors: Polynomial) -> Polynomial:
    """The product of polynomials."""
    found: list[Fraction] = [ONE]
    for factor in factors:
        result = [ZERO] * (len(found) + len(factor) - 1)
        for i, x in enumerate(found):
            for j, y in enumerate(factor):
                result[i + j] += x * y
        found = result
    return tuple(found)


def hermite(order: int) -> Recipe:
    """The cubic through the states and the slopes at both ends of a step.

    θ Δ + θ (1-θ) ((1-θ) (k_1 - Δ) + θ (Δ - k_end)) with Δ = Σ b_i k_i.
    """
    source = "cubic Hermite; Hairer, Nørsett & Wanner I, II.6, eq. 6.7"
    return lambda b: Interpolant(order, polynomials(_hermite_terms(b)), source=source)


def _hermite_terms(b: Row) -> list[tuple[Polynomial, Row]]:
    s = len(b)
    step, start, end = (*b, ZERO), (ONE, *[ZERO] * s), (*[ZERO] * s, ONE)
    return [
        (RISING, step),
        (times(RISING, FALLING, FALLING), tuple(x - y for x, y in zip(start, step, strict=True))),
        (times(RISING, RISING, FALLING), tuple(x - y for x, y in zip(step, end, strict=True))),
    ]


def collocation(order: int, nodes: Row) -> Recipe:
    """The polynomial that has the stages' slopes at their nodes c_i: b_i(θ) = ∫ ℓ_i from 0 to θ.

    ℓ_i is 1 at c_i and 0 at the other nodes. Hairer, Nørsett & Wanner I, II.7, definition 7.6.
    """

    def integral(i: int) -> Row:
        basis = times(*((-c, ONE) for j, c in enumerate(nodes) if j != i))
        scale = math.prod((nodes[i] - c for j, c in enumerate(nodes) if j != i), start=ONE)
        return tuple(value / scale / (k + 1) for k, value in enumerate(basis))

    weights = tuple(integral(i) for i in range(len(nodes)))
    source = "collocation polynomial; Hairer, Nørsett & Wanner I, II.7"
    return lambda b: Interpolant(order, weights, source=source, tolerance=Fraction(1, 10**30))


def through_stage(order: int, node: Fraction, stage: Row, source: str) -> Recipe:
    """The parabola through the states at a step's ends and at a stage within, x + h Σ_j stage_j k_j."""

    def found(b: Row) -> Interpolant:
        inner = tuple(x / (node * (node - 1)) for x in stage)
        terms = [
            (times(RISING, (-node, ONE)), tuple(x / (1 - node) for x in b)),
            (times(RISING, (-ONE, ONE)), inner),
        ]
        return Interpolant(order, polynomials(terms), source=source, tolerance=Fraction(1, 10**30))

    return found


def powers(
    order: int, rows: str, source: str, *, stages: str = "", nodes: str = "", tolerance: str = "0"
) -> Recipe:
    """The weights of θ, θ², … in text, a row a slope, separated by `;`; stages, nodes: as for nested."""
    a, weights = _rows(stages), _rows(rows)
    return lambda b: Interpolant(order, weights, a, numbers(nodes), source, Fraction(tolerance))


def nested(
    order: int,
    rows: str,
    source: str,
    *,
    stages: str = "",
    nodes: str = "",
    tolerance: str = "0",
    excess: int = 1,
) -> Recipe:
    """The Hermite cubic + θ² (1-θ)² (r_1 + θ (r_2 + (1-θ) (r_3 + θ (r_4 + …)))): Hairer's form.

    rows: the r_i in text, separated by `;`, with an entry for each slope; stages, nodes: a and c of the
    further stages.
    """
    a = _rows(stages)

    def found(b: Row) -> Interpolant:
        terms = _hermite_terms(b)
        factor = times(RISING, FALLING, RISING, FALLING)
        for i, row in enumerate(rows.split(";")):
            terms.append((factor, numbers(row)))
            factor = times(factor, FALLING if i % 2 else RISING)
        weights = polynomials(terms)
        return Interpolant(order, weights, a, numbers(nodes), source, Fraction(tolerance), excess)

    return found


def between(order: int, rows: str, source: str, tolerance: str = "0", excess: int = 1) -> Recipe:
    """θ x_next + (1-θ) x + θ (1-θ) (r_1 + θ (r_2 + θ (r_3 + …))): the form of RODAS; rows as for nested."""

    def found(m: Row) -> Interpolant:
        terms = [(RISING, m)]
        factor = times(RISING, FALLING)
        for row in rows.split(";"):
            terms.append((factor, numbers(row)))
            factor = times(factor, RISING)
        weights, allowed = polynomials(terms), Fraction(tolerance)
        return Interpolant(order, weights, source=source, tolerance=allowed, excess=excess)

    return found


def _rows(text: str) -> Matrix:
    return tuple(numbers(row) for row in text.split(";") if row.strip())
