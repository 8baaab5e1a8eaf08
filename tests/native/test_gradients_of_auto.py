"""The gradient of method auto on its own mesh: against sensitivities, and differences with the mesh held."""

import pytest
import torch
from gradient_models import FORCED, LOTKA_VOLTERRA, ROBERTSON, VAN_DER_POL
from native_calls import engine_of
from native_models import load
from tiers import each_once

from odec.runtime.engines import ALL

D = torch.float64
PROBLEMS = {
    "lotka_volterra": (LOTKA_VOLTERRA, 4.0, "a"),
    "robertson": (ROBERTSON, 4.0, "k2"),
    "van_der_pol": (VAN_DER_POL.format(mu=100), 3.0, "mu"),
    "forced": (FORCED, 2.0, "k"),
}
"""The model, the end of its span, and the parameter by which two trajectories differ a lot."""
KNOTS = torch.tensor([0.0, 0.4321, 2.5], dtype=D)


class Case:
    """Two trajectories of a problem: final states, scaled to 1, as a function of all that they hang on."""

    def __init__(self, problem, engine, **options):
        text, end, name = PROBLEMS[problem]
        self.module = load(text, "auto")
        self.net = self.module.Model(engine=engine, rtol=1e-5, atol=1e-8, **options)
        p = self.net.vector().detach().repeat(2, 1)
        k = self.module.PARAMS.index(name)
        p[:, k] *= torch.tensor([1e3, 1.0] if problem == "forced" else [1.0, 1 / 200], dtype=D)
        self.t = torch.tensor([0.0, 0.3, 0.5, 0.9, 1.0], dtype=D) * end
        values = torch.tensor([1.0, -0.5, 2.0], dtype=D)
        with torch.no_grad():
            x0 = self.net(self.t[:1], **self.inputs(values))[0].repeat(2, 1)
            self.size = self.states(self.net, x0, p, 1.0, values).abs().amax((0, 1))
        self.arguments = (x0, p, torch.ones((), dtype=D), values)
        random = torch.Generator().manual_seed(8)
        self.changes = tuple(
            torch.randn(a.shape, dtype=D, generator=random) * a.abs().clamp(min=1e-6) for a in self.arguments
        )

    def inputs(self, values):
        return {"inputs": {"u": (KNOTS, values)}} if self.module.INPUTS else {}

    def states(self, net, x0, p, stretch, values):
        params = dict(zip(self.module.PARAMS, p.unbind(-1), strict=True))
        return net(self.t * stretch, x0=x0, params=params, **self.inputs(values))[1:]

    def final(self, *arguments, net=None):
        return self.states(net or self.net, *arguments) / self.size

    def mesh(self):
        """The torch engine's run: the states, the mesh and a report."""
        x0, p, _, values = self.arguments
        series = [part.detach() for part in self.net.series(self.inputs(values).get("inputs"), p)]
        return engine_of(self.module, "torch").states(self.t, x0, p, series, self.net.steps, ALL)


def slope_by_adjoint(case):
    leaves = [value.clone().requires_grad_() for value in case.arguments]
    states = case.final(*leaves)
    weights = torch.linspace(0.5, 1.5, states.numel(), dtype=D).reshape(states.shape)
    found = torch.autograd.grad((states * weights).sum(), leaves, allow_unused=True)
    terms = [(g * c).sum() for g, c in zip(found, case.changes, strict=True) if g is not None]
    return float(sum(terms)), float(sum(term.abs() for term in terms)), weights


@pytest.mark.parametrize(("problem", "how"), each_once(PROBLEMS, ["native", "torch", "dense"]))
def test_gradient_of_auto(problem, how, monkeypatch):
    engine, dense = ("torch", True) if how == "dense" else (how, False)
    case = Case(problem, engine, dense_output=dense)
    pulled, size, weights = slope_by_adjoint(case)
    _, tangent = torch.func.jvp(case.final, case.arguments, case.changes)
    assert abs(float((tangent * weights).sum()) - pulled) < 1e-9 * size
    found = case.mesh()
    stiff, taken = found[1][..., -2] != 0, found[1][..., -3] != 0
    assert (stiff & taken).any() == (problem != "lotka_volterra") and (~stiff & taken).any()
    loops = case.module.COMPILED.reference.loops.adaptive
    monkeypatch.setattr(loops, "states", lambda *_: found)
    plain = case.module.Model(engine="torch", adjoint="autograd", rtol=1e-5, atol=1e-8, dense_output=dense)

    def moved(s):
        arguments = (a + s * c for a, c in zip(case.arguments, case.changes, strict=True))
        return case.final(*arguments, net=plain)

    with torch.no_grad():
        coarse, fine = ((moved(s) - moved(-s)) / (2 * s) for s in (1e-4, 5e-5))
    difference = float((((4 * fine - coarse) / 3) * weights).sum())
    assert abs(difference - pulled) < 1e-6 * size
