"""A value-numbered graph of expressions: what is computed twice is one node.

A node is a number, a symbol, or an operation on earlier nodes, so ascending ids are a topological order.
What the user wrote enters through `include` as it stands (only signs are drawn out of products, so that
a term and its negative share a node); what the passes derive goes through the methods `add`, `mul`, …, which
drop zeros and ones, fold numbers where that is exact, and never rearrange (products.py does, in cotangents).
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from decimal import Decimal, InvalidOperation, localcontext

from odec.arrays import Shape, ShapeError, Static
from odec.tree import Expr, Number, Op, Symbol, fold, number, rule_of

LEAVES = ("number", "symbol")


class Graph:
    """Nodes by id: `ops[i]` with arguments `args[i]`, or a leaf `leaf[i]`, of the shape `shapes[i]`.

    static: what an operation of arrays does besides, by node; see `odec.arrays`.

    `named` holds the nodes that carry a name of the user's; no rewriting looks through those.
    nonzero: names of parameters that cannot be zero. consts: the values of constants. large: see overflow.py.
    fixed: names of parameters. declared: the shapes of symbols; what has none here is a scalar.
    beside, steep, poles: see beside.py. settled: see settle.py.
    """

    def __init__(
        self,
        nonzero: frozenset[str] = frozenset(),
        consts: dict[str, float] | None = None,
        declared: Mapping[str, Shape] | None = None,
    ):
        self.ops: list[str] = []
        self.shapes: list[Shape] = []
        self.declared = dict(declared or {})
        self.args: list[tuple[int, ...]] = []
        self.static: dict[int, Static] = {}
        self.leaf: list[Number | Symbol | None] = []
        self.named: dict[int, str] = {}
        self.nonzero = nonzero
        self.consts = consts or {}
        self.large: set[int] = set()
        self.fixed: frozenset[str] = frozenset()
        self.beside: dict[int, int] = {}
        self.steep: dict[int, tuple[int, int]] = {}
        self.poles: set[int] = set()
        self.settled: dict[int, list[tuple[int, int]]] = {}
        self._ids: dict[object, int] = {}
        self.zero = self.number(0)
        self.one = self.number(1)

    # Leaves and plain nodes

    def number(self, value: float) -> int:
        return self._leaf(number(value))

    def symbol(self, name: str, shape: Shape | None = None) -> int:
        """The node of a name; shape: that of a name of a pass's own, else the one declared."""
        if shape is not None and self.declared.setdefault(name, shape) != shape:
            raise ShapeError(self.declared[name], shape)
        return self._leaf(Symbol(name))

    def node(self, op: str, *args: int, static: Static = ()) -> int:
        """The node as it stands. Raises ShapeError where the arguments' shapes do not go together."""
        key = (op, args, static) if static else (op, args)
        found = self._ids.get(key)
        if found is None:
            found = self._ids[key] = self._append(op, args, None, static)
        return found

    def again(self, i: int, *args: int) -> int:
        """The operation of a node on other arguments."""
        return self.node(self.ops[i], *args, static=self.static.get(i, ()))

    def copy(self, i: int, args: tuple[int, ...]) -> int:
        """A node of its own with the operation of another."""
        return self._append(self.ops[i], args, None, self.static.get(i, ()))

    def include(self, expr: Expr, env: dict[str, int]) -> int:
        """The node of an expression; `env` gives the nodes of the names already defined.

        Raises ShapeError, with the place of the operation.
        """

        def leaf(node: Number | Symbol) -> int:
            if isinstance(node, Symbol) and node.name in env:
                return env[node.name]
            return self._leaf(node)

        def combine(node: Op, args: tuple[int, ...]) -> int:
            try:
                return self._include_op(node.op, args, node.static)
            except ShapeError as error:
                error.span = node.span
                raise

        return fold(expr, leaf, combine)

    def is_number(self, i: int) -> bool:
        return self.ops[i] == "number"

    def value(self, i: int) -> float | None:
        """The value of a number, a constant, or the negative of either; None for what can vary."""
        leaf = self.leaf[i]
        if isinstance(leaf, Number):
            return leaf.value
        if isinstance(leaf, Symbol):
            return self.consts.get(leaf.name)
        if self.ops[i] == "neg":
            inner = self.value(self.args[i][0])
            return None if inner is None else -inner
        return None

    def is_nonzero(self, i: int) -> bool:
        """Whether the node is known not to be zero."""
        leaf = self.leaf[i]
        if isinstance(leaf, Symbol) and leaf.name in self.nonzero:
            return True
        value = self.value(i)
        return value is not None and value != 0

    # Arithmetic with light cleanup

    def add(self, *args: int) -> int:
        """The sum; equal terms are counted, zeros dropped."""
        counts: dict[int, int] = {}
        for arg in args:
            if arg != self.zero:
                counts[arg] = counts.get(arg, 0) + 1
        terms = [self.mul(self.number(n), arg) if n > 1 else arg for arg, n in counts.items()]
        first = next((t for t in terms if not self._unsigned(t)[0]), None)
        if first is not None and first != terms[0]:
            terms = [first, *(t for t in terms if t != first)]
        if not terms:
            return self.zero
        if len(terms) == 2 and all(self.is_number(t) or self._is_negative_number(t) for t in terms):
            folded = self._exact(terms[0], terms[1], "add")
            if folded is not None:
                return folded
        return terms[0] if len(terms) == 1 else self.node("add", *terms)

    def sum_to(self, i: int, shape: Shape) -> int:
        """The node in the shape that was broadcast to its own: summed to a scalar, or as it stands.

        Raises ShapeError where it has another shape and that is no scalar's.
        """
        if self.shapes[i] == shape or i == self.zero:
            return i
        if shape:
            raise ShapeError(self.shapes[i], shape)
        return self.node("sum", i)

    def spread(self, i: int, shape: Shape) -> int:
        """The node in a shape: a scalar broadcast to it; 0, which is 0 of every shape, as it stands."""
        return i if self.shapes[i] == shape or i == self.zero else self.node("broadcast", i, static=shape)

    def gather(self, terms: Sequence[int], shared: Container[int], shape: Shape = ()) -> int:
        """The sum of the cotangents of a node of a shape, each summed to it.

        Terms with a factor in common among the `shared` nodes become one: w*(a - b).
        """
        terms = [self.sum_to(term, shape) for term in terms]
        groups: dict[int, list[int]] = {}
        for position, term in enumerate(terms):
            factor = next((f for f in self._factors(term) if f in shared), None)
            groups.setdefault(-1 - position if factor is None else factor, []).append(term)
        return self.add(
            *(
                self.mul(factor, self.add(*(self._without(term, factor) for term in group)))
                if len(group) > 1
                else group[0]
                for factor, group in groups.items()
            )
        )

    def sub(self, a: int, b: int) -> int:
        return self.add(a, self.neg(b))

    def mul(self, *args: int) -> int:
        """The product; zero if a factor is; ones are dropped, signs drawn out, numbers stand first."""
        negative = False
        numbers: list[int] = []
        factors: list[int] = []
        for arg in args:
            sign, arg = self._unsigned(arg)
            negative ^= sign
            if arg == self.zero:
                return self.zero
            if arg != self.one:
                (numbers if self.is_number(arg) else factors).append(arg)
        over = next((f for f in factors if self._is_reciprocal(f)), None)
        if over is not None and len(factors) > 1:
            factors.remove(over)
            quotient = self.div(self.mul(*numbers, *factors), self.args[over][1])
            return self.neg(quotient) if negative else quotient
        factors = self._fold_numbers(numbers) + factors
        product = self.one if not factors else factors[0] if len(factors) == 1 else self.node("mul", *factors)
        return self.neg(product) if negative else product

    def times(self, v: int, *factors: int) -> int:
        """v times the factors of a slope, large ones last: over what divides v, and 0 where infinite."""
        product = self.mul(v, *(f for f in factors if f not in self.large))
        for factor in factors:
            if factor in self.large and product != self.zero:
                finite = self._finite(factor)
                ratio = self._over_large(product, finite)
                product = self.mul(product, finite) if ratio is None else ratio
        return product

    def like(self, i: int, slope: int) -> int:
        """The slope, large where the node is."""
        if i in self.large and self.leaf[slope] is None:
            self.large.add(slope)
        return slope

    def div(self, a: int, b: int) -> int:
        sign_a, a = self._unsigned(a)
        sign_b, b = self._unsigned(b)
        if a == self.zero:
            return self.zero
        folded = self._exact(a, b, "div") if self.is_number(a) and self.is_number(b) else None
        quotient = a if b == self.one else self.node("div", a, b) if folded is None else folded
        return self.neg(quotient) if sign_a ^ sign_b else quotient

    def neg(self, a: int) -> int:
        if a == self.zero:
            return a
        sign, a = self._unsigned(a)
        return a if sign else self.node("neg", a)

    def pow(self, a: int, b: int) -> int:
        if b == self.zero:
            return self.one
        return a if b == self.one else self.node("pow", a, b)

    def select(self, condition: int, a: int, b: int) -> int:
        return a if a == b else self.node("select", condition, a, b)

    def unsigned(self, i: int) -> int:
        """What the node is the negative of, or else itself."""
        return self._unsigned(i)[1]

    # Internals

    def _leaf(self, leaf: Number | Symbol) -> int:
        if isinstance(leaf, Symbol):
            key: object = leaf.name
        else:
            if leaf.value < 0:
                text = leaf.text.removeprefix("-") if leaf.text.startswith("-") else repr(-leaf.value)
                return self.node("neg", self._leaf(Number(-leaf.value, text)))
            key = leaf.value.hex() if leaf.value == leaf.value else "nan"
            key = ("number", key)
        found = self._ids.get(key)
        if found is None:
            op = "symbol" if isinstance(leaf, Symbol) else "number"
            found = self._ids[key] = self._append(op, (), leaf)
        return found

    def _append(
        self, op: str, args: tuple[int, ...], leaf: Number | Symbol | None, static: Static = ()
    ) -> int:
        self.shapes.append(self._shape(op, args, leaf, static))
        if static:
            self.static[len(self.ops)] = static
        self.ops.append(op)
        self.args.append(args)
        self.leaf.append(leaf)
        return len(self.ops) - 1

    def _shape(self, op: str, args: tuple[int, ...], leaf: Number | Symbol | None, static: Static) -> Shape:
        if leaf is not None:
            return self.declared.get(leaf.name, ()) if isinstance(leaf, Symbol) else ()
        return rule_of(op)([self.shapes[arg] for arg in args], static)

    def _include_op(self, op: str, args: tuple[int, ...], static: Static = ()) -> int:
        if op == "mean":
            total = self.node("sum", *args, static=static)
            count = math.prod(self.shapes[args[0]]) // math.prod(self.shapes[total])
            return self.div(total, self.number(count))
        if op == "hill":
            x, k, n = args
            power = self.node("pow", x, n)
            return self.node("div", power, self.node("add", self.node("pow", k, n), power))
        if op == "clip":
            return self.node("min", self.node("max", args[0], args[1]), args[2])
        if op in ("min", "max"):
            folded = args[0]
            for arg in args[1:]:
                folded = self.node(op, folded, arg)
            return folded
        if op == "neg" or op in ("mul", "div") and any(self._unsigned(arg)[0] for arg in args):
            signs = [self._unsigned(arg) for arg in args]
            if op == "neg" and not signs[0][0]:
                return self.node("neg", args[0])
            core = tuple(arg for _, arg in signs)
            inner = core[0] if op == "neg" else self.node(op, *core)
            odd = sum(sign for sign, _ in signs) % 2 == 1
            return self.node("neg", inner) if odd and op != "neg" else inner
        return self.node(op, *args, static=static)

    def _unsigned(self, i: int) -> tuple[bool, int]:
        if self.ops[i] == "neg" and i not in self.named:
            return True, self.args[i][0]
        return False, i

    def _factors(self, i: int, depth: int = 8) -> list[int]:
        """The factors of an unnamed product, or of the numerator of an unnamed quotient, without signs."""
        i = self._unsigned(i)[1]
        if i in self.named or self.ops[i] not in ("mul", "div"):
            return [i]
        if depth == 0:
            return []
        above = self.args[i] if self.ops[i] == "mul" else self.args[i][:1]
        return [factor for arg in above for factor in self._factors(arg, depth - 1)]

    def _without(self, i: int, factor: int) -> int:
        """The term divided by one of its factors."""
        negative, core = self._unsigned(i)
        if core == factor:
            rest = self.one
        else:
            args = list(self.args[core])
            above = range(len(args) if self.ops[core] == "mul" else 1)
            k = next(k for k in above if factor in self._factors(args[k]))
            args[k] = self._without(args[k], factor)
            rest = self.mul(*args) if self.ops[core] == "mul" else self.div(*args)
        return self.neg(rest) if negative else rest

    def _finite(self, i: int) -> int:
        part = self.args[i][1] if self.ops[i] == "select" else i
        return i if self.ops[part] == "finite" else self.like(i, self.node("finite", i))

    def _over_large(self, i: int, factor: int, depth: int = 8) -> int | None:
        """i times a factor, written with factor/b where i is something over a large b; else None."""
        negative, i = self._unsigned(i)
        ratio = None
        args = self.args[i]
        if self.ops[i] == "div":
            if args[1] in self.large:
                ratio = self.mul(args[0], self.div(factor, args[1]))
            elif depth > 0:
                above = self._over_large(args[0], factor, depth - 1)
                ratio = None if above is None else self.div(above, args[1])
        elif self.ops[i] == "mul" and depth > 0:
            for k, arg in enumerate(args):
                part = self._over_large(arg, factor, depth - 1)
                if part is not None:
                    ratio = self.mul(*args[:k], part, *args[k + 1 :])
                    break
        return self.neg(ratio) if negative and ratio is not None else ratio

    def _is_negative_number(self, i: int) -> bool:
        return self.ops[i] == "neg" and self.is_number(self.args[i][0])

    def _is_reciprocal(self, i: int) -> bool:
        """Whether the node is 1 over a number or a symbol, and has no name."""
        if self.ops[i] != "div" or i in self.named:
            return False
        above, below = self.args[i]
        return above == self.one and self.leaf[below] is not None

    def _fold_numbers(self, numbers: list[int]) -> list[int]:
        while len(numbers) > 1:
            folded = self._exact(numbers[0], numbers[1], "mul")
            if folded is None:
                return numbers
            numbers = [folded, *numbers[2:]]
        return [n for n in numbers if n != self.one]

    def _exact(self, a: int, b: int, op: str) -> int | None:
        """Sum, product or quotient of two literals where it is exact as a decimal of at most 16 digits."""
        try:
            x, y = self._decimal(a), self._decimal(b)
        except InvalidOperation:
            return None
        if op == "div" and y == 0:
            return None
        with localcontext() as context:
            context.prec = 60
            result = x + y if op == "add" else x * y if op == "mul" else x / y
        digits = result.normalize().as_tuple().digits
        if not result.is_finite() or len(digits) > 16 or not -300 < result.adjusted() < 300:
            return None
        if result == result.to_integral_value() and abs(result) < 10**15:
            return self.number(int(result))
        return self._leaf(Number(float(result), f"{result.normalize()}".lower()))

    def _decimal(self, i: int) -> Decimal:
        if self.ops[i] == "neg":
            return -self._decimal(self.args[i][0])
        leaf = self.leaf[i]
        assert isinstance(leaf, Number)
        return Decimal(leaf.text.replace("_", ""))
