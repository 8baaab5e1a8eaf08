"""A System as LaTeX, printed from our own tree: the user's order of terms is kept."""

from __future__ import annotations

import re
from collections.abc import Sequence

from odec.system import System, derivative_name
from odec.tree import Expr, Number, Op, Symbol, substitute

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
    "pow": 80,
}
_ATOM = 100


def latex(system: System) -> str:
    """The equations, intermediates, initial values and observables as one `align*` environment."""
    rows = [(_left(system, e.state, e.order), e.expr) for e in system.equations]
    rows += [(name_latex(m.name), m.expr) for m in system.intermediates]
    for function in system.functions:
        head = name_latex(function.name)
        args = ", ".join(name_latex(arg) for arg in function.args)
        rows.append((rf"{head}\left({args}\right)", function.body))
    starts = _starts(system)
    rows += [
        (starts[derivative_name(i.state, i.order)].name, substitute(i.expr, starts)) for i in system.initials
    ]
    rows += [(name_latex(o.name), o.expr) for o in system.observables]
    lines = [rf"  {left} &= {expression_latex(right)}" for left, right in rows]
    return "\\begin{align*}\n" + " \\\\\n".join(lines) + "\n\\end{align*}\n"


def expression_latex(expr: Expr) -> str:
    """An expression as LaTeX: quotients as fractions, conditionals as cases."""
    if isinstance(expr, Number):
        return _number(expr)
    if isinstance(expr, Symbol):
        return name_latex(expr.name)
    args = expr.args
    if expr.op == "add":
        return _sum(args)
    if expr.op == "mul":
        return _product(args)
    if expr.op == "neg":
        return "-" + _within(args[0], 56)
    if expr.op == "div":
        return rf"\frac{{{expression_latex(args[0])}}}{{{expression_latex(args[1])}}}"
    if expr.op == "pow":
        return rf"{_within(args[0], 81)}^{{{expression_latex(args[1])}}}"
    if expr.op in _RELATIONS:
        return f" {_RELATIONS[expr.op]} ".join(_within(arg, 41) for arg in args)
    if expr.op in ("and", "or"):
        word = r" \land " if expr.op == "and" else r" \lor "
        return word.join(_within(arg, _POWER[expr.op] + 1) for arg in args)
    if expr.op == "not":
        return rf"\lnot {_within(args[0], 41)}"
    return _cases(expr) if expr.op == "select" else _call(expr.op, args)


def name_latex(name: str) -> str:
    """A name: Greek letters, trailing digits and what follows an underscore as subscripts."""
    if "\\" in name:
        return name
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


def _left(system: System, state: str, order: int) -> str:
    name, time = name_latex(state), name_latex(system.time)
    if system.kind == "map":
        return f"{name}({time} + 1)"
    power = "" if order == 1 else f"^{{{order}}}"
    return rf"\frac{{\mathrm{{d}}{power} {name}}}{{\mathrm{{d}} {time}{power}}}"


def _starts(system: System) -> dict[str, Symbol]:
    """The states at the start, as symbols that are LaTeX already."""
    start = rf"\left({name_latex(system.time)}_{{0}}\right)"
    names = [derivative_name(i.state, i.order) for i in system.initials]
    return {name: Symbol(name_latex(name) + start) for name in names}


def _number(number: Number) -> str:
    text = number.text.lower()
    if text.startswith("3.14159265358979"):
        return r"\pi"
    mantissa, exponent, power = text.partition("e")
    if not exponent:
        return text
    factor = "" if mantissa in ("1", "1.", "1.0") else rf"{mantissa} \cdot "
    return rf"{factor}10^{{{int(power)}}}"


def _sum(args: Sequence[Expr]) -> str:
    parts = [_within(args[0], 51) if _power(args[0]) != 55 else expression_latex(args[0])]
    for arg in args[1:]:
        if isinstance(arg, Op) and arg.op == "neg":
            parts.append(" - " + _within(arg.args[0], 56))
        else:
            parts.append(" + " + _within(arg, 51))
    return "".join(parts)


def _product(args: Sequence[Expr]) -> str:
    parts: list[str] = []
    for k, arg in enumerate(args):
        text = _within(arg, 56 if k else 55)
        if parts:
            parts.append(r" \cdot " if text[0].isdigit() or text.startswith("-") else r" \, ")
        parts.append(text)
    return "".join(parts)


def _within(expr: Expr, power: int) -> str:
    text = expression_latex(expr)
    return rf"\left({text}\right)" if _power(expr) < power else text


def _power(expr: Expr) -> int:
    if isinstance(expr, Number):
        return 79 if r"\cdot" in _number(expr) or "^" in _number(expr) else _ATOM
    if isinstance(expr, Op) and expr.op == "div":
        return 79
    return _POWER.get(expr.op, _ATOM) if isinstance(expr, Op) else _ATOM


def _cases(expr: Op) -> str:
    lines: list[str] = []
    rest: Expr = expr
    while isinstance(rest, Op) and rest.op == "select":
        condition, value, rest = rest.args
        lines.append(rf"{expression_latex(value)} & \text{{if }} {expression_latex(condition)}")
    lines.append(rf"{expression_latex(rest)} & \text{{otherwise}}")
    return r"\begin{cases} " + r" \\ ".join(lines) + r" \end{cases}"


def _call(op: str, args: Sequence[Expr]) -> str:
    inner = [expression_latex(arg) for arg in args]
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
            x, k, n = args
            power = Op("pow", (x, n))
            return expression_latex(Op("div", (power, Op("add", (Op("pow", (k, n)), power)))))
    name = name_latex(op[5:]) if op.startswith("call:") else _FUNCTIONS.get(op, rf"\operatorname{{{op}}}")
    return rf"{name}\left({', '.join(inner)}\right)"
