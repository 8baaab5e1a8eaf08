"""Write references.json: `python tests/problems/make_references.py [NAME …]`. Takes minutes; no test runs it.

The non-stiff problems and the Brusselator are solved by extrapolation in 80-bit arithmetic, the other stiff
ones have the published solutions of the Test Set for IVP Solvers. Both are then compared with solvers of
SciPy, and the non-stiff ones with the solutions that come with Enright & Pryce's NSDTST. odec solves nothing.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
from independent import EXACT, SLOPES, Slope
from problem_set import DETEST, FOLDER, STIFF, TORCHDIFFEQ, Problem
from scipy.integrate import solve_ivp

COLUMNS = 10
NSDTST: dict[str, list[float]] = json.loads((FOLDER / "nsdtst.json").read_text())["states"]
TESTSET = "Test Set for IVP Solvers 2.4, University of Bari, {}; {}"
EXTRAPOLATED = "Gragg's extrapolation of order 20 in 80-bit arithmetic at tolerance 1e-17"
CRAY = "RADAU5 in 128-bit arithmetic, rtol = atol = 1.1e-18"
ALPHA = "RADAU in quadruple precision, rtol = 1.1e-18"
PUBLISHED: dict[str, tuple[str, str]] = {
    "hires": (
        TESTSET.format("hires.f", CRAY),
        "0.7371312573325668e-3 0.1442485726316185e-3 0.5888729740967575e-4 0.1175651343283149e-2 "
        "0.2386356198831331e-2 0.6238968252742796e-2 0.2849998395185769e-2 0.2850001604814231e-2",
    ),
    "rober": (
        TESTSET.format("rober.f", ALPHA),
        "0.2083340149701255e-7 0.8333360770334713e-13 0.9999999791665050",
    ),
    "orego": (
        TESTSET.format("orego.f", ALPHA),
        "0.1000814870318523e1 0.1228178521549917e4 0.1320554942846706e3",
    ),
    "stiff_e5": (
        TESTSET.format("e5.f", ALPHA),
        "0.1152903278711829e-290 0.8867655517642120e-22 0.8854814626268838e-22 0",
    ),
    "vdpol_1e3": (TESTSET.format("vdpolm.f", ALPHA), "0.1706167732170469e1 -0.8928097010248125e-3"),
    "vdpol_1e6": (TESTSET.format("vdpol.f", ALPHA), "0.1706167732170483e1 -0.8928097010247975"),
    "pollu": (
        TESTSET.format("pollu.f", CRAY),
        "0.5646255480022769e-1 0.1342484130422339 0.4139734331099427e-8 0.5523140207484359e-2 "
        "0.2018977262302196e-6 0.1464541863493966e-6 0.7784249118997964e-1 0.3245075353396018 "
        "0.7494013383880406e-2 0.1622293157301561e-7 0.1135863833257075e-7 0.2230505975721359e-2 "
        "0.2087162882798630e-3 0.1396921016840158e-4 0.8964884856898295e-2 0.4352846369330103e-17 "
        "0.6899219696263405e-2 0.1007803037365946e-3 0.1772146513969984e-5 0.5682943292316392e-4",
    ),
    "ring_modulator": (
        TESTSET.format("ringmod.f", "RADAU, rtol = atol = 1e-12"),
        "-0.2339057358486745e-1 -0.7367485485540825e-2 0.2582956709291169 -0.4064465721283450 "
        "-0.4039455665149794 0.2607966765422943 0.1106761861269975 0.2939904342435596e-6 "
        "-0.2840029933642329e-7 0.7267198267264553e-3 0.7929487196960840e-3 -0.7255283495698965e-3 "
        "-0.7941401968526521e-3 0.7088495416976114e-4 0.2390059075236570e-4",
    ),
}

SEEN_APART = {"ring_modulator": {"DOP853 at 1e-9, compiled, 15 million steps": 46.0}}
"""Agreement that would take hours in Python: the explicit method needs steps of 70 ps."""


def extrapolate(f: Slope, t0: float, t1: float, start: np.ndarray, tolerance: float = 1e-17) -> np.ndarray:
    """The solution at t1 by extrapolated midpoint rules. Hairer, Nørsett & Wanner I, II.9."""
    number = np.longdouble
    y, t, end = start.astype(number), number(t0), number(t1)
    h = (end - t) / 1000
    counts = [2 * (k + 1) for k in range(COLUMNS)]
    while (end - t) * h > 0:
        h = end - t if abs(h) * number("1.0000001") > abs(end - t) else h
        row: list[np.ndarray] = []
        error = np.inf
        for k, count in enumerate(counts):
            before = row
            row = [_midpoints(f, t, y, h, count)]
            for j in range(k):
                ratio = (number(count) / counts[k - j - 1]) ** 2 - 1
                row.append(row[j] + (row[j] - before[j]) / ratio)
            if k:
                scale = np.maximum(np.maximum(abs(y), abs(row[-1])), number(1e-3))
                error = float(np.max(abs(row[-1] - row[-2]) / scale))
        factor = 0.9 * (tolerance / max(error, 1e-30)) ** (1 / (2 * COLUMNS - 1))
        if error <= tolerance:
            t, y = t + h, row[-1]
        h *= number(min(2.0, max(0.1, factor)))
    return y


def _midpoints(f: Slope, t: np.longdouble, y: np.ndarray, h: np.longdouble, count: int) -> np.ndarray:
    part = h / count
    before, now = y, y + part * f(t, y)
    for i in range(1, count):
        before, now = now, before + 2 * part * f(t + i * part, now)
    return now


def start_of(name: str) -> tuple[tuple[float, float], np.ndarray]:
    """The span and the initial state that the model's text says."""
    import torch

    import odec

    path = FOLDER / "models" / f"{name}.ode"
    run = odec.parse(path).run
    model = odec.load(path, method="euler", engine="torch").Model(dt=1.0)
    start = model(torch.tensor([run.start], dtype=torch.float64))[0]
    return (run.start, run.stop), start.detach().numpy()


def agreement(problem: Problem, start: np.ndarray) -> dict[str, float]:
    """How far SciPy's solvers at their tightest are from the reference, in units at rtol = 1e-12."""
    solvers = {"DOP853": 1e-13} if problem.name in DETEST + TORCHDIFFEQ else {"Radau": 1e-12, "LSODA": 1e-10}
    if problem.name == "brusselator":
        solvers |= {"DOP853": 1e-13}
    if problem.name in ("stiff_e5", "ring_modulator"):
        solvers = {"Radau": 1e-10}
    found = dict(SEEN_APART.get(problem.name, {}))
    for solver, rtol in solvers.items():
        begun = time.time()
        f, span = SLOPES[problem.name], problem.span
        done = solve_ivp(f, span, start, solver, rtol=rtol, atol=problem.atol(rtol), t_eval=[span[1]])
        found[f"scipy {solver} at {rtol:g}"] = problem.units(done.y[:, -1], 1e-12) if done.success else np.nan
        print(f"  {solver}: {time.time() - begun:.1f} s", flush=True)
    return {solver: float(f"{value:.2g}") for solver, value in found.items()}


def main(names: list[str]) -> None:
    path = FOLDER / "references.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    for name in names or DETEST + STIFF + TORCHDIFFEQ:
        span, start = start_of(name)
        if name in PUBLISHED:
            source, text = PUBLISHED[name]
            state = np.array(text.split(), dtype=float)
        elif name in EXACT:
            source, state = "exact solution", EXACT[name](np.array([span[1]]))[0]
        else:
            source, state = EXTRAPOLATED, extrapolate(SLOPES[name], *span, start)
        problem = Problem(name, Path(), span, state.astype(float), source, {})
        print(name, flush=True)
        agrees = agreement(problem, start)
        if name in NSDTST:
            agrees["NSDTST"] = float(f"{problem.units(np.array(NSDTST[name]), 1e-12):.2g}")
        print(f"  {agrees}", flush=True)
        kept[name] = {
            "source": source,
            "span": span,
            "state": problem.reference.tolist(),
            "agreement": agrees,
        }
        order = {key: kept[key] for key in DETEST + STIFF + TORCHDIFFEQ if key in kept}
        path.write_text(json.dumps(order, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
