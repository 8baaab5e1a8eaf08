"""Rosenbrock methods: linearly implicit, one factorisation a step."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from odec.methods.conditions import Checks
from odec.methods.numbers import ZERO, Matrix, Row, lower_inverse, product, root, square, times
from odec.methods.support import ENGINES


@dataclass(frozen=True)
class Rosenbrock:
    """A Rosenbrock method in transformed form, for i = 1 … s:

        (I/(h gamma) - J) u_i = f(t + alpha_i h, x + Σ_{j<i} a_ij u_j) + Σ_{j<i} (c_ij/h) u_j + d_i h f_t
        x_next = x + Σ_i m_i u_i,   error = Σ_i error_i u_i

    J = ∂f/∂x and f_t = ∂f/∂t at the step's start. a, c: square matrices, strictly lower triangular.
    error_order: the lower order of the pair; the error shrinks like h^(error_order + 1). Raises ValueError
    where shapes do not fit, alpha and d are not those that the other coefficients imply, or the conditions of
    order 1, 2 and 3 that the claimed order implies do not hold. Hairer & Wanner II, IV.7, eq. 7.25.
    """

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

    @property
    def family(self) -> str:
        return "rosenbrock"

    @property
    def engines(self) -> tuple[str, ...]:
        """The engines that hold the method."""
        return ENGINES[self.family]

    @property
    def stages(self) -> int:
        return len(self.m)

    @property
    def adaptive(self) -> bool:
        """Whether the method estimates its error, so that it can choose its steps."""
        return bool(self.error)

    @property
    def stiffly_accurate(self) -> bool:
        """Whether x_next is the last stage's state plus u_s, so that R(∞) = 0."""
        return self.m == (*self.a[-1][:-1], Fraction(1))

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
        return checks.problems


def _transformed(
    name: str,
    order: int,
    alpha: Matrix,
    gammas: Matrix,
    b: Row,
    embedded: Row,
    source: str,
    *,
    error_order: int,
    stability: str,
    tolerance: Fraction = Fraction(1, 10**36),
) -> Rosenbrock:
    """The transformed form of a method given as in Hairer & Wanner II, IV.7, definition 7.1."""
    inverse, gamma, s = lower_inverse(gammas), gammas[0][0], len(b)
    columns = tuple(zip(*inverse, strict=True))
    return Rosenbrock(
        name,
        order,
        gamma,
        a=product(alpha, inverse),
        c=tuple(tuple(-inverse[i][j] if j < i else ZERO for j in range(s)) for i in range(s)),
        m=times(columns, b),
        error=times(columns, tuple(x - y for x, y in zip(b, embedded, strict=True))),
        alpha=tuple(sum(entries, ZERO) for entries in alpha),
        d=tuple(sum(entries, ZERO) for entries in gammas),
        source=source,
        tolerance=tolerance,
        error_order=error_order,
        stability=stability,
    )


def _shampine_reichelt() -> Rosenbrock:
    """ode23s in the form of definition 7.1: the earlier slopes are eliminated from the third stage."""
    d, e32 = 1 - root(2) / 2, 6 + root(2)
    b, sixth = (Fraction(0), Fraction(1), Fraction(0)), Fraction(1, 6)
    return _transformed(
        "rosenbrock23",
        2,
        square([], [Fraction(1, 2)], [0, 1]),
        square([d], [-d, d], [d * (e32 - 2), -d * e32, d]),
        b,
        (-sixth, 1 + 2 * sixth, -sixth),
        "Shampine & Reichelt, SIAM J. Sci. Comput. 18 (1997) 1–22 (ode23s)",
        error_order=2,
        stability="L-stable",
    )


def _lang_verwer() -> Rosenbrock:
    g = Fraction(1, 2) + root(3) / 6
    third = Fraction(1, 3)
    return _transformed(
        "ros3p",
        3,
        square([], [1], [1]),
        square([g], [-1, g], [-g, Fraction(1, 2) - 2 * g, g]),
        (2 * third, ZERO, third),
        (third, third, third),
        "Lang & Verwer, BIT 41 (2001) 731–738",
        error_order=2,
        stability="A-stable, |R(∞)| = 0.73",
    )


ROSENBROCK: tuple[Rosenbrock, ...] = (_shampine_reichelt(), _lang_verwer())
