"""What a method's coefficients must fulfil: checks that every table makes of itself."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from odec.methods.numbers import ONE, Matrix, Row, dot, times


class Checks:
    """Problems found, each a sentence; `tolerance` is what rounded coefficients may be off."""

    def __init__(self, tolerance: Fraction) -> None:
        self.tolerance = tolerance
        self.problems: list[str] = []

    def equal(self, value: Fraction, expected: Fraction, what: str) -> None:
        """Note `what` unless value is expected, within the tolerance."""
        if abs(value - expected) > self.tolerance:
            self.problems.append(f"{what} {_shown(expected)}" if what.endswith("not") else what)

    def sums(self, rows: Sequence[Sequence[Fraction]], expected: Row, name: str) -> None:
        """Note the rows of a matrix that do not sum to what they should."""
        for i, (entries, value) in enumerate(zip(rows, expected, strict=True)):
            total = sum(entries, Fraction(0))
            self.equal(total, value, f"row {i} of {name} sums to {_shown(total)}, not")

    def weights(self, b: Row, error: Row) -> None:
        total = sum(b, Fraction(0))
        self.equal(total, ONE, f"the weights sum to {_shown(total)}, not")
        if error:
            total = sum(error, Fraction(0))
            self.equal(total, Fraction(0), f"the error weights sum to {_shown(total)}, not")

    def butcher_order(self, order: int, a: Matrix, b: Row, c: Row) -> None:
        """The conditions of order 2 and 3. Hairer, Nørsett & Wanner I, II.1, table 1.1."""
        squares = tuple(node**2 for node in c)
        if order >= 2:
            self.equal(dot(b, c), Fraction(1, 2), "Σ b_i c_i is not")
        if order >= 3:
            self.equal(dot(b, squares), Fraction(1, 3), "Σ b_i c_i² is not")
            self.equal(dot(b, times(a, c)), Fraction(1, 6), "Σ b_i a_ij c_j is not")

    def rosenbrock_order(self, order: int, alpha: Matrix, beta: Matrix, b: Row) -> None:
        """The conditions of order 2 and 3, β = α + γ. Hairer & Wanner II, IV.7, eq. 7.11."""
        nodes, sums = (tuple(sum(entries, Fraction(0)) for entries in rows) for rows in (alpha, beta))
        if order >= 2:
            self.equal(dot(b, sums), Fraction(1, 2), "Σ b_i β_i is not")
        if order >= 3:
            self.equal(dot(b, tuple(node**2 for node in nodes)), Fraction(1, 3), "Σ b_i α_i² is not")
            self.equal(dot(b, times(beta, sums)), Fraction(1, 6), "Σ b_i β_ij β_j is not")


def _shown(value: Fraction) -> str:
    """A fraction, or a decimal where the fraction is unwieldy."""
    return str(value) if value.denominator < 10**6 else repr(float(value))
