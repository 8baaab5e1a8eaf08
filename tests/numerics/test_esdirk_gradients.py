"""Gradients of ESDIRK methods through fast transients, on both engines, on one mesh: against sensitivities
and differences."""

import functools

import pytest
import torch
from generated import taken
from tiers import each_once

import odec
from odec.runtime.reference.adaptive import Adaptive

D = torch.float64
METHODS = ["trbdf2", "kvaerno3", "kvaerno4", "kvaerno5"]
ROBERTSON = """
param k1 = 0.04
param k2 = 3e7
param k3 = 1e4
init y1 = 1
init y2 = 0
init y3 = 0
dy1/dt = -k1*y1 + k3*y2*y3
dy2/dt = k1*y1 - k3*y2*y3 - k2*y2**2
dy3/dt = k2*y2**2
"""
VAN_DER_POL = """
param mu = 1000
param g = 1
init x = 2
init y = 0.5
dx/dt = y
dy/dt = mu*(1 - x**2)*y - g*x
"""
"""y falls onto the slow curve, -x/(mu (x² - 1)), within 1/3000."""
FIXED, ADAPTIVE = {"dt": 1.0}, {"rtol": 1e-2, "atol": 1e-6}
PROBLEMS = {
    "robertson, transient": (ROBERTSON, [0.0, 1e-5, 2e-4, 6e-4], FIXED),
    "robertson, beyond": (ROBERTSON, [0.0, 2e-4, 0.4, 40.0], ADAPTIVE),
    "van der pol, transient": (VAN_DER_POL, [0.0, 5e-5, 3e-4, 1e-3], FIXED),
    "van der pol, beyond": (VAN_DER_POL, [0.0, 3e-4, 0.1, 400.0], ADAPTIVE),
}
"""The model, the times, and the steps; fixed ones go from time to time, some very long for what is fast."""


class Case:
    """Final states, scaled to 1, as a function of x0, the parameters and the times' unit, and those."""

    def __init__(self, problem, method):
        text, times, self.steps = PROBLEMS[problem]
        self.module = odec.load(text, method=method, engine="native")
        self.plain = self.module.Model(engine="torch", adjoint="autograd", **self.steps)
        self.t = torch.tensor(times, dtype=D)
        p = self.plain.vector().detach() * torch.tensor([[1.0], [1.3]], dtype=D)
        with torch.no_grad():
            x0 = self.plain(self.t[:1])[0].repeat(2, 1)
            self.size = self.states(self.plain, x0, p, 1.0).abs().amax((0, 1))
        assert self.plain.status.ok.all()
        self.arguments = (x0, p, torch.ones((), dtype=D))
        random = torch.Generator().manual_seed(3)
        self.changes = tuple(
            torch.randn(a.shape, dtype=D, generator=random) * a.abs().clamp(min=1e-6) for a in self.arguments
        )

    def states(self, net, x0, p, stretch):
        params = dict(zip(self.module.PARAMS, p.unbind(-1), strict=True))
        return net(self.t * stretch, x0=x0, params=params)[1:]

    def final(self, net, *arguments):
        return self.states(net, *arguments) / self.size


def slope_by_adjoint(case, net):
    """The slope along the changes, the sum of what it is made of, and the cotangents."""
    leaves = [value.clone().requires_grad_() for value in case.arguments]
    states = case.final(net, *leaves)
    weights = torch.linspace(0.5, 1.5, states.numel(), dtype=D).reshape(states.shape)
    found = torch.autograd.grad((states * weights).sum(), leaves)
    terms = [(g * c).sum() for g, c in zip(found, case.changes, strict=True)]
    return float(sum(terms)), float(sum(term.abs() for term in terms)), weights


def slope_by_differences(case, weights):
    def moved(s):
        return case.final(case.plain, *(a + s * c for a, c in zip(case.arguments, case.changes, strict=True)))

    with torch.no_grad():
        coarse, fine = ((moved(s) - moved(-s)) / (2 * s) for s in (2e-4, 1e-4))
    return float(((4 * fine - coarse) / 3 * weights).sum())


@pytest.mark.parametrize(("method", "problem"), each_once(METHODS, PROBLEMS))
def test_gradient(problem, method, monkeypatch):
    case, pulled = Case(problem, method), []
    for engine in ("torch", "native"):
        net = case.module.Model(engine=engine, **case.steps)
        slope, size, weights = slope_by_adjoint(case, net)
        final = functools.partial(case.final, net)
        _, tangent = torch.func.jvp(final, case.arguments, case.changes)
        assert abs(float((tangent * weights).sum()) - slope) < 1e-9 * size, engine
        pulled.append(slope)
    if case.steps is ADAPTIVE:
        x0, p, _ = case.arguments
        found = taken(net, case.t, x0, p)
        assert 10 < int(found.report[..., 3].min()) < 200
        monkeypatch.setattr(Adaptive, "states", lambda *_: found)
    difference = slope_by_differences(case, weights)
    assert max(abs(difference - slope) for slope in pulled) < 1e-6 * size
