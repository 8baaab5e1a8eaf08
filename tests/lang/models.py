"""Generated models: texts with random spacing and spellings, for the formatter, the parser and the fuzzer."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

from hypothesis import strategies as st

from odec.diagnostics import Diagnostic, Source, Span
from odec.lang import parse
from odec.system import System

NAMES = [
    "x1",
    "beta",
    "lambda",
    "class",
    "torch",
    "N",
    "S",
    "I",
    "E",
    "zeta",
    "p",
    "x",
    "gamma",
    "µ",
    "e\u0301",
    "k₂",
    "in",
    "run",
]


def system_of(text: str) -> System:
    """The System of a text that has to be right."""
    system, found = parse(Source("model.ode", text))
    assert system is not None, found
    return system


def errors_of(text: str) -> list[Diagnostic]:
    system, found = parse(Source("model.ode", text))
    assert system is None, "no error was found"
    return found


def codes_of(text: str) -> list[str]:
    return [d.code for d in parse(Source("model.ode", text))[1]]


def without_spans(value: Any) -> Any:
    """The same with every span and source blanked."""
    if isinstance(value, Span):
        return Span(0, 0)
    if isinstance(value, Source):
        return Source("", "")
    if isinstance(value, tuple):
        return tuple(without_spans(item) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        changed = {f.name: without_spans(getattr(value, f.name)) for f in fields(value) if f.init}
        return replace(value, **changed)
    return value


@st.composite
def formulas(draw: st.DrawFn, names: list[str], depth: int = 3) -> str:
    """A formula over the names, with spaces, aliases and line breaks wherever they may be."""
    s = draw(st.sampled_from(["", " ", "  "]))
    kind = draw(
        st.sampled_from(
            ["leaf"] * 2 + ["infix"] * 3 + ["call", "sign", "if", "piecewise", "bracket", "power"]
        )
    )
    if depth == 0 or kind == "leaf":
        return draw(st.sampled_from([*names, "1", "0.5", ".25", "2e-3", "pi", "t"]))
    inner = formulas(names, depth - 1)
    left, right = draw(inner), draw(inner)
    if kind == "infix":
        sign = draw(st.sampled_from(["+", "-", "*", "**", "^", "−", "·"]))
        return f"({names[0]}+{left}){s}{sign}{s}{right}" if sign in "**^" else f"{left}{s}{sign}{s}{right}"
    if kind == "call":
        name = draw(st.sampled_from(["cos", "Abs", "tanh", "heav", "sin"]))
        comma = draw(st.sampled_from(["", "", ","]))
        return f"{name}({s}{left}{s}{comma})"
    if kind == "sign":
        return f"-{s}({left})"
    if kind == "power":
        return f"({left}+{names[1]}){s}{draw(st.sampled_from(['²', '⁻³', '¹⁰']))}"
    if kind == "bracket":
        comment = draw(st.sampled_from(["", "# inside", "#\n"]))
        return f"({s}{left} {comment}\n{s}+{right})"
    condition = draw(st.sampled_from(["{a}<{b}", "not {a} >= {b}", "({a} > 1) & ({b} < 1)", "1 < {a} < 2"]))
    condition = condition.format(a=names[0], b=names[-1])
    if kind == "if":
        return f"({s}if {condition} then {left} else {right}{s})"
    return f"Piecewise(({left},{s}{condition}),{s}({right}, True))"


@st.composite
def models(draw: st.DrawFn) -> str:
    """A whole model without mistakes, its statements in any order."""
    names = draw(st.permutations(NAMES))
    states, params, others = names[:2], names[2:5], names[5:9]
    formula = formulas([*states, *params])
    s = draw(st.sampled_from(["", " ", "   "]))
    is_map = draw(st.booleans())
    lines = []
    for state in states:
        left = (
            f"{state}[t{s}+1]"
            if is_map
            else draw(st.sampled_from([f"d{state}/dt", f"{state}'", f"{state} '"]))
        )
        lines.append(f"{left}{s}={s}{draw(formula)}")
        initial = draw(
            st.sampled_from([f"init {state}{s}={s}1", f"{state}(0)={s}1", f"init {state}=1 : mol/L"])
        )
        lines.append(initial)
    word = draw(st.sampled_from(["param", "par"]))
    bounds = draw(st.sampled_from(["", " in (0,inf)", " in[-1 , 2 ]  via none", " via log10"]))
    unit = draw(st.sampled_from(["", " : 1/day", ":mol / L^2"]))
    comma = draw(st.sampled_from([", ", " ,", " "])) if word == "par" else ","
    lines.append(f"{word} {params[0]}=1{comma}{params[1]}{s}= .5{bounds}{unit}")
    lines.append(f"param {params[2]} = +{others[0]}")
    lines.append(f"{draw(st.sampled_from(['const', 'number']))} {others[0]}{s}={s}2")
    lines.append(f"{others[1]} = {draw(formula)}")
    lines.append(f"{draw(st.sampled_from(['obs', 'aux']))} out={others[1]}{s}~normal({s}{params[0]} )")
    lines.append(f"f_({others[2]},b_) = {others[2]}*b_ + {params[0]}")
    lines.append(f"obs out2 = f_( {states[0]} ,1)")
    lines.append("run t=0..10")
    lines = draw(st.permutations(lines))
    ends = st.sampled_from(["", "", "#note", "  # a note ", "\n", "\n\n\n\n", "\n  # alone", " \\\n"])
    return "".join(line + draw(ends) + "\n" for line in lines)
