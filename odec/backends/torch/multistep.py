"""One step of an Adams method, its adjoint and its tangent, as formulas over whole vectors.

k0 is the slope at the step's start, k1, k2, … those of the steps before; y the predicted state, k its slope.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from odec.backends.torch.functions import FunctionWriter
from odec.backends.torch.steps import formulas
from odec.backends.torch.vectors import Terms, assign, combination, increment, inline, shifted
from odec.methods import EXPLICIT_METHODS, Method, Multistep
from odec.passes.program import Programs
from odec.tree import Expr, Op, Symbol

STARTER = "rk4"
"""The one-step method that takes the first steps, of order 4 as the Adams methods are."""


@dataclass(frozen=True)
class AdamsFormulas:
    """All that templates/torch/multistep.py.jinja needs of an Adams method, as text.

    slopes: the names k0, k1, … in use; past: those of them before k0. predict: the assignment of y, empty
    where nothing is corrected; update: that of x_next; cotangent: that of k's, cotangents: of each slope's;
    rate, predict_rate: ∂x_next/∂h and ∂y/∂h.
    """

    slopes: tuple[str, ...]
    past: tuple[str, ...]
    predict: str
    predict_tangent: str
    update: str
    update_tangent: str
    cotangent: str
    cotangents: tuple[str, ...]
    rate: str
    predict_rate: str


def step_context(method: Method, programs: Programs, writer: FunctionWriter) -> dict[str, Any]:
    """What templates/torch/multistep.py.jinja needs: the Adams formulas, and those of the starting method."""
    assert isinstance(method, Multistep)
    starter = EXPLICIT_METHODS[STARTER]
    return {
        "adams": adams_formulas(method),
        "starter": starter,
        "highest": method.highest,
        "quadrature": quadrature(method.highest),
        "step": formulas(starter, bool(programs.system.inputs)),
    }


def quadrature(degree: int) -> list[tuple[str, str]]:
    """Points and weights of Gauss's quadrature on [0, 1], exact for polynomials of the degree."""
    count = degree // 2 + 1
    points = []
    for i in range(count):
        x = math.cos(math.pi * (i + 0.75) / (count + 0.5))
        for _ in range(50):
            value, slope = _legendre(count, x)
            x -= value / slope
        slope = _legendre(count, x)[1]
        points.append((repr((1 + x) / 2), repr(1 / ((1 - x * x) * slope * slope))))
    return points


def _legendre(n: int, x: float) -> tuple[float, float]:
    """The Legendre polynomial of degree n and its derivative, by the three-term recurrence."""
    before, value = 1.0, x
    for k in range(2, n + 1):
        before, value = value, ((2 * k - 1) * x * value - (k - 1) * before) / k
    return value, n * (x * value - before) / (x * x - 1)


def adams_formulas(method: Multistep) -> AdamsFormulas:
    """The formulas of a predictor, or of a predictor and a corrector.

    Adjoint: z = h c_0 w and v_y = f_x(y)ᵀ z; the slope k_j has the cotangent h (b_j v_y + c_{j+1} w), to
    which comes what it has from the steps after.
    """
    b, c = method.predictor, method.corrector
    count = method.steps
    predictor: Terms = [(value, f"k{j}") for j, value in enumerate(b)]
    final: Terms = [(value, "k" if j == 0 else f"k{j - 1}") for j, value in enumerate(c)] if c else predictor
    return AdamsFormulas(
        slopes=tuple(f"k{j}" for j in range(count)),
        past=tuple(f"k{j}" for j in range(1, count)),
        predict=assign("y", shifted("x", predictor)) if c else "",
        predict_tangent=assign("dy", _tangent(predictor)) if c else "",
        update=assign("x_next", shifted("x", final)),
        update_tangent=assign("dx_next", _tangent(final)),
        cotangent=assign("z", increment([(c[0], "w")])) if c else "",
        cotangents=tuple(_cotangent(j, b, c) for j in range(count)),
        rate=inline(combination(final)),
        predict_rate=inline(combination(predictor)) if c else "",
    )


def _tangent(terms: Terms) -> Expr:
    """dx + h Σ value·dk + dh Σ value·k."""
    moved = shifted("dx", [(value, f"d{name}") for value, name in terms])
    assert isinstance(moved, Op)
    return Op("add", (*moved.args, Op("mul", (Symbol("dh"), combination(terms)))))


def _cotangent(j: int, b: tuple[Fraction, ...], c: tuple[Fraction, ...]) -> str:
    """The assignment of w{j}, the cotangent of k{j} from this step and from those after."""
    zero = Fraction(0)
    own: Terms = [(b[j] if j < len(b) else zero, "vy"), (c[j + 1] if j + 1 < len(c) else zero, "w")]
    if not c:
        own = [(b[j], "w")]
    return assign(f"w{j}", increment(own))
