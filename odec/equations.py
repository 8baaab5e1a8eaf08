"""Models from Python: strings or SymPy expressions, written down as `.ode` text and read like any other."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from numbers import Integral, Rational, Real
from typing import Any

from odec import lang
from odec.diagnostics import ModelError, Source
from odec.errors import ArgumentError
from odec.keywords import OF_EQUATIONS, known_keywords
from odec.system import System

Equations = Mapping[Any, Any] | Iterable[Any]


@known_keywords(OF_EQUATIONS)
def system_from_equations(
    equations: Equations,
    params: Mapping[Any, Any] | None = None,
    init: Mapping[Any, Any] | None = None,
    *,
    consts: Mapping[Any, Any] | None = None,
    definitions: Mapping[Any, Any] | None = None,
    functions: Mapping[str, Any] | None = None,
    inputs: Mapping[Any, str] | Sequence[Any] | None = None,
    obs: Mapping[Any, Any] | None = None,
    run: str | Sequence[float] | None = None,
    time: Any = "t",
    name: str = "model",
) -> System:
    """A model from Python, with the same checks and diagnostics as a model in a file.

    equations: right-hand sides by state (`"x"`, `"x''"`, `"x[t+1]"`, a SymPy symbol, x(t) or its
    derivative), or a list of SymPy equations or of strings. Right-hand sides, and all values below, are
    numbers, strings in the language of models, or SymPy expressions. params: defaults by name; a string may
    say all that a `param` line says (`"0.1 in (0, inf) via log : 1/day"`), a tuple is (default, lower,
    upper). init: initial values by state. definitions: intermediates. functions: bodies by head, `"f(a, b)"`.
    inputs: names, or interpolation kinds by name. run: (start, stop[, step]) or the text of a `run` line.
    Raises ModelError, whose diagnostics show the text that was built, and ArgumentError.
    """
    clock = _name(time, "the time")
    pairs = _equation_pairs(equations)
    lines = [f"time {clock}"] if clock != "t" else []
    lines += [f"param {_name(k, 'a parameter')} = {_param(v, clock)}" for k, v in (params or {}).items()]
    lines += [f"const {_name(k, 'a constant')} = {_text(v, clock)}" for k, v in (consts or {}).items()]
    lines += _input_lines(inputs or ())
    lines += [f"{_head(k)} = {_text(v, clock)}" for k, v in (functions or {}).items()]
    lines += [f"init {_state(k, clock)} = {_text(v, clock)}" for k, v in (init or {}).items()]
    lines += [f"{_name(k, 'an intermediate')} = {_text(v, clock)}" for k, v in (definitions or {}).items()]
    lines += [f"{_left(k, clock)} = {_text(v, clock)}" for k, v in pairs]
    lines += [f"obs {_name(k, 'an observable')} = {_text(v, clock)}" for k, v in (obs or {}).items()]
    if run is not None:
        lines.append(_run(run, clock))
    source = Source(f"{_name(name, 'the model')}.ode", "\n".join(lines) + "\n")
    from odec.methods import names

    system, diagnostics = lang.parse(source, methods=frozenset(names()))
    if system is None:
        raise ModelError(diagnostics)
    return system


def _equation_pairs(equations: Equations) -> list[tuple[Any, Any]]:
    """Left and right sides of a mapping, a list of SymPy equations, or a list of strings."""
    if isinstance(equations, Mapping):
        return list(equations.items())
    if isinstance(equations, str):
        equations = [line for line in _lines(equations) if line.strip()]
    pairs = []
    for equation in equations:
        if isinstance(equation, str):
            left, equals, right = equation.partition("=")
            if not equals:
                raise ArgumentError(f"an equation needs '=': {equation!r}")
            pairs.append((left.strip(), right.strip()))
        elif hasattr(equation, "lhs") and hasattr(equation, "rhs"):
            pairs.append((equation.lhs, equation.rhs))
        else:
            raise ArgumentError(f"an equation is a string or a SymPy equation, not {equation!r}")
    return pairs


def _is_sympy(value: Any) -> bool:
    sympy = sys.modules.get("sympy")  # a SymPy value cannot come from a SymPy that is not imported
    return sympy is not None and isinstance(value, sympy.Basic)


def _name(key: Any, what: str) -> str:
    """The plain name in a key: a string or a SymPy symbol."""
    text = str(key.func) if _is_sympy(key) and getattr(key, "is_Function", False) else str(key)
    if not text.isidentifier():
        raise ArgumentError(f"{what} needs a plain name (letters, digits, _), not {text!r}")
    return text


def _head(key: Any) -> str:
    text = str(key)
    if not re.fullmatch(r"\w+\s*\(\s*\w+(\s*,\s*\w+)*\s*\)", text):
        raise ArgumentError(f"a function's head is like 'f(a, b)', not {text!r}")
    return text


def _state(key: Any, clock: str) -> str:
    """A state or a derivative of it: `x`, `x'`; from SymPy also x(t), x(0), Derivative(x(t), t)."""
    if _is_sympy(key):
        if getattr(key, "is_Derivative", False):
            _, order = _derivative(key, clock)
            return _name(key.expr, "a state") + "'" * order
        return _name(key, "a state")
    match = re.fullmatch(r"(\w+)\s*(?:\(\s*0\s*\))?('*)", str(key))
    if not match:
        raise ArgumentError(f"an initial value belongs to a state, like 'x' or \"x'\", not {str(key)!r}")
    return _name(match[1], "a state") + match[2]


def _left(key: Any, clock: str) -> str:
    """The left side of an equation; a bare state means its first derivative."""
    if _is_sympy(key):
        state = _state(key, clock)
        return state if state.endswith("'") else f"{state}'"
    text = str(key).strip()
    if text.isidentifier():
        return f"{text}'"
    if re.fullmatch(r"\w+'+|d\d*\s*\w+\s*/\s*d\w+|\w+\s*\[\s*\w+\s*\+\s*1\s*\]", text):
        return text
    raise ArgumentError(f"an equation's left side is like 'x', \"x''\", 'dx/dt' or 'x[t+1]', not {text!r}")


def _derivative(expr: Any, clock: str) -> tuple[str, int]:
    """The state and the order of a SymPy derivative by the time."""
    variables = {str(variable) for variable in expr.variables}
    if variables != {clock}:
        raise ArgumentError(f"only derivatives by the time {clock!r} have a meaning here, not {expr}")
    return _name(expr.expr, "a state"), len(expr.variables)


def _text(value: Any, clock: str) -> str:
    """A right-hand side as text."""
    if isinstance(value, str):
        return _joined(value)
    if isinstance(value, bool):
        raise ArgumentError(f"a formula is a number, a string or a SymPy expression, not {value!r}")
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Rational):
        fraction = Fraction(value)
        return f"{fraction.numerator}/{fraction.denominator}"
    if isinstance(value, Real):
        number = float(value)
        if not math.isfinite(number):
            raise ArgumentError(f"a formula cannot hold {number}")
        return repr(number)
    if _is_sympy(value):
        from odec.passes import from_sympy

        return lang.expression_text(from_sympy(_plain(value, clock)))
    raise ArgumentError(f"a formula is a number, a string or a SymPy expression, not {value!r}")


def _lines(text: str) -> list[str]:
    return re.split(r"\r\n|[\r\n]", text)


def _joined(text: str) -> str:
    """A text of several lines as one, with their remarks behind it."""
    first, *more = _lines(text)
    if not more:
        return first
    parts = [line.partition("#") for line in (first, *more)]
    formula = " ".join(before.strip() for before, _, _ in parts)
    remark = " ".join(after.strip("# ") for _, _, after in parts).strip()
    return f"{formula}  # {remark}" if remark else formula


def _plain(expr: Any, clock: str) -> Any:
    """SymPy's x(t) as the symbol x, and its derivatives as x', x'', …"""
    import sympy
    from sympy.core.function import AppliedUndef

    # Functions inside a derivative go with it: replace the derivatives first.
    names = {d: sympy.Symbol("{}{}".format(*_primes(d, clock))) for d in expr.atoms(sympy.Derivative)}
    expr = expr.xreplace(names)
    states = [f for f in expr.atoms(AppliedUndef) if [str(arg) for arg in f.args] == [clock]]
    return expr.xreplace({f: sympy.Symbol(str(f.func)) for f in states})


def _primes(expr: Any, clock: str) -> tuple[str, str]:
    state, order = _derivative(expr, clock)
    return state, "'" * order


def _param(value: Any, clock: str) -> str:
    if isinstance(value, tuple):
        if len(value) != 3:
            raise ArgumentError(f"a parameter's tuple is (default, lower, upper), not {value!r}")
        lower, upper = (repr(float(bound)) for bound in value[1:])
        return f"{_text(value[0], clock)} in ({lower}, {upper})"
    return _text(value, clock)


def _input_lines(inputs: Mapping[Any, str] | Sequence[Any]) -> list[str]:
    kinds = inputs if isinstance(inputs, Mapping) else dict.fromkeys(inputs, "")
    return [f"input {_name(key, 'an input')} {_joined(kind)}".rstrip() for key, kind in kinds.items()]


def _run(run: str | Sequence[float], clock: str) -> str:
    if isinstance(run, str):
        line = _joined(run).strip()
        return line if line.startswith("run") else f"run {line}"
    if len(run) not in (2, 3):
        raise ArgumentError(f"run is (start, stop) or (start, stop, step), not {run!r}")
    start, stop, *step = (_text(value, clock) for value in run)
    return f"run {clock} = {start} .. {stop}" + (f" step {step[0]}" if step else "")
