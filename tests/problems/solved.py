"""Solve a test problem with odec and count the error at its end in tolerances."""

from __future__ import annotations

import torch
from independent import EXACT
from problem_set import problem

import odec


def final_units(name: str, method: str, rtol: float, engine: str = "torch") -> float:
    """The error at the end of the problem in units of its tolerance; see Problem.units."""
    at = problem(name)
    module = odec.load(at.path, method=method, engine=engine)
    model = module.Model(rtol=rtol, atol=at.atol(rtol), engine=engine, max_steps=1_000_000)
    with torch.no_grad():
        state = model(torch.tensor(at.span, dtype=torch.float64))[-1]
    assert model.status.ok.all(), str(model.status)
    return at.units(state.numpy(), rtol)


def largest_relative_error(name, method, engine, *, rtol, atol, reverse=False) -> float:
    """Of all states of one of torchdiffeq's problems at linspace(1, 8, 10), forward or reversed in time."""
    module = odec.load(problem(name).path, method=method, engine=engine)
    model = module.Model(rtol=rtol, atol=atol, engine=engine, max_steps=10_000_000)
    t = torch.linspace(1, 8, 10, dtype=torch.float64)
    t = t.flip(0) if reverse else t
    exact = torch.tensor(EXACT[name](t.numpy()))
    with torch.no_grad():
        x = model(t, x0=exact[0])
    assert model.status.ok.all(), str(model.status)
    return float(((x - exact) / exact).abs().max())
