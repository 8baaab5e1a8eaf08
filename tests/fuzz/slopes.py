"""Random formulas at points where they have a pole, a root or an overflow: derivatives against mpmath.

A fault is an entry of a derivative that differs from the limit of the formula's slope, or is not finite
though that limit is, where the formula's own value is finite and right.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import mpmath as mp

from odec import lang
from odec.diagnostics import Source
from odec.passes import derive
from odec.passes.program import Program, Programs
from odec.tree import OPERATIONS, Expr, Number, Op, Symbol, evaluate, fold

MOST_LOST = 1 / 100
"""The share of entries that may be no number though there is a limit; docs/language.md says which."""

KINKS = frozenset("min max clip gt relu abs".split())
NAMES = ("z", "k", "b", "n")
AT = (0.0, 1e-80, 1e-4, 0.7, 2.0, 40.0, 800.0, 1e60, -800.0, -0.7)
EXPONENTS = (-3.0, -2.0, -1.0, -0.5, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)


def _listed(text: str) -> list[str]:
    return text.strip().replace("\n", "|").split("|")


_POLES = _listed(
    """
k/z|1/z|k/(b*z)|b/z**2|(k/z)**2|(k/z)**n|(k/z)**0.5|z**(-n)|z**(-2)|z**n|n/(3/z)|k/(z/b)|k/sqrt(z)
k/(exp(z) - 1)|1/(z*z)|b*k/z/n|(z/k)**(-n)|k/z**n|1/(z + z**2)|(1 + z)/z|log(z)|k*log(z/b)|k/tanh(z)
1/z**0.5|z**(-0.5)|(b/z - k)|k/z + b/z**2
"""
)
_SMALL = _listed(
    """
z|k*z|z**2|z**n|sqrt(z)|z**0.5|z**1.5|sqrt(k*z)|z/(k + z)|z**n/(k**n + z**n)|(z/k)**n|z*log(z)
z**2*log(z/k)|exp(z)|exp(k*z)|exp(-k*z)|k*exp(b*z)|z/k|z**4|cosh(z)|10**z|k**z|exp(n*log(z))|b - z
1 + z|sqrt(z**2 + k)|sqrt(z)*z|hill(z, k, n)
"""
)
_SHAPES = _listed(
    """
1/(k + U)|b/(k + U)|U/(k + U)|b*U/(1 + U)|1/(1 + U)|1/(1 + U)**2|(1 + U)**(-b)|(1 + U)**(-0.5)
k/(b + U + U**2)|U**n/(k**n + U**n)|exp(-U)|exp(-k*U)|b*exp(-U)|1 - exp(-U)|exp(U)|exp(-U**2)
exp(-(U)**n)|tanh(U)|atan(U)|atan(k*U)|erf(U)|sigmoid(U)|1/(1 + exp(U))|1/(1 + exp(-U))
exp(-U)/(1 + exp(-U))|1/(1 + exp(-(U - k)/b))|log(1 + U)|log(1 + exp(-U))|min(U, k)|max(-U, k)
sqrt(U)|if U > k then b else U|if z > 0 then U else k|k/(1 + k/(U))|1/(b + k/(n + U))|U/(U + k/b)
b - k/(1 + U)|tanh(k*U)*b|U|1/sqrt(1 + U**2)|U/sqrt(k + U**2)|log(1 + exp(U))|(U)**0.5|1/cosh(U)
clip(U, 0, k)|abs(U)/(1 + abs(U))|relu(U - k)|relu(k - U)/b
"""
)
_JOINTS = (
    "A*B",
    "A*B",
    "A + B",
    "A/(k + B)",
    "A/B",
    "A - B",
    "sqrt(A*B)",
    "A*z",
    "z*B",
    "A*z**n",
    "A*sqrt(z)",
)


def formula(rng: random.Random) -> str:
    """A formula in z, k, b and n as people write them."""

    def part() -> str:
        inner = rng.choice(_POLES if rng.random() < 0.5 else _SMALL)
        text = rng.choice(_SHAPES).replace("U", _bracketed(inner))
        return rng.choice(_SHAPES).replace("U", _bracketed(text)) if rng.random() < 0.2 else text

    if rng.random() < 0.65:
        return part()
    return rng.choice(_JOINTS).replace("A", f"({part()})").replace("B", f"({part()})")


def _bracketed(text: str) -> str:
    return text if text.isalnum() else f"({text})"


def text_of(written: str) -> str:
    """The model with the formula as right-hand side of z, beside states at rest."""
    text = "".join(f"init {name} = 1\n" for name in NAMES) + f"z' = {written}\n"
    return text + "".join(f"{name}' = 0\n" for name in NAMES[1:]) + "run t = 0 .. 1\n"


@dataclass(frozen=True)
class Wrong:
    """An entry that is wrong: by which name, how it was computed, what it is and should be."""

    formula: str
    point: Mapping[str, float]
    by: str
    way: str
    found: float
    exact: float

    @property
    def kind(self) -> str:
        return "not finite" if not math.isfinite(self.found) else "wrong"

    def __str__(self) -> str:
        at = ", ".join(f"{name} = {value:g}" for name, value in self.point.items())
        what = f"{self.kind}: d/d{self.by} {self.formula} at {at} ({self.way})"
        return f"{what}: {self.found!r}, exact {self.exact!r}"


def points(rng: random.Random, count: int) -> Iterator[dict[str, float]]:
    """So many points, those at 0 first of all."""
    for j in range(count):
        z = 0.0 if j < 3 else rng.choice(AT)
        k, b = (rng.choice((rng.uniform(0.3, 3), 2.0)) for _ in range(2))
        yield {"z": z, "k": k, "b": b, "n": rng.choice(EXPONENTS)}


def check(written: str, at: list[dict[str, float]]) -> tuple[int, list[Wrong]]:
    """How many entries could be judged, and those that are wrong."""
    system, found = lang.parse(Source("formula.ode", text_of(written)))
    if system is None:
        raise ValueError(f"{written}: {found}")
    expr = system.equations[0].expr
    programs = derive(system)
    judged, wrong = 0, list[Wrong]()
    for point in at:
        value = _value(programs, point)
        if not math.isfinite(value):
            continue
        if _decisions(expr, point) != _decisions(expr, {**point, "z": point["z"] * (1 + 1e-12) or 1e-9}):
            continue  # a kink, or a condition that opens there
        if _rounded_onto_a_kink(expr, point) or _underflows(expr, point):
            continue
        limits = {by: _limit(expr, point, by, value) for by in NAMES}
        slopes = _slopes(programs, point)
        for by, exact in limits.items():
            if exact is None:
                continue
            for way, entries in slopes.items():
                if way == "jvp" and (limits["z"] is None or point["z"] < 0):
                    continue  # no tangent, but 0, goes with a slope that is infinite or none
                judged += 1
                if not _close(entries[by], exact, value, point[by]):
                    wrong.append(Wrong(written, point, by, way, entries[by], exact))
    return judged, wrong


def _close(found: float, exact: float, value: float, at: float) -> bool:
    rounding = 1e-12 * max(1.0, abs(value)) / (min(1.0, abs(at)) if abs(at) > 1e-9 else 1.0)
    return abs(found - exact) <= 1e-8 * abs(exact) + rounding


def _decisions(expr: Expr, point: Mapping[str, float]) -> list[list[int]]:
    """What the kinks and conditions of a formula decide."""
    found: list[list[int]] = []

    def combine(node: Op, args: tuple[float, ...]) -> float:
        if node.op in KINKS:
            against = args[1:] if len(args) > 1 else (0.0,)
            found.append([(args[0] > other) - (args[0] < other) for other in against])
        return float(OPERATIONS[node.op].evaluate(*args))

    def guarded(node: Op, args: tuple[float, ...]) -> float:
        try:
            return combine(node, args)
        except (OverflowError, ValueError):
            return math.nan

    fold(expr, lambda leaf: leaf.value if isinstance(leaf, Number) else point[leaf.name], guarded)
    return found


def _rounded_onto_a_kink(expr: Expr, point: Mapping[str, float]) -> bool:
    """Whether a kink or a condition is decided otherwise without rounding, as that of relu(k - (b - z))."""
    found: list[tuple[Any, ...]] = []

    def combine(node: Op, args: tuple[Any, ...]) -> Any:
        if node.op in KINKS:
            found.append(args)
        if node.op == "select":
            return args[1] if args[0] else args[2]
        try:
            return EXACT[node.op](*args)
        except (_Unknown, ArithmeticError, ValueError, TypeError):
            return mp.nan

    with mp.workdps(200):
        at = {name: mp.mpf(value) for name, value in point.items()} | {"z": mp.mpf(point["z"] or "1e-70")}
        fold(expr, lambda leaf: mp.mpf(leaf.text) if isinstance(leaf, Number) else at[leaf.name], combine)
        exact = [[_sign(args[0] - other) for other in args[1:] or (0,)] for args in found]
    pairs = zip(_decisions(expr, point), exact, strict=True)
    return any(b is not None and a != b for here, there in pairs for a, b in zip(here, there, strict=True))


def _underflows(expr: Expr, point: Mapping[str, float]) -> bool:
    """Whether a part is so small that it has few digits left, as (1e-80)**4."""
    found: list[float] = []

    def combine(node: Op, args: tuple[float, ...]) -> float:
        try:
            found.append(float(OPERATIONS[node.op].evaluate(*args)))
        except (OverflowError, ValueError):
            found.append(math.nan)
        return found[-1]

    fold(expr, lambda leaf: leaf.value if isinstance(leaf, Number) else point[leaf.name], combine)
    return any(0 < abs(value) < sys.float_info.min for value in found)


def _sign(x: Any) -> int | None:
    """The sign of a real number, None of what is none."""
    return None if isinstance(x, mp.mpc) or mp.isnan(x) else int(mp.sign(x))


def _value(programs: Programs, point: Mapping[str, float]) -> float:
    env = {"t": 0.0, **point}
    return float(_run(programs.rhs, env, "dx")[programs.states.names.index("z")])


def _run(program: Program, given: Mapping[str, float], group: str) -> list[float]:
    env = dict(given)
    for line in program.body:
        env[line.name] = float(evaluate(line.expr, env))
    return [float(evaluate(expr, env)) for expr in program.outputs[group]]


def _slopes(programs: Programs, point: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """The entries from the left, from the right, and of the Jacobian."""
    at, states = {"t": 0.0, **point}, programs.states.names
    row = states.index("z")
    seen = {**at, **{f"w_{name}": float(name == "z") for name in states}}
    pulled = dict(zip(states, _run(programs.rhs_vjp, seen, "x"), strict=True))
    pushed = {}
    for by in states:
        tangents = {"d_t": 0.0, **{f"d_{name}": float(name == by) for name in states}}
        pushed[by] = _run(programs.rhs_jvp, {**at, **tangents}, "dx")[row]
    sparse = programs.jacobians["rhs", "x"]
    entries = dict.fromkeys(states, 0.0)
    for r, c, entry in zip(sparse.rows, sparse.cols, _run(sparse.program, at, "entries"), strict=True):
        if r == row:
            entries[states[c]] = entry
    return {"vjp": pulled, "jvp": pushed, "jacobian": entries}


class _Unknown(Exception):
    """A value that mpmath has not, or that is no limit."""


def _limit(expr: Expr, point: Mapping[str, float], by: str, value: float) -> float | None:
    """The slope at the point, that beside z = 0 as z falls to it; None where it is none or not finite."""
    try:
        with mp.workdps(700):
            if point["z"] != 0:
                here, slope = _slope(expr, point, by, point["z"])
                _, nearer = _slope(expr, point, by, point["z"], 230)
                if abs(slope - nearer) > mp.mpf(10) ** -9 * abs(nearer) + mp.mpf(10) ** -13:
                    return None  # a root or a pole right there
            else:
                here, slope = _slope(expr, point, by, mp.mpf(10) ** -70)
                _, nearer = _slope(expr, point, by, mp.mpf(10) ** -110)
                if abs(slope - nearer) > mp.mpf(10) ** -9 * abs(nearer) + mp.mpf(10) ** -13:
                    return None
                slope = nearer
            if abs(here - value) > mp.mpf(10) ** -9 * abs(here) + mp.mpf(10) ** -65 or abs(slope) > 1e150:
                return None
            return float(slope)
    except (_Unknown, ValueError, ZeroDivisionError, OverflowError, TypeError, mp.libmp.NoConvergence):
        return None


def _slope(expr: Expr, point: Mapping[str, float], by: str, z: Any, digits: int = 150) -> tuple[Any, Any]:
    at = {name: mp.mpf(value) for name, value in point.items()} | {"z": mp.mpf(z)}
    step = abs(at[by]) * mp.mpf(10) ** -digits
    here = _exact(expr, at)
    return here, (_exact(expr, at | {by: at[by] + step}) - here) / step


def _exact(expr: Expr, at: Mapping[str, Any]) -> Any:
    def leaf(node: Number | Symbol) -> Any:
        return mp.mpf(node.text) if isinstance(node, Number) else at[node.name]

    def combine(node: Op, args: tuple[Any, ...]) -> Any:
        if node.op == "select":
            return args[1] if args[0] else args[2]
        value = EXACT[node.op](*args)
        if isinstance(value, mp.mpf) and mp.isfinite(value) or isinstance(value, bool):
            return value
        raise _Unknown

    return fold(expr, leaf, combine)


def _product(*args: Any) -> Any:
    return mp.fprod(args)


def _exp(x: Any) -> Any:
    """exp, with what is beyond all reach as 0."""
    if abs(x) > mp.mpf(10) ** 150:
        if x > 0:
            raise _Unknown
        return mp.mpf(0)
    return mp.exp(x)


def _tanh(x: Any) -> Any:
    return mp.sign(x) if abs(x) > 10**4 else mp.tanh(x)


def _cosh(x: Any) -> Any:
    return (_exp(x) + _exp(-x)) / 2


def _pow(x: Any, y: Any) -> Any:
    if x < 0 and y != int(y):
        raise _Unknown
    return x ** (int(y) if y == int(y) and abs(y) < 1000 else y)


EXACT: Mapping[str, Callable[..., Any]] = {
    "add": lambda *a: mp.fsum(a),
    "mul": _product,
    "div": lambda a, b: a / b,
    "neg": lambda a: -a,
    "pow": _pow,
    "exp": _exp,
    "log": lambda x: mp.log(x) if x > 0 else mp.mpc(0, 1),
    "sqrt": lambda x: mp.sqrt(x),
    "tanh": _tanh,
    "cosh": _cosh,
    "atan": mp.atan,
    "erf": lambda x: mp.sign(x) if abs(x) > 60 else mp.erf(x),
    "sigmoid": lambda x: 1 / (1 + _exp(-x)) if x > 0 else _exp(x) / (1 + _exp(x)),
    "hill": lambda x, k, n: _pow(x, n) / (_pow(k, n) + _pow(x, n)),
    "min": min,
    "max": max,
    "clip": lambda x, low, high: min(max(x, low), high),
    "abs": abs,
    "relu": lambda x: max(x, mp.mpf(0)),
    "gt": lambda a, b: bool(a > b),
}
