"""Methods by the names that torchdiffeq gives them, as tables of numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from odec.errors import ArgumentError, did_you_mean
from odec.methods import METHODS, Implicit, Tableau
from odec.methods.numbers import numbers
from odec.runtime import methods as runtime

Sparse = tuple[tuple[int, float], ...]
"""Weights that are not 0, each with the number of its slope."""

ADAPTIVE = {
    "dopri8": "dop853",
    "dopri5": "dopri5",
    "tsit5": "tsit5",
    "bosh3": "bosh3",
    "fehlberg2": "fehlberg2",
    "adaptive_heun": "heun21",
}
"""The methods that follow a tolerance, and what they are called here."""

EXPLICIT = {
    "euler": "euler",
    "midpoint": "midpoint",
    "heun2": "heun2",
    "heun3": "heun3",
    "rk4": "rk4_38",
}
"""Explicit methods of fixed steps."""

ADAMS = ("explicit_adams", "implicit_adams", "fixed_adams")

IMPLICIT = {
    "implicit_euler": "backward_euler",
    "implicit_midpoint": "implicit_midpoint",
    "trapezoid": "trapezoid",
    "radauIIA3": "radau_iia3",
    "gl4": "gauss_legendre4",
    "radauIIA5": "radau_iia5",
    "gl6": "gauss_legendre6",
    "sdirk2": "sdirk2",
    "trbdf2": "trbdf2",
}
"""Implicit methods of fixed steps."""

NAMES = (*ADAPTIVE, *EXPLICIT, *ADAMS, *IMPLICIT)

_ERRORS = {
    # the fourth-order weights of Shampine, Math. Comp. 46 (1986) 135–150
    "dopri5": "1951/21600 0 22642/50085 451/720 -12231/42400 649/6300 1/60",
    # Fehlberg, NASA TR R-315 (1969), without the margin of 64 that models have
    "fehlberg2": "1/256 255/256 0",
}
"""The embedded weights, where torchdiffeq has others than models have."""


@dataclass(frozen=True)
class Table:
    """An explicit method: k_i = f(t + c_i h, y + h Σ_j a_ij k_j), y_next = y + h Σ_i b_i k_i.

    rows, nodes: of the stages after the first. error, error3: as of a Tableau; the slope at y_next has the
    number `stages`. dense: the weights w_ij of θ^(j+1) of each slope, then those of further stages.
    """

    name: str
    order: int
    rows: tuple[Sparse, ...]
    nodes: tuple[float, ...]
    weights: Sparse
    stages: int
    error: Sparse = ()
    error3: Sparse = ()
    dense: tuple[tuple[float, ...], ...] = ()
    further_rows: tuple[Sparse, ...] = ()
    further_nodes: tuple[float, ...] = ()

    @property
    def first_same_as_last(self) -> bool:
        """Whether the error estimate uses the slope at the step's end."""
        return any(i == self.stages for i, _ in self.error)

    def at(self, theta: float) -> list[float]:
        """The weights of the slopes for y(t + θ h) = y + h Σ_i b_i(θ) k_i."""
        powers = [theta ** (j + 1) for j in range(len(self.dense[0]))]
        return [sum(w * power for w, power in zip(row, powers)) for row in self.dense]


def sparse(weights: Iterable[float | Fraction]) -> Sparse:
    """The weights that are not 0, with their numbers."""
    return tuple((i, float(weight)) for i, weight in enumerate(weights) if weight)


def check(method: str | None) -> str:
    """A method's name; dopri5 where none is given. Raises ArgumentError for one that is none."""
    name = "dopri5" if method is None else method
    if name == "scipy_solver":
        raise ArgumentError(
            "scipy_solver is not here: it leaves torch at every step. Methods of the same kind are dopri5 "
            "(RK45), bosh3 (RK23), dopri8 (DOP853) and radauIIA5 (Radau)"
        )
    if name not in NAMES:
        said = did_you_mean(name, NAMES) or f"; there are {', '.join(NAMES)}"
        raise ArgumentError(f"there is no method {name!r}{said}")
    return name


@cache
def explicit(name: str) -> Table:
    """The table of an explicit method by torchdiffeq's name."""
    method = METHODS[{**ADAPTIVE, **EXPLICIT}[name]]
    assert isinstance(method, Tableau)
    error, dense = method.error, method.dense
    if name in _ERRORS:
        b = (*method.b, Fraction(0))
        error = tuple(x - y for x, y in zip(b, numbers(_ERRORS[name])))
    further = (dense.a, dense.c) if dense else ((), ())
    return Table(
        name,
        method.order,
        tuple(sparse(row) for row in method.a[1:]),
        _floats(method.c[1:]),
        sparse(method.b),
        method.stages,
        sparse(error),
        sparse(method.error3),
        tuple(_floats(row) for row in dense.weights) if dense else (),
        tuple(sparse(row) for row in further[0]),
        _floats(further[1]),
    )


@cache
def implicit(name: str) -> runtime.Implicit:
    """The table of an implicit method by torchdiffeq's name."""
    method = METHODS[IMPLICIT[name]]
    assert isinstance(method, Implicit)
    a, b, c = tuple(map(_floats, method.a)), _floats(method.b), _floats(method.c)
    return runtime.Implicit(method.name, method.order, a, b, c)


def _floats(values: Sequence[Fraction]) -> tuple[float, ...]:
    return tuple(map(float, values))
