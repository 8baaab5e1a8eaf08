"""SymPy expressions -> our tree. SymPy is imported when the first one comes."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from odec.errors import ArgumentError
from odec.tree import INTERNAL, OPERATIONS, Expr, Number, Op, Symbol, number

if TYPE_CHECKING:
    import sympy

_SAME = "sin cos tan cot asin acos atan atan2 sinh cosh tanh asinh acosh atanh exp log erf gamma sign".split()
_RENAMED = {"Abs": "abs", "Max": "max", "Min": "min", "Mod": "mod"}
_RENAMED |= {"ceiling": "ceil", "floor": "floor", "loggamma": "lgamma"}
_RELATIONS = {
    "StrictLessThan": "lt",
    "LessThan": "le",
    "StrictGreaterThan": "gt",
    "GreaterThan": "ge",
    "Equality": "eq",
    "Unequality": "ne",
}
_LOGIC = {"And": "and", "Or": "or", "Not": "not"}
_RECIPROCALS = {"sec": "cos", "csc": "sin", "sech": "cosh", "csch": "sinh", "coth": "tanh", "acot": "atan"}


def from_sympy(expr: Any) -> Expr:
    """The tree of a SymPy expression.

    Rationals become quotients, negative powers denominators, Piecewise and ITE conditionals. A function
    that SymPy does not know is an operation of ours where the name is one, else a call of the model's own
    function. Raises ArgumentError for what has no real number as its value or no operation here.
    """
    import sympy

    return _convert(sympy.sympify(expr, strict=True))


@cache
def _converters() -> dict[str, Callable[[Any], Expr]]:
    """Conversions by the name of the SymPy class."""
    table: dict[str, Callable[[Any], Expr]] = {
        "Add": _sum,
        "Mul": _product,
        "Pow": _power,
        "Piecewise": _piecewise,
        "ITE": lambda e: Op("select", tuple(map(_convert, e.args))),
        "Heaviside": _heaviside,
        "erfc": lambda e: _negative_added(number(1), Op("erf", (_convert(e.args[0]),))),
        "BooleanTrue": lambda e: Op("true", ()),
        "BooleanFalse": lambda e: Op("false", ()),
    }
    plain = {name: name for name in _SAME} | _RENAMED | _RELATIONS | _LOGIC
    table |= {name: _operation(op) for name, op in plain.items()}
    table |= {name: _reciprocal(op) for name, op in _RECIPROCALS.items()}
    return table


def _convert(expr: sympy.Basic) -> Expr:
    if expr.is_Symbol:
        return Symbol(_checked(expr.name))
    if expr.is_Rational:
        return _rational(int(expr.p), int(expr.q))
    converter = _converters().get(type(expr).__name__)
    if converter is not None:
        return converter(expr)
    if type(expr).__name__ == "Exp1":
        raise ArgumentError(
            "E is Euler's number to SymPy: a quantity of that name is Symbol('E'), as in "
            "sympify(text, locals={'E': Symbol('E')}); the number is exp(1, evaluate=False)"
        )
    if getattr(expr, "is_NumberSymbol", False) or getattr(expr, "is_Float", False):
        return _signed(float(expr), repr(abs(float(expr))))
    if _is_undefined_function(expr):
        return _call(expr)
    if expr.is_number and expr.is_real is False:
        raise ArgumentError(f"{expr} is not a real number")
    raise ArgumentError(f"{_short(expr)} has no counterpart in a model ({type(expr).__name__})")


def _checked(name: str) -> str:
    """A name, where it is one. Raises ArgumentError for a symbol of another spelling."""
    if not name.rstrip("'").isidentifier():
        raise ArgumentError(f"a symbol needs a plain name (letters, digits, _), not {name!r}")
    return name


def _is_undefined_function(expr: sympy.Basic) -> bool:
    from sympy.core.function import AppliedUndef

    return isinstance(expr, AppliedUndef)


def _short(expr: sympy.Basic) -> str:
    text = str(expr)
    return text if len(text) <= 60 else text[:59] + "…"


def _operation(op: str) -> Callable[[Any], Expr]:
    many = OPERATIONS[op].arity[1] is None

    def convert(expr: sympy.Basic) -> Expr:
        # Arguments of an operation that commutes come from a set: sort them.
        args = _sorted(expr.args) if many else expr.args
        return Op(op, tuple(map(_convert, args)))

    return convert


def _reciprocal(op: str) -> Callable[[Any], Expr]:
    def convert(expr: sympy.Basic) -> Expr:
        (arg,) = expr.args
        if op == "atan":
            return Op("atan", (Op("div", (number(1), _convert(arg))),))
        return Op("div", (number(1), Op(op, (_convert(arg),))))

    return convert


def _sorted(args: Any) -> list[sympy.Basic]:
    from sympy import default_sort_key

    return sorted(args, key=default_sort_key)


def _signed(value: float, text: str) -> Expr:
    if not math.isfinite(value):
        raise ArgumentError(f"a formula cannot hold {value}")
    positive = Number(abs(value), text)
    return Op("neg", (positive,)) if value < 0 else positive


def _rational(p: int, q: int) -> Expr:
    top = _signed(float(p), str(abs(p)))
    return top if q == 1 else Op("div", (top, Number(float(q), str(q))))


def _sum(expr: sympy.Add) -> Expr:
    """Terms in SymPy's printing order; a negative one after the first is subtracted."""
    first, *rest = expr.as_ordered_terms()
    terms = [_convert(first)]
    for term in rest:
        negative = term.is_Mul and term.could_extract_minus_sign()
        terms.append(Op("neg", (_convert(-term),)) if negative else _convert(term))
    return Op("add", tuple(terms))


def _negative_added(a: Expr, b: Expr) -> Expr:
    return Op("add", (a, Op("neg", (b,))))


def _product(expr: sympy.Mul) -> Expr:
    """Numerator over denominator, a sign at the first factor: -3*x/(2*y)."""
    coefficient, rest = expr.as_coeff_Mul()
    negative = bool(coefficient.is_negative)
    above: list[Expr] = []
    below: list[Expr] = []
    if coefficient.is_Rational:
        p, q = abs(int(coefficient.p)), int(coefficient.q)
        above += [number(p)] if p != 1 else []
        below += [number(q)] if q != 1 else []
    else:
        above.append(_convert(abs(coefficient)))
    for factor in rest.as_ordered_factors():
        inverse = _inverse(factor)
        (above if inverse is None else below).append(_convert(factor) if inverse is None else inverse)
    if negative:
        above = [Op("neg", (above[0] if above else number(1),)), *above[1:]]
    top = _times(above)
    return Op("div", (top, _times(below))) if below else top


def _times(factors: list[Expr]) -> Expr:
    if not factors:
        return number(1)
    return factors[0] if len(factors) == 1 else Op("mul", tuple(factors))


def _inverse(factor: sympy.Basic) -> Expr | None:
    """1/factor where the factor is a power with a negative exponent, else None."""
    if not factor.is_Pow or not factor.exp.could_extract_minus_sign() or factor.base.is_Number:
        return None
    return _power_of(factor.base, -factor.exp)


def _power(expr: sympy.Pow) -> Expr:
    inverse = _inverse(expr)
    return _power_of(expr.base, expr.exp) if inverse is None else Op("div", (number(1), inverse))


def _power_of(base: sympy.Basic, exponent: sympy.Basic) -> Expr:
    if exponent.is_Rational and exponent.q == 2 and exponent.p == 1:
        return Op("sqrt", (_convert(base),))
    if type(base).__name__ == "Exp1":
        return Op("exp", (_convert(exponent),))
    return _convert(base) if exponent == 1 else Op("pow", (_convert(base), _convert(exponent)))


def _piecewise(expr: sympy.Piecewise) -> Expr:
    *pieces, last = expr.args
    if last.cond != True:  # noqa: E712 (SymPy's true is not Python's)
        message = f"Piecewise has no value when no condition holds: end {_short(expr)} with (…, True)"
        raise ArgumentError(message)
    value = _convert(last.expr)
    for piece in reversed(pieces):
        value = Op("select", (_convert(piece.cond), _convert(piece.expr), value))
    return value


def _heaviside(expr: sympy.Heaviside) -> Expr:
    x, *at_zero = map(_convert, expr.args)
    half = Op("div", (number(1), number(2)))
    return Op("heaviside", (x, *(h for h in at_zero if h != half)))


def _call(expr: sympy.Basic) -> Expr:
    name = _checked(expr.func.__name__)
    args = tuple(map(_convert, expr.args))
    known = OPERATIONS.get(name) if name not in INTERNAL else None
    if known is not None and known.kind == "function":
        least, most = known.arity
        if len(args) < least or most is not None and len(args) > most:
            plural = "" if least == 1 else "s"
            raise ArgumentError(f"{name} takes {least} argument{plural}, not {len(args)}: {_short(expr)}")
        return Op(name, args)
    return Op(f"call:{name}", args)
