"""Expressions: the tree that the parser builds, the passes rewrite and the printers print.

Three node kinds carry everything: a number, a symbol, an operation on arguments. Sums and products are
n-ary and evaluated from left to right; a difference is a sum with a negated argument. Equality ignores
spans, so that two spellings of one formula compare equal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from odec.arrays import ARRAY_OPERATIONS, Shape, Static, by_element, elementwise
from odec.diagnostics import Span
from odec.gamma import digamma, trigamma
from odec.lookups import TABLES, Lookup

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Number:
    """A literal. `text` is what was typed (or 17 significant digits), `value` what it means."""

    value: float
    text: str
    span: Span | None = field(default=None, compare=False, repr=False)
    shape: Shape = ()


@dataclass(frozen=True, slots=True)
class Symbol:
    """A name: of a state, parameter, constant, intermediate, input, the time, or a temporary."""

    name: str
    span: Span | None = field(default=None, compare=False, repr=False)
    shape: Shape = ()


@dataclass(frozen=True, slots=True)
class Op:
    """An operation of `OPERATIONS` on its arguments; static: what one of `ARRAY_OPERATIONS` does besides."""

    op: str
    args: tuple[Expr, ...]
    span: Span | None = field(default=None, compare=False, repr=False)
    shape: Shape = ()
    static: Static = ()

    def __eq__(self, other: object) -> bool:
        """Whether two trees of any depth are equal."""
        stack: list[tuple[object, object]] = [(self, other)]
        while stack:
            a, b = stack.pop()
            if isinstance(a, Op) and isinstance(b, Op):
                if (a.op, a.static, a.shape, len(a.args)) != (b.op, b.static, b.shape, len(b.args)):
                    return False
                stack.extend(zip(a.args, b.args, strict=True))
            elif isinstance(a, Op) or isinstance(b, Op) or a != b:
                return False
        return True

    def __hash__(self) -> int:
        return fold(self, hash, lambda node, args: hash((node.op, args, node.shape, node.static)))


Expr = Number | Symbol | Op

MAX_DEPTH = 2000
"""Levels of the tree of one expression: branches, divisions or powers one behind the other."""


@dataclass(frozen=True)
class Operation:
    """What every pass may know of an operation.

    arity: least and most number of arguments (None: no limit). evaluate: its value for floats.
    kind: arithmetic, compare, logic, select or function. shape: that of its value from its arguments' shapes;
    it raises ShapeError.
    """

    name: str
    arity: tuple[int, int | None]
    kind: str
    evaluate: Callable[..., float | bool]
    shape: Callable[[Sequence[Shape], Static], Shape] = elementwise


def _mul(*args: float) -> float:
    product = args[0]
    for arg in args[1:]:
        product *= arg
    return product


def _add(*args: float) -> float:
    total = args[0]
    for arg in args[1:]:
        total += arg
    return total


def _div(a: float, b: float) -> float:
    if b == 0:
        return math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1, b)
    return a / b


def _pow(a: float, b: float) -> float:
    try:
        value = math.pow(a, b)
    except OverflowError:
        value = math.inf
    except ValueError:
        value = math.inf if a == 0 else math.nan
    return value


def _total(function: Callable[[float], float]) -> Callable[[float], float]:
    """The function with IEEE results where Python's math module raises."""

    def evaluate(x: float) -> float:
        try:
            return function(x)
        except OverflowError:
            return math.copysign(math.inf, x) if function is math.sinh else math.inf
        except ValueError:
            return -math.inf if x == 0 and function in (math.log, math.log10, math.log2) else math.nan

    return evaluate


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _sign(x: float) -> float:
    return x if math.isnan(x) else float((x > 0) - (x < 0))


def _heaviside(x: float, at_zero: float = 0.5) -> float:
    return x if math.isnan(x) else at_zero if x == 0 else float(x > 0)


def _mod(a: float, b: float) -> float:
    return math.nan if b == 0 else a - b * math.floor(a / b)


def _hill(x: float, k: float, n: float) -> float:
    return _div(_pow(x, n), _pow(k, n) + _pow(x, n))


def _xlogy(x: float, y: float) -> float:
    return 0.0 if x == 0 and not math.isnan(y) else x * _total(math.log)(y)


def _exprel(n: int) -> Callable[[float], float]:
    """The nth derivative of (exp(z) - 1)/z, the integral of s**n exp(s*z) for s from 0 to 1."""

    def evaluate(z: float) -> float:
        if abs(z) < 1:
            return sum(z**k / (math.factorial(k) * (k + n + 1)) for k in reversed(range(19)))
        z = min(z, 1000.0)  # beyond, the value is infinite and not a quotient of infinite ones
        e, r = _total(math.exp)(z), 1 / z
        if n == 0:
            return _total(math.expm1)(z) * r
        return (e * (1 - r) + r) * r if n == 1 else (e * (1 - 2 * r * (1 - r)) - 2 * r * r) * r

    return evaluate


NEAR, DISTANCE = 1e-100, 1e-46
"""What is nearer to 0 than NEAR has its slopes taken at DISTANCE, where need be; special.py has both for
single precision."""


APART = (1e-20, 1e-46, 1e-23, 1e-42)
"""Distances, in pairs, at which a slope is compared with itself."""


def _apart(x: float, k: float) -> float:
    """x, or what is so far from 0 on its side of it."""
    distance = APART[int(k) - 1]
    return x if not abs(x) < distance else -distance if x < 0 else distance


def _limit(here: float, first: float, second: float) -> float:
    """A slope, or where it is not finite what it is at two distances where these agree, or it falls to 0."""
    if math.isfinite(here) or not math.isfinite(second):
        return here
    agree = abs(first - second) <= 1e-6 * max(abs(first), abs(second))
    falls = abs(second) <= 1e-8 * abs(first) < math.inf and (second != 0 or abs(first) < 1e-100)
    return second if agree or falls else here


def _finite(x: float) -> float:
    return 0.0 if math.isinf(x) else x


def _looked_up(x: float, key: float, order: float) -> float:
    return TABLES[int(key)].value(x, int(order))


def _lgamma(x: float) -> float:
    """log |Γ(x)|, infinite at its poles 0, -1, -2, …"""
    return math.inf if x <= 0 and x == math.floor(x) else math.lgamma(x)


def _table() -> dict[str, Operation]:
    one, two = (1, 1), (2, 2)
    rows: list[tuple[str, tuple[int, int | None], str, Callable[..., float | bool]]] = [
        ("add", (2, None), "arithmetic", _add),
        ("mul", (2, None), "arithmetic", _mul),
        ("div", two, "arithmetic", _div),
        ("pow", two, "arithmetic", _pow),
        ("neg", one, "arithmetic", lambda a: -a),
        ("lt", two, "compare", lambda a, b: a < b),
        ("le", two, "compare", lambda a, b: a <= b),
        ("gt", two, "compare", lambda a, b: a > b),
        ("ge", two, "compare", lambda a, b: a >= b),
        ("eq", two, "compare", lambda a, b: a == b),
        ("ne", two, "compare", lambda a, b: a != b),
        ("and", (2, None), "logic", lambda *a: all(a)),
        ("or", (2, None), "logic", lambda *a: any(a)),
        ("not", one, "logic", lambda a: not a),
        ("true", (0, 0), "logic", lambda: True),
        ("false", (0, 0), "logic", lambda: False),
        ("select", (3, 3), "select", lambda c, a, b: a if c else b),
        ("sigmoid", one, "function", _sigmoid),
        ("softplus", one, "function", _softplus),
        ("relu", one, "function", lambda x: max(x, 0.0)),
        ("abs", one, "function", abs),
        ("sign", one, "function", _sign),
        ("atan2", two, "function", math.atan2),
        ("min", (2, None), "function", min),
        ("max", (2, None), "function", max),
        ("mod", two, "function", _mod),
        ("heaviside", (1, 2), "function", _heaviside),
        ("clip", (3, 3), "function", lambda x, low, high: min(max(x, low), high)),
        ("hill", (3, 3), "function", _hill),
        ("cot", one, "function", lambda x: _div(1.0, math.tan(x))),
        ("lgamma", one, "function", _lgamma),
        ("digamma", one, "function", digamma),
        ("trigamma", one, "function", trigamma),
        ("finite", one, "function", _finite),
        ("near", one, "compare", lambda x: abs(x) < NEAR),
        ("distance", one, "function", lambda x: DISTANCE),
        ("apart", two, "function", _apart),
        ("limit", (3, 3), "function", _limit),
        ("xlogy", two, "function", _xlogy),
        ("lookup", (3, 3), "function", _looked_up),
        ("exprel", one, "function", _exprel(0)),
        ("exprel1", one, "function", _exprel(1)),
        ("exprel2", one, "function", _exprel(2)),
        ("floor", one, "function", lambda x: float(math.floor(x)) if math.isfinite(x) else x),
        ("ceil", one, "function", lambda x: float(math.ceil(x)) if math.isfinite(x) else x),
    ]
    names = "exp expm1 log log1p log10 log2 sqrt erf gamma "
    names += "sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh"
    rows += [(name, one, "function", _total(getattr(math, name))) for name in names.split()]
    return {name: Operation(name, arity, kind, evaluate) for name, arity, kind, evaluate in rows}


OPERATIONS: Mapping[str, Operation] = _table()
"""Every operation by name. What is listed here must have a derivative rule and be known to each printer."""

ShapeRule = Callable[[Sequence[Shape], Static], Shape]


def rule_of(op: str) -> ShapeRule:
    """The rule of an operation's shape from its arguments' shapes and `static`; it raises ShapeError."""
    if op in ARRAY_OPERATIONS:
        return ARRAY_OPERATIONS[op].shape
    return OPERATIONS[op].shape if op in OPERATIONS else elementwise


INTERNAL = frozenset(
    "add mul div pow neg select true false digamma trigamma finite near distance apart limit "
    "xlogy lookup exprel exprel1 exprel2".split()
)
"""Operations that a user does not call by this name."""


def number(value: float, span: Span | None = None) -> Number:
    """A literal made by a pass: integers print without a point, the rest with 17 significant digits."""
    if value == int(value) if math.isfinite(value) else False:
        return Number(float(value), str(int(value)) if abs(value) < 1e15 else repr(float(value)), span)
    return Number(float(value), repr(float(value)), span)


def evaluate(expr: Expr, env: Mapping[str, Any]) -> Any:
    """The value of an expression for given symbols, with IEEE results for poles and overflows.

    A number, or an array of NumPy where arrays are among the symbols, or made. Raises KeyError for a symbol
    that `env` lacks.
    """
    if isinstance(expr, Number):
        return expr.value
    if isinstance(expr, Symbol):
        return env[expr.name]
    while expr.op == "select":
        condition = evaluate(expr.args[0], env)
        if not isinstance(condition, float | int):
            break
        expr = expr.args[1] if condition else expr.args[2]
        if not isinstance(expr, Op):
            return evaluate(expr, env)
    args = [evaluate(arg, env) for arg in expr.args]
    if expr.op in ARRAY_OPERATIONS:
        return ARRAY_OPERATIONS[expr.op].value(expr.static, *args)
    if any(not isinstance(arg, float | int) for arg in args):
        op = expr.op
        return by_element(lambda *scalars: _apply(op, scalars), *args)
    return _apply(expr.op, args)


def _apply(op: str, args: Sequence[float]) -> float | bool:
    try:
        return OPERATIONS[op].evaluate(*args)
    except OverflowError:
        return math.inf
    except ValueError:
        return math.nan


def symbols(expr: Expr) -> Iterator[Symbol]:
    """Every symbol in the expression, from left to right, repeats included."""
    stack: list[Expr] = [expr]
    while stack:
        node = stack.pop()
        if isinstance(node, Symbol):
            yield node
        elif isinstance(node, Op):
            stack.extend(reversed(node.args))


def operations(*exprs: Expr) -> set[str]:
    """The names of the operations that stand anywhere in the expressions."""
    stack, found = [*exprs], set[str]()
    while stack:
        node = stack.pop()
        if isinstance(node, Op):
            found.add(node.op)
            stack.extend(node.args)
    return found


def lookups(*exprs: Expr) -> list[Lookup]:
    """The tables that stand in the expressions, each once, in order of appearance."""
    stack, found = [*reversed(exprs)], dict[int, None]()
    while stack:
        node = stack.pop()
        if isinstance(node, Op):
            if node.op == "lookup" and isinstance(node.args[1], Number):
                found[int(node.args[1].value)] = None
            stack.extend(reversed(node.args))
    return [TABLES[key] for key in found]


def fold(expr: Expr, leaf: Callable[[Number | Symbol], T], combine: Callable[[Op, tuple[T, ...]], T]) -> T:
    """The value of an expression from the leaves up, arguments from left to right; depth costs no stack."""
    if not isinstance(expr, Op):
        return leaf(expr)
    frames: list[tuple[Op, list[T]]] = [(expr, [])]
    while True:
        node, done = frames[-1]
        while len(done) < len(node.args):
            arg = node.args[len(done)]
            if isinstance(arg, Op):
                frames.append((arg, []))
                break
            done.append(leaf(arg))
        else:
            frames.pop()
            value = combine(node, tuple(done))
            if not frames:
                return value
            frames[-1][1].append(value)


def substitute(expr: Expr, env: Mapping[str, Expr]) -> Expr:
    """The expression with symbols replaced."""

    def leaf(node: Number | Symbol) -> Expr:
        return env.get(node.name, node) if isinstance(node, Symbol) else node

    return fold(expr, leaf, lambda node, args: Op(node.op, args, node.span, node.shape, node.static))
