"""One Rosenbrock step, its adjoint and its tangent, as C over all components of the state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from odec.backends.native.functions import Function, FunctionWriter
from odec.backends.native.lu import Elimination, c_elimination
from odec.methods import Implicit, Method, Rosenbrock
from odec.passes.lu import factorize
from odec.passes.program import Program, Programs

Term = tuple[str, str]


@dataclass(frozen=True)
class Stage:
    """Stage i (number from 1) of k_i = W⁻¹ (h f(y_i) + Σ_j c_ij k_j + d_i h² f_t), as (coefficient, vector).

    state: y_i = base + Σ over k_j, base being x or an earlier y_j; whole: y_i - x over k_j; past: Σ c_ij k_j;
    d, c, b: d_i, α_i and the weight of f_i in x_next, empty where they are 0; cotangent: of k_i over w, and
    over q_j and v_j = h J(y_j)ᵀ q_j of later stages.
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

    used: how many of the stages x_next needs, the others being for the error; shift: 1/γ; end: x_next =
    end_base + Σ over k_j; whole_end: x_next - x over k_j, which is h Σ b_j f_j + h J Σ averages + h² rate f_t
    too (rate: empty where it is 0).
    """

    stages: tuple[Stage, ...]
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
    moving = bool(programs.inputs) or writer.function(programs.rhs).uses_time

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
        elimination=c_elimination(factorize(len(programs.states), pattern), checked=curvature),
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
    weights, rate = method.weights, method.rate_weight
    stages = []
    for i in range(s):
        base, state = _shared(method.a, method.a[i][:i], i)
        stages.append(
            Stage(
                number=i + 1,
                time=f"t + {number(method.alpha[i])}*h" if method.alpha[i] else "t",
                c=number(method.alpha[i]) if method.alpha[i] else "",
                d=number(method.d[i]) if method.d[i] else "",
                b=number(weights[i]) if weights[i] else "",
                base=base,
                state=state,
                whole=_terms(method.a[i], "k"),
                past=_terms(method.c[i], "k"),
                cotangent=(
                    *([(number(method.m[i]), "w")] if method.m[i] else []),
                    *_terms([method.a[j][i] for j in range(used)], "v"),
                    *_terms([method.c[j][i] for j in range(used)], "q"),
                ),
            )
        )
    end_base, end = _shared(method.a, method.m[:used], used)
    return RosenbrockSteps(
        stages=tuple(stages),
        used=used,
        shift=repr(float(1 / method.gamma)),
        end_base=end_base,
        end=end,
        whole_end=_terms(method.m, "k"),
        averages=_terms(weights, "k"),
        rate=number(rate) if rate else "",
        error=_terms(method.error, "k"),
    )


def _shared(a: Sequence[Sequence[Fraction]], row: Sequence[Fraction], i: int) -> tuple[str, tuple[Term, ...]]:
    """The state of an earlier stage from which only one more term leads to that of stage i, else x."""
    if i > 1 and row[i - 1] and any(row[: i - 1]) and tuple(row[: i - 1]) == tuple(a[i - 1][: i - 1]):
        return f"y{i}", ((number(row[i - 1]), f"k{i}"),)
    return "x", _terms(row, "k")


def _terms(row: Sequence[Fraction], vector: str) -> tuple[Term, ...]:
    return tuple((number(value), f"{vector}{j + 1}") for j, value in enumerate(row) if value)


def number(value: Fraction) -> str:
    """A coefficient as a C double: a quotient of small integers, else 17 digits."""
    if value.denominator == 1:
        text = f"{value.numerator}.0"
    elif value.denominator < 10**4 and abs(value.numerator) < 10**4:
        text = f"{value.numerator}.0/{value.denominator}"
    else:
        text = repr(float(value))
    return f"({text})" if value < 0 or "/" in text else text
