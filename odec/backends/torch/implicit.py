"""One step of an implicit Runge–Kutta method, its adjoint and its tangent, as formulas over whole vectors."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from odec.backends.layout import Call, Doc, Leaf, flat
from odec.backends.torch.functions import FunctionWriter
from odec.backends.torch.vectors import (
    Terms,
    answer,
    assign,
    doc,
    increment,
    inline,
    scaled,
    shared_sum,
    shifted,
    step_size_gradient,
    table,
    tangent,
    total,
)
from odec.methods import Implicit
from odec.passes.program import Program, Programs
from odec.tree import Expr, Op, Symbol, symbols


@dataclass(frozen=True)
class Stage:
    """The statements of one stage i, as text.

    solve: k_i of a stage solved alone. slope, slope_jacobian: f and ∂f/∂x where Newton's method of coupled
    stages takes them. state: y_i (empty where it is x); jacobian: ∂f/∂x there. cotangent: w_i, that of f at
    y_i; pull: the VJP there. known: the tangent of y_i but for dk_i (of all k where they are coupled);
    tangent: dk_i (f's own part of it where they are coupled). time: where f is evaluated.
    """

    time: str
    solve: str
    state: str
    slope: str
    slope_jacobian: str
    jacobian: str
    cotangent: str
    pull: str
    known: str
    tangent: str


@dataclass(frozen=True)
class StepFormulas:
    """All that templates/torch/step_implicit.py.jinja needs of a method, as text.

    coupled: whether all stages are solved together. update: the return of x_next; the others are assignments.
    """

    stages: tuple[Stage, ...]
    coupled: bool
    linear: bool
    update: str
    update_x: str
    error: str
    filter: str
    cotangents: str
    coupling: str
    tangent: str
    g_x: str
    g_p: str
    g_t: str
    g_h: str


def step_context(method: Implicit, programs: Programs, writer: FunctionWriter) -> dict[str, Any]:
    """What templates/torch/step_implicit.py.jinja fills in."""
    context: dict[str, Any] = {"step": formulas(method, bool(programs.system.inputs), _linear(programs))}
    if method.dense:
        context["dense"] = {"weights": table("_WITHIN", method.dense.weights), "own": _shares(method)}
    return context


def _shares(method: Implicit) -> str:
    """The return of h b_i w for each stage."""
    shares = tuple(doc(increment([(weight, "w")])) for weight in method.b)
    return answer(Call("", shares) if len(shares) > 1 else Leaf(f"({flat(shares[0])},)"))


def formulas(method: Implicit, inputs: bool, linear: bool) -> StepFormulas:
    """The formulas of an implicit tableau, for a model with or without inputs, linear in its states or not.

    Adjoint: (I - h a_ii f_x(Y_i)ᵀ) w_i = h (b_i w + Σ_{j≠i} a_ji v_j), v_i = f_x(Y_i)ᵀ w_i, g_x = w + Σ v_i.
    Hager, Numer. Math. 87 (2000) 247–282; Sandu, Lect. Notes Comput. Sci. 3994 (2006) 116–123.
    """
    s, b = method.stages, method.b
    every = range(1, s + 1)
    update = shifted("x", [(b[i], f"k{i + 1}") for i in range(s)])
    return StepFormulas(
        stages=tuple(_stage(method, i, ["u"] if inputs else []) for i in range(s)),
        coupled=not method.diagonal,
        linear=linear,
        update=answer(update),
        update_x=assign("x_next", update),
        error=_error(method, ["u"] if inputs else []) if method.error else "",
        filter=inline(scaled(method.filter, "")) if method.filter else "",
        cotangents=", ".join(inline(increment([(weight, "w")])) for weight in b),
        coupling=_coupling(method),
        tangent=assign("dx_next", tangent("dx", b, b)),
        g_x=assign("g_x", Op("add", (Symbol("w"), *(Symbol(f"v{i}") for i in every)))),
        g_p=shared_sum("g_p", [f"p{i}" for i in every]),
        g_t=assign("g_t", total([Symbol(f"t{i}") for i in every])),
        g_h=step_size_gradient(method.a, b, method.c),
    )


def _stage(method: Implicit, i: int, u: list[str]) -> Stage:
    """The text of stage i (from 0); `u` is the input argument where there is one."""
    a, b, n, s = method.a, method.b, i + 1, method.stages
    coupled, own = not method.diagonal, a[i][i]
    before: Terms = [(a[i][j], f"k{j + 1}") for j in range(s)]
    y = f"y{n}" if any(a[i]) else "x"
    time = doc(shifted("t", [(method.c[i], "")]))
    model = [Leaf(name) for name in ("p", *u)]
    size = doc(increment([(own, "")]))

    def at(name: str, *args: str | Doc) -> Call:
        return Call(name, (time, *(Leaf(arg) if isinstance(arg, str) else arg for arg in args)))

    def solved(jacobian: Doc, right: Doc) -> Doc:
        """(I - h a_ii J)⁻¹ right, or right where the stage is explicit or solved with the others."""
        return Call("_solve", (size, jacobian, right)) if own and not coupled else right

    here = at("slope_jacobian", y, *model)
    turned = Leaf(f"{flat(here)}.mT")
    pulled = [f"t{n}", f"v{n}", f"p{n}", *(f"u{n}" for _ in u)]
    later: Terms = [(a[j][i], f"v{j + 1}") for j in range(i + 1, s)]
    known = tangent("dx", [] if coupled else a[i][:i], a[i])
    d_rest = [doc(_time_tangent(method.c[i])), Leaf(f"dy{n}" if any(a[i]) else "dx"), Leaf("dp")]
    d_rest += [Leaf("du") for _ in u]
    cotangent = doc(shifted(f"o{n}", later) if method.dense else increment([(b[i], "w"), *later]))
    return Stage(
        time=flat(time),
        solve="" if coupled else _solve_stage(method, i, time, model),
        state=assign(y, shifted("x", before)) if y != "x" else "",
        slope=assign(f"f{n}", at("slope", y, *model, "clip")),
        slope_jacobian=assign(f"j{n}", at("slope_jacobian", y, *model)),
        jacobian=assign(f"j{n}", here),
        cotangent="" if coupled else assign(f"w{n}", solved(turned, cotangent)),
        pull=assign(", ".join(pulled), at("slope_vjp", y, *model, "clip", f"w{n}")),
        known=assign(f"dy{n}", known) if any(a[i]) else "",
        tangent=assign(f"dk{n}", solved(here, at("slope_jvp", y, *model, "clip", *d_rest))),
    )


def _solve_stage(method: Implicit, i: int, time: Doc, model: list[Leaf]) -> str:
    """k_i = f(t + c_i h, x + h Σ_{j≤i} a_ij k_j): an equation for k_i where a_ii is not zero."""
    a, n = method.a, i + 1
    base = doc(shifted("x", [(a[i][j], f"k{j + 1}") for j in range(i)]))
    if not a[i][i]:
        return assign(f"k{n}", Call("slope", (time, base, *model, Leaf("clip"))))
    first = not any(a[j][j] for j in range(i))
    guess = Leaf("torch.zeros_like(x)" if first else f"k{i}")
    size = doc(increment([(a[i][i], "")]))
    return assign(f"k{n}", Call("_solve_stage", (time, base, size, guess, *model)))


def _error(method: Implicit, u: list[str]) -> str:
    """(I - h filter f_x)⁻¹ h (e_0 f(t, x) + Σ e_i k_i)."""
    start = [Leaf(name) for name in ("t", "x", "p", *u)]
    terms: Terms = [(weight, f"k{i}") for i, weight in enumerate((method.start_error, *method.error))]
    lines = [assign("k0", Call("slope", (*start, Leaf("clip"))))] if method.start_error else []
    size, jacobian = doc(increment([(method.filter, "")])), Call("slope_jacobian", tuple(start))
    raw = doc(increment(terms))
    lines.append(assign("error", Call("_solve", (size, jacobian, raw)) if method.filter else raw))
    return "\n".join(lines)


def _coupling(method: Implicit) -> str:
    """The rows of the block matrix (a_ij J_i)."""
    rows = []
    for i, entries in enumerate(method.a):
        blocks = tuple(
            doc(scaled(entry, f"j{i + 1}")) if entry else Leaf(f"torch.zeros_like(j{i + 1})")
            for entry in entries
        )
        rows.append(Call("torch.cat", (Call("", blocks), Leaf("-1"))))
    return answer(Call("torch.cat", (Call("", tuple(rows)), Leaf("-2"))))


def _time_tangent(node: Fraction) -> Expr:
    """dt + c dh."""
    return total([Symbol("dt"), *([scaled(node, "dh")] if node else [])])


def _linear(programs: Programs) -> bool:
    """Whether the right-hand side is linear in the states, so that Newton's iterations are exact.

    It is where its Jacobian does not depend on them, and nothing but sums and products is done to them: a
    derivative does not see the jumps of a floor or a comparison.
    """
    jacobian = programs.jacobians["rhs", "x"].program
    moving = _moving(jacobian)
    if any(symbol.name in moving for entry in jacobian.outputs["entries"] for symbol in symbols(entry)):
        return False
    moving = _moving(programs.rhs)
    stack = [assignment.expr for assignment in programs.rhs.body] + [*programs.rhs.outputs["dx"]]
    while stack:
        expr = stack.pop()
        if isinstance(expr, Op):
            moves = any(symbol.name in moving for symbol in symbols(expr))
            if moves and expr.op not in ("add", "neg", "mul", "div"):
                return False
            stack.extend(expr.args)
    return True


def _moving(program: Program) -> set[str]:
    """The names that depend on the states."""
    moving = set(program.inputs["x"])
    for assignment in program.body:
        if any(symbol.name in moving for symbol in symbols(assignment.expr)):
            moving.add(assignment.name)
    return moving
