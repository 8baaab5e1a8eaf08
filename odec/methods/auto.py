"""Two methods in one: an explicit one, and one for where a problem is stiff."""

from __future__ import annotations

from dataclasses import dataclass

from odec.methods.rosenbrock import Rosenbrock
from odec.methods.rosenbrock_tables import ROSENBROCK
from odec.methods.runge_kutta import EXPLICIT
from odec.methods.support import ENGINES
from odec.methods.tableau import Tableau


@dataclass(frozen=True)
class Auto:
    """A method for adaptive steps, each by `explicit` or, where stability would limit it, by `stiff`.

    Raises ValueError where the error estimates are not of one order, which the step sizes go by.
    """

    name: str
    explicit: Tableau
    stiff: Rosenbrock
    source: str

    @property
    def family(self) -> str:
        return "auto"

    @property
    def engines(self) -> tuple[str, ...]:
        """The engines that hold the method."""
        return ENGINES[self.stiff.family]

    @property
    def order(self) -> int:
        return min(self.explicit.order, self.stiff.order)

    @property
    def stages(self) -> int:
        """Those of the explicit method."""
        return self.explicit.stages

    @property
    def adaptive(self) -> bool:
        return True

    @property
    def dense_order(self) -> int:
        """The lower order of the two interpolants."""
        return min(self.explicit.dense_order, self.stiff.dense_order)

    @property
    def error_order(self) -> int:
        return self.explicit.error_order

    def __post_init__(self) -> None:
        if self.explicit.error_order != self.stiff.error_order:
            raise ValueError(f"method {self.name!r}: the two error estimates must be of one order")


AUTO = Auto(
    "auto",
    next(method for method in EXPLICIT if method.name == "tsit5"),
    next(method for method in ROSENBROCK if method.name == "rodas5p"),
    "switching by h·|λ|: Hairer & Wanner II, IV.2; Petzold, SIAM J. Sci. Stat. Comput. 4 (1983) 136–148",
)
"""tsit5, and rodas5p where the problem is stiff."""
