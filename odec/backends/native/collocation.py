"""One step of an implicit Runge–Kutta method whose stages are solved together, as C."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from odec.backends.native.functions import FunctionWriter
from odec.backends.native.lu import c_elimination, staged_pattern
from odec.backends.native.rosenbrock import stiff_functions
from odec.backends.native.steps import When, coefficient, stage_time
from odec.methods import Implicit
from odec.methods.numbers import Matrix, Row, dot, inverse
from odec.passes.lu import factorize
from odec.passes.program import Programs


@dataclass(frozen=True)
class CollocationSteps:
    """What templates/native/step_collocation.c.jinja needs of a method with the matrix a.

    stages: with one at the step's start, before the others, where the error estimate alone needs it (ahead).
    coupled: how many stages are solved together; shift: the least diagonal entry of a⁻¹; weights: b;
    pulled: b a⁻¹. start_error, error, filter: e_0, e_i and 1/γ of (I - h γ J)⁻¹ h (e_0 f(t, x) + Σ e_i k_i).
    within, within_pulled: b and b a⁻¹ of each power of θ in the states within a step.
    """

    stages: tuple[When, ...]
    ahead: int
    coupled: int
    a: str
    inverse: str
    shift: str
    weights: str
    pulled: str
    nodes: str
    start_error: str
    error: str
    filter: str
    within: str
    within_pulled: str


def collocation_context(method: Implicit, programs: Programs, writer: FunctionWriter) -> dict[str, Any]:
    """What the templates of a collocation method fill in."""
    stiff = stiff_functions(programs, writer, curvature=False)
    size = programs.states.width
    pattern = list(zip(stiff.rows, stiff.cols, strict=True))
    together = factorize(size * method.stages, staged_pattern(size, pattern, method.stages))
    return {
        "steps": collocation_steps(method),
        "stiff": stiff,
        "elimination": c_elimination(together, method.stages),
        "damping": c_elimination(factorize(size, pattern), name="damp") if method.adaptive else None,
    }


def collocation_steps(method: Implicit) -> CollocationSteps:
    """The coefficients of a method's steps. Adjoint: Sandu, Lect. Notes Comput. Sci. 3994 (2006) 116–123.

    Raises ValueError for a singular matrix a.
    """
    inverted = inverse(method.a)
    ahead = method.adaptive and bool(method.c[0])
    times = [Fraction(0)] * ahead + list(method.c)
    within = tuple(zip(*method.dense.weights, strict=True)) if method.dense else ()
    return CollocationSteps(
        stages=tuple(When(stage_time(c), coefficient(c) if c else "") for c in times),
        ahead=int(ahead),
        coupled=method.stages,
        a=_matrix(method.a),
        inverse=_matrix(inverted),
        shift=repr(float(min(inverted[i][i] for i in range(method.stages)))),
        weights=_row(method.b),
        pulled=_row(_times(method.b, inverted)),
        nodes=_row(method.c),
        start_error=coefficient(method.start_error),
        error=_row(method.error),
        filter=repr(float(1 / method.filter)) if method.filter else "",
        within=_matrix(within),
        within_pulled=_matrix(tuple(_times(weights, inverted) for weights in within)),
    )


def _times(entries: Row, matrix: Matrix) -> Row:
    return tuple(dot(entries, column) for column in zip(*matrix, strict=True))


def _row(entries: Row) -> str:
    return ", ".join(coefficient(entry) for entry in entries)


def _matrix(rows: Matrix) -> str:
    return ", ".join(f"{{{_row(entries)}}}" for entries in rows)
