"""One Rosenbrock step, its adjoint and its tangent, as C over all components of the state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from odec.backends.native.functions import Function, FunctionWriter
from odec.backends.native.lu import Elimination, c_elimination
from odec.backends.native.steps import Term, coefficient, stage_time
from odec.methods import Implicit, Method, Rosenbrock
from odec.passes.lu import factorize
from odec.passes.program import Program, Programs

Names = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Stage:
    """Stage i (number from 1) of k_i = W⁻¹ (h f(y_i) + Σ_j c_ij k_j + d_i h² f_t), as (coefficient, vector).

    state: y_i = base + Σ over k_j, base being x or an earlier y_j; whole: y_i - x over k_j; past: Σ c_ij k_j;
    d, b: the names of d_i and of the weight of f_i in x_next, c: α_i, empty where they are 0; cotangent: of
    k_i over w, and over q_j and v_j = h J(y_j)ᵀ q_j of later stages.
    """

    number: int
    time: str
    c: str
    d: str
    b: str
    base: str
    state: tuple[Term, ...]
    whole: tuple[Term, ...]
    past: tuple[Term, ...]
    cotangent: tuple[Term, ...]


@dataclass(frozen=True)
class RosenbrockSteps:
    """What templates/native/step_rosenbrock.c.jinja needs of a method.

    coefficients: names and values of a_ij, with m_j as the row after the last, c_ij and b_i; rates: of d_i
    and rate, which is empty where it is 0; used: how many of the stages x_next needs, the others being for
    the error; shift: 1/γ; end: x_next = end_base + Σ over k_j; whole_end: x_next - x over k_j, which is
    h Σ b_j f_j + h J Σ averages + h² rate f_t too; error: over k_j, by values.
    """

    stages: tuple[Stage, ...]
    coefficients: tuple[Term, ...]
    rates: tuple[Term, ...]
    used: int
    shift: str
    end_base: str
    end: tuple[Term, ...]
    whole_end: tuple[Term, ...]
    averages: tuple[Term, ...]
    rate: str
    error: tuple[Term, ...]

    @property
    def first_same_as_last(self) -> bool:
        return False


@dataclass(frozen=True)
class Stiff:
    """The Jacobian's places, and the functions of templates/native/jacobian.c.jinja.

    product: of the Jacobian and a vector. It, jacobian_vjp and jacobian_jvp are None for methods that do not
    differentiate the Jacobian. rate, rate_vjp, rate_jvp: the derivative along time, None where dx/dt knows no
    time too.
    """

    rows: tuple[int, ...]
    cols: tuple[int, ...]
    jacobian: Function
    product: Function | None
    jacobian_vjp: Function | None
    jacobian_jvp: Function | None
    rate: Function | None
    rate_vjp: Function | None
    rate_jvp: Function | None
    elimination: Elimination


def stiff_programs(programs: Programs, method: Method | None) -> list[Program]:
    """The programs that a kernel holds on account of its method."""
    if not isinstance(method, Rosenbrock | Implicit):
        return []
    more = programs.derived.values() if isinstance(method, Rosenbrock) else ()
    return [programs.jacobians["rhs", "x"].program, *more]


def stiff_functions(programs: Programs, writer: FunctionWriter, curvature: bool = True) -> Stiff:
    """The Jacobian and (curvature) its derivatives as C, with the factorisation for its pattern."""
    sparse, derived = programs.jacobians["rhs", "x"], programs.derived
    moving = bool(programs.held) or writer.function(programs.rhs).uses_time

    def more(name: str, results: dict[str, str], wanted: bool = curvature) -> Function | None:
        return writer.function(derived[name], results) if wanted else None

    pattern = zip(sparse.rows, sparse.cols, strict=True)
    pulled = {"t": "gt", "x": "gx", "p": "gp", "u": "gu", "rate": "grate"}
    return Stiff(
        sparse.rows,
        sparse.cols,
        jacobian=writer.function(sparse.program, {"entries": "jac"}),
        product=more("rhs_along", {"dx": "jv"}),
        jacobian_vjp=more("rhs_jacobian_vjp", pulled),
        jacobian_jvp=more("rhs_jacobian_jvp", {"entries": "djac"}),
        rate=more("rhs_time", {"dx": "ft"}, curvature and moving),
        rate_vjp=more("rhs_time_vjp", pulled, curvature and moving),
        rate_jvp=more("rhs_time_jvp", {"dx": "dft"}, curvature and moving),
        elimination=c_elimination(factorize(programs.states.width, pattern), checked=curvature),
    )


def rosenbrock_context(method: Rosenbrock, programs: Programs, writer: FunctionWriter) -> dict[str, Any]:
    """What the templates of a Rosenbrock method fill in."""
    stiff = stiff_functions(programs, writer)
    return {"steps": rosenbrock_steps(method), "stiff": stiff, "elimination": stiff.elimination}


def rosenbrock_steps(method: Rosenbrock) -> RosenbrockSteps:
    """The sums of a method's steps. Hairer & Wanner II, IV.7; adjoint: Sandu, Daescu & Carmichael, Atmos.
    Environ. 37 (2003) 5083–5096."""
    s = method.stages
    inside = method.dense.weights if method.dense else [()] * s
    used = max(i + 1 for i in range(s) if method.m[i] or any(inside[i]))
    rows = (*method.a, method.m)
    a, c = coefficient_names("a", rows), coefficient_names("c", method.c)
    stages = tuple(_stage(method, i, a, c, used) for i in range(s))
    b, d = tuple(stage.b for stage in stages), tuple(stage.d for stage in stages)
    end_base, end = _shared(a, a[s][:used], used)
    return RosenbrockSteps(
        stages=stages,
        coefficients=valued((*a, *c, b), (*rows, *method.c, method.weights)),
        rates=valued((d, ("rate",)), (method.d, (method.rate_weight,))),
        used=used,
        shift=repr(float(1 / method.gamma)),
        end_base=end_base,
        end=end,
        whole_end=terms(a[s], "k"),
        averages=terms(b, "k"),
        rate="rate" if method.rate_weight else "",
        error=terms([coefficient(value) if value else "" for value in method.error], "k"),
    )


def _stage(method: Rosenbrock, i: int, a: Names, c: Names, used: int) -> Stage:
    base, state = _shared(a, a[i][:i], i)
    return Stage(
        number=i + 1,
        time=stage_time(method.alpha[i]),
        c=coefficient(method.alpha[i]) if method.alpha[i] else "",
        d=f"r{i + 1}" if method.d[i] else "",
        b=f"b{i + 1}" if method.weights[i] else "",
        base=base,
        state=state,
        whole=terms(a[i], "k"),
        past=terms(c[i], "k"),
        cotangent=(
            *([(a[-1][i], "w")] if a[-1][i] else []),
            *terms([row[i] for row in a[:used]], "v"),
            *terms([row[i] for row in c[:used]], "q"),
        ),
    )


def coefficient_names(letter: str, rows: Sequence[Sequence[Fraction]]) -> Names:
    """The entries' names: where a column has a value again, the first one; 1 is itself, and 0 has none."""

    def name(i: int, j: int) -> str:
        first = next(k for k in range(i + 1) if rows[k][j] == rows[i][j])
        own = f"{letter}{first + 1}{j + 1}" if rows[i][j] else ""
        return "1.0" if rows[i][j] == 1 else own

    return tuple(tuple(name(i, j) for j in range(len(row))) for i, row in enumerate(rows))


def valued(names: Sequence[Sequence[str]], values: Sequence[Sequence[Fraction]]) -> tuple[Term, ...]:
    """Each name once, and its value."""
    pairs = [pair for rows in zip(names, values, strict=True) for pair in zip(*rows, strict=False)]
    return tuple({name: coefficient(value) for name, value in pairs if value and name != "1.0"}.items())


def _shared(a: Names, row: Sequence[str], i: int) -> tuple[str, tuple[Term, ...]]:
    """The state of an earlier stage from which only one more term leads to that of stage i, else x."""
    if i > 1 and row[i - 1] and any(row[: i - 1]) and row[: i - 1] == a[i - 1][: i - 1]:
        return f"y{i}", ((row[i - 1], f"k{i}"),)
    return "x", terms(row, "k")


def terms(row: Sequence[str], vector: str) -> tuple[Term, ...]:
    return tuple((name, f"{vector}{j + 1}") for j, name in enumerate(row) if name)
