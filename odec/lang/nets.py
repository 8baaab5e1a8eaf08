"""Networks: what their statements say, their sizes, and their layers as operations of arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from odec.arrays import EXTERNAL, Shape, Static, shape_words
from odec.diagnostics import Source, Span
from odec.lang import syntax
from odec.lang.parts import Axis, Loops, Part, Refused, filled, repeated, union
from odec.lang.report import Report, words
from odec.lang.subscripts import Subscripts
from odec.system import Intermediate, Interval, Net, Param, Said
from odec.tree import Expr, Op, Symbol, number

ACTIVATIONS: Mapping[str, Callable[[Expr], Expr]] = {
    "tanh": lambda x: Op("tanh", (x,)),
    "relu": lambda x: Op("relu", (x,)),
    "softplus": lambda x: Op("softplus", (x,)),
    "sigmoid": lambda x: Op("sigmoid", (x,)),
    "silu": lambda x: Op("mul", (x, Op("sigmoid", (x,)))),
    # x Φ(x), as torch.nn.GELU has it without `approximate`
    "gelu": lambda x: Op("mul", (number(0.5), x, Op("add", (number(1), _erf_of_scaled(x))))),
}
"""Activations of hidden layers, as formulas."""

_MOST_SEED = 2**63


def _erf_of_scaled(x: Expr) -> Expr:
    return Op("erf", (Op("mul", (number(math.sqrt(0.5)), x)),))


@dataclass(frozen=True)
class NetSaid:
    """A net whose names are looked up, and whose sizes are still formulas; layers None: an external one.

    declared: of an external one, the sizes that stand behind what it sees.
    """

    name: syntax.Name
    args: tuple[Expr, ...]
    outputs: tuple[tuple[syntax.Name, tuple[Expr, ...]], ...]
    layers: tuple[Expr, ...] | None
    activation: str
    bias: bool
    seed: Expr | None
    doc: str
    span: Span
    declared: tuple[tuple[Expr, ...], ...] = ()

    @property
    def value(self) -> str:
        """The name of all that it gives, as one vector."""
        return f"{self.name.text}.out"

    def intermediates(self) -> list[Intermediate]:
        """What it gives, and then each of its outputs."""
        whole = Op(f"net:{self.name.text}", self.args, self.span)
        found = [Intermediate(self.value, whole, self.doc, self.span)]
        for k, (name, _) in enumerate(self.outputs):
            expr = Op(f"output:{self.name.text}", (Symbol(self.value, name.span),), name.span, static=(k,))
            found.append(Intermediate(name.text, expr, "", name.span))
        return found


def external_args(net: syntax.Net) -> list[tuple[Expr, tuple[Expr, ...]]]:
    """What an external net sees, with the sizes that stand behind it: h and 64, 6, 6 of `h[64, 6, 6]`."""
    found = []
    for arg in net.args:
        sized = isinstance(arg, Op) and arg.op == "index" and isinstance(arg.args[0], Symbol)
        found.append((arg.args[0], arg.args[1:]) if sized and isinstance(arg, Op) else (arg, ()))
    return found


def split_layers(net: syntax.Net, known: Iterable[str], report: Report) -> tuple[tuple[Expr, ...], str]:
    """The sizes of a net's hidden layers, and its activation. What is wrong is reported."""
    layers, known = net.layers or (), set(known)
    *sizes, last = layers or (None,)
    named = last if isinstance(last, Symbol) else None
    if named is None or (named.name in known and named.name not in ACTIVATIONS):
        if layers:
            note = f"write `mlp(…, tanh)`: {words(ACTIVATIONS)}"
            report.add("E321", f"the net '{net.name.text}' has no activation", net.name.span, "", note)
        return layers, ""
    if named.name not in ACTIVATIONS:
        guess = report.guess(named.name, ACTIVATIONS)
        note = f"an activation is {words(ACTIVATIONS)}"
        report.suggest("E321", f"unknown activation '{named.name}'", named.span, guess, note)
    elif not sizes:
        label = "the output has no activation"
        report.add("E321", "an activation without a hidden layer", named.span, label, "`mlp()` is W @ x + b")
    return tuple(size for size in sizes if size is not None), named.name


def read_bias(expr: Expr | None, report: Report) -> bool:
    """Whether layers have a bias: `bias=false`."""
    word = expr.name.lower() if isinstance(expr, Symbol) else ""
    if expr is not None and word not in ("true", "false"):
        report.add("E321", "`bias` is true or false", expr.span)
    return word != "false"


@dataclass
class Nets:
    """A model's networks: those that were defined so far, with their parameters and layers.

    shapes: of the model's arrays, to which those of the weights are added.
    """

    said: Mapping[str, NetSaid]
    source: Source
    subscripts: Subscripts
    shapes: dict[str, Shape]
    nets: dict[str, Net] = field(default_factory=dict)
    params: list[Param] = field(default_factory=list)
    layers: list[Intermediate] = field(default_factory=list)

    def defined(self, name: str, node: Op, args: Sequence[Part]) -> Part:
        """What the net of a statement gives, as one vector; its sizes are known from then on."""
        said = self.said[name]
        outputs = tuple((one.text, self.subscripts.shape(sizes)) for one, sizes in said.outputs)
        hidden = tuple(self.subscripts.size(size) for size in said.layers or ())
        inputs = tuple(arg.shape for arg in args)
        net = Net(
            name,
            said.args,
            inputs,
            outputs,
            hidden,
            said.activation,
            said.bias,
            self._seed(said.seed),
            said.layers is None,
            said.doc,
            said.span,
        )
        self.nets[name] = net
        if net.external:
            return self._external(net, said, args)
        for weight in weights(net):
            self.params.append(weight)
            self.shapes[weight.name] = weight.shape

        def named(label: str, expr: Expr) -> Expr:
            self.layers.append(Intermediate(f"{name}.{label}", expr, "", said.span))
            return Symbol(f"{name}.{label}")

        x = _flat([arg.expr for arg in args], inputs)
        x = x if isinstance(x, Symbol) else named("in", x)
        return Part(_through(net, x, None, named), net.sizes[-1:])

    def _external(self, net: Net, said: NetSaid, args: Sequence[Part]) -> Part:
        """The value of an external net, of the shape that its statement says."""
        if len(net.outputs) > 1:
            raise Refused(
                "E321", "an external net gives one array", said.outputs[1][0].span, "leave this out"
            )
        for arg, expr, sizes in zip(args, net.args, said.declared, strict=True):
            if sizes and self.subscripts.shape(sizes) != arg.shape:
                message = f"what '{net.name}' sees is {shape_words(arg.shape)}"
                raise Refused("E402", message, expr.span, shape_words(self.subscripts.shape(sizes)))
        shape = net.outputs[0][1]
        return Part(_of_module(net, args), shape)

    def _seed(self, expr: Expr | None) -> int | None:
        if expr is None:
            return None
        seed = self.subscripts.whole(expr, "a seed")
        if not 0 <= seed < _MOST_SEED:
            raise Refused("E321", "a seed is a whole number from 0 on", expr.span, f"it is {seed}")
        return seed

    def output(self, name: str, node: Op, value: Part) -> Part:
        """One of a net's outputs."""
        net, own = self.nets[name], int(node.static[0])
        if net.external:
            return value
        start = sum(math.prod(shape) for _, shape in net.outputs[:own])
        shape = net.outputs[own][1]
        if not shape:
            return Part(Op("slice", (value.expr,), node.span, static=(start,)))
        taken: Expr = value.expr
        if len(net.outputs) > 1:
            taken = Op("slice", (taken,), node.span, static=(f"{start}:{start + math.prod(shape)}",))
        return Part(taken if len(shape) == 1 else Op("reshape", (taken,), static=shape), shape)

    def applied(self, name: str, node: Op, args: Sequence[Part], loops: Loops) -> Part:
        """The net's weights elsewhere: one output as it is, several as a vector. Raises Refused."""
        net = self.nets[name]
        for raw, arg, shape in zip(node.args, args, net.inputs, strict=True):
            if arg.shape != shape:
                line = self.source.position(net.span.start)[0]
                message = f"the net '{name}' takes {shape_words(shape)} here, and this is "
                message += shape_words(arg.shape)
                raise Refused("E402", message, raw.span, shape_words(arg.shape), f"line {line} defines it")
        axes = union(args, loops)
        if net.external:
            if axes:
                raise Refused("E320", f"the external net '{name}' within `for`", node.span)
            return Part(_of_module(net, args), net.outputs[0][1])
        shape = net.outputs[0][1] if len(net.outputs) == 1 else net.sizes[-1:]
        if not axes:
            found = _through(net, _flat([arg.expr for arg in args], net.inputs), None, lambda _, expr: expr)
            return Part(_as(found, (), net.sizes[-1], shape), shape)
        lengths = tuple(len(loops[axis]) for axis in axes)
        rows = math.prod(lengths)
        x = _rows(args, axes, loops, rows)
        found = _through(net, x, rows, lambda _, expr: expr)
        return Part(_as(found, lengths, net.sizes[-1], shape), shape, axes)


def weights(net: Net) -> list[Param]:
    """The parameters of a net, in the order of the equal torch.nn.Sequential, drawn by its rules."""
    found = list[Param]()
    for k, (wide, out) in enumerate(zip(net.sizes, net.sizes[1:], strict=False)) if not net.external else ():
        place = f"{net.name}.{2 * k}"
        found.append(_drawn(f"{place}.weight", (out, wide), ("linear_weight",), net.span))
        if net.bias:
            found.append(_drawn(f"{place}.bias", (out,), ("linear_bias", float(wide)), net.span))
    return found


def _drawn(name: str, shape: Shape, draw: tuple[str | float, ...], span: Span) -> Param:
    numbers = tuple(number(float(n)) for n in draw[1:])
    default = Op(f"draw:{draw[0]}", numbers)
    said = Said(tuple(number(extent) for extent in shape), (), (), default, "", None)
    drawn = Param(name, default, 0.0, Interval(), "none", None, "", span, shape)
    return replace(drawn, draw=draw, said=(said,))


def _of_module(net: Net, args: Sequence[Part]) -> Op:
    static: Static = (net.name, *net.outputs[0][1])
    return Op("external", (Symbol(EXTERNAL), *(arg.expr for arg in args)), static=static)


def _flat(args: Sequence[Expr], shapes: Sequence[Shape]) -> Expr:
    """The elements of all arguments as one vector."""
    if not any(shapes):
        return Op("stack", tuple(args))
    parts: list[Expr] = []
    for arg, shape in zip(args, shapes, strict=True):
        if len(shape) == 1:
            parts.append(arg)
        else:
            parts.append(Op("reshape", (arg,), static=(math.prod(shape),)) if shape else Op("stack", (arg,)))
    return parts[0] if len(parts) == 1 else Op("concat", tuple(parts), static=(0,))


def _rows(args: Sequence[Part], axes: Sequence[Axis], loops: Loops, rows: int) -> Expr:
    """The arguments for each index of `for`, a row each."""
    parts = []
    for arg in args:
        size = math.prod(arg.shape)
        parts.append(Op("reshape", (filled(arg, axes, arg.shape, loops),), static=(rows, size)))
    return parts[0] if len(parts) == 1 else Op("concat", tuple(parts), static=(1,))


def _through(net: Net, x: Expr, rows: int | None, named: Callable[[str, Expr], Expr]) -> Expr:
    """The layers of a vector, or of so many rows; named: what becomes of each but the last."""
    count = len(net.sizes) - 1
    for k in range(count):
        place = 2 * k
        weight, bias = (Symbol(f"{net.name}.{place}.{kind}") for kind in ("weight", "bias"))
        pair = (weight, x) if rows is None else (x, Op("transpose", (weight,)))
        x = Op("matmul", pair)
        if net.bias:
            x = Op("add", (x, bias if rows is None else repeated(bias, 0, rows)))
        if k < count - 1:
            x = named(str(place), x)
            x = named(str(place + 1), ACTIVATIONS[net.activation](x))
    return x


def _as(found: Expr, lengths: Shape, size: int, shape: Shape) -> Expr:
    """A vector of `size`, or rows of such, as a shape for each of the indices."""
    if not lengths and not shape:
        return Op("slice", (found,), static=(0,))
    whole, own = (*lengths, *shape), (math.prod(lengths), size) if lengths else (size,)
    if len(whole) < len(own) and not shape:
        return Op("slice", (found,), static=(":", 0))
    return found if whole == own else Op("reshape", (found,), static=whole)
