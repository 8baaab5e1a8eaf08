"""Guards: a branch not taken never poisons a value or a gradient.

Tensor code evaluates both sides of a select, and the product of a zero cotangent with the infinite slope of
the side not taken is NaN. So where a singular operation (a quotient, log, sqrt, …) is used under conditions
alone, its operand u becomes select(condition, u, safe). The condition is where the value is really used: for
each use the branches that it stands in, and for an intermediate the conditions of all its uses. Operations
that are used always stay as the user wrote them.

An intermediate that stands both in a condition and in the branch that it opens (`if r < 1 then r else 1`)
is needed always, but its gradient only there. Where it could be infinite it is computed twice: as it is for
the condition, and guarded, as `r_`, for the branch.

A condition is a disjunction of conjunctions of literals; where it would grow too large or go in a circle,
literals are left out, which keeps every value right and only guards less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from odec.arrays import ARRAY_OPERATIONS, Shape
from odec.passes.graph import Graph
from odec.passes.lower import Definition, Names, needed
from odec.passes.program import shape_of
from odec.passes.walk import contains, count_operations, keep, reaches
from odec.tree import Expr, Number, Op, Symbol, fold, number, symbols

Conjunction = frozenset[tuple[int, bool]]
Condition = frozenset[Conjunction]

ALWAYS: Condition = frozenset({frozenset()})
NEVER: Condition = frozenset()
MAX_CONJUNCTIONS = 8
MAX_LITERALS = 16
MAX_INLINE = 3

SAFE: Mapping[str, tuple[tuple[int, float], ...]] = {
    "div": ((1, 1),),
    "mod": ((1, 1),),
    "log": ((0, 1),),
    "log2": ((0, 1),),
    "log10": ((0, 1),),
    "log1p": ((0, 0),),
    "sqrt": ((0, 1),),
    "pow": ((0, 1),),
    "hill": ((0, 1), (1, 1)),
    "exp": ((0, 0),),
    "expm1": ((0, 0),),
    "exprel": ((0, 0),),
    "xlogy": ((1, 1),),
    "sinh": ((0, 0),),
    "cosh": ((0, 0),),
    "tan": ((0, 0),),
    "cot": ((0, 1),),
    "asin": ((0, 0),),
    "acos": ((0, 0),),
    "atan2": ((1, 1),),
    "acosh": ((0, 2),),
    "atanh": ((0, 0),),
    "gamma": ((0, 1),),
    "lgamma": ((0, 1),),
}
"""Operands that can make an operation or its slope infinite or NaN, and values that do not."""


def guard(
    definitions: Sequence[Definition],
    outputs: Sequence[Expr],
    names: Names,
    consts: Mapping[str, float],
    shapes: Mapping[str, Shape] | None = None,
) -> list[Definition]:
    """The definitions (ordered) with guards as operations `guard(condition, u, safe)`, ordered again.

    `guard_not(condition, u, safe)` is closed where the condition holds. shapes: of the names that are arrays.
    """
    if not any(contains(d.expr, "select") for d in definitions):
        return list(definitions)
    return _Guards(definitions, outputs, names, consts, shapes or {}).run()


def write_guards(expr: Expr) -> Expr:
    """The expression with its guards as plain selects."""

    def combine(node: Op, args: tuple[Expr, ...]) -> Expr:
        if node.op == "guard":
            return Op("select", args)
        if node.op == "guard_not":
            return Op("select", (args[0], args[2], args[1]))
        return keep(node, args)

    return fold(expr, lambda leaf: leaf, combine)


def simplify(condition: Condition) -> Condition:
    """An equivalent smaller condition; a weaker one where it is still too large."""
    kept = {c for c in condition if not any((k, not sign) in c for k, sign in c)}
    changed = True
    while changed:
        changed = False
        for one in sorted(kept, key=sorted):
            for other in sorted(kept, key=sorted):
                # A or (not A and B) is A or B.
                opposed = [(k, s) for k, s in other if (k, not s) in one]
                if len(opposed) == 1 and one - {(opposed[0][0], not opposed[0][1])} <= other:
                    kept.discard(other)
                    kept.add(other - {opposed[0]})
                    changed = True
                    break
            if changed:
                break
    result = frozenset(c for c in kept if not any(other < c for other in kept))
    if len(result) > MAX_CONJUNCTIONS or sum(map(len, result)) > MAX_LITERALS:
        return frozenset({nearest(frozenset.intersection(*result))})
    return result


def nearest(conjunction: Conjunction) -> Conjunction:
    """The innermost branches of a deep place: those of a table say where it is."""
    return conjunction if len(conjunction) <= MAX_LITERALS else frozenset(sorted(conjunction)[-MAX_LITERALS:])


def both(a: Condition, b: Condition) -> Condition:
    """Where both conditions hold."""
    if a == ALWAYS:
        return b
    return a if b == ALWAYS else simplify(frozenset(x | y for x in a for y in b))


class _Guards:
    def __init__(
        self,
        definitions: Sequence[Definition],
        outputs: Sequence[Expr],
        names: Names,
        consts: Mapping[str, float],
        shapes: Mapping[str, Shape],
    ):
        self._definitions = definitions
        self._names = names
        self._consts = consts
        self._shapes = shapes
        self._arrays: set[int] = set()
        self._conditions = Graph()
        self._literals: dict[int, Expr] = {}
        self._outputs = tuple(outputs)
        self._used: dict[str, Condition] = {d.name: NEVER for d in definitions}
        self._used.update((s.name, ALWAYS) for e in outputs for s in symbols(e))
        self._felt = dict(self._used)
        self._tested: set[str] = set()
        self._twins: dict[str, str] = {}
        self._rank = {d.name: k for k, d in enumerate(definitions)}
        self._needs = {d.name: [s.name for s in symbols(d.expr) if s.name in self._rank] for d in definitions}
        self._hoisted: dict[int, Definition] = {}
        self._reordered = False

    def run(self) -> list[Definition]:
        for d in reversed(self._definitions):
            self._note_uses(d)
            if d.name in self._tested:
                self._tested.update(self._needs[d.name])
        found: dict[str, Definition] = {}
        for d in self._definitions:
            before = set(self._hoisted)
            versions = [self._rewrite(d, self._used[d.name])]
            if self._needs_twin(d):
                versions.append(self._twin(d))
            new = [h for key, h in self._hoisted.items() if key not in before]
            found.update((h.name, h) for h in [*new, *versions])
        own = {h.name for h in self._hoisted.values()}
        found = {name: d if name in own else self._with_hoisted(d) for name, d in found.items()}
        return needed(found, self._outputs)

    def _note_uses(self, d: Definition) -> None:
        """Add the conditions under which a definition uses the others to theirs."""
        used: dict[str, set[Conjunction]] = {}
        felt: dict[str, set[Conjunction]] = {}
        for node, path, tested in self._positions(d.expr):
            path = self._of_all(path)
            if isinstance(node, Symbol) and node.name in self._rank:
                used.setdefault(node.name, set()).add(path)
                if tested:
                    self._tested.add(node.name)
                else:
                    felt.setdefault(node.name, set()).add(path)
        for conditions, paths in ((self._used, used), (self._felt, felt)):
            for name, found in paths.items():
                if conditions[name] != ALWAYS:
                    condition = both(conditions[d.name], simplify(frozenset(found)))
                    conditions[name] = simplify(conditions[name] | condition)

    def _needs_twin(self, d: Definition) -> bool:
        """Whether a condition needs its value where its gradient, if it passed, could be infinite.

        Conditions need originals, and originals that they need use no twins: so nothing goes in a circle.
        """
        felt = self._felt[d.name]
        if d.name not in self._tested or felt == NEVER or Symbol(d.name) in self._outputs:
            return False
        places = [node for node, _, tested in self._positions(d.expr) if not tested]
        if any(isinstance(node, Symbol) and node.name in self._twins for node in places):
            return True
        return felt != self._used[d.name] and any(isinstance(n, Op) and self._dangers(n) for n in places)

    def _twin(self, d: Definition) -> Definition:
        """The definition for where its gradient is needed."""
        name = self._twins[d.name] = self._names.fresh(f"{d.name}_")
        self._needs[name] = []
        return self._rewrite(replace(d, name=name), self._felt[d.name])

    def _positions(self, expr: Expr) -> list[tuple[Expr, Conjunction, bool]]:
        """Each place of the expression with the branches around it and whether it is part of a condition."""
        found: list[tuple[Expr, Conjunction, bool]] = []
        stack: list[tuple[Expr, Conjunction, bool]] = [(expr, frozenset(), False)]
        while stack:
            node, path, tested = place = stack.pop()
            found.append(place)
            if isinstance(node, Op):
                places = [(arg, *self._inside(node, k, path, tested)) for k, arg in enumerate(node.args)]
                stack.extend(reversed(places))
        return found

    def _inside(self, node: Op, k: int, path: Conjunction, tested: bool) -> tuple[Conjunction, bool]:
        """What `_positions` says of a node's argument."""
        if node.op in ARRAY_OPERATIONS:
            return self._of_all(path), tested
        if node.op != "select":
            return path, tested
        if k == 0:
            return path, True
        key = self._conditions.include(node.args[0], {})
        self._literals.setdefault(key, node.args[0])
        if self._shapes and shape_of(node.args[0], self._shapes):
            self._arrays.add(key)
        return nearest(path | {(key, k == 1)}), tested

    def _of_all(self, path: Conjunction) -> Conjunction:
        """The branches that an array as a whole stands in: not those of some of its elements."""
        return frozenset(x for x in path if x[0] not in self._arrays) if self._arrays else path

    def _rewrite(self, d: Definition, used: Condition) -> Definition:
        """The definition with its guards, for where it is used."""
        twins = {} if d.name in self._tested else self._twins
        if isinstance(d.expr, Symbol):
            return replace(d, expr=Symbol(twins.get(d.expr.name, d.expr.name), d.expr.span))
        if not isinstance(d.expr, Op):
            return d
        frames: list[tuple[Op, Conjunction, bool, list[Expr]]] = [(d.expr, frozenset(), False, [])]
        while True:
            node, path, tested, done = frames[-1]
            if len(done) < len(node.args):
                arg = node.args[len(done)]
                if isinstance(arg, Op):
                    frames.append((arg, *self._inside(node, len(done), path, tested), []))
                elif isinstance(arg, Symbol) and arg.name in twins and not inside(node, len(done), tested):
                    done.append(Symbol(twins[arg.name], arg.span))
                else:
                    done.append(arg)
                continue
            frames.pop()
            args = tuple(done) if tested else self._guarded(d, used, node, path, tuple(done))
            value = keep(node, args)
            if not frames:
                return replace(d, expr=value)
            frames[-1][3].append(value)

    def _guarded(
        self, d: Definition, used: Condition, node: Op, path: Conjunction, args: tuple[Expr, ...]
    ) -> tuple[Expr, ...]:
        dangers = self._dangers(node)
        if not dangers:
            return args
        condition = both(used, simplify(frozenset({path})))
        condition = self._without_circles(d, condition)
        if condition in (ALWAYS, NEVER):
            return args
        changed = list(args)
        for k, safe in dangers:
            changed[k] = self._guard(d, condition, args[k], safe)
        return tuple(changed)

    def _dangers(self, node: Op) -> list[tuple[int, float]]:
        if node.op == "pow":
            base, exponent = (self._constant(arg) for arg in node.args)
            if exponent is not None and exponent >= 0 and exponent == int(exponent):
                return []
            if base is not None:
                return [(1, 1)] if exponent is None else []
        return [(k, safe) for k, safe in SAFE.get(node.op, ()) if not self._harmless(node, k)]

    def _harmless(self, node: Op, k: int) -> bool:
        if isinstance(arg := node.args[k], Op) and arg.op == "exprel":
            return node.op == "div"
        value = self._constant(node.args[k])
        return value is not None and (value != 0 or node.op not in ("div", "mod"))

    def _constant(self, expr: Expr) -> float | None:
        if isinstance(expr, Op) and expr.op == "neg":
            value = self._constant(expr.args[0])
            return None if value is None else -value
        if isinstance(expr, Number):
            return expr.value
        return self._consts.get(expr.name) if isinstance(expr, Symbol) else None

    def _without_circles(self, d: Definition, condition: Condition) -> Condition:
        """The condition without the literals that need what is being defined."""
        keys = sorted({key for conjunction in condition for key, _ in conjunction})
        circular = {key for key in keys if self._is_circular(d.name, key)}
        if circular:
            condition = frozenset(frozenset(x for x in c if x[0] not in circular) for c in condition)
        return simplify(condition)

    def _is_circular(self, name: str, key: int) -> bool:
        needs = [s.name for s in symbols(self._literals[key]) if s.name in self._rank]
        if name not in self._rank:
            return False
        if not self._reordered and all(self._rank[n] < self._rank[name] for n in needs):
            return False
        return reaches(needs, name, self._needs)

    def _guard(self, d: Definition, condition: Condition, operand: Expr, safe: float) -> Expr:
        op, test = self._test(condition)
        for s in symbols(test):
            if s.name in self._needs and s.name not in self._needs[d.name]:
                self._needs[d.name].append(s.name)
                self._reordered = True
        return Op(op, (test, operand, number(safe)))

    def _literal(self, key: int) -> Expr:
        """The literal's expression, or the name that a long one is given."""
        expr = self._literals[key]
        if count_operations(expr) <= MAX_INLINE:
            return expr
        if key not in self._hoisted:
            name = self._names.fresh(f"c{len(self._hoisted)}")
            self._hoisted[key] = Definition(name, expr)
            self._needs[name] = [s.name for s in symbols(expr) if s.name in self._rank]
        return Symbol(self._hoisted[key].name)

    def _with_hoisted(self, d: Definition) -> Definition:
        """The definition with its own selects testing the names that long conditions were given."""
        if not self._hoisted:
            return d

        def combine(node: Op, args: tuple[Expr, ...]) -> Expr:
            if node.op == "select":
                key = self._conditions.include(node.args[0], {})
                if key in self._hoisted:
                    return Op("select", (Symbol(self._hoisted[key].name), *args[1:]), node.span)
            return keep(node, args)

        return replace(d, expr=fold(d.expr, lambda leaf: leaf, combine))

    def _test(self, condition: Condition) -> tuple[str, Expr]:
        """The guard's operation and the expression that it tests."""
        conjunctions = [sorted(c) for c in sorted(condition, key=sorted)]
        if len(conjunctions) == 1 and not any(sign for _, sign in conjunctions[0]):
            return "guard_not", _joined("or", [self._literal(key) for key, _ in conjunctions[0]])
        parts = []
        for conjunction in conjunctions:
            literals = [
                self._literal(key) if sign else Op("not", (self._literal(key),)) for key, sign in conjunction
            ]
            parts.append(_joined("and", literals))
        return "guard", _joined("or", parts)


def inside(node: Op, k: int, tested: bool) -> bool:
    """Whether a node's argument is part of a condition."""
    return tested or node.op == "select" and k == 0


def _joined(op: str, parts: list[Expr]) -> Expr:
    return parts[0] if len(parts) == 1 else Op(op, tuple(parts))
