"""An engine of one's own behind the interface: docs/architecture.md, "Adding an engine"."""

import pytest
import torch

import odec
from odec.runtime import operators
from odec.runtime.autograd import Plan, Solve
from odec.runtime.engines import ALL, ENGINES, Gradients, How, Run, states_alone

TEXT = "param a = 0.7\ninit x = 2\ninit y = 1\ndx/dt = -a*x*y\ndy/dt = a*x - y\nrun t = 0 .. 1\n"


class Wide:
    """The torch engine in float64."""

    def __init__(self, compiled):
        self.inner = compiled.reference

    def states(self, t, x0, p, series, steps, keep):
        xs, kept, report = self.inner.states(t.double(), x0.double(), p.double(), series, steps, keep)
        return Run(xs.to(x0.dtype), kept, report)

    def prepared(self, t, x0, p, series, steps):
        return states_alone(self, t, x0, p, series, steps)

    def adjoint(self, t, run, p, series, w_xs, steps, how, wrt_times):
        wide = Run(run.xs.double(), run.kept, run.report)
        found = self.inner.adjoint(t.double(), wide, p.double(), series, w_xs.double(), steps, how, wrt_times)
        return Gradients(*(g.to(p.dtype) for g in found[:3]), found.u)

    def tangent(self, t, x0, p, series, d_t, d_x0, d_p, d_series, steps):
        given = [v.double() for v in (t, x0, p)], [v.double() for v in (d_t, d_x0, d_p)]
        return self.inner.tangent(*given[0], series, *given[1], d_series, steps).to(x0.dtype)


@pytest.mark.parametrize(("method", "settings"), [("rk4", {"dt": 0.1}), ("tsit5", {"rtol": 1e-5})])
def test_gradients_are_those_of_float64(monkeypatch, method, settings):
    """By autograd, and by the operators that torch.compile calls, which find adaptive steps anew."""
    monkeypatch.setitem(ENGINES, "wide", Wide)
    module = odec.load(TEXT, method, "torch")
    net, t = module.Model(**settings), torch.tensor([0.0, 0.5, 1.0])
    compiled, steps = module.COMPILED, net.steps
    x0, p = torch.tensor([2.0, 1.0], requires_grad=True), torch.tensor([0.7], requires_grad=True)
    wanted_x0, wanted_p = x0.detach().double().requires_grad_(), p.detach().double().requires_grad_()
    net(t.double(), wanted_x0, wanted_p)[-1].sum().backward()

    w = torch.zeros(3, 2)
    w[-1] = 1
    Solve.apply(t, x0, p, Plan(compiled, "wide", steps, How()))[0].backward(w)
    named = compiled.key, "wide", steps.numbers()
    xs, kept, _ = operators.solve(t, x0.detach(), p.detach(), [], *named, ALL)
    _, g_x0, g_p = operators.adjoint(t, xs, kept, p.detach(), [], w, *named, *How()[:3], False)
    for found in ((x0.grad, p.grad), (g_x0, g_p)):
        assert torch.allclose(found[0].double(), wanted_x0.grad, rtol=3e-7, atol=0)
        assert torch.allclose(found[1].double(), wanted_p.grad, rtol=3e-7, atol=0)
    given = t, x0, p, [], torch.zeros_like(t), torch.zeros_like(x0), torch.ones_like(p), [], steps
    assert torch.allclose(compiled.engine("wide").tangent(*given)[-1].sum(), p.grad[0])
