"""One step of an explicit Runge–Kutta method, its adjoint and its tangent, as formulas over whole vectors.

Each formula is an expression of our tree over vectors (k1, w2, …), printed by the printer of the equations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from odec.backends import layout
from odec.backends.torch.printer import TorchPrinter
from odec.methods import Tableau
from odec.tree import Expr, Number, Op, Symbol, number

_SMALL = 400


@dataclass(frozen=True)
class Stage:
    """The formulas of one stage i, as text.

    time, state: where f is evaluated. tangent: dY_i. cotangent: w_i, the cotangent of k_i. back_state,
    back_cotangent: the same stage of the continuous adjoint, whose slopes are k_i and l_i. c: node c_i.
    """

    index: int
    time: str
    state: str
    tangent: str
    cotangent: str
    back_cotangent: str
    node: str


@dataclass(frozen=True)
class StepFormulas:
    """All that templates/torch/step.py.jinja needs of a tableau; `tangent_h` is dx_next/dh·dh, and so on."""

    stages: tuple[Stage, ...]
    update: str
    tangent: str
    g_x: str
    g_p: str
    g_u: str
    g_t: str
    g_h: str
    back_x: str
    back_w: str
    back_p: str


def formulas(tableau: Tableau) -> StepFormulas:
    """The formulas of an explicit tableau. Adjoint: Hager, Numer. Math. 87 (2000) 247–282, in the form
    w_i = h (b_i w + Σ_{j>i} a_ji v_j), v_i = f_x(Y_i)ᵀ w_i, g_x = w + Σ v_i."""
    s, a, b, c = tableau.stages, tableau.a, tableau.b, tableau.c
    stages = []
    for i in range(s):
        later = [(a[j][i], f"v{j + 1}") for j in range(i + 1, s)]
        stages.append(
            Stage(
                index=i + 1,
                time=_text(_shifted("t", [(c[i], "")])),
                state=_text(_shifted("x", [(a[i][j], f"k{j + 1}") for j in range(i)])),
                tangent=_tangent("dx", a[i]),
                cotangent=_text(_increment([(b[i], "w"), *later])),
                back_cotangent=_text(_shifted("w", [(a[i][j], f"l{j + 1}") for j in range(i)])),
                node=_text(_rational(c[i])),
            )
        )
    every = range(1, s + 1)
    return StepFormulas(
        stages=tuple(stages),
        update=_text(_shifted("x", [(b[i], f"k{i + 1}") for i in range(s)])),
        tangent=_tangent("dx", b),
        g_x=" + ".join(["w", *(f"v{i}" for i in every)]),
        g_p=" + ".join(f"p{i}" for i in every),
        g_u=" + ".join(f"u{i}" for i in every),
        g_t=" + ".join(f"t{i}" for i in every),
        g_h=_step_size_gradient(a, b, c),
        back_x=_text(_shifted("x", [(b[i], f"k{i + 1}") for i in range(s)])),
        back_w=_text(_shifted("w", [(b[i], f"l{i + 1}") for i in range(s)])),
        back_p=_text(_increment([(b[i], f"p{i + 1}") for i in range(s)])),
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


def _tangent(base: str, row: Sequence[Fraction]) -> str:
    """The tangent of base + h Σ a_j k_j: dbase + h Σ a_j dk_j + dh Σ a_j k_j."""
    moved = _shifted(base, [(value, f"dk{j + 1}") for j, value in enumerate(row)])
    terms = [_scaled(value, f"k{j + 1}") for j, value in enumerate(row) if value]
    if not terms:
        return _text(moved)
    assert isinstance(moved, Op)
    return _text(Op("add", (*moved.args, Op("mul", (Symbol("dh"), _sum(terms))))))


def _step_size_gradient(a: Sequence[Sequence[Fraction]], b: Sequence[Fraction], c: Sequence[Fraction]) -> str:
    """w·∂x_next/∂h: Σ b_i w·k_i + Σ_i (v_i·Σ_j a_ij k_j + c_i t_i)."""

    def dot(left: str, row: Sequence[Fraction]) -> str:
        return f"_dot({left}, {_text(_sum([_scaled(v, f'k{j + 1}') for j, v in enumerate(row) if v]))})"

    terms = [dot("w", b)]
    for i in range(1, len(b)):
        if any(a[i]):
            terms.append(dot(f"v{i + 1}", a[i]))
        if c[i]:
            terms.append(_text(_scaled(c[i], f"t{i + 1}")))
    return "\n        + ".join(terms)


def _text(expr: Expr) -> str:
    return layout.flat(TorchPrinter({}, {}).doc(expr))
