"""Outputs within steps beside the steps' ends, in tolerances: `python -m benchmarks.dense`.

Every method with an interpolant solves the 25 non-stiff problems of DETEST, the implicit and Rosenbrock ones
five stiff problems, at rtol 1e-3, 1e-6 and 1e-9: with nine outputs in every step. The error is the largest
|x - reference|/(atol + rtol |reference|) of the states and of all outputs; the steps' ends stand beside it.
References: SciPy's DOP853 at 1e-13, of stiff problems its Radau at 1e-12, with a quintic of its own between
their steps. Nothing is timed.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from scipy.integrate import solve_ivp
from scipy.interpolate import BPoly

import odec
from benchmarks.harness import RESULTS, say
from odec.methods import AUTO, METHODS
from odec.runtime.reference.adaptive import by_interval, ends_of

TESTED = Path(__file__).parent.parent / "tests" / "problems"
RTOLS = (1e-3, 1e-6, 1e-9)
STIFF = {"hires": 100.0, "rober": 100.0, "orego": 30.0, "vdpol_1e3": 1.0, "stiff_e5": 1e3}
"""Stiff problems and how far they are taken."""
WITHIN = 9
MOST = 20_000
"""More steps than these are left out."""


def methods(stiff: bool) -> list[str]:
    """The methods with an interpolant that are meant for a set."""
    own = [m.name for m in METHODS.values() if m.dense_order and (m.family == "explicit") is not stiff]
    return [*own, AUTO.name]


@functools.cache
def truth(name: str) -> Callable[[np.ndarray], np.ndarray]:
    """The reference solution as a function of times (T,) to states (T, n)."""
    from independent import SLOPES
    from problem_set import problem

    at, slope = problem(name), SLOPES[name]
    module = odec.load(at.path, method="tsit5", engine="torch")
    x0 = module.Model().initial_state().detach().numpy() if hasattr(module.Model, "initial_state") else None
    if x0 is None:
        with torch.no_grad():
            x0 = module.Model()(torch.tensor(at.span[:1], dtype=torch.float64))[0].numpy()
    if name not in STIFF:
        found = solve_ivp(slope, at.span, x0, "DOP853", dense_output=True, rtol=1e-13, atol=1e-16)
        return lambda t: found.sol(t).T
    span = at.span[0], STIFF[name]
    found = solve_ivp(slope, span, x0, "Radau", rtol=1e-12, atol=1e-12 * np.asarray(at.atol(1.0)))
    t, eps = found.t, 1e-30
    y = found.y.T
    rate = np.array([slope(a, b) for a, b in zip(t, y, strict=True)])
    bend = np.array(
        [slope(a + eps * 1j, b + eps * 1j * c).imag / eps for a, b, c in zip(t, y, rate, strict=True)]
    )
    return BPoly.from_derivatives(t, np.stack([y, rate, bend], 1))


def errors(name: str, method: str, rtol: float) -> tuple[float, float, int] | None:
    """The largest error of outputs within steps and at their ends, in tolerances, and how many steps."""
    from problem_set import problem

    at = problem(name)
    module = odec.load(at.path, method=method, engine="torch")
    net = module.Model(
        rtol=rtol, atol=at.atol(rtol), engine="torch", dense_output=True, adjoint="none", max_steps=MOST, max_step=1e9
    )
    a, b = at.span[0], STIFF.get(name, at.span[1])
    compiled = module.COMPILED
    with torch.no_grad():
        ends = torch.tensor([a, b], dtype=torch.float64)
        p = net.vector()
        x0 = net(ends[:1])[0]
        run = compiled.reference.states(ends, x0, p, None, net.steps, 0)
        if int(run.report[0]):
            return None
        rows = by_interval(run.kept, len(x0), 1)[0]
        begin = torch.stack([row.begin for row in rows]).flatten().numpy()
        after = torch.stack(ends_of(rows)).flatten().numpy()
        parts = (np.arange(WITHIN) + 0.5) / WITHIN
        t = (a + (b - a) * (begin[:, None] + (after - begin)[:, None] * parts)).ravel()
        x = net(torch.tensor([a, *t, b]))[1:-1].numpy()
    steps = np.stack([row.x.numpy() for row in rows[1:]] + [run.xs[-1].numpy()])
    return at_most(at, rtol, t, x), at_most(at, rtol, a + (b - a) * after, steps), len(rows)


def at_most(at: object, rtol: float, t: np.ndarray, x: np.ndarray) -> float:
    """The largest error of the states x (T, n) at t (T,) in tolerances."""
    true = truth(at.name)(t)
    allowed = np.asarray(at.atol(rtol)) + rtol * np.abs(true)
    return float(np.max(np.abs(x - true) / allowed))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--methods", default="")
    parser.add_argument("--problems", default="")
    parser.add_argument("--rtols", default="1e-3,1e-6,1e-9")
    parser.add_argument("--out", default="")
    given = parser.parse_args(argv)
    sys.path.insert(0, str(TESTED))
    torch.set_num_threads(1)
    from problem_set import DETEST

    found = {}
    for stiff in (False, True):
        for method in methods(stiff) if not given.methods else given.methods.split(","):
            if method not in methods(stiff):
                continue
            for rtol in map(float, given.rtols.split(",")):
                names = [n for n in (STIFF if stiff else DETEST) if not given.problems or n in given.problems.split(",")]
                cells = {}
                for name in names:
                    try:
                        cells[name] = errors(name, method, rtol)
                    except Exception as error:
                        say(f"{name} {method} {rtol}: {error!r}")
                        cells[name] = None
                    if method in ("heun21", "fehlberg2", "bosh3", "backward_euler", "rosenbrock23", "trbdf2") and rtol < 1e-8:
                        break
                here = {n: c for n, c in cells.items() if c}
                if not here:
                    continue
                worst = max(here, key=lambda n: here[n][0])
                ratio = max(here, key=lambda n: here[n][0] / max(here[n][1], 1))
                over = {n: c for n, c in here.items() if c[0] > 10 and c[0] > 3 * c[1]}
                say(
                    f"{'stiff' if stiff else 'plain'} {method:14} {rtol:g} n={len(here)} worst {worst} {here[worst][0]:.3g} (ends {here[worst][1]:.3g})"
                    f"  median {statistics.median(c[0] for c in here.values()):.2g} (ends {statistics.median(c[1] for c in here.values()):.2g})"
                    f"  ratio {ratio} {here[ratio][0]:.3g}/{here[ratio][1]:.3g}; steps {sum(c[2] for c in here.values())}"
                    f"  over: {' '.join(f'{n} {c[0]:.3g}/{c[1]:.2g}' for n, c in over.items())}"
                )
                found[f"{method} {rtol:g} {'stiff' if stiff else 'plain'}"] = cells
    if given.out:
        Path(given.out).write_text(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
