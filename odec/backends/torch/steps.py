"""One step of an explicit Runge–Kutta method, its adjoint and its tangent, as formulas over whole vectors.

Each formula is an expression of our tree over vectors (k1, w2, …), printed by the printer of the equations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from odec.backends import layout
from odec.backends.layout import Call, Chain, Doc, Leaf
from odec.backends.torch.printer import TorchPrinter
from odec.methods import Tableau
from odec.tree import Expr, Number, Op, Symbol, number

_SMALL = 400


@dataclass(frozen=True)
class Stage:
    """The statements and formulas of one stage i, as text.

    evaluate: k_i from the state inline; state: y_i (empty where it is x); slope: k_i from y_i; tangent: dy_i;
    slope_tangent: dk_i; cotangent: w_i of k_i; pull: the VJP at y_i; back_cotangent, back_pull: the same of
    the continuous adjoint. time: where f is evaluated; weight: h b_i.
    """

    time: str
    weight: str
    evaluate: str
    state: str
    slope: str
    tangent: str
    slope_tangent: str
    cotangent: str
    pull: str
    back_cotangent: str
    back_pull: str


@dataclass(frozen=True)
class StepFormulas:
    """All that templates/torch/step.py.jinja needs of a tableau, as text.

    update: the return of x_next; update_x, tangent, back_w, back_p: assignments; g_x, g_p, g_t, g_h: the
    cotangents of a step's arguments. error: the statements that estimate the local error after update_x,
    empty where the method has no estimate.
    """

    stages: tuple[Stage, ...]
    update: str
    update_x: str
    tangent: str
    g_x: str
    g_p: str
    g_t: str
    g_h: str
    back_w: str
    back_p: str
    error: str


def formulas(tableau: Tableau, inputs: bool) -> StepFormulas:
    """The formulas of an explicit tableau, for a model with or without inputs.

    Adjoint: w_i = h (b_i w + Σ_{j>i} a_ji v_j), v_i = f_x(Y_i)ᵀ w_i, g_x = w + Σ v_i.
    Hager, Numer. Math. 87 (2000) 247–282.
    """
    s, a, b, c = tableau.stages, tableau.a, tableau.b, tableau.c
    every = range(1, s + 1)
    update = _shifted("x", [(b[i], f"k{i + 1}") for i in range(s)])
    return StepFormulas(
        stages=tuple(_stage(tableau, i, ["u"] if inputs else []) for i in range(s)),
        update="\n".join(layout.returned(_doc(update))),
        update_x=_assign("x_next", update),
        tangent=_assign("dx_next", _tangent("dx", b)),
        g_x=_assign("g_x", Op("add", (Symbol("w"), *(Symbol(f"v{i}") for i in every)))),
        g_p=_parameter_gradient(s),
        g_t=_assign("g_t", _sum([Symbol(f"t{i}") for i in every])),
        g_h=_step_size_gradient(a, b, c),
        back_w=_assign("w_next", _shifted("w", [(b[i], f"l{i + 1}") for i in range(s)])),
        back_p=_assign("g_p", _increment([(b[i], f"p{i + 1}") for i in range(s)])),
        error=_error(tableau, inputs) if tableau.error else "",
    )


def _error(tableau: Tableau, inputs: bool) -> str:
    """The local error h Σ e_i k_i, where e takes in the slope at the step's end where the method reuses it.

    With a second estimate of lower order, error²/√(error² + 0.01 lower²): Hairer, Nørsett & Wanner I, II.10.
    """
    lines = []
    if tableau.first_same_as_last:
        rest = [Leaf(name) for name in ("x_next", "p", *(["u"] if inputs else []), "clip")]
        end = Call("slope", (_doc(Op("add", (Symbol("t"), Symbol("h")))), *rest))
        lines += layout.assignment(f"k{tableau.stages + 1}", end)
    for name, weights in (("error", tableau.error), ("lower", tableau.error3)):
        terms = [(weight, f"k{i + 1}") for i, weight in enumerate(weights)]
        lines += [_assign(name, _increment(terms))] if weights else []
    if tableau.error3:
        lines += [
            "    least = torch.finfo(x.dtype).tiny",
            "    error = error * (error / torch.hypot(error, 0.1 * lower).clamp(min=least))",
        ]
    return "\n".join(lines)


def _stage(tableau: Tableau, i: int, u: list[str]) -> Stage:
    """The text of stage i (from 0); `u` is the input argument where there is one."""
    a, b, c, n = tableau.a, tableau.b, tableau.c, i + 1
    moved = any(a[i])
    state = _shifted("x", [(a[i][j], f"k{j + 1}") for j in range(i)])
    y = Leaf(f"y{n}" if moved else "x")
    z = Leaf(f"-z{n}" if moved else "-w")
    time = _doc(_shifted("t", [(c[i], "")]))
    rest = [Leaf(name) for name in ("p", *u, "clip")]
    pulled = [f"v{n}", f"p{n}", *(f"u{n}" for _ in u)]
    d_time = _sum([Symbol("dt"), *([_product(_rational(c[i]), Symbol("dh"))] if c[i] else [])])
    d_rest = [_doc(d_time), Leaf(f"dy{n}" if moved else "dx"), Leaf("dp"), *(Leaf("du") for _ in u)]
    later = [(tableau.a[j][i], f"v{j + 1}") for j in range(i + 1, tableau.stages)]

    def call(name: str, *args: Doc) -> Doc:
        return Call(name, (time, *args))

    def line(target: str, doc: Doc) -> str:
        return "\n".join(layout.assignment(target, doc))

    return Stage(
        time=layout.flat(time),
        weight=layout.flat(_doc(_increment([(b[i], "")]))),
        evaluate=line(f"k{n}", call("slope", _doc(state), *rest)),
        state=_assign(f"y{n}", state) if moved else "",
        slope=line(f"k{n}", call("slope", y, *rest)),
        tangent=_assign(f"dy{n}", _tangent("dx", a[i])) if moved else "",
        slope_tangent=line(f"dk{n}", call("slope_jvp", y, *rest, *d_rest)),
        cotangent=_assign(f"w{n}", _increment([(b[i], "w"), *later])),
        pull=line(", ".join([f"t{n}", *pulled]), call("slope_vjp", y, *rest, Leaf(f"w{n}"))),
        back_cotangent=_assign(f"z{n}", _shifted("w", [(a[i][j], f"l{j + 1}") for j in range(i)]))
        if moved
        else "",
        back_pull=line(", ".join(["_", f"l{n}", *pulled[1:]]), call("slope_vjp", y, *rest, z)),
    )


def _rational(value: Fraction) -> Expr:
    """A coefficient: an integer, a quotient of integers, or a decimal where the fraction is unwieldy."""
    if value < 0:
        return Op("neg", (_rational(-value),))
    if value.denominator == 1:
        return number(float(value))
    if value.denominator < 10**6:
        return Op("div", (number(float(value.numerator)), number(float(value.denominator))))
    return Number(float(value), repr(float(value)))


def _scaled(value: Fraction, name: str) -> Expr:
    """value·name, without a factor of one."""
    if value < 0:
        return Op("neg", (_scaled(-value, name),))
    if not name:
        return _rational(value)
    if value == 1:
        return Symbol(name)
    coefficient = _rational(value)
    return Op("mul", (coefficient, Symbol(name)))


def _sum(terms: Sequence[Expr]) -> Expr:
    return terms[0] if len(terms) == 1 else Op("add", tuple(terms))


def _increment(terms: Sequence[tuple[Fraction, str]]) -> Expr:
    """h·Σ coefficient·name, over the common denominator where that is small."""
    terms = [(value, name) for value, name in terms if value != 0]
    if not terms:
        return number(0)
    h = Symbol("h")
    common = math.lcm(*(value.denominator for value, _ in terms))
    if common > _SMALL:
        return Op("mul", (h, _sum([_scaled(value, name) for value, name in terms])))
    factor: Expr = h if common == 1 else Op("div", (h, number(common)))
    terms = [(value * common, name) for value, name in terms]
    if len(terms) == 1:
        value, name = terms[0]
        if value < 0:
            return Op("neg", (_increment([(-value / common, name)]),))
        if value != 1:
            factor = Op("mul", (number(float(value)), h))
            factor = factor if common == 1 else Op("div", (factor, number(common)))
        return factor if not name else Op("mul", (factor, Symbol(name)))
    return Op("mul", (factor, _sum([_scaled(value, name) for value, name in terms])))


def _shifted(base: str, terms: Sequence[tuple[Fraction, str]]) -> Expr:
    """base + h·Σ coefficient·name."""
    terms = [(value, name) for value, name in terms if value != 0]
    return Op("add", (Symbol(base), _increment(terms))) if terms else Symbol(base)


def _product(factor: Expr, other: Expr) -> Expr:
    return other if isinstance(factor, Number) and factor.value == 1 else Op("mul", (factor, other))


def _tangent(base: str, row: Sequence[Fraction]) -> Expr:
    """The tangent of base + h Σ a_j k_j: dbase + h Σ a_j dk_j + dh Σ a_j k_j."""
    moved = _shifted(base, [(value, f"dk{j + 1}") for j, value in enumerate(row)])
    terms = [_scaled(value, f"k{j + 1}") for j, value in enumerate(row) if value]
    if not terms:
        return moved
    assert isinstance(moved, Op)
    return Op("add", (*moved.args, Op("mul", (Symbol("dh"), _sum(terms)))))


def _parameter_gradient(stages: int) -> str:
    """Σ p_i, each summed over the trajectories that share the parameters: cheaper than adding all of them."""
    first, *rest = (Call("_sum_to", (Leaf(f"p{i + 1}"), Leaf("p.shape"))) for i in range(stages))
    total = Chain(first, tuple(("+", term) for term in rest)) if rest else first
    return "\n".join(layout.assignment("g_p", total))


def _step_size_gradient(a: Sequence[Sequence[Fraction]], b: Sequence[Fraction], c: Sequence[Fraction]) -> str:
    """w·∂x_next/∂h: Σ b_i w·k_i + Σ_i (v_i·Σ_j a_ij k_j + c_i t_i)."""

    def dot(left: str, row: Sequence[Fraction]) -> Doc:
        return Call(
            "_dot", (Leaf(left), _doc(_sum([_scaled(v, f"k{j + 1}") for j, v in enumerate(row) if v])))
        )

    terms = [dot("w", b)]
    for i in range(1, len(b)):
        if any(a[i]):
            terms.append(dot(f"v{i + 1}", a[i]))
        if c[i]:
            terms.append(_doc(_scaled(c[i], f"t{i + 1}")))
    chain = Chain(terms[0], tuple(("+", term) for term in terms[1:])) if terms[1:] else terms[0]
    return "\n".join(layout.assignment("g_h", chain))


def _doc(expr: Expr) -> Doc:
    return TorchPrinter({}, {}).doc(expr)


def _assign(target: str, expr: Expr) -> str:
    return "\n".join(layout.assignment(target, _doc(expr)))
