"""Conditions on the time and on inputs alone, taken out of the right-hand side: steps land where they turn.

On which side of its turns a step lies, a condition reads from an input of its own, a time strictly within the
piece between two turns: `if t < T` asks whether asked_0 < T. What is smooth keeps the time itself: abs(t - T)
is t - T or its negative, as asked_0 - T is positive or not. `if u > L` asks whether asked_0_u > L, the value
of the linear input u at such a time. So no stage of a step looks across a switch, or takes a value that a
formula has at the switch alone. Where the turns are, odec/lang/turns.py finds.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from odec.lang.arithmetic import ZERO
from odec.lang.turns import ARRAY, STATE, TIME, TURNING, Branch, Course, constant, course, input_course
from odec.passes.edges import Edges, chosen, held
from odec.passes.lower import Definition, Lowered, needed
from odec.passes.program import Assign, Layout, Program
from odec.passes.walk import keep
from odec.tree import Expr, Number, Op, Symbol, evaluate, fold, substitute, symbols

Turns = frozenset[Branch]


@dataclass(frozen=True)
class Located:
    """The definitions of a right-hand side that asks, the names of what it asks, and where each turns.

    asked: of each condition on the time, by a name for each the time or the input that it stands for.
    """

    running: dict[str, Definition]
    asked: tuple[dict[str, str], ...] = ()
    turns: tuple[tuple[Branch, ...], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All that is asked."""
        return tuple(name for names in self.asked for name in names)


def locate(lowered: Lowered) -> Located:
    """The right-hand side of a model with its conditions on the time asked of inputs; as it is without."""
    if lowered.system.kind == "map":
        return Located(lowered.running)
    locator = _Locator(lowered)
    definitions = dict(lowered.running)
    for d in needed(definitions, lowered.rhs):
        definitions[d.name] = replace(d, expr=locator.define(d))
    if not locator.asked:
        return Located(lowered.running)
    left = needed(definitions, lowered.rhs)
    used = dict.fromkeys(s.name for d in left for s in symbols(d.expr))
    owners = {symbol.name: turns for turns, each in locator.asked.items() for symbol in each.values()}
    kept = dict.fromkeys(owners[name] for name in used if name in owners)
    names, asked = dict[str, Symbol](), []
    for k, turns in enumerate(kept):
        own = dict[str, str]()
        for source, symbol in locator.asked[turns].items():
            name = f"asked_{k}" if source == lowered.system.time else f"asked_{k}_{source}"
            names[symbol.name] = Symbol(lowered.names.fresh(name))
            own[names[symbol.name].name] = source
        asked.append(own)
    for d in left:
        definitions[d.name] = replace(d, expr=_renamed(d.expr, names))
    found = tuple(tuple(sorted(turns, key=locator.order.__getitem__)) for turns in kept)
    return Located(definitions, tuple(asked), found)


def _renamed(expr: Expr, names: dict[str, Symbol]) -> Expr:
    if not any(s.name in names for s in symbols(expr)):
        return expr
    return substitute(expr, names)


@dataclass(frozen=True)
class _Part:
    """An expression that asks; the same of t, inputs and constants alone, else None; how it goes."""

    expr: Expr
    plain: Expr | None
    course: Course
    edges: Edges


class _Locator:
    """Goes through definitions in order. asked: of each set of turns what it asks, by provisional names."""

    def __init__(self, lowered: Lowered):
        system = lowered.system
        self.asked: dict[Turns, dict[str, Symbol]] = {}
        self.order: dict[Branch, int] = {}
        self._time = system.time
        self._fixed = {*(p.name for p in system.params), *system.constants}
        self._arrays = {p.name for p in system.params if p.shape}
        self._constants = dict(system.constants)
        self._inputs = {i.name: input_course(i.name, i.kind) for i in system.inputs if not i.shape}
        self._known: dict[str, _Part] = {}
        self._positive = {p.name for p in system.params if p.interval.lower >= 0}
        self._env = {p.name: 1 + (k + 1) * 0.6180339887 % 1 for k, p in enumerate(system.params)}
        self._env |= system.constants

    def define(self, definition: Definition) -> Expr:
        """The definition's expression, asking."""
        part, symbol = fold(definition.expr, self._leaf, self._node), Symbol(definition.name)
        edges = part.edges.named(symbol)
        if part.course.fixed:
            anywhere = {self._time: 1.0, **dict.fromkeys(self._inputs, 1.0), **self._env}
            self._env[definition.name] = float(evaluate(part.expr, anywhere))
            if all(s.name in self._constants for s in symbols(definition.expr)):
                self._constants[definition.name] = self._env[definition.name]
            self._known[definition.name] = _Part(symbol, symbol, constant(symbol), edges)
        else:
            self._known[definition.name] = replace(part, expr=symbol, edges=edges)
        return part.expr

    def _leaf(self, leaf: Number | Symbol) -> _Part:
        if isinstance(leaf, Number):
            return _Part(leaf, leaf, constant(leaf), Edges(leaf, positive=leaf.value >= 0))
        edges = Edges(leaf, positive=leaf.name in self._positive)
        if leaf.name in self._arrays:
            return _Part(leaf, None, Course(why=ARRAY), edges)
        if leaf.name in self._fixed:
            return _Part(leaf, leaf, constant(leaf), edges)
        if leaf.name == self._time:
            return _Part(leaf, leaf, TIME, edges)
        if leaf.name in self._inputs:
            goes = self._inputs[leaf.name]
            return _Part(leaf, None if goes.why else leaf, goes, edges)
        return self._known.get(leaf.name) or _Part(leaf, None, Course(why=STATE), edges)

    def _node(self, node: Op, args: tuple[_Part, ...]) -> _Part:
        courses, edges = tuple(arg.course for arg in args), tuple(arg.edges for arg in args)
        goes = course(node.op, courses)
        whole = keep(node, tuple(arg.expr for arg in args))
        if node.op == "select" and args[0].plain is not None and courses[0].turns:
            whole = chosen(whole, args[0].plain, courses[0].turns, edges, self._env)
        expr, own = held(node, whole, edges, courses)
        plains = [arg.plain for arg in args if arg.plain is not None]
        if goes.why or len(plains) < len(args):
            return _Part(expr, None, goes, own)
        plain = keep(node, tuple(plains))
        if node.op in TURNING and goes.turns:
            expr = self._asking(node, args, plain, goes)
            own = replace(own, safe=expr)
        return _Part(expr, plain, goes, own)

    def _asking(self, node: Op, args: tuple[_Part, ...], plain: Expr, goes: Course) -> Expr:
        """What a condition comes to, with the time that it asks in place of t where it turns."""
        for turn in goes.turns:
            self.order.setdefault(turn, len(self.order))
        env = self.asked.setdefault(frozenset(goes.turns), self._what(goes.turns))
        if node.op not in _SMOOTH or not any(arg.course.moves for arg in args):
            return substitute(plain, env)
        asked = [substitute(arg.plain, env) for arg in args if arg.plain is not None]
        return _SMOOTH[node.op](node, [(arg.expr, at) for arg, at in zip(args, asked, strict=True)])

    def _what(self, turns: tuple[Branch, ...]) -> dict[str, Symbol]:
        """What a condition asks: the time and the inputs that run to its turns."""
        running = {item.name for turn in turns for item in turn.inputs if item.moves}
        time = not running or any(self._goes(turn.rate) for turn in turns)
        sources = [self._time] * time + [name for name in self._inputs if name in running]
        return {source: Symbol(f" {len(self.asked)} {source}") for source in sources}

    def _goes(self, rate: Expr) -> bool:
        """Whether a rate is not 0 whatever the parameters are."""
        known = all(s.name in self._constants for s in symbols(rate))
        return not known or evaluate(rate, self._constants) != 0


_Pair = tuple[Expr, Expr]
"""A value, and the same at the time that is asked."""


def _abs(node: Op, args: list[_Pair]) -> Expr:
    ((value, asked),) = args
    return Op("select", (Op("lt", (asked, ZERO)), Op("neg", (value,)), value), node.span)


def _mod(node: Op, args: list[_Pair]) -> Expr:
    (value, asked), (period, _) = args
    whole = Op("mul", (period, Op("floor", (Op("div", (asked, period)),))))
    return Op("add", (value, Op("neg", (whole,))), node.span)


def _larger(node: Op, args: list[_Pair]) -> Expr:
    return _folded("gt" if node.op == "max" else "lt", node, args)[0]


def _relu(node: Op, args: list[_Pair]) -> Expr:
    return _folded("gt", node, [*args, (ZERO, ZERO)])[0]


def _clip(node: Op, args: list[_Pair]) -> Expr:
    value, low, high = args
    return _folded("lt", node, [_folded("gt", node, [value, low]), high])[0]


def _folded(test: str, node: Op, args: Iterable[_Pair]) -> _Pair:
    """Of each two the one that passes the test, as of the time asked."""

    def chosen(a: _Pair, b: _Pair) -> _Pair:
        condition = Op(test, (a[1], b[1]))
        value, asked = (Op("select", (condition, x, y), node.span) for x, y in zip(a, b, strict=True))
        return value, asked

    *_, last = itertools.accumulate(args, chosen)
    return last


_SMOOTH: dict[str, Callable[[Op, list[_Pair]], Expr]] = {
    "abs": _abs,
    "mod": _mod,
    "min": _larger,
    "max": _larger,
    "relu": _relu,
    "clip": _clip,
}
"""Operations whose value moves between turns."""


def switches_of(lowered: Lowered, located: Located, inputs: dict[str, Layout]) -> Program:
    """Where each condition on the time may turn; a condition is an output group, named as what it asks first.

    results: of each turn "rate", "offset", "period", and of multiples of inputs their names behind "of ".
    """
    found, results = dict[str, list[Expr]](), dict[str, Layout]()
    for asked, turns in zip(located.asked, located.turns, strict=True):
        name = next(iter(asked))
        columns = [column for turn in turns for column in _columns(turn)]
        found[name] = [part for _, part in columns]
        results[name] = Layout.of((column, ()) for column, _ in columns)
    parts = [part for numbers in found.values() for part in numbers]
    again = dict.fromkeys(part for part in parts if isinstance(part, Op) and parts.count(part) > 1)
    names, shared = lowered.names.copy(), dict[Expr, Symbol]()
    body = [Assign(d.name, d.expr, d.span, d.doc) for d in needed(lowered.running, tuple(parts))]
    for part in again:
        shared[part] = Symbol(names.fresh(f"c{len(shared)}"))
        body.append(Assign(shared[part].name, part))
    outputs = {name: tuple(shared.get(part, part) for part in numbers) for name, numbers in found.items()}
    return Program("switches", {g: inputs[g] for g in inputs if g == "p"}, tuple(body), outputs, results)


def _columns(turn: Branch) -> list[tuple[str, Expr]]:
    """The numbers of a turn, by what they are."""
    own = [("rate", turn.rate), ("offset", turn.offset or ZERO), ("period", turn.period)]
    return own + [(f"of {item.name}", item.by) for item in turn.inputs]
