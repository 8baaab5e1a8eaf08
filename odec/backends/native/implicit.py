"""One step of a diagonally implicit Runge–Kutta method, its adjoint and its tangent, as C."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from odec.backends.native.functions import FunctionWriter
from odec.backends.native.rosenbrock import coefficient_names, stiff_functions, terms, valued
from odec.backends.native.steps import Term, coefficient, stage_time
from odec.methods import Implicit
from odec.passes.program import Programs


@dataclass(frozen=True)
class Stage:
    """Stage i (number from 1) of k_i = f(t + c_i h, x + h Σ_{j≤i} a_ij k_j); sums of (coefficient, vector).

    implicit: whether a_ii is not zero; used: whether x_next depends on it; guess: where Newton's iteration
    starts, none for 0; known: y_i without its own slope; whole: with it; cotangent: of k_i, without h, over w
    and v_j = J(y_j)ᵀ w_j of later stages; c: its value, empty where it is 0.
    """

    number: int
    time: str
    c: str
    implicit: bool
    used: bool
    guess: str
    known: tuple[Term, ...]
    whole: tuple[Term, ...]
    cotangent: tuple[Term, ...]


@dataclass(frozen=True)
class ImplicitSteps:
    """What templates/native/step_implicit.c.jinja needs of a method.

    stages: with one at the step's start, used by the error estimate alone, where the method has none there.
    coefficients: names and values of a_ij, with b_j as the row after the last; gamma, shift: the diagonal
    entry of a and its reciprocal; weights, error: of x_next and, by values, of the raw error; filtered:
    whether that is solved for (I - h γ J)⁻¹.
    """

    stages: tuple[Stage, ...]
    coefficients: tuple[Term, ...]
    gamma: str
    shift: str
    weights: tuple[Term, ...]
    error: tuple[Term, ...]
    filtered: bool

    @property
    def used(self) -> tuple[Stage, ...]:
        return tuple(stage for stage in self.stages if stage.used)


def implicit_context(method: Implicit, programs: Programs, writer: FunctionWriter) -> dict[str, Any]:
    """What the templates of a diagonally implicit method fill in."""
    stiff = stiff_functions(programs, writer, curvature=False)
    return {"steps": implicit_steps(method), "stiff": stiff, "elimination": stiff.elimination}


def implicit_steps(method: Implicit) -> ImplicitSteps:
    """The sums of a method's steps. Adjoint: Sandu, Lect. Notes Comput. Sci. 3994 (2006) 116–123.

    Raises ValueError for a method whose stages cannot be solved one after the other with one diagonal entry.
    """
    if not method.diagonal or method.gamma is None:
        raise ValueError(f"{method.name} is not diagonally implicit with one diagonal entry")
    ahead = not method.explicit_first and method.adaptive
    zero = Fraction(0)
    rows = [[zero, *row] for row in method.a] if ahead else [list(row) for row in method.a]
    rows = [[zero] * len(rows[0]), *rows] if ahead else rows
    b, c = [zero] * ahead + list(method.b), [zero] * ahead + list(method.c)
    error = [method.start_error] * ahead + list(method.error)
    inside = [(), *method.dense.weights][not ahead :] if method.dense else [()] * len(b)
    s = len(b)
    names = coefficient_names("a", (*rows, b))
    stages = []
    for i in range(s):
        later = tuple((names[j][i], f"v{j + 1}") for j in range(i + 1, s) if rows[j][i])
        implicit_before = any(rows[j][j] for j in range(i))
        stages.append(
            Stage(
                number=i + 1,
                time=stage_time(c[i]),
                c=coefficient(c[i]) if c[i] else "",
                implicit=bool(rows[i][i]),
                used=bool(b[i] or later) or any(inside[i]),
                guess=f"k{i}" if rows[i][i] and implicit_before else "",
                known=terms(names[i][:i], "k"),
                whole=terms(names[i], "k"),
                cotangent=(*(((names[s][i], "w"),) if b[i] else ()), *later),
            )
        )
    return ImplicitSteps(
        stages=tuple(stages),
        coefficients=valued(names, (*rows, b)),
        gamma=coefficient(method.gamma),
        shift=repr(float(1 / method.gamma)),
        weights=terms(names[s], "k"),
        error=terms([coefficient(value) if value else "" for value in error], "k"),
        filtered=bool(method.filter),
    )
