"""All methods' gradients on four problems, against forward sensitivities and differences on one mesh."""

import pytest
import torch
from generated import load
from gradient_models import FORCED, LOTKA_VOLTERRA, ROBERTSON, VAN_DER_POL
from tiers import each_once

from odec.methods import METHODS

D = torch.float64
PROBLEMS = {
    "lotka_volterra": (LOTKA_VOLTERRA, 1.0),
    "robertson": (ROBERTSON, 4e-4),
    "van_der_pol": (VAN_DER_POL.format(mu=5), 0.5),
    "forced": (FORCED, 1.0),
}
"""The model and the end of its span."""
KNOTS = torch.tensor([0.0, 0.4321, 2.0], dtype=D)
ONE_STEP = [name for name, method in METHODS.items() if method.family != "multistep"]


def case(problem, method):
    """The states, scaled to 1, as a function of x0, parameters, the times' unit and the input, and those."""
    text, end = PROBLEMS[problem]
    module = load(text, method)
    net = module.Model(dt=end / 7.5)
    p = net.vector().detach()
    t = torch.tensor([0.0, end / 2, end], dtype=D)
    with torch.no_grad():
        inputs = {"inputs": {"u": (KNOTS, torch.ones(3, dtype=D))}} if module.INPUTS else {}
        size = net(t, **inputs).abs().amax(0)
        x0 = net(t[:1], **inputs)[0]

    def final(x0, p, stretch, values):
        inputs = {"inputs": {"u": (KNOTS, values)}} if module.INPUTS else {}
        params = dict(zip(module.PARAMS, p.unbind(), strict=True))
        return net(t * stretch, x0=x0, params=params, **inputs)[1:] / size

    values = torch.tensor([1.0, -0.5, 2.0], dtype=D)
    return final, (x0, p, torch.ones((), dtype=D), values)


def directions(arguments):
    """Random changes of the arguments, relative to their size."""
    random = torch.Generator().manual_seed(8)
    return [torch.randn(a.shape, dtype=D, generator=random) * a.abs().clamp(min=1e-6) for a in arguments]


def slope_by_adjoint(final, arguments, changes):
    leaves = [value.clone().requires_grad_() for value in arguments]
    states = final(*leaves)
    weights = torch.linspace(0.5, 1.5, states.numel(), dtype=D).reshape(states.shape)
    found = torch.autograd.grad((states * weights).sum(), leaves, allow_unused=True)
    terms = [(g * c).sum() for g, c in zip(found, changes) if g is not None]
    return float(sum(terms)), float(sum(term.abs() for term in terms)), weights


@pytest.mark.parametrize(
    ("method", "problem"),
    each_once(METHODS, PROBLEMS, besides=lambda method, _: method == "rodas5p"),
)
def test_gradient(method, problem):
    final, arguments = case(problem, method)
    changes = directions(arguments)
    pulled, size, weights = slope_by_adjoint(final, arguments, changes)
    if method in ONE_STEP:
        _, tangent = torch.func.jvp(final, arguments, tuple(changes))
        assert abs(float((tangent * weights).sum()) - pulled) < 1e-9 * size
    with torch.no_grad():
        moved = [final(*(a + s * c for a, c in zip(arguments, changes))) for s in (1e-4, -1e-4, 5e-5, -5e-5)]
    coarse, fine = ((moved[k] - moved[k + 1]) / (2e-4 / (1 + k // 2)) for k in (0, 2))
    difference = float((((4 * fine - coarse) / 3) * weights).sum())
    assert abs(difference - pulled) < 1e-6 * size
