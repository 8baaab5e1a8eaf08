"""A method as the text of its table in a generated module: what odec/runtime/methods.py defines."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from fractions import Fraction

from odec.backends.layout import WIDTH
from odec.lookups import Lookup
from odec.methods import METHODS, Implicit, Method, Multistep, Rosenbrock, Tableau
from odec.methods.auto import Auto
from odec.methods.interpolant import Interpolant
from odec.methods.stability import real_interval
from odec.text import python_string

STARTER = "rk4"
"""The method of the first steps of Adams methods."""

Fields = list[tuple[str, str]]


def statements(method: Method | Auto | None) -> str:
    """The module's statement METHOD = …, and before it what has a name of its own there.

    Those are the interpolant of an explicit method, WITHIN, and the two halves of auto.
    """
    if isinstance(method, Auto):
        parts = [*_with_interpolant("EXPLICIT", method.explicit), f"STIFF = {table(method.stiff)}"]
        parts += [f'METHOD = rt.Auto("{method.name}", {method.order}, EXPLICIT, STIFF)']
    else:
        parts = _with_interpolant("METHOD", method)
    return "\n\n".join(map(_framed, parts))


def lookup_text(table: Lookup) -> str:
    """The entry of a lookup table in the module's LOOKUPS."""
    pieces = (f"({', '.join(map(repr, piece))})" for piece in table.pieces)
    fields = [_filled(map(repr, table.xs)), _filled(pieces), *(["extrapolate=True"] * table.extrapolate)]
    name = python_string(table.name)
    return f"{name}: rt.Lookup({', '.join(fields)}),"


def _filled(texts: Iterable[str]) -> str:
    """A tuple, filled to the line width."""
    line = f"({', '.join(texts)},)"
    return textwrap.fill(
        line, WIDTH - 8, initial_indent="", subsequent_indent="        ", break_long_words=False
    )


def _with_interpolant(name: str, method: Method | None) -> list[str]:
    if isinstance(method, Tableau) and method.error and method.dense:
        return [f"WITHIN = {_dense(method.dense)[0][1]}", f"{name} = {table(method, within='WITHIN')}"]
    return [f"{name} = {table(method)}"]


def _framed(text: str) -> str:
    """The statement; where its long rows are filled, between marks for formatters."""
    filled = any(line.strip()[0] in "-0123456789" for line in text.splitlines())
    return f"# fmt: off\n{text}\n# fmt: on" if filled else text


def table(method: Method | Auto | None, within: str = "") -> str:
    """The expression of a method's table, with the fields that are not the default; None: a map.

    within: the name of its interpolant, which stands apart.
    """
    if method is None:
        return "rt.Map()"
    if isinstance(method, Auto):
        parts = [("name", f'"{method.name}"'), ("order", str(method.order))]
        parts += [("explicit", table(method.explicit)), ("stiff", table(method.stiff))]
        return _call("rt.Auto", parts)
    fields: Fields = [("name", f'"{method.name}"'), ("order", str(method.order))]
    if isinstance(method, Tableau):
        return _call("rt.Explicit", fields + _explicit(method, within))
    if isinstance(method, Implicit):
        return _call("rt.Implicit", fields + _implicit(method))
    if isinstance(method, Rosenbrock):
        return _call("rt.Rosenbrock", fields + _rosenbrock(method))
    return _call("rt.Adams", fields + _adams(method))


def _explicit(method: Tableau, within: str) -> Fields:
    interval = real_interval(method)
    fields = [("a", _matrix(method.a)), ("b", _row(method.b)), ("c", _row(method.c))]
    fields += [("error", _row(method.error)), ("error3", _row(method.error3))]
    fields += [("error_order", str(method.error_order))] if method.error else []
    fields += [("dense", within)] if within else _dense(method.dense)
    return fields + ([("real_interval", repr(interval))] if math.isfinite(interval) else [])


def _implicit(method: Implicit) -> Fields:
    fields = [("a", _matrix(method.a)), ("b", _row(method.b)), ("c", _row(method.c))]
    if method.error:
        fields += [("error", _row(method.error)), ("start_error", _number(method.start_error))]
        fields += [("filter", _number(method.filter)), ("error_order", str(method.error_order))]
    return fields + _dense(method.dense)


def _rosenbrock(method: Rosenbrock) -> Fields:
    below = [row[:i] for i, row in enumerate(method.a)], [row[:i] for i, row in enumerate(method.c)]
    fields = [("gamma", _number(method.gamma)), ("a", _matrix(below[0])), ("c", _matrix(below[1]))]
    fields += [("m", _row(method.m)), ("alpha", _row(method.alpha)), ("d", _row(method.d))]
    fields += [("weights", _row(method.weights)), ("rate_weight", _number(method.rate_weight))]
    if method.error:
        fields += [("error", _row(method.error)), ("error_order", str(method.error_order))]
    return fields + _dense(method.dense)


def _adams(method: Multistep) -> Fields:
    starter = METHODS[STARTER]
    fields = [("predictor", _row(method.predictor)), ("corrector", _row(method.corrector))]
    return [*fields, ("starter", table(starter)), ("highest", str(method.highest))]


def _dense(dense: Interpolant | None) -> Fields:
    if dense is None:
        return []
    fields = [("order", str(dense.order)), ("weights", _matrix(dense.weights))]
    fields += [("a", _matrix(dense.a)), ("c", _row(dense.c))]
    fields += [("excess", str(dense.excess))] if dense.excess > 1 else []
    return [("dense", _call("rt.Interpolant", fields))]


def _call(name: str, fields: Fields) -> str:
    """A constructor's call; what is an empty tuple or zero is a default and left out."""
    given = [f"{field}={value}" for field, value in fields if value not in ("()", "0", "0.0")]
    line = f"{name}({', '.join(given)})"
    if len(line) <= WIDTH - len("METHOD = ") and "\n" not in line:
        return line
    return f"{name}(\n" + "".join(textwrap.indent(f"{one},\n", "    ") for one in given) + ")"


def _matrix(rows: Iterable[Sequence[Fraction]]) -> str:
    """Rows as a tuple of tuples; a row a line where they do not fit."""
    texts = [_row(row) for row in rows]
    if not texts:
        return "()"
    line = f"({', '.join(texts)}{',' if len(texts) == 1 else ''})"
    if len(line) <= WIDTH - 32 and "\n" not in line:
        return line
    return "(\n" + "".join(textwrap.indent(f"{text},\n", "    ") for text in texts) + ")"


def _row(values: Sequence[Fraction]) -> str:
    """Numbers as a tuple, filled to the line width."""
    texts = [_number(value) for value in values]
    line = f"({', '.join(texts)}{',' if len(texts) == 1 else ''})"
    return textwrap.fill(line, WIDTH - 20, subsequent_indent=" ", break_long_words=False)


def _number(value: Fraction) -> str:
    """A coefficient: an integer, a quotient of integers, or a decimal where the fraction is unwieldy."""
    if value.denominator == 1:
        return str(value.numerator)
    if value.denominator < 10**6 and abs(value.numerator) < 10**9:
        return f"{value.numerator} / {value.denominator}"
    return repr(float(value))
