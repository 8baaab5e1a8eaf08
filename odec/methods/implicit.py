"""Implicit Runge–Kutta methods: diagonally implicit ones and collocation."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from odec.methods.conditions import Checks
from odec.methods.numbers import Matrix, Row, root, row, square
from odec.methods.support import ENGINES


@dataclass(frozen=True)
class Implicit:
    """An implicit Runge–Kutta method: k_i = f(t + c_i h, x + h Σ_j a_ij k_j), x_next = x + h Σ_i b_i k_i.

    a is a full square matrix. error: the weights e of the raw estimate h Σ_i e_i k_i of the local error,
    where the method has one, to be filtered by (I - h gamma J)⁻¹ (Hosea & Shampine, Appl. Numer. Math. 20
    (1996) 21–37). error_order: the lower order of the pair; the estimate shrinks like h^(error_order + 1).
    Raises ValueError where shapes do not fit, the row sums are not c, the error weights do not sum to zero,
    the weights do not sum to one, or the conditions of order 2 and 3 that the claimed order implies do not
    hold. Hairer & Wanner II, IV.5 and IV.6.
    """

    name: str
    order: int
    a: Matrix
    b: Row
    c: Row
    source: str
    tolerance: Fraction = Fraction(0)
    error: Row = ()
    error_order: int = 0
    stability: str = ""

    @property
    def family(self) -> str:
        return "implicit"

    @property
    def engines(self) -> tuple[str, ...]:
        """The engines that hold the method."""
        return ENGINES[self.family]

    @property
    def stages(self) -> int:
        return len(self.b)

    @property
    def adaptive(self) -> bool:
        """Whether the method estimates its error, so that it can choose its steps."""
        return bool(self.error)

    @property
    def first_same_as_last(self) -> bool:
        """Whether the last stage's slope is the next step's first."""
        return self.explicit_first and self.stiffly_accurate

    @property
    def diagonal(self) -> bool:
        """Whether the stages can be solved one after the other: nothing stands above the diagonal of a."""
        return not any(any(entries[i + 1 :]) for i, entries in enumerate(self.a))

    @property
    def explicit_first(self) -> bool:
        """Whether the first stage is the slope at the step's start."""
        return not any(self.a[0])

    @property
    def gamma(self) -> Fraction | None:
        """The diagonal entry that all implicit stages share, or None where the entries differ."""
        entries = {self.a[i][i] for i in range(self.explicit_first, self.stages)}
        return entries.pop() if self.diagonal and len(entries) == 1 else None

    @property
    def stiffly_accurate(self) -> bool:
        """Whether x_next is the last stage's state."""
        return self.b == self.a[-1]

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise ValueError(f"tableau {self.name!r}: {problem}")

    def _problems(self) -> list[str]:
        s = self.stages
        if len(self.a) != s or len(self.c) != s or any(len(entries) != s for entries in self.a):
            return [f"{s} weights need {s} rows of {s} entries in a and {s} entries in c"]
        if len(self.error) not in (0, s):
            return [f"{s} stages need {s} error weights"]
        if bool(self.error) != bool(self.error_order):
            return ["an error estimate and its order go together"]
        checks = Checks(self.tolerance)
        checks.sums(self.a, self.c, "a")
        checks.weights(self.b, self.error)
        checks.butcher_order(self.order, self.a, self.b, self.c)
        return checks.problems


_NEAR = Fraction(1, 10**38)
"""What roots cut off after 40 digits may miss."""


def _implicit(
    name: str,
    order: int,
    a: Matrix,
    source: str,
    *,
    b: Row | None = None,
    embedded: Row | None = None,
    error_order: int = 0,
    exact: bool = True,
    stability: str,
) -> Implicit:
    """A method with the nodes that are the row sums; b is the last row of a unless given."""
    weights = a[-1] if b is None else b
    c = tuple(sum(entries, Fraction(0)) for entries in a)
    error = () if embedded is None else tuple(x - y for x, y in zip(weights, embedded, strict=True))
    tolerance = Fraction(0) if exact else _NEAR
    return Implicit(name, order, a, weights, c, source, tolerance, error, error_order, stability)


_R2, _R3, _R6, _R15 = root(2), root(3), root(6), root(15)
_HALF, _THIRD = Fraction(1, 2), Fraction(1, 3)

IMPLICIT: tuple[Implicit, ...] = (
    _implicit(
        "backward_euler", 1, square([1]), "Euler; Hairer & Wanner II, IV.3, eq. 3.8", stability="L-stable"
    ),
    _implicit(
        "implicit_midpoint",
        2,
        square([_HALF]),
        "Gauss, one stage; Hairer & Wanner II, IV.5, table 5.1",
        b=row(1),
        stability="A-stable, |R(∞)| = 1",
    ),
    _implicit(
        "trapezoid",
        2,
        square([], [_HALF, _HALF]),
        "Crank & Nicolson 1947, Lobatto IIIA; Hairer & Wanner II, IV.5, table 5.7",
        stability="A-stable, |R(∞)| = 1",
    ),
    _implicit(
        "gauss_legendre4",
        4,
        square([Fraction(1, 4), Fraction(1, 4) - _R3 / 6], [Fraction(1, 4) + _R3 / 6, Fraction(1, 4)]),
        "Hammer & Hollingsworth 1955; Hairer & Wanner II, IV.5, table 5.1",
        b=row(_HALF, _HALF),
        exact=False,
        stability="A-stable, |R(∞)| = 1",
    ),
)
