"""The step cell of an explicit Runge–Kutta method: a step, its adjoint and tangent, estimate and interpolant.

Each line is a formula over whole vectors (k1, w2, …) with the coefficients of the module's one table by name:
A[3][1], B[2], C[1], E[0].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from odec.backends import layout
from odec.backends.layout import Call, Chain, Doc, Leaf, Parens, Prefix
from odec.methods import Tableau

Terms = Sequence[tuple[Fraction, str, str]]
"""Coefficients, their names in the module, and the vectors that they multiply."""


@dataclass(frozen=True)
class Cell:
    """The bodies of the functions that templates/torch/explicit.py.jinja prints, as lines.

    stages, interpolant: empty where the method has no error estimate, no interpolant.
    """

    step: str
    vjp: str
    vjp_times: str
    jvp: str
    stages: str
    interpolant: str


def cell(method: Tableau, inputs: bool) -> Cell:
    """The cell of a method, for a model with or without inputs.

    Adjoint: w_i = h (b_i w + Σ_{j>i} a_ji v_j), v_i = f_x(Y_i)ᵀ w_i, g_x = w + Σ v_i.
    Hager, Numer. Math. 87 (2000) 247–282.
    """
    used = max(i + 1 for i, weight in enumerate(method.b) if weight)
    return Cell(
        step=_text([*_stages(method, used), *layout.returned(_next(method))]),
        vjp=_text(_vjp(method, used, inputs)),
        vjp_times=_text(_vjp_times(method, used)),
        jvp=_text(_jvp(method, used)),
        stages=_text(_trial(method)) if method.error else "",
        interpolant=_text(_interpolant(method)) if method.dense and method.error else "",
    )


def _stages(method: Tableau, count: int) -> list[str]:
    """k_i = f(t + c_i h, x + h Σ_j a_ij k_j) of the first stages."""
    found: list[str] = []
    for i in range(count):
        found += _assign(f"k{i + 1}", _slope(method, i, _shifted("x", _row(method, i, "k"))))
    return found


def _next(method: Tableau) -> Doc:
    return _shifted("x", [(b, f"B[{i}]", f"k{i + 1}") for i, b in enumerate(method.b)])


def _vjp(method: Tableau, used: int, inputs: bool) -> list[str]:
    """From the cotangent of the next states backwards through the stages."""
    found: list[str] = []
    for i in range(used):
        found += _state(method, i)
        found += _assign(f"k{i + 1}", _slope(method, i, _at(method, i))) if i + 1 < used else []
    for i in reversed(range(used)):
        terms = [(method.b[i], f"B[{i}]", "w")]
        terms += [(method.a[j][i], f"A[{j}][{i}]", f"v{j + 1}") for j in range(i + 1, used)]
        n = i + 1
        found += _assign(f"w{n}", _increment("h", terms))
        pulled = Call(
            "slope.vjp", (_time(method, i), _at(method, i), *map(Leaf, ("p", "u", "clip", f"w{n}")))
        )
        found += _assign(f"t{n}, v{n}, p{n}, {f'u{n}' if inputs else '_'}", pulled)
    every = range(1, used + 1)
    found += _assign("g_x", _total([Leaf("w"), *(Leaf(f"v{n}") for n in every)]))
    found += _assign("g_p", Call("rt.pooled", (Leaf("p"), *(Leaf(f"p{n}") for n in every))))
    if not inputs:
        return found
    pulls = [f"({layout.flat(_time(method, n - 1))}, u{n})" for n in every]
    line = f"    g_u = [{', '.join(pulls)}]"
    if len(line) <= layout.WIDTH:
        return [*found, line]
    return [*found, "    g_u = [", *(f"        {pull}," for pull in pulls), "    ]"]


def _vjp_times(method: Tableau, used: int) -> list[str]:
    """The cotangents of t and h: Σ t_i, and w·Σ b_i k_i + Σ_i (v_i·Σ_j a_ij k_j + c_i t_i)."""
    found = _assign(f"k{used}", _slope(method, used - 1, _at(method, used - 1)))
    found += _assign("g_t", _total([Leaf(f"t{i + 1}") for i in range(used)]))
    weights = [(b, f"B[{i}]", f"k{i + 1}") for i, b in enumerate(method.b)]
    terms: list[Doc] = [Call("rt.dot", (Leaf("w"), _sum(weights)))]
    for i in range(used):
        row = _row(method, i, "k")
        terms += [Call("rt.dot", (Leaf(f"v{i + 1}"), _sum(row)))] if _any(row) else []
        terms += [_product(method.c[i], f"C[{i}]", f"t{i + 1}")] if method.c[i] else []
    return found + _assign("g_h", _total(terms))


def _jvp(method: Tableau, used: int) -> list[str]:
    found: list[str] = []
    for i in range(used):
        n = i + 1
        found += _state(method, i)
        moved = _any(_row(method, i, "k"))
        found += _assign(f"dy{n}", _tangent(_row(method, i, "dk"), _row(method, i, "k"))) if moved else []
        found += _assign(f"k{n}", _slope(method, i, _at(method, i)))
        d_time = (
            _total([Leaf("d.t"), _product(method.c[i], f"C[{i}]", "d.h")]) if method.c[i] else Leaf("d.t")
        )
        d_rest = (d_time, *map(Leaf, (f"dy{n}" if moved else "d.x", "d.p", "d.u")))
        given = (_time(method, i), _at(method, i), *map(Leaf, ("p", "u", "clip")), *d_rest)
        found += _assign(f"dk{n}", Call("slope.jvp", given))
    ends = [[(b, f"B[{i}]", f"{k}{i + 1}") for i, b in enumerate(method.b)] for k in ("dk", "k")]
    found += [*_assign("x_next", _next(method)), *_assign("dx_next", _tangent(*ends))]
    return [*found, "    return x_next, dx_next"]


def _trial(method: Tableau) -> list[str]:
    """All stages, and the local error h Σ e_i k_i, with the slope at the step's end where that is reused."""
    s = method.stages
    found = [*_stages(method, s), *_assign("x_next", _next(method))]
    names = [f"k{i + 1}" for i in range(s)]
    if method.first_same_as_last:
        found += _assign(f"k{s + 1}", _end_slope())
        names.append(f"k{s + 1}")
    errors = []
    for name, table, weights in (("error", "E", method.error), ("lower", "E3", method.error3)):
        terms = [(e, f"{table}[{i}]", f"k{i + 1}") for i, e in enumerate(weights)]
        found += _assign(name, _increment("h", terms)) if weights else []
        errors += [name] if weights else []
    slopes = f"({', '.join(names)}{',' if len(names) == 1 else ''})"
    return [*found, f"    return x_next, ({', '.join(errors)}{',' if len(errors) == 1 else ''}), {slopes}"]


def _interpolant(method: Tableau) -> list[str]:
    """q_j = h Σ_i w_ij k_i, with the slopes after the step's own: that at its end, and further stages."""
    dense, s = method.dense, method.stages
    assert dense is not None
    known = s + int(method.first_same_as_last)
    slopes = [f"k{i + 1}" for i in range(max(len(dense.weights), known))]
    if len(dense.weights) <= known:
        own = Leaf("stages" if len(dense.weights) == known else f"stages[:{len(dense.weights)}]")
        return layout.returned(_weighted(own))
    found = layout.unpack(slopes[:known], "stages")
    if known == s:
        found += _assign(f"k{s + 1}", _end_slope())
    for i, (row, node) in enumerate(zip(dense.a, dense.c, strict=True)):
        terms = [(value, f"WITHIN.a[{i}][{j}]", f"k{j + 1}") for j, value in enumerate(row)]
        time = _shifted("t", [(node, f"WITHIN.c[{i}]", "")])
        given = (time, _shifted("x", terms), *map(Leaf, ("p", "u", "clip")))
        found += _assign(f"k{s + 2 + i}", Call("slope", given))
    return found + layout.returned(_weighted(Call("", tuple(map(Leaf, slopes)))))


def _weighted(slopes: Doc) -> Doc:
    return Chain(Leaf("h"), (("*", Call("rt.weighted_rows", (Leaf("WITHIN.weights"), slopes))),))


def _end_slope() -> Doc:
    end = Chain(Leaf("t"), (("+", Leaf("h")),))
    return Call("slope", (end, *map(Leaf, ("x_next", "p", "u", "clip"))))


def _row(method: Tableau, i: int, vector: str) -> Terms:
    return [(value, f"A[{i}][{j}]", f"{vector}{j + 1}") for j, value in enumerate(method.a[i])]


def _state(method: Tableau, i: int) -> list[str]:
    """y_i as a name of its own, where it is not x."""
    row = _row(method, i, "k")
    return _assign(f"y{i + 1}", _shifted("x", row)) if _any(row) else []


def _at(method: Tableau, i: int) -> Doc:
    return Leaf(f"y{i + 1}" if _any(_row(method, i, "k")) else "x")


def _slope(method: Tableau, i: int, state: Doc) -> Doc:
    return Call("slope", (_time(method, i), state, *map(Leaf, ("p", "u", "clip"))))


def _time(method: Tableau, i: int) -> Doc:
    return _shifted("t", [(method.c[i], f"C[{i}]", "")])


def _tangent(moving: Terms, slopes: Terms) -> Doc:
    """dx + h Σ a_j dk_j + dh Σ a_j k_j."""
    return _total([Leaf("d.x"), _increment("h", moving), _increment("d.h", slopes)])


def _shifted(base: str, terms: Terms) -> Doc:
    """base + h Σ coefficient·vector."""
    return _total([Leaf(base), _increment("h", terms)]) if _any(terms) else Leaf(base)


def _increment(step: str, terms: Terms) -> Doc:
    """step·Σ coefficient·vector; a vector without a name is one."""
    several = [term for term in terms if term[0]]
    if len(several) > 1:
        return Chain(Leaf(step), (("*", Parens(_sum(several))),))
    value, coefficient, vector = several[0]
    if not vector:
        return Chain(Leaf(coefficient), (("*", Leaf(step)),)) if value != 1 else Leaf(step)
    factors = [vector] if value == 1 else [coefficient, vector]
    return Chain(Leaf(step), tuple(("*", Leaf(name)) for name in factors))


def _sum(terms: Terms) -> Doc:
    return _total([_product(*term) for term in terms if term[0]])


def _product(value: Fraction, coefficient: str, vector: str) -> Doc:
    """coefficient·vector, by its name unless it is one."""
    if value == 1:
        return Leaf(vector)
    return Prefix("-", Leaf(vector)) if value == -1 else Chain(Leaf(coefficient), (("*", Leaf(vector)),))


def _total(terms: Sequence[Doc]) -> Doc:
    return Chain(terms[0], tuple(("+", term) for term in terms[1:])) if len(terms) > 1 else terms[0]


def _any(terms: Terms) -> bool:
    return any(value for value, _, _ in terms)


def _assign(target: str, value: Doc) -> list[str]:
    return layout.assignment(target, value)


def _text(lines: list[str]) -> str:
    return "\n".join(lines)
