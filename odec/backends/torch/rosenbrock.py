"""One step of a Rosenbrock method, its adjoint and its tangent, as formulas over whole vectors."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from odec.backends.layout import WIDTH, Call, Chain, Doc, Leaf, Parens, flat
from odec.backends.torch.functions import FunctionWriter
from odec.backends.torch.vectors import (
    Terms,
    assign,
    combination,
    constant,
    doc,
    increment,
    inline,
    moved,
    scaled,
    shared_sum,
    shifted,
    table,
    total,
)
from odec.methods import Rosenbrock
from odec.passes.program import Programs
from odec.tree import Expr, Number, Op, Symbol, number


@dataclass(frozen=True)
class Stage:
    """The statements of one stage i, as text.

    state: y_i (empty where it is x); slope: f_i; solve: z_i; cotangent: q_i, that of the equation of z_i;
    pull: the VJP of f at y_i; tangent, slope_tangent, solve_tangent: dy_i, df_i and dz_i. time: where f is
    evaluated.
    """

    time: str
    state: str
    slope: str
    solve: str
    cotangent: str
    pull: str
    tangent: str
    slope_tangent: str
    solve_tangent: str


@dataclass(frozen=True)
class StepFormulas:
    """All that templates/torch/step_rosenbrock.py.jinja needs of a method, as text.

    used: how many of the stages x_next needs, the others being for the error; gamma: the coefficient;
    averages, rest: of what rounding took, see _rest in the template; contraction: the cotangent of the
    Jacobian's entries; time_cotangent: that of f_t; the others are assignments.
    """

    stages: tuple[Stage, ...]
    used: int
    gamma: str
    averages: str
    rest: str
    update_x: str
    error: str
    tangent: str
    contraction: str
    time_cotangent: str
    g_x: str
    g_p: str
    g_t: str
    g_h: str


@dataclass(frozen=True)
class Model:
    """What formulas ask of a model: has it inputs, a Jacobian at all, and does it change with the time."""

    inputs: bool
    curved: bool
    timed: bool


def step_context(method: Rosenbrock, programs: Programs, writer: FunctionWriter) -> dict[str, Any]:
    """What templates/torch/step_rosenbrock.py.jinja fills in."""
    jacobian = programs.jacobians["rhs", "x"]
    in_time = programs.derived["rhs_time"].outputs["dx"]
    changes = not all(isinstance(expr, Number) and expr.value == 0 for expr in in_time)
    model = Model(bool(programs.system.inputs), bool(jacobian.rows), changes)
    context: dict[str, Any] = {"step": formulas(method, model), "changes": changes}
    if method.dense:
        context["dense"] = _within(method)
    if jacobian.rows:
        context["entry_rows"] = _numbers("_ROWS", jacobian.rows)
        context["entry_columns"] = _numbers("_COLUMNS", jacobian.cols)
        context["jacobian_vjp"] = writer.function(programs.derived["rhs_jacobian_vjp"], like="w")
        context["jacobian_product"] = writer.function(programs.derived["rhs_along"])
        context["jacobian_jvp"] = writer.function(programs.derived["rhs_jacobian_jvp"])
    if changes:
        context["rhs_time"] = writer.function(programs.derived["rhs_time"])
        context["rhs_time_vjp"] = writer.function(programs.derived["rhs_time_vjp"], like="w")
        context["rhs_time_jvp"] = writer.function(programs.derived["rhs_time_jvp"])
    return context


def _within(method: Rosenbrock) -> dict[str, str]:
    """The weights of the increments in the next states, and in those within the step, as text."""
    assert method.dense is not None
    rows = [method.dense.weights[i] for i in _used(method)]
    return {"step": constant("_M", [method.m[i] for i in _used(method)]), "weights": table("_WITHIN", rows)}


def _numbers(name: str, values: Sequence[int]) -> str:
    """A list of numbers as a constant of the module; many of them as a paragraph."""
    text = ", ".join(str(value) for value in values)
    line = f"{name} = [{text}]"
    if len(line) <= WIDTH:
        return line
    paragraph = textwrap.indent(textwrap.fill(text, WIDTH - 4), "    ")
    return f"# fmt: off\n{name} = [\n{paragraph},\n]\n# fmt: on"


def formulas(method: Rosenbrock, model: Model) -> StepFormulas:
    """The formulas of a Rosenbrock method for a model.

    Adjoint: (I/γ - h J)ᵀ q_i = m_i w + Σ_{j>i} (a_ji v_j + c_ji q_j), v_i = h f_x(y_i)ᵀ q_i,
    g_x = w + Σ v_i + ∇_x (h Σ_i q_iᵀ J z_i + h² Σ_i d_i q_iᵀ f_t).
    Sandu, Daescu & Carmichael, Atmos. Environ. 37 (2003) 5083–5096.
    """
    m, s = method.m, method.stages
    every = [i + 1 for i in _used(method)]
    update = moved("x", [(m[i], f"z{i + 1}") for i in range(s)])
    extra = [name for name, there in (("j", model.curved), ("f", model.timed)) if there]
    outer = [_outer(i) for i in every]
    return StepFormulas(
        stages=tuple(_stage(method, i, model) for i in range(s)),
        gamma=inline(scaled(method.gamma, "")),
        used=len(every),
        averages="\n".join(
            assign(name, combination(_terms_of(weights, vector)))
            for name, weights, vector in (
                ("f_mean", method.weights, "f"),
                ("z_mean", method.weights, "z"),
                ("moved", method.m, "z"),
            )
        ),
        rest=inline(_rest(method, model)),
        update_x=assign("x_next", update),
        error=assign("error", combination([(method.error[i], f"z{i + 1}") for i in range(s)]))
        if method.error
        else "",
        tangent=assign("dx_next", moved("dx", [(m[i], f"dz{i + 1}") for i in range(s)])),
        contraction=assign("w_jacobian", Chain(Leaf("h"), (("*", _bracket(outer)),))),
        time_cotangent=assign("w_time", _time_cotangent(method)),
        g_x=assign(
            "g_x", total([Symbol("w"), *(Symbol(f"v{i}") for i in every), *(Symbol(f"x_{e}") for e in extra)])
        ),
        g_p=shared_sum("g_p", [*(f"p{i}" for i in every), *(f"p_{e}" for e in extra)]),
        g_t=assign("g_t", total([*(Symbol(f"t{i}") for i in every), *(Symbol(f"t_{e}") for e in extra)])),
        g_h=_step_size_gradient(method, model),
    )


def _rest(method: Rosenbrock, model: Model) -> Expr:
    """h Σ b_i f_i + h J Σ b_i z_i + h² Σ b_i d_i f_t - Σ m_i z_i, which is 0 but for rounding."""
    terms: list[Expr] = [Op("mul", (Symbol("h"), total([Symbol("f_mean"), Symbol("pull")])))]
    if model.timed and method.rate_weight:
        terms.append(_time_term(method.rate_weight, "f_t"))
    return total([*terms, Op("neg", (Symbol("moved"),))])


def _terms_of(weights: Sequence[Fraction], name: str) -> Terms:
    return [(weight, f"{name}{i + 1}") for i, weight in enumerate(weights) if weight]


def _stage(method: Rosenbrock, i: int, model: Model) -> Stage:
    """The text of stage i (from 0)."""
    used = _used(method)
    a, c, d, n = method.a, method.c, method.d, i + 1
    u = ["u"] if model.inputs else []
    y = f"y{n}" if any(a[i]) else "x"
    time = doc(shifted("t", [(method.alpha[i], "")]))
    rest = [Leaf(name) for name in ("p", *u, "clip")]
    known: Terms = [(a[i][j], f"z{j + 1}") for j in range(i)]
    d_known: Terms = [(a[i][j], f"dz{j + 1}") for j in range(i)]
    right = [increment([(Fraction(1), f"f{n}")]), *_terms([(c[i][j], f"z{j + 1}") for j in range(i)])]
    right += [_time_term(d[i], "f_t")] if model.timed and d[i] else []
    later: Terms = [(Fraction(1), f"w{n}") if method.dense else (method.m[i], "w")]
    for j in used[i + 1 :]:
        later = [*later, (a[j][i], f"v{j + 1}"), (c[j][i], f"q{j + 1}")]
    d_time = total([Symbol("dt"), *([scaled(method.alpha[i], "dh")] if method.alpha[i] else [])])
    d_rest = [doc(d_time), Leaf(f"dy{n}" if y != "x" else "dx"), Leaf("dp"), *(Leaf("du") for _ in u)]
    pulled = [f"t{n}", f"v{n}", f"p{n}", *(f"u{n}" for _ in u)]
    weighted = doc(increment([(Fraction(1), f"q{n}")]))
    return Stage(
        time=flat(time),
        state=assign(y, moved("x", known)) if y != "x" else "",
        slope=assign(f"f{n}", Call("slope", (time, Leaf(y), *rest))),
        solve=assign(f"z{n}", Call("_solve", (Leaf("factors"), doc(total(right))))),
        cotangent=assign(
            f"q{n}", Call("_solve", (Leaf("factors"), doc(combination(later)), Leaf("transposed=True")))
        ),
        pull=assign(", ".join(pulled), Call("slope_vjp", (time, Leaf(y), *rest, weighted))),
        tangent=assign(f"dy{n}", moved("dx", d_known)) if y != "x" else "",
        slope_tangent=assign(f"df{n}", Call("slope_jvp", (time, Leaf(y), *rest, *d_rest))),
        solve_tangent=assign(
            f"dz{n}", Call("_solve", (Leaf("factors"), doc(_right_tangent(method, i, model))))
        ),
    )


def _used(method: Rosenbrock) -> range:
    """The stages (from 0) up to the last one that x_next needs; any after it are for the error."""
    return range(max(i for i, weight in enumerate(method.m) if weight) + 1)


def _right_tangent(method: Rosenbrock, i: int, model: Model) -> Expr:
    """The tangent of the right-hand side of z_i, with what the matrix adds: (dh J + h dJ) z_i."""
    n, d = i + 1, method.d[i]
    terms = [_product("h", f"df{n}"), _product("dh", f"f{n}")]
    terms += _terms([(method.c[i][j], f"dz{j + 1}") for j in range(i)])
    if model.curved:
        terms.append(Symbol(f"bent{n}"))
    if model.timed and d:
        twice: Expr = Op("mul", (scaled(abs(2 * d), ""), *map(Symbol, ("h", "dh", "f_t"))))
        terms += [_time_term(d, "df_t"), twice if d > 0 else Op("neg", (twice,))]
    return total(terms)


def _time_term(d: Fraction, name: str) -> Expr:
    """d h² name."""
    square = Op("pow", (Symbol("h"), number(2)))
    if d < 0:
        return Op("neg", (_time_term(-d, name),))
    return Op("mul", (scaled(d, ""), square, Symbol(name)))


def _time_cotangent(method: Rosenbrock) -> Expr:
    """h² Σ d_i q_i, the cotangent of f_t."""
    terms: Terms = [(method.d[i], f"q{i + 1}") for i in _used(method)]
    return Op("mul", (Op("pow", (Symbol("h"), number(2))), combination(terms)))


def _outer(i: int) -> Doc:
    """The entries of q_i z_iᵀ at the Jacobian's places."""
    return Chain(Leaf(f"q{i}[..., _ROWS]"), (("*", Leaf(f"z{i}[..., _COLUMNS]")),))


def _bracket(terms: list[Doc]) -> Doc:
    return Parens(Chain(terms[0], tuple(("+", term) for term in terms[1:])))


def _terms(terms: Terms) -> list[Expr]:
    return [scaled(value, name) for value, name in terms if value]


def _product(*names: str) -> Expr:
    return Op("mul", tuple(Symbol(name) for name in names))


def _step_size_gradient(method: Rosenbrock, model: Model) -> str:
    """w·∂x_next/∂h = Σ_i (q_i·(f_i + J z_i + 2 h d_i f_t) + alpha_i t_i)."""
    terms: list[Doc] = []
    used = _used(method)
    for i in (k + 1 for k in used):
        change = f"f{i} + _times(j, z{i})" if model.curved else f"f{i}"
        terms.append(Call("_dot", (Leaf(f"q{i}"), Leaf(change))))
    if model.timed:
        weights = doc(combination([(2 * method.d[i], f"q{i + 1}") for i in used]))
        terms.append(Call("_dot", (Leaf("h * f_t"), weights)))
    terms += [doc(scaled(method.alpha[i], f"t{i + 1}")) for i in used if method.alpha[i]]
    return assign("g_h", Chain(terms[0], tuple(("+", term) for term in terms[1:])))
