"""One step of an explicit Runge–Kutta method, its adjoint and its tangent, as formulas over whole vectors.

Each formula is an expression of our tree over vectors (k1, w2, …), printed by the printer of the equations.
"""

from __future__ import annotations

from dataclasses import dataclass

from odec.backends import layout
from odec.backends.layout import Call, Doc, Leaf
from odec.backends.torch.vectors import (
    answer,
    assign,
    doc,
    increment,
    scaled,
    shared_sum,
    shifted,
    step_size_gradient,
    tangent,
    total,
)
from odec.methods import Tableau
from odec.tree import Op, Symbol


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

    used: how many of the stages x_next is made of, the first ones; the others estimate the error alone.
    update: the return of x_next; update_x, tangent, back_w, back_p: assignments; g_x, g_p, g_t, g_h: the
    cotangents of a step's arguments. error: the statements that estimate the local error after update_x,
    empty where the method has no estimate.
    """

    stages: tuple[Stage, ...]
    used: int
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
    s = _used(tableau)
    a, b, c = tableau.a[:s], tableau.b[:s], tableau.c[:s]
    every = range(1, s + 1)
    update = shifted("x", [(b[i], f"k{i + 1}") for i in range(s)])
    return StepFormulas(
        stages=tuple(_stage(tableau, i, ["u"] if inputs else []) for i in range(tableau.stages)),
        used=s,
        update=answer(update),
        update_x=assign("x_next", update),
        tangent=assign("dx_next", tangent("dx", b, b)),
        g_x=assign("g_x", Op("add", (Symbol("w"), *(Symbol(f"v{i}") for i in every)))),
        g_p=shared_sum("g_p", [f"p{i}" for i in every]),
        g_t=assign("g_t", total([Symbol(f"t{i}") for i in every])),
        g_h=step_size_gradient(a, b, c),
        back_w=assign("w_next", shifted("w", [(b[i], f"l{i + 1}") for i in range(s)])),
        back_p=assign("g_p", increment([(b[i], f"p{i + 1}") for i in range(s)])),
        error=_error(tableau, inputs) if tableau.error else "",
    )


def _used(tableau: Tableau) -> int:
    """How many stages x_next is made of."""
    return max(i + 1 for i, weight in enumerate(tableau.b) if weight)


def _error(tableau: Tableau, inputs: bool) -> str:
    """The local error h Σ e_i k_i, where e takes in the slope at the step's end where the method reuses it.

    Where the method has a second estimate, of lower order, that is `lower`.
    """
    lines = []
    if tableau.first_same_as_last:
        rest = [Leaf(name) for name in ("x_next", "p", *(["u"] if inputs else []), "clip")]
        end = Call("slope", (doc(Op("add", (Symbol("t"), Symbol("h")))), *rest))
        lines += layout.assignment(f"k{tableau.stages + 1}", end)
    for name, weights in (("error", tableau.error), ("lower", tableau.error3)):
        terms = [(weight, f"k{i + 1}") for i, weight in enumerate(weights)]
        lines += [assign(name, increment(terms))] if weights else []
    return "\n".join(lines)


def _stage(tableau: Tableau, i: int, u: list[str]) -> Stage:
    """The text of stage i (from 0); `u` is the input argument where there is one."""
    a, b, c, n = tableau.a, tableau.b, tableau.c, i + 1
    moved = any(a[i])
    state = shifted("x", [(a[i][j], f"k{j + 1}") for j in range(i)])
    y = Leaf(f"y{n}" if moved else "x")
    z = Leaf(f"-z{n}" if moved else "-w")
    time = doc(shifted("t", [(c[i], "")]))
    rest = [Leaf(name) for name in ("p", *u, "clip")]
    pulled = [f"v{n}", f"p{n}", *(f"u{n}" for _ in u)]
    d_time = total([Symbol("dt"), *([scaled(c[i], "dh")] if c[i] else [])])
    d_rest = [doc(d_time), Leaf(f"dy{n}" if moved else "dx"), Leaf("dp"), *(Leaf("du") for _ in u)]
    later = [(tableau.a[j][i], f"v{j + 1}") for j in range(i + 1, _used(tableau))]

    def call(name: str, *args: Doc) -> Doc:
        return Call(name, (time, *args))

    return Stage(
        time=layout.flat(time),
        weight=layout.flat(doc(increment([(b[i], "")]))),
        evaluate=assign(f"k{n}", call("slope", doc(state), *rest)),
        state=assign(f"y{n}", state) if moved else "",
        slope=assign(f"k{n}", call("slope", y, *rest)),
        tangent=assign(f"dy{n}", tangent("dx", a[i], a[i])) if moved else "",
        slope_tangent=assign(f"dk{n}", call("slope_jvp", y, *rest, *d_rest)),
        cotangent=assign(f"w{n}", increment([(b[i], "w"), *later])),
        pull=assign(", ".join([f"t{n}", *pulled]), call("slope_vjp", y, *rest, Leaf(f"w{n}"))),
        back_cotangent=assign(f"z{n}", shifted("w", [(a[i][j], f"l{j + 1}") for j in range(i)]))
        if moved
        else "",
        back_pull=assign(", ".join(["_", f"l{n}", *pulled[1:]]), call("slope_vjp", y, *rest, z)),
    )
