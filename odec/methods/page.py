"""The page docs/methods.md, written from the registry: `python -m odec.methods.page > docs/methods.md`."""

from __future__ import annotations

from fractions import Fraction

from odec.methods import EXPLICIT_METHODS, METHODS, Tableau

_HEAD = """\
# Methods

<!-- Written by `python -m odec.methods.page`; do not edit. -->

A method is chosen when a model is compiled: by its `run` line (`run t = 0 .. 100 step 0.1 method rk4`), by
`odec compile --method NAME`, or by `odec.load(model, method="NAME")`. `odec list methods` prints this table.

All are explicit Runge–Kutta methods, data in `odec/methods/runge_kutta.py`:

    k_i    = f(t + c_i h, x + h Σ_{j<i} a_ij k_j)
    x_next = x + h Σ_i b_i k_i

An interval between two output times is divided into equal steps, each at most `dt` long. A tableau checks
itself when it is made; the measured order of each method and its gradient are tested by walking the registry.

"""

_TABLEAUS = """
## Tableaus

Each is written c | a, with b below the line.
"""


def page() -> str:
    """The page as Markdown: a table of all methods, then their tableaus."""
    rows = [f"| `{m.name}` | {m.order} | {m.stages} | {m.source} |" for m in METHODS.values()]
    table = ["| method | order | stages | source |", "| --- | --- | --- | --- |", *rows]
    return _HEAD + "\n".join(table) + "\n" + _TABLEAUS + "".join(map(_section, EXPLICIT_METHODS.values()))


def _section(method: Tableau) -> str:
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
