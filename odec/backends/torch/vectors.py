"""Formulas over whole vectors (k1, w2, …) with a method's coefficients, as expressions and as code."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from fractions import Fraction

from odec.backends import layout
from odec.backends.layout import Call, Chain, Doc, Leaf
from odec.backends.torch.printer import TorchPrinter
from odec.tree import Expr, Number, Op, Symbol, number

_SMALL = 400

Terms = Sequence[tuple[Fraction, str]]
"""Coefficients and the names of the vectors that they multiply; an empty name stands for one."""


def rational(value: Fraction) -> Expr:
    """A coefficient: an integer, a quotient of integers, or a decimal where the fraction is unwieldy."""
    if value < 0:
        return Op("neg", (rational(-value),))
    if value.denominator == 1:
        return number(float(value))
    if value.denominator < 10**6:
        return Op("div", (number(float(value.numerator)), number(float(value.denominator))))
    return Number(float(value), repr(float(value)))


def scaled(value: Fraction, name: str) -> Expr:
    """value·name, without a factor of one."""
    if value < 0:
        return Op("neg", (scaled(-value, name),))
    if not name:
        return rational(value)
    if value == 1:
        return Symbol(name)
    return Op("mul", (rational(value), Symbol(name)))


def total(terms: Sequence[Expr]) -> Expr:
    return terms[0] if len(terms) == 1 else Op("add", tuple(terms))


def combination(terms: Terms) -> Expr:
    """Σ coefficient·name."""
    found = [scaled(value, name) for value, name in terms if value != 0]
    return total(found) if found else number(0)


def increment(terms: Terms, step: str = "h") -> Expr:
    """h·Σ coefficient·name, over the common denominator where that is small."""
    terms = [(value, name) for value, name in terms if value != 0]
    if not terms:
        return number(0)
    h = Symbol(step)
    common = math.lcm(*(value.denominator for value, _ in terms))
    if common > _SMALL:
        return Op("mul", (h, combination(terms)))
    factor: Expr = h if common == 1 else Op("div", (h, number(common)))
    terms = [(value * common, name) for value, name in terms]
    if len(terms) == 1:
        value, name = terms[0]
        if value < 0:
            return Op("neg", (increment([(-value / common, name)], step),))
        if value != 1:
            factor = Op("mul", (number(float(value)), h))
            factor = factor if common == 1 else Op("div", (factor, number(common)))
        return factor if not name else Op("mul", (factor, Symbol(name)))
    return Op("mul", (factor, combination(terms)))


def shifted(base: str, terms: Terms) -> Expr:
    """base + h·Σ coefficient·name."""
    terms = [(value, name) for value, name in terms if value != 0]
    return Op("add", (Symbol(base), increment(terms))) if terms else Symbol(base)


def moved(base: str, terms: Terms) -> Expr:
    """base + Σ coefficient·name."""
    terms = [(value, name) for value, name in terms if value != 0]
    return Op("add", (Symbol(base), *(scaled(*term) for term in terms))) if terms else Symbol(base)


def tangent(base: str, row: Sequence[Fraction], full: Sequence[Fraction]) -> Expr:
    """dbase + h·Σ a_j dk_j over the row + dh·Σ a_j k_j over the full row."""
    shift = shifted(base, [(value, f"dk{j + 1}") for j, value in enumerate(row)])
    terms: Terms = [(value, f"k{j + 1}") for j, value in enumerate(full) if value]
    if not terms:
        return shift
    parts = shift.args if isinstance(shift, Op) else (shift,)
    return Op("add", (*parts, Op("mul", (Symbol("dh"), combination(terms)))))


def shared_sum(target: str, names: Sequence[str]) -> str:
    """target = Σ names, each summed over the trajectories that share the parameters: cheaper than adding."""
    first, *rest = (Call("_sum_to", (Leaf(name), Leaf("p.shape"))) for name in names)
    return assign(target, Chain(first, tuple(("+", term) for term in rest)) if rest else first)


def step_size_gradient(a: Sequence[Sequence[Fraction]], b: Sequence[Fraction], c: Sequence[Fraction]) -> str:
    """g_h = w·∂x_next/∂h: Σ b_i w·k_i + Σ_i (v_i·Σ_j a_ij k_j + c_i t_i)."""

    def dot(left: str, row: Sequence[Fraction]) -> Doc:
        return Call("_dot", (Leaf(left), doc(combination([(v, f"k{j + 1}") for j, v in enumerate(row)]))))

    terms = [dot("w", b)]
    for i, row in enumerate(a):
        terms += [dot(f"v{i + 1}", row)] if any(row) else []
        terms += [doc(scaled(c[i], f"t{i + 1}"))] if c[i] else []
    return assign("g_h", Chain(terms[0], tuple(("+", term) for term in terms[1:])) if terms[1:] else terms[0])


def constant(name: str, values: Sequence[Fraction]) -> str:
    """Coefficients as a tuple of a module, one a line where they are many."""
    texts = [repr(float(value)) for value in values]
    line = f"{name} = ({', '.join(texts)}{',' if len(texts) == 1 else ''})"
    return (
        line if len(line) <= layout.WIDTH else f"{name} = (\n" + "".join(f"    {t},\n" for t in texts) + ")"
    )


def table(name: str, rows: Sequence[Sequence[Fraction]]) -> str:
    """Rows of coefficients as a tuple of tuples, each filled to the line width."""
    found = [", ".join(repr(float(value)) for value in row) for row in rows]
    texts = [f"({text}{',' if len(row) == 1 else ''})," for text, row in zip(found, rows, strict=True)]
    if len(texts) == 1 and len(texts[0]) <= layout.WIDTH // 2:
        return f"{name} = ({texts[0]})"
    if max(map(len, texts)) <= layout.WIDTH - 4:
        return f"{name} = (\n" + "".join(f"    {text}\n" for text in texts) + ")"
    filled = (textwrap.fill(t, layout.WIDTH, initial_indent="    ", subsequent_indent="     ") for t in texts)
    return f"# fmt: off\n{name} = (\n" + "\n".join(filled) + "\n)\n# fmt: on"


def doc(expr: Expr) -> Doc:
    return TorchPrinter({}, {}).doc(expr)


def inline(expr: Expr) -> str:
    """The expression on one line."""
    return layout.flat(doc(expr))


def assign(target: str, value: Expr | Doc) -> str:
    """`target = value` as lines of a function's body."""
    return "\n".join(layout.assignment(target, doc(value) if isinstance(value, Expr) else value))


def answer(value: Expr | Doc) -> str:
    """`return value` as lines of a function's body."""
    return "\n".join(layout.returned(doc(value) if isinstance(value, Expr) else value))
