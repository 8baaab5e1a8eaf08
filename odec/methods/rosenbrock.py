"""Rosenbrock methods: linearly implicit, one factorisation a step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import ClassVar

from odec.methods.conditions import Checks
from odec.methods.interpolant import Interpolant
from odec.methods.numbers import Matrix, Row, lower_inverse, product, times
from odec.methods.support import Family


@dataclass(frozen=True)
class Rosenbrock(Family):
    """A Rosenbrock method in transformed form, for i = 1 … s:

        (I/(h gamma) - J) u_i = f(t + alpha_i h, x + Σ_{j<i} a_ij u_j) + Σ_{j<i} (c_ij/h) u_j + d_i h f_t
        x_next = x + Σ_i m_i u_i,   error = Σ_i error_i u_i

    J = ∂f/∂x and f_t = ∂f/∂t at the step's start. a, c: square matrices, strictly lower triangular.
    error_order: the lower order of the pair; the error shrinks like h^(error_order + 1). dense: the states
    within a step, where the method has an interpolant of its own. Raises ValueError where shapes do not fit,
    alpha and d are not those that the other coefficients imply, or the conditions of order 1, 2 and 3 that
    the claimed order implies do not hold. Hairer & Wanner II, IV.7, eq. 7.25.
    """

    family: ClassVar[str] = "rosenbrock"

    name: str
    order: int
    gamma: Fraction
    a: Matrix
    c: Matrix
    m: Row
    error: Row
    alpha: Row
    d: Row
    source: str
    tolerance: Fraction = Fraction(0)
    error_order: int = 0
    stability: str = ""
    dense: Interpolant | None = None

    @property
    def stages(self) -> int:
        return len(self.m)

    @property
    def stiffly_accurate(self) -> bool:
        """Whether x_next is the last stage's state plus u_s, so that R(∞) = 0."""
        return self.m == (*self.a[-1][:-1], Fraction(1))

    @property
    def weights(self) -> Row:
        """b: x_next - x = h Σ b_i f_i + h J Σ b_i u_i + h² Σ b_i d_i f_t, by the equations of the stages."""
        return self.plain()[2]

    @property
    def rate_weight(self) -> Fraction:
        """Σ b_i d_i, exactly 0 where only the digits of the coefficients keep it from that."""
        found = sum((b * d for b, d in zip(self.weights, self.d, strict=True)), Fraction(0))
        return found if abs(found) > self.tolerance else Fraction(0)

    def plain(self) -> tuple[Matrix, Matrix, Row, Row]:
        """α, Γ, b and the error weights of k_i = h f(x + Σ α_ij k_j) + h J Σ γ_ij k_j, where u = Γ k.

        Hairer & Wanner II, IV.7, definition 7.1.
        """
        inverse = tuple(
            tuple(1 / self.gamma if i == j else -self.c[i][j] for j in range(self.stages))
            for i in range(self.stages)
        )
        gammas = lower_inverse(inverse)
        b, error = (times(tuple(zip(*gammas, strict=True)), weights) for weights in (self.m, self.error))
        return product(self.a, gammas), gammas, b, error

    def plain_dense(self) -> Interpolant:
        """The interpolant by k_i instead of u_i. Raises ValueError where the method has none."""
        if self.dense is None:
            raise ValueError(f"{self.name} has no interpolant")
        columns = tuple(zip(*self.plain()[1], strict=True))
        weights = tuple(times(columns, entries) for entries in zip(*self.dense.weights, strict=True))
        return replace(self.dense, weights=tuple(zip(*weights, strict=True)))

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise ValueError(f"coefficients {self.name!r}: {problem}")

    def _problems(self) -> list[str]:
        s = self.stages
        if any(len(part) != s for part in (self.a, self.c, self.error, self.alpha, self.d)):
            return [f"{s} weights need as many rows in a and c and entries in error, alpha and d"]
        for name, matrix in (("a", self.a), ("c", self.c)):
            if any(len(entries) != s or any(entries[i:]) for i, entries in enumerate(matrix)):
                return [f"{name} must be square and strictly lower triangular"]
        alpha, gammas, b, error = self.plain()
        beta = tuple(
            tuple(x + y for x, y in zip(left, right, strict=True))
            for left, right in zip(alpha, gammas, strict=True)
        )
        checks = Checks(self.tolerance)
        checks.sums(alpha, self.alpha, "α")
        checks.sums(gammas, self.d, "Γ")
        checks.weights(b, error)
        checks.rosenbrock_order(self.order, alpha, beta, b)
        if self.dense:
            if self.dense.a or len(self.dense.weights) != s:
                return [*checks.problems, f"the interpolant needs weights for {s} stages"]
            plain, inner = self.plain_dense(), Checks(self.dense.tolerance)
            plain.check_weights(inner, b)
            plain.check_moments(inner, tuple(sum(entries, Fraction(0)) for entries in beta))
            checks.problems += inner.problems
        return checks.problems
