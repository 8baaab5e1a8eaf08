"""Lowering: functions inlined, constant conditions decided, everything a model defines as named expressions.

Equations become of first order. What a model defines falls in two worlds. While it runs, a state's name means
its current value, and the intermediates, observables and derivatives are defined over it. Where it starts, a
state's name means its initial value, which is itself defined by an `init`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from odec.diagnostics import Diagnostic, ModelError, Span
from odec.passes.conditions import decide
from odec.passes.limits import with_limits
from odec.passes.parts import cut
from odec.passes.program import Layout
from odec.passes.walk import keep, topological
from odec.system import Function, Initial, System, at_time, derivative_name
from odec.tree import MAX_DEPTH, Expr, Op, Symbol, fold, substitute, symbols

MAX_NODES = 200_000


@dataclass(frozen=True)
class Definition:
    """name = expr, as the user wrote it (with span and doc) or as a pass made it (without)."""

    name: str
    expr: Expr
    span: Span | None = None
    doc: str = ""


class Names:
    """Names already in use; new ones are made by appending `_` until they are free."""

    def __init__(self, taken: set[str]):
        self._taken = set(taken)

    def fresh(self, base: str) -> str:
        while base in self._taken:
            base += "_"
        self._taken.add(base)
        return base

    def copy(self) -> Names:
        return Names(self._taken)


@dataclass(frozen=True)
class Lowered:
    """A first-order model: states, what is defined while running and at the start, and what comes out.

    hidden: the last of the states: earlier values of a map, which are shifted each step.
    rhs, initial: one expression per state; observe: one per observable. Each is a symbol of `running` (or
    `starting`), of a state, or of a parameter.
    """

    system: System
    states: Layout
    running: dict[str, Definition]
    starting: dict[str, Definition]
    rhs: tuple[Expr, ...]
    initial: tuple[Expr, ...]
    observe: tuple[Expr, ...]
    names: Names = field(compare=False)
    hidden: Layout = Layout()


def lower(system: System) -> Lowered:
    """The System as first-order named expressions, calls to its own functions inlined.

    Raises ModelError where inlining makes a formula of unreasonable size.
    """
    orders = [(e, k) for e in system.equations for k in range(e.order)]
    shown = Layout.of((derivative_name(e.state, k), e.shape) for e, k in orders)
    names = Names(_model_names(system, shown.names))
    following = {e.state: names.fresh(f"{e.state}_next") for e in system.equations if system.kind == "map"}
    past = _past(system, names)
    shapes = {e.state: e.shape for e in system.equations}
    hidden = [(name, shapes[state]) for (state, _), name in past.items()]
    layout = Layout.of([*((value.name, value.shape) for value in shown), *hidden])
    states = layout.names
    others = {at_time(state, 1, system.time): Symbol(name) for state, name in following.items()}
    others |= {at_time(state, -k, system.time): Symbol(name) for (state, k), name in past.items()}
    inline = _Inliner(system, others)
    shared: dict[str, Definition] = {}
    for c in system.consts:
        if c.shape:
            _define(shared, names, Definition(c.name, inline(c.expr, c.span), c.span, c.doc))
    for d in system.intermediates:
        _define(shared, names, Definition(d.name, inline(d.expr, d.span), d.span, d.doc))
    running, starting = dict(shared), dict(shared)
    rhs = _add_equations(system, inline, names, following, running)
    rhs += tuple(Symbol(past.get((state, k - 1), state)) for state, k in past)
    observe = _add_observables(system, inline, names, running, states)
    for initial in system.initials:
        name = _of_initial(initial, past)
        if not name:  # a history that no formula reaches
            continue
        expr = inline(initial.expr, initial.span)
        _define(starting, names, Definition(name, expr, initial.span, initial.doc))
    first = tuple(Symbol(s) for s in states)
    return Lowered(system, layout, running, starting, rhs, first, observe, names, Layout.of(hidden))


def _past(system: System, names: Names) -> dict[tuple[str, int], str]:
    """The names of earlier values, by the state and how many steps ago."""
    delays = system.delays.items()
    return {(state, k): names.fresh(f"{state}_{k}_ago") for state, most in delays for k in range(1, most + 1)}


def _of_initial(initial: Initial, past: Mapping[tuple[str, int], str]) -> str:
    """The name of the first-order state that an initial value is of; "" where no formula needs it."""
    if initial.order < 0:
        return past.get((initial.state, -initial.order), "")
    return derivative_name(initial.state, initial.order)


def needed(definitions: dict[str, Definition], outputs: tuple[Expr, ...]) -> list[Definition]:
    """The definitions that the outputs need: each after what it uses, otherwise in source order."""
    rank = {name: k for k, name in enumerate(definitions)}

    def uses(name: str) -> list[str]:
        found = {s.name for s in symbols(definitions[name].expr) if s.name in definitions}
        return sorted(found, key=rank.__getitem__)

    roots = [s.name for e in outputs for s in symbols(e) if s.name in definitions]
    wanted = set(topological(roots, uses))
    return [definitions[name] for name in topological((n for n in definitions if n in wanted), uses)]


def _define(definitions: dict[str, Definition], names: Names, d: Definition) -> None:
    """Add a definition, in parts where it is too large for one."""
    count = itertools.count(1)
    expr, parts = cut(d.expr, lambda: names.fresh(f"{d.name}_{next(count)}"))
    for name, part in parts:
        definitions[name] = Definition(name, part, d.span)
    definitions[d.name] = replace(d, expr=expr)


def _model_names(system: System, states: tuple[str, ...]) -> set[str]:
    parts = (system.params, system.consts, system.intermediates, system.inputs, system.observables)
    return {system.time, *states, *(item.name for part in parts for item in part)}


def _add_equations(
    system: System, inline: _Inliner, names: Names, following: dict[str, str], running: dict[str, Definition]
) -> tuple[Expr, ...]:
    outputs: list[Expr] = []
    for equation in system.equations:
        outputs += [Symbol(derivative_name(equation.state, k)) for k in range(1, equation.order)]
        name = following.get(equation.state) or names.fresh(derivative_name(equation.state, equation.order))
        expr = inline(equation.expr, equation.span)
        _define(running, names, Definition(name, expr, equation.span, equation.doc))
        outputs.append(Symbol(name))
    return tuple(outputs)


def _add_observables(
    system: System,
    inline: _Inliner,
    names: Names,
    running: dict[str, Definition],
    states: tuple[str, ...],
) -> tuple[Expr, ...]:
    outputs: list[Expr] = []
    for obs in system.observables:
        expr = inline(obs.expr, obs.span)
        if isinstance(expr, Symbol) and expr.name == obs.name:
            outputs.append(Symbol(obs.name))
            continue
        name = names.fresh(obs.name) if obs.name in running or obs.name in states else obs.name
        _define(running, names, Definition(name, expr, obs.span, obs.doc))
        outputs.append(Symbol(name))
    return tuple(outputs)


class _Inliner:
    """Replaces calls of a model's functions by their bodies, with a limit on what comes out.

    Then decides the conditions that are constant, and writes what has a limit by functions with that value.
    spelled: what names of other times stand for.
    """

    def __init__(self, system: System, spelled: Mapping[str, Expr]):
        self._system, self._spelled = system, spelled
        self._consts = system.constants
        self._functions: dict[str, Function] = {}
        self._bodies: dict[str, tuple[Expr, int, int]] = {}
        by_name = {f.name: f for f in system.functions}
        for name in topological(by_name, lambda n: _calls(by_name[n].body)):
            function = by_name[name]
            self._functions[name] = function
            self._bodies[name] = self._measure(function.body, function.span)

    def __call__(self, expr: Expr, span: Span) -> Expr:
        plain = self._measure(expr, span)[0] if self._functions else expr
        plain = substitute(plain, self._spelled) if self._spelled else plain
        return with_limits(decide(plain, self._consts))

    def _measure(self, expr: Expr, span: Span) -> tuple[Expr, int, int]:
        """The expression without calls, its nodes and its depth."""

        def combine(node: Op, args: tuple[tuple[Expr, int, int], ...]) -> tuple[Expr, int, int]:
            if node.op.startswith("call:"):
                return self._call(node, args, span)
            size = 1 + sum(nodes for _, nodes, _ in args)
            depth = 1 + max((depth for _, _, depth in args), default=0)
            return keep(node, tuple(arg for arg, _, _ in args)), size, depth

        return fold(expr, lambda leaf: (leaf, 1, 1), combine)

    def _call(self, node: Op, args: tuple[tuple[Expr, int, int], ...], span: Span) -> tuple[Expr, int, int]:
        function = self._functions[node.op.removeprefix("call:")]
        body, nodes, depth = self._bodies[function.name]
        given = dict(zip(function.args, args, strict=True))
        nodes += sum(given[s.name][1] for s in symbols(body) if s.name in given)
        depth += max((arg_depth for _, _, arg_depth in args), default=0)
        if nodes > MAX_NODES or depth > MAX_DEPTH:
            raise ModelError([self._too_large(function, node.span or span)])
        return substitute(body, {name: arg for name, (arg, _, _) in given.items()}), nodes, depth

    def _too_large(self, function: Function, span: Span) -> Diagnostic:
        note = "name the parts as intermediates: NAME = EXPR is computed once and used by its name"
        most = f"more than {MAX_NODES:,} operations, or {MAX_DEPTH:,} inside one another"
        message = f"the call of '{function.name}' expands to a formula that is too large"
        return Diagnostic("E509", message, self._system.source, span, most, (note,))


def _calls(body: Expr) -> list[str]:
    found: list[str] = []
    stack: list[Expr] = [body]
    while stack:
        node = stack.pop()
        if isinstance(node, Op):
            if node.op.startswith("call:"):
                found.append(node.op.removeprefix("call:"))
            stack.extend(reversed(node.args))
    return found
