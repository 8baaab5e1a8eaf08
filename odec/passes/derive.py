"""System -> Programs: lower, guard, and derive each function of the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from odec.passes.accumulate import ancestors, forward, jacobian, reverse
from odec.passes.emit import UserName, emit
from odec.passes.graph import LEAVES, Graph
from odec.passes.guards import guard, write_guards
from odec.passes.lower import Definition, Lowered, Names, lower, needed
from odec.passes.overflow import large
from odec.passes.poles import saturated
from odec.passes.products import share_products
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
        derived=_Derived(rhs),
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
        nodes, names = self._nodes[0], self.lowered.names.copy()
        cotangents = [names.fresh(f"w_{row}") for row in self.rows]
        return self._pulled(f"{self.name}_vjp", self.inputs, nodes, cotangents, names)

    def jvp(self) -> Program:
        """Σ_a ∂y_k/∂a da over every input a, for each output y_k."""
        nodes, labels = self._nodes
        return self._pushed(f"{self.name}_jvp", self.inputs, self.group, nodes, labels, self.lowered.names)

    def along(self, group: str) -> Program:
        """Σ_a ∂y_k/∂a da over the inputs a of one group: their Jacobian times a vector, without its entries.

        Terms that two formulas share are the same number in both, so that what cancels in the function's sums
        cancels here too.
        """
        nodes, labels = self._nodes
        name, given = f"{self.name}_along_{group}", {group: self.inputs[group]}
        return self._pushed(name, self.inputs, self.group, nodes, labels, self.lowered.names, given)

    def _pulled(
        self, name: str, inputs: Groups, nodes: Sequence[int], cotangents: Sequence[str], names: Names
    ) -> Program:
        """The cotangents of the inputs, by group, from one of each node."""
        graph = self._graph
        pairs = [(y, graph.symbol(w)) for y, w in zip(nodes, cotangents, strict=True)]
        flat = [a for group in inputs.values() for a in group]
        pulled = share_products(graph, reverse(graph, pairs, [graph.symbol(a) for a in flat]))
        found = dict(zip(flat, pulled, strict=True))
        outputs = {g: [(f"g_{a}", found[a]) for a in members] for g, members in inputs.items()}
        return self._emit(name, {**inputs, "w": tuple(cotangents)}, outputs, names)

    def _pushed(
        self,
        name: str,
        inputs: Groups,
        group: str,
        nodes: Sequence[int],
        labels: Sequence[str],
        taken: Names,
        moving: Groups | None = None,
    ) -> Program:
        """The tangents of the nodes from those of the inputs, or of those that move."""
        graph, names = self._graph, taken.copy()
        moving = inputs if moving is None else moving
        tangents = {g: tuple(names.fresh(f"d_{a}") for a in m) for g, m in moving.items()}
        seeds = {
            graph.symbol(a): graph.symbol(da)
            for g, members in moving.items()
            for a, da in zip(members, tangents[g], strict=True)
        }
        rows = forward(graph, nodes, seeds)
        outputs = {group: [(f"d_{label}", row) for label, row in zip(labels, rows, strict=True)]}
        return self._emit(
            name, {**inputs, **{f"d{g}": found for g, found in tangents.items()}}, outputs, names
        )

    def jacobian(self, group: str) -> Sparse:
        """∂y_k/∂a for the inputs a of a group, where it is not zero for certain."""
        rows, cols, entries = self._partials(group)
        program = self._emit(
            f"{self.name}_jacobian_{group}", self.inputs, {"entries": entries}, self.lowered.names
        )
        return Sparse(program, rows, cols, (len(self.rows), len(self.inputs[group])))

    def jacobian_vjp(self, group: str) -> Program:
        """Σ_k w_k ∂J_k/∂a over the entries J_k of `jacobian`, for every input a, by group."""
        names, (_, _, entries) = self.lowered.names.copy(), self._partials(group)
        cotangents = [names.fresh(f"w_{label}") for label, _ in entries]
        nodes = [node for _, node in entries]
        return self._pulled(f"{self.name}_jacobian_vjp", self.inputs, nodes, cotangents, names)

    def jacobian_jvp(self, group: str) -> Program:
        """Σ_a ∂J_k/∂a da over every input a, for each entry J_k of `jacobian`."""
        labels, nodes = zip(*self._partials(group)[2], strict=True) if self._partials(group)[2] else ((), ())
        name = f"{self.name}_jacobian_jvp"
        return self._pushed(name, self.inputs, "entries", nodes, labels, self.lowered.names)

    def time(self) -> Program:
        """∂y_k/∂t + Σ_j ∂y_k/∂u_j u_j', the rates u_j' being the input group "rate"."""
        inputs, names, nodes = self._in_time
        outputs = {self.group: list(zip(self._time_labels, nodes, strict=True))}
        return self._emit(f"{self.name}_time", inputs, outputs, names)

    def time_vjp(self) -> Program:
        """The VJP of `time`, to its inputs and the rates."""
        inputs, taken, nodes = self._in_time
        names = taken.copy()
        cotangents = [names.fresh(f"w_{row}") for row in self.rows]
        return self._pulled(f"{self.name}_time_vjp", inputs, nodes, cotangents, names)

    def time_jvp(self) -> Program:
        """The JVP of `time`, from tangents of its inputs and of the rates (group "drate")."""
        inputs, names, nodes = self._in_time
        return self._pushed(f"{self.name}_time_jvp", inputs, self.group, nodes, self._time_labels, names)

    @property
    def _time_labels(self) -> list[str]:
        return [f"{row}_in_time" for row in self.rows]

    @cached_property
    def _in_time(self) -> tuple[Groups, Names, list[int]]:
        """Inputs with the rates of change of "u", the names then taken, and the nodes of `time`."""
        graph, names = self._graph, self.lowered.names.copy()
        moving = self.inputs.get("u", ())
        rates = tuple(names.fresh(f"{u}_rate") for u in moving)
        seeds = {graph.symbol(t): graph.one for t in self.inputs["t"]}
        seeds |= {graph.symbol(u): graph.symbol(rate) for u, rate in zip(moving, rates, strict=True)}
        inputs = {**self.inputs, **({"rate": rates} if rates else {})}
        return inputs, names, forward(graph, self._nodes[0], seeds)

    def _partials(self, group: str) -> tuple[tuple[int, ...], tuple[int, ...], list[tuple[str, int]]]:
        """Row, column, and name with node of each partial derivative that is not zero for certain."""
        leaves, graph = self.inputs[group], self._graph
        rows = jacobian(graph, self._nodes[0], [graph.symbol(a) for a in leaves])
        places = [(k, a, node) for k, row in enumerate(rows) for a, node in row.items()]
        entries = [(f"j_{self.rows[k]}_{leaves[a]}", node) for k, a, node in places]
        return tuple(k for k, _, _ in places), tuple(a for _, a, _ in places), entries

    @property
    def _consts(self) -> dict[str, float]:
        return {c.name: c.value for c in self.lowered.system.consts}

    @cached_property
    def _graph(self) -> Graph:
        params = self.lowered.system.params
        nonzero = frozenset(p.name for p in params if 0.0 not in p.interval)
        graph = Graph(nonzero, self._consts)
        graph.fixed = frozenset(p.name for p in params)
        return graph

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
        nodes = [graph.include(e, env) for e in self.outputs]
        ordered = ancestors(graph, nodes)
        graph.large = large(graph, ordered) | saturated(graph, ordered, nodes)
        return nodes, labels

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


class _Derived(Mapping[str, Program]):
    """What stiff methods differentiate further of the right-hand side, each derived when first asked for."""

    def __init__(self, rhs: _Function):
        self._makers: dict[str, Callable[[], Program]] = {
            "rhs_along": lambda: rhs.along("x"),
            "rhs_jacobian_vjp": lambda: rhs.jacobian_vjp("x"),
            "rhs_jacobian_jvp": lambda: rhs.jacobian_jvp("x"),
            "rhs_time": rhs.time,
            "rhs_time_vjp": rhs.time_vjp,
            "rhs_time_jvp": rhs.time_jvp,
        }
        self._found: dict[str, Program] = {}

    def __getitem__(self, key: str) -> Program:
        if key not in self._found:
            self._found[key] = self._makers[key]()
        return self._found[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)
