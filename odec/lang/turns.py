"""When the formulas of a model turn, where the time and inputs decide: at which instants, by its parameters.

A value that goes with the time is a set of branches, value = rate·t + offset + k·period for a whole number k,
with multiples of inputs that stay, or run in straight lines, between their samples. Sums, multiples and
conditionals of such values are such values; what jumps or bends turns where one of its branches crosses 0, or
with `floor` and `mod` a multiple of something. See docs/discontinuities.md.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NamedTuple

from odec.arrays import ARRAY_OPERATIONS
from odec.lang.arithmetic import (
    ONE,
    ZERO,
    add,
    equals,
    is_negative,
    negative,
    over,
    signed,
    times,
)
from odec.tree import OPERATIONS, Expr, Number, Op, number

MOST = 16
"""Branches of a value; beyond, its turns are not looked for."""

LONGEST = 1000
"""Operations and operands of a value, its intermediates written out; the same."""

STATE = "a state decides"
ARRAY = "an array stands in it"
INPUT = "an input that is cubic between its samples decides"
CURVED = "it is no straight line in the time"
BENT = "it is no straight line in the inputs"
PERIODS = "two different periods meet in it"
MANY = f"it has more than {MOST} branches"
LONG = f"it takes more than {LONGEST:,} operations"


class Weighed(NamedTuple):
    """A multiple of an input, which moves in straight lines, or else stays between samples."""

    name: str
    moves: bool
    by: Expr = ONE


@dataclass(frozen=True)
class Branch:
    """rate·t + offset + k·period + multiples of inputs; offset None: unknown numbers that stay between turns.

    As a turn: where it is, without k·period, a multiple of the period (0: is 0). inputs: in order of their
    names.
    """

    rate: Expr
    offset: Expr | None = ZERO
    period: Expr = ZERO
    inputs: tuple[Weighed, ...] = ()

    @property
    def moves(self) -> bool:
        """Whether it changes between turns."""
        return not equals(self.rate, 0) or any(item.moves for item in self.inputs)

    @property
    def stays(self) -> bool:
        """Whether inputs that stay between samples decide, and nothing else that moves."""
        return bool(self.inputs) and not self.moves

    @property
    def single(self) -> bool:
        """Whether it is one known number."""
        numbers = not self.moves and not self.inputs and self.offset is not None
        return numbers and equals(self.period, 0)


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


def input_course(name: str, kind: str, shape: tuple[int, ...] = ()) -> Course:
    """Of an input, by its kind: held ones change at samples alone, where steps end anyway."""
    if shape:
        return Course((STILL,)) if kind == "hold" else Course(why=ARRAY)
    if kind not in ("hold", "linear"):
        return Course(why=INPUT)
    return Course((Branch(ZERO, inputs=(Weighed(name, kind == "linear"),)),))


def course(op: str, args: tuple[Course, ...]) -> Course:
    """How the value of an operation goes, from how its arguments do.

    `turns` are those of the operation and of all that stands in its arguments.
    """
    blocked = next((arg.why for arg in args if arg.why), ARRAY if op in ARRAY_OPERATIONS else "")
    if blocked:
        return Course(why=blocked)
    if all(arg.fixed for arg in args):
        return constant(Op(op, tuple(arg.branches[0].offset or ZERO for arg in args)))
    found = _combined(op, args)
    if found.why and any(branch.stays for arg in args for branch in arg.branches):
        return _combined(op, tuple(map(_stilled, args)))
    return found


def _combined(op: str, args: tuple[Course, ...]) -> Course:
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


def _stilled(value: Course) -> Course:
    """The same with less known of the branches that held inputs decide."""
    return replace(value, branches=_distinct(STILL if b.stays else b for b in value.branches))


class _Unknown(Exception):
    """The turns of a value cannot be found; its text says why."""


_Found = tuple[Iterable[Branch], Iterable[Branch]]
"""Branches, and where the operation itself turns."""


def _rule(op: str) -> Callable[..., _Found]:
    found = _RULES.get(op)
    return _compared if OPERATIONS[op].kind == "compare" else found or _smooth


def _smooth(*args: Course) -> _Found:
    if any(arg.moves for arg in args):
        raise _curved(*(branch for arg in args for branch in arg.branches))
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
    wrapped = (b if b.offset is None else replace(b, period=_common(b.period, period)) for b in v.branches)
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
    """Where branches that move cross a multiple of the modulus, rising where that is known."""
    found = []
    for b in branches:
        if b.moves:
            turn = replace(b, period=_common(b.period, modulus))
            leading = b.inputs[0].by if equals(b.rate, 0) else b.rate
            found.append(_negative(turn) if is_negative(leading) else turn)
    return found


def _differences(a: Course, b: Course) -> list[Branch]:
    return [_sum((x, _negative(y))) for x in a.branches for y in b.branches]


def _sum(terms: tuple[Branch, ...]) -> Branch:
    total = terms[0]
    for term in terms[1:]:
        if total.offset is None or term.offset is None:
            if total.moves or term.moves:
                raise _curved(total, term)
            total = STILL
        else:
            period = _common(total.period, term.period)
            rate, offset = add(total.rate, term.rate), add(total.offset, term.offset)
            total = Branch(rate, offset, period, _gathered((*total.inputs, *term.inputs)))
    return total


def _gathered(terms: tuple[Weighed, ...]) -> tuple[Weighed, ...]:
    """Multiples of inputs, those of one input together."""
    found: dict[str, Weighed] = {}
    for item in terms:
        found[item.name] = item._replace(by=add(found[item.name].by, item.by)) if item.name in found else item
    return tuple(found[name] for name in sorted(found) if not equals(found[name].by, 0))


def _curved(*branches: Branch) -> _Unknown:
    """What is wrong with a value of such branches, which is no straight line."""
    return _Unknown(BENT if any(branch.inputs for branch in branches) else CURVED)


def _product(factors: tuple[Branch, ...]) -> Branch:
    product = factors[0]
    for factor in factors[1:]:
        if product.single and product.offset is not None:
            product = _scaled(factor, product.offset, times)
        elif factor.single:
            product = _scaled(product, factor.offset, times)
        elif product.moves or factor.moves:
            raise _curved(product, factor)
        else:
            product = STILL
    return product


def _scaled(branch: Branch, by: Expr | None, rule: Callable[[Expr, Expr], Expr]) -> Branch:
    if branch.offset is None or by is None:
        return STILL
    own = _gathered(tuple(item._replace(by=rule(item.by, by)) for item in branch.inputs))
    return Branch(rule(branch.rate, by), rule(branch.offset, by), rule(branch.period, by), own)


def _negative(branch: Branch) -> Branch:
    if branch.offset is None:
        return branch
    own = tuple(item._replace(by=negative(item.by)) for item in branch.inputs)
    return Branch(negative(branch.rate), negative(branch.offset), branch.period, own)


def _common(a: Expr, b: Expr | None) -> Expr:
    """A number whose multiples are those of both periods, and perhaps more. Raises _Unknown."""
    if b is None or equals(b, 0) or a == b:
        return a
    if equals(a, 0):
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
