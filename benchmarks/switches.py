"""Switches in time beside closed forms, in tolerances: `python -m benchmarks.switches`.

The twelve models of tests/numerics/switch_models.py, and doses by a condition and by an input; every method,
both engines; orders of fixed steps on a problem with a switch beside the same without; gradients by what
moves a switch. --what: accuracy, orders, gradients. Nothing is timed; ODEC_CFLAGS=-O0 builds kernels sooner.
"""

from __future__ import annotations

import argparse
import functools
import math
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import odec
from benchmarks.harness import say, use_threads
from odec.methods import METHODS, Multistep, Tableau

TESTED = Path(__file__).parent.parent / "tests" / "numerics"
sys.path.insert(0, str(TESTED))
from switch_models import MODELS, STOP  # noqa: E402

D = torch.float64
TIMES = torch.tensor([0.0, 1.0, 2.5, 3.0, 6.1, STOP], dtype=D)
RTOLS = (1e-3, 1e-6, 1e-9)
ADAPTIVE = [*(name for name, method in METHODS.items() if method.adaptive), "auto"]


@dataclass(frozen=True)
class Problem:
    """A model, its output times and its states there, in closed form; samples of its input, if it has one."""

    text: str
    times: Tensor
    exact: Tensor
    inputs: dict[str, Any]

    def error(self, method: str, engine: str, rtol: float) -> float:
        """The largest error in tolerances."""
        module = odec.load(self.text, method=method, engine=engine)
        net = module.Model(engine=engine, rtol=rtol, atol=rtol, max_steps=10_000_000)
        with torch.no_grad():
            x = net(self.times, **self.inputs)[..., 0]
        return float(((x - self.exact).abs() / (rtol * (1 + self.exact.abs()))).max())


def decayed(since: Tensor, lasting: float, level: float, k: float) -> Tensor:
    """What an infusion of so long leaves: level (1 - e^(-k s)) during it, decay after."""
    on = torch.exp(-k * (since - lasting).clamp(min=0)) - torch.exp(-k * since.clamp(min=0))
    return torch.where(since > 0, level / k * on, 0 * on)


@functools.cache
def problems() -> dict[str, Problem]:
    """All that have switches, by name, and `smooth` without one."""
    found = {}
    for name, model in MODELS.items():
        p = {key: torch.tensor(value, dtype=D) for key, value in {**model.params, "k": 0.7}.items()}
        found[name] = Problem(model.text, TIMES, model.exact(TIMES, p), {})
    t = torch.tensor([0.0, 10.0, 30.0, 60.0, 100.0, 240.0], dtype=D)
    text = "param CL = 3, V = 30\ninit A = 0\nA' = (if mod(t, 24) < 0.5 then 200 else 0) - CL/V*A\n"
    doses = sum((decayed(t - 24 * n, 0.5, 200, 0.1) for n in range(11)), torch.zeros_like(t))
    found["doses, a condition"] = Problem(text, t, doses, {})
    starts = torch.arange(0, 48, 12, dtype=D)
    knots = torch.stack([starts, starts + 0.1], 1).reshape(-1)
    rate = torch.tensor([1000.0, 0.0], dtype=D).repeat(len(starts))
    t = torch.linspace(0, 48, 97, dtype=D)
    text = "param k = 2\ninput rate hold\ninit A = 0\nA' = rate - k*A\n"
    doses = sum((decayed(t - float(s), 0.1, 1000, 2.0) for s in starts), torch.zeros_like(t))
    found["doses, an input"] = Problem(text, t, doses, {"inputs": {"rate": (knots, rate)}})
    text, k = "init x = 0.4\nx' = 2 + sin(t) - 0.7*x\n", 0.7
    forced = (k * torch.sin(TIMES) - torch.cos(TIMES) + torch.exp(-k * TIMES)) / (1 + k * k)
    smooth = 0.4 * torch.exp(-k * TIMES) - 2 / k * torch.expm1(-k * TIMES) + forced
    return found | {"smooth": Problem(text, TIMES, smooth, {})}


def rtols(method: str, engine: str) -> Sequence[float]:
    """What a method is asked for: those of low order take too long at 1e-9, plain tensor code before that."""
    order = 5 if method == "auto" else METHODS[method].order
    quick = engine == "native"
    return RTOLS[: 3 if order > (2 if quick else 4) else 2 if order > 2 or quick else 1]


def chosen(method: str, engine: str, each: int) -> list[str]:
    """Names of problems: all, or so many in turn where kernels are built or tensor code solves equations."""
    names = [name for name in problems() if name != "smooth"]
    quick = engine == "torch" and isinstance(METHODS.get(method), Tableau)
    if quick or engine == "native" and method in ("tsit5", "rodas5p"):
        return names
    first = each * ADAPTIVE.index(method)
    return [names[(first + k) % len(names)] for k in range(each)]


def accuracy(engine: str, each: int, only: str) -> list[str]:
    """A row a method: the worst of the problems with switches, its name, and the smooth problem."""
    heads = " | ".join(f"{rtol:g} | worst | smooth" for rtol in RTOLS)
    lines = [f"| method | problems | {heads} |", "| --- | --: |" + " --: | --- | --: |" * 3]
    for method in ADAPTIVE:
        if not re.search(only, method) or method == "adams" and engine == "native":
            continue
        names, cells = chosen(method, engine, each), []
        for rtol in RTOLS:
            if rtol not in rtols(method, engine):
                cells += ["–", "", "–"]
                continue
            found = {name: problems()[name].error(method, engine, rtol) for name in names}
            smooth = problems()["smooth"].error(method, engine, rtol)
            worst = max(found, key=lambda name: found[name])
            cells += [f"{found[worst]:.2g}", worst, f"{smooth:.2g}"]
        lines.append(f"| `{method}` | {len(names)} | {' | '.join(cells)} |")
        say(lines[-1])
    return lines


SWITCH = 2.6
ENDS = torch.tensor([0.0, 1.3, 3.9, 6.5], dtype=D)
COUNTS = {1: (20, 30, 40), 2: (12, 16, 24), 3: (8, 12, 16), 4: (6, 8, 12), 5: (4, 6, 8)}
"""Steps from 0 to 1.3 by order; 2, 3 and 4 of higher ones, whose errors come down to rounding.

Four times as many of Adams methods, which begin anew at each stop.
"""


def slope(text: str, exact: Tensor, method: str, order: int) -> float:
    """The order seen: the slope of the error of all outputs against the step, logarithms of both."""
    found, module = [], odec.load(text, method=method, engine="torch")
    more = 4 if isinstance(METHODS[method], Multistep) else 1
    for count in COUNTS.get(order, (2, 3, 4)):
        dt = 1.3 / (more * count)
        with torch.no_grad():
            x = module.Model(engine="torch", dt=dt)(ENDS)[:, 0]
        found.append((math.log(dt), math.log(float((x - exact).norm()))))
    return float(np.polyfit(*zip(*found, strict=True), 1)[0])


def orders(only: str) -> list[str]:
    """x' = 2a(t) cos(t) x (1 - x): a switches from 1 to -1/2 at 2.6, or stays 1."""
    turned = torch.sin(ENDS.clamp(max=SWITCH))
    grown = {"if t < T then 1 else -0.5": turned - (torch.sin(ENDS) - turned) / 2, "1": torch.sin(ENDS)}
    lines = ["| method | order | a switch at 2.6 | smooth |", "| --- | --: | --: | --: |"]
    for method, m in METHODS.items():
        if not re.search(only, method):
            continue
        cells = []
        for formula, grown_by in grown.items():
            given = f"param T = {SWITCH}\n" if "T" in formula else ""
            text = f"{given}init x = 0.2\nx' = 2*({formula})*cos(t)*x*(1 - x)\n"
            exact = 1 / (1 + 4 * torch.exp(-2 * grown_by))
            cells.append(f"{slope(text, exact, method, m.order):.2f}")
        lines.append(f"| `{method}` | {m.order} | {' | '.join(cells)} |")
        say(lines[-1])
    return lines


TIGHT: dict[str, Any] = {"rtol": 1e-11, "atol": 1e-12}
WAYS: list[tuple[str, str, dict[str, Any], int]] = [
    ("dop853", "torch", TIGHT, 2),
    ("rk4", "torch", {"dt": 0.01}, 4),
    ("radau_iia5", "torch", {"dt": 0.05}, 4),
    ("rodas5p", "torch", TIGHT, 4),
    ("adams", "torch", TIGHT, 4),
    ("dop853", "torch", {**TIGHT, "adjoint": "continuous"}, 4),
    ("tsit5", "native", TIGHT, 1),
    ("rk4", "native", {"dt": 0.01}, 3),
    ("rodas5p", "native", TIGHT, 4),
    ("auto", "native", TIGHT, 4),
]
"""Method, engine, steps, and of how many models one is taken."""


def gradients(only: str) -> list[str]:
    """A row a way: the largest error beside closed forms, and adjoint less tangent along a direction.

    Relative where they are above 1.
    """
    lines = ["| method | engine | steps | models | error | adjoint − tangent |", "|" + " --- |" * 6]
    for place, (method, engine, steps, every) in enumerate(WAYS):
        if not re.search(only, method):
            continue
        names = list(MODELS)[place % every :: every]
        errors, apart = [], []
        for name in names:
            one, other = _gradient_errors(name, method, engine, steps)
            errors.append(one)
            apart.append(other)
        shown = ", ".join(f"{key} {value}" for key, value in steps.items())
        other = "–" if "adjoint" in steps else f"{max(apart):.1e}"
        lines.append(
            f"| `{method}` | {engine} | {shown} | {len(names)} | {max(errors):.1e} "
            f"({names[errors.index(max(errors))]}) | {other} |"
        )
        say(lines[-1])
    return lines


def _gradient_errors(name: str, method: str, engine: str, steps: dict[str, Any]) -> tuple[float, float]:
    model = MODELS[name]
    net = odec.load(model.text, method=method, engine=engine).Model(engine=engine, **steps)
    names = [*model.params, "k"]
    values = tuple(torch.tensor(v, dtype=D) for v in (*model.params.values(), 0.7))
    weights = torch.linspace(0.5, 2, len(TIMES), dtype=D)

    def ours(*p: Tensor) -> Tensor:
        return (weights * net(TIMES, params=dict(zip(names, p, strict=True)))[:, 0]).sum()

    def closed(*p: Tensor) -> Tensor:
        return (weights * model.exact(TIMES, dict(zip(names, p, strict=True)))).sum()

    def by(loss: Callable[..., Tensor]) -> list[Tensor]:
        leaves = [value.clone().requires_grad_() for value in values]
        loss(*leaves).backward()
        return [torch.zeros((), dtype=D) if one.grad is None else one.grad for one in leaves]

    found, exact = by(ours), by(closed)
    apart = 0.0
    if "adjoint" not in steps:
        along = tuple(torch.tensor(0.6 + 0.2 * k, dtype=D) for k in range(len(values)))
        pushed = torch.func.jvp(ours, values, along)[1]
        pulled = sum(a * b for a, b in zip(found, along, strict=True))
        apart = float(abs(pushed - pulled) / max(1.0, abs(float(pushed))))
    return max(float(abs(a - b) / max(1.0, abs(float(b)))) for a, b in zip(found, exact, strict=True)), apart


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--what", default="accuracy,orders,gradients")
    parser.add_argument("--engines", default="torch,native")
    parser.add_argument("--each", type=int, default=4, help="problems of methods that take long (default: 4)")
    parser.add_argument("--only", default="", help="methods that a regular expression finds")
    args = parser.parse_args()
    use_threads(1)
    warnings.simplefilter("ignore")
    for what in args.what.split(","):
        if what == "accuracy":
            for engine in args.engines.split(","):
                print(f"\n## {engine}\n\n" + "\n".join(accuracy(engine, args.each, args.only)), flush=True)
        else:
            found = orders(args.only) if what == "orders" else gradients(args.only)
            print(f"\n## {what}\n\n" + "\n".join(found), flush=True)


if __name__ == "__main__":
    main()
