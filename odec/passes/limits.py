"""Formulas that are 0/0, 0*inf or inf/inf where they have a limit, by functions that have it as value.

exprel(z) = (exp(z) - 1)/z, which is 1 at 0: in (exp(z) - 1)/u and u/(exp(z) - 1), where z is a multiple of u.
xlogy(u, w) = u*log(w), which is 0 at u = 0: where w is a multiple of a power of u. And softplus, sigmoid and
tanh for quotients and logarithms of exponentials. Elsewhere the values are those of the formula, without its
loss of digits near the point.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from odec.passes.walk import count_operations, keep
from odec.tree import Expr, Number, Op, Symbol, fold, number

_MOST_FACTORS = 40
_MOST_OPERATIONS = 60
_LOGS = {"log": None, "log2": 2, "log10": 10}
_ONE = Fraction(1)


def with_limits(expr: Expr) -> Expr:
    """The expression with such parts rewritten; all others are the same nodes."""

    def combine(node: Op, args: tuple[Expr, ...]) -> Expr:
        node = new if isinstance(new := keep(node, args), Op) else node
        if node.op == "log":
            return _softplus(node)
        if node.op in ("mul", "div"):
            return _product(node)
        return node

    return fold(expr, lambda leaf: leaf, combine)


@dataclass
class _Product:
    """scale * above / below, powers of whole numbers written out."""

    scale: Fraction = _ONE
    above: list[Expr] = field(default_factory=list)
    below: list[Expr] = field(default_factory=list)


def _factored(expr: Expr) -> _Product | None:
    """The factors of a product or quotient; None where they are too many."""
    found = _Product()
    stack = [(expr, True)]
    while stack:
        node, up = stack.pop()
        value = _exact(node)
        side = found.above if up else found.below
        if value:
            found.scale *= value if up else 1 / value
        elif isinstance(node, Op) and node.op == "neg":
            found.scale = -found.scale
            stack.append((node.args[0], up))
        elif isinstance(node, Op) and node.op == "mul":
            stack.extend((arg, up) for arg in reversed(node.args))
        elif isinstance(node, Op) and node.op == "div":
            stack.extend(((node.args[1], not up), (node.args[0], up)))
        elif isinstance(node, Op) and node.op == "pow" and _exact(node.args[1]) in (2, 3, 4):
            side.extend([node.args[0]] * int(_exact(node.args[1]) or 1))
        else:
            side.append(node)
        if len(found.above) + len(found.below) > _MOST_FACTORS:
            return None
    return found


def _exact(expr: Expr) -> Fraction | None:
    """The value of a literal as it was typed."""
    if isinstance(expr, Op) and expr.op == "neg":
        value = _exact(expr.args[0])
        return None if value is None else -value
    if not isinstance(expr, Number):
        return None
    try:
        value = Fraction(Decimal(expr.text.replace("_", "")))
    except (InvalidOperation, ValueError, OverflowError):
        return None
    return value if value == 0 or 1e-300 < abs(value) < 1e300 else None


def _written(p: _Product) -> Expr:
    """The product as an expression."""
    scale = abs(p.scale)
    above, below = _gathered(p.above), _gathered(p.below)
    if 10**12 % scale.denominator and max(scale.numerator, scale.denominator) < 10**6:  # no decimal
        below.insert(0, number(float(scale.denominator)))
        scale = Fraction(scale.numerator)
    if scale != 1 or not above:
        above.insert(0, number(float(scale)))
    value = above[0] if len(above) == 1 else Op("mul", tuple(above))
    for divisor in below:
        value = Op("div", (value, divisor))
    return Op("neg", (value,)) if p.scale < 0 else value


def _gathered(factors: Sequence[Expr]) -> list[Expr]:
    """Each factor once, as a power where it stands several times."""
    counts = Counter(factors)
    return [f if n == 1 else Op("pow", (f, number(n))) for f, n in counts.items()]


def _softplus(node: Op) -> Expr:
    """log(1 + exp(z)) as softplus(z)."""
    terms = _terms(node.args[0])
    if terms is not None and len(terms) == 2 and (1, None) in terms:
        ((sign, z),) = [term for term in terms if term != (1, None)]
        if sign == 1 and z is not None:
            return Op("softplus", (z,), node.span)
    return node


def _product(node: Op) -> Expr:
    factors = _factored(node) if _may_have_a_limit(node) else None
    if factors is None:
        return node
    for rewrite in (_by_exprel, _by_ratio, _by_xlogy):
        found = rewrite(factors)
        if found is not None:
            written = _written(found)
            return Op(written.op, written.args, node.span) if isinstance(written, Op) else written
    return node


def _may_have_a_limit(node: Op) -> bool:
    """Whether a logarithm, or a sum of an exponential, is among the outermost factors."""
    stack: list[Expr] = [node]
    seen = 0
    while stack and seen < 2 * _MOST_FACTORS:
        expr = stack.pop()
        seen += 1
        if not isinstance(expr, Op):
            continue
        if expr.op in _LOGS or expr.op == "expm1":
            return True
        if expr.op == "add" and len(expr.args) == 2 and _terms(expr) is not None:
            return True
        if expr.op in ("mul", "div", "neg"):
            stack.extend(expr.args)
    return False


def _terms(expr: Expr) -> list[tuple[int, Expr | None]] | None:
    """The two terms of ±1 ± exp(z) or ±exp(y) ± exp(z), each with its sign, and None for 1; else None."""
    if isinstance(expr, Op) and expr.op == "expm1":
        return [(1, expr.args[0]), (-1, None)]
    if not isinstance(expr, Op) or expr.op != "add" or len(expr.args) != 2:
        return None
    found: list[tuple[int, Expr | None]] = []
    for arg in expr.args:
        sign, core = (-1, arg.args[0]) if isinstance(arg, Op) and arg.op == "neg" else (1, arg)
        value = _exact(core)
        if value is not None and abs(value) == 1:
            found.append((sign * int(value), None))
        elif isinstance(core, Op) and core.op == "exp":
            found.append((sign, core.args[0]))
        else:
            return None
    return None if all(z is None for _, z in found) else found


def _minus_one(expr: Expr) -> tuple[int, Expr] | None:
    """s and z where the expression is s*(exp(z) - 1)."""
    terms = _terms(expr)
    if terms is None:
        return None
    for one, other in (terms, terms[::-1]):
        if one[1] is not None and other[1] is None and one[0] == -other[0]:
            return one[0], one[1]
    return None


def _by_exprel(p: _Product) -> _Product | None:
    """With exp(z) - 1 as z*exprel(z) where factors of z cancel."""
    for side, other in ((p.below, p.above), (p.above, p.below)):
        for k, factor in enumerate(side):
            found = _minus_one(factor)
            z = _factored(found[1]) if found else None
            if found is None or z is None:
                continue
            cancelled = _cancelled(other, found[1], z)
            if cancelled is None:
                continue
            rest, z, ratio = cancelled
            exprel = Op("exprel", (found[1],))
            own = [*side[:k], *z.above, exprel, *side[k + 1 :]]
            if side is p.below:
                return _Product(found[0] * p.scale * ratio / z.scale, [*rest, *z.below], own)
            return _Product(found[0] * p.scale * z.scale / ratio, own, [*rest, *z.below])
    return None


def _by_xlogy(p: _Product) -> _Product | None:
    """With u**n*log(w) as xlogy(u**n, w) where u is a factor or divisor of w."""
    for factor in p.above:
        if not isinstance(factor, Op) or factor.op not in _LOGS:
            continue
        w = _factored(factor.args[0])
        inside = [] if w is None else [*w.above, *w.below]
        power = next((f for f in p.above if _base(f) in inside), None)
        if power is None or p.above.count(factor) > 1:
            continue
        (u,) = _gathered([f for f in p.above if f == power])
        above = [f for f in p.above if f not in (power, factor)]
        base = _LOGS[factor.op]
        divisor = [Op("log", (number(base),))] if base else []
        return _Product(p.scale, [*above, Op("xlogy", (u, *factor.args))], [*p.below, *divisor])
    return None


def _base(expr: Expr) -> Expr:
    return expr.args[0] if isinstance(expr, Op) and expr.op in ("pow", "sqrt") else expr


def _cancelled(
    factors: Sequence[Expr], whole: Expr, parts: _Product
) -> tuple[list[Expr], _Product, Fraction] | None:
    """The factors and parts left where factors are multiples of parts, and the product of the multiples."""
    for k, factor in enumerate(factors):
        ratio = _multiple(factor, whole)
        if ratio is not None:
            return [*factors[:k], *factors[k + 1 :]], _Product(), ratio
    rest, left, product = list(factors), _Product(parts.scale, [], parts.below), _ONE
    for part in parts.above:
        for k, factor in enumerate(rest):
            ratio = _multiple(factor, part)
            if ratio is not None:
                del rest[k]
                product *= ratio
                break
        else:
            left.above.append(part)
    return None if len(rest) == len(factors) else (rest, left, product)


def _multiple(a: Expr, b: Expr) -> Fraction | None:
    """The number r where a is r*b for certain."""
    if a == b:
        return _ONE
    if isinstance(a, Symbol) and isinstance(b, Symbol) or count_operations(a) > _MOST_OPERATIONS:
        return None
    if count_operations(b) > _MOST_OPERATIONS:
        return None
    left, right = _linear(a), _linear(b)
    if left is None or right is None or left.keys() != right.keys() or not left:
        return None
    ratios = {left[key] / right[key] for key in left}
    return ratios.pop() if len(ratios) == 1 else None


_Form = dict[object, Fraction]


def _linear(expr: Expr) -> _Form | None:
    """The sum as multiples of products without numbers."""
    form: _Form = {}
    stack: list[tuple[Expr, Fraction]] = [(expr, _ONE)]
    while stack:
        node, scale = stack.pop()
        if isinstance(node, Op) and node.op == "add":
            stack.extend((arg, scale) for arg in node.args)
            continue
        factors = _factored(node)
        if factors is None:
            return None
        only = factors.above[0] if len(factors.above) == 1 and not factors.below else None
        if isinstance(only, Op) and only.op == "add":
            stack.append((only, scale * factors.scale))
            continue
        key = (frozenset(Counter(factors.above).items()), frozenset(Counter(factors.below).items()))
        form[key] = form.get(key, Fraction(0)) + scale * factors.scale
    return {key: value for key, value in form.items() if value}


def _by_ratio(p: _Product) -> _Product | None:
    """exp(z)/(1 + exp(z)) as sigmoid(z), and quotients of exponentials that are a tanh."""
    for j, below in enumerate(p.below):
        under = _terms(below)
        if under is None or any(sign != 1 for sign, _ in under):
            continue
        for k, above in enumerate(p.above):
            new = _ratio(above, under)
            if new is not None:
                sign, value = new
                return _Product(
                    sign * p.scale,
                    [*p.above[:k], value, *p.above[k + 1 :]],
                    [*p.below[:j], *p.below[j + 1 :]],
                )
    return None


def _ratio(above: Expr, under: list[tuple[int, Expr | None]]) -> tuple[int, Expr] | None:
    exponents = [z for _, z in under]
    if isinstance(above, Op) and above.op == "exp":
        z = above.args[0]
        return (1, Op("sigmoid", (z,))) if None in exponents and z in exponents else None
    over = _terms(above)
    if over is None or over[0][0] != -over[1][0]:
        return None
    signs = {z: sign for sign, z in over}
    if set(signs) != set(exponents) or len(signs) != 2:
        return None
    if None in signs:
        (z,) = (z for z in signs if z is not None)
        half = _factored(z)
        if half is None:
            return None
        half.scale /= 2
        return signs[z], Op("tanh", (_written(half),))
    first, second = (z for z in signs if z is not None)
    if _multiple(first, second) != -1:
        return None
    positive = second if isinstance(first, Op) and first.op == "neg" else first
    return signs[positive], Op("tanh", (positive,))
