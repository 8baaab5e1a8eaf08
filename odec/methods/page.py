"""The page docs/methods.md, written from the registry: `python -m odec.methods.page > docs/methods.md`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from odec.methods import AUTO, METHODS, Implicit, Method, Multistep, Rosenbrock, Tableau
from odec.methods.listing import AUTOMATIC, REMARKS, error, other_names, stability_of, within

_HEAD = """\
# Methods

<!-- Written by `python -m odec.methods.page`; do not edit. -->

A method is chosen when a model is compiled: by its `run` line (`run t = 0 .. 100 method tsit5`), by
`odec compile --method NAME`, or by `odec.load(model, method="NAME")`; where none is named it is `auto`. `odec
list methods` prints these tables, `odec list methods --detail` all that is known of each.

A method with an error estimate chooses its steps, so that each keeps its local error within
`atol + rtol·|x|`. With fixed steps (`dt`, as in `method rk4 dt 0.1`), which the others take always, an
interval between two output times is divided into equal steps, each at most `dt` long.

Such steps end on every output time, unless there are more than 100 after the first, or dense output is
asked for (`dense_output=True`, `--dense`, or the opposite by `False` and `--no-dense`): then a method with an
interpolant takes the steps that its error allows, and the states at the output times within a step are a
polynomial, of the order given under "dense output". Steps end on the knots of inputs all the same.

Coefficients are data, one literal a method, exact or to all digits that were published. A method checks
itself when it is made; the tests check every order condition (all rooted trees up to its order), the
measured order of the method and of its error estimate on autonomous and non-autonomous equations, its
stability, and its gradient.
"""

_SECTIONS: tuple[tuple[type[Method], str, str], ...] = (
    (
        Tableau,
        "Explicit Runge–Kutta methods",
        """\
    k_i    = f(t + c_i h, x + h Σ_{j<i} a_ij k_j)
    x_next = x + h Σ_i b_i k_i,   error = h Σ_i e_i k_i

For problems that are not stiff. `tsit5` is the one to start with, `vern7` or `vern9` for tolerances below
1e-9. `dop853` has two error estimates, whose norms E and E3 combine to E²/√(E² + 0.01 E3²). The
estimates of `fehlberg2`, `vern7` and `vern9` are 64, 2 and 3 times the difference to their embedded methods,
as the error of x_next needs it. Data in `odec/methods/runge_kutta.py` and `odec/methods/high_order.py`.
""",
    ),
    (
        Implicit,
        "Implicit Runge–Kutta methods",
        """\
    k_i    = f(t + c_i h, x + h Σ_j a_ij k_j)
    x_next = x + h Σ_i b_i k_i,   error = (I - h γ J)⁻¹ h Σ_i e_i k_i

For stiff problems. Each stage (or, for collocation, all at once) is solved by Newton's method with the
symbolic Jacobian; the error estimate is filtered so that stiff components do not spoil it (Hosea & Shampine
1996), except in Kværnø's methods, whose two results both damp them. `backward_euler` is of order 1: errors of
its many steps add up, and at the end fall only with the root of the tolerance; with those of `trbdf2` it is
the power 2/3 (see [what a tolerance means](which-method.md#what-a-tolerance-means)). Data in
`odec/methods/implicit_tables.py`.
""",
    ),
    (
        Rosenbrock,
        "Rosenbrock methods",
        """\
    (I/(h γ) - J) u_i = f(t + α_i h, x + Σ_{j<i} a_ij u_j) + Σ_{j<i} (c_ij/h) u_j + d_i h f_t
    x_next = x + Σ_i m_i u_i,   error = Σ_i e_i u_i

For stiff problems, at one factorisation a step and no iteration; J and f_t are the symbolic derivatives at
the step's start. `rodas5p` is the one to start with. Data in `odec/methods/rosenbrock_tables.py`.
""",
    ),
    (
        Multistep,
        "Adams methods",
        """\
    x*     = x_n + h Σ_j b_j f_{n-j}
    x_next = x_n + h (c_0 f(t_{n+1}, x*) + Σ_{j≥1} c_j f_{n+1-j})

For problems that are not stiff and costly to evaluate: `explicit_adams` (which ends at x*) evaluates f once
a step, the others twice. With fixed steps the first three are of `rk4`, and again where steps become more
than twice as long and at the knots of an input; where the step size changes less from one interval between
outputs to the next, the coefficients follow from the steps taken before. `adams` can also choose its steps,
each trajectory its own, and its order, the one (of 2 to 9) that makes the next step the longest; history
begins anew at the knots of an input. Data in `odec/methods/multistep.py`.
""",
    ),
)

_AUTO = f"""
## Two methods in one

`auto` takes {AUTOMATIC}.
Each trajectory switches by itself, in both directions, on both engines. Source: {AUTO.source}.
"""

_NAMES = """
## Other names

Those of torchdiffeq, of SciPy and of MATLAB are understood wherever a method is named. Where a name means
something else there:

"""

_TABLEAUS = """
## Tableaus

Each is written c | a, with b below the line. Those with more than seven stages are in
`odec/methods/high_order.py`.
"""

_LARGEST = 7


def page() -> str:
    """The page as Markdown: the methods of each family, their other names, then the tableaus."""
    parts = [_HEAD]
    for family, title, text in _SECTIONS:
        members = [method for method in METHODS.values() if isinstance(method, family)]
        parts.append(f"\n## {title}\n\n{text}\n{_methods(members)}")
    parts.append(_AUTO)
    parts.append(_NAMES + "".join(f"- `{name}`: {remark}.\n" for name, remark in REMARKS.items()))
    parts.append("\n" + _table(("name", "here"), ((f"`{a}`", _code(b)) for a, b in other_names())))
    parts.append(_TABLEAUS)
    small = (Tableau, Implicit)
    parts += [_section(m) for m in METHODS.values() if isinstance(m, small) and m.stages <= _LARGEST]
    return "".join(parts)


def _methods(members: Sequence[Method]) -> str:
    head = ("method", "order", "stages", "error estimate", "dense output", "stability", "engines", "source")
    rows = (
        (
            f"`{m.name}`",
            str(m.order),
            str(m.stages),
            error(m),
            within(m) if m.adaptive else "",
            stability_of(m).replace("|", "\\|"),
            ", ".join(m.engines),
            m.source,
        )
        for m in members
    )
    return _table(head, rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _code(text: str) -> str:
    return f"`{text}`" if text in METHODS else text


def _section(method: Tableau | Implicit) -> str:
    a = [[_text(entry) for entry in row] for row in method.a]
    c, b = [_text(entry) for entry in method.c], [_text(entry) for entry in method.b]
    left = max(map(len, c))
    widths = [max(len(row[j]) for row in [*a, b] if len(row) > j) for j in range(method.stages)]
    lines = [f"{node:>{left}} | {_cells(row, widths)}" for node, row in zip(c, a, strict=True)]
    rule = "-" * (left + 1) + "+" + "-" * (sum(widths) + 2 * len(widths) - 1)
    lines += [rule, f"{'':>{left}} | {_cells(b, widths)}"]
    return f"\n### {method.name}\n\n" + "".join(f"    {line}".rstrip() + "\n" for line in lines)


def _cells(row: list[str], widths: list[int]) -> str:
    return "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=False))


def _text(value: Fraction) -> str:
    """A coefficient as a fraction, or as a decimal where the fraction is unwieldy."""
    return str(value) if value.denominator < 10**6 else repr(float(value))


if __name__ == "__main__":
    print(page(), end="")
