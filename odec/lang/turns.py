"""When the formulas of a model turn, where the time alone decides: at which instants, as formulas of params.

A value that goes with the time is a set of branches, value = rate·t + offset + k·period for a whole number k.
Sums, multiples and conditionals of such values are such values; what jumps or bends turns where one of its
branches crosses 0, or with `floor` and `mod` a multiple of something. See docs/discontinuities.md.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

from odec.arrays import ARRAY_OPERATIONS
from odec.tree import OPERATIONS, Expr, Number, Op, number

MOST = 16
"""Branches of a value; beyond, its turns are not looked for."""

LONGEST = 1000
"""Operations and operands of a value, its intermediates written out; the same."""

STATE = "a state decides"
ARRAY = "an array stands in it"
INPUT = "an input decides"
CURVED = "it is no straight line in the time"
PERIODS = "two different periods meet in it"
MANY = f"it has more than {MOST} branches"
LONG = f"it takes more than {LONGEST:,} operations"

ZERO, ONE = number(0), number(1)


@dataclass(frozen=True)
class Branch:
    """rate·t + offset + k·period; offset None: unknown numbers that stay between turns (rate 0).

    As a turn: where rate·t + offset is a multiple of the period (0: is 0).
    """

    rate: Expr
    offset: Expr | None = ZERO
    period: Expr = ZERO

    @property
    def moves(self) -> bool:
        """Whether it changes between turns."""
        return not _is(self.rate, 0)

    @property
    def single(self) -> bool:
        """Whether it is one known number."""
        return not self.moves and self.offset is not None and _is(self.period, 0)


STILL = Branch(ZERO, None)
"""A number that stays between turns, and is not known."""


@dataclass(frozen=True)
class Course:
    """How a value goes with the time: its branches, where it turns; why that is not known, if it is not.

    size: how many operations and operands it has, its intermediates written out.
    """

    branches: tuple[Branch, ...] = ()
    turns: tuple[Branch, ...] = ()
    why: str = ""
    size: int = 1

    @property
    def fixed(self) -> bool:
        """Whether it is one number at all times."""
        return len(self.branches) == 1 and self.branches[0].single and not self.turns

    @property
    def moves(self) -> bool:
        """Whether it changes between turns."""
        return any(b.moves for b in self.branches)


TIME = Course((Branch(ONE),))

TURNING = frozenset("lt le gt ge floor ceil sign heaviside mod abs min max relu clip".split())
"""Operations that jump or bend."""


def constant(expr: Expr) -> Course:
    """Of a value made of numbers, parameters and constants."""
    return Course((Branch(ZERO, expr),))


def course(op: str, args: tuple[Course, ...]) -> Course:
    """How the value of an operation goes, from how its arguments do.

    `turns` are those of the operation and of all that stands in its arguments.
    """
    blocked = next((arg.why for arg in args if arg.why), ARRAY if op in ARRAY_OPERATIONS else "")
    if blocked:
        return Course(why=blocked)
    if all(arg.fixed for arg in args):
        return constant(Op(op, tuple(arg.branches[0].offset or ZERO for arg in args)))
    size = 1 + sum(arg.size for arg in args)
    inside = tuple(turn for arg in args for turn in arg.turns)
    try:
        found, own = _rule(op)(*args)
        branches, turns = _distinct(found), _distinct((*inside, *own))
    except _Unknown as unknown:
        return Course(why=str(unknown))
    if len(branches) > MOST or size > LONGEST:
        return Course(why=LONG if size > LONGEST else MANY)
    return Course(branches, turns, size=size)


class _Unknown(Exception):
    """The turns of a value cannot be found; its text says why."""


_Found = tuple[Iterable[Branch], Iterable[Branch]]
"""Branches, and where the operation itself turns."""


def _rule(op: str) -> Callable[..., _Found]:
    found = _RULES.get(op)
    return _compared if OPERATIONS[op].kind == "compare" else found or _smooth


def _smooth(*args: Course) -> _Found:
    if any(arg.moves for arg in args):
        raise _Unknown(CURVED)
    return (STILL,), ()


def _logic(*args: Course) -> _Found:
    return (STILL,), ()


def _compared(a: Course, b: Course) -> _Found:
    return (STILL,), _crossings(_differences(a, b))


def _equal(a: Course, b: Course) -> _Found:
    return (STILL,), ()


def _add(*args: Course) -> _Found:
    combinations = itertools.product(*(arg.branches for arg in args))
    return (_sum(terms) for terms in _few(combinations, args)), ()


def _neg(a: Course) -> _Found:
    return map(_negative, a.branches), ()


def _mul(*args: Course) -> _Found:
    combinations = itertools.product(*(arg.branches for arg in args))
    return (_product(factors) for factors in _few(combinations, args)), ()


def _div(a: Course, b: Course) -> _Found:
    if not all(branch.single for branch in b.branches):
        return _smooth(a, b)
    return (_scaled(x, y.offset, over) for x in a.branches for y in b.branches), ()


def _select(condition: Course, yes: Course, no: Course) -> _Found:
    return (*yes.branches, *no.branches), ()


def _floor(v: Course) -> _Found:
    return (Branch(ZERO, ZERO, ONE),), _crossings(v.branches, ONE)


def _sign(v: Course) -> _Found:
    return (Branch(ZERO, signed(-1)), Branch(ZERO, ONE)), _crossings(v.branches)


def _heaviside(v: Course, half: Course | None = None) -> _Found:
    return (Branch(ZERO), Branch(ZERO, ONE)), _crossings(v.branches)


def _mod(v: Course, m: Course) -> _Found:
    if not m.fixed:
        raise _Unknown("the period of 'mod' is not one number")
    period = m.branches[0].offset
    wrapped = (
        b if b.offset is None else Branch(b.rate, b.offset, _common(b.period, period)) for b in v.branches
    )
    return wrapped, _crossings(v.branches, period)


def _abs(v: Course) -> _Found:
    return (*v.branches, *map(_negative, v.branches)), _crossings(v.branches)


def _extremum(*args: Course) -> _Found:
    pairs = itertools.combinations(args, 2)
    turns = [turn for a, b in pairs for turn in _crossings(_differences(a, b))]
    return (branch for arg in args for branch in arg.branches), turns


def _relu(v: Course) -> _Found:
    return _extremum(v, constant(ZERO))


def _clip(v: Course, low: Course, high: Course) -> _Found:
    return _extremum(v, low, high)


_RULES: dict[str, Callable[..., _Found]] = {
    "add": _add,
    "neg": _neg,
    "mul": _mul,
    "div": _div,
    "eq": _equal,
    "ne": _equal,
    "and": _logic,
    "or": _logic,
    "not": _logic,
    "select": _select,
    "floor": _floor,
    "ceil": _floor,
    "sign": _sign,
    "heaviside": _heaviside,
    "mod": _mod,
    "abs": _abs,
    "min": _extremum,
    "max": _extremum,
    "relu": _relu,
    "clip": _clip,
}


def zeros(value: Course) -> tuple[Branch, ...]:
    """Where a value that moves crosses 0."""
    return tuple(_crossings(value.branches))


def _crossings(branches: Iterable[Branch], modulus: Expr | None = ZERO) -> list[Branch]:
    """Where branches that move cross a multiple of the modulus, their rates positive where that is known."""
    found = []
    for b in branches:
        if b.moves:
            turn = Branch(b.rate, b.offset, _common(b.period, modulus))
            found.append(_negative(turn) if _is_negative(b.rate) else turn)
    return found


def _differences(a: Course, b: Course) -> list[Branch]:
    return [_sum((x, _negative(y))) for x in a.branches for y in b.branches]


def _sum(terms: tuple[Branch, ...]) -> Branch:
    total = terms[0]
    for term in terms[1:]:
        if total.offset is None or term.offset is None:
            if total.moves or term.moves:
                raise _Unknown(CURVED)
            total = STILL
        else:
            period = _common(total.period, term.period)
            total = Branch(add(total.rate, term.rate), add(total.offset, term.offset), period)
    return total


def _product(factors: tuple[Branch, ...]) -> Branch:
    product = factors[0]
    for factor in factors[1:]:
        if product.single and product.offset is not None:
            product = _scaled(factor, product.offset, times)
        elif factor.single:
            product = _scaled(product, factor.offset, times)
        elif product.moves or factor.moves:
            raise _Unknown(CURVED)
        else:
            product = STILL
    return product


def _scaled(branch: Branch, by: Expr | None, rule: Callable[[Expr, Expr], Expr]) -> Branch:
    if branch.offset is None or by is None:
        return STILL
    return Branch(rule(branch.rate, by), rule(branch.offset, by), rule(branch.period, by))


def _negative(branch: Branch) -> Branch:
    if branch.offset is None:
        return branch
    return Branch(negative(branch.rate), negative(branch.offset), branch.period)


def _common(a: Expr, b: Expr | None) -> Expr:
    """A number whose multiples are those of both periods, and perhaps more. Raises _Unknown."""
    if b is None or _is(b, 0) or a == b:
        return a
    if _is(a, 0):
        return b
    x, y = _ratio(a), _ratio(b)
    if x is None or y is None:
        raise _Unknown(PERIODS)
    above = math.gcd(x.numerator * y.denominator, y.numerator * x.denominator)
    whole = Fraction(above, x.denominator * y.denominator)
    return over(number(whole.numerator), number(whole.denominator))


def _ratio(expr: Expr) -> Fraction | None:
    """A positive number, or the quotient of two, exactly."""
    if isinstance(expr, Number):
        return Fraction(expr.text.replace("_", "")) if 0 < expr.value < math.inf else None
    if isinstance(expr, Op) and expr.op == "div":
        above, below = map(_ratio, expr.args)
        return above / below if above and below else None
    return None


def _few(found: Iterable[tuple[Branch, ...]], args: tuple[Course, ...]) -> Iterable[tuple[Branch, ...]]:
    if math.prod(len(arg.branches) for arg in args) > MOST**2:
        raise _Unknown(MANY)
    return found


def _distinct(branches: Iterable[Branch]) -> tuple[Branch, ...]:
    return tuple(dict.fromkeys(branches))


def _is(expr: Expr, value: float) -> bool:
    return isinstance(expr, Number) and expr.value == value


def _is_negative(expr: Expr) -> bool:
    return isinstance(expr, Op) and expr.op == "neg"


def negative(a: Expr) -> Expr:
    """-a, in its shortest form."""
    if _is(a, 0):
        return a
    if isinstance(a, Op) and a.op == "neg":
        return a.args[0]
    if isinstance(a, Op) and a.op == "add":
        return add(*map(negative, a.args))
    return Op("neg", (a,))


def add(*terms: Expr) -> Expr:
    """The sum, numbers taken together."""
    flat = [
        t for term in terms for t in (term.args if isinstance(term, Op) and term.op == "add" else (term,))
    ]
    known = [value for t in flat if (value := _value(t)) is not None]
    total, rest = signed(math.fsum(known)), list[Expr]()
    for term in flat:
        if negative(term) in rest:
            rest.remove(negative(term))
        elif _value(term) is None:
            rest.append(term)
    parts = rest if rest and _is(total, 0) else [*rest, total]
    return parts[0] if len(parts) == 1 else Op("add", tuple(parts))


def times(a: Expr, b: Expr) -> Expr:
    """The product; numbers are multiplied, signs drawn out."""
    x, y = _value(a), _value(b)
    if x is not None and y is not None:
        return signed(x * y)
    if x == 0 or y == 0:
        return ZERO
    if _is(a, 1) or _is(b, 1):
        return b if _is(a, 1) else a
    if _is_negative(a) or _is_negative(b):
        return negative(times(negative(a), b) if _is_negative(a) else times(a, negative(b)))
    return Op("mul", (a, b))


def over(a: Expr, b: Expr) -> Expr:
    """The quotient; signs are drawn out."""
    if _is(a, 0) or _is(b, 1):
        return a
    if _is_negative(a) or _is_negative(b):
        return negative(over(negative(a), b) if _is_negative(a) else over(a, negative(b)))
    return Op("div", (a, b))


def signed(value: float) -> Expr:
    """A number as the parser writes it, a negative one as the negative of a literal."""
    return number(value) if value >= 0 else Op("neg", (number(-value),))


def _value(expr: Expr) -> float | None:
    if isinstance(expr, Number):
        return expr.value
    if _is_negative(expr) and isinstance(expr, Op):
        inner = _value(expr.args[0])
        return None if inner is None else -inner
    return None
