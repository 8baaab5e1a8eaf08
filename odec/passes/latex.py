"""A System as LaTeX, printed from our own tree: the user's order of terms is kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from odec.system import Equation, Initial, System, at_time, derivative_name
from odec.tree import Expr, Number, Op, Symbol, fold, lookups, substitute

_GREEK = frozenset(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi"
    " chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega".split()
)
_FUNCTIONS = {
    **{name: rf"\{name}" for name in "exp sin cos tan cot sinh cosh tanh log min max".split()},
    "log": r"\ln",
    "log10": r"\log_{10}",
    "log2": r"\log_{2}",
    "asin": r"\arcsin",
    "acos": r"\arccos",
    "atan": r"\arctan",
    "gamma": r"\Gamma",
    "lgamma": r"\ln\Gamma",
    "digamma": r"\psi",
    "trigamma": r"\psi_1",
    "sigmoid": r"\sigma",
    "heaviside": r"\operatorname{H}",
    "sign": r"\operatorname{sgn}",
}
_RELATIONS = {"lt": "<", "le": r"\le", "gt": ">", "ge": r"\ge", "eq": "=", "ne": r"\ne"}
_POWER = {
    "or": 10,
    "and": 20,
    "not": 30,
    **dict.fromkeys(_RELATIONS, 40),
    "add": 50,
    "neg": 55,
    "mul": 60,
    "matmul": 60,
    "pow": 80,
}
_ATOM = 100


class _Piece:
    """An expression and its LaTeX; `rows` of a conditional, and what a negative is the negative of."""

    def __init__(self, expr: Expr, text: str, rows: tuple[str, ...] = (), inner: _Piece | None = None):
        self.expr, self.rows, self.inner = expr, rows, inner
        self._text = text

    @property
    def text(self) -> str:
        """A conditional's is put together when it is asked for, once for a chain of them."""
        if self.rows:
            return r"\begin{cases} " + r" \\ ".join(self.rows) + r" \end{cases}"
        return self._text


def latex(system: System) -> str:
    """The equations, intermediates, initial values and observables as one `align*` environment."""
    rows = [row for e in system.equations for row in _rows(e, partial(_left, system, e))]
    rows += [row for m in system.intermediates for row in _rows(m, name_latex(m.name).__add__)]
    for function in (f for f in system.functions if not lookups(f.body)):  # a table is no formula
        head = name_latex(function.name)
        args = ", ".join(name_latex(arg) for arg in function.args)
        rows.append((rf"{head}\left({args}\right)", function.body, ""))
    starts = _starts(system)
    for i in system.initials:
        start = starts[_first_order(system, i)].name
        found = _rows(i, start.__add__)
        rows += [(left, substitute(right, starts), behind) for left, right, behind in found]
    rows += [row for o in system.observables for row in _rows(o, name_latex(o.name).__add__)]
    lines = [rf"  {left} &= {expression_latex(right)}{behind}" for left, right, behind in rows]
    return "\\begin{align*}\n" + " \\\\\n".join(lines) + "\n\\end{align*}\n"


def _rows(item: Any, left: Callable[[str], str]) -> list[tuple[str, Expr, str]]:
    """Left side, formula and what stands behind it; of elements a row for each statement."""
    found = []
    for said in item.said:
        index = _index([expression_latex(part) for part in said.index]) if said.index else ""
        ends = [(axis[0], expression_latex(a), expression_latex(b)) for axis, a, b in said.loops]
        loops = ", ".join(rf"{_word(name)} = {a} \dots {b}" for name, a, b in ends)
        found.append((left(index), said.expr, rf" \quad ({loops})" if loops else ""))
    return found or [(left(""), item.expr, "")]


def _index(parts: Sequence[str]) -> str:
    return f"_{{{','.join(parts)}}}"


def expression_latex(expr: Expr) -> str:
    """An expression as LaTeX: quotients as fractions, conditionals as cases."""
    return fold(expr, _leaf, _operation).text


def _leaf(node: Number | Symbol) -> _Piece:
    return _Piece(node, _number(node) if isinstance(node, Number) else name_latex(node.name))


def _operation(expr: Op, args: tuple[_Piece, ...]) -> _Piece:
    """An operation from its arguments."""
    if expr.op == "select":
        condition, value, rest = args
        row = rf"{value.text} & \text{{if }} {condition.text}"
        return _Piece(expr, "", (row, *(rest.rows or (rf"{rest.text} & \text{{otherwise}}",))))
    if expr.op == "neg":
        return _Piece(expr, "-" + _within(args[0], 56), inner=args[0])
    return _Piece(expr, _of_arrays(expr, args) or _written(expr.op, args))


def _written(op: str, args: tuple[_Piece, ...]) -> str:
    if op == "add":
        return _sum(args)
    if op == "mul":
        return _product(args)
    if op == "div":
        return rf"\frac{{{args[0].text}}}{{{args[1].text}}}"
    if op == "pow":
        return rf"{_within(args[0], 81)}^{{{args[1].text}}}"
    if op in _RELATIONS:
        return f" {_RELATIONS[op]} ".join(_within(arg, 41) for arg in args)
    if op in ("and", "or"):
        word = r" \land " if op == "and" else r" \lor "
        return word.join(_within(arg, _POWER[op] + 1) for arg in args)
    return rf"\lnot {_within(args[0], 41)}" if op == "not" else _call(op, args)


def _of_arrays(expr: Op, args: tuple[_Piece, ...]) -> str:
    """Forms of arrays; "" for another operation."""
    texts = [arg.text for arg in args]
    kind, _, name = expr.op.partition(":")
    if kind == "for":
        word = {"sum": r"\sum", "max": r"\max", "min": r"\min"}.get(name, rf"\operatorname{{{name}}}")
        pairs = zip(expr.static[::2], texts[1::2], texts[2::2], strict=True)
        below = r" \; ".join(rf"{word}_{{{_word(str(i))}={a}}}^{{{b}}}" for i, a, b in pairs)
        return rf"{below} {_within(args[0], 56)}"
    if expr.op in ("index", "slice"):
        parts = texts[1:] or [str(part) for part in expr.static]
        return _within(args[0], 90) + _index(parts)
    if expr.op in ("list", "stack"):
        return rf"\left[{', '.join(texts)}\right]"
    if expr.op == "transpose":
        return rf"{_within(args[0], 90)}^{{\mathsf{{T}}}}"
    if expr.op == "matmul":
        return rf"{_within(args[0], 60)} \, {_within(args[1], 61)}"
    plain = {"at": str(expr.static[0]) if expr.static else "", "open": "", "ends": ":".join(texts)}
    if expr.op in plain:
        return plain[expr.op] or r"\,"
    return rf"\operatorname{{{name}}}\left({', '.join(texts)}\right)" if kind == "array" else ""


def name_latex(name: str) -> str:
    """A name: Greek letters, trailing digits and what follows an underscore as subscripts."""
    if "\\" in name:
        return name
    other_time = re.fullmatch(r"(.+)\[(.+)([+-])(\d+)\]", name)
    if other_time:
        state, time, sign, steps = other_time.groups()
        return f"{name_latex(state)}({name_latex(time)} {sign} {steps})"
    primes = len(name) - len(name.rstrip("'"))
    derivative = re.fullmatch(r"d(\d*)(.+)_dt(\d*)", name)
    if derivative and derivative[1] == derivative[3]:
        name, primes = derivative[2], int(derivative[1] or 1)
    head, *tail = [part for part in name.rstrip("'").split("_") if part] or [r"\_"]
    digits = re.fullmatch(r"(\D+)(\d+)", head)
    if digits:
        head, tail = digits[1], [digits[2], *tail]
    text = _word(head) + "'" * primes
    return text + (rf"_{{{','.join(_word(part) for part in tail)}}}" if tail else "")


def _word(text: str) -> str:
    if text in _GREEK:
        return f"\\{text}"
    return text if len(text) == 1 or text.isdigit() or text.startswith("\\") else rf"\mathrm{{{text}}}"


def _left(system: System, equation: Equation, index: str) -> str:
    name, time, order = name_latex(equation.state) + index, name_latex(system.time), equation.order
    if system.kind == "map":
        return f"{name}({time} + 1)"
    power = "" if order == 1 else f"^{{{order}}}"
    return rf"\frac{{\mathrm{{d}}{power} {name}}}{{\mathrm{{d}} {time}{power}}}"


def _starts(system: System) -> dict[str, Symbol]:
    """The states at the start, as symbols that are LaTeX already."""
    first = name_latex(system.time) + "_{0}"
    found = {}
    for i in system.initials:
        name = derivative_name(i.state, max(i.order, 0))
        behind = f" - {-i.order}" if i.order < 0 else ""
        found[_first_order(system, i)] = Symbol(rf"{name_latex(name)}\left({first}{behind}\right)")
    return found


def _first_order(system: System, initial: Initial) -> str:
    """The name in formulas of what an initial value is of."""
    if initial.order < 0:
        return at_time(initial.state, initial.order, system.time)
    return derivative_name(initial.state, initial.order)


def _number(number: Number) -> str:
    text = number.text.lower()
    if text.startswith("3.14159265358979"):
        return r"\pi"
    mantissa, exponent, power = text.partition("e")
    if not exponent:
        return text
    factor = "" if mantissa in ("1", "1.", "1.0") else rf"{mantissa} \cdot "
    return rf"{factor}10^{{{int(power)}}}"


def _sum(args: Sequence[_Piece]) -> str:
    parts = [_within(args[0], 51) if _power(args[0].expr) != 55 else args[0].text]
    for arg in args[1:]:
        parts.append(" + " + _within(arg, 51) if arg.inner is None else " - " + _within(arg.inner, 56))
    return "".join(parts)


def _product(args: Sequence[_Piece]) -> str:
    parts: list[str] = []
    for k, arg in enumerate(args):
        text = _within(arg, 56 if k else 55)
        if parts:
            parts.append(r" \cdot " if text[0].isdigit() or text.startswith("-") else r" \, ")
        parts.append(text)
    return "".join(parts)


def _within(piece: _Piece, power: int) -> str:
    return rf"\left({piece.text}\right)" if _power(piece.expr) < power else piece.text


def _power(expr: Expr) -> int:
    if isinstance(expr, Number):
        return 79 if r"\cdot" in _number(expr) or "^" in _number(expr) else _ATOM
    if isinstance(expr, Op) and expr.op == "div":
        return 79
    return _POWER.get(expr.op, _ATOM) if isinstance(expr, Op) else _ATOM


def _call(op: str, args: Sequence[_Piece]) -> str:
    inner = [arg.text for arg in args]
    match op:
        case "sqrt":
            return rf"\sqrt{{{inner[0]}}}"
        case "abs":
            return rf"\left|{inner[0]}\right|"
        case "floor" | "ceil":
            return rf"\left\l{op} {inner[0]} \right\r{op}"
        case "mod":
            return rf"\left({inner[0]} \bmod {inner[1]}\right)"
        case "true" | "false":
            return rf"\mathrm{{{op}}}"
        case "hill":
            x, k, n = (arg.expr for arg in args)
            power = Op("pow", (x, n))
            return expression_latex(Op("div", (power, Op("add", (Op("pow", (k, n)), power)))))
    name = name_latex(op[5:]) if op.startswith("call:") else _FUNCTIONS.get(op, rf"\operatorname{{{op}}}")
    return rf"{name}\left({', '.join(inner)}\right)"
