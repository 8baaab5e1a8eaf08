"""Statements to a System: names looked up, values of constants found, everything that is wrong reported."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath

from odec.diagnostics import Diagnostic, Source, Span
from odec.lang import syntax
from odec.lang.functions import DISTRIBUTIONS, INPUT_KINDS
from odec.lang.names import VALUES, Names
from odec.lang.reader import Reading
from odec.lang.report import Report, words
from odec.lang.resolve import Context, Resolver
from odec.lang.structure import check_structure
from odec.lang.switch_warnings import report_switches
from odec.lang.values import Values
from odec.system import (
    Const,
    Equation,
    Function,
    Initial,
    Input,
    Intermediate,
    Interval,
    Noise,
    Observable,
    Param,
    Run,
    System,
)
from odec.tree import Expr

_CONSTANT = frozenset({"constant"})
_MAX_ORDER = 9


def check(
    source: Source, reading: Reading, methods: frozenset[str] | None
) -> tuple[System | None, list[Diagnostic]]:
    """The System of the statements read, or None and what is wrong with them and what could not be read."""
    report = Report(source)
    report.extend([*reading.errors, *reading.warnings])
    if report.full or any(d.code == "E116" for d in reading.errors):
        return None, report.diagnostics()
    checker = _Checker(source, reading, methods, report)
    draft = checker.draft(reading.doc)
    check_structure(draft, checker.names, reading, report)
    if report.failed:
        return None, report.diagnostics()
    system = Values(draft, reading.statements, checker.fixed, report).complete()
    if not report.failed:
        report_switches(system, report)
    return (None if report.failed else system), report.diagnostics()


def model_name(source: Source) -> str:
    """The file's name without folder and ending; `model` where the text is of no file."""
    stem = PurePath(source.name).stem
    return stem if stem and stem[0] not in "<-" else "model"


class _Checker:
    def __init__(
        self,
        source: Source,
        reading: Reading,
        methods: frozenset[str] | None,
        report: Report,
    ):
        self.source = source
        self.statements = reading.statements
        self.methods = methods
        self.report = report
        self.names = Names(reading.statements, report, reading.unread)
        self.resolver = Resolver(self.names.entries, self.names.time, report)
        self.fixed: dict[Span, Expr] = {}

    def draft(self, doc: str) -> System:
        """The System with names looked up, and values, intervals and transforms still open."""
        parts: dict[str, list] = {}
        run: Run | None = None
        for statement in self.statements:
            for part in self._parts(statement):
                if isinstance(part, Run):
                    if run is not None:
                        first = f"the first stands on line {self.source.position(run.span.start)[0]}"
                        self.report.add("E314", "the run is given twice", part.span, "", first)
                    run = run or part
                else:
                    parts.setdefault(type(part).__name__, []).append(part)
        self.resolver.report_unknown()

        def of(kind: type) -> tuple:
            return tuple(parts.get(kind.__name__, ()))

        time = next((s for s in self.statements if isinstance(s, syntax.Time)), None)
        equations: tuple[Equation, ...] = of(Equation)
        maps = [s for s in self.statements if isinstance(s, syntax.Rule) and s.kind == "map"]
        return System(
            name=model_name(self.source),
            source=self.source,
            kind="map" if maps else "ode",
            time=self.names.time,
            time_unit=time.unit if time else None,
            doc=doc,
            states=tuple(dict.fromkeys(e.state for e in equations)),
            params=of(Param),
            consts=of(Const),
            equations=equations,
            initials=of(Initial),
            intermediates=of(Intermediate),
            functions=of(Function),
            inputs=of(Input),
            observables=of(Observable),
            run=run,
            state_units=self._state_units(),
        )

    def _state_units(self) -> dict[str, str]:
        units = {}
        for statement in self.statements:
            if isinstance(statement, syntax.Inits) and statement.unit is not None:
                units.update({i.name.text: statement.unit for i in statement.items if i.order == 0})
        return units

    def _constant(self, expr: Expr, what: str, infinite: bool = False) -> Expr:
        """Resolved, and kept under its span for the values' check."""
        resolved = self.resolver.number(expr, Context(what, _CONSTANT, infinite=infinite))
        if expr.span is not None:
            self.fixed[expr.span] = resolved
        return resolved

    def _value(self, expr: Expr, what: str) -> Expr:
        return self.resolver.number(expr, Context(what))

    def _parts(self, statement: syntax.Statement) -> Iterable[object]:
        match statement:
            case syntax.Params():
                return self._params(statement)
            case syntax.Consts(items=items, unit=unit, doc=doc):
                return [self._const(item, unit, doc) for item in items]
            case syntax.Inits():
                return self._inits(statement)
            case syntax.Rule():
                return self._rule(statement)
            case syntax.Definition(name=name, expr=expr, doc=doc, span=span):
                return [Intermediate(name.text, self._value(expr, "an intermediate"), doc, span)]
            case syntax.FunctionDefinition():
                return self._function(statement)
            case syntax.Inputs():
                return self._inputs(statement)
            case syntax.Observation():
                return self._observation(statement)
            case syntax.RunLine():
                return self._run(statement)
        return []

    def _const(self, item: syntax.Binding, unit: str | None, doc: str) -> Const:
        """Its value is found when all constants are known."""
        expr = self._constant(item.expr, "a constant")
        return Const(item.name.text, expr, 0.0, unit, doc, item.name.span)

    def _params(self, statement: syntax.Params) -> list[Param]:
        """Bounds and transforms are found once the constants have their values."""
        params = []
        if statement.bounds is not None:
            self._constant(statement.bounds.lower, "a bound of an interval", infinite=True)
            self._constant(statement.bounds.upper, "a bound of an interval", infinite=True)
        for item in statement.items:
            default = self._constant(item.expr, "the default of a parameter")
            transform = statement.transform.text if statement.transform else ""
            name, span, unit, doc = item.name.text, item.name.span, statement.unit, statement.doc
            params.append(Param(name, default, 0.0, Interval(), transform, unit, doc, span))
        return params

    def _inits(self, statement: syntax.Inits) -> list[Initial]:
        context = Context("an initial value", VALUES - {"input"})
        initials = []
        for item in statement.items:
            expr = self.resolver.number(item.expr, context)
            name, span = item.name.text, item.name.span
            initials.append(Initial(name, item.order, expr, statement.unit, statement.doc, span))
        return initials

    def _rule(self, rule: syntax.Rule) -> list[Equation]:
        if rule.wrt is not None:
            self._check_time(rule.wrt, f"`time {rule.wrt.text}` would name it so")
        if rule.order > _MAX_ORDER:
            self.report.add("E107", f"a derivative of order {rule.order}", rule.span, f"at most {_MAX_ORDER}")
            return []
        expr = self._value(rule.expr, "an equation")
        return [Equation(rule.state.text, rule.order, expr, rule.doc, rule.span)]

    def _check_time(self, given: syntax.Name, *notes: str) -> None:
        time = self.names.time
        if given.text != time and given.text not in self.names.unread:
            message = f"the independent variable is '{time}', not '{given.text}'"
            self.report.suggest("E318", message, given.span, time, *notes)

    def _function(self, f: syntax.FunctionDefinition) -> list[Function]:
        seen: dict[str, Span] = {}
        for arg in f.args:
            self.names.allowed_argument(arg)
            if arg.text in seen:
                message = f"the function '{f.name.text}' has two arguments named '{arg.text}'"
                self.report.add("E202", message, arg.span, "named again")
            seen[arg.text] = arg.span
        context = Context("a function", VALUES, frozenset(seen))
        body = self.resolver.number(f.body, context)
        return [Function(f.name.text, tuple(a.text for a in f.args), body, f.doc, f.span)]

    def _inputs(self, statement: syntax.Inputs) -> list[Input]:
        kind = statement.kind.text if statement.kind else "hold"
        if kind not in INPUT_KINDS and statement.kind:
            message = f"unknown kind of input '{kind}'"
            guess = self.report.guess(kind, INPUT_KINDS)
            self.report.suggest(
                "E211", message, statement.kind.span, guess, f"an input is {words(INPUT_KINDS)}"
            )
        return [Input(n.text, kind, statement.unit, statement.doc, n.span) for n in statement.names]

    def _observation(self, o: syntax.Observation) -> list[Observable]:
        expr = self._value(o.expr, "an observable")
        noise = None
        if o.noise is not None:
            name = o.noise.distribution
            args = tuple(self._value(arg, "a noise term") for arg in o.noise.args)
            self._check_noise(name, len(args), o.noise.span)
            noise = Noise(name.text, args, o.noise.span)
        return [Observable(o.name.text, expr, noise, o.unit, o.doc, o.span)]

    def _check_noise(self, name: syntax.Name, count: int, span: Span) -> None:
        wanted = DISTRIBUTIONS.get(name.text)
        if wanted is None:
            gauss = name.text.casefold().startswith("gauss")
            guess = "normal" if gauss else self.report.guess(name.text, DISTRIBUTIONS)
            note = f"the noise may be {words(DISTRIBUTIONS)}"
            self.report.suggest("E209", f"unknown distribution '{name.text}'", name.span, guess, note)
        elif count != len(wanted):
            form = f"{name.text}({', '.join(wanted)})" if wanted else name.text
            takes = f"{len(wanted)} argument{'' if len(wanted) == 1 else 's'}" if wanted else "no arguments"
            message = f"'{name.text}' takes {takes}"
            self.report.add("E205", message, span, f"{count} given", f"write `~ {form}`")

    def _run(self, statement: syntax.RunLine) -> list[Run]:
        method = statement.method
        for number, what in statement.numbers:
            self._constant(number, what)
        self._check_time(statement.time)
        if method is not None and self.methods is not None and method.text not in self.methods:
            guess = self.report.guess(method.text, sorted(self.methods))
            note = "`odec list methods` shows them all"
            self.report.suggest("E207", f"unknown method '{method.text}'", method.span, guess, note)
        return [Run(0.0, 0.0, None, method.text if method else None, span=statement.span)]
