"""The states within a step of an explicit Runge–Kutta method, their adjoint and tangent, as formulas."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from odec.backends import layout
from odec.backends.layout import Call, Chain, Doc, Leaf
from odec.backends.torch.steps import StepFormulas
from odec.backends.torch.vectors import (
    Terms,
    answer,
    assign,
    combination,
    doc,
    increment,
    scaled,
    shared_sum,
    shifted,
    table,
    tangent,
    total,
)
from odec.methods import Tableau
from odec.tree import Symbol


@dataclass(frozen=True)
class ExtraStage:
    """The statements of a slope that the interpolant alone needs, as those of steps.Stage."""

    time: str
    number: int
    evaluate: str
    state: str
    slope: str
    tangent: str
    slope_tangent: str
    cotangent: str
    pull: str


@dataclass(frozen=True)
class DenseFormulas:
    """What templates/torch/dense_explicit.py.jinja needs of a method, as text.

    name, weights: the constant with the weights of slopes; returned, within, moving: the statements with
    Σ_i w_ij k_i (in moving Σ_i w_ij dk_i), shares: with their cotangents; stages: the slopes of the step that
    the polynomial or an extra slope takes; extra: the slopes after those, the first at the step's end; known:
    whether the error estimate gives that one; cotangents: those of the step's stages; g_x, g_p, g_t, g_h:
    those of a step's arguments.
    """

    name: str
    weights: str
    returned: str
    within: str
    moving: str
    shares: str
    stages: tuple[str, ...]
    extra: tuple[ExtraStage, ...]
    known: bool
    cotangents: tuple[str, ...]
    g_x: str
    g_p: str
    g_t: str
    g_h: str


def dense_formulas(
    tableau: Tableau, step: StepFormulas, inputs: bool, name: str = "_WITHIN"
) -> DenseFormulas:
    """The formulas of a tableau's interpolant, for a model with or without inputs.

    Its slopes are stages of one larger tableau, whose last rows are b and those of further stages.
    """
    assert tableau.dense is not None
    dense, s = tableau.dense, tableau.stages
    rows = [*tableau.a, tableau.b, *dense.a][: len(dense.weights)]
    nodes = [*tableau.c, Fraction(1), *dense.c][: len(dense.weights)]
    weighted = [i for i, row in enumerate(dense.weights) if any(row)]
    later = range(s, len(rows))
    extra = tuple(_extra(rows, nodes, weighted, i, s, ["u"] if inputs else []) for i in later)
    taken = {i for i in weighted if i < s} | {j for row in dense.a for j in range(s) if row[j]}
    known = tableau.first_same_as_last
    every = [f"{i + 1}" for i in [*range(step.used), *later]]
    return DenseFormulas(
        name=name,
        weights=table(name, [dense.weights[i] for i in weighted]),
        returned=answer(Chain(Leaf("h"), (("*", _weighted(name, weighted, "k")),))),
        within=assign("within", _weighted(name, weighted, "k")),
        moving=assign("moving", _weighted(name, weighted, "dk")),
        shares=_shares(name, weighted),
        stages=tuple(f"k{i + 1}" for i in sorted(taken | ({s} if known else set()))),
        extra=extra,
        known=known,
        cotangents=tuple(_cotangent(tableau, rows, weighted, i, step.used) for i in range(step.used)),
        g_x=assign("g_x", total([Symbol("w"), *(Symbol(f"v{n}") for n in every if int(n) != s + 1)])),
        g_p=shared_sum("g_p", [f"p{n}" for n in every]),
        g_t=assign("g_t", total([Symbol(f"t{n}") for n in every])),
        g_h=_step_size_gradient(rows, nodes, tableau, step.used),
    )


def _weighted(name: str, weighted: list[int], vector: str) -> Call:
    return Call("_weighted", (Leaf(name), Call("", tuple(Leaf(f"{vector}{i + 1}") for i in weighted))))


def _shares(name: str, weighted: list[int]) -> str:
    """The cotangents s_i that the polynomial gives its slopes."""
    names = ", ".join(f"s{i + 1}" for i in weighted)
    value = f"h * _weighted(tuple(zip(*{name})), w_q)"
    line = f"    {names} = {value}"
    return line if len(line) <= layout.WIDTH else f"    {names} = (\n        {value}\n    )"


def _extra(
    rows: list[tuple[Fraction, ...]],
    nodes: list[Fraction],
    weighted: list[int],
    i: int,
    s: int,
    u: list[str],
) -> ExtraStage:
    """The text of slope i (from 0), the one at the step's end for i = s."""
    n, end = i + 1, i == s
    state = shifted("x", [(value, f"k{j + 1}") for j, value in enumerate(rows[i])])
    y = Leaf("x_next" if end else f"y{n}")
    time = doc(shifted("t", [(nodes[i], "")]))
    rest = [Leaf(name) for name in ("p", *u, "clip")]
    d_time = doc(total([Symbol("dt"), *([scaled(nodes[i], "dh")] if nodes[i] else [])]))
    d_rest = [d_time, Leaf("dx_next" if end else f"dy{n}"), Leaf("dp"), *(Leaf("du") for _ in u)]
    pulled = [f"t{n}", f"v{n}", f"p{n}", *(f"u{n}" for _ in u)]
    after = [(rows[j][i], f"v{j + 1}") for j in range(i + 1, len(rows))]
    parts = ([Symbol(f"s{n}")] if i in weighted else []) + ([increment(after)] if _any(after) else [])
    return ExtraStage(
        time=layout.flat(time),
        number=n,
        evaluate=assign(f"k{n}", Call("slope", (time, y if end else doc(state), *rest))),
        state="" if end else assign(f"y{n}", state),
        slope=assign(f"k{n}", Call("slope", (time, y, *rest))),
        tangent="" if end else assign(f"dy{n}", tangent("dx", rows[i], rows[i])),
        slope_tangent=assign(f"dk{n}", Call("slope_jvp", (time, y, *rest, *d_rest))),
        cotangent=assign(f"w{n}", total(parts)),
        pull=assign(", ".join(pulled), Call("slope_vjp", (time, y, *rest, Leaf(f"w{n}")))),
    )


def _cotangent(
    tableau: Tableau, rows: list[tuple[Fraction, ...]], weighted: list[int], i: int, used: int
) -> str:
    """w_i as in a step without outputs within, and what the interpolant adds."""
    own: Terms = [(tableau.b[i], "w"), *((tableau.a[j][i], f"v{j + 1}") for j in range(i + 1, used))]
    after = [(rows[j][i], f"v{j + 1}") for j in range(tableau.stages + 1, len(rows))]
    parts = [increment(own)]
    parts += [Symbol(f"s{i + 1}")] if i in weighted else []
    parts += [increment(after)] if _any(after) else []
    return assign(f"w{i + 1}", total(parts) if len(parts) > 1 else parts[0])


def _any(terms: Terms) -> bool:
    return any(value for value, _ in terms)


def _step_size_gradient(
    rows: list[tuple[Fraction, ...]], nodes: list[Fraction], tableau: Tableau, used: int
) -> str:
    """Σ b_i w·k_i + Σ_i (v_i·Σ_j a_ij k_j + c_i t_i), w with the cotangent of the slope at the end."""

    def dot(left: str, row: tuple[Fraction, ...]) -> Doc:
        return Call("_dot", (Leaf(left), doc(combination([(v, f"k{j + 1}") for j, v in enumerate(row)]))))

    terms = [dot("w", tableau.b)]
    for i in [*range(used), *range(tableau.stages, len(rows))]:
        terms += [dot(f"v{i + 1}", rows[i])] if any(rows[i]) and i != tableau.stages else []
        terms += [doc(scaled(nodes[i], f"t{i + 1}"))] if nodes[i] else []
    return assign("g_h", Chain(terms[0], tuple(("+", term) for term in terms[1:])))
