"""A model through compile and a short run, by one engine or by both.

A fault is an exception that is no ModelError or ArgumentError; text that is no Python or C; two texts for one
model; NaN where the status says ok, or the reverse; states (1e-9) or gradients (1e-7) of two engines that
differ, relative to the largest of their column, by far more than a change of the input in its last place.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import sys
import traceback
import warnings
from types import ModuleType
from typing import Any

import torch

import odec
from odec import api
from odec.diagnostics import ModelError, Source
from odec.errors import ArgumentError

from .reading import Fault, signature
from .words import HOSTILE

KINKS = re.compile(
    r"\b(floor|ceil\w*|sign|heav\w*|mod|Mod|if|Piecewise|abs|Abs|min|max|Min|Max|relu|clip)\b|[<>=]=|[<>]"
)
METHODS = """
euler rk4 heun2 midpoint bosh3 tsit5 dopri5 rodas4 rosenbrock23 trbdf2 ralston2 ssprk3 dop853 vern7 rodas5p
kvaerno5 backward_euler radau_iia5 gauss_legendre4 explicit_adams adams auto
""".split()
"""The first ten for the native engine, whose kernels take seconds to build."""


def work() -> None:
    """Answer requests, a JSON line each: {"text", "method", "native", "seed"} -> {"fault", "details"}."""
    torch.set_num_threads(1)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        answer = {"fault": "", "details": ""}
        try:
            answer["outcome"] = run_both(request)
        except Fault as fault:
            answer = {"fault": fault.kind, "details": fault.details}
        except BaseException as error:
            answer = {"fault": signature(error), "details": traceback.format_exc()}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def run_both(request: dict[str, Any]) -> str:
    """Compile and run one model, whose file has a hostile name; by both engines where native is asked for."""
    warnings.simplefilter("ignore")
    engines = ("torch", "native") if request["native"] else ("torch",)
    system = api.parse(Source(HOSTILE[request["seed"] % len(HOSTILE)], request["text"]))
    method = request["method"] if system.kind == "ode" else None
    try:
        text = api.compile(system, method=method, engine=engines[-1])
    except ModelError:
        return "refused by a later phase"
    except ArgumentError as error:
        return f"refused: {str(error)[:40]}"
    if api.compile(system, method=method, engine=engines[-1]) != text:
        raise Fault("two texts for one model")
    module = imported(text)
    runs = [simulate(module, system, engine, request["seed"]) for engine in engines]
    if len(runs) == 2:
        compare(request["text"], *runs, simulate(module, system, "torch", request["seed"], nudge=4e-16))
    return "nan with status" if torch.isnan(runs[0][0]).any().item() else "ran"


def imported(text: str) -> ModuleType:
    """The module of a text. Raises Fault where it is no Python."""
    try:
        code = compile(text.encode(), "model.py", "exec")
    except (SyntaxError, ValueError) as error:
        raise Fault(f"invalid Python: {type(error).__name__}", f"{error}") from None
    module = sys.modules["fuzzed_model"] = ModuleType("fuzzed_model")
    exec(code, module.__dict__)
    return module


Run = tuple[torch.Tensor, list[torch.Tensor], torch.Tensor]
"""States, gradients by x0 and by the parameters where all trajectories are ok, and which are."""


def simulate(module: Any, system: odec.System, engine: str, seed: int, nudge: float = 0.0) -> Run:
    """Five trajectories over a few fixed steps."""
    rng, one = random.Random(seed), 1 + nudge
    net = module.Model(engine=engine, **({} if system.kind == "map" else {"dt": 0.01}))
    start, span = system.run.start if system.run else 0.0, 4 if system.kind == "map" else 0.05
    t = torch.linspace(start, start + span, 5, dtype=torch.float64)
    given: dict[str, Any] = {}
    if module.INPUTS:
        knots = torch.linspace(start, start + span, 6, dtype=torch.float64) + 0.003 * span
        values = {name: [rng.uniform(0, 2) for _ in knots] for name in module.INPUTS}
        given["inputs"] = {name: (knots, torch.tensor(v, dtype=torch.float64)) for name, v in values.items()}
    p = net.vector().detach() * one
    x0 = module.initial(t[0], p).detach()
    x0 = torch.stack([x0 * (1 + 0.01 * k) * one for k in range(5)]).requires_grad_()
    params = {name: p[k].clone().requires_grad_() for k, name in enumerate(module.PARAMS)}
    x = net(t, x0=x0, params=params or None, **given)
    ok = net.status.ok
    if not torch.equal(ok, torch.isfinite(x).all(-1).all(0)):
        raise Fault(f"{engine}: ok where states are not finite, or the reverse", f"{net.status}\n{x}")
    with contextlib.suppress(ValueError):
        net.observe(t, x.detach(), params=params or None, **given)
    if not ok.all() or not x.requires_grad:  # one that failed spoils the gradients of what it shares
        return x.detach(), [], ok
    found = torch.autograd.grad(x.square().sum(), [x0, *params.values()], allow_unused=True)
    return x.detach(), [torch.zeros(()) if g is None else g for g in found], ok


def compare(text: str, reference: Run, other: Run, nudged: Run) -> None:
    """Raise Fault where two runs differ, and rounding does not explain it."""
    kind = " (with a kink)" if KINKS.search(text) else ""
    if not torch.equal(reference[2], other[2]):
        if torch.equal(reference[2], nudged[2]):
            raise Fault(
                f"the engines disagree on which trajectories fail{kind}", f"{reference[0]}\n{other[0]}"
            )
        return
    ok = reference[2]  # the states of one that failed are not alike: a dense solve spoils all of them
    pairs = [("states", 1e-9, reference[0][:, ok], other[0][:, ok], nudged[0][:, ok])] if ok.any() else []
    pairs += [("gradients", 1e-7, *g) for g in zip(reference[1], other[1], nudged[1])]
    for what, tolerance, a, b, c in pairs:
        a, b, c = (torch.atleast_1d(value.nan_to_num(0.0, 0.0, 0.0)) for value in (a, b, c))
        scale = a.abs().reshape(-1, a.shape[-1]).amax(0) + 1e-300
        apart = ((a - b).abs() / scale).max().item()
        rounding = ((a - c).abs() / scale).max().item()
        if apart > tolerance and apart > 1e3 * rounding:
            raise Fault(
                f"the engines disagree on {what}{kind}",
                f"apart {apart:.3g}, by rounding {rounding:.3g}\n{a}\n{b}",
            )
