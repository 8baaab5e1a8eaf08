"""A model with arrays: the shape of each name, and each definition as one formula of operations of arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from odec.arrays import Shape, ShapeError, shape_words
from odec.lang.constants import NotConstant
from odec.lang.graph import order
from odec.lang.left_sides import Definitions, Key
from odec.lang.nets import Nets, NetSaid
from odec.lang.parts import Part, Refused, Unknown
from odec.lang.report import Report
from odec.lang.shapes import refusal
from odec.lang.structure import dependencies
from odec.system import (
    Const,
    Equation,
    Function,
    Initial,
    Intermediate,
    Observable,
    Param,
    Said,
    System,
    at_time,
    derivative_name,
)
from odec.tree import OPERATIONS, Expr, Op, evaluate, fold, substitute

T = TypeVar("T", Const, Equation, Initial, Intermediate, Observable)


def with_arrays(
    draft: System,
    said: Mapping[Key, Sequence[Said]],
    sizes: Mapping[str, tuple[Expr, ...]],
    nets: Mapping[str, NetSaid],
    report: Report,
) -> System:
    """The model by operations of arrays, what is wrong with its shapes reported.

    said: definitions with an index. sizes: of inputs. nets: by name.
    """
    return _Arrays(draft, said, sizes, nets, report).complete()


class _Arrays:
    def __init__(
        self,
        draft: System,
        said: Mapping[Key, Sequence[Said]],
        sizes: Mapping[str, tuple[Expr, ...]],
        nets: Mapping[str, NetSaid],
        report: Report,
    ):
        self._draft, self._said, self._sizes, self._report = draft, said, sizes, report
        self._functions = {f.name: f for f in draft.functions}
        self._definitions = Definitions(draft.source, self._functions, said)
        shapes = self._definitions.shapes
        shapes.places.update(_places(draft))
        self._nets = shapes.nets = Nets(nets, draft.source, self._definitions.subscripts, shapes.shapes)
        self._values: dict[str, Any] = {}
        self._definitions.shapes.numbers = self._array

    def complete(self) -> System:
        draft, ranks = self._draft, order(dependencies(self._draft))
        place = {name: k for k, name in enumerate(ranks)}
        consts = self._in_order(draft.consts, place, self._const)
        inputs = tuple(replace(i, shape=self._declared(i.name)) for i in draft.inputs)
        params = tuple(self._param(p) for p in draft.params)
        states = {e.state: self._state_shape(e) for e in draft.equations}
        delays = draft.delays
        for equation in draft.equations:
            for k in range(equation.order):
                self._know(derivative_name(equation.state, k), states[equation.state])
            for k in (1, *range(-delays.get(equation.state, 0), 0)):
                self._know(at_time(equation.state, k, draft.time), states[equation.state])
        intermediates = self._in_order(draft.intermediates, place, self._intermediate)
        return replace(
            draft,
            consts=consts,
            params=tuple(sorted((*params, *self._nets.params), key=lambda p: p.span.start)),
            inputs=inputs,
            nets=tuple(self._nets.nets.values()),
            external=tuple(net.name for net in self._nets.nets.values() if net.external),
            intermediates=(*self._nets.layers, *intermediates),
            initials=tuple(self._initial(i, states.get(i.state, ())) for i in draft.initials),
            equations=tuple(self._equation(e, states[e.state]) for e in draft.equations),
            observables=tuple(self._observable(o) for o in draft.observables),
            functions=tuple(f for f in draft.functions if _of_numbers(f)),
        )

    def _in_order(
        self, items: tuple[T, ...], place: Mapping[str, int], make: Callable[[T], T]
    ) -> tuple[T, ...]:
        """The items made each after what it needs, in their own order."""

        def name(item: Any) -> str:
            found: str = item.name
            return found

        made = {name(item): make(item) for item in sorted(items, key=lambda i: place.get(name(i), 0))}
        return tuple(made[name(item)] for item in items)

    def _know(self, name: str, shape: Shape) -> None:
        if shape:
            self._definitions.shapes.shapes[name] = shape

    def _attempt(self, name: str, make: Callable[[], T | Part | Shape | Any], instead: Any) -> Any:
        """What is made; where something is wrong, that is reported, and the name is passed over later."""
        try:
            return make()
        except Refused as refused:
            wrong = refused
        except ShapeError as error:
            wrong = refusal(error)
        except Unknown:
            self._definitions.shapes.unknown.add(name)
            return instead
        self._report.add(wrong.code, wrong.message, wrong.span, wrong.label, *wrong.notes)
        self._definitions.shapes.unknown.add(name)
        return instead

    # Shapes that are declared.

    def _declared(self, name: str) -> Shape:
        """The shape of an input."""
        sizes = self._sizes.get(name, ())
        self._definitions.begin()
        shape: Shape = self._attempt(name, lambda: self._definitions.subscripts.shape(sizes), ())
        self._know(name, shape)
        return shape

    def _state_shape(self, equation: Equation) -> Shape:
        said = self._said.get(("initial", equation.state, 0), ())
        said = said or self._said.get(("equation", equation.state, 0), ())
        is_size = ("initial", equation.state, 0) in self._said
        shape: Shape = self._attempt(equation.state, lambda: self._definitions.shape_of(said, is_size), ())
        return shape

    # Kinds of definitions.

    def _const(self, const: Const) -> Const:
        key = ("constant", const.name, 0)

        def make() -> Const:
            part = self._definitions.whole(key, const.expr, None)
            shape = part.shape or (
                self._definitions.shape_of(self._said[key], True) if key in self._said else ()
            )
            self._know(const.name, shape)
            if not shape:
                try:
                    value = self._definitions.subscripts.evaluator.value(part.expr)
                except NotConstant:  # which the check of values tells
                    value = 1.0
                self._definitions.subscripts.evaluator.values[const.name] = self._values[const.name] = value
                return replace(const, expr=part.expr, said=self._told(key, const.expr, part.expr))
            self._values[const.name] = self._array(part.expr, f"the constant '{const.name}'")
            told = self._told(key, const.expr, part.expr)
            return replace(const, expr=part.expr, shape=part.shape, value=math.nan, said=told)

        found: Const = self._attempt(const.name, make, const)
        return found

    def _param(self, param: Param) -> Param:
        key = ("parameter", param.name, 0)

        def make() -> Param:
            said = self._said.get(key, ())
            first = said[0].expr if said else param.default
            draws = isinstance(first, Op) and first.op.startswith("draw:")
            if draws and not said:
                label = f"declare its shape: `param {param.name}[16, 16] = …`"
                raise Refused("E404", "an initializer is of an array", first.span, label)
            if draws:
                self._definitions.begin()
                shape = self._definitions.subscripts.shape(said[0].index)
                self._know(param.name, shape)
                return self._drawn(param, first, said, shape)
            part = self._definitions.whole(key, param.default, None)
            if not said:
                self._definitions.fit(param.name, param.default, part.shape, ())
                return replace(param, default=part.expr, said=self._told(key, param.default, part.expr))
            self._know(param.name, part.shape)
            values = self._array(part.expr, f"the default of '{param.name}'")
            each = tuple(float(v) for v in values.ravel())
            told: Any = {"default": part.expr, "shape": part.shape, "said": tuple(said)}
            return replace(param, value=each[0], elements=each if len(set(each)) > 1 else (), **told)

        found: Param = self._attempt(param.name, make, param)
        return found

    def _drawn(self, param: Param, expr: Expr, said: Sequence[Said], shape: Shape) -> Param:
        """A parameter whose default is drawn when a Model is made; zeros and ones are plain numbers."""
        assert isinstance(expr, Op)
        name = expr.op.partition(":")[2]
        if len(said) > 1:
            raise Refused("E405", f"'{param.name}' is drawn as a whole", said[1].span, "and given here")
        if name in ("glorot", "orthogonal") and len(shape) != 2:
            label = f"'{param.name}' is {shape_words(shape)}"
            raise Refused("E402", f"{name}() is of a matrix, [out, in]", expr.span, label)
        numbers = tuple(self._number(arg, "an argument of an initializer") for arg in expr.args)
        if name in ("normal", "uniform") and not (
            numbers[1] >= 0 if name == "normal" else numbers[0] <= numbers[1]
        ):
            label = "the deviation is not negative" if name == "normal" else "the lower end comes first"
            raise Refused("E506", f"{name}({numbers[0]:g}, {numbers[1]:g}) cannot be drawn", expr.span, label)
        if name in ("zeros", "ones"):
            return replace(param, default=expr, shape=shape, value=float(name == "ones"), said=tuple(said))
        return replace(param, default=expr, shape=shape, value=0.0, draw=(name, *numbers), said=tuple(said))

    def _number(self, expr: Expr, what: str) -> float:
        try:
            return self._definitions.subscripts.evaluator.value(expr)
        except NotConstant as error:
            message = f"the value of {what} is not known when compiled"
            raise Refused("E311", message, expr.span, f"it depends on '{error}'") from None

    def _array(self, expr: Expr, what: str) -> Any:
        """The numbers of a constant array."""
        try:
            found = evaluate(self._without_calls(expr), self._values)
        except KeyError as error:
            message = f"the value of {what} is not known when compiled"
            raise Refused("E311", message, expr.span, f"it depends on {error}") from None
        if not all(math.isfinite(float(v)) for v in found.ravel()):
            raise Refused("E504", f"{what} has elements that are no finite numbers", expr.span)
        return found

    def _without_calls(self, expr: Expr) -> Expr:
        """The expression with the model's functions written out."""

        def combine(node: Op, args: tuple[Expr, ...]) -> Expr:
            function = self._functions.get(node.op.partition(":")[2]) if node.op[:5] == "call:" else None
            if function is None:
                return Op(node.op, args, node.span, static=node.static)
            body = self._without_calls(function.body)
            return substitute(body, dict(zip(function.args, args, strict=True)))

        return fold(expr, lambda leaf: leaf, combine)

    def _told(self, key: Key, expr: Expr, found: Expr) -> tuple[Said, ...]:
        """What is shown of a definition, where it is not the formula that it became."""
        said = tuple(self._said.get(key, ()))
        return said or (() if found is expr else (Said((), (), (), expr, "", expr.span),))

    def _simple(self, item: T, key: Key, shape: Shape | None) -> T:
        """A definition by operations of arrays; shape: None where it follows from the formula."""

        def make() -> T:
            part = self._definitions.whole(key, item.expr, shape)
            own = part.shape if shape is None else shape
            if shape is None:
                self._know(key[1], own)
            found: Any = {} if isinstance(item, Intermediate) else {"shape": own}
            return replace(item, expr=part.expr, said=self._told(key, item.expr, part.expr), **found)

        if shape is not None and key[1] in self._definitions.shapes.unknown:
            return item
        made: T = self._attempt(key[1] if shape is None else "", make, item)
        return made

    def _intermediate(self, item: Intermediate) -> Intermediate:
        return self._simple(item, ("intermediate", item.name, 0), None)

    def _initial(self, item: Initial, shape: Shape) -> Initial:
        return self._simple(item, ("initial", item.state, item.order), shape)

    def _equation(self, item: Equation, shape: Shape) -> Equation:
        return self._simple(item, ("equation", item.state, 0), shape)

    def _observable(self, item: Observable) -> Observable:
        known = dict(self._definitions.shapes.shapes)
        made = self._simple(item, ("observable", item.name, 0), None)
        self._definitions.shapes.shapes = known  # an observable may bear the name of what it measures
        if item.noise is None:
            return made
        self._definitions.begin()
        args = [self._noise(arg, item.name, made.shape) for arg in item.noise.args]
        return replace(made, noise=replace(item.noise, args=tuple(args)))

    def _noise(self, expr: Expr, name: str, shape: Shape) -> Expr:
        """An argument of a distribution: a number, or one for each element."""

        def make() -> Expr:
            part = self._definitions.shapes.part(expr)
            self._definitions.fit(name, expr, part.shape, shape)
            return part.expr

        found: Expr = self._attempt(name, make, expr)
        return found


def _places(draft: System) -> dict[str, int]:
    """The line that gives each name its shape."""
    named = [(item.name, item.span) for part in (draft.consts, draft.params, draft.inputs) for item in part]
    named += [(i.state, i.span) for i in draft.initials] + [(m.name, m.span) for m in draft.intermediates]
    return {name: draft.source.position(span.start)[0] for name, span in reversed(named)}


def _of_numbers(function: Function) -> bool:
    """Whether a function's body has no operations of arrays, so that calls of it may stay."""
    stack: list[Expr] = [function.body]
    while stack:
        node = stack.pop()
        if isinstance(node, Op):
            if node.op not in OPERATIONS and not node.op.startswith("call:"):
                return False
            stack.extend(node.args)
    return True
