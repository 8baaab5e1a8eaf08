"""Small models, one a flag, their arguments, and how two engines are compared."""

from __future__ import annotations

from dataclasses import replace

import torch
from old_engine import OldEngine, cell_of, normal
from thin_modules import compiled_of

from odec.runtime.engines import ENGINES, How
from odec.runtime.methods import Explicit
from odec.runtime.series import COEFFICIENTS

PREY = """
param a = 1.1
param b = 0.4
param c = 0.4
param d = 0.1
init x = 2
init y = 1
dx/dt = a*x - b*x*y
dy/dt = d*x*y - c*y
"""
TIMED = """
param k = 0.7
param a = 2
init x = 1
init y = 0.5
dx/dt = -k*x + sin(a*t)*y
dy/dt = x - y^2 + t
"""
PUSHED = """
input u linear
input v cubic
input w hold
param k = 0.5
param a = 1.5
init x = a
init y = 0.1
dx/dt = -k*x + u*sin(t) + v*a
dy/dt = x - y*k + w*x + t
"""
MAP = """
input u hold
param r = 0.9
param k = 1.3
init x = 0.3
init y = 0.2
x[t+1] = r*x*(1 - x) + 0.1*u*y + 0.01*sin(t)
y[t+1] = k*x - 0.3*y*u
"""
D = torch.float64
KNOTS = {"u": [0.0, 0.7, 1.3, 3.1], "v": [0.5, 1.0, 2.0], "w": [0.5, 1.0, 2.0]}
GROWING = torch.tensor([0.1, 0.102, 0.102, 0.109, 0.129, 0.999], dtype=D)
"""Fixed steps become more than twice as long at each: Adams methods start anew, as in whole modules."""
AROUND = {"u": [-1.0, 4.0], "v": [-2.0, -0.5, 3.5], "w": [-1.0, 3.1]}
"""Outside the runs: fixed steps of whole modules do not end on knots."""


def engines(text, method, printed=True):
    """Torch's engine of the run-time, and the whole module's; printed: with its step, else by the table."""
    compiled = compiled_of(text, method)
    if printed and isinstance(compiled.method, Explicit):
        compiled = replace(compiled, cell=cell_of(text, method), engines={})
    return ENGINES["torch"](compiled), OldEngine(text, method)


def series_of(text, batch=(), knots=KNOTS):
    """The inputs' knots and coefficients, those of u alone by trajectory."""
    module = OldEngine(text, "euler" if "dx/dt" in text else None).module
    found = []
    kinds = {line.split()[1]: line.split()[2] for line in text.splitlines() if line.startswith("input ")}
    for i, name in enumerate(module.INPUTS):
        times = torch.tensor(knots[name], dtype=D)
        values = normal((len(times), *(batch if i == 0 else ())), 10 + i)
        found += [times, COEFFICIENTS[kinds[name]](times, values)]
    return found


def arguments(text, batch=(), shared=False, knots=KNOTS):
    """x0 (*batch, n), p (*batch, m) or (m,), and the inputs' series."""
    module = OldEngine(text, "euler" if "dx/dt" in text else None).module
    p = torch.tensor([float(line.split("=")[1]) for line in text.splitlines() if line.startswith("param ")])
    p = p.to(D)
    if not shared:
        p = p * (1 + 0.1 * normal((*batch, len(p)), 1))
    x0 = 1 + 0.3 * normal((*batch, len(module.STATES)), 2)
    return x0, p, series_of(text, batch, knots)


def close(new, old, tolerance=1e-13):
    """Hold a tensor against another: the same shape, and the same numbers up to rounding, NaN where NaN."""
    assert new.shape == old.shape
    scale = torch.nan_to_num(old).abs().amax().clamp(min=1e-300) if old.numel() else 1.0
    torch.testing.assert_close(new, old, rtol=tolerance, atol=float(tolerance * scale), equal_nan=True)


def hold(pair, t, x0, p, series, steps, how=None, wrt_times=True, tolerance=1e-13):
    """Compare states, what is kept, reports, gradients, tangents of two engines; returns the new run."""
    new, old = pair
    how = how or How()
    keep = 1 if how.adjoint == "continuous" else how.keep
    run, run_old = (engine.states(t, x0, p, series, steps, keep) for engine in pair)
    for value, value_old in zip(run, run_old):
        close(value, value_old, tolerance)
    w = normal(run.xs.shape, 3)
    found, found_old = (
        engine.adjoint(t, one, p, series, w, steps, how, wrt_times)
        for engine, one in ((new, run), (old, run_old))
    )
    for value, value_old in zip((*found[:3], *found.u), (*found_old[:3], *found_old.u), strict=True):
        close(value, value_old, 10 * tolerance)
    d_series = [normal(c.shape, 20 + i) if i % 2 else c for i, c in enumerate(series)]
    moved = normal(t.shape, 4), normal(x0.shape, 5), normal(p.shape, 6)
    tangents = [engine.tangent(t, x0, p, series, *moved, d_series, steps) for engine in pair]
    close(*tangents, 10 * tolerance)
    return run
