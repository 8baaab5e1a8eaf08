"""Two methods in one kernel: an explicit one, and a Rosenbrock one where a trajectory is stiff."""

from __future__ import annotations

from dataclasses import dataclass

from odec.backends.native.dense import Dense, dense_steps
from odec.backends.native.rosenbrock import RosenbrockSteps
from odec.backends.native.steps import Steps, When, c_steps
from odec.methods import Auto, Tableau
from odec.methods.stability import real_interval


@dataclass(frozen=True)
class AutoSteps:
    """What templates/native/kernel.c.jinja needs of two methods.

    explicit, steps, dense: the explicit method, its sums and its polynomial; both: the stages of the
    Rosenbrock method, of the explicit one, and the step's end; first: where the explicit one's start in it.
    limit: how far h |λ| may go; above `high` for `patience` steps a lane becomes stiff, below `low` for
    `patience_back` it ceases to be.
    """

    name: str
    explicit: Tableau
    steps: Steps
    dense: Dense | None
    both: tuple[When, ...]
    first: int
    limit: float
    low: float
    high: float
    patience: int = 10
    patience_back: int = 5


def auto_steps(auto: Auto, stiff: RosenbrockSteps) -> AutoSteps:
    """The two methods' stages together, and when to change. Hairer & Wanner II, IV.2."""
    steps, limit = c_steps(auto.explicit), real_interval(auto.explicit)
    whens = [When(stage.time, stage.c) for stage in stiff.stages]
    whens += [When(stage.time, stage.c) for stage in steps.stages]
    return AutoSteps(
        name=auto.name,
        explicit=auto.explicit,
        steps=steps,
        dense=_dense(auto),
        both=(*whens, When("t + h", "1.0")),
        first=len(stiff.stages),
        limit=limit,
        low=round(0.5 * limit, 3),
        high=round(0.8 * limit, 3),
    )


def _dense(auto: Auto) -> Dense | None:
    """The explicit method's polynomial. Raises ValueError where that of the other has another degree."""
    explicit, stiff = auto.explicit.dense, auto.stiff.dense
    if explicit and stiff and explicit.degree != stiff.degree:
        raise ValueError(f"{auto.name}: the two polynomials must be of one degree")
    return dense_steps(auto.explicit)
