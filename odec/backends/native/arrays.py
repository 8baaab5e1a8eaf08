"""Programs of arrays as C: loops over elements, in which those over lanes stand, and calls for products.

What goes by elements is one loop, whatever the formula. What moves elements is another way to read them
(views.py). The text does not grow with the arrays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from odec.arrays import Shape, placed
from odec.backends.layout import INDENT, Doc
from odec.backends.native.array_operations import MOVES, STATEMENTS, ZERO
from odec.backends.native.printer import is_condition
from odec.backends.native.text import statement
from odec.backends.native.views import View, merged
from odec.passes.program import Layout, Program, shape_of
from odec.tree import Expr, Number, Op, Symbol, fold, rule_of, symbols


class Language(Protocol):
    """What a body asks of the writer of functions."""

    def spell(self, name: str) -> str: ...
    def fresh(self, names: Sequence[str]) -> Iterator[str]: ...
    def place(self, span: object) -> str: ...
    def printed(self, expr: Expr, elements: Mapping[str, str]) -> Doc: ...


class Body:
    """The statements of one function of arrays; `room`: how many values of a lane they hold.

    results: the array in C of each group of outputs. Cotangents of parameters and of the time are added up,
    the other outputs are set.
    """

    def __init__(self, language: Language, program: Program, results: Mapping[str, str]):
        self.language, self.program = language, program
        self.lines: list[str] = []
        self.room = 0
        self.views: dict[str, View] = {}
        self.texts = dict.fromkeys(program.names("t"), "(real)time_l")
        self._temporaries = language.fresh(("a{}",))
        self._variables = language.fresh(("i", "j", "k", "m", "n", "i{}"))
        self._axes: list[str] = []
        self._uses = Counter(s.name for expr in program.expressions() for s in symbols(expr))
        self._added = {a.name: a.expr for a in program.body if self._is_added(a.name)}
        self._targets = self._set_outputs(results)
        self._read()
        for assign in program.body:
            if assign.name not in self._added:
                self._assign(assign.name, assign.expr, language.place(assign.span))
        for group, layout in program.results.items():
            for value, expr in zip(layout, program.outputs[group], strict=True):
                self._put(View.of(results[group], value.shape, value.place), expr, group)

    def _is_added(self, name: str) -> bool:
        """Whether a name is but the gradient of a parameter: it is added from what it is made of."""
        own = [e.name for e in self.program.outputs.get("p", ()) if isinstance(e, Symbol)]
        return name in own and self._uses[name] == 1

    def _set_outputs(self, results: Mapping[str, str]) -> dict[str, View]:
        """Where what is assigned is an output, computed in its place."""
        found: dict[str, View] = {}
        for group, layout in self.program.results.items():
            for value, expr in zip(layout, self.program.outputs[group], strict=True):
                if group not in ("p", "t") and isinstance(expr, Symbol):
                    found.setdefault(expr.name, View.of(results[group], value.shape, value.place))
        return found

    def _read(self) -> None:
        """Names for what the arguments hold."""
        for group, layout in self.program.inputs.items():
            for value in layout if group != "t" else Layout():
                if value.name in self._uses:
                    spelt, kind = self.language.spell(value.name), "_p" if group == "p" else "_"
                    at = f"{group} + {value.place}" if value.place else group
                    self.line(f"const real (*{spelt}){kind}w = {at};")
                    self.views[value.name] = View.of(spelt, value.shape, lane=f"{kind}l")

    def line(self, text: str) -> None:
        self.lines.append(f"{INDENT}{text}")

    # Assignments

    def _assign(self, name: str, expr: Expr, remark: str) -> None:
        target = self._targets.get(name)
        lowered = self.lower(expr, top=True)
        if target is not None and target.shape != lowered.shape:
            target = None  # a number that fills an array
        if isinstance(lowered, Symbol) and lowered.name in self.views and target is None:
            self.views[name] = self.views[lowered.name]
            return
        if target is None:
            target = self.declared(self.language.spell(name), lowered)
        self.compute(target, lowered, remark)
        self.views[name] = target

    def declared(self, name: str, expr: Expr) -> View:
        """A new array for the value of an expression."""
        view = View.of(name, expr.shape)
        kind = "bool" if is_condition(expr) else "real"
        self.line(f"ALIGNED {kind} {name}[{view.size}]_w;")
        self.room += view.size
        return view

    def named(self, expr: Expr) -> View:
        """The value of a lowered expression as elements in memory."""
        if isinstance(expr, Symbol) and expr.name in self.views:
            return self.views[expr.name]
        target = self.declared(next(self._temporaries), expr)
        self.compute(target, expr)
        return target

    def symbol(self, view: View) -> Symbol:
        """A view as an operand."""
        key = f"{view.pointer} {view.shape} {view.strides}"
        self.views[key] = view
        return Symbol(key, shape=view.shape)

    def lower(self, expr: Expr, top: bool = False) -> Expr:
        """The expression with what does not go by elements computed; top: but for the operation itself."""

        def leaf(node: Number | Symbol) -> Expr:
            if isinstance(node, Number) or node.name not in self.views:
                return node
            return Symbol(node.name, shape=self.views[node.name].shape)

        def combine(node: Op, args: tuple[Expr, ...]) -> Expr:
            shape = rule_of(node.op)([arg.shape for arg in args], node.static)
            made = Op(node.op, args, node.span, shape, node.static)
            if node.op in MOVES:
                return self._moved(made)
            if node.op == "outer":
                a, b = map(self.named, args)
                pair = a.repeated(1, b.size), b.repeated(0, a.size)
                return Op("mul", tuple(map(self.symbol, pair)), shape=shape)
            if node.op in STATEMENTS:
                lazy = node.op == "place" or (top and node is expr)
                return made if lazy else self.symbol(self.named(made))
            return self._by_elements(made, lazy=top and node is expr)

        return fold(expr, leaf, combine)

    def _moved(self, node: Op) -> Expr:
        view = self.named(node.args[0])
        if node.op == "reshape" and not view.contiguous:
            view = self.copied(view)
        return self.symbol(MOVES[node.op](view, node.static))

    def _by_elements(self, node: Op, lazy: bool) -> Expr:
        """An operation by elements: scalars that stand beside arrays are computed before."""
        if node.op == "add" and any(_is_placed(arg) for arg in node.args):
            return node if lazy else self.symbol(self.named(node))
        args = [self.symbol(self.named(arg)) if _is_placed(arg) else arg for arg in node.args]
        if node.shape:
            args = [self.symbol(self.named(arg)) if self._is_work(arg) else arg for arg in args]
        return Op(node.op, tuple(args), node.span, node.shape)

    def _is_work(self, arg: Expr) -> bool:
        """Whether a scalar beside an array is more than a number or what is read."""
        return isinstance(arg, Op) and not arg.shape and any(True for _ in symbols(arg))

    # Statements

    def compute(self, target: View, expr: Expr, remark: str = "") -> None:
        """Set elements in memory to the value of a lowered expression."""
        if isinstance(expr, Op) and expr.op in STATEMENTS:
            self._remark(remark)
            STATEMENTS[expr.op](self, target, expr)
        elif isinstance(expr, Op) and expr.op == "add" and any(_is_placed(arg) for arg in expr.args):
            self._remark(remark)
            self._sum_with_places(target, expr)
        else:
            self.loop(target, expr, remark)

    def _remark(self, remark: str) -> None:
        if remark:
            self.line(f"// {remark}")

    def _sum_with_places(self, target: View, expr: Op) -> None:
        rest = tuple(arg for arg in expr.args if not _is_placed(arg))
        start: Expr = ZERO if not rest else rest[0] if len(rest) == 1 else Op("add", rest, shape=expr.shape)
        self.loop(target, start)
        for arg in expr.args:
            if isinstance(arg, Op) and _is_placed(arg):
                self.loop(target.sliced(placed(arg.static)[1]), arg.args[0], sign="+=")

    def loop(self, target: View, expr: Expr, remark: str = "", sign: str = "=") -> None:
        """`target sign expr` for every element."""
        keys = list(dict.fromkeys(s.name for s in symbols(expr) if s.name in self.views))
        arrays = [key for key in keys if self.views[key].shape]
        whole, *parts = merged([target, *(self.views[key] for key in arrays)])
        axes = self.axes(len(whole.shape))
        elements = dict(self.texts)
        elements |= {key: self.views[key].at(()) for key in keys}
        elements |= {key: part.at(axes) for key, part in zip(arrays, parts, strict=True)}
        lead = f"{self.head(whole.shape)} {whole.at(axes)} {sign} "
        self.lines += statement(lead, self.language.printed(expr, elements), remark, INDENT)

    def axes(self, count: int) -> list[str]:
        """Names of loops' numbers."""
        while len(self._axes) < count:
            self._axes.append(next(self._variables))
        return self._axes[:count]

    def head(self, shape: Shape) -> str:
        """The loops over elements of a shape and over lanes."""
        if not shape:
            return "EVERY_LANE"
        axes = self.axes(len(shape))
        outer = [self.loop_over(i, n) for i, n in zip(axes[:-1], shape, strict=False)]
        return " ".join([*outer, f"EACH({axes[-1]}, {shape[-1]})"])

    def loop_over(self, variable: str, count: int) -> str:
        """The loop of a number up to another."""
        return f"for (int {variable} = 0; {variable} < {count}; ++{variable})"

    def call(self, name: str, *args: object) -> None:
        """A call of a function of arrays.h."""
        self.line(f"{name}({', '.join(map(str, args))});")

    # Outputs

    def _put(self, target: View, expr: Expr, group: str) -> None:
        """An output that is not in its place yet."""
        if group == "p":
            own = self._added.get(expr.name, expr) if isinstance(expr, Symbol) else expr
            self._add_gradient(replace(target, lane="_pl"), own)
        elif group == "t":
            if not _is_zero(expr):
                self.loop(target, self.lower(expr), sign="+=")
        elif not (isinstance(expr, Symbol) and self.views.get(expr.name) == target):
            self.compute(target, self.lower(expr, top=True))

    def _add_gradient(self, target: View, expr: Expr) -> None:
        """Add what lanes have to the gradient of a parameter, of a sum each term by itself."""
        if _is_zero(expr):
            return
        if isinstance(expr, Op) and expr.op == "add" and all(self._fills(arg, target) for arg in expr.args):
            for arg in expr.args:
                self._add_gradient(target, arg)
        elif isinstance(expr, Op) and expr.op == "place":
            self._add_gradient(target.sliced(placed(expr.static)[1]), expr.args[0])
        elif isinstance(expr, Op) and expr.op == "transpose":
            self._add_gradient(target.transposed(), expr.args[0])
        elif pair := _outer_of(expr):
            a, b = (self.side_by_side(self.named(self.lower(arg))) for arg in pair)
            sizes, strides = (a.size, b.size), target.strides
            self.call("add_outer", *sizes, a.pointer, b.pointer, target.pointer, *strides)
        else:
            self._add_elements(target, self.lower(expr))

    def _fills(self, expr: Expr, target: View) -> bool:
        return shape_of(expr, {name: view.shape for name, view in self.views.items()}) == target.shape

    def _add_elements(self, target: View, expr: Expr) -> None:
        view = self.named(expr)
        if view.shape != target.shape or view.is_param or not view.contiguous:
            view = self.copied(view, target.shape)
        whole, part = merged([target, view])
        count, step = (whole.shape[-1], whole.strides[-1]) if whole.shape else (1, 1)
        axes = self.axes(len(whole.shape))[:-1]
        loops = "".join(f"{self.loop_over(i, n)} " for i, n in zip(axes, whole.shape, strict=False))
        row, own = (other.from_row(axes) for other in (whole, part))
        self.line(f"{loops}add_gradients({count}, {own}, {row}, {step});")

    def copied(self, view: View, shape: Shape | None = None) -> View:
        """The elements as a new array of lanes, side by side; a scalar fills the shape."""
        target = self.declared(next(self._temporaries), Symbol("", shape=shape or view.shape))
        self.loop(target, self.symbol(view))
        return target

    def side_by_side(self, view: View) -> View:
        """The elements as lanes have them, side by side."""
        return self.copied(view) if view.is_param or not view.contiguous else view


def _is_zero(expr: Expr) -> bool:
    return isinstance(expr, Number) and expr.value == 0


def _is_placed(expr: Expr) -> bool:
    return isinstance(expr, Op) and expr.op == "place"


def _outer_of(expr: Expr) -> tuple[Expr, Expr] | None:
    """The two vectors of an outer product, with the sign before it."""
    if not isinstance(expr, Op):
        return None
    if expr.op == "outer":
        return expr.args[0], expr.args[1]
    pair = _outer_of(expr.args[0]) if expr.op == "neg" else None
    return (Op("neg", (pair[0],)), pair[1]) if pair else None
