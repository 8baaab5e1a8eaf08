"""From the graph to a Program: which nodes get a name, in which order, and what is written inline.

A node gets a name where the user gave it one, where it is an output, where it is used more than once, and
where an expression would grow beyond `MAX_OPERATIONS`. A long sum or product is cut from left to right (c1 is
the beginning, c2 = c1 + …), so that cutting does not change what is computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from odec.arrays import Static
from odec.diagnostics import Span
from odec.passes.accumulate import ancestors
from odec.passes.graph import LEAVES, Graph
from odec.passes.lower import Names
from odec.passes.program import Assign, Layout, Program
from odec.passes.walk import operation_cost, topological
from odec.tree import Expr, Number, Op, Symbol

MAX_OPERATIONS = 12

Outputs = Mapping[str, tuple[Layout, Sequence[int]]]
"""Groups of outputs: their wanted names and places, and their nodes."""


@dataclass(frozen=True)
class UserName:
    """A definition of the user's that a node holds the value of."""

    name: str
    span: Span | None
    doc: str


@dataclass
class _Plan:
    graph: Graph
    user: Mapping[int, UserName]
    nodes: list[int]
    wanted: dict[int, str]
    named: set[int] = field(default_factory=set)
    cuts: dict[int, list[tuple[int, ...]]] = field(default_factory=dict)


def emit(
    graph: Graph,
    name: str,
    inputs: dict[str, Layout],
    outputs: Outputs,
    user: Mapping[int, UserName],
    names: Names,
) -> Program:
    """The Program that computes the outputs, without dead code.

    user: the user's names of nodes, in source order. names: what is taken already.
    """
    named = {group: list(zip(layout.names, found, strict=True)) for group, (layout, found) in outputs.items()}
    pairs = [pair for group in named.values() for pair in group]
    nodes = ancestors(graph, [i for _, i in pairs])
    wanted: dict[int, str] = {}
    for base, i in pairs:
        if graph.ops[i] not in LEAVES and i not in user:
            wanted.setdefault(i, base)
    plan = _Plan(graph, user, nodes, wanted)
    _choose(plan)
    needed = set(nodes)
    roots = [i for i in user if i in needed] + list(wanted)
    order = topological(roots, lambda i: _named_parts(plan, i))
    names = names.copy()
    exprs, body = _write(plan, order, _symbols(plan, order, names))
    result: dict[str, tuple[Expr, ...]] = {}
    for group, found in named.items():
        result[group] = tuple(_output(plan, base, i, exprs, body, names) for base, i in found)
    return Program(
        name, inputs, tuple(body), result, {group: layout for group, (layout, _) in outputs.items()}
    )


def _output(plan: _Plan, base: str, i: int, exprs: dict[int, Expr], body: list[Assign], names: Names) -> Expr:
    """The output's expression; a value that stands for two outputs is given both names."""
    if plan.wanted.get(i, base) == base:
        return exprs[i]
    alias = names.fresh(base)
    body.append(Assign(alias, exprs[i]))
    return Symbol(alias)


def _choose(plan: _Plan) -> None:
    """Decide which nodes are named, and where long expressions are cut."""
    graph = plan.graph
    uses = dict.fromkeys(plan.nodes, 0)
    for i in reversed(plan.nodes):
        # A sign is written wherever it is used: what it negates is shared in its place.
        inline = graph.ops[i] == "neg" and i not in plan.wanted and i not in plan.user
        weight = max(uses[i], 1) if inline else 1
        for arg in graph.args[i]:
            uses[arg] += weight
    size: dict[int, int] = {}
    for i in plan.nodes:
        op = graph.ops[i]
        if op in LEAVES:
            size[i] = 0
            continue
        forced = i in plan.user or i in plan.wanted
        size[i] = _cut(plan, i, size, keep=i in plan.user)
        if forced or uses[i] > 1 and op not in ("neg", "true", "false"):
            plan.named.add(i)


def _cut(plan: _Plan, i: int, size: dict[int, int], keep: bool) -> int:
    """Operations of the node as written, once what makes it too long has got a name."""
    graph, args = plan.graph, plan.graph.args[i]
    parts = [0 if arg in plan.named else size[arg] for arg in args]
    total = sum(parts) + operation_cost(graph.ops[i], len(args))
    if keep or total <= MAX_OPERATIONS:
        return total
    if graph.ops[i] in ("add", "mul") and len(args) > 2:
        segments: list[tuple[int, ...]] = []
        segment: list[int] = []
        length = 0
        for arg, part in zip(args, parts, strict=True):
            if segment and length + part + 1 > MAX_OPERATIONS:
                segments.append(tuple(segment))
                segment, length = [], 0
            segment.append(arg)
            length += part + 1
        plan.cuts[i] = [*segments, tuple(segment)]
        return length
    for part, arg in sorted(zip(parts, args, strict=True), key=lambda pair: -pair[0]):
        if total > MAX_OPERATIONS and part > 1:
            inner = arg
            while graph.ops[inner] == "neg":
                inner = graph.args[inner][0]
            plan.named.add(inner)
            total -= part
    return total


def _named_parts(plan: _Plan, i: int) -> list[int]:
    """The named nodes that the node's expression uses, from left to right."""
    graph = plan.graph
    found: dict[int, None] = {}
    stack = list(reversed(graph.args[i]))
    while stack:
        node = stack.pop()
        if node in plan.named:
            found[node] = None
        else:
            stack.extend(reversed(graph.args[node]))
    return list(found)


def _symbols(plan: _Plan, order: Sequence[int], names: Names) -> dict[int, list[str]]:
    """The names of each named node: those of its cut pieces, then its own."""
    own = {i: names.fresh(plan.wanted[i]) for i in plan.wanted}
    own.update((i, plan.user[i].name) for i in order if i in plan.user)
    pieces: dict[int, int] = dict.fromkeys(order, 0)
    for i in order:
        pieces[i] = sum(len(plan.cuts[k]) - 1 for k in _inline_nodes(plan, i) if k in plan.cuts)
    symbols: dict[int, list[str]] = {}
    count = 0
    for i in order:
        temporaries = []
        for _ in range(pieces[i] + (i not in own)):
            temporaries.append(names.fresh(f"c{count}"))
            count += 1
        symbols[i] = temporaries if i not in own else [*temporaries, own[i]]
    return symbols


def _inline_nodes(plan: _Plan, i: int) -> list[int]:
    """The node and those written inside its expression, each after its arguments, from left to right."""

    def parts(node: int) -> list[int]:
        return [arg for arg in plan.graph.args[node] if arg not in plan.named]

    return topological([i], parts)


def _write(
    plan: _Plan, order: Sequence[int], symbols: dict[int, list[str]]
) -> tuple[dict[int, Expr], list[Assign]]:
    graph = plan.graph
    exprs: dict[int, Expr] = {}
    for i in plan.nodes:
        leaf = graph.leaf[i]
        if leaf is not None:
            exprs[i] = leaf
    body: list[Assign] = []
    for i in order:
        pending = list(symbols[i])
        for k in _inline_nodes(plan, i):
            if k not in exprs:
                exprs[k] = _write_node(plan, k, exprs, pending, body)
        user = plan.user.get(i)
        span, doc = (user.span, user.doc) if user is not None else (None, "")
        body.append(Assign(pending[0], exprs[i], span, doc))
        exprs[i] = Symbol(pending[0])
    return exprs, body


def _write_node(plan: _Plan, i: int, exprs: dict[int, Expr], pending: list[str], body: list[Assign]) -> Expr:
    op = plan.graph.ops[i]
    if i not in plan.cuts:
        static = plan.graph.static.get(i, ())
        return _operation(op, tuple(exprs[arg] for arg in plan.graph.args[i]), i in plan.user, static)
    begun: tuple[Expr, ...] = ()
    *pieces, last = plan.cuts[i]
    for piece in pieces:
        args = (*begun, *(exprs[arg] for arg in piece))
        name = pending.pop(0)
        body.append(Assign(name, _operation(op, args, False) if len(args) > 1 else args[0]))
        begun = (Symbol(name),)
    return _operation(op, (*begun, *(exprs[arg] for arg in last)), False)


def _operation(op: str, args: tuple[Expr, ...], by_user: bool, static: Static = ()) -> Expr:
    if op == "guard":
        return Op("select", args)
    if op == "guard_not":
        return Op("select", (args[0], args[2], args[1]))
    if op in ("add", "mul"):
        nested = args[:1] if by_user else args
        args = tuple(part for arg in nested for part in _spliced(op, arg)) + args[len(nested) :]
        if op == "mul" and not by_user:
            args = tuple(sorted(args, key=lambda arg: not isinstance(arg, Number)))
    return Op(op, args, static=static)


def _spliced(op: str, arg: Expr) -> tuple[Expr, ...]:
    """The terms of a sum within a sum, the factors of a product within a product."""
    return arg.args if isinstance(arg, Op) and arg.op == op else (arg,)
