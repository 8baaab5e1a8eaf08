"""Which formula of a model has a value, or a derivative by a parameter, that is not finite at a point."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from odec.lang import expression_text
from odec.lang.constants import apply
from odec.passes.accumulate import ancestors, forward
from odec.passes.beside import beside
from odec.passes.graph import Graph
from odec.passes.guards import guard
from odec.passes.lower import Definition, Lowered, lower, needed
from odec.passes.overflow import large
from odec.passes.settle import settle
from odec.system import System, derivative_name
from odec.tree import Expr, Number, Op, Symbol, evaluate, fold


@dataclass(frozen=True)
class NotFinite:
    """The first formula that is not finite.

    name: what it defines; line: where it stands in the model's text. value: infinite or NaN; of the formula,
    or where `param` names a parameter, of its derivative by that. part: the operation in it that is the first
    not to be finite, as text, for a value.
    """

    name: str
    line: int
    value: float
    param: str = ""
    part: str = ""
    source: str = ""

    def __str__(self) -> str:
        what = f"the derivative of '{self.name}' by {self.param}" if self.param else f"'{self.name}'"
        shown = "not a number" if math.isnan(self.value) else "infinite"
        because = f", since {self.part} is" if self.part else ""
        return f"{what} is {shown}{because} ({self.source}:{self.line})"


def first_not_finite(
    system: System, point: Mapping[str, float], params: Sequence[str] = (), *, start: bool = False
) -> NotFinite | None:
    """The first formula that is not finite at a point, by its value or else by its derivative.

    point: values of the time, the first-order states, parameters and inputs. params: by which derivatives are
    looked at, in that order, states held fixed; names of states are taken too. The formulas are those of the
    right-hand side and the observables, or of the initial values where `start` holds. None where all are
    finite. Raises KeyError for a name that the point lacks.
    """
    lowered = lower(system)
    env = system.constants | {name: float(value) for name, value in point.items()}
    outputs = lowered.initial if start else (*lowered.rhs, *lowered.observe)
    world = lowered.starting if start else lowered.running
    ordered = needed(world, outputs)
    for d in ordered:
        env[d.name] = value = float(evaluate(d.expr, env))
        if not math.isfinite(value):
            return _found(system, d, value, part=_culprit(d.expr, env))
    for param in params:
        for d, value in _slopes(lowered, ordered, outputs, env, param):
            if not math.isfinite(value):
                return _found(system, d, value, param=param)
    return None


def told_at_start(system: System, given: Mapping[str, float], states: Mapping[str, float]) -> str:
    """The first formula that is not finite where a run starts, as a line of its report; else empty.

    given: the time and the parameters; states: their first values.
    """
    found = first_not_finite(system, given, start=True) or first_not_finite(system, {**given, **states})
    if found is None:
        return ""
    quotient = math.isnan(found.value) and "/" in found.part
    limit = "; where 0/0 has a limit, give it, as in `if x == 0 then 1 else sin(x)/x`" if quotient else ""
    return f"\n{found}{limit}"


def _found(system: System, d: Definition, value: float, param: str = "", part: str = "") -> NotFinite:
    line = system.source.position(d.span.start)[0] if d.span is not None else 0
    name, part = _as_written(system, d, part)
    return NotFinite(name, line, value, param, part, system.source.name)


def _as_written(system: System, d: Definition, part: str) -> tuple[str, str]:
    """`dx_dt` as `dx/dt`, by the time's own name; `dx_dt_3`, a piece of a long formula, likewise."""
    for e in system.equations if system.kind != "map" else ():
        piece = re.compile(rf"\b{derivative_name(e.state, e.order)}(_\d+)?\b")
        if d.span == e.span and piece.fullmatch(d.name):
            order = str(e.order) if e.order > 1 else ""
            return f"d{order}{e.state}/d{system.time}{order}", piece.sub("…", part)
    return d.name, part


def _culprit(expr: Expr, env: Mapping[str, float]) -> str:
    """The first operation that is not finite though what it is of is."""
    found: list[Op] = []

    def leaf(node: Number | Symbol) -> float:
        return node.value if isinstance(node, Number) else env[node.name]

    def combine(node: Op, args: tuple[float | bool, ...]) -> float | bool:
        if node.op == "select":
            return args[1] if args[0] else args[2]
        value = apply(node.op, list(args))
        if not math.isfinite(value) and all(map(math.isfinite, args)):
            found.append(node)
        return value

    fold(expr, leaf, combine)
    text = expression_text(found[0]) if found else ""
    return text if len(text) <= 60 else text[:59] + "…"


def _slopes(
    lowered: Lowered,
    ordered: Sequence[Definition],
    outputs: tuple[Expr, ...],
    env: Mapping[str, float],
    param: str,
) -> list[tuple[Definition, float]]:
    """∂/∂param of each definition of the user's, by the rules that the generated code follows."""
    system = lowered.system
    consts = system.constants
    graph = Graph(frozenset(p.name for p in system.params if 0.0 not in p.interval), consts)
    nodes: dict[str, int] = {}
    guarded = guard(ordered, outputs, lowered.names.copy(), consts)
    for d in guarded:
        nodes[d.name] = i = graph.include(d.expr, nodes)
        if d.span is not None:
            graph.named.setdefault(i, d.name)
    graph.fixed = frozenset(p.name for p in system.params)
    copies, events = beside(graph, ancestors(graph, nodes.values()))
    graph.named = {copies.get(i, i): name for i, name in graph.named.items()}
    seeds = {graph.symbol(param): graph.one}
    found = [d for d in guarded if d.span is not None]
    ends = [copies.get(nodes[d.name], nodes[d.name]) for d in found]
    graph.large = large(graph, ancestors(graph, ends, differentiated=True))
    settle(graph, ends, events)
    tangents = forward(graph, ends, seeds)
    values = _values(graph, ancestors(graph, tangents), env)
    return [(d, values[i]) for d, i in zip(found, tangents, strict=True)]


def _values(graph: Graph, nodes: Sequence[int], env: Mapping[str, float]) -> dict[int, float]:
    """The value of each node (ascending)."""
    values: dict[int, float] = {}
    for i in nodes:
        leaf, op = graph.leaf[i], graph.ops[i]
        if leaf is not None:
            values[i] = leaf.value if isinstance(leaf, Number) else env[leaf.name]
            continue
        args = [values[arg] for arg in graph.args[i]]
        if op in ("select", "guard", "guard_not"):
            values[i] = args[2] if bool(args[0]) == (op == "guard_not") else args[1]
        else:
            values[i] = apply(op, list(args))
    return values
