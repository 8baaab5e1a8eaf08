"""The last check: values of constants, defaults in their intervals, transforms, the run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from odec.diagnostics import Span
from odec.lang import syntax
from odec.lang.constants import MAX_LEVELS, MAX_STEPS, ConstantCheck, Evaluator, NotConstant
from odec.lang.graph import order
from odec.lang.report import Report, words
from odec.lang.structure import references
from odec.system import TRANSFORMS, Const, Interval, Noise, Param, Run, System, derivative_name
from odec.tree import Expr, Op


class Values:
    """Fills in what the draft leaves open; `fixed` has bounds and the ends of the run by their spans."""

    def __init__(
        self, draft: System, statements: list[syntax.Statement], fixed: Mapping[Span, Expr], report: Report
    ):
        self._draft = draft
        self._statements = statements
        self._fixed = fixed
        self._report = report
        self._evaluator = Evaluator({f.name: f for f in draft.functions})

    def complete(self) -> System:
        draft = self._draft
        consts = self._consts()
        check = ConstantCheck(self._evaluator.values, self._report)
        for expr in self._expressions():
            check.check(expr)
        params: list[Param] = []
        run = draft.run
        defaults = {p.name: p for p in draft.params}
        for statement in self._statements:
            if isinstance(statement, syntax.Params):
                bounds = self._interval(statement.bounds)
                for item in statement.items:
                    if (param := defaults.pop(item.name.text, None)) is not None:
                        params.append(self._param(param, item.expr.span, statement, bounds))
            elif isinstance(statement, syntax.Net):
                own = f"{statement.name.text}."
                params += [defaults.pop(name) for name in [*defaults] if name.startswith(own)]
            elif isinstance(statement, syntax.RunLine) and run is not None:
                run = self._run(statement, run)
        for comparison in self._equalities():
            note = "a state passes through a value between two steps; compare with <= or >="
            message = "'==' of a quantity that changes in time"
            self._report.add("W605", message, comparison.span, "rarely true", note)
        observables = tuple(replace(o, noise=self._noise(o.noise)) for o in draft.observables)
        return replace(draft, consts=consts, params=tuple(params), observables=observables, run=run)

    def _noise(self, noise: Noise | None) -> Noise | None:
        """The noise, with the standard deviation of a normal one where that is a constant."""
        if noise is None or noise.distribution != "normal" or not noise.args:
            return noise
        try:
            return replace(noise, sigma=self._evaluator.value(noise.args[0]))
        except NotConstant:
            return noise

    def _expressions(self) -> Iterable[Expr]:
        draft = self._draft
        parts = (draft.equations, draft.intermediates, draft.initials, draft.observables)
        for definitions in parts:
            for definition in definitions:
                yield definition.expr
        for function in draft.functions:
            yield function.body
        for observable in draft.observables:
            yield from observable.noise.args if observable.noise else ()

    def _consts(self) -> tuple[Const, ...]:
        by_name = {c.name: c for c in self._draft.consts}
        graph = {name: [r for r in references(c.expr) if r in by_name] for name, c in by_name.items()}
        for function in self._draft.functions:
            graph[function.name] = references(function.body)
        for const in by_name.values():
            graph[const.name] = references(const.expr)
        for name in order(graph):
            if name in by_name and not by_name[name].shape:
                value = self._constant(by_name[name].expr, f"the constant '{name}'")
                by_name[name] = replace(by_name[name], value=value)
                self._evaluator.values[name] = value
        return tuple(by_name.values())

    def _constant(self, expr: Expr, what: str) -> float:
        """A finite value (1 where something was reported)."""
        ConstantCheck(self._evaluator.values, found := Report(self._report.source)).check(expr)
        self._report.extend(found.diagnostics())
        if found.failed:
            return 1.0
        try:
            value = self._evaluator.value(expr)
        except NotConstant as error:
            name = str(error)
            message = f"the value of {what} is not known when compiled"
            most = f"more than {MAX_STEPS} operations, or {MAX_LEVELS} inside one another"
            label = f"it depends on '{name}'" if name else most
            self._report.add("E311", message, expr.span, label, "it may use numbers and constants")
            return 1.0
        if not math.isfinite(value):
            shown = "not a real number" if math.isnan(value) else "infinite"
            self._report.add("E504", f"the value of {what} is {shown}", expr.span)
            return 1.0
        return value

    def _bound(self, expr: Expr) -> float:
        resolved = self._at(expr)
        infinite = _infinity(resolved)
        return self._constant(resolved, "a bound of an interval") if infinite is None else infinite

    def _at(self, expr: Expr) -> Expr:
        """The resolved form of an expression of the syntax tree."""
        return expr if expr.span is None else self._fixed.get(expr.span, expr)

    def _interval(self, bounds: syntax.Bounds | None) -> Interval | None:
        if bounds is None:
            return Interval()
        lower, upper = self._bound(bounds.lower), self._bound(bounds.upper)
        if not lower < upper:
            message = f"the interval from {lower:g} to {upper:g} leaves no room"
            note = "the lower bound comes first: in (LOWER, UPPER)"
            if lower == upper:
                note = "a number that stays as it is is a `const`"
            self._report.add("E506", message, bounds.span, "", note)
            return None
        return Interval(
            lower, upper, bounds.lower_closed and lower > -math.inf, bounds.upper_closed and upper < math.inf
        )

    def _param(
        self, param: Param, default: Span | None, statement: syntax.Params, interval: Interval | None
    ) -> Param:
        value = param.value
        if not param.shape:
            value = self._constant(param.default, f"the parameter '{param.name}'")
        if interval is None:
            return param
        transform = param.transform or interval.default_transform
        if statement.bounds is None and transform in ("log", "log10"):
            interval = Interval(0.0)
        if statement.transform is not None and not self._fits(statement.transform, interval, param):
            return param
        each = param.elements or (() if param.draw else (value,))
        value = next((v for v in each if v not in interval), value)
        if each and value not in interval:
            label = f"not in {interval}"
            notes = ("the interval does not hold its round-bracketed ends",)
            at_bound = value in (interval.lower, interval.upper)
            message = f"the default of '{param.name}', {value:g}, lies outside its interval"
            self._report.add("E507", message, default, label, *(notes if at_bound else ()))
        elif {*each} & {interval.lower, interval.upper} and transform != "none":
            message = f"the default of '{param.name}' lies on a bound: a fit cannot leave it"
            note = "start it a little inside, or write `via none`"
            self._report.add("W603", message, default, f"{transform} is flat here", note)
        value = param.value if param.shape else value
        return replace(param, value=value, interval=interval, transform=transform)

    def _fits(self, transform: syntax.Name, interval: Interval, param: Param) -> bool:
        """Is the transform one we know, made for such bounds?"""
        name = transform.text
        if name not in TRANSFORMS:
            guess = self._report.guess(name, TRANSFORMS)
            note = f"a transform is {words(TRANSFORMS)}"
            self._report.suggest("E208", f"unknown transform '{name}'", transform.span, guess, note)
            return False
        finite = math.isfinite(interval.lower) + math.isfinite(interval.upper)
        wrong = ""
        if name == "softplus" and finite != 1:
            wrong = "softplus needs one finite bound, as in `in (0, inf)`"
        elif name == "logit" and finite != 2:
            wrong = "logit needs two finite bounds, as in `in (0, 1)`"
        elif name in ("log", "log10") and interval.lower < 0:
            wrong = f"{name} needs positive values: `in (0, inf)`"
        if wrong:
            message = f"the transform '{name}' does not fit the interval {interval}"
            self._report.add("E508", message, transform.span, "", wrong)
            return False
        if name in ("log", "log10") and (interval.lower > 0 or interval.upper < math.inf):
            message = f"'{name}' keeps '{param.name}' positive but does not hold it in {interval}"
            note = "without `via` both bounds are held"
            self._report.add("W604", message, transform.span, "the bounds are not held", note)
        return True

    def _run(self, statement: syntax.RunLine, run: Run) -> Run:
        value = {expr.span: self._constant(self._at(expr), what) for expr, what in statement.numbers}
        start, stop = value[statement.start.span], value[statement.stop.span]
        if start == stop:
            message = "the run ends where it starts"
            self._report.add("E312", message, statement.stop.span, f"both are {start:g}")
        for expr, what in statement.numbers[2:]:
            if value[expr.span] <= 0:
                backwards = "a run backwards in time is `run t = 10 .. 0 step 0.1`"
                notes = (backwards,) if expr is statement.step else ()
                self._report.add(
                    "E312", f"{what} is positive", expr.span, f"it is {value[expr.span]:g}", *notes
                )
        step, dt, rtol = (
            None if expr is None else value[expr.span]
            for expr in (statement.step, statement.dt, statement.rtol)
        )
        atol = tuple(value[expr.span] for expr in statement.atol)
        if self._draft.kind == "map":
            self._map_run(statement, start, stop, step)
        else:
            self._tolerances(statement)
        return Run(start, stop, step, run.method, dt, rtol, atol, span=run.span)

    def _tolerances(self, statement: syntax.RunLine) -> None:
        """Fixed steps or a tolerance, and one absolute tolerance or one for each first-order state."""
        toleranced = [*([statement.rtol] if statement.rtol else []), *statement.atol]
        if statement.dt is not None and toleranced:
            message = "dt asks for fixed steps, rtol and atol for steps that follow the error"
            notes = (
                "fixed steps: leave out rtol and atol, as in `method rk4 dt 0.1`",
                "a tolerance: leave out dt, as in `rtol 1e-8 atol 1e-10`",
                "`step` is the time between outputs, with either",
            )
            self._report.add("E319", message, statement.dt.span, "leave out this, or the tolerance", *notes)
        states = [derivative_name(e.state, k) for e in self._draft.equations for k in range(e.order)]
        if len(statement.atol) not in (0, 1, len(states)):
            message = f"{len(statement.atol)} absolute tolerances for {len(states)} states"
            note = f"one for all, or one for each of {', '.join(states)}"
            self._report.add("E312", message, statement.atol[0].span, "", note)

    def _map_run(self, statement: syntax.RunLine, start: float, stop: float, step: float | None) -> None:
        if statement.method is not None:
            self._report.add("E312", "a map needs no method", statement.method.span, "leave this out")
        for expr in (statement.dt, statement.rtol, *statement.atol):
            if expr is not None:
                message = "a map is stepped, not integrated: dt, rtol and atol do not apply"
                self._report.add("E312", message, expr.span, "leave this out")
                break
        if step is not None and step != 1 and statement.step is not None:
            self._report.add("E312", "the step of a map is 1", statement.step.span, f"it is {step:g}")
        if stop < start or stop - start != math.floor(stop - start):
            span = statement.stop.span
            self._report.add("E312", "a map runs forward by whole steps", span, f"from {start:g} to {stop:g}")

    def _equalities(self) -> Iterable[Op]:
        """Comparisons for equality in which a state or the time stands, but for those that guard a pole."""
        changing = {self._draft.time, *self._draft.states}
        bodies = {id(f.body): f.args for f in self._draft.functions}
        for expr in self._expressions():
            stack, hidden = [expr], bodies.get(id(expr), ())
            while stack:
                node = stack.pop()
                if isinstance(node, Op):
                    if node.op in ("eq", "ne") and changing.difference(hidden).intersection(references(node)):
                        yield node
                    stack.extend(node.args[1:] if _guards_a_pole(node) else node.args)


def _guards_a_pole(node: Op) -> bool:
    """Whether it is `if x == 0 then … else …/x`: what is divided by has a name of the comparison in it."""
    condition = node.args[0] if node.op == "select" else None
    if not isinstance(condition, Op) or condition.op not in ("eq", "ne"):
        return False
    compared, stack = {*references(condition)}, [node.args[2 if condition.op == "eq" else 1]]
    while stack:
        part = stack.pop()
        if isinstance(part, Op):
            if part.op == "div" and compared.intersection(references(part.args[1])):
                return True
            stack.extend(part.args)
    return False


def _infinity(expr: Expr) -> float | None:
    """±inf where the bound is written so."""
    sign = 1.0
    while isinstance(expr, Op) and expr.op == "neg":
        sign, expr = -sign, expr.args[0]
    value = getattr(expr, "value", 0.0)
    return sign * value if math.isinf(value) else None
