"""System -> Programs: lower, guard, and derive each function of the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from odec.arrays import ARRAY_OPERATIONS, EXTERNAL, Shape, ShapeError
from odec.passes.accumulate import ancestors, forward, jacobian, parts, reverse
from odec.passes.beside import beside
from odec.passes.emit import Outputs, UserName, emit
from odec.passes.graph import LEAVES, Graph
from odec.passes.guards import guard, write_guards
from odec.passes.located import locate, switches_of
from odec.passes.lower import Definition, Lowered, Names, lower, needed
from odec.passes.overflow import large
from odec.passes.products import share_products
from odec.passes.program import Assign, Layout, Program, Programs, Sparse, shape_of
from odec.passes.settle import settle
from odec.system import System
from odec.tree import Expr, Symbol

Groups = dict[str, Layout]


def derive(system: System) -> Programs:
    """The programs of a model: right-hand side, initial values, observables, and their derivatives.

    First order, functions inlined, intermediates in an order in which they can be computed. Raises
    ModelError where inlined functions make a formula of unreasonable size, and ShapeError.
    """
    lowered = lower(system)
    params, series, observables = (
        Layout.of((item.name, item.shape) for item in part)
        for part in (system.params, system.inputs, system.observables)
    )
    if system.external:  # of whose length nothing is printed
        params = Layout.of([*((value.name, value.shape) for value in params), (EXTERNAL, (1,))])
    groups = {"t": Layout.of([(system.time, ())]), "x": lowered.states, "p": params, "u": series}
    inputs: Groups = {group: layout for group, layout in groups.items() if layout}
    start = {group: layout for group, layout in inputs.items() if group in ("t", "p")}
    located = locate(lowered)
    asked = Layout.of((name, ()) for name in located.names)
    held = Layout.of((value.name, value.shape) for value in (*series, *asked))
    whole: Groups = {**inputs, "u": held} if asked else inputs
    rhs = _Function("rhs", "dx", lowered, located.running, lowered.rhs, whole, lowered.states)
    initial = _Function("initial", "x", lowered, lowered.starting, lowered.initial, start, lowered.states)
    functions = {"rhs": rhs, "initial": initial}
    if lowered.observe:
        functions["observe"] = _Function(
            "observe", "y", lowered, lowered.running, lowered.observe, inputs, observables
        )
    observe = functions.get("observe")
    return Programs(
        system=system,
        states=lowered.states,
        hidden=lowered.hidden,
        params=params,
        inputs=series,
        observables=observables,
        consts=system.constants,
        rhs=rhs.program,
        rhs_vjp=rhs.vjp(),
        rhs_jvp=rhs.jvp(),
        initial=initial.program,
        initial_vjp=initial.vjp(),
        initial_jvp=initial.jvp(),
        observe=observe.program if observe else None,
        observe_vjp=observe.vjp() if observe else None,
        observe_jvp=observe.jvp() if observe else None,
        jacobians={} if rhs.program.arrays else _Jacobians(functions),
        derived=_Derived(rhs),
        asked=asked,
        sources=tuple(source for names in located.asked for source in names.values()),
        switches=switches_of(lowered, located, start) if asked else None,
    )


@dataclass(frozen=True)
class _Function:
    """One function of the model: its definitions, what it computes, and from what.

    rows: the name and the shape of each output in cotangents and entries.
    """

    name: str
    group: str
    lowered: Lowered
    definitions: Mapping[str, Definition]
    outputs: tuple[Expr, ...]
    inputs: Groups
    rows: Layout

    @cached_property
    def guarded(self) -> list[Definition]:
        plain = needed(dict(self.definitions), self.outputs)
        shapes = self._shapes(plain)
        return guard(plain, self.outputs, self.lowered.names.copy(), self._consts, shapes)

    def _shapes(self, definitions: Sequence[Definition]) -> dict[str, Shape]:
        """The shapes of the names that are arrays. Raises ShapeError."""
        found = {
            value.name: value.shape for layout in self.inputs.values() for value in layout if value.shape
        }
        for d in definitions:
            shape = shape_of(d.expr, found)
            if shape:
                found[d.name] = shape
        return found

    @cached_property
    def program(self) -> Program:
        """The function itself, formulas as the user wrote them."""
        body = tuple(Assign(d.name, write_guards(d.expr), d.span, d.doc) for d in self.guarded)
        return Program(self.name, self.inputs, body, {self.group: self.outputs}, {self.group: self.rows})

    def vjp(self) -> Program:
        """Σ_k w_k ∂y_k/∂a for every input a, by group."""
        nodes, names = self._nodes[0], self.lowered.names.copy()
        cotangents = self.rows.renamed(names.fresh(f"w_{row}") for row in self.rows.names)
        return self._pulled(f"{self.name}_vjp", self.inputs, nodes, cotangents, names, derived=False)

    def jvp(self) -> Program:
        """Σ_a ∂y_k/∂a da over every input a, for each output y_k."""
        nodes, labels = self._nodes
        name, names = f"{self.name}_jvp", self.lowered.names
        return self._pushed(name, self.inputs, self.group, nodes, labels, names, still=True)

    def along(self, group: str) -> Program:
        """Σ_a ∂y_k/∂a da over the inputs a of one group: their Jacobian times a vector, without its entries.

        Terms that two formulas share are the same number in both, so that what cancels in the function's sums
        cancels here too.
        """
        nodes, labels = self._nodes
        name, given = f"{self.name}_along_{group}", {group: self.inputs[group]}
        return self._pushed(name, self.inputs, self.group, nodes, labels, self.lowered.names, given)

    def along_vjp(self, group: str) -> Program:
        """The VJP of `along`, to its inputs, for a vector (group "v") that stays as it is."""
        vector, taken, nodes = self._along(group)
        names = taken.copy()
        cotangents = self.rows.renamed(names.fresh(f"w_{row}") for row in self.rows.names)
        name = f"{self.name}_along_{group}_vjp"
        return self._pulled(name, self.inputs, nodes, cotangents, names, still={"v": vector})

    def along_jvp(self, group: str) -> Program:
        """The JVP of `along`, from tangents of its inputs, for a vector (group "v") that stays as it is."""
        vector, names, nodes = self._along(group)
        labels = self.rows.renamed(f"{row}_along" for row in self.rows.names)
        given, name = {**self.inputs, "v": vector}, f"{self.name}_along_{group}_jvp"
        return self._pushed(name, given, self.group, nodes, labels, names, self.inputs)

    def _along(self, group: str) -> tuple[Layout, Names, list[int]]:
        """A vector, the names then taken, and the nodes of the Jacobian's product with it."""
        graph, names = self._graph, self.lowered.names.copy()
        vector = self.inputs[group].renamed(names.fresh(f"v_{a}") for a in self.inputs[group].names)
        seeds = {
            graph.symbol(a.name): graph.symbol(v.name, v.shape)
            for a, v in zip(self.inputs[group], vector, strict=True)
        }
        return vector, names, forward(graph, self._nodes[0], seeds)

    def _pulled(
        self,
        name: str,
        inputs: Groups,
        nodes: Sequence[int],
        cotangents: Layout,
        names: Names,
        derived: bool = True,
        still: Groups | None = None,
    ) -> Program:
        """The cotangents of the inputs, by group, from one of each node; still: inputs that get none."""
        graph = self._graph
        pairs = [(y, graph.symbol(w.name, w.shape)) for y, w in zip(nodes, cotangents, strict=True)]
        flat = [a.name for group in inputs.values() for a in group]
        pulled = share_products(graph, reverse(graph, pairs, [graph.symbol(a) for a in flat], derived))
        found = dict(zip(flat, pulled, strict=True))
        outputs = {
            g: (members.renamed(f"g_{a}" for a in members.names), [found[a] for a in members.names])
            for g, members in inputs.items()
        }
        return self._emit(name, {**inputs, **(still or {}), "w": cotangents}, outputs, names)

    def _pushed(
        self,
        name: str,
        inputs: Groups,
        group: str,
        nodes: Sequence[int],
        labels: Layout,
        taken: Names,
        moving: Groups | None = None,
        still: bool = False,
    ) -> Program:
        """The tangents of the nodes from those of the inputs, or of those that move."""
        graph, names = self._graph, taken.copy()
        moving = inputs if moving is None else moving
        tangents = {g: m.renamed(names.fresh(f"d_{a}") for a in m.names) for g, m in moving.items()}
        seeds = {
            graph.symbol(a.name): graph.symbol(da.name, da.shape)
            for g, members in moving.items()
            for a, da in zip(members, tangents[g], strict=True)
        }
        rows = forward(graph, nodes, seeds, still)
        outputs = {group: (labels.renamed(f"d_{label}" for label in labels.names), rows)}
        return self._emit(
            name, {**inputs, **{f"d{g}": found for g, found in tangents.items()}}, outputs, names
        )

    def jacobian(self, group: str) -> Sparse:
        """∂y_k/∂a for the inputs a of a group, where it is not zero for certain."""
        rows, cols, labels, nodes = self._partials(group)
        name, names = f"{self.name}_jacobian_{group}", self.lowered.names
        program = self._emit(name, self.inputs, {"entries": (labels, nodes)}, names)
        return Sparse(program, rows, cols, (self.rows.width, self.inputs[group].width))

    def jacobian_vjp(self, group: str) -> Program:
        """Σ_k w_k ∂J_k/∂a over the entries J_k of `jacobian`, for every input a, by group."""
        names, (_, _, labels, nodes) = self.lowered.names.copy(), self._partials(group)
        cotangents = labels.renamed(names.fresh(f"w_{label}") for label in labels.names)
        return self._pulled(f"{self.name}_jacobian_vjp", self.inputs, nodes, cotangents, names)

    def jacobian_jvp(self, group: str) -> Program:
        """Σ_a ∂J_k/∂a da over every input a, for each entry J_k of `jacobian`."""
        _, _, labels, nodes = self._partials(group)
        name = f"{self.name}_jacobian_jvp"
        return self._pushed(name, self.inputs, "entries", nodes, labels, self.lowered.names)

    def time(self) -> Program:
        """∂y_k/∂t + Σ_j ∂y_k/∂u_j u_j', the rates u_j' being the input group "rate"."""
        inputs, names, nodes = self._in_time
        return self._emit(f"{self.name}_time", inputs, {self.group: (self._time_labels, nodes)}, names)

    def time_vjp(self) -> Program:
        """The VJP of `time`, to its inputs and the rates."""
        inputs, taken, nodes = self._in_time
        names = taken.copy()
        cotangents = self.rows.renamed(names.fresh(f"w_{row}") for row in self.rows.names)
        return self._pulled(f"{self.name}_time_vjp", inputs, nodes, cotangents, names)

    def time_jvp(self) -> Program:
        """The JVP of `time`, from tangents of its inputs and of the rates (group "drate")."""
        inputs, names, nodes = self._in_time
        return self._pushed(f"{self.name}_time_jvp", inputs, self.group, nodes, self._time_labels, names)

    @property
    def _time_labels(self) -> Layout:
        return self.rows.renamed(f"{row}_in_time" for row in self.rows.names)

    @cached_property
    def _in_time(self) -> tuple[Groups, Names, list[int]]:
        """Inputs with the rates of change of "u", the names then taken, and the nodes of `time`."""
        graph, names = self._graph, self.lowered.names.copy()
        moving = self.inputs.get("u", Layout())
        rates = moving.renamed(names.fresh(f"{u}_rate") for u in moving.names)
        seeds = {graph.symbol(t): graph.one for t in self.inputs["t"].names}
        seeds |= {
            graph.symbol(u.name): graph.symbol(rate.name, rate.shape)
            for u, rate in zip(moving, rates, strict=True)
        }
        inputs = {**self.inputs, **({"rate": rates} if rates else {})}
        return inputs, names, forward(graph, self._nodes[0], seeds)

    def _partials(self, group: str) -> tuple[tuple[int, ...], tuple[int, ...], Layout, list[int]]:
        """Row, column, name and node of each partial derivative that is not zero for certain."""
        above, leaves, graph = self.rows.names, self.inputs[group].names, self._graph
        rows = jacobian(graph, self._nodes[0], [graph.symbol(a) for a in leaves])
        places = [(k, a, node) for k, row in enumerate(rows) for a, node in row.items()]
        labels = Layout.of((f"j_{above[k]}_{leaves[a]}", ()) for k, a, _ in places)
        found = [node for _, _, node in places]
        return tuple(k for k, _, _ in places), tuple(a for _, a, _ in places), labels, found

    @property
    def _consts(self) -> dict[str, float]:
        return self.lowered.system.constants

    @cached_property
    def _graph(self) -> Graph:
        params = self.lowered.system.params
        nonzero = frozenset(p.name for p in params if 0.0 not in p.interval)
        shapes = {value.name: value.shape for layout in self.inputs.values() for value in layout}
        graph = Graph(nonzero, self._consts, shapes)
        graph.fixed = frozenset(p.name for p in params)
        return graph

    @cached_property
    def _user(self) -> dict[int, UserName]:
        return {}

    @cached_property
    def _nodes(self) -> tuple[list[int], Layout]:
        """The nodes and the names of the outputs; the user's names are noted on the way."""
        graph, user = self._graph, self._user
        env: dict[str, int] = {}
        for d in self.guarded:
            env[d.name] = i = graph.include(d.expr, env)
            if d.span is not None and graph.ops[i] not in LEAVES and i not in user:
                user[i] = UserName(d.name, d.span, d.doc)
                graph.named[i] = d.name
        labels = [
            e.name if isinstance(e, Symbol) else row.name
            for e, row in zip(self.outputs, self.rows, strict=True)
        ]
        nodes = [graph.include(e, env) for e in self.outputs]
        for label, row, i in zip(labels, self.rows, nodes, strict=True):
            if graph.shapes[i] not in ((), row.shape):
                definition = self.definitions.get(label)
                raise ShapeError(row.shape, graph.shapes[i], definition.span if definition else None)
        copies, events = beside(graph, _by_element(graph, ancestors(graph, nodes)))
        graph.named = {copies.get(i, i): name for i, name in graph.named.items()}
        names = [(copies.get(i, i), name) for i, name in user.items()]
        user.clear()
        user.update(names)
        nodes = [copies.get(i, i) for i in nodes]
        graph.large = large(graph, _by_element(graph, ancestors(graph, nodes, differentiated=True)))
        settle(graph, nodes, events)
        return nodes, self.rows.renamed(labels)

    def _emit(
        self,
        name: str,
        inputs: Groups,
        outputs: Outputs,
        names: Names,
    ) -> Program:
        return emit(self._graph, name, inputs, outputs, self._user, names)


def _by_element(graph: Graph, nodes: Sequence[int]) -> list[int]:
    """Those of the nodes (ascending, with all they are made of) that are computed element by element."""
    found: dict[int, None] = {}
    for i in nodes:
        if graph.ops[i] not in ARRAY_OPERATIONS and all(arg in found for arg in parts(graph, i)):
            found[i] = None
    return list(found)


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
            "rhs_along_vjp": lambda: rhs.along_vjp("x"),
            "rhs_along_jvp": lambda: rhs.along_jvp("x"),
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
