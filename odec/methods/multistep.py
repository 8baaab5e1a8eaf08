"""Multistep methods of Adams: one or two slopes a step, and the slopes of the steps before."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from odec.methods.conditions import Checks
from odec.methods.numbers import Row, numbers
from odec.methods.support import Family


@dataclass(frozen=True)
class Multistep(Family):
    """An Adams method: a predictor, and a corrector where it has one, here for equal steps.

        x*     = x_n + h Σ_j predictor_j f_{n-j}
        x_next = x_n + h (corrector_0 f(t_{n+1}, x*) + Σ_{j≥1} corrector_j f_{n+1-j})

    Weights are those of the newest slope first. Raises ValueError where the weights do not have the claimed
    order: Σ_j w_j (-j)^q is not 1/(q + 1) for the predictor, Σ_j w_j (1 - j)^q for the corrector, with a
    predictor of one order less allowed. Hairer, Nørsett & Wanner I, III.1.

    highest: where steps may follow a tolerance, the highest order of the predictor, whose coefficients then
    follow from the step sizes; the corrector has one order more. Hairer, Nørsett & Wanner I, III.5.
    """

    family: ClassVar[str] = "multistep"

    name: str
    order: int
    predictor: Row
    corrector: Row
    source: str
    stability: str = ""
    highest: int = 0

    @property
    def steps(self) -> int:
        """How many slopes at or before the step's start the method uses."""
        return max(len(self.predictor), len(self.corrector) - 1)

    @property
    def stages(self) -> int:
        """Evaluations of f in a step."""
        return 2 if self.corrector else 1

    @property
    def adaptive(self) -> bool:
        """Whether the method can choose its steps."""
        return self.highest > 0

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise ValueError(f"coefficients {self.name!r}: {problem}")

    def _problems(self) -> list[str]:
        checks = Checks(Fraction(0))
        for name, weights, newest, least in (
            ("predictor", self.predictor, 0, self.order - bool(self.corrector)),
            ("corrector", self.corrector, 1, self.order),
        ):
            for q in range(least if weights else 0):
                moment = sum((w * Fraction(newest - j) ** q for j, w in enumerate(weights)), Fraction(0))
                checks.equal(moment, Fraction(1, q + 1), f"the {name} misses order {q + 1}")
        return checks.problems


_ADAMS_BASHFORTH_4 = numbers("55/24 -59/24 37/24 -9/24")
_ADAMS_MOULTON_4 = numbers("9/24 19/24 -5/24 1/24")

MULTISTEP: tuple[Multistep, ...] = (
    Multistep(
        "explicit_adams",
        4,
        _ADAMS_BASHFORTH_4,
        (),
        "Adams & Bashforth 1883; Hairer, Nørsett & Wanner I, III.1, eq. 1.5",
        "real interval [-0.3, 0]",
    ),
    Multistep(
        "implicit_adams",
        4,
        _ADAMS_BASHFORTH_4,
        _ADAMS_MOULTON_4,
        "Adams, Bashforth & Moulton, PECE; Hairer, Nørsett & Wanner I, III.1, eq. 1.8, 1.11",
        "real interval [-1.28, 0]",
    ),
    Multistep(
        "adams",
        4,
        _ADAMS_BASHFORTH_4,
        _ADAMS_MOULTON_4,
        "variable coefficients and order, PECE; Hairer, Nørsett & Wanner I, III.5; Shampine & Gordon 1975",
        "real interval [-1.28, 0] at order 4",
        highest=8,
    ),
)
