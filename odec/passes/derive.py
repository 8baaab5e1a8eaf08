"""System -> Programs: lower, guard, and derive each function of the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from odec.passes.accumulate import forward, jacobian, reverse
from odec.passes.emit import UserName, emit
from odec.passes.graph import LEAVES, Graph
from odec.passes.guards import guard, write_guards
from odec.passes.lower import Definition, Lowered, Names, lower, needed
from odec.passes.program import Assign, Program, Programs, Sparse
from odec.system import System
from odec.tree import Expr, Symbol

Groups = dict[str, tuple[str, ...]]


def derive(system: System) -> Programs:
    """The programs of a model: right-hand side, initial values, observables, and their derivatives.

    First order, functions inlined, intermediates in an order in which they can be computed. Raises
    ModelError where inlined functions make a formula of unreasonable size.
    """
    lowered = lower(system)
    inputs: Groups = {"t": (system.time,), "x": lowered.states}
    inputs["p"] = tuple(p.name for p in system.params)
    inputs["u"] = tuple(u.name for u in system.inputs)
    inputs = {group: names for group, names in inputs.items() if names}
    start = {group: names for group, names in inputs.items() if group in ("t", "p")}
    rhs = _Function("rhs", "dx", lowered, lowered.running, lowered.rhs, inputs, lowered.states)
    initial = _Function("initial", "x", lowered, lowered.starting, lowered.initial, start, lowered.states)
    functions = {"rhs": rhs, "initial": initial}
    if lowered.observe:
        observables = tuple(o.name for o in system.observables)
        functions["observe"] = _Function(
            "observe", "y", lowered, lowered.running, lowered.observe, inputs, observables
        )
    observe = functions.get("observe")
    return Programs(
        system=system,
        states=lowered.states,
        params=tuple(p.name for p in system.params),
        inputs=tuple(u.name for u in system.inputs),
        observables=tuple(o.name for o in system.observables),
        consts={c.name: c.value for c in system.consts},
        rhs=rhs.program,
        rhs_vjp=rhs.vjp(),
        rhs_jvp=rhs.jvp(),
        initial=initial.program,
        initial_vjp=initial.vjp(),
        initial_jvp=initial.jvp(),
        observe=observe.program if observe else None,
        observe_vjp=observe.vjp() if observe else None,
        observe_jvp=observe.jvp() if observe else None,
        jacobians=_Jacobians(functions),
    )


@dataclass(frozen=True)
class _Function:
    """One function of the model: its definitions, what it computes, and from what.

    rows: the name of each output in cotangents and entries.
    """

    name: str
    group: str
    lowered: Lowered
    definitions: Mapping[str, Definition]
    outputs: tuple[Expr, ...]
    inputs: Groups
    rows: tuple[str, ...]

    @cached_property
    def guarded(self) -> list[Definition]:
        plain = needed(dict(self.definitions), self.outputs)
        return guard(plain, self.outputs, self.lowered.names.copy(), self._consts)

    @cached_property
    def program(self) -> Program:
        """The function itself, formulas as the user wrote them."""
        body = tuple(Assign(d.name, write_guards(d.expr), d.span, d.doc) for d in self.guarded)
        return Program(self.name, self.inputs, body, {self.group: self.outputs})

    def vjp(self) -> Program:
        """Σ_k w_k ∂y_k/∂a for every input a, by group."""
        names = self.lowered.names.copy()
        cotangents = tuple(names.fresh(f"w_{row}") for row in self.rows)
        graph, (nodes, _) = self._graph, self._nodes
        pairs = [(y, graph.symbol(w)) for y, w in zip(nodes, cotangents, strict=True)]
        flat = [a for group in self.inputs.values() for a in group]
        found = dict(zip(flat, reverse(graph, pairs, [graph.symbol(a) for a in flat]), strict=True))
        outputs = {g: [(f"g_{a}", found[a]) for a in members] for g, members in self.inputs.items()}
        inputs = {**self.inputs, "w": cotangents}
        return self._emit(f"{self.name}_vjp", inputs, outputs, names)

    def jvp(self) -> Program:
        """Σ_a ∂y_k/∂a da over every input a, for each output y_k."""
        names = self.lowered.names.copy()
        tangents = {g: tuple(names.fresh(f"d_{a}") for a in m) for g, m in self.inputs.items()}
        graph, (nodes, labels) = self._graph, self._nodes
        seeds = {
            graph.symbol(a): graph.symbol(da)
            for group, members in self.inputs.items()
            for a, da in zip(members, tangents[group], strict=True)
        }
        rows = forward(graph, nodes, seeds)
        outputs = {self.group: [(f"d_{label}", row) for label, row in zip(labels, rows, strict=True)]}
        inputs = {**self.inputs, **{f"d{group}": found for group, found in tangents.items()}}
        return self._emit(f"{self.name}_jvp", inputs, outputs, names)

    def jacobian(self, group: str) -> Sparse:
        """∂y_k/∂a for the inputs a of a group, where it is not zero for certain."""
        leaves, graph = self.inputs[group], self._graph
        rows = jacobian(graph, self._nodes[0], [graph.symbol(a) for a in leaves])
        places = [(k, a, node) for k, row in enumerate(rows) for a, node in row.items()]
        entries = [(f"j_{self.rows[k]}_{leaves[a]}", node) for k, a, node in places]
        program = self._emit(
            f"{self.name}_jacobian_{group}", self.inputs, {"entries": entries}, self.lowered.names
        )
        shape = (len(self.rows), len(leaves))
        return Sparse(program, tuple(k for k, _, _ in places), tuple(a for _, a, _ in places), shape)

    @property
    def _consts(self) -> dict[str, float]:
        return {c.name: c.value for c in self.lowered.system.consts}

    @cached_property
    def _graph(self) -> Graph:
        params = self.lowered.system.params
        nonzero = frozenset(p.name for p in params if 0.0 not in p.interval)
        return Graph(nonzero, self._consts)

    @cached_property
    def _user(self) -> dict[int, UserName]:
        return {}

    @cached_property
    def _nodes(self) -> tuple[list[int], list[str]]:
        """The nodes and the names of the outputs; the user's names are noted on the way."""
        graph, user = self._graph, self._user
        env: dict[str, int] = {}
        for d in self.guarded:
            env[d.name] = i = graph.include(d.expr, env)
            if d.span is not None and graph.ops[i] not in LEAVES and i not in user:
                user[i] = UserName(d.name, d.span, d.doc)
                graph.named[i] = d.name
        labels = [
            e.name if isinstance(e, Symbol) else row for e, row in zip(self.outputs, self.rows, strict=True)
        ]
        return [graph.include(e, env) for e in self.outputs], labels

    def _emit(
        self,
        name: str,
        inputs: Groups,
        outputs: Mapping[str, Sequence[tuple[str, int]]],
        names: Names,
    ) -> Program:
        return emit(self._graph, name, inputs, outputs, self._user, names)


class _Jacobians(Mapping[tuple[str, str], Sparse]):
    """Sparse Jacobians by function and input group, each derived when it is first asked for."""

    def __init__(self, functions: Mapping[str, _Function]):
        self._functions = functions
        self._keys = [(f, g) for f, function in functions.items() for g in function.inputs if g != "t"]
        self._found: dict[tuple[str, str], Sparse] = {}

    def __getitem__(self, key: tuple[str, str]) -> Sparse:
        if key not in self._keys:
            raise KeyError(key)
        if key not in self._found:
            self._found[key] = self._functions[key[0]].jacobian(key[1])
        return self._found[key]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)
