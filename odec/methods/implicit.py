"""Implicit Runge–Kutta methods: diagonally implicit ones and collocation."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from odec.methods.conditions import Checks
from odec.methods.interpolant import Interpolant
from odec.methods.numbers import ZERO, Matrix, Row
from odec.methods.support import Family


@dataclass(frozen=True)
class Implicit(Family):
    """An implicit Runge–Kutta method: k_i = f(t + c_i h, x + h Σ_j a_ij k_j), x_next = x + h Σ_i b_i k_i.

    a is a full square matrix. error: the weights e of the raw estimate h Σ_i e_i k_i of the local error,
    where the method has one, to be filtered by (I - h filter J)⁻¹ with J at the step's start, where filter
    is not 0, as it need not be if the embedded method is L-stable or nearly so (Hosea &
    Shampine, Appl. Numer. Math. 20 (1996) 21–37). start_error: the weight of h f(t, x) in the raw estimate,
    where that is not a stage's slope. error_order: the lower order of the pair; the estimate shrinks like
    h^(error_order + 1). stability: what is known of it, in words. dense: the states within a step by the
    stages' slopes, where the method has an interpolant of its own.
    Raises ValueError where shapes do not fit, the row sums are not c, the error weights do not sum to zero,
    the weights do not sum to one, or the conditions of order 2 and 3 that the claimed order implies do not
    hold. Hairer & Wanner II, IV.5 and IV.6.
    """

    family: ClassVar[str] = "implicit"

    name: str
    order: int
    a: Matrix
    b: Row
    c: Row
    source: str
    tolerance: Fraction = Fraction(0)
    error: Row = ()
    start_error: Fraction = ZERO
    filter: Fraction = ZERO
    error_order: int = 0
    stability: str = ""
    dense: Interpolant | None = None

    @property
    def stages(self) -> int:
        return len(self.b)

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
        if bool(self.error) != bool(self.error_order) or (self.filter and not self.error):
            return ["an error estimate and its order go together, and a filter with them"]
        checks = Checks(self.tolerance)
        checks.sums(self.a, self.c, "a")
        checks.weights(self.b, (self.start_error, *self.error))
        checks.butcher_order(self.order, self.a, self.b, self.c)
        if self.dense and (self.dense.a or len(self.dense.weights) != s):
            return [*checks.problems, f"the interpolant needs weights for {s} stages"]
        return [*checks.problems, *(self.dense.problems(self.a, self.b, self.c) if self.dense else ())]
